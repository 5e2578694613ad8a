"""Numba: decimal numbers, correctly rounded, from bytes.

Up to 15 digits and 10^22 one product or quotient of exact numbers is correctly rounded (Clinger, "How to read
floating point numbers accurately", 1990). Up to 19 digits the first 128 bits of the power of five suffice
(Lemire, "Number parsing at a gigabyte per second", 2021; Mushtak and Lemire, "Fast number parsing without
fallback", 2023). Of longer numbers two neighbours with 19 digits are rounded; where these disagree, the
caller is asked to round (`HARD`).
"""

from __future__ import annotations

import numpy as np

from .._jit import INLINED, inner_njit

GOOD, NOT_A_NUMBER, NOT_FINITE, HARD = range(4)

_U = np.uint64
_0, _1, _3, _4, _8, _9, _10, _16, _32, _52, _63 = map(_U, (0, 1, 3, 4, 8, 9, 10, 16, 32, 52, 63))
_LOW = _U(2**32 - 1)
_EXACT = _U(2**53)
_LEAST = _U(2**52)
_NINE_BITS = _U(2**9 - 1)
_TENS = np.array([float(10**k) for k in range(23)])
_MOST_DIGITS = 19
_LARGE = 1 << 40  # exponents above count as this

# eight digits in the bytes of a word
_HIGH, _SIXES, _THREES, _ZEROS = (_U(c * 0x0101010101010101) for c in (0xF0, 0x06, 0x33, 0x30))
_PAIRS = _U(0xFF000000FF)
_FROM_HIGH, _FROM_LOW, _TEN_8 = _U(100 + (10**6 << 32)), _U(1 + (10**4 << 32)), _U(10**8)


@inner_njit(**INLINED)
def byte(data, at):
    """Return data[at] for at >= 0, without the test for negative positions."""
    return data[_U(at)]


@inner_njit(**INLINED)
def is_digit(c):
    """Whether a byte is 0-9."""
    return np.uint8(c - np.uint8(48)) <= np.uint8(9)


@inner_njit(**INLINED)
def _product(a, b):
    """Return a * b in 128 bits, as (high, low)."""
    a1, a0, b1, b0 = a >> _32, a & _LOW, b >> _32, b & _LOW
    low = a0 * b0
    middle = a1 * b0 + (low >> _32)
    other = a0 * b1 + (middle & _LOW)
    return a1 * b1 + (middle >> _32) + (other >> _32), (other << _32) | (low & _LOW)


@inner_njit(**INLINED)
def _leading_zeros(w):
    count = 0
    for width in (32, 16, 8, 4, 2, 1):
        if w >> _U(64 - width) == _0:
            w <<= _U(width)
            count += width
    return count


@inner_njit(**INLINED)
def _rounded(w, q, powers):
    """Return the float64 nearest to w 10^q, w > 0; infinity where it overflows."""
    if q < -342:
        return 0.0
    if q > 308:
        return np.inf
    zeros = _leading_zeros(w)
    w <<= _U(zeros)
    high, low = _product(w, powers[q + 342, 0])
    if high & _NINE_BITS == _NINE_BITS:  # the second word may carry into the bits that count
        more, _ = _product(w, powers[q + 342, 1])
        low += more
        if low < more:
            high += _1
    upper = high >> _63
    shift = upper + _9
    mantissa = high >> shift  # 54 bits: one more than a float64's
    # floor(log2(5^q)) + q = floor(log2(10^q)), for |q| <= 1650
    exponent = ((217706 * q) >> 16) + 63 + np.int64(upper) - zeros + 1023
    if exponent <= 0:  # below the normal numbers
        if exponent <= -63:
            return 0.0
        mantissa >>= _U(1 - exponent)
        mantissa += mantissa & _1
        mantissa >>= _1
        return _U(mantissa).view(np.float64)  # a carry makes it the least normal number
    # halfway between two: only where w 10^q has few bits
    if low <= _1 and -4 <= q <= 23 and mantissa & _3 == _1 and (mantissa << shift) == high:
        mantissa &= ~_1
    mantissa += mantissa & _1
    mantissa >>= _1
    if mantissa >= _EXACT:
        mantissa = _LEAST
        exponent += 1
    if exponent >= 2047:
        return np.inf
    return _U((mantissa & ~_LEAST) | (_U(exponent) << _52)).view(np.float64)


@inner_njit(**INLINED)
def _eight(data, at):
    """Return eight bytes as one word, the first one lowest."""
    word = _0
    for k in range(8):  # LLVM makes one load of it
        word |= _U(byte(data, at + k)) << _U(8 * k)
    return word


@inner_njit(**INLINED)
def _digits(data, at, w):
    """Append the digits at `at` to those of w, modulo 2^64; also return the position behind them."""
    while at + 8 <= data.size:
        word = _eight(data, at)
        if (word & _HIGH) | (((word + _SIXES) & _HIGH) >> _4) != _THREES:  # a byte beside 0x30..0x39
            break
        word -= _ZEROS
        word = word * _10 + (word >> _8)  # pairs of digits, in every other byte
        fours = (word & _PAIRS) * _FROM_HIGH + ((word >> _16) & _PAIRS) * _FROM_LOW
        w = w * _TEN_8 + (fours >> _32)
        at += 8
    while at < data.size and is_digit(byte(data, at)):
        w = w * _10 + _U(np.uint8(byte(data, at) - np.uint8(48)))
        at += 1
    return w, at


@inner_njit()
def _rounds_to(value, w, q, powers):
    return _rounded(w, q, powers) == value


@inner_njit()
def _cut(data, begin, end, decimal):
    """Return (w, q, inexact) for digits with a point: w 10^q has the first 19; `inexact`: not all."""
    w = _0
    n_digits = q = 0
    behind = inexact = False
    for at in range(begin, end):
        c = byte(data, at)
        if c == decimal:
            behind = True
        elif n_digits < _MOST_DIGITS:
            w = w * _10 + _U(np.uint8(c - np.uint8(48)))
            n_digits += w != _0
            q -= behind
        else:
            q += not behind
            inexact |= c != 48
    return w, q, inexact


@inner_njit(**INLINED)
def number(data, begin, decimal, powers):
    """Return (status, value, end) of the number at `begin`, where `decimal` is the byte of its point.

    Whether something else follows on it at `end` is for the caller to see.
    """
    at = begin
    negative = False
    if at < data.size:
        c = byte(data, at)
        negative = c == 45
        at += negative or c == 43
    first = at
    w, at = _digits(data, at, _0)
    n_digits = at - first
    q = 0
    if at < data.size and byte(data, at) == decimal:
        point = at
        w, at = _digits(data, at + 1, w)
        q = point + 1 - at
        n_digits -= q
    if n_digits == 0:
        return NOT_A_NUMBER, 0.0, begin
    inexact = False
    if n_digits > _MOST_DIGITS:
        w, q, inexact = _cut(data, first, at, decimal)
    if at < data.size and byte(data, at) | np.uint8(32) == 101:  # e, E
        at += 1
        minus = False
        if at < data.size:
            c = byte(data, at)
            minus = c == 45
            at += minus or c == 43
        first = at
        written = 0
        while at < data.size and is_digit(byte(data, at)):
            written = min(written * 10 + np.int64(np.uint8(byte(data, at) - np.uint8(48))), _LARGE)
            at += 1
        if at == first:
            return NOT_A_NUMBER, 0.0, begin
        q += -written if minus else written
    if w == _0:
        value = 0.0
    elif w <= _EXACT and -22 <= q <= 22 and not inexact:
        value = np.float64(w)
        if q < 0:
            value /= _TENS[_U(-q)]
        else:
            value *= _TENS[_U(q)]
    else:
        value = _rounded(w, q, powers)
        if inexact and not _rounds_to(value, w + _1, q, powers):
            return HARD, 0.0, at
    if value == np.inf:
        return NOT_FINITE, 0.0, at
    return GOOD, -value if negative else value, at
