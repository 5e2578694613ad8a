"""The CUDA kernels of `compression` against the NumPy definition and the compiled CPU kernels."""

import numpy as np
import pytest
from compressor_cases import both

from gossamer.kernels import backend, compression, random
from gossamer.kernels.compression import cpu_masks, cpu_rounding, gpu_rounding, gpu_select, reference

KEY = random.make_key(11)
INDEX = 2**32 + 5  # a high counter word that is not zero


@pytest.fixture
def select(cuda):
    """Function that runs a method of `SelectKernels` on new arrays and brings the last one to NumPy."""
    opened = cuda(gpu_select.SOURCE)
    kernels = gpu_select.SelectKernels(opened)

    def run(name, *args, room):
        out = opened.asarray(np.full(room, 77, np.int64))
        arrays = [opened.asarray(a) if isinstance(a, np.ndarray) else a for a in args]
        count = getattr(kernels, name)(*arrays, out)
        return opened.asnumpy(out)[:count]

    return run


# -- Top-k -----------------------------------------------------------------------------------------------


def adversarial(d, dtype):
    rng = np.random.default_rng(d)
    info = np.finfo(dtype)
    normal = rng.normal(size=d)
    special = normal.copy()
    special[rng.random(d) < 0.3] = np.nan
    special[rng.random(d) < 0.3] = -np.inf
    vectors = {
        "gaussian": normal,
        "ties": np.ones(d),
        "signs": rng.choice([-1.0, 1.0], d),
        "zeros": rng.choice([-0.0, 0.0], d),
        "ascending": np.arange(d),
        "descending": -np.arange(d)[::-1],
        "few values": rng.integers(-3, 4, d),
        "sparse": np.where(rng.random(d) < 0.01, normal, 0),
        "low bits": 1 + rng.integers(0, 5, d) * float(info.eps),
        "wide": normal * 2.0 ** rng.integers(-100, 100, d),
        "denormal": rng.integers(-5, 6, d) * float(info.smallest_subnormal),
        "special": special,
        "largest": np.full(d, float(info.max)),
    }
    return {name: x.astype(dtype) for name, x in vectors.items()}


@both
@pytest.mark.parametrize("d", [1, 2, 33, 255, 257, 3000])
def test_top_k_equals_the_definition(select, d, dtype):
    for name, x in adversarial(d, dtype).items():
        for k in {0, 1, d - 1, d, d // 2, d // 100}:
            found = select("top_k", x, room=k)
            assert np.array_equal(found, reference.top_k(x, k)), (name, k)


@both
@pytest.mark.parametrize("d", [8191, 8192, 8193, 40_000])  # around a tile, and several
def test_top_k_of_several_tiles(select, d, dtype):
    vectors = adversarial(d, dtype)
    for name in ("gaussian", "ties", "few values", "sparse", "special"):
        for k in (1, 500, d - 5):
            assert np.array_equal(
                select("top_k", vectors[name], room=k), reference.top_k(vectors[name], k)
            ), name


def test_top_k_when_blocks_count_several_tiles(select, monkeypatch):
    monkeypatch.setattr(gpu_select, "COUNTING", 2)
    x = adversarial(40_000, np.float32)["few values"]
    assert np.array_equal(select("top_k", x, room=12_345), reference.top_k(x, 12_345))


@both
@pytest.mark.parametrize("d", [999, 9000])
def test_error_feedback_has_the_bits_of_the_cpu(cuda, d, dtype):
    rng = np.random.default_rng(3)
    memory, gradient = (rng.normal(size=d).astype(dtype) for _ in range(2))
    opened = cuda(gpu_select.SOURCE)
    kernels = gpu_select.SelectKernels(opened)
    for step in (0.3, 1e30, -1e-30):
        x = memory + dtype(step) * gradient
        for k in (0, 1, 300):
            in_place = opened.asarray(memory)
            for out in (opened.empty((d,), dtype), in_place):
                chosen = opened.empty((k,), np.int64)
                kernels.top_k_with_memory(in_place, opened.asarray(gradient), step, out, chosen)
                assert opened.asnumpy(out).tobytes() == x.tobytes()
                assert np.array_equal(opened.asnumpy(chosen), reference.top_k(x, k))


# -- masks -----------------------------------------------------------------------------------------------

SIZES = [(1, 1), (6, 2), (6, 0), (64, 64), (65, 1), (200, 199), (1000, 3), (5000, 1300), (2**20, 100)]


@pytest.mark.parametrize(("d", "k"), SIZES)
def test_rand_k(select, d, k):
    for index in (0, INDEX, 2**64 - 1):
        found = select("rand_k", d, KEY, index, room=k)
        assert np.array_equal(found, compression.rand_k(d, k, KEY, index=index))
        if k < 200:
            assert np.array_equal(found, reference.rand_k(d, k, KEY, index))


def test_rand_k_of_all_but_few_follows_long_chains(select):
    """Nearly every number is one that an earlier draw may have had to choose."""
    for key in range(8):
        found = select("rand_k", 3000, key, 0, room=2990)
        assert np.array_equal(found, compression.rand_k(3000, 2990, key))


@pytest.mark.parametrize(("d", "k"), [(1, 1), (7, 3), (8, 8), (100, 7), (1000, 999), (2**31 - 1, 1000)])
def test_block_rand_k(select, d, k):
    for index in (0, INDEX):
        found = select("block_rand_k", d, KEY, index, room=k)
        expected = np.empty(k, np.int64)
        cpu_masks.block_rand_k(d, np.uint64(KEY), np.uint64(index), expected)
        assert np.array_equal(found, expected)
        assert np.array_equal(found[:5], reference.block_rand_k(d, k, KEY, index)[:5])


def test_rejected_draws_are_repeated(select):
    """Of a block just longer than 2^32 / 3, every third word is rejected."""
    d = 2**32 // 3 + 1
    retried = 0
    for index in range(40):
        word = reference.draw_word(KEY, random.streams.BLOCK_RAND_K, index, 0)
        found = select("block_rand_k", d, KEY, index, room=1)
        assert np.array_equal(found, reference.block_rand_k(d, 1, KEY, index))
        retried += int(found[0]) != word * d >> 32
    assert retried > 5


@pytest.mark.parametrize("p", [1e-300, 0.01, 0.5, 1 / 3, 1.0])
@pytest.mark.parametrize("d", [1, 31, 300, 8193])
def test_bernoulli(select, d, p):
    found = select("bernoulli", d, p, KEY, INDEX, room=d)
    expected = np.empty(d, np.int64)
    count = cpu_masks.bernoulli(d, p, np.uint64(KEY), np.uint64(INDEX), expected)
    assert np.array_equal(found, expected[:count])


def test_coins_compare_all_digits(select):
    for index in range(20):
        first, second = (reference.draw_word(KEY, random.streams.BERNOULLI, index, 0, r) for r in (0, 1))
        for digit in (second - 2**11, second + 2**11):
            p = first / 2.0**32 + (digit >> 11 << 11) / 2.0**64  # agrees with the first word
            expected = reference.happens(p, KEY, random.streams.BERNOULLI, index, 0)
            assert (select("bernoulli", 1, p, KEY, index, room=1).size == 1) == expected


@pytest.mark.parametrize(
    ("d", "n_workers"), [(1, 1), (1, 3), (2, 2), (10, 3), (100, 7), (3, 5), (9000, 2), (65537, 30)]
)
def test_perm_k(select, d, n_workers):
    for index in (0, n_workers - 1, 2**34 * n_workers + 1, 2**64 - 1):
        room = -(-d // n_workers)
        found = select("perm_k", d, n_workers, KEY, index, room=room)
        expected = np.empty(room, np.int64)
        count = cpu_masks.perm_k(d, n_workers, np.uint64(KEY), np.uint64(index), expected)
        assert np.array_equal(found, expected[:count])
        if d < 1000:
            assert np.array_equal(found, reference.perm_k(d, n_workers, KEY, index))


def test_threads_take_several_entries_of_long_arrays(select, monkeypatch):
    monkeypatch.setattr(backend, "MAX_GRID", 2)
    assert np.array_equal(
        select("rand_k", 9000, KEY, 1, room=4000), compression.rand_k(9000, 4000, KEY, index=1)
    )
    x = adversarial(9000, np.float64)["gaussian"]
    assert np.array_equal(select("top_k", x, room=4000), reference.top_k(x, 4000))


# -- rounding --------------------------------------------------------------------------------------------


@pytest.fixture
def rounded(cuda):
    """Function that runs a method of `RoundingKernels`; with `room`, on a new array of int32."""
    opened = cuda(gpu_rounding.SOURCE)
    kernels = gpu_rounding.RoundingKernels(opened)

    def run(name, x, *args, room=None):
        if room is None:
            return getattr(kernels, name)(opened.asarray(x), *args)
        out = opened.asarray(np.full(room, 77, np.int32))
        getattr(kernels, name)(opened.asarray(x), *args, out)
        return opened.asnumpy(out)

    return run


@both
@pytest.mark.parametrize("d", [1, 5, 255, 256, 257, 4096, 4097, 20_000])
def test_norms_have_the_bits_of_the_cpu(rounded, d, dtype):
    rng = np.random.default_rng(6)
    info = np.finfo(dtype)
    x = rng.normal(size=d).astype(dtype)
    one = x.copy()
    one[d // 2] = -np.inf
    with np.errstate(over="ignore"):
        vectors = [
            x,
            x * dtype(1e-38),
            x * dtype(2.0**100),
            one,
            np.where(one < -9, np.nan, one).astype(dtype),
        ]
    vectors += [
        np.full(d, value, dtype) for value in (0.0, -0.0, info.max, info.smallest_subnormal, info.tiny)
    ]
    for y in vectors:
        for name in ("euclidean", "mean_magnitude", "largest"):
            expected = getattr(cpu_rounding, name)(y)
            np.testing.assert_equal(rounded(name, y), expected)
            np.testing.assert_equal(expected, getattr(reference, name)(y))


@both
def test_levels_and_codes_equal_the_definition(rounded, dtype):
    x = (np.random.default_rng(7).normal(size=203) * 2.0 ** np.arange(-100, 103)).astype(dtype)
    x[:4] = np.finfo(dtype).smallest_subnormal, -0.0, np.finfo(dtype).max, -np.finfo(dtype).tiny / 2
    for index, s in ((0, 1), (INDEX, 6), (2**64 - 1, 2**31 - 2)):
        for norm in (reference.euclidean(x), reference.largest(x)):
            found = rounded("levels", x, norm, float(s), KEY, index, room=x.size)
            assert np.array_equal(found, reference.levels(x, norm, s, KEY, index))
        integers = x.view(f"i{x.itemsize}")
        found = rounded(
            "natural", integers, *([23, 8] if x.itemsize == 4 else [52, 11]), KEY, index, room=x.size
        )
        assert np.array_equal(found, reference.natural(x, KEY, index))


@both
def test_special_numbers(rounded, dtype):
    x = np.array([1.0, -np.inf, np.nan, -np.nan, 0.0, -0.0, -2.5], dtype)
    for norm in (0.0, np.inf, np.nan):
        assert not rounded("levels", x, norm, 4.0, KEY, 0, room=7).any()
    fields = (23, 8) if dtype == np.float32 else (52, 11)
    found = rounded("natural", x.view(f"i{x.itemsize}"), *fields, KEY, 0, room=7)
    assert np.array_equal(found, reference.natural(x, KEY))
