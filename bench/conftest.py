"""How pytest collects when it is given `bench` only: see tests/conftest.py."""

import pytest


class RootIsAFolder:
    """Collect the root as a plain folder, not as a package of tests to be imported a second time."""

    def pytest_collect_directory(self, path, parent):
        return pytest.Dir.from_parent(parent, path=path) if path == parent.config.rootpath else None


def pytest_configure(config):
    config.pluginmanager.register(RootIsAFolder())
