"""Compiled functions that enter a kernel as plain integers, their addresses.

Numba makes a function pointer of a compiled function that is passed as an argument at each call, which takes
longer than many a kernel; an integer is passed as it is. The pointer is then made inside the kernel, where
that is free: calls cost the same afterwards, and exceptions reach the caller all the same.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils
from numba.experimental.function_type import _get_jit_address
from numba.extending import intrinsic

from ._jit import LazyKernel


def address(kernel: LazyKernel) -> int:
    """Return where the machine code of a kernel begins; valid as long as the kernel exists."""
    if kernel.address is None:
        kernel.address = _get_jit_address(kernel.compiled(), kernel.signature)
    return kernel.address


def function_at(pointer: types.FunctionType) -> Any:
    """Make the map from an `address` to a function of this type, for use in compiled code."""

    def typer(typing_context, where):
        def code(context, builder, signature, arguments):
            function = cgutils.create_struct_proxy(pointer)(context, builder)
            function.jit_addr = builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))
            return function._getvalue()

        return pointer(types.int64), code

    return intrinsic(typer)
