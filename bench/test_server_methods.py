"""One round of EF21 and DIANA over a server: compiled, in NumPy, and the floor.

Ten workers whose gradients cost nothing beside their messages (averaging: x - v_i). The NumPy rounds are the
definitions (`kernels/rounds/reference_server.py`) with the compressors that a few lines of NumPy would be:
argpartition and Generator.choice. The floor copies as many bytes as a round has to read and write: v is read,
the shifts are updated, and two vectors at the server.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gossamer import graphs, problems, solvers
from gossamer.bench import floors
from gossamer.bench.numpy_compressors import rand_k, top_k
from gossamer.kernels.compression import RandK, TopK
from gossamer.kernels.rounds import reference_server

COUNT = 10  # rounds a call, as many as a solver does between two records
WORKERS, STEP, SHIFT_STEP = 10, 0.01, 0.01
METHODS = ("EF21, Top-k 1 %", "DIANA, Rand-k 1 %")
CASES = [
    pytest.param(method, d, what, id=f"{method.replace(',', '')} {d} {what} {turn}")
    for turn in range(2)
    for method in METHODS
    for d in (1000, 10_000, 100_000)
    for what in ("compiled", "numpy", "copy")
]


class Workload:
    """A method on vectors of one size, ready to run `COUNT` rounds."""

    def __init__(self, method: str, d: int):
        values = np.random.default_rng(0).normal(size=(WORKERS, d))
        self.method, self.values = method, values
        self.problem, self.graph = problems.Averaging(values), graphs.star(WORKERS)
        if method.startswith("EF21"):
            self.solver = solvers.EF21(TopK(0.01), step=STEP)
        else:
            self.solver = solvers.DIANA(RandK(0.01), step=STEP, shift_step=SHIFT_STEP)
        self.fresh = self.solver.init(self.problem, self.graph)
        self.solver.advance(self.fresh, self.problem, self.graph, 30)  # past the messages of the start
        self.state = self.fresh
        self.cost = floors.Cost(updated=(WORKERS + 2) * d, read=WORKERS * d, flops=0) * COUNT
        self.working_set = 2 * (WORKERS + 1) * d

    def reset(self) -> None:
        state = self.fresh.copy()
        state.prepared = self.fresh.prepared
        self.state = state

    def compiled(self) -> None:
        self.solver.advance(self.state, self.problem, self.graph, COUNT)

    def numpy_rounds(self) -> np.ndarray:
        rng = np.random.default_rng(0)
        x, H = self.fresh.arrays["shared"][0], self.fresh.arrays["rows"][0]
        for _ in range(COUNT):
            if self.method.startswith("EF21"):
                x, H = reference_server.ef21(lambda x: x - self.values, top_k, x, H, STEP)
            else:
                x, H = reference_server.diana(
                    lambda x: x - self.values, lambda V: rand_k(V, rng), x, H, STEP, SHIFT_STEP
                )
        return x


@pytest.fixture(scope="module")
def latest() -> dict[Any, Workload]:
    """Cache of one workload."""
    return {}


@pytest.mark.parametrize(("method", "d", "what"), CASES)
def test_server_methods(benchmark, latest, method, d, what):
    benchmark.group = f"server, {method}, {WORKERS} workers, {d} coordinates"
    benchmark.extra_info.update(what=what, events=COUNT)
    key = method, d
    if key not in latest:
        latest.clear()
        latest[key] = Workload(*key)
    work = latest[key]
    n_rounds = 30 if d < 10**5 else 5
    if what == "copy":
        mover = floors.Mover(work.cost, work.working_set)
        benchmark.pedantic(mover.copy, rounds=n_rounds, warmup_rounds=1)
    elif what == "compiled":
        benchmark.pedantic(work.compiled, setup=work.reset, rounds=n_rounds, warmup_rounds=1)
        if method.startswith("EF21"):  # which draws nothing
            np.testing.assert_allclose(
                work.state.arrays["shared"][0], work.numpy_rounds(), rtol=0, atol=1e-11
            )
    else:
        benchmark.pedantic(work.numpy_rounds, rounds=n_rounds, warmup_rounds=1)
