"""What every problem offers to a solver."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..kernels import oracles, prox
from ..kernels.blas import one_blas_thread
from ..kernels.checks import frozen


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

    def gradient(self, i: int, x: ArrayLike) -> np.ndarray:
        """Gradient of f_i at x, (d,)."""
        return oracles.gradient(self.oracle, i, x)

    def gradients(self, X: ArrayLike) -> np.ndarray:
        """Gradients of f_i at row i of X, (n, d)."""
        return oracles.gradients(self.oracle, X)

    def full_gradient(self, x: ArrayLike) -> np.ndarray:
        """Gradient of f at x, (d,)."""
        return oracles.mean_gradient(self.oracle, x)

    def node_objective(self, i: int, x: ArrayLike) -> float:
        """f_i(x)."""
        return oracles.objective(self._sample_oracle or self.oracle, i, x)

    def objective(self, x: ArrayLike) -> float:
        """f(x)."""
        return oracles.mean_objective(self._sample_oracle or self.oracle, x)

    def value_and_gradient(self, x: ArrayLike) -> tuple[float, np.ndarray]:
        """f(x) and its gradient (d,): `objective` and `full_gradient` to the same bits, in one pass."""
        if self._sample_oracle is None or self._sample_oracle is self.oracle:
            return oracles.mean_value_and_gradient(self.oracle, x)
        return self.objective(x), self.full_gradient(x)

    def mean_over(self, nodes: Sequence[int] | np.ndarray, x: ArrayLike) -> tuple[float, np.ndarray]:
        """Mean of the f_i of some nodes at x, and its gradient (d,).

        Parameters
        ----------
        nodes : sequence of int
            At least one.
        x : (d,) array_like
            Where.
        """
        total, gradient = 0.0, np.zeros(self.dim)
        for i in nodes:
            total += self.node_objective(int(i), x)
            gradient += self.gradient(int(i), x)
        return total / len(nodes), gradient / len(nodes)

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

    @abstractmethod
    def _curvature_bounds(self) -> tuple[float, float]:
        """Return (strong convexity, smoothness), worst over the nodes."""

    @abstractmethod
    def _minimizer(self) -> np.ndarray:
        """Compute `solution`, by NumPy and SciPy alone so that it also checks the compiled oracles."""
