"""What one short text takes, in milliseconds, tokenizer included; the peers take turns in groups of calls."""

import functools
import itertools
import statistics

from bench import COMPUTED
from programs import quoted
from results import Key

PART = "latency"
KIND = "short"
CALLS = 16  # of a group
GROUPS = 6  # of a round that is asked for


class Caller:
    """Makes groups of calls, each with other texts, and keeps the times of all."""

    def __init__(self, call):
        self.call = call
        self.first = itertools.count(0, CALLS)
        self.times = []

    def __call__(self):
        times = [1000 * seconds for seconds in self.call(next(self.first))]
        self.times += times
        return statistics.median(times)


def ask(program, first):
    return program.ask("latency", KIND, first, CALLS)


def query(session, dtype, texts, first):
    """Each a statement of its own, as a client would send it."""
    chosen = [texts[(first + i) % len(texts)] for i in range(CALLS)]
    return [session.time(f"SELECT count(tfm_embed('{dtype}', {quoted(text)}))") for text in chosen]


def run(bench):
    turns, peers = {}, []

    def add(peer, threads, call, *arguments):
        if arguments[0]:
            peers.append(arguments[0])
            turns[Key(PART, KIND, peer, threads)] = Caller(functools.partial(call, *arguments))

    for threads in bench.threads:
        for dtype in COMPUTED:
            name = f"engine {dtype}"
            add(name, threads, ask, bench.start(name, bench.engine, dtype, threads))
        for dtype in "f32", "int8":
            name = f"onnxruntime {dtype}"
            add(name, threads, ask, bench.start(name, bench.onnx, dtype, threads))
    texts = bench.kinds[KIND]["texts"]
    for dtype in COMPUTED:
        session = bench.start(f"sql {dtype}", bench.sql, dtype)
        add(f"sql {dtype}", bench.options.threads, query, session, dtype, texts)
    bench.take_turns("ms", turns, bench.rounds * GROUPS)
    for key, caller in turns.items():
        cuts = statistics.quantiles(caller.times, n=20)
        bench.results.all[key].notes.update(
            calls=len(caller.times), p5=round(cuts[0], 3), p95=round(cuts[-1], 3)
        )
    for peer in peers:
        peer.close()
