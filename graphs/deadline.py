"""Time limits that hold: whoever has a deadline looks at it before each piece of work, not each iteration."""

import time

__all__ = ["OutOfTime", "require_time"]


class OutOfTime(Exception):
    """The deadline has come, or comes before the next piece of work would be done."""


def require_time(deadline: float, seconds: float = 0.0) -> None:
    """Raise :class:`OutOfTime` unless so many seconds are left until a value of ``time.monotonic()``."""
    if time.monotonic() + seconds > deadline:
        raise OutOfTime
