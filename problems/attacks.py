"""What faulty workers send in place of gradients.

An attack is a small object of parameters. ``attack(honest, f)`` returns the vectors of f faulty workers; the
omniscient ones compute them from all honest gradients, the others from the workers' `own` ones, or from
nothing. `flip_labels` spoils data instead, and `dissension` makes messages between the nodes of a graph.

| attack | sends | knows |
|---|---|---|
| `UniformNoise`, `GaussianNoise` | noise | nothing |
| `Zero`, `NonFinite` | zeros; NaN or infinity | nothing |
| `SignFlip`, `ReversedGradient`, `Drop` | -g, -10 g, g with coordinates missing | its own g |
| `ALIE`, `IPM` | honest mean less some standard deviations; honest mean reversed | all honest |
| `OptimizedALIE`, `OptimizedIPM` | the same, as strong as hurts a given aggregator most | and the rule |
| `Mimic` | what one honest worker sends | all honest |

Examples
--------
>>> import numpy as np
>>> from gossamer.problems import attacks
>>> attacks.IPM(0.5)(np.array([[1.0, 2.0], [3.0, 2.0]]), 1)
array([[-1., -1.]])
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..kernels import checks, random
from ..kernels.aggregation import Aggregator
from ..kernels.random import streams

__all__ = [
    "ALIE",
    "IPM",
    "Attack",
    "Dissension",
    "Drop",
    "GaussianNoise",
    "Mimic",
    "NonFinite",
    "OptimizedALIE",
    "OptimizedIPM",
    "ReversedGradient",
    "SignFlip",
    "UniformNoise",
    "Zero",
    "dissension",
    "flip_labels",
]


class Attack(ABC):
    """Map from honest gradients to those of faulty workers; a frozen dataclass of its parameters.

    Attributes
    ----------
    needs_own : bool
        Whether it starts from what the faulty workers would send if they were honest.
    """

    needs_own: ClassVar[bool] = False

    def __call__(
        self, honest: ArrayLike, f: int, *, own: ArrayLike | None = None, step: int = 0
    ) -> NDArray[Any]:
        """Return what the faulty workers send.

        Parameters
        ----------
        honest : (h, d) array_like
            Gradients of the honest workers, h >= 1. Never modified.
        f : int
            Faulty workers.
        own : (f, d) array_like, optional
            Gradients that the faulty workers computed on their own data.
        step : int
            Number of the call: random attacks draw others in each.

        Returns
        -------
        (f, d) array
            float32 if `honest` is, else float64.

        Raises
        ------
        TypeError, ValueError
            Arrays that do not fit; `own` missing where it is needed.
        """
        known = _rows("honest", honest, None)
        count = checks.count("f", f)
        number = checks.count("step", step, most=2**30 - 1)
        if own is None:
            if self.needs_own:
                raise ValueError(
                    f"{type(self).__name__} changes the workers' own gradients: pass own, (f, d)"
                )
            mine = np.empty((count, known.shape[1]), known.dtype)
        else:
            mine = _rows("own", own, (count, known.shape[1])).astype(known.dtype, copy=False)
        sent = np.empty((count, known.shape[1]), known.dtype)
        if count:
            sent[...] = self._send(known, mine, number)
        return sent

    @abstractmethod
    def _send(self, honest: NDArray, own: NDArray, step: int) -> Any:
        """Return rows like `own`, or one for all."""


def _rows(name: str, value: ArrayLike, shape: tuple[int, int] | None) -> NDArray[Any]:
    given = np.asarray(value)
    if given.dtype != np.float32 or isinstance(value, np.ma.MaskedArray):
        given = checks.real_array(name, value, 2, finite=False)
    if given.ndim != 2 or (shape is not None and given.shape != shape):
        raise ValueError(f"{name} must have shape {shape or '(h, d)'}, got {given.shape}")
    if shape is None and given.shape[0] == 0:
        raise ValueError(f"{name} must have at least one row")
    return given


def _uniform(key: int, shape: tuple[int, ...], step: int) -> NDArray[np.float64]:
    count = int(np.prod(shape))
    return random.uniform(key, streams.ATTACK, 0, count, step=step).reshape(shape)


@dataclass(frozen=True)
class UniformNoise(Attack):
    """Independent coordinates, uniform on [0, scale).

    Attributes
    ----------
    scale : float
        Positive.
    key : int
        64-bit key, from `kernels.random.make_key`; draws depend on it, on `step` and on the place alone.
    """

    scale: float = 1.0
    key: int = 0

    def __post_init__(self) -> None:
        checks.real("scale", self.scale, above=0.0)
        checks.count("key", self.key, most=2**64 - 1)

    def _send(self, honest: NDArray, own: NDArray, step: int) -> Any:
        return self.scale * _uniform(self.key, own.shape, step)


@dataclass(frozen=True)
class GaussianNoise(Attack):
    """Independent normal coordinates of mean 0.

    Attributes
    ----------
    scale : float
        Standard deviation, positive.
    key : int
        As of `UniformNoise`.
    """

    scale: float = 200.0
    key: int = 0

    def __post_init__(self) -> None:
        checks.real("scale", self.scale, above=0.0)
        checks.count("key", self.key, most=2**64 - 1)

    def _send(self, honest: NDArray, own: NDArray, step: int) -> Any:
        from scipy.special import ndtri

        return self.scale * ndtri(_uniform(self.key, own.shape, step) + 2.0**-54)  # never 0


@dataclass(frozen=True)
class Zero(Attack):
    """Zeros."""

    def _send(self, honest: NDArray, own: NDArray, step: int) -> Any:
        return 0.0


@dataclass(frozen=True)
class NonFinite(Attack):
    """NaN or infinity in every coordinate.

    Attributes
    ----------
    value : float
        NaN, or an infinity.
    """

    value: float = float("nan")

    def __post_init__(self) -> None:
        if np.isfinite(self.value):
            raise ValueError(f"value must be NaN or infinite, got {self.value!r}")

    def _send(self, honest: NDArray, own: NDArray, step: int) -> Any:
        return self.value


@dataclass(frozen=True)
class SignFlip(Attack):
    """The own gradient with the opposite sign."""

    needs_own = True

    def _send(self, honest: NDArray, own: NDArray, step: int) -> Any:
        return -own


@dataclass(frozen=True)
class ReversedGradient(Attack):
    """``-factor g`` of the own gradient g.

    Attributes
    ----------
    factor : float
        Positive.
    """

    factor: float = 10.0
    needs_own = True

    def __post_init__(self) -> None:
        checks.real("factor", self.factor, above=0.0)

    def _send(self, honest: NDArray, own: NDArray, step: int) -> Any:
        return -self.factor * own


@dataclass(frozen=True)
class Drop(Attack):
    """The own gradient, with each coordinate lost with some probability, as on a bad line.

    Attributes
    ----------
    keep : float
        Probability that a coordinate is kept, in [0, 1].
    key : int
        As of `UniformNoise`.
    """

    keep: float = 0.9
    key: int = 0
    needs_own = True

    def __post_init__(self) -> None:
        checks.real("keep", self.keep, least=0.0, most=1.0)
        checks.count("key", self.key, most=2**64 - 1)

    def _send(self, honest: NDArray, own: NDArray, step: int) -> Any:
        return np.where(_uniform(self.key, own.shape, step) < self.keep, own, 0.0)


@dataclass(frozen=True)
class ALIE(Attack):
    """A little is enough: ``mu - z sd``, mean and standard deviation of the honest, coordinate by coordinate.

    ``z = Phi^-1((p - f - s) / (p - f))``, ``s = floor(p/2) + 1 - f``, Phi the normal distribution function
    and p the number of all workers: s honest workers lie farther out, a majority together with the faulty.
    The standard deviation has the divisor h. Baruch, Baruch & Goldberg, "A little is enough" (NeurIPS 2019).

    Attributes
    ----------
    z : float, optional
        In place of the formula, which needs f <= p/2 and some honest worker to spare.
    """

    z: float | None = None

    def __post_init__(self) -> None:
        if self.z is not None:
            checks.real("z", self.z)

    def _send(self, honest: NDArray, own: NDArray, step: int) -> Any:
        z = alie_z(len(honest), len(own)) if self.z is None else self.z
        return honest.mean(axis=0) - z * honest.std(axis=0)


def alie_z(h: int, f: int) -> float:
    """Return the z of `ALIE` for h honest and f faulty workers."""
    from scipy.special import ndtri

    share = (h - ((h + f) // 2 + 1 - f)) / h
    if not 0.0 < share < 1.0:
        raise ValueError(f"ALIE has no z for h = {h} honest and f = {f} faulty workers: give z")
    return float(ndtri(share))


@dataclass(frozen=True)
class IPM(Attack):
    """Inner-product manipulation, "fall of empires": ``-epsilon mu``, mu the mean of the honest.

    Xie, Koyejo & Gupta, "Fall of empires: breaking Byzantine-tolerant SGD by inner product manipulation" (UAI
    2019).

    Attributes
    ----------
    epsilon : float
        Positive: 0.1 hides among the honest, 5 and more pulls.
    """

    epsilon: float = 0.1

    def __post_init__(self) -> None:
        checks.real("epsilon", self.epsilon, above=0.0)

    def _send(self, honest: NDArray, own: NDArray, step: int) -> Any:
        return -self.epsilon * honest.mean(axis=0)


@dataclass(frozen=True)
class Mimic(Attack):
    """What one honest worker sends, to give its data more weight than theirs.

    Karimireddy, He & Jaggi, "Byzantine-robust learning on heterogeneous datasets via bucketing" (ICLR 2022).

    Attributes
    ----------
    target : int
        Which, from 0 to h - 1.
    """

    target: int = 0

    def __post_init__(self) -> None:
        checks.count("target", self.target)

    def _send(self, honest: NDArray, own: NDArray, step: int) -> Any:
        checks.count("target", self.target, most=len(honest) - 1)
        return honest[self.target]


@dataclass(frozen=True)
class _Optimized(Attack):
    """Rows ``start + a direction``, the same for all, with the a that moves an aggregate farthest."""

    aggregator: Aggregator
    limit: float = 10.0
    n_evaluations: int = field(default=24, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.aggregator, Aggregator):
            raise TypeError(f"aggregator must be an Aggregator, got {type(self.aggregator).__name__}")
        checks.real("limit", self.limit, above=0.0)
        checks.count("n_evaluations", self.n_evaluations, least=4)

    def _line(self, honest: NDArray) -> tuple[NDArray, NDArray]:
        raise NotImplementedError

    def _send(self, honest: NDArray, own: NDArray, step: int) -> Any:
        start, direction = self._line(honest)
        center = honest.mean(axis=0)
        rows = np.empty((len(honest) + len(own), honest.shape[1]), honest.dtype)
        rows[: len(honest)] = honest

        def deviation(a: float) -> float:
            rows[len(honest) :] = start + a * direction
            moved = self.aggregator(rows, step=step, full=True).value - center
            return float(np.linalg.norm(moved))

        return start + strongest(deviation, self.limit, self.n_evaluations) * direction


def strongest(deviation: Callable[[float], float], limit: float, n_evaluations: int) -> float:
    """Return the point of (0, limit] with the largest value found.

    Half of the evaluations go to a geometric grid over three decades, the rest to golden sections between the
    neighbours of the best: a maximum of a function with one peak, a good point of any other.
    """
    n_grid = n_evaluations // 2
    grid = np.geomspace(limit * 1e-3, limit, n_grid)
    values = [deviation(a) for a in grid]
    best = int(np.argmax(values))
    point, value = grid[best], values[best]
    low, high = np.log(grid[max(best - 1, 0)]), np.log(grid[min(best + 1, n_grid - 1)])
    golden = (5**0.5 - 1) / 2
    inner = [high - golden * (high - low), low + golden * (high - low)]
    found = [deviation(np.exp(t)) for t in inner]
    for _ in range(n_evaluations - n_grid - 2):
        if found[0] > found[1]:
            high = inner[1]
            inner, found = [high - golden * (high - low), inner[0]], [0.0, found[0]]
            found[0] = deviation(np.exp(inner[0]))
        else:
            low = inner[0]
            inner, found = [inner[1], low + golden * (high - low)], [found[1], 0.0]
            found[1] = deviation(np.exp(inner[1]))
    for t, deviating in zip(inner, found, strict=True):
        if deviating > value:
            point, value = np.exp(t), deviating
    return float(point)


@dataclass(frozen=True)
class OptimizedALIE(_Optimized):
    """`ALIE` with the z in (0, limit] that moves the aggregate farthest from the honest mean.

    A rule that remembers earlier rounds is attacked as if it began with this one.

    Attributes
    ----------
    aggregator : Aggregator
        The rule under attack; the faulty rows come after the honest.
    limit : float
        Largest z.
    n_evaluations : int
        Of the rule, at least 4, in each call.
    """

    def _line(self, honest: NDArray) -> tuple[NDArray, NDArray]:
        return honest.mean(axis=0), -honest.std(axis=0)


@dataclass(frozen=True)
class OptimizedIPM(_Optimized):
    """`IPM` with the epsilon in (0, limit] that moves the aggregate farthest from the honest mean.

    Attributes
    ----------
    aggregator, limit, n_evaluations
        As of `OptimizedALIE`; `limit` is the largest epsilon.
    """

    def _line(self, honest: NDArray) -> tuple[NDArray, NDArray]:
        mean = honest.mean(axis=0)
        return np.zeros_like(mean), -mean


def flip_labels(labels: ArrayLike, n_classes: int | None = None) -> NDArray[Any]:
    """Return labels as a faulty worker reads them.

    Parameters
    ----------
    labels : array_like
        -1 and +1, which change places; or with `n_classes` integers c, which become ``n_classes - 1 - c``.
    n_classes : int, optional
        Number of classes, at least 2.

    Returns
    -------
    array
        A new one, of the same type.

    Raises
    ------
    ValueError
        Other labels.

    Examples
    --------
    >>> flip_labels([0, 1, 9], 10).tolist()
    [9, 8, 0]
    """
    given = np.asarray(labels)
    if n_classes is None:
        if not np.isin(given, (-1, 1)).all():
            raise ValueError("labels must be -1 or +1; give n_classes for 0, 1, ..., n_classes - 1")
        return -given
    last = checks.count("n_classes", n_classes, least=2) - 1
    if given.size and not ((given == np.floor(given)).all() and given.min() >= 0 and given.max() <= last):
        raise ValueError(f"labels must be integers in 0..{last}, got {given.min()}..{given.max()}")
    return (last - given).astype(given.dtype)


def dissension(X: ArrayLike, W: Any, faulty: ArrayLike, strength: float = 1.0) -> NDArray[np.float64]:
    """Return what faulty neighbours send to each node to push it away from the honest ones.

    ``x_i - strength sum_j W_ij (x_j - x_i) / sum_b W_ib``, j over the honest and b over the faulty neighbours
    of i: for strength 1 plain gossip then stays where it is, beyond it moves backwards. He, Karimireddy &
    Jaggi, "Byzantine-robust decentralized learning via ClippedGossip" (2022).

    Parameters
    ----------
    X : (n, d) array_like
        Iterates of all nodes, finite.
    W : (n, n) array_like or sparse array of SciPy
        Non-negative weights.
    faulty : (n,) array_like of bool
        Which nodes are faulty.
    strength : float
        Non-negative.

    Returns
    -------
    (n, d) array
        Row i is the message to node i; x_i where no neighbour is faulty.

    Raises
    ------
    TypeError, ValueError
        Arrays that do not fit.
    """
    from scipy import sparse

    x = checks.real_array("X", X, 2)
    n = len(x)
    matrix = sparse.csr_array(W, dtype=float)
    if matrix.shape != (n, n):
        raise ValueError(f"W must have shape ({n}, {n}), as X has {n} rows, got {matrix.shape}")
    bad = np.asarray(faulty)
    if bad.shape != (n,) or bad.dtype != np.bool_:
        raise ValueError(f"faulty must be {n} booleans, got {bad.dtype} of shape {bad.shape}")
    checks.real("strength", strength, least=0.0)
    if matrix.nnz and not matrix.data.min() >= 0.0:
        raise ValueError(f"W must not be negative, but an entry is {matrix.data.min()}")
    weights = matrix - sparse.diags_array(matrix.diagonal())
    honest = weights @ sparse.diags_array((~bad).astype(float))
    pull = honest @ x - np.asarray(honest.sum(axis=1)).reshape(-1, 1) * x
    reach = (weights @ bad.astype(float)).reshape(-1, 1)
    return x - strength * np.divide(pull, reach, out=np.zeros_like(pull), where=reach > 0)


@dataclass(frozen=True)
class Dissension:
    """`dissension` as an attack on gossip: each node is told something else.

    Attributes
    ----------
    strength : float
        Not negative; above 1 neighbours are driven apart.
    """

    strength: float = 1.0

    def __post_init__(self) -> None:
        checks.real("strength", self.strength, least=0.0)

    def __call__(self, X: ArrayLike, W: Any, faulty: ArrayLike) -> NDArray[np.float64]:
        """Return the message to each node, (n, d).

        Parameters
        ----------
        X, W, faulty
            As of `dissension`.
        """
        return dissension(X, W, faulty, self.strength)
