"""What the argument checks let through, what they refuse and how they say it."""

import doctest
from fractions import Fraction

import numpy as np
import pytest
from scipy import sparse

from gossamer.kernels import checks


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3), np.array(3)])
def test_counts(value):
    assert checks.count("n", value, least=3, most=3) == 3
    assert type(checks.count("n", value)) is int


@pytest.mark.parametrize(
    "value", [True, np.True_, 3.0, 1.5, np.inf, np.nan, "3", None, [3], np.array([3]), 3j, np.float64(3)]
)
def test_what_is_no_count(value):
    with pytest.raises(TypeError, match=r"^size must be an integer, got "):
        checks.count("size", value)


@pytest.mark.parametrize(
    ("value", "limits", "message"),
    [
        (-1, {}, "^n must be at least 0, got -1$"),
        (np.int64(0), {"least": 1}, "^n must be at least 1, got 0$"),
        (6, {"least": 1, "most": 5}, r"^n must be in 1\.\.5, got 6$"),
        (-(10**400), {}, r"^n must be at least 0, got -1000\d*\.\.\.0+$"),
    ],
)
def test_counts_out_of_range(value, limits, message):
    with pytest.raises(ValueError, match=message):
        checks.count("n", value, **limits)


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.int16(2), Fraction(4, 2), np.longdouble(2)])
def test_reals(value):
    number = checks.real("x", value, least=2, most=2, above=1.9, below=2.1)
    assert number == 2.0
    assert type(number) is float
    assert checks.real("x", -value) == -2.0


@pytest.mark.parametrize("value", [True, np.True_, 1j, np.complex128(1), "1", b"1", None, [1.0], np.ones(1)])
def test_what_is_no_real(value):
    with pytest.raises(TypeError, match=r"^x must be a number, got "):
        checks.real("x", value)


@pytest.mark.parametrize(
    ("value", "limits", "message"),
    [
        (np.nan, {}, "x must be a finite number, got nan"),
        (np.nan, {"allow_inf": True}, "x must be a number, got nan"),
        (np.inf, {}, "x must be a finite number, got inf"),
        (10**400, {}, r"x must be a finite number, got 100\d*\.\.\.0+"),
        (-np.inf, {"allow_inf": True, "least": 0}, "x must be a number >= 0, got -inf"),
        (-0.1, {"least": 0}, "x must be a finite number >= 0, got -0.1"),
        (0, {"above": 0}, "x must be a finite number > 0, got 0"),
        (1.5, {"above": 0, "most": 1}, "x must be a finite number > 0 and <= 1, got 1.5"),
        (1.0, {"least": 0, "below": 1}, "x must be a finite number >= 0 and < 1, got 1.0"),
    ],
)
def test_reals_out_of_range(value, limits, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        checks.real("x", value, **limits)


def test_infinities_where_allowed():
    assert checks.real("x", np.inf, above=0, allow_inf=True) == np.inf
    assert checks.real("x", -np.inf, allow_inf=True) == -np.inf
    assert checks.real("x", 10**400, least=0, allow_inf=True) == np.inf


def test_arrays_of_any_kind():
    X = np.arange(6.0).reshape(2, 3)
    unaligned = np.frombuffer(b"0" + X.tobytes(), dtype=np.float64, offset=1).reshape(2, 3)
    variants = [
        X, X.tolist(), X.astype(np.float32), X.astype(">f8"), X.astype(np.uint8), X.astype(np.longdouble),
        np.asfortranarray(X), np.repeat(X, 2, axis=1)[:, ::2], unaligned,
        checks.frozen(X.copy()),
    ]  # fmt: skip
    for variant in variants:
        array = checks.real_array("X", variant, (None, 3))
        np.testing.assert_array_equal(array, X)
        assert type(array) is np.ndarray
        assert array.dtype == np.dtype(np.float64)
        assert array.dtype.isnative
        assert array.flags.c_contiguous
        assert array.flags.aligned
    assert checks.real_array("X", X, 2) is X
    assert checks.real_array("mask", [True, False], 1).tolist() == [1.0, 0.0]
    assert checks.real_array("x", [], (0,)).shape == (0,)
    assert checks.real_array("x", 2, ()).shape == ()


@pytest.mark.parametrize(
    "value", [1j, [1j, 0], np.ones(2, complex), "a", ["1", "2"], None, [None, 1.0], [{}], [10**400]]
)
def test_arrays_of_what_is_no_real(value):
    with pytest.raises(TypeError, match=r"^x must be an array of real numbers, got dtype"):
        checks.real_array("x", value, 1)


@pytest.mark.parametrize(
    ("value", "shape", "message"),
    [
        ([[1.0]], 1, r"x must have 1 dimension\(s\), got shape \(1, 1\)"),
        ([1.0, 2.0], (3,), r"x must have shape \(3,\), got shape \(2,\)"),
        (np.ones((2, 3)), (None, 4), r"x must have shape \(any, 4\), got shape \(2, 3\)"),
        (np.ones((2, 3)), (2,), r"x must have shape \(2,\), got shape \(2, 3\)"),
        ([[1, 2], [3]], 2, r"x must be a rectangular array: .*"),
        ([0.0, np.nan, np.inf], 1, r"x must be finite, but x\[1\] is nan \(2 such entries\)"),
        ([[0.0, 0.0], [0.0, -np.inf]], 2, r"x must be finite, but x\[1, 1\] is -inf \(1 such entry\)"),
        (np.array([1, 2], np.longdouble) * np.finfo(np.float64).max, 1, r"x must be finite.*\[1\] is inf.*"),
        (np.nan, (), r"x must be finite, but it is nan \(1 such entry\)"),
    ],
)
def test_arrays_that_do_not_fit(value, shape, message):
    for check in (checks.real_array, checks.own_array):
        with pytest.raises(ValueError, match=f"^{message}$"):
            check("x", value, shape)


def test_bounds_of_arrays():
    assert checks.real_array("x", [0.0, np.nan, np.inf], 1, finite=False, least=0).size == 3
    for check in (checks.real_array, checks.own_array):
        with pytest.raises(ValueError, match=r"^x must be at least 0, but x\[2\] is -1.0 \(1 such entry\)$"):
            check("x", [1, 2, -1], 1, least=0)


class Wrapper:
    """As data frames do, hands out its own memory."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array


@pytest.mark.parametrize("given", [np.asarray, lambda a: a[:], lambda a: a.T.T, memoryview, Wrapper])
def test_kept_arrays_do_not_change_with_their_source(given):
    source = np.arange(4.0)
    kept = checks.own_array("x", given(source), 1)
    read_only_view = checks.frozen(source.view())
    seen = checks.own_array("x", read_only_view, 1)
    assert source.flags.writeable
    source[:] = -1.0
    assert kept.tolist() == seen.tolist() == [0.0, 1.0, 2.0, 3.0]
    for array in (kept, seen):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


def test_an_earlier_view_of_a_read_only_array_does_not_reach_what_is_kept():
    source = np.arange(4.0)
    earlier = source[:]
    source.flags.writeable = False
    kept = checks.own_array("x", source, 1)
    earlier[:] = -1.0
    assert kept.tolist() == [0.0, 1.0, 2.0, 3.0]


def test_only_what_the_package_froze_is_not_copied():
    source = checks.frozen(np.arange(4.0))
    assert checks.own_array("x", source, 1) is source
    source.flags.writeable = True
    assert checks.own_array("x", source, 1) is not source


def test_masked_arrays():
    masked = np.ma.masked_array([1.0, 2.0], [False, True])
    for check in (checks.real_array, checks.own_array):
        with pytest.raises(
            TypeError, match=r"^x must not be a masked array: fill or drop masked entries first$"
        ):
            check("x", masked, 1)


def test_masked_arrays_in_lists():
    row = np.ma.masked_array([1.0, 2.0], [False, True])
    for rows in ([row, row], (np.ones(2), row)):
        for check in (checks.as_array, lambda name, value: checks.real_array(name, value, 2)):
            with pytest.raises(TypeError, match=r"^x must not be a masked array"):
                check("x", rows)


@pytest.mark.parametrize("make", [sparse.csr_array, sparse.coo_array, sparse.csc_matrix, sparse.dok_array])
def test_sparse_matrices(make):
    for value in (make(np.eye(2)), [make(np.eye(2)), make(np.eye(2))]):
        with pytest.raises(TypeError, match=r"^x must not be a sparse matrix: pass x\.toarray\(\)$"):
            checks.as_array("x", value)


class Table:
    """As data frames do, gives an array of objects."""

    def __init__(self, entries):
        self.entries = np.array(entries, object)

    def __array__(self, dtype=None, copy=None):
        return self.entries


def test_tables_of_objects():
    assert checks.as_array("x", Table([[1, 2.5], [True, np.float32(3)]])).tolist() == [[1.0, 2.5], [1.0, 3.0]]
    assert checks.as_array("x", Table(["a", "bc"])).dtype == np.dtype("U2")
    found = checks.as_array("x", Table([[1, None]]))
    np.testing.assert_array_equal(found, [[1.0, np.nan]])
    for entries in ([1, "a"], ["a\0"], [None], [Fraction(1, 2), 1j]):
        assert checks.as_array("x", Table(entries)).dtype == object
    assert checks.as_array("x", np.array([1, 2], object)).dtype == object  # the caller's own choice
    with pytest.raises(TypeError, match=r"got dtype object: x\[1\] is 'a', of type str"):
        checks.real_array("x", Table([1, "a"]), 1)


def test_count_without_a_lower_end():
    assert checks.count("x", -7, least=None, most=5) == -7
    with pytest.raises(ValueError, match=r"^x must be at most 5, got 6$"):
        checks.count("x", 6, least=None, most=5)


def test_docstring_examples():
    assert doctest.testmod(checks).failed == 0
