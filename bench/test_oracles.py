"""Gradients of least squares: the oracle's fused rows, and two BLAS products (gemv) inside a compiled loop.

The fused rows read the data once, four rows at a time; BLAS reads them once for Ax and once for A'r.
"""

import numpy as np
import pytest
from numba import njit

from gossamer.kernels import oracles
from gossamer.kernels.oracles.types import gradient_at

NODES, SAMPLES, L2 = 8, 50, 0.01
CASES = [
    pytest.param(dim, what, id=f"{dim}-coordinates-{what}-{turn}")
    for turn in range(2)
    for dim in (50, 500, 1000, 5000)
    for what in ("compiled", "gemv")
]


@njit(nogil=True)
def fused_rows(address, data, x, out, count):
    gradient = gradient_at(address)
    all_rows = np.empty(0, np.int64)
    for k in range(count):
        gradient(k % NODES, x, all_rows, data, out)


@njit(nogil=True)
def gemv(data, x, out, count):
    residuals = np.empty(SAMPLES)
    for k in range(count):
        node = k % NODES
        begin, end = data.offsets[node], data.offsets[node + 1]
        A, b = data.features[begin:end], data.targets[begin:end]
        np.dot(A, x, residuals)
        for j in range(SAMPLES):
            residuals[j] = (residuals[j] - b[j]) / SAMPLES
        np.dot(residuals, A, out)
        for j in range(out.size):
            out[j] += L2 * x[j]


@pytest.mark.parametrize(("dim", "what"), CASES)
def test_gradients(benchmark, dim, what):
    rng = np.random.default_rng(0)
    features, targets = rng.normal(size=(NODES * SAMPLES, dim)), rng.normal(size=NODES * SAMPLES)
    oracle = oracles.least_squares(features, targets, np.arange(NODES + 1) * SAMPLES, L2)
    x, out = rng.normal(size=dim), np.empty(dim)
    count = NODES * max(1, 1_000_000 // (NODES * SAMPLES * dim))

    def work() -> None:
        if what == "compiled":
            fused_rows(oracle.gradient_address, oracle.data, x, out, count)
        else:
            gemv(oracle.data, x, out, count)

    benchmark.group = f"gradients, {SAMPLES} samples, {dim} coordinates"
    benchmark.extra_info.update(what=what, events=count)
    benchmark.pedantic(work, rounds=100, warmup_rounds=1)
    expected = oracles.gradient(oracle, NODES - 1, x)
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-10 * np.abs(expected).max())
