"""Masked arrays and sparse matrices, which NumPy would misread without a word, at entrances for arrays."""

import numpy as np
import pytest
from scipy import sparse

from gossamer import graphs, problems, solvers
from gossamer.kernels import aggregation, compression, gossip, oracles, prox, random
from gossamer.problems import attacks

EYE, ONES = np.eye(4), np.ones(4)
OFFSETS = np.array([0, 2, 4])
CYCLE = graphs.cycle(4)
SOFTMAX = problems.SoftmaxRegression(EYE, [0, 1, 0, 1], OFFSETS, 1.0)
LEAST = problems.LeastSquares(EYE, ONES, OFFSETS, 1.0)
START = np.zeros(8)

# what to call with the array; its own value, which works
MATRICES = {
    "LeastSquares": (lambda A: problems.LeastSquares(A, ONES, OFFSETS), EYE),
    "LeastSquares.from_data": (lambda A: problems.LeastSquares.from_data(A, ONES, 2), EYE),
    "LogisticRegression": (lambda A: problems.LogisticRegression.from_data(A, [0, 1, 0, 1], 2), EYE),
    "SoftmaxRegression": (lambda A: problems.SoftmaxRegression.from_data(A, [0, 1, 0, 1], 2), EYE),
    "Perceptron": (lambda A: problems.Perceptron.from_data(A, [0, 1, 0, 1], 2), EYE),
    "RobustLeastSquares": (
        lambda A: problems.RobustLeastSquares.from_data(A, ONES, 2, radius=1.0, perturbation=0.5),
        EYE,
    ),
    "test samples": (
        lambda A: problems.SoftmaxRegression(EYE, [0, 1, 0, 1], OFFSETS, 1.0, test=(A, [0, 1, 0, 1])),
        EYE,
    ),
    "logits": (lambda A: SOFTMAX.logits(START, A), EYE),
    "predict": (lambda A: SOFTMAX.predict(START, A), EYE),
    "Averaging": (problems.Averaging, EYE),
    "MatrixGame": (problems.MatrixGame, EYE[None]),
    "MatrixGame.split": (lambda A: problems.MatrixGame.split(A, 2), EYE),
    "standardize": (problems.standardize, EYE),
    "add_intercept": (problems.add_intercept, EYE),
    "gradients": (LEAST.gradients, np.ones((2, 4))),
    "mean": (aggregation.mean, EYE),
    "krum": (lambda A: aggregation.krum(A, 0), EYE),
    "flag": (aggregation.flag, EYE),
    "rows of workers": (lambda A: aggregation.mean([A[0], A[1]]), EYE),
    "mix": (lambda A: gossip.mix(EYE, A), EYE),
    "pairwise_average": (lambda A: gossip.pairwise_average(A, [(0, 1)]), EYE.copy()),
    "attack": (lambda A: attacks.IPM(0.5)(A, 1), EYE),
    "dissension": (lambda A: attacks.dissension(A, EYE, [False, False, False, True]), EYE),
    "x0": (lambda A: solvers.DGD().init(LEAST, graphs.path(2), A), np.ones((2, 4))),
}
VECTORS = {
    "targets": (lambda v: problems.LeastSquares.from_data(EYE, v, 2), ONES),
    "labels": (lambda v: problems.LogisticRegression.from_data(EYE, v, 2), np.array([0, 1, 0, 1])),
    "classes": (lambda v: problems.SoftmaxRegression.from_data(EYE, v, 2), np.array([0, 1, 0, 1])),
    "test labels": (
        lambda v: problems.SoftmaxRegression(EYE, [0, 1, 0, 1], OFFSETS, 1.0, test=(EYE, v)),
        np.array([0, 1, 0, 1]),
    ),
    "offsets": (lambda v: problems.LeastSquares(EYE, ONES, v), OFFSETS),
    "split_rows": (lambda v: problems.split_rows(v, 2), ONES),
    "point": (LEAST.full_gradient, ONES),
    "rows of a node": (lambda v: oracles.gradient(LEAST.sample_oracle, 0, ONES, v), np.array([0, 1])),
    "accuracy": (SOFTMAX.accuracy, START),
    "TopK": (lambda v: compression.TopK(1).compress(v), ONES),
    "prox_step": (lambda v: prox.prox_step(v, ONES), ONES),
    "alias_table": (random.alias_table, ONES),
    "flip_labels": (attacks.flip_labels, np.array([1, -1])),
    "faulty": (lambda v: attacks.dissension(EYE, EYE, v), np.array([False, False, False, True])),
    "lengths": (lambda v: graphs.Graph.from_edges(4, CYCLE.edges, lengths=v), ONES),
    "rates": (lambda v: graphs.laplacian(CYCLE, v), ONES),
}
OTHERS = {  # in which a sparse matrix cannot stand, or may
    "edges": (lambda v: graphs.Graph.from_edges(4, v), np.array([(0, 1), (1, 2)])),
    "edges of pairs": (lambda v: gossip.pairwise_average(EYE.copy(), v), np.array([(0, 1)])),
    "W": (lambda A: gossip.mix(A, EYE), EYE),
    "W of an attack": (lambda A: attacks.dissension(EYE, A, [False, False, False, True]), EYE),
    "W of a gap": (graphs.spectral_gap, np.full((4, 4), 0.25)),
    "mixing": (
        lambda A: solvers.DGD(mixing=A).init(LEAST, graphs.path(2), np.ones((2, 4))),
        np.full((2, 2), 0.5),
    ),
    "counters": (lambda v: random.philox4x32(v, 0), np.ones((1, 4), int)),
}


def masked(value):
    return np.ma.masked_array(value, np.arange(value.size).reshape(value.shape) == 1)


@pytest.mark.parametrize("name", [*MATRICES, *VECTORS, *OTHERS])
def test_masked_arrays(name):
    call, value = (MATRICES | VECTORS | OTHERS)[name]
    call(value)
    with pytest.raises(TypeError, match="must not be a masked array: fill or drop masked entries first"):
        call(masked(value))


@pytest.mark.parametrize("make", [sparse.csr_array, sparse.coo_matrix])
@pytest.mark.parametrize("name", [name for name in MATRICES if name not in ("MatrixGame", "rows of workers")])
def test_sparse_matrices(name, make):
    call, value = MATRICES[name]
    with pytest.raises(TypeError, match=r"must not be a sparse matrix: pass .*\.toarray\(\)"):
        call(make(value))


@pytest.mark.parametrize("name", VECTORS)
def test_sparse_vectors(name):
    call, value = VECTORS[name]
    with pytest.raises(TypeError, match=r"must not be a sparse matrix: pass .*\.toarray\(\)"):
        call(sparse.coo_array(value.astype(float)))


def test_sparse_mixing_matrices_are_welcome():
    np.testing.assert_array_equal(gossip.mix(sparse.csr_array(EYE), EYE), EYE)
