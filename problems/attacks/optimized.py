"""Attacks as strong as hurts a given aggregator most."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...kernels import checks
from ...kernels.aggregation import Aggregator
from .base import Attack

_DECADES = 3  # of sizes that are tried, up to the limit


@dataclass(frozen=True)
class _Optimized(Attack):
    """Rows ``start + a direction``, the same for all, with the a that moves an aggregate farthest."""

    aggregator: Aggregator
    limit: float = 10.0
    n_evaluations: int = field(default=48, kw_only=True)

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
    """Return the point of [-limit, limit] with the largest value found, of either sign.

    A quarter of the evaluations goes to geometric grids over three decades of each sign. Every other one
    halves (in the logarithm) the interval that may hold the largest value if values grow no faster than the
    point, as deviations mostly do: rules that choose rows make many peaks, each with a cliff behind it.
    """
    grid = np.geomspace(limit * 10.0**-_DECADES, limit, max(n_evaluations // 8, 2))
    best, point = -np.inf, limit
    heap: list[tuple[float, float, float, float, float]] = []  # minus the bound, ends, values there

    def value_at(a: float) -> float:
        nonlocal best, point
        found = deviation(a)
        if found - best > 1e-9 * abs(found):  # of equal ones, to rounding, the first: positive ones
            best, point = found, a
        return found

    def push(a: float, b: float, at_a: float, at_b: float) -> None:
        heapq.heappush(heap, (-max(at_a * (b / a), at_b), a, b, at_a, at_b))

    for sign in (1.0, -1.0):
        ends = (sign * grid).tolist()
        values = [value_at(a) for a in ends]
        for k in range(len(ends) - 1):
            push(ends[k], ends[k + 1], values[k], values[k + 1])
    for _ in range(n_evaluations - 2 * len(grid)):
        _, a, b, at_a, at_b = heapq.heappop(heap)
        middle = a * (b / a) ** 0.5
        found = value_at(middle)
        push(a, middle, at_a, found)
        push(middle, b, found, at_b)
    return float(point)


@dataclass(frozen=True)
class OptimizedALIE(_Optimized):
    """`ALIE` with the z that moves the aggregate farthest from the honest mean, of either sign.

    The faulty rows are ``mu - z sd``, 0.001 limit <= |z| <= limit. Either sign may be the stronger: the
    honest rows are not symmetric about their mean. A rule that remembers earlier rounds is attacked as if it
    began with this one. The search (`strongest`) finds a large value, and promises no maximum: with
    48 evaluations it found at least 90 % of the largest value on a grid of 800 points for the rules and rows
    of the tests, but for `CAF`, the roughest (85 %); on other rows `Krum` and `MDA` came down to 84 %.

    Attributes
    ----------
    aggregator : Aggregator
        The rule under attack; the faulty rows come after the honest.
    limit : float
        Largest size of z.
    n_evaluations : int
        Of the rule, at least 4, in each call.
    """

    def _line(self, honest: NDArray) -> tuple[NDArray, NDArray]:
        return honest.mean(axis=0), -honest.std(axis=0)


@dataclass(frozen=True)
class OptimizedIPM(_Optimized):
    """`IPM` with the epsilon that moves the aggregate farthest from the honest mean, of either sign.

    The faulty rows are ``-epsilon mu``, 0.001 limit <= |epsilon| <= limit; below 0 they exaggerate what
    the honest say. Search as of `OptimizedALIE`.

    Attributes
    ----------
    aggregator, limit, n_evaluations
        As of `OptimizedALIE`; `limit` is the largest size of epsilon.
    """

    def _line(self, honest: NDArray) -> tuple[NDArray, NDArray]:
        mean = honest.mean(axis=0)
        return np.zeros_like(mean), -mean
