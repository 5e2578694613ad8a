import csv
import math
import re

import numpy as np
import pytest

from gossamer import graphs, problems, solvers
from gossamer.cli import demo
from gossamer.graphs.rates import barrier, lowrank, sdp


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory):
    """Output and folder of the demo on a small network."""
    from typer.testing import CliRunner

    from gossamer.cli import app

    folder = tmp_path_factory.mktemp("demo") / "out"
    arguments = ["demo", "--seeds", "1", "--topology", "barbell:3", "--output", str(folder)]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout, folder


def trace(folder, name):
    with (folder / f"trace-{name}-0.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {column: np.array([float(row[column]) for row in rows]) for column in rows[0]}


def printed_row(stdout, name):
    row = re.search(rf"^ {name} .*$", stdout, re.M)
    assert row is not None
    return [float(cell.replace(",", "")) for cell in row[0].replace("%", "").split()[1:]]


def problem():
    X, y = problems.load("breast_cancer")
    X = problems.add_intercept(problems.standardize(X))
    l2 = problems.LogisticRegression.from_data(X, y, 6).smoothness / 999
    return problems.LogisticRegression.from_data(X, y, 6, l2=l2)


def test_the_problem_has_the_condition_number_it_says(demonstration):
    stdout, _ = demonstration
    expected = problem()
    assert expected.smoothness / expected.strong_convexity == pytest.approx(1000, rel=1e-12)
    found = demo.breast_cancer_problem(6)
    np.testing.assert_array_equal(found.features, expected.features)
    assert found.l2 == pytest.approx(expected.l2, rel=1e-12)
    assert f"kappa = L/mu = {expected.smoothness:.4g}/{expected.l2:.4g} = 1000" in stdout


def test_printed_numbers_are_those_of_the_traces(demonstration):
    stdout, folder = demonstration
    n_bits = 2 * 64 * problem().dim
    counts = {}
    for name in ("uniform", "optimal"):
        columns = trace(folder, name)
        relative = columns["distance"] / columns["distance"][0]
        first = int(np.argmax(relative <= 1e-6))
        counts[name] = [columns[c][first] for c in ("n_gradients", "n_communications", "bits")]
        assert counts[name][2] == counts[name][1] * n_bits
        # the record before is so close that the count is known to one percent
        assert relative[first - 1] > 1e-6
        assert columns["n_communications"][first - 1] > 0.985 * columns["n_communications"][first]
        total_rate, *printed, ratio = printed_row(stdout, name)
        assert printed[:2] == counts[name][:2]
        assert printed[2] == pytest.approx(counts[name][2] / 1e6, abs=0.051)
        assert columns["n_communications"][-1] / columns["time"][-1] == pytest.approx(total_rate, rel=0.05)
        late = slice(int(np.argmax(relative <= 0.1)), None)
        slope = np.polyfit(columns["time"][late], np.log(relative[late]), 1)[0]
        assert ratio == pytest.approx(-slope / (math.sqrt(1e-3) / (8 * math.sqrt(2))), abs=0.006)
        assert ratio > 1  # theory is a bound
    saved = printed_row(stdout, "saved")
    ratios = np.array(counts["optimal"]) / np.array(counts["uniform"])
    np.testing.assert_allclose(saved[1:], 100 * (1 - ratios), atol=0.051)


def test_the_measured_saving_is_the_certified_one(demonstration):
    stdout, folder = demonstration
    found = graphs.gossip_rates(graphs.barbell(3), "communication")
    line = re.search(r"communications saved: ([\d.]+) % measured, ([\d.]+) % certified", stdout)
    assert line is not None
    assert float(line[2]) == pytest.approx(100 * found.saved, abs=0.051)
    assert float(line[1]) == pytest.approx(100 * found.saved, abs=3)
    assert printed_row(stdout, "uniform")[0] == pytest.approx(found.cost_uniform, abs=0.0051)
    assert printed_row(stdout, "optimal")[0] == pytest.approx(found.cost, abs=0.0051)
    with (folder / "rates.csv").open(newline="") as file:
        np.testing.assert_array_equal([float(row["rate"]) for row in csv.DictReader(file)], found.rates)


def test_traces_are_those_of_dadao(demonstration):
    """A run of the solver alone passes through the same records."""
    _, folder = demonstration
    graph, data = graphs.barbell(3), problem()
    columns = trace(folder, "optimal")
    rates = graphs.gossip_rates(graph, "communication")
    every = int(columns["n_gradients"][1] + columns["n_communications"][1])
    result = solvers.DADAO(rates=rates).solve(
        data, graph, x_star=data.solution(), rng=0, tol=0, max_events=10 * every, record_every=every
    )
    for name in ("time", "distance", "bits"):
        np.testing.assert_array_equal(result.trace[name], columns[name][:11])


def test_the_figures(demonstration):
    _, folder = demonstration
    assert (folder / "demo.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "demo.pdf").read_bytes().startswith(b"%PDF")


def test_the_default_network_is_worth_showing():
    graph = graphs.topology(demo.TOPOLOGY)
    assert 20 <= graph.n_nodes <= 40
    found = graphs.gossip_rates(graph, "communication")
    assert found.status == "certified"
    assert found.saved > 0.3


def test_what_is_refused(refused, tmp_path, monkeypatch):
    (tmp_path / "apart.edges").write_text("0 1\n2 3\n")
    assert "connected" in refused("demo", "--topology", tmp_path / "apart.edges")
    assert "unknown topology" in refused("demo", "--topology", "moebius:3")
    for name in ("PRACTICAL_NODES", "PRACTICAL_PAIRS"):
        monkeypatch.setattr(sdp, name, 9)
    monkeypatch.setattr(barrier, "PRACTICAL_EDGES", 9)
    monkeypatch.setattr(lowrank, "FEASIBLE_WORK", 9)
    refusal = refused("demo", "--topology", "grid_2d:4,4", "--output", tmp_path / "new")
    assert re.search(r"the graph has 16 nodes, and the limit is 9 for .*; choose a smaller network$", refusal)
    (tmp_path / "out").write_text("")
    assert "out: File exists" in refused("demo", "--topology", "barbell:3", "--output", tmp_path / "out")
