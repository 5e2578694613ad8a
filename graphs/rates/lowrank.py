"""Matrix-free primal-dual interior point with a dual matrix of low rank: sparse graphs of 10^3 nodes and up.

Minimise ``sum w`` subject to ``L(w) >= s I`` on the vectors of zero sum, ``C_e(w) = 1/R_e(w) >= 1/s`` for
all edges and ``w >= 0``, as `barrier` does. With multipliers X, p and q, and slacks c of the conductances,
eliminating all but w and s from Newton's equations leaves the positive definite matrix

    H = X_E o S_E + V2 diag(p/c) V2' + 2 T o (T diag(p/R^2) T) - 2 T2 diag(p/R^3) T2 + diag(q/w)

(notation of `barrier`). Its products with a vector are first and second derivatives of a selected inverse,
so nothing dense of order n or m is formed. X has low rank, ``X = U diag(xi) U'``: after each step its
leading eigenvectors are kept; the barrier holds back the k lowest eigenvalues of L(w) only, since the
others are far from s. The conjugate gradients are preconditioned by the diagonal and the part of H on these
eigenvectors (Woodbury). All this is derived.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...kernels.sparse import elimination_work
from ..deadline import OutOfTime, require_time
from ..graph import Graph
from . import unfolding
from .duals import Proposal, best_balance
from .edges import EdgeSpace, conjugate_gradients, largest_step
from .limits import Limits
from .multiplicative import resistance_design

Array = NDArray[np.float64]

__all__ = ["propose", "size_limit"]

RANK = 40  # eigenvectors held back by the barrier; the optimal X of planar-like graphs has rank 2 to 8
_KEPT = 60  # rank of X on the way
# Multiplications of one elimination. A product with H takes some ten times as many, and there are some
# thousand: heavy graphs get them only if there is a time limit. The unfolding has 27 times the work.
_HEAVY, PRACTICAL_WORK, FEASIBLE_WORK = 5e8, 2e8, 3e10
_WOODBURY = 14  # of the eigenvectors, in the preconditioner
_SWEEPS = 6  # of subspace iteration at each step
_MOST = 400  # conjugate gradient iterations
_STEPS = 60
_GROWTH = 3.0  # of a rate in one step, relative: edges that matter little have next to no curvature
_PATIENCE = 6  # iterations without progress


def size_limit(graph: Graph, criterion: str, *, practical: bool) -> str:
    """Say why the graph is too large for the practical (or the feasible) limit; empty if it is not."""
    limit = FEASIBLE_WORK if criterion == "communication" or not practical else PRACTICAL_WORK
    work = elimination_work(graph.n_nodes, graph.edges)
    if work > limit:
        return f"one elimination takes {work:.1e} multiplications, and the limit is {limit:.0e}"
    return ""


def propose(
    graph: Graph, criterion: str, attempt: int, tol: float, deadline: float, limits: Limits
) -> Proposal:
    """Optimise a criterion of lambda_2; arguments as in :func:`.barrier.propose`, but equal costs."""
    if criterion == "algebraic_connectivity":
        return unfolding.propose(graph, tol, deadline)
    space = EdgeSpace(graph, deadline)
    start = resistance_design(space, 1e-2)
    best = Proposal(start, None, None)
    least, most, since = np.inf, 0.0, 0
    stays = np.isinf(deadline) and elimination_work(graph.n_nodes, graph.edges) > _HEAVY
    try:
        point = _Point(space, 0.9 * start + 0.1 / space.m)
        for _ in range(_STEPS):
            at = _Newton(point)
            value, bound = at.bounds()
            if value < least:
                least, best = value, best._replace(rates=point.w)
            since = 0 if bound > most else since + 1
            if bound > most:
                most, best = bound, best._replace(Y=point.factor(), p=point.p, reference=point.w)
            if least <= most * (1.0 + 0.8 * tol) or since > _PATIENCE or stays or not at.advance(tol):
                break
    except OutOfTime:
        pass  # what has been found stands
    return best


class _Point:
    """Primal and dual variables."""

    def __init__(self, space: EdgeSpace, w: Array):
        self.space = space
        n, m = space.n, space.m
        k = min(RANK, n - 1)
        start = np.random.default_rng(n).standard_normal((n, k))
        values, self.V = space.lowest(w, start, 10)
        R = space.at_edges(space.grounded(w))
        # lambda_2 > s > R with room on both sides
        scale = 1.5 * np.sqrt(R.max() / values[0])
        self.s = float(np.sqrt(values[0] * R.max()))
        self.w, self.values = scale * w, scale * values
        self.size = 2 * m + k  # complementary pairs
        mu = self.w.sum() / self.size
        self.U, self.xi = self.V, mu / (self.values - self.s)
        self.q = mu / self.w
        self.slack = scale / R - 1.0 / self.s
        self.p = mu / self.slack

    def factor(self) -> Array:
        """Y with ``Y Y' = X``."""
        return self.U * np.sqrt(self.xi)


@dataclass
class _Step:
    """A direction of all variables but X, towards complementary products mu."""

    mu: float
    w: Array
    s: float
    q: Array
    p: Array
    slack: Array


class _Correction:
    """Second-order terms of the complementary products along a step (Mehrotra)."""

    def __init__(self, at: "_Newton", step: _Step):
        z, space = at.point, at.space
        self.q, self.p = step.q * step.w, step.p * step.slack
        # dX dZ S with dX = -X - (X dZ S + S dZ X)/2: a product of thin factors
        self.Y = at.solve(at.change_of_gap(step, z.U))
        self.Y2 = at.solve(at.change_of_gap(step, self.Y))
        X = z.U * z.xi
        self.left = np.hstack([X, X, self.Y * z.xi])
        self.right = -np.hstack([self.Y, 0.5 * self.Y2, 0.5 * self.Y])
        self.x = np.sum(space.differences(self.left) * space.differences(self.right), axis=1)
        self.trace = float(np.sum(self.left * self.right))


class _Newton:
    """Newton's equations at a point."""

    def __init__(self, point: _Point):
        self.point = point
        z = point
        self.space = space = z.space
        self.F = space.differences(z.V)
        self.E = space.differences(z.U)
        self.x = (self.E**2) @ z.xi
        self.Z = space.grounded(z.w)
        self.R = space.at_edges(self.Z)
        self.along_p = self.Z.derivative(*space.laplacian(z.p / self.R**2))
        self.y = -space.at_edges(self.along_p)
        self.gap = self.E.T @ (z.w[:, None] * self.E) - z.s * np.eye(len(z.xi))  # U'ZU
        self.mu = float(z.xi @ np.diag(self.gap) + z.q @ z.w + z.p @ z.slack) / z.size

    def bounds(self) -> tuple[float, float]:
        """Value of the rates, and the bound of the dual variables."""
        z = self.point
        x, y = self.x / z.xi.sum(), self.y / z.p.sum()
        t = best_balance(x, y)
        return float(np.sqrt(self.R.max() / z.values[0]) * z.w.sum()), 2.0 / float(np.max(t * x + y / t))

    def advance(self, tol: float) -> bool:
        """Predict, correct, move; whether there was any progress."""
        z = self.point
        self._prepare()
        # the residual of Newton's equations weakens the bound as much as the complementary products do
        accuracy = 0.1 * min(1.0, max(self.mu * z.size / z.w.sum(), 0.3 * tol))
        predictor = self._direction(0.0, max(3.0 * accuracy, 0.01))
        a, b = self._lengths(predictor, None, 4)
        a, b = min(a, 1.0), min(b, 1.0)
        after = max(self._mean_product(predictor, a, b), 0.0)
        centring = max(1e-3, min(1.0, after / self.mu) ** max(1.0, 3.0 * min(a, b) ** 2))
        correction = _Correction(self, predictor)
        mu = centring * self.mu
        step = self._direction(mu, accuracy * min(1.0, max(centring, 0.1)), correction)
        a, b = self._safe_lengths(step, correction)
        if min(a, b) < 0.01:  # only towards the central path
            correction = None
            step = self._direction(self.mu, accuracy, correction)
            a, b = self._safe_lengths(step, correction)
        self._move(step, correction, a, b)
        return max(a, b) > 1e-4

    # ------------------------------------------------------------------ the system

    def solve(self, b: Array) -> Array:
        """``S b`` for columns of zero sum."""
        require_time(self.space.deadline)
        x = self.S.solve(b)
        return x - x.mean(axis=0)

    def change_of_gap(self, step: _Step, A: Array) -> Array:
        """``dZ A = L(dw) A - ds A`` for columns of zero sum."""
        return self.incidence @ (step.w[:, None] * self.space.differences(A)) - step.s * A

    def _prepare(self) -> None:
        """Assemble what the products with H need."""
        z, space, R = self.point, self.space, self.R
        F, w, s = self.F, z.w, z.s
        self.incidence = space.divergences()
        self.S = space.shifted(w, s)
        SU = self.solve(z.U)
        self.c = c = 1.0 / np.maximum(z.values - s, 1e-14 * s)
        self.residual = 1.0 / R - 1.0 / s - z.slack
        large = z.xi > 1e-6 * z.xi.max()
        self._values, self._G = z.xi[large], self.E[:, large]
        ratio = z.p / z.slack
        self._curvature = ratio / R**4 - 2.0 * z.p / R**3
        self._border = space.squares(self.Z, ratio / R**2) / s**2 - (self.E * space.differences(SU)) @ z.xi
        active = float(np.sum(z.U * SU, axis=0) @ z.xi)
        self._corner = float(active + ratio.sum() / s**4 + 2.0 * z.p.sum() / s**3)
        # the part of S beyond the kept eigenvectors counts on the diagonal only
        rest = np.maximum(space.at_edges(self.S) - (F**2) @ c, 0.0)
        corner = max(self._corner - active, 1e-3 * self._corner)
        self._D = np.append(z.q / w + ratio + rest * self.x, corner)
        self._precondition()

    def _precondition(self) -> None:
        from scipy.linalg import cho_factor

        z = self.point
        k = min(_WOODBURY, len(z.values))
        a, b = np.triu_indices(k)
        scale = np.where(a == b, 1.0, np.sqrt(2.0))
        U = np.vstack([self.F[:, a] * self.F[:, b] * scale, -(a == b).astype(float)])
        inside = z.V[:, :k].T @ z.U
        core = _symmetric_kronecker((inside * z.xi) @ inside.T, np.diag(self.c[:k]), a, b, scale)
        values, rotation = np.linalg.eigh(core)
        U = U @ (rotation * np.sqrt(np.maximum(values, 0.0)))
        self._U = U / self._D[:, None]
        self._core = cho_factor(np.eye(U.shape[1]) + U.T @ self._U)

    def _preconditioned(self, r: Array) -> Array:
        from scipy.linalg import cho_solve

        return r / self._D - self._U @ cho_solve(self._core, self._U.T @ r)

    def _product(self, v: Array) -> Array:
        z, space = self.point, self.space
        dw, ds = v[:-1], v[-1]
        flows = self.S.solve(self.incidence @ (self._G * dw[:, None]))
        out = (self._G * space.differences(flows)) @ self._values + z.q / z.w * dw
        require_time(space.deadline)
        first, *second = self.Z.second_derivative(self.along_p, *space.laplacian(dw))
        out += space.between(*second)
        out -= space.squares(self.Z, self._curvature * space.at_edges(first))
        return np.append(out + self._border * ds, self._border @ dw + self._corner * ds)

    def _direction(self, mu: float, tolerance: float, correction: _Correction | None = None) -> _Step:
        """Newton's direction towards complementary products `mu`."""
        z, space, R = self.point, self.space, self.R
        right = -1.0 + mu * ((self.F**2) @ self.c)
        bottom = -mu * float(self.c.sum())
        products_q = products_p = mu
        if correction is not None:
            right -= correction.x
            bottom += correction.trace
            products_q, products_p = mu - correction.q, mu - correction.p
        force = (products_p - z.p * self.residual) / z.slack
        right += products_q / z.w + space.squares(self.Z, force / R**2)
        bottom += float(force.sum()) / z.s**2
        v, _ = conjugate_gradients(
            self._product, np.append(right, bottom), self._preconditioned, tolerance, _MOST, space.deadline
        )
        dw, ds = v[:-1], float(v[-1])
        dslack = space.squares(self.Z, dw) / R**2 + ds / z.s**2 + self.residual
        dq = products_q / z.w - z.q - z.q / z.w * dw
        return _Step(mu, dw, ds, dq, (products_p - z.p * dslack) / z.slack - z.p, dslack)

    # ------------------------------------------------------------------ steps

    def _dual_room(self, step: _Step, correction: _Correction | None) -> float:
        """Largest b with ``X + b dX >= 0`` on the range of X."""
        z = self.point
        inside = z.V.T @ z.U
        change = step.mu * (inside.T * self.c) @ inside - np.diag(z.xi)
        change -= z.xi[:, None] * (z.U.T @ self.solve(self.change_of_gap(step, z.U))).T
        if correction is not None:
            change -= (z.U.T @ correction.left) @ (correction.right.T @ z.U)
        root = np.sqrt(z.xi)
        lowest = float(np.linalg.eigvalsh(_symmetric(change / root) / root[:, None])[0])
        return -1.0 / lowest if lowest < 0 else np.inf

    def _lengths(self, step: _Step, correction: _Correction | None, tests: int) -> tuple[float, float]:
        """Largest primal and dual steps that stay feasible, up to 2."""
        z = self.point
        primal = 0.999 * min(2.0, largest_step(z.w, step.w), largest_step(z.slack, step.slack))
        if step.s < 0:
            primal = min(primal, -0.999 * z.s / step.s)

        def feasible(a: float) -> bool:
            return self.space.is_above(z.w + a * step.w, z.s + a * step.s)

        if not feasible(primal):
            low, high = 0.0, primal
            for _ in range(tests):
                middle = 0.5 * (low + high)
                low, high = (middle, high) if feasible(middle) else (low, middle)
            primal = low
        dual = min(2.0, largest_step(z.q, step.q), largest_step(z.p, step.p))
        return primal, min(dual, self._dual_room(step, correction))

    def _safe_lengths(self, step: _Step, correction: _Correction | None) -> tuple[float, float]:
        """Steps that leave some room, and no conductance far below its linear prediction."""
        z, space = self.point, self.space
        # a short step that ended close to the boundary would make the next ones shorter still
        a, b = (min(1.0, (0.95 if x > 0.5 else 0.6) * x) for x in self._lengths(step, correction, 7))
        a = min(a, largest_step(z.w, -step.w / _GROWTH))
        for _ in range(20):
            R = space.at_edges(space.grounded(z.w + a * step.w))
            true = 1.0 / R - 1.0 / (z.s + a * step.s)
            if np.all(true >= 0.1 * (z.slack + a * step.slack)):
                break
            a *= 0.7
        return a, b

    def _mean_product(self, step: _Step, a: float, b: float) -> float:
        """Mean complementary product after primal step a and dual step b."""
        z = self.point
        Z = self.gap + a * _symmetric(z.U.T @ self.change_of_gap(step, z.U))
        Y = z.U.T @ self.solve(self.change_of_gap(step, z.U))
        X = (1.0 - b) * np.diag(z.xi) - b * _symmetric(z.xi[:, None] * Y.T)
        total = np.sum(X * Z) + (z.q + b * step.q) @ (z.w + a * step.w)
        return float(total + (z.p + b * step.p) @ (z.slack + a * step.slack)) / z.size

    def _move(self, step: _Step, correction: _Correction | None, a: float, b: float) -> None:
        z, space = self.point, self.space
        z.w, z.s, z.slack = z.w + a * step.w, z.s + a * step.s, z.slack + a * step.slack
        z.q, z.p = z.q + b * step.q, z.p + b * step.p
        # X + b dX as a sum of thin products, on an orthonormal basis of them all
        U, X, V = z.U, z.U * z.xi, z.V
        Y = self.solve(self.change_of_gap(step, U))
        parts = [((1.0 - b) * X, U), (b * step.mu * V * self.c, V), (-b * X, Y)]
        spanning = [U, V, Y]
        if correction is not None:
            parts.append((-b * correction.left, correction.right))
            spanning += [correction.Y, correction.Y2]
        basis, _ = np.linalg.qr(np.hstack(spanning))
        core = sum((basis.T @ A) @ (B.T @ basis) for A, B in parts)
        xi, rotation = np.linalg.eigh(_symmetric(np.asarray(core)))
        kept = slice(max(0, len(xi) - _KEPT), None)
        z.xi = np.maximum(xi[kept], 1e-9 * xi[-1])
        U = basis @ rotation[:, kept]
        z.U = U - U.mean(axis=0)
        z.values, z.V = space.lowest(z.w, z.V, _SWEEPS)


def _symmetric(A: Array) -> Array:
    return 0.5 * (A + A.T)


def _symmetric_kronecker(A: Array, B: Array, a: NDArray[np.intp], b: NDArray[np.intp], scale: Array) -> Array:
    """Matrix of ``M -> (A M B + B M A) / 2`` on scaled upper triangles."""

    def part(P: Array, Q: Array) -> Array:
        return P[np.ix_(a, a)] * Q[np.ix_(b, b)] + P[np.ix_(a, b)] * Q[np.ix_(b, a)]

    return 0.25 * (part(A, B) + part(B, A)) * np.outer(scale, scale)
