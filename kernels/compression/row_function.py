"""Any compressor as one function for compiled loops: compiled itself, or called back in Python."""

from __future__ import annotations

import warnings
from typing import NamedTuple
from weakref import WeakValueDictionary

import numpy as np
from numba import njit, objmode

from .. import checks
from .._jit import LazyKernel
from ..oracles.custom import PerformanceWarning, level_of_the_user
from .base import Compressor, exact, exact_address
from .lowrank import LowRank
from .rows import ROW

# What says, in Python, what C(x) and its bits are.
_DEFINITIONS = {"compress", "_compress", "_payload", "_choose", "_draw", "_factors", "_factor", "_n_sent"}


class RowFunction(NamedTuple):
    """A compressor of vectors of one length, as compiled loops call it; hold it while they run.

    Attributes
    ----------
    address : int
        Of a compiled `kernel(x, key, index, parameters, out) -> bits` of signature `ROW`: in compiled code,
        `row_at(address)` is the function. It writes C(x) to `out`, both (d,) and float64.
    parameters : (any,) float64 array
        To be passed as they are; read-only.
    compressor : Compressor
        Keeps alive whatever the function refers to.
    """

    address: int
    parameters: np.ndarray
    compressor: Compressor


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
    return RowFunction(exact_address(kernel or _in_python), checks.frozen(parameters), compressor)


def row_parameters(compressor: Compressor, d: int) -> np.ndarray:
    """Return the parameters of `row_function`: a new array."""
    numbers = compressor.parameters(d) if is_compiled(compressor) else [_number(compressor)]
    return np.array(numbers, np.float64)


def is_compiled(compressor: Compressor) -> bool:
    """Whether a compressor has a `row_kernel` that its class has not redefined in Python since."""
    for cls in type(compressor).__mro__:
        if "row_kernel" in vars(cls) or "pick_kernel" in vars(cls):
            return compressor.row_kernel is not None
        if not _DEFINITIONS.isdisjoint(vars(cls)):
            return False
    return False


# Compressors that run in Python, by the number that is the parameter of `_in_python`.
_called_back: WeakValueDictionary[int, Compressor] = WeakValueDictionary()


def _number(compressor: Compressor) -> int:
    number = exact(id(compressor))
    if number not in _called_back:
        if type(compressor) is not LowRank:
            warnings.warn(
                f"{compressor} runs in Python, much slower in compiled loops: to compile it, give its class "
                "a row_kernel and parameters(d) (a sparsifier a pick_kernel), see Compressor.",
                PerformanceWarning,
                stacklevel=level_of_the_user(),
            )
        _called_back[number] = compressor
    return number


def _call_back(number: int, x: np.ndarray, key: int, index: int, out: np.ndarray) -> int:
    x = x.view()
    x.flags.writeable = False
    payload = _called_back[number].compress(x, key, index=index)
    dense = np.asarray(payload.dense())
    if dense.shape != out.shape:
        raise ValueError(
            f"{_called_back[number]} makes vectors of shape {dense.shape} of vectors of shape {out.shape}"
        )
    out[:] = dense
    return payload.nbits


def _kernel(x, key, index, parameters, out):
    number = int(parameters[0])
    with objmode(bits="int64"):
        bits = _call_back(number, x, key, index, out)
    return bits


_in_python = LazyKernel(njit(_kernel), ROW)  # one for all compressors; numba cannot cache it on disk
