"""The screens of transfers: offered instead of a second account, answered, decided; nothing given
away (rules E7)."""

from __future__ import annotations

import re
from io import BytesIO

import pytest
from sqlalchemy import select

from app.domain.terms import ApplicantKind, TransferState
from app.extensions import db
from app.models import Account, Notification, Person, PersonTransfer
from app.services import rehearsal, transfers
from tests.applicants import small_pdf
from tests.conftest import at
from tests.factories import staff
from tests.services.test_transfers import FROM, TO, ask, person, unit_of

ASKED = at("2022-08-03T10:00:00")


def entries(**changes):
    return {
        "name": "王敏",
        "identity_document": "resident_id",
        "identity_number": person().identity_number,
        "phone": "19900001234",
        "applicant_kind": "employee",
        "declared": "y",
        **changes,
    }


def row() -> PersonTransfer:
    return db.session.scalars(select(PersonTransfer)).one()


def test_second_account_is_offered_as_a_transfer(sign_in):
    client = sign_in(TO)
    answer = client.post("/accounts/add", data=entries())
    page = answer.get_data(as_text=True)
    assert answer.status_code == 409
    assert 'formaction="/person-transfers/add"' in page
    assert unit_of(FROM).name not in page
    page = client.post("/person-transfers/add", data=entries()).get_data(as_text=True)
    assert 'name="reason"' in page
    assert 'value="王敏"' in page
    answer = client.post(
        "/person-transfers/add",
        data=entries(reason="已调入", proof=(BytesIO(small_pdf()), "调令.pdf")),
    )
    assert answer.status_code == 303
    page = client.get(answer.location).get_data(as_text=True)
    assert "王敏" in page
    assert unit_of(FROM).name not in page
    assert person().identity_number not in page
    proof = client.get(f"/person-transfers/proof/{row().id}")
    assert (proof.status_code, proof.mimetype) == (200, "application/pdf")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"reason": ""}, 422),
        ({"reason": "x", "name": "王闽"}, 422),
        ({"reason": "x", "declared": ""}, 422),
        ({"reason": "x", "identity_number": "1"}, 422),
        ({"reason": "x", "applicant_kind": "freelancer"}, 403),
    ],
)
def test_incomplete_request_is_refused_and_kept(sign_in, changes, status):
    answer = sign_in(TO).post("/person-transfers/add", data=entries(**changes))
    assert answer.status_code == status
    assert db.session.scalar(select(PersonTransfer.id)) is None


def test_proof_that_is_no_document_is_refused(sign_in):
    data = entries(reason="x", proof=(BytesIO(b"MZ no pdf"), "a.pdf"))
    assert sign_in(TO).post("/person-transfers/add", data=data).status_code == 422


def test_present_unit_releases_on_the_page(sign_in):
    found = ask()
    client = sign_in(FROM)
    assert unit_of(TO).name in client.get("/work/").get_data(as_text=True)
    page = client.get(f"/person-transfers/show/{found.id}").get_data(as_text=True)
    assert f"/person-transfers/release/{found.id}" in page
    answer = client.post(
        f"/person-transfers/release/{found.id}",
        data={"starts_on": "2022-08-03", "note": "同意", "expected_version": found.version},
    )
    assert answer.status_code == 303
    assert row().state is TransferState.RELEASED
    stale = client.post(
        f"/person-transfers/release/{found.id}",
        data={"starts_on": "2022-08-03", "expected_version": 1},
    )
    assert stale.status_code == 409


def test_department_decides_after_the_time_on_the_page(sign_in, app):
    found = ask(now=at("2022-07-20T10:00:00"))
    assert found.due_at < rehearsal.clock.now()
    client = sign_in("guiyang")
    page = client.get(f"/person-transfers/show/{found.id}").get_data(as_text=True)
    assert unit_of(FROM).name in page
    data = {"grant": "", "reason": "x", "expected_version": found.version}
    assert client.post(f"/person-transfers/decide/{found.id}", data=data).status_code == 422
    data = {**data, "grant": "yes", "starts_on": "2022-08-02"}
    assert client.post(f"/person-transfers/decide/{found.id}", data=data).status_code == 303
    assert row().state is TransferState.GRANTED


@pytest.mark.parametrize("login", ["gzdesign", "zunyi", "housing", "nmtalentcenter"])
def test_others_do_not_find_the_request(sign_in, login):
    found = ask()
    client = sign_in(login)
    assert client.get(f"/person-transfers/show/{found.id}").status_code == 404
    assert "王敏" not in client.get("/person-transfers/list/").get_data(as_text=True)


def test_person_sees_objects_and_asks(sign_in):
    found = ask()
    client = sign_in("王敏")
    page = client.get("/my/affiliation/").get_data(as_text=True)
    assert unit_of(TO).name in page
    assert f"/my/affiliation/objection/{found.id}" in page
    data = {"reason": "没有去", "expected_version": found.version}
    assert client.post(f"/my/affiliation/objection/{found.id}", data=data).status_code == 303
    assert row().person_objection == "没有去"
    data = {"to_code": "x", "applicant_kind": "employee", "reason": "x"}
    assert client.post("/my/affiliation/ask", data=data).status_code == 422
    other = sign_in("李强")
    assert other.get(f"/my/affiliation/objection/{found.id}").status_code == 404


def test_notifications_lead_to_the_page(sign_in):
    found = ask()
    page = sign_in(FROM).get("/notifications/").get_data(as_text=True)
    assert f"/person-transfers/show/{found.id}" in page
    page = sign_in("王敏").get("/notifications/").get_data(as_text=True)
    assert "/my/affiliation/" in page
    assert db.session.scalar(select(Notification.id)) is not None


def test_unit_lets_somebody_leave_and_another_takes_up(sign_in, account):
    found = account("王敏")
    client = sign_in(FROM)
    data = {"last_on": "2022-08-02", "reason": "辞职"}
    assert client.post(f"/accounts/leave/{found.id}", data=data).status_code == 303
    assert client.get(f"/accounts/show/{found.id}").status_code == 404
    own = sign_in("王敏")
    assert own.get("/my/").status_code == 200
    assert own.get("/my/affiliation/").status_code == 200
    answer = sign_in(TO).post("/accounts/add", data=entries())
    assert answer.status_code == 303
    again = db.session.scalars(
        select(Account).join(Person, Person.id == Account.person_id).where(Person.name == "王敏")
    ).one()
    assert again.unit_id == unit_of(TO).id


def test_list_sends_as_many_queries_for_three_rows_as_for_one(sign_in, count_queries):
    client = sign_in("province")
    ask()
    one = count_queries(lambda: client.get("/person-transfers/list/"))
    for name in ("李强", "孙悦"):
        ask("gzhospital", name=name)
    three = count_queries(lambda: client.get("/person-transfers/list/"))
    assert one == three
    page = client.get("/person-transfers/list/").get_data(as_text=True)
    assert len(re.findall(r"/person-transfers/show/\d+", page)) >= 3


def test_clock_moved_by_the_administrator_settles_what_is_due(sign_in):
    found = ask(now=at("2022-07-20T10:00:00"))
    db.session.commit()
    data = {"at": "2022-08-03T12:00:00"}
    assert sign_in("sysadmin").post("/rehearsal/set", data=data).status_code == 302
    db.session.expire_all()
    assert found.state is TransferState.ESCALATED


def test_unit_asks_where_the_wish_for_another_one_has_expired(sign_in):
    transfers.propose_transfer(
        unit_of("gzhospital").code,
        ApplicantKind.EMPLOYEE,
        "调动",
        actor=staff("王敏"),
        now=at("2022-07-20T10:00:00"),
    )
    db.session.commit()
    answer = sign_in(TO).post("/person-transfers/add", data=entries(reason="已调入"))
    assert answer.status_code == 303
