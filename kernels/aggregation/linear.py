"""Rules that average some of the rows, chosen by norms and distances: means, Krum and its kin."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .. import checks
from . import engine
from .base import LinearAggregator, PreAggregator
from .preaggregation import minority
from .rows import Rows
from .scaling import is_plain
from .stages import NORMS, NOTHING, Aggregate, Context, Weights, live_context, squared_distances

MOST_SUBSETS = 200_000  # MDA and SMEA try them all
_PRODUCTS = 1 << 20  # numbers of as many Gram matrices of subsets as are looked at together


def _mean_of(chosen: NDArray, p: int) -> NDArray[np.float64]:
    weights = np.zeros(p)
    weights[chosen] = 1.0 / len(chosen)
    return weights


@dataclass(frozen=True)
class Mean(LinearAggregator):
    """The mean of the rows, weighted if they are. Robust against nothing."""

    needs = NOTHING
    weighted = True

    def _weights(self, K: NDArray, context: Context) -> Weights:
        if context.weights is not None:
            return context.weights / context.weights.sum(), {}
        return np.full(len(K), 1.0 / len(K)), {}


@dataclass(frozen=True)
class NormalizedMean(LinearAggregator):
    """The mean of unit vectors: ``(1/p) sum_i x_i / |x_i|``; rows of zeros count as zero.

    Its norm is at most 1 whatever is sent. It accounts for nearly all of the protection of `Flag`, and is the
    baseline to compare that with.
    """

    needs = NORMS
    invariant = False
    weighted = True

    def _drops_norms(self) -> bool:
        return True

    def _weights(self, K: NDArray, context: Context) -> Weights:
        norms = np.sqrt(K.diagonal())
        shares = 1.0 / len(K) if context.weights is None else context.weights / context.weights.sum()
        return np.divide(shares, norms, out=np.zeros(len(K)), where=norms > 0), {}


@dataclass(frozen=True)
class CGE(LinearAggregator):
    """Comparative gradient elimination: the mean of the p - f rows of least norm.

    Of equal norms the first. The authors' result is the sum, p - f times this mean. Gupta & Vaidya,
    "Fault-tolerance in distributed optimization: the case of redundancy" (PODC 2020); Gupta, Liu & Vaidya,
    "Byzantine fault-tolerant distributed machine learning using stochastic gradient descent (SGD) and
    norm-based comparative gradient elimination (CGE)" (2020). It sees norms alone: what is no longer than the
    honest rows passes, whatever its direction. `Clipping` and `ARC` shorten long rows instead. Details:
    `selected`.

    Attributes
    ----------
    f : int
        Faulty rows, below p/2.
    """

    f: int
    needs = NORMS
    invariant = False
    weighted = True

    def __post_init__(self) -> None:
        checks.count("f", self.f)

    def _check(self, p: int) -> int:
        minority("CGE", self.f, p, 2 * self.f + 1, "p >= 2f + 1")
        return p

    def _weights(self, K: NDArray, context: Context) -> Weights:
        order = np.argsort(K.diagonal(), kind="stable")
        if context.weights is not None:
            return _first(order, context.weights, context.weights.sum() - context.faulty(self.f))
        selected = order[: len(K) - context.faulty(self.f)]
        return _mean_of(selected, len(K)), {"selected": selected}


def krum_scores(D: NDArray, n_others: int) -> NDArray[np.float64]:
    """Return for each row the sum of its `n_others` (at least one) smallest squared distances to others."""
    p = len(D)
    if p == 1:
        return np.zeros(1)
    others = D + np.diag(np.full(p, np.inf))
    return np.sort(others, axis=1)[:, : max(n_others, 1)].sum(axis=1)


def _weighted_krum_scores(D: NDArray, weights: NDArray, n_others: float) -> NDArray[np.float64]:
    """`krum_scores` of rows that count as often as their whole weights say: copies are others."""
    order = np.argsort(D, axis=1, kind="stable")
    copies = np.broadcast_to(weights, D.shape).copy()
    np.fill_diagonal(copies, weights - 1.0)
    copies = np.take_along_axis(copies, order, axis=1)
    before = np.cumsum(copies, axis=1) - copies
    counted = np.clip(max(n_others, 1.0) - before, 0.0, copies)
    return (np.take_along_axis(D, order, axis=1) * counted).sum(axis=1)


def _first(order: NDArray, weights: NDArray, total: float) -> Weights:
    """Return the mean of the first rows, in some order, that weigh so much together; of the last a part."""
    before = np.cumsum(weights[order]) - weights[order]
    found = np.zeros(len(weights))
    found[order] = np.clip(total - before, 0.0, weights[order]) / total
    return found, {"selected": order[found[order] > 0.0]}


@dataclass(frozen=True)
class Krum(LinearAggregator):
    """The row whose p - f - 2 nearest others are nearest: the least sum of their squared distances.

    Blanchard, El Mhamdi, Guerraoui & Stainer, "Machine learning with adversaries: Byzantine tolerant gradient
    descent" (NeurIPS 2017). Of rows with equal scores the first. Details: `scores`, `selected`.

    Attributes
    ----------
    f : int
        Faulty rows; p >= 2f + 3, or any p for f = 0.
    inclusive : bool
        True: by the p - f nearest rows with the row itself among them, that is p - f - 1 others; then
        p >= 2f + 1 will do. This is the form that the library ByzFL defines (Gonzalez et al., "ByzFL:
        research framework for robust federated learning", 2025), for the analyses of robust averaging since
        Allouah et al., "Fixing by mixing" (AISTATS 2023), which need n > 2f.

    Notes
    -----
    Weights must be whole numbers, as a row's copies are neighbours of each other.
    """

    f: int
    inclusive: bool = field(default=False, kw_only=True)
    weighted = True
    whole_weights = True

    def __post_init__(self) -> None:
        checks.count("f", self.f)
        if not isinstance(self.inclusive, bool):
            raise TypeError(f"inclusive must be True or False, got {self.inclusive!r}")

    def _check(self, p: int) -> int:
        name, f = type(self).__name__, self.f
        if self.inclusive:
            minority(name, f, p, 2 * f + 1, "p >= 2f + 1")
        else:
            minority(name, f, p, 2 * f + 3, "p >= 2f + 3", ", or take inclusive=True" if p > 2 * f else "")
        return p

    def _weights(self, K: NDArray, context: Context) -> Weights:
        return self._best(K, context, 1)

    def _best(self, K: NDArray, context: Context, m: int) -> Weights:
        D, f = squared_distances(K), context.faulty(self.f)
        fewer = f + 1 if self.inclusive else f + 2
        if context.weights is None:
            scores = krum_scores(D, len(K) - fewer)
            selected = np.argsort(scores, kind="stable")[:m]
            return _mean_of(selected, len(K)), {"scores": context.of_data(scores), "selected": selected}
        weights = context.weights
        scores = _weighted_krum_scores(D, weights, weights.sum() - fewer)
        found, details = _first(np.argsort(scores, kind="stable"), weights, m)
        return found, {"scores": context.of_data(scores), **details}


@dataclass(frozen=True)
class MultiKrum(Krum):
    """The mean of the m rows with the best scores of `Krum`.

    Attributes
    ----------
    f, inclusive
        As of `Krum`.
    m : int, optional
        From 1 to p; p - f by default.
    """

    m: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.m is not None:
            checks.count("m", self.m, least=1)

    def _check(self, p: int) -> int:
        if self.m is not None:
            checks.count("m", self.m, most=p)
        return super()._check(p)

    def _weights(self, K: NDArray, context: Context) -> Weights:
        p = len(K) if context.weights is None else int(context.weights.sum())
        f = int(context.faulty(self.f))
        return self._best(K, context, min(self.m, p) if self.m is not None else p - f)


@dataclass(frozen=True)
class _Subset(LinearAggregator):
    """The mean of the best p - f rows, of all subsets of that size."""

    f: int

    def __post_init__(self) -> None:
        checks.count("f", self.f)

    def _check(self, p: int) -> int:
        name = type(self).__name__
        minority(name, self.f, p, 2 * self.f + 1, "p >= 2f + 1")
        n_subsets = math.comb(p, min(self.f, p))
        if n_subsets > MOST_SUBSETS:
            raise ValueError(
                f"{name} would try {n_subsets} subsets for p = {p}, f = {self.f}, more than {MOST_SUBSETS}: "
                "take NNM(f) >> Mean(), MultiKrum(f) or CAF(f)"
            )
        return p

    def _weights(self, K: NDArray, context: Context) -> Weights:
        p = len(K)
        subsets = itertools.combinations(range(p), p - context.faulty(self.f))
        best, chosen = math.inf, np.arange(p)
        n_batch = max(_PRODUCTS // p**2, 1)
        while batch := list(itertools.islice(subsets, n_batch)):
            candidates = np.array(batch)
            costs = self._costs(K, candidates)
            t = int(np.argmin(costs))
            if costs[t] < best:
                best, chosen = float(costs[t]), candidates[t]
        return _mean_of(chosen, p), {"selected": chosen}

    def _costs(self, K: NDArray, subsets: NDArray) -> NDArray[np.float64]:
        raise NotImplementedError


@dataclass(frozen=True)
class MDA(_Subset):
    """Minimum-diameter averaging: the mean of the p - f rows whose largest distance is least.

    El Mhamdi, Guerraoui, Guirguis, Hoang & Rouault, "Genuinely distributed Byzantine machine learning" (PODC
    2020). All subsets are tried, at most 200000; of equally good ones the first. Details: `selected`.

    Attributes
    ----------
    f : int
        Faulty rows, below p/2.
    """

    def _costs(self, K: NDArray, subsets: NDArray) -> NDArray[np.float64]:
        D = squared_distances(K)
        return D[subsets[:, :, None], subsets[:, None, :]].max(axis=(1, 2))


@dataclass(frozen=True)
class SMEA(_Subset):
    """The mean of the p - f rows whose covariance has the least largest eigenvalue.

    Allouah, Guerraoui, Gupta, Pinot & Stephan, "On the privacy-robustness-utility trilemma in distributed
    learning" (ICML 2023). All subsets are tried, at most 200000; of those equally good, to rounding, any may
    be chosen. Details: `selected`.

    Attributes
    ----------
    f : int
        Faulty rows, below p/2.
    """

    def _costs(self, K: NDArray, subsets: NDArray) -> NDArray[np.float64]:
        parts = K[subsets[:, :, None], subsets[:, None, :]]
        means = parts.mean(axis=1, keepdims=True)
        centred = parts - means - means.transpose(0, 2, 1) + parts.mean(axis=(1, 2), keepdims=True)
        return np.asarray(np.linalg.eigvalsh(centred)[:, -1], np.float64)


@dataclass(frozen=True)
class MoNNA(LinearAggregator):
    """The mean of the p - f rows nearest to one that is trusted: a node's own.

    Farhadkhani, Guerraoui, Gupta, Hoang, Pinot & Stephan, "Robust collaborative learning with linear gradient
    overhead" (ICML 2023). Of equally near rows the first, after the trusted one. Details: `selected`.

    Attributes
    ----------
    f : int
        Faulty rows, below p.
    pivot : int
        Index of the trusted row.

    Notes
    -----
    All rests on the trusted row. Where that is itself left out (not finite, or too large: see `Aggregator`),
    no other can stand for it, and a ValueError is raised; nothing else tells a faulty pivot from a good one.
    """

    f: int
    pivot: int = 0

    def __post_init__(self) -> None:
        checks.count("f", self.f)
        checks.count("pivot", self.pivot)

    def _check(self, p: int) -> int:
        minority("MoNNA", self.f, p, self.f + 1, "p >= f + 1")
        checks.count("pivot", self.pivot, most=p - 1)
        return p

    def _weights(self, K: NDArray, context: Context) -> Weights:
        if context.origin is None:
            raise ValueError("MoNNA needs to know whose row is whose: it cannot follow Bucketing")
        place = np.flatnonzero(context.origin == self.pivot)
        if len(place) == 0:
            raise ValueError(
                f"row {self.pivot} of G, the pivot, must be finite and not far larger than the others, as "
                "MoNNA trusts it: give another pivot, or take NNM(f) >> Mean()"
            )
        return self._nearest(squared_distances(K)[place[0]], context, int(place[0]))

    def _nearest(self, distances: NDArray, context: Context, place: int) -> Weights:
        """Return the weights, by the distances from the pivot and its place."""
        distances[place] = -1.0  # itself before its equals
        p = len(distances)
        selected = np.argsort(distances, kind="stable")[: p - context.faulty(self.f)]
        return _mean_of(selected, p), {"selected": selected}

    def _aggregate(
        self,
        stages: tuple[PreAggregator, ...],
        rows: Rows,
        step: int,
        weights: NDArray[np.float64] | None = None,
    ) -> Aggregate:
        if not stages:  # else distances between mixtures are needed, which the Gram matrix has
            squares, distances = engine.squared_norms_and_distances(rows, engine.row(rows, self.pivot))
            if is_plain(squares, rows) and is_plain(distances[distances > 0.0], rows):
                own, details = self._nearest(
                    distances, live_context(np.arange(rows.p), rows, step), self.pivot
                )
                return Aggregate(
                    rows.shaped(engine.combine(rows, own)[0]), own, np.empty(0, np.intp), details
                )
        return super()._aggregate(stages, rows, step)
