"""The TOML file of `gossamer robustness`: one classifier, rules, attacks, and a grid of parameters."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..files import open_file
from ..kernels.checks import count, real
from .build import aggregator_classes, attack_classes, build_named, preaggregator_classes
from .data import LoadKeys
from .errors import user_errors
from .experiment import check_seeds
from .reading import Table, check_names, check_type, fill, load_tables

TEMPLATE = """\
# Who survives which attack: save it as robustness.toml, then `gossamer robustness robustness.toml`.
# Commented lines show what else there is.

[problem]
kind = "perceptron"          # perceptron | softmax
data = "digits"              # breast_cancer, digits, iris, wine, or a .csv, .npz, .svm file
standardize = true           # columns to mean 0 and deviation 1
hidden = [32]                # of the perceptron
l2 = 1e-4                    # weight of |x|^2 / 2
test = 0.2                   # share of the samples that results are reported on ...
validation = 0.2             # ... and of those that the best of the grid is chosen on
# seed = 0                   # of the deal of the samples

[workers]
n_nodes = 15
f = [3]                      # how many are faulty: a study each; 0 only where "none" is the only attack
splits = ["iid"]             # iid | sorted | contiguous | dirichlet: a study each
# alpha = 0.5                # of the dirichlet split

[[rules]]                    # one table each: a rule of kernels.aggregation, then its parameters;
name = "Mean"                # a parameter f is set to the number of faulty workers

[[rules]]
name = "MultiKrum"

[[rules]]
name = "NormalizedMean"

[[rules]]
name = "Flag"
label = "Flag, unit"         # in the table and the figure; by default the name
max_iter = 5

[[rules]]
name = "Flag"
label = "Flag, raw"
max_iter = 5
scale = "raw"

# [[pre]]                    # one table each: none, or a pre-aggregator of kernels.aggregation, then its
# name = "none"              # parameters, f as above; each goes in front of each rule, as rules of their own

# [[pre]]
# name = "Clipping"          # or NNM, ARC; or Bucketing, s = 2: then rules are given half as many rows
# radius = 1.0
# label = "clipped at 1"

[[attacks]]                  # one table each: none, LabelFlip, or an attack of problems.attacks (MinMax);
name = "none"                # where one is optimised (OptimizedALIE), it is against the rule at hand

[[attacks]]
name = "UniformNoise"

[[attacks]]
name = "ReversedGradient"
# factor = 10.0

[[attacks]]
name = "ALIE"
z = 1.5

[[attacks]]
name = "LabelFlip"

[grid]                       # each rule is judged with the step and momentum that suit its worst attack best
step = [0.05, 0.2]
# server_momentum = [0.9]
# momentum = [0.0]           # of the workers

[run]
rounds = 150
batch_size = 24
# seeds = [0]                # accuracies are means over the seeds
"""

PROBLEMS = "perceptron", "softmax"
HYPER: tuple[str, ...] = ("step", "server_momentum", "momentum")
# of the table, before those of the attacks and the worst of them
COLUMNS = "split", "f", "pre", "rule", *HYPER, "validation_worst"
WORST = "worst"
NO_ATTACK, LABEL_FLIP, NOTHING = "none", "LabelFlip", "none"


@dataclass(frozen=True)
class ProblemTable(LoadKeys):
    """The table `problem`."""

    kind: str
    data: str
    standardize: bool = False
    intercept: bool = False
    hidden: list[int] = field(default_factory=lambda: [32])
    l2: float = 0.0
    test: float = 0.2
    validation: float = 0.2
    seed: int = 0


@dataclass(frozen=True)
class WorkersTable:
    """The table `workers`."""

    n_nodes: int
    f: list[int]
    splits: list[str] = field(default_factory=lambda: ["iid"])
    alpha: float | None = None


@dataclass(frozen=True)
class GridTable:
    """The table `grid`."""

    step: list[float]
    server_momentum: list[float] = field(default_factory=lambda: [0.9])
    momentum: list[float] = field(default_factory=lambda: [0.0])


@dataclass(frozen=True)
class RunTable:
    """The table `run`."""

    rounds: int
    batch_size: int | None = None
    seeds: list[int] = field(default_factory=lambda: [0])


@dataclass(frozen=True)
class RobustExperiment:
    """An experiment, checked.

    Attributes
    ----------
    problem, workers, grid, run
        The tables.
    pre, rules, attacks : dict of str to dict
        Tables of pre-aggregators, rules and attacks, by label.
    folder : Path
        Where paths to data start.
    """

    problem: ProblemTable
    workers: WorkersTable
    grid: GridTable
    run: RunTable
    pre: dict[str, Table]
    rules: dict[str, Table]
    attacks: dict[str, Table]
    folder: Path

    @property
    def studies(self) -> list[tuple[str, int]]:
        """Splits and numbers of faulty workers: a part of the table each."""
        return list(itertools.product(self.workers.splits, self.workers.f))

    @property
    def contestants(self) -> list[tuple[str, str]]:
        """Labels of pre-aggregators and rules: a row of each study each."""
        return list(itertools.product(self.pre, self.rules))

    def common(self) -> dict[str, Any]:
        """Return what all runs share, for `robust_runs`, in terms of JSON; of a data file a digest."""
        data = self.folder / self.problem.data
        contents = hashlib.blake2b(digest_size=12)
        if data.suffix or self.problem.format is not None:
            with open_file(data) as file:
                while piece := file.read(2**20):
                    contents.update(piece)
        return {
            "problem": asdict(self.problem),
            "contents": contents.hexdigest(),
            "n_nodes": self.workers.n_nodes,
            "alpha": self.workers.alpha,
            "rounds": self.run.rounds,
            "batch_size": self.run.batch_size,
            "folder": str(self.folder),
        }

    def jobs(self) -> list[dict[str, Any]]:
        """Return all runs of the grid, in terms of JSON."""
        grid = self.grid
        points = list(itertools.product(grid.step, grid.server_momentum, grid.momentum))
        return [
            {
                "split": split,
                "f": f,
                "pre": pre,
                "rule": rule,
                "attack": attack,
                "step": step,
                "server_momentum": server,
                "momentum": workers,
                "seed": seed,
                "pre_table": self.pre[pre],
                "rule_table": self.rules[rule],
                "attack_table": self.attacks[attack],
            }
            for (split, f), (pre, rule), attack, (step, server, workers), seed in itertools.product(
                self.studies, self.contestants, self.attacks, points, self.run.seeds
            )
        ]


def build_rule(pre: Table, table: Table, f: int, seed: int) -> Any:
    """Return an aggregator for f faulty workers, with a pre-aggregator in front unless that is "none".

    Parameters
    ----------
    pre : dict
        Of the pre-aggregator.
    table : dict
        Of the rule.
    f : int
        Faulty workers.
    seed : int
        Key of those that draw.
    """
    rule = build_named("rule", table, aggregator_classes(), f=f, key=seed)
    if pre.get("name") == NOTHING:
        check_names(NOTHING, "parameter", [key for key in pre if key != "name"], [])
        return rule
    classes = preaggregator_classes()
    check_names("gossamer", "pre-aggregator", [str(pre.get("name"))], [NOTHING, *classes])
    return build_named("pre-aggregator", pre, classes, f=f, key=seed) >> rule


def build_attack(table: Table, rule: Any, seed: int) -> Any:
    """Return an attack, or None where nothing but the data is spoilt.

    Parameters
    ----------
    table : dict
        Of the attack.
    rule : Aggregator
        That optimised attacks are against.
    seed : int
        Key of attacks that draw.
    """
    if table.get("name") in (NO_ATTACK, LABEL_FLIP):
        check_names(table["name"], "parameter", [key for key in table if key != "name"], [])
        return None
    classes = attack_classes()
    check_names("gossamer", "attack", [str(table.get("name"))], [NO_ATTACK, LABEL_FLIP, *classes])
    return build_named("attack", table, classes, aggregator=rule, key=seed)


def read_robustness(path: Path) -> RobustExperiment:
    """Read an experiment and check all of it but the data.

    Parameters
    ----------
    path : Path
        TOML file.

    Raises
    ------
    UserError
        With the table and the key, and what would be right.
    """
    lists = ("pre", "rules", "attacks")
    with user_errors(str(path)):
        tables = load_tables(
            path,
            ("problem", "workers", "rules", "attacks", "grid"),
            lists=lists,
            template="gossamer template robustness",
        )
        problem = _checked_problem(fill(ProblemTable, "[problem]", tables["problem"]))
        if problem.kind != "perceptron" and "hidden" in tables["problem"]:
            raise ValueError(
                f"[problem] hidden is of the perceptron, and kind is {problem.kind!r}: leave it out"
            )
        workers = _checked_workers(fill(WorkersTable, "[workers]", tables["workers"]))
        grid = _checked_grid(fill(GridTable, "[grid]", tables["grid"]))
        run = fill(RunTable, "[run]", tables["run"])
        check_seeds(run.seeds)
        count("[run] rounds", run.rounds, least=1)
        if run.batch_size is not None:
            count("[run] batch_size", run.batch_size, least=1)
        pre = _labelled("pre", tables["pre"] or [{"name": NOTHING}])
        if NOTHING in pre and pre[NOTHING].get("name") != NOTHING:
            raise ValueError(f"[[pre]]: label {NOTHING!r} says that there is nothing; take another")
        rules = _labelled("rules", tables["rules"])
        attacks = _labelled("attacks", tables["attacks"])
        for label in attacks:
            if label in (*COLUMNS, WORST):
                raise ValueError(f"[[attacks]]: label {label!r} is a column of the table; take another")
        _check_attackers(workers, attacks)
    wanted = RobustExperiment(problem, workers, grid, run, pre, rules, attacks, path.parent)
    _check_builds(wanted, path)
    return wanted


def _checked_problem(table: ProblemTable) -> ProblemTable:
    check_names("[problem]", "kind", [table.kind], PROBLEMS)
    for name in ("test", "validation"):
        real(f"[problem] {name}", getattr(table, name), above=0.0)
    if table.test + table.validation >= 1.0:
        raise ValueError(
            f"[problem] test + validation must be below 1, got {table.test + table.validation:g}: nothing "
            "would be left to train on"
        )
    return table


def _checked_workers(table: WorkersTable) -> WorkersTable:
    from ..problems.data.splits import SPLITS

    count("[workers] n_nodes", table.n_nodes, least=2)
    check_names("[workers]", "split", table.splits, SPLITS)
    for name, values in (("f", table.f), ("splits", table.splits)):
        _distinct(f"[workers] {name}", values)
    for f in table.f:
        count("[workers] f", f, most=table.n_nodes - 1)
    if ("dirichlet" in table.splits) != (table.alpha is not None):
        raise ValueError("[workers] alpha belongs to the dirichlet split: give both or neither")
    return table


def _checked_grid(table: GridTable) -> GridTable:
    for name, values in vars(table).items():
        _distinct(f"[grid] {name}", values)
    for step in table.step:
        real("[grid] step", step, above=0.0)
    for name in ("server_momentum", "momentum"):
        for value in getattr(table, name):
            if not 0.0 <= value < 1.0:
                raise ValueError(f"[grid] {name} must be in [0, 1), got {value}")
    return table


def _distinct(name: str, values: list[Any]) -> None:
    if not values or len(set(values)) < len(values):
        raise ValueError(f"{name} must be a list of distinct values, got {values}")


def _labelled(name: str, tables: list[Table]) -> dict[str, Table]:
    """Return the tables by label."""
    found: dict[str, Table] = {}
    for number, table in enumerate(tables, 1):
        where = f"[[{name}]] {number}"
        label = table.get("label", table.get("name", ""))
        check_type(f"{where} label", label, str)
        if not label.strip() or "\n" in label:
            raise ValueError(f"{where} needs a name, and its label one line of text, got {label!r}")
        if label in found:
            raise ValueError(f"{where}: label {label!r} is taken; give it another")
        found[label] = {key: value for key, value in table.items() if key != "label"}
    if not found:
        raise ValueError(f"{name} must have at least one table [[{name}]]")
    return found


def _check_attackers(workers: WorkersTable, attacks: dict[str, Table]) -> None:
    """Refuse attacks without attackers: where nobody is faulty, there is the run without an attack only."""
    for label, table in attacks.items():
        if 0 in workers.f and table.get("name") != NO_ATTACK:
            raise ValueError(
                f"[workers] f = 0 leaves no worker faulty, and nobody would attack by [[attacks]] {label!r}: "
                f"drop 0 from f, or keep {NO_ATTACK!r} as the only attack"
            )


def _check_builds(wanted: RobustExperiment, path: Path) -> None:
    """Build every rule and attack, and have it called once with so many workers."""
    import numpy as np

    n = wanted.workers.n_nodes
    for f in wanted.workers.f:
        zeros = np.zeros((n, 1))
        spoilt = np.where(np.arange(n)[:, None] < n - f, zeros, np.nan)  # so that no faulty row is trusted
        for number, table in enumerate(wanted.rules.values(), 1):
            for label, pre in wanted.pre.items():
                with user_errors(f"{path}: [[rules]] {number}, with f = {f} and [[pre]] {label!r}"):
                    rule = build_rule(pre, table, f, 0)
                    rule(spoilt, full=True)
                    rule.new_memory(n, 1)
        some_rule = build_rule({"name": NOTHING}, next(iter(wanted.rules.values())), f, 0)
        for number, table in enumerate(wanted.attacks.values(), 1):
            with user_errors(f"{path}: [[attacks]] {number}, with f = {f}"):
                attack = build_attack(table, some_rule, 0)
                if attack is not None:
                    attack(zeros[f:], f, own=zeros[:f])
