"""The base of the gossip methods that reach the minimiser with a constant step: certified steps and rates."""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from typing import ClassVar

from ...graphs import Graph
from ...problems import Problem
from ..base.factors import gradient_descent_rate
from ..certified import changing as changing_graphs
from ..certified import loops
from ..certified.proof import Loop
from .base import GossipSolver


@dataclass(frozen=True, eq=False)
class ExactGossip(GossipSolver):
    """A method that is one loop with the gradients for each eigenvalue of W.

    Notes
    -----
    The default step has the smallest certified rate for the problem's condition number and the extreme
    eigenvalues of W (`certified.loops`), below 0.95 of the edge of stability; without strong convexity it is
    the one of the method's theorem for convex objectives, if there is one. With mini-batches it is the
    smaller one, at most 1/L, L and the condition number being those of the batches.
    """

    _exact: ClassVar[bool] = True

    @abc.abstractmethod
    def _loop(self, values: dict[str, float]) -> Loop:
        """Return the method's loop, with these numbers."""

    @abc.abstractmethod
    def _plant(self, values: dict[str, float]) -> changing_graphs.Plant:
        """Return the method on changing graphs, with these numbers; the step is in units of 1/L."""

    def _best(self, kappa: float, low: float, high: float, batches: bool = False) -> dict[str, float]:
        """Return the numbers of the loop with the smallest certified rate for L = 1; NaN for none."""
        return {"step": loops.best_step(self._loop({}), kappa, low, high)}

    def _convex(self, low: float) -> dict[str, float]:
        """Return the numbers of the theorem for convex objectives for L = 1, where W >= low; NaN for none."""
        return {"step": math.nan}

    def theory(self, problem: Problem, graph: Graph) -> dict[str, float]:
        """Return the numbers of the loop with the smallest certified rate; of the convex theorem; or NaN."""
        L, mu = self._smoothness(problem), problem.strong_convexity
        low, high = self._spectrum(graph)
        convex = self._convex(low)
        batches = self._batch(problem) is not None
        known = mu > 0.0 and math.isfinite(L / mu)
        values = self._best(max(L / mu, 1.0), low, high, batches) if known else convex
        if math.isnan(values["step"]) or (batches and convex["step"] < values["step"]):
            values = convex
        if batches and values["step"] > 1.0:  # nearer to 2/L(b), the mean's noise grows without bound
            values = values | {"step": 1.0}
        return values | {"step": values["step"] / L}

    def _certificate(
        self, kappa: float, spectrum: tuple[float, float] | None, values: dict[str, float], changing: bool
    ) -> float:
        assert spectrum is not None
        low, high = spectrum
        step = values["step"]
        if changing:
            mean = gradient_descent_rate(kappa, step)
            return changing_graphs.rate(self._plant(values), kappa, max(abs(low), abs(high)), mean)
        return loops.rate(self._loop(values), kappa, low, high, step)

    def _pace(self, problem: Problem, graph: Graph, values: dict[str, float]) -> float:
        try:
            pace = 1.0 - self._certified(problem, graph, values)
        except NotImplementedError:
            pace = -math.inf
        return pace if pace > 0.0 else super()._pace(problem, graph, values)
