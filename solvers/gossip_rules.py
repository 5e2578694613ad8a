"""Rules by which a node moves towards its neighbours' models when some of them may lie.

Node i has neighbours j with weights W_ij and differences d_ij = x_j - x_i; b of them may be faulty.

| rule | x_i moves by |
|---|---|
| `PlainGossip` | sum W_ij d_ij: no protection |
| `ClippedGossip` | sum W_ij clip(d_ij, tau_i), self-centred clipping |
| `CSPlus` | the same, tau_i the largest length but the 2b largest |
| `NNA` | sum W_ij d_ij over the nearest, without the b farthest |
| `RTC` | the b farthest removed, the rest clipped |
| `BRIDGE` | to the mean of itself and of its neighbours' trimmed values, each coordinate by itself |
| `OnModels` | to what an aggregator makes of all models, its own first: MoNNA; BRIDGE-M, -K, -B |
| `OnDifferences` | along what an aggregator makes of the differences, as far as their median length |

Equal models stay as they are, to the last bit. A neighbour whose model is not finite counts as infinitely
far, and as one of the b.

To add a rule: a subclass of `GossipRule` here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..kernels import checks
from ..kernels.aggregation import Aggregator
from ..kernels.aggregation import neighbours as kernel

__all__ = [
    "BRIDGE",
    "NNA",
    "RTC",
    "CSPlus",
    "ClippedGossip",
    "GossipRule",
    "Neighbourhood",
    "OnDifferences",
    "OnModels",
    "PlainGossip",
]


@dataclass(frozen=True)
class Neighbourhood:
    """What a node knows in a round.

    Attributes
    ----------
    models : (q, d) array
        All that was sent, less one honest model; read no other rows than `who`.
    who : (k + 1,) int array
        Rows of the node itself, and of its k neighbours.
    gram : (k + 1, k + 1) array
        Inner products of these rows, not finite where the rows are not.
    weights : (k,) array
        Of the neighbours in the mixing matrix, not negative.
    step : int
        Number of the round.
    """

    models: NDArray[np.float64]
    who: NDArray[np.int64]
    gram: NDArray[np.float64]
    weights: NDArray[np.float64]
    step: int

    @cached_property
    def distances(self) -> NDArray[np.float64]:
        """Lengths of the differences, (k,); infinite where a neighbour's model is not finite."""
        squares = self.gram.diagonal()
        with np.errstate(invalid="ignore", over="ignore"):
            found = squares[0] + squares[1:] - 2.0 * self.gram[0, 1:]
        return np.where(np.isfinite(squares[1:]), np.sqrt(np.maximum(found, 0.0)), np.inf)

    @cached_property
    def ascending(self) -> NDArray[np.intp]:
        """The neighbours, the nearest first; equally near ones in their order."""
        return np.argsort(self.distances, kind="stable")


class GossipRule(ABC):
    """How a node moves; a frozen dataclass of its parameters."""

    @abstractmethod
    def _move(self, near: Neighbourhood) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
        """Return the weights of the differences in the move, (k,), or the move itself, (d,)."""

    def _check(self, k: int) -> None:  # noqa: B027  (most rules work with any)
        """Raise a ValueError if the rule cannot work with k neighbours."""


@dataclass(frozen=True)
class PlainGossip(GossipRule):
    """``sum_j W_ij d_ij``: gossip without protection, but that models which are not finite are left out."""

    def _move(self, near: Neighbourhood) -> tuple[NDArray[np.float64], None]:
        return _clipped(near, near.weights, np.inf), None


@dataclass(frozen=True)
class _Screened(GossipRule):
    """A rule for b faulty neighbours.

    Attributes
    ----------
    b : int
        Faulty neighbours of each node, at most.
    """

    b: int

    def __post_init__(self) -> None:
        checks.count("b", self.b)

    def _check(self, k: int) -> None:
        if k <= self.b:
            raise ValueError(
                f"{type(self).__name__} with b = {self.b} needs more than {self.b} neighbours at every "
                f"node, and one has {k}: lower b, or add edges"
            )

    def _nearest(self, near: Neighbourhood) -> NDArray[np.intp]:
        """Return the neighbours without the b farthest, and without any that is not finite."""
        kept = near.ascending[: len(near.weights) - self.b]
        return kept[np.isfinite(near.distances[kept])]


@dataclass(frozen=True)
class ClippedGossip(_Screened):
    """``sum_j W_ij clip(d_ij, tau_i)``, clip(d, tau) = d min(1, tau/|d|): self-centred clipping.

    ``tau_i^2 = sum_(j kept) W_ij |d_ij|^2 / sum_(j dropped) W_ij``, where the b farthest are dropped. He,
    Karimireddy & Jaggi, "Byzantine-robust decentralized learning via ClippedGossip" (2022).

    Attributes
    ----------
    b : int
        Faulty neighbours; without any nothing is clipped.
    tau : float, optional
        The same length for all, in place of the formula.
    """

    tau: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tau is not None:
            checks.real("tau", self.tau, least=0.0, allow_inf=True)

    def _move(self, near: Neighbourhood) -> tuple[NDArray[np.float64], None]:
        return _clipped(near, near.weights, self._radius(near)), None

    def _radius(self, near: Neighbourhood) -> float:
        if self.tau is not None:
            return float(self.tau)
        kept = self._nearest(near)
        spread = float(near.weights[kept] @ near.distances[kept] ** 2)
        dropped = float(near.weights[near.ascending[len(near.weights) - self.b :]].sum())
        return np.sqrt(spread / dropped) if dropped > 0.0 else np.inf


@dataclass(frozen=True)
class CSPlus(_Screened):
    """``sum_j W_ij clip(d_ij, tau_i)`` with tau_i the largest length but the 2b largest.

    Gaucher, Dieuleveut & Hendrikx, "Unified breakdown analysis for Byzantine robust gossip" (2024), where 2b
    is a weight; here all neighbours weigh the same for the radius. Nodes need 2b + 1 neighbours at least.
    """

    def _check(self, k: int) -> None:
        if k <= 2 * self.b:
            raise ValueError(
                f"CSPlus with b = {self.b} needs more than {2 * self.b} neighbours, but got {k}: all lengths "
                "would be clipped to 0, and the node never move; lower b, or add edges"
            )

    def _move(self, near: Neighbourhood) -> tuple[NDArray[np.float64], None]:
        lengths = near.distances[near.ascending[: len(near.weights) - 2 * self.b]]
        lengths = lengths[np.isfinite(lengths)]
        return _clipped(near, near.weights, lengths[-1] if len(lengths) else 0.0), None


@dataclass(frozen=True)
class NNA(_Screened):
    """``sum W_ij d_ij`` over all but the b farthest: nearest-neighbour averaging, also called GTS.

    For the plain mean of the nearest instead of weights, see MoNNA in `OnModels`.
    """

    def _move(self, near: Neighbourhood) -> tuple[NDArray[np.float64], None]:
        found = np.zeros(len(near.weights))
        kept = self._nearest(near)
        found[kept] = near.weights[kept]
        return found, None


@dataclass(frozen=True)
class RTC(_Screened):
    """Remove, then clip: the b farthest are removed, the rest clipped and mixed.

    Attributes
    ----------
    b : int
        Faulty neighbours.
    tau : float, optional
        Where to clip. By default the root of the weighted mean of the kept ``|d_ij|^2`` (our choice).
    """

    tau: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tau is not None:
            checks.real("tau", self.tau, least=0.0, allow_inf=True)

    def _move(self, near: Neighbourhood) -> tuple[NDArray[np.float64], None]:
        kept = self._nearest(near)
        weights = np.zeros(len(near.weights))
        weights[kept] = near.weights[kept]
        total, tau = weights.sum(), self.tau
        if tau is None:
            spread = float(weights[kept] @ near.distances[kept] ** 2)
            tau = np.sqrt(spread / total) if total > 0.0 else 0.0
        return _clipped(near, weights, tau), None


@dataclass(frozen=True)
class BRIDGE(_Screened):
    """To ``(x_i + sum of kept values) / (k - 2b + 1)``, each coordinate by itself.

    Of the neighbours' values the b largest and the b smallest are dropped, and the node's own is kept
    (BRIDGE-T). Fang, Yang & Bajwa, "BRIDGE: Byzantine-resilient decentralized gradient descent" (IEEE TSIPN
    2022).

    Attributes
    ----------
    b : int
        Faulty neighbours; nodes need 2b + 1 at least.
    keep_self : bool
        False: the own value is among those that are trimmed, and the move is to their mean.
    """

    keep_self: bool = True

    def _check(self, k: int) -> None:
        kernel.check_rows(self._trimmed, k if self.keep_self else k + 1)

    @property
    def _trimmed(self) -> Aggregator:
        from ..kernels.aggregation import TrimmedMean

        return TrimmedMean(self.b)

    def _move(self, near: Neighbourhood) -> tuple[None, NDArray[np.float64]]:
        rows = near.models[near.who[1:] if self.keep_self else near.who]
        own = near.models[near.who[0]]
        if self.keep_self and not np.isfinite(near.distances).any():
            return None, np.zeros(len(own))
        found = self._trimmed(rows, step=near.step, full=True)
        move = found.value - own
        if self.keep_self:
            left = len(rows) - len(found.excluded)
            n_kept = left - 2 * max(0, self.b - len(found.excluded))
            move *= n_kept / (n_kept + 1)
        return None, move


@dataclass(frozen=True)
class OnModels(GossipRule):
    """To what an aggregator makes of the node's own model, first, and of its neighbours'.

    ``OnModels(MoNNA(b))`` is MoNNA: the mean of the k + 1 - b models nearest to its own.
    ``CoordinateMedian()``, ``Krum(b)`` and ``Bulyan(b)`` make BRIDGE-M, -K and -B.

    Attributes
    ----------
    aggregator : Aggregator
        One that follows when all rows are shifted: none that looks at norms, see `OnDifferences`. `MoNNA`
        must have pivot 0, the own model, and no `Bucketing` before it.
    """

    aggregator: Aggregator

    def __post_init__(self) -> None:
        _check_aggregator(self.aggregator)
        if not kernel.is_invariant(self.aggregator):
            raise ValueError(
                f"{self.aggregator!r} looks at norms, which the common part of all models outweighs: take "
                "OnDifferences"
            )
        pivot = kernel.pivot(self.aggregator)
        if pivot is not None and (pivot != 0 or not kernel.keeps_workers(self.aggregator)):
            raise ValueError(
                f"{self.aggregator!r} must trust row 0, the node's own model: any other may be faulty, or a "
                "mixture; take pivot = 0, without Bucketing"
            )

    def _check(self, k: int) -> None:
        kernel.check_rows(self.aggregator, k + 1)

    def _move(self, near: Neighbourhood) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
        if kernel.reads_gram_alone(self.aggregator):
            return kernel.gram_weights(self.aggregator, near.gram, near.models.shape[1], near.step)[1:], None
        found = self.aggregator(near.models[near.who], step=near.step, full=True)
        return None, found.value - near.models[near.who[0]]


@dataclass(frozen=True)
class OnDifferences(GossipRule):
    """``(1 - W_ii) tau_i a / |a|``: a is what an aggregator makes of the d_ij, tau_i their median length.

    Any rule will do, `Flag` and `NormalizedMean` too, which say nothing about lengths (derived), but `MoNNA`,
    which must trust a row. Where the models agree, tau_i is 0. Rules that could remember earlier rounds begin
    anew in each, `CenteredClipping` at the node's own model.

    Attributes
    ----------
    aggregator : Aggregator
        Of as many rows as there are neighbours.
    """

    aggregator: Aggregator

    def __post_init__(self) -> None:
        _check_aggregator(self.aggregator)
        if kernel.pivot(self.aggregator) is not None:
            raise ValueError(
                f"{self.aggregator!r} must trust a row, and here all are neighbours': take "
                f"OnModels({self.aggregator!r})"
            )

    def _check(self, k: int) -> None:
        kernel.check_rows(self.aggregator, k)

    def _move(self, near: Neighbourhood) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
        lengths = near.distances[np.isfinite(near.distances)]
        k, d = len(near.weights), near.models.shape[1]
        tau = float(np.median(lengths)) if len(lengths) else 0.0
        if tau == 0.0:
            return np.zeros(k), None
        reach = float(near.weights.sum()) * tau
        if kernel.reads_gram_alone(self.aggregator):
            with np.errstate(invalid="ignore", over="ignore"):
                K = near.gram[1:, 1:] - near.gram[1:, :1] - near.gram[:1, 1:] + near.gram[0, 0]
            found = kernel.gram_weights(self.aggregator, K, d, near.step)
            used = np.flatnonzero(found)
            length = np.sqrt(max(found[used] @ K[np.ix_(used, used)] @ found[used], 0.0))
            return (found * (reach / length) if length > 0.0 else np.zeros(k)), None
        rows = near.models[near.who[1:]] - near.models[near.who[0]]
        found = self.aggregator(rows, step=near.step, full=True).value
        length = float(np.linalg.norm(found))
        return None, (found * (reach / length) if length > 0.0 else np.zeros(d))


def _check_aggregator(value: object) -> None:
    if not isinstance(value, Aggregator):
        raise TypeError(f"aggregator must be one of kernels.aggregation, such as Flag(), got {value!r}")


def _clipped(near: Neighbourhood, weights: NDArray, tau: float) -> NDArray[np.float64]:
    """Return the weights of the differences, clipped at a length."""
    factors = np.ones(len(weights))
    factors[~np.isfinite(near.distances)] = 0.0
    long = np.isfinite(near.distances) & (near.distances > tau)
    factors[long] = tau / near.distances[long]
    return weights * factors
