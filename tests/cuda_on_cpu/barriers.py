"""Is every barrier of a CUDA source needed, and would the tests notice if it were missing?"""

import re

from cuda_shim import ShimBackend, ShimError

from gossamer.kernels.backend import inline_headers

BARRIER = re.compile(r"__sync(threads|warp)\w*\([^()]*\);")
ORDERS = range(4)


def deleted_in_turn(path, folder):
    """Copies of a source, headers included, each without one of its barriers.

    Yields the text of the barrier's line and the file.
    """
    source = inline_headers(path)
    for number, barrier in enumerate(BARRIER.finditer(source)):
        mutant = folder / f"{path.stem}_{number}.cu"
        mutant.write_text(source[: barrier.start()] + ";" + source[barrier.end() :])
        line = source[source.rfind("\n", 0, barrier.start()) + 1 : source.find("\n", barrier.end())]
        yield f"{number}: {line.strip()}", mutant


def noticed(path, is_right, options=()):
    """Orders of the threads in which `is_right(backend)` is false, or the shim reports an error."""

    def fails(order):
        try:
            return not is_right(ShimBackend(path, order=order, options=(*options, "-DSHIM_TIMEOUT_S=5")))
        except ShimError:
            return True

    return [order for order in ORDERS if fails(order)]
