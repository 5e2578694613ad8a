"""Classification by dense layers: softmax regression, and the multilayer perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from ...kernels import oracles
from ...kernels.checks import count, frozen, own_array, real_array
from ..attacks import flip_labels
from ..base.problem import Problem
from ..base.samples import check_lengths, gram_extremes, squared_lengths
from ..data import splits
from ..data.labels import label_array, number_classes


class Classifier(Problem):
    """Base of problems whose f_i is the mean cross entropy of dense layers over the samples of node i.

    Parameters
    ----------
    features : (M, k) array_like
        Samples of all nodes, stacked.
    labels : (M,) array_like
        Their classes: any distinct values, numbered in ascending order.
    offsets : (n + 1,) array_like of int
        Rows `offsets[i]:offsets[i + 1]` belong to node i; each has at least one.
    hidden : sequence of int
        Sizes of the layers between inputs and classes.
    bias : bool
        Whether layers have biases.
    l2 : float
        Ridge weight, >= 0.
    test : (features, labels), optional
        Samples that `accuracy` is taken on.

    Attributes
    ----------
    features, labels, offsets, l2
        As given, float64 (labels as numbers of classes, offsets int64), read-only.
    classes : (c,) array
        The values that the labels take, ascending: strings by their characters' code points, whatever order a
        categorical column gives them.
    layers : dict of str to (slice, shape)
        Where in x the weights (outputs, inputs) and biases (outputs,) of each layer stand.
    """

    def __init__(
        self,
        features: ArrayLike,
        labels: ArrayLike,
        offsets: ArrayLike,
        hidden: Sequence[int],
        bias: bool,
        l2: float,
        test: tuple[ArrayLike, ArrayLike] | None,
    ):
        features = own_array("features", features, 2)
        self.classes, codes = number_classes("labels", labels)
        check_lengths("features", features, "labels", codes)
        if self.classes.size < 2:
            raise ValueError(f"labels must take at least two values, got {self.classes.tolist()}")
        self._sizes = (features.shape[1], *(count("hidden", h, least=1) for h in hidden), self.classes.size)
        self._bias = bool(bias)
        oracle = oracles.layers(features, codes, offsets, self._sizes, l2, bias=self._bias)
        super().__init__(oracle, oracle)
        data = oracle.data
        self.features, self.labels, self.offsets = data.features, data.targets, data.offsets
        self.l2 = float(data.parameters[0])
        self.test = None if test is None else self._test(*test)

    def _test(self, features: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        X = own_array("test features", features, 2)
        y = label_array("test labels", labels)
        check_lengths("test features", X, "test labels", y)
        if X.shape[1] != self._sizes[0]:
            raise ValueError(f"test features must have {self._sizes[0]} columns, got {X.shape[1]}")
        unknown = np.setdiff1d(y, self.classes)
        if unknown.size:
            raise ValueError(f"test labels must be classes of the training data, got {unknown[0]!r}")
        return X, frozen(np.searchsorted(self.classes, y).astype(np.float64))

    @classmethod
    def from_data(
        cls,
        X: ArrayLike,
        y: ArrayLike,
        n_nodes: int,
        *,
        split: str = "iid",
        alpha: float | None = None,
        rng: Any = 0,
        **options: Any,
    ) -> Self:
        """Deal the rows of one data set out to the nodes.

        Parameters
        ----------
        X : (M, k) array_like
            Samples; a data frame of numbers too.
        y : (M,) array_like
            Labels; a column of a data frame too. Row i of X and entry i of y belong together, whatever the
            index of a data frame says.
        n_nodes : int
            Number of nodes, at most M: every node gets a sample.
        split : {"iid", "contiguous", "sorted", "dirichlet"}
            How rows are dealt out; see `gossamer.problems.splits`.
        alpha : float, optional
            Concentration of the Dirichlet split, needed by it alone; small is more heterogeneous.
        rng : None, int, SeedSequence or Generator
            Randomness of the split.
        **options
            Passed on to the class: l2, test, and hidden of a `Perceptron`.

        Returns
        -------
        Problem
        """
        X = own_array("X", X, 2)
        labels = label_array("y", y)
        check_lengths("X", X, "y", labels)
        _, codes = number_classes("y", labels)
        order, offsets = splits.split_rows(codes, n_nodes, split, alpha=alpha, rng=rng)
        return cls(frozen(X[order]), labels[order], offsets, **options)

    @property
    def layers(self) -> dict[str, tuple[slice, tuple[int, ...]]]:
        """Where in x each layer's weights and biases stand, and their shapes."""
        found: dict[str, tuple[slice, tuple[int, ...]]] = {}
        begin = 0
        for number, (inputs, outputs) in enumerate(pairwise(self._sizes)):
            parts = {"weights": (outputs, inputs)} | ({"biases": (outputs,)} if self._bias else {})
            for name, shape in parts.items():
                end = begin + int(np.prod(shape))
                found[f"{name}{number}"] = slice(begin, end), shape
                begin = end
        return found

    def logits(self, x: ArrayLike, features: ArrayLike) -> np.ndarray:
        """Return the values of the last layer, (m, c): log-probabilities of the classes up to a constant.

        Parameters
        ----------
        x : (d,) array_like
            Layers.
        features : (m, k) array_like
            Samples.
        """
        x = real_array("x", x, 1, finite=False)
        values = real_array("features", features, 2, finite=False)
        layers, n_layers = self.layers, len(self._sizes) - 1
        for number in range(n_layers):
            place, shape = layers[f"weights{number}"]
            values = values @ x[place].reshape(shape).T
            if self._bias:
                values = values + x[layers[f"biases{number}"][0]]
            if number < n_layers - 1:
                values = np.maximum(values, 0.0)
        return values

    def predict(self, x: ArrayLike, features: ArrayLike) -> np.ndarray:
        """Return the likeliest class of each sample, (m,).

        Parameters
        ----------
        x, features
            As in `logits`.
        """
        return self.classes[self.logits(x, features).argmax(axis=1)]

    def accuracy(self, x: ArrayLike) -> float:
        """Return the share of the test samples (of all, if there are none) that are classified well.

        Parameters
        ----------
        x : (d,) array_like
            Layers. Where they are not finite, no sample is.
        """
        if not np.isfinite(real_array("x", x, 1, finite=False)).all():
            return 0.0
        features, labels = (self.features, self.labels) if self.test is None else self.test
        return float(np.mean(self.logits(x, features).argmax(axis=1) == labels))

    def flipped(self, nodes: Sequence[int] | np.ndarray) -> Self:
        """Return the same problem, in which some nodes read their labels wrongly: `attacks.flip_labels`.

        Parameters
        ----------
        nodes : sequence of int
            Whose labels c become n_classes - 1 - c, each once. Those of the test samples stay.
        """
        labels = self.labels.copy()
        for i in sorted({count("nodes", node, most=self.n_nodes - 1) for node in nodes}):
            rows = slice(self.offsets[i], self.offsets[i + 1])
            labels[rows] = flip_labels(labels[rows], self.classes.size)
        made = copy(self)
        for name in ("_curvatures", "_solution"):
            vars(made).pop(name, None)
        made.labels = frozen(labels)
        made.oracle = replace(self.oracle, data=self.oracle.data._replace(targets=made.labels))
        made._sample_oracle = made.oracle
        return made

    def _details(self) -> str:
        sizes = "-".join(map(str, self._sizes))
        return f", layers={sizes}, samples={len(self.features)}, l2={self.l2:g}"


class SoftmaxRegression(Classifier):
    """Softmax regression: f_i(x) = mean over i's samples of -log softmax(W a)_label + l2/2 |x|^2.

    x = W (c, k), row by row. Convex; for two classes `LogisticRegression` has half the variables.

    Parameters
    ----------
    features : (M, k) array_like
        Samples of all nodes, stacked. There is no intercept: add a column of ones where one is wanted.
    labels : (M,) array_like
        Their classes: any distinct values, numbered in ascending order.
    offsets : (n + 1,) array_like of int
        Rows `offsets[i]:offsets[i + 1]` belong to node i; each has at least one.
    l2 : float
        Ridge weight, >= 0.
    test : (features, labels), optional
        Samples that `accuracy` is taken on.

    Notes
    -----
    `smoothness` is max_i lambda_max(A_i'A_i) / (2 m_i) + l2 (Bohning 1992), a bound;
    `strong_convexity` is l2. `solution` is by Newton's method, with Hessians of c k rows.

    Examples
    --------
    >>> problem = SoftmaxRegression([[1.0], [1.0], [1.0]], ["a", "a", "b"], offsets=[0, 3], l2=1e-12)
    >>> W = problem.solution()
    >>> round(float(W[0] - W[1]), 6)  # log(2/1)
    0.693147
    """

    def __init__(
        self,
        features: ArrayLike,
        labels: ArrayLike,
        offsets: ArrayLike,
        l2: float = 0.0,
        *,
        test: tuple[ArrayLike, ArrayLike] | None = None,
    ):
        super().__init__(features, labels, offsets, (), False, l2, test)

    @cached_property
    def _node_bounds(self) -> np.ndarray:
        """L_i of each node, (n,)."""
        parts = np.split(self.features, self.offsets[1:-1])
        return np.array([gram_extremes(A, largest_only=True)[1] for A in parts]) / 2 + self.l2

    def _curvature_bounds(self) -> tuple[float, float]:
        return self.l2, float(self._node_bounds.max())

    def _row_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        return self._node_bounds, squared_lengths(self.features) / 2 + self.l2

    def _minimizer(self) -> np.ndarray:
        sizes = np.diff(self.offsets)
        weights = np.repeat(1.0 / (self.n_nodes * sizes), sizes)
        return _newton(self.features, self.labels.astype(int), weights, self.l2, self.classes.size)


class Perceptron(Classifier):
    """Multilayer perceptron: dense layers with biases, ReLU between them, cross entropy of the softmax.

    Not convex: `smoothness` is infinite, and there is no `solution`. Step sizes have to be set.

    Parameters
    ----------
    features : (M, k) array_like
        Samples of all nodes, stacked.
    labels : (M,) array_like
        Their classes: any distinct values, numbered in ascending order.
    offsets : (n + 1,) array_like of int
        Rows `offsets[i]:offsets[i + 1]` belong to node i; each has at least one.
    l2 : float
        Ridge weight, >= 0.
    hidden : sequence of int
        Sizes of the layers between inputs and classes.
    test : (features, labels), optional
        Samples that `accuracy` is taken on.

    Examples
    --------
    >>> import numpy as np
    >>> problem = Perceptron(np.eye(4), [0, 1, 0, 1], [0, 2, 4], hidden=(3,))
    >>> problem.dim, problem.layers["biases1"]
    (23, (slice(21, 23, None), (2,)))
    """

    def __init__(
        self,
        features: ArrayLike,
        labels: ArrayLike,
        offsets: ArrayLike,
        l2: float = 0.0,
        *,
        hidden: Sequence[int] = (32,),
        test: tuple[ArrayLike, ArrayLike] | None = None,
    ):
        super().__init__(features, labels, offsets, tuple(hidden), True, l2, test)

    def start(self, rng: Any = 0) -> np.ndarray:
        """Draw where to start: He's normal weights of variance 2 / inputs, zero biases, (d,).

        Parameters
        ----------
        rng : None, int, SeedSequence or Generator
            Source of randomness.
        """
        generator = np.random.default_rng(rng)
        x = np.zeros(self.dim)
        for name, (place, shape) in self.layers.items():
            if name.startswith("weights"):
                x[place] = generator.normal(0.0, np.sqrt(2.0 / shape[1]), int(np.prod(shape)))
        return x

    def _curvature_bounds(self) -> tuple[float, float]:
        return 0.0, np.inf

    def _minimizer(self) -> np.ndarray:
        raise ValueError("a Perceptron is not convex: no minimiser can be vouched for")


def _newton(A: np.ndarray, labels: np.ndarray, weights: np.ndarray, l2: float, n_classes: int) -> np.ndarray:
    """Minimise the weighted cross entropy + l2/2 |W|^2 until the gradient stops falling.

    Adding one vector to all rows of W changes the ridge term alone, so the minimiser has rows of zero sum;
    least squares keeps to them where l2 = 0, too.
    """
    k = A.shape[1]
    onto = np.eye(n_classes)[labels]
    eps = np.finfo(float).eps
    scale = float(weights @ np.linalg.norm(A, axis=1))

    def evaluate(W: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        logits = A @ W.T
        level = np.logaddexp.reduce(logits, axis=1)
        P = np.exp(logits - level[:, None])
        value = weights @ (level - (logits * onto).sum(axis=1)) + l2 / 2 * (W**2).sum()
        return float(value), ((P - onto) * weights[:, None]).T @ A + l2 * W, P

    W = step = np.zeros((n_classes, k))
    value, gradient, P = evaluate(W)
    for _ in range(200):
        norm = float(np.linalg.norm(gradient))
        if norm == 0.0:
            break
        hessian = np.empty((n_classes, k, n_classes, k))
        for c in range(n_classes):
            for e in range(n_classes):
                curvature = weights * P[:, c] * ((c == e) - P[:, e])
                hessian[c, :, e] = (A.T * curvature) @ A
        hessian = hessian.reshape(n_classes * k, n_classes * k)
        hessian[np.diag_indices(n_classes * k)] += l2
        if l2 > 0:
            step = np.linalg.solve(hessian, -gradient.ravel()).reshape(W.shape)
        else:
            step = np.linalg.lstsq(hessian, -gradient.ravel())[0].reshape(W.shape)
        slope = float((gradient * step).sum())
        fraction = 1.0
        while fraction > 1e-12:
            trial = W + fraction * step
            new_value, new_gradient, new_P = evaluate(trial)
            new_norm = float(np.linalg.norm(new_gradient))
            if new_value < value + 1e-4 * fraction * slope or new_norm < norm:
                break
            fraction /= 2
        else:
            break
        if norm <= 1e-9 * scale and new_norm >= norm:
            break
        W, value, gradient, P = trial, new_value, new_gradient, new_P
    norm = float(np.linalg.norm(gradient))
    if l2 == 0 and np.abs(A @ step.T).max() > 1e-3:
        # Newton on separable classes moves the logits by about 1 a step for ever while the gradient vanishes
        raise ValueError("the classes are linearly separable and l2 = 0: f has no minimiser; set l2 > 0")
    if norm > 1e4 * eps * (scale + l2 * float(np.linalg.norm(W))):
        raise ValueError(f"Newton's method stopped at a gradient of norm {norm:.3g}; scale the features")
    return W.ravel()
