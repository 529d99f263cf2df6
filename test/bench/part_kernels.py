"""Speed of the kernels beside the peak of the unit that they run on; see kernels.c."""

import json
import subprocess

from results import Key

PART = "kernels"


def run(bench):
    if not bench.wanted("engine"):
        return
    try:
        done = subprocess.run([bench.options.kernels, "json"], capture_output=True, text=True)
    except OSError as error:
        return bench.skip("engine kernels", error)
    if done.returncode != 0:
        return bench.skip("engine kernels", done.stderr.strip() or "failed")
    for line in map(json.loads, done.stdout.splitlines()):
        key = Key(PART, line["what"], f"engine {line['isa']} {line['dtype']}", 1)
        notes = {name: line[name] for name in ("of_peak", "peak") if name in line}
        for rate in line["rates"]:
            bench.results.add(key, line["unit"], rate, **notes)
