"""Every CUDA kernel of the package compiles to machine code for each architecture, without spills."""

import nvrtc
import pytest
from cuda_shim import kernel_names

SOURCES = sorted(nvrtc.KERNELS.rglob("*.cu"))
REASON = nvrtc.unavailable()
needs_nvrtc = pytest.mark.skipif(REASON is not None, reason=f"{REASON}; `make gpu-check` installs it")
BLOCK = 256  # largest block of a kernel without __launch_bounds__


def test_sources_are_found():
    assert "random.cu" in {path.name for path in SOURCES}


@needs_nvrtc
@pytest.mark.parametrize("architecture", nvrtc.ARCHITECTURES)
@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_kernels_compile_without_spills(path, architecture):
    kernels = nvrtc.compile_kernels(path, architecture)
    bounds = kernel_names(path)
    assert set(kernels) == set(bounds)
    for name, use in kernels.items():
        assert use.spilled == 0, name
        block = int(bounds[name]) if bounds[name].isdigit() else BLOCK
        assert use.registers * block <= 65536, name
        assert use.shared <= 49152, name


@needs_nvrtc
def test_errors_name_file_and_line(tmp_path):
    (tmp_path / "inner.cuh").write_text(
        "#pragma once\n// a comment\n__device__ int f() { return nothing; }\n"
    )
    path = tmp_path / "outer.cu"
    path.write_text('#include "inner.cuh"\nextern "C" __global__ void g(int* x) { x[0] = wrong; }\n')
    with pytest.raises(nvrtc.CompileError) as caught:
        nvrtc.compile_kernels(path, 90)
    assert "inner.cuh(3)" in str(caught.value)
    assert "outer.cu(2)" in str(caught.value)


@needs_nvrtc
def test_spills_fail_the_check(tmp_path, capsys):
    path = tmp_path / "spilling.cu"
    sums = " ".join(f"double a{i} = x[{i}];" for i in range(64))
    products = " ".join(f"a{i} = a{i} * a{(7 * i + 3) % 64} + a{(5 * i + 1) % 64};" for i in range(64))
    stores = " ".join(f"x[{i}] = a{i};" for i in range(64))
    path.write_text(
        f'extern "C" __global__ void __launch_bounds__(1024) spilling(double* x, int n) {{\n'
        f"{sums}\nfor (int k = 0; k < n; ++k) {{ {products} }}\n{stores} }}\n"
    )
    with pytest.raises(SystemExit, match=r"spilling spills [1-9][0-9]* bytes on sm_80"):
        nvrtc.main([str(path)])
    assert "sm_90" in capsys.readouterr().out


def test_log_of_ptxas_is_read():
    log = (
        "ptxas info    : Compiling entry function 'f' for 'sm_90'\n"
        "    0 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads\n"
        "ptxas info    : Used 29 registers, used 1 barriers, 2064 bytes smem\n"
        "ptxas info    : Compiling entry function 'g' for 'sm_90'\n"
        "    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
        "ptxas info    : Used 16 registers\n"
    )
    assert nvrtc.usage(log) == {"f": (29, 2064, 20), "g": (16, 0, 0)}
