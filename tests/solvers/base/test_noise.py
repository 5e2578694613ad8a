"""What noise of mini-batches leaves: theorems on it against exact second moments, and what runs say of it."""

import dataclasses
import itertools

import hostile_sets
import numpy as np
import pytest

from gossamer import graphs, problems, solvers
from gossamer.kernels.aggregation import Mean
from gossamer.kernels.compression import RandK, TopK
from gossamer.solvers.base.noise import noise_floor

CYCLE, STAR = graphs.cycle(4), graphs.star(4)
NAMED = hostile_sets.named()
REMEDY = "smaller step or batches of more rows, averaging, or variance reduction"


# -- floors ------------------------------------------------------------------------------------------------


def test_floors_are_those_of_the_theorem():
    assert noise_floor(1.0 / 8.0, 8.0, 2.0, 3.0) == pytest.approx(5.8284271 * 3.0 / 8.0 / 2.0)
    assert noise_floor(1.0 / 8.0, 8.0, 2.0, 3.0) < 6.0 * 3.0 / 8.0 / 2.0
    assert noise_floor(1.0 / 16.0, 8.0, 2.0, 3.0) == pytest.approx(2.0 * 3.0 / 16.0 / 2.0)
    assert noise_floor(1e-9, 8.0, 2.0, 3.0) == pytest.approx(0.5e-9 * 3.0 / 2.0, rel=1e-3)
    assert noise_floor(0.25, 8.0, 2.0, 3.0) == noise_floor(0.1, 8.0, 0.0, 3.0) == np.inf
    assert noise_floor(0.25, 8.0, 0.0, 0.0) == 0.0


@pytest.mark.parametrize("q", [0.1, 0.5, 1.0, 1.6])
def test_floors_bound_the_exact_second_moment(q):
    # one node, d = 1: E y^2 <- E (1 - s h)^2 E y^2 + cross + s^2 E g*^2, y = x - x*, over single rows
    rng = np.random.default_rng(0)
    for _ in range(200):
        a = rng.standard_t(1.5, size=6)
        b = rng.standard_t(1.5, size=6)
        problem = problems.LeastSquares(a[:, None], b, [0, 6])
        L, mu = problem.expected_smoothness(1), problem.strong_convexity
        x_star, s = problem.solution()[0], q / problem.expected_smoothness(1)
        errors = a * (a * x_star - b)
        # the mean of y vanishes, and so does the cross term in the limit
        left = np.mean((1.0 - s * a**2) ** 2)
        assert left < 1.0
        exact = s**2 * np.mean(errors**2) / (1.0 - left)
        assert exact <= noise_floor(s, L, mu, problem.gradient_noise(1, [x_star])) * (1 + 1e-9)


# -- theorems for operators, and for the same batch at two points -------------------------------------------


def rotations(seed, mu):
    rng = np.random.default_rng(seed)
    turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    sizes = rng.standard_t(2.0, size=6)
    H = mu * np.eye(2) + sizes[:, None, None] * turn + 0.3 * rng.normal(size=(6, 2, 2))
    H += (mu - np.linalg.eigvalsh((H.mean(0) + H.mean(0).T) / 2)[0]) * np.eye(2)
    return problems.AffineOperator(H, rng.normal(size=(6, 2)), [0, 3, 6])


def draws(problem):
    """The matrices of the mean operator over all draws of one row a node."""
    return [(problem.H[i] + problem.H[3 + j]) / 2 for i, j in itertools.product(range(3), repeat=2)]


def second_moment_radius(matrices):
    """Spectral radius of E[M x M]: of the squares of the linear part of a random recursion."""
    return np.abs(np.linalg.eigvals(np.mean([np.kron(M, M) for M in matrices], axis=0))).max()


@pytest.mark.parametrize("mu", [0.02, 0.3, 2.0])
def test_extragradient_contracts_in_mean_square(mu):
    eye, worst = np.eye(2), 0.0
    for seed in range(20):
        problem = rotations(seed, mu)
        graph, H = graphs.path(2), draws(problem)

        def radius(s, H=H):
            return second_moment_radius([eye - s * B @ (eye - s * A) for A in H for B in H])

        step = solvers.Extragradient(batch_size=1).parameters(problem, graph)["step"]
        assert radius(step) <= 1.0 - step * problem.strong_convexity / 2 + 1e-12
        full = solvers.Extragradient().parameters(problem, graph)["step"]
        worst = max(worst, radius(full))
    if mu < 1.0:
        assert worst > 1.0  # the step of all rows does not


@pytest.mark.parametrize("mu", [0.02, 0.3, 2.0])
def test_optimistic_gradients_contract_in_mean_square(mu):
    eye = np.eye(2)
    for seed in range(20):
        problem = rotations(seed, mu)
        step = solvers.OptimisticGradient(batch_size=1).parameters(problem, graphs.path(2))["step"]
        matrices = [np.block([[eye - 2 * step * A, step * eye], [A, 0 * eye]]) for A in draws(problem)]
        assert second_moment_radius(matrices) <= 1.0 - step * problem.strong_convexity / 2


def test_operators_without_strong_monotonicity_ask_for_a_step_with_batches():
    turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    problem = problems.AffineOperator([turn, 3 * turn, turn, turn], np.zeros((4, 2)), [0, 2, 4])
    for method in (solvers.Extragradient, solvers.OptimisticGradient):
        assert method().parameters(problem, graphs.path(2))["step"] > 0.0
        with pytest.raises(ValueError, match="no theory for step here: set it"):
            method(batch_size=1).solve(problem, graphs.path(2))


@pytest.mark.parametrize("b", [1, 2, 19])
def test_marina_knows_the_variance_of_its_messages(b):
    # RandK has E|C(v)|^2 = (1 + omega) |v|^2: all is exact but the two bounds on |v|
    solver = solvers.MARINA(RandK(1), batch_size=b)
    values, omega = solver.parameters(NAMED, STAR), RandK(1).omega(3)
    L, p = NAMED.smoothness, values["probability"]
    spread = (1.0 / (L * values["step"]) - 1.0) ** 2 / 2.0
    constant = spread * p / (1.0 - p) * L**2  # E|mean C(v_i) - mean E v_i|^2 <= constant |x - y|^2
    rows = NAMED.features.reshape(4, 20, 3)
    hessians = np.einsum("ija,ijb->ijab", rows, rows)
    whole = hessians.mean(axis=1)
    c = (20 - b) / (b * 19)
    noise = c * (np.einsum("ijab,ijbc->iac", hessians, hessians) / 20 - whole @ whole)
    exact = ((1.0 + omega) * noise + omega * whole @ whole).sum(axis=0) / 16
    largest = np.linalg.eigvalsh(exact)[-1]
    assert 0.25 * constant <= largest <= constant
    # the step of full gradients is larger, and with single rows by far too large for the theorem
    assert values["step"] < solvers.MARINA(RandK(1)).parameters(NAMED, STAR)["step"]


# -- what runs say -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("solver", "graph"),
    [
        (solvers.DGD(batch_size=2), CYCLE),
        (solvers.NIDS(batch_size=2), CYCLE),
        (solvers.DADAO(batch_size=2), CYCLE),
        (solvers.EF21(TopK(1), batch_size=2), STAR),
        (solvers.RobustSGD(Mean()), STAR),
    ],
)
def test_runs_that_noise_holds_up_say_so(solver, graph):
    solver = dataclasses.replace(solver, batch_size=2)
    for limit in ({"max_events": 300}, {"max_time": 300.0}):
        result = solver.solve(NAMED, graph, **limit)
        assert result.status in limit
        assert "noise floor: mean squared distance up to" in result.message
        assert REMEDY in result.message
    # not where the tolerance is within reach, or where there is no noise
    assert "noise" not in solver.solve(NAMED, graph, tol=1e9, max_events=300).message
    full = dataclasses.replace(solver, batch_size=20)
    assert "noise" not in full.solve(NAMED, graph, max_events=300).message


@pytest.mark.parametrize(
    "solver", [solvers.MARINA(RandK(1), batch_size=1), solvers.MASHA1(RandK(1), batch_size=1)]
)
def test_methods_whose_noise_vanishes_say_nothing(solver):
    result = solver.solve(NAMED, STAR, max_events=50)
    assert result.status == "max_events"
    assert "noise" not in result.message
    assert solver.solve(NAMED, STAR).success


def test_floors_above_the_start_are_called_so():
    x_star = NAMED.solution()
    near = solvers.DGD(batch_size=1).solve(NAMED, CYCLE, x_star + 1e-3, x_star=x_star, max_events=500)
    assert "which exceeds the start's" in near.message
    far = solvers.DGD(batch_size=1).solve(NAMED, CYCLE, x_star + 100.0, x_star=x_star, max_events=500)
    assert "exceeds" not in far.message
    # without x_star the start's distance is only bounded, by |grad f| / mu
    assert "exceeds" not in solvers.DGD(batch_size=1).solve(NAMED, CYCLE, x_star + 1, max_events=500).message
    nearer = x_star + 1e-9 * np.ones(3)
    assert "exceeds" in solvers.DGD(batch_size=1).solve(NAMED, CYCLE, nearer, max_events=500).message


def test_a_decaying_step_lowers_the_floor():
    def floor(solver):
        message = solver.solve(NAMED, CYCLE, max_events=1000, x_star=NAMED.solution()).message
        return float(message.split("up to ")[1].split(" ")[0])

    assert floor(solvers.DGD(step_decay=0.1, batch_size=4)) < 0.03 * floor(solvers.DGD(batch_size=4))


def test_rows_that_agree_leave_no_floor():
    A = np.tile([[1.0, 0.0], [0.0, 2.0]], (6, 1))
    problem = problems.LeastSquares(A, A @ [1.0, -1.0], [0, 4, 8, 12])
    result = solvers.NIDS(batch_size=1).solve(problem, graphs.path(3))
    assert result.success  # all rows share the solution: noise vanishes there
