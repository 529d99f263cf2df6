"""Sentences classified, and searched for entities, per second: beside embedding them."""

import functools
import pathlib

from programs import Gone, quoted, run_sql
from results import Key

PART = "pipelines"
HEADS = {"classifier": "text-classification", "ner": "token-classification"}

EMBED = "SELECT count(tfm_embed('{model}', body)) FROM docs WHERE kind = '{kind}'"
ROWS = "SELECT count(tfm_pipeline('{task}', '{model}', to_jsonb(body))) FROM docs WHERE kind = '{kind}'"
ARRAY = (
    "SELECT jsonb_array_length(tfm_pipeline('{task}', '{model}',"
    " (SELECT jsonb_agg(body) FROM docs WHERE kind = '{kind}')))"
)


def load(bench):
    if not bench.options.server_heads:
        raise Gone("there are no --server-heads")
    for model in HEADS:
        path = quoted(str(pathlib.PurePath(bench.options.server_heads, model)))
        run_sql(f"SELECT tfm_load_model('{model}', {path}, replace => true)")


def run(bench):
    session = bench.start("sql f32", bench.sql, "f32")
    if session is None:
        raise Gone("there is no server")
    bench.fill_tables()
    load(bench)
    turns = {}

    def measure(kind, text):
        return len(bench.kinds[kind]["texts"]) / session.time(text)

    for kind in bench.kinds:
        for model, task in HEADS.items():
            for way, text in (("embed", EMBED), ("rows", ROWS), ("array", ARRAY)):
                key = Key(PART, f"{model}, {kind}", f"sql {way}", bench.options.threads)
                query = text.format(model=model, task=task, kind=kind)
                turns[key] = functools.partial(measure, kind, query)
    bench.take_turns("texts/s", turns, bench.rounds)
    session.close()
