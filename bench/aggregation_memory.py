"""Peak memory of each rule of aggregation: `python -m gossamer.bench.aggregation_memory` prints a table.

MB of resident memory beyond the rows and the result at the peak of one call, in a process of its own, which
has the rows from its parent. Linux only. It also goes to `out/aggregation_memory.json`.
"""

from __future__ import annotations

import ctypes
import datetime
import json
import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from gossamer.bench.aggregation_rules import gradients, rules
from gossamer.bench.measured import table
from gossamer.files import write_text

OUT = Path(__file__).parents[1] / "out" / "aggregation_memory.json"
SIZES = (15, 10_000_000), (60, 1_000_000)
SMALL = 1000  # coordinates of the first call


def resident(name: str) -> float:
    """Return a field of /proc/self/status in MB."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields[name].split()[0]) * 1024 / 1e6


def send_extra(name: str, G: np.ndarray, end: Connection) -> None:
    """Send what the rule needs in this process beyond the rows and the result."""
    rule = rules(len(G))[name].ours
    rule(G[:, :SMALL])  # loads the code
    ctypes.CDLL(None).malloc_trim(0)  # nothing that it used is to lie ready
    Path("/proc/self/clear_refs").write_text("5")  # the peak is from now on
    before = resident("VmRSS")
    result = rule(G)
    end.send(resident("VmHWM") - before - result.nbytes / 1e6)


def extra(name: str, G: np.ndarray) -> float:
    """Return MB that a rule needs beyond rows and result."""
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe(duplex=False)
    child = fork.Process(target=send_extra, args=(name, G, there))
    child.start()
    there.close()
    try:
        return here.recv()
    finally:
        child.join()


def main() -> None:
    measured: dict[str, dict[str, float]] = {}
    for p, d in SIZES:
        G = gradients(p, d)
        for name in rules(p):
            measured.setdefault(name, {})[f"{p} rows, {d} coordinates"] = extra(name, G)
    sizes = [f"{p} rows, {d} coordinates" for p, d in SIZES]
    rows = (
        [name, *(f"{of[size]:.2f}" if size in of else "" for size in sizes)] for name, of in measured.items()
    )
    print(table(["MB", *sizes], rows))
    OUT.parent.mkdir(exist_ok=True)
    write_text(OUT, json.dumps({"date": datetime.date.today().isoformat(), "MB": measured}, indent=1))


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
