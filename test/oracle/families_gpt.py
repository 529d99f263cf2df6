"""GPT-2 and the decoders after it; see families.py."""

import torch

import tiny
from families import (
    embeddings_given,
    hidden_states,
    positions_given,
)

CLASSIFIERS = ("SequenceClassification", "TokenClassification", "QuestionAnswering")


def heads(name, *tasks, language_model="ForCausalLM"):
    return [f"{name}Model", f"{name}{language_model}"] + [f"{name}For{task}" for task in tasks]


def gpt_config(**changes):
    return dict(pad_token_id=1, n_inner=20, **changes)


def padded_left(x, config):
    """Two of three sequences are padded on the left."""
    mask = torch.ones_like(x["input_ids"])
    mask[1, :3] = 0
    mask[2, :1] = 0
    draw = tiny.generator("left")
    ids = torch.randint(5, config.vocab_size, mask.shape, generator=draw)
    return {"input_ids": torch.where(mask.bool(), ids, config.pad_token_id), "attention_mask": mask}


def types_given(x, config):
    ids = x["input_ids"]
    return {**x, "token_type_ids": torch.where(ids % 2 == 0, 6, 7)}


def choices_given(x, config):
    """Two choices for each example, and the token of each by which it is judged."""
    x = {name: torch.stack([value, value.roll(1, 0)], 1) for name, value in x.items()}
    return {**x, "mc_token_ids": torch.tensor([[8, 2], [5, 1], [3, 0]])}


def whole_choices_given(x, config):
    """The same without a mask, which OpenAIGPT does not take for choices."""
    return choices_given({"input_ids": x["input_ids"]}, config)


def pads_given(x, config):
    """input_ids that end with padding tokens, without a mask."""
    ids = x["input_ids"].clone()
    ids[0, 3] = ids[0, 8] = config.pad_token_id
    return {"input_ids": ids}


def conv_names(weights):
    """As published: without the prefix, with buffers, and with a copy of the tied head."""
    old = {name.removeprefix("transformer."): weight for name, weight in weights.items()}
    old["h.0.attn.bias"] = torch.ones(1, 1, 20, 20)
    old["lm_head.weight"] = old["wte.weight"].clone()
    return old


def embed_out(weights):
    return {name.replace("lm_head.", "embed_out."): weight for name, weight in weights.items()}


def rope(part):
    return dict(rope_type="default", rope_theta=1000.0, partial_rotary_factor=part)


FAMILIES = {
    "gpt2": dict(
        architectures=heads("GPT2", *CLASSIFIERS, language_model="LMHeadModel"),
        config=gpt_config(),
    ),
    "openai-gpt": dict(
        architectures=heads("OpenAIGPT", "SequenceClassification", language_model="LMHeadModel"),
        config=dict(pad_token_id=1, layer_norm_epsilon=0.01),
    ),
    "gpt_bigcode": dict(architectures=heads("GPTBigCode", *CLASSIFIERS[:2]), config=gpt_config()),
    "gpt_neo": dict(
        architectures=heads("GPTNeo", *CLASSIFIERS),
        config=dict(
            pad_token_id=1,
            num_hidden_layers=2,
            attention_types=[[["global", "local"], 1]],
            window_size=3,
        ),
    ),
    "gpt_neox": dict(
        architectures=heads("GPTNeoX", *CLASSIFIERS),
        config=dict(pad_token_id=1, rope_parameters=rope(0.7)),
    ),
    "gptj": dict(
        architectures=heads("GPTJ", "SequenceClassification", "QuestionAnswering"),
        config=gpt_config(rotary_dim=4),
    ),
    "codegen": dict(
        architectures=heads("CodeGen"),
        config=gpt_config(rotary_dim=2, num_attention_heads=4, hidden_size=16),
    ),
    "phi": dict(
        architectures=heads("Phi", *CLASSIFIERS[:2]),
        config=dict(pad_token_id=1, rope_parameters=rope(0.7)),
    ),
    "persimmon": dict(
        architectures=heads("Persimmon", *CLASSIFIERS[:2]),
        config=dict(pad_token_id=1, rope_parameters=rope(0.7)),
    ),
    "opt": dict(
        architectures=heads("OPT", "SequenceClassification", "QuestionAnswering"),
        config=dict(ffn_dim=20),
        any_epsilon=True,
    ),
    "biogpt": dict(architectures=heads("BioGpt", *CLASSIFIERS[:2]), any_epsilon=True),
    "xglm": dict(architectures=heads("XGLM"), config=dict(ffn_dim=20), any_epsilon=True),
    "ctrl": dict(
        architectures=heads("CTRL", "SequenceClassification", language_model="LMHeadModel"),
        config=dict(pad_token_id=1, dff=20, layer_norm_epsilon=0.01),
    ),
    "bloom": dict(architectures=heads("Bloom", *CLASSIFIERS), config=dict(pad_token_id=1)),
    "mpt": dict(
        architectures=heads("Mpt", *CLASSIFIERS),
        config=dict(pad_token_id=1, max_seq_len=20),
    ),
    "falcon": dict(
        architectures=heads("Falcon", *CLASSIFIERS),
        attention="sdpa",  # eager adds ALiBi twice
        config=dict(pad_token_id=1, ffn_hidden_size=20, rope_parameters=rope(1.0)),
    ),
}

VARIANTS = {
    "gpt2": {
        "GPT2DoubleHeadsModel-right": dict(architecture="GPT2DoubleHeadsModel"),
        "GPT2DoubleHeadsModel-left": dict(
            of="GPT2DoubleHeadsModel-right", inputs=padded_left, set=dict(summary_activation="tanh")
        ),
        "GPT2DoubleHeadsModel-choices": dict(
            of="GPT2DoubleHeadsModel-right", inputs=choices_given
        ),
        "GPT2DoubleHeadsModel-bare": dict(
            of="GPT2DoubleHeadsModel-right",
            set=dict(summary_type="first", summary_use_proj=False),
            unseen="multiple_choice_head",
        ),
        "GPT2Model-left": dict(of="GPT2Model", inputs=padded_left),
        "GPT2Model-position_ids": dict(of="GPT2Model", inputs=positions_given),
        "GPT2Model-token_type_ids": dict(of="GPT2Model", inputs=types_given),
        "GPT2Model-inputs_embeds": dict(of="GPT2Model", inputs=embeddings_given, unseen="wte"),
        "GPT2Model-hidden_states": dict(of="GPT2Model", inputs=hidden_states),
        "GPT2Model-relu": dict(of="GPT2Model", set=dict(activation_function="relu")),
        "GPT2Model-unscaled": dict(of="GPT2Model", set=dict(scale_attn_weights=False)),
        "GPT2Model-scale_by_layer": dict(
            of="GPT2Model", set=dict(scale_attn_by_inverse_layer_idx=True)
        ),
        "GPT2LMHeadModel-published": dict(of="GPT2LMHeadModel", names=conv_names),
        "GPT2LMHeadModel-untied": dict(
            architecture="GPT2LMHeadModel", config=dict(tie_word_embeddings=False, n_inner=None)
        ),
        "GPT2ForSequenceClassification-pads": dict(
            of="GPT2ForSequenceClassification", inputs=pads_given
        ),
    },
    "openai-gpt": {
        "OpenAIGPTModel-relu": dict(of="OpenAIGPTModel", set=dict(afn="relu")),
        "OpenAIGPTDoubleHeadsModel-right": dict(architecture="OpenAIGPTDoubleHeadsModel"),
        "OpenAIGPTDoubleHeadsModel-choices": dict(
            of="OpenAIGPTDoubleHeadsModel-right", inputs=whole_choices_given
        ),
    },
    "gpt_bigcode": {
        "GPTBigCodeForCausalLM-multi_head": dict(
            architecture="GPTBigCodeForCausalLM", config=dict(multi_query=False)
        ),
        "GPTBigCodeModel-left": dict(of="GPTBigCodeModel", inputs=padded_left),
    },
    "gpt_neo": {"GPTNeoModel-left": dict(of="GPTNeoModel", inputs=padded_left)},
    "gpt_neox": {
        "GPTNeoXModel-sequential": dict(
            of="GPTNeoXModel", set=dict(use_parallel_residual=False)
        ),
        "GPTNeoXModel-left": dict(of="GPTNeoXModel", inputs=padded_left),
        "GPTNeoXForCausalLM-embed_out": dict(of="GPTNeoXForCausalLM", names=embed_out),
        "GPTNeoXForCausalLM-no_bias": dict(
            architecture="GPTNeoXForCausalLM",
            config=dict(attention_bias=False, use_parallel_residual=False),
        ),
    },
    "gptj": {
        "GPTJModel-left": dict(of="GPTJModel", inputs=padded_left),
        "GPTJForCausalLM-tied": dict(
            architecture="GPTJForCausalLM", config=dict(tie_word_embeddings=True)
        ),
    },
    "codegen": {"CodeGenModel-left": dict(of="CodeGenModel", inputs=padded_left)},
    "phi": {
        "PhiForCausalLM-qk_layernorm": dict(
            architecture="PhiForCausalLM",
            config=dict(qk_layernorm=True, num_key_value_heads=1),
        ),
        "PhiModel-left": dict(of="PhiModel", inputs=padded_left),
    },
    "persimmon": {
        "PersimmonModel-no_head_norm": dict(
            architecture="PersimmonModel", config=dict(qk_layernorm=False, num_hidden_layers=1)
        ),
    },
    "opt": {
        "OPTModel-left": dict(of="OPTModel", inputs=padded_left),
        "OPTModel-position_ids": dict(of="OPTModel", inputs=positions_given),
        "OPTForCausalLM-projected": dict(
            architecture="OPTForCausalLM",
            config=dict(do_layer_norm_before=False, word_embed_proj_dim=8),
        ),
        "OPTModel-bare": dict(
            architecture="OPTModel",
            config=dict(layer_norm_elementwise_affine=False, enable_bias=False),
        ),
    },
    "biogpt": {
        "BioGptModel-left": dict(of="BioGptModel", inputs=padded_left),
        "BioGptModel-unscaled": dict(of="BioGptModel", set=dict(scale_embedding=False)),
    },
    "xglm": {
        "XGLMModel-left": dict(of="XGLMModel", inputs=padded_left),
        "XGLMModel-padding": dict(of="XGLMModel", set=dict(pad_token_id=4)),
    },
    "ctrl": {
        "CTRLModel-left": dict(of="CTRLModel", inputs=padded_left),
        "CTRLModel-token_type_ids": dict(of="CTRLModel", inputs=types_given),
    },
    "bloom": {
        "BloomModel-left": dict(of="BloomModel", inputs=padded_left),
        "BloomModel-three_heads": dict(of="BloomModel", set=dict(n_head=3)),
    },
    "mpt": {
        "MptModel-left": dict(of="MptModel", inputs=padded_left),
        "MptModel-three_heads": dict(of="MptModel", set=dict(n_heads=3)),
        "MptModel-clip_qkv": dict(
            of="MptModel", set=dict(attn_config=dict(clip_qkv=0.5, softmax_scale=0.7))
        ),
    },
    "falcon": {
        "FalconModel-left": dict(of="FalconModel", inputs=padded_left),
        "FalconForCausalLM-groups": dict(
            architecture="FalconForCausalLM",
            config=dict(new_decoder_architecture=True, num_attention_heads=6, num_kv_heads=3),
        ),
        "FalconForCausalLM-one_norm": dict(
            architecture="FalconForCausalLM",
            config=dict(
                new_decoder_architecture=True, num_kv_heads=1, num_ln_in_parallel_attn=1
            ),
        ),
        "FalconForCausalLM-alibi": dict(
            architecture="FalconForCausalLM",
            config=dict(alibi=True, multi_query=False, parallel_attn=False, bias=True),
        ),
        "FalconForCausalLM-alibi-left": dict(of="FalconForCausalLM-alibi", inputs=padded_left),
    },
}
