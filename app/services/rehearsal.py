"""演练: the rehearsed time runs ahead of the real one by an offset kept in the database; it only
moves forward."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from app import clock
from app.domain.errors import RuleViolation
from app.domain.messages import N_
from app.domain.terms import PortalMode
from app.extensions import db, portal_mode
from app.models import RehearsalClock

FIRST_OPENING = datetime.fromisoformat("2022-08-03T09:00:00+08:00")
"""Where a fresh rehearsal begins: in the middle of the first window of Annex 1."""

LATEST = datetime.fromisoformat("2200-01-01T00:00:00+08:00")
"""The clock goes no further: it never comes back, and near year 9999 no date can be computed."""

CACHED = "rehearsal_offset"
"""Where a database session keeps the offset it has read."""


def is_rehearsal() -> bool:
    """Whether this instance runs in rehearsal mode."""
    return portal_mode() == PortalMode.REHEARSAL.value


def current_offset() -> timedelta:
    """How far business time runs ahead; zero in production and outside the application."""
    if not is_rehearsal():
        return timedelta(0)
    offset: timedelta | None = db.session.info.get(CACHED)
    if offset is None:
        seconds = db.session.scalar(select(RehearsalClock.offset_seconds)) or 0
        offset = db.session.info[CACHED] = timedelta(seconds=seconds)
    return offset


def start_rehearsal(at: datetime = FIRST_OPENING) -> None:
    """Set the first rehearsed instant of an instance that has none."""
    if db.session.get(RehearsalClock, 1) is None:
        seconds = int((at - clock.real_now()).total_seconds())
        db.session.add(RehearsalClock(id=1, offset_seconds=seconds))
        db.session.flush()
        db.session.info.pop(CACHED, None)


def set_rehearsed_time(at: datetime) -> datetime:
    """Move the rehearsed clock forward to `at`; RuleViolation when that is earlier than now or
    beyond LATEST."""
    if not is_rehearsal():
        raise RuleViolation(N_("The clock can only be moved in rehearsal mode."))
    row = db.session.get(RehearsalClock, 1, with_for_update=True, populate_existing=True)
    if row is None:
        raise RuleViolation(N_("No rehearsal has been started. Run the seed first."))
    current = clock.real_now() + timedelta(seconds=row.offset_seconds)
    if at < current:
        raise RuleViolation(
            N_("The rehearsed clock only moves forward; it is %(now)s. `make reset` starts anew."),
            now=current.strftime("%Y-%m-%d %H:%M"),
        )
    if at >= LATEST:
        raise RuleViolation(N_("Enter a date between 1900 and 2200."))
    row.offset_seconds = int((at - clock.real_now()).total_seconds())
    db.session.flush()
    db.session.info[CACHED] = timedelta(seconds=row.offset_seconds)
    return at
