"""Data and problems that several tests start from, and exact solutions of linear systems."""

from fractions import Fraction

import numpy as np

from gossamer import problems


def regression(M=60, d=5, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(M, d)) * np.geomspace(0.3, 3, d)
    return X, X @ rng.normal(size=d) / np.sqrt(d) + 2 * rng.normal(size=M)


def quadratic(n=4, d=5, seed=0):
    rng = np.random.default_rng(seed)
    G = rng.normal(size=(n, d + 3, d))
    return problems.Quadratic(G.transpose(0, 2, 1) @ G, rng.normal(size=(n, d)))


def solve_exactly(G, b):
    """Solution of G x = b in rational arithmetic, by Gauss and Jordan."""
    rows = [[*row, value] for row, value in zip(G, b, strict=True)]
    for i, pivot in enumerate(rows):
        for j, row in enumerate(rows):
            if j != i:
                factor = row[i] / pivot[i]
                rows[j] = [u - factor * v for u, v in zip(row, pivot, strict=True)]
    return np.array([float(row[-1] / row[i]) for i, row in enumerate(rows)])


def rationals(A):
    return [[Fraction(float(v)) for v in row] for row in A]
