"""Screens as their definitions have them: shipped ones change nothing, published ones at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_babel import force_locale
from sqlalchemy import func, select
from wtforms import HiddenField

from app import clock
from app.domain.terms import CommitteeScope
from app.domain.workflow import ActorRole
from app.extensions import db, unit_of_work
from app.models import Account, Committee, Specialty, SpecialtyGroup
from app.security.actors import actor_of
from app.security.guard import Action, cells, field_names, may
from app.security.veil import HIDDEN
from app.services.definitions import store
from app.services.definitions.lint import lint
from app.services.definitions.screens import Screen, screen_in_force
from app.services.definitions.versions import add_version
from app.views import committees, plan, settings, specialties, units
from app.views.screens.form_shape import shape_form
from app.views.screens.shape import SCREEN_VIEWS, built_in, shape_of
from tests.conftest import PASSWORD, make_app

LOADED = (committees, plan, settings, specialties, units)
SCREENS = sorted(SCREEN_VIEWS)


def view_of(app: Flask, key: str) -> Any:
    return next(
        view for view in app.extensions["appbuilder"].baseviews if type(view) is SCREEN_VIEWS[key]
    )


# ------------------------------------------------------------------ the shipped definitions


def test_every_screen_of_the_master_data_has_its_definition():
    assert {
        *("series", "specialty_groups", "specialties", "reason_codes", "dictionary_entries"),
        *("committees", "units", "experts", "calls", "requirements"),
    } <= {*SCREENS}


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("key", SCREENS)
def test_a_shipped_definition_says_what_the_view_says(app: Flask, key: str, language: str):
    view = view_of(app, key)
    with app.test_request_context(), force_locale(language):
        assert shape_of(view) is not None
        for name in ("list_columns", "search_columns", "base_order", "page_size"):
            assert getattr(view, name) == built_in(view, name), name
        assert {*view.order_columns} == {*built_in(view, "order_columns")}
        labels = built_in(view, "label_columns")
        named = {*view.list_columns, *view.search_columns}
        assert {n: view.label_columns[n] for n in named} == {n: str(labels[n]) for n in named}
        own = built_in(view, "formatters_columns")
        assert {name: view.formatters_columns[name] for name in own} == own


def described(form: Any) -> list[tuple[str, str, str, bool]]:
    return [
        (name, str(field.label.text), str(field.description), bool(field.flags.required))
        for name, field in form._fields.items()
        if not isinstance(field, HiddenField)
    ]


FACTS = {
    "series": "note",
    "specialty_groups": "",
    "specialties": "series group number name scope_note basis origin is_active",
    "reason_codes": "",
    "dictionary_entries": "",
    "committees": (
        "convener series category_slug scope_kind level division member_size is_self_reviewing "
        "has_oral_defence representative_works contact_name contact_phone is_active"
    ),
    "units": (
        "code former_codes kind level division parent registrar registrar_level contact_name "
        "contact_phone address is_self_reviewing"
    ),
    "experts": "unit series specialty title_level title_name term_from term_to is_active",
    "calls": "state committee plan_line document_number published_at latest_call_on late_reason",
    "requirements": "",
    "filings": (
        "state document_number valid_from valid_to member_size filed_at decided_at "
        "exemption_reason note"
    ),
    "plans": (
        "published_at drafting_opens_on authority_filing_due_on specialty_proposals_due_on "
        "accounts_due_on"
    ),
    "plan_lines": (
        "series_text scope window_text receipt_text policy_review_text online_review_text "
        "latest_call_on unit_push_due_on latest_publicity_on nodes_that_fit seniority_cutoff_on "
        "is_examination_linked"
    ),
}
"""The facts of each record page, as they stood before definitions shaped them; nothing where there
is no page."""


def test_a_shipped_definition_shows_the_facts_of_the_record_page(app: Flask):
    shown = {key: [field.name for field in screen.shown_fields()] for key, screen in in_force()}
    assert shown == {key: names.split() for key, names in FACTS.items()}


def in_force() -> list[tuple[str, Screen]]:
    found = [(key, screen_in_force(key)) for key in SCREENS]
    return [(key, screen) for key, screen in found if screen is not None]


OWN_LABELS = {
    ("UnitForm", "code"),
    ("UnitForm", "contact_phone"),
    ("OwnCodeForm", "code"),
}
"""Words a form uses instead of those of the screen, until the province gives the field its own."""

OWN_HINTS = {
    ("UnitChangeForm", "name"),
    ("UnitChangeForm", "registrar"),
    ("UnitChangeForm", "proof"),
    ("UnitChangeForm", "contact_phone"),
    ("OwnCodeForm", "code"),
}

FORMS = [(key, form) for key in SCREENS for form in SCREEN_VIEWS[key].shaped_forms]


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize(("key", "form"), FORMS, ids=[form.__name__ for _key, form in FORMS])
def test_a_shipped_definition_leaves_the_form_as_it_is(
    app: Flask, key: str, form: Any, language: str
):
    view = view_of(app, key)
    with app.test_request_context(), force_locale(language):
        plain, shaped = form(), form()
        parts = shape_form(view, shaped, None)
        assert parts is not None
        [part] = parts
        assert (part.label, part.has_widths) == ("", False)
        assert [field.name for field in part.fields] == [name for name, *_rest in described(plain)]
        assert described(shaped) == described(plain)
        screen = screen_in_force(key)
        assert screen is not None
        for name, label, hint, _is_required in described(plain):
            known, place = screen.known[name], (form.__name__, name)
            says = (
                (known.label.zh, known.help.zh) if language == "zh" else (known.label, known.help)
            )
            assert (label == says[0]) is not (place in OWN_LABELS), place
            assert (hint == says[1]) is not (place in OWN_HINTS), place


@pytest.mark.parametrize("key", SCREENS)
def test_a_shipped_definition_names_no_field_that_nothing_knows(app: Flask, key: str):
    view = view_of(app, key)
    screen = screen_in_force(key)
    assert screen is not None
    forms = {name for form in view.shaped_forms for name in dir(form)}
    facts = {field.name for field in screen.shown_fields()}
    for name in screen.known:
        assert name in field_names(view.datamodel.obj) or name in forms or name in facts, name


def test_the_shipped_definitions_pass_the_check(app: Flask):
    for key in SCREENS:
        assert [finding for finding in lint(store.current(key)) if finding.blocks] == [], key


# ------------------------------------------------------------------ what a province publishes

NOW = clock.real_now()
FIELDS = "sections/main/fields"
EVIL = "<b>专业</b>&amp;{{7*7}}%(x)s"


@pytest.fixture
def publish(app: Flask, actor: Any) -> Callable[..., None]:
    """publish("specialties", {path below the fields: value}): at once in force."""

    def put(key: str, values: dict[str, Any], whole: dict[str, Any] | None = None) -> None:
        paths = {f"{FIELDS}/{path}": value for path, value in values.items()} | (whole or {})
        officer = actor("province")
        store.change_draft(key, paths, expected_version=0, actor=officer, now=NOW)
        store.publish_draft(key, reason="试行", expected_version=1, actor=officer, now=NOW)
        db.session.commit()

    return put


@pytest.fixture
def specialty(app: Flask) -> Specialty:
    return db.session.scalars(select(Specialty).order_by(Specialty.id)).first()


def text_of(client: Any, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, path
    return str(answer.get_data(as_text=True))


def heads(page: str) -> list[str]:
    found = re.findall(r"<th scope=\"col\"[^>]*>(.*?)</th>", page, re.S)
    return [re.sub(r"<[^>]*>", "", head).strip() for head in found]


def test_labels_columns_and_order_of_a_list(sign_in: Any, publish: Any):
    client = sign_in("province")
    path = "/specialties/list/"
    before = heads(text_of(client, path))
    assert before[:3] == ["专业技术名称", "专业大类", "序号"]
    publish(
        "specialties",
        {
            "number/list_place": 5,
            "number/label_zh": "编号",
            "basis/is_hidden": True,
            "scope_note/in_list": False,
        },
        {"list/order": "name", "list/page_size": 5},
    )
    page = text_of(client, path)
    assert heads(page) == ["编号", *(h for h in before if h not in {"序号", "设置依据", before[3]})]
    names = db.session.scalars(select(Specialty.name).order_by(Specialty.name, Specialty.id))
    shown = re.findall(r"<tr data-href=\"[^\"]*/show/(\d+)", page)
    assert len(shown) == 5
    assert [db.session.get(Specialty, int(key)).name for key in shown] == [*names][:5]


def test_a_label_is_data_wherever_it_stands(sign_in: Any, specialty: Specialty):
    """Even where one has come past the check before publishing, which refuses markup."""
    values = {f"{FIELDS}/name/label_zh": EVIL, f"{FIELDS}/name/help_zh": EVIL}
    add_version("specialties", "", values, reason="")
    db.session.commit()
    client = sign_in("province")
    for path in ("list/", f"show/{specialty.id}", "add", f"edit/{specialty.id}"):
        page = text_of(client, f"/specialties/{path}")
        assert "<b>专业" not in page, path
        assert "&lt;b&gt;专业&lt;/b&gt;&amp;amp;{{7*7}}%(x)s" in page, path
    posted = client.post("/specialties/add", data={"name": ""})
    assert posted.status_code == 422
    assert "<b>专业" not in posted.get_data(as_text=True)


def test_a_filter_comes_and_goes_with_the_definition(
    sign_in: Any, publish: Any, count_queries: Any
):
    client = sign_in("province")
    assert "_flt_0_scope_kind" not in text_of(client, "/committees/list/")
    publish(
        "committees",
        {
            "scope_kind/in_filter": True,
            "scope_kind/in_list": True,
            "is_active/in_filter": False,
            "convener/in_list": True,
            "division/in_list": True,
        },
    )
    page = text_of(client, "/committees/list/")
    assert '<option value="series">按系列组建</option>' in page
    assert "_is_active" not in page
    name = re.search(r'name="(_flt_\d_scope_kind)"', page)
    assert name is not None
    found = text_of(client, f"/committees/list/?{name[1]}=specialty")
    count = db.session.scalar(
        select(func.count(Committee.id)).where(Committee.scope_kind == CommitteeScope.SPECIALTY)
    )
    assert f'<strong class="num">{count}</strong>' in found
    all_of_them = db.session.scalar(select(func.count(Committee.id)))
    assert count != all_of_them
    gone = text_of(client, "/committees/list/?_flt_0_is_active=n")
    assert f'<strong class="num">{all_of_them}</strong>' in gone
    one, many = (
        count_queries(lambda size=size: client.get(f"/committees/list/?psize_CommitteeView={size}"))
        for size in (1, 5)
    )
    assert one == many


def test_a_column_shown_by_the_province_costs_one_query_for_all_rows(
    sign_in: Any, publish: Any, count_queries: Any
):
    publish("experts", {"specialty/in_list": True})
    client = sign_in("province")
    client.get("/experts/list/")
    one, three = (
        count_queries(lambda n=n: client.get(f"/experts/list/?psize_ExpertSetupView={n}"))
        for n in (1, 3)
    )
    assert one == three


def test_facts_follow_the_definition(sign_in: Any, publish: Any, specialty: Specialty):
    client = sign_in("province")
    publish(
        "specialties",
        {"basis/in_show": False, "number/label_zh": "编号", "name/#": 1, "origin/is_hidden": True},
    )
    page = text_of(client, f"/specialties/show/{specialty.id}")
    facts = re.findall(r"<dt>(.*?)</dt>", page)
    assert facts == [
        "专业技术名称",
        "职称系列",
        "专业大类",
        "编号",
        "相关专业及适用范围",
        "开放申报",
    ]


def test_a_form_has_sections_widths_defaults_and_what_is_needed(sign_in: Any, publish: Any):
    publish(
        "specialties",
        {
            "basis/moved_to": "more",
            "basis/is_required": True,
            "basis/width": "third",
            "number/width": "half",
            "scope_note/default": "范围待定",
            "is_active/default": False,
            "scope_note/#": 1,
        },
        {"sections/more/#": 99, "sections/more/label": "More", "sections/more/label_zh": "更多"},
    )
    client = sign_in("province")
    page = text_of(client, "/specialties/add")
    assert re.findall(r'<h2 id="part-\d">(.*?)</h2>', page) == ["基本情况", "更多"]
    names = re.findall(r'name="(group|number|name|scope_note|basis|is_active)"', page)
    assert names == ["scope_note", "group", "number", "name", "is_active", "basis"]
    assert "范围待定</textarea>" in page
    assert not re.search(r'name="is_active"[^>]*checked', page)
    assert page.count('class="form-grid has-widths"') == 2
    assert page.count("field-third") == 1
    group = db.session.scalar(select(SpecialtyGroup.id).limit(1))
    typed = {"group": group, "number": 77, "name": "新专业", "scope_note": "", "basis": ""}
    refused = client.post("/specialties/add", data=typed)
    assert refused.status_code == 422
    assert db.session.scalar(select(Specialty).where(Specialty.name == "新专业")) is None
    client.post("/specialties/add", data={**typed, "basis": "文件"})
    made = db.session.scalars(select(Specialty).where(Specialty.name == "新专业")).one()
    assert (made.basis, made.scope_note, made.is_active) == ("文件", "", False)


def edit(client: Any, row: Specialty, **typed: Any) -> Any:
    values = {"group": row.group_id, "number": row.number, "name": row.name, "basis": row.basis}
    values |= {"scope_note": row.scope_note, "expected_version": row.version, "is_active": "y"}
    return client.post(f"/specialties/edit/{row.id}", data=values | typed)


def test_a_hidden_field_keeps_its_value_and_takes_no_other(
    sign_in: Any, publish: Any, specialty: Specialty
):
    publish("specialties", {"basis/is_hidden": True})
    before = specialty.basis
    client = sign_in("province")
    assert 'name="basis"' not in text_of(client, f"/specialties/edit/{specialty.id}")
    answer = edit(client, specialty, basis="伪造", scope_note="改过")
    assert answer.status_code == 303
    db.session.refresh(specialty)
    assert (specialty.basis, specialty.scope_note) == (before, "改过")


@pytest.mark.parametrize(("active", "kept"), [("y", "改过"), ("", None)])
def test_a_field_counts_only_while_its_condition_holds(
    sign_in: Any, publish: Any, specialty: Specialty, active: str, kept: str | None
):
    condition = {"basis/shown_when/field": "is_active", "basis/shown_when/values": [True]}
    publish("specialties", {**condition, "basis/is_required": True, "is_active/#": 1})
    before = specialty.basis
    client = sign_in("province")
    page = text_of(client, f"/specialties/edit/{specialty.id}")
    assert 'data-shown-when="is_active" data-shown-values="[&#34;true&#34;]"' in page
    assert "js/shown_when.js" in page
    typed = {"is_active": active} if active else {}
    answer = (
        edit(client, specialty, basis="改过", **typed)
        if active
        else client.post(
            f"/specialties/edit/{specialty.id}",
            data={
                "group": specialty.group_id,
                "number": specialty.number,
                "name": specialty.name,
                "basis": "",
                "expected_version": specialty.version,
            },
        )
    )
    assert answer.status_code == 303
    db.session.refresh(specialty)
    assert specialty.basis == (kept or before)


# ------------------------------------------------------------------ roles


READER = "guiyang"
"""The HRSS department of a city: it reads the catalogue and changes nothing of it."""


def test_a_field_closed_to_a_role_is_nowhere_for_it(
    sign_in: Any, publish: Any, specialty: Specialty
):
    publish("specialties", {"basis/see_roles": ["province_hrss"], "basis/in_filter": True})
    specialty.basis = "秘密依据"
    db.session.commit()
    path = "/specialties/list/?psize_SpecialtyView=100"
    open_to, closed_to = sign_in("province"), sign_in(READER)
    assert "秘密依据" in text_of(open_to, f"{path}&_flt_0_basis=秘密")
    page = text_of(closed_to, path)
    assert "秘密依据" not in page
    assert "设置依据" not in heads(page)
    assert "_flt_0_basis" not in page
    every = re.search(r'<strong class="num">(\d+)</strong>', page)
    asked = text_of(closed_to, f"{path}&_flt_0_basis=秘密")
    assert re.search(r'<strong class="num">(\d+)</strong>', asked)[1] == every[1]
    facts = text_of(closed_to, f"/specialties/show/{specialty.id}")
    assert "秘密依据" not in facts
    assert "<dt>设置依据</dt>" not in facts
    assert "<dt>设置依据</dt>" in text_of(open_to, f"/specialties/show/{specialty.id}")


def test_a_closed_field_has_no_place_in_the_order(sign_in: Any, publish: Any):
    publish("specialties", {"number/see_roles": ["province_hrss"]})
    closed_to = sign_in(READER)
    rows = r"/specialties/show/(\d+)"
    up, down = (
        re.findall(
            rows,
            text_of(
                closed_to, f"/specialties/list/?_oc_SpecialtyView=number&_od_SpecialtyView={way}"
            ),
        )
        for way in ("asc", "desc")
    )
    assert up == down
    assert "_oc_SpecialtyView=number" not in text_of(closed_to, "/specialties/list/")


def test_a_closed_field_is_in_no_cell_and_no_export(
    app: Flask, publish: Any, actor: Any, specialty: Specialty
):
    publish("specialties", {"basis/see_roles": ["province_hrss"], "group/see_roles": ["hrss"]})
    for action in (Action.LIST, Action.SHOW, Action.EXPORT, Action.API, Action.PRINT):
        [own] = cells([specialty], ["name", "basis"], actor=actor("province"), action=action)
        [other] = cells([specialty], ["name", "basis"], actor=actor(READER), action=action)
        assert own["basis"] is not HIDDEN or own["name"] is HIDDEN
        assert other["basis"] is HIDDEN
    assert not may(actor("province"), Action.SHOW, specialty, "group_id")


def test_roles_are_judged_one_by_one(app: Flask, publish: Any, actor: Any, specialty: Specialty):
    """A role the grants do not know gains nothing from being named, nor does another beside it."""
    publish("specialties", {"basis/see_roles": ["supervisor", "applicant"]})
    province = actor("province")
    with_applicant = replace(province, roles=province.roles | {ActorRole.APPLICANT})
    assert not may(province, Action.SHOW, specialty, "basis")
    assert may(with_applicant, Action.SHOW, specialty, "basis")
    assert not may(with_applicant, Action.EDIT, specialty, "basis")
    assert may(with_applicant, Action.EDIT, specialty, "scope_note")


def test_a_field_one_may_not_change_is_read_only_and_a_forged_value_is_dropped(
    sign_in: Any, publish: Any, specialty: Specialty
):
    publish("specialties", {"basis/edit_roles": ["hrss"]})
    before = specialty.basis
    client = sign_in("province")
    page = text_of(client, f"/specialties/edit/{specialty.id}")
    assert re.search(r'<textarea[^>]* disabled[^>]*name="basis"', page)
    answer = edit(client, specialty, basis="伪造", scope_note="改过")
    assert answer.status_code == 303
    db.session.refresh(specialty)
    assert (specialty.basis, specialty.scope_note) == (before, "改过")


def test_a_field_one_does_not_see_is_saved_as_it_was(
    sign_in: Any, publish: Any, specialty: Specialty
):
    publish("specialties", {"basis/see_roles": ["hrss"], "group/see_roles": ["hrss"]})
    before = (specialty.basis, specialty.group_id)
    other = db.session.scalar(select(SpecialtyGroup.id).where(SpecialtyGroup.id != before[1]))
    client = sign_in("province")
    page = text_of(client, f"/specialties/edit/{specialty.id}")
    assert 'name="basis"' not in page
    assert 'name="group"' not in page
    answer = edit(client, specialty, basis="伪造", group=other, scope_note="改过")
    assert answer.status_code == 303
    db.session.refresh(specialty)
    assert (specialty.basis, specialty.group_id, specialty.scope_note) == (*before, "改过")
    typed = {"group": other, "number": 3, "name": "无组"}
    refused = client.post("/specialties/add", data=typed)
    assert refused.status_code == 422


# ------------------------------------------------------------------ what may not be published


@pytest.mark.parametrize(
    ("key", "values", "code"),
    [
        ("specialties", {"name/is_hidden": True}, "needed_hidden"),
        ("specialties", {"name/is_required": False}, "needed_optional"),
        ("units", {"registrar/in_form": False}, "needed_hidden"),
        ("specialties", {"name/see_roles": ["hrss"]}, "fixed_closed"),
        ("specialties", {"series/in_list": True}, "cannot_in_list"),
        ("units", {"former_codes/in_filter": True}, "cannot_in_filter"),
        ("committees", {"series/is_sortable": True}, "cannot_is_sortable"),
    ],
)
def test_what_would_break_a_screen_is_not_published(
    app: Flask, publish: Any, key: str, values: dict[str, Any], code: str
):
    with pytest.raises(store.FaultyDefinitionError) as refused:
        publish(key, values)
    assert code in {finding.code for finding in refused.value.findings}


# ------------------------------------------------------------------ another process


def signed_in(app: Flask) -> Any:
    client = app.test_client()
    answer = client.post("/login/", data={"login": "province", "password": PASSWORD})
    assert answer.status_code == 302
    return client


def test_another_process_shows_a_publication_without_a_restart(
    own_app: Flask, running: Any, tmp_path: Path
):
    with own_app.app_context():
        database = str(db.engine.url.database)
        officer = actor_of(db.session.scalars(select(Account).filter_by(username="province")).one())
        db.session.remove()
    other = make_app(running, database, tmp_path)
    pages = {}
    clients = [signed_in(each) for each in (own_app, other)]
    for number, client in enumerate(clients):
        pages[number] = heads(text_of(client, "/specialties/list/"))
    assert pages[0] == pages[1]
    assert "设置依据" in pages[0]
    with own_app.app_context():
        with unit_of_work():
            values = {f"{FIELDS}/name/label_zh": "专业（新）", f"{FIELDS}/basis/is_hidden": True}
            store.change_draft("specialties", values, expected_version=0, actor=officer, now=NOW)
            store.publish_draft(
                "specialties", reason="试行", expected_version=1, actor=officer, now=NOW
            )
        db.session.remove()
    for client in clients:
        shown = heads(text_of(client, "/specialties/list/"))
        assert shown[0] == "专业（新）"
        assert "设置依据" not in shown
    with other.app_context():
        db.session.remove()
        db.engine.dispose()
