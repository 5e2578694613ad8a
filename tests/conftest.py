"""How pytest collects: the repository root is the package `gossamer`, not a package of tests."""

import pytest


class RootIsAFolder:
    """Collect the root as a plain folder.

    pytest would take it, for its `__init__.py`, as a package of tests, and import it a second time under the
    name of the checkout's folder. Only a plugin may say so: a conftest speaks for its own folder alone, and
    one in the root would itself be imported as a part of that second package.
    """

    def pytest_collect_directory(self, path, parent):
        return pytest.Dir.from_parent(parent, path=path) if path == parent.config.rootpath else None


def pytest_configure(config):
    config.pluginmanager.register(RootIsAFolder())
