"""Inner products of a few rows with a few rows, in as many registers as the processor has.

LLVM vectorises no loop that prefetches, and adds up the lanes of 25 vectors one by one. So the loop is
written in its language, with vectors of a fixed number of lanes, which it turns into what any processor has.
A sum is made in the same order wherever in a tile it is, so equal rows are at distance 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import config
from numba.extending import intrinsic
from numba.np.arrayobj import make_array


def _registers() -> tuple[int, int]:
    """Return the number of the vector registers, and bytes of one, of the processor compiled for."""
    named = config.CPU_FEATURES  # type: ignore[attr-defined]
    present = binding.get_host_cpu_features().flatten() if named is None else named
    features = present.split(",")
    if "+avx512f" in features:
        return 32, 64
    if "+neon" in features:
        return 32, 16
    return (16, 32) if "+avx" in features else (16, 16)


_COUNT, _WIDTH = _registers()
LINE = 64  # bytes of a step of the loop: a line of the caches, a vector or several
ROWS = 5 if _COUNT == 32 else 3  # of a tile: ROWS^2 sums, and the rows themselves, stay in registers
SUMS = 32 if _COUNT == 32 else 16  # numbers that a tile takes among the sums
SLICE = 8192 if _COUNT == 32 else 4096  # bytes of a row for one tile, at best (measured)

_BYTE = ir.IntType(8)
_POINTER = ir.PointerType(_BYTE)
_INT = ir.IntType(32)
_LONG = ir.IntType(64)


def _loop(own: bool) -> Callable[..., Any]:
    """Return what writes the code: for the products of two groups of rows, or of one group's `own` ones."""

    def code(context, builder, signature, arguments):
        at, i, j, ahead, n, _, sums, where = arguments
        real = context.get_value_type(signature.args[5].dtype)
        size = context.get_abi_sizeof(real)
        lanes = _WIDTH // size
        vector, pointer = ir.VectorType(real, lanes), ir.PointerType(ir.VectorType(real, lanes))
        zero = ir.Constant(vector, [real(0.0)] * lanes)
        contract = ("contract",)  # to a fused multiply-add, where there is one

        def addresses(array, kind, first):
            data = make_array(kind)(context, builder, array).data
            for r in range(ROWS):
                number = builder.load(builder.gep(data, [builder.add(first, _LONG(r))]))
                yield builder.inttoptr(number, _POINTER)

        x = list(addresses(at, signature.args[0], i))
        y = x if own else list(addresses(at, signature.args[0], j))
        fetched = list(addresses(ahead, signature.args[3], _LONG(0)))
        kind = ir.FunctionType(ir.VoidType(), (_POINTER, _INT, _INT, _INT))
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", (_POINTER,), kind)

        before = builder.block
        body, after = builder.append_basic_block("tile"), builder.append_basic_block("sums")
        builder.branch(body)
        builder.position_at_end(body)
        k = builder.phi(_LONG)
        k.add_incoming(_LONG(0), before)

        def shifted(row):
            return builder.gep(row, [k], source_etype=_BYTE)

        def load(row, step):
            where = builder.gep(shifted(row), [_LONG(step)], source_etype=_BYTE)
            return builder.load(builder.bitcast(where, pointer), align=size, typ=vector)

        pairs = [(r, s) for r in range(ROWS) for s in range(ROWS) if s <= r or not own]
        new = old = [builder.phi(vector) for _ in pairs]
        for row in fetched:  # to be read, kept in the second cache, data
            builder.call(prefetch, (shifted(row), _INT(0), _INT(2), _INT(1)))
        for step in range(0, LINE, _WIDTH):
            u = [load(row, step) for row in x]
            v = u if own else [load(row, step) for row in y]
            new = [
                builder.fadd(total, builder.fmul(u[r], v[s], flags=contract), flags=contract)
                for total, (r, s) in zip(new, pairs, strict=True)
            ]
        for total, grown in zip(old, new, strict=True):
            total.add_incoming(zero, before)
            total.add_incoming(grown, body)
        following = builder.add(k, _LONG(LINE))
        k.add_incoming(following, body)
        builder.cbranch(builder.icmp_signed("<", following, n), body, after)

        # Neighbouring lanes meet: of two vectors remains one, at the end with one lane for each sum.
        builder.position_at_end(after)
        places = ir.VectorType(_INT, lanes)
        even = ir.Constant(places, [_INT(2 * lane) for lane in range(lanes)])
        odd = ir.Constant(places, [_INT(2 * lane + 1) for lane in range(lanes)])
        level = new + [zero] * (-len(new) % lanes)
        for _ in range(lanes.bit_length() - 1):
            level = [
                builder.fadd(builder.shuffle_vector(a, b, even), builder.shuffle_vector(a, b, odd))
                for a, b in zip(level[::2], level[1::2], strict=True)
            ]
        double = context.get_value_type(types.float64)
        doubles = ir.VectorType(double, lanes)
        data = make_array(signature.args[6])(context, builder, sums).data
        for t, total in enumerate(level):
            here = builder.gep(data, [builder.add(where, _LONG(t * lanes))])
            here = builder.bitcast(here, ir.PointerType(doubles))
            wide = total if real == double else builder.fpext(total, doubles)
            builder.store(builder.fadd(builder.load(here, align=8, typ=doubles), wide), here, align=8)
        return context.get_dummy_value()

    return code


def _signature(at, ahead, like, sums):
    integer = types.int64
    return types.void(at, integer, integer, ahead, integer, like, sums, integer)


@intrinsic
def add_products(typing_context, at, i, j, ahead, n, like, sums, where):
    """Add the inner products of ROWS rows with ROWS rows to sums[where], ..., row by row.

    The rows are at the addresses at[i], ... and at[j], ..., n bytes long, a positive multiple of LINE, of
    numbers of the type of `like`. As many bytes behind the addresses in `ahead`, ROWS, are fetched into the
    second cache meanwhile.
    """
    return _signature(at, ahead, like, sums), _loop(own=False)


@intrinsic
def add_own_products(typing_context, at, i, j, ahead, n, like, sums, where):
    """Add the inner products of ROWS rows with themselves, the lower triangle of a tile, row by row.

    See `add_products`; j has no meaning.
    """
    return _signature(at, ahead, like, sums), _loop(own=True)
