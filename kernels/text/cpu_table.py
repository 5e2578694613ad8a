"""Numba: tables of text, of numbers but for one column that may hold labels."""

from __future__ import annotations

import numpy as np
from numba import types

from .._jit import INLINED, array_type, inner_njit, lazy_njit
from .cpu_libsvm import is_end, next_line
from .cpu_numbers import GOOD, HARD, NOT_A_NUMBER, NOT_FINITE, byte, number

# what a call of `read` stops at, besides those of a number; DONE is the end of the data
DONE, OPEN_QUOTE, AFTER_QUOTE, STRAY_QUOTE, RAGGED = range(20, 25)
assert not {GOOD, NOT_A_NUMBER, NOT_FINITE, HARD} & {DONE, OPEN_QUOTE, AFTER_QUOTE, STRAY_QUOTE, RAGGED}

# entries of the state of `read`: where it goes on, and the cell at which it stopped
POSITION, LINE, ROW, COLUMN, BEHIND, DROP, BEGIN, END = range(8)
N_STATE = 8

_QUOTE = 34

_bytes_in = array_type(types.uint8, 1, readonly=True)
_powers_in = array_type(types.uint64, 2, readonly=True)


@inner_njit(**INLINED)
def _is_blank(c, sep):
    return (c == 32 or c == 9) and c != sep


@lazy_njit(types.int64(_bytes_in, types.int64))
def count_ends(data, begin):
    """Return how many lines end behind `begin`."""
    count = 0
    for at in range(begin, data.size - 1):
        count += byte(data, at) == 10 or (byte(data, at) == 13 and byte(data, at + 1) != 10)
    return count + (data.size > begin and is_end(data[data.size - 1]))


@inner_njit()
def _cell(data, at, sep):
    """Return (status, begin, end, at) of the cell at `at`, which is not blank; the last is behind it."""
    if byte(data, at) == _QUOTE:
        begin = at + 1
        at = begin
        while True:
            if at == data.size or is_end(byte(data, at)):
                return OPEN_QUOTE, begin, at, at
            if byte(data, at) == _QUOTE:
                if at + 1 < data.size and byte(data, at + 1) == _QUOTE:
                    at += 1
                else:
                    break
            at += 1
        end = at
        at += 1
        while at < data.size and _is_blank(byte(data, at), sep):
            at += 1
        if at < data.size and byte(data, at) != sep and not is_end(byte(data, at)):
            return AFTER_QUOTE, begin, end, at
        return GOOD, begin, end, at
    begin = at
    end = at  # behind the last byte that is not blank
    while at < data.size:
        c = byte(data, at)
        if c == sep or is_end(c):
            break
        if c == _QUOTE:
            return STRAY_QUOTE, begin, at, at
        at += 1
        if not _is_blank(c, sep):
            end = at
    return GOOD, begin, end, at


@inner_njit()
def _number_of(data, begin, end, decimal, powers):
    """Return (status, value) of a cell."""
    status, value, at = number(data, begin, decimal, powers)
    return (status if at == end else NOT_A_NUMBER), value


@lazy_njit(
    types.int64(
        _bytes_in,
        types.uint8,
        types.uint8,
        types.int64,
        _powers_in,
        array_type(types.int64, 1),
        array_type(types.float64, 2),
        array_type(types.float64, 1),
        array_type(types.int64, 2),
    )
)
def read(data, sep, decimal, target, powers, state, X, y, places):
    """Read rows into X, y (NaN for a text) and `places`, the bytes of the targets, until something to decide.

    The state says where. The caller writes the number that a cell is after `HARD`, or sets `DROP`, which
    leaves the row out, and calls again.
    """
    n_columns = X.shape[1] + 1
    at, line, row, column = state[POSITION], state[LINE], state[ROW], state[COLUMN]
    behind, drop = state[BEHIND] == 1, state[DROP] == 1
    status = DONE
    while at < data.size or behind or column > 0:  # the last cell may be empty
        if not behind:
            while at < data.size and _is_blank(byte(data, at), sep):
                at += 1
            if column == 0 and (at == data.size or is_end(byte(data, at))):  # a blank line
                if at < data.size:
                    at = next_line(data, at)
                    line += 1
                continue
            if column == n_columns:
                status = RAGGED
                break
            begin = at
            status, value, at = number(data, begin, decimal, powers)
            end = at
            while at < data.size and _is_blank(byte(data, at), sep):
                at += 1
            if at < data.size and byte(data, at) != sep and not is_end(byte(data, at)):
                # no number, or one in quotes
                found, begin, end, at = _cell(data, begin, sep)
                if found != GOOD:
                    status = found
                    state[BEGIN], state[END] = begin, end
                    break
                status, value = _number_of(data, begin, end, decimal, powers)
            if column == target:
                places[row, 0], places[row, 1] = begin, end
                if status == NOT_A_NUMBER:
                    status = GOOD
                    value = np.nan
                y[row] = value
            elif status == GOOD:
                X[row, column - (column > target)] = value
            behind = True
            if status != GOOD:
                state[BEGIN], state[END] = begin, end
                break
        behind = False
        status = DONE
        if at < data.size and byte(data, at) == sep:
            at += 1
            column += 1
            continue
        if column + 1 != n_columns:
            column += 1
            status = RAGGED
            break
        if at < data.size:
            at = next_line(data, at)
            line += 1
        row += not drop
        column = 0
        drop = False
    state[POSITION], state[LINE], state[ROW], state[COLUMN] = at, line, row, column
    state[BEHIND], state[DROP] = behind, drop
    return status


_MIX = np.uint64(0x9FB21C651E98DF25)  # odd
_HALF = np.uint64(32)


@lazy_njit(
    types.int64(
        _bytes_in,
        array_type(types.int64, 2),
        types.uint64,
        array_type(types.int64, 1),
        array_type(types.int64, 1),
        array_type(types.int64, 1),
    )
)
def number_cells(data, places, key, slots, codes, firsts):
    """Number the cells at `places`, equal ones alike, as they come; return how many there are.

    `slots` is a hash table, -1 throughout, of a power of two; a secret key keeps files from filling it
    unevenly. Cell k is first at places[firsts[k]].
    """
    count = 0
    for row in range(places.shape[0]):
        begin, end = places[row, 0], places[row, 1]
        begin -= begin > 0 and byte(data, begin - 1) == _QUOTE  # in quotes, "" is one quote
        mixed = key
        for at in range(begin, end):
            mixed = (mixed ^ np.uint64(byte(data, at))) * _MIX
            mixed ^= mixed >> _HALF
        slot = np.int64(mixed & np.uint64(slots.size - 1))
        while True:
            code = slots[slot]
            if code < 0:
                slots[slot] = codes[row] = count
                firsts[count] = row
                count += 1
                break
            other = places[firsts[code], 0]
            other -= other > 0 and byte(data, other - 1) == _QUOTE
            if places[firsts[code], 1] - other == end - begin:
                at = begin
                while at < end and byte(data, at) == byte(data, other + at - begin):
                    at += 1
                if at == end:
                    codes[row] = code
                    break
            slot = (slot + 1) & (slots.size - 1)
    return count
