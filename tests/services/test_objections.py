"""Objections: rows 9 and 10 of rules 3.2, F2."""

from __future__ import annotations

import pytest

from app.domain.errors import ConflictError, NotPermittedError, RuleViolation
from app.domain.terms import DueKind, ObjectionFinding, ReturnTarget
from app.domain.workflow import Action, State
from app.extensions import db
from app.models import Objection, OutboxMessage
from app.services import employer, facts, objections, publicity
from app.services.actors import PUBLIC
from tests.conftest import at
from tests.factories import ENDS_AT, make_application, object_to, post, staff

pytestmark = pytest.mark.usefixtures("app")

DURING = at("2022-08-08T10:00:00")
AFTER = at("2022-08-15T10:00:00")


def decide(objection, finding=ObjectionFinding.UNFOUNDED, now=DURING, login="nmdesign", **extra):
    given = {"text": "经核查，业绩属实"} | extra
    return objections.decide_objection(
        objection.id, finding=finding, actor=staff(login), now=now, **given
    )


@pytest.fixture
def posted(app):
    application = make_application()
    return application, post(application)


def test_objection_puts_the_application_on_hold_without_naming_the_objector(posted):
    application, posting = posted

    objection = object_to(posting.id, DURING)

    assert application.state is State.ON_HOLD
    event = application.events[-1]
    assert (event.action, event.account_id, event.unit_id) == (Action.HOLD, None, None)
    assert event.reason == objection.number
    assert objection.is_named is True
    told = {m.recipient_id for m in db.session.query(OutboxMessage).filter_by(event_id=event.id)}
    assert staff("王敏").account_id not in told
    assert staff("nmdesign").account_id in told


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"body": "不对"}, RuleViolation),
        ({"contact": " "}, RuleViolation),
        ({"now": at("2022-08-04T09:59:59")}, ConflictError),
        ({"now": ENDS_AT}, ConflictError),
        ({"actor": "王敏"}, NotPermittedError),
        ({"actor": "张丽"}, NotPermittedError),
        ({"actor": None}, NotPermittedError),
    ],
)
def test_objection_is_refused(posted, change, error):
    given = {
        "body": "业绩成果第一项与事实不符，可向建设单位核实",
        "contact": "1990000",
        "now": DURING,
        "actor": "孙悦",
    } | change
    given["actor"] = staff(given["actor"]) if given["actor"] else PUBLIC

    with pytest.raises(error):
        objections.raise_objection(posted[1].id, **given)


def test_superior_may_object(posted):
    object_to(posted[1].id, DURING, login="nmhousing")

    assert posted[0].state is State.ON_HOLD


def test_unfounded_objection_goes_back_to_the_running_publicity(posted):
    application, posting = posted

    decide(object_to(posting.id, DURING))

    assert application.state is State.IN_PUBLICITY
    assert application.due_at == ENDS_AT
    publicity.close_publicity(application.id, now=ENDS_AT)
    assert application.state is State.PUBLICIZED
    assert employer.may_forward_automatically(application) is False


def test_publicity_does_not_close_while_an_objection_is_open(posted):
    object_to(posted[1].id, DURING)

    with pytest.raises(ConflictError):
        publicity.close_publicity(posted[0].id, now=ENDS_AT)


def test_unfounded_after_the_period_leads_past_the_publicity(posted):
    application, posting = posted

    decide(object_to(posting.id, DURING), now=AFTER)

    assert application.state is State.PUBLICIZED
    assert application.due_kind is DueKind.UNIT_PUSH
    assert posting.closed_at == AFTER
    assert facts.is_complete(posting) is True


def test_second_objection_keeps_it_on_hold_until_both_are_decided(posted):
    application, posting = posted
    first, second = object_to(posting.id, DURING), object_to(posting.id, DURING)

    decide(first)
    assert application.state is State.ON_HOLD
    decide(second)

    assert application.state is State.IN_PUBLICITY
    with pytest.raises(ConflictError, match="decided already"):
        decide(second)


def test_upheld_objection_declines_the_application(posted):
    application, posting = posted

    decide(object_to(posting.id, DURING), ObjectionFinding.UPHELD)

    assert application.state is State.DECLINED
    assert posting.closed_at == DURING


def test_upheld_objection_may_return_it_and_a_new_publicity_follows(posted):
    application, posting = posted

    decide(
        object_to(posting.id, DURING),
        ObjectionFinding.UPHELD,
        outcome=Action.RETURN,
        unlocked_sections=["achievements"],
    )

    assert application.state is State.RETURNED
    assert application.returned_to is ReturnTarget.APPLICANT
    assert facts.open_correction(application).unlocked_sections == ["achievements"]
    assert facts.has_changed_publicised(application) is True
    assert posting.close_note == "returned"


@pytest.mark.parametrize("login", ["nmhousing", "gzdesign"])
def test_only_the_unit_decides(posted, login):
    objection = object_to(posted[1].id, DURING)

    with pytest.raises(NotPermittedError):
        decide(objection, login=login)


def test_finding_needs_words(posted):
    objection = object_to(posted[1].id, DURING)

    with pytest.raises(RuleViolation):
        decide(objection, text=" ")
    assert db.session.get(Objection, objection.id).finding is None
