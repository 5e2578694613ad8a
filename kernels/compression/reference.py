"""Compressors in NumPy: which coordinates are kept, which way coordinates are rounded, what is sent.

A decision about draw t of message `index` reads word t mod 4 of step t div 4 in the stream of its use
(`kernels.random.streams`), with further words under higher retry numbers where one word cannot decide.
"""

from __future__ import annotations

import numpy as np

from ..random import reference as random
from ..random import streams

LANES = 256  # partial sums of a sum over coordinates; a power of two
FEISTEL_ROUNDS = 8


# -- random decisions ------------------------------------------------------------------------------------


def draw_word(key: int, stream: int, index: int, draw: int, retry: int = 0) -> int:
    """Return the 32-bit word of one draw."""
    return int(random.words(key, stream, index, 1, draw // 4, retry)[0, draw % 4])


def bounded(bound: int, key: int, stream: int, index: int, draw: int) -> int:
    """Return an exactly uniform integer in [0, bound)."""
    retry = 0
    while True:
        product = draw_word(key, stream, index, draw, retry) * bound
        if (product & 0xFFFFFFFF) >= (1 << 32) % bound:
            return product >> 32
        retry += 1


def happens(p: float, key: int, stream: int, index: int, draw: int) -> bool:
    """Return True with probability p exactly: where a number of infinitely many random bits is below p.

    Digits in base 2^32 are compared until they differ, or p has no more.
    """
    retry = 0
    while p > 0:
        p *= 2.0**32
        digit = int(p)
        word = draw_word(key, stream, index, draw, retry)
        if word != digit:
            return word < digit
        p -= digit
        retry += 1
    return False


# -- masks -----------------------------------------------------------------------------------------------


def rand_k(d: int, k: int, key: int, index: int = 0) -> np.ndarray:
    """Return k of d coordinates, ascending, every subset equally likely (Floyd)."""
    return np.sort(random.distinct(k, d, key, streams.RAND_K, index))


def block_edges(d: int, k: int) -> np.ndarray:
    """Return the k + 1 edges floor(b d / k) of balanced blocks."""
    return np.array([b * d // k for b in range(k + 1)], np.int64)


def block_rand_k(d: int, k: int, key: int, index: int = 0) -> np.ndarray:
    """Return one coordinate of each of k balanced blocks."""
    edges = block_edges(d, k)
    drawn = [bounded(int(edges[b + 1] - edges[b]), key, streams.BLOCK_RAND_K, index, b) for b in range(k)]
    return edges[:-1] + np.array(drawn, np.int64)


def bernoulli(d: int, p: float, key: int, index: int = 0) -> np.ndarray:
    """Return the coordinates kept when each is kept with probability p."""
    return np.array([j for j in range(d) if happens(p, key, streams.BERNOULLI, index, j)], np.int64)


def permuted(position: int, d: int, round_keys: list[int]) -> int:
    """Return the image of a position under a keyed permutation of [0, d): a Feistel network, cycle-walked."""
    half = ((d - 1).bit_length() + 1) // 2
    mask = (1 << half) - 1
    while True:
        left, right = position >> half, position & mask
        for k in round_keys:
            v = ((right ^ k) * 0x9E3779B1) & 0xFFFFFFFF
            v = ((v ^ (v >> 15)) * 0x85EBCA77) & 0xFFFFFFFF
            left, right = right, left ^ ((v ^ (v >> 13)) & mask)
        position = left << half | right
        if position < d:
            return position


def perm_k(d: int, n_workers: int, key: int, index: int) -> np.ndarray:
    """Return the coordinates of worker index mod n_workers in round index div n_workers, ascending.

    The round's permutation is cut into balanced blocks, and the workers are rotated by a uniform offset, so
    that each coordinate goes to each worker with probability exactly 1 / n_workers.
    """
    turn, worker = divmod(index, n_workers)
    round_keys = [draw_word(key, streams.PERM_K, turn, r) for r in range(FEISTEL_ROUNDS)]
    offset = bounded(n_workers, key, streams.PERM_K, turn, FEISTEL_ROUNDS)
    block = (worker + offset) % n_workers
    begin, end = block * d // n_workers, (block + 1) * d // n_workers
    return np.sort(np.array([permuted(i, d, round_keys) for i in range(begin, end)], np.int64))


def magnitudes(x: np.ndarray) -> np.ndarray:
    """Return integers in the order of |x|: infinity above all numbers, NaN above infinity."""
    integer = np.int32 if x.dtype == np.float32 else np.int64
    return x.view(integer) & np.iinfo(integer).max


def top_k(x: np.ndarray, k: int) -> np.ndarray:
    """Return the coordinates of the k largest |x_j|, ascending; equal ones: the lowest indices."""
    order = np.lexsort((np.arange(x.size), -magnitudes(x).astype(np.int64)))
    return np.sort(order[:k]).astype(np.int64)


# -- sums in a fixed order -------------------------------------------------------------------------------


def ordered_sum(terms: np.ndarray) -> float:
    """Sum float64 terms: lane j adds terms j, j + 256, ... in order, then halves of the lanes are added."""
    rows = -(-terms.size // LANES)
    padded = np.zeros(rows * LANES)
    padded[: terms.size] = terms
    lanes = np.zeros(LANES)
    for row in padded.reshape(rows, LANES):
        lanes = lanes + row
    while lanes.size > 1:
        lanes = lanes[: lanes.size // 2] + lanes[lanes.size // 2 :]
    return float(lanes[0])


def unit(x: np.ndarray) -> float:
    """Return a power of two near max |x|, at least 2^-1022: division by it is exact and nothing overflows."""
    return 2.0 ** max(np.frexp(np.abs(x).max())[1] - 1, -1022)


def largest(x: np.ndarray) -> float:
    """Max |x_j|; NaN where an entry is not finite."""
    if not np.isfinite(x).all():
        return np.nan
    return float(np.abs(x).max(initial=0))


def euclidean(x: np.ndarray) -> float:
    """|x| rounded to the precision of x, but at least max |x_j|; NaN where an entry is not finite."""
    top = largest(x)
    if not top > 0:
        return top
    scale = unit(x)
    with np.errstate(over="ignore", under="ignore"):
        norm = np.sqrt(ordered_sum((x.astype(np.float64) / scale) ** 2)) * scale
        return max(float(x.dtype.type(norm)), top)


def mean_magnitude(x: np.ndarray) -> float:
    """Mean of |x_j| rounded to the precision of x; NaN where an entry is not finite."""
    top = largest(x)
    if not top > 0:
        return top
    scale = unit(x)
    return float(x.dtype.type(ordered_sum(np.abs(x.astype(np.float64) / scale)) / x.size * scale))


# -- stochastic rounding ---------------------------------------------------------------------------------


def levels(x: np.ndarray, norm: float, s: int, key: int, index: int = 0) -> np.ndarray:
    """Return s x / norm rounded up or down to integers, at random and without bias (int32).

    Zeros where the norm is zero or NaN.
    """
    out = np.zeros(x.size, np.int32)
    if norm > 0 and norm < np.inf:
        for j in range(x.size):
            position = abs(float(x[j])) / norm * s
            level = int(position)
            level += happens(position - level, key, streams.ROUNDING, index, j)
            out[j] = -level if x[j] < 0 else level
    return out


def natural(x: np.ndarray, key: int, index: int = 0) -> np.ndarray:
    """Return sign bit and exponent field of each entry, rounded to a power of two without bias.

    The mantissa's fraction is the probability to round up. Field 0 means zero: below the smallest normal
    number tiny, an entry becomes 0 or tiny. The field of all ones means infinity, and stands for NaN, too.
    """
    mantissa_bits, exponent_bits = (23, 8) if x.dtype == np.float32 else (52, 11)
    codes = np.zeros(x.size, np.int32)
    for j in range(x.size):
        magnitude = int(magnitudes(x[j : j + 1])[0])
        field, fraction = magnitude >> mantissa_bits, magnitude & ((1 << mantissa_bits) - 1)
        if field < (1 << exponent_bits) - 1:
            field += happens(fraction * 2.0**-mantissa_bits, key, streams.ROUNDING, index, j)
        codes[j] = (int(np.signbit(x[j])) << exponent_bits) + field
    return codes


# -- bits of a set of coordinates ------------------------------------------------------------------------


def index_costs(indices: np.ndarray, d: int) -> dict[str, int]:
    """Return the bits of `indices` (ascending) in each code, without the 2 bits that name the code.

    raw: ceil(log2 d) bits each. bitmap: one bit a coordinate. rice: the gaps g in Golomb-Rice code, g >> r
    ones, a zero, the low r bits, with the best r (5 bits).
    """
    gaps = np.diff(indices, prepend=-1) - 1
    rice = min(len(indices) * (1 + r) + int((gaps >> r).sum()) for r in range(32))
    return {"raw": len(indices) * (d - 1).bit_length(), "bitmap": d, "rice": 5 + rice}
