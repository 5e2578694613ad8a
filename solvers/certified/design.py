"""Parameters of SVL with the smallest certified rate: for one graph, and for changing ones."""

from __future__ import annotations

import functools
import math

import numpy as np

from . import changing, loops
from .proof import Loop

Parameters = tuple[float, float, float, float]  # alpha (in units of 1/L), beta, gamma, delta

EXTRA, NIDS = (0.5, 1.0, 0.0), (0.5, 1.0, 0.5)  # as beta, gamma, delta
_LONGEST = 2.0 * loops.SHARE_OF_EDGE  # the mean does gradient descent
_EIGENVALUES = 17  # looked at during the search
_DIRECTIONS = 96
_ROUNDS = 400
_FIRST, _LAST = 0.3, 1e-6  # distance of the candidates
_GAIN = 1e-7  # relative, of 1 - rho: less is no success
_BETAS = 24  # tried at once
_HALVINGS = 24


def loop(beta: float, gamma: float, delta: float) -> Loop:
    """Return SVL's loop: y = x - delta v, x+ = x + beta s - alpha u - gamma v, s+ = s - v, v = lam x."""
    return Loop((1.0, -delta), (0.0, gamma), (0.0, beta))


def plant(alpha: float, beta: float, gamma: float, delta: float) -> changing.Plant:
    """Return SVL as a plant, with the state (x, s) and z = x."""
    return changing.Plant(
        A=((1.0, beta), (0.0, 1.0)),
        B=((-alpha, -gamma), (0.0, -1.0)),
        Cy=((1.0, 0.0),),
        Dy=((0.0, -delta),),
        Cz=((1.0, 0.0),),
        Dz=((0.0, 0.0),),
    )


@functools.lru_cache(maxsize=256)
def for_one_graph(kappa: float, low: float, high: float) -> Parameters | None:
    """Return parameters for W with eigenvalues in [low, high], no worse than EXTRA's and NIDS' best; or None.

    A search from the better of these two: candidates lie around the best point, along directions of a fixed
    seed, nearer after a round without success and farther after one with it. Eigenvalues that turn out to be
    worse than those that were looked at join them, and the search goes on. The result is the same each time.
    """
    starts = []
    for form in (EXTRA, NIDS):
        step = loops.best_step(loop(*form), kappa, low, high)
        if math.isfinite(step):
            starts.append((step, *form))
    if not starts:
        return None

    def rated(found: Parameters) -> float:
        return loops.rate(loop(*found[1:]), kappa, low, high, found[0])

    best = min(starts, key=rated)
    least, most = 1.0 - high, 1.0 - low
    nodes = np.cos(np.pi * np.arange(_EIGENVALUES) / (_EIGENVALUES - 1))
    lams = np.unique(0.5 * (least + most) + 0.5 * (most - least) * nodes)
    distance, found = _FIRST, best
    for _ in range(4):
        found = _search(found, 1.0 / kappa, lams, distance)
        best = min(best, found, key=rated)
        more = loops.worst_eigenvalues(loop(*found[1:]), kappa, low, high, found[0])
        if not len(more):
            break
        lams, distance = np.concatenate([lams, more]), 0.01
    return best


def _search(start: Parameters, m: float, lams: np.ndarray, distance: float) -> Parameters:
    """Return the best of what is found around a start, for these eigenvalues."""
    rng = np.random.default_rng(0)

    def terms(points: np.ndarray) -> tuple[np.ndarray, ...]:
        alpha, beta, gamma = np.exp(points[:, :3].T[:, :, None])
        delta = np.abs(points[:, 3:])
        top = np.minimum(alpha * m, 2.0 - alpha)[:, 0]
        return alpha * (1.0 - delta * lams), gamma * lams, beta * lams, top

    point = np.array([*np.log(start[:3]), start[3]])
    b, p, q, top = terms(point[None, :])
    gap = float(loops.gaps(b, p, q, m, top)[0])
    for _ in range(_ROUNDS):
        if distance < _LAST:
            break
        spread = distance * np.exp(rng.uniform(-2.0, 0.0, (_DIRECTIONS, 1)))
        points = point + spread * rng.standard_normal((_DIRECTIONS, 4))
        b, p, q, top = terms(points)
        wanted = gap * (1.0 + _GAIN)
        better = (loops.met(b, p, q, m, wanted) if wanted < 1.0 else False) & (top >= wanted)
        better &= loops.bears(b / loops.SHARE_OF_EDGE, p, q) & (points[:, 0] <= math.log(_LONGEST))
        if not better.any():
            distance *= 0.7
            continue
        found = loops.gaps(b[better], p[better], q[better], m, top[better])
        place = int(np.argmax(found))
        point, gap = points[better][place], float(found[place])
        distance *= 1.5
    alpha, beta, gamma = np.exp(point[:3]).tolist()
    return alpha, beta, gamma, abs(float(point[3]))


@functools.lru_cache(maxsize=256)
def for_changing_graphs(kappa: float, sigma: float, longest: float = _LONGEST) -> Parameters | None:
    """Return parameters for |W_k - J| <= sigma: delta = 1, gamma = 1 + beta, alpha = (1 - rho)/mu; or None.

    The smallest rho that some beta proves, with alpha <= longest: halving the bracket of log(1 - rho), with
    the betas around those that proved the last one.
    """
    of_mean = min(2.0 / (kappa + 1.0), longest / kappa)  # 1 - rho of the mean of the nodes
    least, most = math.log(loops.SMALLEST_GAP), math.log(of_mean)
    betas, best = np.geomspace(1e-4, 2.0, 4 * _BETAS), None
    gap = most
    for _ in range(_HALVINGS):
        alpha = math.exp(gap) * kappa
        good = [
            k
            for k, beta in enumerate(betas)
            if changing.Proof(plant(alpha, beta, 1.0 + beta, 1.0), kappa, sigma).holds(1.0 - math.exp(gap))
        ]
        if good:
            beta = float(betas[good[len(good) // 2]])
            best, least = (alpha, beta, 1.0 + beta, 1.0), gap
            shortest, longest = betas[max(good[0] - 1, 0)], betas[min(good[-1] + 1, len(betas) - 1)]
            betas = np.geomspace(shortest, longest, _BETAS)
        else:
            most = gap
        gap = 0.5 * (least + most)
    return best
