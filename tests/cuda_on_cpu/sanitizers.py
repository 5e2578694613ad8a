"""Runs of CUDA kernels on the shim under ThreadSanitizer and AddressSanitizer."""

import os
import subprocess
import sys
from pathlib import Path


def summaries(sanitizer, code):
    """Run Python code with a sanitizer in a process of its own; return the summary lines of its report.

    `code` makes its backends by `open_source(path, options=())`. It must come to its end, or the sanitizer
    must say why not.
    """
    library = f"lib{sanitizer[0]}san.so"
    found = subprocess.run(
        ["g++", f"-print-file-name={library}"], capture_output=True, text=True
    ).stdout.strip()
    if not os.path.isabs(found):
        raise RuntimeError(f"g++ comes without {library}")
    prelude = f"""
import functools, cuda_shim
open_source = functools.partial(cuda_shim.ShimBackend, sanitizer={sanitizer!r})
"""
    environment = os.environ | {
        "LD_PRELOAD": found,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)]),
        "TSAN_OPTIONS": "report_thread_leaks=0",
        "ASAN_OPTIONS": "detect_leaks=0",
    }
    # with addresses at random, ThreadSanitizer may find its own range of them taken
    command = ["setarch", "-R", sys.executable, "-c", prelude + code + "\nprint('finished')"]
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    lines = [line for line in run.stderr.splitlines() if line.startswith("SUMMARY")]
    if "finished" not in run.stdout and not lines:
        raise RuntimeError(f"the run under the {sanitizer} sanitizer broke off:\n{run.stderr[-2000:]}")
    return lines
