"""How the package compiles: lazily, with fixed signatures, through a disk cache that knows the whole package.

`numba.njit` with a signature compiles at import, and without one it specialises on whatever dispatcher object
it is handed, which never hits the disk cache of a new process. `lazy_njit` does neither: the signature is
fixed, so that a compiled oracle travels as a function pointer, and compilation waits for the first call.
`inner_njit` is for the functions that kernels call.

Three defaults of Numba are mended here. A function without flags of its own inherits those of the caller that
happens to compile it first, so all flags are set. The disk cache looks at the file of a function alone, so a
kernel would go on with an old version of what it calls: here the cache looks at all of `kernels`. And where
no folder takes the cache, or the disk is full, Numba raises, at import or at the first call: here kernels
then compile in memory, with one `PerformanceWarning`, since the cache only saves time.

With NUMBA_DISABLE_JIT=1 `numba.njit` returns functions as they are. Kernels that call others through function
pointers have no such form: they can be imported, and their first call says that it needs the compiler.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pickle
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit, types
from numba.core.caching import CompileResultCacheImpl, FunctionCache, NullCache
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.dispatcher import Dispatcher

from .performance import PerformanceWarning, level_of_the_user

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


_warned = threading.Event()


def _warn_of_memory(reason: object) -> None:
    """Say once a process that compiled code is not kept, what that costs, and the remedy."""
    if _warned.is_set():
        return
    _warned.set()
    warnings.warn(
        f"compiled kernels cannot be kept on disk ({reason}): each process compiles anew what it uses, which "
        "takes seconds to a minute; set NUMBA_CACHE_DIR to a folder that can be written",
        PerformanceWarning,
        stacklevel=level_of_the_user(),
    )


class _Places(CompileResultCacheImpl):
    """Where Numba keeps what is compiled; without a home it would make a folder named ~ in the present."""

    def __init__(self, function: Callable[..., Any]):
        if not os.path.isabs(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~")):
            self._locator_classes = [cls for cls in self._locator_classes if "UserWide" not in cls.__name__]
        super().__init__(function)


class _NumbaCache(FunctionCache):
    _impl_class = _Places


class _PackageCache:
    """Numba's disk cache of one function, valid for one state of all kernels; none where there is no place.

    The place is looked for when the function compiles, not at import.
    """

    def __init__(self, function: Callable[..., Any]):
        self._function = function

    @functools.cached_property
    def _on_disk(self) -> Any:
        try:
            found = _NumbaCache(self._function)
        except RuntimeError as error:
            if "no locator" not in str(error):
                raise
            _warn_of_memory("no folder for them can be written")
            return NullCache()
        index: Any = found._cache_file
        index._source_stamp = (index._source_stamp, _package_stamp())
        return found

    @property
    def cache_path(self) -> str | None:
        """Folder of the cache, None without."""
        return self._on_disk.cache_path

    def load_overload(self, signature: Any, context: Any) -> Any:
        """Return the function compiled for a signature, None where the cache has none that can be read."""
        try:
            return self._on_disk.load_overload(signature, context)
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            _warn_of_memory(f"reading failed: {error}")
            self._on_disk = NullCache()
            return None

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Keep the function compiled for a signature, if the disk takes it."""
        try:
            self._on_disk.save_overload(signature, compiled)
        except OSError as error:
            _warn_of_memory(f"writing failed: {error.strerror or error}")
            self._on_disk = NullCache()

    def flush(self) -> None:
        """Forget all that is kept."""
        self._on_disk.flush()


def _dispatcher(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    dispatcher: Any = njit(**_FLAGS | options)(function)
    if hasattr(dispatcher, "py_func"):  # else as `require_compiler` says
        dispatcher._cache = _PackageCache(function)
    return dispatcher


class NoCompilerError(RuntimeError):
    """A kernel was called where Numba's compiler is switched off."""


def require_compiler(dispatcher: Any) -> None:
    """Raise a `NoCompilerError` where Numba returned a function as it was, as NUMBA_DISABLE_JIT asks."""
    if not isinstance(dispatcher, Dispatcher):
        raise NoCompilerError(
            "gossamer's kernels need Numba's compiler, and NUMBA_DISABLE_JIT switches it off: unset it"
        )


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


class _Compiling(threading.local):
    seconds = 0.0


_compiling = _Compiling()


def seconds_compiling() -> float:
    """Return the seconds that this thread has spent so far compiling kernels, or loading them from disk."""
    return _compiling.seconds


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
        function = getattr(dispatcher, "py_func", dispatcher)
        functools.update_wrapper(self, function)
        self.name: str = function.__qualname__
        self.signature = signature
        self._dispatcher = dispatcher
        self.address: int | None = None  # known once `pointers.address` was asked for it
        self._is_compiled = False
        self._lock = threading.Lock()

    def compiled(self) -> Any:
        """Return the compiled dispatcher: what another kernel takes as a function pointer."""
        if not self._is_compiled:
            require_compiler(self._dispatcher)
            before, begin = _compiling.seconds, time.perf_counter()
            with self._lock:  # runs in several threads may meet here first
                if not self._is_compiled:
                    self._dispatcher.compile(self.signature)
                    self._dispatcher.disable_compile()
                    self._is_compiled = True
            # one compilation may ask for others, whose seconds are within its own
            _compiling.seconds = before + time.perf_counter() - begin
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
