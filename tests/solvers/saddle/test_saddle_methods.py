"""Methods for variational inequalities: against their definitions, and the ledger; what they refuse."""

import numpy as np
import pytest

from gossamer import graphs, problems, solvers
from gossamer.kernels import oracles, prox, random
from gossamer.kernels.compression import Identity, Natural, PermK, RandK, TopK
from gossamer.kernels.prox import reference as prox_reference
from gossamer.kernels.random import streams
from gossamer.kernels.rounds import reference_saddle as reference
from gossamer.solvers.base.rounds import _key_down

N, D, SAMPLES = 5, 8, 6
STAR = graphs.star(N)
SETS = (prox.ball(3, 1.5), prox.free(1), prox.simplex(4, entropic=True))


def make_problem(blocks=()):
    """Affine operators, far apart, with samples."""
    rng = np.random.default_rng(2)
    G = rng.normal(size=(N * SAMPLES, D, D))
    H = np.einsum("mij,mkj->mik", G, G) / D + G - G.transpose(0, 2, 1) + 0.2 * np.eye(D)
    return problems.AffineOperator(H, 3 * rng.normal(size=(len(H), D)), np.arange(N + 1) * SAMPLES, blocks)


@pytest.fixture(scope="module")
def free():
    return make_problem()


@pytest.fixture(scope="module")
def in_sets():
    return make_problem(SETS)


class Replay:
    """A run in NumPy by the definitions: z after each round, and the ledger by hand."""

    def __init__(self, solver, problem, rng):
        self.solver, self.problem, self.key = solver, problem, random.make_key(rng)
        self.values = solver.parameters(problem, STAR)
        self.z = problem.start(np.zeros(D))
        self.gradients = self.exchanges = self.up = self.down = 0

    def prox(self, centre, shift):
        if not self.problem.blocks:
            return centre - shift
        moved = centre - shift
        entropic = prox_reference.entropic(centre[4:], shift[4:], 1.0)
        return np.concatenate([prox_reference.ball(moved[:3], 1.5), moved[3:4], entropic])

    def centre(self, z, w):
        tau = self.values["tau"]
        cut = 4 if self.problem.blocks else D
        parts = [prox_reference.between(tau, z[:cut], w[:cut], False)]
        return np.concatenate([*parts, prox_reference.between(tau, z[cut:], w[cut:], True)])

    def rows(self, turn, z, members=range(N), *, whole=False):
        """Return F_i(z), over the batch of this turn."""
        size = None if whole else self.solver.batch_size
        self.gradients += len(members)
        if size is None:
            return np.array([self.problem.operator(i, z) for i in members])
        oracle, key = self.problem.sample_oracle, int(self.key)
        batches = [random.distinct_integers(size, SAMPLES, key, streams.BATCH, turn * N + i) for i in members]
        return np.array(
            [oracles.gradient(oracle, i, z, rows) for i, rows in zip(members, batches, strict=True)]
        )

    def exchange(self):
        """Count vectors as they are, in both directions; the hub of a star sends none up."""
        self.exchanges += N - 1
        self.up += 64 * D * (N - 1)
        self.down += 64 * D * (N - 1)

    def compress(self, turn, members=range(N)):
        def function(V):
            payloads = [
                self.solver.compressor.compress(v, self.key, index=turn * N + i)
                for i, v in zip(members, V, strict=True)
            ]
            self.up += sum(p.nbits for p, i in zip(payloads, members, strict=True) if i != 0)
            return np.array([p.dense() for p in payloads])

        return function

    def answer(self, turn):
        def function(v):
            payload = self.solver.server_compressor.compress(v, _key_down(self.key), index=turn)
            self.down += payload.nbits * (N - 1)
            self.exchanges += N - 1
            return payload.dense()

        return function

    def run(self, n_rounds):
        found = []
        for t, _ in enumerate(self._rounds(n_rounds)):
            found.append(self.z)
            assert len(found) == t + 1
        return np.array(found)

    def _rounds(self, n_rounds):
        solver, step = self.solver, self.values["step"]
        if isinstance(solver, solvers.Extragradient):
            for t in range(n_rounds):
                maps = [lambda z, u=u: self.rows(u, z).mean(axis=0) for u in (2 * t, 2 * t + 1)]
                self.z = reference.extragradient(*maps, self.prox, self.z, step)
                self.exchange()
                self.exchange()
                yield
        elif isinstance(solver, solvers.OptimisticGradient):
            last = None
            for t in range(n_rounds):
                if last is None:
                    last = self.rows(0, self.z).mean(axis=0)
                    self.gradients -= N  # the first round takes the same operator
                operator = lambda z, t=t: self.rows(t, z).mean(axis=0)  # noqa: E731
                self.z, last = reference.optimistic(operator, self.prox, self.z, last, step)
                self.exchange()
                yield
        elif isinstance(solver, solvers.CompressedExtragradient):
            E = np.zeros((N, D))
            for t in range(n_rounds):
                at = self.z
                for u in (2 * t, 2 * t + 1):
                    operators = lambda z, u=u: self.rows(u, z)  # noqa: E731
                    at, memories = reference.compressed_step(
                        operators, self.compress(u), self.prox, self.z, at, E, step
                    )
                    E = memories if solver.error_feedback else E
                    self.exchanges += N - 1
                    self.down += 64 * D * (N - 1)
                self.z = at
                yield
        else:
            yield from self._masha(n_rounds)

    def _masha(self, n_rounds):
        solver, step, tau = self.solver, self.values["step"], self.values["tau"]
        b = solver.participants or N
        E, e = np.zeros((N, D)), np.zeros(D)
        w = self.z
        F = self.rows(0, w, whole=True)
        self.exchange()
        for t in range(n_rounds):
            members = list(range(N))
            if b < N:
                members = random.distinct_integers(b, N, int(self.key), streams.PARTICIPANTS, t).tolist()

            def difference(z, t=t, members=members, w=w, F=F):
                if solver.batch_size is None:
                    return self.rows(t, z, members) - F[members]
                return self.rows(t, z, members) - self.rows(t, w, members)

            centre, Fw = self.centre(self.z, w), F.mean(axis=0)
            maps = difference, self.compress(t, members), self.answer(t)
            if isinstance(solver, solvers.MASHA1):
                following = reference.masha1(*maps, self.prox, centre, Fw, step)
            else:
                following, E[members], e = reference.masha2(*maps, centre, Fw, E[members], e, step)
            word = random.words(int(self.key), streams.COIN, t, 1)[0, 0]
            if int(word) < (1 - tau) * 2**32:
                w = following if solver.anchor == "new" else self.z
                F = self.rows(0, w, whole=True)
                self.exchange()
            self.z = following
            self.E, self.e = E, e
            yield


def cases():
    yield "free", solvers.Extragradient()
    yield "in_sets", solvers.Extragradient(step=0.05)
    yield "in_sets", solvers.Extragradient(batch_size=2)
    yield "free", solvers.OptimisticGradient()
    yield "in_sets", solvers.OptimisticGradient(batch_size=3)
    for compressor in (RandK(2), TopK(3), PermK(N)):
        yield "free", solvers.CompressedExtragradient(compressor)
    for compressor in (RandK(2, scaled=False), TopK(3)):
        yield "in_sets", solvers.CompressedExtragradient(compressor, error_feedback=True, batch_size=2)
    for compressor in (RandK(2), PermK(N), Natural(), Identity()):
        yield "free", solvers.MASHA1(compressor)
        yield "in_sets", solvers.MASHA1(compressor, RandK(4), step=0.02)
    yield "free", solvers.MASHA1(RandK(2), Natural(), anchor="new")
    yield "in_sets", solvers.MASHA1(RandK(2), participants=2)
    yield "in_sets", solvers.MASHA1(RandK(2), participants=3, batch_size=2, tau=0.6)
    yield "free", solvers.MASHA1(PermK(N), batch_size=2)
    for compressor in (TopK(2), RandK(3, scaled=False), Identity()):
        yield "free", solvers.MASHA2(compressor)
        yield "free", solvers.MASHA2(compressor, TopK(4), step=0.01)
    yield "free", solvers.MASHA2(TopK(2), TopK(3), participants=2, anchor="new")
    yield "free", solvers.MASHA2(TopK(2), batch_size=2, participants=4)


def label(value):
    return value if isinstance(value, str) else str(value)


@pytest.mark.parametrize(("where", "solver"), list(cases()), ids=label)
def test_rounds_equal_the_definition_and_the_ledger_is_exact(where, solver, request):
    problem = request.getfixturevalue(where)
    n_rounds, rng = 30, 11
    replay = Replay(solver, problem, rng)
    expected = replay.run(n_rounds)
    state = solver.init(problem, STAR, rng=rng)
    found = []
    for _ in range(n_rounds):
        solver.advance(state, problem, STAR)
        found.append(solver.iterates(state, problem, STAR)[0])
    scale = np.abs(expected).max()
    assert np.abs(expected[-1] - expected[-2]).max() > 1e-9 * scale  # still under way
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11 * scale)
    assert state.n_gradients == replay.gradients
    assert state.n_communications == replay.exchanges
    assert state.bits_down == replay.down
    assert state.bits - state.bits_down == replay.up
    if isinstance(solver, solvers.MASHA2):
        np.testing.assert_allclose(state.arrays["rows"][1], replay.E, rtol=0, atol=1e-11 * scale)
        np.testing.assert_allclose(state.arrays["shared"][3], replay.e, rtol=0, atol=1e-11 * scale)


VARIETY = [
    solvers.Extragradient(batch_size=2),
    solvers.OptimisticGradient(),
    solvers.CompressedExtragradient(TopK(2), error_feedback=True),
    solvers.MASHA1(RandK(2), Natural(), participants=3, batch_size=2),
    solvers.MASHA2(TopK(2), TopK(3), participants=3),
    solvers.DIANASGDA(RandK(2)),
]


@pytest.mark.parametrize("solver", VARIETY, ids=str)
def test_any_cut_and_a_saved_state_give_the_same_bits(solver, free, tmp_path):
    whole = solver.solve(free, STAR, max_events=40, tol=0, rng=2)
    state = solver.init(free, STAR, rng=2)
    for n_rounds in (1, 0, 6, 33):
        solver.advance(state, free, STAR, n_rounds)
        state.save(tmp_path / "state.npz")
        state = solvers.State.load(tmp_path / "state.npz")
    assert solver.iterates(state, free, STAR).tobytes() == whole.X.tobytes()
    assert (state.bits, state.bits_down, state.n_gradients, state.n_communications) == (
        whole.bits,
        whole.state.bits_down,
        whole.n_gradients,
        whole.n_communications,
    )


@pytest.mark.parametrize("solver", VARIETY, ids=str)
def test_seeds(solver, free):
    runs = [solver.solve(free, STAR, max_events=30, tol=0, rng=rng).X for rng in (1, 1, 2)]
    assert runs[0].tobytes() == runs[1].tobytes()
    draws = solver.batch_size or "RandK" in str(solver) or "participants=3" in str(solver)
    assert (runs[0] != runs[2]).any() == (bool(draws) or isinstance(solver, solvers.MASHA2))


@pytest.mark.parametrize("make", [lambda: solvers.MASHA1(RandK(2)), lambda: solvers.MASHA2(TopK(2))])
def test_a_complete_graph_gives_the_same_iterates_and_its_own_ledger(make, free):
    star, complete = (
        make().solve(free, graph(N), max_events=30, tol=0) for graph in (graphs.star, graphs.complete)
    )
    assert np.array_equal(star.X, complete.X)
    assert complete.state.bits_down == 0 < star.state.bits_down
    assert complete.bits == (star.bits - star.state.bits_down) * N
    assert complete.n_communications * (N - 1) == star.n_communications * N * (N - 1) // 2


def test_links_of_a_round_in_which_few_take_part(free):
    solver = solvers.MASHA1(RandK(2), participants=2, tau=1.0, step=1e-3)  # the anchor never moves
    graph = graphs.complete(N)
    result = solver.solve(free, graph, max_events=7, tol=0)
    # those of the first exchange, then the pairs with at least one of the two
    assert result.n_communications == N * (N - 1) // 2 + 7 * (N * (N - 1) // 2 - 3)
    bits = result.bits - 64 * D * N * (N - 1)
    assert bits == 7 * 2 * (N - 1) * RandK(2).compress(np.ones(D), 0).nbits


@pytest.mark.parametrize("n", [1, 2])
def test_one_and_two_nodes(n):
    problem = problems.BilinearSaddle.random(n, 2, l2=1.0, most=2.0)
    graph = graphs.star(n) if n > 1 else graphs.complete(1)
    for solver in (
        solvers.Extragradient(),
        solvers.OptimisticGradient(),
        solvers.MASHA1(RandK(1)),
        solvers.MASHA1(PermK(n)),
        solvers.MASHA2(TopK(1)),
        solvers.DIANASGDA(RandK(1)),
    ):
        result = solver.solve(problem, graph, tol=1e-9)
        assert result.success, solver
        np.testing.assert_allclose(result.x, problem.solution(), rtol=1e-6, atol=1e-6)
        if n == 1:
            assert result.bits == result.n_communications == 0


def test_operators_of_objectives_are_their_gradients():
    problem = problems.Quadratic.random(4, 6, condition_number=5.0)
    for solver in (solvers.Extragradient(), solvers.MASHA1(RandK(2)), solvers.DIANASGDA(RandK(2))):
        result = solver.solve(problem, graphs.star(4), tol=1e-9)
        assert result.success
        np.testing.assert_allclose(result.x, problem.solution(), rtol=1e-6)


def test_wrong_classes_and_bad_calls_are_refused(free, in_sets):
    for solver, words in (
        (solvers.MASHA1(TopK(2)), "unbiased"),
        (solvers.MASHA1(RandK(2), TopK(2)), "unbiased server_compressor"),
        (solvers.MASHA2(RandK(2)), "contractive"),
        (solvers.MASHA2(TopK(2), RandK(2)), "contractive server_compressor"),
        (solvers.QSGDA(TopK(2)), "unbiased"),
        (solvers.MASHA1(PermK(N + 1)), f"PermK must be of the {N} nodes"),
        (solvers.MASHA1(RandK(2), PermK(N)), "biased from one round to the next"),
        (solvers.CompressedExtragradient(PermK(N + 1)), f"PermK must be of the {N} nodes"),
        (solvers.MASHA2(PermK(2), check_compressor=False, step=0.1), f"PermK must be of the {N} nodes"),
        (solvers.MASHA1(PermK(N), participants=2), "PermK needs all nodes"),
        (solvers.MASHA1(RandK(2), participants=N + 1), "participants"),
        (solvers.MASHA1(RandK(2), tau=1.5), "tau"),
        (solvers.MASHA1(RandK(2), tau=1.0), "no theory for step"),
        (solvers.MASHA1(RandK(2), anchor="older"), "anchor"),
        (solvers.MASHA1(RandK(2), step=-1.0), "step"),
        (solvers.Extragradient(step=np.nan), "step"),
        (solvers.MASHA1(TopK(2), check_compressor=False), "no theory for step"),
    ):
        with pytest.raises(ValueError, match=words):
            solver.init(free, STAR)
    with pytest.raises(ValueError, match="MASHA2 has no projection"):
        solvers.MASHA2(TopK(2)).init(in_sets, STAR)
    with pytest.raises(ValueError, match="no server to compress"):
        solvers.MASHA1(RandK(2), RandK(2)).init(free, graphs.complete(N))
    with pytest.raises(ValueError, match=r"graphs\.star"):
        solvers.Extragradient().init(free, graphs.cycle(N))
    with pytest.raises(TypeError, match="compressor"):
        solvers.MASHA1(0.1).init(free, STAR)
    with pytest.raises(TypeError, match="is a variational inequality: take Extragradient"):
        solvers.DGD().init(free, STAR)
    with pytest.raises(ValueError, match="has no samples"):
        solvers.Extragradient(batch_size=2).init(problems.MatrixGame(np.ones((N, 2, 2))), STAR)
    opposite = problems.MatrixGame(np.array([1, -1, 1, -1, 0])[:, None, None] * np.eye(2))
    with pytest.raises(ValueError, match="mean operator must not be constant"):
        solvers.Extragradient().init(opposite, STAR)
    with pytest.raises(ValueError, match="positive on an entropic simplex"):
        solvers.Extragradient().init(in_sets, STAR, x0=[0, 0, 0, 0, 1, 0, 0, 0])
    state = solvers.Extragradient().init(free, STAR)
    with pytest.raises(ValueError, match="another problem"):
        solvers.Extragradient().advance(state, in_sets, STAR)
