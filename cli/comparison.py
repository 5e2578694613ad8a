"""The TOML file of `gossamer compare`: one problem, one graph, several solvers, and what to compare."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..kernels.checks import real
from .build import GraphTable, build_problem, build_solver, read_problem
from .errors import user_errors
from .experiment import check_seeds
from .reading import check_names, check_type, fill, load_tables
from .topology import parse_topology

if TYPE_CHECKING:
    from ..graphs import Graph
    from ..problems import Problem
    from ..solvers import Solver

TEMPLATE = """\
# A comparison: save it as compare.toml, then `gossamer compare compare.toml`.
# Commented lines show what else there is.

[problem]
kind = "quadratic"           # random, other curvature and another minimiser at each node; needs no data
dim = 50
condition_number = 20.0      # L/mu of each node
# heterogeneity = 1.0        # how far apart the nodes' minimisers are
# seed = 0
# or data, as in `gossamer template`: kind = "logistic", data = "breast_cancer", l2 = 0.02, ...
# or a saddle point problem, for Extragradient, MASHA1 and MASHA2:
#   kind = "bilinear", size = 50, l2 = 0.1
#   kind = "matrix_game", payoffs = [[0, -1, 2], [1, 0, -1], [-1, 1, 0]], heterogeneity = 1.0, entropic = true

[graph]
topology = "star:10"         # EF, EF21, DIANA and MARINA need a star or a complete graph, the others do not

[[solvers]]                  # one table each: a solver of gossamer.solvers, then its parameters
name = "DIANA"
label = "DIANA, Rand-10 %"   # in tables and figures; by default the name
compressor = {name = "RandK", k = 0.1}
# record_every = 5           # rounds between two records (of DADAO: gradients and communications)

[[solvers]]
name = "EF21"
label = "EF21, Top-10 %, natural"
compressor = {name = "Composed", sparsifier = {name = "TopK", k = 0.1}, quantiser = {name = "Natural"}}

[[solvers]]
name = "GradientTracking"
step = "auto"                # tuned on a few rounds before the runs; without it, what theory says

[[solvers]]
name = "DADAO"
rates = "communication"

[compare]
target = 1e-6                # what a solver has to reach ...
column = "distance"          # ... in this column: distance | optimality | consensus
# bits = 2e7                 # for the comparison at equal bits; by default what the thriftiest run sent

[run]
seeds = [0, 1, 2]
tol = 1e-8                   # runs end here, or at the limit; it should lie below the target
max_time = 5000.0            # simulated time; a round takes 1
# max_wall_time = 600.0      # seconds for each run
"""

COLUMNS = ("distance", "optimality", "consensus")
_OWN = {"label": str, "record_every": int, "max_events": int}  # keys of [[solvers]] that no solver has


@dataclass(frozen=True)
class CompareTable:
    """The table `compare`."""

    target: float
    column: str = "distance"
    bits: float | None = None


@dataclass(frozen=True)
class RunTable:
    """The table `run` of a comparison: limits in units that all solvers share."""

    seeds: list[int] = field(default_factory=lambda: [0])
    tol: float = 1e-8
    max_time: float | None = None
    max_wall_time: float | None = None


@dataclass(frozen=True)
class Contestant:
    """A solver of a comparison.

    Attributes
    ----------
    label : str
        Unlike those of all others.
    place : str
        Where the file describes it, for errors.
    solver : Solver
        To run.
    options : dict
        Keyword arguments of `Solver.solve` for this solver alone.
    """

    label: str
    place: str
    solver: Solver
    options: dict[str, Any]


@dataclass(frozen=True)
class Comparison:
    """A comparison, ready to run.

    Attributes
    ----------
    problem, graph
        Of all runs.
    contestants : list of Contestant
        The solvers.
    seeds : list of int
        One run of each solver each.
    options : dict
        Keyword arguments of `Solver.solve` for all.
    goal : CompareTable
        Target, its column, bits.
    """

    problem: Problem
    graph: Graph
    contestants: list[Contestant]
    seeds: list[int]
    options: dict[str, Any]
    goal: CompareTable


def read_comparison(path: Path) -> Comparison:
    """Read a comparison, check all of it but what needs the solvers to start, and build its objects.

    Parameters
    ----------
    path : Path
        TOML file.

    Raises
    ------
    UserError
        With the table and the key, and what would be right.
    """
    with user_errors(str(path)):
        tables = load_tables(
            path,
            ("problem", "graph", "solvers", "compare"),
            lists=("solvers",),
            template="gossamer template compare",
        )
        wanted = read_problem(tables["problem"])
        place = fill(GraphTable, "[graph]", tables["graph"])
        goal = _checked(fill(CompareTable, "[compare]", tables["compare"]))
        limits = fill(RunTable, "[run]", tables["run"])
        check_seeds(limits.seeds)
        real("[run] tol", limits.tol, least=0.0)
        if limits.max_time is not None:
            real("[run] max_time", limits.max_time, above=0.0)
        if limits.max_wall_time is not None:
            real("[run] max_wall_time", limits.max_wall_time, above=0.0)
    with user_errors(f"{path}: [graph]"):
        graph = parse_topology(place.topology, path.parent)
    with user_errors(f"{path}: [problem]"):
        problem = build_problem(wanted, graph.n_nodes, path.parent)
    contestants: list[Contestant] = []
    for number, table in enumerate(tables["solvers"], 1):
        where = f"{path}: [[solvers]] {number}"
        with user_errors(where):
            found = _contestant(table, where, graph)
            for k, other in enumerate(contestants, 1):
                if other.label == found.label:
                    raise ValueError(f"label {found.label!r} is taken by [[solvers]] {k}; give it another")
        contestants.append(found)
    if not contestants:
        with user_errors(str(path)):
            raise ValueError("solvers must have at least one table [[solvers]]")
    options = {key: value for key, value in vars(limits).items() if key != "seeds"}
    return Comparison(problem, graph, contestants, limits.seeds, options, goal)


def _checked(goal: CompareTable) -> CompareTable:
    check_names("[compare]", "column", [goal.column], COLUMNS)
    real("[compare] target", goal.target, above=0.0)
    if goal.bits is not None:
        real("[compare] bits", goal.bits, above=0.0)
    return goal


def _contestant(table: dict[str, Any], where: str, graph: Graph) -> Contestant:
    own = {key: value for key, value in table.items() if key in _OWN}
    for key, value in own.items():
        check_type(key, value, _OWN[key])
    solver = build_solver({key: value for key, value in table.items() if key not in _OWN}, graph)
    label = own.pop("label", type(solver).__name__)
    if not label.strip() or "\n" in label:
        raise ValueError(f"label must be one line of text, got {label!r}")
    return Contestant(label, where, solver, own)
