"""Creating units top-down, derived codes under a lock, own codes later, closing."""

from __future__ import annotations

import threading

import pytest
from flask import Flask
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from app.domain.codes import compute_suffix, compute_uscc_check
from app.domain.errors import (
    CodeSpaceExhaustedError,
    ConflictError,
    InvalidCodeError,
    NotPermittedError,
    RuleViolation,
    StaleVersionError,
)
from app.domain.terms import AdministrativeLevel, UnitKind
from app.domain.workflow import State
from app.extensions import db, unit_of_work
from app.models import Account, AuditEntry, Unit, UnitCodeAlias, UnitSuffix
from app.security.actors import actor_of
from app.services import units
from app.services.materials import Proof, store_file
from tests.applicants import small_pdf
from tests.conftest import at
from tests.factories import make_application, staff

NOW = at("2022-06-01T10:00:00")
P, C, D = AdministrativeLevel.PROVINCE, AdministrativeLevel.COUNTY, AdministrativeLevel.PREFECTURE


def uscc(serial: int, division: str = "520100") -> str:
    body = f"91{division}TEST{serial:05d}".replace("S", "X")
    return body + compute_uscc_check(body)


def draft(**changes):
    given = {"name": "试验单位", "kind": UnitKind.EMPLOYER, "division_code": "520100"}
    return units.UnitDraft(**{**given, **changes})


@pytest.fixture
def licence(app):
    """The licence of a private company, uploaded."""
    return make_licence()


def make_licence():
    file = store_file(
        small_pdf("licence"), "营业执照.pdf", allowed_types=["pdf"], max_bytes=10**6, now=NOW
    )
    return Proof(file, "营业执照.pdf")


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
def test_private_unit_goes_to_the_level_of_its_registrar(actor, level, division, expected, licence):
    login = {P: "province", D: "guiyang", C: "nanming"}[level]
    given = draft(
        kind=UnitKind.NON_PUBLIC,
        division_code=division,
        registrar="市场监督管理局",
        registrar_level=level,
        registrar_proof=licence,
        code=uscc(int(division) % 1000 + list(AdministrativeLevel).index(level)),
    )
    made = units.create_unit(given, actor=actor(login), now=NOW).unit
    assert made.parent.name.endswith(expected)
    assert (made.level, made.registrar_level) == (level, level)
    assert (made.registrar_proof_sha256, made.registrar_proof_name) == (
        licence.file.sha256,
        "营业执照.pdf",
    )


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


def _create_at_once(own_app, count):
    barrier = threading.Barrier(count)
    codes, errors = [], []

    def create(number):
        with own_app.app_context():
            found = db.session.scalars(select(Account).where(Account.username == "gyhousing")).one()
            creator = actor_of(found)
            db.session.rollback()  # the pool holds fewer connections than wait here
            barrier.wait(timeout=60)
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
    codes, errors = _create_at_once(own_app, 16)
    assert errors == []
    assert len(set(codes)) == 16


def test_without_the_lock_parallel_creations_collide(own_app, monkeypatch):
    real = db.session.get_one
    reading = threading.Barrier(4)

    def no_lock(unit_id, **_how):
        row = real(Unit, unit_id)
        reading.wait(timeout=20)
        return row

    monkeypatch.setattr(units, "lock_unit", no_lock)
    codes, errors = _create_at_once(own_app, 4)
    assert len(errors) == 3
    assert len(codes) == 1


# ---- the registrar of a private unit (E6)


def company(**changes):
    given = {
        "name": "黔筑商贸有限公司",
        "kind": UnitKind.NON_PUBLIC,
        "division_code": "520102",
        "registrar": "南明区市场监督管理局",
        "registrar_level": C,
        "code": uscc(4321, "520102"),
    }
    return draft(**{**given, **changes})


@pytest.mark.parametrize("missing", [{"registrar_proof": None}, {"registrar": " "}])
def test_a_private_unit_is_entered_with_registrar_and_licence(actor, licence, missing):
    given = company(**{"registrar_proof": licence, **missing})
    with pytest.raises(RuleViolation):
        units.create_unit(given, actor=actor("nanming"), now=NOW)


def test_the_level_comes_from_the_registrar_not_from_the_address(actor, licence):
    """A company in a district of Guiyang, registered by the city: the city looks after it."""
    given = company(registrar="贵阳市市场监督管理局", registrar_level=D, registrar_proof=licence)
    with pytest.raises(NotPermittedError):
        units.create_unit(given, actor=actor("nanming"), now=NOW)
    made = units.create_unit(given, actor=actor("guiyang"), now=NOW).unit
    assert (made.division_code, made.level) == ("520102", D)
    assert made.parent_id == actor("guiyang").unit_id


def test_a_part_of_a_private_unit_has_its_registration_and_no_code_of_its_own(actor, licence):
    whole = units.create_unit(
        company(registrar_proof=licence), actor=actor("nanming"), now=NOW
    ).unit
    own = actor_of(db.session.scalars(select(Account).where(Account.unit_id == whole.id)).one())
    part = draft(name="黔筑商贸花溪门店", kind=UnitKind.NON_PUBLIC, division_code="520102")
    made = units.create_unit(part, actor=own, now=NOW).unit
    assert made.code == whole.code + "01"
    assert (made.registrar, made.registrar_level) == (whole.registrar, C)
    assert made.registrar_proof_sha256 == whole.registrar_proof_sha256
    with pytest.raises(NotPermittedError):
        units.create_unit(
            company(code=uscc(4322, "520102"), registrar_proof=licence), actor=own, now=NOW
        )


def test_the_licence_is_replaced_and_the_level_stays(actor, licence):
    made = units.create_unit(company(registrar_proof=licence), actor=actor("nanming"), now=NOW).unit
    file = store_file(
        small_pdf("new"), "新执照.pdf", allowed_types=["pdf"], max_bytes=10**6, now=NOW
    )
    units.replace_registrar_proof(
        made.id, Proof(file, "新执照.pdf"), actor=actor("nanming"), now=NOW
    )
    assert (made.registrar_proof_name, made.registrar_level) == ("新执照.pdf", C)
    with pytest.raises(RuleViolation):
        units.replace_registrar_proof(
            actor("gyhousing").unit_id, Proof(file, "x.pdf"), actor=actor("guiyang"), now=NOW
        )


# ---- derived codes at their edges (E1-E4)


def use_up(parent_id, count):
    """Let a unit have given out its first `count` suffixes."""
    db.session.add_all(
        UnitSuffix(parent_id=parent_id, suffix=compute_suffix(nth)) for nth in range(1, count + 1)
    )
    db.session.flush()


@pytest.mark.parametrize(
    ("used", "suffix"), [(1, "02"), (98, "99"), (99, "A0"), (100, "A1"), (749, "YY")]
)
def test_suffixes_follow_the_last_one_given_out(actor, used, suffix):
    own = actor("nmdesign")
    db.session.execute(delete(UnitSuffix).where(UnitSuffix.parent_id == own.unit_id))
    use_up(own.unit_id, used)
    given = draft(name=f"第{used + 1}个下属机构", division_code="520102")
    assert units.create_unit(given, actor=own, now=NOW).unit.code_suffix == suffix


def test_the_751st_is_refused_with_the_way_out_for_the_parent(actor):
    own = actor("nmdesign")
    db.session.execute(delete(UnitSuffix).where(UnitSuffix.parent_id == own.unit_id))
    use_up(own.unit_id, 750)
    with pytest.raises(CodeSpaceExhaustedError) as caught:
        units.create_unit(draft(division_code="520102"), actor=own, now=NOW)
    parent = db.session.get_one(Unit, own.unit_id)
    assert caught.value.params == {"parent_code": parent.code, "limit": 750}


def test_a_freed_number_never_returns(actor):
    creator = actor("gyhousing")
    first = units.create_unit(draft(name="甲"), actor=creator, now=NOW).unit
    code = first.code
    units.deactivate_unit(first.id, "撤销", actor=creator, now=NOW)
    second = units.create_unit(draft(name="乙"), actor=creator, now=NOW).unit
    units.enter_own_code(second.id, uscc(77), actor=creator, now=NOW)
    third = units.create_unit(draft(name="丙"), actor=creator, now=NOW).unit
    assert len({code, second.code, third.code}) == 3
    assert int(third.code_suffix) == int(code[-2:]) + 2


def test_codes_nest_four_levels_and_no_deeper(actor):
    own = actor("nmdesign")
    codes = [db.session.get_one(Unit, own.unit_id).code]
    for level in range(1, 5):
        made = units.create_unit(
            draft(name=f"第{level}层", division_code="520102"), actor=own, now=NOW
        ).unit
        assert made.code[:-2] == codes[-1]
        codes.append(made.code)
        own = actor_of(db.session.scalars(select(Account).where(Account.unit_id == made.id)).one())
    assert [len(code) for code in codes] == [18, 20, 22, 24, 26]
    with pytest.raises(InvalidCodeError, match="one level higher"):
        units.create_unit(draft(division_code="520102"), actor=own, now=NOW)


def test_a_changed_code_leaves_the_codes_below_and_later_ones_follow_the_new(actor):
    creator = actor("gyhousing")
    parent = units.create_unit(draft(name="上级", code=uscc(81)), actor=creator, now=NOW).unit
    own = actor_of(db.session.scalars(select(Account).where(Account.unit_id == parent.id)).one())
    before = units.create_unit(draft(name="改码前"), actor=own, now=NOW).unit
    units.enter_own_code(parent.id, uscc(82), actor=creator, now=NOW)
    after = units.create_unit(draft(name="改码后"), actor=own, now=NOW).unit
    assert (before.code, after.code) == (uscc(81) + "01", uscc(82) + "02")


def test_a_former_code_is_never_given_to_another(actor):
    creator = actor("gyhousing")
    made = units.create_unit(draft(name="甲", code=uscc(83)), actor=creator, now=NOW).unit
    units.enter_own_code(made.id, uscc(84), actor=creator, now=NOW)
    for taken in (uscc(83), uscc(84)):
        with pytest.raises(ConflictError) as caught:
            units.create_unit(draft(name="乙", code=taken), actor=creator, now=NOW)
        assert caught.value.params["unit"] == "甲"
    units.enter_own_code(made.id, uscc(83), actor=creator, now=NOW)  # its own one comes back
    assert made.code == uscc(83)


def test_a_former_code_still_finds_the_account_of_its_unit_only(actor):
    creator = actor("gyhousing")
    made = units.create_unit(draft(name="甲", code=uscc(85)), actor=creator, now=NOW).unit
    assert units.find_account_by_former_code(uscc(85)) is None
    units.enter_own_code(made.id, uscc(86), actor=creator, now=NOW)
    found = units.find_account_by_former_code(uscc(85).lower())
    assert (found.username, found.unit_id) == (uscc(86), made.id)
    assert units.find_account_by_former_code(uscc(86)) is None


@pytest.mark.parametrize("login", ["nmdesign", "zunyi", "gyhousing", "王敏"])
def test_only_a_unit_above_enters_the_code(actor, login):
    target = actor("nmdesign").unit_id
    with pytest.raises(NotPermittedError):
        units.enter_own_code(target, uscc(87), actor=actor(login), now=NOW)


def test_closing_names_open_transfers_and_publicities(actor):
    application = make_application(State.IN_PUBLICITY)
    hanging = units.what_hangs_on(application.employer_id)
    assert hanging.publicities == 1
    assert hanging.applications == 1
    assert not hanging.is_free


@pytest.mark.parametrize(
    "changes", [{"contact_phone": "abc"}, {"name": "a\u202eb"}, {"name": "😀"}]
)
def test_unit_needs_a_name_and_a_phone_that_can_be_used(app: Flask, changes: dict[str, str]):
    with pytest.raises(RuleViolation):
        units.create_unit(draft(**changes), actor=staff("nmhousing"), now=NOW)


def test_phone_of_the_unit_account_is_no_field_of_the_unit_form(sign_in, unit):
    """Whoever could change it would receive the codes of the unit account (E9)."""
    row = unit("黔中建筑设计院（演示）")
    before = row.contact_phone
    handler = sign_in("刘伟")
    page = handler.get(f"/units/edit/{row.id}")
    assert b"contact_phone" not in page.data
    answer = handler.post(
        f"/units/edit/{row.id}",
        data={
            "expected_version": row.version,
            "name": row.name,
            "division": row.division_code,
            "address": "新址",
            "contact_phone": "13655556666",
        },
    )
    db.session.refresh(row)
    assert (answer.status_code, row.address) == (303, "新址")
    assert row.contact_phone == before
