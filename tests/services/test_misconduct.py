"""弄虚作假: what a finding does, and what lifting it does (Annex 3, E8, row 38)."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.domain.errors import ConflictError, NotPermittedError, RuleViolation
from app.domain.terms import SampleState
from app.domain.workflow import State
from app.extensions import db
from app.models import Account, AuditEntry, CreditRecord, MisconductFinding, Notification
from app.services import accounts, misconduct, sessions
from tests.conftest import at
from tests.factories import make_application, staff
from tests.services.test_account_checks import created, draw
from tests.services.test_applications_parallel import run_at_once

NOW = at("2022-08-05T10:00:00")


def find(by: str = "nanming", *, at_fault: bool = True, text: str = "经核对社保在外单位缴纳"):
    return misconduct.find_misconduct(
        staff("王敏").account_id, text, is_person_at_fault=at_fault, actor=staff(by), now=NOW
    )


def lift(row: MisconductFinding, by: str, reason: str = "社保系统数据更正"):
    return misconduct.lift_misconduct(row.id, reason, actor=staff(by), now=NOW)


def credit_records() -> list[CreditRecord]:
    return list(
        db.session.scalars(
            select(CreditRecord).where(CreditRecord.person_id == staff("王敏").person_id)
        )
    )


def test_finding_has_all_its_consequences_at_once(app: Flask):
    application = make_application(State.IN_PUBLICITY)
    created(("王敏",))
    sample = draw("nanming", 1)
    account = db.session.get_one(Account, staff("王敏").account_id)
    stamp = account.session_stamp
    sessions.begin_session(
        account, "of-today", now=NOW, lifetime=timedelta(hours=1), device={"address": "::1"}
    )
    row = find()
    assert (account.active, account.session_stamp > stamp) == (False, True)
    assert sessions.touch_session("of-today", now=NOW, lifetime=timedelta(hours=1)) is None
    assert application.state is State.DISQUALIFIED
    assert all(posting.closed_at for posting in application.publicities)
    assert row.disqualified == [application.id]
    assert row.unit_id == staff("nmdesign").unit_id
    (record,) = credit_records()
    assert (record.from_on.isoformat(), record.until_on.isoformat()) == (
        "2022-08-05",
        "2025-08-05",
    )
    assert sample.items[0].state is SampleState.FINDING
    told = set(
        db.session.scalars(
            select(Notification.account_id).where(Notification.kind == "misconduct_found")
        )
    )
    assert {account.id, staff("nmdesign").account_id, staff("nmhousing").account_id} <= told
    entry = db.session.scalars(
        select(AuditEntry).where(AuditEntry.action == "find_misconduct")
    ).one()
    assert entry.after["unit_id"] == row.unit_id


def test_account_that_was_locked_before_stays_locked_after_the_finding_is_lifted(app: Flask):
    account_id = staff("王敏").account_id
    accounts.set_active(account_id, False, "离岗", actor=staff("nmdesign"), now=NOW)
    lift(find(), "guiyang")
    assert db.session.get_one(Account, account_id).active is False


def test_account_without_a_person_finds_nothing(app: Flask):
    nobody = dataclasses.replace(staff("nanming"), person_id=None)
    with pytest.raises(NotPermittedError, match="by name"):
        misconduct.find_misconduct(
            staff("王敏").account_id, "x", is_person_at_fault=True, actor=nobody, now=NOW
        )


def test_person_who_took_no_part_is_not_barred(app: Flask):
    make_application(State.IN_EMPLOYER_CHECK)
    row = find(at_fault=False)
    assert row.credit_record_id is None
    assert credit_records() == []
    assert len(row.disqualified) == 1


def test_what_has_ended_and_drafts_are_left(app: Flask):
    application = make_application(State.DRAFT)
    assert find().disqualified == []
    assert application.state is State.DRAFT


@pytest.mark.parametrize(
    "login", ["zunyi", "nmhousing", "nmdesign", "security", "office_building_senior"]
)
def test_only_a_department_above_finds(app: Flask, login):
    with pytest.raises(NotPermittedError):
        find(login)


def test_finding_needs_words_and_is_made_once(app: Flask):
    with pytest.raises(RuleViolation):
        find(text=" ")
    find()
    with pytest.raises(ConflictError):
        find("province")


def test_account_stays_locked_while_the_finding_is_in_force(app: Flask):
    find()
    for login in ("nmdesign", "province"):
        with pytest.raises(ConflictError):
            accounts.set_active(staff("王敏").account_id, True, "误锁", actor=staff(login), now=NOW)


def test_finding_is_lifted_by_another_person(app: Flask):
    application = make_application(State.IN_EMPLOYER_CHECK)
    row = find()
    for login, reason, error in (
        ("nanming", "x", NotPermittedError),
        ("zunyi", "x", NotPermittedError),
        ("guiyang", " ", RuleViolation),
    ):
        with pytest.raises(error):
            lift(row, login, reason)
    twin = dataclasses.replace(staff("guiyang"), person_id=staff("nanming").person_id)
    with pytest.raises(NotPermittedError):
        misconduct.lift_misconduct(row.id, "x", actor=twin, now=NOW)
    lift(row, "guiyang")
    account = db.session.get_one(Account, row.account_id)
    assert account.active
    assert credit_records()[0].until_on.isoformat() == "2022-08-04"
    assert application.state is State.DISQUALIFIED
    with pytest.raises(ConflictError):
        lift(row, "province")
    assert find("province").lifted_at is None


def test_findings_at_once_are_one(own_app: Flask):
    logins = ("nanming", "guiyang", "province", "province2")
    results = run_at_once(own_app, 4, lambda place: find(logins[place]).id)
    assert len([r for r in results if isinstance(r, int)]) == 1
    assert all(isinstance(r, int | ConflictError) for r in results)
    with own_app.app_context():
        assert db.session.scalar(select(func.count(MisconductFinding.id))) == 1
        assert len(credit_records()) == 1
        db.session.remove()
