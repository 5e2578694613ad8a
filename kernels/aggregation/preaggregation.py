"""Pre-aggregators: rows mixed or scaled before they are aggregated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .. import checks, random
from ..random import streams
from .base import PreAggregator
from .stages import NORMS, NOTHING, Context, squared_distances


def minority(name: str, f: int, p: int, least: int, wanted: str, else_take: str = "") -> None:
    """Raise a ValueError if p rows are too few for f faulty ones; for none, any number of rows will do."""
    if f > 0 and p < least:
        raise ValueError(
            f"{name} with f = {f} needs {wanted} rows, at least {least}, got {p}: lower f or add workers"
            + else_take
        )


@dataclass(frozen=True)
class NNM(PreAggregator):
    """Nearest-neighbour mixing: each row becomes the mean of its p - f nearest rows, itself included.

    Allouah et al., "Fixing by mixing: a recipe for optimal Byzantine ML under heterogeneity" (AISTATS 2023).
    Equally near rows are taken in their order.

    Attributes
    ----------
    f : int, optional
        Faulty rows, below p/2; the largest such number by default.
    """

    f: int | None = None

    def __post_init__(self) -> None:
        if self.f is not None:
            checks.count("f", self.f)

    def _check(self, p: int) -> int:
        if self.f is not None:
            minority("NNM", self.f, p, 2 * self.f + 1, "p >= 2f + 1")
        return p

    def _matrix(self, K: NDArray, context: Context) -> NDArray[np.float64]:
        p = len(K)
        n_kept = p - (context.faulty(self.f) if self.f is not None else (p - 1) // 2)
        D = squared_distances(K)
        np.fill_diagonal(D, -1.0)  # itself before its equals
        nearest = np.argsort(D, axis=1, kind="stable")[:, :n_kept]
        M = np.zeros((p, p))
        np.put_along_axis(M, nearest, 1.0 / n_kept, axis=1)
        return M


@dataclass(frozen=True)
class Bucketing(PreAggregator):
    """Means of random groups of s rows; the last group may be smaller.

    Karimireddy, He & Jaggi, "Byzantine-robust learning on heterogeneous datasets via bucketing" (ICLR 2022).
    f faulty rows spoil f groups at most, so s should not exceed p / (2 f).

    Attributes
    ----------
    s : int
        Rows a group, at least 1.
    key : int
        64-bit key of the random permutation, from `kernels.random.make_key`; `step` numbers the calls.
    """

    s: int
    key: int = 0
    needs = NOTHING
    keeps_workers = False

    def __post_init__(self) -> None:
        checks.count("s", self.s, least=1)
        checks.count("key", self.key, most=2**64 - 1)

    def _check(self, p: int) -> int:
        return -(-p // self.s)

    def _matrix(self, K: NDArray, context: Context) -> NDArray[np.float64]:
        p = len(K)
        draws = random.uniform(self.key, streams.BUCKETING, 0, p, step=context.step)
        bucket = np.empty(p, np.intp)
        bucket[np.argsort(draws, kind="stable")] = np.arange(p) // min(self.s, p)
        M = np.zeros((-(-p // self.s), p))
        M[bucket, np.arange(p)] = 1.0
        return M / M.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class Clipping(PreAggregator):
    """Rows scaled down to a largest norm: ``x_i min(1, radius / |x_i|)``.

    Attributes
    ----------
    radius : float, optional
        Positive; by default the median norm of the rows.
    """

    radius: float | None = None
    needs = NORMS
    invariant = False
    scales = True

    def __post_init__(self) -> None:
        if self.radius is not None:
            checks.real("radius", self.radius, above=0.0)

    def _matrix(self, K: NDArray, context: Context) -> NDArray[np.float64]:
        norms = np.sqrt(K.diagonal())
        radius = float(np.median(norms)) if self.radius is None else context.in_unit(self.radius)
        return np.diag(_clipped(norms, radius))


@dataclass(frozen=True)
class ARC(PreAggregator):
    """Adaptive robust clipping: the k largest rows are scaled down to the norm of the next one.

    ``k = floor(2 (f / p) (p - f))``. Allouah et al., "Adaptive gradient clipping for robust federated
    learning" (ICLR 2025).

    Attributes
    ----------
    f : int
        Faulty rows, below p/2.
    """

    f: int
    needs = NORMS
    invariant = False
    scales = True

    def __post_init__(self) -> None:
        checks.count("f", self.f)

    def _check(self, p: int) -> int:
        minority("ARC", self.f, p, 2 * self.f + 1, "p >= 2f + 1")
        return p

    def _matrix(self, K: NDArray, context: Context) -> NDArray[np.float64]:
        p, f = len(K), context.faulty(self.f)
        norms = np.sqrt(K.diagonal())
        n_clipped = 2 * f * (p - f) // p  # below p, as k <= p/2
        return np.diag(_clipped(norms, float(np.sort(norms)[p - 1 - n_clipped])))


def _clipped(norms: NDArray, radius: float) -> NDArray[np.float64]:
    factors = np.ones(len(norms))
    np.divide(radius, norms, out=factors, where=norms > radius)
    return factors
