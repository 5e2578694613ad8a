"""How smooth gradients over some of a node's rows are: what step sizes with mini-batches follow from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...kernels.checks import count, own_array, real_array


@dataclass(frozen=True, eq=False)
class RowSmoothness:
    """Smoothness (or Lipschitz) constants of the nodes and of their rows, infinite where none is known.

    Attributes
    ----------
    sizes : (n,) array
        Rows m_i of each node.
    nodes : (n,) array
        L_i of the mean over all rows of a node.
    largest : (n,) array
        max_j L_ij over the rows of a node.
    squares : (n,) array
        mean_j L_ij^2 over the rows of a node.
    """

    sizes: np.ndarray
    nodes: np.ndarray
    largest: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, sizes: np.ndarray, nodes: np.ndarray, rows: np.ndarray) -> RowSmoothness:
        """Collect the constants of the rows, (M,), node by node.

        Parameters
        ----------
        sizes, nodes : (n,) arrays
            As above.
        rows : (M,) array
            L_ij, stacked.

        Raises
        ------
        TypeError, ValueError
            Lengths that do not fit, or no rows at a node.
        """
        sizes = own_array("sizes", sizes, 1, least=1.0).astype(np.int64)
        nodes = own_array("nodes", nodes, (len(sizes),), finite=False)
        rows = real_array("rows", rows, (int(sizes.sum()),), finite=False)
        begins = np.cumsum(sizes) - sizes
        largest = np.maximum(np.maximum.reduceat(rows, begins), nodes)  # it is, but for rounding
        squares = np.maximum(np.add.reduceat(rows**2, begins) / sizes, nodes**2)
        return cls(sizes, nodes, largest, squares)

    def shares(self, batch_size: int) -> np.ndarray:
        """Return c_i = (m_i - b) / (b (m_i - 1)), 0 where b >= m_i, (n,).

        The mean of b rows, drawn without replacement, of vectors v_j with mean v has the second moment
        (1 - c) |v|^2 + c mean_j |v_j|^2.

        Parameters
        ----------
        batch_size : int
            b >= 1.
        """
        return noise_shares(self.sizes, batch_size)

    def expected(self, batch_size: int) -> np.ndarray:
        """Return L_i(b) = (1 - c_i) L_i + c_i max_j L_ij, (n,).

        Parameters
        ----------
        batch_size : int
            b >= 1.
        """
        return self._mixed(batch_size, self.nodes, self.largest)

    def mean_square(self, batch_size: int) -> np.ndarray:
        """Return (1 - c_i) L_i^2 + c_i mean_j L_ij^2, (n,).

        E|g(x) - g(y)|^2 is at most that times |x - y|^2 for a gradient g over one batch at both points.

        Parameters
        ----------
        batch_size : int
            b >= 1.
        """
        return self._mixed(batch_size, self.nodes**2, self.squares)

    def noise(self, batch_size: int) -> np.ndarray:
        """Return c_i mean_j L_ij^2, (n,).

        With e(x) = g(x) - grad f_i(x) for a gradient g over a batch, E|e(x) - e(y)|^2 is at most that times
        |x - y|^2.

        Parameters
        ----------
        batch_size : int
            b >= 1.
        """
        c = self.shares(batch_size)
        return c * np.where(c > 0.0, self.squares, 0.0)

    def _mixed(self, batch_size: int, whole: np.ndarray, single: np.ndarray) -> np.ndarray:
        c = self.shares(batch_size)
        mixed, drawn = whole.copy(), (c > 0.0) & np.isfinite(whole)
        mixed[drawn] += c[drawn] * (single[drawn] - whole[drawn])
        return mixed


def noise_shares(sizes: np.ndarray, batch_size: int) -> np.ndarray:
    """Return (m - b) / (b (m - 1)) for each of the sizes m, and 0 where b >= m.

    That times the variance of m vectors is the variance of the mean of b of them, drawn without replacement.

    Parameters
    ----------
    sizes : (n,) array
        m >= 1.
    batch_size : int
        b >= 1.
    """
    m = sizes.astype(float)
    b = float(min(count("batch_size", batch_size, least=1), int(m.max())))
    return np.where(b < m, (m - b) / (b * np.maximum(m - 1.0, 1.0)), 0.0)
