"""Default steps by certificates, before and after: `python -m gossamer.bench.default_steps` fills the table.

`default_steps.csv` has, for each graph and condition number, the rounds until sqrt(mean |x_i - x*|^2) is 1e-8
of what it was at x = 0, on random quadratics (medians over seeds; `MOST` if that is not enough) and
certified rates. "Before" are the steps of the methods' own theorems: four fifths of EXTRA's bound, 1/L for
NIDS (SVL is compared with that, too), and for gradient tracking, in its form "atc", the best step of a bound
by norms. A second table prints how near to x* the default step takes DGD, relative to |x*|, by its share of
the gap.
"""

from __future__ import annotations

import csv
import statistics
from pathlib import Path
from typing import Any

import numpy as np

from gossamer import graphs, problems, solvers
from gossamer.bench.measured import Target, at_least, number, table

TABLE = Path(__file__).with_name("default_steps.csv")
GRAPHS = (graphs.cycle(20), graphs.grid_2d(6, 6), graphs.random_regular(50, 4, rng=0))
CONDITIONS = (10.0, 100.0, 1000.0)
SEEDS = (0, 1, 2)
MOST = 200_000
ACCURACY = 1e-8
COLUMNS: tuple[str, ...] = ("graph", "kappa", "method", "rounds_before", "rounds", "rate_before", "rate")
SHARES = (0.1, 0.2, 0.3, 0.5, 1.0, None)  # None: no share of the gap, as before

Method = solvers.EXTRA | solvers.NIDS | solvers.GradientTracking | solvers.SVL


def tracking_step(low: float, high: float, kappa: float) -> float:
    """Step, in units of 1/L, with the best bound on the norms of the errors of "atc".

    Those of consensus, of tracking / L, and of the mean, are multiplied at most by M a round, entry by entry.
    """
    s, v, c = max(high, -low), 1.0 - low, 1.0 / kappa

    def radius(a: np.ndarray) -> np.ndarray:
        zero, one = np.zeros(a.shape), np.ones(a.shape)
        mean = np.maximum(1.0 - c * a, a - 1.0)
        rows = [[s * one, s * a, zero], [s * (v + a), s * (1.0 + s * a), s * a], [a, zero, mean]]
        return np.abs(np.linalg.eigvals(np.moveaxis(np.array(rows), -1, 0))).max(axis=1)

    least, most = 0.01 * min((1.0 - s) ** 2, (1.0 - s) * np.sqrt(c)), 2.0
    best = most
    for _ in range(3):
        grid = np.geomspace(least, most, 100)
        place = int(np.argmin(radius(grid)))
        least, best, most = grid[max(place - 1, 0)], grid[place], grid[min(place + 1, 99)]
    return float(best)


def pairs(low: float, high: float, kappa: float) -> dict[str, tuple[Method, float, Method]]:
    """Methods before, with their steps in units of 1/L, and after."""
    return {
        "EXTRA": (solvers.EXTRA(), min(0.2 * (5.0 + 3.0 * low), 1.0), solvers.EXTRA()),
        "NIDS": (solvers.NIDS(), 1.0, solvers.NIDS()),
        "GradientTracking": (
            solvers.GradientTracking(form="atc"),
            tracking_step(low, high, kappa),
            solvers.GradientTracking(),
        ),
        "SVL": (solvers.NIDS(), 1.0, solvers.SVL()),
    }


def rounds(solver: Method, problem: problems.Problem, graph: graphs.Graph) -> int:
    """Rounds to the accuracy, within 2 %, or `MOST`."""
    x_star = problem.solution()
    wanted = ACCURACY * np.linalg.norm(x_star) * np.sqrt(graph.n_nodes)
    state = solver.init(problem, graph)
    while state.n_events < MOST:
        solver.advance(state, problem, graph, max(1, state.n_events // 50))
        if np.linalg.norm(solver.iterates(state, problem, graph) - x_star) <= wanted:
            return state.n_events
    return MOST


def fill() -> list[dict[str, str]]:
    """Measure all rows."""
    found = []
    for graph in GRAPHS:
        values = np.linalg.eigvalsh(graphs.mixing_matrix(graph).toarray())
        low, high = float(values[0]), float(values[-2])
        for kappa in CONDITIONS:
            instances = [
                problems.Quadratic.random(graph.n_nodes, 5, condition_number=kappa, rng=seed)
                for seed in SEEDS
            ]
            for name, (before, step, after) in pairs(low, high, kappa).items():
                old = [
                    rounds(type(before)(step=step / p.smoothness, **form(before)), p, graph)
                    for p in instances
                ]
                new = [rounds(after, p, graph) for p in instances]
                rates = (
                    solvers.certified_rate(before, kappa, (low, high), step=step),
                    solvers.certified_rate(after, kappa, (low, high)),
                )
                cells = (
                    graph.name, f"{kappa:g}", name, statistics.median(old), statistics.median(new),
                    *(f"{rate:.8f}" for rate in rates),
                )  # fmt: skip
                found.append(dict(zip(COLUMNS, map(str, cells), strict=True)))
                print(*cells, flush=True)
    return found


def form(method: Method) -> dict[str, Any]:
    return {"form": method.form} if isinstance(method, solvers.GradientTracking) else {}


def bias() -> str:
    """Distance at which DGD settles over |x*|: median and largest of 63 quadratics, and rounds, by share."""
    places = (
        graphs.cycle(6), graphs.cycle(20), graphs.grid_2d(6, 6), graphs.random_regular(50, 4, rng=0),
        graphs.complete(5), graphs.star(6), graphs.torus_2d(3, 4),
    )  # fmt: skip
    found: dict[float | None, list[tuple[float, float]]] = {share: [] for share in SHARES}
    for graph in places:
        n, W = graph.n_nodes, graphs.mixing_matrix(graph).toarray()
        values = np.linalg.eigvalsh(W)
        for kappa in (3.0, 10.0, 100.0):
            for spread in (0.3, 1.0, 3.0):
                problem = problems.Quadratic.random(n, 4, condition_number=kappa, heterogeneity=spread, rng=1)
                for share in SHARES:
                    a = min(0.8 * (1.0 + values[0]), 1.0 if share is None else share * (1.0 - values[-2]))
                    step = a / problem.smoothness
                    A = np.kron(np.eye(n) - W, np.eye(4))
                    for i in range(n):
                        A[4 * i : 4 * i + 4, 4 * i : 4 * i + 4] += step * problem.H[i]
                    X = np.linalg.solve(A, step * problem.b.ravel()).reshape(n, 4)
                    away = np.linalg.norm(X - problem.solution()) / np.sqrt(n)
                    rate = max(1.0 - a / kappa, a - values[0])
                    found[share].append((away / np.linalg.norm(problem.solution()), 1.0 / (1.0 - rate)))
    rows = []
    for share, pairs_of_share in found.items():
        away, time = np.array(pairs_of_share).T
        rows.append(
            [str(share or "before"), f"{np.median(away):.3f}", f"{away.max():.3f}", number(np.median(time))]
        )
    return table(("share of the gap", "median distance", "largest", "rounds for a factor e"), rows)


def read() -> list[dict[str, str]]:
    """Rows of the table."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def count(text: str) -> str:
    rounds_taken = int(float(text))
    return f"{rounds_taken:,}" if rounds_taken < MOST else f"over {MOST:,}"


def section() -> str:
    """The part of the report."""
    rows = []
    for row in read():
        old, new = float(row["rounds_before"]), float(row["rounds"])
        ratio = f"{old / new:.2f}x" if old < MOST else f"over {old / new:.0f}x"
        rows.append(
            [
                f"{row['method']}, {row['graph']}, kappa {row['kappa']}",
                count(row["rounds_before"]),
                count(row["rounds"]),
                ratio,
                row["rate_before"],
                row["rate"],
            ]
        )
    return table(("", "rounds before", "rounds", "fewer by", "certified before", "certified"), rows)


def targets() -> list[Target]:
    """Of the default steps."""
    rows = read()
    ratios = {
        (row["method"], row["graph"], row["kappa"]): float(row["rounds_before"]) / float(row["rounds"])
        for row in rows
    }
    worse = max(float(row["rate"]) - float(row["rate_before"]) for row in rows)
    grid = ratios["GradientTracking", GRAPHS[1].name, "100"]
    return [
        at_least("rounds before / rounds, GradientTracking, grid 6x6, kappa 100", 10, grid),
        at_least("rounds before / rounds, at worst", 0.5, min(ratios.values())),
        ("certified rate less the one before, at most", "at most 0", f"{worse:.2g}", worse <= 0.0),
    ]


def main() -> None:
    rows = fill()
    with TABLE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(section())
    print(bias())


if __name__ == "__main__":
    main()
