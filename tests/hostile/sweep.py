"""Bend every public call, one argument at a time, each callable in processes of its own.

    python tests/hostile/sweep.py [--bends 60] [--only NAME ...] [--table FILE]

An answer is fine, and so is a TypeError, ValueError or MemoryError, or an error that the docstring names
under Raises. Failures are a crash, a hang (20 s), and any other error: the caller's mistake then shows as a
traceback from within. Kernels that read beyond an array may crash, or not: the same call with its arrays at
the very end of a mapped page does (`guarded`).

Bent calls run in forks of one process that has made the good calls, so that all is compiled: a child that
dies says at which bend, and the next one goes on behind it.
"""

import argparse
import faulthandler
import inspect
import io
import json
import mmap
import os
import re
import resource
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

SECONDS = 20  # of one call
ROOM = 3 << 30  # bytes that a call may allocate, beyond what is mapped at its start
ALLOWED = {"TypeError", "ValueError", "MemoryError"}

PAGE = """# Every public call, bent

Each public callable has one good call (`tests/hostile/sweep_calls.py`). Its arguments are bent one at a
time, up to {bends} calls a callable: other types and sizes of numbers, texts, `None`, objects of no use, NaN
and infinities; arrays of other types, shapes, strides and values, empty, read-only, unaligned, masked,
sparse, and at the very end of a page of memory, so that reading beyond them ends the process.

Answered is a call that returns, refused one that raises TypeError, ValueError, MemoryError or what its
docstring names under Raises. A failure is a crash, a hang (20 s), or any other error. Written by
`python tests/hostile/sweep.py --bends {bends} --table docs/sweep.md`.

{table}
"""

Bend = tuple[str, Any]

# Bends that ask for honest work without end: compilation, and as many rounds as that
WORK = {
    ("kernels.oracles.custom", "compiled"),
    ("problems.Custom", "compiled"),
    ("problems.CustomOperator", "compiled"),
    ("kernels.rounds.run_rounds", "3"),
    ("kernels.gossip.mix", "2"),
    ("kernels.gossip.chebyshev_mix", "2"),
    ("kernels.aggregation.centered_clipping", "n_steps"),
}


@dataclass
class Outcome:
    """What the bent calls of one callable did.

    Attributes
    ----------
    bent : int
        Calls.
    answered : int
        Those that returned.
    refused : int
        Those that raised what they may.
    failures : list of str
        The others: which argument, bent how, what happened.
    """

    bent: int = 0
    answered: int = 0
    refused: int = 0
    failures: list[str] = field(default_factory=list)


class Odd:
    """An object of no use."""

    def __repr__(self):
        return "Odd()"


def scalars() -> Iterator[Bend]:
    """Yield values that hardly any argument takes, and some that many take."""
    yield "None", None
    yield "text", "no such thing"
    yield "empty text", ""
    yield "bytes", b"\0\1"
    yield "True", True
    yield "0", 0
    yield "-1", -1
    yield "1", 1
    yield "2^31", 2**31
    yield "2^40", 2**40
    yield "2^64", 2**64
    yield "-2^63", -(2**63)
    yield "10^400", 10**400
    yield "0.5", 0.5
    yield "-0.5", -0.5
    yield "5e-324", 5e-324
    yield "1e308", 1e308
    yield "nan", float("nan")
    yield "inf", float("inf")
    yield "-inf", float("-inf")
    yield "1j", 1j
    yield "Odd()", Odd()
    yield "int", int
    yield "empty list", []
    yield "empty tuple", ()
    yield "empty dict", {}
    yield "ragged list", [[1.0, 2.0], [3.0]]
    yield "list of texts", ["a", "b"]
    yield "list of None", [None, None]
    yield "range(3)", range(3)
    yield "function", lambda *_: 1.0
    yield "numpy float", np.float32(1.5)
    yield "numpy int", np.int8(3)
    yield "datetime", np.datetime64("NaT")
    yield "0-d array", np.array(2.0)
    yield "empty array", np.empty(0)
    yield "(0, 3) array", np.empty((0, 3))
    yield "vector of 1", np.ones(1)
    yield "(2, 2) of nan", np.full((2, 2), np.nan)
    yield "4-d array", np.ones((1, 2, 1, 2))
    yield "texts", np.array(["a", "b", "c"])
    yield "objects", np.array([Odd(), None], object)
    yield "records", np.zeros(2, [("a", float), ("b", int)])
    yield "huge view", np.broadcast_to(np.float64(1.0), (2**20, 2**20))


def arrays(good: np.ndarray) -> Iterator[Bend]:
    """Yield arrays near a good one: other types, shapes, layouts and values."""
    import scipy.sparse

    yield "float32", good.astype(np.float32)
    yield "float16", good.astype(np.float16)
    yield "longdouble", good.astype(np.longdouble)
    yield "complex", good.astype(complex)
    yield "bool", good.astype(bool)
    yield "int8", good.astype(np.int8)
    yield "uint64", good.astype(np.int64).astype(np.uint64)
    yield "object", good.astype(object)
    yield "text", good.astype(str)
    yield "swapped bytes", good.astype(good.dtype.newbyteorder())
    yield "masked", np.ma.masked_array(good, np.zeros(good.shape, bool))
    yield "list", good.tolist()
    yield "read-only", guard(good, writeable=False)
    yield "guarded", guard(good)
    yield "every other", np.repeat(good, 2, axis=-1)[..., ::2] if good.ndim else good
    yield "reversed", good[::-1] if good.ndim else good
    yield "by columns", np.asfortranarray(good)
    yield "unaligned", _unaligned(good)
    yield "transposed", good.T
    yield "one dimension more", good[None]
    yield "flat", good.ravel()
    yield "one row less", guard(good[:-1]) if good.ndim else good
    yield "one row", guard(good[:1]) if good.ndim else good
    yield "no rows", good[:0] if good.ndim else good
    yield "one row more", guard(np.concatenate([good, good[-1:]])) if good.ndim else good
    yield "one column less", guard(good[..., :-1]) if good.ndim else good
    yield "one column more", guard(np.concatenate([good, good[..., -1:]], axis=-1)) if good.ndim else good
    yield "negated", -good if good.dtype.kind in "if" else ~good
    yield "zeros", np.zeros_like(good)
    yield "equal", np.full_like(good, good.flat[0] if good.size else 0)
    numbers = (
        (2**31 - 1, -1, -(2**31)) if good.dtype.kind in "iu" else (np.nan, np.inf, 1e300, -1e300, 1e-320)
    )
    for value in numbers:
        if good.size and good.dtype.kind in "iuf":
            bent = good.copy()
            bent.flat[-1] = np.array(value).astype(good.dtype)
            yield f"one {value:g}", guard(bent)
    if good.ndim == 2:
        yield "sparse", scipy.sparse.csr_array(good)
        yield "sparse column", scipy.sparse.coo_array(good[:, :1])


def guard(values: np.ndarray, writeable: bool = True) -> np.ndarray:
    """Return a copy that ends where a page ends that no process may touch."""
    values = np.ascontiguousarray(values)
    page = mmap.PAGESIZE
    size = -(-max(values.nbytes, 1) // page) * page
    room = mmap.mmap(-1, size + page)
    whole = np.frombuffer(room, np.uint8)
    _protect(whole.ctypes.data + size, page)
    begin = size - values.nbytes
    found = whole[begin : begin + values.nbytes].view(values.dtype).reshape(values.shape)
    found[...] = values
    found.flags.writeable = writeable
    return found


def _protect(address: int, size: int) -> None:
    import ctypes

    assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(address), size, 0) == 0


def _unaligned(values: np.ndarray) -> np.ndarray:
    memory = np.empty(values.nbytes + 1, np.uint8)
    found = memory[1:].view(values.dtype).reshape(values.shape)
    found[...] = values
    return found


def bends(arguments: tuple[Any, ...], named: dict[str, Any], most: int) -> list[tuple[str, Bend]]:
    """Return which argument is bent how, at most so many; each argument gets its share, evenly chosen."""
    places: list[tuple[str, Any]] = [*((str(k), value) for k, value in enumerate(arguments)), *named.items()]
    share = max(1, most // max(1, len(places)))
    chosen = []
    for turn, (place, good) in enumerate(places):
        own = list(arrays(good)) if isinstance(good, np.ndarray) else []
        found = [*own, *scalars()]
        picked = np.unique(np.linspace(0, len(found) - 1, min(share, len(found))).astype(int))
        # other arguments of a callable see other bends where there are too many for all
        chosen += [(place, found[(k + turn * 3) % len(found)]) for k in picked]
    return chosen


def named_errors(function: Any) -> set[str]:
    """Return the errors under Raises in the docstrings of what is called, and of the class that has it."""
    owner = getattr(function, "__self__", None)
    kinds = inspect.getmro(owner if inspect.isclass(owner) else type(owner)) if owner is not None else ()
    texts = [inspect.getdoc(function) or "", inspect.getdoc(type(function).__call__) or ""]
    texts += [inspect.getdoc(getattr(kind, getattr(function, "__name__", ""), None)) or "" for kind in kinds]
    found: set[str] = set()
    for text in texts:
        section = re.search(r"Raises\n-+\n(.*?)(?:\n\w[^\n]*\n-{3,}|\Z)", text, re.DOTALL)
        if section:
            found |= set(re.findall(r"\b(\w+(?:Error|Exception|Warning))\b", section[1]))
    return found


def try_one(call: Any, place: str, value: Any, allowed: set[str]) -> str:
    """Make one bent call; return "answered", "refused", or what happened."""
    function, arguments, named = call()
    changed = list(arguments)
    if place in named:
        named[place] = value
    else:
        changed[int(place)] = value
    try:
        function(*changed, **named)
    except Exception as error:
        kinds = {kind.__name__ for kind in type(error).__mro__}
        if kinds & (ALLOWED | allowed):
            return "refused"
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{os.path.basename(last.filename)}:{last.lineno}"
        return f"{type(error).__name__} at {where}: {str(error).splitlines()[0][:100] if str(error) else ''}"
    return "answered"


def _child(call: Any, wanted: list[tuple[str, Bend]], begin: int, allowed: set[str], pipe: int) -> None:
    """Make the bent calls from `begin` on, and write to the pipe what each did."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, used + ROOM))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.disable()  # the parent says who died
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process, compiled loops included
    sys.stdout = sys.stderr = io.StringIO()
    for number in range(begin, len(wanted)):
        place, (_, value) = wanted[number]
        os.write(pipe, f"{number}\n".encode())
        signal.alarm(SECONDS)
        said = try_one(call, place, value, allowed)
        signal.alarm(0)
        os.write(pipe, (json.dumps(said) + "\n").encode())


def sweep_one(name: str, call: Any, most: int) -> Outcome:
    """Bend one callable."""
    function, arguments, named = call()
    allowed = named_errors(function)
    wanted = [bend for bend in bends(arguments, named, most) if not is_work(name, bend)]
    outcome = Outcome()
    begin = 0
    while begin < len(wanted):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read)
            code = 1
            try:
                _child(call, wanted, begin, allowed, write)
                code = 0
            finally:
                os._exit(code)
        os.close(write)
        with os.fdopen(read) as lines:
            said = lines.read().splitlines()
        _, status = os.waitpid(child, 0)
        for k, line in enumerate(said[1::2]):
            number, result = int(said[2 * k]), json.loads(line)
            _note(outcome, wanted[number], result)
        begin += len(said[1::2])
        if begin < len(wanted):
            died = -os.waitstatus_to_exitcode(status)
            how = f"no answer in {SECONDS} s" if died == signal.SIGALRM else f"process died: {_cause(died)}"
            _note(outcome, wanted[begin], how)
            begin += 1
    return outcome


def is_work(name: str, bend: tuple[str, Bend]) -> bool:
    """Return whether a bend is left out, because the call is right and takes long."""
    place, (_, value) = bend
    large = value is True or (isinstance(value, int | float) and value >= 2**20)
    return (name, place) in WORK and (large or place == "compiled")


def _cause(died: int) -> str:
    return signal.Signals(died).name if died > 0 else f"exit code {-died}"


def _note(outcome: Outcome, bend: tuple[str, Bend], result: str) -> None:
    place, (what, _) = bend
    outcome.bent += 1
    if result == "answered":
        outcome.answered += 1
    elif result == "refused":
        outcome.refused += 1
    else:
        outcome.failures.append(f"argument {place}, {what}: {result}")


def room_of(name: str) -> str:
    """Return the module that a callable is found in."""
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] == "kernels" else parts[0]


def table(outcomes: dict[str, Outcome]) -> str:
    """Return the counts by room, as Markdown."""
    rooms: dict[str, list[Outcome]] = {}
    for name, outcome in outcomes.items():
        rooms.setdefault(room_of(name), []).append(outcome)
    lines = [
        "| room | callables | bent calls | answered | refused | failures |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    total = [0] * 5
    for room, members in sorted(rooms.items()):
        row = [
            len(members),
            sum(o.bent for o in members),
            sum(o.answered for o in members),
            sum(o.refused for o in members),
            sum(len(o.failures) for o in members),
        ]
        total = [a + b for a, b in zip(total, row, strict=True)]
        lines.append(f"| {room} | " + " | ".join(f"{value:,}" for value in row) + " |")
    lines.append("| all | " + " | ".join(f"{value:,}" for value in total) + " |")
    return "\n".join(lines)


def main() -> int:
    """Sweep, print what failed and the table; return the number of failures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bends", type=int, default=60, help="bent calls of one callable")
    parser.add_argument("--only", nargs="*", default=None, help="names, or beginnings of names")
    parser.add_argument("--table", help="file for the table of counts")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    from sweep_calls import CALLS, FOLDER

    page = options.table and Path(options.table).resolve()
    os.chdir(FOLDER)  # bent paths are written to

    chosen = {
        name: make
        for name, make in CALLS.items()
        if options.only is None or any(name.startswith(prefix) for prefix in options.only)
    }
    for (
        name,
        make,
    ) in chosen.items():  # compiles what the forks then share; a good call that fails is no good call
        function, arguments, named = make()
        try:
            function(*arguments, **named)
        except Exception as error:
            raise RuntimeError(f"the good call of {name} fails") from error
    outcomes = {name: sweep_one(name, make, options.bends) for name, make in chosen.items()}
    lines = [f"{name}: {failure}" for name, outcome in outcomes.items() for failure in outcome.failures]
    sys.stdout.write("\n".join([*lines, table(outcomes), ""]))
    if page:
        page.write_text(PAGE.format(bends=options.bends, table=table(outcomes)), "utf-8")
    return sum(len(outcome.failures) for outcome in outcomes.values())


if __name__ == "__main__":
    sys.exit(min(main(), 1))
