"""The multifrontal inverse and its derivatives against dense matrices, differences and closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossamer import graphs
from gossamer.kernels.sparse import reference
from gossamer.kernels.sparse.inverse import Pattern


def dense(edges, diagonal, off_diagonal):
    A = np.diag(np.asarray(diagonal, float))
    i, j = np.asarray(edges).reshape(-1, 2).T
    A[i, j] = A[j, i] = off_diagonal
    return A


def random_entries(rng, n, m):
    return rng.standard_normal(n), rng.standard_normal(m)


@st.composite
def cases(draw):
    n = draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    edges = {(int(rng.integers(i)), i) for i in range(1, n)}
    for _ in range(draw(st.integers(0, 3 * n)) if n > 1 else 0):
        edges.add(tuple(sorted(rng.choice(n, 2, replace=False).tolist())))
    edges = np.array(sorted(edges), dtype=int).reshape(-1, 2)
    names = rng.permutation(n)
    return n, names[edges][rng.permutation(len(edges))], rng


@given(cases())
@settings(max_examples=80, deadline=None)
def test_all_entries_against_dense_matrices(case):
    n, edges, rng = case
    m, (i, j) = len(edges), edges.T
    # indefinite, but well conditioned: no pivot can vanish
    diagonal = rng.choice([-1.0, 1.0], n) * (4.0 + 2.0 * np.bincount(edges.ravel(), minlength=n))
    off_diagonal = rng.uniform(-1.0, 1.0, m)
    A = dense(edges, diagonal, off_diagonal)
    d, e = random_entries(rng, n, m), random_entries(rng, n, m)
    Z, first, mixed = reference.inverse_derivatives(A, dense(edges, *d), dense(edges, *e))
    close = {"rtol": 1e-10, "atol": 1e-12}
    found = Pattern(n, edges).invert(diagonal, off_diagonal)
    np.testing.assert_allclose(found.diagonal, np.diag(Z), **close)
    np.testing.assert_allclose(found.off_diagonal, Z[i, j], **close)
    assert found.negative == np.sum(np.linalg.eigvalsh(A) < 0)
    assert found.log_det == pytest.approx(np.linalg.slogdet(A)[1], abs=1e-9)
    along = found.derivative(*d)
    np.testing.assert_allclose(along.diagonal, np.diag(first), **close)
    np.testing.assert_allclose(along.off_diagonal, first[i, j], **close)
    other, mixed_diagonal, mixed_off = found.second_derivative(along, *e)
    np.testing.assert_allclose(other.off_diagonal, (-Z @ dense(edges, *e) @ Z)[i, j], **close)
    np.testing.assert_allclose(mixed_diagonal, np.diag(mixed), **close)
    np.testing.assert_allclose(mixed_off, mixed[i, j], **close)
    b = rng.standard_normal((n, 3))
    np.testing.assert_allclose(found.solve(b), Z @ b, **close)
    np.testing.assert_allclose(found.solve(b[:, 0]), Z @ b[:, 0], **close)
    assert Pattern(n, edges).factor(diagonal, off_diagonal).negative == found.negative


def test_derivatives_against_differences():
    graph = graphs.grid_2d(9, 13)
    rng = np.random.default_rng(0)
    n, m = graph.n_nodes, graph.n_edges
    pattern = Pattern(n, graph.edges)
    a = graph.degrees + 1.0, -np.ones(m)
    d, e = random_entries(rng, n, m), random_entries(rng, n, m)
    h = 1e-5

    def at(s, t):
        return pattern.invert(*(x + s * y + t * z for x, y, z in zip(a, d, e, strict=True))).off_diagonal

    found = pattern.invert(*a)
    along = found.derivative(*d)
    np.testing.assert_allclose(along.off_diagonal, (at(h, 0) - at(-h, 0)) / (2 * h), atol=1e-8)
    _, _, mixed = found.second_derivative(along, *e)
    differences = (at(h, h) - at(h, -h) - at(-h, h) + at(-h, -h)) / (4 * h * h)
    np.testing.assert_allclose(mixed, differences, atol=1e-4)


def test_inertia_counts_the_eigenvalues_below_a_shift():
    # those of the path are 2 - 2 cos(pi k / n)
    n = 50
    graph = graphs.path(n)
    pattern = Pattern(n, graph.edges)
    values = 2 - 2 * np.cos(np.pi * np.arange(n) / n)
    for k in range(1, n):
        shift = 0.5 * (values[k - 1] + values[k])
        assert pattern.factor(graph.degrees - shift, -np.ones(n - 1)).negative == k


def test_a_vanishing_pivot_shows():
    assert not np.isfinite(Pattern(2, [[0, 1]]).factor([0.0, 0.0], [0.0]).log_det)


def test_fronts_cover_large_graphs():
    graph = graphs.random_geometric(600, rng=1)
    n, m = graph.n_nodes, graph.n_edges
    entries = graph.degrees + 0.5, -np.ones(m)
    found = Pattern(n, graph.edges).invert(*entries)
    Z = np.linalg.inv(dense(graph.edges, *entries))
    np.testing.assert_allclose(found.off_diagonal, Z[graph.edges[:, 0], graph.edges[:, 1]], rtol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (([1.0], [1.0]), "diagonal must have shape"),
        (([1.0, 1.0], []), "off_diagonal must have shape"),
        (([1.0, np.nan], [1.0]), "finite"),
    ],
)
def test_bad_entries(arguments, match):
    with pytest.raises(ValueError, match=match):
        Pattern(2, [[0, 1]]).invert(*arguments)


def test_bad_edges():
    with pytest.raises(ValueError, match="distinct"):
        Pattern(3, [[0, 1], [1, 0]])
    with pytest.raises(ValueError, match="n_nodes"):
        Pattern(0, np.empty((0, 2), int))
