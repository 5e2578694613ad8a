"""Robust aggregation as one writes it in NumPy: array operations and BLAS, nothing compiled for it."""

from __future__ import annotations

import numpy as np


def median(G, f):
    return np.median(G, axis=0)


def trimmed_mean(G, f):
    return np.sort(G, axis=0)[f : len(G) - f].mean(axis=0)


def meamed(G, f):
    nearest = np.argpartition(np.abs(G - np.median(G, axis=0)), len(G) - f, axis=0)[: len(G) - f]
    return np.take_along_axis(G, nearest, axis=0).mean(axis=0)


def squared_distances(G):
    squares = np.einsum("ij,ij->i", G, G)
    return squares[:, None] + squares - 2 * (G @ G.T)


def krum_order(G, f):
    D = squared_distances(G)
    np.fill_diagonal(D, np.inf)
    return np.argsort(np.sort(D, axis=1)[:, : len(G) - f - 2].sum(axis=1))


def krum(G, f):
    return G[krum_order(G, f)[0]]


def multi_krum(G, f):
    return G[krum_order(G, f)[: len(G) - f]].mean(axis=0)


def geometric_median(G, f):
    """Three steps: the rule itself goes on until it has converged."""
    z = G.mean(axis=0)
    for _ in range(3):
        w = 1 / np.maximum(np.linalg.norm(G - z, axis=1), 1e-6)
        z = w @ G / w.sum()
    return z


def flag(G, f):
    """One iteration of Flag as published: weights from a random subspace, then singular vectors."""
    columns = (G / np.linalg.norm(G, axis=1, keepdims=True)).T
    m = len(G) // 2 + 1
    Y = np.linalg.qr(np.random.default_rng(0).standard_normal((G.shape[1], m), np.float32))[0]
    ratios = np.sum((Y.T @ columns) ** 2, axis=0)
    Y = np.linalg.svd(columns * (1 - ratios + 1e-7) ** -0.25, full_matrices=False)[0][:, :m]
    return Y @ (Y.T @ columns.sum(axis=1)) / m
