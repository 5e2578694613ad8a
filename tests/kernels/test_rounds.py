"""Compiled rounds of the gossip methods that send whole vectors, against their definitions in NumPy."""

import numpy as np
import pytest

from gossamer import graphs
from gossamer.kernels import compression, gossip, oracles, random, rounds
from gossamer.kernels import ledger as ledger_of_runs
from gossamer.kernels.rounds import descent, exact, reference

N, D, SAMPLES, L2, KEY = 7, 5, 6, 0.1, np.uint64(99)
GRAPH = graphs.Graph.from_edges(7, [(0, 1), (0, 2), (1, 2), (2, 3), (3, 4), (3, 5), (4, 5), (5, 6), (1, 6)])
WIDE = graphs.complete(14)  # more neighbours than are mixed in one pass
ROUNDS = 60
FORMS = {exact.tracking: "non_atc", exact.tracking_atc: "atc", exact.tracking_semi_atc: "semi_atc"}
N_ROWS = {descent.dgd: 1, exact.extra: 2, exact.nids: 2, exact.svl: 2} | dict.fromkeys(FORMS, 3)
SVL = (0.45, 1.2, 0.6)  # beta, gamma, delta
METHODS = list(N_ROWS)


def name(value):
    return value.name if hasattr(value, "name") else str(value)


class Case:
    """A heterogeneous least squares problem on a graph, for compiled rounds and for NumPy."""

    def __init__(self, graph=GRAPH, batch_size=0, dim=D):
        rng = np.random.default_rng(1)
        n = graph.n_nodes
        self.n, self.dim, self.batch_size = n, dim, batch_size
        features = rng.normal(size=(n * SAMPLES, dim)) * np.repeat(rng.uniform(0.5, 1.5, n), SAMPLES)[:, None]
        targets = rng.normal(size=n * SAMPLES)
        self.oracle = oracles.least_squares(features, targets, np.arange(n + 1) * SAMPLES, L2)
        mixer = gossip.Mixer(graphs.mixing_matrix(graph))
        self.W = mixer.dense(float)
        self.n_links = graph.n_edges
        row = compression.row_function(compression.Identity(), dim)
        self.keep = row
        self.setting = rounds.Setting(
            indptr=mixer.indptr,
            indices=mixer.indices,
            weights=mixer.weights(float),
            copies=np.asarray(graph.degrees, np.int64),
            copies_down=0,
            n_links=graph.n_edges,
            gradient=self.oracle.gradient_address,
            data=self.oracle.data,
            batches=oracles.Batches(batch_size, self.oracle.n_samples, KEY),
            compress=row.address,
            parameters=row.parameters,
            key=KEY,
        )
        self.start = rng.normal(size=(n, dim))
        # large, so that nothing settles, and small enough not to grow
        blocks = features.reshape(n, SAMPLES, dim)
        smoothness = max(np.linalg.eigvalsh(A.T @ A / SAMPLES)[-1] for A in blocks) + L2
        self.step = 0.2 / smoothness

    def steps(self, method):
        more = {descent.dgd: (0.01,), exact.svl: SVL}
        return np.array([self.step, *more.get(method, ())])

    def rows(self, method):
        rows = np.zeros((N_ROWS[method], self.n, self.dim))
        rows[0] = self.start
        return rows

    def run(self, method, cuts, rows=None):
        """Rounds in pieces that end at the cuts."""
        rows = self.rows(method) if rows is None else rows
        shared, done, total = np.empty((0, self.dim)), 0, np.zeros(4, np.int64)
        for cut in cuts:
            total += rounds.run_rounds(
                method, self.setting, done, cut - done, self.steps(method), rows, shared
            )
            done = cut
        return rows, total

    def gradients(self, turn, X):
        out = np.empty(X.shape)
        for i in range(self.n):
            batch = None
            if self.batch_size:
                number = turn * self.n + i
                batch = random.distinct_integers(
                    self.batch_size, SAMPLES, int(KEY), random.streams.BATCH, number
                )
            out[i] = oracles.gradient(self.oracle, i, X[i], batch)
        return out

    def expected(self, method, n_rounds):
        """X after each round, by the definitions."""
        W, step, X = self.W, self.step, self.start
        found = [X]
        if method is descent.dgd:
            for t in range(n_rounds):
                X = reference.dgd(W, lambda X, t=t: self.gradients(t, X), X, step / (1 + 0.01 * t))
                found.append(X)
        elif method in (exact.extra, exact.nids):
            G = self.gradients(0, X)
            found.append(reference.dgd(W if method is exact.extra else np.eye(self.n), lambda X: G, X, step))
            for t in range(1, n_rounds):
                G_next = self.gradients(t, found[-1])
                recursion = reference.extra if method is exact.extra else reference.nids
                found.append(recursion(W, found[-2], found[-1], G_next - G, step))
                G = G_next
        elif method is exact.svl:
            S = np.zeros(X.shape)
            for t in range(n_rounds):
                X, S = reference.svl(W, lambda Y, t=t: self.gradients(t, Y), X, S, step, *SVL)
                found.append(X)
        else:
            G = self.gradients(0, X)
            Y = G
            for t in range(n_rounds):
                X, Y, G = reference.gradient_tracking(
                    W,
                    lambda X, t=t: self.gradients(t + 1, X),
                    X,
                    Y,
                    G,
                    step,
                    FORMS[method],
                )
                found.append(X)
        return found


@pytest.fixture(scope="module", params=[0, 2], ids=["full", "batches"])
def case(request):
    return Case(batch_size=request.param)


@pytest.mark.parametrize("method", METHODS, ids=name)
def test_rounds_equal_the_definition(case, method):
    expected = case.expected(method, ROUNDS)
    assert np.abs(expected[-1] - expected[-2]).max() > 1e-6  # still under way
    scale = np.abs(expected).max()
    assert scale < 10
    for n_rounds in (1, 2, 3, 10, ROUNDS):
        rows, _ = case.run(method, [n_rounds])
        np.testing.assert_allclose(rows[0], expected[n_rounds], rtol=0, atol=1e-12 * scale)


@pytest.mark.parametrize("method", METHODS, ids=name)
@pytest.mark.parametrize(("graph", "dim"), [(WIDE, 1), (graphs.path(2), 3), (graphs.path(1), 2)], ids=str)
def test_rounds_at_the_edges(method, graph, dim):
    case = Case(graph, dim=dim)
    expected = case.expected(method, 25)
    rows, _ = case.run(method, [25])
    np.testing.assert_allclose(rows[0], expected[-1], rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("method", METHODS, ids=name)
def test_any_cut_gives_the_same_bits(case, method):
    whole, ledger = case.run(method, [41])
    for cuts in (range(1, 42), (1, 41), (2, 5, 41), (0, 40, 41), (41, 41)):
        rows, total = case.run(method, cuts)
        assert rows.tobytes() == whole.tobytes()
        assert np.array_equal(total, ledger)


@pytest.mark.parametrize("method", METHODS, ids=name)
def test_no_rounds_change_nothing(case, method):
    rows, ledger = case.run(method, [0])
    assert np.array_equal(rows, case.rows(method))
    assert not ledger.any()


@pytest.mark.parametrize(
    ("method", "n_gradients", "n_exchanges", "n_vectors"),
    [
        (descent.dgd, 10, 10, 10),
        (exact.extra, 10, 10, 10),
        (exact.nids, 10, 9, 9),  # nothing is sent in the first round
        (exact.tracking, 11, 10, 20),
        (exact.tracking_atc, 11, 20, 20),
        (exact.tracking_semi_atc, 11, 10, 20),
        (exact.svl, 10, 10, 10),
    ],
    ids=name,
)
def test_ledger(case, method, n_gradients, n_exchanges, n_vectors):
    _, ledger = case.run(method, [10])
    assert ledger[ledger_of_runs.GRADIENTS] == n_gradients * N
    assert ledger[ledger_of_runs.COMMUNICATIONS] == n_exchanges * GRAPH.n_edges
    assert ledger[ledger_of_runs.BITS] == n_vectors * 2 * GRAPH.n_edges * 64 * D
    assert ledger[ledger_of_runs.BITS_DOWN] == 0


def test_extra_and_nids_are_members_of_svl():
    case = Case()
    W, gradients = case.W, lambda X: case.gradients(0, X)
    X, S, found = case.start, np.zeros(case.start.shape), []
    for _ in range(20):
        found.append(X)
        X, S = reference.svl(W, gradients, X, S, case.step, 0.5, 1.0, 0.0)
    np.testing.assert_allclose(found[:20], case.expected(exact.extra, 19), rtol=0, atol=1e-13)
    X, S, points = case.start, np.zeros(case.start.shape), []
    for _ in range(20):
        points.append((X + W @ X) / 2)
        X, S = reference.svl(W, gradients, X, S, case.step, 0.5, 1.0, 0.5)
    for a, b, c in zip(points, points[1:], points[2:], strict=False):
        recursion = reference.nids(W, a, b, gradients(b) - gradients(a), case.step)
        np.testing.assert_allclose(c, recursion, rtol=0, atol=1e-13)


@pytest.mark.parametrize("method", FORMS, ids=name)
def test_the_mean_of_all_gradients_is_tracked(case, method):
    rows, _ = case.run(method, [33])
    X, Y, G = rows
    np.testing.assert_allclose(Y.mean(axis=0), G.mean(axis=0), rtol=0, atol=1e-13 * np.abs(G).max())
    np.testing.assert_allclose(G, case.gradients(33, X), rtol=0, atol=1e-13 * np.abs(G).max())


@pytest.mark.parametrize("method", METHODS, ids=name)
def test_nan_reaches_the_neighbours_and_no_further(method):
    case = Case()
    rows = case.rows(method)
    rows[0, 6] = np.nan  # neighbours 1 and 5
    rows, _ = case.run(method, [1], rows)
    reached = {6} if method is exact.nids else {1, 5, 6}
    assert set(np.flatnonzero(np.isnan(rows[0]).any(axis=1))) == reached


def test_arrays_must_fit():
    case = Case()
    for rows, shared in (
        (np.zeros((1, N + 1, D)), np.zeros((0, D))),
        (np.zeros((1, N, D)), np.zeros((0, D + 1))),
        (np.zeros((1, N, D, 1)), np.zeros((0, D))),
    ):
        with pytest.raises(ValueError, match=rf"\(v, {N}, d\) and \(s, d\)"):
            rounds.run_rounds(descent.dgd, case.setting, 0, 1, np.zeros(2), rows, shared)
    with pytest.raises(TypeError):
        rounds.run_rounds(
            descent.dgd, case.setting, 0, 1, np.zeros(2), np.zeros((1, N, D), np.float32), np.zeros((0, D))
        )
