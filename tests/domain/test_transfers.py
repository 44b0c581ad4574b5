"""Who decides about a transfer, until when, and what moves (rules E7, B7)."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from app.domain.calendar import WorkingCalendar
from app.domain.errors import ConflictError, RuleViolation
from app.domain.routing import UnitRef
from app.domain.terms import AdministrativeLevel, TransferState, UnitKind
from app.domain.transfers import (
    blocks_transfer,
    compute_transfer_due_at,
    find_deciding_department,
    require_start,
    roles_after_leaving,
    state_at,
)
from app.domain.workflow import ActorRole as R
from app.domain.workflow import State
from tests.domain.moments import at

NATIONAL_DAY = WorkingCalendar.from_days(
    holidays=[date(2022, 10, day) for day in range(1, 8)],
    makeup_workdays=[date(2022, 10, 8), date(2022, 10, 9)],
    published_years=[2022],
)


def unit(number: int, kind: UnitKind, *, active: bool = True, level=None) -> UnitRef:
    return UnitRef(id=number, kind=kind, level=level, parent_id=None, is_active=active)


PROVINCE = unit(1, UnitKind.HRSS, level=AdministrativeLevel.PROVINCE)
CITY = unit(2, UnitKind.HRSS, level=AdministrativeLevel.PREFECTURE)
COUNTY = unit(3, UnitKind.HRSS, level=AdministrativeLevel.COUNTY)
OFFICE = unit(4, UnitKind.COMPETENT_DEPARTMENT)
FIRST, SECOND = unit(5, UnitKind.EMPLOYER), unit(6, UnitKind.EMPLOYER)


@pytest.mark.parametrize(
    ("asked", "due"),
    [
        ("2022-08-03T09:00:00", "2022-08-11T00:00:00"),
        ("2022-08-03T23:59:59", "2022-08-11T00:00:00"),
        ("2022-08-06T10:00:00", "2022-08-13T00:00:00"),
        ("2022-09-30T10:00:00", "2022-10-13T00:00:00"),
    ],
)
def test_present_unit_has_five_working_days_not_counting_the_day_of_asking(asked, due):
    assert compute_transfer_due_at(at(asked), NATIONAL_DAY) == at(due)


@pytest.mark.parametrize(
    ("state", "after"),
    [
        (TransferState.ASKED, TransferState.ESCALATED),
        (TransferState.PROPOSED, TransferState.EXPIRED),
        (TransferState.ESCALATED, TransferState.ESCALATED),
        (TransferState.RELEASED, TransferState.RELEASED),
        (TransferState.WITHDRAWN, TransferState.WITHDRAWN),
    ],
)
def test_request_changes_at_the_end_of_the_fifth_day_to_the_second(state, after):
    due = at("2022-08-11T00:00:00")
    one = timedelta(seconds=1)
    assert [state_at(state, due, now=now) for now in (due - one, due, due + one)] == [
        state,
        after,
        after,
    ]


@pytest.mark.parametrize(
    ("from_chain", "to_chain", "decider"),
    [
        ([PROVINCE, CITY, COUNTY, FIRST], [PROVINCE, CITY, COUNTY, SECOND], COUNTY),
        ([PROVINCE, CITY, COUNTY, OFFICE, FIRST], [PROVINCE, CITY, COUNTY, OFFICE, SECOND], COUNTY),
        ([PROVINCE, CITY, COUNTY, FIRST], [PROVINCE, CITY, SECOND], CITY),
        ([PROVINCE, CITY, FIRST], [PROVINCE, OFFICE, SECOND], PROVINCE),
        ([PROVINCE, CITY, COUNTY], [PROVINCE, CITY, COUNTY, FIRST], CITY),
        ([PROVINCE, CITY, COUNTY, FIRST], [PROVINCE, CITY, COUNTY], CITY),
        ([PROVINCE], [PROVINCE, CITY], PROVINCE),
    ],
)
def test_lowest_department_above_both_decides(from_chain, to_chain, decider):
    assert find_deciding_department(from_chain, to_chain) == decider


def test_inactive_department_does_not_decide():
    closed = unit(3, UnitKind.HRSS, active=False, level=AdministrativeLevel.COUNTY)
    chains = [PROVINCE, CITY, closed, FIRST], [PROVINCE, CITY, closed, SECOND]
    assert find_deciding_department(*chains) == CITY


def test_applications_under_way_block_ended_ones_and_drafts_do_not():
    assert {state for state in State if not blocks_transfer(state)} == {
        State.DRAFT,
        State.LAPSED,
        State.DECLINED,
        State.REJECTED,
        State.NOT_PASSED,
        State.WITHDRAWN,
        State.DISQUALIFIED,
        State.CERTIFIED,
        State.REVOKED,
    }


@pytest.mark.parametrize(
    ("held", "kept"),
    [
        ({R.APPLICANT}, {R.APPLICANT}),
        ({R.UNIT_HANDLER}, {R.APPLICANT}),
        ({R.UNIT_HANDLER, R.EXPERT, R.CHAIR}, {R.APPLICANT, R.EXPERT, R.CHAIR}),
        ({R.HRSS, R.UNIT_ADMIN}, {R.APPLICANT}),
        ({R.PROVINCE_HRSS}, {R.APPLICANT}),
    ],
)
def test_roles_of_the_unit_end_those_of_the_person_stay(held, kept):
    assert roles_after_leaving(held) == kept


@pytest.mark.parametrize("role", [R.SYSTEM_ADMIN, R.SECURITY_ADMIN, R.AUDIT_ADMIN])
def test_administrator_is_not_transferred(role):
    with pytest.raises(ConflictError):
        roles_after_leaving({role})


def test_affiliations_follow_each_other_without_gap_or_overlap():
    since, today = date(2022, 8, 1), date(2022, 8, 10)
    asked = date(2022, 8, 2)
    assert require_start(date(2022, 8, 2), since=since, asked_on=asked, today=today) == date(
        2022, 8, 1
    )
    assert require_start(today, since=since, asked_on=asked, today=today) == date(2022, 8, 9)
    assert require_start(today, since=None, asked_on=asked, today=today) == date(2022, 8, 9)
    for day in (date(2022, 8, 1), date(2022, 7, 31), date(2022, 8, 11)):
        with pytest.raises(RuleViolation):
            require_start(day, since=since, asked_on=asked, today=today)


def test_nobody_begins_in_the_new_unit_before_it_was_asked_for():
    asked, today = date(2022, 8, 3), date(2022, 8, 10)
    assert require_start(asked, since=None, asked_on=asked, today=today) == date(2022, 8, 2)
    with pytest.raises(RuleViolation, match="2022-08-03"):
        require_start(date(2022, 8, 2), since=None, asked_on=asked, today=today)
