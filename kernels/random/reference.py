"""Random numbers in NumPy: the definition of every draw of the package.

A draw is a function of a 64-bit key and four 32-bit counter words

    (index low, step, stream + 2^16 * retry, index high)

and of nothing else: no state, hence no dependence on order, chunks, threads or backend.
"""

from __future__ import annotations

import numpy as np

LOW = np.uint64(0xFFFFFFFF)
ALIAS_BITS = 62


def philox4x32(counters: np.ndarray, key: int) -> np.ndarray:
    """Philox4x32-10 on counters (count, 4) of 32-bit words held in uint64."""
    c0, c1, c2, c3 = counters.astype(np.uint64).T
    k0, k1 = key & 0xFFFFFFFF, key >> 32
    for _ in range(10):
        p, q = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1, c2, c3 = (
            (q >> np.uint64(32)) ^ c1 ^ np.uint64(k0),
            q & LOW,
            (p >> np.uint64(32)) ^ c3 ^ np.uint64(k1),
            p & LOW,
        )
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=1)


def words(key: int, stream: int, start: int, count: int, step: int = 0, retry: int = 0) -> np.ndarray:
    """Return the four words (count, 4) of the indices start, ..., start + count - 1."""
    index = np.arange(start, start + count, dtype=np.uint64)
    counters = np.empty((count, 4), np.uint64)
    counters[:, 0] = index & LOW
    counters[:, 1] = step
    counters[:, 2] = stream + (retry << 16)
    counters[:, 3] = index >> np.uint64(32)
    return philox4x32(counters, key)


def uniform(key: int, stream: int, start: int, count: int, step: int = 0) -> np.ndarray:
    """Multiples of 2^-53 in [0, 1) from words 0 (high) and 1 (low)."""
    w = words(key, stream, start, count, step)
    return ((w[:, 0] << np.uint64(32) | w[:, 1]) >> np.uint64(11)) * 2.0**-53


def exponential(key: int, stream: int, start: int, count: int, step: int = 0) -> np.ndarray:
    """Exponential deviates of mean 1: -log(1 - uniform)."""
    return -np.log(1.0 - uniform(key, stream, start, count, step))


def integers(bound: int, key: int, stream: int, start: int, count: int, step: int = 0) -> np.ndarray:
    """Integers in [0, bound), bound <= 2^32, exactly uniform.

    High half of word * bound; a low half below 2^32 mod bound is rejected and drawn again with the next retry
    number (Lemire 2019, algorithm 5).
    """
    result = np.empty(count, np.int64)
    pending = np.arange(count)
    retry = 0
    while pending.size:
        word = words(key, stream, start, count, step, retry)[pending, 0]
        product = word * np.uint64(bound)
        accepted = (product & LOW) >= np.uint64((1 << 32) % bound)
        result[pending[accepted]] = (product >> np.uint64(32))[accepted]
        pending = pending[~accepted]
        retry += 1
    return result


def distinct(count: int, bound: int, key: int, stream: int, index: int) -> np.ndarray:
    """Return `count` distinct integers in [0, bound), all subsets equally likely (Floyd's method).

    Draw t is word t mod 4 of step t div 4; for j = bound - count + t it is uniform on 0..j, and j is taken
    where that number was taken before.
    """
    taken: list[int] = []
    for t in range(count):
        j = bound - count + t
        retry = 0
        while True:
            word = int(words(key, stream, index, 1, t // 4, retry)[0, t % 4])
            product = word * (j + 1)
            if (product & 0xFFFFFFFF) >= (1 << 32) % (j + 1):
                break
            retry += 1
        value = product >> 32
        taken.append(j if value in taken else value)
    return np.array(taken, np.int64)


def alias_weights(weights: np.ndarray) -> list[int]:
    """Integers proportional to the weights (to 2^-62 of their sum) that add up to exactly 2^62."""
    total = float(np.sum(weights))
    scaled = [int(w / total * 2.0**ALIAS_BITS) for w in weights]
    scaled[int(np.argmax(weights))] += (1 << ALIAS_BITS) - sum(scaled)
    return scaled


def alias_draw(threshold: np.ndarray, alias: np.ndarray, high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """Category of each pair of words; table of 2^b cells: cell = top b bits, coin = next 62 - b bits."""
    bits = len(threshold).bit_length() - 1
    r = [(int(h) << 32 | int(w)) for h, w in zip(high, low, strict=True)]
    cell = [x >> (64 - bits) for x in r]
    coin = [(x & ((1 << (64 - bits)) - 1)) >> 2 for x in r]
    return np.array(
        [c if u < int(threshold[c]) else int(alias[c]) for c, u in zip(cell, coin, strict=True)], np.int64
    )
