"""Robust aggregation: one vector of p, of which some may be faulty or hostile.

Rules that average: `Mean`, `NormalizedMean`, `CGE`, `Krum`, `MultiKrum`, `MDA`, `SMEA`, `MoNNA`,
`GeometricMedian`, `CenteredClipping`, `CAF`, `DnC`, `FoolsGold`, `Flag`. Rules that sort each coordinate:
`CoordinateMedian`, `TrimmedMean`, `MeaMed`, `Phocas`, `Bulyan`. Pre-aggregators, which make other rows first:
`NNM`, `Bucketing`, `Clipping`, `ARC`. A rule is a small object of parameters, called with the rows:
``Krum(2)(G)``; functions with the names in small letters are the same in one call: ``krum(G, 2)``.
``NNM(2) >> Krum(2)`` is a rule, too. Rows may count more than once: ``Krum(2)(G, weights=counts)``.

How names relate: `MultiKrum` with m = 1 is `Krum`, with m = p the `Mean`; ``Krum(f, inclusive=True)`` looks
at one neighbour more and bears more faulty rows. `MoNNA` is a row of `NNM`, that of a worker one trusts.
`Bulyan` is Krum again and again, then `MeaMed` of what that chose. `TrimmedMean` with the largest f is the
`CoordinateMedian`. `CGE` drops long rows, where `ARC` and `Clipping` shorten them. `NormalizedMean` is `Flag`
with a subspace of all dimensions. `CenteredClipping` with many steps and a small radius comes near the
`GeometricMedian`. `CAF` takes weight from what `DnC` drops.

Rules that average read the data at most twice: once for the p x p Gram matrix or the norms, once for the
weighted sum; once more where the rows have so much in common that distances would lose their digits. Rules
that sort read it once. Neither needs memory that grows with d besides the result.

Rows that are not finite are left out and reported; `Aggregator` tells how.

Examples
--------
>>> import numpy as np
>>> from gossamer.kernels import aggregation
>>> G = np.array([[1.0, 2.0], [1.2, 1.8], [0.9, 2.1], [1.1, 2.0], [1e9, -1e9]])
>>> aggregation.coordinate_median(G)
array([1.1, 2. ])
>>> (aggregation.NNM(1) >> aggregation.Krum(1))(G)
array([1.05 , 1.975])
"""

from .base import Aggregator, Pipeline, PreAggregator
from .coordinate import Bulyan, CoordinateMedian, MeaMed, Phocas, TrimmedMean
from .functions import (
    arc,
    bucketing,
    bulyan,
    caf,
    centered_clipping,
    cge,
    clipping,
    coordinate_median,
    dnc,
    flag,
    foolsgold,
    geometric_median,
    krum,
    mda,
    meamed,
    mean,
    monna,
    multi_krum,
    nnm,
    normalized_mean,
    phocas,
    smea,
    trimmed_mean,
)
from .iterative import CAF, CenteredClipping, DnC, FoolsGold, GeometricMedian
from .linear import CGE, MDA, SMEA, Krum, Mean, MoNNA, MultiKrum, NormalizedMean
from .preaggregation import ARC, NNM, Bucketing, Clipping
from .stages import Aggregate, NonFiniteWarning
from .subspace import Flag

__all__ = [
    "ARC",
    "CAF",
    "CGE",
    "MDA",
    "NNM",
    "SMEA",
    "Aggregate",
    "Aggregator",
    "Bucketing",
    "Bulyan",
    "CenteredClipping",
    "Clipping",
    "CoordinateMedian",
    "DnC",
    "Flag",
    "FoolsGold",
    "GeometricMedian",
    "Krum",
    "MeaMed",
    "Mean",
    "MoNNA",
    "MultiKrum",
    "NonFiniteWarning",
    "NormalizedMean",
    "Phocas",
    "Pipeline",
    "PreAggregator",
    "TrimmedMean",
    "arc",
    "bucketing",
    "bulyan",
    "caf",
    "centered_clipping",
    "cge",
    "clipping",
    "coordinate_median",
    "dnc",
    "flag",
    "foolsgold",
    "geometric_median",
    "krum",
    "mda",
    "meamed",
    "mean",
    "monna",
    "multi_krum",
    "nnm",
    "normalized_mean",
    "phocas",
    "smea",
    "trimmed_mean",
]
