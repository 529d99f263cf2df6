"""Decoders whose layers keep a state; see families.py."""

from families import embeddings_given, hidden_states
from families_gpt import heads, padded_left


def mamba_config(**changes):
    return dict(state_size=4, conv_kernel=3, time_step_rank=2, pad_token_id=1, **changes)


FAMILIES = {
    "mamba": dict(architectures=heads("Mamba"), config=mamba_config()),
    "falcon_mamba": dict(
        architectures=heads("FalconMamba"), config=mamba_config(mixer_rms_eps=0.01)
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
}
