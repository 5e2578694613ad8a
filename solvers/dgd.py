"""Decentralised gradient descent."""

from __future__ import annotations

from dataclasses import dataclass

from ..graphs import Graph
from ..kernels.rounds import descent
from ..problems import Problem
from .rounds import GossipSolver, Step


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
        Samples a gradient, drawn without replacement; None: full gradients.
    mixing : str or (n, n) array_like
        Mixing matrix W, or its kind in `graphs.mixing_matrix`.

    Notes
    -----
    X <- W X - step G(X), with G(X)_i = grad f_i(x_i). The iterates stay bounded up to a step of
    (1 + lambda_min(W)) / L: Yuan, Ling & Yin, "On the convergence of decentralized gradient descent" (SIAM
    Journal on Optimization 2016); at that bound they need not settle, since on equal quadratics of curvature
    L one mode is multiplied by -1. Theory: four fifths of it, at most 1/L. With mini-batches: Lian et al.,
    "Can decentralized algorithms outperform centralized algorithms?" (NeurIPS 2017).

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
        low, _ = self._spectrum(graph)
        return {"step": min(0.8 * (1.0 + low), 1.0) / self._smoothness(problem), "step_decay": 0.0}
