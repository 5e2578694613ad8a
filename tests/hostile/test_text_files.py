"""Data and graphs in text files with edited bytes: read as what they may be, or refused by name."""

import warnings

import mutations
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from gossamer import graphs, problems


def samples(path):
    X, y = problems.load(path)
    assert X.ndim == 2
    assert y.shape == X.shape[:1]
    assert np.isfinite(X).all()


def graph(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what a file has that a graph has not
        found = graphs.read_graph(path)
    edges = found.edges
    assert edges.shape == (found.n_edges, 2)
    assert ((edges[:, 0] < edges[:, 1]) & (edges >= 0).all(axis=1)).all()
    assert (edges < found.n_nodes).all()


READERS = {
    "data.csv": samples,
    "data.svm": samples,
    "net.edges": graph,
    "net.csv": graph,
    "net.graphml": graph,
}


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """Bytes of a file of each kind."""
    folder = tmp_path_factory.mktemp("honest")
    X = np.random.default_rng(0).normal(size=(30, 4)).round(3)
    rows = [",".join(map(str, row)) for row in X.tolist()]
    (folder / "data.csv").write_text("a,b,c,label\n" + "\n".join(rows) + "\n")
    lines = [f"{k % 2} " + " ".join(f"{j + 1}:{v}" for j, v in enumerate(row)) for k, row in enumerate(X)]
    (folder / "data.svm").write_text("\n".join(lines) + "\n")
    network = graphs.random_geometric(20, rng=0)
    for name in ("net.edges", "net.csv", "net.graphml"):
        graphs.write_graph(network, folder / name)
    return {name: (folder / name).read_bytes() for name in READERS}


@pytest.mark.parametrize(
    "number", [50, pytest.param(400 * mutations.TIMES, marks=pytest.mark.slow)], ids=["some", "many"]
)
@pytest.mark.parametrize("name", READERS)
def test_edited_bytes(name, number, honest, tmp_path, tried):
    path = tmp_path / name
    content = honest[name]
    refusals = []
    path.write_bytes(content)
    READERS[name](path)

    @settings(
        max_examples=number,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(mutations.edits())
    def each(drawn):
        path.write_bytes(mutations.edited(content, drawn))
        message = ""
        try:
            READERS[name](path)
        except (ValueError, TypeError) as error:
            message = str(error) or repr(error)
        assert not message or name in message
        refusals.append(bool(message))

    each()
    tried("mutated files", len(refusals))
    assert sum(refusals) > 0.2 * len(refusals)
