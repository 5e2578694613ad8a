"""Sorting networks on groups of four rows.

A network on q wires sorts q groups as well, where each wire carries four sorted rows and each comparator
merges two groups and puts the four lowest into the first, the four highest into the second (Knuth, The Art of
Computer Programming 3, 5.3.4, exercise 38). A merge then takes its eight rows through registers once, where
nine single comparators would load and store eighteen.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

GROUP = 4  # rows
BOTH, LOW, HIGH = 0, 1, 2  # which groups of a merge are needed afterwards


def comparators(n: int) -> list[tuple[int, int]]:
    """Return Batcher's odd-even merge sort of n wires: pairs (i, j), i < j, the smaller goes to i.

    Batcher, "Sorting networks and their applications" (AFIPS 1968); comparators with wires beyond n are left
    out, as if those carried infinity.
    """
    pairs = []
    p = 1
    while p < n:
        k = p
        while k >= 1:
            for j in range(k % p, n - k, 2 * k):
                wires = range(j, min(j + k, n - k))
                pairs += [(i, i + k) for i in wires if i // (2 * p) == (i + k) // (2 * p)]
            k //= 2
        p *= 2
    return pairs


@functools.lru_cache(maxsize=256)
def merges(n: int, first: int, last: int) -> NDArray[np.int64]:
    """Return the merges of groups that bring ranks first, ..., last - 1 of n rows to their places.

    Parameters
    ----------
    n : int
        Number of rows, at least 1; those that fill up the last group are the largest.
    first, last : int
        Ranks wanted, 0 <= first < last <= n.

    Returns
    -------
    (count, 3) int64 array
        Groups i, j, and which of them are needed afterwards: `BOTH`, `LOW` or `HIGH`. Read-only.
    """
    needed = set(range(first // GROUP, (last - 1) // GROUP + 1))
    chosen = []
    for i, j in reversed(comparators(-(-n // GROUP))):
        if i in needed or j in needed:
            chosen.append((i, j, BOTH if {i, j} <= needed else LOW if i in needed else HIGH))
            needed |= {i, j}
    network = np.array(chosen[::-1], np.int64).reshape(-1, 3)
    network.flags.writeable = False
    return network


@functools.lru_cache(maxsize=256)
def exchanges(n: int, first: int, last: int) -> NDArray[np.int64]:
    """Return the comparators of single wires that bring ranks first, ..., last - 1 of n to their places.

    Parameters
    ----------
    n, first, last : int
        As in `merges`.

    Returns
    -------
    (count, 2) int64 array
        Pairs (i, j); the smaller value goes to i. Read-only.
    """
    needed = set(range(first, last))
    chosen = []
    for i, j in reversed(comparators(n)):
        if i in needed or j in needed:
            chosen.append((i, j))
            needed |= {i, j}
    network = np.array(chosen[::-1], np.int64).reshape(-1, 2)
    network.flags.writeable = False
    return network
