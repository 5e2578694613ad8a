"""Time to certified rates: `python -m gossamer.bench.rates [rivals|growth|targets|mixing] [SECONDS]`.

* rivals: our methods, and the textbook semidefinite form of "communication" in cvxpy with the generic solvers
  Clarabel and SCS, where these finish; what they return is held to the same recomputed certificate.
* growth: the time of our methods against the number of nodes. A method leaves a family once a graph has taken
  longer than the given seconds (60 by default), or misses its gap.
* targets: the gaps that method "auto" reaches on large graphs; the seconds are its time limit (900).
* mixing: the gaps of the fastest mixing matrices, with the same limit.

Each case runs in a process of its own, on one thread and after a small graph has loaded the kernels; times
are of the processor, memory is the peak of the process. Results are printed and kept in `out/rates.json`,
where the report finds them; a table that is measured again replaces the old one.
"""

import datetime
import json
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from gossamer import graphs
from gossamer.files import write_text
from gossamer.graphs.rates import communication_cost
from gossamer.graphs.rates.certificates import verify_rates
from gossamer.graphs.rates.duals import tighten
from gossamer.graphs.spectra import incidence

OUT = Path(__file__).parents[1] / "out" / "rates.json"


def geometric(n: int) -> graphs.Graph:
    """Random geometric graph of mean degree 8 (9 where hardly one of 8 is connected), less at the border."""
    degree = 8.0 if n <= 2500 else 9.0
    return graphs.random_geometric(n, (degree / (np.pi * n)) ** 0.5)


FAMILIES: dict[str, Callable[[int], graphs.Graph]] = {
    "square grid": lambda n: graphs.grid_2d(round(n**0.5), round(n**0.5)),
    "random geometric": geometric,
    "random 4-regular": lambda n: graphs.random_regular(n, 4),
    "Watts-Strogatz": lambda n: graphs.watts_strogatz(n, 6, 0.1),
    "Barabasi-Albert": lambda n: graphs.barabasi_albert(n, 3),
}


class Case(NamedTuple):
    """One graph and one way to compute its rates."""

    family: str
    n_nodes: int
    criterion: str  # or the kind of a mixing matrix
    method: str  # of `gossip_rates`, a solver of cvxpy, or MIXING
    tol: float
    limit: float | None = None  # seconds


SMALL = (16, 25, 36, 49, 64)
GENERIC = ("CLARABEL", "SCS")  # solvers of cvxpy
LARGE = (100, 225, 484, 1024, 2500, 4900, 10_000)
GROWTH = (
    ("communication", "barrier", 1e-6),
    ("communication", "lowrank", 2e-2),
    ("algebraic_connectivity", "barrier", 1e-6),
    ("algebraic_connectivity", "lowrank", 1e-5),
    ("max_resistance", "multiplicative", 1e-6),
    ("total_resistance", "multiplicative", 1e-6),
)
THOUSANDS = tuple((family, 1024 if family == "square grid" else 1000) for family in FAMILIES)
WIDE = (("square grid", 10_000), ("random geometric", 10_000))
TARGETS = (
    *(Case(*graph, "communication", "auto", 1e-3) for graph in THOUSANDS),
    *(Case(*graph, "communication", "auto", 1e-2) for graph in WIDE),
    *(Case(*graph, "algebraic_connectivity", "auto", 1e-6) for graph in THOUSANDS),
    Case(*WIDE[0], "algebraic_connectivity", "auto", 1e-5),
    Case(*WIDE[1], "algebraic_connectivity", "auto", 1e-4),
    *(Case(*graph, "max_resistance", "auto", 1e-4) for graph in (*THOUSANDS, *WIDE)),
)
MIXING = "fastest mixing"
MATRICES = tuple(
    Case(family, n, kind, MIXING, 1e-8)
    for family, n in (
        *(("random geometric", n) for n in (150, 300, 500)),
        ("square grid", 576),
        ("random 4-regular", 1000),
    )
    for kind in ("fdla", "fmmc")
)


def textbook(graph: graphs.Graph, solver: str) -> float:
    """Gap that the semidefinite form of "communication" reaches in a generic solver, by our certificate."""
    import cvxpy as cp

    n, m = graph.n_nodes, graph.n_edges
    Q = np.linalg.qr(np.column_stack([np.ones(n), np.eye(n)[:, 1:]]))[0][:, 1:]
    B, eye = Q.T @ incidence(graph), np.eye(n - 1)
    scale = communication_cost(graph, np.ones(m)) / m
    w, s = cp.Variable(m, nonneg=True), cp.Variable()
    Z = cp.Variable((n - 1, n - 1), symmetric=True)
    L = B @ cp.diag(w * scale) @ B.T
    below = L >> s * eye
    inside = [cp.sum(cp.multiply(B, Z @ B), axis=0) <= s]
    problem = cp.Problem(cp.Minimize(cp.sum(w)), [below, cp.bmat([[L, eye], [eye, Z]]) >> 0, *inside])
    options = {"eps_abs": 1e-9, "eps_rel": 1e-9, "max_iters": 100_000} if solver == "SCS" else {}
    problem.solve(solver=solver, **options)
    rates = np.maximum(np.asarray(w.value), 0.0)
    values, vectors = np.linalg.eigh(np.asarray(below.dual_value))
    Y = Q @ (vectors * np.sqrt(np.maximum(values, 0.0)))
    p = np.maximum(np.asarray(inside[0].dual_value), 0.0)
    return verify_rates(graph, rates, tighten(graph, rates / rates.sum(), Y, p)).gap


def gap_of(case: Case, graph: graphs.Graph) -> float:
    """Solve, and return the proven gap."""
    if case.method in GENERIC:
        return textbook(graph, case.method)
    if case.method == MIXING:
        return graphs.fastest_mixing(graph, case.criterion, tol=case.tol, time_limit=case.limit).gap
    return graphs.gossip_rates(
        graph, case.criterion, method=case.method, tol=case.tol, time_limit=case.limit
    ).gap


def solve(case: Case) -> dict[str, Any]:
    """Measure one case, in this process."""
    for criterion, method in {(case.criterion, case.method), ("communication", "lowrank")}:
        gap_of(Case("", 16, criterion, method, 0.1), graphs.grid_2d(4, 4))  # loads what is compiled
    graph = FAMILIES[case.family](case.n_nodes)
    begin = time.process_time()
    gap = gap_of(case, graph)
    return {
        "n_edges": graph.n_edges,
        "gap": gap,
        "seconds": time.process_time() - begin,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def measure(case: Case) -> dict[str, Any]:
    """Measure one case in a new process; the name of the error if it fails."""
    row: dict[str, Any] = case._asdict()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            row |= pool.submit(solve, case).result()
        except BrokenProcessPool:
            row["error"] = "killed"
        except Exception as error:  # a generic solver that gives up is a result
            row["error"] = type(error).__name__
    words = row.get("error") or f"{row['seconds']:.2f} s, gap {row['gap']:.1e}, {row['megabytes']:.0f} MB"
    print(f"{case.family}, {case.n_nodes} nodes, {case.criterion}, {case.method}: {words}", flush=True)
    return row


def rivals(limit: float) -> Iterator[dict[str, Any]]:
    yield from sweep(
        SMALL, [("communication", method, 1e-6) for method in ("barrier", "sdp", *GENERIC)], limit
    )


def growth(limit: float) -> Iterator[dict[str, Any]]:
    yield from sweep(LARGE, GROWTH, limit)


def targets(limit: float) -> Iterator[dict[str, Any]]:
    for case in TARGETS:
        yield measure(case._replace(limit=limit))


def mixing(limit: float) -> Iterator[dict[str, Any]]:
    for case in MATRICES:
        yield measure(case._replace(limit=limit))


def sweep(sizes, runs, limit: float) -> Iterator[dict[str, Any]]:
    """Measure each run on growing graphs of each family, until one takes longer than the limit or fails."""
    for family in FAMILIES:
        for run in runs:
            for n in sizes:
                criterion, method, tol = run
                row = measure(Case(family, n, criterion, method, tol))
                yield row
                if "error" in row or row["seconds"] > limit or row["gap"] > tol:
                    break


TABLES: dict[str, tuple[Callable[[float], Iterator[dict[str, Any]]], float]] = {
    "rivals": (rivals, 60.0),
    "growth": (growth, 60.0),
    "targets": (targets, 900.0),
    "mixing": (mixing, 900.0),
}


def main(names: list[str], seconds: float | None) -> None:
    OUT.parent.mkdir(exist_ok=True)
    for name in names:
        table, limit = TABLES[name]
        rows: list[dict[str, Any]] = []
        for row in table(seconds or limit):  # kept one by one, so that an interrupted table is not lost
            rows.append(row)
            kept = json.loads(OUT.read_text()) if OUT.exists() else {}
            kept[name] = {"date": datetime.date.today().isoformat(), "rows": rows}
            write_text(OUT, json.dumps(kept, indent=1))


if __name__ == "__main__":
    words = sys.argv[1:]
    main(
        [w for w in words if w in TABLES] or list(TABLES),
        next((float(w) for w in words if w not in TABLES), None),
    )
