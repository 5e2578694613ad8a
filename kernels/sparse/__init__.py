"""Sparse factorisation of graph Laplacians by star-mesh elimination: solves and effective resistances.

Eliminating a node spreads its conductance over its neighbours, ``c_kl += c_jk c_jl / sum_i c_ji``. That is
the LDL' factorisation of the Laplacian with the last node grounded, written without a subtraction (as the
GTH algorithm does it for Markov chains: Grassmann, Taksar & Heyman, Operations Research 1985). So the
factor has a small relative error entry by entry, for weights of any range of magnitudes, where an ordinary
Cholesky factorisation loses ``1e-16 * (largest / smallest)``. The resistances of all entries of the factor
come from one backward pass, as in the selected inverse of Takahashi, Fagan & Chen (1973), but in terms of
resistances, so that there is no grounded node whose distance would cancel.

`elimination` chooses the order and lays out the columns. `inverse` has the selected inverse of any symmetric
matrix with the pattern of a graph, and its derivatives; `inertia` proves how many of its eigenvalues are
negative. `reference` is the definition, on dense matrices.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import checks
from ..interrupt import interruptible
from . import cpu
from .elimination import (
    columns,
    elimination_work,
    fill_reducing_order,
    grouped,
    node_pairs,
    squared_lengths,
)

SMALLEST = 1e-300  # positive weight: the inverse of smaller ones may overflow

__all__ = ["SMALLEST", "LaplacianFactor", "elimination_work", "factor_laplacian", "fill_reducing_order"]


@dataclass(frozen=True, eq=False)
class LaplacianFactor:
    """Factor of a graph Laplacian, from `factor_laplacian`.

    Attributes
    ----------
    position : (n,) int64
        Place of each node in the order of elimination.
    indptr : (n + 1,) int64
        Beginning of each column.
    indices : (nnz,) int64
        Later nodes (their places) to which the node of the column leads, ascending.
    fractions : (nnz,) float64
        Fraction of the conductance that leads there.
    total : (n,) float64
        Conductance from the node to all later ones when its turn comes; zero for the last node.
    """

    position: NDArray[np.int64]
    indptr: NDArray[np.int64]
    indices: NDArray[np.int64]
    fractions: NDArray[np.float64]
    total: NDArray[np.float64]

    @cached_property
    def work(self) -> float:
        """Multiplications of the factorisation: the sum of the squares of the column lengths."""
        return squared_lengths(self.indptr)

    @cached_property
    def rounding(self) -> float:
        """Bound of the relative rounding errors of resistances and of potentials, see Notes.

        Notes
        -----
        u is the unit roundoff, d_j the length of column j (derived, to first order, and raised by a half).

        * Factor. Eliminating node j rounds each conductance that remains relatively, by ``(d_j + 4) u`` at
          most. That moves the Laplacian within these relative bounds in the order of Loewner, and all that
          follows with it: the factor is that of a Laplacian L' with ``(1 - r) L <= L' <= (1 + r) L``, ``r =
          sum_j (d_j + 4) u``. So resistances, traces and eigenvalues are off by r, relatively.
        * Potentials of currents b that flow from all nodes to the one eliminated last: sums of non-negative
          terms alone. ``4 (nnz + 2 n) u`` relatively in each entry; of other currents, that of the potentials
          of ``|b|``.
        * Resistances, backwards. Let a unit current flow from i to j, and alpha be what enters the nodes that
          are left at the stage of node a. An error e_ab of R_ab moves R_ij by ``-alpha_a alpha_b e_ab``. The
          part of e_ab that is common to all b counts ``alpha_a^2 / total_a``, whose sum over a is at most
          R_ij; in the rest ``|alpha_a| / total_a``, the potential of a when its column is grounded, and
          ``|alpha_a alpha_b| R_ab / 3`` are at most R_ij. With ``2 d + 5`` roundings in a sum the errors add
          up to ``6 u sum_a (d_a + 2)^2 R_ij`` over the ancestors a of i in the elimination tree, and ``4 u
          max (d_a + 2)^2 R_ij``.
        """
        n, nnz = len(self.total), len(self.indices)
        path = cpu.largest_path_sum(self.indptr, self.indices)
        return 0.75 * float(np.finfo(np.float64).eps) * (5.0 * nnz + 12.0 * n + 10.0 * path)

    def solve(self, b: ArrayLike) -> NDArray[np.float64]:
        """Solve ``L x = b``.

        Parameters
        ----------
        b : (n,) or (n, r) array_like
            Right-hand sides, each of zero sum.

        Returns
        -------
        array of the shape of b
            Solutions that vanish at the node eliminated last; they are unique up to a constant.
        """
        n = len(self.total)
        rhs = checks.real_array("b", b, (n,) if np.ndim(b) == 1 else (n, None), finite=False)
        x = np.empty((n, 1 if rhs.ndim == 1 else rhs.shape[1]))
        x[self.position] = rhs.reshape(x.shape)
        work = 2.0 * len(self.indices) * x.shape[1]
        interruptible(cpu.solve, self.indptr, self.indices, self.fractions, self.total, x, work=work)
        return x[self.position].reshape(rhs.shape)

    def resistances(self, edges: ArrayLike) -> NDArray[np.float64]:
        """Return effective resistances between the ends of the edges, those of weight zero included.

        Parameters
        ----------
        edges : (m, 2) array_like of int
            Edges of the graph that was factored, in any order.

        Returns
        -------
        (m,) float64 array
            ``(e_i - e_j)' L^+ (e_i - e_j)``, accurate to about 1e-14 relatively, and provably to `rounding`.
        """
        n = len(self.total)
        ends = np.sort(self.position[node_pairs(edges, n)], axis=1)
        known = np.empty(len(self.indices))
        interruptible(
            cpu.fill_resistances,
            self.indptr,
            self.indices,
            self.fractions,
            self.total,
            known,
            work=2.0 * self.work,
        )
        column = np.repeat(np.arange(n), np.diff(self.indptr))
        keys, wanted = column * n + self.indices, ends[:, 0] * n + ends[:, 1]
        place = np.searchsorted(keys, wanted)
        found = place < len(keys)
        if not np.all(found) or np.any(keys[place] != wanted):
            raise ValueError("edges must be edges of the graph that was factored")
        return known[place]


def factor_laplacian(n_nodes: int, edges: ArrayLike, weights: ArrayLike) -> LaplacianFactor:
    """Factor the Laplacian ``sum_e w_e (e_i - e_j)(e_i - e_j)'`` of a connected graph.

    Time and memory grow with the fill: about ``n log n`` entries for planar graphs, a constant part of
    ``n^2`` for expanders.

    Parameters
    ----------
    n_nodes : int
        Number of nodes n, at least 1.
    edges : (m, 2) array_like of int
        Distinct pairs of distinct nodes.
    weights : (m,) array_like
        Finite conductances, zero or at least 1e-300, so that no resistance overflows; the edges of positive
        weight connect the graph.

    Returns
    -------
    LaplacianFactor

    Raises
    ------
    TypeError, ValueError
        If an argument has a wrong type, shape or value, an edge comes twice, or the edges of positive weight
        do not connect the graph.

    Examples
    --------
    Two resistors of 1 in series, next to one of 2:

    >>> from gossamer.kernels import sparse
    >>> edges = [[0, 1], [0, 2], [1, 2]]
    >>> sparse.factor_laplacian(3, edges, [1.0, 0.5, 1.0]).resistances(edges).round(12).tolist()
    [0.75, 1.0, 0.75]
    """
    n = checks.count("n_nodes", n_nodes, least=1)
    pairs = node_pairs(edges, n)
    w = checks.real_array("weights", weights, (len(pairs),), least=0.0)
    smallest = w.min(where=w > 0.0, initial=np.inf)
    if smallest < SMALLEST:
        raise ValueError(
            f"weights must be zero or at least {SMALLEST:g}, got {smallest:.3g}: multiply all by one number"
        )
    position, ends, _, indptr, indices = columns(n, pairs)
    starts, order = grouped(ends[:, 0], n)
    fractions, total = np.empty(len(indices)), np.empty(n)
    arguments = indptr, indices, starts, ends[order, 1], w[order], fractions, total
    interruptible(cpu.eliminate, *arguments, work=squared_lengths(indptr))
    if np.any(total[:-1] == 0.0):
        raise ValueError("the edges of positive weight must connect the graph")
    if not np.all(np.isfinite(total)):
        raise ValueError("weights must have finite sums: divide them by the largest")
    return LaplacianFactor(position, indptr, indices, fractions, total)
