"""Rounds of mixing on two arrays in turn, by compiled rows or by BLAS, whichever is faster."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backend import Backend
from . import cpu
from .matrix import Mixer

# BLAS with W as a dense matrix was measured to be faster than rows of the sparse W for more than this share
# of entries and this much work n^2 d; SciPy's product was never the fastest of the three. With one to three
# coordinates BLAS often is from a share of 0.2 on, which is not worth a second rule.
_DENSE_SHARE = 0.4
_DENSE_WORK = 2e4

Factors = list[tuple[float, float, float]]


def repeat_mix(mixer: Mixer, x: NDArray, rounds: int, result: NDArray) -> None:
    """Set `result` to ``W^rounds x``."""
    if not (rounds and _is_dense(mixer, x) and _mix_dense(mixer.dense(x.dtype), x, rounds, result)):
        _mix_rows(mixer, x, rounds, result)


def semi_iterate(mixer: Mixer, x: NDArray, factors: Factors, result: NDArray) -> None:
    """Set `result` to the last iterate ``X_{k+1} = f_0 W X_k + f_1 X_k + f_2 X_{k-1}``, with X_{-1} = 0.

    `factors` are the f of each round, and X_0 = x.
    """
    if not (factors and _is_dense(mixer, x) and _combine_dense(mixer.dense(x.dtype), x, factors, result)):
        _combine_rows(mixer, x, factors, result)


def semi_iteration(a: float, b: float, rounds: int) -> Factors:
    """Return the factors of W X_k, X_k and X_{k-1} in each round of Chebyshev's semi-iteration."""
    scale = 2.0 - a - b
    inverse_square = ((b - a) / scale) ** 2  # 1 / s^2
    factors = []
    w = 1.0
    for k in range(rounds):
        if k:
            w = 1.0 / (1.0 - 0.25 * inverse_square * (2.0 if k == 1 else w))
        factors.append((w * 2.0 / scale, -w * (a + b) / scale, 1.0 - w))
    return factors


def alternate(
    x: Any, result: Any, rounds: int, step: Callable[[int, Any, Any], object], xp: Backend | Any = np
) -> None:
    """Call step(k, source, target) for each round, so that the last target is `result`; copy x for none.

    Source is x, then the target before. Targets are two arrays in turn: from the third round on, the target
    holds the source of the round before. `xp` makes and copies arrays.
    """
    if rounds == 0:
        xp.copyto(result, x)
    targets = (result, xp.empty(result.shape, result.dtype) if rounds > 1 else result)
    source = x
    for k in range(rounds):
        target = targets[(rounds - 1 - k) % 2]
        step(k, source, target)
        source = target


def _is_dense(mixer: Mixer, x: NDArray) -> bool:
    """Whether BLAS with the dense matrix was measured to be faster than rows of the sparse one."""
    n = mixer.n_nodes
    return len(mixer.indices) > _DENSE_SHARE * n**2 and n * x.size > _DENSE_WORK


def _mix_rows(mixer: Mixer, x: NDArray, rounds: int, result: NDArray) -> None:
    kernel, matrix = cpu.mix[x.dtype].compiled(), (mixer.indptr, mixer.indices, mixer.weights(x.dtype))
    alternate(x, result, rounds, lambda k, source, target: kernel(*matrix, source, target))


def _mix_dense(W: NDArray, x: NDArray, rounds: int, result: NDArray) -> bool:
    """Return whether the result is finite: BLAS also spreads NaN and infinity over weights of zero."""
    with np.errstate(all="ignore"):
        alternate(x, result, rounds, lambda k, source, target: np.matmul(W, source, out=target))
        return math.isfinite(result.sum())


def _combine_rows(mixer: Mixer, x: NDArray, factors: Factors, result: NDArray) -> None:
    kernel = cpu.mix_combine[x.dtype].compiled()
    matrix = mixer.indptr, mixer.indices, mixer.weights(x.dtype)

    def step(k: int, source: NDArray, target: NDArray) -> None:
        if k < 2:  # X_{k-1}; in the first round its factor is zero
            target[...] = x
        kernel(*matrix, source, target, *factors[k])

    alternate(x, result, len(factors), step)


def _combine_dense(W: NDArray, x: NDArray, factors: Factors, result: NDArray) -> bool:
    """Return whether the result is finite, as `_mix_dense`."""
    from scipy.linalg import get_blas_funcs

    gemm: Any = get_blas_funcs("gemm", dtype=x.dtype)
    mixed, own, _ = factors[0]
    M = mixed * W
    np.fill_diagonal(M, M.diagonal() + own)

    def step(k: int, source: NDArray, target: NDArray) -> None:
        if k < 2:  # X_{k-1}; in the first round its factor is zero
            target[...] = x
        before = factors[k][2]
        # BLAS counts by columns, so its arrays are the transposed ones; it overwrites the target in place
        gemm(1.0 - before, source.T, M.T, before, target.T, overwrite_c=True)

    with np.errstate(all="ignore"):
        alternate(x, result, len(factors), step)
        return math.isfinite(result.sum())
