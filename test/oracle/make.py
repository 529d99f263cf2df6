#!/usr/bin/env python3
"""Make the golden cases under test/golden.

usage: make.py [CASE...]     a case is sentence/mean, bert/BertModel, or a folder: bert
       make.py --any-old [CASE...]     fails unless some of them need an old Transformers

Run with an old Transformers, it makes the families that are marked `old`, and nothing else.
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

import forward  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE.parent / "golden"
# What makes cases with an old Transformers, too.
OLD_MAKERS = ["forward", "pipelines_encoders", "pipelines_generation"]
# What makes cases, in this order; tokenizer*.py come after them.
MAKERS = (
    "forward sentence cross_encoder minilm chat jinja generation blocks gguf_models cookbook"
    " pipelines_encoders pipelines_generation"
).split()


def main():
    torch.set_num_threads(1)
    transformers.logging.disable_progress_bar()
    asked = sys.argv[1:2] == ["--any-old"]
    chosen = sys.argv[2:] if asked else sys.argv[1:]

    def wanted(case):
        return not chosen or case in chosen or case.split("/")[0] in chosen

    if asked:
        sys.exit(not any(importlib.import_module(name).any_old(wanted) for name in OLD_MAKERS))
    makers = MAKERS + sorted(path.stem for path in HERE.glob("tokenizer*.py"))
    for maker in makers if not forward.OLD else OLD_MAKERS:
        importlib.import_module(maker).make(GOLDEN, wanted)
    for path in GOLDEN.rglob("*.safetensors"):
        path.chmod(0o644)


if __name__ == "__main__":
    main()
