"""Peak memory of each rule of aggregation: `python -m gossamer.bench.aggregation_memory` prints a table.

MB of resident memory beyond the rows and the result, at the peak of one call, in a process of its own; the
call is the second, so that code is there. Linux only. It also goes to `out/aggregation_memory.json`.
"""

from __future__ import annotations

import ctypes
import datetime
import json
import subprocess
import sys
from pathlib import Path

from gossamer.bench.aggregation_rules import gradients, rules
from gossamer.bench.measured import table

OUT = Path(__file__).parents[1] / "out" / "aggregation_memory.json"
SIZES = (15, 10_000_000), (60, 1_000_000)
WARM_UP = 1000


def resident(name: str) -> float:
    """Return a field of /proc/self/status in MB."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields[name].split()[0]) * 1024 / 1e6


def extra(name: str, p: int, d: int) -> float:
    """Return MB that a rule needs in this process beyond rows and result."""
    rule = rules(p)[name].ours
    rule(gradients(p, WARM_UP))
    ctypes.CDLL(None).malloc_trim(0)  # nothing that it used is to lie ready
    G = gradients(p, d)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is from now on
    before = resident("VmRSS")
    result = rule(G)
    return resident("VmHWM") - before - result.nbytes / 1e6


def main() -> None:
    measured: dict[str, dict[str, float]] = {}
    for p, d in SIZES:
        for name in rules(p):
            command = [sys.executable, "-m", "gossamer.bench.aggregation_memory", name, str(p), str(d)]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            measured.setdefault(name, {})[f"{p} rows, {d} coordinates"] = float(output)
    sizes = [f"{p} rows, {d} coordinates" for p, d in SIZES]
    rows = (
        [name, *(f"{of[size]:.1f}" if size in of else "" for size in sizes)] for name, of in measured.items()
    )
    print(table(["MB", *sizes], rows))
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps({"date": datetime.date.today().isoformat(), "MB": measured}, indent=1))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(extra(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
    else:
        main()
