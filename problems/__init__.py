"""Objectives split over the nodes of a network: node i knows f_i and all seek the minimiser of their mean.

| module | what it holds |
|---|---|
| `base` | `Problem`: what solvers read (`n_nodes`, `dim`, `oracle`, constants, `solution`) |
| `samples` | `SampleProblem`: f_i a mean loss over node i's samples; `from_data` |
| `minibatches` | `RowSmoothness`: what step sizes with mini-batches follow from |
| `averaging` | `Averaging(values)` |
| `quadratic` | `Quadratic(H, b)` |
| `least_squares` | `LeastSquares(features, targets, offsets, l2)` |
| `logistic` | `LogisticRegression(features, labels, offsets, l2)` |
| `classification` | `SoftmaxRegression(features, labels, offsets, l2)`, `Perceptron`: many classes |
| `custom` | `Custom(gradient, objective, ...)`: your own functions, compiled |
| `variational` | `VariationalInequality`: operators in place of gradients, and the set they act on |
| `bilinear` | `BilinearSaddle(A, a, b, l2)`, `MatrixGame(A)` |
| `affine` | `AffineOperator(H, b, offsets)` |
| `robust` | `RobustLeastSquares(features, targets, offsets, ...)`: against an adversary |
| `custom_operator` | `CustomOperator(operator, ...)`: your own function, compiled |
| `gradient_check` | `check_gradient`, `check_curvature`: of functions that a user wrote |
| `splits` | how rows are dealt out to nodes: `split_rows` |
| `attacks` | what faulty workers send in place of gradients |
| `datasets` | `load` by name or from a file; `standardize`, `add_intercept` |

To add a problem, write one file with a subclass of `Problem` (or `SampleProblem`): its oracles, its curvature
bounds and its minimiser; then import it below. Variational inequalities derive from `VariationalInequality`.

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
from .affine import AffineOperator
from .averaging import Averaging
from .base import Problem
from .bilinear import BilinearSaddle, MatrixGame
from .classification import Classifier, Perceptron, SoftmaxRegression
from .custom import Custom
from .custom_operator import CustomOperator
from .datasets import add_intercept, load, standardize
from .gradient_check import GradientCheck, check_curvature, check_gradient
from .least_squares import LeastSquares
from .logistic import LogisticRegression
from .minibatches import RowSmoothness
from .quadratic import Quadratic
from .robust import RobustLeastSquares
from .samples import SampleProblem
from .splits import split_rows
from .variational import VariationalInequality

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
