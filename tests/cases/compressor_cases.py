"""Compressors that several tests go through, for vectors of at least 40 coordinates."""

import numpy as np
import pytest

from gossamer.kernels import compression as c

ON_GPU = [  # and on the CPU
    c.Identity(),
    c.RandK(3),
    c.RandK(0.2, scaled=False, shared_seed=False),
    c.BlockRandK(7),
    c.BlockRandK(0.9, scaled=False, shared_seed=False),
    c.PermK(4),
    c.PermK(7),
    c.PermK(1000),  # more workers than coordinates
    c.Bernoulli(0.3),
    c.Bernoulli(0.3, scaled=False, shared_seed=False),
    c.Bernoulli(1e-9, shared_seed=False),
    c.TopK(1),
    c.TopK(0.5),
    c.TopK(1.0),
    c.QSGD(1),
    c.QSGD(5),
    c.QSGD(2**20, scaled=False),
    c.TernGrad(),
    c.TernGrad(scaled=False),
    c.Natural(),
    c.Natural(scaled=False),
    c.ScaledSign(),
]
ON_CPU = [  # alone
    c.LowRank(2),
    c.LowRank(2, method="power"),
    c.Composed(c.TopK(7), c.QSGD(3)),
    c.Composed(c.Bernoulli(0.01, shared_seed=False), c.Natural()),
    c.Composed(c.PermK(3), c.ScaledSign()),
    c.PerBlock(c.TernGrad(), 7),
    c.PerBlock(c.Composed(c.RandK(0.5), c.QSGD(2)), 16),
]
both = pytest.mark.parametrize("dtype", [np.float32, np.float64])
