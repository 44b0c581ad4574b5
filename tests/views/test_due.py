"""Pages where no job has run: readers see the state that is due, who acts finds it settled."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import clock
from app.domain.terms import LapseKind
from app.domain.workflow import State
from app.extensions import db
from app.models import Application, Lapse
from tests.conftest import at
from tests.factories import ENDS_AT, make_application

SignIn = Callable[[str], FlaskClient]
AFTER_RECEIPT = at("2022-09-16T08:00:00")


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """now(instant): what the pages take for now."""
    return lambda instant: monkeypatch.setattr(clock, "now", lambda: instant)


def test_record_page_shows_the_state_that_is_due(
    app: Flask, sign_in: SignIn, now: Callable[[datetime], None]
) -> None:
    application = make_application(State.IN_PUBLICITY)
    now(ENDS_AT)
    page = sign_in("nmdesign").get(f"/applications/show/{application.id}").get_data(as_text=True)
    assert "公示期满" in page
    assert db.session.get_one(Application, application.id).state is State.IN_PUBLICITY


def test_applicant_sees_the_state_that_is_due(
    app: Flask, sign_in: SignIn, now: Callable[[datetime], None]
) -> None:
    application = make_application(State.IN_ROUTING)
    now(AFTER_RECEIPT)
    page = sign_in("王敏").get(f"/my/applications/{application.id}/").get_data(as_text=True)
    assert "逾期" in page
    assert db.session.get_one(Application, application.id).state is State.IN_ROUTING


def test_page_of_an_action_settles_first(
    app: Flask, sign_in: SignIn, now: Callable[[datetime], None]
) -> None:
    application = make_application(State.IN_ROUTING)
    now(AFTER_RECEIPT)
    answer = sign_in("nmhousing").get(f"/applications/do/{application.id}/forward")
    assert answer.status_code in (403, 404, 409)
    assert db.session.get_one(Application, application.id).state is State.LAPSED
    kinds = [row.kind for row in db.session.query(Lapse).order_by(Lapse.id)]
    assert LapseKind.NOT_DELIVERED in kinds


def test_proof_is_uploaded_to_a_publicity_that_is_over_by_the_clock(
    app: Flask, sign_in: SignIn, now: Callable[[datetime], None]
) -> None:
    application = make_application(State.IN_PUBLICITY)
    now(ENDS_AT)
    posting = application.publicities[0].id
    answer = sign_in("nmdesign").get(f"/publicities/prove/{posting}")
    assert answer.status_code == 200
    assert db.session.get_one(Application, application.id).state is State.PUBLICIZED
