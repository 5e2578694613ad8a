"""Gradient tracking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ...kernels._jit import LazyKernel
from ...kernels.rounds import exact
from ..base.rounds import Step
from ..certified.changing import Plant
from ..certified.proof import Loop
from .exact import ExactGossip


@dataclass(frozen=True, eq=False)
class GradientTracking(ExactGossip):
    """Gradient descent in which each node also tracks the mean of all gradients; exact.

    Parameters
    ----------
    step : float, "auto" or None
        Step size. None: the one with the smallest certified rate, for mu > 0. "auto": tuned.
    form : str
        What is mixed after the step (adapt then combine, ATC): "semi_atc" X alone, "atc" X and Y, "non_atc"
        neither (DIGing). The first allows the largest steps where W has negative eigenvalues; the three
        hardly differ on sparse graphs with positive ones.
    batch_size : int, optional
        Samples b a gradient, drawn without replacement; None: full gradients. With mini-batches theory's step
        has L(b) = `problem.expected_smoothness(b)` in place of L, and the nodes reach a noise floor.
    mixing : str, Mixer or (n, n) array_like
        Mixing matrix W, or its kind in `graphs.mixing_matrix`.

    Notes
    -----
    With G(X)_i = grad f_i(x_i) and Y = G(X) at first, a round is

        X+ = W (X - step Y),   Y+ = W Y + G(X+) - G(X)          "semi_atc"
        X+ = W (X - step Y),   Y+ = W (Y + G(X+) - G(X))        "atc"
        X+ = W X - step Y,     Y+ = W Y + G(X+) - G(X)          "non_atc"

    The mean of Y is that of G(X) at all times. The loops of `certified_rate` are
    G(z) = -step w^k (z - 1) / (z - w)^2 with k = 1, 2, 0. Xu, Zhu, Soh & Xie, "Augmented distributed
    gradient methods for multi-agent optimization under uncoordinated constant stepsizes" (CDC 2015); Nedic,
    Olshevsky & Shi, "Achieving geometric convergence for distributed optimization over time-varying graphs"
    (SIAM Journal on Optimization 2017); Qu & Li, "Harnessing smoothness to accelerate distributed
    optimization" (IEEE Transactions on Control of Network Systems 2018). The names of the forms are those of
    Alghunaim & Yuan, "A unified and refined convergence analysis for non-convex decentralized learning" (IEEE
    Transactions on Signal Processing 2022).

    A round sends 2 d numbers of 64 bits from each node to each neighbour, in one exchange; "atc" in two,
    since what it sends for Y needs the new gradient.

    Examples
    --------
    >>> from gossamer import graphs, problems, solvers
    >>> problem = problems.Quadratic.random(8, 5, condition_number=10.0)
    >>> result = solvers.GradientTracking().solve(problem, graphs.cycle(8), tol=1e-10)
    >>> result.success, bool(abs(result.x - problem.solution()).max() < 1e-8)
    (True, True)
    """

    step: Step = None
    form: str = "semi_atc"

    _n_rows = 3

    @property
    def _kernel(self) -> LazyKernel:  # type: ignore[override]
        return self._formed.kernel

    @property
    def _formed(self) -> _Form:
        if self.form not in _FORMS:
            raise ValueError(f"form must be one of {', '.join(map(repr, _FORMS))}, got {self.form!r}")
        return _FORMS[self.form]

    def _loop(self, values: dict[str, float]) -> Loop:
        return self._formed.loop

    def _plant(self, values: dict[str, float]) -> Plant:  # state: X and S = Y - G(X), unless said otherwise
        step = values["step"]
        A, both = ((1.0, -step), (0.0, 1.0)), ((1.0, 0.0), (0.0, 1.0))
        B = ((-step, -1.0, 0.0), (0.0, 0.0, -1.0))
        here, first, second = ((1.0, 0.0),), ((0.0, 0.0, 0.0),), (0.0, 0.0, 0.0)
        if self.form == "atc":  # state: X - step Y, of which W makes X, and S
            mixed = ((-step, -1.0, step), (0.0, 0.0, -1.0))
            return Plant(A, mixed, here, ((0.0, -1.0, 0.0),), both, (second, (1.0, 0.0, 0.0)))
        if self.form == "semi_atc":
            return Plant(A, B, here, first, A, ((-step, 0.0, 0.0), (1.0, 0.0, 0.0)))
        return Plant(A, B, here, first, both, (second, (1.0, 0.0, 0.0)))


class _Form(NamedTuple):
    kernel: LazyKernel
    loop: Loop


_FORMS = {
    "semi_atc": _Form(exact.tracking_semi_atc, Loop((1.0, -1.0), (0.0, 2.0), (0.0, 0.0, 1.0))),
    "atc": _Form(exact.tracking_atc, Loop((1.0, -2.0, 1.0), (0.0, 2.0), (0.0, 0.0, 1.0))),
    "non_atc": _Form(exact.tracking, Loop((1.0,), (0.0, 2.0), (0.0, 0.0, 1.0))),
}
