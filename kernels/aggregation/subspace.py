"""The Flag aggregator, in the p x p Gram matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import checks, random
from ..random import streams
from .base import LinearAggregator
from .stages import Context, Weights, median

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
    from equal weights on: the objective never increases, to rounding, unless lam > 0 with ``pair="code"``.
    Where it rises, the iteration ends with the subspace before. The result
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
    restarts : int
        Starts to go from, at least 1; the subspace of the least objective is kept, the first of equals. The
        first start are principal components; the others by turns principal components of rows weighted by
        their squared cosines to one row (that of the least ratio in the first subspace, then the next), and
        by random weights, squares of exponential ones.
    key : int
        64-bit key of the random weights, from `kernels.random.make_key`; `step` numbers the calls.

    Notes
    -----
    What the iteration reaches is, in the limit, a stationary point of the objective: a subspace spanned by
    eigenvectors of its own weighted second moments. It need not be the best one, nor a good one, and nothing
    is known of how far the best of several starts is from the minimum. Measured with the default m, on 15
    rows of noise about a common direction (`bench/flag_restarts.py`): in 11 of 16 cases one of 7 other starts
    ended lower, by 0.9 % on average, but the aggregate was 1.8 times farther from the direction of the honest
    mean; under ALIE and MinMax it was as far. So one start is the default.

    Details: `ratios`, the v_i (NaN for rows of zeros); `objective`, one value a subspace, of which the last
    may be one that rose; `converged`, False where it rose or `max_iter` subspaces were not enough; `ends`,
    the objective at the end of each start.

    With weights each row counts so often in the sums, the medians and the pairs, p being the sum of the
    weights; so does the default m, which is soon above the rank: set m.

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
    restarts: int = 1
    key: int = 0

    invariant = False
    weighted = True

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
        checks.count("restarts", self.restarts, least=1, most=2**12)
        checks.count("key", self.key, most=2**64 - 1)

    def _drops_norms(self) -> bool:
        return self.scale == "unit"

    def _check(self, p: int) -> int:
        if self.m is not None:
            checks.count("m", self.m, most=p)
        return p

    def _weights(self, K: NDArray, context: Context) -> Weights:
        counts = context.weights
        p = len(K) if counts is None else float(counts.sum())
        m = int(p) // 2 + 1 if self.m is None else min(self.m, int(p))
        norms = np.sqrt(K.diagonal())
        used = norms > 0.0
        weights, ratios = np.zeros(len(K)), np.full(len(K), np.nan)
        if not used.any():
            return weights, {
                "ratios": ratios,
                "objective": np.empty(0),
                "converged": True,
                "ends": np.empty(0),
            }
        nu = norms[used]
        C = K[np.ix_(used, used)] / np.multiply.outer(nu, nu)
        np.fill_diagonal(C, 1.0)
        values, vectors = np.linalg.eigh(C)
        kept = values > len(nu) * _RANK[context.rows.dtype] * values[-1]
        roots = np.sqrt(values[kept])
        F = vectors[:, kept] * roots  # its rows are an isometric image of the unit vectors
        each = None if counts is None else counts[used]
        share = self.lam / (p * (p - 1)) if self.lam > 0.0 and p > 1 else 0.0
        pairs = _Pairs(F, nu, self.pair, share, each) if share else None
        Z, ratios[used], details = self._best_subspace(F, each, m, pairs, C, context.step)
        length, factor = self._lengths(norms, context)
        lengths = length[used] if each is None else each * length[used]
        y = Z.T @ (F.T @ lengths)
        if self.scale == "unit":
            factor = 1.0 / m
        elif self.scale == "median":
            size = np.linalg.norm(y)
            factor = factor / size if size > 1e-12 * p else 0.0  # else the unit vectors cancel out
        weights[used] = vectors[:, kept] @ (Z @ y / roots) / nu * factor
        return weights, {"ratios": ratios, **details}

    def _lengths(self, norms: NDArray, context: Context) -> tuple[NDArray[np.float64], float]:
        """Return the lengths at which the unit vectors are summed up, and a factor of the sum."""
        p = len(norms) if context.weights is None else float(context.weights.sum())
        if self.scale == "raw":
            return norms, 1.0 / p
        middle = float(median(norms, context.weights))
        if self.scale == "clip":
            radius = middle if self.radius is None else context.in_unit(self.radius)
            return np.minimum(norms, radius), 1.0 / p
        return np.ones(len(norms)), middle

    def _best_subspace(
        self, F: NDArray, counts: NDArray | None, m: int, pairs: _Pairs | None, C: NDArray, step: int
    ) -> tuple[NDArray, NDArray, dict[str, Any]]:
        """Return the best of the subspaces that the starts lead to; ratios; details."""
        counted = F if counts is None else F * counts[:, None]
        best = _subspace(F, counted, counts, m, pairs, self.max_iter, self.tol, F.T @ counted)
        ends = [best[2].pop("end")]
        if self.restarts > 1 and F.shape[1] > m:
            worst_first = np.argsort(best[1], kind="stable")
            for r in range(1, self.restarts):
                if r % 2:
                    shares = C[worst_first[r // 2 % len(F)]] ** 2
                else:
                    draws = random.uniform(self.key, streams.SUBSPACE, r << 32, len(F), step=step)
                    shares = np.log1p(-draws) ** 2
                start = F.T @ (counted * shares[:, None])
                found = _subspace(F, counted, counts, m, pairs, self.max_iter, self.tol, start)
                ends.append(found[2].pop("end"))
                if ends[-1] < min(ends[:-1]):
                    best = found
        return best[0], best[1], {**best[2], "ends": np.array(ends)}


def _subspace(
    F: NDArray,
    counted: NDArray,
    counts: NDArray | None,
    m: int,
    pairs: _Pairs | None,
    max_iter: int,
    tol: float,
    T: NDArray,
) -> tuple[NDArray, NDArray, dict[str, Any]]:
    """Return a basis (rho, m) of the subspace for unit vectors, the rows of F; ratios; details.

    `counted` are the rows of F times how often they count, and T is the second moment that the first subspace
    is of.
    """
    rho = F.shape[1]
    n_left = max(rho - m, 0)
    objective: list[float] = []
    Z = np.empty((rho, 0))
    converged = False
    while True:
        _, vectors = np.linalg.eigh(T)
        # from what the subspace leaves out, not as 1 - v: the weights amplify the cancellation
        left = F @ vectors[:, :n_left]
        roots = np.sqrt(np.einsum("ij,ij->i", left, left) + EPSILON)
        value = float(roots.sum() if counts is None else counts @ roots)
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
        T = F.T @ (counted / roots[:, None])
        if pairs is not None:
            T += F.T @ (pairs.laplacian @ F)
    inside = F @ Z
    ratios = np.einsum("ij,ij->i", inside, inside)
    found = np.array(objective)
    return Z, ratios, {"objective": found, "converged": converged, "end": float(found[-2:].min())}


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
    counts : (q,) array or None
        How often each vector counts; None: once.
    """

    def __init__(self, F: NDArray, nu: NDArray, kind: str, share: float, counts: NDArray | None):
        q = len(F)
        self._kind = kind
        self._share = share if counts is None else share * np.multiply.outer(counts, counts)
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
        if isinstance(self._share, float):
            return self._share * float(roots[self._counted].sum())
        return float((self._share * roots)[self._counted].sum())


def _square_differences(X: NDArray) -> NDArray[np.float64]:
    """Return ``|x_i - x_j|^2`` of the rows, without cancellation."""
    q = len(X)
    squares = np.empty((q, q))
    n_rows = max(_DIFFERENCES // max(X.size, 1), 1)
    for begin in range(0, q, n_rows):
        differences = X[begin : begin + n_rows, None, :] - X
        np.einsum("ijk,ijk->ij", differences, differences, out=squares[begin : begin + n_rows])
    return squares
