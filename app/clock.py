"""The one reader of the system clock.

Business rules run on `now()`, which a rehearsal may have moved forward; sessions, one-time codes,
lock-outs,
rate limits and job ids run on `real_now()`. Edges read the clock once a request, job or command;
services and
the domain receive the instant as an argument.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

from app.domain.calendar import BEIJING

_no_offset: Callable[[], timedelta] = lambda: timedelta(0)  # noqa: E731 -- a replaceable default
_offset_source = _no_offset


def use_offset_source(source: Callable[[], timedelta]) -> None:
    """Take the rehearsal offset from `source` from now on; the factory hands it in."""
    global _offset_source  # noqa: PLW0603 -- set once at start, by the factory
    _offset_source = source


def real_now() -> datetime:
    """This instant in Beijing time, as the machine's clock tells it."""
    return datetime.now(BEIJING)


def now() -> datetime:
    """This instant in Beijing time as the business sees it: the real clock plus the rehearsal
    offset."""
    return real_now() + _offset_source()


def today() -> date:
    """The Beijing date of `now()`."""
    return now().date()
