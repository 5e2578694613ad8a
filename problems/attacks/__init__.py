"""What faulty workers send in place of gradients.

An attack is a small object of parameters. ``attack(honest, f)`` returns the vectors of f faulty workers; the
omniscient ones compute them from all honest gradients, the others from the workers' `own` ones, or from
nothing. `flip_labels` spoils data instead, and `dissension` makes messages between the nodes of a graph.

| attack | sends | knows |
|---|---|---|
| `UniformNoise`, `GaussianNoise` | noise | nothing |
| `Zero`, `NonFinite` | zeros; NaN or infinity | nothing |
| `SignFlip`, `ReversedGradient`, `Drop` | -g, -10 g, g with coordinates missing | its own g |
| `ALIE`, `IPM` | honest mean less some standard deviations; honest mean reversed | all honest |
| `OptimizedALIE`, `OptimizedIPM` | the same, of the size and sign that hurt a rule most | and that rule |
| `MinMax`, `MinSum` | honest mean moved as far as honest rows are from each other | all honest |
| `Mimic` | what one honest worker sends | all honest |

To add an attack: a subclass of `Attack` in the file of its kind, and its name here.

Examples
--------
>>> import numpy as np
>>> from gossamer.problems import attacks
>>> attacks.IPM(0.5)(np.array([[1.0, 2.0], [3.0, 2.0]]), 1)
array([[-1., -1.]])
"""

from __future__ import annotations

from .base import Attack
from .gossip import Dissension, dissension
from .labels import flip_labels
from .manipulating import MinMax, MinSum
from .omniscient import ALIE, IPM, Mimic, alie_z
from .optimized import OptimizedALIE, OptimizedIPM
from .simple import Drop, GaussianNoise, NonFinite, ReversedGradient, SignFlip, UniformNoise, Zero

__all__ = [
    "ALIE",
    "IPM",
    "Attack",
    "Dissension",
    "Drop",
    "GaussianNoise",
    "Mimic",
    "MinMax",
    "MinSum",
    "NonFinite",
    "OptimizedALIE",
    "OptimizedIPM",
    "ReversedGradient",
    "SignFlip",
    "UniformNoise",
    "Zero",
    "alie_z",
    "dissension",
    "flip_labels",
]
