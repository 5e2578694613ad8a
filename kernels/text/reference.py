"""Numbers, LIBSVM lines and tables of text in plain Python: the definitions."""

from __future__ import annotations

import math
import re

import numpy as np

from .. import checks

NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_ENDS = re.compile(rb"\r\n|\r|\n")


def number(token: bytes, decimal: bytes = b".") -> float | None:
    """Value of a decimal number, correctly rounded; None for any other token, and for what overflows."""
    if decimal != b".":
        token = token.replace(b".", b"?").replace(decimal, b".")
    value = float(token) if NUMBER.fullmatch(token) else math.inf
    return value if math.isfinite(value) else None


def lines(data: bytes) -> list[bytes]:
    """Lines that end in LF, CR LF or CR."""
    return _ENDS.split(data)


def libsvm(data: bytes, *, base: int = 1) -> tuple[list[float], list[dict[int, float]]]:
    """Targets, and the entries of each sample by index from 0; a ValueError with the line else."""
    targets, samples = [], []
    for place, line in enumerate(lines(data), start=1):
        label, *pairs = line.partition(b"#")[0].split() or [b""]
        if not label:
            continue
        value = number(label)
        sample: dict[int, float] = {}
        last = base - 1
        for pair in pairs:
            index, colon, entry = pair.partition(b":")
            found = number(entry)
            if not (re.fullmatch(rb"\d+", index) and colon and found is not None and int(index) > last):
                raise ValueError(f"line {place}")
            last = int(index)
            sample[last - base] = found
        if value is None:
            raise ValueError(f"line {place}")
        targets.append(value)
        samples.append(sample)
    return targets, samples


def cells(line: bytes, sep: bytes) -> list[bytes]:
    """Return the cells of a line without the blanks around them.

    Parameters
    ----------
    line : bytes
        Without its end. In quotes, a cell may hold separators, and "" for a quote.
    sep : bytes
        What stands between two cells.

    Returns
    -------
    list of bytes

    Raises
    ------
    ValueError
        Quotes that are not closed, or behind which the cell goes on.
    """
    checks.instance("line", line, bytes)
    checks.instance("sep", sep, bytes)
    blanks = b" \t".replace(sep, b"")
    found, rest = [], line
    while True:
        rest = rest.lstrip(blanks)
        if rest.startswith(b'"'):
            quoted = re.match(rb'"((?:[^"]|"")*)"', rest)
            if quoted is None:
                raise ValueError("a quote is not closed on its line")
            found.append(quoted[1].replace(b'""', b'"'))
            rest = rest[quoted.end() :].lstrip(blanks)
            if rest and not rest.startswith(sep):
                raise ValueError("text follows a closing quote")
        else:
            cell = rest.partition(sep)[0]
            if b'"' in cell:
                raise ValueError("a quote stands inside a cell")
            found.append(cell.rstrip(blanks))
            rest = rest[len(cell) :]
        if not rest:
            return found
        rest = rest[1:]


def table(data: bytes, *, sep: bytes = b",", decimal: bytes = b".") -> list[list[float | None]]:
    """Rows of numbers, None where a cell is none, without blank lines; a ValueError with the line else."""
    rows: list[list[float | None]] = []
    for place, line in enumerate(lines(data), start=1):
        if not line.strip(b" \t".replace(sep, b"")):
            continue
        try:
            row = [number(cell, decimal) for cell in cells(line, sep)]
        except ValueError as error:
            raise ValueError(f"line {place}: {error}") from error
        if rows and len(row) != len(rows[0]):
            raise ValueError(f"line {place}")
        rows.append(row)
    return rows


def power_of_five(q: int) -> tuple[int, int]:
    """First 128 bits of 5^q as two words, the higher one first; rounded up for -27 <= q < 0, else cut off.

    That is how the proof of Mushtak and Lemire (2023) takes them.
    """
    if q >= 0:
        value = 5**q
        excess = value.bit_length() - 128
        value = value >> excess if excess > 0 else value << -excess
    else:
        divisor = 5**-q
        value = (1 << (divisor.bit_length() + 127)) // divisor + (q >= -27)
        value >>= value.bit_length() - 128
    return value >> 64, value & (2**64 - 1)


def powers_of_five() -> np.ndarray:
    """Table of `power_of_five` for q = -342..308, (651, 2) uint64."""
    return np.array([power_of_five(q) for q in range(-342, 309)], np.uint64)
