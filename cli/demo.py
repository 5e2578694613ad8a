"""`gossamer demo`: what optimal gossip rates save on a real network, measured and predicted."""

from __future__ import annotations

import time as clock
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..files import make_folder
from .errors import user_errors
from .interrupts import stoppable
from .topology import HELP, parse_topology

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console

    from ..graphs import GossipRates, Graph
    from ..problems import LogisticRegression
    from ..solvers import DADAOParameters, Result, Trace

TARGET = 1e-6  # relative distance at which the counts are compared
BEYOND = 0.1  # runs go on to this fraction of it, so that all medians exist there
KAPPA = 1000.0
TOPOLOGY = "topozoo/BtNorthAmerica"


@dataclass(frozen=True)
class Variant:
    """Runs with one choice of rates.

    Attributes
    ----------
    name : str
        "uniform" or "optimal".
    parameters : DADAOParameters
        What they run with.
    results : list of Result
        One a seed.
    """

    name: str
    parameters: DADAOParameters
    results: list[Result]


def demo(
    output: Annotated[Path, typer.Option(help="Folder for the figure and the traces.")] = Path("out"),
    seeds: Annotated[int, typer.Option(min=1, help="Runs for each choice of rates.")] = 5,
    topology: Annotated[str, typer.Option(help=HELP)] = TOPOLOGY,
    progress: Annotated[bool, typer.Option(help="Show a progress bar.")] = True,
) -> None:
    """Show DADAO on a real network, with uniform and with optimal communication rates.

    Logistic regression on the breast cancer data of scikit-learn, standardised, with an intercept, dealt out
    to the nodes. Writes demo.png, demo.pdf, rates.csv and the traces of all runs.
    """
    begin = clock.perf_counter()
    from ..solvers import DADAO
    from .rates import optimised_rates, write_rates
    from .seeds import solve_all
    from .tables import console

    with user_errors():
        from .figures import BLUE, ORANGE, Curve, comparison_figure, save_figure

    with user_errors(topology):
        graph = parse_topology(topology)
        found = optimised_rates(graph, "communication")
    with user_errors():
        problem = breast_cancer_problem(graph.n_nodes)
        make_folder(output)
    solvers = {"uniform": DADAO(), "optimal": DADAO(rates=found)}
    parameters = {name: solver.parameters(problem, graph) for name, solver in solvers.items()}
    screen = console()
    print_header(screen, problem, graph, parameters)

    x_star = problem.solution()
    goal = BEYOND * TARGET * float(x_star @ x_star)  # runs start at zero

    def stop_at_goal(_: Any, record: dict[str, Any]) -> None:
        if record["distance"] <= goal:
            raise StopIteration("target reached")

    for solver in solvers.values():
        solver.solve(problem, graph, max_events=1)  # compiles, while Ctrl-C is heard at once
    with stoppable() as stop:
        found_runs = solve_all(
            [(solver, {"rng": seed}) for solver in solvers.values() for seed in range(seeds)],
            problem,
            graph,
            progress=progress,
            callback=stop_at_goal,
            stop=stop.event,
            x_star=x_star,
            tol=0.0,
            max_time=time_limit(parameters["uniform"].decay_rate),
            record_every=record_interval(graph.n_nodes, parameters["optimal"]),
        )
        results = [result for result in found_runs if result is not None]
        with user_errors():
            write_rates(found, output / "rates.csv")
            for (name, seed), result in zip(
                ((name, seed) for name in solvers for seed in range(seeds)), found_runs, strict=True
            ):
                if result is not None:
                    result.trace.to_csv(output / f"trace-{name}-{seed}.csv")
        stop.leave(f"rates.csv and the traces of {len(results)} runs, as far as they got, are in {output}")
    variants = [
        Variant(name, parameters[name], results[k * seeds : (k + 1) * seeds])
        for k, name in enumerate(solvers)
    ]
    if any(first_at_target(r.trace) is None for variant in variants for r in variant.results):
        raise RuntimeError(f"a run ended above the relative distance {TARGET:g}, against theory's bound")
    with user_errors():
        curves = [
            Curve(
                f"{variant.name} rates",
                color,
                [result.trace for result in variant.results],
                {
                    "n_communications": variant.parameters.decay_rate / variant.parameters.total_rate,
                    "n_gradients": variant.parameters.decay_rate / graph.n_nodes,
                },
            )
            for variant, color in zip(variants, (ORANGE, BLUE), strict=True)
        ]
        title = (graph.name or topology).rpartition("/")[2]  # topohub's collection goes
        figure = comparison_figure(found, curves, target=TARGET, title=title)
        for suffix, metadata in (("png", {}), ("pdf", {"CreationDate": None})):
            save_figure(figure, output / f"demo.{suffix}", dpi=300, metadata=metadata)
    print_comparison(screen, variants, found)
    screen.print(f"figure: {output / 'demo.png'} (and .pdf); rates and traces beside it")
    screen.print(f"wall time: {clock.perf_counter() - begin:.1f} s")


def breast_cancer_problem(n_nodes: int) -> LogisticRegression:
    """Return the problem, with the l2 that gives L/mu = KAPPA.

    The largest curvature is M + l2, with M that of the loss alone, and the least is l2: l2 = M / (KAPPA - 1).
    """
    from .. import problems

    X, y = problems.load("breast_cancer")
    X = problems.add_intercept(problems.standardize(X))
    loss = problems.LogisticRegression.from_data(X, y, n_nodes)
    return problems.LogisticRegression.from_data(X, y, n_nodes, l2=loss.smoothness / (KAPPA - 1))


def time_limit(decay_rate: float) -> float:
    """Simulated time by which theory promises the target, with a constant of e^20."""
    import math

    return (20 - math.log(BEYOND * TARGET)) / decay_rate


def record_interval(n_nodes: int, parameters: DADAOParameters) -> int:
    """Events between two records: counts at the target are then known to better than 1 %."""
    return max(1, round(0.03 / parameters.decay_rate * (n_nodes + parameters.total_rate)))


def first_at_target(trace: Trace) -> dict[str, float] | None:
    """Return the first record at the target, or None."""
    return trace.first_below("distance", TARGET * trace["distance"][0])


def median_counts(results: Sequence[Result]) -> dict[str, float]:
    """Return the medians over the runs of gradients, communications and bits to the target."""
    import numpy as np

    records = [first_at_target(result.trace) for result in results]
    return {
        name: float(np.median([record[name] for record in records if record is not None]))
        for name in ("n_gradients", "n_communications", "bits")
    }


def measured_decay(traces: Sequence[Trace]) -> float:
    """Return the median over runs of the decay rate of the distance, per unit of time.

    The least-squares slope of log distance against time, from a tenth of the distance at the start on, where
    the constant in front has had its effect.
    """
    import numpy as np

    def decay(trace: Trace) -> float:
        distance: np.ndarray = trace["distance"]
        late = slice(int(np.flatnonzero(distance <= 0.1 * distance[0])[0]), None)
        return -float(np.polyfit(trace["time"][late], np.log(distance[late]), 1)[0])

    return float(np.median([decay(trace) for trace in traces]))


def print_header(
    screen: Console, problem: LogisticRegression, graph: Graph, parameters: dict[str, DADAOParameters]
) -> None:
    """Print the problem and the network."""
    n, m = len(problem.features), graph.n_edges
    L, mu = problem.smoothness, problem.strong_convexity
    screen.print(
        f"problem   logistic regression, breast cancer data: {n} samples, {problem.dim} coefficients"
    )
    screen.print(f"          kappa = L/mu = {L:.4g}/{mu:.4g} = {L / mu:.0f} (l2 = mu = {mu:.6g})")
    screen.print(f"network   {graph.name}: {graph.n_nodes} nodes, {m} links")
    for name, found in parameters.items():
        screen.print(f"          {name} rates: chi1 = {found.chi1:.4g}, chi2 = {found.chi2:.4g}")


def print_comparison(screen: Console, variants: Sequence[Variant], found: GossipRates) -> None:
    """Print what both choices of rates need, and how theory's numbers compare."""
    from .tables import count, megabits, percent, table

    counts = [median_counts(variant.results) for variant in variants]
    rows = []
    for variant, needed in zip(variants, counts, strict=True):
        rate = variant.parameters.decay_rate
        ratio = measured_decay([result.trace for result in variant.results]) / rate
        numbers = (count(needed["n_gradients"]), count(needed["n_communications"]), megabits(needed["bits"]))
        rows.append((variant.name, f"{variant.parameters.total_rate:.2f}", *numbers, f"{ratio:.2f}"))
    saved = {name: 1 - counts[1][name] / counts[0][name] for name in counts[0]}
    total = 1 - variants[1].parameters.total_rate / variants[0].parameters.total_rate
    rows.append(("saved", percent(total), *(percent(value) for value in saved.values()), ""))
    header = ("rates", "total rate", "gradients", "communications", "Mbit", "decay / theory")
    seeds = len(variants[0].results)
    title = f"DADAO to relative distance {TARGET:g}, median of {seeds} seed{'s' * (seeds > 1)}"
    screen.print()
    screen.print(table(header, rows, title=title))
    measured, certified = saved["n_communications"], found.saved
    screen.print(
        f"communications saved: {percent(measured)} measured, {percent(certified)} certified "
        f"({found.status}, gap {found.gap:.0e})"
    )
