"""Creating units top-down, derived codes under a lock, own codes later, closing."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.domain.codes import compute_uscc_check
from app.domain.errors import (
    ConflictError,
    InvalidCodeError,
    NotPermittedError,
    RuleViolation,
    StaleVersionError,
)
from app.domain.terms import AdministrativeLevel, UnitKind
from app.extensions import db, unit_of_work
from app.models import Account, AuditEntry, Unit, UnitCodeAlias, UnitSuffix
from app.security.actors import actor_of
from app.services import units
from tests.conftest import at

NOW = at("2022-06-01T10:00:00")
P, C, D = AdministrativeLevel.PROVINCE, AdministrativeLevel.COUNTY, AdministrativeLevel.PREFECTURE


def uscc(serial: int, division: str = "520100") -> str:
    body = f"91{division}TEST{serial:05d}".replace("S", "X")
    return body + compute_uscc_check(body)


def draft(**changes):
    given = {"name": "试验单位", "kind": UnitKind.EMPLOYER, "division_code": "520100"}
    return units.UnitDraft(**{**given, **changes})


def test_derived_code_is_the_parents_with_the_next_suffix(actor):
    creator = actor("gyhousing")
    first = units.create_unit(draft(), actor=creator, now=NOW).unit
    second = units.create_unit(draft(name="另一单位"), actor=creator, now=NOW).unit
    parent = db.session.get(Unit, creator.unit_id)
    used = db.session.scalars(
        select(UnitSuffix.suffix).where(UnitSuffix.parent_id == parent.id)
    ).all()
    assert {first.code_suffix, second.code_suffix} <= set(used)
    assert first.code == parent.code + first.code_suffix
    assert int(second.code_suffix) == int(first.code_suffix) + 1
    assert first.path == f"{parent.path}{first.id}/"
    assert first.pinyin == "sydw"


def test_unit_gets_its_account_with_a_code_and_an_audit_entry(actor):
    made = units.create_unit(draft(code=uscc(1)), actor=actor("gyhousing"), now=NOW)
    account = db.session.scalars(select(Account).where(Account.unit_id == made.unit.id)).one()
    assert (account.username, account.must_change_password) == (uscc(1), True)
    assert {role.name for role in account.roles} == {"unit_admin"}
    actions = db.session.scalars(
        select(AuditEntry.action).where(AuditEntry.object_id == str(made.unit.id))
    ).all()
    assert "create_unit" in actions


@pytest.mark.parametrize(
    "code", ["91520100", "9152010OTEXT00001X", uscc(1)[:-1] + "?", uscc(2)[:-1] + uscc(3)[-1]]
)
def test_wrong_own_code_is_refused(actor, code):
    with pytest.raises(InvalidCodeError):
        units.create_unit(draft(code=code), actor=actor("gyhousing"), now=NOW)


def test_code_of_another_unit_is_refused_by_name(actor, unit):
    taken = unit("贵阳市人力资源和社会保障局")
    with pytest.raises(ConflictError) as caught:
        units.create_unit(draft(code=taken.code), actor=actor("gyhousing"), now=NOW)
    assert caught.value.params["unit"] == taken.name


@pytest.mark.parametrize(
    ("level", "division", "expected"),
    [
        (P, "520102", "贵州省人力资源和社会保障厅"),
        (D, "520102", "贵阳市人力资源和社会保障局"),
        (C, "520102", "南明区人力资源和社会保障局"),
    ],
)
def test_private_unit_goes_to_the_level_of_its_registrar(actor, level, division, expected):
    login = {P: "province", D: "guiyang", C: "nanming"}[level]
    given = draft(
        kind=UnitKind.NON_PUBLIC,
        division_code=division,
        registrar="市场监督管理局",
        registrar_level=level,
        code=uscc(int(division) % 1000 + list(AdministrativeLevel).index(level)),
    )
    made = units.create_unit(given, actor=actor(login), now=NOW).unit
    assert made.parent.name.endswith(expected)
    assert (made.level, made.registrar_level) == (level, level)


def test_private_unit_of_another_level_is_refused(actor):
    given = draft(kind=UnitKind.NON_PUBLIC, registrar_level=P, code=uscc(7))
    with pytest.raises(NotPermittedError):
        units.create_unit(given, actor=actor("guiyang"), now=NOW)
    with pytest.raises(RuleViolation):
        units.create_unit(draft(kind=UnitKind.NON_PUBLIC), actor=actor("guiyang"), now=NOW)


@pytest.mark.parametrize(
    ("login", "changes"),
    [
        ("guiyang", {}),
        ("gyhousing", {"kind": UnitKind.HRSS}),
        ("gyhousing", {"kind": UnitKind.COMPETENT_DEPARTMENT}),
        ("sysadmin", {}),
        ("auditor", {"kind": UnitKind.COMPETENT_DEPARTMENT}),
        ("王敏", {}),
    ],
)
def test_who_may_not_create_is_refused(actor, login, changes):
    with pytest.raises(NotPermittedError):
        units.create_unit(draft(**changes), actor=actor(login), now=NOW)


def test_division_outside_the_parents_is_refused(actor):
    with pytest.raises(RuleViolation):
        units.create_unit(draft(division_code="520300"), actor=actor("gyhousing"), now=NOW)


def test_own_code_later_keeps_the_old_one_as_alias_and_login_follows(actor):
    creator = actor("gyhousing")
    made = units.create_unit(draft(), actor=creator, now=NOW).unit
    old = made.code
    child_suffixes = db.session.scalars(select(UnitSuffix)).all()
    units.enter_own_code(made.id, uscc(9), actor=creator, now=NOW)
    assert (made.code, made.code_suffix) == (uscc(9), None)
    assert db.session.scalars(select(UnitCodeAlias.code)).all() == [old]
    assert db.session.scalars(select(Account.username).where(Account.unit_id == made.id)).all() == [
        uscc(9)
    ]
    assert len(db.session.scalars(select(UnitSuffix)).all()) == len(child_suffixes)
    fresh = units.create_unit(draft(name="后来的"), actor=creator, now=NOW).unit
    assert fresh.code != old


def test_closing_names_what_hangs_on_it(actor):
    target = actor("nanming")
    with pytest.raises(ConflictError) as caught:
        units.deactivate_unit(target.unit_id, "撤并", actor=actor("guiyang"), now=NOW)
    assert caught.value.params["subordinates"] > 0


def test_empty_unit_is_closed_with_its_account_and_opened_again(actor):
    creator = actor("gyhousing")
    made = units.create_unit(draft(), actor=creator, now=NOW).unit
    with pytest.raises(RuleViolation):
        units.deactivate_unit(made.id, " ", actor=creator, now=NOW)
    units.deactivate_unit(made.id, "撤并", actor=creator, now=NOW)
    account = db.session.scalars(select(Account).where(Account.unit_id == made.id)).one()
    assert (made.is_active, account.active) == (False, False)
    units.activate_unit(made.id, actor=creator, now=NOW)
    assert (made.is_active, account.active) == (True, True)


def test_nobody_closes_the_own_unit(actor):
    own = actor("gyhousing")
    with pytest.raises(NotPermittedError):
        units.deactivate_unit(own.unit_id, "x", actor=own, now=NOW)


def test_stale_change_is_refused(actor):
    creator = actor("gyhousing")
    made = units.create_unit(draft(), actor=creator, now=NOW).unit
    units.change_unit(made.id, {"name": "甲"}, expected_version=1, actor=creator, now=NOW)
    with pytest.raises(StaleVersionError):
        units.change_unit(made.id, {"name": "乙"}, expected_version=1, actor=creator, now=NOW)
    assert (made.name, made.pinyin) == ("甲", "j")


# ---- two administrators at once


def _create_at_once(own_app, count=4):
    barrier = threading.Barrier(count)
    codes, errors = [], []

    def create(number):
        with own_app.app_context():
            found = db.session.scalars(select(Account).where(Account.username == "gyhousing")).one()
            creator = actor_of(found)
            barrier.wait()
            try:
                with unit_of_work():
                    codes.append(
                        units.create_unit(
                            draft(name=f"并行单位{number}"), actor=creator, now=NOW
                        ).unit.code
                    )
            except IntegrityError as error:
                errors.append(error)
            finally:
                db.session.remove()

    threads = [threading.Thread(target=create, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return codes, errors


def test_parallel_creations_get_different_codes(own_app):
    codes, errors = _create_at_once(own_app)
    assert errors == []
    assert len(set(codes)) == 4


def test_without_the_lock_parallel_creations_collide(own_app, monkeypatch):
    real = db.session.get_one
    reading = threading.Barrier(4)

    def no_lock(unit_id):
        row = real(Unit, unit_id)
        reading.wait(timeout=20)
        return row

    monkeypatch.setattr(units, "lock_unit", no_lock)
    codes, errors = _create_at_once(own_app)
    assert len(errors) == 3
    assert len(codes) == 1
