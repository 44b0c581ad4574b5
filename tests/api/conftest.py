"""What the tests of the resources share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask, g, request_started

from app import clock
from app.extensions import db
from app.models import TitleCertificate
from app.services import publicity, results
from tests.conftest import at
from tests.services import review_factory as make

OPENED = at("2022-11-21T09:00")
OVER = at("2022-11-29T08:00")
CONFIRMED = at("2022-12-05T10:00")


@pytest.fixture(autouse=True)
def _own_globals() -> Iterator[None]:
    """Give each request its own `g`: under the test's application context all would share one."""

    def forget(_sender: Flask) -> None:
        vars(g).clear()

    with request_started.connected_to(forget):
        yield


@pytest.fixture
def certificate(app: Flask, monkeypatch: pytest.MonkeyPatch) -> TitleCertificate:
    """周涛's certificate, issued on the day the clock shows."""
    meeting = make.announce_passed("周涛")
    ids = [item.application_id for item in meeting.items]
    office = make.office_of(make.GUIYANG)
    results.publicize_results(ids, actor=office, now=OPENED)
    for application_id in ids:
        publicity.close_publicity(application_id, now=OVER)
    results.file_result(meeting.id, actor=office, now=OVER)
    found = results.confirm_results(
        meeting.id, actor=make.account_actor("guiyang"), now=CONFIRMED
    ).certificates[0]
    db.session.commit()
    monkeypatch.setattr(clock, "now", lambda: CONFIRMED)
    return found
