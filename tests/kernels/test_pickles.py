"""What holds an address or a compiled function is found anew in another process, or refused; copies too."""

import copy
import gc
import importlib
import multiprocessing
import pickle
import pkgutil
import warnings
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pickle_cases
import pytest

import gossamer
from gossamer import graphs, problems, solvers
from gossamer.kernels import aggregation
from gossamer.kernels import compression as c
from gossamer.kernels._jit import LazyKernel, lazy_njit
from gossamer.kernels.aggregation.rows import as_rows
from gossamer.kernels.compression import rows
from gossamer.kernels.oracles import PerformanceWarning


@pytest.fixture(scope="module")
def everything():
    return pickle_cases.everything()


def test_another_process_finds_all_anew(everything):
    """Spawned: nothing of this process's memory is there."""
    data = pickle.dumps(everything)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = pool.submit(pickle_cases.use_pickle, data).result()
    assert found == pickle_cases.use(everything)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda f: pickle.loads(pickle.dumps(f))])
def test_copies_do_not_need_the_originals(duplicate, everything):
    expected = pickle_cases.use(everything | dict.fromkeys(("oracles", "problems", "kernels", "runs"), ()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PerformanceWarning)
        copies = [
            duplicate(c.row_function(compressor, pickle_cases.D)) for compressor in pickle_cases.compressors()
        ]
    gc.collect()
    parts = {"functions": copies} | dict.fromkeys(("oracles", "problems", "kernels", "runs"), ())
    assert pickle_cases.use(parts) == expected
    assert not copies[0].parameters.flags.writeable
    assert [f.d for f in copies] == [pickle_cases.D] * len(copies)


def test_every_kernel_of_the_package_is_pickled_by_name_or_not_at_all():
    for module in pkgutil.walk_packages(gossamer.kernels.__path__, "gossamer.kernels."):
        importlib.import_module(module.name)
    kernels = [
        k  # of the type itself: isinstance asks weak proxies, too, which may be dead
        for k in gc.get_objects()
        if issubclass(type(k), LazyKernel) and k.__module__.startswith("gossamer.")
    ]
    found = 0
    for kernel in kernels:
        assert copy.copy(kernel) is copy.deepcopy(kernel) is kernel
        if getattr(importlib.import_module(kernel.__module__), kernel.name, None) is kernel:
            assert pickle.loads(pickle.dumps(kernel)) is kernel
            found += 1
        else:  # one of several made by a function, for one dtype each
            with pytest.raises((TypeError, pickle.PicklingError)):
                pickle.dumps(kernel)
    assert found > 40


def test_kernels_of_no_module_are_refused():
    @lazy_njit(rows.ROW)
    def local(x, key, index, parameters, out):
        return 0

    with pytest.raises(
        TypeError, match=r"<locals>\.local was compiled within a function.*top level of a module"
    ):
        pickle.dumps(local)
    assert copy.deepcopy([local])[0] is local


def test_what_is_nothing_but_addresses_is_refused():
    problem, graph = problems.Quadratic.random(3, 4, condition_number=2.0), graphs.star(3)
    solver = solvers.EF21(c.TopK(1))
    state = solver.init(problem, graph)
    prepared = state.prepared[-1]
    G = as_rows(np.ones((3, 4)))
    for held in (prepared, prepared._setting, G, G.segments[0]):
        for refused in (pickle.dumps, copy.deepcopy):
            with pytest.raises(TypeError, match="holds addresses in the memory of this process"):
                refused(held)
    again = pickle.loads(pickle.dumps(state))  # the state leaves them out
    solver.advance(again, problem, graph, 5)
    solver.advance(state, problem, graph, 5)
    assert (
        solver.iterates(again, problem, graph).tobytes() == solver.iterates(state, problem, graph).tobytes()
    )
    rule = pickle.loads(pickle.dumps(aggregation.Krum(1)))
    np.testing.assert_array_equal(rule(np.ones((5, 2))), np.ones(2))
