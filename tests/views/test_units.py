"""The screen of the units: list, search, creation, attacks."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from app.domain.codes import compute_uscc_check
from app.extensions import db
from app.models import Account, Unit

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


def test_refused_form_keeps_what_was_typed(sign_in):
    answer = sign_in("gyhousing").post("/units/add", data={**NEW, "code": "91520100DEM0001029"})
    text = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert "新成立的事业单位" in text
    assert "91520100DEM0001029" in text


@pytest.mark.parametrize("login", ["zunyi", "nmhousing"])
def test_nobody_creates_a_unit_elsewhere(sign_in, unit, login):
    target = unit("贵阳市人力资源和社会保障局")
    answer = sign_in(login).post("/units/add", data={**NEW, "parent": str(target.id)})
    assert answer.status_code in {403, 422}
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
    answer = client.post("/units/add", data=company)
    assert answer.status_code == 200, answer.get_data(as_text=True)[-2000:]
    made = db.session.scalars(select(Unit).where(Unit.name == "代理创建的公司")).one()
    assert made.parent.kind.value == "hrss"
    assert client.get(f"/units/show/{made.id}").status_code == 200
    assert client.post("/units/add", data={**company, "kind": "employer"}).status_code == 422
