"""Flag in the Gram matrix against Flag by singular vectors of explicit columns, and what it must keep."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossamer.kernels import aggregation as agg
from gossamer.kernels.aggregation import reference

SCALES = ["unit", "median", "clip", "raw"]


def signal(p, d, rank, seed=0, noise=0.05):
    """Rows near a subspace of `rank` dimensions, with norms from 0.1 to 10: a spectrum with a gap."""
    rng = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(rng.normal(size=(d, rank)))
    mixing = rng.normal(size=(p, rank)) + 1.0
    rows = mixing @ basis.T / np.linalg.norm(mixing, axis=1, keepdims=True)
    rows += noise / d**0.5 * rng.normal(size=(p, d))
    return rows * 10.0 ** rng.uniform(-1, 1, (p, 1))


def close(found, expected, rtol=1e-10):
    np.testing.assert_allclose(found, expected, rtol=0, atol=rtol * max(np.abs(expected).max(), 1e-300))


@pytest.mark.parametrize("pair", ["unit", "raw", "code"])
@pytest.mark.parametrize("lam", [0.0, 1.0, 16.0])
@pytest.mark.parametrize("p", [2, 3, 8, 15])
def test_gram_and_singular_vectors_agree(p, lam, pair):
    m = min(3, p - 1)
    G = signal(p, 500, m)
    for scale in SCALES:
        found = agg.flag(G, m, lam=lam, pair=pair, scale=scale, max_iter=5, tol=0.0, full=True)
        value, ratios, objective = reference.flag(G, m, lam, scale, pair, len(found.details["objective"]))
        close(found.value, value)
        close(found.details["ratios"], ratios)
        close(found.details["objective"], objective)


@pytest.mark.parametrize("p", [1, 4, 5, 16, 17, 30, 31, 60])
def test_gram_and_singular_vectors_agree_for_any_number_of_rows(p):
    m = min(4, p)
    G = signal(p, 800, m, seed=p)
    for lam in (0.0, 2.0):
        found = agg.flag(G, m, lam=lam, max_iter=4, tol=0.0, full=True)
        value, ratios, objective = reference.flag(G, m, lam, "unit", "unit", len(found.details["objective"]))
        close(found.value, value)
        close(found.details["ratios"], ratios)
        close(found.details["objective"], objective)


def test_gram_and_singular_vectors_agree_for_every_number_of_rows():
    for p in range(1, 61):
        m = min(3, p)
        found = agg.flag(signal(p, 200, m, seed=p), m, max_iter=3, tol=0.0, full=True)
        n_subspaces = len(found.details["objective"])
        value, ratios, _ = reference.flag(signal(p, 200, m, seed=p), m, 0.0, "unit", "unit", n_subspaces)
        close(found.value, value)
        close(found.details["ratios"], ratios)


@pytest.mark.slow  # 1830 columns
def test_gram_and_singular_vectors_agree_for_all_pairs_of_sixty_rows():
    G = signal(60, 2000, 8)
    found = agg.flag(G, 8, lam=16.0, max_iter=4, tol=0.0, full=True)
    value, ratios, _ = reference.flag(G, 8, 16.0, "unit", "unit", 4)
    close(found.value, value)
    close(found.details["ratios"], ratios)


@given(st.integers(2, 20), st.integers(1, 30), st.data())
@settings(max_examples=80, deadline=None)
def test_objective_never_rises(p, d, data):
    m = data.draw(st.integers(1, p))
    lam = data.draw(st.sampled_from([0.0, 0.5, 8.0, 200.0]))
    pair = data.draw(st.sampled_from(["unit", "raw"]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**31)))
    G = rng.normal(size=(p, d)) * 10.0 ** rng.uniform(-3, 3, (p, 1))
    if data.draw(st.booleans()):
        G[p - 1] = G[0]
    found = agg.flag(G, m, lam=lam, pair=pair, full=True, tol=0.0)
    objective = found.details["objective"]
    assert (np.diff(objective) <= 1e-10 * max(1.0, objective[0])).all()
    assert found.details["converged"] == (len(objective) < 50 or objective[-2] - objective[-1] < 0)
    ratios = found.details["ratios"]
    assert ((ratios > -1e-12) & (ratios < 1 + 1e-12)).all()
    assert np.linalg.norm(found.value) <= p / m * (1 + 1e-12)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("lam", [8.0, 100.0])
def test_objective_of_undivided_pairs_ends_where_it_rises(lam, seed):
    """The result is of the subspace before, and does not call itself converged."""
    G = signal(9, 60, 3, seed, noise=0.5)
    found = agg.flag(G, 3, lam=lam, pair="code", tol=0.0, full=True)
    objective = found.details["objective"]
    assert objective[-1] > objective[-2] * (1 + 1e-6)
    assert (np.diff(objective[:-1]) <= 1e-10).all()
    assert not found.details["converged"]
    before = agg.flag(G, 3, lam=lam, pair="code", tol=0.0, max_iter=len(objective) - 1, full=True)
    assert np.array_equal(found.value, before.value)
    assert np.array_equal(found.details["ratios"], before.details["ratios"])
    value, ratios, expected = reference.flag(G, 3, lam, "unit", "code", 50)
    close(found.value, value, 1e-9)
    close(found.details["ratios"], ratios, 1e-9)
    close(objective, expected)


@given(st.integers(2, 12), st.integers(1, 20), st.integers(0, 2**31), st.sampled_from([0.5, 8.0, 200.0]))
@settings(max_examples=40, deadline=None)
def test_undivided_pairs_give_the_best_subspace_seen(p, d, seed, lam):
    G = np.random.default_rng(seed).normal(size=(p, d))
    rule = agg.Flag(1, lam, pair="code")
    found = rule(G, full=True)
    objective = found.details["objective"]
    best = int(np.argmin(objective))
    assert best >= len(objective) - 2
    if objective[-1] > objective[best] * (1 + 1e-9):
        first = agg.Flag(1, lam, pair="code", max_iter=best + 1)(G)
        assert np.array_equal(found.value, first)


def test_iterations_end_when_the_objective_stands_still():
    found = agg.flag(signal(15, 300, 3), 3, full=True)
    assert found.details["converged"]
    assert 2 < len(found.details["objective"]) < 50
    last = found.details["objective"][-2:]
    assert last[0] - last[1] < 1e-10
    assert not agg.flag(signal(15, 300, 3), 3, max_iter=2, full=True).details["converged"]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("lam", [0.0, 4.0])
def test_symmetries(scale, lam):
    G = signal(15, 200, 4)
    rule = agg.Flag(4, lam, scale)
    value = rule(G)
    order = np.random.default_rng(1).permutation(15)
    close(rule(G[order]), value)
    Q, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(200, 200)))
    close(rule(G @ Q), value @ Q)
    close(rule(np.hstack([G, np.zeros((15, 9))])), np.r_[value, np.zeros(9)])
    close(rule(64.0 * G), value * (1.0 if scale == "unit" else 64.0))
    coefficients = rule(G, full=True).weights
    close(coefficients @ G, value)  # in the span


@pytest.mark.parametrize("lam", [0.0, 4.0])
def test_norms_of_workers_do_not_matter_in_the_unit_form(lam):
    G = signal(15, 200, 4)
    factors = 10.0 ** np.random.default_rng(3).uniform(-6, 6, (15, 1))
    close(agg.flag(factors * G, 4, lam=lam), agg.flag(G, 4, lam=lam))
    raw = agg.flag(factors * G, 4, scale="raw", full=True)
    close(raw.details["ratios"], agg.flag(G, 4, full=True).details["ratios"])


def test_signs_do_not_matter_to_the_subspace():
    G = signal(15, 200, 4)
    H = G.copy()
    H[3] *= -1
    one, other = agg.flag(G, 4, full=True), agg.flag(H, 4, full=True)
    close(one.details["ratios"], other.details["ratios"], 1e-12)
    close(one.details["objective"], other.details["objective"], 1e-12)
    assert np.linalg.norm(one.value - other.value) > 0.1 * np.linalg.norm(one.value)


@pytest.mark.parametrize("m", [1, 3, 8])
def test_equal_rows(m):
    g = np.random.default_rng(0).normal(size=50)
    G = np.tile(g, (15, 1))
    close(agg.flag(G, m, lam=1.0), 15 / m * g / np.linalg.norm(g), 1e-12)
    for scale in ("raw", "clip", "median"):
        close(agg.flag(G, m, lam=1.0, scale=scale), g, 1e-12)


def test_enough_dimensions_make_the_projection_the_identity():
    G = signal(15, 60, 4, noise=1.0)
    units = G / np.linalg.norm(G, axis=1, keepdims=True)
    close(agg.flag(G, 15), units.sum(0) / 15, 1e-12)
    close(agg.flag(G, 15, scale="raw"), G.mean(0), 1e-12)
    plane = G[:, :2]
    close(agg.flag(plane, 8, scale="raw"), plane.mean(0), 1e-12)
    close(agg.flag(G[:1]), units[0], 1e-12)
    close(agg.flag(G[:1], scale="raw"), G[0], 1e-12)


def test_default_dimensions():
    for p, m in ((1, 1), (2, 2), (15, 8), (30, 16), (60, 31)):
        G = signal(p, 100, min(p, 3), noise=1.0)
        assert np.array_equal(agg.flag(G), agg.flag(G, m))


def test_huge_rows_move_the_raw_form_only():
    G = signal(15, 300, 4)
    G /= np.linalg.norm(G, axis=1, keepdims=True)
    G[0] *= 1e12
    assert np.linalg.norm(agg.flag(G)) <= 15 / 8 * (1 + 1e-12)
    assert np.linalg.norm(agg.flag(G, scale="median")) < 1 + 1e-9
    assert np.linalg.norm(agg.flag(G, scale="clip")) < 1 + 1e-9
    assert np.linalg.norm(agg.flag(G, scale="raw")) > 1e9


def test_zero_rows_have_no_weight_but_are_counted():
    G = signal(15, 100, 4)
    rest = np.delete(G, 6, axis=0)
    G[6] = 0
    found = agg.flag(G, 8, full=True)
    assert found.weights[6] == 0
    assert np.isnan(found.details["ratios"][6])
    close(found.value, agg.flag(rest, 8), 1e-12)
    close(agg.flag(G, 8, scale="raw"), 14 / 15 * agg.flag(rest, 8, scale="raw"), 1e-12)
    assert np.array_equal(agg.flag(np.zeros((3, 4)), full=True).weights, np.zeros(3))


def test_bad_rows_lower_the_default_dimensions():
    rest = signal(10, 100, 4)
    G = np.insert(rest, 3, np.inf, axis=0)
    found = agg.flag(G, full=True)
    assert found.excluded.tolist() == [3]
    close(found.value, agg.flag(rest), 1e-12)
    close(agg.flag(G, 11, full=True).value, agg.flag(rest, 10), 1e-12)  # at most as many as are left


def test_duplicates_have_no_pair_term():
    G = signal(9, 100, 3)
    G[4], G[7] = G[1], 2 * G[1]
    for pair in ("unit", "code"):
        found = agg.flag(G, 3, lam=8.0, pair=pair, max_iter=4, full=True)
        assert np.isfinite(found.value).all()
        assert np.isfinite(found.details["objective"]).all()
    value, _, objective = reference.flag(np.delete(G, 7, 0), 3, 8.0, "unit", "unit", 4)
    found = agg.flag(np.delete(G, 7, 0), 3, lam=8.0, max_iter=4, tol=0.0, full=True)
    close(found.value, value)
    close(found.details["objective"], objective)


def test_no_pairs_is_the_limit_of_few():
    G = signal(15, 100, 4)
    close(agg.flag(G, 4, lam=1e-12), agg.flag(G, 4), 1e-9)
    assert np.linalg.norm(agg.flag(G, 4, lam=50.0) - agg.flag(G, 4)) > 1e-6


def test_the_projection_is_one():
    """Y Y' G' 1 / p of the result's own rows again changes nothing: the projector is idempotent."""
    G = signal(15, 100, 4)
    found = agg.flag(G, 4, scale="raw", full=True)
    value, _, _ = reference.flag(G, 4, 0.0, "raw", "unit", len(found.details["objective"]))
    close(found.value, value)
    v = found.details["ratios"]
    assert abs(v.sum() - 15) < 15 * 0.05


@pytest.mark.parametrize("lam", [0.0, 2.0])
def test_float32_is_near_float64(lam):
    G = signal(15, 20_000, 4)
    single = agg.flag(G.astype(np.float32), 4, lam=lam, max_iter=5)
    assert single.dtype == np.float32
    close(single, agg.flag(G, 4, lam=lam, max_iter=5), 1e-5)


def test_radius_of_clip():
    G = signal(9, 60, 3)
    norms = np.linalg.norm(G, axis=1)
    close(agg.flag(G, 9, scale="clip", radius=0.5), reference.clipping(G, 0.5).mean(0), 1e-12)
    close(agg.flag(G, 3, scale="clip", radius=norms.max()), agg.flag(G, 3, scale="raw"), 1e-12)


def test_colluders_have_higher_ratios():
    """On average, so the ratios are no trust scores; with one dimension the majority wins."""
    rng = np.random.default_rng(0)
    G = rng.normal(size=(15, 3000)) / 3000**0.5
    G[3:] += 0.5 * rng.normal(size=3000) / 3000**0.5
    G[:3] = 0.5 * G[:3] + 0.87 * rng.normal(size=3000) / 3000**0.5
    ratios = agg.flag(G, full=True).details["ratios"]
    assert ratios[:3].min() > 1.2 * ratios[3:].mean()
    ratios = agg.flag(G, 1, full=True).details["ratios"]
    assert ratios[:3].max() < ratios[3:].mean()


# other starts


@pytest.mark.parametrize("lam", [0.0, 2.0])
def test_restarts_keep_the_best_end(lam):
    better = 0
    for seed in range(8):
        G = np.random.default_rng(seed).normal(size=(15, 300)) + 0.5
        one, several = (agg.flag(G, lam=lam, restarts=n, key=3, full=True) for n in (1, 9))
        ends = several.details["ends"]
        assert len(ends) == 9
        assert one.details["ends"].tolist() == [ends[0]]
        assert several.details["objective"][-1] == pytest.approx(ends.min(), rel=1e-10)
        better += ends.min() < ends[0] - 1e-6
        if ends.min() == ends[0]:
            assert np.array_equal(several.value, one.value)
    assert better >= 2


def test_restarts_repeat_by_key_and_step():
    G = np.random.default_rng(1).normal(size=(15, 300))
    rule = agg.Flag(restarts=7, key=3)
    ends = rule(G, full=True).details["ends"]
    assert rule(G, full=True).details["ends"].tolist() == ends.tolist()
    for other in (agg.Flag(restarts=7, key=4)(G, full=True), rule(G, step=1, full=True)):
        changed = np.abs(other.details["ends"] - ends) > 1e-6
        assert not changed[[0, 1, 3, 5]].any()  # of principal components, and of rows
        assert changed[[2, 4, 6]].any()


def test_ends_are_stationary():
    """One more subspace from the end of each start changes nothing."""
    G = signal(15, 300, 4, noise=0.5)
    found = agg.flag(G, 4, restarts=5, tol=0.0, max_iter=500, full=True)
    H = G / np.linalg.norm(G, axis=1, keepdims=True)
    assert found.details["converged"]
    ratios = found.details["ratios"]
    roots = np.sqrt(1.0 - ratios + 1e-7)
    _, vectors = np.linalg.eigh(H @ H.T / np.sqrt(np.multiply.outer(roots, roots)))
    weighted = H / np.sqrt(roots)[:, None]
    basis, _ = np.linalg.qr(weighted.T @ vectors[:, -4:])
    again = np.sum((H @ basis) ** 2, axis=1)
    np.testing.assert_allclose(again, ratios, atol=1e-5)


def test_restarts_do_not_matter_where_the_subspace_is_everything():
    G = signal(7, 30, 3)
    assert np.array_equal(agg.flag(G, 7, restarts=5), agg.flag(G, 7))
    assert agg.flag(np.zeros((3, 4)), restarts=3, full=True).details["ends"].size == 0
