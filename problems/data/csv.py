"""Tables with separators: what is ambiguous is refused, with the argument that decides."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterator
from itertools import islice, pairwise

import numpy as np

from ...kernels import text
from ...kernels.checks import count
from ...kernels.text import cells, reference

MISSING = ("", "?", "NA", "N/A", "<NA>", "NaN", "NaT", "null", "None")
"""Cells that say that there is nothing; in capitals and small letters too, but None."""

_MARKERS = {form.encode() for word in MISSING for form in (word, word.upper(), word.lower())} - {
    b"none",
    b"NONE",
}
_END = re.compile(rb"\r\n|\r|\n")
_NOTE = re.compile(rb'"?sep=([,;\t|])"?[,;\t| ]*', re.IGNORECASE)
_INTEGER = re.compile(rb"[+-]?\d+")
_OTHER_DECIMAL = {".": re.compile(r"[+-]?\d+,\d+"), ",": re.compile(r"[+-]?\d+\.\d+")}
_LOOK_AHEAD = 10  # lines behind the first that help to tell whether it is a header
_NO_SEPARATORS = set('"+-._\r\n')


def read_csv(
    data: np.ndarray,
    *,
    target: str | int,
    header: bool | None,
    sep: str | None,
    decimal: str,
    missing: str,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the features, and the targets as float64 or texts; see `load`."""
    check_arguments(header, sep, decimal, missing)
    lines = _lines(data)
    number, first = next(lines, (0, b""))
    if number == 0:
        raise ValueError("the file is empty")
    where = f"line {number}"
    if note := _NOTE.fullmatch(first):
        raise ValueError(
            f"{where}: it is a note for Excel, not a row: remove it, and give sep={note[1].decode()!r}"
        )
    try:
        found = cells(first, (sep or ",").encode())
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    if sep is None:
        other = next((mark for mark in ";\t|" if any(mark.encode() in cell for cell in found)), None)
        if other is not None:
            raise ValueError(
                f"{where}: it has {other!r}; is it what separates cells? Give sep={other!r} or sep=','"
            )
    names = [_decoded(where, cell) for cell in found]
    if len(names) < 2:
        raise ValueError(
            f"{where}: need at least one feature and a target, found {reprlib.repr(names)}; sep= says what "
            "separates cells"
        )
    column = _target_column(names, target, header)
    following = list(islice(lines, _LOOK_AHEAD))
    has_header = header
    if header is None:
        has_header = isinstance(target, str) or _looks_like_header(
            where, found, column, _rows(following, sep or ","), decimal
        )
    columns = [f"column {k + 1}" for k in range(len(names))]
    begin, line = 0, 1
    if has_header:
        if not following:
            raise ValueError("it has a header and no data")
        columns = [f"{place} ({_short(name)})" for place, name in zip(columns, names, strict=True)]
        begin, line = _behind(data, number), number + 1

    def remedy(place: int, token: bytes) -> str:
        if token in _MARKERS:
            return "; missing='drop' leaves such rows out"
        if _OTHER_DECIMAL[decimal].fullmatch(token.decode(errors="replace")):
            return "; decimal= says what the decimal point is"
        if place == number and header is None:
            return "; header=True takes the line for names"
        return ""

    table = text.table(
        data,
        columns,
        column,
        sep=sep or ",",
        decimal=decimal,
        begin=begin,
        line=line,
        is_missing=_MARKERS.__contains__ if missing == "drop" else None,
        remedy=remedy,
    )
    X, y = _with_targets(data, table, columns[column], decimal, missing)
    if not len(X):
        raise ValueError("no row is left without the rows in which something is missing")
    is_guess = header is None and not has_header
    if is_guess and y.dtype.kind == "U" and len(y) > 1 and (y == y[0]).sum() == 1:
        raise ValueError(
            f"{where}: no other line has the target {reprlib.repr(str(y[0]))}; header=True takes the line "
            "for names, header=False for a sample"
        )
    return X, y


def check_arguments(header: bool | None, sep: str | None, decimal: str, missing: str) -> None:
    """Refuse what `load` cannot take for a table."""
    if header not in (None, True, False):
        raise ValueError(f"header must be True, False or None, got {header!r}")
    if sep is not None:
        is_character = isinstance(sep, str) and len(sep) == 1 and sep.isascii()
        if not is_character or sep.isalnum() or sep in _NO_SEPARATORS:
            raise ValueError(f"sep must be one character such as ',' or ';', got {sep!r}")
    if decimal not in (".", ","):
        raise ValueError(f"decimal must be '.' or ',', got {decimal!r}")
    if decimal == (sep or ","):
        raise ValueError("decimal and sep must differ: give sep= with decimal=','")
    if missing not in ("refuse", "drop"):
        raise ValueError(f"missing must be 'refuse' or 'drop', got {missing!r}")


def _lines(data: np.ndarray) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the bytes of each line that is not blank."""
    view = data.data
    at, number = 0, 1
    while at < len(view):
        end = _END.search(view, at)
        line = bytes(view[at : end.start() if end else len(view)])
        if line.strip(b" \t"):
            yield number, line
        if end is None:
            return
        at, number = end.end(), number + 1


def _behind(data: np.ndarray, number: int) -> int:
    """Return where the line after that of a number begins."""
    ends = _END.finditer(data.data)
    return next(islice(ends, number - 1, None)).end()


def _rows(lines: list[tuple[int, bytes]], sep: str) -> list[list[bytes]]:
    """Return the cells of lines, up to the first that is broken, which reading them names."""
    found = []
    for _, line in lines:
        try:
            found.append(cells(line, sep.encode()))
        except ValueError:
            break
    return found


def _decoded(where: str, cell: bytes) -> str:
    try:
        return cell.decode()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{where}: {reprlib.repr(cell)} is not UTF-8 text: convert the file to UTF-8"
        ) from error


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."


def _target_column(names: list[str], target: str | int, header: bool | None) -> int:
    if isinstance(target, str):
        if header is False:
            raise ValueError(f"target {target!r} is a name, and header=False says that there are none")
        if names.count(target) != 1:
            raise ValueError(f"target {target!r} must name one column of {_short(', '.join(names))}")
        return names.index(target)
    if not -len(names) <= count("target", target, least=None) < len(names):
        raise ValueError(f"target {target} is not one of the {len(names)} columns")
    return target % len(names)


def _looks_like_header(
    where: str, first: list[bytes], column: int, rows: list[list[bytes]], decimal: str
) -> bool:
    """Whether the first line has names instead of a sample; a ValueError where both are possible."""

    def is_number(cell: bytes) -> bool:
        return reference.number(cell, decimal.encode()) is not None

    def features(row: list[bytes]) -> list[bytes]:
        return row[:column] + row[column + 1 :]

    def doubt(why: str) -> ValueError:
        return ValueError(f"{where}: {why}; header=True takes the line for names, header=False for a sample")

    rows = [row for row in rows if len(row) == len(first)]
    numeric = [is_number(cell) for cell in features(first)]
    if any(_OTHER_DECIMAL[decimal].fullmatch(cell.decode()) for cell in first):
        return False  # numbers with another decimal point, as reading them says
    if not any(numeric):
        unnamed = next((k for k, cell in enumerate(first) if cell in _MARKERS), None)
        if unnamed is not None:
            raise doubt(
                f"column {unnamed + 1} has no name, as a row index or a separator at the end leaves it"
            )
        if is_number(first[column]):
            raise doubt("no feature is a number, but the target is")
        return True
    if not all(numeric):
        return False
    if not is_number(first[column]) and any(is_number(row[column]) for row in rows):
        raise doubt("the features are numbers, but the target is none, as it is further down")
    if all(map(_INTEGER.fullmatch, features(first))):
        later = [cell for row in rows for cell in features(row)]
        fractions = [is_number(cell) and not _INTEGER.fullmatch(cell) for cell in later]
        if later and len(numeric) > 1 and all(fractions):
            raise doubt("the features are integers, and none is further down")
        if (
            _counts(first)
            or (_counts(features(first)) and len(first) > 2)
            or _is_spaced(features(first), rows)
            or (any(fractions) and _is_spaced(first, rows))
        ):
            raise doubt("it counts, as names of columns often do")
    return False


def _counts(row: list[bytes]) -> bool:
    """Whether a row is 0, 1, 2, ..."""
    return row == [str(k).encode() for k in range(len(row))]


def _is_spaced(row: list[bytes], rows: list[list[bytes]]) -> bool:
    """Whether the numbers of a row, three at least, have one distance, and no later row is like that."""

    def spaced(cells: list[bytes]) -> bool:
        if len(cells) < 3 or not all(map(_INTEGER.fullmatch, cells)):
            return False
        steps = {int(b) - int(a) for a, b in pairwise(cells)}
        return len(steps) == 1 and steps != {0}

    return spaced(row) and not any(spaced(other[: len(row)]) for other in rows)


def _with_targets(
    data: np.ndarray, table: text.Table, name: str, decimal: str, missing: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return X and y, without the rows that miss a target; texts where no target is a number."""
    X, y, places = table
    rows = np.flatnonzero(np.isnan(y))
    if not rows.size:
        return X, y
    labels, codes, firsts = text.distinct_cells(data, places[rows])

    def refuse(k: int, why: str) -> ValueError:
        place = text.line_of(data, int(places[rows[firsts[k]], 0]))
        return ValueError(f"line {place}, {name}: {reprlib.repr(labels[k])} is {why}")

    present = []
    for k, label in enumerate(labels):
        if label.encode() in _MARKERS:
            if missing == "refuse":
                hint = "missing='drop' leaves such rows out"
                if len(labels) == 1 and rows.size == len(y):
                    hint = "is the separator at the ends of lines one too many? target= names another column"
                raise refuse(k, f"not a number, and no label: it is missing; {hint}")
            continue
        present.append(k)
        if label.lower().lstrip("+-") in ("inf", "infinity", "nan"):
            raise refuse(k, "not finite: remove or impute such entries")
        if "\0" in label:
            raise refuse(k, "no text: it has a zero byte")
    if present and rows.size < len(y):
        raise refuse(present[0], "not a number, as other targets are")
    if present and all(_OTHER_DECIMAL[decimal].fullmatch(labels[k]) for k in present):
        raise refuse(present[0], "not a number; decimal= says what the decimal point is")
    is_present = np.zeros(len(labels), bool)
    is_present[present] = True
    known = is_present[codes]
    if not known.all():
        keep = np.ones(len(y), bool)
        keep[rows[~known]] = False
        X, y = X[keep], y[keep]
    if not present:
        return X, y
    longest = max(present, key=lambda k: len(labels[k]))
    if 4 * len(labels[longest]) * len(y) > text.MAX_BYTES:
        raise refuse(longest, f"too long: as an array the labels exceed {text.MAX_BYTES} bytes")
    return X, np.array(labels)[codes[known]]
