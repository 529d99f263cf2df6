"""What the first answer takes, in milliseconds: of a session, of the engine, of the others."""

import functools
import pathlib

from bench import COMPUTED
from programs import Session, quoted, run_sql
from results import Key

PART = "load"
SESSIONS = 2  # fresh ones in a round
PYTHON_SESSIONS = 2  # in all: each takes many seconds
FIRST_EVER = "first ever"
NEW_SESSION = "new session"
ENGINE = "open and first call"


def first_answer(make, query):
    """Of a session that is connected already."""
    session = make()
    seconds = session.time(query)
    session.close()
    return 1000 * seconds


def first_ever(query):
    """With no image: it is compiled."""
    for image in pathlib.Path(run_sql("SHOW data_directory"), "tfm").glob("*.tfm"):
        image.unlink()
    return first_answer(Session, query)


def first_call(make, *arguments):
    """Of a program that is started for it; what it needs to start itself does not count."""
    program = make(*arguments)
    seconds = program.loaded["open"] + program.ask("latency", "short", 0, 1)[0]
    program.close()
    return 1000 * seconds


def run(bench):
    text = quoted(bench.kinds["short"]["texts"][0])
    query = "SELECT count(tfm_embed('{}', " + text + "))"
    threads = bench.options.threads
    sessions, ever, programs, python = {}, {}, {}, {}

    def available(name, make, *arguments):
        peer = bench.start(name, make, *arguments)
        if peer:
            peer.close()
        return peer

    for dtype in COMPUTED:
        if available(f"sql {dtype}", bench.sql, dtype):
            key = Key(PART, NEW_SESSION, f"sql {dtype}", threads)
            sessions[key] = functools.partial(first_answer, Session, query.format(dtype))
            key = key._replace(what=FIRST_EVER)
            ever[key] = functools.partial(first_ever, query.format(dtype))
    for dtype in COMPUTED:
        if available(f"engine {dtype}", bench.engine, dtype, threads):
            key = Key(PART, ENGINE, f"engine {dtype}", threads)
            programs[key] = functools.partial(first_call, bench.engine, dtype, threads)
    for dtype in "f32", "int8":
        if available(f"onnxruntime {dtype}", bench.onnx, dtype, threads):
            key = Key(PART, ENGINE, f"onnxruntime {dtype}", threads)
            programs[key] = functools.partial(first_call, bench.onnx, dtype, threads)
    if available("pl/python", bench.python):
        key = Key(PART, NEW_SESSION, "pl/python", threads)
        call = f"SELECT count(python_embed({text}, {threads}))"
        python[key] = functools.partial(first_answer, Session, call)
    bench.take_turns("ms", ever, bench.rounds)
    bench.take_turns("ms", sessions, bench.rounds * SESSIONS)
    bench.take_turns("ms", programs, bench.rounds)
    bench.take_turns("ms", python, min(bench.rounds, PYTHON_SESSIONS))
