"""What every problem offers to a solver."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...kernels import oracles, prox
from ...kernels.blas import one_blas_thread
from ...kernels.checks import count, frozen
from .minibatches import RowSmoothness, noise_shares


class Problem(ABC):
    """Minimise f(x) = (1/n) sum_i f_i(x) over R^d, where node i alone knows f_i.

    A subclass builds its oracles and says how curved the f_i are and where f is least.

    Parameters
    ----------
    oracle : Oracle
        Full gradients and objectives of the nodes.
    sample_oracle : Oracle, optional
        The same objectives as means over samples, for mini-batches. Its objectives are used where both exist,
        because sums of squares lose fewer digits than expanded quadratics.

    Attributes
    ----------
    oracle : Oracle
        As given.
    blocks : tuple of kernels.prox.Block
        The set of x, as sets of consecutive coordinates; none for all of R^d, which is all that minimisers
        take. See `VariationalInequality`.
    """

    blocks: tuple[prox.Block, ...] = ()

    def __init__(self, oracle: oracles.Oracle, sample_oracle: oracles.Oracle | None = None):
        self.oracle = oracle
        self._sample_oracle = sample_oracle

    @property
    def n_nodes(self) -> int:
        """Number of nodes n."""
        return self.oracle.n_nodes

    @property
    def dim(self) -> int:
        """Number of coordinates d."""
        return self.oracle.dim

    @property
    def has_samples(self) -> bool:
        """Whether there is a `sample_oracle`: objectives that are means over samples."""
        return self._sample_oracle is not None

    @property
    def sample_oracle(self) -> oracles.Oracle:
        """Oracle whose `rows` choose a mini-batch of a node's samples; `n_samples` says how many there are.

        Raises
        ------
        ValueError
            The problem has no samples.
        """
        if self._sample_oracle is None:
            raise ValueError(
                f"{type(self).__name__} has no samples to draw mini-batches from: use full gradients"
            )
        return self._sample_oracle

    @property
    def smoothness(self) -> float:
        """Smallest L such that every f_i is L-smooth (or a bound, where a subclass says so)."""
        return self._curvatures[1]

    @property
    def strong_convexity(self) -> float:
        """Largest mu >= 0 such that every f_i is mu-strongly convex (or a bound)."""
        return self._curvatures[0]

    @cached_property
    def row_smoothness(self) -> RowSmoothness:
        """Smoothness of the nodes' rows, which step sizes with mini-batches follow from; computed once."""
        sizes = self.sample_oracle.n_samples
        with one_blas_thread():
            return RowSmoothness.of(sizes, *self._row_bounds())

    def expected_smoothness(self, batch_size: int) -> float:
        """Return L(b): what stands for L in the steps of methods whose gradients are means over b rows.

        Parameters
        ----------
        batch_size : int
            b >= 1, rows a gradient, drawn without replacement; nodes with no more rows take all of theirs.

        Returns
        -------
        float
            The largest over the nodes of L_i(b) = (1 - c) L_i + c max_j L_ij, c = (m - b) / (b (m - 1)) for
            the m rows of node i, of which row j alone is L_ij-smooth. It is L where b is at least every m,
            and the constant of the largest row at b = 1. Infinite where the rows' are not known.

        Raises
        ------
        TypeError, ValueError
            A batch_size that is no positive integer, or a problem without samples.

        Notes
        -----
        E|g(x) - g(y)|^2 <= 2 L_i(b) (f_i(x) - f_i(y) - <grad f_i(y), x - y>) for the gradient g over such a
        batch and convex rows: the second moment of a mean without replacement is 1 - c times that of the mean
        and c times that of a row (derived; Gower et al., "SGD: general analysis and improved rates", ICML
        2019).
        """
        size = self.mini_batch(batch_size)
        return self.smoothness if size is None else float(self.row_smoothness.expected(size).max())

    def gradient_noise(self, batch_size: int, x: ArrayLike) -> float:
        """Return the mean over the nodes of E|g - grad f_i(x)|^2, for the gradient g over b of its rows at x.

        Parameters
        ----------
        batch_size : int
            b >= 1, as in `expected_smoothness`.
        x : (d,) array_like
            Where.

        Returns
        -------
        float
            The mean of (m - b) / (b (m - 1)) mean_j |grad loss_j(x) - grad f_i(x)|^2: exact. 0 where b is at
            least every m.

        Raises
        ------
        TypeError, ValueError
            As `expected_smoothness`, and an x that does not fit.
        """
        size = count("batch_size", batch_size, least=1)
        oracle = self.sample_oracle
        return float((noise_shares(oracle.n_samples, size) * oracles.row_variances(oracle, x)).mean())

    def mini_batch(self, batch_size: int | None) -> int | None:
        """Return the rows that a gradient takes; None for all rows of every node: full gradients.

        Parameters
        ----------
        batch_size : int, optional
            As a solver was given it.

        Raises
        ------
        TypeError, ValueError
            A batch_size that is no positive integer, or one of a problem without samples.
        """
        if batch_size is None:
            return None
        size = count("batch_size", batch_size, least=1)
        return size if size < int(self.sample_oracle.n_samples.max()) else None

    def gradient(self, i: int, x: ArrayLike) -> np.ndarray:
        """Gradient of f_i at x, (d,).

        Parameters
        ----------
        i : int
            Node.
        x : (d,) array_like
            Where.

        Raises
        ------
        TypeError, ValueError
            An x of another shape.
        IndexError
            There is no node i.
        """
        return oracles.gradient(self.oracle, i, x)

    def gradients(self, X: ArrayLike) -> np.ndarray:
        """Gradients of f_i at row i of X, (n, d)."""
        return oracles.gradients(self.oracle, X)

    def full_gradient(self, x: ArrayLike) -> np.ndarray:
        """Gradient of f at x, (d,)."""
        return oracles.mean_gradient(self.oracle, x)

    def node_objective(self, i: int, x: ArrayLike) -> float:
        """f_i(x).

        Parameters
        ----------
        i : int
            Node.
        x : (d,) array_like
            Where.

        Raises
        ------
        TypeError, ValueError
            An x of another shape.
        IndexError
            There is no node i.
        """
        return oracles.objective(self._sample_oracle or self.oracle, i, x)

    def objective(self, x: ArrayLike) -> float:
        """f(x)."""
        return oracles.mean_objective(self._sample_oracle or self.oracle, x)

    def value_and_gradient(self, x: ArrayLike) -> tuple[float, np.ndarray]:
        """f(x) and its gradient (d,): `objective` and `full_gradient` to the same bits, in one pass."""
        return oracles.mean_value_and_gradient(self.oracle, x, objective=self._sample_oracle)

    def mean_over(self, nodes: Sequence[int] | np.ndarray, x: ArrayLike) -> tuple[float, np.ndarray]:
        """Mean of the f_i of some nodes at x, and its gradient (d,).

        Parameters
        ----------
        nodes : sequence of int
            At least one.
        x : (d,) array_like
            Where.

        Raises
        ------
        TypeError, ValueError
            No nodes, one that there is not, or an x of another shape.
        """
        return oracles.mean_value_and_gradient(self.oracle, x, nodes=nodes, objective=self._sample_oracle)

    def solution(self) -> np.ndarray:
        """Minimiser of f, (d,), near machine precision; computed once, read-only.

        Where there are many, the one of least norm.

        Raises
        ------
        ValueError
            f has no minimiser, or none could be found.
        """
        return self._solution

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        for value in state.values():
            if isinstance(value, np.ndarray):
                frozen(value)  # pickles and copies do not keep arrays read-only

    def __repr__(self) -> str:
        return f"{type(self).__name__}(n_nodes={self.n_nodes}, dim={self.dim}{self._details()})"

    def _details(self) -> str:
        """More of the repr, beginning with a comma."""
        return ""

    @cached_property
    def _curvatures(self) -> tuple[float, float]:
        with one_blas_thread():
            return self._curvature_bounds()

    @cached_property
    def _solution(self) -> np.ndarray:
        with one_blas_thread():
            return frozen(self._minimizer())

    def _row_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Return L_i of each node (n,) and L_ij of each row (M,), stacked; infinite where it is not known."""
        sizes = self.sample_oracle.n_samples
        return np.full(len(sizes), np.inf), np.full(int(sizes.sum()), np.inf)

    @abstractmethod
    def _curvature_bounds(self) -> tuple[float, float]:
        """Return (strong convexity, smoothness), worst over the nodes."""

    @abstractmethod
    def _minimizer(self) -> np.ndarray:
        """Compute `solution`, by NumPy and SciPy alone so that it also checks the compiled oracles."""
