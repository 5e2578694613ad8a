"""How many eigenvalues of a sparse symmetric matrix are negative, with a proof in floating point."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..interrupt import interruptible
from . import cpu
from .elimination import columns, grouped, node_pairs, squared_lengths

__all__ = ["Elimination", "Inertia"]


class Inertia(NamedTuple):
    """Signs of the eigenvalues of a matrix A' with ``|A' - A|_2 <= uncertainty``, of `Elimination`.

    Attributes
    ----------
    negative : int
        Number of negative eigenvalues of A'. By Weyl's inequality A has at least as many below `uncertainty`,
        and at most as many below ``-uncertainty``.
    uncertainty : float
        Infinite if a pivot above other entries vanishes.
    """

    negative: int
    uncertainty: float


class Elimination:
    """Elimination without pivoting of all symmetric matrices with the pattern of a graph.

    The computed factors are exactly those of a matrix A' whose entries differ from A's by at most ``gamma
    |L| |D| |L'|`` (Higham, Accuracy and Stability of Numerical Algorithms, chapters 8 and 9), with ``gamma =
    c u / (1 - c u)`` for at most c roundings in an entry and the unit roundoff u. The largest row sum of
    that bounds the norm, whatever the growth: a tiny pivot makes it large, not wrong.

    Parameters
    ----------
    n_nodes : int
        Number of rows n, at least 1.
    edges : (m, 2) array_like of int
        Distinct pairs of distinct nodes: the places of the entries off the diagonal.

    Raises
    ------
    TypeError, ValueError
        If an argument has a wrong type, shape or value, or an edge comes twice.

    Examples
    --------
    The eigenvalues of [[0, 2], [2, 1]] have different signs, and a first pivot of zero cannot tell:

    >>> from gossamer.kernels.sparse.inertia import Elimination
    >>> elimination = Elimination(2, [[0, 1]])
    >>> elimination.inertia([1.0, 0.0], [2.0]).negative
    1
    >>> elimination.inertia([0.0, 0.0], [2.0]).uncertainty
    inf
    """

    def __init__(self, n_nodes: int, edges: ArrayLike):
        self.n_nodes = checks.count("n_nodes", n_nodes, least=1)
        pairs = node_pairs(edges, self.n_nodes)
        self.n_edges = len(pairs)
        self._position, ends, _, self._indptr, self._indices = columns(self.n_nodes, pairs)
        self._starts, self._order = grouped(ends[:, 0], self.n_nodes)
        self._later = ends[self._order, 1]
        # products of three factors: two roundings, and one for each term of the sum, the division among them
        self._roundings = int(np.bincount(self._indices, minlength=self.n_nodes).max()) + 4

    def inertia(self, diagonal: ArrayLike, off_diagonal: ArrayLike) -> Inertia:
        """Count the negative pivots of a matrix, which has as many negative eigenvalues (Sylvester).

        Parameters
        ----------
        diagonal : (n,) array_like
            Diagonal of the matrix.
        off_diagonal : (m,) array_like
            Entries at the edges, which stand on both sides of the diagonal.

        Returns
        -------
        Inertia

        Raises
        ------
        TypeError, ValueError
            If an argument has a wrong type, shape or value.
        """
        main = checks.real_array("diagonal", diagonal, (self.n_nodes,))
        side = checks.real_array("off_diagonal", off_diagonal, (self.n_edges,))
        indptr, indices = self._indptr, self._indices
        first = np.empty(self.n_nodes)
        first[self._position] = main
        lower, pivots = np.empty(len(indices)), np.empty(self.n_nodes)
        arguments = indptr, indices, self._starts, self._later, side[self._order], first, lower, pivots
        interruptible(cpu.factor_symmetric, *arguments, work=squared_lengths(indptr))
        u = 0.5 * np.finfo(float).eps
        with np.errstate(all="ignore"):
            largest = cpu.largest_row_of_moduli(indptr, indices, lower, pivots)
            # 1.01: for 1 - c u, and the rounding of this itself
            uncertainty = 1.01 * self._roundings * u * largest
        if not np.isfinite(uncertainty):
            uncertainty = np.inf
        return Inertia(int(np.count_nonzero(pivots < 0.0)), float(uncertainty))
