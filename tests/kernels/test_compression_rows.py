"""Compressors in compiled loops: bit by bit what `compress` makes, for all of them, and users' own."""

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest
from numba import types

from gossamer.kernels import compression as c
from gossamer.kernels import random
from gossamer.kernels._jit import lazy_njit
from gossamer.kernels.compression import combined, rows
from gossamer.kernels.compression.row_function import is_compiled
from gossamer.kernels.compression.sparsifier import SparsePayload
from gossamer.kernels.oracles import PerformanceWarning

KEY = random.make_key(11)
D = 37
SPARSIFIERS = [
    c.Identity(),
    *(
        cls(k, scaled=scaled, shared_seed=shared)
        for cls in (c.RandK, c.BlockRandK, c.Bernoulli)
        for k in (0.3, 1.0, 5)
        if not (cls is c.Bernoulli and k == 5)
        for scaled in (True, False)
        for shared in (True, False)
    ),
    c.PermK(1),
    c.PermK(5),
    c.PermK(60),  # more workers than coordinates: some keep nothing
    c.TopK(1),
    c.TopK(0.4),
    c.TopK(D),
]
QUANTISERS = [
    *(c.QSGD(s, scaled=scaled) for s in (1, 6) for scaled in (True, False)),
    *(cls(scaled=scaled) for cls in (c.TernGrad, c.Natural) for scaled in (True, False)),
    c.ScaledSign(),
]
LOW_RANK = [c.LowRank(2, shape=(1, D)), c.LowRank(1), c.LowRank(1, method="power")]
NESTED = [
    *(c.Composed(s, c.QSGD(3, scaled=False)) for s in SPARSIFIERS),
    *(c.Composed(c.RandK(8, shared_seed=False), q) for q in [*QUANTISERS, c.TopK(3), c.RandK(0.5)]),
    c.Composed(c.RandK(6), c.Natural()),
    c.Composed(c.TopK(0.1), c.LowRank(1)),
    c.Composed(c.Bernoulli(0.5, shared_seed=False), c.LowRank(1, method="power")),
    c.Composed(c.Bernoulli(0.5), c.Composed(c.TopK(0.5), c.QSGD(2))),
    c.Composed(c.Bernoulli(0.8), c.PerBlock(c.TernGrad(), 5)),
    *(
        c.PerBlock(compressor, size)
        for compressor in (c.Identity(), c.TopK(0.4))
        for size in (1, 8, D, 2**70)
    ),
    *(c.PerBlock(q, 10) for q in QUANTISERS),
    c.PerBlock(c.Composed(c.TopK(3), c.QSGD(15)), 10),
    c.PerBlock(c.PerBlock(c.RandK(0.5), 4), 11),
    c.PerBlock(c.LowRank(1), 6),
]
ALL = [*SPARSIFIERS, *QUANTISERS, *LOW_RANK, *NESTED]


def matrix(d=D, n=14):
    """Gaussian rows; and rows of zeros, negative zeros, ties, huge, tiny, infinite and undefined numbers."""
    X = np.random.default_rng(d).normal(size=(n, d))
    X[1] = 0.0
    X[2] = -0.0
    X[3] = np.where(X[3] > 0, 1.0, -1.0)
    X[4] *= 1e300
    X[5] *= 1e-310
    X[6, ::3] = np.inf
    X[7, d // 2] = np.nan
    X[8, ::2] = -0.0
    X[9] *= 1e-200
    X.flags.writeable = False
    return X


def assert_same_bits(found, wanted):
    """Equal with the signs of zeros; any NaN equals any other."""
    found, wanted = np.asarray(found), np.asarray(wanted)
    np.testing.assert_array_equal(found, wanted)
    numbers = ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(found[numbers]), np.signbit(wanted[numbers]))


def check(compressor, X, index):
    for i, x in enumerate(X):
        row, bits = c.compress_rows(compressor, X[i : i + 1], KEY, index=index + i)
        payload = compressor.compress(x, KEY, index=index + i)
        assert_same_bits(row[0], payload.dense())
        assert bits == payload.nbits
        assert (bits + 7) // 8 == len(payload.to_bytes())
    C, total = c.compress_rows(compressor, X, KEY, index=index)
    payloads = [compressor.compress(x, KEY, index=index + i) for i, x in enumerate(X)]
    assert_same_bits(C, [p.dense() for p in payloads])
    assert total == sum(p.nbits for p in payloads)


@pytest.mark.parametrize("compressor", ALL, ids=str)
def test_rows_are_bit_by_bit_what_compress_makes(compressor):
    check(compressor, matrix(), 2**40 - 3)


@pytest.mark.parametrize("d", [1, 2, 11])
def test_short_rows(d):
    X = matrix(d)
    for compressor in [
        c.RandK(1),
        c.PermK(3),
        c.Bernoulli(0.2, shared_seed=False),
        c.TopK(0.01),
        c.QSGD(2, scaled=False),
        c.Natural(),
        c.LowRank(1),
        c.Composed(c.TopK(1), c.QSGD(2)),
        c.Composed(c.PermK(3), c.TernGrad(scaled=False)),
        c.Composed(c.Bernoulli(1e-6), c.ScaledSign()),  # keeps nothing, nearly always
        c.PerBlock(c.TernGrad(), 2),
    ]:
        check(compressor, X, 0)


def test_all_have_row_kernels():
    for compressor in ALL:
        assert is_compiled(compressor), compressor


def test_part_keys_are_those_of_the_reference():
    for key in (0, 1, KEY, 2**64 - 1):
        for part in (0, 1, 2**33):
            assert rows._part_key(np.uint64(key), part) == combined._part_key(np.uint64(key), part)


def test_row_function_fits_one_length():
    for compressor, d, message in [
        (c.RandK(5), 4, "k must be at most the number of coordinates 4, got 5"),
        (c.BlockRandK(5), 4, "k must be at most the number of coordinates 4, got 5"),
        (c.TopK(5), 4, "k must be at most the number of coordinates 4, got 5"),
        (c.Composed(c.TopK(5), c.QSGD(1)), 4, "coordinates 4, got 5"),
        (c.Composed(c.TopK(3), c.RandK(5)), 9, "coordinates 3, got 5"),
        (c.Composed(c.Bernoulli(0.5), c.RandK(5)), 4, "coordinates 4, got 5"),
        (c.PerBlock(c.TopK(3), 5), 11, "coordinates 1, got 3"),
        (c.LowRank(1, shape=(2, 3)), 7, r"shape \(2, 3\) does not fit a vector of 7"),
        (c.TopK(1), 0, "d must be"),
    ]:
        with pytest.raises(ValueError, match=message):
            c.row_function(compressor, d)
        if d:
            with pytest.raises(ValueError, match=message):
                c.compress_rows(compressor, np.ones((2, d)), KEY)
    with pytest.raises(TypeError, match="compressor must be one"):
        c.row_function(np.sum, 3)  # pyright: ignore[reportArgumentType]
    assert not c.row_function(c.TopK(2), 5).parameters.flags.writeable


def test_too_few_values_for_the_quantiser_raise_only_where_they_are_met():
    compressor = c.Composed(c.Bernoulli(0.5), c.TopK(5))
    x = np.arange(1.0, 13.0)
    part_key = combined._part_key(np.uint64(KEY), 0)
    outcomes = set()
    for index in range(40):
        count = c.Bernoulli(0.5).compress(x, int(part_key), index=index).nbits // 64
        outcomes.add(fits := count == 0 or count >= 5)
        if fits:
            C, _ = c.compress_rows(compressor, x[None], KEY, index=index)
            assert_same_bits(C[0], compressor.compress(x, KEY, index=index).dense())
        else:
            with pytest.raises(ValueError, match="k must be at most"):
                compressor.compress(x, KEY, index=index)
            with pytest.raises(ValueError, match="does not fit the number of values"):
                c.compress_rows(compressor, x[None], KEY, index=index)
    assert outcomes == {True, False}


def test_threads_do_not_matter():
    X = matrix(64, 200)
    compressors = [
        c.Composed(c.TopK(0.3), c.QSGD(4)),
        c.PerBlock(c.Composed(c.RandK(0.5), c.Natural()), 10),
        c.LowRank(2, method="power"),
    ]
    expected = [c.compress_rows(compressor, X, KEY) for compressor in compressors]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            found = pool.map(lambda compressor: c.compress_rows(compressor, X, KEY), compressors * 4)
            for (C, bits), (wanted, wanted_bits) in zip(found, expected * 4, strict=True):
                assert_same_bits(C, wanted)
                assert bits == wanted_bits


# -- users' own ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Halved(c.Compressor):
    """Top-1 of x / 2, in Python; refuses negative sums."""

    random = False
    unbiased = False  # pyright: ignore

    def _compress(self, x, key, index):
        if x.sum() < 0:
            raise ArithmeticError(f"message {index} has sum {x.sum()}")
        return c.TopK(1)._compress(x / 2, key, index)

    def _read(self, reader, d, dtype, key, index):
        return c.TopK(1)._read(reader, d, dtype, key, index)


@dataclass(frozen=True)
class FirstOnes(c.Sparsifier):
    """The first coordinates, as many as the message's number, modulo 4."""

    random = False
    shared_seed = False
    unbiased = False  # pyright: ignore

    def _draw(self, d, key, index, device=None):
        return np.arange(min(d, int(index) % 4))

    def _n_sent(self, d):
        return None


class LowestK(c.TopK):
    """Changes, in Python alone, what the compiled kernel of its base class does."""

    def _choose(self, x, key, index):
        return np.sort(np.argsort(np.abs(x), kind="stable")[: int(self.k)])


class Zeroed(Halved):
    """Writes to what it is given."""

    def _compress(self, x, key, index):
        x[:] = 0
        return super()._compress(x, key, index)


class WrongShape(Halved):
    """Returns what no loop has room for."""

    def _compress(self, x, key, index):
        return SparsePayload(1, np.array([0]), x[:1], True, False)


def numbers(n=8, d=9):
    return np.abs(np.random.default_rng(3).normal(size=(n, d)))


@pytest.mark.parametrize(
    "compressor",
    [
        Halved(),
        FirstOnes(),
        LowestK(2),
        c.PerBlock(Halved(), 4),
        c.Composed(c.TopK(3), Halved()),
        c.Composed(c.Bernoulli(0.5), Halved()),
        c.Composed(FirstOnes(), c.QSGD(2)),
        c.PerBlock(c.Composed(LowestK(2), Halved()), 3),
    ],
    ids=str,
)
def test_compressors_in_python(compressor):
    with pytest.warns(PerformanceWarning, match="runs in Python") as caught:
        c.row_function(compressor, 9)
    assert caught[0].filename == __file__
    check(compressor, numbers(), 5)  # no second warning


def test_exceptions_reach_the_caller():
    X = numbers()
    X[5] *= -1
    for compressor in (Halved(), c.PerBlock(Halved(), 4), c.Composed(c.TopK(2), Halved())):
        with pytest.warns(PerformanceWarning):
            c.row_function(compressor, 9)
        with pytest.raises(ArithmeticError, match="message 12 has sum -"):
            c.compress_rows(compressor, X, index=7, key=KEY)
        C, _ = c.compress_rows(compressor, X[:5], KEY)  # and nothing is broken afterwards
        assert np.isfinite(C).all()
    with pytest.warns(PerformanceWarning), pytest.raises(ValueError, match="read-only"):
        c.compress_rows(Zeroed(), X)
    wrong = WrongShape()
    with (
        pytest.warns(PerformanceWarning),
        pytest.raises(ValueError, match=r"shape \(1,\) of vectors of shape \(9,\)"),
    ):
        c.compress_rows(wrong, X)


def test_functions_keep_their_compressor_alive_and_nothing_else_does():
    compressor = c.PerBlock(Halved(), 4)
    inner = weakref.ref(compressor.compressor)
    with pytest.warns(PerformanceWarning):
        function = c.row_function(compressor, 9)
    del compressor
    gc.collect()
    X = numbers()
    out = np.empty_like(X)
    rows.compress_all(function.address, X, KEY, 0, function.parameters, out)
    assert inner() is not None
    del function
    gc.collect()
    assert inner() is None


@lazy_njit(rows.PICK)
def pick_last(x, key, index, parameters, indices, values):
    """The last coordinate, times a parameter."""
    indices[0] = x.size - 1
    values[0] = x[x.size - 1] * parameters[0]
    return np.int64(1)


class Last(c.Sparsifier):
    """A user's sparsifier with a compiled pick."""

    random = False
    unbiased = False  # pyright: ignore
    shared_seed = False
    pick_kernel = pick_last

    def _draw(self, d, key, index, device=None):
        return np.array([d - 1])

    def _factors(self, d, device=None):
        return 3.0

    def _n_sent(self, d):
        return 1

    def pick_parameters(self, d):
        return [3.0]


def test_compiled_sparsifiers_of_users():
    for compressor in (Last(), c.Composed(Last(), c.Natural()), c.PerBlock(Last(), 2)):
        assert is_compiled(compressor)
        check(compressor, numbers(), 0)  # without a warning


def test_compiled_loops_of_users():
    @lazy_njit(
        types.int64(types.int64, types.float64[::1], types.uint64, types.float64[::1], types.float64[::1])
    )
    def twice(kernel, x, key, parameters, out):
        compress = rows.row_at(kernel)
        return compress(x, key, np.uint64(0), parameters, out) + compress(
            x, key, np.uint64(1), parameters, out
        )

    compressor = c.Composed(c.RandK(4), c.QSGD(3))
    function = c.row_function(compressor, 9)
    x, out = numbers()[0], np.empty(9)
    bits = twice(function.address, x, 5, function.parameters.copy(), out)
    first, second = (compressor.compress(x, 5, index=i) for i in (0, 1))
    assert bits == first.nbits + second.nbits
    assert_same_bits(out, second.dense())
