"""The panel of the editor: the properties of one item as controls, and what was typed into them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from app.domain.workflow import ActorRole
from app.extensions import db
from app.models import Dictionary, DictionaryEntry
from app.services.definitions.editing import (
    Choice,
    Workpiece,
    exists,
    is_custom,
    is_own,
    list_keys,
    properties_of,
    value_of,
    why_fixed,
)
from app.services.definitions.properties import (
    GROUP_LABELS,
    PROPERTIES,
    WIDTH_LABELS,
    Group,
    Property,
    Shape,
)
from app.views.labels import choices_of
from app.views.screens.words import is_chinese

ROLES = [role for role in ActorRole if role not in {ActorRole.PUBLIC, ActorRole.SYSTEM}]
MOST_DIGITS = 15


@dataclass
class Control:
    """One property in the panel."""

    about: Property
    label: str
    hint: str
    value: Any
    default: str
    is_own: bool
    can_reset: bool
    fixed: str = ""
    choices: list[tuple[str, str]] = field(default_factory=list)
    error: str = ""

    @property
    def name(self) -> str:
        """The name of the control."""
        return self.about.name

    @property
    def shape(self) -> str:
        """Which control it is."""
        return self.about.shape.value

    @property
    def id(self) -> str:
        """The id of the control."""
        return "p-" + self.about.name.replace("/", "-")


# --------------------------------------------------------------------------- drawing


def draw_panel(
    work: Workpiece,
    path: str,
    posted: MultiDict[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> list[tuple[str, list[Control]]]:
    """The controls by group; with `posted` they hold what was typed."""
    groups: dict[Group, list[Control]] = {}
    for each in properties_of(work, path):
        control = _draw(work, path, each)
        if posted is not None and not control.fixed:
            control.value = _as_typed(each, posted)
        control.error = (errors or {}).get(each.name, "")
        groups.setdefault(each.group, []).append(control)
    return [(_(GROUP_LABELS[group]), groups[group]) for group in Group if group in groups]


def _draw(work: Workpiece, path: str, each: Property) -> Control:
    own = is_own(work, path, each)
    built_in = not path or not is_custom(work, path)
    return Control(
        about=each,
        label=_(each.label),
        hint=_(each.hint) if each.hint else "",
        value=_shown(each, value_of(work.flat, path, each)),
        default=in_words(each, value_of(work.below, path, each)) if built_in else "",
        is_own=own,
        can_reset=own and built_in,
        fixed=_(why) if (why := why_fixed(work, path, each.name)) else "",
        choices=_choices(work, path, each),
    )


def _shown(each: Property, value: Any) -> Any:
    if each.shape is Shape.OPTIONS:
        return "\n".join(f"{c.code} = {c.name}" for c in value if not c.is_retired)
    if each.shape is Shape.CONDITION:
        named, values = value or ("", ())
        return {"field": named, "values": "、".join(map(str, values))}
    if each.shape is Shape.ROLES:
        return list(value or ())
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) and each.shape is Shape.SCALAR:
        return "true" if value else "false"
    return "" if value is None else value


def in_words(each: Property, value: Any) -> str:
    """A value for reading, beside the button that brings it back."""
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if value in (None, "", (), []):
        return _("none")
    if each.shape is Shape.WIDTH:
        return _(WIDTH_LABELS[value]) if value in WIDTH_LABELS else str(value)
    if each.shape is Shape.ROLES:
        names = dict(choices_of(ROLES))
        return "、".join(names.get(role, role) for role in value)
    if each.shape is Shape.CONDITION:
        return f"{value[0]} = {'、'.join(map(str, value[1]))}"
    if each.shape is Shape.OPTIONS:
        return "、".join(choice.name for choice in value)
    return str(value)


def _choices(work: Workpiece, path: str, each: Property) -> list[tuple[str, str]]:
    if each.shape is Shape.WIDTH:
        return [("", _("As usual for its kind"))] + [(k, _(w)) for k, w in WIDTH_LABELS.items()]
    if each.shape is Shape.ROLES:
        return choices_of(ROLES)
    if each.shape is Shape.DICTIONARY:
        return [("", _("None: the choices below")), *_dictionaries()]
    if each.shape in {Shape.CONDITION, Shape.FIELD}:
        return [("", _("Always") if each.shape is Shape.CONDITION else _("As usual"))] + [
            pair for pair in _fields(work, path) if pair[0] != path.rpartition("/")[2]
        ]
    if each.shape is Shape.SCALAR:
        return _scalar_choices(work, path)
    return []


def _scalar_choices(work: Workpiece, path: str) -> list[tuple[str, str]]:
    kind = work.flat.get(f"{path}/kind")
    nothing = [("", _("none"))]
    if kind == "boolean":
        return [*nothing, ("true", _("Yes")), ("false", _("No"))]
    if kind == "choice":
        found = choices_of_field(work, path)
        return [*nothing, *found] if found else []
    return []


def choices_of_field(work: Workpiece, path: str) -> list[tuple[str, str]]:
    """(code, name) of what a field of choices offers; empty where the process offers it."""
    dictionary = work.flat.get(f"{path}/dictionary")
    if dictionary:
        return entries_of({dictionary}).get(dictionary, [])
    return [
        (c.code, c.name)
        for c in value_of(work.flat, path, PROPERTIES["options"])
        if not c.is_retired
    ]


def entries_of(keys: Iterable[str]) -> dict[str, list[tuple[str, str]]]:
    """The entries offered of some dictionaries, in their order; one query."""
    found: dict[str, list[tuple[str, str]]] = {}
    rows = db.session.execute(
        select(DictionaryEntry.dictionary, DictionaryEntry.code, DictionaryEntry.name)
        .where(DictionaryEntry.dictionary.in_([*keys]), DictionaryEntry.is_active)
        .order_by(DictionaryEntry.position, DictionaryEntry.id)
    )
    for dictionary, code, name in rows:
        found.setdefault(dictionary, []).append((code, name))
    return found


def _dictionaries() -> list[tuple[str, str]]:
    rows = db.session.execute(
        select(Dictionary.key, Dictionary.name).order_by(Dictionary.position, Dictionary.key)
    )
    return [(key, name) for key, name in rows]


def _fields(work: Workpiece, path: str) -> list[tuple[str, str]]:
    """(name, label) of the fields a condition may look at: of the form's part, of the whole record
    screen."""
    flat = work.flat
    sections = list_keys(flat, "sections")
    if work.kind == "form" and path:
        sections = [path.split("/")[1]]
    found = []
    for section in sections:
        for name in list_keys(flat, f"sections/{section}/fields"):
            here = f"sections/{section}/fields/{name}"
            found.append((name, label_at(flat, here)))
    return found


def label_at(flat: Mapping[str, Any], path: str) -> str:
    """What an item is called."""
    english = str(flat.get(f"{path}/label") or flat.get(f"{path}/heading") or path)
    return str(flat.get(f"{path}/label_zh") or english) if is_chinese() else english


# --------------------------------------------------------------------------- reading what was typed


def _as_typed(each: Property, posted: MultiDict[str, str]) -> Any:
    if each.shape is Shape.TICK:
        return each.name in posted
    if each.shape is Shape.ROLES:
        return posted.getlist(each.name)
    if each.shape is Shape.CONDITION:
        return {part: posted.get(f"{each.name}.{part}", "") for part in ("field", "values")}
    return posted.get(each.name, "")


def read_panel(
    work: Workpiece, path: str, posted: MultiDict[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """(typed values, what is wrong by property); a control the page did not show is left out."""
    typed: dict[str, Any] = {}
    errors: dict[str, str] = {}
    shown = {*posted.getlist("shown")}
    for each in properties_of(work, path):
        if each.name not in shown or why_fixed(work, path, each.name):
            continue
        try:
            typed[each.name] = _read(work, path, each, posted)
        except ValueError as error:
            errors[each.name] = str(error)
    return typed, errors


def _read(work: Workpiece, path: str, each: Property, posted: MultiDict[str, str]) -> Any:
    if each.shape is Shape.TICK:
        return each.name in posted
    if each.shape is Shape.ROLES:
        chosen = {*posted.getlist(each.name)}
        roles = tuple(role.value for role in ROLES if role.value in chosen)
        return list(roles) if roles else None
    if each.shape is Shape.CONDITION:
        return _read_condition(work, path, each, posted)
    text = _clean(posted.get(each.name, ""), each.longest)
    if each.name in {"label", "label_zh"} and not text:
        raise ValueError(_("Write a label; it cannot be empty."))
    if each.shape is Shape.OPTIONS:
        return _read_choices(text, work, path)
    if each.shape is Shape.NUMBER:
        return _read_number(text)
    if each.shape is Shape.SCALAR:
        return _read_scalar(work, path, text)
    offered = {code for code, _name in _choices(work, path, each)}
    if each.shape in {Shape.WIDTH, Shape.DICTIONARY, Shape.FIELD} and text not in offered:
        raise ValueError(_("Choose one of the list."))
    return text or None


def _clean(text: str, longest: int) -> str:
    text = text.replace("\r\n", "\n").strip()
    if "\0" in text:
        raise ValueError(_("This text holds a character that cannot be stored."))
    if len(text) > longest:
        raise ValueError(_("Write at most %(limit)s characters.", limit=longest))
    return text


def _read_number(text: str) -> int | float | None:
    if not text:
        return None
    try:
        figure = float(text)
    except ValueError:
        figure = float("nan")
    if len(text) > MOST_DIGITS or not abs(figure) < 10**12:
        raise ValueError(_("Write a figure, for example 60."))
    return int(figure) if figure.is_integer() else figure


def _read_scalar(work: Workpiece, path: str, text: str) -> Any:
    kind = work.flat.get(f"{path}/kind")
    if not text:
        return None
    if kind == "number":
        return _read_number(text)
    choices = _scalar_choices(work, path)
    if choices and text not in {code for code, _name in choices}:
        raise ValueError(_("Choose one of the list."))
    if kind == "boolean":
        return text == "true"
    return text


def _read_choices(text: str, work: Workpiece, path: str) -> tuple[Choice, ...]:
    """The choices one a line; those no longer offered stay so, behind the others."""
    found = []
    for line in text.splitlines():
        if not line.strip():
            continue
        code, sign, name = line.partition("=")
        found.append(Choice(code.strip(), name.strip()) if sign else Choice("", line.strip()))
    written = {choice.code for choice in found}
    kept = value_of(work.flat, path, PROPERTIES["options"])
    return (*found, *(c for c in kept if c.is_retired and c.code not in written))


def _read_condition(work: Workpiece, path: str, each: Property, posted: MultiDict[str, str]) -> Any:
    named = posted.get(f"{each.name}.field", "")
    if not named:
        return None
    offered = {name for name, _label in _choices(work, path, each)}
    if named not in offered:
        raise ValueError(_("Choose one of the list."))
    text = _clean(posted.get(f"{each.name}.values", ""), 1000)
    values = [part.strip() for part in text.replace(",", "、").replace("，", "、").split("、")]
    values = [*dict.fromkeys(part for part in values if part)]
    if not values:
        raise ValueError(_("Write the values with which the field is shown."))
    return (named, tuple(_as_code(work, named, value) for value in values))


def _as_code(work: Workpiece, name: str, value: str) -> Any:
    """A value as rows carry it: yes and no as truth values, a choice by its code."""
    path = field_named(work, name)
    kind = work.flat.get(f"{path}/kind")
    if kind == "boolean":
        return value.lower() in {"true", "1", "是", "yes", _("Yes").lower()}
    if kind in {"choice", "multiple_choice"}:
        names = {label: code for code, label in choices_of_field(work, path)}
        return names.get(value, value)
    return value


def field_named(work: Workpiece, name: str) -> str:
    """The path of a field by its name; empty when there is none."""
    for section in list_keys(work.flat, "sections"):
        path = f"sections/{section}/fields/{name}"
        if exists(work, path):
            return path
    return ""
