"""What the benchmarks run on: networks, data, events, made fast at any size."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from gossamer.bench import floors
from gossamer.kernels import events, oracles
from gossamer.kernels.events import reference as numpy_events
from gossamer.kernels.oracles import reference as numpy_oracles

# theory's constants at mu = 0.01, L = 1; chi1 small enough for any of the networks to stay bounded
NU = 0.005
R = NU**0.5
CHI1 = 0.25
CONSTANTS = events.DadaoConstants(
    r=R,
    nu=NU,
    gamma=0.25,
    gamma_tilde=0.25 / NU**0.5,
    delta=R / 4,
    delta_tilde=1.0,
    beta=0.5,
    beta_tilde=2 * CHI1 / R,
)
L2 = 0.01
MODELS = {
    "logistic": (oracles.logistic, numpy_oracles.logistic_gradient),
    "least_squares": (oracles.least_squares, numpy_oracles.least_squares_gradient),
}


class Setup(NamedTuple):
    """One configuration: n nodes, d coordinates, m samples a node, and what share of events are gradients."""

    n_nodes: int
    dim: int
    samples: int = 50
    gradients: float = 0.0
    model: str = "logistic"

    @property
    def name(self) -> str:
        sizes = f"({self.n_nodes}, {self.dim}, {self.samples})"
        if self.gradients == 0:
            return f"{sizes} communications only"
        return f"{sizes} half gradients, {self.model.replace('_', ' ')}"

    @property
    def id(self) -> str:
        """The name, as `pytest -k` can select it."""
        events = self.model.replace("_", "-") if self.gradients else "communications"
        return f"{self.n_nodes}-{self.dim}-{self.samples}-{events}"

    @property
    def cost(self) -> floors.Cost:
        """Mean cost of an event."""
        gradients, communications = floors.gradient(self.dim, self.samples), floors.communication(self.dim)
        return gradients * self.gradients + communications * (1 - self.gradients)

    @property
    def working_set(self) -> int:
        """Numbers that the events live on."""
        state = floors.state_numbers(self.n_nodes, self.dim)
        return state + bool(self.gradients) * floors.data_numbers(self.n_nodes, self.dim, self.samples)


def network(n_nodes: int) -> np.ndarray:
    """Edges (2n, 2) of the ring in which each node has its two nearest neighbours on either side."""
    i = np.arange(n_nodes)
    edges = np.concatenate([np.stack([i, (i + step) % n_nodes], axis=1) for step in (1, 2)])
    edges.sort(axis=1)
    return np.ascontiguousarray(edges[np.lexsort((edges[:, 1], edges[:, 0]))], np.int32)


def stream(n_nodes: int, gradients: float) -> events.EventStream:
    """Events of `network`, n a unit of time, that share of them gradients."""
    rates = np.full(n_nodes, gradients), np.full(2 * n_nodes, (1 - gradients) / 2)
    return events.EventStream(*rates, key=1)


class Workload:
    """A setup with its arrays, ready to run.

    Parameters
    ----------
    setup : Setup
        Sizes.
    n_events : int
        Events of a round.
    """

    def __init__(self, setup: Setup, n_events: int):
        n, d = setup.n_nodes, setup.dim
        m = setup.samples if setup.gradients else 1
        rng = np.random.default_rng(0)
        features = rng.random((n * m, d))
        features -= 0.5
        features *= (12 / d) ** 0.5
        targets = np.where(rng.random(n * m) < 0.5, 1.0, -1.0)
        build, self._numpy_gradient = MODELS[setup.model]
        self.oracle = build(features, targets, np.arange(n + 1) * m, L2)
        self.edges = network(n)
        self.events = stream(n, setup.gradients).take(0, 0.0, n_events)
        self.start = events.dadao_rows(rng.random((n, d)), NU)
        self.rows = self.start.copy()
        self.last = np.zeros(n)

    def reset(self) -> None:
        """Go back to the start: rounds are then alike, and nothing decays to denormal numbers."""
        self.rows[:] = self.start
        self.last[:] = 0.0

    def compiled(self) -> None:
        events.dadao_advance(self.events, 0, self.edges, self.rows, self.last, CONSTANTS, self.oracle)

    def numpy_loop(self, count: int) -> Callable[[], None]:
        """Return the NumPy loop over the first events, as lists: it walks them faster than arrays."""
        data = self.oracle.data
        nodes = [(data.features[begin:end], data.targets[begin:end]) for begin, end in pairwise(data.offsets)]
        chosen = [part[:count].tolist() for part in self.events]
        edges = self.edges.tolist()

        def gradient(node: int, x: np.ndarray) -> np.ndarray:
            return self._numpy_gradient(x, *nodes[node], L2)

        def run() -> None:
            numpy_events.dadao_storage(chosen, edges, self.rows, self.last, CONSTANTS, gradient)

        return run
