"""Elementary functions against extended precision, at their ends, and in loops of any length."""

import numpy as np
import pytest
from numba import njit

from gossamer.kernels import elementary

EPS = 2.0**-52
RNG = np.random.default_rng(0)
EXACT = np.longdouble


@njit
def each_exp_minus(x):
    out = np.empty_like(x)
    for i in range(x.size):
        out[i] = elementary.exp_minus(x[i])
    return out


@njit
def each_sin_cos(x):
    sn, cs = np.empty_like(x), np.empty_like(x)
    for i in range(x.size):
        sn[i], cs[i] = elementary.sin_cos(x[i])
    return sn, cs


@njit
def each_minus_log(x):
    out = np.empty_like(x)
    for i in range(x.size):
        out[i] = elementary.minus_log(x[i])
    return out


@pytest.mark.parametrize(
    "x",
    [
        RNG.random(100_000),
        20 * RNG.random(100_000),
        700 * RNG.random(100_000),
        np.array([0.0, 1e-300, 1e-17]),
    ],
)
def test_exp_minus(x):
    error = np.abs(each_exp_minus(x) / np.exp(-x.astype(EXACT)) - 1)
    assert error.max() < 1.5 * EPS


def test_exp_minus_at_its_ends():
    x = np.array([0.0, 708.3, 709.0, 710.0, 740.0, 746.0, 1e300, np.inf, np.nan])
    found = each_exp_minus(x)
    assert found[0] == 1.0
    np.testing.assert_allclose(found[:5], np.exp(-x[:5]), rtol=1e-12, atol=5e-324)
    assert not found[5:8].any()
    assert np.isnan(found[8])


@pytest.mark.parametrize("largest", [1.0, 100.0, 1e5, 1e6])
def test_sin_cos(largest):
    x = largest * RNG.random(100_000)
    sn, cs = each_sin_cos(x)
    wide = x.astype(EXACT)
    assert np.abs(sn - np.sin(wide)).max() < 1.5 * EPS
    assert np.abs(cs - np.cos(wide)).max() < 1.5 * EPS


def test_sin_cos_at_their_ends():
    sn, cs = each_sin_cos(np.array([0.0, 1e-300, 1e18, np.inf, np.nan]))
    assert sn[0] == 0.0
    assert sn[1] == 1e-300
    assert cs[0] == cs[1] == 1.0
    assert np.isnan(sn[4])
    assert np.isnan(cs[4])


@pytest.mark.parametrize(
    "x",
    [
        1 - RNG.random(100_000),
        1 - 1e-3 * RNG.random(100_000),
        1 - np.arange(1, 3000) * 2.0**-53,
        2.0**-53 * np.arange(1, 1000),
        10.0 ** RNG.uniform(-300, 300, 100_000),
    ],
)
def test_minus_log(x):
    exact = -np.log(x.astype(EXACT))
    error = np.abs(each_minus_log(x) - exact)
    assert (error <= 1.5 * EPS * np.abs(exact)).all()


def test_minus_log_of_one_is_zero():
    assert each_minus_log(np.ones(1))[0] == 0.0


@pytest.mark.parametrize("function", [each_exp_minus, each_minus_log])
def test_vectorised_loops_give_the_bits_of_single_calls(function):
    x = RNG.random(1001) + 1e-3
    together = function(x)
    alone = np.concatenate([function(x[i : i + 1]) for i in range(x.size)])
    assert together.tobytes() == alone.tobytes()
