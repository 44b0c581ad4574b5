"""The check before publishing: each fault alone is found, and what is shipped has none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import yaml
from flask import Flask
from sqlalchemy import delete, or_, select, update

import config
from app import clock
from app.domain.layers import flatten, merge, set_back, unflatten
from app.domain.workflow import State
from app.extensions import db
from app.models import (
    Dictionary,
    DictionaryEntry,
    MaterialRequirement,
    Parameter,
    ReasonCode,
    ShippedDefinition,
)
from app.services.actors import Actor
from app.services.definitions import store
from app.services.definitions.lint import Finding, lint, lint_everything, lint_layer
from app.services.definitions.shipped import ship, shipped_files
from app.services.definitions.versions import add_version
from app.services.form_definition import APPLICATION_FORM
from tests.factories import make_application

NOW = clock.real_now()
FIELDS = "sections/main/fields"
PROFILE = "sections/profile/fields"

SCREEN = yaml.safe_load("""
key: lint_example
kind: record
label: Example
label_zh: 示例
list: {order: name, page_size: 20}
sections:
  - key: main
    label: Main
    label_zh: 基本
    fields:
      - {name: name, kind: text, label: Name, label_zh: 名称, is_required: true, in_list: true,
         is_sortable: true, in_excel: true, max_length: 20}
      - {name: grade, kind: choice, label: Grade, label_zh: 等次, dictionary: appraisal_grade,
         in_filter: true, in_excel: true}
      - {name: count, kind: number, label: Count, label_zh: 数量, minimum: 1, maximum: 9}
      - {name: is_open, kind: boolean, label: Open, label_zh: 开放}
      - name: x_colour
        kind: choice
        label: Colour
        label_zh: 颜色
        is_custom: true
        options: [{code: r, label: Red, label_zh: 红}, {code: g, label: Green, label_zh: 绿}]
      - name: x_parts
        kind: rows
        label: Parts
        label_zh: 部件
        is_custom: true
        columns: [{name: x_part, kind: text, label: Part, label_zh: 部件名, is_custom: true}]
      - {name: x_note, kind: long_text, label: Note, label_zh: 备注, is_custom: true}
      - {name: x_file, kind: file, label: File, label_zh: 附件, is_custom: true}
  - key: more
    label: More
    label_zh: 其他
    fields:
      - {name: x_when, kind: date, label: Day, label_zh: 日期, is_custom: true}
""")

FORM = yaml.safe_load((config.SEED_FOLDER / "screens/application_form.yaml").read_text("utf-8"))


def at(path: str, **values: Any) -> dict[str, Any]:
    """Changes of one field."""
    return {f"{path}/{name}": value for name, value in values.items()}


def field(name: str, **values: Any) -> dict[str, Any]:
    """Changes of a field of the example's first section."""
    return at(f"{FIELDS}/{name}", **values)


def new(name: str, kind: str, **values: Any) -> dict[str, Any]:
    """A field of one's own at the end of the first section."""
    given = {"#": 900, "kind": kind, "label": name, "label_zh": f"自定{name}", "is_custom": True}
    return field(name, **{**given, **values})


def shown_when(name: str, other: str, *values: Any) -> dict[str, Any]:
    return field(name, **{"shown_when/field": other, "shown_when/values": list(values)})


COLUMN = "x_parts/columns/x_part"
FAULTS: list[tuple[str, Mapping[str, Any]]] = [
    ("wrong_shape", field("count", kind="python")),
    (
        "required_hidden",
        field("name", is_hidden=True, in_list=False)
        | {"list/order": None}
        | field("grade", in_list=True),
    ),
    ("required_hidden", field("x_note", is_required=True, in_form=False)),
    ("required_read_only", field("x_note", is_required=True, is_read_only=True)),
    (
        "required_without_editor",
        field("x_note", is_required=True, see_roles=["hrss"], edit_roles=["applicant"]),
    ),
    ("options_of_other_kind", field("x_note", dictionary="gender")),
    ("options_mixed", field("x_colour", dictionary="gender")),
    ("choice_without_options", new("x_a", "choice")),
    ("choice_without_options", new("x_a", "multiple_choice")),
    ("dictionary_unknown", field("grade", dictionary="nowhere")),
    (
        "options_all_retired",
        field("x_colour", **{"options/r/is_retired": True, "options/g/is_retired": True}),
    ),
    (
        "option_without_label",
        field("x_colour", **{"options/r/label": None, "options/r/label_zh": None}),
    ),
    ("option_names_equal", field("x_colour", **{"options/r/label_zh": "绿"})),
    ("required_when_unknown", field("x_note", required_when="os_system")),
    ("source_unknown", new("x_a", "choice", source="accounts")),
    ("enumeration_unknown", new("x_a", "choice", enumeration="Account")),
    ("bounds_of_other_kind", field("x_note", minimum=1)),
    ("bounds_crossed", field("count", minimum=10)),
    ("length_of_other_kind", field("count", max_length=3)),
    (
        "columns_of_other_kind",
        field(
            "x_note",
            **{
                "columns/x_b/#": 1,
                "columns/x_b/kind": "text",
                "columns/x_b/label": "B",
                "columns/x_b/label_zh": "乙",
                "columns/x_b/is_custom": True,
            },
        ),
    ),
    ("row_bounds_of_other_kind", field("x_note", min_rows=1)),
    ("rows_within_rows", field(COLUMN, kind="rows")),
    ("rows_without_columns", field(COLUMN, is_retired=True)),
    ("row_bounds_crossed", field("x_parts", min_rows=51)),
    ("row_bounds_crossed", field("x_parts", min_rows=3, max_rows=2)),
    ("default_impossible", field("x_file", default="a.pdf")),
    ("default_of_other_kind", field("is_open", default="yes")),
    ("default_of_other_kind", field("count", default=True)),
    ("default_of_other_kind", at("sections/more/fields/x_when", default="2022-02-30")),
    ("default_of_other_kind", new("x_a", "month", default="2022-13")),
    ("default_too_long", field("name", default="长" * 21)),
    ("default_out_of_bounds", field("count", default=0)),
    ("default_out_of_bounds", field("count", default=10)),
    ("default_not_offered", field("grade", default="nowhere")),
    ("default_not_offered", field("x_colour", default="b")),
    ("role_unknown", field("x_note", see_roles=["minister"])),
    ("editor_without_sight", field("x_note", see_roles=["hrss"], edit_roles=["applicant"])),
    ("publicised_file", field("x_file", is_publicised=True)),
    ("publicised_number", field("x_note", label_zh="手机号码", is_publicised=True)),
    ("condition_on_itself", shown_when("x_colour", "x_colour", "r")),
    ("condition_unknown", shown_when("x_note", "nobody", "r")),
    ("condition_unknown", shown_when(COLUMN, "x_colour", "r")),
    ("condition_hidden", shown_when("x_note", "x_colour", "r") | field("x_colour", is_hidden=True)),
    ("condition_later", shown_when("x_colour", "x_note", "任意")),
    ("condition_value", shown_when("x_note", "x_colour", "r", "blue")),
    ("condition_value", shown_when("x_note", "is_open", "maybe")),
    ("label_missing", field("x_note", label=" ", label_zh=None)),
    ("label_in_one_language", field("x_note", label_zh=None)),
    ("label_in_one_language", {"sections/more/label_zh": None}),
    ("label_too_long", field("x_note", label_zh="长" * 41)),
    ("text_with_markup", field("x_note", help="<b>here</b>")),
    ("text_with_markup", field("x_note", label_zh="{{7*7}}")),
    ("text_with_markup", field("x_colour", **{"options/r/label_zh": "<i>"})),
    ("text_with_invisible_characters", field("x_note", label_zh="备\u202e注")),
    ("labels_equal", field("x_note", label_zh="附件")),
    ("headings_equal", field("grade", label_zh="名称(新)")),
    ("list_without_columns", field("name", in_list=False)),
    (
        "list_too_wide",
        {
            k: v
            for number in range(12)
            for k, v in new(f"x_a{number}", "text", in_list=True).items()
        },
    ),
    ("order_unknown", {"list/order": "nobody"}),
    ("order_not_shown", {"list/order": "count"}),
    ("order_not_sortable", field("name", is_sortable=False)),
    ("filter_impossible", field("x_file", in_filter=True)),
    ("sort_impossible", field("x_note", is_sortable=True)),
    ("moved_to_unknown", field("x_note", moved_to="attic")),
    ("section_empty", at("sections/more/fields/x_when", is_retired=True)),
    (
        "name_twice",
        at(
            "sections/more/fields/x_note",
            kind="text",
            label="N",
            label_zh="记",
            **{"#": 50},
            is_custom=True,
        ),
    ),
    (
        "too_many_custom",
        {k: v for number in range(96) for k, v in new(f"x_a{number}", "text").items()},
    ),
    ("custom_name", new("floor", "text")),
    ("custom_name", new("x_floor", "text", is_custom=False)),
]


def codes(found: list[Finding]) -> set[str]:
    return {finding.code for finding in found}


def lint_changed(base: Mapping[str, Any], changes: Mapping[str, Any]) -> list[Finding]:
    return lint(unflatten(merge(flatten(base), changes)))


def test_the_example_has_no_fault(app: Flask) -> None:
    assert lint(SCREEN) == []


@pytest.mark.parametrize(("code", "changes"), FAULTS, ids=[code for code, _changes in FAULTS])
def test_each_fault_is_found_alone(app: Flask, code: str, changes: Mapping[str, Any]) -> None:
    found = lint_changed(SCREEN, changes)
    assert codes(found) == {code}
    for finding in found:
        assert finding.template % finding.params
        warns = {"list_too_wide", "section_empty"}
        assert finding.blocks is (code not in warns)


def test_two_fields_in_a_circle_are_named_as_one(app: Flask) -> None:
    circle = shown_when("x_colour", "grade", "excellent") | shown_when("grade", "x_colour", "r")
    found = lint_changed(SCREEN, circle)
    assert codes(found) - {"condition_value"} == {"condition_circle"}


def test_dictionaries_without_entries_in_use(app: Flask) -> None:
    db.session.execute(update(DictionaryEntry).values(is_active=False))
    assert codes(lint(SCREEN)) == {"dictionary_switched_off"}
    db.session.execute(delete(DictionaryEntry))
    assert codes(lint(SCREEN)) == {"dictionary_empty"}


FORM_FAULTS: list[tuple[str, Mapping[str, Any]]] = [
    (
        "section_added",
        {
            "sections/x_more/#": 990,
            "sections/x_more/label": "M",
            "sections/x_more/label_zh": "更多",
        },
    ),
    ("sections_reordered", {"sections/education/#": 45}),
    ("sections_reordered", {"sections/education/number": 9}),
    ("form_section_empty", at("sections/work_summary/fields/work_summary", is_retired=True)),
    ("needed_hidden", at("sections/present_title/fields/has_no_title", is_hidden=True)),
    ("needed_retired", at("sections/exceptional_grounds/fields/grounds", is_retired=True)),
    ("needed_optional", at(f"{PROFILE}/work_started_on", is_required=False)),
    ("required_without_editor", at(f"{PROFILE}/ethnicity", edit_roles=["hrss"])),
    ("publicity_needed", at(f"{PROFILE}/full_name", is_publicised=False)),
    ("publicised_number", at(f"{PROFILE}/document_number", is_publicised=True)),
    ("moved_in_form", at(f"{PROFILE}/ethnicity", moved_to="education")),
    ("product_changed", at(f"{PROFILE}/ethnicity", kind="text", dictionary=None)),
    ("product_changed", at(f"{PROFILE}/full_name", is_read_only=False)),
    (
        "product_missing",
        {
            f"{PROFILE}/administrative_post/{name}": None
            for name in ("#", "kind", "label", "label_zh", "is_required", "max_length")
        },
    ),
    (
        "product_invented",
        at(f"{PROFILE}/password", kind="text", label="P", label_zh="口令", **{"#": 990}),
    ),
]


@pytest.mark.parametrize(
    ("code", "changes"), FORM_FAULTS, ids=[code for code, _changes in FORM_FAULTS]
)
def test_each_fault_of_the_application_form(
    app: Flask, code: str, changes: Mapping[str, Any]
) -> None:
    assert codes(lint_changed(FORM, changes)) == {code}


def test_a_missing_section_is_named(app: Flask) -> None:
    flat = set_back(flatten(FORM), ["sections/tests"])
    found = lint(unflatten(flat))
    assert [(f.code, f.params["section"]) for f in found] == [("section_missing", "tests")]


def test_a_field_of_the_product_is_not_taken_for_an_own_one(app: Flask) -> None:
    found = lint_changed(FORM, at(f"{PROFILE}/ethnicity", is_custom=True))
    assert codes(found) == {"custom_name", "product_taken_for_custom"}


def publish(key: str, changes: Mapping[str, Any]) -> None:
    add_version(key, "", changes, reason="test")


def test_a_published_own_field_keeps_its_kind_and_is_retired_not_deleted(app: Flask) -> None:
    own = at(
        f"{PROFILE}/x_floor", kind="text", label="F", label_zh="楼层", is_custom=True, **{"#": 990}
    )
    publish(APPLICATION_FORM, own)
    assert codes(lint_layer(APPLICATION_FORM, own)) == set()
    assert codes(lint_layer(APPLICATION_FORM, {})) == {"custom_missing"}
    other = {**own, f"{PROFILE}/x_floor/kind": "number"}
    assert codes(lint_layer(APPLICATION_FORM, other)) == {"custom_kind_changed"}
    retired = {**own, f"{PROFILE}/x_floor/is_retired": True}
    assert codes(lint_layer(APPLICATION_FORM, retired)) == set()


def test_rolling_back_before_an_own_field_retires_it(
    app: Flask, actor: Callable[[str], Actor]
) -> None:
    own = at(
        f"{PROFILE}/x_floor", kind="text", label="F", label_zh="楼层", is_custom=True, **{"#": 990}
    )
    publish(APPLICATION_FORM, own)
    back = store.roll_back(APPLICATION_FORM, 1, reason="取消", actor=actor("province"), now=NOW)
    assert back.changes == {**own, f"{PROFILE}/x_floor/is_retired": True}
    again = store.roll_back(APPLICATION_FORM, 2, reason="恢复", actor=actor("province"), now=NOW)
    assert again.changes == own


def test_a_code_that_applications_hold_is_named_when_it_is_retired(app: Flask) -> None:
    application = make_application(State.DRAFT)
    db.session.execute(
        update(DictionaryEntry)
        .where(
            or_(
                DictionaryEntry.dictionary == "political_status",
                DictionaryEntry.dictionary == "study_mode",
            )
        )
        .values(is_active=DictionaryEntry.position > 1)
    )
    gone = dict(
        db.session.execute(
            select(DictionaryEntry.dictionary, DictionaryEntry.code).where(
                ~DictionaryEntry.is_active
            )
        ).all()
    )
    row = {"row_id": "12345678", "study_mode": gone["study_mode"]}
    application.content = {
        **application.content,
        "profile": {"political_status": gone["political_status"]},
        "education": {"education": [row]},
    }
    assert [(f.code, f.path, f.blocks) for f in lint(FORM)] == [
        ("option_in_use", f"{PROFILE}/political_status", False),
        ("option_in_use", "sections/education/fields/education/columns/study_mode", False),
    ]
    application.content = {}
    assert lint(FORM) == []


def test_sheets_have_headings_told_apart(app: Flask) -> None:
    sheet = {"key": "s", "kind": "sheet", "heading": "表", "headings": {"a": "甲", "b": "乙"}}
    assert lint(sheet) == []
    assert codes(lint({**sheet, "headings": {"a": "甲 ", "b": "甲"}})) == {"headings_equal"}
    assert codes(lint({**sheet, "heading": "<b>表"})) == {"text_with_markup"}


def test_what_is_shipped_has_no_fault(app: Flask) -> None:
    for file in shipped_files(config.SEED_FOLDER):
        definition = yaml.safe_load((config.SEED_FOLDER / file).read_text("utf-8"))
        assert lint(definition) == [], file


def test_the_whole_configuration_as_seeded_has_no_fault(app: Flask) -> None:
    assert lint_everything() == []


def test_changes_of_what_the_product_dropped_are_warned_of(app: Flask) -> None:
    ship(SCREEN)
    publish(SCREEN["key"], field("count", label_zh="几个"))
    dropped = unflatten(set_back(flatten(SCREEN), [f"{FIELDS}/count"]))
    db.session.get_one(ShippedDefinition, SCREEN["key"]).definition = dropped
    db.session.flush()
    assert [(key, f.code, f.path, f.blocks) for key, f in lint_everything()] == [
        (SCREEN["key"], "orphaned_change", f"{FIELDS}/count/label_zh", False)
    ]


def _set(key: str, value: Any) -> Callable[[], object]:
    return lambda: db.session.execute(
        update(Parameter).where(Parameter.key == key).values(value=value)
    )


def _requirement(**values: Any) -> Callable[[], object]:
    def change() -> None:
        row = db.session.query(MaterialRequirement).first()
        assert row is not None
        for name, value in values.items():
            setattr(row, name, value)
        db.session.flush()

    return change


def _twin() -> None:
    row = db.session.query(MaterialRequirement).first()
    assert row is not None
    db.session.add(
        MaterialRequirement(committee_id=row.committee_id, code="twin", name=row.name, position=99)
    )
    db.session.flush()


CONFIGURATION: list[tuple[str, str, Callable[[], object]]] = [
    ("parameters", "parameter_out_of_bounds", _set("call_days_before_window", 91)),
    ("parameters", "parameter_of_other_kind", _set("call_days_before_window", "soon")),
    (
        "parameters",
        "parameter_fixed",
        lambda: db.session.execute(
            update(Parameter)
            .where(Parameter.key == "unit_push_days")
            .values(is_fixed=True, value=11)
        ),
    ),
    (
        "reason_codes",
        "reason_missing",
        lambda: db.session.execute(
            update(ReasonCode).where(ReasonCode.use == "reroute").values(is_active=False)
        ),
    ),
    (
        "dictionaries",
        "dictionary_offers_nothing",
        lambda: db.session.execute(
            Dictionary.__table__.insert().values(key="x", name="空", source="", position=99)
        ),
    ),
    (
        "dictionaries",
        "entry_names_equal",
        lambda: db.session.execute(
            DictionaryEntry.__table__.insert().values(
                dictionary="gender", code="x", name="男", position=9, is_active=True
            )
        ),
    ),
    ("materials", "material_file_types", _requirement(file_types=["exe"])),
    ("materials", "material_code_of_section", _requirement(code="profile")),
    ("materials", "material_twice", _twin),
]


@pytest.mark.parametrize(
    ("key", "code", "change"), CONFIGURATION, ids=[code for _key, code, _change in CONFIGURATION]
)
def test_each_fault_of_the_rest_of_the_configuration(
    app: Flask, key: str, code: str, change: Callable[[], object]
) -> None:
    change()
    db.session.expire_all()
    assert [(where, finding.code) for where, finding in lint_everything()] == [(key, code)]
    assert all(finding.template % finding.params for _where, finding in lint_everything())
