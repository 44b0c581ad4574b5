"""Annex 3 once more, written down sentence by sentence and compared with the rules over every case.

The oracle below knows nothing of app.domain.accounts: it is a list of what may be, everything else
may not. Cases: creator kind × creator level × target kind × target level × registrar's level × own
code × where the new unit shall stand.
"""

from __future__ import annotations

import itertools

import pytest

from app.domain.accounts import NewPerson, NewUnit, may_create_account
from app.domain.routing import UnitRef
from app.domain.terms import AdministrativeLevel, ApplicantKind, UnitKind
from app.domain.workflow import ActorRole

P, D, C = AdministrativeLevel
K = UnitKind
CREATOR, ABOVE, ELSEWHERE = "creator", "above", "elsewhere"
PLACES = (CREATOR, ABOVE, ELSEWHERE)

HRSS_MAKES = {(P, K.HRSS, D), (D, K.HRSS, C)} | {
    (level, kind, level)
    for level in AdministrativeLevel
    for kind in (K.COMPETENT_DEPARTMENT, K.DESIGNATED_AGENCY)
}
"""各级人力资源社会保障部门为本辖区内行业主管部门创建账号, 从上至下, 指定机构."""


def oracle(
    creator: UnitKind,
    creator_level: AdministrativeLevel,
    target: UnitKind,
    level: AdministrativeLevel | None,
    registrar: AdministrativeLevel | None,
    has_code: bool,
    place: str,
) -> bool:
    match creator, target:
        case K.HRSS, K.NON_PUBLIC:  # 由注册登记机关的同级人力资源社会保障部门负责
            return place == CREATOR and registrar is creator_level
        case K.HRSS, _:
            return place == CREATOR and (creator_level, target, level) in HRSS_MAKES
        case K.DESIGNATED_AGENCY, K.NON_PUBLIC:  # 或人力资源社会保障部门指定机构创建
            return place in {CREATOR, ABOVE} and registrar is creator_level
        case K.COMPETENT_DEPARTMENT, K.EMPLOYER:  # 本部门下属或管理的企事业单位
            return place == CREATOR
        case (K.EMPLOYER, K.EMPLOYER) | (K.NON_PUBLIC, K.NON_PUBLIC):  # 下级单位没有代码的
            return place == CREATOR and not has_code
    return False


CASES = list(
    itertools.product(
        UnitKind,
        AdministrativeLevel,
        UnitKind,
        (*AdministrativeLevel, None),
        (*AdministrativeLevel, None),
        (True, False),
        PLACES,
    )
)


def ref(kind: UnitKind, level: AdministrativeLevel) -> UnitRef:
    return UnitRef("creator", kind, level, "above", division_code="520102")


def test_the_table_holds_every_case() -> None:
    assert len(CASES) == 5 * 3 * 5 * 4 * 4 * 2 * 3
    allowed = [case for case in CASES if oracle(*case)]
    assert 0 < len(allowed) < len(CASES) // 10
    assert {case[0] for case in allowed} == set(UnitKind)


@pytest.mark.parametrize("creator_kind", list(UnitKind))
def test_units_are_created_by_exactly_who_may(creator_kind: UnitKind) -> None:
    wrong = []
    for case in CASES:
        creator, creator_level, target, level, registrar, has_code, place = case
        if creator is not creator_kind:
            continue
        new = NewUnit(target, place, level, registrar, has_code)
        may = may_create_account(ref(creator, creator_level), ActorRole.UNIT_ADMIN, new)
        if may is not oracle(*case):
            wrong.append(case)
    assert wrong == []


@pytest.mark.parametrize("role", list(ActorRole))
def test_no_role_outside_the_units_creates_any(role: ActorRole) -> None:
    creators = {"province_hrss", "hrss", "competent_department", "unit_admin", "unit_handler"}
    new = NewUnit(K.EMPLOYER, CREATOR, D)
    may = may_create_account(ref(K.COMPETENT_DEPARTMENT, D), role, new)
    assert may is (role.value in creators)


PERSON_CASES = list(itertools.product(UnitKind, AdministrativeLevel, ApplicantKind, PLACES))


def person_oracle(
    creator: UnitKind, level: AdministrativeLevel, kind: ApplicantKind, place: str
) -> bool:
    if place != CREATOR:  # 严禁利用本单位账号为非本单位工作人员建立个人账号
        return False
    if kind is ApplicantKind.EMPLOYEE:  # 企事业单位再为本单位申报人员创建账号
        return True
    # 由所在县（区）人力资源社会保障部门创建或人力资源社会保障部门指定机构创建
    return (creator, level) == (K.HRSS, C) or creator is K.DESIGNATED_AGENCY


@pytest.mark.parametrize("case", PERSON_CASES, ids=lambda case: "-".join(map(str, case)))
def test_people_are_entered_by_exactly_who_may(case: tuple) -> None:
    creator, level, kind, place = case
    new = NewPerson(kind, place)
    may = may_create_account(ref(creator, level), ActorRole.UNIT_ADMIN, new)
    assert may is person_oracle(*case)
