"""Fastest mixing: the exact programme, closed forms, and bounds that hold for any dual object."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossamer import graphs
from gossamer.graphs.averaging import interior, optimise
from gossamer.graphs.averaging.certificates import lower_bound

KINDS = ("fdla", "fmmc")


def without_edge(n):
    return graphs.Graph.from_edges(n, graphs.complete(n).edges[1:])


def bipartite(a, b):
    return graphs.Graph.from_edges(a + b, [(i, a + j) for i in range(a) for j in range(b)])


def random_graph(n, seed):
    return graphs.erdos_renyi(n, min(1.0, 0.2 + 2.0 / n), seed)


def deviation(graph, w):
    """``I - L(w) - J`` from its definition."""
    n = graph.n_nodes
    D = np.eye(n) - 1.0 / n
    for (i, j), weight in zip(graph.edges.tolist(), w, strict=True):
        b = np.eye(n)[i] - np.eye(n)[j]
        D -= weight * np.outer(b, b)
    return D


def slem(graph, w):
    return float(np.linalg.norm(deviation(graph, w), 2))


def exact(graph, kind):
    """The textbook semidefinite programme, by a generic solver."""
    import cvxpy as cp

    n, m = graph.n_nodes, graph.n_edges
    B = np.zeros((n, m))
    B[graph.edges[:, 0], np.arange(m)], B[graph.edges[:, 1], np.arange(m)] = 1.0, -1.0
    w, s = cp.Variable(m), cp.Variable()
    D = np.eye(n) - 1.0 / n - B @ cp.diag(w) @ B.T
    constraints = [D >> -s * np.eye(n), s * np.eye(n) >> D]
    if kind == "fmmc":
        constraints += [w >= 0, np.abs(B) @ w <= 1]
    cp.Problem(cp.Minimize(s), constraints).solve(solver=cp.CLARABEL)
    return float(s.value)


def check(found, tol=1e-6):
    """Everything in the answer, from the weights and the dual object alone."""
    graph = found.graph
    assert found.status == "certified"
    assert found.gap <= tol
    assert found.slem == pytest.approx(slem(graph, found.weights), abs=1e-12)
    bounds = graphs.verify_mixing(graph, found.weights, found.certificate)
    assert (bounds.lower, bounds.gap) == (found.lower_bound, found.gap)
    assert found.lower_bound <= bounds.upper == pytest.approx(found.slem, abs=1e-10)
    W = found.matrix.toarray()
    np.testing.assert_array_equal(W, W.T)
    np.testing.assert_allclose(W.sum(axis=1), 1.0, rtol=0, atol=1e-13)
    if found.kind == "fmmc":
        assert W.min() >= 0
    for rule in ("max_degree", "metropolis", "lazy_metropolis", "best_constant"):
        if rule == "best_constant" and found.kind == "fmmc":
            continue
        simple = graphs.mixing_matrix(graph, rule)
        assert found.slem <= 1.0 - graphs.spectral_gap(simple) + 1e-13


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(6))
def test_agrees_with_the_textbook_programme(kind, seed):
    graph = random_graph(4 + seed + seed // 2, seed)
    found = graphs.fastest_mixing(graph, kind)
    check(found)
    optimum = exact(graph, kind)
    assert found.slem == pytest.approx(optimum, abs=2e-6)
    assert found.lower_bound <= optimum + 1e-7


@pytest.mark.parametrize("n", [3, 5, 8, 40])
def test_star(n):
    """Equal weights by symmetry: 2 / (1 + n) without, and 1 / (n - 1) with bounds."""
    found = {kind: graphs.fastest_mixing(graphs.star(n), kind) for kind in KINDS}
    assert found["fdla"].slem == pytest.approx((n - 1) / (n + 1), abs=1e-6)
    np.testing.assert_allclose(found["fdla"].weights, 2.0 / (n + 1), rtol=1e-6)
    assert found["fmmc"].slem == pytest.approx((n - 2) / (n - 1), abs=1e-6)
    for kind in KINDS:
        check(found[kind])


def edge_transitive():
    """Graph, lambda_2, lambda_max."""
    yield graphs.cycle(9), 2 - 2 * np.cos(2 * np.pi / 9), 2 - 2 * np.cos(8 * np.pi / 9)
    yield graphs.cycle(12), 2 - 2 * np.cos(2 * np.pi / 12), 4.0
    yield graphs.hypercube(4), 2.0, 8.0
    yield graphs.torus_2d(5, 5), 2 - 2 * np.cos(2 * np.pi / 5), 4 - 4 * np.cos(4 * np.pi / 5)
    yield bipartite(3, 7), 3.0, 10.0
    yield bipartite(4, 4), 4.0, 8.0


@pytest.mark.parametrize("case", list(edge_transitive()), ids=lambda case: repr(case[0]))
@pytest.mark.parametrize("kind", KINDS)
def test_edge_transitive(kind, case):
    """The best equal weight is optimal, for a chain at most one over the largest degree."""
    graph, low, high = case
    weight = 2.0 / (low + high)
    if kind == "fmmc":
        weight = min(weight, 1.0 / graph.degrees.max())
    found = graphs.fastest_mixing(graph, kind)
    check(found)
    assert found.slem == pytest.approx(max(abs(1 - weight * low), abs(1 - weight * high)), abs=1e-12)
    assert found.method != "interior_point"
    assert "is no worse" in found.message


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [3, 4, 10, 60])
def test_path(kind, n):
    """Half on every edge, cos(pi / n) (Boyd, Diaconis, Sun & Xiao, American Mathematical Monthly 2006)."""
    found = graphs.fastest_mixing(graphs.path(n), kind)
    check(found)
    assert found.slem == pytest.approx(np.cos(np.pi / n), abs=1e-12)
    np.testing.assert_allclose(found.weights, 0.5, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_complete_graphs_and_one_edge_less(kind):
    for n in (2, 3, 17):
        found = graphs.fastest_mixing(graphs.complete(n), kind)
        check(found)
        assert found.slem <= 1e-14
        assert found.lower_bound == 0
        np.testing.assert_allclose(found.weights, 1.0 / n, rtol=1e-12)
    # W_ij - 1/n = -1/n at the edge that is not there, so no SLEM is below 1/n; it is attained
    found = graphs.fastest_mixing(without_edge(9), kind)
    check(found)
    assert found.slem >= 1 / 9 - 1e-15
    assert found.lower_bound == pytest.approx(exact(without_edge(9), kind), abs=1e-6)


def test_single_node_and_pair():
    for kind in KINDS:
        found = graphs.fastest_mixing(graphs.path(1), kind)
        assert (found.slem, found.lower_bound, found.gap, found.status) == (0.0, 0.0, 0.0, "certified")
        assert found.weights.shape == (0,)
        assert found.matrix.toarray().tolist() == [[1.0]]
        assert graphs.fastest_mixing(graphs.path(2), kind).weights.tolist() == [0.5]


def test_negative_weights_and_the_order_of_the_optima():
    graph = graphs.barabasi_albert(30, 3, 1)
    fdla, fmmc = (graphs.fastest_mixing(graph, kind) for kind in KINDS)
    check(fdla)
    check(fmmc)
    assert fdla.weights.min() < -1e-3
    assert fdla.slem < fmmc.slem * (1 - 1e-4)
    # the bound over all weights holds over the non-negative ones, not the other way round
    assert graphs.verify_mixing(graph, fmmc.weights, fdla.certificate).lower <= fdla.slem
    assert graphs.verify_mixing(graph, fdla.weights, fmmc.certificate).upper == np.inf
    assert (
        graphs.verify_mixing(graph, fdla.weights, replace(fmmc.certificate, kind="fdla")).lower <= fdla.slem
    )


@pytest.mark.parametrize("kind", KINDS)
def test_permuting_the_nodes_changes_nothing(kind):
    graph = graphs.random_geometric(20, rng=3)
    order = np.random.default_rng(0).permutation(20)
    other = graphs.Graph.from_edges(20, order[graph.edges])
    a, b = graphs.fastest_mixing(graph, kind, tol=1e-9), graphs.fastest_mixing(other, kind, tol=1e-9)
    assert a.slem == pytest.approx(b.slem, rel=2e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_exact_answers_at_tight_tolerances(kind):
    """Nothing breaks where rounding takes over; far more than is asked by default is reached."""
    for graph in (graphs.barbell(5), graphs.grid_2d(5, 5), graphs.barabasi_albert(30, 2, 1), without_edge(7)):
        check(graphs.fastest_mixing(graph, kind, tol=1e-8), 1e-8)
        found = graphs.fastest_mixing(graph, kind, tol=1e-15)
        assert found.status == "tolerance_not_met"
        assert "rounding" in found.message
        assert found.gap < 1e-8


@pytest.mark.parametrize("kind", KINDS)
def test_a_geometric_graph_of_160_nodes(kind):
    """The sizes and times measured stand in the docstring of `fastest_mixing`."""
    graph = graphs.random_geometric(160, rng=5)
    check(graphs.fastest_mixing(graph, kind))


# ---------------------------------------------------------------------- certificates


@st.composite
def cases(draw):
    n = draw(st.integers(2, 9))
    seed = draw(st.integers(0, 2**32 - 1))
    return random_graph(n, seed), draw(st.sampled_from(KINDS)), np.random.default_rng(seed + 1)


def random_weights(graph, kind, rng):
    if kind == "fdla":
        return rng.standard_normal(graph.n_edges) * 10.0 ** rng.uniform(-2, 1)
    w = rng.exponential(size=graph.n_edges) ** 3
    return rng.uniform(0.2, 1.0) * w / np.bincount(graph.edges.ravel(), np.repeat(w, 2)).max()


@given(cases())
@settings(max_examples=40, deadline=None)
def test_no_dual_object_proves_more_than_the_truth(case):
    graph, kind, rng = case
    n = graph.n_nodes
    found = graphs.fastest_mixing(graph, kind, tol=1e-9)
    truth = found.slem
    good = found.certificate
    y0 = np.zeros(n) if good.y is None else good.y
    for size in (0.0, 1e-9, 1e-4, 0.1, 1.0, 100.0):
        # not symmetric, not centred, not feasible, of any scale
        scale = 10.0 ** rng.uniform(-200, 200)
        Y = scale * (good.Y + size * rng.standard_normal((n, n)))
        y = scale * (y0 + size * rng.standard_normal(n))
        bounds = graphs.verify_mixing(graph, found.weights, replace(good, Y=Y, y=y))
        assert 0 <= bounds.lower <= truth + 1e-13
        assert bounds.upper == pytest.approx(truth, abs=1e-12)
        assert bounds.gap >= found.gap - 1e-9
        if size == 0:
            assert bounds.lower == pytest.approx(found.lower_bound, abs=1e-12)
        w = random_weights(graph, kind, rng)
        bounds = graphs.verify_mixing(graph, w, replace(good, Y=Y, y=y))
        assert bounds.lower <= slem(graph, w) + 1e-12
        assert bounds.upper >= slem(graph, w) * (1 - 1e-14) - 1e-13


@given(cases())
@settings(max_examples=30, deadline=None)
def test_repair_is_the_one_described(case):
    """Against the bound from its definition: dense Gram system, nuclear norm of singular values."""
    graph, kind, rng = case
    n = graph.n_nodes
    Y, y = rng.standard_normal((n, n)), rng.exponential(size=n)
    C = np.eye(n) - 1.0 / n
    A = C @ (Y + Y.T) @ C / 2
    B = np.array([np.eye(n)[i] - np.eye(n)[j] for i, j in graph.edges.tolist()])
    r = np.einsum("ei,ij,ej->e", B, A, B)
    if kind == "fdla":
        A = A - B.T @ np.diag(np.linalg.solve((B @ B.T) ** 2, r)) @ B
        cost = 0.0
        np.testing.assert_allclose(np.einsum("ei,ij,ej->e", B, A, B), 0.0, atol=1e-12)
    else:
        missing = np.maximum(r - np.abs(B) @ y, 0.0)
        cost = sum(y) + sum(0.5 * np.max(missing * np.abs(B)[:, k]) for k in range(n))
    norm = np.linalg.norm(A, "nuc")
    expected = max(0.0, (np.trace(A) - cost) / norm) if norm > 1e-9 else 0.0
    assert lower_bound(graph, kind, Y, y) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_repair_leaves_of_nothing_proves_nothing(kind):
    """On complete graphs only Y = 0 is feasible for FDLA; rounding leaves something of any other Y."""
    for n in (2, 3, 6):
        graph = graphs.complete(n)
        for seed in range(40):
            rng = np.random.default_rng(seed)
            assert lower_bound(graph, kind, rng.standard_normal((n, n)), np.zeros(n)) == 0.0


def test_rounding_is_on_the_safe_side():
    """An exact dual object of a complete bipartite graph, an exact optimum: the bounds enclose it, barely."""
    graph = graphs.star(8)
    found = graphs.fastest_mixing(graph, "fdla", tol=1e-12)
    bounds = graphs.verify_mixing(graph, found.weights, found.certificate)
    assert bounds.lower <= 7 / 9 <= bounds.upper
    assert bounds.upper - bounds.lower < 1e-12


def test_tampering_shows():
    graph = graphs.random_geometric(14, rng=1)
    for kind in KINDS:
        found = graphs.fastest_mixing(graph, kind)
        worse = found.weights.copy()
        worse[int(np.argmax(worse))] *= 0.5
        bounds = graphs.verify_mixing(graph, worse, found.certificate)
        assert bounds.upper == pytest.approx(slem(graph, worse), abs=1e-12)
        assert bounds.upper > found.slem
        assert bounds.gap == pytest.approx((bounds.upper - bounds.lower) / bounds.upper)
        for Y in (np.zeros((14, 14)), np.ones((14, 14)), -found.certificate.Y, np.eye(14)):
            bounds = graphs.verify_mixing(graph, found.weights, replace(found.certificate, Y=Y))
            assert bounds.lower < 0.999 * found.lower_bound
            assert bounds.gap > 1e-3
    chain = graphs.fastest_mixing(graph, "fmmc")
    busiest = np.bincount(graph.edges.ravel(), np.repeat(chain.weights, 2)).max()
    for w in ((1 + 1e-9) / busiest * chain.weights, chain.weights - 2 * chain.weights.min()):
        assert graphs.verify_mixing(graph, w, chain.certificate).upper == np.inf
    assert graphs.verify_mixing(graph, np.full(graph.n_edges, 1e308), chain.certificate).upper == np.inf
    # dearer nodes prove less, and negative ones count as zero
    y = chain.certificate.y
    assert y is not None
    dearer = replace(chain.certificate, y=y + 0.01)
    assert graphs.verify_mixing(graph, chain.weights, dearer).lower < chain.lower_bound - 0.1
    free = graphs.verify_mixing(graph, chain.weights, replace(chain.certificate, y=None))
    negative = graphs.verify_mixing(graph, chain.weights, replace(chain.certificate, y=y - 1e3))
    assert negative == free
    assert free.lower <= chain.slem


# ---------------------------------------------------------------------- interface


def test_mixing_matrix_is_the_same():
    graph = graphs.barbell(4)
    for kind in KINDS:
        found = graphs.fastest_mixing(graph, kind, tol=1e-8)
        np.testing.assert_array_equal(graphs.mixing_matrix(graph, kind).toarray(), found.matrix.toarray())


def test_result_is_read_only_and_survives_pickling():
    found = graphs.fastest_mixing(graphs.star(4), "fmmc")
    again = pickle.loads(pickle.dumps(found))
    assert graphs.verify_mixing(again.graph, again.weights, again.certificate).gap == found.gap
    for result in (found, again):
        for array in (result.weights, result.certificate.Y, result.certificate.y):
            assert not array.flags.writeable
    lists = pickle.loads(pickle.dumps(graphs.MixingCertificate("fdla", np.eye(4).tolist())))
    assert graphs.verify_mixing(found.graph, found.weights, lists).lower > 0
    assert repr(found).startswith("FastestMixing(fmmc on Graph(")
    assert "SLEM 0.666667" in repr(found)


def test_time_limit():
    found = graphs.fastest_mixing(graphs.random_geometric(30, rng=1), time_limit=1e-9)
    assert found.status == "tolerance_not_met"
    assert "time limit" in found.message
    assert found.gap > 1e-6
    assert 0 <= found.lower_bound <= found.slem


def test_what_the_solver_returns_is_not_trusted(monkeypatch):
    graph = graphs.barbell(4)
    n, m = graph.n_nodes, graph.n_edges

    def nonsense(*arguments):
        return interior.Proposal(np.full(m, 5.0), np.eye(n), np.full(n, 7.0), 3, "bad luck")

    monkeypatch.setattr(optimise.interior, "propose", nonsense)
    for kind in KINDS:
        found = graphs.fastest_mixing(graph, kind)
        assert found.status == "tolerance_not_met"
        assert found.method != "interior_point"
        assert found.slem == pytest.approx(slem(graph, found.weights), abs=1e-13)
        assert found.slem <= 1.0 - graphs.spectral_gap(graphs.mixing_matrix(graph, "metropolis")) + 1e-13


def test_errors():
    graph = graphs.path(4)
    apart = graphs.Graph.from_edges(4, [(0, 1), (2, 3)])
    with pytest.raises(TypeError, match="must be a Graph"):
        graphs.fastest_mixing(graph.edges)
    with pytest.raises(ValueError, match="choose from fdla, fmmc"):
        graphs.fastest_mixing(graph, "metropolis")
    with pytest.raises(ValueError, match="2 components"):
        graphs.fastest_mixing(apart)
    for tol in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="tol"):
            graphs.fastest_mixing(graph, tol=tol)
    with pytest.raises(ValueError, match="time_limit"):
        graphs.fastest_mixing(graph, time_limit=0.0)
    with pytest.raises(ValueError, match=r"2000 nodes, the graph has 2001 and 2001; use mixing_matrix"):
        graphs.fastest_mixing(graphs.cycle(2001))
    found = graphs.fastest_mixing(graph, "fmmc")
    w, good = found.weights, found.certificate
    for values, certificate, error, match in (
        (w[:2], good, ValueError, r"weights must have shape \(3,\)"),
        ([0.1, np.nan, 0.2], good, ValueError, "weights"),
        (w, good.Y, TypeError, "must be a MixingCertificate"),
        (w, replace(good, kind="sdp"), ValueError, "certificate.kind 'sdp'"),
        (w, replace(good, Y=good.Y[:2]), ValueError, "certificate.Y must have shape"),
        (w, replace(good, Y=good.Y * np.inf), ValueError, "certificate.Y"),
        (w, replace(good, y=np.zeros(3)), ValueError, "certificate.y must have shape"),
    ):
        with pytest.raises(error, match=match):
            graphs.verify_mixing(graph, values, certificate)
    with pytest.raises(ValueError, match="2 components"):
        graphs.verify_mixing(apart, [0.5, 0.5], good)
    with pytest.raises(TypeError, match="must be a Graph"):
        graphs.verify_mixing(None, w, good)
