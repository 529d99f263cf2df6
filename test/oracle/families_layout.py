"""Families whose texts lie on pages, in tables and in trees of tags; see families.py."""

import torch

import tiny
from families import heads


def table_inputs(architecture, x, config):
    """A question of three tokens, then a table of two columns with headers; cells of two tokens."""
    column = torch.tensor([0, 0, 0, 1, 1, 2, 1, 1, 2])
    row = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1, 1])
    rank = torch.tensor([0, 0, 0, 0, 0, 0, 2, 1, 3])
    types = torch.stack([column > 0, column, row, rank > 1, rank, 4 - rank, rank % 3], -1).long()
    shape = (*x["input_ids"].shape, 7)
    return {**x, "token_type_ids": types.expand(shape).contiguous()}


def answer_columns(x, config):
    """Rows that end elsewhere, and in other columns, one beyond the last."""
    types = x["token_type_ids"].clone()
    types[0, 7:, 1] = torch.tensor([3, 4])
    types[1, 4:6, 2] = 2
    mask = x["attention_mask"].flip(1)
    return {**x, "token_type_ids": types, "attention_mask": mask}


def positions_given(x, config):
    draw = tiny.generator("positions")
    return {**x, "position_ids": torch.randint(0, 20, x["input_ids"].shape, generator=draw)}


def boxes(x):
    """Left, upper, right, lower on a page of 30 by 30."""
    draw = tiny.generator("boxes")
    corner = torch.randint(0, 14, (*x["input_ids"].shape, 2), generator=draw)
    size = torch.randint(0, 15, corner.shape, generator=draw)
    return torch.cat([corner, corner + size], -1)


def box_inputs(architecture, x, config):
    return {**x, "bbox": boxes(x)}


def no_boxes(x, config):
    return {k: v for k, v in x.items() if k != "bbox"}


def corner_inputs(architecture, x, config):
    """Fractions of the page."""
    given = {**x, "bbox": boxes(x) / 30}
    if "SpadeEE" in architecture:
        given["bbox_first_token_mask"] = torch.ones_like(x["input_ids"]).bool()
    return given


def four_corners(x, config):
    return {**x, "bbox": x["bbox"][..., [0, 1, 2, 1, 2, 3, 0, 3]] ** 2}


def unmasked(x, config):
    return {k: v for k, v in x.items() if k != "attention_mask"}


def path_inputs(architecture, x, config):
    draw = tiny.generator("paths")
    shape = (*x["input_ids"].shape, config.max_depth)
    return {
        **x,
        "xpath_tags_seq": torch.randint(0, 6, shape, generator=draw),
        "xpath_subs_seq": torch.randint(0, 5, shape, generator=draw),
    }


def no_paths(x, config):
    return {k: v for k, v in x.items() if not k.startswith("xpath")}


LAST_BOXES = "layer.*layout_(output|intermediate|value)|layout_key.bias"
def perceived_inputs(architecture, x, config):
    """Words; the model alone takes rows in their place."""
    mask = x["attention_mask"]
    if not architecture.endswith("Model"):
        return {"inputs": x["input_ids"], "attention_mask": mask}
    draw = tiny.generator("rows")
    rows = torch.randn((*mask.shape, config.d_model), generator=draw)
    return {"inputs": rows, "attention_mask": mask}


CLASSIFIERS = ("SequenceClassification", "TokenClassification", "QuestionAnswering")

FAMILIES = {
    "layoutlm": dict(
        architectures=heads("LayoutLM", "MaskedLM", *CLASSIFIERS),
        config=dict(max_2d_position_embeddings=30),
        inputs=box_inputs,
        unseen={
            f"LayoutLMFor{name}": "pooler"
            for name in ("MaskedLM", "TokenClassification", "QuestionAnswering")
        },
    ),
    "lilt": dict(
        architectures=heads("Lilt", *CLASSIFIERS),
        config=dict(
            max_2d_position_embeddings=30,
            channel_shrink_ratio=2,
            pad_token_id=1,
            intermediate_size=32,
        ),
        inputs=box_inputs,
        # what the last layer makes of boxes is lost
        unseen={
            "LiltModel": LAST_BOXES.replace("layer", "layer.1", 1),
            **{f"LiltFor{name}": LAST_BOXES for name in CLASSIFIERS},
        },
    ),
    "markuplm": dict(
        architectures=heads("MarkupLM", *CLASSIFIERS),
        config=dict(
            layer_norm_eps=1e-3,
            max_depth=3,
            xpath_unit_hidden_size=5,
            max_xpath_tag_unit_embeddings=7,
            max_xpath_subs_unit_embeddings=6,
            tag_pad_id=6,
            subs_pad_id=5,
        ),
        inputs=path_inputs,
        unseen={
            f"MarkupLM{head}": "xpath_unitseq2_embeddings"
            for head in ("Model", *(f"For{name}" for name in CLASSIFIERS))
        },
    ),
    "perceiver": dict(
        architectures=heads("Perceiver", "MaskedLM", "SequenceClassification"),
        config=dict(
            num_latents=3,
            d_latents=12,
            d_model=16,
            num_blocks=2,
            num_self_attends_per_block=1,
            num_self_attention_heads=2,
            num_cross_attention_heads=4,
            self_attention_widening_factor=3,
            pad_token_id=0,
        ),
        without=["hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"],
        inputs=perceived_inputs,
        any_epsilon=True,
    ),
    "bros": dict(
        architectures=[
            "BrosModel",
            "BrosForTokenClassification",
            "BrosSpadeEEForTokenClassification",
            "BrosSpadeELForTokenClassification",
        ],
        config=dict(hidden_size=32, dim_bbox=4, bbox_scale=5.0, layer_norm_eps=1e-3),
        inputs=corner_inputs,
        unseen={
            name: "pooler"
            for name in (
                "BrosForTokenClassification",
                "BrosSpadeEEForTokenClassification",
                "BrosSpadeELForTokenClassification",
            )
        },
    ),
    "tapas": dict(
        architectures=heads("Tapas", "MaskedLM", "SequenceClassification", "QuestionAnswering"),
        config=dict(
            type_vocab_sizes=[3, 5, 4, 2, 5, 6, 3],
            num_aggregation_labels=4,
            temperature=1.5,
            max_num_rows=3,
            max_num_columns=4,
        ),
        inputs=table_inputs,
        unseen={"TapasForQuestionAnswering": "column_output_bias"},
    ),
}

VARIANTS = {
    "layoutlm": {"LayoutLMModel-no_boxes": dict(of="LayoutLMModel", inputs=no_boxes)},
    "lilt": {
        "LiltModel-no_boxes": dict(
            of="LiltModel", inputs=no_boxes, unseen=LAST_BOXES.replace("layer", "layer.1", 1)
        ),
    },
    "markuplm": {
        "MarkupLMModel-no_paths": dict(
            of="MarkupLMModel", inputs=no_paths, unseen="xpath_unitseq2_embeddings"
        ),
    },
    "perceiver": {
        "PerceiverForSequenceClassification-columns": dict(
            architecture="PerceiverForSequenceClassification",
            config=dict(
                qk_channels=8,
                v_channels=12,
                use_query_residual=False,
                cross_attention_shape_for_attention="q",
            ),
        ),
    },
    "bros": {
        "BrosModel-four_corners": dict(of="BrosModel", inputs=four_corners),
        "BrosSpadeELForTokenClassification-relations": dict(
            architecture="BrosSpadeELForTokenClassification",
            config=dict(n_relations=2),
            inputs=unmasked,
            unseen="pooler",
        ),
    },
    "tapas": {
        "TapasModel-positions": {"of": "TapasModel", "inputs": positions_given},
        "TapasModel-absolute": {"of": "TapasModel", "set": {"reset_position_index_per_cell": False}},
        "TapasForQuestionAnswering-columns": {
            "of": "TapasForQuestionAnswering",
            "set": {"allow_empty_column_selection": True},
            "inputs": answer_columns,
            "unseen": "column_output",
        },
    },
}
