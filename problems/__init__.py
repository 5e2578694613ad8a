"""Objectives split over the nodes of a network: node i knows f_i and all seek the minimiser of their mean.

| module | what it holds |
|---|---|
| `base.problem` | `Problem`: what solvers read (`n_nodes`, `dim`, `oracle`, constants, `solution`) |
| `base.samples` | `SampleProblem`: f_i a mean loss over node i's samples; `from_data` |
| `base.minibatches` | `RowSmoothness`: what step sizes with mini-batches follow from |
| `losses.averaging` | `Averaging(values)` |
| `losses.quadratic` | `Quadratic(H, b)` |
| `losses.least_squares` | `LeastSquares(features, targets, offsets, l2)` |
| `losses.logistic` | `LogisticRegression(features, labels, offsets, l2)` |
| `losses.classification` | `SoftmaxRegression(features, labels, offsets, l2)`, `Perceptron`: many classes |
| `losses.custom` | `Custom(gradient, objective, ...)`: your own functions, compiled |
| `saddle.variational` | `VariationalInequality`: operators in place of gradients, and the set they act on |
| `saddle.bilinear` | `BilinearSaddle(A, a, b, l2)`, `MatrixGame(A)` |
| `saddle.affine` | `AffineOperator(H, b, offsets)` |
| `saddle.robust` | `RobustLeastSquares(features, targets, offsets, ...)`: against an adversary |
| `saddle.custom_operator` | `CustomOperator(operator, ...)`: your own function, compiled |
| `gradient_check` | `check_gradient`, `check_curvature`: of functions that a user wrote |
| `data.splits` | how rows are dealt out to nodes: `split_rows` |
| `attacks` | what faulty workers send in place of gradients |
| `data.datasets` | `load` by name or from a file; `standardize`, `add_intercept` |

To add a problem, write one file in `losses/` or `saddle/` with a subclass of `Problem`, `SampleProblem` or
`VariationalInequality`: its oracles, its curvature bounds and its solution; then import it below.

Examples
--------
>>> from gossamer import problems
>>> X, y = problems.load("breast_cancer")
>>> problem = problems.LogisticRegression.from_data(problems.standardize(X), y, n_nodes=16, l2=1e-2)
>>> problem
LogisticRegression(n_nodes=16, dim=30, samples=569, l2=0.01)
"""

from __future__ import annotations

from ..kernels.oracles import PerformanceWarning
from . import attacks
from .base.minibatches import RowSmoothness
from .base.problem import Problem
from .base.samples import SampleProblem
from .data.datasets import add_intercept, load, standardize
from .data.splits import split_rows
from .gradient_check import GradientCheck, check_curvature, check_gradient
from .losses.averaging import Averaging
from .losses.classification import Classifier, Perceptron, SoftmaxRegression
from .losses.custom import Custom
from .losses.least_squares import LeastSquares
from .losses.logistic import LogisticRegression
from .losses.quadratic import Quadratic
from .saddle.affine import AffineOperator
from .saddle.bilinear import BilinearSaddle, MatrixGame
from .saddle.custom_operator import CustomOperator
from .saddle.robust import RobustLeastSquares
from .saddle.variational import VariationalInequality

__all__ = [
    "AffineOperator",
    "Averaging",
    "BilinearSaddle",
    "Classifier",
    "Custom",
    "CustomOperator",
    "GradientCheck",
    "LeastSquares",
    "LogisticRegression",
    "MatrixGame",
    "Perceptron",
    "PerformanceWarning",
    "Problem",
    "Quadratic",
    "RobustLeastSquares",
    "RowSmoothness",
    "SampleProblem",
    "SoftmaxRegression",
    "VariationalInequality",
    "add_intercept",
    "attacks",
    "check_curvature",
    "check_gradient",
    "load",
    "split_rows",
    "standardize",
]
