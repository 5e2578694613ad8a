"""What an oracle is: the data pack, the two signatures, the `Oracle` that carries both."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numba import types

from .._jit import LazyKernel, array_type
from ..checks import count, frozen
from ..pointers import address, function_at


class OracleData(NamedTuple):
    """The arrays that a compiled oracle reads; all C-contiguous and read-only.

    Attributes
    ----------
    features : (rows, columns) float64
        The nodes' data, stacked: rows `offsets[i]:offsets[i + 1]` belong to node i.
    targets : (rows,) float64
        One number a row.
    offsets : (n_nodes + 1,) int64
        Where each node's rows begin.
    parameters : (any,) float64
        Scalars of the formula, such as the l2 weight.
    """

    features: np.ndarray
    targets: np.ndarray
    offsets: np.ndarray
    parameters: np.ndarray


_vector = array_type(types.float64, 1)
_vector_in = array_type(types.float64, 1, readonly=True)
_integers_in = array_type(types.int64, 1, readonly=True)

DATA = types.NamedTuple(
    [array_type(types.float64, 2, readonly=True), _vector_in, _integers_in, _vector_in], OracleData
)

# gradient(node, x, rows, data, out): out <- gradient of f_node at x over the node's rows `rows`
# (positions within the node, int64); an empty `rows` means all of them
GRADIENT = types.void(types.int64, _vector_in, _integers_in, DATA, _vector)
# objective(node, x, data) -> f_node(x)
OBJECTIVE = types.float64(types.int64, _vector_in, DATA)

GRADIENT_POINTER = types.FunctionType(GRADIENT)
OBJECTIVE_POINTER = types.FunctionType(OBJECTIVE)
# in compiled code: from an oracle's `gradient_address` or `objective_address` to the function
gradient_at = function_at(GRADIENT_POINTER)
objective_at = function_at(OBJECTIVE_POINTER)


@dataclass(frozen=True)
class Oracle:
    """First-order oracle of n node objectives f_i: R^d -> R.

    Attributes
    ----------
    gradient, objective : LazyKernel
        Compiled with the signatures `GRADIENT` and `OBJECTIVE`.
    data : OracleData
        What they read.
    n_nodes, dim : int
        Number of nodes n and of coordinates d.
    n_samples : (n,) int64
        Rows a mini-batch of node i may draw from; zeros where the objective has no samples.

    Notes
    -----
    The arrays are made read-only, here because pickles and copies do not keep that by themselves.
    """

    gradient: LazyKernel
    objective: LazyKernel
    data: OracleData
    n_nodes: int
    dim: int
    n_samples: np.ndarray

    def __post_init__(self) -> None:
        for array in (*self.data, self.n_samples):
            array.flags.writeable = False

    @cached_property
    def gradient_address(self) -> int:
        """Where the compiled gradient begins, for `gradient_at`; valid as long as the oracle exists."""
        return address(self.gradient)

    @cached_property
    def objective_address(self) -> int:
        """Where the compiled objective begins, for `objective_at`."""
        return address(self.objective)

    @cached_property
    def everyone(self) -> np.ndarray:
        """Numbers of all nodes, (n,) int64, read-only."""
        return frozen(np.arange(self.n_nodes))

    def work(self, batch_size: int = 0) -> int:
        """Return how many numbers gradients of all nodes read: all rows of the data, or those of batches."""
        batch_size = count("batch_size", batch_size, most=2**62)
        rows, columns = self.data.features.shape
        if batch_size:
            rows = int(np.minimum(self.n_samples, batch_size).sum())
        return rows * (columns + 1)

    @cached_property
    def digest(self) -> bytes:
        """16 bytes that tell these data from others; taken once, since reading large data takes long."""
        digest = hashlib.blake2b(digest_size=16)
        for array in self.data:
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(array.data)
        return digest.digest()

    def __reduce__(self) -> tuple[type[Oracle], tuple[Any, ...]]:
        return Oracle, (self.gradient, self.objective, self.data, self.n_nodes, self.dim, self.n_samples)
