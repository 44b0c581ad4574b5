"""Working days: holidays, make-up workdays, and "within N working days after".

A year whose arrangement the State Council has not published yet counts by weekends and is
provisional; only a calendar that contradicts itself raises.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import chain
from typing import Final
from zoneinfo import ZoneInfo

from app.domain.errors import CalendarError, RuleViolation
from app.domain.messages import N_

BEIJING: Final = ZoneInfo("Asia/Shanghai")
"""The zone of every date and instant of the notice (rules A7)."""

ONE_DAY: Final = timedelta(days=1)
_SATURDAY: Final = 5  # date.weekday(); also the working days of a plain week
_DECEMBER: Final = 12


@dataclass(frozen=True, slots=True)
class WorkingCalendar:
    """The State Council's arrangements as a value; counting never reads a clock.

    Raises CalendarError when it contradicts itself: a day both off and worked, a make-up workday
    that is an ordinary weekday, a day outside the published years (the December before a
    published January belongs to that arrangement and is accepted).
    """

    holidays: frozenset[date]
    makeup_workdays: frozenset[date]
    published_years: frozenset[int]

    def __post_init__(self) -> None:
        """Refuse a damaged calendar."""
        for day in sorted(self.holidays & self.makeup_workdays):
            raise CalendarError(day=day.isoformat())
        for day in sorted(self.makeup_workdays):
            if day.weekday() < _SATURDAY:
                raise CalendarError(
                    N_(
                        "%(day)s is listed as a make-up workday, but it is an ordinary weekday. "
                        "Compare the calendar with the State Council's arrangement and correct it."
                    ),
                    day=day.isoformat(),
                )
        for day in sorted(self.holidays | self.makeup_workdays):
            if not self._is_covered(day):
                raise CalendarError(
                    N_(
                        "%(day)s lies outside the year of its arrangement. "
                        "Put it into the calendar of its own year."
                    ),
                    day=day.isoformat(),
                )

    def _is_covered(self, day: date) -> bool:
        if day.year in self.published_years:
            return True
        return day.month == _DECEMBER and day.year + 1 in self.published_years

    def is_working_day(self, day: date) -> bool:
        """Return whether people work on this day."""
        if day in self.makeup_workdays:
            return True
        return day.weekday() < _SATURDAY and day not in self.holidays

    def next_working_day(self, day: date) -> date:
        """Return the first working day after `day`."""
        return self.roll_forward(day + ONE_DAY)

    def roll_forward(self, day: date) -> date:
        """Return `day`, or the next working day when it is a day off (rules A1)."""
        while not self.is_working_day(day):
            day += ONE_DAY
        return day

    def roll_back(self, day: date) -> date:
        """Return `day`, or the last working day before it when it is a day off."""
        while not self.is_working_day(day):
            day -= ONE_DAY
        return day

    def add_working_days(self, start: date, working_days: int) -> date:
        """Return the n-th working day after `start`; the start itself is not counted.

        Notice 四(三): "3个工作日内", "5个工作日". Raises RuleViolation when n is below 1 or the
        result lies beyond the year 9999.
        """
        if working_days < 1:
            raise RuleViolation(
                N_("The number of working days must be 1 or more, not %(given)s."),
                given=working_days,
            )
        try:
            return self._count_on(start, working_days)
        except OverflowError as error:
            raise RuleViolation(
                N_("That many working days lead beyond the year 9999. Give a smaller number.")
            ) from error

    def _count_on(self, start: date, working_days: int) -> date:
        last_known = max(chain(self.holidays, self.makeup_workdays, (start,)))
        day = start
        while working_days and day < last_known:
            day += ONE_DAY
            working_days -= self.is_working_day(day)
        # Beyond the last published day a week is five working days; no need to walk them all.
        weeks, working_days = divmod(working_days, _SATURDAY)
        if weeks:
            day -= timedelta(days=max(0, day.weekday() - _SATURDAY + 1))
            day += timedelta(weeks=weeks)
        while working_days:
            day += ONE_DAY
            working_days -= day.weekday() < _SATURDAY
        return day

    def working_days_between(self, start: date, end: date) -> int:
        """Count the working days after `start` up to and including `end` (0 when end <= start).

        The inverse of `add_working_days`: the start is not counted.
        """
        span = (end - start).days
        return sum(self.is_working_day(start + timedelta(days=n)) for n in range(1, span + 1))

    def is_provisional(self, start: date, end: date) -> bool:
        """Return whether a year from `start` to `end` has no published arrangement yet."""
        return any(year not in self.published_years for year in range(start.year, end.year + 1))

    @classmethod
    def from_days(
        cls,
        *,
        holidays: Iterable[date],
        makeup_workdays: Iterable[date],
        published_years: Iterable[int],
    ) -> WorkingCalendar:
        """Return a calendar from any collections of days."""
        return cls(frozenset(holidays), frozenset(makeup_workdays), frozenset(published_years))


def due_end_of(day: date) -> datetime:
    """Return the end of `day`, 24:00 Beijing time: the first instant that is too late."""
    return datetime.combine(day + ONE_DAY, time(0), BEIJING)


def beijing_date(instant: datetime) -> date:
    """Return the Beijing calendar day an aware instant falls on."""
    return instant.astimezone(BEIJING).date()
