"""Proven numbers of negative eigenvalues against exact arithmetic, and where elimination is unstable."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossamer import graphs
from gossamer.kernels.sparse.inertia import Elimination


def exact_negative(A):
    """Negative eigenvalues of an exact symmetric matrix: sign changes of its characteristic polynomial.

    All roots are real, so Descartes' rule counts the positive ones of p(-x) exactly.
    """
    n = len(A)
    coefficients = [Fraction(1)]  # Faddeev and LeVerrier
    M = [[Fraction(0)] * n for _ in range(n)]
    for k in range(1, n + 1):
        last = coefficients[-1]
        M = [
            [sum(A[i][t] * M[t][j] for t in range(n)) + (last if i == j else 0) for j in range(n)]
            for i in range(n)
        ]
        trace = sum(A[i][t] * M[t][i] for i in range(n) for t in range(n))
        coefficients.append(-trace / k)
    signs = [c * (-1) ** k > 0 for k, c in enumerate(coefficients) if c != 0]
    return sum(a != b for a, b in pairwise(signs))


def product(A, B):
    return [
        [sum(x * y for x, y in zip(row, column, strict=True)) for column in zip(*B, strict=True)] for row in A
    ]


def shifted(A, s):
    return [[x + (s if i == j else 0) for j, x in enumerate(row)] for i, row in enumerate(A)]


@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(-17, 0))
@settings(max_examples=150, deadline=None)
def test_bounds_hold_in_exact_arithmetic(seed, n, exponent):
    """Whatever the first pivot: tiny ones give wrong signs, and must say so."""
    rng = np.random.default_rng(seed)
    A = rng.integers(-8, 9, (n, n)).astype(float)
    A = np.tril(A) + np.tril(A, -1).T
    k = rng.integers(n)
    A[k, k] = rng.choice([-1.0, 1.0]) * 10.0**exponent
    edges = np.array([(i, j) for i in range(n) for j in range(i + 1, n)])
    found = Elimination(n, edges).inertia(np.diag(A), A[edges[:, 0], edges[:, 1]])
    if np.isinf(found.uncertainty):
        return
    exact = [[Fraction(x) for x in row] for row in A.tolist()]
    margin = Fraction(found.uncertainty)
    assert exact_negative(shifted(exact, margin)) <= found.negative <= exact_negative(shifted(exact, -margin))


def test_tiny_pivots_make_the_uncertainty_large():
    edges = [[0, 1], [0, 2], [1, 2]]
    for tiny in (1e-20, 1e-12, 1e-6):
        found = Elimination(3, edges).inertia([tiny, tiny, tiny], [1.0, 1.0, 1.0])
        assert found.uncertainty > 1e-17 / tiny
    assert np.isinf(Elimination(3, edges).inertia([0.0, 0.0, 0.0], [1.0, 1.0, 1.0]).uncertainty)


@pytest.mark.parametrize(
    "graph",
    [graphs.grid_2d(9, 9), graphs.path(60), graphs.random_regular(60, 4), graphs.star(40)],
    ids=lambda g: g.name,
)
def test_laplacians_between_their_eigenvalues(graph):
    spectrum = np.linalg.eigvalsh(graphs.laplacian(graph).toarray())
    values = np.unique(spectrum.round(9))
    for low, high in pairwise(values):
        if high - low < 1e-6:
            continue
        s = 0.5 * (low + high)
        found = Elimination(graph.n_nodes, graph.edges).inertia(graph.degrees - s, -np.ones(graph.n_edges))
        if found.uncertainty < 0.5 * (high - low):
            assert found.negative == np.count_nonzero(spectrum < s)
    s = 0.5 * values[1]  # below all but the first, elimination is stable
    found = Elimination(graph.n_nodes, graph.edges).inertia(graph.degrees - s, -np.ones(graph.n_edges))
    assert found.negative == 1
    assert found.uncertainty < 1e-11


def test_bad_input():
    with pytest.raises(ValueError, match="distinct"):
        Elimination(2, [[0, 1], [1, 0]]).inertia([1.0, 1.0], [1.0, 1.0])
    with pytest.raises(ValueError, match="diagonal"):
        Elimination(2, [[0, 1]]).inertia([1.0], [1.0])
    with pytest.raises(ValueError, match="off_diagonal"):
        Elimination(2, [[0, 1]]).inertia([1.0, 1.0], [np.nan])
    assert Elimination(1, np.empty((0, 2), int)).inertia([-1.0], []) == (1, pytest.approx(0.0, abs=1e-14))
