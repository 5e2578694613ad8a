"""Errors that are the user's to repair are one line on stderr and exit code 2; bugs keep their traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup


class UserError(Exception):
    """An error that the user can repair; its text says how."""


@contextmanager
def user_errors(where: str = "") -> Iterator[None]:
    """Turn the errors that checks of arguments raise into `UserError`.

    Only what reads or checks input belongs inside: the same exceptions from a run would be bugs.

    Parameters
    ----------
    where : str
        Put in front of the message, such as the name of a file or of a key.
    """
    try:
        yield
    except OSError as error:
        # the system's own errors carry a number that helps nobody
        text = f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)
        raise UserError(_located(where, text)) from error
    except (ValueError, TypeError, ImportError) as error:
        raise UserError(_located(where, str(error))) from error


def _located(where: str, text: str) -> str:
    return text if not where or text.startswith(where) else f"{where}: {text}"


class ErrorsInOneLine(TyperGroup):
    """The group of commands; shows a `UserError` as one line, or with `--debug` as it came."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except UserError as error:
            if ctx.params.get("debug"):
                raise
            typer.echo(f"error: {one_line(error)}", err=True)
            raise typer.Exit(2) from error


def one_line(message: object) -> str:
    """Return the text of a message with all white space single blanks."""
    return " ".join(str(message).split())
