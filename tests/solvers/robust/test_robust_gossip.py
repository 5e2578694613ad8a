"""RobustGossip: rules against their definitions, rounds against a plain reimplementation, what survives."""

import numpy as np
import pytest

from gossamer import graphs, problems, solvers
from gossamer.kernels import aggregation, oracles, random
from gossamer.kernels.aggregation import (
    MDA,
    NNM,
    SMEA,
    Bucketing,
    Bulyan,
    CoordinateMedian,
    DnC,
    Flag,
    GeometricMedian,
    Krum,
    Mean,
    MoNNA,
    NormalizedMean,
    TrimmedMean,
)
from gossamer.kernels.aggregation.neighbours import centred_gram
from gossamer.kernels.random import streams
from gossamer.problems import attacks
from gossamer.solvers.gossip_rules import (
    BRIDGE,
    NNA,
    RTC,
    ClippedGossip,
    CSPlus,
    Neighbourhood,
    OnDifferences,
    OnModels,
    PlainGossip,
)

N = 10
GRAPH = graphs.Graph.from_edges(
    N, [(i, (i + k) % N) for i in range(N) for k in (1, 2, 3)] + [(0, 5), (2, 7)]
)  # between 6 and 7 neighbours


def quiet(d=3):
    """No gradients: nodes only mix."""
    return problems.Quadratic(np.zeros((N, d, d)), np.zeros((N, d)))


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(200, 4))
    return problems.LeastSquares.from_data(
        A, A @ rng.normal(size=4) + 0.3 * rng.normal(size=200), N, l2=0.1, rng=1
    )


# -- definitions, with explicit differences -------------------------------------------------------------


def clip(d, tau):
    length = np.linalg.norm(d)
    return d if length <= tau else d * (tau / length)


def unit(v):
    return v / np.linalg.norm(v)


def definition(rule, own, others, weights):
    """The move of a node, from the definitions, for neighbours with finite models."""
    D = others - own
    lengths = np.linalg.norm(D, axis=1)
    k = len(D)
    order = sorted(range(k), key=lambda j: lengths[j])
    if isinstance(rule, PlainGossip):
        return weights @ D
    if isinstance(rule, OnModels):
        return rule.aggregator(np.vstack([own, others])) - own
    if isinstance(rule, OnDifferences):
        return weights.sum() * np.median(lengths) * unit(rule.aggregator(D))
    kept, dropped = order[: k - rule.b], order[k - rule.b :]
    if isinstance(rule, ClippedGossip):
        tau = rule.tau
        if tau is None:
            near = sum(weights[j] * lengths[j] ** 2 for j in kept)
            tau = np.sqrt(near / sum(weights[j] for j in dropped)) if dropped else np.inf
        return sum(weights[j] * clip(D[j], tau) for j in range(k))
    if isinstance(rule, CSPlus):
        tau = sorted(lengths)[k - 2 * rule.b - 1]
        return sum(weights[j] * clip(D[j], tau) for j in range(k))
    if isinstance(rule, NNA):
        return sum(weights[j] * D[j] for j in kept)
    if isinstance(rule, RTC):
        w = weights[kept]
        tau = rule.tau if rule.tau is not None else np.sqrt(w @ lengths[kept] ** 2 / w.sum())
        return sum(weights[j] * clip(D[j], tau) for j in kept)
    assert isinstance(rule, BRIDGE)
    if rule.keep_self:
        inner = np.sort(others, axis=0)[rule.b : k - rule.b]
        return (own + inner.sum(axis=0)) / (len(inner) + 1) - own
    return np.sort(np.vstack([own, others]), axis=0)[rule.b : k + 1 - rule.b].mean(axis=0) - own


RULES = [
    PlainGossip(),
    ClippedGossip(2),
    ClippedGossip(0),
    ClippedGossip(1, tau=0.7),
    CSPlus(2),
    CSPlus(1),
    NNA(2),
    RTC(2),
    RTC(1, tau=0.9),
    BRIDGE(2),
    BRIDGE(1, keep_self=False),
    OnModels(MoNNA(2)),
    OnModels(CoordinateMedian()),
    OnModels(Krum(1)),
    OnModels(Bulyan(1)),
    OnModels(NNM(2) >> GeometricMedian()),
    OnDifferences(Flag(m=2)),
    OnDifferences(NormalizedMean()),
    OnDifferences(CoordinateMedian()),
    OnDifferences(NNM(2) >> TrimmedMean(1)),
    OnDifferences(DnC(1)),
]
each_rule = pytest.mark.parametrize("rule", RULES, ids=repr)


def neighbourhood(models, weights):
    rows = models - models[0]
    return Neighbourhood(rows, np.arange(len(rows)), centred_gram(rows), weights, 0)


def move(rule, models, weights):
    near = neighbourhood(models, weights)
    found, moved = rule._move(near)
    if moved is not None:
        assert found is None
        return moved
    used = np.flatnonzero(found)
    return found[used] @ near.models[1 + used]


@each_rule
@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_rules_are_their_definitions(rule, shift):
    rng = np.random.default_rng(5)
    for k in (7, 8, 11):
        models, weights = rng.normal(size=(k + 1, 4)) + np.round(shift), rng.uniform(0.02, 0.1, k)
        models = np.round(models * 2**20) / 2**20  # so that differences are exact, whatever the shift
        expected = definition(rule, models[0] - models[0], models[1:] - models[0], weights)
        np.testing.assert_allclose(move(rule, models, weights), expected, rtol=1e-11, atol=1e-12)


@each_rule
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e200])
def test_a_neighbour_that_is_not_finite_is_dropped(rule, bad):
    rng = np.random.default_rng(6)
    models, weights = rng.normal(size=(10, 4)), rng.uniform(0.02, 0.1, 9)
    spoilt = models.copy()
    spoilt[3] = bad
    moved = move(rule, spoilt, weights)
    b = getattr(rule, "b", None)
    left = np.delete(models, 3, axis=0), np.delete(weights, 2)
    if bad == 1e200 and isinstance(rule, BRIDGE | OnModels | OnDifferences):
        assert np.isfinite(moved).all()  # finite numbers for rules that sort
        return
    if b:  # it was one of the b: the definition with infinite distance
        lesser = type(rule)(**{**vars(rule), "b": b - 1})
        if not isinstance(rule, ClippedGossip | CSPlus):
            np.testing.assert_allclose(
                moved, definition(lesser, left[0][0], left[0][1:], left[1]), rtol=1e-11
            )
        else:
            far = models.copy()
            far[3] = 1e9
            tau = _radius(rule, far, weights)
            expected = sum(weights[j] * clip(models[1 + j] - models[0], tau) for j in range(9) if j != 2)
            np.testing.assert_allclose(moved, expected, rtol=1e-11)
    elif isinstance(rule, PlainGossip | ClippedGossip):
        np.testing.assert_allclose(moved, definition(rule, left[0][0], left[0][1:], left[1]), rtol=1e-11)
    assert np.isfinite(moved).all()


def _radius(rule, models, weights):
    lengths = np.linalg.norm(models[1:] - models[0], axis=1)
    order = np.argsort(lengths)
    if isinstance(rule, CSPlus):
        return lengths[order[len(order) - 2 * rule.b - 1]]
    if rule.tau is not None:
        return rule.tau
    kept, dropped = order[: len(order) - rule.b], order[len(order) - rule.b :]
    return np.sqrt(weights[kept] @ lengths[kept] ** 2 / weights[dropped].sum())


@each_rule
def test_where_all_neighbours_are_lost_a_node_stays(rule):
    models = np.full((10, 4), np.nan)
    models[0] = 1.0
    weights = np.full(9, 0.1)
    rows = models - models[0]
    found, moved = rule._move(Neighbourhood(rows, np.arange(10), centred_gram(rows), weights, 0))
    assert not np.any(found if moved is None else moved)


# -- rounds ----------------------------------------------------------------------------------------------


def plain_run(problem, rule, attack, f, rounds, options, key):
    n, d = problem.n_nodes, problem.dim
    W = graphs.mixing_matrix(GRAPH, "metropolis").toarray()
    honest, bad = np.arange(n - f), np.arange(n - f, n)
    faulty = np.arange(n) >= n - f
    behaves = attack is None or getattr(attack, "needs_own", False)
    active = range(n) if behaves else honest
    beta, size = options.get("momentum", 0.0), options.get("batch_size")
    X, M = np.zeros((n, d)), None
    for t in range(rounds):
        G = np.zeros((n, d))
        for i in active:
            if size:
                rows = random.distinct_integers(
                    size, int(problem.sample_oracle.n_samples[i]), key, streams.BATCH, t * n + i
                )
                G[i] = oracles.gradient(problem.sample_oracle, i, X[i], rows)
            else:
                G[i] = problem.gradient(i, X[i])
        M = G if M is None else beta * M + (1 - beta) * G
        X = X - options["step"] / (1 + options.get("step_decay", 0.0) * t) * M
        new = X.copy()
        for i in active:
            sent = X.copy()
            if isinstance(attack, attacks.Dissension):
                sent[bad] = attack(X, W, faulty)[i]
            elif attack is not None:
                sent[bad] = attack(X[honest], f, own=X[bad] if behaves else None, step=t)
            others = [j for j in range(n) if j != i and W[i, j] > 0]
            new[i] = X[i] + definition(rule, X[i], sent[others], W[i, others])
        X = new
    return X


RUNS = [
    (PlainGossip(), None, 0, {}),
    (NNA(2), attacks.UniformNoise(5.0), 2, {"momentum": 0.8}),
    (ClippedGossip(2), attacks.Dissension(1.5), 2, {"batch_size": 5}),
    (CSPlus(1), attacks.ALIE(1.5), 2, {"step_decay": 0.1}),
    (BRIDGE(2), attacks.SignFlip(), 2, {"batch_size": 3, "momentum": 0.5}),
    (OnModels(MoNNA(2)), attacks.IPM(2.0), 2, {}),
    (OnDifferences(Flag(m=2, max_iter=3)), attacks.Drop(0.7), 2, {}),
    (RTC(2), attacks.GaussianNoise(), 2, {}),
]


@pytest.mark.parametrize(("rule", "attack", "f", "options"), RUNS)
def test_rounds_are_their_definition(problem, rule, attack, f, options):
    options = {"step": 0.1} | options
    solver = solvers.RobustGossip(rule, f=f, attack=attack, **options)
    result = solver.solve(problem, GRAPH, tol=0, max_events=25, rng=3)
    expected = plain_run(problem, rule, attack, f, 25, options, result.state.key)
    np.testing.assert_allclose(result.X, expected, rtol=0, atol=1e-11 * np.abs(expected).max())
    honest = expected[: N - f]
    np.testing.assert_allclose(result.x, honest.mean(axis=0), rtol=1e-11)
    value = np.mean([problem.node_objective(i, result.x) for i in range(N - f)])
    assert result.trace["objective"][-1] == pytest.approx(value, rel=1e-12)
    spread = np.sqrt(((honest - honest.mean(axis=0)) ** 2).sum() / len(honest))
    assert result.trace["consensus"][-1] == pytest.approx(spread, rel=1e-9)


@each_rule
def test_equal_models_stay_to_the_last_bit(rule):
    start = np.random.default_rng(0).normal(size=3) / 3
    result = solvers.RobustGossip(rule, step=1.0).solve(quiet(), GRAPH, start, tol=0, max_events=5)
    assert (start == result.X).all()


@pytest.mark.parametrize("rule", [ClippedGossip(0), CSPlus(0), NNA(0), RTC(0, tau=np.inf)], ids=repr)
def test_without_faults_and_clipping_it_is_plain_gossip_to_the_last_bit(problem, rule):
    plain, found = (
        solvers.RobustGossip(r, step=0.1).solve(problem, GRAPH, tol=0, max_events=30)
        for r in (PlainGossip(), rule)
    )
    assert found.X.tobytes() == plain.X.tobytes()


def test_plain_gossip_is_multiplication_by_the_matrix():
    X = np.random.default_rng(2).normal(size=(N, 3))
    W = graphs.mixing_matrix(GRAPH, "lazy_metropolis")
    for mixing in ("lazy_metropolis", W.toarray()):
        solver = solvers.RobustGossip(PlainGossip(), step=1.0, mixing=mixing)
        result = solver.solve(quiet(), GRAPH, X, tol=0, max_events=4)
        np.testing.assert_allclose(result.X, W @ (W @ (W @ (W @ X))), rtol=0, atol=1e-14)


def test_symmetric_clips_preserve_the_average_and_agree_in_the_end():
    X = np.random.default_rng(2).normal(size=(N, 3)) * 4
    solver = solvers.RobustGossip(ClippedGossip(1, tau=0.5), step=1.0)
    result = solver.solve(quiet(), GRAPH, X, tol=0, max_events=400)
    np.testing.assert_allclose(result.X.mean(axis=0), X.mean(axis=0), rtol=0, atol=1e-13)
    assert result.trace["consensus"][-1] < 1e-12
    first = solver.solve(quiet(), GRAPH, X, tol=0, max_events=1)
    plain = solvers.RobustGossip(PlainGossip(), step=1.0).solve(quiet(), GRAPH, X, tol=0, max_events=1)
    assert np.abs(first.X - plain.X).max() > 0.1  # it did clip


def test_the_ledger_and_what_was_left_out(problem, recwarn):
    solver = solvers.RobustGossip(NNA(2), f=2, attack=attacks.NonFinite(), step=0.1)
    result = solver.solve(problem, GRAPH, tol=0, max_events=7)
    assert result.n_gradients == 7 * 8
    assert result.n_communications == 7 * GRAPH.n_edges
    assert result.bits == 7 * 64 * 4 * 2 * GRAPH.n_edges
    assert result.bits_down == 0
    honest_neighbours = GRAPH.adjacency.toarray()[:8].sum(axis=0)
    expected = np.where(np.arange(N) < 8, 0, 7 * honest_neighbours)
    assert result.state.arrays["excluded"].tolist() == expected.tolist()
    assert not recwarn.list
    assert (result.X[8:] == 0).all()  # who sends nonsense computes nothing
    honest = solvers.RobustGossip(NNA(2), f=2, attack=attacks.SignFlip(), step=0.1)
    assert honest.solve(problem, GRAPH, tol=0, max_events=7).n_gradients == 70


@pytest.mark.parametrize(
    ("rule", "attack"),
    [
        (ClippedGossip(2), attacks.Dissension(2.0)),
        (BRIDGE(2), attacks.UniformNoise()),
        (OnDifferences(Flag()), attacks.SignFlip()),
    ],
)
def test_any_cut_of_the_rounds_gives_the_same_bits(problem, rule, attack, tmp_path):
    solver = solvers.RobustGossip(
        rule, f=2, attack=attack, step=0.05, step_decay=0.01, momentum=0.9, batch_size=3
    )
    whole = solver.solve(problem, GRAPH, tol=0, max_events=20, rng=1)
    state = solver.init(problem, GRAPH, rng=1)
    for count in (1, 0, 2, 9):
        solver.advance(state, problem, GRAPH, count)
    state.save(tmp_path / "state.npz")
    state = solvers.State.load(tmp_path / "state.npz")
    again = solver.solve(problem, GRAPH, tol=0, max_events=20, state=state, record_every=3)
    for name, array in whole.state.arrays.items():
        assert again.state.arrays[name].tobytes() == array.tobytes(), name
    others = [
        solvers.RobustGossip(
            rule, f=2, attack=attack, step=0.06, step_decay=0.01, momentum=0.9, batch_size=3
        ),
        solvers.RobustGossip(
            NNA(1), f=2, attack=attack, step=0.05, step_decay=0.01, momentum=0.9, batch_size=3
        ),
        solvers.RobustGossip(
            rule,
            f=2,
            attack=attack,
            step=0.05,
            step_decay=0.01,
            momentum=0.9,
            batch_size=3,
            mixing="lazy_metropolis",
        ),
    ]
    for other in others:
        with pytest.raises(ValueError, match="other hyper-parameters"):
            other.advance(state, problem, GRAPH)


# -- what survives ---------------------------------------------------------------------------------------

COMPLETE = graphs.complete(N)


@pytest.fixture(scope="module")
def alike():
    rng = np.random.default_rng(4)
    return problems.Averaging(np.array([1.0, -2.0]) + 0.05 * rng.normal(size=(N, 2)))


@pytest.mark.parametrize("attack", [attacks.GaussianNoise(), attacks.IPM(5.0), attacks.NonFinite()], ids=repr)
@pytest.mark.parametrize(
    "rule",
    [
        NNA(2),
        RTC(2),
        BRIDGE(2),
        CSPlus(2),
        OnModels(MoNNA(2)),
        OnModels(CoordinateMedian()),
        OnModels(Krum(2)),
    ],
    ids=repr,
)
def test_robust_rules_end_among_the_honest(alike, rule, attack):
    result = solvers.RobustGossip(rule, f=2, attack=attack, step=0.1).solve(
        alike, COMPLETE, tol=0, max_events=150
    )
    assert np.linalg.norm(result.X[:8] - [1.0, -2.0], axis=1).max() < 0.25


def test_plain_gossip_is_carried_away(alike):
    run = solvers.RobustGossip(PlainGossip(), f=2, attack=attacks.GaussianNoise(), step=0.1)
    assert np.linalg.norm(run.solve(alike, COMPLETE, tol=0, max_events=150).x - [1.0, -2.0]) > 10


def test_dissension_keeps_plain_gossip_apart_and_not_a_rule_that_removes():
    X = np.random.default_rng(1).normal(size=(N, 3))
    ends = {}
    for rule in (PlainGossip(), NNA(2)):
        solver = solvers.RobustGossip(rule, f=2, attack=attacks.Dissension(1.0), step=1.0)
        ends[rule] = solver.solve(quiet(), COMPLETE, X, tol=0, max_events=60).trace["consensus"]
    assert ends[PlainGossip()][-1] == pytest.approx(ends[PlainGossip()][0], rel=1e-9)
    assert ends[NNA(2)][-1] < ends[PlainGossip()][-1] / 3


def test_it_reaches_the_minimiser_of_equal_objectives():
    problem = problems.Averaging(np.tile([1.0, 2.0], (N, 1)))
    X = np.random.default_rng(0).normal(size=(N, 2))
    for rule in (PlainGossip(), NNA(2), ClippedGossip(2), OnDifferences(Flag())):
        result = solvers.RobustGossip(rule, step=0.3).solve(problem, GRAPH, X, tol=1e-9)
        assert result.success
        np.testing.assert_allclose(result.X, np.tile([1.0, 2.0], (N, 1)), atol=1e-7)


def test_faulty_nodes_without_an_attack_compute_honestly(problem):
    runs = [
        solvers.RobustGossip(NNA(1), f=f, step=0.1).solve(problem, GRAPH, tol=0, max_events=10)
        for f in (0, 2)
    ]
    assert np.array_equal(runs[0].X, runs[1].X)
    assert runs[1].members.tolist() == list(range(N - 2))
    assert runs[1].trace["consensus"][-1] != runs[0].trace["consensus"][-1]


@pytest.mark.parametrize("rule", [PlainGossip(), NNA(2), OnModels(MoNNA(2)), OnModels(Krum(2))], ids=repr)
def test_divergence_is_a_status(alike, rule):
    result = solvers.RobustGossip(rule, step=3.0).solve(alike, GRAPH, tol=0, max_events=5000)
    assert result.status == "diverged"


# -- what is refused -------------------------------------------------------------------------------------


def test_what_does_not_fit(problem):
    def refuse(message, kind=ValueError, graph=GRAPH, rule=None, **options):
        with pytest.raises(kind, match=message):
            solvers.RobustGossip(rule or NNA(1), **({"step": 0.1} | options)).init(problem, graph)

    refuse("more than 6 neighbours", rule=NNA(6))
    refuse("TrimmedMean", rule=BRIDGE(4))
    refuse("Krum", rule=OnModels(Krum(3)))
    refuse("rule must be", TypeError, rule=CoordinateMedian())
    refuse("attack", TypeError, attack="noise")
    refuse(r"attack is Dissension\(strength=1.0\), but f = 0 leaves no node", attack=attacks.Dissension())
    refuse(r"attack is Zero\(\), but f = \(\) leaves no node faulty", attack=attacks.Zero(), f=())
    refuse("step", step=-1.0)
    refuse("honest", f=N)
    refuse("momentum", momentum=1.5)
    refuse("connected", graph=graphs.Graph.from_edges(N, [(0, 1)]))
    negative = np.array(graphs.mixing_matrix(COMPLETE).toarray())
    negative[0, 1] = negative[1, 0] = -0.1
    negative[0, 0] = negative[1, 1] = 1 - (negative[0].sum() - negative[0, 0])
    refuse("negative", graph=COMPLETE, mixing=negative)


@pytest.mark.parametrize("kind", [MDA, SMEA])
@pytest.mark.parametrize("make", [OnModels, OnDifferences])
def test_rules_are_checked_at_the_largest_degree_too(kind, make):
    ring = [tuple(sorted((i, 1 + (i + k - 1) % 59))) for i in range(1, 60) for k in range(1, 6)]
    graph = graphs.Graph.from_edges(60, sorted([*ring, *((0, i) for i in range(1, 60))]))
    assert sorted(set(graph.degrees.tolist())) == [11, 59]
    problem = problems.Averaging(np.zeros((60, 1)))
    solvers.RobustGossip(make(kind(2)), step=0.1).init(problem, graph)
    message = rf"at node 0, of degree 59: {kind.__name__} would try \d+ subsets .* take NNM"
    with pytest.raises(ValueError, match=message):
        solvers.RobustGossip(make(kind(4)), step=0.1).init(problem, graph)


def test_rules_are_checked_at_nodes_that_move():
    problem = problems.Averaging(np.zeros((N, 1)))
    few = graphs.Graph.from_edges(N, [*graphs.complete(N - 1).edges.tolist(), (0, N - 1), (1, N - 1)])
    solver = solvers.RobustGossip(CSPlus(1), f=1, attack=attacks.Zero(), step=0.1)
    solver.init(problem, few)  # node 9, of degree 2, only attacks
    for attack in (None, attacks.SignFlip()):
        solver = solvers.RobustGossip(CSPlus(1), f=1, attack=attack, step=0.1)
        message = r"at node 9, of degree 2: CSPlus .* more than 2 neighbours.* lower b"
        with pytest.raises(ValueError, match=message):
            solver.init(problem, few)


def test_rules_refuse_bad_parameters():
    with pytest.raises(ValueError, match="b must be"):
        NNA(-1)
    with pytest.raises(ValueError, match="tau"):
        ClippedGossip(1, tau=np.nan)
    with pytest.raises(ValueError, match="OnDifferences"):
        OnModels(Flag())
    with pytest.raises(ValueError, match="OnDifferences"):
        OnModels(aggregation.Clipping() >> Mean())
    with pytest.raises(ValueError, match=r"MoNNA\(f=1, pivot=2\) must trust row 0, the node's own model"):
        OnModels(MoNNA(1, pivot=2))
    with pytest.raises(ValueError, match="without Bucketing"):
        OnModels(Bucketing(2) >> MoNNA(1))
    with pytest.raises(ValueError, match=r"take OnModels\(NNM\(f=1\) >> MoNNA\(f=1, pivot=0\)\)"):
        OnDifferences(NNM(1) >> MoNNA(1))
    with pytest.raises(TypeError, match="aggregator"):
        OnDifferences("flag")
    with pytest.raises(ValueError, match="strength"):
        attacks.Dissension(-1.0)


@pytest.mark.parametrize("n", [1, 2])
def test_few_nodes_and_one_coordinate(n):
    problem = problems.Averaging(np.arange(1.0, n + 1)[:, None])
    graph = graphs.Graph.from_edges(n, [(0, 1)][: n - 1])
    solver = solvers.RobustGossip(PlainGossip(), step=0.01)
    result = solver.solve(problem, graph, tol=0, max_events=2000)
    np.testing.assert_allclose(result.x, (n + 1) / 2, atol=1e-6)
