"""Due instants of nodes and corrections; the last second; who overran."""

from __future__ import annotations

import pytest

from app.domain.deadlines import (
    HOST_CORRECTION_WORKING_DAYS,
    Overrun,
    StepTimes,
    compute_correction_due_at,
    compute_falls_due_at,
    compute_forward_due_at,
    count_overdue_hours,
    count_working_days_left,
    find_overruns,
    is_overdue,
)
from app.domain.errors import NotPermittedError, RuleViolation
from tests.domain.moments import CALENDAR, at

RECEIPT = at("2022-11-14T17:00")  # row 3, far enough for the examples
ROW_1 = at("2022-09-15T17:00")


@pytest.mark.parametrize(
    ("received_at", "due_at"),
    [
        ("2022-08-15T09:00", "2022-08-19T00:00"),  # Monday → Thursday 08-18, 24:00
        ("2022-08-15T23:59:59", "2022-08-19T00:00"),
        ("2022-08-13T00:00", "2022-08-18T00:00"),  # Saturday → Wednesday 08-17
        ("2022-09-30T12:00", "2022-10-11T00:00"),  # Friday → Monday 10-10
        ("2022-10-08T12:00", "2022-10-12T00:00"),  # make-up Saturday → Tuesday 10-11
    ],
)
def test_a_node_has_three_working_days(received_at: str, due_at: str) -> None:
    assert compute_forward_due_at(at(received_at), RECEIPT, CALENDAR) == at(due_at)


@pytest.mark.parametrize(
    ("received_at", "due_at"),
    [
        ("2022-09-08T10:00", "2022-09-15T00:00"),  # 09-09, 13, 14
        ("2022-09-09T10:00", "2022-09-15T17:00"),  # third day is the deadline's: cut to 17:00
        ("2022-09-13T10:00", "2022-09-15T17:00"),
    ],
)
def test_a_node_is_capped_by_the_receipt_deadline(received_at: str, due_at: str) -> None:
    assert compute_forward_due_at(at(received_at), ROW_1, CALENDAR) == at(due_at)


@pytest.mark.parametrize(
    ("returned_at", "due_at"),
    [
        ("2022-08-15T10:00", "2022-08-19T00:00"),  # three working days
        ("2022-09-09T10:00", "2022-09-15T00:00"),  # last working day before the deadline: 09-14
        ("2022-09-13T23:59:59", "2022-09-15T00:00"),  # one working day left
    ],
)
def test_a_correction_ends_before_the_receipt_deadline(returned_at: str, due_at: str) -> None:
    assert compute_correction_due_at(at(returned_at), ROW_1, CALENDAR) == at(due_at)


def test_only_the_province_grants_a_correction_of_less_than_a_day() -> None:
    returned_at = at("2022-09-14T00:00")
    with pytest.raises(NotPermittedError, match="provincial HRSS"):
        compute_correction_due_at(returned_at, ROW_1, CALENDAR)
    granted = compute_correction_due_at(returned_at, ROW_1, CALENDAR, is_granted_by_province=True)
    assert granted == ROW_1


def test_nothing_is_returned_after_the_deadline() -> None:
    with pytest.raises(RuleViolation, match="has passed"):
        compute_correction_due_at(ROW_1, ROW_1, CALENDAR, is_granted_by_province=True)


@pytest.mark.parametrize(
    ("returned_at", "due_at"),
    [
        ("2022-11-01T10:00", "2022-11-09T00:00"),  # five working days
        ("2022-11-28T10:00", "2022-12-01T00:00"),  # capped by 11-30, 24:00
        ("2022-11-29T10:00", "2022-12-01T00:00"),
    ],
)
def test_the_hosts_correction_ends_with_the_policy_review(returned_at: str, due_at: str) -> None:
    due = compute_correction_due_at(
        at(returned_at),
        at("2022-12-01T00:00"),  # the end of 11-30
        CALENDAR,
        working_days=HOST_CORRECTION_WORKING_DAYS,
    )
    assert due == at(due_at)


def test_a_printed_instant_falls_due_one_second_later() -> None:
    assert compute_falls_due_at(ROW_1) == at("2022-09-15T17:00:01")


def test_the_end_of_a_day_falls_due_at_midnight() -> None:
    assert compute_falls_due_at(at("2022-08-19T00:00")) == at("2022-08-19T00:00")


@pytest.mark.parametrize(
    ("due_at", "now", "expected"),
    [
        ("2022-09-15T17:00", "2022-09-15T16:59:59", False),
        ("2022-09-15T17:00", "2022-09-15T17:00:00", False),
        ("2022-09-15T17:00", "2022-09-15T17:00:00.999999", False),
        ("2022-09-15T17:00", "2022-09-15T17:00:01", True),
        ("2022-08-19T00:00", "2022-08-18T23:59:59", False),
        ("2022-08-19T00:00", "2022-08-19T00:00:00", True),
    ],
)
def test_overdue_in_whole_seconds(due_at: str, now: str, expected: bool) -> None:
    assert is_overdue(at(due_at), now=at(now)) is expected


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        ("2022-08-18T23:59:59", 0),
        ("2022-08-19T00:00:00", 1),
        ("2022-08-19T01:00:00", 1),
        ("2022-08-19T01:00:01", 2),
        ("2022-08-20T00:00:00", 24),
    ],
)
def test_overdue_hours_count_each_hour_begun(now: str, hours: int) -> None:
    assert count_overdue_hours(at("2022-08-19T00:00"), now=at(now)) == hours


@pytest.mark.parametrize(
    ("now", "left"),
    [
        ("2022-08-15T10:00", 3),
        ("2022-08-17T10:00", 1),
        ("2022-08-18T10:00", 0),
        ("2022-08-19T10:00", 0),
    ],
)
def test_working_days_left_until_the_end_of_a_day(now: str, left: int) -> None:
    assert count_working_days_left(at("2022-08-19T00:00"), CALENDAR, now=at(now)) == left


def test_every_node_that_overran_is_listed_with_its_hours() -> None:
    due = at("2022-08-19T00:00")
    steps = [
        StepTimes("in time", due, at("2022-08-18T23:59:59")),
        StepTimes("late", due, at("2022-08-19T05:30")),
        StepTimes("still there", at("2022-09-15T17:00"), None),
        StepTimes("not due", at("2022-10-15T17:00"), None),
    ]
    assert find_overruns(steps, now=at("2022-09-16T17:00")) == (
        Overrun("late", 6),
        Overrun("still there", 24),
    )
