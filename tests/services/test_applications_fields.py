"""Every kind of field: what is taken, what is refused, and that the refusal names the field."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.errors import RuleViolation
from app.services.form_definition import Field, Label, Section, read_form
from app.services.form_options import show_value
from app.services.form_values import clean_text, parse_section, read_phone

OPTIONS = {
    "colours": (("red", Label("Red", "红")), ("blue", Label("Blue", "蓝"))),
    "title_levels": (("2", Label("Associate", "副高级")), ("3", Label("Intermediate", "中级"))),
}


COLOURS = {"dictionary": "colours"}
NOT_OFFERED = "This choice is not offered. Choose from the list."
NOT_OFFERED_ONE = "This choice is not offered. Choose one from the list."
SHORTEN = "At most %s characters; there are %s. Shorten the text."


def section_of(kind: str, **more: Any) -> Section:
    """A section of one field named `x`."""
    field = Field(name="x", kind=kind, label=Label("X"), help=Label(""), **more)
    return Section("s", 1, Label("S"), Label(""), (field,))


def parse(kind: str, typed: Any, **more: Any) -> tuple[Any, list[str]]:
    """(value, messages) of one typed value."""
    parsed = parse_section(section_of(kind, **more), {"x": typed}, OPTIONS)
    return parsed.values["x"], [fault.template % fault.params for fault in parsed.faults]


@pytest.mark.parametrize(
    ("kind", "typed", "value"),
    [
        ("text", "  黔岭\r\n大学 ", "黔岭 大学"),
        ("text", "", None),
        ("text", "䶮𬱖𫖯𬱁·艾", "䶮𬱖𫖯𬱁·艾"),
        ("text", "a\x00b\x07", "ab"),
        ("long_text", " 一\r\n二 ", "一\n二"),
        ("number", "12", 12),
        ("number", "１２", 12),
        ("number", "1,200.5", 1200.5),
        ("number", " ", None),
        ("date", "2018-03-12", "2018-03-12"),
        ("date", "2018年3月2日", "2018-03-02"),
        ("date", "2018/3/2", "2018-03-02"),
        ("month", "2018-3", "2018-03"),
        ("month", "2018年12月", "2018-12"),
        ("boolean", "1", True),
        ("boolean", "", False),
        ("choice", "", None),
    ],
)
def test_field_takes(kind: str, typed: str, value: Any) -> None:
    assert parse(kind, typed) == (value, [])


def test_choice_takes_a_code_and_a_level_as_a_number() -> None:
    assert parse("choice", "red", dictionary="colours") == ("red", [])
    assert parse("choice", "2", source="title_levels", enumeration="TitleLevel") == (2, [])
    assert parse("multiple_choice", ["blue", "red"], dictionary="colours") == (["red", "blue"], [])


@pytest.mark.parametrize(
    ("kind", "typed", "more", "message"),
    [
        ("text", "长" * 6, {"max_length": 5}, SHORTEN % (5, 6)),
        ("long_text", "x" * 20_001, {}, SHORTEN % (20000, 20001)),
        ("number", "zwölf", {}, "Enter a number, for example 12."),
        ("number", "1e400", {}, "Enter a number, for example 12."),
        ("number", "NaN", {}, "Enter a number, for example 12."),
        ("number", "61", {"minimum": 0, "maximum": 60}, "Enter a number between 0 and 60."),
        ("number", "-1", {"minimum": 0, "maximum": 60}, "Enter a number between 0 and 60."),
        ("date", "2018-02-30", {}, "Enter a date that exists, for example 2018-03-12."),
        ("date", "0001-01-01", {}, "Enter a date that exists, for example 2018-03-12."),
        ("date", "gestern", {}, "Enter a date that exists, for example 2018-03-12."),
        ("month", "2018-13", {}, "Enter year and month, for example 2018-03."),
        ("month", "03/2018", {}, "Enter year and month, for example 2018-03."),
        ("choice", "green", COLOURS, NOT_OFFERED_ONE),
        ("multiple_choice", ["red", "x"], COLOURS, NOT_OFFERED),
    ],
)  # fmt: skip
def test_field_refuses_in_words(kind: str, typed: Any, more: dict[str, Any], message: str) -> None:
    value, messages = parse(kind, typed, **more)
    assert messages == [message]
    assert value in (None, [])


def rows_section(max_rows: int = 3) -> Section:
    """A section whose field `x` is a table of year and name."""
    columns = tuple(
        Field(name=name, kind=kind, label=Label(name), help=Label(""))
        for name, kind in (("year", "number"), ("name", "text"), ("proof", "file"))
    )
    return section_of("rows", columns=columns, max_rows=max_rows)


def test_rows_keep_their_ids_and_name_the_faulty_cell() -> None:
    typed = [{"row_id": "0a0b0c0d", "year": "2020", "name": "甲"}, {"year": "x", "name": "乙"}]
    parsed = parse_section(rows_section(), {"x": typed}, OPTIONS)
    assert parsed.values["x"][0] == {"row_id": "0a0b0c0d", "year": 2020, "name": "甲"}
    assert [fault.path for fault in parsed.faults] == ["x.1.year"]


def test_rows_refuse_more_than_the_definition_allows() -> None:
    parsed = parse_section(rows_section(1), {"x": [{"year": "1"}, {"year": "2"}]}, OPTIONS)
    assert [fault.template % fault.params for fault in parsed.faults] == [
        "At most 1 rows are possible. Remove 1."
    ]


def test_rows_with_one_id_twice_become_two_rows() -> None:
    typed = [{"row_id": "0a0b0c0d", "year": "1"}, {"row_id": "0a0b0c0d", "year": "2"}]
    rows = parse_section(rows_section(), {"x": typed}, OPTIONS).values["x"]
    assert len({row["row_id"] for row in rows}) == 2


def test_read_only_fields_are_not_taken_from_a_post() -> None:
    parsed = parse_section(section_of("text", is_read_only=True), {"x": "forged"}, OPTIONS)
    assert parsed.values == {}


@pytest.mark.parametrize("typed", [None, ["a"], {"a": 1}])
def test_clean_text_of_anything_but_text_is_empty(typed: Any) -> None:
    assert clean_text(typed) == ""


@pytest.mark.parametrize(
    ("typed", "kept"), [("138 0000 1111", "13800001111"), ("+86-13800001111", "+8613800001111")]
)
def test_read_phone_drops_blanks(typed: str, kept: str) -> None:
    assert read_phone(typed) == kept


@pytest.mark.parametrize("typed", ["12", "abc", "138 0000 1111 ext 5", "1" * 40])
def test_read_phone_refuses_other_text(typed: str) -> None:
    with pytest.raises(RuleViolation):
        read_phone(typed)


def test_show_value_says_codes_in_words() -> None:
    choice = section_of("multiple_choice", dictionary="colours").fields[0]
    shown = show_value(choice, ["red", "blue"], OPTIONS)
    assert shown is not None
    assert (str(shown), shown.zh) == ("Red, Blue", "红、蓝")
    yes = show_value(section_of("boolean").fields[0], True, OPTIONS)
    assert yes is not None
    assert yes.zh == "是"
    assert show_value(choice, [], OPTIONS) is None
    assert show_value(choice, ["gone"], OPTIONS) == "gone"


def test_read_form_reads_labels_columns_and_options() -> None:
    form = read_form(
        {
            "sections": [
                {
                    "key": "a",
                    "label": "A",
                    "label_zh": "甲",
                    "fields": [
                        {
                            "name": "t",
                            "kind": "rows",
                            "label": "T",
                            "columns": [{"name": "c", "kind": "text", "label": "C"}],
                        },
                        {
                            "name": "o",
                            "kind": "choice",
                            "label": "O",
                            "options": [{"code": 1, "name": "一"}],
                            "is_publicised": True,
                        },
                    ],
                }
            ]
        }
    )
    section = form.section("a")
    assert section is not None
    assert (str(section.label), section.label.zh, section.number) == ("A", "甲", 1)
    assert section.fields[0].columns[0].name == "c"
    assert section.fields[1].options == (("1", "一"),)
    assert [(s.key, f.name) for s, f in form.publicised()] == [("a", "o")]
    assert form.section("b") is None
    assert section.field("z") is None
