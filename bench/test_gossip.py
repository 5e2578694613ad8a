"""Mixing and pairwise averages against SciPy, BLAS and the floors; the small end of `gossip_grid`."""

import numpy as np
import pytest

from gossamer.bench import gossip_grid

SIZES = [(100, 10), (100, 1000), (10_000, 10), (10_000, 1000)]
CASES = [
    pytest.param(kind, n, d, what, id=f"mix {kind} {n} {d} {what} {turn}")
    for turn in range(2)
    for kind in gossip_grid.GRAPHS
    for n, d in SIZES
    for what in ("mix", "scipy", "copy", "blas")
    if what != "blas" or n <= gossip_grid.DENSE_NODES
]
PAIRS = [
    pytest.param(kind, n, d, what, id=f"pairs {kind} {n} {d} {what} {turn}")
    for turn in range(2)
    for kind in ("ring", "8-regular")
    for n, d in SIZES
    for what in ("average", "update", "rows")
]


def setup(kind, n_nodes, dim):
    W = gossip_grid.matrix(kind, n_nodes)
    return W, np.random.default_rng(0).random((n_nodes, dim))


@pytest.mark.parametrize(("kind", "n_nodes", "dim", "what"), CASES)
def test_mix(benchmark, kind, n_nodes, dim, what):
    W, X = setup(kind, n_nodes, dim)
    benchmark.group = f"mix, {kind}, {n_nodes} nodes, {dim} coordinates"
    benchmark.extra_info.update(what=what, events=X.size)
    mixed = benchmark.pedantic(gossip_grid.mixers(W, X)[what], rounds=30, warmup_rounds=1)
    if what != "copy":
        np.testing.assert_allclose(mixed, W @ X, rtol=1e-12)


@pytest.mark.parametrize(("kind", "n_nodes", "dim", "what"), PAIRS)
def test_pairs(benchmark, kind, n_nodes, dim, what):
    W, X = setup(kind, n_nodes, dim)
    benchmark.group = f"pairs, {kind}, {n_nodes} nodes, {dim} coordinates"
    benchmark.extra_info.update(what=what, events=n_nodes)
    benchmark.pedantic(gossip_grid.averagers(W, X)[what], rounds=30, warmup_rounds=1)
