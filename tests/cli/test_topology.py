import pytest

from gossamer import graphs
from gossamer.cli.topology import generators, parse_topology


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cycle:7", graphs.cycle(7)),
        ("grid_2d:2,3", graphs.grid_2d(2, 3)),
        ("grid_2d: 2, cols = 3", graphs.grid_2d(2, 3)),
        ("barbell:k=4", graphs.barbell(4)),
        ("erdos_renyi:12,0.4", graphs.erdos_renyi(12, 0.4, rng=0)),
        ("erdos_renyi:12,rng=5,p=0.4", graphs.erdos_renyi(12, 0.4, rng=5)),
        ("random_geometric:9,connected=False", graphs.random_geometric(9, rng=0, connected=False)),
    ],
)
def test_generated(text, expected):
    assert parse_topology(text) == expected


def test_every_family_can_be_named():
    arguments = {
        "barabasi_albert": "9,2",
        "grid_2d": "2,2",
        "torus_2d": "3,3",
        "random_regular": "8,3",
        "lollipop": "3,2",
        "watts_strogatz": "9,2,0.1",
    }
    assert {"complete", "grid_2d", "lollipop", *arguments} <= set(generators())
    for name, family in generators().items():
        assert family is getattr(graphs, name)
        assert parse_topology(f"{name}:{arguments.get(name, '4')}").is_connected


def test_networks_of_topohub():
    assert parse_topology("topozoo/Abilene") == graphs.topology("topozoo/Abilene")


@pytest.mark.parametrize("ending", ["graphml", "edges", "csv"])
def test_files_relative_to_a_folder(tmp_path, ending):
    graph = graphs.Graph.from_edges(3, [(0, 1), (1, 2)], lengths=[2.0, 3.0])
    graphs.write_graph(graph, tmp_path / f"g.{ending}")
    assert parse_topology(f"g.{ending}", tmp_path) == graph
    assert parse_topology(str(tmp_path / f"g.{ending}")) == graph


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "unknown topology ''"),
        ("grid", "one of .*grid_2d"),
        ("grid:3", "unknown topology 'grid:3'"),
        ("grid_2d", "needs rows, cols; the form is grid_2d:rows,cols"),
        ("grid_2d:3", "needs cols"),
        ("grid_2d:3,4,5", "too many arguments"),
        ("grid_2d:3,depth=5", "'depth' is unknown"),
        ("grid_2d:3,rows=5", "'rows' is twice"),
        ("grid_2d:3,x", "cols of grid_2d must be a number, got 'x'"),
        ("grid_2d:3,", "cols of grid_2d must be a number, got ''"),
        ("topozoo/Abilen", "did you mean topozoo/Abilene"),
    ],
)
def test_what_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_topology(text)


def test_arguments_of_files(tmp_path):
    (tmp_path / "net.csv").write_text("source,target,weight\n0,1,2\n1,0,3\n")
    found = parse_topology("net.csv: weights=lengths , parallel=merge", tmp_path)
    assert found == graphs.Graph.from_edges(2, [(0, 1)], lengths=[5.0])
    with pytest.raises(ValueError, match="the edges have weights"):
        parse_topology("net.csv", tmp_path)
    for text in ("net.csv:weight=lengths", "net.csv:lengths", "net.csv:weights=lengths,", "net.csv:"):
        with pytest.raises(ValueError, match=r"must be a file, or file:directed=.*,weights=.*,parallel="):
            parse_topology(text, tmp_path)
