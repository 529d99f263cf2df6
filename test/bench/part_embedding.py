"""Texts embedded per second: the engine and others in batches, SQL beside the engine."""

import functools
import json

import numpy

from bench import BATCH, COMPUTED, DTYPES
from programs import Gone
from results import Key

PART = "embedding"
# PL/Python is too slow for all texts: it gets every so-manieth.
PYTHON_SHARE = 8
# How close embeddings must be to be called those of the same model.
SAME = {"f32": 0.99999, "f16": 0.9999, "bf16": 0.99, "int8": 0.9}

ROWS = "SELECT count(tfm_embed('{dtype}', body)) FROM docs WHERE kind = '{kind}'"
ARRAYS = "SELECT sum(cardinality(tfm_embed('{dtype}', bodies))) FROM batches WHERE kind = '{kind}'"
FIRST = (
    "SELECT to_json(tfm_embed('{dtype}', body)::real[]) FROM docs WHERE kind = '{kind}' AND id = 0"
)
PYTHON = (
    "SELECT count(python_embed(body, {threads})) FROM docs"
    " WHERE kind = '{kind}' AND id % {share} = {share} / 2"
)


def start(bench):
    """
    {(peer, threads): program}, {dtype: session of SQL}, {dtype: one that does not batch} and
    {threads: session of PL/Python}
    """
    programs, sessions, singles, pythons = {}, {}, {}, {}
    for dtype in DTYPES:
        for threads in bench.threads:
            name = f"engine {dtype}"
            programs[name, threads] = bench.start(name, bench.engine, dtype, threads)
    for dtype in "f32", "int8":
        for threads in bench.threads:
            name = f"onnxruntime {dtype}"
            programs[name, threads] = bench.start(name, bench.onnx, dtype, threads)
    for dtype in COMPUTED:
        sessions[dtype] = bench.start(f"sql {dtype}", bench.sql, dtype)
        singles[dtype] = bench.start(f"sql {dtype}", bench.sql, dtype, "SET tfm.batching = off")
    for threads in bench.threads:
        pythons[threads] = bench.start("pl/python", bench.python)
    return [{k: v for k, v in peers.items() if v} for peers in (programs, sessions, singles, pythons)]


def turns_of(bench, kind, programs, sessions, singles, pythons):
    """{key: function that gives texts per second}"""
    count = len(bench.kinds[kind]["texts"])
    most = bench.options.threads

    def ask(program, texts, batch):
        return count / program.ask("measure", texts, batch)

    def query(session, text):
        return count / session.time(text)

    def python(session, threads):
        text = PYTHON.format(kind=kind, threads=threads, share=PYTHON_SHARE)
        return len(range(PYTHON_SHARE // 2, count, PYTHON_SHARE)) / session.time(text)

    turns = {}
    for (name, threads), program in programs.items():
        turns[Key(PART, kind, name, threads)] = functools.partial(ask, program, kind, BATCH)
    for dtype, session in sessions.items():
        engine = programs.get((f"engine {dtype}", most))
        if engine:
            key = Key(PART, kind, f"engine {dtype} rows", most)
            turns[key] = functools.partial(ask, engine, f"{kind}-rows", 1)
        for way, text in (("rows", ROWS), ("arrays", ARRAYS)):
            key = Key(PART, kind, f"sql {dtype} {way}", most)
            turns[key] = functools.partial(query, session, text.format(dtype=dtype, kind=kind))
    for dtype, session in singles.items():
        key = Key(PART, kind, f"sql {dtype} one by one", most)
        turns[key] = functools.partial(query, session, ROWS.format(dtype=dtype, kind=kind))
    for threads, session in pythons.items():
        turns[Key(PART, kind, "pl/python rows", threads)] = functools.partial(
            python, session, threads
        )
    return turns


def cosines(a, b):
    return (a * b).sum(1) / numpy.linalg.norm(a, axis=1) / numpy.linalg.norm(b, axis=1)


def embeddings_of(bench, kind, programs):
    """{(peer, threads): [texts, dimensions]}, of those that can still answer."""
    found = {}
    for (name, threads), program in list(programs.items()):
        try:
            found[name, threads] = numpy.array(program.ask("embed", kind, BATCH), numpy.float32)
        except Gone as gone:
            bench.skip(name, gone)
            del programs[name, threads]
    return found


def check_bits(bench, kind, programs, found):
    """The engine's must not depend, bit by bit, on the threads or on the batch."""
    for (name, threads), its in found.items():
        if not name.startswith("engine"):
            continue
        alone = numpy.array(programs[name, threads].ask("embed", kind, 1), numpy.float32)
        if not ((alone == its).all() and (found.get((name, bench.threads[0]), its) == its).all()):
            raise SystemExit(f"{name}: embeddings depend on the batch or the threads ({kind})")


def compare(bench, kind, programs, sessions):
    """
    Least and mean cosine to the result in f32, over all texts: {peer: notes}.  All must do the same
    work; this is also what warms up.
    """
    found = embeddings_of(bench, kind, programs)
    references = [("onnxruntime f32", t) for t in bench.threads]
    references += [("engine f32", t) for t in bench.threads]
    truth = next((found[key] for key in references if key in found), None)
    notes = {}
    for (name, threads), its in found.items():
        if truth is None or (name, threads) in references[:1]:
            continue
        cosine = cosines(its, truth)
        if not cosine.min() > SAME[name.split()[1]]:
            raise SystemExit(f"{name} gives another embedding of a {kind} text: {cosine.min():.6f}")
        notes[name] = {
            "cosine_least": round(float(cosine.min()), 6),
            "cosine_mean": round(float(cosine.mean()), 6),
        }
    check_bits(bench, kind, programs, found)
    for dtype, session in sessions.items():
        first = numpy.array([json.loads(session.ask(FIRST.format(dtype=dtype, kind=kind)))])
        its = found.get((f"engine {dtype}", bench.threads[0]), truth)
        if its is not None and not cosines(first, its[:1]).min() > 0.999999:
            raise SystemExit(f"sql {dtype} gives another embedding of the first {kind} text")
    return notes


def run(bench):
    programs, sessions, singles, pythons = start(bench)
    if sessions or pythons:
        bench.fill_tables()
    notes = {kind: compare(bench, kind, programs, sessions) for kind in bench.kinds}
    turns = {}
    for kind in bench.kinds:
        turns.update(turns_of(bench, kind, programs, sessions, singles, pythons))
    bench.take_turns("texts/s", turns, bench.rounds)
    for key, result in bench.results.all.items():
        if key.part == PART:
            tokens = bench.kinds[key.what]["tokens"] / len(bench.kinds[key.what]["texts"])
            result.notes["tokens_per_second"] = round(result.median * tokens)
            result.notes.update(notes[key.what].get(key.peer, {}))
    for peers in (programs, sessions, singles, pythons):
        for peer in peers.values():
            peer.close()
