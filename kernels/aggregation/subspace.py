"""The Flag aggregator, in the p x p Gram matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import checks
from .base import LinearAggregator
from .stages import Context, Weights

EPSILON = 1e-7  # under the square roots
SCALES = "unit", "median", "clip", "raw"
PAIRS = "unit", "raw", "code"
_DIFFERENCES = 1 << 17  # numbers: as many differences of rows at once as the second cache holds
_RISE = 1e-10  # relative: what the objective rises by is not rounding if more
_RANK = {np.dtype(np.float64): 1e-14, np.dtype(np.float32): 1e-8}  # times p: eigenvalues below are rounding


@dataclass(frozen=True)
class Flag(LinearAggregator):
    """Project the sum of the gradients on the subspace of m dimensions that is nearest to most of them.

    With unit vectors h_i = x_i / |x_i|, an orthonormal Y (d, m) and ``v_i = |Y' h_i|^2``, minimises

        ``sum_i sqrt(1 - v_i + eps) + lam / (p (p - 1)) sum_{i != j} sqrt(1 - v_ij + eps)``, eps = 1e-7,

    v_ij being the same ratio for differences of two vectors, by iteratively reweighted principal components
    from equal weights on: the objective never increases, to rounding, unless lam > 0 with ``pair="code"``,
    and no more than that is claimed. Where it rises, the iteration ends with the subspace before. The result
    is ``(1/m) Y Y' sum_i h_i``. All is done in the Gram matrix of the h_i, so the data are read twice,
    whatever m, lam and the number of iterations (derived). Almasi et al., "Flag aggregator: scalable
    distributed training under failures and augmented losses using convex optimization" (ICLR 2024);
    constants as in the authors' code.

    Attributes
    ----------
    m : int, optional
        Dimensions, 1 to p; ``ceil((p + 1) / 2)`` by default. Where the rows span less, the projection is the
        identity.
    lam : float
        Weight of the pairs, at least 0.
    scale : {"unit", "median", "clip", "raw"}
        What becomes of the norms. "unit": they are dropped, and the norm of the result is at most p/m.
        "median": the unit result at the length of the median norm. "clip": ``(1/p) Y Y' sum_i min(|x_i|,
        radius) h_i``. "raw": ``(1/p) Y Y' sum_i x_i``, which is *unsafe*: one huge row moves it as far as it
        moves the mean.
    pair : {"unit", "raw", "code"}
        Differences ``h_i - h_j`` or ``x_i - x_j``, over their norms; "code": ``h_i - h_j`` not divided, as in
        the authors' code, where v_ij may exceed 1 and ``|1 - v_ij|`` is taken: the objective may rise then.
    radius : float, optional
        For "clip": positive; the median norm by default.
    max_iter : int
        Subspaces to compute, at least 1; the first is that of principal components.
    tol : float
        Stop when the objective falls by less.

    Notes
    -----
    Details: `ratios`, the v_i (NaN for rows of zeros); `objective`, one value a subspace, of which the last
    may be one that rose; `converged`, False where it rose or `max_iter` subspaces were not enough.

    Nearly all of the protection comes from dropping the norms: compare with `NormalizedMean`. The ratios are
    no trust scores: rows that collude attract the subspace, and have high ones. Signs do not matter to the
    subspace. Put `NNM` in front where workers' data differ.

    Rows of zeros have weight 0, but are counted by p. Equal rows have no pair term.

    Examples
    --------
    >>> import numpy as np
    >>> Flag(m=1)(np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 9.0]])).round(3).tolist()
    [2.0, 0.0]
    """

    m: int | None = None
    lam: float = 0.0
    scale: str = "unit"
    pair: str = "unit"
    radius: float | None = None
    max_iter: int = 50
    tol: float = 1e-10

    invariant = False

    def __post_init__(self) -> None:
        if self.m is not None:
            checks.count("m", self.m, least=1)
        checks.real("lam", self.lam, least=0.0)
        for name, value, allowed in (("scale", self.scale, SCALES), ("pair", self.pair, PAIRS)):
            if value not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")
        if self.radius is not None:
            checks.real("radius", self.radius, above=0.0)
            if self.scale != "clip":
                raise ValueError(f"radius is for scale='clip', got scale={self.scale!r}")
        checks.count("max_iter", self.max_iter, least=1)
        checks.real("tol", self.tol, least=0.0)

    def _check(self, p: int) -> int:
        if self.m is not None:
            checks.count("m", self.m, most=p)
        return p

    def _weights(self, K: NDArray, context: Context) -> Weights:
        p = len(K)
        m = p // 2 + 1 if self.m is None else min(self.m, p)
        norms = np.sqrt(K.diagonal())
        used = norms > 0.0
        weights, ratios = np.zeros(p), np.full(p, np.nan)
        if not used.any():
            return weights, {"ratios": ratios, "objective": np.empty(0), "converged": True}
        nu = norms[used]
        C = K[np.ix_(used, used)] / np.multiply.outer(nu, nu)
        np.fill_diagonal(C, 1.0)
        values, vectors = np.linalg.eigh(C)
        kept = values > len(nu) * _RANK[context.rows.dtype] * values[-1]
        roots = np.sqrt(values[kept])
        F = vectors[:, kept] * roots  # its rows are an isometric image of the unit vectors
        pairs = _Pairs(F, nu, self.pair, self.lam / (p * (p - 1))) if self.lam > 0.0 and p > 1 else None
        Z, ratios[used], details = _subspace(F, m, pairs, self.max_iter, self.tol)
        length, factor = self._lengths(norms)
        y = Z.T @ (F.T @ length[used])
        if self.scale == "unit":
            factor = 1.0 / m
        elif self.scale == "median":
            size = np.linalg.norm(y)
            factor = factor / size if size > 1e-12 * p else 0.0  # else the unit vectors cancel out
        weights[used] = vectors[:, kept] @ (Z @ y / roots) / nu * factor
        return weights, {"ratios": ratios, **details}

    def _lengths(self, norms: NDArray) -> tuple[NDArray[np.float64], float]:
        """Return the lengths at which the unit vectors are summed up, and a factor of the sum."""
        p = len(norms)
        if self.scale == "raw":
            return norms, 1.0 / p
        middle = float(np.median(norms))
        if self.scale == "clip":
            return np.minimum(norms, middle if self.radius is None else self.radius), 1.0 / p
        return np.ones(p), middle


def _subspace(
    F: NDArray, m: int, pairs: _Pairs | None, max_iter: int, tol: float
) -> tuple[NDArray, NDArray, dict[str, Any]]:
    """Return a basis (rho, m) of the subspace for unit vectors, the rows of F; ratios; details."""
    rho = F.shape[1]
    n_left = max(rho - m, 0)
    T = F.T @ F
    objective: list[float] = []
    Z = np.empty((rho, 0))
    converged = False
    while True:
        _, vectors = np.linalg.eigh(T)
        # from what the subspace leaves out, not as 1 - v: the weights amplify the cancellation
        left = F @ vectors[:, :n_left]
        roots = np.sqrt(np.einsum("ij,ij->i", left, left) + EPSILON)
        value = float(roots.sum())
        if pairs is not None:
            value += pairs.look_at(left, F @ vectors[:, n_left:])
        objective.append(value)
        fall = objective[-2] - value if len(objective) > 1 else np.inf
        if fall < -_RISE * value:
            break
        Z = vectors[:, n_left:]
        converged = fall < tol
        if converged or len(objective) == max_iter:
            break
        T = F.T @ (F / roots[:, None])
        if pairs is not None:
            T += F.T @ (pairs.laplacian @ F)
    inside = F @ Z
    ratios = np.einsum("ij,ij->i", inside, inside)
    return Z, ratios, {"objective": np.array(objective), "converged": converged}


class _Pairs:
    """Terms of the pairs: their share of the objective, and the Laplacian of their weights.

    Parameters
    ----------
    F : (q, rho) array
        Unit vectors.
    nu : (q,) array
        Norms that they had.
    kind : str
        As `Flag.pair`.
    share : float
        Weight of each ordered pair.
    """

    def __init__(self, F: NDArray, nu: NDArray, kind: str, share: float):
        q = len(F)
        self._kind, self._share = kind, share
        self._length = nu[:, None] if kind == "raw" else np.ones((q, 1))
        squares = _square_differences(self._length * F)
        sums = np.add.outer(self._length[:, 0] ** 2, self._length[:, 0] ** 2)
        self._counted = squares > 1e-14 * q * sums  # equal vectors make no pair
        self._size = np.ones((q, q)) if kind == "code" else np.where(self._counted, squares, 1.0)
        self.laplacian = np.zeros((q, q))

    def look_at(self, left: NDArray, inside: NDArray) -> float:
        """Update the Laplacian for what the subspace leaves out and keeps; return the pairs' objective."""
        if self._kind == "code":
            shares = np.abs(1.0 - _square_differences(inside))
        else:
            shares = _square_differences(self._length * left) / self._size
        roots = np.sqrt(shares + EPSILON)
        weights = np.where(self._counted, 2.0 * self._share / (roots * self._size), 0.0)
        self.laplacian = np.diag(weights.sum(axis=1)) - weights
        self.laplacian *= self._length * self._length.T
        return self._share * float(roots[self._counted].sum())


def _square_differences(X: NDArray) -> NDArray[np.float64]:
    """Return ``|x_i - x_j|^2`` of the rows, without cancellation."""
    q = len(X)
    squares = np.empty((q, q))
    n_rows = max(_DIFFERENCES // max(X.size, 1), 1)
    for begin in range(0, q, n_rows):
        differences = X[begin : begin + n_rows, None, :] - X
        np.einsum("ijk,ijk->ij", differences, differences, out=squares[begin : begin + n_rows])
    return squares
