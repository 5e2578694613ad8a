"""Dense matrices on the vectors of zero sum, seen from the edges: what interior point methods share."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..deadline import require_time
from ..graph import Graph
from ..spectra import dense_laplacian
from .edges import EdgeSpace

__all__ = ["EdgeMatrices", "Pace", "ScaledCholesky", "room", "top_eigenvalue"]

Array = NDArray[np.float64]


class Pace:
    """Pieces of work that are repeated, each begun only if it will be done by the deadline.

    Parameters
    ----------
    deadline : float
        Value of ``time.monotonic()``.
    first : float
        Seconds that each piece takes the first time, roughly; then it takes as long as the last time.
    """

    def __init__(self, deadline: float, first: float):
        self.deadline, self.first = deadline, first
        self.seconds: dict[str, float] = {}

    def run(self, name: str, work: Callable[[], None]) -> None:
        """Do a piece of work, or raise :class:`~gossamer.graphs.deadline.OutOfTime`."""
        require_time(self.deadline, self.seconds.get(name, self.first))
        begun = time.monotonic()
        work()
        self.seconds[name] = time.monotonic() - begun


class EdgeMatrices:
    """Operations on symmetric n x n matrices whose rows sum to zero.

    Parameters
    ----------
    graph : Graph
        Connected, at least two nodes.
    """

    def __init__(self, graph: Graph):
        self.space = EdgeSpace(graph)
        n = self.space.n
        self.J = np.full((n, n), 1.0 / n)

    def laplacian(self, w: Array) -> Array:
        """``L(w)``; w of any sign."""
        return dense_laplacian(self.space.graph, w)

    def cholesky(self, M: Array) -> Array:
        """Lower factor of M, with a value of its own size on the constant vector."""
        from scipy.linalg import cholesky

        return cholesky(M + np.trace(M) / len(M) * self.J, lower=True, check_finite=False)

    def inverse(self, M: Array) -> Array:
        """Inverse on the zero-sum vectors."""
        from scipy.linalg import get_lapack_funcs

        size = np.trace(M) / len(M)
        invert: Any = get_lapack_funcs("potri", (M,))
        lower, failed = invert(self.cholesky(M), lower=1)
        if failed:
            raise np.linalg.LinAlgError("singular")
        lower = np.tril(lower)
        return lower + np.tril(lower, -1).T - self.J / size

    def on_edges(self, M: Array) -> Array:
        """``B'MB`` for symmetric M."""
        A = np.ascontiguousarray(self.space.differences(M).T)
        return self.space.differences(A)

    def at_edges(self, M: Array) -> Array:
        """Diagonal of ``B'MB`` for symmetric M."""
        return self.space.between(np.diag(M), M[self.space.i, self.space.j])


class ScaledCholesky:
    """Solves with a positive definite matrix, scaled to a unit diagonal, and refines what it finds.

    The weights of the edges differ by many magnitudes near an optimum, and so do the entries of the systems.

    Parameters
    ----------
    H : (m, m) array
        The matrix; overwritten.
    """

    def __init__(self, H: Array):
        from scipy.linalg import cho_factor

        self.D = 1.0 / np.sqrt(np.diag(H))
        H *= self.D
        H *= self.D[:, None]
        self.H = H
        scaled = H.copy()
        scaled[np.diag_indices_from(scaled)] += 1e-13
        self.L = cho_factor(scaled, lower=True, overwrite_a=True, check_finite=False)

    def solve(self, b: Array) -> Array:
        """Return x with ``H x = b``."""
        from scipy.linalg import cho_solve

        b = self.D * b
        x = cho_solve(self.L, b, check_finite=False)
        x += cho_solve(self.L, b - self.H @ x, check_finite=False)  # refinement
        return self.D * x


def top_eigenvalue(P: Array) -> float:
    """Largest eigenvalue of a symmetric matrix."""
    # all of them: where many are equal, as on stars, LAPACK fails to find one alone
    return float(np.linalg.eigvalsh(P)[-1])


def room(lower: Array, D: Array) -> float:
    """Largest a with ``M + a D >= 0``, where ``M = lower lower'``."""
    from scipy.linalg import solve_triangular

    half = solve_triangular(lower, D, lower=True, check_finite=False)
    scaled = solve_triangular(lower, half.T, lower=True, check_finite=False)
    lowest = -top_eigenvalue(-0.5 * (scaled + scaled.T))
    return -1.0 / lowest if lowest < 0 else np.inf
