"""`gossamer template`: files to start from."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ..files import write_text
from .errors import user_errors


class Command(StrEnum):
    """A command that reads a TOML file."""

    run = "run"
    compare = "compare"
    robustness = "robustness"


def template(
    command: Annotated[Command, typer.Argument(help="The command that is to read the file.")] = Command.run,
    output: Annotated[
        Path | None, typer.Option(help="File to write, which must not exist yet, instead of printing.")
    ] = None,
) -> None:
    """Print a file to start from, as in: gossamer template compare > compare.toml."""
    from . import comparison, experiment, robust_experiment

    made = {
        Command.run: experiment.TEMPLATE,
        Command.compare: comparison.TEMPLATE,
        Command.robustness: robust_experiment.TEMPLATE,
    }
    if output is None:
        typer.echo(made[command], nl=False)
        return
    with user_errors():
        if output.is_file():
            raise FileExistsError(f"{output} exists, and may have been worked on; name another file")
        write_text(output, made[command])
