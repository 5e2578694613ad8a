"""Checks of arguments, for the whole package: what is wrong is said before any work, by name and value.

A wrong type (a string, None, a complex number) is a TypeError, a wrong value or shape a ValueError.
"""

from __future__ import annotations

import math
import numbers
import operator
import reprlib
import weakref
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike

from .memory import available_memory

Shape = int | tuple[int | None, ...]

# Allocations below this many bytes are not checked: asking for the available memory would take longer.
_SMALL = 2**24

# arrays that the package itself made and froze, by id: nobody outside holds a writable view of them
_frozen_here: weakref.WeakValueDictionary[int, np.ndarray] = weakref.WeakValueDictionary()


def count(name: str, value: Any, *, least: int | None = 0, most: int | None = None) -> int:
    """Return `value` as an int from `least` to `most`.

    Parameters
    ----------
    name : str
        Of the argument, for the message.
    value : int or NumPy integer
        Floats are refused even where they are whole, booleans too.
    least, most : int
        Both included; None for no end.

    Returns
    -------
    int

    Raises
    ------
    TypeError, ValueError
        Not an integer; out of range.

    Examples
    --------
    >>> count("n_nodes", 0, least=1)
    Traceback (most recent call last):
    ValueError: n_nodes must be at least 1, got 0
    """
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {reprlib.repr(value)}") from None
    if (least is not None and number < least) or (most is not None and number > most):
        if least is None:
            interval = f"at most {most}"
        else:
            interval = f"at least {least}" if most is None else f"in {least}..{most}"
        raise ValueError(f"{name} must be {interval}, got {reprlib.repr(number)}")
    return number


def instance(name: str, value: Any, kind: type[Any] | tuple[type[Any], ...], remedy: str = "") -> None:
    """Refuse a value of another class.

    Parameters
    ----------
    name : str
        Of the argument, for the message.
    value : object
        What was given.
    kind : type or tuple of types
        What it must be an instance of.
    remedy : str
        What makes one.

    Raises
    ------
    TypeError
        With the classes of both.

    Examples
    --------
    >>> instance("graph", 5, dict, "graphs.cycle(5)")
    Traceback (most recent call last):
    TypeError: graph must be a dict, got an int: take graphs.cycle(5)
    """
    if not isinstance(value, kind):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        wanted = " or ".join(_with_article(one.__name__) for one in kinds)
        hint = f": take {remedy}" if remedy else ""
        raise TypeError(f"{name} must be {wanted}, got {_with_article(type(value).__name__)}{hint}")


def _with_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiouAEIOU' else 'a'} {noun}"


def real(
    name: str,
    value: Any,
    *,
    least: float = -math.inf,
    above: float = -math.inf,
    most: float = math.inf,
    below: float = math.inf,
    allow_inf: bool = False,
) -> float:
    """Return `value` as a float in a given interval, finite unless infinity is allowed, and never NaN.

    Parameters
    ----------
    name : str
        Of the argument, for the message.
    value : int, float, or NumPy number
        Booleans are refused.
    least, most : float
        Ends of the interval, included.
    above, below : float
        Ends of the interval, excluded where they are finite.
    allow_inf : bool
        Accept infinities that lie in the interval.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        Not a real number; out of the interval.

    Examples
    --------
    >>> real("momentum", 1.0, least=0.0, below=1.0)
    Traceback (most recent call last):
    ValueError: momentum must be a finite number >= 0 and < 1, got 1.0
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, got {reprlib.repr(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = -math.inf if value < 0 else math.inf
    inside = least <= number <= most  # NaN is not
    inside &= (number > above or above == -math.inf) and (number < below or below == math.inf)
    if not inside or (math.isinf(number) and not allow_inf):
        ends = [
            f"{sign} {end:g}"
            for sign, end in ((">=", least), (">", above), ("<=", most), ("<", below))
            if math.isfinite(end)
        ]
        kind = "a number" if allow_inf else "a finite number"
        wanted = " ".join([kind, " and ".join(ends)]).rstrip()
        raise ValueError(f"{name} must be {wanted}, got {reprlib.repr(value)}")
    return number


def real_array(
    name: str, value: ArrayLike, shape: Shape, *, finite: bool = True, least: float = -math.inf
) -> np.ndarray:
    """View or convert `value` as a C-contiguous float64 array.

    Parameters
    ----------
    name : str
        Of the argument, for the message.
    value : array_like of real numbers or booleans
        Never modified; returned itself where it fits as it is.
    shape : int or tuple
        Number of dimensions, or all sizes, with None for any.
    finite : bool
        Refuse NaN and infinity.
    least : float
        Refuse entries below.

    Returns
    -------
    float64 array
        May share memory with `value`: see `own_array` for one to keep.

    Raises
    ------
    TypeError, ValueError
        Not real numbers (complex ones, strings and objects are not); what `as_array` refuses; a shape that
        does not fit; an entry out of range, whose place is given.

    Examples
    --------
    >>> real_array("rates", [1.0, -2.0], (2,), least=0.0)
    Traceback (most recent call last):
    ValueError: rates must be at least 0, but rates[1] is -2.0 (1 such entry)
    """
    array = as_array(name, value)
    if array.dtype.kind not in "fiub":
        found = f"dtype {array.dtype}{_odd_entry(name, array)}"
        raise TypeError(f"{name} must be an array of real numbers, got {found}")
    _check_shape(name, array.shape, shape)
    if array.dtype != np.float64 or not (array.flags.c_contiguous and array.flags.aligned):
        with np.errstate(over="ignore"):  # what exceeds float64 becomes infinite
            array = np.require(array, np.float64, ["C_CONTIGUOUS", "ALIGNED"])
    if finite:
        _require(name, "finite", array, np.isfinite(array))
    if least > -math.inf:
        _require(name, f"at least {least:g}", array, ~(array < least))
    return array


def own_array(
    name: str, value: ArrayLike, shape: Shape, *, finite: bool = True, least: float = -math.inf
) -> np.ndarray:
    """`real_array` to keep: read-only, and safe from whoever holds `value`.

    A copy, even of a read-only array: a view made before it was frozen could still change it. Only what the
    package itself made and passed through `frozen` is kept as it is.
    """
    array = real_array(name, value, shape, finite=finite, least=least)
    if _frozen_here.get(id(array)) is array and not array.flags.writeable:
        return array
    return frozen(array.copy())


def frozen(array: np.ndarray) -> np.ndarray:
    """Make `array`, which the package has made and nobody else holds, read-only and return it."""
    array.flags.writeable = False
    if array.flags.owndata:
        _frozen_here[id(array)] = array
    return array


def bound_to_this_process(self: Any) -> NoReturn:
    """`__reduce__` of a class whose objects hold addresses: calling a stale one would crash the process."""
    raise TypeError(
        f"{type(self).__name__} holds addresses in the memory of this process, so it can be neither pickled "
        "nor copied: pickle what it was made of, and make it anew there"
    )


def as_array(name: str, value: Any) -> np.ndarray:
    """View or convert `value` as `np.asarray` does, but lose nothing without a word.

    Parameters
    ----------
    name : str
        Of the argument, for the message.
    value : array_like
        Columns and tables of other libraries too (pandas, Arrow, Polars: what has `__array__`). Numbers of
        their nullable types become float64, with NaN for what is missing; texts become NumPy's.

    Returns
    -------
    array

    Raises
    ------
    TypeError, ValueError
        A masked array or a sparse matrix (see `require_plain`); lists of unequal lengths.
    """
    require_plain(name, value)
    try:
        array = np.asarray(value)
    except ValueError as error:  # lists of unequal lengths
        raise ValueError(f"{name} must be a rectangular array: {error}") from error
    if array.dtype.kind == "O" and hasattr(value, "__array__") and not isinstance(value, np.ndarray):
        return _of_one_type(array)
    return array


def require_plain(name: str, value: Any) -> None:
    """Refuse what NumPy would convert into something else without a word, alone or in a list.

    Parameters
    ----------
    name : str
        Of the argument, for the message.
    value : object
        Anything.

    Raises
    ------
    TypeError
        A masked array, whose mask would be dropped; a sparse matrix, which would become one object.
    """
    if type(value) is np.ndarray:
        return
    kinds = {type(value)}
    if isinstance(value, list | tuple):
        kinds.update(map(type, value))
    for kind in kinds:
        if issubclass(kind, np.ma.MaskedArray):
            raise TypeError(f"{name} must not be a masked array: fill or drop masked entries first")
        if hasattr(kind, "nnz") and hasattr(kind, "toarray"):
            raise TypeError(f"{name} must not be a sparse matrix: pass {name}.toarray()")


def _of_one_type(array: np.ndarray) -> np.ndarray:
    """Return an array of objects as one of numbers or texts, if that is what they are, else as it is."""
    kinds = set(map(type, array.flat))
    if kinds == {str}:
        texts = array.astype(str)
        return texts if (texts == array).all() else array  # NumPy's drop zeros at their ends
    known = {kind for kind in kinds if not _is_missing_type(kind)}
    if not known or not all(issubclass(kind, numbers.Real | np.bool_) for kind in known):
        return array
    if known != kinds:
        array = np.where([_is_missing_type(type(entry)) for entry in array.flat], np.nan, array.flat).reshape(
            array.shape
        )
    return array.astype(np.float64)


def _is_missing_type(kind: type[Any]) -> bool:
    """Whether this is the type of None, or of pandas' NA or NaT."""
    return kind is type(None) or kind.__name__ in ("NAType", "NaTType")


def _odd_entry(name: str, array: np.ndarray) -> str:
    """Say which entry of an array of objects is the first that is no real number."""
    if array.dtype.kind != "O":
        return ""
    for index, entry in np.ndenumerate(array):
        if not isinstance(entry, numbers.Real):
            place = f"{name}[{', '.join(map(str, index))}]" if index else "it"
            return f": {place} is {reprlib.repr(entry)}, of type {type(entry).__name__}"
    return ""


def require_memory(n_bytes: float, what: str, remedy: str) -> None:
    """Raise a MemoryError where `n_bytes` are more than can still be allocated, before anything is.

    The limits are those of `memory.available_memory`. Requests below 16 MiB pass unseen.

    Parameters
    ----------
    n_bytes : int or float
        What the call will allocate at its peak, beyond what exists already. Sizes are multiplied as Python
        integers: NumPy's may overflow.
    what : str
        Of which sizes, for the message.
    remedy : str
        The way that does with less, in the imperative.

    Raises
    ------
    MemoryError

    Examples
    --------
    >>> n = 10**7
    >>> require_memory(8 * n * n, f"a dense W, {n} x {n} numbers,", "give W as a sparse array")
    ... # doctest: +ELLIPSIS
    Traceback (most recent call last):
    MemoryError: a dense W, 10000000 x 10000000 numbers, takes 800 TB, and only ... can be allocated: give W \
as a sparse array
    """
    if n_bytes <= _SMALL:
        return
    available = available_memory()
    if n_bytes > available:
        raise MemoryError(
            f"{what} takes {_bytes(n_bytes)}, and only {_bytes(available)} can be allocated: {remedy}"
        )


def _bytes(number: float) -> str:
    unit = "B"
    for unit in ("B", "kB", "MB", "GB", "TB", "PB"):
        if number < 999.5 or unit == "PB":
            break
        number /= 1000.0
    return f"{number:.3g} {unit}"


def _check_shape(name: str, found: tuple[int, ...], wanted: Shape) -> None:
    if isinstance(wanted, int):
        if len(found) != wanted:
            raise ValueError(f"{name} must have {wanted} dimension(s), got shape {found}")
    elif len(found) != len(wanted) or any(w not in (None, f) for w, f in zip(wanted, found, strict=True)):
        sizes = ", ".join("any" if size is None else str(size) for size in wanted)
        comma = "," if len(wanted) == 1 else ""
        raise ValueError(f"{name} must have shape ({sizes}{comma}), got shape {found}")


def _require(name: str, wanted: str, array: np.ndarray, fits: np.ndarray) -> None:
    if not fits.all():
        index = tuple(int(i) for i in np.argwhere(~fits)[0])
        place = f"{name}[{', '.join(map(str, index))}]" if index else "it"
        number = int(fits.size - np.count_nonzero(fits))
        entries = "entry" if number == 1 else "entries"
        raise ValueError(f"{name} must be {wanted}, but {place} is {array[index]} ({number} such {entries})")
