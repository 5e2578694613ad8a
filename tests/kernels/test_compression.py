"""Compressors: laws, constants, messages bit by bit, special numbers, errors."""

import dataclasses
import itertools

import numpy as np
import pytest
from compressor_cases import ON_CPU, ON_GPU, both
from hypothesis import given, settings
from hypothesis import strategies as st

from gossamer.kernels import compression as c
from gossamer.kernels import random
from gossamer.kernels.compression import coding, cpu_bits, cpu_rounding, reference
from gossamer.kernels.random import streams

KEY = random.make_key(5)
D = 40
ALL = [*ON_GPU, *ON_CPU, c.TopK(D), c.LowRank(50, shape=(4, 10))]
every = pytest.mark.parametrize("compressor", ALL, ids=str)


def gaussian(seed=0, d=D):
    return np.random.default_rng(seed).normal(size=d)


# -- messages --------------------------------------------------------------------------------------------


@every
@both
def test_bytes_round_trip(compressor, dtype):
    for index, x in enumerate((gaussian(), np.zeros(D), -np.ones(D), np.where(gaussian(1) > 1, 1.0, -0.0))):
        x = x.astype(dtype)
        before = x.tobytes()
        payload = compressor.compress(x, KEY, index=index)
        assert x.tobytes() == before
        data = payload.to_bytes()
        assert len(data) == (payload.nbits + 7) // 8
        read = compressor.from_bytes(data, D, KEY, index=index, dtype=dtype)
        dense = compressor.decompress(payload)
        assert dense.dtype == dtype
        assert dense.shape == (D,)
        assert read.dense().tobytes() == dense.tobytes()
        assert read.nbits == payload.nbits
        assert read.to_bytes() == data
        assert payload.dtype == dtype
        out = np.arange(D, dtype=dtype)
        payload.add_to(out, -0.5)
        np.testing.assert_array_equal(out, np.arange(D, dtype=dtype) + dtype(-0.5) * dense)


@every
def test_rows_equal_single_messages(compressor):
    X = np.random.default_rng(1).normal(size=(9, D))
    X[3] = 0
    X[4] = np.inf
    X[5, 7] = np.nan
    before = X.tobytes()
    C, nbits = c.compress_rows(compressor, X, KEY, index=3)
    payloads = [compressor.compress(x, KEY, index=3 + i) for i, x in enumerate(X)]
    assert X.tobytes() == before
    np.testing.assert_array_equal(C, [p.dense() for p in payloads])
    assert nbits == sum(p.nbits for p in payloads)


@both
def test_ledger(dtype):
    w = 8 * np.dtype(dtype).itemsize
    x = gaussian(2, 1000).astype(dtype)
    exponent = 8 if dtype == np.float32 else 11
    for compressor, expected in {
        c.Identity(): 1000 * w,
        c.RandK(10): 10 * w,
        c.BlockRandK(0.01): 10 * w,
        c.PermK(8): 125 * w,
        c.QSGD(1): w + 1000 * 2,
        c.QSGD(4): w + 1000 * 4,
        c.QSGD(7): w + 1000 * 4,
        c.TernGrad(): w + 1600,
        c.Natural(): 1000 * (1 + exponent),
        c.ScaledSign(): w + 1000,
        c.LowRank(2, shape=(25, 40)): w * 2 * 65,
        c.PerBlock(c.ScaledSign(), 300): 4 * w + 1000,
        c.Composed(c.RandK(10), c.QSGD(1)): w + 20,
    }.items():
        assert compressor.compress(x, KEY).nbits == expected, compressor
    sent = c.TopK(10).compress(x)
    costs = reference.index_costs(sent.indices, 1000)
    assert sent.nbits == 10 * w + 2 + min(costs.values())
    kept = c.Bernoulli(0.1, shared_seed=False).compress(x, KEY)
    costs = reference.index_costs(kept.indices, 1000)
    assert kept.nbits == kept.indices.size * w + 10 + 2 + min(costs.values())


def rice_string(indices, r):
    gaps = np.diff(indices, prepend=-1) - 1
    low = lambda g: "".join(str(int(g) >> b & 1) for b in range(r))  # noqa: E731
    return "".join("1" * (g >> r) + "0" + low(g) for g in gaps)


@pytest.mark.parametrize(
    ("d", "k"), [(1, 1), (2, 1), (100, 1), (100, 90), (1000, 10), (10**6, 3), (50_000, 900)]
)
def test_index_codes(d, k):
    names = ["raw", "bitmap", "rice"]
    rng = np.random.default_rng(d + k)
    for indices in (np.sort(rng.choice(d, k, replace=False)), np.arange(k), np.arange(d - k, d)):
        indices = indices.astype(np.int64)
        code, parameter, nbits = cpu_bits.index_code(indices, d)
        if k == d:
            assert nbits == 0
            continue
        costs = reference.index_costs(indices, d)
        assert nbits == 2 + min(costs.values())
        assert costs[names[code]] == min(costs.values())
        writer = coding.BitWriter(nbits)
        coding.write_indices(writer, indices, d)
        data = writer.to_bytes()
        assert np.array_equal(coding.read_indices(coding.BitReader(data), k, d), indices)
        bits = "".join(map(str, np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")))
        if names[code] == "rice":
            assert bits[7:nbits] == rice_string(indices, parameter)


def test_each_index_code_is_chosen_somewhere():
    chosen = {
        "rice": np.arange(0, 1000, 50),
        "bitmap": np.sort(np.random.default_rng(0).choice(1000, 500, replace=False)),
        "raw": np.array([900, 901]),
    }
    for code, indices in enumerate([chosen["raw"], chosen["bitmap"], chosen["rice"]]):
        assert cpu_bits.index_code(indices, 1000)[0] == code


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 64), st.integers(0, 2**64 - 1)), max_size=20))
def test_bit_fields(fields):
    writer = coding.BitWriter(sum(width for width, _ in fields))
    stream = position = 0
    for width, value in fields:
        value &= (1 << width) - 1
        writer.integers(np.array([value], np.uint64), width)
        stream |= value << position
        position += width
    data = writer.to_bytes()
    assert data == stream.to_bytes((position + 7) // 8, "little")
    reader = coding.BitReader(data)
    for width, value in fields:
        assert int(reader.integers(1, width)[0]) == value & ((1 << width) - 1)
    reader.finish()


# -- the definition --------------------------------------------------------------------------------------


@both
def test_norms_equal_definition(dtype):
    rng = np.random.default_rng(6)
    big = float(np.finfo(dtype).max)
    for d in (1, 5, 255, 256, 257, 3000):
        x = rng.normal(size=d).astype(dtype)
        for y in (x, x * dtype(1e-38), x * dtype(2.0**100), np.zeros(d, dtype), np.full(d, big, dtype)):
            y = y.astype(dtype)
            assert cpu_rounding.euclidean(y) == reference.euclidean(y)
            assert cpu_rounding.mean_magnitude(y) == reference.mean_magnitude(y)
            assert cpu_rounding.largest(y) == reference.largest(y)
        exact = x.astype(np.longdouble)
        eps = np.finfo(dtype).eps
        np.testing.assert_allclose(cpu_rounding.euclidean(x), float(np.sqrt((exact**2).sum())), rtol=eps)
        np.testing.assert_allclose(cpu_rounding.mean_magnitude(x), float(np.abs(exact).mean()), rtol=eps)


@both
def test_rounding_equals_definition(dtype):
    x = (gaussian(7, 203) * 2.0 ** np.arange(-100, 103)).astype(dtype)
    x[:3] = np.finfo(dtype).smallest_subnormal, -0.0, np.finfo(dtype).max
    for index, s in itertools.product((0, 2**40), (1, 6, 2**20)):
        payload = c.QSGD(s).compress(x, KEY, index=index)
        norm = reference.euclidean(x)
        assert payload.norm == norm
        assert np.array_equal(payload.levels, reference.levels(x, norm, s, KEY, index))
        ternary = c.TernGrad().compress(x, KEY, index=index)
        assert np.array_equal(ternary.levels, reference.levels(x, reference.largest(x), 1, KEY, index))
        codes = c.Natural().compress(x, KEY, index=index).codes
        assert np.array_equal(codes, reference.natural(x, KEY, index))


def test_qsgd_rounds_up_with_the_exact_probability():
    x, s = gaussian(8, 10_000), 3
    payload = c.QSGD(s).compress(x, KEY, index=9)
    position = np.abs(x) / payload.norm * s
    word = random.words(KEY, streams.ROUNDING, 9, 1, step=0)
    assert word.shape == (1, 4)
    words = np.concatenate([random.words(KEY, streams.ROUNDING, 9, 1, step=t)[0] for t in range(2500)])
    up = words < (position % 1) * 2.0**32  # no tie among so few words
    assert np.array_equal(np.abs(payload.levels), np.floor(position) + up)
    # with these probabilities the mean is x, since s x / norm = floor + fraction
    mean = payload.norm * (np.floor(position) + position % 1) / s * np.sign(x)
    np.testing.assert_allclose(mean, x, rtol=1e-12)


def test_natural_rounds_up_with_the_exact_probability():
    x = gaussian(9, 4000)
    dense = c.Natural().compress(x, KEY).dense()
    mantissa, exponent = np.frexp(np.abs(x))
    words = np.concatenate([random.words(KEY, streams.ROUNDING, 0, 1, step=t)[0] for t in range(1000)])
    up = words < (2 * mantissa - 1) * 2.0**32
    assert np.array_equal(np.abs(dense), 2.0 ** (exponent - 1 + up))
    assert np.array_equal(np.sign(dense), np.sign(x))
    low = 2.0 ** (exponent - 1)
    mean = low * (1 - (2 * mantissa - 1)) + 2 * low * (2 * mantissa - 1)
    assert np.array_equal(mean, np.abs(x))


@pytest.mark.parametrize("rest", [0.0, 0.25, 2.0**-18, 1 - 2.0**-18])
def test_words_that_cannot_decide_are_followed_by_others(rest):
    steps = 300  # more than a batch of draws
    words = np.concatenate([random.words(KEY, streams.ROUNDING, 4, 1, step=t)[0] for t in range(steps)])
    share = (words + rest) / 2.0**32  # the first word of each draw equals the first digit of its probability
    x = np.where(np.arange(share.size) % 3, share, -share)
    x[0] = 1.0  # the norm
    levels = c.TernGrad().compress(x, KEY, index=4).levels
    assert np.array_equal(levels, reference.levels(x, 1.0, 1, KEY, 4))
    codes = c.Natural().compress(1.0 + share, KEY, index=4).codes
    assert np.array_equal(codes, reference.natural(1.0 + share, KEY, 4))
    if rest == 0.0:  # a word equal to the whole probability does not round up
        assert not levels[1:].any()
    elif rest == 0.25:
        assert 0.2 < np.abs(levels[1:]).mean() < 0.3
    word = random.words(KEY, streams.BERNOULLI, 4, 1, step=2)[0, 1]
    p = float((word + rest) / 2.0**32)
    kept = c.Bernoulli(p).compress(x, KEY, index=4).indices
    assert np.array_equal(kept, reference.bernoulli(x.size, p, KEY, 4))


# -- laws ------------------------------------------------------------------------------------------------


def variances(compressor, x):
    """Exact variance of each coordinate."""
    if isinstance(compressor, c.RandK | c.PermK | c.Bernoulli):
        return compressor.omega(x.size) * x**2
    if isinstance(compressor, c.BlockRandK):
        lengths = np.diff(reference.block_edges(x.size, compressor.k))
        return (np.repeat(lengths, lengths) - 1) * x**2
    if isinstance(compressor, c.Natural):
        low = 2.0 ** np.floor(np.log2(np.abs(x)))
        return (np.abs(x) - low) * (2 * low - np.abs(x))
    norm, s = (
        (np.linalg.norm(x), compressor.levels) if isinstance(compressor, c.QSGD) else (np.abs(x).max(), 1)
    )
    p = np.abs(x) / norm * s % 1
    return p * (1 - p) * (norm / s) ** 2


UNBIASED = [
    c.RandK(7),
    c.BlockRandK(7),
    c.PermK(3),
    c.Bernoulli(0.2),
    c.QSGD(1),
    c.QSGD(4),
    c.TernGrad(),
    c.Natural(),
]


@pytest.mark.parametrize("compressor", UNBIASED, ids=str)
def test_mean_and_variance(compressor):
    count, x = 6000, gaussian(10)
    C, _ = c.compress_rows(compressor, np.tile(x, (count, 1)), KEY)
    variance = variances(compressor, x)
    assert (np.abs(C.mean(0) - x) <= 5 * np.sqrt(variance / count) + 1e-12).all()
    assert variance.sum() <= compressor.omega(D) * (x @ x) * (1 + 1e-12)
    assert abs(((C - x) ** 2).sum(1).mean() / variance.sum() - 1) < 0.1


def test_worst_cases_are_attained():
    flat = np.ones(D)
    attained = {
        c.QSGD(1): flat,
        c.Natural(): np.full(D, 4 / 3),
        c.TernGrad(): np.r_[1.0, np.full(D - 1, 1 / (1 + np.sqrt(D)))],
    }
    for compressor, x in attained.items():
        np.testing.assert_allclose(variances(compressor, x).sum() / (x @ x), compressor.omega(D), rtol=1e-12)
    spike = np.eye(D)[3]
    for compressor, x in ((c.TopK(4), flat), (c.ScaledSign(), spike), (c.LowRank(2), np.eye(6).ravel())):
        error = np.sum((compressor.compress(x).dense() - x) ** 2) / (x @ x)
        np.testing.assert_allclose(error, 1 - compressor.contraction(x.size), rtol=1e-12)


CONTRACTIVE = [item for item in ALL if item.contraction(D) > 0]


@pytest.mark.parametrize("compressor", CONTRACTIVE, ids=str)
def test_contraction(compressor):
    count, tiny = 3000 if compressor.random and compressor.row_kernel is not None else 300, 2.0**-1074
    denormal = tiny * np.random.default_rng(0).integers(-9, 10, D)
    vectors = {"flat": np.ones(D), "spike": np.eye(D)[5], "gaussian": gaussian(), "denormal": denormal}
    assert not compressor.compress(np.zeros(D), KEY).dense().any()
    for name, x in vectors.items():
        if name == "denormal" and not isinstance(compressor, c.TopK | c.RandK | c.BlockRandK | c.Identity):
            continue  # the error of rounding to multiples of 2^-1074 is relative no more
        C, _ = c.compress_rows(compressor, np.tile(x, (count, 1)), KEY)
        unit = np.abs(x).max()
        ratio = (((C / unit - x / unit) ** 2).sum(1)) / ((x / unit) ** 2).sum()
        slack = 5 * ratio.std() / np.sqrt(count) + 1e-12
        assert ratio.mean() <= 1 - compressor.contraction(D) + slack, name


def test_constants():
    assert c.RandK(10).omega(40) == 3
    assert c.RandK(10, scaled=False).contraction(40) == 0.25
    assert c.RandK(0.25).omega(40) == 3
    assert c.BlockRandK(3).omega(7) == 2
    assert c.BlockRandK(3, scaled=False).contraction(7) == 1 / 3
    assert c.PermK(5).omega(40) == 4
    assert c.Bernoulli(0.25).omega(40) == 3
    assert c.QSGD(4).omega(400) == 4
    assert c.QSGD(1).omega(400) == 19
    assert c.QSGD(40).omega(400) == 1 / 16
    assert c.TernGrad().omega(9) == 1
    assert c.TernGrad(scaled=False).contraction(9) == 0.5
    assert c.Natural().omega(7) == 1 / 8
    assert c.Natural().contraction(7) == 7 / 8
    assert c.Natural(scaled=False).contraction(7) == 8 / 9
    assert c.TopK(4).contraction(40) == 0.1
    assert c.LowRank(2, shape=(4, 10)).contraction(40) == 0.5
    assert c.LowRank(2, method="power").contraction(40) == 2 / 8
    both = c.Composed(c.RandK(10), c.QSGD(1))
    assert both.unbiased
    np.testing.assert_allclose(both.omega(40), 4 * np.sqrt(10) - 1)
    assert c.Composed(c.TopK(20), c.ScaledSign()).contraction(40) == 1 / 40
    assert c.Composed(c.RandK(20), c.ScaledSign()).contraction(40) == 0
    assert c.PerBlock(c.TopK(0.5), 15).contraction(40) == 0.5
    assert c.PerBlock(c.PermK(3), 16).omega(40) == 2
    assert c.Identity().contraction(3) == 1
    with pytest.raises(ValueError, match="biased"):
        c.TopK(3).omega(40)


def test_composed_is_unbiased_and_within_omega():
    compressor, x, count = c.Composed(c.RandK(8), c.QSGD(1)), gaussian(3), 2000
    C = np.array([compressor.compress(x, KEY, index=i).dense() for i in range(count)])
    second = compressor.omega(D) * (x @ x)
    assert ((C - x) ** 2).sum(1).mean() <= second
    assert (np.abs(C.mean(0) - x) <= 5 * np.abs(C - x).std(0).max() / np.sqrt(count)).all()


def test_parts_have_draws_of_their_own():
    blocks = c.PerBlock(c.RandK(5), 20).compress(np.ones(100), KEY).blocks
    assert len({block.indices.tobytes() for block in blocks}) == 5


# -- special numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("compressor", [item for item in ALL if not isinstance(item, c.LowRank)], ids=str)
@both
def test_scaling_by_powers_of_two(compressor, dtype):  # LAPACK, in LowRank, promises no bits
    x = gaussian(12).astype(dtype)
    base = compressor.compress(x, KEY).dense()
    for power in (-60, -1, 1, 60):
        factor = dtype(2.0**power)
        scaled = compressor.compress(x * factor, KEY).dense()
        assert scaled.tobytes() == (base * factor).tobytes()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@both
def test_non_finite_entries_stay_visible(bad, dtype):
    x = gaussian(13).astype(dtype)
    x[4] = bad
    for compressor in (c.QSGD(4), c.TernGrad(), c.ScaledSign(), c.LowRank(2), c.LowRank(2, method="power")):
        assert np.isnan(compressor.compress(x, KEY).dense()).all(), compressor
    for compressor in (c.Identity(), c.TopK(1), c.Bernoulli(1.0), c.RandK(D), c.PermK(1)):
        np.testing.assert_array_equal(compressor.compress(x, KEY).dense()[4], dtype(bad))
    natural = c.Natural().compress(x, KEY).dense()
    assert np.isinf(natural[4])
    assert np.isfinite(np.delete(natural, 4)).all()
    assert natural[4] == bad or np.isnan(bad)


@both
def test_natural_near_the_ends(dtype):
    info = np.finfo(dtype)
    x = np.array([0.0, -0.0, info.tiny, -info.smallest_subnormal, info.tiny / 2, info.max, 1.0, -2.0], dtype)
    C = np.array([c.Natural().compress(x, KEY, index=i).dense() for i in range(200)])
    assert C[:, [0, 1, 2, 6, 7]].tolist() == [[0.0, -0.0, info.tiny, 1.0, -2.0]] * 200
    assert np.signbit(C[:, 1]).all()
    assert set(C[:, 4]) == {0.0, info.tiny}
    assert set(C[:, 5]) == {np.inf}  # its mantissa rounds down once in 2^23 or 2^52


def test_norm_that_overflows_is_not_hidden():
    assert np.isnan(c.QSGD(2).compress(np.full(9, 1e308), KEY).dense()).all()
    assert np.isfinite(c.QSGD(2).compress(np.full(9, 1e200), KEY).dense()).all()
    assert (c.ScaledSign().compress(np.full(9, 1e308)).dense() == 1e308).all()


# -- low rank --------------------------------------------------------------------------------------------


def test_low_rank_is_the_best_approximation():
    X = np.random.default_rng(3).normal(size=(8, 12))
    singular = np.linalg.svd(X, compute_uv=False)
    for r in (1, 3, 8):
        C = c.LowRank(r, shape=(8, 12)).compress(X.ravel()).dense()
        np.testing.assert_allclose(np.sum((C - X.ravel()) ** 2), np.sum(singular[r:] ** 2), atol=1e-12)
        P = c.LowRank(r, shape=(8, 12), method="power").compress(X.ravel(), KEY).dense().reshape(8, 12)
        assert np.linalg.matrix_rank(P) == r
        error = np.sum((P - X) ** 2)
        assert np.sum(singular[r:] ** 2) - 1e-12 <= error <= np.sum(X**2)
        np.testing.assert_allclose(np.sum(P * (X - P)), 0, atol=1e-12)  # a projection


def test_low_rank_shapes():
    assert c.LowRank(1)._shape(60) == (6, 10)
    assert c.LowRank(1)._shape(7) == (1, 7)
    exact = np.outer(np.arange(1.0, 5), np.arange(3.0)).ravel()
    for method, scale in itertools.product(("svd", "power"), (1e300, 1.0, 1e-290)):
        C = c.LowRank(1, shape=(4, 3), method=method).compress(exact * scale, KEY).dense()
        np.testing.assert_allclose(C / scale, exact, rtol=1e-12, atol=1e-12)
        narrow = np.float32(1e30 if scale > 1 else 1e-30)
        C = c.LowRank(1, shape=(4, 3), method=method).compress(exact.astype(np.float32) * narrow, KEY).dense()
        np.testing.assert_allclose(C / narrow, exact, rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="does not fit"):
        c.LowRank(1, shape=(4, 3)).compress(np.ones(13))


# -- errors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: c.RandK(0), ValueError, "k must be at least 1, got 0"),
        (lambda: c.RandK(1.5), ValueError, "fraction"),
        (lambda: c.TopK("3"), TypeError, "k must be an integer"),
        (lambda: c.TopK(True), TypeError, "k must be an integer"),
        (lambda: c.Bernoulli(0.0), ValueError, "p must be"),
        (lambda: c.QSGD(0), ValueError, "levels must be"),
        (lambda: c.PermK(0), ValueError, "n_workers must be"),
        (lambda: c.LowRank(1, method="qr"), ValueError, "svd, power"),
        (lambda: c.LowRank(1, shape=3), TypeError, "pair"),
        (lambda: c.Composed(c.QSGD(1), c.QSGD(1)), TypeError, "sparsifier"),
        (lambda: c.Composed(c.TopK(1), 3), TypeError, "quantiser"),
        (lambda: c.PerBlock(3, 3), TypeError, "compressor"),
        (lambda: c.PerBlock(c.QSGD(1), 0), ValueError, "size"),
        (lambda: c.RandK(5).compress(np.ones(4), 1), ValueError, "k must be at most .* 4, got 5"),
        (lambda: c.RandK(1).compress(np.ones(4)), ValueError, "pass key"),
        (lambda: c.RandK(1).compress(np.ones(4), -1), ValueError, "key must be"),
        (lambda: c.RandK(1).compress(np.ones(4), 1, index=2**64), ValueError, "index must be"),
        (lambda: c.TopK(1).compress(np.ones((2, 2))), ValueError, "x must have 1 dimension"),
        (lambda: c.TopK(1).compress(np.ones((2, 2), np.float32)), ValueError, "x must have 1 dimension"),
        (lambda: c.TopK(1).compress([]), ValueError, "x must have at least 1"),
        (lambda: c.TopK(1).compress(["a"]), TypeError, "x must be an array of real"),
        (lambda: c.TopK(1).compress([1j]), TypeError, "x must be an array of real"),
        (lambda: c.TopK(1).compress([1.0]).add_to(np.ones(2)), ValueError, "out must have shape"),
        (lambda: c.TopK(1).compress([1.0]).add_to([1.0]), TypeError, "out must be"),
        (lambda: c.TopK(1).from_bytes("abc", 3), TypeError, "data must be bytes"),
        (lambda: c.TopK(1).from_bytes(b"abc", 3), ValueError, "data"),
        (lambda: c.ScaledSign().from_bytes(b"abcdefghij", 3), ValueError, "data must be 9 bytes"),
        (lambda: c.ScaledSign().from_bytes(b"abcdefgh\xff", 3), ValueError, "zeros"),
        (lambda: c.ScaledSign().from_bytes(b"abc", 3), ValueError, "ends early"),
        (lambda: c.TernGrad().from_bytes(b"abcdefgh\xff", 3), ValueError, "base 3"),
        (lambda: c.QSGD(4).from_bytes(b"abcdefgh\xff\xff", 4), ValueError, "level above 4"),
        (lambda: c.QSGD(4).from_bytes(b"", 4, dtype=np.int32), ValueError, "dtype must be"),
        (lambda: c.PerBlock(c.RandK(1), 2).from_bytes(b"", 4), ValueError, "pass key"),
        (lambda: c.Composed(c.RandK(1), c.QSGD(1)).from_bytes(b"", 4), ValueError, "pass key"),
        (lambda: c.compress_rows(c.TopK(1), np.ones(3)), ValueError, "X must have 2"),
        (lambda: c.compress_rows(c.TopK(1), np.ones((0, 3))), ValueError, "at least one row"),
        (lambda: c.compress_rows(c.RandK(1), np.ones((2, 3))), ValueError, "pass key"),
        (lambda: c.compress_rows(c.RandK(4), np.ones((2, 3)), 1), ValueError, "k must be at most"),
        (lambda: c.rand_k(3, 4, 1), ValueError, r"k must be in 0\.\.3"),
        (lambda: c.TopK(1).contraction(0), ValueError, "d must be"),
    ],
)
def test_errors(make, error, match):
    with pytest.raises(error, match=match):
        make()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40), st.sampled_from([c.TopK(3), c.Bernoulli(0.5, True, False), c.TernGrad()]))
def test_any_bytes_are_read_or_refused(data, compressor):
    try:
        payload = compressor.from_bytes(data, 20, 1, dtype=np.float32)
    except ValueError:
        return
    assert payload.dense().shape == (20,)
    assert len(payload.to_bytes()) == (payload.nbits + 7) // 8


def test_compressors_are_values():
    assert c.RandK(3) == c.RandK(3) != c.RandK(4)
    assert hash(c.QSGD(3)) == hash(c.QSGD(3))
    with pytest.raises(dataclasses.FrozenInstanceError):
        c.RandK(3).k = 4
    assert c.RandK(np.int64(3)) == c.RandK(3)
    assert c.TopK(0.001).compress(np.ones(10)).indices.size == 1


def test_masked_arrays_and_coordinates_beyond_the_vector_are_refused():
    for dtype in (np.float32, np.float64):
        with pytest.raises(TypeError, match="x must not be a masked array"):
            c.TopK(1).compress(np.ma.masked_array(np.ones(3, dtype), [0, 1, 0]))

    class Beyond(c.RandK):
        def _draw(self, d, key, index, device=None):
            return np.array([0, d])

    with pytest.raises(IndexError, match="chose coordinates beyond the 3 of x"):
        Beyond(2).compress(np.ones(3), KEY)


def test_views_of_all_kinds_are_compressed_alike():
    x = gaussian(4, 80).astype(np.float32)
    expected = c.RandK(5).compress(x[::2].copy(), KEY).dense()
    for view in (x[::2], x[::2].astype(">f4"), x[::2].tolist(), np.frombuffer(x[::2].tobytes(), np.float32)):
        np.testing.assert_array_equal(c.RandK(5).compress(view, KEY).dense(), expected)
