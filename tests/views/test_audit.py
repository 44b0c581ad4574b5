"""The auditor's screens: search, the readable page, the export, and who may not."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, current_app
from flask.testing import FlaskClient
from python_calamine import CalamineWorkbook
from sqlalchemy import select, text

from app import settling
from app.domain.workflow import ActorRole
from app.extensions import db
from app.models import AuditEntry, Person, Unit
from app.services import audit
from app.services.actors import Actor
from app.views import audit_export
from app.views.audit_differences import differences
from tests.conftest import at

NOW = at("2022-08-03T09:00:00")
SignIn = Callable[[str], FlaskClient]


def write(reason: str, **more: Any) -> AuditEntry:
    """An entry of a handler who is administrator too."""
    unit = db.session.scalars(select(Unit).order_by(Unit.id)).all()[3]
    actor = Actor(
        account_id=None,
        name=more.pop("name", "赵审计"),
        roles=frozenset({ActorRole.UNIT_ADMIN, ActorRole.UNIT_HANDLER}),
        unit_id=unit.id,
        address=more.pop("address", "10.20.30.40"),
    )
    entry = audit.record(
        more.pop("action", "change_unit"), unit, actor=actor, now=NOW, reason=reason, **more
    )
    db.session.flush()
    return entry


def link_now() -> None:
    """Link what is written, as the commit would."""
    db.session.execute(text("SET CONSTRAINTS audit_entry_link IMMEDIATE"))
    db.session.execute(text("SET CONSTRAINTS audit_entry_link DEFERRED"))
    db.session.expire_all()


def filter_for(column: str, kind: str) -> str:
    """The name FAB gives a filter in the address."""
    view = next(
        v for v in current_app.extensions["appbuilder"].baseviews if type(v).__name__ == "AuditView"
    )
    available = view._filters.get_search_filters()[column]
    place = next(n for n, each in enumerate(available) if each.arg_name == kind)
    return f"_flt_{place}_{column}"


@pytest.mark.parametrize(
    ("column", "kind", "hit", "miss"),
    [
        ("actor_name", "ct", "赵审", "钱审"),
        ("role", "eq", "unit_handler", "applicant"),
        ("role", "eq", "unit_admin", "unit"),
        ("action", "eq", "change_unit", "create_unit"),
        ("object_type", "eq", "Unit", "Account"),
        ("address", "ct", "10.20.30", "10.20.31"),
        ("reason", "ct", "合并后", "合并前"),
        ("recorded_at", "gt", "2000-01-01T00:00", "2100-01-01T00:00"),
        ("recorded_at", "lt", "2100-01-01T00:00", "2000-01-01T00:00"),
    ],
)
def test_auditor_finds_by_each_field(
    app: Flask, sign_in: SignIn, column: str, kind: str, hit: str, miss: str
) -> None:
    client = sign_in("auditor")
    entry = write("单位合并后更名")
    name = filter_for(column, kind)
    shown = f"/audit/show/{entry.id}"
    assert shown in client.get("/audit/list/", query_string={name: hit}).text
    assert shown not in client.get("/audit/list/", query_string={name: miss}).text


def test_auditor_finds_by_unit(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("auditor")
    entry = write("更名")
    name = filter_for("unit", "rel_o_m")
    page = client.get("/audit/list/", query_string={name: str(entry.unit_id)}).text
    assert f"/audit/show/{entry.id}" in page
    other = db.session.scalars(select(Unit.id).order_by(Unit.id.desc())).first()
    assert (
        f"/audit/show/{entry.id}"
        not in client.get("/audit/list/", query_string={name: str(other)}).text
    )


def test_page_reads_before_and_after_and_the_place_in_the_chain(
    app: Flask, sign_in: SignIn
) -> None:
    client = sign_in("auditor")
    entry = write(
        "更名",
        before={"name": "甲厂", "active": True, "roles": ["a", "b"], "code": "1"},
        after={"name": "乙厂", "active": False, "roles": ["a"], "code": "1"},
    )
    page = client.get(f"/audit/show/{entry.id}").text
    assert "<del>甲厂</del>" in page
    assert "<strong>乙厂</strong>" in page
    assert "<del>a、b</del>" in page
    assert "该记录没有链接" in page
    link_now()
    page = client.get(f"/audit/show/{entry.id}").text
    assert entry.link is not None
    assert entry.link.hash in page
    assert "尚未锚定" in page
    settling.anchor_audit(heartbeat=timedelta(0))
    page = client.get(f"/audit/show/{entry.id}").text
    assert "尚未锚定" not in page
    assert "已锚定" in page


def test_differences_of_nested_values(app: Flask) -> None:
    before = {"same": 1, "deep": {"x": [1, 2], "list": [{"a": None}]}}
    after = {"same": 1, "deep": {"x": [1], "list": [{"a": True}]}}
    with app.test_request_context():
        found = differences(before, after)
        assert [(d.label, d.before, d.after) for d in found] == [
            ("deep · x", "1、2", "1"),
            ("deep · list · 1 · a", "", "是"),
            ("same", "1", "1"),
        ]
        assert [(d.before, d.after) for d in differences("旧", "新")] == [("旧", "新")]
        assert differences(None, {}) == []


def test_export_holds_what_is_filtered_and_is_recorded(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("auditor")
    write("不在其中")
    entry = write("=1+1 合并后更名", before={"name": "甲厂"}, after={"name": "乙厂"})
    link_now()
    name = filter_for("reason", "ct")
    answer = client.post("/audit/export", query_string={name: "合并后"})
    assert answer.status_code == 200
    book = CalamineWorkbook.from_filelike(io.BytesIO(answer.data))
    rows = book.get_sheet_by_index(0).to_python()
    assert len(rows) == 2
    line = dict(zip(rows[0], rows[1], strict=True))
    assert line["理由"] == "'=1+1 合并后更名"
    assert line["改动"] == "名称: 甲厂 → 乙厂"
    assert line["链中序号"] == str(entry.number)
    assert line["散列值"] == entry.link.hash
    kept = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "export_audit")).one()
    assert kept.after == {"rows": 1, "filter": "reason=合并后"}
    assert kept.actor_name


def test_number_typed_into_a_filter_is_not_recorded(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("auditor")
    write("号码 110101199003070000 更正")
    name = filter_for("reason", "ct")
    assert (
        client.post("/audit/export", query_string={name: "110101199003070000"}).status_code == 200
    )
    kept = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "export_audit")).one()
    assert "110101199003070000" not in str(kept.after)


@pytest.mark.parametrize(("limit", "is_file"), [(3, True), (2, False)])
def test_export_is_capped_in_words(
    app: Flask, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch, limit: int, *, is_file: bool
) -> None:
    client = sign_in("auditor")
    for _count in range(3):
        write("同一原因")
    monkeypatch.setattr("app.views.audit.MOST_EXPORTED", limit)
    answer = client.post("/audit/export", query_string={filter_for("reason", "ct"): "同一原因"})
    assert (answer.status_code == 200) is is_file
    if not is_file:
        assert answer.status_code == 303
        page = client.get(answer.headers["Location"]).text
        assert "超过 2 条" in page
        assert "同一原因" in page


def test_nothing_to_export_is_said(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("auditor")
    answer = client.post("/audit/export", query_string={filter_for("reason", "ct"): "没有这样的"})
    assert answer.status_code == 303
    assert "没有可导出的内容" in client.get(answer.headers["Location"]).text


@pytest.mark.parametrize("login", ["province", "security", "sysadmin", "nmdesign", "王敏"])
def test_nobody_else_reads_or_exports(app: Flask, sign_in: SignIn, login: str) -> None:
    client = sign_in(login)
    entry = write("更名")
    assert client.get("/audit/list/").status_code == 403
    assert client.get(f"/audit/show/{entry.id}").status_code == 403
    assert client.post("/audit/export").status_code == 403
    assert app.test_client().post("/audit/export").status_code in (302, 401)


def test_list_and_export_send_as_many_queries_for_many_rows(
    app: Flask, sign_in: SignIn, count_queries: Callable[[Callable[[], Any]], int]
) -> None:
    client = sign_in("auditor")
    for _count in range(4):
        write("同一原因")
    link_now()
    name = filter_for("reason", "ct")

    def page(rows: int) -> int:
        return count_queries(
            lambda: client.get(
                "/audit/list/", query_string={name: "同一原因", "psize_AuditView": rows}
            )
        )

    page(1)
    assert page(1) == page(4)
    assert page(4) <= 20


def test_reading_a_number_is_an_entry_of_the_chain(app: Flask, sign_in: SignIn, actor: Any) -> None:
    person = db.session.scalars(select(Person).order_by(Person.id)).first()
    assert person is not None
    number = audit.reveal_identity(person, actor=actor("province"), now=NOW, reason="核对")
    phone = audit.reveal_phone(person, actor=actor("province"), now=NOW, reason="回访")
    db.session.flush()
    entries = db.session.scalars(
        select(AuditEntry).where(AuditEntry.action.like("reveal_%")).order_by(AuditEntry.id)
    ).all()
    assert [(e.action, e.object_type, e.object_id, e.reason) for e in entries] == [
        ("reveal_identity", "Person", str(person.id), "核对"),
        ("reveal_phone", "Person", str(person.id), "回访"),
    ]
    assert entries[0].after == {"identity_mask": person.identity_mask}
    assert entries[1].after == {"phone_mask": person.phone_mask}
    for entry in entries:
        assert number not in str(entry.after)
        assert (phone or "-") not in str(entry.after)


def test_export_covers_every_column_of_an_entry(tmp_path: Path) -> None:
    columns = {column.name for column in AuditEntry.__table__.columns} - {"id", "account_id"}
    assert {name.replace("unit", "unit_id") for name in audit_export.FIELDS} >= columns
