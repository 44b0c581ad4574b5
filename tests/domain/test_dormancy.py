"""Staff accounts nobody uses become dormant; those that come once a year do not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.domain.dormancy import WATCHED_ROLES, is_dormant, is_watched
from app.domain.terms import AccountKind
from app.domain.workflow import ActorRole as R
from tests.domain.moments import at

USED = at("2026-01-01T08:30:00")


@pytest.mark.parametrize(("seconds", "expected"), [(-1, False), (0, True), (1, True)])
def test_dormant_after_ninety_days_to_the_second(seconds, expected):
    now = USED + timedelta(days=90, seconds=seconds)
    assert is_dormant(USED, now=now) is expected


def test_only_administrators_reviewers_and_departments_are_watched():
    assert {role for role in R if role not in WATCHED_ROLES} == {
        R.UNIT_ADMIN,
        R.UNIT_HANDLER,
        R.APPLICANT,
        R.EXPERT,
        R.CHAIR,
        R.PUBLIC,
        R.SYSTEM,
    }


@pytest.mark.parametrize(
    ("kind", "roles", "expected"),
    [
        (AccountKind.PERSONAL, {R.HRSS, R.UNIT_ADMIN}, True),
        (AccountKind.PERSONAL, {R.EXPERT, R.COMMITTEE_OFFICE}, True),
        (AccountKind.UNIT, {R.HRSS, R.UNIT_ADMIN}, False),
        (AccountKind.PERSONAL, {R.APPLICANT, R.UNIT_HANDLER}, False),
        (AccountKind.PERSONAL, set(), False),
    ],
)
def test_unit_accounts_and_people_without_a_staff_role_are_not(kind, roles, expected):
    assert is_watched(kind, roles) is expected
