"""Variational inequalities: operators, constants, solutions, gaps, refusals."""

import itertools
import pickle

import numpy as np
import pytest

from gossamer import problems
from gossamer.kernels import oracles, prox
from gossamer.kernels.oracles import PerformanceWarning, reference


def regression(M=50, d=4, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(M, d)) + rng.normal(size=d)
    return X, X @ rng.normal(size=d) + 0.5 * rng.normal(size=M) + 1.0


def affine(n=4, d=5, per_node=3, seed=0, **options):
    rng = np.random.default_rng(seed)
    sizes = per_node + np.arange(n) % 3
    G = rng.normal(size=(sizes.sum(), d, d))
    H = 0.3 * np.einsum("mij,mkj->mik", G, G) / d + (G - G.transpose(0, 2, 1)) + 0.2 * np.eye(d)
    return problems.AffineOperator(H, rng.normal(size=(len(H), d)), np.append(0, np.cumsum(sizes)), **options)


def operator(node, z, out):
    out[0] = z[0] + 2 * z[1] - node
    out[1] = z[1] - 2 * z[0]


def examples():
    rng = np.random.default_rng(3)
    X, y = regression()
    yield problems.BilinearSaddle.random(5, 6, rng=1)
    yield problems.BilinearSaddle(
        rng.normal(size=(3, 4, 7)), rng.normal(size=(3, 4)), rng.normal(size=(3, 7)), 0.3
    )
    yield problems.BilinearSaddle(rng.normal(size=(1, 1, 1)), [[1.0]], [[2.0]], 0.5)
    yield problems.RobustLeastSquares.from_data(X, y, 5, radius=1.0, perturbation=0.5, penalty=1.5, l2=0.1)
    yield problems.RobustLeastSquares.from_data(X, y, 1, radius=50.0, perturbation=0.1)
    yield problems.MatrixGame(rng.normal(size=(3, 5, 4)))
    yield problems.MatrixGame(rng.normal(size=(2, 3, 6)), entropic=True)
    yield affine()
    yield affine(blocks=(prox.ball(3, 0.4), prox.box(2, -0.1, 0.1)))
    yield problems.AffineOperator([np.eye(2) * 2, [[0.0, 1.0], [-1.0, 0.0]]], np.ones((2, 2)))
    yield problems.CustomOperator(operator, n_nodes=3, dim=2, lipschitz=5**0.5, strong_monotonicity=1.0)


NAMES = "bilinear wide tiny robust one-node game entropic samples sets affine custom".split()  # noqa: SIM905


@pytest.fixture(scope="module", params=range(11), ids=NAMES)
def problem(request):
    return list(examples())[request.param]


def points(problem, count, seed=1):
    rng = np.random.default_rng(seed)
    return [problem.project(3 * rng.normal(size=problem.dim)) for _ in range(count)]


def test_the_mean_operator_is_the_mean(problem):
    (z,) = points(problem, 1)
    F = np.array([problem.operator(i, z) for i in range(problem.n_nodes)])
    np.testing.assert_allclose(problem.mean_operator(z), F.mean(axis=0), rtol=1e-13, atol=1e-13)
    assert np.array_equal(F, problem.gradients(np.tile(z, (problem.n_nodes, 1))))
    assert np.array_equal(problem.value_and_gradient(z)[1], problem.residual(z))


def test_constants_bound_what_they_name(problem):
    n = problem.n_nodes
    assert problem.lipschitz <= problem.mean_square_lipschitz * (1 + 1e-12)
    assert problem.mean_square_lipschitz <= problem.smoothness * (1 + 1e-12)
    assert 0 <= problem.strong_convexity <= problem.lipschitz * (1 + 1e-12)
    for u, v in itertools.pairwise(points(problem, 40)):
        gap = u - v
        F = np.array([problem.operator(i, u) - problem.operator(i, v) for i in range(n)])
        squares = (F**2).sum(axis=1)
        allowed = (gap @ gap) * (1 + 1e-9)
        assert squares.max() <= problem.smoothness**2 * allowed
        assert squares.mean() <= problem.mean_square_lipschitz**2 * allowed
        mean = F.mean(axis=0)
        assert mean @ mean <= problem.lipschitz**2 * allowed
        assert mean @ gap >= problem.strong_convexity * (gap @ gap) * (1 - 1e-9) - 1e-12
        if problem.has_samples:
            oracle = problem.sample_oracle
            total = 0.0
            for i in range(n):
                rows = range(int(oracle.n_samples[i]))
                each = [
                    oracles.gradient(oracle, i, u, [j]) - oracles.gradient(oracle, i, v, [j]) for j in rows
                ]
                total += np.mean([g @ g for g in each]) / n
                np.testing.assert_allclose(np.mean(each, axis=0), F[i], rtol=0, atol=1e-11)
            assert total <= problem.sample_lipschitz**2 * allowed


def test_the_solution_solves(problem):
    z = problem.solution()
    scale = problem.lipschitz * (1 + np.linalg.norm(z))
    assert np.linalg.norm(problem.residual(z)) <= 1e-12 * scale
    np.testing.assert_allclose(problem.project(z), z, rtol=0, atol=1e-13 * (1 + np.abs(z).max()))
    F = problem.mean_operator(z)
    for u in points(problem, 30):
        assert F @ (u - z) >= -1e-10 * scale * (1 + np.linalg.norm(u))
    assert not z.flags.writeable


def test_projections_stay(problem):
    for z in points(problem, 5):
        np.testing.assert_allclose(problem.project(z), z, rtol=0, atol=1e-12)


def test_pickles_are_the_same(problem):
    if isinstance(problem, problems.CustomOperator):
        return
    again = pickle.loads(pickle.dumps(problem))
    (z,) = points(problem, 1)
    assert np.array_equal(again.mean_operator(z), problem.mean_operator(z))
    assert again.blocks == problem.blocks
    assert repr(again) == repr(problem)


def test_bilinear_operators_and_exact_constants():
    rng = np.random.default_rng(0)
    for p, q in ((1, 1), (4, 7), (9, 3), (5, 5)):
        A, a, b = rng.normal(size=(3, p, q)), rng.normal(size=(3, p)), rng.normal(size=(3, q))
        problem = problems.BilinearSaddle(A, a, b, 0.7)
        z = rng.normal(size=p + q)
        J = [np.block([[0.7 * np.eye(p), M], [-M.T, 0.7 * np.eye(q)]]) for M in A]
        norms = [np.linalg.norm(H, 2) for H in J]
        assert problem.smoothness == pytest.approx(max(norms), rel=1e-12)
        assert problem.mean_square_lipschitz == pytest.approx(np.sqrt(np.mean(np.square(norms))), rel=1e-12)
        assert problem.lipschitz == pytest.approx(np.linalg.norm(np.mean(J, axis=0), 2), rel=1e-12)
        for i in range(3):
            expected = reference.bilinear_gradient(z, A[i], a[i], b[i], 0.7)
            np.testing.assert_allclose(problem.operator(i, z), expected, rtol=0, atol=1e-12)
            value = reference.bilinear_objective(z, A[i], a[i], b[i], 0.7)
            assert problem.node_objective(i, z) == pytest.approx(value, rel=1e-12)


def test_the_gap_of_a_bilinear_saddle_is_the_duality_gap():
    problem = problems.BilinearSaddle.random(3, 4, l2=0.5, rng=2)
    A, a, b, l2 = problem.A.mean(axis=0), problem.a.mean(axis=0), problem.b.mean(axis=0), 0.5
    z = np.random.default_rng(0).normal(size=8)
    x, y = z[:4], z[4:]
    best_y, best_x = (A.T @ x + b) / l2, -(A @ y + a) / l2
    gap = problem.objective(np.append(x, best_y)) - problem.objective(np.append(best_x, y))
    assert problem.gap(z) == pytest.approx(gap, rel=1e-10)
    assert problem.gap(problem.solution()) < 1e-20
    assert np.isnan(problems.BilinearSaddle(problem.A, problem.a, problem.b).gap(z))


@pytest.mark.parametrize("l2", [0.0, 0.5, 3.0])
def test_the_gap_over_balls_is_the_largest_difference_in_them(l2):
    rng = np.random.default_rng(1)
    A, a, b = rng.normal(size=(2, 3, 2)), rng.normal(size=(2, 3)), rng.normal(size=(2, 2))
    problem = problems.BilinearSaddle(A, a, b, l2, gap_radius=2.0)
    for size in (0.1, 1.0, 5.0):
        z = size * rng.normal(size=5)
        x, y = z[:3], z[3:]
        best = [np.zeros(3), np.zeros(2)]
        for _ in range(3000):  # of a quadratic with curvature l2, over a ball
            down = problem.mean_operator(np.append(best[0], y))[:3]
            up = problem.mean_operator(np.append(x, best[1]))[3:]
            best[0] = prox.prox_step(best[0], 0.2 * down, [prox.ball(3, 2.0)])
            best[1] = prox.prox_step(best[1], 0.2 * up, [prox.ball(2, 2.0)])
        gap = problem.objective(np.append(x, best[1])) - problem.objective(np.append(best[0], y))
        assert problem.gap(z) == pytest.approx(gap, rel=1e-9)
        wide = problems.BilinearSaddle(A, a, b, l2, gap_radius=1e6)
        if l2 > 0:
            assert wide.gap(z) == pytest.approx(problems.BilinearSaddle(A, a, b, l2).gap(z), rel=1e-9)
    square = problems.BilinearSaddle.random(3, 4, l2=l2, gap_radius=50.0, rng=2)
    assert square.gap(square.solution()) == pytest.approx(0.0, abs=1e-9)
    with pytest.raises(ValueError, match="gap_radius"):
        problems.BilinearSaddle(A, a, b, gap_radius=0.0)


def test_the_benchmark_has_its_published_constants():
    problem = problems.BilinearSaddle.random(10, 50)
    assert round(problem.lipschitz, 2) == 6.77
    assert round(problem.mean_square_lipschitz, 1) == 10.0
    assert problem.strong_convexity == 0.1
    for A in problem.A:
        values = np.linalg.eigvalsh(A)
        np.testing.assert_allclose(values[[0, -1]], [0.3, 10.0], rtol=1e-12)


def test_robust_operators_are_gradients_of_the_objective():
    X, y = regression()
    problem = problems.RobustLeastSquares.from_data(
        X, y, 4, radius=2.0, perturbation=0.5, penalty=5.0, l2=0.2
    )
    rng = np.random.default_rng(1)
    z, width = rng.normal(size=8), 1e-5
    signs = np.repeat([1.0, -1.0], 4)
    for i, (A, b) in enumerate(
        zip(
            np.split(problem.features, problem.offsets[1:-1]),
            np.split(problem.targets, problem.offsets[1:-1]),
            strict=True,
        )
    ):
        expected = reference.robust_gradient(z, A, b, 0.2, 5.0)
        np.testing.assert_allclose(problem.operator(i, z), expected, rtol=1e-12, atol=1e-12)
        assert problem.node_objective(i, z) == pytest.approx(reference.robust_objective(z, A, b, 0.2, 5.0))
        differences = [
            (problem.node_objective(i, z + width * e) - problem.node_objective(i, z - width * e))
            / (2 * width)
            for e in np.eye(8)
        ]
        np.testing.assert_allclose(problem.operator(i, z), signs * differences, rtol=1e-7, atol=1e-7)
        rows = rng.integers(len(b), size=7)
        np.testing.assert_allclose(
            oracles.gradient(problem.sample_oracle, i, z, rows),
            reference.robust_gradient(z, A, b, 0.2, 5.0, rows),
            rtol=1e-12,
            atol=1e-12,
        )


def test_a_robust_saddle_point_is_worst_in_r_and_best_in_w():
    X, y = regression()
    problem = problems.RobustLeastSquares.from_data(
        X, y, 5, radius=1.0, perturbation=0.5, penalty=1.5, l2=0.1
    )
    z = problem.solution()
    w, r = z[:4], z[4:]
    assert np.linalg.norm(r) > 0.01  # the adversary does something
    value = problem.objective(z)
    rng = np.random.default_rng(0)
    for _ in range(50):
        other = problem.project(z + rng.normal(size=8) * rng.choice([1e-3, 1.0]))
        assert problem.objective(np.append(w, other[4:])) <= value + 1e-13
        assert problem.objective(np.append(other[:4], r)) >= value - 1e-13


def test_robust_solutions_in_hard_units():
    X, y = problems.load("diabetes")
    X = problems.standardize(X)
    for radius, perturbation in ((100.0, 0.5), (10.0, 0.5), (100.0, 1e-3), (0.1, 5.0), (1e4, 0.01)):
        problem = problems.RobustLeastSquares.from_data(X, y, 4, radius=radius, perturbation=perturbation)
        z = problem.solution()
        assert np.linalg.norm(problem.residual(z)) <= 1e-11 * problem.lipschitz * (1 + np.linalg.norm(z))


def test_affine_batches_equal_the_definition():
    problem = affine()
    rng = np.random.default_rng(0)
    z = rng.normal(size=5)
    for i in range(4):
        part = slice(*problem.offsets[i : i + 2])
        H, b = problem.H[part], problem.b[part]
        for rows in ([0], [2, 0], rng.integers(len(b), size=9)):
            np.testing.assert_allclose(
                oracles.gradient(problem.sample_oracle, i, z, rows),
                reference.affine_gradient(z, H, b, rows),
                rtol=0,
                atol=1e-12,
            )
        np.testing.assert_allclose(problem.operator(i, z), reference.affine_gradient(z, H, b), atol=1e-12)


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (5, 3), (4, 9)])
def test_equilibria_of_games(shape):
    rng = np.random.default_rng(sum(shape))
    for _ in range(5):
        game = problems.MatrixGame(rng.integers(-3, 4, size=(2, *shape)))
        z = game.solution()
        assert game.gap(z) + 1e-12 >= 0
        assert game.gap(z) < 1e-12
        for u in points(game, 20):
            assert game.gap(u) >= -1e-12
            x, y = u[: shape[0]], u[shape[0] :]
            A = game.A.mean(axis=0)
            assert game.gap(u) == pytest.approx((x @ A).max() - (A @ y).min(), abs=1e-12)


def test_a_split_game_is_the_game():
    payoffs = np.array([[0.0, 1.0, -2.0], [2.0, 0.0, 0.5]])
    game = problems.MatrixGame.split(payoffs, 7, heterogeneity=2.0, rng=1)
    np.testing.assert_allclose(game.A.mean(axis=0), payoffs, rtol=0, atol=1e-14)
    assert game.A.std(axis=0).min() > 0.5
    np.testing.assert_array_equal(problems.MatrixGame.split(payoffs, 2).A, [payoffs, payoffs])


def test_sets_without_zeros_where_steps_multiply():
    game = problems.MatrixGame(np.ones((1, 2, 2)), entropic=True)
    np.testing.assert_array_equal(game.start(np.zeros(4)), np.full(4, 0.5))
    with pytest.raises(ValueError, match="positive on an entropic simplex"):
        game.start([1.0, 0.0, 0.5, 0.5])


def test_custom_operators_in_python_and_compiled_agree():
    options = {"n_nodes": 3, "dim": 2, "lipschitz": [2.5, 2.5, 3.0], "strong_monotonicity": 1.0}
    compiled = problems.CustomOperator(operator, **options)
    with pytest.warns(PerformanceWarning):
        slow = problems.CustomOperator(operator, compiled=False, **options)
    z = np.array([0.3, -2.0])
    assert np.array_equal(compiled.mean_operator(z), slow.mean_operator(z))
    assert compiled.smoothness == 3.0
    assert compiled.mean_square_lipschitz == pytest.approx(np.sqrt((2 * 2.5**2 + 9) / 3))
    given = problems.CustomOperator(operator, **options, solution=compiled.solution())
    assert np.array_equal(given.solution(), compiled.solution())


def test_refusals():
    good = {"radius": 1.0, "perturbation": 0.5}
    X, y = regression()
    with pytest.raises(ValueError, match=r"penalty must be above radius\^2"):
        problems.RobustLeastSquares.from_data(X, y, 3, penalty=1.0, **good)
    with pytest.raises(ValueError, match="radius"):
        problems.RobustLeastSquares.from_data(X, y, 3, radius=-1.0, perturbation=0.5)
    with pytest.raises(ValueError, match="X has 50 rows"):
        problems.RobustLeastSquares.from_data(X, y[:-1], 3, **good)
    with pytest.raises(ValueError, match="must be monotone"):
        problems.AffineOperator([[[-1.0]]], [[1.0]])
    with pytest.raises(ValueError, match=r"H must be"):
        problems.AffineOperator(np.ones((2, 2, 3)), np.ones((2, 2)))
    with pytest.raises(ValueError, match="at least one row"):
        problems.AffineOperator(np.tile(np.eye(2), (2, 1, 1)), np.ones((2, 2)), [0, 0, 2])
    with pytest.raises(ValueError, match="zero nowhere"):
        problems.AffineOperator([[[0.0]]], [[1.0]]).solution()
    with pytest.raises(ValueError, match=r"A must be \(n, p, q\)"):
        problems.MatrixGame(np.ones((2, 0, 3)))
    with pytest.raises(ValueError, match="A"):
        problems.MatrixGame(np.full((1, 2, 2), np.nan))
    with pytest.raises(ValueError, match="a must"):
        problems.BilinearSaddle(np.ones((1, 2, 3)), np.ones((1, 3)), np.ones((1, 3)))
    with pytest.raises(ValueError, match="least"):
        problems.BilinearSaddle.random(2, 3, least=0.0)
    with pytest.raises(ValueError, match="has no samples"):
        problems.MatrixGame(np.ones((1, 2, 2))).sample_lipschitz  # noqa: B018
    options = {"n_nodes": 3, "dim": 2}
    with pytest.raises(ValueError, match="lipschitz must be above 0"):
        problems.CustomOperator(operator, lipschitz=0.0, **options)
    with pytest.raises(ValueError, match="strong_monotonicity"):
        problems.CustomOperator(operator, lipschitz=1.0, strong_monotonicity=2.0, **options)
    with pytest.raises(ValueError, match="no solution"):
        problems.CustomOperator(operator, lipschitz=3.0, solution=[1.0, 1.0], **options)
    with pytest.raises(ValueError, match="together"):
        problems.CustomOperator(operator, lipschitz=3.0, blocks=[prox.ball(3, 1.0)], **options)
