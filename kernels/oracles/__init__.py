"""First-order oracles of the nodes' objectives, compiled, on one uniform data pack.

Every problem, whatever its formula, is an `Oracle`: two compiled functions and the four arrays that they
read. One compiled loop of a solver therefore serves all problems. `averaging`, `quadratic`, `least_squares`,
`logistic`, `layers` and `custom` make oracles, and `affine`, `bilinear` and `robust_least_squares` those of
variational inequalities, whose operators stand where gradients do; `gradient`, `gradients`, `mean_gradient`,
`objective`, `objectives`, `mean_objective`, `mean_value_and_gradient` and `row_variances` evaluate any.

To add an oracle: write its gradient and objective in `cpu.py` with the signatures `GRADIENT` and `OBJECTIVE`,
its definition in `reference.py`, and a constructor in `constructors.py`, named here.
"""

from ..performance import PerformanceWarning
from .batches import Batches
from .constructors import (
    affine,
    averaging,
    bilinear,
    layers,
    least_squares,
    logistic,
    quadratic,
    robust_least_squares,
)
from .custom import custom
from .evaluation import (
    batch_gradients,
    gradient,
    gradients,
    mean_gradient,
    mean_objective,
    mean_value_and_gradient,
    objective,
    objectives,
    row_variances,
)
from .types import (
    DATA,
    GRADIENT,
    GRADIENT_POINTER,
    OBJECTIVE,
    OBJECTIVE_POINTER,
    Oracle,
    OracleData,
)

__all__ = [
    "DATA",
    "GRADIENT",
    "GRADIENT_POINTER",
    "OBJECTIVE",
    "OBJECTIVE_POINTER",
    "Batches",
    "Oracle",
    "OracleData",
    "PerformanceWarning",
    "affine",
    "averaging",
    "batch_gradients",
    "bilinear",
    "custom",
    "gradient",
    "gradients",
    "layers",
    "least_squares",
    "logistic",
    "mean_gradient",
    "mean_objective",
    "mean_value_and_gradient",
    "objective",
    "objectives",
    "quadratic",
    "robust_least_squares",
    "row_variances",
]
