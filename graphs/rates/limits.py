"""What rates may cost and how large they may be, and the linear bounds that follow from it.

Rates w are feasible within a budget of one if ``c'w <= 1``, ``0 <= w <= u`` and, at every node i, ``sum of w
over its edges <= d_i``. Two linear programmes over them carry the bounds of every criterion: the largest
``z'w``, and the least ``c'w`` with ``z'w >= 1``. Both are bounded by Lagrange duality with prices v >= 0 for
the node budgets, *whatever the prices*; what remains has one row and a box, and is solved exactly by sorting.
The bounds are rounded outwards, by a bound of the rounding errors.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...kernels import checks
from ..graph import Graph
from ..spectra import node_sums

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["Limits", "outwards"]

Array = NDArray[np.float64]

_LARGEST = 1e50
_ROUNDING = 1e-9  # relative excess over a bound that counts as rounding


def outwards(roundings: int) -> float:
    """Factor by which to raise (or to divide) a number that is off by so many roundings."""
    return 1.0 + (roundings + 2) * float(np.finfo(np.float64).eps)


class Limits:
    """Edge costs, upper bounds and node budgets of one graph.

    Parameters
    ----------
    graph : Graph
        The graph.
    edge_costs : (m,) array_like, optional
        Positive, finite; by default ones.
    upper : (m,) array_like, optional
        Positive; infinite where there is no bound.
    node_budget : (n,) array_like, optional
        Positive; infinite where there is none.

    Raises
    ------
    TypeError, ValueError
        If one has a wrong type, length or value.
    """

    def __init__(
        self,
        graph: Graph,
        edge_costs: ArrayLike | None = None,
        upper: ArrayLike | None = None,
        node_budget: ArrayLike | None = None,
    ):
        checks.instance("graph", graph, Graph)
        n, m = graph.n_nodes, graph.n_edges
        self.graph = graph
        self._sums = outwards(4 * (n + m + 8))  # for sums over edges or nodes, and what is done with them
        self.costs = np.ones(m) if edge_costs is None else _positive("edge_costs", edge_costs, m, True)
        self.upper = np.full(m, np.inf) if upper is None else _positive("upper", upper, m, False)
        self.nodes = (
            np.full(n, np.inf) if node_budget is None else _positive("node_budget", node_budget, n, False)
        )

    @property
    def has_costs(self) -> bool:
        """Whether the costs differ; equal ones change no optimal rate but by a factor."""
        return bool(np.any(self.costs != self.costs[:1]))

    @property
    def has_bounds(self) -> bool:
        """Whether a rate or a node is bounded."""
        return bool(np.isfinite(self.upper).any() or np.isfinite(self.nodes).any())

    @property
    def caps(self) -> Array:
        """Largest rate of each edge that its own bound and its two nodes allow."""
        ends = self.nodes[self.graph.edges]
        return np.minimum(self.upper, ends.min(axis=1))

    def shares(self) -> Array:
        """Rates within the bounds and of cost at most one: equal shares, unless an edge has less room."""
        ends = (self.nodes / np.maximum(self.graph.degrees, 1))[self.graph.edges]
        return np.minimum(1.0 / (self.costs * len(self.costs)), np.minimum(self.upper, ends.min(axis=1)))

    def cost(self, w: Array) -> float:
        """``c'w``."""
        return float(self.costs @ w)

    def most_cost(self, w: Array) -> float:
        """Upper bound of ``c'w``."""
        return self.cost(w) * self._sums

    def room(self, w: Array) -> float:
        """Largest a with ``a w`` within the bounds, whatever it costs."""
        loads = node_sums(self.graph, w)
        with np.errstate(divide="ignore", over="ignore"):
            return float(
                min(np.min(self.upper[w > 0] / w[w > 0]), np.min(self.nodes[loads > 0] / loads[loads > 0]))
            )

    def fit(self, w: Array) -> float:
        """Largest a with ``a w`` within the bounds and of cost at most one."""
        return min(1.0 / self.cost(w), self.room(w))

    def least_fit(self, w: Array) -> float:
        """Lower bound of :meth:`fit`."""
        return self.fit(w) / self._sums

    def allow(self, w: Array) -> bool:
        """Whether w is within the bounds, up to rounding."""
        return self.room(w) >= 1.0 - _ROUNDING

    def rows(self, *, with_cost: bool) -> tuple["csr_array", Array]:
        """The finite bounds as ``A w <= b``: of rates, of nodes and, if asked for, of the cost.

        Without any bound there are no rows, that of the cost included: the scale of the rates is then free.
        """
        from scipy.sparse import csr_array, eye_array, vstack

        n, m = self.graph.n_nodes, self.graph.n_edges
        places = self.graph.edges.T.ravel(), np.tile(np.arange(m), 2)
        ends = csr_array((np.ones(2 * m), places), shape=(n, m))
        bounded, budgeted = np.isfinite(self.upper), np.isfinite(self.nodes)
        rows = [csr_array(eye_array(m))[bounded], ends[budgeted]]
        right = [self.upper[bounded], self.nodes[budgeted]]
        if with_cost and self.has_bounds:
            rows.append(csr_array(self.costs[None, :]))
            right.append(np.ones(1))
        return csr_array(vstack(rows)), np.concatenate(right)

    def node_prices(self, multipliers: Array) -> Array:
        """Prices of the nodes among multipliers of :meth:`rows`; zero where there is no budget."""
        budgeted, first = np.isfinite(self.nodes), int(np.isfinite(self.upper).sum())
        prices = np.zeros(self.graph.n_nodes)
        prices[budgeted] = multipliers[first : first + int(budgeted.sum())]
        return prices

    def prices(self, prices: ArrayLike | None) -> tuple[Array, float]:
        """Price of each edge and value of all budgets, from the prices of the budgeted nodes."""
        if prices is None:
            return np.zeros(self.graph.n_edges), 0.0
        v = checks.real_array("node_prices", prices, (self.graph.n_nodes,), least=0.0)
        bounded = np.isfinite(self.nodes)
        v = np.where(bounded, v, 0.0)
        return v[self.graph.edges].sum(axis=1), float(v[bounded] @ self.nodes[bounded])

    def highest(self, z: Array, prices: ArrayLike | None = None) -> float:
        """Upper bound of ``z'w`` over all feasible rates of cost at most one, for z >= 0 off by rounding."""
        if not np.all(np.isfinite(z)):
            return np.inf
        on_edges, value = self.prices(prices)
        z = z * self._sums - on_edges / outwards(1)
        gains = z > 0
        z, c, u = z[gains], self.costs[gains], self.upper[gains]
        order = np.argsort(-z / c)
        z, c, u = z[order], c[order], u[order]
        spent = np.cumsum(c * u)
        left = np.maximum(1.0 - np.concatenate([[0.0], spent[:-1]]), 0.0)
        return (value + float(np.sum(np.minimum(c * u, left) * z / c))) * self._sums

    def cheapest(self, z: Array, prices: ArrayLike | None = None) -> float:
        """Lower bound of ``c'w`` over all rates within the bounds with ``z'w >= 1``; infinite if none has.

        z is off by rounding.
        """
        if not np.all(np.isfinite(z)):
            return 0.0
        on_edges, value = self.prices(prices)
        useful = z > 0
        c, z, u = (self.costs + on_edges)[useful], z[useful], self.upper[useful]
        order = np.argsort(c / z)
        c, z, u = c[order], z[order], u[order]
        reached = np.cumsum(z * u)
        if not (len(reached) and reached[-1] >= 1.0 - _ROUNDING):
            return np.inf
        left = np.maximum(1.0 - np.concatenate([[0.0], reached[:-1]]), 0.0)
        total = float(np.sum(np.minimum(z * u, left) * c / z))
        # large prices leave a small difference of large numbers
        least = total / self._sums - value * self._sums
        return max(0.0, least) / self._sums if np.isfinite(least) else 0.0


def _positive(name: str, value: ArrayLike, length: int, finite: bool) -> Array:
    array = checks.real_array(name, value, (length,), finite=finite)
    if not np.all(array > 0):
        raise ValueError(f"{name} must be positive, got {array[~(array > 0)][0]:g}")
    far = np.isfinite(array) & ((array < 1.0 / _LARGEST) | (array > _LARGEST))
    if far.any():
        raise ValueError(
            f"{name} must lie within {1.0 / _LARGEST:g}..{_LARGEST:g}, so that no product overflows, got "
            f"{array[far][0]:g}: choose another unit"
        )
    array = array.copy()
    array.flags.writeable = False
    return array
