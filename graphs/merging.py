"""What becomes of several edges between two nodes, and of weights, when graphs are read."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .graph import Graph


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """Refuse what is none of the choices."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")


@dataclass(frozen=True)
class Weights:
    """The arguments `weights` and `parallel` of `read_graph`.

    Parameters
    ----------
    weights : {"refuse", "ignore", "lengths"}
        What to do with weights.
    parallel : {"merge", "refuse"}
        What to do with parallel edges.
    """

    weights: str
    parallel: str

    def __post_init__(self) -> None:
        check_choice("weights", self.weights, ("refuse", "ignore", "lengths"))

    def attribute(self, names: set[str]) -> str | None:
        """Return which of the edges' data to take for lengths, "length", "weight" or none of those given."""
        if "weight" not in names or self.weights == "ignore":
            return "length" if "length" in names else None
        if self.weights == "refuse":
            raise ValueError(
                "the edges have weights, which mean nothing to a graph: weights='lengths' takes them for "
                "lengths, weights='ignore' leaves them out"
            )
        if "length" in names:
            raise ValueError("the edges have lengths and weights: weights='ignore' leaves the weights out")
        return "weight"

    def build(self, attribute: str | None, n_nodes: int, edges: Any, lengths: Any, **others: Any) -> Graph:
        """Return the graph of edges with the numbers of that attribute, or None."""
        if attribute == "weight" and lengths is not None and self.parallel == "merge":
            edges, lengths = _summed(np.asarray(edges).reshape(-1, 2), np.asarray(lengths, float))
        return Graph.from_edges(n_nodes, edges, lengths=lengths, parallel=self.parallel, **others)


def _summed(edges: NDArray[Any], weights: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return each edge once, with the sum of its weights, all of which are numbers >= 0 as lengths are."""
    if not (np.isfinite(weights) & (weights >= 0)).all():
        return edges, weights  # refused by the graph
    unique, inverse = np.unique(np.sort(edges, axis=1), axis=0, return_inverse=True)
    return unique, np.bincount(inverse.reshape(-1), weights, len(unique)).astype(float)
