"""`gossip_rates`: choose a method, recompute everything from what it proposes, keep the best."""

import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...kernels import checks
from ...kernels.blas import one_blas_thread
from ..deadline import OutOfTime
from ..graph import Graph
from ..spectra import algebraic_connectivity, effective_resistances, fiedler_space
from . import barrier, lowrank, multiplicative, sdp
from .certificates import CRITERIA, bounds_of
from .connectivity import proven_connectivity, proven_resistances
from .duals import Certificate, Proposal, freeze_arrays, tree_weights
from .limits import Limits
from .result import GossipRates

__all__ = ["METHODS", "gossip_rates"]


class Method(NamedTuple):
    """One way to compute rates: what it can do, how large, and how."""

    criteria: tuple[str, ...]
    size_limit: Callable[..., str]  # (graph, criterion, *, practical) -> why it is too large, or ""
    propose: Callable[..., Proposal]  # (graph, criterion, attempt, tol, deadline, limits)
    attempts: int  # how many different attempts there are, for when one fails or falls short
    costs: tuple[str, ...]  # criteria for which unequal edge costs are served
    bounds: tuple[str, ...]  # criteria for which bounds of the rates are served

    def serves(self, criterion: str, limits: Limits) -> bool:
        """Whether the method optimises the criterion under these costs and bounds."""
        return (
            criterion in self.criteria
            and (criterion in self.costs or not limits.has_costs)
            and (criterion in self.bounds or not limits.has_bounds)
        )


_BOTH = ("communication", "algebraic_connectivity")
_RESISTANCES = ("max_resistance", "total_resistance")
_ALL = _BOTH + _RESISTANCES

METHODS = {
    "multiplicative": Method(
        _RESISTANCES, multiplicative.size_limit, multiplicative.propose, 1, ("total_resistance",), ()
    ),
    "sdp": Method(_ALL, sdp.size_limit, sdp.propose, len(sdp.SETTINGS), _ALL, _ALL),
    "barrier": Method(_BOTH, barrier.size_limit, barrier.propose, 1, _BOTH, _BOTH),
    "lowrank": Method(_BOTH, lowrank.size_limit, lowrank.propose, 1, (), ()),
}

# "auto" tries the practical methods in the order of METHODS until one is certified. Measured crossovers:
# beyond 16 nodes "barrier" overtakes "sdp", beyond 1500 edges "lowrank" overtakes it where 0.005 will do
# or the time is too short for it, which takes some 80 seconds for 4000 edges.
_SDP_FIRST, _LOWRANK_FIRST, _LOWRANK_GAP, _BARRIER_SECONDS = 16, 1500, 5e-3, 2e-9
_PROOFS = 2.5  # for which time is kept, in units of the first
_LESS = 1.0 - 1e-12  # of a value, that it counts as better: not by rounding only


def gossip_rates(
    graph: Graph,
    criterion: str = "communication",
    *,
    edge_costs: ArrayLike | None = None,
    upper: ArrayLike | None = None,
    node_budget: ArrayLike | None = None,
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
    edge_costs : (m,) array_like, optional
        Positive cost of one communication on each edge, by default ones. What is minimised, or fixed to one,
        is then the total cost ``edge_costs @ rates`` instead of the total rate.
    upper : (m,) array_like, optional
        Positive bounds of the rates; infinite where there is none. They bound the rates as they are returned:
        for ``"communication"`` those that meet ``chi1 * chi2 <= 1/2``, so bounds can be too small for any
        rates; for the other criteria those of total cost at most one, less where the bounds leave no room.
        Not for ``"uniform"``.
    node_budget : (n,) array_like, optional
        Positive bounds of the sum of the rates at each node; otherwise as `upper`.
    method : str
        ``"auto"``, or the name of a method. ``"auto"`` first tests whether uniform rates are provably
        optimal (edge-transitive graphs), then tries the practical methods in turn until the tolerance is met:

        ====================  =======================================================================
        ``"sdp"``             exact conic programmes by Clarabel, up to 120 nodes; all criteria, with
                              costs and bounds
        ``"barrier"``         interior point in the space of the edges, up to some thousand edges;
                              ``"communication"``, ``"algebraic_connectivity"``, with costs and bounds
        ``"lowrank"``         dual matrices of low rank, on larger sparse graphs that are far from expanders:
                              ``"communication"`` to about 1e-2, ``"algebraic_connectivity"`` to 1e-4 and less
        ``"multiplicative"``  the two resistance criteria, at any size; ``"total_resistance"`` with costs
        ====================  =======================================================================
    tol : float
        Relative gap below which the status is ``"certified"``.
    time_limit : float, optional
        Seconds after which what has been found is returned. Time for the final proof is kept, and no piece
        of work is begun that would not end in time, judging by the one before; so the limit is exceeded by a
        tenth at most, unless the proof for uniform rates alone takes longer (1 s at 10^4 nodes; the methods
        are then not begun).

    Returns
    -------
    GossipRates
        Never worse than uniform rates for the criterion. All numbers in it are recomputed from the
        rates; if a solver fails or returns nonsense, the rates are uniform, ``message`` says why, and a
        ``RuntimeWarning`` is given.

    Raises
    ------
    TypeError, ValueError
        If an argument has a wrong type, if ``tol``, a cost or a bound is not positive, if the graph is
        disconnected or has one node, if ``criterion`` or ``method`` is unknown, if the graph is too large for
        the method asked for, if that one does not serve the criterion with unequal costs or with bounds, or
        if no rates within the bounds were found that meet ``chi1 * chi2 <= 1/2``.
    MemoryError
        If the method asked for needs more memory than there is, or the factor of a graph that fills up does.

    Notes
    -----
    Ctrl-C ends the call within some tenths of a second, but for single calls of other libraries: an iteration
    of ``"sdp"``, LAPACK on matrices of thousands of rows (``"barrier"``), and SuperLU's fill-reducing order,
    seconds on an expander of 10^5 edges.

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
    limits = Limits(graph, edge_costs, upper, node_budget)
    _check_limits(criterion, method, limits)
    seconds = np.inf if time_limit is None else checks.real("time_limit", time_limit, above=0.0)
    with one_blas_thread():
        found = _optimise(graph, criterion, method, tol, time.monotonic() + seconds, limits)
    return replace(
        found,
        edge_costs=None if edge_costs is None else limits.costs,
        upper=None if upper is None else limits.upper,
        node_budget=None if node_budget is None else limits.nodes,
    )


# ---------------------------------------------------------------------- steps


def _optimise(
    graph: Graph, criterion: str, method: str, tol: float, deadline: float, limits: Limits
) -> GossipRates:
    uniform = np.full(graph.n_edges, 1.0 / limits.costs.sum())
    target = "communication" if criterion == "uniform" else criterion
    # for the criteria of lambda_2, the projector on its eigenspace: it spreads evenly over the edges of an
    # edge-transitive graph and then proves uniform rates optimal; on many trees it does so with weights p
    dual = fiedler_space(graph) if target in _BOTH else None
    p = tree_weights(graph, dual) if target == "communication" and dual is not None else None
    begun = time.monotonic()
    fallback = _assess(limits, uniform, [Certificate(target, dual, p)], "uniform", deadline)
    # what is found is proven in the end, which takes as long again for each of some dual objects
    last = deadline - _PROOFS * (time.monotonic() - begun)
    chosen, message = fallback, "equal rates on all edges"
    if target == "communication":
        _require_reachable(limits)
    if criterion == "uniform":
        status = "certified" if chosen.gap <= tol else "uncertified"
        return _result(limits, criterion, chosen, fallback, status, message)
    if method == "auto" and fallback.gap <= tol:
        return _result(limits, criterion, fallback, fallback, "certified", "uniform rates are optimal")
    names, reason = _candidates(graph, criterion, method, tol, last, limits)
    if not names and _is_within(limits, criterion, fallback):
        message = f"uniform rates: no method is practical, {reason}"
        return _result(limits, criterion, fallback, fallback, "tolerance_not_met", message)
    failures = []
    for name, attempt in [(one, k) for one in names for k in range(METHODS[one].attempts)]:
        if chosen.gap <= tol or time.monotonic() > last:
            break
        try:
            with np.errstate(all="ignore"):  # what is not finite is caught in what comes out
                proposal = METHODS[name].propose(graph, criterion, attempt, tol, last, limits)
            found = _refine(limits, criterion, proposal, name, chosen, fallback, deadline)
        except MemoryError as error:
            if method != "auto":
                raise
            failures.append(str(error))
            continue
        except OutOfTime:
            failures.append(f"method {name!r} would not have found anything in time")
            continue
        except Exception as error:  # whatever a solver does, the caller gets valid rates and is told
            failures.append(f"method {name!r} failed with {type(error).__name__}: {error}")
            continue
        if found.gap < chosen.gap:
            chosen = found
    if not _is_within(limits, criterion, chosen):
        if not names:
            raise ValueError(
                f"uniform rates exceed upper or node_budget, and no method is practical, {reason}"
            )
        why = failures[-1] if failures else f"method {names[0]!r} found none"
        raise ValueError(
            "no rates within upper and node_budget were found that meet chi1 * chi2 <= 1/2; raise the bounds "
            f"(or time_limit, if it was short): {why}"
        )
    if chosen.method != "uniform":
        message = f"solved by method {chosen.method!r}"
    elif time.monotonic() > last:
        message = "; ".join(["uniform rates: nothing better was found within time_limit", *failures[-1:]])
    elif failures:
        message = f"uniform rates: {failures[-1]}"
        warnings.warn(message, RuntimeWarning, stacklevel=3)  # the caller of gossip_rates
    else:
        message = f"uniform rates: method {names[0]!r} found nothing better"
    status = "certified" if chosen.gap <= tol else "tolerance_not_met"
    return _result(limits, criterion, chosen, fallback, status, message)


class _Assessed(NamedTuple):
    """Rates of cost one with everything recomputed from them."""

    rates: NDArray[np.float64]
    l2: float
    proven_l2: float  # zero without a proof
    resistances: NDArray[np.float64]
    largest: float  # proven upper bound of the resistances
    lower: float
    upper: float
    gap: float
    certificate: Certificate
    method: str


def _check_arguments(graph: Graph, criterion: str, method: str, tol: float) -> None:
    if not isinstance(graph, Graph):
        raise TypeError(f"graph must be a Graph, got {type(graph).__name__}; see Graph.from_networkx")
    for name, value in (("criterion", criterion), ("method", method)):
        if not isinstance(value, str):
            raise TypeError(f"{name} must be a string, got {value!r}")
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


def _check_limits(criterion: str, method: str, limits: Limits) -> None:
    """Whether some method, or the one asked for, serves the criterion with these costs and bounds."""
    if criterion == "uniform":
        if limits.has_bounds:
            raise ValueError("criterion 'uniform' optimises nothing and takes no upper and no node_budget")
        return
    able = [name for name, entry in METHODS.items() if entry.serves(criterion, limits)]
    asked = [
        name for name, given in (("edge costs", limits.has_costs), ("bounds", limits.has_bounds)) if given
    ]
    if method not in ("auto", *able):
        raise ValueError(
            f"method {method!r} does not serve the criterion {criterion!r} with {' and '.join(asked)}; "
            f"use {' or '.join(map(repr, able))}"
        )


def _require_reachable(limits: Limits) -> None:
    """Refuse bounds under which even the largest rates are too small."""
    caps = limits.caps
    if np.isfinite(caps).all():
        chi1 = 1.0 / algebraic_connectivity(limits.graph, caps)
        product = 0.5 * chi1 * float(effective_resistances(limits.graph, caps).max())
        if product > 0.5 * (1.0 + 1e-9):
            raise ValueError(
                f"upper and node_budget are too small: chi1 * chi2 is at least {product:g} for all rates "
                f"within them, and must be 1/2; raise them by a factor of {np.sqrt(2.0 * product):g} or more"
            )


def _is_within(limits: Limits, criterion: str, found: _Assessed) -> bool:
    """Whether the rates, as they would be returned, obey the bounds."""
    if criterion != "communication":  # these are scaled to fit
        return True
    return limits.allow(np.sqrt(found.resistances.max() / found.l2) * found.rates)


def _candidates(
    graph: Graph, criterion: str, method: str, tol: float, deadline: float, limits: Limits
) -> tuple[list[str], str]:
    """Names of the methods to try, in order; or none, and why."""
    if method != "auto":
        reason = METHODS[method].size_limit(graph, criterion, practical=False)
        if reason:
            raise ValueError(f"method {method!r} is out of reach: {reason}; use method='auto'")
        return [method], ""
    able = {name: entry for name, entry in METHODS.items() if entry.serves(criterion, limits)}
    reasons = {name: entry.size_limit(graph, criterion, practical=True) for name, entry in able.items()}
    names = [name for name in able if not reasons[name]]
    if not names:
        reason = ", and ".join(f"{why} for {name!r}" for name, why in reasons.items())
        harder = [name for name in able if not able[name].size_limit(graph, criterion, practical=False)]
        return [], reason + "".join(f"; method={name!r} tries harder" for name in harder)
    if "lowrank" in names and "barrier" in names:
        quick = tol >= _LOWRANK_GAP or time.monotonic() + _BARRIER_SECONDS * graph.n_edges**3 > deadline
        if criterion == "communication" and quick and graph.n_edges > _LOWRANK_FIRST:
            names.append(names.pop(names.index("barrier")))
        else:
            names.remove("lowrank")
    if graph.n_nodes > _SDP_FIRST and "sdp" in names[:-1]:
        names.append(names.pop(names.index("sdp")))
    return names, ""


def _assess(
    limits: Limits,
    rates: NDArray[np.float64],
    certificates: list[Certificate],
    method: str,
    deadline: float,
) -> _Assessed:
    graph = limits.graph
    proven_l2 = proven_connectivity(graph, rates)
    l2 = proven_l2 or algebraic_connectivity(graph, rates)  # without a proof the bounds say so
    resistances, largest = proven_resistances(graph, rates)
    patience = (deadline - time.monotonic()) / (2.0 * _PROOFS)
    proven = [(bounds_of(graph, rates, proven_l2, largest, c, limits, patience), c) for c in certificates]
    bounds, certificate = min(proven, key=lambda pair: pair[0].gap)
    return _Assessed(rates, l2, proven_l2, resistances, largest, *bounds, certificate, method)


def _refine(
    limits: Limits,
    criterion: str,
    proposal: Proposal,
    name: str,
    chosen: _Assessed,
    fallback: _Assessed,
    deadline: float,
) -> _Assessed:
    """Clean the proposed rates, recompute their bounds, and keep the better of them and those so far."""
    for part in proposal:
        if part is not None and not np.all(np.isfinite(part)):
            raise ArithmeticError("the solver returned non-finite numbers")
    rates = np.maximum(proposal.rates, 0.0)
    if not rates.sum() > 0:
        raise ArithmeticError("the solver returned no positive rate")
    graph, rates = limits.graph, rates / limits.cost(rates)
    minimise, _, certify = CRITERIA[criterion]
    reference = rates if proposal.reference is None else proposal.reference
    new = replace(certify(graph, reference, proposal.Y, proposal.p, limits), reference=proposal.reference)
    others = filter(_has_dual, dict.fromkeys([chosen.certificate, fallback.certificate]))
    found = _assess(limits, rates, [new, *others], name, deadline)
    if found.upper < chosen.upper * _LESS if minimise else found.lower * _LESS > chosen.lower:
        return found
    # the rates are no better, but their dual object may still prove more about the others
    if not _has_dual(new):
        return chosen
    if proposal.reference is None:
        new = replace(new, reference=rates)
    bounds = bounds_of(graph, chosen.rates, chosen.proven_l2, chosen.largest, new, limits)
    if bounds.gap >= chosen.gap:
        return chosen
    lower, upper, gap = bounds
    return chosen._replace(lower=lower, upper=upper, gap=gap, certificate=new)


def _has_dual(certificate: Certificate) -> bool:
    """Whether there is a dual object at all, so that another may prove more."""
    parts = (certificate.Y, certificate.p, certificate.node_prices)
    return any(part is not None for part in parts)


def _result(
    limits: Limits, criterion: str, chosen: _Assessed, fallback: _Assessed, status: str, message: str
) -> GossipRates:
    def cost(a: _Assessed) -> float:
        return float(np.sqrt(a.resistances.max() / a.l2))  # at cost one

    total = cost(chosen) if criterion == "communication" else min(1.0, limits.room(chosen.rates))
    rates, resistances = chosen.rates * total, chosen.resistances / total
    rates.flags.writeable = resistances.flags.writeable = False
    freeze_arrays(chosen.certificate)
    return GossipRates(
        graph=limits.graph,
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
