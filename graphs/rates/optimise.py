"""`gossip_rates`: choose a method, recompute everything from what it proposes, keep the best."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...kernels import checks
from ...kernels.blas import one_blas_thread
from ..graph import Graph
from ..spectra import algebraic_connectivity, effective_resistances, fiedler_space
from . import sdp
from .certificates import CRITERIA, Certificate, Proposal, bounds_of

__all__ = ["METHODS", "GossipRates", "gossip_rates"]


class Method(NamedTuple):
    """One way to compute rates: what it can do, how large, and how."""

    criteria: tuple[str, ...]
    size_limit: Callable[..., str]  # (graph, criterion, *, practical) -> why it is too large, or ""
    propose: Callable[[Graph, str, int], Proposal]  # (graph, criterion, attempt)
    attempts: int  # how many different attempts there are, for when one fails or falls short


# "auto" takes the first method that serves the criterion and is practical at the graph's size.
METHODS = {
    "sdp": Method(
        ("communication", "algebraic_connectivity"), sdp.size_limit, sdp.propose, len(sdp.SETTINGS)
    ),
}


@dataclass(frozen=True, eq=False, repr=False)
class GossipRates:
    """Communication rates of the edges of a graph, with proven bounds on the best possible value.

    Attributes
    ----------
    graph : Graph
        The graph.
    criterion : str
        What was optimised.
    rates : (m,) array
        Non-negative rate of each edge, in the order of ``graph.edges``; read-only.
    total_rate : float
        Sum of the rates.
    chi1, chi2 : float
        Constants of these rates, as :func:`gossamer.graphs.chi`.
    edge_resistances : (m,) array
        Effective resistance of each edge under these rates; read-only.
    cost : float
        Total rate after scaling to ``chi1 * chi2 = 1/2``, whatever the criterion.
    cost_uniform : float
        The same for equal rates on all edges.
    lower_bound, upper_bound : float
        Bounds on the optimum: of the cost for ``"communication"`` and ``"uniform"``, of lambda_2 at sum one
        for ``"algebraic_connectivity"``. The value these rates attain is the upper bound of the cost, or
        the lower bound of lambda_2.
    gap : float
        ``upper_bound / lower_bound - 1``.
    status : str
        ``"certified"`` (gap <= tol), ``"tolerance_not_met"`` (an optimisation that ended with a larger
        gap), or ``"uncertified"`` (criterion ``"uniform"``, and not proven optimal).
    method : str
        Where the rates come from: ``"sdp"``, or ``"uniform"``.
    certificate : Certificate
        The dual object; ``verify_rates(graph, rates, certificate)`` gives the bounds again.
    message : str
        What happened, in words.
    """

    graph: Graph
    criterion: str
    rates: NDArray[np.float64]
    total_rate: float
    chi1: float
    chi2: float
    edge_resistances: NDArray[np.float64]
    cost: float
    cost_uniform: float
    lower_bound: float
    upper_bound: float
    gap: float
    status: str
    method: str
    certificate: Certificate
    message: str

    @property
    def saved(self) -> float:
        """Communications saved against uniform rates, ``1 - cost / cost_uniform``.

        Never negative for ``"communication"``; it can be for ``"algebraic_connectivity"``.
        """
        return 1.0 - self.cost / self.cost_uniform

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        for array in (self.rates, self.edge_resistances):
            checks.frozen(array)  # pickles and copies do not keep arrays read-only

    def __repr__(self) -> str:
        return (
            f"GossipRates({self.criterion} on {self.graph!r}: total rate {self.total_rate:.6g}, "
            f"cost {self.cost:.6g} ({100 * self.saved:.1f}% saved), gap {self.gap:.1e}, {self.status})"
        )


def gossip_rates(
    graph: Graph, criterion: str = "communication", *, method: str = "auto", tol: float = 1e-6
) -> GossipRates:
    """Choose how often each edge communicates.

    Parameters
    ----------
    graph : Graph
        Connected, at least two nodes.
    criterion : str
        * ``"communication"``: the fewest communications for DADAO, the smallest total rate with
          ``chi1 * chi2 <= 1/2``; the rates are scaled to meet this with equality. Convex and solved
          exactly.
        * ``"algebraic_connectivity"``: the largest lambda_2 for a total rate of one (fastest mixing
          Markov process). Not a good choice for DADAO: it can cost more than uniform rates.
        * ``"uniform"``: ``1/m`` on every edge; the bounds tell how much ``"communication"`` could save.
    method : str
        ``"auto"``, or the name of a method. ``"auto"`` first tests whether uniform rates are provably
        optimal (edge-transitive graphs), then takes the first practical method. Where none is (beyond
        some 60 nodes, or 200 edges in one block), it returns uniform rates with valid bounds and the
        status ``"tolerance_not_met"`` rather than run for hours. ``"sdp"`` runs up to 120 nodes.
    tol : float
        Relative gap below which the status is ``"certified"``.

    Returns
    -------
    GossipRates
        Never worse than uniform rates for the criterion. All numbers in it are recomputed from the
        rates; if a solver fails or returns nonsense, the rates are uniform, ``message`` says why, and a
        ``RuntimeWarning`` is given.

    Raises
    ------
    TypeError, ValueError
        If an argument has a wrong type, if ``tol`` is not positive, if the graph is disconnected or has
        one node, if ``criterion`` or ``method`` is unknown, or if the graph is too large for the method
        asked for.

    Examples
    --------
    A bridge between two clusters is the bottleneck; it deserves more than its uniform share:

    >>> from gossamer import graphs
    >>> g = graphs.barbell(5)
    >>> r = graphs.gossip_rates(g)
    >>> round(r.cost_uniform, 3), round(r.cost, 3), r.status
    (38.441, 18.215, 'certified')
    >>> g.edges[r.rates.argmax()].tolist()
    [4, 5]
    """
    _check_arguments(graph, criterion, method, tol)
    with one_blas_thread():
        return _optimise(graph, criterion, method, tol)


# ---------------------------------------------------------------------- steps


def _optimise(graph: Graph, criterion: str, method: str, tol: float) -> GossipRates:
    m = graph.n_edges
    uniform = np.full(m, 1.0 / m)
    target = "communication" if criterion == "uniform" else criterion
    # the projector on the eigenspace of lambda_2 spreads evenly over the edges of an edge-transitive
    # graph and then proves uniform rates optimal
    fallback = _assess(graph, uniform, [Certificate(target, fiedler_space(graph))], "uniform")
    chosen, message = fallback, "equal rates on all edges"
    if criterion == "uniform":
        status = "certified" if chosen.gap <= tol else "uncertified"
        return _result(graph, criterion, chosen, fallback, status, message)
    if method == "auto" and fallback.gap <= tol:
        return _result(graph, criterion, fallback, fallback, "certified", "uniform rates are optimal")
    name, reason = _choose(graph, criterion, method)
    if name is None:
        message = f"uniform rates: no method is practical, {reason}; method='sdp' tries harder"
        return _result(graph, criterion, fallback, fallback, "tolerance_not_met", message)
    failure = ""
    for attempt in range(METHODS[name].attempts):
        try:
            found = _refine(
                graph, criterion, METHODS[name].propose(graph, criterion, attempt), name, fallback
            )
        except Exception as error:  # whatever a solver does, the caller gets valid rates and is told
            failure = f"method {name!r} failed with {type(error).__name__}: {error}"
            continue
        if found.gap < chosen.gap:
            chosen = found
        if chosen.gap <= tol:
            break
    if chosen.method == name:
        message = f"solved by method {name!r}"
    elif failure:
        message = f"uniform rates: {failure}"
        warnings.warn(message, RuntimeWarning, stacklevel=3)  # the caller of gossip_rates
    else:
        message = f"uniform rates: method {name!r} found nothing better"
    status = "certified" if chosen.gap <= tol else "tolerance_not_met"
    return _result(graph, criterion, chosen, fallback, status, message)


class _Assessed(NamedTuple):
    """Rates of sum one with everything recomputed from them."""

    rates: NDArray[np.float64]
    l2: float
    resistances: NDArray[np.float64]
    lower: float
    upper: float
    gap: float
    certificate: Certificate
    method: str


def _check_arguments(graph: Graph, criterion: str, method: str, tol: float) -> None:
    if not isinstance(graph, Graph):
        raise TypeError(f"graph must be a Graph, got {type(graph).__name__}; see Graph.from_networkx")
    if criterion != "uniform" and criterion not in CRITERIA:
        raise ValueError(f"criterion {criterion!r} is unknown; choose from uniform, {', '.join(CRITERIA)}")
    if method != "auto" and method not in METHODS:
        raise ValueError(f"method {method!r} is unknown; choose from auto, {', '.join(METHODS)}")
    if method != "auto" and criterion not in METHODS[method].criteria:
        raise ValueError(f"method {method!r} does not serve the criterion {criterion!r}; use 'auto'")
    checks.real("tol", tol, above=0.0)
    if graph.n_nodes == 1:
        raise ValueError("graph has one node and no edge, so there is nothing to choose rates for")
    graph.require_connected("gossip_rates")


def _choose(graph: Graph, criterion: str, method: str) -> tuple[str | None, str]:
    if method != "auto":
        reason = METHODS[method].size_limit(graph, criterion, practical=False)
        if reason:
            raise ValueError(f"method {method!r} is out of reach: {reason}; use method='auto'")
        return method, ""
    reason = ""
    for name, entry in METHODS.items():
        if criterion in entry.criteria:
            reason = entry.size_limit(graph, criterion, practical=True)
            if not reason:
                return name, ""
    return None, reason


def _assess(
    graph: Graph, rates: NDArray[np.float64], certificates: list[Certificate], method: str
) -> _Assessed:
    l2 = algebraic_connectivity(graph, rates)
    resistances = effective_resistances(graph, rates)
    proven = [(bounds_of(graph, rates, l2, resistances, c), c) for c in certificates]
    bounds, certificate = min(proven, key=lambda pair: pair[0].gap)
    return _Assessed(rates, l2, resistances, *bounds, certificate, method)


def _refine(graph: Graph, criterion: str, proposal: Proposal, name: str, fallback: _Assessed) -> _Assessed:
    """Clean the proposed rates, recompute their bounds, and keep the better of them and uniform."""
    if not (np.all(np.isfinite(proposal.rates)) and np.all(np.isfinite(proposal.Y))):
        raise ArithmeticError("the solver returned non-finite numbers")
    rates = np.maximum(proposal.rates, 0.0)
    if not rates.sum() > 0:
        raise ArithmeticError("the solver returned no positive rate")
    rates = rates / rates.sum()
    minimise, _, certify = CRITERIA[criterion]
    dual = proposal.Y, proposal.p
    found = _assess(graph, rates, [certify(graph, rates, *dual), fallback.certificate], name)
    if found.upper < fallback.upper if minimise else found.lower > fallback.lower:
        return found
    # the rates are no better, but their dual object may still prove more about uniform ones
    certificates = [certify(graph, fallback.rates, *dual), fallback.certificate]
    return _assess(graph, fallback.rates, certificates, "uniform")


def _result(
    graph: Graph, criterion: str, chosen: _Assessed, fallback: _Assessed, status: str, message: str
) -> GossipRates:
    def cost(a: _Assessed) -> float:
        return float(np.sqrt(a.resistances.max() / a.l2))  # at sum one

    total = cost(chosen) if criterion == "communication" else 1.0
    rates, resistances = chosen.rates * total, chosen.resistances / total
    rates.flags.writeable = resistances.flags.writeable = False
    return GossipRates(
        graph=graph,
        criterion=criterion,
        rates=rates,
        total_rate=float(rates.sum()),
        chi1=1.0 / (chosen.l2 * total),
        chi2=0.5 * float(resistances.max()),
        edge_resistances=resistances,
        cost=cost(chosen),
        cost_uniform=cost(fallback),
        lower_bound=chosen.lower,
        upper_bound=chosen.upper,
        gap=chosen.gap,
        status=status,
        method=chosen.method,
        certificate=chosen.certificate,
        message=message,
    )
