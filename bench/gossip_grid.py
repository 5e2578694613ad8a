"""Mixing over a grid of sizes: `python -m gossamer.bench.gossip_grid [largest n d]` prints a table.

The seconds also go to `out/gossip_grid.json`, where the report finds them.

Each cell compares `gossip.mix` (of a Mixer, into an array that is there, as a solver calls it) with SciPy's
CSR product, BLAS where the dense matrix is small, and the floor: a copy of X, which reads n d numbers and
writes as many. SciPy and BLAS get what suits them: SciPy has no way to write into an array, BLAS has. The
kernels take turns, and the fastest round of each counts.

Pairs are `gossip.pairwise_average` over random edges of the same graph, as many as nodes. Their floor changes
as many rows of X in place, walking through it; the rows' floor changes the same rows in the same order, one
by one, where memory is slower.
"""

from __future__ import annotations

import datetime
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from scipy import sparse
from threadpoolctl import threadpool_limits

from gossamer.bench import floors
from gossamer.files import write_text
from gossamer.kernels import gossip

OUT = Path(__file__).parents[1] / "out" / "gossip_grid.json"
GRAPHS = ("ring", "torus", "8-regular")
NODES = (100, 1000, 10_000, 100_000)
DIMS = (10, 50, 100, 1000, 10_000)
LARGEST = 10**8  # numbers in X
DENSE_NODES = 1000
SECONDS = 1.0  # for each kernel of a cell


def matrix(kind: str, n_nodes: int) -> sparse.csr_array:
    """Mixing matrix with equal weights; the torus is square, and the 8-regular graph has random edges."""
    nodes = np.arange(n_nodes)
    if kind == "ring":
        neighbours = [nodes - 1, nodes + 1]
    elif kind == "torus":
        side = round(n_nodes**0.5)
        nodes = np.arange(side * side)
        row, column = np.divmod(nodes, side)
        neighbours = [
            (row + r) % side * side + (column + c) % side for r, c in ((-1, 0), (0, -1), (0, 1), (1, 0))
        ]
    else:
        rng = np.random.default_rng(0)
        neighbours = []
        for _ in range(4):  # a random ring; where two of them share an edge, it counts twice
            order = rng.permutation(n_nodes)
            after = np.empty_like(order)
            after[order] = np.roll(order, -1)
            neighbours += [after, np.argsort(after)]
    n, ends = len(nodes), [nodes, *neighbours]
    columns = np.concatenate(ends) % n
    shape, values = (n, n), np.full(len(columns), 1 / len(ends))
    return sparse.csr_array(sparse.coo_array((values, (np.tile(nodes, len(ends)), columns)), shape=shape))


def edges(W: sparse.csr_array, count: int) -> np.ndarray:
    """Random edges of the graph of W."""
    upper: Any = sparse.triu(W, 1).tocoo()
    chosen = np.random.default_rng(1).integers(upper.nnz, size=count)
    return np.column_stack([upper.row[chosen], upper.col[chosen]]).astype(np.int32)


def mixers(W: sparse.csr_array, X: np.ndarray) -> dict[str, Callable[[], Any]]:
    """What is compared: each kernel mixes X once."""
    mixer, out, copied = gossip.Mixer(W), np.empty_like(X), np.empty_like(X)
    source, target = X.ravel(), copied.ravel()
    kernels: dict[str, Callable[[], Any]] = {
        "mix": lambda: gossip.mix(mixer, X, out=out),
        "scipy": lambda: W @ X,
        "copy": lambda: floors.copy(source, target, X.size),
    }
    if mixer.n_nodes <= DENSE_NODES:
        dense = W.toarray()
        kernels["blas"] = lambda: np.matmul(dense, X, out=out)
    return kernels


@njit(cache=True, nogil=True)
def update_rows(X, order, factor):
    """Multiply rows of X in place."""
    for i in order:
        row = X[i]
        for c in range(row.shape[0]):
            row[c] *= factor


def averagers(W: sparse.csr_array, X: np.ndarray) -> dict[str, Callable[[], Any]]:
    """Pairwise averages over as many random edges as there are nodes, and their floors."""
    pairs, rows = edges(W, len(X)), X.copy()
    order, others = pairs.ravel(), X.copy()
    mover = floors.Mover(floors.Cost(updated=2 * X.size, read=0, flops=0), X.size)
    return {
        "average": lambda: gossip.pairwise_average(rows, pairs),
        "update": mover.update,
        "rows": lambda: update_rows(others, order, 1.0),
    }


def fastest(kernels: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Seconds of the fastest round of each, in turns."""
    for kernel in kernels.values():
        kernel()
    times = dict.fromkeys(kernels, np.inf)
    begin, rounds = time.perf_counter(), 0
    while rounds < 3 or (time.perf_counter() - begin < SECONDS * len(kernels) and rounds < 1000):
        for name, kernel in kernels.items():
            start = time.perf_counter()
            kernel()
            times[name] = min(times[name], time.perf_counter() - start)
        rounds += 1
    return times


def cells(largest_n: int, largest_d: int) -> Iterator[tuple[str, int, int]]:
    for kind in GRAPHS:
        for n in NODES:
            for d in DIMS:
                if n <= largest_n and d <= largest_d and n * d <= LARGEST:
                    yield kind, n, d


def main(largest_n: int = NODES[-1], largest_d: int = DIMS[-1]) -> None:
    titles = (
        "mix (us)",
        "SciPy / mix",
        "BLAS / mix",
        "floor / mix",
        "pairs (us)",
        "floor / pairs",
        "rows / pairs",
    )
    print(f"| graph, n, d | {' | '.join(titles)} |\n| --- |{' ---: |' * len(titles)}")
    measured = {}
    for kind, n, d in cells(largest_n, largest_d):
        W: Any = matrix(kind, n)
        X = np.random.default_rng(0).random((W.shape[0], d))
        t, p = fastest(mixers(W, X)), fastest(averagers(W, X))
        blas = f"{t['blas'] / t['mix']:.2f}" if "blas" in t else ""
        ratios = f"{t['scipy'] / t['mix']:.2f} | {blas} | {t['copy'] / t['mix']:.2f}"
        floor, rows = (p[name] / p["average"] for name in ("update", "rows"))
        pairs = f"{p['average'] * 1e6:.4g} | {floor:.2f} | {rows:.2f}"
        print(f"| {kind}, {W.shape[0]}, {d} | {t['mix'] * 1e6:.4g} | {ratios} | {pairs} |", flush=True)
        measured[f"{kind}, {W.shape[0]} nodes, {d} coordinates"] = t | p
    OUT.parent.mkdir(exist_ok=True)
    write_text(OUT, json.dumps({"date": datetime.date.today().isoformat(), "cells": measured}, indent=1))


if __name__ == "__main__":
    with threadpool_limits(1):
        main(*map(int, sys.argv[1:]))
