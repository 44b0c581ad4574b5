"""The posting of five full working days, at the unit and of the result.

Notice 四(三) and Order 40 Art. 16, 26; the reading of rules A3: the day it is opened does not
count, five *full* working days follow, the end is 24:00 of the fifth.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from app.domain.calendar import BEIJING, ONE_DAY, WorkingCalendar, beijing_date, due_end_of
from app.domain.errors import RuleViolation
from app.domain.messages import N_
from app.domain.terms import PublicityDay1

MINIMUM_WORKING_DAYS: Final = 5
"""R40, R68: may be lengthened, never lowered."""

SAME_DAY_LIMIT: Final = time(9)
"""With `same_day_if_before_09` a posting opened before this clock time counts its own day."""


@dataclass(frozen=True, slots=True)
class PublicityPeriod:
    """One posting: when it opens and the full working days it counts, in order."""

    opens_at: datetime
    days: tuple[date, ...]

    @property
    def starts_on(self) -> date:
        """The first counted day."""
        return self.days[0]

    @property
    def ends_on(self) -> date:
        """The last counted day; the posting ends at its 24:00."""
        return self.days[-1]

    @property
    def ends_at(self) -> datetime:
        """24:00 of the last counted day, Beijing time."""
        return due_end_of(self.ends_on)

    def is_over(self, now: datetime) -> bool:
        """Return whether the last day has ended; the next step is possible from then on."""
        return now >= self.ends_at

    def is_running(self, now: datetime) -> bool:
        """Return whether the posting can be seen and objected to (rows 9, 31)."""
        return self.opens_at <= now < self.ends_at

    def count_remaining_days(self, now: datetime) -> int:
        """Count the counted days that have not ended yet."""
        return sum(now < due_end_of(day) for day in self.days)

    def extend(self, working_days: int, calendar: WorkingCalendar) -> PublicityPeriod:
        """Return the period lengthened by working days, as the HRSS department may (row 10)."""
        more = _count_days(self.ends_on, working_days, calendar)
        return PublicityPeriod(self.opens_at, self.days + more)


def compute_publicity_period(
    opens_at: datetime,
    calendar: WorkingCalendar,
    *,
    working_days: int = MINIMUM_WORKING_DAYS,
    day1: PublicityDay1 = PublicityDay1.NEXT_WORKDAY,
) -> PublicityPeriod:
    """Return the days a posting opened at this instant counts (rules A3).

    Opened Friday 2022-09-30: 10-08, 09, 10, 11 and 12, over at 24:00 of the 12th.
    Raises RuleViolation below five working days.
    """
    require_minimum(working_days)
    opened_on = beijing_date(opens_at)
    if day1 is PublicityDay1.SAME_DAY_IF_BEFORE_09 and _counts_own_day(opens_at, calendar):
        opened_on -= ONE_DAY
    return PublicityPeriod(opens_at, _count_days(opened_on, working_days, calendar))


def require_minimum(working_days: int) -> None:
    """Refuse a posting of fewer than five working days (R40, R68)."""
    if working_days < MINIMUM_WORKING_DAYS:
        raise RuleViolation(
            N_(
                "A publicity lasts at least %(minimum)s working days, not %(given)s. "
                "Enter a larger number."
            ),
            minimum=MINIMUM_WORKING_DAYS,
            given=working_days,
        )


def _counts_own_day(opens_at: datetime, calendar: WorkingCalendar) -> bool:
    local = opens_at.astimezone(BEIJING)
    return calendar.is_working_day(local.date()) and local.time() < SAME_DAY_LIMIT


def _count_days(after: date, working_days: int, calendar: WorkingCalendar) -> tuple[date, ...]:
    days: list[date] = []
    for _ in range(working_days):
        after = calendar.next_working_day(after)
        days.append(after)
    return tuple(days)


def require_opening_ahead(opens_at: datetime, *, now: datetime) -> None:
    """Refuse a scheduled opening in the past; an opening "now" passes (row 8)."""
    if opens_at.replace(microsecond=0) < now.replace(microsecond=0):
        raise RuleViolation(
            N_("%(opens_at)s has passed. Open the publicity now or choose a later time."),
            opens_at=opens_at.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M"),
        )


def compute_overlap(
    system: PublicityPeriod, site: PublicityPeriod, calendar: WorkingCalendar
) -> tuple[date, ...]:
    """Return the working days both the posting in the system and the one on site cover (A3, R41).

    Where they differ the later start and the earlier end decide.
    """
    starts_on = max(system.starts_on, site.starts_on)
    ends_on = min(system.ends_on, site.ends_on)
    span = (ends_on - starts_on).days
    return tuple(
        day
        for day in (starts_on + timedelta(days=n) for n in range(span + 1))
        if calendar.is_working_day(day)
    )


def require_both_posted(
    system: PublicityPeriod,
    site: PublicityPeriod,
    calendar: WorkingCalendar,
    *,
    working_days: int = MINIMUM_WORKING_DAYS,
) -> None:
    """Refuse to go on unless both postings cover the same full working days (R41)."""
    common = len(compute_overlap(system, site, calendar))
    if common < working_days:
        raise RuleViolation(
            N_(
                "The posting on site and the one in the system overlap on %(common)s working "
                "days only; %(needed)s are needed. Post again where days are missing."
            ),
            common=common,
            needed=working_days,
        )


def compute_latest_opening(
    limit_on: date,
    calendar: WorkingCalendar,
    *,
    working_days: int = MINIMUM_WORKING_DAYS,
    day1: PublicityDay1 = PublicityDay1.NEXT_WORKDAY,
) -> date:
    """Return the last day to open a posting whose days end before `limit_on` begins.

    The result may be a day off: openings can be scheduled for a Sunday. With
    `same_day_if_before_09` it is the first counted day itself, before 09:00.
    """
    first = limit_on
    for _ in range(working_days):
        first = calendar.roll_back(first - ONE_DAY)
    return first if day1 is PublicityDay1.SAME_DAY_IF_BEFORE_09 else first - ONE_DAY
