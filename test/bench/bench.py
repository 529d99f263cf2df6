"""What all parts of the benchmark share: options, texts, peers, the server, and taking turns."""

import json
import os
import pathlib
import subprocess
import sys
import time

import tokenizers

import texts as text_maker
from programs import Gone, Lines, Session, quoted, run_sql
from results import Results

# So long a peer's threads may spin after its last work, at the cost of the next one.
PAUSE = 0.03
HERE = pathlib.Path(__file__).resolve().parent
BATCH = 32

# How weights are kept, and the arithmetic that goes with it.
DTYPES = {"f32": "f32", "f16": "f32", "bf16": "bf16", "int8": "int8"}
# f16 is a way to keep weights alone: left out where it would show nothing that f32 does not.
COMPUTED = [dtype for dtype in DTYPES if dtype != "f16"]

PYTHON_FUNCTION = """
CREATE EXTENSION IF NOT EXISTS plpython3u;
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


def say(text):
    print(text, file=sys.stderr, flush=True)


class Bench:
    def __init__(self, options):
        self.options = options
        self.rounds = options.rounds
        self.results = Results()
        self.skipped = {}
        tokenizer = tokenizers.Tokenizer.from_file(f"{options.model}/tokenizer.json")
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self.tokenizer = tokenizer
        self.kinds = text_maker.make(tokenizer)
        self.tokenized = text_maker.make_tokenized()
        rows = {f"{kind}-rows": text_maker.unsorted(its) for kind, its in self.kinds.items()}
        self.texts_file = options.work / "texts.json"
        self.texts_file.write_text(json.dumps({**self.kinds, **rows, **self.tokenized}))

    @property
    def threads(self):
        """The thread counts to measure, the one asked for first."""
        return list(dict.fromkeys([self.options.threads, 1]))

    def wanted(self, peer):
        return peer.startswith(self.options.peers)

    def skip(self, peer, why):
        """Say once that a peer is left out, and remember it for the end."""
        if peer not in self.skipped:
            self.skipped[peer] = str(why)
            say(f"{peer} is left out: {why}")

    def start(self, peer, make, *arguments):
        """What make gives, or None for a peer that is not wanted or cannot be started."""
        if not self.wanted(peer) or peer in self.skipped:
            return None
        try:
            return make(*arguments)
        except Gone as gone:
            self.skip(peer, gone)
            return None

    # Peers, each in a process of its own; they raise Gone.

    def engine(self, dtype, threads):
        image = self.options.work / f"bench-{dtype}.image"
        command = [self.options.engine, self.options.model, image, self.texts_file]
        return Lines(*command, dtype, DTYPES[dtype], threads)

    def onnx(self, dtype, threads):
        path = self.options.onnx if dtype == "f32" else self.options.onnx.with_suffix(".int8.onnx")
        script = [sys.executable, HERE / "onnx_peer.py"]
        if not self.options.onnx.exists():
            self.make_file([*script, "export", self.options.model, self.options.onnx])
        if not path.exists():
            self.make_file([*script, "quantize", self.options.onnx, path])
        return Lines(*script, self.options.model, path, self.texts_file, threads)

    def make_file(self, command):
        if subprocess.run([str(word) for word in command], stdout=sys.stderr).returncode != 0:
            raise Gone("its model could not be made")

    def sql(self, dtype, *setup):
        """A session that can use the model called dtype."""
        run_sql("CREATE EXTENSION IF NOT EXISTS tfm")
        if run_sql(f"SELECT count(*) FROM tfm_models WHERE name = '{dtype}'") == "0":
            path = quoted(str(self.options.server_model))
            run_sql(f"SELECT tfm_load_model('{dtype}', {path}, dtype => '{dtype}')")
        return Session(f"SET tfm.threads = {self.options.threads}", *setup)

    def python(self):
        if run_sql("SELECT to_regproc('python_embed') IS NULL") == "t":
            if not self.options.site:
                raise Gone("there is no --site with its packages")
            model = self.options.server_model
            run_sql(PYTHON_FUNCTION.format(site=self.options.site, model=model))
        return Session()

    def fill_tables(self):
        """docs has the texts in no order; batches has them by 32, sorted by length."""
        script = [
            "DROP TABLE IF EXISTS docs, batches;",
            "CREATE TABLE docs (kind text, id int, body text);",
            "COPY docs FROM STDIN;",
        ]
        for kind, its in self.kinds.items():
            place = {text: i for i, text in enumerate(its["texts"])}
            for text in text_maker.unsorted(its)["texts"]:
                body = text.replace("\\", "\\\\")
                script.append(f"{kind}\t{place[text]}\t{body}")
        script += [
            "\\.",
            "CREATE TABLE batches AS SELECT kind, array_agg(body ORDER BY id) AS bodies"
            f" FROM docs GROUP BY kind, id / {BATCH};",
            "VACUUM ANALYZE docs, batches;",
        ]
        run_sql("\n".join(script))

    def take_turns(self, unit, turns, rounds):
        """
        Call {key: function} in turn, round by round, there and back so that nobody always follows
        the same one; keep what they return.  The round before the first warms up.
        """
        for number in range(rounds + 1):
            order = list(turns.items())
            for key, function in order if number % 2 else reversed(order):
                time.sleep(PAUSE)
                try:
                    value = function()
                except Gone as gone:
                    self.skip(key.peer, gone)
                    self.results.drop(key)
                    del turns[key]
                    continue
                if number > 0:
                    self.results.add(key, unit, value)
            if number % 5 == 0 or number == rounds:
                load = os.getloadavg()[0]
                say(f"{unit}, round {number} of {rounds}, load {load:.1f}")
