"""DADAO: decentralised asynchronous optimisation with decoupled gradients and communications."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ...graphs import GossipRates, Graph, chi
from ...kernels import events as kernel
from ...kernels.checks import real, real_array
from ...kernels.events import DadaoConstants, EventStream
from ...kernels.ledger import BITS, COMMUNICATIONS, GRADIENTS, new_ledger
from ...kernels.oracles import Batches
from ...problems import Problem
from ..base.bound import Bound
from ..base.clocks import EventClock, GivenEvents
from ..base.solver import Solver
from ..base.state import State

_SLACK = 1e-9  # relative; rounding must not turn rates at the edge of the condition away


@dataclass(frozen=True, eq=False)
class DADAOParameters:
    """What DADAO runs with on one problem and graph.

    Attributes
    ----------
    rates : (m,) array
        Communication rate of each edge, per mean gap between two gradients of a node.
    chi1, chi2 : float
        1/lambda_2 of the Laplacian with these rates, and half the largest effective resistance of an edge.
    constants : DadaoConstants
        Flow and jumps.
    decay_rate : float
        sqrt(mu/L) / (8 sqrt 2): theory's bound on the decay of E |X - X*|^2 per unit of time, with L(b) for L
        where gradients are over mini-batches.
    """

    rates: np.ndarray
    chi1: float
    chi2: float
    constants: DadaoConstants
    decay_rate: float

    @property
    def total_rate(self) -> float:
        """Communications per unit of time."""
        return float(self.rates.sum())


@dataclass(frozen=True, eq=False)
class DADAO(Solver):
    """Primal, asynchronous, accelerated gossip method for smooth and strongly convex objectives.

    Each node takes gradients at the times of a Poisson clock of rate 1, each edge averages at the times of
    its own clock, and between events the nodes' variables follow a linear flow, integrated exactly. With edge
    rates such that chi1 chi2 <= 1/2, E |X - X*|^2 decays at the rate sqrt(mu/L)/(8 sqrt 2) at least: of the
    order n sqrt(kappa) log(1/eps) gradients and n sqrt(chi1 chi2) sqrt(kappa) log(1/eps) communications.

    Parameters
    ----------
    rates : (m,) array_like or GossipRates, optional
        Rate of each edge, in the order of `graph.edges`. None: uniform, at the smallest total that the
        condition allows. An array is taken as it is. `GossipRates` are scaled to the smallest such total.
    batch_size : int, optional
        Samples a gradient, drawn without replacement; nodes with fewer use all. None: full gradients. With
        mini-batches all constants have L(b) = `problem.expected_smoothness(batch_size)` in place of L; the
        iterates reach a noise floor, and their time average goes below it.
    average_from : float, optional
        Simulated time from which `Result.x_average` averages the nodes' iterates. None: 0 with mini-batches,
        no average with full gradients.
    events : (time, kind, index), optional
        Events to apply instead of drawing them: kind 0 is a gradient at node `index`, kind 1 a communication
        along edge `index`. `Events` of `kernels.events`, or three vectors.
    constants : DadaoConstants, optional
        Flow and jumps, instead of theory's: see `parameters`. The flow is a function of r alone.
    check_rates : bool
        Refuse rates with chi1 chi2 > 1/2. Without, the mean still converges and the second moment need not.

    Notes
    -----
    With nu = mu/2 and r = sqrt(nu/L): eta = eta~ = alpha~ = r/8, alpha = r/4, theta = 1/(2r), gamma = 1/(4L),
    gamma~ = 1/(4 sqrt(L nu)), delta = r/4, delta~ = 1, beta = 1/2, beta~ = 2 chi1/r. Between events

        X' = eta (X~ - X)     Y' = alpha (Y~ - Y)                  Z' = alpha (Z~ - Z)
        X~' = eta~ (X - X~)   Y~' = -theta (Y + Z + nu X~)         Z~' = alpha~ (Z - Z~)

    A gradient at node i, g = grad f_i(X_i) - nu X_i - Y~_i, moves X_i by -gamma g, X~_i by -gamma~ g, Y~_i by
    (delta + delta~) g. A communication along ij, m = (Y_i + Z_i) - (Y_j + Z_j), moves Z_i by -beta m, Z~_i by
    -beta~ m, and those of j by the opposite. Each direction sends d floats of 64 bits.

    Source: Nabli and Oyallon, "DADAO: decoupled accelerated decentralized asynchronous optimization" (ICML
    2023); constants as in the authors' implementation.

    Examples
    --------
    >>> from gossamer import graphs, problems, solvers
    >>> import numpy as np
    >>> H = np.stack([np.diag([1.0, 2.0])] * 4)
    >>> problem = problems.Quadratic(H, np.arange(8.0).reshape(4, 2))
    >>> result = solvers.DADAO().solve(problem, graphs.cycle(4), tol=1e-6)
    >>> result.success, result.x.round(4).tolist()
    (True, [3.0, 2.0])
    """

    _settings: ClassVar[tuple[str, ...]] = ("rates", "constants", "options")

    rates: ArrayLike | GossipRates | None = None
    batch_size: int | None = None
    average_from: float | None = None
    events: tuple[ArrayLike, ArrayLike, ArrayLike] | None = None
    constants: DadaoConstants | None = None
    check_rates: bool = True

    def parameters(self, problem: Problem, graph: Graph) -> DADAOParameters:
        """Return rates and constants for one problem and graph.

        Parameters
        ----------
        problem : Problem
            Its smoothness (of mini-batches, where there are any) and strong convexity are read.
        graph : Graph
            Connected.

        Returns
        -------
        DADAOParameters
            What `solve` runs with.

        Raises
        ------
        ValueError
            No strong convexity, a disconnected graph, or rates that break chi1 chi2 <= 1/2.
        """
        self._check_match(problem, graph)
        if self.average_from is not None:
            real("average_from", self.average_from, least=0.0)
        mu, L = problem.strong_convexity, self._smoothness(problem)
        if not 0 < mu <= L < math.inf:
            raise ValueError(
                f"DADAO needs 0 < strong_convexity <= smoothness < inf on every node, got {mu:g} and {L:g}; "
                "an l2 term makes a convex problem strongly convex"
            )
        rates, chi1, chi2 = self._rates(graph)
        nu = mu / 2
        r = math.sqrt(nu / L)
        constants = self._given_constants() or DadaoConstants(
            r=r,
            nu=nu,
            gamma=1 / (4 * L),
            gamma_tilde=1 / (4 * L * r),
            delta=r / 4,
            delta_tilde=1.0,
            beta=0.5,
            beta_tilde=2 * chi1 / r,
        )
        return DADAOParameters(rates, chi1, chi2, constants, _decay_rate(mu, L))

    def _smoothness(self, problem: Problem) -> float:
        """Return L, or L(b) of mini-batches."""
        size = problem.mini_batch(self.batch_size)
        return problem.smoothness if size is None else problem.expected_smoothness(size)

    def _given_constants(self) -> DadaoConstants | None:
        if self.constants is None:
            return None
        given = real_array("constants", self.constants, (len(DadaoConstants._fields),))
        constants = DadaoConstants(*given.tolist())
        if not 0 < constants.r**2 < 8:
            raise ValueError(f"constants.r must be positive and below sqrt(8), got {constants.r}")
        return constants

    def _rates(self, graph: Graph) -> tuple[np.ndarray, float, float]:
        """Return rates, chi1, chi2."""
        if graph.n_nodes == 1:
            return np.empty(0), 0.0, 0.0
        given = self.rates
        if isinstance(given, GossipRates):
            shape = given.rates
            if not np.array_equal(given.graph.edges, graph.edges):
                raise ValueError("the GossipRates were computed for a graph with other edges")
        elif given is None:
            shape = np.full(graph.n_edges, 1.0 / max(graph.n_edges, 1))
        else:
            rates = real_array("rates", given, (graph.n_edges,), least=0.0).copy()
            chi1, chi2 = chi(graph, rates)
            scale = math.sqrt(2 * chi1 * chi2)
            if self.check_rates and scale > 1 + _SLACK:
                raise ValueError(
                    f"these rates have chi1 * chi2 = {chi1 * chi2:.6g} > 1/2: the second moment may diverge; "
                    f"multiply them by at least {scale * (1 + 1e-8):.9g}, or pass check_rates=False"
                )
            return rates, chi1, chi2
        chi1, chi2 = chi(graph, shape)
        scale = math.sqrt(2 * chi1 * chi2)
        return shape * scale, chi1 / scale, chi2 / scale

    def _start(self, problem: Problem, graph: Graph, X: np.ndarray) -> dict[str, np.ndarray]:
        parameters = self.parameters(problem, graph)
        begin = self._averages_from(problem)
        arrays = {
            "rows": kernel.dadao_rows(X, parameters.constants.nu),
            "last": np.zeros(problem.n_nodes),
            "rates": parameters.rates,
            "constants": np.array(parameters.constants),
            "options": np.array([problem.mini_batch(self.batch_size) or 0.0, begin or 0.0]),
        }
        if begin is not None:
            arrays["area"] = np.zeros(X.shape)
        return arrays

    def _averages_from(self, problem: Problem) -> float | None:
        if self.average_from is None and problem.mini_batch(self.batch_size) is not None:
            return 0.0
        return self.average_from

    def _prepare(self, problem: Problem, graph: Graph, state: State) -> _BoundDADAO:
        return _BoundDADAO(self, problem, graph, state)


class _BoundDADAO(Bound):
    """DADAO bound to a problem and a graph."""

    def __init__(self, solver: DADAO, problem: Problem, graph: Graph, state: State):
        rates = state.arrays["rates"].copy()
        self._constants = DadaoConstants(*state.arrays["constants"].tolist())
        self._edges = graph.edges
        self._dim = problem.dim
        self._average_from = solver._averages_from(problem)
        size = problem.mini_batch(solver.batch_size)
        if size is None:
            self._oracle, self._batches = problem.oracle, None
        else:
            self._oracle = problem.sample_oracle
            self._batches = Batches(size, self._oracle.n_samples, np.uint64(state.key))
        if solver.events is None:
            source = EventStream(np.ones(problem.n_nodes), rates, state.key)
        else:
            source = GivenEvents(kernel.check_events(solver.events, problem.n_nodes, graph.n_edges))
        self.clock = EventClock(source)
        self.unit = problem.n_nodes + float(rates.sum())
        self.work = (
            self._oracle.work(size or 0) / self.unit + state.arrays["rows"][0].size
        )  # few events are gradients
        self._problem, self._size, self._L = problem, size, solver._smoothness(problem)

    def apply(self, state: State, events: kernel.Events, /) -> None:
        counts = new_ledger()
        counts[GRADIENTS] = kernel.dadao_advance(
            events,
            state.n_events,
            self._edges,
            state.arrays["rows"],
            state.arrays["last"],
            self._constants,
            self._oracle,
            batches=self._batches,
            area=state.arrays.get("area"),
            average_from=self._average_from or 0.0,
        )
        counts[COMMUNICATIONS] = len(events.time) - counts[GRADIENTS]
        counts[BITS] = counts[COMMUNICATIONS] * 2 * 64 * self._dim
        state.ledger.add(counts)

    def check(self, state: State) -> None:
        super().check(state)
        last = state.arrays["last"]  # times to which the nodes' variables have flowed
        if last.min() < 0.0 or last.max() > state.clock:
            raise ValueError(
                f"state.arrays['last'] must lie between 0 and state.clock = {state.clock:g}, got "
                f"{last.min():g} to {last.max():g}"
            )

    def iterates(self, state: State) -> np.ndarray:
        constants = self._constants
        return kernel.dadao_iterates(state.arrays["rows"], state.arrays["last"], state.time, constants)

    def average(self, state: State) -> np.ndarray | None:
        start = self._average_from
        if start is None or state.time <= start:
            return None
        integrals = kernel.dadao_integrals(
            state.arrays["area"],
            state.arrays["rows"],
            state.arrays["last"],
            state.time,
            self._constants,
            start,
        )
        return integrals.mean(axis=0) / (state.time - start)

    def noise_floor(self, state: State, x: np.ndarray) -> float:
        # of the order of the noise over mu sqrt(mu L): the step of X~ and Y~ in place of 1/L
        if self._size is None:
            return 0.0
        mu = self._problem.strong_convexity
        return self._problem.gradient_noise(self._size, x) / (mu * math.sqrt(mu * self._L))

    def time_limit(self, tol: float) -> float:
        decay_rate = _decay_rate(self._problem.strong_convexity, self._L)
        # the squared distance has to fall by tol^2 at the guaranteed rate; e^20 stands for its constant
        return 4 * (20 - 2 * math.log(max(min(tol, 1.0), 1e-16))) / decay_rate


def _decay_rate(mu: float, L: float) -> float:
    return math.sqrt(mu / L) / (8 * math.sqrt(2))
