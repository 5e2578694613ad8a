"""Exact conic programmes for the rates, assembled directly for the interior-point solver Clarabel.

Fastest mixing (``"algebraic_connectivity"``): minimise the total rate subject to ``L(w) >= s I`` on the
vectors of zero sum, one semidefinite cone of order n - 1.

Communication: minimise the total rate subject to ``L(w) >= s I`` and ``R_e(w) <= s`` for every edge, which
is ``chi1 * chi2 <= 1/2``. It is convex as it stands. The usual form of the second condition is a
semidefinite cone of order 2(n - 1). Here it is written with flows instead: by Thomson's principle
``R_e = min { sum_a f_a^2 / w_a : f a unit flow between the ends of e }``, so ``R_e <= s`` holds when some
flow satisfies ``f_a^2 <= q_a w_a`` for all a and ``sum_a q_a <= s``. The flows are the edge itself plus
any circulation in its block (2-connected part), so this costs one cone of order 3 for each pair of edges
in the same block, all sparse, and is exact (derived; the tests compare it with two other forms). On
networks with 20 to 50 nodes it is one to two orders of magnitude faster than the semidefinite form.

Everything is scaled by the values at uniform rates, so that w = 1, s = 1 is a feasible point of size one.
"""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..graph import Graph
from ..spectra import algebraic_connectivity, effective_resistances
from .certificates import Proposal

__all__ = ["SETTINGS", "propose", "size_limit"]

# Work per iteration grows like n^6 (semidefinite cone) and m^4 (pairs of edges in a block).
PRACTICAL_NODES, PRACTICAL_PAIRS = 60, 50_000  # less than a minute on one core
FEASIBLE_NODES, FEASIBLE_PAIRS = 120, 250_000  # an hour or more, some GB

# Clarabel's settings, one for each attempt. The tolerances are beyond what it can reach: it then stops at
# the best point it finds, and the bounds, not its status, decide what that is worth. The problem is
# scaled well as it is, and equilibration breaks the second-order cones of some trees; shorter steps keep
# nearer to the central path, where the duals are good.
_COMMON = {
    "verbose": False,
    "tol_gap_abs": 1e-12,
    "tol_gap_rel": 1e-12,
    "tol_feas": 1e-12,
    "chordal_decomposition_enable": False,
    # one named factorisation on one thread: the same result whatever the machine
    "direct_solve_method": "faer",
    "max_threads": 1,
}
SETTINGS = (
    {
        **_COMMON,
        "equilibrate_enable": False,
        "static_regularization_constant": 1e-7,
        "max_step_fraction": 0.9,
    },
    {
        **_COMMON,
        "equilibrate_enable": False,
        "static_regularization_constant": 1e-7,
        "max_step_fraction": 0.7,
    },
    {**_COMMON, "iterative_refinement_max_iter": 30},
)


def size_limit(graph: Graph, criterion: str, *, practical: bool) -> str:
    """Say why the graph is too large for the practical (or the feasible) limit; empty if it is not."""
    nodes, pairs = (PRACTICAL_NODES, PRACTICAL_PAIRS) if practical else (FEASIBLE_NODES, FEASIBLE_PAIRS)
    if graph.n_nodes > nodes:
        return f"the graph has {graph.n_nodes} nodes, and the limit is {nodes}"
    if criterion == "communication":
        count = int(np.sum(np.bincount(_cycle_space(graph)[1]) ** 2))
        if count > pairs:
            return f"the graph has {count} pairs of edges in a block, and the limit is {pairs}"
    return ""


def propose(
    graph: Graph, criterion: str, attempt: int = 0, tol: float = 0.0, deadline: float = np.inf
) -> Proposal:
    """Solve the conic programme of a criterion.

    Parameters
    ----------
    graph : Graph
        Connected, at least two nodes.
    criterion : str
        ``"communication"`` or ``"algebraic_connectivity"``.
    attempt : int
        Which of the solver's :data:`SETTINGS` to use.
    tol : float
        Not used: the solver goes as far as it can.
    deadline : float
        Value of ``time.monotonic()`` at which to stop.

    Returns
    -------
    Proposal
        Rates (unscaled), factor of the dual matrix and, for ``"communication"``, the edge weights p.
    """
    from scipy.sparse import csc_matrix

    n, m = graph.n_nodes, graph.n_edges
    l2 = algebraic_connectivity(graph)
    largest = float(effective_resistances(graph).max())
    basis = _zero_sum_basis(n)
    rows, columns, values = [], [], []

    def put(row: Any, column: Any, value: Any) -> None:
        row, column, value = np.broadcast_arrays(row, column, np.asarray(value, dtype=np.float64))
        rows.append(row.ravel())
        columns.append(column.ravel())
        values.append(value.ravel())

    # semidefinite cone: svec of L(w) / l2 - s I
    outer, identity = _svec_of_edges(graph, basis)
    order = len(identity)
    r, c = np.nonzero(outer)
    put(r, c, -outer[r, c] / l2)
    right_side = [np.zeros(order)]
    cones: list[tuple[str, int]] = [("psd", n - 1), ("nonnegative", m)]
    if criterion == "algebraic_connectivity":
        right_side[0] -= identity  # s is fixed to one
        put(order + np.arange(m), np.arange(m), -1.0)
        right_side.append(np.zeros(m))
        n_variables = m
    else:
        n_variables, flows = _flow_cones(graph, put, order, largest)
        put(np.flatnonzero(identity), m, 1.0)
        right_side += [np.zeros(m), flows]
        cones += [("second_order", 3)] * (len(flows) // 3)
    cost = np.zeros(n_variables)
    cost[:m] = 1.0 / m
    A = csc_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))),
        shape=(sum(map(len, right_side)), n_variables),
    )
    settings = SETTINGS[attempt]
    if deadline < np.inf:
        settings = {**settings, "time_limit": max(0.1, deadline - time.monotonic())}
    x, z = _solve(cost, A, np.concatenate(right_side), cones, settings)
    dual = np.zeros((n - 1, n - 1))
    upper = _upper_triangle(n - 1)
    dual[upper] = z[:order] * np.where(upper[0] == upper[1], 1.0, np.sqrt(0.5))
    eigenvalues, vectors = np.linalg.eigh(dual + np.triu(dual, 1).T)
    Y = basis @ (vectors * np.sqrt(np.maximum(eigenvalues, 0.0)))
    p = np.maximum(z[order : order + m], 0.0) if criterion == "communication" else None
    return Proposal(x[:m], Y, p)


def _flow_cones(graph: Graph, put: Any, first_row: int, largest: float) -> tuple[int, NDArray[np.float64]]:
    """Add ``R_e <= s`` for all edges; return the number of variables and the cones' right-hand side.

    Variables: rates (m), s, then q for each pair (e, a) of edges in one block, then the circulation of
    each edge e in the coordinates of the block's cycle basis.
    """
    m = graph.n_edges
    cycles, block, cycle_block = _cycle_space(graph)
    e, a = np.nonzero(block[:, None] == block[None, :])
    q = m + 1 + np.arange(len(e))
    # sum_a q_ea <= s, in units of the largest resistance at w = 1
    put(first_row + np.arange(m), m, -largest)
    put(first_row + e, q, 1.0)
    # |(q - w, 2 f)| <= q + w
    row = first_row + m + 3 * np.arange(len(e))
    put(row, q, -1.0)
    put(row, a, -1.0)
    put(row + 1, q, -1.0)
    put(row + 1, a, 1.0)
    right_side = np.zeros((len(e), 3))
    right_side[e == a, 2] = 2.0
    # circulation variables: one for every (edge e, cycle k) in the same block
    edge, cycle = np.nonzero(block[:, None] == cycle_block[None, :])
    number = np.full((m, len(cycle_block)), -1)
    number[edge, cycle] = m + 1 + len(e) + np.arange(len(edge))
    pair, k = np.nonzero(cycles[a])
    put(row[pair] + 2, number[e[pair], k], -2.0 * cycles[a[pair], k])
    return m + 1 + len(e) + len(edge), right_side.ravel()


def _solve(
    cost: NDArray[np.float64],
    A: Any,
    right_side: NDArray[np.float64],
    cones: list[tuple[str, int]],
    settings: dict[str, Any],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Minimise ``cost'x`` with ``right_side - A x`` in the product of cones; return x and the duals."""
    import clarabel
    from scipy.sparse import csc_matrix

    api: Any = clarabel  # a compiled module without type information
    kinds = {
        "psd": api.PSDTriangleConeT,
        "nonnegative": api.NonnegativeConeT,
        "second_order": api.SecondOrderConeT,
    }
    options = api.DefaultSettings()
    for key, value in settings.items():
        setattr(options, key, value)
    no_quadratic = csc_matrix((len(cost), len(cost)))
    cone_list = [kinds[kind](order) for kind, order in cones]
    solution = api.DefaultSolver(no_quadratic, cost, A, right_side, cone_list, options).solve()
    return np.array(solution.x), np.array(solution.z)


def _zero_sum_basis(n: int) -> NDArray[np.float64]:
    """Orthonormal (n, n - 1) basis of the vectors of zero sum."""
    start = np.eye(n)
    start[:, 0] = 1.0
    return np.linalg.qr(start)[0][:, 1:]


def _upper_triangle(order: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of the upper triangle, column by column, which is Clarabel's order."""
    column, row = np.tril_indices(order)
    return row, column


def _svec_of_edges(graph: Graph, basis: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Scaled upper triangles of ``Q'b_e b_e'Q``, one column per edge, and of the identity."""
    row, column = _upper_triangle(graph.n_nodes - 1)
    difference = basis[graph.edges[:, 0]] - basis[graph.edges[:, 1]]
    scale = np.where(row == column, 1.0, np.sqrt(2.0))
    return (difference[:, row] * difference[:, column] * scale).T, (row == column).astype(np.float64)


def _cycle_space(graph: Graph) -> tuple[NDArray[np.int8], NDArray[np.int32], NDArray[np.int32]]:
    """Fundamental cycles of a breadth-first tree, and the blocks of the graph.

    Returns the (m, c) matrix of the cycles (entries -1, 0, 1, in the orientation of the edges), the block
    of each edge and the block of each cycle. Edges that share a cycle are in the same block.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import breadth_first_order, connected_components

    n, m = graph.n_nodes, graph.n_edges
    hub = int(np.argmax(graph.degrees))
    order, parent = breadth_first_order(graph.adjacency, hub, directed=False)
    number = {(i, j): e for e, (i, j) in enumerate(graph.edges.tolist())}
    depth = np.zeros(n, dtype=np.int64)
    for v in order[1:]:
        depth[v] = depth[parent[v]] + 1
    entries: list[tuple[int, int, int]] = []
    in_tree = {(min(v, parent[v]), max(v, parent[v])) for v in order[1:].tolist()}
    c = 0
    for (i, j), e in number.items():
        if (i, j) in in_tree:
            continue
        # along the edge from i to j, then back through the tree: j climbs with the flow, i against it
        entries.append((e, c, 1))
        while i != j:
            climbs = depth[j] >= depth[i]
            v = j if climbs else i
            u = int(parent[v])
            with_flow = (v < u) if climbs else (u < v)
            entries.append((number[min(u, v), max(u, v)], c, 1 if with_flow else -1))
            i, j = (i, u) if climbs else (u, j)
        c += 1
    cycles = np.zeros((m, c), dtype=np.int8)
    edge, cycle, sign = np.array(entries, dtype=np.int64).reshape(-1, 3).T
    cycles[edge, cycle] = sign
    both = coo_array((np.ones(len(edge)), (edge, m + cycle)), shape=(m + c, m + c))
    block = connected_components(both, directed=False)[1]
    return cycles, block[:m], block[m:]
