"""Which roles may be handed out, and over whose accounts one has a say."""

from __future__ import annotations

import pytest

from app.domain.errors import ConflictError, NotPermittedError, RuleViolation
from app.domain.roles import (
    grantable_by,
    may_manage,
    require_may_grant,
    require_not_last,
    require_roles_fit,
    roles_of_unit_account,
)
from app.domain.routing import UnitRef
from app.domain.terms import AdministrativeLevel, UnitKind
from app.domain.workflow import ActorRole as R


def unit(kind: UnitKind, level: AdministrativeLevel | None = None) -> UnitRef:
    return UnitRef(id=1, kind=kind, level=level, parent_id=None)


PROVINCE = unit(UnitKind.HRSS, AdministrativeLevel.PROVINCE)
COUNTY = unit(UnitKind.HRSS, AdministrativeLevel.COUNTY)
EMPLOYER = unit(UnitKind.EMPLOYER)


@pytest.mark.parametrize(
    ("ref", "role"),
    [
        (PROVINCE, R.PROVINCE_HRSS),
        (COUNTY, R.HRSS),
        (unit(UnitKind.COMPETENT_DEPARTMENT), R.COMPETENT_DEPARTMENT),
        (EMPLOYER, R.UNIT_ADMIN),
        (unit(UnitKind.NON_PUBLIC), R.UNIT_ADMIN),
        (unit(UnitKind.DESIGNATED_AGENCY), R.UNIT_ADMIN),
    ],
)
def test_unit_account_has_the_role_of_its_kind_and_administers_its_people(ref, role):
    assert roles_of_unit_account(ref) == {role, R.UNIT_ADMIN}


def test_nobody_but_the_security_administrator_makes_administrators():
    for role in R:
        makes = grantable_by([role]) & {R.SYSTEM_ADMIN, R.SECURITY_ADMIN, R.AUDIT_ADMIN}
        assert makes == ({R.SYSTEM_ADMIN, R.AUDIT_ADMIN} if role is R.SECURITY_ADMIN else set())


def test_no_role_grants_itself():
    for role in R:
        assert role not in grantable_by([role])


@pytest.mark.parametrize("role", [R.SYSTEM_ADMIN, R.SECURITY_ADMIN, R.AUDIT_ADMIN])
def test_last_administrator_of_a_kind_stays(role):
    require_not_last(role, others=1)
    require_not_last(R.PROVINCE_HRSS, others=0)
    with pytest.raises(ConflictError):
        require_not_last(role, others=0)


@pytest.mark.parametrize("role", [R.HRSS, R.COMPETENT_DEPARTMENT, R.APPLICANT, R.SYSTEM_ADMIN])
def test_these_roles_grant_nothing(role):
    assert grantable_by([role]) == frozenset()


def test_granting_beyond_reach_is_refused_both_ways():
    require_may_grant([R.UNIT_ADMIN], frozenset(), frozenset({R.UNIT_HANDLER}))
    with pytest.raises(NotPermittedError):
        require_may_grant([R.UNIT_ADMIN], frozenset(), frozenset({R.HRSS}))
    with pytest.raises(NotPermittedError):
        require_may_grant([R.UNIT_ADMIN], frozenset({R.HRSS}), frozenset())


@pytest.mark.parametrize(
    ("roles", "ref", "has_person"),
    [
        ({R.SYSTEM_ADMIN, R.AUDIT_ADMIN}, PROVINCE, True),
        ({R.SYSTEM_ADMIN, R.APPLICANT}, PROVINCE, True),
        ({R.UNIT_HANDLER}, EMPLOYER, False),
        ({R.EXPERT}, EMPLOYER, False),
        ({R.PROVINCE_HRSS}, COUNTY, True),
        ({R.HRSS}, PROVINCE, True),
        ({R.HRSS}, EMPLOYER, True),
        ({R.COMPETENT_DEPARTMENT}, EMPLOYER, True),
    ],
)
def test_roles_that_contradict_are_refused(roles, ref, has_person):
    with pytest.raises(RuleViolation):
        require_roles_fit(frozenset(roles), ref, has_person=has_person)


@pytest.mark.parametrize(
    ("roles", "ref", "has_person"),
    [
        ({R.SYSTEM_ADMIN}, PROVINCE, True),
        ({R.PROVINCE_HRSS}, PROVINCE, False),
        ({R.HRSS, R.UNIT_ADMIN}, COUNTY, False),
        ({R.APPLICANT, R.UNIT_HANDLER, R.EXPERT}, EMPLOYER, True),
    ],
)
def test_fitting_roles_pass(roles, ref, has_person):
    require_roles_fit(frozenset(roles), ref, has_person=has_person)


@pytest.mark.parametrize(
    ("manager", "path", "target", "target_path", "expected"),
    [
        ({R.UNIT_ADMIN}, "/1/5/", {R.APPLICANT}, "/1/5/", True),
        ({R.UNIT_HANDLER}, "/1/5/", {R.APPLICANT}, "/1/5/", True),
        ({R.UNIT_HANDLER}, "/1/5/", {R.UNIT_HANDLER}, "/1/5/", False),
        ({R.UNIT_ADMIN}, "/1/5/", {R.UNIT_ADMIN}, "/1/5/", False),
        ({R.UNIT_ADMIN}, "/1/5/", {R.UNIT_ADMIN}, "/1/5/9/", True),
        ({R.UNIT_ADMIN}, "/1/5/", {R.APPLICANT, R.EXPERT}, "/1/5/", False),
        ({R.HRSS}, "/1/5/", {R.HRSS, R.UNIT_ADMIN}, "/1/5/7/", True),
        ({R.HRSS}, "/1/5/", {R.HRSS}, "/1/5/", False),
        ({R.HRSS}, "/1/5/", {R.APPLICANT}, "/1/50/", False),
        ({R.HRSS}, "", {R.APPLICANT}, "/1/5/", False),
        ({R.PROVINCE_HRSS}, "/1/", {R.EXPERT, R.APPLICANT}, "/1/5/", True),
        ({R.PROVINCE_HRSS}, "/1/", {R.SYSTEM_ADMIN}, "/1/", False),
        ({R.PROVINCE_HRSS}, "/1/", {R.PROVINCE_HRSS}, "/1/", False),
        ({R.SECURITY_ADMIN}, "", {R.PROVINCE_HRSS}, "/1/", True),
        ({R.AUDIT_ADMIN}, "/1/", {R.APPLICANT}, "/1/5/", False),
        ({R.APPLICANT}, "/1/5/", {R.APPLICANT}, "/1/5/", False),
    ],
)
def test_who_looks_after_whose_account(manager, path, target, target_path, expected):
    assert may_manage(manager, path, frozenset(target), target_path) is expected
