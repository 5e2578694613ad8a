"""Memory that is not there is refused by name, time limits hold, and Ctrl-C ends every call."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from gossamer import graphs
from gossamer.kernels import checks, interrupt, sparse
from gossamer.kernels.gossip import Mixer
from gossamer.kernels.sparse.elimination import columns, grouped

# ---------------------------------------------------------------------- memory


@pytest.fixture
def small_machine(monkeypatch):
    """A machine that has 20 MB left."""
    monkeypatch.setattr(checks, "available_memory", lambda: 2e7)


def grid_certificate(n_nodes):
    return graphs.MixingCertificate("fdla", np.broadcast_to(0.0, (n_nodes, n_nodes)))


@pytest.mark.usefixtures("small_machine")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: graphs.complete(10**5),
            r"all 4999950000 pairs of 100000 nodes takes 400 GB.*random_regular",
        ),
        (lambda: graphs.barbell(10**5), r"pairs of 100000 nodes takes"),
        (lambda: graphs.erdos_renyi(10**5, 0.5), r"of 4999950000 pairs of 100000 nodes.*smaller p"),
        (lambda: graphs.random_geometric(10**5, 0.9), r"pairs of 100000 points in reach.*smaller radius"),
        (
            lambda: sparse.factor_laplacian(*dense_graph(1400), np.ones(979300)),
            r"graph of 1400 nodes and 979300 edges, 979300 entries after fill-in.*sparser graph",
        ),
        (
            lambda: graphs.gossip_rates(graphs.grid_2d(20, 20), method="barrier"),
            r"'barrier' on 400 nodes and 760 edges, with matrices \(760, 760\).*'lowrank'",
        ),
        (
            lambda: graphs.gossip_rates(graphs.grid_2d(10, 10), method="sdp"),
            r"'sdp' on 100 nodes and 180 edges.*use method='barrier'",
        ),
        (
            lambda: graphs.fastest_mixing(graphs.grid_2d(30, 30)),
            r"interior point method on 900 nodes and 1740 edges.*'best_constant'",
        ),
        (
            lambda: graphs.verify_mixing(graphs.path(900), np.ones(899), grid_certificate(900)),
            r"dual matrix of 900 nodes, \(900, 900\).*spectral_gap",
        ),
        (lambda: graphs.spectral_gap(np.eye(1200)), r"dense W, \(1200, 1200\).*sparse array"),
        (lambda: Mixer(np.full((1500, 1500), 1 / 1500)), r"2250000 entries of a dense W.*sparse array"),
        (lambda: graphs.Certificate("communication", np.eye(2500)[:, :2]).X, r"\(2500, 2500\).*its factor Y"),
    ],
)
def test_refused(call, message):
    with pytest.raises(MemoryError, match=r"takes .*, and only 20 MB can be allocated: ") as error:
        call()
    assert error.match(message)


@pytest.mark.usefixtures("small_machine")
def test_automatic_methods_do_without():
    graph = graphs.grid_2d(20, 20)
    result = graphs.gossip_rates(graph, "max_resistance", tol=1e-3)
    assert result.status == "certified"
    with pytest.warns(RuntimeWarning, match="method 'barrier' on 400 nodes"):
        result = graphs.gossip_rates(graph, tol=1e-3)
    assert result.method == "uniform"


def test_dense_copies_of_a_mixer(monkeypatch):
    W = Mixer(np.full((800, 800), 1 / 800))
    monkeypatch.setattr(checks, "_SMALL", 2**20)
    monkeypatch.setattr(checks, "available_memory", lambda: 4e6)
    with pytest.raises(MemoryError, match=r"W as a dense array, \(800, 800\).*stays sparse"):
        W.dense(np.float64)


LIMITED = """
import resource
import numpy as np
from gossamer import graphs
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, resource.RLIM_INFINITY))
try:
    graphs.complete(10**5)
except MemoryError as error:
    print(error)
print(graphs.chi(graphs.grid_2d(30, 30))[0] > 1)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_limit_of_the_process():
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, check=True)
    message, works = done.stdout.splitlines()
    assert message.startswith("the list of all 4999950000 pairs of 100000 nodes takes 400 GB, and only ")
    assert works == "True"


# ---------------------------------------------------------------------- time


@pytest.mark.slow
@pytest.mark.parametrize(
    "criterion", ["communication", "algebraic_connectivity", "max_resistance", "total_resistance"]
)
@pytest.mark.parametrize(("side", "seconds"), [(32, 3.0), (100, 12.0)])
def test_rates_keep_to_their_time(side, seconds, criterion):
    graph = graphs.grid_2d(side, side)
    graphs.gossip_rates(graph, criterion, tol=1e-12, time_limit=seconds)  # compiles
    begun, busy = time.monotonic(), time.process_time()
    result = graphs.gossip_rates(graph, criterion, tol=1e-12, time_limit=seconds)
    wall, busy = time.monotonic() - begun, time.process_time() - busy
    # where other processes take the processor away between two looks at the clock, that is not counted
    assert min(wall, busy + 0.1 * seconds) <= 1.1 * seconds + 0.2
    assert result.lower_bound <= result.upper_bound


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fdla", "fmmc"])
def test_fastest_mixing_keeps_to_its_time(kind):
    graph = graphs.random_geometric(400, rng=1)
    graphs.fastest_mixing(graphs.grid_2d(4, 4), kind)
    begun, busy = time.monotonic(), time.process_time()
    found = graphs.fastest_mixing(graph, kind, tol=1e-12, time_limit=8.0)
    wall, busy = time.monotonic() - begun, time.process_time() - busy
    assert min(wall, busy + 0.8) <= 1.1 * 8.0 + 0.2
    assert found.lower_bound <= found.slem * (1 + 1e-9)


# ---------------------------------------------------------------------- Ctrl-C


class Alarm(Exception):
    pass


@pytest.fixture
def alarm():
    """Start a timer whose signal raises Alarm."""

    def ring(*_):
        raise Alarm

    before = signal.signal(signal.SIGALRM, ring)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0.0)
    signal.signal(signal.SIGALRM, before)


def dense_graph(n=1500):
    """Its elimination takes seconds, its order none."""
    i, j = np.triu_indices(n, 1)
    return n, np.column_stack([i, j])


def eliminate_forever(arguments):
    while True:
        arguments[-1][:] = -1.0
        interrupt.interruptible(sparse.cpu.eliminate, *arguments, work=1e9)


def test_a_long_elimination_is_interrupted(alarm):
    n, edges = dense_graph()
    sparse.factor_laplacian(3, [[0, 1], [1, 2]], [1.0, 1.0])  # compiled
    _, ends, _, indptr, indices = columns(n, edges)
    starts, order = grouped(ends[:, 0], n)
    fractions, total = np.empty(len(indices)), np.full(n, -1.0)
    arguments = indptr, indices, starts, ends[order, 1], np.ones(len(edges)), fractions, total
    alarm(0.2)
    begun = time.monotonic()
    with pytest.raises(Alarm):
        eliminate_forever(arguments)  # a fast machine may finish one in time
    assert time.monotonic() - begun < 5.0
    time.sleep(0.2)
    before = total.copy()
    time.sleep(0.2)
    np.testing.assert_array_equal(total, before)  # nobody goes on


def test_stopped_kernels_leave_at_once():
    n, edges = 30, np.column_stack([np.arange(29), np.arange(1, 30)])
    stop = np.ones(1, np.uint8)
    factor = sparse.factor_laplacian(n, edges, np.ones(29))
    known = np.full(len(factor.indices), -1.0)
    sparse.cpu.fill_resistances(factor.indptr, factor.indices, factor.fractions, factor.total, known, stop)
    assert np.all(known == -1.0)


def test_calls_in_a_thread_give_the_same_bits(monkeypatch):
    graph = graphs.random_geometric(300, rng=0)
    w = np.random.default_rng(0).uniform(0.5, 2.0, graph.n_edges)
    direct = graphs.effective_resistances(graph, w), graphs.algebraic_connectivity(graph, w)
    monkeypatch.setattr(interrupt, "_LONG", 0.0)
    apart = graphs.effective_resistances(graph, w), graphs.algebraic_connectivity(graph, w)
    np.testing.assert_array_equal(direct[0], apart[0])
    assert direct[1] == apart[1]


def test_errors_of_a_call_apart_are_raised():
    assert interrupt.apart(np.add, 1, 2) == 3
    with pytest.raises(TypeError, match="unsupported operand"):
        interrupt.apart(lambda a, b: a + b, 1, "x")


INTERRUPTED = """
import sys, time
import numpy as np
from gossamer import graphs
from gossamer.graphs.rates import Certificate

def verify(graph):
    certificate = Certificate("communication", np.eye(graph.n_nodes)[:, :2], np.ones(graph.n_edges))
    return graphs.verify_rates(graph, np.arange(1.0, graph.n_edges + 1.0), certificate)

def verify_mixing(graph):
    certificate = graphs.MixingCertificate("fdla", np.eye(graph.n_nodes))
    return graphs.verify_mixing(graph, np.full(graph.n_edges, 0.1), certificate)

calls = {
    "chi": graphs.chi,
    "gap": lambda graph: graphs.spectral_gap(graphs.mixing_matrix(graph)),
    "mixing": graphs.fastest_mixing,
    "verify": verify,
    "verify_mixing": verify_mixing,
}
name, sides = sys.argv[1], map(int, sys.argv[2:])
call = calls.get(name, lambda graph: graphs.gossip_rates(graph, name))
call(graphs.grid_2d(5, 5))
graph = graphs.grid_2d(*sides)
print("ready", flush=True)
try:
    while True:
        call(graph)
except KeyboardInterrupt:
    print(time.monotonic(), flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(
    ("name", "sides", "wait"),
    [
        ("chi", (220, 228), 1.0),  # 10^5 edges
        ("gap", (220, 228), 1.0),
        ("verify", (220, 228), 2.0),
        ("communication", (220, 228), 6.0),
        ("algebraic_connectivity", (220, 228), 6.0),
        ("total_resistance", (220, 228), 6.0),
        ("max_resistance", (220, 228), 4.0),
        ("mixing", (20, 20), 1.0),
        ("verify_mixing", (20, 20), 0.5),
    ],
)
def test_ctrl_c_ends_a_call(name, sides, wait):
    arguments = [sys.executable, "-c", INTERRUPTED, name, *map(str, sides)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(wait)
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        ended = float(process.stdout.readline())
    assert ended - sent < 0.5 + 2.0  # 0.5 s on a machine that has nothing else to do
