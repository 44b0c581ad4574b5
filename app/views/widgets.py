"""Fields and widgets of the FAB screens in Bootstrap 5 markup (docs/frontend.md).

The templates under ``templates/appbuilder`` give FAB's own widgets the portal's look. This module
adds what FAB lacks: the browser's own date and time inputs, instants in Beijing time, long
drop-downs one can search, files that say at once what is wrong, and a filter bar that never loads
a related table.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from flask import request
from flask_appbuilder.forms import FieldConverter, GeneralModelConverter
from flask_appbuilder.validators import Unique
from flask_appbuilder.widgets import FormWidget
from markupsafe import Markup
from werkzeug.datastructures import MultiDict
from wtforms import (
    BooleanField,
    DateField,
    DateTimeLocalField,
    DecimalField,
    Field,
    FloatField,
    IntegerField,
    SelectMultipleField,
    StringField,
    TextAreaField,
    validators,
    widgets,
)

BEIJING = ZoneInfo("Asia/Shanghai")
INSTANT_FORMATS = ("%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S")
LONG_CHOICE = 12
"""A drop-down with more options than this becomes a searchable picker."""


def _add_class(kwargs: dict[str, Any], name: str) -> dict[str, Any]:
    given = f"{kwargs.pop('class', '')} {kwargs.pop('class_', '')}"
    kwargs["class"] = " ".join(dict.fromkeys([name, *given.split()]))
    return kwargs


class PortalInput(widgets.Input):
    """An ``<input>`` of any type with the portal's class; no placeholder repeats the label."""

    validation_attrs: ClassVar[tuple[str, ...]] = (
        *("required", "disabled", "maxlength", "minlength"),
        *("min", "max", "step", "pattern"),
    )

    def __call__(self, field: Field, **kwargs: Any) -> Markup:
        return super().__call__(field, **_add_class(kwargs, "form-control"))


class PortalTextArea(widgets.TextArea):
    """A text area of four rows unless told otherwise."""

    def __call__(self, field: Field, **kwargs: Any) -> Markup:
        kwargs.setdefault("rows", 4)
        return super().__call__(field, **_add_class(kwargs, "form-control"))


class PortalSelect(widgets.Select):
    """A drop-down; a long one becomes a searchable picker."""

    def __call__(self, field: Field, **kwargs: Any) -> Markup:
        if len(list(field.iter_choices())) > LONG_CHOICE:
            kwargs.setdefault("data-picker", True)
        return super().__call__(field, **_add_class(kwargs, "form-select"))


class PortalFileInput(widgets.FileInput):
    """A file input that says at once when the kind or the size is wrong.

    ``accept`` lists endings (``.pdf,.jpg``), ``max_bytes`` is the limit. The server
    checks both again.
    """

    def __init__(self, *, accept: str = "", max_bytes: int = 0, multiple: bool = False) -> None:
        super().__init__(multiple=multiple)
        self.accept = accept
        self.max_bytes = max_bytes

    def __call__(self, field: Field, **kwargs: Any) -> Markup:
        if self.accept:
            kwargs.setdefault("accept", self.accept)
        if self.max_bytes:
            kwargs.setdefault("data-max-bytes", self.max_bytes)
        control = super().__call__(field, **_add_class(kwargs, "form-control"))
        return Markup('<div class="file-drop">{}</div>').format(control)


class BeijingDateTimeField(DateTimeLocalField):
    """An instant, entered and shown in Beijing time; ``data`` is aware (Asia/Shanghai)."""

    widget = PortalInput("datetime-local")

    def __init__(self, label: Any = None, validators: Any = None, **kwargs: Any) -> None:
        kwargs.setdefault("format", list(INSTANT_FORMATS))
        super().__init__(label, validators, **kwargs)

    def _value(self) -> str:
        if self.raw_data:
            return " ".join(self.raw_data)
        return self.data.strftime(INSTANT_FORMATS[0]) if self.data else ""

    def process_data(self, value: dt.datetime | None) -> None:
        """Show a stored instant in Beijing time; a naive one is a programming error."""
        if value is not None and value.tzinfo is None:
            # WTForms would turn a ValueError into a message for the user.
            raise TypeError("an instant without a time zone")
        self.data = value.astimezone(BEIJING) if value else None

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read what the browser sent as Beijing time."""
        super().process_formdata(valuelist)
        if self.data is not None:
            self.data = self.data.replace(tzinfo=BEIJING)


class CheckboxListField(SelectMultipleField):
    """Several of a few choices, as check boxes."""

    widget = widgets.ListWidget(prefix_label=False)
    option_widget = widgets.CheckboxInput()


class PortalFieldConverter(FieldConverter):
    """FAB's table from column kind to field, with the portal's fields and widgets."""

    conversion_table: ClassVar[Any] = (
        ("is_text", TextAreaField, PortalTextArea),
        ("is_json", TextAreaField, PortalTextArea),
        # Encrypted columns are bytes in the database and text for everybody else.
        ("is_binary", StringField, lambda: PortalInput("text")),
        ("is_string", StringField, lambda: PortalInput("text")),
        ("is_integer", IntegerField, lambda: PortalInput("number")),
        ("is_numeric", DecimalField, lambda: PortalInput("text")),
        ("is_float", FloatField, lambda: PortalInput("text")),
        ("is_boolean", BooleanField, None),
        ("is_date", DateField, lambda: PortalInput("date")),
        ("is_datetime", BeijingDateTimeField, lambda: PortalInput("datetime-local")),
    )


class PortalModelConverter(GeneralModelConverter):
    """FAB's form builder with PortalFieldConverter for the plain columns."""

    def _convert_simple(
        self,
        col_name: str,
        label: Any,
        description: Any,
        lst_validators: list[Any],
        form_props: dict[str, Any],
    ) -> dict[str, Any]:
        rules = list(lst_validators)
        longest = self.datamodel.get_max_length(col_name)
        if longest != -1:
            rules.append(validators.Length(max=longest))
        is_needed = not self.datamodel.is_nullable(col_name) and not self.datamodel.is_boolean(
            col_name
        )
        rules.append(validators.InputRequired() if is_needed else validators.Optional())
        if self.datamodel.is_unique(col_name):
            rules.append(Unique(self.datamodel, col_name))
        default = self.datamodel.get_col_default(col_name)
        form_props[col_name] = PortalFieldConverter(
            self.datamodel, col_name, label, description, rules, default=default
        ).convert()
        return form_props


class PortalSearchWidget(FormWidget):
    """The filter bar above a list. FAB's own renders every field twice, related rows included."""

    template = "appbuilder/general/widgets/search.html"

    def __call__(self, **kwargs: Any) -> Any:
        form = self.template_args["form"]
        kwargs["lookup_labels"] = {
            col: label
            for col in self.template_args["include_cols"]
            if (label := _chosen_label(form[col]))
        }
        return super().__call__(**kwargs)


def _chosen_label(field: Field) -> str:
    """What a picker of the filter bar shows for the key in the address."""
    if "data-lookup" not in (field.render_kw or {}):
        return ""
    key = next(
        (v for k, v in request.args.items() if v and k.startswith("_flt_") and k[7:] == field.name),
        "",
    )
    if not key:
        return ""
    field.process(MultiDict({field.name: key}))
    if hasattr(field, "chosen_name"):
        return str(field.chosen_name())
    return str(field.data) if field.data is not None else ""
