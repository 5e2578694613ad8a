"""Any compressor as one function for compiled loops: compiled itself, or called back in Python."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from .. import checks
from ..performance import PerformanceWarning, level_of_the_user
from .base import Compressor, exact_address
from .callback import in_python, in_python_parameters, is_known

# What says, in Python, what C(x) and its bits are.
_DEFINITIONS = {"compress", "_compress", "_payload", "_choose", "_draw", "_factors", "_factor", "_n_sent"}


class RowFunction(NamedTuple):
    """A compressor of vectors of one length, as compiled loops call it; hold it while they run.

    Attributes
    ----------
    address : int
        Of a compiled `kernel(x, key, index, parameters, out) -> bits` of signature `ROW`: in compiled code,
        `rows.row_at(address)` is the function. It writes C(x) to `out`, both (d,) and float64.
    parameters : (any,) float64 array
        To be passed as they are; read-only.
    compressor : Compressor
        Keeps alive whatever the function refers to.
    d : int
        Coordinates of the vectors.

    Notes
    -----
    Pickles and copies hold the compressor and d, and find address and parameters, which may hold addresses
    themselves, anew where they are loaded.
    """

    address: int
    parameters: np.ndarray
    compressor: Compressor
    d: int

    def __reduce__(self) -> tuple[Any, ...]:
        return row_function, (self.compressor, self.d)


def row_function(compressor: Compressor, d: int) -> RowFunction:
    """Make the function that compresses vectors of d coordinates within compiled loops.

    Parameters
    ----------
    compressor : Compressor
        Any. Without a `row_kernel`, or where a subclass redefines the map in Python alone, the function calls
        `compress` in Python: it works in compiled loops all the same, and takes the GIL for that time.
    d : int
        Coordinates of the vectors.

    Returns
    -------
    RowFunction
        Address, parameters, and what they refer to.

    Warns
    -----
    PerformanceWarning
        Once for each compressor of the user's that runs in Python.

    Raises
    ------
    TypeError, ValueError
        No compressor, or one that does not fit vectors of d coordinates. What a compressor's Python methods
        raise reaches the caller of the compiled loop.
    """
    if not isinstance(compressor, Compressor):
        raise TypeError(f"compressor must be one, such as TopK(10), got {compressor!r}")
    d = checks.count("d", d, least=1, most=2**31 - 1)
    kernel = compressor.row_kernel if is_compiled(compressor) else None
    parameters = row_parameters(compressor, d)
    return RowFunction(exact_address(kernel or in_python), checks.frozen(parameters), compressor, d)


def row_parameters(compressor: Compressor, d: int) -> np.ndarray:
    """Return the parameters of `row_function`: a new array."""
    if is_compiled(compressor):
        return np.array(compressor.parameters(d), np.float64)
    if not is_known(compressor):
        warnings.warn(
            f"{compressor} runs in Python, much slower in compiled loops: to compile it, give its class a "
            "row_kernel and parameters(d) (a sparsifier a pick_kernel), see Compressor.",
            PerformanceWarning,
            stacklevel=level_of_the_user(),
        )
    return in_python_parameters(compressor)


def is_compiled(compressor: Compressor) -> bool:
    """Whether a compressor has a `row_kernel` that its class has not redefined in Python since."""
    for cls in type(compressor).__mro__:
        if "row_kernel" in vars(cls) or "pick_kernel" in vars(cls):
            return compressor.row_kernel is not None
        if not _DEFINITIONS.isdisjoint(vars(cls)):
            return False
    return False
