"""`gossamer check`: whether gradients and constants of a user's problems fit their objectives."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .errors import UserError, user_errors

if TYPE_CHECKING:
    from ..problems import Problem

TOP = 30  # nodes shown
WRONG = "wrong"
_SLACK = 1e-6  # of the smoothness: constants are often written down with some digits


def check(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE.py[:NAME] | MODULE[:NAME]",
            help="Python code with problems, or functions without arguments that make them. It is run: "
            "check only code that you trust.",
        ),
    ],
    points: Annotated[int, typer.Option(min=1, help="Random points at which each node is checked.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Of the points.")] = 0,
) -> None:
    """Compare gradients with differences of objectives, and curvatures with the constants that are claimed.

    Without a name, all problems among the names of the file are checked. The exit code is 1 if something is
    wrong.
    """
    from .tables import console, table

    screen, n_wrong = console(), 0
    with user_errors(source):
        for name, problem in find_problems(source).items():
            rows, wrong = checked(problem, points, seed)
            header = ("node", "gradient off by", "allowed", "curvatures", "verdict")
            title = f"{name}: mu = {problem.strong_convexity:.6g}, L = {problem.smoothness:.6g}"
            shown = sorted(rows, key=lambda row: row[-1] != WRONG)[:TOP]
            screen.print(table(header, shown, texts=1, title=title))
            if len(shown) < len(rows):
                screen.print(f"nodes shown: {len(shown)} of {len(rows)}, those that are wrong first")
            for line in wrong:
                screen.print(line)
            n_wrong += len(wrong)
    screen.print(f"{n_wrong or 'nothing'} wrong")
    if n_wrong:
        raise typer.Exit(1)


def find_problems(source: str) -> dict[str, Problem]:
    """Return the problems of a file or module by name: the one that is named, or all.

    Parameters
    ----------
    source : str
        ``problem.py``, ``problem.py:name``, ``module`` or ``module:name``.

    Raises
    ------
    UserError
        There is none.
    """
    from ..problems import Problem

    place, _, name = source.partition(":")
    module = load(place)
    if name:
        if not hasattr(module, name):
            raise UserError(f"{place} has no {name!r}")
        found = getattr(module, name)
        if callable(found) and not isinstance(found, type):
            found = found()
        if not isinstance(found, Problem):
            raise UserError(f"{name} must be a problem, or a function that makes one, got {found!r}")
        return {name: found}
    problems = {key: value for key, value in vars(module).items() if isinstance(value, Problem)}
    if not problems:
        raise UserError(f"{place} has no problem among its names; {place}:NAME takes a function, too")
    return problems


def load(place: str) -> ModuleType:
    """Import a file by its path, or a module by its dotted name; both run the code."""
    path = Path(place)
    is_file = path.suffix == ".py"
    if is_file and not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    beside = str(path.resolve().parent) if is_file else os.getcwd()
    sys.path.insert(
        0, beside
    )  # what stands beside can be imported, as by `python FILE` and `python -m MODULE`
    try:
        if not is_file:
            return importlib.import_module(place)
        spec: Any = importlib.util.spec_from_file_location("checked_problem", path)
        module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(beside)


def checked(problem: Problem, points: int, seed: int) -> tuple[list[tuple[str, ...]], list[str]]:
    """Return a row for each node, and what is wrong.

    Parameters
    ----------
    problem : Problem
        One that minimises.
    points : int
        How many, of each node.
    seed : int
        Of the first point; the next ones count on.
    """
    from ..problems import check_curvature, check_gradient

    rows, wrong = [], []
    mu, L = problem.strong_convexity, problem.smoothness
    for i in range(problem.n_nodes):
        seeds = range(seed, seed + points)
        curvatures = [check_curvature(problem, i, rng=number) for number in seeds]
        least, largest = min(low for low, _ in curvatures), max(high for _, high in curvatures)
        found = [check_gradient(problem, i, rng=number) for number in seeds]
        worst = max(found, key=lambda one: one.error / one.tolerance)
        faults = [str(one) for one in found if not one.ok][:1]
        if largest > L * (1.0 + _SLACK):
            faults.append(f"node {i}: smoothness is {L:.9g}, and a curvature is {largest:.9g}")
        if least < mu - L * _SLACK:
            faults.append(f"node {i}: strong_convexity is {mu:.9g}, and a curvature is {least:.9g}")
        verdict = WRONG if faults else "right"
        interval = f"{least:.6g} to {largest:.6g}"
        rows.append((str(i), f"{worst.error:.1e}", f"{worst.tolerance:.1e}", interval, verdict))
        wrong += faults
    return rows, wrong
