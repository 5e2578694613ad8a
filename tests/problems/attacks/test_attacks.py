"""Attacks against their formulas, and against the rules that they are made for."""

from statistics import NormalDist

import numpy as np
import pytest

from gossamer import graphs
from gossamer.kernels import aggregation, gossip
from gossamer.problems import attacks
from gossamer.problems.attacks import optimized, simple

HONEST = np.random.default_rng(0).normal(size=(12, 50)) + 1
OWN = np.random.default_rng(1).normal(size=(3, 50))
ALL = [
    attacks.UniformNoise(),
    attacks.GaussianNoise(),
    attacks.Zero(),
    attacks.NonFinite(),
    attacks.SignFlip(),
    attacks.ReversedGradient(),
    attacks.Drop(),
    attacks.ALIE(),
    attacks.IPM(),
    attacks.Mimic(),
    attacks.OptimizedALIE(aggregation.CoordinateMedian()),
    attacks.OptimizedIPM(aggregation.Krum(3)),
    *(kind(q) for kind in (attacks.MinMax, attacks.MinSum) for q in ("std", "unit", "sign")),
]


@pytest.mark.parametrize("attack", ALL, ids=lambda attack: type(attack).__name__)
def test_shape_type_and_untouched_input(attack):
    for dtype in (np.float64, np.float32):
        honest, own = HONEST.astype(dtype), OWN.astype(dtype)
        before = honest.tobytes(), own.tobytes()
        sent = attack(honest, 3, own=own)
        assert sent.shape == (3, 50)
        assert sent.dtype == dtype
        assert (honest.tobytes(), own.tobytes()) == before
        assert not np.may_share_memory(sent, honest)
        assert not np.may_share_memory(sent, own)
        again = attack(honest, 3, own=own)
        assert np.array_equal(sent, again, equal_nan=True)
    assert attack(HONEST, 0, own=OWN[:0]).shape == (0, 50)


def test_formulas():
    mean, deviation = HONEST.mean(0), HONEST.std(0)
    assert np.array_equal(attacks.SignFlip()(HONEST, 3, own=OWN), -OWN)
    assert np.array_equal(attacks.ReversedGradient()(HONEST, 3, own=OWN), -10 * OWN)
    assert np.array_equal(attacks.ReversedGradient(2)(HONEST, 3, own=OWN), -2 * OWN)
    assert np.array_equal(attacks.Zero()(HONEST, 2), np.zeros((2, 50)))
    assert np.isnan(attacks.NonFinite()(HONEST, 2)).all()
    assert (attacks.NonFinite(-np.inf)(HONEST, 2) == -np.inf).all()
    np.testing.assert_allclose(attacks.IPM()(HONEST, 3), np.tile(-0.1 * mean, (3, 1)))
    np.testing.assert_allclose(attacks.ALIE(1.5)(HONEST, 3), np.tile(mean - 1.5 * deviation, (3, 1)))
    assert np.array_equal(attacks.Mimic(7)(HONEST, 2), HONEST[[7, 7]])


@pytest.mark.parametrize(
    ("h", "f", "z"), [(12, 3, 0.2104), (13, 2, 0.0966), (14, 1, 0.0), (13, 7, NormalDist().inv_cdf(9 / 13))]
)
def test_z_of_alie(h, f, z):
    assert abs(attacks.alie_z(h, f) - z) < 1e-4
    rows = np.random.default_rng(0).normal(size=(h, 4))
    np.testing.assert_allclose(
        attacks.ALIE()(rows, f)[0], rows.mean(0) - attacks.alie_z(h, f) * rows.std(0), rtol=1e-12
    )


def test_noise_has_its_moments_and_depends_on_key_and_step():
    honest = np.zeros((2, 200_000))
    uniform = attacks.UniformNoise(2.0, key=5)(honest, 2)
    assert uniform.min() >= 0
    assert uniform.max() < 2
    assert abs(uniform.mean() - 1) < 0.005
    normal = attacks.GaussianNoise(3.0, key=5)(honest, 2)
    assert abs(normal.mean()) < 0.02
    assert abs(normal.std() - 3) < 0.02
    assert abs(np.corrcoef(normal)[0, 1]) < 0.01
    for other in (
        attacks.UniformNoise(2.0, key=6)(honest, 2),
        attacks.UniformNoise(2.0, key=5)(honest, 2, step=1),
    ):
        assert abs(np.corrcoef(uniform[0], other[0])[0, 1]) < 0.01
    more = attacks.UniformNoise(2.0, key=5)(honest, 3)
    assert np.array_equal(more[:2], uniform)


@pytest.mark.parametrize("deviate", [0.0, 1.0 - 2.0**-53])
def test_normal_noise_of_the_extreme_deviates_is_finite(monkeypatch, deviate):
    monkeypatch.setattr(simple, "_uniform", lambda key, shape, step: np.full(shape, deviate))
    sent = attacks.GaussianNoise(1.0)(np.zeros((1, 3)), 1)
    assert ((np.abs(sent) > 8) & (np.abs(sent) < 9)).all()


def test_drop_loses_coordinates():
    own = np.ones((1, 200_000))
    sent = attacks.Drop(0.9)(own, 1, own=own)
    assert set(np.unique(sent)) == {0.0, 1.0}
    assert abs(sent.mean() - 0.9) < 0.003
    assert np.array_equal(attacks.Drop(1.0)(own, 1, own=own), own)
    assert not attacks.Drop(0.0)(own, 1, own=own).any()


OPTIMIZED = attacks.OptimizedALIE, attacks.OptimizedIPM
RULES = [
    aggregation.CoordinateMedian(),
    aggregation.TrimmedMean(3),
    aggregation.MeaMed(3),
    aggregation.Krum(3),
    aggregation.MultiKrum(3),
    aggregation.GeometricMedian(),
    aggregation.MDA(3),
    aggregation.NormalizedMean(),
    aggregation.CenteredClipping(),
    aggregation.NNM(3) >> aggregation.Krum(3),
]


def deviation(rule, honest, sent):
    found = rule(
        np.vstack([honest, np.atleast_2d(sent).repeat(3 // len(np.atleast_2d(sent)), axis=0)]), full=True
    )
    return np.linalg.norm(found.value - honest.mean(0))


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_optimized_attacks_are_as_strong_as_a_fine_grid_of_both_signs(rule):
    grid = np.geomspace(1e-2, 10, 120)
    for kind in OPTIMIZED:
        for seed in range(2):
            rng = np.random.default_rng(seed)
            honest = rng.normal(size=(12, 30)) + rng.normal(size=30) / 2
            start, direction = kind(rule)._line(honest)
            finest = max(deviation(rule, honest, start + a * direction) for a in np.r_[grid, -grid])
            assert deviation(rule, honest, kind(rule)(honest, 3)) >= 0.9 * finest, (kind, seed)


def test_optimized_attacks_take_the_sign_that_hurts_more():
    """Some honest rows are far out on one side, and with them the mean: the median goes to the other."""
    rule = aggregation.CoordinateMedian()
    for side in (1.0, -1.0):
        honest = 5.0 + side * np.array([[0.0], [0.1], [0.2], [0.3], [3.0], [4.0]])
        for kind in OPTIMIZED:
            positive, negative = (deviation_of(kind(rule), rule, honest, sign) for sign in (1, -1))
            found = np.linalg.norm(rule(np.vstack([honest, kind(rule)(honest, 2)])) - honest.mean(0))
            assert found == pytest.approx(max(positive, negative), rel=1e-9)
            if side < 0:
                assert negative > 1.05 * positive


def deviation_of(attack, rule, honest, sign):
    start, direction = attack._line(honest)
    lengths = [
        np.linalg.norm(rule(np.vstack([honest, *[start + sign * a * direction] * 2])) - honest.mean(0))
        for a in np.geomspace(1e-2, 10, 200)
    ]
    return max(lengths)


def test_line_search():
    for peak in (0.02, 0.7, 3.0, 10.0, -0.02, -0.7, -10.0):
        found = optimized.strongest(lambda a, p=peak: 9 - abs(np.log(a / p)) if a / p > 0 else 0.0, 10.0, 80)
        assert abs(found / peak - 1) < 0.02
    cliff = optimized.strongest(lambda a: a if 0 < a < 3.21 else 0.1 * abs(a), 10.0, 48)
    assert 3.21 * 0.99 < cliff < 3.21
    for n_evaluations in (4, 7, 24, 48):
        seen = []
        optimized.strongest(lambda a: seen.append(a) or a, 5.0, n_evaluations)  # noqa: B023
        assert len(seen) == n_evaluations
        assert max(seen) <= 5.0 + 1e-12
        assert min(seen) >= -5.0 - 1e-12


# attacks that no rule can tell by distances


HIDDEN = attacks.MinMax, attacks.MinSum
DIRECTIONS = {"std": lambda H: -H.std(0), "unit": lambda H: -H.mean(0), "sign": lambda H: -np.sign(H.mean(0))}


def allowed(kind, honest, sent):
    """By how much the constraint of the paper is kept: not negative."""
    D = np.array([[np.linalg.norm(x - y) for y in honest] for x in honest])
    to = np.linalg.norm(honest - sent, axis=1)
    return D.max() - to.max() if kind is attacks.MinMax else (D**2).sum(1).max() - (to**2).sum()


@pytest.mark.parametrize("kind", HIDDEN)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_hidden_attacks_go_as_far_as_bisection(kind, direction):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        honest = rng.normal(size=(rng.integers(2, 9), rng.integers(1, 12))) + rng.normal()
        q = DIRECTIONS[direction](honest)
        q /= np.linalg.norm(q)
        low, high = 0.0, 100.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (
                (middle, high) if allowed(kind, honest, honest.mean(0) + middle * q) >= 0 else (low, middle)
            )
        sent = kind(direction)(honest, 2)
        assert (sent[0] == sent[1]).all()
        np.testing.assert_allclose(sent[0], honest.mean(0) + low * q, atol=1e-7 * max(1.0, low))
        assert abs(allowed(kind, honest, sent[0])) < 1e-9 * (1 + low**2) * len(honest)


@pytest.mark.parametrize("kind", HIDDEN)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_hidden_attacks_of_rows_of_any_size(kind, direction):
    sent = kind(direction)(HONEST, 1)
    for k in (-900, -300, 300, 900):
        assert np.array_equal(kind(direction)(np.ldexp(HONEST, k), 1), np.ldexp(sent, k))
    assert np.isfinite(kind(direction)(np.full((3, 4), 1.7e308), 1)).all()
    single = kind(direction)(HONEST.astype(np.float32), 1)
    np.testing.assert_allclose(single, sent, rtol=1e-4, atol=1e-4)
    one = HONEST[:1]
    assert np.array_equal(kind(direction)(one, 2), np.repeat(one, 2, axis=0))  # nowhere to hide but there
    assert not kind(direction)(np.zeros((3, 4)), 2).any()


def test_labels():
    assert attacks.flip_labels(np.array([1.0, -1.0])).tolist() == [-1.0, 1.0]
    assert attacks.flip_labels(np.array([0, 3, 9]), 10).tolist() == [9, 6, 0]
    assert attacks.flip_labels(np.arange(4, dtype=np.uint8), 4).dtype == np.uint8
    with pytest.raises(ValueError, match="give n_classes"):
        attacks.flip_labels([0, 1])
    with pytest.raises(ValueError, match=r"in 0\.\.9, got 1\.\.10"):
        attacks.flip_labels([1, 10], 10)
    for given in (np.ones(2, np.uint8), np.ones(2, bool)):  # whose -1 would be 255, or an error of NumPy
        with pytest.raises(ValueError, match="of a type that has both"):
            attacks.flip_labels(given)


def test_dissension_holds_plain_gossip_and_drives_it_apart():
    graph = graphs.complete(6)
    W = graphs.mixing_matrix(graph).toarray()
    X = np.random.default_rng(0).normal(size=(6, 4))
    faulty = np.array([False, False, True, False, False, False])
    for strength in (1.0, 2.0):
        sent = attacks.dissension(X, W, faulty, strength)
        moved = X.copy()
        for i in np.flatnonzero(~faulty):
            messages = np.where(faulty[:, None], sent[i], X)
            moved[i] = X[i] + W[i] @ (messages - X[i])
        if strength == 1.0:
            np.testing.assert_allclose(moved[~faulty], X[~faulty], atol=1e-12)
        else:
            assert moved[~faulty].var(0).sum() > 1.5 * X[~faulty].var(0).sum()
    alone = attacks.dissension(X, np.eye(6), faulty)
    assert np.array_equal(alone, X)
    assert gossip.mix(W, X).var(0).sum() < X.var(0).sum()


@pytest.mark.parametrize(
    ("work", "match"),
    [
        (lambda: attacks.SignFlip()(HONEST, 3), r"SignFlip changes the workers' own gradients: pass own"),
        (lambda: attacks.Drop()(HONEST, 3, own=OWN[:2]), r"own must have shape \(3, 50\), got \(2, 50\)"),
        (lambda: attacks.Zero()(HONEST[0], 3), r"2 dimension"),
        (lambda: attacks.Zero()(HONEST[:0], 3), "at least one row"),
        (lambda: attacks.Zero()(HONEST, -1), "f must be at least 0"),
        (lambda: attacks.Mimic(12)(HONEST, 1), r"target must be in 0\.\.11, got 12"),
        (lambda: attacks.ALIE()(HONEST[:1], 1), "no z for h = 1 honest and f = 1"),
        (lambda: attacks.ALIE()(HONEST, 30), "no z"),
        (lambda: attacks.IPM(-1.0), "epsilon must be"),
        (lambda: attacks.Drop(1.5), "keep must be"),
        (lambda: attacks.MinMax("mean"), "direction must be one of 'std', 'unit', 'sign', got 'mean'"),
        (lambda: attacks.MinSum(None), "direction must be one of"),
        (
            lambda: attacks.OptimizedIPM(aggregation.Mean(), n_evaluations=3),
            "n_evaluations must be at least 4",
        ),
        (lambda: attacks.NonFinite(1.0), "value must be NaN or infinite, got 1.0"),
        (lambda: attacks.UniformNoise(0.0), "scale must be"),
        (lambda: attacks.dissension(HONEST, np.eye(3), np.zeros(12, bool)), r"W must have shape \(12, 12\)"),
        (lambda: attacks.dissension(HONEST, np.eye(12), np.zeros(12)), "faulty must be 12 booleans"),
        (lambda: attacks.dissension(HONEST, -np.eye(12), np.zeros(12, bool)), "must not be negative"),
    ],
)
def test_what_does_not_fit_is_refused(work, match):
    with pytest.raises(ValueError, match=match):
        work()


def test_aggregator_must_be_one():
    with pytest.raises(TypeError, match="must be an Aggregator, got str"):
        attacks.OptimizedALIE("krum")
