"""Decoders that Transformers 5 no longer has; see families.py."""

from families import embeddings_given, hidden_states
from families_gpt import heads

FAMILIES = {
    "open-llama": dict(
        old=True,
        architectures=heads("OpenLlama", "SequenceClassification"),
        config=dict(pad_token_id=1, rope_theta=100.0, use_cache=False),
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
}
