"""Gradients and objectives of an oracle, of one node, of all, or their mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..checks import count, instance, real_array
from . import cpu
from .batches import Batches
from .checks import node_index, nodes_of, point, row_positions
from .types import Oracle

_ALL_ROWS = np.empty(0, dtype=np.int64)
_ALL_ROWS.flags.writeable = False


def gradient(oracle: Oracle, node: int, x: ArrayLike, rows: ArrayLike | None = None) -> np.ndarray:
    """Gradient of one node's objective.

    Parameters
    ----------
    oracle : Oracle
        Any.
    node : int
        In 0..n-1.
    x : (d,) array_like
        Where.
    rows : (b,) array_like of int, optional
        A mini-batch: positions within the node's rows, repetitions allowed. The mean runs over these rows.

    Returns
    -------
    (d,) float64 array

    Raises
    ------
    TypeError, ValueError, IndexError
        A shape that does not fit, a node or row that does not exist.
    """
    node = node_index(oracle, node)
    x = point(oracle, x)
    batch = _ALL_ROWS if rows is None else row_positions(oracle, node, rows)
    out = np.empty(oracle.dim)
    cpu.node_gradient(oracle.gradient_address, oracle.data, node, x, batch, out)
    return out


def gradients(oracle: Oracle, X: ArrayLike) -> np.ndarray:
    """Gradients grad f_i(X_i), one row a node.

    Parameters
    ----------
    oracle : Oracle
        Any.
    X : (n, d) array_like
        Row i is where node i's gradient is taken.

    Returns
    -------
    (n, d) float64 array

    Raises
    ------
    TypeError, ValueError
        A shape that does not fit.
    """
    instance("oracle", oracle, Oracle)
    shape = oracle.n_nodes, oracle.dim
    X = real_array("X", X, shape, finite=False)
    out = np.empty(shape)
    cpu.stacked_gradients(oracle.gradient_address, oracle.data, X, out)
    return out


def mean_gradient(oracle: Oracle, x: ArrayLike) -> np.ndarray:
    """Gradient of f = (1/n) sum_i f_i.

    Parameters
    ----------
    oracle : Oracle
        Any.
    x : (d,) array_like
        Where.

    Returns
    -------
    (d,) float64 array

    Raises
    ------
    TypeError, ValueError
        A shape that does not fit.
    """
    x = point(oracle, x)
    out = np.empty(oracle.dim)
    cpu.mean_gradient(oracle.gradient_address, oracle.data, oracle.n_nodes, x, out)
    return out


def objective(oracle: Oracle, node: int, x: ArrayLike) -> float:
    """Objective f_node(x) of one node.

    Parameters
    ----------
    oracle : Oracle
        Any; a custom one without an objective gives NaN.
    node : int
        In 0..n-1.
    x : (d,) array_like
        Where.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError, IndexError
        A shape that does not fit, a node that does not exist.
    """
    return float(_objectives(oracle, node_index(oracle, node), 1, x)[0])


def objectives(oracle: Oracle, x: ArrayLike) -> np.ndarray:
    """Objectives f_i(x) of all nodes.

    Parameters
    ----------
    oracle : Oracle
        Any; a custom one without an objective gives NaN.
    x : (d,) array_like
        Where.

    Returns
    -------
    (n,) float64 array

    Raises
    ------
    TypeError, ValueError
        A shape that does not fit.
    """
    instance("oracle", oracle, Oracle)
    return _objectives(oracle, 0, oracle.n_nodes, x)


def mean_objective(oracle: Oracle, x: ArrayLike) -> float:
    """Objective f(x) = (1/n) sum_i f_i(x).

    Parameters
    ----------
    oracle : Oracle
        Any; a custom one without an objective gives NaN.
    x : (d,) array_like
        Where.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        A shape that does not fit.
    """
    x = point(oracle, x)
    return cpu.mean_objective(oracle.objective_address, oracle.data, oracle.n_nodes, x)


def batch_gradients(
    oracle: Oracle, batches: Batches, turn: int, nodes: ArrayLike, X: np.ndarray, out: np.ndarray
) -> None:
    """Write the mini-batch gradients of some nodes to rows of an array.

    Parameters
    ----------
    oracle : Oracle
        Any.
    batches : Batches
        Their size and key. The same turn draws the same batches: node i takes number turn n + i.
    turn : int
        Number of the call, at least 0.
    nodes : (k,) int array_like
        Which.
    X : (n, d) or (1, d) float64 array
        Where: row i for node i, or the same for all.
    out : (n, d) float64 array
        Its rows i in `nodes` are written.

    Raises
    ------
    TypeError, ValueError
        Arrays or nodes that do not fit.
    """
    instance("oracle", oracle, Oracle)
    instance("batches", batches, Batches)
    instance("X", X, np.ndarray)
    instance("out", out, np.ndarray)
    chosen = nodes_of(oracle, nodes, least=0)
    n, d = oracle.n_nodes, oracle.dim
    if out.shape != (n, d) or X.shape not in ((n, d), (1, d)):
        raise ValueError(f"X and out must be ({n}, {d}), or X (1, {d}), got {X.shape} and {out.shape}")
    turn = count("turn", turn, most=2**62)
    cpu.batch_gradients(oracle.gradient_address, oracle.data, batches, turn, chosen, X, out)


def row_variances(oracle: Oracle, x: ArrayLike) -> np.ndarray:
    """Variances of the gradients of the rows about each node's gradient: mean_j |grad loss_j - grad f_i|^2.

    Parameters
    ----------
    oracle : Oracle
        Any with rows, of which `rows` of `gradient` picks some.
    x : (d,) array_like
        Where.

    Returns
    -------
    (n,) float64 array

    Raises
    ------
    TypeError, ValueError
        A shape that does not fit.
    """
    x = point(oracle, x)
    out = np.empty(oracle.n_nodes)
    cpu.row_variances(oracle.gradient_address, oracle.data, oracle.n_samples, x, out)
    return out


def mean_value_and_gradient(
    oracle: Oracle, x: ArrayLike, *, nodes: ArrayLike | None = None, objective: Oracle | None = None
) -> tuple[float, np.ndarray]:
    """Objective and gradient of f = (1/n) sum_i f_i: `mean_objective` and `mean_gradient`, to the same bits.

    Parameters
    ----------
    oracle : Oracle
        Any; a custom one without an objective gives NaN for it.
    x : (d,) array_like
        Where.
    nodes : (m,) int array_like, optional
        Nodes whose mean is meant, at least one; all by default.
    objective : Oracle, optional
        Another form of the same functions, for their values.

    Returns
    -------
    value : float
    gradient : (d,) float64 array

    Raises
    ------
    TypeError, ValueError
        A shape that does not fit, no nodes, or one that is not there.
    """
    x, values = point(oracle, x), oracle if objective is None else objective
    out = np.empty(oracle.dim)
    chosen = oracle.everyone if nodes is None else nodes_of(oracle, nodes)
    return cpu.mean_value_and_gradient(
        values.objective_address, values.data, oracle.gradient_address, oracle.data, chosen, x, out
    ), out


def _objectives(oracle: Oracle, first: int, count: int, x: ArrayLike) -> np.ndarray:
    x = point(oracle, x)
    out = np.empty(count)
    cpu.node_objectives(oracle.objective_address, oracle.data, first, x, out)
    return out
