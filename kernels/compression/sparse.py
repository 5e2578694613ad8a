"""Sparsifiers: messages that hold some coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .. import checks
from ..backend import array_module
from . import cpu_masks, rows
from .devices import masks, room
from .sparsifier import Sparsifier
from .subsets import top_indices


class _Scaled(Sparsifier):
    """Unbiased where the values kept are scaled up."""

    scaled: ClassVar[bool] | bool = True

    @property
    def unbiased(self) -> bool:
        """Whether values are scaled up."""
        return self.scaled


@dataclass(frozen=True)
class _KeepsK(_Scaled):
    """Keeps k coordinates, or the fraction k of them."""

    k: int | float

    def __post_init__(self) -> None:
        if isinstance(self.k, float | np.floating):
            k = checks.real("k (as a fraction of d)", self.k, above=0.0, most=1.0)
        else:
            k = checks.count("k", self.k, least=1)
        object.__setattr__(self, "k", k)

    def _n_sent(self, d: int) -> int:
        """Return k itself, or the number nearest to k d, at least 1."""
        if isinstance(self.k, float):
            return max(1, int(self.k * d + 0.5))
        if self.k > d:
            raise ValueError(f"k must be at most the number of coordinates {d}, got {self.k}")
        return self.k


@dataclass(frozen=True)
class Identity(_Scaled):
    """C(x) = x: all coordinates. Bits: 32 or 64 a coordinate."""

    random = False
    row_kernel = rows.identity
    pick_kernel = rows.pick_all
    on_gpu = True

    def _draw(self, d: int, key: np.uint64, index: np.uint64, device: int | None = None) -> Any:
        with array_module(device) as xp:
            return xp.arange(d, dtype=np.int64)

    def _omega(self, d: int) -> float:
        return 0.0


@dataclass(frozen=True)
class RandK(_KeepsK):
    """Rand-k: k coordinates drawn uniformly, times d/k.

    Attributes
    ----------
    k : int or float
        How many coordinates, or which fraction of them, in (0, 1].
    scaled : bool
        Multiply by d/k, which makes it unbiased with omega = d/k - 1, an equality for every x. Without, it is
        contractive with alpha = k/d.
    shared_seed : bool
        The receiver knows key and index, and draws the coordinates itself: bits are those of the values.
        Otherwise the coordinates are sent, too, in the cheapest code.

    Notes
    -----
    Floyd's method, so that each of the (d choose k) subsets is equally likely, exactly.

    Examples
    --------
    >>> import numpy as np
    >>> RandK(2).compress(np.ones(6), key=1).nbits
    128
    """

    scaled: bool = True
    shared_seed: bool = True
    pick_kernel = rows.rand_k
    on_gpu = True

    def _draw(self, d: int, key: np.uint64, index: np.uint64, device: int | None = None) -> Any:
        out = room(self._n_sent(d), device)
        masks(device).rand_k(d, key, index, out)
        return out

    def _factors(self, d: int, device: int | None = None) -> float:
        return d / self._n_sent(d) if self.scaled else 1.0

    def _omega(self, d: int) -> float:
        return d / self._n_sent(d) - 1.0

    def pick_parameters(self, d: int) -> list[float]:
        """Return the factor."""
        return [self._factors(checks.count("d", d, least=1, most=2**31 - 1))]


@dataclass(frozen=True)
class BlockRandK(_KeepsK):
    """One coordinate of each of k blocks, drawn uniformly in its block, times the block's length.

    Attributes
    ----------
    k : int or float
        How many coordinates, or which fraction of them, in (0, 1].
    scaled : bool
        Multiply by the length: unbiased, E|C(x) - x|^2 = sum over blocks b of (length_b - 1) |x_b|^2, so
        omega = ceil(d/k) - 1. Without, contractive with alpha = 1 / ceil(d/k).
    shared_seed : bool
        As in `RandK`.

    Notes
    -----
    Block b is floor(b d / k), ..., floor((b + 1) d / k) - 1, so that no coordinate is lost where k does not
    divide d. The draw of a block depends on nothing but key, index and b. Two coordinates of one block are
    never kept together; otherwise as `RandK`, and faster.
    """

    scaled: bool = True
    shared_seed: bool = True
    pick_kernel = rows.block_rand_k
    on_gpu = True

    def _draw(self, d: int, key: np.uint64, index: np.uint64, device: int | None = None) -> Any:
        out = room(self._n_sent(d), device)
        masks(device).block_rand_k(d, key, index, out)
        return out

    def _factors(self, d: int, device: int | None = None) -> Any:
        if not self.scaled:
            return 1.0
        k = self._n_sent(d)
        if d % k == 0:
            return d / k
        if device is None:
            lengths = np.empty(k)
            cpu_masks.block_lengths(d, lengths)
            return lengths
        with array_module(device) as xp:
            return xp.diff(xp.arange(k + 1, dtype=np.int64) * d // k).astype(np.float64)

    def _omega(self, d: int) -> float:
        return float(-(-d // self._n_sent(d)) - 1)

    def pick_parameters(self, d: int) -> list[float]:
        """Return whether values are scaled."""
        return [float(self.scaled)]


@dataclass(frozen=True)
class PermK(_Scaled):
    """Perm-K: the workers of a round keep disjoint sets of coordinates, together all, times n_workers.

    Attributes
    ----------
    n_workers : int
        Number of workers M. Message `index` is that of worker index mod M in round index div M.

    Notes
    -----
    Each coordinate goes to each worker with probability exactly 1/M, also where M does not divide d: a
    random permutation, the same for all workers, is cut into balanced blocks, and the blocks are rotated by a
    uniform offset. Alone, each worker is unbiased with omega = M - 1; if all workers hold the same x, the
    mean of their messages is x. The permutation is a Feistel network, not uniform over all d! permutations;
    no statement here makes use of that. Source: Szlendak, Tyurin, Richtarik, "Permutation compressors for
    provably faster distributed nonconvex optimization" (2022).
    """

    n_workers: int
    pick_kernel = rows.perm_k
    on_gpu = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "n_workers", checks.count("n_workers", self.n_workers, least=1, most=2**31))

    def _draw(self, d: int, key: np.uint64, index: np.uint64, device: int | None = None) -> Any:
        out = room(-(-d // self.n_workers), device)
        return out[: masks(device).perm_k(d, self.n_workers, key, index, out)]

    def _factors(self, d: int, device: int | None = None) -> float:
        return float(self.n_workers)

    def _n_sent(self, d: int) -> int:
        return -(-d // self.n_workers)

    def _omega(self, d: int) -> float:
        return self.n_workers - 1.0

    def least_kept(self, d: int) -> int:
        """Return floor(d / n_workers)."""
        return d // self.n_workers

    def pick_parameters(self, d: int) -> list[float]:
        """Return the number of workers."""
        return [float(self.n_workers)]


@dataclass(frozen=True)
class Bernoulli(_Scaled):
    """Each coordinate is kept with probability p, independently, times 1/p.

    Attributes
    ----------
    p : float
        In (0, 1]; met exactly, as the floating-point number it is.
    scaled : bool
        Multiply by 1/p: unbiased, omega = 1/p - 1, an equality for every x. Without, contractive with
        alpha = p.
    shared_seed : bool
        As in `RandK`; without, the number of coordinates is sent, too.
    """

    p: float
    scaled: bool = True
    shared_seed: bool = True
    pick_kernel = rows.bernoulli
    on_gpu = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "p", checks.real("p", self.p, above=0.0, most=1.0))

    def _draw(self, d: int, key: np.uint64, index: np.uint64, device: int | None = None) -> Any:
        out = room(d, device)
        count = masks(device).bernoulli(d, self.p, key, index, out)
        with array_module(device):
            return out[:count].copy()

    def _factors(self, d: int, device: int | None = None) -> float:
        return 1.0 / self.p if self.scaled else 1.0

    def _n_sent(self, d: int) -> None:
        return None

    def _omega(self, d: int) -> float:
        return 1.0 / self.p - 1.0

    def pick_parameters(self, d: int) -> list[float]:
        """Return p and the factor."""
        return [self.p, self._factors(checks.count("d", d, least=1, most=2**31 - 1))]


@dataclass(frozen=True)
class TopK(_KeepsK):
    """Top-k: the k coordinates of largest magnitude; among equal ones, the lowest indices.

    Attributes
    ----------
    k : int or float
        How many coordinates, or which fraction of them, in (0, 1].

    Notes
    -----
    Deterministic, contractive with alpha = k/d, attained where all magnitudes are equal. The indices are
    sent, in the cheapest code.
    """

    random = False
    scaled = False
    shared_seed = False
    pick_kernel = rows.top_k
    on_gpu = True

    def _choose(self, x: Any, key: np.uint64, index: np.uint64) -> Any:
        return top_indices(x, self._n_sent(x.size))

    def _contraction(self, d: int) -> float:
        return self._n_sent(d) / d
