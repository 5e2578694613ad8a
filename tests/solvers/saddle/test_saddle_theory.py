"""Saddle methods where the operators are monotone and no more, and MASHA2's theorem, term by term."""

import math

import numpy as np
import pytest

from gossamer import graphs, problems, solvers
from gossamer.kernels.compression import QSGD, Identity, Natural, PermK, RandK, ScaledSign, TopK
from gossamer.solvers.saddle.feedback import Memories

N = 5
STAR = graphs.star(N)


def rotation(p, *, l2=0.0, sizes=None, seed=0):
    """F(x, y) = (S y + a_i, -S x - b_i) with S diagonal, the same at all nodes but for a_i and b_i."""
    rng = np.random.default_rng(seed)
    A = np.tile(np.diag(np.ones(p) if sizes is None else sizes), (N, 1, 1))
    return problems.BilinearSaddle(A, *rng.normal(size=(2, N, p)), l2=l2)


def samples():
    rng = np.random.default_rng(2)
    d, m = 6, 8
    G = rng.normal(size=(N * m, d, d))
    H = np.einsum("mij,mkj->mik", G, G) / d + G - G.transpose(0, 2, 1) + 0.3 * np.eye(d)
    return problems.AffineOperator(H, rng.normal(size=(len(H), d)), np.arange(N + 1) * m)


def robust():
    rng = np.random.default_rng(4)
    X, y = rng.normal(size=(40, 3)) / 2, rng.normal(size=40)
    return problems.RobustLeastSquares.from_data(X, y, N, perturbation=0.5, radius=1.0, penalty=1.5, l2=0.1)


def game(entropic):
    noise = np.random.default_rng(0).normal(size=(N, 3, 3))
    noise -= noise.mean(axis=0)
    return problems.MatrixGame([[0, -1, 1], [1, 0, -1], [-1, 1, 0]] + noise, entropic=entropic)


PROBLEMS = {
    "bilinear": problems.BilinearSaddle.random(N, 5, l2=0.5, rng=4),
    "affine": samples(),
    "robust": robust(),
    "game": game(False),
    "entropic": game(True),
    "objectives": problems.Quadratic.random(N, 6, condition_number=5.0, rng=1),
    "rotation": rotation(6),
    "one rotation": rotation(1),
    "ill-conditioned": rotation(4, sizes=[1.0, 0.3, 0.1, 0.03]),
    "hardly monotone": rotation(4, l2=1e-3, sizes=[1.0, 0.3, 0.1, 0.03]),
    "monotone games that differ": problems.BilinearSaddle.random(N, 5, l2=0.0, least=0.5, most=3.0, rng=1),
}
WEAK = RandK(0.5, scaled=False)  # with twice the step of MASHA2 it diverges on rotations
METHODS = [
    solvers.Extragradient(),
    solvers.OptimisticGradient(),
    solvers.MASHA1(RandK(0.5)),
    solvers.MASHA1(PermK(N), QSGD(3)),
    solvers.MASHA2(WEAK),
    solvers.MASHA2(TopK(0.3)),
    solvers.MASHA2(TopK(0.7), TopK(0.7)),
    solvers.MASHA2(Natural(scaled=False), participants=3),
    solvers.MASHA2(ScaledSign(), tau=0.6),
    solvers.DIANASGDA(RandK(0.5)),
]


def short(solver):
    return f"{type(solver).__name__} {getattr(solver, 'compressor', '')}"


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("solver", METHODS, ids=short)
def test_default_steps_never_diverge(solver, name):
    """The residual falls and never grows much on the way, or the method says what it lacks."""
    problem = PROBLEMS[name]
    if isinstance(solver, solvers.MASHA2) and problem.blocks:
        with pytest.raises(ValueError, match="MASHA2 has no projection"):
            solver.init(problem, STAR)
        return
    if isinstance(solver, solvers.DIANASGDA) and problem.strong_convexity == 0.0:
        with pytest.raises(ValueError, match="circles around the solution of a rotation"):
            solver.init(problem, STAR)
        return
    start = np.full(problem.dim, 1 / 3) + 0.2 * (np.arange(problem.dim) % 3 - 1)
    limit = 6000 if isinstance(solver, solvers.MASHA2) else 2000
    result = solver.solve(problem, STAR, start, tol=1e-7, max_events=limit, record_every=20)
    residuals = result.trace["optimality"]
    assert result.status in ("converged", "max_events")
    assert residuals.max() <= 10 * residuals[0]
    slow = "ill" in name or "hardly" in name or "ScaledSign" in short(solver) or "DIANA" in short(solver)
    assert residuals[-1] < (1.0 if slow else 0.3) * residuals[0]


@pytest.mark.parametrize("compressor", [WEAK, TopK(0.5), ScaledSign(), QSGD(2, scaled=False)], ids=str)
@pytest.mark.parametrize("p", [1, 4])
def test_masha2_bears_its_step_on_rotations(compressor, p):
    problem = rotation(p)
    solver = solvers.MASHA2(compressor)
    step = solver.parameters(problem, STAR)["step"]
    rounds = int(40 / (step * problem.lipschitz) ** 2)
    result = solver.solve(problem, STAR, tol=1e-9, max_events=min(rounds, 60_000), record_every=100)
    assert result.trace["optimality"][-1] < 1e-3 * result.trace["optimality"][0]


def test_the_step_that_masha2_had_diverges_on_a_rotation():
    problem = rotation(5)
    old = math.sqrt(0.5) * min(2 * 0.5 / math.hypot(1, 1 / math.sqrt(N)), math.sqrt(0.5))
    result = solvers.MASHA2(WEAK, step=old).solve(problem, STAR, tol=0, max_events=4000)
    assert result.trace["optimality"][-1] > 100 * result.trace["optimality"][0]
    assert solvers.MASHA2(WEAK).parameters(problem, STAR)["step"] < old / 2


# -- the theorem -------------------------------------------------------------------------------------------

MEMORIES = [
    Memories(0.5, 1.0, 1.0),
    Memories(0.05, 1.0, 1.0),
    Memories(1.0, 0.3, 1.0),
    Memories(0.3, 1.0, 2.5),
    Memories(0.6, 0.4, 1.0),
    Memories(0.1, 0.2, 3.0),
]


@pytest.mark.parametrize("memories", MEMORIES, ids=str)
def test_the_price_is_the_maximum_of_the_form_and_its_weights_the_best(memories):
    rng = np.random.default_rng(0)
    for tau in (0.5, 0.8, 0.99):
        c, s = memories.weights(tau)
        price = memories.price((c, s), 1 / tau)
        b, b_s, k = 1 - memories.nodes, 1 - memories.server, 1 + math.sqrt(1 - memories.nodes)
        largest = 0.0
        u, v = np.exp(rng.uniform(-8, 12, size=(2, 20_000)))
        u, v = u * (b > 0), v * (b_s > 0)  # without errors, memories are empty
        total = memories.ratio * u + v
        form = total**2 / tau + 2 * total + 1 + c * (b * (u + 1) ** 2 - u**2)
        form += s * (b_s * (v + k * (u + 1)) ** 2 - v**2)
        largest = max(form.max(), 1.0)
        assert largest <= price * (1 + 1e-9)
        assert largest >= 0.7 * price
        for factor in (0.97, 1.03):
            assert memories.price((c * factor, s), 1 / tau) >= price * (1 - 1e-6)
            assert memories.price((c, s * factor), 1 / tau) >= price * (1 - 1e-6)
    assert Memories(0.5, 1.0, 1.0).price(Memories(0.5, 1.0, 1.0).weights(0.5), 2.0) == pytest.approx(
        1.5 / (1 - math.sqrt(0.5)) ** 2
    )


@pytest.mark.parametrize("l2", [0.0, 0.3])
@pytest.mark.parametrize(
    "solver",
    [
        solvers.MASHA2(WEAK),
        solvers.MASHA2(TopK(0.3)),
        solvers.MASHA2(TopK(0.5), WEAK),
        solvers.MASHA2(WEAK, participants=2),
    ],
    ids=str,
)
def test_one_round_shrinks_the_lyapunov_function(solver, l2):
    """On average over draws from random states; the coin's part of the mean is taken exactly."""
    problem = problems.BilinearSaddle.random(N, 4, l2=l2, least=0.5, most=2.0, rng=3)
    z_star, mu, d = problem.solution(), problem.strong_convexity, problem.dim
    values = solver.parameters(problem, STAR)
    step, tau = values["step"], values["tau"]
    b = solver.participants or N
    c, s = Memories(solver.compressor.contraction(d), solver.server_compressor.contraction(d), N / b).weights(
        tau
    )

    def lyapunov(z, w, E, e):
        y = z - e - E.sum(axis=0) / b - z_star
        return np.sum(y**2) + np.sum((w - z_star) ** 2) + c * N / b * np.sum(E**2) / N + s * np.sum(e**2)

    rng = np.random.default_rng(0)
    for scale in (0.0, 0.1, 1.0):  # of the memories
        z, w = z_star + rng.normal(size=(2, d))
        E, e = scale * rng.normal(size=(N, d)), scale * rng.normal(size=d)
        if solver.server_compressor.contraction(d) == 1.0:
            e[:] = 0.0
        F = np.array([problem.operator(i, w) for i in range(N)])
        state, found = solver.init(problem, STAR, rng=7), []
        for k in range(300):
            state.arrays["shared"][:] = z, w, F.mean(axis=0), e
            state.arrays["rows"][:] = F, E
            state.n_events = 1 + k
            solver.advance(state, problem, STAR)
            following, memories, kept = (
                state.arrays["shared"][0],
                state.arrays["rows"][1],
                state.arrays["shared"][3],
            )
            moved = (1 - tau) * lyapunov(following, z, memories, kept)
            found.append(moved + tau * lyapunov(following, w, memories, kept))
        error = 4 * np.std(found) / math.sqrt(len(found))
        before = lyapunov(z, w, E, e)
        assert np.mean(found) <= (1 - step * mu / 2) * before + error
        assert error < 0.1 * before


def test_steps_of_strongly_monotone_problems_meet_their_condition():
    for l2 in (1e-6, 0.1, 2.0):
        problem = rotation(3, l2=l2)
        for solver in (
            solvers.MASHA2(TopK(0.5)),
            solvers.MASHA2(Identity()),
            solvers.MASHA2(TopK(0.5), WEAK),
        ):
            values = solver.parameters(problem, STAR)
            step, tau = values["step"], values["tau"]
            assert solver._holds(problem, step / 0.9 * 0.999, tau)
            assert not solver._holds(problem, step / 0.9 * 1.001, tau)
            assert solver.certified_rate(problem, STAR) < 1.0
    assert solvers.MASHA2(TopK(0.5), step=1.0).certified_rate(problem, STAR) == math.inf
    with pytest.raises(ValueError, match="no theory for step"):
        solvers.MASHA2(TopK(0.5), tau=0.0).parameters(problem, STAR)
