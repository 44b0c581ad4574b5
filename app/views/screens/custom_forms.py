"""Custom fields on a screen: their controls in a form, their filters, what stands in a list or on a
record page.

What is typed is read by `services/definitions/custom_fields.py` alone; here it only gets its faults
beside the field. The fields of a form are those its definition shows; what may not be changed is
locked by `form_shape.py` and not written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import partial
from typing import Any, ClassVar, Final

from flask import g, request
from flask_appbuilder.models.filters import BaseFilter
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup, escape
from sqlalchemy import ColumnElement, select
from wtforms import (
    BooleanField,
    Field,
    FileField,
    SelectField,
    StringField,
    TextAreaField,
    ValidationError,
)
from wtforms.fields.choices import Choice

from app import models as m
from app.extensions import db
from app.orm import is_custom_name
from app.security.actors import current_actor
from app.security.guard import Action, criterion
from app.security.veil import HIDDEN, Hidden, unveiled
from app.services.actors import Actor
from app.services.definitions import custom_fields as cf
from app.services.definitions.screens import Screen, ScreenField
from app.services.form_definition import Field as Definition
from app.services.form_definition import FormDefinition, Label, Section
from app.services.form_options import Options, load_options, options_of, show_value
from app.services.form_values import InvalidValuesError
from app.services.settings import parameter
from app.views.applicant_forms import say, say_finding
from app.views.presentation import show_date
from app.views.widgets import (
    CheckboxListField,
    PortalFileInput,
    PortalInput,
    PortalSelect,
    PortalTextArea,
)

MORE_ROWS: Final = 3
"""Empty rows a page offers below those on file."""

MOST_ROWS: Final = 200
"""More rows than any definition allows; a forged count goes no further."""

NAMED: Final[Mapping[str, tuple[Any, str]]] = {
    "person": (m.Person, "name"),
    "unit": (m.Unit, "name"),
    "division": (m.Division, "name"),
}
"""The table a value of a kind refers to, and the field that names its row."""


# --------------------------------------------------------------------------- words


def options_for(field: Definition) -> Options:
    """The options of a field's choices, its columns' included; read once a request."""
    kept: dict[str, Options] = g.setdefault("custom_options", {})
    wanted = f"{field.name} {field.dictionary}"
    if wanted not in kept:
        section = Section("custom", 1, Label(""), Label(""), (field,))
        kept[wanted] = load_options(FormDefinition((section,)))
    return kept[wanted]


def choices_for(field: Definition) -> list[tuple[str, str]]:
    """(code, words) of what a field chooses from."""
    return [(code, say(label)) for code, label in options_of(field, options_for(field))]


def names_of(kind: str, keys: Iterable[Any]) -> dict[str, str]:
    """The names of rows the reader may see, by key; others are left out. Asked once a request."""
    known: dict[str, str] = g.setdefault("custom_names", {}).setdefault(kind, {})
    asked: set[str] = g.setdefault("custom_names_asked", {}).setdefault(kind, set())
    new = {str(key): key for key in keys if key is not None and str(key) not in asked}
    if new:
        model, field = NAMED[kind]
        column = cf.REFERRED[kind]
        readable = criterion(model, current_actor(), Action.LIST, field)
        query = select(column, getattr(model, field)).where(column.in_(new.values()), readable)
        known.update({str(key): str(name) for key, name in db.session.execute(query)})
        asked.update(new)
    return known


def show(screen_key: str, field: Definition, row: Any) -> Any:
    """A field of a record in words, hidden where the reader may not see it."""
    value = getattr(row, field.name)
    return HIDDEN if isinstance(value, Hidden) else show_stored(screen_key, field, row.id, value)


def show_cell(screen_key: str, model: type, field: Definition, value: Any) -> Any:
    """A cell of a list in words; the names of the whole page are read once."""
    rows = g.get("rows_shown", {}).get(model, ())
    others = [getattr(row, field.name) for row in rows] if field.kind in NAMED else []
    return show_stored(screen_key, field, None, value, others)


def show_stored(
    screen_key: str, field: Definition, row_id: Any, value: Any, others: Iterable[Any] = ()
) -> Any:
    """A stored value in words; `others` stand in the same column."""
    if value in (None, "", []):
        return ""
    if field.kind in NAMED:
        return names_of(field.kind, [value, *others]).get(str(value), HIDDEN)
    if field.kind == "file" and row_id is None:
        return "、".join(each["name"] for each in value)
    if field.kind == "file":
        return _show_files(screen_key, field, row_id, value)
    if field.kind == "rows":
        return _show_rows(field, value)
    if field.kind == "date":
        return show_date(date.fromisoformat(value))
    if field.kind == "number":
        return value
    shown = show_value(field, value, options_for(field))
    return say(shown) if shown else ""


def _show_files(screen_key: str, field: Definition, row_id: Any, files: Sequence[Any]) -> Markup:
    link = Markup('<a href="/custom_files/{}/{}/{}/{}" target="_blank" rel="noopener">{}</a>')
    return Markup("<br>").join(
        link.format(screen_key, row_id, field.name, each["sha256"], each["name"]) for each in files
    )


def _show_rows(field: Definition, rows: Sequence[Mapping[str, Any]]) -> Markup:
    options = options_for(field)
    lines = []
    for row in rows:
        cells = []
        for column in field.columns:
            shown = show_value(column, row.get(column.name), options)
            if shown:
                cells.append(f"{say(column.label)} {say(shown)}")
        lines.append(escape(" · ".join(cells)))
    return Markup("<br>").join(lines)


# --------------------------------------------------------------------------- the list


class CustomFilter(BaseFilter):
    """A condition on one custom field; what cannot be a value filters nothing."""

    field: ClassVar[Definition]
    ask: ClassVar[Callable[..., ColumnElement[bool] | None]]

    def __init__(self, column_name: str, datamodel: Any, is_related_view: bool = False) -> None:
        # FAB's own __init__ registers the class for everybody; these belong to one definition
        self.column_name = column_name
        self.datamodel = datamodel
        self.model = datamodel.obj
        self.is_related_view = is_related_view

    def apply(self, query: Any, value: Any) -> Any:
        """The rows of the query for which the condition holds."""
        condition = self.ask(self.model, self.field, str(value))
        return query if condition is None else query.filter(condition)


class RangeFilter(CustomFilter):
    """A condition that one piece of the field's index answers."""

    def index_order(self) -> ColumnElement[Any]:
        """The order of the field's index."""
        order: ColumnElement[Any] = cf.expression(self.model, self.field).asc().nulls_last()
        return order


def filters_of(field: Definition, datamodel: Any) -> list[CustomFilter]:
    """The filters of a field, as the filter bar and the address number them."""
    asked: tuple[tuple[str, Any, Any], ...]
    if field.kind in {"number", "date", "month"}:
        asked = (
            ("gt", cf.at_least, _l("At least")),
            ("lt", cf.at_most, _l("At most")),
            ("eq", cf.equals, _l("Equal to")),
        )
    elif field.kind in {"text", "long_text"}:
        asked = (("ct", cf.contains, _l("Contains")),)
        if field.kind == "text":
            asked = (*asked, ("eq", cf.equals, _l("Equal to")))
    else:
        asked = (("eq", cf.equals, _l("Equal to")),)
    kind = RangeFilter if field.kind in {"number", "date", "month"} else CustomFilter
    return [
        type(
            f"Custom_{arg}",
            (kind,),
            {"field": field, "ask": staticmethod(ask), "arg_name": arg, "name": name},
        )(field.name, datamodel)
        for arg, ask, name in asked
    ]


class RangeField(StringField):
    """From one value to another; drawn as two inputs by the filter bar."""

    def __init__(self, label: Any = None, *, range_type: str = "number", **kwargs: Any) -> None:
        super().__init__(label, **kwargs)
        self.range_type = range_type


def search_field(field: Definition, label: str) -> Any:
    """The control of a field in the filter bar."""
    if field.kind in {"number", "date", "month"}:
        return RangeField(label, range_type=field.kind)
    if field.kind == "boolean":
        return BooleanField(label)
    if field.kind in {"choice", "multiple_choice"}:
        return SelectField(label, choices=partial(choices_for, field))
    if field.kind in NAMED:
        return KeyField(label, kind=field.kind)
    return StringField(label)


def can_filter(field: Definition) -> bool:
    """Whether there is a filter for the field."""
    return field.kind in cf.FILTERABLE


def can_sort(field: Definition) -> bool:
    """Whether a list can be sorted by the field."""
    return field.kind in cf.SORTABLE


# --------------------------------------------------------------------------- controls


class PlainInput(PortalInput):
    """An input of the browser's own kind, or of text once something else was typed into it: the
    browser would not show that again."""

    def __call__(self, field: Field, **kwargs: Any) -> Markup:
        if field.errors:
            kwargs["type"] = "text"
        return super().__call__(field, **kwargs)


class KeyField(SelectField):
    """A row of another table, found while typing; only rows the reader sees can be chosen, one on
    file stays."""

    def __init__(self, label: Any = None, validators: Any = None, *, kind: str, **kw: Any) -> None:
        super().__init__(label, validators, validate_choice=False, choices=[], **kw)
        self.kind = kind
        self.render_kw = {"data-lookup": f"/lookup/{kind}"}

    def process_data(self, value: Any) -> None:
        """Keys are compared as texts."""
        self.data = "" if value is None else str(value)

    def process_formdata(self, valuelist: Any) -> None:
        """What was chosen, whatever it is."""
        if valuelist:
            self.data = str(valuelist[0])

    def chosen_name(self) -> str:
        """What the chosen row is called, for whoever may see it."""
        if not self.data:
            return ""
        key: Any = self.data
        if self.kind != "division":
            if not (key.isascii() and key.isdigit() and len(key) < 10):
                return ""
            key = int(key)
        return names_of(self.kind, [key]).get(self.data, "")

    def iter_choices(self) -> Any:
        """Nothing, and what is chosen."""
        yield Choice("", "", not self.data, {})
        if self.data:
            yield Choice(self.data, self.chosen_name() or str(HIDDEN), True, {})


class FilesWidget(PortalFileInput):
    """The files on file, each with a box to take it away, and an input for new ones."""

    def __call__(self, field: Any, **kwargs: Any) -> Markup:
        lines = [
            Markup(
                '<div class="choice"><input class="form-check-input" type="checkbox" '
                'name="{0}.remove" value="{1}" id="{0}-{2}"{3}><label for="{0}-{2}">{4}</label> '
                "{5}</div>"
            ).format(
                field.name,
                each["sha256"],
                place,
                Markup(" checked") if each["sha256"] in field.removed else "",
                _("Remove %(name)s", name=each["name"]),
                _show_files(field.screen_key, field.definition, field.row_id, [each]),
            )
            for place, each in enumerate(field.stored or [])
        ]
        return Markup("").join(lines) + super().__call__(field, **kwargs)


class RowsWidget:
    """Repeated rows as small groups of inputs, with empty ones at the end; needs no script."""

    def __call__(self, field: Any, **kwargs: Any) -> Markup:
        places = [*field.data, *({} for _empty in range(MORE_ROWS))][: field.definition.max_rows]
        parts = [
            Markup('<input type="hidden" name="{}.count" value="{}">').format(
                field.name, len(places)
            )
        ]
        parts += [self._row(field, place, row, kwargs) for place, row in enumerate(places)]
        return Markup('<div id="{}" class="custom-rows">{}</div>').format(
            field.id, Markup("").join(parts)
        )

    def _row(self, field: Any, place: int, row: Mapping[str, Any], attrs: Any) -> Markup:
        head = f"{field.name}.{place}"
        cells = [
            Markup(
                '<div class="field"><label class="form-label" for="{0}">{1}</label>{2}</div>'
            ).format(
                f"{head}.{column.name}", say(column.label), self._input(head, column, row, attrs)
            )
            for column in field.definition.columns
        ]
        if row.get("row_id"):
            cells.append(
                Markup(
                    '<input type="hidden" name="{0}.row_id" value="{1}"><div class="choice">'
                    '<input class="form-check-input" type="checkbox" name="{0}.remove" value="1" '
                    'id="{0}.remove"><label for="{0}.remove">{2}</label></div>'
                ).format(head, row["row_id"], _("Remove this row"))
            )
        legend = Markup("<legend class='form-hint'>{} {}</legend>").format(
            field.label.text, place + 1
        )
        return Markup('<fieldset class="form-grid mb-3">{}{}</fieldset>').format(
            legend, Markup("").join(cells)
        )

    def _input(self, head: str, column: Definition, row: Mapping[str, Any], attrs: Any) -> Markup:
        name, value = f"{head}.{column.name}", row.get(column.name)
        closed = Markup(" disabled") if attrs.get("disabled") else ""
        if column.kind in {"choice", "boolean"}:
            options = choices_for(column) if column.kind == "choice" else [("1", _("Yes"))]
            chosen = "1" if value is True else "" if value in (None, False) else str(value)
            shown = Markup("").join(
                Markup('<option value="{}"{}>{}</option>').format(
                    code, Markup(" selected") if code == chosen else "", words
                )
                for code, words in [("", ""), *options]
            )
            return Markup('<select class="form-select" id="{0}" name="{0}"{2}>{1}</select>').format(
                name, shown, closed
            )
        kind = column.kind if column.kind in {"date", "month"} else "text"
        return Markup(
            '<input class="form-control" type="{}" id="{}" name="{}" value="{}"{}>'
        ).format(kind, name, name, "" if value is None else value, closed)


class RowsField(Field):
    """Repeated rows: `data` is a list of mappings, as typed or as stored."""

    widget = RowsWidget()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.type = "FieldList"  # drawn over the whole width

    def process(self, formdata: Any, data: Any = None, extra_filters: Any = None) -> None:
        """Read the rows of a post, or those on file."""
        self.process_errors: list[str] = []
        self.raw_data = None
        count = formdata.get(f"{self.name}.count", "") if formdata else ""
        if not (count.isascii() and count.isdigit()):
            self.data = [dict(row) for row in data or []]
            return
        self.raw_data = ["posted"]
        total = min(int(count[:4]), MOST_ROWS)
        self.data = [self._read(formdata, place) for place in range(total)]
        self.data = [row for row in self.data if row]

    def _read(self, formdata: Any, place: int) -> dict[str, Any]:
        head = f"{self.name}.{place}"
        if formdata.get(f"{head}.remove"):
            return {}
        row = {
            column.name: formdata.get(f"{head}.{column.name}", "")
            for column in self.definition.columns
        }
        row_id = formdata.get(f"{head}.row_id", "")
        return (
            {**row, **({"row_id": row_id} if row_id else {})} if any(row.values()) or row_id else {}
        )


class FilesField(FileField):
    """Files: what was sent, and what is to be taken away."""

    removed: Sequence[str] = ()


def _control(field: ScreenField) -> Any:
    """The unbound control of a field."""
    check = [_check]
    match field.kind:
        case "long_text":
            return TextAreaField(validators=check, widget=PortalTextArea())
        case "boolean":
            return BooleanField(validators=check)
        case "choice":
            return SelectField(
                validators=check,
                choices=partial(_with_blank, field),
                widget=PortalSelect(),
                validate_choice=False,
            )
        case "multiple_choice":
            return CheckboxListField(
                validators=check,
                choices=partial(choices_for, field),
                coerce=str,
                validate_choice=False,
            )
        case "file":
            types = tuple(parameter("file_types"))
            widget = FilesWidget(
                accept=",".join(f".{kind}" for kind in types),
                max_bytes=int(parameter("file_max_bytes")),
                multiple=field.is_multiple,
            )
            return FilesField(validators=check, widget=widget)
        case "rows":
            return RowsField(validators=check)
        case "person" | "unit" | "division":
            return KeyField(validators=check, kind=field.kind)
    kind = field.kind if field.kind in {"date", "month"} else "text"
    extra = {"inputmode": "decimal"} if field.kind == "number" else {}
    if field.max_length:
        extra["maxlength"] = str(field.max_length)
    return StringField(validators=check, widget=PlainInput(kind), render_kw=extra)


def _with_blank(field: Definition) -> list[tuple[str, str]]:
    return [("", _("Please choose")), *choices_for(field)]


def add_controls(form: Any, screen: Screen, row: Any) -> None:
    """Put the custom fields of a screen into its form, filled in from the row or from the post."""
    values = cf.values_of(unveiled(row)) if row is not None else {}
    is_posted = request.method == "POST"
    for field in screen.form_fields():
        if not (field.is_custom and is_custom_name(field.name)):
            continue
        control = _control(field).bind(form=form, name=field.name)
        form._fields[field.name] = control
        control.definition, control.screen_key = field, screen.key
        control.stored, control.row_id = values.get(field.name), getattr(row, "id", None)
        control.label.text = say(field.label)
        control.description = say(field.help)
        control.flags.required = field.is_required
        data = control.stored
        if field.kind == "choice" and data is not None:
            data = str(data)
        control.process(request.form if is_posted else None, data)
        if is_posted and field.kind == "file":
            control.removed = request.form.getlist(f"{field.name}.remove")
        control.object_data = data


def controls_of(form: Any) -> list[Any]:
    """The custom fields of a form."""
    return [control for control in form if hasattr(control, "definition")]


def _typed(control: Any) -> Any:
    """What was typed, as the service reads it."""
    kind = control.definition.kind
    if kind == "file":
        sent = [each for each in request.files.getlist(control.name) if each.filename]
        limit = int(parameter("file_max_bytes"))
        return cf.FileChange(
            [(str(each.filename), each.stream.read(limit + 1)) for each in sent],
            set(control.removed),
        )
    if kind == "boolean":
        return "1" if control.data else ""
    if kind in {"multiple_choice", "rows"}:
        return control.data or []
    return control.data or ""


def _check(_form: Any, control: Any) -> None:
    """Refuse what the service would refuse, beside the field; files are looked at when saving."""
    definition = control.definition
    if definition.kind == "file":
        return
    typed = _typed(control)
    is_new = definition.kind in NAMED and typed and str(typed) != str(control.stored or "")
    if is_new and not control.chosen_name():
        raise ValidationError(_("Choose an entry from the list."))
    stored = {control.name: control.stored}
    faults = cf.check_values({control.name: typed}, [definition], stored).faults
    if faults:
        raise ValidationError(" ".join(dict.fromkeys(say_finding(fault) for fault in faults)))


def save(form: Any, row: Any, *, actor: Actor, now: datetime) -> None:
    """Write the custom fields of a valid form into its row. Raises InvalidValuesError, then with
    the faults beside the fields."""
    open_controls = [
        control for control in controls_of(form) if not getattr(control.cell, "is_locked", False)
    ]
    if not open_controls:
        return
    typed = {control.name: _typed(control) for control in open_controls}
    fields = [control.definition for control in open_controls]
    try:
        cf.set_values(unveiled(row), typed, fields, actor=actor, now=now)
    except InvalidValuesError as error:
        for fault in error.faults:
            control = form[fault.path.split(".")[0]]
            control.errors = [*control.errors, say_finding(fault)]
        raise
