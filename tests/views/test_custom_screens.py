"""Custom fields on a screen: added, published, and there at once in list, filter, form and page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app import clock
from app.extensions import db
from app.models import Division, Person, Specialty, Unit
from app.services.actors import Actor
from app.services.definitions import store
from app.services.definitions.lint import lint
from tests.applicants import small_png
from tests.custom_screens import KINDS, UNFILTERED, UNSORTED

NOW = clock.real_now()
KEY = "specialties"
FLOOR = {"kind": "number", "label": "Floor", "label_zh": "楼层", "is_sortable": True}
Publish = Callable[..., None]
SignIn = Callable[[str], FlaskClient]


@pytest.fixture
def publish(app: Flask, actor: Callable[[str], Actor]) -> Publish:
    """publish(x_floor={…}): the fields as the editor would add or change them."""

    def act(reset: Any = (), **fields: dict[str, Any]) -> None:
        officer = actor("province")
        values: dict[str, Any] = {}
        for place, (name, given) in enumerate(fields.items(), start=1):
            common = {"is_custom": True, "in_list": True, "in_filter": name not in UNFILTERED}
            full = {"#": 1000 + place, "label": name, "label_zh": name, **common, **given}
            for key, value in full.items():
                path = f"sections/main/fields/{name}/{key}"
                if key in {"options", "columns"}:
                    identity = {"options": "code", "columns": "name"}[key]
                    for nth, item in enumerate(value, start=1):
                        head = f"{path}/{item[identity]}"
                        values[f"{head}/#"] = nth
                        values |= {f"{head}/{k}": v for k, v in item.items() if k != identity}
                        if key == "columns":
                            values[f"{head}/is_custom"] = True
                else:
                    values[path] = value
        store.change_draft(KEY, values, expected_version=0, actor=officer, now=NOW)
        faults = [f.template % f.params for f in lint(store.drafted(KEY)) if f.blocks]
        assert faults == []
        store.publish_draft(KEY, reason="试行", expected_version=1, actor=officer, now=NOW)

    return act


@pytest.fixture
def rows(app: Flask) -> list[Specialty]:
    return list(db.session.scalars(select(Specialty).order_by(Specialty.id).limit(3)))


def form_of(row: Specialty, **typed: Any) -> dict[str, Any]:
    """The form of a specialty as its page would send it."""
    return {
        "group": str(row.group_id),
        "number": str(row.number),
        "name": row.name,
        "scope_note": row.scope_note,
        "basis": row.basis,
        "is_active": "y",
        "expected_version": str(row.version),
        **typed,
    }


def listed(client: FlaskClient, query: str) -> list[str]:
    """The names of the rows of a list, in its order."""
    page = client.get(f"/specialties/list/?psize_SpecialtyView=100&{query}")
    assert page.status_code == 200
    return re.findall(r'col-main[^>]*><a href="[^"]*">([^<]+)</a>', page.get_data(as_text=True))


def test_a_new_field_is_in_every_place_without_a_restart(
    publish: Publish, sign_in: SignIn, rows: list[Specialty]
):
    client = sign_in("province")
    first, second, third = rows
    assert "楼层" not in client.get("/specialties/list/").get_data(as_text=True)
    publish(x_floor=FLOOR)
    assert "楼层" in client.get("/specialties/list/").get_data(as_text=True)
    for row, floor in ((first, "9"), (second, "10"), (third, "2.5")):
        answer = client.post(f"/specialties/edit/{row.id}", data=form_of(row, x_floor=floor))
        assert answer.status_code == 303, answer.get_data(as_text=True)[-3000:]
    assert first.x_floor == 9
    page = client.get(f"/specialties/show/{first.id}").get_data(as_text=True)
    assert re.search(r"<dt>楼层</dt>\s*<dd>\s*<span>9</span>", page)
    form = client.get(f"/specialties/edit/{first.id}").get_data(as_text=True)
    assert re.search(r'<input[^>]*name="x_floor"[^>]*value="9"', form)
    order = "_oc_SpecialtyView=x_floor&_od_SpecialtyView="
    assert listed(client, f"{order}asc")[:3] == [third.name, first.name, second.name]
    assert listed(client, f"{order}desc")[:3] == [second.name, first.name, third.name]
    assert listed(client, f"{order}asc&_flt_0_x_floor=9") == [first.name, second.name]
    assert listed(client, "_flt_1_x_floor=2.5") == [third.name]
    assert listed(client, "_flt_2_x_floor=10") == [second.name]
    everything = listed(client, "")
    for unusable in ("_flt_2_x_floor=ten", "_flt_7_x_floor=1", "_flt_0_x_never=1"):
        assert listed(client, unusable) == everything
    assert listed(client, "_oc_SpecialtyView=x_never&_od_SpecialtyView=asc") == everything


def test_a_refused_form_keeps_what_was_typed_beside_the_fault(
    publish: Publish, sign_in: SignIn, rows: list[Specialty]
):
    publish(x_floor={**FLOOR, "maximum": 60}, x_day={"kind": "date", "is_required": True})
    client = sign_in("province")
    typed = form_of(rows[0], x_floor="61 层", x_day="2022-02-30", name="改名")
    answer = client.post(f"/specialties/edit/{rows[0].id}", data=typed)
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert 'value="61 层"' in page
    assert re.search(r'<input[^>]*name="x_day"[^>]*type="text"[^>]*value="2022-02-30"', page)
    assert 'id="x_floor-error"' in page
    assert 'id="x_day-error"' in page
    assert 'value="改名"' in page
    db.session.expire_all()
    assert (rows[0].name == "改名", rows[0].custom) == (False, {})
    answer = client.post(f"/specialties/edit/{rows[0].id}", data=form_of(rows[0], x_day=""))
    assert answer.status_code == 422
    assert 'id="x_day-error"' in answer.get_data(as_text=True)


def test_every_kind_goes_through_the_form_and_comes_back(
    publish: Publish, sign_in: SignIn, rows: list[Specialty]
):
    publish(
        **{name: {**given, "is_sortable": name not in UNSORTED} for name, given in KINDS.items()}
    )
    client = sign_in("province")
    row = rows[0]
    person = db.session.scalars(select(Person).limit(1)).one()
    unit = db.session.scalars(select(Unit).limit(1)).one()
    division = db.session.scalars(select(Division).limit(1)).one()
    typed = {
        "x_text": "一层",
        "x_long": "上\n下",
        "x_number": "12.5",
        "x_date": "2022-08-05",
        "x_month": "2022-08",
        "x_flag": "y",
        "x_choice": "b",
        "x_choices": ["01", "02"],
        "x_person": str(person.id),
        "x_unit": str(unit.id),
        "x_division": division.code,
        "x_file": (io.BytesIO(small_png()), "证明.png"),
        "x_rows.count": "2",
        "x_rows.0.x_place": "贵阳",
        "x_rows.0.x_count": "3",
        "x_rows.1.x_place": "",
    }
    answer = client.post(
        f"/specialties/edit/{row.id}",
        data=form_of(row, **typed),
        content_type="multipart/form-data",
    )
    assert answer.status_code == 303, answer.get_data(as_text=True)[-3000:]
    page = client.get(f"/specialties/show/{row.id}").get_data(as_text=True)
    shown = [
        "一层",
        "12.5",
        "2022-08",
        "乙",
        "汉族",
        "蒙古族",
        person.name,
        unit.name,
        division.name,
    ]
    for text in [*shown, "证明.png", "地点 贵阳", "数量 3"]:
        assert text in page, text
    listing = client.get("/specialties/list/?_flt_2_x_number=12.5").get_data(as_text=True)
    for text in (person.name, unit.name, division.name, "证明.png"):
        assert text in listing, text
    form = client.get(f"/specialties/edit/{row.id}").get_data(as_text=True)
    for text in (
        'value="一层"',
        "上\n下",
        f'value="{person.id}"',
        "x_rows.0.row_id",
        'value="2022-08"',
    ):
        assert text in form, text
    # the form as it was sent changes nothing but what it changes
    kept = dict(row.custom)
    again = {
        name: value for name, value in typed.items() if name not in {"x_file", "x_rows.1.x_place"}
    } | {"x_rows.0.row_id": kept["x_rows"][0]["row_id"], "x_text": "二层"}
    assert client.post(f"/specialties/edit/{row.id}", data=form_of(row, **again)).status_code == 303
    assert row.custom == {**kept, "x_text": "二层"}
    digest = kept["x_file"][0]["sha256"]
    link = f"/custom_files/specialties/{row.id}/x_file/"
    assert client.get(link + digest).data == small_png()
    for wrong in (f"{link}{'0' * 64}", link.replace("x_file", "x_text") + digest):
        assert client.get(wrong).status_code == 404
    gone = again | {"x_file.remove": digest, "x_rows.0.remove": "1", "x_flag": [], "x_choices": []}
    answer = client.post(f"/specialties/edit/{row.id}", data=form_of(row, **gone))
    assert answer.status_code == 303
    assert {"x_file", "x_rows", "x_choices"}.isdisjoint(row.custom)
    assert row.custom["x_flag"] is False
    assert client.get(link + digest).status_code == 404


def test_a_field_closed_to_a_role_is_nowhere_for_it(
    publish: Publish, sign_in: SignIn, rows: list[Specialty]
):
    publish(
        x_secret={"kind": "text", "label_zh": "内部备注", "is_sortable": True}
        | {"see_roles": ["province_hrss"]},
        x_file={"kind": "file", "see_roles": ["province_hrss"]},
    )
    province, other = sign_in("province"), sign_in("guiyang")
    data = form_of(rows[0], x_secret="绝密", x_file=(io.BytesIO(small_png()), "a.png"))
    answer = province.post(
        f"/specialties/edit/{rows[0].id}", data=data, content_type="multipart/form-data"
    )
    assert answer.status_code == 303
    digest = rows[0].custom["x_file"][0]["sha256"]
    link = f"/custom_files/specialties/{rows[0].id}/x_file/{digest}"
    pages = ["/specialties/list/?psize_SpecialtyView=100", f"/specialties/show/{rows[0].id}"]
    for path in pages:
        assert "绝密" in province.get(path).get_data(as_text=True), path
        assert "绝密" not in other.get(path).get_data(as_text=True), path
    assert (province.get(link).status_code, other.get(link).status_code) == (200, 404)
    everything = listed(other, "")
    assert listed(other, "_flt_0_x_secret=绝密") == everything
    assert listed(other, "_oc_SpecialtyView=x_secret&_od_SpecialtyView=desc") == everything


def test_a_retired_field_disappears_and_keeps_its_data(
    publish: Publish, sign_in: SignIn, rows: list[Specialty], actor: Callable[[str], Actor]
):
    publish(x_floor=FLOOR)
    client = sign_in("province")
    client.post(f"/specialties/edit/{rows[0].id}", data=form_of(rows[0], x_floor="9"))
    publish(x_floor={**FLOOR, "is_retired": True})
    for path in ("list/", f"show/{rows[0].id}", f"edit/{rows[0].id}"):
        assert "楼层" not in client.get(f"/specialties/{path}").get_data(as_text=True), path
    answer = client.post(f"/specialties/edit/{rows[0].id}", data=form_of(rows[0], x_floor="10"))
    assert answer.status_code == 303
    assert rows[0].custom == {"x_floor": 9}
    publish(x_floor={**FLOOR, "is_retired": False})
    assert "楼层" in client.get(f"/specialties/show/{rows[0].id}").get_data(as_text=True)


def test_a_page_of_people_is_named_in_one_query(
    publish: Publish,
    sign_in: SignIn,
    rows: list[Specialty],
    count_queries: Callable[[Callable[[], Any]], int],
):
    publish(x_person={"kind": "person"}, x_choice={"kind": "choice", "dictionary": "ethnicity"})
    client = sign_in("province")
    people = db.session.scalars(select(Person.id).limit(3)).all()
    counts = []
    for row, person in zip(rows, people, strict=True):
        row.custom = {"x_person": person, "x_choice": "01"}
        db.session.flush()
        counts.append(
            count_queries(lambda: client.get("/specialties/list/?psize_SpecialtyView=100"))
        )
    assert counts[0] == counts[1] == counts[2]
