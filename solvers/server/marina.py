"""MARINA: compressed changes of the gradients, and now and then the gradients themselves, over a server."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...graphs import Graph
from ...kernels.checks import real
from ...kernels.compression import Compressor
from ...kernels.rounds import server
from ...problems import Problem
from ..base.factors import distance_rate
from ..base.messages import mean_variance, message_share
from ..base.rounds import Step
from .base import ServerSolver


@dataclass(frozen=True, eq=False)
class MARINA(ServerSolver):
    """Unbiased messages about how gradients change, corrected by full rounds at random; converges linearly.

    Parameters
    ----------
    compressor : Compressor
        Unbiased, such as RandK(0.1) or PermK(n).
    step : float, "auto" or None
        Step size. None: theory's. "auto": tuned.
    probability : float, optional
        Of a full round, in (0, 1]. None: the bits of a message over those of a whole vector, with which half
        of the bits are spent on either.
    check_compressor : bool
        False runs biased compressors, too; the step is then to be set.
    batch_size : int, optional
        Samples b a gradient of a compressed round, the same at both points; full rounds take all samples.
        Theory's step has a constant of its own for them, see the notes.

    Notes
    -----
    In a full round (the first, and with this probability any) g = mean grad f_i(x); otherwise g <- g + mean
    C(grad f_i(x) - grad f_i(x_last)). Then x <- x - step g. Gorbunov, Burlachenko, Li & Richtarik, "MARINA:
    faster non-convex distributed learning with compression" (ICML 2021). Theory, with A = omega / n for
    independent messages and 1 for PermK: step = 1 / (L (1 + sqrt((1 - p) A / p))), and for mu > 0 the smaller
    one of 1 / (L (1 + sqrt(2 (1 - p) A / p))) and p / (2 mu), with which, as with any smaller step, E f(x) -
    f* plus the estimate's error falls by 1 - step mu a round (their theorem for the Polyak-Lojasiewicz
    condition): `certified_rate` is the root of that factor.
    Batches of b of the m samples of a node add (1 + omega) / n times the mean over the nodes of (m - b) / (b
    (m - 1)) mean_j L_ij^2, over L^2, to A, L_ij the smoothness of a row (derived: the variance of C(v) for
    the difference v over a batch is at most omega |E v|^2 + (1 + omega) times that of v).

    The coin is drawn from the run's key, and all nodes know it. Bits as of `EF`; in a full round each node
    sends d numbers of 64 bits.

    Examples
    --------
    >>> from gossamer import graphs, problems, solvers
    >>> from gossamer.kernels import compression
    >>> import numpy as np
    >>> problem = problems.Quadratic(np.stack([np.eye(2)] * 4), np.arange(8.0).reshape(4, 2))
    >>> result = solvers.MARINA(compression.RandK(1)).solve(problem, graphs.star(4))
    >>> result.success, result.x.round(6).tolist()
    (True, [3.0, 4.0])
    """

    compressor: Compressor
    step: Step = None
    probability: float | None = None
    check_compressor: bool = True

    _kernel = server.marina
    _n_rows = 1
    _n_shared = 3
    _needs = "unbiased"
    _same_batch = True
    _exact = True
    _largest = {"probability": 1.0}  # noqa: RUF012

    def theory(self, problem: Problem, graph: Graph) -> dict[str, float]:
        """Return {"step", "probability"}.

        The step is theory's for the probability that is set, and NaN with a biased compressor.
        """
        d, n = problem.dim, problem.n_nodes
        p = message_share(self.compressor, n, d) if self.probability is None else self.probability
        p = real("probability", p, above=0.0, most=1.0)
        if not self.compressor.unbiased:
            return {"step": math.nan, "probability": p}
        return {"step": self._proven_step(problem, p), "probability": p}

    def _proven_step(self, problem: Problem, p: float) -> float:
        mu, L = problem.strong_convexity, problem.smoothness
        variance = mean_variance(self.compressor, problem.n_nodes, problem.dim)
        size = self._batch(problem)
        if size is not None:
            noise = float(problem.row_smoothness.noise(size).mean()) / L**2
            variance += (1.0 + self.compressor.omega(problem.dim)) * noise / problem.n_nodes
        spread = (1.0 - p) * variance / p
        if mu > 0.0:
            return min(1.0 / (L * (1.0 + math.sqrt(2.0 * spread))), p / (2.0 * mu))
        return 1.0 / (L * (1.0 + math.sqrt(spread)))

    def _certified(
        self, problem: Problem, graph: Graph, values: dict[str, float], changing: bool = False
    ) -> float:
        self._assume(problem, changing)
        self._assume_unbiased()
        if values["probability"] == 1.0 or self.compressor.omega(problem.dim) == 0.0:
            return self._without_compression(problem, values)
        if values["step"] > self._proven_step(problem, values["probability"]):
            return math.inf
        return distance_rate(1.0 - values["step"] * problem.strong_convexity)
