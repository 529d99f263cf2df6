"""Decoders whose layers keep a state, and others of that time; see families.py."""

from families import embeddings_given, hidden_states, positions_given
from families_gpt import heads, padded_left, rope


def mamba_config(**changes):
    return dict(state_size=4, conv_kernel=3, time_step_rank=2, pad_token_id=1, **changes)


def padded_ids(x):
    """A row that begins with padding, another with padding inside."""
    ids = x["input_ids"].clone()
    ids[1, :3] = ids[2, 4] = 0
    return ids


FAMILIES = {
    "mamba": dict(architectures=heads("Mamba"), config=mamba_config()),
    "falcon_mamba": dict(
        architectures=heads("FalconMamba"), config=mamba_config(mixer_rms_eps=0.01)
    ),
    "mamba2": dict(
        architectures=heads("Mamba2"),
        config=dict(state_size=4, conv_kernel=3, num_heads=4, head_dim=6, n_groups=2, chunk_size=4),
    ),
    "jamba": dict(
        architectures=heads("Jamba", "SequenceClassification"),
        config=dict(
            attn_layer_period=2,
            attn_layer_offset=1,
            expert_layer_offset=0,
            num_experts=3,
            num_key_value_heads=1,
            mamba_d_state=3,
            mamba_d_conv=3,
            mamba_dt_rank=2,
            use_cache=False,
            pad_token_id=1,
        ),
    ),
    "recurrent_gemma": dict(
        architectures=heads("RecurrentGemma"),
        config=dict(
            num_hidden_layers=3,
            hidden_size=16,
            num_key_value_heads=1,
            intermediate_size=40,
            attention_window_size=3,
            conv1d_width=3,
            lru_width=20,
            use_cache=False,
        ),
    ),
    "rwkv": dict(
        architectures=heads("Rwkv"),
        config=dict(rescale_every=1, pad_token_id=1, num_hidden_layers=2),
    ),
    "gpt_neox_japanese": dict(
        architectures=heads("GPTNeoXJapanese"),
        config=dict(
            intermediate_multiple_size=2, pad_token_id=1, rope_parameters=rope(0.7)
        ),
    ),
    "cpmant": dict(
        architectures=heads("CpmAnt"),
        inputs=lambda name, x, config: {"input_ids": padded_ids(x)},
        config=dict(
            pad_token_id=0,
            dim_head=4,
            dim_ff=20,
            prompt_types=3,
            prompt_length=2,
            segment_types=3,
            position_bias_num_buckets=8,
            position_bias_max_distance=16,
        ),
    ),
}

VARIANTS = {
    "mamba": {
        "MambaModel-hidden_states": dict(of="MambaModel", inputs=hidden_states),
        "MambaModel-inputs_embeds": dict(
            of="MambaModel", inputs=embeddings_given, unseen="embeddings"
        ),
        "MambaForCausalLM-biases": dict(
            architecture="MambaForCausalLM",
            config=dict(use_bias=True, use_conv_bias=False, hidden_act="gelu_new", expand=1),
            inputs=padded_left,
        ),
        "MambaForCausalLM-untied": dict(
            architecture="MambaForCausalLM",
            config=dict(tie_word_embeddings=False, time_step_rank="auto"),
        ),
    },
    "mamba2": {
        "Mamba2ForCausalLM-limits": dict(
            architecture="Mamba2ForCausalLM",
            config=dict(
                use_bias=True,
                state_size=2,
                use_conv_bias=False,
                hidden_act="gelu_new",
                time_step_limit=[0.6, 0.8],
                n_groups=1,
                tie_word_embeddings=True,
            ),
            inputs=padded_left,
        ),
    },
    "jamba": {
        "JambaModel-left": dict(of="JambaModel", inputs=padded_left),
        "JambaForCausalLM-one_expert": dict(
            architecture="JambaForCausalLM",
            config=dict(
                attn_layer_offset=0,
                num_experts=1,
                mamba_proj_bias=True,
                mamba_conv_bias=False,
                mamba_expand=1,
                hidden_act="gelu_new",
                tie_word_embeddings=True,
            ),
        ),
    },
    "recurrent_gemma": {
        "RecurrentGemmaModel-left": dict(of="RecurrentGemmaModel", inputs=padded_left),
        "RecurrentGemmaModel-position_ids": dict(of="RecurrentGemmaModel", inputs=positions_given),
        "RecurrentGemmaForCausalLM-blocks": dict(
            architecture="RecurrentGemmaForCausalLM",
            config=dict(
                num_hidden_layers=2,
                block_types=["attention", "recurrent"],
                logits_soft_cap=3.0,
                attention_bias=True,
                tie_word_embeddings=False,
            ),
        ),
    },
    "rwkv": {
        "RwkvModel-hidden_states": dict(of="RwkvModel", inputs=hidden_states),
        "RwkvModel-left": dict(of="RwkvModel", inputs=padded_left),
        "RwkvForCausalLM-width": dict(
            architecture="RwkvForCausalLM",
            config=dict(
                attention_hidden_size=8,
                intermediate_size=None,
                rescale_every=0,
                use_cache=False,
                tie_word_embeddings=True,
            ),
        ),
    },
    "gpt_neox_japanese": {
        "GPTNeoXJapaneseForCausalLM-untied": dict(
            architecture="GPTNeoXJapaneseForCausalLM",
            config=dict(tie_word_embeddings=False),
            inputs=padded_left,
        ),
    },
    "cpmant": {"CpmAntModel-hidden_states": dict(of="CpmAntModel", inputs=hidden_states)},
}
