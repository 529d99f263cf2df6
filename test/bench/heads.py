#!/usr/bin/env python3
"""Checkpoints with heads on a sentence encoder: heads.py MODEL DIRECTORY.

Nobody has trained the heads, which does not matter for how long they take; the class "O" has a bias
that makes most tokens no entity, as in real texts.
"""

import json
import pathlib
import random
import shutil
import struct
import sys

ENTITIES = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"]

# name: architecture, labels, bias of the first
HEADS = {
    "classifier": ("BertForSequenceClassification", ["NEGATIVE", "POSITIVE"], 0.0),
    "ner": ("BertForTokenClassification", ENTITIES, 0.5),
}


def read_weights(path):
    """The header of a safetensors file, and its data."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def add_weight(header, data, name, shape, numbers):
    header[name] = {
        "dtype": "F32",
        "shape": shape,
        "data_offsets": [len(data), len(data) + 4 * len(numbers)],
    }
    return data + struct.pack(f"<{len(numbers)}f", *numbers)


def make(model, directory, architecture, labels, bias):
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for name in "tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json":
        if (model / name).exists():
            shutil.copy(model / name, directory / name)
    config = json.loads((model / "config.json").read_text())
    config["architectures"] = [architecture]
    config["id2label"] = dict(enumerate(labels))
    config["label2id"] = {label: number for number, label in enumerate(labels)}
    (directory / "config.json").write_text(json.dumps(config))
    draw, size = random.Random(1), config["hidden_size"]
    header, data = read_weights(model / "model.safetensors")
    weights = [draw.gauss(0, 0.02) for _ in range(len(labels) * size)]
    data = add_weight(header, data, "classifier.weight", [len(labels), size], weights)
    biases = [bias] + [0.0] * (len(labels) - 1)
    data = add_weight(header, data, "classifier.bias", [len(labels)], biases)
    text = json.dumps(header).encode()
    (directory / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    model, directory = (pathlib.Path(word) for word in sys.argv[1:3])
    for name, (architecture, labels, bias) in HEADS.items():
        make(model, directory / name, architecture, labels, bias)


if __name__ == "__main__":
    main()
