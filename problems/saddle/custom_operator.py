"""Operators given by the user's own functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from ...kernels import oracles, prox
from ...kernels.checks import as_array, own_array, real
from .affine import extragradient
from .variational import VariationalInequality


class CustomOperator(VariationalInequality):
    """Operators from a function `operator(node, z, out)`.

    Parameters
    ----------
    operator : callable
        `operator(node, z, out)` writes F_node(z), (d,), to every entry of `out`; z is read-only. Compiled by
        numba where that is possible; arrays it closes over are copied at that moment.
    n_nodes, dim : int
        Number of nodes n and of coordinates d.
    lipschitz : float or (n,) array_like
        Lipschitz constants L_i > 0 of the F_i on the set, or one for all. Solvers take their steps from them:
        too small a value diverges.
    strong_monotonicity : float
        mu >= 0 with <F(u) - F(v), u - v> >= mu |u - v|^2 on the set, at most the mean of the L_i.
    mean_lipschitz : float, optional
        Lipschitz constant of F; by default the mean of the L_i.
    blocks : sequence of kernels.prox.Block, optional
        The set Z, as sets of consecutive coordinates; none for all of R^d.
    solution : (d,) array_like, optional
        z*, where it is known; its residual is checked. Otherwise `solution()` finds it.
    compiled : bool
        False calls the function in Python, which is slow, for what numba cannot compile.

    Raises
    ------
    TypeError, ValueError
        Constants out of range, an `operator` that leaves a part of `out` unwritten, a wrong `solution`.
        What the function raises reaches the caller.

    Warns
    -----
    PerformanceWarning
        When the function runs in Python.

    Notes
    -----
    `solution` takes extragradient steps until they are rounding errors.

    Examples
    --------
    >>> def operator(node, z, out):
    ...     out[0] = z[0] + 2 * z[1] - node
    ...     out[1] = z[1] - 2 * z[0]
    >>> problem = CustomOperator(operator, n_nodes=3, dim=2, lipschitz=5**0.5, strong_monotonicity=1)
    >>> problem.solution().round(9).tolist()
    [0.2, 0.4]
    """

    def __init__(
        self,
        operator: Callable[[int, np.ndarray, np.ndarray], None],
        *,
        n_nodes: int,
        dim: int,
        lipschitz: float | ArrayLike,
        strong_monotonicity: float = 0.0,
        mean_lipschitz: float | None = None,
        blocks: Sequence[prox.Block] = (),
        solution: ArrayLike | None = None,
        compiled: bool = True,
    ):
        super().__init__(oracles.custom(operator, n_nodes=n_nodes, dim=dim, compiled=compiled), blocks)
        L = lipschitz
        if np.ndim(L) == 0:
            L = np.broadcast_to(as_array("lipschitz", L), (self.n_nodes,))
        self._given_lipschitz = own_array("lipschitz", L, (self.n_nodes,))
        if not self._given_lipschitz.min() > 0.0:
            raise ValueError(f"lipschitz must be above 0, got {self._given_lipschitz.min():g}")
        most = float(self._given_lipschitz.mean())
        self._of_mean = most if mean_lipschitz is None else real("mean_lipschitz", mean_lipschitz, above=0.0)
        self._monotonicity = real("strong_monotonicity", strong_monotonicity, least=0.0, most=self._of_mean)
        self._given = None
        if solution is not None:
            self._given = self._checked(own_array("solution", solution, (self.dim,)), 1e-6)

    def _curvature_bounds(self) -> tuple[float, float]:
        return self._monotonicity, float(self._given_lipschitz.max())

    def _lipschitz_bounds(self) -> tuple[float, float, float]:
        return self._of_mean, math.sqrt(float((self._given_lipschitz**2).mean())), math.nan

    def _minimizer(self) -> np.ndarray:
        if self._given is not None:
            return self._given
        return self._checked(extragradient(self, self.mean_operator), 1e-8)

    def _checked(self, z: np.ndarray, tolerance: float) -> np.ndarray:
        """Return z if its residual is small beside what rounding and the way from 0 to z explain."""
        norm = float(np.linalg.norm(self.residual(z)))
        start = self.project(np.zeros(self.dim))
        scale = float(np.linalg.norm(self.residual(start))) + self.lipschitz * float(
            np.linalg.norm(z - start)
        )
        if not norm <= tolerance * scale + 1e-300:
            raise ValueError(f"no solution: the residual has norm {norm:.3g} there; check the operator")
        return z
