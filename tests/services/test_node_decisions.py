"""What else a node and the office decide: rows 15 and 27 of rules 3.2."""

from __future__ import annotations

import pytest

from app.domain.errors import DomainError, RuleViolation
from app.domain.workflow import Action, State
from app.extensions import db
from app.models import Application, OutboxMessage
from app.services import employer, meetings
from tests.conftest import at
from tests.factories import FORWARDED_AT, make_application, staff
from tests.services import review_factory as make

pytestmark = pytest.mark.usefixtures("app")


def decline(application: Application, login: str, *, reason: str = "不符合申报条件") -> None:
    employer.decline_application(
        application.id,
        reason_code="not_eligible",
        reason=reason,
        actor=staff(login),
        now=FORWARDED_AT[0],
    )


def test_a_node_declines_with_a_reason_and_the_applicant_is_told() -> None:
    application = make_application(State.IN_ROUTING)

    decline(application, "nmhousing")

    assert application.state is State.DECLINED
    event = application.events[-1]
    assert (event.action, event.unit_id) == (Action.DECLINE, staff("nmhousing").unit_id)
    told = {m.recipient_id for m in db.session.query(OutboxMessage).filter_by(event_id=event.id)}
    assert staff("王敏").account_id in told


def test_only_the_node_that_holds_it_declines() -> None:
    application = make_application(State.IN_ROUTING)

    with pytest.raises(DomainError):
        decline(application, "nanming")

    assert application.state is State.IN_ROUTING


def test_a_node_needs_words_to_decline() -> None:
    with pytest.raises(RuleViolation):
        decline(make_application(State.IN_ROUTING), "nmhousing", reason=" ")


def test_the_office_arranges_group_and_defence_without_moving_it() -> None:
    meeting = make.plan_meeting("周涛", "田甜")
    item = meeting.items[0]

    meetings.arrange_application(
        item.application_id,
        group_name="造价组",
        defence_at="2022-11-18 09:00",
        actor=make.office_of(make.GUIYANG),
        now=at("2022-11-09T09:00"),
    )

    application = db.session.get_one(Application, item.application_id)
    assert application.state is State.ACCEPTED
    assert (item.group_name, meeting.items[1].group_name) == ("造价组", "")
    assert application.events[-1].action is Action.ARRANGE
    assert application.events[-1].data["defence"] == "2022-11-18 09:00"
