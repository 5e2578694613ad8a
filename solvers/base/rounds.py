"""The base of methods that work in synchronous rounds: an event is a round, and a unit of time.

A method is a frozen dataclass with a compiled loop (`kernels.rounds`) and the step sizes that theory gives;
the rooms `gossip`, `server` and `saddle` have its kinds.
"""

from __future__ import annotations

import abc
import dataclasses
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ...graphs import Graph
from ...kernels import prox, random
from ...kernels import rounds as kernel
from ...kernels._jit import LazyKernel
from ...kernels.checks import frozen, instance, real
from ...kernels.compression import Compressor, Identity, row_function
from ...kernels.gossip import Mixer
from ...kernels.oracles import Batches
from ...kernels.random import streams
from ...problems import Problem
from .bound import Bound
from .clocks import RoundClock
from .factors import gradient_descent_rate
from .messages import disjoint
from .network import Network
from .noise import noise_floor
from .solver import Solver, layout, same
from .state import State
from .tuning import probe_start, tuned

AUTO = "auto"
Step = float | str | None

_LARGEST = 4.0  # times theory's step: tuned steps of the same mini-batch at two points
_SLOWEST = 1e-5  # progress a round that a run is given time for, if theory promises less


def _checked(theory: Callable[..., dict[str, float]]) -> Callable[..., dict[str, float]]:
    """Return `theory` of a subclass, which need not look at the classes of its arguments."""

    @functools.wraps(theory)
    def checked(self: RoundSolver, problem: Problem, graph: Graph) -> dict[str, float]:
        instance("problem", problem, Problem)
        instance("graph", graph, Graph, "Graph.from_networkx or Graph.from_edges")
        return theory(self, problem, graph)

    return checked


@dataclass(frozen=True, eq=False)
class RoundSolver(Solver):
    """A method of synchronous rounds.

    A subclass names its loop and its variables, and says in `theory` what numbers the loop reads. Those that
    are also fields are hyper-parameters: None takes theory's value, "auto" tunes it on probe rounds, a number
    is taken as it is.
    """

    _settings = ("steps", "weights", "entries", "options", "method")
    _kernel: ClassVar[LazyKernel]
    _n_rows: ClassVar[int]  # variables of the loop at each node
    _n_shared: ClassVar[int] = 0  # and in common
    _mixes: ClassVar[bool] = False  # over the edges of a graph
    _needs: ClassVar[str] = ""  # of the compressor: "unbiased" or "contractive"
    _largest: ClassVar[dict[str, float]] = {}  # beyond these values a parameter makes no sense
    _same_batch: ClassVar[bool] = False  # at two points, so that its noise vanishes at the solution
    _exact: ClassVar[bool] = False  # whether full gradients and a constant step reach the solution
    _positive: ClassVar[tuple[str, ...]] = ("step", "gamma")  # at 0 these do nothing

    batch_size: int | None = field(default=None, kw_only=True)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "theory" in vars(cls):
            cls.theory = _checked(cls.theory)

    @abc.abstractmethod
    def theory(self, problem: Problem, graph: Graph) -> dict[str, float]:
        """Return the numbers that theory gives for one problem and graph, those of the loop, in its order.

        Parameters
        ----------
        problem : Problem
            Its smoothness and strong convexity are read.
        graph : Graph
            Where the method can run.

        Returns
        -------
        dict of str to float
            As the notes of the class have them; NaN where theory has no value.
        """

    @abc.abstractmethod
    def _network(self, graph: Graph) -> Network:
        """Return who sends to whom."""

    def _assume(self, problem: Problem, changing: bool, *, batches: bool = False) -> None:
        """Raise where what all theorems of linear rates ask for is missing."""
        mu = problem.strong_convexity
        if changing:
            raise self._uncertifiable("its theorem is that of a graph which stays as it is")
        if self._batch(problem) is not None and not batches:
            raise self._uncertifiable(
                "with mini-batches their noise keeps it from the solution; batch_size=None is certified"
            )
        if not mu > 0.0:
            raise self._uncertifiable(
                f"it takes strong convexity or monotonicity, and strong_convexity is {mu:g}"
            )

    def _without_compression(self, problem: Problem, values: dict[str, float]) -> float:
        """Return the rate of methods over a server that are gradient descent where messages are exact."""
        L = problem.smoothness
        return gradient_descent_rate(L / problem.strong_convexity, values["step"] * L)

    def _assume_unbiased(self) -> None:
        """Raise where a compressor is biased, for theorems that need unbiased ones."""
        if not (self._compressor.unbiased and self._server_compressor.unbiased):
            raise self._uncertifiable("its theorem needs unbiased compressors")

    def _smoothness(self, problem: Problem) -> float:
        """Return the L of step sizes: that of gradients over mini-batches, where there are any."""
        size = self._batch(problem)
        return problem.smoothness if size is None else problem.expected_smoothness(size)

    def _batch(self, problem: Problem) -> int | None:
        """Return the rows of a mini-batch; None where all gradients are full ones."""
        return problem.mini_batch(self.batch_size)

    def _certified_rate(self, problem: Problem, graph: Graph, changing: bool) -> float:
        return self._certified(problem, graph, self.parameters(problem, graph), changing)

    def _certified(
        self, problem: Problem, graph: Graph, values: dict[str, float], changing: bool = False
    ) -> float:
        """Return `certified_rate` with these numbers of the loop; by default that of all of its constants."""
        self._assume(problem, changing=False)
        L, mu = problem.smoothness, problem.strong_convexity
        scaled = values | {"step": values.get("step", math.nan) * L}
        return self._certificate(max(L / mu, 1.0), self._interval(graph), scaled, changing)

    def _certificate(
        self, kappa: float, spectrum: tuple[float, float] | None, values: dict[str, float], changing: bool
    ) -> float:
        """Return the rate for all problems and graphs of these constants; the step is in units of 1/L."""
        raise self._undetermined()

    def _determined(self) -> None:
        """Raise where a condition number and a spectrum alone have no certified rate."""
        if type(self)._certificate is RoundSolver._certificate:
            raise self._undetermined()

    def _undetermined(self) -> NotImplementedError:
        """Return the error that says what these constants lack; whether more of them would do."""
        if type(self)._certified is RoundSolver._certified:
            return self._uncertifiable(self._uncertified)
        return self._uncertifiable(
            "these constants alone do not determine one; solver.certified_rate(problem, graph) knows the rest"
        )

    def _best(self, kappa: float, low: float, high: float) -> dict[str, float]:
        """Return the default numbers of the loop for L = 1, where they depend on these constants alone."""
        raise self._undetermined()

    def _numbers(
        self, kappa: float, spectrum: tuple[float, float] | None, step: float | None
    ) -> dict[str, float]:
        """Return the numbers of the loop for L = 1: this step, those that are set, and the default ones."""
        if getattr(self, "step", None) is not None:
            raise ValueError(
                f"leave the step of {type(self).__name__} at None, and give step= in units of 1/L"
            )
        values = {"step": math.nan} if spectrum is None else self._best(kappa, *spectrum)
        given = {name: getattr(self, name, None) for name in values} | {"step": step}
        values |= {name: real(name, value) for name, value in given.items() if value is not None}
        if step is None and spectrum is None:
            name = type(self).__name__
            raise ValueError(f"{name} has no default step for a condition number alone: give step=")
        if not (values["step"] > 0.0 or step is None):
            raise ValueError(f"step must be > 0, got {step}")
        return values

    def _interval(self, graph: Graph) -> tuple[float, float] | None:
        """Return an interval of the eigenvalues of the mixing matrix, None for methods without one."""
        return None

    @property
    def _compressor(self) -> Compressor:
        return getattr(self, "compressor", _WHOLE)

    @property
    def _server_compressor(self) -> Compressor:
        return getattr(self, "server_compressor", _WHOLE)

    def _pace(self, problem: Problem, graph: Graph, values: dict[str, float]) -> float:
        """Return the share of the error that a round is expected to remove, for limits on run time."""
        return values["step"] * problem.strong_convexity

    def _noise_floor(self, problem: Problem, values: dict[str, float], turn: int, x: np.ndarray) -> float:
        """Return a bound on the mean squared distance that the noise of batches leaves, by that at x."""
        size = self._batch(problem)
        if size is None or self._same_batch:
            return 0.0
        step = values["step"] / (1.0 + values.get("step_decay", 0.0) * turn)
        noise = problem.gradient_noise(size, x)
        return noise_floor(step, self._smoothness(problem), problem.strong_convexity, noise)

    def parameters(self, problem: Problem, graph: Graph) -> dict[str, float]:
        """Return the numbers that `solve` runs with: as set, theory's, or tuned.

        Parameters
        ----------
        problem, graph
            As in `solve`.

        Returns
        -------
        dict of str to float
            With the keys of `theory`.

        Raises
        ------
        TypeError, ValueError
            A hyper-parameter that does not fit, or has no theory and was not set; a problem or a graph that
            does not.
        """
        self._check_match(problem, graph)
        values, to_tune = self._values(problem, graph)
        for name in to_tune:
            values[name] = self._tuned(problem, graph, values, name)
        return values

    def _tuned(self, problem: Problem, graph: Graph, values: dict[str, float], name: str) -> float:
        """Return the tuned value of one of the numbers; those before it are tuned already."""
        largest = self._largest.get(name, math.inf)
        if name == "step" and self._batch(problem) is not None:
            largest = self._largest_step(problem, values[name])
        start = probe_start(problem)
        return tuned(
            self,
            problem,
            graph,
            values,
            name,
            largest,
            start,
            exact=self._exact and self._batch(problem) is None,
            draws=self._draws(problem),
            noisy=self._batch(problem) is not None,
        )

    def _largest_step(self, problem: Problem, theory: float) -> float:
        """Return the end of the search for a step with mini-batches; NaN is a theory that has none.

        Larger ones may look well on every probe, until rare rows come. Where one batch is taken at two points
        the theorem's own constant sets the scale, else 1/L(b).
        """
        if self._same_batch:
            return _LARGEST * theory if math.isfinite(theory) else math.inf
        L = self._smoothness(problem)
        return 1.0 / L if math.isfinite(L) else math.inf

    def _draws(self, problem: Problem) -> bool:
        """Return whether runs with other seeds differ."""
        return self._batch(problem) is not None or self._compressor.random

    def _values(self, problem: Problem, graph: Graph) -> tuple[dict[str, float], list[str]]:
        """Return the numbers of the loop, and which of them are still to be tuned."""
        self._check(problem)
        values = self.theory(problem, graph)
        to_tune = []
        for name, value in values.items():
            given = getattr(self, name, None)
            if isinstance(given, str):
                if given != AUTO:
                    raise ValueError(f'{name} must be a number, None (theory) or "auto", got {given!r}')
                to_tune.append(name)
            elif given is not None:
                least, above = (-math.inf, 0.0) if name in self._positive else (0.0, -math.inf)
                most = self._largest.get(name, math.inf)
                values[name] = real(name, given, least=least, above=above, most=most)
            elif not (math.isfinite(value) and (value > 0.0 or name not in self._positive)):
                raise ValueError(
                    f'{type(self).__name__} has no theory for {name} here: set it, or pass {name}="auto"'
                )
        return values, to_tune

    def _check(self, problem: Problem) -> None:
        self._batch(problem)  # raises where it does not fit
        L = problem.smoothness
        if not 0 < L < math.inf:
            raise ValueError(f"{type(self).__name__} needs 0 < smoothness < inf, got {L:g}")
        for name, found in (("compressor", self._compressor), ("server_compressor", self._server_compressor)):
            if not isinstance(found, Compressor):
                raise TypeError(
                    f"{name} must be one of kernels.compression, such as TopK(0.1), got {found!r}"
                )
        compressor, d = self._compressor, problem.dim
        disjoint(compressor, problem.n_nodes)  # raises for a PermK of another number of workers
        if not self._needs or not getattr(self, "check_compressor", True):
            return
        if self._needs == "unbiased" and not compressor.unbiased:
            raise ValueError(
                f"{type(self).__name__} needs an unbiased compressor and {compressor} is biased: take RandK, "
                "QSGD or Natural, or pass check_compressor=False"
            )
        if self._needs == "contractive" and not compressor.contraction(d) > 0.0:
            raise ValueError(
                f"{type(self).__name__} needs a contractive compressor, and {compressor} is not on {d} "
                "coordinates: take TopK, or scaled=False, or pass check_compressor=False"
            )

    def _start(self, problem: Problem, graph: Graph, X: np.ndarray) -> dict[str, np.ndarray]:
        return self._arrays(problem, graph, X, self.parameters(problem, graph))

    def _arrays(
        self, problem: Problem, graph: Graph, X: np.ndarray, values: dict[str, float]
    ) -> dict[str, np.ndarray]:
        network = self._network(graph)
        rows = np.zeros((self._n_rows, *X.shape))
        shared = np.zeros((self._n_shared, X.shape[1]))
        if self._n_shared:
            if (X[0] != X).any():
                raise ValueError("x0 must be one start for all nodes, (d,): they hold the same iterate")
            shared[0] = X[0]
        else:
            rows[0] = X
        return {
            "rows": rows,
            "shared": shared,
            "steps": np.array(list(values.values())),
            "weights": np.empty(0) if network.mixer is None else network.mixer.weights(float).copy(),
            "entries": _NO_ENTRIES.copy() if network.mixer is None else _entries(network.mixer),
            "method": np.frombuffer(self._method().encode(), np.uint8).copy(),
            "options": np.array([self._batch(problem) or 0.0], float),
        }

    def _has_started(self, problem: Problem, graph: Graph, found: dict[str, np.ndarray]) -> bool:
        values, to_tune = self._values(problem, graph)
        fresh = self._arrays(problem, graph, np.zeros((problem.n_nodes, problem.dim)), values)
        if layout(fresh) != layout(found):
            return False
        fixed = np.array([name not in to_tune for name in values])
        pairs = [(fresh["steps"][fixed], found["steps"][fixed])]
        pairs += [(fresh[name], found[name]) for name in ("weights", "entries", "options", "method")]
        return all(same(a, b) for a, b in pairs)

    def _method(self) -> str:
        """Return what tells loop and compressor from others, in another process too."""
        return f"{self._kernel.name} {_name(self._compressor)} {_name(self._server_compressor)}"

    def _prepare(self, problem: Problem, graph: Graph, state: State) -> _BoundRounds:
        return _BoundRounds(self, problem, graph, state)


class _BoundRounds(Bound):
    """A round-based method bound to a problem and a graph."""

    clock = RoundClock()

    def __init__(self, solver: RoundSolver, problem: Problem, graph: Graph, state: State):
        self._kernel = solver._kernel
        size = solver._batch(problem) or 0
        self._oracle = problem.sample_oracle if size else problem.oracle
        network = solver._network(graph)
        self._row_function = row_function(solver._compressor, problem.dim)  # lives as long as its address
        self._answer = row_function(solver._server_compressor, problem.dim)
        mixer, key = network.mixer, np.uint64(state.key)
        self._setting = kernel.Setting(
            indptr=_NO_ROWS if mixer is None else mixer.indptr,
            indices=_NO_COLUMNS if mixer is None else mixer.indices,
            weights=state.arrays["weights"],
            copies=network.copies,
            copies_down=network.copies_down,
            n_links=network.n_links,
            gradient=self._oracle.gradient_address,
            data=self._oracle.data,
            batches=Batches(size, self._oracle.n_samples, key),
            compress=self._row_function.address,
            parameters=frozen(self._row_function.parameters.copy()),
            key=key,
            compress_down=self._answer.address,
            parameters_down=frozen(self._answer.parameters.copy()),
            key_down=_key_down(state.key),
            blocks=prox.pack(problem.blocks, problem.dim),
        )
        entries = self._setting.indices.size * problem.dim
        self.work = self._oracle.work(size) + state.arrays["rows"].size + entries
        self._steps = state.arrays["steps"]
        values = dict(zip(solver.theory(problem, graph), self._steps.tolist(), strict=True))
        self._solver, self._where = solver, (problem, graph, values)
        self._noise_floor = functools.partial(solver._noise_floor, problem, values)

    def apply(self, state: State, count: int, /) -> None:
        arrays = state.arrays
        ledger = kernel.run_rounds(
            self._kernel,
            self._setting,
            state.n_events,
            count,
            self._steps,
            arrays["rows"],
            arrays["shared"],
        )
        state.ledger.add(ledger)

    def iterates(self, state: State) -> np.ndarray:
        rows, shared = state.arrays["rows"], state.arrays["shared"]
        if len(shared):
            return np.repeat(shared[:1], rows.shape[1], axis=0)
        return rows[0].copy()

    def noise_floor(self, state: State, x: np.ndarray) -> float:
        return self._noise_floor(state.n_events, x)

    def time_limit(self, tol: float) -> float:
        # the error has to fall by tol; e^10 stands for its constant
        pace = max(min(self._solver._pace(*self._where), 1.0), _SLOWEST)
        return math.ceil(4 * (10 - math.log(max(min(tol, 1.0), 1e-16))) / pace)

    def rate(self) -> float | None:
        if not self._solver._exact:
            return None
        try:
            rate = self._solver._certified(*self._where)
        except NotImplementedError:
            return None
        return rate if math.isfinite(rate) else None


def _name(compressor: Compressor) -> str:
    return repr(compressor) if dataclasses.is_dataclass(compressor) else type(compressor).__qualname__


def _key_down(key: int) -> np.uint64:
    """Return the key of a server's messages, which share no draws with the nodes'."""
    high, low = random.words(key, streams.SERVER, 0, 1)[0, :2].tolist()
    return np.uint64(high << 32 | low)


def _entries(mixer: Mixer) -> np.ndarray:
    """Return the places i n + j of the entries of a mixing matrix."""
    rows = np.repeat(np.arange(mixer.n_nodes), np.diff(mixer.indptr.astype(np.int64)))
    return rows * mixer.n_nodes + mixer.indices


_WHOLE = Identity()
_NO_ROWS = frozen(np.empty(0, np.uint64))
_NO_COLUMNS = frozen(np.empty(0, np.uint32))
_NO_ENTRIES = frozen(np.empty(0, np.int64))
