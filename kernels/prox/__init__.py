"""Proximal steps onto products of simple sets: boxes, balls, simplices.

`Block`s say which coordinates lie in which set; `pack` makes of them what compiled loops read; `prox_step` is
the minimiser of <shift, x> + D(x, centre) over the sets, where D is |x - centre|^2 / 2, or the simplex's
total times the relative entropy on an `entropic` one, which makes it no less than |x - centre|^2 / 2 either.
`reference` has the sets one by one in NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..checks import count, frozen, instance, real, real_array
from . import cpu

__all__ = ["Block", "ball", "box", "free", "is_entropic", "pack", "prox_step", "simplex"]


class Block(NamedTuple):
    """Consecutive coordinates, and the set that they lie in; made by `free`, `box`, `ball`, `simplex`.

    Attributes
    ----------
    kind : int
        Which set.
    size : int
        How many coordinates.
    low, high : float
        Its parameters.
    """

    kind: int
    size: int
    low: float = 0.0
    high: float = 0.0


def free(size: int) -> Block:
    """All of R^size.

    Parameters
    ----------
    size : int
        How many coordinates.
    """
    return Block(cpu.FREE, count("size", size, least=1))


def box(size: int, low: float, high: float) -> Block:
    """Coordinates in [low, high].

    Parameters
    ----------
    size : int
        How many coordinates.
    low, high : float
        Bounds; may be infinite.
    """
    low, high = real("low", low, allow_inf=True), real("high", high, allow_inf=True)
    if not low <= high:
        raise ValueError(f"low must be at most high, got {low} and {high}")
    return Block(cpu.BOX, count("size", size, least=1), low, high)


def ball(size: int, radius: float) -> Block:
    """Vectors with |x| <= radius.

    Parameters
    ----------
    size : int
        How many coordinates.
    radius : float
        Above 0.
    """
    return Block(cpu.BALL, count("size", size, least=1), real("radius", radius, above=0.0))


def simplex(size: int, total: float = 1.0, *, entropic: bool = False) -> Block:
    """Vectors x >= 0 of a given sum.

    Parameters
    ----------
    size : int
        How many coordinates.
    total : float
        The sum, above 0.
    entropic : bool
        Measure distance by total times the relative entropy: steps multiply, x_j <- x_j exp(-shift_j /
        total) / Z, and what is zero stays zero.
    """
    kind = cpu.ENTROPIC if entropic else cpu.SIMPLEX
    return Block(kind, count("size", size, least=1), real("total", total, above=0.0))


def is_entropic(block: Block) -> bool:
    """Whether distances on a block are relative entropies.

    Parameters
    ----------
    block : Block
        Any.

    Returns
    -------
    bool
    """
    instance("block", block, Block)
    return block.kind == cpu.ENTROPIC


def pack(blocks: Sequence[Block], dim: int) -> np.ndarray:
    """Return the blocks as compiled loops read them.

    Parameters
    ----------
    blocks : sequence of Block
        In the order of the coordinates; none for no constraint.
    dim : int
        Coordinates in all.

    Returns
    -------
    float64 array
        Four numbers a block; read-only.

    Raises
    ------
    TypeError, ValueError
        Not blocks, or blocks that have not `dim` coordinates together.
    """
    blocks = tuple(blocks)
    for block in blocks:
        if not isinstance(block, Block):
            raise TypeError(f"blocks must be a sequence of box, ball, simplex and free, got {block!r} in it")
    if blocks and sum(block.size for block in blocks) != dim:
        raise ValueError(f"the blocks must have {dim} coordinates together, got {[b.size for b in blocks]}")
    return frozen(np.array([tuple(block) for block in blocks], float).reshape(cpu.WIDTH * len(blocks)))


def prox_step(centre: ArrayLike, shift: ArrayLike, blocks: Sequence[Block] = ()) -> np.ndarray:
    """Return the minimiser of <shift, x> + D(x, centre) over the product of the blocks' sets.

    Parameters
    ----------
    centre, shift : (d,) array_like
        Where the step starts, and its direction times its size; shift = 0 projects `centre`. On an entropic
        simplex the centre is positive somewhere, and negative nowhere.
    blocks : sequence of Block
        Sets of consecutive coordinates; none for all of R^d.

    Returns
    -------
    (d,) array
        In the sets, up to rounding. NaN spreads within its block only, and never raises.

    Raises
    ------
    TypeError, ValueError
        Shapes that do not fit, or a centre from which entropic steps lead nowhere.

    Examples
    --------
    >>> prox_step([0.8, 0.4, -1.0], [0.0, 0.0, 0.0], [simplex(3)]).round(12).tolist()
    [0.7, 0.3, 0.0]
    """
    centre = real_array("centre", centre, 1, finite=False)
    shift = real_array("shift", shift, centre.shape, finite=False)
    out = np.empty(centre.size)
    parameters = pack(blocks, centre.size)
    begin = 0
    for block in blocks:
        part = centre[begin : begin + block.size]
        begin += block.size
        if is_entropic(block) and ((part < 0.0).any() or (part == 0.0).all()):
            raise ValueError("centre must be >= 0 and not all zero on an entropic simplex")
    cpu.prox_step(_read_only(centre), _read_only(shift), parameters, out)
    return out


def _read_only(x: np.ndarray) -> np.ndarray:
    view = np.ascontiguousarray(x, float).view()
    view.flags.writeable = False
    return view
