"""What was typed into rows: the empty row a page offers, and the rows on file."""

from __future__ import annotations

from flask import Flask

from app.services.form_definition import Section, current_form, read_form
from app.services.form_options import load_options
from app.services.form_values import Parsed, parse_section

OFFERED = {"row_id": "0123abcd", "name": "", "patent_kind": "", "number": ""}


def parse_patents(*rows: dict[str, object], stored: dict[str, object] | None = None) -> Parsed:
    form = read_form(current_form().definition)
    section = form.section("patents")
    assert isinstance(section, Section)
    return parse_section(section, {"patents": list(rows)}, load_options(form), stored)


def test_rows_leave_out_the_empty_row_the_page_offered(app: Flask) -> None:
    assert parse_patents(OFFERED).values == {"patents": []}


def test_rows_keep_an_empty_row_that_brings_a_file(app: Flask) -> None:
    kept = parse_patents(OFFERED | {"keep": True}).values["patents"]
    assert [row["row_id"] for row in kept] == ["0123abcd"]


def test_rows_keep_a_row_on_file_that_was_emptied(app: Flask) -> None:
    stored = {"patents": [{"row_id": "0123abcd", "name": "构造"}]}
    kept = parse_patents(OFFERED, stored=stored).values["patents"]
    assert [(row["row_id"], row["name"]) for row in kept] == [("0123abcd", None)]
