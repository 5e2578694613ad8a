"""Time: which events come next, when they happen, where a run is cut, and what time a record has.

A method says what its events do; a clock says when. `RoundClock` is that of synchronous rounds, one a unit of
time, `EventClock` that of events at the times of a stream: Poisson's, or a given one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from ...kernels.events import CHUNK, Events
from .state import State

# what a method does with the events that a clock hands out; it counts all but the events themselves
Apply = Callable[[State, Any], None]


class Clock(Protocol):
    """What moves a state on in time.

    Attributes
    ----------
    n_events : float
        Events that there are: infinity, or the length of a given stream.
    """

    n_events: float

    def advance(self, apply: Apply, state: State, n_events: int, max_time: float) -> None:
        """Hand out the next events to `apply`, up to n_events that happen by max_time, and count them.

        The same events in several calls are the same events: runs are advanced in pieces.
        """
        ...

    def check(self, state: State) -> None:
        """Raise a ValueError for a state that this clock cannot have reached."""
        ...


class RoundClock:
    """Synchronous rounds: an event is a round of all nodes, and takes a unit of time.

    `apply(state, count)` does the next rounds, from number `state.n_events` on.
    """

    n_events = math.inf

    def advance(self, apply: Apply, state: State, n_events: int, max_time: float) -> None:
        """Do up to n_events rounds that end by max_time."""
        room = max(max_time - state.n_events, 0.0)
        n_rounds = n_events if room >= n_events else math.floor(room)
        if n_rounds:
            apply(state, n_rounds)
            state.n_events += n_rounds
            state.clock = state.time = float(state.n_events)
        if n_rounds < n_events:
            state.time = max(state.time, max_time)

    def check(self, state: State) -> None:
        """Refuse a state whose clock does not count the rounds."""
        if state.clock != state.n_events:
            raise ValueError(
                f"state.clock is {state.clock:g} after state.n_events = {state.n_events} rounds of 1 each"
            )


class Source(Protocol):
    """Where an `EventClock` takes its events from, as `kernels.events.EventStream` does."""

    def take(self, start: int, time: float, count: int, /) -> Events:
        """Return up to `count` events from number `start` on; the last before them was at `time`."""
        ...


class GivenEvents:
    """A stream of events that are given.

    Parameters
    ----------
    events : Events
        In the order of their times.
    """

    def __init__(self, events: Events):
        self._events = events

    def __len__(self) -> int:
        return len(self._events.time)

    def take(self, start: int, time: float, count: int, /) -> Events:
        """Return up to `count` events from number `start` on."""
        return Events(*(part[start : start + count] for part in self._events))


class EventClock:
    """Events at the times of a stream; `apply(state, events)` does the next ones.

    Parameters
    ----------
    source : Source
        Poisson clocks of nodes and edges, or given events.
    """

    def __init__(self, source: Source):
        self._source = source
        self.n_events = len(source) if isinstance(source, GivenEvents) else math.inf

    def advance(self, apply: Apply, state: State, n_events: int, max_time: float) -> None:
        """Apply up to n_events events that happen by max_time."""
        left = n_events if max_time > state.time else 0
        while left:
            events = self._source.take(state.n_events, state.clock, min(left, CHUNK))
            drawn = len(events.time)
            if drawn == 0:
                break  # the given events are used up
            if events.time[-1] > max_time:
                happened = int(np.searchsorted(events.time, max_time, side="right"))
                events = Events(*(part[:happened] for part in events))
            if len(events.time):
                apply(state, events)
                state.n_events += len(events.time)
                state.clock = state.time = float(events.time[-1])
            if len(events.time) < drawn:
                state.time = max_time
                break
            left -= drawn

    def check(self, state: State) -> None:
        """Refuse a state whose events are not its gradients and communications."""
        if state.n_gradients + state.n_communications != state.n_events:
            raise ValueError(
                f"state.n_events must be n_gradients + n_communications, got {state.n_events}, "
                f"{state.n_gradients} and {state.n_communications}"
            )
