"""NumPy: what each oracle computes. Short, slow, and what the tests compare the compiled kernels with."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import ArrayLike


def row_variance(rows: np.ndarray) -> float:
    """Variance of the gradients of a node's rows, (m, d), about their mean."""
    return float(((rows - rows.mean(axis=0)) ** 2).sum(axis=1).mean())


def _select(A: np.ndarray, b: np.ndarray, rows: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    rows = np.asarray(rows, dtype=np.int64)
    return (A[rows], b[rows]) if rows.size else (A, b)


def quadratic_gradient(x: np.ndarray, H: np.ndarray, b: np.ndarray) -> np.ndarray:
    """H x - b."""
    return H @ x - b


def quadratic_objective(x: np.ndarray, H: np.ndarray, b: np.ndarray, constant: float = 0.0) -> float:
    """x'Hx/2 - b'x + constant."""
    return float(x @ H @ x / 2 - b @ x + constant)


def averaging_gradient(x: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return x - v."""
    return x - v


def averaging_objective(x: np.ndarray, v: np.ndarray) -> float:
    """|x - v|^2/2."""
    return float(np.sum((x - v) ** 2) / 2)


def least_squares_gradient(
    x: np.ndarray, A: np.ndarray, b: np.ndarray, l2: float, rows: ArrayLike = ()
) -> np.ndarray:
    """A'(Ax - b)/m + l2 x, over `rows` of one node's (A, b); all of them when empty."""
    A, b = _select(A, b, rows)
    return A.T @ (A @ x - b) / len(b) + l2 * x


def least_squares_objective(x: np.ndarray, A: np.ndarray, b: np.ndarray, l2: float) -> float:
    """|Ax - b|^2 / (2m) + l2/2 |x|^2."""
    return float(np.sum((A @ x - b) ** 2) / (2 * len(b)) + l2 / 2 * (x @ x))


def logistic_gradient(
    x: np.ndarray, A: np.ndarray, y: np.ndarray, l2: float, rows: ArrayLike = ()
) -> np.ndarray:
    """Mean of -y a / (1 + exp(y a'x)) over `rows` of one node's (A, y), all when empty, + l2 x."""
    A, y = _select(A, y, rows)
    weights = -y * np.exp(-np.logaddexp(0.0, y * (A @ x)))
    return A.T @ weights / len(y) + l2 * x


def logistic_objective(x: np.ndarray, A: np.ndarray, y: np.ndarray, l2: float) -> float:
    """Mean of log(1 + exp(-y a'x)) + l2/2 |x|^2."""
    return float(np.mean(np.logaddexp(0.0, -y * (A @ x))) + l2 / 2 * (x @ x))


def layers_logits(x: np.ndarray, A: np.ndarray, sizes: tuple[int, ...], bias: bool) -> np.ndarray:
    """Outputs (m, classes) of dense layers with ReLU between them, on the rows of A."""
    begin = 0
    for layer, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        W = x[begin : begin + inputs * outputs].reshape(outputs, inputs)
        begin += inputs * outputs
        A = A @ W.T + (x[begin : begin + outputs] if bias else 0.0)
        begin += outputs * bias
        if layer < len(sizes) - 2:
            A = np.maximum(A, 0.0)
    return A


def layers_objective(
    x: np.ndarray, A: np.ndarray, labels: np.ndarray, sizes: tuple[int, ...], bias: bool, l2: float
) -> float:
    """Mean cross entropy of the softmax of `layers_logits` + l2/2 |x|^2."""
    logits = layers_logits(x, A, sizes, bias)
    level = np.logaddexp.reduce(logits, axis=1)
    return float(np.mean(level - logits[np.arange(len(A)), labels.astype(int)]) + l2 / 2 * (x @ x))


def affine_gradient(x: np.ndarray, H: np.ndarray, b: np.ndarray, rows: ArrayLike = ()) -> np.ndarray:
    """Mean of H_j x - b_j over `rows` of one node's (H, b), all when empty."""
    H, b = _select(H, b, rows)
    return (H @ x - b).mean(axis=0)


def bilinear_gradient(z: np.ndarray, A: np.ndarray, a: np.ndarray, b: np.ndarray, l2: float) -> np.ndarray:
    """(A y + l2 x + a, -A'x + l2 y - b), z = (x, y)."""
    x, y = z[: len(a)], z[len(a) :]
    return np.concatenate([A @ y + l2 * x + a, -A.T @ x + l2 * y - b])


def bilinear_objective(z: np.ndarray, A: np.ndarray, a: np.ndarray, b: np.ndarray, l2: float) -> float:
    """X'Ay + l2/2 |x|^2 - l2/2 |y|^2 + a'x + b'y."""
    x, y = z[: len(a)], z[len(a) :]
    return float(x @ A @ y + l2 / 2 * (x @ x - y @ y) + a @ x + b @ y)


def robust_gradient(
    z: np.ndarray, A: np.ndarray, b: np.ndarray, l2: float, penalty: float, rows: ArrayLike = ()
) -> np.ndarray:
    """Gradient in w, and minus that in r, of `robust_objective` over `rows`, all when empty; z = (w, r)."""
    A, b = _select(A, b, rows)
    w, r = np.split(z, 2)
    e = (A + r) @ w - b
    return np.concatenate([(A + r).T @ e / len(b) + l2 * w, penalty * r - e.mean() * w])


def robust_objective(z: np.ndarray, A: np.ndarray, b: np.ndarray, l2: float, penalty: float) -> float:
    """Mean of (w'(a + r) - b)^2 / 2 + l2/2 |w|^2 - penalty/2 |r|^2."""
    w, r = np.split(z, 2)
    return float(np.mean(((A + r) @ w - b) ** 2) / 2 + l2 / 2 * (w @ w) - penalty / 2 * (r @ r))
