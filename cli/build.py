"""The objects that tables of a TOML file describe: problems, solvers, compressors."""

from __future__ import annotations

import dataclasses
import inspect
import reprlib
from collections.abc import Container
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .data import LoadKeys, load_data
from .rates import optimised_rates
from .reading import Table, check_names, check_type, field_types, fill, is_simple, parts, required

if TYPE_CHECKING:
    from ..graphs import Graph
    from ..kernels.compression import Compressor
    from ..problems import Problem
    from ..solvers import Solver


@dataclass(frozen=True)
class GraphTable:
    """The table `graph`."""

    topology: str


@dataclass(frozen=True)
class DataTable(LoadKeys):
    """The table `problem` where there are data."""

    kind: str
    data: str
    standardize: bool = False
    intercept: bool = False
    l2: float = 0.0
    split: str = "iid"
    alpha: float | None = None
    split_seed: int = 0


@dataclass(frozen=True)
class QuadraticTable:
    """The table `problem` of kind "quadratic", which needs no data."""

    kind: str
    dim: int
    condition_number: float = 100.0
    heterogeneity: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class RobustTable(DataTable):
    """The table `problem` of kind "robust_least_squares"."""

    radius: float = field(kw_only=True)
    perturbation: float = field(kw_only=True)
    penalty: float | None = None


@dataclass(frozen=True)
class BilinearTable:
    """The table `problem` of kind "bilinear", which needs no data."""

    kind: str
    size: int
    l2: float = 0.1
    least: float = 0.3
    most: float = 10.0
    offset: float = 10.0
    gap_radius: float | None = None
    seed: int = 0


@dataclass(frozen=True)
class GameTable:
    """The table `problem` of kind "matrix_game"."""

    kind: str
    payoffs: list[list[float]]
    entropic: bool = False
    heterogeneity: float = 0.0
    seed: int = 0


ProblemTable = DataTable | QuadraticTable | BilinearTable | GameTable

_KINDS: dict[str, type[Any]] = {
    "logistic": DataTable,
    "least_squares": DataTable,
    "quadratic": QuadraticTable,
    "bilinear": BilinearTable,
    "matrix_game": GameTable,
    "robust_least_squares": RobustTable,
}


def read_problem(table: Table) -> ProblemTable:
    """Return the table `problem`, checked.

    Parameters
    ----------
    table : dict
        As in the file.
    """
    kind = table.get("kind")
    if kind is None:
        raise ValueError("[problem] needs the key 'kind'")
    check_type("[problem] kind", kind, str)
    check_names("gossamer", "kind of problem", [kind], list(_KINDS))
    return fill(_KINDS[kind], "[problem]", table)


def build_problem(wanted: ProblemTable, n_nodes: int, folder: Path) -> Problem:
    """Return the problem that a table describes.

    Parameters
    ----------
    wanted : ProblemTable
        From `read_problem`.
    n_nodes : int
        Of the graph.
    folder : Path
        Where paths to data start.
    """
    from .. import problems

    if isinstance(wanted, QuadraticTable):
        return problems.Quadratic.random(
            n_nodes,
            wanted.dim,
            condition_number=wanted.condition_number,
            heterogeneity=wanted.heterogeneity,
            rng=wanted.seed,
        )
    if isinstance(wanted, BilinearTable):
        return problems.BilinearSaddle.random(
            n_nodes,
            wanted.size,
            l2=wanted.l2,
            least=wanted.least,
            most=wanted.most,
            offset=wanted.offset,
            gap_radius=wanted.gap_radius,
            rng=wanted.seed,
        )
    if isinstance(wanted, GameTable):
        return problems.MatrixGame.split(
            wanted.payoffs,
            n_nodes,
            heterogeneity=wanted.heterogeneity,
            entropic=wanted.entropic,
            rng=wanted.seed,
        )
    X, y = load_data(dataclasses.asdict(wanted), folder)
    options: dict[str, Any] = {
        "l2": wanted.l2,
        "split": wanted.split,
        "alpha": wanted.alpha,
        "rng": wanted.split_seed,
    }
    if isinstance(wanted, RobustTable):
        options |= {name: getattr(wanted, name) for name in ("radius", "perturbation", "penalty")}
        return problems.RobustLeastSquares.from_data(X, y, n_nodes, **options)
    kinds = {"logistic": problems.LogisticRegression, "least_squares": problems.LeastSquares}
    return kinds[wanted.kind].from_data(X, y, n_nodes, **options)


def build_solver(table: Table, graph: Graph) -> Solver:
    """Return the solver that a table names; its other keys are fields of the solver's dataclass.

    Parameters
    ----------
    table : dict
        As in the file. Fields that are texts, numbers, booleans or compressors can stand there, and the rates
        of edges and the mixing matrix.
    graph : Graph
        For which a criterion of gossip rates is optimised.
    """
    kind = _named("solver", table, solver_classes())
    values = _parameters(kind, table)
    if isinstance(values.get("rates"), str):
        values["rates"] = optimised_rates(graph, values["rates"])
    return kind(**values)


def build_compressor(where: str, table: Any) -> Compressor:
    """Return the compressor that an inline table names, such as {name = "TopK", k = 0.1}.

    Parameters
    ----------
    where : str
        The key, for errors.
    table : dict
        As in the file; compressors made of compressors have tables in it.
    """
    if not isinstance(table, dict):
        raise ValueError(f'{where} must be a table such as {{name = "TopK", k = 0.1}}, got {table!r}')
    try:
        kind = _named("compressor", table, compressor_classes())
        return kind(**_parameters(kind, table))
    except (ValueError, TypeError) as error:
        raise type(error)(f"{where}: {error}") from error


def build_named(what: str, table: Table, classes: dict[str, type[Any]], **known: Any) -> Any:
    """Return the object that a table names; its other keys are fields of the object's dataclass.

    Parameters
    ----------
    what : str
        What it is, for errors.
    table : dict
        As in the file.
    classes : dict
        By name, what there is.
    **known
        Values of fields of this name, unless the table has its own; those of other names are ignored.
    """
    kind = _named(what, table, classes)
    names = {f.name for f in dataclasses.fields(kind)} - set(table)
    fitting = {name: value for name, value in known.items() if name in names}
    return kind(**_parameters(kind, table, fitting), **fitting)


def aggregator_classes() -> dict[str, type[Any]]:
    """Return the rules of `gossamer.kernels.aggregation` by name."""
    from ..kernels import aggregation

    found = _classes(aggregation, aggregation.Aggregator)
    return {name: kind for name, kind in found.items() if kind is not aggregation.Pipeline}


def preaggregator_classes() -> dict[str, type[Any]]:
    """Return the pre-aggregators of `gossamer.kernels.aggregation` by name."""
    from ..kernels import aggregation

    return _classes(aggregation, aggregation.PreAggregator)


def attack_classes() -> dict[str, type[Any]]:
    """Return the attacks of `gossamer.problems.attacks` on what is sent to a server, by name."""
    from ..problems import attacks

    return _classes(attacks, attacks.Attack)


def solver_classes() -> dict[str, type[Solver]]:
    """Return the solvers of `gossamer.solvers` by name."""
    from .. import solvers

    return _classes(solvers, solvers.Solver)


def compressor_classes() -> dict[str, type[Compressor]]:
    """Return the compressors of `gossamer.kernels.compression` by name."""
    from ..kernels import compression

    return _classes(compression, compression.Compressor)


def _classes(module: ModuleType, base: type[Any]) -> dict[str, type[Any]]:
    public = {name: getattr(module, name) for name in module.__all__}
    return {
        name: value
        for name, value in public.items()
        if inspect.isclass(value) and issubclass(value, base) and not inspect.isabstract(value)
    }


def _named(what: str, table: Table, classes: dict[str, type[Any]]) -> type[Any]:
    name = table.get("name")
    if not isinstance(name, str):
        raise ValueError(f"name must be one of {', '.join(classes)}, got {reprlib.repr(name)}")
    check_names("gossamer", what, [name], list(classes))
    return classes[name]


def _parameters(kind: type[Any], table: Table, known: Container[str] = ()) -> dict[str, Any]:
    """Return the values for a dataclass's fields, checked, with the objects that inner tables describe."""
    from ..kernels.compression import Compressor

    # arrays that a file can hold, or the name of a way to compute them
    arrays = {"rates": str | list[float], "mixing": str | list[list[float]]}
    simple: dict[str, Any] = {}
    compressors = []
    for name, hint in field_types(kind).items():
        if name in arrays:
            simple[name] = arrays[name]
        elif is_simple(hint):
            simple[name] = hint
        elif all(inspect.isclass(part) and issubclass(part, Compressor) for part in parts(hint)):
            compressors.append(name)
    given = {key: value for key, value in table.items() if key != "name"}
    check_names(kind.__name__, "parameter", given, [*simple, *compressors], "that a file can set")
    for name in required(kind):
        if name not in given and name not in known:
            raise ValueError(f"{kind.__name__} needs the parameter {name!r}")
    for key, value in given.items():
        if key in compressors:
            given[key] = build_compressor(key, value)
        else:
            check_type(key, value, simple[key])
            if any(isinstance(value, list) and part == tuple[int, int] for part in parts(simple[key])):
                given[key] = tuple(value)
    return given
