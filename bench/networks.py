"""Optimal rates of topohub's networks: `python -m gossamer.bench.networks [SECONDS]` fills `networks.csv`.

One row for each connected one with at most 600 nodes, real or synthetic (`gabriel`): the cost of uniform
rates, the least cost, the communications saved, the proven gap and the processor time. Rows that are there
stay, so that a run can be continued; networks that do not fit the time (in seconds, all by default) are left
for the next run. At the end the figure of the savings by family is drawn into `docs/`.
"""

import csv
import sys
import time
from pathlib import Path

import numpy as np

from gossamer import graphs
from gossamer.cli.figures import save_figure
from gossamer.files import whole_file

TABLE = Path(__file__).with_name("networks.csv")
FIGURE = Path(__file__).parents[1] / "docs" / "savings.png"
COLUMNS: tuple[str, ...] = (
    "network", "n_nodes", "n_edges", "cost_uniform", "cost", "saved", "gap", "status", "method", "seconds"
)  # fmt: skip
LARGEST = 600


def read() -> list[dict[str, str]]:
    """Rows of the table, sorted by name."""
    if not TABLE.exists():
        return []
    with TABLE.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(rows: list[dict[str, str]]) -> None:
    with whole_file(TABLE) as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: row["network"]))


def row(graph: graphs.Graph) -> dict[str, str]:
    begin = time.process_time()
    r = graphs.gossip_rates(graph)
    seconds = time.process_time() - begin
    values = (
        graph.name, graph.n_nodes, graph.n_edges, f"{r.cost_uniform:.8g}", f"{r.cost:.8g}", f"{r.saved:.4f}",
        f"{r.gap:.1e}", r.status, r.method, f"{seconds:.2f}",
    )  # fmt: skip
    return dict(zip(COLUMNS, map(str, values), strict=True))


def fill(limit: float) -> list[dict[str, str]]:
    """Compute the missing rows, small networks first, until the time is over."""
    rows = read()
    known = {r["network"] for r in rows}
    networks = [graphs.topology(name) for name in graphs.topology_names() if name not in known]
    wanted = [g for g in networks if 1 < g.n_nodes <= LARGEST and g.is_connected]
    wanted.sort(key=lambda g: (g.n_edges, g.name))
    begin = time.monotonic()
    for k, graph in enumerate(wanted):
        if time.monotonic() - begin > limit:
            print(f"{len(wanted) - k} networks are left")
            break
        rows.append(row(graph))
        if k % 20 == 0:
            write(rows)
    write(rows)
    return rows


def draw(rows: list[dict[str, str]]) -> None:
    """Draw the savings, a box for each family and a point for each network."""
    from matplotlib.figure import Figure

    families: dict[str, list[float]] = {}
    for r in rows:
        families.setdefault(r["network"].split("/")[0], []).append(100 * float(r["saved"]))
    names = sorted(families, key=lambda name: float(np.median(families[name])))
    figure = Figure(figsize=(7, 0.7 * len(names) + 1.3), layout="constrained")
    axes = figure.add_subplot()
    axes.boxplot([families[name] for name in names], orientation="horizontal", showfliers=False)
    spread = np.random.default_rng(0)
    for k, name in enumerate(names):
        heights = k + 1 + spread.uniform(-0.15, 0.15, len(families[name]))
        axes.plot(families[name], heights, ".", markersize=3, alpha=0.5)
    axes.set_yticks(range(1, len(names) + 1), [f"{name} ({len(families[name])})" for name in names])
    axes.set_xlabel("communications saved over uniform rates (%)")
    axes.set_xlim(left=0)
    save_figure(figure, FIGURE, dpi=150)


if __name__ == "__main__":
    draw(fill(float(sys.argv[1]) if len(sys.argv) > 1 else np.inf))
