"""The CUDA kernels of `gossip` against the compiled CPU kernels and the NumPy definition."""

import contextlib
import pickle
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse

from gossamer import graphs
from gossamer.kernels import backend, gossip
from gossamer.kernels.gossip import gpu, reference, rounds

DTYPES = [np.float64, np.float32]
COLUMNS = [1, 2, 3, 31, 255, 256, 257, 600]  # around the width of a block
GRAPHS = {
    "one node": graphs.Graph(1, np.empty((0, 2), int)),
    "pair": graphs.path(2),
    "ring": graphs.cycle(7),
    "star": graphs.star(23),
    "complete": graphs.complete(30),
    "torus": graphs.torus_2d(8, 9),
    "many rows": graphs.torus_2d(20, 30),
}


def rows(n, d, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(dtype)


def random_edges(n, m, seed=0):
    rng = np.random.default_rng(seed)
    first = rng.integers(0, n, m)
    return np.column_stack([first, (first + rng.integers(1, n, m)) % n]).astype(np.uint32)


@pytest.fixture
def kernels(cuda):
    return gpu.GossipKernels(cuda(gpu.SOURCE))


def mixed(kernels, mixer, X, steps):
    """W^steps X by the CUDA kernel, as a NumPy array."""
    result = kernels.backend.asarray(np.full_like(X, 77))
    kernels.repeat_mix(mixer, kernels.backend.asarray(X), steps, result)
    return kernels.backend.asnumpy(result)


def iterated(kernels, mixer, X, factors):
    """The semi-iteration by the CUDA kernel, as a NumPy array."""
    result = kernels.backend.asarray(np.full_like(X, 77))
    kernels.semi_iterate(mixer, kernels.backend.asarray(X), factors, result)
    return kernels.backend.asnumpy(result)


def averaged(kernels, X, edges, alpha):
    on_device = kernels.backend.asarray(X)
    kernels.pairwise_average(on_device, edges, 1.0 - alpha, alpha)
    return kernels.backend.asnumpy(on_device)


# rounds of mixing


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", GRAPHS)
def test_mix_has_the_numbers_of_the_cpu(kernels, name, dtype):
    W = graphs.mixing_matrix(GRAPHS[name])
    mixer = gossip.Mixer(W)
    for d in COLUMNS if name in ("ring", "star") else (1, 30):
        X = rows(W.shape[0], d, dtype)
        for steps in (0, 1, 2, 3):
            by_rows = np.empty_like(X)
            rounds._mix_rows(mixer, X, steps, by_rows)
            found = mixed(kernels, mixer, X, steps)
            assert found.dtype == dtype
            assert np.array_equal(found, by_rows)
            expected = reference.mix(W.toarray(), X, steps)
            np.testing.assert_allclose(found, expected, rtol=0, atol=10 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["pair", "ring", "star", "torus"])
def test_the_semi_iteration_has_the_numbers_of_the_cpu(kernels, name, dtype):
    W = graphs.mixing_matrix(GRAPHS[name])
    mixer = gossip.Mixer(W)
    spectrum = mixer.spectrum
    for d in (1, 30, 257) if name == "ring" else (5,):
        X = rows(W.shape[0], d, dtype)
        for steps in (0, 1, 2, 3, 6):
            factors = rounds.semi_iteration(*spectrum, steps)
            by_rows = np.empty_like(X)
            rounds._combine_rows(mixer, X, factors, by_rows)
            found = iterated(kernels, mixer, X, factors)
            assert found.dtype == dtype
            assert np.array_equal(found, by_rows)
            expected = reference.chebyshev_mix(W.toarray(), X.astype(float), steps, spectrum)
            np.testing.assert_allclose(found, expected, rtol=0, atol=1000 * np.finfo(dtype).eps)


def test_an_asymmetric_matrix_with_negative_weights(kernels):
    W = np.eye(9) + 0.5 * np.roll(np.eye(9), 2, axis=1) - 0.5 * np.roll(np.eye(9), 5, axis=1)
    X = rows(9, 40)
    np.testing.assert_allclose(mixed(kernels, gossip.Mixer(W), X, 2), W @ W @ X, rtol=0, atol=1e-13)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_reach_the_neighbours_only(kernels, bad):
    n = 30
    W = np.full((n, n), 1 / (n - 1))
    W[np.arange(n), np.arange(n)[::-1]] = 0.0
    mixer, X = gossip.Mixer(W), rows(n, 20)
    X[0, 3] = bad
    for found in (
        mixed(kernels, mixer, X, 1),
        iterated(kernels, mixer, X, rounds.semi_iteration(-0.5, 0.5, 1)),
    ):
        assert np.array_equal(np.isfinite(found[:, 3]), W[:, 0] == 0)
        assert np.isfinite(np.delete(found, 3, axis=1)).all()
    by_rows = np.empty_like(X)
    rounds._mix_rows(mixer, X, 2, by_rows)
    assert np.array_equal(mixed(kernels, mixer, X, 2), by_rows, equal_nan=True)


def test_no_coordinates(kernels):
    mixer, X = gossip.Mixer(np.full((2, 2), 0.5)), np.empty((2, 0))
    assert mixed(kernels, mixer, X, 2).shape == (2, 0)
    assert iterated(kernels, mixer, X, rounds.semi_iteration(-0.5, 0.5, 2)).shape == (2, 0)
    assert averaged(kernels, X, random_edges(2, 3), 0.5).shape == (2, 0)


def test_threads_take_several_entries_of_a_large_array(kernels, monkeypatch):
    monkeypatch.setattr(gpu, "MAX_GRID", 2)
    W, X = graphs.mixing_matrix(graphs.cycle(700)), rows(700, 3)
    np.testing.assert_allclose(mixed(kernels, gossip.Mixer(W), X, 1), W @ X, rtol=0, atol=1e-14)
    W, X = graphs.mixing_matrix(graphs.cycle(5)), rows(5, 1100)
    np.testing.assert_allclose(mixed(kernels, gossip.Mixer(W), X, 1), W @ X, rtol=0, atol=1e-14)
    edges = np.arange(10, dtype=np.uint32).reshape(5, 2)
    X = rows(10, 1100)
    assert np.array_equal(averaged(kernels, X, edges, 0.3), reference.pairwise_average(X, edges, 0.3))


def test_a_mixer_keeps_its_copies(kernels):
    """One a device and dtype; none of them goes into a pickle."""
    mixer, X = gossip.Mixer(graphs.mixing_matrix(graphs.cycle(5))), rows(5, 3)
    expected = mixed(kernels, mixer, X, 2)
    first, again, single = (mixer.copied_to(kernels.backend, dtype) for dtype in ("f8", "f8", "f4"))
    assert all(a is b for a, b in zip(first, again, strict=True))
    assert single[0] is first[0]
    assert single[1] is first[1]
    assert single[2].dtype == np.float32
    copied = pickle.loads(pickle.dumps(mixer))
    assert not copied._copies
    assert np.array_equal(mixed(kernels, copied, X, 2), expected)


# pairs


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [2, 3, 40])
def test_pairs_have_the_bits_of_one_after_the_other(kernels, n, dtype):
    for d in COLUMNS if n == 3 else (1, 5):
        for m, alpha in ((1, 0.5), (60, 0.3), (200, 1.0)):
            X, edges = rows(n, d, dtype, m), random_edges(n, m, d)
            expected = X.copy()
            gossip.pairwise_average(expected, edges, alpha)
            found = averaged(kernels, X, edges, alpha)
            assert found.dtype == dtype
            assert found.tobytes() == expected.tobytes()


def test_pairs_of_many_nodes_in_one_batch(kernels):
    """More edges than a block takes, of which each block takes several at once."""
    edges = np.random.default_rng(3).permutation(2000).reshape(1000, 2).astype(np.uint32)
    for d in (1, 3, 100):
        X = rows(2000, d)
        assert np.array_equal(averaged(kernels, X, edges, 0.3), reference.pairwise_average(X, edges, 0.3))


def test_pairs_pass_nan_on(kernels):
    X = np.array([[np.nan, 1.0], [0.0, 1.0], [0.0, np.inf], [0.0, 1.0]])
    found = averaged(kernels, X, np.array([[0, 1], [2, 1]], np.uint32), 0.5)
    assert np.isfinite(found).tolist() == [[False, True], [False, False], [False, False], [True, True]]


# the public functions


class OnDevice(np.ndarray):
    """An array of NumPy in place of CuPy's: what the package uses of them is the same."""

    device = contextlib.nullcontext()


class PretendedDevice:
    """The shim as device 0: its arrays are `OnDevice`."""

    def __init__(self, shim):
        self._shim = shim
        self.launch, self.copyto = shim.launch, shim.copyto

    def asarray(self, array, dtype=None):
        return self._shim.asarray(array, dtype).view(OnDevice)

    def empty(self, shape, dtype):
        return self._shim.empty(shape, dtype).view(OnDevice)

    def asnumpy(self, array):
        return np.array(array)


@pytest.fixture
def device(request, cuda, monkeypatch):
    """Backend of device 0, which the public functions then use: a GPU, or the shim in its place."""
    opened = cuda(gpu.SOURCE)
    if not isinstance(opened, backend.GpuBackend):
        opened = PretendedDevice(opened)
        arrays_of_numpy = backend._device

        def find(name, array):
            return 0 if isinstance(array, OnDevice) else arrays_of_numpy(name, array)

        monkeypatch.setattr(backend, "_device", find)
        monkeypatch.setattr(gpu, "on_device", {0: gpu.GossipKernels(opened)}.__getitem__)
    return opened


@pytest.mark.parametrize("function", [gossip.mix, gossip.chebyshev_mix])
def test_arrays_of_a_device_give_arrays_of_the_device(device, function):
    W = graphs.mixing_matrix(graphs.cycle(9))
    mixer, X = gossip.Mixer(W), rows(9, 4)
    for dtype in DTYPES:
        x = device.asarray(X, dtype)
        for steps in (0, 1, 4):
            expected = function(mixer, X.astype(dtype), steps)
            for form in (mixer, W, device.asarray(W.toarray())):
                found = function(form, x, steps)
                assert type(found) is type(x)
                assert found is not x
                assert np.array_equal(device.asnumpy(found), expected)
            out = device.asarray(np.full_like(X, 77), dtype)
            assert function(mixer, x, steps, out=out) is out
            assert np.array_equal(device.asnumpy(out), expected)
        assert np.array_equal(device.asnumpy(x), X.astype(dtype))


def test_rows_of_any_layout_and_dtype(device):
    W, X = gossip.Mixer(graphs.mixing_matrix(graphs.cycle(9))), rows(9, 8)
    x = device.asarray(X)
    for layout, same in ((x[:, ::2], X[:, ::2]), (device.asarray(X.T).T, X), (x[::-1], X[::-1])):
        assert np.array_equal(device.asnumpy(gossip.mix(W, layout, 3)), gossip.mix(W, same, 3))
    for dtype in (np.int32, bool, np.float16):
        found = gossip.mix(W, device.asarray(X, dtype))
        assert found.dtype == np.float64
        assert np.array_equal(device.asnumpy(found), gossip.mix(W, X.astype(dtype)))


def test_pairs_on_the_device(device):
    X, edges = rows(9, 4), random_edges(9, 30)
    x = device.asarray(X)
    gossip.pairwise_average(X, edges, 0.25)
    assert gossip.pairwise_average(x, edges.tolist(), 0.25) is None
    assert np.array_equal(device.asnumpy(x), X)
    gossip.pairwise_average(x, [])
    assert np.array_equal(device.asnumpy(x), X)


def test_arrays_of_two_devices_are_refused(device):
    W, X = np.full((3, 3), 1 / 3), rows(3, 2)
    x = device.asarray(X)
    for function in (gossip.mix, gossip.chebyshev_mix):
        for args, out, message in [
            ((W, x), None, "W on the CPU, X on CUDA device 0"),
            ((device.asarray(W), X), None, "W on CUDA device 0, X on the CPU"),
            ((gossip.Mixer(W), x), X, "X on CUDA device 0, out on the CPU"),
            ((sparse.csr_array(W), X), x, "X on the CPU, out on CUDA device 0"),
        ]:
            with pytest.raises(TypeError, match=f"arrays must be on one device, got {message}"):
                function(*args, 2, out=out)
    with pytest.raises(TypeError, match=r"edges must be on the CPU.*give cupy.asnumpy\(edges\)"):
        gossip.pairwise_average(x, device.asarray(np.array([[0, 1]])))


def test_arrays_that_do_not_fit_are_refused(device):
    W, X = gossip.Mixer(np.full((4, 4), 0.25)), device.asarray(rows(4, 2))
    for x, error, message in [
        (X[:3], ValueError, r"row for each of the 4 nodes of W, got shape \(3, 2\)"),
        (X[:, 0], ValueError, r"got shape \(4,\)"),
        (device.asarray(np.ones((4, 2), complex)), TypeError, "X must be an array of real numbers"),
    ]:
        with pytest.raises(error, match=message):
            gossip.mix(W, x)
    for out, message in [
        (X, "out must not overlap X"),
        (device.empty((4, 3), np.float64), r"out must be an array of float64 of shape \(4, 2\)"),
        (device.empty((4, 2), np.float32), "got float32"),
        (device.empty((4, 4), np.float64)[:, ::2], "C-contiguous"),
    ]:
        with pytest.raises(ValueError, match=message):
            gossip.mix(W, X, out=out)
    with pytest.raises(TypeError, match=r"X is modified: .* float64 or float32, got dtype int32"):
        gossip.pairwise_average(device.empty((4, 2), np.int32), [[0, 1]])
    with pytest.raises(ValueError, match="X is modified: it must be C-contiguous"):
        gossip.pairwise_average(device.empty((4, 4), np.float64)[:, ::2], [[0, 1]])
    with pytest.raises(ValueError, match=r"nodes in 0\.\.3, got 0\.\.4"):
        gossip.pairwise_average(X, [[0, 4]])


def test_an_array_of_cupy_without_cupy_is_an_error(monkeypatch):
    class FakeCupyArray:
        __module__ = "cupy"
        dtype, shape, ndim, size = np.dtype(float), (2, 1), 2, 2
        flags = SimpleNamespace(c_contiguous=True)

        def __dlpack_device__(self):
            return 2, 0

    backend.gpu_backend.cache_clear()
    monkeypatch.setitem(sys.modules, "cupy", None)
    for call in (
        lambda: gossip.mix(gossip.Mixer(np.eye(2)), FakeCupyArray()),
        lambda: gossip.pairwise_average(FakeCupyArray(), [[0, 1]]),
    ):
        with pytest.raises(ModuleNotFoundError, match=r"gossamer\[gpu\]"):
            call()


# cuSPARSE


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_cusparse_is_asked_for(monkeypatch, dtype):
    """On SciPy's CSR matrix, after which cupyx's is made; not on cuSPARSE itself."""
    monkeypatch.setitem(sys.modules, "cupyx.scipy.sparse", sparse)
    W, X = gossip.Mixer(graphs.mixing_matrix(graphs.star(9))), rows(9, 40, dtype)
    for steps in (0, 1, 5):
        found = gpu.cusparse_mix(W, X.view(OnDevice), steps)
        assert found.dtype == dtype
        assert found.flags.c_contiguous
        assert not np.shares_memory(found, X)
        np.testing.assert_allclose(found, gossip.mix(W, X, steps), rtol=0, atol=20 * np.finfo(dtype).eps)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", DTYPES)
def test_cusparse_agrees_with_the_kernel(dtype):
    import cupy

    for g in GRAPHS.values():
        W, x = gossip.Mixer(graphs.mixing_matrix(g)), cupy.asarray(rows(g.n_nodes, 40, dtype))
        for steps in (0, 1, 5):
            found, expected = gpu.cusparse_mix(W, x, steps), gossip.mix(W, x, steps)
            assert found.dtype == dtype
            assert found.flags.c_contiguous
            cupy.testing.assert_allclose(found, expected, rtol=0, atol=20 * np.finfo(dtype).eps)
