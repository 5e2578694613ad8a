"""gossamer: compiled kernels and solvers for decentralised optimisation.

`graphs` says who may talk to whom and how often, `problems` what is minimised, `kernels` what happens to an
array, `solvers` in which order it happens and when to stop.

Examples
--------
>>> import numpy as np
>>> from gossamer import graphs, problems, solvers
>>> rng = np.random.default_rng(0)
>>> A, y = rng.normal(size=(200, 5)), rng.normal(size=200)
>>> problem = problems.LeastSquares.from_data(A, y, n_nodes=16, l2=0.1, rng=0)
>>> result = solvers.DADAO().solve(problem, graphs.grid_2d(4, 4), tol=1e-8)
>>> bool(np.allclose(result.x, problem.solution(), atol=1e-6))
True
"""

from . import graphs, kernels, problems, solvers
from ._version import __version__

__all__ = ["__version__", "graphs", "kernels", "problems", "solvers"]
