"""Numba: the k entries of largest magnitude, exactly, ties to the lowest index.

The bits of |x| as an integer are in the order of |x|. A sample gives a threshold that somewhat more than k
entries reach; one pass collects them; a radix selection among these few finds the k-th largest exactly. Where
too few or too many entries reach the threshold, it is either the k-th largest itself, in vectors with many
equal entries, such as zeros: a count tells. Or the selection runs on all entries.
"""

from __future__ import annotations

import math

import numpy as np

from .._jit import NO_ALIAS, inner_njit
from .cpu_masks import trailing_zeros

I = np.int64  # noqa: E741
FEW = 32  # so many are sorted by insertion
MANY = 4096  # keys from which on a longer digit pays
SAMPLED = 8192  # shorter vectors are not sampled
NONE, ONE = np.uint64(0), np.uint64(1)
CHUNK = 4096  # coordinates formed before they are looked at: fits the first cache


@inner_njit()
def _kth_largest(keys, n, k, bits, work):
    """Return the k-th largest of keys[:n], 1 <= k <= n, and how many of those equal to it are among the k.

    `bits` is the width of the keys, `work` has room for n keys; keys[:n] is left as it was. Radix selection
    from the top: a histogram finds the digit of the k-th largest, and only keys with that digit go on.
    """
    counts = np.empty(2048, np.int64)
    others = np.empty((3, 2048), np.int64)  # equal digits in a row would wait for one another
    source = keys
    shift = bits
    while n > FEW and shift > 0:
        digit = min(11 if n > MANY else 8, shift)
        shift -= digit
        low = (1 << digit) - 1
        counts[: low + 1] = 0
        whole = n & -4 if n > MANY else 0
        if whole:
            others[:, : low + 1] = 0
            for i in range(0, whole, 4):
                counts[(I(source[i]) >> shift) & low] += 1
                others[0, (I(source[i + 1]) >> shift) & low] += 1
                others[1, (I(source[i + 2]) >> shift) & low] += 1
                others[2, (I(source[i + 3]) >> shift) & low] += 1
            for b in range(low + 1):
                counts[b] += others[0, b] + others[1, b] + others[2, b]
        for i in range(whole, n):
            counts[(I(source[i]) >> shift) & low] += 1
        b = low
        while counts[b] < k:
            k -= counts[b]
            b -= 1
        if counts[b] < n:
            m = 0
            for i in range(n):
                key = source[i]
                if (I(key) >> shift) & low == b:
                    work[m] = key
                    m += 1
            n = m
            source = work
    if shift == 0:
        return source[0], k
    for i in range(n):  # insertion, descending, in a place of its own
        key = source[i]
        place = i
        while place > 0 and work[place - 1] < key:
            work[place] = work[place - 1]
            place -= 1
        work[place] = key
    kth = work[k - 1]
    first = k - 1
    while first > 0 and work[first - 1] == kth:
        first -= 1
    return kth, k - first


@inner_njit()
def _flag(part, mask, limit, flags):
    """Write one byte a key, whether it is at least the limit; return how many uint64 they fill.

    This vectorises; a caller then looks at eight bytes at a time. Five times as fast as a branch a key.
    """
    integer = part.dtype.type
    for i in range(part.size):
        flags[i] = integer(part[i] & mask) >= limit
    eights = (part.size + 7) >> 3
    flags[part.size : eights << 3] = 0
    return eights


@inner_njit()
def _collect(values, begin, end, mask, threshold, keys, places, count):
    """Append the coordinates in begin..end whose key is at least the threshold; -1 when there is no room."""
    integer = keys.dtype.type
    room = keys.size
    flags = np.empty(CHUNK, np.uint8)
    eight_flags = flags.view(np.uint64)
    for start in range(begin, end, CHUNK):
        part = values[start : min(start + CHUNK, end)]
        for q in range(_flag(part, mask, threshold, flags)):
            eight = eight_flags[q]
            while eight != NONE:
                i = (q << 3) + (trailing_zeros(eight) >> 3)
                eight &= eight - ONE
                if count == room:
                    return -1
                keys[count] = integer(part[i] & mask)
                places[count] = start + i
                count += 1
    return count


@inner_njit()
def _emit(values, mask, kth, ties, out):
    """Write the coordinates whose key exceeds the k-th, and the first `ties` whose key equals it."""
    integer = values.dtype.type
    flags = np.empty(CHUNK, np.uint8)
    eight_flags = flags.view(np.uint64)
    count = 0
    for start in range(0, values.size, CHUNK):
        if count == out.size:
            return
        limit = kth if ties > 0 else integer(kth + 1)  # exists, for then keys above the k-th are left
        part = values[start : start + CHUNK]
        for q in range(_flag(part, mask, limit, flags)):
            eight = eight_flags[q]
            while eight != NONE:
                i = (q << 3) + (trailing_zeros(eight) >> 3)
                eight &= eight - ONE
                if integer(part[i] & mask) == kth:
                    if ties == 0:
                        continue
                    ties -= 1
                out[count] = start + i
                count += 1


@inner_njit()
def _count_above(values, mask, limit):
    """How many keys exceed the limit, and how many equal it."""
    integer = values.dtype.type
    above = 0
    equal = 0
    for start in range(0, values.size, CHUNK):
        part = values[start : start + CHUNK]
        n_above = integer(0)
        n_equal = integer(0)
        for i in range(part.size):
            key = integer(part[i] & mask)
            n_above = integer(n_above + integer(key > limit))
            n_equal = integer(n_equal + integer(key == limit))
        above += I(n_above)
        equal += I(n_equal)
    return above, equal


@inner_njit()
def _sample_size(d):
    return min(max(d >> 6, 1024), 65536)


@inner_njit()
def _sample_place(i, stride):
    """Place of sample i: in stride i, scattered so that no period of x resonates."""
    scatter = (np.uint64(i + 1) * np.uint64(0x9E3779B9)) & np.uint64(0xFFFFFFFF)
    return i * stride + I(scatter * np.uint64(stride) >> np.uint64(32))


@inner_njit()
def _threshold(sample, d, k, mask, bits):
    """Return a key that, with a few standard deviations to spare, k of d keys reach, by a sample of them.

    Zero, which all reach, where the sample is too small for that. `sample` is overwritten by its keys.
    """
    integer = sample.dtype.type
    size = sample.size
    hits = k * size / d
    rank = math.ceil(hits + 4.0 * math.sqrt(hits) + 4.0)
    if rank > size:
        return integer(0)
    for i in range(size):
        sample[i] = integer(sample[i] & mask)
    work = np.empty(size, sample.dtype)
    return _kth_largest(sample, size, rank, bits, work)[0]


@inner_njit()
def _take(keys, places, n, kth, ties, out):
    """Write the places whose key exceeds the k-th, and the first `ties` whose key equals it."""
    count = 0
    for i in range(n):
        if keys[i] > kth:
            out[count] = places[i]
            count += 1
        elif keys[i] == kth and ties > 0:
            out[count] = places[i]
            count += 1
            ties -= 1


@inner_njit()
def _select_all(values, mask, bits, out):
    """Top-k by radix selection on all keys."""
    d = values.size
    integer = values.dtype.type
    keys = np.empty(d, values.dtype)
    work = np.empty(d, values.dtype)
    for i in range(d):
        keys[i] = integer(values[i] & mask)
    kth, ties = _kth_largest(keys, d, out.size, bits, work)
    _emit(values, mask, kth, ties, out)


@inner_njit()
def top_k(values, mask, bits, out):
    """Fill `out` with the out.size coordinates of largest magnitude, ascending; ties to the lowest index.

    `values` is x viewed as integers, `mask` (of their type) clears the sign, `bits` is 31 or 63.
    """
    d = values.size
    k = out.size
    if k == 0:
        return
    if k == d:
        for i in range(d):
            out[i] = i
        return
    if d >= SAMPLED and k <= d >> 3:
        size = _sample_size(d)
        sample = np.empty(size, values.dtype)
        for i in range(size):
            sample[i] = values[_sample_place(i, d // size)]
        threshold = _threshold(sample, d, k, mask, bits)
        room = 3 * k + 4096
        keys = np.empty(room, values.dtype)
        places = np.empty(room, np.int64)
        n = _collect(values, 0, d, mask, threshold, keys, places, 0)
        if n >= k:
            work = np.empty(n, values.dtype)
            kth, ties = _kth_largest(keys, n, k, bits, work)
            _take(keys, places, n, kth, ties, out)
            return
        if n < 0:  # many ties, such as zeros: most likely with the k-th itself
            above, equal = _count_above(values, mask, threshold)
            if above < k <= above + equal:
                _emit(values, mask, threshold, k - above, out)
                return
    _select_all(values, mask, bits, out)


@inner_njit(**NO_ALIAS)
def _add_scaled(memory, step, gradient):
    number = memory.dtype.type
    for i in range(memory.size):
        memory[i] += number(step * gradient[i])


@inner_njit()
def top_k_with_memory(memory, gradient, step, values, mask, bits, out):
    """Add step gradient to `memory`, and put the places of its top k entries in `out`, in one pass over both.

    `values` is `memory` viewed as integers.
    """
    d = memory.size
    k = out.size
    number = memory.dtype.type
    step = number(step)
    if d < SAMPLED or k == 0 or k > d >> 3:
        _add_scaled(memory, step, gradient)
        top_k(values, mask, bits, out)
        return
    size = _sample_size(d)
    sample = np.empty(size, memory.dtype)
    for i in range(size):
        place = _sample_place(i, d // size)
        sample[i] = memory[place] + number(step * gradient[place])
    threshold = _threshold(sample.view(values.dtype), d, k, mask, bits)
    room = 3 * k + 4096
    keys = np.empty(room, values.dtype)
    places = np.empty(room, np.int64)
    n = 0
    for begin in range(0, d, CHUNK):
        end = min(begin + CHUNK, d)
        _add_scaled(memory[begin:end], step, gradient[begin:end])
        if n >= 0:  # the chunk is still in the first cache
            n = _collect(values, begin, end, mask, threshold, keys, places, n)
    if n >= k:
        work = np.empty(n, values.dtype)
        kth, ties = _kth_largest(keys, n, k, bits, work)
        _take(keys, places, n, kth, ties, out)
    else:
        top_k(values, mask, bits, out)
