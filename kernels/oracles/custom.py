"""Oracles from a user's own Python functions: compiled where numba can, called back where it cannot."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, objmode
from numba.core.dispatcher import Dispatcher

from .._jit import LazyKernel, require_compiler
from ..checks import count, frozen
from ..performance import PerformanceWarning, level_of_the_user
from .types import GRADIENT, OBJECTIVE, Oracle, OracleData


def custom(
    gradient: Callable[[int, np.ndarray, np.ndarray], None],
    objective: Callable[[int, np.ndarray], float] | None = None,
    *,
    n_nodes: int,
    dim: int,
    compiled: bool = True,
) -> Oracle:
    """Oracle of user functions.

    Compiles at once, and tries the gradient at x = 0, at all nodes or a hundred of them, to see that it
    writes all of `out`. Later on, what it leaves unwritten is NaN.

    Parameters
    ----------
    gradient : callable
        `gradient(node, x, out)` writes grad f_node(x) to every entry of `out`; x is read-only, both are (d,)
        float64 arrays. A plain Python function that `numba.njit` can compile, or an njit function. Numba
        copies arrays that the function closes over when it compiles: later changes to them are not seen.
    objective : callable, optional
        `objective(node, x)` returns f_node(x) as a float. Without it, every objective is NaN; gradients and
        whatever uses only gradients work.
    n_nodes, dim : int
        Number of nodes n and of coordinates d.
    compiled : bool
        False calls the Python functions as they are: the slow path, for functions that numba cannot compile.

    Returns
    -------
    Oracle
        Without samples: mini-batches are not possible. It can be pickled where the functions can be, which
        have to stand at the top level of a module; loading compiles them anew.

    Warns
    -----
    PerformanceWarning
        When the functions run in Python, because numba cannot compile them or because `compiled=False`.

    Raises
    ------
    TypeError, ValueError
        A function is not callable, a size is not positive, or `gradient` leaves a part of `out` unwritten.
        What the functions themselves raise reaches the caller, from compiled loops too.
    RuntimeError
        NUMBA_DISABLE_JIT switches the compiler off.

    Notes
    -----
    The compiled code of each oracle, some megabytes, stays in memory for the life of the process: build one
    oracle and use it again rather than one in every turn of a loop.

    Examples
    --------
    >>> import numpy as np
    >>> def gradient(node, x, out):
    ...     for k in range(x.size):
    ...         out[k] = x[k] - node
    >>> oracle = custom(gradient, n_nodes=3, dim=2)
    """
    n_nodes, dim = count("n_nodes", n_nodes, least=1), count("dim", dim, least=1)
    for name, function in (("gradient", gradient), ("objective", objective)):
        if not callable(function) and not (name == "objective" and function is None):
            raise TypeError(f"{name} must be a function, got {type(function).__name__}")
    require_compiler(njit(_unknown_objective))  # slow oracles are called back from compiled code
    kernels = None
    reason = "compiled=False was asked for"
    if compiled:
        try:
            kernels = _compile_wrappers(gradient, objective)
        except Exception as error:  # numba has many, not all of one family; none comes from running user code
            reason = f"numba cannot compile them ({_one_line(error)})"
    if kernels is None:
        warnings.warn(
            f"the custom oracle runs in Python, much slower than compiled: {reason}. To compile it, write "
            "loops, scalars and NumPy calls that numba.njit accepts (try numba.njit on the functions alone).",
            PerformanceWarning,
            stacklevel=level_of_the_user(),
        )
        kernels = _python_wrappers(gradient, objective)
    user_gradient, gradient_kernel, objective_kernel = kernels
    _check_writes_everything(user_gradient, n_nodes, dim)
    data = OracleData(
        frozen(np.empty((0, dim))),
        frozen(np.empty(0)),
        frozen(np.zeros(n_nodes + 1, dtype=np.int64)),
        frozen(np.empty(0)),
    )
    no_samples = frozen(np.zeros(n_nodes, dtype=np.int64))
    source = gradient, objective, compiled
    return _CustomOracle(gradient_kernel, objective_kernel, data, n_nodes, dim, no_samples, source)


@dataclass(frozen=True)
class _CustomOracle(Oracle):
    """An oracle that remembers what it was made of, because compiled closures cannot be pickled."""

    source: tuple[Any, Any, bool]

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        gradient, objective, compiled = self.source
        make = functools.partial(custom, n_nodes=self.n_nodes, dim=self.dim, compiled=compiled)
        return make, (gradient, objective)


# Both kinds of wrapper clear `out` before the gradient: what it forgets to write is then seen as NaN, instead
# of as whatever stood there.


def _compile_wrappers(gradient: Any, objective: Any) -> tuple[Any, LazyKernel, LazyKernel]:
    user_gradient = gradient if isinstance(gradient, Dispatcher) else njit(nogil=True)(gradient)

    def gradient_wrapper(node, x, rows, data, out):
        out[:] = np.nan
        user_gradient(node, x, out)

    if objective is None:
        objective = _unknown_objective
    user_objective = objective if isinstance(objective, Dispatcher) else njit(nogil=True)(objective)

    def objective_wrapper(node, x, data):
        return user_objective(node, x)

    kernels = (
        LazyKernel(njit(nogil=True)(gradient_wrapper), GRADIENT),
        LazyKernel(njit(nogil=True)(objective_wrapper), OBJECTIVE),
    )
    for kernel in kernels:
        kernel.compiled()
    return user_gradient, *kernels


def _unknown_objective(node, x):
    return np.nan


def _python_wrappers(gradient: Any, objective: Any) -> tuple[Any, LazyKernel, LazyKernel]:
    gradient = getattr(gradient, "py_func", gradient)
    objective = getattr(objective or _unknown_objective, "py_func", objective or _unknown_objective)

    def call_gradient(node: int, x: np.ndarray, out: np.ndarray) -> None:
        gradient(node, _read_only_view(x), out)

    def call_objective(node: int, x: np.ndarray) -> float:
        return float(objective(node, _read_only_view(x)))

    def gradient_wrapper(node, x, rows, data, out):
        out[:] = np.nan
        with objmode():
            call_gradient(node, x, out)

    def objective_wrapper(node, x, data):
        with objmode(value="float64"):
            value = call_objective(node, x)
        return value

    kernels = LazyKernel(njit(gradient_wrapper), GRADIENT), LazyKernel(njit(objective_wrapper), OBJECTIVE)
    return call_gradient, *kernels


def _read_only_view(x: np.ndarray) -> np.ndarray:
    view = x.view()
    view.flags.writeable = False
    return view


def _check_writes_everything(gradient: Any, n_nodes: int, dim: int) -> None:
    """Raise if entries of `out` keep what stood there before; `out += ...` is caught too."""
    x = frozen(np.zeros(dim))
    for node in np.unique(np.linspace(0, n_nodes - 1, min(n_nodes, 100), dtype=np.int64)).tolist():
        over_nan, over_zero = np.full(dim, np.nan), np.zeros(dim)
        gradient(node, x, over_nan)
        if not np.isnan(over_nan).any():
            continue
        gradient(node, x, over_zero)
        unwritten = np.flatnonzero(np.isnan(over_nan) & ~np.isnan(over_zero))
        if unwritten.size:
            raise ValueError(
                f"gradient(node, x, out) must overwrite every entry of out, but at node {node} it left or "
                f"added to out[{unwritten[0]}] ({unwritten.size} of {dim} entries): assign with out[...] = "
            )


def _one_line(error: Exception) -> str:
    """The part of a numba error that says what is wrong, without colours and banners."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(("Failed in", "During:", "File "))]
    return (lines[0] if lines else type(error).__name__)[:200]
