"""DADAO's first and second moments, exactly.

For f_i(x) = h_i x^2 / 2 in one dimension, E[u u'] obeys a linear equation whose operator is built here from
the solver's own constants: no sampling error, and many wrong variants, which converge, show.
"""

import numpy as np
import pytest
from scipy.linalg import expm

from gossamer import graphs, problems, solvers
from gossamer.kernels.events import reference


def scalar_problem(h):
    h = np.asarray(h, float)
    return problems.Quadratic(h.reshape(-1, 1, 1), np.zeros((h.size, 1)))


class Moments:
    """Generators of E[u] and E[u u'] on (X, X~, Y, Y~, Z, Z~) with the sums of Z and Z~ at zero."""

    def __init__(self, h, graph, solver):
        n = len(h)
        self.parameters = solver.parameters(scalar_problem(h), graph)
        c, rates = self.parameters.constants, self.parameters.rates
        flow = np.kron(reference.flow_matrix(c), np.eye(n))
        x, xt, y, yt, z, zt = np.arange(6 * n).reshape(6, n)
        jumps = []
        for i in range(n):
            g = np.zeros(6 * n)
            g[x[i]], g[yt[i]] = h[i] - c.nu, -1.0
            jump = np.eye(6 * n)
            jump[x[i]] -= c.gamma * g
            jump[xt[i]] -= c.gamma_tilde * g
            jump[yt[i]] += (c.delta + c.delta_tilde) * g
            jumps.append((1.0, jump))
        for (i, j), rate in zip(graph.edges, rates, strict=True):
            m = np.zeros(6 * n)
            m[[y[i], z[i]]], m[[y[j], z[j]]] = 1.0, -1.0
            jump = np.eye(6 * n)
            for node, sign in ((i, 1.0), (j, -1.0)):
                jump[z[node]] -= sign * c.beta * m
                jump[zt[node]] -= sign * c.beta_tilde * m
            jumps.append((rate, jump))
        zero_sum = np.linalg.svd(np.ones((1, n)))[2][1:].T
        basis = np.zeros((6 * n, 6 * n - 2))
        basis[: 4 * n, : 4 * n] = np.eye(4 * n)
        basis[4 * n : 5 * n, 4 * n : 5 * n - 1] = zero_sum
        basis[5 * n :, 5 * n - 1 :] = zero_sum
        flow = basis.T @ flow @ basis
        jumps = [(rate, basis.T @ jump @ basis) for rate, jump in jumps]
        one = np.eye(len(flow))
        self.n = n
        self.first = flow + sum(rate * (jump - one) for rate, jump in jumps)
        self.second = np.kron(flow, one) + np.kron(one, flow)
        for rate, jump in jumps:
            self.second += rate * (np.kron(jump, jump) - np.eye(len(one) ** 2))

    @property
    def mean_rate(self):
        return -np.linalg.eigvals(self.first).real.max()

    @property
    def mean_square_rate(self):
        return -np.linalg.eigvals(self.second).real.max()

    def mean_square(self, x0, t):
        """E |X_t|^2 / n from X_0 = x0 and all other variables zero."""
        u = np.zeros(len(self.first))
        u[: self.n] = x0
        p = (expm(self.second * t) @ np.kron(u, u)).reshape(u.size, u.size)
        return np.trace(p[: self.n, : self.n]) / self.n


REFERENCE_CASE = [1.0, 3.0, 10.0, 5.0]
CYCLE = graphs.cycle(4)


def scaled(h, graph, scale):
    """DADAO at a multiple of the smallest admissible uniform rates."""
    rates = solvers.DADAO().parameters(scalar_problem(h), graph).rates
    return solvers.DADAO(rates=scale * rates, check_rates=False)


def test_reference_case():
    moments = Moments(REFERENCE_CASE, CYCLE, solvers.DADAO())
    assert moments.parameters.total_rate == pytest.approx(np.sqrt(6), rel=1e-12)
    assert moments.mean_rate == pytest.approx(0.0229549, abs=1e-7)
    assert moments.mean_square_rate == pytest.approx(0.0459047, abs=1e-7)


@pytest.mark.parametrize(
    ("scale", "rate"),
    [(0.5, -0.48076), (0.8, -0.04393), (0.85, 0.01619), (0.9, 0.045887), (2, 0.045920), (4, 0.045943)],
)
def test_condition_on_the_rates_is_tight(scale, rate):
    moments = Moments(REFERENCE_CASE, CYCLE, scaled(REFERENCE_CASE, CYCLE, scale))
    assert moments.mean_square_rate == pytest.approx(rate, abs=1e-5)
    assert moments.mean_rate == pytest.approx(0.02295, abs=1e-4)  # only the second moment shows it


@pytest.mark.parametrize(
    ("kappa", "cycle_rate", "complete_rate"),
    [
        (1.0001, 0.14276, 0.14266),
        (2.5, 0.08948, 0.08745),
        (10, 0.046257, 0.044448),
        (100, 0.015749, 0.014960),
        (1000, 0.0052581, 0.0050141),
    ],
)
def test_mean_square_rates_and_the_bound(kappa, cycle_rate, complete_rate):
    for graph, expected in ((CYCLE, cycle_rate), (graphs.complete(5), complete_rate)):
        moments = Moments(np.geomspace(1.0, kappa, graph.n_nodes), graph, solvers.DADAO())
        assert moments.mean_square_rate == pytest.approx(expected, rel=5e-4)
        margin = moments.mean_square_rate / moments.parameters.decay_rate
        assert 1.55 < margin < 1.9


@pytest.mark.parametrize(
    ("change", "rate"),
    [
        ({"beta": 1.0}, -0.508),
        ({"beta": 0.75}, 0.0310),
        ({"beta": 0.25}, 0.0459),
        ({"delta": 0.0}, 0.0464),
        ({"delta_tilde": 0.0}, 0.0561),
    ],
)
def test_wrong_variants_look_as_they_should(change, rate):
    theory = solvers.DADAO().parameters(scalar_problem(REFERENCE_CASE), CYCLE).constants
    moments = Moments(REFERENCE_CASE, CYCLE, solvers.DADAO(constants=theory._replace(**change)))
    assert moments.mean_square_rate == pytest.approx(rate, abs=6e-4 if rate > -0.1 else 2e-3)


def sampled_mean_square(solver, x0, t, n_runs):
    """Mean and standard error of |X_t|^2 / n over runs of the compiled solver."""
    problem = scalar_problem(REFERENCE_CASE)
    values = np.empty(n_runs)
    for seed in range(n_runs):
        state = solver.init(problem, CYCLE, x0.reshape(4, 1), rng=seed)
        solver.advance(state, problem, CYCLE, 10**9, max_time=t)
        values[seed] = (solver.iterates(state, problem, CYCLE) ** 2).mean()
    return values.mean(), values.std() / np.sqrt(n_runs)


X0 = np.array([1.0, -2.0, 0.5, 3.0])


@pytest.mark.parametrize("t", [2.0, 10.0, 40.0])
def test_compiled_runs_have_the_exact_second_moment(t):
    moments = Moments(REFERENCE_CASE, CYCLE, solvers.DADAO())
    mean, error = sampled_mean_square(solvers.DADAO(), X0, t, 400)
    assert abs(mean - moments.mean_square(X0, t)) < 4 * error
    assert error < 0.01 * mean


def test_mean_square_diverges_at_half_the_rate_and_converges_at_the_rate():
    half = scaled(REFERENCE_CASE, CYCLE, 0.5)
    start = (X0**2).mean()
    mean, error = sampled_mean_square(half, X0, 40.0, 600)
    assert mean > 1000 * start
    assert abs(mean - Moments(REFERENCE_CASE, CYCLE, half).mean_square(X0, 40.0)) < 5 * error
    at_rate, _ = sampled_mean_square(solvers.DADAO(), X0, 40.0, 200)
    assert at_rate < 0.2 * start
