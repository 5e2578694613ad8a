"""Results do not depend, to the last bit, on how many threads BLAS has."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import hashlib
import numpy as np
from gossamer import graphs, problems, solvers

rng = np.random.default_rng(0)
graph = graphs.Graph.from_edges(4, [(0, 1), (1, 2), (2, 3), (0, 2)])
X = rng.normal(size=(2000, 300))
A = rng.normal(size=(800, 120))
even = 500 * np.arange(5)
made = [
    problems.LogisticRegression(X, np.sign(X[:, 0] + rng.normal(size=2000)), even, 0.01),
    problems.LeastSquares(A, A[:, 0] + rng.normal(size=800), 200 * np.arange(5), 0.01),
]
print([value.hex() for value in graphs.chi(graphs.grid_2d(12, 12))])
for problem in made:
    solver = solvers.DADAO(rates=graphs.gossip_rates(graph, "communication"))
    result = solver.solve(problem, graph, tol=0, max_events=200, rng=0)
    print(problem.smoothness.hex(), problem.strong_convexity.hex())
    print([rate.hex() for rate in solver.parameters(problem, graph).rates.tolist()])
    print(hashlib.sha256(problem.solution().tobytes()).hexdigest())
    print(hashlib.sha256(result.X.tobytes()).hexdigest())
"""


def output(threads):
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    environment = os.environ | dict.fromkeys(names, str(threads))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="BLAS takes no more threads than there are cores")
def test_bits_do_not_depend_on_blas_threads():
    one, two = output(1), output(2)
    assert len(one.splitlines()) == 9
    assert one == two
