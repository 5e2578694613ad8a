"""Numba: which coordinates the random sparsifiers keep, and exact coins. Definitions in `reference.py`."""

from __future__ import annotations

import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .._jit import NO_ALIAS, inner_njit
from ..random import streams
from ..random.cpu import LOW, S32, bounded, words
from .reference import FEISTEL_ROUNDS

I = np.int64  # noqa: E741
U = np.uint64
ONE = U(1)
RAND_K = U(streams.RAND_K)
BLOCK_RAND_K = U(streams.BLOCK_RAND_K)
PERM_K = U(streams.PERM_K)
BERNOULLI = U(streams.BERNOULLI)
MIX0, MIX1 = U(0x9E3779B1), U(0x85EBCA77)
DIGIT = 2.0**32
BATCH = 1024  # draws at a time


@intrinsic
def _trailing_zeros(typing_context, word):
    def code(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), code


@inner_njit()
def trailing_zeros(word):
    """Number of zeros below the lowest set bit of a uint64; 64 where none is set."""
    return np.int64(_trailing_zeros(word))  # pyright: ignore[reportCallIssue]


@inner_njit()
def pick(w0, w1, w2, w3, draw):
    """Word of a draw among the four of its step."""
    lane = draw & 3
    return w0 if lane == 0 else w1 if lane == 1 else w2 if lane == 2 else w3


@inner_njit()
def draw_words(key, stream, index, draw, buffer):
    """Fill `buffer` with the words of draws draw, draw + 1, ...; its size and `draw` are multiples of 4."""
    first = U(draw >> 2)
    for i in range(buffer.size >> 2):
        w0, w1, w2, w3 = words(key, stream, index, first + U(i), U(0))
        buffer[4 * i] = w0
        buffer[4 * i + 1] = w1
        buffer[4 * i + 2] = w2
        buffer[4 * i + 3] = w3


@inner_njit()
def new_buffer(n_draws):
    """Room for the words of some draws at a time: of all, if they are few."""
    return np.empty(min(BATCH, (n_draws + 3) & -4), np.uint64)


@inner_njit()
def happens(p, word, key, stream, index, draw):
    """True with probability p exactly; `word` is the draw's first, others are read where it cannot decide."""
    retry = U(0)
    while True:
        p *= DIGIT
        digit = math.floor(p)
        if np.float64(word) < digit:
            return True
        if np.float64(word) > digit:
            return False
        p -= digit
        if not p > 0.0:
            return False
        retry += ONE
        w0, w1, w2, w3 = words(key, stream, index, U(draw >> 2), retry)
        word = pick(w0, w1, w2, w3, draw)


@inner_njit()
def _draw(n, word, key, stream, index, draw):
    """Integer below n, as `bounded`, from a word that is known; divides only where it may be rejected."""
    product = word * n
    low = product & LOW
    if low < n and low < (ONE << S32) % n:
        return bounded(n, key, stream, index, draw)
    return np.int64(product >> S32)


@inner_njit()
def gather(x, indices, factor, values):
    """Set `values` to x at `indices` times a factor, up to the first out of range; return how many."""
    scale = x.dtype.type(factor)
    d = U(x.size)
    for i in range(indices.size):
        if U(indices[i]) >= d:
            return i
        values[i] = x[indices[i]] * scale
    return indices.size


@inner_njit()
def _emit(bits, out):
    """Write the positions of the set bits, ascending; `out` has room for all.

    Two positions a word are written without asking whether they are there, and overwritten by the next word
    where not: branches on sparse bits are mispredicted.
    """
    count = 0
    for b in range(bits.size):
        word = bits[b]
        if count + 2 <= out.size:
            rest = word & (word - ONE)
            out[count] = (b << 6) + trailing_zeros(word)
            out[count + 1] = (b << 6) + trailing_zeros(rest)
            count += I(word != U(0)) + I(rest != U(0))
            word = rest & (rest - ONE)
        while word != U(0):
            out[count] = (b << 6) + trailing_zeros(word)
            word &= word - ONE
            count += 1


@inner_njit()
def _emit_sparse(summary, bits, out):
    """Write the positions of the set bits, ascending, looking only at words that `summary` marks."""
    count = 0
    for a in range(summary.size):
        rest = summary[a]
        while rest != U(0):
            b = (a << 6) + trailing_zeros(rest)
            rest &= rest - ONE
            word = bits[b]
            while word != U(0):
                out[count] = (b << 6) + trailing_zeros(word)
                word &= word - ONE
                count += 1


@inner_njit(**NO_ALIAS)
def _draw_below(first, buffer, out):
    """Draw out[i] below first + i from word buffer[i]; return whether a word might have to be rejected."""
    suspect = U(0)
    for i in range(out.size):
        bound = U(first + i)
        product = buffer[i] * bound
        out[i] = product >> S32
        suspect |= U((product & LOW) < bound)
    return suspect != U(0)


@inner_njit()
def _insert(value, otherwise, t, out):
    """Insert a value, or another above all if it is there, into the sorted out[:t]."""
    place = t
    while place > 0 and out[place - 1] > value:
        place -= 1
    if place > 0 and out[place - 1] == value:
        place = t
        value = otherwise
    for i in range(t, place, -1):
        out[i] = out[i - 1]
    out[place] = value


@inner_njit()
def rand_k(d, key, index, out):
    """Fill `out` with out.size of d coordinates, ascending (Floyd).

    Few coordinates are kept as a sorted list, others as d bits, which are read by a summary where most of
    their words stay zero.
    """
    k = I(out.size)
    n_words = (d + 63) >> 6
    few = k * k < d >> 5
    sparse = 4 * k < n_words
    bits = np.zeros(1 if few else n_words, np.uint64)
    summary = np.zeros((n_words + 63) >> 6 if sparse and not few else 1, np.uint64)
    buffer = new_buffer(k)
    values = np.empty(min(BATCH, k), np.uint64)
    for first in range(0, k, BATCH):
        draw_words(key, RAND_K, index, first, buffer)
        part = values[: min(BATCH, k - first)]
        top = I(d - k + first)  # of the first draw: Floyd's takes one of 0, ..., top, or top itself
        if _draw_below(top + 1, buffer, part):
            for i in range(part.size):
                part[i] = U(_draw(U(top + 1 + i), buffer[i], key, RAND_K, index, first + i))
        if few:
            for i in range(part.size):
                _insert(I(part[i]), top + i, first + i, out)
            continue
        for i in range(part.size):
            value = part[i]
            word = bits[value >> U(6)]
            bit = ONE << (value & U(63))
            if word & bit != U(0):
                value = U(top + i)
                word = bits[value >> U(6)]
                bit = ONE << (value & U(63))
                part[i] = value
            bits[value >> U(6)] = word | bit
        if sparse:
            for i in range(part.size):
                summary[part[i] >> U(12)] |= ONE << ((part[i] >> U(6)) & U(63))
    if few:
        return
    if sparse:
        _emit_sparse(summary, bits, out)
    else:
        _emit(bits, out)


@inner_njit(**NO_ALIAS)
def _draw_in_blocks(d, k, first, buffer, out):
    """Draw out[i] in block first + i from word buffer[i]; return whether a word might have to be rejected.

    Block b begins at floor(b d / k). Within a batch the quotients below are exact: they are less than 2^11,
    and further than 2^-31 below the next integer where they are no integers.
    """
    width = d // k
    extra = d - width * k
    begin = first * d // k
    rest = np.float64(first * d - begin * k)
    step = np.float64(extra)
    whole = np.float64(k)
    suspect = U(0)
    if extra == 0:
        length = U(width)
        for i in range(out.size):
            product = buffer[i] * length
            out[i] = begin + i * width + I(product >> S32)
            suspect |= U((product & LOW) < length)
        return suspect != U(0)
    for i in range(out.size):
        x = rest + np.float64(np.int32(i)) * step
        low = I(np.int32(x / whole))
        length = U(width + I(np.int32((x + step) / whole)) - low)
        product = buffer[i] * length
        out[i] = begin + i * width + low + I(product >> S32)
        suspect |= U((product & LOW) < length)
    return suspect != U(0)


@inner_njit()
def block_rand_k(d, key, index, out):
    """Fill `out` with one coordinate of each of out.size balanced blocks."""
    k = I(out.size)
    d = I(d)
    buffer = new_buffer(k)
    for first in range(0, k, BATCH):
        part = out[first : first + BATCH]
        draw_words(key, BLOCK_RAND_K, index, first, buffer)
        if _draw_in_blocks(d, k, I(first), buffer, part):
            for i in range(part.size):
                b = I(first + i)
                begin = b * d // k
                length = U((b + 1) * d // k - begin)
                part[i] = begin + _draw(length, buffer[i], key, BLOCK_RAND_K, index, b)


@inner_njit()
def block_lengths(d, out):
    """Fill `out` with the lengths of out.size balanced blocks of d coordinates."""
    k = I(out.size)
    width = d // k
    extra = d - width * k
    rest = I(0)
    for b in range(k):
        rest += extra
        longer = I(rest >= k)
        rest -= longer * k
        out[b] = np.float64(width + longer)


@inner_njit(**NO_ALIAS)
def _keep(p, first, words, out):
    """Write first + j for the words j below p 2^32 to `out` (room for all); return their number.

    A negative number of them where a word cannot decide.
    """
    scaled = p * DIGIT
    digit = U(min(scaled, DIGIT - 1.0))
    is_open = scaled > np.float64(digit) and scaled < DIGIT
    always = scaled >= DIGIT
    count = 0
    undecided = 0
    for j in range(words.size):
        out[count] = first + j
        count += I(words[j] < digit or always)
        undecided += I(words[j] == digit)
    return -1 if is_open and undecided > 0 else count


@inner_njit()
def bernoulli(d, p, key, index, out):
    """Write the coordinates kept with probability p each to `out` (room for d), and return their number."""
    count = 0
    buffer = new_buffer(d)
    for first in range(0, d, BATCH):
        draw_words(key, BERNOULLI, index, first, buffer)
        size = min(BATCH, d - first)
        kept = _keep(p, first, buffer[:size], out[count:])
        if kept < 0:
            kept = 0
            for j in range(size):
                if happens(p, buffer[j], key, BERNOULLI, index, first + j):
                    out[count + kept] = first + j
                    kept += 1
        count += kept
    return count


@inner_njit()
def perm_k(d, n_workers, key, index, out):
    """Write the coordinates of worker index mod n_workers to `out` (room for ceil(d / n_workers)).

    Return their number.
    """
    turn = index // U(n_workers)
    worker = np.int64(index - turn * U(n_workers))
    round_keys = np.empty(FEISTEL_ROUNDS, np.uint64)
    for r in range(0, FEISTEL_ROUNDS, 4):
        w0, w1, w2, w3 = words(key, PERM_K, turn, U(r >> 2), U(0))
        round_keys[r] = w0
        round_keys[r + 1] = w1
        round_keys[r + 2] = w2
        round_keys[r + 3] = w3
    block = (worker + bounded(n_workers, key, PERM_K, turn, FEISTEL_ROUNDS)) % n_workers
    begin = block * d // n_workers
    count = (block + 1) * d // n_workers - begin
    log = 0
    while 1 << log < d:
        log += 1
    half = U((log + 1) >> 1)
    mask = (ONE << half) - ONE
    bits = np.zeros((d + 63) >> 6, np.uint64)
    for i in range(begin, begin + count):
        position = U(i)
        while True:
            left = position >> half
            right = position & mask
            for r in range(FEISTEL_ROUNDS):
                v = ((right ^ round_keys[r]) * MIX0) & LOW
                v = ((v ^ (v >> U(15))) * MIX1) & LOW
                mixed = left ^ ((v ^ (v >> U(13))) & mask)
                left = right
                right = mixed
            position = left << half | right
            if position < U(d):
                break
        bits[np.int64(position >> U(6))] |= ONE << (position & U(63))
    _emit(bits, out)
    return count
