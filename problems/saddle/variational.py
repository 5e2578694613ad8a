"""What a variational inequality offers to a solver: operators in place of gradients."""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from ...kernels import oracles, prox
from ...kernels.blas import one_blas_thread
from ...kernels.checks import real_array
from ..base.problem import Problem


class VariationalInequality(Problem):
    """Find z* in a set Z with <F(z*), z - z*> >= 0 for all z in Z; F = (1/n) sum_i F_i, node i knows F_i.

    A saddle point of g, min over x and max over y, is the case F = (grad_x g, -grad_y g), z = (x, y).

    Parameters
    ----------
    oracle : Oracle
        Its `gradient` is the operators F_i, and its objective g_i where they come from saddle points, else
        NaN.
    blocks : sequence of kernels.prox.Block, optional
        Z, as sets of consecutive coordinates; none for all of R^d.
    sample_oracle : Oracle, optional
        The same operators as means over samples, for mini-batches.

    Attributes
    ----------
    blocks : tuple of Block
        As given.

    Raises
    ------
    ValueError
        Blocks that have not as many coordinates together as the operators.

    Notes
    -----
    `gradient`, `gradients` and `full_gradient` are the operators. `smoothness` is the largest Lipschitz
    constant L_i of the F_i on Z, `lipschitz` that of F, `mean_square_lipschitz` is sqrt(mean L_i^2),
    `strong_convexity` is the mu >= 0 with <F(u) - F(v), u - v> >= mu |u - v|^2 on Z. All are bounds where a
    subclass says so. `solution` is z*.
    """

    def __init__(
        self,
        oracle: oracles.Oracle,
        blocks: Sequence[prox.Block] = (),
        sample_oracle: oracles.Oracle | None = None,
    ):
        super().__init__(oracle, sample_oracle)
        self.blocks = tuple(blocks)
        prox.pack(self.blocks, self.dim)  # raises where they do not fit

    def operator(self, i: int, z: ArrayLike) -> np.ndarray:
        """F_i(z), (d,).

        Parameters
        ----------
        i : int
            Node.
        z : (d,) array_like
            Where.

        Raises
        ------
        TypeError, ValueError
            A z of another shape.
        IndexError
            There is no node i.
        """
        return self.gradient(i, z)

    def mean_operator(self, z: ArrayLike) -> np.ndarray:
        """F(z), (d,)."""
        return self.full_gradient(z)

    def project(self, z: ArrayLike) -> np.ndarray:
        """Nearest point of Z, (d,)."""
        z = real_array("z", z, (self.dim,))
        return prox.prox_step(z, np.zeros(self.dim), self._nearest)

    def start(self, z: ArrayLike) -> np.ndarray:
        """Return the nearest point of Z, checked to be one that entropic steps can leave.

        Parameters
        ----------
        z : (d,) array_like
            Any point.

        Raises
        ------
        ValueError
            Zeros on an entropic simplex, which would stay zero for ever.
        """
        nearest = self.project(z)
        cuts = np.cumsum([block.size for block in self.blocks])[:-1]
        for block, part in zip(self.blocks, np.split(nearest, cuts), strict=bool(self.blocks)):
            if prox.is_entropic(block) and not part.min() > 0.0:
                raise ValueError(
                    "x0 must be positive on an entropic simplex, because entropic steps leave zeros as they "
                    "are: mix it with the uniform point, or take entropic=False"
                )
        return nearest

    @cached_property
    def _nearest(self) -> tuple[prox.Block, ...]:
        """The blocks, all of them in the Euclidean distance."""
        return tuple(
            prox.simplex(block.size, block.low) if prox.is_entropic(block) else block for block in self.blocks
        )

    def residual(self, z: ArrayLike) -> np.ndarray:
        """L (z - P(z - F(z) / L)), P the projection onto Z: zero at solutions alone, and F(z) without a set.

        Parameters
        ----------
        z : (d,) array_like
            Any point.

        Returns
        -------
        (d,) array
            In units of F.
        """
        z = real_array("z", z, (self.dim,), finite=False)
        F = self.mean_operator(z)
        if not self.blocks:
            return F
        L = self.lipschitz
        return L * (z - prox.prox_step(z, F / L, self._nearest))

    def gap(self, z: ArrayLike) -> float:
        """Duality gap max_y g(x, y) - min_x g(x, y) of a saddle point; NaN where it has no closed form.

        Parameters
        ----------
        z : (d,) array_like
            A point of Z.
        """
        del z
        return math.nan

    def value_and_gradient(self, x: ArrayLike) -> tuple[float, np.ndarray]:
        """`gap` and `residual`: what a run records as objective and optimality."""
        return self.gap(x), self.residual(x)

    def expected_smoothness(self, batch_size: int) -> float:
        """Raise TypeError: operators need not be cocoercive; take `row_smoothness.mean_square`."""
        raise TypeError(
            f"{type(self).__name__} is a variational inequality, and expected smoothness is of gradients: "
            f"take row_smoothness.mean_square({batch_size})"
        )

    @property
    def lipschitz(self) -> float:
        """Lipschitz constant L of F (or a bound)."""
        return self._lipschitz[0]

    @property
    def mean_square_lipschitz(self) -> float:
        """sqrt(mean L_i^2) >= L, of the Lipschitz constants of the F_i."""
        return self._lipschitz[1]

    @property
    def sample_lipschitz(self) -> float:
        """Square root of the mean over nodes, and over a node's samples, of the squared Lipschitz constants.

        Raises
        ------
        ValueError
            The problem has no samples.
        """
        self.sample_oracle  # raises  # noqa: B018
        return self._lipschitz[2]

    @cached_property
    def _lipschitz(self) -> tuple[float, float, float]:
        with one_blas_thread():
            return self._lipschitz_bounds()

    @abc.abstractmethod
    def _lipschitz_bounds(self) -> tuple[float, float, float]:
        """Return `lipschitz`, `mean_square_lipschitz`, and `sample_lipschitz` or NaN."""
