"""Due instants of steps and corrections, and how far something is overdue.

Two kinds of due instants, told apart by their clock time: an *inclusive* one that the notice
prints ("17:00") still accepts its own second; the end of a day ("24:00", stored as 00:00 of the
next day) does not. `compute_falls_due_at` gives the first instant that is too late.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from app.domain.calendar import BEIJING, WorkingCalendar, beijing_date, due_end_of
from app.domain.errors import NotPermittedError, RuleViolation
from app.domain.messages import N_
from app.domain.plan import NODE_WORKING_DAYS

NODE_CORRECTION_WORKING_DAYS: Final = 3
"""Row 14: a node's correction, 3 working days."""

HOST_CORRECTION_WORKING_DAYS: Final = 5
"""Row 23: the host's one correction notice, 5 working days."""

ONE_SECOND: Final = timedelta(seconds=1)
ONE_HOUR: Final = timedelta(hours=1)


def compute_forward_due_at(
    received_at: datetime,
    receipt_due_at: datetime,
    calendar: WorkingCalendar,
    *,
    working_days: int = NODE_WORKING_DAYS,
) -> datetime:
    """Return when a node must have forwarded: 24:00 of its third working day, capped (A4).

    Notice 四(三). The day of receipt is not counted; the receipt deadline of the committee caps.
    """
    due_on = calendar.add_working_days(beijing_date(received_at), working_days)
    return min(due_end_of(due_on), receipt_due_at)


def compute_correction_due_at(
    returned_at: datetime,
    limit_at: datetime,
    calendar: WorkingCalendar,
    *,
    working_days: int = NODE_CORRECTION_WORKING_DAYS,
    is_granted_by_province: bool = False,
) -> datetime:
    """Return when a correction must be back: the earlier of N working days and the limit.

    Rows 14 and 23. `limit_at` is the receipt deadline for a node, the end of the policy-review
    day for the host; the correction ends with the last working day that ends by then. With less
    than one working day left only the province can grant it, up to the limit itself. The time
    nodes behind need is never subtracted.
    Raises NotPermittedError without that grant, RuleViolation when the limit has passed.
    """
    if returned_at >= limit_at:
        raise RuleViolation(
            N_("The deadline %(limit)s has passed, so nothing can be returned for correction."),
            limit=limit_at.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M"),
        )
    returned_on = beijing_date(returned_at)
    last_on = _last_working_day_by(limit_at, calendar)
    if last_on <= returned_on:
        if not is_granted_by_province:
            raise NotPermittedError(
                N_(
                    "Less than one working day is left before %(limit)s. "
                    "Ask the provincial HRSS department to grant the correction."
                ),
                limit=limit_at.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M"),
            )
        return limit_at
    return due_end_of(min(calendar.add_working_days(returned_on, working_days), last_on))


def _last_working_day_by(limit_at: datetime, calendar: WorkingCalendar) -> date:
    """Return the last working day whose 24:00 is not later than `limit_at`."""
    return calendar.roll_back(beijing_date(limit_at) - timedelta(days=1))


def compute_falls_due_at(due_at: datetime) -> datetime:
    """Return the first instant that is too late (the note on the last second).

    17:00:00 falls due at 17:00:01; the end of a day at its 24:00.
    """
    if due_at.astimezone(BEIJING).time() == time(0):
        return due_at
    return due_at + ONE_SECOND


def is_overdue(due_at: datetime, *, now: datetime) -> bool:
    """Return whether `due_at` has passed, in whole seconds."""
    return now.replace(microsecond=0) >= compute_falls_due_at(due_at)


def count_overdue_hours(due_at: datetime, *, now: datetime) -> int:
    """Count the hours begun since `due_at`; 0 while it is not overdue (A5)."""
    if not is_overdue(due_at, now=now):
        return 0
    return max(1, math.ceil((now - due_at) / ONE_HOUR))


def count_working_days_left(due_at: datetime, calendar: WorkingCalendar, *, now: datetime) -> int:
    """Count the full working days between today and the day `due_at` falls in (reminders, 3.5).

    0 on the last day and later; 1 is the moment to remind.
    """
    last_on = beijing_date(due_at - timedelta(microseconds=1))
    return calendar.working_days_between(beijing_date(now), last_on)


@dataclass(frozen=True, slots=True)
class StepTimes:
    """One stay at a node: who had it, until when, and when it went on (None: still there)."""

    unit_id: int | str
    due_at: datetime
    forwarded_at: datetime | None


@dataclass(frozen=True, slots=True)
class Overrun:
    """A unit that overran, and by how many hours begun."""

    unit_id: int | str
    hours: int


def find_overruns(steps: Iterable[StepTimes], *, now: datetime) -> tuple[Overrun, ...]:
    """Return every step that overran, in order, with hours (A5, row 20).

    Notice 四(三) blames "未在规定时限内完成推送的单位", not only the last one.
    """
    return tuple(
        Overrun(step.unit_id, count_overdue_hours(step.due_at, now=step.forwarded_at or now))
        for step in steps
        if is_overdue(step.due_at, now=step.forwarded_at or now)
    )
