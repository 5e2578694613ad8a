"""`gossip_rates`: choose a method, recompute everything from what it proposes, keep the best."""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...kernels import checks
from ...kernels.blas import one_blas_thread
from ..graph import Graph
from ..spectra import algebraic_connectivity, effective_resistances, fiedler_space
from . import barrier, lowrank, multiplicative, sdp
from .certificates import CRITERIA, Certificate, Proposal, bounds_of, proven_connectivity

__all__ = ["METHODS", "GossipRates", "gossip_rates"]


class Method(NamedTuple):
    """One way to compute rates: what it can do, how large, and how."""

    criteria: tuple[str, ...]
    size_limit: Callable[..., str]  # (graph, criterion, *, practical) -> why it is too large, or ""
    propose: Callable[..., Proposal]  # (graph, criterion, attempt, tol, deadline)
    attempts: int  # how many different attempts there are, for when one fails or falls short


_BOTH = ("communication", "algebraic_connectivity")

METHODS = {
    "sdp": Method(_BOTH, sdp.size_limit, sdp.propose, len(sdp.SETTINGS)),
    "barrier": Method(_BOTH, barrier.size_limit, barrier.propose, 1),
    "lowrank": Method(_BOTH, lowrank.size_limit, lowrank.propose, 1),
    "multiplicative": Method(
        ("max_resistance", "total_resistance"), multiplicative.size_limit, multiplicative.propose, 1
    ),
}

# "auto" tries the practical methods in the order of METHODS until one is certified. Measured crossovers:
# beyond 16 nodes "barrier" overtakes "sdp", beyond 1500 edges "lowrank" overtakes it where 0.005 will do.
_SDP_FIRST, _LOWRANK_FIRST, _LOWRANK_GAP = 16, 1500, 5e-3


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
        for ``"algebraic_connectivity"``, of the largest resistance or the Kirchhoff index at sum one for the
        resistance criteria. The value these rates attain is the upper bound of the cost, or
        the lower bound of lambda_2.
    gap : float
        ``upper_bound / lower_bound - 1``.
    status : str
        ``"certified"`` (gap <= tol), ``"tolerance_not_met"`` (an optimisation that ended with a larger
        gap), or ``"uncertified"`` (criterion ``"uniform"``, and not proven optimal).
    method : str
        Where the rates come from: a name in :data:`METHODS`, or ``"uniform"``.
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
    graph: Graph,
    criterion: str = "communication",
    *,
    method: str = "auto",
    tol: float = 1e-6,
    time_limit: float | None = None,
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
        * ``"max_resistance"``: the smallest largest effective resistance of an edge for a total rate of one,
          which is n - 1 on every graph. A cheap good choice for DADAO.
        * ``"total_resistance"``: the smallest Kirchhoff index ``n tr L^+`` for a total rate of one.
        * ``"uniform"``: ``1/m`` on every edge; the bounds tell how much ``"communication"`` could save.
    method : str
        ``"auto"``, or the name of a method. ``"auto"`` first tests whether uniform rates are provably
        optimal (edge-transitive graphs), then tries the practical methods in turn until the tolerance is met:

        ====================  =======================================================================
        ``"sdp"``             exact conic programmes by Clarabel; up to 120 nodes
        ``"barrier"``         interior point in the space of the edges; up to some thousand edges
        ``"lowrank"``         dual matrices of low rank, on larger sparse graphs that are far from expanders:
                              ``"communication"`` to about 1e-2, ``"algebraic_connectivity"`` to 1e-4 and less
        ``"multiplicative"``  the two resistance criteria, at any size
        ====================  =======================================================================
    tol : float
        Relative gap below which the status is ``"certified"``.
    time_limit : float, optional
        Seconds after which the iterations stop and what has been found is returned. It is looked at once an
        iteration, and the final proof comes on top.

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
    seconds = np.inf if time_limit is None else checks.real("time_limit", time_limit, above=0.0)
    with one_blas_thread():
        return _optimise(graph, criterion, method, tol, time.monotonic() + seconds)


# ---------------------------------------------------------------------- steps


def _optimise(graph: Graph, criterion: str, method: str, tol: float, deadline: float) -> GossipRates:
    m = graph.n_edges
    uniform = np.full(m, 1.0 / m)
    target = "communication" if criterion == "uniform" else criterion
    # for the criteria of lambda_2, the projector on its eigenspace: it spreads evenly over the edges of an
    # edge-transitive graph and then proves uniform rates optimal
    dual = fiedler_space(graph) if target in _BOTH else None
    fallback = _assess(graph, uniform, [Certificate(target, dual)], "uniform")
    chosen, message = fallback, "equal rates on all edges"
    if criterion == "uniform":
        status = "certified" if chosen.gap <= tol else "uncertified"
        return _result(graph, criterion, chosen, fallback, status, message)
    if method == "auto" and fallback.gap <= tol:
        return _result(graph, criterion, fallback, fallback, "certified", "uniform rates are optimal")
    names, reason = _candidates(graph, criterion, method, tol)
    if not names:
        message = f"uniform rates: no method is practical, {reason}; method='sdp' tries harder"
        return _result(graph, criterion, fallback, fallback, "tolerance_not_met", message)
    failures = []
    for name, attempt in [(one, k) for one in names for k in range(METHODS[one].attempts)]:
        if chosen.gap <= tol or time.monotonic() > deadline:
            break
        try:
            with np.errstate(all="ignore"):  # what is not finite is caught in what comes out
                proposal = METHODS[name].propose(graph, criterion, attempt, tol, deadline)
            found = _refine(graph, criterion, proposal, name, chosen, fallback)
        except Exception as error:  # whatever a solver does, the caller gets valid rates and is told
            failures.append(f"method {name!r} failed with {type(error).__name__}: {error}")
            continue
        if found.gap < chosen.gap:
            chosen = found
    if chosen.method != "uniform":
        message = f"solved by method {chosen.method!r}"
    elif failures:
        message = f"uniform rates: {failures[-1]}"
        warnings.warn(message, RuntimeWarning, stacklevel=3)  # the caller of gossip_rates
    else:
        message = f"uniform rates: method {names[0]!r} found nothing better"
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


def _candidates(graph: Graph, criterion: str, method: str, tol: float) -> tuple[list[str], str]:
    """Names of the methods to try, in order; or none, and why."""
    if method != "auto":
        reason = METHODS[method].size_limit(graph, criterion, practical=False)
        if reason:
            raise ValueError(f"method {method!r} is out of reach: {reason}; use method='auto'")
        return [method], ""
    names, reason = [], ""
    for name, entry in METHODS.items():
        if criterion in entry.criteria:
            limit = entry.size_limit(graph, criterion, practical=True)
            reason = reason or limit
            if not limit:
                names.append(name)
    if "lowrank" in names and "barrier" in names:
        quick = graph.n_edges > _LOWRANK_FIRST and tol >= _LOWRANK_GAP
        names.remove("barrier" if quick and criterion == "communication" else "lowrank")
    if graph.n_nodes > _SDP_FIRST and "sdp" in names[:-1]:
        names.append(names.pop(names.index("sdp")))
    return names, reason


def _assess(
    graph: Graph, rates: NDArray[np.float64], certificates: list[Certificate], method: str
) -> _Assessed:
    proven_l2 = proven_connectivity(graph, rates)
    l2 = proven_l2 or algebraic_connectivity(graph, rates)  # without a proof the bounds say so
    resistances = effective_resistances(graph, rates)
    proven = [(bounds_of(graph, rates, proven_l2, resistances, c), c) for c in certificates]
    bounds, certificate = min(proven, key=lambda pair: pair[0].gap)
    return _Assessed(rates, l2, resistances, *bounds, certificate, method)


def _refine(
    graph: Graph, criterion: str, proposal: Proposal, name: str, chosen: _Assessed, fallback: _Assessed
) -> _Assessed:
    """Clean the proposed rates, recompute their bounds, and keep the better of them and those so far."""
    for part in proposal:
        if part is not None and not np.all(np.isfinite(part)):
            raise ArithmeticError("the solver returned non-finite numbers")
    rates = np.maximum(proposal.rates, 0.0)
    if not rates.sum() > 0:
        raise ArithmeticError("the solver returned no positive rate")
    rates = rates / rates.sum()
    minimise, _, certify = CRITERIA[criterion]
    reference = rates if proposal.reference is None else proposal.reference
    new = replace(certify(graph, reference, proposal.Y, proposal.p), reference=proposal.reference)
    found = _assess(graph, rates, [new, chosen.certificate, fallback.certificate], name)
    if found.upper < chosen.upper if minimise else found.lower > chosen.lower:
        return found
    # the rates are no better, but their dual object may still prove more about the others
    if proposal.reference is None:
        new = replace(new, reference=rates)
    return _assess(graph, chosen.rates, [new, chosen.certificate], chosen.method)


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
