"""Who may talk to whom, and how often.

A map of the room:

========================  ===========================================================================
`graph`                   :class:`Graph`, the immutable graph that everything else takes
`topologies`              families: ``complete``, ``cycle``, ``grid_2d``, ..., ``exponential``
`random_topologies`       random families: ``random_geometric``, ``erdos_renyi``, ...
`networks`                real networks: :func:`topology`, :func:`topology_names`
`io`                      :func:`read_graph`, :func:`write_graph` (GraphML, edge lists)
`spectra`                 :func:`laplacian`, :func:`chi`, :func:`algebraic_connectivity`,
                          :func:`effective_resistances`, :func:`spectral_gap`
`mixing`                  :func:`mixing_matrix` for synchronous averaging
`averaging`               :func:`fastest_mixing`, the best of them, with certificates that
                          :func:`verify_mixing` checks without a solver
`rates`                   :func:`gossip_rates` for asynchronous gossip, with certificates that
                          :func:`verify_rates` checks without a solver
`draw`                    :func:`draw`, a graph with its rates
========================  ===========================================================================

Everything "per edge" follows the order of ``graph.edges``; names of graphs never carry meaning.

>>> from gossamer import graphs
>>> g = graphs.barbell(8)
>>> rates = graphs.gossip_rates(g, "communication")
>>> f"{100 * rates.saved:.0f}% fewer communications than with uniform rates"
'74% fewer communications than with uniform rates'
"""

from .averaging import FastestMixing, MixingCertificate, fastest_mixing, verify_mixing
from .draw import draw
from .graph import Graph
from .io import read_graph, write_graph
from .mixing import mixing_matrix
from .networks import topology, topology_names
from .random_topologies import (
    barabasi_albert,
    erdos_renyi,
    random_geometric,
    random_regular,
    watts_strogatz,
)
from .rates import (
    Bounds,
    Certificate,
    GossipRates,
    communication_cost,
    communication_lower_bound,
    gossip_rates,
    verify_rates,
)
from .spectra import algebraic_connectivity, chi, effective_resistances, laplacian, spectral_gap
from .topologies import (
    barbell,
    binary_tree,
    complete,
    cycle,
    exponential,
    grid_2d,
    hypercube,
    lollipop,
    path,
    star,
    torus_2d,
)

__all__ = [
    "Bounds",
    "Certificate",
    "FastestMixing",
    "GossipRates",
    "Graph",
    "MixingCertificate",
    "algebraic_connectivity",
    "barabasi_albert",
    "barbell",
    "binary_tree",
    "chi",
    "communication_cost",
    "communication_lower_bound",
    "complete",
    "cycle",
    "draw",
    "effective_resistances",
    "erdos_renyi",
    "exponential",
    "fastest_mixing",
    "gossip_rates",
    "grid_2d",
    "hypercube",
    "laplacian",
    "lollipop",
    "mixing_matrix",
    "path",
    "random_geometric",
    "random_regular",
    "read_graph",
    "spectral_gap",
    "star",
    "topology",
    "topology_names",
    "torus_2d",
    "verify_mixing",
    "verify_rates",
    "watts_strogatz",
    "write_graph",
]
