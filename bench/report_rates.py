"""Tables of gossip rates: rivals, growth, large graphs, real networks."""

from __future__ import annotations

import json
import statistics
from typing import Any

import numpy as np

from gossamer.bench import networks
from gossamer.bench.measured import number, table
from gossamer.bench.rates import GENERIC, LARGE, OUT, SMALL

Rows = list[dict[str, Any]]

NAMES = {"CLARABEL": "cvxpy + Clarabel", "SCS": "cvxpy + SCS", "sdp": "sdp (flows, Clarabel)"}


def cell(row: dict[str, Any]) -> str:
    """Seconds, with the gap where it is not the one asked for."""
    if "error" in row:
        return row["error"]
    missed = f" ({row['gap']:.0e})" if row["gap"] > row["tol"] else ""
    return number(row["seconds"]) + missed


def slope(rows: Rows) -> str:
    """Of the last three times in log-log."""
    times = [(row["n_nodes"], row["seconds"]) for row in rows if row.get("gap", 1.0) <= row["tol"]][-3:]
    if len(times) < 3:
        return ""
    nodes, seconds = np.log(times).T
    return f"{np.polyfit(nodes, seconds, 1)[0]:.1f}"


def by_size(rows: Rows, sizes: tuple[int, ...]) -> str:
    """One line for each family and method, one column for each size."""
    lines: dict[tuple[str, ...], Rows] = {}
    for row in rows:
        lines.setdefault((row["family"], row["criterion"], row["method"], f"{row['tol']:g}"), []).append(row)
    cells = []
    for (family, criterion, method, tol), line in lines.items():
        at = {row["n_nodes"]: cell(row) for row in line}
        memory = max(row.get("megabytes", 0.0) for row in line)
        what = f"{family}: {criterion.replace('_', ' ')}, {NAMES.get(method, method)}, {tol}"
        cells.append([what, *(at.get(n, "") for n in sizes), slope(line), f"{memory:.0f}"])
    return table(("", *map(str, sizes), "slope", "MB"), cells)


def speedups(rows: Rows) -> str:
    """The best rival's time over our best, by size: the median of the families where both reach the gap."""
    parts = []
    for n in SMALL:
        ratios = []
        for family in dict.fromkeys(row["family"] for row in rows):
            at = [
                r
                for r in rows
                if (r["family"], r["n_nodes"]) == (family, n) and r.get("gap", 1.0) <= r["tol"]
            ]
            ours = [row["seconds"] for row in at if row["method"] not in GENERIC]
            theirs = [row["seconds"] for row in at if row["method"] in GENERIC]
            if ours and theirs:
                ratios.append(min(theirs) / min(ours))
        if ratios:
            parts.append(f"{statistics.median(ratios):.0f}x at {n} nodes ({len(ratios)} families)")
    return ", ".join(parts)


def targets(rows: Rows) -> str:
    cells = []
    for row in rows:
        what = f"{row['family']}, {row['n_nodes']} nodes: {row['criterion'].replace('_', ' ')}"
        if "error" in row:
            cells.append([what, f"{row['tol']:.0e}", row["error"], "", "", "missed"])
            continue
        mark = "met" if row["gap"] <= row["tol"] else "missed"
        numbers = f"{row['tol']:.0e}", f"{row['gap']:.1e}", f"{row['seconds']:.0f}", f"{row['megabytes']:.0f}"
        cells.append([what, *numbers, mark])
    return table(("", "gap wanted", "gap proven", "seconds", "MB", ""), cells)


def real_networks() -> str:
    rows = networks.read()
    families: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        families.setdefault(row["network"].split("/")[0], []).append(row)
    cells = []
    for family, members in sorted(families.items()):
        saved = np.array([float(row["saved"]) for row in members])
        gaps = max(float(row["gap"]) for row in members)
        seconds = max(float(row["seconds"]) for row in members)
        nodes = max(int(row["n_nodes"]) for row in members)
        certified = sum(row["status"] == "certified" for row in members)
        shares = (f"{100 * np.quantile(saved, q):.0f} %" for q in (0.25, 0.5, 0.75, 1.0))
        cells.append([family, len(members), nodes, certified, *shares, f"{gaps:.0e}", number(seconds)])
    head = "networks", "number", "largest", "certified", "quartile", "median", "quartile", "most"
    return table((*head, "largest gap", "longest time"), cells)


def section() -> str:
    """The part of the report."""
    measured = json.loads(OUT.read_text()) if OUT.exists() else {}
    parts = []
    for name, render in _PARTS.items():
        if name in measured:
            parts.append(render(measured[name]["rows"], measured[name]["date"]))
        else:
            parts.append(f"Not measured on this machine: `python -m gossamer.bench.rates {name}` does it.")
    parts.append(f"""Communications saved by optimal rates over uniform ones on the connected networks of
topohub with at most {networks.LARGEST} nodes (`bench/networks.csv`, `docs/savings.png`), times in seconds:

{real_networks()}""")
    return "\n\n".join(parts)


def _rivals(rows: Rows, date: str) -> str:
    return f"""{date}. Processor seconds to a certified 1e-6 for the fewest communications, each case in a
process of its own (`bench/rates.py`); in brackets the gap where that was not reached. cvxpy solves the
textbook semidefinite form, and what it returns is held to the same recomputed certificate. slope: of the last
three times, log-log; MB: the largest process.

{by_size(rows, SMALL)}

The better rival's time over the better of ours, where both reach the gap: {speedups(rows)}."""


def _growth(rows: Rows, date: str) -> str:
    return f"""{date}. The same for growing graphs; a method leaves a family after a graph that takes long, or
where it misses the gap.

{by_size(rows, LARGE)}"""


def _targets(rows: Rows, date: str) -> str:
    return f"""{date}. Large graphs with `method="auto"`, processor seconds:

{targets(rows)}"""


def _mixing(rows: Rows, date: str) -> str:
    return f"""{date}. Fastest mixing matrices, processor seconds:

{targets(rows)}"""


_PARTS = {"rivals": _rivals, "growth": _growth, "targets": _targets, "mixing": _mixing}
