"""Long compiled calls that Ctrl-C ends.

Python handles signals between two of its own instructions, so a compiled loop holds them up until it returns.
A long one is run in a thread of its own, without the interpreter's lock, while the calling thread waits where
signals are handled; an exception of the handler, such as KeyboardInterrupt, goes up at once.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

__all__ = ["apart", "interruptible"]

_LONG = 2e7  # operations, some 0.02 s; below, handing over to a thread is not worth its 0.1 ms
_PATIENCE = 0.05  # seconds until a stopped call that goes on is left to itself


def apart(function: Any, *args: Any, **options: Any) -> Any:
    """Return ``function(*args, **options)``, run so that signals are handled meanwhile.

    Parameters
    ----------
    function : callable
        Compiled code that releases the interpreter's lock: a kernel, LAPACK's or SuperLU's functions. It
        cannot be stopped: after an exception of a signal's handler it goes on to its end in the background,
        and what it returns is dropped.
    *args, **options
        Its arguments, which nobody may change meanwhile.

    Returns
    -------
    object
        What the function returns; its exception is raised.
    """
    if threading.current_thread() is not threading.main_thread():
        return function(*args, **options)  # signals are handled by the main thread alone
    return _Call(function, args, options).result(None)


def interruptible(kernel: Any, *args: Any, work: float) -> Any:
    """Return ``kernel(*args, stop)`` of a kernel that returns early once ``stop[0]`` is not zero.

    Parameters
    ----------
    kernel : LazyKernel
        Its last argument is a uint8 array of one flag.
    *args
        The others.
    work : float
        Number of operations, roughly: a short call is made directly.

    Returns
    -------
    object
        What the kernel returns. After an exception of a signal's handler, its outputs are unfinished.
    """
    stop = np.zeros(1, np.uint8)
    compiled = kernel.compiled()
    if work < _LONG or threading.current_thread() is not threading.main_thread():
        return compiled(*args, stop)
    return _Call(compiled, (*args, stop), {}).result(stop)


class _Call:
    """A call in a thread of its own."""

    def __init__(self, function: Any, args: tuple[Any, ...], options: dict[str, Any]):
        self._call, self._value, self._error = (function, args, options), None, None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        function, args, options = self._call
        try:
            self._value = function(*args, **options)
        except BaseException as error:  # raised where the call was made
            self._error = error

    def result(self, stop: np.ndarray | None) -> Any:
        self._thread.start()
        try:
            self._thread.join()
        except BaseException:
            if stop is not None:
                stop[0] = 1
                self._thread.join(_PATIENCE)
            raise
        if self._error is not None:
            raise self._error
        return self._value
