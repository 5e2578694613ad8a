"""One round of DGD and EXTRA: compiled, in dense NumPy, and the floor.

On a random 8-regular graph, with a gradient that costs nothing beside the communication (averaging: x - v_i)
and one that costs some (least squares, 10 samples a node). The NumPy rounds take the dense W, as a few lines
of NumPy would; `scipy` is the same with W as a CSR array. The floor copies as many bytes as a round has to
read and write: X is read, its successor and EXTRA's D are written, D and the data are read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gossamer.bench import floors, gossip_grid
from gossamer.kernels import gossip, oracles, rounds
from gossamer.kernels.checks import frozen
from gossamer.kernels.rounds import descent, exact

COUNT = 10  # rounds a call, as many as a solver does between two records
SAMPLES, L2 = 10, 0.01
SIZES = [(n, d) for n in (16, 100, 1000) for d in (100, 1000)]
METHODS = {"DGD": (descent.dgd, 1), "EXTRA": (exact.extra, 2)}
CASES = [
    pytest.param(method, model, n, d, what, id=f"{method} {model} {n} {d} {what} {turn}")
    for turn in range(2)
    for method in METHODS
    for model in ("averaging", "least squares")
    for n, d in SIZES
    for what in ("compiled", "numpy", "scipy", "copy")
]


class Workload:
    """A method on data of one size, ready to run `COUNT` rounds."""

    def __init__(self, method: str, model: str, n: int, d: int):
        rng = np.random.default_rng(0)
        self.method, self.n, self.d = method, n, d
        self.W = gossip_grid.matrix("8-regular", n)
        self.mixer = gossip.Mixer(self.W)
        self.step = 0.3
        self.start = rng.normal(size=(n, d))
        if model == "averaging":
            values = rng.normal(size=(n, d))
            self.oracle = oracles.averaging(values)
            self.gradients: Callable[[np.ndarray], np.ndarray] = lambda X: X - values
            self.data_numbers = n * d
        else:
            A = rng.normal(size=(n, SAMPLES, d)) / d**0.5
            b = rng.normal(size=(n, SAMPLES))
            offsets = np.arange(n + 1) * SAMPLES
            self.oracle = oracles.least_squares(A.reshape(-1, d), b.ravel(), offsets, L2)

            def gradients(X: np.ndarray) -> np.ndarray:
                residuals = np.matmul(A, X[:, :, None])[:, :, 0] - b
                return np.matmul(residuals[:, None, :], A)[:, 0] / SAMPLES + L2 * X

            self.gradients = gradients
            self.data_numbers = n * SAMPLES * (d + 1)
        kernel, n_rows = METHODS[method]
        self.rows, self.shared = np.zeros((n_rows, n, d)), np.empty((0, d))
        setting = rounds.Setting(
            indptr=self.mixer.indptr,
            indices=self.mixer.indices,
            weights=self.mixer.weights(float),
            copies=frozen(np.diff(self.mixer.indptr.astype(np.int64)) - 1),
            copies_down=0,
            n_links=self.W.nnz // 2,
            gradient=self.oracle.gradient_address,
            data=self.oracle.data,
            batches=oracles.Batches(0, self.oracle.n_samples, np.uint64(0)),
            compress=0,
            parameters=frozen(np.empty(0)),
            key=np.uint64(0),
        )
        steps = np.array([self.step, 0.0])
        self.compiled = lambda: rounds.run_rounds(kernel, setting, 0, COUNT, steps, self.rows, self.shared)
        # what a round updates: X into its successor, and D
        cost = floors.Cost(updated=n_rows * n * d, read=self.data_numbers, flops=0)
        self.working_set = 2 * n_rows * n * d + self.data_numbers
        self.cost = cost * COUNT

    def reset(self) -> None:
        self.rows[:] = 0.0
        self.rows[0] = self.start

    def array_rounds(self, W: Any) -> np.ndarray:
        X, step, gradients = self.start, self.step, self.gradients
        if self.method == "DGD":
            for _ in range(COUNT):
                X = W @ X - step * gradients(X)
            return X
        mixed, G = W @ X, gradients(X)
        X_next = mixed - step * G
        for _ in range(COUNT - 1):
            mixed_next, G_next = W @ X_next, gradients(X_next)
            X, X_next = X_next, X_next + mixed_next - (X + mixed) / 2 - step * (G_next - G)
            mixed, G = mixed_next, G_next
        return X_next


@pytest.fixture(scope="module")
def latest() -> dict[Any, Workload]:
    """Cache of one workload: the largest holds 80 MB of data."""
    return {}


@pytest.mark.parametrize(("method", "model", "n", "d", "what"), CASES)
def test_rounds(benchmark, latest, method, model, n, d, what):
    benchmark.group = f"rounds, {method}, {model}, {n} nodes, {d} coordinates"
    benchmark.extra_info.update(what=what, events=COUNT)
    key = method, model, n, d
    if key not in latest:
        latest.clear()
        latest[key] = Workload(*key)
    work = latest[key]
    n_rounds = 50 if n * d < 10**6 else 5
    if what == "copy":
        mover = floors.Mover(work.cost, work.working_set)
        benchmark.pedantic(mover.copy, rounds=n_rounds, warmup_rounds=1)
        return
    if what == "compiled":
        benchmark.pedantic(work.compiled, setup=work.reset, rounds=n_rounds, warmup_rounds=1)
        expected = work.array_rounds(work.W)
        np.testing.assert_allclose(work.rows[0], expected, rtol=0, atol=1e-11 * np.abs(expected).max())
        return
    W = work.W.toarray() if what == "numpy" else work.W
    benchmark.pedantic(work.array_rounds, args=(W,), rounds=n_rounds, warmup_rounds=1)
