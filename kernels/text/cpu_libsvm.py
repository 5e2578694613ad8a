"""Numba: lines `target index:value ...` of LIBSVM files, into a dense matrix."""

from __future__ import annotations

import numpy as np
from numba import types

from .._jit import INLINED, array_type, inner_njit, lazy_njit
from .cpu_numbers import GOOD, HARD, NOT_A_NUMBER, NOT_FINITE, byte, is_digit, number

# what a call of `read` stops at, besides those of a number; DONE is the end of the data
DONE, NOT_A_PAIR, NOT_ASCENDING, TOO_LARGE = range(10, 14)
assert not {GOOD, NOT_A_NUMBER, NOT_FINITE, HARD} & {DONE, NOT_A_PAIR, NOT_ASCENDING, TOO_LARGE}

# entries of the state of `read`: where it goes on, and the token at which it stopped
POSITION, LINE, ROW, LAST, IN_ROW, BEGIN, END, COLUMN = range(8)
N_STATE = 8

_MOST = 1 << 60  # indices above count as this


@inner_njit(**INLINED)
def is_end(c):
    """Whether a byte is a line feed or a carriage return."""
    return c == 10 or c == 13


@inner_njit(**INLINED)
def next_line(data, at):
    """Return the position behind the end of a line at `at`, which CR LF is as one."""
    if data[at] == 13 and at + 1 < data.size and data[at + 1] == 10:
        return at + 2
    return at + 1


@inner_njit(**INLINED)
def _is_behind(c):
    """Whether a byte ends a label or a pair."""
    return c == 32 or c == 9 or c == 35 or is_end(c)


_bytes_in = array_type(types.uint8, 1, readonly=True)
_powers_in = array_type(types.uint64, 2, readonly=True)


@lazy_njit(types.UniTuple(types.int64, 2)(_bytes_in))
def measure(data):
    """Return the number of samples and the largest index before a colon (-1 without), whatever is around."""
    n_rows, most = 0, -1
    at = 0
    while at < data.size:
        seen = False
        index = -1
        while at < data.size and not is_end(byte(data, at)) and byte(data, at) != 35:
            c = byte(data, at)
            if is_digit(c):
                index = min(max(index, 0) * 10 + (np.int64(c) - 48), _MOST)
            else:
                if c == 58:  # a colon
                    most = max(most, index)
                index = -1
            seen |= c != 32 and c != 9
            at += 1
        while at < data.size and not is_end(byte(data, at)):  # a comment
            at += 1
        n_rows += seen
        at += 1
    return n_rows, most


@lazy_njit(
    types.int64(
        _bytes_in,
        types.int64,
        _powers_in,
        array_type(types.int64, 1),
        array_type(types.float64, 2),
        array_type(types.float64, 1),
    )
)
def read(data, base, powers, state, X, y):
    """Read samples into the rows of X, which is zero, and y, until the end or something to decide.

    The state says where; after `HARD` the caller writes the number that the token is, and calls again.
    """
    at, line, row = state[POSITION], state[LINE], state[ROW]
    last, in_row = state[LAST], state[IN_ROW] == 1
    status = DONE
    while at < data.size:
        c = byte(data, at)
        if c == 32 or c == 9:
            at += 1
            continue
        if c == 35:
            while at < data.size and not is_end(byte(data, at)):
                at += 1
            continue
        if is_end(c):
            at = next_line(data, at)
            line += 1
            row += in_row
            in_row = False
            continue
        begin = value_begin = at
        index, is_pair = base, True
        if in_row:
            index = 0
            while at < data.size and is_digit(byte(data, at)):
                index = min(index * 10 + np.int64(np.uint8(byte(data, at) - np.uint8(48))), _MOST)
                at += 1
            is_pair = at > begin and at < data.size and byte(data, at) == 58
            value_begin = at + 1
        column = index - base
        value = 0.0
        if not is_pair:
            status = NOT_A_PAIR
        elif in_row and index <= last:
            status = NOT_ASCENDING
        elif in_row and column >= X.shape[1]:
            status = TOO_LARGE
        else:
            begin = value_begin
            status, value, at = number(data, begin, np.uint8(46), powers)
            if at < data.size and not _is_behind(byte(data, at)):
                status = NOT_A_NUMBER
            if in_row:
                last = index
            else:
                column = -1
                last = base - 1
        if status == GOOD:
            if in_row:
                X[row, column] = value
            else:
                y[row] = value
        in_row |= status in (GOOD, HARD)
        if status != GOOD:
            while at < data.size and not _is_behind(byte(data, at)):
                at += 1
            state[BEGIN], state[END], state[COLUMN] = begin, at, column
            break
        status = DONE
    state[POSITION], state[LINE], state[ROW] = at, line, row
    state[LAST], state[IN_ROW] = last, in_row
    return status
