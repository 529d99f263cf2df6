"""Decoders that Transformers 5 no longer has; see families.py."""

import torch

from families import embeddings_given, hidden_states
from families_gpt import heads, padded_left

SIZES = ("max_position_embeddings", "num_hidden_layers", "hidden_size", "num_attention_heads")


# Not given, or an expert of two to which no token goes.
UNREACHED = r"spout|blocks\.0\..*expert_1|blocks\.1\..*expert_0"


def prefixes_given(x, config):
    """Tokens of a prefix, which those before them see."""
    ids = x["input_ids"]
    types = (torch.arange(ids.shape[1]) < torch.tensor([[4], [2], [0]])).long()
    return {**x, "token_type_ids": types}


def call(model, x):
    """Transformer-XL's last version gives a method of tensors an argument by a name that it has not;
    and what is made float is double where all is."""
    kept = torch.Tensor.type_as, torch.Tensor.float

    def type_as(tensor, other=None, dtype=None):
        return kept[0](tensor, other) if dtype is None else tensor.to(dtype)

    def as_float(tensor):
        return tensor.to(torch.get_default_dtype())

    torch.Tensor.type_as, torch.Tensor.float = type_as, as_float
    try:
        return model(**x)
    finally:
        torch.Tensor.type_as, torch.Tensor.float = kept


def transfo_xl(**changes):
    usual = dict(
        cutoffs=[10, 18],
        d_model=12,
        d_embed=12,
        n_head=2,
        d_head=5,
        d_inner=20,
        n_layer=2,
        div_val=2,
        mem_len=4,
        clamp_len=6,
    )
    return {**usual, **changes}


FAMILIES = {
    "open-llama": dict(
        old=True,
        architectures=heads("OpenLlama", "SequenceClassification"),
        config=dict(pad_token_id=1, rope_theta=100.0, use_cache=False),
    ),
    "transfo-xl": dict(
        old=True,
        architectures=["TransfoXLModel", "TransfoXLLMHeadModel", "TransfoXLForSequenceClassification"],
        inputs=lambda name, x, config: {"input_ids": x["input_ids"]},
        without=SIZES,
        call=call,
        any_epsilon=True,
        config=transfo_xl(pad_token_id=1),
    ),
    "gptsan-japanese": dict(
        old=True,
        architectures=["GPTSanJapaneseModel", "GPTSanJapaneseForConditionalGeneration"],
        without=("num_hidden_layers", "hidden_size", "num_attention_heads"),
        any_epsilon=True,
        call=call,
        unseen={
            "GPTSanJapaneseModel": UNREACHED,
            "GPTSanJapaneseForConditionalGeneration": UNREACHED,
        },
        config=dict(
            d_model=12,
            num_heads=2,
            d_ff=20,
            d_ext=16,
            d_spout=4,
            num_switch_layers=2,
            num_experts=2,
            expert_capacity=64,
            separator_token_id=2,
            pad_token_id=1,
            eos_token_id=0,
            use_cache=False,
        ),
    ),
}

VARIANTS = {
    "open-llama": {
        "OpenLlamaModel-inputs_embeds": dict(
            of="OpenLlamaModel", inputs=embeddings_given, unseen="embed_"
        ),
        "OpenLlamaForCausalLM-plain": dict(
            architecture="OpenLlamaForCausalLM",
            config=dict(
                use_stable_embedding=False,
                shared_input_output_embedding=False,
                rope_scaling=dict(type="linear", factor=2.0),
            ),
        ),
    },
    "transfo-xl": {
        "TransfoXLModel-hidden_states": dict(of="TransfoXLModel", inputs=hidden_states),
        "TransfoXLModel-inputs_embeds": dict(
            of="TransfoXLModel", inputs=embeddings_given, unseen="word_emb"
        ),
        "TransfoXLModel-norm_first": dict(
            architecture="TransfoXLModel",
            config=dict(pre_lnorm=True, same_length=False, clamp_len=-1),
        ),
        "TransfoXLModel-no_memory": dict(
            of="TransfoXLModel", set=dict(mem_len=0, same_length=False)
        ),
        "TransfoXLLMHeadModel-one_table": dict(
            architecture="TransfoXLLMHeadModel", config=dict(div_val=1, d_embed=8)
        ),
        "TransfoXLLMHeadModel-untied": dict(
            architecture="TransfoXLLMHeadModel",
            config=dict(
                div_val=1,
                proj_share_all_but_first=False,
                tie_word_embeddings=False,
            ),
        ),
        "TransfoXLLMHeadModel-one_cluster": dict(
            architecture="TransfoXLLMHeadModel", config=dict(cutoffs=[], d_embed=8)
        ),
    },
    "gptsan-japanese": {
        "GPTSanJapaneseModel-hidden_states": dict(
            of="GPTSanJapaneseModel", inputs=hidden_states, unseen=UNREACHED
        ),
        "GPTSanJapaneseModel-left": dict(
            of="GPTSanJapaneseModel",
            inputs=padded_left,
            unseen=UNREACHED,
        ),
        "GPTSanJapaneseModel-capacity": dict(
            of="GPTSanJapaneseModel", set=dict(expert_capacity=2), unseen=UNREACHED
        ),
        "GPTSanJapaneseModel-prefix": dict(
            of="GPTSanJapaneseModel", inputs=prefixes_given, unseen=UNREACHED
        ),
        "GPTSanJapaneseForConditionalGeneration-outer": dict(
            architecture="GPTSanJapaneseForConditionalGeneration",
            config=dict(num_switch_layers=1, num_ext_layers=2, d_spout=0, router_bias=True),
            unseen=UNREACHED,
        ),
    },
}
