"""A run: advance, record, stop; from a state to a `Result`."""

from __future__ import annotations

import math
import time as clock
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...problems import Problem
from . import pieces
from .bound import Bound
from .metrics import Metric, Record, Recorder
from .noise import words_of_noise
from .progress import Outlook, progress_bar
from .records import Schedule, events_between
from .result import Result
from .state import State
from .trace import Trace

_BEYOND = 1e12  # times what bounds the solution: iterates there never come back

Callback = Callable[[State, Record], None]


@dataclass(frozen=True)
class Limits:
    """Where a run ends.

    Attributes
    ----------
    tol : float
        Relative tolerance.
    time, events : float
        Limits on simulated time and on events.
    watch : pieces.Watch
        Limit on wall time, and whether to stop.
    events_are_given : bool
        Whether the limit on events is the end of a given stream.
    """

    tol: float
    time: float
    events: float
    watch: pieces.Watch
    events_are_given: bool = False

    def reached(self, state: State) -> tuple[str, str] | None:
        """Return status and message where a state has reached a limit, None where it has not."""
        unmet = f"tolerance {self.tol:g} not"
        if state.time >= self.time:
            return "max_time", f"time limit {self.time:g} reached, {unmet}"
        if state.n_events >= self.events:
            what = "end of the given events" if self.events_are_given else "event limit"
            return "max_events", f"{what} {self.events:.0f} reached, {unmet}"
        if self.watch.is_stopped:
            return "stopped", "told to stop"
        if self.watch.left() <= 0.0:
            return "max_wall_time", f"limit of {self.watch.seconds:g} s reached, {unmet}"
        return None


def run(
    bound: Bound,
    problem: Problem,
    state: State,
    limits: Limits,
    *,
    x_star: np.ndarray | None = None,
    record_every: int | None = None,
    metrics: Sequence[Metric] = (),
    callbacks: Sequence[Callback] = (),
    progress: bool = False,
) -> Result:
    """Run until converged or stopped.

    Parameters
    ----------
    bound : Bound
        What advances.
    problem : Problem
        What it is bound to, for records.
    state : State
        Where it begins; changed in place.
    limits : Limits
        Where it ends.
    x_star, record_every, metrics, callbacks, progress
        As in `Solver.solve`.
    """
    recorder = Recorder(problem, bound.members, x_star, metrics)
    trace = Trace(dict.fromkeys(recorder.columns, ()), labels=recorder.labels)
    if record_every is None:
        schedule = Schedule(events_between(bound, problem, state), math.ceil(bound.unit))
    else:
        schedule = Schedule(record_every)
    rounding = np.finfo(float).eps * problem.smoothness if limits.tol > 0 else 0.0
    rounding = rounding if math.isfinite(rounding) else 0.0
    outlook = Outlook(limits.tol, limits.time, limits.events)
    ends = state.solver, limits.tol, limits.time, limits.events
    last = state  # of the last record
    with pieces.keeping(lambda: last), progress_bar(progress, *ends) as report:
        while True:
            begin = clock.perf_counter()
            X = bound.iterates(state)
            record = recorder.measure(state, X)
            verdict = _divergence(record, problem, bound, state, X)
            if verdict:
                state = last
                break
            trace.append(record)
            report(state, record)
            if _is_converged(record, state.first_optimality, limits.tol, rounding):
                verdict = "converged", f"tolerance {limits.tol:g} reached"
                break
            verdict = _called(callbacks, state, record) or limits.reached(state)
            if verdict:
                break
            outlook.look(state, record)
            last = state.copy()
            n_events = min(schedule.after(state.n_events), limits.events) - state.n_events
            recorded = clock.perf_counter()
            seconds = pieces.advance(
                bound, state, int(n_events), limits.time, limits.watch, reserve=recorded - begin
            )
            state.wall_time += seconds
        return _result(bound, problem, state, *verdict, trace, limits.tol, x_star)


def _divergence(
    record: Record, problem: Problem, bound: Bound, state: State, X: np.ndarray
) -> tuple[str, str] | None:
    """Return status and message of a run that has diverged; set the bounds of the state at the start."""
    if not (math.isfinite(record["optimality"] + record["consensus"]) and state.is_finite):
        return "diverged", f"non-finite values by time {state.time:.6g}"
    if math.isnan(state.first_optimality):
        state.first_optimality = record["optimality"]
    if math.isnan(state.most):
        state.most = _BEYOND * _scale(problem, X, bound.members)
    if record["size"] <= state.most:
        return None
    return (
        "diverged",
        f"iterates of norm {record['size']:.3g} by time {state.time:.6g}, {_BEYOND:g} times beyond every "
        "bound of the solution",
    )


def _called(callbacks: Sequence[Callback], state: State, record: Record) -> tuple[str, str] | None:
    """Call the callbacks; return status and message if one of them stops the run."""
    if not callbacks:
        return None
    seen = state.copy()
    try:
        for call in callbacks:
            call(seen, record)
    except StopIteration as reason:
        return "stopped", str(reason) or "a callback stopped the run"
    return None


def _is_converged(record: Record, first_optimality: float, tol: float, rounding: float) -> bool:
    small = max(tol * first_optimality, rounding * record["norm"])
    return record["optimality"] <= small and record["consensus"] <= tol * (1.0 + record["norm"])


def _scale(problem: Problem, X: np.ndarray, members: np.ndarray | None) -> float:
    """Return |X| + |G(X)| / mu (L where mu is 0), which bounds the norm of the solution; 1 if both are 0."""
    with np.errstate(over="ignore", invalid="ignore"):
        G = problem.gradients(X)
        if members is not None:
            X, G = X[members], G[members]
        curvature = problem.strong_convexity or problem.smoothness or math.inf
        scale = float(np.linalg.norm(X) + np.linalg.norm(G) / curvature)
    return (scale or 1.0) if math.isfinite(scale) else math.inf


def _result(
    bound: Bound,
    problem: Problem,
    state: State,
    status: str,
    message: str,
    trace: Trace,
    tol: float,
    x_star: np.ndarray | None,
) -> Result:
    """Return what a run has come to."""
    X, members = bound.iterates(state), bound.members
    if status in ("max_time", "max_events", "max_wall_time"):
        mean = (X if members is None else X[members]).mean(axis=0)
        floor = bound.noise_floor(state, mean if x_star is None else x_star)
        message += words_of_noise(floor, problem.strong_convexity, state.first_optimality, trace, tol, mean)
    bound_on_distance = _distance_bound(problem, trace)
    rate = bound.rate()
    return Result(X, status, message, trace, state, bound.average(state), members, rate, bound_on_distance)


def _distance_bound(problem: Problem, trace: Trace) -> float | None:
    """Return a bound on sqrt(mean |x_i - x*|^2) at the last record, None without strong convexity.

    That is sqrt(consensus^2 + |x_mean - x*|^2), and mu |x - x*| <= |grad f(x)|. Of a variational inequality
    on a set, mu |z - z*| <= 2 |residual(z)|: with R = residual / L and e = z - z*, the projection gives
    <R - F(z)/L, e - R> >= 0 and the solution <F(z*), e - R> >= 0, so that mu |e|^2 <= <F(z) - F(z*), e> <=
    L <R, e> + <F(z) - F(z*), R> <= 2 L |R| |e|.
    """
    mu = problem.strong_convexity
    if not (mu > 0.0 and len(trace)):
        return None
    factor = 2.0 if problem.blocks else 1.0
    return math.hypot(trace["consensus"][-1], factor * trace["optimality"][-1] / mu)
