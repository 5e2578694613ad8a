"""EXTRA and NIDS: exact gradient methods that send one vector a round."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..graphs import Graph
from ..kernels.rounds import exact
from ..problems import Problem
from .rounds import GossipSolver, Step


@dataclass(frozen=True, eq=False)
class EXTRA(GossipSolver):
    """The exact first-order algorithm: decentralised gradient descent with a correction.

    With a constant step every node reaches the minimiser, linearly where the objective is strongly convex.

    Parameters
    ----------
    step : float, "auto" or None
        Step size. None: theory's. "auto": tuned.
    batch_size : int, optional
        Samples a gradient, drawn without replacement; None: full gradients. With mini-batches the nodes reach
        a noise floor.
    mixing : str, Mixer or (n, n) array_like
        Mixing matrix W, or its kind in `graphs.mixing_matrix`.

    Notes
    -----
    X_1 = W X_0 - step G(X_0), then X_{k+2} = (I + W) X_{k+1} - (I + W)/2 X_k - step (G(X_{k+1}) - G(X_k)),
    with G(X)_i = grad f_i(x_i): Shi, Ling, Wu & Yin, "EXTRA: an exact first-order algorithm for decentralized
    consensus optimization" (SIAM Journal on Optimization 2015), with (I + W)/2 as the second matrix. It
    converges for steps below (5 + 3 lambda_min(W)) / (4 L): Li & Yan, "New convergence analysis of a
    primal-dual algorithm with large stepsizes" (Advances in Computational Mathematics 2021), and not always
    above: on equal quadratics of curvature L, a root of the recursion is -1 there. Theory: four fifths of
    that bound, at most 1/L.

    A round sends d numbers of 64 bits from each node to each neighbour.

    Examples
    --------
    >>> from gossamer import graphs, problems, solvers
    >>> problem = problems.Quadratic.random(8, 5, condition_number=10.0)
    >>> result = solvers.EXTRA().solve(problem, graphs.cycle(8), tol=1e-10)
    >>> result.success, bool(abs(result.x - problem.solution()).max() < 1e-8)
    (True, True)
    """

    step: Step = None

    _kernel = exact.extra
    _n_rows = 2
    _exact = True

    def theory(self, problem: Problem, graph: Graph) -> dict[str, float]:
        """Return {"step"}."""
        low, _ = self._spectrum(graph)
        return {"step": min(0.2 * (5.0 + 3.0 * low), 1.0) / self._smoothness(problem)}


@dataclass(frozen=True, eq=False)
class NIDS(GossipSolver):
    """Network-independent step size: an exact method whose step depends on the objectives alone.

    Parameters
    ----------
    step : float, "auto" or None
        Step size. None: 1/L. "auto": tuned.
    batch_size : int, optional
        Samples a gradient, drawn without replacement; None: full gradients. With mini-batches the nodes reach
        a noise floor.
    mixing : str, Mixer or (n, n) array_like
        Mixing matrix W, or its kind in `graphs.mixing_matrix`.

    Notes
    -----
    X_1 = X_0 - step G(X_0), then X_{k+2} = (I + W)/2 (2 X_{k+1} - X_k - step (G(X_{k+1}) - G(X_k))), with
    G(X)_i = grad f_i(x_i): Li, Shi & Yan, "A decentralized proximal-gradient method with network independent
    step-sizes and separated convergence rates" (IEEE Transactions on Signal Processing 2019). It converges
    for steps below 2/L on any connected graph.

    Each round but the first sends d numbers of 64 bits from each node to each neighbour.

    Examples
    --------
    >>> from gossamer import graphs, problems, solvers
    >>> problem = problems.Quadratic.random(8, 5, condition_number=10.0)
    >>> result = solvers.NIDS().solve(problem, graphs.cycle(8), tol=1e-10)
    >>> result.success, bool(abs(result.x - problem.solution()).max() < 1e-8)
    (True, True)
    """

    step: Step = None

    _kernel = exact.nids
    _n_rows = 2
    _exact = True

    def theory(self, problem: Problem, graph: Graph) -> dict[str, float]:
        """Return {"step"}."""
        return {"step": 1.0 / self._smoothness(problem)}

    def rate(self, problem: Problem, graph: Graph) -> float:
        """Return a factor that the error falls by each round, at least; 1 and more promise nothing.

        Parameters
        ----------
        problem, graph
            As in `solve`.

        Returns
        -------
        float
            The largest of 1 - step mu, step L - 1 and sqrt((1 + lambda_2(W)) / 2).

        Notes
        -----
        Derived. Let B = (I - W)/2 and D = X_{k-1} - step G(X_{k-1}) - X_k, so that D is in the range of B.
        With ~ for the difference to the limit, a round is z~ = x~ - step g~ - d~, x~+ = (I - B) z~,
        d~+ = d~ + B z~, and from |x~ - step g~|^2 = |z~ + d~|^2 it follows that

            |x~+|^2_{1/(I - B)} + |d~+|^2_{1/B} = |x~ - step g~|^2 + |d~|^2_{1/B - I}

        (1/B is the pseudo-inverse). The first term on the right is at most |x~|^2 times the square of the
        larger one of 1 - step mu and step L - 1, the second (1 + lambda_2)/2 |d~|^2_{1/B}. So the square root
        of the left-hand side falls.
        """
        return self._rate(problem, graph, self.parameters(problem, graph)["step"])

    def _rate(self, problem: Problem, graph: Graph, step: float) -> float:
        _, high = self._spectrum(graph)
        descent = max(1.0 - step * problem.strong_convexity, step * problem.smoothness - 1.0)
        return max(descent, math.sqrt(0.5 * (1.0 + high)))

    def _pace(self, problem: Problem, graph: Graph, values: dict[str, float]) -> float:
        return 1.0 - self._rate(problem, graph, values["step"])
