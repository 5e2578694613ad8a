"""Rows that count more than once: a whole weight is that row so often."""

import numpy as np
import pytest

from gossamer.kernels import aggregation as agg
from gossamer.kernels.aggregation import reference

F = 3
RULES = [
    agg.Mean(),
    agg.NormalizedMean(),
    agg.CoordinateMedian(),
    agg.TrimmedMean(F),
    agg.CGE(F),
    agg.Krum(F),
    agg.Krum(F, inclusive=True),
    agg.MultiKrum(F),
    agg.MultiKrum(F, m=4),
    agg.MultiKrum(F, inclusive=True),
    agg.GeometricMedian(),
    agg.GeometricMedian(0.5),
    agg.Flag(2),
    agg.Flag(),
    agg.Flag(3, 2.0, "median"),
    agg.Flag(3, 2.0, "clip", "raw"),
    agg.Flag(3, 2.0, "raw", "unit", max_iter=4),
    agg.Flag(2, 0.5, pair="code", max_iter=3),
]
OTHERS = [
    agg.MDA(1),
    agg.SMEA(1),
    agg.MoNNA(1),
    agg.CAF(1),
    agg.DnC(1),
    agg.FoolsGold(),
    agg.CenteredClipping(),
    agg.MeaMed(1),
    agg.Phocas(1),
    agg.Bulyan(1),
    agg.NNM(1) >> agg.Mean(),
    agg.Clipping() >> agg.Krum(1),
]


def gradients(p, d=12, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(p, d)) * 2.0 ** rng.uniform(-1, 1, (p, 1)) + rng.normal(size=d)


def close(found, expected, rtol=1e-9):
    np.testing.assert_allclose(found, expected, rtol=0, atol=rtol * max(1.0, np.abs(expected).max()))


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_whole_weights_are_repetitions(rule):
    for seed in range(8):
        rng = np.random.default_rng(seed)
        G = gradients(int(rng.integers(5, 12)), seed=seed)
        weights = rng.integers(0, 4, len(G))
        weights[:3] = 1, 5, 3
        repeated = reference.repeated(G, weights)
        found, expected = rule(G, weights=weights, full=True), rule(repeated, full=True)
        close(found.value, expected.value)
        if expected.weights is not None:
            owners = np.repeat(np.arange(len(G)), weights)
            close(found.weights, np.bincount(owners, expected.weights, len(G)))
        single = rule(G.astype(np.float32), weights=weights.tolist())
        assert single.dtype == np.float32
        close(single, rule(repeated.astype(np.float32)), 2e-4)


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_rows_that_are_not_finite_are_faulty_by_their_weight(rule):
    G = gradients(9)
    weights = np.array([1, 2, 2, 3, 1, 0, 2, 1, 3])
    G[[1, 5]] = np.nan  # the second of them has no weight, and is none of the rows
    found = rule(G, weights=weights, full=True)
    expected = rule(np.repeat(G, weights, axis=0), full=True)
    assert found.excluded.tolist() == [1]
    assert len(expected.excluded) == 2
    close(found.value, expected.value)
    with pytest.warns(agg.NonFiniteWarning, match="left out: 1;"):
        rule(G, weights=weights)
    with pytest.raises(ValueError, match="all 1 hold NaN"):
        rule(G, weights=np.eye(9)[5] * 20)


@pytest.mark.parametrize("rule", [*RULES, *OTHERS], ids=repr)
def test_ones_are_no_weights(rule):
    """To the last bit, and of any kind of number."""
    G = gradients(11)
    expected = rule(G)
    for ones in (np.ones(11), [1] * 11, np.ones(11, np.float32)):
        assert np.array_equal(rule(G, weights=ones), expected)


@pytest.mark.parametrize("rule", OTHERS, ids=repr)
def test_rules_for_which_weights_mean_nothing_refuse_them(rule):
    with pytest.raises(
        ValueError, match=r"weights have no meaning for .*; they have for Mean, .*, by themselves"
    ):
        rule(gradients(11), weights=np.arange(1, 12))
    if isinstance(rule, agg.CenteredClipping):
        with pytest.raises(ValueError, match="weights have no meaning"):
            rule(gradients(11), start=np.zeros(12), weights=np.arange(1, 12))
    if isinstance(rule, agg.FoolsGold):
        with pytest.raises(ValueError, match="weights have no meaning"):
            rule(gradients(11), history=gradients(11), weights=np.arange(1, 12))


@pytest.mark.parametrize(
    "rule",
    [agg.Mean(), agg.NormalizedMean(), agg.CoordinateMedian(), agg.GeometricMedian()],
    ids=repr,
)
def test_shares_of_any_size_where_only_they_matter(rule):
    G, weights = gradients(7), np.array([0.5, 1.25, 2.0, 0.25, 1.0, 3.5, 0.75])
    expected = rule(G, weights=4 * weights)
    close(rule(G, weights=weights), expected, 1e-7)
    close(rule(G, weights=1e-3 * weights * 4), expected, 1e-7)


def test_medians_by_hand():
    G = np.array([[3.0], [1.0], [2.0], [9.0]])
    for weights, expected in (
        ([1, 1, 1, 1], 2.5),
        ([2, 1, 1, 1], 3.0),
        ([1, 3, 1, 1], 1.5),
        ([1, 4, 1, 1], 1.0),
        ([0.5, 0.1, 0.2, 0.2], 3.0),
        ([0, 0, 0, 7], 9.0),
    ):
        assert agg.coordinate_median(G, weights=weights) == [expected]
    # mass 1.5 is dropped at either end: half of 1.0's 3, none of 2.0, and what 9.0 and half of 3.0 have
    found = agg.trimmed_mean(G, 1, weights=[1.0, 2.0, 1.5, 0.5])
    assert found == pytest.approx((1.0 + 1.5 * 2.0 + 0.5 * 3.0) / 3.0)


def test_many_rows_are_sorted_right():
    rng = np.random.default_rng(0)
    G, weights = rng.integers(-20, 20, (700, 5)).astype(float), rng.integers(1, 9, 700)
    repeated = np.repeat(G, weights, axis=0)
    assert np.array_equal(agg.coordinate_median(G, weights=weights), np.median(repeated, axis=0))
    layers = [[row[:2], row[2:]] for row in G]
    parts = agg.trimmed_mean(layers, 500, weights=weights)
    expected = np.sort(repeated, axis=0)[500:-500].mean(axis=0)
    close(np.concatenate(parts), expected, 1e-12)


@pytest.mark.parametrize(
    ("weights", "rule", "match"),
    [
        (np.ones(4), agg.Mean(), r"weights must have shape \(5\), got|weights must have shape \(5,\), got"),
        ([1, 1, -1, 1, 1], agg.Mean(), r"weights must be at least 0, but weights\[2\] is -1"),
        ([1, 1, np.nan, 1, 1], agg.Mean(), "weights must be finite"),
        (np.zeros(5), agg.Mean(), "weights must have a sum above 0"),
        (np.full(5, 2.0**60), agg.Mean(), "below 2.53.*: scale them"),
        ([1, 1, 0.5, 2, 2], agg.Krum(1), "weights must be whole numbers for Krum.*got 0.5: scale and round"),
        (
            [1, 1, 0, 1, 1],
            agg.Krum(1),
            "Krum with f = 1 needs p >= 2f . 3 rows, at least 5, got 4.*inclusive=True",
        ),
        ([2, 0, 0, 0, 0], agg.TrimmedMean(1), "TrimmedMean with f = 1 needs .* at least 3, got 2"),
        ([2, 1, 0, 0, 0], agg.Flag(4), r"m must be in 0\.\.3, got 4"),
    ],
)
def test_weights_that_do_not_fit(weights, rule, match):
    with pytest.raises(ValueError, match=match):
        rule(gradients(5), weights=weights)
    with pytest.raises(TypeError, match="weights must be an array of real numbers"):
        rule(gradients(5), weights=["a"] * 5)


def test_functions_take_weights():
    G, weights = gradients(9), np.array([1, 2, 2, 3, 1, 0, 2, 1, 3])
    with_f = {"trimmed_mean": agg.TrimmedMean, "krum": agg.Krum, "multi_krum": agg.MultiKrum, "cge": agg.CGE}
    for name, rule in with_f.items():
        found = getattr(agg, name)(G, 2, weights=weights)
        assert np.array_equal(found, rule(2)(G, weights=weights)), name
    without = {
        "mean": agg.Mean,
        "normalized_mean": agg.NormalizedMean,
        "coordinate_median": agg.CoordinateMedian,
    }
    for name, rule in (without | {"geometric_median": agg.GeometricMedian, "flag": agg.Flag}).items():
        assert np.array_equal(getattr(agg, name)(G, weights=weights), rule()(G, weights=weights)), name


def test_weights_on_a_device(cupy):
    """Where they enter by the Gram matrix they do there, too; rules that sort refuse."""
    G, weights = gradients(9), np.array([1, 2, 2, 3, 1, 0, 2, 1, 3])
    for rule in (agg.Mean(), agg.Krum(2), agg.CGE(2), agg.GeometricMedian(), agg.Flag(3)):
        close(cupy.asnumpy(rule(cupy.asarray(G), weights=weights)), rule(G, weights=weights))
    for rule in (agg.CoordinateMedian(), agg.TrimmedMean(2)):
        with pytest.raises(
            TypeError, match=r"weights of rules that sort are for .* CPU: use cupy.asnumpy\(G\)"
        ):
            rule(cupy.asarray(G), weights=weights)
