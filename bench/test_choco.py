"""One round of CHOCO-Gossip: compiled, in dense NumPy, and the floor.

On a random 8-regular graph. The NumPy rounds are what a few lines of NumPy would be: W dense, TopK by
argpartition, RandK by Generator.choice, QSGD with uniform numbers; W H is kept by mixing the messages. The
floor copies as many bytes as a round has to read and write: X, H and W H are read, and X is written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gossamer import problems, solvers
from gossamer.bench import floors, gossip_grid
from gossamer.graphs import Graph
from gossamer.kernels.compression import QSGD, Compressor, RandK, TopK

COUNT = 10  # rounds a call, as many as a solver does between two records
GAMMA = 0.01
SIZES = [(16, 1000), (16, 10_000), (100, 1000), (100, 10_000)]


def top_k(D: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    k = D.shape[1] // 100
    kept = np.argpartition(-np.abs(D), k - 1, axis=1)[:, :k]
    Q = np.zeros(D.shape)
    np.put_along_axis(Q, kept, np.take_along_axis(D, kept, axis=1), axis=1)
    return Q


def rand_k(D: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    k = D.shape[1] // 100
    Q = np.zeros(D.shape)
    for q, row in zip(Q, D, strict=True):
        kept = rng.choice(row.size, k, replace=False)
        q[kept] = row[kept]
    return Q


def qsgd(D: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    s, d = 15, D.shape[1]
    norms = np.linalg.norm(D, axis=1, keepdims=True)
    levels = np.floor(np.abs(D) * (s / norms) + rng.random(D.shape))
    return np.sign(D) * levels * (norms / s / (1.0 + min(d / s**2, d**0.5 / s)))


METHODS: dict[str, tuple[Compressor, Callable[[np.ndarray, np.random.Generator], np.ndarray]]] = {
    "TopK 1 %": (TopK(0.01), top_k),
    "RandK 1 %": (RandK(0.01, scaled=False), rand_k),
    "QSGD 15": (QSGD(15, scaled=False), qsgd),
}
CASES = [
    pytest.param(method, n, d, what, id=f"{method} {n} {d} {what} {turn}")
    for turn in range(2)
    for method in METHODS
    for n, d in SIZES
    for what in ("compiled", "numpy", "copy")
]


class Workload:
    """CHOCO-Gossip with one compressor on vectors of one size, ready to run `COUNT` rounds."""

    def __init__(self, method: str, n: int, d: int):
        rng = np.random.default_rng(0)
        compressor, self.compress = METHODS[method]
        W = gossip_grid.matrix("8-regular", n)
        self.W = W.toarray()
        pairs = np.argwhere(np.triu(self.W, 1))
        self.graph = Graph.from_edges(n, pairs)
        self.problem = problems.Averaging(rng.normal(size=(n, d)))
        self.solver = solvers.ChocoGossip(compressor, gamma=GAMMA, mixing=self.W)
        self.fresh = self.solver.init(self.problem, self.graph)
        self.state = self.fresh
        # to where messages are no longer those of the start
        self.solver.advance(self.fresh, self.problem, self.graph, 30)
        self.cost = floors.Cost(updated=n * d, read=2 * n * d, flops=0) * COUNT
        self.working_set = 3 * n * d

    def reset(self) -> None:
        state = self.fresh.copy()
        state.prepared = self.fresh.prepared
        self.state = state

    def compiled(self) -> None:
        self.solver.advance(self.state, self.problem, self.graph, COUNT)

    def numpy_rounds(self) -> np.ndarray:
        rng = np.random.default_rng(0)
        X, H, S = self.fresh.arrays["rows"]
        for _ in range(COUNT):
            Q = self.compress(X - H, rng)
            H = H + Q
            S = S + self.W @ Q
            X = X + GAMMA * (S - H)
        return X


@pytest.fixture(scope="module")
def latest() -> dict[Any, Workload]:
    """Cache of one workload."""
    return {}


@pytest.mark.parametrize(("method", "n", "d", "what"), CASES)
def test_choco(benchmark, latest, method, n, d, what):
    benchmark.group = f"CHOCO-Gossip, {method}, {n} nodes, {d} coordinates"
    benchmark.extra_info.update(what=what, events=COUNT)
    key = method, n, d
    if key not in latest:
        latest.clear()
        latest[key] = Workload(*key)
    work = latest[key]
    n_rounds = 20 if n * d < 10**6 else 5
    if what == "copy":
        mover = floors.Mover(work.cost, work.working_set)
        benchmark.pedantic(mover.copy, rounds=n_rounds, warmup_rounds=1)
    elif what == "compiled":
        benchmark.pedantic(work.compiled, setup=work.reset, rounds=n_rounds, warmup_rounds=1)
        if method == "TopK 1 %":  # which draws nothing
            np.testing.assert_allclose(work.state.arrays["rows"][0], work.numpy_rounds(), rtol=0, atol=1e-11)
    else:
        benchmark.pedantic(work.numpy_rounds, rounds=n_rounds, warmup_rounds=1)
