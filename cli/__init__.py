"""The command line: `gossamer info`, `rates`, `run`, `compare`, `robustness`, `template`, `check` and `demo`.

| module | what it holds |
|---|---|
| `info`, `rates`, `run`, `compare`, `robustness`, `template`, `check`, `demo` | one command each |
| `experiment`, `comparison`, `robust_experiment` | the TOML files of `run`, `compare` and `robustness` |
| `reading`, `build` | their tables: keys and types; the objects that they describe |
| `topology` | the text that names a graph, such as `topozoo/Abilene` or `grid_2d:5,5` |
| `seeds` | many runs in threads |
| `robust_runs`, `robust_selection` | the runs of `robustness`, in processes; what is chosen of them |
| `figures`, `compare_figure`, `robust_figure`, `tables` | what is drawn, what is printed |
| `errors` | which errors are the user's, and how they are shown |
| `interrupts` | Ctrl-C and SIGTERM: what there is gets written |

Heavy imports are inside the commands. `gossamer --help` costs what `import gossamer` costs, mostly numba.
"""

from __future__ import annotations

import io
import os
import sys
import warnings
from typing import Annotated, Any

import typer

from .._version import __version__
from . import check, compare, demo, info, rates, robustness, run, template
from .errors import ErrorsInOneLine, one_line
from .interrupts import heed_termination

__all__ = ["app", "main"]

app = typer.Typer(
    cls=ErrorsInOneLine,
    help="Decentralised optimisation: gossip rates with certificates, compiled asynchronous solvers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    demo.demo,
    rates.rates,
    run.run,
    compare.compare,
    robustness.robustness,
    template.template,
    check.check,
    info.info,
):
    app.command()(command)


_NARROWEST = 20  # columns that hold a word


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"gossamer {__version__}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[
        bool, typer.Option("--debug", envvar="GOSSAMER_DEBUG", help="Show the traceback of every error.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Take the options that come before the command; `errors` reads `debug`."""


def main() -> None:
    """Run the command line."""
    warnings.showwarning = _show_warning
    heed_termination()
    _fit_the_terminal()
    app(prog_name="gossamer")


def _fit_the_terminal() -> None:
    """Make output degrade, not fail or vanish, where the encoding is narrow, or the terminal is."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # no dash in ASCII: a question mark
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit() and int(columns) < _NARROWEST:
        del os.environ["COLUMNS"]  # rich would print nothing at 0


def _show_warning(message: Any, *_: Any, **__: Any) -> None:
    typer.echo(f"warning: {one_line(message)}", err=True)
