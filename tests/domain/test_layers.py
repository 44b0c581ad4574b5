"""Layers of definitions: flat and whole, merged value by value, set back, upgraded from below."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.layers import (
    LayerError,
    compare,
    flatten,
    merge,
    orphans,
    place_between,
    set_back,
    unflatten,
)

FORM: dict[str, Any] = {
    "key": "units",
    "sections": [
        {
            "key": "main",
            "label": "Main",
            "fields": [
                {"name": "code", "kind": "text", "label": "Code"},
                {"name": "kind", "kind": "choice", "options": [{"code": "a b"}, {"code": "0"}]},
            ],
        },
        {"key": "more", "label": "More"},
    ],
}


def test_a_definition_is_the_same_after_flattening() -> None:
    assert unflatten(flatten(FORM)) == FORM


def test_flat_paths_name_items_by_their_keys_and_places() -> None:
    flat = flatten(FORM)
    assert flat["sections/main/fields/code/label"] == "Code"
    assert flat["sections/main/fields/kind/options/a b/#"] == 10
    assert flat["sections/more/#"] == 20


def test_a_layer_changes_adds_moves_and_empties() -> None:
    layer = {
        "sections/main/fields/code/label": "Number",
        "sections/main/fields/kind/#": place_between(None, 10),
        "sections/main/fields/x_floor/#": place_between(20, None),
        "sections/main/fields/x_floor/kind": "number",
        "sections/more/label": None,
    }
    main, more = unflatten(merge(flatten(FORM), layer))["sections"]
    assert [field["name"] for field in main["fields"]] == ["kind", "code", "x_floor"]
    assert main["fields"][1]["label"] == "Number"
    assert main["fields"][2] == {"name": "x_floor", "kind": "number"}
    assert more == {"key": "more"}


def test_a_change_of_a_dropped_item_is_kept_but_not_shown() -> None:
    layer = {"sections/gone/label": "Gone", "sections/main/fields/old/help": "?"}
    merged = merge(flatten(FORM), layer)
    assert orphans(merged) == ("sections/gone/label", "sections/main/fields/old/help")
    assert unflatten(merged) == FORM


@pytest.mark.parametrize(
    "layer",
    [
        {"sections/main/label/deeper": 1},
        {"sections/main/fields": "text"},
        {"key/x": 1},
    ],
)
def test_values_without_room_are_refused(layer: dict[str, Any]) -> None:
    with pytest.raises(LayerError):
        unflatten(merge(flatten(FORM), layer))


@pytest.mark.parametrize("key", ["", "a/b", "#", None, 5])
def test_items_need_a_key_without_slash(key: Any) -> None:
    with pytest.raises(LayerError, match="item 1"):
        flatten({"sections": [{"key": key}]})


def test_items_of_the_same_key_are_refused() -> None:
    with pytest.raises(LayerError, match="item 2"):
        flatten({"sections": [{"key": "a"}, {"key": "a"}]})


def test_setting_back_takes_one_value_or_an_item_whole() -> None:
    layer = {"sections/a/label": 1, "sections/a/help": 2, "sections/ab/label": 3}
    assert set_back(layer, ["sections/a/help"]) == {"sections/a/label": 1, "sections/ab/label": 3}
    assert set_back(layer, ["sections/a"]) == {"sections/ab/label": 3}


def test_places_fit_between_any_two() -> None:
    assert place_between(None, None) == 10
    assert place_between(None, 10) < 10 < place_between(10, None)
    assert 10 < place_between(10, 20) < 20


def test_comparison_names_each_value() -> None:
    changes = compare({"a": 1, "b": 2}, {"b": 3, "c": 4})
    assert [(c.path, c.before, c.after) for c in changes] == [
        ("a", 1, None),
        ("b", 2, 3),
        ("c", None, 4),
    ]


def test_an_upgrade_of_fifty_defaults_under_fifty_changes_loses_none() -> None:
    """Product and province change 50 values each, half of them the same ones: the province's stay,
    the product's others arrive."""
    dice = random.Random(2022)
    names = [f"field_{number}" for number in range(75)]
    defaults = {"key": "big", "fields": [{"name": n, "label": f"{n} 1", "width": 1} for n in names]}
    province = {f"fields/{name}/label": f"{name} ours" for name in names[:50]}
    upgraded = {
        "key": "big",
        "fields": [
            {
                "name": name,
                "label": f"{name} 2" if index >= 25 else f"{name} 1",
                "width": 1,
            }
            for index, name in enumerate(names)
        ]
        + [{"name": "field_new", "label": "new", "width": 2}],
    }
    dice.shuffle(upgraded["fields"])
    after = {f["name"]: f for f in unflatten(merge(flatten(upgraded), province))["fields"]}
    assert len(compare(flatten(defaults), flatten(upgraded))) >= 50
    assert [after[name]["label"] for name in names[:50]] == [f"{n} ours" for n in names[:50]]
    assert [after[name]["label"] for name in names[50:]] == [f"{n} 2" for n in names[50:]]
    assert after["field_new"] == {"name": "field_new", "label": "new", "width": 2}


KEYS = st.text("abc", min_size=1, max_size=3)
SCALARS = st.one_of(st.integers(0, 9), st.text("xy", max_size=2), st.booleans())
ITEMS = st.lists(
    st.fixed_dictionaries({"name": KEYS}, optional={"label": SCALARS, "is_on": SCALARS}),
    min_size=1,
    max_size=5,
    unique_by=lambda item: item["name"],
)


@given(ITEMS, st.dictionaries(KEYS, SCALARS, max_size=5))
def test_any_definition_survives_and_any_layer_can_be_set_back(
    items: list[dict[str, Any]], labels: dict[str, Any]
) -> None:
    definition = {"fields": items}
    flat = flatten(definition)
    layer = {f"fields/{name}/label": label for name, label in labels.items()}
    shown = {f["name"]: f for f in unflatten(merge(flat, layer))["fields"]}
    assert [*shown] == [item["name"] for item in items]
    for name, item in shown.items():
        assert item.get("label") == labels.get(
            name, next((i.get("label") for i in items if i["name"] == name), None)
        )
    assert unflatten(merge(flat, set_back(layer, [*layer]))) == definition
