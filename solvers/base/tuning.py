"""The tuner of step sizes: probe rounds from a fixed start, in halves first, then finer and longer."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import numpy as np

from ...graphs import Graph
from ...problems import Problem, VariationalInequality
from .solver import Solver

PROBE_ROUNDS = 50
_LONG = 4 * PROBE_ROUNDS  # what slowly diverges shows itself
_LAST = 16 * PROBE_ROUNDS
_FINE = 2.0**0.25  # between two neighbouring values that are tried, and what a run can bear above the result
_GROWTH = 2.0  # of the residual from one horizon to the next: as much as noise around a floor
_FALL = 0.8  # of residual or speed in the second half: more, and the run is watched for longer
_LOST = 100.0  # times the residual at the start: diverged
_ROUNDING = 1e-12  # residuals below are as good
_SMALLEST = 1e-12  # times where the search begins
_NUMBERS = 2048  # coordinates of all nodes: with fewer, one run says little of the mean square
_MOST_DRAWS = 8
_STRIDE = 10  # rounds between two looks at the residual


def tuned(
    solver: Solver,
    problem: Problem,
    graph: Graph,
    values: dict[str, float],
    name: str,
    largest: float,
    start: np.ndarray | None,
    *,
    exact: bool,
    draws: bool,
    noisy: bool = False,
) -> float:
    """Return the value of one parameter with which the residual falls most.

    The residual is |grad f(x_mean)| (of operators: |problem.residual(x_mean)|) + L sqrt(mean |x_i -
    x_mean|^2), over that at the start. Values are tried in halves, and doubles below the largest, with
    `PROBE_ROUNDS` rounds; from the best one on in steps of 2^(1/2) with four times the rounds, and of 2^(1/4)
    with sixteen times: the edge of stability is sharp, and just above it a run looks best at first. Then the
    value is lowered until the residual does not grow on the way, neither with it nor, in the shorter run,
    with 2^(1/4) times it. Where runs draw, a probe of a small problem is the mean square of several seeds.
    Where noise of mini-batches keeps every value from lowering the residual, it is the largest that bears it.
    The rounds count in no ledger: this is tuning before a run, not a part of the method.

    Parameters
    ----------
    solver : Solver
        The method.
    problem, graph
        Where it is to run.
    values : dict of str to float
        Theory's value of this parameter (NaN for none), and the values of all others.
    name : str
        Which parameter.
    largest : float
        Upper end of the search, at most. Where it is finite, the search begins there, else at theory's value
        or at 1/L.
    start : (d,) array or None
        x0 of the probes; see `probe_start`.
    exact : bool
        Whether the method reaches the solution itself, so that no floor is to be expected.
    draws : bool
        Whether runs with other seeds differ.
    noisy : bool
        Whether gradients are over mini-batches.

    Raises
    ------
    ValueError
        No value lowers the residual, and not for the noise of mini-batches.
    """
    probe = _Probe(solver, problem, graph, values, name, start, draws)
    theory = values.get(name, math.nan)
    first = largest
    if not math.isfinite(largest):
        first = theory if math.isfinite(theory) and theory > 0.0 else 1.0 / problem.smoothness
    best, smallest = first, _SMALLEST * first
    for n_rounds, factor in ((PROBE_ROUNDS, 2.0), (_LONG, math.sqrt(2.0)), (_LAST, _FINE)):
        best = _walk(lambda value, n=n_rounds: probe.score(value, n), best, factor, largest, smallest)
    if noisy and not probe.score(best, _LAST)[0] < 1.0:
        best = first
    least = best / 1000.0
    while best > least and not (probe.bears(min(best * _FINE, largest), _LONG) and probe.lasts(best, exact)):
        best /= _FINE
    if not noisy and not probe.score(best, _LAST)[0] < 1.0:
        raise ValueError(f"no value of {name} makes progress in {_LAST} rounds: set it by hand")
    return best


def probe_start(problem: Problem) -> np.ndarray:
    """Return where probes start: zero, or a random point where zero is the solution or near it.

    With a set, zero is projected onto it.

    Parameters
    ----------
    problem : Problem
        The objective, or operators.

    Returns
    -------
    (d,) array
        The same for all nodes.
    """
    zero = np.zeros(problem.dim)
    if isinstance(problem, VariationalInequality):
        zero = problem.project(zero)
    gradients = problem.gradients(np.tile(zero, (problem.n_nodes, 1)))
    size = math.sqrt(float((gradients**2).sum()) / problem.n_nodes)
    if np.linalg.norm(problem.value_and_gradient(zero)[1]) > 0.01 * size:
        return zero
    direction = np.random.default_rng(0).standard_normal(problem.dim)
    direction *= (size / problem.smoothness or 1.0) / np.linalg.norm(direction)
    if isinstance(problem, VariationalInequality):  # half-way: not on the boundary of a simplex
        return (zero + problem.project(zero + direction)) / 2.0
    return direction


def _walk(score, value: float, factor: float, largest: float, smallest: float) -> float:
    """Go from a value by a factor up or down as long as the score falls; down while there is none at all."""
    while score(value)[0] >= 1.0 and value / factor > smallest:
        value /= factor
    for step in (1.0 / factor, factor):
        begin = value
        while smallest < value * step <= largest and score(value * step) < score(value):
            value *= step
        if value != begin:
            break
    return value


class _Probe:
    """Residuals of short runs with other values of one parameter."""

    def __init__(
        self,
        solver: Solver,
        problem: Problem,
        graph: Graph,
        values: dict[str, float],
        name: str,
        start: np.ndarray | None,
        draws: bool,
    ):
        fields = {f.name for f in dataclasses.fields(solver)}
        known = {key: value for key, value in values.items() if key in fields}
        self._solver, self._known, self._name = solver, known, name
        self._problem, self._graph, self._start = problem, graph, start
        numbers = problem.n_nodes * problem.dim
        self._n_draws = min(max(_NUMBERS // numbers, 1), _MOST_DRAWS) if draws else 1
        self._found: dict[tuple[float, int], _Run] = {}

    def score(self, value: float, n_rounds: int) -> tuple[float, int]:
        """Return the residual at the end, and how many rounds that took; less is better."""
        run = self._run(value, n_rounds)
        return run.residuals[-1], run.n_rounds

    def bears(self, value: float, n_rounds: int) -> bool:
        """Whether neither residual nor speed grow from the first quarter to the end.

        The speed |X - X a round before| shows what grows fast behind a residual that falls slowly.
        """
        run = self._run(value, n_rounds)
        return all(series[2] <= _GROWTH * series[0] for series in (run.residuals, run.speeds))

    def lasts(self, value: float, exact: bool) -> bool:
        """Whether a long run bears the value; and a longer one, where it hardly moved in the second half.

        If it hardly moves in that one either, an exact method must be better off than with a smaller value.
        """
        for n_rounds in (_LAST, 4 * _LAST):
            if not self.bears(value, n_rounds):
                return False
            run = self._run(value, n_rounds)
            falls = all(series[2] <= _FALL * series[1] for series in (run.residuals, run.speeds))
            if falls or run.residuals[2] <= _ROUNDING:
                return True
        return not exact or self.score(value, 4 * _LAST) <= self.score(value / _FINE, 4 * _LAST)

    def _run(self, value: float, n_rounds: int) -> _Run:
        key = value, n_rounds
        if key not in self._found:
            with np.errstate(all="ignore"):
                self._found[key] = self._new_run(value, n_rounds)
        return self._found[key]

    def _new_run(self, value: float, n_rounds: int) -> _Run:
        solver = dataclasses.replace(self._solver, **self._known | {self._name: value})
        problem, graph = self._problem, self._graph
        states = [solver.init(problem, graph, self._start, rng=seed) for seed in range(self._n_draws)]
        first = _residual(problem, solver.iterates(states[0], problem, graph))
        residuals, speeds, done = [math.inf] * 3, [math.inf] * 3, 0
        while done < n_rounds:
            stride = min(_STRIDE, n_rounds - done)
            done += stride
            squares = np.zeros(2)
            for state in states:
                solver.advance(state, problem, graph, stride - 1)
                before = solver.iterates(state, problem, graph)
                solver.advance(state, problem, graph)
                X = solver.iterates(state, problem, graph)
                speed = problem.smoothness * float(np.linalg.norm(X - before))
                squares += np.square([_residual(problem, X), speed])
            means = np.sqrt(squares / len(states)) / first
            if not means[0] < _LOST:
                return _Run([math.inf] * 3, [math.inf] * 3, done)
            residual, speed = np.maximum(means, _ROUNDING).tolist()
            for mark, share in enumerate((0.25, 0.5, 1.0)):
                if done <= max(share * n_rounds, _STRIDE):
                    residuals[mark], speeds[mark] = residual, speed
            if residual <= _ROUNDING:
                break
        return _Run(residuals, speeds, done)


class _Run(NamedTuple):
    """Residuals and speeds after a quarter, a half, and all of the rounds, and how many were done.

    A run ends early at rounding errors, and where it is lost: then all are infinite.
    """

    residuals: list[float]
    speeds: list[float]
    n_rounds: int


def _residual(problem: Problem, X: np.ndarray) -> float:
    mean = X.mean(axis=0)
    gradient = float(np.linalg.norm(problem.value_and_gradient(mean)[1]))
    return gradient + problem.smoothness * math.sqrt(float(((X - mean) ** 2).sum()) / X.shape[0])
