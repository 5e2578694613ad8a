"""Rules that sort each coordinate, and Bulyan, which chooses rows before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .. import checks
from .base import CoordinateAggregator, PreAggregator
from .linear import krum_scores
from .preaggregation import minority
from .stages import Context, squared_distances

Ranks = tuple[tuple[int, int], int]


def _middle(n: int) -> tuple[int, int]:
    """Return the ranks whose mean is the median."""
    return (n - 1) // 2, n // 2 + 1


@dataclass(frozen=True)
class CoordinateMedian(CoordinateAggregator):
    """The median of each coordinate; the mean of the middle two for an even number of rows.

    Yin, Chen, Ramchandran & Bartlett, "Byzantine-robust distributed learning" (ICML 2018). With weights:
    where half of them is reached, the mean of the two values that meet there.
    """

    weighted = True

    def _ranks(self, n: int, context: Context) -> Ranks:
        return _middle(n), 0

    def _shares(self, total: float, context: Context) -> tuple[float, float]:
        return total / 2.0, total / 2.0


@dataclass(frozen=True)
class _Trimming(CoordinateAggregator):
    f: int

    def __post_init__(self) -> None:
        checks.count("f", self.f)

    def _check(self, p: int) -> int:
        minority(type(self).__name__, self.f, p, 2 * self.f + 1, "p >= 2f + 1")
        return p


@dataclass(frozen=True)
class TrimmedMean(_Trimming):
    """The mean of each coordinate without its f lowest and f highest values.

    Yin, Chen, Ramchandran & Bartlett, "Byzantine-robust distributed learning" (ICML 2018). With weights: the
    mean without the lowest and highest values of weight f; of one in part, where it has more.

    Attributes
    ----------
    f : int
        Faulty rows, below p/2.
    """

    weighted = True

    def _ranks(self, n: int, context: Context) -> Ranks:
        f = context.faulty(self.f)
        return (f, n - f), 0

    def _shares(self, total: float, context: Context) -> tuple[float, float]:
        f = context.faulty(self.f)
        return f, total - f


@dataclass(frozen=True)
class MeaMed(_Trimming):
    """Mean around the median: the mean of the p - f values of each coordinate nearest to its median.

    Xie, Koyejo & Gupta, "Generalized Byzantine-tolerant SGD" (2018). Of two values equally near, the lower.

    Attributes
    ----------
    f : int
        Faulty rows, below p/2.
    """

    def _ranks(self, n: int, context: Context) -> Ranks:
        return _middle(n), n - context.faulty(self.f)


@dataclass(frozen=True)
class Phocas(_Trimming):
    """The mean of the p - f values of each coordinate nearest to its trimmed mean.

    Xie, Koyejo & Gupta, "Phocas: dimensional Byzantine-resilient stochastic gradient descent" (2018). Of two
    values equally near, the lower.

    Attributes
    ----------
    f : int
        Faulty rows, below p/2.
    """

    def _ranks(self, n: int, context: Context) -> Ranks:
        f = context.faulty(self.f)
        return (f, n - f), n - f


@dataclass(frozen=True)
class _KrumSelection(PreAggregator):
    """The p - 2f rows that Krum chooses one after the other, each time among those that are left."""

    f: int
    keeps_workers = False

    def _check(self, p: int) -> int:
        minority("Bulyan", self.f, p, 4 * self.f + 3, "p >= 4f + 3")
        return p - 2 * self.f if self.f else p

    def _matrix(self, K: NDArray, context: Context) -> NDArray[np.float64]:
        p, f = len(K), context.faulty(self.f)
        D = squared_distances(K)
        left, selected = np.arange(p), []
        while len(selected) < p - 2 * f:
            best = int(np.argmin(krum_scores(D[np.ix_(left, left)], len(left) - f - 2)))
            selected.append(left[best])
            left = np.delete(left, best)
        M = np.zeros((p - 2 * f, p))
        M[np.arange(p - 2 * f), selected] = 1.0
        return M


@dataclass(frozen=True)
class Bulyan(CoordinateAggregator):
    """Krum chooses theta = p - 2f rows; of their values the theta - 2f nearest to the median are averaged.

    El Mhamdi, Guerraoui & Rouault, "The hidden vulnerability of distributed learning in Byzantium" (ICML
    2018). Krum's scores are made anew among the rows that are left, with the same f.

    Attributes
    ----------
    f : int
        Faulty rows; p >= 4f + 3, or any p for f = 0.
    """

    f: int

    def __post_init__(self) -> None:
        checks.count("f", self.f)

    def _check(self, p: int) -> int:
        _KrumSelection(self.f)._check(p)
        return p

    def _selection(self) -> tuple[PreAggregator, ...]:
        return (_KrumSelection(self.f),)

    def _ranks(self, n: int, context: Context) -> Ranks:
        return _middle(n), n - 2 * context.faulty(self.f)
