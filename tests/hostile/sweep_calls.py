"""One good call of every public callable, which `sweep` then bends.

A call is a function without arguments that returns what to call, with which positional and named arguments.
Arrays are made anew at each turn. What a class inherits unchanged is called on one of its descendants.
"""

import dataclasses
import functools
import importlib
import inspect
import pkgutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import gossamer
from gossamer import files, graphs, kernels, problems, solvers
from gossamer.kernels import (
    aggregation,
    asynchronous,
    compression,
    events,
    gossip,
    iterates,
    memory,
    oracles,
    prox,
    random,
    rounds,
    sparse,
    text,
)
from gossamer.kernels.asynchronous import pairwise
from gossamer.problems import attacks
from gossamer.solvers import gossip_rules
from gossamer.solvers.base.trace import COLUMNS
from gossamer.solvers.server.base import ServerSolver

Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]

CALLS: dict[str, Callable[[], Call]] = {}

# Abstract classes, types for compiled code, warnings, records that check nothing, what calls what it is given
NOT_CALLED = {
    "graphs.Bounds", "graphs.Certificate", "graphs.FastestMixing", "graphs.GossipRates",
    "graphs.MixingCertificate",
    "files.Npz",
    "kernels.aggregation.Aggregate", "kernels.aggregation.Aggregator", "kernels.aggregation.NonFiniteWarning",
    "kernels.aggregation.PreAggregator",
    "kernels.compression.Compressor", "kernels.compression.Payload", "kernels.compression.ROW_POINTER",
    "kernels.compression.RowFunction", "kernels.compression.Sparsifier",
    "kernels.events.DadaoConstants", "kernels.events.Events",
    "kernels.iterates.Spread",
    "kernels.interrupt.apart", "kernels.interrupt.interruptible",
    "kernels.oracles.Batches", "kernels.oracles.DATA", "kernels.oracles.GRADIENT_POINTER",
    "kernels.oracles.OBJECTIVE_POINTER", "kernels.oracles.Oracle", "kernels.oracles.OracleData",
    "kernels.prox.Block",
    "kernels.asynchronous.SETTING", "kernels.asynchronous.Setting",
    "kernels.rounds.SETTING", "kernels.rounds.Setting",
    "kernels.sparse.LaplacianFactor",
    "kernels.text.Table",
    "problems.Classifier", "problems.GradientCheck", "problems.PerformanceWarning", "problems.Problem",
    "problems.RowSmoothness", "problems.SampleProblem",
    "problems.VariationalInequality", "problems.attacks.Attack",
    "solvers.DADAOParameters", "solvers.Result", "solvers.Solver", "solvers.gossip_rules.GossipRule",
    "solvers.gossip_rules.Neighbourhood",
}  # fmt: skip


def call(name: str, make: Callable[..., Any], *arguments: Any, **named: Any) -> None:
    """Note a good call; arrays among the arguments are copied for each turn, makers called."""
    assert name not in CALLS, name
    CALLS[name] = lambda: (make, tuple(map(_fresh, arguments)), {k: _fresh(v) for k, v in named.items()})


def method(name: str, make: Callable[[], Any], *arguments: Any, **named: Any) -> None:
    """Note a good call of a method, on an object that is made anew."""
    attribute = name.rpartition(".")[2]
    assert name not in CALLS, name
    CALLS[name] = lambda: (
        getattr(make(), attribute),
        tuple(map(_fresh, arguments)),
        {k: _fresh(v) for k, v in named.items()},
    )


class Maker:
    """An argument that is made at each turn."""

    def __init__(self, make: Callable[[], Any]):
        self.make = make


def _fresh(value: Any) -> Any:
    if isinstance(value, Maker):
        return value.make()
    return value.copy() if isinstance(value, np.ndarray) else value


def public() -> Iterator[tuple[str, Any]]:
    """Yield the public callables of the package, each once, by the shortest name."""
    modules = [files, graphs, problems, attacks, solvers, gossip_rules]
    families = sorted(m.name for m in pkgutil.iter_modules(kernels.__path__) if not m.name.startswith("_"))
    modules += [importlib.import_module(f"gossamer.kernels.{name}") for name in families]
    seen: set[int] = set()
    for module in modules:
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if callable(value) and id(value) not in seen and not inspect.ismodule(value):
                seen.add(id(value))
                yield f"{module.__name__.removeprefix('gossamer.')}.{name}", value


def methods(kind: type[Any]) -> set[str]:
    """Names of the public methods that a class of the package defines itself."""
    return {
        name
        for name, value in vars(kind).items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or isinstance(value, classmethod | staticmethod))
    }


# ---------------------------------------------------------------------- what the calls are made with

RNG = np.random.default_rng(0)
X2 = RNG.normal(size=(24, 3))
Y2 = X2 @ np.array([1.0, -2.0, 0.5]) + RNG.normal(size=24)
LABELS = np.where(Y2 > 0, 1.0, -1.0)
OFFSETS = np.array([0, 6, 12, 18, 24])
POINT = RNG.normal(size=3)
POINTS = RNG.normal(size=(4, 3))
G = RNG.normal(size=(9, 6))
FOLDER = Path(tempfile.mkdtemp(prefix="sweep"))
(FOLDER / "data.npz").unlink(missing_ok=True)
np.savez(FOLDER / "data.npz", X=X2, y=Y2)
(FOLDER / "graph.edges").write_text("0 1\n1 2\n2 0\n")

CYCLE = graphs.cycle(4)
GRID = graphs.grid_2d(3, 3)
STAR = graphs.star(4)
RATES = np.linspace(1.0, 2.0, GRID.n_edges)
W = graphs.mixing_matrix(CYCLE)


@functools.cache
def least_squares():
    return problems.LeastSquares(X2, Y2, OFFSETS, 0.1)


@functools.cache
def averaging():
    return problems.Averaging(POINTS)


@functools.cache
def saddle():
    return problems.BilinearSaddle.random(4, 3)


@functools.cache
def classifier():
    return problems.SoftmaxRegression(X2, LABELS, OFFSETS, 0.1, test=(X2, LABELS))


@functools.cache
def rates():
    return graphs.gossip_rates(GRID)


@functools.cache
def mixing():
    return graphs.fastest_mixing(CYCLE)


def identity_gradient(i, x, out):
    out[:] = x


def half_square(i, x):
    return 0.5 * np.sum(x * x)


# ---------------------------------------------------------------------- files

call("files.open_file", files.open_file, FOLDER / "data.npz", most=10**6)
call("files.read_bytes", files.read_bytes, FOLDER / "data.npz", most=10**6)
call("files.write_text", files.write_text, FOLDER / "some.txt", "some text")
call("files.check_file", files.check_file, FOLDER / "some.txt")
call("files.make_folder", files.make_folder, FOLDER / "folder")
call("files.save_npz", files.save_npz, FOLDER / "saved.npz", Maker(lambda: {"x": POINT}))
call("files.json_of", files.json_of, Maker(lambda: {"x": np.array("{}")}), "x")


@functools.wraps(files.open_npz)
def opened(path: Any) -> None:
    with files.open_npz(path) as arrays:
        dict(arrays)


@functools.wraps(files.whole_file)
def written(path: Any, binary: Any) -> None:
    with files.whole_file(path, binary=binary) as file:
        file.write(b"1" if binary else "1")


call("files.open_npz", opened, FOLDER / "data.npz")
call("files.whole_file", written, FOLDER / "whole.txt", binary=False)

# ---------------------------------------------------------------------- graphs

for topology, arguments in {
    "barabasi_albert": (9, 2), "barbell": (3,), "binary_tree": (2,), "complete": (4,), "cycle": (5,),
    "erdos_renyi": (8, 0.6), "exponential": (8,), "grid_2d": (3, 3), "hypercube": (3,), "lollipop": (3, 2),
    "path": (5,), "random_geometric": (9, 0.6), "random_regular": (8, 3), "star": (5,), "torus_2d": (3, 3),
    "watts_strogatz": (10, 4, 0.2), "topology": ("topozoo/Abilene",), "topology_names": ("topozoo/A",),
}.items():  # fmt: skip
    call(f"graphs.{topology}", getattr(graphs, topology), *arguments)
call("graphs.Graph", graphs.Graph, 3, np.array([[0, 1], [1, 2]], np.int32))
call("graphs.Graph.from_edges", graphs.Graph.from_edges, 3, [[0, 1], [2, 1]])
call("graphs.Graph.from_networkx", graphs.Graph.from_networkx, Maker(lambda: GRID.to_networkx()))
for name in ("largest_component", "require_connected", "to_networkx"):
    method(f"graphs.Graph.{name}", lambda: GRID)
for name in ("algebraic_connectivity", "chi", "effective_resistances", "laplacian"):
    call(f"graphs.{name}", getattr(graphs, name), GRID, RATES)
call("graphs.communication_cost", graphs.communication_cost, GRID, RATES)
call(
    "graphs.communication_lower_bound",
    graphs.communication_lower_bound,
    GRID,
    Maker(lambda: rates().rates),
    Maker(lambda: rates().certificate.Y),
    Maker(lambda: rates().certificate.p),
)
call("graphs.draw", graphs.draw, GRID, RATES)
call("graphs.fastest_mixing", graphs.fastest_mixing, CYCLE, "fdla", tol=1e-3, time_limit=1.0)
call(
    "graphs.gossip_rates", graphs.gossip_rates, GRID, "communication", edge_costs=np.ones(GRID.n_edges),
    upper=np.full(GRID.n_edges, 1e3), node_budget=np.full(9, 1e4), method="sdp", tol=1e-3, time_limit=1.0,
)  # fmt: skip
call("graphs.mixing_matrix", graphs.mixing_matrix, CYCLE, "metropolis")
call("graphs.spectral_gap", graphs.spectral_gap, Maker(lambda: W.copy()))
call(
    "graphs.verify_mixing", graphs.verify_mixing, CYCLE, Maker(lambda: mixing().weights),
    Maker(lambda: mixing().certificate),
)  # fmt: skip
call(
    "graphs.verify_rates", graphs.verify_rates, GRID, Maker(lambda: rates().rates),
    Maker(lambda: rates().certificate),
)  # fmt: skip
call("graphs.read_graph", graphs.read_graph, FOLDER / "graph.edges")
call("graphs.write_graph", graphs.write_graph, GRID, FOLDER / "written.graphml")

# ---------------------------------------------------------------------- problems

H = np.stack([np.diag([1.0, 2.0, 3.0])] * 4)
call("problems.Quadratic", problems.Quadratic, H, POINTS)
call("problems.Quadratic.random", problems.Quadratic.random, 4, 3, condition_number=10.0)
call("problems.Averaging", problems.Averaging, POINTS)
call("problems.AffineOperator", problems.AffineOperator, H, POINTS)
call("problems.LeastSquares", problems.LeastSquares, X2, Y2, OFFSETS, 0.1)
call("problems.LogisticRegression", problems.LogisticRegression, X2, LABELS, OFFSETS, 0.1)
call("problems.SoftmaxRegression", problems.SoftmaxRegression, X2, LABELS, OFFSETS, 0.1)
call("problems.Perceptron", problems.Perceptron, X2, LABELS, OFFSETS, 0.1, hidden=(2,))
call(
    "problems.RobustLeastSquares",
    problems.RobustLeastSquares,
    X2,
    Y2,
    OFFSETS,
    0.1,
    radius=1.0,
    perturbation=0.1,
)
for kind in ("LeastSquares", "LogisticRegression", "SoftmaxRegression", "Perceptron"):
    call(
        f"problems.{kind}.from_data",
        getattr(problems, kind).from_data,
        X2,
        LABELS,
        4,
        l2=0.1,
        split="iid",
        rng=0,
    )
call(
    "problems.RobustLeastSquares.from_data", problems.RobustLeastSquares.from_data, X2, Y2, 4,
    radius=1.0, perturbation=0.1,
)  # fmt: skip
A = RNG.normal(size=(4, 3, 3))
call("problems.BilinearSaddle", problems.BilinearSaddle, A, POINTS, POINTS, 0.1)
call("problems.BilinearSaddle.random", problems.BilinearSaddle.random, 4, 3)
call("problems.MatrixGame", problems.MatrixGame, A, entropic=False)
call("problems.MatrixGame.split", problems.MatrixGame.split, A[0], 4)
for kind, function in (("Custom", identity_gradient), ("CustomOperator", identity_gradient)):
    sizes = {"n_nodes": 4, "dim": 3, "compiled": False}
    known = {"smoothness": 1.0, "strong_convexity": 1.0} if kind == "Custom" else {"lipschitz": 1.0}
    more = (half_square,) if kind == "Custom" else ()
    call(f"problems.{kind}", getattr(problems, kind), function, *more, **sizes, **known)
for name in ("check_curvature", "check_gradient"):
    call(f"problems.{name}", getattr(problems, name), Maker(least_squares), 1, POINT, rng=0)
for name in ("full_gradient", "objective", "value_and_gradient"):
    method(f"problems.Problem.{name}", least_squares, POINT)
method("problems.Problem.mean_over", least_squares, np.array([0, 2]), POINT)
for name in ("gradient", "node_objective"):
    method(f"problems.Problem.{name}", least_squares, 1, POINT)
method("problems.Problem.gradients", least_squares, POINTS)
method("problems.Problem.solution", least_squares)
for name in ("gap", "mean_operator", "project", "residual"):
    method(
        f"problems.VariationalInequality.{name}", saddle, Maker(lambda: np.linspace(-1.0, 1.0, saddle().dim))
    )
method(
    "problems.VariationalInequality.operator", saddle, 1, Maker(lambda: np.linspace(-1.0, 1.0, saddle().dim))
)
method("problems.VariationalInequality.start", saddle, Maker(lambda: np.linspace(-1.0, 1.0, saddle().dim)))
method("problems.Problem.expected_smoothness", least_squares, 2)
method("problems.Problem.gradient_noise", least_squares, 2, POINT)
method("problems.Problem.mini_batch", least_squares, 2)
method("problems.VariationalInequality.value_and_gradient", saddle, Maker(lambda: np.ones(saddle().dim)))
method("problems.BilinearSaddle.gap", saddle, Maker(lambda: np.ones(saddle().dim)))
method("problems.BilinearSaddle.value_and_gradient", saddle, Maker(lambda: np.ones(saddle().dim)))
method("problems.MatrixGame.gap", lambda: problems.MatrixGame(A), np.full(6, 1 / 3))
call("problems.RowSmoothness.of", problems.RowSmoothness.of, np.array([2, 3]), np.ones(2), np.ones(5))
for name in ("expected", "mean_square", "noise", "shares"):
    method(f"problems.RowSmoothness.{name}", lambda: least_squares().row_smoothness, 2)
for name in ("accuracy", "logits", "predict"):
    arguments = {"accuracy": (), "logits": (X2,), "predict": (X2,)}[name]
    method(f"problems.Classifier.{name}", classifier, np.linspace(-1, 1, 6), *arguments)
method("problems.Classifier.flipped", classifier, [0, 1])
method("problems.Perceptron.start", lambda: problems.Perceptron(X2, LABELS, OFFSETS, 0.1, hidden=(2,)), 0)
call("problems.add_intercept", problems.add_intercept, X2)
call("problems.standardize", problems.standardize, X2)
call("problems.load", problems.load, FOLDER / "data.npz")
call("problems.split_rows", problems.split_rows, LABELS, 4, "dirichlet", alpha=1.0, rng=0)

for name, arguments in {
    "ALIE": (1.0,), "IPM": (0.1,), "Dissension": (1.0,), "Drop": (0.9, 0), "GaussianNoise": (1.0, 0),
    "Mimic": (0,), "NonFinite": (np.nan,), "ReversedGradient": (2.0,), "SignFlip": (),
    "UniformNoise": (1.0, 0),
    "Zero": (), "OptimizedALIE": (aggregation.Mean(), 2.0), "OptimizedIPM": (aggregation.Mean(), 2.0),
    "MinMax": (), "MinSum": (),
}.items():  # fmt: skip
    if hasattr(attacks, name):
        kind = getattr(attacks, name)
        call(f"problems.attacks.{name}", kind, *arguments)
        if issubclass(kind, attacks.Attack):
            call(f"problems.attacks.{name}()", kind(*arguments), G, 2, own=G[:2])
call("problems.attacks.alie_z", attacks.alie_z, 9, 2)
call("problems.attacks.dissension", attacks.dissension, POINTS, Maker(lambda: W.toarray()), np.arange(4) == 3)
call("problems.attacks.flip_labels", attacks.flip_labels, LABELS)

# ---------------------------------------------------------------------- solvers


def run(kind: Any, problem: Callable[[], Any], graph: graphs.Graph, **known: Any) -> Callable[..., Any]:
    """Return a function of a solver's hyper-parameters that makes two rounds with it."""

    def short(**parameters: Any) -> Any:
        return kind(**known | parameters).solve(problem(), graph, max_events=2)

    return short


RANDK = compression.RandK(2)
TOPK = compression.TopK(2)
for name, known in {
    "DGD": {"step": 0.1, "step_decay": 0.1, "batch_size": 2, "mixing": "metropolis"},
    "EXTRA": {"step": 0.1, "batch_size": 2, "mixing": "metropolis"},
    "NIDS": {"step": 0.1, "batch_size": 2, "mixing": "metropolis"},
    "SVL": {"batch_size": 2, "mixing": "metropolis"},
    "GradientTracking": {"step": 0.1, "batch_size": 2, "mixing": "metropolis"},
    "ChocoGossip": {"compressor": TOPK, "gamma": 0.1},
    "ChocoSGD": {"compressor": TOPK, "step": 0.1, "gamma": 0.1, "step_decay": 0.1, "batch_size": 2},
    "BEER": {"compressor": TOPK, "step": 0.1, "gamma": 0.1, "batch_size": 2},
    "DADAO": {"rates": np.ones(4), "batch_size": 2, "average_from": 0.0},
}.items():
    if hasattr(solvers, name):
        problem = averaging if name == "ChocoGossip" else least_squares
        call(f"solvers.{name}", run(getattr(solvers, name), problem, CYCLE), **known)
for name, known in {
    "EF": {"compressor": TOPK, "step": 0.1, "batch_size": 2},
    "EF21": {"compressor": TOPK, "step": 0.1, "batch_size": 2},
    "DIANA": {"compressor": RANDK, "step": 0.1, "shift_step": 0.1, "batch_size": 2},
    "MARINA": {"compressor": RANDK, "step": 0.1, "probability": 0.5, "batch_size": 2},
    "RobustSGD": {"aggregator": aggregation.Mean(), "f": 1, "step": 0.1, "momentum": 0.1, "batch_size": 2},
}.items():
    call(f"solvers.{name}", run(getattr(solvers, name), least_squares, STAR), **known)
for name, known in {
    "Extragradient": {"step": 0.1},
    "OptimisticGradient": {"step": 0.1},
    "CompressedExtragradient": {"compressor": RANDK, "step": 0.1, "error_feedback": False},
    "MASHA1": {"compressor": RANDK, "server_compressor": RANDK, "step": 0.1, "tau": 0.5, "participants": 2},
    "MASHA2": {"compressor": TOPK, "server_compressor": TOPK, "step": 0.1, "tau": 0.5, "participants": 2},
    "QSGDA": {"compressor": RANDK, "step": 0.1},
    "DIANASGDA": {"compressor": RANDK, "step": 0.1, "shift_step": 0.1},
}.items():
    call(f"solvers.{name}", run(getattr(solvers, name), saddle, STAR), **known)
call("solvers.PairwiseGossip", run(solvers.PairwiseGossip, averaging, CYCLE), rates=np.ones(4))
call(
    "solvers.RobustGossip", run(solvers.RobustGossip, least_squares, graphs.complete(4)),
    rule=gossip_rules.NNA(1), f=1, step=0.1, step_decay=0.1, momentum=0.1, batch_size=2,
)  # fmt: skip
for name in ("RobustSGD", "RobustGossip"):
    rule = aggregation.Mean() if name == "RobustSGD" else gossip_rules.PlainGossip()
    method(
        f"solvers.{name}.faulty", lambda kind=name, rule=rule: getattr(solvers, kind)(rule, f=1, step=0.1), 4
    )


def started() -> solvers.State:
    return solvers.DGD(step=0.1).init(least_squares(), CYCLE)


call(
    "solvers.Solver.solve", solvers.DGD(step=0.1).solve, Maker(least_squares), CYCLE, POINT,
    tol=1e-3, max_time=5.0,
    max_events=5, x_star=POINT, rng=0, record_every=1, metrics=(), callback=None, progress=False,
)  # fmt: skip
call("solvers.Solver.init", solvers.DGD(step=0.1).init, Maker(least_squares), CYCLE, POINTS, rng=0)
call(
    "solvers.Solver.advance", solvers.DGD(step=0.1).advance, Maker(started), Maker(least_squares), CYCLE, 2,
    max_time=5.0,
)  # fmt: skip
call("solvers.Solver.iterates", solvers.DGD(step=0.1).iterates, Maker(started), Maker(least_squares), CYCLE)
call(
    "solvers.Solver.certified_rate",
    solvers.NIDS(step=0.1).certified_rate,
    Maker(least_squares),
    CYCLE,
    changing=False,
)
call(
    "solvers.certified_rate", solvers.certified_rate, solvers.NIDS, 10.0, (-0.5, 0.5), step=1.0,
    changing=False
)  # fmt: skip
call("solvers.DGD.bias_bound", solvers.DGD(step=0.1).bias_bound, Maker(least_squares), CYCLE, POINTS)
call("solvers.RoundSolver.parameters", solvers.DGD().parameters, Maker(least_squares), CYCLE)
for name in solvers.__all__:
    if (kind := getattr(solvers, name)) is not solvers.Solver and hasattr(kind, "theory"):
        fields = {f.name for f in dataclasses.fields(kind)}
        needed = {"compressor": RANDK} if "compressor" in fields else {}
        needed |= {"step": 0.1} if name == "ChocoSGD" else {}
        graph = STAR if kind._takes_operators or issubclass(kind, ServerSolver) else CYCLE
        problem = {"ChocoGossip": averaging}.get(name, saddle if kind._takes_operators else least_squares)
        call(f"solvers.{name}.theory", kind(**needed).theory, Maker(problem), graph)
for name in ("decay_rate", "edge_rates"):
    call(f"solvers.PairwiseGossip.{name}", getattr(solvers.PairwiseGossip(), name), CYCLE)
call("solvers.DADAO.parameters", solvers.DADAO().parameters, Maker(least_squares), CYCLE)
call("solvers.DADAO.solve", solvers.DADAO().solve, Maker(least_squares), CYCLE, POINT, max_events=5)
call(
    "solvers.State", solvers.State, solver="DGD", key=0, fingerprint="", arrays={"x": POINT},
    clock=0.0, time=0.0,
    n_events=0,
)  # fmt: skip
method("solvers.State.save", started, FOLDER / "state.npz")
started().save(FOLDER / "good.npz")
call("solvers.State.load", solvers.State.load, FOLDER / "good.npz")
method("solvers.State.unpack", started, Maker(lambda: started().pack()))
for name in ("check", "copy", "pack"):
    method(f"solvers.State.{name}", started)


@functools.cache
def result() -> solvers.Result:
    return solvers.DGD(step=0.1).solve(least_squares(), CYCLE, max_events=30, x_star=POINT)


result().save(FOLDER / "result.npz")
method("solvers.Result.save", result, FOLDER / "again.npz")
call("solvers.Result.load", solvers.Result.load, FOLDER / "result.npz")
call("solvers.Metric", solvers.Metric, "spread", lambda problem, X, state: float(np.ptp(X)), label="spread")
call("solvers.Trace", solvers.Trace, Maker(lambda: {name: result().trace[name] for name in COLUMNS}))
method("solvers.Trace.first_below", lambda: result().trace, "distance", 1e-3)
method("solvers.Trace.last_within", lambda: result().trace, "bits", 1e4)
method("solvers.Trace.plot", lambda: result().trace, x="n_communications", y="distance")
method("solvers.Trace.rate", lambda: result().trace, "distance", decades=3.0)
method("solvers.Trace.append", solvers.Trace, Maker(lambda: dict.fromkeys(COLUMNS, 1)))
method("solvers.Trace.to_csv", lambda: result().trace, FOLDER / "trace.csv")
method("solvers.Trace.to_dataframe", lambda: result().trace)
method("solvers.MASHA1.second_moment", lambda: solvers.MASHA1(RANDK), Maker(saddle))

for name, arguments in {
    "BRIDGE": (1,), "NNA": (1,), "RTC": (1, 0.5), "CSPlus": (1,), "ClippedGossip": (1, 0.5),
    "OnDifferences": (aggregation.CoordinateMedian(),), "OnModels": (aggregation.CoordinateMedian(),),
    "PlainGossip": (),
}.items():  # fmt: skip
    call(f"solvers.gossip_rules.{name}", getattr(gossip_rules, name), *arguments)

# ---------------------------------------------------------------------- kernels

call("kernels.gossip.Mixer", gossip.Mixer, Maker(lambda: W.toarray()))
for name in ("dense", "scipy_csr", "require_symmetric", "weights"):
    arguments = () if name == "require_symmetric" else (np.float64,)
    method(f"kernels.gossip.Mixer.{name}", lambda: gossip.Mixer(W), *arguments)
call("kernels.gossip.mix", gossip.mix, Maker(lambda: W.toarray()), POINTS, 2, out=np.zeros((4, 3)))
call(
    "kernels.gossip.chebyshev_mix", gossip.chebyshev_mix, Maker(lambda: W.toarray()), POINTS, 3,
    spectrum=(-0.4, 0.4), out=np.zeros((4, 3)),
)  # fmt: skip
call("kernels.gossip.chebyshev_rounds", gossip.chebyshev_rounds, Maker(lambda: W.toarray()), 1e-3)
call("kernels.gossip.pairwise_average", gossip.pairwise_average, POINTS, np.array([[0, 1], [2, 3]]), 0.5)

for name, arguments in {
    "Identity": (), "RandK": (2,), "BlockRandK": (2,), "PermK": (4,), "Bernoulli": (0.5,), "TopK": (2,),
    "QSGD": (4,), "TernGrad": (), "Natural": (), "ScaledSign": (), "LowRank": (1, (2, 3)),
    "PerBlock": (compression.Natural(), 2), "Composed": (compression.TopK(2), compression.Natural()),
}.items():  # fmt: skip
    kind = getattr(compression, name)
    made = kind(*arguments)
    call(f"kernels.compression.{name}", kind, *arguments)
    call(f"kernels.compression.{name}.compress", made.compress, G[0], 7, index=1)
    for constant in ("omega", "contraction", "parameters")[0 if made.unbiased else 1 :]:
        call(f"kernels.compression.{name}.{constant}", getattr(made, constant), 6)
    call(
        f"kernels.compression.{name}.from_bytes", made.from_bytes, made.compress(G[0], 7).to_bytes(), 6, key=7
    )
    call(f"kernels.compression.{name}.decompress", made.decompress, made.compress(G[0], 7))
    payload = made.compress(G[0], 7)
    call(f"kernels.compression.{name}.payload.add_to", payload.add_to, np.zeros(6), 2.0)
    for number in ("dense", "on_cpu", "to_bytes"):
        call(f"kernels.compression.{name}.payload.{number}", getattr(payload, number))
    if isinstance(made, compression.Sparsifier):
        for number in ("least_kept", "most_kept", "scales", "pick_parameters"):
            call(f"kernels.compression.{name}.{number}", getattr(made, number), 6)
call("kernels.compression.compress_rows", compression.compress_rows, RANDK, G, 7, index=1)
call("kernels.compression.rand_k", compression.rand_k, 6, 2, 7, index=1)
call("kernels.compression.row_function", compression.row_function, RANDK, 6)
call("kernels.compression.top_k", compression.top_k, G[0], 2)
call("kernels.compression.top_k_error_feedback", compression.top_k_error_feedback, G[0], G[1], 2, step=0.5)

for name, named in {
    "arc": {"f": 2}, "bucketing": {"s": 2, "key": 0}, "bulyan": {"f": 1}, "caf": {"f": 2},
    "centered_clipping": {"radius": 1.0, "n_steps": 2, "start": G[0]}, "clipping": {"radius": 1.0},
    "coordinate_median": {}, "dnc": {"f": 2, "n_iter": 2, "n_coordinates": 4, "share": 1.0, "key": 0},
    "flag": {"m": 2, "lam": 0.0, "scale": "unit", "pair": "unit", "max_iter": 5, "tol": 1e-6},
    "foolsgold": {"history": G}, "geometric_median": {"smoothing": 1e-6, "tol": 1e-6, "max_iter": 20},
    "krum": {"f": 2}, "mda": {"f": 2}, "meamed": {"f": 2}, "mean": {}, "monna": {"f": 2, "pivot": 0},
    "multi_krum": {"f": 2, "m": 3}, "nnm": {"f": 2}, "normalized_mean": {}, "phocas": {"f": 2},
    "smea": {"f": 2}, "trimmed_mean": {"f": 2}, "cge": {"f": 2},
}.items():  # fmt: skip
    if hasattr(aggregation, name):
        call(f"kernels.aggregation.{name}", getattr(aggregation, name), G, **named, full=False)
for name, arguments in {
    "ARC": (2,), "Bucketing": (2, 0), "Bulyan": (1,), "CAF": (2,), "CenteredClipping": (1.0, 2),
    "Clipping": (1.0,),
    "CoordinateMedian": (), "DnC": (2, 1, 10, 1.0, 0), "Flag": (2, 0.0), "FoolsGold": (),
    "GeometricMedian": (1e-6, 1e-6, 20), "Krum": (2,), "MDA": (2,), "MeaMed": (2,), "Mean": (),
    "MoNNA": (2, 0),
    "MultiKrum": (2, 3), "NNM": (2,), "NormalizedMean": (), "Phocas": (2,), "SMEA": (2,), "TrimmedMean": (2,),
    "CGE": (2,),
}.items():  # fmt: skip
    if hasattr(aggregation, name):
        kind = getattr(aggregation, name)
        call(f"kernels.aggregation.{name}", kind, *arguments)
        call(f"kernels.aggregation.{name}()", kind(*arguments), G)
REMEMBERING = {
    "CenteredClipping": aggregation.CenteredClipping(1.0, 2),
    "FoolsGold": aggregation.FoolsGold(),
    "Pipeline": aggregation.Pipeline((aggregation.NNM(2),), aggregation.CenteredClipping(1.0, 2)),
    "Aggregator": aggregation.Mean(),
}
for name, rule in REMEMBERING.items():
    call(f"kernels.aggregation.{name}.new_memory", rule.new_memory, 9, 6)
    call(f"kernels.aggregation.{name}.with_memory", rule.with_memory, G, rule.new_memory(9, 6), step=0)
call("kernels.aggregation.Pipeline", aggregation.Pipeline, (aggregation.NNM(2),), aggregation.Mean())

EVENTS = events.poisson_events(np.ones(4), np.ones(4), n_events=20, key=1)
CONSTANTS = solvers.DADAO().parameters(least_squares(), CYCLE).constants
ROWS = events.dadao_rows(POINTS, CONSTANTS.nu)
call("kernels.events.EventStream", events.EventStream, np.ones(4), np.ones(4), 1)
method("kernels.events.EventStream.take", lambda: events.EventStream(np.ones(4), np.ones(4), 1), 0, 0.0, 10)
call("kernels.events.check_events", events.check_events, EVENTS, 4, 4)
call("kernels.events.poisson_events", events.poisson_events, np.ones(4), np.ones(4), n_events=10, key=1)
call("kernels.events.dadao_rows", events.dadao_rows, POINTS, 0.5)
call(
    "kernels.events.dadao_advance", events.dadao_advance, EVENTS, 0, CYCLE.edges, ROWS,
    np.zeros(4), CONSTANTS,
    Maker(lambda: least_squares().oracle), area=np.zeros((4, 3)), average_from=0.0,
)  # fmt: skip
call("kernels.events.dadao_iterates", events.dadao_iterates, ROWS, np.zeros(4), 1.0, CONSTANTS)
call(
    "kernels.events.dadao_integrals",
    events.dadao_integrals,
    np.zeros((4, 3)),
    ROWS,
    np.zeros(4),
    1.0,
    CONSTANTS,
    0.0,
)

call("kernels.oracles.affine", oracles.affine, H, POINTS, np.array([0, 1, 2, 3, 4]))
call("kernels.oracles.averaging", oracles.averaging, POINTS)
call("kernels.oracles.bilinear", oracles.bilinear, A, POINTS, POINTS, 0.1)
call(
    "kernels.oracles.custom", oracles.custom, identity_gradient, half_square, n_nodes=4, dim=3, compiled=False
)
method("kernels.oracles.Oracle.work", lambda: least_squares().sample_oracle, 2)
call("kernels.oracles.quadratic", oracles.quadratic, H, POINTS)
for name, targets in (("least_squares", Y2), ("logistic", LABELS)):
    call(f"kernels.oracles.{name}", getattr(oracles, name), X2, targets, OFFSETS, 0.1)
call("kernels.oracles.layers", oracles.layers, X2, np.where(LABELS > 0, 1, 0), OFFSETS, (3, 2), 0.1)
call("kernels.oracles.robust_least_squares", oracles.robust_least_squares, X2, Y2, OFFSETS, 0.1, 1.0)
ORACLE = Maker(lambda: least_squares().oracle)
for name in ("mean_gradient", "mean_objective", "mean_value_and_gradient", "objectives"):
    call(f"kernels.oracles.{name}", getattr(oracles, name), ORACLE, POINT)
call("kernels.oracles.gradients", oracles.gradients, ORACLE, POINTS)
call("kernels.oracles.gradient", oracles.gradient, ORACLE, 1, POINT)
call("kernels.oracles.objective", oracles.objective, ORACLE, 1, POINT)
call(
    "kernels.oracles.batch_gradients", oracles.batch_gradients, Maker(lambda: least_squares().sample_oracle),
    Maker(lambda: oracles.Batches(2, least_squares().sample_oracle.n_samples, np.uint64(1))), 0,
    np.array([0, 2]), POINTS, np.zeros((4, 3)),
)  # fmt: skip

call("kernels.prox.ball", prox.ball, 3, 1.0)
call("kernels.prox.box", prox.box, 3, -1.0, 1.0)
call("kernels.prox.free", prox.free, 3)
call("kernels.prox.simplex", prox.simplex, 3, 1.0)
call("kernels.prox.is_entropic", prox.is_entropic, prox.free(3))
call("kernels.prox.pack", prox.pack, (prox.ball(3, 1.0),), 3)
call("kernels.prox.prox_step", prox.prox_step, POINT, POINT, (prox.simplex(3),))

call(
    "kernels.oracles.row_variances",
    oracles.row_variances,
    Maker(lambda: least_squares().sample_oracle),
    POINT,
)
call("kernels.memory.available_memory", memory.available_memory, str(FOLDER))

LINES = b"a,1\nb,2\na,3\n"
PLACES = np.array([[0, 1], [4, 5], [8, 9]])
call("kernels.text.libsvm", text.libsvm, b"+1 1:0.5 3:2\n-1 2:1", zero_based=False, n_features=3)
call("kernels.text.table", text.table, LINES, ["label", "x"], 0, sep=",", decimal=".", begin=0, line=1)
call("kernels.text.cells", text.cells, b"a,1", b",")
call("kernels.text.cell_text", text.cell_text, LINES, 0, 1)
call("kernels.text.distinct_cells", text.distinct_cells, LINES, PLACES)

call("kernels.random.AliasTable", random.AliasTable, *vars(random.alias_table(np.ones(4))).values())
call("kernels.random.alias_table", random.alias_table, np.ones(4))
call(
    "kernels.random.alias_sample",
    random.alias_sample,
    Maker(lambda: random.alias_table(np.ones(4))),
    1,
    2,
    0,
    5,
)
call("kernels.random.distinct_integers", random.distinct_integers, 2, 6, 1, 2, 3)
call("kernels.random.exponential", random.exponential, 1, 2, 0, 5, out=np.zeros(5))
call("kernels.random.integers", random.integers, 6, 1, 2, 0, 5)
call("kernels.random.make_key", random.make_key, 0)
call("kernels.random.philox4x32", random.philox4x32, np.zeros((3, 4), np.uint32), 1)
call("kernels.random.uniform", random.uniform, 1, 2, 0, 5, out=np.zeros(5))
call("kernels.random.words", random.words, 1, 2, 0, 5)


def setting() -> Any:
    prepared = solvers.DGD(step=0.1).init(least_squares(), CYCLE).prepared
    return prepared[-1]._setting


call(
    "kernels.rounds.run_rounds", rounds.run_rounds, solvers.DGD._kernel, Maker(setting), 0, 2,
    np.array([0.1, 0.0]),
    np.zeros((1, 4, 3)), np.zeros((0, 3)),
)  # fmt: skip


def met() -> Any:
    return events.check_events(([0.5, 0.7], [1, 1], [0, 1]), 4, 4)


def asynchronous_setting() -> Any:
    return asynchronous.Setting.of(CYCLE.edges, averaging().oracle)


method(
    "kernels.asynchronous.Setting.of", asynchronous_setting, CYCLE.edges, Maker(lambda: averaging().oracle)
)
call(
    "kernels.asynchronous.run_events", asynchronous.run_events, pairwise.pairwise,
    Maker(asynchronous_setting), Maker(met), 0, np.empty(0), np.zeros((4, 1, 3)), np.zeros(4), area=None,
)  # fmt: skip
call("kernels.iterates.spread", iterates.spread, np.ones((4, 3)), members=np.array([0, 2]), x_star=np.ones(3))
call("kernels.sparse.elimination_work", sparse.elimination_work, 9, GRID.edges)
call("kernels.sparse.factor_laplacian", sparse.factor_laplacian, 9, GRID.edges, RATES)
call("kernels.sparse.fill_reducing_order", sparse.fill_reducing_order, 9, GRID.edges)
FACTOR = Maker(lambda: sparse.factor_laplacian(9, GRID.edges, RATES))
method("kernels.sparse.LaplacianFactor.resistances", FACTOR.make, GRID.edges)
method("kernels.sparse.LaplacianFactor.solve", FACTOR.make, np.eye(9)[0] - np.eye(9)[1])

assert gossamer.__version__
