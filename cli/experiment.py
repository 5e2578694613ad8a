"""The TOML file of `gossamer run`: four tables, each one a dataclass, and the objects they describe."""

from __future__ import annotations

import dataclasses
import tomllib
import types
import typing
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import user_errors
from .rates import optimised_rates
from .topology import parse_topology

if TYPE_CHECKING:
    from ..graphs import Graph
    from ..problems import Problem
    from ..solvers import Solver

TEMPLATE = """\
# An experiment: save it as experiment.toml, then `gossamer run experiment.toml`.
# Paths are relative to this file. Commented lines show what else there is.

[problem]
kind = "logistic"            # logistic | least_squares
data = "breast_cancer"       # breast_cancer, diabetes, digits, iris, wine, or a .csv, .npz, .svm file
# target = "label"           # of a CSV file: name or position of the target column, else the last
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
# record_every = 200         # events between two records
"""


@dataclass(frozen=True)
class ProblemTable:
    """The table `problem`."""

    kind: str
    data: str
    target: str | int = -1
    standardize: bool = False
    intercept: bool = False
    l2: float = 0.0
    split: str = "iid"
    alpha: float | None = None
    split_seed: int = 0


@dataclass(frozen=True)
class GraphTable:
    """The table `graph`."""

    topology: str


@dataclass(frozen=True)
class RunTable:
    """The table `run`; all but the seeds goes to `Solver.solve`."""

    seeds: list[int] = field(default_factory=lambda: [0])
    tol: float = 1e-8
    max_time: float | None = None
    max_events: int | None = None
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
    with user_errors(str(path)), path.open("rb") as file:
        tables = tomllib.load(file)
    sections = ("problem", "graph", "solver", "run")
    with user_errors(str(path)):
        _check_names("the file", "table", tables, sections)
        for name in sections:
            if not isinstance(tables.get(name, {}), dict):
                raise ValueError(f"{name} must be a table: [{name}]")
            if name not in tables and name != "run":
                raise ValueError(f"no table [{name}]; `gossamer template` prints a complete file")
        wanted = _read(ProblemTable, "problem", tables["problem"])
        place = _read(GraphTable, "graph", tables["graph"])
        limits = _read(RunTable, "run", tables.get("run", {}))
        if not limits.seeds or len(set(limits.seeds)) < len(limits.seeds) or min(limits.seeds) < 0:
            raise ValueError(f"[run] seeds must be distinct integers >= 0, got {limits.seeds}")
    with user_errors(f"{path}: [graph]"):
        graph = parse_topology(place.topology, path.parent)
    with user_errors(f"{path}: [problem]"):
        problem = _build_problem(wanted, graph.n_nodes, path.parent)
    with user_errors(f"{path}: [solver]"):
        solver = _build_solver(tables["solver"], graph)
    options = {key: value for key, value in vars(limits).items() if key != "seeds"}
    return Experiment(problem, graph, solver, limits.seeds, options)


def _build_problem(wanted: ProblemTable, n_nodes: int, folder: Path) -> Problem:
    from .. import problems

    kinds = {"logistic": problems.LogisticRegression, "least_squares": problems.LeastSquares}
    if wanted.kind not in kinds:
        raise ValueError(f"kind must be one of {', '.join(kinds)}, got {wanted.kind!r}")
    is_file = bool(Path(wanted.data).suffix)
    X, y = problems.load(folder / wanted.data if is_file else wanted.data, target=wanted.target)
    if wanted.standardize:
        X = problems.standardize(X)
    if wanted.intercept:
        X = problems.add_intercept(X)
    return kinds[wanted.kind].from_data(
        X, y, n_nodes, l2=wanted.l2, split=wanted.split, alpha=wanted.alpha, rng=wanted.split_seed
    )


def _build_solver(table: dict[str, Any], graph: Graph) -> Solver:
    """Return the solver that a table names; its other keys are fields of the solver's dataclass.

    Those that are a text, a number or a boolean can stand in a file, and the rates.
    """
    found = solver_classes()
    name = table.get("name")
    if not isinstance(name, str) or name not in found:
        raise ValueError(f"name must be one of {', '.join(found)}, got {name!r}")
    hints = typing.get_type_hints(found[name])
    kinds = {f.name: hints[f.name] for f in dataclasses.fields(found[name]) if _is_simple(hints[f.name])}
    if "rates" in hints:
        kinds["rates"] = str | list[float]
    values = {key: value for key, value in table.items() if key != "name"}
    _check_names(name, "parameter", values, list(kinds), "that a file can set")
    for key, value in values.items():
        _check_type(key, value, kinds[key])
    if isinstance(values.get("rates"), str):
        values["rates"] = optimised_rates(graph, values["rates"])
    return found[name](**values)


def solver_classes() -> dict[str, type[Solver]]:
    """Return the solvers of `gossamer.solvers` by name."""
    import inspect

    from .. import solvers

    classes = {name: getattr(solvers, name) for name in solvers.__all__}
    return {
        name: value
        for name, value in classes.items()
        if inspect.isclass(value) and issubclass(value, solvers.Solver) and not inspect.isabstract(value)
    }


def _check_names(
    where: str, what: str, given: typing.Iterable[str], known: typing.Sequence[str], limits: str = ""
) -> None:
    for name in given:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
            raise ValueError(f"{where} has no {' '.join(filter(None, (what, repr(name), limits)))}; {hint}")


def _read(kind: type[Any], section: str, table: dict[str, Any]) -> Any:
    """Return a dataclass filled from a table whose keys and types have been checked."""
    fields = dataclasses.fields(kind)
    _check_names(f"[{section}]", "key", table, [f.name for f in fields])
    hints = typing.get_type_hints(kind)
    for f in fields:
        optional = f.default is not dataclasses.MISSING or f.default_factory is not dataclasses.MISSING
        if f.name not in table and not optional:
            raise ValueError(f"[{section}] needs the key {f.name!r}")
        if f.name in table:
            _check_type(f"[{section}] {f.name}", table[f.name], hints[f.name])
    return kind(**table)


_NAMES: dict[Any, str] = {
    str: "a text",
    int: "an integer of 64 bits",
    float: "a number",
    bool: "true or false",
    list[int]: "a list of integers",
    list[float]: "a list of numbers",
}


def _parts(hint: Any) -> list[Any]:
    """The types that a hint allows, but None, which TOML cannot say."""
    parts = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return [part for part in parts if part is not types.NoneType]


def _is_simple(hint: Any) -> bool:
    return all(part in (str, int, float, bool) for part in _parts(hint))


def _check_type(name: str, value: Any, hint: Any) -> None:
    if not any(_fits(value, part) for part in _parts(hint)):
        names = " or ".join(_NAMES[part] for part in _parts(hint))
        raise ValueError(f"{name} must be {names}, got {value!r}")


def _fits(value: Any, kind: Any) -> bool:
    if typing.get_origin(kind) is list:
        return isinstance(value, list) and all(_fits(item, typing.get_args(kind)[0]) for item in value)
    if isinstance(value, bool):  # an int to Python
        return kind is bool
    if isinstance(value, int):
        return kind in (int, float) and -(2**63) <= value < 2**63
    return isinstance(value, kind)
