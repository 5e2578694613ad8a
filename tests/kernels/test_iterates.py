"""Mean and sizes of rows: against the definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossamer.kernels import iterates
from gossamer.kernels.iterates import reference


@given(st.integers(1, 40), st.integers(0, 70), st.integers(0, 2**32), st.booleans(), st.booleans())
def test_spread_is_its_definition(n, d, seed, some, known):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * 10.0 ** rng.integers(-5, 5)
    members = np.sort(rng.permutation(n)[: rng.integers(1, n + 1)]) if some else None
    x_star = rng.normal(size=d) if known else None
    found, expected = iterates.spread(X, members=members, x_star=x_star), reference.spread(X, members, x_star)
    scale = 1.0 + np.abs(X).max(initial=0.0) * np.sqrt(max(d, 1))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-15 * scale)


def test_rows_that_overflow_or_are_not_finite_are_no_error():
    assert iterates.spread(np.full((3, 2), 1e200)).size == np.inf
    assert np.isnan(iterates.spread(np.array([[np.nan, 1.0], [0.0, 1.0]])).consensus)
    assert not np.isfinite(iterates.spread(np.array([[np.inf], [0.0]])).consensus)


def test_arrays_that_do_not_fit():
    X = np.zeros((3, 2))
    for call, error in (
        (lambda: iterates.spread([[1.0]]), TypeError),
        (lambda: iterates.spread(np.zeros(3)), ValueError),
        (lambda: iterates.spread(np.zeros((0, 2))), ValueError),
        (lambda: iterates.spread(X, members=np.array([0, 3])), ValueError),
        (lambda: iterates.spread(X, members=np.array([], np.int64)), ValueError),
        (lambda: iterates.spread(X, x_star=np.zeros(3)), ValueError),
        (lambda: iterates.spread(X.astype(np.complex128)), TypeError),
    ):
        with pytest.raises(error):
            call()
