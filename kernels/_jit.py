"""How the package compiles: lazily, with fixed signatures, through a disk cache that knows the whole package.

`numba.njit` with a signature compiles at import, and without one it specialises on whatever dispatcher object
it is handed, which never hits the disk cache of a new process. `lazy_njit` does neither: the signature is
fixed, so that a compiled oracle travels as a function pointer, and compilation waits for the first call.
`inner_njit` is for the functions that kernels call.

Two defaults of Numba are mended here. A function without flags of its own inherits those of the caller that
happens to compile it first, so all flags are set. And the disk cache looks at the file of a function alone,
so a kernel would go on with an old version of what it calls: here the cache looks at all of `kernels`.
"""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit, types
from numba.core.caching import FunctionCache
from numba.core.compiler import CompilerBase, DefaultPassBuilder

# What LLVM may do to reductions: reorder and contract them. NaN and infinity keep their meaning.
REORDER = {"reassoc", "contract", "nsz", "arcp"}

_FLAGS = {"nogil": True, "fastmath": False, "error_model": "numpy", "forceinline": False}


@functools.cache
def _package_stamp() -> str:
    """Digest of the sources of all kernels."""
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    for path in sorted(folder.rglob("*.py")):
        digest.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return digest.hexdigest()


class _PackageCache(FunctionCache):
    """Numba's disk cache of one function, valid for one state of all kernels."""

    def __init__(self, function: Callable[..., Any]):
        super().__init__(function)
        index: Any = self._cache_file
        index._source_stamp = (index._source_stamp, _package_stamp())


def _dispatcher(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    dispatcher: Any = njit(**_FLAGS | options)(function)
    dispatcher._cache = _PackageCache(function)
    return dispatcher


class _NoAlias(CompilerBase):
    """Numba's usual pipeline, with LLVM told that no two array arguments overlap."""

    def define_pipelines(self):
        self.state.flags.noalias = True
        return [DefaultPassBuilder.define_nopython_pipeline(self.state)]


# Option of a function whose array arguments never overlap. Without, LLVM gives up vectorising a loop that
# writes more than about three arrays, for the many overlaps it would have to check.
NO_ALIAS = {"pipeline_class": _NoAlias}

# Options of a small function that allocates nothing: inlined, and without the reference counts of its array
# arguments, which are atomic and cost 5 to 10 ns each.
INLINED = {"forceinline": True, "_nrt": False}


def inner_njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Decorate a function that kernels call: compiled for the types it meets, cached, with flags of its own.

    Parameters
    ----------
    **options
        Passed on to `numba.njit`.
    """
    return functools.partial(_dispatcher, options=options)


def array_type(dtype: types.Type, ndim: int, *, readonly: bool = False) -> types.Array:
    """Numba type of a C-contiguous array."""
    return types.Array(dtype, ndim, "C", readonly=readonly)


class LazyKernel:
    """A numba kernel with one fixed signature, compiled (or loaded from the disk cache) at its first call.

    Parameters
    ----------
    dispatcher : numba dispatcher
        What `numba.njit` returns for the function, not compiled yet.
    signature : numba signature
        Its only signature; arguments are converted to it, or a TypeError is raised.
    """

    def __init__(self, dispatcher: Any, signature: Any):
        functools.update_wrapper(self, dispatcher.py_func)
        self.name: str = dispatcher.py_func.__qualname__
        self.signature = signature
        self._dispatcher = dispatcher
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

    # Machine code belongs to its process: pickled by name, as functions are, and never copied.

    def __reduce__(self) -> str:
        if "<locals>" in self.name:
            raise TypeError(
                f"{self.name} was compiled within a function, so another process cannot find it by its name: "
                "define it at the top level of a module, or pickle what it was made of"
            )
        return self.name

    def __copy__(self) -> LazyKernel:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> LazyKernel:
        return self


def lazy_njit(signature: Any, **options: Any) -> Callable[[Callable[..., Any]], LazyKernel]:
    """Decorate a function as a `LazyKernel`.

    Parameters
    ----------
    signature : numba signature
        Its only signature.
    **options
        Passed on to `numba.njit`.
    """

    def decorate(function: Callable[..., Any]) -> LazyKernel:
        return LazyKernel(_dispatcher(function, options), signature)

    return decorate
