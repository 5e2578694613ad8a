"""Attacks on gossip, which may tell each neighbour something else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...kernels import checks


def dissension(X: ArrayLike, W: Any, faulty: ArrayLike, strength: float = 1.0) -> NDArray[np.float64]:
    """Return what faulty neighbours send to each node to push it away from the honest ones.

    ``x_i - strength sum_j W_ij (x_j - x_i) / sum_b W_ib``, j over the honest and b over the faulty neighbours
    of i: for strength 1 plain gossip then stays where it is, beyond it moves backwards. He, Karimireddy &
    Jaggi, "Byzantine-robust decentralized learning via ClippedGossip" (2022).

    Parameters
    ----------
    X : (n, d) array_like
        Iterates of all nodes, finite.
    W : (n, n) array_like or sparse array of SciPy
        Non-negative weights.
    faulty : (n,) array_like of bool
        Which nodes are faulty.
    strength : float
        Non-negative.

    Returns
    -------
    (n, d) array
        Row i is the message to node i; x_i where no neighbour is faulty.

    Raises
    ------
    TypeError, ValueError
        Arrays that do not fit.
    """
    from scipy import sparse

    x = checks.real_array("X", X, 2)
    n = len(x)
    matrix = sparse.csr_array(W if sparse.issparse(W) else checks.as_array("W", W), dtype=float)
    if matrix.shape != (n, n):
        raise ValueError(f"W must have shape ({n}, {n}), as X has {n} rows, got {matrix.shape}")
    bad = checks.as_array("faulty", faulty)
    if bad.shape != (n,) or bad.dtype != np.bool_:
        raise ValueError(f"faulty must be {n} booleans, got {bad.dtype} of shape {bad.shape}")
    checks.real("strength", strength, least=0.0)
    if matrix.nnz and not matrix.data.min() >= 0.0:
        raise ValueError(f"W must not be negative, but an entry is {matrix.data.min()}")
    weights = matrix - sparse.diags_array(matrix.diagonal())
    honest = weights @ sparse.diags_array((~bad).astype(float))
    pull = honest @ x - np.asarray(honest.sum(axis=1)).reshape(-1, 1) * x
    reach = (weights @ bad.astype(float)).reshape(-1, 1)
    return x - strength * np.divide(pull, reach, out=np.zeros_like(pull), where=reach > 0)


@dataclass(frozen=True)
class Dissension:
    """`dissension` as an attack on gossip: each node is told something else.

    Attributes
    ----------
    strength : float
        Not negative; above 1 neighbours are driven apart.
    """

    strength: float = 1.0

    def __post_init__(self) -> None:
        checks.real("strength", self.strength, least=0.0)

    def __call__(self, X: ArrayLike, W: Any, faulty: ArrayLike) -> NDArray[np.float64]:
        """Return the message to each node, (n, d).

        Parameters
        ----------
        X, W, faulty
            As of `dissension`.
        """
        return dissension(X, W, faulty, self.strength)
