"""Numbers in text files, read from bytes: LIBSVM lines and tables of cells.

Numbers are decimal (`-1`, `.5`, `1e-3`), correctly rounded to float64, and finite; lines end in LF, CR LF
or CR. `reference.py` is the definition, in plain Python.
"""

from __future__ import annotations

import functools
import reprlib
import secrets
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import checks
from . import cpu_libsvm, cpu_numbers, cpu_table, reference

__all__ = ["Table", "cell_text", "cells", "distinct_cells", "libsvm", "table"]

MAX_BYTES = 8 * 2**30  # of a dense matrix; an index typed wrong in a sparse file asks for more

cells = reference.cells
_powers = functools.cache(reference.powers_of_five)


class Table(NamedTuple):
    """What `table` reads.

    Attributes
    ----------
    X : (M, d) float64 array
        The numbers.
    y : (M,) float64 array
        The target column; NaN where a target is no number.
    places : (M, 2) int64 array
        The bytes data[begin:end] of the targets, for `cell_text`.
    """

    X: np.ndarray
    y: np.ndarray
    places: np.ndarray


def libsvm(
    data: Any, *, zero_based: bool = False, n_features: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    r"""Read lines `target index:value ... # comment` into a dense matrix.

    Parameters
    ----------
    data : bytes or (size,) uint8 array
        The text.
    zero_based : bool
        Whether indices begin at 0 instead of 1.
    n_features : int, optional
        Number of columns, at least 1; by default as many as the largest index needs.

    Returns
    -------
    X : (M, d) float64 array
        Zero where a line has no value.
    y : (M,) float64 array
        Targets.

    Raises
    ------
    ValueError
        A line that is something else, by its number; no samples, or none with a value and no `n_features`; a
        matrix of more than 8 GiB.
    MemoryError
        A matrix of more than there is.

    Examples
    --------
    >>> X, y = libsvm(b"+1 1:0.5 3:2\n-1 2:1")
    >>> X.tolist(), y.tolist()
    ([[0.5, 0.0, 2.0], [0.0, 1.0, 0.0]], [1.0, -1.0])
    """
    text = _bytes(data)
    base = 0 if zero_based else 1
    n_rows, most = cpu_libsvm.measure(text)
    if n_rows == 0:
        raise ValueError("the text has no sample")
    # without an index one column, until all lines are known to be right
    n_columns = (
        max(most + 1 - base, 1) if n_features is None else checks.count("n_features", n_features, least=1)
    )
    _check_size((n_rows, n_columns), "look for a wrong index, or bound them by n_features=")
    X, y = np.zeros((n_rows, n_columns)), np.empty(n_rows)
    state = np.zeros(cpu_libsvm.N_STATE, np.int64)
    while (status := cpu_libsvm.read(text, base, _powers(), state, X, y)) != cpu_libsvm.DONE:
        token = text[state[cpu_libsvm.BEGIN] : state[cpu_libsvm.END]].tobytes()
        row, column = int(state[cpu_libsvm.ROW]), int(state[cpu_libsvm.COLUMN])
        where = f"line {state[cpu_libsvm.LINE] + 1}"
        index = column + base
        if status == cpu_libsvm.NOT_A_PAIR:
            raise ValueError(f"{where}: {shown(token)} is not index:value")
        if status == cpu_libsvm.NOT_ASCENDING:
            last = int(state[cpu_libsvm.LAST])
            found = f"{index} after {last}" if last >= base else str(index)
            hint = "; zero_based=True counts from 0" if index < base else ""
            raise ValueError(f"{where}: indices must start at {base} and ascend, got {found}{hint}")
        if status == cpu_libsvm.TOO_LARGE:
            most = n_columns - 1 + base
            raise ValueError(f"{where}: index {index} exceeds {most}, the last of n_features = {n_columns}")
        value = _decided(status, token, where if column < 0 else f"{where}, index {index}")
        if column < 0:
            y[row] = value
        else:
            X[row, column] = value
    if n_features is None and most < base:
        raise ValueError("the text has no sample with a feature; n_features= gives the number of columns")
    return X, y


def table(
    data: Any,
    names: Sequence[str],
    target: int,
    *,
    sep: str = ",",
    decimal: str = ".",
    begin: int = 0,
    line: int = 1,
    is_missing: Callable[[bytes], bool] | None = None,
    remedy: Callable[[int, bytes], str] = lambda line, cell: "",
) -> Table:
    r"""Read a table of numbers, one column of which may hold texts.

    Parameters
    ----------
    data : bytes or (size,) uint8 array
        The text. Blanks around cells do not count, and lines of blanks are passed over; cells may stand in
        quotes, where "" is a quote.
    names : sequence of str
        What errors call the columns, of which there are at least two.
    target : int
        Position of the target column.
    sep, decimal : str
        One ASCII character each: between cells, and the decimal point.
    begin, line : int
        Where in `data` the rows begin, and which line that is.
    is_missing : callable, optional
        Says of the bytes of a cell that is no number whether the row is left out; without, such a cell is an
        error.
    remedy : callable, optional
        What the message about a line and a cell that is no number ends with.

    Returns
    -------
    Table

    Raises
    ------
    ValueError
        A feature that is no finite number, a row of another length, misplaced quotes: with line and column.
        A table of more than 8 GiB.
    MemoryError
        One of more than there is.

    Examples
    --------
    >>> found = table(b"1,2,yes\n3,4,no", ["column 1", "column 2", "column 3"], 2)
    >>> found.X.tolist(), [cell_text(b"1,2,yes\n3,4,no", *place) for place in found.places]
    ([[1.0, 2.0], [3.0, 4.0]], ['yes', 'no'])
    """
    text = _bytes(data)
    n_columns = len(names)
    target = checks.count("target", target, most=n_columns - 1)
    begin = checks.count("begin", begin, most=text.size)
    line = checks.count("line", line, least=1, most=2**62)
    separator, point = _character("sep", sep), _character("decimal", decimal)
    # a whole row takes n_columns bytes at least, so short lines do not make the matrix larger than the text
    n_rows = min(cpu_table.count_ends(text, begin) + 1, (text.size + 1) // n_columns + 1)
    _check_size((n_rows, n_columns), "cut the file into parts")
    X, y = np.empty((n_rows, n_columns - 1)), np.empty(n_rows)
    places = np.empty((n_rows, 2), np.int64)
    state = np.zeros(cpu_table.N_STATE, np.int64)
    state[cpu_table.POSITION], state[cpu_table.LINE] = begin, line - 1
    while True:
        status = cpu_table.read(text, separator, point, target, _powers(), state, X, y, places)
        if status == cpu_table.DONE:
            break
        row, column = int(state[cpu_table.ROW]), int(state[cpu_table.COLUMN])
        token = text[state[cpu_table.BEGIN] : state[cpu_table.END]].tobytes()
        where = f"line {state[cpu_table.LINE] + 1}"
        if status == cpu_table.RAGGED:
            found = f"more than {n_columns}" if column == n_columns else str(column)
            raise ValueError(f"{where}: {found} cells, but the first line has {n_columns}")
        where = f"{where}, {names[column]}"
        if status in _QUOTES:
            raise ValueError(f"{where}: {_QUOTES[status]}")
        if status == cpu_numbers.NOT_A_NUMBER and is_missing is not None and is_missing(token):
            state[cpu_table.DROP] = 1
            continue
        value = _decided(status, token, where, remedy(int(state[cpu_table.LINE]) + 1, token))
        if column == target:
            y[row] = value
        else:
            X[row, column - (column > target)] = value
    n_rows = int(state[cpu_table.ROW])
    return Table(X[:n_rows], y[:n_rows], places[:n_rows])


_QUOTES = {
    cpu_table.OPEN_QUOTE: "a quote is not closed on its line",
    cpu_table.AFTER_QUOTE: "text follows a closing quote",
    cpu_table.STRAY_QUOTE: "a quote stands inside a cell",
}


def distinct_cells(data: Any, places: np.ndarray) -> tuple[list[str], np.ndarray, np.ndarray]:
    r"""Return the texts of cells, each once.

    Parameters
    ----------
    data : bytes or (size,) uint8 array
        As `table` took it.
    places : (M, 2) int64 array
        Of the cells.

    Returns
    -------
    texts : list of str
        In the order in which they come first; one in quotes and one without may be equal.
    codes : (M,) int64 array
        Cell i has the text texts[codes[i]].
    firsts : (c,) int64 array
        Where each comes first.

    Raises
    ------
    ValueError
        A cell that is not UTF-8 text, with its line.

    Examples
    --------
    >>> texts, codes, firsts = distinct_cells(b"a,b,a", np.array([[0, 1], [2, 3], [4, 5]]))
    >>> texts, codes.tolist(), firsts.tolist()
    (['a', 'b'], [0, 1, 0], [0, 1])
    """
    text = _bytes(data)
    given = checks.as_array("places", places)
    if given.size and (given.dtype.kind not in "iu" or given.ndim != 2 or given.shape[1] != 2):
        raise ValueError(f"places must be (M, 2) integers, got {given.dtype} of shape {given.shape}")
    places = np.ascontiguousarray(given, np.int64).reshape(-1, 2)
    if places.size and not (
        places.min() >= 0 and (places[:, 0] <= places[:, 1]).all() and places.max() <= text.size
    ):
        raise ValueError(f"places must be of cells in {text.size} bytes")
    codes, firsts = np.empty(len(places), np.int64), np.empty(len(places), np.int64)
    slots = np.full(1 << (2 * len(places)).bit_length(), -1)
    key = np.uint64(secrets.randbits(64))
    count = cpu_table.number_cells(text, places, key, slots, codes, firsts)
    firsts = firsts[:count]
    texts = [cell_text(text, *place) for place in places[firsts].tolist()]
    return texts, codes, firsts


def cell_text(data: Any, begin: int, end: int) -> str:
    """Return the text of a cell.

    Parameters
    ----------
    data : bytes or (size,) uint8 array
        As `table` took it.
    begin, end : int
        Its place.

    Raises
    ------
    ValueError
        A cell that is not UTF-8 text, with its line.
    """
    text = memoryview(data)
    begin, end = checks.count("begin", begin), checks.count("end", end, most=len(text))
    cell = bytes(text[begin:end])
    if 0 < begin <= end and text[begin - 1] == ord('"'):
        cell = cell.replace(b'""', b'"')
    try:
        return cell.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"line {line_of(data, begin)}: {reprlib.repr(cell)} is not UTF-8 text") from error


def line_of(data: Any, at: int) -> int:
    """Return the number of the line of a byte, from 1."""
    return len(reference.lines(bytes(memoryview(data)[:at])))


def shown(token: bytes) -> str:
    """Return a token as messages show it."""
    return reprlib.repr(token.decode(errors="backslashreplace"))


def _decided(status: int, token: bytes, where: str, remedy: str = "") -> float:
    """Return the value of a number that is hard to round; raise for what is none."""
    if status == cpu_numbers.HARD:
        return float(token.replace(b",", b"."))
    is_finite = status != cpu_numbers.NOT_FINITE and token.lower().lstrip(b"+-") not in (
        b"inf",
        b"infinity",
        b"nan",
    )
    if is_finite:
        raise ValueError(f"{where}: {shown(token)} is not a number{remedy}")
    raise ValueError(f"{where}: {shown(token)} is not finite: remove or impute such entries")


def _check_size(shape: tuple[int, int], remedy: str) -> None:
    if 8 * shape[0] * shape[1] > MAX_BYTES:
        raise ValueError(f"as a dense matrix of shape {shape} the data exceed {MAX_BYTES} bytes: {remedy}")
    checks.require_memory(8 * shape[0] * shape[1], f"a dense matrix of shape {shape}", remedy)


def _character(name: str, value: Any) -> np.uint8:
    if not (isinstance(value, str) and len(value) == 1 and value.isascii()):
        raise ValueError(f"{name} must be one ASCII character, got {value!r}")
    return np.uint8(ord(value))


def _bytes(data: Any) -> np.ndarray:
    """View as read-only bytes."""
    try:
        view = np.frombuffer(data, np.uint8)
    except TypeError as error:
        raise TypeError(f"data must be bytes, got {type(data).__name__}") from error
    view.flags.writeable = False
    return view
