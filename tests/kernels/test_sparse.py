"""The sparse factor against the dense definition, exact fractions and closed forms."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossamer.kernels import sparse
from gossamer.kernels.sparse import cpu, reference


@st.composite
def connected_graphs(draw, max_nodes=14):
    """A random tree and random further edges, in random order and orientation."""
    n = draw(st.integers(1, max_nodes))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pairs = {(int(rng.integers(i)), i) for i in range(1, n)}
    for _ in range(draw(st.integers(0, 2 * n)) if n > 1 else 0):
        i, j = sorted(rng.choice(n, 2, replace=False).tolist())
        pairs.add((i, j))
    names = rng.permutation(n)
    edges = names[np.array(sorted(pairs), dtype=int).reshape(-1, 2)]
    swap = rng.random(len(edges)) < 0.5
    edges[swap] = edges[swap][:, ::-1]
    return n, edges[rng.permutation(len(edges))], rng


def dense(n, edges, weights):
    c = np.zeros((n, n))
    c[edges[:, 0], edges[:, 1]] = c[edges[:, 1], edges[:, 0]] = weights
    return c


def exact_resistances(n, edges, weights):
    """Resistances in rational arithmetic, by Gauss-Jordan on the Laplacian with the last node grounded."""
    m = n - 1
    rows = [[Fraction(0)] * (m + n) for _ in range(n)]
    for (i, j), weight in zip(edges.tolist(), weights.tolist(), strict=True):
        w = Fraction(weight)
        for a, b in ((i, j), (j, i)):
            if a < m:
                rows[a][a] += w
                if b < m:
                    rows[a][b] -= w
    for a in range(m):
        rows[a][m + a] = Fraction(1)
    for k in range(m):  # the pivots of a grounded Laplacian are positive
        rows[k] = [v / rows[k][k] for v in rows[k]]
        for a in range(m):
            if a != k and rows[a][k]:
                factor = rows[a][k]
                rows[a] = [v - factor * p for v, p in zip(rows[a], rows[k], strict=True)]
    Z = [row[m:] for row in rows]
    return np.array([float(Z[i][i] + Z[j][j] - Z[i][j] - Z[j][i]) for i, j in edges.tolist()])


@given(connected_graphs())
@settings(max_examples=80, deadline=None)
def test_factor_is_the_elimination_of_the_reference(case):
    n, edges, rng = case
    weights = rng.uniform(0.1, 3.0, len(edges))
    factor = sparse.factor_laplacian(n, edges, weights)
    assert sorted(factor.position.tolist()) == list(range(n))
    fractions, total = reference.eliminate(dense(n, factor.position[edges], weights))
    column = np.repeat(np.arange(n), np.diff(factor.indptr))
    found = np.zeros((n, n))
    found[column, factor.indices] = factor.fractions
    np.testing.assert_allclose(found, fractions, rtol=1e-13, atol=0)
    np.testing.assert_allclose(factor.total, total, rtol=1e-13)
    # each column is sorted, and the pattern has no entry too many
    assert np.all(np.diff(column * n + factor.indices) > 0)
    assert np.all(factor.fractions > 0)
    unit = np.eye(n) - fractions
    c = dense(n, factor.position[edges], weights)
    np.testing.assert_allclose(unit.T @ np.diag(total) @ unit, np.diag(c.sum(0)) - c, atol=1e-13)
    b = rng.standard_normal(n)
    b -= b.mean()
    x = factor.solve(b)
    np.testing.assert_allclose(
        x[np.argsort(factor.position)],
        reference.solve(fractions, total, b[np.argsort(factor.position)]),
        atol=1e-11,
    )


@given(connected_graphs())
@settings(max_examples=80, deadline=None)
def test_resistances_and_solutions(case):
    n, edges, rng = case
    weights = rng.uniform(0.1, 3.0, len(edges))
    factor = sparse.factor_laplacian(n, edges, weights)
    c = dense(n, edges, weights)
    expected = reference.resistances(c)[edges[:, 0], edges[:, 1]]
    np.testing.assert_allclose(factor.resistances(edges), expected, rtol=1e-10)
    np.testing.assert_array_equal(factor.resistances(edges[::-1, ::-1]), factor.resistances(edges)[::-1])
    B = rng.standard_normal((n, 3))
    B -= B.mean(axis=0)
    X = factor.solve(B)
    np.testing.assert_allclose((np.diag(c.sum(axis=0)) - c) @ X, B, atol=1e-11)
    assert not np.any(X[np.argmax(factor.position)])
    np.testing.assert_array_equal(factor.solve(B[:, 1]), X[:, 1])


@given(connected_graphs(max_nodes=10), st.sampled_from([5.0, 30.0, 100.0]))
@settings(max_examples=60, deadline=None)
def test_full_accuracy_over_any_range_of_weights(case, decades):
    n, edges, rng = case
    weights = 10.0 ** rng.uniform(-decades, decades, len(edges))
    found = sparse.factor_laplacian(n, edges, weights).resistances(edges)
    np.testing.assert_allclose(found, exact_resistances(n, edges, weights), rtol=2e-14)


@given(connected_graphs())
@settings(max_examples=40, deadline=None)
def test_edges_of_weight_zero_have_a_resistance(case):
    n, edges, rng = case
    factor = sparse.factor_laplacian(n, edges, np.ones(len(edges)))
    # the heaviest spanning tree of random keys stays, the other edges go
    weights, root = np.zeros(len(edges)), np.arange(n)
    for e in rng.permutation(len(edges)):
        i, j = root[edges[e]]
        if i != j:
            weights[e] = rng.uniform(0.5, 2.0)
            root[root == i] = j
    found = sparse.factor_laplacian(n, edges, weights).resistances(edges)
    np.testing.assert_allclose(found, exact_resistances(n, edges, weights), rtol=1e-13)
    assert factor.indices.size == sparse.factor_laplacian(n, edges, weights).indices.size


def ring(n):
    return np.column_stack([np.arange(n), (np.arange(n) + 1) % n])


def test_large_closed_forms():
    n = 20_000
    np.testing.assert_allclose(
        sparse.factor_laplacian(n, ring(n), np.ones(n)).resistances(ring(n)), (n - 1) / n, rtol=1e-13
    )
    line = ring(n)[:-1]
    weights = np.geomspace(1e-9, 1e9, n - 1)
    factor = sparse.factor_laplacian(n, line, weights)
    np.testing.assert_allclose(factor.resistances(line), 1 / weights, rtol=1e-13)
    assert factor.indices.size == n - 1  # no fill
    side = 60
    node = np.arange(side * side).reshape(side, side)
    torus = np.vstack([np.column_stack([node.ravel(), np.roll(node, -1, axis).ravel()]) for axis in (0, 1)])
    factor = sparse.factor_laplacian(side**2, torus, np.ones(len(torus)))
    # all edges are alike, so each has its share of Foster's sum n - 1
    np.testing.assert_allclose(factor.resistances(torus), (side**2 - 1) / len(torus), rtol=1e-12)
    assert factor.indices.size < 4 * side**2 * np.log2(side**2)


def test_trees_go_first_and_without_fill():
    # a ring with a tree on each node: the trees are peeled off
    n = 30
    rng = np.random.default_rng(0)
    edges = [*ring(5).tolist(), *[[int(rng.integers(i)), i] for i in range(5, n)]]
    position = sparse.fill_reducing_order(n, edges)
    assert sorted(position[:5]) == [25, 26, 27, 28, 29]
    later = [max((position[b] if a == v else position[a]) for a, b in edges if v in (a, b)) for v in range(n)]
    assert all(later[v] > position[v] for v in range(5, n))
    degree = np.bincount(np.ravel(edges))
    link = np.array([np.bitwise_xor.reduce([a + b - v for a, b in edges if v in (a, b)]) for v in range(n)])
    order = np.empty(n, np.int64)
    assert cpu.peel(degree.copy(), link, order) == 25


def test_one_node():
    factor = sparse.factor_laplacian(1, np.empty((0, 2), int), [])
    assert factor.resistances(np.empty((0, 2), int)).shape == (0,)
    assert factor.solve([0.0]).tolist() == [0.0]


def test_inputs_are_not_modified_and_may_be_of_any_kind():
    edges, weights = [(0, 1), (2, 1), (0, 2)], np.arange(1.0, 7.0)[::2]
    weights.flags.writeable = False
    expected = sparse.factor_laplacian(3, np.array(edges, np.int32), weights).resistances(edges)
    for kind in (weights.astype(np.float32), weights.astype(int), weights.tolist()):
        np.testing.assert_array_equal(sparse.factor_laplacian(3, edges, kind).resistances(edges), expected)
    b = np.array([1.0, -1.0, 0.0])
    sparse.factor_laplacian(3, edges, weights).solve(b)
    assert b.tolist() == [1.0, -1.0, 0.0]


@pytest.mark.parametrize(
    ("n", "edges", "weights", "error", "match"),
    [
        (0, [[0, 1]], [1.0], ValueError, "n_nodes must be at least 1"),
        (2, [0, 1], [1.0], ValueError, r"edges must have shape \(m, 2\)"),
        (2, [[0.0, 1.0]], [1.0], TypeError, "integer node indices"),
        (2, [[0, 2]], [1.0], ValueError, r"nodes in 0\.\.1"),
        (2, [[-1, 1]], [1.0], ValueError, r"nodes in 0\.\.1"),
        (2, [[1, 1]], [1.0], ValueError, "self-loop"),
        (2, [[0, 1], [1, 0]], [1.0, 1.0], ValueError, "distinct"),
        (2, [[0, 1]], [1.0, 1.0], ValueError, "weights must have shape"),
        (2, [[0, 1]], [-1.0], ValueError, "weights must be at least 0"),
        (2, [[0, 1]], [np.nan], ValueError, "weights must be finite"),
        (2, [[0, 1]], [1j], TypeError, "weights must be an array of real numbers"),
        (2, [[0, 1]], [0.0], ValueError, "connect"),
        (4, [[0, 1], [2, 3]], [1.0, 1.0], ValueError, "connect"),
        (4, [[0, 1], [1, 2], [2, 3]], [1.0, 0.0, 1.0], ValueError, "connect"),
        (5, [[0, 1], [0, 2], [0, 3], [3, 4], [1, 2]], [1.0, 1.0, 0.0, 1.0, 1.0], ValueError, "connect"),
        (3, [[0, 1], [0, 2], [1, 2]], [1.7e308] * 3, ValueError, "finite sums"),
    ],
)
def test_bad_arguments(n, edges, weights, error, match):
    with pytest.raises(error, match=match):
        sparse.factor_laplacian(n, edges, weights)


def test_bad_calls_of_the_factor():
    factor = sparse.factor_laplacian(4, [[0, 1], [1, 2], [2, 3]], np.ones(3))
    with pytest.raises(ValueError, match="factored"):
        factor.resistances([[0, 3]])
    with pytest.raises(ValueError, match=r"0\.\.3"):
        factor.resistances([[0, 4]])
    with pytest.raises(ValueError, match="b must have shape"):
        factor.solve(np.zeros(3))
    with pytest.raises(ValueError, match="b must have shape"):
        factor.solve(np.zeros((3, 2)))


def test_weights_whose_inverse_overflows():
    edges = [[0, 1], [1, 2]]
    assert sparse.factor_laplacian(3, edges, [1e-300, 1e-300]).resistances(edges) == pytest.approx(
        [1e300] * 2
    )
    with pytest.raises(ValueError, match=r"^weights must be zero or at least 1e-300, got 1e-310: multiply"):
        sparse.factor_laplacian(3, edges, [1e-310, 1.0])


@given(connected_graphs())
@settings(max_examples=30, deadline=None)
def test_elimination_work_is_that_of_the_factor(case):
    n, edges, _ = case
    factor = sparse.factor_laplacian(n, edges, np.ones(len(edges)))
    assert sparse.elimination_work(n, edges) == np.sum(np.diff(factor.indptr) ** 2)
    with pytest.raises(ValueError, match="edges must hold nodes"):
        sparse.elimination_work(n, [[0, n]])
