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


@pytest.mark.parametrize(
    "rule",
    [aggregation.CoordinateMedian(), aggregation.TrimmedMean(3), aggregation.NNM(3) >> aggregation.Krum(3)],
)
def test_optimized_attacks_are_stronger(rule):
    def deviation(attack):
        return np.linalg.norm(rule(np.vstack([HONEST, attack(HONEST, 3)])) - HONEST.mean(0))

    best = deviation(attacks.OptimizedALIE(rule))
    assert best >= max(deviation(attacks.ALIE(z)) for z in np.geomspace(0.01, 10, 7)) * (1 - 1e-9)
    best = deviation(attacks.OptimizedIPM(rule))
    assert best >= max(deviation(attacks.IPM(e)) for e in np.geomspace(0.01, 10, 7)) * 0.97


def test_line_search():
    for peak in (0.02, 0.7, 3.0, 10.0):
        found = optimized.strongest(lambda a, peak=peak: -abs(np.log(a / peak)), 10.0, 40)
        assert abs(found / peak - 1) < 0.01
    seen = []
    optimized.strongest(lambda a: seen.append(a) or a, 5.0, 24)
    assert len(seen) == 24
    assert max(seen) <= 5.0 + 1e-12


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
