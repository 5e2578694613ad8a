"""Run DADAO for 1e8 events and show that memory stays where it was: `python -m gossamer.bench.many_events`.

Events are drawn and applied in chunks, so that a run of any length needs the memory of a short one. What it
measures goes to `out/many_events.json`, where the report finds it.
"""

import datetime
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np

from gossamer import graphs, problems, solvers
from gossamer.files import write_text

OUT = Path(__file__).parents[1] / "out" / "many_events.json"


def peak_memory() -> float:
    """Peak resident memory of this process so far, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def main(n_events: int = 100_000_000) -> None:
    n_nodes, few = 10, n_events // 100
    rng = np.random.default_rng(0)
    problem = problems.Quadratic(1 + rng.random((n_nodes, 1, 1)), rng.normal(size=(n_nodes, 1)))
    graph = graphs.cycle(n_nodes)
    solver = solvers.DADAO()
    options = {"tol": 0.0, "x_star": problem.solution(), "record_every": max(few, 1)}
    solver.solve(problem, graph, max_events=few, **options)
    before = peak_memory()
    begin = time.perf_counter()
    result = solver.solve(problem, graph, max_events=n_events, **options)
    measured = {
        "date": datetime.date.today().isoformat(),
        "n_nodes": n_nodes,
        "events": n_events,
        "seconds": time.perf_counter() - begin,
        "few_events": few,
        "peak_memory_after_few": before,
        "peak_memory": peak_memory(),
        "distance": result.trace["distance"][-1],
    }
    OUT.parent.mkdir(exist_ok=True)
    write_text(OUT, json.dumps(measured, indent=1))
    print(OUT.read_text())


if __name__ == "__main__":
    main(*(int(float(argument)) for argument in sys.argv[1:]))
