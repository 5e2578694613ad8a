"""The base of methods in rounds that mix over the edges of a connected graph."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

from numpy.typing import ArrayLike

from ...graphs import Graph
from ...kernels.gossip import Mixer
from ...problems import Problem
from ..base.network import Network, gossip_network
from ..base.rounds import RoundSolver

_NO_GAP = 1e-12  # what rounding leaves of the gap of a matrix that does not mix all nodes


@dataclass(frozen=True, eq=False)
class GossipSolver(RoundSolver):
    """A round-based method that mixes over the edges of a connected graph."""

    _mixes = True

    mixing: str | Mixer | ArrayLike = field(default="metropolis", kw_only=True)

    def _network(self, graph: Graph) -> Network:
        return gossip_network(graph, self.mixing if isinstance(self.mixing, str) else self._given)

    @functools.cached_property
    def _given(self) -> Mixer:
        """The matrix that was given, checked once: its spectrum may take long."""
        assert not isinstance(self.mixing, str)
        return self.mixing if isinstance(self.mixing, Mixer) else Mixer(self.mixing)

    def _spectrum(self, graph: Graph) -> tuple[float, float]:
        """Return the smallest and the largest eigenvalue of the mixing matrix on vectors of zero sum."""
        mixer = self._network(graph).mixer
        assert mixer is not None
        low, high = mixer.spectrum
        if max(high, -low) > 1.0 - _NO_GAP:
            worst, remedy = (
                (high, "weights > 0 on edges that connect all nodes leave it below 1")
                if high > 1.0 - _NO_GAP
                else (low, 'take the mean with the identity, (I + W)/2, or mixing="lazy_metropolis"')
            )
            raise ValueError(
                "the eigenvalues of mixing on vectors of zero sum must be in (-1, 1), or nodes never agree, "
                f"but one is {worst:.6g}: {remedy}"
            )
        return low, high

    def _interval(self, graph: Graph) -> tuple[float, float]:
        return self._spectrum(graph)

    def _pace(self, problem: Problem, graph: Graph, values: dict[str, float]) -> float:
        low, high = self._spectrum(graph)
        return min(super()._pace(problem, graph, values), 1.0 - max(high, -low))
