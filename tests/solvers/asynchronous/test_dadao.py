"""DADAO end to end: convergence, counts, rates, replay, mini-batches, edge cases."""

import itertools
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from gossamer import graphs, problems, solvers
from gossamer.kernels import events, random
from gossamer.kernels.events import reference


def least_squares(n, d, m, seed=0, l2=0.1):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(n * m, d))
    y = A @ rng.normal(size=d) + rng.normal(size=n * m)
    return problems.LeastSquares(A, y, np.arange(n + 1) * m, l2)


def logistic(n, d, m, seed=0, l2=0.05):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(n * m, d))
    y = np.where(A @ rng.normal(size=d) + rng.normal(size=n * m) > 0, 1.0, -1.0)
    return problems.LogisticRegression(A, y, np.arange(n + 1) * m, l2)


# -- parameters ------------------------------------------------------------------------------------------


def test_constants_are_theorys():
    problem, graph = logistic(16, 5, 20), graphs.grid_2d(4, 4)
    p = solvers.DADAO().parameters(problem, graph)
    c = p.constants
    mu, L = problem.strong_convexity, problem.smoothness
    nu = mu / 2
    r = np.sqrt(nu / L)
    assert (c.r, c.nu) == pytest.approx((r, nu), rel=1e-14)
    assert (c.gamma, c.gamma_tilde) == pytest.approx((1 / (4 * L), 1 / (4 * np.sqrt(L * nu))), rel=1e-14)
    assert (c.delta, c.delta_tilde, c.beta) == pytest.approx((r / 4, 1.0, 0.5), rel=1e-14)
    assert c.beta_tilde == pytest.approx(2 * p.chi1 / r, rel=1e-14)
    assert p.decay_rate == pytest.approx(np.sqrt(mu / L) / (8 * np.sqrt(2)), rel=1e-14)
    assert p.chi1 * p.chi2 == pytest.approx(0.5, rel=1e-12)
    assert graphs.chi(graph, p.rates) == pytest.approx((p.chi1, p.chi2), rel=1e-12)


@pytest.mark.parametrize(
    ("graph", "total"),
    [
        (graphs.star(16), 15.0),
        (graphs.path(16), 76.52),
        (graphs.cycle(16), 39.70),
        (graphs.complete(16), 10.61),
        (graphs.grid_2d(4, 4), 26.25),
        (graphs.path(100), 3151.40),
        (graphs.complete(100), 70.00),
        (graphs.grid_2d(10, 10), 480.57),
        (graphs.path(2), 1 / np.sqrt(2)),
    ],
)
def test_uniform_rates_at_the_smallest_admissible_total(graph, total):
    n = graph.n_nodes
    problem = problems.Quadratic(np.ones((n, 1, 1)), np.zeros((n, 1)))
    p = solvers.DADAO().parameters(problem, graph)
    assert p.total_rate == pytest.approx(total, abs=6e-3)
    assert np.ptp(p.rates) == 0


def test_rates_in_three_forms():
    graph = graphs.barbell(4)
    problem = least_squares(8, 3, 12)
    optimal = graphs.gossip_rates(graph, "communication")
    from_object = solvers.DADAO(rates=optimal).parameters(problem, graph)
    from_array = solvers.DADAO(rates=optimal.rates.tolist()).parameters(problem, graph)
    np.testing.assert_allclose(from_object.rates, from_array.rates, rtol=1e-9)
    assert from_object.chi1 * from_object.chi2 == pytest.approx(0.5, rel=1e-12)
    uniform = solvers.DADAO().parameters(problem, graph)
    assert from_object.total_rate < 0.7 * uniform.total_rate
    assert uniform.total_rate == pytest.approx(optimal.cost_uniform, rel=1e-9)
    # criteria that are normalised to sum 1 are scaled up to the condition
    mixing = graphs.gossip_rates(graph, "algebraic_connectivity")
    scaled = solvers.DADAO(rates=mixing).parameters(problem, graph)
    assert scaled.chi1 * scaled.chi2 == pytest.approx(0.5, rel=1e-12)
    assert optimal.total_rate <= scaled.total_rate * (1 + 1e-9)


def test_infeasible_rates_name_the_smallest_admissible_scale():
    graph, problem = graphs.cycle(6), least_squares(6, 2, 8)
    admissible = solvers.DADAO().parameters(problem, graph).rates
    for scale in (0.5, 0.3, 1 / np.pi, 0.987654321987):
        with pytest.raises(ValueError, match=r"chi1 \* chi2 = .* > 1/2") as refusal:
            solvers.DADAO(rates=admissible * scale).solve(problem, graph)
        advised = float(re.search(r"at least ([0-9.]+)", str(refusal.value)).group(1))
        assert advised == pytest.approx(1 / scale, rel=1e-7)
        solvers.DADAO(rates=admissible * scale * advised).parameters(problem, graph)
    p = solvers.DADAO(rates=admissible / 2, check_rates=False).parameters(problem, graph)
    assert p.chi1 * p.chi2 == pytest.approx(2.0)
    assert solvers.DADAO(rates=admissible * 2).solve(problem, graph).success


@pytest.mark.parametrize(
    ("solver", "match"),
    [
        (solvers.DADAO(rates=-np.ones(5)), "rates must be at least 0"),
        (solvers.DADAO(rates=np.ones(4)), "rates"),
        (solvers.DADAO(rates=[1, 1, 1, 1, np.nan]), "finite"),
        (solvers.DADAO(rates=[1, 1, 1, 0, 0]), "connect"),
        (solvers.DADAO(batch_size=0), "batch_size must be at least 1"),
        (solvers.DADAO(average_from=-1.0), "average_from"),
        (solvers.DADAO(events=([0.0], [0], [5])), "names node 5"),
    ],
)
def test_bad_hyper_parameters(solver, match):
    with pytest.raises(ValueError, match=match):
        solver.solve(least_squares(5, 2, 8), graphs.cycle(5))


def test_batch_sizes_are_integers():
    with pytest.raises(TypeError, match="batch_size must be an integer"):
        solvers.DADAO(batch_size=2.5).solve(least_squares(5, 2, 8), graphs.cycle(5))


def test_rates_of_another_graph_are_refused():
    rates = graphs.gossip_rates(graphs.path(5), "uniform")
    with pytest.raises(ValueError, match="other edges"):
        solvers.DADAO(rates=rates).solve(least_squares(5, 2, 8), graphs.cycle(5))


def test_disconnected_graphs_are_refused():
    graph = graphs.Graph.from_edges(4, [(0, 1), (2, 3)])
    with pytest.raises(ValueError, match=r"2 (connected )?components"):
        solvers.DADAO().solve(least_squares(4, 2, 8), graph)


def test_objectives_without_curvature_are_refused():
    flat = logistic(4, 3, 10, l2=0.0)
    with pytest.raises(ValueError, match="l2 term"):
        solvers.DADAO().solve(flat, graphs.cycle(4))


def test_mini_batches_need_samples():
    problem = problems.Quadratic(np.ones((4, 1, 1)), np.ones((4, 1)))
    with pytest.raises(ValueError, match="no samples"):
        solvers.DADAO(batch_size=2).solve(problem, graphs.cycle(4))


# -- convergence -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [least_squares, logistic])
@pytest.mark.parametrize(
    "graph", [graphs.star(6), graphs.cycle(6), graphs.complete(6)], ids=["star", "cycle", "complete"]
)
def test_converges_to_the_solution_up_to_rounding(make, graph):
    problem = make(6, 4, 15)
    x_star = problem.solution()
    limit = 90 / solvers.DADAO().parameters(problem, graph).decay_rate
    result = solvers.DADAO().solve(problem, graph, tol=0, x_star=x_star, max_time=limit)
    scale = 1 + (x_star**2).sum()
    assert result.trace["distance"][-1] < 1e-20 * scale
    assert result.trace["distance"][0] == pytest.approx((x_star**2).sum())


def test_unequal_local_sizes():
    rng = np.random.default_rng(2)
    offsets = np.array([0, 1, 4, 30, 37])
    A, y = rng.normal(size=(37, 3)), rng.normal(size=37)
    problem = problems.LeastSquares(A, y, offsets, 0.3)
    result = solvers.DADAO().solve(problem, graphs.path(4), tol=1e-10)
    # the solution weights nodes equally, whatever their sizes
    weights = np.repeat(1 / np.diff(offsets), np.diff(offsets)) / 4
    expected = np.linalg.solve((A.T * weights) @ A + 0.3 * np.eye(3), (A.T * weights) @ y)
    assert result.success
    np.testing.assert_allclose(result.x, expected, atol=1e-8)


def test_one_node_two_nodes_one_dimension():
    alone = least_squares(1, 3, 10)
    result = solvers.DADAO().solve(alone, graphs.complete(1), tol=1e-9)
    assert result.success
    assert result.n_communications == result.bits == 0
    np.testing.assert_allclose(result.x, alone.solution(), atol=1e-7)
    pair = least_squares(2, 1, 10)
    p = solvers.DADAO().parameters(pair, graphs.path(2))
    assert p.rates == pytest.approx([1 / np.sqrt(2)])
    result = solvers.DADAO().solve(pair, graphs.path(2), tol=1e-9)
    assert result.success
    np.testing.assert_allclose(result.x, pair.solution(), atol=1e-7)


def test_equal_curvature_everywhere():
    """L = mu: r takes its largest value, 1/sqrt 2."""
    problem = problems.Quadratic(np.broadcast_to(2 * np.eye(2), (4, 2, 2)), np.arange(8.0).reshape(4, 2))
    assert solvers.DADAO().parameters(problem, graphs.cycle(4)).constants.r == pytest.approx(np.sqrt(0.5))
    result = solvers.DADAO().solve(problem, graphs.cycle(4), tol=1e-9)
    np.testing.assert_allclose(result.x, [1.5, 2.0], atol=1e-7)


def test_custom_objective():
    targets = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])

    def gradient(node, x, out):
        out[:] = x - targets[node]

    problem = problems.Custom(gradient, n_nodes=3, dim=2, smoothness=1.0, strong_convexity=1.0)
    result = solvers.DADAO().solve(problem, graphs.path(3), tol=1e-9)
    assert result.success
    np.testing.assert_allclose(result.x, [3.0, 4.0], atol=1e-7)


# -- counts and rates ------------------------------------------------------------------------------------


def test_counts_are_poisson():
    problem, graph = least_squares(9, 2, 8), graphs.grid_2d(3, 3)
    rates = solvers.DADAO().parameters(problem, graph).rates * np.linspace(1, 3, graph.n_edges)
    result = solvers.DADAO(rates=rates).solve(problem, graph, tol=0, max_time=2000.0)
    for count, mean in ((result.n_gradients, 9 * 2000.0), (result.n_communications, rates.sum() * 2000.0)):
        assert abs(count - mean) < 4 * np.sqrt(mean)
    assert result.bits == result.n_communications * 2 * 64 * 2


def planted_regression(n, d, m, rng):
    """Gaussian features, sparse planted vectors of each node's own, noise, uneven scales."""
    features, targets = rng.normal(size=(n, m, d)), np.empty((n, m))
    for i in range(n):
        planted = np.zeros(d)
        planted[rng.choice(d, min(10, d), replace=False)] = rng.uniform(0, 100, min(10, d))
        noisy = features[i] @ planted + 10 * rng.normal(size=m)
        targets[i] = noisy * rng.uniform(0.01, 5)
    # sqrt 2, for objectives |A x - b|^2 / m without the half
    root2 = np.sqrt(2)
    offsets = np.arange(n + 1) * m
    return problems.LeastSquares(root2 * features.reshape(n * m, d), root2 * targets.ravel(), offsets, 0.0)


@pytest.mark.parametrize(
    ("graph", "d", "m", "gradients", "slope"),
    [
        (graphs.cycle(10), 10, 100, 2964, 1.66),
        (graphs.grid_2d(4, 4), 20, 100, 6249, 1.67),
        (graphs.star(16), 20, 100, 6632, 1.60),
        pytest.param(graphs.cycle(25), 50, 300, 9082, 1.67, marks=pytest.mark.slow),
        pytest.param(graphs.grid_2d(5, 5), 50, 300, 9120, 1.66, marks=pytest.mark.slow),
        pytest.param(graphs.star(25), 50, 300, 9700, 1.59, marks=pytest.mark.slow),
    ],
    ids=["cycle10", "grid16", "star16", "cycle25", "grid25", "star25"],
)
def test_count_table(graph, d, m, gradients, slope):
    """Gradients and communications to a squared distance of 1e-6, medians over seeds."""
    n = graph.n_nodes
    problem = planted_regression(n, d, m, np.random.default_rng(0))
    x_star, solver = problem.solution(), solvers.DADAO()
    p = solver.parameters(problem, graph)
    kappa = problem.smoothness / problem.strong_convexity

    def reached(state, record):
        if record["distance"] <= 1e-6:
            raise StopIteration

    def run(seed):
        x0 = np.random.default_rng(seed).normal(size=(n, d))
        options = {"tol": 0, "max_time": 1000.0, "x_star": x_star, "record_every": 4 * n, "callback": reached}
        return solver.solve(problem, graph, x0, rng=seed, **options)

    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(run, range(20)))
    hits = [run.trace.first_below("distance", 1e-6) for run in runs]
    median = {name: np.median([hit[name] for hit in hits]) for name in ("time", "n_gradients", "distance")}
    start = np.median([run.trace["distance"][0] for run in runs])
    estimate = 8 * np.sqrt(2) * np.sqrt(kappa) * np.log(start / 1e-6) / 1.66
    assert median["time"] == pytest.approx(estimate, rel=0.2)
    assert median["n_gradients"] == pytest.approx(n * estimate, rel=0.2)
    # another draw of the data shifts counts through kappa and the start; not by more than this
    assert median["n_gradients"] == pytest.approx(gradients, rel=0.35)
    ratio = np.median([hit["n_communications"] / hit["n_gradients"] for hit in hits])
    assert ratio == pytest.approx(p.total_rate / n, rel=0.03)

    def fitted(run):
        time, log = run.trace["time"], np.log(run.trace["distance"])
        late = time > time[-1] / 4  # the slope theory speaks of, after the transient
        return -np.polyfit(time[late], log[late], 1)[0]

    assert np.median([fitted(run) for run in runs]) / p.decay_rate == pytest.approx(slope, rel=0.1)


def test_gradients_to_accuracy_do_not_depend_on_the_graph():
    problem = least_squares(16, 4, 20)
    x_star = problem.solution()
    counts = []
    for graph in (graphs.star(16), graphs.path(16), graphs.complete(16)):
        hits = []
        for seed in range(5):
            result = solvers.DADAO().solve(problem, graph, tol=1e-6, x_star=x_star, rng=seed, record_every=50)
            hits.append(result.trace.first_below("distance", 1e-8)["n_gradients"])
        counts.append(np.median(hits))
    assert max(counts) < 1.3 * min(counts)


# -- determinism -----------------------------------------------------------------------------------------


def test_equal_seeds_equal_bits_whatever_the_chunks_and_threads(monkeypatch):
    problem, graph = logistic(6, 5, 10), graphs.cycle(6)
    solve = lambda: solvers.DADAO(batch_size=3).solve(problem, graph, tol=0, max_events=5000, rng=4)  # noqa: E731
    whole = solve()
    with ThreadPoolExecutor(4) as pool:
        threaded = list(pool.map(lambda _: solve(), range(8)))
    for chunk in (1, 13, 4096):
        monkeypatch.setattr(events, "CHUNK", chunk)
        threaded.append(solve())
    for result in threaded:
        assert result.X.tobytes() == whole.X.tobytes()
        assert result.x_average.tobytes() == whole.x_average.tobytes()
        assert result.state.arrays["rows"].tobytes() == whole.state.arrays["rows"].tobytes()
    other = solvers.DADAO(batch_size=3).solve(problem, graph, tol=0, max_events=5000, rng=5)
    assert other.X.tobytes() != whole.X.tobytes()


def test_replay_of_a_given_event_stream():
    problem, graph = least_squares(5, 3, 9), graphs.cycle(5)
    solver = solvers.DADAO()
    drawn = solver.solve(problem, graph, tol=0, max_events=3000, rng=8)
    rates = solver.parameters(problem, graph).rates
    stream = events.poisson_events(np.ones(5), rates, n_events=3000, key=random.make_key(8))
    replayed = solvers.DADAO(events=stream).solve(problem, graph, tol=0, rng=99)
    assert replayed.X.tobytes() == drawn.X.tobytes()
    assert replayed.status == "max_events"
    assert "end of the given events" in replayed.message
    as_lists = tuple(part[:100].tolist() for part in stream)
    short = solvers.DADAO(events=as_lists).solve(problem, graph, tol=0)
    by_reference = events.dadao_rows(np.zeros((5, 3)), problem.strong_convexity / 2)
    first = events.Events(*(part[:100] for part in stream))
    constants = solver.parameters(problem, graph).constants
    reference.dadao_storage(first, graph.edges, by_reference, np.zeros(5), constants, problem.gradient)
    np.testing.assert_allclose(short.state.arrays["rows"], by_reference, rtol=1e-10, atol=1e-12)
    assert (short.n_gradients, short.n_communications) == ((first.kind == 0).sum(), (first.kind == 1).sum())


def test_empty_event_stream():
    result = solvers.DADAO(events=([], np.empty(0, int), np.empty(0, int))).solve(
        least_squares(4, 2, 8), graphs.cycle(4), np.ones(2), tol=0
    )
    assert result.status == "max_events"
    assert np.array_equal(result.X, np.ones((4, 2)))


# -- mini-batches ----------------------------------------------------------------------------------------


def test_time_average_goes_below_the_noise_floor():
    problem, graph = least_squares(6, 4, 60), graphs.cycle(6)
    x_star = problem.solution()
    result = solvers.DADAO(batch_size=4, average_from=500.0).solve(
        problem, graph, tol=0, max_time=8000.0, x_star=x_star
    )
    floor = np.median(result.trace["distance"][result.trace["time"] > 500])
    assert floor > 1e-6  # there is noise
    assert ((result.x_average - x_star) ** 2).sum() < 0.1 * floor
    full = solvers.DADAO().solve(problem, graph, tol=0, max_time=1000.0)
    assert full.x_average is None


def test_time_average_is_the_integral_of_the_mean_iterate():
    problem, graph = least_squares(4, 2, 10), graphs.cycle(4)
    average, spans = np.zeros(2), []

    def add(state, record):
        spans.append((record["time"], solver.iterates(state, problem, graph).mean(axis=0)))

    solver = solvers.DADAO(average_from=0.0)
    result = solver.solve(problem, graph, np.ones(2), tol=0, max_time=30.0, record_every=1, callback=add)
    # trapezoids between events: X is smooth there and bends little
    for (begin, left), (end, right) in itertools.pairwise(spans):
        state_before_jump = (left + right) / 2
        average += state_before_jump * (end - begin) / 30.0
    np.testing.assert_allclose(result.x_average, average, atol=0.02)


def test_batches_larger_than_the_data_are_full_gradients():
    problem, graph = logistic(4, 3, 10), graphs.cycle(4)
    full = solvers.DADAO().solve(problem, graph, tol=0, max_events=500)
    for size in (10, 10**11):
        large = solvers.DADAO(batch_size=size).solve(problem, graph, tol=0, max_events=500)
        assert large.X.tobytes() == full.X.tobytes()


@pytest.mark.slow
def test_many_events_in_constant_memory():
    import resource

    problem, graph = problems.Quadratic(np.ones((4, 1, 1)), np.ones((4, 1))), graphs.cycle(4)
    solvers.DADAO().solve(problem, graph, tol=0, max_events=10**5)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = solvers.DADAO().solve(problem, graph, tol=0, max_events=10**7, record_every=10**7)
    assert result.state.n_events == 10**7
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 20_000  # kB; the events themselves would take 130 MB
