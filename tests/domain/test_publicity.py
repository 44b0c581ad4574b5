"""Five full working days, scheduled openings, and the two postings that must overlap."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import RuleViolation
from app.domain.publicity import (
    compute_latest_opening,
    compute_overlap,
    compute_publicity_period,
    require_both_posted,
    require_opening_ahead,
)
from app.domain.terms import PublicityDay1
from tests.domain.moments import CALENDAR, at, on

SAME_DAY = PublicityDay1.SAME_DAY_IF_BEFORE_09


def test_publicity_across_the_national_day() -> None:
    period = compute_publicity_period(at("2022-09-30T10:00"), CALENDAR)
    assert period.days == tuple(on(f"2022-10-{day}") for day in ("08", "09", "10", "11", "12"))
    assert period.starts_on == on("2022-10-08")
    assert period.ends_on == on("2022-10-12")
    assert period.ends_at == at("2022-10-13T00:00")


@pytest.mark.parametrize(
    ("opens_at", "ends_on"),
    [
        ("2022-08-07T00:00", "2022-08-12"),  # Sunday
        ("2022-08-07T23:59:59", "2022-08-12"),
        ("2022-08-08T00:00", "2022-08-15"),  # Monday: ends after D+10 of row 1
        ("2022-12-22T20:00", "2022-12-29"),
        ("2023-05-22T09:00", "2023-05-29"),
        ("2024-02-23T09:00", "2024-03-01"),  # across 29 February
    ],
)
def test_the_opening_day_does_not_count(opens_at: str, ends_on: str) -> None:
    assert compute_publicity_period(at(opens_at), CALENDAR).ends_on == on(ends_on)


@pytest.mark.parametrize(
    ("opens_at", "starts_on"),
    [
        ("2022-08-08T08:59:59", "2022-08-08"),
        ("2022-08-08T09:00:00", "2022-08-09"),
        ("2022-08-07T08:00:00", "2022-08-08"),  # a Sunday never counts
    ],
)
def test_the_opening_day_counts_before_nine_where_the_province_says_so(
    opens_at: str, starts_on: str
) -> None:
    period = compute_publicity_period(at(opens_at), CALENDAR, day1=SAME_DAY)
    assert period.starts_on == on(starts_on)
    assert len(period.days) == 5


def test_publicity_is_never_shorter_than_five_days() -> None:
    with pytest.raises(RuleViolation, match="at least 5"):
        compute_publicity_period(at("2022-08-07T00:00"), CALENDAR, working_days=4)
    assert len(compute_publicity_period(at("2022-08-07T00:00"), CALENDAR, working_days=7).days) == 7


@pytest.mark.parametrize(
    ("moment", "is_running", "is_over", "remaining"),
    [
        ("2022-08-06T23:59:59", False, False, 5),
        ("2022-08-07T10:00:00", True, False, 5),
        ("2022-08-08T23:59:59", True, False, 5),
        ("2022-08-09T00:00:00", True, False, 4),
        ("2022-08-12T23:59:59", True, False, 1),
        ("2022-08-13T00:00:00", False, True, 0),
        ("2022-08-13T00:00:01", False, True, 0),
    ],
)
def test_publicity_runs_to_the_end_of_its_last_day(
    moment: str, is_running: bool, is_over: bool, remaining: int
) -> None:
    period = compute_publicity_period(at("2022-08-07T10:00"), CALENDAR)
    assert period.is_running(at(moment)) is is_running
    assert period.is_over(at(moment)) is is_over
    assert period.count_remaining_days(at(moment)) == remaining


def test_an_extension_adds_working_days() -> None:
    period = compute_publicity_period(at("2022-08-07T10:00"), CALENDAR)
    longer = period.extend(2, CALENDAR)
    assert longer.ends_on == on("2022-08-16")
    assert longer.days[:5] == period.days


def test_an_opening_is_scheduled_ahead() -> None:
    now = at("2022-08-07T10:00:00.7")
    require_opening_ahead(at("2022-08-07T10:00:00"), now=now)
    require_opening_ahead(at("2022-08-13T00:00:00"), now=now)
    with pytest.raises(RuleViolation, match="2022-08-07 09:59"):
        require_opening_ahead(at("2022-08-07T09:59:59"), now=now)


def test_later_start_and_earlier_end_decide() -> None:
    system = compute_publicity_period(at("2022-09-29T10:00"), CALENDAR)  # 09-30, 10-08 … 11
    site = compute_publicity_period(at("2022-09-30T10:00"), CALENDAR)  # 10-08 … 12
    expected = tuple(on(f"2022-10-{day}") for day in ("08", "09", "10", "11"))
    assert compute_overlap(system, site, CALENDAR) == expected
    with pytest.raises(RuleViolation, match="4 working"):
        require_both_posted(system, site, CALENDAR)
    require_both_posted(system.extend(1, CALENDAR), site, CALENDAR)


def test_postings_apart_do_not_overlap() -> None:
    system = compute_publicity_period(at("2022-08-07T10:00"), CALENDAR)
    site = compute_publicity_period(at("2022-08-21T10:00"), CALENDAR)
    assert compute_overlap(system, site, CALENDAR) == ()


@given(st.dates(date(2019, 2, 1), date(2026, 11, 30)))
def test_the_latest_opening_ends_before_the_limit_and_the_next_day_does_not(limit: date) -> None:
    latest = compute_latest_opening(limit, CALENDAR)
    period = compute_publicity_period(at(f"{latest}T12:00"), CALENDAR)
    assert period.ends_on < limit
    later = compute_publicity_period(at(f"{latest + timedelta(days=1)}T12:00"), CALENDAR)
    assert later.ends_on >= limit
