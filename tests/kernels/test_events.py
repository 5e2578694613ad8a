"""Event streams and DADAO's dynamics against the NumPy definitions."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gossamer.kernels import events, oracles, random
from gossamer.kernels.events import DadaoConstants, Events, EventStream, cpu, reference

KEY = random.make_key(11)


def theory_constants(kappa, chi1=1.3, L=2.0):
    mu = L / kappa
    nu = mu / 2
    r = np.sqrt(nu / L)
    return DadaoConstants(r, nu, 1 / (4 * L), 1 / (4 * np.sqrt(L * nu)), r / 4, 1.0, 0.5, 2 * chi1 / r)


def cycle_edges(n):
    return np.array(sorted((min(i, (i + 1) % n), max(i, (i + 1) % n)) for i in range(n)), np.int32)


# -- streams ---------------------------------------------------------------------------------------------


def test_stream_equals_reference():
    stream = EventStream(np.ones(5), [0.3, 0.0, 2.0], KEY)
    made = stream.take(0, 0.0, 3000)
    time, kind, index = reference.poisson_events(stream._table, stream.total_rate, 5, KEY, 3000)
    assert np.array_equal(made.kind, kind)
    assert np.array_equal(made.index, index)
    np.testing.assert_allclose(made.time, time, rtol=1e-13)


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(0, 400), max_size=6))
def test_any_chunking_gives_the_same_stream(cuts):
    stream = EventStream(np.ones(3), [1.0, 0.5], KEY)
    whole = stream.take(0, 0.0, 400)
    bounds = [0, *sorted(cuts), 400]
    parts, time = [], 0.0
    for begin, end in itertools.pairwise(bounds):
        parts.append(stream.take(begin, time, end - begin))
        time = parts[-1].time[-1] if end > begin else time
    for joined, expected in zip(zip(*parts, strict=True), whole, strict=True):
        assert np.concatenate(joined).tobytes() == expected.tobytes()


def test_horizon_and_count_agree():
    by_count = events.poisson_events(np.ones(4), np.ones(3), n_events=200_000, key=KEY)
    horizon = by_count.time[150_000]
    by_horizon = events.poisson_events(np.ones(4), np.ones(3), horizon=horizon, key=KEY)
    assert len(by_horizon.time) == 150_001
    for a, b in zip(by_horizon, by_count, strict=True):
        assert np.array_equal(a, b[:150_001])
    assert len(events.poisson_events(np.ones(4), np.ones(3), horizon=0.0, key=KEY).time) == 0


def test_counts_and_gaps_are_poisson():
    rates = np.array([0.2, 1.0, 3.0])
    made = events.poisson_events(np.ones(6), rates, n_events=100_000, key=KEY)
    horizon = made.time[-1]
    total = 6 + rates.sum()
    gradients = np.bincount(made.index[made.kind == 0], minlength=6)
    communications = np.bincount(made.index[made.kind == 1], minlength=3)
    for count, rate in [*zip(gradients, np.ones(6), strict=True), *zip(communications, rates, strict=True)]:
        assert abs(count - rate * horizon) < 4 * np.sqrt(rate * horizon)
    assert stats.kstest(np.diff(made.time) * total, "expon").pvalue > 1e-3
    of_one = made.time[(made.kind == 1) & (made.index == 1)]
    assert stats.kstest(np.diff(of_one), "expon").pvalue > 1e-3  # each clock is Poisson, of its own rate
    assert abs(np.corrcoef(made.kind[:-1], made.kind[1:])[0, 1]) < 4 / np.sqrt(1e5)


def test_zero_rates_never_fire():
    made = events.poisson_events([1.0, 0.0], [0.0, 2.0, 0.0], n_events=20_000, key=KEY)
    assert set(made.index[made.kind == 0]) == {0}
    assert set(made.index[made.kind == 1]) == {1}


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: EventStream([0.0], [0.0], KEY), "all rates are zero"),
        (lambda: EventStream([1.0], [-1.0], KEY), "edge_rates must be at least 0"),
        (lambda: EventStream([np.nan], [1.0], KEY), "node_rates must be finite"),
        (lambda: EventStream([[1.0]], [1.0], KEY), "1 dimension"),
        (lambda: events.poisson_events([1.0], [], key=KEY), "either"),
        (lambda: events.poisson_events([1.0], [], n_events=1, horizon=1.0, key=KEY), "either"),
        (lambda: events.poisson_events([1.0], [], n_events=-1, key=KEY), "at least 0"),
        (lambda: events.poisson_events([1.0], [], horizon=np.inf, key=KEY), "finite"),
        (lambda: events.check_events(([0.0], [0]), 1, 1), "three vectors"),
        (lambda: events.check_events(([0.0, 1.0], [0], [0]), 1, 1), "one length"),
        (lambda: events.check_events(([1.0, 0.0], [0, 0], [0, 0]), 1, 1), "sorted"),
        (lambda: events.check_events(([np.nan], [0], [0]), 1, 1), "finite"),
        (lambda: events.check_events(([-1.0], [0], [0]), 1, 1), "non-negative"),
        (lambda: events.check_events(([1.0], [2], [0]), 1, 1), "kinds must be 0"),
        (lambda: events.check_events(([1.0], [0], [3]), 3, 9), "event 0 names node 3"),
        (lambda: events.check_events(([1.0], [1], [9]), 3, 9), "event 0 names edge 9"),
        (lambda: events.check_events(([1.0], [0], [0.5]), 3, 9), "integers"),
    ],
)
def test_bad_arguments(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_empty_event_lists_are_events():
    checked = events.check_events(([], [], []), 3, 2)
    assert [part.dtype for part in checked] == [np.float64, np.uint8, np.int32]
    assert not any(part.size for part in checked)


# -- the flow ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kappa", [1.0, 1.5, 10.0, 1e3, 1e6])
@pytest.mark.parametrize("t", [0.0, 1e-8, 1e-3, 0.3, 2.0, 40.0, 300.0])
def test_closed_form_flow_equals_matrix_exponential(kappa, t):
    c = theory_constants(kappa)
    exact = reference.flow_expm(c, t)
    closed = reference.flow_direct(c, t)
    assert np.abs(closed - exact).max() <= 1e-12 * np.abs(exact).max()
    # the 20 non-zeros: mixed blocks stay exactly zero
    assert np.count_nonzero(closed) <= 20


@pytest.mark.parametrize("kappa", [1.0, 1.5, 10.0, 1e3, 1e6])
def test_compiled_coefficients_equal_the_closed_form(kappa):
    c = theory_constants(kappa)
    times = np.concatenate([[0.0, 1e-300, 1e-8, 1e-3], np.random.default_rng(0).uniform(0, 300, 200)])
    found = np.empty((6, times.size))
    cpu.fill_coefficients(c.r, np.zeros(times.size), times, *found)
    for t, (d, g, *matrix) in zip(times, found.T, strict=True):
        flow = reference.flow_expm(c, t)
        # X - X~ and Z - Z~ decay, and (hY, hT) follow the block of (Y, Y~)
        exact = [flow[0, 0] - flow[0, 1], flow[4, 4] - flow[5, 4], *flow[2:4, 2:4].ravel()]
        assert np.abs(np.array([d, g, *matrix]) - exact).max() <= 1e-12 * np.abs(flow).max()


@pytest.mark.parametrize("kappa", [1.0, 10.0, 1e6])
def test_flow_is_a_semigroup(kappa):
    c = theory_constants(kappa)
    both = reference.flow_direct(c, 0.7) @ reference.flow_direct(c, 0.3)
    whole = reference.flow_direct(c, 1.0)
    assert np.abs(both - whole).max() <= 1e-12 * np.abs(whole).max()
    assert np.abs(reference.flow_direct(c, 0.0) - np.eye(6)).max() <= 1e-15


@pytest.mark.parametrize("kappa", [1.0, 30.0, 1e6])
def test_flow_conserves_what_it_should(kappa):
    flow = reference.flow_direct(theory_constants(kappa), 1.7)
    for conserved in ([1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 2]):  # X + X~ and Z + 2 Z~ of each node
        np.testing.assert_allclose(np.array(conserved) @ flow, conserved, atol=1e-13)


def test_stored_rows_are_a_change_of_variables(rng):
    c = theory_constants(20.0)
    u = rng.normal(size=(3, 6, 4))
    np.testing.assert_allclose(reference.to_variables(reference.to_rows(u, c), c), u, rtol=0, atol=1e-14)


# -- the loop ------------------------------------------------------------------------------------------------


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def quadratic_network(rng, n, d, kappa=50.0):
    """Oracle, NumPy gradient, constants, edges, solution of random quadratics on a cycle."""
    basis = [np.linalg.qr(rng.normal(size=(d, d)))[0] for _ in range(n)]
    H = np.stack([(q * np.geomspace(2.0 / kappa, 2.0, d)) @ q.T for q in basis])
    H = (H + H.transpose(0, 2, 1)) / 2
    b = rng.normal(size=(n, d))
    gradient = lambda i, x: H[i] @ x - b[i]  # noqa: E731
    solution = np.linalg.solve(H.mean(axis=0), b.mean(axis=0))
    return oracles.quadratic(H, b), gradient, theory_constants(kappa), cycle_edges(n), solution


def logistic_network(rng, n, d, m):
    A = rng.normal(size=(n * m, d))
    y = np.sign(rng.normal(size=n * m))
    offsets = np.arange(n + 1) * m
    l2 = 0.05

    def gradient(i, x):
        a, t = A[offsets[i] : offsets[i + 1]], y[offsets[i] : offsets[i + 1]]
        return -a.T @ (t / (1 + np.exp(t * (a @ x)))) / m + l2 * x

    L = max(np.linalg.eigvalsh(a.T @ a)[-1] for a in np.split(A, n)) / (4 * m) + l2
    return oracles.logistic(A, y, offsets, l2), gradient, theory_constants(L / l2, L=L), cycle_edges(n)


def run_compiled(made, edges, X, c, oracle, **options):
    rows, last = events.dadao_rows(X, c.nu), np.zeros(len(X))
    events.dadao_advance(made, 0, edges, rows, last, c, oracle, **options)
    return rows, last


def run_variables(run, made, edges, X, c, gradient):
    u, last = np.zeros((len(X), 6, X.shape[1])), np.zeros(len(X))
    u[:, 0] = X
    run(made, edges, u, last, c, gradient)
    return u, last


def relative(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


@pytest.mark.parametrize("kind", ["quadratic", "logistic"])
def test_compiled_equals_direct_equals_matrix_exponential(rng, kind):
    n, d = 5, 3
    if kind == "quadratic":
        oracle, gradient, c, edges, _ = quadratic_network(rng, n, d)
    else:
        oracle, gradient, c, edges = logistic_network(rng, n, d, m=6)
    made = events.poisson_events(np.ones(n), np.full(n, 1.2), n_events=10_000, key=KEY)
    X = rng.normal(size=(n, d))
    rows, last = run_compiled(made, edges, X, c, oracle)
    compiled = reference.to_variables(rows, c)
    direct, direct_last = run_variables(reference.dadao_direct, made, edges, X, c, gradient)
    exact, _ = run_variables(reference.dadao_expm, made, edges, X, c, gradient)
    storage, storage_last = events.dadao_rows(X, c.nu), np.zeros(n)
    reference.dadao_storage(made, edges, storage, storage_last, c, gradient)
    assert np.array_equal(last, direct_last)
    assert np.array_equal(last, storage_last)
    assert relative(storage, rows) < 1e-11
    assert relative(compiled, exact) < 1e-11
    assert relative(direct, exact) < 1e-11


def test_comparison_notices_a_wrong_constant(rng):
    """Many wrong variants converge; trajectories tell them apart."""
    n, d = 4, 2
    oracle, gradient, c, edges, _ = quadratic_network(rng, n, d)
    made = events.poisson_events(np.ones(n), np.full(n, 1.2), n_events=200, key=KEY)
    X = rng.normal(size=(n, d))
    rows, _ = run_compiled(made, edges, X, c, oracle)
    wrong = c._replace(delta=0.0)  # a variant that converges, and faster
    other, _ = run_variables(reference.dadao_direct, made, edges, X, wrong, gradient)
    assert relative(reference.to_variables(rows, c), other) > 1e-3


def test_lazy_flow_equals_eager_flow(rng):
    n, d = 5, 3
    oracle, _, c, edges, _ = quadratic_network(rng, n, d)
    made = events.poisson_events(np.ones(n), np.full(n, 1.2), n_events=500, key=KEY)
    X = rng.normal(size=(n, d))
    lazy, last = run_compiled(made, edges, X, c, oracle)
    rows, eager_last = events.dadao_rows(X, c.nu), np.zeros(n)
    for e in range(500):  # all nodes are flowed to each event's time
        one = Events(*(part[e : e + 1] for part in made))
        variables = reference.to_variables(rows, c)
        flowed = [reference.flow_expm(c, one.time[0] - eager_last[i]) @ variables[i] for i in range(n)]
        rows = reference.to_rows(np.stack(flowed), c)
        eager_last[:] = one.time[0]
        events.dadao_advance(one, e, edges, rows, eager_last, c, oracle)
    X_lazy = events.dadao_iterates(lazy, last, made.time[-1], c)
    X_eager = events.dadao_iterates(rows, eager_last, made.time[-1], c)
    np.testing.assert_allclose(X_lazy, X_eager, rtol=0, atol=1e-12 * np.abs(X_lazy).max())


def test_fixed_point_stays(rng):
    n, d = 6, 4
    oracle, gradient, c, edges, solution = quadratic_network(rng, n, d)
    rows, last = np.zeros((n, 6, d)), np.zeros(n)
    rows[:, cpu.S] = solution
    rows[:, cpu.ZB] = [-gradient(i, solution) for i in range(n)]
    start = rows.copy()
    made = events.poisson_events(np.ones(n), np.full(n, 1.2), n_events=5000, key=KEY)
    events.dadao_advance(made, 0, edges, rows, last, c, oracle)
    assert np.abs(rows - start).max() < 1e-12 * np.abs(start).max()


def test_duals_sum_to_zero_on_flushed_states(rng):
    n, d = 6, 3
    oracle, _, c, edges, _ = quadratic_network(rng, n, d)
    made = events.poisson_events(np.ones(n), np.full(n, 1.2), n_events=2000, key=KEY)
    rows, last = run_compiled(made, edges, rng.normal(size=(n, d)), c, oracle)
    scale = np.abs(rows).max()
    assert np.abs(rows[:, cpu.ZB].sum(axis=0)).max() < 1e-12 * scale  # at all times
    variables = reference.to_variables(rows, c)
    unflushed = np.abs(variables[:, 4:].sum(axis=0)).max()
    now = made.time[-1]
    flushed = np.stack([reference.flow_direct(c, now - last[i]) @ variables[i] for i in range(n)])
    assert np.abs(flushed[:, 4:].sum(axis=0)).max() < 1e-12 * scale
    assert unflushed > 1e-8 * scale  # only flushed sums vanish: the test above is not empty


def test_events_on_disjoint_nodes_commute_bit_for_bit(rng):
    n, d = 6, 3
    oracle, _, c, edges, _ = quadratic_network(rng, n, d)
    made = events.poisson_events(np.ones(n), np.full(n, 1.2), n_events=400, key=KEY)

    def touched(e):
        return {int(made.index[e])} if made.kind[e] == 0 else set(edges[made.index[e]].tolist())

    order = np.arange(400)
    e = swaps = 0
    while e < 399:
        if not touched(e) & touched(e + 1):
            order[[e, e + 1]] = order[[e + 1, e]]
            swaps += 1
            e += 1
        e += 1
    assert swaps > 50
    X = rng.normal(size=(n, d))
    rows, last = run_compiled(made, edges, X, c, oracle)
    swapped = Events(*(part[order] for part in made))
    other, other_last = run_compiled(swapped, edges, X, c, oracle)
    assert rows.tobytes() == other.tobytes()
    assert last.tobytes() == other_last.tobytes()


def test_iterates_are_flowed_and_leave_the_state_alone(rng):
    n, d = 4, 3
    oracle, _, c, edges, _ = quadratic_network(rng, n, d)
    made = events.poisson_events(np.ones(n), np.full(n, 1.2), n_events=100, key=KEY)
    rows, last = run_compiled(made, edges, rng.normal(size=(n, d)), c, oracle)
    before = rows.tobytes() + last.tobytes()
    now = made.time[-1] + 0.7
    X = events.dadao_iterates(rows, last, now, c)
    assert rows.tobytes() + last.tobytes() == before
    variables = reference.to_variables(rows, c)
    for i in range(n):
        np.testing.assert_allclose(
            X[i], (reference.flow_expm(c, now - last[i]) @ variables[i])[0], rtol=1e-12
        )


@pytest.mark.parametrize("average_from", [0.0, 13.0])
def test_integrals_equal_fine_quadrature(rng, average_from):
    n, d = 4, 2
    oracle, _, c, edges, _ = quadratic_network(rng, n, d)
    made = events.poisson_events(np.ones(n), np.full(n, 1.2), n_events=300, key=KEY)
    X = rng.normal(size=(n, d))
    area = np.zeros((n, d))
    rows, last = run_compiled(made, edges, X, c, oracle, area=area, average_from=average_from)
    now = made.time[-1] + 0.3
    found = events.dadao_integrals(area, rows, last, now, c, average_from)
    # Simpson's rule between events, where X is smooth
    expected = np.zeros((n, d))
    rows, last = events.dadao_rows(X, c.nu), np.zeros(n)
    times = np.concatenate([[0.0], made.time, [now]])
    for e in range(len(times) - 1):
        begin, end = max(times[e], average_from), times[e + 1]
        if end > begin:
            nodes = np.linspace(begin, end, 9)
            values = [events.dadao_iterates(rows, last, t, c) for t in nodes]
            weights = np.array([1, 4, 2, 4, 2, 4, 2, 4, 1]) * (end - begin) / 24
            expected += np.tensordot(weights, values, axes=1)
        if e < 300:
            one = Events(*(part[e : e + 1] for part in made))
            events.dadao_advance(one, e, edges, rows, last, c, oracle)
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(
    ("made", "edges"),
    [
        (([1.0, 2.0], [0, 0], [0, 4]), [(0, 1)]),
        (([1.0, 2.0], [0, 0], [0, -1]), [(0, 1)]),
        (([1.0, 2.0], [0, 1], [0, 50_000_000]), [(0, 1)]),
        (([1.0, 2.0], [0, 1], [0, 0]), [(0, 4)]),
        (([1.0, 2.0], [0, 1], [0, 0]), [(-1, 2)]),
        (([1.0, 2.0], [0, 1], [0, 0]), [(2, 2)]),
    ],
)
def test_loop_refuses_what_does_not_exist_before_any_change(rng, made, edges):
    oracle, _, c, *_ = quadratic_network(rng, 4, 2)
    made = Events(np.array(made[0]), np.array(made[1], np.uint8), np.array(made[2], np.int32))
    rows, last = events.dadao_rows(np.ones((4, 2)), c.nu), np.zeros(4)
    before = rows.tobytes()
    with pytest.raises(IndexError, match="not exist"):
        events.dadao_advance(made, 0, np.array(edges, np.int32), rows, last, c, oracle)
    assert rows.tobytes() == before
    with pytest.raises(ValueError, match="shapes"):
        events.dadao_advance(made, 0, np.array(edges, np.int32), rows[:3], last, c, oracle)


def test_shapes_and_times_are_checked(rng):
    oracle, _, c, edges, _ = quadratic_network(rng, 4, 2)
    made = events.poisson_events(np.ones(4), np.ones(4), n_events=20, key=KEY)
    rows, last = events.dadao_rows(np.ones((4, 2)), c.nu), np.zeros(4)
    short = Events(made.time, made.kind[:-1], made.index)
    with pytest.raises(ValueError, match="one length"):
        events.dadao_advance(short, 0, edges, rows, last, c, oracle)
    with pytest.raises(ValueError, match="edges must have shape"):
        events.dadao_advance(made, 0, edges[:, :1].copy(), rows, last, c, oracle)
    wrong = oracles.Batches(2, np.full(4, 3), np.uint64(1))
    with pytest.raises(ValueError, match="n_samples"):
        events.dadao_advance(made, 0, edges, rows, last, c, oracle, batches=wrong)
    with pytest.raises(ValueError, match="shapes"):
        events.dadao_integrals(np.zeros((2, 1)), rows, last, 1.0, c, 0.0)
    with pytest.raises(ValueError, match="shapes"):
        events.dadao_iterates(rows, last[:1], 1.0, c)
    with pytest.raises(ValueError, match="finite"):
        events.dadao_advance(made._replace(time=np.full(20, np.nan)), 0, edges, rows, last, c, oracle)
    with pytest.raises(ValueError, match="order of their times"):
        events.dadao_advance(made, 0, edges, rows, np.full(4, 1e9), c, oracle)


# -- mini-batches --------------------------------------------------------------------------------------------


def test_batches_are_drawn_by_the_number_of_the_event(rng):
    n, d, m, size = 3, 2, 7, 4
    A, y = rng.normal(size=(n * m, d)), rng.normal(size=n * m)
    offsets = np.arange(n + 1) * m
    oracle = oracles.least_squares(A, y, offsets, 0.1)
    c, edges = theory_constants(40.0, L=6.0), np.array([[0, 1], [1, 2]], np.int32)
    made = events.poisson_events(np.ones(n), np.ones(2), n_events=300, key=KEY)
    batches = oracles.Batches(size, oracle.n_samples, np.uint64(KEY))
    X = rng.normal(size=(n, d))
    rows, _ = run_compiled(made, edges, X, c, oracle, batches=batches)
    numbers = iter(np.flatnonzero(made.kind == 0))

    def gradient(i, x):
        picked = random.distinct_integers(size, m, KEY, random.streams.BATCH, int(next(numbers)))
        a, t = A[offsets[i] + picked], y[offsets[i] + picked]
        return a.T @ (a @ x - t) / size + 0.1 * x

    expected = events.dadao_rows(X, c.nu)
    reference.dadao_storage(made, edges, expected, np.zeros(n), c, gradient)
    assert relative(rows, expected) < 1e-11


def test_batches_of_all_rows_are_full_gradients(rng):
    n, m = 3, 5
    A, y = rng.normal(size=(n * m, 2)), rng.normal(size=n * m)
    oracle = oracles.least_squares(A, y, np.arange(n + 1) * m, 0.1)
    c, edges = theory_constants(40.0, L=6.0), np.array([[0, 1], [1, 2]], np.int32)
    made = events.poisson_events(np.ones(n), np.ones(2), n_events=200, key=KEY)
    X = rng.normal(size=(n, 2))
    full, _ = run_compiled(made, edges, X, c, oracle)
    for size in (m, m + 3):
        batches = oracles.Batches(size, oracle.n_samples, np.uint64(KEY))
        assert run_compiled(made, edges, X, c, oracle, batches=batches)[0].tobytes() == full.tobytes()
