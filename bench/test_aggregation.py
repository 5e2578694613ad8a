"""Robust aggregation of float32 gradients against NumPy, BLAS, and passes over the data.

The floor "read" is the sum of squares of all entries, in one compiled pass. NumPy's Gram matrix is BLAS's
syrk in float32, half as exact as the compiled one. `aggregation_grid` has more sizes, and ByzFL.
"""

import pytest

from gossamer.bench.aggregation_rules import MOST_OTHERS, gradients, rules, share_of_others, sum_of_squares

SIZES = [(p, d) for p in (15, 30, 60) for d in (10_000, 1_000_000, 10_000_000) if p * d <= 150_000_000]
LARGEST_OF_NUMPY = 15_000_000  # numbers
CASES = [
    pytest.param(p, d, what, id=f"{what.replace(' ', '-')} {p} {d} {turn}")
    for turn in range(2)
    for p, d in SIZES
    for what in ("read", *rules(p), *(f"numpy {name}" for name in rules(p)))
    if not what.startswith("numpy") or p * d <= LARGEST_OF_NUMPY or (what.endswith("matrix") and d <= 1e6)
]


@pytest.mark.parametrize(("p", "d", "what"), CASES)
def test_aggregation(benchmark, p, d, what):
    G, table = gradients(p, d), rules(p)
    name = what.removeprefix("numpy ")

    def work():
        if what == "read":
            return sum_of_squares(G.reshape(-1))
        return table[name].ours(G) if name == what else table[name].numpy(G)

    benchmark.group = f"aggregation, {p} rows, {d} coordinates"
    benchmark.extra_info.update(what=what, events=1, rivals={name: f"numpy {name}" for name in table})
    rounds = 3 if name != what else min(max(200_000_000 // (p * d), 5), 20)
    result = benchmark.pedantic(work, rounds=rounds, warmup_rounds=1)
    if name != what and "numpy" not in table[name].differs:
        assert share_of_others(table[name].ours(G), result) <= MOST_OTHERS
