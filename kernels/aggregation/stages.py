"""What runs before and below every rule: as much of the Gram matrix as it needs, mixed by pre-aggregators."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import engine
from .rows import Rows

NOTHING, NORMS, GRAM = range(3)  # what a rule reads of the Gram matrix: that much is computed
_CANCELLATION = 1e6  # times the error of an inner product: distances below have lost too many digits
_CANCELLED = 10.0  # times the same error: squared norms of mixtures below are rounding, of rows that cancel
_ROUNDING = 1e-13  # relative, of a squared distance after rows have been mixed

Weights = tuple[NDArray[np.float64], dict[str, Any]]


class NonFiniteWarning(RuntimeWarning):
    """Workers sent NaN, infinity, or numbers too large to be squared, and were left out."""


@dataclass(frozen=True)
class Aggregate:
    """What an aggregator returns with ``full=True``.

    Attributes
    ----------
    value : array, or list of arrays
        The aggregate, as without `full`.
    weights : (p,) float64 array or None
        The aggregate is the sum of weights[i] x_i; None for rules that sort each coordinate. Of a
        pre-aggregator the (q, p) matrix of all its rows.
    excluded : int array
        Workers left out because what they sent is not finite, or too large to be squared.
    details : dict
        What else the rule knows; each rule lists its own. Rows are numbered there as the rule was given
        them: without the excluded ones, and as pre-aggregators made them; `weights` are by worker.
    """

    value: Any
    weights: NDArray[np.float64] | None
    excluded: NDArray[np.intp]
    details: Mapping[str, Any] = field(default_factory=dict)


class Context(NamedTuple):
    """What a rule may know besides the Gram matrix.

    Attributes
    ----------
    n_excluded : int
        Workers left out.
    origin : int array or None
        The worker that each row belongs to; None when a pre-aggregator has mixed them.
    step : int
        Number of the call, for rules that draw random numbers.
    rows : Rows
        The data.
    live : int array
        Workers not left out.
    mixing : (q, n_live) float64 array or None
        What pre-aggregators have made of them.
    """

    n_excluded: int
    origin: NDArray[np.intp] | None
    step: int
    rows: Rows
    live: NDArray[np.intp]
    mixing: NDArray[np.float64] | None

    def faulty(self, f: int) -> int:
        """Return how many faulty rows are left of f: those left out were faulty."""
        return max(0, f - self.n_excluded)


class Stage:
    """Part of a pipeline.

    Attributes
    ----------
    makes_rows : bool
        Whether it maps rows to rows; otherwise it comes last.
    keeps_workers : bool
        Whether row i of the result belongs to worker i.
    scales : bool
        Whether row i of the result is a multiple of row i.
    needs : int
        `NOTHING`, `NORMS` or `GRAM`.
    invariant : bool
        Whether only differences of rows matter: then these are computed again from nearer by, where they
        are small against the rows.
    """

    makes_rows: ClassVar[bool] = False
    keeps_workers: ClassVar[bool] = True
    scales: ClassVar[bool] = False
    needs: ClassVar[int] = GRAM
    invariant: ClassVar[bool] = True

    def _matrix(self, K: NDArray, context: Context) -> NDArray[np.float64]:
        """Return the (q, p) weights of rows with Gram matrix K in the rows that are made."""
        raise NotImplementedError

    def _required(self) -> int:
        """Return what is needed with these parameters."""
        return self.needs

    def _check(self, p: int) -> int:
        """Raise a ValueError if the rule cannot work with p rows; return how many rows come out."""
        return p


def needed(stages: tuple[Stage, ...]) -> int:
    """Return how much of the Gram matrix the stages need."""
    most, mixes = NOTHING, False
    for stage in stages:
        most = max(most, GRAM if stage._required() == NORMS and mixes else stage._required())
        mixes |= stage.makes_rows and not stage.scales
    return most


def prepare(
    stages: tuple[Stage, ...], rows: Rows, step: int, *, least: int = NOTHING
) -> tuple[NDArray, Context]:
    """Compute as much of the Gram matrix as the stages need, and mix it by the pre-aggregators among them.

    What is not needed is zero.
    """
    everyone = np.arange(rows.p)
    needs = max(needed(stages), least)
    if needs == NOTHING:
        K, live = np.zeros((rows.p, rows.p)), everyone
    elif needs == NORMS:
        squares = engine.squared_norms(rows, everyone)
        live = np.flatnonzero(np.isfinite(squares))
        K = np.diag(squares[live])
    else:
        K = engine.gram(rows, everyone)
        live = np.flatnonzero(np.isfinite(K.diagonal()))
        K = K if len(live) == rows.p else K[np.ix_(live, live)]
        if len(live) and all(stage.invariant for stage in stages) and _cancels(K, rows):
            nearest = int(np.argmin(np.median(squared_distances(K), axis=1)))
            K = engine.gram(rows, live, engine.row(rows, int(live[nearest])))
            near = np.isfinite(K.diagonal())  # differences may be larger than what they are of
            live, K = live[near], K[np.ix_(near, near)]
    return mixed(stages, K, live_context(live, rows, step))


def among_finite(stages: tuple[Stage, ...], rows: Rows, step: int) -> tuple[NDArray, Context]:
    """`prepare` for stages that need nothing of the Gram matrix, without the rows that are not finite."""
    live = np.flatnonzero(engine.finite_rows(rows))
    return mixed(stages, np.zeros((len(live), len(live))), live_context(live, rows, step))


def mixed(stages: tuple[Stage, ...], K: NDArray, context: Context) -> tuple[NDArray, Context]:
    """Return the Gram matrix of what the pre-aggregators make, and the context with their weights."""
    for stage in stages:
        if stage.makes_rows:
            M = stage._matrix(K, context)
            lengths = np.abs(M) @ np.sqrt(K.diagonal())  # of what is mixed: norms of mixtures are no larger
            K = M @ K @ M.T
            cancelled = _CANCELLED * engine.relative_error(context.rows) * lengths**2 >= K.diagonal()
            K[cancelled] = K[:, cancelled] = 0.0
            context = Context(
                context.n_excluded,
                context.origin if stage.keeps_workers else None,
                context.step,
                context.rows,
                context.live,
                M if context.mixing is None else M @ context.mixing,
            )
    return K, context


def live_context(live: NDArray[np.intp], rows: Rows, step: int) -> Context:
    """Return the context of workers that are not left out; a ValueError where there is none."""
    if len(live) == 0:
        raise ValueError(
            f"G must have a finite row, but all {rows.p} hold NaN or infinity (or norms above "
            "1e19 for float32, 1e150 for float64: scale G down)"
        )
    return Context(rows.p - len(live), live, step, rows, live, None)


def _cancels(K: NDArray, rows: Rows) -> bool:
    """Whether a distance between two rows, unless they are equal, has lost digits to cancellation."""
    D = squared_distances(K)
    sums = np.add.outer(K.diagonal(), K.diagonal())
    least = _CANCELLATION * engine.relative_error(rows) * sums
    np.fill_diagonal(D, np.inf)
    near = least > D
    if not near.any():
        return False
    near = np.triu(near)
    # equal rows have products equal to the last bit; one row at a time, as many pairs may be near
    return any((K[near[i]] != K[i]).any() for i in np.flatnonzero(near.any(axis=1)))


def spread(own: NDArray[np.float64], context: Context) -> NDArray[np.float64]:
    """Return the weights of all workers, from those of the rows that a rule has seen."""
    of_live = own if context.mixing is None else own @ context.mixing
    if context.n_excluded == 0:
        return of_live
    weights = np.zeros(context.rows.p)
    weights[context.live] = of_live
    return weights


def excluded(context: Context) -> NDArray[np.intp]:
    """Return the workers left out."""
    if context.n_excluded == 0:
        return np.empty(0, np.intp)
    left_out = np.ones(context.rows.p, bool)
    left_out[context.live] = False
    return left_out.nonzero()[0]


def squared_distances(K: NDArray) -> NDArray[np.float64]:
    """Return ``K_ii + K_jj - 2 K_ij``, and 0 where that is but rounding."""
    squares = K.diagonal()
    sums = np.add.outer(squares, squares)
    D = sums - 2.0 * K
    D[_ROUNDING * sums >= D] = 0.0
    np.fill_diagonal(D, 0.0)
    return D


def reported(found: Aggregate, full: bool) -> Any:
    """Return an aggregate in full, or its value, with a warning for the workers left out."""
    if full:
        return found
    if len(found.excluded):
        who = ", ".join(map(str, found.excluded[:5])) + (", ..." if len(found.excluded) > 5 else "")
        warnings.warn(
            f"{len(found.excluded)} row(s) of G are not finite (or too large) and were left out: {who}; "
            "full=True reports them in `excluded` instead",
            NonFiniteWarning,
            stacklevel=4,
        )
    return found.value
