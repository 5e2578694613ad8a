"""Linear algebra on one thread, where bits must not depend on how many there are.

BLAS and LAPACK add up in another order when they use more threads. What enters a run (curvature bounds,
stored Hessians, spectra of the graph) is computed inside `one_blas_thread`.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_lock = threading.Lock()
_inside = 0
_limits: Any = None


@functools.cache
def _controller() -> Any:
    import scipy.linalg  # noqa: F401  (the controller knows the libraries that are loaded now)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit NumPy's and SciPy's linear algebra to one thread, for the whole process; may be nested.

    The limit is lifted when the last of several threads leaves.
    """
    global _inside, _limits
    with _lock:
        if _inside == 0:
            _limits = _controller().limit(limits=1, user_api="blas")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _limits.restore_original_limits()
