"""`gossamer template`: files to start from."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Command(StrEnum):
    """A command that reads a TOML file."""

    run = "run"
    compare = "compare"
    robustness = "robustness"


def template(
    command: Annotated[Command, typer.Argument(help="The command that is to read the file.")] = Command.run,
) -> None:
    """Print a file to start from, as in: gossamer template compare > compare.toml."""
    from . import comparison, experiment, robust_experiment

    made = {
        Command.run: experiment.TEMPLATE,
        Command.compare: comparison.TEMPLATE,
        Command.robustness: robust_experiment.TEMPLATE,
    }
    typer.echo(made[command], nl=False)
