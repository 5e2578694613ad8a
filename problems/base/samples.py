"""Problems whose f_i is a mean loss over the samples of node i, plus a ridge term."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from ...kernels import oracles
from ...kernels.checks import frozen, own_array
from ..data import splits
from .problem import Problem


class SampleProblem(Problem):
    """Base of the problems f_i(x) = (1/m_i) sum_j loss(a_j'x, target_j) + l2/2 |x|^2.

    Parameters
    ----------
    oracle : Oracle
        Full gradients and objectives of the nodes.
    sample_oracle : Oracle
        The same as means over the samples; its data become the attributes below.

    Attributes
    ----------
    features : (M, d) float64
        Samples of all nodes, stacked.
    offsets : (n + 1,) int64
        Rows `offsets[i]:offsets[i + 1]` belong to node i.
    l2 : float
        Ridge weight.
    """

    def __init__(self, oracle: oracles.Oracle, sample_oracle: oracles.Oracle):
        super().__init__(oracle, sample_oracle)
        data = sample_oracle.data
        self.features = data.features
        self.offsets = data.offsets
        self.l2 = float(data.parameters[0])
        self._targets = data.targets

    @classmethod
    def from_data(
        cls,
        X: ArrayLike,
        y: ArrayLike,
        n_nodes: int,
        *,
        l2: float = 0.0,
        split: str = "iid",
        alpha: float | None = None,
        rng: Any = 0,
    ) -> Self:
        """Deal the rows of one data set out to the nodes.

        Parameters
        ----------
        X : (M, d) array_like
            Samples; a data frame of numbers too.
        y : (M,) array_like
            Targets, or labels; a column of a data frame too. Row i of X and entry i of y belong together,
            whatever the index of a data frame says.
        n_nodes : int
            Number of nodes, at most M: every node gets a sample.
        l2 : float
            Ridge weight, >= 0.
        split : {"iid", "contiguous", "sorted", "dirichlet"}
            How rows are dealt out; see `gossamer.problems.splits`.
        alpha : float, optional
            Concentration of the Dirichlet split, needed by it alone; small is more heterogeneous.
        rng : None, int, SeedSequence or Generator
            Randomness of the split.

        Returns
        -------
        Problem

        Raises
        ------
        TypeError, ValueError
            Data that are not finite numbers, shapes that do not fit, more nodes than samples.

        Examples
        --------
        >>> import numpy as np
        >>> from gossamer import problems
        >>> X = np.random.default_rng(0).normal(size=(40, 3))
        >>> problems.LeastSquares.from_data(X, X[:, 0], n_nodes=4)
        LeastSquares(n_nodes=4, dim=3, samples=40, l2=0)
        """
        X = own_array("X", X, 2)
        y = cls._check_targets("y", y)
        check_lengths("X", X, "y", y)
        order, offsets = splits.split_rows(y, n_nodes, split, alpha=alpha, bins=cls._dirichlet_bins, rng=rng)
        return cls(frozen(X[order]), frozen(y[order]), offsets, l2)  # pyright: ignore[reportCallIssue]

    # quantile bins of the targets that a Dirichlet split deals out; None: each value is a class
    _dirichlet_bins: int | None = None

    @staticmethod
    def _check_targets(name: str, values: ArrayLike) -> np.ndarray:
        return own_array(name, values, 1)

    def _node_rows(self) -> list[tuple[np.ndarray, np.ndarray]]:
        cuts = self.offsets[1:-1]
        return list(zip(np.split(self.features, cuts), np.split(self._targets, cuts), strict=True))

    def _row_weights(self) -> np.ndarray:
        """Weight 1 / (n m_i) of each row in f, in extended precision."""
        sizes = np.diff(self.offsets)
        return np.repeat(1 / (self.n_nodes * sizes.astype(np.longdouble)), sizes)

    def _details(self) -> str:
        return f", samples={len(self.features)}, l2={self.l2:g}"


def check_lengths(name: str, A: np.ndarray, target_name: str, b: np.ndarray) -> None:
    """Raise unless there is one target for each row, and at least one of both rows and columns."""
    if len(A) != len(b):
        raise ValueError(f"{name} has {len(A)} rows but {target_name} has {len(b)} entries")
    if A.size == 0:
        raise ValueError(f"{name} must have at least one row and one column, got shape {A.shape}")


def squared_lengths(A: np.ndarray) -> np.ndarray:
    """Return |a_j|^2 of each row of A, (M,)."""
    return np.einsum("ij,ij->i", A, A)


def gram_extremes(A: np.ndarray, *, largest_only: bool = False) -> tuple[float, float]:
    """Smallest and largest eigenvalue of A'A / m for A (m, d); 0 for the smallest where `largest_only`.

    Taken from the smaller of A'A and AA'. Where only the largest is needed and that side has more than 500
    rows, Lanczos on A itself finds it to rounding without forming either.
    """
    m, d = A.shape
    if largest_only or m < d:
        if min(m, d) > 500:
            largest = _largest_by_lanczos(A)
            if largest is not None:
                return 0.0, largest / m
        gram = A.T @ A if d <= m else A @ A.T
        return 0.0, max(float(np.linalg.eigvalsh(gram)[-1]), 0.0) / m
    eigenvalues = np.linalg.eigvalsh(A.T @ A)
    low, high = float(eigenvalues[0]), max(float(eigenvalues[-1]), 0.0)
    return above_rounding(low, high, m) / m, high / m


def above_rounding(low: float, high: float, size: int) -> float:
    """Return the smallest eigenvalue `low`, or 0 where it is at most 4 size eps `high`.

    Rounding moves the zeros of singular matrices: by up to 0.83 size eps `high` in 2e4 random ones.
    """
    return low if low > 4 * size * np.finfo(float).eps * high else 0.0


def _largest_by_lanczos(A: np.ndarray) -> float | None:
    """Largest eigenvalue of A'A, or None where Lanczos fails (as it does for A = 0)."""
    from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

    d = A.shape[1]
    operator = LinearOperator((d, d), matvec=lambda v: A.T @ (A @ v), dtype=np.float64)  # pyright: ignore
    start = np.random.default_rng(0).normal(size=d)  # fixed, for the same bits each time
    try:
        return float(eigsh(operator, k=1, v0=start, return_eigenvectors=False)[0])
    except ArpackError:
        return None
