"""Mixing matrices, checked once and held as the kernels read them."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import checks
from ..backend import Backend
from .spectrum import zero_sum_spectrum

_TOLERANCE = {np.dtype(np.float64): 1e-8, np.dtype(np.float32): 1e-5}  # of sums, by the dtype of W
_HARM = {"row": "nodes that agree are moved", "column": "the average changes"}
_SEE = "see gossamer.graphs.mixing_matrix"


class Mixer:
    """A mixing matrix, checked once; `mix` and `chebyshev_mix` take it in place of the matrix.

    Parameters
    ----------
    W : (n, n) array_like or sparse array of SciPy
        Finite real numbers, n >= 1; rows and columns sum to one (within 1e-8, or 1e-5 in float32), so that
        mixing keeps the average. Weights may be negative, and W may be asymmetric. It is copied; entries
        that are zero are dropped.

    Attributes
    ----------
    n_nodes : int
        n.
    indptr : (n + 1,) uint64 array
        Beginning of each row, as in SciPy's CSR arrays.
    indices : (nnz,) uint32 array
        Columns of the entries, ascending in each row.

    Raises
    ------
    TypeError, ValueError
        The message names the defect, where it is, and the remedy.

    Examples
    --------
    >>> from gossamer.kernels import gossip
    >>> gossip.Mixer([[0.5, 0.5], [0.25, 0.75]])
    Traceback (most recent call last):
    ValueError: columns of W must sum to 1, or the average changes, but column 0 sums to 0.75: give both \
directions of an edge the same weight; see gossamer.graphs.mixing_matrix
    """

    def __init__(self, W: Any):
        self._csr, self._tolerance = _checked(W)
        self.n_nodes = int(self._csr.shape[0])
        self.indptr = checks.frozen(self._csr.indptr.astype(np.uint64))
        self.indices = checks.frozen(self._csr.indices.astype(np.uint32))
        self._weights = {np.dtype(np.float64): checks.frozen(self._csr.data)}
        self._dense: dict[np.dtype, NDArray] = {}
        self._copies: dict[Backend, dict[Any, Any]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_copies": {}}  # a pickle may be opened where there is no GPU

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for array in (self.indptr, self.indices, *self._weights.values(), *self._dense.values()):
            checks.frozen(array)  # pickles and copies do not keep arrays read-only

    def __repr__(self) -> str:
        return f"Mixer({self.n_nodes} nodes, {len(self.indices)} entries)"

    def weights(self, dtype: Any) -> NDArray:
        """Return the values of the entries.

        Parameters
        ----------
        dtype : dtype
            float64 or float32.

        Returns
        -------
        (nnz,) array
            Read-only.
        """
        dtype = np.dtype(dtype)
        if dtype not in self._weights:
            self._weights[dtype] = checks.frozen(self._csr.data.astype(dtype))
        return self._weights[dtype]

    def copied_to(self, backend: Backend, dtype: Any) -> tuple[Any, Any, Any]:
        """Return `indptr`, `indices` and the values of the entries where the kernels of a backend run.

        They are copied there at the first call, and kept.

        Parameters
        ----------
        backend : Backend
            Of a device.
        dtype : dtype
            float64 or float32, of the values.

        Returns
        -------
        tuple of three arrays
            Not to be modified.
        """
        dtype = np.dtype(dtype)
        copies = self._copies.setdefault(backend, {})
        parts = {"indptr": self.indptr, "indices": self.indices, dtype: self.weights(dtype)}
        for name, part in parts.items():
            if name not in copies:
                copies[name] = backend.asarray(part)
        return copies["indptr"], copies["indices"], copies[dtype]

    def dense(self, dtype: Any) -> NDArray:
        """Return the matrix as a dense array.

        Parameters
        ----------
        dtype : dtype
            float64 or float32.

        Returns
        -------
        (n, n) array
            Read-only.

        Raises
        ------
        MemoryError
            If it takes more memory than there is.
        """
        dtype = np.dtype(dtype)
        if dtype not in self._dense:
            n = self.n_nodes
            checks.require_memory(
                (8 + dtype.itemsize * (dtype != np.float64)) * n * n,
                f"W as a dense array, ({n}, {n}) of float64,",
                "give a W with fewer entries, which stays sparse",
            )
            self._dense[dtype] = checks.frozen(self._csr.toarray().astype(dtype))
        return self._dense[dtype]

    def scipy_csr(self, dtype: Any) -> Any:
        """Return the matrix as a CSR matrix of SciPy, for other libraries.

        Parameters
        ----------
        dtype : dtype
            float64 or float32.

        Returns
        -------
        scipy.sparse.csr_matrix
            A new one.
        """
        from scipy import sparse

        return sparse.csr_matrix(self._csr, dtype=dtype)

    def require_symmetric(self) -> None:
        """Raise a ValueError where W is not symmetric, within 1e-8 (1e-5 for a W given in float32)."""
        if self._asymmetry:
            raise ValueError(self._asymmetry)

    @functools.cached_property
    def _asymmetry(self) -> str:
        difference = abs(self._csr - self._csr.T).tocoo()
        if difference.nnz == 0 or difference.data.max() <= self._tolerance:
            return ""
        place = int(difference.data.argmax())
        i, j = sorted((int(difference.row[place]), int(difference.col[place])))
        return (
            f"W must be symmetric, but W[{i}, {j}] is {self._csr[i, j]:.6g} and W[{j}, {i}] is "
            f"{self._csr[j, i]:.6g}: take (W + W.T) / 2, or mix() for a directed graph"
        )

    @functools.cached_property
    def spectrum(self) -> tuple[float, float]:
        """Interval [a, b] of the eigenvalues on the vectors of zero sum; b < 1 where W mixes all nodes.

        From all eigenvalues up to 1500 nodes, then from the ends by Lanczos, where a may be a lower bound
        instead of an eigenvalue. (0, 0) for one node. A ValueError where W is not symmetric.
        """
        self.require_symmetric()
        return zero_sum_spectrum(self._csr)


def _checked(W: Any) -> tuple[Any, float]:
    """Return a copy of W as a float64 CSR array without duplicates and zeros, and the tolerance of sums."""
    from scipy import sparse

    entries = W if sparse.issparse(W) else checks.as_array("W", W)
    if entries.ndim != 2 or entries.shape[0] != entries.shape[1] or entries.shape[0] == 0:
        got = f"shape {entries.shape}" if entries.ndim else type(W).__name__
        raise ValueError(f"W must be a square matrix, (n, n) with n >= 1, got {got}; {_SEE}")
    if entries.dtype.kind not in "fiub":
        raise TypeError(f"W must be a matrix of real numbers, got dtype {entries.dtype}")
    if not sparse.issparse(entries):
        n = entries.shape[0]
        checks.require_memory(n * n, f"a mask of a dense W, ({n}, {n}),", "give W as a sparse array of SciPy")
        nnz = int(np.count_nonzero(entries))
        # a mask, places in 64 and in 32 bits, and values twice
        checks.require_memory(
            n * n + 44 * nnz,
            f"the {nnz} entries of a dense W, ({n}, {n}),",
            "give W as a sparse array of SciPy",
        )
    tolerance = _TOLERANCE.get(entries.dtype, 1e-8)
    csr = sparse.csr_array(entries, dtype=np.float64, copy=True)
    csr.sum_duplicates()
    csr.eliminate_zeros()
    if not np.isfinite(csr.data).all():
        coo = csr.tocoo()
        place = int(np.argmin(np.isfinite(coo.data)))
        i, j, value = int(coo.row[place]), int(coo.col[place]), coo.data[place]
        raise ValueError(f"W must be finite, but W[{i}, {j}] is {value}: correct the weights; {_SEE}")
    for axis, line, remedy in (
        (1, "row", "set the diagonal to what the rest of the row leaves to 1"),
        (0, "column", "give both directions of an edge the same weight"),
    ):
        sums = csr.sum(axis=axis)
        worst = int(np.argmax(np.abs(sums - 1.0)))
        if not abs(sums[worst] - 1.0) <= tolerance:
            found = f"{line} {worst} sums to {sums[worst]:.10g}"
            raise ValueError(f"{line}s of W must sum to 1, or {_HARM[line]}, but {found}: {remedy}; {_SEE}")
    return csr, tolerance
