"""Robust aggregation as one writes it in NumPy: array operations and BLAS, nothing compiled for it."""

from __future__ import annotations

import itertools

import numpy as np


def unit_rows(G):
    return G / np.linalg.norm(G, axis=1, keepdims=True)


def squared_distances(G):
    K = G @ G.T
    squares = K.diagonal()
    return np.maximum(squares[:, None] + squares - 2 * K, 0)


# -- averages ----------------------------------------------------------------------------------------------


def mean(G):
    return G.mean(axis=0)


def normalized_mean(G):
    return unit_rows(G).mean(axis=0)


def krum_order(D, f):
    others = D + np.diag(np.full(len(D), np.inf))
    return np.argsort(np.sort(others, axis=1)[:, : len(D) - f - 2].sum(axis=1))


def krum(G, f):
    return G[krum_order(squared_distances(G), f)[0]]


def multi_krum(G, f, m):
    return G[krum_order(squared_distances(G), f)[:m]].mean(axis=0)


def subsets(p, size):
    return np.array(list(itertools.combinations(range(p), size)))


def mda(G, f):
    D, candidates = squared_distances(G), subsets(len(G), len(G) - f)
    diameters = D[candidates[:, :, None], candidates[:, None, :]].max(axis=(1, 2))
    return G[candidates[np.argmin(diameters)]].mean(axis=0)


def smea(G, f):
    centred = G - G.mean(axis=0)
    candidates = subsets(len(G), len(G) - f)
    parts = (centred @ centred.T)[candidates[:, :, None], candidates[:, None, :]]
    parts = parts - parts.mean(axis=1, keepdims=True)
    parts = parts - parts.mean(axis=2, keepdims=True)
    return G[candidates[np.argmin(np.linalg.eigvalsh(parts)[:, -1])]].mean(axis=0)


def monna(G, f):
    distances = np.linalg.norm(G - G[0], axis=1)
    return G[np.argpartition(distances, len(G) - f - 1)[: len(G) - f]].mean(axis=0)


def geometric_median(G, n_steps):
    z = G.mean(axis=0)
    for _ in range(n_steps):
        w = 1 / np.maximum(np.linalg.norm(G - z, axis=1), 1e-6)
        z = w @ G / w.sum()
    return z


def centered_clipping(G, radius, n_steps):
    v = np.zeros_like(G[0])
    for _ in range(n_steps):
        differences = G - v
        factors = np.minimum(1, radius / np.linalg.norm(differences, axis=1))
        v = v + factors @ differences / len(G)
    return v


def caf(G, f):
    p = len(G)
    w, best, least = np.ones(p, G.dtype), G.mean(axis=0), np.inf
    while w.sum() > p - 2 * f:
        mean = w @ G / w.sum()
        centred = G - mean
        K, roots = centred @ centred.T, np.sqrt(w / w.sum())
        sizes, vectors = np.linalg.eigh(roots[:, None] * K * roots)
        if sizes[-1] < least:
            best, least = mean, sizes[-1]
        outlying = (K @ (roots * vectors[:, -1])) ** 2
        outlying[w == 0] = 0
        w = w * (1 - outlying / outlying.max())
    return best


def dnc(G, f, n_coordinates):
    """One iteration."""
    d = G.shape[1]
    if n_coordinates < d:
        part = G[:, np.random.default_rng(0).choice(d, n_coordinates, replace=False)]
    else:
        part = G
    centred = part - part.mean(axis=0)
    main = np.linalg.svd(centred, full_matrices=False)[2][0]
    return G[np.argsort((centred @ main) ** 2)[: len(G) - f]].mean(axis=0)


def foolsgold(G):
    H = unit_rows(G)
    S = H @ H.T
    np.fill_diagonal(S, 0)
    largest = S.max(axis=1) + 1e-5
    S = S * np.minimum(1, largest[:, None] / largest)
    w = np.clip(1 - S.max(axis=1), 0, 1)
    w = w / w.max()
    with np.errstate(divide="ignore"):
        w = np.clip(np.log(w / (1 - w)) + 0.5, 0, 1)
    return w @ G / w.sum()


def flag(G):
    """One iteration of Flag as published: weights from a random subspace, then singular vectors."""
    columns = unit_rows(G).T
    m = len(G) // 2 + 1
    Y = np.linalg.qr(np.random.default_rng(0).standard_normal((G.shape[1], m), np.float32))[0]
    ratios = np.sum((Y.T @ columns) ** 2, axis=0)
    Y = np.linalg.svd(columns * (1 - ratios + 1e-7) ** -0.25, full_matrices=False)[0][:, :m]
    return Y @ (Y.T @ columns.sum(axis=1)) / m


# -- coordinate by coordinate ------------------------------------------------------------------------------


def median(G):
    return np.median(G, axis=0)


def trimmed_mean(G, f):
    return np.sort(G, axis=0)[f : len(G) - f].mean(axis=0)


def mean_near(G, middle, count):
    nearest = np.argpartition(np.abs(G - middle), count - 1, axis=0)[:count]
    return np.take_along_axis(G, nearest, axis=0).mean(axis=0)


def meamed(G, f):
    return mean_near(G, np.median(G, axis=0), len(G) - f)


def phocas(G, f):
    return mean_near(G, trimmed_mean(G, f), len(G) - f)


def bulyan(G, f):
    D, left, chosen = squared_distances(G), list(range(len(G))), []
    while len(chosen) < len(G) - 2 * f:
        chosen.append(left.pop(krum_order(D[np.ix_(left, left)], f)[0]))
    selected = G[chosen]
    return mean_near(selected, np.median(selected, axis=0), len(selected) - 2 * f)


# -- before another rule -----------------------------------------------------------------------------------


def nnm(G, f):
    p = len(G)
    nearest = np.argpartition(squared_distances(G), p - f - 1, axis=1)[:, : p - f]
    M = np.zeros((p, p), G.dtype)
    np.put_along_axis(M, nearest, 1 / (p - f), axis=1)
    return M @ G


def bucketing(G, s):
    """p must be a multiple of s."""
    order = np.random.default_rng(0).permutation(len(G))
    return G[order].reshape(-1, s, G.shape[1]).mean(axis=1)


def clipping(G, radius):
    return G * np.minimum(1, radius / np.linalg.norm(G, axis=1, keepdims=True))


def arc(G, f):
    norms = np.sort(np.linalg.norm(G, axis=1))
    return clipping(G, norms[len(G) - 1 - 2 * f * (len(G) - f) // len(G)])
