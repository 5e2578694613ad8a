"""Sums over the edges of a graph, at any size: inverses, resistances and their derivatives along rates."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...kernels.sparse import factor_laplacian
from ...kernels.sparse.inverse import Derivative, Inverse, Pattern
from ..deadline import require_time
from ..graph import Graph
from ..spectra import node_sums

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["EdgeSpace", "conjugate_gradients", "largest_step"]

Array = NDArray[np.float64]


class EdgeSpace:
    """A graph with the elimination of its Laplacians, found once.

    Parameters
    ----------
    graph : Graph
        Connected, at least two nodes.
    deadline : float
        Value of ``time.monotonic()`` from which on each factorisation, solve and derivative raises
        :class:`~gossamer.graphs.deadline.OutOfTime` instead.
    """

    def __init__(self, graph: Graph, deadline: float = np.inf):
        self.graph, self.deadline = graph, deadline
        self.n, self.m = graph.n_nodes, graph.n_edges
        self.i, self.j = graph.edges[:, 0].astype(np.intp), graph.edges[:, 1].astype(np.intp)
        self.pattern = Pattern(self.n, graph.edges)
        self._ground = int(np.argmax(graph.degrees))

    def laplacian(self, w: Array) -> tuple[Array, Array]:
        """Diagonal and off-diagonal entries of ``L(w)``; w of any sign."""
        return node_sums(self.graph, w), -w

    def grounded(self, w: Array) -> Inverse:
        """Inverse of ``L(w)`` with one node tied to the ground; the same resistances."""
        require_time(self.deadline)
        diagonal, off_diagonal = self.laplacian(w)
        diagonal[self._ground] += w.mean()
        return self.pattern.invert(diagonal, off_diagonal)

    def shifted(self, w: Array, s: float) -> Inverse:
        """Inverse of ``L(w) - s I``."""
        require_time(self.deadline)
        diagonal, off_diagonal = self.laplacian(w)
        return self.pattern.invert(diagonal - s, off_diagonal)

    def is_above(self, w: Array, s: float) -> bool:
        """Whether ``L(w) - s I`` has one negative eigenvalue, that of the constant vector: lambda_2 > s."""
        require_time(self.deadline)
        diagonal, off_diagonal = self.laplacian(w)
        factor = self.pattern.factor(diagonal - s, off_diagonal)
        return factor.negative == 1 and bool(np.isfinite(factor.log_det))

    def at_edges(self, found: Inverse | Derivative) -> Array:
        """``b_e' Z b_e`` of each edge for the entries of a matrix Z."""
        return self.between(found.diagonal, found.off_diagonal)

    def between(self, diagonal: Array, off_diagonal: Array) -> Array:
        """As :meth:`at_edges`, from the entries."""
        return diagonal[self.i] + diagonal[self.j] - 2.0 * off_diagonal

    def squares(self, inverse: Inverse, v: Array) -> Array:
        """``sum_c (b_a' Z b_c)^2 v_c`` for each edge a: minus the derivative of ``b_a' Z b_a`` along v."""
        require_time(self.deadline)
        return -self.at_edges(inverse.derivative(*self.laplacian(v)))

    def differences(self, Y: Array) -> Array:
        """``Y_i - Y_j``, a row for each edge."""
        return Y[self.i] - Y[self.j]

    def divergences(self) -> "csr_array":
        """Sparse (n, m) incidence matrix with columns ``e_i - e_j``."""
        from scipy.sparse import csr_array

        e = np.arange(self.m)
        entries = np.concatenate([np.ones(self.m), -np.ones(self.m)])
        places = np.concatenate([self.i, self.j]), np.concatenate([e, e])
        return csr_array((entries, places), shape=(self.n, self.m))

    def lowest(self, w: Array, V: Array, sweeps: int) -> tuple[Array, Array]:
        """Approximate lowest positive eigenvalues and eigenvectors of ``L(w)``, by subspace iteration.

        Parameters
        ----------
        w : (m,) array
            Rates.
        V : (n, k) array
            Beginning.
        sweeps : int
            Applications of the inverse.

        Returns
        -------
        values : (k,) array
            Ritz values, ascending; never below the eigenvalues.
        vectors : (n, k) array
            Orthonormal, of zero sum.
        """
        factor = factor_laplacian(self.n, self.graph.edges, w)
        for _ in range(sweeps):
            require_time(self.deadline)
            V = factor.solve(V - V.mean(axis=0))
            V, _ = np.linalg.qr(V - V.mean(axis=0))
        F = self.differences(V)
        values, rotation = np.linalg.eigh(F.T @ (w[:, None] * F))
        return values, V @ rotation


def conjugate_gradients(
    apply, b: Array, precondition, tolerance: float, most: int, deadline: float
) -> tuple[Array, int]:
    """Solve ``A x = b`` until no entry of the residual exceeds the tolerance; return x and the iterations.

    At the deadline, a value of ``time.monotonic()``, :class:`~gossamer.graphs.deadline.OutOfTime` is raised.
    """
    x, r = np.zeros_like(b), b.copy()
    z = precondition(r)
    p, rho = z.copy(), float(r @ z)
    for k in range(most):
        if np.abs(r).max() <= tolerance:
            return x, k
        require_time(deadline)
        Ap = apply(p)
        curvature = float(p @ Ap)
        if not curvature > 0:  # rounding has taken over
            return x, k
        x += rho / curvature * p
        r -= rho / curvature * Ap
        z = precondition(r)
        before, rho = rho, float(r @ z)
        p = z + rho / before * p
    return x, most


def largest_step(x: Array, dx: Array) -> float:
    """Largest a with ``x + a dx >= 0``, for x > 0."""
    falls = dx < 0
    return float(np.min(-x[falls] / dx[falls], initial=np.inf))
