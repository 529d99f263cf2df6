#!/usr/bin/env python3
"""Measure the peers in turn, round by round, on the same texts; see script/bench.

Prints a JSON line for each result, then a table of each part and one that sums up.
"""

import argparse
import importlib
import os
import pathlib

# Before the library is loaded: it is compared on one thread.
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from bench import Bench  # noqa: E402
from programs import Gone  # noqa: E402
from summary import print_summary  # noqa: E402

PARTS = ["embedding", "latency", "load", "memory", "tokenizer", "generation", "pipelines", "workers", "kernels"]
PEERS = "engine,sql,onnxruntime,pl/python,tokenizers,tiktoken,llama.cpp,torch"


def words(text):
    return text.split(",")


def read_options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="directory of all-MiniLM-L6-v2")
    parser.add_argument("--server-model", help="the same as the server sees it")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="for temporary files")
    parser.add_argument("--engine", help="program made of engine.c")
    parser.add_argument("--generator", help="program made of generator.c")
    parser.add_argument("--gguf", type=words, default=[], help="GGUF files to generate with")
    parser.add_argument("--server-gguf", help="one of them as the server sees it")
    parser.add_argument("--server-heads", help="directory made by heads.py as the server sees it")
    parser.add_argument("--kernels", help="program made of kernels.c")
    parser.add_argument(
        "--onnx", type=pathlib.Path, help="model for onnxruntime, exported if it is not there"
    )
    parser.add_argument(
        "--vocabularies",
        type=pathlib.Path,
        default="build/bench",
        help="where tokenizers are kept that are trained if they are not there",
    )
    parser.add_argument("--site", help="Python packages for PL/Python, as the server sees them")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", type=words, default=words(PEERS), help="how names begin")
    parser.add_argument("--only", type=words, default=PARTS, help=",".join(PARTS))
    options = parser.parse_args()
    unknown = set(options.only) - set(PARTS)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    if options.rounds < 1 or options.threads < 1:
        parser.error("--rounds and --threads are at least 1")
    options.peers = tuple(options.peers)
    return options


def main():
    options = read_options()
    bench = Bench(options)
    for part in PARTS:
        if part in options.only:
            try:
                importlib.import_module(f"part_{part}").run(bench)
            except Gone as gone:
                bench.skip(part, gone)
    for line in bench.results.lines():
        print(line)
    bench.results.print()
    print_summary(bench)


if __name__ == "__main__":
    main()
