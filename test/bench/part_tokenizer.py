"""Megabytes of text tokenized per second, ids alone, on one thread."""

import functools

import tokenizers

import vocabularies
from programs import clock
from results import Key

PART = "tokenizer"


def megabytes(texts):
    return sum(len(text.encode()) for text in texts) / 1e6


class Library:
    """Hugging Face's tokenizers, in the call that gives the ids fastest."""

    def __init__(self, tokenizer):
        self.encode = getattr(tokenizer, "encode_batch_fast", tokenizer.encode_batch)

    def tokenize(self, texts):
        ids = [encoding.ids for encoding in self.encode(texts)]
        return {"tokens": sum(map(len, ids)), "sum": sum(map(sum, ids))}


class Tiktoken:
    """tiktoken, with the vocabulary of a byte-level tokenizer."""

    PATTERN = (
        r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
    )

    def __init__(self, tokenizer):
        import tiktoken
        from transformers.convert_slow_tokenizer import bytes_to_unicode

        byte = {character: number for number, character in bytes_to_unicode().items()}
        ranks = {
            bytes(byte[character] for character in token): rank
            for token, rank in tokenizer.get_vocab().items()
        }
        self.encoding = tiktoken.Encoding(
            "bench", pat_str=self.PATTERN, mergeable_ranks=ranks, special_tokens={}
        )

    def encode(self, texts):
        return [self.encoding.encode_ordinary(text) for text in texts]


def measure(bench, turns, name, texts, library, tokenize, others):
    """Add a turn of each peer; tokenize is the engine's call, others are further libraries."""
    size = megabytes(texts)
    if tokenize:
        theirs, ours = library.tokenize(texts), tokenize()
        if any(ours[key] != theirs[key] for key in theirs):
            raise SystemExit(f"engine and tokenizers give other ids: {ours}, {theirs}")
        turns[Key(PART, name, "engine", 1)] = lambda: size / tokenize()["seconds"]
    for peer, other in {"tokenizers": library, **others}.items():
        if bench.wanted(peer):
            turns[Key(PART, name, peer, 1)] = lambda other=other: size / clock(
                lambda: other.encode(texts)
            )


def load_tiktoken(bench, tokenizer):
    try:
        return {"tiktoken": Tiktoken(tokenizer)} if bench.wanted("tiktoken") else {}
    except ImportError as error:
        bench.skip("tiktoken", error)
        return {}


def run(bench):
    engine = bench.start("engine f32", bench.engine, "f32", 1)
    turns = {}
    tasks = [("", Library(bench.tokenizer), None, {})]
    for kind, path in vocabularies.make(bench.options.vocabularies).items():
        tokenizer = tokenizers.Tokenizer.from_file(str(path))
        others = load_tiktoken(bench, tokenizer) if kind == "byte-level-bpe" else {}
        tasks.append((f"{kind} ", Library(tokenizer), path, others))
    for prefix, library, path, others in tasks:
        for name, its in bench.tokenized.items():
            words = ("tokenize", name) if path is None else ("tokenize", name, path)
            ask = functools.partial(engine.ask, *words) if engine else None
            measure(bench, turns, prefix + name, its["texts"], library, ask, others)
    bench.take_turns("MB/s", turns, bench.rounds * 2)
    if engine:
        engine.close()
