"""The spectrum of a symmetric mixing matrix on the vectors of zero sum."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..sparse import factor_laplacian

DENSE_LIMIT = 1500  # nodes; up to here all eigenvalues are computed
_RESTARTS = 15  # of Lanczos, 40 vectors each: enough for the gap of expanders, seconds on any graph


def zero_sum_spectrum(W: Any) -> tuple[float, float]:
    """Return the ends a, b of the spectrum of a symmetric CSR matrix W with unit row sums, less one 1.

    Of large matrices a may be a lower bound (Gershgorin's) of the smallest eigenvalue instead.
    """
    n = W.shape[0]
    if n == 1:
        return 0.0, 0.0
    if n <= DENSE_LIMIT:
        values = np.linalg.eigvalsh(W.toarray())
        others = np.delete(values, np.argmin(np.abs(values - 1.0)))
        return float(others[0]), float(others[-1])
    from scipy.sparse import triu
    from scipy.sparse.csgraph import connected_components

    radius = float(abs(W).sum(axis=1).max())
    lower = _lanczos(lambda x: W @ x, n, "SA")
    if lower is None:
        lower = float((W.diagonal() + np.abs(W.diagonal()) - abs(W).sum(axis=1)).min())
    # moves the eigenvalue 1 of the constant vector below all others
    upper = _lanczos(lambda x: W @ x - (1.0 + radius) * x.mean(), n, "LA")
    if upper is not None:
        return lower, upper
    edges = triu(W, 1).tocoo()
    if edges.data.min() < 0.0:
        raise RuntimeError(
            f"the second eigenvalue of W, {n} nodes and negative weights, did not converge: give spectrum"
        )
    if connected_components(W, directed=False)[0] > 1:
        return lower, 1.0
    # I - W is a Laplacian: its smallest non-zero eigenvalue is the largest of its pseudo-inverse
    factor = factor_laplacian(n, np.column_stack([edges.row, edges.col]), edges.data)

    def inverse(x: np.ndarray) -> np.ndarray:
        y = factor.solve(x - x.mean())
        return y - y.mean()

    largest = _lanczos(inverse, n, "LA")
    if largest is None:
        raise RuntimeError(f"the second eigenvalue of W, {n} nodes, did not converge: give spectrum")
    return lower, 1.0 - 1.0 / largest


def _lanczos(apply: Any, n: int, which: str) -> float | None:
    """Return the largest or smallest eigenvalue to rounding error, None where Lanczos takes too long."""
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

    operator = LinearOperator((n, n), matvec=lambda x: apply(x.ravel()), dtype=np.float64)  # type: ignore[call-arg]
    start = np.random.default_rng(n).standard_normal(n)  # the same in every run
    try:
        value = eigsh(
            operator, k=1, which=which, v0=start, ncv=40, maxiter=_RESTARTS, return_eigenvectors=False
        )
    except ArpackNoConvergence:
        return None
    return float(np.asarray(value)[0])
