"""Robust aggregation over a grid of sizes: `python -m gossamer.bench.aggregation_grid [largest p d]`.

Each rule of `aggregation_rules` is compared with NumPy and, where `byzfl` is installed (it wants torch and
torchvision), with ByzFL, given NumPy arrays and given torch tensors. Their results are compared before they
are timed. The kernels of a cell take turns of some milliseconds; medians of the time on the processor count,
which other work on the machine inflates least. A rival that takes long runs once; one that would take more
than `LIMIT`, going by ten times fewer coordinates, is left out, and so is one that fails or wants more memory
than there is. What was measured also goes to `out/aggregation_grid.json`, where the report finds it.
"""

from __future__ import annotations

import datetime
import importlib
import itertools
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from gossamer.bench.aggregation_rules import (
    MOST_OTHERS,
    Rule,
    gradients,
    rules,
    share_of_others,
    sum_of_squares,
)
from gossamer.files import write_text

OUT = Path(__file__).parents[1] / "out" / "aggregation_grid.json"
ROWS = 15, 30, 60
DIMS = 10_000, 100_000, 1_000_000, 10_000_000
CHECKED = 1_000_000  # coordinates: norms of 1e7 float32 numbers are off by 4e-4 in torch
SECONDS = 0.05  # for each kernel of a cell
TURN = 0.005
SLOW = 0.5  # runs once
LIMIT = 5.0
BYZFL = "byzfl numpy", "byzfl torch"

Kernels = dict[str, Callable[[], Any]]


class ByzFL:
    """Calls of ByzFL's classes; some of them change what they are given, and get a copy, made untimed."""

    CHANGES = "Clipping", "ARC"

    def __init__(self) -> None:
        self._library = importlib.import_module("byzfl")
        self._torch = importlib.import_module("torch")
        self._torch.set_num_threads(1)
        self.versions = {name: version(name) for name in ("byzfl", "torch")}

    def kernels(self, rule: Rule, G: np.ndarray) -> tuple[Kernels, Kernels]:
        """Return calls by rival, and what to do before each."""
        if not rule.byzfl:
            return {}, {}
        changes = any(name in self.CHANGES for name, _ in rule.byzfl)
        given = np.empty_like(G) if changes else G
        forms: dict[str, Any] = {"byzfl numpy": given, "byzfl torch": self._torch.from_numpy(given)}
        calls: Kernels = {name: lambda form=form: self._call(rule, form) for name, form in forms.items()}
        return calls, {name: lambda: np.copyto(given, G) for name in calls if changes}

    def _call(self, rule: Rule, form: Any) -> np.ndarray:
        for name, parameters in rule.byzfl:  # anew each time: some of them remember
            form = getattr(self._library, name)(**parameters)(form)
        return np.asarray(form)


def installed_byzfl() -> ByzFL | None:
    try:
        return ByzFL()
    except ImportError as error:
        print(f"ByzFL is not measured: {error}\n")
        return None


def limit_memory() -> None:
    """Let what wants most of the free memory fail, rather than spoil what else runs."""
    pages = os.sysconf("SC_AVPHYS_PAGES") + int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (int(0.7 * pages * os.sysconf("SC_PAGE_SIZE")), -1))


def check(rule: Rule, rival: str, ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the share of the coordinates that differ; raise where there should be none."""
    share = share_of_others(ours, theirs)
    if rival.split()[0] not in rule.differs and ours.size <= CHECKED and share > MOST_OTHERS:
        raise AssertionError(f"{rule}: {rival} differs in {share:.2%} of the coordinates")
    return share


def measure(kernels: Kernels, before: Kernels, rule: Rule) -> dict[str, Any]:
    """Return median seconds by kernel, in what share rivals have "others", and why some are "left out"."""

    def timed(name: str) -> tuple[float, Any]:
        before.get(name, lambda: None)()
        start = time.process_time()
        value = kernels[name]()
        return time.process_time() - start, value

    ours = kernels["ours"]()
    found: dict[str, list[float]] = {}
    others, left_out = {}, {}
    for name in kernels:
        try:
            seconds, value = timed(name)
        except (MemoryError, RuntimeError) as error:
            if name in ("ours", "read"):
                raise
            left_out[name] = str(error).splitlines()[0]
            continue
        found[name] = [seconds]
        if name not in ("ours", "read"):
            others[name] = check(rule, name, ours, value)
        del value
    turns = [name for name in found if found[name][0] < SLOW or name == "ours"]
    for name in turns:
        found[name].clear()  # the first call was to warm up
    rounds, begin = 0, time.process_time()
    while rounds < 3 or time.process_time() - begin < SECONDS * len(turns):
        for name in turns:
            until = time.process_time() + TURN
            while True:
                found[name].append(timed(name)[0])
                if time.process_time() > until:
                    break
        rounds += 1
    medians = {name: statistics.median(seconds) for name, seconds in found.items()}
    return medians | {"others": others, "left out": left_out}


def measured(
    name: str, rule: Rule, G: np.ndarray, byzfl: ByzFL | None, smaller: dict[str, Any] | None
) -> dict[str, Any]:
    """Return one cell; rivals that were slow in the smaller one are left out."""
    theirs, before = byzfl.kernels(rule, G) if byzfl else ({}, {})
    rivals: Kernels = {"numpy": lambda: rule.numpy(G), **theirs}
    left_out = {}
    if smaller:
        for rival in rivals:
            if 10 * smaller.get(rival, LIMIT) > LIMIT:
                left_out[rival] = smaller["left out"].get(rival, f"would take more than {LIMIT:g} s")
    kernels = {key: kernel for key, kernel in rivals.items() if key not in left_out}
    kernels |= {"ours": lambda: rule.ours(G), "read": lambda: sum_of_squares(G.reshape(-1))}
    p, d = G.shape
    cell = measure(kernels, before, rule)
    cell["left out"] |= left_out
    return cell | {"rule": name, "p": p, "d": d, "kind": rule.kind, "differs": rule.differs}


def ratio(cell: dict[str, Any], rival: str) -> str:
    if rival in cell:
        return f"{cell[rival] / cell['ours']:.2f}"
    return "-" if rival in cell["left out"] else ""


def main(largest_p: int = ROWS[-1], largest_d: int = DIMS[-1]) -> None:
    byzfl = installed_byzfl()
    limit_memory()
    titles = "ours (ms)", "reads", "NumPy / ours", "ByzFL numpy / ours", "ByzFL torch / ours"
    print(f"| rule, p, d | {' | '.join(titles)} |\n| --- |{' ---: |' * len(titles)}")
    OUT.parent.mkdir(exist_ok=True)
    versions = byzfl.versions if byzfl else {}
    found = {"date": datetime.date.today().isoformat(), "versions": versions, "limit": LIMIT}
    cells: dict[str, Any] = {}
    smaller: dict[tuple[str, int], dict[str, Any]] = {}  # the cell of a tenth of the coordinates
    for d, p in itertools.product(DIMS, ROWS):
        if p > largest_p or d > largest_d:
            continue
        G = gradients(p, d)
        for name, rule in rules(p).items():
            cell = measured(name, rule, G, byzfl, smaller.get((name, p)))
            ours = f"{cell['ours'] * 1e3:.4g} | {cell['ours'] / cell['read']:.1f}"
            ratios = " | ".join(ratio(cell, rival) for rival in ("numpy", *BYZFL))
            print(f"| {name}, {p}, {d} | {ours} | {ratios} |", flush=True)
            cells[f"{name}, {p} rows, {d} coordinates"] = smaller[name, p] = cell
        del G
        gradients.cache_clear()
        # what follows takes longer and longer
        write_text(OUT, json.dumps(found | {"cells": cells}, indent=1))


if __name__ == "__main__":
    with threadpool_limits(1):
        main(*(int(float(argument)) for argument in sys.argv[1:]))
