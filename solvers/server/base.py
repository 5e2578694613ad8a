"""The base of methods in rounds that take the mean of all nodes' messages."""

from __future__ import annotations

from dataclasses import dataclass

from ...graphs import Graph
from ...kernels.compression import Identity
from ..base.factors import gradient_descent_rate
from ..base.network import Network, server_network
from ..base.rounds import RoundSolver


@dataclass(frozen=True, eq=False)
class ServerSolver(RoundSolver):
    """A round-based method that takes the mean of all nodes' messages; the nodes hold one iterate."""

    _n_shared = 1
    _uncertified = "it compresses; with Identity() it is certified"

    def _network(self, graph: Graph) -> Network:
        return server_network(graph)

    def _certificate(
        self, kappa: float, spectrum: tuple[float, float] | None, values: dict[str, float], changing: bool
    ) -> float:
        self._determined()
        return gradient_descent_rate(kappa, values["step"])

    def _determined(self) -> None:
        exact = all(isinstance(c, Identity) for c in (self._compressor, self._server_compressor))
        if self._takes_operators or not exact:
            raise self._undetermined()
