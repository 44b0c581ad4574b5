"""The screens of publicity: several at once, proof, objections, what people of the unit see."""

from __future__ import annotations

import io
from datetime import datetime

import pytest

from app import clock
from app.domain.workflow import State
from app.extensions import db
from app.models import Application, Objection, Publicity
from app.services import facts
from tests.applicants import small_pdf
from tests.conftest import at
from tests.factories import ENDS_AT, OPENED_AT, make_application, object_to, post

DURING = at("2022-08-08T10:00:00")


@pytest.fixture
def clock_at(monkeypatch):
    """clock_at(instant): what the pages take for now."""

    def set_(instant: datetime):
        monkeypatch.setattr(clock, "now", lambda: instant)

    set_(OPENED_AT)
    return set_


pytestmark = pytest.mark.usefixtures("clock_at")


def page(client, address, status=200):
    answer = client.get(address)
    assert answer.status_code == status
    return answer.get_data(as_text=True)


def state_of(application):
    return db.session.get(Application, application.id, populate_existing=True).state


def test_several_publicities_open_at_once(sign_in):
    first, second = make_application(), make_application(person="孙悦")
    third = make_application(person="刘伟")
    client = sign_in("nmdesign")
    text = page(client, "/open-publicities/")
    assert "2022-08-05" in text
    assert "2022-08-07" in text  # the last day to open one for this plan line (A3)

    answer = client.post(
        "/open-publicities/",
        data={
            "application": [str(first.id), str(second.id)],
            "opinion": "同意推荐",
            "on_site_promised": "y",
        },
    )

    assert answer.status_code == 303
    assert (state_of(first), state_of(second)) == (State.IN_PUBLICITY, State.IN_PUBLICITY)
    assert state_of(third) is State.IN_EMPLOYER_CHECK


def test_publicities_are_scheduled_for_a_sunday(sign_in):
    application = make_application()

    answer = sign_in("nmdesign").post(
        "/open-publicities/",
        data={
            "application": [str(application.id)],
            "opinion": "同意推荐",
            "on_site_promised": "y",
            "scheduled_for": "2022-08-07T20:00",
        },
    )

    assert answer.status_code == 303
    assert state_of(application) is State.IN_EMPLOYER_CHECK
    posting = facts.open_publicity_of(application)
    assert posting.scheduled_for == at("2022-08-07T20:00:00")
    text = page(sign_in("nmdesign"), f"/publicities/show/{posting.id}")
    assert f"/publicities/cancel/{posting.id}" in text


def test_own_application_is_shown_as_impossible_and_not_opened(sign_in):
    application = make_application(person="刘伟")
    client = sign_in("刘伟")
    assert "disabled" in page(client, "/open-publicities/")

    client.post(
        "/open-publicities/",
        data={
            "application": [str(application.id)],
            "opinion": "同意推荐",
            "on_site_promised": "y",
        },
    )

    assert state_of(application) is State.IN_EMPLOYER_CHECK


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"application": "1", "opinion": ""},
        {"application": "x", "opinion": "同意"},
        {"application": "99999999999999999999", "opinion": "同意", "scheduled_for": "abc"},
    ],
)
def test_batch_form_answers_in_words(sign_in, data):
    make_application()

    answer = sign_in("nmdesign").post("/open-publicities/", data=data)

    assert answer.status_code == 422


def test_foreign_rows_of_the_batch_are_ignored(sign_in):
    application = make_application()

    sign_in("gzdesign").post(
        "/open-publicities/",
        data={"application": [str(application.id)], "opinion": "同意", "on_site_promised": "y"},
    )

    assert state_of(application) is State.IN_EMPLOYER_CHECK


def test_proof_is_uploaded_and_opened_again(sign_in, clock_at):
    application = make_application()
    posting = post(application)
    posting.on_site_proof_sha256 = posting.on_site_proof_at = None
    db.session.commit()
    clock_at(DURING)
    client = sign_in("nmdesign")
    page(client, f"/publicities/prove/{posting.id}")
    form = {"posted_from": "2022-08-05", "posted_to": "2022-08-11"}
    wrong = form | {"file": (io.BytesIO(b"MZ..."), "x.pdf")}
    assert client.post(f"/publicities/prove/{posting.id}", data=wrong).status_code == 422
    assert client.post(f"/publicities/prove/{posting.id}", data=dict(form)).status_code == 422

    sent = form | {"file": (io.BytesIO(small_pdf("site")), "公示照片.pdf")}
    answer = client.post(f"/publicities/prove/{posting.id}", data=sent)

    assert answer.status_code == 303
    proof = client.get(f"/publicities/proof_file/{posting.id}")
    assert (proof.status_code, proof.mimetype) == (200, "application/pdf")
    assert sign_in("gzdesign").get(f"/publicities/proof_file/{posting.id}").status_code == 404


def test_superior_lengthens_and_unit_may_not(sign_in, clock_at):
    posting = post(make_application())
    clock_at(DURING)
    data = {"working_days": "2", "reason": "核查需要"}

    assert sign_in("nmdesign").post(f"/publicities/extend/{posting.id}", data=data).status_code in {
        302,
        403,
    }
    client = sign_in("nanming")
    page(client, f"/publicities/extend/{posting.id}")
    answer = client.post(f"/publicities/extend/{posting.id}", data=data)

    assert answer.status_code == 303
    db.session.refresh(posting)
    assert posting.ends_on.isoformat() == "2022-08-15"


@pytest.mark.parametrize(
    ("login", "sees"),
    [
        ("孙悦", True),
        ("刘伟", True),
        ("nmdesign", True),
        ("nmhousing", True),
        ("province", True),
        ("张丽", False),
        ("gzdesign", False),
    ],
)
def test_publicity_is_seen_by_people_of_the_unit_and_its_superiors(sign_in, clock_at, login, sees):
    posting = post(make_application())
    clock_at(DURING)
    client = sign_in(login)

    assert ("王敏" in page(client, "/unit-publicities/")) is sees
    text = page(client, f"/unit-publicities/{posting.id}", 200 if sees else 404)
    if sees:
        assert posting.application.person.identity_mask not in text


def test_publicity_page_closes_with_its_last_day(sign_in, clock_at):
    posting = post(make_application())
    client = sign_in("孙悦")
    clock_at(ENDS_AT)

    page(client, f"/unit-publicities/{posting.id}", 404)


def test_colleague_objects_and_the_unit_decides(sign_in, clock_at):
    application = make_application()
    posting = post(application)
    clock_at(DURING)
    colleague = sign_in("孙悦")
    short = colleague.post(
        f"/unit-publicities/{posting.id}", data={"body": "不对", "contact": "1990000"}
    )
    assert short.status_code == 422
    answer = colleague.post(
        f"/unit-publicities/{posting.id}",
        data={"body": "业绩成果第一项与事实不符，可核实", "contact": "19900001111", "name": "孙某"},
    )
    assert answer.status_code == 303
    assert state_of(application) is State.ON_HOLD
    objection = db.session.query(Objection).one()

    unit = sign_in("nmdesign")
    assert objection.number in page(unit, "/objections/list/")
    assert "孙某" in page(unit, f"/objections/show/{objection.id}")
    page(unit, f"/objections/decide/{objection.id}")
    assert unit.post(f"/objections/decide/{objection.id}", data={}).status_code == 422
    done = unit.post(
        f"/objections/decide/{objection.id}",
        data={"finding": "unfounded", "text": "经核查属实", "outcome": "decline"},
    )

    assert done.status_code == 303
    assert state_of(application) is State.IN_PUBLICITY


def test_superior_sees_the_objection_but_not_the_objector_and_cannot_decide(sign_in, clock_at):
    application = make_application()
    objection = object_to(post(application).id, DURING)
    db.session.commit()
    clock_at(DURING)
    client = sign_in("nanming")

    text = page(client, f"/objections/show/{objection.id}")
    assert objection.body in text
    assert "李某" not in text
    page(client, f"/objections/decide/{objection.id}", 403)
    page(sign_in("gzdesign"), f"/objections/show/{objection.id}", 404)


def test_handler_who_is_the_applicant_does_not_see_the_objection(sign_in, clock_at):
    application = make_application(person="刘伟")
    objection = object_to(post(application).id, DURING)
    db.session.commit()
    clock_at(DURING)

    page(sign_in("刘伟"), f"/objections/show/{objection.id}", 404)


def test_upheld_objection_returns_the_application(sign_in, clock_at):
    application = make_application()
    objection = object_to(post(application).id, DURING)
    db.session.commit()
    clock_at(DURING)

    answer = sign_in("nmdesign").post(
        f"/objections/decide/{objection.id}",
        data={
            "finding": "upheld",
            "text": "第一项不属实",
            "outcome": "return",
            "sections": ["achievements"],
        },
    )

    assert answer.status_code == 303
    assert state_of(application) is State.RETURNED


def test_lists_of_publicities_are_scoped(sign_in):
    posting = post(make_application())
    number = posting.application.number

    assert number in page(sign_in("nmdesign"), "/publicities/list/")
    assert number not in page(sign_in("gzdesign"), "/publicities/list/")
    assert db.session.query(Publicity).count() == 1
