"""The screen of the units: list, search, creation, attacks."""

from __future__ import annotations

import io
import re

import pytest
from sqlalchemy import select

from app.domain.codes import compute_uscc_check
from app.extensions import db
from app.models import Account, AuditEntry, PersonalDataRead, Unit, UnitMove
from tests.applicants import small_pdf
from tests.conftest import PASSWORD


def licence():
    return (io.BytesIO(small_pdf("licence")), "营业执照.pdf")


NEW = {
    "contact_phone": "19900006666",
    "name": "新成立的事业单位",
    "kind": "employer",
    "division": "520100",
    "code": "",
}


def test_units_list_opens_for_the_province(sign_in):
    answer = sign_in("province").get("/units/list/")
    assert answer.status_code == 200
    assert "贵阳市人力资源和社会保障局" in answer.get_data(as_text=True)


@pytest.mark.parametrize("term", ["贵阳市人力", "gysrl", "11520100DEM0001029", "贵阳 人力资源"])
def test_search_finds_by_name_pinyin_and_code(sign_in, term):
    page = sign_in("province").get("/units/list/", query_string={"_flt_0_name": term})
    text = page.get_data(as_text=True)
    assert page.status_code == 200
    assert "贵阳市人力资源和社会保障局" in text
    assert "遵义市人力资源和社会保障局" not in text


def test_list_shows_only_the_own_subtree(sign_in):
    text = sign_in("zunyi").get("/units/list/").get_data(as_text=True)
    assert "遵义市人力资源和社会保障局" in text
    assert "贵阳市人力资源和社会保障局" not in text


@pytest.mark.parametrize(
    "arguments",
    [
        "page_UnitView=abc",
        "_oc_UnitView=nosuch&_od_UnitView=asc",
        "_oc_UnitView=password&_od_UnitView=asc",
        "psize_UnitView=100000",
        "psize_UnitView=-1",
        "_flt_9_name=x",
        "_flt_0_nosuch=x",
        "_flt_0_division=abc",
        "_flt_0_kind=nosuch",
        "_flt_0_name=%00",
        "page_UnitView=99999999999999999999",
    ],
)
def test_strange_arguments_never_break_the_list(sign_in, arguments):
    assert sign_in("province").get(f"/units/list/?{arguments}").status_code == 200


@pytest.mark.parametrize("pk", ["abc", "0", "999999999", "99999999999999999999", "²", "1;2"])
def test_unknown_keys_answer_404(sign_in, pk):
    client = sign_in("province")
    for page in ("show", "edit", "close", "own_code"):
        assert client.get(f"/units/{page}/{pk}").status_code == 404


def test_list_sends_as_many_queries_for_three_rows_as_for_one(sign_in, count_queries):
    client = sign_in("province")
    client.get("/units/list/")
    one = count_queries(lambda: client.get("/units/list/?page_UnitView=1&psize_UnitView=1"))
    three = count_queries(lambda: client.get("/units/list/?page_UnitView=1&psize_UnitView=3"))
    assert one == three


def test_department_creates_an_employer_and_sees_the_code_once(sign_in, account):
    client = sign_in("gyhousing")
    parent = account("gyhousing").unit
    answer = client.post("/units/add", data=NEW)
    text = answer.get_data(as_text=True)
    assert answer.status_code == 200, text
    unit = db.session.scalars(select(Unit).where(Unit.name == NEW["name"])).one()
    assert (unit.parent_id, unit.code) == (parent.id, parent.code + unit.code_suffix)
    made = db.session.scalars(select(Account).where(Account.unit_id == unit.id)).one()
    assert made.must_change_password
    assert re.search(r"[A-Z0-9]{4}-[A-Z0-9]{4}-[A-Z0-9]{4}", text)
    again = client.get(f"/units/show/{unit.id}").get_data(as_text=True)
    assert not re.search(r"[A-Z0-9]{4}-[A-Z0-9]{4}-[A-Z0-9]{4}", again)


def test_phone_of_the_contact_is_masked_and_its_full_view_logged(sign_in, account):
    unit = account("nmdesign").unit
    phone, mask = unit.contact_phone, unit.contact_phone_mask
    for login in ("nmdesign", "nanming", "province"):
        page = sign_in(login).get(f"/units/show/{unit.id}").text
        assert mask in page
        assert phone not in page
    client = sign_in("nmdesign")
    assert phone not in client.post(f"/units/reveal/{unit.id}", data={"reason": " "}).text
    assert db.session.scalars(select(PersonalDataRead)).all() == []
    answer = client.post(f"/units/reveal/{unit.id}", data={"reason": "通知取件"})
    assert phone in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    (read,) = db.session.scalars(select(PersonalDataRead)).all()
    assert (read.unit_id, read.person_id, read.field, read.reason) == (
        unit.id,
        None,
        "contact_phone",
        "通知取件",
    )
    entry = db.session.scalars(
        select(AuditEntry).where(AuditEntry.action == "reveal_contact_phone")
    ).one()
    assert (entry.object_id, entry.after) == (str(unit.id), {"contact_phone_mask": mask})
    assert "通知取件" in sign_in("auditor").get("/personal-data/list/").text
    for login, status in (("sysadmin", 403), ("zunyi", 404)):
        assert sign_in(login).post(f"/units/reveal/{unit.id}").status_code == status


def test_refused_form_keeps_what_was_typed(sign_in):
    answer = sign_in("gyhousing").post("/units/add", data={**NEW, "code": "91520100DEM0001029"})
    text = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert "新成立的事业单位" in text
    assert "91520100DEM0001029" in text


@pytest.mark.parametrize("login", ["zunyi", "nmhousing"])
def test_nobody_creates_a_unit_elsewhere(sign_in, unit, login):
    target = unit("贵阳市人力资源和社会保障局")
    sign_in(login).post("/units/add", data={**NEW, "parent": str(target.id)})
    assert (
        db.session.scalar(select(Unit).where(Unit.name == NEW["name"], Unit.parent_id == target.id))
        is None
    )


def test_nobody_changes_or_closes_a_unit_outside_the_subtree(sign_in, unit):
    target = unit("贵阳市人力资源和社会保障局")
    client = sign_in("zunyi")
    assert client.get(f"/units/show/{target.id}").status_code == 404
    assert client.post(f"/units/edit/{target.id}", data={"name": "x"}).status_code == 404
    assert client.post(f"/units/close/{target.id}", data={"reason": "x"}).status_code == 404
    db.session.refresh(target)
    assert target.name == "贵阳市人力资源和社会保障局"


def test_applicants_see_no_units(sign_in):
    assert sign_in("王敏").get("/units/list/").status_code in {302, 403}


def test_designated_agency_enters_a_private_company_for_its_department(sign_in, unit):
    company = {
        **NEW,
        "name": "代理创建的公司",
        "kind": "non_public",
        "division": "520102",
        "registrar": "南明区市场监督管理局",
        "registrar_level": "county",
        "code": "91520102TEXT000011",
    }
    company["code"] = company["code"][:17] + compute_uscc_check(company["code"][:17])
    client = sign_in("nmtalentcenter")
    refused = client.post("/units/add", data=company)
    assert refused.status_code == 422
    assert "营业执照" in refused.get_data(as_text=True)
    answer = client.post("/units/add", data={**company, "proof": licence()})
    assert answer.status_code == 200, answer.get_data(as_text=True)[-2000:]
    made = db.session.scalars(select(Unit).where(Unit.name == "代理创建的公司")).one()
    assert made.parent.kind.value == "hrss"
    assert client.get(f"/units/show/{made.id}").status_code == 200
    assert client.post("/units/add", data={**company, "kind": "employer"}).status_code == 403
    shown = sign_in("nanming").get(f"/units/show/{made.id}").get_data(as_text=True)
    assert "营业执照.pdf" in shown
    proof = sign_in("nanming").get(f"/units/proof/{made.id}")
    assert (proof.status_code, proof.mimetype) == (200, "application/pdf")
    assert sign_in("zunyi").get(f"/units/proof/{made.id}").status_code == 404


@pytest.mark.parametrize(
    ("login", "kind", "shown", "absent"),
    [
        ("nanming", "non_public", ["registrar", "registrar_level", "proof", "code"], ["level"]),
        ("nanming", "competent_department", ["code"], ["level", "registrar", "proof"]),
        ("gyhousing", "", ["code", "level"], ["registrar", "registrar_level", "proof"]),
        ("nmdesign", "", [], ["code", "level", "registrar", "proof"]),
    ],
)
def test_the_form_has_the_fields_of_the_kind(sign_in, login, kind, shown, absent):
    text = sign_in(login).get(f"/units/add?kind={kind}").get_data(as_text=True)
    for name in ["name", "division", "contact_name", *shown]:
        assert f'name="{name}"' in text
    for name in ["parent", *absent]:
        assert f'name="{name}"' not in text


def test_who_creates_several_kinds_is_asked_for_the_kind_first(sign_in):
    text = sign_in("nanming").get("/units/add").get_data(as_text=True)
    assert "/units/add?kind=non_public" in text
    for absent in ("employer", "hrss"):  # below a county there is no HRSS department
        assert f"/units/add?kind={absent}" not in text
    assert "/units/add?kind=hrss" in sign_in("guiyang").get("/units/add").get_data(as_text=True)
    assert sign_in("nanming").post("/units/add", data={"kind": "x"}).status_code == 422


def test_the_level_of_the_registrar_is_the_own_one_only(sign_in):
    text = sign_in("nanming").get("/units/add?kind=non_public").get_data(as_text=True)
    found = re.search(r'<select[^>]*name="registrar_level".*?</select>', text, re.DOTALL)
    assert re.findall(r'value="([^"]*)"', found[0]) == ["county"]


def test_only_divisions_of_the_own_area_are_offered(sign_in):
    client = sign_in("guiyang")
    found = client.get("/lookup/division", query_string={"within": "own", "q": ""}).get_json()
    assert found
    assert {str(row["id"])[:4] for row in found} == {"5201"}


def test_a_former_code_still_signs_in(sign_in, account, app):
    unit = account("nmdesign").unit
    unit_login = db.session.scalars(
        select(Account).where(Account.unit_id == unit.id, Account.username == unit.code)
    ).one_or_none()
    if unit_login is None:
        unit_login = account("nmdesign")
        unit_login.username = unit.code
        db.session.flush()
    old = unit.code
    body = "12520102TEXT55555"
    new = body + compute_uscc_check(body)
    page = sign_in("nanming").get(f"/units/own_code/{unit.id}").get_data(as_text=True)
    assert "曾用代码" in page
    answer = sign_in("nanming").post(f"/units/own_code/{unit.id}", data={"code": new})
    assert answer.status_code == 303
    for login in (old, new):
        client = app.test_client()
        entered = client.post("/login/", data={"login": login, "password": PASSWORD})
        assert entered.status_code == 302, login
    shown = sign_in("nanming").get(f"/units/show/{unit.id}").get_data(as_text=True)
    assert old in shown


# ---- moving on the screens


def test_a_move_is_asked_for_answered_and_shown_with_its_history(sign_in, account):
    design, target = account("nmdesign").unit, account("gyhousing").unit
    asker = sign_in("nmhousing")
    assert f"/unit-moves/ask/{design.id}" in asker.get(f"/units/show/{design.id}").get_data(
        as_text=True
    )
    sent = {"to_code": target.code, "reason": "隶属关系调整"}
    refused = asker.post(f"/unit-moves/ask/{design.id}", data=sent)
    assert refused.status_code == 422
    answer = asker.post(f"/unit-moves/ask/{design.id}", data={**sent, "proof": licence()})
    assert answer.status_code == 303, answer.get_data(as_text=True)[-1500:]
    row = db.session.scalars(select(UnitMove)).one()
    other = sign_in("gyhousing")
    assert f"/unit-moves/show/{row.id}" in other.get("/work/").get_data(as_text=True)
    page = other.get(f"/unit-moves/show/{row.id}").get_data(as_text=True)
    assert "隶属关系调整" in page
    assert f"/unit-moves/consent/{row.id}" in page
    assert other.get(f"/unit-moves/proof/{row.id}").mimetype == "application/pdf"
    done = other.post(f"/unit-moves/consent/{row.id}", data={"expected_version": str(row.version)})
    assert done.status_code == 303
    assert design.parent_id == target.id
    shown = other.get(f"/units/show/{design.id}").get_data(as_text=True)
    assert "单位已划转" in shown
    assert asker.get(f"/units/show/{design.id}").status_code == 404
    assert asker.get(f"/unit-moves/show/{row.id}").status_code == 200


def test_a_stranger_sees_no_move(sign_in, account):
    design, target = account("nmdesign").unit, account("gyhousing").unit
    sign_in("nmhousing").post(
        f"/unit-moves/ask/{design.id}",
        data={"to_code": target.code, "reason": "调整", "proof": licence()},
    )
    row = db.session.scalars(select(UnitMove)).one()
    stranger = sign_in("zunyi")
    for page in ("show", "proof", "refuse", "withdraw"):
        assert stranger.get(f"/unit-moves/{page}/{row.id}").status_code == 404
    assert stranger.post(f"/unit-moves/consent/{row.id}").status_code == 404
    assert stranger.get(f"/unit-moves/ask/{design.id}").status_code == 404


def test_the_new_superior_takes_a_unit_over_by_its_code(sign_in, account):
    design = account("nmdesign").unit
    client = sign_in("gyhousing")
    assert "unit_code" in client.get("/unit-moves/ask/0").get_data(as_text=True)
    answer = client.post(
        "/unit-moves/ask/0",
        data={"unit_code": design.code, "reason": "划归本局", "proof": licence()},
    )
    assert answer.status_code == 303
    row = db.session.scalars(select(UnitMove)).one()
    assert (row.unit_id, row.asked_by_side.value) == (design.id, "to")


def test_the_page_of_closing_links_to_what_hangs_on_the_unit(sign_in, account):
    design = account("nmdesign").unit
    text = sign_in("nanming").get(f"/units/close/{design.id}").get_data(as_text=True)
    assert f"/unit_tree/?open={design.id}" in text
    assert f"/accounts/list/?_flt_0_unit={design.id}" in text
