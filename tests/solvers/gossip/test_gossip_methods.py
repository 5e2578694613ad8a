"""DGD, EXTRA, NIDS and gradient tracking: against theory, against each other, and where they stop."""

import numpy as np
import pytest

from gossamer import graphs, problems, solvers

EXACT = [
    solvers.EXTRA(),
    solvers.NIDS(),
    solvers.GradientTracking(),
    solvers.GradientTracking(form="atc"),
    solvers.GradientTracking(form="non_atc"),
    solvers.SVL(),
]
ALL = [solvers.DGD(), *EXACT]
NETWORKS = [graphs.cycle(7), graphs.star(6), graphs.complete(5), graphs.torus_2d(3, 4)]


def name(value):
    if isinstance(value, solvers.GradientTracking):
        return f"GradientTracking-{value.form}"
    return repr(value) if isinstance(value, graphs.Graph) else type(value).__name__


def quadratic(n, dim=4, condition_number=8.0, rng=1):
    return problems.Quadratic.random(n, dim, condition_number=condition_number, heterogeneity=2.0, rng=rng)


def spectrum(graph, kind="metropolis"):
    values = np.linalg.eigvalsh(graphs.mixing_matrix(graph, kind).toarray())
    return values[0], values[-2]  # of these, the largest one is 1


# -- where they go -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("graph", NETWORKS, ids=name)
@pytest.mark.parametrize("solver", EXACT, ids=name)
def test_exact_methods_reach_the_minimiser_where_dgd_stops_short(solver, graph):
    problem = quadratic(graph.n_nodes)
    x_star = problem.solution()
    scale = x_star @ x_star
    result = solver.solve(problem, graph, tol=1e-13, x_star=x_star)
    assert result.success
    assert result.trace["distance"][-1] <= 1e-24 * scale
    limit = result.state.n_events
    floored = solvers.DGD().solve(problem, graph, tol=0, max_events=limit + 2000, x_star=x_star)
    assert floored.trace["distance"][-1] > 1e-3 * scale
    assert floored.trace["distance"][-1] == pytest.approx(floored.trace["distance"][-2], rel=1e-9)


def test_dgd_settles_where_theory_says():
    """Its limit solves (I - W) X + step G(X) = 0, at a distance proportional to the step."""
    graph, problem = graphs.cycle(6), quadratic(6)
    W = graphs.mixing_matrix(graph).toarray()
    H, b = problem.H, problem.b
    d = problem.dim
    distances = []
    for step in (0.02, 0.002):
        A = np.kron(np.eye(6) - W, np.eye(d))
        for i in range(6):
            A[i * d : (i + 1) * d, i * d : (i + 1) * d] += step * H[i]
        limit = np.linalg.solve(A, step * b.ravel()).reshape(6, d)
        result = solvers.DGD(step=step).solve(problem, graph, tol=0, max_events=int(40 / step))
        np.testing.assert_allclose(result.X, limit, rtol=1e-10)
        distances.append(np.linalg.norm(limit - problem.solution()))
    assert distances[0] / distances[1] == pytest.approx(10, rel=0.2)


def test_a_decaying_step_takes_dgd_below_its_floor():
    graph, problem = graphs.cycle(6), quadratic(6)
    x_star = problem.solution()
    constant, decaying = (
        solvers.DGD(step_decay=decay).solve(problem, graph, tol=0, max_events=20_000, x_star=x_star)
        for decay in (0.0, 0.05)
    )
    assert decaying.trace["distance"][-1] < 1e-3 * constant.trace["distance"][-1]


def test_dgd_is_stable_up_to_its_bound():
    graph = graphs.cycle(6)
    problem = problems.Quadratic(np.full((6, 1, 1), 2.0), np.ones((6, 1)))
    start = (-1.0) ** np.arange(6)[:, None]  # the eigenvector of W's smallest eigenvalue
    bound = (1 + spectrum(graph)[0]) / 2.0
    for factor, is_stable in ((0.99, True), (1.01, False)):
        X = solvers.DGD(step=factor * bound).solve(problem, graph, start, tol=0, max_events=3000).X
        assert (np.abs(X).max() < 2) == is_stable


def test_exact_methods_agree():
    graph = graphs.cycle(6)
    rng = np.random.default_rng(4)
    A = rng.normal(size=(90, 5))
    y = np.where(A @ rng.normal(size=5) + rng.normal(size=90) > 0, 1, -1)
    problem = problems.LogisticRegression.from_data(A, y, n_nodes=6, l2=0.1, split="sorted", rng=0)
    methods = [
        solvers.EXTRA(),
        solvers.NIDS(),
        solvers.GradientTracking(step="auto"),
        solvers.GradientTracking(form="non_atc"),
        solvers.SVL(),
        solvers.SVL(changing=True),
        solvers.DADAO(),
    ]
    found = [solver.solve(problem, graph, tol=1e-12) for solver in methods]
    assert all(result.success for result in found)
    for result in found:
        np.testing.assert_allclose(result.X, np.tile(found[0].x, (6, 1)), rtol=0, atol=1e-10)
        np.testing.assert_allclose(result.x, problem.solution(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("solver", EXACT, ids=name)
def test_the_minimiser_is_a_fixed_point(solver):
    graph, problem = graphs.cycle(7), quadratic(7)
    result = solver.solve(problem, graph, tol=1e-13)
    state = result.state.copy()
    before = solver.iterates(state, problem, graph)
    solver.advance(state, problem, graph, 1)
    after = solver.iterates(state, problem, graph)
    assert np.abs(after - before).max() < 1e-11 * np.abs(before).max()
    # where all nodes have the same minimiser, nothing moves from the start on
    equal = problems.Quadratic(problem.H, (problem.H @ np.ones(4)))
    X = solver.solve(equal, graph, np.ones(4), tol=0, max_events=50).X
    np.testing.assert_allclose(X, 1.0, rtol=0, atol=1e-13)


@pytest.mark.parametrize("solver", ALL, ids=name)
def test_one_node_is_gradient_descent(solver):
    problem = problems.Quadratic.random(1, 3, condition_number=5.0)
    result = solver.solve(problem, graphs.path(1), tol=1e-12)
    assert result.success
    assert result.bits == 0
    np.testing.assert_allclose(result.x, problem.solution(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("solver", EXACT, ids=name)
def test_two_nodes_in_one_dimension(solver):
    problem = problems.Quadratic(np.array([[[1.0]], [[3.0]]]), np.array([[1.0], [-5.0]]))
    result = solver.solve(problem, graphs.path(2), tol=1e-12)
    assert result.success
    np.testing.assert_allclose(result.X, -1.0, rtol=1e-10)


@pytest.mark.parametrize("solver", ALL, ids=name)
def test_batches_bring_a_noise_floor_in_proportion_to_the_step(solver):
    rng = np.random.default_rng(3)
    A = rng.normal(size=(80, 3))
    b = A @ np.ones(3) + rng.normal(size=80)
    problem = problems.LeastSquares.from_data(A, b, n_nodes=4, l2=0.5, rng=0)
    graph = graphs.complete(4)
    step = 0.1 / problem.smoothness
    floors = []
    for factor in (1.0, 0.25):
        noisy = type(solver)(**{**vars_of(solver), "step": factor * step, "batch_size": 1})
        trace = noisy.solve(
            problem, graph, tol=0, max_events=6000, x_star=problem.solution(), record_every=10
        ).trace
        floors.append(trace["distance"][len(trace) // 3 :].mean())
    # 4, and up to 16 for what the noise in what a node tracks adds to its distance from the mean
    assert 2.5 < floors[0] / floors[1] < 8.0


def vars_of(solver):
    if isinstance(solver, solvers.GradientTracking):
        return {"form": solver.form}
    return {}


# -- theory ------------------------------------------------------------------------------------------------


def test_extra_converges_up_to_its_bound_and_not_beyond():
    """On equal quadratics, along the eigenvector of W's smallest eigenvalue, a root is -1 at the bound."""
    graph = graphs.star(6)
    values, vectors = np.linalg.eigh(graphs.mixing_matrix(graph, "best_constant").toarray())
    bound = (5 + 3 * values[0]) / 4
    problem = problems.Quadratic(np.ones((6, 1, 1)), np.zeros((6, 1)))
    for factor, converges in ((0.98, True), (1.02, False)):
        solver = solvers.EXTRA(step=factor * bound, mixing="best_constant")
        X = solver.solve(problem, graph, vectors[:, :1], tol=0, max_events=2000).X
        assert (np.abs(X).max() < 1e-6) == converges


@pytest.mark.parametrize("graph", [graphs.path(6), graphs.star(6), graphs.complete(6)], ids=name)
def test_the_step_of_nids_does_not_depend_on_the_network(graph):
    problem = quadratic(6)
    x_star = problem.solution()
    for factor, converges in ((1.9, True), (2.1, False)):
        solver = solvers.NIDS(step=factor / problem.smoothness)
        trace = solver.solve(problem, graph, tol=0, max_events=3000, x_star=x_star).trace
        if converges:
            assert trace["distance"][-1] < 1e-16 * trace["distance"][0]
    identical = problems.Quadratic(np.ones((6, 1, 1)), np.zeros((6, 1)))
    assert solvers.NIDS(step=1.99).solve(identical, graph, [1.0], tol=1e-8, max_events=5000).success
    assert (
        solvers.NIDS(step=2.01).solve(identical, graph, [1.0], tol=0, max_events=10**6).status == "diverged"
    )


def test_tracking_without_curvature_has_no_theory():
    H = np.stack([np.diag([1.0, 0.0]), np.diag([0.0, 1.0]), np.diag([1.0, 1.0])])  # f is strongly convex
    problem = problems.Quadratic(H, np.ones((3, 2)))
    assert problem.strong_convexity == 0
    graph = graphs.path(3)
    with pytest.raises(ValueError, match=r'no theory for step here: set it, or pass step="auto"'):
        solvers.GradientTracking().solve(problem, graph)
    for solver in (solvers.GradientTracking(step="auto"), solvers.EXTRA(), solvers.NIDS()):
        assert solver.solve(problem, graph, tol=1e-10, max_time=5000).success


def test_forms_of_tracking_are_named():
    with pytest.raises(ValueError, match="form must be one of 'semi_atc', 'atc', 'non_atc', got 'no'"):
        solvers.GradientTracking(form="no").solve(quadratic(4), graphs.cycle(4))
    with pytest.raises(TypeError, match="changing must be True or False, got 'no'"):
        solvers.SVL(changing="no").solve(quadratic(4), graphs.cycle(4))


def test_a_gap_is_needed():
    problem = quadratic(4)
    for solver in (solvers.DGD, solvers.EXTRA, solvers.NIDS, solvers.GradientTracking, solvers.SVL):
        with pytest.raises(ValueError, match="take the mean with the identity"):
            solver(mixing="max_degree").solve(problem, graphs.cycle(4))
        assert solver(mixing="lazy_metropolis").solve(problem, graphs.cycle(4), max_events=5).time == 5


# -- states ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", EXACT, ids=name)
def test_saved_states_go_on(solver, tmp_path):
    graph, problem = graphs.cycle(7), quadratic(7)
    whole = solver.solve(problem, graph, tol=0, max_events=31)
    part = solver.solve(problem, graph, tol=0, max_events=13)
    part.state.save(tmp_path / "state.npz")
    resumed = solver.solve(
        problem, graph, tol=0, max_events=31, state=solvers.State.load(tmp_path / "state.npz")
    )
    assert resumed.X.tobytes() == whole.X.tobytes()
    assert resumed.state.arrays["rows"].tobytes() == whole.state.arrays["rows"].tobytes()
    assert (resumed.bits, resumed.n_gradients) == (whole.bits, whole.n_gradients)


def test_the_forms_of_tracking_do_not_share_states():
    graph, problem = graphs.cycle(7), quadratic(7)
    state = solvers.GradientTracking(step=0.01).init(problem, graph)
    with pytest.raises(ValueError, match="other hyper-parameters"):
        solvers.GradientTracking(step=0.01, form="atc").solve(problem, graph, state=state)
