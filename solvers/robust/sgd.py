"""Stochastic gradient descent with a server that aggregates robustly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...graphs import Graph
from ...kernels.aggregation import Aggregator
from ...kernels.aggregation.neighbours import pivot
from ...problems import Problem
from ..base.network import server_network
from ..base.state import State
from .base import BoundRobust, RobustSolver, checked_momentum


@dataclass(frozen=True, eq=False)
class RobustSGD(RobustSolver):
    """Distributed SGD in which a robust rule stands in for the mean of the workers' gradients.

    Each round, every worker sends a (mini-batch) gradient, or its momentum, at the common iterate; faulty
    ones send what an attack makes of it. The server aggregates and takes a step. On `graphs.star(n)` the hub
    is the server, and an honest worker too; on `graphs.complete(n)` every node is its own server.

    Parameters
    ----------
    aggregator : Aggregator
        Rule of `kernels.aggregation`, such as ``NNM(2) >> Flag(m=4)``.
    f : int or sequence of int
        How many nodes are faulty, the last ones; or which. The rule is told by its own parameters.
    attack : Attack, optional
        What faulty nodes send; it needs an f. None: they send honestly computed gradients, of data that may
        be spoilt (``problem.flipped(nodes)`` flips labels) or not (the baseline), and only do not count.
    step : float, optional
        Step size. None: (1 - server_momentum) / L, of L(b) with mini-batches, right for rules whose value is
        near the mean gradient. Rules that drop norms (`NormalizedMean`, `Flag` but for ``scale="median"``,
        "clip", "raw") need one set, and with a constant one end in steps of one length: let it decay.
    step_decay : float
        The step of round t is step / (1 + step_decay t).
    momentum : float
        beta of the workers' momentum, m <- beta m + (1 - beta) g.
    server_momentum : float
        beta of the server's momentum, u <- beta u + value, x <- x - step u.
    batch_size : int, optional
        Samples b a gradient, drawn without replacement; None: full gradients. Theory's step has L(b) =
        `problem.expected_smoothness(b)` in place of L.

    Notes
    -----
    Objective and gradient in the trace are those of the honest nodes' data; the accuracy is that on the
    problem's test samples, or on all samples, flipped ones too, if there are none. Rules that remember do:
    `CenteredClipping` starts from the value of the round before, `FoolsGold` compares the sums of all that
    each worker has sent; ``state.arrays["memory"]`` holds it. Messages that are not finite are left out:
    ``state.arrays["excluded"]`` counts them by sender. Momentum at the workers:
    Karimireddy, He & Jaggi, "Learning from history for Byzantine robust optimization" (ICML 2021). A round
    sends d numbers of 64 bits up from each worker, faulty ones too, and down to each. Gradients are counted
    where they are computed: faulty workers whose attack does not start from their own compute none.

    Examples
    --------
    >>> import numpy as np
    >>> from gossamer import graphs, problems, solvers
    >>> from gossamer.kernels.aggregation import CoordinateMedian, Mean
    >>> values = np.array([[0.9], [1.0], [1.1], [1.0], [7.0]])
    >>> problem, star = problems.Averaging(values), graphs.star(5)
    >>> attack = problems.attacks.ReversedGradient()
    >>> robust = solvers.RobustSGD(CoordinateMedian(), f=1, attack=attack, step=0.5)
    >>> robust.solve(problem, star, max_events=100).x.round(2).tolist()
    [1.0]
    >>> weak = solvers.RobustSGD(Mean(), f=1, attack=attack, step=0.5)
    >>> bool(abs(weak.solve(problem, star, max_events=100).x[0]) > 50)
    True
    """

    aggregator: Aggregator
    server_momentum: float = 0.0

    def _step(self, problem: Problem) -> float:
        scale = 1.0 if self.step is not None else 1.0 - self.server_momentum
        return scale * super()._step(problem)

    def _start(self, problem: Problem, graph: Graph, X: np.ndarray) -> dict[str, np.ndarray]:
        if not isinstance(self.aggregator, Aggregator):
            raise TypeError(
                "aggregator must be one of kernels.aggregation, such as CoordinateMedian(), got "
                f"{self.aggregator!r}"
            )
        momentum = checked_momentum("server_momentum", self.server_momentum)
        steps = [*self._common(problem), momentum]
        n = problem.n_nodes
        server_network(graph)
        hub = int(np.argmax(graph.degrees))
        if n > 1 and graph.n_edges == n - 1 and hub in self.faulty(n):
            raise ValueError(
                f"node {hub}, the hub of the star, is the server and must be honest, but f has it among the "
                "faulty nodes: name others, or take graphs.complete(n)"
            )
        trusted = pivot(self.aggregator)
        if trusted in self.faulty(n):
            raise ValueError(
                f"worker {trusted}, the pivot of {self.aggregator!r}, is trusted and must be honest, but "
                "f has it among the faulty nodes: name others, or set another pivot"
            )
        self._check_attack(n)
        self.aggregator(np.zeros((n, problem.dim)), full=True)  # raises where parameters and n do not fit
        if (X[0] != X).any():
            raise ValueError("x0 must be one start for all nodes, (d,): they hold the same iterate")
        memory = self.aggregator.new_memory(n, problem.dim)
        arrays = {"x": X[0].copy(), "velocity": np.zeros(problem.dim), "memory": memory}
        return arrays | self._arrays(problem, steps, self.aggregator)

    def _prepare(self, problem: Problem, graph: Graph, state: State) -> _BoundSGD:
        return _BoundSGD(self, problem, graph, state)


class _BoundSGD(BoundRobust):
    """`RobustSGD` bound to a problem and a graph."""

    def __init__(self, solver: RobustSGD, problem: Problem, graph: Graph, state: State):
        super().__init__(solver, problem, server_network(graph), state)
        self._aggregator = solver.aggregator
        self._server_momentum = float(state.arrays["steps"][4])

    def iterates(self, state: State) -> np.ndarray:
        """Return the common iterate, once a node."""
        return np.repeat(state.arrays["x"][None], len(self._gradients), axis=0)

    def _round(self, state: State, turn: int) -> None:
        x, velocity = state.arrays["x"], state.arrays["velocity"]
        rows = self._directions(state, turn, x[None])
        if self._is_lost(rows):
            x[:] = np.nan
            return
        found = self._aggregator.with_memory(self._sent(rows, turn), state.arrays["memory"], step=turn)
        state.arrays["excluded"][found.excluded] += 1
        velocity *= self._server_momentum
        velocity += found.value
        x -= self._length(turn) * velocity
