"""`fastest_mixing`: the simple weights, the solver's, everything recomputed from them, the better kept."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...kernels import checks
from ...kernels.blas import one_blas_thread
from ..graph import Graph
from . import interior
from .certificates import KINDS, MixingCertificate, slem_of, verify_mixing
from .weights import (
    assemble,
    best_constant,
    best_markov_constant,
    lazy_metropolis,
    max_degree,
    metropolis,
)

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["FastestMixing", "fastest_mixing"]

Array = NDArray[np.float64]

MOST_EDGES, MOST_NODES = 6000, 2000  # 2 GB, and some minutes

_PROOFS = 1.5  # for which time is kept, in units of the eigenvalues of all the simple rules

_MARKOV = {
    "best_constant": best_markov_constant,
    "max_degree": max_degree,
    "metropolis": metropolis,
    "lazy_metropolis": lazy_metropolis,
}
_SIMPLE = {"fdla": {**_MARKOV, "best_constant": best_constant}, "fmmc": _MARKOV}


@dataclass(frozen=True, eq=False, repr=False)
class FastestMixing:
    """Weights of a mixing matrix, with a proven bound on the best possible second eigenvalue modulus.

    Attributes
    ----------
    graph : Graph
        The graph.
    kind : str
        ``"fdla"`` or ``"fmmc"``.
    weights : (m,) array
        Weight of each edge, in the order of ``graph.edges``; read-only.
    slem : float
        Second largest eigenvalue modulus of ``matrix``.
    lower_bound : float
        Proven: no weights of the kind have a smaller one.
    gap : float
        ``(slem - lower_bound) / max(slem, 1/n)``, rounding errors included: relative to the SLEM, except on
        complete graphs, where the optimum is zero. Relative to the spectral gap ``1 - slem`` it is
        ``slem / (1 - slem)`` times that.
    status : str
        ``"certified"`` (gap <= tol) or ``"tolerance_not_met"``.
    method : str
        Where the weights come from: ``"interior_point"``, or the simple rule that is no worse.
    certificate : MixingCertificate
        The dual object; ``verify_mixing(graph, weights, certificate)`` gives the bounds again.
    message : str
        What happened, in words.
    """

    graph: Graph
    kind: str
    weights: Array
    slem: float
    lower_bound: float
    gap: float
    status: str
    method: str
    certificate: MixingCertificate
    message: str

    @property
    def matrix(self) -> "csr_array":
        """The mixing matrix ``W = I - L(weights)``, sparse (n, n)."""
        return assemble(self.graph, self.weights)

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        checks.frozen(self.weights)  # pickles and copies do not keep arrays read-only

    def __repr__(self) -> str:
        return (
            f"FastestMixing({self.kind} on {self.graph!r}: SLEM {self.slem:.6g}, gap {self.gap:.1e}, "
            f"{self.status})"
        )


def fastest_mixing(
    graph: Graph, kind: str = "fdla", *, tol: float = 1e-6, time_limit: float | None = None
) -> FastestMixing:
    """Choose the weights of synchronous averaging that contract the disagreement most in a round.

    Parameters
    ----------
    graph : Graph
        Connected.
    kind : str
        * ``"fdla"``: weights of any sign, the fastest distributed linear averaging (Xiao & Boyd, "Fast linear
          iterations for distributed averaging", Systems & Control Letters 2004).
        * ``"fmmc"``: ``W >= 0``, the fastest mixing symmetric Markov chain (Boyd, Diaconis & Xiao, "Fastest
          mixing Markov chain on a graph", SIAM Review 2004).

        Both minimise the spectral norm of ``I - L(w) - 11'/n``, a semidefinite programme.
    tol : float
        Relative gap below which the status is ``"certified"``.
    time_limit : float, optional
        Seconds after which what has been found is returned. No iteration is begun that would not end in time,
        judging by the one before, and time for the final proof is kept; so the limit is exceeded by a tenth
        at most, unless the simple rules and one proof alone take longer (some seconds at 2000 nodes).

    Returns
    -------
    FastestMixing
        Never worse than the simple rules: ``max_degree``, ``metropolis``, ``lazy_metropolis`` and
        ``best_constant`` of :func:`mixing_matrix`, the last with at most ``1 / max d`` for ``"fmmc"``.

    Raises
    ------
    TypeError, ValueError
        If an argument has a wrong type, ``kind`` is unknown, ``tol`` or ``time_limit`` is not positive, the
        graph is disconnected, or it has more than 2000 nodes, or more than 6000 edges and is not complete.
    MemoryError
        If the dense matrices of the method take more memory than there is.

    Notes
    -----
    An interior point method in the space of the edges (:mod:`.interior`) takes 7 to 30 iterations, whose
    work grows like ``m^3`` and ``n^3`` and whose memory like ``m^2``. Gaps, times and memory on graphs of
    150 to 1000 nodes: ``bench/RESULTS.md``, made by ``python -m gossamer.bench.rates mixing``. Ctrl-C ends it
    between two calls of LAPACK, each of which takes a second and more beyond 2000 edges.

    Examples
    --------
    >>> from gossamer import graphs
    >>> found = graphs.fastest_mixing(graphs.barbell(5))
    >>> found.status, round(found.slem, 4)
    ('certified', 0.8944)
    >>> round(1 - graphs.spectral_gap(graphs.mixing_matrix(found.graph, "best_constant")), 4)
    0.9147
    """
    if not isinstance(graph, Graph):
        raise TypeError(f"graph must be a Graph, got {type(graph).__name__}; see Graph.from_edges")
    if kind not in KINDS:
        raise ValueError(f"kind {kind!r} is unknown; choose from {', '.join(KINDS)}")
    tol = checks.real("tol", tol, above=0.0)
    seconds = np.inf if time_limit is None else checks.real("time_limit", time_limit, above=0.0)
    graph.require_connected("fastest_mixing")
    with one_blas_thread():
        return _optimise(graph, kind, tol, time.monotonic() + seconds)


def _optimise(graph: Graph, kind: str, tol: float, deadline: float) -> FastestMixing:
    n, m = graph.n_nodes, graph.n_edges
    is_complete = 2 * m == n * (n - 1)
    if n > MOST_NODES or (m > MOST_EDGES and not is_complete):
        raise ValueError(
            f"fastest_mixing is limited to {MOST_EDGES} edges and {MOST_NODES} nodes, the graph has "
            f"{m} and {n}; use mixing_matrix(graph, 'best_constant') or 'metropolis'"
        )
    checks.require_memory(
        8 * (20 * n * n + (0 if is_complete else 5 * m * m)),
        f"the interior point method on {n} nodes and {m} edges, with matrices ({n}, {n}) and ({m}, {m}),",
        "use mixing_matrix(graph, 'best_constant') or 'metropolis', which need none",
    )
    markov = kind == "fmmc"
    simple = {name: rule(graph) if n > 1 else np.zeros(0) for name, rule in _SIMPLE[kind].items()}
    if markov:
        simple = {name: _markov(graph, weights) for name, weights in simple.items()}
    begun = time.monotonic()
    slems = {name: slem_of(graph, w)[0] for name, w in simple.items()}
    deadline -= _PROOFS * (time.monotonic() - begun)  # for the proof in the end
    method = min(slems, key=slems.__getitem__)
    weights = simple[method]
    if is_complete:  # W = J
        nothing = MixingCertificate(kind, checks.frozen(np.zeros((n, n))))
        return _result(graph, weights, nothing, method, tol, f"{method} is optimal on a complete graph")
    found = interior.propose(graph, markov, simple["best_constant"], tol, deadline)
    certificate = MixingCertificate(kind, checks.frozen(found.Y), checks.frozen(found.y) if markov else None)
    message = f"interior point method, {found.iterations} iterations: {found.ending}"
    proposed = _markov(graph, found.weights) if markov else found.weights
    slem, rounding = slem_of(graph, proposed)
    if slem + rounding < slems[method]:  # otherwise equal weights are, for all one can tell, as good
        weights, method = proposed, "interior_point"
    else:
        message += f"; {method} is no worse"
    return _result(graph, weights, certificate, method, tol, message)


def _markov(graph: Graph, weights: Array) -> Array:
    """Clip and scale so that W, as it is computed, is non-negative."""
    weights = np.maximum(weights, 0.0)
    while (lowest := float(assemble(graph, weights).diagonal().min())) < 0:
        weights = weights / (1.0 - 2.0 * lowest)
    return weights


def _result(
    graph: Graph, weights: Array, certificate: MixingCertificate, method: str, tol: float, message: str
) -> FastestMixing:
    bounds = verify_mixing(graph, weights, certificate)
    return FastestMixing(
        graph=graph,
        kind=certificate.kind,
        weights=checks.frozen(weights),
        slem=slem_of(graph, weights)[0],
        lower_bound=bounds.lower,
        gap=bounds.gap,
        status="certified" if bounds.gap <= tol else "tolerance_not_met",
        method=method,
        certificate=certificate,
        message=message,
    )
