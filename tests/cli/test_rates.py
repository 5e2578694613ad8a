import csv
import errno
import os
import re
import sys
import tempfile

import numpy as np
import pytest

from gossamer import graphs


def read_csv(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def edges_printed(stdout):
    """(u, v, rate) of each line of the table of edges."""
    lines = re.findall(r"^ (\d+) +(\d+) .*? ([\d.e+-]+) +[\d.]+ % +[\d.e+-]+ *$", stdout, re.MULTILINE)
    return [(int(u), int(v), float(rate)) for u, v, rate in lines]


@pytest.mark.parametrize(
    "criterion", ["communication", "algebraic_connectivity", "max_resistance", "uniform"]
)
def test_the_numbers_are_those_of_gossip_rates(gossamer, tmp_path, criterion):
    result = gossamer("rates", "topozoo/Abilene", "--criterion", criterion, "--output", tmp_path / "r.csv")
    assert result.exit_code == 0
    graph = graphs.topology("topozoo/Abilene")
    expected = graphs.gossip_rates(graph, criterion)
    rows = read_csv(tmp_path / "r.csv")
    assert list(rows[0]) == ["u", "v", "label_u", "label_v", "rate", "resistance"]
    assert [(int(row["u"]), int(row["v"])) for row in rows] == list(map(tuple, graph.edges.tolist()))
    assert [row["label_u"] for row in rows] == [graph.labels[u] for u, _ in graph.edges.tolist()]
    np.testing.assert_array_equal([float(row["rate"]) for row in rows], expected.rates)
    np.testing.assert_array_equal([float(row["resistance"]) for row in rows], expected.edge_resistances)
    for value in (expected.cost, expected.cost_uniform, expected.chi1, expected.chi2, expected.total_rate):
        assert f"{value:.9g}" in result.stdout
    assert f"{100 * expected.saved:.2f} %" in result.stdout
    assert f"{expected.status}, gap {expected.gap:.1e}" in result.stdout
    assert "New York – Chicago" in result.stdout


def test_edges_are_sorted_and_cut_at_twenty(gossamer):
    rates = graphs.gossip_rates(graphs.barbell(5)).rates  # 21 edges
    short = edges_printed(gossamer("rates", "barbell:5").stdout)
    everything = edges_printed(gossamer("rates", "barbell:5", "--all").stdout)
    assert len(short) == 20
    assert everything[:20] == short
    assert short[0][:2] == (4, 5)
    np.testing.assert_allclose([rate for *_, rate in everything], np.sort(rates)[::-1], rtol=1e-5)
    assert "20 of 21" in gossamer("rates", "barbell:5").stdout


def test_method_and_tolerance_reach_gossip_rates(gossamer, refused):
    assert "uniform rates are optimal" in gossamer("rates", "cycle:6").stdout
    uniform = ("rates", "barbell:4", "--criterion", "uniform")
    assert " uncertified, gap" in gossamer(*uniform).stdout
    assert " certified, gap" in gossamer(*uniform, "--tol", "10").stdout
    assert "'magic'" in refused("rates", "cycle:6", "--method", "magic")
    assert "tol must be" in refused("rates", "cycle:6", "--tol", "0")


def test_a_file_without_labels(gossamer, tmp_path):
    graphs.write_graph(graphs.barbell(3), tmp_path / "net.edges")
    result = gossamer("rates", tmp_path / "net.edges", "--output", tmp_path / "r.csv")
    assert "net: 6 nodes, 7 edges" in result.stdout
    assert read_csv(tmp_path / "r.csv")[0]["label_u"] == ""


@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_the_picture(gossamer, tmp_path, ending, start):
    assert gossamer("rates", "barbell:3", "--plot", tmp_path / f"g.{ending}").exit_code == 0
    assert (tmp_path / f"g.{ending}").read_bytes().startswith(start)


def test_what_is_refused(refused, tmp_path):
    (tmp_path / "apart.edges").write_text("0 1\n2 3\n")
    (tmp_path / "bad.edges").write_text("0 1\n1 two\n")
    (tmp_path / "bad.graphml").write_text("<graphml")
    assert "connected" in refused("rates", tmp_path / "apart.edges")
    assert "line 2" in refused("rates", tmp_path / "bad.edges")
    assert "not a GraphML file" in refused("rates", tmp_path / "bad.graphml")
    assert "missing.edges" in refused("rates", tmp_path / "missing.edges")
    (tmp_path / "bytes.edges").write_bytes(b"\xff\xfe")
    assert re.search(r"bytes\.edges.* not .*UTF-8 text", refused("rates", tmp_path / "bytes.edges"))
    assert refused("rates", "moebius:4").startswith("unknown topology 'moebius:4'")
    assert refused("rates", "cycle:2").startswith("cycle:2: n must be at least 3")
    assert refused("rates", "hypercube:40") == "hypercube:40: dim must be in 0..30, got 40"
    assert refused("rates", f"cycle:{10**30}").startswith(f"cycle:{10**30}: ")
    assert "topozoo/Abilene" in refused("rates", "topozoo/Abilen")
    assert "criterion 'best' is unknown" in refused("rates", "cycle:4", "--criterion", "best")


def read_only(**_):
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def test_outputs_are_refused_before_any_work(refused, tmp_path, monkeypatch):
    monkeypatch.setattr(graphs, "gossip_rates", None)
    assert "create it first" in refused("rates", "cycle:4", "--output", tmp_path / "no" / "r.csv")
    assert "create it first" in refused("rates", "cycle:4", "--plot", tmp_path / "no" / "r.png")
    assert ".png" in refused("rates", "cycle:4", "--plot", tmp_path / "r.docx")
    assert "is a folder" in refused("rates", "cycle:4", "--output", tmp_path)
    (tmp_path / "folder.png").mkdir()
    assert "is a folder" in refused("rates", "cycle:4", "--plot", tmp_path / "folder.png")
    monkeypatch.setattr(tempfile, "TemporaryFile", read_only)
    refusal = refused("rates", "cycle:4", "--output", tmp_path / "r.csv")
    assert refusal == f"folder {tmp_path} takes no files (Read-only file system); name another one"


def test_a_picture_without_matplotlib(refused, gossamer, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "gossamer.cli.figures", raising=False)
    assert 'pip install "gossamer[plot]"' in refused("rates", "cycle:4", "--plot", tmp_path / "r.png")
    assert gossamer("rates", "cycle:4").exit_code == 0
    assert not (tmp_path / "r.png").exists()
