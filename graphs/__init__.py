"""TODO."""

from .graph import Graph as Graph
from .spectra import algebraic_connectivity as algebraic_connectivity
from .spectra import chi as chi
from .spectra import effective_resistances as effective_resistances
from .spectra import laplacian as laplacian
from .spectra import spectral_gap as spectral_gap
from .topologies import *  # noqa: F403
