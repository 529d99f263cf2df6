"""Families that came later, most of them decoders with LLaMA's layout; see families.py."""

from families import heads as classes
from families import hidden_states
from families_gpt import CLASSIFIERS
from families_llama import heads, rope, sizes

BERTS = ("MaskedLM", "SequenceClassification", "TokenClassification")

FAMILIES = {
    "smollm3": dict(
        architectures=heads("SmolLM3", *CLASSIFIERS),
        config=sizes(no_rope_layer_interval=2, use_sliding_window=True, sliding_window=4),
    ),
    "seed_oss": dict(
        architectures=heads("SeedOss", *CLASSIFIERS), config=sizes(head_dim=8, attention_out_bias=True)
    ),
    "arcee": dict(
        architectures=heads("Arcee", *CLASSIFIERS), config=sizes(hidden_act="relu2", mlp_bias=True)
    ),
    "olmo3": dict(
        architectures=heads("Olmo3", "SequenceClassification"),
        config=sizes(
            sliding_window=6,
            rope_parameters={
                "sliding_attention": dict(rope_type="default", rope_theta=50.0),
                "full_attention": dict(rope_type="linear", rope_theta=1000.0, factor=2.0),
            },
        ),
    ),
    "jina_embeddings_v3": dict(
        architectures=classes(
            "JinaEmbeddingsV3", "MaskedLM", "SequenceClassification", "TokenClassification", "QuestionAnswering"
        ),
        config=dict(type_vocab_size=2, **rope()),
    ),
    "nomic_bert": dict(
        architectures=classes("NomicBert", *BERTS), config=dict(type_vocab_size=2, **rope())
    ),
    "gte": dict(
        architectures=classes("Gte", *BERTS),
        config=dict(type_vocab_size=2, **rope()),
        seeds={"GteModel": 1},
    ),
    "exaone4": dict(
        architectures=heads("Exaone4", *CLASSIFIERS),
        config=sizes(head_dim=8, sliding_window=6, sliding_window_pattern=2),
    ),
    "glm": dict(
        architectures=heads("Glm", *CLASSIFIERS[:2]),
        config=sizes(head_dim=8, **rope(partial_rotary_factor=0.5)),
    ),
    "glm4": dict(
        architectures=heads("Glm4", *CLASSIFIERS[:2]),
        config=sizes(head_dim=8, **rope(partial_rotary_factor=0.5)),
    ),
    "helium": dict(
        architectures=heads("Helium", *CLASSIFIERS[:2]),
        config=sizes(head_dim=4, attention_bias=True),
    ),
    "ernie4_5": dict(architectures=heads("Ernie4_5"), config=sizes(head_dim=8, use_bias=True)),
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
    "exaone4": {
        "Exaone4ForCausalLM-full": dict(
            of="Exaone4ForCausalLM",
            set=dict(sliding_window=None, layer_types=["full_attention"] * 2),
        ),
    },
    "glm": {
        "GlmForCausalLM-older": dict(
            of="GlmForCausalLM", set=dict(rope_parameters=None, rope_theta=800.0)
        ),
    },
    "gte": {
        "GteModel-no_types": dict(architecture="GteModel", config=dict(type_vocab_size=0)),
        "GteModel-hidden_states": dict(of="GteModel", inputs=hidden_states),
    },
    "olmo3": {
        "Olmo3ForCausalLM-layers": dict(
            architecture="Olmo3ForCausalLM",
            config=dict(layer_types=["sliding_attention", "full_attention"]),
        ),
        "Olmo3ForCausalLM-older": dict(
            of="Olmo3ForCausalLM-layers",
            set=dict(
                rope_parameters=None,
                rope_theta=800.0,
                rope_scaling=dict(rope_type="linear", factor=3.0),
            ),
        ),
    },
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
