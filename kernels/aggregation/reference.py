"""Aggregation in NumPy: the definitions, on (p, d) arrays of finite float64 numbers unless said."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray


def unit(G: NDArray) -> int:
    """Return the exponent k of the unit 2^k in which rules see rows; see `norms_in_unit`."""
    lengths = _logarithms(G)
    in_order = np.sort(lengths[lengths > -np.inf])
    return math.floor(in_order[(len(in_order) - 1) // 2] + 0.5) if len(in_order) else 0


def norms_in_unit(G: NDArray) -> NDArray:
    """Return the norms of finite rows in the unit, infinite if 1e150 times larger, 0 if so much smaller."""
    lengths = _logarithms(G) - unit(G)
    with np.errstate(over="ignore"):
        return np.where(lengths > 498, np.inf, np.where(lengths < -498.5, 0.0, np.exp2(lengths)))


def _logarithms(G: NDArray) -> NDArray:
    """Return the logarithms to base 2 of the norms of rows."""
    largest = np.abs(G.astype(float)).max(axis=1, keepdims=True)
    scaled = G / np.where(largest > 0, largest, 1.0)
    with np.errstate(divide="ignore"):
        return 0.5 * np.log2(np.sum(scaled.astype(float) ** 2, axis=1)) + np.log2(largest[:, 0])


def squared_distances(G: NDArray) -> NDArray:
    """Return all squared distances between rows, (p, p)."""
    return np.array([[np.sum((x - y) ** 2) for y in G] for x in G])


def distances(G: NDArray) -> NDArray:
    """Return all distances between rows, (p, p)."""
    return np.sqrt(squared_distances(G))


def coordinate_median(G: NDArray) -> NDArray:
    """Return the median of each coordinate."""
    return np.median(G, axis=0)


def trimmed_mean(G: NDArray, f: int) -> NDArray:
    """Return the mean of each coordinate without its f lowest and f highest values."""
    return np.sort(G, axis=0)[f : len(G) - f].mean(axis=0)


def mean_near(G: NDArray, middle: NDArray, near: int) -> NDArray:
    """Return the mean of the `near` values of each coordinate nearest to the middle; of ties, the lower."""
    result = np.empty(G.shape[1])
    for c, m in enumerate(middle):
        values = np.sort(G[:, c])
        result[c] = values[np.argsort(np.abs(values - m), kind="stable")[:near]].mean()
    return result


def meamed(G: NDArray, f: int) -> NDArray:
    """Return the mean of the p - f values nearest to the median."""
    return mean_near(G, coordinate_median(G), len(G) - f)


def phocas(G: NDArray, f: int) -> NDArray:
    """Return the mean of the p - f values nearest to the trimmed mean."""
    return mean_near(G, trimmed_mean(G, f), len(G) - f)


def krum_scores(G: NDArray, f: int, *, inclusive: bool = False) -> NDArray:
    """Return the sums of the squared distances to the p - f - 2 nearest other rows (at least one).

    Inclusive: to the p - f nearest rows, of which the row itself is one.
    """
    D, p = squared_distances(G), len(G)
    if inclusive:
        return np.array(
            [np.sort(np.append(np.delete(D[i], i), 0.0))[: max(p - f, 2)].sum() for i in range(p)]
        )
    return np.array([np.sort(np.delete(D[i], i))[: max(p - f - 2, 1)].sum() for i in range(p)])


def multi_krum(G: NDArray, f: int, m: int, *, inclusive: bool = False) -> NDArray:
    """Return the mean of the m rows with the best scores; m = 1 is Krum."""
    return G[np.argsort(krum_scores(G, f, inclusive=inclusive), kind="stable")[:m]].mean(axis=0)


def cge(G: NDArray, f: int) -> NDArray:
    """Return the mean of the p - f rows of least norm."""
    return G[np.argsort(np.linalg.norm(G, axis=1), kind="stable")[: len(G) - f]].mean(axis=0)


def repeated(G: NDArray, weights: NDArray) -> NDArray:
    """Return the rows as often as whole weights say: what any rule with weights is a rule of."""
    return np.repeat(G, np.asarray(weights, int), axis=0)


def bulyan(G: NDArray, f: int) -> NDArray:
    """Return the mean around the median of the p - 2f rows that Krum chooses one after the other."""
    left, chosen = list(range(len(G))), []
    while len(chosen) < len(G) - 2 * f:
        chosen.append(left.pop(int(np.argmin(krum_scores(G[left], f)))))
    selected = G[chosen]
    return mean_near(selected, coordinate_median(selected), len(selected) - 2 * f)


def mda(G: NDArray, f: int) -> NDArray:
    """Return the mean of the p - f rows of least diameter."""
    D = distances(G)
    subsets = itertools.combinations(range(len(G)), len(G) - f)
    return G[list(min(subsets, key=lambda s: D[np.ix_(s, s)].max()))].mean(axis=0)


def smea(G: NDArray, f: int) -> NDArray:
    """Return the mean of the p - f rows with the least singular value of their differences from the mean."""
    subsets = itertools.combinations(range(len(G)), len(G) - f)
    return G[list(min(subsets, key=lambda s: np.linalg.norm(G[list(s)] - G[list(s)].mean(axis=0), 2)))].mean(
        axis=0
    )


def nnm(G: NDArray, f: int) -> NDArray:
    """Return the means of the p - f rows nearest to each, itself included."""
    return np.array([G[np.argsort(row, kind="stable")[: len(G) - f]].mean(axis=0) for row in distances(G)])


def monna(G: NDArray, f: int, pivot: int) -> NDArray:
    """Return the mean of the p - f rows nearest to one."""
    return nnm(G, f)[pivot]


def geometric_median(G: NDArray, smoothing: float, n_steps: int) -> NDArray:
    """Return the point after some steps of smoothed Weiszfeld."""
    medians = np.sqrt(np.median(squared_distances(G), axis=1))
    scale = np.median(medians)
    if scale == 0:
        return G[medians == 0].mean(axis=0)
    w = 1.0 / np.maximum(medians, scale)
    z = w @ G / w.sum()
    for _ in range(n_steps):
        w = 1.0 / np.maximum(smoothing * scale, np.linalg.norm(G - z, axis=1))
        z = w @ G / w.sum()
    return z


def clipping(G: NDArray, radius: float) -> NDArray:
    """Return the rows scaled down to a largest norm."""
    norms = np.linalg.norm(G, axis=1, keepdims=True)
    return np.where(norms > radius, G * (radius / np.where(norms > 0, norms, 1.0)), G)


def arc(G: NDArray, f: int) -> NDArray:
    """Return the rows, the floor(2 (f/p) (p - f)) largest of them scaled down to the norm of the next."""
    k = int(np.floor(2 * f * (len(G) - f) / len(G)))
    return clipping(G, np.sort(np.linalg.norm(G, axis=1))[::-1][k])


def centered_clipping(G: NDArray, radius: float | None, n_steps: int, start: NDArray) -> NDArray:
    """Return the start moved by the mean of the clipped differences, n_steps times."""
    v = start
    for _ in range(n_steps):
        r = np.median(np.linalg.norm(G - v, axis=1)) if radius is None else radius
        v = v + clipping(G - v, r).mean(axis=0)
    return v


def caf(G: NDArray, f: int) -> NDArray:
    """Return the mean with the least covariance among those with ever fewer outliers."""
    p = len(G)
    w, best, least = np.ones(p), G.mean(axis=0), np.inf
    while f > 0 and w.sum() > p - 2 * f:
        mean = w @ G / w.sum()
        _, sizes, directions = np.linalg.svd(np.sqrt(w / w.sum())[:, None] * (G - mean), full_matrices=False)
        if sizes[0] ** 2 < least:
            best, least = mean, sizes[0] ** 2
        outlying = np.where(w > 0, ((G - mean) @ directions[0]) ** 2, 0.0)
        if not outlying.max() > 0:
            break
        left = 1 - outlying / outlying.max()
        w = np.where(left > 1e-10, w * left, 0.0)  # rows equally far out go together
    return best


def dnc(G: NDArray, f: int) -> NDArray:
    """Return the mean without the f rows farthest out along the main direction, of all coordinates."""
    centred = G - G.mean(axis=0)
    outlying = (centred @ np.linalg.svd(centred, full_matrices=False)[2][0]) ** 2
    return G[np.argsort(outlying, kind="stable")[: len(G) - f]].mean(axis=0)


def foolsgold(H: NDArray) -> NDArray:
    """Return the weights of workers with histories H; cosines of rows of zeros are 0."""
    p = len(H)
    S = np.zeros((p, p))
    for i, j in itertools.permutations(range(p), 2):
        lengths = np.linalg.norm(H[i]) * np.linalg.norm(H[j])
        if lengths > 0:
            S[i, j] = np.sum(H[i] * H[j]) / lengths
    largest = S.max(axis=1) + 1e-5
    for i in range(p):
        for j in range(p):
            if largest[i] < largest[j]:
                S[i, j] *= largest[i] / largest[j]
    w = np.clip(1 - S.max(axis=1), 0, 1)
    w[w < 1e-14] = 0.0
    if not w.any():
        return w
    w = w / w.max()
    with np.errstate(divide="ignore"):
        return np.clip(np.log(w / (1 - w)) + 0.5, 0, 1)


def flag(
    G: NDArray, m: int, lam: float, scale: str, pair: str, n_subspaces: int
) -> tuple[NDArray, NDArray, list[float]]:
    """Return the Flag aggregate, the ratios and the objectives, by an SVD of explicit columns a subspace.

    Each pair is a column of its own: p (p + 1) / 2 columns of d numbers. "clip" is at the median norm. Rows
    must not be zero. The first subspace from which the objective rises, as it may for "code", is the result.
    """
    eps = 1e-7
    p = len(G)
    norms = np.linalg.norm(G, axis=1)
    H = G / norms[:, None]
    source = G if pair == "raw" else H
    couples = [(i, j) for i in range(p) for j in range(i) if lam > 0 and not np.array_equal(H[i], H[j])]
    E = np.array([source[i] - source[j] for i, j in couples]).reshape(len(couples), G.shape[1])
    if pair != "code":
        E /= np.linalg.norm(E, axis=1, keepdims=True)
    c = 2 * lam / (p * (p - 1)) if couples else 0.0  # each pair is there once, and meant twice
    columns, objective, best = H, [], np.empty((0, 0))
    for _ in range(n_subspaces):
        Y = np.linalg.svd(columns.T, full_matrices=False)[0][:, :m]
        s = np.sum((H - H @ Y @ Y.T) ** 2, axis=1)
        s_pairs = (
            np.abs(1 - np.sum((E @ Y) ** 2, axis=1))
            if pair == "code"
            else np.sum((E - E @ Y @ Y.T) ** 2, axis=1)
        )
        objective.append(float(np.sum(np.sqrt(s + eps)) + c * np.sum(np.sqrt(s_pairs + eps))))
        if len(objective) > 1 and objective[-1] > objective[-2] * (1 + 1e-10):
            break
        best = Y
        columns = np.vstack(
            [H * (s + eps)[:, None] ** -0.25, np.sqrt(c) * E * (s_pairs + eps)[:, None] ** -0.25]
        )
    lengths = {"raw": norms, "clip": np.minimum(norms, np.median(norms))}.get(scale, np.ones(p))
    d = best @ (best.T @ (lengths @ H))
    if scale == "median":
        return np.median(norms) * d / np.linalg.norm(d), np.sum((H @ best) ** 2, axis=1), objective
    return d / (m if scale == "unit" else p), np.sum((H @ best) ** 2, axis=1), objective
