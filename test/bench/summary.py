"""The table at the end: what was asked of each, ours, the best of the others, and the ratio."""

import pathlib
import statistics

from bench import COMPUTED
from results import Key, Ratio, ratio_of, short
from vocabularies import KINDS

KERNELS = [
    "linear 512 x 384 x 1536, gelu",
    "attend 4 x 200 tokens, 12 x 32",
    "linear 1 x 1536 x 3072",
    "linear 8 x 1536 x 3072",
    "linear 128 x 1536 x 3072",
]

# What a dtype is measured against.
RIVALS = {"f32": "onnxruntime f32", "bf16": "onnxruntime f32", "int8": "onnxruntime int8"}


def compare(bench, what, key, peer, peers_what=None, peers_part=None):
    """A row: both medians, and the median of the ratios of the rounds; None without ours."""
    ours = bench.results.all.get(key)
    if ours is None:
        return None
    part, place = peers_part or key.part, peers_what or key.what
    other = bench.results.best(part, place, peer, key.threads)
    ratio = ratio_of(ours, other) if other else None
    theirs = f"{short(other.median)} {other.unit}, {peer}" if other else f"no {peer}"
    return what, f"{short(ours.median)} {ours.unit}", theirs, ratio


def embedding_rows(bench):
    threads = bench.options.threads
    for dtype, rival in RIVALS.items():
        for kind in bench.kinds:
            key = Key("embedding", kind, f"engine {dtype}", threads)
            yield compare(bench, f"{dtype} embedding, {kind}", key, rival)
    for dtype in COMPUTED:
        for way, peer in (
            ("rows", f"engine {dtype}"),
            ("rows", "pl/python rows"),
            ("arrays", f"engine {dtype}"),
            ("one by one", f"engine {dtype} rows"),
        ):
            for kind in bench.kinds:
                key = Key("embedding", kind, f"sql {dtype} {way}", threads)
                yield compare(bench, f"{dtype} SQL, {way}, {kind}", key, peer)


def least_cosine(bench, peer):
    """Over all kinds of texts; None if the peer was not compared."""
    found = [
        result.notes["cosine_least"]
        for key, result in bench.results.all.items()
        if key.peer == peer and "cosine_least" in result.notes
    ]
    return min(found, default=None)


def cosine_rows(bench):
    for dtype in COMPUTED[1:]:
        ours = least_cosine(bench, f"engine {dtype}")
        theirs = least_cosine(bench, RIVALS["int8"])
        if ours is not None:
            shown = f"{theirs:.5f}, {RIVALS['int8']}" if theirs and dtype == "int8" else ""
            yield f"{dtype} least cosine to f32", f"{ours:.5f}", shown, None


def latency_rows(bench):
    for peer in ("engine", "sql"):
        for dtype, rival in RIVALS.items():
            key = Key("latency", "short", f"{peer} {dtype}", bench.options.threads)
            yield compare(bench, f"{dtype} latency, {peer}", key, rival)


def load_rows(bench):
    for dtype in COMPUTED:
        for what in ("new session", "first ever"):
            key = Key("load", what, f"sql {dtype}", bench.options.threads)
            yield compare(bench, f"{dtype} first answer, {what}", key, "pl/python", "new session")
        key = Key("load", "open and first call", f"engine {dtype}", bench.options.threads)
        yield compare(bench, f"{dtype} engine, open and first call", key, RIVALS[dtype])


def memory_rows(bench):
    for dtype in COMPUTED:
        key = Key("memory", "8 sessions", f"sql {dtype}", bench.options.threads)
        row = compare(bench, f"{dtype} memory of 8 sessions", key, "pl/python", "1 session")
        if row:
            notes = bench.results.all[key].notes
            made_of = f" = {notes['image_size']} + 8 x {notes['each_without_image']}"
            yield row[0], row[1] + made_of, row[2], row[3]


def kernel_rows(bench):
    """Of the best instruction set, which comes first."""
    best = next((key.peer.split()[1] for key in bench.results.all if key.part == "kernels"), None)
    for key, result in bench.results.all.items():
        ours = key.peer.split()
        if key.part != "kernels" or ours[1] != best or key.what not in KERNELS:
            continue
        peak = result.notes.get("peak")
        ratio = [value / peak for value in result.values] if peak else None
        yield (
            f"{ours[2]} {key.what}",
            f"{short(result.median)} {result.unit}",
            f"{short(peak)} {result.unit}, peak of the unit" if peak else "",
            Ratio(statistics.median(ratio), min(ratio), max(ratio)) if ratio else None,
        )


def tokenizer_rows(bench):
    for prefix in ["", *(f"{kind} " for kind in KINDS)]:
        for what in bench.tokenized:
            key = Key("tokenizer", prefix + what, "engine", 1)
            yield compare(bench, f"tokenizer, {prefix}{what}", key, "tokenizers")


def generation_rows(bench):
    """Each file's figures beside the faster of the others, and its own beside each other."""
    threads = bench.options.threads
    for file in bench.options.gguf:
        name = pathlib.Path(file).stem
        for what in ("prompt of 128", "prompt of 512", "1 at once", "8 at once"):
            key = Key("generation", f"{name}, {what}", "engine", threads)
            for peer in ("llama.cpp", "torch bf16"):
                yield compare(bench, f"{name[:12]}, {what}", key, peer)
        for what, other in (("8 at once", "1 at once"), ("JSON", "free text")):
            key = Key("generation", f"{name}, {what}", "engine", threads)
            yield compare(bench, f"{name[:12]}, {what}", key, "engine", f"{name}, {other}")


def pipeline_rows(bench):
    """Heads beside embedding by the same encoder."""
    for key in list(bench.results.all):
        if key.part == "pipelines" and key.peer != "sql embed":
            yield compare(bench, f"{key.what}, {key.peer.split()[1]}", key, "sql embed")


def worker_rows(bench):
    """The worker beside sessions that compute for themselves."""
    for key in list(bench.results.all):
        if key.part == "workers" and key.peer.endswith("worker"):
            name = key.peer.removesuffix("worker")
            for peer in ("sessions", "sessions of 1 thread"):
                yield compare(bench, f"{name.split()[1]}, {key.what}", key, name + peer)


def rows_of(bench):
    for rows in (
        embedding_rows,
        cosine_rows,
        latency_rows,
        load_rows,
        memory_rows,
        tokenizer_rows,
        generation_rows,
        pipeline_rows,
        worker_rows,
        kernel_rows,
    ):
        yield from filter(None, rows(bench))


def print_summary(bench):
    print(f"\nsummary, {bench.options.threads} threads")
    print(f"{'what':<38}{'ours':<40}{'peer':<36}ratio (least-most)")
    for what, ours, peer, ratio in rows_of(bench):
        print(f"{what:<38}{ours:<40}{peer:<36}{ratio or ''}".rstrip())
    for peer, why in bench.skipped.items():
        print(f"left out: {peer}: {why}")
