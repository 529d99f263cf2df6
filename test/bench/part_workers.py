"""
Many sessions that each ask for one thing at a time: computed by a worker, or by the sessions.

A worker has as many threads as the benchmark is asked for; sessions have as many each, which is
how they come, or one each.  Sessions' first calls, which open the model, do not count.  Where others
use the machine, too, sessions get more of it than the two threads of a worker: there the time of
processors that a call takes says more than calls per second.
"""

import functools
import os
import pathlib
import statistics
import subprocess
import tempfile

from programs import Gone, quoted, run_sql
from results import Key

PART = "workers"
SESSIONS = 32
TEXTS = 64  # pgbench takes few scripts
NEW_TOKENS = 16

# Seconds of a turn, and calls of each session that do not count.
EMBEDDING = (4, 2)
GENERATION = (10, 1)


def read_log(directory, first_calls):
    """[(seconds when it ended, milliseconds)] of pgbench's logs, without first calls; how many in all."""
    calls, count = [], 0
    for path in pathlib.Path(directory).glob("pgbench_log*"):
        for line in path.read_text().splitlines():
            words = line.split()
            count += 1
            if int(words[1]) > first_calls and words[2].isdigit():
                calls.append((int(words[4]) + int(words[5]) / 1e6, int(words[2]) / 1e3))
    return calls, count


def run_sessions(scripts, settings, seconds, first_calls):
    """Run the scripts in all sessions for so many seconds; what read_log gives."""
    environment = {**os.environ, "PGOPTIONS": " ".join(f"-c {s}" for s in settings)}
    with tempfile.TemporaryDirectory() as directory:
        command = ["pgbench", "-n", "-l", "-c", SESSIONS, "-T", seconds]
        for number, script in enumerate(scripts):
            path = pathlib.Path(directory) / f"{number}.sql"
            path.write_text(script + ";\n")
            command += ["-f", path]
        done = subprocess.run(
            [str(word) for word in [*command, "postgres"]],
            cwd=directory,
            env=environment,
            text=True,
            capture_output=True,
        )
        if done.returncode != 0:
            raise Gone((done.stderr.splitlines() or ["pgbench failed"])[-1])
        return read_log(directory, first_calls)


def stat_of(pid):
    """The numbers of /proc/PID/stat after the name."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


class Processors:
    """Seconds of processors that engine processes and sessions that have ended have used."""

    def __init__(self):
        worker = run_sql("SELECT min(pid) FROM tfm_stat_workers")
        self.postmaster = int(stat_of(worker)[1])

    def __call__(self):
        ticks = sum(int(number) for number in stat_of(self.postmaster)[13:15])
        for pid in run_sql("SELECT engine_pid FROM tfm_stat_workers").split():
            ticks += sum(int(number) for number in stat_of(pid)[11:13])
        return ticks / os.sysconf("SC_CLK_TCK")


class Turn:
    """Calls per second of a way to compute; keeps the times of all calls."""

    def __init__(self, scripts, settings, length, processors):
        self.run = functools.partial(run_sessions, scripts, settings, *length)
        self.processors = processors
        self.times = []
        self.costs = []

    def __call__(self):
        before = self.processors()
        calls, count = self.run()
        if len(calls) < 2:
            raise Gone("it was too slow to be measured")
        self.costs.append(1000 * (self.processors() - before) / count)
        self.times += [time for _, time in calls]
        ends = [end for end, _ in calls]
        return len(calls) / (max(ends) - min(ends))


def embedding_scripts(bench, dtype):
    texts = bench.kinds["short"]["texts"]
    chosen = texts[:: max(1, len(texts) // TEXTS)][:TEXTS]
    return [f"SELECT tfm_embed('{dtype}', {quoted(text)})" for text in chosen]


def generation_scripts(bench):
    path = quoted(bench.options.server_gguf)
    run_sql(f"SELECT tfm_load_model('generator', {path}, replace => true)")
    return [
        f"SELECT tfm_generate('generator', 'Item {i} of the list:', max_new_tokens => {NEW_TOKENS})"
        for i in range(TEXTS)
    ]


def ways(threads):
    """{peer: settings}"""
    return {
        "worker": ["tfm.executor=worker"],
        "sessions": ["tfm.executor=session", f"tfm.threads={threads}"],
        "sessions of 1 thread": ["tfm.executor=session", "tfm.threads=1"],
    }


def prepare(bench):
    """A worker with so many threads that is ready; Gone where there is none."""
    run_sql(f"ALTER SYSTEM SET tfm.worker_threads = {bench.options.threads}")
    run_sql("SELECT pg_reload_conf(); SELECT pg_sleep(2)")
    if run_sql("SELECT count(*) FROM tfm_stat_workers WHERE state = 'ready'") == "0":
        raise Gone("no worker is ready")


def measure(bench, what, name, scripts, length):
    turns, processors = {}, Processors()
    for peer, settings in ways(bench.options.threads).items():
        key = Key(PART, what, f"sql {name} {peer}", bench.options.threads)
        turns[key] = Turn(scripts, settings, length, processors)
    before = run_sql("SELECT calls, passes FROM tfm_stat_workers")
    bench.take_turns("calls/s", turns, bench.rounds)
    after = run_sql("SELECT calls, passes FROM tfm_stat_workers")
    calls, passes = (int(b) - int(a) for a, b in zip(before.split("|"), after.split("|")))
    for key, turn in turns.items():
        if key not in bench.results.all:
            continue
        cuts = statistics.quantiles(turn.times, n=100)
        notes = {"p50_ms": round(cuts[49], 1), "p99_ms": round(cuts[98], 1)}
        notes["processor_ms_a_call"] = round(statistics.median(turn.costs), 2)
        if key.peer.endswith("worker") and passes > 0:
            notes["calls_a_pass"] = round(calls / passes, 1)
        bench.results.all[key].notes.update(notes)


def run(bench):
    for dtype in "f32", "int8":
        session = bench.start(f"sql {dtype}", bench.sql, dtype)
        if session:
            session.close()
            prepare(bench)
            scripts = embedding_scripts(bench, dtype)
            measure(bench, f"{SESSIONS} sessions embed", dtype, scripts, EMBEDDING)
    if bench.options.server_gguf and bench.wanted("sql"):
        scripts = generation_scripts(bench)
        measure(bench, f"{SESSIONS} sessions generate", "generator", scripts, GENERATION)
