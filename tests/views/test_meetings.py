"""The office's, the supervisor's, the experts' and the chair's pages: a whole meeting through
HTTP.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_babel import gettext

from app import clock
from app.domain.terms import BallotChoice, MeetingState
from app.domain.workflow import State
from app.extensions import db
from app.models import (
    Account,
    Application,
    Ballot,
    ExpertPoolMember,
    MeetingItem,
    PanelMember,
    ReviewMeeting,
)
from app.services import ballots, meetings, publicity, results
from tests.conftest import at
from tests.services import review_factory as make

SignIn = Callable[[str], FlaskClient]


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """time("2022-11-01T10:00") sets the business clock."""

    def set_to(text: str) -> None:
        monkeypatch.setattr(clock, "now", lambda: at(text))
        monkeypatch.setattr(clock, "today", lambda: at(text).date())

    set_to("2022-11-01T10:00")
    return set_to


def expert_client(member: PanelMember, sign_in: SignIn) -> FlaskClient:
    return sign_in(member.expert.person.name)


def follow(client: FlaskClient, path: str, **data: object) -> str:
    """Post, expect the way back, and read the page it leads to."""
    answer = client.post(path, data=data)
    assert answer.status_code == 303, answer.get_data(as_text=True)[-1500:]
    page = client.get(answer.location)
    assert page.status_code == 200
    text = page.get_data(as_text=True)
    assert "alert-danger" not in text, text[text.index("alert-danger") :][:400]
    return text


def test_a_whole_meeting_through_the_pages(
    app: Flask, sign_in: SignIn, time: Callable[[str], None]
) -> None:
    application = make.accept_application("周涛")
    office = sign_in("office_building_intermediate_guiyang")
    form = office.get("/meetings/plan").get_data(as_text=True)
    assert application.number in form
    assert office.get("/meetings/list/").status_code == 200
    answer = office.post(
        "/meetings/plan",
        data={
            "committee_id": application.committee_id,
            "held_on": "2022-11-20",
            "place": "三会议室",
            "application_ids": [application.id],
        },
    )
    assert answer.status_code == 303, answer.get_data(as_text=True)[-3000:]
    meeting = db.session.query(ReviewMeeting).one()
    base = f"/meetings/show/{meeting.id}"
    assert application.number in office.get(base).get_data(as_text=True)
    follow(office, f"/meetings/draw/{meeting.id}")

    supervisor = sign_in("supervisor")
    record = supervisor.get(f"/meetings/record/{meeting.id}").get_data(as_text=True)
    assert "sha256-rank/1" in record
    follow(supervisor, f"/meetings/witness/{meeting.id}")
    follow(office, f"/meetings/invite/{meeting.id}")

    for member in make.panel(meeting):
        client = expert_client(member, sign_in)
        follow(client, f"/expert/answer/{member.id}", accepts="1")
        follow(client, f"/expert/pledge/{member.id}", agreed="1")
    follow(office, f"/meetings/convene/{meeting.id}")
    assert application.state is State.IN_EXPERT_REVIEW

    time("2022-11-20T09:00")
    members = make.panel(meeting)
    for number, member in enumerate(members):
        client = expert_client(member, sign_in)
        follow(client, f"/expert/sign_in/{member.id}")
        if number < 3:
            path = f"{meeting.id}/{application.id}"
            page = client.get(f"/expert/application/{path}").get_data(as_text=True)
            assert "周涛" in page
            follow(client, f"/expert/opinion/{path}", opinion="同意", score="90", then="lock")
    chair = expert_client(members[0], sign_in)
    desk = f"/meetings/desk/{meeting.id}"
    assert chair.get(desk).status_code == 200
    follow(chair, f"/meetings/open/{meeting.id}")
    item = db.session.query(MeetingItem).one()
    follow(chair, f"/meetings/open_ballot/{item.id}")
    for member in members:
        client = expert_client(member, sign_in)
        page = client.get(f"/expert/ballot/{item.id}").get_data(as_text=True)
        assert 'name="choice"' in page
        text = follow(client, f"/expert/ballot/{item.id}", choice="yes")
        assert 'name="choice"' not in text
    follow(chair, f"/meetings/close_ballot/{item.id}")
    follow(chair, f"/meetings/close/{meeting.id}")
    follow(chair, f"/meetings/announce/{meeting.id}")
    assert meeting.state is MeetingState.ANNOUNCED
    assert application.state is State.PASSED
    for client in (office, chair, supervisor):
        answer = client.get(f"/meetings/minutes/{meeting.id}")
        assert answer.mimetype == "application/pdf"
        assert answer.data.startswith(b"%PDF-")
    assert db.session.query(Ballot).count() == 7


def test_a_refusal_comes_back_in_words_and_keeps_what_was_typed(
    app: Flask, sign_in: SignIn, time: Callable[[str], None]
) -> None:
    application = make.accept_application("周涛")
    make.committee_named(make.GUIYANG).filings[-1].valid_to = date(2022, 11, 19)
    db.session.flush()
    office = sign_in("office_building_intermediate_guiyang")
    answer = office.post(
        "/meetings/plan",
        data={
            "committee_id": application.committee_id,
            "held_on": "2022-11-20",
            "place": "三会议室",
            "application_ids": [application.id],
        },
    )
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert "2022-11-19" in page
    assert "三会议室" in page


@pytest.fixture
def hall(app: Flask, time: Callable[[str], None]) -> tuple[ReviewMeeting, MeetingItem]:
    """An open meeting with its ballot opened."""
    meeting = make.plan_meeting("周涛")
    make.open_meeting(meeting)
    item = meeting.items[0]
    make.write_opinions(meeting, item)
    ballots.open_ballot(item.id, actor=make.chair_of(meeting), now=make.ON_THE_DAY)
    time("2022-11-20T09:30")
    return meeting, item


Hall = tuple[ReviewMeeting, MeetingItem]


def test_no_page_tells_the_tally_before_the_close(hall: Hall, sign_in: SignIn) -> None:
    meeting, item = hall
    make.vote(item, make.panel(meeting)[:4], *[BallotChoice.NO] * 4)
    chair = expert_client(make.panel(meeting)[0], sign_in)
    pages = [
        chair.get(f"/meetings/desk/{meeting.id}"),
        chair.get(f"/expert/ballot/{item.id}"),
        sign_in("office_building_intermediate_guiyang").get(f"/meetings/show/{meeting.id}"),
    ]
    tally = gettext(
        "%(yes)s yes, %(no)s no, %(abstain)s abstained, %(missing)s not cast",
        yes=0,
        no=4,
        abstain=0,
        missing=3,
    )
    for page in pages:
        assert page.status_code == 200
        assert tally not in page.get_data(as_text=True)
    assert ">4 / 7</progress>" in pages[0].get_data(as_text=True)
    ballots.close_ballot(
        item.id, marks_not_cast=True, actor=make.chair_of(meeting), now=make.ON_THE_DAY
    )
    closed = chair.get(f"/meetings/desk/{meeting.id}").get_data(as_text=True)
    assert tally in closed


def test_a_second_vote_is_refused_in_words(hall: Hall, sign_in: SignIn) -> None:
    meeting, item = hall
    client = expert_client(make.panel(meeting)[2], sign_in)
    follow(client, f"/expert/ballot/{item.id}", choice="yes")
    answer = client.post(f"/expert/ballot/{item.id}", data={"choice": "no"})
    page = client.get(answer.location).get_data(as_text=True)
    assert "alert-danger" in page
    assert db.session.query(Ballot).count() == 1


@pytest.mark.parametrize("choice", ["", "maybe", "yes' --", "YES"])
def test_a_bad_choice_is_refused_in_words(hall: Hall, sign_in: SignIn, choice: str) -> None:
    meeting, item = hall
    client = expert_client(make.panel(meeting)[2], sign_in)
    answer = client.post(f"/expert/ballot/{item.id}", data={"choice": choice})
    assert answer.status_code == 303
    assert db.session.query(Ballot).count() == 0


@pytest.mark.parametrize(
    "login", ["office_building_intermediate_guiyang", "supervisor", "province", "邱长青"]
)
def test_the_list_opens_for_each_role(hall: Hall, sign_in: SignIn, login: str) -> None:
    meeting, _item = hall
    page = sign_in(login).get("/meetings/list/")
    assert page.status_code == 200
    assert f"/meetings/show/{meeting.id}" in page.get_data(as_text=True)


def test_strangers_do_not_get_in(hall: Hall, sign_in: SignIn, client: FlaskClient) -> None:
    meeting, item = hall
    pages = [
        f"/meetings/show/{meeting.id}",
        f"/meetings/record/{meeting.id}",
        f"/meetings/desk/{meeting.id}",
        f"/expert/meeting/{meeting.id}",
        f"/expert/application/{meeting.id}/{item.application_id}",
        f"/expert/ballot/{item.id}",
    ]
    stranger = sign_in("office_health_senior")
    applicant = sign_in("周涛")
    seated = {member.expert.person_id for member in meeting.members}
    outsider = next(
        pool.expert.person.name
        for pool in db.session.query(ExpertPoolMember).all()
        if pool.expert.person_id not in seated
    )
    other_expert = sign_in(outsider)
    for path in pages:
        assert client.get(path).status_code == 302
        assert stranger.get(path).status_code in {403, 404}, path
        assert applicant.get(path).status_code in {403, 404}, path
        assert other_expert.get(path).status_code in {403, 404}, path
    for path in (f"/meetings/open_ballot/{item.id}", f"/meetings/close_ballot/{item.id}"):
        office = sign_in("office_building_intermediate_guiyang")
        assert office.post(path).status_code == 403
        assert other_expert.post(path).status_code in {403, 404}


@pytest.mark.parametrize("number", [0, 2**31, 10**18])
def test_impossible_numbers_are_not_found(
    app: Flask, sign_in: SignIn, time: Callable[[str], None], number: int
) -> None:
    office = sign_in("office_building_intermediate_guiyang")
    expert = sign_in("陆海涛")
    for path in (f"/meetings/draw/{number}", f"/meetings/take_off/{number}"):
        assert office.post(path).status_code == 404, path
    for path in (
        f"/expert/meeting/{number}",
        f"/expert/ballot/{number}",
        f"/expert/application/{number}/1",
    ):
        assert expert.get(path).status_code == 404, path


def test_a_recused_expert_is_not_shown_the_application(hall: Hall, sign_in: SignIn) -> None:
    meeting = make.plan_meeting("田甜", extra_approval="黔人社函88号")
    make.convene(meeting)
    member = make.panel(meeting)[3]
    item = meeting.items[0]
    client = expert_client(member, sign_in)
    path = f"{meeting.id}/{item.application_id}"
    assert client.get(f"/expert/application/{path}").status_code == 200
    follow(client, f"/expert/recuse/{path}", ground="kin", reason="")
    assert client.get(f"/expert/application/{path}").status_code == 403


def test_hidden_identity_shows_neither_name_nor_unit(
    app: Flask, sign_in: SignIn, time: Callable[[str], None]
) -> None:
    meeting = make.plan_meeting("周涛", hides_identity=True)
    application = meeting.items[0].application
    application.content = {
        "work_summary": {"summary": f"周涛在{application.employer.name}工作十年"},
        "profile": {"full_name": "周涛"},
    }
    application.versions[-1].content = application.content
    make.convene(meeting)
    member = make.panel(meeting)[3]
    client = expert_client(member, sign_in)
    for path in (
        f"/expert/meeting/{meeting.id}",
        f"/expert/application/{meeting.id}/{application.id}",
    ):
        text = client.get(path).get_data(as_text=True)
        assert "周涛" not in text
        assert application.employer.name not in text
        assert application.number in text


def test_what_was_typed_survives_a_bad_score(hall: Hall, sign_in: SignIn) -> None:
    meeting = make.plan_meeting("田甜", extra_approval="黔人社函88号")
    make.convene(meeting)
    member, item = make.panel(meeting)[3], meeting.items[0]
    client = expert_client(member, sign_in)
    answer = client.post(
        f"/expert/opinion/{meeting.id}/{item.application_id}",
        data={"opinion": "写了很久的意见", "score": "九十", "then": "save"},
    )
    assert answer.status_code == 422
    assert "写了很久的意见" in answer.get_data(as_text=True)


def test_expert_names_stand_on_no_public_or_applicant_page(
    hall: Hall, sign_in: SignIn, client: FlaskClient, time: Callable[[str], None]
) -> None:
    """D6: while the meeting runs and after it, down to the certificate."""
    meeting, item = hall
    names = {member.expert.person.name for member in meeting.members}
    chair = make.chair_of(meeting)
    make.vote(item, make.panel(meeting), *[BallotChoice.YES] * 7)
    ballots.close_ballot(item.id, actor=chair, now=make.ON_THE_DAY)
    meetings.close_meeting(meeting.id, actor=chair, now=make.ON_THE_DAY)
    meetings.announce_meeting(meeting.id, actor=chair, now=make.ON_THE_DAY)
    office = make.office_of(make.GUIYANG)
    results.publicize_results([item.application_id], actor=office, now=at("2022-11-21T09:00"))
    time("2022-11-23T09:00")
    look_at_pages(client, sign_in, item.application_id, names)
    publicity.close_publicity(item.application_id, now=at("2022-11-29T08:00"))
    results.file_result(meeting.id, actor=office, now=at("2022-11-29T10:00"))
    done = results.confirm_results(
        meeting.id, actor=make.account_actor("guiyang"), now=at("2022-12-05T10:00")
    )
    time("2022-12-06T09:00")
    look_at_pages(client, sign_in, item.application_id, names, done.certificates[0].number)


def look_at_pages(
    client: FlaskClient,
    sign_in: SignIn,
    application_id: int,
    names: set[str],
    certificate: str = "",
) -> None:
    application = db.session.get_one(Application, application_id)
    applicant = sign_in(application.person.name)
    public = ["/public/", "/public/publicity", "/public/results", "/public/calls"]
    if certificate:
        public.append(f"/public/verify/{certificate}")
    own = ["/my/", f"/my/{application_id}"]
    staff = db.session.query(Account).filter(Account.unit_id == application.employer_id)
    unit = next(a for a in staff if any(r.name.startswith("unit_") for r in a.roles))
    unit_pages = [
        f"/applications/show/{application_id}",
        "/applications/list/",
        "/certificates/list/",
    ]
    seen = 0
    for browser, paths in (
        (client, public),
        (applicant, [*public, *own]),
        (sign_in(unit.username), unit_pages),
    ):
        for path in paths:
            answer = browser.get(path, follow_redirects=True)
            text = answer.get_data(as_text=True)
            assert answer.status_code in {200, 404}, path
            assert not [name for name in names if name in text], path
            seen += answer.status_code == 200
    assert seen >= len(public) * 2 + 1
