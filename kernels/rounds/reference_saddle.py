"""Rounds of the methods for variational inequalities in NumPy: their definitions.

`operator(z)` is F(z); `operators(z)` are the rows F_i(z) (n, d); `prox(centre, shift)` is the proximal step;
`compress(V)` is what the server makes of the workers' messages, the rows of V, and `answer(v)` what the
workers make of the server's message v.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Map = Callable[[np.ndarray], np.ndarray]
Prox = Callable[[np.ndarray, np.ndarray], np.ndarray]


def extragradient(look: Map, operator: Map, prox: Prox, z: np.ndarray, step: float) -> np.ndarray:
    """Extragradient: return the next z; `look` is F for the step ahead, over a mini-batch of its own."""
    return prox(z, step * operator(prox(z, step * look(z))))


def optimistic(
    operator: Map, prox: Prox, z: np.ndarray, last: np.ndarray, step: float
) -> tuple[np.ndarray, np.ndarray]:
    """Optimistic gradient: return the next z and F(z); `last` is F at the z before."""
    now = operator(z)
    return prox(z, step * (2 * now - last)), now


def compressed_step(
    operators: Map, compress: Map, prox: Prox, z: np.ndarray, at: np.ndarray, E: np.ndarray, step: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return a step from z with the compressed operators at another point, and the next memories.

    A round of compressed extragradient takes one with at = z, and one with at = what that gave; without error
    feedback the memories stay zero.
    """
    P = E + step * operators(at)
    C = compress(P)
    return prox(z, C.mean(axis=0)), P - C


def masha1(
    difference: Callable[[np.ndarray], np.ndarray],
    compress: Map,
    answer: Map,
    prox: Prox,
    centre: np.ndarray,
    Fw: np.ndarray,
    step: float,
) -> np.ndarray:
    """MASHA1: return the next z; `difference(z)` are the rows F_i(z) - F_i(w) of those who take part.

    `centre` is tau z + (1 - tau) w, or its like on an entropic simplex, and Fw is F(w).
    """
    half = prox(centre, step * Fw)
    u = answer(compress(difference(half)).mean(axis=0))
    return prox(centre, step * (Fw + u))


def masha2(
    difference: Callable[[np.ndarray], np.ndarray],
    compress: Map,
    answer: Map,
    centre: np.ndarray,
    Fw: np.ndarray,
    E: np.ndarray,
    e: np.ndarray,
    step: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """MASHA2: return the next z, the memories of those who take part (rows of E before), and the server's."""
    half = centre - step * Fw
    X = step * difference(half) + E
    C = compress(X)
    y = C.mean(axis=0) + e
    c = answer(y)
    return half - c, X - C, y - c
