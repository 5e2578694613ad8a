"""Proximal steps onto simple sets: against NumPy's definitions, and optimality conditions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossamer.kernels import prox
from gossamer.kernels.prox import reference

numbers = st.floats(-1e3, 1e3, allow_subnormal=False)
vectors = st.lists(numbers, min_size=1, max_size=12).map(np.array)


def projected(v, block):
    return prox.prox_step(v, np.zeros(v.size), [block])


@settings(deadline=None, max_examples=200)
@given(vectors, st.floats(0.01, 100.0))
def test_projections_equal_the_definitions(v, size):
    np.testing.assert_allclose(
        projected(v, prox.simplex(v.size, size)), reference.simplex(v, size), atol=1e-12
    )
    np.testing.assert_allclose(projected(v, prox.ball(v.size, size)), reference.ball(v, size), atol=1e-12)
    assert np.array_equal(projected(v, prox.box(v.size, -size, 2.0)), reference.box(v, -size, 2.0))
    assert np.array_equal(projected(v, prox.free(v.size)), v)


@settings(deadline=None, max_examples=200)
@given(vectors, st.floats(0.01, 100.0))
def test_the_simplex_holds_and_nothing_in_it_is_nearer(v, total):
    x = projected(v, prox.simplex(v.size, total))
    assert x.min() >= 0
    assert abs(x.sum() - total) <= 1e-11 * (total + np.abs(v).max())
    # <v - x, u - x> <= 0 for the corners u = total e_j
    slack = total * (v - x) - (v - x) @ x
    assert slack.max() <= 1e-9 * (1 + np.abs(v).max()) * (total + np.abs(v).max())


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=8),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.25, 1.0, 4.0]),
)
def test_entropic_steps_equal_the_definition_and_multiply(weights, seed, total):
    centre = np.array(weights) / np.sum(weights) * total
    shift = 10 * np.random.default_rng(seed).normal(size=centre.size)
    x = prox.prox_step(centre, shift, [prox.simplex(centre.size, total, entropic=True)])
    np.testing.assert_allclose(x, reference.entropic(centre, shift, total), rtol=1e-12, atol=1e-300)
    assert abs(x.sum() - total) < 1e-13 * total
    # the gradient of <shift, x> + total KL(x, centre) is constant on the support
    level = shift + total * np.log(np.maximum(x, 1e-300) / centre)
    assert np.ptp(level[x > 1e-200]) < 1e-9 * (1 + np.abs(shift).max())


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.floats(1e-3, 1.0), min_size=2, max_size=6),
    st.integers(0, 2**32 - 1),
    st.floats(0.1, 50.0),
)
def test_entropic_distances_are_no_less_than_euclidean_ones(weights, seed, total):
    """The minimum plus |u - x|^2 / 2 is at most the value at any u: what step sizes rely on."""
    centre = np.array(weights) / np.sum(weights) * total
    rng = np.random.default_rng(seed)
    shift, u = total * rng.normal(size=centre.size), rng.dirichlet(np.ones(centre.size)) * total

    def value(v):
        logs = np.log(np.maximum(v, 1e-300) / centre)
        return shift @ v + total * (v @ logs)

    x = prox.prox_step(centre, shift, [prox.simplex(centre.size, total, entropic=True)])
    assert value(x) + (u - x) @ (u - x) / 2 <= value(u) + 1e-10 * total**2


def test_zeros_of_an_entropic_simplex_stay_zero_however_much_they_are_asked_for():
    x = prox.prox_step([0.5, 0.0, 0.5], [800.0, 0.0, 801.0], [prox.simplex(3, entropic=True)])
    np.testing.assert_allclose(x, [1 / (1 + np.exp(-1)), 0.0, np.exp(-1) / (1 + np.exp(-1))], rtol=1e-14)


def test_large_entries_leave_the_sum_exact():
    x = projected(np.array([1e16, 1e16 + 2.0, 0.0]), prox.simplex(3))
    assert x.tolist() == [0.0, 1.0, 0.0]
    x = projected(1e12 + np.random.default_rng(0).random(50), prox.simplex(50))
    assert abs(x.sum() - 1.0) < 1e-14


def test_blocks_do_not_see_each_other():
    rng = np.random.default_rng(0)
    sizes = (3, 2, 4, 1, 5)
    blocks = [
        prox.box(3, -0.1, 0.2),
        prox.ball(2, 0.5),
        prox.simplex(4),
        prox.free(1),
        prox.simplex(5, 2.0, entropic=True),
    ]
    centre, shift = np.abs(rng.normal(size=(2, 15)))
    whole = prox.prox_step(centre, shift, blocks)
    parts = zip(np.split(centre, np.cumsum(sizes)[:-1]), np.split(shift, np.cumsum(sizes)[:-1]), strict=True)
    alone = [prox.prox_step(c, s, [block]) for (c, s), block in zip(parts, blocks, strict=True)]
    assert np.array_equal(whole, np.concatenate(alone))


@pytest.mark.parametrize("size", [1, 7, 400])
def test_extreme_entries(size):
    for v in (np.full(size, 1e300), np.full(size, -1e300), np.zeros(size), np.geomspace(1e-300, 1e300, size)):
        x = projected(v, prox.simplex(size))
        assert np.isfinite(x).all()
        assert x.min() >= 0
        norm = np.linalg.norm(projected(v, prox.ball(size, 1.0)))
        assert norm <= 1 + 1e-12


def test_nan_and_infinity_raise_nothing_and_stay_in_their_block():
    for bad in (np.nan, np.inf):
        v = np.array([0.5, bad, 0.1, 0.2])
        for block in (
            prox.simplex(2),
            prox.ball(2, 1.0),
            prox.box(2, -1.0, 0.3),
            prox.simplex(2, entropic=True),
        ):
            x = prox.prox_step(v, np.array([0.0, 0.0, 0.1, 0.1]), [block, prox.simplex(2)])
            assert np.isfinite(x[2:]).all()


def test_bad_blocks_are_refused():
    with pytest.raises(ValueError, match="low must be at most high"):
        prox.box(2, 1.0, 0.0)
    with pytest.raises(ValueError, match="radius"):
        prox.ball(2, 0.0)
    with pytest.raises(ValueError, match="total"):
        prox.simplex(2, -1.0)
    with pytest.raises(ValueError, match="size"):
        prox.free(0)
    with pytest.raises(ValueError, match="3 coordinates together"):
        prox.prox_step(np.ones(3), np.ones(3), [prox.free(2)])
    with pytest.raises(TypeError, match="blocks must be a sequence"):
        prox.prox_step(np.ones(3), np.ones(3), prox.ball(3, 1.0))
    for centre in ([-1.0, 2.0], [0.0, 0.0]):
        with pytest.raises(ValueError, match="not all zero on an entropic simplex"):
            prox.prox_step(centre, [0.0, 0.0], [prox.simplex(2, entropic=True)])
    with pytest.raises(ValueError, match="shift"):
        prox.prox_step(np.ones(3), np.ones(2))
