"""MASHA: extragradient with compressed differences to an anchor, for variational inequalities."""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from typing import ClassVar

from ...graphs import Graph
from ...kernels.checks import count, real
from ...kernels.compression import Compressor, Identity
from ...kernels.rounds import saddle
from ...problems import Problem
from ..base.factors import distance_rate
from ..base.messages import disjoint, message_share, sends_disjoint
from ..base.rounds import Step
from .extragradient import OperatorSolver, lipschitz_constants
from .feedback import Memories

_SAFETY = 0.9  # of the step up to which MASHA2 is proven: slack makes residuals fall where mu = 0


@dataclass(frozen=True, eq=False)
class _Masha(OperatorSolver, abc.ABC):
    """What the two methods share: the anchor, who takes part, compressors of both directions."""

    compressor: Compressor
    server_compressor: Compressor = Identity()  # noqa: RUF009 (a frozen dataclass)
    step: Step = None
    tau: float | None = None
    anchor: str = "old"
    participants: int | None = None
    check_compressor: bool = True

    _n_shared = 3
    _same_batch: ClassVar[bool] = True
    _exact: ClassVar[bool] = True
    _largest: ClassVar[dict[str, float]] = {"tau": 1.0}

    def theory(self, problem: Problem, graph: Graph) -> dict[str, float]:
        """Return {"step", "tau", "new_anchor", "n_participants"}.

        The step is theory's for the tau and participants that are set; NaN without theory, as for tau = 1.
        """
        n = problem.n_nodes
        if self.anchor not in ("old", "new"):
            raise ValueError(f'anchor must be "old" or "new", got {self.anchor!r}')
        members = (
            n if self.participants is None else count("participants", self.participants, least=1, most=n)
        )
        if members < n and disjoint(self.compressor, n):
            raise ValueError("PermK needs all nodes in every round: leave participants out, or take RandK")
        if sends_disjoint(self.server_compressor):
            raise ValueError("PermK as server_compressor is biased from one round to the next: take RandK")
        if self._network(graph).copies_down == 0 and not isinstance(self.server_compressor, Identity):
            raise ValueError("a complete graph has no server to compress: take graphs.star(n)")
        tau = self._tau(problem) if self.tau is None else real("tau", self.tau, least=0.0, most=1.0)
        step = self._step(problem, tau)
        return {
            "step": step if step > 0.0 else math.nan,
            "tau": tau,
            "new_anchor": float(self.anchor == "new"),
            "n_participants": float(members),
        }

    def _tau(self, problem: Problem) -> float:
        """Return tau such that refreshing the anchor costs as much as the messages between, at least 1/2."""
        shares = [message_share(self.compressor, problem.n_nodes, problem.dim)]
        if not isinstance(self.server_compressor, Identity):
            shares.append(message_share(self.server_compressor, 1, problem.dim))
        size = self._batch(problem)
        if size is not None:
            shares.append(min(1.0, size / float(problem.sample_oracle.n_samples.mean())))
        return max(0.5, 1.0 - min(shares))

    def _draws(self, problem: Problem) -> bool:
        return True  # when the anchor moves

    def _bounded(self, problem: Problem, tau: float, step: float) -> float:
        """Return the step, or less where mu asks for it; NaN stays."""
        mu = problem.strong_convexity
        return step if mu == 0.0 or math.isnan(step) else min(step, (1.0 - tau) / (2.0 * mu), tau / mu)

    @abc.abstractmethod
    def _step(self, problem: Problem, tau: float) -> float:
        """Return theory's step, NaN for none."""

    @abc.abstractmethod
    def _holds(self, problem: Problem, step: float, tau: float) -> bool:
        """Whether a round shrinks the theorem's Lyapunov function by 1 - step mu / 2."""

    def _certified(
        self, problem: Problem, graph: Graph, values: dict[str, float], changing: bool = False
    ) -> float:
        self._assume(problem, changing, batches=True)
        missing = None
        if self.anchor == "new":
            missing = 'the old anchor, and anchor is "new"'
        elif problem.blocks:
            missing = "all of R^d, and the problem has a set"
        elif self._needs == "unbiased":
            self._assume_unbiased()
        elif (
            not self.compressor.contraction(problem.dim) * self.server_compressor.contraction(problem.dim)
            > 0.0
        ):
            missing = "contractive compressors"
        if missing:
            raise self._uncertifiable(f"its theorem is that of {missing}")
        step, tau = values["step"], values["tau"]
        if not self._holds(problem, step, tau):
            return math.inf
        return distance_rate(1.0 - step * problem.strong_convexity / 2.0)

    def _pace(self, problem: Problem, graph: Graph, values: dict[str, float]) -> float:
        return super()._pace(problem, graph, values) / 2.0


@dataclass(frozen=True, eq=False)
class MASHA1(_Masha):
    """Compressed extragradient with unbiased compressors in both directions; converges linearly for mu > 0.

    All nodes hold z, an anchor w and F(w). A round looks ahead without any message, sends how the operators
    differ there from those at the anchor, compressed, and now and then moves the anchor.

    Parameters
    ----------
    compressor : Compressor
        Of the workers' messages; unbiased. `PermK(n)` has the best constant.
    server_compressor : Compressor
        Of the server's; unbiased. By default it sends all coordinates.
    step : float, "auto" or None
        Step size. None: theory's. "auto": tuned.
    tau : float, optional
        Weight of z against the anchor, which moves with probability 1 - tau a round. None: such that moving
        it takes as many bits as the messages between. With tau = 1 it never moves, and the method diverges.
    anchor : str
        "old": it moves to z before the round, as theory asks for. "new": to z after it.
    participants : int, optional
        Nodes that send a message in a round, drawn uniformly. None: all.
    check_compressor : bool
        False runs biased compressors, too; the step is then to be set.
    batch_size : int, optional
        Samples of a difference, the same at both points; the anchor's operators take all. Theory's step has a
        constant of its own for them, see the notes.

    Notes
    -----
    zbar = tau z + (1 - tau) w, z' = P(zbar - step F(w)), u = C_s(mean C(F_i(z') - F_i(w))), z <- P(zbar -
    step (F(w) + u)); with probability 1 - tau, by a coin that all nodes know, w moves and the F_i(w) are
    exchanged as they are. Beznosikov, Richtarik, Diskin, Ryabinin & Gasnikov, "Distributed methods with
    compressed communication for solving variational inequalities" (NeurIPS 2022).

    Theory (derived, without a set): with E|u|^2 <= c |z' - w|^2, V = |z - z*|^2 + |w - z*|^2 falls by 1 -
    step mu / 2 a round if step mu <= tau and step mu + c step^2 <= 1 - tau; taken is the least of sqrt((1 -
    tau) / (2 c)), (1 - tau) / (2 mu) and tau / mu. With q = 1 + omega_s of the server, b participants, L^2 of
    F and Lh^2 = mean L_i^2: c = q (omega Lh^2 / b + L^2) for all participants, c = q ((1 + omega) Lh^2 / b +
    L^2) for b < n, and c = q Lh^2 for PermK, q (1 + omega) Lh^2 / n for Composed of it. Batches of B of the m
    samples of a node, of Lipschitz constants l_ij, put the mean over the nodes of a mean_j l_ij^2 + (1 - a)
    L_i^2, a = (m - B) / (B (m - 1)), in place of Lh^2, and 1 + omega in place of omega.

    `certified_rate` is sqrt(1 - step mu / 2). For mu = 0 (monotone) V does not grow on average, and the sum
    over the rounds of (1 - tau) |z' - w|^2 / 2 + tau |z' - z|^2 is at most V at the start: the best residual
    falls like 1 / sqrt(rounds), and rotations converge.

    On an entropic simplex, where zbar is z^tau w^(1 - tau), up to its sum, the step is the same, and the
    theorem is not proved.

    Examples
    --------
    >>> from gossamer import graphs, problems, solvers
    >>> from gossamer.kernels import compression
    >>> problem = problems.BilinearSaddle.random(10, 5, rng=0)
    >>> solver = solvers.MASHA1(compression.PermK(10))
    >>> solver.solve(problem, graphs.star(10), tol=1e-6).success
    True
    """

    _kernel = saddle.masha1
    _n_rows = 1
    _needs = "unbiased"

    def _check(self, problem: Problem) -> None:
        super()._check(problem)
        if self.check_compressor and not self.server_compressor.unbiased:
            raise ValueError(
                f"MASHA1 needs an unbiased server_compressor and {self.server_compressor} is biased: take "
                "RandK, QSGD or Natural, or MASHA2"
            )

    def _step(self, problem: Problem, tau: float) -> float:
        if not (self.compressor.unbiased and self.server_compressor.unbiased):
            return math.nan
        return self._bounded(problem, tau, math.sqrt((1.0 - tau) / (2.0 * self.second_moment(problem))))

    def _holds(self, problem: Problem, step: float, tau: float) -> bool:
        pace = step * problem.strong_convexity
        return pace <= tau and pace + step**2 * self.second_moment(problem) <= 1.0 - tau

    def second_moment(self, problem: Problem) -> float:
        """Return c with E|u|^2 <= c |z' - w|^2, as the notes of the class have it.

        Parameters
        ----------
        problem : Problem
            Its Lipschitz constants are read.

        Returns
        -------
        float
            In units of L^2.
        """
        L = lipschitz_constants(problem)[0]
        n, d = problem.n_nodes, problem.dim
        members = self.participants or n
        q = 1.0 + self.server_compressor.omega(d)
        omega = self.compressor.omega(d)
        second = self._mean_square(problem)
        if disjoint(self.compressor, n):
            return q * (1.0 + omega) / n * second
        are_all = members == n and self._batch(problem) is None
        return q * ((omega if are_all else 1.0 + omega) * second / members + L**2)


@dataclass(frozen=True, eq=False)
class MASHA2(_Masha):
    """Compressed extragradient with contractive compressors and error feedback in both directions; no sets.

    Parameters
    ----------
    compressor : Compressor
        Of the workers' messages; contractive, such as TopK(0.1).
    server_compressor : Compressor
        Of the server's; contractive. By default it sends all coordinates.
    step : float, "auto" or None
        Step size. None: theory's, which is safe for all compressors of this contraction. "auto": tuned,
        several times larger.
    tau, anchor, participants, batch_size
        As in `MASHA1`.
    check_compressor : bool
        False runs compressors that are not contractive, too; the step is then to be set.

    Notes
    -----
    zbar = tau z + (1 - tau) w, z' = zbar - step F(w); worker i sends c_i = C(x_i) of x_i = e_i + step
    (F_i(z') - F_i(w)) and keeps e_i = x_i - c_i; the server sends c = C_s(y) of y = e + mean c_i and keeps e
    = y - c; z <- z' - c. The anchor moves as in `MASHA1`; the memories are kept. Beznosikov et al. (NeurIPS
    2022).

    Theory (derived). With b of n nodes in a round, the memories' sum E = e + sum e_i / b, u^2 = mean |e_i|^2,
    v = |e|, r = step Lh |z' - w| and, for contractions alpha and alpha_s, beta = sqrt(1 - alpha), the
    Lyapunov function V = |z - E - z*|^2 + |w - z*|^2 + (c n / b) u^2 + c_s v^2 obeys on average over the
    draws of a round

        V+ <= V - (1 - tau) |z' - w|^2 - tau |z' - z|^2 + 2 <E, z - z'> + 2 |E| r + r^2
              + c (beta^2 (u + r)^2 - u^2) + c_s ((1 - alpha_s) (v + (1 + beta) (u + r))^2 - v^2)

    with |E| <= n u / b + v, since messages are at most 1 + beta times as long as what they stand for. The
    maximum over z - z', u and v is H r^2 - (1 - tau) |z' - w|^2, with a number H of tau, alpha, alpha_s,
    n / b and the best weights c, c_s; without compression at the server, and with all nodes, H = (1 +
    (1 - alpha) (1 - tau) / tau) / (1 - beta)^2. So V does not grow where step^2 Lh^2 H <= 1 - tau: monotone
    problems, mu = 0, included. For mu > 0 and x = step mu it falls by 1 - x / 2 a round where step^2 Lh^2 H
    <= 1 - tau - x, H now with tau - 2 x in place of tau, 2 x more for |E|^2, and memories that have to lose
    x / 2 besides. The step is 0.9 of what that allows; `certified_rate` is sqrt(1 - x / 2). Lh^2, also with
    batches, as in `MASHA1`.

    This holds for any contractive compressors and all problems of these constants. On most, steps some times
    larger do as well, and step="auto" finds them; but there are compressors of the same alpha with which
    rotations diverge at two to three times the step.
    """

    _kernel = saddle.masha2
    _n_rows = 2
    _n_shared = 4
    _needs = "contractive"

    def _check(self, problem: Problem) -> None:
        super()._check(problem)
        if self.check_compressor and not self.server_compressor.contraction(problem.dim) > 0.0:
            raise ValueError(
                f"MASHA2 needs a contractive server_compressor and {self.server_compressor} is not: take "
                "TopK, or scaled=False, or pass check_compressor=False"
            )
        if problem.blocks:
            raise ValueError("MASHA2 has no projection: take MASHA1 for problems with sets")

    def _memories(self, problem: Problem) -> Memories:
        n, d = problem.n_nodes, problem.dim
        alphas = self.compressor.contraction(d), self.server_compressor.contraction(d)
        return Memories(*alphas, n / (self.participants or n))

    def _step(self, problem: Problem, tau: float) -> float:
        memories, second = self._memories(problem), self._mean_square(problem)
        if not (memories.nodes * memories.server > 0.0 and 0.0 < tau < 1.0 and second > 0.0):
            return math.nan
        weights = memories.weights(tau)
        low, high = 0.0, math.sqrt((1.0 - tau) / (second * memories.price(weights, 1.0 / tau)))
        if problem.strong_convexity == 0.0:
            return _SAFETY * high
        while high - low > 1e-6 * high:
            middle = (low + high) / 2.0
            if self._holds(problem, middle, tau):
                low = middle
            else:
                high = middle
        return _SAFETY * low

    def _holds(self, problem: Problem, step: float, tau: float) -> bool:
        pace, memories = step * problem.strong_convexity, self._memories(problem)
        if not (memories.nodes * memories.server > 0.0 and 2.0 * pace < tau < 1.0):
            return False
        recoil = 1.0 / (tau - 2.0 * pace) + 2.0 * pace
        price = memories.price(memories.weights(tau), recoil, pace / 2.0)
        return step**2 * self._mean_square(problem) * price <= 1.0 - tau - pace
