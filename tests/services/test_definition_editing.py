"""What the editor's actions become: paths and values, places between neighbours, refusals."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.errors import RuleViolation
from app.domain.layers import flatten, merge, set_back, unflatten
from app.services.definitions.editing import (
    Choice,
    Edit,
    Workpiece,
    add_field,
    item_of,
    list_keys,
    make_name,
    move_item,
    move_to_section,
    new_item,
    rename_field,
    reset_properties,
    restore_field,
    retire_field,
    set_options,
    set_properties,
    shift_item,
)

A, B, C = (f"sections/main/fields/{name}" for name in ("a", "b", "c"))
SHIPPED: dict[str, Any] = {
    "key": "units",
    "kind": "record",
    "label": "Units",
    "sections": [
        {
            "key": "main",
            "label": "Main",
            "fields": [
                {"name": "a", "kind": "text", "label": "A", "help_zh": "帮助"},
                {
                    "name": "b",
                    "kind": "choice",
                    "label": "B",
                    "options": [{"code": "1", "name": "一"}, {"code": "2", "name": "二"}],
                },
                {"name": "c", "kind": "rows", "label": "C", "columns": []},
            ],
        },
        {"key": "more", "label": "More", "fields": []},
    ],
}


def work(changes: dict[str, Any] | None = None, published: bool = False, **more: Any) -> Workpiece:
    below = flatten({**SHIPPED, **more})
    changes = changes or {}
    in_force = merge(below, changes) if published else below
    return Workpiece(str(more.get("key", "units")), below, changes, in_force)


def after(piece: Workpiece, edit: Edit) -> Workpiece:
    changes = merge(set_back(piece.changes, edit.reset), edit.values)
    unflatten(merge(piece.below, changes))
    return Workpiece(piece.key, piece.below, changes, piece.in_force)


def order(piece: Workpiece) -> list[str]:
    return list_keys(piece.flat, "sections/main/fields")


def test_a_field_goes_in_front_of_a_neighbour_by_one_value():
    assert move_item(work(), C, "b") == Edit({f"{C}/#": 15.0})
    assert move_item(work(), C, "a") == Edit({f"{C}/#": 0.0})
    assert move_item(work(), A) == Edit({f"{A}/#": 40.0})


def test_up_and_down_end_at_the_ends():
    piece = after(work(), shift_item(work(), B, -1))
    assert order(piece) == ["b", "a", "c"]
    assert not shift_item(piece, B, -1)
    piece = after(piece, shift_item(piece, B, 1))
    piece = after(piece, shift_item(piece, B, 1))
    assert order(piece) == ["a", "c", "b"]
    assert not shift_item(piece, B, 1)


def test_where_no_place_is_left_the_list_is_numbered_anew():
    piece = work({f"{A}/#": 20, f"{C}/#": 20})
    moved = move_item(piece, C, "b")
    assert order(after(piece, moved)) == ["a", "c", "b"]
    assert len(moved.values) == 3
    for _each in range(80):
        piece = after(piece, move_item(piece, C, "b"))
        piece = after(piece, move_item(piece, A, "c"))
        piece = after(piece, move_item(piece, A, "b"))
    assert order(piece) == ["c", "a", "b"]


def test_what_equals_the_layer_below_is_set_back():
    label = f"{A}/label"
    set_once = set_properties(work(), A, {"label": "甲", "is_required": True, "in_show": True})
    assert set_once == Edit({label: "甲", f"{A}/is_required": True})
    piece = after(work(), set_once)
    assert set_properties(piece, A, {"label": "A"}) == Edit(reset=frozenset({label}))
    assert set_properties(piece, A, {"is_required": False}).reset == {f"{A}/is_required"}
    assert set_properties(piece, A, {"in_excel": False}).values == {f"{A}/in_excel": False}


def test_emptying_a_delivered_text_takes_it_away():
    assert set_properties(work(), A, {"help_zh": ""}).values == {f"{A}/help_zh": None}
    assert not set_properties(work(), A, {"help": None})


def test_a_condition_is_set_and_taken_away_whole():
    piece = after(work(), set_properties(work(), A, {"shown_when": ("b", ("1",))}))
    found = unflatten(piece.flat)["sections"][0]["fields"][0]
    assert found["shown_when"] == {"field": "b", "values": ["1"]}
    assert after(piece, set_properties(piece, A, {"shown_when": None})).changes == {}


def test_choices_get_codes_and_those_once_published_are_only_retired():
    edit = set_options(work(), B, [Choice("", "三"), Choice("2", "贰")])
    piece = after(work(), edit)
    options = unflatten(piece.flat)["sections"][0]["fields"][1]["options"]
    assert [(o["code"], o.get("label_zh"), o.get("is_retired")) for o in options] == [
        ("1", None, True),
        ("3", "三", None),
        ("2", "贰", None),
    ]
    gone = after(piece, set_options(piece, B, [Choice("2", "贰")]))
    assert list_keys(gone.flat, f"{B}/options") == ["1", "2"]


@pytest.mark.parametrize(
    "choices",
    [
        [Choice("a/b", "x")],
        [Choice("1", "")],
        [Choice("1", "x"), Choice("1", "y")],
        [Choice("", "x")] * 501,
    ],
)
def test_faulty_choices_are_refused(choices: list[Choice]):
    with pytest.raises(RuleViolation):
        set_options(work(), B, choices)


def test_a_new_field_takes_its_name_from_its_label():
    assert make_name("楼层") == "x_lou_ceng"
    assert make_name("A4 纸张") == "x_a4_zhi_zhang"
    assert make_name("。") == "x_field"
    edit = add_field(work(), "sections/main", "number", " 楼层 ")
    path = new_item(edit)
    assert path == "sections/main/fields/x_lou_ceng"
    assert edit.values[f"{path}/#"] == 40
    piece = after(work(), edit)
    again = new_item(add_field(piece, "sections/more", "text", "楼层"))
    assert again == "sections/more/fields/x_lou_ceng_2"
    column = new_item(add_field(piece, C, "text", "学校"))
    assert column == f"{C}/columns/x_xue_xiao"


@pytest.mark.parametrize(
    ("parent", "kind", "label"),
    [
        ("sections/main", "python", "楼层"),
        ("sections/main", "text", " "),
        ("sections/main", "text", "长" * 201),
        ("sections/none", "text", "楼层"),
        (A, "text", "楼层"),
        (C, "rows", "楼层"),
    ],
)
def test_a_field_that_cannot_be_is_refused(parent: str, kind: str, label: str):
    with pytest.raises(RuleViolation):
        add_field(work(), parent, kind, label)


def test_a_name_changes_until_it_is_published():
    path = "sections/main/fields/x_lou_ceng"
    piece = after(work(), add_field(work(), "sections/main", "number", "楼层"))
    renamed = after(piece, rename_field(piece, path, "x_floor"))
    assert order(renamed) == ["a", "b", "c", "x_floor"]
    for name in ("floor", "x_Floor", "x_a/b"):
        with pytest.raises(RuleViolation):
            rename_field(piece, path, name)
    with pytest.raises(RuleViolation):
        rename_field(work(piece.changes, published=True), path, "x_floor")


def test_own_fields_are_retired_unpublished_ones_taken_out_delivered_ones_hidden():
    path = "sections/main/fields/x_lou_ceng"
    piece = after(work(), add_field(work(), "sections/main", "number", "楼层"))
    assert after(piece, retire_field(piece, path)).changes == {}
    published = work(piece.changes, published=True)
    assert retire_field(published, path).values == {f"{path}/is_retired": True}
    hidden = after(work(), retire_field(work(), A))
    assert hidden.changes == {f"{A}/is_hidden": True}
    assert after(hidden, restore_field(hidden, A)).changes == {}


def test_fields_of_records_move_between_sections_those_of_forms_do_not():
    edit = move_to_section(work(), A, "more")
    assert edit.values == {f"{A}/moved_to": "more"}
    assert move_to_section(after(work(), edit), A, "main").reset == {f"{A}/moved_to"}
    form = work(kind="form", key="application_form")
    for refused in (
        lambda: move_to_section(form, A, "more"),
        lambda: move_item(form, "sections/more", "main"),
        lambda: move_to_section(work(), A, "none"),
    ):
        with pytest.raises(RuleViolation):
            refused()


def test_resetting_one_property_or_all_leaves_the_others():
    piece = work({f"{A}/label": "甲", f"{A}/width": "full", f"{B}/label": "乙"})
    assert after(piece, reset_properties(piece, A, ["label"])).changes == {
        f"{A}/width": "full",
        f"{B}/label": "乙",
    }
    assert after(piece, reset_properties(piece, A)).changes == {f"{B}/label": "乙"}
    own = after(work(), add_field(work(), "sections/main", "text", "自"))
    with pytest.raises(RuleViolation):
        reset_properties(own, "sections/main/fields/x_zi")


def test_a_path_leads_to_the_item_around_it():
    assert item_of(f"{A}/label_zh") == A
    assert item_of(f"{B}/options/1/label") == B
    assert item_of(f"{C}/columns/x_1/kind") == f"{C}/columns/x_1"
    assert item_of("sections/main/label") == "sections/main"
    assert item_of("label") == ""
