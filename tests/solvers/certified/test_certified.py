"""Certified rates: against exact arithmetic, semidefinite programmes, the worst quadratics, and real runs."""

import functools
from fractions import Fraction

import numpy as np
import pytest

from gossamer import graphs, problems, solvers
from gossamer.kernels import compression, prox
from gossamer.solvers.certified import changing, design, loops

EXTRA, NIDS, SVL = solvers.EXTRA(), solvers.NIDS(), solvers.SVL()
TRACKING = [solvers.GradientTracking(form=form) for form in ("semi_atc", "atc", "non_atc")]
METHODS = [EXTRA, NIDS, *TRACKING]
GRID = [
    (kappa, spectrum)
    for kappa in (2.0, 10.0, 100.0)
    for spectrum in ((-0.5, 0.5), (-0.9, 0.9), (0.0, 0.99), (-0.2, 0.8))
]


def name(value):
    if isinstance(value, solvers.GradientTracking):
        return f"GradientTracking-{value.form}"
    return type(value).__name__ if isinstance(value, solvers.Solver) else str(value)


def default_step(method, kappa, spectrum):
    return loops.best_step(method._loop({}), kappa, *spectrum)


# -- the criterion in exact arithmetic ---------------------------------------------------------------------


def meets(loop, kappa, lam, step, rho):
    """Whether one loop meets the circle criterion at this rate; all arguments are fractions."""
    g, p, q = (sum((Fraction(c) * lam**k for k, c in enumerate(poly)), Fraction(0)) for poly in loop)

    def closed(gain):  # z^2 + s z + t
        return p + gain * step * g - 2, 1 - p - gain * step * g + q

    (s1, t1), (sm, tm) = closed(Fraction(1)), closed(1 / kappa)
    s, t = closed((1 + 1 / kappa) / 2)
    if not (abs(t) <= rho**2 and abs(s) * rho <= rho**2 + t):  # zeros within |z| <= rho
        return False
    # Re[P_1(z) conj(P_m(z))] on |z| = rho, in c = cos(theta): a c^2 + b c + e
    a = 2 * rho**2 * (t1 + tm)
    b = rho**3 * (s1 + sm) + rho * (s1 * tm + t1 * sm)
    e = rho**4 + s1 * sm * rho**2 + t1 * tm - rho**2 * (t1 + tm)
    lowest = [a + b + e, a - b + e]
    if a > 0 and abs(b) < 2 * a:
        lowest.append(e - b * b / (4 * a))
    return min(lowest) >= 0


def exact(kappa, step, *spectrum):
    low, high = map(Fraction, spectrum)
    lams = [1 - high + (high - low) * Fraction(k, 24) for k in range(25)]
    return Fraction(kappa), Fraction(step), lams


def is_proven(loop, kappa, spectrum, step, rate):
    """All of 25 eigenvalues meet the criterion, and so does the mean, which does gradient descent."""
    kappa, step, lams = exact(kappa, step, *spectrum)
    rho = Fraction(rate)
    mean = max(1 - step / kappa, step - 1)
    return rho >= mean and all(meets(loop, kappa, lam, step, rho) for lam in lams)


HOSTILE = [
    (1.0, (0.0, 0.0)),
    (1.0, (-0.5, 0.5)),
    (1.0 + 1e-9, (-0.5, 0.5)),
    (3.0, (0.3, 0.3)),
    (10.0, (-0.999999, 0.1)),
    (10.0, (-0.9, 0.999999)),
    (1e3, (-0.99, 0.9999)),
    (1e6, (-0.3, 0.3)),
    (1e8, (0.0, 0.0)),
    (1e5, (0.9, 0.99999)),
]


@pytest.mark.parametrize("method", METHODS, ids=name)
def test_rates_are_proven_by_exact_arithmetic_and_tight(method):
    """At the certified rate the criterion holds exactly, and a little below it does not."""
    loop, rng = method._loop({}), np.random.default_rng(7)
    cases = [*HOSTILE, *((10 ** rng.uniform(0, 4), tuple(np.sort(rng.uniform(-1, 1, 2)))) for _ in range(25))]
    certified = 0
    for kappa, spectrum in cases:
        best = default_step(method, kappa, spectrum)
        for step in (
            best,
            best * rng.uniform(0.01, 1.0),
            loops.edge(loop, *spectrum) * rng.uniform(0.5, 1.0),
        ):
            if not step > 0.0:
                continue
            rate = loops.rate(loop, kappa, *spectrum, step)
            if rate == np.inf:
                continue
            certified += 1
            assert rate < 1
            assert is_proven(loop, kappa, spectrum, step, rate), (kappa, spectrum, step)
            below = 1 - Fraction(1 - rate) * Fraction(10**6 + 1, 10**6)
            if not (kappa < 1.001 or len(loops.worst_eigenvalues(loop, kappa, *spectrum, step))):
                assert not is_proven(loop, kappa, spectrum, step, below), (kappa, spectrum, step)
    assert certified > 60


@pytest.mark.parametrize(("kappa", "spectrum"), HOSTILE, ids=str)
def test_rates_reach_up_to_one(kappa, spectrum):
    """EXTRA with a small step is certified by 1 - step mu, down to gaps of 1e-9."""
    for gap in (1e-3, 1e-6, 2e-9):
        step = gap * kappa
        if step > 1e-3 * (1 - spectrum[1]):
            continue
        rate = solvers.certified_rate(EXTRA, kappa, spectrum, step=step)
        assert 1 - rate == pytest.approx(gap, rel=1e-6)
        assert rate >= 1 - Fraction(step) / Fraction(kappa)


def test_every_eigenvalue_counts():
    """Parameters that are good at both ends and unstable between them have no certificate."""
    loop = design.loop(1.8999, 2.0, 0.5263)
    ends = np.array([0.1, 1.9])
    g, p, q = (value[None, :] for value in loops._values(loop, ends))
    assert loops.gaps(1.9 * g, p, q, 0.1, np.array([0.1]))[0] > 0.08
    assert loops.rate(loop, 10.0, -0.9, 0.9, 1.9) == np.inf
    # and where they are worse than the ends, but stable, the rate is theirs
    loop, step, (low, high) = design.loop(2.0752, 2.3524, 0.6667), 0.9226, (-0.5, 0.9)
    found = loops.rate(loop, 2.0, low, high, step)
    at_ends = max(loops.rate(loop, 2.0, w, w, step) for w in (low, high))
    dense = max(loops.rate(loop, 2.0, w, w, step) for w in np.linspace(low, high, 201))
    assert at_ends < 0.77 < 0.79 < dense
    assert dense - 1e-6 < found < dense + 1e-4
    assert loops.worst_eigenvalues(loop, 2.0, low, high, step)
    for method in METHODS:
        step = default_step(method, 10.0, (-0.9, 0.9))
        for w in np.linspace(-0.9, 0.9, 31):
            rate = loops.rate(method._loop({}), 10.0, -0.9, 0.9, step)
            assert loops.rate(method._loop({}), 10.0, w, w, step) <= rate * (1 + 1e-12)


# -- semidefinite programmes -------------------------------------------------------------------------------


def is_feasible(plant, kappa, lam, rho):
    """Whether a quadratic form proves this rate for v = lam z, by cvxpy; L = kappa and mu = 1."""
    import cvxpy as cp

    A, B, Cy, Dy, Cz, Dz = (np.array(part, float) for part in plant)
    n, nz = len(A), len(Cz)
    # v from the state and u: v = lam (Cz x + Dz (u, v))
    closing = np.linalg.solve(np.eye(nz) - lam * Dz[:, 1:], lam * np.hstack([Cz, Dz[:, :1]]))
    T = np.vstack([np.eye(n + 1), closing])
    ahead, y, u = np.hstack([A, B]) @ T, (np.hstack([Cy, Dy]) @ T)[0], np.eye(n + 1)[n]
    sector = np.outer(u - y / kappa, y - u)
    P, state = cp.Variable((n, n), symmetric=True), np.eye(n, n + 1)
    margin = cp.Variable()
    t = cp.Variable(nonneg=True)
    lmi = ahead.T @ P @ ahead - rho**2 * state.T @ P @ state + t * (sector + sector.T)
    wanted = [(lmi + lmi.T) / 2 << margin * np.eye(n + 1), P >> 0, cp.trace(P) + t == 1]
    cp.Problem(cp.Minimize(margin), wanted).solve(solver="CLARABEL")
    return margin.value < -1e-9


@pytest.mark.parametrize("method", METHODS, ids=name)
def test_rates_equal_those_of_semidefinite_programmes(method):
    for kappa, spectrum in ((10.0, (-0.5, 0.5)), (100.0, (-0.9, 0.9)), (10.0, (0.0, 0.9))):
        best = default_step(method, kappa, spectrum)
        for step in (best, 0.3 * best):
            rate = solvers.certified_rate(method, kappa, spectrum, step=step)
            plant, gap = method._plant({"step": step}), 1 - rate
            lams = [1 - w for w in spectrum]
            assert all(is_feasible(plant, kappa, lam, 1 - gap * (1 - 1e-3)) for lam in lams)
            mean = max(1 - step / kappa, step - 1)
            assert rate == pytest.approx(mean, abs=1e-8) or not all(
                is_feasible(plant, kappa, lam, 1 - gap * (1 + 1e-3)) for lam in lams
            )


def test_known_rates():
    rate = functools.partial(solvers.certified_rate, kappa=10.0, spectrum=(-0.5, 0.5))
    semi, atc, non = TRACKING
    for method, step, expected in (
        (NIDS, 1.0, 0.9),
        (NIDS, 20 / 11, 0.8546),
        (EXTRA, 0.5, 0.95),
        (EXTRA, 0.7, 0.93),
        (semi, 0.25, 0.975),
        (atc, 0.139, 0.9861),
    ):
        assert rate(method, step=step) == pytest.approx(expected, abs=2e-4)
    for method, step, expected in (
        (EXTRA, 0.8098, 0.91902),
        (NIDS, 1.6139, 0.83861),
        (semi, 0.8001, 0.91999),
        (atc, 0.4273, 0.95727),
    ):
        assert default_step(method, 10.0, (-0.5, 0.5)) == pytest.approx(step, rel=1e-3)
        assert rate(method) == pytest.approx(expected, abs=1e-5)
    for sigma, method, step, expected in (
        (0.5, NIDS, 1.0, 0.95971),
        (0.5, NIDS, 20 / 11, 0.92802),
        (0.5, EXTRA, 0.5, 0.9852),
        (0.5, non, 0.0417, 0.99583),
        (0.9, non, 1 / 600, 0.99984),
        (0.9, NIDS, 1.0, np.inf),
    ):
        found = solvers.certified_rate(method, 10.0, (-sigma, sigma), step=step, changing=True)
        assert found == pytest.approx(expected, abs=3e-5)


@pytest.mark.parametrize("method", METHODS, ids=name)
def test_a_fixed_graph_is_no_worse_than_changing_ones(method):
    for kappa, sigma in ((2.0, 0.3), (10.0, 0.6), (100.0, 0.3)):
        for share in (1.0, 0.2):
            step = share * default_step(method, kappa, (-sigma, sigma))
            fixed, moving = (
                solvers.certified_rate(method, kappa, (-sigma, sigma), step=step, changing=changing)
                for changing in (False, True)
            )
            assert fixed <= moving + 1e-6


def test_rates_of_changing_graphs_hold_on_random_ones():
    """A certificate is an upper bound: no sequence of graphs and no quadratics fall more slowly."""
    rng = np.random.default_rng(3)
    n, sigma, kappa = 4, 0.6, 5.0
    values = solvers.SVL(changing=True)._best(kappa, -sigma, sigma)
    rate = solvers.certified_rate(solvers.SVL(changing=True), kappa, (-sigma, sigma), changing=True)
    assert rate < 0.9
    J = np.full((n, n), 1 / n)
    for _ in range(3):
        h = np.where(rng.random(n) < 0.5, 1 / kappa, 1.0)
        X, S, sizes = rng.normal(size=n), np.zeros(n), []
        for _ in range(40):
            M = rng.normal(size=(n, n))
            M = (np.eye(n) - J) @ (M + M.T) @ (np.eye(n) - J)
            V = X - (J + sigma * M / np.linalg.norm(M, 2)) @ X
            G = h * (X - values["delta"] * V)
            X, S = X + values["beta"] * S - values["step"] * G - values["gamma"] * V, S - V
            sizes.append(np.hypot(np.linalg.norm(X), np.linalg.norm(S)))
        assert 1e-13 < sizes[-1] < 1e-2
        assert (sizes[-1] / sizes[9]) ** (1 / 30) <= rate


# -- worst quadratics --------------------------------------------------------------------------------------


def worst_equal_quadratics(loop, kappa, spectrum, step):
    """Largest modulus of a root over curvatures and eigenvalues, where all nodes have the same quadratic."""
    g, p, q = (np.asarray(v)[:, None] for v in loops._values(loop, 1 - np.linspace(*spectrum, 31)))
    gains = step * g * np.geomspace(1 / kappa, 1.0, 200)
    s, t = p + gains - 2.0, 1.0 - p - gains + q
    root = np.sqrt((s * s - 4.0 * t).astype(complex))
    moduli = np.abs([(-s + root) / 2, (-s - root) / 2])
    return max(moduli.max(), 1.0 - step / kappa, step - 1.0)


@pytest.mark.parametrize("method", METHODS, ids=name)
def test_worst_quadratics_are_near_the_certificate(method):
    loop = method._loop({})
    for kappa, spectrum in GRID:
        best = default_step(method, kappa, spectrum)
        for share in (1.0, 0.5, 0.2):
            measured = worst_equal_quadratics(loop, kappa, spectrum, share * best)
            certified = loops.rate(loop, kappa, *spectrum, share * best)
            assert measured <= certified
            assert (1 - certified) / (1 - measured) >= 0.9


def test_worst_quadratics_attain_the_certificate_at_the_methods_own_steps():
    """At the steps of the methods' papers. (At NIDS' 1/L, kappa 10 and (-0.2, 0.8), the share is 0.92.)"""
    for kappa in (10.0, 100.0):
        for low, high in ((-0.5, 0.5), (-0.9, 0.9), (0.0, 0.9), (0.0, 0.99)):
            own = [min(0.2 * (5 + 3 * low), 1.0), 1.0, *[(1 - high) ** 2 / 6] * 3]
            for method, step in zip(METHODS, own, strict=True):
                measured = worst_equal_quadratics(method._loop({}), kappa, (low, high), step)
                certified = solvers.certified_rate(method, kappa, (low, high), step=step)
                assert measured <= certified
                assert (1 - certified) / (1 - measured) >= 0.99, (name(method), kappa, low, high)


def is_no_slower(result):
    """Best steps give double roots, and k rate^k falls more slowly than rate^k: by log(rate) + 1/k."""
    return np.log(result.trace.rate()) <= np.log(result.rate) + 2 / result.time


@pytest.mark.parametrize("method", [*METHODS, SVL], ids=name)
@pytest.mark.parametrize("graph", [graphs.cycle(7), graphs.star(6), graphs.torus_2d(3, 4)], ids=str)
def test_no_run_is_slower_than_its_certificate(method, graph):
    """Over random and equal quadratics; the last decades of the distance, fitted."""
    n = graph.n_nodes
    for kappa, heterogeneity in ((1.5, 1.0), (10.0, 0.0), (50.0, 2.0)):
        problem = problems.Quadratic.random(n, 4, condition_number=kappa, heterogeneity=heterogeneity, rng=n)
        result = method.solve(problem, graph, tol=1e-12, x_star=problem.solution(), record_every=2)
        assert result.success
        assert result.rate == method.certified_rate(problem, graph)
        assert is_no_slower(result)
    curved = np.array([1.0, 20.0])  # the worst there are: equal, and with both extreme curvatures
    problem = problems.Quadratic(np.stack([np.diag(curved)] * n), np.arange(2.0 * n).reshape(n, 2))
    result = method.solve(problem, graph, tol=1e-12, x_star=problem.solution(), record_every=5)
    assert result.success
    assert is_no_slower(result)
    assert 1 - result.rate >= 0.3 * (1 - result.trace.rate())


# -- default steps -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS, ids=name)
def test_default_steps_minimise_the_certificate_below_the_edge(method):
    loop = method._loop({})
    for kappa, spectrum in GRID:
        best, edge = default_step(method, kappa, spectrum), loops.edge(loop, *spectrum)
        assert best <= 0.95 * edge
        assert worst_equal_quadratics(loop, kappa, spectrum, 0.999 * edge) < 1
        assert worst_equal_quadratics(loop, kappa, spectrum, 1.001 * edge) > 1
        found = loops.rate(loop, kappa, *spectrum, best)
        scan = [loops.rate(loop, kappa, *spectrum, a) for a in np.geomspace(1e-2 * best, 0.95 * edge, 16)]
        assert found <= min(scan) + 1e-6 * (1 - found)


@pytest.mark.parametrize("method", [*METHODS, SVL], ids=name)
def test_default_steps_are_below_the_edge_of_real_runs(method):
    """At the default over 0.95, equal quadratics of curvature L are stable: the edge is not below it."""
    for graph in (graphs.cycle(6), graphs.star(5), graphs.complete(4)):
        W = graphs.mixing_matrix(graph).toarray()
        values, vectors = np.linalg.eigh(W)
        equal = problems.Quadratic(np.ones((graph.n_nodes, 1, 1)), np.zeros((graph.n_nodes, 1)))
        kappa = 100.0
        spectrum = (values[0], values[-2])
        numbers = method._best(kappa, *spectrum)

        def is_stable(step, numbers=numbers, vectors=vectors, equal=equal, graph=graph):
            fields = {"step": step, **{k: v for k, v in numbers.items() if k != "step"}}
            solver = solvers.SVL(**fields) if method is SVL else type(method)(**fields, **forms(method))
            start = vectors.sum(axis=1, keepdims=True)
            X = solver.solve(equal, graph, start, tol=0, max_events=2000).X
            return np.abs(X).max() < 1e3

        assert is_stable(numbers["step"] / 0.95)


def forms(method):
    return {"form": method.form} if isinstance(method, solvers.GradientTracking) else {}


def test_without_strong_convexity_the_convex_theorem_sets_the_step():
    H = np.stack([np.diag([1.0, 0.0]), np.diag([0.0, 1.0]), np.diag([1.0, 1.0])])
    problem, graph = problems.Quadratic(H, np.ones((3, 2))), graphs.path(3)
    low = np.linalg.eigvalsh(graphs.mixing_matrix(graph).toarray())[0]
    assert EXTRA.parameters(problem, graph)["step"] == pytest.approx(min(0.2 * (5 + 3 * low), 1))
    assert NIDS.parameters(problem, graph)["step"] == 1.0
    assert list(SVL.parameters(problem, graph).values()) == [1.0, 0.5, 1.0, 0.5]
    for method in (*TRACKING, solvers.SVL(changing=True)):
        with pytest.raises(ValueError, match='no theory for step here: set it, or pass step="auto"'):
            method.parameters(problem, graph)
    for method in (EXTRA, NIDS, SVL):
        result = method.solve(problem, graph, tol=1e-10, max_time=5000)
        assert result.success
        assert result.rate is None
        assert result.distance_bound is None
        with pytest.raises(
            NotImplementedError, match="it takes strong convexity or monotonicity, and strong_convexity is 0"
        ):
            method.certified_rate(problem, graph)


# -- SVL ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kappa", "spectrum"), [(10.0, (-0.9, 0.9)), (2.0, (-0.5, 0.9)), (1e3, (0.0, 0.999))]
)
def test_svl_is_never_worse_than_its_members(kappa, spectrum):
    best = min(solvers.certified_rate(method, kappa, spectrum) for method in (EXTRA, NIDS))
    found = solvers.certified_rate(SVL, kappa, spectrum)
    assert found <= best
    assert 1 - found > 1.3 * (1 - best)
    loop, values = SVL._loop(SVL._best(kappa, *spectrum)), SVL._best(kappa, *spectrum)
    assert is_proven(loop, kappa, spectrum, values["step"], found)


def test_svl_for_changing_graphs():
    method = solvers.SVL(changing=True)

    def rate(kappa, sigma):
        return solvers.certified_rate(method, kappa, (-sigma, sigma), changing=True)

    assert rate(10.0, 0.3) == pytest.approx(9 / 11, abs=2e-6)
    for kappa, sigma, bound in ((10.0, 0.6, 0.8785), (10.0, 0.9, 0.9728), (2.0, 0.9, 0.9372)):
        assert rate(kappa, sigma) <= bound
    values = method._best(10.0, -0.6, 0.6)
    assert values["delta"] == 1.0
    assert values["gamma"] == 1.0 + values["beta"]
    assert 1 - values["step"] / 10.0 == pytest.approx(rate(10.0, 0.6), abs=2e-6)
    assert values == method._best(10.0, -0.6, 0.6)


def best_changing(method, kappa, sigma):
    """Smallest certificate over steps; infinite if there is none."""
    steps = np.geomspace(1e-3, 1.9, 40)  # 0.95 of the mean's edge, like all default steps

    def rate(step):
        mean = max(1 - step / kappa, step - 1)
        return changing.rate(method._plant({"step": float(step)}), kappa, sigma, mean)

    rates = [rate(step) for step in steps]
    place = int(np.argmin(rates))
    if rates[place] == np.inf:
        return np.inf
    fine = np.geomspace(steps[max(place - 1, 0)], steps[min(place + 1, 39)], 12)
    return min(rates[place], *(rate(step) for step in fine))


@pytest.mark.slow
@pytest.mark.parametrize("kappa", [2.0, 10.0, 100.0, 1000.0])
@pytest.mark.parametrize("sigma", [0.0, 0.3, 0.6, 0.9])
def test_svl_for_changing_graphs_is_as_good_as_any(kappa, sigma):
    found = solvers.certified_rate(solvers.SVL(changing=True), kappa, (-sigma, sigma), changing=True)
    assert found < 1
    for method in METHODS:
        assert found <= best_changing(method, kappa, sigma) + 1e-4
    if sigma <= 0.3 and kappa >= 10:  # as fast as gradient descent, with 0.95 of its edge at most
        assert found == pytest.approx(max((kappa - 1) / (kappa + 1), 1 - 1.9 / kappa), abs=1e-5)


# -- bounds on the distance --------------------------------------------------------------------------------


def test_results_bound_the_distance():
    """sqrt(consensus^2 + (optimality / mu)^2), for any iterate of any method; within kappa of the truth."""
    graph = graphs.star(6)
    problem = problems.Quadratic.random(6, 4, condition_number=20.0, rng=3)
    x_star, kappa = problem.solution(), 20.0
    tight = []
    for method in (*METHODS, SVL, solvers.DGD(), solvers.DADAO(), solvers.BEER(compression.TopK(2))):
        for n_events in (0, 1, 40, 400):
            result = method.solve(problem, graph, tol=0, max_events=n_events, x_star=x_star)
            truth = np.sqrt(result.trace["distance"][-1])
            last = {name: result.trace[name][-1] for name in ("consensus", "optimality")}
            bound = np.hypot(last["consensus"], last["optimality"] / problem.strong_convexity)
            assert result.distance_bound == pytest.approx(bound, rel=1e-12)
            assert truth <= result.distance_bound * (1 + 1e-9) + 1e-14
            assert result.distance_bound <= kappa * truth * (1 + 1e-9) + 1e-12
            tight.append(truth / max(result.distance_bound, 1e-300))
    assert max(tight) > 0.5


def test_the_bound_of_operators_on_sets():
    """Twice the residual over mu: rotations with strong monotonicity, on a box that is active."""
    rng = np.random.default_rng(0)
    graph = graphs.star(5)
    for _ in range(5):
        M = rng.normal(size=(5, 4, 4))
        H, b = M - M.transpose(0, 2, 1) + 0.3 * np.eye(4), 3.0 * rng.normal(size=(5, 4))
        problem = problems.AffineOperator(H, b, blocks=(prox.box(4, -0.5, 0.5),))
        z = problem.solution()
        assert (np.abs(z) == 0.5).any()
        for n_events in (0, 3, 20):
            start = rng.uniform(-0.5, 0.5, 4)
            result = solvers.Extragradient().solve(problem, graph, start, max_events=n_events, x_star=z)
            truth = np.sqrt(result.trace["distance"][-1])
            assert truth <= result.distance_bound
            assert n_events or truth > 0


def test_bounds_are_saved_and_loaded(tmp_path):
    problem, graph = problems.Quadratic.random(5, 3, condition_number=4.0), graphs.cycle(5)
    result = NIDS.solve(problem, graph)
    result.save(tmp_path / "result.npz")
    again = solvers.Result.load(tmp_path / "result.npz")
    assert (again.rate, again.distance_bound) == (result.rate, result.distance_bound)
    assert result.rate is not None


@pytest.mark.parametrize(
    "graph", [graphs.cycle(6), graphs.cycle(12), graphs.star(6), graphs.complete(5)], ids=str
)
def test_the_bias_of_dgd_is_bounded(graph):
    """Its default ends within the bound, and nearer than it began where |x*| is at least that."""
    n, nearer = graph.n_nodes, 0
    W = graphs.mixing_matrix(graph).toarray()
    low, high = np.linalg.eigvalsh(W)[[0, -2]]
    for kappa, heterogeneity in ((2.0, 0.2), (5.0, 1.0), (2.0, 3.0)):
        problem = problems.Quadratic.random(n, 3, condition_number=kappa, heterogeneity=heterogeneity, rng=n)
        x_star, dgd = problem.solution(), solvers.DGD()
        step = dgd.parameters(problem, graph)["step"]
        assert step == pytest.approx(min(0.8 * (1 + low), 0.5 * (1 - high)) / problem.smoothness)
        result = dgd.solve(problem, graph, tol=0, max_events=int(60 / (step * problem.strong_convexity)))
        X = result.X
        np.testing.assert_allclose(X - W @ X, -step * problem.gradients(X), rtol=0, atol=1e-12)  # settled
        away = np.sqrt(((X - x_star) ** 2).sum() / n)
        bound = dgd.bias_bound(problem, graph, X)
        assert 0.01 * bound < away <= bound
        if np.linalg.norm(x_star) >= bound:
            nearer += 1
            assert away < np.linalg.norm(x_star)
        rate = dgd.certified_rate(problem, graph)
        assert rate == pytest.approx(
            max(1 - step * problem.strong_convexity, step * problem.smoothness - low)
        )
        assert result.rate is None  # of the distance to its own end, not to x*
        state = dgd.init(problem, graph)
        first = np.linalg.norm(dgd.iterates(state, problem, graph) - X)
        for t in range(1, 20):
            dgd.advance(state, problem, graph)
            now = np.linalg.norm(dgd.iterates(state, problem, graph) - X)
            assert now <= rate**t * first * (1 + 1e-9)
    assert nearer


def test_the_bias_needs_strong_convexity():
    H = np.stack([np.diag([1.0, 0.0]), np.diag([0.0, 1.0]), np.diag([1.0, 1.0])])
    problem, graph = problems.Quadratic(H, np.ones((3, 2))), graphs.path(3)
    with pytest.raises(NotImplementedError, match="no bound on its bias without strong convexity"):
        solvers.DGD().bias_bound(problem, graph, np.zeros((3, 2)))
    good = problems.Quadratic.random(3, 2, condition_number=2.0)
    with pytest.raises(ValueError, match="X must"):
        solvers.DGD().bias_bound(good, graph, np.zeros((2, 2)))


def test_fitted_rates():
    """On made-up traces: a clean fall, an oscillating one, a floor of rounding errors, too few records."""

    def trace(error, optimality=None):
        columns = {name: np.zeros(len(error)) for name in solvers.Trace().columns}
        columns["time"] = np.arange(len(error)) * 2.0
        columns["distance"] = np.square(error)
        columns["optimality"] = np.asarray(error if optimality is None else optimality)
        return solvers.Trace(columns)

    t = np.arange(200)
    clean = 0.9**t
    assert trace(clean).rate() == pytest.approx(np.sqrt(0.9), rel=1e-9)
    assert trace(clean * np.abs(np.cos(t))).rate() == pytest.approx(np.sqrt(0.9), rel=5e-3)
    assert trace(clean + 1e-6).rate() == pytest.approx(np.sqrt(0.9), rel=5e-3)
    assert trace(0.5**t + 1e-3 * clean).rate() == pytest.approx(np.sqrt(0.9), rel=1e-3)  # the last decades
    assert trace(np.full(200, np.nan), 0.8**t).rate() == pytest.approx(np.sqrt(0.8), rel=1e-9)
    assert trace(clean, 0.8**t).rate("optimality") == pytest.approx(np.sqrt(0.8), rel=1e-9)
    for error in (np.ones(50), np.array([1.0, 1e-9]), np.zeros(5)):
        assert np.isnan(trace(error).rate())
    with pytest.raises(
        ValueError, match="column must be 'distance', 'optimality' or 'consensus', got 'bits'"
    ):
        trace(clean).rate("bits")
    with pytest.raises(ValueError, match="decades must be a finite number > 0"):
        trace(clean).rate(decades=0)


# -- what has no certificate -------------------------------------------------------------------------------


def test_what_is_certified_and_what_is_not():
    problem, graph = problems.Quadratic.random(4, 3, condition_number=10.0), graphs.star(4)
    L, mu = problem.smoothness, problem.strong_convexity
    whole = compression.Identity()
    for method in (solvers.EF21(whole), solvers.DIANA(whole), solvers.MARINA(whole)):
        step = method.parameters(problem, graph)["step"]
        rate = method.certified_rate(problem, graph)
        assert rate == pytest.approx(max(1 - step * mu, step * L - 1), rel=1e-12)
        assert method.solve(problem, graph, max_events=3).rate == rate
        assert solvers.certified_rate(method, 10.0, step=1.5) == pytest.approx(0.85)
    for method, missing in (
        (solvers.DADAO(), "no theorem that bounds it"),
        (solvers.EXTRA(batch_size=2), "batch_size=None is certified"),
        (solvers.DGD(step_decay=0.1), "step_decay must be 0"),
    ):
        where = problem
        if getattr(method, "batch_size", None):
            A = np.random.default_rng(0).normal(size=(20, 3))
            where = problems.LeastSquares.from_data(A, A.sum(axis=1), n_nodes=4, l2=0.1, rng=0)
        with pytest.raises(
            NotImplementedError, match=f"{type(method).__name__} has no certified .*{missing}"
        ):
            method.certified_rate(where, graph)
        assert method.solve(where, graph, max_events=3).rate is None
    with pytest.raises(NotImplementedError, match="on changing graphs its fixed point moves"):
        solvers.certified_rate(solvers.DGD, 10.0, (0.0, 0.5), changing=True)
    assert solvers.certified_rate(NIDS, 10.0, (-0.5, 0.5), step=2.0) == np.inf


def test_bad_arguments_are_named():
    rate = solvers.certified_rate
    for call, message in (
        (lambda: rate(NIDS, 0.5, (0, 0.5)), "kappa must be a finite number >= 1, got 0.5"),
        (lambda: rate(NIDS, np.inf, (0, 0.5)), "kappa must be a finite number >= 1, got inf"),
        (lambda: rate(NIDS, 10.0, (-1.0, 0.5)), r"spectrum\[0\] must be a finite number > -1 and < 1"),
        (lambda: rate(NIDS, 10.0, (0.5, 1.0)), r"spectrum\[1\] must be a finite number > -1 and < 1"),
        (lambda: rate(NIDS, 10.0, (0.5, 0.2)), r"spectrum must be \(smallest, largest\), got \(0.5, 0.2\)"),
        (lambda: rate(NIDS, 10.0, (0.0, 0.5), step=0.0), "step must be > 0, got 0.0"),
        (lambda: rate(solvers.NIDS(step=0.1), 10.0, (0, 0.5)), "leave the step of NIDS at None"),
        (lambda: rate(solvers.EF21(compression.Identity()), 10.0), "no default step for a condition number"),
        (lambda: rate(solvers.GradientTracking(form="x"), 10.0, (0, 0.5)), "form must be one of 'semi_atc'"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    for call, message in (
        (
            lambda: rate(NIDS, 10.0),
            r"spectrum must be \(lambda_min, lambda_2\) of the mixing matrix, got None",
        ),
        (lambda: rate("NIDS", 10.0, (0, 0.5)), "method must be a solver, or the class of one, got 'NIDS'"),
        (lambda: rate(solvers.EF21, 10.0), r"'compressor'\): pass a solver, such as EF21\(...\)"),
    ):
        with pytest.raises(TypeError, match=message):
            call()


def test_what_needs_a_problem_says_so():
    top, some = compression.TopK(0.1), compression.RandK(0.1)
    for method in (solvers.EF21(top), solvers.BEER(top), solvers.ChocoGossip(top), solvers.MASHA1(some)):
        for step in (None, 0.1):
            with pytest.raises(NotImplementedError, match=r"solver.certified_rate\(problem, graph\) knows"):
                solvers.certified_rate(method, 10.0, (0.0, 0.5), step=step)
