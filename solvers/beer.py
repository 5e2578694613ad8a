"""BEER: gradient tracking with compressed differences."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..graphs import Graph
from ..kernels.compression import Compressor
from ..kernels.rounds import beer
from ..problems import Problem
from .choco import DifferenceGossip
from .rounds import AUTO, Step


@dataclass(frozen=True, eq=False)
class BEER(DifferenceGossip):
    """BEER: gradient tracking whose nodes send compressed differences; it converges linearly.

    Every node keeps, besides its iterate, an estimate of the mean gradient. Both are gossiped as in
    `ChocoGossip`, so that with full gradients the nodes reach the minimiser itself.

    Parameters
    ----------
    compressor : Compressor
        Contractive, such as TopK(0.1) or RandK(0.1, scaled=False).
    step : float or "auto"
        Step size. "auto": tuned. Theory gives step and gamma up to unknown constants only.
    gamma : float or "auto"
        Consensus step size, at most 1. "auto": tuned.
    batch_size : int, optional
        Samples b a gradient, drawn without replacement; None: full gradients. Tuned steps are then at most
        1/L(b), L(b) = `problem.expected_smoothness(b)`.
    mixing : str or (n, n) array_like
        Mixing matrix W, or its kind in `graphs.mixing_matrix`.
    check_compressor : bool
        Refuse compressors that are not contractive.

    Notes
    -----
    X+ = X + gamma (W - I) H - step V, H+ = H + C(X+ - H), V+ = V + gamma (W - I) G + grad(X+) - grad(X), G+ =
    G + C(V+ - G), with V = grad(X) and H = G = 0 at first: Zhao, Li, Li, Richtarik & Chi, "BEER: fast O(1/T)
    rate for decentralized nonconvex optimization with communication compression" (NeurIPS 2022), where gamma
    is of the order of delta alpha, and step of gamma delta^2 / L. The mean of V is the mean gradient at all
    times, whatever the compressor.

    A round sends two compressed vectors from each node to each neighbour, in one exchange. Gradients: one a
    node and round, and one more at the start.

    Examples
    --------
    >>> from gossamer import graphs, problems, solvers
    >>> from gossamer.kernels.compression import TopK
    >>> problem = problems.Quadratic.random(4, 6, condition_number=3.0)
    >>> result = solvers.BEER(TopK(3), step=0.1, gamma=0.4).solve(problem, graphs.cycle(4))
    >>> result.success, bool(abs(result.x - problem.solution()).max() < 1e-7)
    (True, True)
    """

    compressor: Compressor
    step: Step = AUTO
    gamma: Step = AUTO

    _kernel = beer.beer
    _n_rows = 7
    _exact = True

    def theory(self, problem: Problem, graph: Graph) -> dict[str, float]:
        """Return {"gamma", "step"}, both NaN."""
        self._spectrum(graph)  # raises where there is no gap
        return {"gamma": math.nan, "step": math.nan}
