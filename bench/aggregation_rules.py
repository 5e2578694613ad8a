"""The rules that are measured: ours, the same in NumPy, the same in ByzFL.

ByzFL's parameters are chosen so that it means the same rule: its Krum counts one neighbour more, so it is
given f + 1. Where results cannot agree, `differs` says why.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from gossamer.bench import numpy_aggregation as in_numpy
from gossamer.kernels import aggregation
from gossamer.kernels.aggregation import engine
from gossamer.kernels.aggregation.rows import as_rows

RADIUS = 100.0
MOST_SUBSETS = 1000
TOLERANCE = 1e-4  # of the largest entry
MOST_OTHERS = 1e-4  # of the coordinates: where two values are equally near, rounding chooses


class Rule(NamedTuple):
    """One row of the tables.

    `byzfl` has the names of ByzFL's classes and their parameters, in the order in which they are applied;
    `differs` tells why a rival's result is another, by the rival's name; `kind` is "coordinate" or "distance"
    where a target is set for the rule.
    """

    ours: Callable[[Any], Any]
    numpy: Callable[[Any], Any]
    byzfl: tuple[tuple[str, dict[str, Any]], ...] = ()
    differs: dict[str, str] = {}  # noqa: RUF012 (never changed)
    kind: str = ""


def gram(G):
    return engine.gram(as_rows(G), np.arange(len(G)))


def faulty(p: int) -> int:
    """Return how many rows the rules are told are faulty: as many as Bulyan bears."""
    return (p - 3) // 4


def rules(p: int) -> dict[str, Rule]:
    """Return the rules for p rows, by name."""
    f = faulty(p)
    a, n = aggregation, in_numpy
    krum = ("Krum", {"f": f + 1})
    random_start = {"byzfl": "one power iteration from a random vector"}
    found = {
        "Gram matrix": Rule(gram, lambda G: G @ G.T),
        "mean": Rule(a.Mean(), n.mean, (("Average", {}),)),
        "normalized mean": Rule(a.NormalizedMean(), n.normalized_mean),
        "median": Rule(a.CoordinateMedian(), n.median, (("Median", {}),), kind="coordinate"),
        "trimmed mean": Rule(
            a.TrimmedMean(f), lambda G: n.trimmed_mean(G, f), (("TrMean", {"f": f}),), kind="coordinate"
        ),
        "MeaMed": Rule(a.MeaMed(f), lambda G: n.meamed(G, f), (("Meamed", {"f": f}),), kind="coordinate"),
        "Phocas": Rule(a.Phocas(f), lambda G: n.phocas(G, f)),
        "Bulyan": Rule(a.Bulyan(f), lambda G: n.bulyan(G, f)),
        "Krum": Rule(a.Krum(f), lambda G: n.krum(G, f), (krum,), kind="distance"),
        "Multi-Krum": Rule(
            a.MultiKrum(f, m=p - f - 1),  # as many as ByzFL averages if it is to count our neighbours
            lambda G: n.multi_krum(G, f, p - f - 1),
            (("MultiKrum", {"f": f + 1}),),
            kind="distance",
        ),
        "MDA": Rule(a.MDA(f), lambda G: n.mda(G, f), (("MDA", {"f": f}),), kind="distance"),
        "SMEA": Rule(
            a.SMEA(f), lambda G: n.smea(G, f), (("SMEA", {"f": f}),), differs=random_start, kind="distance"
        ),
        "MoNNA": Rule(a.MoNNA(f), lambda G: n.monna(G, f), (("MoNNA", {"f": f}),), kind="distance"),
        "geometric median": Rule(
            a.GeometricMedian(),
            lambda G: n.geometric_median(G, 3),
            (("GeometricMedian", {}),),
            kind="distance",
        ),
        "centered clipping": Rule(
            a.CenteredClipping(RADIUS),
            lambda G: n.centered_clipping(G, RADIUS, 1),
            (("CenteredClipping", {"tau": RADIUS}),),
        ),
        "centered clipping, 3 steps": Rule(
            a.CenteredClipping(RADIUS, n_steps=3),
            lambda G: n.centered_clipping(G, RADIUS, 3),
            (("CenteredClipping", {"tau": RADIUS, "L": 3}),),
        ),
        "CAF": Rule(
            a.CAF(f), lambda G: n.caf(G, f), (("CAF", {"f": f}),), differs=random_start, kind="distance"
        ),
        "DnC": Rule(
            a.DnC(f), lambda G: n.dnc(G, f, 10_000), differs={"numpy": "other coordinates where d > 1e4"}
        ),
        "FoolsGold": Rule(a.FoolsGold(), n.foolsgold),
        "NNM >> Krum": Rule(
            a.NNM(f) >> a.Krum(f),
            lambda G: n.krum(n.nnm(G, f), f),
            (("NNM", {"f": f}), krum),
            kind="distance",
        ),
        "NNM >> trimmed mean": Rule(
            a.NNM(f) >> a.TrimmedMean(f),
            lambda G: n.trimmed_mean(n.nnm(G, f), f),
            (("NNM", {"f": f}), ("TrMean", {"f": f})),
        ),
        "Bucketing >> median": Rule(
            a.Bucketing(3) >> a.CoordinateMedian(),
            lambda G: n.median(n.bucketing(G, 3)),
            (("Bucketing", {"s": 3}), ("Median", {})),
            differs=dict.fromkeys(("numpy", "byzfl"), "other random groups"),
        ),
        "Clipping >> mean": Rule(
            a.Clipping(RADIUS) >> a.Mean(),
            lambda G: n.mean(n.clipping(G, RADIUS)),
            (("Clipping", {"c": RADIUS}), ("Average", {})),
        ),
        "ARC >> Krum": Rule(
            a.ARC(f) >> a.Krum(f), lambda G: n.krum(n.arc(G, f), f), (("ARC", {"f": f}), krum)
        ),
        "Flag, 5 iterations": Rule(
            a.Flag(max_iter=5, tol=0.0), n.flag, differs={"numpy": "one iteration, from a random subspace"}
        ),
        "Flag, 5 iterations, pairs": Rule(
            a.Flag(lam=1.0, max_iter=5, tol=0.0), n.flag, differs={"numpy": "without pairs"}
        ),
    }
    if math.comb(p, f) > MOST_SUBSETS:
        del found["MDA"], found["SMEA"]
    return found


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz", "arcp"})
def sum_of_squares(x):
    """Read all: the floor."""
    total = np.float32(0)
    for j in range(x.size):
        total += x[j] * x[j]
    return total


@functools.lru_cache(maxsize=1)
def gradients(p: int, d: int) -> np.ndarray:
    """Return float32 rows with a direction in common; the later ones have more noise, so nothing is tied."""
    rng = np.random.default_rng(0)
    G = rng.standard_normal((p, d), np.float32)
    G *= np.linspace(1, 1.5, p, dtype=np.float32)[:, None]
    G += rng.standard_normal(d, np.float32) / 2
    return G


def share_of_others(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the share of the coordinates in which two results differ by more than rounding."""
    return float(np.mean(~(np.abs(ours - theirs) <= TOLERANCE * np.abs(ours).max())))
