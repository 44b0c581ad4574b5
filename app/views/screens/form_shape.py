"""A form as the definition of its screen has it: words, order, sections, what is needed or shown.

The view builds its own form and saves from it as ever. Before the form is checked, the fields a
definition closes, hides or shows only under a condition are set back to what they were, whatever
was posted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from flask import request
from flask_babel import lazy_gettext as _l
from werkzeug.datastructures import ImmutableMultiDict
from wtforms import (
    BooleanField,
    DateField,
    FileField,
    HiddenField,
    IntegerField,
    SelectField,
    StringField,
    validators,
)

from app.security.veil import Veil, unveiled
from app.services.definitions.screens import ScreenField, as_text
from app.views.base import LookupField
from app.views.screens import custom_forms
from app.views.screens.shape import Shape, may_change, may_see, shape_of
from app.views.widgets import CheckboxListField


@dataclass
class Cell:
    """How a field of the form stands in its grid: width, whether it is open, when it is shown."""

    width: str = ""
    is_locked: bool = False
    is_closed: bool = False
    condition: str = ""
    shown_values: str = ""


@dataclass(frozen=True)
class Part:
    """A heading of a form and the fields below it; without a heading where there is but one."""

    label: str
    help: str
    fields: tuple[Any, ...]

    @property
    def has_widths(self) -> bool:
        """Whether a field of it has a width of its own."""
        return any(field.cell.width for field in self.fields)


def shape_form(view: Any, form: Any, row: Any) -> list[Part] | None:
    """Give a form of the view the shape of its screen; `row` is the record it changes, None for a
    new one. None for a form no definition describes."""
    shape = shape_of(view)
    if shape is None or not isinstance(form, view.shaped_forms):
        return None
    custom_forms.add_controls(form, shape.screen, row)
    shaper = _Shaper(view, form, row, shape)
    shaper.dress()
    return shaper.parts()


class _Shaper:
    def __init__(self, view: Any, form: Any, row: Any, shape: Shape) -> None:
        self.view, self.form, self.row, self.shape = view, form, row, shape
        self.is_new = (request.endpoint or "").endswith(".add")
        self.absent: set[str] = set()
        """Fields that are not drawn."""
        self.unmet: set[str] = set()
        """Fields whose condition does not hold now."""

    def fields(self) -> Iterator[tuple[Any, ScreenField]]:
        for name, field in self.form._fields.items():
            known = self.shape.screen.known.get(name)
            if known is not None and not isinstance(field, HiddenField):
                yield field, known

    def dress(self) -> None:
        for field, known in self.fields():
            self._say(field, known)
            self._uncover(field)
            self._fill(field, known)
            self._close(field, known)
        for field, known in self.fields():
            if not self._is_met(known):
                self.unmet.add(known.name)
                self._set_back(field)
            elif known.is_required and not field.flags.required and not field.cell.is_locked:
                _need(field)

    def _say(self, field: Any, known: ScreenField) -> None:
        field.label.text = self.shape.label(known.name, field.label.text)
        field.description = self.shape.hint(known.name, field.description)
        field.cell = Cell(width=known.width)
        if known.shown_when is not None:
            field.cell.condition = known.shown_when.field
            field.cell.shown_values = json.dumps(known.shown_when.values, ensure_ascii=False)

    def _uncover(self, field: Any) -> None:
        """A value the reader may not see is kept as it is, not as what stands for it."""
        if type(self.row) is Veil and field.name in self.row._veil_hidden:
            value = getattr(unveiled(self.row), field.name, None)
            field.object_data = as_text(value) if isinstance(field, SelectField) else value

    def _fill(self, field: Any, known: ScreenField) -> None:
        """The province's default stands in a new form, unless the address names a value."""
        value = _typed_default(field, known.default) if self.is_new else None
        if value is None or request.args.get(known.name):
            return
        field.object_data = value
        if request.method != "POST":
            field.process(None, value)

    def _close(self, field: Any, known: ScreenField) -> None:
        if not (known.is_shown and known.in_form and may_see(self.view, self.row, known)):
            self.absent.add(known.name)
            self._set_back(field)
        elif known.is_read_only or not may_change(self.view, self.row, known):
            field.cell.is_closed = True
            self._set_back(field)

    def _set_back(self, field: Any) -> None:
        """Give a field its value from before, whatever was posted, and check it no more."""
        field.cell.is_locked = True
        field.raw_data = None
        field.process(None, field.object_data)
        if field.data is None and isinstance(field, StringField):
            field.data = ""
        if isinstance(field, FileField):
            kept = [(n, v) for n, v in request.files.items(multi=True) if n != field.name]
            request.files = ImmutableMultiDict(kept)
        is_missing = field.flags.required and field.data in (None, "", [])
        field.validators = [_refuse] if is_missing else []
        field.pre_validate = lambda _form: None

    def _is_met(self, known: ScreenField) -> bool:
        condition = known.shown_when
        if condition is None:
            return True
        other = self.form._fields.get(condition.field)
        if other is not None:
            return condition.field not in self.unmet and condition.holds(other.data)
        if self.row is None or not hasattr(unveiled(self.row), condition.field):
            return True
        is_met = condition.holds(getattr(unveiled(self.row), condition.field))
        if not is_met:
            self.absent.add(known.name)
        return is_met

    def parts(self) -> list[Part]:
        """The drawn fields below their headings; those no definition names come last."""
        drawn = {
            name: field
            for name, field in self.form._fields.items()
            if name not in self.absent and not isinstance(field, HiddenField)
        }
        found = [
            (section, [drawn.pop(f.name) for f in section.fields if f.name in drawn])
            for section in self.shape.screen.sections
        ]
        for field in drawn.values():
            field.cell = Cell()
        rest = tuple(drawn.values())
        filled = [(section, tuple(fields)) for section, fields in found if fields]
        if len(filled) < 2:
            return [Part("", "", sum((fields for _section, fields in filled), ()) + rest)]
        say = self.shape.say
        parts = [Part(say(s.label), say(s.help), fields) for s, fields in filled]
        return [*parts, Part("", "", rest)] if rest else parts


def _typed_default(field: Any, value: Any) -> Any:
    """A default of the definition as the field keeps it; None for one that does not fit."""
    if value is None or isinstance(field, LookupField | FileField | CheckboxListField):
        return None
    if isinstance(field, BooleanField):
        return value if isinstance(value, bool) else None
    if isinstance(field, IntegerField):
        return value if isinstance(value, int) and not isinstance(value, bool) else None
    if isinstance(field, DateField):
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            return None
    return as_text(value)


def _need(field: Any) -> None:
    is_object = isinstance(field, LookupField | BooleanField | CheckboxListField)
    rule = validators.DataRequired() if is_object else validators.InputRequired()
    rest = [each for each in field.validators if not isinstance(each, validators.Optional)]
    field.validators = [rule, *rest]
    field.flags.required = True


def _refuse(_form: Any, _field: Any) -> None:
    raise validators.StopValidation(
        _l("This is needed, and your role may not fill it in. Ask somebody who may.")
    )
