"""Objects that hold addresses or compiled functions, and what another process has to make of them."""

import pickle
import warnings

import numpy as np
from numba import njit

from gossamer import graphs, problems, solvers
from gossamer.kernels import compression as c
from gossamer.kernels import oracles
from gossamer.kernels.compression import rows
from gossamer.kernels.oracles import PerformanceWarning

D, N = 12, 3


@njit
def once(address, x, parameters, out):
    return rows.row_at(address)(x, np.uint64(7), np.uint64(2), parameters, out)


class Halved(c.TopK):
    """A user's compressor in Python."""

    def _compress(self, x, key, index):
        return super()._compress(x / 2, key, index)


def pull(node, x, out):
    for j in range(x.size):
        out[j] = x[j] - node


def distance(node, x):
    return 0.5 * ((x - node) ** 2).sum()


@njit
def turn(node, z, out):
    for j in range(0, z.size, 2):
        out[j] = z[j] + 2 * z[j + 1] - node
        out[j + 1] = z[j + 1] - 2 * z[j]


def compressors():
    return [
        c.TopK(3),
        c.RandK(4),
        c.QSGD(3),
        c.LowRank(1, (3, 4)),
        c.LowRank(1, (3, 4), "power"),
        c.Composed(c.BlockRandK(5), c.QSGD(2)),
        c.Composed(c.TopK(4), c.LowRank(1)),
        c.PerBlock(c.Composed(c.TopK(2), c.Natural()), 5),
        c.PerBlock(Halved(1), 4),
        Halved(2),
    ]


def everything():
    """Return named objects that can be pickled."""
    options = {"n_nodes": N, "dim": D}
    custom = problems.Custom(pull, distance, smoothness=1.0, strong_convexity=1.0, **options)
    operator = problems.CustomOperator(turn, lipschitz=3.0, strong_monotonicity=1.0, **options)
    quadratic = problems.Quadratic.random(N, D, condition_number=4.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PerformanceWarning)
        slow = problems.Custom(pull, smoothness=1.0, strong_convexity=1.0, compiled=False, **options)
        functions = [c.row_function(compressor, D) for compressor in compressors()]
    graph = graphs.star(N)
    runs = [
        (solvers.EF21(c.Composed(c.TopK(4), c.QSGD(9, scaled=False))), quadratic),
        (solvers.MASHA1(c.RandK(4)), operator),
        (solvers.DIANA(c.RandK(4)), custom),
        (solvers.DADAO(), quadratic),
    ]
    return {
        "functions": functions,
        "oracles": [problem.oracle for problem in (custom, operator, quadratic, slow)],
        "problems": [custom, operator, quadratic, slow],
        "kernels": [rows.rand_k, rows.sparsify, c.TopK.pick_kernel, c.LowRank.row_kernel],
        "runs": [
            (solver, problem, graph, solver.solve(problem, graph, max_events=9, tol=0).state)
            for solver, problem in runs
        ],
    }


def use(parts):
    """Return what the objects compute."""
    x, found = np.linspace(-1.0, 2.0, D), []
    for function in parts["functions"]:
        out = np.zeros(D)
        found += [once(function.address, x, function.parameters, out), out.tolist()]
    found += [oracles.gradients(oracle, np.tile(x, (N, 1))).tolist() for oracle in parts["oracles"]]
    found += [problem.gradients(np.tile(x, (N, 1))).tolist() for problem in parts["problems"]]
    found += [kernel.compiled().py_func.__name__ for kernel in parts["kernels"]]
    for solver, problem, graph, state in parts["runs"]:
        state = state.copy()
        solver.advance(state, problem, graph, 7)
        found.append(solver.iterates(state, problem, graph).tolist())
    return found


def use_pickle(data):
    """Return what objects compute that were pickled elsewhere."""
    np.ones(10**6)  # another memory
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PerformanceWarning)
        return use(pickle.loads(data))
