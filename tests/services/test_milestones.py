"""Milestone watch (rules 3.5): warned while it can still be mended, once."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy import select

from app.domain.workflow import State
from app.extensions import db
from app.models import Notification
from app.services import milestones
from tests.conftest import at
from tests.services import review_factory as make

pytestmark = pytest.mark.usefixtures("app")


def kinds_told(login: str) -> list[str]:
    account_id = make.account_actor(login).account_id
    return list(
        db.session.scalars(
            select(Notification.kind)
            .where(Notification.account_id == account_id)
            .where(Notification.kind.like("%at_risk"))
        )
    )


@pytest.mark.parametrize(
    ("state", "now", "kind"),
    [
        (State.IN_POLICY_REVIEW, at("2022-11-15T23:59"), None),
        (State.IN_POLICY_REVIEW, at("2022-11-16T00:00"), "policy_review_at_risk"),
        (State.ACCEPTED, at("2022-12-07T23:59"), None),
        (State.ACCEPTED, at("2022-12-08T00:00"), "online_review_at_risk"),
        (State.CERTIFIED, at("2022-12-08T00:00"), None),
        (State.IN_RESULT_PUBLICITY, at("2022-12-16T23:59"), None),
        (State.AWAITING_CONFIRMATION, at("2022-12-17T00:00"), "filing_at_risk"),
    ],
)
def test_a_committee_is_warned_a_fortnight_ahead(
    state: State, now: datetime, kind: str | None
) -> None:
    make.accept_application("周涛", state=state)

    milestones.watch(now=now)

    expected = [kind] if kind else []
    assert kinds_told("office_building_intermediate_guiyang") == expected
    assert kinds_told("province") == expected


def test_nobody_is_warned_twice_of_the_same_milestone() -> None:
    make.accept_application("周涛")
    milestones.watch(now=at("2022-12-08T00:00"))

    milestones.watch(now=at("2022-12-09T00:00"))

    assert kinds_told("province") == ["online_review_at_risk"]
