"""Proximal steps onto simple sets in NumPy: the definitions."""

from __future__ import annotations

import numpy as np


def box(v: np.ndarray, low: float, high: float) -> np.ndarray:
    """Nearest point with coordinates in [low, high]."""
    return np.clip(v, low, high)


def ball(v: np.ndarray, radius: float) -> np.ndarray:
    """Nearest point with |x| <= radius."""
    norm = np.linalg.norm(v)
    return v if norm <= radius else v * (radius / norm)


def simplex(v: np.ndarray, total: float) -> np.ndarray:
    """Nearest point with x >= 0 and sum x = total: max(v - t, 0) with the t that gives this sum."""
    falling = np.sort(v)[::-1]
    thresholds = (np.cumsum(falling) - total) / np.arange(1, v.size + 1)
    t = thresholds[np.flatnonzero(falling > thresholds)[-1]]
    return np.maximum(v - t, 0.0)


def entropic(centre: np.ndarray, shift: np.ndarray, total: float) -> np.ndarray:
    """Minimiser of <shift, x> + total sum x log(x / centre) over x >= 0 with sum x = total."""
    x = np.zeros(centre.size)
    plays = centre > 0
    x[plays] = centre[plays] * np.exp((shift[plays].min() - shift[plays]) / total)
    return x * (total / x.sum())


def between(tau: float, z: np.ndarray, w: np.ndarray, is_entropic: bool) -> np.ndarray:
    """Minimiser of tau D(x, z) + (1 - tau) D(x, w), up to a factor on an entropic simplex."""
    return z**tau * w ** (1 - tau) if is_entropic else tau * z + (1 - tau) * w
