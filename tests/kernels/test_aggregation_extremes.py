"""Aggregation of very many rows, of very large and of very small ones."""

import tracemalloc

import numpy as np
import pytest

from gossamer.kernels import aggregation as agg


def gradients(p, d, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(p, d)) + rng.normal(size=d) / 2


# many rows


@pytest.mark.parametrize(
    ("rule", "p", "distance"),
    [
        (agg.Flag(20, 1.0, max_iter=2), 300, 0.0),
        (agg.Flag(20, 1.0, pair="raw", max_iter=2), 300, 0.0),
        (agg.Flag(20, 1.0, pair="code", max_iter=2), 300, 0.0),
        (agg.Krum(3), 300, 1e9),  # where distances are computed again from nearer by
        (agg.MDA(1), 300, 0.0),
        (agg.SMEA(1), 120, 0.0),
        (agg.GeometricMedian(max_iter=3), 300, 0.0),
        (agg.NNM(3) >> agg.CAF(1), 300, 0.0),
        (agg.ARC(3) >> agg.DnC(3), 300, 0.0),
        (agg.FoolsGold(), 300, 0.0),
    ],
    ids=repr,
)
def test_memory_grows_with_the_square_of_the_rows(rule, p, distance):
    G = gradients(p, 310) + distance
    rule(G)  # what is imported and compiled at the first call does not count
    tracemalloc.start()
    rule(G)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * p * p * 8 + (1 << 25)  # p^3 numbers are 216 MB
