"""Objections to a result: rows 31 and 32 of rules 3.2."""

from __future__ import annotations

import pytest

from app.domain.errors import DomainError
from app.domain.terms import ObjectionFinding
from app.domain.workflow import State
from app.extensions import db
from app.models import Application, Objection, Publicity
from app.services import objections, publicity, results
from app.services.actors import PUBLIC
from tests.conftest import at
from tests.services import review_factory as make

pytestmark = pytest.mark.usefixtures("app")

OPENED = at("2022-11-21T09:00")
RAISED = at("2022-11-23T10:00")
OVER = at("2022-11-29T08:00")


def objected() -> tuple[Application, Publicity, Objection]:
    """A passed application whose result publicity somebody from the street objects to."""
    meeting = make.announce_passed("周涛")
    application_id = meeting.items[0].application_id
    results.publicize_results([application_id], actor=make.office_of(make.GUIYANG), now=OPENED)
    application = db.session.get_one(Application, application_id, populate_existing=True)
    posting = results.result_publicity_of(application)
    assert posting is not None
    objection = objections.raise_objection(
        posting.id,
        body="代表作第二篇并非本人所著，可向期刊核实",
        contact="19900001234",
        actor=PUBLIC,
        now=RAISED,
    )
    return application, posting, objection


def decide(objection: Objection, finding: ObjectionFinding, when: str) -> None:
    objections.decide_objection(
        objection.id,
        finding=finding,
        text="经核查，署名与单位证明一致",
        actor=make.office_of(make.GUIYANG),
        now=at(when),
    )


def test_objection_holds_this_person_alone() -> None:
    application, posting, objection = objected()

    assert application.state is State.ON_HOLD
    assert objection.is_named is False
    with pytest.raises(DomainError):
        publicity.close_publicity(application.id, now=OVER)
    assert posting.closed_at is None


def test_unfounded_during_the_period_goes_back_to_the_publicity() -> None:
    application, _posting, objection = objected()

    decide(objection, ObjectionFinding.UNFOUNDED, "2022-11-24T10:00")

    assert application.state is State.IN_RESULT_PUBLICITY


def test_unfounded_after_the_period_awaits_confirmation() -> None:
    application, _posting, objection = objected()

    decide(objection, ObjectionFinding.UNFOUNDED, "2022-11-30T10:00")

    assert application.state is State.AWAITING_CONFIRMATION


def test_upheld_disqualifies() -> None:
    application, _posting, objection = objected()

    decide(objection, ObjectionFinding.UPHELD, "2022-11-24T10:00")

    assert application.state is State.DISQUALIFIED
