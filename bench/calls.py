"""How long small calls take: what checks, dispatch and bookkeeping cost where the work is nothing.

    python -m gossamer.bench.calls                         # a table
    python -m gossamer.bench.calls --save calls.json       # keep the numbers
    python -m gossamer.bench.calls --against calls.json    # compare with numbers that were kept
    python -m gossamer.bench.calls --against ../before     # with another checkout, in turns

Each process takes, of each call, the best of several batches of about a millisecond, in processor time;
processes of the two checkouts alternate, and medians over them are compared.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Callable
from pathlib import Path

import numpy as np

WORSE = 2.0  # microseconds by which a call may be slower
ROUNDS = 5  # processes of each checkout
_BATCHES, _SECONDS = 15, 1e-3


def calls() -> dict[str, Callable[[], object]]:
    """Return the calls by name: the smallest inputs, everything compiled."""
    from gossamer import graphs, problems, solvers
    from gossamer.kernels import aggregation, compression, events, gossip

    rng = np.random.default_rng(0)
    graph = graphs.cycle(16)
    X, x, G = rng.normal(size=(16, 5)), rng.normal(size=20), rng.normal(size=(10, 20))
    W = graphs.mixing_matrix(graph)
    mixer, edges, out = gossip.Mixer(W), graph.edges.copy(), np.empty_like(X)
    stream = events.EventStream(np.ones(16), np.ones(16), 0)
    problem = problems.LeastSquares.from_data(
        rng.normal(size=(160, 5)), rng.normal(size=160), 16, l2=0.1, rng=0
    )
    star = graphs.star(16)
    dgd, dadao, diana = solvers.DGD(), solvers.DADAO(), solvers.DIANA(compression.RandK(2))
    state = dgd.init(problem, graph)
    return {
        "gossip.mix, Mixer": lambda: gossip.mix(mixer, X, out=out),
        "gossip.mix, matrix": lambda: gossip.mix(W, X),
        "gossip.chebyshev_mix": lambda: gossip.chebyshev_mix(mixer, X, 5),
        "gossip.pairwise_average": lambda: gossip.pairwise_average(out, edges),
        "compression.top_k": lambda: compression.top_k(x, 3),
        "RandK.compress": lambda: compression.RandK(3).compress(x, 0, index=0),
        "QSGD.compress": lambda: compression.QSGD(4).compress(x, 0, index=0),
        "aggregation.mean": lambda: aggregation.mean(G),
        "aggregation.coordinate_median": lambda: aggregation.coordinate_median(G),
        "aggregation.trimmed_mean": lambda: aggregation.trimmed_mean(G, 2),
        "aggregation.krum": lambda: aggregation.krum(G, 2),
        "aggregation.geometric_median": lambda: aggregation.geometric_median(G),
        "EventStream.take": lambda: stream.take(0, 0.0, 10),
        "graphs.cycle": lambda: graphs.cycle(16),
        "graphs.grid_2d": lambda: graphs.grid_2d(4, 4),
        "graphs.laplacian": lambda: graphs.laplacian(graph),
        "graphs.mixing_matrix": lambda: graphs.mixing_matrix(graph),
        "problem.gradients": lambda: problem.gradients(X),
        "problem.value_and_gradient": lambda: problem.value_and_gradient(X[0]),
        "DGD.init": lambda: dgd.init(problem, graph),
        "DGD.advance": lambda: dgd.advance(state, problem, graph),
        "DGD.solve, 10 rounds": lambda: dgd.solve(problem, graph, tol=0, max_events=10, record_every=10),
        "DIANA.solve, 10 rounds": lambda: diana.solve(problem, star, tol=0, max_events=10, record_every=10),
        "DADAO.solve, 100 events": lambda: dadao.solve(
            problem, graph, tol=0, max_events=100, record_every=1000
        ),
    }


def measure() -> dict[str, float]:
    """Return the microseconds of each call, the best of some batches."""
    found = {}
    for name, call in calls().items():
        call()
        timer = timeit.Timer(call, timer=time.process_time)  # what others take does not count
        once = min(timer.repeat(3, 3)) / 3
        number = max(int(_SECONDS / once), 1)
        found[name] = 1e6 * min(timer.repeat(_BATCHES, number)) / number
    return found


def measure_in(checkout: Path) -> dict[str, float]:
    """Return what `measure` finds with the package of a checkout, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "gossamer").symlink_to(checkout.resolve())
        threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, __file__, "--json"],
            env=os.environ | threads | {"PYTHONPATH": folder},
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return json.loads(done.stdout)


def medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    """Return the median of each call over some processes."""
    return {name: statistics.median(found[name] for found in rounds) for name in rounds[0]}


def compare(here: dict[str, float], there: dict[str, float]) -> list[str]:
    """Print both, and return the calls that have become slower by more than `WORSE`."""
    print(f"{'':30} {'before':>10} {'now':>10} {'change':>10}   (microseconds)")
    for name, now in here.items():
        before = there.get(name)
        numbers = f"{before:10.2f} {now:10.2f} {now - before:+10.2f}" if before else f"{'':10} {now:10.2f}"
        print(f"{name:30} {numbers}")
    slower = [name for name, now in here.items() if name in there and now - there[name] > WORSE]
    print(f"slower by more than {WORSE:g} us: {', '.join(slower) or 'none'}")
    return slower


def main() -> int:
    """Measure, and compare if asked; the exit code is 1 where a call has become slower."""
    parser = argparse.ArgumentParser(description="How long small calls take.")
    parser.add_argument("--against", type=Path, help="another checkout, or a file that --save wrote")
    parser.add_argument("--save", type=Path, help="JSON file for the numbers")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="processes of each checkout")
    parser.add_argument("--json", action="store_true", help="measure in this process, print JSON")
    wanted = parser.parse_args()
    if wanted.json:
        print(json.dumps(measure()))
        return 0
    here, there = [], []
    root = Path(__file__).resolve().parents[1]
    other = wanted.against if wanted.against and wanted.against.is_dir() else None
    for _ in range(wanted.rounds):
        here.append(measure_in(root))
        if other:
            there.append(measure_in(other))
    found = medians(here)
    if wanted.save:
        from gossamer.files import write_text

        write_text(wanted.save, json.dumps(found, indent=1) + "\n")
    before = medians(there) if other else {}
    if wanted.against and not other:
        before = json.loads(wanted.against.read_text(encoding="utf-8"))
    return bool(compare(found, before))


if __name__ == "__main__":
    sys.exit(main())
