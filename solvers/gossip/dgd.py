"""Decentralised gradient descent."""

from __future__ import annotations

import math
from dataclasses import dataclass

from numpy.typing import ArrayLike

from ...graphs import Graph
from ...kernels.checks import real_array
from ...kernels.rounds import descent
from ...problems import Problem
from ..base.rounds import Step
from .base import GossipSolver

_SHARE_OF_GAP = 0.5  # of 1 - lambda_2, for the default step


@dataclass(frozen=True, eq=False)
class DGD(GossipSolver):
    """Decentralised gradient descent; with mini-batches D-PSGD.

    Each round, every node takes the weighted mean of its neighbours' iterates and a step along its own
    gradient. With a constant step the nodes reach a neighbourhood of the minimiser, of a size proportional to
    the step; with a decaying one they converge, slowly.

    Parameters
    ----------
    step : float, "auto" or None
        Step size. None: theory's. "auto": tuned.
    step_decay : float
        The step of round t is step / (1 + step_decay t).
    batch_size : int, optional
        Samples b a gradient, drawn without replacement; None: full gradients. Theory's step has L(b) =
        `problem.expected_smoothness(b)` in place of L.
    mixing : str or (n, n) array_like
        Mixing matrix W, or its kind in `graphs.mixing_matrix`.

    Notes
    -----
    X <- W X - step G(X), with G(X)_i = grad f_i(x_i). The iterates stay bounded up to a step of
    (1 + lambda_min(W)) / L: Yuan, Ling & Yin, "On the convergence of decentralized gradient descent" (SIAM
    Journal on Optimization 2016); at that bound they need not settle, since on equal quadratics of curvature
    L one mode is multiplied by -1. Theory: four fifths of it, at most (1 - lambda_2(W)) / (2 L), so that the
    end is near the minimiser on any graph, at the price of more rounds: see `bias_bound`. The half is
    measured (`bench/default_steps.py`). `certified_rate` is that towards the point where the nodes settle.
    With mini-batches: Lian et al., "Can decentralized algorithms outperform centralized algorithms?"
    (NeurIPS 2017).

    A round sends d numbers of 64 bits from each node to each neighbour.

    Examples
    --------
    >>> from gossamer import graphs, problems, solvers
    >>> import numpy as np
    >>> problem = problems.Quadratic(np.stack([np.eye(2)] * 4), np.arange(8.0).reshape(4, 2))
    >>> result = solvers.DGD(step=0.01).solve(problem, graphs.cycle(4), max_time=2000)
    >>> result.x.round(4).tolist()
    [3.0, 4.0]
    """

    step: Step = None
    step_decay: float = 0.0

    _kernel = descent.dgd
    _n_rows = 1

    def theory(self, problem: Problem, graph: Graph) -> dict[str, float]:
        """Return {"step", "step_decay"}."""
        low, high = self._spectrum(graph)
        return {"step": _step(low, high) / self._smoothness(problem), "step_decay": 0.0}

    def bias_bound(self, problem: Problem, graph: Graph, X: ArrayLike) -> float:
        """Return a bound on the distance sqrt(mean |x_i - x*|^2) of the point where the nodes settle.

        Parameters
        ----------
        problem, graph
            As in `solve`.
        X : (n, d) array_like
            That point, such as `Result.X` of a run that settled.

        Returns
        -------
        float
            sqrt(1 + kappa^2) step G / (1 - lambda_2(W)), where G^2 is the mean of |grad f_i(x_i)|^2.

        Raises
        ------
        NotImplementedError
            Without strong convexity there is no bound.

        Notes
        -----
        Derived. There (I - W) X = -step G(X), so that sqrt(mean |x_i - x_mean|^2) <= step G / (1 -
        lambda_2). The gradients sum to zero, so that |grad f(x_mean)| = |mean (grad f_i(x_mean) - grad
        f_i(x_i))| is at most L times that, and |x_mean - x*| at most kappa times.
        """
        self._check_match(problem, graph)
        mu = problem.strong_convexity
        if not mu > 0.0:
            raise NotImplementedError(
                f"DGD has no bound on its bias without strong convexity, and strong_convexity is {mu:g}"
            )
        X = real_array("X", X, (problem.n_nodes, problem.dim))
        _, high = self._spectrum(graph)
        size = math.sqrt(float((problem.gradients(X) ** 2).sum()) / problem.n_nodes)
        step = self.parameters(problem, graph)["step"]
        return math.hypot(1.0, problem.smoothness / mu) * step * size / (1.0 - high)

    def _best(self, kappa: float, low: float, high: float) -> dict[str, float]:
        """Return the numbers of the loop for L = 1."""
        return {"step": _step(low, high), "step_decay": 0.0}

    def _certificate(
        self, kappa: float, spectrum: tuple[float, float] | None, values: dict[str, float], changing: bool
    ) -> float:
        assert spectrum is not None
        if changing or values["step_decay"] != 0.0:
            missing = "on changing graphs its fixed point moves" if changing else "step_decay must be 0"
            raise self._uncertifiable(missing)
        low, step = spectrum[0], values["step"]
        rate = math.nextafter(max(1.0 - step / kappa, step - low), math.inf)
        return rate if rate < 1.0 else math.inf


def _step(low: float, high: float) -> float:
    return min(0.8 * (1.0 + low), _SHARE_OF_GAP * (1.0 - high))
