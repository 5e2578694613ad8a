"""Bounds are valid for any dual object, and the linear programme only improves them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossamer import graphs
from gossamer.graphs.rates import Certificate, communication_cost, communication_lower_bound, verify_rates
from gossamer.graphs.rates.duals import best_balance, tighten


@st.composite
def cases(draw):
    n = draw(st.integers(2, 10))
    seed = draw(st.integers(0, 2**32 - 1))
    return graphs.erdos_renyi(n, min(1.0, 0.15 + 2.0 / n), seed), np.random.default_rng(seed + 1)


def slow_bound(graph, w0, Y, p, t):
    """The communication bound from its definition, with dense pseudo-inverses and loops."""
    n = graph.n_nodes
    centre = np.eye(n) - 1.0 / n
    X = centre @ Y @ Y.T @ centre
    X = X / np.trace(X)
    b = [np.eye(n)[i] - np.eye(n)[j] for i, j in graph.edges.tolist()]
    w = w0 / w0.sum()
    P = np.linalg.pinv(sum(we * np.outer(be, be) for we, be in zip(w, b, strict=True)), hermitian=True)
    p = p / p.sum()
    largest = 0.0
    for column in b:
        x = column @ X @ column
        y = sum(pe * (column @ P @ be) ** 2 / (be @ P @ be) ** 2 for pe, be in zip(p, b, strict=True))
        largest = max(largest, 0.5 * (t * x + y / t))
    return 1.0 / largest


@given(cases())
@settings(max_examples=60, deadline=None)
def test_bounds_hold_for_any_dual_object(case):
    graph, rng = case
    n, m = graph.n_nodes, graph.n_edges
    Y = rng.standard_normal((n, int(rng.integers(1, 4)))) * 10.0 ** rng.uniform(-5, 5)
    p = rng.exponential(size=m) ** 3
    w0 = rng.exponential(size=m) + 1e-2
    t = float(10.0 ** rng.uniform(-1, 1))
    given_t = communication_lower_bound(graph, w0, Y, p, t)
    free_t = communication_lower_bound(graph, w0, Y, p)
    simple = communication_lower_bound(graph, w0, Y)
    assert given_t >= simple * (1 - 1e-12)
    assert free_t >= given_t * (1 - 1e-9)
    assert given_t == pytest.approx(max(simple, slow_bound(graph, w0, Y, p, t)), rel=1e-8)
    upper = verify_rates(graph, w0, Certificate("algebraic_connectivity", Y)).upper
    for _ in range(6):
        w = rng.exponential(size=m) ** 2 + 1e-3
        assert free_t <= communication_cost(graph, w) * (1 + 1e-9)
        assert graphs.algebraic_connectivity(graph, w) / w.sum() <= upper * (1 + 1e-9)
    # the bounds see neither the scale of the rates nor that of the dual object
    assert communication_lower_bound(graph, 1e6 * w0, 1e-3 * Y, 7.0 * p) == pytest.approx(free_t, rel=1e-9)


@given(cases())
@settings(max_examples=25, deadline=None)
def test_tighten_never_weakens(case):
    graph, rng = case
    Y = rng.standard_normal((graph.n_nodes, 2))
    p = rng.exponential(size=graph.n_edges)
    w = rng.exponential(size=graph.n_edges) + 1e-2
    better = tighten(graph, w, Y, p)
    assert better.p.sum() == pytest.approx(1.0)
    before = communication_lower_bound(graph, w, Y, p)
    after = communication_lower_bound(graph, w, better.Y, better.p, better.t)
    assert after >= before * (1 - 1e-9)
    assert after <= communication_cost(graph, w) * (1 + 1e-9)


def test_balance_is_the_minimum():
    rng = np.random.default_rng(3)
    for _ in range(20):
        x, y = rng.exponential(size=7) ** 4, rng.exponential(size=7) ** 4
        x[0] = 0.0
        t = best_balance(x, y)
        values = [np.max(s * x + y / s) for s in t * np.logspace(-3, 3, 4001)]
        assert np.max(t * x + y / t) <= min(values) * (1 + 1e-9)


def test_cost_closed_forms():
    assert communication_cost(graphs.star(12), np.ones(11)) == pytest.approx(11.0)
    assert communication_cost(graphs.complete(6), np.full(15, 3.0)) == pytest.approx(5 / np.sqrt(2))
    graph = graphs.barbell(4)
    w = np.random.default_rng(0).uniform(0.1, 1, graph.n_edges)
    assert communication_cost(graph, 5 * w) == pytest.approx(communication_cost(graph, w), rel=1e-12)
    chi1, chi2 = graphs.chi(graph, w)
    assert communication_cost(graph, w) == pytest.approx(np.sqrt(2 * chi1 * chi2) * w.sum(), rel=1e-12)


def test_tampering_shows():
    r = graphs.gossip_rates(graphs.barbell(5))
    graph, c = r.graph, r.certificate
    assert verify_rates(graph, r.rates, c).gap < 1e-6
    w = r.rates.copy()
    w[np.argmax(w)] *= 0.5
    assert verify_rates(graph, w, c).gap > 0.01
    noise = np.random.default_rng(0).standard_normal(c.Y.shape)
    for worse in (
        Certificate(c.criterion, c.Y + 0.3 * np.abs(c.Y).max() * noise, c.p, c.t),
        Certificate(c.criterion, c.Y, c.p[::-1] ** 2, c.t),
        Certificate(c.criterion, c.Y, c.p, 1.5 * c.t),
        Certificate(c.criterion, c.Y),
    ):
        assert verify_rates(graph, r.rates, worse).gap > 1e-3
    X = c.X
    np.testing.assert_allclose(X.sum(axis=0), 0.0, atol=1e-12)
    assert np.trace(X) == pytest.approx(1.0)
    assert np.linalg.eigvalsh(X).min() >= -1e-12


@pytest.mark.parametrize("exact_edges", [0, 10_000])
@pytest.mark.parametrize("magnitudes", [8, 14, 18, 30, 100])
def test_no_reference_proves_too_much(magnitudes, exact_edges, monkeypatch):
    # rounding spoils resistances and drops at such rates; the bound must not get better by that
    monkeypatch.setattr("gossamer.graphs.rates.duals.EXACT_EDGES", exact_edges)
    rng = np.random.default_rng(0)
    for graph in (graphs.barbell(4), graphs.erdos_renyi(8, 0.4, 1)):
        r = graphs.gossip_rates(graph, tol=1e-5, method="sdp")
        m, span = graph.n_edges, magnitudes / 2
        for k in range(20):
            reference = 10.0 ** (rng.uniform(-span, span, m) if k % 2 else rng.choice([-span, span], m))
            p = r.certificate.p if k % 3 else np.eye(m)[rng.integers(m)]
            certificate = Certificate("communication", r.certificate.Y, p, None, reference)
            bounds = verify_rates(graph, r.rates, certificate)
            assert bounds.lower <= r.upper_bound * (1 + 1e-9)


@pytest.mark.parametrize("magnitudes", [0, 8, 12, 14])
@pytest.mark.parametrize(
    "graph", [graphs.path(260), graphs.grid_2d(15, 15), graphs.barabasi_albert(220, 2, 0)], ids=repr
)
def test_kirchhoff_index_at_any_rates(graph, magnitudes, monkeypatch):
    w = 10.0 ** np.random.default_rng(0).uniform(-magnitudes / 2, magnitudes / 2, graph.n_edges)
    w /= w.sum()
    n = graph.n_nodes
    everywhere = graphs.Graph.from_edges(n, np.argwhere(np.triu(np.ones((n, n)), 1)))
    all_pairs = np.zeros(everywhere.n_edges)
    i, j = graph.edges.T
    all_pairs[i * n - i * (i + 1) // 2 + j - i - 1] = w
    exact = graphs.effective_resistances(everywhere, all_pairs).sum()  # the sum over all pairs of nodes
    solved = verify_rates(graph, w, Certificate("total_resistance"))
    assert solved.upper == pytest.approx(exact, rel=1e-9)
    monkeypatch.setattr("gossamer.graphs.rates.traces.EXACT_WORK", 0)
    sparse = verify_rates(graph, w, Certificate("total_resistance"))
    assert sparse.lower <= solved.lower * (1 + 1e-3)  # of another matrix, which may be the better one
    assert sparse.upper >= exact * (1 - 1e-12)
    if magnitudes == 0:
        assert sparse.upper == pytest.approx(exact, rel=1e-6)
        assert sparse.lower == pytest.approx(solved.lower, rel=1e-3)


def test_extreme_sizes_prove_nothing_false():
    r = graphs.gossip_rates(graphs.barbell(5))
    graph, w, Y = r.graph, r.rates, r.certificate.Y
    least = r.upper_bound * (1 + 1e-9)
    plain = verify_rates(graph, w, Certificate("communication", Y, np.ones(21)))
    for size in (1e308, 5e-324):
        same = verify_rates(graph, w, Certificate("communication", Y, np.full(21, size)))
        assert same.lower == pytest.approx(plain.lower, rel=1e-12)
        for t in (1e-320, 1e-30, 1e30, 1e308):
            bounds = verify_rates(graph, w, Certificate("communication", Y, np.full(21, size), t))
            assert bounds.lower <= least
    for scale in (1e-250, 1e-200, 1e200, 1e250):
        assert communication_cost(graph, scale * w) == pytest.approx(r.cost, rel=1e-12)
        assert verify_rates(graph, scale * w, r.certificate).upper == pytest.approx(r.cost, rel=1e-12)
    # rounding of the mean is large next to what differs
    shape = np.random.default_rng(0).standard_normal((10, 1))
    Y = 1.0 + 1e-11 * shape
    exact = [Y[k, 0] - 1.0 for k in range(10)]  # these differences have no rounding error
    x = verify_rates(graph, w, Certificate("algebraic_connectivity", Y)).upper
    same = verify_rates(graph, w, Certificate("algebraic_connectivity", np.reshape(exact, (10, 1)))).upper
    assert x == pytest.approx(same, rel=1e-12)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"Y": np.ones((10, 1))}, "zero or constant"),
        ({"Y": np.zeros((10, 1))}, "zero or constant"),
        ({"Y": np.ones(10)}, "Y must have 2 dim"),
        ({"Y": np.full((10, 1), np.nan)}, "finite"),
        ({"Y": np.eye(9)}, "one row per node"),
        ({"p": np.ones(3)}, "p must have shape"),
        ({"p": -np.ones(21)}, "p must be"),
        ({"p": np.zeros(21)}, "p must not be zero"),
        ({"t": 0.0}, "t must be"),
        ({"t": np.nan}, "t must be"),
        ({"criterion": "speed"}, "no bounds"),
    ],
)
def test_malformed_certificates(change, match):
    fields = {"criterion": "communication", "Y": np.eye(10), "p": np.ones(21), "t": 1.0} | change
    with pytest.raises(ValueError, match=match):
        verify_rates(graphs.barbell(5), np.ones(21), Certificate(**fields))


@pytest.mark.parametrize("change", [{"Y": np.eye(10) * 1j}, {"p": np.ones(21) * 1j}, {"t": 1j}, {"t": "one"}])
def test_certificates_of_wrong_types(change):
    fields = {"criterion": "communication", "Y": np.eye(10), "p": np.ones(21), "t": 1.0} | change
    with pytest.raises(TypeError, match=f"^{next(iter(change))} must be"):
        verify_rates(graphs.barbell(5), np.ones(21), Certificate(**fields))
    other = graphs.MixingCertificate("fdla", np.eye(10))
    with pytest.raises(TypeError, match="certificate must be a Certificate, got MixingCertificate"):
        verify_rates(graphs.barbell(5), np.ones(21), other)


def test_rates_must_connect():
    graph = graphs.barbell(5)
    w = np.ones(21)
    w[np.flatnonzero((graph.edges == [4, 5]).all(axis=1))] = 0.0
    with pytest.raises(ValueError, match="2 components"):
        verify_rates(graph, w, Certificate("communication", np.eye(10)))
