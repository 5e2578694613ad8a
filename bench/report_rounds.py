"""Tables of gossip, compression and round-based methods, and what was aimed at there."""

from __future__ import annotations

import json

from gossamer.bench.gossip_grid import OUT
from gossamer.bench.measured import Measured, Target, at_least, number, table


def times(ratio: float) -> str:
    return f"{ratio:.2f}x" if ratio < 10 else f"{ratio:.0f}x"


# -- gossip ------------------------------------------------------------------------------------------------


def mixing(measured: Measured) -> str:
    rows = []
    for group in measured.beginning("mix", "mix", "scipy", "copy"):
        ours, scipy, copy = (measured.ns(group, what) for what in ("mix", "scipy", "copy"))
        blas = measured.ns(group, "blas") if measured.has(group, "blas") else None
        cells = [group.removeprefix("mix, "), number(ours), number(scipy), number(blas) if blas else ""]
        cells += [
            times(scipy / ours),
            times(blas / ours) if blas else "",
            f"{number(copy)} ({copy / ours:.2f})",
        ]
        rows.append([*cells, f"{measured.spread(group, 'mix'):.2f}"])
    return table(("", "mix", "SciPy CSR", "BLAS", "SciPy ratio", "BLAS ratio", "copy floor", "spread"), rows)


def pairs(measured: Measured) -> str:
    rows = []
    for group in measured.beginning("pairs", "average", "update", "rows"):
        ours, update, same_rows = (measured.ns(group, what) for what in ("average", "update", "rows"))
        ends = (f"{number(floor)} ({floor / ours:.2f})" for floor in (update, same_rows))
        rows.append(
            [group.removeprefix("pairs, "), number(ours), *ends, f"{measured.spread(group, 'average'):.2f}"]
        )
    return table(("", "average", "update floor", "rows' floor", "spread"), rows)


def grid() -> str:
    if not OUT.exists():
        return "The grid of all sizes was not measured here: `python -m gossamer.bench.gossip_grid` does it."
    run = json.loads(OUT.read_text())
    shares = {name: best_rival(cell) / cell["mix"] for name, cell in run["cells"].items()}
    worst = sorted(shares, key=lambda name: shares[name])[:5]
    rows = ([name, number(run["cells"][name]["mix"] * 1e6), times(shares[name])] for name in worst)
    slower = sum(share < 1 for share in shares.values())
    return (
        f"{run['date']}: in {len(shares)} cells of `bench/gossip_grid.py` (n to 1e5, d to 1e4), "
        f"the better of SciPy and BLAS is faster in {slower}. The worst for `mix`:\n\n"
        + table(("", "mix (us)", "best rival / mix"), rows)
    )


def rivals_of_mix(measured: Measured) -> dict[str, float]:
    """Time of the better of SciPy and BLAS over that of `mix`, by size."""
    shares = {}
    for group in measured.beginning("mix", "mix", "scipy"):
        cell = {what: measured.ns(group, what) for what in ("scipy", "blas") if measured.has(group, what)}
        shares[group.removeprefix("mix, ")] = best_rival(cell) / measured.ns(group, "mix")
    return shares


def best_rival(cell: dict[str, float]) -> float:
    return min(cell[name] for name in ("scipy", "blas") if name in cell)


# -- compression -------------------------------------------------------------------------------------------


DRAWN = ("RandK", "BlockRandK")
BEYOND = "beyond the kernel, "


def top_k(measured: Measured) -> str:
    rows = []
    for group in measured.beginning("sparsifiers", "top_k", "argpartition", "partition", "floor"):
        ours, floor = measured.ns(group, "top_k") / 1000, measured.ns(group, "floor") / 1000
        rivals = [
            measured.ns(group, what) / 1000 if measured.has(group, what) else None
            for what in ("argpartition", "partition", "torch")
        ]
        cells = [
            cell for rival in rivals for cell in ((number(rival), times(rival / ours)) if rival else ("", ""))
        ]
        zeros = number(measured.ns(group, "top_k zeros") / 1000) if measured.has(group, "top_k zeros") else ""
        ends = f"{number(floor)} ({ours / floor:.1f})", zeros, f"{measured.spread(group, 'top_k'):.2f}"
        rows.append([group.removeprefix("sparsifiers, "), number(ours), *cells, *ends])
    head = ("", "Top-k", "argpartition", "ratio", "partition", "ratio", "torch.topk", "ratio")
    return table((*head, "read floor", "of zeros", "spread"), rows)


def random_masks(measured: Measured) -> str:
    rows = []
    for group in measured.beginning("sparsifiers", *DRAWN, "choice"):
        ours = [measured.ns(group, what) / 1000 for what in DRAWN]
        choice = measured.ns(group, "choice") / 1000
        cells = [cell for own in ours for cell in (number(own), times(choice / own))]
        spread = f"{measured.spread(group, 'RandK'):.2f}"
        rows.append([group.removeprefix("sparsifiers, "), number(choice), *cells, spread])
    head = [cell for what in DRAWN for cell in (f"`{what}.compress`", "ratio")]
    return table(["", "Generator.choice", *head, "spread"], rows)


def beyond_kernels(measured: Measured) -> str:
    """What `compress` takes beyond its compiled part."""
    found = {g.removeprefix(BEYOND): n for g, n in measured.numbers.items() if g.startswith(BEYOND)}
    rows = [
        [name, *(number(n[part]) for part in ("compress", "kernel", "beyond"))] for name, n in found.items()
    ]
    return table(("", "`compress`", "its kernel", "beyond"), rows)


# -- round-based methods -----------------------------------------------------------------------------------


def rounds(measured: Measured, kind: str) -> str:
    """Time of a round: compiled, in NumPy (and with SciPy's products, where measured), and the floor."""
    rows = []
    has_sparse = False
    for group in measured.beginning(kind, "compiled", "numpy", "copy"):
        compiled, dense, copy = (measured.ns(group, what) / 1000 for what in ("compiled", "numpy", "copy"))
        cells = [group.removeprefix(f"{kind}, "), number(compiled), number(dense), times(dense / compiled)]
        if measured.has(group, "scipy"):
            has_sparse = True
            sparse = measured.ns(group, "scipy") / 1000
            cells += [number(sparse), times(sparse / compiled)]
        rows.append([*cells, f"{number(copy)} ({copy / compiled:.2f})", f"{measured.spread(group):.2f}"])
    sparse_head = ("SciPy CSR", "ratio") if has_sparse else ()
    return table(("", "compiled", "NumPy", "ratio", *sparse_head, "copy floor", "spread"), rows)


def masha(measured: Measured) -> str:
    """Time of a round: compiled, in NumPy, and one pass over the operators."""
    rows = []
    for group in measured.beginning("masha", "compiled", "numpy", "operator"):
        compiled, numpy, floor = (measured.ns(group, w) / 1000 for w in ("compiled", "numpy", "operator"))
        cells = [group.removeprefix("masha, "), number(compiled), number(1e6 / compiled), number(numpy)]
        cells += [times(numpy / compiled), f"{number(floor)} ({floor / compiled:.2f})"]
        rows.append([*cells, f"{measured.spread(group):.2f}"])
    return table(("", "compiled", "rounds/s", "NumPy", "ratio", "operator pass", "spread"), rows)


def bits(measured: Measured) -> str:
    """Uplink bits to accuracy, beside those of extragradient."""
    found = {g.removeprefix("bits, "): n for g, n in measured.numbers.items() if g.startswith("bits, ")}
    exact = found.get("extragradient")
    rows = [
        [name, f"{n['step']:g}", f"{n['rounds']:g}", number(n["Mbit"]), times(exact["Mbit"] / n["Mbit"])]
        for name, n in found.items()
        if exact
    ]
    return table(("", "step times L", "rounds", "Mbit up a worker", "saved"), rows)


# -- targets -----------------------------------------------------------------------------------------------


def targets(measured: Measured) -> list[Target]:
    """Of those that were measured."""
    found: list[Target] = []
    for dim, asked in ((1_000_000, True), (10_000_000, False)):
        group = f"sparsifiers, {dim} coordinates, 1 %"
        if not all(
            measured.has(group, what) for what in ("top_k", "argpartition", "choice", "floor", *DRAWN)
        ):
            continue
        ours = measured.ns(group, "top_k")
        ratio, reads = measured.ns(group, "argpartition") / ours, ours / measured.ns(group, "floor")
        name = f"d = {dim:.0e}, 1 %".replace("e+0", "e")
        found.append(at_least(f"argpartition / Top-k, {name}", 20 if asked else None, ratio))
        wanted, met = ("below 10", reads < 10) if asked else ("-", None)
        found.append((f"Top-k / read floor, {name}", wanted, f"{reads:.1f}", met))
        for what in DRAWN:
            ratio = measured.ns(group, "choice") / measured.ns(group, what)
            found.append(at_least(f"Generator.choice / {what}.compress, {name}", None, ratio))
    beyond = {
        g.removeprefix(BEYOND): n["beyond"] for g, n in measured.numbers.items() if g.startswith(BEYOND)
    }
    if beyond:
        worst = max(beyond, key=lambda name: beyond[name])
        what = f"us of compress beyond its kernel, d = 1e6, 1 %, at worst: {worst}"
        found.append((what, "at most 15", f"{beyond[worst]:.1f}", beyond[worst] <= 15))
    saved = [measured.numbers.get(f"bits, {name}") for name in ("extragradient", "MASHA1, Perm-K")]
    if saved[0] and saved[1]:
        ratio = saved[0]["Mbit"] / saved[1]["Mbit"]
        found.append(at_least("uplink bits to 1e-6, extragradient / MASHA1 with Perm-K", 2, ratio))
    ring = "ring, 10000 nodes, 1000 coordinates"
    if all(measured.has(f"mix, {ring}", what) for what in ("mix", "scipy", "copy")):
        ours = measured.ns(f"mix, {ring}", "mix")
        found.append(at_least(f"SciPy / mix, {ring}", 2, measured.ns(f"mix, {ring}", "scipy") / ours))
        found.append(at_least(f"copy floor / mix, {ring}", 0.6, measured.ns(f"mix, {ring}", "copy") / ours))
    shares = rivals_of_mix(measured)
    if OUT.exists():
        cells = json.loads(OUT.read_text())["cells"]
        shares |= {f"{name} (grid)": best_rival(cell) / cell["mix"] for name, cell in cells.items()}
    if shares:
        worst = min(shares, key=lambda name: shares[name])
        found.append(at_least(f"best of SciPy and BLAS / mix, at worst: {worst}", 0.91, shares[worst]))
    for kind in ("ring", "8-regular"):
        group = f"pairs, {kind}, 10000 nodes, 1000 coordinates"
        if all(measured.has(group, what) for what in ("average", "update", "rows")):
            ours = measured.ns(group, "average")
            found.append(at_least(f"update floor / {group}", 0.75, measured.ns(group, "update") / ours))
            found.append(at_least(f"rows' floor / {group}", None, measured.ns(group, "rows") / ours))
    return found
