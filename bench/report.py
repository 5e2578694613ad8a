"""The performance table: `python -m gossamer.bench.report out/benchmark.json` prints and writes RESULTS.md.

All times are of the fastest round: other work on a machine only ever adds to it. "spread" is the median round
over the fastest, of the compiled loop: far above 1, the machine was busy and the row is to be taken lightly.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numba
import numpy as np

from gossamer.bench import default_steps, floors, report_aggregation, report_rates, report_rounds
from gossamer.bench.many_events import OUT
from gossamer.bench.measured import Measured, Target, number, table
from gossamer.bench.setups import Setup
from gossamer.files import write_text

RESULTS = Path(__file__).parent / "RESULTS.md"


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


def startup(measured: Measured) -> str:
    names = "numpy_and_numba", "gossamer", "rooms", "first_solve", "second_solve"
    head = "cache", "import numpy, numba", "import gossamer", "its rooms", "first solve", "second solve"
    return table(
        head,
        ([cache, *(f"{seconds[name]:.3f}" for name in names)] for cache, seconds in measured.startup.items()),
    )


def dadao_targets(measured: Measured) -> list[Target]:
    """Of those that were measured."""
    found: list[Target] = []
    half, large = Setup(100, 50, gradients=0.5).name, Setup(1000, 1000).name
    small, wide = (Setup(n, 10).name for n in (100, 100_000))
    if measured.has(half, "numpy"):
        ratio = measured.ns(half, "numpy") / measured.ns(half, "compiled")
        found.append((f"NumPy loop / compiled, {half}", "at least 50", f"{ratio:.0f}", ratio >= 50))
    if measured.has(large, "compiled"):
        copy, update = (measured.floor(large, w) / measured.ns(large, "compiled") for w in ("copy", "update"))
        found.append((f"share of the copy floor, {large}", "at least 0.5", f"{copy:.2f}", copy >= 0.5))
        found.append((f"share of the update floor, {large}", "-", f"{update:.2f}", None))
    if measured.has(small, "compiled") and measured.has(wide, "compiled"):
        grown, floor = (measured.ns(wide, w) / measured.ns(small, w) for w in ("compiled", "update"))
        cell = f"{grown:.1f}; update floor {floor:.1f}"
        found.append(("cost at n = 1e5 over n = 100, d = 10", "cache effects", cell, None))
    return found


def startup_targets(measured: Measured) -> list[Target]:
    """Of those that were measured."""
    found: list[Target] = []
    for cache, limit in (("warm", 1.5), ("empty", 15)):
        if cache in measured.startup:
            first = measured.startup[cache]["first_solve"]
            found.append((f"first solve, {cache} cache", f"{limit:g} s", f"{first:.2f} s", first < limit))
    if "warm" in measured.startup:
        imports = measured.startup["warm"]["gossamer"] + measured.startup["warm"]["rooms"]
        found.append(("imports beyond numpy and numba", "0.3 s", f"{imports:.2f} s", imports <= 0.3))
    return found


def targets(measured: Measured) -> str:
    """Measurements next to what was aimed at."""
    marks = {True: "met", False: "missed", None: ""}
    found = [*dadao_targets(measured), *report_rounds.targets(measured)]
    found += [*report_aggregation.targets(measured), *startup_targets(measured), *default_steps.targets()]
    return table(("", "target", "measured", ""), ((*row[:3], marks[row[3]]) for row in found))


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

## Gossip

{report_rounds.mixing(measured)}

ns a number of X, of one product; equal weights on a ring, a torus and a random 8-regular graph
(`bench/test_gossip.py`). SciPy makes a new array, for it has no other way; BLAS has the dense matrix. The
copy floor reads and writes X once.

{report_rounds.pairs(measured)}

ns a pair: `pairwise_average` over as many random edges as nodes. The update floor changes as many rows in
place, walking through X; the rows' floor the same rows in the same order.

{report_rounds.grid()}

## Compression

{report_rounds.top_k(measured)}

us, Gaussian float32 (`bench/test_compression.py`). "partition": np.partition for the threshold, and
np.flatnonzero. The read floor sums the squares; in brackets how many of it Top-k takes. "of zeros": Top-k
where all entries are equal.

{report_rounds.random_masks(measured)}

us. `compress` is what users call: it reads the values as well, which Generator.choice does not.

{report_rounds.beyond_kernels(measured)}

us, medians of turns, 10,000 of 1,000,000 Gaussian coordinates. The kernel is the compiled choice of the
coordinates and reading of their values, into new arrays.

## Rounds of gossip methods

{report_rounds.rounds(measured, "rounds")}

us a round, on a random 8-regular graph (`bench/test_rounds.py`). Averaging has the gradient x - v_i; least
squares has 10 samples a node. NumPy has the dense W. The copy floor moves what a round has to read and write.

{report_rounds.rounds(measured, "CHOCO-Gossip")}

us a round, on a random 8-regular graph (`bench/test_choco.py`). The NumPy rounds take argpartition,
Generator.choice and uniform numbers as compressors, and the dense W.

## Default steps

{default_steps.section()}

Rounds until sqrt(mean |x_i - x*|^2) is 1e-8 of that of x = 0 on `Quadratic.random`, medians over
{len(default_steps.SEEDS)} seeds, and certified rates (`bench/default_steps.py`). Before: the steps of the
methods' own theorems; SVL is compared with NIDS.

## Rounds over a server

{report_rounds.rounds(measured, "server")}

us a round of 10 workers with the gradients x - v_i (`bench/test_server_methods.py`). The NumPy rounds are
`kernels/rounds/reference_server.py` with argpartition and Generator.choice.

## Variational inequalities

{report_rounds.masha(measured)}

us a round of 10 workers with the operators z - v_i (`bench/test_masha.py`). The NumPy rounds are
`kernels/rounds/reference_saddle.py` with argpartition and Generator.choice. The operator pass evaluates the
operators of all workers once.

{report_rounds.bits(measured)}

To a relative error of 1e-6 on `problems.BilinearSaddle.random(10, 50)`, with the best step of a grid; medians
over 8 seeds where a method draws.

## Robust aggregation

float32, about p/4 faulty rows. ms; in brackets how many reads of the data take as long; NumPy's time over it.

{report_aggregation.rules(measured)}

NumPy: `bench/numpy_aggregation.py`, with BLAS's syrk for the Gram matrix, three steps of the geometric median
(which here converges), and one step of Flag by singular vectors, without pairs.

{report_aggregation.grid()}

{report_aggregation.memory()}

## Gossip rates

{report_rates.section()}

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
    write_text(RESULTS, text)
    print(text)
