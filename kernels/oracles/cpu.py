"""Numba: gradients and objectives of one node, and the loops over nodes that take them as function pointers.

Rows are read four at a time: four dot products in one pass over x, then one pass that adds the four rows to
the result. There is no BLAS, not for long rows either: the data cross the memory bus once, where two matrix
products (Ax, then A'r) read them twice; no threads have to be capped; and the bits depend neither on a BLAS
library nor on its threads. Nor is it slower (`bench/test_oracles.py`).
"""

from __future__ import annotations

import math

import numpy as np
from numba import types

from .._jit import NO_ALIAS, REORDER, array_type, inner_njit, lazy_njit
from ..elementary import exp_minus
from .batches import BATCHES, draw_batch, new_stamps
from .types import DATA, GRADIENT, OBJECTIVE, gradient_at, objective_at

_vector = array_type(types.float64, 1)
_vector_in = array_type(types.float64, 1, readonly=True)
_matrix = array_type(types.float64, 2)
_matrix_in = array_type(types.float64, 2, readonly=True)
_integers_in = array_type(types.int64, 1, readonly=True)

_inline = inner_njit(fastmath=REORDER)
_into = inner_njit(**NO_ALIAS, fastmath=REORDER)  # for loops that change `out`


@_inline
def _dot(a, x):
    total = 0.0
    for k in range(x.size):
        total += a[k] * x[k]
    return total


@_inline
def _dot4(a0, a1, a2, a3, x):
    t0 = 0.0
    t1 = 0.0
    t2 = 0.0
    t3 = 0.0
    for k in range(x.size):
        xk = x[k]
        t0 += a0[k] * xk
        t1 += a1[k] * xk
        t2 += a2[k] * xk
        t3 += a3[k] * xk
    return t0, t1, t2, t3


@_into
def _add(c, a, out):
    for k in range(out.size):
        out[k] += c * a[k]


@_into
def _add4(c0, a0, c1, a1, c2, a2, c3, a3, out):
    for k in range(out.size):
        out[k] += (c0 * a0[k] + c1 * a1[k]) + (c2 * a2[k] + c3 * a3[k])


@_into
def _scale(c, x, out):
    for k in range(out.size):
        out[k] = c * x[k]


# -- quadratic: x'Hx/2 - b'x + c -------------------------------------------------------------------------


@lazy_njit(GRADIENT, fastmath=REORDER)
def quadratic_gradient(node, x, rows, data, out):
    """Write H_node x - b_node to `out`; a quadratic has no samples, `rows` is not read."""
    d = x.size
    begin = data.offsets[node]
    H = data.features[begin : begin + d]
    b = data.targets[begin : begin + d]
    whole = d - d % 4
    for j in range(0, whole, 4):
        t0, t1, t2, t3 = _dot4(H[j], H[j + 1], H[j + 2], H[j + 3], x)
        out[j] = t0 - b[j]
        out[j + 1] = t1 - b[j + 1]
        out[j + 2] = t2 - b[j + 2]
        out[j + 3] = t3 - b[j + 3]
    for j in range(whole, d):
        out[j] = _dot(H[j], x) - b[j]


@lazy_njit(OBJECTIVE, fastmath=REORDER)
def quadratic_objective(node, x, data):
    """Return x'Hx/2 - b'x + c of the node."""
    d = x.size
    begin = data.offsets[node]
    H = data.features[begin : begin + d]
    b = data.targets[begin : begin + d]
    total = 0.0
    for j in range(d):
        total += x[j] * (0.5 * _dot(H[j], x) - b[j])
    return total + data.parameters[node]


# -- affine operators: the mean of H x - b over samples ---------------------------------------------------


@lazy_njit(GRADIENT, fastmath=REORDER)
def affine_gradient(node, x, rows, data, out):
    """Write the mean of H_j x - b_j over the node's samples (or the batch `rows`) to `out`."""
    d = x.size
    begin, end = data.offsets[node], data.offsets[node + 1]
    is_full = rows.size == 0
    m = end - begin if is_full else rows.size
    out[:] = 0.0
    whole = d - d % 4
    for k in range(m):
        first = (begin + (k if is_full else rows[k])) * d
        H = data.features[first : first + d]
        b = data.targets[first : first + d]
        for j in range(0, whole, 4):
            t0, t1, t2, t3 = _dot4(H[j], H[j + 1], H[j + 2], H[j + 3], x)
            out[j] += t0 - b[j]
            out[j + 1] += t1 - b[j + 1]
            out[j + 2] += t2 - b[j + 2]
            out[j + 3] += t3 - b[j + 3]
        for j in range(whole, d):
            out[j] += _dot(H[j], x) - b[j]
    out /= m


@lazy_njit(OBJECTIVE)
def no_objective(node, x, data):
    """Return NaN: the operator is no gradient."""
    return math.nan


# -- bilinear saddle points: x'Ay + l2/2 |x|^2 - l2/2 |y|^2 + a'x + b'y -------------------------------------


@_into
def _ridge(l2, x, a, out):
    for k in range(out.size):
        out[k] = l2 * x[k] - a[k]


@lazy_njit(GRADIENT, fastmath=REORDER)
def bilinear_gradient(node, z, rows, data, out):
    """Write (A y + l2 x + a, -A'x + l2 y - b) of the node to `out`, z = (x, y); A is read once."""
    begin = data.offsets[node]
    p = data.offsets[node + 1] - begin
    A = data.features[begin : begin + p]
    linear = data.targets[node * z.size : (node + 1) * z.size]
    l2 = data.parameters[0]
    x, y, down = z[:p], z[p:], out[p:]
    _ridge(l2, y, linear[p:], down)
    whole = p - p % 4
    for j in range(0, whole, 4):
        t0, t1, t2, t3 = _dot4(A[j], A[j + 1], A[j + 2], A[j + 3], y)
        _add4(-x[j], A[j], -x[j + 1], A[j + 1], -x[j + 2], A[j + 2], -x[j + 3], A[j + 3], down)
        out[j] = t0 + l2 * x[j] + linear[j]
        out[j + 1] = t1 + l2 * x[j + 1] + linear[j + 1]
        out[j + 2] = t2 + l2 * x[j + 2] + linear[j + 2]
        out[j + 3] = t3 + l2 * x[j + 3] + linear[j + 3]
    for j in range(whole, p):
        out[j] = _dot(A[j], y) + l2 * x[j] + linear[j]
        _add(-x[j], A[j], down)


@lazy_njit(OBJECTIVE, fastmath=REORDER)
def bilinear_objective(node, z, data):
    """Return x'Ay + l2/2 |x|^2 - l2/2 |y|^2 + a'x + b'y of the node."""
    begin = data.offsets[node]
    p = data.offsets[node + 1] - begin
    linear = data.targets[node * z.size : (node + 1) * z.size]
    x, y = z[:p], z[p:]
    total = _dot(linear[p:], y)
    for j in range(p):
        total += x[j] * (_dot(data.features[begin + j], y) + linear[j])
    return total + 0.5 * data.parameters[0] * (_dot(x, x) - _dot(y, y))


# -- robust least squares: mean (w'(a + r) - b)^2 / 2 + l2/2 |w|^2 - penalty/2 |r|^2 -------------------------


@lazy_njit(GRADIENT, fastmath=REORDER)
def robust_gradient(node, z, rows, data, out):
    """Write the gradient in w, and minus that in r, to `out`; z = (w, r), over the rows (or the batch)."""
    begin = data.offsets[node]
    end = data.offsets[node + 1]
    A = data.features[begin:end]
    b = data.targets[begin:end]
    d = A.shape[1]
    w, r, up, down = z[:d], z[d:], out[:d], out[d:]
    is_full = rows.size == 0
    m = end - begin if is_full else rows.size
    scale = 1.0 / m
    shift = _dot(w, r)
    mean = 0.0
    _scale(data.parameters[0], w, up)
    whole = m - m % 4
    for k in range(0, whole, 4):
        if is_full:
            j0, j1, j2, j3 = k, k + 1, k + 2, k + 3
        else:
            j0, j1, j2, j3 = rows[k], rows[k + 1], rows[k + 2], rows[k + 3]
        a0, a1, a2, a3 = A[j0], A[j1], A[j2], A[j3]
        t0, t1, t2, t3 = _dot4(a0, a1, a2, a3, w)
        c0 = scale * (t0 + shift - b[j0])
        c1 = scale * (t1 + shift - b[j1])
        c2 = scale * (t2 + shift - b[j2])
        c3 = scale * (t3 + shift - b[j3])
        mean += (c0 + c1) + (c2 + c3)
        _add4(c0, a0, c1, a1, c2, a2, c3, a3, up)
    for k in range(whole, m):
        j = k if is_full else rows[k]
        c = scale * (_dot(A[j], w) + shift - b[j])
        mean += c
        _add(c, A[j], up)
    _add(mean, r, up)
    _scale(data.parameters[1], r, down)
    _add(-mean, w, down)


@lazy_njit(OBJECTIVE, fastmath=REORDER)
def robust_objective(node, z, data):
    """Return the mean of (w'(a + r) - b)^2 / 2 over the node's rows + l2/2 |w|^2 - penalty/2 |r|^2."""
    begin = data.offsets[node]
    end = data.offsets[node + 1]
    d = data.features.shape[1]
    w, r = z[:d], z[d:]
    shift = _dot(w, r)
    total = 0.0
    for j in range(begin, end):
        residual = _dot(data.features[j], w) + shift - data.targets[j]
        total += residual * residual
    value = 0.5 * total / (end - begin)
    return value + 0.5 * (data.parameters[0] * _dot(w, w) - data.parameters[1] * _dot(r, r))


# -- averaging: |x - v|^2/2 ------------------------------------------------------------------------------


@inner_njit(**NO_ALIAS)
def _subtract(x, v, out):
    for k in range(out.size):
        out[k] = x[k] - v[k]


@lazy_njit(GRADIENT)
def averaging_gradient(node, x, rows, data, out):
    """Write x - v_node to `out`; there are no samples, `rows` is not read."""
    _subtract(x, data.features[node], out)


@lazy_njit(OBJECTIVE, fastmath=REORDER)
def averaging_objective(node, x, data):
    """Return |x - v|^2/2 of the node."""
    v = data.features[node]
    total = 0.0
    for k in range(x.size):
        total += (x[k] - v[k]) ** 2
    return 0.5 * total


# -- least squares: |Ax - b|^2 / (2m) + l2/2 |x|^2 -------------------------------------------------------


@lazy_njit(GRADIENT, fastmath=REORDER)
def least_squares_gradient(node, x, rows, data, out):
    """Write A'(Ax - b)/m + l2 x over the node's rows (or the batch `rows`) to `out`."""
    begin = data.offsets[node]
    end = data.offsets[node + 1]
    A = data.features[begin:end]
    b = data.targets[begin:end]
    is_full = rows.size == 0
    m = end - begin if is_full else rows.size
    scale = 1.0 / m
    _scale(data.parameters[0], x, out)
    whole = m - m % 4
    for k in range(0, whole, 4):
        if is_full:
            j0, j1, j2, j3 = k, k + 1, k + 2, k + 3
        else:
            j0, j1, j2, j3 = rows[k], rows[k + 1], rows[k + 2], rows[k + 3]
        a0, a1, a2, a3 = A[j0], A[j1], A[j2], A[j3]
        t0, t1, t2, t3 = _dot4(a0, a1, a2, a3, x)
        c0 = scale * (t0 - b[j0])
        c1 = scale * (t1 - b[j1])
        c2 = scale * (t2 - b[j2])
        c3 = scale * (t3 - b[j3])
        _add4(c0, a0, c1, a1, c2, a2, c3, a3, out)
    for k in range(whole, m):
        j = k if is_full else rows[k]
        _add(scale * (_dot(A[j], x) - b[j]), A[j], out)


@lazy_njit(OBJECTIVE, fastmath=REORDER)
def least_squares_objective(node, x, data):
    """Return |Ax - b|^2 / (2m) + l2/2 |x|^2 of the node."""
    begin = data.offsets[node]
    end = data.offsets[node + 1]
    total = 0.0
    for j in range(begin, end):
        residual = _dot(data.features[j], x) - data.targets[j]
        total += residual * residual
    value = 0.5 * total / (end - begin)
    l2 = data.parameters[0]
    if l2 > 0.0:  # 0 * |x|^2 would be NaN once |x|^2 overflows
        value += 0.5 * l2 * _dot(x, x)
    return value


# -- logistic: mean log(1 + exp(-y a'x)) + l2/2 |x|^2 ----------------------------------------------------


# Rows that go through each step together: their weights vectorise, and they stay in the second-level cache.
_ROWS = 32
_CACHED = 1 << 15  # numbers


@inner_njit(**NO_ALIAS)
def _weights(scale, y, margins):
    """Overwrite margins t by the derivatives of scale * log(1 + exp(-y t)), -scale y / (1 + exp(y t))."""
    for k in range(margins.size):
        t = y[k] * margins[k]
        small = exp_minus(abs(t))
        margins[k] = -scale * y[k] * (small if t > 0.0 else 1.0) / (1.0 + small)


@lazy_njit(GRADIENT, fastmath=REORDER)
def logistic_gradient(node, x, rows, data, out):
    """Write -(1/m) sum_j y_j a_j / (1 + exp(y_j a_j'x)) + l2 x over the rows (or the batch) to `out`."""
    begin = data.offsets[node]
    end = data.offsets[node + 1]
    A = data.features[begin:end]
    y = data.targets[begin:end]
    is_full = rows.size == 0
    m = end - begin if is_full else rows.size
    scale = 1.0 / m
    _scale(data.parameters[0], x, out)
    picked = np.empty(_ROWS, np.int64)
    labels = np.empty(_ROWS)
    w = np.empty(_ROWS)
    block = max(4, min(_ROWS, _CACHED // x.size))
    for first in range(0, m, block):
        size = min(block, m - first)
        for k in range(size):
            picked[k] = first + k if is_full else rows[first + k]
            labels[k] = y[picked[k]]
        whole = size - size % 4
        for k in range(0, whole, 4):
            a0, a1, a2, a3 = A[picked[k]], A[picked[k + 1]], A[picked[k + 2]], A[picked[k + 3]]
            w[k], w[k + 1], w[k + 2], w[k + 3] = _dot4(a0, a1, a2, a3, x)
        for k in range(whole, size):
            w[k] = _dot(A[picked[k]], x)
        _weights(scale, labels[:size], w[:size])
        for k in range(0, whole, 4):
            a0, a1, a2, a3 = A[picked[k]], A[picked[k + 1]], A[picked[k + 2]], A[picked[k + 3]]
            _add4(w[k], a0, w[k + 1], a1, w[k + 2], a2, w[k + 3], a3, out)
        for k in range(whole, size):
            _add(w[k], A[picked[k]], out)


@lazy_njit(OBJECTIVE, fastmath=REORDER)
def logistic_objective(node, x, data):
    """Return the mean of log(1 + exp(-y a'x)) over the node's rows + l2/2 |x|^2."""
    begin = data.offsets[node]
    end = data.offsets[node + 1]
    total = 0.0
    for j in range(begin, end):
        margin = data.targets[j] * _dot(data.features[j], x)
        if margin > 0.0:
            total += math.log1p(math.exp(-margin))
        else:
            total += math.log1p(math.exp(margin)) - margin
    value = total / (end - begin)
    l2 = data.parameters[0]
    if l2 > 0.0:  # 0 * |x|^2 would be NaN once |x|^2 overflows
        value += 0.5 * l2 * _dot(x, x)
    return value


# -- loops over nodes, for any oracle, by the address of its gradient or objective -------------------------


@lazy_njit(types.void(types.int64, DATA, types.int64, _vector_in, _integers_in, _vector))
def node_gradient(address, data, node, x, rows, out):
    """Write the gradient of one node over `rows` (empty: all) to `out`."""
    gradient_at(address)(node, x, rows, data, out)


@lazy_njit(types.void(types.int64, DATA, _matrix_in, _matrix))
def stacked_gradients(address, data, X, out):
    """Write grad f_i(X_i) to row i of `out`."""
    gradient = gradient_at(address)
    all_rows = np.empty(0, dtype=np.int64)
    for i in range(X.shape[0]):
        gradient(i, X[i], all_rows, data, out[i])


@lazy_njit(types.void(types.int64, DATA, BATCHES, types.int64, _integers_in, _matrix_in, _matrix))
def batch_gradients(address, data, batches, turn, nodes, X, out):
    """Write grad f_i(X_i), or at the only row of X, over batch turn n + i to row i of `out`, i in `nodes`."""
    gradient = gradient_at(address)
    n = batches.n_samples.shape[0]
    stamps, picked = new_stamps(batches), np.empty(batches.size, np.int64)
    for i in nodes:
        number = turn * n + i
        use = draw_batch(batches, i, np.uint64(number), stamps, number, picked)
        gradient(i, X[i if X.shape[0] > 1 else 0], picked[:use], data, out[i])


@lazy_njit(types.void(types.int64, DATA, types.int64, _vector_in, _vector))
def mean_gradient(address, data, n_nodes, x, out):
    """Write (1/n) sum_i grad f_i(x) to `out`."""
    gradient = gradient_at(address)
    all_rows = np.empty(0, dtype=np.int64)
    scratch = np.empty(x.size)
    out[:] = 0.0
    for i in range(n_nodes):
        gradient(i, x, all_rows, data, scratch)
        out += scratch
    out /= n_nodes


@lazy_njit(types.void(types.int64, DATA, _integers_in, _vector_in, _vector))
def row_variances(address, data, n_samples, x, out):
    """Write the mean of |grad of a row - grad f_i|^2 at x, over the rows of node i, to out[i]."""
    gradient = gradient_at(address)
    all_rows, row = np.empty(0, dtype=np.int64), np.empty(1, dtype=np.int64)
    mean, scratch = np.empty(x.size), np.empty(x.size)
    for i in range(out.size):
        gradient(i, x, all_rows, data, mean)
        total = 0.0
        for j in range(n_samples[i]):
            row[0] = j
            gradient(i, x, row, data, scratch)
            for k in range(x.size):
                total += (scratch[k] - mean[k]) ** 2
        out[i] = total / n_samples[i]


@lazy_njit(types.float64(types.int64, DATA, types.int64, _vector_in))
def mean_objective(address, data, n_nodes, x):
    """Return (1/n) sum_i f_i(x)."""
    objective = objective_at(address)
    total = 0.0
    for i in range(n_nodes):
        total += objective(i, x, data)
    return total / n_nodes


@lazy_njit(types.float64(types.int64, DATA, types.int64, DATA, _integers_in, _vector_in, _vector))
def mean_value_and_gradient(objective_address, values, gradient_address, data, nodes, x, out):
    """Return the mean of f_i(x) over some nodes, and write its gradient; a node's data are read once."""
    objective = objective_at(objective_address)
    gradient = gradient_at(gradient_address)
    all_rows = np.empty(0, dtype=np.int64)
    scratch = np.empty(x.size)
    total = 0.0
    out[:] = 0.0
    for i in nodes:
        total += objective(i, x, values)
        gradient(i, x, all_rows, data, scratch)
        out += scratch
    out /= nodes.size
    return total / nodes.size


@lazy_njit(types.void(types.int64, DATA, types.int64, _vector_in, _vector))
def node_objectives(address, data, first, x, out):
    """Write f_first(x), f_{first + 1}(x), ... to `out`, one for each of its entries."""
    objective = objective_at(address)
    for k in range(out.size):
        out[k] = objective(first + k, x, data)
