"""How kernels compile: flags of their own, a cache that notices changes, once for all threads."""

import shutil
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numba import njit, types

import gossamer
from gossamer.kernels import _jit, elementary

ROOT = Path(gossamer.__file__).parent


def test_inner_functions_do_not_inherit_flags():
    """Reassociation would cancel `x + big - big`, the rounding that exp_minus relies on."""

    @_jit.inner_njit()
    def rounded(x):
        return (x + 2.0**53) - 2.0**53

    @njit(fastmath=True)
    def caller(x):
        return rounded(x) + elementary.exp_minus(x)

    x = 1.25
    assert caller(x) == pytest.approx(2.0 + np.exp(-x), rel=1e-12)


def test_division_by_zero_follows_ieee():
    @_jit.inner_njit()
    def divide(a, b):
        return a / b

    assert divide(1.0, 0.0) == np.inf


def test_lazy_kernels_compile_once_for_all_threads():
    signature = types.float64(types.float64)

    @_jit.lazy_njit(signature)
    def double(x):
        return 2 * x

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(double, range(50))) == [2.0 * k for k in range(50)]
    assert double.compiled().signatures == [signature.args]


def test_lazy_kernels_have_one_signature():
    @_jit.lazy_njit(types.float64(_jit.array_type(types.float64, 1)))
    def first(x):
        return x[0]

    with pytest.raises(TypeError, match="No matching definition"):
        first(np.ones(3, np.float32))


@pytest.mark.slow
def test_cache_notices_changes_in_what_a_kernel_calls(tmp_path):
    """A new process must not run a kernel compiled with an older version of a function in another file."""
    package = tmp_path / "gossamer"
    package.mkdir()
    shutil.copy(ROOT / "_version.py", package)
    (package / "__init__.py").touch()
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "kernels", package / "kernels", ignore=ignored)
    program = textwrap.dedent("""
        import numpy as np
        from gossamer.kernels.random import cpu, streams
        out = np.empty(3)
        cpu.fill_exponential(1, streams.USER, 0, 0, out)
        hits = sum(cpu.fill_exponential.compiled().stats.cache_hits.values())
        print(out.tolist(), hits)
    """)

    def run():
        result = subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        values, hits = result.stdout.rsplit(" ", 1)
        return values, int(hits)

    first, cold = run()
    again, warm = run()
    assert (cold, warm) == (0, 1)
    assert again == first
    helper = package / "kernels" / "elementary.py"
    changed = helper.read_text().replace("return (s * (f - p)", "return 2.0 * (s * (f - p)")
    assert changed != helper.read_text()
    helper.write_text(changed)
    after, cold = run()
    assert cold == 0
    assert after != first
