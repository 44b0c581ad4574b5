"""A screen as its definition describes it: typed, in the order shown, for lists, forms and pages.

A field a province has hidden or retired is in none of the orders; `Screen.known` still has it,
because the form must know what it leaves out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from app.services.definitions import generation, store
from app.services.definitions.versions import UnknownDefinitionError
from app.services.form_definition import Field, Label, read_field, read_label

FULL, HALF, THIRD = "full", "half", "third"

SHOWN_UNLESS_SAID: Final = frozenset({"in_form", "in_show", "in_excel", "in_print"})
"""Places where a field stands unless its definition says no; in all others it must say yes."""

PLACES: Final = ("in_list", "in_filter", "in_form", "in_show", "in_excel", "in_print", "in_api")

LAST: Final = float("inf")


@dataclass(frozen=True)
class Condition:
    """Shown only while another field of the form has one of some values."""

    field: str
    values: tuple[str, ...]

    def holds(self, value: Any) -> bool:
        """Whether a value of the other field is one of them."""
        given = value if isinstance(value, list | tuple | set | frozenset) else [value]
        return any(as_text(each) in self.values for each in given)


def as_text(value: Any) -> str:
    """A value as conditions compare it: `true` and `false` for truth values, keys of rows as such,
    empty for none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    return str(getattr(value, "id", value))


@dataclass(frozen=True)
class ScreenField(Field):
    """A field with its places on the screen, its look and who sees and changes it.

    `see_roles` and `edit_roles` are empty where every role counts that the guard lets.
    """

    section: str = ""
    in_list: bool = False
    list_place: float = LAST
    in_filter: bool = False
    in_form: bool = True
    in_show: bool = True
    in_excel: bool = True
    in_print: bool = True
    in_api: bool = False
    is_sortable: bool = False
    width: str = ""
    default: Any = None
    shown_when: Condition | None = None
    see_roles: frozenset[str] = frozenset()
    edit_roles: frozenset[str] = frozenset()
    is_custom: bool = False
    is_retired: bool = False
    is_hidden: bool = False

    @property
    def is_shown(self) -> bool:
        """Whether it stands anywhere at all."""
        return not (self.is_hidden or self.is_retired)


@dataclass(frozen=True)
class ScreenSection:
    """A heading and the shown fields below it, those moved here from other sections included."""

    key: str
    label: Label
    help: Label
    fields: tuple[ScreenField, ...]
    is_custom: bool = False


@dataclass(frozen=True)
class Screen:
    """All of a screen. `known` has every field by name, hidden and retired ones too."""

    key: str
    label: Label
    order: str
    is_descending: bool
    page_size: int | None
    sections: tuple[ScreenSection, ...]
    known: Mapping[str, ScreenField]

    @property
    def fields(self) -> tuple[ScreenField, ...]:
        """The shown fields in the order of the sections."""
        return tuple(field for section in self.sections for field in section.fields)

    def field(self, name: str) -> ScreenField | None:
        """The field of that name, if it is shown."""
        found = self.known.get(name)
        return found if found is not None and found.is_shown else None

    def columns(self) -> tuple[ScreenField, ...]:
        """The columns of the list."""
        return _placed(self._standing(lambda field: field.in_list))

    def filters(self) -> tuple[ScreenField, ...]:
        """The filters above the list, in the order of its columns."""
        return _placed(self._standing(lambda field: field.in_filter))

    def form_fields(self) -> tuple[ScreenField, ...]:
        """The fields of the form."""
        return self._standing(lambda field: field.in_form)

    def shown_fields(self) -> tuple[ScreenField, ...]:
        """The facts of the record page."""
        return self._standing(lambda field: field.in_show)

    def excel_fields(self) -> tuple[ScreenField, ...]:
        """The columns of the sheet."""
        return self._standing(lambda field: field.in_excel)

    def _standing(self, stands: Callable[[ScreenField], bool]) -> tuple[ScreenField, ...]:
        return tuple(field for field in self.fields if stands(field))


def _placed(found: tuple[ScreenField, ...]) -> tuple[ScreenField, ...]:
    return tuple(sorted(found, key=lambda field: field.list_place))


def read_screen(definition: Mapping[str, Any]) -> Screen:
    """Return the screen a definition describes."""
    keys = {given["key"] for given in definition["sections"]}
    every = [
        _read(field, str(given["key"]))
        for given in definition["sections"]
        for field in given.get("fields", ())
    ]
    moved = {
        (str(given["key"]), str(field["name"])): str(field["moved_to"])
        for given in definition["sections"]
        for field in given.get("fields", ())
        if field.get("moved_to") in keys
    }
    listed = definition.get("list") or {}
    return Screen(
        key=str(definition["key"]),
        label=read_label(definition, "label"),
        order=listed.get("order") or "",
        is_descending=bool(listed.get("is_descending")),
        page_size=listed.get("page_size"),
        sections=tuple(_section(given, every, moved) for given in definition["sections"]),
        known={field.name: field for field in every},
    )


def _section(
    given: Mapping[str, Any], every: list[ScreenField], moved: Mapping[tuple[str, str], str]
) -> ScreenSection:
    key = str(given["key"])
    here = [
        field
        for field in every
        if field.is_shown and moved.get((field.section, field.name), field.section) == key
    ]
    return ScreenSection(
        key=key,
        label=read_label(given, "label"),
        help=read_label(given, "help"),
        fields=tuple(sorted(here, key=lambda field: field.section != key)),
        is_custom=bool(given.get("is_custom")),
    )


def _read(given: Mapping[str, Any], section: str) -> ScreenField:
    plain = read_field(given)
    places: dict[str, Any] = {
        name: bool(given.get(name, name in SHOWN_UNLESS_SAID)) for name in PLACES
    }
    place, condition = given.get("list_place"), given.get("shown_when")
    return ScreenField(
        **{each.name: getattr(plain, each.name) for each in fields(Field)},
        **places,
        section=section,
        list_place=LAST if place is None else float(place),
        is_sortable=bool(given.get("is_sortable")),
        width=given.get("width") or "",
        default=given.get("default"),
        shown_when=(
            Condition(condition["field"], tuple(as_text(v) for v in condition["values"]))
            if condition
            else None
        ),
        see_roles=frozenset(given.get("see_roles") or ()),
        edit_roles=frozenset(given.get("edit_roles") or ()),
        is_custom=bool(given.get("is_custom")),
        is_retired=bool(given.get("is_retired")),
        is_hidden=bool(given.get("is_hidden")),
    )


def screen_in_force(key: str) -> Screen | None:
    """The screen in force, read once per process and generation; None where none is on file."""

    def read() -> Screen | None:
        try:
            return read_screen(store.current(key))
        except UnknownDefinitionError:
            return None

    return generation.kept(("screen", key), read)
