"""Decentralised optimisation methods: one class each, all with `solve(problem, graph)`.

`Solver` is the base, `Result` what `solve` returns, `Trace` its record, `State` what a run goes on from. A
new method is one module with a frozen dataclass, and one line here.
"""

from . import gossip_rules
from .base import Solver
from .beer import BEER
from .choco import ChocoGossip, ChocoSGD
from .dadao import DADAO, DADAOParameters
from .dgd import DGD
from .diana import DIANA
from .error_feedback import EF, EF21
from .extra import EXTRA, NIDS
from .extragradient import CompressedExtragradient, Extragradient, OptimisticGradient
from .marina import MARINA
from .masha import MASHA1, MASHA2
from .rates import certified_rate
from .result import Result
from .robust_gossip import RobustGossip
from .robust_sgd import RobustSGD
from .sgda import DIANASGDA, QSGDA
from .state import State
from .svl import SVL
from .trace import Trace
from .tracking import GradientTracking

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
    "OptimisticGradient",
    "Result",
    "RobustGossip",
    "RobustSGD",
    "Solver",
    "State",
    "Trace",
    "certified_rate",
    "gossip_rules",
]
