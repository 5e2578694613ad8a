"""Splits are partitions; each has the heterogeneity that its name says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossamer.problems.data.splits import SPLITS, split_rows


def parts_of(targets, n, split, **options):
    order, offsets = split_rows(targets, n, split, **options)
    return np.split(order, offsets[1:-1])


@given(
    targets=st.lists(st.integers(0, 4), min_size=1, max_size=60),
    split=st.sampled_from(SPLITS),
    alpha=st.sampled_from([1e-3, 0.1, 1.0, 1e3]),
    bins=st.sampled_from([None, 1, 3]),
    seed=st.integers(0, 2**32),
    data=st.data(),
)
@settings(max_examples=200, deadline=None)
def test_every_split_is_a_partition_without_empty_parts(targets, split, alpha, bins, seed, data):
    n = data.draw(st.integers(1, len(targets)))
    options = {"alpha": alpha, "bins": bins} if split == "dirichlet" else {}
    order, offsets = split_rows(np.array(targets), n, split, rng=seed, **options)
    assert sorted(order) == list(range(len(targets)))
    assert (offsets[0], offsets[-1], len(offsets)) == (0, len(targets), n + 1)
    sizes = np.diff(offsets)
    assert sizes.min() >= 1
    if split != "dirichlet":
        assert np.ptp(sizes) <= 1
    assert order.dtype == offsets.dtype == np.int64
    again = split_rows(np.array(targets), n, split, rng=seed, **options)
    np.testing.assert_array_equal(order, again[0])


def test_sorted_and_contiguous():
    targets = np.random.default_rng(0).normal(size=103)
    order, _ = split_rows(targets, 7, "sorted")
    np.testing.assert_array_equal(targets[order], np.sort(targets))
    order, offsets = split_rows(targets, 7, "contiguous")
    np.testing.assert_array_equal(order, np.arange(103))
    assert np.diff(offsets).tolist() == [15] * 5 + [14] * 2
    assert parts_of(np.array([1, 0, 1, 0]), 2, "sorted")[0].tolist() == [1, 3]  # ties keep their order


def test_iid_mixes():
    """Each node's share of one class is hypergeometric: mean 50 of 100, deviation below 5."""
    targets = np.repeat([0, 1], 500)
    shares = [targets[part].sum() for part in parts_of(targets, 10, "iid", rng=3)]
    assert max(abs(np.array(shares) - 50)) < 25
    assert len(set(shares)) > 3
    assert parts_of(targets, 10, "iid", rng=4)[0].tolist() != parts_of(targets, 10, "iid", rng=3)[0].tolist()


@pytest.mark.parametrize("alpha", [0.1, 1.0, 10.0])
def test_dirichlet_shares_have_their_moments(alpha):
    """Node i's share is Beta(alpha, (n - 1) alpha): mean 1/n, variance (n - 1) / (n^2 (n alpha + 1))."""
    n, classes, size = 5, 200, 400
    targets = np.repeat(np.arange(classes), size)
    shares = np.array(
        [
            np.bincount(targets[part], minlength=classes) / size
            for part in parts_of(targets, n, "dirichlet", alpha=alpha, rng=0)
        ]
    )
    np.testing.assert_allclose(shares.sum(axis=0), 1.0)
    np.testing.assert_allclose(shares.mean(axis=1), 1 / n, atol=5 * np.sqrt(0.16 / (n * alpha + 1) / classes))
    variance = (n - 1) / (n**2 * (n * alpha + 1))
    assert shares.var() == pytest.approx(variance, rel=0.25)


def test_dirichlet_limits():
    targets = np.tile([0, 1, 2, 3], 250)
    parts = parts_of(targets, 4, "dirichlet", alpha=1e-3, rng=1)
    owners = [[np.count_nonzero(targets[part] == c) for part in parts] for c in range(4)]
    assert all(max(row) >= 245 for row in owners)  # each class on one node, but for rows lent to empty nodes
    parts = parts_of(targets, 4, "dirichlet", alpha=1e6, rng=1)
    assert all(abs(np.bincount(targets[part], minlength=4) - 62.5).max() < 2 for part in parts)


def test_dirichlet_with_bins_follows_the_value():
    targets = np.random.default_rng(0).permutation(1000).astype(float)
    parts = parts_of(targets, 4, "dirichlet", alpha=1e-3, bins=4, rng=2)
    in_bins = [np.bincount((targets[part] // 250).astype(int), minlength=4) for part in parts]
    assert all(column.max() >= 245 for column in np.transpose(in_bins))


def test_rng_may_be_a_generator_or_a_seed_sequence():
    targets = np.zeros(50)
    expected = split_rows(targets, 5, rng=7)[0]
    from_generator = [split_rows(targets, 5, rng=np.random.default_rng(7))[0] for _ in range(2)]
    np.testing.assert_array_equal(*from_generator)
    with pytest.raises(TypeError, match="rng must be"):
        split_rows(targets, 5, rng=True)
    np.testing.assert_array_equal(split_rows(targets, 5, rng=np.random.SeedSequence(7))[0], expected)
    assert (split_rows(targets, 5, rng=None)[0] != expected).any()


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([0.0, 1.0, np.nan, np.nan], r"targets must be finite, but targets\[2\] is nan"),
        ([0.0, np.inf, 1.0], r"targets must be finite, but targets\[1\] is inf"),
        (np.array(["2020-01-01", "NaT"], "M8[D]"), r"targets must not be missing, but targets\[1\] is NaT"),
        (np.array([1, "NaT"], "m8[s]"), r"targets must not be missing, but targets\[1\] is NaT"),
        (["a", np.nan], r"targets must not be missing, but targets\[1\] is nan"),
        (np.array(["a", float("nan")], object), r"targets must not be missing, but targets\[1\] is nan"),
        (np.zeros((4, 2)), r"targets must have 1 dimension, got shape \(4, 2\)"),
    ],
)
def test_targets_that_are_missing(targets, message, split):
    """What equals nothing, itself included, belongs to no class."""
    with pytest.raises(ValueError, match=message):
        split_rows(targets, 2, split, **({"alpha": 1.0} if split == "dirichlet" else {}))


def test_targets_of_any_kind_that_sorts():
    days = np.array(["2021-01-01", "2020-01-01", "2021-01-01", "2020-01-01"], "M8[D]")
    for targets in (days, days - days[0], ["b", "a", "b", "a"], [True, False, True, False]):
        order, offsets = split_rows(targets, 2, "sorted")
        assert order.tolist() == [1, 3, 0, 2]
        order, offsets = split_rows(targets, 2, "dirichlet", alpha=1.0)
        assert sorted(order) == [0, 1, 2, 3]
        assert (np.diff(offsets) > 0).all()


@pytest.mark.parametrize(
    ("bins", "error", "message"),
    [(0, ValueError, "bins must be at least 1"), (2.0, TypeError, "bins must be an integer")],
)
def test_bad_bins(bins, error, message):
    with pytest.raises(error, match=message):
        split_rows(np.zeros(4), 2, "dirichlet", alpha=1.0, bins=bins)
    with pytest.raises(TypeError, match="bins are of numbers, but targets have dtype <U1"):
        split_rows(["a", "b"], 2, "dirichlet", alpha=1.0, bins=2)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_nodes": 0}, ValueError, "n_nodes must be at least 1"),
        ({"n_nodes": 2.0}, TypeError, "n_nodes must be an integer"),
        ({"n_nodes": 9}, ValueError, "n_nodes = 9 exceeds the 8 samples"),
        ({"split": "random"}, ValueError, "split must be one of iid, contiguous, sorted, dirichlet"),
        ({"split": "dirichlet"}, ValueError, "needs alpha > 0"),
        ({"split": "dirichlet", "alpha": 0.0}, ValueError, "alpha must be a finite number > 0"),
        ({"split": "dirichlet", "alpha": np.nan}, ValueError, "alpha must be a finite number > 0"),
        ({"split": "iid", "alpha": 1.0}, ValueError, "takes no alpha"),
    ],
)
def test_bad_splits_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        split_rows(np.zeros(8), **({"n_nodes": 2} | options))
