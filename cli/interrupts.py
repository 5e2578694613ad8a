"""Ctrl-C and SIGTERM: a command stops soon, writes what it has, says so, and exits with 130 or 143.

The library installs no handler; the command line does, here.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does."""


def heed_termination() -> None:
    """Let SIGTERM raise `Terminated` in the main thread."""

    def terminate(*_: Any) -> None:
        raise Terminated

    signal.signal(signal.SIGTERM, terminate)


def interrupted(interrupt: KeyboardInterrupt, message: str) -> typer.Exit:
    """Say that a command was interrupted, and what is left of its work; return the exit to be raised.

    Parameters
    ----------
    interrupt : KeyboardInterrupt
        What came.
    message : str
        What is written, and how to go on.
    """
    return _exit(signal.SIGTERM if isinstance(interrupt, Terminated) else signal.SIGINT, message)


def _exit(number: int, message: str) -> typer.Exit:
    typer.echo(f"{'terminated' if number == signal.SIGTERM else 'interrupted'}: {message}", err=True)
    return typer.Exit(128 + number)


class Stop:
    """Whether, and by what signal, a command was asked to stop.

    Attributes
    ----------
    event : threading.Event
        Set by the signal; runs in other threads look at it.
    """

    def __init__(self) -> None:
        self.event = threading.Event()
        self._number = 0

    def ask(self, number: int, _: Any) -> None:
        """Take a signal, as its handler: the first is a request, the second raises."""
        if self._number:
            raise Terminated if number == signal.SIGTERM else KeyboardInterrupt
        self._number = number
        self.event.set()

    def leave(self, message: str) -> None:
        """Exit, if a signal came.

        Parameters
        ----------
        message : str
            What is written, and how to go on.
        """
        if self._number:
            raise _exit(self._number, message)


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Yield a `Stop` that the first Ctrl-C or SIGTERM inside sets, so that what there is can be written."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():  # which alone gets signals
        yield stop
        return
    before = {number: signal.signal(number, stop.ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
