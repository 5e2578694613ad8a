"""Weights of synchronous averaging: simple rules, and the fastest ones with a proof that they are.

`weights`: the simple rules, and the mixing matrix of any weights; `optimise`: :func:`fastest_mixing` and what
it returns; `certificates`: bounds recomputed from weights and a dual object, without any solver; `interior`:
the solver.
"""

from .certificates import MixingCertificate, verify_mixing
from .optimise import FastestMixing, fastest_mixing

__all__ = ["FastestMixing", "MixingCertificate", "fastest_mixing", "verify_mixing"]
