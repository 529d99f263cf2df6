"""Decoders that Transformers 5 no longer has; see families.py."""

import torch

from families import embeddings_given, hidden_states
from families_gpt import heads

SIZES = ("max_position_embeddings", "num_hidden_layers", "hidden_size", "num_attention_heads")


def call_transfo_xl(model, x):
    """Its last version gives a method of tensors an argument by a name that it has not; and double
    stays double."""
    kept = torch.Tensor.type_as, torch.Tensor.float

    def type_as(tensor, other=None, dtype=None):
        return kept[0](tensor, other) if dtype is None else tensor.to(dtype)

    def as_float(tensor):
        return tensor if tensor.dtype == torch.float64 else kept[1](tensor)

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
        call=call_transfo_xl,
        any_epsilon=True,
        config=transfo_xl(pad_token_id=1),
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
}
