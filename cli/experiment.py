"""The TOML file of `gossamer run`: four tables, and the objects they describe."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .build import GraphTable, build_problem, build_solver, read_problem
from .errors import user_errors
from .reading import fill, load_tables
from .topology import parse_topology

if TYPE_CHECKING:
    from ..graphs import Graph
    from ..problems import Problem
    from ..solvers import Solver

TEMPLATE = """\
# An experiment: save it as experiment.toml, then `gossamer run experiment.toml`.
# Paths are relative to this file. Commented lines show what else there is.

[problem]
kind = "logistic"            # logistic | least_squares | robust_least_squares, which also takes radius = 1.0,
                             # perturbation = 0.5; or without data (see `gossamer template compare`)
data = "breast_cancer"       # breast_cancer, diabetes, digits, iris, wine, or a .csv, .npz, .svm file
# target = "label"           # of a CSV file: name or position of the target column, else the last
# also of files: header, sep, decimal, missing, format, zero_based, n_features, as in gossamer.problems.load
standardize = true           # columns to mean 0 and deviation 1
intercept = true             # append a column of ones
l2 = 0.02                    # weight of |x|^2 / 2
split = "iid"                # iid | contiguous | sorted | dirichlet, how rows are dealt out to the nodes
# alpha = 0.5                # of the dirichlet split: smaller is more heterogeneous
# split_seed = 0

[graph]
topology = "grid_2d:4,4"     # or "topozoo/Abilene", "random_geometric:40,rng=3", "network.graphml"

[solver]
name = "DADAO"               # a solver of gossamer.solvers; its parameters follow
rates = "communication"      # optimal for communications | algebraic_connectivity | uniform
                             # or a number for each edge, [0.5, 1.0, ...]
# batch_size = 8

[run]
seeds = [0, 1, 2]
tol = 1e-6
# max_time = 5000.0          # simulated time
# max_events = 1000000
# max_wall_time = 600.0      # seconds for each seed
# record_every = 200         # events between two records
"""


@dataclass(frozen=True)
class RunTable:
    """The table `run`; all but the seeds goes to `Solver.solve`."""

    seeds: list[int] = field(default_factory=lambda: [0])
    tol: float = 1e-8
    max_time: float | None = None
    max_events: int | None = None
    max_wall_time: float | None = None
    record_every: int | None = None


@dataclass(frozen=True)
class Experiment:
    """An experiment, ready to run.

    Attributes
    ----------
    problem, graph, solver
        What the tables describe.
    seeds : list of int
        One run each.
    options : dict
        Keyword arguments of `Solver.solve`.
    """

    problem: Problem
    graph: Graph
    solver: Solver
    seeds: list[int]
    options: dict[str, Any]


def read_experiment(path: Path) -> Experiment:
    """Read an experiment, check all of it, and build its objects.

    Parameters
    ----------
    path : Path
        TOML file.

    Returns
    -------
    Experiment

    Raises
    ------
    UserError
        With the table and the key, and what would be right.
    """
    with user_errors(str(path)):
        tables = load_tables(path, ("problem", "graph", "solver"))
        wanted = read_problem(tables["problem"])
        place = fill(GraphTable, "[graph]", tables["graph"])
        limits = fill(RunTable, "[run]", tables["run"])
        check_seeds(limits.seeds)
    with user_errors(f"{path}: [graph]"):
        graph = parse_topology(place.topology, path.parent)
    with user_errors(f"{path}: [problem]"):
        problem = build_problem(wanted, graph.n_nodes, path.parent)
    with user_errors(f"{path}: [solver]"):
        solver = build_solver(tables["solver"], graph)
    options = {key: value for key, value in vars(limits).items() if key != "seeds"}
    return Experiment(problem, graph, solver, limits.seeds, options)


def check_seeds(seeds: list[int]) -> None:
    """Refuse seeds that are not distinct integers >= 0."""
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise ValueError(f"[run] seeds must be distinct integers >= 0, got {seeds}")
