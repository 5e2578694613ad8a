"""`compression` on arrays of a GPU: public functions and messages, equal to those of the CPU."""

import dataclasses
import sys

import numpy as np
import pytest
from compressor_cases import ON_CPU, ON_GPU, both

from gossamer.kernels import compression as c
from gossamer.kernels import random
from gossamer.kernels.backend import gpu_backend

KEY = random.make_key(5)
D = 300


@pytest.fixture
def put(cupy):
    """Function that copies an array to the last device, which is not the current one where there are two."""
    device = cupy.cuda.Device(cupy.cuda.runtime.getDeviceCount() - 1)

    def copy(array):
        with device:
            return cupy.asarray(array)

    return copy


def same_bits(found, expected):
    """Equal but for the bits of NaN, which a device makes with other ones."""
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    is_nan = np.isnan(expected)
    assert np.array_equal(np.isnan(found), is_nan)
    assert found[~is_nan].tobytes() == expected[~is_nan].tobytes()


def vectors(dtype):
    rng = np.random.default_rng(1)
    x = rng.normal(size=D).astype(dtype)
    special = x.copy()
    special[[3, 8, 200]] = np.nan, -np.inf, -0.0
    yield from (x, special, np.zeros(D, dtype), -np.ones(D, dtype), (x > 1).astype(dtype) * dtype(2.0**-140))


# -- messages --------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("compressor", ON_GPU, ids=str)
def test_messages_equal_those_of_the_cpu(put, compressor, dtype):
    for index, x in enumerate(vectors(dtype)):
        there = put(x)
        found, expected = (compressor.compress(a, KEY, index=index) for a in (there, x))
        same_bits(there.get(), x)
        assert found.device == there.device.id
        assert expected.device is None
        assert (found.d, found.dtype, found.nbits) == (D, dtype, expected.nbits)
        copy = found.on_cpu()
        assert copy.device is None
        assert copy.on_cpu() is copy
        for field in dataclasses.fields(expected):
            part, other = getattr(copy, field.name), getattr(expected, field.name)
            if isinstance(other, np.ndarray):
                same_bits(part, other)
            else:
                np.testing.assert_equal(part, other)
        data = found.to_bytes()
        assert len(data) == (found.nbits + 7) // 8
        if not np.isnan(x).any():
            assert data == expected.to_bytes()
        same_bits(found.dense().get(), expected.dense())
        same_bits(compressor.decompress(found).get(), expected.dense())


@both
@pytest.mark.parametrize(
    "compressor", [c.RandK(9), c.TopK(9), c.QSGD(3), c.Natural(), c.ScaledSign()], ids=str
)
def test_messages_are_added_on_the_device(put, compressor, dtype):
    x = next(vectors(dtype))
    for kind in (np.float32, np.float64):
        found, expected = np.arange(D, dtype=kind), np.arange(D, dtype=kind)
        there = put(found)
        for index, scale in enumerate((1.0, -0.3, 7)):
            compressor.compress(put(x), KEY, index=index).add_to(there, scale)
            compressor.compress(x, KEY, index=index).add_to(expected, scale)
        same_bits(there.get(), expected)


def test_vectors_of_other_types_and_strides(put):
    x = np.random.default_rng(2).integers(-99, 99, 2 * D)
    for given in (x, x % 2 == 0, x.astype(np.float16)):
        expected = c.TopK(20).compress(given[::2]).dense()
        same_bits(c.TopK(20).compress(put(given)[::2]).dense().get(), expected)
    with pytest.raises(ValueError, match="x must have 1 dimension"):
        c.TopK(1).compress(put(x).reshape(2, D))
    with pytest.raises(ValueError, match="x must have at least 1"):
        c.TopK(1).compress(put(x)[:0])
    with pytest.raises(TypeError, match="x must be an array of real numbers, got dtype complex128"):
        c.TopK(1).compress(put(x.astype(complex)))
    with pytest.raises(ValueError, match="k must be at most"):
        c.RandK(2 * D + 1).compress(put(x), KEY)
    with pytest.raises(ValueError, match="pass key"):
        c.RandK(1).compress(put(x))


@pytest.mark.parametrize("compressor", ON_CPU, ids=str)
def test_compressors_for_the_cpu_say_so(put, compressor):
    x = next(vectors(np.float64))
    assert not compressor.on_gpu
    with pytest.raises(TypeError, match=rf"{type(compressor).__name__} compresses .* cupy\.asnumpy\(x\)"):
        compressor.compress(put(x), KEY)
    compressor.compress(put(x).get(), KEY)


def test_rows_on_a_device_are_refused(put):
    with pytest.raises(TypeError):
        c.compress_rows(c.TopK(1), put(np.ones((2, D))))


# -- functions -------------------------------------------------------------------------------------------


@both
def test_top_k(put, dtype):
    for x in vectors(dtype):
        for k in (0, 1, D - 1, D):
            found, expected = c.top_k(put(x), k), c.top_k(x, k)
            for part, other in zip(found, expected, strict=True):
                same_bits(part.get(), other)
    nothing = c.top_k(put(np.zeros(0, dtype)), 0)
    assert [part.shape for part in nothing] == [(0,), (0,)]
    with pytest.raises(ValueError, match=r"k must be in 0\.\.300, got 301"):
        c.top_k(put(np.zeros(D, dtype)), D + 1)


@pytest.mark.parametrize(
    "types", [(np.float32, np.float32), (np.float32, np.float64), (np.float64, np.int32)]
)
@pytest.mark.parametrize("k", [0, 1, 100, D])
def test_error_feedback(put, types, k):
    rng = np.random.default_rng(3)
    memory, gradient = ((9 * rng.normal(size=D)).astype(t) for t in types)
    expected = c.top_k_error_feedback(memory, gradient, k, step=0.3)
    there = put(memory), put(gradient)
    found = c.top_k_error_feedback(*there, k, step=0.3)
    for part, other in zip(found, expected, strict=True):
        same_bits(part.get(), other)
    same_bits(there[0].get(), memory)
    same_bits(there[1].get(), gradient)
    out = put(np.full(D, 7, expected[2].dtype))
    assert c.top_k_error_feedback(*there, k, step=0.3, out=out)[2] is out
    same_bits(out.get(), expected[2])


def test_error_feedback_in_place_and_on_overlapping_arrays(put):
    x = np.random.default_rng(4).normal(size=D + 1)
    expected = c.top_k_error_feedback(x[:-1], x[1:], 50)[2]
    there = put(x[:-1])
    assert c.top_k_error_feedback(there, put(x[1:]), 50, out=there)[2] is there
    same_bits(there.get(), expected)
    both = put(x)
    c.top_k_error_feedback(both[:-1], both[1:], 50, out=both[1:])  # the gradient is overwritten
    same_bits(both[1:].get(), expected)
    both = put(x)
    c.top_k_error_feedback(both[:-1], put(x[1:]), 50, out=both[1:])  # the memory is, one place further on
    same_bits(both[1:].get(), expected)


def test_rand_k_fills_the_array_given(put):
    for k in (0, 1, 40):
        out = put(np.zeros(k, np.int64))
        assert c.rand_k(D, k, KEY, index=3, out=out) is out
        same_bits(out.get(), c.rand_k(D, k, KEY, index=3))
    with pytest.raises(ValueError, match="out must be an array of int64"):
        c.rand_k(D, 40, KEY, out=put(np.zeros(40)))


def test_rand_k_fills_arrays_of_the_cpu():
    out = np.zeros(9, np.int64)
    assert c.rand_k(D, 9, KEY, out=out) is out
    assert np.array_equal(out, c.rand_k(D, 9, KEY))
    with pytest.raises(ValueError, match="out must be an array of int64"):
        c.rand_k(D, 9, KEY, out=np.zeros(8, np.int64))


# -- devices ---------------------------------------------------------------------------------------------


def test_arrays_of_two_devices_are_refused(put):
    x = np.ones(D)
    there = put(x)
    with pytest.raises(TypeError, match=r"memory on CUDA device \d, gradient on the CPU; use cupy"):
        c.top_k_error_feedback(there, x, 1)
    with pytest.raises(TypeError, match=r"out on CUDA device"):
        c.top_k_error_feedback(x, x, 1, out=there)
    with pytest.raises(TypeError, match=r"out is on the CPU, the payload on CUDA device \d; use cupy"):
        c.TopK(1).compress(there).add_to(x)
    with pytest.raises(TypeError, match=r"out is on CUDA device \d, the payload on the CPU; use cupy"):
        c.TopK(1).compress(x).add_to(there)
    with pytest.raises(ValueError, match=r"out must have shape \(300,\), got \(299,\)"):
        c.TopK(1).compress(there).add_to(there[1:])
    with pytest.raises(TypeError, match="out must be an array of floats"):
        c.TopK(1).compress(there).add_to(put(np.ones(D, int)))


class FakeCupyArray:
    __module__ = "cupy"
    dtype, shape, size, ndim = np.dtype(float), (D,), D, 1

    def __dlpack_device__(self):
        return 2, 0


@pytest.mark.parametrize(
    "call",
    [
        lambda x: c.top_k(x, 1),
        lambda x: c.top_k_error_feedback(x, x, 1),
        lambda x: c.RandK(1).compress(x, KEY),
        lambda x: c.QSGD(1).compress(x, KEY),
    ],
)
def test_an_array_of_cupy_without_cupy_is_an_error(monkeypatch, call):
    gpu_backend.cache_clear()
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(ModuleNotFoundError, match=r"gossamer\[gpu\]"):
        call(FakeCupyArray())
