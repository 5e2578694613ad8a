"""Random numbers: known answers, equality with the NumPy definition, exactness of the draws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gossamer.kernels import random
from gossamer.kernels.random import cpu, reference, streams

# Random123's published vectors of philox4x32 with 10 rounds: counter, key, output
KNOWN_ANSWERS = [
    ((0, 0, 0, 0), 0, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, 2**64 - 1, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        0x299F31D0_A4093822,
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]
KEY = random.make_key(7)
AROUND_32_BITS = 2**32 - 50  # indices whose high word changes from 0 to 1


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_philox_known_answers(counter, key, expected):
    assert tuple(random.philox4x32([counter], key)[0]) == expected
    assert tuple(reference.philox4x32(np.array([counter], np.uint64), key)[0]) == expected


@pytest.mark.parametrize("start", [0, AROUND_32_BITS, 2**64 - 100])
def test_words_equal_reference(start):
    for step in (0, 1, 2**30 - 1):
        expected = reference.words(KEY, streams.USER, start, 100, step)
        assert np.array_equal(random.words(KEY, streams.USER, start, 100, step=step), expected)


def test_words_do_not_depend_on_chunks():
    whole = random.words(KEY, 5, AROUND_32_BITS, 100)
    parts = [random.words(KEY, 5, AROUND_32_BITS + i, 1) for i in range(100)]
    assert np.array_equal(np.concatenate(parts), whole)


def test_streams_are_distinct():
    numbers = [value for name, value in vars(streams).items() if name.isupper()]
    assert len(set(numbers)) == len(numbers)
    assert all(0 <= number < 2**16 for number in numbers)
    drawn = {random.words(KEY, number, 0, 4).tobytes() for number in numbers}
    assert len(drawn) == len(numbers)


def test_uniform_equals_reference_and_is_uniform():
    u = random.uniform(KEY, streams.USER, AROUND_32_BITS, 20_000)
    assert np.array_equal(u, reference.uniform(KEY, streams.USER, AROUND_32_BITS, 20_000))
    assert (u >= 0).all()
    assert (u < 1).all()
    assert np.array_equal(u * 2.0**53, np.rint(u * 2.0**53))
    assert stats.kstest(u, "uniform").pvalue > 1e-3


def test_uniform_uses_the_top_53_bits():
    ends = [(0, 0, 0.0), (0xFFFFFFFF, 0xFFFFFFFF, 1 - 2.0**-53), (0x80000000, 0, 0.5), (0, 1 << 11, 2.0**-53)]
    for high, low, expected in ends:
        assert cpu.to_uniform(np.uint64(high), np.uint64(low)) == expected


def test_exponential_equals_reference_and_is_exponential():
    e = random.exponential(KEY, streams.USER, 0, 20_000)
    np.testing.assert_array_almost_equal_nulp(e, reference.exponential(KEY, streams.USER, 0, 20_000), 4)
    assert (e >= 0).all()
    assert stats.kstest(e, "expon").pvalue > 1e-3
    assert np.isfinite(cpu.to_exponential(np.uint64(0xFFFFFFFF), np.uint64(0xFFFFFFFF)))


@pytest.mark.parametrize("bound", [1, 2, 3, 7, 10**6, 3 * 2**30, 2**32 - 1, 2**32])
def test_integers_equal_reference(bound):
    drawn = random.integers(bound, KEY, streams.USER, AROUND_32_BITS, 400)
    assert np.array_equal(drawn, reference.integers(bound, KEY, streams.USER, AROUND_32_BITS, 400))
    assert (drawn >= 0).all()
    assert (drawn < bound).all()


def test_integers_reject_what_would_bias_them():
    # with bound 3 * 2^30 a plain multiply-and-shift hits every third integer twice as often
    drawn = random.integers(3 * 2**30, KEY, streams.USER, 0, 90_000)
    counts = np.bincount(drawn % 3, minlength=3)
    assert stats.chisquare(counts).pvalue > 1e-3
    word = random.words(KEY, streams.USER, 0, 90_000)[:, 0].astype(np.uint64)
    biased = np.bincount(((word * np.uint64(3 * 2**30)) >> np.uint64(32)).astype(np.int64) % 3, minlength=3)
    assert stats.chisquare(biased).pvalue < 1e-6


@settings(max_examples=60, deadline=None)
@given(bound=st.integers(1, 60), data=st.data(), index=st.integers(0, 2**40))
def test_distinct_integers(bound, data, index):
    count = data.draw(st.integers(0, bound))
    drawn = random.distinct_integers(count, bound, KEY, streams.USER, index)
    assert np.array_equal(drawn, reference.distinct(count, bound, KEY, streams.USER, index))
    assert len(set(drawn.tolist())) == count
    assert all(0 <= value < bound for value in drawn)


def test_distinct_integers_of_a_huge_range():
    drawn = random.distinct_integers(5, 2**32, KEY, streams.USER, 0)
    assert np.array_equal(drawn, reference.distinct(5, 2**32, KEY, streams.USER, 0))


def test_many_distinct_integers_of_a_huge_range():
    drawn = random.distinct_integers(200_000, 2**32, KEY, streams.USER, 0)
    assert len(np.unique(drawn)) == 200_000
    few = random.distinct_integers(300, 4000, KEY, streams.USER, 5)  # hash set
    many = random.distinct_integers(600, 4000, KEY, streams.USER, 5)  # marks
    assert np.array_equal(few, reference.distinct(300, 4000, KEY, streams.USER, 5))
    assert np.array_equal(many, reference.distinct(600, 4000, KEY, streams.USER, 5))


def test_distinct_integers_are_uniform_over_subsets():
    subsets = [frozenset(random.distinct_integers(2, 5, KEY, streams.USER, i).tolist()) for i in range(5000)]
    counts = list(map(subsets.count, set(subsets)))
    assert len(counts) == 10
    assert stats.chisquare(counts).pvalue > 1e-3


def exact_probabilities(table):
    """Integer weight of each category, added up over the cells."""
    capacity = 2**62 >> table.bits
    weights = [0] * len(table.alias)
    for cell, (threshold, alias) in enumerate(zip(table.threshold, table.alias, strict=True)):
        weights[cell] += int(threshold)
        weights[int(alias)] += capacity - int(threshold)
    return weights


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0, 1e300), min_size=1, max_size=70).filter(lambda w: max(w) > 0))
def test_alias_table_is_exact(weights):
    table = random.alias_table(weights)
    w = np.array(weights) / max(weights)
    found = exact_probabilities(table)
    assert sum(found) == 2**62
    assert found[: w.size] == reference.alias_weights(w)
    assert not any(found[w.size :])  # padding
    assert not any(q for q, weight in zip(found, w, strict=False) if weight == 0)
    np.testing.assert_allclose(np.array(found[: w.size]) / 2.0**62, w / w.sum(), rtol=1e-9, atol=1e-15)


def test_alias_sample_equals_reference():
    table = random.alias_table([0, 1, 2, 0.5, 0, 3.3])
    w = reference.words(KEY, streams.USER, AROUND_32_BITS, 5000)
    expected = reference.alias_draw(table.threshold, table.alias, w[:, 2], w[:, 3])
    drawn = random.alias_sample(table, KEY, streams.USER, AROUND_32_BITS, 5000)
    assert np.array_equal(drawn, expected)
    counts = np.bincount(drawn, minlength=6)
    assert counts[0] == counts[4] == 0
    present = [1, 2, 3, 5]
    assert stats.chisquare(counts[present], np.array([1, 2, 0.5, 3.3]) / 6.8 * 5000).pvalue > 1e-3


def test_alias_single_category():
    assert not random.alias_sample(random.alias_table([4.0]), KEY, streams.USER, 0, 100).any()


def test_alias_table_of_many_categories():
    weights = np.arange(1.0, 200_001.0)
    table = random.alias_table(weights)
    drawn = random.alias_sample(table, KEY, streams.USER, 0, 200_000)
    upper = (drawn >= 100_000).mean()  # three quarters of the weight
    assert abs(upper - 0.75) < 4 * np.sqrt(0.75 * 0.25 / 200_000)


def test_make_key():
    assert random.make_key(3) == random.make_key(np.int64(3)) == random.make_key(np.random.SeedSequence(3))
    assert random.make_key(3) != random.make_key(4)
    assert random.make_key(None) != random.make_key(None)
    generator = np.random.default_rng(0)
    assert random.make_key(generator) != random.make_key(generator)
    assert random.make_key(np.random.default_rng(0)) == random.make_key(np.random.default_rng(0))
    assert 0 <= random.make_key(3) < 2**64


@pytest.mark.parametrize("bad", [1.5, "seed", True, [1, 2]])
def test_make_key_refuses(bad):
    with pytest.raises(TypeError, match="rng must be"):
        random.make_key(bad)


def test_make_key_refuses_negative_seeds():
    with pytest.raises(ValueError, match="non-negative"):
        random.make_key(-1)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: random.words(KEY, 2**16, 0, 1), "stream"),
        (lambda: random.words(KEY, 1, 0, -1), "count"),
        (lambda: random.words(KEY, 1, 2**64 - 1, 2), "indices"),
        (lambda: random.words(KEY, 1, 0, 1, step=2**30), "step"),
        (lambda: random.integers(0, KEY, 1, 0, 1), "bound"),
        (lambda: random.integers(2**32 + 1, KEY, 1, 0, 1), "bound"),
        (lambda: random.distinct_integers(3, 2, KEY, 1, 0), "count"),
        (lambda: random.alias_table([]), "non-empty"),
        (lambda: random.alias_table([[1.0]]), "vector"),
        (lambda: random.alias_table([1.0, -1.0]), "non-negative"),
        (lambda: random.alias_table([1.0, np.nan]), "finite"),
        (lambda: random.alias_table([0.0, 0.0]), "zero"),
        (lambda: random.philox4x32([[1, 2, 3]], KEY), "shape"),
        (lambda: random.philox4x32([[0, 0, 0, 2**32]], KEY), "32-bit"),
    ],
)
def test_bad_arguments(call, match):
    with pytest.raises(ValueError, match=match):
        call()
