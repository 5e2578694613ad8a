"""Averages of pairs against NumPy, one edge after the other, and the batches they are done in on a GPU."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossamer import graphs
from gossamer.kernels import gossip
from gossamer.kernels.gossip import cpu, reference

RTOL = {np.dtype(np.float64): 1e-12, np.dtype(np.float32): 2e-6}


def rows(n, d, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(dtype)


def random_edges(n, m, seed, dtype=np.int64):
    rng = np.random.default_rng(seed)
    return np.array([rng.choice(n, 2, replace=False) for _ in range(m)], dtype).reshape(m, 2)


@given(
    st.integers(2, 12),
    st.sampled_from([1, 2, 3, 17, 64, 1000]),
    st.integers(0, 60),
    st.floats(0.0, 1.0),
    st.sampled_from([np.float64, np.float32]),
    st.sampled_from([np.int64, np.int32, np.uint8, np.int16]),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=100, deadline=None)
def test_pairs_meet_one_after_the_other(n, d, m, alpha, dtype, index, seed):
    edges = random_edges(n, m, seed, index)
    X, given_edges = rows(n, d, seed, dtype), edges.copy()
    expected, mean = reference.pairwise_average(X, edges, alpha), X.mean(axis=0)
    assert gossip.pairwise_average(X, edges, alpha) is None
    assert np.array_equal(X, expected)
    np.testing.assert_allclose(X.mean(axis=0), mean, rtol=0, atol=10 * RTOL[X.dtype])
    assert np.array_equal(edges, given_edges)


def test_half_averages_and_one_swaps():
    X = np.array([[1.0, 2.0], [3.0, 5.0], [7.0, 0.0]])
    gossip.pairwise_average(X, [[0, 1], [2, 1]])
    assert X.tolist() == [[2.0, 3.5], [4.5, 1.75], [4.5, 1.75]]
    gossip.pairwise_average(X, [[0, 1]], alpha=1.0)
    assert X.tolist() == [[4.5, 1.75], [2.0, 3.5], [4.5, 1.75]]
    gossip.pairwise_average(X, [[0, 1]], 0)
    assert X.tolist() == [[4.5, 1.75], [2.0, 3.5], [4.5, 1.75]]


def test_random_pairs_reach_the_mean():
    g = graphs.torus_2d(4, 4)
    edges = np.random.default_rng(0).permutation(np.repeat(g.edges, 60, axis=0))
    X = rows(16, 5)
    mean = X.mean(axis=0)
    gossip.pairwise_average(X, edges)
    np.testing.assert_allclose(X, np.broadcast_to(mean, X.shape), atol=1e-11)


def test_pairs_pass_nan_on():
    X = np.array([[np.nan, 1.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    gossip.pairwise_average(X, [[0, 1], [1, 2]])
    assert np.isnan(X).tolist() == [[True, False], [True, False], [True, False], [False, False]]


def test_no_pairs_and_no_coordinates():
    X = rows(3, 2)
    before = X.copy()
    for edges in ([], np.empty((0, 2)), np.empty((0, 2), int)):
        gossip.pairwise_average(X, edges)
    assert np.array_equal(X, before)
    gossip.pairwise_average(np.empty((3, 0)), [[0, 1]])


@pytest.mark.parametrize(
    ("edges", "alpha", "error", "message"),
    [
        ([[0, 1], [1, 3]], 0.5, ValueError, r"nodes in 0\.\.2, got 0\.\.3"),
        ([[0, 1], [-1, 2]], 0.5, ValueError, r"nodes in 0\.\.2, got -1\.\.2"),
        ([[0, 1], [2, 2]], 0.5, ValueError, r"distinct nodes, but edge 1 is \[2, 2\]"),
        ([[0, 1, 2]], 0.5, ValueError, r"shape \(m, 2\), got \(1, 3\)"),
        ([0, 1], 0.5, ValueError, r"shape \(m, 2\), got \(2,\)"),
        ([[0, 1], [1]], 0.5, ValueError, "edges must be a rectangular array"),
        ([[0.0, 1.0]], 0.5, TypeError, "integer node indices, got dtype float64"),
        ([[0, 1]], 1.5, ValueError, "alpha must be a finite number >= 0 and <= 1"),
        ([[0, 1]], np.nan, ValueError, "alpha must be"),
        ([[0, 1]], "half", TypeError, "alpha must be a number"),
        (np.array([[0, 2**32 + 1]]), 0.5, ValueError, "nodes in"),
        (np.array([[0, 2**63]], np.uint64), 0.5, ValueError, "nodes in"),
    ],
)
def test_pairs_that_do_not_fit_change_nothing(edges, alpha, error, message):
    X = rows(3, 2)
    before = X.copy()
    with pytest.raises(error, match=message):
        gossip.pairwise_average(X, edges, alpha)
    assert np.array_equal(X, before)


def test_arrays_that_cannot_be_changed_in_place_are_refused():
    frozen = np.ones((3, 2))
    frozen.flags.writeable = False
    for X, error, message in [
        (frozen, ValueError, "writable"),
        (np.ones((3, 2), order="F"), ValueError, "C-contiguous"),
        (np.ones((3, 4))[:, ::2], ValueError, "C-contiguous"),
        ([[1.0], [2.0], [3.0]], TypeError, "NumPy array of float64 or float32, got list"),
        (np.ones((3, 2), int), TypeError, "got dtype int64"),
        (np.ones(3), ValueError, r"shape \(n, d\), got \(3,\)"),
    ]:
        with pytest.raises(error, match=message):
            gossip.pairwise_average(X, [[0, 1]])


# batches


def batches_of(n, edges):
    """What `conflict_free_batches` must return, as lists: put edge by edge behind the last conflict."""
    batches = []
    for edge in edges.tolist():
        conflicts = [b for b, batch in enumerate(batches) if any(set(edge) & set(other) for other in batch)]
        place = conflicts[-1] + 1 if conflicts else 0
        if place == len(batches):
            batches.append([])
        batches[place].append(edge)
    return batches


@given(st.integers(2, 30), st.integers(0, 80), st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_batches_have_no_conflicts_and_keep_the_order(n, m, seed):
    edges = random_edges(n, m, seed, np.uint32)
    ordered, begin = cpu.conflict_free_batches(n, edges)
    assert (begin[0], begin[-1], ordered.dtype) == (0, m, np.uint32)
    batches = [ordered[a:b] for a, b in pairwise(begin)]
    assert [batch.tolist() for batch in batches] == batches_of(n, edges)
    for batch in batches:
        assert len(np.unique(batch)) == batch.size > 0
    for node in range(n):
        mine, now = ((e == node).any(axis=1) for e in (edges, ordered))
        assert np.array_equal(ordered[now], edges[mine])


@pytest.mark.parametrize("alpha", [0.5, 0.3, 1.0])
def test_any_order_within_the_batches_gives_the_same_bits(alpha):
    n = 25
    edges, X = random_edges(n, 300, 1, np.uint32), rows(n, 6)
    ordered, begin = cpu.conflict_free_batches(n, edges)
    rng = np.random.default_rng(2)
    for a, b in pairwise(begin):
        ordered[a:b] = rng.permutation(ordered[a:b])
    assert not np.array_equal(ordered, edges)
    expected = X.copy()
    gossip.pairwise_average(expected, edges, alpha)
    gossip.pairwise_average(X, ordered, alpha)
    assert np.array_equal(X, expected)


def test_the_numbers_of_batches():
    matching = np.arange(1000, dtype=np.uint32).reshape(500, 2)
    assert cpu.conflict_free_batches(1000, matching)[1].tolist() == [0, 500]
    star = graphs.star(9).edges.astype(np.uint32)
    assert cpu.conflict_free_batches(9, star)[1].tolist() == list(range(9))
    assert cpu.conflict_free_batches(3, np.empty((0, 2), np.uint32))[1].tolist() == [0]
