"""Result publicity, filing, confirmation, certificates and re-examination through the pages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.domain.terms import FilingState
from app.domain.workflow import State
from app.extensions import db
from app.models import Person, ReExamination, ResultFiling, ReviewMeeting, TitleCertificate
from app.services import publicity, results
from tests.conftest import at
from tests.services import review_factory as make
from tests.views.test_meetings import follow, time

SignIn = Callable[[str], FlaskClient]
Clock = Callable[[str], None]
OFFICE = "office_building_intermediate_guiyang"

__all__ = ["time"]


@pytest.fixture
def meeting(app: Flask, time: Clock) -> ReviewMeeting:
    """An announced meeting at which 周涛 passed."""
    found = make.announce_passed("周涛")
    time("2022-11-21T09:00")
    return found


def filed(meeting: ReviewMeeting, time: Clock) -> ResultFiling:
    office = make.office_of(make.GUIYANG)
    ids = [item.application_id for item in meeting.items]
    results.publicize_results(ids, actor=office, now=at("2022-11-21T09:00"))
    for application_id in ids:
        publicity.close_publicity(application_id, now=at("2022-11-29T08:00"))
    row = results.file_result(meeting.id, actor=office, now=at("2022-11-29T10:00"))
    time("2022-12-05T10:00")
    return row


def test_from_the_publicity_to_the_certificate(
    meeting: ReviewMeeting, sign_in: SignIn, time: Clock
) -> None:
    office = sign_in(OFFICE)
    application = meeting.items[0].application
    base = f"/results/meeting/{meeting.id}"
    assert base in office.get("/results/").get_data(as_text=True)
    follow(office, f"/results/publicize/{meeting.id}", application_ids=[application.id])
    assert application.state is State.IN_RESULT_PUBLICITY
    time("2022-11-29T08:00")
    publicity.close_publicity(application.id, now=at("2022-11-29T08:00"))
    follow(office, f"/results/file/{meeting.id}")
    row = db.session.query(ResultFiling).one()

    city = sign_in("guiyang")
    assert city.get("/result-filings/list/").status_code == 200
    assert application.number in city.get(f"/result-filings/show/{row.id}").get_data(as_text=True)
    assert city.get(f"/result-filings/minutes/{row.id}").data.startswith(b"%PDF-")
    follow(city, f"/result-filings/confirm/{row.id}")
    assert application.state is State.CERTIFIED

    certificate = db.session.query(TitleCertificate).one()
    for login in (OFFICE, "guiyang", "province", "周涛"):
        answer = sign_in(login).get(f"/certificates/pdf/{certificate.id}")
        assert (answer.status_code, answer.mimetype) == (200, "application/pdf"), login
    assert sign_in("李强").get(f"/certificates/pdf/{certificate.id}").status_code == 404
    assert certificate.number in office.get(f"/certificates/show/{certificate.id}").get_data(
        as_text=True
    )
    assert office.get(f"/results/slip/{application.id}").data.startswith(b"%PDF-")


def test_a_filing_is_returned_with_its_reason(
    meeting: ReviewMeeting, sign_in: SignIn, time: Clock
) -> None:
    row = filed(meeting, time)
    city = sign_in("guiyang")
    assert city.post(f"/result-filings/send_back/{row.id}", data={"note": ""}).status_code == 422
    follow(city, f"/result-filings/send_back/{row.id}", note="纪要缺签名页")
    assert row.state is FilingState.RETURNED
    assert "纪要缺签名页" in sign_in(OFFICE).get(f"/results/meeting/{meeting.id}").get_data(
        as_text=True
    )


def test_a_name_that_cannot_be_printed_is_told(
    meeting: ReviewMeeting, sign_in: SignIn, time: Clock
) -> None:
    row = filed(meeting, time)
    db.session.query(Person).filter_by(name="周涛").one().name = "周𮧵"
    db.session.flush()
    assert "周𮧵" in follow(sign_in("guiyang"), f"/result-filings/confirm/{row.id}")
    assert meeting.items[0].application.state is State.CONFIRMED


@pytest.mark.parametrize(
    ("login", "status"), [("zunyi", 404), (OFFICE, 403), ("office_health_senior", 404)]
)
def test_others_do_not_confirm(
    meeting: ReviewMeeting, sign_in: SignIn, time: Clock, login: str, status: int
) -> None:
    row = filed(meeting, time)
    assert sign_in(login).post(f"/result-filings/confirm/{row.id}").status_code == status
    assert row.state is FilingState.FILED


def test_fraud_is_found_and_the_certificate_revoked(
    meeting: ReviewMeeting, sign_in: SignIn, time: Clock, client: FlaskClient
) -> None:
    filed(meeting, time)
    done = results.confirm_results(
        meeting.id, actor=make.account_actor("guiyang"), now=at("2022-12-05T10:00")
    )
    certificate = done.certificates[0]
    province = sign_in("province")
    path = f"/certificates/revoke/{certificate.id}"
    assert province.post(path, data={"finding": ""}).status_code == 422
    assert province.post(path, data={"finding": "业绩造假，经核查属实"}).status_code == 303
    assert meeting.items[0].application.state is State.REVOKED
    assert client.get(f"/public/verify/{certificate.number}").status_code == 200


def test_an_application_is_disqualified_with_a_finding(
    meeting: ReviewMeeting, sign_in: SignIn
) -> None:
    application = meeting.items[0].application
    office = sign_in(OFFICE)
    path = f"/results/disqualify/{application.id}"
    assert office.get(path).status_code == 200
    assert office.post(path, data={"finding": " "}).status_code == 422
    assert office.post(path, data={"finding": "论文抄袭"}).status_code == 303
    assert application.state is State.DISQUALIFIED


def test_a_re_examination_is_answered(meeting: ReviewMeeting, sign_in: SignIn) -> None:
    application = make.accept_application("田甜", state=State.NOT_PASSED)
    row = ReExamination(
        application_id=application.id, ground="程序", asked_at=at("2022-11-21T09:00")
    )
    db.session.add(row)
    db.session.flush()
    office = sign_in(OFFICE)
    assert application.number in office.get("/re_examinations/list/").get_data(as_text=True)
    follow(office, f"/re_examinations/decide/{row.id}", finding="程序合规")
    assert row.finding == "程序合规"


def test_applicants_and_units_do_not_see_the_desks(meeting: ReviewMeeting, sign_in: SignIn) -> None:
    applicant = sign_in("周涛")
    for path in (
        "/results/",
        "/result-filings/list/",
        "/certificates/list/",
        "/re_examinations/list/",
    ):
        assert applicant.get(path).status_code == 403, path
    for path in (f"/results/publicize/{meeting.id}", f"/results/file/{meeting.id}"):
        assert sign_in("guiyang").post(path).status_code == 403, path
        assert sign_in("office_health_senior").post(path).status_code == 404, path
