"""Gossip: rows of X mixed with their neighbours', in rounds (`mix`, `chebyshev_mix`) or pair by pair.

A mixing matrix W has rows and columns that sum to one. A matrix is checked at each call; a `Mixer` was
checked once, and keeps what the kernels need. Each product ``W X`` is done in one of two ways, whichever was
measured to be faster: rows of the sparse W in a compiled kernel, or BLAS with W as a dense matrix.

NaN and infinity spread to the neighbours in W only, whichever way is taken.

X may be on a GPU: CuPy in, CuPy out, with the numbers of the compiled kernels on the CPU. Products are then
never dense (a Mixer keeps a copy of the sparse W on each device), and pairs are averaged by batches of edges
without a common node. The graph stays on the CPU, as a Mixer, a sparse W or edges. `gpu` says why cuSPARSE is
not the default.

`reference` is the definition.
"""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..backend import destination, device_of
from . import cpu, gpu, rounds
from .matrix import Mixer

__all__ = ["Mixer", "chebyshev_mix", "chebyshev_rounds", "mix", "pairwise_average"]

_NO_GAP = 1e-13  # what rounding leaves of the gap of a matrix that does not connect all nodes
_PIECE = 1 << 26  # numbers averaged in one call, which Ctrl-C waits for: about 0.1 s
_FLOATS = (np.dtype(np.float64), np.dtype(np.float32))


def mix(W: Any, X: Any, steps: int = 1, *, out: Any = None) -> Any:
    """Return ``W^steps X``: every node takes the weighted mean of its neighbours' rows, `steps` times.

    Parameters
    ----------
    W : Mixer, or (n, n) array_like or sparse array of SciPy
        Mixing matrix, as `Mixer` describes it. A dense array must be on the device of X.
    X : (n, d) array_like or CuPy array
        One row a node; float32 is kept, all else becomes float64. Never modified.
    steps : int
        Number of rounds, at least 0.
    out : (n, d) array, optional
        C-contiguous array of the dtype of the result, to be overwritten; apart from X, on its device.

    Returns
    -------
    (n, d) array
        `out` if given; otherwise a new array on the device of X.

    Raises
    ------
    TypeError, ValueError
        If W is not a mixing matrix, or the arrays do not fit, or are on two devices.
    ModuleNotFoundError, RuntimeError
        If X is CuPy's, but CuPy is not installed or finds no device.

    Examples
    --------
    >>> from gossamer import graphs
    >>> from gossamer.kernels import gossip
    >>> W = gossip.Mixer(graphs.mixing_matrix(graphs.cycle(4)))
    >>> gossip.mix(W, [[3.0], [0.0], [0.0], [0.0]]).ravel().tolist()
    [1.0, 1.0, 0.0, 1.0]
    """
    kernels = _kernels(W, X, out)
    mixer = _mixer(W, kernels)
    x = _rows(X, mixer.n_nodes, kernels)
    n_rounds = checks.count("steps", steps)
    result = _output(out, x, kernels)
    (kernels or rounds).repeat_mix(mixer, x, n_rounds, result)
    return result


def chebyshev_mix(
    W: Any,
    X: Any,
    steps: int,
    *,
    spectrum: tuple[float, float] | None = None,
    out: Any = None,
) -> Any:
    """Return ``P(W) X`` for the polynomial P of degree `steps` that mixes best in the worst case.

    With the eigenvalues of W on the vectors of zero sum in [a, b], b < 1, the disagreement
    ``|X - mean X|`` (Frobenius) shrinks by ``1 / T_steps(s)`` or more, ``s = (2 - a - b) / (b - a)``; T is
    Chebyshev's polynomial, and no other polynomial promises more. For a small gap 1 - b that takes about
    sqrt(1 - b) times the rounds of `mix`. The average is kept.

    The recurrence is Chebyshev's semi-iteration, ``X_{k+1} = w_{k+1} M X_k + (1 - w_{k+1}) X_{k-1}`` with
    ``M = (2 W - (a + b) I) / (2 - a - b)`` and ``w_{k+1} = 1 / (1 - w_k / (4 s^2))``, from w_1 = 1 (and 2 in
    the formula for w_2): Golub & Varga, Numerische Mathematik 1961. For gossip with the interval [-b, b]:
    Scaman et al., "Optimal algorithms for smooth and strongly convex distributed optimization" (ICML 2017).

    Parameters
    ----------
    W : Mixer, or (n, n) array_like or sparse array of SciPy
        Symmetric mixing matrix. A dense array must be on the device of X.
    X : (n, d) array_like or CuPy array
        One row a node; float32 is kept, all else becomes float64. Never modified.
    steps : int
        Number of rounds, at least 0: each node sends its row to its neighbours once a round.
    spectrum : (a, b), optional
        Interval that holds the eigenvalues on the vectors of zero sum; `Mixer.spectrum` by default, which
        computes it once for each Mixer. Too wide an interval costs speed. Eigenvalues outside shrink less, or
        grow.
    out : (n, d) array, optional
        C-contiguous array of the dtype of the result, to be overwritten; apart from X, on its device.

    Returns
    -------
    (n, d) array
        `out` if given; otherwise a new array on the device of X.

    Raises
    ------
    TypeError, ValueError
        If W is not a symmetric mixing matrix that connects all nodes, or the arrays do not fit, or are on two
        devices.
    ModuleNotFoundError, RuntimeError
        If X is CuPy's, but CuPy is not installed or finds no device; if the eigenvalues of a large W do not
        converge.

    Examples
    --------
    >>> from gossamer import graphs
    >>> from gossamer.kernels import gossip
    >>> W = gossip.Mixer(graphs.mixing_matrix(graphs.cycle(4)))
    >>> X = [[3.0], [0.0], [0.0], [0.0]]
    >>> gossip.mix(W, X, 4).ravel().round(2).tolist()
    [0.78, 0.74, 0.74, 0.74]
    >>> gossip.chebyshev_mix(W, X, 4).ravel().round(2).tolist()
    [0.75, 0.75, 0.75, 0.75]
    """
    kernels = _kernels(W, X, out)
    mixer = _mixer(W, kernels)
    x = _rows(X, mixer.n_nodes, kernels)
    n_rounds = checks.count("steps", steps)
    mixer.require_symmetric()
    a, b = _interval(mixer.spectrum if spectrum is None else spectrum)
    result = _output(out, x, kernels)
    (kernels or rounds).semi_iterate(mixer, x, rounds.semi_iteration(a, b, n_rounds), result)
    return result


def chebyshev_rounds(W: Any, accuracy: float) -> int:
    """Return the number of rounds in which `chebyshev_mix` shrinks any disagreement to `accuracy` of itself.

    The least K with ``1 / T_K(s) <= accuracy`` (derived): ``arccosh(1 / accuracy) / arccosh(s)``, rounded
    up. Fewer rounds do leave more of the eigenvectors of a and b.

    Parameters
    ----------
    W : Mixer, (n, n) array_like, sparse array of SciPy, or float
        Symmetric mixing matrix, or its spectral gap: 1 less the second largest modulus of its eigenvalues,
        in (0, 1]. The gap stands for the interval [gap - 1, 1 - gap], which `chebyshev_mix` is then to be
        given; that of W itself may need fewer rounds.
    accuracy : float
        In (0, 1].

    Returns
    -------
    int
        At least 0.

    Raises
    ------
    TypeError, ValueError
        If W is not a symmetric mixing matrix that connects all nodes, or a number is out of range.
    RuntimeError
        If the eigenvalues of a large W do not converge.

    Examples
    --------
    Without acceleration a gap of 0.01 takes log(1e-6) / log(0.99) = 1375 rounds:

    >>> from gossamer.kernels import gossip
    >>> gossip.chebyshev_rounds(0.01, 1e-6)
    103
    """
    target = checks.real("accuracy", accuracy, above=0.0, most=1.0)
    if isinstance(W, numbers.Real):
        rest = checks.real("the gap", W, above=0.0, most=1.0)  # 1 - 1/s
    else:
        a, b = _interval((W if isinstance(W, Mixer) else Mixer(W)).spectrum)
        rest = 2.0 * (1.0 - b) / (2.0 - a - b)
    if target == 1.0:
        return 0
    root = math.sqrt(rest * (2.0 - rest))  # sqrt(1 - 1/s^2); arccosh(s) is its artanh
    if root >= 1.0:
        return 1
    wanted = math.log1p(math.sqrt((1.0 - target) * (1.0 + target))) - math.log(target)
    return math.ceil(wanted / math.atanh(root))


def pairwise_average(X: Any, edges: ArrayLike, alpha: float = 0.5) -> None:
    """Average pairs of rows in place, one edge after the other: randomised gossip.

    For each edge ij in turn, ``x_i, x_j <- (1 - alpha) x_i + alpha x_j, (1 - alpha) x_j + alpha x_i``. The
    sum of the rows stays. Boyd, Ghosh, Prabhakar & Shah, "Randomized gossip algorithms" (IEEE Transactions on
    Information Theory 2006), with alpha = 1/2.

    Parameters
    ----------
    X : (n, d) array of NumPy or CuPy
        float64 or float32, C-contiguous and writable; modified. NaN and infinity spread to the other node.
    edges : (m, 2) array_like of int
        Pairs of distinct nodes, in either order; an edge may come many times. On the CPU wherever X is: for
        a GPU it cuts them into batches in which no node comes twice, with the same result.
    alpha : float
        In [0, 1]; 1 swaps the rows.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit; X is then as it was.
    ModuleNotFoundError, RuntimeError
        If X is CuPy's, but CuPy is not installed or finds no device.

    Examples
    --------
    >>> import numpy as np
    >>> from gossamer.kernels import gossip
    >>> X = np.array([[4.0], [0.0], [0.0]])
    >>> gossip.pairwise_average(X, [[0, 1], [1, 2]])
    >>> X.ravel().tolist()
    [2.0, 1.0, 1.0]
    """
    device = device_of(X=X)
    if device is None:
        _require_writable("X", X)
    elif X.dtype not in _FLOATS:
        raise TypeError(f"X is modified: it must be an array of float64 or float32, got dtype {X.dtype}")
    elif not X.flags.c_contiguous:
        raise ValueError("X is modified: it must be C-contiguous; make it so with cupy.ascontiguousarray(X)")
    if X.ndim != 2:
        raise ValueError(f"X must have shape (n, d), got {X.shape}; X[:, None] for one number a node")
    n = X.shape[0]
    if device_of(edges=edges) is not None:
        raise TypeError("edges must be on the CPU, which cuts them into batches: give cupy.asnumpy(edges)")
    pairs = checks.as_array("edges", edges)
    if pairs.size == 0 and pairs.shape in ((0,), (0, 2)):
        pairs = np.empty((0, 2), np.uint32)
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        raise ValueError(f"edges must have shape (m, 2), got {pairs.shape}")
    if pairs.dtype.kind not in "iu":
        raise TypeError(f"edges must hold integer node indices, got dtype {pairs.dtype}")
    if pairs.size and not (pairs.min() >= 0 and pairs.max() < n):
        raise ValueError(f"edges must hold nodes in 0..{n - 1}, got {pairs.min()}..{pairs.max()}")
    loops = np.flatnonzero(pairs[:, 0] == pairs[:, 1])
    if loops.size:
        raise ValueError(f"edges must join distinct nodes, but edge {loops[0]} is {pairs[loops[0]].tolist()}")
    take = checks.real("alpha", alpha, least=0.0, most=1.0)
    if X.size:
        average = cpu.pairwise_average[X.dtype] if device is None else gpu.on_device(device).pairwise_average
        pairs = np.ascontiguousarray(pairs, np.uint32)
        piece = max(_PIECE // X.shape[1], 1)
        for begin in range(0, len(pairs), piece):
            average(X, pairs[begin : begin + piece], 1.0 - take, take)


# ---------------------------------------------------------------------- arguments


def _kernels(W: Any, X: Any, out: Any) -> gpu.GossipKernels | None:
    """Return the kernels of the device of the arrays; None for the CPU."""
    if isinstance(W, Mixer) and type(X) is np.ndarray and type(out) in (np.ndarray, type(None)):
        return None  # small products take no longer than asking on
    arrays = {"X": X, "out": out}
    if not (isinstance(W, Mixer) or hasattr(W, "tocsr")):  # these are on the CPU, wherever X is
        arrays = {"W": W, **arrays}
    device = device_of(**arrays)
    return None if device is None else gpu.on_device(device)


def _mixer(W: Any, kernels: gpu.GossipKernels | None) -> Mixer:
    if isinstance(W, Mixer):
        return W
    return Mixer(W if kernels is None or hasattr(W, "tocsr") else kernels.backend.asnumpy(W))


def _rows(X: Any, n: int, kernels: gpu.GossipKernels | None) -> Any:
    if kernels is not None:
        return _device_rows(X, n, kernels)
    x = checks.as_array("X", X)
    if x.dtype not in _FLOATS or x.ndim != 2:
        x = checks.real_array("X", x, (n, None), finite=False)
    if x.shape[0] != n:
        raise ValueError(f"X must have a row for each of the {n} nodes of W, got shape {x.shape}")
    if not (x.flags.c_contiguous and x.flags.aligned):
        x = np.require(x, requirements=["C_CONTIGUOUS", "ALIGNED"])
    return x


def _device_rows(X: Any, n: int, kernels: gpu.GossipKernels) -> Any:
    if X.dtype.kind not in "fiub":
        raise TypeError(f"X must be an array of real numbers, got dtype {X.dtype}")
    if X.ndim != 2 or X.shape[0] != n:
        raise ValueError(f"X must have a row for each of the {n} nodes of W, got shape {X.shape}")
    dtype = X.dtype if X.dtype in _FLOATS else np.dtype(np.float64)
    fits = X.dtype == dtype and X.flags.c_contiguous
    return X if fits else kernels.backend.asarray(X, dtype)


def _require_writable(name: str, array: Any) -> None:
    checks.require_plain(name, array)
    if not isinstance(array, np.ndarray) or array.dtype not in _FLOATS:
        got = f"dtype {array.dtype}" if isinstance(array, np.ndarray) else type(array).__name__
        raise TypeError(f"{name} is modified: it must be a NumPy array of float64 or float32, got {got}")
    flags = array.flags
    if not (flags.writeable and flags.c_contiguous and flags.aligned):
        raise ValueError(
            f"{name} is modified: it must be writable, C-contiguous and aligned; make it so with "
            f"np.array({name}, order='C')"
        )


def _output(out: Any, x: Any, kernels: gpu.GossipKernels | None) -> Any:
    if out is None:
        return (kernels.backend if kernels else np).empty(x.shape, x.dtype)
    if kernels is not None:
        destination(out, x.shape, x.dtype)
    else:
        _require_writable("out", out)
        if out.shape != x.shape or out.dtype != x.dtype:
            wanted, got = f"shape {x.shape} and dtype {x.dtype}", f"{out.shape}, {out.dtype}"
            raise ValueError(f"out must have {wanted}, got {got}")
    if np.may_share_memory(out, x):  # NumPy asks CuPy about its arrays
        raise ValueError("out must not overlap X: take another array")
    return out


def _interval(spectrum: Any) -> tuple[float, float]:
    try:
        a, b = spectrum
    except (TypeError, ValueError):
        raise TypeError(f"spectrum must be a pair of numbers, (a, b), got {spectrum!r}") from None
    a, b = checks.real("spectrum[0]", a), checks.real("spectrum[1]", b)
    if not a <= b:
        raise ValueError(f"spectrum must be (smallest, largest), got ({a}, {b})")
    if b >= 1.0 - _NO_GAP:
        raise ValueError(
            f"the second eigenvalue of W must be below 1, got {b!r}: connect all nodes; mix() needs no gap"
        )
    return a, b
