"""What runs before and below every rule: as much of the Gram matrix as it needs, mixed by pre-aggregators."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import checks
from . import engine
from .rows import Rows
from .scaling import Scaled, common, measure, shifted

NOTHING, NORMS, GRAM = range(3)  # what a rule reads of the Gram matrix: that much is computed
_CANCELLATION = 1e6  # times the error of an inner product: distances below have lost too many digits
_CANCELLED = 10.0  # times the same error: squared norms of mixtures below are rounding, of rows that cancel
_ROUNDING = 1e-13  # relative, of a squared distance after rows have been mixed

_NOBODY = np.empty(0, np.intp)
_NOBODY.flags.writeable = False

Weights = tuple[NDArray[np.float64], dict[str, Any]]


class NonFiniteWarning(RuntimeWarning):
    """Workers sent NaN, infinity, or rows far larger than the others', and were left out."""


@dataclass(frozen=True)
class Aggregate:
    """What an aggregator returns with ``full=True``.

    Attributes
    ----------
    value : array, or list of arrays
        The aggregate, as without `full`.
    weights : (p,) float64 array or None
        The aggregate is the sum of weights[i] x_i; None for rules that sort each coordinate. Of a
        pre-aggregator the (q, p) matrix of all its rows. Infinite where rules divide by norms below any
        number's inverse.
    excluded : int array
        Workers left out because what they sent is not finite, or too large: see `Aggregator`.
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
        Workers left out; with weights, what they weigh.
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
    weights : (n_live,) float64 array or None
        How often each of these workers counts; None: once.
    left_out : int array
        Workers left out.
    exponent : int
        The unit of the Gram matrix's rows is 2 to that power.
    scaled : Scaled or None
        The data where some rows could not be squared as they are.
    """

    n_excluded: float
    origin: NDArray[np.intp] | None
    step: int
    rows: Rows
    live: NDArray[np.intp]
    mixing: NDArray[np.float64] | None
    weights: NDArray[np.float64] | None = None
    left_out: NDArray[np.intp] = _NOBODY
    exponent: int = 0
    scaled: Scaled | None = None

    def faulty(self, f: int) -> Any:
        """Return how many faulty rows are left of f: those left out were faulty."""
        return max(0, f - self.n_excluded)

    def in_unit(self, length: float) -> float:
        """Return a length of the data in the unit of the Gram matrix."""
        with np.errstate(over="ignore"):
            return float(np.ldexp(length, -self.exponent))

    def of_data(self, squares: Any) -> Any:
        """Return squares of lengths, in the unit of the Gram matrix, as they are of the data."""
        with np.errstate(over="ignore"):
            return np.ldexp(squares, 2 * self.exponent)


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
    weighted : bool
        Whether rows may count more than once.
    whole_weights : bool
        Whether they may count a whole number of times only.
    """

    makes_rows: ClassVar[bool] = False
    keeps_workers: ClassVar[bool] = True
    scales: ClassVar[bool] = False
    needs: ClassVar[int] = GRAM
    invariant: ClassVar[bool] = True
    weighted: ClassVar[bool] = False
    whole_weights: ClassVar[bool] = False

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


def checked_weights(rule: Stage, value: Any, p: int) -> NDArray[np.float64] | None:
    """Return how often each of p rows counts, or None where that is once."""
    if value is None:
        return None
    weights = checks.real_array("weights", value, (p,), least=0.0)
    if (weights == 1.0).all():
        return None
    if not rule.weighted:
        raise ValueError(
            f"weights have no meaning for {rule!r}; they have for Mean, NormalizedMean, CoordinateMedian, "
            "TrimmedMean, GeometricMedian, Krum, MultiKrum, CGE and Flag, by themselves"
        )
    broken = weights[weights != np.floor(weights)]
    if rule.whole_weights and len(broken):
        raise ValueError(
            f"weights must be whole numbers for {type(rule).__name__}, which takes copies of a row for its "
            f"neighbours, got {broken[0]:g}: scale and round them"
        )
    if not 0.0 < weights.sum() < 2.0**53:
        raise ValueError(f"weights must have a sum above 0 and below 2^53, got {weights.sum():g}: scale them")
    return weights


def prepare(
    stages: tuple[Stage, ...],
    rows: Rows,
    step: int,
    *,
    least: int = NOTHING,
    weights: NDArray[np.float64] | None = None,
) -> tuple[NDArray, Context]:
    """Compute as much of the Gram matrix as the stages need, and mix it by the pre-aggregators among them.

    What is not needed is zero.
    """
    chosen = np.arange(rows.p) if weights is None else weights.nonzero()[0]
    needs = max(needed(stages), least)
    if needs != NOTHING or any(stage.makes_rows for stage in stages):
        q = len(chosen)
        checks.require_memory(
            16 * q * q,  # with the distances
            f"the Gram matrix of the rows of G, ({q}, {q}),",
            "take fewer rows, or a rule that works by coordinates, such as CoordinateMedian()",
        )
    if needs == NOTHING:
        K, live, exponent, scaled = _no_products(len(chosen)), chosen, 0, None
    else:
        K, live, exponent, scaled = measure(rows, chosen, products=needs == GRAM)
        if needs == GRAM and len(live) and all(stage.invariant for stage in stages) and _cancels(K, rows):
            nearest = int(np.argmin(np.median(squared_distances(K), axis=1)))
            centre = engine.row(rows, int(live[nearest]))
            K, live, exponent, _ = measure(rows, live, products=True, centre=centre)
    context = live_context(live, rows, step, chosen=chosen, weights=weights, exponent=exponent, scaled=scaled)
    return mixed(stages, K, context)


def among_finite(
    stages: tuple[Stage, ...], rows: Rows, step: int, weights: NDArray[np.float64] | None = None
) -> tuple[NDArray, Context]:
    """`prepare` for stages that need nothing of the Gram matrix, without the rows that are not finite."""
    chosen = np.arange(rows.p) if weights is None else weights.nonzero()[0]
    live = chosen[engine.finite_rows(rows)[chosen]]
    context = live_context(live, rows, step, chosen=chosen, weights=weights)
    return mixed(stages, _no_products(len(live)), context)


@functools.lru_cache(maxsize=64)
def _no_products(q: int) -> NDArray[np.float64]:
    """Return a Gram matrix of zeros, which takes no memory, and cannot be written to."""
    return np.broadcast_to(0.0, (q, q))


def combined(
    context: Context, weights: NDArray[np.float64], *, in_units: bool = False
) -> tuple[Any, NDArray[np.float64], bool]:
    """Return the sum of weights[i] x_i over all p rows, the weights, and whether the sum is finite.

    Where `in_units`, the weights are of rows in the unit of the Gram matrix, and returned as of the data.
    """
    power = -context.exponent if in_units else 0
    if power == 0 and context.scaled is None:
        value, finite = engine.combine(context.rows, weights)
        return value, weights, finite
    with np.errstate(over="ignore"):
        given = np.ldexp(weights, power)
        if context.scaled is None:
            value, finite = engine.combine(context.rows, given)
            return value, given, finite
        rows, exponents = context.scaled
        parts, powers = np.frexp(weights)
        powers = powers + exponents + power
        top = int(powers[parts != 0.0].max(initial=-(1 << 20)))
        value, finite = engine.combine(rows, np.ldexp(parts, np.maximum(powers - top, -1100)))
        return shifted(value, top if parts.any() else 0, rows.device), given, finite


def without_overflow(context: Context) -> Context:
    """Return a context whose rows are all below 1, so that no sum of them overflows."""
    return context._replace(scaled=common(context.rows, context.live))


def mixed(stages: tuple[Stage, ...], K: NDArray, context: Context) -> tuple[NDArray, Context]:
    """Return the Gram matrix of what the pre-aggregators make, and the context with their weights."""
    for stage in stages:
        if stage.makes_rows:
            M = stage._matrix(K, context)
            lengths = np.abs(M) @ np.sqrt(K.diagonal())  # of what is mixed: norms of mixtures are no larger
            K = M @ K @ M.T
            cancelled = _CANCELLED * engine.relative_error(context.rows) * lengths**2 >= K.diagonal()
            K[cancelled] = K[:, cancelled] = 0.0
            context = context._replace(
                origin=context.origin if stage.keeps_workers else None,
                mixing=M if context.mixing is None else M @ context.mixing,
            )
    return K, context


def live_context(
    live: NDArray[np.intp],
    rows: Rows,
    step: int,
    *,
    chosen: NDArray[np.intp] | None = None,
    weights: NDArray[np.float64] | None = None,
    exponent: int = 0,
    scaled: Scaled | None = None,
) -> Context:
    """Return the context of the live workers of those chosen, by default all; a ValueError without any."""
    n_chosen = rows.p if chosen is None else len(chosen)
    if len(live) == 0:
        raise ValueError(
            f"G must have a finite row, but all {n_chosen} hold NaN or infinity: see what workers computed"
        )
    unit = exponent, scaled
    if len(live) == n_chosen:
        own = None if weights is None else weights[live]
        return Context(0, live, step, rows, live, None, own, _NOBODY, *unit)
    left_out = np.setdiff1d(np.arange(rows.p) if chosen is None else chosen, live)
    if weights is None:
        return Context(len(left_out), live, step, rows, live, None, None, left_out, *unit)
    return Context(weights[left_out].sum(), live, step, rows, live, None, weights[live], left_out, *unit)


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
    if len(context.live) == context.rows.p:
        return of_live
    weights = np.zeros(context.rows.p)
    weights[context.live] = of_live
    return weights


def squared_distances(K: NDArray) -> NDArray[np.float64]:
    """Return ``K_ii + K_jj - 2 K_ij``, and 0 where that is but rounding."""
    squares = K.diagonal()
    sums = np.add.outer(squares, squares)
    D = sums - 2.0 * K
    D[_ROUNDING * sums >= D] = 0.0
    np.fill_diagonal(D, 0.0)
    return D


def median(values: NDArray, weights: NDArray | None) -> NDArray[np.float64]:
    """Return the medians of the rows of a matrix, or of a vector, whose entries count as the weights say."""
    if weights is None:
        return np.asarray(np.median(values, axis=-1))
    order = np.argsort(values, axis=-1)
    reached = np.cumsum(weights[order], axis=-1)
    half = weights.sum() / 2.0
    ends = [np.argmax(inside, axis=-1)[..., None] for inside in (reached >= half, reached > half)]
    low, high = (np.take_along_axis(np.take_along_axis(values, order, -1), end, -1)[..., 0] for end in ends)
    return np.asarray((low + high) / 2.0)


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
