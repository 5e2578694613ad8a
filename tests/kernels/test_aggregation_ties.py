"""Rules against their definitions, made from the rows themselves, on rows with ties, duplicates and zeros.

Entries are whole numbers, so distances and their ties are exact in both forms. Where a tie leaves a choice to
rounding, what was chosen is measured instead.
"""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gossamer.kernels import aggregation as agg
from gossamer.kernels import random
from gossamer.kernels.aggregation import reference
from gossamer.kernels.random import streams

many = settings(max_examples=60, deadline=None)


@st.composite
def rows(draw, least=1, most=9):
    """Rows of small whole numbers: some equal, some zero, some far away, float64 or float32."""
    p, d = draw(st.integers(least, most)), draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    G = rng.integers(-3, 4, (p, d)).astype(draw(st.sampled_from([np.float64, np.float32])))
    for _ in range(draw(st.integers(0, p))):
        G[rng.integers(p)] = G[rng.integers(p)]
    if draw(st.booleans()):
        G[rng.integers(p)] = 0
    if draw(st.booleans()):
        G[rng.integers(p, size=2)] *= 100  # perhaps one row twice
    return G


@st.composite
def rows_and_f(draw, **sizes):
    G = draw(rows(**sizes))
    return G, draw(st.integers(0, (len(G) - 1) // 2))


def close(found, expected, rtol=1e-10):
    rtol = max(rtol, 2e-5) if found.dtype == np.float32 else rtol
    np.testing.assert_allclose(found, expected, rtol=0, atol=rtol * max(1.0, np.abs(expected).max()))


def spread_of(G):
    """The largest singular value of rows less their mean."""
    return np.linalg.norm(G - G.mean(axis=0), 2)


@given(rows())
@many
def test_normalized_mean(G):
    total = sum((x / np.linalg.norm(x) for x in G.astype(float) if x.any()), np.zeros(G.shape[1]))
    close(agg.normalized_mean(G), total / len(G))


@given(rows_and_f())
@many
def test_smea(data):
    """Of subsets that are as good to rounding any may be chosen."""
    G, f = data
    found = agg.smea(G, f, full=True)
    H = G.astype(float)
    assert len(found.details["selected"]) == len(G) - f
    close(found.value, H[found.details["selected"]].mean(axis=0))
    costs = [spread_of(H[list(s)]) for s in itertools.combinations(range(len(H)), len(H) - f)]
    assert spread_of(H[found.details["selected"]]) <= min(costs) + 1e-5
    if sum(cost < min(costs) + 1e-3 for cost in costs) == 1:
        close(found.value, reference.smea(H, f))


@given(rows_and_f(), st.data())
@many
def test_monna(data, more):
    G, f = data
    pivot = more.draw(st.integers(0, len(G) - 1))
    close(agg.monna(G, f, pivot), reference.monna(G.astype(float), f, pivot), 1e-13)


@given(rows_and_f())
@many
def test_nearest_neighbour_mixing(data):
    G, f = data
    close(agg.nnm(G, f), reference.nnm(G.astype(float), f), 1e-13)
    close(agg.nnm(G), reference.nnm(G.astype(float), (len(G) - 1) // 2), 1e-13)


@given(rows_and_f(), st.sampled_from([0.5, 2.0, 5.0]))
@many
def test_clippings(data, radius):
    """2 and 5 are lengths of rows, too."""
    G, f = data
    H = G.astype(float)
    close(agg.clipping(G, radius), reference.clipping(H, radius))
    close(agg.clipping(G), reference.clipping(H, np.median(np.linalg.norm(H, axis=1))))
    close(agg.arc(G, f), reference.arc(H, f))
    close((agg.ARC(f) >> agg.Mean())(G), reference.arc(H, f).mean(axis=0))


@given(rows(), st.sampled_from([None, 0.5, 2.0]), st.integers(1, 4), st.booleans())
@many
def test_centered_clipping(G, radius, n_steps, far):
    """The median distance from a centre that is a row has half the digits: it is a root of rounding."""
    start = G[0] + (7 if far else 0)
    for begin in (None, start):
        origin = np.zeros(G.shape[1]) if begin is None else begin.astype(float)
        expected = reference.centered_clipping(G.astype(float), radius, n_steps, origin)
        close(agg.centered_clipping(G, radius, n_steps, start=begin), expected, 1e-6)


@given(rows())
@many
def test_geometric_median(G):
    found = agg.geometric_median(G, smoothing=0.1, tol=0.0, max_iter=60)
    close(found, reference.geometric_median(G.astype(float), 0.1, 60), 1e-9)


@given(rows(), st.integers(0, 2**31))
@many
def test_no_point_has_less_distance_than_the_geometric_median(G, seed):
    H = G.astype(float)
    found = agg.geometric_median(H, full=True)
    assume(found.details["converged"])

    def total(z):
        return np.linalg.norm(H - z, axis=1).sum()

    scale = np.median(reference.distances(H))
    slack = 1e-4 * (1.0 + scale) * len(H)
    for row in H:
        assert total(found.value) <= total(row) + slack
    for step in np.random.default_rng(seed).normal(size=(20, H.shape[1])):
        assert total(found.value) <= total(found.value + 0.1 * step) + slack


def filtered(G, f):
    """The means that CAF goes through, their eigenvalues, and how far it is from any other choice."""
    p = len(G)
    w, means, values, margin = np.ones(p), [], [], np.inf
    while f > 0 and w.sum() > p - 2 * f:
        margin = min(margin, w.sum() - (p - 2 * f))
        mean = w @ G / w.sum()
        covariance = sum(w[i] * np.outer(G[i] - mean, G[i] - mean) for i in range(p)) / w.sum()
        eigenvalues, vectors = np.linalg.eigh(covariance)
        means.append(mean)
        values.append(eigenvalues[-1])
        if eigenvalues[-1] < 1e-9 * max(1.0, values[0]):
            break  # what still counts is one row, and its copies
        if len(eigenvalues) > 1:
            margin = min(margin, 1.0 - eigenvalues[-2] / eigenvalues[-1])
        outlying = np.where(w > 0, ((G - mean) @ vectors[:, -1]) ** 2, 0.0)
        w = np.where(outlying > (1 - 1e-10) * outlying.max(), 0.0, w * (1 - outlying / outlying.max()))
    else:
        margin = min(margin, p - 2 * f - w.sum() if f > 0 and w.sum() != p - 2 * f else np.inf)
    return means, np.array(values), margin


@given(rows_and_f(least=3))
@settings(max_examples=200, deadline=None)
def test_caf(data):
    """Whatever the choice among main directions and among means as good as each other."""
    G, f = data
    H = G.astype(float)
    found = agg.caf(G, f, full=True)
    assert (found.weights >= 0).all()
    assert abs(found.weights.sum() - 1.0) < 1e-12
    mean = found.weights @ H
    close(found.value, mean)
    spread = np.sqrt(found.weights)[:, None] * (H - mean)
    uniform = spread_of(H) / len(H) ** 0.5
    assert np.linalg.norm(spread, 2) <= uniform * (1 + 1e-9) + 1e-9
    if f == 0:
        close(found.value, H.mean(axis=0))
        return
    means, values, margin = filtered(H, f)
    if margin > 1e-6:
        assert np.linalg.norm(spread, 2) ** 2 <= values.min() * (1 + 1e-6) + 1e-6
        best = np.flatnonzero(values < values.min() + 1e-6 * max(1.0, values.min()))
        if len(best) == 1:
            close(found.value, means[best[0]], 1e-6)
            close(found.value, reference.caf(H, f), 1e-6)


@pytest.mark.parametrize("n_copies", [2, 3, 4])
def test_caf_drops_equally_far_rows_at_once(n_copies):
    """Rounding would leave some of them a weight of 1e-16, and an iteration of their own."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        G = rng.normal(size=(13, 5))
        G[rng.permutation(13)[:n_copies]] = 50 * rng.normal(size=5)
        found = agg.caf(G, 4, full=True)
        close(found.value, reference.caf(G, 4), 1e-8)
        assert len(found.details["eigenvalues"]) == len(filtered(G, 4)[1])


@given(rows_and_f(least=3))
@many
def test_dnc(data):
    """Of rows as far out to rounding any may be dropped."""
    G, f = data
    H = G.astype(float)
    found = agg.dnc(G, f, full=True)
    selected = found.details["selected"]
    assert len(selected) == len(G) - f
    close(found.value, H[selected].mean(axis=0))
    centred = H - H.mean(axis=0)
    _, sizes, directions = np.linalg.svd(centred)
    assume(len(sizes) == 1 or sizes[0] - sizes[1] > 1e-3)  # else the direction is any
    outlying = (centred @ directions[0]) ** 2
    assert outlying[selected].sum() <= np.sort(outlying)[: len(G) - f].sum() + 1e-6 * (1 + sizes[0] ** 2)


@given(st.integers(3, 9), st.integers(5, 12), st.integers(1, 4), st.integers(0, 2**31))
@many
def test_dnc_of_some_coordinates(p, d, n_iter, seed):
    """What is kept in all iterations, or else in the last; continuous numbers, so that nothing is a tie."""
    G = np.random.default_rng(seed).normal(size=(p, d))
    f = (p - 1) // 2
    kept, last = set(range(p)), np.arange(p)
    for i in range(n_iter):
        which = random.distinct_integers(4, d, seed, streams.COORDINATES, 3 * 2**12 + i)
        part = G[:, which] - G[:, which].mean(axis=0)
        _, sizes, directions = np.linalg.svd(part)
        assume(sizes[0] - sizes[1] > 1e-6)
        last = np.argsort((part @ directions[0]) ** 2)[: p - f]
        kept &= set(last)
    expected = G[sorted(kept)] if kept else G[last]
    rule = agg.DnC(f, n_iter, 4, key=seed)
    close(rule(G, step=3), expected.mean(axis=0))


@given(rows())
@many
def test_foolsgold(G):
    found = agg.foolsgold(G, full=True)
    scores = reference.foolsgold(G.astype(float))
    close(found.details["scores"], scores, 1e-5 if G.dtype == np.float32 else 1e-8)
    total = scores.sum()
    expected = scores @ G / total if total > 0 else np.zeros(G.shape[1])
    close(found.value, expected, 1e-5 if G.dtype == np.float32 else 1e-8)
