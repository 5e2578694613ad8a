"""A method bound to a problem and a graph: what `Solver.bind` returns, and a run asks."""

from __future__ import annotations

import abc
from typing import Any

import numpy as np

from .clocks import Clock
from .state import State


class Bound(abc.ABC):
    """A solver bound to a problem and a graph.

    Attributes
    ----------
    clock : Clock
        When its events happen.
    work : float
        Numbers, of data and variables, that an event touches, roughly; at least 1. The length of pieces and
        the distance of records follow from it.
    unit : float
        Events a unit of time, roughly.
    members : (m,) int array or None
        Nodes that count, in ascending order: objective, mean, consensus and distance are theirs. None for
        all nodes.
    piece : int
        Events that were measured to take a tenth of a second, 0 before; see `pieces`.
    """

    clock: Clock
    work: float
    unit: float = 1.0
    piece: int = 0
    members: np.ndarray | None = None

    @abc.abstractmethod
    def apply(self, state: State, events: Any, /) -> None:
        """Do what the clock hands out: change the state's arrays in place, and count in its ledger.

        Parameters
        ----------
        state : State
            Before the events; `state.n_events` is the number of the first.
        events : int or kernels.events.Events
            How many rounds, or which events, as `clock` has it; one at least.
        """

    @abc.abstractmethod
    def iterates(self, state: State) -> np.ndarray:
        """Return the nodes' X (n, d) at state.time; the state stays as it is."""

    @abc.abstractmethod
    def time_limit(self, tol: float) -> float:
        """Return a simulated time by which theory promises the tolerance, with a wide margin."""

    def advance(self, state: State, n_events: int, max_time: float) -> None:
        """Apply up to n_events events that happen by max_time; change the state in place."""
        self.clock.advance(self.apply, state, n_events, max_time)

    def check(self, state: State) -> None:
        """Raise a ValueError for a state, laid out as this solver's are, that it cannot have reached."""
        self.clock.check(state)

    def rate(self) -> float | None:
        """Return the certified factor of the distance to the solution a round, where there is one."""
        return None

    def average(self, state: State) -> np.ndarray | None:
        """Return the time average of the mean iterate (d,), where it was asked for."""
        return None

    def noise_floor(self, state: State, x: np.ndarray) -> float:
        """Return a bound on the mean squared distance that the noise of batches at x leaves, 0 for none."""
        return 0.0
