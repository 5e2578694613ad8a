"""`gossamer rates`: how often each edge of a network should communicate, with a certificate."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..files import check_file, whole_file
from .errors import user_errors
from .interrupts import stoppable
from .topology import HELP, parse_topology

if TYPE_CHECKING:
    from ..graphs import GossipRates, Graph

TOP = 20  # edges shown unless --all
QUANTITIES = {  # what the bounds of a criterion are about, if not the cost
    "algebraic_connectivity": "lambda_2 at total rate 1",
    "max_resistance": "largest resistance at total rate 1",
    "total_resistance": "Kirchhoff index at total rate 1",
}


def rates(
    topology: Annotated[str, typer.Argument(metavar="TOPOLOGY", help=HELP)],
    criterion: Annotated[
        str,
        typer.Option(
            help="communication, algebraic_connectivity, max_resistance, total_resistance or uniform."
        ),
    ] = "communication",
    method: Annotated[str, typer.Option(help="auto, or the name of a method.")] = "auto",
    tol: Annotated[float, typer.Option(help="Relative gap below which the rates count as certified.")] = 1e-6,
    output: Annotated[Path | None, typer.Option(help="CSV file for the edges and their rates.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Picture (.png, .pdf, .svg) of the network.")] = None,
    show_all: Annotated[bool, typer.Option("--all", help=f"Print all edges, not {TOP} only.")] = False,
) -> None:
    """Compute how often each edge should communicate, and what that saves over equal rates."""
    from .. import graphs
    from .tables import console, table

    with user_errors():
        for path in (output, plot):
            if path is not None:
                check_file(path)
        if plot is not None:
            check_picture(plot)
    with user_errors(topology):
        graph = parse_topology(topology)
    with user_errors():
        found = graphs.gossip_rates(graph, criterion, method=method, tol=tol)

    screen = console()
    title = f"{graph.name or topology}: {graph.n_nodes} nodes, {graph.n_edges} edges"
    screen.print(table(("", ""), summary(found), texts=2, title=title))
    # equal rates differ in their last digits, which should not order them
    order = sorted(range(graph.n_edges), key=lambda e: (-float(f"{found.rates[e]:.6g}"), e))
    shown = order if show_all else order[:TOP]
    header, cells = edge_table(found)
    screen.print()
    screen.print(table(header, (cells[e] for e in shown), texts=len(header) - 3))
    if len(shown) < len(order):
        screen.print(f"edges shown: {len(shown)} of {len(order)}, --all shows the others")
    with user_errors(), stoppable() as stop:
        if output is not None:
            write_rates(found, output)
            screen.print(f"rates written to {output}")
        if plot is not None:
            from .figures import network_figure, save_figure

            save_figure(network_figure(found), plot, dpi=200, bbox_inches="tight")
            screen.print(f"picture written to {plot}")
        stop.leave("all was written")


def summary(found: GossipRates) -> list[tuple[str, str]]:
    """Return names and values of what is known about the rates."""
    quantity = QUANTITIES.get(found.criterion, "cost")
    return [
        ("criterion", f"{found.criterion}: {found.message}"),
        ("status", f"{found.status}, gap {found.gap:.1e}"),
        (f"best {quantity}", f"proven to be in [{found.lower_bound:.9g}, {found.upper_bound:.9g}]"),
        ("cost", f"{found.cost:.9g} communications a unit of time at chi1 chi2 = 1/2"),
        ("cost of uniform rates", f"{found.cost_uniform:.9g}"),
        ("saved", f"{100 * found.saved:.2f} %"),
        ("total rate", f"{found.total_rate:.9g}"),
        ("chi1, chi2", f"{found.chi1:.9g}, {found.chi2:.9g}"),
    ]


def edge_rows(found: GossipRates) -> list[tuple[int, int, str, str, float, float]]:
    """Return (u, v, label of u, label of v, rate, resistance) of each edge; no label is an empty text."""
    labels = found.graph.labels or ("",) * found.graph.n_nodes
    return [
        (u, v, labels[u], labels[v], rate, resistance)
        for (u, v), rate, resistance in zip(
            found.graph.edges.tolist(), found.rates.tolist(), found.edge_resistances.tolist(), strict=True
        )
    ]


def edge_table(found: GossipRates) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the header and the cells of the edges; labels only where there are some."""
    labelled = found.graph.labels is not None
    header = ("u", "v", *(("edge",) if labelled else ()), "rate", "share", "resistance")
    cells = [
        (
            str(u),
            str(v),
            *((f"{label_u} – {label_v}",) if labelled else ()),
            f"{rate:.6g}",
            f"{100 * rate / found.total_rate:.2f} %",
            f"{resistance:.6g}",
        )
        for u, v, label_u, label_v, rate, resistance in edge_rows(found)
    ]
    return header, cells


def write_rates(found: GossipRates, path: Path) -> None:
    """Write the edges as a CSV file, numbers in full precision.

    Parameters
    ----------
    found : GossipRates
        What to write.
    path : Path
        File; an existing one is replaced.
    """
    with whole_file(path) as file:
        writer = csv.writer(file)
        writer.writerow(("u", "v", "label_u", "label_v", "rate", "resistance"))
        writer.writerows(edge_rows(found))


def optimised_rates(graph: Graph, criterion: str) -> GossipRates:
    """Return the rates of a criterion, and refuse the uniform ones that stand in where there are none.

    Parameters
    ----------
    graph : Graph
        Connected.
    criterion : str
        As in `graphs.gossip_rates`.

    Raises
    ------
    ValueError
        No method can do it, mostly as the network is too large; what `graphs.gossip_rates` raises.
    """
    from ..graphs import gossip_rates

    found = gossip_rates(graph, criterion)
    if found.method == "uniform" and found.status == "tolerance_not_met":
        reason = found.message.removeprefix("uniform rates: ").partition(";")[0]
        raise ValueError(f"no optimal rates for this network: {reason}; choose a smaller network")
    return found


def check_picture(path: Path) -> None:
    """Refuse a picture that could not be saved (no matplotlib, unknown ending) before any work is done."""
    from .figures import Figure

    known = Figure().canvas.get_supported_filetypes()
    if path.suffix.lower().lstrip(".") not in known:
        raise ValueError(f"{path} must end in .{', .'.join(sorted(known))}")
