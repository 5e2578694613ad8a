"""Floors: the least time in which a machine can move the bytes, and do the flops, that events need.

An event's bytes are counted for the storage form (`gossamer.kernels.events.cpu`), where a node has six rows
of d float64. A communication reads the 12 rows of its two nodes and writes 10 (s stays); a gradient reads the
6 rows of its node and writes 5 (zb stays), and reads the node's data once. Rows read and written are
*updated*, the others only *read*. Two floors follow, from bandwidths measured on this machine in one thread:

* the copy floor: bytes read and written, at the bandwidth of copying an array to another;
* the update floor: the updated rows at the bandwidth of changing an array in place, the rest at that of
  summing an array. It is the lower of the two: a copy has more lines to fetch for the same bytes.

Both assume that every byte comes from where a working set of the same size lives (state and data together;
a copy has half of it as source, half as target), that it is moved once an event, at the pace of a sequential
walk, and that arithmetic overlaps with it, at the flops of a large matrix product. They leave out the random
order of nodes, exponentials, divisions and calls. DADAO works in place, so it may honestly beat the copy
floor; to beat the update floor it would have to find rows in a nearer cache than the whole working set.
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass

import numpy as np
from numba import njit

BYTES = 8  # of a float64


@dataclass(frozen=True)
class Cost:
    """What events need: float64 numbers and floating-point operations.

    Attributes
    ----------
    updated : float
        Numbers read, changed and written back.
    read : float
        Numbers read only.
    flops : float
        Additions and multiplications; exponentials and divisions are not counted.
    """

    updated: float
    read: float
    flops: float

    def __mul__(self, count: float) -> Cost:
        return Cost(self.updated * count, self.read * count, self.flops * count)

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.updated + other.updated, self.read + other.read, self.flops + other.flops)

    @property
    def copied_bytes(self) -> float:
        """Bytes read + bytes written."""
        return BYTES * (2 * self.updated + self.read)


def communication(dim: int) -> Cost:
    """Cost of one communication: 16 d flops for two flows, 12 d for two messages, 13 d for their exchange."""
    return Cost(updated=10 * dim, read=2 * dim, flops=41 * dim)


def gradient(dim: int, samples: int) -> Cost:
    """Cost of a full gradient of a linear model: 4 m d flops for Ax and A'w, 10 d to flow, 17 d to jump."""
    return Cost(updated=5 * dim, read=(1 + samples) * dim + samples, flops=(4 * samples + 27) * dim)


def drawn_event() -> Cost:
    """Cost of drawing one event: 13 bytes written (time, kind, index). The arithmetic is not counted."""
    return Cost(updated=0, read=13 / BYTES, flops=0)


def state_numbers(n_nodes: int, dim: int) -> int:
    """Numbers in the state of DADAO."""
    return 6 * n_nodes * dim


def data_numbers(n_nodes: int, dim: int, samples: int) -> int:
    """Numbers in the data of a linear model with m samples a node."""
    return n_nodes * samples * (dim + 1)


# -- what the bandwidths are measured with; compiled, since a call costs more than walking a small array ---


@njit(cache=True, nogil=True)
def copy(source, target, count):
    """Copy `count` numbers, from the start again whenever the source is used up."""
    while count > 0:
        size = min(count, source.size)
        for k in range(size):
            target[k] = source[k]
        count -= size


@njit(cache=True, nogil=True)
def update(array, factor, count):
    """Multiply `count` numbers in place, from the start again whenever the array is used up."""
    while count > 0:
        size = min(count, array.size)
        for k in range(size):
            array[k] *= factor
        count -= size


@njit(cache=True, nogil=True, fastmath={"reassoc"})
def read(array, count):
    """Add up `count` numbers, from the start again whenever the array is used up."""
    total = 0.0
    while count > 0:
        size = min(count, array.size)
        for k in range(size):
            total += array[k]
        count -= size
    return total


def aligned_ones(count: int) -> np.ndarray:
    """Ones that begin on a cache line: wide loads and stores that straddle two lines take longer."""
    line = 64
    memory = np.ones(count + line // BYTES)
    begin = -memory.ctypes.data % line // BYTES
    return memory[begin : begin + count]


class Mover:
    """Moves as many bytes as events would, on an array as large as their working set.

    Parameters
    ----------
    cost : Cost
        Of all events of a round.
    working_set : int
        Numbers that the events live on.
    """

    def __init__(self, cost: Cost, working_set: int):
        self._cost = cost
        self._array = aligned_ones(working_set)
        self._target = aligned_ones(working_set // 2)

    def copy(self) -> None:
        """Copy from one half of the working set to the other: half the bytes are read, half are written."""
        copy(self._array[: self._target.size], self._target, round(self._cost.copied_bytes / BYTES / 2))

    def update(self) -> None:
        """Update what is updated, read what is read."""
        update(self._array, 1.0, round(self._cost.updated))
        read(self._array, round(self._cost.read))


@functools.cache
def peak_flops() -> float:
    """Flops a second of a large matrix product, best of ten; one thread, where the caller limits them."""
    size = 768
    a = np.ones((size, size))
    out = np.empty_like(a)
    times = []
    for _ in range(10):
        begin = time.perf_counter()
        np.matmul(a, a, out=out)
        times.append(time.perf_counter() - begin)
    return 2 * size**3 / min(times)
