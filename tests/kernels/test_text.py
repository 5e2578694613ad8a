"""Numbers, LIBSVM lines and tables: compiled code against definitions in Python, on right and broken text."""

import doctest
import math
import struct
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gossamer.kernels import text
from gossamer.kernels.text import reference

INTEGERS = st.text("0123456789", max_size=24)
EXPONENTS = st.one_of(st.just(""), st.integers(-400, 400).map(lambda e: f"e{e}"))
SIGNS = st.sampled_from(["", "+", "-"])
NUMBERS = st.builds("{}{}{}{}{}".format, SIGNS, INTEGERS, st.sampled_from(["", "."]), INTEGERS, EXPONENTS)


def value_of(token):
    """What the compiled code makes of one token: the target of a sample without features."""
    try:
        return text.libsvm(token + b" 1:0")[1][0]
    except ValueError:
        return None


def assert_same(token):
    found, right = value_of(token), reference.number(token)
    assert (found is None) == (right is None), token
    if right is not None:
        assert struct.pack("d", found) == struct.pack("d", right), token


def halfway(mantissa, exponent):
    """The number between two floats, with all its digits."""
    with localcontext() as context:
        context.prec = 800
        return str(Decimal(2 * mantissa + 1) * Decimal(2) ** exponent)


@given(st.one_of(NUMBERS, st.floats(allow_nan=False, allow_infinity=False).map(repr)))
@example("5e-324")
@example("2.4703282292062327e-324")
@example("2.4703282292062328e-324")
@example("2.2250738585072011e-308")
@example("1.7976931348623158e308")
@example("1.7976931348623159e308")
@example("9007199254740993")
@example("9007199254740993." + "0" * 40 + "1")
@example("123456789012345678901234567890e-40")
@example("0." + "0" * 330 + "123456789012345678901")
@example("1e" + "9" * 30)
@example("-1e-" + "9" * 30)
@example("-0")
@example(".")
@example("1e")
@example("+.5E+2")
@settings(max_examples=300, deadline=None)
def test_numbers_are_correctly_rounded(token):
    assert_same(token.encode())


@given(st.integers(2**52, 2**53 - 1), st.integers(-700, 900), st.sampled_from(["", "1", "0000001"]))
@settings(max_examples=100, deadline=None)
def test_numbers_halfway_between_two_floats(mantissa, exponent, more):
    digits = halfway(mantissa, exponent)
    if "E" not in digits:
        digits += more if "." in digits else f".{more}"
    assert_same(digits.encode())
    for size in (17, 18, 19, 20):  # cut off near the half
        _, figures, power = Decimal(digits).as_tuple()
        shown = "".join(map(str, figures[:size]))
        assert_same(f"{shown}e{power + len(figures) - len(shown)}".encode())


@given(st.integers(0, 2**64 - 1))
@settings(max_examples=300, deadline=None)
def test_every_float_survives_17_digits(bits):
    (number,) = struct.unpack("d", struct.pack("Q", bits))
    if math.isfinite(number):
        for shown in (repr(number), f"{number:.16e}", f"{number:.18e}", f"{number:.25e}"):
            assert struct.pack("d", value_of(shown.encode())) == struct.pack("d", number)


@pytest.mark.parametrize(
    "token", ["1_0", "0x10", "1d5", "inf", "nan", "1..2", "--1", "1e+", "e5", "١", "1,5"]
)
def test_what_is_no_number(token):
    assert value_of(token.encode()) is None
    assert reference.number(token.encode()) is None


ENDS = st.sampled_from(["\n", "\r\n", "\r", "\n\n", "\n \t\n", " # comment 1:2\n", "#\r\n", ""])
PAIRS = st.builds(
    "{}{}:{}".format,
    st.sampled_from([" ", "  ", "\t"]),
    st.integers(0, 6),
    st.sampled_from(["1", ".5", "-2.", "1e-3", "12345678901234567890123", "x", "", "1:2"]),
)
LINES = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", " "]),
    st.sampled_from(["1", "+1", "-2.5", "3e2", "yes", ""]),
    st.lists(PAIRS, max_size=3).map("".join),
    ENDS,
)
NOISE = st.text('0123456789.:- #\n\r,;"ea+\t', max_size=14)


@given(st.one_of(st.lists(LINES, max_size=4).map("".join), NOISE), st.sampled_from([0, 1]))
@settings(max_examples=400, deadline=None)
def test_libsvm_is_its_definition(content, base):
    data = content.encode()
    try:
        targets, samples = reference.libsvm(data, base=base)
    except ValueError as error:
        with pytest.raises(ValueError, match=rf"^{error}\b"):
            text.libsvm(data, zero_based=base == 0, n_features=7)
        return
    if not targets:
        with pytest.raises(ValueError, match="no sample"):
            text.libsvm(data, zero_based=base == 0, n_features=7)
        return
    right = np.zeros((len(samples), 7))
    for row, sample in zip(right, samples, strict=True):
        row[list(sample)] = list(sample.values())
    width = max(map(max, filter(None, samples)), default=-1) + 1
    for n_features in (7, None) if width else (7,):
        X, y = text.libsvm(data, zero_based=base == 0, n_features=n_features)
        np.testing.assert_array_equal(X, right[:, :n_features] if n_features else right[:, :width])
        assert y.tolist() == targets


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"1 0:2", {}, "^line 1: indices must start at 1 and ascend, got 0; zero_based=True counts from 0$"),
        (b"1 1:2\r\n1 3:1 2:1", {}, "^line 2: indices must start at 1 and ascend, got 2 after 3$"),
        (b"1 1:2\r1 4:1", {"n_features": 3}, "^line 2: index 4 exceeds 3, the last of n_features = 3$"),
        (b"1 3:1", {"n_features": 3, "zero_based": True}, "^line 1: index 3 exceeds 2, the last of n_feat"),
        (b"1 1099511627776:1", {}, "^as a dense matrix of shape .1, 1099511627776. the data exceed"),
        (b"1 " + b"9" * 40 + b":1", {}, "exceed"),
        (b"1 1:1", {"n_features": 2**40}, "exceed"),
        (b"1 1:1e999", {}, "^line 1, index 1: '1e999' is not finite"),
        (b"1\n1", {}, "no sample with a feature; n_features="),
        (b"# nothing\n\n", {}, "no sample$"),
    ],
)
def test_libsvm_says_what_is_wrong(content, options, message):
    with pytest.raises(ValueError, match=message):
        text.libsvm(content, **options)


CELLS = st.sampled_from(
    [
        "1",
        "-2.5",
        " 3",
        "4 ",
        '"5"',
        ' "6" ',
        "x",
        "",
        '"a""b"',
        "1e5",
        '"',
        '"1"x',
        'a"',
        "+7.25",
        "1e",
        "\t8",
    ]
)


@st.composite
def tables(draw):
    sep = draw(st.sampled_from(",;\t |"))
    widths = st.sampled_from([3, 3, 3, 3, 3, 2, 4])
    rows = draw(st.lists(widths.flatmap(lambda k: st.lists(CELLS, min_size=k, max_size=k)), max_size=4))
    return sep, "".join(sep.join(row) + draw(ENDS) for row in rows)


@given(st.one_of(tables(), st.tuples(st.sampled_from(",;"), NOISE)), st.integers(0, 2))
@settings(max_examples=400, deadline=None)
def test_a_table_is_its_definition(given_table, target):
    sep, content = given_table
    data = content.encode()
    try:
        rows = reference.table(data, sep=sep.encode())
        broken = next((r for r in rows for k, v in enumerate(r) if v is None and k != target), None)
        broken = broken or (bool(rows) and len(rows[0]) != 3)
    except ValueError:
        broken = True
    if broken:
        with pytest.raises(ValueError, match=r"^line \d+[:,]"):
            text.table(data, ["a", "b", "c"], target, sep=sep)
        return
    found = text.table(data, ["a", "b", "c"], target, sep=sep)
    right = np.array(rows, float).reshape(-1, 3)
    np.testing.assert_array_equal(found.X, np.delete(right, target, axis=1))
    np.testing.assert_array_equal(found.y, right[:, target])
    blanks = b" \t".replace(sep.encode(), b"")
    lines = [line for line in reference.lines(data) if line.strip(blanks)]
    cells = [reference.cells(line, sep.encode())[target] for line in lines]
    assert [text.cell_text(data, *place).encode() for place in found.places] == cells


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"1,2,3\n\n1,2", r"^line 3: 2 cells, but the first line has 3$"),
        (b"1,2,3\r\n1,2,3,", r"^line 2: more than 3 cells, but the first line has 3$"),
        (b'1,"2\n3",4', r"^line 1, b: a quote is not closed on its line$"),
        (b'1,"2" x,4', r"^line 1, b: text follows a closing quote$"),
        (b'1,2 "x",4', r"^line 1, b: a quote stands inside a cell$"),
        (b"1,,4", r"^line 1, b: '' is not a number!$"),
        (b"1,2,1e400", r"^line 1, c: '1e400' is not finite: remove or impute such entries$"),
    ],
)
def test_a_table_says_what_is_wrong(content, message):
    with pytest.raises(ValueError, match=message):
        text.table(
            content, ["a", "b", "c"], 2, remedy=lambda line, cell: "!" if line == 1 and cell == b"" else ""
        )


def test_rows_are_left_out():
    data = b"1,2,3\nNA,5,6\n7,NA,x\n,,\n8,9,\n"
    found = text.table(data, ["a", "b", "c"], 2, is_missing=lambda cell: cell in (b"", b"NA"))
    assert found.X.tolist() == [[1.0, 2.0], [8.0, 9.0]]
    np.testing.assert_array_equal(found.y, [3.0, np.nan])
    assert [text.cell_text(data, *place) for place in found.places] == ["3", ""]


def test_a_decimal_comma():
    found = text.table(b"1,5;-,25;x\n", ["a", "b", "c"], 2, sep=";", decimal=",")
    assert found.X.tolist() == [[1.5, -0.25]]
    with pytest.raises(ValueError, match=r"^line 1, a: '1\.5' is not a number$"):
        text.table(b"1.5;2;x\n", ["a", "b", "c"], 2, sep=";", decimal=",")
    digits = "0,1" + "3" * 30
    hard = text.table(f"{digits};1;2".encode(), ["a", "b", "c"], 2, sep=";", decimal=",")
    assert hard.X[0, 0] == float(digits.replace(",", "."))


def test_docstring_examples():
    assert doctest.testmod(text).failed == 0


@given(st.lists(st.sampled_from(["a", "b", '"a"', '"a""b"', "", '""', "é", "ab", "x" * 40]), max_size=60))
@settings(max_examples=100, deadline=None)
def test_distinct_cells(cells):
    data = "".join(f"1,{cell}\n" for cell in cells).encode()
    if not cells:
        assert text.distinct_cells(data, np.empty((0, 2)))[0] == []
        return
    places = text.table(data, ["a", "b"], 1).places
    texts, codes, firsts = text.distinct_cells(data, places)
    right = [text.cell_text(data, *place) for place in places]
    assert [texts[code] for code in codes] == right
    assert [codes[first] for first in firsts] == list(range(len(texts)))
    assert len(texts) <= len(set(cells))
    with pytest.raises(ValueError, match="places must be of cells in"):
        text.distinct_cells(data, places + len(data))
