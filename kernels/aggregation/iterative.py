"""Rules whose weights an iteration finds: geometric median, centered clipping, CAF, DnC, FoolsGold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import checks, random
from ..random import streams
from . import engine
from .base import LinearAggregator
from .preaggregation import minority
from .rows import Rows, as_rows, is_array, same_device
from .scaling import measure, moderate
from .stages import (
    GRAM,
    NORMS,
    Aggregate,
    Context,
    Weights,
    checked_weights,
    combined,
    live_context,
    median,
    reported,
    spread,
    squared_distances,
)
from .weiszfeld import weiszfeld

_AS_FAR = 1e-10  # CAF: what a row would keep of its weight, if less, is the rounding of a tie


def _centred(K: NDArray) -> NDArray[np.float64]:
    """Return the Gram matrix of the rows less their mean."""
    means = K.mean(axis=0)
    return K - means - means[:, None] + means.mean()


def _main_direction(S: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Return the largest eigenvalue of a symmetric matrix and its eigenvector: a third of the work of all."""
    from scipy.linalg import lapack

    p = len(S)
    solve = lapack.dsyevr  # pyright: ignore[reportAttributeAccessIssue]  (made when SciPy is imported)
    values, vectors, _, _, info = solve(S, range="I", il=p, iu=p)
    if info != 0:  # the search for one of many equal eigenvalues can fail
        every, vectors = np.linalg.eigh(S)
        return float(every[-1]), vectors[:, -1]
    return float(values[0]), vectors[:, 0]


@dataclass(frozen=True)
class GeometricMedian(LinearAggregator):
    """The point with the least sum of distances to the rows, by smoothed Weiszfeld iterations.

    Minimises ``sum_i h(|x_i - z|)`` with ``h(r) = r`` for r >= nu and ``r^2 / (2 nu) + nu / 2`` below, by
    ``z <- sum w_i x_i / sum w_i, w_i = 1 / max(nu, |x_i - z|)``: each step makes it smaller. At first w_i is
    1 / max(s, the median distance from x_i to the rows), s the median of those, so that no row pulls farther
    than others, however far it is. Where more than half of the rows are equal, the result is that row.
    Pillutla, Kakade & Harchaoui, "Robust aggregation for federated learning" (IEEE TSP 2022). With
    weights, w_i is multiplied by row i's, and medians are weighted. Details: `n_iterations`, `converged`.

    Attributes
    ----------
    smoothing : float
        nu, as a share of s; positive.
    tol : float
        Stop when no weight, of a sum of 1, changes by more.
    max_iter : int
        At least 1.
    """

    smoothing: float = 1e-6
    tol: float = 1e-10
    max_iter: int = 1000
    weighted = True

    def __post_init__(self) -> None:
        checks.real("smoothing", self.smoothing, above=0.0)
        checks.real("tol", self.tol, least=0.0)
        checks.count("max_iter", self.max_iter, least=1, most=2**62)

    def _weights(self, K: NDArray, context: Context) -> Weights:
        D = squared_distances(K)
        medians = np.sqrt(median(D, context.weights))
        scale = float(median(medians, context.weights))
        counts = np.ones(len(K)) if context.weights is None else context.weights
        if scale == 0.0:
            weights = (medians == 0.0) * counts / counts[medians == 0.0].sum()
            return weights, {"n_iterations": 0, "converged": True}
        weights = counts / np.maximum(medians, scale)
        weights /= weights.sum()
        origin = int(np.argmin(medians))  # a row near to many, as `weiszfeld` wants it
        C = K - K[origin] - K[origin][:, None] + K[origin, origin]
        nu = self.smoothing * scale
        n_iterations, converged = weiszfeld(C, counts, nu, self.tol, self.max_iter, weights)
        return weights, {"n_iterations": n_iterations, "converged": converged}


@dataclass(frozen=True)
class CenteredClipping(LinearAggregator):
    """``v <- v + (1/p) sum_i (x_i - v) min(1, radius / |x_i - v|)``, some steps from a start.

    Karimireddy, He & Jaggi, "Learning from history for Byzantine robust optimization" (ICML 2021), where the
    start is the aggregate of the step before.

    Attributes
    ----------
    radius : float, optional
        Positive; by default the median of the |x_i - v| in each step.
    n_steps : int
        At least 1.
    """

    radius: float | None = None
    n_steps: int = 1
    invariant = False

    def __post_init__(self) -> None:
        if self.radius is not None:
            checks.real("radius", self.radius, above=0.0)
        checks.count("n_steps", self.n_steps, least=1)

    def _required(self) -> int:
        return NORMS if self.n_steps == 1 else GRAM

    def __call__(
        self, G: Any, *, start: Any = None, weights: Any = None, step: int = 0, full: bool = False
    ) -> Any:
        """Aggregate.

        Parameters
        ----------
        G, weights, step, full
            As in `Aggregator`.
        start : array, or list of arrays, optional
            Where to begin, in the form in which a worker sends its own; zero by default.

        Returns
        -------
        array, or list of arrays, or Aggregate
            As of `Aggregator`; `Aggregate.weights` add up to 1 less the weight of the start.

        Raises
        ------
        TypeError, ValueError
            As of `Aggregator`; also for a start that does not fit or is not finite.
        """
        checks.count("step", step, most=2**30 - 1)
        rows = as_rows(G)
        if start is None:
            return self._run((), rows, step, full, weights)
        checked_weights(self, weights, rows.p)
        centre = _like_a_row("start", start, rows)
        K, live, exponent, differences = measure(
            rows, np.arange(rows.p), products=self._required() == GRAM, centre=centre
        )
        scaled = None if differences is None else moderate(rows, live)
        context = live_context(live, rows, step, exponent=exponent, scaled=scaled)
        own, details = self._weights(K, context)
        found = spread(own, context)
        value = combined(context, found)[0]
        value += engine.combine(centre, np.array([1.0 - found.sum()]))[0]
        return reported(Aggregate(rows.shaped(value), found, context.left_out, details), full)

    def new_memory(self, p: int, d: int) -> NDArray[np.float64]:
        """Return the first start."""
        return np.zeros((1, d))

    def with_memory(self, G: Any, memory: NDArray[np.float64], *, step: int = 0) -> Aggregate:
        """Aggregate from the aggregate of the round before, and remember this one."""
        checks.instance("memory", memory, np.ndarray, "new_memory(p, d)")
        if memory.ndim != 2 or len(memory) != 1:
            raise ValueError(f"memory must be what new_memory returns, got shape {memory.shape}")
        found = self(G, start=memory[0], step=step, full=True)
        memory[0] = found.value
        return found

    def _weights(self, K: NDArray, context: Context) -> Weights:
        p = len(K)
        given = None if self.radius is None else context.in_unit(self.radius)
        weights = np.zeros(p)  # of v, besides 1 - sum for the start, which is 0 here
        for _ in range(self.n_steps):
            projected = K @ weights if weights.any() else weights
            squares = K.diagonal() - 2.0 * projected + weights @ projected
            distances = np.sqrt(np.maximum(squares, 0.0))
            radius = float(np.median(distances)) if given is None else given
            factors = np.ones(p)
            np.divide(radius, distances, out=factors, where=distances > radius)
            weights = weights * (1.0 - factors.mean()) + factors / p
        return weights, {}


def _like_a_row(name: str, given: Any, rows: Rows) -> Rows:
    """View one vector in the form in which a worker sends its own."""
    if isinstance(rows.shapes, list):
        one = as_rows([list(given)], name)
    else:
        one = as_rows([given if is_array(given) else checks.as_array(name, given)], name)
    same_device(name, one, rows)
    if one.shapes != rows.shapes:
        raise ValueError(f"{name} must have the shape of a row of G, {rows.shapes}, got {one.shapes}")
    if one.dtype != rows.dtype:
        raise TypeError(f"{name} must have the dtype of G, {rows.dtype}, got {one.dtype}")
    if not engine.finite_rows(one).all():
        raise ValueError(f"{name} must be finite")
    return one


@dataclass(frozen=True)
class CAF(LinearAggregator):
    """Covariance-bound agnostic filter: rows far out along the main direction lose weight, again and again.

    With weights w (1 at first) the weighted mean, the top eigenvector v of the weighted covariance and
    ``t_i = <v, x_i - mean>^2`` give ``w_i <- w_i (1 - t_i / max t)``, until ``sum w <= p - 2f``. The mean
    with the least top eigenvalue is the result. Rows equally far out, to rounding, lose their weight
    together; where the main direction is not unique, it is one of those. Allouah, Guerraoui & Stephan,
    "Towards trustworthy federated learning with untrusted participants" (2025). Details: `eigenvalues`, one
    an iteration.

    Attributes
    ----------
    f : int
        Faulty rows, below p/2.
    """

    f: int

    def __post_init__(self) -> None:
        checks.count("f", self.f)

    def _check(self, p: int) -> int:
        minority("CAF", self.f, p, 2 * self.f + 1, "p >= 2f + 1")
        return p

    def _weights(self, K: NDArray, context: Context) -> Weights:
        p, f = len(K), context.faulty(self.f)
        w = np.ones(p)
        best, eigenvalues = np.full(p, 1.0 / p), []
        while f > 0 and w.sum() > p - 2 * f:
            share = w / w.sum()
            products = K @ share
            C = K - products - products[:, None] + share @ products
            root = np.sqrt(share)
            value, vector = _main_direction(root[:, None] * C * root)
            if not eigenvalues or value < min(eigenvalues):
                best = share
            eigenvalues.append(value)
            outlying = np.abs(C @ (root * vector))
            outlying[w == 0.0] = 0.0
            if not outlying.max() > 0.0:  # all that still count are the same
                break
            left = 1.0 - (outlying / outlying.max()) ** 2  # squares of what is huge or tiny would not fit
            w = np.where(left > _AS_FAR, w * left, 0.0)
        return best, {"eigenvalues": context.of_data(np.array(eigenvalues))}


@dataclass(frozen=True)
class DnC(LinearAggregator):
    """Divide and conquer: rows far out along the main direction of random coordinates are dropped.

    In each iteration some coordinates are drawn, the rows are centred there, and the ``floor(share f)`` with
    the largest projections on the top singular vector are dropped; what is left in all iterations is averaged
    (the kept rows of the last iteration, if none is). Of rows equally far out, to rounding, any may be
    dropped. Shejwalkar & Houmansadr, "Manipulating the Byzantine" (NDSS 2021). Details: `selected`.

    Attributes
    ----------
    f : int
        Faulty rows, below p/2.
    n_iter : int
        Iterations, at least 1.
    n_coordinates : int
        Coordinates of each, at least 1; all where d is no larger.
    share : float
        Positive; ``floor(share f)`` must be below p.
    key : int
        64-bit key of the coordinates, from `kernels.random.make_key`; `step` numbers the calls.
    """

    f: int
    n_iter: int = 1
    n_coordinates: int = 10_000
    share: float = 1.0
    key: int = 0

    def __post_init__(self) -> None:
        checks.count("f", self.f)
        checks.count("n_iter", self.n_iter, least=1, most=2**12)
        checks.count("n_coordinates", self.n_coordinates, least=1)
        checks.real("share", self.share, above=0.0)
        checks.count("key", self.key, most=2**64 - 1)

    def _check(self, p: int) -> int:
        minority("DnC", self.f, p, 2 * self.f + 1, "p >= 2f + 1")
        if int(self.share * self.f) >= p:
            raise ValueError(f"share * f must be below p = {p}, got {self.share * self.f:g}: lower share")
        return p

    def _weights(self, K: NDArray, context: Context) -> Weights:
        p = len(K)
        n_dropped = int(self.share * context.faulty(self.f))
        kept, last = np.ones(p, bool), np.arange(p)
        for i in range(self.n_iter):
            order = np.argsort(_outlying(self._part(K, context, i)), kind="stable")
            last = np.sort(order[: p - n_dropped])
            kept[order[p - n_dropped :]] = False
        selected = np.flatnonzero(kept) if kept.any() else last
        weights = np.zeros(p)
        weights[selected] = 1.0 / len(selected)
        return weights, {"selected": selected}

    def _part(self, K: NDArray, context: Context, i: int) -> NDArray[np.float64]:
        """Return the Gram matrix of the coordinates of iteration i, some of them of rows less one."""
        d = context.rows.d
        if self.n_coordinates >= d:
            return K
        call = context.step * 2**12 + i
        columns = np.sort(
            random.distinct_integers(self.n_coordinates, d, self.key, streams.COORDINATES, call)
        )
        part = np.ldexp(engine.columns(context.rows, context.live, columns), -context.exponent)
        if context.mixing is not None:
            part = context.mixing @ part
        near = int(np.argmin(np.median(squared_distances(K), axis=1)))
        part -= part[near].copy()
        return part @ part.T


def _outlying(K: NDArray) -> NDArray[np.float64]:
    """Return what grows with how far out rows with Gram matrix K are along their main direction.

    The direction's coordinates in terms of the rows are exact to rounding of the largest only: of rows beside
    one that is 1e17 times longer they say nothing. The projections ``a = K u`` are exact to their own
    rounding, and so is ``b (b - 2 mean b)``, b being a less its median: the squared distance from the mean,
    but for a constant.
    """
    _, u = _main_direction(_centred(K))
    a = K @ u  # the mean of u is 0, to rounding
    b = a - np.sort(a)[len(a) // 2]
    size = float(np.abs(b).max())
    if size > 0.0:
        b /= size
    return b * (b - 2.0 / len(b) * b.sum())


@dataclass(frozen=True)
class FoolsGold(LinearAggregator):
    """Weights that fall with a row's largest cosine to any other: copies of one vector cancel out.

    S is the matrix of cosines of the rows (of their histories, if given) with a zero diagonal, m_i the
    maximum of its row i plus 1e-5; ``S_ij <- S_ij m_i / m_j`` where m_i < m_j (pardoning);
    ``w_i = 1 - max_j S_ij`` clipped to [0, 1], 0 where that is but rounding, divided by the largest, then
    ``clip(log(w / (1 - w)) + 1/2, 0, 1)``. The result is ``sum w_i x_i / sum w_i``; zero where all w are.
    The cosine of a row of zeros with any is 0.
    Fung, Yoon & Beschastnikh, "The limitations of federated learning in Sybil settings" (RAID 2020).
    Honest rows that are alike lose their weight, too: it is meant for sums of many steps. Details:
    `scores`, the w.
    """

    invariant = False

    def __call__(
        self, G: Any, *, history: Any = None, weights: Any = None, step: int = 0, full: bool = False
    ) -> Any:
        """Aggregate.

        Parameters
        ----------
        G, weights, step, full
            As in `Aggregator`.
        history : as G, optional
            What the cosines are of, p rows: each worker's sum over the steps so far; G by default.

        Returns
        -------
        array, or list of arrays, or Aggregate
            As of `Aggregator`.

        Raises
        ------
        TypeError, ValueError
            As of `Aggregator`.
        """
        checks.count("step", step, most=2**30 - 1)
        rows = as_rows(G)
        if history is None:
            return self._run((), rows, step, full, weights)
        checked_weights(self, weights, rows.p)
        past = as_rows(history, "history")
        same_device("history", past, rows)
        if past.p != rows.p:
            raise ValueError(f"history must have a row for each of the {rows.p} of G, got {past.p}")
        K, live, _, _ = measure(past, np.arange(rows.p), products=True)
        fine = engine.finite_rows(rows)[live]
        context = live_context(live[fine], rows, step)
        own, details = self._weights(K[np.ix_(fine, fine)], context)
        found = spread(own, context)
        value = combined(context, found)[0]
        return reported(Aggregate(rows.shaped(value), found, context.left_out, details), full)

    def new_memory(self, p: int, d: int) -> NDArray[np.float64]:
        """Return the sums before the first round, a row a worker."""
        return np.zeros((p, d))

    def with_memory(self, G: Any, memory: NDArray[np.float64], *, step: int = 0) -> Aggregate:
        """Aggregate with the sums up to this round; rows that are left out do not enter them."""
        checks.instance("memory", memory, np.ndarray, "new_memory(p, d)")
        sums = memory + G
        found = self(G, history=sums, step=step, full=True)
        sums[found.excluded] = memory[found.excluded]
        memory[:] = sums
        return found

    def _weights(self, K: NDArray, context: Context) -> Weights:
        norms = np.sqrt(K.diagonal())
        scale = np.divide(1.0, norms, out=np.zeros(len(K)), where=norms > 0)
        S = K * scale * scale[:, None]
        np.fill_diagonal(S, 0.0)
        largest = S.max(axis=1) + 1e-5
        with np.errstate(divide="ignore", invalid="ignore"):
            pardoned = np.where(largest[:, None] < largest, S * (largest[:, None] / largest), S)
        w = np.clip(1.0 - pardoned.max(axis=1), 0.0, 1.0)
        w[w < 10.0 * engine.relative_error(context.rows)] = 0.0  # copies all: division would make one honest
        if w.max() > 0.0:
            w = w / w.max()
        with np.errstate(divide="ignore"):
            scores = np.clip(np.log(w / (1.0 - w)) + 0.5, 0.0, 1.0)
        total = scores.sum()
        return (scores / total if total > 0.0 else scores), {"scores": scores}
