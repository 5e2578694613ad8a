"""DIANA: shifts that learn the gradients at the solution, for unbiased compressors over a server."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...graphs import Graph
from ...kernels.compression import Compressor
from ...kernels.rounds import server
from ...problems import Problem
from ..base.factors import distance_rate
from ..base.messages import mean_variance
from ..base.rounds import Step
from .base import ServerSolver


@dataclass(frozen=True, eq=False)
class DIANA(ServerSolver):
    """Compressed gradient differences with learned shifts; converges linearly with unbiased compressors.

    Parameters
    ----------
    compressor : Compressor
        Unbiased, such as RandK(0.1) or QSGD(15).
    step : float, "auto" or None
        Step size. None: theory's. "auto": tuned.
    shift_step : float, "auto" or None
        Step of the shifts, in [0, 1]. None: theory's. 0 keeps them at zero: DCGD, distributed compressed
        gradient descent, which stalls where the objectives differ.
    check_compressor : bool
        False runs biased compressors, too; the steps are then to be set.
    batch_size : int, optional
        Samples b a gradient, drawn without replacement; None: full gradients. Theory's step has L(b) =
        `problem.expected_smoothness(b)` in place of L.

    Notes
    -----
    With h_i = h = 0 at first, q_i = C(grad f_i(x) - h_i), x <- x - step (h + mean q_i),
    h_i <- h_i + shift_step q_i, h <- h + shift_step mean q_i. Mishchenko, Gorbunov, Takac & Richtarik,
    "Distributed learning with compressed gradient differences" (2019). Theory: shift_step = 1 / (1 + omega),
    step = 1 / (L (1 + 6 A)) with A = omega / n for independent messages and 1 for PermK; |x - x*|^2 and the
    shifts' error then fall by 1 - min(step mu, shift_step / 2) a round (Gorbunov, Hanzely & Richtarik,
    AISTATS 2020). `certified_rate` is the root of that factor, and for other steps, with a = shift_step at
    most 1 / (1 + omega) and M = (1 / (step L) - 1 - 2 A) / a > 0 (derived), of 1 - min(step mu, a - 2 A / M):
    the mean of |x - x*|^2 + M step^2 mean |h_i - grad f_i(x*)|^2 falls by it.

    Bits as of `EF`.

    Examples
    --------
    >>> from gossamer import graphs, problems, solvers
    >>> from gossamer.kernels import compression
    >>> import numpy as np
    >>> problem = problems.Quadratic(np.stack([np.eye(2)] * 4), np.arange(8.0).reshape(4, 2))
    >>> result = solvers.DIANA(compression.RandK(1)).solve(problem, graphs.star(4))
    >>> result.success, result.x.round(6).tolist()
    (True, [3.0, 4.0])
    """

    compressor: Compressor
    step: Step = None
    shift_step: Step = None
    check_compressor: bool = True

    _kernel = server.shifted
    _n_rows = 1
    _n_shared = 2
    _needs = "unbiased"
    _largest = {"shift_step": 1.0}  # noqa: RUF012

    @property
    def _exact(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.shift_step != 0.0

    def theory(self, problem: Problem, graph: Graph) -> dict[str, float]:
        """Return {"step", "shift_step"}; NaN with a biased compressor."""
        if not self.compressor.unbiased:
            return {"step": float("nan"), "shift_step": float("nan")}
        spread = mean_variance(self.compressor, problem.n_nodes, problem.dim)
        omega = self.compressor.omega(problem.dim)
        return {
            "step": 1.0 / (self._smoothness(problem) * (1.0 + 6.0 * spread)),
            "shift_step": 1.0 / (1.0 + omega),
        }

    def _certified(
        self, problem: Problem, graph: Graph, values: dict[str, float], changing: bool = False
    ) -> float:
        self._assume(problem, changing)
        self._assume_unbiased()
        if self.compressor.omega(problem.dim) == 0.0:
            return self._without_compression(problem, values)
        return self._rate(problem, problem.smoothness, values)

    def _rate(self, problem: Problem, smoothness: float, values: dict[str, float]) -> float:
        """Return the certified rate; L is `smoothness`, or the cocoercivity that operators have instead."""
        step, shift_step = values["step"], values["shift_step"]
        spread = mean_variance(self.compressor, problem.n_nodes, problem.dim)
        room = 1.0 / (step * smoothness) - 1.0 - 2.0 * spread
        pace = step * problem.strong_convexity
        if shift_step == 0.0:
            raise self._uncertifiable(
                "without shifts it stalls where the nodes differ; shift_step=None learns them"
            )
        if not room > 0.0 or shift_step > 1.0 / (1.0 + self.compressor.omega(problem.dim)):
            return math.inf
        return distance_rate(1.0 - min(pace, shift_step * (1.0 - 2.0 * spread / room)))

    def _pace(self, problem: Problem, graph: Graph, values: dict[str, float]) -> float:
        pace, shift_step = super()._pace(problem, graph, values), values["shift_step"]
        return min(pace, shift_step / 2.0) if shift_step > 0.0 else pace  # without shifts x alone converges
