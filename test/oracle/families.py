"""The families whose forward pass is compared: to add one, add an entry to FAMILIES.

A family is its model type, its architectures, and what differs from SIZES.  The base model has two
layers, the others one.  VARIANTS are further cases, most of them over the checkpoint of one of those.
"""

import re

import torch

import tiny

SIZES = dict(
    vocab_size=26,
    hidden_size=12,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=20,
    max_position_embeddings=20,
)


def heads(name, *tasks):
    return [f"{name}Model"] + [f"{name}For{task}" for task in tasks]


COMMON = (
    "MaskedLM",
    "SequenceClassification",
    "TokenClassification",
    "QuestionAnswering",
    "MultipleChoice",
)

FAMILIES = {
    "bert": dict(architectures=heads("Bert", *COMMON, "NextSentencePrediction", "PreTraining")),
    "roberta": dict(architectures=heads("Roberta", *COMMON), config=dict(type_vocab_size=1)),
    "xlm-roberta": dict(architectures=heads("XLMRoberta", *COMMON), config=dict(type_vocab_size=1)),
    "distilbert": dict(architectures=heads("DistilBert", *COMMON), config=dict(hidden_dim=20)),
    "mpnet": dict(architectures=heads("MPNet", *COMMON)),
}


def ids_in(shape, config):
    """Ordinary tokens: none of the first five, where the special ones are."""
    return torch.randint(5, config.vocab_size, shape, generator=tiny.generator("ids", tuple(shape)))


def usual_inputs(architecture, config):
    """Three sequences of different lengths, the shorter ones padded on the right."""
    mask = torch.tensor([[1] * 9, [1] * 6 + [0] * 3, [1] * 4 + [0] * 5])
    ids = torch.where(mask.bool(), ids_in(mask.shape, config), config.pad_token_id)
    x = {"input_ids": ids, "attention_mask": mask}
    types = getattr(config, "type_vocab_size", 0)
    if types > 1 and config.model_type != "mpnet":
        x["token_type_ids"] = torch.arange(9).expand(3, 9) * types // 9 * mask
    if "MultipleChoice" in architecture:
        x = {k: torch.stack([v, v.roll(1, 0)], 1) for k, v in x.items()}
    return x


def ids_given(x, config):
    """input_ids without a mask, padding tokens among them."""
    ids = x["input_ids"].clone()
    ids[0, 3] = ids[1, 1] = ids[1, 2] = config.pad_token_id
    return {"input_ids": ids}


def positions_given(x, config):
    draw = tiny.generator("positions")
    shape = x["input_ids"].shape
    return {
        **x,
        "position_ids": torch.randint(2, config.max_position_embeddings, shape, generator=draw),
    }


def embeddings_given(x, config):
    draw = tiny.generator("embeddings")
    given = {k: v for k, v in x.items() if k != "input_ids"}
    shape = (*x["input_ids"].shape, config.hidden_size)
    return {**given, "inputs_embeds": 0.1 * torch.randn(shape, generator=draw)}


def padded_left(x, config):
    """One sequence padded on the left, one with a hole."""
    mask = torch.ones_like(x["input_ids"])
    mask[1, :3] = 0
    mask[2, 4:6] = 0
    ids = torch.where(mask.bool(), ids_in(x["input_ids"].shape, config), config.pad_token_id)
    return {**x, "input_ids": ids, "attention_mask": mask}


def mask_as_bool(x, config):
    return {**x, "attention_mask": x["attention_mask"].bool()}


def one_token(x, config):
    """Sequences of one token."""
    return {"input_ids": x["input_ids"][:, :1]}


def long_sequence(x, config):
    mask = torch.ones(2, 150, dtype=torch.long)
    mask[1, 131:] = 0
    return {"input_ids": ids_in(mask.shape, config), "attention_mask": mask}


def hidden_states(x, config):
    return {**x, "output_hidden_states": True}


def legacy_names(weights):
    """Names of 2018: gamma and beta, a buffer, a head that the architecture does not use."""
    old = {}
    for name, weight in weights.items():
        name = re.sub(r"LayerNorm\.weight$", "LayerNorm.gamma", name)
        old[re.sub(r"LayerNorm\.bias$", "LayerNorm.beta", name)] = weight
    old["bert.embeddings.position_ids"] = torch.arange(SIZES["max_position_embeddings"])[None]
    old["cls.seq_relationship.weight"] = torch.zeros(2, SIZES["hidden_size"])
    old["cls.seq_relationship.bias"] = torch.zeros(2)
    return old


# Case: what it changes.  of: the case whose checkpoint it shares (or rewrites); architecture: of
# config.json; set: keys of config.json; inputs: function of the usual inputs; nested: inputs as
# nested arrays; dtype, shard, names: how the weights are stored; config: makes a checkpoint of its own.
VARIANTS = {
    "bert": {
        "BertModel-relu": dict(of="BertModel", set=dict(hidden_act="relu")),
        "BertModel-silu": dict(of="BertModel", set=dict(hidden_act="silu")),
        "BertModel-gelu_new": dict(of="BertModel", set=dict(hidden_act="gelu_new")),
        "BertModel-quick_gelu": dict(of="BertModel", set=dict(hidden_act="quick_gelu")),
        "BertModel-gelu_pytorch_tanh": dict(
            of="BertModel", set=dict(hidden_act="gelu_pytorch_tanh")
        ),
        "BertModel-eps": dict(of="BertModel", set=dict(layer_norm_eps=0.05)),
        "BertForMaskedLM-eps": dict(of="BertForMaskedLM", set=dict(layer_norm_eps=0.05)),
        "BertModel-hidden_states": dict(of="BertModel", inputs=hidden_states),
        "BertModel-position_ids": dict(of="BertModel", inputs=positions_given),
        "BertModel-inputs_embeds": dict(
            of="BertModel", inputs=embeddings_given, unseen="word_embeddings"
        ),
        "BertModel-no_mask": dict(of="BertModel", inputs=ids_given),
        "BertModel-nested": dict(of="BertModel", nested=True),
        "BertModel-bool_mask": dict(of="BertModel", inputs=mask_as_bool),
        "BertModel-one_token": dict(
            of="BertModel", inputs=one_token, unseen="query|key|position_emb"
        ),
        "BertForTokenClassification-left": dict(
            of="BertForTokenClassification", inputs=padded_left
        ),
        "BertModel-float16": dict(of="BertModel", dtype=torch.float16),
        "BertModel-bfloat16": dict(of="BertModel", dtype=torch.bfloat16),
        "BertModel-sharded": dict(of="BertModel", shard="6KB"),
        "BertModel-from_head": dict(
            of="BertForMaskedLM", architecture="BertModel", unseen="pooler"
        ),
        "BertForMaskedLM-legacy": dict(of="BertForMaskedLM", names=legacy_names),
        "BertForMaskedLM-untied": dict(
            architecture="BertForMaskedLM",
            config=dict(tie_word_embeddings=False),
            unseen=r"predictions\.bias",  # decoder.bias has its place
        ),
        "BertModel-type_vocab_size": dict(
            architecture="BertModel",
            config=dict(type_vocab_size=5, num_hidden_layers=1, pad_token_id=3),
        ),
    },
    "roberta": {
        "RobertaModel-gelu_new": dict(of="RobertaModel", set=dict(hidden_act="gelu_new")),
        "RobertaForMaskedLM-eps": dict(of="RobertaForMaskedLM", set=dict(layer_norm_eps=0.05)),
        "RobertaModel-position_ids": dict(of="RobertaModel", inputs=positions_given),
        "RobertaModel-inputs_embeds": dict(
            of="RobertaModel", inputs=embeddings_given, unseen="word_embeddings"
        ),
        "RobertaModel-pads": dict(of="RobertaModel", inputs=ids_given),
        "RobertaForTokenClassification-left": dict(
            of="RobertaForTokenClassification", inputs=padded_left
        ),
        "RobertaModel-hidden_states": dict(of="RobertaModel", inputs=hidden_states),
        "RobertaModel-from_head": dict(
            of="RobertaForMaskedLM", architecture="RobertaModel", unseen="pooler"
        ),
        "RobertaForMaskedLM-untied": dict(
            architecture="RobertaForMaskedLM",
            config=dict(tie_word_embeddings=False),
            unseen=r"lm_head\.bias",
        ),
        "RobertaModel-type_vocab_size": dict(
            architecture="RobertaModel",
            config=dict(type_vocab_size=2, num_hidden_layers=1, pad_token_id=0),
        ),
    },
    "xlm-roberta": {
        "XLMRobertaModel-eps": dict(of="XLMRobertaModel", set=dict(layer_norm_eps=0.05)),
        "XLMRobertaModel-pads": dict(of="XLMRobertaModel", inputs=ids_given),
        "XLMRobertaModel-from_head": dict(
            of="XLMRobertaForSequenceClassification",
            architecture="XLMRobertaModel",
            unseen="pooler",
        ),
    },
    "distilbert": {
        "DistilBertModel-relu": dict(of="DistilBertModel", set=dict(activation="relu")),
        "DistilBertModel-hidden_states": dict(of="DistilBertModel", inputs=hidden_states),
        "DistilBertModel-inputs_embeds": dict(
            of="DistilBertModel", inputs=embeddings_given, unseen="word_embeddings"
        ),
        "DistilBertModel-from_head": dict(
            of="DistilBertForMaskedLM", architecture="DistilBertModel"
        ),
        "DistilBertForTokenClassification-left": dict(
            of="DistilBertForTokenClassification", inputs=padded_left
        ),
    },
    "mpnet": {
        "MPNetModel-gelu_new": dict(of="MPNetModel", set=dict(hidden_act="gelu_new")),
        "MPNetForMaskedLM-eps": dict(of="MPNetForMaskedLM", set=dict(layer_norm_eps=0.05)),
        "MPNetModel-hidden_states": dict(of="MPNetModel", inputs=hidden_states),
        "MPNetModel-pads": dict(of="MPNetModel", inputs=ids_given),
        "MPNetModel-position_ids": dict(of="MPNetModel", inputs=positions_given),
        "MPNetForTokenClassification-left": dict(
            of="MPNetForTokenClassification", inputs=padded_left
        ),
        "MPNetModel-from_head": dict(
            of="MPNetForQuestionAnswering", architecture="MPNetModel", unseen="pooler"
        ),
        "MPNetForSequenceClassification-long": dict(
            architecture="MPNetForSequenceClassification",
            config=dict(max_position_embeddings=160, num_hidden_layers=2),
            inputs=long_sequence,
            every_row="relative_attention_bias",
            unseen=r"bias\.weight\[16\]",  # the bucket of a distance of -0
        ),
    },
}
