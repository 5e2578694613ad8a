"""How pytest collects when it is given `bench` only (see tests/conftest.py), and how it measures."""

import pytest
from threadpoolctl import threadpool_limits


class RootIsAFolder:
    """Collect the root as a plain folder, not as a package of tests to be imported a second time."""

    def pytest_collect_directory(self, path, parent):
        return pytest.Dir.from_parent(parent, path=path) if path == parent.config.rootpath else None


def pytest_configure(config):
    config.pluginmanager.register(RootIsAFolder())


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Run BLAS in one thread: all that is compared here is work of one thread."""
    with threadpool_limits(1):
        yield
