"""Aggregation of very many rows, of very large and of very small ones."""

import tracemalloc

import numpy as np
import pytest

from gossamer.kernels import aggregation as agg
from gossamer.kernels.aggregation import reference, scaling
from gossamer.kernels.aggregation.rows import as_rows


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


SIZES = {
    np.float32: [0, 1e-44, 1e-30, 1e-21, 1e-19, 1e-12, 1.0, 1e15, 2e17, 1e18, 9e18, 3e19, 1e30, 3e38],
    np.float64: [0, 1e-320, 1e-160, 1e-152, 1e-149, 1e-80, 1.0, 1e80, 1e147, 1e149, 3e150, 1e155, 1e308],
}


def rows_of_all_sizes(dtype, d):
    G = np.sign(np.random.default_rng(d).normal(size=(len(SIZES[dtype]), d)))
    return (G * np.array(SIZES[dtype])[:, None]).astype(dtype)


def check_norms(rows, G):
    """In the unit of the measure, whatever their size: of float64 too far ones are infinite, or zero."""
    expected = reference.norms_in_unit(G)
    kept = np.isfinite(expected)
    for products in (False, True):
        found = scaling.measure(rows, np.arange(len(G)), products=products)
        assert found.live.tolist() == np.flatnonzero(kept).tolist()
        assert found.exponent == reference.unit(G)
        np.testing.assert_allclose(np.sqrt(found.K.diagonal()), expected[kept], rtol=1e-6)
        assert np.isfinite(found.K).all()
        assert not found.K[expected[kept] == 0].any()


@pytest.mark.parametrize("dtype", SIZES)
@pytest.mark.parametrize("d", [1, 7, 9000])
def test_norms_of_any_size_are_those_of_the_reference(dtype, d):
    G = rows_of_all_sizes(dtype, d)
    check_norms(as_rows(G), G)
    far = reference.norms_in_unit(G)
    assert np.isinf(far).any() == (far == 0)[1:].any() == (dtype is np.float64)


@pytest.mark.parametrize("dtype", SIZES)
@pytest.mark.parametrize("d", [7, 9000])
def test_a_device_sees_the_same_norms(cupy, d, dtype):
    G = rows_of_all_sizes(dtype, d)
    there = cupy.asarray(G)
    check_norms(as_rows(there), G)
    for rule in (agg.NormalizedMean(), agg.CenteredClipping(1.0), agg.CenteredClipping(1.0, 2)):
        found, expected = rule(there, full=True), rule(G, full=True)
        assert found.excluded.tolist() == expected.excluded.tolist()
        np.testing.assert_allclose(found.weights, expected.weights, rtol=1e-5)
        value = cupy.asnumpy(found.value)
        assert np.isfinite(value).all()
        np.testing.assert_allclose(value, expected.value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype", SIZES)
@pytest.mark.parametrize("rule", [*ROBUST, *OTHERS], ids=repr)
def test_rows_of_all_sizes_together(rule, dtype):
    """Nothing overflows on the way: a warning of NumPy's would be an error."""
    G = gradients(40, 9).astype(dtype)
    G[26:] *= 1e-3
    G[: len(SIZES[dtype])] = rows_of_all_sizes(dtype, 9)
    if isinstance(rule, agg.MDA | agg.SMEA) or "SMEA" in repr(rule):
        G = np.delete(G, range(14, 34), axis=0)  # fewer subsets
    found = rule(G, full=True)
    assert np.isfinite(found.value).all()
    assert set(found.excluded) <= set(np.flatnonzero(np.isinf(reference.norms_in_unit(G))))


@pytest.mark.parametrize("rule", ROBUST, ids=repr)
def test_rows_far_smaller_than_the_others_count_as_zeros(rule):
    G, rounded = gradients(11, 30), gradients(11, 30)
    G[3] *= 1e-200
    rounded[3] = 0.0
    np.testing.assert_allclose(rule(G), rule(rounded), rtol=1e-12, atol=1e-150)


@pytest.mark.parametrize("rule", ROBUST, ids=repr)
def test_rows_far_larger_than_the_others_are_left_out(rule):
    G = gradients(11, 30)
    G[2] *= 1e200
    found = rule(G, full=True)
    assert found.excluded.tolist() == [2]
    G[2] = np.nan
    assert np.array_equal(rule(G, full=True).value, found.value)


def test_rows_that_are_farther_from_each_other_than_numbers_can_be():
    """Found where distances are computed again from nearer by."""
    G = np.full((5, 3), 1.5e308)
    G[1:4] += 1e292 * gradients(3, 3)
    G[4] = -G[4]
    found = agg.krum(G, 1, full=True)
    assert found.excluded.tolist() == []
    assert found.details["selected"] == agg.krum(G / 2.0**900, 1, full=True).details["selected"] != [4]


def test_main_direction_of_many_equal_ones(monkeypatch):
    from scipy.linalg import lapack

    from gossamer.kernels.aggregation import iterative

    S = 5.0 * np.eye(5) - 1.0  # 5, four times, and 0
    for fails in (False, True):
        if fails:  # as LAPACK does for some matrices of this kind
            monkeypatch.setattr(lapack, "dsyevr", lambda S, **_: (np.zeros(1), np.zeros((5, 1)), 0, None, 1))
        value, v = iterative._main_direction(S)
        assert value == pytest.approx(5.0)
        np.testing.assert_allclose(S @ v, 5.0 * v, atol=1e-12)
