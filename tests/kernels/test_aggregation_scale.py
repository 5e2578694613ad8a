"""Every rule does the same on G and on 2^k G, to the last bit, whatever k."""

from pathlib import Path

import numpy as np
import pytest

from gossamer.kernels import aggregation as agg
from gossamer.kernels import checks
from gossamer.kernels.aggregation import neighbours

P, D, F = 11, 30, 2
KEY = 5
START, HISTORY = (np.random.default_rng(k).normal(size=shape) for k, shape in ((8, D), (9, (P, D))))

# As functions of the scale c, with which lengths among the parameters are multiplied.
HOMOGENEOUS = {
    "mean": lambda c: agg.Mean(),
    "median": lambda c: agg.CoordinateMedian(),
    "trimmed mean": lambda c: agg.TrimmedMean(F),
    "MeaMed": lambda c: agg.MeaMed(F),
    "Phocas": lambda c: agg.Phocas(F),
    "Bulyan": lambda c: agg.Bulyan(F),
    "Krum": lambda c: agg.Krum(F),
    "inclusive Krum": lambda c: agg.Krum(F, inclusive=True),
    "Multi-Krum": lambda c: agg.MultiKrum(F),
    "CGE": lambda c: agg.CGE(F),
    "MDA": lambda c: agg.MDA(F),
    "SMEA": lambda c: agg.SMEA(F),
    "MoNNA": lambda c: agg.MoNNA(F, 3),
    "geometric median": lambda c: agg.GeometricMedian(),
    "centered clipping": lambda c: agg.CenteredClipping(2.0 * c, 3),
    "centered clipping once": lambda c: agg.CenteredClipping(2.0 * c),
    "centered clipping at the median": lambda c: agg.CenteredClipping(n_steps=2),
    "CAF": lambda c: agg.CAF(F),
    "DnC": lambda c: agg.DnC(F),
    "DnC of few": lambda c: agg.DnC(F, n_iter=3, n_coordinates=7, key=KEY),
    "FoolsGold": lambda c: agg.FoolsGold(),
    "Flag, median": lambda c: agg.Flag(4, 1.0, "median"),
    "Flag, raw": lambda c: agg.Flag(4, 1.0, "raw", "raw"),
    "Flag, clip": lambda c: agg.Flag(4, scale="clip", radius=3.0 * c),
    "Flag, clip at the median": lambda c: agg.Flag(4, scale="clip", restarts=4),
    "NNM, median": lambda c: agg.NNM(F) >> agg.CoordinateMedian(),
    "NNM, MoNNA": lambda c: agg.NNM(F) >> agg.MoNNA(F, 3),
    "clipping, Phocas": lambda c: agg.Clipping(4.0 * c) >> agg.Phocas(F),
    "clipping, DnC": lambda c: agg.Clipping() >> agg.DnC(F, n_coordinates=7, key=KEY),
    "ARC, CAF": lambda c: agg.ARC(F) >> agg.CAF(F),
    "bucketing, median": lambda c: agg.Bucketing(2, KEY) >> agg.CoordinateMedian(),
    "bucketing, mean": lambda c: agg.Bucketing(2, KEY) >> agg.Mean(),
    "clipping": lambda c: agg.Clipping(4.0 * c),
    "NNM": lambda c: agg.NNM(F),
}
NORMS_DROPPED = {
    "normalized mean": lambda c: agg.NormalizedMean(),
    "Flag": lambda c: agg.Flag(4),
    "Flag, pairs": lambda c: agg.Flag(4, 1.0, restarts=3, key=KEY),
    "NNM, Flag": lambda c: agg.NNM(F) >> agg.Flag(),
    "ARC, normalized mean": lambda c: agg.ARC(F) >> agg.NormalizedMean(),
}
RULES = {**HOMOGENEOUS, **NORMS_DROPPED}
EXPONENTS = {
    np.float64: [-990, -700, -400, -253, -1, 253, 400, 700, 1012, 1018],
    np.float32: [-100, -90, -60, -45, -1, 45, 58, 70, 100, 118],
}
SMALLEST = {np.float64: 2.0**-1074, np.float32: 2.0**-149}


def gradients(dtype, spread=0.0, p=P):
    rng = np.random.default_rng(0)
    G = rng.normal(size=(p, D)) + rng.normal(size=D) / 2
    return (G * 2.0 ** np.round(spread * rng.uniform(-1, 1, (p, 1)))).astype(dtype)


def same(found, expected, k, dtype):
    """Equal to the last bit, but where the last bits are lost below the smallest number."""
    found, expected = np.asarray(found, dtype), np.ldexp(np.asarray(expected, dtype), k)
    np.testing.assert_allclose(found, expected, rtol=0, atol=40 * SMALLEST[dtype], err_msg=f"k = {k}")


@pytest.mark.parametrize("dtype", EXPONENTS)
@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("spread", [0.0, 12.0])
def test_scale_goes_through(name, dtype, spread):
    G, make = gradients(dtype, spread), RULES[name]
    expected = make(1.0)(G, full=True)
    for k in EXPONENTS[dtype]:
        if k + spread > EXPONENTS[dtype][-1] + 1:
            continue
        found = make(2.0**k)(np.ldexp(G, k), full=True)
        same(found.value, expected.value, 0 if name in NORMS_DROPPED else k, dtype)
        assert found.excluded.tolist() == []
        for key, detail in expected.details.items():
            squared = 2 * k if key in ("scores", "eigenvalues") and name != "FoolsGold" else 0
            with np.errstate(over="ignore"):
                np.testing.assert_array_equal(
                    found.details[key], np.ldexp(np.asarray(detail, float), squared)
                )


@pytest.mark.parametrize("dtype", EXPONENTS)
@pytest.mark.parametrize("rule", [agg.CenteredClipping(), agg.CenteredClipping(n_steps=3)], ids=repr)
def test_scale_goes_through_a_start(rule, dtype):
    G, start = gradients(dtype), START.astype(dtype)
    expected = rule(G, start=start)
    for k in EXPONENTS[dtype]:
        same(rule(np.ldexp(G, k), start=np.ldexp(start, k)), expected, k, dtype)


@pytest.mark.parametrize("dtype", EXPONENTS)
def test_scale_of_histories_does_not_matter(dtype):
    G, past = gradients(dtype), HISTORY.astype(dtype)
    expected = agg.foolsgold(G, past)
    for k in EXPONENTS[dtype]:
        assert np.array_equal(agg.foolsgold(G, np.ldexp(past, k)), expected)


@pytest.mark.parametrize("dtype", EXPONENTS)
@pytest.mark.parametrize(
    "rule",
    [
        agg.Mean(),
        agg.CoordinateMedian(),
        agg.TrimmedMean(3),
        agg.Krum(3),
        agg.MultiKrum(3),
        agg.CGE(3),
        agg.GeometricMedian(),
        agg.Flag(3, 1.0, "raw"),
        agg.NormalizedMean(),
    ],
    ids=repr,
)
def test_scale_goes_through_weights(rule, dtype):
    G, weights = gradients(dtype), np.array([1, 2, 0, 3, 1, 1, 1, 4, 1, 2, 1])
    expected = rule(G, weights=weights)
    for k in EXPONENTS[dtype]:
        found = rule(np.ldexp(G, k), weights=weights)
        same(found, expected, 0 if rule == agg.NormalizedMean() else k, dtype)


@pytest.mark.parametrize("name", RULES)
def test_rows_of_any_sizes_beside_each_other(name):
    """Scale goes through where some rows can be squared and others cannot, and where some are left out."""
    G = gradients(np.float64)
    for powers in ({4: 200, 7: -240}, {4: 480, 7: -480}, {4: 900, 7: 560}, {7: -900}):
        H = G.copy()
        for row, power in powers.items():
            H[row] = np.ldexp(H[row], power)
        here, there = RULES[name](1.0), RULES[name](2.0**-60)
        expected, found = here(H, full=True), there(np.ldexp(H, -60), full=True)
        assert found.excluded.tolist() == expected.excluded.tolist()
        far = [row for row, power in powers.items() if power > 500]
        if name in ("Krum", "CGE", "CAF", "Flag", "normalized mean", "NNM"):
            assert found.excluded.tolist() == far
        if name in ("mean", "median", "Phocas", "bucketing, mean"):
            assert found.excluded.tolist() == []
        same(found.value, expected.value, 0 if name in NORMS_DROPPED else -60, np.float64)


def test_sums_of_the_largest_numbers_are_no_infinity():
    for dtype in EXPONENTS:
        most = np.finfo(dtype).max
        G = np.array(
            [[most, -most, 0.9 * most], [most, -most, most], [0.9 * most, most, -most], [most] * 3], dtype
        )
        for rule in (agg.CoordinateMedian(), agg.TrimmedMean(1), agg.MeaMed(1), agg.Phocas(1), agg.Mean()):
            small = rule(np.ldexp(G, -8))
            np.testing.assert_array_equal(rule(G), np.ldexp(small, 8), err_msg=repr(rule))


@pytest.mark.parametrize("size", [1e3, 1e10, 1e17, 1e40, 1e140])
def test_dnc_tells_rows_apart_beside_a_huge_one(size):
    """The main direction is that of the huge row; of the others the farthest along it goes, too."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        G = rng.normal(size=(9, 40))
        G[3] = 0.0
        G[3, 0] = size
        others = np.delete(np.arange(9), 3)
        lowest = others[np.argmin(G[others, 0])]  # the mean is far above them all
        for rule in (agg.DnC(2), agg.DnC(2, n_coordinates=40)):
            assert set(range(9)) - set(rule(G, full=True).details["selected"]) == {3, lowest}


def test_dnc_of_few_coordinates_far_from_the_origin():
    G = gradients(np.float64)
    rule = agg.DnC(F, n_iter=4, n_coordinates=9, key=KEY)
    expected = rule(G, full=True).details["selected"]
    assert rule(G + 2.0**34, full=True).details["selected"].tolist() == expected.tolist()


def test_the_table_of_the_docs_has_every_rule():
    text = (Path(__file__).parents[2] / "docs" / "numbers.md").read_text().split("## Aggregation rules")[1]
    table = " ".join(line for line in text.splitlines() if line.startswith("|"))
    kinds = [getattr(agg, name) for name in agg.__all__]
    rules = [k for k in kinds if isinstance(k, type) and issubclass(k, agg.Aggregator | agg.PreAggregator)]
    names = {k.__name__ for k in rules} - {"Aggregator", "PreAggregator", "Pipeline"}
    assert len(names) == 23
    assert {name for name in names if f"`{name}" not in table} == set()


def test_weights_from_gram_matrices_of_any_size():
    G = gradients(np.float64)
    for rule in (agg.Krum(F), agg.CAF(F), agg.CenteredClipping(2.0, 2), agg.NormalizedMean(), agg.Flag(4)):
        expected = neighbours.gram_weights(rule, neighbours.centred_gram(G), D)
        np.testing.assert_allclose(expected, rule(G, full=True).weights, rtol=1e-9, atol=1e-12)
        for k in (-450, 450):
            scaled = agg.CenteredClipping(2.0 * 2.0**k, 2) if isinstance(rule, agg.CenteredClipping) else rule
            found = neighbours.gram_weights(scaled, neighbours.centred_gram(np.ldexp(G, k)), D)
            drops = isinstance(rule, agg.NormalizedMean | agg.Flag)
            assert np.array_equal(found, np.ldexp(expected, -k if drops else 0))


def test_products_of_rows_that_memory_cannot_hold(monkeypatch):
    G = np.zeros((2000, 2))
    monkeypatch.setattr(checks, "available_memory", lambda: 6e7)
    with pytest.raises(
        MemoryError, match=r"Gram matrix of the rows of G, \(2000, 2000\), takes 64 MB.* take"
    ):
        agg.Krum(2)(G)
    with pytest.raises(MemoryError, match="Gram matrix"):
        (agg.Bucketing(2) >> agg.Mean())(G)


@pytest.mark.parametrize("rule", [agg.Mean(), agg.TrimmedMean(2), agg.MeaMed(2)], ids=repr)
def test_rules_by_coordinates_need_no_products(rule):
    assert np.allclose(rule(np.ones((300_000, 1))), 1.0)  # those would take 720 GB
