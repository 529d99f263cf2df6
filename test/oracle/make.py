#!/usr/bin/env python3
"""Make the golden cases under test/golden.

usage: make.py [CASE...]     a case is sentence/mean, bert/BertModel, or a folder: bert
"""

import importlib
import os
import pathlib
import sys
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
warnings.filterwarnings("ignore")

import torch  # noqa: E402
import transformers  # noqa: E402

import blocks  # noqa: E402
import chat  # noqa: E402
import cross_encoder  # noqa: E402
import forward  # noqa: E402
import generation  # noqa: E402
import gguf_models  # noqa: E402
import jinja  # noqa: E402
import minilm  # noqa: E402
import sentence  # noqa: E402

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden"


def main():
    torch.set_num_threads(1)
    transformers.logging.disable_progress_bar()
    chosen = sys.argv[1:]

    def wanted(case):
        return not chosen or case in chosen or case.split("/")[0] in chosen

    forward.make(GOLDEN, wanted)
    sentence.make(GOLDEN, wanted)
    cross_encoder.make(GOLDEN, wanted)
    minilm.make(GOLDEN, wanted)
    chat.make(GOLDEN, wanted)
    jinja.make(GOLDEN, wanted)
    generation.make(GOLDEN, wanted)
    blocks.make(GOLDEN, wanted)
    gguf_models.make(GOLDEN, wanted)
    for module in sorted(pathlib.Path(__file__).parent.glob("tokenizer*.py")):
        importlib.import_module(module.stem).make(GOLDEN, wanted)
    for path in GOLDEN.rglob("*.safetensors"):
        path.chmod(0o644)


if __name__ == "__main__":
    main()
