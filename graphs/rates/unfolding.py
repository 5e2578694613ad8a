"""Fastest mixing by its dual, an embedding of the graph in few dimensions: for sparse geometric graphs.

The dual of the largest lambda_2 at sum one is maximum variance unfolding: place the nodes at ``Y_i`` in
R^k, as far from their mean as ``|Y_i - Y_j| <= 1`` on the edges allows (Sun, Boyd, Xiao & Diaconis, SIAM
Review 2006). With k at least the rank of the optimal dual matrix (Burer & Monteiro, Math. Programming 2003)
the multipliers of

    max |Y|^2 / 2   subject to   |d_e|^2 + s_e = 1,  s >= 0,   d_e = Y_i - Y_j

are the rates, up to scale: ``L(l) Y = Y``, and ``lambda_2 = 1 / sum l``. A primal-dual interior point
method solves this by Newton's equations on the n k coordinates, which are as sparse as the graph:

    H = L(l) (x) I + sum_e (2 l_e / s_e) b_e b_e' (x) d_e d_e' - (1 - delta) I,

with delta raised until H has exactly the k negative eigenvalues of the translations. Expander-like graphs,
whose dual matrices have a high rank, are out of its reach.
"""

import numpy as np
from numpy.typing import NDArray

from ...kernels.sparse.inverse import Pattern
from ..deadline import OutOfTime, require_time
from ..graph import Graph
from .duals import Proposal
from .edges import EdgeSpace, largest_step

__all__ = ["propose"]

Array = NDArray[np.float64]

_DIMENSIONS = 3  # at the beginning
_MOST_DIMENSIONS = 8
_STEPS = 150


def propose(graph: Graph, tol: float, deadline: float) -> Proposal:
    """Optimise ``"algebraic_connectivity"``; arguments as in :func:`.barrier.propose`."""
    space = EdgeSpace(graph, deadline)
    try:
        solver = _Solver(space, tol)
    except OutOfTime:
        return Proposal(np.ones(space.m), None, None)
    try:
        for step in range(_STEPS):
            solver.measure(proof=step % 5 == 4)
            if solver.gap <= tol:
                break
            if solver.has_converged():
                solver.measure(proof=True)
                if solver.gap <= tol or not solver.add_dimension():
                    break
            if not solver.advance():
                break
        solver.measure(proof=True)
    except OutOfTime:
        pass  # what has been found stands
    return solver.best


class _Solver:
    def __init__(self, space: EdgeSpace, tol: float):
        self.space, self.tol = space, tol
        n, m = space.n, space.m
        k = min(_DIMENSIONS, n - 1)
        start = np.random.default_rng(n).standard_normal((n, min(n - 1, k + 6)))
        values, vectors = space.lowest(np.ones(m), start, 20)
        self.vectors = vectors
        Y = vectors[:, :k] / np.sqrt(values[:k])
        self.Y = Y * np.sqrt(0.8 / np.max(np.sum(space.differences(Y) ** 2, axis=1)))
        self.best = Proposal(np.ones(m), self.Y, None)
        self.lower, self.upper = values[0] / m, np.inf
        self.delta = 1e-6
        self.penalty = 0.0
        self.restart(float(np.sum(self.Y**2)) / m)

    @property
    def gap(self) -> float:
        return self.upper / self.lower - 1.0

    def restart(self, mu: float) -> None:
        """Begin at the embedding with the barrier mu, on the pattern of its dimension."""
        space, k = self.space, self.Y.shape[1]
        lengths = np.sum(space.differences(self.Y) ** 2, axis=1)
        self.mu, self.s = mu, np.maximum(1.0 - lengths, 0.05)
        self.rates = mu / self.s
        self.steps = (1.0, 1.0)
        c, d = np.divmod(np.arange(k * k), k)
        self.inner = np.triu_indices(k, 1)
        nodes = np.arange(space.n)[:, None] * k
        blocks = np.column_stack([(space.i[:, None] * k + c).ravel(), (space.j[:, None] * k + d).ravel()])
        within = np.column_stack([(nodes + self.inner[0]).ravel(), (nodes + self.inner[1]).ravel()])
        self.pattern = Pattern(space.n * k, np.vstack([blocks, within]))

    def measure(self, proof: bool) -> None:
        """Update the residuals and the bounds; with `proof`, lambda_2 of the rates too."""
        space = self.space
        self.Y -= self.Y.mean(axis=0)
        self.d = space.differences(self.Y)
        self.lengths = np.sum(self.d**2, axis=1)
        self.c = 1.0 - self.lengths - self.s
        force = space.divergences() @ (self.rates[:, None] * self.d) - self.Y
        self.error = float(max(np.abs(force).max() / np.abs(self.Y).max(), np.abs(self.c).max()))
        self.complementarity = float(self.rates @ self.s) / self.rates.sum()
        upper = float(self.lengths.max() / np.sum(self.Y**2))
        if upper < self.upper:
            self.upper, self.best = upper, self.best._replace(Y=self.Y.copy())
        if proof:
            w = self.rates / self.rates.sum()
            values, self.vectors = space.lowest(w, self.vectors, 8)
            if values[0] > self.lower:
                self.lower, self.best = float(values[0]), self.best._replace(rates=w)

    def has_converged(self) -> bool:
        return max(self.complementarity, self.error) < 0.3 * self.tol

    def add_dimension(self) -> bool:
        """Go on with the eigenvector of the rates as one more coordinate, if that can help."""
        k = self.Y.shape[1]
        if k == min(_MOST_DIMENSIONS, self.space.n - 1):
            return False
        v = self.vectors[:, :1]
        v = 0.1 * v / np.abs(self.space.differences(v)).max()
        self.Y = np.hstack([0.98 * self.Y, v])
        self.restart(0.01 * float(np.sum(self.Y**2)) / self.space.m)
        self.measure(proof=False)
        return True

    def advance(self) -> bool:
        """One Newton step; whether it could be made."""
        tol, m = self.tol, self.space.m
        if self.error < 10.0 * max(self.complementarity, 0.1 * tol) or self.error < 0.3 * tol:
            factor = 0.1 if min(self.steps) > 0.9 else 0.3
            self.mu = max(self.mu * factor, 0.01 * tol * self.rates.sum() / m)
        system = self._factor()
        if system is None:
            return False
        space, k, rates, s, d = self.space, self.Y.shape[1], self.rates, self.s, self.d
        q = (self.mu - rates * self.c) / s
        right = self.Y - space.divergences() @ (q[:, None] * d)
        dY = system.solve((right - right.mean(axis=0)).ravel()).reshape(-1, k)
        dY -= dY.mean(axis=0)
        ds = self.c - 2.0 * np.sum(d * space.differences(dY), axis=1)
        dl = (self.mu - rates * s - rates * ds) / s
        a, b = (min(1.0, 0.99 * largest_step(x, dx)) for x, dx in ((s, ds), (rates, dl)))
        self.penalty = max(self.penalty, 0.75 * float(rates.max()))
        before = self._merit(self.Y, s)[0]
        value, Y, slack = self._merit(self.Y + a * dY, s + a * ds)
        for _ in range(25):
            if value <= before + 1e-9 * abs(before):
                break
            a *= 0.5
            value, Y, slack = self._merit(self.Y + a * dY, s + a * ds)
        self.Y, self.s = Y, slack
        self.rates = np.clip(rates + b * dl, 1e-5 * self.mu / slack, 1e5 * self.mu / slack)
        self.steps = (a, b)
        return True

    def _merit(self, Y: Array, s: Array) -> tuple[float, Array, Array]:
        lengths = np.sum(self.space.differences(Y) ** 2, axis=1)
        s = np.maximum(s, 1.0 - lengths)  # a slack too small only slows the next steps
        value = -0.5 * np.sum(Y**2) - 0.5 * self.mu * np.sum(np.log(s))
        return float(value + self.penalty * np.sum(np.abs(1.0 - lengths - s))), Y, s

    def _factor(self):
        """Factor H, with delta raised until only the translations are negative."""
        space, k, d = self.space, self.Y.shape[1], self.d
        blocks = self.rates[:, None, None] * np.eye(k) + (2.0 * self.rates / self.s)[:, None, None] * (
            d[:, :, None] * d[:, None, :]
        )
        flat = blocks.reshape(space.m, k * k)
        diagonal = (abs(space.divergences()) @ flat).reshape(space.n, k, k)
        off = np.concatenate([-flat.ravel(), diagonal[:, self.inner[0], self.inner[1]].ravel()])
        main = diagonal[:, np.arange(k), np.arange(k)].ravel()
        self.delta = max(1e-9, 0.1 * self.delta)
        for _ in range(40):
            require_time(space.deadline)
            factor = self.pattern.factor(main - (1.0 - self.delta), off)
            if np.isfinite(factor.log_det) and factor.negative == (k if self.delta < 1.0 else 0):
                return factor
            self.delta *= 2.0 if 0.05 < self.delta < 2.0 else 10.0
        return None
