"""Chebyshev mixing against polynomials of eigenvalues, and the spectra and rounds that it takes."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from gossamer import graphs
from gossamer.kernels import gossip
from gossamer.kernels.gossip import reference
from gossamer.kernels.gossip.spectrum import DENSE_LIMIT

RTOL = {np.dtype(np.float64): 1e-12, np.dtype(np.float32): 2e-6}
CONNECTED = {
    "one node": graphs.Graph(1, np.empty((0, 2), int)),
    "pair": graphs.path(2),
    "ring": graphs.cycle(7),
    "torus": graphs.torus_2d(4, 5),
    "bipartite": graphs.hypercube(3),
    "star": graphs.star(23),
    "complete": graphs.complete(40),
}


def assert_close(actual, expected, dtype=np.float64, scale=1.0):
    assert actual.dtype == dtype
    np.testing.assert_allclose(actual, expected, rtol=0, atol=RTOL[np.dtype(dtype)] * scale)


def rows(n, d, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(dtype)


# the spectrum


@pytest.mark.parametrize("n", [3, 8, 101, DENSE_LIMIT + 1, DENSE_LIMIT + 500])
def test_the_spectrum_of_a_ring(n):
    """1/3 + 2/3 cos(2 pi k / n), k = 1 .. n - 1."""
    a, b = gossip.Mixer(graphs.mixing_matrix(graphs.cycle(n))).spectrum
    angles = 2 * np.pi * np.array([1, n // 2]) / n
    largest, smallest = 1 / 3 + 2 / 3 * np.cos(angles)
    assert 1 - b == pytest.approx(1 - largest, rel=1e-6)
    assert smallest - 1e-5 < a < smallest + 1e-12
    if n <= DENSE_LIMIT:
        assert a == pytest.approx(smallest, abs=1e-13)


def test_the_spectrum_of_large_graphs_of_other_kinds():
    expander = graphs.random_regular(DENSE_LIMIT + 2, 8, rng=0)
    for W in (
        graphs.mixing_matrix(expander),
        graphs.mixing_matrix(expander, "best_constant"),  # with negative weights on the diagonal, perhaps
        graphs.mixing_matrix(graphs.star(DENSE_LIMIT + 1)),
        graphs.mixing_matrix(graphs.hypercube(11), "max_degree"),
    ):
        values = np.linalg.eigvalsh(W.toarray())
        a, b = gossip.Mixer(W).spectrum
        assert values[0] - 2e-3 < a < values[0] + 1e-9
        assert b == pytest.approx(values[-2], abs=1e-10)


def test_the_one_of_the_constant_vector_is_left_out_wherever_it_stands():
    assert gossip.Mixer([[1.0]]).spectrum == (0.0, 0.0)
    assert gossip.Mixer([[1.1, -0.1], [-0.1, 1.1]]).spectrum == pytest.approx((1.2, 1.2))
    n = DENSE_LIMIT + 2
    expander = graphs.mixing_matrix(graphs.random_regular(n, 8, rng=0)).toarray()
    W = 1 / n + 0.3 * (expander - np.eye(n))  # all but the 1 are below zero
    assert gossip.Mixer(W).spectrum[1] == pytest.approx(np.linalg.eigvalsh(W)[-2], abs=1e-10)


@pytest.mark.parametrize("n", [4, DENSE_LIMIT + 2])
def test_a_matrix_in_two_parts_has_no_gap(n):
    half = graphs.mixing_matrix(graphs.cycle(n // 2)) if n > 4 else np.full((2, 2), 0.5)
    W = gossip.Mixer(sparse.block_diag([half, half], format="csr"))
    assert W.spectrum[1] == pytest.approx(1.0, abs=1e-13)
    with pytest.raises(ValueError, match=r"second eigenvalue of W must be below 1.*connect all nodes"):
        gossip.chebyshev_mix(W, np.ones((n, 1)), 1)
    with pytest.raises(ValueError, match="connect all nodes"):
        gossip.chebyshev_rounds(W, 0.1)


# chebyshev_mix


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("d", [1, 3, 64])
@pytest.mark.parametrize("kind", ["metropolis", "max_degree"])
@pytest.mark.parametrize("name", CONNECTED)
def test_chebyshev_mix_is_the_polynomial_of_the_matrix(name, kind, d, dtype):
    W = graphs.mixing_matrix(CONNECTED[name], kind) if name != "one node" else sparse.csr_array([[1.0]])
    mixer, X = gossip.Mixer(W), rows(W.shape[0], d, dtype=dtype)
    for steps in (0, 1, 2, 3, 10):
        expected = reference.chebyshev_mix(W.toarray(), X.astype(float), steps, mixer.spectrum)
        assert_close(gossip.chebyshev_mix(mixer, X, steps), expected, dtype, 30)


@given(
    st.floats(-1.5, 0.9),
    st.one_of(st.just(0.0), st.floats(1e-3, 1.0)),
    st.integers(0, 12),
    st.integers(2, 15),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_any_interval(a, width, steps, n, seed):
    """On a symmetric matrix with negative weights, whose eigenvalues fill the interval."""
    b = a + width * (0.95 - a)
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(np.column_stack([np.ones(n), rng.normal(size=(n, n - 1))]))[0]
    values = np.r_[1.0, a, rng.uniform(a, b, n - 2)]
    W = (basis * values) @ basis.T
    W = (W + W.T) / 2
    X = rng.normal(size=(n, 4))
    actual = gossip.chebyshev_mix(W, X, steps, spectrum=(a, b))
    expected = reference.chebyshev_mix(W, X, steps, (a, b))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-10 / (1 - b))
    np.testing.assert_allclose(actual.mean(axis=0), X.mean(axis=0), rtol=0, atol=1e-11 / (1 - b))


@pytest.mark.parametrize("steps", [1, 10, 1000])
def test_the_average_stays(steps):
    W = gossip.Mixer(graphs.mixing_matrix(graphs.torus_2d(9, 8)))
    X = rows(72, 50) + 3.0
    for function in (gossip.mix, gossip.chebyshev_mix):
        np.testing.assert_allclose(function(W, X, steps).mean(axis=0), X.mean(axis=0), rtol=1e-13)


def disagreement(X):
    return np.linalg.norm(X - X.mean(axis=0))


@pytest.mark.parametrize("accuracy", [0.5, 1e-3, 1e-9])
@pytest.mark.parametrize(
    "g",
    [graphs.cycle(30), graphs.torus_2d(6, 5), graphs.path(12), graphs.random_regular(50, 4, rng=1)],
    ids=str,
)
def test_the_rounds_to_an_accuracy_are_enough_and_needed(g, accuracy):
    W = graphs.mixing_matrix(g)
    mixer = gossip.Mixer(W)
    K = gossip.chebyshev_rounds(mixer, accuracy)
    assert gossip.chebyshev_rounds(W, accuracy) == K
    X = rows(g.n_nodes, 20)
    assert disagreement(gossip.chebyshev_mix(mixer, X, K)) <= accuracy * disagreement(X)
    slowest = np.linalg.eigh(W.toarray())[1][:, -2:-1]
    before = disagreement(gossip.chebyshev_mix(mixer, slowest, K - 1)) / disagreement(slowest)
    assert before > accuracy
    a, b = mixer.spectrum
    s = (2 - a - b) / (b - a)
    assert before == pytest.approx(1 / math.cosh((K - 1) * math.acosh(s)), rel=1e-5)
    if accuracy < 0.01:
        assert math.log(accuracy) / math.log(max(abs(a), abs(b))) > K


def test_rounds_from_the_gap():
    """The interval is then symmetric: the contraction is 1 / T_K(1 / (1 - gap))."""
    W = graphs.mixing_matrix(graphs.cycle(40), lazy=True)
    gap = graphs.spectral_gap(W)
    K = gossip.chebyshev_rounds(gap, 1e-4)
    X = np.linalg.eigh(W.toarray())[1][:, -2:-1]
    for steps, is_enough in ((K, True), (K - 1, False)):
        left = disagreement(gossip.chebyshev_mix(W, X, steps, spectrum=(gap - 1, 1 - gap)))
        assert (left <= 1e-4) == is_enough
    assert gossip.chebyshev_rounds(W, 1e-4) < K


def test_rounds_at_the_ends():
    assert gossip.chebyshev_rounds(0.01, 1.0) == 0
    assert gossip.chebyshev_rounds(1.0, 1e-300) == 1
    assert gossip.chebyshev_rounds(np.eye(1), 1e-6) == 1
    # arccosh(1 / (1 - gap)) is about sqrt(2 gap), arccosh(1 / accuracy) about log(2 / accuracy)
    assert gossip.chebyshev_rounds(1e-14, 1e-200) == pytest.approx(np.log(2e200) / np.sqrt(2e-14), rel=1e-6)
    for gap in (0.0, -0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match="the gap must be"):
            gossip.chebyshev_rounds(gap, 0.1)
    for accuracy in (0.0, 1.1, np.nan):
        with pytest.raises(ValueError, match="accuracy must be"):
            gossip.chebyshev_rounds(0.5, accuracy)


def test_chebyshev_needs_a_symmetric_matrix():
    W = np.roll(np.eye(5), 1, axis=1) / 2 + np.eye(5) / 2
    assert_close(gossip.mix(W, np.eye(5), 3), np.linalg.matrix_power(W, 3))
    mixer = gossip.Mixer(W)
    for call in (
        lambda: gossip.chebyshev_mix(W, np.eye(5), 1),
        lambda: gossip.chebyshev_mix(mixer, np.eye(5), 1, spectrum=(-0.5, 0.5)),
        lambda: gossip.chebyshev_rounds(mixer, 0.1),
        lambda: mixer.spectrum,
    ):
        with pytest.raises(ValueError, match=r"symmetric, but W\[0, 1\] is 0\.5 and W\[1, 0\] is 0: take"):
            call()


def test_spectra_that_are_none_are_refused():
    W, X = np.full((2, 2), 0.5), np.eye(2)
    for spectrum, error, message in [
        ((0.5, -0.5), ValueError, "smallest, largest"),
        ((-1.0, 1.0), ValueError, "must be below 1"),
        ((np.nan, 0.5), ValueError, r"spectrum\[0\] must be a finite number"),
        (0.5, TypeError, "pair of numbers"),
        ((1, 2, 3), TypeError, "pair of numbers"),
        (("a", "b"), TypeError, r"spectrum\[0\] must be a number"),
    ]:
        with pytest.raises(error, match=message):
            gossip.chebyshev_mix(W, X, 1, spectrum=spectrum)
