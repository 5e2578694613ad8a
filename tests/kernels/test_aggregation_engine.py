"""Gram matrices, weighted sums and order statistics of rows, and the forms in which rows come."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossamer.kernels import aggregation
from gossamer.kernels.aggregation import engine, networks, reference
from gossamer.kernels.aggregation.rows import as_rows

DTYPES = [np.dtype(np.float32), np.dtype(np.float64)]
TIGHT = {np.dtype(np.float32): 1e-6, np.dtype(np.float64): 1e-14}


def matrix(p, d, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).normal(size=(p, d)).astype(dtype)


# networks


@pytest.mark.parametrize("n", range(1, 14))
def test_comparators_sort_all_zeros_and_ones(n):
    """The zero-one principle: a network that sorts those sorts everything."""
    columns = np.array(list(itertools.product((0, 1), repeat=n))).T.copy()
    for i, j in networks.comparators(n):
        columns[[i, j]] = np.minimum(columns[i], columns[j]), np.maximum(columns[i], columns[j])
    assert (np.diff(columns, axis=0) >= 0).all()


@pytest.mark.parametrize("n", [1, 2, 5, 9, 13])
def test_pruned_networks_bring_the_wanted_ranks(n):
    columns = np.array(list(itertools.product((0, 1), repeat=n))).T
    for first in range(n):
        for last in range(first + 1, n + 1):
            found = columns.copy()
            for i, j in networks.exchanges(n, first, last):
                found[[i, j]] = np.minimum(found[i], found[j]), np.maximum(found[i], found[j])
            assert np.array_equal(found[first:last], np.sort(columns, axis=0)[first:last])


@pytest.mark.parametrize("n", range(1, 18))
def test_columns_of_zeros_and_ones_are_sorted(n):
    """Merges of groups of four, all ranks one by one and all intervals from the bottom."""
    if n <= 12:
        columns = np.array(list(itertools.product((0.0, 1.0), repeat=n))).T.copy()
    else:
        columns = np.random.default_rng(n).integers(0, 2, (n, 5000)).astype(float)
    rows, ordered = as_rows(columns), np.sort(columns, axis=0)
    for first, last in [(k, k + 1) for k in range(n)] + [(0, k) for k in range(1, n + 1)]:
        found, _ = engine.order_statistics(rows, np.arange(n), None, (first, last), 0)
        np.testing.assert_allclose(found, ordered[first:last].mean(axis=0), rtol=1e-14)


# Gram matrices


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("p", [*range(1, 18), 60])
def test_gram_is_the_product(p, dtype):
    X = matrix(p, 5000, dtype)
    K = engine.gram(as_rows(X), np.arange(p))
    assert np.array_equal(K, K.T)
    np.testing.assert_allclose(K, X.astype(float) @ X.T.astype(float), atol=1500 * TIGHT[dtype], rtol=0)
    np.testing.assert_allclose(
        engine.squared_norms(as_rows(X), np.arange(p)), K.diagonal(), rtol=TIGHT[dtype]
    )


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("d", [1, 3, 63, 64, 65, 1000, 9999])
def test_blocks_of_any_length_give_the_same(d, dtype):
    X = matrix(7, d, dtype)
    rows, everyone = as_rows(X), np.arange(7)
    K = engine.gram(rows, everyone, block=d)
    middle = engine.order_statistics(rows, everyone, None, (2, 5), 4)[0]
    for block in (1, 5, 64, 4096, 100_000):
        np.testing.assert_allclose(
            engine.gram(rows, everyone, block=block), K, atol=TIGHT[dtype] * K.max(), rtol=0
        )
        again = engine.order_statistics(rows, everyone, None, (2, 5), 4, block=block)[0]
        assert np.array_equal(again, middle)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("p", [7, 30])
def test_gram_does_not_depend_on_where_the_rows_lie(p, dtype):
    """Rows 4096 bytes apart are copied if they are many, others not; the bits are the same."""
    d = 4096 // np.dtype(dtype).itemsize
    X = matrix(p, d, dtype)
    shifted = np.empty(p * (d + 5) + 1, dtype)[1:].reshape(p, d + 5)[:, :d]
    shifted[:] = X
    everyone = np.arange(p)
    K = engine.gram(as_rows(X), everyone)
    for rows in (shifted, [row.copy() for row in X], X[::-1].copy()[::-1]):
        assert np.array_equal(engine.gram(as_rows(rows), everyone), K)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("d", [1, 37, 5000])
def test_equal_rows_are_at_distance_zero(d, dtype):
    """To the last bit, whichever tile of K a pair is in."""
    X = np.tile(matrix(1, d, dtype), (23, 1))
    K = engine.gram(as_rows(X), np.arange(23))
    assert np.unique(K).size == 1


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("column", [0, 700, 3000])
def test_rows_that_are_not_finite_spoil_no_others(column, bad, dtype):
    """Column 3000 is among the last ones, which fill no line of a cache."""
    X = matrix(13, 3001, dtype)
    K = engine.gram(as_rows(X), np.arange(13))
    X[6, column] = bad
    spoilt = engine.gram(as_rows(X), np.arange(13))
    others = np.arange(13) != 6
    assert np.array_equal(spoilt[np.ix_(others, others)], K[np.ix_(others, others)])
    assert not np.isfinite(spoilt[6]).any()
    assert not np.isfinite(spoilt[:, 6]).any()


def test_float32_sums_do_not_drift():
    """A million products of one sign: plain float32 sums would be off by 1e-3 and more."""
    X = np.random.default_rng(0).random((2, 1_000_000), np.float32)
    K = engine.gram(as_rows(X), np.arange(2))
    np.testing.assert_allclose(K, X.astype(float) @ X.T.astype(float), rtol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_gram_about_a_centre(dtype):
    X = matrix(6, 3000, dtype) + 5
    rows = as_rows(X)
    Y = X[[0, 2, 5]].astype(float) - X[1].astype(float)
    K = engine.gram(rows, np.array([0, 2, 5]), engine.row(rows, 1))
    np.testing.assert_allclose(K, Y @ Y.T, atol=3000 * TIGHT[dtype])
    norms = engine.squared_norms(rows, np.array([0, 2, 5]), engine.row(rows, 1))
    np.testing.assert_allclose(norms, K.diagonal(), rtol=TIGHT[dtype] * 3)


def test_layers_add_up():
    X = matrix(9, 4000)
    layers = as_rows([[row[:1], row[1:2500].reshape(3, 833), row[2500:]] for row in X])
    whole = as_rows(X)
    everyone = np.arange(9)
    K = engine.gram(whole, everyone)
    np.testing.assert_allclose(engine.gram(layers, everyone), K, atol=1e-12 * K.max(), rtol=0)
    weights = np.linspace(-1, 1, 9)
    assert np.array_equal(engine.combine(layers, weights)[0], engine.combine(whole, weights)[0])
    which = np.array([0, 1, 2, 2499, 2500, 3999])
    assert np.array_equal(engine.columns(layers, np.array([8, 3]), which), X[[8, 3]][:, which])


def test_equal_rows_have_equal_products():
    for dtype in DTYPES:
        for p in (2, 5, 15):
            X = matrix(p, 4567, dtype)
            X[p - 1] = X[0]
            K = engine.gram(as_rows(X), np.arange(p))
            assert np.array_equal(K[0], K[p - 1])


# weighted sums and order statistics


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("p", [*range(1, 12), 60])
def test_weighted_sums(p, dtype):
    X, weights = matrix(p, 5001, dtype), np.linspace(-1, 2, p)
    found, finite = engine.combine(as_rows(X), weights)
    assert finite
    assert found.dtype == dtype
    np.testing.assert_allclose(found, weights @ X.astype(float), atol=p * TIGHT[dtype])


def test_rows_without_weight_are_not_read():
    X = matrix(4, 10)
    X[2] = np.nan
    found, finite = engine.combine(as_rows(X), np.array([1.0, 2.0, 0.0, 0.0]))
    assert finite
    np.testing.assert_allclose(found, X[0] + 2 * X[1])
    assert not engine.combine(as_rows(X), np.array([0.0, 0.0, 1.0, 0.0]))[1]
    assert np.array_equal(engine.combine(as_rows(X), np.zeros(4))[0], np.zeros(10))


@given(st.integers(1, 40), st.integers(1, 70), st.data())
@settings(max_examples=150, deadline=None)
def test_values_nearest_to_the_middle(p, d, data):
    dtype = data.draw(st.sampled_from(DTYPES))
    near = data.draw(st.integers(1, p))
    X = np.random.default_rng(data.draw(st.integers(0, 2**31))).integers(-4, 5, (p, d)).astype(dtype)
    found, _ = engine.order_statistics(as_rows(X), np.arange(p), None, ((p - 1) // 2, p // 2 + 1), near)
    expected = reference.mean_near(X.astype(float), np.median(X.astype(float), axis=0), near)
    np.testing.assert_allclose(found, expected, atol=5e-6 if dtype == np.float32 else 1e-14)


def test_mixed_rows_are_sorted():
    X, M = matrix(7, 3000), np.random.default_rng(1).dirichlet(np.ones(5), 6)
    chosen = np.array([6, 1, 0, 3, 4])
    found, _ = engine.order_statistics(as_rows(X), chosen, M, (1, 5), 0)
    np.testing.assert_allclose(found, reference.trimmed_mean(M @ X[chosen], 1), atol=1e-14)


# forms


class Foreign:
    """Another library's array: DLPack and nothing else."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def forms(X):
    gaps = np.zeros((len(X), 2 * X.shape[1]), X.dtype)
    gaps[:, ::2] = X
    wide = np.zeros((len(X), X.shape[1] + 3), X.dtype)
    wide[:, 1:-2] = X
    frozen = X.copy()
    frozen.flags.writeable = False
    return {
        "array": X,
        "columns first": np.asfortranarray(X),
        "every other column": gaps[:, ::2],
        "part of wider rows": wide[:, 1:-2],
        "upside down": X[::-1].copy()[::-1],
        "read-only": frozen,
        "other bytes": X.astype(X.dtype.newbyteorder()),
        "rows": list(X),
        "tuple of rows": tuple(X),
        "foreign": Foreign(X),
        "foreign rows": [Foreign(row) for row in X],
        "lists": X.tolist(),
        "list of tuples": [tuple(row) for row in X.tolist()],
    }


@pytest.mark.parametrize("form", forms(matrix(5, 12)))
def test_rows_in_any_form(form):
    X = matrix(5, 12)
    G = forms(X)[form]
    for rule in (aggregation.MultiKrum(1), aggregation.MeaMed(1), aggregation.Mean()):
        np.testing.assert_allclose(rule(G), rule(X), rtol=1e-14)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_results_have_the_form_of_a_worker(dtype):
    X = matrix(5, 24, dtype)
    for rule in (aggregation.Krum(1), aggregation.CoordinateMedian(), aggregation.CenteredClipping()):
        whole = rule(X)
        assert whole.dtype == dtype
        assert np.array_equal(rule([row.reshape(4, 6) for row in X]), whole.reshape(4, 6))
        parts = rule([(row[:3], row[3:23].reshape(4, 5), row[23:].reshape(())) for row in X])
        assert [part.shape for part in parts] == [(3,), (4, 5), ()]
        joined = np.concatenate([part.ravel() for part in parts])
        np.testing.assert_allclose(joined, whole, rtol=TIGHT[dtype] * 10)


def test_what_is_float_is_not_copied():
    for dtype in DTYPES:
        X = matrix(3, 10, dtype)
        assert as_rows(X).owners[0] is X
        assert as_rows(Foreign(X)).owners[0].ctypes.data == X.ctypes.data
        part = as_rows(X[::-1, 2:8])
        assert part.segments[0].data.tolist() == [row[2:].ctypes.data for row in X[::-1]]


def test_kinds_of_numbers():
    assert aggregation.mean([[1, 2], [3, 5]]).tolist() == [2.0, 3.5]
    assert aggregation.mean(np.array([[True], [False]])).tolist() == [0.5]
    assert aggregation.mean(np.ones((2, 3), np.float16)).dtype == np.float64
    mixture = [np.ones(2, np.float32), np.ones(2, np.float64)]
    assert aggregation.mean(mixture).dtype == np.float64


@pytest.mark.parametrize(
    ("G", "error", "match"),
    [
        (np.ones(3), ValueError, r"shape \(p, d\), got \(3,\); G\[None\] for one worker"),
        (np.ones((2, 3, 4)), ValueError, r"shape \(p, d\), got \(2, 3, 4\)"),
        (np.ones((0, 3)), ValueError, "at least one row"),
        (np.ones((3, 0)), ValueError, "at least one row and one column"),
        ([], ValueError, "at least one row"),
        ([np.ones(0), np.ones(0)], ValueError, "at least one coordinate"),
        ([np.ones(3), np.ones(4)], ValueError, r"one shape for all workers, got \(3,\) for worker 0"),
        ([[np.ones(3)], [np.ones(3), np.ones(1)]], ValueError, "as many layers"),
        ([[np.ones(3), np.ones(1)], [np.ones(3), np.ones(2)]], ValueError, "layer 1 of worker 1"),
        (np.ones((2, 2), complex), TypeError, "real numbers"),
        ([np.ones(2), np.array(["a", "b"])], TypeError, r"G\[1\] must be an array of real numbers"),
        ("rows", TypeError, "real numbers"),
        ([[1.0], [1.0, 2.0]], ValueError, "rectangular"),
        (np.ma.masked_array(np.ones((2, 2))), TypeError, "masked"),
        ([np.ma.masked_array(np.ones(2))], TypeError, "masked"),
        (None, TypeError, "real numbers"),
    ],
)
def test_what_is_no_set_of_rows_is_refused(G, error, match):
    with pytest.raises(error, match=match):
        aggregation.krum(G, 0)


# squared norms


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("d", [1, 65, 9999, 300_000])
def test_norms_and_distances_in_one_read(d, dtype):
    """As by themselves and as of NumPy; distances keep their digits far from the origin."""
    X = matrix(5, d, dtype) + dtype.type(100)
    parts = [[x[: d // 2], x[d // 2 :]] for x in X]
    exact = X.astype(np.float64)
    for rows in (as_rows(X), as_rows(parts)):
        norms, distances = engine.squared_norms_and_distances(rows, engine.row(rows, 3))
        np.testing.assert_allclose(norms, (exact**2).sum(axis=1), rtol=5 * TIGHT[dtype])
        np.testing.assert_allclose(distances, ((exact - exact[3]) ** 2).sum(axis=1), rtol=5 * TIGHT[dtype])
        assert distances[3] == 0.0


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_bad_rows_spoil_their_own_distances_alone(dtype):
    X = matrix(4, 700, dtype)
    X[1, 650], X[2, 3] = np.nan, np.inf
    rows = as_rows(X)
    norms, distances = engine.squared_norms_and_distances(rows, engine.row(rows, 0))
    assert np.isfinite(norms).tolist() == np.isfinite(distances).tolist() == [True, False, False, True]


def test_monna_tells_near_from_nearer_far_from_the_origin():
    """Rows whose distances are 1e-8 of their norms."""
    X = np.full((5, 3000), 1e4, np.float32)
    X[:, 0] += np.arange(5, dtype=np.float32)[::-1] / 256
    found = aggregation.monna(X, 2, 4, full=True)
    assert sorted(found.details["selected"]) == [2, 3, 4]


def test_rows_broadcast_or_reversed():
    X = matrix(4, 300)
    assert np.array_equal(aggregation.mean(np.broadcast_to(X[0], (9, 300))), aggregation.mean([X[0]] * 9))
    w = np.array([0.1, 0.2, 0.3, 0.4])
    np.testing.assert_allclose(engine.combine(as_rows(X[::-1]), w)[0], w @ X[::-1], atol=1e-14)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("p", [1, 2, 7, 8, 9, 15, 16, 17, 60])
def test_weighted_sums_of_any_number_of_rows(p, dtype):
    X, w = matrix(p, 20_003, dtype), np.random.default_rng(p).normal(size=p)
    value, finite = engine.combine(as_rows(X), w)
    assert finite
    np.testing.assert_allclose(value, w @ X.astype(float), atol=100 * TIGHT[dtype], rtol=0)
    layers = [[x[:7], x[7:]] for x in X]  # the same bits wherever a coordinate is
    assert np.array_equal(engine.combine(as_rows(layers), w)[0], value)
