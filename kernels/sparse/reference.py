"""Star-mesh elimination, effective resistances and inverses in NumPy, on dense matrices: the definition.

In the first three, `conductances` is the symmetric (n, n) matrix of the weights between the nodes, with a
zero diagonal.
"""

from __future__ import annotations

import numpy as np


def eliminate(conductances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eliminate the nodes 0, 1, ... and return (n, n) fractions and (n,) total conductances.

    Eliminating a node replaces the star of its edges by a mesh between its neighbours, which keeps all the
    other effective resistances. Row k holds the fractions of node k's conductance that lead to later nodes.
    In terms of the Laplacian, ``L = (I - F)' diag(total) (I - F)``; the last node has the total zero.
    """
    c = np.array(conductances, float)
    n = len(c)
    fractions, total = np.zeros((n, n)), np.zeros(n)
    for k in range(n - 1):
        later = slice(k + 1, n)
        total[k] = c[k, later].sum()
        fractions[k, later] = c[k, later] / total[k]
        mesh = np.outer(fractions[k, later], c[k, later])
        np.fill_diagonal(mesh, 0.0)
        c[later, later] += mesh
    return fractions, total


def solve(fractions: np.ndarray, total: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Solve ``L x = b`` for b of zero sum; the last entry of x is zero."""
    n = len(total)
    unit = np.eye(n) - fractions
    y = np.linalg.solve(unit.T, b)[:-1] / total[:-1]
    return np.append(np.linalg.solve(unit[:-1, :-1], y), 0.0)


def resistances(conductances: np.ndarray) -> np.ndarray:
    """Return all (n, n) effective resistances ``(e_i - e_j)' L^+ (e_i - e_j)``."""
    laplacian = np.diag(conductances.sum(axis=1)) - conductances
    P = np.linalg.pinv(laplacian, hermitian=True)
    d = np.diag(P)
    return d[:, None] + d[None, :] - 2.0 * P


def inverse_derivatives(A: np.ndarray, D: np.ndarray, E: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the inverse Z of a symmetric matrix, its derivative along D, and the mixed one along D and E.

    These are ``-Z D Z`` and ``Z D Z E Z + Z E Z D Z``.
    """
    Z = np.linalg.inv(A)
    mixed = Z @ D @ Z @ E @ Z
    return Z, -Z @ D @ Z, mixed + mixed.T
