"""The editor of screens as pages: change, refuse, publish, roll back, preview."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import session
from sqlalchemy import func, select

import config
from app.extensions import db
from app.models import DefinitionDraft, DefinitionVersion, ReasonCode
from app.services.definitions import editing, store
from app.services.definitions.findings import CHECKS, Finding
from app.views.screens import preview
from app.views.settings import CalendarView

FORM = "application_form"
ETHNICITY = "sections/profile/fields/ethnicity"


def post(client: Any, name: str, **data: Any) -> Any:
    data.setdefault("expected_version", version())
    return client.post(f"/screens/{name}/{FORM}", data=data)


def version() -> int:
    db.session.expire_all()
    draft = store.draft_of(FORM)
    return draft.version if draft else 0


def set_label(client: Any, label: str, **more: Any) -> Any:
    return post(client, "set", at=ETHNICITY, shown=["label_zh"], label_zh=label, **more)


def field(at: str = ETHNICITY) -> dict[str, Any]:
    db.session.expire_all()
    _sections, section, _fields, name = at.split("/")
    drafted = store.drafted(FORM)
    [found] = [s for s in drafted["sections"] if s["key"] == section]
    return next((f for f in found["fields"] if f["name"] == name), {})


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", answer.get_data(as_text=True))


def test_a_label_is_changed_published_and_rolled_back(sign_in):
    client = sign_in("province")
    assert "民族" in text_of(client.get(f"/screens/edit/{FORM}?at={ETHNICITY}"))
    answer = set_label(client, "民族成份")
    assert (answer.status_code, field()["label_zh"]) == (303, "民族成份")
    assert store.current(FORM)["sections"][1]["fields"][4]["label_zh"] == "民族"
    words = "“民族”：标签由“民族”改为“民族成份”"
    assert words in text_of(client.get(f"/screens/versions/differences/{FORM}"))
    publish = f"/screens/versions/publish/{FORM}"
    assert words in text_of(client.get(publish))
    assert client.post(publish, data={"expected_version": 1, "reason": ""}).status_code == 422
    refused = client.post(publish, data={"expected_version": 7, "reason": "试行办法"})
    assert refused.status_code == 409
    assert "试行办法" in text_of(refused)
    assert client.post(publish, data={"expected_version": 1, "reason": "试行"}).status_code == 303
    history = text_of(client.get(f"/screens/versions/history/{FORM}"))
    assert words in history
    assert "试行" in history
    back = f"/screens/versions/roll_back/{FORM}/1"
    assert "标签由“民族成份”改为“民族”" in text_of(client.get(back))
    assert client.post(back, data={"reason": "取消"}).status_code == 303
    assert db.session.scalar(select(func.max(DefinitionVersion.number))) == 3
    assert field()["label_zh"] == "民族"


def test_a_refused_change_keeps_what_was_typed_and_says_why(sign_in):
    client = sign_in("sysadmin")
    stale = set_label(client, "民族（自填）", expected_version=4)
    assert stale.status_code == 409
    assert 'value="民族（自填）"' in text_of(stale)
    empty = post(client, "set", at=ETHNICITY, shown=["label_zh", "help_zh"], help_zh="留下")
    assert empty.status_code == 422
    assert "留下" in text_of(empty)
    long = post(client, "set", at=ETHNICITY, shown=["label_zh"], label_zh="长" * 201)
    assert long.status_code == 422
    needed = "sections/profile/fields/full_name"
    assert post(client, "retire", at=needed).status_code == 422
    assert post(client, "move", at="sections/profile", way="up").status_code == 422
    assert post(client, "add", at="sections/profile", kind="php", new_label="x").status_code == 422
    assert post(client, "set", at="sections/none/fields/x", shown=["label_zh"]).status_code == 422
    assert db.session.scalar(select(func.count(DefinitionDraft.id))) == 0


def test_each_step_of_the_editor(sign_in):
    client = sign_in("province")
    floor = "sections/profile/fields/x_lou_ceng"
    added = post(client, "add", at="sections/profile", kind="choice", new_label="楼层")
    assert added.location.startswith(f"/screens/edit/{FORM}?at=sections%2Fprofile%2Ffields")
    post(
        client,
        "set",
        at=floor,
        field_name="x_floor",
        shown=["label_zh", "options", "is_required", "width", "shown_when", "see_roles"],
        label_zh="所在楼层",
        options="1 = 一层\r\n二层",
        is_required="1",
        width="third",
        see_roles=["hrss", "nobody"],
        **{"shown_when.field": "ethnicity", "shown_when.values": "汉族，01"},
    )
    assert field(floor) == {}
    made = field("sections/profile/fields/x_floor")
    assert made == {
        "name": "x_floor",
        "kind": "choice",
        "label": "楼层",
        "label_zh": "所在楼层",
        "is_custom": True,
        "is_required": True,
        "width": "third",
        "see_roles": ["hrss"],
        "shown_when": {"field": "ethnicity", "values": made["shown_when"]["values"]},
        "options": [
            {"code": "1", "label": "一层", "label_zh": "一层"},
            {"code": "2", "label": "二层", "label_zh": "二层"},
        ],
    }
    post(client, "move", at=ETHNICITY, before="gender")
    names = [f["name"] for f in store.drafted(FORM)["sections"][1]["fields"]]
    assert names.index("ethnicity") + 1 == names.index("gender")
    post(client, "set", at=ETHNICITY, shown=["help_zh"], help_zh="按户口簿")
    post(client, "reset", at=ETHNICITY, property="help_zh")
    assert "help_zh" not in field()
    post(client, "retire", at=ETHNICITY)
    assert field()["is_hidden"] is True
    post(client, "restore", at=ETHNICITY)
    assert "is_hidden" not in field()
    assert (
        client.post(
            f"/screens/versions/discard/{FORM}", data={"expected_version": version()}
        ).location
        == f"/screens/edit/{FORM}"
    )
    assert version() == 0


def test_the_heads_of_a_sheet_are_texts(sign_in):
    client = sign_in("province")
    key = "specialty_collection_form"
    page = text_of(client.get(f"/screens/edit/{key}"))
    path = re.search(r'name="text:(headings/[a-z_]+)"', page).group(1)
    data = {f"text:{path}": "专业名称（试）", "expected_version": 0}
    assert client.post(f"/screens/texts/{key}", data=data).status_code == 303
    assert store.drafted(key)["headings"][path.partition("/")[2]] == "专业名称（试）"
    data = {f"text:{path}": "", "expected_version": 1}
    client.post(f"/screens/texts/{key}", data=data)
    db.session.expire_all()
    assert store.draft_of(key).changes == {}
    data = {"text:key": "other", "expected_version": 2}
    assert client.post(f"/screens/texts/{key}", data=data).status_code == 422


def test_findings_are_listed_with_their_places_and_stop_the_publication(sign_in, monkeypatch):
    finding = Finding("bad", f"{ETHNICITY}/label_zh", "Stop %(field)s.", {"field": "民族"})
    monkeypatch.setitem(CHECKS, "form", [lambda _definition: iter([finding])])
    client = sign_in("province")
    set_label(client, "民族成份")
    page = text_of(client.get(f"/screens/versions/publish/{FORM}"))
    assert "Stop 民族." in page
    assert "at=sections%2Fprofile%2Ffields%2Fethnicity%2Flabel_zh" in page
    answer = client.post(
        f"/screens/versions/publish/{FORM}", data={"expected_version": 1, "reason": "试行"}
    )
    assert answer.status_code == 422
    assert db.session.scalar(select(func.max(DefinitionVersion.number))) == 1


def test_labels_are_text_and_never_markup(sign_in):
    client = sign_in("province")
    evil = '"><script>alert(1)</script>{{7*7}}'
    set_label(client, evil)
    for page in (
        f"/screens/edit/{FORM}?at={ETHNICITY}",
        f"/screens/look/{FORM}?role=applicant",
        f"/screens/versions/publish/{FORM}",
        f"/screens/versions/differences/{FORM}",
        "/screens/",
    ):
        answer = client.get(page)
        assert answer.status_code == 200
        assert "<script>alert" not in answer.get_data(as_text=True)
    assert "{{7*7}}" in client.get(f"/screens/edit/{FORM}?at={ETHNICITY}").get_data(as_text=True)


@pytest.mark.parametrize("at", ["", "x", "sections", "sections/none", "label_zh", "a" * 900, "\0"])
def test_strange_places_open_the_screen_itself(sign_in, at):
    assert (
        sign_in("province").get(f"/screens/edit/{FORM}", query_string={"at": at}).status_code == 200
    )


def test_a_preview_shows_a_role_what_it_would_see(sign_in):
    client = sign_in("province")
    post(client, "set", at=ETHNICITY, shown=["see_roles"], see_roles=["hrss"])
    assert "民族" in text_of(client.get(f"/screens/look/{FORM}?role=hrss"))
    assert "民族" not in text_of(client.get(f"/screens/look/{FORM}?role=applicant"))


def test_a_preview_on_real_pages_says_so_and_writes_nothing(sign_in, monkeypatch):
    monkeypatch.setattr(CalendarView, "screen_key", FORM, raising=False)
    client = sign_in("province")
    set_label(client, "民族成份")
    assert "在真实页面上预览" in text_of(client.get(f"/screens/look/{FORM}"))
    begun = client.post(f"/screens/begin_preview/{FORM}", data={"role": "hrss"})
    assert begun.location == "/calendar/list/"
    page = text_of(client.get("/reasons/list/"))
    assert "预览：草稿，角色 人力资源社会保障部门" in page
    assert "“职称申报表”按草稿显示" in page
    written = {"use": "return", "code": "x", "name": "试", "position": "1"}
    refused = client.post("/reasons/add", data=written)
    assert refused.status_code == 409
    assert "结束预览" in text_of(refused)
    assert db.session.scalar(select(ReasonCode.id).where(ReasonCode.code == "x")) is None
    assert "预览：草稿" not in text_of(sign_in("sysadmin").get("/reasons/list/"))
    client = sign_in("province")
    client.post(f"/screens/begin_preview/{FORM}", data={"role": "hrss"})
    assert client.post("/screens/end_preview").status_code == 303
    assert "预览：草稿" not in text_of(client.get("/reasons/list/"))
    assert client.post("/reasons/add", data=written).status_code == 303


def test_a_previewed_definition_is_the_draft_cut_to_the_role(app, sign_in):
    client = sign_in("province")
    post(
        client,
        "set",
        at=ETHNICITY,
        shown=["see_roles", "label_zh"],
        see_roles=["hrss"],
        label_zh="民族成份",
    )
    for role, hidden in (("hrss", None), ("expert", True)):
        with app.test_request_context():
            monkey = {"key": FORM, "role": role}
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(preview, "_may_preview", lambda: True)
                session[preview.MARK] = monkey
                [found] = [
                    f
                    for f in preview.definition_of(FORM)["sections"][1]["fields"]
                    if f["name"] == "ethnicity"
                ]
                other = preview.definition_of("specialty_collection_form")
        assert (found["label_zh"], found.get("is_hidden")) == ("民族成份", hidden)
        assert other == store.current("specialty_collection_form")


def test_the_auditor_only_looks(sign_in):
    client = sign_in("auditor")
    assert "可见" not in text_of(client.get("/screens/"))
    page = text_of(client.get(f"/screens/edit/{FORM}?at={ETHNICITY}"))
    assert '<form method="post" action="/screens/move' not in page
    assert set_label(client, "民族成份").status_code == 403
    assert sign_in("gyhousing").get("/screens/").status_code in {302, 403}
    assert client.get("/screens/edit/none").status_code == 404


def test_every_shipped_screen_opens_with_a_field(sign_in):
    client = sign_in("province")
    for key in sorted(path.stem for path in (config.SEED_FOLDER / "screens").glob("*.yaml")):
        work = editing.take_up(key)
        section = f"sections/{editing.list_keys(work.flat, 'sections')[0]}"
        at = f"{section}/fields/{editing.list_keys(work.flat, f'{section}/fields')[0]}"
        page = client.get(f"/screens/edit/{key}", query_string={"at": at})
        assert (key, page.status_code) == (key, 200)
        assert f'data-item="{at}"' in text_of(page)


def test_a_record_screen_is_tried_out_on_its_own_list(sign_in):
    client = sign_in("province")
    data = {"at": "sections/main/fields/name", "shown": "label_zh", "label_zh": "系列全称"}
    client.post("/screens/set/series", data={**data, "expected_version": 0})
    assert "系列全称" not in text_of(client.get("/series/list/"))
    begun = client.post("/screens/begin_preview/series", data={"role": "hrss"})
    assert begun.location == "/series/list/"
    assert "系列全称" in text_of(client.get("/series/list/"))
    assert "系列全称" not in text_of(sign_in("guiyang").get("/series/list/"))
    client = sign_in("province")
    assert "系列全称" not in text_of(client.get("/series/list/"))
