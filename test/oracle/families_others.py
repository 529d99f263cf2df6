"""Families that came later, most of them decoders with LLaMA's layout; see families.py."""

from families_gpt import CLASSIFIERS
from families_llama import heads, sizes

FAMILIES = {
    "smollm3": dict(
        architectures=heads("SmolLM3", *CLASSIFIERS),
        config=sizes(no_rope_layer_interval=2, use_sliding_window=True, sliding_window=4),
    ),
    "eurobert": dict(
        architectures=[
            "EuroBertModel",
            "EuroBertForMaskedLM",
            "EuroBertForSequenceClassification",
            "EuroBertForTokenClassification",
        ],
        config=sizes(attention_bias=True, mlp_bias=True, classifier_pooling="bos"),
    ),
}

VARIANTS = {
    "eurobert": {
        f"EuroBertForSequenceClassification-{pooling}": dict(
            of="EuroBertForSequenceClassification", set=dict(classifier_pooling=pooling)
        )
        for pooling in ("mean", "late")
    },
    "smollm3": {
        "SmolLM3ForCausalLM-layers": dict(
            of="SmolLM3ForCausalLM",
            set=dict(no_rope_layers=[0, 1], layer_types=["full_attention", "sliding_attention"]),
        ),
    },
}
