"""Geometric median in Numba: Weiszfeld's iteration on the Gram matrix of the points."""

from __future__ import annotations

import numpy as np
from numba import types

from .._jit import array_type, lazy_njit
from .cpu_gram import INT


@lazy_njit(
    types.Tuple((INT, types.bool_))(
        array_type(types.float64, 2, readonly=True),
        array_type(types.float64, 1, readonly=True),
        types.float64,
        types.float64,
        INT,
        array_type(types.float64, 1),
    )
)
def weiszfeld(C, counts, nu, tol, max_iter, c):
    """Iterate the weights c, of sum 1, of the geometric median of points with inner products C.

    Distances below nu count as nu, and point i as counts[i] points. In ``|x_i - sum_j c_j x_j|^2 = C_ii -
    2 (C c)_i + c' C c`` every term is about as large as what it adds up to if the origin is among the points
    that are near to many: a point far away has a weight as small as it is far. Sums of squared distances
    would lose what is small there.

    Returns the number of iterations, and whether the last changed no weight, of one of a point's copies, by
    more than `tol`.
    """
    p = c.size
    products = np.empty(p)
    for iteration in range(max_iter):
        square = 0.0
        for i in range(p):
            total = 0.0
            for j in range(p):
                total += C[i, j] * c[j]
            products[i] = total
            square += c[i] * total
        total = 0.0
        for i in range(p):
            squared_distance = C[i, i] - 2.0 * products[i] + square
            products[i] = counts[i] / max(nu, np.sqrt(max(squared_distance, 0.0)))
            total += products[i]
        change = 0.0
        for i in range(p):
            weight = products[i] / total
            change = max(change, abs(weight - c[i]) / counts[i])
            c[i] = weight
        if change <= tol:
            return iteration + 1, True
    return max_iter, False
