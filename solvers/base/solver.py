"""The base of all solvers: validate, run, record, stop.

A solver is a frozen dataclass of hyper-parameters with two methods: `_start` (its variables at time zero) and
`_prepare` (everything that depends on the problem and the graph, as an object that applies events). All else,
from the trace to resuming, happens here once.
"""

from __future__ import annotations

import abc
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ...graphs import Graph
from ...kernels import random
from ...kernels.checks import count, frozen, instance, real, real_array
from ...problems import Problem, VariationalInequality
from ...problems.base.conditioning import warn_if_ill_conditioned
from . import pieces
from .bound import Bound
from .fingerprint import fingerprint
from .metrics import Metric, checked_metrics
from .result import Result
from .run import Callback, Limits, run
from .state import State

_SAME = 1e-5  # relative; other machines compute the same rates and constants to fewer digits than all
_START_FROM = "to start from its iterates, pass them as x0"


class _Unset(int):
    """The seed of a run that was given none, told apart from a 0 that was given."""


_SEED: random.Rng = _Unset(0)


@dataclass(frozen=True, eq=False)
class Solver(abc.ABC):
    """A method with its hyper-parameters; `solve` runs it.

    Subclasses are frozen dataclasses whose fields are hyper-parameters (None stands for theory's value).
    """

    # arrays of a state that hold what was set or computed at the start; a resumed run must agree on them
    _settings: ClassVar[tuple[str, ...]] = ()
    _takes_operators: ClassVar[bool] = False  # whether it solves variational inequalities
    # the assumption that is missing for a certified linear rate
    _uncertified: ClassVar[str] = (
        "no theorem that bounds it for all objectives of a condition number is known here"
    )

    @abc.abstractmethod
    def _start(self, problem: Problem, graph: Graph, X: np.ndarray) -> dict[str, np.ndarray]:
        """Return the solver's variables at time zero; X (n, d) is the start of each node."""

    @abc.abstractmethod
    def _prepare(self, problem: Problem, graph: Graph, state: State) -> Bound:
        """Bind the solver to the problem and the graph.

        What was computed from them at the start is in the state's arrays, and is taken from there, so that a
        resumed run has the bits of an uninterrupted one on any machine.
        """

    def init(
        self, problem: Problem, graph: Graph, x0: ArrayLike | None = None, *, rng: random.Rng = 0
    ) -> State:
        """Return the state before the first event.

        Parameters
        ----------
        problem : Problem
            The nodes' objectives.
        graph : Graph
            Connected, with as many nodes as the problem.
        x0 : (d,) or (n, d) array_like, optional
            Start, zero by default.
        rng : None, int, SeedSequence or Generator
            Source of randomness; equal seeds give equal bits.

        Returns
        -------
        State
            To be moved on by `advance`.
        """
        self._check_match(problem, graph)
        return self._begin(problem, graph, x0, rng)[0]

    def _begin(
        self, problem: Problem, graph: Graph, x0: ArrayLike | None, rng: random.Rng
    ) -> tuple[State, Bound]:
        """Return the state before the first event, and what is bound to a problem and a graph that match."""
        X = self._initial(problem, x0)
        warn_if_ill_conditioned(problem)
        state = State(
            solver=type(self).__name__,
            key=random.make_key(rng),
            fingerprint=fingerprint(problem, graph),
            arrays=self._start(problem, graph, X),
        )
        self._freeze(state)
        bound = self._prepare(problem, graph, state)
        state.prepared = (self, problem, graph, bound)
        state.first_optimality = self._first_optimality(problem)
        return state, bound

    def _freeze(self, state: State) -> None:
        """Make what a run never changes read-only: copies of the state share it."""
        for name in self._settings:
            frozen(state.arrays[name])

    def _initial(self, problem: Problem, x0: ArrayLike | None) -> np.ndarray:
        """Return the start X (n, d) of the nodes."""
        if x0 is None:
            return np.zeros((problem.n_nodes, problem.dim))
        shape, shapes = np.shape(x0), ((problem.dim,), (problem.n_nodes, problem.dim))
        if shape not in shapes:
            raise ValueError(f"x0 must have shape {shapes[0]} or {shapes[1]}, got {shape}")
        return np.array(np.broadcast_to(real_array("x0", x0, shape), shapes[1]))

    def _first_optimality(self, problem: Problem) -> float:
        """Return what `tol` is relative to; NaN for the norm of the gradient at the start."""
        return math.nan

    def advance(
        self, state: State, problem: Problem, graph: Graph, n_events: int = 1, *, max_time: float = np.inf
    ) -> State:
        """Apply the next events to a state, in place.

        Parameters
        ----------
        state : State
            From `init`, `State.load` or a result.
        problem, graph
            Those of `init`.
        n_events : int
            How many events.
        max_time : float
            Stop before the first event later than this.

        Returns
        -------
        State
            The same object. `state.copy()` before, to keep the old one. If an objective raises, or Ctrl-C
            comes in between, the state is spoilt, and its arrays are NaN.
        """
        n_events = count("n_events", n_events)
        max_time = real("max_time", max_time, allow_inf=True)
        pieces.advance(self._bound(state, problem, graph), state, n_events, max_time, pieces.ENDLESS)
        return state

    def iterates(self, state: State, problem: Problem, graph: Graph) -> np.ndarray:
        """Return the nodes' iterates at `state.time`.

        Parameters
        ----------
        state, problem, graph
            As in `advance`.

        Returns
        -------
        (n, d) array
            One row a node.
        """
        return self._bound(state, problem, graph).iterates(state)

    def solve(
        self,
        problem: Problem,
        graph: Graph,
        x0: ArrayLike | None = None,
        *,
        tol: float = 1e-8,
        max_time: float | None = None,
        max_events: int | None = None,
        max_wall_time: float | None = None,
        x_star: ArrayLike | None = None,
        rng: random.Rng = _SEED,
        record_every: int | None = None,
        metrics: Sequence[Metric] = (),
        callback: Callback | Sequence[Callback] | None = None,
        progress: bool = False,
        state: State | None = None,
        stop: threading.Event | None = None,
    ) -> Result:
        """Run until converged or stopped.

        Converged: |grad f(x_mean)| <= tol |grad f(x_mean at start)| and
        sqrt(mean |x_i - x_mean|^2) <= tol (1 + |x_mean|), checked at each record. Nothing raises for not
        converging: see `Result.status`.

        Parameters
        ----------
        problem : Problem
            The nodes' objectives.
        graph : Graph
            Connected, with as many nodes as the problem.
        x0 : (d,) or (n, d) array_like, optional
            Start, zero by default.
        tol : float
            Relative tolerance; 0 runs to a limit. Gradients at their rounding level, eps L |x_mean|, are
            small enough for any other tolerance.
        max_time : float, optional
            Limit on simulated time. With neither limit: a multiple of the time that theory promises.
        max_events : int, optional
            Limit on events.
        max_wall_time : float, optional
            Limit on this call, in seconds of a clock on the wall, with tuning, compilation and records, the
            first of which is always made. Where it ends a run is not the same from one call to the next; the
            iterates there are.
        x_star : (d,) array_like, optional
            Minimiser, for the trace's `distance`; `problem.solution()` gives it.
        rng : None, int, SeedSequence or Generator
            Source of randomness, 0 by default; equal seeds give equal bits, whatever the number of threads.
        record_every : int, optional
            Events between two records of the trace. A record costs about two gradients at every node; by
            default each of the first 50 rounds (units of time) is recorded, then seldom enough for records to
            be a small part of a long run.
        metrics : sequence of Metric
            Further columns of the trace.
        callback : callable or sequence of callables, optional
            Each is called after each record with a copy of the state, to keep or to change, and the record;
            StopIteration stops the run.
        progress : bool
            Show a progress bar.
        state : State, optional
            Go on from here, instead of from x0 and rng; counts and limits include what came before, but for
            `max_wall_time`.
        stop : threading.Event, optional
            Ends the run, with a last record, soon after another thread or a handler of signals has set it.

        Returns
        -------
        Result
            Iterates, status, trace, state.

        Raises
        ------
        TypeError, ValueError
            Arguments that do not fit, or contradict each other; a state of another problem, graph or solver,
            or one that no run can have reached.
        KeyboardInterrupt
            Ctrl-C, within half a second: compiled loops run in pieces of a tenth. Its attribute `state` is a
            copy of the state at the last record, to go on from as if nothing had happened, or None before the
            first. What one call of LAPACK, one round or one objective takes is waited for, and so is the
            compilation of a kernel. gossamer handles no signal: Ctrl-C raises in the main thread, and `stop`
            is for the others.

        Notes
        -----
        A run that has done a tenth of a million rounds (units of simulated time), or a minute, and is on the
        way to a million, or to ten minutes, says so once, by a `problems.PerformanceWarning`; so does, at its
        start, one on data whose columns differ in size by 1e8, or with L/mu above 1e12.
        """
        if max_wall_time is not None:
            max_wall_time = real("max_wall_time", max_wall_time, above=0.0, allow_inf=True)
        if stop is not None and not isinstance(stop, threading.Event):
            raise TypeError(f"stop must be a threading.Event, got {type(stop).__name__}")
        watch = pieces.Watch(max_wall_time, stop)
        self._check_match(problem, graph)
        tol = real("tol", tol, least=0.0)
        if max_time is not None:
            max_time = real("max_time", max_time, above=0.0, allow_inf=True)
        if max_events is not None:
            max_events = count("max_events", max_events)
        if record_every is not None:
            record_every = count("record_every", record_every, least=1)
        target = None if x_star is None else real_array("x_star", x_star, (problem.dim,))
        metrics = checked_metrics(metrics)
        with pieces.keeping(lambda: state):
            if state is None:
                state, bound = self._begin(problem, graph, x0, rng)
            elif x0 is not None:
                raise ValueError("give x0 or state, not both: a state holds its iterates")
            elif rng is not _SEED:
                raise ValueError("give rng or state, not both: a state holds the key of its draws")
            else:
                state.check()
                state = state.copy()
                bound = self._bound(state, problem, graph)
        if max_time is None and max_events is None:
            max_time = bound.time_limit(tol)
        asked = math.inf if max_events is None else max_events
        return run(
            bound,
            problem,
            state,
            Limits(
                tol,
                math.inf if max_time is None else max_time,
                min(asked, bound.clock.n_events),
                watch,
                events_are_given=bound.clock.n_events < asked,
            ),
            x_star=target,
            record_every=record_every,
            metrics=metrics,
            callbacks=(callback,) if callable(callback) else tuple(callback or ()),
            progress=progress,
        )

    def certified_rate(self, problem: Problem, graph: Graph, *, changing: bool = False) -> float:
        """Return an upper bound on the worst linear rate of the distance to the solution, a round.

        It holds for all objectives with the problem's smoothness and strong convexity, and all graphs with
        the extreme eigenvalues of this one's mixing matrix, for the numbers that `solve` would run with:
        sqrt(mean |x_i - x*|^2) <= C rate^t after t rounds with full gradients, for some C. Rounded up.

        Parameters
        ----------
        problem, graph
            As in `solve`.
        changing : bool
            For graphs that change every round, whose mixing matrices have all |W_k - J| <= sigma, J that of
            the complete graph and sigma = |W - J| of this one.

        Returns
        -------
        float
            Below 1, or infinite: no linear rate is certified for these numbers.

        Raises
        ------
        NotImplementedError
            There is no such certificate for this method, or an assumption is missing; the message names it.
        """
        self._check_match(problem, graph)
        return self._certified_rate(problem, graph, changing)

    def _certified_rate(self, problem: Problem, graph: Graph, changing: bool) -> float:
        """Return `certified_rate`, by subclasses that have one."""
        raise self._uncertifiable(self._uncertified)

    def _uncertifiable(self, missing: str) -> NotImplementedError:
        """Return the error that says what a certified rate lacks."""
        return NotImplementedError(f"{type(self).__name__} has no certified linear rate: {missing}")

    def _check_match(self, problem: Problem, graph: Graph) -> None:
        if not isinstance(problem, Problem) or not isinstance(graph, Graph):
            raise TypeError(
                f"expected a Problem and a Graph, got {type(problem).__name__} and {type(graph).__name__}; "
                "Graph.from_networkx and Graph.from_edges make graphs"
            )
        if isinstance(problem, VariationalInequality) and not self._takes_operators:
            raise TypeError(
                f"{type(self).__name__} minimises, and {type(problem).__name__} is a variational inequality: "
                "take Extragradient, MASHA1 or MASHA2"
            )
        if problem.n_nodes != graph.n_nodes:
            raise ValueError(
                f"the problem has {problem.n_nodes} nodes and the graph {graph.n_nodes}; they must agree"
            )

    def _has_started(self, problem: Problem, graph: Graph, found: dict[str, np.ndarray]) -> bool:
        """Whether these arrays of a state can be this solver's, by their shapes and settings."""
        fresh = self._start(problem, graph, np.zeros((problem.n_nodes, problem.dim)))
        return layout(fresh) == layout(found) and all(
            same(fresh[name], found[name]) for name in self._settings
        )

    def _bound(self, state: State, problem: Problem, graph: Graph) -> Bound:
        """Return what `_prepare` made of this solver, problem and graph, made at most once a state."""
        instance("state", state, State, "what init returns")
        if state.solver != type(self).__name__:
            raise ValueError(f"the state belongs to {state.solver}, not to {type(self).__name__}")
        found = state.prepared
        if found is None or not (found[0] is self and found[1] is problem and found[2] is graph):
            self._check_match(problem, graph)
            if state.fingerprint != fingerprint(problem, graph):
                raise ValueError(f"the state belongs to another problem or graph; {_START_FROM}")
            if not self._has_started(problem, graph, state.arrays):
                raise ValueError(
                    f"the state belongs to {state.solver} with other hyper-parameters; {_START_FROM}"
                )
            state.check()
            self._freeze(state)
            bound = self._prepare(problem, graph, state)
            bound.check(state)
            found = state.prepared = (self, problem, graph, bound)
        return found[3]


def layout(arrays: dict[str, np.ndarray]) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Return shape and type of each array."""
    return {name: (array.shape, array.dtype) for name, array in arrays.items()}


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays of one shape agree: integers exactly, floats as far as machines agree on them."""
    if a.dtype.kind in "iub":
        return np.array_equal(a, b)
    return np.allclose(a, b, rtol=_SAME, atol=0.0)
