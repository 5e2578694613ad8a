"""Tables of robust aggregation, and what was aimed at there."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gossamer.bench import aggregation_grid, aggregation_memory
from gossamer.bench.aggregation_grid import BYZFL
from gossamer.bench.measured import Measured, Target, at_least, number, table

WORST = 10
SMALL = 10.0  # MB: blocks, matrices of p x p, and the 1e4 coordinates of DnC; whatever d
FLAG, SVD = "Flag, 5 iterations", "numpy Flag, 5 iterations"
Cell = dict[str, Any]


def rules(measured: Measured) -> str:
    """ms, reads of the data that fit into the time, and NumPy's time over it."""
    groups = measured.beginning("aggregation", "read")
    rows = []
    for name, rival in measured.rivals.items():
        cells = []
        for group in groups:
            if not measured.has(group, name):
                cells.append("")
                continue
            time = measured.ns(group, name)
            cell = f"{number(time / 1e6)} ({number(time / measured.ns(group, 'read'))})"
            if rival and measured.has(group, rival):
                cell += f" {times(measured.ns(group, rival) / time)}"
            cells.append(cell)
        rows.append([name, *cells])
    return table(["", *(group.removeprefix("aggregation, ") for group in groups)], rows)


def times(ratio: float) -> str:
    return f"{ratio:.2g}x" if ratio < 10 else f"{ratio:.0f}x"


def load(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text()) if file.exists() else {}


def best_of_byzfl(cell: Cell) -> float | None:
    """Time of the faster of ByzFL's paths over ours, where one was measured."""
    return min((cell[path] / cell["ours"] for path in BYZFL if path in cell), default=None)


def compared(cells: Iterable[Cell]) -> list[Cell]:
    """Return the cells in which ByzFL was measured, the worst for us first."""
    found = [cell for cell in cells if best_of_byzfl(cell)]
    return sorted(found, key=lambda cell: best_of_byzfl(cell) or 0.0)


def grid() -> str:
    run = load(aggregation_grid.OUT)
    if not run:
        return "The grid was not measured here: `python -m gossamer.bench.aggregation_grid` does it."
    cells = run["cells"].values()
    text = f"{run['date']}: processor time of {len(cells)} cells of `bench/aggregation_grid.py`, medians. "
    if not run["versions"]:
        return text + "ByzFL was not there."
    with_byzfl = compared(cells)
    slower = sum((best_of_byzfl(cell) or 0.0) < 1 for cell in with_byzfl)
    return (
        f"{text}ByzFL {run['versions']['byzfl']} with torch {run['versions']['torch']}: the better of its "
        f"NumPy and its torch path over our time; in {slower} of {len(with_byzfl)} cells it is faster.\n\n"
        f"{by_size(with_byzfl)}\n\nEmpty: it took more than {run['limit']:g} s, or more memory than there "
        "was. Its Krum counts one neighbour more, and is given f + 1; its geometric median makes three "
        "steps, ours converges. Results agree to 1e-4 (up to d = 1e6: torch's float32 norms of 1e7 "
        "numbers are off by 4e-4), but those that draw: its CAF and SMEA make one power iteration from a "
        "random vector (ours take the eigenvector), bucketing draws other groups."
        f"\n\nThe worst cells:\n\n{worst(with_byzfl[:WORST])}"
    )


def by_size(cells: list[Cell]) -> str:
    """Ratios by rule and size."""
    ratios = {(cell["rule"], cell["p"], cell["d"]): best_of_byzfl(cell) or 0.0 for cell in cells}
    sizes = sorted({(p, d) for _, p, d in ratios})
    names = dict.fromkeys(name for name in aggregation_grid.rules(15) if any(name == r for r, *_ in ratios))
    rows = (
        [name, *(times(ratios[name, *size]) if (name, *size) in ratios else "" for size in sizes)]
        for name in names
    )
    return table(["p, d", *(f"{p}, {d:.0e}".replace("e+0", "e") for p, d in sizes)], rows)


def worst(cells: list[Cell]) -> str:
    rows = []
    for cell in cells:
        ratios = (f"{cell[k] / cell['ours']:.2f}" if k in cell else "" for k in ("numpy", *BYZFL))
        rows.append([f"{cell['rule']}, {cell['p']}, {cell['d']}", number(cell["ours"] * 1e3), *ratios])
    return table(
        ("rule, p, d", "ours (ms)", "NumPy / ours", "ByzFL numpy / ours", "ByzFL torch / ours"), rows
    )


def most_memory() -> dict[str, tuple[float, str]]:
    """Largest extra memory in MB, and of which rule, by size."""
    largest: dict[str, tuple[float, str]] = {}
    for name, by_size in load(aggregation_memory.OUT).get("MB", {}).items():
        for size, megabytes in by_size.items():
            largest[size] = max(largest.get(size, (0.0, "")), (megabytes, name))
    return largest


def memory() -> str:
    largest = most_memory()
    if not largest:
        return "Peak memory was not measured here: `python -m gossamer.bench.aggregation_memory` does it."
    parts = (f"{number(mb)} MB at {size} ({name})" for size, (mb, name) in largest.items())
    return f"Peak memory beyond the rows and the result, of all rules at most: {', '.join(parts)}."


def targets(measured: Measured) -> list[Target]:
    """Of those that were measured."""
    found: list[Target] = []
    name = "15 rows, 1000000 coordinates"
    group = f"aggregation, {name}"
    if all(measured.has(group, what) for what in ("read", FLAG, SVD, f"{FLAG}, pairs")):
        flag, pairs = (measured.ns(group, what) for what in (FLAG, f"{FLAG}, pairs"))
        found.append(at_least(f"one iteration by SVD / {FLAG}, {name}", 100, measured.ns(group, SVD) / flag))
        found.append(at_most(f"{FLAG} / two reads, {name}", 2.5, flag / measured.ns(group, "read") / 2))
        found.append(at_most(f"pairs / no pairs, {FLAG}, {name}", 1.5, pairs / flag))
    syrk = "numpy Gram matrix"
    grams = {
        group.removeprefix("aggregation, "): measured.ns(group, syrk) / measured.ns(group, "Gram matrix")
        for group in measured.beginning("aggregation", "Gram matrix", syrk)
    }
    if grams:
        size = min(grams, key=lambda size: grams[size])
        found.append(at_least(f"OpenBLAS syrk / Gram matrix, at worst: {size}", 2, grams[size]))
    cells = list(load(aggregation_grid.OUT).get("cells", {}).values())
    for kind, wanted in (("coordinate", 10), ("distance", 8)):
        ratios = {
            cell["rule"]: cell["byzfl torch"] / cell["ours"]
            for cell in cells
            if cell["kind"] == kind and (cell["p"], cell["d"]) == (15, 1_000_000) and "byzfl torch" in cell
        }
        if ratios:
            rule = min(ratios, key=lambda rule: ratios[rule])
            found.append(at_least(f"ByzFL's torch / {kind} rules, {name}: {rule}", wanted, ratios[rule]))
    for cell in compared(cells)[:1]:
        size = f"{cell['rule']}, {cell['p']} rows, {cell['d']} coordinates"
        found.append(at_least(f"ByzFL's best path / ours, at worst: {size}", 1, best_of_byzfl(cell) or 0.0))
    for size, (megabytes, rule) in most_memory().items():
        found.append(at_most(f"MB beyond rows and result, {size}: {rule}", SMALL, megabytes))
    return found


def at_most(what: str, wanted: float, value: float) -> Target:
    return what, f"at most {wanted:g}", number(value), value <= wanted
