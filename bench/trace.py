"""What the default trace costs: runs of 2,000 rounds with it, against the same rounds with one record.

    python -m gossamer.bench.trace              # all methods of the digest
    python -m gossamer.bench.trace DGD DADAO    # those whose name begins so

Interleaved, medians of the ratios, processor time of one thread.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from gossamer import graphs, problems, solvers
from gossamer.kernels import aggregation, compression

SIZES = [(n, d) for n in (10, 100, 1000) for d in (10, 100)]
ROUNDS, TIMES = 2000, 5
_SAMPLES = 20  # of a node


def methods(n: int, d: int) -> Iterator[tuple[str, Any, Any]]:
    """Yield name, solver and graph; steps that keep the runs finite, whatever they converge to."""
    ring, star = graphs.random_regular(n, 4, rng=0), graphs.star(n)
    rand_k, top_k = compression.RandK(max(d // 10, 1)), compression.TopK(max(d // 10, 1))
    for kind in (solvers.DGD, solvers.EXTRA, solvers.NIDS, solvers.GradientTracking):
        yield kind.__name__, kind(step=0.02), ring
    yield "CHOCO", solvers.ChocoSGD(top_k, gamma=0.05, step=0.01), ring
    yield "BEER", solvers.BEER(top_k, gamma=0.05, step=0.01), ring
    yield "DADAO", solvers.DADAO(), ring
    yield "EF21", solvers.EF21(top_k, step=0.01), star
    yield "DIANA", solvers.DIANA(rand_k, step=0.01, shift_step=0.05), star
    yield "MARINA", solvers.MARINA(rand_k, step=0.01, probability=0.1), star
    yield "MASHA1", solvers.MASHA1(rand_k, rand_k, step=0.001, tau=0.9, check_compressor=False), star
    yield "RobustSGD", solvers.RobustSGD(aggregation.CoordinateMedian(), f=1, step=0.01), star


def problem_of(name: str, n: int, d: int) -> problems.Problem:
    """Return least squares, or a saddle point for methods that take those."""
    if name == "MASHA1":
        return problems.BilinearSaddle.random(n, d // 2, rng=0)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(_SAMPLES * n, d)) / np.sqrt(d)
    return problems.LeastSquares.from_data(X, X @ np.ones(d) + rng.normal(size=len(X)), n, l2=0.1, rng=0)


def cost(solver: Any, problem: Any, graph: Any) -> tuple[float, int, float]:
    """Return the share of a default run that records take, how many there are, and seconds of a round."""
    events = ROUNDS
    if isinstance(solver, solvers.DADAO):
        events = round(ROUNDS * (problem.n_nodes + solver.parameters(problem, graph).total_rate))
    ratios, records, seconds = [], 0, 0.0
    for _ in range(TIMES):
        spent = []
        for every in (10**12, None):
            begin = time.process_time()
            result = solver.solve(problem, graph, tol=0, max_events=events, record_every=every)
            spent.append(time.process_time() - begin)
            records = len(result.trace)
        ratios.append(1.0 - spent[0] / spent[1])
        seconds = spent[0] / ROUNDS
    return statistics.median(ratios), records, seconds


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description="What the default trace costs.")
    parser.add_argument("names", nargs="*", help="beginnings of names of methods")
    wanted = tuple(parser.parse_args().names)
    print(f"{'':16} {'n':>5} {'d':>4} {'share':>7} {'records':>8} {'us a round':>11}")
    for n, d in SIZES:
        for name, solver, graph in methods(n, d):
            if wanted and not name.startswith(wanted):
                continue
            problem = problem_of(name, n, d)
            solver.solve(problem, graph, tol=0, max_events=10)
            share, records, seconds = cost(solver, problem, graph)
            print(f"{name:16} {n:5} {d:4} {100 * share:6.1f}% {records:8} {1e6 * seconds:11.2f}", flush=True)


if __name__ == "__main__":
    main()
