"""Small calls, where the time is that of checks and dispatch; `bench.calls` compares two checkouts."""

import pytest

from gossamer.bench import calls


@pytest.fixture(scope="module")
def small_calls():
    return calls.calls()


@pytest.mark.parametrize("name", calls.calls())
def test_call(benchmark, small_calls, name):
    benchmark.group = "small calls"
    small_calls[name]()
    benchmark(small_calls[name])
