"""Gossip against dense products: rounds of mixing, what is refused, and the Mixer."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from threadpoolctl import threadpool_limits

from gossamer import graphs
from gossamer.kernels import gossip
from gossamer.kernels.gossip import reference, rounds

FORMATS = ["bsr", "coo", "csc", "csr", "dia", "dok", "lil"]
RTOL = {np.dtype(np.float64): 1e-12, np.dtype(np.float32): 2e-6}
GRAPHS = {
    "one node": graphs.Graph(1, np.empty((0, 2), int)),
    "pair": graphs.path(2),
    "ring": graphs.cycle(7),
    "torus": graphs.torus_2d(4, 5),
    "bipartite": graphs.hypercube(3),
    "star": graphs.star(23),
    "complete": graphs.complete(40),
    "two parts": graphs.Graph(5, [[0, 1], [2, 3], [3, 4]]),
}


def assert_close(actual, expected, dtype=np.float64, scale=1.0):
    assert actual.dtype == dtype
    np.testing.assert_allclose(actual, expected, rtol=0, atol=RTOL[np.dtype(dtype)] * scale)


def rows(n, d, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(dtype)


@st.composite
def doubly_stochastic(draw, max_nodes=24):
    """A random mean of permutations: asymmetric, with rows of one to ten entries and many zeros."""
    n = draw(st.integers(1, max_nodes))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shares = rng.dirichlet(np.ones(draw(st.integers(1, 20))))
    W = np.zeros((n, n))
    for share in shares:
        W[np.arange(n), rng.permutation(n)] += share
    return W


# mix


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("d", [1, 3, 64, 1000])
@pytest.mark.parametrize("name", GRAPHS)
def test_mix_is_the_power_of_the_matrix(name, d, dtype):
    W = graphs.mixing_matrix(GRAPHS[name])
    mixer, X = gossip.Mixer(W), rows(W.shape[0], d, dtype=dtype)
    for steps in (0, 1, 2, 7):
        expected = np.linalg.matrix_power(W.toarray(), steps) @ X.astype(float)
        actual = gossip.mix(mixer, X, steps)
        assert actual.shape == X.shape
        assert actual.flags.c_contiguous
        assert_close(actual, expected, dtype, 10)
        assert_close(reference.mix(W.toarray(), X, steps), expected, dtype, 10)


@given(doubly_stochastic(), st.integers(1, 40), st.integers(0, 5), st.sampled_from([np.float64, np.float32]))
@settings(max_examples=80, deadline=None)
def test_mix_of_any_matrix(W, d, steps, dtype):
    X = rows(len(W), d, dtype=dtype)
    actual = gossip.mix(W, X, steps)
    assert_close(actual, reference.mix(W, X, steps), dtype, 10)
    assert_close(actual.mean(axis=0), X.mean(axis=0), dtype, 10)


@pytest.mark.parametrize("degree", range(1, 27))
def test_rows_of_any_number_of_entries(degree):
    """Each number of rows that are taken in one pass, alone and followed by passes of eight."""
    n, d = 80, 5
    rng = np.random.default_rng(degree)
    shifts, weights = rng.permutation(n)[:degree], rng.dirichlet(np.ones(degree))
    W = sum(w * np.roll(np.eye(n), s, axis=1) for s, w in zip(shifts, weights, strict=True))
    X, mixer = rows(n, d), gossip.Mixer(W)
    assert len(mixer.indices) == n * degree
    result = np.full((n, d), np.nan)
    rounds._mix_rows(mixer, X, 1, result)
    assert_close(result, W @ X, scale=10)


def test_both_ways_of_a_product_are_taken_and_agree():
    g = graphs.complete(50)
    W, X = gossip.Mixer(graphs.mixing_matrix(g)), rows(50, 30)
    assert rounds._is_dense(W, X)
    assert not rounds._is_dense(gossip.Mixer(graphs.mixing_matrix(graphs.cycle(50))), X)
    by_rows = np.empty_like(X)
    rounds._mix_rows(W, X, 3, by_rows)
    assert_close(gossip.mix(W, X, 3), by_rows)
    factors = rounds.semi_iteration(-0.5, 0.5, 4)
    rounds._combine_rows(W, X, factors, by_rows)
    assert_close(gossip.chebyshev_mix(W, X, 4, spectrum=(-0.5, 0.5)), by_rows)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("kind", ["metropolis", "lazy_metropolis", "max_degree", "best_constant", "fdla"])
@pytest.mark.parametrize("name", ["torus", "bipartite"])
def test_matrices_of_graphs_mix_to_the_mean(name, kind, lazy):
    """But for halves that swap: those of `max_degree` on a regular bipartite graph, unless it is lazy."""
    g = GRAPHS[name]
    W, X = gossip.Mixer(graphs.mixing_matrix(g, kind, lazy=lazy)), rows(g.n_nodes, 3)
    spread = np.abs(gossip.mix(W, X, 400) - X.mean(axis=0)).max()
    if name == "bipartite" and kind == "max_degree" and not lazy:
        assert spread > 0.1
        assert W.spectrum == pytest.approx((-1.0, 1 / 3))
    else:
        assert spread < 1e-12


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("kind", ["array", "matrix"])
def test_every_sparse_format(format, kind):
    W = graphs.mixing_matrix(GRAPHS["torus"])
    X = rows(20, 4)
    other = getattr(sparse, f"{format}_{kind}")(W)
    before = other.toarray()
    assert_close(gossip.mix(other, X, 2), reference.mix(W.toarray(), X, 2))
    assert np.array_equal(other.toarray(), before)
    assert other.format == format


def test_other_kinds_of_matrices():
    identity, X = np.eye(3), rows(3, 2)
    for W in (identity.tolist(), identity.astype(int), identity.astype(bool), identity.astype(np.float16)):
        assert np.array_equal(gossip.mix(W, X), X)
    thirds = np.full((3, 3), 1 / 3, np.float32)
    assert_close(gossip.mix(thirds, X), np.broadcast_to(X.mean(axis=0), X.shape), scale=1e5)
    row, column = np.tile(np.repeat(range(3), 3), 2), np.tile(range(3), 6)
    twice = sparse.coo_array((np.full(18, 1 / 6), (row, column)), shape=(3, 3))  # every entry in two parts
    assert_close(gossip.mix(twice, X), np.broadcast_to(X.mean(axis=0), X.shape))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("function", [gossip.mix, gossip.chebyshev_mix])
@pytest.mark.parametrize("name", ["torus", "complete"])
def test_any_layout_of_rows_and_none_is_modified(name, function, dtype):
    W = graphs.mixing_matrix(GRAPHS[name])
    n, d = W.shape[0], 30
    X = rows(n, d, dtype=dtype)
    expected = function(W, X, 3)
    wide = np.zeros((2 * n, 3 * d), dtype)
    wide[::2, 1::3] = X
    bytes_ = np.zeros(X.nbytes + 1, np.uint8)
    unaligned = bytes_[1:].view(dtype).reshape(n, d)
    unaligned[:] = X
    frozen = X.copy()
    frozen.flags.writeable = False
    layouts = [np.asfortranarray(X), wide[::2, 1::3], X[::-1][::-1], frozen, unaligned]
    for layout in layouts:
        data = W.data.copy()
        assert np.array_equal(function(W, layout, 3), expected)
        assert np.array_equal(layout, X)
        assert np.array_equal(W.data, data)
    swapped = X.astype(X.dtype.newbyteorder())
    assert_close(function(W, swapped, 3).astype(dtype), expected, dtype, 10)


def test_lists_integers_and_empty_rows():
    W = np.full((2, 2), 0.5)
    assert gossip.mix(W, [[1], [2]]).tolist() == [[1.5], [1.5]]
    for dtype in (np.int32, bool, np.float16):
        assert gossip.mix(W, np.eye(2, dtype=dtype)).dtype == np.float64
    for function in (gossip.mix, gossip.chebyshev_mix):
        assert function(W, np.empty((2, 0)), 3).shape == (2, 0)
    result = gossip.mix(W, X := np.eye(2), 0)
    assert np.array_equal(result, X)
    assert not np.shares_memory(result, X)


@pytest.mark.parametrize("function", [gossip.mix, gossip.chebyshev_mix])
@pytest.mark.parametrize("name", ["one node", "torus", "complete"])
def test_results_go_to_out(name, function):
    W = gossip.Mixer(graphs.mixing_matrix(GRAPHS[name]))
    X = rows(W.n_nodes, 20)
    for steps in (0, 1, 2, 5):
        out = np.full_like(X, np.nan)
        assert function(W, X, steps, out=out) is out
        assert np.array_equal(out, function(W, X, steps))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("n", [30, 7])
def test_nan_and_infinity_reach_the_neighbours_only(n, bad):
    """On a graph so dense that BLAS would spread them to all."""
    W = np.full((n, n), 1 / (n - 1))
    opposite = np.arange(n)[::-1]
    W[np.arange(n), opposite] = 0.0
    X = rows(n, 50)
    X[0, 3] = bad
    for steps in (1, 2):
        result = gossip.mix(W, X, steps)
        reached = np.linalg.matrix_power(W, steps)[:, 0] != 0
        assert np.array_equal(~np.isfinite(result[:, 3]), reached)
        assert np.isfinite(np.delete(result, 3, axis=1)).all()
    if n % 2 == 0:
        assert not np.isfinite(gossip.mix(W, X)[:-1, 3]).any()
        assert np.isfinite(gossip.mix(W, X)[-1, 3])
    result = gossip.chebyshev_mix(W, X, 1, spectrum=(-0.5, 0.5))
    assert np.array_equal(np.isfinite(result[:, 3]), W[:, 0] == 0)


def test_large_finite_numbers_pass():
    """Their sum overflows, they do not."""
    X = np.full((50, 20), 1e308)
    assert_close(gossip.mix(np.full((50, 50), 0.02), X, 2) / 1e308, np.ones_like(X))


@pytest.mark.parametrize("name", ["torus", "complete"])
@pytest.mark.parametrize("function", [gossip.mix, gossip.chebyshev_mix])
def test_the_same_bits_from_any_number_of_threads(name, function):
    W = gossip.Mixer(graphs.mixing_matrix(GRAPHS[name]))
    X = rows(W.n_nodes, 333)
    with threadpool_limits(1):
        expected = function(W, X, 5)
    with threadpool_limits(2):
        assert np.array_equal(function(W, X, 5), expected)
    fresh = gossip.Mixer(graphs.mixing_matrix(GRAPHS[name]))  # what it keeps is computed by several threads
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(lambda _: function(fresh, X, 5), range(16)):
            assert np.array_equal(result, expected)


# what is refused


def almost(n=4, **entries):
    W = np.full((n, n), 1 / n)
    for place, value in entries.items():
        W[int(place[1]), int(place[2])] = value
    return W


@pytest.mark.parametrize(
    ("W", "error", "message"),
    [
        (almost(w12=0.5), ValueError, r"rows of W must sum to 1.*row 1 sums to 1\.25: set the diagonal"),
        (almost(w12=np.nan), ValueError, r"finite, but W\[1, 2\] is nan"),
        (almost(w30=-np.inf), ValueError, r"finite, but W\[3, 0\] is -inf"),
        ([[1, 0], [1, 0]], ValueError, r"columns of W must sum to 1.*column 0 sums to 2: give both"),
        (np.ones((2, 3)) / 3, ValueError, r"square matrix.*got shape \(2, 3\)"),
        (np.ones(4), ValueError, r"square matrix.*got shape \(4,\)"),
        (np.ones((0, 0)), ValueError, r"square matrix.*got shape \(0, 0\)"),
        (sparse.coo_array(np.ones(3)), ValueError, "square matrix"),
        (np.eye(2) + 0j, TypeError, "real numbers, got dtype complex128"),
        (sparse.csr_array(np.eye(2) + 0j), TypeError, "real numbers, got dtype complex128"),
        ([["a"]], TypeError, "real numbers, got dtype <U1"),
        (None, ValueError, r"square matrix.*got NoneType; see"),
        (graphs.cycle(4), ValueError, r"square matrix.*got Graph; see gossamer\.graphs\.mixing_matrix"),
        ([[1, 0], [1]], ValueError, "W must be a rectangular array"),
        ("W", ValueError, "square matrix"),
        (sparse.csr_array((3, 3)), ValueError, "row 0 sums to 0"),
        (1e-7 + np.eye(3), ValueError, r"row \d sums to 1\.0000003"),
        ((1e-4 + np.eye(3)).astype(np.float32), ValueError, r"row \d sums to 1\.000"),
    ],
)
def test_matrices_that_do_not_mix_are_refused(W, error, message):
    forms = [W, sparse.coo_array(W)] if isinstance(W, np.ndarray) and W.ndim == 2 and W.size else [W]
    for form in forms:
        with pytest.raises(error, match=message):
            gossip.mix(form, np.ones((4, 1)))


def test_rows_that_do_not_fit_are_refused():
    W = np.full((2, 2), 0.5)
    for function in (gossip.mix, gossip.chebyshev_mix):
        with pytest.raises(ValueError, match=r"X must have.* 2 nodes of W, got shape \(3, 1\)"):
            function(W, np.ones((3, 1)), 1)
        with pytest.raises(ValueError, match=r"X must have shape .*got shape \(2,\)"):
            function(W, np.ones(2), 1)
        with pytest.raises(TypeError, match="X must be an array of real numbers"):
            function(W, np.ones((2, 1), complex), 1)
        with pytest.raises(ValueError, match="steps must be at least 0, got -1"):
            function(W, np.ones((2, 1)), -1)
        with pytest.raises(TypeError, match=r"steps must be an integer, got 1\.5"):
            function(W, np.ones((2, 1)), 1.5)


def test_outputs_that_do_not_fit_are_refused():
    W, X = np.full((4, 4), 0.25), np.ones((4, 2))
    frozen = np.ones((4, 2))
    frozen.flags.writeable = False
    for out, error, message in [
        (X, ValueError, "out must not overlap X"),
        (np.ones((4, 3)), ValueError, r"shape \(4, 2\) and dtype float64"),
        (np.ones((4, 2), np.float32), ValueError, "dtype float64, got"),
        (np.ones((4, 2), order="F"), ValueError, "C-contiguous"),
        (frozen, ValueError, "writable"),
        ([[0, 0]] * 4, TypeError, "got list"),
        (np.ones((4, 2), int), TypeError, "got dtype int64"),
    ]:
        with pytest.raises(error, match=message):
            gossip.mix(W, X, out=out)
        with pytest.raises(error, match=message):
            gossip.chebyshev_mix(W, X, 2, out=out)


# Mixer


def test_a_mixer_keeps_its_own_copy():
    W = graphs.mixing_matrix(graphs.cycle(5))
    mixer, X = gossip.Mixer(W), rows(5, 3)
    expected = gossip.mix(mixer, X)
    W.data[:] = np.nan
    assert np.array_equal(gossip.mix(mixer, X), expected)
    for array in (mixer.indptr, mixer.indices, mixer.weights(np.float64), mixer.dense("f4")):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    assert repr(mixer) == "Mixer(5 nodes, 15 entries)"


def test_a_mixer_is_pickled():
    mixer, X = gossip.Mixer(graphs.mixing_matrix(graphs.cycle(5))), rows(5, 3)
    expected = gossip.chebyshev_mix(mixer, X, 3)
    assert np.array_equal(gossip.chebyshev_mix(pickle.loads(pickle.dumps(mixer)), X, 3), expected)


def test_zeros_are_no_neighbours():
    mixer = gossip.Mixer(sparse.csr_array(([1.0, 0.0, 1.0], ([0, 0, 1], [0, 1, 1])), shape=(2, 2)))
    assert len(mixer.indices) == 2
    assert np.isnan(gossip.mix(mixer, [[1.0], [np.nan]])).ravel().tolist() == [False, True]


def test_the_forms_of_a_mixer():
    W = graphs.mixing_matrix(GRAPHS["star"])
    mixer = gossip.Mixer(W)
    for dtype in (np.float64, np.float32):
        assert np.array_equal(mixer.dense(dtype), W.toarray().astype(dtype))
        again = sparse.csr_array(
            (mixer.weights(dtype), mixer.indices, mixer.indptr.astype(int)), shape=W.shape
        )
        assert np.array_equal(again.toarray(), mixer.dense(dtype))
