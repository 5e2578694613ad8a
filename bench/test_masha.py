"""One round of MASHA1 and MASHA2: compiled, in NumPy, and one pass over the operators; bits to accuracy.

Ten workers whose operators cost nothing beside their messages (z - v_i). The NumPy rounds are the definitions
(`kernels/rounds/reference_saddle.py`) with argpartition and Generator.choice as compressors. The floor is to
evaluate the operators of all workers once, compiled: no round can do with less.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gossamer import graphs, problems, solvers
from gossamer.bench.numpy_compressors import rand_k, top_k
from gossamer.kernels import oracles
from gossamer.kernels.compression import PermK, RandK, TopK
from gossamer.kernels.rounds import reference_saddle

COUNT = 10  # rounds a call, as many as a solver does between two records
WORKERS, STEP, TAU = 10, 0.01, 0.99
METHODS = ("MASHA1, Rand-k 1 %", "MASHA2, Top-k 1 %")
CASES = [
    pytest.param(method, d, what, id=f"{method.replace(',', '')} {d} {what} {turn}")
    for turn in range(2)
    for method in METHODS
    for d in (1000, 10_000, 100_000, 1_000_000)
    for what in ("compiled", "numpy", "operator")
]


class Workload:
    """A method on vectors of one size, ready to run some rounds."""

    def __init__(self, method: str, d: int):
        self.values = np.random.default_rng(0).normal(size=(WORKERS, d))
        self.is_first = method.startswith("MASHA1")
        self.problem, self.graph = problems.Averaging(self.values), graphs.star(WORKERS)
        make, compressor = (solvers.MASHA1, RandK(0.01)) if self.is_first else (solvers.MASHA2, TopK(0.01))
        self.solver = make(compressor, step=STEP, tau=TAU)
        self.fresh = self.solver.init(self.problem, self.graph)
        self.solver.advance(self.fresh, self.problem, self.graph, 30)
        self.state = self.fresh

    def reset(self) -> None:
        state = self.fresh.copy()
        state.prepared = self.fresh.prepared
        self.state = state

    def compiled(self) -> None:
        self.solver.advance(self.state, self.problem, self.graph, COUNT)

    def operator(self) -> None:
        z = self.fresh.arrays["shared"][0]
        oracle = self.problem.oracle
        for _ in range(COUNT):
            oracles.mean_gradient(oracle, z)

    def numpy_rounds(self) -> np.ndarray:
        """The anchor moves in one round of a hundred, and not in these."""
        rng = np.random.default_rng(0)
        rows, shared = self.fresh.arrays["rows"], self.fresh.arrays["shared"]
        z, w, Fw, F = *shared[:3], rows[0]
        E, e = (None, None) if self.is_first else (rows[1], shared[3])

        def difference(half: np.ndarray) -> np.ndarray:
            return half - self.values - F

        def whole(v: np.ndarray) -> np.ndarray:
            return v

        for _ in range(COUNT):
            centre = TAU * z + (1 - TAU) * w
            if E is None or e is None:
                z = reference_saddle.masha1(
                    difference, lambda V: rand_k(V, rng), whole, np.subtract, centre, Fw, STEP
                )
            else:
                z, E, e = reference_saddle.masha2(difference, top_k, whole, centre, Fw, E, e, STEP)
        return z


@pytest.fixture(scope="module")
def latest() -> dict[Any, Workload]:
    """Cache of one workload."""
    return {}


@pytest.mark.parametrize(("method", "d", "what"), CASES)
def test_rounds(benchmark, latest, method, d, what):
    benchmark.group = f"masha, {method}, {WORKERS} workers, {d} coordinates"
    key = method, d
    if key not in latest:
        latest.clear()
        latest[key] = Workload(*key)
    work = latest[key]
    benchmark.extra_info.update(what=what, events=COUNT)
    n_rounds = 30 if d < 10**5 else 5 if d < 10**6 else 2
    if what == "compiled":
        benchmark.pedantic(work.compiled, setup=work.reset, rounds=n_rounds, warmup_rounds=1)
        if method.startswith("MASHA2"):  # which draws nothing but its coin
            found = work.state.arrays["shared"]
            moved = (found[1] != work.fresh.arrays["shared"][1]).any()
            if not moved:
                np.testing.assert_allclose(found[0], work.numpy_rounds(), rtol=0, atol=1e-11)
    elif what == "operator":
        benchmark.pedantic(work.operator, rounds=n_rounds, warmup_rounds=1)
    else:
        benchmark.pedantic(work.numpy_rounds, rounds=min(n_rounds, 10), warmup_rounds=1)


# -- bits to accuracy --------------------------------------------------------------------------------------

GOAL, SEEDS = 1e-6, 8
RIVALS = {
    "extragradient": (lambda step: solvers.Extragradient(step=step), (0.7, 0.8, 0.9, 0.95), 1),
    "MASHA1, Perm-K": (lambda step: solvers.MASHA1(PermK(10), step=step), (0.25, 0.28, 0.316, 0.36), SEEDS),
    "MASHA1, Rand-10 %": (lambda step: solvers.MASHA1(RandK(0.1), step=step), (0.18, 0.22, 0.26), SEEDS),
    "MASHA2, Top-10 %": (lambda step: solvers.MASHA2(TopK(0.1), step=step), (0.1, 0.2, 0.3), 1),
}


@pytest.mark.parametrize("name", RIVALS)
def test_bits(benchmark, name):
    """Uplink bits to |z - z*| <= 1e-6 |z*| on the bilinear benchmark, with the best step of a grid."""
    problem, graph = problems.BilinearSaddle.random(10, 50), graphs.star(10)
    make, steps, n_seeds = RIVALS[name]

    def uplink(step: float, seed: int) -> tuple[float, float]:
        solver = make(step / problem.lipschitz)
        options = {"x_star": problem.solution(), "record_every": 1, "max_events": 3000}
        result = solver.solve(problem, graph, tol=1e-8, rng=seed, **options)
        found = result.trace.first_below("distance", GOAL**2 * result.trace["distance"][0])
        return (np.inf, np.inf) if found is None else (found["bits"] - found["bits_down"], found["time"])

    def medians() -> dict[float, list[float]]:
        return {
            step: np.median([uplink(step, seed) for seed in range(n_seeds)], axis=0).tolist()
            for step in steps
        }

    benchmark.group = f"bits, {name}"
    found = benchmark.pedantic(medians, rounds=1)
    best = min(found, key=lambda step: found[step][0])
    bits, n_rounds = found[best]
    per_worker = bits / (problem.n_nodes - 1)  # the hub of a star sends nothing up
    numbers = {"step": best, "rounds": n_rounds, "Mbit": per_worker / 1e6}
    benchmark.extra_info.update(what="bits", events=1, numbers=numbers)
    assert np.isfinite(bits)
