"""Aggregation at every node of a graph at once: one Gram matrix of all that is sent serves them all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import engine, scaling
from .base import Aggregator, LinearAggregator, Pipeline
from .iterative import DnC
from .linear import MoNNA
from .rows import Rows, as_rows
from .stages import Stage, live_context, mixed, spread

_MOST = 1e300  # squared norm: no sum of products overflows below


def centred_gram(S: NDArray) -> NDArray[np.float64]:
    """Return the inner products of rows, (q, q); not finite for rows that are not, or exceed 1e150.

    Parameters
    ----------
    S : (q, d) float64 array
        What was sent, less one of the honest rows: the same for all cancels, and digits are left for what
        differs.
    """
    K = engine.gram(as_rows(S, "S"), np.arange(len(S)))
    squares = K.diagonal()
    np.fill_diagonal(K, np.where(squares <= _MOST, squares, np.inf))
    return K


def stages_of(rule: Aggregator) -> tuple[Stage, ...]:
    """Return the pre-aggregators of a rule, and the rule at their end."""
    return (*rule.stages, rule.rule) if isinstance(rule, Pipeline) else (rule,)


def is_invariant(rule: Aggregator) -> bool:
    """Return whether a shift of all rows shifts the aggregate by as much."""
    return all(stage.invariant for stage in stages_of(rule))


def reads_gram_alone(rule: Aggregator) -> bool:
    """Return whether `gram_weights` works for a rule."""
    last = stages_of(rule)[-1]
    return isinstance(last, LinearAggregator) and not isinstance(last, DnC)


def keeps_workers(rule: Aggregator) -> bool:
    """Return whether the rule at the end is given a row for each worker."""
    return all(stage.keeps_workers for stage in stages_of(rule))


def pivot(rule: Aggregator) -> int | None:
    """Return the row that a rule trusts, which must be finite; None for rules that trust none."""
    last = stages_of(rule)[-1]
    return last.pivot if isinstance(last, MoNNA) else None


def check_rows(rule: Aggregator, p: int) -> None:
    """Raise a ValueError where a rule cannot work with p rows.

    Parameters
    ----------
    rule : Aggregator
        Any.
    p : int
        At least 1.
    """
    for stage in stages_of(rule):
        p = stage._check(p)


def gram_weights(rule: Aggregator, K: NDArray, dim: int, step: int = 0) -> NDArray[np.float64]:
    """Return the weights that a rule gives to rows of which their inner products are known.

    Parameters
    ----------
    rule : Aggregator
        One with `reads_gram_alone`.
    K : (p, p) float64 array
        Gram matrix. Rows that are not finite on the diagonal are left out, and get weight 0.
    dim : int
        Coordinates of the rows.
    step : int
        Number of the call.

    Returns
    -------
    (p,) float64 array
        All zero where no row is finite. Rows too large or small beside the others are treated as in calls.

    Examples
    --------
    >>> from gossamer.kernels.aggregation import Krum
    >>> S = np.array([[0.0], [0.1], [9.0], [0.2]])
    >>> gram_weights(Krum(0), S @ S.T, 1)
    array([0., 1., 0., 0.])
    """
    *before, last = stages_of(rule)
    assert isinstance(last, LinearAggregator)
    p = len(K)
    live = np.flatnonzero(np.isfinite(K.diagonal()))
    if len(live) == 0:
        return np.zeros(p)
    products, near, exponent = scaling.relative(K[np.ix_(live, live)], np.zeros(len(live), np.int64))
    described = Rows(p, dim, np.dtype(np.float64), None, [], (dim,), [])
    context = live_context(live[near], described, step, exponent=exponent)
    found, context = mixed(tuple(before), products, context)
    weights = spread(last._weights(found, context)[0], context)
    return np.ldexp(weights, -exponent) if last._drops_norms() else weights
