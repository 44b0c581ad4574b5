"""Races about one person: real threads on real connections (rules E7)."""

from __future__ import annotations

from datetime import date

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.domain.errors import ConflictError, DomainError
from app.domain.terms import TransferState
from app.domain.workflow import State
from app.extensions import db, unit_of_work
from app.models import Application, Person, PersonnelAffiliation, PersonTransfer
from app.services import affiliations, transfers
from tests.applicants import submit
from tests.factories import staff
from tests.services.test_applications_parallel import ready_draft, run_at_once
from tests.services.test_transfers import ASKED, FROM, LATER, TO, ask, release, unit_of

UNITS = (TO, "gzdesign", "gzhospital", "zyhousing")


def count_open() -> int:
    return (
        db.session.scalar(
            select(func.count(PersonnelAffiliation.id))
            .join(Person, Person.id == PersonnelAffiliation.person_id)
            .where(Person.name == "王敏", PersonnelAffiliation.ends_on.is_(None))
        )
        or 0
    )


def test_units_that_ask_at_once_get_one_request(own_app: Flask):
    results = run_at_once(own_app, 4, lambda place: ask(UNITS[place]).id)
    made = [r for r in results if isinstance(r, int)]
    assert len(made) == 1
    assert [type(r) for r in results if not isinstance(r, int)] == [ConflictError] * 3
    with own_app.app_context():
        assert db.session.scalar(select(func.count(PersonTransfer.id))) == 1
        db.session.remove()


def asked(app: Flask) -> int:
    with app.app_context():
        with unit_of_work():
            row_id = ask().id
        db.session.remove()
    return row_id


def test_release_objection_and_withdrawal_at_once_have_one_effect(own_app: Flask):
    row_id = asked(own_app)

    def answer(place: int) -> str:
        row = db.session.get_one(PersonTransfer, row_id)
        if place % 3 == 0:
            return transfers.release_transfer(
                row_id, date(2022, 8, 4), expected_version=1, actor=staff(FROM), now=LATER
            ).state.value
        work = transfers.object_transfer if place % 3 == 1 else transfers.withdraw_transfer
        by = FROM if place % 3 == 1 else TO
        return work(row.id, "理由", expected_version=1, actor=staff(by), now=LATER).state.value

    results = run_at_once(own_app, 6, answer)
    assert len([r for r in results if isinstance(r, str)]) == 1
    assert all(isinstance(r, str | DomainError) for r in results)
    with own_app.app_context():
        assert count_open() == 1
        db.session.remove()


@pytest.mark.parametrize("round_", range(3))
def test_submission_and_release_at_once_never_part_person_and_application(own_app: Flask, round_):
    application_id = ready_draft(own_app)
    row_id = asked(own_app)

    def work(place: int) -> str:
        if place == 0:
            row = db.session.get_one(PersonTransfer, row_id)
            return release(row, now=LATER).state.value
        application = db.session.get_one(Application, application_id)
        submit(application, ASKED, key=f"race-{round_}")
        return "submitted"

    results = run_at_once(own_app, 2, work)
    assert all(isinstance(r, str | DomainError) for r in results)
    with own_app.app_context():
        application = db.session.get_one(Application, application_id)
        row = db.session.get_one(PersonTransfer, row_id)
        present = affiliations.present_affiliation(application.person_id)
        assert present is not None
        if application.state is not State.DRAFT:
            assert application.employer_id == present.unit_id
        if row.state is TransferState.RELEASED:
            assert present.unit_id == unit_of(TO).id
        assert count_open() == 1
        db.session.remove()
