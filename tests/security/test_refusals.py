"""Refused accesses are on the record, once a minute for an account and a page (ASVS 16.3.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis.exceptions import ConnectionError as RedisAway
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from app.extensions import db
from app.models import Account, AuditEntry, Material, Unit
from app.services import refusals
from app.settling import run_work
from tests.factories import make_application
from tests.views.test_audit import filter_for

SignIn = Callable[[str], FlaskClient]
FindAccount = Callable[[str], Account]
pytestmark = pytest.mark.usefixtures("nothing_counted")


@pytest.fixture
def nothing_counted(app: Flask) -> None:
    """Counts live in Redis, which no test rolls back."""
    store = app.extensions["redis"]
    for key in store.scan_iter(f"{refusals.WHO}*"):
        store.delete(key)


def written() -> list[AuditEntry]:
    """What the next minute writes."""
    run_work("refusals")
    found = select(AuditEntry).where(AuditEntry.action == "refuse_access")
    return list(db.session.scalars(found.order_by(AuditEntry.id)))


def facts(entry: AuditEntry) -> tuple[Any, ...]:
    after = entry.after
    return entry.object_type, entry.object_id, after["page"], after["why"], after["times"]


def test_a_page_no_role_opens(sign_in: SignIn, account: FindAccount) -> None:
    assert sign_in("gyhousing").get("/audit/list/?secret=520103199001011234").status_code == 403
    [entry] = written()
    assert facts(entry) == ("Page", "AuditView.list", "AuditView.list", "not_granted", 1)
    held = account("gyhousing")
    assert (entry.account_id, entry.actor_name) == (held.id, held.first_name)
    assert (entry.role, entry.unit_id) == ("competent_department,unit_admin", held.unit_id)
    assert (entry.address, entry.before, entry.reason) == ("127.0.0.1", None, "")
    assert "520103" not in str(entry.after)


def test_a_row_of_somebody_else_but_not_one_that_is_nowhere(
    sign_in: SignIn, unit: Callable[[str], Unit]
) -> None:
    other = unit("遵义市人力资源和社会保障局")
    client = sign_in("gyhousing")
    assert client.get("/units/show/999999999").status_code == 404
    assert written() == []
    assert client.get(f"/units/show/{other.id}").status_code == 404
    [entry] = written()
    assert facts(entry) == ("Unit", str(other.id), "UnitView.show", "out_of_scope", 1)


def test_what_a_rule_refuses_and_what_another_site_sends(
    sign_in: SignIn, account: FindAccount
) -> None:
    client = sign_in("security")
    own = f"/accounts/lock/{account('security').id}"
    assert client.post(own, data={"reason": "x"}).status_code == 403
    sent = client.post(own, headers={"Origin": "https://evil.example"}, data={"reason": "x"})
    assert sent.status_code == 403
    whys = {(entry.after["page"], entry.after["why"]) for entry in written()}
    assert whys == {("AccountView.lock", "by_rule"), ("AccountView.lock", "other_site")}


def test_programs_without_sign_in_are_noted_and_people_are_not(client: FlaskClient) -> None:
    assert client.get("/audit/list/").status_code == 302
    assert client.get("/nowhere").status_code == 404
    assert client.get("/lookup/unit").status_code == 401
    assert client.get("/api/v1/_openapi").status_code == 401
    found = [(*facts(entry)[1:4:2], entry.account_id, entry.role) for entry in written()]
    assert sorted(found) == [
        ("DescriptionApi.get", "not_signed_in", None, "public"),
        ("LookupView.find", "not_signed_in", None, "public"),
    ]


def test_a_flood_is_one_entry_a_minute_and_costs_the_chain_nothing_meanwhile(
    sign_in: SignIn, account: FindAccount
) -> None:
    client, other = sign_in("gyhousing"), sign_in("zunyi")
    for _try in range(30):
        client.get("/audit/list/")
    other.get("/audit/list/")
    assert db.session.scalar(select(AuditEntry).where(AuditEntry.action == "refuse_access")) is None
    found = [(entry.account_id, entry.after["times"]) for entry in written()]
    assert sorted(found) == sorted([(account("gyhousing").id, 30), (account("zunyi").id, 1)])
    assert len(written()) == 2
    client.get("/audit/list/")
    assert [entry.after["times"] for entry in written()][2:] == [1]


def test_many_different_pages_share_one_entry_from_the_twenty_first_on(app: Flask) -> None:
    from app import clock

    for number in range(refusals.MOST_KINDS + 5):
        one = refusals.Refusal(f"View.page{number}", refusals.Why.NOT_GRANTED, "10.0.0.1")
        refusals.note_refusal(one, account_id=1, now=clock.real_now())
    entries = written()
    assert len(entries) == refusals.MOST_KINDS + 1
    [rest] = [entry for entry in entries if entry.object_id == refusals.OTHERS]
    assert rest.after["times"] == 5


def test_the_answer_is_the_same_without_redis_and_where_noting_breaks(
    sign_in: SignIn, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = sign_in("gyhousing")

    def away() -> None:
        raise RedisAway

    monkeypatch.setattr(refusals, "redis_store", away)
    assert client.get("/audit/list/").status_code == 403
    assert "was refused AuditView.list (not_granted)" in caplog.text
    assert written() == []
    monkeypatch.setattr("app.security.refusals.note_refusal", lambda *_args, **_more: 1 / 0)
    assert client.get("/audit/list/").status_code == 403


def test_what_cannot_be_written_is_kept_for_the_next_minute(
    sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sign_in("gyhousing")
    client.get("/audit/list/")
    client.get("/audit/list/")

    def down(*_args: Any, **_more: Any) -> None:
        raise OperationalError("", {}, Exception())

    with monkeypatch.context() as broken:
        broken.setattr(refusals, "record", down)
        with pytest.raises(OperationalError):
            run_work("refusals")
    [entry] = written()
    assert entry.after["times"] == 2


def test_the_auditor_finds_them_in_words(sign_in: SignIn) -> None:
    sign_in("gyhousing").get("/parameters/list/")
    [entry] = written()
    auditor = sign_in("auditor")
    page = auditor.get("/audit/list/", query_string={filter_for("action", "eq"): "refuse_access"})
    assert f"/audit/show/{entry.id}" in page.text
    assert "拒绝访问" in page.text
    text = auditor.get(f"/audit/show/{entry.id}").text
    for word in (
        "拒绝访问 · 系统页面 ParameterView.list",
        "账号的角色均不能打开",
        "次数",
        "拒绝原因",
    ):
        assert word in text, word


def test_a_row_of_somebody_else_on_pages_with_a_query_of_their_own(sign_in: SignIn) -> None:
    """The applicant's pages and the files: where people try one number after the other."""
    application = make_application(is_complete=True)
    material = db.session.scalars(select(Material).limit(1)).one()
    client = sign_in("李强")
    paths = [f"/my/applications/{application.id}/", f"/materials/{material.id}"]
    assert [client.get(path).status_code for path in paths] == [404, 404]
    assert client.get("/my/applications/999999999/").status_code == 404
    found = {facts(entry) for entry in written()}
    assert found == {
        ("Application", str(application.id), "ApplicantView.show", "out_of_scope", 1),
        ("Material", str(material.id), "MaterialView.show", "out_of_scope", 1),
    }
