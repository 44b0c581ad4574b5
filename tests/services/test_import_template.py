"""The template of a bulk creation: drop-downs of the present configuration, text columns, mark."""

from __future__ import annotations

import io
import re
import zipfile

import pytest
from flask import Flask
from python_calamine import CalamineWorkbook
from sqlalchemy import update

from app.domain.codes import check_resident_id
from app.domain.errors import InvalidIdentityError
from app.domain.sheets import (
    LAYOUTS,
    LEGACY_PEOPLE,
    PEOPLE,
    UNITS,
    CellError,
    check_length,
    normalise_heading,
    safe_cell,
    text_of_cell,
)
from app.extensions import db
from app.messages import say
from app.models import Parameter
from app.services.imports import choices as lists
from app.services.imports.template import EXAMPLES, build_template
from app.services.settings import forget_settings
from tests.conftest import at


def opened(content: bytes) -> CalamineWorkbook:
    return CalamineWorkbook.from_filelike(io.BytesIO(content))


def lists_of(content: bytes) -> list[list[str]]:
    sheet = opened(content).get_sheet_by_name("_lists")
    return [[cell for cell in column if cell] for column in zip(*sheet.to_python(), strict=True)]


def test_template_offers_what_is_switched_on_now(app: Flask, actor) -> None:
    before = build_template(PEOPLE, say, actor=actor("gyhousing"))
    assert opened(before).sheet_names == ["个人账号", "填写说明", "_lists", "_portal"]
    head = opened(before).get_sheet_by_index(0).to_python()
    assert head == [["姓名*", "证件类型", "证件号码*", "手机号码*", "人员身份", "单位经办人"]]
    assert lists_of(before)[0] == ["居民身份证", "港澳台居民居住证", "外国人永久居留身份证"]
    db.session.execute(
        update(Parameter)
        .where(Parameter.key == "identity_documents")
        .values(value=["resident_id", "passport"])
    )
    forget_settings()
    after = build_template(PEOPLE, say, actor=actor("gyhousing"))
    assert lists_of(after)[0] == ["居民身份证", "护照"]
    marks = [opened(each).get_sheet_by_name("_portal").to_python() for each in (before, after)]
    assert marks[0][:2] == marks[1][:2] == [["people"], ["1"]]
    assert marks[0][2] != marks[1][2]


def test_template_cells_are_texts_with_checks_and_no_formulas(app: Flask, actor) -> None:
    content = build_template(PEOPLE, say, actor=actor("gyhousing"))
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        sheet = file.read("xl/worksheets/sheet1.xml").decode()
        book = file.read("xl/workbook.xml").decode()
    assert "<f>" not in sheet
    checks = re.findall(r'<dataValidation type="(\w+)"[^>]*sqref="([A-Z]+)2:\2(\d+)"', sheet)
    assert checks == [
        ("textLength", "A", "5001"),
        ("list", "B", "5001"),
        ("textLength", "C", "5001"),
        ("textLength", "D", "5001"),
        ("list", "E", "5001"),
        ("list", "F", "5001"),
    ]
    assert book.count('state="veryHidden"') == 2


def test_unit_template_offers_the_kinds_one_may_create(app: Flask, actor) -> None:
    names = lists.list_choices(UNITS, actor=actor("housing"))["unit_kinds"]
    assert list(names) == ["employer"]
    lists_shown = lists_of(build_template(UNITS, say, actor=actor("housing")))
    assert lists_shown == [["省", "市（州）", "县（区、市）"], ["企事业单位"]]


@pytest.mark.parametrize("word", LAYOUTS)
def test_every_template_opens(app: Flask, actor, word: str) -> None:
    content = build_template(LAYOUTS[word], say, actor=actor("province"))
    headings = opened(content).get_sheet_by_index(0).to_python()[0]
    assert len(set(map(normalise_heading, headings))) == len(LAYOUTS[word].columns)


def test_examples_are_nobodys_numbers() -> None:
    for row in EXAMPLES["people"]:
        with pytest.raises(InvalidIdentityError):
            check_resident_id(row["identity_number"], today=at("2022-08-03T09:00").date())


@pytest.mark.parametrize(
    ("value", "is_code", "text"),
    [
        ("  王 敏\u200b ", False, "王 敏"),
        ("５２０１０３１９９００１０１００１ｘ", True, "52010319900101001X"),  # noqa: RUF001 -- typed so
        ("’52010319900101001x", True, "52010319900101001X"),
        ("'5201 0319 9001 0100 1X", True, "52010319900101001X"),
        (13800000001, True, "13800000001"),
        (13800000001.0, True, "13800000001"),
        (999999999999999, True, "999999999999999"),
        (None, True, ""),
        ("'=1+1", False, "=1+1"),
        ("'t Hooft", False, "'t Hooft"),
        ("a\x07b", False, "ab"),
        (1.5, False, "1.5"),
        (True, False, "1"),
    ],
)
def test_cell_is_read_without_what_people_put_around_it(value, is_code: bool, text: str) -> None:
    assert text_of_cell(value, is_code=is_code) == text


@pytest.mark.parametrize("value", [10**15, 5.20103199001e17, "5.20103E+17", "5.2e17"])
def test_number_excel_has_destroyed_is_refused_with_the_way_out(value) -> None:
    with pytest.raises(CellError, match="as text"):
        text_of_cell(value, is_code=True)


@pytest.mark.parametrize("text", ["=1+1", "+86", "-1", "@a", "\ta", "\ra"])
def test_what_a_spreadsheet_takes_for_a_formula_is_marked_and_read_back(text: str) -> None:
    assert safe_cell(text) == f"'{text}"
    assert safe_cell("王敏") == "王敏"


@pytest.mark.parametrize(
    ("text", "template"),
    [("", "This cell is empty"), ("王" * 60, ""), ("王" * 61, "At most")],
)
def test_length_of_a_cell(text: str, template: str) -> None:
    found = check_length(PEOPLE.column("name"), text)
    assert (found.template if found else "").startswith(template)
    assert (found is None) is (template == "")


def test_page_offers_the_templates_one_may_use(app: Flask, sign_in) -> None:
    page = sign_in("gyhousing").get("/imports/")
    assert page.status_code == 200
    assert "/imports/template/people" in page.text
    assert LEGACY_PEOPLE.word not in page.text
    assert "5000" in page.text
    client = sign_in("province")
    answer = client.get("/imports/template/legacy_people")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert opened(answer.data).sheet_names[0] == "2021年个人账号"
    assert sign_in("gyhousing").get("/imports/template/legacy_people").status_code == 404
    assert client.get("/imports/template/nothing").status_code == 404
