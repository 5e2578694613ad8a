"""Error feedback: methods for contractive compressors, over a server."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...graphs import Graph
from ...kernels.compression import Compressor
from ...kernels.rounds import server
from ...problems import Problem
from ..base.factors import distance_rate
from ..base.rounds import Step
from .base import ServerSolver


@dataclass(frozen=True, eq=False)
class EF(ServerSolver):
    """Gradient descent with error feedback: what a message leaves out is added to the next one.

    With a constant step it reaches a neighbourhood of the minimiser, of a size proportional to the step where
    the objectives differ; `EF21` and `DIANA` converge.

    Parameters
    ----------
    compressor : Compressor
        Contractive, such as TopK(0.1).
    step : float, "auto" or None
        Step size. None: theory's. "auto": tuned.
    check_compressor : bool
        False runs compressors without such a guarantee, too; the step is then to be set.
    batch_size : int, optional
        Samples b a gradient, drawn without replacement; None: full gradients. Theory's step has L(b) =
        `problem.expected_smoothness(b)` in place of L.

    Notes
    -----
    With memories e_i = 0 at first, p_i = e_i + step grad f_i(x), c_i = C(p_i), x <- x - mean c_i,
    e_i <- p_i - c_i. Seide et al. (Interspeech 2014); Stich & Karimireddy, "The error-feedback framework"
    (JMLR 2020). Theory: step = 1 / (2 L (1 + 2 sqrt(1 - alpha) / alpha)), of the order of theirs (derived:
    the memories stay below 2 sqrt(1 - alpha) / alpha times the largest step taken).

    A round sends a message from each node to the server, and d numbers of 64 bits back to each. On a star the
    hub is the server and a worker, with no message of its own; on a complete graph every node sends its
    message to all others, and nothing comes back.

    Examples
    --------
    >>> from gossamer import graphs, problems, solvers
    >>> from gossamer.kernels import compression
    >>> import numpy as np
    >>> problem = problems.Quadratic(np.stack([np.eye(2)] * 4), np.arange(8.0).reshape(4, 2))
    >>> result = solvers.EF(compression.TopK(1), step=0.05).solve(problem, graphs.star(4), max_time=500)
    >>> result.x.round(1).tolist()
    [3.0, 4.0]
    """

    compressor: Compressor
    step: Step = None
    check_compressor: bool = True

    _kernel = server.error_feedback
    _n_rows = 1
    _needs = "contractive"
    _uncertified = (
        "with a constant step it reaches a neighbourhood of the minimiser only, unless the gradients of all "
        "nodes vanish there; EF21 and DIANA have one"
    )

    def theory(self, problem: Problem, graph: Graph) -> dict[str, float]:
        """Return {"step"}; NaN without a contractive compressor."""
        alpha = self.compressor.contraction(problem.dim)
        if not alpha > 0.0:
            return {"step": math.nan}
        return {"step": 0.5 / (self._smoothness(problem) * (1.0 + 2.0 * math.sqrt(1.0 - alpha) / alpha))}


@dataclass(frozen=True, eq=False)
class EF21(ServerSolver):
    """Error feedback of 2021: messages are compressed changes of the gradients, and it converges linearly.

    Parameters
    ----------
    compressor : Compressor
        Contractive, such as TopK(0.1).
    step : float, "auto" or None
        Step size. None: theory's. "auto": tuned.
    check_compressor : bool
        False runs compressors without such a guarantee, too; the step is then to be set.
    batch_size : int, optional
        Samples b a gradient, drawn without replacement; None: full gradients. Theory's step has L(b) =
        `problem.expected_smoothness(b)` in place of L.

    Notes
    -----
    With g_i = 0 at first, c_i = C(grad f_i(x) - g_i), g_i <- g_i + c_i, x <- x - step mean g_i. Richtarik,
    Sokolov & Fatkhullin, "EF21" (NeurIPS 2021); the first round sends C(grad f_i(x)), as theirs. Theory, with
    theta = 1 - sqrt(1 - alpha) and b = (1 - alpha) / theta: step = 1 / (L (1 + sqrt(b / theta))), and for
    mu > 0 the smaller one of 1 / (L (1 + sqrt(2 b / theta))) and theta / (2 mu), with which, as with any
    smaller step, f(x) - f* plus the estimates' error falls by 1 - step mu a round (their theorem for the
    Polyak-Lojasiewicz condition): `certified_rate` is the root of that factor. L is the worst of the nodes'.

    Bits as of `EF`.

    Examples
    --------
    >>> from gossamer import graphs, problems, solvers
    >>> from gossamer.kernels import compression
    >>> import numpy as np
    >>> problem = problems.Quadratic(np.stack([np.eye(2)] * 4), np.arange(8.0).reshape(4, 2))
    >>> result = solvers.EF21(compression.TopK(1)).solve(problem, graphs.star(4))
    >>> result.success, result.x.round(6).tolist()
    (True, [3.0, 4.0])
    """

    compressor: Compressor
    step: Step = None
    check_compressor: bool = True

    _kernel = server.shifted
    _n_rows = 1
    _n_shared = 2
    _needs = "contractive"
    _exact = True

    def theory(self, problem: Problem, graph: Graph) -> dict[str, float]:
        """Return {"step", "shift_step"}; the shift step is 1; NaN without a contractive compressor."""
        return {"step": self._proven_step(problem), "shift_step": 1.0}

    def _proven_step(self, problem: Problem) -> float:
        alpha = self.compressor.contraction(problem.dim)
        if not alpha > 0.0:
            return math.nan
        theta = 1.0 - math.sqrt(1.0 - alpha)
        ratio = math.sqrt(1.0 - alpha) / theta  # sqrt(b / theta)
        mu, L = problem.strong_convexity, self._smoothness(problem)
        if mu > 0.0:
            return min(1.0 / (L * (1.0 + math.sqrt(2.0) * ratio)), theta / (2.0 * mu))
        return 1.0 / (L * (1.0 + ratio))

    def _certified(
        self, problem: Problem, graph: Graph, values: dict[str, float], changing: bool = False
    ) -> float:
        self._assume(problem, changing)
        if self.compressor.contraction(problem.dim) == 1.0:
            return self._without_compression(problem, values)
        if not values["step"] <= self._proven_step(problem):
            return math.inf
        return distance_rate(1.0 - values["step"] * problem.strong_convexity)
