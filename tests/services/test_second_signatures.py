"""Extending an opened window and lifting a lapse take two people (rules A9, row 21)."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.domain.errors import (
    ConflictError,
    NotPermittedError,
    RescheduleRefusedError,
    RuleViolation,
    StaleVersionError,
    TransitionNotAllowedError,
)
from app.domain.terms import SignatureState
from app.domain.workflow import Action, State
from app.extensions import db, unit_of_work
from app.models import (
    Application,
    ApplicationEvent,
    AuditEntry,
    Notification,
    PlanLine,
    PlanLineRevision,
    SignatureRequest,
)
from app.services import plan, second_signatures, worklists
from tests.conftest import at
from tests.factories import make_application, staff
from tests.services.test_applications_parallel import run_at_once
from tests.services.test_plan import milestones

NOW = at("2022-08-03T12:00:00")
EXPIRES = at("2022-08-11T00:00:00")
"""08-04, 05, 08, 09, 10: five working days, the day of asking not counted."""

LAPSED_NOW = at("2022-09-20T09:00:00")
SECOND = timedelta(seconds=1)


def line_of(number: int = 1) -> PlanLine:
    return db.session.scalars(select(PlanLine).where(PlanLine.number == number)).one()


def longer(line: PlanLine, days: int = 2) -> plan.Milestones:
    return milestones(line, applications_close_at=line.applications_close_at + timedelta(days))


def ask(by: str = "province", *, now=NOW, **extra) -> SignatureRequest:
    line = line_of()
    return second_signatures.ask_reschedule(
        line.id,
        extra.get("proposed") or longer(line),
        extra.get("reason", "省厅平台停机两小时"),
        expected_version=extra.get("version", line.version),
        actor=extra.get("actor") or staff(by),
        now=now,
    )


def ask_lapsed(application: Application, by: str = "province", **extra) -> SignatureRequest:
    given = {
        "reason_code": "node_fault",
        "ground": "节点故障，见说明",
        "due_at": at("2022-09-30T17:00:00"),
        "expected_version": application.version,
        "actor": staff(by),
        "now": LAPSED_NOW,
    }
    return second_signatures.ask_reinstatement(application.id, **{**given, **extra})


def approve(row: SignatureRequest, by: str = "province2", *, now=NOW) -> SignatureRequest:
    return second_signatures.approve_signature(
        row.id, expected_version=row.version, actor=staff(by), now=now
    )


def test_window_is_lengthened_by_the_second_person_only(app: Flask):
    line = line_of()
    before = line.applications_close_at
    row = ask()
    assert (row.state, row.expires_at) == (SignatureState.ASKED, EXPIRES)
    assert line.applications_close_at == before
    told = db.session.scalars(
        select(Notification.account_id).where(Notification.kind == "reschedule_asked")
    ).all()
    assert told == [staff("province2").account_id]
    with pytest.raises(NotPermittedError):
        approve(row, "province")
    approve(row)
    assert row.state is SignatureState.APPROVED
    assert line.applications_close_at == before + timedelta(days=2)
    revision = db.session.scalars(select(PlanLineRevision)).one()
    assert (revision.account_id, revision.reason) == (
        staff("province2").account_id,
        "省厅平台停机两小时",
    )
    actions = {entry.action for entry in db.session.scalars(select(AuditEntry))}
    assert {"ask_signature", "decide_signature", "reschedule_plan_line"} <= actions


def test_one_person_moves_a_line_before_its_window_opens_and_not_from_then(app: Flask):
    line = line_of(4)
    opens = line.applications_open_at

    def move(now, **extra):
        return plan.reschedule_plan_line(
            line.id,
            longer(line),
            "x",
            expected_version=line.version,
            actor=staff("province"),
            now=now,
            **extra,
        )

    move(opens - SECOND)
    for now in (opens, opens + SECOND):
        with pytest.raises(NotPermittedError):
            move(now)


def test_what_the_rules_refuse_is_not_asked_for(app: Flask):
    line = line_of()
    shorter = milestones(line, receipt_due_at=line.receipt_due_at - timedelta(days=1))
    for extra, error in (
        ({"proposed": shorter}, RescheduleRefusedError),
        ({"proposed": milestones(line)}, RuleViolation),
        ({"reason": " "}, RuleViolation),
        ({"version": 77}, StaleVersionError),
        ({"by": "guiyang"}, NotPermittedError),
    ):
        with pytest.raises(error):
            ask(**extra)
    unit_account = dataclasses.replace(staff("province"), person_id=None)
    with pytest.raises(NotPermittedError):
        ask(actor=unit_account)


@pytest.mark.parametrize("login", ["guiyang", "sysadmin", "security", "supervisor"])
def test_nobody_but_the_province_signs(app: Flask, login):
    row = ask()
    with pytest.raises(NotPermittedError):
        approve(row, login)


def test_second_account_of_the_same_person_does_not_sign(app: Flask):
    row = ask()
    twin = dataclasses.replace(staff("province2"), person_id=staff("province").person_id)
    with pytest.raises(NotPermittedError):
        second_signatures.approve_signature(
            row.id, expected_version=row.version, actor=twin, now=NOW
        )


def test_request_expires_to_the_second_and_may_be_asked_again(app: Flask):
    row = ask()
    with pytest.raises(ConflictError):
        ask("province2", now=EXPIRES - SECOND)
    assert second_signatures.expire_due(now=EXPIRES - SECOND) == 0
    for now in (EXPIRES, EXPIRES + SECOND):
        with pytest.raises(ConflictError):
            approve(row, now=now)
    again = ask("province2", now=EXPIRES)
    assert (row.state, row.decided_at) == (SignatureState.EXPIRED, EXPIRES)
    approve(again, "province", now=EXPIRES + SECOND)


def test_request_is_approved_in_its_last_second(app: Flask):
    assert approve(ask(), now=EXPIRES - SECOND).state is SignatureState.APPROVED


def test_sweep_closes_what_nobody_decided(app: Flask):
    row = ask()
    assert second_signatures.expire_due(now=EXPIRES + SECOND) == 1
    assert second_signatures.expire_due(now=EXPIRES + SECOND) == 0
    assert row.state is SignatureState.EXPIRED


def test_row_that_changed_meanwhile_is_asked_for_anew(app: Flask):
    row = ask()
    line_of().version += 1
    db.session.flush()
    with pytest.raises(StaleVersionError):
        approve(row)
    assert row.state is SignatureState.ASKED


def test_refused_or_taken_back_has_no_effect(app: Flask):
    line = line_of()
    before = line.applications_close_at
    for by, state in (
        ("province2", SignatureState.REFUSED),
        ("province", SignatureState.WITHDRAWN),
    ):
        row = ask()
        with pytest.raises(RuleViolation):
            second_signatures.refuse_signature(
                row.id, " ", expected_version=row.version, actor=staff(by), now=NOW
            )
        second_signatures.refuse_signature(
            row.id, "无必要", expected_version=row.version, actor=staff(by), now=NOW
        )
        assert row.state is state
        with pytest.raises(ConflictError):
            approve(row)
    assert line.applications_close_at == before


def test_work_items_show_it_to_the_colleague_only(app: Flask):
    ask()

    def items(login, now=NOW):
        found = worklists.list_work_items(staff(login), now=now)
        return [(i.kind, i.detail) for i in found if i.object_type == "SignatureRequest"]

    assert items("province2") == [("Second signature: plan line to reschedule", "1")]
    assert items("province2", EXPIRES) == []
    assert items("province") == []
    assert items("guiyang") == []


def test_lapse_is_lifted_by_two_people(app: Flask):
    application = make_application(State.LAPSED)
    row = ask_lapsed(application)
    assert application.state is State.LAPSED
    with pytest.raises(ConflictError):
        ask_lapsed(application, "province2")
    with pytest.raises(NotPermittedError):
        approve(row, "province", now=LAPSED_NOW)
    approve(row, now=LAPSED_NOW)
    assert application.state is State.IN_EMPLOYER_CHECK
    event = db.session.scalars(
        select(ApplicationEvent).where(ApplicationEvent.action == Action.REINSTATE)
    ).one()
    assert event.account_id == staff("province2").account_id
    assert event.data["first"] == staff("province").account_id


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"ground": ""}, RuleViolation),
        ({"reason_code": "no"}, RuleViolation),
        ({"due_at": at("2022-09-19T00:00:00")}, RuleViolation),
        ({"expected_version": 0}, StaleVersionError),
        ({"by": "guiyang"}, NotPermittedError),
    ],
)
def test_reinstatement_without_its_terms_is_not_asked_for(app: Flask, change, error):
    application = make_application(State.LAPSED)
    with pytest.raises(error):
        ask_lapsed(application, **change)
    with pytest.raises(TransitionNotAllowedError):
        ask_lapsed(make_application(State.DRAFT, person="李强"))


def test_approvals_at_once_have_one_effect(own_app: Flask):
    with own_app.app_context():
        with unit_of_work():
            row_id = ask().id
        db.session.remove()

    def sign(_place: int) -> str:
        return second_signatures.approve_signature(
            row_id, expected_version=1, actor=staff("province2"), now=NOW
        ).state.value

    results = run_at_once(own_app, 8, sign)
    assert [r for r in results if r == "approved"] == ["approved"]
    assert [type(r) for r in results if r != "approved"] == [ConflictError] * 7
    with own_app.app_context():
        assert db.session.scalar(select(func.count(PlanLineRevision.id))) == 1
        db.session.remove()


def test_requests_at_once_are_one(own_app: Flask):
    logins = ("province", "province2")
    results = run_at_once(own_app, 6, lambda place: ask(logins[place % 2]).id)
    assert len([r for r in results if isinstance(r, int)]) == 1
    assert all(isinstance(r, int | ConflictError) for r in results)
