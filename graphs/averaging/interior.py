"""Primal-dual interior point for the fastest mixing weights, in the space of the edges.

Minimise s over weights w and s subject to ``Z1 = s P + D >= 0`` and ``Z2 = s P - D >= 0`` on the vectors
of zero sum, with the projection P onto them and ``D = P - L(w)``; for FMMC also ``w >= 0`` and ``u = 1 -
|B| w >= 0``, the diagonal of W. The multipliers X1, X2, and q, y for FMMC, satisfy at the optimum

    tr X1 + tr X2 = 1,    b_e' (X1 - X2) b_e = q_e - y_i - y_j,

so ``Y = X2 - X1`` has nuclear norm one at most, and Y and y are the dual object of :mod:`.certificates`.
Eliminating all but w and s from Newton's equations leaves an m x m system bordered by s,

    H = X1_E o S1_E + X2_E o S2_E + diag(q/w) + |B|' diag(y/u) |B|,    S = Z^-1,    M_E = B'MB,

as in :mod:`..rates.barrier` (derived; the semidefinite part is the direction of Helmberg, Rendl, Vanderbei &
Wolkowicz, SIAM J. Optim. 1996). An iteration costs O(m^3 + n m^2), where a generic solver works with m
matrices of order n. Steps are Mehrotra's predictor and corrector.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..deadline import OutOfTime
from ..graph import Graph
from ..rates.dense import EdgeMatrices, Pace, ScaledCholesky, room
from ..rates.edges import largest_step
from ..spectra import node_sums
from .certificates import lower_bound, relative_gap

__all__ = ["Proposal", "propose"]

Array = NDArray[np.float64]

_STEPS = 80
_PATIENCE = 6  # iterations without progress before rounding is held to have taken over
_SECONDS = 4e-11  # of an iteration, times m^3
_ROUNDING = "rounding errors stopped the progress"


class Proposal(NamedTuple):
    """What the solver returns; nothing in it is trusted before it has been recomputed."""

    weights: Array
    Y: Array
    y: Array
    iterations: int
    ending: str  # why it stopped


@dataclass
class _Direction:
    """Change of all variables."""

    w: Array
    s: float
    Z: tuple[Array, Array]
    X: tuple[Array, Array]
    u: Array
    q: Array
    y: Array


def propose(graph: Graph, markov: bool, start: Array, tol: float, deadline: float) -> Proposal:
    """Optimise the weights.

    Parameters
    ----------
    graph : Graph
        Connected, at least two nodes.
    markov : bool
        Whether W must be non-negative.
    start : (m,) array
        Weights to begin with, for a Markov chain positive with sums of at most one.
    tol : float
        Relative gap at which to stop.
    deadline : float
        Value of ``time.monotonic()`` at which to stop.

    Returns
    -------
    Proposal
        The best weights, and the dual object of the best bound.
    """
    return _Solver(graph, markov, start).run(tol, deadline)


class _Solver(EdgeMatrices):
    """The iterates; matrices on the zero-sum vectors are kept as n x n ones whose rows sum to zero."""

    def __init__(self, graph: Graph, markov: bool, start: Array):
        super().__init__(graph)
        self.graph, self.markov = graph, markov
        n, m = self.space.n, self.space.m
        self.P = np.eye(n) - self.J
        self.w = 0.9 * start if markov else start.copy()
        slem = self.slem()
        self.s = slem + max(0.5 * slem, 1.0 / n)
        inverses = [self.inverse(Z) for Z in self.gaps()]
        mu = 1.0 / sum(float(np.trace(S)) for S in inverses)
        self.X = mu * inverses[0], mu * inverses[1]
        self.size = 2 * (n - 1) + (m + n if markov else 0)
        self.u = self.q = self.y = np.zeros(0)
        if markov:
            self.u = 1.0 - self.at_nodes(self.w)
            self.q, self.y = mu / self.w, mu / self.u

    def at_nodes(self, v: Array) -> Array:
        """``|B| v``: sums over the edges at each node."""
        return node_sums(self.graph, v)

    def at_ends(self, y: Array) -> Array:
        """``|B|' y``: sums over the two ends of each edge."""
        return y[self.space.i] + y[self.space.j]

    def gaps(self) -> tuple[Array, Array]:
        """``Z1, Z2``."""
        D, sP = self.P - self.laplacian(self.w), self.s * self.P
        return sP + D, sP - D

    def slem(self) -> float:
        return float(np.abs(np.linalg.eigvalsh(self.P - self.laplacian(self.w))).max())

    def run(self, tol: float, deadline: float) -> Proposal:
        kind, nothing = ("fmmc" if self.markov else "fdla"), np.zeros(self.space.n)
        found = Proposal(self.w, np.zeros_like(self.P), nothing, 0, f"{_STEPS} iterations were not enough")
        least, most, since = np.inf, 0.0, 0
        pace = Pace(deadline, _SECONDS * self.space.m**3)
        for done in range(_STEPS):
            try:
                if done:
                    pace.run("advance", self.advance)
                value, before = self.slem(), relative_gap(self.graph, most, least)
                Y, y = self.X[1] - self.X[0], self.y if self.markov else nothing
                bound = lower_bound(self.graph, kind, Y, y)
            except np.linalg.LinAlgError:
                return found._replace(ending=_ROUNDING)
            except OutOfTime:
                return found._replace(ending="the time limit was reached")
            found = found._replace(iterations=done)
            if value < least:
                least, found = value, found._replace(weights=self.w)
            if bound > most:
                most, found = bound, found._replace(Y=Y, y=y)
            gap = relative_gap(self.graph, most, least)
            since = 0 if gap < 0.9 * before else since + 1
            if gap <= 0.5 * tol:
                return found._replace(ending="the tolerance was met")
            if since > _PATIENCE:
                return found._replace(ending=_ROUNDING)
        return found

    def advance(self) -> None:
        """Predict, correct, move."""
        self.assemble()
        predictor = self.direction(0.0)
        a, b = self.lengths(predictor, 1.0)
        now = self.product(predictor, 0.0, 0.0)
        if not now > 0:
            raise np.linalg.LinAlgError("the products are no longer positive")
        after = max(self.product(predictor, a, b), 0.0)
        centring = min(1.0, after / now) ** max(1.0, 3.0 * min(a, b) ** 2)
        d = self.direction(max(centring, 1e-3) * now, predictor)
        a, b = self.lengths(d, 0.95)
        self.w, self.s = self.w + a * d.w, self.s + a * d.s
        X1, X2 = (X + b * dX for X, dX in zip(self.X, d.X, strict=True))
        self.X = 0.5 * (X1 + X1.T), 0.5 * (X2 + X2.T)
        if self.markov:
            self.u = 1.0 - self.at_nodes(self.w)
            self.q, self.y = self.q + b * d.q, self.y + b * d.y

    def assemble(self) -> None:
        """Factor the system at the point."""
        self.Z = self.gaps()
        self.S = self.inverse(self.Z[0]), self.inverse(self.Z[1])
        self.LZ = self.cholesky(self.Z[0]), self.cholesky(self.Z[1])
        self.LX = self.cholesky(self.X[0]), self.cholesky(self.X[1])
        H = np.zeros((self.space.m, self.space.m))
        self.border, self.corner = np.zeros(self.space.m), 0.0
        for sign, X, S in zip((1.0, -1.0), self.X, self.S, strict=True):
            block = self.on_edges(X)
            block *= self.on_edges(S)
            H += block
            del block
            XS = X @ S
            self.border += sign * self.at_edges(0.5 * (XS + XS.T))
            self.corner += float(np.trace(XS))
        if self.markov:
            ratio = np.diag(self.y / self.u)
            ends = ratio[self.space.i] + ratio[self.space.j]
            H += ends[:, self.space.i]
            H += ends[:, self.space.j]
            H[np.diag_indices_from(H)] += self.q / self.w
        self.system = ScaledCholesky(H)
        self.column = self.system.solve(self.border)

    def direction(self, mu: float, second: _Direction | None = None) -> _Direction:
        """Newton's direction towards complementary products mu, less the second-order terms."""
        targets = [mu * S for S in self.S]  # of X + dX, before the change of Z
        if second is not None:
            for k in range(2):
                product = second.X[k] @ second.Z[k] @ self.S[k]
                targets[k] = targets[k] - 0.5 * (product + product.T)
        right = self.at_edges(targets[1] - targets[0])
        products_q = products_y = mu
        if self.markov:
            if second is not None:
                products_q, products_y = mu - second.q * second.w, mu - second.y * second.u
            right += products_q / self.w - self.at_ends(products_y / self.u)
        dw = self.system.solve(right)
        bottom = 1.0 - float(np.trace(targets[0]) + np.trace(targets[1]))
        ds = (bottom - float(self.border @ dw)) / (float(self.border @ self.column) - self.corner)
        dw += ds * self.column
        dL, dsP = self.laplacian(dw), ds * self.P
        dZ = dsP - dL, dsP + dL
        dX = []
        for k in range(2):
            A = self.X[k] @ dZ[k] @ self.S[k]
            dX.append(targets[k] - self.X[k] - 0.5 * (A + A.T))
        found = _Direction(dw, ds, dZ, (dX[0], dX[1]), self.u, self.q, self.y)
        if self.markov:
            found.u = -self.at_nodes(dw)
            found.q = (products_q - self.q * dw) / self.w - self.q
            found.y = (products_y - self.y * found.u) / self.u - self.y
        return found

    def lengths(self, d: _Direction, fraction: float) -> tuple[float, float]:
        """Primal and dual steps, a fraction of those to the boundary and at most one."""
        primal = min(room(self.LZ[0], d.Z[0]), room(self.LZ[1], d.Z[1]), largest_step(self.u, d.u))
        dual = min(room(self.LX[0], d.X[0]), room(self.LX[1], d.X[1]), largest_step(self.y, d.y))
        if self.markov:
            primal = min(primal, largest_step(self.w, d.w))
            dual = min(dual, largest_step(self.q, d.q))
        return min(1.0, fraction * primal), min(1.0, fraction * dual)

    def product(self, d: _Direction, a: float, b: float) -> float:
        """Mean complementary product after primal step a and dual step b."""
        total = (self.y + b * d.y) @ (self.u + a * d.u)
        for X, dX, Z, dZ in zip(self.X, d.X, self.Z, d.Z, strict=True):
            total += np.sum((X + b * dX) * (Z + a * dZ))
        if self.markov:
            total += (self.q + b * d.q) @ (self.w + a * d.w)
        return float(total) / self.size
