"""How often another start of Flag ends lower, and whether its aggregate is nearer to the honest mean.

Rows of noise about a common direction, a fifth of them hostile; the default m. For each number of starts: in
how many of the cases one of them ends lower than the first, by how much of the objective on average, and the
median over the cases of the angle between the aggregate and the honest mean, over that of one start.

    python -m gossamer.bench.flag_restarts
"""

from __future__ import annotations

import numpy as np

from gossamer.kernels.aggregation import Flag
from gossamer.problems import attacks

N_CASES = 16
STARTS = 2, 4, 8
ATTACKS = {
    "none": None,
    "reversed": attacks.ReversedGradient(1.0),
    "ALIE": attacks.ALIE(1.5),
    "MinMax": attacks.MinMax(),
}


def rows(p: int, d: int, attack: attacks.Attack | None, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return p rows, the last fifth of them hostile, and the mean of the others."""
    rng = np.random.default_rng(seed)
    G = rng.normal(size=(p, d)) + rng.normal(size=d) / 2
    f = p // 5
    honest = G[: p - f].mean(axis=0)
    if attack is not None:
        G[p - f :] = attack(G[: p - f], f, own=G[p - f :])
    return G, honest


def angle(x: np.ndarray, y: np.ndarray) -> float:
    """Return the angle between two vectors."""
    return float(np.arccos(np.clip(x @ y / np.linalg.norm(x) / np.linalg.norm(y), -1.0, 1.0)))


def main() -> None:
    """Print the table."""
    print("   p  attack     starts  ends lower  lower by  angle / one start's")
    p = 15
    for name, attack in ATTACKS.items():
        cases = [rows(p, 300, attack, seed) for seed in range(N_CASES)]
        first = [Flag()(G, full=True) for G, _ in cases]
        for n in STARTS:
            found = [Flag(restarts=n, key=1)(G, full=True) for G, _ in cases]
            ends = np.array(
                [
                    (one.details["ends"][0], many.details["ends"].min())
                    for one, many in zip(first, found, strict=True)
                ]
            )
            lower = ends[:, 1] < ends[:, 0] - 1e-6
            gain = float(np.mean(1.0 - ends[:, 1] / ends[:, 0]))
            ratio = np.median(
                [
                    angle(many.value, honest) / angle(one.value, honest)
                    for one, many, (_, honest) in zip(first, found, cases, strict=True)
                ]
            )
            print(f"{p:4}  {name:10} {n:6}  {lower.sum():4} of {N_CASES}  {gain:8.2%}  {ratio:8.3f}")


if __name__ == "__main__":
    main()
