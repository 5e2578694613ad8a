"""Stochastic gradient descent ascent with compressed operators, over a server."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...graphs import Graph
from ...problems import Problem, VariationalInequality
from ..base.messages import mean_variance
from ..base.rounds import Step
from ..server.diana import DIANA
from .extragradient import OperatorSolver


@dataclass(frozen=True, eq=False)
class DIANASGDA(OperatorSolver, DIANA):
    """Descent ascent with compressed differences to learned shifts; linear for strongly monotone operators.

    Parameters
    ----------
    compressor : Compressor
        Unbiased, such as RandK(0.1).
    step : float, "auto" or None
        Step size. None: theory's. "auto": tuned.
    shift_step : float, "auto" or None
        Step of the shifts, in [0, 1]. None: theory's.
    check_compressor : bool
        False runs biased compressors, too; the steps are then to be set.
    batch_size : int, optional
        Samples b an operator, drawn without replacement; None: all. Theory's step follows from their mean
        square Lipschitz constant, `problem.row_smoothness.mean_square(b)`; of objectives from L(b) =
        `problem.expected_smoothness(b)`.

    Notes
    -----
    With h_i = h = 0 at first, q_i = C(F_i(z) - h_i), z <- P(z - step (h + mean q_i)), h_i <- h_i + shift_step
    q_i, h <- h + shift_step mean q_i. Beznosikov, Gorbunov, Berard & Loizou, "Stochastic gradient
    descent-ascent: unified theory and new efficient methods" (AISTATS 2023), whose theory asks for mean
    |F_i(z) - F_i(z*)|^2 <= l <F(z) - F(z*), z - z*>; for a mu-strongly monotone F that holds with l = Lh^2 /
    mu, Lh^2 = mean L_i^2, and for gradients with l = L (derived). Then step = 1 / (l (1 + 6 A)), A = omega /
    n for independent messages and 1 for PermK, and shift_step = 1 / (1 + omega). `certified_rate` is that of
    `DIANA` with l in place of L. Operators without strong monotonicity have none: descent ascent leaves the
    solution of a rotation with any step.

    Bits as of `EF`.
    """

    _exact = True  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]

    def theory(self, problem: Problem, graph: Graph) -> dict[str, float]:
        """Return {"step", "shift_step"}; NaN with a biased compressor, and for the step without mu > 0."""
        if not self.compressor.unbiased:
            return {"step": float("nan"), "shift_step": float("nan")}
        spread = mean_variance(self.compressor, problem.n_nodes, problem.dim)
        omega = self.compressor.omega(problem.dim)
        step = 1.0 / (self._cocoercivity(problem) * (1.0 + 6.0 * spread))
        return {"step": step or math.nan, "shift_step": 1.0 / (1.0 + omega)}

    def _cocoercivity(self, problem: Problem) -> float:
        """Return l, infinite where there is none."""
        if not isinstance(problem, VariationalInequality):
            return self._smoothness(problem)
        mu = problem.strong_convexity
        return self._mean_square(problem) / mu if mu > 0.0 else math.inf

    def _check(self, problem: Problem) -> None:
        super()._check(problem)
        is_monotone = isinstance(problem, VariationalInequality) and not problem.strong_convexity > 0.0
        if is_monotone and self.step is None and self.compressor.unbiased:
            raise ValueError(
                f"{type(self).__name__} has no step for an operator that is monotone but not strongly "
                "(strong_convexity 0), and circles around the solution of a rotation with any: take MASHA1 "
                "or Extragradient, or set step"
            )

    def _certified(
        self, problem: Problem, graph: Graph, values: dict[str, float], changing: bool = False
    ) -> float:
        self._assume(problem, changing)
        self._assume_unbiased()
        return self._rate(problem, self._cocoercivity(problem), values)


@dataclass(frozen=True, eq=False)
class QSGDA(DIANASGDA):
    """Descent ascent with compressed operators: `DIANASGDA` without shifts; stalls where the F_i differ.

    Parameters
    ----------
    compressor, step, check_compressor, batch_size
        As in `DIANASGDA`.
    shift_step : float
        0.
    """

    shift_step: Step = 0.0

    _exact = False
