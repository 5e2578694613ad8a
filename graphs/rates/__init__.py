"""Gossip rates: how often each edge of a graph should communicate, with a proof of how good that is.

`optimise`: :func:`gossip_rates`, its result, and the tables of criteria and methods (a new method is one
module and one line there); `certificates`: bounds recomputed from rates and a dual object, without any
solver; `sdp`: the exact conic programmes.
"""

from .certificates import Bounds, Certificate, communication_cost, communication_lower_bound, verify_rates
from .optimise import CRITERIA, METHODS, GossipRates, gossip_rates

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
