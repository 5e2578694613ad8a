"""Data on which the steps of full gradients diverge with mini-batches, and what theory says of them."""

import numpy as np

from gossamer import graphs, problems

TRAITS = ("heavy tails", "huge rows", "duplicate rows", "zero rows", "equal labels")


def named():
    """Four nodes of 20 rows, the first of each thirty times larger: its constants are known."""
    j, k = np.arange(80)[:, None], np.arange(3)
    A = np.sin(1 + 3 * j + 5 * k + j * k)
    A[::20] *= 30
    return problems.LeastSquares(A, A @ [1, -2, 0.5] + np.cos(7 * np.arange(80)), np.arange(0, 81, 20))


def hostile(seed):
    """A problem with one to five of the traits and nodes of unequal sizes, and its batch size."""
    rng = np.random.default_rng([seed, 7])
    n, d = int(rng.integers(3, 6)), int(rng.integers(1, 5))
    sizes = rng.integers(1, 21, n)
    sizes[int(rng.integers(n))] = int(rng.integers(3, 21))
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    M = int(offsets[-1])
    A = rng.normal(size=(M, d))
    traits = {TRAITS[seed % 5], *rng.choice(TRAITS, int(rng.integers(0, 3)))}
    if "heavy tails" in traits:
        A *= np.abs(rng.standard_t(1.2, size=(M, 1)))
    if "huge rows" in traits:
        A[offsets[: int(rng.integers(1, n + 1))]] *= 10.0 ** rng.uniform(1, 3)
    if "duplicate rows" in traits:
        A[rng.integers(M, size=M // 2)] = A[int(rng.integers(M))]
    if "zero rows" in traits:
        A[rng.integers(M, size=M // 3)] = 0.0
    if not A.any():
        A[0] = 1.0
    y = A @ rng.normal(size=d) + rng.standard_t(1.5, size=M)
    l2 = 10.0 ** rng.uniform(-4, -1) * float((A**2).sum(axis=1).mean())
    same = "equal labels" in traits
    kind = seed // 5 % 3
    if kind == 0:
        problem = problems.LeastSquares(A, np.ones(M) if same else y, offsets, l2)
    elif kind == 1:
        problem = problems.LogisticRegression(
            A, np.ones(M) if same else np.sign(y) + (y == 0), offsets, l2 / 4
        )
    else:
        labels = rng.integers(3, size=M)
        labels[: M - 2] = labels[: M - 2] * (not same)
        labels[-2:] = 1, 2
        problem = problems.SoftmaxRegression(A, labels, offsets, l2 / 2)
    m = int(sizes.max())
    return problem, (1, 2, m - 1, m)[seed // 15 % 4]


def graph_of(seed, n):
    return (graphs.cycle, graphs.path, graphs.star, graphs.complete)[seed % 4](n)
