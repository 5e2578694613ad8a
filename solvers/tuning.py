"""The tuner of step sizes: probe rounds from a fixed start, on a grid that is refined around the best."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from ..graphs import Graph
from ..problems import Problem

if TYPE_CHECKING:
    from .rounds import RoundSolver

PROBE_ROUNDS = 50
_REACH = 2.0**12  # above theory's value, where nothing else bounds the search
_WORSE = 2.0  # times the residual of the probe: what a longer run may end at


def tuned(
    solver: RoundSolver, problem: Problem, graph: Graph, values: dict[str, float], name: str, largest: float
) -> float:
    """Return the value of one parameter with which the residual falls most.

    Each value is tried on `PROBE_ROUNDS` rounds with seed 0 from x = 0, in halves from the largest one down
    until it has become worse twice; then the best one is refined twice between its neighbours, and confirmed
    on four times as many rounds. The residual is |grad f(x_mean)| + L times the consensus distance, over
    that at the start. The rounds count in no ledger: this is tuning before a run, not a part of the method.

    Parameters
    ----------
    solver : RoundSolver
        The method.
    problem, graph
        Where it is to run.
    values : dict of str to float
        Theory's value of this parameter (NaN for none), and the values of all others.
    name : str
        Which parameter.
    largest : float
        Upper end of the search, at most.

    Raises
    ------
    ValueError
        No value lowers the residual.
    """
    if not isinstance(getattr(solver, "mixing", ""), str):
        solver = dataclasses.replace(solver, mixing=solver._network(graph).mixer)  # keeps its spectrum
    theory = values[name]
    known = theory if math.isfinite(theory) and theory > 0 else 1.0 / problem.smoothness
    top = min(largest, known * _REACH)
    scores: dict[float, float] = {}

    def score(value: float, n_rounds: int = PROBE_ROUNDS) -> float:
        if n_rounds == PROBE_ROUNDS and value in scores:
            return scores[value]
        result = _residual(solver, problem, graph, values | {name: value}, n_rounds)
        if n_rounds == PROBE_ROUNDS:
            scores[value] = result
        return result

    value, worse = top, 0
    while worse < 2 and value > 1e-12 * top:
        best = min(scores.values(), default=math.inf)
        now = score(value)
        worse = worse + 1 if now > best and best < 1.0 else 0
        value /= 2.0
    for factor in (math.sqrt(2.0), 2.0**0.25):
        best = min(scores, key=lambda v: scores[v])
        for neighbour in (best * factor, best / factor):
            if neighbour <= top:
                score(neighbour)
    best = min(scores, key=lambda v: scores[v])
    while score(best, 4 * PROBE_ROUNDS) > _WORSE * scores[best] and best > 1e-12 * top:
        best /= 2.0  # it was about to diverge, slowly
        score(best)
    if not scores[best] < 1.0:
        raise ValueError(f"no value of {name} makes progress in {PROBE_ROUNDS} rounds: set it by hand")
    return best


def _residual(
    solver: RoundSolver, problem: Problem, graph: Graph, values: dict[str, float], n_rounds: int
) -> float:
    """Return the residual after some rounds over that at the start; infinity where the run diverged."""
    fields = {f.name for f in dataclasses.fields(solver)}
    probe = dataclasses.replace(solver, **{key: value for key, value in values.items() if key in fields})
    with np.errstate(all="ignore"):
        state = probe.init(problem, graph)
        first = _distance(problem, probe.iterates(state, problem, graph))
        probe.advance(state, problem, graph, n_rounds)
        last = _distance(problem, probe.iterates(state, problem, graph)) if state.is_finite else math.inf
    return last / first if math.isfinite(last) and first > 0 else math.inf


def _distance(problem: Problem, X: np.ndarray) -> float:
    mean = X.mean(axis=0)
    gradient = float(np.linalg.norm(problem.full_gradient(mean)))
    return gradient + problem.smoothness * math.sqrt(float(((X - mean) ** 2).sum()) / X.shape[0])
