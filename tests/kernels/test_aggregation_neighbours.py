"""Weights from a Gram matrix alone are those of the rules on the rows."""

import numpy as np
import pytest

from gossamer.kernels.aggregation import (
    ARC,
    CAF,
    MDA,
    NNM,
    SMEA,
    Bucketing,
    CenteredClipping,
    CoordinateMedian,
    DnC,
    Flag,
    FoolsGold,
    GeometricMedian,
    Krum,
    Mean,
    MoNNA,
    MultiKrum,
    NormalizedMean,
)
from gossamer.kernels.aggregation import neighbours as kernel

RULES = [
    Mean(),
    NormalizedMean(),
    Krum(2),
    MultiKrum(2),
    MDA(2),
    SMEA(2),
    MoNNA(2),
    GeometricMedian(),
    CenteredClipping(),
    CAF(2),
    FoolsGold(),
    Flag(m=3),
    Flag(m=3, lam=1.0, scale="clip"),
    NNM(2) >> Krum(2),
    Bucketing(2, key=4) >> GeometricMedian(),
    ARC(2) >> NNM(2) >> Flag(m=2),
]


@pytest.mark.parametrize("rule", RULES, ids=repr)
@pytest.mark.parametrize("bad", [[], [4], [2, 8]])
def test_weights_are_those_of_the_rule(rule, bad):
    rng = np.random.default_rng(0)
    G = 1.0 + rng.normal(size=(10, 2)) @ rng.normal(size=(2, 40)) + 0.3 * rng.normal(size=(10, 40))
    G[bad] = np.nan
    assert kernel.reads_gram_alone(rule)
    K = kernel.centred_gram(G)
    assert np.array_equal(np.flatnonzero(~np.isfinite(K.diagonal())), bad)
    for step in (0, 3):
        found = kernel.gram_weights(rule, K, 40, step)
        expected = rule(G, step=step, full=True).weights
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
        assert not found[bad].any()


def test_no_finite_row_no_weights():
    K = np.full((4, 4), np.nan)
    assert not kernel.gram_weights(Krum(0), K, 3).any()


def test_which_rules_can_be_asked():
    assert not kernel.reads_gram_alone(CoordinateMedian())
    assert not kernel.reads_gram_alone(NNM(1) >> DnC(1))
    assert kernel.is_invariant(NNM(1) >> Krum(1))
    assert not kernel.is_invariant(NNM(1) >> Flag())
    assert not kernel.is_invariant(ARC(1) >> Krum(1))
    kernel.check_rows(NNM(1) >> Krum(1), 5)
    with pytest.raises(ValueError, match="Krum"):
        kernel.check_rows(NNM(1) >> Krum(1), 4)
    with pytest.raises(ValueError, match="Krum"):
        kernel.check_rows(Bucketing(2) >> Krum(1), 8)  # of four rows
