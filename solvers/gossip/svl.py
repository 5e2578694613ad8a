"""SVL: four parameters, designed for the graph by certificates."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...kernels.rounds import exact
from ...problems import Problem
from ..base.rounds import Step
from ..certified import changing as changing_graphs
from ..certified import design, loops
from ..certified.proof import Loop
from .exact import ExactGossip


@dataclass(frozen=True, eq=False)
class SVL(ExactGossip):
    """Exact gradient method whose four parameters have the smallest certified rate for the graph.

    `EXTRA` and `NIDS` are members of its family, so that it is certified to be as fast at least.

    Parameters
    ----------
    step : float, "auto" or None
        Step size alpha. None: with `beta`, `gamma` and `delta` that of the smallest certified rate. "auto":
        tuned, with theirs as they are.
    beta, gamma, delta : float, "auto" or None
        Weights of the sum of the disagreements so far, of the disagreement in the iterates, and of the
        disagreement in where gradients are taken. None: see `step`.
    changing : bool
        Take the parameters that are best for graphs that change every round, known only by
        sigma = |W - J| (J: that of the complete graph), instead of those for this graph.
    batch_size : int, optional
        Samples a gradient, drawn without replacement; None: full gradients. With mini-batches the nodes reach
        a noise floor, and the defaults are those of `NIDS`.
    mixing : str, Mixer or (n, n) array_like
        Mixing matrix W, or its kind in `graphs.mixing_matrix`.

    Notes
    -----
    With S = 0 at first and G(X)_i = grad f_i(x_i), a round is

        V = X - W X,   X+ = X + beta S - step G(X - delta V) - gamma V,   S+ = S - V

    Sundararajan, Van Scoy & Lessard, "Analysis and design of first-order distributed optimization algorithms
    over time-varying graphs" (IEEE Transactions on Control of Network Systems 2020). beta = 1/2 and gamma =
    1 are `EXTRA` with delta = 0; with delta = 1/2, X - V/2 obeys the recursion of `NIDS`. The loop of
    `certified_rate` is G(z) = -step (1 - delta lam) (z - 1) / ((z - 1)^2 + gamma lam (z - 1) + beta lam),
    lam = 1 - w.

    For one graph, the parameters come from a search on these loops, which takes some tenths of a second,
    once for each condition number and spectrum. For changing graphs they are their delta = 1, gamma = 1 +
    beta and step = (1 - rate)/mu, with the beta of the smallest rate that a semidefinite programme
    certifies: about a second. For mu = 0 theory is `NIDS` with step 1/L, and there is none for changing
    graphs.

    A round sends d numbers of 64 bits from each node to each neighbour.

    Examples
    --------
    >>> from gossamer import graphs, problems, solvers
    >>> problem = problems.Quadratic.random(8, 5, condition_number=10.0)
    >>> result = solvers.SVL().solve(problem, graphs.cycle(8), tol=1e-10)
    >>> result.success, bool(abs(result.x - problem.solution()).max() < 1e-8)
    (True, True)
    """

    step: Step = None
    beta: Step = None
    gamma: Step = None
    delta: Step = None
    changing: bool = False

    _kernel = exact.svl
    _n_rows = 2

    def _check(self, problem: Problem) -> None:
        super()._check(problem)
        if not isinstance(self.changing, bool):
            raise TypeError(f"changing must be True or False, got {self.changing!r}")

    def _loop(self, values: dict[str, float]) -> Loop:
        return design.loop(values["beta"], values["gamma"], values["delta"])

    def _plant(self, values: dict[str, float]) -> changing_graphs.Plant:
        return design.plant(values["step"], values["beta"], values["gamma"], values["delta"])

    def _best(self, kappa: float, low: float, high: float, batches: bool = False) -> dict[str, float]:
        if self.changing:
            limit = {"longest": 1.0} if batches else {}
            found = design.for_changing_graphs(kappa, max(abs(low), abs(high)), **limit)
        elif batches:
            found = (loops.best_step(design.loop(*design.NIDS), kappa, low, high), *design.NIDS)
        else:
            found = design.for_one_graph(kappa, low, high)
        return _named(found)

    def _convex(self, low: float) -> dict[str, float]:
        return _named(None if self.changing else (1.0, *design.NIDS))


def _named(found: design.Parameters | None) -> dict[str, float]:
    values = (math.nan,) * 4 if found is None else found
    return dict(zip(("step", "beta", "gamma", "delta"), values, strict=True))
