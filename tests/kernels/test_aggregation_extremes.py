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


# large and small rows

ROBUST = [
    agg.Krum(2),
    agg.MultiKrum(2),
    agg.MDA(2),
    agg.SMEA(2),
    agg.MoNNA(2, 9),
    agg.GeometricMedian(),
    agg.CAF(2),
    agg.CenteredClipping(n_steps=3),
    agg.Flag(4, 1.0, "median"),
    agg.Flag(4, 1.0, "clip", "raw"),
    agg.Bulyan(2),
    agg.NNM(2) >> agg.CAF(2),
    agg.NNM(2) >> agg.GeometricMedian(),
    agg.ARC(2) >> agg.SMEA(2),
    agg.Clipping() >> agg.Mean(),
]
OTHERS = [agg.Mean(), agg.DnC(2), agg.FoolsGold(), agg.MeaMed(2), agg.NNM(2) >> agg.Phocas(2)]


@pytest.mark.parametrize("rule", ROBUST, ids=repr)
@pytest.mark.parametrize("size", [1e12, 1e40, 1e80, 1e148])
def test_rows_as_far_as_you_like_do_not_take_the_result_along(rule, size):
    for seed in range(5):
        G = gradients(11, 30, seed)
        honest = G[2:].mean(axis=0)
        G[:2] *= size
        assert np.linalg.norm(rule(G) - honest) < 2 * np.linalg.norm(G[2:] - honest, axis=1).max()


def test_geometric_median_feels_the_direction_of_far_rows_only():
    for seed in range(10):
        near, far = gradients(9, 20, seed), gradients(9, 20, seed)
        near[:3] *= 1e9
        far[:3] *= 1e100
        found = agg.geometric_median(far, full=True)
        assert found.details["converged"]
        np.testing.assert_allclose(found.value, agg.geometric_median(near), atol=1e-6)


@pytest.mark.parametrize("rule", [*ROBUST, *OTHERS], ids=repr)
@pytest.mark.parametrize("power", [-480, -266, 266, 480])  # 1e-144, 1e-80, 1e80, 1e144
def test_scale_does_not_matter(rule, power):
    G = gradients(11, 30)
    np.testing.assert_allclose(rule(2.0**power * G) / 2.0**power, rule(G), rtol=1e-9, atol=1e-12)
