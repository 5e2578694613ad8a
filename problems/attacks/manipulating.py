"""Attacks that stay as near to the honest as these are to each other, whatever the rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import Attack

DIRECTIONS = "std", "unit", "sign"


@dataclass(frozen=True)
class _Hidden(Attack):
    """Rows ``mu + gamma q``, the same for all, with the largest gamma that a constraint allows."""

    direction: str = "std"

    def __post_init__(self) -> None:
        if self.direction not in DIRECTIONS:
            raise ValueError(
                f"direction must be one of {', '.join(map(repr, DIRECTIONS))}, got {self.direction!r}"
            )

    def _send(self, honest: NDArray, own: NDArray, step: int) -> Any:
        largest = float(np.abs(honest).max())
        if not 0.0 < largest < np.inf:
            return honest.mean(axis=0)
        exponent = int(np.frexp(largest)[1])  # in this unit no square leaves the range of numbers
        rows = np.ldexp(honest.astype(float), -exponent)
        mean = rows.mean(axis=0)
        if self.direction == "std":
            q = -rows.std(axis=0)
        else:
            q = -np.sign(mean) if self.direction == "sign" else -mean
        length = float(np.linalg.norm(q))
        if length > 0.0:
            q /= length
        return np.ldexp(mean + self._reach(mean - rows, q) * q, exponent)

    def _reach(self, differences: NDArray, q: NDArray) -> float:
        """Return the largest length along the unit vector q, given the rows mu - x_i."""
        raise NotImplementedError


@dataclass(frozen=True)
class MinMax(_Hidden):
    """``mu + gamma q``, no farther from any honest row than two honest rows are from each other.

    gamma is the largest number with ``max_i |mu + gamma q - x_i| <= max_ij |x_i - x_j| =: D``, mu the mean of
    the honest rows. It knows no rule, and is made against those that look at distances. In closed form, where
    the authors halve intervals: for a unit vector q, ``b_i = <q, mu - x_i>`` and ``c_i = |mu - x_i|^2``,

        ``gamma = min_i sqrt(b_i^2 + D^2 - c_i) - b_i``,

    the smallest of the larger roots: what one row allows is an interval around 0, as mu is in the convex hull
    of the rows (derived). Shejwalkar & Houmansadr, "Manipulating the Byzantine: optimizing
    model poisoning attacks and defenses for federated learning" (NDSS 2021), where gamma is positive.

    Attributes
    ----------
    direction : {"std", "unit", "sign"}
        q before it is made a unit vector: minus the standard deviation of each coordinate, ``-mu``, or
        ``-sign(mu)``. Where it is zero, mu is sent.
    """

    def _reach(self, differences: NDArray, q: NDArray) -> float:
        squares = np.einsum("ij,ij->i", differences, differences)
        room = np.maximum(_diameter(differences) ** 2 - squares, 0.0)
        along = differences @ q
        roots = np.sqrt(along**2 + room)
        # of two forms of the root the one that does not cancel
        reach = np.divide(room, roots + along, out=roots - along, where=along > 0.0)
        return float(reach.min())


@dataclass(frozen=True)
class MinSum(_Hidden):
    """``mu + gamma q``, no farther from the honest rows, in sum of squares, than an honest row is.

    gamma is the largest number with ``sum_i |mu + gamma q - x_i|^2 <= max_i sum_j |x_i - x_j|^2``, mu the
    mean of the honest rows. In closed form ``gamma = max_i |x_i - mu|`` for a unit vector q, whatever its
    direction: the left side is ``V + h gamma^2`` and the right ``V + h max_i |x_i - mu|^2``, V the sum of the
    ``|x_i - mu|^2`` (derived): it is as far from mu as the farthest honest row. Shejwalkar & Houmansadr, see
    `MinMax`.

    Attributes
    ----------
    direction : {"std", "unit", "sign"}
        As of `MinMax`.
    """

    def _reach(self, differences: NDArray, q: NDArray) -> float:
        return float(np.sqrt(np.einsum("ij,ij->i", differences, differences).max()))


def _diameter(rows: NDArray) -> float:
    """Return the largest distance between two rows."""
    lengths = (float(np.linalg.norm(rows[i + 1 :] - rows[i], axis=1).max()) for i in range(len(rows) - 1))
    return max(lengths, default=0.0)
