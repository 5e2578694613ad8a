import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gossamer import graphs, problems, solvers
from gossamer.cli import build, robust_experiment, robust_figure, robust_runs, robust_selection
from gossamer.kernels import aggregation
from gossamer.problems import attacks

EXPERIMENT = """
[problem]
kind = "softmax"
data = "iris"
standardize = true
intercept = true
l2 = 1e-3
test = 0.3
validation = 0.2
seed = 5

[workers]
n_nodes = 7
f = [1, 2]

[[pre]]
name = "none"

[[pre]]
name = "NNM"

[[rules]]
name = "Mean"

[[rules]]
name = "Krum"
label = "one of them"

[[attacks]]
name = "none"

[[attacks]]
name = "ReversedGradient"
factor = 20.0

[[attacks]]
name = "OptimizedIPM"
n_evaluations = 4

[[attacks]]
name = "LabelFlip"

[grid]
step = [0.02, 0.5]
server_momentum = [0.0]

[run]
rounds = 25
batch_size = 4
seeds = [3, 1]
"""
ATTACKS = ["none", "ReversedGradient", "OptimizedIPM", "LabelFlip"]
ROWS = 2 * 2 * 2  # f, pre, rules
RUNS = ROWS * 4 * 2 * 2  # attacks, steps, seeds


@pytest.fixture
def write(tmp_path):
    """Write robustness.toml with some text replaced."""

    def write(*replacements):
        text = EXPERIMENT
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "robustness.toml"
        path.write_text(text)
        return path

    return write


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Output and folder of the experiment."""
    from typer.testing import CliRunner

    from gossamer.cli import app

    folder = tmp_path_factory.mktemp("robustness")
    (folder / "robustness.toml").write_text(EXPERIMENT)
    arguments = ["robustness", str(folder / "robustness.toml"), "--output", str(folder / "deep" / "out")]
    result = CliRunner().invoke(app, [*arguments, "--processes", "1"], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout, folder / "deep" / "out", folder / "robustness.toml"


def read(folder):
    with (folder / "robustness.csv").open() as file:
        return list(csv.DictReader(file))


def by_hand(f, rule, attack, step, seed, *, flipped=False):
    """Validation and test accuracy of one run of the Python API."""
    X, y = problems.load("iris")
    X = problems.add_intercept(problems.standardize(X))
    order = np.random.default_rng(5).permutation(150)
    test, validation, rest = order[:45], order[45:75], order[75:]
    problem = problems.SoftmaxRegression.from_data(
        X[rest], y[rest], 7, rng=5, l2=1e-3, test=(X[validation], y[validation])
    )
    data = problem.flipped(range(7 - f, 7)) if flipped else problem
    solver = solvers.RobustSGD(rule, f=f, attack=attack, step=step, batch_size=4)
    result = solver.solve(data, graphs.star(7), tol=0, max_events=25, rng=seed)
    accuracies = [np.mean(problem.predict(result.x, X[part]) == y[part]) for part in (validation, test)]
    return [0.0, 0.0] if result.status == "diverged" else accuracies


def test_the_table_is_what_the_python_api_finds(done):
    _, folder, _ = done
    rows = read(folder)
    assert len(rows) == ROWS
    row = next(r for r in rows if (r["f"], r["pre"], r["rule"]) == ("2", "NNM", "one of them"))
    rule = aggregation.NNM(2) >> aggregation.Krum(2)
    threats = {
        "none": (None, False),
        "ReversedGradient": (attacks.ReversedGradient(20.0), False),
        "OptimizedIPM": (attacks.OptimizedIPM(rule, n_evaluations=4), False),
        "LabelFlip": (None, True),
    }
    means = {
        step: {
            name: np.mean([by_hand(2, rule, a, step, s, flipped=flip) for s in (3, 1)], axis=0)
            for name, (a, flip) in threats.items()
        }
        for step in (0.02, 0.5)
    }
    worst = {step: min(v[0] for v in found.values()) for step, found in means.items()}
    best = 0.02 if worst[0.02] >= worst[0.5] else 0.5
    assert float(row["step"]) == best
    assert float(row["validation_worst"]) == pytest.approx(worst[best], abs=1e-4)
    for name in ATTACKS:
        assert float(row[name]) == pytest.approx(means[best][name][1], abs=1e-4)
    assert float(row["worst"]) == pytest.approx(min(means[best][name][1] for name in ATTACKS), abs=1e-4)


def test_what_is_printed_and_drawn(done):
    printed, folder, _ = done
    rows = read(folder)
    assert f"{RUNS} runs" in printed
    for f in (1, 2):
        part = printed.split(f"split iid, f = {f}, best first")[1].split("split iid")[0]
        found = re.findall(r"^ (.*?)  +([\d.]+)  .*  ([\d.]+) *$", part, re.MULTILINE)
        shown = {label.strip(): (float(step), float(worst)) for label, step, worst in found}
        here = [row for row in rows if row["f"] == str(f)]
        assert shown.keys() == {"Mean", "one of them", "NNM >> Mean", "NNM >> one of them"}
        for row in here:
            label = row["rule"] if row["pre"] == "none" else f"NNM >> {row['rule']}"
            assert shown[label][0] == float(row["step"])
            assert shown[label][1] == pytest.approx(100 * float(row["worst"]), abs=0.06)
        worst = [shown[label.strip()][1] for label, *_ in found]
        assert worst == sorted(worst, reverse=True)
    assert (folder / "robustness.png").read_bytes()[:4] == b"\x89PNG"


def test_the_same_command_again_does_what_is_missing_and_no_more(done, gossamer):
    printed, folder, path = done
    files = sorted((folder / "runs").iterdir())
    assert len(files) == RUNS
    assert all(file.suffix == ".json" for file in files)
    before = {file: file.stat().st_mtime_ns for file in files}
    contents = {file: file.read_text() for file in files}
    files[0].unlink()
    files[7].write_text('{"validation": 0.')  # as after a crash of the disk
    again = gossamer("robustness", path, "--output", folder, "--processes", "1")
    assert again.stdout.split("written")[0].split() == printed.split("written")[0].split()
    assert sorted((folder / "runs").iterdir()) == files
    for number, file in enumerate(files):
        assert file.read_text() == contents[file]
        assert (file.stat().st_mtime_ns == before[file]) == (number not in (0, 7))


def test_other_parameters_are_other_runs(write):
    wanted = robust_experiment.read_robustness(write())
    common, jobs = wanted.common(), wanted.jobs()
    names = {robust_runs.digest(common, job) for job in jobs}
    assert len(names) == len(jobs) == RUNS
    assert robust_runs.digest(common, jobs[0]) in names
    assert robust_runs.digest(common | {"rounds": 26}, jobs[0]) not in names
    assert robust_runs.digest(common | {"folder": "elsewhere"}, jobs[0]) in names
    assert robust_runs.digest(common, jobs[0] | {"rule": "renamed"}) in names


def test_other_data_under_the_same_name_are_other_runs(write, gossamer, tmp_path):
    X, y = problems.load("iris")
    np.savez(tmp_path / "flowers.npz", X=X, y=y)
    fewer = ('[[attacks]]\nname = "OptimizedIPM"\nn_evaluations = 4', "")
    small = (("f = [1, 2]", "f = [1]"), ("seeds = [3, 1]", "seeds = [3]"), ("[0.02, 0.5]", "[0.5]"))
    path = write(*small, fewer, ('[[pre]]\nname = "NNM"', ""), ('"iris"', '"flowers.npz"'))
    command = "robustness", path, "--output", tmp_path, "--processes", "1"
    gossamer(*command)
    first = read(tmp_path)
    gossamer(*command)
    assert read(tmp_path) == first
    assert len(list((tmp_path / "runs").iterdir())) == 2 * 3
    np.savez(tmp_path / "flowers.npz", X=X, y=np.roll(y, 20))
    gossamer(*command)
    assert len(list((tmp_path / "runs").iterdir())) == 2 * 2 * 3
    assert read(tmp_path) != first


def test_every_attack_and_rule_is_known():
    assert {"MinMax", "MinSum", "OptimizedALIE"} < set(build.attack_classes())
    assert {"CGE", "Krum", "Flag"} < set(build.aggregator_classes())
    table = {"name": "MinMax", "direction": "sign"}
    assert robust_experiment.build_attack(table, aggregation.Mean(), 0) == attacks.MinMax("sign")


def test_pre_aggregators_take_parameters_and_seeds(write):
    buckets = '[[pre]]\nname = "Bucketing"\ns = 3\nlabel = "threes"'
    attacked = EXPERIMENT[EXPERIMENT.index('[[attacks]]\nname = "Rev') : EXPERIMENT.index("[grid]")]
    no_attacks = (attacked, "")
    wanted = robust_experiment.read_robustness(
        write(("f = [1, 2]", "f = [0]"), ('[[pre]]\nname = "NNM"', buckets), no_attacks)
    )
    assert wanted.contestants[2:] == [("threes", "Mean"), ("threes", "one of them")]
    job = next(job for job in wanted.jobs() if job["pre"] == "threes" and job["rule"] == "one of them")
    rule = robust_experiment.build_rule(job["pre_table"], job["rule_table"], 0, 5)
    assert rule == aggregation.Bucketing(3, key=5) >> aggregation.Krum(0)
    common = wanted.common()
    renamed = robust_runs.digest(common, job | {"pre": "renamed"})
    assert renamed == robust_runs.digest(common, job)
    other = {"pre_table": job["pre_table"] | {"s": 2}}
    assert robust_runs.digest(common, job | other) != robust_runs.digest(common, job)


def test_processes_do_not_matter(done, write, gossamer, tmp_path):
    _, folder, _ = done
    small = (("f = [1, 2]", "f = [2]"), ("seeds = [3, 1]", "seeds = [3]"), ('[[pre]]\nname = "none"', ""))
    fewer = ('[[attacks]]\nname = "OptimizedIPM"\nn_evaluations = 4', "")
    path = write(*small, fewer)
    gossamer("robustness", path, "--output", tmp_path / "two", "--processes", "2")
    files = list((tmp_path / "two" / "runs").iterdir())
    assert len(files) == 2 * 3 * 2
    for file in files:
        assert file.read_text() == (folder / "runs" / file.name).read_text()


def test_parameters_are_chosen_on_the_validation_samples_by_the_worst_attack(write):
    path = write(("f = [1, 2]", "f = [1]"), ('[[pre]]\nname = "NNM"', ""))
    wanted = robust_experiment.read_robustness(path)
    # Mean: 0.02 has the better mean, 0.5 the better worst case; on test samples the other way round
    scores = {
        ("Mean", "none", 0.02): (0.9, 0.1),
        ("Mean", "ReversedGradient", 0.02): (0.3, 0.9),
        ("Mean", "none", 0.5): (0.5, 0.2),
        ("Mean", "ReversedGradient", 0.5): (0.4, 0.1),
    }
    outcomes = []
    for job in wanted.jobs():
        validation, test = scores.get((job["rule"], job["attack"], job["step"]), (0.6, 0.6))
        shift = 0.01 if job["seed"] == 3 else -0.01
        outcomes.append({"validation": validation + shift, "test": test - shift})
    mean, krum = robust_selection.select(wanted, outcomes)
    assert mean.chosen == {"step": 0.5, "server_momentum": 0.0, "momentum": 0.0}
    assert mean.validation == pytest.approx(0.4)
    assert mean.test == pytest.approx(
        {"none": 0.2, "ReversedGradient": 0.1, "OptimizedIPM": 0.6, "LabelFlip": 0.6, "worst": 0.1}
    )
    assert krum.chosen["step"] == 0.02  # the first of equals


def test_the_figure_has_a_map_for_each_study():
    row = robust_selection.Row(
        "iid", 1, "none", "a $ rule_1", {}, 0.5, {"none": 0.9, "x_y": 0.2, "worst": 0.2}
    )
    rows = [replace(row, split=split, f=f) for split in ("iid", "sorted") for f in (1, 2, 3)]
    figure = robust_figure.heat_maps([*rows, *(replace(r, pre="NNM") for r in rows)], ["none", "x_y"])
    maps = [ax for ax in figure.axes if ax.images and ax.get_visible()]
    titles = [f"split {s}, f = {f}" for s in ("iid", "sorted") for f in (1, 2, 3)]
    assert [ax.get_title(loc="left") for ax in maps] == titles
    shown = [text.get_text() for text in maps[0].texts]
    assert shown == ["90", "20", "20"] * 2
    assert [t.get_text() for t in maps[0].get_yticklabels()] == ["a $ rule_1", "NNM >> a $ rule_1"]


def test_the_template_is_read_and_its_comments_are_true(gossamer, tmp_path):
    text = gossamer("template", "robustness").stdout
    (tmp_path / "a.toml").write_text(text)
    wanted = robust_experiment.read_robustness(tmp_path / "a.toml")
    assert len(wanted.jobs()) == 5 * 5 * 2
    everything = re.sub(r"^# ((\w+ = |\[\[).*)$", r"\1", text, flags=re.MULTILINE)
    everything = everything.replace('splits = ["iid"]', 'splits = ["iid", "dirichlet"]')
    (tmp_path / "b.toml").write_text(everything)
    full = robust_experiment.read_robustness(tmp_path / "b.toml")
    assert len(full.jobs()) == 2 * 2 * 5 * 5 * 2
    assert full.workers.alpha == 0.5
    assert full.pre == {"none": {"name": "none"}, "clipped at 1": {"name": "Clipping", "radius": 1.0}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('kind = "softmax"', 'kind = "svm"'), "[problem] has no kind 'svm'; there are perceptron, softmax"),
        (("test = 0.3", "test = 0.8"), "test + validation must be below 1"),
        (("test = 0.3", "test = 0.0"), "[problem] test must be"),
        (("f = [1, 2]", "f = [7]"), "[workers] f must be"),
        (
            ("f = [1, 2]", "f = [2, 0]"),
            "[workers] f = 0 leaves no worker faulty, and nobody would attack by [[attacks]] "
            "'ReversedGradient': drop 0 from f, or keep 'none' as the only attack",
        ),
        (
            ("l2 = 1e-3", "l2 = 1e-3\nhidden = [4]"),
            "[problem] hidden is of the perceptron, and kind is 'softmax'",
        ),
        (("f = [1, 2]", "f = []"), "[workers] f must be a list of distinct values"),
        (("f = [1, 2]", "f = [1, 2]\nalpha = 1.0"), "alpha belongs to the dirichlet split"),
        (("f = [1, 2]", "f = [3]"), "[[rules]] 2, with f = 3 and [[pre]] 'none': Krum"),
        (('name = "Krum"', 'name = "Crum"'), "did you mean 'Krum'?"),
        (('name = "Krum"', 'name = "Krum"\nm = 2'), "Krum has no parameter 'm'"),
        (('label = "one of them"', 'label = "Mean"'), "label 'Mean' is taken"),
        (("factor = 20.0", "factor = -1.0"), "[[attacks]] 2, with f = 1: factor must be"),
        (('name = "LabelFlip"', 'name = "Labelflip"'), "did you mean 'LabelFlip'?"),
        (('name = "LabelFlip"', 'name = "LabelFlip"\nkey = 1'), "LabelFlip has no parameter 'key'"),
        (('name = "LabelFlip"', 'label = "what"'), "[[attacks]] 4"),
        (("step = [0.02, 0.5]", "step = [0.0]"), "[grid] step must be"),
        (("step = [0.02, 0.5]", 'step = ["small"]'), "[grid] step must be a list of numbers"),
        (("server_momentum = [0.0]", "server_momentum = [1.0]"), "server_momentum must be in [0, 1)"),
        (('name = "NNM"', 'name = "MNN"'), "did you mean 'NNM'?"),
        (('name = "NNM"', 'name = "Bucketing"'), "[[pre]] 'Bucketing': Bucketing needs the parameter 's'"),
        (('name = "NNM"', 'name = "Bucketing"\ns = 0'), "s must be"),
        (('name = "NNM"', 'name = "NNM"\ns = 2'), "NNM has no parameter 's'"),
        (('name = "NNM"', 'name = "none"'), "label 'none' is taken"),
        (
            ('name = "none"\n\n[[pre]]\nname = "NNM"', 'name = "NNM"\nlabel = "none"'),
            "says that there is nothing",
        ),
        (('name = "ReversedGradient"', 'name = "ALIE"\nlabel = "worst"'), "'worst' is a column of the table"),
        (('name = "ReversedGradient"', 'name = "ALIE"\nlabel = "step"'), "'step' is a column of the table"),
        (
            (
                'name = "NNM"\n\n[[rules]]\nname = "Mean"',
                'name = "Bucketing"\ns = 1\n\n[[rules]]\nname = "FoolsGold"',
            ),
            "[[rules]] 1, with f = 1 and [[pre]] 'Bucketing': Bucketing(s=1, key=0) >> FoolsGold(): ",
        ),
        (('name = "Krum"', 'name = "MoNNA"\npivot = 6'), "row 6 of G, the pivot, must be finite"),
        (("rounds = 25", "rounds = 0"), "[run] rounds must be"),
        (("seeds = [3, 1]", "seeds = [1, 1]"), "seeds must be distinct"),
        (('data = "iris"', 'data = "irises"'), "iris"),
        (('data = "iris"', 'data = "missing.csv"'), "missing.csv"),
        (("n_nodes = 7", "n_nodes = 100"), "exceeds"),
        (("[grid]", "[girds]"), "did you mean 'grid'?"),
    ],
)
def test_mistakes_in_the_file(write, refused, change, message):
    path = write(change)
    line = refused("robustness", path, "--output", path.parent / "out")
    assert message in line
    assert "robustness.toml" in line
    assert not (path.parent / "out").exists()


def test_what_readme_and_notebook_say_of_the_table_of_digits():
    docs = Path(__file__).parents[2] / "docs"
    wanted = robust_experiment.read_robustness(docs / "robustness_digits.toml")
    with (docs / "robustness_digits.csv").open() as file:
        rows = list(csv.DictReader(file))
    keys = [(split, f, *contestant) for split, f in wanted.studies for contestant in wanted.contestants]
    assert [(r["split"], int(r["f"]), r["pre"], r["rule"]) for r in rows] == keys
    assert list(rows[0])[8:] == [*wanted.attacks, "worst"]
    for row in rows:
        assert row["worst"] == min((row[name] for name in wanted.attacks), key=float)
    steps = wanted.grid.step
    assert (min(steps), max(steps), len(steps)) == (0.0125, 0.8, 4)
    at_ends = [row["split"] for row in rows if float(row["step"]) in (min(steps), max(steps))]
    assert len(rows) == 96
    assert at_ends.count("sorted") / 48 == pytest.approx(3 / 4, abs=0.05)
    assert at_ends.count("iid") / 48 == pytest.approx(1 / 3, abs=0.05)

    def percent(split, column, pre="none"):
        here = [row for row in rows if (row["split"], row["f"], row["pre"]) == (split, "3", pre)]
        return {row["rule"]: 100 * float(row[column]) for row in here}

    worst = percent("iid", "worst")
    assert max(worst[rule] for rule in ("mean", "Flag, raw")) < 10
    assert [round(worst[rule]) for rule in ("Flag, unit", "normalised mean")] == [95, 95]
    others = set(worst) - {"mean", "Flag, raw", "Flag, unit", "normalised mean"}
    assert {round(worst[rule]) for rule in others} <= {92, 93, 94}
    assert all(60 < percent("iid", "worst", "NNM")[rule] < 75 for rule in ("mean", "Flag, raw"))
    assert round(percent("iid", "ALIE 1.5")["mean"]) == 95
    assert max([*percent("sorted", "worst").values(), *percent("sorted", "worst", "NNM").values()]) < 70
    clean = [percent(split, "none")["coordinate median"] for split in ("iid", "sorted")]
    assert round(clean[0] - clean[1]) == 11


@pytest.mark.slow
def test_digits_with_three_of_fifteen_faulty(gossamer, tmp_path):
    text = gossamer("template", "robustness").stdout
    text = text.replace('name = "UniformNoise"', 'name = "UniformNoise"\nscale = 10.0')
    text = text.replace('name = "ALIE"', 'name = "IPM"\nepsilon = 5.0\n\n[[attacks]]\nname = "ALIE"')
    (tmp_path / "robustness.toml").write_text(text)
    gossamer("robustness", tmp_path / "robustness.toml", "--output", tmp_path, "--processes", "2")
    rows = {row["rule"]: row for row in read(tmp_path)}
    assert all(float(row["none"]) > 0.9 for row in rows.values())
    for rule in ("NormalizedMean", "Flag, unit"):
        assert float(rows[rule]["worst"]) > 0.9
    for rule in ("Mean", "Flag, raw"):
        assert float(rows[rule]["UniformNoise"]) < 0.7
        assert float(rows[rule]["ReversedGradient"]) < 0.3
        assert float(rows[rule]["IPM"]) < 0.3
    outcome = json.loads(next((tmp_path / "runs").iterdir()).read_text())
    assert outcome.keys() == {"validation", "test", "status"}
