"""The CUDA kernels of `aggregation` against NumPy and the compiled CPU kernels."""

import numpy as np
import nvrtc
import pytest

from gossamer.kernels import aggregation
from gossamer.kernels.aggregation import engine, gpu
from gossamer.kernels.aggregation.rows import as_rows

DTYPES = [np.dtype(np.float32), np.dtype(np.float64)]
SHAPES = [(1, 1), (2, 5), (3, 300), (4, 257), (15, 2049), (17, 4500), (60, 130), (93, 40)]
TIGHT = {np.dtype(np.float32): 2e-6, np.dtype(np.float64): 1e-13}


def matrix(p, d, dtype, seed=0):
    return np.random.default_rng(seed).normal(size=(p, d)).astype(dtype)


@pytest.fixture
def kernels(cuda):
    """Function that makes the kernels for a type, and what copies arrays to them and back."""

    def make(dtype):
        backend = cuda(gpu.SOURCE, options=gpu.OPTIONS[dtype])
        return gpu.AggregationKernels(backend, dtype), backend

    return make


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("p", "d"), SHAPES)
def test_gram_and_norms(kernels, p, d, dtype):
    made, backend = kernels(dtype)
    X = matrix(p, d, dtype)
    chosen = np.arange(p)[:: 2 if p > 5 else 1]
    G = backend.asarray(X)
    for centre in (None, X[-1:]):
        Y = (X if centre is None else X - centre)[chosen].astype(float)
        where = None if centre is None else backend.asarray(centre)
        K = made.gram(G, chosen, where)
        assert np.array_equal(K, K.T)
        np.testing.assert_allclose(K, Y @ Y.T, atol=TIGHT[dtype] * d, rtol=0)
        np.testing.assert_allclose(made.squared_norms(G, chosen, where), (Y**2).sum(1), rtol=TIGHT[dtype])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("p", "d"), SHAPES)
def test_weighted_sums(kernels, p, d, dtype):
    made, backend = kernels(dtype)
    X = matrix(p, d, dtype)
    chosen = np.arange(p)[::-1]
    weights = np.linspace(-1.0, 2.0, p)
    out = backend.asarray(np.full(d, 77, dtype))
    assert made.combine(backend.asarray(X), chosen, weights, out)
    expected = weights @ X[chosen].astype(float)
    np.testing.assert_allclose(backend.asnumpy(out), expected, atol=TIGHT[dtype] * p, rtol=0)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("p", "d"), SHAPES)
@pytest.mark.parametrize("kind", ["median", "trimmed", "near", "few"])
def test_order_statistics_are_those_of_the_cpu(kernels, p, d, dtype, kind):
    made, backend = kernels(dtype)
    X = np.round(matrix(p, d, dtype) * 3) / 3  # with ties
    middle, f = ((p - 1) // 2, p // 2 + 1), (p - 1) // 3
    ranks, near = {
        "median": (middle, 0),
        "trimmed": ((f, p - f), 0),
        "near": (middle, p - f),
        "few": (middle, max(1, p // 4)),
    }[kind]
    out = backend.asarray(np.full(d, 77, dtype))
    assert made.order_statistics(backend.asarray(X), np.arange(p), None, ranks, near, out)
    expected, finite = engine.order_statistics(as_rows(X), np.arange(p), None, ranks, near)
    assert finite
    assert np.array_equal(backend.asnumpy(out), expected)  # a zero may have either sign


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_rows_are_mixed_before_they_are_sorted(kernels, dtype):
    made, backend = kernels(dtype)
    X, M = matrix(6, 400, dtype), np.random.default_rng(1).dirichlet(np.ones(6), 4)
    out = backend.asarray(np.zeros(400, dtype))
    assert made.order_statistics(backend.asarray(X), np.arange(6), M, (1, 3), 0, out)
    expected = np.median(M @ X.astype(float), axis=0)
    np.testing.assert_allclose(backend.asnumpy(out), expected, atol=5 * TIGHT[dtype])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite_are_found(kernels, dtype, value):
    made, backend = kernels(dtype)
    X = matrix(5, 700, dtype)
    out = backend.asarray(np.zeros(700, dtype))
    assert not made.bad_rows(backend.asarray(X)).any()
    X[3, 699] = value
    G = backend.asarray(X)
    assert made.bad_rows(G).tolist() == [False, False, False, True, False]
    assert not np.isfinite(made.squared_norms(G, np.arange(5))[3])
    assert np.isfinite(np.delete(made.gram(G, np.arange(5)).diagonal(), 3)).all()
    assert not made.combine(G, np.arange(5), np.ones(5), out)
    assert made.combine(G, np.array([0, 4]), np.ones(2), out)
    assert not made.order_statistics(G, np.arange(5), None, (2, 3), 0, out)
    assert made.order_statistics(G, np.array([0, 1, 2]), None, (1, 2), 0, out)


def test_more_rows_than_shared_memory_holds_are_refused(kernels):
    made, backend = kernels(np.dtype(np.float64))
    G = backend.asarray(np.ones((200, 3)))
    with pytest.raises(ValueError, match="at most 192 rows, got 200"):
        made.order_statistics(G, np.arange(200), None, (99, 101), 0, backend.asarray(np.zeros(3)))
    many = np.zeros(4000, int)
    with pytest.raises(ValueError, match="at most 3072 rows, got 4000"):
        made.gram(G, many)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_arguments_besides_the_rows_are_on_their_device(cupy, dtype):
    """The start of centered clipping and the histories of FoolsGold, and nothing else there is."""
    X, start = matrix(5, 700, dtype), matrix(1, 700, dtype, seed=1)[0]
    G, there = cupy.asarray(X), cupy.asarray(start)
    for rule in (aggregation.CenteredClipping(1.0), aggregation.CenteredClipping(n_steps=3)):
        found = rule(G, start=there)
        assert isinstance(found, cupy.ndarray)
        np.testing.assert_allclose(cupy.asnumpy(found), rule(X, start=start), atol=10 * TIGHT[dtype])
        with pytest.raises(TypeError, match="one device, got G on CUDA device 0, start on the CPU"):
            rule(G, start=start)
        with pytest.raises(TypeError, match="one device, got G on the CPU, start on CUDA device 0"):
            rule(X, start=there)
        with pytest.raises(ValueError, match="start must be finite"):
            rule(G, start=cupy.asarray(start * dtype.type(np.nan)))
    past = matrix(5, 90, dtype, seed=2)
    found = aggregation.foolsgold(G, cupy.asarray(past))
    np.testing.assert_allclose(cupy.asnumpy(found), aggregation.foolsgold(X, past), atol=1e3 * TIGHT[dtype])
    with pytest.raises(TypeError, match="one device, got G on CUDA device 0, history on the CPU"):
        aggregation.foolsgold(G, past)
    assert np.array_equal(cupy.asnumpy(G), X)
    assert np.array_equal(cupy.asnumpy(there), start)


@pytest.mark.skipif(
    nvrtc.unavailable() is not None, reason=f"{nvrtc.unavailable()}; `make gpu-check` installs it"
)
@pytest.mark.parametrize("architecture", nvrtc.ARCHITECTURES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_kernels_of_both_types_compile_without_spills(dtype, architecture):
    for name, use in nvrtc.compile_kernels(gpu.SOURCE, architecture, gpu.OPTIONS[dtype]).items():
        assert use.spilled == 0, name
        assert use.registers * 256 <= 65536, name


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_rules_on_the_device(cupy, dtype):
    X = matrix(15, 5000, dtype) + 1
    X[2, 17] = np.nan
    G = cupy.asarray(X)
    layers = [[cupy.asarray(row[:700]), cupy.asarray(row[700:].reshape(43, 100))] for row in X]
    rules = [
        aggregation.Mean(),
        aggregation.CoordinateMedian(),
        aggregation.Phocas(3),
        aggregation.Bulyan(3),
        aggregation.MultiKrum(3),
        aggregation.GeometricMedian(),
        aggregation.CenteredClipping(n_steps=2),
        aggregation.CAF(3),
        aggregation.MoNNA(3, 14),
        aggregation.NNM(3) >> aggregation.MoNNA(3, 14),
        aggregation.DnC(3, n_coordinates=100),
        aggregation.NNM() >> aggregation.Flag(),
        aggregation.NNM(3) >> aggregation.TrimmedMean(2),
    ]
    for rule in rules:
        found = rule(G, full=True)
        expected = rule(X, full=True)
        assert found.excluded.tolist() == [2]
        assert isinstance(found.value, cupy.ndarray)
        np.testing.assert_allclose(cupy.asnumpy(found.value), expected.value, atol=100 * TIGHT[dtype])
        parts = rule(layers, full=True).value
        assert [part.shape for part in parts] == [(700,), (43, 100)]
        whole = np.concatenate([cupy.asnumpy(part).ravel() for part in parts])
        np.testing.assert_allclose(whole, expected.value, atol=100 * TIGHT[dtype])
    with pytest.raises(ValueError, match="row 2 of G, the pivot, must be finite"):
        aggregation.monna(G, 3, 2)
    made = aggregation.nnm(G, 3, full=True)
    assert isinstance(made.value, cupy.ndarray)
    expected = aggregation.nnm(X, 3, full=True).value
    np.testing.assert_allclose(cupy.asnumpy(made.value), expected, atol=100 * TIGHT[dtype])
    with pytest.raises(TypeError, match="one device"):
        aggregation.Mean()([G[0], X[1]])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_large_common_part_on_the_device(cupy, dtype):
    """The Gram matrix is made anew about one of the rows."""
    common = 100.0 if dtype == np.float32 else 1e6
    X = matrix(9, 700, dtype) + dtype.type(common)
    for rule in (aggregation.CAF(2), aggregation.MultiKrum(2), aggregation.GeometricMedian()):
        found, expected = rule(cupy.asarray(X), full=True), rule(X, full=True)
        np.testing.assert_allclose(found.weights, expected.weights, atol=1e3 * TIGHT[dtype])
        exact = rule(X.astype(float) - common, full=True)
        np.testing.assert_allclose(found.weights, exact.weights, atol=1e-4)
