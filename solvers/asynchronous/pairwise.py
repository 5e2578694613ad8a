"""Randomised pairwise gossip: averaging at the times of the edges' Poisson clocks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ...graphs import GossipRates, Graph, algebraic_connectivity
from ...kernels import asynchronous as kernel
from ...kernels.asynchronous.pairwise import pairwise
from ...kernels.checks import instance, real_array
from ...kernels.events import Events, EventStream, check_events
from ...problems import Problem
from ..base.averages import Averages
from ..base.bound import Bound
from ..base.clocks import EventClock, GivenEvents
from ..base.state import State


@dataclass(frozen=True, eq=False)
class PairwiseGossip(Averages):
    """Averaging: at the times of its own clock, each edge sets both of its ends to their mean.

    Parameters
    ----------
    rates : (m,) array_like or GossipRates, optional
        Rate of each edge, in the order of `graph.edges`; as they are. None: equal ones, n / (2 m), at which a
        node takes part in one exchange a unit of time on average.
    events : (time, kind, index), optional
        Events to apply instead of drawing them, as in `DADAO`; kind 1 is a communication along edge `index`.

    Notes
    -----
    The mean stays, to rounding, and E |X - mean|^2 falls by half of the Laplacian's form at each moment:
    d/dt E |X - mean|^2 = -E <X, L X> / 2, L with these rates. So it decays by exp(-lambda_2 t / 2) at least,
    which is `decay_rate`, and at most twice as fast; on complete graphs with equal rates exactly so.
    `graphs.gossip_rates(graph, "algebraic_connectivity")` has the rates of the largest lambda_2.

    An exchange sends d numbers of 64 bits in each direction. No gradients are counted. In the stopping rule,
    the gradient x_mean - mean(v) is compared with the root mean square of |v_i|.

    Source: Boyd, Ghosh, Prabhakar and Shah, "Randomized gossip algorithms" (IEEE Transactions on Information
    Theory, 2006), section II, in continuous time.

    Examples
    --------
    >>> from gossamer import graphs, problems, solvers
    >>> problem = problems.Averaging([[1.0, 0.0], [2.0, 0.0], [3.0, 6.0]])
    >>> result = solvers.PairwiseGossip().solve(problem, graphs.path(3))
    >>> result.success, result.x.round(6).tolist()
    (True, [2.0, 2.0])
    """

    _settings: ClassVar[tuple[str, ...]] = ("rates",)
    _uncertified: ClassVar[str] = "its rate is one of expectations; decay_rate(graph) bounds it"

    rates: ArrayLike | GossipRates | None = None
    events: tuple[ArrayLike, ArrayLike, ArrayLike] | None = None

    def edge_rates(self, graph: Graph) -> np.ndarray:
        """Return the rate of each edge, (m,): as given, or n / (2 m).

        Parameters
        ----------
        graph : Graph
            As in `solve`.

        Raises
        ------
        TypeError, ValueError
            Rates of another graph, or that are negative.
        """
        instance("graph", graph, Graph, "Graph.from_networkx or Graph.from_edges")
        if isinstance(self.rates, GossipRates):
            if not np.array_equal(self.rates.graph.edges, graph.edges):
                raise ValueError("the GossipRates were computed for a graph with other edges")
            return self.rates.rates.copy()
        if self.rates is None:
            return np.full(graph.n_edges, graph.n_nodes / (2.0 * max(graph.n_edges, 1)))
        return real_array("rates", self.rates, (graph.n_edges,), least=0.0).copy()

    def decay_rate(self, graph: Graph) -> float:
        """Return lambda_2 / 2: E |X - mean|^2 falls by exp(-lambda_2 t / 2) at least; inf for one node.

        Parameters
        ----------
        graph : Graph
            Connected by the edges of positive rate.

        Raises
        ------
        TypeError, ValueError
            Rates that do not fit, or connect no graph.
        """
        rates = self.edge_rates(graph)
        return math.inf if graph.n_nodes == 1 else 0.5 * algebraic_connectivity(graph, rates)

    def _start(self, problem: Problem, graph: Graph, X: np.ndarray) -> dict[str, np.ndarray]:
        self.decay_rate(graph)  # raises where the rates do not fit
        rates = self.edge_rates(graph)
        return {"rows": X[:, None].copy(), "last": np.zeros(len(X)), "rates": rates}

    def _prepare(self, problem: Problem, graph: Graph, state: State) -> Bound:
        return _BoundPairwise(self, problem, graph, state)


class _BoundPairwise(Bound):
    """Pairwise gossip bound to vectors and a graph."""

    def __init__(self, solver: PairwiseGossip, problem: Problem, graph: Graph, state: State):
        self._oracle = problem.oracle  # lives as long as its address
        self._setting = kernel.Setting.of(graph.edges, problem.oracle)
        rates = state.arrays["rates"]
        self.unit = max(float(rates.sum()), 1.0)
        self.work = 4.0 * problem.dim
        self._decay_rate = solver.decay_rate(graph)
        if solver.events is not None:
            source = GivenEvents(check_events(solver.events, problem.n_nodes, graph.n_edges))
        elif graph.n_edges:
            source = EventStream(np.zeros(problem.n_nodes), rates, state.key)
        else:
            source = GivenEvents(Events(np.empty(0), np.empty(0, np.uint8), np.empty(0, np.int32)))
        self.clock = EventClock(source)

    def apply(self, state: State, events: Events, /) -> None:
        rows, last = state.arrays["rows"], state.arrays["last"]
        numbers = np.empty(0)
        state.ledger.add(
            kernel.run_events(pairwise, self._setting, events, state.n_events, numbers, rows, last)
        )

    def iterates(self, state: State) -> np.ndarray:
        return state.arrays["rows"][:, 0].copy()

    def time_limit(self, tol: float) -> float:
        # the squared distance has to fall by tol^2; e^20 stands for its constant, and for chance
        return 4 * (20 - 2 * math.log(max(min(tol, 1.0), 1e-16))) / self._decay_rate
