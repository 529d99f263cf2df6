"""Tokens a second of generation, prompts and batches, beside llama.cpp and torch on the same GGUF files."""

import functools
import pathlib
import sys

from bench import HERE
from programs import Lines
from results import Key

PART = "generation"
PROMPT = 128
STEPS = 64
BATCH = 8
SCHEMA = (
    '{"type":"object","properties":{"name":{"type":"string","maxLength":40},"age":{"type":"integer"},'
    '"tags":{"type":"array","items":{"type":"string","maxLength":20},"maxItems":5}},'
    '"required":["name","age","tags"]}'
)


def prompt_rate(program, count):
    return count / program.ask("prompt", count)


def generation_rate(program, batch):
    return batch * STEPS / program.ask("generate", batch, PROMPT, STEPS)


def turn_share(program):
    """The second turn's time as a share of the first's, which has eight times its tokens."""
    times = program.ask("turn", 8 * 64, 64)
    return times["second"] / times["first"]


def start_peers(bench, file):
    threads = bench.options.threads
    image = bench.options.work / f"{file.stem}.image"
    engine = functools.partial(
        Lines, bench.options.generator, file, image, "auto", "auto", threads
    )
    peers = {
        "engine": bench.start("engine", engine),
        "llama.cpp": bench.start(
            "llama.cpp", Lines, sys.executable, HERE / "llama_peer.py", file, threads
        ),
        "torch bf16": bench.start(
            "torch bf16", Lines, sys.executable, HERE / "torch_peer.py", file, threads
        ),
    }
    return {name: peer for name, peer in peers.items() if peer}


def measure(bench, name, file):
    threads = bench.options.threads
    peers = start_peers(bench, file)
    turns = {}
    for peer, program in peers.items():
        for count in PROMPT, 4 * PROMPT:
            key = Key(PART, f"{name}, prompt of {count}", peer, threads)
            turns[key] = functools.partial(prompt_rate, program, count)
        for batch in 1, BATCH:
            key = Key(PART, f"{name}, {batch} at once", peer, threads)
            turns[key] = functools.partial(generation_rate, program, batch)
    engine = peers.get("engine")
    if engine:
        for what, words in (("free text", ("write", 128)), ("JSON", ("write", 128, SCHEMA))):
            key = Key(PART, f"{name}, {what}", "engine", threads)
            turns[key] = functools.partial(engine.ask, *words)
    bench.take_turns("tokens/s", turns, bench.rounds)
    if engine:
        rest = {
            Key(PART, f"{name}, second turn", "engine", threads): functools.partial(
                turn_share, engine
            )
        }
        bench.take_turns("of the first", rest, bench.rounds)
        rest = {
            Key(PART, f"{name}, memory", "engine", threads): lambda: engine.ask("bandwidth") / 1e9
        }
        bench.take_turns("GB/s", rest, bench.rounds)
        bytes_read = file.stat().st_size
        alone = bench.results.all.get(Key(PART, f"{name}, 1 at once", "engine", threads))
        memory = bench.results.all.get(Key(PART, f"{name}, memory", "engine", threads))
        if alone and memory:
            share = alone.median * bytes_read / 1e9 / memory.median
            alone.notes.update(share_of_bandwidth=round(share, 3))
    for program in peers.values():
        program.close()


def run(bench):
    for file in map(pathlib.Path, bench.options.gguf):
        measure(bench, file.stem, file)
