"""Memory of 1 and 8 sessions that have each embedded texts of all lengths: PSS, and what it is made of."""

import pathlib
import re

from bench import COMPUTED
from programs import Gone, run_sql
from results import Key

PART = "memory"
SESSIONS = 8
MB = 1e6
MAPPING = re.compile(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+\s*(.*)")


def kind_of(path):
    if path.endswith(".tfm"):
        return "image"
    if path.startswith(("/dev/zero", "/SYSV", "/dev/shm", "/memfd", "/anon_hugepage")):
        return "shared buffers"
    if path.startswith("/"):
        return "files"
    return "anonymous"


def memory_of(pid):
    """{kind: PSS in bytes} of a process: a page that n processes map counts 1/n for each."""
    sums = dict.fromkeys(["image", "anonymous", "shared buffers", "files"], 0)
    kind = None
    try:
        lines = pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines()
    except OSError as error:
        raise Gone(f"its memory cannot be read: {error}") from error
    for line in lines:
        mapping = MAPPING.match(line)
        if mapping:
            kind = kind_of(mapping[1])
        elif line.startswith("Pss:"):
            sums[kind] += 1024 * int(line.split()[1])
    return sums


def sums_of(sessions):
    of_each = [memory_of(session.pid) for session in sessions]
    return {kind: sum(its[kind] for its in of_each) for kind in of_each[0]}


def named(count):
    return f"{count} session" + ("s" if count > 1 else "")


def in_mb(sums):
    return {name.replace(" ", "_"): round(value / MB, 1) for name, value in sums.items()}


def measure(bench, what, peer, sessions, **notes):
    sums = sums_of(sessions)
    total = sum(sums.values()) / MB
    key = Key(PART, what, peer, bench.options.threads)
    bench.results.add(key, "MB PSS", total, **in_mb(sums), **notes)
    return key, total


def measure_sql(bench, dtype):
    queries = [
        f"SELECT count(tfm_embed('{dtype}', body)) FROM docs WHERE kind = '{kind}'"
        for kind in bench.kinds
    ]
    sessions = []
    image = int(run_sql(f"SELECT image_bytes FROM tfm_models WHERE name = '{dtype}'")) / MB
    for count in 1, SESSIONS:
        while len(sessions) < count:
            session = bench.sql(dtype)
            sessions.append(session)
            for query in queries:
                session.ask(query)
        key, total = measure(
            bench, named(count), f"sql {dtype}", sessions, image_size=round(image, 1)
        )
        each = round((total - image) / count, 1)
        bench.results.all[key].notes["each_without_image"] = each
    for session in sessions:
        session.close()


def measure_python(bench):
    session = bench.python()
    for kind in bench.kinds:
        session.ask(
            f"SELECT count(python_embed(body, {bench.options.threads})) FROM docs"
            f" WHERE kind = '{kind}' AND id < 8"
        )
    measure(bench, named(1), "pl/python", [session])
    session.close()


def run(bench):
    bench.fill_tables()
    for dtype in COMPUTED:
        started = bench.start(f"sql {dtype}", bench.sql, dtype)
        if started:
            started.close()
            bench.start(f"sql {dtype}", measure_sql, bench, dtype)
    bench.start("pl/python", measure_python, bench)
