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


FAMILIES = {
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
