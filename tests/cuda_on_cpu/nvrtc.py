"""Compile CUDA kernels to machine code with NVRTC, which needs neither a GPU nor a driver.

    python tests/cuda_on_cpu/nvrtc.py [FILE.cu ...]       # without files: all of the package's

prints registers, shared memory and spills of every kernel on every architecture, and fails where a file does
not compile or a kernel spills registers to memory. What is compiled is what `GpuBackend` gives to CuPy: the
same text, the same options. Needs CuPy and NVRTC: pip install 'gossamer[gpu-check]'.
"""

import re
import sys
from pathlib import Path
from typing import NamedTuple

import gossamer
from gossamer.kernels.backend import OPTIONS, inline_headers

ARCHITECTURES = (80, 90, 100)
KERNELS = Path(gossamer.__file__).resolve().parent / "kernels"


class Usage(NamedTuple):
    """What one kernel takes on one architecture."""

    registers: int  # a thread
    shared: int  # bytes a block, dynamic ones apart
    spilled: int  # bytes of spill stores and loads


class CompileError(RuntimeError):
    """NVRTC's messages about a source that does not compile."""


def unavailable():
    """Why NVRTC cannot be used here; None where it can."""
    try:
        from cupy_backends.cuda.libs import nvrtc
    except ImportError as error:
        return f"CuPy is missing: {error}"
    try:
        nvrtc.getVersion()
    except RuntimeError as error:  # CuPy found no library to load
        return f"NVRTC is missing: {str(error).splitlines()[0]}"
    return None


def compile_kernels(path, architecture, options=()):
    """Usage of each kernel of a .cu file, by its name, compiled for sm_ARCHITECTURE."""
    from cupy_backends.cuda.libs import nvrtc

    program = nvrtc.createProgram(inline_headers(path), path.name, (), ())
    # machine code (sm_) and not PTX (compute_): only then registers are allotted, and reported
    target = (f"-arch=sm_{architecture}", "--ptxas-options=-v")
    try:
        nvrtc.compileProgram(program, (*OPTIONS, *options, *target))
    except nvrtc.NVRTCError:
        raise CompileError(nvrtc.getProgramLog(program)) from None
    else:
        return usage(nvrtc.getProgramLog(program))
    finally:
        nvrtc.destroyProgram(program)


def usage(log):
    """Read a verbose log of ptxas."""

    def total(pattern, text):
        return sum(map(int, re.findall(pattern, text)))

    found = {}
    for part in log.split("Compiling entry function '")[1:]:
        registers = total(r"Used (\d+) registers", part)
        if not registers:
            raise CompileError(f"no count of registers in the log:\n{log}")
        found[part.split("'")[0]] = Usage(
            registers,
            total(r"(\d+) bytes smem", part),
            total(r"(\d+) bytes spill (?:stores|loads)", part),
        )
    return found


def main(names):
    reason = unavailable()
    if reason:
        sys.exit(f"{reason}; pip install 'gossamer[gpu-check]' brings both")
    defects = []
    for path in map(Path, names) if names else sorted(KERNELS.rglob("*.cu")):
        for architecture in ARCHITECTURES:
            try:
                kernels = compile_kernels(path, architecture)
            except CompileError as error:
                print(f"{path.name}  sm_{architecture}\n{error}")
                defects.append(f"{path.name} does not compile for sm_{architecture}")
                continue
            if not kernels:
                defects.append(f"{path.name} has no kernels")
            for name, use in kernels.items():
                print(
                    f"{path.name:16}  sm_{architecture:<4} {name:24} {use.registers:4} registers"
                    f"  {use.shared:6} B shared  {use.spilled:4} B spilled"
                )
                if use.spilled:
                    defects.append(f"{name} spills {use.spilled} bytes on sm_{architecture}")
    if defects:
        sys.exit("gpu-check: " + "; ".join(defects))


if __name__ == "__main__":
    main(sys.argv[1:])
