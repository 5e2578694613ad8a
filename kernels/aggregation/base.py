"""What an aggregator is, and how pre-aggregators are put in front of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import checks
from ..backend import array_module
from . import engine
from .rows import Rows, as_rows
from .scaling import shifted
from .stages import (
    NORMS,
    NOTHING,
    Aggregate,
    Context,
    Stage,
    Weights,
    among_finite,
    checked_weights,
    combined,
    needed,
    prepare,
    reported,
    spread,
    without_overflow,
)


class Aggregator(Stage, ABC):
    """Rule that makes one vector of p; a frozen dataclass of its parameters.

    ``rule(G)`` aggregates, ``NNM(f) >> rule`` mixes the vectors before.

    Notes
    -----
    Rows with NaN or infinity are left out and reported: by a `NonFiniteWarning`, or with ``full=True`` in
    `Aggregate.excluded`. They count as faulty: a rule for f faulty ones goes on with f less their number, not
    below 0, so whatever fits p and f still fits. A ValueError is raised where no row is left.

    G may be of any size: ``rule(2^k G)`` is ``2^k rule(G)``, or ``rule(G)`` of rules that drop norms, to the
    last bit (lengths among the parameters scaled along; not where numbers lose digits below 2^-1022, 2^-126
    for float32). Where squares would leave the range of numbers, rows are scaled in copies, which takes a
    second pass. Rules that need norms or distances (all but `Mean` and those that sort coordinates) also
    leave out rows more than 1e150 times longer than the middle one of those that are not zero, and take
    those shorter by as much for zeros: float32 has no such rows.

    How often rows count, `weights`, is a matter of the call. Rules with f are for faulty rows of a total
    weight of f, and "p" in their conditions is the sum of all weights, rounded down.
    """

    def __call__(self, G: Any, *, weights: Any = None, step: int = 0, full: bool = False) -> Any:
        """Aggregate.

        Parameters
        ----------
        G : (p, d) array_like, or sequence of p arrays, or of p sequences of arrays (layers)
            One row a worker; NumPy, CuPy, or another library's arrays in the memory of the CPU (DLPack),
            viewed without a copy where they are float64 or float32 and rows have no gaps. Never modified.
        weights : (p,) array_like, optional
            How often each row counts, not negative: the samples behind it, say. A whole number k is the row
            k times, and 1 each, the default, the same to the last bit. Only for rules where that means
            something (`Mean`, `NormalizedMean`, `CoordinateMedian`, `TrimmedMean`, `GeometricMedian`, `Krum`,
            `MultiKrum`, `CGE`, `Flag`), without pre-aggregators. On a GPU not for those that sort.
        step : int
            Number of the call, at least 0: rules that draw random numbers draw others in each.
        full : bool
            Return an `Aggregate`.

        Returns
        -------
        array, or list of arrays, or Aggregate
            A vector (d,), or the form in which each worker sends its own: layers for layers. float32 for
            float32.

        Raises
        ------
        TypeError, ValueError
            Data or weights that do not fit, too few rows for the rule's parameters, or no finite row.
        """
        return self._run((), as_rows(G), step, full, weights)

    def _run(
        self, stages: tuple[PreAggregator, ...], rows: Rows, step: int, full: bool, given: Any = None
    ) -> Any:
        checks.count("step", step, most=2**30 - 1)
        weights = checked_weights(self, given, rows.p)
        p = rows.p if weights is None else int(weights.sum())
        for stage in (*stages, self):
            p = stage._check(p)
        found = self._aggregate(stages, rows, step, weights)
        return reported(found, full)

    def new_memory(self, p: int, d: int) -> NDArray[np.float64]:
        """Return what the rule remembers before the first of many rounds.

        Parameters
        ----------
        p, d : int
            Rows of a round, and their length.

        Returns
        -------
        (k, d) array
            Of zeros; k = 0 for rules that look at one round alone, as most do.

        Raises
        ------
        ValueError
            Rules that remember each worker, behind pre-aggregators that mix workers anew in each round.
        """
        return np.zeros((0, d))

    def with_memory(self, G: Any, memory: NDArray[np.float64], *, step: int = 0) -> Aggregate:
        """Aggregate one of many rounds, and bring the memory up to date.

        Parameters
        ----------
        G : (p, d) array_like
            As in a call; float64 in the memory of the CPU.
        memory : (k, d) array
            From `new_memory`; changed in place.
        step : int
            Number of the round.

        Returns
        -------
        Aggregate
            As of a call with ``full=True``.
        """
        return self(G, step=step, full=True)

    @abstractmethod
    def _aggregate(
        self,
        stages: tuple[PreAggregator, ...],
        rows: Rows,
        step: int,
        weights: NDArray[np.float64] | None = None,
    ) -> Aggregate:
        """Aggregate checked rows, which count as often as the weights say."""


class LinearAggregator(Aggregator):
    """Rule whose result is a combination of the rows, with weights that the Gram matrix determines.

    The Gram matrix is of rows in a unit of length, see `Context`; lengths among a rule's parameters are put
    into that by ``context.in_unit``. A rule that drops norms says so by `_drops_norms`.
    """

    @abstractmethod
    def _weights(self, K: NDArray, context: Context) -> Weights:
        """Return the weights of the rows with Gram matrix K, and details."""

    def _drops_norms(self) -> bool:
        """Whether the result is the same for 2 G: then it is a combination of rows in the unit of K."""
        return False

    def _aggregate(
        self,
        stages: tuple[PreAggregator, ...],
        rows: Rows,
        step: int,
        weights: NDArray[np.float64] | None = None,
    ) -> Aggregate:
        K, context = prepare((*stages, self), rows, step, weights=weights)
        found, finite = self._combined(K, context)
        if not finite and needed((*stages, self)) == NOTHING:  # then nobody has looked at the rows yet
            K, context = among_finite(stages, rows, step, weights)
            found, finite = self._combined(K, context)
            if not finite:
                found, _ = self._combined(K, without_overflow(context))
        return found

    def _combined(self, K: NDArray, context: Context) -> tuple[Aggregate, bool]:
        own, details = self._weights(K, context)
        value, weights, finite = combined(context, spread(own, context), in_units=self._drops_norms())
        return Aggregate(context.rows.shaped(value), weights, context.left_out, details), finite


class CoordinateAggregator(Aggregator):
    """Rule that sorts each coordinate by itself."""

    needs = NOTHING

    def _selection(self) -> tuple[PreAggregator, ...]:
        """Return what goes before the sorting."""
        return ()

    @abstractmethod
    def _ranks(self, n: int, context: Context) -> tuple[tuple[int, int], int]:
        """Return the ranks whose mean is meant, of n, and how many values nearest to it are (0: just it)."""

    def _shares(self, total: float, context: Context) -> tuple[float, float]:
        """Return between which shares of the total weight the mean is meant; for rules with weights."""
        raise NotImplementedError

    def _aggregate(
        self,
        stages: tuple[PreAggregator, ...],
        rows: Rows,
        step: int,
        weights: NDArray[np.float64] | None = None,
    ) -> Aggregate:
        stages = (*stages, *self._selection())
        K, context = prepare((*stages, self), rows, step, weights=weights)
        value, fine = self._sorted(len(K), context)
        if not fine and needed(stages) == NOTHING:  # then nobody has looked at the rows yet
            K, context = among_finite(stages, rows, step, weights)
            value, fine = self._sorted(len(K), context)
        if not fine:
            value, _ = self._sorted(len(K), without_overflow(context))
        return Aggregate(rows.shaped(value), None, context.left_out)

    def _sorted(self, n: int, context: Context) -> tuple[Any, bool]:
        rows, live, mixing, power = context.rows, context.live, context.mixing, 0
        if context.weights is not None:
            low, high = self._shares(context.weights.sum(), context)
            return engine.weighted_shares(rows, live, context.weights, low, high)
        if mixing is not None and ((mixing == 0.0) | (mixing == 1.0)).all() and (mixing.sum(1) == 1.0).all():
            live, mixing = live[mixing.argmax(axis=1)], None  # a selection
        if context.scaled is not None:
            powers = context.scaled.exponents[live]
            power = int(powers.max())
            if mixing is not None:
                mixing = np.ldexp(mixing, powers - power)
            if mixing is not None or (powers == power).all():
                rows = context.scaled.rows
            else:
                power = 0
        ranks, near = self._ranks(n, context)
        value, fine = engine.order_statistics(rows, live, mixing, ranks, near)
        return (shifted(value, power, rows.device) if power else value), fine


class PreAggregator(Stage, ABC):
    """Linear map of p rows to q, made before aggregation; a frozen dataclass of its parameters.

    ``NNM(2) >> Bucketing(2) >> CoordinateMedian()`` is an `Aggregator`. Called by itself, it returns its
    rows. Rows that are not finite are treated as in `Aggregator`.
    """

    makes_rows = True

    def __rshift__(self, other: Any) -> Any:
        """Put this in front of an aggregator, or of another pre-aggregator."""
        if isinstance(other, Pipeline):
            return Pipeline((*self._stages(), *other.stages), other.rule)
        if isinstance(other, Aggregator):
            return Pipeline(self._stages(), other)
        if isinstance(other, PreAggregator):
            return Chain((*self._stages(), *other._stages()))
        return NotImplemented

    def __call__(self, G: Any, *, step: int = 0, full: bool = False) -> Any:
        """Return the rows that it makes.

        Parameters
        ----------
        G, step, full
            As in `Aggregator`.

        Returns
        -------
        (q, d) array, or Aggregate
            Without rows that are not finite.

        Raises
        ------
        TypeError, ValueError
            As in `Aggregator`.
        """
        checks.count("step", step, most=2**30 - 1)
        rows = as_rows(G)
        stages = self._stages()
        p = rows.p
        for stage in stages:
            p = stage._check(p)
        K, context = prepare(stages, rows, step, least=NORMS)
        weights = np.zeros((len(K), rows.p))
        weights[:, context.live] = context.mixing
        with array_module(rows.device) as xp:
            made = xp.empty((len(weights), rows.d), rows.dtype)
            for i, row in enumerate(weights):
                made[i] = combined(context, row)[0]
        return reported(Aggregate(made, weights, context.left_out), full)

    def _stages(self) -> tuple[PreAggregator, ...]:
        return (self,)


@dataclass(frozen=True)
class Chain(PreAggregator):
    """Pre-aggregators one after the other; ``first >> second`` makes it."""

    stages: tuple[PreAggregator, ...]

    def __repr__(self) -> str:
        return " >> ".join(map(repr, self.stages))

    def _stages(self) -> tuple[PreAggregator, ...]:
        return self.stages


@dataclass(frozen=True)
class Pipeline(Aggregator):
    """Pre-aggregators in front of a rule; ``NNM() >> Flag(m=4)`` makes it.

    Attributes
    ----------
    stages : tuple of PreAggregator
        In the order in which they run.
    rule : Aggregator
        What comes last.
    """

    stages: tuple[PreAggregator, ...]
    rule: Aggregator

    def __repr__(self) -> str:
        return " >> ".join(map(repr, (*self.stages, self.rule)))

    def _run(
        self, stages: tuple[PreAggregator, ...], rows: Rows, step: int, full: bool, given: Any = None
    ) -> Any:
        checked_weights(self, given, rows.p)  # refuses all but 1
        return self.rule._run((*stages, *self.stages), rows, step, full)

    def _aggregate(
        self,
        stages: tuple[PreAggregator, ...],
        rows: Rows,
        step: int,
        weights: NDArray[np.float64] | None = None,
    ) -> Aggregate:
        return self.rule._aggregate((*stages, *self.stages), rows, step, weights)

    def new_memory(self, p: int, d: int) -> NDArray[np.float64]:
        """Return what the rule at the end remembers, of what it is given."""
        memory = self.rule.new_memory(p, d)
        if len(memory) > 1 and not all(stage.keeps_workers for stage in self.stages):
            raise ValueError(
                f"{self!r}: {type(self.rule).__name__} remembers each worker, and what goes before "
                "mixes them anew in each round: leave that out"
            )
        return memory

    def with_memory(self, G: Any, memory: NDArray[np.float64], *, step: int = 0) -> Aggregate:
        """Aggregate one of many rounds: what the rule remembers is of the mixed rows."""
        if len(memory) == 0:
            return self(G, step=step, full=True)
        made = Chain(self.stages)(G, step=step, full=True)
        rows, weights = made.value, made.weights
        if all(stage.keeps_workers for stage in self.stages):  # a row for each worker again
            gaps = made.excluded - np.arange(len(made.excluded))
            rows = np.insert(rows, gaps, np.nan, axis=0)
            weights = np.insert(weights, gaps, 0.0, axis=0)
        found = self.rule.with_memory(rows, memory, step=step)
        return Aggregate(found.value, found.weights @ weights, made.excluded, found.details)
