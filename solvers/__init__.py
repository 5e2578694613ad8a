"""Decentralised optimisation methods: one class each, all with `solve(problem, graph)`.

`Solver` is the base, `Result` what `solve` returns, `Trace` its record, `State` what a run goes on from. A
new method is one module with a frozen dataclass, and one line here.
"""

from . import gossip_rules
from .asynchronous.dadao import DADAO, DADAOParameters
from .asynchronous.pairwise import PairwiseGossip
from .base.certified_rate import certified_rate
from .base.metrics import Metric
from .base.result import Result
from .base.solver import Solver
from .base.state import State
from .base.trace import Trace
from .gossip.beer import BEER
from .gossip.choco import ChocoGossip, ChocoSGD
from .gossip.dgd import DGD
from .gossip.extra import EXTRA, NIDS
from .gossip.svl import SVL
from .gossip.tracking import GradientTracking
from .robust.gossip import RobustGossip
from .robust.sgd import RobustSGD
from .saddle.extragradient import CompressedExtragradient, Extragradient, OptimisticGradient
from .saddle.masha import MASHA1, MASHA2
from .saddle.sgda import DIANASGDA, QSGDA
from .server.diana import DIANA
from .server.error_feedback import EF, EF21
from .server.marina import MARINA

__all__ = [
    "BEER",
    "DADAO",
    "DGD",
    "DIANA",
    "DIANASGDA",
    "EF",
    "EF21",
    "EXTRA",
    "MARINA",
    "MASHA1",
    "MASHA2",
    "NIDS",
    "QSGDA",
    "SVL",
    "ChocoGossip",
    "ChocoSGD",
    "CompressedExtragradient",
    "DADAOParameters",
    "Extragradient",
    "GradientTracking",
    "Metric",
    "OptimisticGradient",
    "PairwiseGossip",
    "Result",
    "RobustGossip",
    "RobustSGD",
    "Solver",
    "State",
    "Trace",
    "certified_rate",
    "gossip_rules",
]
