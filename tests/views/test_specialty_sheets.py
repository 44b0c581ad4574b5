"""附件2 in Excel: the collection form goes out with its lines and comes back, whole or not."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from app.extensions import db
from app.models import Series, SpecialtyProposal
from tests.sheets import cells, workbook

HEAD = ("专业大类*", "序号", "专业技术名称*", "相关专业及适用范围*", "设置依据*")
NOTICE = {
    "专业大类*": "建筑",
    "序号": "1",
    "专业技术名称*": "建筑设计",
    "相关专业及适用范围*": "从事建筑工程与市政公用工程建筑、装饰装修设计的专业技术人员",
    "设置依据*": "依据教育部2012年发布的《普通高等学校本科专业目录新旧对比》设置",
}
"""The row of the notice's example, character for character."""


@pytest.fixture
def office(sign_in: Callable[[str], FlaskClient]) -> FlaskClient:
    return sign_in("housing")


@pytest.fixture
def proposal(office: FlaskClient) -> int:
    series = db.session.scalars(select(Series).where(Series.slug == "engineering")).one()
    answer = office.post("/proposals/add", data={"plan_year": "2022", "series": str(series.id)})
    assert answer.status_code == 303
    return int(answer.headers["Location"].rpartition("/")[2])


def upload(client: FlaskClient, proposal: int, content: bytes, **data: Any) -> Any:
    db.session.expire_all()
    given = {"expected_version": db.session.get_one(SpecialtyProposal, proposal).version, **data}
    given["file"] = (io.BytesIO(content), "附件2.xlsx")
    return client.post(f"/proposals/upload/{proposal}", data=given)


def lines(proposal: int) -> list[tuple[str, int, str]]:
    db.session.expire_all()
    row = db.session.get_one(SpecialtyProposal, proposal)
    return [(line.group_name, line.number, line.specialty_name) for line in row.lines]


def test_the_row_of_the_notice_round_trips(office: FlaskClient, proposal: int) -> None:
    assert upload(office, proposal, workbook([NOTICE], HEAD, first_row=3)).status_code == 303
    sheet = office.get(f"/proposals/sheet/{proposal}")
    table = cells(sheet.data)
    assert table[0][0] == "职称申报专业设置采集表"
    assert table[1][0].startswith("填报单位（盖章）：贵州省住房和城乡建设厅")
    assert table[2][0] == "职称系列：工程技术人员"
    assert table[3:] == [list(HEAD), list(NOTICE.values())]
    version = db.session.get_one(SpecialtyProposal, proposal).version
    again = upload(office, proposal, sheet.data)
    assert again.status_code == 303
    assert "没有变化" in office.get(again.headers["Location"]).get_data(as_text=True)
    db.session.expire_all()
    assert db.session.get_one(SpecialtyProposal, proposal).version == version


def test_merged_groups_and_numbers_of_excel_are_understood(
    office: FlaskClient, proposal: int
) -> None:
    rows = [
        {**NOTICE, "序号": 1},
        {**NOTICE, "专业大类*": "", "序号": 2, "专业技术名称*": "=不是公式"[1:]},
        {**NOTICE, "专业大类*": "市政", "序号": ""},
    ]
    assert upload(office, proposal, workbook(rows, HEAD)).status_code == 303
    assert lines(proposal) == [
        ("建筑", 1, "建筑设计"),
        ("建筑", 2, "不是公式"),
        ("市政", 3, "建筑设计"),
    ]


def test_every_problem_is_named_by_its_cell_and_nothing_is_taken_over(
    office: FlaskClient, proposal: int
) -> None:
    upload(office, proposal, workbook([NOTICE], HEAD))
    rows = [
        NOTICE,
        {**NOTICE, "序号": "第二"},
        {**NOTICE, "专业技术名称*": "", "设置依据*": "长" * 2001},
        {**NOTICE, "专业技术名称*": "=1+1"},
        {**NOTICE, "专业技术名称*": "结构", "序号": 1.5},
    ]
    answer = upload(office, proposal, workbook(rows, HEAD))
    text = answer.get_data(as_text=True)
    assert answer.status_code == 422
    for cell, words in (
        ("B3", "序号：请填 1 至 9999"),
        ("C3", "第 2 行已有"),
        ("C4", "此格未填"),
        ("E4", "最多 2000 个字符"),
        ("C5", "公式"),
        ("B6", "序号：请填 1 至 9999"),
    ):
        assert f"单元格 {cell}" in text, cell
        assert words in text, words
    assert lines(proposal) == [("建筑", 1, "建筑设计")]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"a,b"])
def test_what_is_no_workbook_is_refused_in_words(
    office: FlaskClient, proposal: int, content: bytes
) -> None:
    answer = upload(office, proposal, content)
    assert answer.status_code == 422
    assert "form-errors" in answer.get_data(as_text=True) or "请" in answer.get_data(as_text=True)


def test_only_the_reporting_unit_changes_a_form_and_only_as_it_saw_it(
    office: FlaskClient, proposal: int, sign_in: Callable[[str], FlaskClient]
) -> None:
    content = workbook([NOTICE], HEAD)
    assert upload(sign_in("province"), proposal, content).status_code == 403
    assert upload(office, proposal, content, expected_version="99").status_code == 409
    assert lines(proposal) == []
