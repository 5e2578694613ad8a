"""Saddle points of bilinear functions with a quadratic term, and matrix games."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from ...kernels import oracles, prox
from ...kernels.blas import one_blas_thread
from ...kernels.checks import count, frozen, own_array, real, real_array
from ...kernels.random import Rng, make_key
from ..base.stacks import spectral_norms
from .variational import VariationalInequality


class BilinearSaddle(VariationalInequality):
    """Saddle points of g_i(x, y) = x'A_i y + l2/2 |x|^2 - l2/2 |y|^2 + a_i'x + b_i'y, min over x, max over y.

    Parameters
    ----------
    A : (n, p, q) array_like
        Couplings.
    a : (n, p) array_like
        Linear terms of x.
    b : (n, q) array_like
        Linear terms of y.
    l2 : float
        Strong monotonicity, >= 0.
    gap_radius : float, optional
        The gap is that over |x| <= gap_radius and |y| <= gap_radius; None: over all x and y.

    Attributes
    ----------
    A, a, b, l2, gap_radius
        As given, float64, read-only.

    Raises
    ------
    TypeError, ValueError
        Entries that are not finite numbers, shapes that do not fit, l2 < 0.

    Notes
    -----
    F_i(x, y) = (A_i y + l2 x + a_i, -A_i'x + l2 y - b_i), z = (x, y) in R^(p + q). The Lipschitz constant of
    a matrix [[l2 I, A], [-A', l2 I]] is sqrt(l2^2 + |A|^2), because its square is normal (derived);
    `strong_convexity` is l2. For l2 > 0 the gap is |F(z)|^2 / (2 l2): g is l2-strongly convex in x and
    concave in y, with these as its only curvatures. For l2 = 0 it is NaN (infinite but at solutions). Over
    balls it is <F(z), z> - l2/2 |z|^2 + phi(|Ay + a|) + phi(|A'x + b|), phi(c) = s c - l2/2 s^2 with s =
    min(c / l2, radius) (derived); it is >= 0 for z in the balls, and zero at solutions in them alone.
    `solution` solves the linear system F(z) = 0 and refines it in extended precision; for l2 = 0 it is the
    one of least norm.

    Examples
    --------
    >>> problem = BilinearSaddle([[[2.0]]], [[1.0]], [[3.0]], l2=1.0)
    >>> problem.solution().round(12).tolist()
    [-1.4, 0.2]
    """

    def __init__(
        self,
        A: ArrayLike,
        a: ArrayLike,
        b: ArrayLike,
        l2: float = 0.0,
        *,
        gap_radius: float | None = None,
    ):
        oracle = oracles.bilinear(A, a, b, l2)
        super().__init__(oracle)
        self.gap_radius = None if gap_radius is None else real("gap_radius", gap_radius, above=0.0)
        n, d = oracle.n_nodes, oracle.dim
        p = oracle.data.features.shape[0] // n
        self.A = oracle.data.features.reshape(n, p, d - p)
        linear = oracle.data.targets.reshape(n, d)
        self.a, self.b = linear[:, :p], linear[:, p:]
        self.l2 = float(oracle.data.parameters[0])

    @classmethod
    def random(
        cls,
        n_nodes: int,
        size: int,
        *,
        l2: float = 0.1,
        least: float = 0.3,
        most: float = 10.0,
        offset: float = 10.0,
        gap_radius: float | None = None,
        rng: Rng | np.random.Generator = 0,
    ) -> BilinearSaddle:
        """Draw symmetric couplings A_i = Q_i diag(s_i) Q_i' with s_i between `least` and `most`.

        A surrogate for the bilinear experiment of Beznosikov et al. (NeurIPS 2022).

        Parameters
        ----------
        n_nodes, size : int
            Number of nodes n, and of coordinates of x and of y, at least 1.
        l2 : float
            Strong monotonicity, >= 0.
        least, most : float
            Ends of the s_i, both of which occur, 0 < least <= most; the others are uniform between them.
        offset : float
            The a_i and b_i are uniform in [-offset, offset].
        gap_radius : float, optional
            As of the class.
        rng : None, int, SeedSequence or Generator
            Source of randomness. An integer is the seed of `numpy.random.default_rng`.

        Raises
        ------
        TypeError, ValueError
            A parameter out of range.

        Notes
        -----
        Q_i is the Q of a QR decomposition of a normal matrix. Draws: for each node that matrix, then s_i;
        then all a_i, then all b_i.

        Examples
        --------
        >>> problem = BilinearSaddle.random(10, 50)
        >>> problem, round(problem.lipschitz, 2), round(problem.mean_square_lipschitz, 2)
        (BilinearSaddle(n_nodes=10, dim=100, l2=0.1), 6.77, 10.0)
        """
        n, p = count("n_nodes", n_nodes, least=1), count("size", size, least=1)
        least = real("least", least, above=0.0)
        most = real("most", most, least=least)
        offset = real("offset", offset, least=0.0)
        seed = rng if isinstance(rng, (int, np.integer)) and not isinstance(rng, bool) else make_key(rng)
        draw = np.random.default_rng(seed)
        A = np.empty((n, p, p))
        with one_blas_thread():
            for i in range(n):
                Q = np.linalg.qr(draw.standard_normal((p, p)))[0]
                s = draw.uniform(least, most, p)
                s[0] = least
                s[-1] = most
                A[i] = (Q * s) @ Q.T
        a, b = draw.uniform(-offset, offset, (n, p)), draw.uniform(-offset, offset, (n, p))
        return cls(A, a, b, l2, gap_radius=gap_radius)

    def gap(self, z: ArrayLike) -> float:
        """Duality gap: over all x and y |F(z)|^2 / (2 l2), or over balls; see the notes of the class."""
        return self.value_and_gradient(z)[0]

    def value_and_gradient(self, x: ArrayLike) -> tuple[float, np.ndarray]:
        """`gap` and F."""
        z, F = real_array("x", x, (self.dim,), finite=False), self.mean_operator(x)
        if self.gap_radius is None:
            return (float(F @ F) / (2.0 * self.l2) if self.l2 > 0.0 else math.nan), F
        gap = float(F @ z - self.l2 / 2.0 * (z @ z))
        for part in np.split(F - self.l2 * z, [self.a.shape[1]]):
            slope = float(np.linalg.norm(part))
            length = self.gap_radius if slope > self.l2 * self.gap_radius else slope / (self.l2 or 1.0)
            gap += length * slope - self.l2 / 2.0 * length**2
        return gap, F

    def _curvature_bounds(self) -> tuple[float, float]:
        return self.l2, math.hypot(self.l2, float(spectral_norms(self.A).max()))

    def _lipschitz_bounds(self) -> tuple[float, float, float]:
        squares = self.l2**2 + spectral_norms(self.A) ** 2
        of_mean = math.hypot(self.l2, float(np.linalg.norm(self.A.mean(axis=0), 2)))
        return of_mean, math.sqrt(float(squares.mean())), math.nan

    def _minimizer(self) -> np.ndarray:
        A = self.A.mean(axis=0)
        p, q = A.shape
        J = np.block([[self.l2 * np.eye(p), A], [-A.T, self.l2 * np.eye(q)]])
        c = np.concatenate(
            [self.a.mean(axis=0, dtype=np.longdouble), -self.b.mean(axis=0, dtype=np.longdouble)]
        )
        return solve_affine(J, -c)

    def _details(self) -> str:
        return f", l2={self.l2:g}"


def solve_affine(J: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Return the z of least norm with J z = c, refined in extended precision.

    Parameters
    ----------
    J : (d, d) array
        Any square matrix.
    c : (d,) array
        May be extended.

    Raises
    ------
    ValueError
        There is no such z.
    """
    U, s, V = np.linalg.svd(J)
    keep = s > len(J) * np.finfo(float).eps * s[0]
    inverse = (V[keep].T / s[keep]) @ U[:, keep].T
    z = inverse @ c.astype(float)
    extended = J.astype(np.longdouble)
    for _ in range(3):
        z = z + inverse @ (c - extended @ z).astype(float)
    if np.linalg.norm((c - extended @ z).astype(float)) > 1e-9 * np.linalg.norm(c.astype(float)):
        raise ValueError(
            "the operator is zero nowhere: its matrix is singular, and its constant not in the range"
        )
    return z


class MatrixGame(VariationalInequality):
    """Zero-sum games: min over x, max over y of x'Ay with A = (1/n) sum_i A_i, both mixed strategies.

    Parameters
    ----------
    A : (n, p, q) array_like
        What the first player pays the second, in the data of each node.
    entropic : bool
        Measure distances on the simplices by relative entropy: steps multiply probabilities.

    Attributes
    ----------
    A : (n, p, q) array
        As given, float64, read-only.
    entropic : bool
        As given.

    Raises
    ------
    TypeError, ValueError
        Entries that are not finite numbers, a shape that does not fit.

    Notes
    -----
    z = (x, y) on the product of two simplices, F_i(z) = (A_i y, -A_i'x). The Lipschitz constants are spectral
    norms of the A_i; for relative entropies, whose strong convexity is in the 1-norm, the largest |entry|
    would do too, and the spectral norm is at least that, so that steps from it are safe. `strong_convexity`
    is 0. The gap, max_j (A'x)_j - min_i (Ay)_i, is zero at equilibria alone. `solution` is one equilibrium,
    by linear programming; there may be others.

    Examples
    --------
    >>> game = MatrixGame([[[0, -1, 1], [1, 0, -1], [-1, 1, 0]]])  # rock, paper, scissors
    >>> game.solution().round(6).tolist()
    [0.333333, 0.333333, 0.333333, 0.333333, 0.333333, 0.333333]
    >>> game.gap([1, 0, 0, 0, 1, 0])
    2.0
    """

    def __init__(self, A: ArrayLike, *, entropic: bool = False):
        A = own_array("A", A, 3)
        n, p, q = A.shape
        oracle = oracles.bilinear(A, np.zeros((n, p)), np.zeros((n, q)), 0.0)
        super().__init__(oracle, [prox.simplex(size, entropic=entropic) for size in (p, q)])
        self.A = A
        self.entropic = entropic
        self._mean = frozen(A.mean(axis=0))

    @classmethod
    def split(
        cls,
        payoffs: ArrayLike,
        n_nodes: int,
        *,
        heterogeneity: float = 0.0,
        entropic: bool = False,
        rng: Rng = 0,
    ) -> MatrixGame:
        """Split one game over the nodes: each sees it with an error of its own, and their mean is the game.

        Parameters
        ----------
        payoffs : (p, q) array_like
            The game.
        n_nodes : int
            Number of nodes n, at least 1.
        heterogeneity : float
            Deviation of the normal errors, before their mean is taken off; 0 gives all nodes the game itself.
        entropic : bool
            As of the class.
        rng : None, int, SeedSequence or Generator
            Source of randomness.

        Raises
        ------
        TypeError, ValueError
            Entries that are not finite numbers, a parameter out of range.

        Examples
        --------
        >>> game = MatrixGame.split([[0, 1], [2, 0]], 5, heterogeneity=1.0)
        >>> game, game.solution().round(6).tolist()
        (MatrixGame(n_nodes=5, dim=4), [0.666667, 0.333333, 0.333333, 0.666667])
        """
        payoffs = own_array("payoffs", payoffs, 2)
        n = count("n_nodes", n_nodes, least=1)
        spread = real("heterogeneity", heterogeneity, least=0.0)
        errors = np.random.default_rng(make_key(rng)).standard_normal((n, *payoffs.shape))
        errors -= errors.mean(axis=0)
        return cls(payoffs + spread * errors, entropic=entropic)

    def gap(self, z: ArrayLike) -> float:
        """max_j (A'x)_j - min_i (Ay)_i."""
        z = real_array("z", z, (self.dim,), finite=False)
        p = len(self._mean)
        with one_blas_thread():
            return float((self._mean.T @ z[:p]).max() - (self._mean @ z[p:]).min())

    def _curvature_bounds(self) -> tuple[float, float]:
        return 0.0, float(spectral_norms(self.A).max())

    def _lipschitz_bounds(self) -> tuple[float, float, float]:
        mean_square = math.sqrt(float((spectral_norms(self.A) ** 2).mean()))
        return float(np.linalg.norm(self._mean, 2)), mean_square, math.nan

    def _minimizer(self) -> np.ndarray:
        A = self._mean
        x, y = _best_strategy(A), _best_strategy(-A.T)
        sharper = _on_supports(A, x > 1e-7, y > 1e-7)
        z = np.concatenate([x, y])
        return z if sharper is None or not self.gap(sharper) <= self.gap(z) else sharper

    def _details(self) -> str:
        return ", entropic=True" if self.entropic else ""


def _best_strategy(A: np.ndarray) -> np.ndarray:
    """Return the x on the simplex with the least max_j (A'x)_j, by linear programming."""
    from scipy.optimize import linprog

    p, q = A.shape
    scale = np.abs(A).max() or 1.0
    found = linprog(
        np.append(np.zeros(p), 1.0),
        A_ub=np.column_stack([A.T / scale, -np.ones(q)]),
        b_ub=np.zeros(q),
        A_eq=np.append(np.ones(p), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0, None)] * p + [(None, None)],
    )
    if not found.success:
        raise ValueError(f"no equilibrium found: {found.message}")
    x = np.maximum(found.x[:p], 0.0)
    return x / x.sum()


def _on_supports(A: np.ndarray, plays_x: np.ndarray, plays_y: np.ndarray) -> np.ndarray | None:
    """Return strategies with these supports that make the other player indifferent, if there are any."""
    p, q = A.shape
    part = A[np.ix_(plays_x, plays_y)]
    parts = []
    for size, plays, B in ((p, plays_x, part.T), (q, plays_y, part)):
        k = B.shape[1]
        system = np.block([[B, -np.ones((len(B), 1))], [np.ones((1, k)), np.zeros((1, 1))]])
        found = np.linalg.lstsq(system, np.append(np.zeros(len(B)), 1.0), rcond=None)[0][:k]
        if not (found >= 0.0).all():
            return None
        full = np.zeros(size)
        full[plays] = found
        parts.append(full)
    return np.concatenate(parts)
