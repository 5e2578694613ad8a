"""Counter-based random numbers: Philox4x32-10, the same integers from every backend.

A draw is a function of a 64-bit key and of (index, step, stream), never of a state: it does not depend on
threads, chunks or the order of evaluation. `make_key` turns what NumPy calls `rng` into the key. Stream
numbers stand in `streams`, one for each use.

`words`, `uniform`, `exponential` and `integers` return NumPy arrays, or fill the array given as `out`, where
it is: a CuPy array is filled by a kernel on its device.

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..backend import destination
from . import cpu, gpu, streams
from .reference import ALIAS_BITS

__all__ = [
    "AliasTable",
    "alias_sample",
    "alias_table",
    "distinct_integers",
    "exponential",
    "integers",
    "make_key",
    "philox4x32",
    "streams",
    "uniform",
    "words",
]

Rng = None | int | np.random.SeedSequence | np.random.Generator


def make_key(rng: Rng = None) -> int:
    """Return a 64-bit key from anything that NumPy accepts as a source of randomness.

    Parameters
    ----------
    rng : None, int, numpy.random.SeedSequence or numpy.random.Generator
        None: fresh entropy. An int or a SeedSequence: the same key every time. A Generator: the next 64 bits
        of its stream, so that it advances.

    Returns
    -------
    int
        Key in [0, 2^64).
    """
    if isinstance(rng, np.random.Generator):
        return int(rng.integers(0, 2**64, dtype=np.uint64))
    if isinstance(rng, np.random.SeedSequence):
        sequence = rng
    elif rng is None or (isinstance(rng, int | np.integer) and not isinstance(rng, bool)):
        if rng is not None and rng < 0:
            raise ValueError(f"rng must be a non-negative seed, got {rng}")
        sequence = np.random.SeedSequence(None if rng is None else int(rng))
    else:
        raise TypeError(f"rng must be None, an int, a SeedSequence or a Generator, got {type(rng).__name__}")
    return int(sequence.generate_state(1, np.uint64)[0])


def _check_range(key: int, stream: int, start: int, count: int, step: int) -> None:
    checks.count("key", key, most=2**64 - 1)
    if not 0 <= checks.count("stream", stream, least=None) < 2**16:
        raise ValueError(f"stream must be in [0, 2^16), got {stream}; take streams.USER for your own draws")
    checks.count("count", count)
    checks.count("start", start)
    if start + count > 2**64:
        raise ValueError(f"indices must be in [0, 2^64), got start={start}, count={count}")
    checks.count("step", step, most=2**30 - 1)


def _fillers(device: int | None) -> Any:
    return cpu if device is None else gpu.on_device(device)


def philox4x32(counters: ArrayLike, key: int) -> np.ndarray:
    """Apply Philox4x32-10 to counters.

    Parameters
    ----------
    counters : (count, 4) array_like of integers
        Counter words in [0, 2^32).
    key : int
        Key in [0, 2^64).

    Returns
    -------
    (count, 4) uint32 array
        The random words.
    """
    checks.count("key", key, most=2**64 - 1)
    given = checks.as_array("counters", counters)
    if given.dtype.kind not in "iu" and given.size:
        raise TypeError(f"counters must be integers, got dtype {given.dtype}")
    if given.ndim != 2 or given.shape[1] != 4:
        raise ValueError(f"counters must have shape (count, 4), got {given.shape}")
    if given.size and (given.min() < 0 or given.max() > 0xFFFFFFFF):
        raise ValueError("counters must hold 32-bit words, in [0, 2^32)")
    out = np.empty(given.shape, np.uint64)
    cpu.fill_philox(np.ascontiguousarray(given, np.uint64), key, out)
    return out.astype(np.uint32)


def words(key: int, stream: int, start: int, count: int, *, step: int = 0, out: Any = None) -> Any:
    """Return the four 32-bit words of each index.

    Parameters
    ----------
    key : int
        From `make_key`.
    stream : int
        One of `streams`.
    start, count : int
        The indices start, ..., start + count - 1.
    step : int
        Second counter word.
    out : array, optional
        C-contiguous, of the returned shape and type: a NumPy array, a CuPy array, or another library's array
        in the memory of the CPU. It is filled where it is.

    Returns
    -------
    (count, 4) uint32 array
        Philox of (index low, step, stream, index high): `out`, or a new NumPy array.

    Raises
    ------
    TypeError, ValueError
        An argument out of range; an `out` that does not fit.
    RuntimeError
        CuPy finds no device, though `out` is one of its arrays.
    """
    _check_range(key, stream, start, count, step)
    target, device = destination(out, (count, 4), np.uint32)
    _fillers(device).fill_words(key, stream, start, step, target)
    return target if out is None else out


def uniform(key: int, stream: int, start: int, count: int, *, step: int = 0, out: Any = None) -> Any:
    """Return uniform deviates on [0, 1): multiples of 2^-53.

    Parameters
    ----------
    key, stream, start, count, step, out
        As in `words`.

    Returns
    -------
    (count,) float64 array
        One deviate an index.
    """
    _check_range(key, stream, start, count, step)
    target, device = destination(out, (count,), np.float64)
    _fillers(device).fill_uniform(key, stream, start, step, target)
    return target if out is None else out


def exponential(key: int, stream: int, start: int, count: int, *, step: int = 0, out: Any = None) -> Any:
    """Return exponential deviates of mean 1.

    Parameters
    ----------
    key, stream, start, count, step, out
        As in `words`.

    Returns
    -------
    (count,) float64 array
        -log(1 - uniform), at most 36.8.
    """
    _check_range(key, stream, start, count, step)
    target, device = destination(out, (count,), np.float64)
    _fillers(device).fill_exponential(key, stream, start, step, target)
    return target if out is None else out


def integers(
    bound: int, key: int, stream: int, start: int, count: int, *, step: int = 0, out: Any = None
) -> Any:
    """Return integers on [0, bound), exactly uniform (multiply and shift with rejection, Lemire 2019).

    Parameters
    ----------
    bound : int
        Exclusive upper end, in [1, 2^32].
    key, stream, start, count, step, out
        As in `words`.

    Returns
    -------
    (count,) int64 array
        One integer an index.
    """
    if not 1 <= bound <= 2**32:
        raise ValueError(f"bound must be in [1, 2^32], got {bound}")
    _check_range(key, stream, start, count, step)
    target, device = destination(out, (count,), np.int64)
    _fillers(device).fill_integers(bound, key, stream, start, step, target)
    return target if out is None else out


def distinct_integers(count: int, bound: int, key: int, stream: int, index: int) -> np.ndarray:
    """Return distinct integers in [0, bound), every subset equally likely (Floyd's method).

    Parameters
    ----------
    count : int
        How many, at most `bound`.
    bound : int
        Exclusive upper end, in [1, 2^32].
    key, stream, index : int
        As in `words`, for one index.

    Returns
    -------
    (count,) int64 array
        In the order drawn.
    """
    checks.count("bound", bound, least=1, most=2**32)
    checks.count("count", count, most=bound)
    _check_range(key, stream, index, 1, count // 4)
    out = np.empty(count, np.int64)
    cpu.fill_distinct(bound, key, stream, index, count, out)
    return out


@dataclass(frozen=True)
class AliasTable:
    """Alias table with 2^bits cells of equal probability: a draw reads one cell.

    Attributes
    ----------
    threshold : (2^bits,) uint64
        A coin in [0, 2^(62 - bits)) below it stays in the cell, else it goes to the alias.
    alias : (2^bits,) int32
        The other category of each cell.
    bits : int
        Base-2 logarithm of the number of cells.
    """

    threshold: np.ndarray
    alias: np.ndarray
    bits: int

    def __post_init__(self) -> None:
        """Refuse what would make a draw read beyond the cells."""
        cells = 1 << checks.count("bits", self.bits, most=31)
        for name, kind in (("threshold", np.uint64), ("alias", np.int32)):
            part = getattr(self, name)
            checks.instance(name, part, np.ndarray)
            if part.dtype != kind or part.shape != (cells,):
                raise ValueError(
                    f"{name} must be {np.dtype(kind)} of shape ({cells},), got {part.dtype} of {part.shape}"
                )


def alias_table(weights: ArrayLike) -> AliasTable:
    """Build the table that draws category k with probability weights[k] / sum(weights).

    The probabilities are rounded to integers over 2^62 that add up exactly; all else is integer arithmetic.
    A category of weight zero is never drawn. Cost O(number of categories).

    Parameters
    ----------
    weights : (count,) array_like
        Non-negative, finite, not all zero.

    Returns
    -------
    AliasTable
        See there. Source: Vose, "A linear algorithm for generating random numbers with a given
        distribution" (1991).
    """
    given = checks.as_array("weights", weights)
    if given.ndim != 1 or given.size == 0:
        raise ValueError(f"weights must be a non-empty vector, got shape {given.shape}")
    w = checks.real_array("weights", given, 1, finite=False)
    if not np.isfinite(w).all() or (w < 0).any():
        raise ValueError("weights must be finite and non-negative")
    largest = w.max()
    if largest == 0:
        raise ValueError("weights must not all be zero")
    bits = max(w.size - 1, 0).bit_length()
    if bits > 31:
        raise ValueError(f"at most 2^31 categories, got {w.size}")
    w = w / largest  # a sum of huge weights must not overflow
    scaled = np.zeros(1 << bits, np.uint64)
    scaled[: w.size] = (w / w.sum() * 2.0**ALIAS_BITS).astype(np.uint64)
    total = sum(int(part.sum()) for part in np.array_split(scaled, max(1, scaled.size >> 10)))
    top = int(np.argmax(w))
    scaled[top] = int(scaled[top]) + (1 << ALIAS_BITS) - total
    threshold = np.empty(1 << bits, np.uint64)
    alias = np.empty(1 << bits, np.int32)
    cpu.build_alias(scaled, threshold, alias)
    threshold.flags.writeable = False
    alias.flags.writeable = False
    return AliasTable(threshold, alias, bits)


def alias_sample(
    table: AliasTable, key: int, stream: int, start: int, count: int, *, step: int = 0
) -> np.ndarray:
    """Draw categories from an alias table.

    Parameters
    ----------
    table : AliasTable
        From `alias_table`.
    key, stream, start, count, step
        As in `words`; words 2 and 3 are used.

    Returns
    -------
    (count,) int64 array
        One category an index.
    """
    checks.instance("table", table, AliasTable, "alias_table(weights)")
    _check_range(key, stream, start, count, step)
    out = np.empty(count, np.int64)
    cpu.fill_alias(key, stream, start, step, table.threshold, table.alias, table.bits, out)
    return out
