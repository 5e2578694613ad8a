import csv
import dataclasses
import functools
import re

import numpy as np
import pytest

from gossamer import graphs, problems, solvers
from gossamer.cli import build, experiment, seeds

GRAPH = """
[graph]
topology = "barbell:3"
"""
RUN = """
[run]
seeds = [3, 1]
tol = 1e-4
"""
EXPERIMENT = f"""
[problem]
kind = "least_squares"
data = "data.csv"
l2 = 0.5
split = "sorted"
{GRAPH}
[solver]
name = "DADAO"
rates = "communication"
{RUN}
"""


def data():
    X = np.random.default_rng(0).normal(size=(30, 3))
    return X, X @ [1.0, -2.0, 0.5] + 0.1 * np.sin(np.arange(30))


@pytest.fixture
def folder(tmp_path):
    """A folder with data.csv, and a function that writes experiment.toml with some text replaced."""
    X, y = data()
    rows = [",".join(map(repr, row)) for row in np.column_stack([X, y]).tolist()]
    (tmp_path / "data.csv").write_text("\n".join(rows) + "\n")

    def write(*replacements, text=EXPERIMENT):
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "experiment.toml"
        path.write_text(text)
        return path

    return write


def expected_setting():
    graph = graphs.barbell(3)
    problem = problems.LeastSquares.from_data(*data(), 6, l2=0.5, split="sorted", rng=0)
    return problem, graph, solvers.DADAO(rates=graphs.gossip_rates(graph, "communication"))


def assert_same_run(a, b):
    """Everything but the wall time agrees to the last bit."""
    assert (a.status, a.n_gradients, a.n_communications, a.bits, a.time) == (
        b.status,
        b.n_gradients,
        b.n_communications,
        b.bits,
        b.time,
    )
    np.testing.assert_array_equal(a.X, b.X)
    for name in set(a.trace.columns) - {"wall_time"}:
        np.testing.assert_array_equal(a.trace[name], b.trace[name])
    for name, array in a.state.arrays.items():
        np.testing.assert_array_equal(array, b.state.arrays[name])


def test_results_are_those_of_the_solver(gossamer, folder, tmp_path):
    result = gossamer("run", folder(), "--output", tmp_path / "deep" / "out")
    assert result.exit_code == 0
    problem, graph, solver = expected_setting()
    for seed in (3, 1):
        expected = solver.solve(problem, graph, tol=1e-4, rng=seed, x_star=problem.solution())
        found = solvers.Result.load(tmp_path / "deep" / "out" / f"result-{seed}.npz")
        assert found.success
        assert_same_run(found, expected)
        with (tmp_path / "deep" / "out" / f"trace-{seed}.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        for name in found.trace.columns:
            np.testing.assert_array_equal([float(row[name]) for row in rows], found.trace[name])
    assert (tmp_path / "deep" / "out" / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_the_table_shows_the_saved_results(gossamer, folder, tmp_path):
    printed = gossamer("run", folder(), "--output", tmp_path / "out").stdout
    saved = [solvers.Result.load(tmp_path / "out" / f"result-{seed}.npz") for seed in (3, 1)]
    for seed, result in zip((3, 1), saved, strict=True):
        row = re.search(rf"^ {seed} +converged +([\d,]+) +([\d,]+) +([\d.,]+) +(\S+) +(\S+) ", printed, re.M)
        assert row is not None
        assert row[1] == f"{result.n_gradients:,}"
        assert row[2] == f"{result.n_communications:,}"
        assert float(row[3]) == pytest.approx(result.bits / 1e6, abs=0.051)
        assert row[4] == f"{result.time:.6g}"
        problem, _, _ = expected_setting()
        distance = ((result.X - problem.solution()) ** 2).sum() / 6
        assert float(row[5]) == pytest.approx(distance, rel=6e-3)
    median = np.median([result.n_gradients for result in saved])
    assert re.search(rf"^ median +{median:,.0f} ", printed, re.M)
    assert "2 of 2 runs converged to tol = 0.0001" in printed


def test_twice_the_same(gossamer, folder, tmp_path):
    path = folder()
    for name in ("a", "b"):
        assert gossamer("run", path, "--output", tmp_path / name).exit_code == 0
    for seed in (3, 1):
        first, second = (solvers.Result.load(tmp_path / name / f"result-{seed}.npz") for name in "ab")
        assert_same_run(first, second)
    assert (tmp_path / "a" / "figure.png").read_bytes() == (tmp_path / "b" / "figure.png").read_bytes()


def diverged_at_once(jobs, problem, graph, *, some=True, **options):
    """Runs in place of `solve_all`: every other one, or all, from a start whose gradient overflows."""
    starts = [np.full(problem.dim, 1e200 if k % 2 == 0 or not some else 0.0) for k in range(len(jobs))]
    options = {name: value for name, value in options.items() if name not in ("progress", "n_threads")}
    return [
        solver.solve(problem, graph, x0, **options, **own)
        for (solver, own), x0 in zip(jobs, starts, strict=True)
    ]


@pytest.mark.parametrize("some", [True, False])
def test_runs_that_diverge_before_their_first_record(gossamer, folder, tmp_path, monkeypatch, some):
    monkeypatch.setattr(seeds, "solve_all", functools.partial(diverged_at_once, some=some))
    result = gossamer("run", folder(), "--output", tmp_path / "out")
    assert result.exit_code == 0
    assert re.search(r"^ 3 +diverged +0 +0 .* - +0.00 *$", result.stdout, re.M)
    said = re.findall(r"seed (\d) diverged before the first record: non-finite values", result.stdout)
    assert said == (["3"] if some else ["3", "1"])
    assert f"{int(some)} of 2 runs converged" in result.stdout
    assert (tmp_path / "out" / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert len(solvers.Result.load(tmp_path / "out" / "result-3.npz").trace) == 0


def test_threads_do_not_change_results(monkeypatch):
    problem, graph, solver = expected_setting()
    jobs = [(solver, {"rng": seed}) for seed in range(4)]
    options = {"progress": False, "tol": 1e-4, "x_star": problem.solution()}
    many = seeds.solve_all(jobs, problem, graph, **options)
    monkeypatch.setattr(seeds, "n_processors", lambda: 1)
    one = seeds.solve_all(jobs, problem, graph, **options)
    for seed, (a, b) in enumerate(zip(many, one, strict=True)):
        assert_same_run(a, b)
        assert_same_run(a, solver.solve(problem, graph, rng=seed, tol=1e-4, x_star=problem.solution()))


def test_an_error_in_one_thread_stops_the_others():
    problem, graph, solver = expected_setting()
    records = []

    def callback(state, record):
        records.append(state.key)
        if len(records) == 5:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        seeds.solve_all(
            [(solver, {"rng": seed}) for seed in range(3)],
            problem,
            graph,
            progress=False,
            callback=callback,
            tol=0.0,
            max_events=10**6,
            record_every=100,
        )
    assert len(records) < 3000  # of 30,000


def test_the_template_runs(gossamer, tmp_path):
    text = gossamer("template").stdout
    assert text == experiment.TEMPLATE
    path = tmp_path / "experiment.toml"
    path.write_text(text.replace("tol = 1e-6", "tol = 1e-2"))
    result = gossamer("run", path, "--output", tmp_path / "out")
    assert result.exit_code == 0
    assert "3 of 3 runs converged" in result.stdout
    read = experiment.read_experiment(path)
    X, y = problems.load("breast_cancer")
    X = problems.add_intercept(problems.standardize(X))
    expected = problems.LogisticRegression.from_data(X, y, 16, l2=0.02, rng=0)
    np.testing.assert_array_equal(read.problem.features, expected.features)
    assert read.graph == graphs.grid_2d(4, 4)


def test_what_the_template_comments_out_is_true(folder):
    """Every commented key can be switched on, and is accepted by the reader."""
    on = re.sub(r"^# (?=\w+ = )", "", experiment.TEMPLATE, flags=re.M)
    assert on != experiment.TEMPLATE
    path = folder(
        ('data = "breast_cancer"', 'data = "named.csv"'), ('split = "iid"', 'split = "dirichlet"'), text=on
    )
    X, y = data()
    lines = [
        "a,label,b,c",
        *(f"{x[0]!r},{int(t > 0)},{x[1]!r},{x[2]!r}" for x, t in zip(X.tolist(), y, strict=True)),
    ]
    path.with_name("named.csv").write_text("\n".join(lines))
    read = experiment.read_experiment(path)
    limits = {"max_time": 5000.0, "max_events": 1000000, "max_wall_time": 600.0}
    assert read.options == {"tol": 1e-6, "record_every": 200} | limits
    assert read.solver.batch_size == 8
    np.testing.assert_array_equal(np.unique(read.problem.labels), [-1, 1])
    assert read.problem.dim == 4


def test_runs_that_do_not_converge_are_reported(gossamer, folder, tmp_path):
    path = folder(("tol = 1e-4", "tol = 1e-4\nmax_events = 50"))
    result = gossamer("run", path, "--output", tmp_path / "out")
    assert result.exit_code == 0
    assert result.stdout.count("max_events") == 2
    assert "0 of 2 runs converged" in result.stdout


def test_runs_that_diverge_are_reported_and_drawn(gossamer, folder, tmp_path):
    rates = "[" + ", ".join(["0.05"] * 7) + "]\ncheck_rates = false"
    path = folder(('rates = "communication"', f"rates = {rates}"), ("tol = 1e-4", "tol = 0\nmax_time = 1e5"))
    result = gossamer("run", path, "--output", tmp_path / "out")
    assert result.exit_code == 0
    assert result.stdout.count("diverged") == 2
    assert (tmp_path / "out" / "figure.png").exists()


def test_a_single_node_and_a_single_seed(gossamer, folder, tmp_path):
    path = folder(("barbell:3", "path:1"), ('rates = "communication"', ""), ("seeds = [3, 1]", "seeds = [7]"))
    result = gossamer("run", path, "--output", tmp_path / "out")
    assert result.exit_code == 0
    assert "median" not in result.stdout
    assert solvers.Result.load(tmp_path / "out" / "result-7.npz").n_communications == 0


def test_any_exported_solver_can_be_named(gossamer, folder, tmp_path, monkeypatch):
    @dataclasses.dataclass(frozen=True, eq=False)
    class Slower(solvers.DADAO):
        """A solver that this version does not know."""

        factor: float = 1.0

        def _rates(self, graph):
            rates, chi1, chi2 = super()._rates(graph)
            return rates * self.factor, chi1 / self.factor, chi2 / self.factor

    monkeypatch.setattr(solvers, "Slower", Slower, raising=False)
    monkeypatch.setattr(solvers, "__all__", [*solvers.__all__, "Slower"])
    path = folder(('name = "DADAO"', 'name = "Slower"\nfactor = 2.0'))
    assert gossamer("run", path, "--output", tmp_path / "out").stdout.startswith("Slower on LeastSquares(")
    problem, graph, _ = expected_setting()
    result = solvers.Result.load(tmp_path / "out" / "result-3.npz")
    doubled = Slower(rates=graphs.gossip_rates(graph), factor=2.0).parameters(problem, graph).total_rate
    assert result.n_communications / result.time == pytest.approx(doubled, rel=0.2)
    assert set(build.solver_classes()) >= {"DADAO", "Slower"}
    assert "Solver" not in build.solver_classes()


@pytest.mark.parametrize(
    ("replacements", "message"),
    [
        ([("[problem]", "[problem")], "experiment.toml: "),
        ([("[problem]", "[problems]")], "no table 'problems'; did you mean 'problem'?"),
        ([(GRAPH, "")], "no table [graph]; `gossamer template` prints"),
        ([("l2 = 0.5", "l_2 = 0.5")], "[problem] has no key 'l_2'; did you mean 'l2'?"),
        ([("l2 = 0.5", 'l2 = "much"')], "[problem] l2 must be a number, got 'much'"),
        ([("l2 = 0.5", "l2 = true")], "[problem] l2 must be a number, got True"),
        ([("l2 = 0.5", "l2 = nan")], "[problem]: l2"),
        ([("l2 = 0.5", "l2 = -1")], "[problem]: l2"),
        ([('kind = "least_squares"', "")], "[problem] needs the key 'kind'"),
        (
            [("least_squares", "svm")],
            "no kind of problem 'svm'; there are logistic, least_squares,",
        ),
        ([("least_squares", "logistic")], "two values"),
        ([("data.csv", "no.csv")], "no.csv"),
        ([("data.csv", "no_such_set")], "no data set 'no_such_set'"),
        ([('"sorted"', '"random"')], "split must be one of"),
        ([('"sorted"', '"dirichlet"')], "needs alpha"),
        ([("barbell:3", "barbell:40")], "n_nodes = 80 exceeds the 30 samples"),
        ([("barbell:3", "moebius:3")], "[graph]: unknown topology 'moebius:3'"),
        ([('"barbell:3"', "3")], "[graph] topology must be a text, got 3"),
        ([('"DADAO"', '"DADA"')], "[solver]: gossamer has no solver 'DADA'; did you mean 'DADAO'?"),
        ([('"DADAO"', '"Newton"')], "[solver]: gossamer has no solver 'Newton'; there are "),
        ([('name = "DADAO"', "")], "[solver]: name must be one of"),
        ([("rates =", "rate =")], "no parameter 'rate' that a file can set; did you mean 'rates'?"),
        ([('"communication"', '"best"')], "criterion 'best' is unknown"),
        ([('"communication"', "[1.0, 2.0]")], "rates"),
        ([('"communication"', str([0.1] * 7))], "chi1 * chi2"),
        ([('"communication"', str([1.0] * 6 + ["x"]))], "rates must be a text or a list of numbers"),
        ([('"communication"', "5")], "rates must be a text or a list of numbers, got 5"),
        ([('"DADAO"', '["DADAO"]')], ", got ['DADAO']"),
        ([('rates = "communication"', "constants = 5")], "no parameter 'constants' that a file can set"),
        ([('rates = "communication"', "constants = { r = 1.0 }")], "no parameter 'constants'"),
        ([('rates = "communication"', "events = [1, 2]")], "no parameter 'events' that a file can set"),
        (
            [('rates = "communication"', 'batch_size = "8"')],
            "batch_size must be an integer of 64 bits, got '8'",
        ),
        ([('rates = "communication"', "batch_size = 1.5")], "batch_size must be an integer"),
        ([('rates = "communication"', f"batch_size = {2**63}")], "batch_size must be an integer of 64 bits"),
        ([('rates = "communication"', 'average_from = "0"')], "average_from must be a number, got '0'"),
        ([('rates = "communication"', "check_rates = 1")], "check_rates must be true or false, got 1"),
        ([("barbell:3", "hypercube:40")], "[graph]: dim must be in 0..30, got 40"),
        ([("[3, 1]", "[3, 3]")], "[run] seeds must be distinct integers >= 0, got [3, 3]"),
        ([("[3, 1]", "[-1]")], "[run] seeds must be distinct integers >= 0"),
        ([("[3, 1]", "[]")], "[run] seeds must be distinct integers >= 0"),
        ([("[3, 1]", "3")], "[run] seeds must be a list of integers, got 3"),
        ([("[3, 1]", "[1.5]")], "[run] seeds must be a list of integers"),
        ([("tol = 1e-4", "tol = -1")], "tol must be"),
        ([("tol = 1e-4", "max_time = 0")], "max_time must be"),
        ([("tol = 1e-4", "record_every = 0")], "record_every must be"),
        ([("tol = 1e-4", "max_events = 1.5")], "[run] max_events must be an integer of 64 bits, got 1.5"),
    ],
)
def test_what_is_refused(refused, folder, tmp_path, replacements, message):
    refusal = refused("run", folder(*replacements), "--output", tmp_path / "out")
    assert message in refusal
    assert refusal.count("experiment.toml") == 1
    assert not (tmp_path / "out").exists()


def test_nan_in_the_data_is_refused_with_its_place(refused, folder, tmp_path):
    path = folder()
    lines = (tmp_path / "data.csv").read_text().splitlines()
    lines[4] = "1.0,nan,2.0,0.5"
    (tmp_path / "data.csv").write_text("\n".join(lines))
    refusal = refused("run", path)
    assert "line 5" in refusal
    assert "column 2" in refusal


def test_a_disconnected_graph_is_refused(refused, folder, tmp_path):
    (tmp_path / "apart.edges").write_text("0 1\n2 3\n")
    with_file = ("barbell:3", "apart.edges")
    assert "connected" in refused("run", folder(with_file))
    assert "connected" in refused("run", folder(with_file, ('rates = "communication"', "")))


def test_files_that_are_missing_or_in_the_way(refused, folder, tmp_path):
    assert refused("run", tmp_path / "no.toml") == f"no file {tmp_path / 'no.toml'}"
    (tmp_path / "out").write_text("")
    assert "out: File exists" in refused("run", folder(), "--output", tmp_path / "out")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "data.csv: the file is empty"),
        (b"a,b\n", "header and no data"),
        (b"\xff\xfe1,2\n", "data.csv: it is UTF-16 text"),
        (b"1,2\n3\n", "line 2"),
        (b"1,2\n3,x\n", "line 2, column 2: 'x'"),
        (b"".join(b"%d,%d\n" % (i, i % 3) for i in range(12)), "two values"),
        (None, "data.csv"),
    ],
    ids=["empty", "header", "bytes", "ragged", "words", "three classes", "folder"],
)
def test_data_that_cannot_be_used(refused, folder, tmp_path, content, message):
    path = folder(("least_squares", "logistic"))
    (tmp_path / "data.csv").unlink()
    if content is None:
        (tmp_path / "data.csv").mkdir()
    else:
        (tmp_path / "data.csv").write_bytes(content)
    assert message in refused("run", path, "--output", tmp_path / "out")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "experiment.toml: no table [problem]"),
        (b"[problem", "experiment.toml: Expected"),
        (b"\xff = 1", "experiment.toml: not UTF-8 text (invalid start byte at 0)"),
        (None, "experiment.toml is a folder, not a file"),
    ],
    ids=["empty", "syntax", "bytes", "folder"],
)
def test_experiments_that_cannot_be_read(refused, tmp_path, content, message):
    path = tmp_path / "experiment.toml"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    assert message in refused("run", path)


def test_the_fitted_rate_stands_beside_the_certified_one(gossamer, folder, tmp_path):
    swap = ('name = "DADAO"\nrates = "communication"', 'name = "NIDS"')
    result = gossamer("run", folder(swap, ("tol = 1e-4", "tol = 1e-9")), "--output", tmp_path / "out")
    found = re.search(
        r"distance times (\S+) a round on its last decades; at most (\S+) certified", result.output
    )
    problem, graph, _ = expected_setting()
    certified = solvers.NIDS().certified_rate(problem, graph)
    assert float(found[2]) == pytest.approx(certified, rel=1e-5)
    assert 0.5 < float(found[1]) <= certified
    other = gossamer("run", folder(), "--output", tmp_path / "other")
    assert "certified" not in other.output
