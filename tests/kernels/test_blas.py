"""The limit on BLAS threads: set, nested, shared by threads, lifted."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from gossamer.kernels.blas import one_blas_thread


def blas_threads():
    return {info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"}


def test_limit_is_set_and_lifted():
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        with one_blas_thread():
            with one_blas_thread():
                assert blas_threads() == {1}
            assert blas_threads() == {1}
        assert blas_threads() == before
        with pytest.raises(RuntimeError, match="mine"), one_blas_thread():
            raise RuntimeError("mine")
        assert blas_threads() == before


def test_limit_holds_while_any_thread_needs_it():
    def work(seed):
        a = np.random.default_rng(seed).normal(size=(60, 60))
        with one_blas_thread():
            np.linalg.eigvalsh(a @ a.T)
            return blas_threads()

    before = blas_threads()
    with ThreadPoolExecutor(8) as pool:
        assert all(found == {1} for found in pool.map(work, range(40)))
    assert blas_threads() == before
