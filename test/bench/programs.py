"""The peers as processes: programs that answer lines, sessions of psql."""

import json
import subprocess
import tempfile
import time


class Gone(Exception):
    """A peer that cannot be started, or ended: the rest is measured without it."""


class Program:
    """Something that is written lines to and answers lines."""

    def __init__(self, command):
        self.errors = tempfile.TemporaryFile("w+", errors="replace")
        try:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.errors,
                text=True,
            )
        except OSError as error:
            raise Gone(str(error)) from error

    def tell(self, text):
        try:
            self.process.stdin.write(text + "\n")
            self.process.stdin.flush()
        except (OSError, ValueError) as error:
            raise Gone(self.last_words()) from error

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise Gone(self.last_words())
        return line

    def last_words(self):
        self.process.wait()
        self.errors.seek(0)
        return ([line for line in self.errors.read().splitlines() if line] or ["it ended"])[-1]

    def close(self):
        try:
            self.process.stdin.close()
        except OSError:
            pass
        self.process.wait()


class Lines(Program):
    """engine.c or onnx_peer.py, which answer the same verbs; see there."""

    def __init__(self, *command):
        super().__init__(command)
        self.loaded = self.ask("load")

    def ask(self, *words):
        self.tell(" ".join(str(word) for word in words))
        answer = json.loads(self.read())
        if answer is None:
            raise Gone(f"does not know: {words}")
        return answer


class Session(Program):
    """A session of psql; the server's work is timed by psql, result and all."""

    def __init__(self, *setup):
        super().__init__(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", "postgres"])
        for statement in ["SET jit = off", "SET max_parallel_workers_per_gather = 0", *setup]:
            self.tell(statement + ";")
        self.pid = int(self.ask("SELECT pg_backend_pid()"))

    def ask(self, query):
        """The one line that a query gives."""
        self.tell(query + ";")
        return self.read().rstrip("\n")

    def time(self, query):
        """Seconds of a query that gives one line."""
        self.tell(f"\\timing on\n{query};\n\\timing off")
        self.read()
        return float(self.read().split()[1]) / 1000


def run_sql(script):
    """Run statements; Gone with the first line of the error."""
    done = subprocess.run(
        ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", "postgres"],
        input=script,
        text=True,
        capture_output=True,
    )
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if "ERROR" in line or "FATAL" in line]
        raise Gone((lines or done.stderr.splitlines() or ["psql failed"])[0])
    return done.stdout.strip()


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def clock(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
