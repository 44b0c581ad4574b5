"""The effect of a screen's definition on a view: its list, its filters, its record page.

A `RecordView` with a `screen_key` keeps what its class says (`built_in`) and within a request shows
what the definition in force makes of it. The definition decides words, order, places and what is
left out; which values there are and what saving does stays with the view.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import Enum
from functools import partial
from typing import Any, Final

from flask import g, has_request_context
from flask_babel import get_locale
from flask_babel import gettext as _
from sqlalchemy import Date, inspect
from sqlalchemy import Enum as EnumColumn
from wtforms import SelectField

from app.extensions import db
from app.models import ShippedDefinition
from app.orm import CUSTOM, EncryptedText, IntEnumColumn, TZDateTime, is_custom_name
from app.security import narrowing
from app.security.actors import current_actor
from app.security.guard import decide, field_names
from app.security.narrowing import closings
from app.security.veil import HIDDEN, Hidden, formatted
from app.services.definitions import generation
from app.services.definitions.registered import ENUMERATIONS
from app.services.definitions.screens import Screen, ScreenField, read_screen
from app.services.definitions.versions import UnknownDefinitionError
from app.services.form_definition import Label
from app.views.labels import choices_of, name_of
from app.views.presentation import show_date, show_instant
from app.views.screens import custom_forms, preview

SHAPED: Final = (
    *("list_columns", "order_columns", "search_columns", "label_columns", "description_columns"),
    *("formatters_columns", "base_order", "page_size", "search_form"),
)
"""What FAB reads of a view and a definition decides."""

COLUMN_LISTS: Final = frozenset({"list_columns", "order_columns", "search_columns"})

LEFT_OUT: Final = object()
"""The value of a fact a record does not have, because of what kind it is."""

SCREEN_VIEWS: Final[dict[str, Any]] = {}
"""The view of each screen."""


class ShapedAttribute:
    """An attribute of a view: what the class says, or within a request what the definition does."""

    def __init__(self, name: str, built_in: Any) -> None:
        self.name = name
        self.built_in = built_in

    def __get__(self, view: Any, owner: type | None = None) -> Any:
        if view is None:
            return self.built_in
        own = view.__dict__.get(f"_built_in_{self.name}", self.built_in)
        if not has_request_context() or "_is_ready" not in view.__dict__:
            return own
        shape = shape_of(view)
        return own if shape is None else shape.value(self.name, own)

    def __set__(self, view: Any, value: Any) -> None:
        view.__dict__[f"_built_in_{self.name}"] = value


def register_screen(view: Any) -> None:
    """Put a view class under the definition its `screen_key` names."""
    SCREEN_VIEWS[view.screen_key] = view
    narrowing.register(view.datamodel.obj, view.screen_key, view.fixed_fields)
    for name in SHAPED:
        setattr(view, name, ShapedAttribute(name, getattr(view, name)))


def built_in(view: Any, name: str) -> Any:
    """What the view's class says, whatever the definition."""
    return view.__dict__.get(f"_built_in_{name}", getattr(type(view), name))


@dataclass(frozen=True)
class Shape:
    """A view as a definition has it, in one language; kept while the definition is in force."""

    definition: Mapping[str, Any]
    screen: Screen
    shipped: Screen
    is_chinese: bool
    values: Mapping[str, Any]
    filters: Mapping[str, Any]
    relations: tuple[str, ...] = ()

    def say(self, label: Label) -> str:
        """A text of the definition in the user's language."""
        return label.zh if self.is_chinese else str(label)

    def label(self, name: str, own: Any) -> Any:
        """The label of a field; a text of its own (`own`) that is not the shipped one stands until
        the province gives the field another."""
        return self._word(name, "label", own)

    def hint(self, name: str, own: Any) -> Any:
        """The help of a field, likewise."""
        return self._word(name, "help", own)

    def _word(self, name: str, kind: str, own: Any) -> Any:
        now: Label = getattr(self.screen.known[name], kind)
        before = self.shipped.known.get(name)
        first: Label = getattr(before, kind) if before is not None else Label("")
        is_changed = (str(first), first.zh) != (str(now), now.zh)
        return self.say(now) if is_changed or str(own or "") == self.say(first) else own

    def value(self, name: str, own: Any) -> Any:
        """An attribute of the view, without the columns closed to all roles of the request."""
        found = self.values.get(name, own)
        closed: frozenset[str] = g.get("closed_columns", {}).get(self.screen.key, frozenset())
        if closed and name in COLUMN_LISTS:
            return [column for column in found if column not in closed]
        return found


def shape_of(view: Any) -> Shape | None:
    """The shape of a view for the present request; None while no definition is on file."""
    found: dict[str, Shape | None] = g.setdefault("shapes", {})
    key = view.screen_key
    if key not in found:
        found[key] = None  # what is asked of the view while its shape is made is built in
        shape = _find(view)
        if shape is not None:
            g.setdefault("closed_columns", {})[key] = _closed_columns(view)
            g.setdefault("shown_relations", {})[view.datamodel.obj] = shape.relations
        found[key] = shape
    return found[key]


def _closed_columns(view: Any) -> frozenset[str]:
    return frozenset(
        name for name in closings(view.datamodel.obj) if not view.datamodel.may_ask(name)
    )


def _find(view: Any) -> Shape | None:
    try:
        definition = preview.definition_of(view.screen_key)
    except UnknownDefinitionError:
        return None
    is_chinese = speaks_chinese()
    if preview.is_on(view.screen_key):  # a draft is kept for nobody else
        return _make(view, definition, is_chinese=is_chinese)
    name = ("shape", type(view).__name__, is_chinese)
    kept = generation.kept(name, lambda: _make(view, definition, is_chinese=is_chinese))
    if kept.definition is definition or kept.definition == definition:
        return kept
    return _make(view, definition, is_chinese=is_chinese)


def speaks_chinese() -> bool:
    """Whether the request is answered in Chinese."""
    locale = get_locale()
    return locale is None or str(locale.language) == "zh"


def _make(view: Any, definition: Mapping[str, Any], *, is_chinese: bool) -> Shape:
    screen = read_screen(definition)
    row = db.session.get(ShippedDefinition, screen.key)
    shipped = read_screen(row.definition) if row is not None else screen
    plain = Shape(definition, screen, shipped, is_chinese, {}, {})
    model = view.datamodel.obj
    columns = [field.name for field in screen.columns() if can_show(view, field.name)]
    custom = {name: field for name, field in screen.known.items() if field.is_custom}
    filters = _filters(view, screen.filters())
    values = {
        "list_columns": columns,
        "order_columns": [
            field.name
            for field in screen.fields
            if field.is_sortable and _can(field, custom_forms.can_sort, can_sort, view)
        ],
        "search_columns": [*filters],
        "label_columns": {
            **built_in(view, "label_columns"),
            **{name: plain.say(field.label) for name, field in screen.known.items()},
        },
        "description_columns": {
            name: plain.say(field.help) for name, field in screen.known.items() if field.help
        },
        "formatters_columns": {
            **{name: formatted(show_value) for name in columns if _needs_words(model, name)},
            **{
                name: formatted(partial(custom_forms.show_cell, screen.key, model, custom[name]))
                for name in columns
                if name in custom
            },
            **built_in(view, "formatters_columns"),
        },
        "search_form": SearchForm(view, plain, [*filters]),
        **_order_and_size(screen, model),
    }
    relations = tuple(name for name in columns if name in inspect(model).relationships)
    return replace(plain, values=values, filters=filters, relations=relations)


def _order_and_size(screen: Screen, model: type) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if screen.order in inspect(model).column_attrs:
        found["base_order"] = (screen.order, "desc" if screen.is_descending else "asc")
    if screen.page_size:
        found["page_size"] = screen.page_size
    return found


def can_show(view: Any, name: str) -> bool:
    """Whether a list of the view can show a field: its table has it, in the clear, and it is ever
    granted."""
    model = view.datamodel.obj
    if is_custom_name(name):
        return CUSTOM in field_names(model)
    column: Any = inspect(model).columns.get(name)
    is_clear = column is None or not isinstance(column.type, EncryptedText)
    return is_clear and name in field_names(model)


def can_sort(view: Any, name: str) -> bool:
    """Whether a list of the view can be sorted by a field: a column."""
    return name in inspect(view.datamodel.obj).column_attrs and can_show(view, name)


def can_filter(view: Any, name: str) -> bool:
    """Whether there is a filter for a field: a column or a relation to one row."""
    model = view.datamodel.obj
    relation = inspect(model).relationships.get(name)
    if relation is not None:
        return not relation.uselist and name in field_names(model)
    return can_sort(view, name)


def _needs_words(model: type, name: str) -> bool:
    column: Any = inspect(model).columns.get(name)
    kinds = (EnumColumn, IntEnumColumn, Date, TZDateTime)
    return column is not None and isinstance(column.type, kinds)


def _filters(view: Any, fields: Iterable[ScreenField]) -> dict[str, Any]:
    shared = view.__dict__["_shared_filters"]
    own, every = shared.get_search_filters(), shared._all_filters
    found: dict[str, Any] = {}
    for field in fields:
        if not _can(field, custom_forms.can_filter, can_filter, view):
            continue
        found[field.name] = (
            custom_forms.filters_of(field, view.datamodel)
            if field.is_custom
            else own.get(field.name) or every.get(field.name)
        )
    return {name: filters for name, filters in found.items() if filters}


def _can(
    field: ScreenField,
    can_custom: Callable[[Any], bool],
    can_built_in: Callable[[Any, str], bool],
    view: Any,
) -> bool:
    if field.is_custom:
        return can_show(view, field.name) and can_custom(field)
    return can_built_in(view, field.name)


class SearchForm:
    """The form of the filter bar, with the fields and words of a definition."""

    def __init__(self, view: Any, shape: Shape, names: list[str]) -> None:
        self.shape = shape
        self.names = names
        own = view.search_form_extra_fields or {}
        known = shape.screen.known
        extra = {name: own.get(name) or _choice(known[name], shape) for name in names}
        self.made = view.make_search_form(names, {n: f for n, f in extra.items() if f is not None})

    def refresh(self, obj: Any = None) -> Any:
        """A form for this request."""
        form = self.made.refresh(obj)
        for name in self.names:
            form[name].label.text = self.shape.label(name, form[name].label.text)
        return form


def _choice(field: ScreenField, shape: Shape) -> Any:
    """A drop-down for a field with fixed choices, the control of a custom one; None for any
    other."""
    if field.is_custom:
        return custom_forms.search_field(field, shape.say(field.label))
    if field.options:
        options = [(code, shape.say(label)) for code, label in field.options]
        return SelectField(shape.say(field.label), choices=options)
    enumeration = ENUMERATIONS.get(field.enumeration)
    if enumeration is None:
        return None
    return SelectField(shape.say(field.label), choices=lambda: choices_of(enumeration))


# ---- who sees and who changes a field of one row


def may_see(view: Any, row: Any, field: ScreenField) -> bool:
    """Whether one role of the request that reaches the row (or the table) sees the field."""
    closing = closings(view.datamodel.obj).get(field.name)
    return closing is None or not closing.see or bool(_roles_among(view, row, closing.see))


def may_change(view: Any, row: Any, field: ScreenField) -> bool:
    """Whether one role of the request that reaches the row sees the field and may change it."""
    closing = closings(view.datamodel.obj).get(field.name)
    named = [roles for roles in (closing.see, closing.edit) if roles] if closing else []
    return not named or bool(_roles_among(view, row, frozenset.intersection(*named)))


def _roles_among(view: Any, row: Any, roles: frozenset[str]) -> frozenset[str]:
    asked = view.datamodel.obj if row is None else row
    found = decide(current_actor(), view.datamodel.action, asked).roles
    return frozenset(verdict.role.value for verdict in found if verdict.allows) & roles


# ---- the record page


def facts_of(view: Any, row: Any) -> list[tuple[str, Any]]:
    """(label, value) pairs of the record page, as the definition orders them."""
    shape = shape_of(view)
    given = dict(view.record_values(row))
    if shape is None:
        labels = built_in(view, "label_columns")
        named = ((str(labels.get(name, name)), value) for name, value in given.items())
        return [(label, value) for label, value in named if value is not LEFT_OUT]
    found = []
    for field in shape.screen.shown_fields():
        if field.is_custom:
            value = custom_forms.show(shape.screen.key, field, row)
        elif field.name in given:
            value = given[field.name]
        elif can_show(view, field.name):
            value = show_value(getattr(row, field.name))
        else:
            continue
        if value is not LEFT_OUT and may_see(view, row, field):
            found.append((shape.say(field.label), value))
    return found


def show_value(value: Any) -> Any:
    """A value of a column in the user's words."""
    if value is None:
        return ""
    if isinstance(value, Hidden):
        return HIDDEN
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if isinstance(value, Enum):
        return name_of(value)
    if isinstance(value, datetime):
        return show_instant(value)
    if isinstance(value, date):
        return show_date(value)
    if isinstance(value, list | tuple):
        return "、".join(str(each) for each in value)
    return value if isinstance(value, int) else str(value)
