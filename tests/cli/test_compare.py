import csv
import re

import numpy as np
import pytest

from gossamer import graphs, problems, solvers
from gossamer.cli import build, compare, comparison, seeds
from gossamer.kernels import compression
from gossamer.solvers import Result, State, Trace
from gossamer.solvers.base.ledger import Ledger

COMPARISON = """
[problem]
kind = "quadratic"
dim = 3
condition_number = 5.0
seed = 4

[graph]
topology = "barbell:3"

[[solvers]]
name = "DADAO"
rates = "communication"
record_every = 100

[[solvers]]
name = "DADAO"
label = "equal, often"
record_every = 40

[compare]
target = 1e-4

[run]
seeds = [3, 1, 2]
tol = 1e-6
"""
COSTS = ("time", "n_gradients", "n_communications", "bits", "wall_time")
SECOND = 'name = "DADAO"\nlabel = "equal, often"\nrecord_every = 40'
LABELS = ("DADAO", "equal, often")


@pytest.fixture
def write(tmp_path):
    """Write compare.toml with some text replaced."""

    def write(*replacements):
        text = COMPARISON
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "compare.toml"
        path.write_text(text)
        return path

    return write


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Output and folder of the comparison."""
    from typer.testing import CliRunner

    from gossamer.cli import app

    folder = tmp_path_factory.mktemp("compare")
    (folder / "compare.toml").write_text(COMPARISON)
    arguments = ["compare", str(folder / "compare.toml"), "--output", str(folder / "deep" / "out")]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout, folder / "deep" / "out"


@pytest.fixture(scope="module")
def expected():
    """Runs of the Python API, by label and seed."""
    graph = graphs.barbell(3)
    problem = problems.Quadratic.random(6, 3, condition_number=5.0, rng=4)
    optimal = solvers.DADAO(rates=graphs.gossip_rates(graph, "communication"))
    options = {"tol": 1e-6, "x_star": problem.solution()}
    return {
        (label, seed): solver.solve(problem, graph, rng=seed, record_every=every, **options)
        for label, solver, every in ((LABELS[0], optimal, 100), (LABELS[1], solvers.DADAO(), 40))
        for seed in (3, 1, 2)
    }


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def printed(stdout, label):
    """The cells after a label: of the first table, and of the second."""
    found = re.findall(rf"^ {label} .*$", stdout, re.M)
    assert len(found) == 2
    return [re.sub(rf"^ {label} ", "", row).replace(",", "").split() for row in found]


# numbers


def test_rows_are_those_of_runs_by_hand(done, expected):
    _, folder = done
    rows = read(folder / "comparison.csv")
    assert [(row["label"], int(row["seed"])) for row in rows] == list(expected)
    bits = min(result.bits for result in expected.values())
    for row, result in zip(rows, expected.values(), strict=True):
        assert (row["solver"], row["status"]) == ("DADAO", "converged")
        first = int(np.argmax(result.trace["distance"] <= 1e-4))
        assert first > 0
        for name in COSTS[:-1]:
            assert float(row[f"{name}_to_target"]) == result.trace[name][first]
        assert float(row["wall_time_to_target"]) > 0
        assert float(row["equal_bits"]) == bits
        last = max(k for k, sent in enumerate(result.trace["bits"]) if sent <= bits)
        assert float(row["distance_at_equal_bits"]) == result.trace["distance"][last]


def test_traces_are_those_of_runs_by_hand(done, expected):
    rows = read(done[1] / "traces.csv")
    for (label, seed), result in expected.items():
        mine = [row for row in rows if (row["label"], row["seed"]) == (label, str(seed))]
        for name in set(Trace().columns) - {"wall_time"}:
            np.testing.assert_array_equal([float(row[name]) for row in mine], result.trace[name])
    assert len(rows) == sum(len(result.trace) for result in expected.values())


def test_the_tables_show_the_medians_of_the_rows(done):
    stdout, folder = done
    rows = read(folder / "comparison.csv")
    assert "cost to distance <= 0.0001, median of 3 seeds" in stdout
    for label in LABELS:
        mine = [row for row in rows if row["label"] == label]
        time, gradients, messages, bits, wall = (
            float(np.median([float(row[f"{name}_to_target"]) for row in mine])) for name in COSTS
        )
        first, second = printed(stdout, label)
        shown = ["converged", "3/3", f"{time:.6g}", f"{gradients:.0f}", f"{messages:.0f}"]
        assert first == [*shown, f"{bits / 1e6:.3g}", f"{wall:.3g}"]
        values = [float(row["distance_at_equal_bits"]) for row in mine]
        assert second[:3] == [f"{v:.3g}" for v in (np.median(values), min(values), max(values))]
        assert float(second[3]) <= float(mine[0]["equal_bits"]) / 1e6 * 1.01
    order = re.findall(r"^ (\S.*?)  +\S+  +\S+  +\S+  +\S+ *$", stdout.partition("best first")[2], re.M)
    medians = {
        label: np.median([float(row["distance_at_equal_bits"]) for row in rows if row["label"] == label])
        for label in LABELS
    }
    assert order == sorted(LABELS, key=lambda label: medians[label])
    assert f"written to {folder}" in stdout
    assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")


def result(bits, distance, status="max_time"):
    """A run with these columns."""
    zeros = np.zeros(len(bits))
    columns = dict.fromkeys(Trace().columns, zeros) | {
        "time": np.arange(len(bits)),
        "bits": np.array(bits),
        "distance": np.array(distance, float),
    }
    state = State(solver="None", key=0, fingerprint="", arrays={}, ledger=Ledger(bits=bits[-1]))
    return Result(np.zeros((1, 1)), status, "", Trace(columns), state)


def test_equal_bits_by_hand():
    thrifty = result([0, 100, 200], [1.0, 0.5, 0.25])
    lavish = result([0, 150, 300, 450], [1.0, 0.1, 0.01, 0.001])
    lost = result([0, 10, 20], [1.0, 1e9, 1e99], "diverged")
    late = result([0, 10, 500], [1.0, 3.0, 1e99], "diverged")
    assert compare.equal_bits([lavish, lost, thrifty]) == 200
    assert compare.equal_bits([lost, late]) == 20
    assert compare.within_bits(thrifty, "distance", 200) == (0.25, 200)
    assert compare.within_bits(lavish, "distance", 200) == (0.1, 150)
    assert compare.within_bits(lavish, "distance", 1e9) == (0.001, 450)
    assert compare.within_bits(lost, "distance", 200) == (np.inf, 20)
    assert compare.within_bits(late, "distance", 200) == (3.0, 10)
    value, sent = compare.within_bits(result([5, 9], [1.0, 0.5]), "distance", 4)
    assert value == np.inf
    assert np.isnan(sent)


def test_a_run_that_does_not_reach_the_target_costs_infinitely_much():
    goal = comparison.CompareTable(target=0.3)
    reaches = result([0, 100, 200], [1.0, 0.5, 0.25])
    not_so = result([0, 100, 200], [1.0, 0.9, 0.8])
    assert compare.costs(reaches, goal) == [2, 0, 0, 200, 0]
    assert compare.costs(not_so, goal) == [np.inf] * 5

    def cells(*results):
        runs = compare.Runs("a", "A", list(range(len(results))), list(results))
        return [column._cells[0].plain for column in compare.tables([runs], goal, 200)[0].columns]

    assert cells(reaches, reaches, not_so) == ["a", "max_time", "2/3", "2", "0", "0", "0.0002", "0"]
    assert cells(reaches, not_so) == ["a", "max_time", "1/2", *"-----"]
    lost = result([0, 10, 20], [1.0, 1e9, 1e99], "diverged")
    assert cells(reaches, lost, reaches)[1:3] == ["2 max_time, 1 diverged", "2/3"]


# whole comparisons


def test_twice_the_same(gossamer, write, tmp_path):
    path = write()
    for name, threads in (("a", "1"), ("b", "2")):
        assert gossamer("compare", path, "--output", tmp_path / name, "--threads", threads).exit_code == 0
    for file in ("comparison.csv", "traces.csv"):
        first, second = (read(tmp_path / name / file) for name in "ab")
        for row in (*first, *second):
            for name in ("wall_time", "wall_time_to_target"):
                row.pop(name, None)
        assert first == second


def test_a_diverging_solver_does_not_stop_the_others(gossamer, write, tmp_path):
    rates = "[" + ", ".join(["0.05"] * 7) + "]\ncheck_rates = false"
    path = write(
        ('rates = "communication"', f"rates = {rates}"), ("tol = 1e-6", "tol = 1e-6\nmax_time = 2e4")
    )
    done = gossamer("compare", path, "--output", tmp_path / "out")
    assert done.exit_code == 0
    first, second = printed(done.stdout, "DADAO")
    assert first == ["diverged", "0/3", "-", "-", "-", "-", "-"]
    assert second[:3] == ["-", "-", "-"]
    rows = read(tmp_path / "out" / "comparison.csv")
    assert [row["status"] for row in rows] == ["diverged"] * 3 + ["converged"] * 3
    assert rows[0]["bits_to_target"] == ""
    assert rows[0]["distance_at_equal_bits"] == "inf"
    assert {row["equal_bits"] for row in rows} == {str(min(int(bits) for bits in final_bits(tmp_path)))}


def final_bits(tmp_path):
    """Final bits of the second solver's runs."""
    rows = [row for row in read(tmp_path / "out" / "traces.csv") if row["label"] == LABELS[1]]
    return [max(int(row["bits"]) for row in rows if row["seed"] == seed) for seed in "312"]


@pytest.mark.parametrize("lost", [["DADAO"], list(LABELS)])
def test_runs_that_diverge_before_their_first_record(gossamer, write, tmp_path, monkeypatch, lost):
    def solve_all(jobs, problem, graph, **options):
        """Runs of some solvers from a start whose gradient overflows."""
        found = []
        for k, (solver, own) in enumerate(jobs):
            x0 = np.full(problem.dim, 1e200 if LABELS[k // 3] in lost else 0.0)
            given = {"tol": options["tol"], "x_star": options["x_star"]} | own
            found.append(solver.solve(problem, graph, x0, **given))
        return found

    monkeypatch.setattr(seeds, "solve_all", solve_all)
    result = gossamer("compare", write(), "--output", tmp_path)
    assert result.exit_code == 0
    said = re.findall(r"^(.+): 3 of 3 runs diverged before the first record$", result.stdout, re.M)
    assert said == lost
    assert re.search(r"^ DADAO +diverged +0/3( +-){5} *$", result.stdout, re.M)
    with (tmp_path / "comparison.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["label"] in lost]
    assert {row["status"] for row in rows} == {"diverged"}
    assert {row["time_to_target"] for row in rows} == {""}
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_a_target_that_is_never_reached(gossamer, write, tmp_path):
    done = gossamer("compare", write(("1e-4", "1e-90")), "--output", tmp_path / "out")
    assert done.exit_code == 0
    assert printed(done.stdout, "DADAO")[0] == ["converged", "0/3", "-", "-", "-", "-", "-"]
    assert "DADAO converged to tol = 1e-06 before the target: lower tol to go on" in done.stdout


def test_other_columns_and_bits(gossamer, write, tmp_path):
    path = write(("target = 1e-4", 'target = 1e-2\ncolumn = "optimality"\nbits = 5e4'))
    done = gossamer("compare", path, "--output", tmp_path / "out")
    assert "cost to optimality <= 0.01" in done.stdout
    assert "optimality within 0.05 Mbit" in done.stdout
    rows, records = (read(tmp_path / "out" / file) for file in ("comparison.csv", "traces.csv"))
    for row in rows:
        mine = [r for r in records if (r["label"], r["seed"]) == (row["label"], row["seed"])]
        within = [r for r in mine if int(r["bits"]) <= 50000]
        assert 1 < len(within) < len(mine)
        assert row["optimality_at_equal_bits"] == within[-1]["optimality"]


def test_one_solver_and_one_seed(gossamer, write, tmp_path):
    second = COMPARISON[COMPARISON.rindex("[[solvers]]") : COMPARISON.index("[compare]")]
    path = write((second, ""), ("[3, 1, 2]", "[3]"))
    done = gossamer("compare", path, "--output", tmp_path / "out")
    assert done.exit_code == 0
    assert "median" not in done.stdout
    assert len(read(tmp_path / "out" / "comparison.csv")) == 1


def test_what_is_auto_is_tuned_once(gossamer, write, tmp_path, monkeypatch):
    from gossamer.solvers.base import rounds

    calls, tune = [], rounds.tuned
    monkeypatch.setattr(
        rounds, "tuned", lambda *args, **options: calls.append(args) or tune(*args, **options)
    )
    path = write((SECOND, 'name = "NIDS"\nstep = "auto"'), ("tol = 1e-6", "max_time = 30"))
    done = gossamer("compare", path, "--output", tmp_path / "out")
    assert done.exit_code == 0
    assert len(calls) == 1
    problem = problems.Quadratic.random(6, 3, condition_number=5.0, rng=4)
    step = solvers.NIDS(step="auto").parameters(problem, graphs.barbell(3))["step"]
    assert f"NIDS: step = {step:.4g}, tuned" in done.stdout
    by_hand = solvers.NIDS(step=step).solve(
        problem, graphs.barbell(3), tol=1e-8, max_time=30, x_star=problem.solution()
    )
    last = [row for row in read(tmp_path / "out" / "traces.csv") if row["label"] == "NIDS"][-1]
    assert float(last["distance"]) == by_hand.trace["distance"][-1]


def test_the_template_runs(gossamer, tmp_path):
    text = gossamer("template", "compare").stdout
    assert text == comparison.TEMPLATE
    path = tmp_path / "compare.toml"
    path.write_text(text.replace("[0, 1, 2]", "[0]").replace("max_time = 5000.0", "max_time = 20.0"))
    done = gossamer("compare", path, "--output", tmp_path / "out")
    assert done.exit_code == 0
    assert done.stdout.count("max_time") == len(comparison.read_comparison(path).contestants)


def test_what_the_template_comments_out_is_true(tmp_path):
    path = tmp_path / "compare.toml"
    path.write_text(re.sub(r"^# (?=\w+ = )", "", comparison.TEMPLATE, flags=re.M))
    found = comparison.read_comparison(path)
    assert found.goal == comparison.CompareTable(target=1e-6, column="distance", bits=2e7)
    assert found.contestants[0].options == {"record_every": 5}
    assert found.contestants[2].solver.step == "auto"
    expected = problems.Quadratic.random(10, 50, condition_number=20.0, heterogeneity=1.0, rng=0)
    np.testing.assert_array_equal(found.problem.H, expected.H)


# compressors in files


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"name": "TopK", "k": 0.1}, compression.TopK(0.1)),
        ({"name": "TopK", "k": 3}, compression.TopK(3)),
        ({"name": "RandK", "k": 3, "scaled": False}, compression.RandK(3, scaled=False)),
        ({"name": "Natural"}, compression.Natural()),
        ({"name": "LowRank", "rank": 2, "shape": [4, 5]}, compression.LowRank(2, (4, 5))),
        (
            {
                "name": "Composed",
                "sparsifier": {"name": "TopK", "k": 0.1},
                "quantiser": {"name": "QSGD", "levels": 15},
            },
            compression.Composed(compression.TopK(0.1), compression.QSGD(15)),
        ),
        (
            {"name": "PerBlock", "size": 64, "compressor": {"name": "TernGrad"}},
            compression.PerBlock(compression.TernGrad(), 64),
        ),
    ],
)
def test_compressors_in_tables(table, expected):
    assert build.build_compressor("compressor", table) == expected


def test_every_compressor_can_be_named():
    assert set(build.compressor_classes()) == {
        *("Bernoulli", "BlockRandK", "Composed", "Identity", "LowRank", "Natural", "PerBlock", "PermK"),
        *("QSGD", "RandK", "ScaledSign", "TernGrad", "TopK"),
    }


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("TopK", "compressor must be a table such as {name = \"TopK\", k = 0.1}, got 'TopK'"),
        ({"k": 3}, "compressor: name must be one of QSGD"),
        ({"name": "Topk", "k": 3}, "compressor: gossamer has no compressor 'Topk'; did you mean 'TopK'?"),
        ({"name": "TopK"}, "compressor: TopK needs the parameter 'k'"),
        ({"name": "TopK", "kk": 3}, "no parameter 'kk' that a file can set; did you mean 'k'?"),
        ({"name": "TopK", "k": "3"}, "compressor: k must be an integer of 64 bits or a number, got '3'"),
        ({"name": "TopK", "k": 1.5}, "compressor: k (as a fraction of d) must be"),
        ({"name": "TopK", "k": 0}, "compressor: k must be at least 1, got 0"),
        ({"name": "LowRank", "rank": 2, "shape": [4]}, "shape must be a list of two integers, got [4]"),
        (
            {
                "name": "Composed",
                "sparsifier": {"name": "QSGD", "levels": 3},
                "quantiser": {"name": "Natural"},
            },
            "compressor: sparsifier must be one, such as TopK(10), got QSGD(",
        ),
        (
            {"name": "PerBlock", "size": 8, "compressor": {"name": "QSGD", "levels": 0}},
            "compressor: compressor: levels must be in 1..",
        ),
    ],
)
def test_bad_compressors_are_refused(table, message):
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        build.build_compressor("compressor", table)


# errors


@pytest.mark.parametrize(
    ("replacements", "message"),
    [
        ([("[compare]\ntarget = 1e-4", "")], "no table [compare]; `gossamer template compare` prints"),
        ([("[problem]", "[problems]")], "no table 'problems'; did you mean 'problem'?"),
        ([("[[solvers]]", "[[solver]]")], "no table 'solver'; did you mean 'solvers'?"),
        (
            [('[[solvers]]\nname = "DADAO"\nlabel', '[solvers.second]\nname = "DADAO"\nlabel')],
            "compare.toml: ",
        ),
        ([("target = 1e-4", "targets = 1e-4")], "[compare] has no key 'targets'; did you mean 'target'?"),
        ([("target = 1e-4", "")], "[compare] needs the key 'target'"),
        ([("target = 1e-4", "target = 0")], "[compare] target must be a finite number > 0, got 0"),
        ([("target = 1e-4", "target = nan")], "[compare] target must be"),
        ([("target = 1e-4", 'target = 1\ncolumn = "distances"')], "did you mean 'distance'?"),
        ([("target = 1e-4", "target = 1\nbits = -1")], "[compare] bits must be a finite number > 0"),
        ([("tol = 1e-6", "tol = -1")], "[run] tol must be a finite number >= 0"),
        ([("tol = 1e-6", "max_time = 0")], "[run] max_time must be"),
        ([("tol = 1e-6", "max_events = 9")], "[run] has no key 'max_events'"),
        ([("[3, 1, 2]", "[]")], "[run] seeds must be distinct integers >= 0"),
        ([("dim = 3", "dim = 0")], "[problem]: dim must be at least 1, got 0"),
        ([("dim = 3", "")], "[problem] needs the key 'dim'"),
        ([("dim = 3", "dim = 3\nl2 = 0.1")], "[problem] has no key 'l2'"),
        ([("condition_number = 5.0", "condition_number = 0.5")], "[problem]: condition_number must be"),
        (
            [("quadratic", "quadratics")],
            "no kind of problem 'quadratics'; did you mean 'quadratic'?",
        ),
        ([("barbell:3", "barbel:3")], "[graph]: unknown topology"),
        ([('label = "equal, often"', "")], "[[solvers]] 2: label 'DADAO' is taken by [[solvers]] 1"),
        ([('label = "equal, often"', "label = 3")], "[[solvers]] 2: label must be a text, got 3"),
        ([('label = "equal, often"', 'label = " "')], "[[solvers]] 2: label must be one line of text"),
        ([('"DADAO"\nlabel', '"DADA"\nlabel')], "[[solvers]] 2: gossamer has no solver 'DADA'; did you"),
        ([("record_every = 40", "record_each = 40")], "[[solvers]] 2: DADAO has no parameter 'record_each'"),
        ([("record_every = 40", "record_every = 0")], "[[solvers]] 2: record_every must be at least 1"),
        ([("record_every = 40", "batch_size = 8")], "[[solvers]] 2: Quadratic has no samples"),
        (
            [(SECOND, 'name = "EF21"\ncompressor = {name = "TopK", k = 1}')],
            "[[solvers]] 2: the messages of all",
        ),
        ([(SECOND, 'name = "EF21"')], "[[solvers]] 2: EF21 needs the parameter 'compressor'"),
        ([(SECOND, 'name = "EF21"\ncompressor = {name = "TopK", k = 9}')], "[[solvers]] 2: "),
        ([(SECOND, 'name = "EF21"\ncompressor = {name = "TopK", m = 1}')], "2: compressor: TopK has no para"),
        ([("record_every = 40", "average_from = -1.0")], "[[solvers]] 2: average_from must be"),
    ],
)
def test_what_is_refused(refused, write, tmp_path, replacements, message):
    refusal = refused("compare", write(*replacements), "--output", tmp_path / "out")
    assert message in refusal
    assert refusal.count("compare.toml") == 1
    assert not (tmp_path / "out").exists()


def test_solvers_must_be_an_array_of_tables(refused, tmp_path):
    text = COMPARISON[: COMPARISON.rindex("[[solvers]]")] + COMPARISON[COMPARISON.index("[compare]") :]
    path = tmp_path / "compare.toml"
    path.write_text(text.replace("[[solvers]]", "[solvers]"))
    assert "solvers must be an array of tables: [[solvers]]" in refused("compare", path)
    head = text[: text.index("[[solvers]]")] + text[text.index("[compare]") :]
    path.write_text("solvers = []\n" + head)
    assert "solvers must have at least one table [[solvers]]" in refused("compare", path)
    path.write_text(head)
    assert "no table [[solvers]]; `gossamer template compare` prints" in refused("compare", path)


def test_files_in_the_way(refused, write, tmp_path):
    (tmp_path / "out").write_text("")
    assert "out: File exists" in refused("compare", write(), "--output", tmp_path / "out")
    assert refused("compare", tmp_path / "no.toml") == f"no file {tmp_path / 'no.toml'}"


# saddle points

SADDLES = """
[problem]
{problem}

[graph]
topology = "star:4"

[[solvers]]
name = "Extragradient"

[[solvers]]
name = "MASHA1"
step = "auto"
compressor = {{name = "PermK", n_workers = 4}}
server_compressor = {{name = "Natural"}}

[compare]
target = 1e-6
column = "optimality"

[run]
tol = 1e-7
max_time = 20000.0
"""


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        ('kind = "bilinear"\nsize = 3\nl2 = 0.5\nseed = 2', "BilinearSaddle(n_nodes=4, dim=6, l2=0.5)"),
        (
            'kind = "matrix_game"\npayoffs = [[0, 1], [2, 0]]\nheterogeneity = 1.0\nentropic = true',
            "MatrixGame(n_nodes=4, dim=4, entropic=True)",
        ),
        (
            'kind = "robust_least_squares"\ndata = "data.csv"\nl2 = 0.3\nradius = 1.0\nperturbation = 0.5',
            "RobustLeastSquares(n_nodes=4, dim=4, samples=20, l2=0.3, radius=1, perturbation=0.5, penalty=2)",
        ),
    ],
)
def test_saddle_points(problem, expected, gossamer, tmp_path):
    rng = np.random.default_rng(0)
    np.savetxt(tmp_path / "data.csv", rng.normal(size=(20, 3)), delimiter=",")
    (tmp_path / "compare.toml").write_text(SADDLES.format(problem=problem))
    result = gossamer("compare", tmp_path / "compare.toml", "--output", tmp_path / "out")
    assert result.exit_code == 0
    assert expected in " ".join(result.stdout.split())
    rows = read(tmp_path / "out" / "comparison.csv")
    assert [(row["solver"], row["status"]) for row in rows] == [
        ("Extragradient", "converged"),
        ("MASHA1", "converged"),
    ]
    assert all(float(row["bits_to_target"]) > 0 for row in rows)


def test_saddle_points_are_refused_where_they_do_not_fit(refused, tmp_path):
    text = SADDLES.format(problem='kind = "bilinear"\nsize = 3')
    for old, new, words in (
        ('name = "Extragradient"', 'name = "DGD"', "is a variational inequality: take Extragradient"),
        ("size = 3", "", "[problem] needs the key 'size'"),
        ("n_workers = 4", "n_workers = 5", "PermK must be of the 4 nodes"),
        ('kind = "bilinear"\nsize = 3', 'kind = "matrix_game"\npayoffs = [[0, 1], [2]]', "payoffs"),
        (
            'kind = "bilinear"\nsize = 3',
            'kind = "robust_least_squares"\ndata = "diabetes"',
            "needs the key 'radius'",
        ),
    ):
        (tmp_path / "compare.toml").write_text(text.replace(old, new))
        assert words in refused("compare", tmp_path / "compare.toml", "--output", tmp_path / "out")
