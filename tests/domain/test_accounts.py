"""Who may create whom (E5, Annex 3), whose territory it is, and what a password must be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.domain.accounts import (
    NewPerson,
    NewUnit,
    may_create_account,
    require_may_create_account,
    territorial_department,
)
from app.domain.errors import NotPermittedError, RouteError
from app.domain.routing import UnitRef
from app.domain.terms import AdministrativeLevel, ApplicantKind, UnitKind
from app.domain.workflow import ActorRole

PROVINCE, PREFECTURE, COUNTY = AdministrativeLevel
K = UnitKind
ADMIN = ActorRole.UNIT_ADMIN

CAST = {
    "province": UnitRef("province", K.HRSS, PROVINCE, None, division_code="520000"),
    "city": UnitRef("city", K.HRSS, PREFECTURE, "province", division_code="520100"),
    "county": UnitRef("county", K.HRSS, COUNTY, "city", division_code="520102"),
    "department": UnitRef("department", K.COMPETENT_DEPARTMENT, PREFECTURE, "city"),
    "hospital": UnitRef("hospital", K.EMPLOYER, PREFECTURE, "department"),
    "company": UnitRef("company", K.NON_PUBLIC, None, "county"),
    "agency": UnitRef("agency", K.DESIGNATED_AGENCY, COUNTY, "county"),
}


@pytest.mark.parametrize(
    ("creator", "target"),
    [
        ("province", NewUnit(K.HRSS, "province", PREFECTURE)),
        ("province", NewUnit(K.COMPETENT_DEPARTMENT, "province", PROVINCE)),
        ("province", NewUnit(K.NON_PUBLIC, "province", registrar_level=PROVINCE)),
        ("province", NewUnit(K.DESIGNATED_AGENCY, "province", PROVINCE)),
        ("city", NewUnit(K.HRSS, "city", COUNTY)),
        ("city", NewUnit(K.COMPETENT_DEPARTMENT, "city", PREFECTURE)),
        ("city", NewUnit(K.NON_PUBLIC, "city", registrar_level=PREFECTURE)),
        ("county", NewUnit(K.NON_PUBLIC, "county", registrar_level=COUNTY)),
        ("county", NewPerson(ApplicantKind.FREELANCER, "county")),
        ("county", NewPerson(ApplicantKind.SOLE_PROPRIETOR, "county")),
        ("county", NewPerson(ApplicantKind.EMPLOYEE, "county")),
        ("department", NewUnit(K.EMPLOYER, "department", PREFECTURE)),
        ("hospital", NewUnit(K.EMPLOYER, "hospital", has_own_code=False)),
        ("hospital", NewPerson(ApplicantKind.EMPLOYEE, "hospital")),
        ("company", NewUnit(K.NON_PUBLIC, "company", has_own_code=False)),
        ("company", NewPerson(ApplicantKind.EMPLOYEE, "company")),
        ("agency", NewUnit(K.NON_PUBLIC, "county", registrar_level=COUNTY)),
        ("agency", NewUnit(K.NON_PUBLIC, "agency", registrar_level=COUNTY)),
        ("agency", NewPerson(ApplicantKind.FREELANCER, "agency")),
    ],
)
def test_accounts_are_created_from_top_to_bottom(creator: str, target: NewUnit | NewPerson) -> None:
    assert may_create_account(CAST[creator], ADMIN, target)
    require_may_create_account(CAST[creator], ADMIN, target)


@pytest.mark.parametrize(
    ("creator", "target", "message"),
    [
        ("province", NewUnit(K.HRSS, "province", COUNTY), "one level below"),  # skipping
        ("province", NewUnit(K.HRSS, "province", PROVINCE), "one level below"),  # sideways
        ("province", NewUnit(K.HRSS, "province"), "one level below"),
        ("county", NewUnit(K.HRSS, "county", PREFECTURE), "one level below"),  # upwards
        ("province", NewUnit(K.HRSS, "city", COUNTY), "directly below"),
        ("city", NewUnit(K.COMPETENT_DEPARTMENT, "city", COUNTY), "of its own level"),
        ("city", NewUnit(K.DESIGNATED_AGENCY, "city", COUNTY), "of its own level"),
        ("city", NewUnit(K.EMPLOYER, "city", PREFECTURE), "created by that department"),
        ("city", NewUnit(K.NON_PUBLIC, "city", registrar_level=COUNTY), "level of its registrar"),
        ("city", NewUnit(K.NON_PUBLIC, "city"), "level of its registrar"),
        ("city", NewUnit(K.NON_PUBLIC, "county", registrar_level=PREFECTURE), "directly below"),
        ("city", NewPerson(ApplicantKind.FREELANCER, "city"), "their county"),
        ("county", NewPerson(ApplicantKind.EMPLOYEE, "hospital"), "own people only"),
        ("department", NewUnit(K.COMPETENT_DEPARTMENT, "department", COUNTY), "it manages"),
        ("department", NewUnit(K.NON_PUBLIC, "department"), "it manages"),
        ("department", NewUnit(K.EMPLOYER, "hospital"), "directly below"),
        ("hospital", NewUnit(K.EMPLOYER, "hospital"), "without a unified social credit code"),
        ("hospital", NewUnit(K.NON_PUBLIC, "hospital", has_own_code=False), "subordinate units"),
        ("hospital", NewPerson(ApplicantKind.EMPLOYEE, "company"), "misconduct"),
        ("hospital", NewPerson(ApplicantKind.FREELANCER, "hospital"), "their county"),
        ("agency", NewUnit(K.EMPLOYER, "county"), "designated agency creates"),
        ("agency", NewUnit(K.NON_PUBLIC, "city", registrar_level=COUNTY), "designated agency"),
        ("agency", NewUnit(K.NON_PUBLIC, "county", registrar_level=PROVINCE), "registrar"),
    ],
)
def test_nothing_sideways_and_nothing_skipped(
    creator: str, target: NewUnit | NewPerson, message: str
) -> None:
    assert not may_create_account(CAST[creator], ADMIN, target)
    with pytest.raises(NotPermittedError, match=message):
        require_may_create_account(CAST[creator], ADMIN, target)


@pytest.mark.parametrize("role", list(ActorRole))
def test_operators_and_people_create_no_accounts(role: ActorRole) -> None:
    expected = role in {
        "province_hrss",
        "hrss",
        "competent_department",
        "unit_admin",
        "unit_handler",
    }
    target = NewPerson(ApplicantKind.EMPLOYEE, "hospital")
    assert may_create_account(CAST["hospital"], role, target) is expected


def test_an_inactive_unit_creates_nothing() -> None:
    hospital = replace(CAST["hospital"], is_active=False)
    with pytest.raises(NotPermittedError, match="not active"):
        require_may_create_account(hospital, ADMIN, NewPerson(ApplicantKind.EMPLOYEE, "hospital"))


def test_a_department_without_a_level_creates_no_hrss_department() -> None:
    nameless = replace(CAST["city"], level=None)
    assert not may_create_account(nameless, ADMIN, NewUnit(K.HRSS, "city", COUNTY))
    assert not may_create_account(nameless, ADMIN, NewUnit(K.NON_PUBLIC, "city"))


@pytest.mark.parametrize(
    ("level", "unit_id"), [(PROVINCE, "province"), (PREFECTURE, "city"), (COUNTY, "county")]
)
def test_the_registrars_level_decides_whose_territory_it_is(
    level: AdministrativeLevel, unit_id: str
) -> None:
    departments = [CAST["department"], *CAST.values()]
    assert territorial_department(level, "520102", departments).id == unit_id


@pytest.mark.parametrize("division", ["520103", "530102"])
def test_no_department_no_territory(division: str) -> None:
    with pytest.raises(RouteError, match=division):
        territorial_department(COUNTY, division, CAST.values())


def test_an_inactive_department_has_no_territory() -> None:
    with pytest.raises(RouteError):
        territorial_department(COUNTY, "520102", [replace(CAST["county"], is_active=False)])
