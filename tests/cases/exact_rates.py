"""What rates attain, in exact rational arithmetic, and hostile rates, dual objects and bounds to try it on.

Floats are rationals. Eigenvalues are not: whether one is below a rational is decided by the pivots of an
exact elimination.
"""

from fractions import Fraction

import numpy as np

from gossamer import graphs
from gossamer.graphs.rates.limits import Limits


def rationals(values):
    return [Fraction(float(v)) for v in values]


def laplacian(graph, w):
    """L(w), as lists of Fractions."""
    n = graph.n_nodes
    L = [[Fraction(0)] * n for _ in range(n)]
    for (i, j), rate in zip(graph.edges.tolist(), w, strict=True):
        L[i][i] += rate
        L[j][j] += rate
        L[i][j] -= rate
        L[j][i] -= rate
    return L


def inverse(A):
    """By Gauss and Jordan, for a matrix whose leading minors are positive."""
    n = len(A)
    rows = [list(row) + [Fraction(int(i == j)) for j in range(n)] for i, row in enumerate(A)]
    for k in range(n):
        pivot = rows[k][k]
        rows[k] = [x / pivot for x in rows[k]]
        for i in range(n):
            if i != k and rows[i][k]:
                factor = rows[i][k]
                rows[i] = [x - factor * y for x, y in zip(rows[i], rows[k], strict=True)]
    return [row[n:] for row in rows]


def is_semidefinite(A):
    """Whether a symmetric rational matrix is positive semidefinite."""
    A = [list(row) for row in A]
    while A:
        pivot, *row = A[0]
        if pivot < 0 or (pivot == 0 and any(row)):
            return False
        rest = [line[1:] for line in A[1:]]
        if pivot:
            for i, x in enumerate(row):
                for j, y in enumerate(row):
                    rest[i][j] -= x * y / pivot
        A = rest
    return True


def on_zero_sum(A):
    """The quadratic form of A on the vectors e_k - e_last, a basis of those of zero sum."""
    last = len(A) - 1
    return [[A[i][j] - A[i][last] - A[last][j] + A[last][last] for j in range(last)] for i in range(last)]


class Exact:
    """Everything about rates of a graph, exactly.

    `largest` resistance and `trace` of the pseudo-inverse are Fractions; `connects_above(s)` decides whether
    lambda_2 >= s.
    """

    def __init__(self, graph, rates):
        self.graph, self.w = graph, rationals(rates)
        n = graph.n_nodes
        self.L = laplacian(graph, self.w)
        G = inverse([row[:-1] for row in self.L[:-1]])
        G = [[*row, Fraction(0)] for row in G] + [[Fraction(0)] * n]
        self.largest = max(G[i][i] + G[j][j] - 2 * G[i][j] for i, j in graph.edges.tolist())
        self.trace = sum(G[k][k] for k in range(n)) - sum(map(sum, G)) / n

    def connects_above(self, s):
        shifted = [[x - (s if i == j else 0) for j, x in enumerate(row)] for i, row in enumerate(self.L)]
        return is_semidefinite(on_zero_sum(shifted))

    def fit(self, limits):
        """Largest a with a w of cost at most one and within the bounds."""
        return min(1 / self.cost(limits), self.room(limits))

    def cost(self, limits):
        return sum(c * w for c, w in zip(rationals(limits.costs), self.w, strict=True))

    def room(self, limits):
        """Largest a with a w within the bounds, 1e400 without any."""
        room = [Fraction(float(u)) / w for u, w in zip(limits.upper, self.w, strict=True) if w and u < np.inf]
        for i, budget in enumerate(limits.nodes):
            load = sum(w for (a, b), w in zip(self.graph.edges.tolist(), self.w, strict=True) if i in (a, b))
            if budget < np.inf and load:
                room.append(Fraction(float(budget)) / load)
        return min(room, default=Fraction(10) ** 400)


_MORE = 1 + Fraction(1, 10**40)  # equality is no violation


def false_bounds(graph, rates, certificate, given, others):
    """Which of the bounds of `verify_rates` are false, NaN counted: of these rates and of the others.

    `given` are the arguments for costs and bounds of the rates.
    """
    limits, criterion = Limits(graph, **given), certificate.criterion
    bounds = graphs.verify_rates(graph, rates, certificate, **given)
    if np.isnan(bounds).any():
        return ["nan"]
    own, lower, upper = Exact(graph, rates), bounds.lower, bounds.upper
    false = []
    if criterion == "algebraic_connectivity":
        fit = own.fit(limits)
        if lower > 0 and not own.connects_above(Fraction(lower) / fit):
            false.append("lower")
        return false + [
            "upper"
            for v in (own, *others)
            if upper < np.inf and v.connects_above(Fraction(upper) / v.fit(limits) * _MORE)
        ]
    if criterion == "communication":
        # cost^2 = R cost(w)^2 / lambda_2, at the scale a with a^2 = R / lambda_2
        if upper < np.inf and not own.connects_above(
            own.largest * own.cost(limits) ** 2 / Fraction(upper) ** 2
        ):
            false.append("upper")
        for v in (own, *others):
            is_within = v.connects_above(v.largest / v.room(limits) ** 2)
            if not is_within or lower <= 0:
                continue
            if lower == np.inf or v.connects_above(
                v.largest * (v.cost(limits) / Fraction(lower)) ** 2 * _MORE
            ):
                false.append("lower")
        return false

    def value(v):
        attained = v.largest if criterion == "max_resistance" else graph.n_nodes * v.trace
        return attained / v.fit(limits)

    if upper < np.inf and Fraction(upper) < value(own):
        false.append("upper")
    return false + ["lower" for v in (own, *others) if lower == np.inf or Fraction(lower) > value(v)]


def has_slem_below(graph, weights, s):
    """Whether the second eigenvalue modulus of I - L(weights) is at most s: -s C <= C - L <= s C."""
    L = laplacian(graph, rationals(weights))
    return all(
        is_semidefinite(
            on_zero_sum(
                [[(s - sign) * (i == j) + sign * x for j, x in enumerate(row)] for i, row in enumerate(L)]
            )
        )
        for sign in (1, -1)
    )


def false_mixing_bounds(graph, weights, certificate, best):
    """Which of the bounds of `verify_mixing` are false, where the weights `best` are allowed."""
    bounds = graphs.verify_mixing(graph, weights, certificate)
    if np.isnan(bounds).any():
        return ["nan"]
    false = []
    if bounds.upper < np.inf and not has_slem_below(graph, weights, Fraction(bounds.upper)):
        false.append("upper")
    if bounds.lower > 0 and has_slem_below(graph, best, Fraction(bounds.lower) / _MORE):
        false.append("lower")
    return false


# ---------------------------------------------------------------------- hostile cases


def hostile_graph(rng):
    """Small: paths, trees, cycles, random graphs, cliques joined by a thread, n = 2 and 3 often."""
    kind = rng.integers(9)
    if kind == 0:
        return graphs.path(2)
    if kind == 1:
        return graphs.path(3)
    if kind == 2:
        return graphs.complete(3)
    if kind == 3:
        return graphs.barbell(int(rng.integers(2, 4)))
    if kind == 4:
        return graphs.lollipop(3, int(rng.integers(1, 4)))
    if kind == 5:
        return graphs.cycle(int(rng.integers(3, 8)))
    if kind == 6:
        return graphs.barabasi_albert(int(rng.integers(3, 8)), 1, int(rng.integers(2**32)))
    n = int(rng.integers(4, 8))
    return graphs.erdos_renyi(n, min(1.0, 0.2 + 2.0 / n), int(rng.integers(2**32)))


def hostile_weights(rng, size, zeros=False):
    """Positive numbers over 0 to 60 decades: uniform in the logarithm, on two levels, equal but for one."""
    span = rng.choice([0.0, 1.0, 8.0, 16.0, 25.0, 30.0, 45.0, 60.0]) / 2.0
    kind = rng.integers(5)
    if kind == 0:
        exponents = rng.uniform(-span, span, size)
    elif kind == 1:
        exponents = rng.choice([-span, span], size)
    elif kind == 2:
        exponents = np.zeros(size)
        exponents[rng.integers(size)] = rng.choice([-2.0, 2.0]) * span
    elif kind == 3:
        exponents = rng.choice(rng.uniform(-span, span, 3), size)
    else:
        exponents = np.linspace(-span, span, size)
    w = 10.0 ** (exponents + rng.choice([0.0, -100.0, 100.0], p=[0.8, 0.1, 0.1]))
    if rng.integers(2):
        w *= rng.exponential(size=size) + 1e-3
    if zeros and size > 1:
        w[rng.random(size) < 0.2] = 0.0
    return w


def hostile_rates(rng, graph):
    """Rates that connect the graph; some of them zero."""
    while True:
        w = hostile_weights(rng, graph.n_edges, zeros=bool(rng.integers(3) == 0))
        active = w > 0
        if active.any() and graphs.Graph(graph.n_nodes, graph.edges[active]).is_connected:
            return w


def hostile_factor(rng, graph, w):
    """Y that is not constant: a constant one is refused, for it proves nothing."""
    while True:
        Y = _any_factor(rng, graph, w)
        if np.ptp(Y, axis=0).max() > 1e-12 * np.abs(Y).max():
            return Y


def _any_factor(rng, graph, w):
    """Y: random, one node against the rest, next to constant, over many decades, or of the rates."""
    n = graph.n_nodes
    kind = rng.integers(5)
    if kind == 0:
        return rng.standard_normal((n, int(rng.integers(1, 4))))
    if kind == 1:
        return np.eye(n)[:, [int(rng.integers(n))]]
    if kind == 2:
        return 1.0 + 10.0 ** rng.uniform(-9, 0) * rng.standard_normal((n, 1))
    if kind == 3:
        return hostile_weights(rng, n)[:, None] * rng.choice([-1.0, 1.0], (n, 1)) + np.eye(n)[:, :1]
    L = graphs.laplacian(graph, w / w.max()).toarray()
    return np.linalg.eigh(L)[1][:, 1:2]


def hostile_certificate(rng, criterion, graph, w):
    m = graph.n_edges
    Y = p = t = reference = prices = None
    if criterion in ("communication", "algebraic_connectivity"):
        Y = hostile_factor(rng, graph, w)
    if criterion in ("communication", "max_resistance") and rng.integers(4):
        p = rng.choice([0, 1, 2])
        p = [np.ones(m), np.eye(m)[int(rng.integers(m))], hostile_weights(rng, m, zeros=True) + 1e-200][p]
        t = 10.0 ** rng.uniform(-8, 8) if rng.integers(2) else None
        reference = hostile_rates(rng, graph) if rng.integers(2) else None
    if rng.integers(2):
        prices = hostile_weights(rng, graph.n_nodes, zeros=True)
    return graphs.Certificate(criterion, Y, p, t, reference, prices)


def hostile_limits(rng, graph):
    """Arguments of `gossip_rates` for costs and bounds."""
    limits = {}
    if rng.integers(3) == 0:
        limits["edge_costs"] = np.clip(hostile_weights(rng, graph.n_edges), 1e-45, 1e45)
    if rng.integers(3) == 0:
        upper = np.clip(hostile_weights(rng, graph.n_edges), 1e-45, 1e45)
        upper[rng.random(graph.n_edges) < 0.5] = np.inf
        limits["upper"] = upper
    if rng.integers(3) == 0:
        nodes = np.clip(hostile_weights(rng, graph.n_nodes), 1e-45, 1e45)
        nodes[rng.random(graph.n_nodes) < 0.5] = np.inf
        limits["node_budget"] = nodes
    return limits


def hostile_rates_case(seed):
    """Arguments of `false_bounds`, without the others."""
    rng = np.random.default_rng(seed)
    graph = hostile_graph(rng)
    w = hostile_rates(rng, graph)
    criterion = ["communication", "algebraic_connectivity", "max_resistance", "total_resistance"][seed % 4]
    given = hostile_limits(rng, graph) if rng.integers(2) else {}
    return graph, w, hostile_certificate(rng, criterion, graph, w), given


def hostile_mixing_case(seed, best):
    """Weights and dual object, random or near those of `best`, a result of `fastest_mixing`."""
    rng = np.random.default_rng(seed)
    graph, kind = best.graph, best.kind
    n, m = graph.n_nodes, graph.n_edges
    weights = [
        hostile_weights(rng, m) * rng.choice([-1.0, 1.0], m),
        rng.uniform(0.0, 1.0 / graph.degrees.max(), m),
        best.weights * (1.0 + 1e-12 * rng.standard_normal(m)),
        best.weights,
    ][rng.integers(4)]
    Y, y = best.certificate.Y, best.certificate.y
    if rng.integers(2):
        Y = Y * (1.0 + 10.0 ** rng.uniform(-16, 0) * rng.standard_normal((n, n)))
    else:
        Y = rng.standard_normal((n, n)) * np.clip(np.outer(*[hostile_weights(rng, n)] * 2), 1e-150, 1e150)
    if rng.integers(2):
        y = hostile_weights(rng, n, zeros=True) * rng.choice([-1.0, 1.0], n)
    return weights, graphs.MixingCertificate(kind, Y, y)
