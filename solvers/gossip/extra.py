"""EXTRA and NIDS: exact gradient methods that send one vector a round."""

from __future__ import annotations

from dataclasses import dataclass

from ...kernels.rounds import exact
from ..base.rounds import Step
from ..certified.changing import Plant
from ..certified.proof import Loop
from .exact import ExactGossip


@dataclass(frozen=True, eq=False)
class EXTRA(ExactGossip):
    """The exact first-order algorithm: decentralised gradient descent with a correction.

    With a constant step every node reaches the minimiser, linearly where the objective is strongly convex.

    Parameters
    ----------
    step : float, "auto" or None
        Step size. None: the one with the smallest certified rate. "auto": tuned.
    batch_size : int, optional
        Samples b a gradient, drawn without replacement; None: full gradients. With mini-batches theory's step
        has L(b) = `problem.expected_smoothness(b)` in place of L, and the nodes reach a noise floor.
    mixing : str, Mixer or (n, n) array_like
        Mixing matrix W, or its kind in `graphs.mixing_matrix`.

    Notes
    -----
    X_1 = W X_0 - step G(X_0), then X_{k+2} = (I + W) X_{k+1} - (I + W)/2 X_k - step (G(X_{k+1}) - G(X_k)),
    with G(X)_i = grad f_i(x_i): Shi, Ling, Wu & Yin, "EXTRA: an exact first-order algorithm for decentralized
    consensus optimization" (SIAM Journal on Optimization 2015), with (I + W)/2 as the second matrix. It
    converges for steps below (5 + 3 lambda_min(W)) / (4 L): Li & Yan, "New convergence analysis of a
    primal-dual algorithm with large stepsizes" (Advances in Computational Mathematics 2021), and not always
    above: on equal quadratics of curvature L, a root of the recursion is -1 there. For mu = 0, theory is four
    fifths of that bound, at most 1/L; so it is with mini-batches, if that is less than the certified step.
    The loop of `certified_rate` is G(z) = -step (z - 1) / ((z - 1)^2 + lam (z - 1) + lam/2), lam = 1 - w.

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

    def _loop(self, values: dict[str, float]) -> Loop:
        return Loop((1.0,), (0.0, 1.0), (0.0, 0.5))

    def _plant(
        self, values: dict[str, float]
    ) -> Plant:  # state: X, and half the sum of X - W X over all rounds before
        step = values["step"]
        return Plant(
            A=((1.0, -1.0), (0.0, 1.0)),
            B=((-step, -1.0), (0.0, 0.5)),
            Cy=((1.0, 0.0),),
            Dy=((0.0, 0.0),),
            Cz=((1.0, 0.0),),
            Dz=((0.0, 0.0),),
        )

    def _convex(self, low: float) -> dict[str, float]:
        return {"step": min(0.2 * (5.0 + 3.0 * low), 1.0)}


@dataclass(frozen=True, eq=False)
class NIDS(ExactGossip):
    """Network-independent step size: an exact method whose step depends on the objectives alone.

    Parameters
    ----------
    step : float, "auto" or None
        Step size. None: the one with the smallest certified rate. "auto": tuned.
    batch_size : int, optional
        Samples b a gradient, drawn without replacement; None: full gradients. With mini-batches theory's step
        has L(b) = `problem.expected_smoothness(b)` in place of L, and the nodes reach a noise floor.
    mixing : str, Mixer or (n, n) array_like
        Mixing matrix W, or its kind in `graphs.mixing_matrix`.

    Notes
    -----
    X_1 = X_0 - step G(X_0), then X_{k+2} = (I + W)/2 (2 X_{k+1} - X_k - step (G(X_{k+1}) - G(X_k))), with
    G(X)_i = grad f_i(x_i): Li, Shi & Yan, "A decentralized proximal-gradient method with network independent
    step-sizes and separated convergence rates" (IEEE Transactions on Signal Processing 2019). It converges
    for steps below 2/L on any connected graph. For mu = 0, theory is 1/L; so it is with mini-batches, if that
    is less than the certified step. The loop of `certified_rate` is that of `EXTRA` times 1 - lam/2.

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

    def _loop(self, values: dict[str, float]) -> Loop:
        return Loop((1.0, -0.5), (0.0, 1.0), (0.0, 0.5))

    def _plant(
        self, values: dict[str, float]
    ) -> Plant:  # state: X, and the iterates before, a gradient step further
        step = values["step"]
        return Plant(
            A=((2.0, -1.0), (1.0, 0.0)),
            B=((-step, -0.5), (-step, 0.0)),
            Cy=((1.0, 0.0),),
            Dy=((0.0, 0.0),),
            Cz=((2.0, -1.0),),
            Dz=((-step, 0.0),),
        )

    def _convex(self, low: float) -> dict[str, float]:
        return {"step": 1.0}
