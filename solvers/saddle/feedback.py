"""What memories of compression errors cost `solvers.MASHA2`: the constants of its theorem."""

from __future__ import annotations

import math
from typing import NamedTuple

from ..base.search import lowest


class Memories(NamedTuple):
    """Memories of the nodes, of which some are used in a round, and of a server.

    Attributes
    ----------
    nodes, server : float
        Contractions alpha in (0, 1] of the compressors.
    ratio : float
        Nodes over those that take part in a round, at least 1.
    """

    nodes: float
    server: float
    ratio: float

    def weights(self, tau: float) -> tuple[float, float]:
        """Return weights of the memories in the Lyapunov function with the least `price`.

        Parameters
        ----------
        tau : float
            Weight of z against the anchor, above 0.

        Returns
        -------
        (float, float)
            c and c_s; 0 for a memory that stays empty. In closed form but for c_s where both err.
        """
        recoil = 1.0 / tau
        if self.server == 1.0:
            return self._of_nodes(0.0, recoil), 0.0
        if self.nodes == 1.0:
            return 0.0, Memories(self.server, 1.0, 1.0)._of_nodes(0.0, recoil)

        def weights(logarithm: float) -> tuple[float, float]:
            server = recoil / self.server * (1.0 + math.exp(logarithm))
            return self._of_nodes(server, recoil), server

        # convex in the weight
        return weights(lowest(lambda log: self.price(weights(log), recoil), -10.0, 20.0, 1e-4)[0])

    def _of_nodes(self, server: float, recoil: float) -> float:
        """Return the c with the least price for this c_s."""
        if self.nodes == 1.0:
            return 0.0
        form = self._form((0.0, server), recoil, 0.0)
        alpha, b = self.nodes, 1.0 - self.nodes
        least = (form.q**2 / form.r - form.p) / alpha
        flow = form.f + form.g * form.q / form.r + b * least
        return least + flow / math.sqrt(b)

    def price(self, weights: tuple[float, float], recoil: float, leak: float = 0.0) -> float:
        """Return the maximum over memories u, v >= 0 of the quadratic form in the notes of `MASHA2`.

        Parameters
        ----------
        weights : (float, float)
            c and c_s.
        recoil : float
            What the square of the memories' sum counts.
        leak : float
            Share that the memories' terms have to lose besides.

        Returns
        -------
        float
            Infinite where there is no maximum.
        """
        form = self._form(weights, recoil, leak)
        determinant = form.p * form.r - form.q**2
        if not (form.p > 0.0 and form.r > 0.0 and determinant > 0.0):
            return math.inf
        flow = form.f**2 * form.r + 2.0 * form.f * form.g * form.q + form.g**2 * form.p
        return form.constant + flow / determinant

    def _form(self, weights: tuple[float, float], recoil: float, leak: float) -> _Form:
        (c, s), ratio = weights, self.ratio
        b, b_s = 1.0 - self.nodes, 1.0 - self.server  # squared factors of the errors
        k = 1.0 + math.sqrt(b)
        errs, server_errs = b > 0.0, b_s > 0.0
        return _Form(
            constant=1.0 + c * b + s * b_s * k**2,
            f=errs * (ratio + c * b + s * b_s * k**2),
            g=server_errs * (1.0 + s * b_s * k),
            p=c * (1.0 - ratio * leak - b) - recoil * ratio**2 - s * b_s * k**2 if errs else 1.0,
            q=errs * server_errs * (recoil * ratio + s * b_s * k),
            r=s * (1.0 - leak - b_s) - recoil if server_errs else 1.0,
        )


class _Form(NamedTuple):
    """constant + 2 (f u + g v) - (p u^2 - 2 q u v + r v^2)."""

    constant: float
    f: float
    g: float
    p: float
    q: float
    r: float
