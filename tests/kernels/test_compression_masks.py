"""Which coordinates are kept: equality with the definition, exact laws, exact selection."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gossamer.kernels import compression, random
from gossamer.kernels.compression import BlockRandK, PermK, RandK, cpu_masks, cpu_topk, reference
from gossamer.kernels.random import streams

KEY = random.make_key(11)
INDEX = 2**32 + 5  # a high counter word that is not zero


def masks(compressor, d, count):
    """Masks of `count` messages, as rows of 0 and 1."""
    return compression.compress_rows(compressor, np.ones((count, d)), KEY)[0] != 0


# -- masks -----------------------------------------------------------------------------------------------

SIZES = [(1, 0), (1, 1), (6, 2), (64, 64), (65, 1), (200, 199), (1000, 3), (1000, 6), (5000, 12), (5000, 13)]


@pytest.mark.parametrize(("d", "k"), SIZES)
def test_rand_k_equals_definition(d, k):
    for index in (0, INDEX):
        drawn = compression.rand_k(d, k, KEY, index=index)
        assert np.array_equal(drawn, reference.rand_k(d, k, KEY, index))
        assert drawn.size == k
        assert (np.diff(drawn) > 0).all()
        independent = random.distinct_integers(k, d, KEY, streams.RAND_K, index)
        assert np.array_equal(drawn, np.sort(independent))


def test_rand_k_repeats_rejected_draws():
    # a word is rejected with probability up to 1/2 where the bound is just above 2^31
    bound = np.uint64(2**31 + 1)
    retried = 0
    for index in range(200):
        word = np.uint64(reference.draw_word(KEY, streams.RAND_K, index, 0))
        drawn = cpu_masks._draw(bound, word, np.uint64(KEY), np.uint64(streams.RAND_K), np.uint64(index), 0)
        assert drawn == reference.bounded(2**31 + 1, KEY, streams.RAND_K, index, 0)
        retried += drawn != (int(word) * (2**31 + 1)) >> 32
    assert retried > 50


@pytest.mark.parametrize(("d", "k"), [(1, 1), (7, 3), (8, 8), (100, 7), (1000, 999)])
def test_block_rand_k_equals_definition(d, k):
    for index in (0, INDEX):
        payload = BlockRandK(k).compress(np.ones(d), KEY, index=index)
        assert np.array_equal(payload.indices, reference.block_rand_k(d, k, KEY, index))
        edges = reference.block_edges(d, k)
        assert np.array_equal(payload.values, np.diff(edges))
        assert ((edges[:-1] <= payload.indices) & (payload.indices < edges[1:])).all()


@pytest.mark.parametrize(("d", "n_workers"), [(1, 1), (1, 3), (2, 2), (10, 3), (64, 4), (100, 7), (3, 5)])
def test_perm_k_equals_definition_and_partitions(d, n_workers):
    for turn in (0, 3, 2**34):
        parts = [
            PermK(n_workers).compress(np.ones(d), KEY, index=turn * n_workers + w).indices
            for w in range(n_workers)
        ]
        for w, part in enumerate(parts):
            assert np.array_equal(part, reference.perm_k(d, n_workers, KEY, turn * n_workers + w))
        assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(d))


@pytest.mark.parametrize("p", [1e-300, 0.01, 0.5, 1 / 3, 1.0])
def test_bernoulli_equals_definition(p):
    kept = compression.Bernoulli(p).compress(np.ones(300), KEY, index=INDEX).indices
    assert np.array_equal(kept, reference.bernoulli(300, p, KEY, INDEX))
    assert (kept.size == 300) == (p == 1.0)


def test_happens_compares_all_digits():
    stream = streams.BERNOULLI
    for index in range(40):
        first, second = (reference.draw_word(KEY, stream, index, 2, retry) for retry in (0, 1))
        for digit in (second - 2**11, second + 2**11):  # p agrees with the first word
            p = first / 2.0**32 + (digit >> 11 << 11) / 2.0**64
            assert int(p * 2.0**32) == first
            expected = (first << 32) + second < int(p * 2.0**64)
            assert reference.happens(p, KEY, stream, index, 2) == expected
            args = (np.uint64(first), np.uint64(KEY), np.uint64(stream), np.uint64(index), 2)
            assert cpu_masks.happens(p, *args) == expected
        assert not cpu_masks.happens(first / 2.0**32, *args)  # an exact tie: U >= p


# -- laws ------------------------------------------------------------------------------------------------


def test_rand_k_all_masks():
    d, k, x = 6, 2, np.random.default_rng(0).normal(size=6)
    found = {}
    for index in range(1000):
        payload = RandK(k).compress(x, KEY, index=index)
        found[tuple(payload.indices)] = payload.dense()
    assert sorted(found) == list(itertools.combinations(range(d), k))
    C = np.array(list(found.values()))
    np.testing.assert_allclose(C.mean(0), x, rtol=1e-12)
    variance = ((C - x) ** 2).sum(1).mean()
    np.testing.assert_allclose(variance, RandK(k).omega(d) * (x @ x), rtol=1e-12)


def test_block_rand_k_all_masks():
    d, k, x = 7, 3, np.random.default_rng(1).normal(size=7)
    found = {}
    for index in range(500):
        payload = BlockRandK(k).compress(x, KEY, index=index)
        found[tuple(payload.indices)] = payload.dense()
    assert len(found) == 2 * 2 * 3
    C = np.array(list(found.values()))
    np.testing.assert_allclose(C.mean(0), x, rtol=1e-12)
    lengths = np.diff(reference.block_edges(d, k))
    expected = sum((n - 1) * (b @ b) for n, b in zip(lengths, np.split(x, [2, 4]), strict=True))
    np.testing.assert_allclose(((C - x) ** 2).sum(1).mean(), expected, rtol=1e-12)
    worst = np.array([0, 0, 0, 0, 1.0, 1, 1])  # attains omega
    C = np.array([BlockRandK(k).compress(worst, KEY, index=i).dense() for i in range(9)])
    error = ((C - worst) ** 2).sum(1).mean()
    np.testing.assert_allclose(error, BlockRandK(k).omega(d) * 3, rtol=1e-12)


def test_perm_k_mean_over_workers_is_exact():
    x = np.random.default_rng(2).normal(size=11)
    C = compression.compress_rows(PermK(4), np.tile(x, (4, 1)), KEY, index=8)[0]
    np.testing.assert_allclose(C.mean(0), x, rtol=1e-15)


def chi_square(counts, expected):
    return stats.chi2.sf(((counts - expected) ** 2 / expected).sum(), counts.size - 1)


@pytest.mark.parametrize("k", [1, 5, 17])
def test_rand_k_subsets_are_uniform(k):
    d, count = 20, 20_000
    kept = masks(RandK(k), d, count).astype(float)
    assert (kept.sum(1) == k).all()
    p = k / d
    z = (kept.sum(0) - count * p) / np.sqrt(count * p * (1 - p))
    assert stats.chi2.sf((z**2).sum() * (d - 1) / d, d - 1) > 1e-4  # the counts add up to k count
    pairs = (kept.T @ kept)[np.triu_indices(d, 1)]
    pair = k * (k - 1) / (d * (d - 1))
    if k == 5:  # counts of pairs of larger subsets depend strongly on each other
        z = (pairs - count * pair) / np.sqrt(count * pair * (1 - pair))
        assert np.abs(z).max() < 4.5
        assert 0.7 < (z**2).mean() < 1.3


def test_rand_k_all_subsets_equally_often():
    kept = masks(RandK(3), 6, 20_000)
    counts = np.unique(kept @ (1 << np.arange(6)), return_counts=True)[1]
    assert counts.size == 20
    assert chi_square(counts, 1000.0) > 1e-4


def test_block_rand_k_inclusion_and_independence():
    kept = masks(BlockRandK(3), 10, 20_000)
    edges = reference.block_edges(10, 3)
    for begin, end in itertools.pairwise(edges):
        assert (kept[:, begin:end].sum(1) == 1).all()
        assert chi_square(kept[:, begin:end].sum(0), 20_000 / (end - begin)) > 1e-4
    pairs = kept[:, :3].T.astype(float) @ kept[:, 3:6]
    assert chi_square(pairs.ravel(), 20_000 / 9) > 1e-4


@pytest.mark.parametrize(("d", "n_workers"), [(10, 3), (12, 4), (2, 3), (50, 5)])
def test_perm_k_inclusion_and_pairs(d, n_workers):
    rounds = 6000
    kept = masks(PermK(n_workers), d, rounds * n_workers).reshape(rounds, n_workers, d)
    assert (kept.sum(1) == 1).all()
    counts = kept.sum(0).astype(float)  # (worker, coordinate)
    for j in range(d):
        assert chi_square(counts[:, j], rounds / n_workers) > 1e-4 / d
    if d == 50:  # two coordinates meet at one worker as in a uniform permutation
        pairs = np.einsum("rwi,rwj->ij", kept.astype(np.float32), kept)[np.triu_indices(d, 1)]
        p = 9 / 49
        z = (pairs - rounds * p) / np.sqrt(rounds * p * (1 - p))
        assert np.abs(z).max() < 5
        assert 0.85 < (z**2).mean() < 1.15


def test_bernoulli_inclusion():
    kept = masks(compression.Bernoulli(0.3), 20, 20_000)
    z = (kept.sum(0) - 6000) / np.sqrt(20_000 * 0.21)
    assert stats.chi2.sf((z**2).sum(), 20) > 1e-4
    total = kept.sum(1)
    assert abs(total.var() - 20 * 0.21) < 0.2  # independent coordinates


def test_messages_and_keys_draw_differently():
    draws = {compression.rand_k(100, 10, key, index=i).tobytes() for key in (1, 2) for i in range(50)}
    assert len(draws) == 100


# -- top-k -----------------------------------------------------------------------------------------------


def adversarial(d, dtype):
    rng = np.random.default_rng(d)
    tiny = np.finfo(dtype).smallest_subnormal
    normal = rng.normal(size=d)
    sparse = np.where(rng.random(d) < 0.01, normal, 0)
    period = np.zeros(d)
    period[:: max(1, d // 1024)] = 1 + rng.random(period[:: max(1, d // 1024)].size)
    one = normal.copy()
    one[d // 2] = np.nan
    one[d // 3] = -np.inf
    for name, x in {
        "gaussian": normal,
        "ties": np.ones(d),
        "signs": rng.choice([-1.0, 1.0], d),
        "zeros": np.zeros(d),
        "signed zeros": rng.choice([-0.0, 0.0], d),
        "ascending": np.arange(d),
        "descending": -np.arange(d)[::-1],
        "few values": rng.integers(-3, 4, d),
        "sparse": sparse,
        "period": period,
        "wide": rng.normal(size=d) * 2.0 ** rng.integers(-100, 100, d),
        "non-finite": one,
    }.items():
        yield name, x.astype(dtype)
    yield "denormals", (rng.integers(-5, 6, d) * float(tiny)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("d", [1, 2, 33, 300, 5000, 8192, 30_000])
def test_top_k_equals_lexsort(d, dtype):
    for name, x in adversarial(d, dtype):
        before = x.copy()
        for k in {0, 1, d - 1, d, d // 2, d // 8, min(d, 5), d // 100}:
            indices, values = compression.top_k(x, k)
            expected = reference.top_k(x, k)
            assert np.array_equal(indices, expected), (name, k)
            assert values.tobytes() == x[indices].tobytes()
        assert x.tobytes() == before.tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seen", [1e-3, 1e3])
def test_top_k_where_the_sample_misleads(seen, dtype):
    d = 20_000
    x = np.random.default_rng(5).normal(size=d).astype(dtype)
    size = cpu_topk._sample_size(d)
    places = [cpu_topk._sample_place(i, d // size) for i in range(size)]
    assert len(set(places)) == size
    x[places] *= dtype(seen)
    for k in (1, 100, 500, 1000, 1100, 2000):
        assert np.array_equal(compression.top_k(x, k)[0], reference.top_k(x, k))
        indices, _, left = compression.top_k_error_feedback(x, np.zeros(d, dtype), k)
        assert np.array_equal(indices, reference.top_k(x, k))
        assert np.count_nonzero(left) == d - k


def test_top_k_reference_is_the_stable_sort():
    rng = np.random.default_rng(3)
    x = rng.integers(-3, 4, 100).astype(float)
    for k in (0, 1, 40, 99, 100):
        assert np.array_equal(reference.top_k(x, k), np.sort(np.argsort(-np.abs(x), kind="stable")[:k]))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(width=32), min_size=1, max_size=60), st.integers(0, 60))
def test_top_k_hypothesis(values, k):
    for dtype in (np.float32, np.float64):
        x = np.array(values, dtype)
        k = min(k, x.size)
        assert np.array_equal(compression.top_k(x, k)[0], reference.top_k(x, k))


def test_top_k_takes_strided_and_lists():
    x = np.arange(20.0)[::-2]
    assert compression.top_k(x, 2)[0].tolist() == [0, 1]
    assert compression.top_k([1, -3, 2], 1)[1].tolist() == [-3.0]
    with pytest.raises(ValueError, match=r"k must be in 0\.\.3, got 4"):
        compression.top_k([1, 2, 3], 4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("d", "k"), [(1, 1), (50, 5), (50, 0), (20_000, 200), (20_000, 19_999)])
def test_error_feedback_is_top_k_of_the_sum(d, k, dtype):
    rng = np.random.default_rng(4)
    for memory in (rng.normal(size=d).astype(dtype), np.zeros(d, dtype)):
        for gradient in (rng.normal(size=d).astype(dtype), np.ones(d, dtype)):
            x = memory + dtype(0.3) * gradient
            kept, before = memory.copy(), (memory.tobytes(), gradient.tobytes())
            indices, values, new = compression.top_k_error_feedback(memory, gradient, k, step=0.3)
            assert (memory.tobytes(), gradient.tobytes()) == before
            assert np.array_equal(indices, reference.top_k(x, k))
            assert np.array_equal(values, x[indices])
            x[indices] = 0
            assert np.array_equal(new, x)
            assert new.dtype == dtype
            same = compression.top_k_error_feedback(kept, gradient, k, step=0.3, out=kept)[2]
            assert same is kept
            assert np.array_equal(kept, x)


def test_error_feedback_errors():
    with pytest.raises(ValueError, match="one shape"):
        compression.top_k_error_feedback(np.ones(3), np.ones(4), 1)
    fixed = np.ones(3)
    fixed.flags.writeable = False
    for memory, out, error, message in (
        (np.ones(3), np.ones(3, np.float32), ValueError, r"out must be an array of float64 of shape \(3,\)"),
        (np.ones(3), np.ones(6)[::2], ValueError, "out must be C-contiguous"),
        (np.ones(3), fixed, ValueError, "out must be writable"),
        (fixed, fixed, ValueError, "out must be writable"),
        (np.ones(3), [0.0] * 3, TypeError, "out must be an array that can be written, got list"),
    ):
        with pytest.raises(error, match=message):
            compression.top_k_error_feedback(memory, np.ones(3), 1, out=out)
