"""Rules of aggregation against their definitions, on good data and bad."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossamer.kernels import aggregation as agg
from gossamer.kernels.aggregation import linear, reference

KEY = 7


def rules(p, f):
    """Every rule that p rows, f of them faulty, allow, with its definition."""
    found = {
        "mean": (agg.Mean(), lambda G: G.mean(0)),
        "normalized_mean": (agg.NormalizedMean(), normalized_mean),
        "coordinate_median": (agg.CoordinateMedian(), reference.coordinate_median),
        "trimmed_mean": (agg.TrimmedMean(f), lambda G: reference.trimmed_mean(G, f)),
        "meamed": (agg.MeaMed(f), lambda G: reference.meamed(G, f)),
        "phocas": (agg.Phocas(f), lambda G: reference.phocas(G, f)),
        "cge": (agg.CGE(f), lambda G: reference.cge(G, f)),
        "inclusive krum": (
            agg.Krum(f, inclusive=True),
            lambda G: reference.multi_krum(G, f, 1, inclusive=True),
        ),
        "inclusive multi_krum": (
            agg.MultiKrum(f, inclusive=True),
            lambda G: reference.multi_krum(G, f, p - f, inclusive=True),
        ),
        "mda": (agg.MDA(f), lambda G: reference.mda(G, f)),
        "smea": (agg.SMEA(f), lambda G: reference.smea(G, f)),
        "monna": (agg.MoNNA(f, p - 1), lambda G: reference.monna(G, f, p - 1)),
        "centered_clipping": (
            agg.CenteredClipping(1.5, 4),
            lambda G: reference.centered_clipping(G, 1.5, 4, np.zeros(G.shape[1])),
        ),
        "centered_clipping once": (
            agg.CenteredClipping(),
            lambda G: reference.centered_clipping(G, None, 1, np.zeros(G.shape[1])),
        ),
        "geometric_median": (
            agg.GeometricMedian(0.1, 0.0),
            lambda G: reference.geometric_median(G, 0.1, 1000),
        ),
        "caf": (agg.CAF(f), lambda G: reference.caf(G, f)),
        "dnc": (agg.DnC(f), lambda G: reference.dnc(G, f)),
    }
    if p >= 2 * f + 3 or f == 0:
        found["krum"] = agg.Krum(f), lambda G: reference.multi_krum(G, f, 1)
        found["multi_krum"] = agg.MultiKrum(f), lambda G: reference.multi_krum(G, f, p - f)
    if p >= 4 * f + 3 or f == 0:
        found["bulyan"] = agg.Bulyan(f), lambda G: reference.bulyan(G, f)
    return found


def normalized_mean(G):
    norms = np.linalg.norm(G, axis=1, keepdims=True)
    return (G / np.where(norms > 0, norms, 1)).mean(0)


NAMES = list(rules(7, 1))
INVARIANT = [name for name in NAMES if name not in ("normalized_mean", "cge") and "clipping" not in name]


def gradients(p, d, f=0, seed=0):
    """Honest rows about a common direction, the first f ones shifted."""
    rng = np.random.default_rng(seed)
    G = rng.normal(size=(p, d)) + rng.normal(size=d) / 2
    G[:f] += 3 * rng.normal(size=d)
    return G


def close(found, expected, rtol=1e-10, name=""):
    scale = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(found, expected, rtol=0, atol=rtol * scale, err_msg=name)


@pytest.mark.parametrize(
    ("p", "d", "f"), [(1, 3, 0), (2, 1, 0), (3, 4, 1), (7, 50, 1), (12, 900, 2), (15, 6, 3)]
)
def test_rules_are_their_definitions(p, d, f):
    G = gradients(p, d, f, seed=p)
    for name, (rule, definition) in rules(p, f).items():
        close(rule(G), definition(G), name=name)
        single = rule(G.astype(np.float32))
        assert single.dtype == np.float32, name


@given(st.integers(1, 11), st.integers(1, 20), st.data())
@settings(max_examples=60, deadline=None)
def test_sorting_rules_of_any_numbers_with_ties(p, d, data):
    f = data.draw(st.integers(0, (p - 1) // 2))
    G = np.array(
        data.draw(st.lists(st.lists(st.integers(-3, 3), min_size=d, max_size=d), min_size=p, max_size=p)),
        float,
    )
    for name in ("mean", "coordinate_median", "trimmed_mean", "meamed", "phocas"):
        rule, definition = rules(p, f)[name]
        close(rule(G), definition(G), 1e-13)


@given(st.integers(3, 9), st.integers(1, 12), st.data())
@settings(max_examples=60, deadline=None)
def test_distance_rules_of_any_numbers_with_ties_and_duplicates(p, d, data):
    """Whole numbers, so that distances and their ties are exact in both forms."""
    f = data.draw(st.integers(0, (p - 3) // 2))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**31)))
    G = rng.integers(-3, 4, (p, d)).astype(float)
    G[rng.integers(p)] = G[rng.integers(p)]
    close(agg.krum(G, f), reference.multi_krum(G, f, 1), 1e-13)
    close(agg.multi_krum(G, f), reference.multi_krum(G, f, p - f), 1e-13)
    close(agg.krum(G, f, inclusive=True), reference.multi_krum(G, f, 1, inclusive=True), 1e-13)
    close(agg.mda(G, f), reference.mda(G, f), 1e-13)
    if f == 0 or p >= 4 * f + 3:
        close(agg.bulyan(G, f), reference.bulyan(G, f), 1e-13)


@pytest.mark.parametrize("name", NAMES)
def test_symmetries(name):
    p, d, f = 11, 40, 2
    G = gradients(p, d, f)
    rule = rules(p, f)[name][0]
    value = rule(G)
    order = np.r_[np.random.default_rng(1).permutation(p - 1), p - 1]  # the last is MoNNA's pivot
    close(rule(G[order]), value)
    close(rule(np.hstack([G[:, :7], np.zeros((p, 3)), G[:, 7:]])), np.r_[value[:7], 0, 0, 0, value[7:]])
    if name not in ("normalized_mean", "centered_clipping"):
        close(rule(8.0 * G), 8.0 * value)
    if name in INVARIANT:
        close(rule(G + 5.0), value + 5.0)
    if name not in ("coordinate_median", "trimmed_mean", "meamed", "phocas", "bulyan"):
        Q, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(d, d)))
        close(rule(G @ Q), value @ Q)


@pytest.mark.parametrize("name", NAMES)
def test_equal_rows_give_that_row(name):
    g = gradients(1, 30)[0]
    rule = rules(7, 1)[name][0]
    value = rule(np.tile(g, (7, 1)))
    if name == "normalized_mean":
        close(value, g / np.linalg.norm(g), 1e-13)
    elif name == "centered_clipping":
        close(value, g * min(1.0, 4 * 1.5 / np.linalg.norm(g)), 1e-13)  # four steps towards it
    else:
        close(value, g, 1e-13)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("mean", "dnc")])
@pytest.mark.parametrize("size", [1e3, 1e15])
def test_huge_rows_do_little(name, size):
    """With f rows replaced by huge ones the result stays among the honest (DnC sees one direction only)."""
    p, d, f = 11, 60, 2
    G = gradients(p, d)
    honest = G[f:].mean(0)
    rng = np.random.default_rng(3)
    G[:f] = size * rng.normal(size=(f, d))
    rule = rules(p, f)[name][0]
    value = rule(G)
    if name == "normalized_mean":
        assert np.linalg.norm(value) <= 1
    else:
        assert np.linalg.norm(value - honest) < 2 * np.linalg.norm(G[f:] - honest, axis=1).max()


def test_no_rule_changes_its_input():
    for dtype in (np.float32, np.float64):
        G = gradients(11, 50, 2).astype(dtype)
        before = G.tobytes()
        for rule, _ in rules(11, 2).values():
            rule(G)
            (agg.NNM(2) >> agg.Clipping() >> rule)(G)
        agg.flag(G)
        agg.foolsgold(G)
        agg.centered_clipping(G, start=G[0])
        assert G.tobytes() == before


# faults


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", [*NAMES, "flag"])
def test_rows_that_are_not_finite_are_left_out(name, value):
    """In every position, and f counts them as faulty: the same as the rule for the rest."""
    p, f = 11, 2
    rest = gradients(p - 1, 600)
    more, fewer = rules(p, f), rules(p - 1, f - 1)
    rule = agg.Flag() if name == "flag" else more[name][0]
    other = agg.Flag() if name == "flag" else fewer[name][0]
    expected = other(rest)
    for place in range(p - 1):  # MoNNA's pivot is the last
        G = np.insert(rest, place, 0.0, axis=0)
        G[place, (place * 59) % 600] = value
        found = rule(G, full=True)
        assert found.excluded.tolist() == [place]
        close(found.value, expected, 1e-13)
        if found.weights is not None:
            assert found.weights[place] == 0
    with pytest.warns(agg.NonFiniteWarning, match=r"1 row\(s\) of G are not finite .* were left out: 9"):
        close(rule(G), expected, 1e-13)


@pytest.mark.parametrize("name", [*NAMES, "flag", "foolsgold"])
def test_all_rows_bad_or_all_but_one(name):
    rule = {"flag": agg.Flag(), "foolsgold": agg.FoolsGold()}.get(name) or rules(7, 1)[name][0]
    G = np.full((7, 5), np.nan)
    with pytest.raises(ValueError, match="all 7 hold NaN or infinity"):
        rule(G)
    G[6] = 1.0
    found = rule(G, full=True)
    assert found.excluded.tolist() == [0, 1, 2, 3, 4, 5]
    assert np.isfinite(found.value).all()
    if name not in ("normalized_mean", "flag", "centered_clipping"):
        close(found.value, G[6])


def test_more_bad_rows_than_f():
    G = gradients(11, 30)
    G[[1, 4, 7, 8]] = np.nan
    found = agg.multi_krum(G, 2, full=True)
    assert found.excluded.tolist() == [1, 4, 7, 8]
    close(found.value, np.nanmean(G, axis=0))  # no faulty ones are left


def test_norms_that_overflow_when_squared_are_no_reason_to_leave_rows_out():
    G = gradients(5, 3).astype(np.float32)
    G[2] = 1e30
    found = agg.krum(G, 1, full=True)
    assert found.excluded.tolist() == []
    assert found.details["selected"] != [2]
    assert agg.coordinate_median(G, full=True).excluded.tolist() == []
    close(agg.mean(G), G.astype(float).mean(0), 1e-6)


def test_sums_that_overflow_are_no_reason_to_leave_rows_out():
    G = np.full((3, 2), 3e38, np.float32)
    found = agg.mean(G, full=True)
    assert found.excluded.tolist() == []
    close(found.value, G[0], 1e-6)
    assert np.isinf(agg.trimmed_mean(G, 1)).sum() == 0


@pytest.mark.parametrize("name", [*NAMES, "flag", "foolsgold"])
def test_zero_rows_and_fewer_coordinates_than_rows(name):
    rule = {"flag": agg.Flag(), "foolsgold": agg.FoolsGold()}.get(name) or rules(7, 1)[name][0]
    assert np.array_equal(rule(np.zeros((7, 3))), np.zeros(3))
    G = gradients(7, 1)
    G[2:4] = 0
    assert np.isfinite(rule(G)).all()


@pytest.mark.parametrize(
    ("rule", "p", "match"),
    [
        (agg.Krum(2), 6, r"Krum with f = 2 needs p >= 2f \+ 3 rows, at least 7, got 6"),
        (agg.Krum(2), 5, r"at least 7, got 5: lower f or add workers, or take inclusive=True"),
        (agg.Krum(2, inclusive=True), 4, r"Krum with f = 2 needs p >= 2f \+ 1 rows, at least 5, got 4"),
        (agg.CGE(2), 4, r"CGE with f = 2 needs p >= 2f \+ 1"),
        (agg.MultiKrum(1), 4, "MultiKrum with f = 1"),
        (agg.Bulyan(1), 6, r"Bulyan with f = 1 needs p >= 4f \+ 3"),
        (agg.TrimmedMean(2), 4, r"TrimmedMean with f = 2 needs p >= 2f \+ 1"),
        (agg.MeaMed(1), 2, "MeaMed"),
        (agg.Phocas(1), 2, "Phocas"),
        (agg.MDA(1), 2, "MDA"),
        (agg.SMEA(1), 2, "SMEA"),
        (agg.CAF(1), 2, "CAF"),
        (agg.DnC(1), 2, "DnC"),
        (agg.MoNNA(2), 2, r"MoNNA with f = 2 needs p >= f \+ 1"),
        (agg.NNM(1) >> agg.Mean(), 2, "NNM"),
        (agg.ARC(1) >> agg.Mean(), 2, "ARC"),
        (agg.Bucketing(2) >> agg.Krum(1), 8, "Krum with f = 1 needs .* at least 5, got 4"),
        (agg.MultiKrum(0, m=4), 3, "m must be in 0..3, got 4"),
        (agg.Flag(m=4), 3, "m must be in 0..3, got 4"),
        (agg.MoNNA(0, pivot=3), 3, "pivot must be in 0..2, got 3"),
        (agg.DnC(2, share=2.5), 5, "share"),
        (agg.SMEA(15), 40, "would try .* subsets .*: take NNM"),
    ],
)
def test_too_few_rows_are_refused(rule, p, match):
    with pytest.raises(ValueError, match=match):
        rule(np.ones((p, 2)))


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: agg.Krum(-1), "f must be at least 0"),
        (lambda: agg.Krum(1.5), "f must be an integer"),
        (lambda: agg.Krum(1, inclusive=1), "inclusive must be True or False, got 1"),
        (lambda: agg.CGE(-1), "f must be at least 0"),
        (lambda: agg.Flag(restarts=0), "restarts must be"),
        (lambda: agg.Flag(key=-1), "key must be"),
        (lambda: agg.MultiKrum(1, 0), "m must be at least 1"),
        (lambda: agg.Flag(m=0), "m must be at least 1"),
        (lambda: agg.Flag(lam=-1.0), "lam must be"),
        (lambda: agg.Flag(scale="none"), "scale must be one of 'unit', 'median', 'clip', 'raw', got 'none'"),
        (lambda: agg.Flag(pair=None), "pair must be one of"),
        (lambda: agg.Flag(radius=1.0), "radius is for scale='clip'"),
        (lambda: agg.Flag(max_iter=0), "max_iter"),
        (lambda: agg.GeometricMedian(smoothing=0.0), "smoothing must be"),
        (lambda: agg.CenteredClipping(radius=0.0), "radius must be"),
        (lambda: agg.CenteredClipping(n_steps=0), "n_steps"),
        (lambda: agg.Clipping(-1.0), "radius must be"),
        (lambda: agg.Bucketing(0), "s must be at least 1"),
        (lambda: agg.DnC(1, n_coordinates=0), "n_coordinates"),
        (lambda: agg.Mean()(np.ones((2, 2)), step=-1), "step must be"),
        (lambda: agg.CenteredClipping()(np.ones((2, 2)), start=np.ones(2), step=-1), "step must be"),
        (lambda: agg.FoolsGold()(np.ones((2, 2)), history=np.ones((2, 2)), step=0.5), "step must be"),
    ],
)
def test_bad_parameters_are_refused(make, match):
    with pytest.raises((TypeError, ValueError), match=match):
        make()


# what single rules know


def test_krum_reports_scores_and_multi_krum_its_choice():
    G = gradients(9, 40, 2)
    found = agg.krum(G, 2, full=True)
    np.testing.assert_allclose(found.details["scores"], reference.krum_scores(G, 2), rtol=1e-12)
    best = int(np.argmin(found.details["scores"]))
    assert found.details["selected"].tolist() == [best]
    assert np.array_equal(found.value, G[best])
    assert set(agg.multi_krum(G, 2, 3, full=True).details["selected"]).isdisjoint({0, 1})


def test_krum_among_few_rows():
    """With p = 2f + 1 the inclusive form looks at f others, and a lone pair of liars does not win."""
    rng = np.random.default_rng(0)
    for f in (1, 2, 3):
        G = rng.normal(size=(2 * f + 1, 20))
        G[:f] = 100.0
        found = agg.krum(G, f, inclusive=True, full=True)
        np.testing.assert_allclose(
            found.details["scores"], reference.krum_scores(G, f, inclusive=True), rtol=1e-9, atol=1e-8
        )
        assert found.details["selected"][0] >= f


def test_cge_drops_what_is_long():
    G = gradients(7, 30)
    G[[1, 4]] *= 30.0
    found = agg.cge(G, 2, full=True)
    assert sorted(found.details["selected"]) == [0, 2, 3, 5, 6]
    assert np.array_equal(agg.cge(np.array([[1.0], [-1.0], [1.0]]), 1), [0.0])  # of equal norms the first


def test_distances_survive_a_large_common_part():
    """Rows 1e4 from the origin, 1e-2 from each other, in float32: their inner products say nothing."""
    rng = np.random.default_rng(0)
    offset = rng.normal(size=2000) * 1e4
    G = (offset + 0.05 * rng.normal(size=(9, 2000))).astype(np.float32)
    G[4] += np.float32(0.5) * rng.normal(size=2000).astype(np.float32)
    exact = G.astype(float)
    for rule in (agg.Krum(2), agg.MultiKrum(2), agg.MDA(2)):
        chosen = rule(G, full=True).details["selected"]
        assert sorted(chosen) == sorted(rule(exact - exact[0], full=True).details["selected"])
    np.testing.assert_allclose(
        agg.krum(G, 2, full=True).details["scores"], reference.krum_scores(exact, 2), rtol=1e-4
    )


def test_geometric_median_solves_its_equation():
    G = gradients(12, 30, 3)
    found = agg.geometric_median(G, full=True)
    assert found.details["converged"]
    differences = G - found.value
    units = differences / np.linalg.norm(differences, axis=1, keepdims=True)
    assert np.linalg.norm(units.sum(0)) < 1e-6
    triangle = agg.geometric_median(np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 3**0.5 / 2]]))
    close(triangle, [0.5, 3**-0.5 / 2])  # Fermat's point
    majority = np.array([[1.0, 1.0]] * 3 + [[9.0, 0.0], [0.0, -7.0]])
    close(agg.geometric_median(majority), [1.0, 1.0], 1e-4)
    assert not agg.geometric_median(G, max_iter=2, full=True).details["converged"]


def test_centered_clipping_from_a_start():
    G, start = gradients(7, 30), gradients(1, 30, seed=5)[0]
    for n_steps in (1, 3):
        for radius in (0.7, None):
            expected = reference.centered_clipping(G, radius, n_steps, start)
            close(agg.centered_clipping(G, radius, n_steps, start=start), expected)
            layers = [[row[:4], row[4:]] for row in G]
            parts = agg.centered_clipping(layers, radius, n_steps, start=[start[:4], start[4:]])
            close(np.concatenate(parts), expected)
    bad = G.copy()
    bad[3, 3] = np.inf
    found = agg.centered_clipping(bad, start=start, full=True)
    assert found.excluded.tolist() == [3]
    close(found.value, reference.centered_clipping(np.delete(G, 3, 0), None, 1, start))
    with pytest.raises(ValueError, match=r"start must have the shape of a row of G, \(30,\), got \(29,\)"):
        agg.centered_clipping(G, start=start[:-1])
    with pytest.raises(TypeError, match="start must have the dtype of G"):
        agg.centered_clipping(G, start=start.astype(np.float32))
    with pytest.raises(ValueError, match="start must be finite"):
        agg.centered_clipping(G, start=start * np.nan)


def test_filters_drop_what_stands_out():
    G = gradients(15, 200)
    G[[3, 8]] += 4 * gradients(1, 200, seed=9)
    for rule in (agg.CAF(2), agg.DnC(2), agg.DnC(2, n_iter=5, n_coordinates=60, key=KEY), agg.SMEA(2)):
        honest = np.delete(G, [3, 8], axis=0).mean(0)
        assert np.linalg.norm(rule(G) - honest) < 0.35 * np.linalg.norm(G.mean(0) - honest)
    assert set(agg.dnc(G, 2, full=True).details["selected"]).isdisjoint({3, 8})


def test_dnc_draws_coordinates_anew_in_each_step():
    G = gradients(9, 300)
    rule = agg.DnC(2, n_coordinates=5, key=KEY)
    choices = [tuple(rule(G, step=t, full=True).details["selected"]) for t in range(8)]
    assert len(set(choices)) > 1
    assert choices[3] == tuple(rule(G, step=3, full=True).details["selected"])
    layers = [[row[:17], row[17:]] for row in G]
    assert choices[3] == tuple(rule(layers, step=3, full=True).details["selected"])


def test_foolsgold_cancels_copies():
    rng = np.random.default_rng(0)
    G = rng.normal(size=(11, 200))
    G[8:] = G[8] + 1e-3 * rng.normal(size=(3, 200))
    found = agg.foolsgold(G, full=True)
    assert found.details["scores"].tolist() == [1.0] * 8 + [0.0] * 3
    close(found.value, G[:8].mean(0))
    np.testing.assert_allclose(found.details["scores"], reference.foolsgold(G), atol=1e-9)
    history = rng.normal(size=(11, 90))
    expected = reference.foolsgold(history)
    close(agg.foolsgold(G, history), expected @ G / expected.sum())
    assert np.array_equal(agg.foolsgold(np.tile(G[0], (4, 1))), np.zeros(200))  # nobody is trusted
    with pytest.raises(ValueError, match="history must have a row for each of the 11"):
        agg.foolsgold(G, history[:5])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_foolsgold_trusts_no_copy_whatever_its_length(dtype):
    """Cosines of multiples of one row are 1 to rounding, which is no difference between workers."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        G = np.outer(rng.uniform(0.1, 3.0, 5), rng.normal(size=30)).astype(dtype)
        found = agg.foolsgold(G, full=True)
        assert not found.details["scores"].any()
        assert not found.value.any()
    G = np.zeros((3, 4), dtype)
    G[0, 0] = 2.0
    assert agg.foolsgold(G, full=True).details["scores"].tolist() == [1.0, 1.0, 1.0]
    assert reference.foolsgold(G.astype(float)).tolist() == [1.0, 1.0, 1.0]


def test_monna_needs_its_pivot():
    for value in (np.nan, np.inf, 1e200):
        G = gradients(5, 4)
        G[2] = value
        for rule in (agg.MoNNA(1, 2), agg.NNM(1) >> agg.MoNNA(1, 2)):
            for full in (False, True):
                with pytest.raises(ValueError, match=r"row 2 of G, the pivot, must be finite .* another"):
                    rule(G, full=full)
        assert agg.monna(G, 1, 1, full=True).excluded.tolist() == [2]
    with pytest.raises(ValueError, match="cannot follow Bucketing"):
        (agg.Bucketing(2) >> agg.MoNNA(1))(gradients(6, 4))


# pre-aggregation


def test_pre_aggregators_are_their_definitions():
    G = gradients(9, 50, 2)
    close(agg.nnm(G, 2), reference.nnm(G, 2))
    close(agg.nnm(G), reference.nnm(G, 4))
    close(agg.clipping(G, 3.0), reference.clipping(G, 3.0))
    close(agg.clipping(G), reference.clipping(G, np.median(np.linalg.norm(G, axis=1))))
    close(agg.arc(G, 2), reference.arc(G, 2))
    assert np.array_equal(agg.arc(G, 0), G)


def test_buckets_are_random_groups():
    G = gradients(10, 4)
    found = agg.bucketing(G, 3, KEY, full=True)
    assert found.value.shape == (4, 4)
    groups = found.weights > 0
    assert sorted(groups.sum(1)) == [1, 3, 3, 3]
    assert (groups.sum(0) == 1).all()
    close(found.value, found.weights @ G)
    close(groups.sum(1) @ found.value / 10, G.mean(0))
    rule = agg.Bucketing(3, KEY)
    seen = {(rule(G, step=t, full=True).weights > 0).tobytes() for t in range(20)}
    assert len(seen) > 15
    together = np.mean(
        [(rule(G, step=t, full=True).weights[:, [0, 1]] > 0).all(1).any() for t in range(2000)]
    )
    assert abs(together - 3 * 3 / 45) < 0.04  # of 45 pairs 9 meet


@pytest.mark.parametrize(
    ("pre", "matrix"),
    [
        (agg.NNM(2), lambda G: reference.nnm(G, 2)),
        (agg.Clipping(2.0), lambda G: reference.clipping(G, 2.0)),
        (agg.ARC(2), lambda G: reference.arc(G, 2)),
        (agg.NNM(2) >> agg.Clipping(2.0), lambda G: reference.clipping(reference.nnm(G, 2), 2.0)),
        (agg.ARC(2) >> agg.NNM(1), lambda G: reference.nnm(reference.arc(G, 2), 1)),
        (
            agg.NNM(2) >> agg.ARC(2) >> agg.NNM(1),
            lambda G: reference.nnm(reference.arc(reference.nnm(G, 2), 2), 1),
        ),
    ],
)
def test_composition_is_one_rule_after_the_other(pre, matrix):
    G = gradients(11, 60, 2)
    Y = matrix(G)
    close(pre(G), Y)
    for name, (rule, _) in (rules(11, 2) | {"flag": (agg.Flag(m=4), None)}).items():
        if name in ("mda", "geometric_median") and "NNM" in repr(pre):
            continue  # NNM makes rows that are equal, up to rounding in one of both forms
        found = (pre >> rule)(G, full=True)
        close(found.value, rule(Y), 1e-9, name)
        if found.weights is not None:
            close(found.weights @ G, found.value, 1e-9)


def test_composition_is_associative_and_readable():
    first, second, rule = agg.Clipping(), agg.NNM(2), agg.Flag(m=4)
    G = gradients(9, 20)
    assert np.array_equal(((first >> second) >> rule)(G), (first >> (second >> rule))(G))
    assert repr(agg.NNM() >> agg.MDA(2)) == "NNM(f=None) >> MDA(f=2)"
    pipeline = pickle.loads(pickle.dumps(first >> second >> rule))
    assert pipeline == first >> second >> rule
    assert hash(pipeline) == hash(first >> second >> rule)
    with pytest.raises(TypeError):
        first >> 3
    with pytest.raises(TypeError):
        rule >> first


def test_bad_rows_before_pre_aggregation():
    rest = gradients(10, 40)
    G = np.insert(rest, 6, np.nan, axis=0)
    for pre, other in (
        (agg.NNM(2), agg.NNM(1)),
        (agg.Clipping(), agg.Clipping()),
        (agg.Bucketing(2, KEY), agg.Bucketing(2, KEY)),
    ):
        found = pre(G, full=True)
        assert found.excluded.tolist() == [6]
        close(found.value, other(rest))
        for rule, fewer in ((agg.Mean(), agg.Mean()), (agg.TrimmedMean(2), agg.TrimmedMean(1))):
            found = (pre >> rule)(G, full=True)
            assert found.excluded.tolist() == [6]
            close(found.value, (other >> fewer)(rest))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_that_cancel_when_they_are_mixed_are_zero(dtype):
    """Their Gram matrix is rounding, of either sign."""
    for seed in range(20):
        half = np.random.default_rng(seed).normal(size=(3, 7))
        G = np.vstack([half, -half]).astype(dtype)
        together = agg.Bucketing(6, KEY)
        for rule in (agg.NormalizedMean(), agg.Flag(1), agg.FoolsGold(), agg.Clipping() >> agg.Mean()):
            value = (together >> rule)(G)
            assert np.linalg.norm(value) < 1e-6, rule


def test_functions_are_the_rules():
    G = gradients(11, 30, 2)
    same = {
        "mean": agg.Mean(),
        "normalized_mean": agg.NormalizedMean(),
        "coordinate_median": agg.CoordinateMedian(),
        "geometric_median": agg.GeometricMedian(),
        "centered_clipping": agg.CenteredClipping(),
        "flag": agg.Flag(),
        "foolsgold": agg.FoolsGold(),
    }
    for name, rule in same.items():
        assert np.array_equal(getattr(agg, name)(G), rule(G)), name
    with_f = {"trimmed_mean": "TrimmedMean", "meamed": "MeaMed", "phocas": "Phocas", "krum": "Krum"}
    with_f |= {"multi_krum": "MultiKrum", "bulyan": "Bulyan", "mda": "MDA", "smea": "SMEA", "monna": "MoNNA"}
    with_f |= {"cge": "CGE", "caf": "CAF", "dnc": "DnC", "nnm": "NNM", "arc": "ARC"}
    for name, rule in with_f.items():
        assert np.array_equal(getattr(agg, name)(G, 2), getattr(agg, rule)(2)(G)), name


def test_subsets_beyond_the_limit_only():
    assert linear.MOST_SUBSETS >= 167_960  # C(20, 9)
    assert agg.MDA(9)._check(20) == 20


@pytest.mark.parametrize("size", [1e3, 1e6, 1e10, 1e15, 1e18, 1e100])
def test_geometric_median_stays_among_the_honest_however_far_the_faulty_are(size):
    rng = np.random.default_rng(3)
    honest = rng.normal(size=(9, 20))
    G = np.vstack([honest, size * rng.normal(size=(2, 20))])
    radius = np.linalg.norm(honest - honest.mean(axis=0), axis=1).max()
    assert np.linalg.norm(agg.geometric_median(G) - honest.mean(axis=0)) < radius
    mixed = (agg.NNM(2) >> agg.GeometricMedian())(G)
    np.testing.assert_allclose(mixed, honest.mean(axis=0), atol=1e-9)  # NNM makes the honest rows equal
    assert np.array_equal(agg.geometric_median([[1.0] * 3] * 4 + [[size] * 3]), np.ones(3))
