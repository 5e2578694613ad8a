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

Largest resistance: minimise the total rate subject to ``R_e(w) <= 1``, by the same flows and no semidefinite
cone.

Total resistance: minimise the total rate subject to ``tr Z <= 1`` with ``[[L(w), I], [I, Z]] >= 0`` on the
vectors of zero sum, that is ``Z >= L(w)^+`` (Schur), one semidefinite cone of order 2(n - 1).

Edge costs take the place of ones in the objective, and bounds of the rates are linear. In the programmes
that are normalised by their constraint instead of their budget, they multiply the budget, which is then a
variable.

Everything is scaled by the values at uniform rates, so that w = 1, s = 1 is a feasible point of size one.
"""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...kernels import checks
from ..deadline import require_time
from ..graph import Graph
from ..spectra import algebraic_connectivity, effective_resistances
from .duals import Proposal
from .limits import Limits

__all__ = ["SETTINGS", "propose", "size_limit"]

# Work per iteration grows like n^6 (semidefinite cone) and m^4 (pairs of edges in a block).
PRACTICAL_NODES, PRACTICAL_PAIRS = 60, 50_000  # less than a minute on one core
FEASIBLE_NODES, FEASIBLE_PAIRS = 120, 250_000  # an hour or more, some GB

_MARGIN = 1e-8  # of the bounds: what Clarabel returns exceeds them a little
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
    if criterion == "total_resistance":  # its cone has twice the order
        nodes //= 2
    if graph.n_nodes > nodes:
        return f"the graph has {graph.n_nodes} nodes, and the limit is {nodes}"
    if criterion in ("communication", "max_resistance"):
        count = _pairs(graph)
        if count > pairs:
            return f"the graph has {count} pairs of edges in a block, and the limit is {pairs}"
    return ""


def _pairs(graph: Graph) -> int:
    """Number of pairs of edges in the same block."""
    return int(np.sum(np.bincount(_cycle_space(graph)[1]) ** 2))


def _order(graph: Graph, criterion: str) -> int:
    """Order of the semidefinite cone."""
    orders = {"max_resistance": 0, "total_resistance": 2 * (graph.n_nodes - 1)}
    return orders.get(criterion, graph.n_nodes - 1)


def _seconds(graph: Graph, criterion: str) -> float:
    """Seconds of an iteration of the solver, by measurements; rather too long than too short."""
    seconds = 4e-11 * _order(graph, criterion) ** 6
    return seconds + 3e-5 * _pairs(graph) if criterion in ("communication", "max_resistance") else seconds


def propose(
    graph: Graph,
    criterion: str,
    attempt: int = 0,
    tol: float = 0.0,
    deadline: float = np.inf,
    limits: Limits | None = None,
) -> Proposal:
    """Solve the conic programme of a criterion.

    Parameters
    ----------
    graph : Graph
        Connected, at least two nodes.
    criterion : str
        Any of the four.
    attempt : int
        Which of the solver's :data:`SETTINGS` to use.
    tol : float
        Not used: the solver goes as far as it can.
    deadline : float
        Value of ``time.monotonic()`` at which to stop.
    limits : Limits, optional
        Edge costs and bounds of the rates; by default ones, and none.

    Returns
    -------
    Proposal
        Rates (unscaled); factor of the dual matrix and edge weights p, as far as the criterion has them.
    """
    from scipy.sparse import csc_matrix

    n, m = graph.n_nodes, graph.n_edges
    rows = _order(graph, criterion) * (_order(graph, criterion) + 1) // 2
    checks.require_memory(
        8 * (3 * rows * rows + 3 * n * n * m),
        f"method 'sdp' on {n} nodes and {m} edges, with matrices ({rows}, {rows}),",
        "use method='barrier' or criterion='max_resistance'",
    )
    l2 = algebraic_connectivity(graph)
    largest = float(effective_resistances(graph).max())
    basis = _zero_sum_basis(n)
    rows, columns, values = [], [], []

    def put(row: Any, column: Any, value: Any) -> None:
        row, column, value = np.broadcast_arrays(row, column, np.asarray(value, dtype=np.float64))
        rows.append(row.ravel())
        columns.append(column.ravel())
        values.append(value.ravel())

    limits = Limits(graph) if limits is None else limits
    cones: list[tuple[str, int]] = []
    right_side: list[NDArray[np.float64]] = []
    variable = criterion == "communication"  # s, which is otherwise fixed to one
    n_variables, order = m + variable, 0
    identity = np.zeros(0)
    flows_needed = criterion in ("communication", "max_resistance")
    if criterion != "max_resistance":
        # semidefinite cone: svec of L(w) / l2 - s I
        outer, identity = _svec_of_edges(graph, basis)
        order = len(identity)
        r, c = np.nonzero(outer)
        put(r, c, -outer[r, c] / l2)
        if variable:
            put(np.flatnonzero(identity), m, 1.0)
        if criterion == "total_resistance":
            n_variables, order, constant = _trace_cone(n - 1, put, m)
            right_side.append(constant)
            cones.append(("psd", 2 * (n - 1)))
        else:
            right_side.append(np.zeros(order) if variable else -identity)
            cones.append(("psd", n - 1))
    # rates, or s less the energies of the flows, are non-negative
    cones.append(("nonnegative", m))
    if not flows_needed:
        put(order + np.arange(m), np.arange(m), -1.0)
        right_side.append(np.zeros(m))
        if criterion == "total_resistance":
            on_diagonal = np.flatnonzero(identity)
            put(order + m, m + on_diagonal, 1.0 / len(on_diagonal))
            right_side.append(np.ones(1))
            cones[-1] = ("nonnegative", m + 1)
    else:
        right_side.append(np.full(m, 0.0 if variable else largest))
        if variable:
            put(order + np.arange(m), m, -largest)
        n_variables, flows = _flow_cones(graph, put, order, n_variables)
        right_side.append(flows)
        cones += [("second_order", 3)] * (len(flows) // 3)
    prices = limits.costs / limits.costs.sum()
    objective = prices
    if limits.has_bounds:
        # in units in which the bounds hold for w, or for w over the budget
        unit = np.sqrt(largest / l2) if variable else 1.0 / limits.costs.sum()
        bounded, budgeted = np.flatnonzero(np.isfinite(limits.upper)), np.isfinite(limits.nodes)
        upper, nodes = limits.upper[bounded] / unit, limits.nodes / unit
        first = sum(map(len, right_side))
        scale = 1.0 if variable else max(1.0, 1.0 / limits.room(np.full(m, unit)))
        put(first + np.arange(len(bounded)), bounded, 1.0 / (upper * scale))
        number = np.cumsum(budgeted) - 1
        for end in graph.edges.T:
            e = np.flatnonzero(budgeted[end])
            put(first + len(bounded) + number[end[e]], e, 1.0 / (nodes[end[e]] * scale))
        count = len(bounded) + int(budgeted.sum())
        if variable:
            right_side.append(np.full(count, 1.0 - _MARGIN))
        else:
            put(first + count, np.arange(m), prices / scale)
            count += 1
            put(first + np.arange(count), n_variables, -1.0)
            right_side.append(np.zeros(count))
            n_variables, objective = n_variables + 1, None
        cones.append(("nonnegative", count))
    cost = np.zeros(n_variables)
    if objective is None:
        cost[-1] = 1.0
    else:
        cost[:m] = objective
    A = csc_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))),
        shape=(sum(map(len, right_side)), n_variables),
    )
    settings = SETTINGS[attempt]
    if deadline < np.inf:
        iteration = _seconds(graph, criterion)
        require_time(deadline, 3.0 * iteration)
        # Clarabel looks at its clock once an iteration
        settings = {**settings, "time_limit": deadline - time.monotonic() - iteration}
    x, z = _solve(cost, A, np.concatenate(right_side), cones, settings)
    p = np.maximum(z[order : order + m], 0.0) if flows_needed else None
    if criterion not in ("communication", "algebraic_connectivity"):
        return Proposal(x[:m], None, p)
    dual = np.zeros((n - 1, n - 1))
    triangle = _upper_triangle(n - 1)
    dual[triangle] = z[:order] * np.where(triangle[0] == triangle[1], 1.0, np.sqrt(0.5))
    eigenvalues, vectors = np.linalg.eigh(dual + np.triu(dual, 1).T)
    Y = basis @ (vectors * np.sqrt(np.maximum(eigenvalues, 0.0)))
    return Proposal(x[:m], Y, p)


def _trace_cone(order: int, put: Any, used: int) -> tuple[int, int, NDArray[np.float64]]:
    """Complete ``L`` to ``[[L, I], [I, Z]]``; the upper triangle of Z is variables beyond the first `used`.

    Returns the number of variables, that of the rows and the cone's right-hand side.
    """
    row, column = _upper_triangle(order)
    place = (order + column) * (order + column + 1) // 2 + order + row
    put(place, used + np.arange(len(row)), -np.where(row == column, 1.0, np.sqrt(2.0)))
    right_side = np.zeros(order * (2 * order + 1))
    k = np.arange(order)
    right_side[(order + k) * (order + k + 1) // 2 + k] = np.sqrt(2.0)
    return used + len(row), len(right_side), right_side


def _flow_cones(graph: Graph, put: Any, first_row: int, used: int) -> tuple[int, NDArray[np.float64]]:
    """Add the flows of all edges; return the number of variables and the cones' right-hand side.

    Variables beyond the first `used`: q for each pair (e, a) of edges in one block, then the circulation of
    each edge e in the coordinates of the block's cycle basis. The rows of the first m cones get the energies.
    """
    m = graph.n_edges
    cycles, block, cycle_block = _cycle_space(graph)
    e, a = np.nonzero(block[:, None] == block[None, :])
    q = used + np.arange(len(e))
    # sum_a q_ea, in units of the largest resistance at w = 1
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
    number[edge, cycle] = used + len(e) + np.arange(len(edge))
    pair, k = np.nonzero(cycles[a])
    put(row[pair] + 2, number[e[pair], k], -2.0 * cycles[a[pair], k])
    return used + len(e) + len(edge), right_side.ravel()


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
    try:
        solution = api.DefaultSolver(no_quadratic, cost, A, right_side, cone_list, options).solve()
    except BaseException as error:
        # a panic of the Rust library is no Exception, and its class cannot be imported
        if type(error).__name__ != "PanicException":
            raise
        raise RuntimeError(f"the solver panicked: {error}") from error
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
