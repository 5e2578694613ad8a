"""The performance table: `python -m gossamer.bench.report out/benchmark.json` prints and writes RESULTS.md.

All times are of the fastest round: other work on a machine only ever adds to it. "spread" is the median round
over the fastest, of the compiled loop: far above 1, the machine was busy and the row is to be taken lightly.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numba
import numpy as np

from gossamer.bench import floors
from gossamer.bench.many_events import OUT
from gossamer.bench.setups import Setup

RESULTS = Path(__file__).parent / "RESULTS.md"


class Measured:
    """The fastest rounds of a pytest-benchmark file, in ns an event, by group and member."""

    def __init__(self, file: Path):
        content = json.loads(file.read_text())
        self.machine = content["machine_info"]
        self.commit = content["commit_info"]
        self.date = content["datetime"][:10]
        self.peak_flops = 0.0
        self.startup: dict[str, dict[str, float]] = {}
        self.setups: dict[str, Setup] = {}
        self.rivals: dict[str, str | None] = {}
        self._fastest: dict[tuple[str, str], list[float]] = {}
        self._median: dict[tuple[str, str], list[float]] = {}
        for benchmark in content["benchmarks"]:
            info = benchmark["extra_info"]
            if info["what"] == "startup":
                self.startup[info["cache"]] = info["seconds"]
                continue
            key = benchmark["group"], info["what"]
            scale = 1e9 / info["events"]
            self._fastest.setdefault(key, []).append(benchmark["stats"]["min"] * scale)
            self._median.setdefault(key, []).append(benchmark["stats"]["median"] * scale)
            if "setup" in info:
                self.setups[benchmark["group"]] = Setup(**info["setup"])
            self.rivals.update(info.get("rivals", {}))
            self.peak_flops = max(self.peak_flops, info.get("peak_flops", 0.0))

    @property
    def groups(self) -> list[str]:
        return list(dict.fromkeys(group for group, _ in self._fastest))

    def has(self, group: str, what: str) -> bool:
        return (group, what) in self._fastest

    def ns(self, group: str, what: str) -> float:
        return min(self._fastest[group, what])

    def floor(self, group: str, what: str) -> float:
        """Bytes or flops, whichever takes longer."""
        return max(self.ns(group, what), self.setups[group].cost.flops / self.peak_flops * 1e9)

    def spread(self, group: str) -> float:
        return statistics.median(self._median[group, "compiled"]) / self.ns(group, "compiled")


def table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    lines = [list(head), *([str(cell) for cell in row] for row in rows)]
    lines.insert(1, ["---", *["---:"] * (len(lines[0]) - 1)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def number(value: float) -> str:
    """Three digits, no exponent."""
    return np.format_float_positional(value, precision=3, unique=False, fractional=False, trim="-")


def loops(measured: Measured) -> str:
    rows = []
    for group in measured.groups:
        if group not in measured.setups or not measured.has(group, "numpy"):
            continue
        compiled, rival = measured.ns(group, "compiled"), measured.ns(group, "numpy")
        copy, update = (measured.floor(group, what) for what in ("copy", "update"))
        times = (number(value) for value in (compiled, rival))
        ends = f"{number(copy)} ({copy / compiled:.2f})", f"{number(update)} ({update / compiled:.2f})"
        rows.append([group, *times, f"{rival / compiled:.0f}x", *ends, f"{measured.spread(group):.2f}"])
    head = "(n, d, m) and events", "compiled", "NumPy loop", "ratio", "copy floor", "update floor", "spread"
    return table(head, rows)


def growth(measured: Measured) -> str:
    rows = []
    for group in measured.groups:
        if group not in measured.setups or measured.has(group, "numpy"):
            continue
        compiled, update = measured.ns(group, "compiled"), measured.floor(group, "update")
        setup = measured.setups[group]
        size = f"{setup.working_set * floors.BYTES / 1e6:.3g} MB"
        numbers = number(compiled), number(update), f"{measured.spread(group):.2f}"
        rows.append([f"{setup.n_nodes}", size, *numbers])
    return table(("n", "state", "compiled", "update floor", "spread"), rows)


def draws(measured: Measured) -> str:
    rows = []
    for group in measured.groups:
        if not measured.has(group, "arrays"):
            continue
        values = [measured.ns(group, what) for what in ("compiled", "numpy", "arrays", "copy")]
        ratios = f"{values[1] / values[0]:.1f}x", f"{values[2] / values[0]:.1f}x"
        rows.append(
            [group, *map(number, values[:3]), *ratios, number(values[3]), f"{measured.spread(group):.2f}"]
        )
    head = "", "compiled", "NumPy loop", "NumPy arrays", "loop ratio", "arrays ratio", "copy floor", "spread"
    return table(head, rows)


def gradients(measured: Measured) -> str:
    rows = []
    for group in measured.groups:
        if not measured.has(group, "gemv"):
            continue
        fused, gemv = (measured.ns(group, what) for what in ("compiled", "gemv"))
        rows.append(
            [group, number(fused), number(gemv), f"{gemv / fused:.2f}x", f"{measured.spread(group):.2f}"]
        )
    return table(("", "fused rows", "BLAS gemv", "ratio", "spread"), rows)


def aggregation(measured: Measured) -> str:
    """Rules of robust aggregation: ms, reads of the data that fit into the time, and NumPy's time over it."""
    groups = [group for group in measured.groups if group.startswith("aggregation")]
    names = ["gram", *measured.rivals]
    rows = []
    for name in names:
        cells = []
        for group in groups:
            rival = "syrk" if name == "gram" else measured.rivals[name]
            time = measured.ns(group, name)
            cell = f"{number(time / 1e6)} ({number(time / measured.ns(group, 'read'))})"
            if rival and measured.has(group, rival):
                cell += f" {measured.ns(group, rival) / time:.0f}x"
            cells.append(cell)
        rows.append([name, *cells])
    return table(["", *(group.removeprefix("aggregation, ") for group in groups)], rows)


def startup(measured: Measured) -> str:
    names = "numpy_and_numba", "gossamer", "rooms", "first_solve", "second_solve"
    head = "cache", "import numpy, numba", "import gossamer", "its rooms", "first solve", "second solve"
    return table(
        head,
        ([cache, *(f"{seconds[name]:.3f}" for name in names)] for cache, seconds in measured.startup.items()),
    )


def targets(measured: Measured) -> str:
    """Measurements next to what was aimed at."""
    half, large = Setup(100, 50, gradients=0.5).name, Setup(1000, 1000).name
    ratio = measured.ns(half, "numpy") / measured.ns(half, "compiled")
    shares = [measured.floor(large, what) / measured.ns(large, "compiled") for what in ("copy", "update")]
    small, wide = (Setup(n, 10).name for n in (100, 100_000))
    grown = [measured.ns(wide, what) / measured.ns(small, what) for what in ("compiled", "update")]
    warm, empty = measured.startup["warm"], measured.startup["empty"]
    imports = warm["gossamer"] + warm["rooms"]
    rows = [
        (f"NumPy loop / compiled, {half}", "at least 50", f"{ratio:.0f}", ratio >= 50),
        (f"share of the copy floor, {large}", "at least 0.5", f"{shares[0]:.2f}", shares[0] >= 0.5),
        (f"share of the update floor, {large}", "-", f"{shares[1]:.2f}", None),
        (
            "cost at n = 1e5 over n = 100, d = 10",
            "cache effects",
            f"{grown[0]:.1f}; update floor {grown[1]:.1f}",
            None,
        ),
        ("first solve, warm cache", "1.5 s", f"{warm['first_solve']:.2f} s", warm["first_solve"] < 1.5),
        ("first solve, empty cache", "15 s", f"{empty['first_solve']:.1f} s", empty["first_solve"] < 15),
        ("imports beyond numpy and numba", "0.3 s", f"{imports:.2f} s", imports <= 0.3),
    ]
    marks = {True: "met", False: "missed", None: ""}
    return table(("", "target", "measured", ""), ((*row[:3], marks[row[3]]) for row in rows))


def many_events() -> str:
    if not OUT.exists():
        return "Not measured on this machine: `python -m gossamer.bench.many_events` does it."
    run = json.loads(OUT.read_text())
    return (
        f"{run['date']}: {run['events']:.3g} events (n = {run['n_nodes']}, d = 1) in {run['seconds']:.1f} s, "
        f"{run['seconds'] / run['events'] * 1e9:.0f} ns each, drawing included. Peak memory "
        f"{run['peak_memory_after_few']:.1f} MB after the first {run['few_events']:.3g}, "
        f"{run['peak_memory']:.1f} MB after all of them."
    )


def conditions(measured: Measured) -> str:
    cpu = measured.machine["cpu"]
    changes = " with changes" if measured.commit["dirty"] else ""
    return (
        f"Made by `make bench` on {measured.date} at commit {measured.commit['id'][:7]}{changes}:\n"
        f"{cpu.get('brand_raw', 'unknown CPU')}, {cpu.get('count', '?')} cores, "
        f"Python {measured.machine['python_version']}, NumPy {np.__version__}, Numba {numba.__version__}; "
        f"load average at the end {os.getloadavg()[0]:.1f}.\n"
    )


def report(measured: Measured) -> str:
    return f"""# Benchmarks

{conditions(measured)}One thread, float64. ns an event, of the fastest round; in brackets the floor's share
of the compiled time. "spread": median round over the fastest.

## DADAO's loop

{loops(measured)}

The NumPy loop is the same algorithm, event by event, in array operations (`kernels/events/reference.py`). The
copy floor is the time to copy the bytes that an event reads and writes, the update floor to change them in
place (`bench/floors.py`), or to do the flops, at {measured.peak_flops / 1e9:.0f} a ns, where that is longer.

## Cost against the number of nodes

Communications, d = 10.

{growth(measured)}

## Drawing events

{draws(measured)}

## Gradients

{gradients(measured)}

Of least squares; both in a compiled loop over the nodes (`bench/test_oracles.py`).

## Robust aggregation

float32, p/4 faulty rows. ms; in brackets how many reads of the data take as long; NumPy's time over it.

{aggregation(measured)}

NumPy: `bench/numpy_aggregation.py`, with BLAS's syrk for the Gram matrix, three steps of the geometric median
(which here converges), and one step of Flag by singular vectors.

## New process

Seconds, medians.

{startup(measured)}

## Many events

{many_events()}

## Targets

{targets(measured)}
"""


if __name__ == "__main__":
    text = report(Measured(Path(sys.argv[1])))
    RESULTS.write_text(text)
    print(text)
