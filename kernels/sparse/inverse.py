"""Selected inverse of a sparse symmetric matrix with the pattern of a graph, with two derivatives.

For a fixed graph the fill-reducing order and the fronts are found once (:class:`Pattern`); factoring, the
entries of the inverse on the diagonal and on the edges, and their derivatives in any direction with the
same pattern then take one pass each (`multifrontal`). There is no pivoting: the number of negative pivots
is that of the negative eigenvalues but for rounding errors (Sylvester's law of inertia); `inertia` proves it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import checks
from ..interrupt import interruptible
from . import multifrontal
from .elimination import columns, node_pairs

__all__ = ["Derivative", "Factor", "Inverse", "Pattern"]

Array = NDArray[np.float64]
Places = NDArray[np.int64]

# Columns are merged into their parents' supernodes while at most this part of the entries is zeros.
_RELAXED = ((8, 0.8), (24, 0.25), (64, 0.1), (np.inf, 0.05))


@dataclass(frozen=True, eq=False)
class Derivative:
    """Derivative ``-Z D Z`` of an inverse Z in the direction of a matrix D.

    Attributes
    ----------
    diagonal : (n,) array
        Its diagonal.
    off_diagonal : (m,) array
        Its entries at the edges.
    """

    diagonal: Array
    off_diagonal: Array
    _state: tuple[Array, ...]


class Pattern:
    """The elimination of all symmetric matrices with the pattern of a graph.

    Parameters
    ----------
    n_nodes : int
        Number of rows n, at least 1.
    edges : (m, 2) array_like of int
        Distinct pairs of distinct nodes: the places of the entries off the diagonal.

    Examples
    --------
    >>> from gossamer.kernels.sparse.inverse import Pattern
    >>> Z = Pattern(2, [[0, 1]]).invert([2.0, 2.0], [1.0])
    >>> Z.diagonal.round(12).tolist(), Z.off_diagonal.round(12).tolist(), Z.negative
    ([0.666666666667, 0.666666666667], [-0.333333333333], 0)
    """

    def __init__(self, n_nodes: int, edges: ArrayLike):
        n = checks.count("n_nodes", n_nodes, least=1)
        position, ends, above, indptr, indices = columns(n, node_pairs(edges, n))
        self.n_nodes, self.n_edges = n, len(ends)
        self._arrange(_supernodes(above, np.diff(indptr)), above, indptr, indices, position, ends)

    def _arrange(
        self,
        label: Places,
        above: Places,
        indptr: Places,
        indices: Places,
        position: Places,
        ends: Places,
    ) -> None:
        """Lay out the fronts, and find the places of the entries of the matrix in them."""
        tops = np.unique(label)  # a supernode is named by its last column; children come first
        number = np.searchsorted(tops, label)
        order = np.argsort(number, kind="stable")
        own = np.bincount(number, minlength=len(tops))
        begin = np.concatenate([[0], np.cumsum(own)])
        rows = [indices[indptr[t] : indptr[t + 1]] for t in tops]
        fronts = [np.concatenate([order[begin[s] : begin[s + 1]], rows[s]]) for s in range(len(tops))]
        size = np.array([len(front) for front in fronts])
        parent = np.where(above[tops] >= 0, number[above[tops]], -1)
        reach = size - own
        spots = [np.searchsorted(fronts[parent[s]], rows[s]) for s in np.flatnonzero(reach)]
        base, spot_base, k_base, g_base = (
            np.concatenate([[0], np.cumsum(lengths)]) for lengths in (size**2, reach, own**2, own * reach)
        )
        spot = np.concatenate([np.empty(0, np.int64), *spots])
        self._tree = (size, own, parent, base[:-1], spot, spot_base[:-1], k_base[:-1], g_base[:-1])
        self._lengths = int(base[-1]), int(k_base[-1]), int(g_base[-1])
        self._work = float(np.sum(size.astype(np.float64) ** 2 * own))
        # the second derivative has three sets of fronts, and as many of blocks
        checks.require_memory(
            8 * 3 * sum(self._lengths),
            f"the inverse of a graph of {self.n_nodes} nodes and {self.n_edges} edges, {self._lengths[0]} "
            "entries after fill-in,",
            "take a sparser graph, or one that falls apart along small cuts, as planar ones do",
        )
        node = np.empty(self.n_nodes, np.int64)
        node[position] = np.arange(self.n_nodes)
        self._nodes = node[np.concatenate(fronts)], np.concatenate([[0], np.cumsum(size)])
        local = np.empty(self.n_nodes, np.int64)
        local[order] = np.arange(self.n_nodes) - begin[number[order]]
        low, high = ends.T
        s = number[low]
        # (front, later node) of each edge, found among all pairs of a front and one of its nodes
        where = np.repeat(np.arange(len(size)), size) * self.n_nodes + np.concatenate(fronts)
        first = np.concatenate([[0], np.cumsum(size)])
        row = np.searchsorted(where, s * self.n_nodes + high) - first[s]
        self._edge = base[s] + row * size[s] + local[low]
        self._mirror = base[s] + local[low] * size[s] + row
        s, column = number[position], local[position]
        self._node = base[s] + column * size[s] + column

    def invert(self, diagonal: ArrayLike, off_diagonal: ArrayLike) -> Inverse:
        """Factor a matrix and find the entries of its inverse on the pattern.

        Parameters
        ----------
        diagonal : (n,) array_like
            Diagonal of the matrix.
        off_diagonal : (m,) array_like
            Entries at the edges, which stand on both sides of the diagonal.

        Returns
        -------
        Inverse
        """
        return Inverse(self, self._scatter(diagonal, off_diagonal))

    def factor(self, diagonal: ArrayLike, off_diagonal: ArrayLike) -> Factor:
        """As :meth:`invert`, for solving and the inertia only.

        Parameters
        ----------
        diagonal, off_diagonal : (n,), (m,) array_like
            Entries of the matrix.

        Returns
        -------
        Factor
        """
        return Factor(self, self._scatter(diagonal, off_diagonal))

    def _scatter(self, diagonal: ArrayLike, off_diagonal: ArrayLike) -> Array:
        fronts = np.zeros(self._lengths[0])
        fronts[self._node] = checks.real_array("diagonal", diagonal, (self.n_nodes,))
        fronts[self._edge] = checks.real_array("off_diagonal", off_diagonal, (self.n_edges,))
        fronts[self._mirror] = fronts[self._edge]
        return fronts

    def _gather(self, fronts: Array) -> tuple[Array, Array]:
        return fronts[self._node], fronts[self._edge]


class Factor:
    """Factors of a matrix, from :meth:`Pattern.factor`.

    Attributes
    ----------
    negative : int
        Number of negative eigenvalues of the matrix, but for rounding errors.
    log_det : float
        Logarithm of the modulus of its determinant; not finite if a pivot vanishes.
    """

    def __init__(self, pattern: Pattern, fronts: Array):
        _, k_length, g_length = pattern._lengths
        self._pattern, self._fronts = pattern, fronts
        self._K, self._G = np.empty(k_length), np.empty(g_length)
        self.negative, self.log_det = interruptible(
            multifrontal.factor, *pattern._tree, fronts, self._K, self._G, work=pattern._work
        )

    def solve(self, b: ArrayLike) -> Array:
        """Solve ``A x = b`` for the matrix A.

        Parameters
        ----------
        b : (n,) or (n, r) array_like
            Right-hand sides.

        Returns
        -------
        array of the shape of b
        """
        n = self._pattern.n_nodes
        rhs = checks.real_array("b", b, (n,) if np.ndim(b) == 1 else (n, None), finite=False)
        x = np.array(rhs.reshape(n, -1), order="C")
        tree, nodes = self._pattern._tree, self._pattern._nodes
        work = 2.0 * (len(self._K) + 2 * len(self._G)) * x.shape[1]
        interruptible(multifrontal.solve, *tree, *nodes, self._K, self._G, x, work=work)
        return x.reshape(rhs.shape)


class Inverse(Factor):
    """Entries of the inverse Z of a matrix, from :meth:`Pattern.invert`; also its :class:`Factor`.

    Attributes
    ----------
    diagonal : (n,) array
        Diagonal of Z.
    off_diagonal : (m,) array
        Entries of Z at the edges.
    """

    def __init__(self, pattern: Pattern, fronts: Array):
        super().__init__(pattern, fronts)
        interruptible(multifrontal.invert, *pattern._tree, self._K, self._G, fronts, work=2.0 * pattern._work)
        self.diagonal, self.off_diagonal = pattern._gather(fronts)

    def derivative(self, diagonal: ArrayLike, off_diagonal: ArrayLike) -> Derivative:
        """Entries of ``-Z D Z`` for a matrix D of the same pattern.

        Parameters
        ----------
        diagonal, off_diagonal : (n,), (m,) array_like
            Entries of D.

        Returns
        -------
        Derivative
        """
        pattern = self._pattern
        fronts = pattern._scatter(diagonal, off_diagonal)
        F, E, G = np.empty_like(self._K), np.empty_like(self._G), np.empty_like(self._G)
        arguments = *pattern._tree, self._K, self._G, self._fronts, fronts, F, E, G
        interruptible(multifrontal.differentiate, *arguments, work=6.0 * pattern._work)
        return Derivative(*pattern._gather(fronts), (fronts, F, E, G))

    def second_derivative(
        self, a: Derivative, diagonal: ArrayLike, off_diagonal: ArrayLike
    ) -> tuple[Derivative, Array, Array]:
        """Entries of ``-Z D Z`` and of ``Z A Z D Z + Z D Z A Z``, where `a` is the derivative along A.

        Parameters
        ----------
        a : Derivative
            Of this inverse.
        diagonal, off_diagonal : (n,), (m,) array_like
            Entries of D.

        Returns
        -------
        first : Derivative
            Along D; it does not serve as `a`.
        diagonal : (n,) array
        off_diagonal : (m,) array
            The mixed second derivative.
        """
        pattern = self._pattern
        fronts = pattern._scatter(diagonal, off_diagonal)
        mixed = np.zeros_like(fronts)
        work = (
            np.empty_like(self._K),
            np.empty_like(self._G),
            np.empty_like(self._K),
            np.empty_like(self._G),
        )
        arguments = *pattern._tree, self._K, self._G, self._fronts, *a._state, fronts, mixed, *work
        interruptible(multifrontal.differentiate_twice, *arguments, work=16.0 * pattern._work)
        return Derivative(*pattern._gather(fronts), ()), *pattern._gather(mixed)


def _supernodes(above: Places, count: Places) -> Places:
    """Return the last column of each column's supernode, by relaxed merging of children into parents."""
    n = len(above)
    label = np.arange(n)
    width, entries = np.ones(n, np.int64), count + 1  # columns of the supernode, and true entries
    merged = np.zeros(n, bool)
    for j in range(n):
        p = above[j]
        if p < 0:
            continue
        k = width[j] + width[p]
        full = k * (k + 1) // 2 + k * count[p]
        true = entries[j] + entries[p]
        allowed = next(part for limit, part in _RELAXED if k <= limit)
        if full - true <= allowed * full:
            merged[j] = True
            width[p], entries[p] = k, true
    for j in range(n - 1, -1, -1):
        if merged[j]:
            label[j] = label[above[j]]
    return label
