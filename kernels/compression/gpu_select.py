"""Which coordinates are kept, on a GPU: launches of select.cu, the sets of `cpu_topk` and `cpu_masks`.

Costs: Top-k reads x at most five times in float32, eight in float64: once for every eleven bits of the keys,
until the k-th largest is told from the others, and once to mark the chosen. Error feedback forms the sum in
the first of these. Bernoulli, Rand-k and Perm-K go through a bit a coordinate. Floyd's method, which is
sequential, runs in parallel here: all draws at once, the first draw of each number by a hash table of 16 to
32 bytes a draw, and then each draw decides by itself which number the sequence would have chosen. BlockRandK
touches its k coordinates only. Nothing has been timed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .. import random
from ..backend import BLOCK, Backend, gpu_backend, grid_for
from ..random import streams
from .reference import FEISTEL_ROUNDS

SOURCE = Path(__file__).with_name("select.cu")
TILE, BINS = 8192, 2048  # as in the source
DIGIT = 11  # bits of a digit of the keys: BINS values
COUNTING = 1024  # blocks that count digits: each empties and writes bins of its own
NOTHING = 2**32 - 1  # in the hash table


class SelectKernels:
    """Sets of coordinates, on the arrays of a backend: Top-k, and the masks of `cpu_masks`.

    Parameters
    ----------
    backend : Backend
        Of `SOURCE`.
    """

    def __init__(self, backend: Backend):
        self._backend = backend

    # -- Top-k -------------------------------------------------------------------------------------------

    def top_k(self, x: Any, out: Any) -> None:
        """Fill `out` with the coordinates of largest magnitude, ascending; ties to the lowest index."""
        if out.size:
            self._top_k("count_digits", (), x, out)

    def top_k_with_memory(self, memory: Any, gradient: Any, step: float, x: Any, out: Any) -> None:
        """Set x = memory + step gradient, all of one dtype, and `out` as in `top_k`; x may be `memory`."""
        if x.size:
            self._top_k("add_and_count", (memory, gradient, np.float64(step)), x, out)

    def _top_k(self, count: str, args: tuple[Any, ...], x: Any, out: Any) -> None:
        """Top-k, with a kernel of its own that counts the first digits."""
        d, k = x.size, out.size
        tiles = -(-d // TILE)
        wide = np.int32(x.dtype == np.float64)
        state, bins = self._empty(3, np.uint64), self._empty(BINS)
        self._each("start_top", BINS, np.int64(k), state, bins)
        shift = 63 if wide else 31
        while shift:
            width = min(DIGIT, shift)
            shift -= width
            digit = np.int32(shift), np.int32(width)
            counted = *args, x, wide, np.int64(d), *digit, state, bins
            self._backend.launch(count, (min(tiles, COUNTING),), (BLOCK,), counted)
            if k == 0:
                return
            self._backend.launch("choose_digit", (1,), (BLOCK,), (*digit, np.int64(d), state, bins))
            count, args = "count_digits", ()
        above, equal = self._empty(tiles * BLOCK), self._empty(tiles * BLOCK)
        counts, totals = self._empty(2 * tiles), self._empty(2)
        self._tiles("mark_top", tiles, x, wide, np.int64(d), state, above, equal, counts)
        self._backend.launch("scan_counts", (2,), (BLOCK,), (np.int32(tiles), counts, totals))
        self._tiles("write_top", tiles, above, equal, counts, state, np.int64(k), out)

    # -- masks -------------------------------------------------------------------------------------------

    def rand_k(self, d: int, key: int, index: int, out: Any) -> None:
        """Fill `out` with out.size of d coordinates, ascending (Floyd)."""
        k = out.size
        if k == 0:
            return
        log = max(4, (2 * k - 1).bit_length())
        numbers, slots, table = self._empty(k), self._empty(k), self._empty(1 << log)
        first, bits = self._empty(1 << log), self._bits(d)
        for array, value in ((table, NOTHING), (first, NOTHING), (bits, 0)):
            self._fill(array, value)
        floyd = np.int64(d - k), np.int64(k)
        drawn = *_counter(key, streams.RAND_K, index), np.int32(log), numbers, slots, table, first
        self._each("draw_rand_k", -(-k // 4), *floyd, *drawn)
        self._each("choose_rand_k", k, *floyd, numbers, slots, first, bits)
        self._write(bits, out)

    def block_rand_k(self, d: int, key: int, index: int, out: Any) -> None:
        """Fill `out` with one coordinate of each of out.size balanced blocks."""
        counter = _counter(key, streams.BLOCK_RAND_K, index)
        self._each("block_rand_k", -(-out.size // 4), np.int64(d), np.int64(out.size), *counter, out)

    def bernoulli(self, d: int, p: float, key: int, index: int, out: Any) -> int:
        """Write the coordinates kept with probability p each to `out` (room for d), return their number."""
        bits = self._bits(d)
        counter = _counter(key, streams.BERNOULLI, index)
        self._each("mark_coins", bits.size, np.int64(d), np.float64(p), *counter, np.int64(bits.size), bits)
        return int(self._backend.asnumpy(self._write(bits, out))[0])

    def perm_k(self, d: int, n_workers: int, key: int, index: int, out: Any) -> int:
        """Write the coordinates of worker index mod n_workers to `out` (room for ceil(d / n_workers)).

        Return their number.
        """
        turn, worker = divmod(int(index), n_workers)
        draw = int(key), streams.PERM_K, turn, 1
        words = [int(word) for step in (0, 1) for word in random.words(*draw, step=step)[0]]
        offset = int(random.integers(n_workers, *draw, step=FEISTEL_ROUNDS // 4)[0])
        block = (worker + offset) % n_workers
        begin = block * d // n_workers
        count = (block + 1) * d // n_workers - begin
        if count:
            bits = self._bits(d)
            self._fill(bits, 0)
            half = np.int32(((d - 1).bit_length() + 1) // 2)
            pairs = (np.uint64(words[r] | words[r + 1] << 32) for r in range(0, FEISTEL_ROUNDS, 2))
            self._each(
                "mark_permuted", count, np.int64(d), np.int64(begin), np.int64(count), half, *pairs, bits
            )
            self._write(bits, out)
        return count

    # -- launches ----------------------------------------------------------------------------------------

    def _empty(self, count: int, dtype: Any = np.uint32) -> Any:
        return self._backend.empty((count,), dtype)

    def _bits(self, d: int) -> Any:
        """Room for a set of d coordinates, in whole tiles."""
        return self._empty(-(-d // TILE) * BLOCK)

    def _each(self, name: str, count: int, *args: Any) -> None:
        """Launch a kernel that shares `count` indices out among its threads."""
        if count:  # a grid has at least one block
            self._backend.launch(name, grid_for(count), (BLOCK,), args)

    def _tiles(self, name: str, tiles: int, *args: Any) -> None:
        """Launch a kernel with one block a tile."""
        self._backend.launch(name, (tiles,), (BLOCK,), args)

    def _fill(self, array: Any, value: int) -> None:
        self._each("fill", array.size, np.uint32(value), np.int64(array.size), array)

    def _write(self, bits: Any, out: Any) -> Any:
        """Write the coordinates of a set to `out`, ascending; return their number, as an array."""
        tiles = bits.size // BLOCK
        counts, total = self._empty(tiles), self._empty(1)
        self._tiles("count_bits", tiles, bits, counts)
        self._backend.launch("scan_counts", (1,), (BLOCK,), (np.int32(tiles), counts, total))
        self._tiles("write_indices", tiles, bits, counts, np.int64(out.size), out)
        return total


def _counter(key: int, stream: int, index: int) -> tuple[np.uint64, np.uint32, np.uint64]:
    return np.uint64(key), np.uint32(stream), np.uint64(index)


def on_device(device: int) -> SelectKernels:
    """Return the kernels of a CUDA device."""
    return SelectKernels(gpu_backend(SOURCE, device))
