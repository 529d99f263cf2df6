"""LLaMA and the decoders with its layout; see families.py."""

import torch

from families import embeddings_given, hidden_states, ids_in, positions_given
from families_gpt import CLASSIFIERS, padded_left, pads_given

# Large enough to be seen, and another one than that of any family.
EPSILON = 0.002


def heads(name, *tasks):
    """The language model first: it has two layers."""
    return [f"{name}ForCausalLM"] + [f"{name}For{task}" for task in tasks]


def rope(kind="default", **parameters):
    return dict(rope_parameters=dict(rope_type=kind, rope_theta=1000.0, **parameters))


def sizes(epsilon="rms_norm_eps", **changes):
    """Grouped queries, heads of another size than the hidden size says, where a family has them."""
    usual = dict(hidden_size=24, num_attention_heads=6, num_key_value_heads=2, pad_token_id=1)
    return {**usual, epsilon: EPSILON, **rope(), **changes}


def experts(count="num_experts", **changes):
    return sizes(**{"num_experts_per_tok": 2, count: 5, **changes})


def long_sequence(x, config):
    """Beyond the 20 positions of the configuration; the second is short."""
    mask = torch.ones(2, 23, dtype=torch.long)
    mask[1, 9:] = 0
    return {"input_ids": ids_in(mask.shape, config), "attention_mask": mask}


def scaled(kind, **parameters):
    return dict(of="LlamaForCausalLM", set=rope(kind, **parameters), inputs=long_sequence)


FAMILIES = {
    "llama": dict(
        architectures=heads("Llama", *CLASSIFIERS),
        config=sizes(head_dim=8, attention_bias=True, mlp_bias=True, tie_word_embeddings=True),
    ),
    "mistral": dict(architectures=heads("Mistral"), config=sizes(head_dim=8, sliding_window=4)),
    "mixtral": dict(architectures=heads("Mixtral"), config=experts("num_local_experts")),
    "qwen2": dict(
        architectures=heads("Qwen2"),
        config=sizes(use_sliding_window=True, sliding_window=3, max_window_layers=1),
    ),
    "qwen2_moe": dict(
        architectures=heads("Qwen2Moe"),
        config=experts(
            moe_intermediate_size=12, shared_expert_intermediate_size=14, mlp_only_layers=[1]
        ),
    ),
    "qwen3": dict(architectures=heads("Qwen3"), config=sizes(head_dim=8)),
    "qwen3_moe": dict(
        architectures=heads("Qwen3Moe"),
        config=experts(head_dim=8, moe_intermediate_size=12, norm_topk_prob=True),
    ),
    "gemma": dict(architectures=heads("Gemma"), config=sizes(head_dim=8)),
    "gemma2": dict(
        architectures=heads("Gemma2"),
        config=sizes(
            head_dim=8,
            query_pre_attn_scalar=5,
            sliding_window=3,
            attn_logit_softcapping=3.0,
            final_logit_softcapping=5.0,
        ),
    ),
    "gemma3_text": dict(
        architectures=heads("Gemma3"),
        config=sizes(
            head_dim=8,
            query_pre_attn_scalar=5,
            sliding_window=3,
            layer_types=["sliding_attention", "full_attention"],
            rope_parameters={
                "sliding_attention": dict(rope_type="default", rope_theta=50.0),
                "full_attention": dict(rope_type="linear", rope_theta=1000.0, factor=2.0),
            },
        ),
    ),
    "phi3": dict(
        architectures=heads("Phi3"),
        config=sizes(**rope(partial_rotary_factor=0.5), num_attention_heads=3, num_key_value_heads=1),
    ),
    "stablelm": dict(
        architectures=heads("StableLm"),
        config=sizes("layer_norm_eps", **rope(partial_rotary_factor=0.5), use_qkv_bias=True),
    ),
    "starcoder2": dict(architectures=heads("Starcoder2"), config=sizes("norm_epsilon")),
    "olmo": dict(
        architectures=heads("Olmo"), config=sizes("unused", clip_qkv=0.7), any_epsilon=True
    ),
    "olmo2": dict(architectures=heads("Olmo2"), config=sizes()),
    "olmoe": dict(architectures=heads("Olmoe"), config=experts(clip_qkv=0.7)),
    "granite": dict(
        architectures=heads("Granite"),
        config=sizes(
            embedding_multiplier=6.0,
            attention_multiplier=0.7,
            residual_multiplier=0.6,
            logits_scaling=4.0,
        ),
    ),
    "granitemoe": dict(
        architectures=heads("GraniteMoe"),
        config=experts("num_local_experts", attention_multiplier=0.7, residual_multiplier=0.6),
    ),
    "granitemoeshared": dict(
        architectures=heads("GraniteMoeShared"),
        config=experts(
            "num_local_experts", attention_multiplier=0.7, shared_intermediate_size=14
        ),
    ),
    "cohere": dict(
        architectures=heads("Cohere"), config=sizes("layer_norm_eps", logit_scale=0.5)
    ),
    "cohere2": dict(
        architectures=heads("Cohere2"),
        config=sizes("layer_norm_eps", sliding_window=3, sliding_window_pattern=2),
    ),
    "nemotron": dict(
        architectures=heads("Nemotron"),
        config=sizes("norm_eps", **rope(partial_rotary_factor=0.5), head_dim=8, hidden_act="relu2"),
    ),
    "dbrx": dict(
        architectures=heads("Dbrx"),
        config=dict(
            d_model=24,
            hidden_size=24,
            num_attention_heads=6,
            pad_token_id=1,
            attn_config=dict(clip_qkv=0.7, kv_n_heads=2, rope_theta=1000.0),
            ffn_config=dict(ffn_hidden_size=12, moe_num_experts=5, moe_top_k=2),
            **rope(),
        ),
        any_epsilon=True,
    ),
    "jetmoe": dict(
        architectures=heads("JetMoe"),
        config=dict(
            hidden_size=24,
            num_key_value_heads=2,
            kv_channels=8,
            num_local_experts=5,
            num_experts_per_tok=3,
            intermediate_size=12,
            pad_token_id=1,
            rms_norm_eps=EPSILON,
            **rope(),
        ),
    ),
}

VARIANTS = {
    "llama": {
        "LlamaModel-from_head": dict(
            of="LlamaForSequenceClassification", architecture="LlamaModel", unseen="score"
        ),
        "LlamaForCausalLM-left": dict(of="LlamaForCausalLM", inputs=padded_left),
        "LlamaForCausalLM-position_ids": dict(of="LlamaForCausalLM", inputs=positions_given),
        "LlamaForCausalLM-inputs_embeds": dict(of="LlamaForCausalLM", inputs=embeddings_given),
        "LlamaForCausalLM-hidden_states": dict(of="LlamaForCausalLM", inputs=hidden_states),
        "LlamaForSequenceClassification-pads": dict(
            of="LlamaForSequenceClassification", inputs=pads_given
        ),
        "LlamaForCausalLM-long": dict(of="LlamaForCausalLM", inputs=long_sequence),
        "LlamaForCausalLM-linear": scaled("linear", factor=4.0),
        "LlamaForCausalLM-dynamic": scaled("dynamic", factor=4.0),
        "LlamaForCausalLM-yarn": scaled("yarn", factor=4.0, original_max_position_embeddings=8),
        "LlamaForCausalLM-mscale": scaled(
            "yarn",
            factor=4.0,
            original_max_position_embeddings=8,
            beta_fast=8,
            beta_slow=2,
            mscale=0.7,
            mscale_all_dim=1.1,
            truncate=False,
        ),
        "LlamaForCausalLM-llama3": scaled(
            "llama3",
            factor=4.0,
            low_freq_factor=1.0,
            high_freq_factor=4.0,
            original_max_position_embeddings=16,
        ),
        "LlamaForCausalLM-longrope": scaled(
            "longrope",
            attention_factor=0.9,
            short_factor=[1.0, 1.1, 1.2, 1.3],
            long_factor=[2.0, 3.0, 4.0, 5.0],
            original_max_position_embeddings=16,
        ),
        "LlamaForCausalLM-longrope-short": dict(
            of="LlamaForCausalLM",
            set=rope(
                "longrope",
                short_factor=[1.0, 1.1, 1.2, 1.3],
                long_factor=[1.0, 2.0, 3.0, 4.0],
                original_max_position_embeddings=16,
            ),
        ),
        "LlamaForCausalLM-rope_scaling": dict(
            of="LlamaForCausalLM",
            set=dict(rope_scaling=dict(type="linear", factor=4.0), rope_theta=500.0),
        ),
    },
    "mistral": {
        "MistralForCausalLM-left": dict(of="MistralForCausalLM", inputs=padded_left),
        "MistralForCausalLM-no_window": dict(
            of="MistralForCausalLM", set=dict(sliding_window=None)
        ),
    },
    "gemma": {
        "GemmaForCausalLM-inputs_embeds": dict(of="GemmaForCausalLM", inputs=embeddings_given),
        "GemmaForCausalLM-gelu": dict(of="GemmaForCausalLM", set=dict(hidden_act="gelu")),
    },
    "gemma2": {
        "Gemma2ForCausalLM-left": dict(of="Gemma2ForCausalLM", inputs=padded_left),
        "Gemma2ForCausalLM-no_caps": dict(
            of="Gemma2ForCausalLM",
            set=dict(attn_logit_softcapping=None, final_logit_softcapping=None),
        ),
    },
    "phi3": {
        "Phi3ForCausalLM-longrope": dict(
            of="Phi3ForCausalLM",
            set=dict(
                original_max_position_embeddings=16,
                **rope(
                    "longrope",
                    partial_rotary_factor=0.5,
                    short_factor=[1.0, 1.2],
                    long_factor=[1.0, 3.0],
                ),
            ),
            inputs=long_sequence,
        ),
    },
    "stablelm": {
        "StableLmForCausalLM-qk_layernorm": dict(
            architecture="StableLmForCausalLM",
            config=dict(qk_layernorm=True, use_parallel_residual=True),
        ),
    },
    "starcoder2": {
        "Starcoder2ForCausalLM-no_bias": dict(
            architecture="Starcoder2ForCausalLM",
            config=dict(use_bias=False, sliding_window=3, tie_word_embeddings=False),
        ),
    },
    "olmoe": {
        "OlmoeForCausalLM-norm_topk_prob": dict(
            of="OlmoeForCausalLM", set=dict(norm_topk_prob=True, clip_qkv=None)
        ),
    },
    "cohere": {
        "CohereForCausalLM-use_qk_norm": dict(
            architecture="CohereForCausalLM", config=dict(use_qk_norm=True)
        ),
    },
    "jetmoe": {"JetMoeForCausalLM-left": dict(of="JetMoeForCausalLM", inputs=padded_left)},
}
