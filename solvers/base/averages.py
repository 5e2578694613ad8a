"""What methods share that bring nodes to the mean of their vectors, and minimise nothing else."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from ...problems import Averaging, Problem
from .solver import Solver


class Averages(Solver):
    """A method that starts from the values of a `problems.Averaging`, and takes no gradients.

    The gradient at the mean is zero but for rounding, so that tolerances are relative to the values.
    """

    def _initial(self, problem: Problem, x0: ArrayLike | None) -> np.ndarray:
        values, name = self._to_average(problem), type(self).__name__
        if x0 is not None:
            raise ValueError(f"{name} starts from the values of the problem: put x0 into Averaging(x0)")
        return values.copy()

    def _first_optimality(self, problem: Problem) -> float:
        with np.errstate(over="ignore"):  # infinite: the run then counts as diverged
            return float(np.linalg.norm(self._to_average(problem))) / math.sqrt(problem.n_nodes)

    def _to_average(self, problem: Problem) -> np.ndarray:
        """Return the vectors (n, d) that the nodes bring."""
        if isinstance(problem, Averaging):
            return problem.values
        raise TypeError(
            f"{type(self).__name__} needs a problems.Averaging, got {problem!r}: on others take ChocoSGD or "
            "BEER"
        )
