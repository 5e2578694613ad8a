"""Oracles of known formulas, made from their data; `custom` makes those of a user's functions."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..checks import as_array, count, frozen, own_array, real, real_array
from . import cpu, cpu_layers
from .types import Oracle, OracleData


def averaging(values: ArrayLike) -> Oracle:
    """Oracle of f_i(x) = |x - v_i|^2/2.

    Parameters
    ----------
    values : (n, d) array_like
        Row i is v_i.

    Returns
    -------
    Oracle
        Without samples. Its features are the values.

    Raises
    ------
    TypeError, ValueError
        Not real numbers, or no rows or columns.
    """
    values = own_array("values", values, 2)
    n, d = values.shape
    if n == 0 or d == 0:
        raise ValueError(f"values must be (n, d) with n, d >= 1, got shape {values.shape}")
    data = OracleData(
        values, frozen(np.empty(0)), frozen(np.arange(n + 1, dtype=np.int64)), frozen(np.empty(0))
    )
    no_samples = frozen(np.zeros(n, dtype=np.int64))
    return Oracle(cpu.averaging_gradient, cpu.averaging_objective, data, n, d, no_samples)


def quadratic(H: ArrayLike, b: ArrayLike, constants: ArrayLike | None = None) -> Oracle:
    """Oracle of f_i(x) = x'H_i x/2 - b_i'x + c_i.

    Parameters
    ----------
    H : (n, d, d) array_like
        Hessians, symmetric (not checked here).
    b : (n, d) array_like
        Linear terms.
    constants : (n,) array_like, optional
        The c_i, zero by default; they shift objectives only.

    Returns
    -------
    Oracle
        Without samples. Its features are the H_i stacked, (n d, d).

    Raises
    ------
    TypeError, ValueError
        Not real numbers, or shapes that do not fit.
    """
    H = own_array("H", H, 3)
    n, d = H.shape[:2]
    if n == 0 or d == 0 or H.shape[2] != d:
        raise ValueError(f"H must be (n, d, d) with n, d >= 1, got shape {H.shape}")
    b = own_array("b", b, (n, d))
    constants = own_array("constants", np.zeros(n) if constants is None else constants, (n,))
    data = OracleData(
        frozen(H.reshape(n * d, d)),
        frozen(b.reshape(n * d)),
        frozen(np.arange(n + 1, dtype=np.int64) * d),
        constants,
    )
    no_samples = frozen(np.zeros(n, dtype=np.int64))
    return Oracle(cpu.quadratic_gradient, cpu.quadratic_objective, data, n, d, no_samples)


def least_squares(features: ArrayLike, targets: ArrayLike, offsets: ArrayLike, l2: float = 0.0) -> Oracle:
    """Oracle of f_i(x) = |A_i x - b_i|^2 / (2 m_i) + l2/2 |x|^2, evaluated on the data.

    Parameters
    ----------
    features : (M, d) array_like
        The A_i stacked: rows `offsets[i]:offsets[i + 1]` belong to node i.
    targets : (M,) array_like
        The b_i stacked.
    offsets : (n + 1,) array_like of int
        From 0 to M, strictly increasing: every node has at least one row.
    l2 : float
        Weight of the ridge term, >= 0.

    Returns
    -------
    Oracle
        Node i has m_i samples; over a batch, m_i is the batch's size.

    Raises
    ------
    TypeError, ValueError
        Not real numbers, or shapes, offsets or l2 that do not fit.

    Notes
    -----
    A full gradient costs 4 m_i d flops; `quadratic` with H_i = A_i'A_i/m_i + l2 I costs 2 d^2.
    """
    return _of_samples(
        cpu.least_squares_gradient, cpu.least_squares_objective, features, targets, offsets, l2
    )


def logistic(features: ArrayLike, labels: ArrayLike, offsets: ArrayLike, l2: float = 0.0) -> Oracle:
    """Oracle of f_i(x) = (1/m_i) sum_j log(1 + exp(-y_j a_j'x)) + l2/2 |x|^2.

    Parameters
    ----------
    features : (M, d) array_like
        The a_j: rows `offsets[i]:offsets[i + 1]` belong to node i.
    labels : (M,) array_like
        The y_j, -1 or +1.
    offsets : (n + 1,) array_like of int
        From 0 to M, strictly increasing: every node has at least one row.
    l2 : float
        Weight of the ridge term, >= 0.

    Returns
    -------
    Oracle
        Node i has m_i samples; over a batch, m_i is the batch's size.

    Raises
    ------
    TypeError, ValueError
        Not real numbers, labels other than -1 and +1, or shapes, offsets or l2 that do not fit.
    """
    labels = real_array("labels", labels, 1)
    wrong = np.flatnonzero(np.abs(labels) != 1.0)
    if wrong.size:
        raise ValueError(f"labels must be -1 or +1, got labels[{wrong[0]}] = {labels[wrong[0]]}")
    functions = cpu.logistic_gradient, cpu.logistic_objective
    return _of_samples(*functions, features, labels, offsets, l2)


def layers(
    features: ArrayLike,
    labels: ArrayLike,
    offsets: ArrayLike,
    sizes: Sequence[int],
    l2: float = 0.0,
    *,
    bias: bool = True,
) -> Oracle:
    """Oracle of the mean cross entropy of dense layers, ReLU between and softmax at the end, + l2/2 |x|^2.

    Parameters
    ----------
    features : (M, sizes[0]) array_like
        Samples: rows `offsets[i]:offsets[i + 1]` belong to node i.
    labels : (M,) array_like of int
        Classes, 0 to sizes[-1] - 1.
    offsets : (n + 1,) array_like of int
        From 0 to M, strictly increasing: every node has at least one row.
    sizes : sequence of int
        Values before and after each layer: inputs, hidden ones, classes.
    l2 : float
        Weight of the ridge term, >= 0.
    bias : bool
        Whether layers have biases.

    Returns
    -------
    Oracle
        x holds of each layer the weights, one row an output, then its biases. Where a hidden value is zero,
        the derivative of ReLU counts as zero.

    Raises
    ------
    TypeError, ValueError
        Not real numbers, labels that are no classes, or shapes, offsets or l2 that do not fit.
    """
    widths = [count("sizes", size, least=1) for size in sizes]
    if len(widths) < 2:
        raise ValueError(f"sizes must hold those of inputs and classes at least, got {list(sizes)}")
    labels = real_array("labels", labels, 1)
    wrong = np.flatnonzero((labels != np.floor(labels)) | (labels < 0) | (labels >= widths[-1]))
    if wrong.size:
        raise ValueError(
            f"labels must be integers from 0 to {widths[-1] - 1}, got labels[{wrong[0]}] = {labels[wrong[0]]}"
        )
    functions = cpu_layers.layers_gradient, cpu_layers.layers_objective
    oracle = _of_samples(*functions, features, labels, offsets, l2)
    if oracle.dim != widths[0]:
        raise ValueError(f"features must have sizes[0] = {widths[0]} columns, got {oracle.dim}")
    dim = sum((a + bool(bias)) * b for a, b in pairwise(widths))
    parameters = frozen(np.array([oracle.data.parameters[0], bool(bias), *widths], float))
    return dataclasses.replace(oracle, data=oracle.data._replace(parameters=parameters), dim=dim)


def affine(H: ArrayLike, b: ArrayLike, offsets: ArrayLike) -> Oracle:
    """Oracle of the operators F_i(z) = mean of H_j z - b_j over the samples of node i.

    Parameters
    ----------
    H : (M, d, d) array_like
        Matrices of the samples.
    b : (M, d) array_like
        Their constants.
    offsets : (n + 1,) array_like of int
        From 0 to M, strictly increasing: samples `offsets[i]:offsets[i + 1]` belong to node i.

    Returns
    -------
    Oracle
        Without objectives (NaN). Its features are the H_j stacked, (M d, d).

    Raises
    ------
    TypeError, ValueError
        Not real numbers, or shapes or offsets that do not fit.
    """
    H = own_array("H", H, 3)
    m, d = H.shape[:2]
    if m == 0 or d == 0 or H.shape[2] != d:
        raise ValueError(f"H must be (M, d, d) with M, d >= 1, got shape {H.shape}")
    b = own_array("b", b, (m, d))
    offsets, sizes = _checked_offsets(offsets, m, "samples")
    data = OracleData(
        frozen(H.reshape(m * d, d)), frozen(b.reshape(m * d)), frozen(offsets), frozen(np.empty(0))
    )
    return Oracle(cpu.affine_gradient, cpu.no_objective, data, sizes.size, d, frozen(sizes))


def bilinear(A: ArrayLike, a: ArrayLike, b: ArrayLike, l2: float = 0.0) -> Oracle:
    """Oracle of the operators (A_i y + l2 x + a_i, -A_i'x + l2 y - b_i) of z = (x, y).

    They are (grad_x g_i, -grad_y g_i) for g_i(x, y) = x'A_i y + l2/2 |x|^2 - l2/2 |y|^2 + a_i'x + b_i'y,
    which is the objective.

    Parameters
    ----------
    A : (n, p, q) array_like
        Couplings.
    a : (n, p) array_like
        Linear terms of x.
    b : (n, q) array_like
        Linear terms of y.
    l2 : float
        >= 0.

    Returns
    -------
    Oracle
        Without samples. Its features are the A_i stacked, (n p, q); its targets the (a_i, b_i), one after
        the other.

    Raises
    ------
    TypeError, ValueError
        Not real numbers, or shapes that do not fit.
    """
    A = own_array("A", A, 3)
    n, p, q = A.shape
    if A.size == 0:
        raise ValueError(f"A must be (n, p, q) with n, p, q >= 1, got shape {A.shape}")
    linear = np.concatenate([real_array("a", a, (n, p)), real_array("b", b, (n, q))], axis=1)
    data = OracleData(
        frozen(A.reshape(n * p, q)),
        frozen(linear.reshape(n * (p + q))),
        frozen(np.arange(n + 1, dtype=np.int64) * p),
        frozen(np.array([real("l2", l2, least=0.0)])),
    )
    no_samples = frozen(np.zeros(n, dtype=np.int64))
    return Oracle(cpu.bilinear_gradient, cpu.bilinear_objective, data, n, p + q, no_samples)


def robust_least_squares(
    features: ArrayLike, targets: ArrayLike, offsets: ArrayLike, l2: float, penalty: float
) -> Oracle:
    """Oracle of the operators (grad_w f_i, -grad_r f_i) of z = (w, r), over the data.

    f_i(w, r) = mean of (w'(a_j + r) - b_j)^2 / 2 over the rows of node i + l2/2 |w|^2 - penalty/2 |r|^2.

    Parameters
    ----------
    features : (M, d) array_like
        The a_j: rows `offsets[i]:offsets[i + 1]` belong to node i.
    targets : (M,) array_like
        The b_j.
    offsets : (n + 1,) array_like of int
        From 0 to M, strictly increasing: every node has at least one row.
    l2, penalty : float
        >= 0.

    Returns
    -------
    Oracle
        Of 2 d coordinates; node i has m_i samples.

    Raises
    ------
    TypeError, ValueError
        Not real numbers, or shapes, offsets or weights that do not fit.
    """
    functions = cpu.robust_gradient, cpu.robust_objective
    oracle = _of_samples(*functions, features, targets, offsets, l2)
    parameters = frozen(np.array([oracle.data.parameters[0], real("penalty", penalty, least=0.0)]))
    return dataclasses.replace(oracle, data=oracle.data._replace(parameters=parameters), dim=2 * oracle.dim)


def _of_samples(
    gradient: Any, objective: Any, features: ArrayLike, targets: ArrayLike, offsets: ArrayLike, l2: float
) -> Oracle:
    features = own_array("features", features, 2)
    targets = own_array("targets", targets, 1)
    n_rows, d = features.shape
    if d == 0:
        raise ValueError("features must have at least one column")
    if targets.shape != (n_rows,):
        raise ValueError(f"features has {n_rows} rows but there are {targets.size} targets (or labels)")
    offsets, sizes = _checked_offsets(offsets, n_rows, "rows of features")
    data = OracleData(features, targets, frozen(offsets), frozen(np.array([real("l2", l2, least=0)])))
    return Oracle(gradient, objective, data, sizes.size, d, frozen(sizes))


def _checked_offsets(offsets: ArrayLike, n_rows: int, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the offsets as int64, and how many rows each node has."""
    offsets = as_array("offsets", offsets)
    if offsets.ndim != 1 or offsets.dtype.kind not in "iu":
        raise TypeError(f"offsets must be a 1-D array of integers, got {offsets.dtype} {offsets.shape}")
    if offsets.size < 2 or offsets[0] != 0 or offsets[-1] != n_rows:
        raise ValueError(f"offsets must run from 0 to the {n_rows} {what}, got {offsets}")
    offsets = offsets.astype(np.int64)  # a copy
    sizes = np.diff(offsets)
    if sizes.min() < 1:
        node = int(np.argmax(sizes < 1))
        raise ValueError(
            f"every node needs at least one row, but offsets[{node}:{node + 2}] = {offsets[node : node + 2]}"
        )
    return offsets, sizes
