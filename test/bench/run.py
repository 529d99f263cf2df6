#!/usr/bin/env python3
"""Measure the peers in turn, round by round, on the same texts; see script/bench.

Prints a JSON line for each peer and kind of text, then a table.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

import tokenizers

import texts as text_maker

HERE = pathlib.Path(__file__).resolve().parent
# PL/Python is too slow for all texts: it gets every so-manieth.
PYTHON_SHARE = 8
# Others are compared at their best: with as many threads as the engine they collapse on a busy
# machine, with one they waste an idle one.
ORT = ["onnxruntime", "onnxruntime, 1 thread"]
PYTHON = ["pl/python rows", "pl/python rows, 1 thread"]


class Lines:
    """A program that answers a line with a line."""

    def __init__(self, *command):
        self.share = 1
        self.process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.process.args[0]} ended at: {line}")
        return json.loads(answer)

    def measure(self, kind):
        return self.ask(f"measure {kind}")

    def embed(self, kind):
        return self.ask(f"embed {kind}")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Session:
    """A session of psql; the server's work is timed by psql, result and all."""

    def __init__(self, setup, measure, embed, share=1):
        self.share = share
        self.measured, self.embedded = measure, embed
        command = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", "postgres"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for statement in ["SET jit = off", "SET max_parallel_workers_per_gather = 0", *setup]:
            self.process.stdin.write(statement + ";\n")

    def answers(self, query, count):
        self.process.stdin.write(query + ";\n")
        self.process.stdin.flush()
        lines = [self.process.stdout.readline() for _ in range(count)]
        if not lines[-1]:
            raise SystemExit(f"psql ended at: {query}")
        return lines

    def measure(self, kind):
        query = (
            "\\timing on\n"
            + self.measured.format(kind=kind, share=self.share)
            + ";\n\\timing off\nSELECT 1"
        )
        timing = next(line for line in self.answers(query, 3) if line.startswith("Time: "))
        return float(timing.split()[1]) / 1000

    def embed(self, kind):
        return json.loads(self.answers(self.embedded.format(kind=kind), 1)[0])

    def close(self):
        self.process.stdin.close()
        self.process.wait()


PYTHON_FUNCTION = """
CREATE EXTENSION plpython3u;
CREATE FUNCTION python_embed(body text, threads int) RETURNS real[] LANGUAGE plpython3u AS $$
if 'model' not in GD:
    import sys
    sys.path.insert(0, '{site}')
    import torch, transformers
    torch.set_num_threads(threads)
    GD['torch'] = torch
    GD['tokenizer'] = transformers.AutoTokenizer.from_pretrained('{model}')
    GD['model'] = transformers.AutoModel.from_pretrained('{model}').eval()
torch = GD['torch']
with torch.inference_mode():
    inputs = GD['tokenizer'](body, truncation=True, max_length=256, return_tensors='pt')
    mean = GD['model'](**inputs).last_hidden_state[0].mean(0)
    return (mean / mean.norm()).tolist()
$$;
"""


def fill_tables(kinds):
    """docs has the texts in no order; batches has them by 32, sorted by length."""
    script = ["CREATE TABLE docs (kind text, id int, body text);", "COPY docs FROM STDIN;"]
    for kind, its in kinds.items():
        order = sorted(range(len(its["texts"])), key=lambda i: (i * 7919) % 1009)
        for i in order:
            body = its["texts"][i].replace("\\", "\\\\")
            script.append(f"{kind}\t{i}\t{body}")
    script += [
        "\\.",
        "CREATE TABLE batches AS SELECT kind, array_agg(body ORDER BY id) AS bodies"
        " FROM docs GROUP BY kind, id / 32;",
        "VACUUM ANALYZE docs, batches;",
    ]
    run_sql("\n".join(script))


def run_sql(script):
    subprocess.run(
        ["psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-d", "postgres"],
        input=script,
        text=True,
        check=True,
    )


def start_peers(options, texts_file):
    def engine(threads):
        image = options.work / f"bench-{threads}.image"
        return Lines(options.engine, options.model, image, texts_file, threads)

    def onnx(threads):
        command = [sys.executable, HERE / "onnx_peer.py", options.model, options.onnx]
        return Lines(*command, texts_file, threads)

    def sql(measure):
        return Session(
            ["LOAD 'tfm'", f"SET tfm.threads = {options.threads}"],
            measure,
            "SELECT to_json(tfm_embed('minilm', body)::real[]) FROM docs WHERE kind = '{kind}' AND id = 0",
        )

    def python(threads):
        call = f"python_embed(body, {threads})"
        return Session(
            [],
            f"SELECT count({call}) FROM docs WHERE kind = '{{kind}}' AND id % {{share}} = {{share}} / 2",
            f"SELECT to_json({call}) FROM docs WHERE kind = '{{kind}}' AND id = 0",
            share=PYTHON_SHARE,
        )

    makers = {
        "engine": lambda: engine(options.threads),
        "engine, 1 thread": lambda: engine(1),
        "sql rows": lambda: sql(
            "SELECT count(tfm_embed('minilm', body)) FROM docs WHERE kind = '{kind}'"
        ),
        "sql arrays": lambda: sql(
            "SELECT sum(cardinality(tfm_embed('minilm', bodies))) FROM batches WHERE kind = '{kind}'"
        ),
        ORT[0]: lambda: onnx(options.threads),
        ORT[1]: lambda: onnx(1),
        PYTHON[0]: lambda: python(options.threads),
        PYTHON[1]: lambda: python(1),
    }
    return {name: make() for name, make in makers.items() if name.startswith(options.peers)}


def cosine(a, b):
    norm = sum(x * x for x in a) ** 0.5 * sum(x * x for x in b) ** 0.5
    return sum(x * y for x, y in zip(a, b)) / norm


def check_agreement(peers, kinds):
    """All must do the same work; this is also the round that warms up."""
    for kind in kinds:
        embeddings = {name: peer.embed(kind) for name, peer in peers.items()}
        truth = embeddings.get(ORT[0]) or next(iter(embeddings.values()))
        for name, embedding in embeddings.items():
            if not cosine(embedding, truth) > 0.99999:
                raise SystemExit(f"{name} gives another embedding of the first {kind} text")


def rate_of(peer, kind, its):
    """Texts per second of one pass."""
    count = len(range(0, len(its["texts"]), peer.share))
    return count / peer.measure(kind)


def measure(peers, kinds, rounds):
    """{(peer, kind): texts per second of each round}; the peers take turns."""
    rates = {(name, kind): [] for name in peers for kind in kinds}
    for number in range(rounds + 1):
        for kind, its in kinds.items():
            for name, peer in peers.items():
                rate = rate_of(peer, kind, its)
                if number > 0:
                    rates[name, kind].append(rate)
        load = os.getloadavg()[0]
        print(f"round {number} of {rounds}, load {load:.1f}", file=sys.stderr, flush=True)
    return rates


def ratio(rates, others):
    """Median of the ratios to the fastest of the others in the same rounds; None without others."""
    best = max((rates for rates in others if rates), key=statistics.median, default=None)
    return round(statistics.median(a / b for a, b in zip(rates, best)), 3) if best else None


def results_of(rates, kinds):
    for (peer, kind), its in rates.items():
        tokens = kinds[kind]["tokens"] / len(kinds[kind]["texts"])
        middle = statistics.median(its)
        yield {
            "peer": peer,
            "texts": kind,
            "tokens_per_text": round(tokens, 1),
            "texts_per_second": round(middle, 1),
            "least": round(min(its), 1),
            "most": round(max(its), 1),
            "tokens_per_second": round(middle * tokens),
            "to_onnxruntime": ratio(its, [rates.get((name, kind)) for name in ORT]),
            "to_plpython": ratio(its, [rates.get((name, kind)) for name in PYTHON]),
        }


def print_table(results):
    print(
        f"\n{'texts':<8}{'peer':<26}{'texts/s':>9}{'(least-most)':>17}{'tokens/s':>10}{'/ort':>7}{'/plpy':>8}"
    )
    for r in sorted(results, key=lambda r: list(text_maker.KINDS).index(r["texts"])):
        spread = f"({r['least']:.3g}-{r['most']:.3g})"
        ratios = [f"{r[key]:.2f}" if r[key] else "-" for key in ("to_onnxruntime", "to_plpython")]
        print(
            f"{r['texts']:<8}{r['peer']:<26}{r['texts_per_second']:>9.1f}{spread:>17}"
            f"{r['tokens_per_second']:>10}{ratios[0]:>7}{ratios[1]:>8}"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="directory of all-MiniLM-L6-v2")
    parser.add_argument("--server-model", help="the same as the server sees it")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="for temporary files")
    parser.add_argument("--engine", help="program made of engine.c")
    parser.add_argument(
        "--onnx", type=pathlib.Path, help="model for onnxruntime, exported if it is not there"
    )
    parser.add_argument("--site", help="Python packages for PL/Python, as the server sees them")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--peers", default="engine,sql,onnxruntime,pl/python", help="how their names begin"
    )
    options = parser.parse_args()
    options.peers = tuple(options.peers.split(","))

    tokenizer = tokenizers.Tokenizer.from_file(f"{options.model}/tokenizer.json")
    tokenizer.no_truncation()
    tokenizer.no_padding()
    kinds = text_maker.make(tokenizer)
    texts_file = options.work / "texts.json"
    texts_file.write_text(json.dumps(kinds))
    fill_tables(kinds)
    if any(peer.startswith("sql") for peer in options.peers):
        run_sql(f"CREATE EXTENSION tfm; SELECT tfm_load_model('minilm', '{options.server_model}');")
    if any(peer.startswith("pl/python") for peer in options.peers):
        run_sql(PYTHON_FUNCTION.format(site=options.site, model=options.server_model))

    if any(peer.startswith("onnx") for peer in options.peers) and not options.onnx.exists():
        subprocess.run(
            [sys.executable, HERE / "onnx_peer.py", options.model, options.onnx], check=True
        )
    peers = start_peers(options, texts_file)
    check_agreement(peers, kinds)
    results = list(results_of(measure(peers, kinds, options.rounds), kinds))
    for peer in peers.values():
        peer.close()
    for result in results:
        print(json.dumps(result))
    print_table(results)


if __name__ == "__main__":
    main()
