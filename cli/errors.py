"""Errors that are the user's to repair are one line on stderr and exit code 2; bugs keep their traceback."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from ..kernels._jit import NoCompilerError
from .interrupts import interrupted

# of click, or of the copy of it that newer versions of typer bring along
_UsageError: Any = typer.BadParameter.__base__


_LONGEST = 2000
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class UserError(Exception):
    """An error that the user can repair; its text says how."""


@contextmanager
def user_errors(where: str = "") -> Iterator[None]:
    """Turn the errors that checks of arguments raise into `UserError`, and those of inputs too large.

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
    except UnicodeDecodeError as error:
        raise UserError(_located(where, f"not UTF-8 text ({error.reason} at {error.start})")) from error
    except (MemoryError, OverflowError) as error:
        text = f"too large for this machine{f' ({error})' * bool(str(error))}; take smaller numbers"
        raise UserError(_located(where, text)) from error
    except (ValueError, TypeError, ImportError) as error:
        raise UserError(_located(where, str(error))) from error


def _located(where: str, text: str) -> str:
    return text if where in text else f"{where}: {text}"


class ErrorsInOneLine(TyperGroup):
    """The group of commands; shows a `UserError` or an interrupt as one line, or with `--debug` as it came.

    Errors in the words of the command line (no such option, a bad value) are one line too.
    """

    def make_context(self, info_name: Any, args: list[str], *rest: Any, **extra: Any) -> Any:
        """Parse what stands before the command."""
        if not args:  # typer shows the help, and that is no error to shorten
            return super().make_context(info_name, args, *rest, **extra)
        with _usage_errors():
            return super().make_context(info_name, args, *rest, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Parse the rest, and run the command."""
        try:
            with _usage_errors():
                return super().invoke(ctx)
        except UserError as error:
            if ctx.params.get("debug"):
                raise
            raise _refusal(error) from error
        except NoCompilerError as error:
            raise _refusal(error) from error
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            raise _refusal(f"{error.filename or 'output'}: {error.strerror}") from error
        except KeyboardInterrupt as interrupt:
            if ctx.params.get("debug"):
                raise
            raise interrupted(interrupt, "nothing is written") from interrupt


@contextmanager
def _usage_errors() -> Iterator[None]:
    try:
        yield
    except _UsageError as error:
        command = error.ctx.command_path if error.ctx else "gossamer"
        message = error.format_message().rstrip(".")
        raise _refusal(f"{message}; `{command} --help` shows what there is") from error


def _refusal(message: object) -> typer.Exit:
    typer.echo(f"error: {one_line(message)}", err=True)
    return typer.Exit(2)


def one_line(message: object) -> str:
    """Return the text of a message with all white space single blanks, and of a very long one the start."""
    text = " ".join(str(message).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
