"""Megabytes of text tokenized per second, ids alone, on one thread."""

import functools

from programs import clock
from results import Key

PART = "tokenizer"


def megabytes(texts):
    return sum(len(text.encode()) for text in texts) / 1e6


class Library:
    """Hugging Face's tokenizers, in the call that gives the ids fastest."""

    def __init__(self, tokenizer):
        self.encode = getattr(tokenizer, "encode_batch_fast", tokenizer.encode_batch)

    def ids(self, texts):
        return [encoding.ids for encoding in self.encode(texts)]

    def tokenize(self, texts):
        ids = self.ids(texts)
        return {"tokens": sum(map(len, ids)), "sum": sum(map(sum, ids))}


def run(bench):
    library = Library(bench.tokenizer)
    engine = bench.start("engine f32", bench.engine, "f32", 1)
    turns = {}
    for name, its in bench.tokenized.items():
        texts = its["texts"]
        size = megabytes(texts)
        if engine:
            theirs, ours = library.tokenize(texts), engine.ask("tokenize", name)
            if any(ours[key] != theirs[key] for key in theirs):
                raise SystemExit(f"engine and tokenizers give other ids: {ours}, {theirs}")
            turns[Key(PART, name, "engine", 1)] = functools.partial(
                lambda name, size: size / engine.ask("tokenize", name)["seconds"], name, size
            )
        if bench.wanted("tokenizers"):
            turns[Key(PART, name, "tokenizers", 1)] = functools.partial(
                lambda texts, size: size / clock(lambda: library.encode(texts)), texts, size
            )
    bench.take_turns("MB/s", turns, bench.rounds * 2)
    if engine:
        engine.close()
