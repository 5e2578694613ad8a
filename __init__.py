"""gossamer: compiled kernels and solvers for decentralised optimisation."""

from ._version import __version__

__all__ = ["__version__"]
