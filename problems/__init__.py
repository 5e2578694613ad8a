"""Objectives split over the nodes of a network: node i knows f_i and all seek the minimiser of their mean.

| module | what it holds |
|---|---|
| `base` | `Problem`: what solvers read (`n_nodes`, `dim`, `oracle`, constants, `solution`) |
| `samples` | `SampleProblem`: f_i a mean loss over node i's samples; `from_data` |
| `averaging` | `Averaging(values)` |
| `quadratic` | `Quadratic(H, b)` |
| `least_squares` | `LeastSquares(features, targets, offsets, l2)` |
| `logistic` | `LogisticRegression(features, labels, offsets, l2)` |
| `classification` | `SoftmaxRegression(features, labels, offsets, l2)`, `Perceptron`: many classes |
| `custom` | `Custom(gradient, objective, ...)`: your own functions, compiled |
| `splits` | how rows are dealt out to nodes: `split_rows` |
| `attacks` | what faulty workers send in place of gradients |
| `datasets` | `load` by name or from a file; `standardize`, `add_intercept` |

To add a problem, write one file with a subclass of `Problem` (or `SampleProblem`): its oracles, its curvature
bounds and its minimiser; then import it below.

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
from .averaging import Averaging
from .base import Problem
from .classification import Classifier, Perceptron, SoftmaxRegression
from .custom import Custom
from .datasets import add_intercept, load, standardize
from .least_squares import LeastSquares
from .logistic import LogisticRegression
from .quadratic import Quadratic
from .samples import SampleProblem
from .splits import split_rows

__all__ = [
    "Averaging",
    "Classifier",
    "Custom",
    "LeastSquares",
    "LogisticRegression",
    "Perceptron",
    "PerformanceWarning",
    "Problem",
    "Quadratic",
    "SampleProblem",
    "SoftmaxRegression",
    "add_intercept",
    "attacks",
    "load",
    "split_rows",
    "standardize",
]
