"""`GossipRates`: what :func:`gossip_rates` returns."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...kernels import checks
from ..graph import Graph
from .duals import Certificate

__all__ = ["GossipRates"]


@dataclass(frozen=True, eq=False, repr=False)
class GossipRates:
    """Communication rates of the edges of a graph, with proven bounds on the best possible value.

    Attributes
    ----------
    graph : Graph
        The graph.
    criterion : str
        What was optimised.
    rates : (m,) array
        Non-negative rate of each edge, in the order of ``graph.edges``; read-only.
    total_rate : float
        Sum of the rates.
    chi1, chi2 : float
        Constants of these rates, as :func:`gossamer.graphs.chi`.
    edge_resistances : (m,) array
        Effective resistance of each edge under these rates; read-only.
    cost : float
        Total cost of the rates, ``edge_costs @ rates``, after scaling to ``chi1 * chi2 = 1/2``, whatever the
        criterion and the bounds; without edge costs the total rate.
    cost_uniform : float
        The same for equal rates on all edges.
    lower_bound, upper_bound : float
        Bounds on the optimum: of the cost for ``"communication"`` and ``"uniform"``, of lambda_2 at cost one
        for ``"algebraic_connectivity"``, of the largest resistance or the Kirchhoff index at cost one for the
        resistance criteria; within the bounds of the rates, if any. The value these rates attain is the
        upper bound of the cost, or the lower bound of lambda_2.
    gap : float
        ``upper_bound / lower_bound - 1``.
    status : str
        ``"certified"`` (gap <= tol), ``"tolerance_not_met"`` (an optimisation that ended with a larger
        gap), or ``"uncertified"`` (criterion ``"uniform"``, and not proven optimal).
    method : str
        Where the rates come from: a name in :data:`METHODS`, or ``"uniform"``.
    certificate : Certificate
        The dual object; ``verify_rates(graph, rates, certificate)`` gives the bounds again.
    message : str
        What happened, in words.
    edge_costs : (m,) array or None
        The edge costs, as given; read-only.
    upper : (m,) array or None
        The bounds of the rates, as given; read-only.
    node_budget : (n,) array or None
        The bounds of the sums of rates at the nodes, as given; read-only.
    """

    graph: Graph
    criterion: str
    rates: NDArray[np.float64]
    total_rate: float
    chi1: float
    chi2: float
    edge_resistances: NDArray[np.float64]
    cost: float
    cost_uniform: float
    lower_bound: float
    upper_bound: float
    gap: float
    status: str
    method: str
    certificate: Certificate
    message: str
    edge_costs: NDArray[np.float64] | None = None
    upper: NDArray[np.float64] | None = None
    node_budget: NDArray[np.float64] | None = None

    @property
    def saved(self) -> float:
        """Communications saved against uniform rates, ``1 - cost / cost_uniform``.

        Never negative for ``"communication"`` without bounds of the rates, which uniform rates need not obey;
        it can be for ``"algebraic_connectivity"``.
        """
        return 1.0 - self.cost / self.cost_uniform

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        for array in (self.rates, self.edge_resistances, self.edge_costs, self.upper, self.node_budget):
            if array is not None:
                checks.frozen(array)  # pickles and copies do not keep arrays read-only

    def __repr__(self) -> str:
        return (
            f"GossipRates({self.criterion} on {self.graph!r}: total rate {self.total_rate:.6g}, "
            f"cost {self.cost:.6g} ({100 * self.saved:.1f}% saved), gap {self.gap:.1e}, {self.status})"
        )
