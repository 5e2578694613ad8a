"""How the package compiles: lazily, with fixed signatures, through the disk cache.

`numba.njit` with a signature compiles at import, and without one it specialises on whatever dispatcher object
it is handed, which never hits the disk cache of a new process. `lazy_njit` does neither: the signature is
fixed, so that a compiled oracle travels as a function pointer, and compilation waits for the first call.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

from numba import njit, types
from numba.core.compiler import CompilerBase, DefaultPassBuilder

# What LLVM may do to reductions: reorder and contract them. NaN and infinity keep their meaning.
REORDER = {"reassoc", "contract", "nsz", "arcp"}


class _NoAlias(CompilerBase):
    """Numba's usual pipeline, with LLVM told that no two array arguments overlap."""

    def define_pipelines(self):
        self.state.flags.noalias = True
        return [DefaultPassBuilder.define_nopython_pipeline(self.state)]


# Options of a kernel whose array arguments never overlap. Without, LLVM gives up vectorising a loop that
# writes more than about three arrays, for the many overlaps it would have to check.
NO_ALIAS = {"cache": True, "nogil": True, "pipeline_class": _NoAlias}


def array_type(dtype: types.Type, ndim: int, *, readonly: bool = False) -> types.Array:
    """Numba type of a C-contiguous array."""
    return types.Array(dtype, ndim, "C", readonly=readonly)


class LazyKernel:
    """A numba kernel with one fixed signature, compiled (or loaded from the disk cache) at its first call.

    Parameters
    ----------
    function : callable
        The Python function.
    signature : numba signature
        Its only signature; arguments are converted to it, or a TypeError is raised.
    options : dict
        Passed on to `numba.njit`.
    """

    def __init__(self, function: Callable[..., Any], signature: Any, options: dict[str, Any]):
        functools.update_wrapper(self, function)
        self.signature = signature
        self._dispatcher = njit(**options)(function)
        self._is_compiled = False
        self._lock = threading.Lock()

    def compiled(self) -> Any:
        """Return the compiled dispatcher: what another kernel takes as a function pointer."""
        if not self._is_compiled:
            with self._lock:  # runs in several threads may meet here first
                if not self._is_compiled:
                    self._dispatcher.compile(self.signature)
                    self._dispatcher.disable_compile()
                    self._is_compiled = True
        return self._dispatcher

    def __call__(self, *args: Any) -> Any:
        return self.compiled()(*args)

    def __reduce__(self) -> str:
        return self._dispatcher.py_func.__qualname__  # pickled and copied by name, as functions are


def lazy_njit(signature: Any, **options: Any) -> Callable[[Callable[..., Any]], LazyKernel]:
    """Decorate a function as a `LazyKernel` (`cache=True, nogil=True` unless said otherwise)."""
    settings = {"cache": True, "nogil": True} | options

    def decorate(function: Callable[..., Any]) -> LazyKernel:
        return LazyKernel(function, signature, settings)

    return decorate
