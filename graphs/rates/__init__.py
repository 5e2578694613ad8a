"""Gossip rates: how often each edge of a graph should communicate, with a proof of how good that is.

`optimise`: :func:`gossip_rates` and the table of methods (a new method is one module and one line there);
`result`: what it returns; `certificates`: the table of criteria, and bounds recomputed from rates and a dual
object, without any solver; `connectivity`: proofs of lambda_2; `duals`: what a dual object is made of;
`limits`: edge costs and bounds of the rates. The methods: `sdp`, the exact conic programmes; `barrier`, an
interior point method in the space of the edges; `lowrank`, the same matrix-free, and `unfolding`, the fastest
mixing rates by their dual, both for large sparse graphs; `multiplicative`, the two resistance criteria.
`edges`, `dense`: what they share.
"""

from .certificates import CRITERIA, Bounds, communication_cost, communication_lower_bound, verify_rates
from .duals import Certificate
from .optimise import METHODS, gossip_rates
from .result import GossipRates

__all__ = [
    "CRITERIA",
    "METHODS",
    "Bounds",
    "Certificate",
    "GossipRates",
    "communication_cost",
    "communication_lower_bound",
    "gossip_rates",
    "verify_rates",
]
