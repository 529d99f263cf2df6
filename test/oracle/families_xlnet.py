"""XLNet; see families.py."""

import torch

import tiny
from families import embeddings_given, hidden_states, ids_in, padded_left
from families_attention import ANSWER_BIASES, unpadded_answers, with_answer_limits


def types_given(x, config):
    ids = x["input_ids"]
    return {**x, "token_type_ids": ids % 3}


def permuted(x, config):
    """Each token sees some of the others; no mask of padding."""
    ids = ids_in((2, 7), config)
    return {
        "input_ids": ids,
        "perm_mask": torch.randint(0, 2, (2, 7, 7), generator=tiny.generator("perm")).float(),
    }


def targets_given(x, config):
    """Two tokens of each row are predicted, which no token sees."""
    x = permuted(x, config)
    targets = torch.zeros(2, 2, 7)
    targets[0, 0, 2] = targets[0, 1, 6] = targets[1, 0, 0] = targets[1, 1, 4] = 1
    return {**x, "target_mapping": targets, "token_type_ids": x["input_ids"] % 2}


def targets_hidden(x, config):
    x = targets_given(x, config)
    mask = torch.zeros(2, 7)
    mask[1, 5:] = 1
    return {**x, "input_mask": mask}


def no_mask(x, config):
    """Transformers adds a mask to that of attn_type "uni" for one sequence only."""
    return {"input_ids": x["input_ids"]}


def call(model, x):
    """With positions in the model's type, which Transformers forgets beside a second stream."""
    base = getattr(model, "transformer", model)
    base.positional_embedding = lambda *arguments: type(base).positional_embedding(*arguments).to(
        base.dtype
    )
    return model(**x)


UNSEEN = "mask_emb|r_s_bias|seg_embed"
TASKS = (
    "SequenceClassification",
    "TokenClassification",
    "MultipleChoice",
    "QuestionAnsweringSimple",
    "QuestionAnswering",
)
NAMES = ["XLNetModel", "XLNetLMHeadModel"] + [f"XLNetFor{task}" for task in TASKS]

FAMILIES = {
    "xlnet": dict(
        architectures=NAMES,
        inputs=unpadded_answers,
        config=dict(d_model=12, start_n_top=2, end_n_top=3, n_layer=2, n_head=2, d_inner=20, pad_token_id=1),
        without=("max_position_embeddings", "num_hidden_layers", "hidden_size", "num_attention_heads"),
        any_epsilon=True,
        call=call,
        unseen={name: f"{UNSEEN}|{ANSWER_BIASES}" for name in NAMES},
    ),
}

VARIANTS = {
    "xlnet": {
        "XLNetModel-hidden_states": dict(of="XLNetModel", inputs=hidden_states, unseen=UNSEEN),
        "XLNetModel-inputs_embeds": dict(
            of="XLNetModel", inputs=embeddings_given, unseen=UNSEEN + "|word_embedding"
        ),
        "XLNetModel-left": dict(of="XLNetModel", inputs=padded_left, unseen=UNSEEN),
        "XLNetModel-types": dict(of="XLNetModel", inputs=types_given, unseen="mask_emb"),
        "XLNetModel-permuted": dict(of="XLNetModel", inputs=permuted, unseen=UNSEEN),
        "XLNetModel-clamped": dict(of="XLNetModel", set=dict(clamp_len=2), unseen=UNSEEN),
        "XLNetModel-one_way": dict(
            of="XLNetModel", inputs=no_mask, set=dict(attn_type="uni"), unseen=UNSEEN
        ),
        "XLNetModel-same_length": dict(
            of="XLNetModel",
            inputs=no_mask,
            set=dict(attn_type="uni", same_length=True),
            unseen=UNSEEN + "|rel_attn",
        ),
        "XLNetLMHeadModel-targets": dict(of="XLNetLMHeadModel", inputs=targets_given),
        "XLNetLMHeadModel-hidden": dict(of="XLNetLMHeadModel", inputs=targets_hidden),
        "XLNetLMHeadModel-untied": dict(
            architecture="XLNetLMHeadModel",
            config=dict(tie_word_embeddings=False, ff_activation="relu"),
            unseen=UNSEEN,
        ),
        "XLNetForSequenceClassification-mean": dict(
            of="XLNetForSequenceClassification", set=dict(summary_type="mean"), unseen=UNSEEN
        ),
        "XLNetForQuestionAnswering-limits": dict(
            of="XLNetForQuestionAnswering",
            inputs=with_answer_limits,
            unseen=f"{UNSEEN}|{ANSWER_BIASES}",
        ),
    },
}
