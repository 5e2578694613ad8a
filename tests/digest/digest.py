"""Bits of sixty-odd runs of all solvers, to be compared before and after a change that keeps them.

    python tests/digest/digest.py FILE             # run with the gossamer that is imported, and write
    python tests/digest/digest.py --compare A B    # what differs; exit status 1 if anything does
    make digest BASE=COMMIT                        # COMMIT's and the working tree's, on this machine

Steps, `tol=0`, `record_every` and `max_events` are set, so that defaults may change without notice here. Of
each run the iterates, as a SHA-256 of their bytes, and the counts must be equal, and the columns of the trace
but `wall_time` to 1e-12 of their largest value. Another type of processor may give other bits.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

import gossamer
from gossamer import graphs, problems, solvers
from gossamer.kernels import aggregation, compression
from gossamer.problems import attacks
from gossamer.solvers import gossip_rules

COUNTS = ("n_gradients", "n_communications", "bits", "bits_down")
SAME = 1e-12  # relative, of columns of the trace
N, D = 8, 6
PROJECTING = ("extragradient", "optimistic", "MASHA1")  # methods for problems on sets


def data(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(12 * N, D)) * np.geomspace(0.5, 2.0, D)
    return X, X @ rng.normal(size=D) + rng.normal(size=12 * N)


def smooth_problems() -> dict[str, problems.Problem]:
    X, y = data(0)
    return {
        "quadratic": problems.Quadratic.random(N, D, condition_number=20.0, rng=1),
        "least squares": problems.LeastSquares.from_data(X, y, N, l2=0.1, rng=2),
        "logistic": problems.LogisticRegression.from_data(X, np.sign(y), N, l2=0.1, rng=3),
    }


def gossip() -> Iterator[tuple[str, Any, bool]]:
    """Yield name, solver and whether it takes mini-batches, of methods over a graph; s is 1/L."""
    top_k = compression.TopK(2)
    for kind, step in ((solvers.DGD, 0.4), (solvers.EXTRA, 0.4), (solvers.NIDS, 0.5)):
        for size in (None, 3):
            name = kind.__name__ + ("" if size is None else ", batches")
            yield name, lambda s, k=kind, t=step, b=size: k(step=t * s, batch_size=b), size is not None
    yield "DGD, decay", lambda s: solvers.DGD(step=0.4 * s, step_decay=0.1), False
    for form in ("semi_atc", "atc", "non_atc"):
        yield f"tracking, {form}", lambda s, f=form: solvers.GradientTracking(step=0.05 * s, form=f), False
    yield "SVL", lambda s: solvers.SVL(step=0.4 * s, beta=0.5, gamma=1.0, delta=0.0), False
    yield "CHOCO", lambda s: solvers.ChocoSGD(top_k, step=0.1 * s, gamma=0.2), False
    yield (
        "CHOCO, batches",
        lambda s: solvers.ChocoSGD(compression.QSGD(4, scaled=False), step=0.1 * s, gamma=0.2, batch_size=3),
        True,
    )
    yield "BEER", lambda s: solvers.BEER(top_k, step=0.05 * s, gamma=0.1), False
    yield (
        "BEER, sparse and dense",
        lambda s: solvers.BEER(compression.LowRank(1, (2, 3)), step=0.05 * s, gamma=0.1),
        False,
    )
    yield "DADAO", lambda s: solvers.DADAO(), False
    yield "DADAO, batches", lambda s: solvers.DADAO(batch_size=3), True


def server() -> Iterator[tuple[str, Any, bool]]:
    """Yield the same of methods over a server."""
    rand_k, top_k = compression.RandK(2), compression.TopK(2)
    yield "EF", lambda s: solvers.EF(top_k, step=0.2 * s), False
    yield "EF21", lambda s: solvers.EF21(top_k, step=0.2 * s), False
    yield "EF21, batches", lambda s: solvers.EF21(top_k, step=0.2 * s, batch_size=3), True
    yield "DIANA", lambda s: solvers.DIANA(rand_k, step=0.2 * s, shift_step=0.3), False
    yield "DIANA, Perm-K", lambda s: solvers.DIANA(compression.PermK(N), step=0.2 * s, shift_step=0.1), False
    yield "MARINA", lambda s: solvers.MARINA(rand_k, step=0.2 * s, probability=0.3), False
    yield (
        "MARINA, batches",
        lambda s: solvers.MARINA(rand_k, step=0.1 * s, probability=0.3, batch_size=3),
        True,
    )
    for name, rule in (
        ("mean", aggregation.Mean()),
        ("NNM, Flag", aggregation.NNM(2) >> aggregation.Flag(m=3)),
        ("clipping", aggregation.CenteredClipping(1.0)),
    ):
        yield (
            f"robust, {name}",
            lambda s, rule=rule: solvers.RobustSGD(
                rule, 0.5, f=2, attack=attacks.ALIE(1.0), step=0.2 * s, momentum=0.3, batch_size=3
            ),
            True,
        )


def saddle() -> Iterator[tuple[str, Any]]:
    """Yield methods for variational inequalities."""
    rand_k, top_k = compression.RandK(2), compression.TopK(2)
    yield "extragradient", lambda s: solvers.Extragradient(step=0.4 * s)
    yield "optimistic", lambda s: solvers.OptimisticGradient(step=0.3 * s)
    yield "compressed", lambda s: solvers.CompressedExtragradient(rand_k, step=0.01 * s, error_feedback=True)
    yield "QSGDA", lambda s: solvers.QSGDA(rand_k, step=0.02 * s)
    yield "DIANA-SGDA", lambda s: solvers.DIANASGDA(rand_k, step=0.02 * s, shift_step=0.2)
    for kind in (solvers.MASHA1, solvers.MASHA2):
        compressor = rand_k if kind is solvers.MASHA1 else top_k
        for participants in (None, 5):
            yield (
                f"{kind.__name__}, {participants} participants",
                lambda s, k=kind, c=compressor, p=participants: k(
                    c, c, step=0.05 * s, tau=0.7, participants=p, check_compressor=False
                ),
            )


def runs() -> Iterator[tuple[str, Any, Any, Any, dict[str, Any]]]:
    """Yield name, solver, problem, graph and further arguments of `solve`."""
    smooth = smooth_problems()
    grid, star = graphs.random_regular(N, 3, rng=4), graphs.star(N)
    for graph, methods in ((grid, gossip), (star, server)):
        for k, (name, make, batched) in enumerate(methods()):
            for j, (kind, problem) in enumerate(smooth.items()):
                # each method on two of the problems, the third on those with rows
                if (batched and kind == "quadratic") or (not batched and (j + k) % 3 == 0):
                    continue
                long = name.startswith("DADAO")
                sizes = {"max_events": 4000 if long else 60, "record_every": 400 if long else 10}
                yield f"{name}; {kind}", make(1.0 / problem.smoothness), problem, graph, sizes | {"rng": k}
    averages = problems.Averaging(np.random.default_rng(5).normal(size=(N, D)))
    sizes = {"max_events": 60, "record_every": 10}
    for compressor in (compression.TopK(2), compression.RandK(2, scaled=False), compression.ScaledSign()):
        yield f"CHOCO gossip; {compressor}", solvers.ChocoGossip(compressor, gamma=0.1), averages, grid, sizes
    if hasattr(solvers, "PairwiseGossip"):  # older commits have none
        yield "pairwise gossip", solvers.PairwiseGossip(), averages, grid, sizes
    for rule in (gossip_rules.NNA(1), gossip_rules.ClippedGossip(1, 0.5), gossip_rules.BRIDGE(1)):
        solver = solvers.RobustGossip(
            rule, f=1, attack=attacks.SignFlip(), step=0.05, momentum=0.3, batch_size=3
        )
        yield f"robust gossip; {rule}", solver, smooth["least squares"], graphs.complete(N), sizes
    game = problems.MatrixGame.split(np.random.default_rng(6).normal(size=(3, 4)), N)
    for k, (name, make) in enumerate(saddle()):
        for kind, problem in (("bilinear", problems.BilinearSaddle.random(N, 3)), ("game", game)):
            if kind == "game" and not name.startswith(PROJECTING):
                continue
            yield f"{name}; {kind}", make(1.0 / problem.smoothness), problem, star, sizes | {"rng": k}


def digest(result: Any) -> dict[str, Any]:
    """Return what must stay of a result."""
    columns = {
        name: result.trace[name].tolist()
        for name in ("time", *COUNTS, "objective", "optimality", "consensus", "distance", "accuracy")
    }
    return {
        "status": result.status,
        "X": hashlib.sha256(np.ascontiguousarray(result.X).tobytes()).hexdigest(),
        "counts": {name: getattr(result, name) for name in COUNTS},
        "trace": columns,
    }


def write(path: str) -> None:
    found = {}
    for name, solver, problem, graph, arguments in runs():
        assert name not in found, name
        x_star = np.linspace(-1.0, 1.0, problem.dim)  # any point shows a change of the distance
        result = solver.solve(problem, graph, tol=0.0, x_star=x_star, **arguments)
        found[name] = digest(result)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(found, file, indent=1)
    print(f"{len(found)} runs: {path}")


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return what differs of the runs before, one line each."""
    found = [f"{name}: gone" for name in sorted(before.keys() - after.keys())]  # new ones may come
    for name in before.keys() & after.keys():
        old, new = before[name], after[name]
        found += [f"{name}: {key}" for key in ("status", "X", "counts") if old[key] != new[key]]
        for column, values in old["trace"].items():
            a, b = np.array(values, float), np.array(new["trace"].get(column, []), float)
            if a.shape != b.shape or not np.array_equal(np.isnan(a), np.isnan(b)):
                found.append(f"{name}: shape or missing values of {column}")
            elif a.size and np.nanmax(np.abs(a - b), initial=0.0) > SAME * np.nanmax(np.abs(a), initial=0.0):
                found.append(f"{name}: {column}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", help="to write")
    parser.add_argument("--compare", nargs=2, metavar=("BEFORE", "AFTER"))
    options = parser.parse_args()
    if options.compare:
        parts = []
        for path in options.compare:
            with open(path, encoding="utf-8") as file:
                parts.append(json.load(file))
        found = differences(*parts)
        print("\n".join(sorted(found)) or f"all {len(parts[0])} runs are equal")
        return min(len(found), 1)
    if options.file is None:
        parser.error("name a file to write, or --compare two of them")
    print(f"gossamer of {gossamer.__path__[0]}")
    write(options.file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
