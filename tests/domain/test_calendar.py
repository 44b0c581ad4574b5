"""Working days: holidays, make-up workdays, years without an arrangement, damaged calendars."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.calendar import BEIJING, WorkingCalendar, beijing_date, due_end_of
from app.domain.errors import CalendarError, RuleViolation
from tests.domain.moments import CALENDAR, at, on

EMPTY = WorkingCalendar(frozenset(), frozenset(), frozenset())


def naive_add(calendar: WorkingCalendar, start: date, working_days: int) -> date:
    """Walk day by day: the definition `add_working_days` must agree with."""
    day = start
    while working_days:
        day += timedelta(days=1)
        working_days -= calendar.is_working_day(day)
    return day


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2022-08-01", True),  # Monday
        ("2022-08-06", False),  # Saturday
        ("2022-08-07", False),
        ("2022-09-12", False),  # Mid-Autumn, a Monday
        ("2022-10-03", False),
        ("2022-10-08", True),  # make-up Saturday
        ("2022-10-09", True),  # make-up Sunday
        ("2022-12-31", False),
        ("2024-02-29", True),
    ],
)
def test_is_working_day_follows_the_arrangement(day: str, expected: bool) -> None:
    assert CALENDAR.is_working_day(on(day)) is expected


@pytest.mark.parametrize(
    ("start", "working_days", "expected"),
    [
        ("2022-09-30", 5, "2022-10-12"),  # the example
        ("2022-09-30", 1, "2022-10-08"),
        ("2022-08-05", 10, "2022-08-19"),
        ("2022-08-30", 10, "2022-09-14"),
        ("2022-10-14", 10, "2022-10-28"),
        ("2022-09-16", 10, "2022-09-30"),
        ("2022-11-04", 10, "2022-11-18"),
        ("2022-12-09", 10, "2022-12-23"),
        ("2024-02-28", 1, "2024-02-29"),
        ("2024-02-29", 1, "2024-03-01"),
        ("2023-02-28", 1, "2023-03-01"),
        ("2027-12-31", 5, "2028-01-07"),
        ("2028-01-01", 1, "2028-01-03"),  # a Saturday beyond the published years
        ("2028-01-02", 5, "2028-01-07"),
        ("2018-12-31", 1, "2019-01-02"),
    ],
)
def test_add_working_days_does_not_count_the_start(
    start: str, working_days: int, expected: str
) -> None:
    assert CALENDAR.add_working_days(on(start), working_days) == on(expected)


@given(st.dates(date(2018, 1, 1), date(2030, 12, 31)), st.integers(1, 60))
def test_add_working_days_agrees_with_walking(start: date, working_days: int) -> None:
    assert CALENDAR.add_working_days(start, working_days) == naive_add(
        CALENDAR, start, working_days
    )


@given(st.dates(date(2018, 1, 1), date(2030, 12, 31)), st.integers(1, 60))
def test_working_days_between_inverts_add_working_days(start: date, working_days: int) -> None:
    end = CALENDAR.add_working_days(start, working_days)
    assert CALENDAR.working_days_between(start, end) == working_days
    assert CALENDAR.is_working_day(end)


def test_working_days_between_is_zero_backwards() -> None:
    assert CALENDAR.working_days_between(on("2022-08-05"), on("2022-08-01")) == 0
    assert CALENDAR.working_days_between(on("2022-08-05"), on("2022-08-05")) == 0


@pytest.mark.parametrize("working_days", [0, -1])
def test_add_working_days_refuses_less_than_one(working_days: int) -> None:
    with pytest.raises(RuleViolation, match="1 or more"):
        CALENDAR.add_working_days(on("2022-08-01"), working_days)


@pytest.mark.parametrize("working_days", [1, 10**6, 10**15])
def test_add_working_days_refuses_to_leave_the_calendar(working_days: int) -> None:
    with pytest.raises(RuleViolation, match="9999"):
        CALENDAR.add_working_days(date.max - timedelta(days=0), working_days)


def test_rolling_goes_to_the_neighbouring_working_day() -> None:
    assert CALENDAR.roll_forward(on("2022-10-01")) == on("2022-10-08")
    assert CALENDAR.roll_forward(on("2022-10-08")) == on("2022-10-08")
    assert CALENDAR.roll_back(on("2022-12-31")) == on("2022-12-30")
    assert CALENDAR.roll_back(on("2022-12-30")) == on("2022-12-30")
    assert CALENDAR.next_working_day(on("2022-09-30")) == on("2022-10-08")


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2022-01-01", "2022-12-31", False),
        ("2026-12-31", "2026-12-31", False),
        ("2026-12-31", "2027-01-04", True),
        ("2018-12-31", "2019-01-02", True),
    ],
)
def test_a_year_without_an_arrangement_is_provisional(start: str, end: str, expected: bool) -> None:
    assert CALENDAR.is_provisional(on(start), on(end)) is expected


def test_an_unpublished_year_counts_by_weekends() -> None:
    assert EMPTY.add_working_days(on("2022-09-30"), 5) == on("2022-10-07")


@pytest.mark.parametrize(
    ("holidays", "makeup", "years", "message"),
    [
        (["2022-10-08"], ["2022-10-08"], [2022], "contradicts itself on 2022-10-08"),
        ([], ["2022-10-10"], [2022], "2022-10-10 is listed as a make-up workday"),
        (["2023-01-01"], [], [2022], "2023-01-01 lies outside the year"),
        (["2021-11-30"], [], [2022], "2021-11-30 lies outside the year"),
        ([], ["2023-01-07"], [2022], "2023-01-07 lies outside the year"),
    ],
)
def test_a_damaged_calendar_is_refused(
    holidays: list[str], makeup: list[str], years: list[int], message: str
) -> None:
    with pytest.raises(CalendarError, match=message):
        WorkingCalendar.from_days(
            holidays=map(on, holidays), makeup_workdays=map(on, makeup), published_years=years
        )


def test_new_year_may_begin_in_december_of_the_year_before() -> None:
    calendar = WorkingCalendar.from_days(
        holidays=[on("2018-12-31"), on("2019-01-01")],
        makeup_workdays=[on("2018-12-29")],
        published_years=[2019],
    )
    assert calendar.add_working_days(on("2018-12-28"), 2) == on("2019-01-02")


def test_a_day_ends_at_midnight_in_beijing() -> None:
    assert due_end_of(on("2022-10-12")) == at("2022-10-13T00:00")
    assert due_end_of(on("2022-10-12")).tzinfo is BEIJING


def test_beijing_date_converts_from_any_zone() -> None:
    assert beijing_date(datetime(2022, 8, 4, 15, 59, 59, tzinfo=UTC)) == on("2022-08-04")
    assert beijing_date(datetime(2022, 8, 4, 16, 0, 0, tzinfo=UTC)) == on("2022-08-05")
