"""A screen as a sheet: out, changed in Excel, back as a draft; whole, or refused cell by cell."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
import xlsxwriter
from flask import Flask
from flask.testing import FlaskClient

from app import clock
from app.extensions import db
from app.messages import say
from app.services.actors import Actor
from app.services.definitions import sheets, store
from app.services.definitions.shipped import ship
from app.services.definitions.versions import add_version
from app.services.form_definition import APPLICATION_FORM
from app.services.imports.refusals import SheetRefusedError
from tests.services.test_lint import FIELDS, SCREEN, field
from tests.sheets import cells

KEY = SCREEN["key"]
NOW = clock.real_now()
Table = list[list[str]]


@pytest.fixture
def screen(app: Flask) -> Table:
    """The rows of the example's sheet, headings first."""
    ship(SCREEN)
    return cells(sheets.write_sheet(KEY, say))


def at(table: Table, name: str, heading: str, value: str) -> Table:
    """The table with one cell changed."""
    column = next(i for i, text in enumerate(table[0]) if text.rstrip("*") == heading)
    return [
        [value if i == column and row[2] == name else cell for i, cell in enumerate(row)]
        for row in table
    ]


def at_option(code: str, **values: Any) -> dict[str, Any]:
    return field("x_colour", **{f"options/{code}/{key}": value for key, value in values.items()})


def new_row(table: Table, **values: str) -> list[str]:
    return [values.get(heading.rstrip("*"), "") for heading in table[0]]


def book(table: Table) -> bytes:
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as made:
        sheet = made.add_worksheet("界面字段")
        for number, row in enumerate(table):
            for place, text in enumerate(row):
                if text.startswith("=!"):
                    sheet.write_formula(number, place, f"={text[2:]}")
                else:
                    sheet.write_string(number, place, text)
    return buffer.getvalue()


def plan(table: Table) -> dict[str, Any]:
    return sheets.plan_sheet(KEY, book(table), say).values


@pytest.mark.parametrize("key", [KEY, APPLICATION_FORM])
def test_an_unchanged_sheet_changes_nothing(app: Flask, key: str) -> None:
    ship(SCREEN)
    add_version(
        KEY,
        "",
        field(
            "x_colour",
            **{
                "options/b/#": 5,
                "options/b/label_zh": "蓝",
                "options/b/label": "Blue",
                "options/r/is_retired": True,
            },
        )
        | field("count", default=3, minimum=0.5)
        | field("x_note", moved_to="more", width="half", help_zh="第一行\n第二行", is_hidden=True),
        reason="test",
    )
    found = sheets.plan_sheet(key, sheets.write_sheet(key, say), say)
    assert (found.values, found.differences) == ({}, [])


def test_cells_become_values_of_their_paths(screen: Table) -> None:
    table = at(screen, "name", "字段名称", "全称")
    table = at(table, "name", "长度", "30")
    table = at(table, "count", "最大值", "9.5")
    table = at(table, "is_open", "默认值", "是")
    table = at(table, "x_note", "部分", "其他")
    table = at(table, "x_note", "宽度", "半行")
    table = at(table, "x_colour", "选项", "r=红色=Red\n#g=绿=Green\nb=蓝")
    table = at(table, "grade", "作为筛选条件", "")
    assert plan(table) == {
        f"{FIELDS}/name/label_zh": "全称",
        f"{FIELDS}/name/max_length": 30,
        f"{FIELDS}/count/maximum": 9.5,
        f"{FIELDS}/is_open/default": True,
        f"{FIELDS}/x_note/moved_to": "more",
        f"{FIELDS}/x_note/width": "half",
        f"{FIELDS}/x_colour/options/r/label_zh": "红色",
        f"{FIELDS}/x_colour/options/g/is_retired": True,
        f"{FIELDS}/x_colour/options/b/label_zh": "蓝",
        f"{FIELDS}/x_colour/options/b/label": "蓝",
        f"{FIELDS}/x_colour/options/b/#": 30,
        f"{FIELDS}/grade/in_filter": False,
    }


def test_new_rows_become_own_fields_between_their_neighbours(
    screen: Table, actor: Callable[[str], Actor]
) -> None:
    row = new_row(screen, 部分="基本", 字段名称="楼层", 类型="数字", 必填="是", 最小值="1")
    column = new_row(screen, 部分="基本", 所属明细表="部件", 字段名称="重量", 类型="数字")
    values = plan([*screen[:2], row, *screen[2:], column])
    assert values[f"{FIELDS}/x_field_1/#"] == 15
    assert values[f"{FIELDS}/x_parts/columns/x_field_2/kind"] == "number"
    sheets.take_plan(KEY, values, expected_version=0, actor=actor("province"), now=NOW)
    fields = store.drafted(KEY)["sections"][0]["fields"]
    assert [each["name"] for each in fields[:3]] == ["name", "x_field_1", "grade"]
    assert fields[1] == {
        "name": "x_field_1", "kind": "number", "label": "楼层", "label_zh": "楼层",
        "is_custom": True, "is_required": True, "minimum": 1,
    }  # fmt: skip
    again = sheets.plan_sheet(KEY, sheets.write_sheet(KEY, say), say)
    assert (again.values, again.expected_version) == ({}, 1)
    store.publish_draft(KEY, reason="试", expected_version=1, actor=actor("province"), now=NOW)
    assert store.current(KEY)["sections"][0]["fields"][1]["label_zh"] == "楼层"


def test_rows_in_another_order_move_the_fields(screen: Table) -> None:
    values = plan([screen[0], screen[2], screen[1], *screen[3:]])
    assert values[f"{FIELDS}/grade/#"] < values[f"{FIELDS}/name/#"]


def test_every_problem_is_named_by_its_cell(screen: Table) -> None:
    table = at(screen, "name", "部分", "不存在")
    table = at(table, "grade", "类型", "程序")
    table = at(table, "count", "长度", "很长")
    table = at(table, "is_open", "字段名称", "")
    table = at(table, "x_note", "填写说明", "=!1+1")
    table = at(table, "x_colour", "选项", "r=红")
    row = {"部分": "基本", "字段代码": "password", "字段名称": "口令", "类型": "单行文本"}
    table.append(new_row(screen, **row))
    with pytest.raises(SheetRefusedError) as refused:
        plan(table)
    found = {problem.cell: problem.sentence(say) for problem in refused.value.problems}
    assert list(found) == ["A2", "F3", "L4", "D5", "K6", "H9", "C12"]
    assert "不存在" in found["A2"]
    assert "公式" in found["H9"]
    assert "password" in found["C12"]
    assert store.draft_of(KEY) is None


def test_what_the_check_would_find_is_named_by_its_cell(screen: Table) -> None:
    table = at(screen, "count", "最小值", "10")
    table = at(table, "grade", "默认值", "没有的")
    table = at(table, "x_note", "字段名称", "附件")
    with pytest.raises(SheetRefusedError) as refused:
        plan(table)
    assert {(p.cell, p.heading) for p in refused.value.problems} >= {
        ("M4", "Smallest figure"),
        ("Q3", "Value to begin with"),
    }


def test_a_row_taken_out_is_refused(screen: Table) -> None:
    with pytest.raises(SheetRefusedError) as refused:
        plan([row for row in screen if row[2] != "count"])
    assert [problem.params["field"] for problem in refused.value.problems] == ["数量"]


def test_a_field_of_the_form_stays_in_its_section(app: Flask) -> None:
    table = cells(sheets.write_sheet(APPLICATION_FORM, say))
    with pytest.raises(SheetRefusedError) as refused:
        sheets.plan_sheet(APPLICATION_FORM, book(at(table, "ethnicity", "部分", "学历学位")), say)
    assert [problem.heading for problem in refused.value.problems] == ["Field code"]


def upload(client: FlaskClient, content: bytes, key: str = APPLICATION_FORM) -> Any:
    data = {"file": (io.BytesIO(content), "表.xlsx")}
    return client.post(f"/screen-sheets/upload/{key}", data=data)


def test_the_pages_show_the_difference_and_write_it_on_confirmation(
    sign_in: Callable[[str], FlaskClient],
) -> None:
    client = sign_in("province")
    assert "职称申报表" in client.get("/screen-sheets/").get_data(as_text=True)
    sheet = client.get(f"/screen-sheets/download/{APPLICATION_FORM}").data
    assert upload(client, sheet).status_code == 303
    table = at(cells(sheet), "ethnicity", "字段名称", "民族 100% <b>{{7*7}}</b>"[:7])
    shown = upload(client, book(table))
    text = shown.get_data(as_text=True)
    assert shown.status_code == 200
    assert "“民族”" in text
    assert store.draft_of(APPLICATION_FORM) is None
    token = re.search(r'name="plan" value="([^"]+)"', text)
    assert token is not None
    data = {"plan": token[1], "expected_version": "0"}
    assert client.post(f"/screen-sheets/take/{APPLICATION_FORM}", data=data).status_code == 303
    db.session.expire_all()
    draft = store.draft_of(APPLICATION_FORM)
    assert draft is not None
    assert draft.changes == {"sections/profile/fields/ethnicity/label_zh": "民族 100%"}
    again = client.post(f"/screen-sheets/take/{APPLICATION_FORM}", data=data)
    assert "已被他人" in client.get(again.headers["Location"]).get_data(as_text=True)
    for plan_ in ("", "forged", token[1][:-2] + "xx"):
        bad = {"plan": plan_, "expected_version": "1"}
        assert client.post(f"/screen-sheets/take/{APPLICATION_FORM}", data=bad).status_code == 303
    db.session.expire_all()
    assert draft.version == 1


def test_markup_typed_into_cells_is_shown_as_text(sign_in: Callable[[str], FlaskClient]) -> None:
    client = sign_in("province")
    sheet = client.get(f"/screen-sheets/download/{APPLICATION_FORM}").data
    evil = '<img src=x onerror="alert(1)">100%d%(x)s{0}'
    answer = upload(client, book(at(cells(sheet), "ethnicity", "部分", evil)))
    text = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert "<img src=x" not in text
    assert "&lt;img src=x" in text


def test_only_who_configures_opens_the_sheets(sign_in: Callable[[str], FlaskClient]) -> None:
    client = sign_in("gyhousing")
    for path in ("", f"download/{APPLICATION_FORM}", f"upload/{APPLICATION_FORM}"):
        assert client.get(f"/screen-sheets/{path}").status_code in {302, 403, 404}
    assert sign_in("province").get("/screen-sheets/upload/nowhere").status_code == 404
