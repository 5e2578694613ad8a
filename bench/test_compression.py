"""Compressors at k = 1 % of a Gaussian float32 vector: Top-k and Rand-k against NumPy, and against one read.

The floor of Top-k is the sum of squares of the vector: all entries read once. Rand-k needs not read them.
"""

import itertools

import numpy as np
import pytest
from numba import njit

from gossamer.kernels import compression, random

CASES = [
    pytest.param(dim, what, id=f"{what} {dim} coordinates {turn}")
    for turn in range(2)
    for dim in (1_000_000, 10_000_000)
    for what in ("floor", "top_k", "top_k zeros", "argpartition", "rand_k", "block_rand_k", "choice")
]
KEY = random.make_key(0)


@njit(nogil=True, fastmath={"reassoc", "contract", "nsz", "arcp"})
def sum_of_squares(x):
    total = np.float32(0)
    for j in range(x.size):
        total += x[j] * x[j]
    return total


@pytest.mark.parametrize(("dim", "what"), CASES)
def test_sparsifiers(benchmark, dim, what):
    rng = np.random.default_rng(0)
    k = dim // 100
    x = np.zeros(dim, np.float32) if what.endswith("zeros") else rng.standard_normal(dim, np.float32)
    message = itertools.count()
    block = compression.BlockRandK(k)

    def work():
        if what == "floor":
            return sum_of_squares(x)
        if what.startswith("top_k"):
            return compression.top_k(x, k)[0]
        if what == "argpartition":
            return np.argpartition(-np.abs(x), k)[:k]
        if what == "rand_k":
            return compression.rand_k(dim, k, KEY, index=next(message))  # else branches are learnt by heart
        if what == "block_rand_k":
            return block._draw(dim, np.uint64(KEY), np.uint64(next(message)))
        return rng.choice(dim, k, replace=False)

    benchmark.group = f"sparsifiers, {dim} coordinates"
    benchmark.extra_info.update(what=what, events=1)
    chosen = benchmark.pedantic(work, rounds=20, warmup_rounds=1)
    if what == "top_k":
        assert np.array_equal(np.sort(np.argpartition(-np.abs(x), k)[:k]), chosen)  # no ties at the border
    elif what != "floor":
        assert np.unique(chosen).size == k
