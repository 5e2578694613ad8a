"""Primal-dual interior point in the space of the edges: dense, any rank, up to some thousand edges.

Minimise ``c'w``, with edge costs c, subject to ``L(w) >= s I`` on the vectors of zero sum, ``w >= 0`` and,
for the communication criterion, ``C_e(w) = 1/R_e(w) >= 1/s`` for all edges (s = 1 otherwise), and with bounds
of the rates also ``A w <= b``. Bounds fix the scale of the rates, so that for the algebraic connectivity s
is then raised instead, and ``c'w <= 1`` is one more row of ``A w <= b``. A conductance is a concave function
of the rates, linear on a bridge, where the resistance ``1/w`` would defeat Newton's method. With multipliers
X, p, v, q and slacks c of the conductances, g of the bounds, eliminating all but w and s from Newton's
equations leaves an m x m system

    H = X_E o S_E + V2 diag(p/c) V2' + 2 T o (T diag(p/R^2) T) - 2 T2 diag(p/R^3) T2
        + A' diag(v/g) A + diag(q/w)

with ``S = (L - sI)^-1``, ``M_E = B'MB`` for a matrix M, ``T = B'L^+B``, ``T2 = T o T``, ``V2 = T2
diag(1/R^2)`` (derived; the semidefinite part is the direction of Helmberg, Rendl, Vanderbei & Wolkowicz,
SIAM J. Optim. 1996). So an iteration costs O(m^3) instead of the O(n^6) of a generic solver. Steps are
Mehrotra's predictor and corrector.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...kernels import checks
from ..deadline import OutOfTime
from ..graph import Graph
from .connectivity import proven_connectivity
from .dense import EdgeMatrices, Pace, ScaledCholesky, room, top_eigenvalue
from .duals import Proposal, best_balance, communication_bound
from .edges import largest_step
from .limits import Limits

__all__ = ["propose", "size_limit"]

Array = NDArray[np.float64]

# Memory is about 6 m^2 numbers, work m^3 for each of some 20 to 40 iterations.
PRACTICAL_EDGES, FEASIBLE_EDGES = 5000, 12000
_STEPS = 80
_PATIENCE = 8  # iterations without progress before rounding is held to have taken over
_SECONDS = 2e-11  # of half an iteration, times m^3
_ROUNDING = 9e-10  # most of what the bounds forgive: it is left to those who compute the scale again


def size_limit(graph: Graph, criterion: str, *, practical: bool) -> str:
    """Say why the graph is too large for the practical (or the feasible) limit; empty if it is not."""
    limit = PRACTICAL_EDGES if practical else FEASIBLE_EDGES
    if graph.n_edges > limit:
        return f"the graph has {graph.n_edges} edges, and the limit is {limit}"
    return ""


def propose(
    graph: Graph, criterion: str, attempt: int, tol: float, deadline: float, limits: Limits
) -> Proposal:
    """Optimise ``"communication"`` or ``"algebraic_connectivity"``.

    Parameters
    ----------
    graph : Graph
        Connected, at least two nodes.
    criterion : str
        What to optimise.
    attempt : int
        0, there is one way only.
    tol : float
        Relative gap at which to stop.
    deadline : float
        Value of ``time.monotonic()`` at which to stop.
    limits : Limits
        The edge costs and the bounds.

    Returns
    -------
    Proposal
        The best rates, and the dual object of the best bound.
    """
    n, m = graph.n_nodes, graph.n_edges
    checks.require_memory(
        8 * (6 * m * m + 20 * n * n),
        f"method 'barrier' on {n} nodes and {m} edges, with matrices ({m}, {m}),",
        "use method='lowrank' or criterion='max_resistance', which need none",
    )
    return _Solver(graph, criterion == "communication", limits).run(tol, deadline)


@dataclass
class _Direction:
    """Change of all variables."""

    w: Array
    s: float
    q: Array
    p: Array = field(default_factory=lambda: np.zeros(0))
    slack: Array = field(default_factory=lambda: np.zeros(0))
    Z: Array = field(default_factory=lambda: np.zeros((0, 0)))
    X: Array = field(default_factory=lambda: np.zeros((0, 0)))


class _Solver(EdgeMatrices):
    """The iterates; matrices on the zero-sum vectors are kept as n x n ones whose rows sum to zero."""

    def __init__(self, graph: Graph, with_resistances: bool, limits: Limits):
        super().__init__(graph)
        self.limits, self.unit = limits, float(limits.costs.mean())
        self.costs = limits.costs / self.unit
        self.graph, self.with_resistances = graph, with_resistances
        n, m = self.space.n, self.space.m
        self.rows, self.right = limits.rows(with_cost=not with_resistances)
        self.raising = not with_resistances and limits.has_bounds  # s is what is optimised
        self.w = 0.5 * limits.shares() if self.raising else np.ones(m)
        P = self.inverse(self.laplacian(self.w))
        l2, resistances = 1.0 / top_eigenvalue(P), np.diag(self.on_edges(P))
        # a point inside: lambda_2 > s > R; if need be beyond the bounds, whose slacks then disagree
        scale, self.s = 1.0, 0.5 * l2
        if with_resistances:
            scale = 1.5 * np.sqrt(resistances.max() / l2)
            self.s = float(np.sqrt(l2 * resistances.max()))
        elif not self.raising:
            scale, self.s = 1.5 / l2, 1.0
        self.w *= scale
        self.slack = np.maximum(self.right - self.rows @ self.w, 0.1 * self.right)
        self.k = 0  # number of conductances among the slacks; the bounds follow
        if with_resistances:
            self.k, self.slack = m, np.concatenate([scale / resistances - 1.0 / self.s, self.slack])
        self.size = n - 1 + m + len(self.slack)
        S = self.inverse(self.gap_matrix())
        mu = 1.0 / float(np.trace(S)) if self.raising else float(self.costs @ self.w) / self.size
        self.q, self.p, self.X = mu / self.w, mu / self.slack, mu * S

    def gap_matrix(self) -> Array:
        """``Z = L(w) - s I`` on the zero-sum vectors."""
        return self.laplacian(self.w) - self.s * (np.eye(self.space.n) - self.J)

    # ------------------------------------------------------------------ iterations

    def run(self, tol: float, deadline: float) -> Proposal:
        caps = self.limits.caps
        # within the bounds of the rates alone the largest rates serve, if any do
        best = Proposal(caps if np.isfinite(caps).all() else self.w, None, None)
        least, most, lowest, since = np.inf, -np.inf, np.inf, 0
        dearest = np.inf if self.raising else self.limits.cost(caps)
        pace = Pace(deadline, _SECONDS * self.space.m**3)
        for _ in range(_STEPS):
            try:
                pace.run("assemble", self.assemble)
                value, bound, dual = self.bounds()
                if value < least * (1.0 - 0.01 * tol):
                    least, since = value, 0
                    best = best._replace(rates=self.w)
                if bound > most * (1.0 + 0.01 * tol):
                    most, since = bound, 0
                    best = best._replace(Y=dual)
                    if self.with_resistances:
                        best = best._replace(p=self.p[: self.k], reference=self.w)
                # early bounds can be good by luck: while the products fall, or the slacks do not yet agree,
                # better ones are to come
                product = self.mean_product()
                if product < 0.9 * lowest and product * self.size > 0.1 * tol * least:
                    lowest, since = product, 0
                since += bool(np.abs(self.residual).max(initial=0.0) * self.s <= 0.01)
                if least <= most * (1.0 + 0.5 * tol) or since > _PATIENCE:
                    break
                if most > dearest * (1.0 + tol):  # no rates within the bounds meet the condition
                    break
                pace.run("advance", self.advance)
            except (np.linalg.LinAlgError, OutOfTime):  # rounding, or no time; what has been found stands
                break
        return best if best.Y is None else best._replace(Y=_factor(best.Y))

    def bounds(self) -> tuple[float, float, Array]:
        """Value of the rates, bound of the dual variables, and X."""
        if len(self.right):
            return self.bounds_within()
        total, l2 = float(self.costs @ self.w), 1.0 / top_eigenvalue(self.P)
        x = self.x / np.trace(self.X) / self.costs
        if not self.with_resistances:
            return total / l2, 1.0 / x.max(), self.X
        y = self.y / self.p.sum() / self.costs
        t = best_balance(x, y)
        return float(np.sqrt(self.R.max() / l2) * total), 2.0 / float(np.max(t * x + y / t)), self.X

    def bounds_within(self) -> tuple[float, float, Array]:
        """As :meth:`bounds`, of rates with bounds; the value of rates beyond them is infinite."""
        limits, w = self.limits, self.w
        p, prices = self.p[: self.k], limits.node_prices(self.p[self.k :])
        trace = float(np.trace(self.X))
        x = self.x / trace
        if self.raising:
            return top_eigenvalue(self.P) / limits.fit(w), 1.0 / limits.highest(x, prices / trace), self.X
        # with the lambda_2 that will be proven
        scale = float(np.sqrt(self.R.max() / proven_connectivity(self.graph, w)))
        value = scale * limits.cost(w) if limits.allow((1.0 + _ROUNDING) * scale * w) else np.inf
        y, prices = self.y / p.sum(), prices * self.unit
        t = float(np.sqrt(trace / p.sum()))
        return value, communication_bound(limits, x, y, t, prices), self.X

    def assemble(self) -> None:
        """Factor the system at the point."""
        w, s, p = self.w, self.s, self.p[: self.k]
        self.P = self.inverse(self.laplacian(w))
        self.Z = self.gap_matrix()
        self.S = self.inverse(self.Z)
        self.XS = self.X @ self.S
        H = self.on_edges(self.X)
        self.x = np.diag(H).copy()
        H *= self.on_edges(self.S)
        self.border = -self.at_edges(0.5 * (self.XS + self.XS.T))
        self.corner = float(np.trace(self.XS))
        if self.with_resistances:
            T = self.on_edges(self.P)
            self.R = np.diag(T).copy()
            curvature = self.on_edges(self.P @ self.laplacian(p / self.R**2) @ self.P)
            curvature *= 2.0 * T
            H += curvature
            del curvature
            self.T2 = np.square(T, out=T)
            self.y = self.T2 @ (p / self.R**2)
            ratio = p / self.slack[: self.k]
            _add_congruence(H, self.T2, ratio / self.R**4 - 2.0 * p / self.R**3)
            self.border += self.T2 @ (ratio / self.R**2) / s**2
            self.corner += float(ratio.sum()) / s**4 + 2.0 * float(p.sum()) / s**3
        H[np.diag_indices_from(H)] += self.q / w
        values = 1.0 / self.R - 1.0 / s if self.with_resistances else np.zeros(0)
        if len(self.right):
            values = np.concatenate([values, self.right - self.rows @ w])
            weight = (self.p / self.slack)[self.k :]
            added = (self.rows.T @ (self.rows * weight[:, None])).tocoo()
            H[added.row, added.col] += added.data
        self.residual = values - self.slack
        self.H = H

    def direction(self, mu: float, second: _Direction | None = None) -> _Direction:
        """Newton's direction towards complementary products mu, less the second-order terms."""
        w, s = self.w, self.s
        right = mu * self.at_edges(self.S) - (0.0 if self.raising else self.costs)
        products_q = products_p = mu
        twist, trace, ds = 0.0, 0.0, 0.0
        if second is not None:
            product = second.X @ second.Z @ self.S
            twist = 0.5 * (product + product.T)
            trace = float(np.trace(twist))
            right -= self.at_edges(twist)
            products_q, products_p = mu - second.q * second.w, mu - second.p * second.slack
        right += products_q / w
        force = (products_p - self.p * self.residual) / self.slack
        gain = 1.0  # of s
        if self.with_resistances:
            right += self.T2 @ (force[: self.k] / self.R**2)
            gain = float(force[: self.k].sum()) / s**2
        if len(self.right):
            right -= self.rows.T @ force[self.k :]
        dw = self.system.solve(right)
        if self.with_resistances or self.raising:
            bottom = gain - mu * float(np.trace(self.S)) + trace
            ds = (bottom - float(self.border @ dw)) / (self.corner - float(self.border @ self.column))
            dw -= ds * self.column
        dZ = self.laplacian(dw) - ds * (np.eye(self.space.n) - self.J)
        A = self.X @ dZ @ self.S
        dX = mu * self.S - self.X - 0.5 * (A + A.T) - twist
        found = _Direction(dw, ds, products_q / w - self.q - self.q / w * dw, Z=dZ, X=dX)
        change = (self.T2 @ dw) / self.R**2 + ds / s**2 if self.with_resistances else np.zeros(0)
        if len(self.right):
            change = np.concatenate([change, -(self.rows @ dw)])
        found.slack = change + self.residual
        found.p = (products_p - self.p * found.slack) / self.slack - self.p
        return found

    def lengths(self, d: _Direction, fraction: float) -> tuple[float, float]:
        """Primal and dual steps, a fraction of those to the boundary and at most one."""
        primal = min(largest_step(self.w, d.w), largest_step(self.slack, d.slack), room(self.LZ, d.Z))
        if d.s < 0:
            primal = min(primal, -self.s / d.s)
        dual = min(largest_step(self.q, d.q), largest_step(self.p, d.p), room(self.LX, d.X))
        return min(1.0, fraction * primal), min(1.0, fraction * dual)

    def product(self, d: _Direction, a: float, b: float) -> float:
        """Mean complementary product after primal step a and dual step b."""
        total = np.sum((self.X + b * d.X) * (self.Z + a * d.Z)) + (self.q + b * d.q) @ (self.w + a * d.w)
        total += (self.p + b * d.p) @ (self.slack + a * d.slack)
        return float(total) / self.size

    def mean_product(self) -> float:
        """Mean complementary product."""
        return float(np.sum(self.X * self.Z) + self.q @ self.w + self.p @ self.slack) / self.size

    def advance(self) -> None:
        """Predict, correct, move."""
        self.system = ScaledCholesky(self.H)
        self.column = self.system.solve(self.border)
        self.LZ, self.LX = self.cholesky(self.Z), self.cholesky(self.X)
        predictor = self.direction(0.0)
        a, b = self.lengths(predictor, 1.0)
        now = self.mean_product()
        after = max(self.product(predictor, a, b), 0.0)
        centring = min(1.0, after / now) ** max(1.0, 3.0 * min(a, b) ** 2)
        d = self.direction(max(centring, 1e-3) * now, predictor)
        a, b = self.lengths(d, 0.95)
        self.w, self.s, self.slack = self.w + a * d.w, self.s + a * d.s, self.slack + a * d.slack
        self.q, self.p = self.q + b * d.q, self.p + b * d.p
        self.X = self.X + b * d.X
        self.X = 0.5 * (self.X + self.X.T)


def _add_congruence(H: Array, A: Array, d: Array) -> None:
    """Add ``A diag(d) A`` for symmetric A to H, at half the cost of a product."""
    from scipy.linalg import get_blas_funcs

    update: Any = get_blas_funcs("syrk", (H,))
    for sign in (1.0, -1.0):
        chosen = sign * d > 0
        if chosen.any():
            root = A[chosen] * np.sqrt(np.abs(d[chosen]))[:, None]
            # only one triangle is filled
            lower = update(sign, root.T, trans=0, lower=0)
            upper = np.triu(lower, 1)
            H += upper
            H += upper.T
            H[np.diag_indices_from(H)] += np.diag(lower)


def _factor(X: Array) -> Array:
    """Factor Y of ``X = Y Y'``, without the directions that hold next to nothing of the trace."""
    values, vectors = np.linalg.eigh(X)
    kept = values > 1e-12 * values[-1]
    return vectors[:, kept] * np.sqrt(values[kept])
