"""Every figure of rules 1.5, A3 and 3.3 that follows from Annex 1, and the edges of a window."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.domain.errors import (
    MilestoneOrderError,
    RescheduleRefusedError,
    RuleViolation,
    WindowClosedError,
)
from app.domain.plan import (
    compute_drafting_opens_at,
    is_account_creation_late,
    is_call_late,
    is_specialty_proposal_late,
    may_review_this_year,
    require_drafting_open,
)
from app.domain.terms import PublicityDay1
from tests.domain.moments import CALENDAR, WINDOWS, at, on

W1 = WINDOWS[1]

# row, D, call, D+10 natural, D+10 working, latest publicity, nodes, latest ballot
ANNEX_1 = [
    (1, "08-05", "2022-07-02", "2022-08-15", "2022-08-19", "2022-08-07", 7, "2022-12-22"),
    (2, "08-30", "2022-07-26", "2022-09-09", "2022-09-14", "2022-09-01", 4, "2022-12-22"),
    (3, "10-14", "2022-09-10", "2022-10-24", "2022-10-28", "2022-10-16", 5, "2022-12-22"),
    (4, "09-16", "2022-08-13", "2022-09-26", "2022-09-30", "2022-09-18", 3, "2022-12-22"),
    (5, "09-16", "2022-08-13", "2022-09-26", "2022-09-30", "2022-09-18", 3, "2022-12-22"),
    (6, "11-04", "2022-10-02", "2022-11-14", "2022-11-18", "2022-11-06", 5, "2023-05-22"),
    (7, "12-09", "2022-11-05", "2022-12-19", "2022-12-23", "2022-12-11", 6, "2023-05-22"),
    (8, "12-09", "2022-11-05", "2022-12-19", "2022-12-23", "2022-12-11", 6, "2023-05-22"),
]


@pytest.mark.parametrize(
    ("row", "last_day", "call", "push", "push_working", "publicity", "nodes", "ballot"), ANNEX_1
)
def test_annex_1_with_what_the_calendar_does_to_it(
    row: int,
    last_day: str,
    call: str,
    push: str,
    push_working: str,
    publicity: str,
    nodes: int,
    ballot: str,
) -> None:
    window = WINDOWS[row]
    window.require_order()
    assert window.applications_close_on == on(f"2022-{last_day}")
    assert window.latest_call_on == on(call)
    assert window.unit_push_due_on(CALENDAR) == on(push)
    assert CALENDAR.add_working_days(window.applications_close_on, 10) == on(push_working)
    assert window.latest_publicity_on(CALENDAR) == on(publicity)
    assert window.nodes_that_fit(CALENDAR) == nodes
    assert window.latest_ballot_on(CALENDAR) == on(ballot)


def test_the_three_nodes_of_rows_4_and_5() -> None:
    expected = (on("2022-09-29"), on("2022-10-09"), on("2022-10-12"))
    assert WINDOWS[4].node_due_dates(CALENDAR) == expected
    assert WINDOWS[5].node_due_dates(CALENDAR) == expected


def test_unit_push_ends_with_its_day() -> None:
    assert W1.unit_push_due_at(CALENDAR) == at("2022-08-16T00:00")


def test_unit_push_rolls_over_a_holiday() -> None:
    window = replace(W1, closes_at=at("2022-09-22T17:00"))
    assert window.unit_push_due_on(CALENDAR) == on("2022-10-08")


def test_latest_publicity_counts_its_own_day_where_the_province_says_so() -> None:
    day1 = PublicityDay1.SAME_DAY_IF_BEFORE_09
    assert W1.latest_publicity_on(CALENDAR, day1=day1) == on("2022-08-08")


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2022-08-01T07:59:59", False),
        ("2022-08-01T08:00:00", True),
        ("2022-08-01T08:00:01", True),
        ("2022-08-03T03:00:00", True),  # nights belong to the window
        ("2022-08-05T16:59:59", True),
        ("2022-08-05T17:00:00", True),
        ("2022-08-05T17:00:00.999999", True),  # whole seconds
        ("2022-08-05T17:00:01", False),
    ],
)
def test_window_edges_in_whole_seconds(moment: str, expected: bool) -> None:
    assert W1.is_open(at(moment)) is expected


def test_window_is_closed_only_after_its_last_second() -> None:
    assert not W1.is_closed(at("2022-07-01T00:00"))
    assert not W1.is_closed(at("2022-08-05T17:00:00.5"))
    assert W1.is_closed(at("2022-08-05T17:00:01"))


def test_window_compares_instants_of_any_zone() -> None:
    assert W1.is_open(datetime(2022, 8, 5, 9, 0, 0, tzinfo=UTC))
    assert not W1.is_open(datetime(2022, 8, 5, 9, 0, 1, tzinfo=UTC))


def test_require_open_names_the_window() -> None:
    W1.require_open(at("2022-08-05T17:00:00"))
    window = replace(W1, line="工程技术")
    with pytest.raises(WindowClosedError) as caught:
        window.require_open(at("2022-08-05T17:00:01"))
    assert caught.value.params == {
        "series": "工程技术",
        "opens": "2022-08-01 08:00",
        "closes": "2022-08-05 17:00",
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"opens_at": at("2022-08-05T17:00")}, "must start before it ends"),
        ({"receipt_due_at": at("2022-08-05T17:00")}, "end before the receipt deadline"),
        ({"policy_review_due_on": on("2022-09-15")}, "before the policy-review deadline"),
        ({"online_review_due_on": on("2022-11-29")}, "after the online-review deadline"),
    ],
)
def test_milestones_out_of_order_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(MilestoneOrderError, match=message):
        replace(W1, **change).require_order()  # type: ignore[arg-type]


def test_policy_and_online_review_may_end_on_the_same_day() -> None:
    replace(W1, policy_review_due_on=on("2022-12-31")).require_order()


BEFORE = at("2022-08-01T07:59:59")
AFTER = at("2022-08-01T08:00:00")


def test_a_line_moves_freely_before_it_opens() -> None:
    moved = replace(W1, opens_at=at("2022-08-02T08:00"), closes_at=at("2022-08-04T17:00"))
    W1.require_reschedulable(moved, now=BEFORE)


def test_a_line_cannot_move_into_the_past() -> None:
    moved = replace(W1, opens_at=at("2022-07-01T08:00"), closes_at=at("2022-07-05T17:00"))
    with pytest.raises(RuleViolation, match="passed already"):
        W1.require_reschedulable(moved, now=BEFORE)


def test_an_open_line_can_be_lengthened() -> None:
    longer = replace(
        W1,
        closes_at=at("2022-08-12T17:00"),
        receipt_due_at=at("2022-09-22T17:00"),
        policy_review_due_on=on("2022-12-01"),
        online_review_due_on=on("2023-01-31"),
    )
    W1.require_reschedulable(longer, now=AFTER)
    W1.require_reschedulable(W1, now=AFTER)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"closes_at": at("2022-08-05T16:59:59")}, "not before 2022-08-05 17:00"),
        ({"receipt_due_at": at("2022-09-15T16:59")}, "not before 2022-09-15 17:00"),
        ({"policy_review_due_on": on("2022-11-29")}, "not before 2022-11-30"),
        ({"online_review_due_on": on("2022-12-30")}, "not before 2022-12-31"),
    ],
)
def test_an_open_line_is_never_shortened(change: dict[str, object], message: str) -> None:
    with pytest.raises(RescheduleRefusedError, match=message):
        W1.require_reschedulable(replace(W1, **change), now=AFTER)  # type: ignore[arg-type]


def test_the_start_of_an_open_line_is_history() -> None:
    moved = replace(W1, opens_at=at("2022-08-02T08:00"))
    with pytest.raises(RuleViolation, match="2022-08-01 08:00"):
        W1.require_reschedulable(moved, now=AFTER)


def test_rescheduling_keeps_the_order() -> None:
    with pytest.raises(MilestoneOrderError):
        W1.require_reschedulable(replace(W1, closes_at=at("2022-10-01T17:00")), now=BEFORE)


def test_drafting_opens_on_1_july() -> None:
    assert compute_drafting_opens_at(2022) == at("2022-07-01T00:00")
    require_drafting_open(2022, now=at("2022-07-01T00:00:00"))
    with pytest.raises(RuleViolation, match="2022-07-01"):
        require_drafting_open(2022, now=at("2022-06-30T23:59:59"))


@pytest.mark.parametrize(("day", "expected"), [("2022-07-02", False), ("2022-07-03", True)])
def test_call_is_late_after_its_thirtieth_day(day: str, expected: bool) -> None:
    assert is_call_late(on(day), W1) is expected


def test_set_up_dates_include_their_day() -> None:
    assert not is_account_creation_late(on("2022-06-30"), 2022)
    assert is_account_creation_late(on("2022-07-01"), 2022)
    assert not is_specialty_proposal_late(on("2022-06-20"), 2022)
    assert is_specialty_proposal_late(on("2022-06-21"), 2022)


def test_no_review_without_a_filing_by_30_may() -> None:
    assert may_review_this_year(on("2022-05-30"), 2022)
    assert not may_review_this_year(on("2022-05-31"), 2022)
    assert not may_review_this_year(None, 2022)
    assert may_review_this_year(None, 2022, has_exemption=True)
