"""Screens read from their definitions."""

from __future__ import annotations

from typing import Any

import pytest

from app.services.definitions.schemas import require_valid
from app.services.definitions.screens import Condition, Screen, read_screen


def made(*fields: dict[str, Any], other: tuple[dict[str, Any], ...] = (), **more: Any) -> Screen:
    definition: dict[str, Any] = {
        "key": "things",
        "kind": "record",
        "label": "Things",
        "sections": [
            {"key": "main", "label": "Main", "fields": [*fields]},
            {"key": "rest", "label": "Rest", "fields": [*other]},
        ],
        **more,
    }
    require_valid(definition)
    return read_screen(definition)


def field(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "kind": "text", "label": name, **more}


def names(found: Any) -> list[str]:
    return [each.name for each in found]


def test_lists_and_filters_go_by_the_place_in_the_list():
    screen = made(
        field("a", in_list=True, list_place=20, in_filter=True),
        field("b", in_list=True, list_place=10),
        field("c", list_place=15, in_filter=True),
        field("d", in_list=True),
    )
    assert names(screen.columns()) == ["b", "a", "d"]
    assert names(screen.filters()) == ["c", "a"]


def test_a_field_stands_in_form_page_and_sheet_unless_said_otherwise():
    screen = made(field("a"), field("b", in_form=False), field("c", in_show=False, in_excel=False))
    assert names(screen.form_fields()) == ["a", "c"]
    assert names(screen.shown_fields()) == ["a", "b"]
    assert names(screen.excel_fields()) == ["a", "b"]
    assert names(screen.columns()) == names(screen.filters()) == []


def test_hidden_and_retired_fields_stand_nowhere_and_stay_known():
    everywhere: dict[str, Any] = {"in_list": True, "in_filter": True}
    screen = made(
        field("a", is_hidden=True, **everywhere), field("x_b", is_retired=True, **everywhere)
    )
    for found in (screen.columns(), screen.filters(), screen.form_fields(), screen.fields):
        assert found == ()
    assert sorted(screen.known) == ["a", "x_b"]
    assert screen.field("a") is None


@pytest.mark.parametrize(
    ("to", "main", "rest"), [("rest", ["b"], ["c", "a"]), ("gone", ["a", "b"], ["c"])]
)
def test_a_field_shows_in_the_section_it_is_moved_to(to: str, main: list[str], rest: list[str]):
    screen = made(field("a", moved_to=to), field("b"), other=(field("c"),))
    assert [names(section.fields) for section in screen.sections] == [main, rest]
    assert screen.known["a"].section == "main"


def test_the_list_has_an_order_and_a_size():
    screen = made(field("a"), list={"order": "a", "is_descending": True, "page_size": 50})
    assert (screen.order, screen.is_descending, screen.page_size) == ("a", True, 50)
    plain = made(field("a"))
    assert (plain.order, plain.is_descending, plain.page_size) == ("", False, None)


@pytest.mark.parametrize(
    ("values", "value", "holds"),
    [
        ((True,), True, True),
        ((True,), False, False),
        ((1,), 1, True),
        (("a", "b"), "b", True),
        (("a",), ["c", "a"], True),
        (("a",), [], False),
        (("",), None, True),
        (("true",), "True", False),
    ],
)
def test_conditions_compare_values_as_texts(values: tuple[Any, ...], value: Any, *, holds: bool):
    screen = made(field("a", shown_when={"field": "b", "values": [*values]}))
    condition = screen.known["a"].shown_when
    assert isinstance(condition, Condition)
    assert condition.holds(value) is holds
