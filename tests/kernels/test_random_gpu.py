"""The CUDA kernels of `random` against the NumPy definition and the compiled CPU kernels."""

import numpy as np
import pytest

from gossamer.kernels import backend, random
from gossamer.kernels.random import cpu, gpu, reference, streams

KEY = random.make_key(7)
STARTS = [0, 2**32 - 150, 2**64 - 2000]  # in the second, the high word of the index goes from 0 to 1
COUNTS = [1, 255, 256, 257, 1000]  # around the size of a block


@pytest.fixture
def drawn(cuda):
    """Function that runs a kernel on a new array and brings it to NumPy."""
    opened = cuda(gpu.SOURCE)
    kernels = gpu.RandomKernels(opened)

    def run(name, *args, shape, dtype):
        out = opened.asarray(np.full(shape, 77, dtype))
        getattr(kernels, name)(*args, out)
        return opened.asnumpy(out)

    return run


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("key", [0, KEY, 2**64 - 1])
def test_words(drawn, key, start):
    for count in COUNTS:
        for step, stream in ((0, streams.USER), (2**30 - 1, 0)):
            found = drawn("fill_words", key, stream, start, step, shape=(count, 4), dtype=np.uint32)
            assert np.array_equal(found, reference.words(key, stream, start, count, step))


@pytest.mark.parametrize("start", STARTS)
def test_uniform(drawn, start):
    for count in COUNTS:
        found = drawn("fill_uniform", KEY, streams.USER, start, 1, shape=count, dtype=np.float64)
        assert np.array_equal(found, reference.uniform(KEY, streams.USER, start, count, 1))


@pytest.mark.parametrize("start", STARTS)
def test_exponential(drawn, start):
    """The logarithm is made of the same operations on the CPU and on a GPU: the same bits."""
    found = drawn("fill_exponential", KEY, streams.USER, start, 1, shape=1999, dtype=np.float64)
    expected = reference.exponential(KEY, streams.USER, start, 1999, 1)
    np.testing.assert_array_almost_equal_nulp(found, expected, 4)
    on_cpu = np.empty(1999)
    cpu.fill_exponential(KEY, streams.USER, start, 1, on_cpu)
    assert np.array_equal(found, on_cpu)


@pytest.mark.parametrize("bound", [1, 2, 3, 10**6, 3 * 2**30, 2**32 - 1, 2**32])
def test_integers(drawn, bound):
    """Of 3 * 2^30 a quarter of the words is rejected."""
    for start in STARTS:
        args = bound, KEY, streams.USER, start
        found = drawn("fill_integers", *args, 5, shape=400, dtype=np.int64)
        assert np.array_equal(found, reference.integers(*args, 400, 5))


def test_threads_fill_several_entries_of_a_long_array(drawn, monkeypatch):
    monkeypatch.setattr(backend, "MAX_GRID", 2)
    found = drawn("fill_words", KEY, 1, 5, 0, shape=(2000, 4), dtype=np.uint32)
    assert np.array_equal(found, reference.words(KEY, 1, 5, 2000))


def test_nothing_is_launched_for_nothing(drawn):
    assert drawn("fill_uniform", KEY, 1, 0, 0, shape=0, dtype=np.float64).size == 0


@pytest.mark.gpu
def test_public_functions_fill_arrays_on_the_device():
    import cupy

    for name, out in (("words", cupy.zeros((999, 4), cupy.uint32)), ("uniform", cupy.zeros(999))):
        draw = getattr(random, name)
        assert draw(KEY, 1, 3, 999, out=out) is out
        assert np.array_equal(cupy.asnumpy(out), draw(KEY, 1, 3, 999))
