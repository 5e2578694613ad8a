"""Robust aggregation of float32 gradients against NumPy, BLAS, and passes over the data.

The floor "read" is the sum of squares of all entries, in one compiled pass. `syrk` is the Gram matrix by
BLAS, in float32, half as exact as the compiled one.
"""

import functools
from typing import Any

import numpy as np
import pytest
from numba import njit
from scipy.linalg import get_blas_funcs

from gossamer.bench import numpy_aggregation
from gossamer.kernels import aggregation
from gossamer.kernels.aggregation import engine
from gossamer.kernels.aggregation.rows import as_rows

SIZES = [(15, 10_000), (15, 1_000_000), (15, 10_000_000), (30, 300_000), (60, 100_000)]


def rules(f):
    """Rules by name, and what of `numpy_aggregation` each is compared with."""
    return {
        "mean": (aggregation.Mean(), None),
        "normalized mean": (aggregation.NormalizedMean(), None),
        "median": (aggregation.CoordinateMedian(), "numpy median"),
        "trimmed mean": (aggregation.TrimmedMean(f), "numpy trimmed_mean"),
        "MeaMed": (aggregation.MeaMed(f), "numpy meamed"),
        "Phocas": (aggregation.Phocas(f), None),
        "Bulyan": (aggregation.Bulyan(f), None),
        "Krum": (aggregation.Krum(f), "numpy krum"),
        "Multi-Krum": (aggregation.MultiKrum(f), "numpy multi_krum"),
        "geometric median": (aggregation.GeometricMedian(), "numpy geometric_median"),
        "centered clipping": (aggregation.CenteredClipping(), None),
        "CAF": (aggregation.CAF(f), None),
        "NNM >> Krum": (aggregation.NNM(f) >> aggregation.Krum(f), None),
        "Flag, 5 iterations": (aggregation.Flag(max_iter=5, tol=0.0), "numpy flag"),
        "Flag, 5 iterations, pairs": (aggregation.Flag(lam=1.0, max_iter=5, tol=0.0), None),
    }


CASES = [
    pytest.param(p, d, what, id=f"{what.replace(' ', '-')} {p} {d} {turn}")
    for turn in range(2)
    for p, d in SIZES
    for what in ("read", "syrk", "gram", *rules(1), *(rival for _, rival in rules(1).values() if rival))
    if d <= 1_000_000 or not what.startswith(("numpy", "syrk"))
]


@njit(nogil=True, fastmath={"reassoc", "contract", "nsz", "arcp"})
def sum_of_squares(x):
    total = np.float32(0)
    for j in range(x.size):
        total += x[j] * x[j]
    return total


@functools.lru_cache(maxsize=1)
def gradients(p, d):
    rng = np.random.default_rng(0)
    G = rng.standard_normal((p, d), np.float32)
    G += rng.standard_normal(d, np.float32) / 2
    return G


@pytest.mark.parametrize(("p", "d", "what"), CASES)
def test_aggregation(benchmark, p, d, what):
    f = (p - 3) // 4
    G = gradients(p, d)
    compiled = rules(f)
    syrk: Any = get_blas_funcs("syrk", dtype=np.float32)

    def work():
        if what == "read":
            return sum_of_squares(G.reshape(-1))
        if what == "gram":
            return engine.gram(as_rows(G), np.arange(p))
        if what == "syrk":
            return syrk(1.0, G.T, trans=1)
        if what in compiled:
            return compiled[what][0](G)
        return getattr(numpy_aggregation, what.removeprefix("numpy "))(G, f)

    slow = what.startswith("numpy")
    benchmark.group = f"aggregation, {p} rows, {d} coordinates"
    benchmark.extra_info.update(
        what=what, events=1, rivals={name: rival for name, (_, rival) in compiled.items()}
    )
    result = benchmark.pedantic(work, rounds=3 if slow else 20, warmup_rounds=1)
    if what in compiled and compiled[what][1] and d <= 100_000 and not what.startswith(("Flag", "geometric")):
        expected = getattr(numpy_aggregation, compiled[what][1].removeprefix("numpy "))(G, f)
        np.testing.assert_allclose(result, expected, atol=1e-5)
