"""`gossamer info`: what is installed, and what this machine offers."""

from __future__ import annotations

import importlib.metadata as metadata
import os
import platform
import re
import sys
from importlib.util import find_spec
from typing import Any

CORE = ("numpy", "numba", "scipy", "cvxpy", "clarabel", "networkx")


def info() -> None:
    """Show versions, processors, backends and optional parts: what a bug report needs."""
    import numpy as np

    from .._version import __version__
    from .tables import console, table

    screen = console()
    screen.print(
        table(
            ("", ""),
            [
                ("gossamer", __version__),
                ("python", f"{platform.python_version()} ({sys.executable})"),
                *((name, version(name) or "not installed") for name in CORE),
                *((name, found) for name in optional_packages() if (found := version(name))),
            ],
            texts=2,
            title="Versions",
        )
    )
    screen.print()
    screen.print(
        table(
            ("", ""),
            [
                ("system", f"{platform.system()} {platform.release()}, {platform.machine()}"),
                ("processor", processor()),
                *numba_settings(),
                ("BLAS of numpy", blas(np.show_config(mode="dicts"))),
                ("backend CPU", "yes (numba)"),
                ("backend GPU", gpus()),
            ],
            texts=2,
            title="Machine",
        )
    )
    screen.print()
    screen.print(
        table(
            ("", ""),
            [
                (
                    extra,
                    "installed"
                    if not missing
                    else f'pip install "gossamer[{extra}]"   (no {", ".join(missing)})',
                )
                for extra, missing in extras().items()
            ],
            texts=2,
            title="Extras",
        )
    )


def version(package: str) -> str | None:
    """Return the installed version of a package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def optional_packages() -> list[str]:
    """Return the packages that extras add, each once."""
    return sorted({name for names in _extra_requirements().values() for name in names})


def extras() -> dict[str, list[str]]:
    """Return, for each extra of gossamer, the packages it lacks."""
    return {
        extra: [name for name in names if version(name) is None]
        for extra, names in _extra_requirements().items()
    }


def _extra_requirements() -> dict[str, list[str]]:
    """Packages of each extra; `gossamer[a,b]` among them stands for those of a and b."""
    direct: dict[str, list[str]] = {}
    for requirement in metadata.requires("gossamer") or []:
        extra = re.search(r"""extra\s*==\s*["']([\w.-]+)["']""", requirement)
        if extra:
            direct.setdefault(extra[1], []).append(requirement.partition(";")[0].strip())

    def expand(extra: str) -> list[str]:
        names: list[str] = []
        for requirement in direct[extra]:
            own = re.match(r"gossamer\[([\w,\s.-]+)\]", requirement)
            if own:
                names += [name for part in own[1].split(",") for name in expand(part.strip())]
            elif match := re.match(r"[\w.-]+", requirement):
                names.append(match[0])
        return list(dict.fromkeys(names))

    return {extra: expand(extra) for extra in direct}


def processor() -> str:
    """Return the processor's name, what compiled code targets, and how many threads there are."""
    from llvmlite import binding

    from .seeds import n_processors

    name = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
        name = models[0] if models else name
    return f"{name} (LLVM: {binding.get_host_cpu_name()}), {n_processors()} threads for this process"


def numba_settings() -> list[tuple[str, str]]:
    """Return numba's threading layer and cache folder, with what they mean."""
    from numba import config

    layer = config.THREADING_LAYER  # pyright: ignore[reportAttributeAccessIssue]
    order = config.THREADING_LAYER_PRIORITY  # pyright: ignore[reportAttributeAccessIssue]
    threads = config.NUMBA_NUM_THREADS  # pyright: ignore[reportAttributeAccessIssue]
    folder = config.CACHE_DIR  # pyright: ignore[reportAttributeAccessIssue]
    is_off = config.DISABLE_JIT  # pyright: ignore[reportAttributeAccessIssue]
    chosen = f"the first found of {', '.join(order)}" if layer == "default" else layer
    beside = "__pycache__ beside each module, or the user's cache folder (NUMBA_CACHE_DIR is not set)"
    return [
        *([("numba compiler", "switched off by NUMBA_DISABLE_JIT: no kernel runs")] if is_off else []),
        ("numba threads", f"{threads}, layer: {chosen}"),
        ("numba cache", folder or beside),
    ]


def blas(settings: Any) -> str:
    """Return the name and version of the BLAS in NumPy's build settings."""
    found = settings.get("Build Dependencies", {}).get("blas", {})
    return f"{found.get('name', 'unknown')} {found.get('version', '')}".strip()


def gpus() -> str:
    """Return the names of the GPUs that cupy sees, or why there is none."""
    if find_spec("cupy") is None:
        return "none (cupy is not installed)"
    try:
        import cupy  # pyright: ignore[reportMissingImports]

        runtime = cupy.cuda.runtime
        names = [runtime.getDeviceProperties(k)["name"].decode() for k in range(runtime.getDeviceCount())]
    except Exception as error:  # cupy reports a missing driver, library or device each in its own way
        return f"none (cupy: {error})"
    return f"yes ({', '.join(names)}; cupy {cupy.__version__})" if names else "none (cupy sees no device)"
