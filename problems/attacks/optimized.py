"""Attacks as strong as hurts a given aggregator most."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...kernels import checks
from ...kernels.aggregation import Aggregator
from .base import Attack


@dataclass(frozen=True)
class _Optimized(Attack):
    """Rows ``start + a direction``, the same for all, with the a that moves an aggregate farthest."""

    aggregator: Aggregator
    limit: float = 10.0
    n_evaluations: int = field(default=24, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.aggregator, Aggregator):
            raise TypeError(f"aggregator must be an Aggregator, got {type(self.aggregator).__name__}")
        checks.real("limit", self.limit, above=0.0)
        checks.count("n_evaluations", self.n_evaluations, least=4)

    def _line(self, honest: NDArray) -> tuple[NDArray, NDArray]:
        raise NotImplementedError

    def _send(self, honest: NDArray, own: NDArray, step: int) -> Any:
        start, direction = self._line(honest)
        center = honest.mean(axis=0)
        rows = np.empty((len(honest) + len(own), honest.shape[1]), honest.dtype)
        rows[: len(honest)] = honest

        def deviation(a: float) -> float:
            rows[len(honest) :] = start + a * direction
            moved = self.aggregator(rows, step=step, full=True).value - center
            return float(np.linalg.norm(moved))

        return start + strongest(deviation, self.limit, self.n_evaluations) * direction


def strongest(deviation: Callable[[float], float], limit: float, n_evaluations: int) -> float:
    """Return the point of (0, limit] with the largest value found.

    Half of the evaluations go to a geometric grid over three decades, the rest to golden sections between the
    neighbours of the best: a maximum of a function with one peak, a good point of any other.
    """
    n_grid = n_evaluations // 2
    grid = np.geomspace(limit * 1e-3, limit, n_grid)
    values = [deviation(a) for a in grid]
    best = int(np.argmax(values))
    point, value = grid[best], values[best]
    low, high = np.log(grid[max(best - 1, 0)]), np.log(grid[min(best + 1, n_grid - 1)])
    golden = (5**0.5 - 1) / 2
    inner = [high - golden * (high - low), low + golden * (high - low)]
    found = [deviation(np.exp(t)) for t in inner]
    for _ in range(n_evaluations - n_grid - 2):
        if found[0] > found[1]:
            high = inner[1]
            inner, found = [high - golden * (high - low), inner[0]], [0.0, found[0]]
            found[0] = deviation(np.exp(inner[0]))
        else:
            low = inner[0]
            inner, found = [inner[1], low + golden * (high - low)], [found[1], 0.0]
            found[1] = deviation(np.exp(inner[1]))
    for t, deviating in zip(inner, found, strict=True):
        if deviating > value:
            point, value = np.exp(t), deviating
    return float(point)


@dataclass(frozen=True)
class OptimizedALIE(_Optimized):
    """`ALIE` with the z in (0, limit] that moves the aggregate farthest from the honest mean.

    A rule that remembers earlier rounds is attacked as if it began with this one.

    Attributes
    ----------
    aggregator : Aggregator
        The rule under attack; the faulty rows come after the honest.
    limit : float
        Largest z.
    n_evaluations : int
        Of the rule, at least 4, in each call.
    """

    def _line(self, honest: NDArray) -> tuple[NDArray, NDArray]:
        return honest.mean(axis=0), -honest.std(axis=0)


@dataclass(frozen=True)
class OptimizedIPM(_Optimized):
    """`IPM` with the epsilon in (0, limit] that moves the aggregate farthest from the honest mean.

    Attributes
    ----------
    aggregator, limit, n_evaluations
        As of `OptimizedALIE`; `limit` is the largest epsilon.
    """

    def _line(self, honest: NDArray) -> tuple[NDArray, NDArray]:
        mean = honest.mean(axis=0)
        return np.zeros_like(mean), -mean
