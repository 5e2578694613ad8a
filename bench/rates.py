"""Time to certified rates: `python -m gossamer.bench.rates [SECONDS]` prints two tables.

The first compares with cvxpy and the generic solvers Clarabel and SCS on the textbook semidefinite form,
where these finish; what they return is held to the same recomputed certificate. The second is the growth of
the time of our methods with the number of nodes, with the slope in log-log and the peak memory. A method
leaves a family once one graph has taken longer than the given seconds (30 by default). Times are of the
processor, on one thread.
"""

import os
import resource
import sys
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from gossamer import graphs
from gossamer.graphs.rates import communication_cost
from gossamer.graphs.rates.certificates import verify_rates
from gossamer.graphs.rates.duals import tighten
from gossamer.graphs.spectra import incidence

FAMILIES: dict[str, Callable[[int], graphs.Graph]] = {
    "square grid": lambda n: graphs.grid_2d(round(n**0.5), round(n**0.5)),
    "random geometric": lambda n: graphs.random_geometric(n, (12.0 / (np.pi * n)) ** 0.5),
    "random 4-regular": lambda n: graphs.random_regular(n, 4),
}
GROWTH = (
    ("communication", "barrier", 1e-6),
    ("communication", "lowrank", 2e-2),
    ("algebraic_connectivity", "barrier", 1e-6),
    ("algebraic_connectivity", "lowrank", 1e-5),
    ("max_resistance", "multiplicative", 1e-6),
    ("total_resistance", "multiplicative", 1e-6),
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


def ours(criterion: str, method: str, tol: float) -> Callable[[graphs.Graph], float]:
    return lambda graph: graphs.gossip_rates(graph, criterion, method=method, tol=tol).gap


def measure(runs: dict[str, Callable[[graphs.Graph], float]], sizes: list[int], limit: float) -> None:
    """Print a line for each run and family: seconds and gap at each size, and the slope of the last sizes."""
    for family, make in FAMILIES.items():
        for name, run in runs.items():
            times: list[tuple[int, float]] = []
            cells = []
            for n in sizes:
                graph = make(n)
                begin = time.process_time()
                try:
                    gap = run(graph)
                except Exception as error:
                    cells.append(type(error).__name__)
                    break
                times.append((graph.n_nodes, time.process_time() - begin))
                cells.append(f"{times[-1][1]:.2f} s ({gap:.0e})")
                if times[-1][1] > limit:
                    break
            slope = ""
            if len(times) > 2:
                nodes, seconds = np.log(times[-3:]).T
                slope = f"{np.polyfit(nodes, seconds, 1)[0]:.1f}"
            cells += [""] * (len(sizes) - len(cells))
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                "|",
                family,
                "|",
                name,
                "|",
                " | ".join(cells),
                "|",
                slope,
                "|",
                f"{peak:.0f} MB |",
                flush=True,
            )


def header(sizes: list[int]) -> None:
    columns = ["family", "method", *map(str, sizes), "slope", "peak memory so far"]
    print("|", " | ".join(columns), "|")
    print("|", " | ".join("---" for _ in columns), "|")


def main(limit: float = 30.0) -> None:
    graphs.gossip_rates(graphs.grid_2d(4, 4), "communication", method="lowrank", tol=0.1)  # compiles
    graphs.gossip_rates(graphs.grid_2d(4, 4), "total_resistance")
    graphs.gossip_rates(graphs.grid_2d(4, 4), "algebraic_connectivity", method="lowrank")
    small = [16, 25, 36, 49]
    print("Least communications, time to a certified 1e-6 (gap reached):\n")
    header(small)
    measure(
        {
            "barrier": ours("communication", "barrier", 1e-6),
            "sdp (flows, Clarabel)": ours("communication", "sdp", 1e-6),
            "cvxpy + Clarabel": lambda graph: textbook(graph, "CLARABEL"),
            "cvxpy + SCS": lambda graph: textbook(graph, "SCS"),
        },
        small,
        limit,
    )
    large = [100, 225, 484, 1024, 2500, 10_000]
    print("\nGrowth:\n")
    header(large)
    measure({f"{c}, {m}, {tol:g}": ours(c, m, tol) for c, m, tol in GROWTH}, large, limit)


if __name__ == "__main__":
    main(*(float(argument) for argument in sys.argv[1:2]))
