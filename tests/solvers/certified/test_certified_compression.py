"""Certified rates of the methods with compressed messages: never better than what is measured."""

import math

import numpy as np
import pytest

from gossamer import graphs, problems, solvers
from gossamer.kernels import prox
from gossamer.kernels.compression import QSGD, Identity, Natural, PermK, RandK, ScaledSign, TopK
from gossamer.solvers.gossip.beer import _matrix
from gossamer.solvers.gossip.choco import DifferenceBounds, choco_gamma

N, D = 6, 8
STAR = graphs.star(N)


def extreme(kappa=10.0, *, equal=False):
    """Diagonal quadratics with eigenvalues mu and L alone, the same everywhere, or not."""
    rng = np.random.default_rng(3)
    upper = rng.random((N, D)) < 0.5
    upper[:] = upper[0] if equal else upper
    upper[:, 0], upper[:, 1] = True, False
    H = np.where(upper, kappa, 1.0)[:, :, None] * np.eye(D)
    return problems.Quadratic(H, rng.normal(size=(N, D)) * 5)


def saddle(l2=0.5):
    return problems.BilinearSaddle.random(N, D // 2, l2=l2, least=0.2, most=3.0, rng=4)


OF_OBJECTIVES = [
    solvers.EF21(TopK(3)),
    solvers.EF21(RandK(3, scaled=False)),
    solvers.EF21(ScaledSign()),
    solvers.EF21(Identity()),
    solvers.DIANA(RandK(3)),
    solvers.DIANA(PermK(N)),
    solvers.DIANA(QSGD(2)),
    solvers.DIANA(RandK(3), step=0.02, shift_step=0.1),
    solvers.DIANA(Identity(), shift_step=0.0),
    solvers.MARINA(RandK(3)),
    solvers.MARINA(PermK(N)),
    solvers.MARINA(Natural(), probability=0.5),
    solvers.MARINA(RandK(3), probability=1.0),
]
OF_OPERATORS = [
    solvers.Extragradient(),
    solvers.OptimisticGradient(),
    solvers.OptimisticGradient(step=0.03),
    solvers.MASHA1(RandK(3)),
    solvers.MASHA1(PermK(N), QSGD(3)),
    solvers.MASHA1(RandK(3), participants=3),
    solvers.MASHA2(TopK(3)),
    solvers.MASHA2(RandK(5, scaled=False), participants=3),
    solvers.DIANASGDA(RandK(4)),
]
CASES = [
    *((solver, extreme(equal=equal)) for solver in OF_OBJECTIVES for equal in (True, False)),
    *((solver, problem) for solver in OF_OPERATORS for problem in (saddle(), saddle(0.05), extreme())),
    (solvers.MASHA1(RandK(2), batch_size=2), None),
]


def affine():
    rng = np.random.default_rng(2)
    d, m = 4, 6
    G = rng.normal(size=(N * m, d, d))
    H = np.einsum("mij,mkj->mik", G, G) / d + G - G.transpose(0, 2, 1) + 0.5 * np.eye(d)
    return problems.AffineOperator(H, rng.normal(size=(len(H), d)), np.arange(N + 1) * m)


@pytest.mark.parametrize(("solver", "problem"), CASES, ids=lambda case: str(case)[:60])
def test_no_run_is_slower_than_its_certificate(solver, problem):
    """The root mean square of the distance over seeds, from the first tenth of a run on."""
    problem = problem or affine()
    rate, solution = solver.certified_rate(problem, STAR), problem.solution()
    assert 0.0 <= rate < 1.0
    rounds = math.ceil(min(max(8.0 / (1.0 - rate), 60), 5000))
    squares = []
    for seed in range(8):
        options = {"record_every": max(rounds // 40, 1), "max_events": rounds, "rng": seed}
        squares.append(solver.solve(problem, STAR, tol=0, x_star=solution, **options).trace["distance"])
    error = np.sqrt(np.mean(squares, axis=0))
    time = np.linspace(0, rounds, len(error))
    kept = error > 1e-11 * error[0]
    first = int(0.1 * kept.sum())
    last = np.flatnonzero(kept)[-1]
    if last > first:
        assert (
            math.log(error[last] / error[first]) <= (time[last] - time[first]) * math.log(rate) * 0.98 + 0.2
        )


def test_without_compression_the_rate_is_that_of_gradient_descent_and_attained():
    problem = extreme(equal=True)
    for make in (solvers.EF21, solvers.DIANA, solvers.MARINA):
        for step in (0.05, 0.1, 0.15):  # 1/L is 0.1
            solver = make(Identity(), step=step)
            rate = solver.certified_rate(problem, STAR)
            assert rate == pytest.approx(max(1 - step, 10 * step - 1), rel=1e-12)
            run = solver.solve(problem, STAR, tol=0, x_star=problem.solution(), max_events=40, record_every=1)
            error = np.sqrt(run.trace["distance"])
            assert error[-1] / error[-2] == pytest.approx(rate, rel=1e-2)
        assert make(Identity(), step=0.2).certified_rate(problem, STAR) == math.inf


def test_rates_are_those_of_the_theorems():
    problem = extreme()
    mu, L = problem.strong_convexity, problem.smoothness
    for solver in (solvers.EF21(TopK(3)), solvers.MARINA(RandK(3))):
        step = solver.parameters(problem, STAR)["step"]
        assert solver.certified_rate(problem, STAR) == pytest.approx(math.sqrt(1 - step * mu), rel=1e-14)
        double = type(solver)(solver.compressor, step=2 * step)
        assert double.certified_rate(problem, STAR) == math.inf
        half = type(solver)(solver.compressor, step=step / 2)
        assert half.certified_rate(problem, STAR) == pytest.approx(math.sqrt(1 - step * mu / 2), rel=1e-14)
    for compressor in (RandK(3), PermK(N), QSGD(1)):
        values = solvers.DIANA(compressor).parameters(problem, STAR)
        rate = solvers.DIANA(compressor).certified_rate(problem, STAR)
        theorem = 1 - min(values["step"] * mu, values["shift_step"] / 2)
        assert rate == pytest.approx(math.sqrt(theorem), rel=1e-12)
    assert solvers.DIANA(RandK(3), step=2 / L).certified_rate(problem, STAR) == math.inf
    assert solvers.DIANA(RandK(3), shift_step=1.0).certified_rate(problem, STAR) == math.inf


@pytest.mark.parametrize("compressor", [RandK(3), PermK(N), QSGD(2)], ids=str)
def test_one_round_of_diana_shrinks_its_lyapunov_function(compressor):
    problem = extreme()
    solution, L, mu = problem.solution(), problem.smoothness, problem.strong_convexity
    at_solution = problem.gradients(np.tile(solution, (N, 1)))
    for share in (1.0, 0.3):
        values = solvers.DIANA(compressor).parameters(problem, STAR)
        step, shift_step = share * values["step"], values["shift_step"]
        solver = solvers.DIANA(compressor, step=step, shift_step=shift_step)
        spread = (compressor.omega(D) if not isinstance(compressor, PermK) else N) / N
        weight = (1 / (step * L) - 1 - 2 * spread) / shift_step * step**2
        rng = np.random.default_rng(1)
        for scale in (0.1, 1.0, 30.0):
            x = solution + rng.normal(size=D)
            H = at_solution + scale * rng.normal(size=(N, D))
            before = np.sum((x - solution) ** 2) + weight * np.sum((H - at_solution) ** 2) / N
            state, found = solver.init(problem, STAR), []
            for k in range(400):
                state.arrays["rows"][0], state.arrays["shared"][:] = H, (x, H.mean(axis=0))
                state.n_events = k
                solver.advance(state, problem, STAR)
                shifts = state.arrays["rows"][0] - at_solution
                found.append(
                    np.sum((state.arrays["shared"][0] - solution) ** 2) + weight * np.sum(shifts**2) / N
                )
            error = 4 * np.std(found) / 20
            assert np.mean(found) <= solver.certified_rate(problem, STAR) ** 2 * before + error
            assert mu * error < before


# -- gossip ------------------------------------------------------------------------------------------------


def root(X):
    return math.sqrt((X**2).sum())


@pytest.mark.parametrize("compressor", [TopK(3), RandK(4, scaled=False), ScaledSign()], ids=str)
@pytest.mark.parametrize("make", [graphs.cycle, graphs.star, graphs.complete])
def test_a_round_of_choco_and_beer_stays_below_its_matrix(compressor, make):
    graph, problem = make(N), extreme()
    low, high = (np.linalg.eigvalsh(graphs.mixing_matrix(graph).toarray())[k] for k in (0, -2))
    L, solution = problem.smoothness, problem.solution()
    W = graphs.mixing_matrix(graph).toarray()
    rng = np.random.default_rng(2)
    draws = 300 if compressor.random else 1
    for gamma, step in ((0.3, 0.05), (1.0, 0.01), (0.05, 0.12)):
        bounds = DifferenceBounds.of(compressor.contraction(D), low, high, gamma)
        matrix = _matrix(bounds, L / problem.strong_convexity, step * L)
        solver = solvers.BEER(compressor, step=step, gamma=gamma)
        for scales in ((1, 1, 1, 1), (0.01, 1, 0.1, 1), (1, 0.1, 1, 0.1)):
            X = scales[0] * rng.normal(size=(N, D)) + solution + rng.normal(size=D)
            H = X + scales[1] * rng.normal(size=(N, D))
            gradients = problem.gradients(X)
            V = L * scales[2] * rng.normal(size=(N, D))
            V += gradients.mean(axis=0) - V.mean(axis=0)
            G = V + L * scales[3] * rng.normal(size=(N, D))

            def sizes(X, H, V, G):
                mean = X.mean(axis=0)
                parts = (
                    math.sqrt(N) * (mean - solution),
                    X - mean,
                    X - H,
                    (V - V.mean(axis=0)) / L,
                    (V - G) / L,
                )
                return np.array([root(part) for part in parts])

            state, squares = solver.init(problem, graph), []
            for k in range(draws):
                state.arrays["rows"][:] = X, H, W @ H, V, G, W @ G, gradients
                state.n_events = 1 + k
                solver.advance(state, problem, graph)
                now = state.arrays["rows"]
                squares.append(sizes(now[0], now[1], now[3], now[4]) ** 2)
            found = np.sqrt(np.mean(squares, axis=0))
            assert (found <= matrix @ sizes(X, H, V, G) * (1.0 + 1e-9 + (0.05 if draws > 1 else 0.0))).all()
            averaging = problems.Averaging(X)
            gossip, squares = solvers.ChocoGossip(compressor, gamma=gamma), []
            state = gossip.init(averaging, graph)
            for k in range(draws):
                state.arrays["rows"][:] = X, H, W @ H
                state.n_events = 1 + k
                gossip.advance(state, averaging, graph)
                now = state.arrays["rows"]
                squares.append([root(now[0] - now[0].mean(axis=0)) ** 2, root(now[0] - now[1]) ** 2])
            found = np.sqrt(np.mean(squares, axis=0))
            u, v = root(X - X.mean(axis=0)), root(X - H)
            assert (found <= bounds.matrix() @ [u, v] * (1.0 + 1e-9 + (0.05 if draws > 1 else 0.0))).all()


def test_theorys_numbers_of_beer_are_the_best_certified_ones():
    problem, graph = extreme(), graphs.cycle(N)
    for compressor in (TopK(3), Identity()):
        solver = solvers.BEER(compressor, step=None, gamma=None)
        values = solver.parameters(problem, graph)
        rate = solver.certified_rate(problem, graph)
        assert rate < 1.0
        for gamma in (0.7, 1.0, 1.0 if values["gamma"] > 0.6 else 1.4):
            for step in (0.7, 1.0, 1.4):
                other = solvers.BEER(
                    compressor, step=values["step"] * step, gamma=min(values["gamma"] * gamma, 1.0)
                )
                assert other.certified_rate(problem, graph) >= rate - 1e-4 * (1 - rate)
        run = solver.solve(
            problem, graph, tol=0, x_star=problem.solution(), max_events=8000, record_every=400
        )
        error, time = np.sqrt(run.trace["distance"]), run.trace["time"]
        last = np.flatnonzero(error > 1e-10 * error[0])[-1]
        assert last > 1
        assert error[last] / error[1] <= rate ** (time[last] - time[1])
    assert solvers.BEER(TopK(3), step=0.1, gamma=1.0).certified_rate(problem, graph) == math.inf
    assert math.isnan(choco_gamma(0.0, -0.5, 0.5))


def test_gossip_of_changing_graphs_has_a_rate_of_its_own():
    averaging, graph = problems.Averaging(np.eye(N)), graphs.cycle(N)
    solver = solvers.ChocoGossip(TopK(3), gamma=0.01)
    fixed, changing = (solver.certified_rate(averaging, graph, changing=c) for c in (False, True))
    assert fixed <= changing < 1.0
    assert solvers.ChocoGossip(Identity(), gamma=1.0).certified_rate(averaging, graph) == pytest.approx(2 / 3)


# -- without a certificate ---------------------------------------------------------------------------------


def test_what_is_not_certified_says_what_is_missing():
    problem, operator, flat = extreme(), saddle(), saddle(0.0)
    game = problems.MatrixGame(np.ones((N, 2, 2)))
    ball = problems.RobustLeastSquares.from_data(
        np.eye(N), np.ones(N), N, perturbation=0.5, radius=1.0, penalty=1.5, l2=0.1
    )
    entropic = problems.AffineOperator(
        np.tile(np.eye(3), (N, 1, 1)), np.zeros((N, 3)), range(N + 1), blocks=[prox.simplex(3, entropic=True)]
    )
    for solver, where, words in (
        (solvers.EF(TopK(2)), problem, "reaches a neighbourhood"),
        (solvers.ChocoSGD(TopK(2), step=0.01, gamma=0.1), problem, "but not linearly"),
        (solvers.CompressedExtragradient(TopK(2)), operator, "it stalls"),
        (solvers.QSGDA(RandK(2)), operator, "stalls where the nodes differ"),
        (solvers.DIANA(RandK(2), shift_step=0.0), problem, "stalls where the nodes differ"),
        (solvers.Extragradient(), flat, "strong_convexity is 0"),
        (solvers.MASHA1(RandK(2)), flat, "strong_convexity is 0"),
        (solvers.MASHA2(TopK(2)), flat, "strong_convexity is 0"),
        (solvers.OptimisticGradient(), game, "strong_convexity is 0"),
        (solvers.MASHA1(RandK(2), anchor="new"), operator, "the old anchor"),
        (solvers.MASHA1(RandK(2)), ball, "the problem has a set"),
        (solvers.Extragradient(), entropic, "on an entropic simplex"),
        (solvers.DIANA(TopK(2), step=0.1, shift_step=0.1, check_compressor=False), problem, "unbiased"),
        (solvers.MASHA2(RandK(2), step=0.1, check_compressor=False), operator, "contractive"),
        (solvers.MARINA(TopK(2), step=0.1, check_compressor=False), problem, "unbiased"),
    ):
        graph = graphs.cycle(N) if isinstance(solver, solvers.ChocoSGD) else STAR
        with pytest.raises(NotImplementedError, match=f"has no certified linear rate.*{words}"):
            solver.certified_rate(where, graph)
    for solver in (solvers.EF21(TopK(2)), solvers.DIANA(RandK(2)), solvers.MASHA1(RandK(2))):
        with pytest.raises(NotImplementedError, match="graph which stays as it is"):
            solver.certified_rate(problem, STAR, changing=True)
    with pytest.raises(NotImplementedError, match="batch_size=None is certified"):
        solvers.Extragradient(batch_size=2).certified_rate(affine(), STAR)
