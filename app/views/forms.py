"""Fields of the portal's own forms, and a form whose failures keep what was typed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from flask import request
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    DateField,
    FileField,
    HiddenField,
    IntegerField,
    SelectField,
    StringField,
    TextAreaField,
    validators,
)

from app.domain.passwords import LONGEST
from app.security.scope import ScopedInterface
from app.views.base import LookupField
from app.views.widgets import (
    BeijingDateTimeField,
    CheckboxListField,
    PortalFileInput,
    PortalInput,
    PortalSelect,
    PortalTextArea,
)

EARLIEST, LATEST = date(1900, 1, 1), date(2200, 1, 1)


class PortalForm(FlaskForm):
    """A form of the portal: `expected_version` travels with it, refusals stand on top of it."""

    expected_version = HiddenField()

    @property
    def version(self) -> int:
        """The version the page showed; 0 for anything that is none.

        A post without the field must not take over the row's own version: it has seen none.
        """
        if self.is_submitted() and not self.expected_version.raw_data:
            return 0
        text = str(self.expected_version.data or "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0

    def refuse(self, message: str) -> None:
        """Put a refusal on top of the form."""
        self.form_errors.append(message)


def posted_version() -> int:
    """The version a plain button sends with it."""
    text = request.form.get("expected_version", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def _needed(required: bool) -> list[Any]:
    return [validators.InputRequired()] if required else [validators.Optional()]


def _no_nul(_form: Any, field: Any) -> None:
    if isinstance(field.data, str) and "\0" in field.data:
        raise validators.ValidationError(_l("This text holds a character that cannot be stored."))


def text(
    label: Any, *, required: bool = False, longest: int = 200, hint: Any = "", **kw: Any
) -> Any:
    """A line of text."""
    rules = [*_needed(required), validators.Length(max=longest), _no_nul]
    return StringField(
        label, rules, description=hint, widget=PortalInput("text"), filters=[_strip], **kw
    )


def area(
    label: Any, *, required: bool = False, longest: int = 4000, hint: Any = "", **kw: Any
) -> Any:
    """Several lines of text."""
    rules = [*_needed(required), validators.Length(max=longest), _no_nul]
    return TextAreaField(label, rules, description=hint, widget=PortalTextArea(), **kw)


def _strip(value: str | None) -> str | None:
    return value.strip() if isinstance(value, str) else value


def number(
    label: Any, *, required: bool = True, low: int = 0, high: int = 999_999_999, hint: Any = ""
) -> Any:
    """A whole number within bounds."""
    rules = [*_needed(required), validators.NumberRange(low, high)]
    return IntegerField(label, rules, description=hint, widget=PortalInput("number"))


def tick(label: Any, *, required: bool = False, hint: Any = "", default: bool = False) -> Any:
    """A box to tick; a required one must be ticked."""
    rules = [validators.DataRequired()] if required else []
    return BooleanField(label, rules, description=hint, default=default)


def day(label: Any, *, required: bool = True, hint: Any = "") -> Any:
    """A date."""
    rules = [*_needed(required), _plausible]
    return DateField(label, rules, description=hint, widget=PortalInput("date"))


def _plausible(_form: Any, field: Any) -> None:
    if field.data is not None and not EARLIEST <= field.data <= LATEST:
        raise validators.ValidationError(_l("Enter a date between 1900 and 2200."))


def instant(label: Any, *, hint: Any = "") -> Any:
    """Date and time in Beijing time."""
    return BeijingDateTimeField(
        label,
        [validators.InputRequired(), _plausible_instant],
        description=hint,
        widget=PortalInput("datetime-local"),
    )


def _plausible_instant(_form: Any, field: Any) -> None:
    if field.data is not None and not EARLIEST <= field.data.date() <= LATEST:
        raise validators.ValidationError(_l("Enter a date between 1900 and 2200."))


def choice(label: Any, choices: Callable[[], Any], *, required: bool = True, hint: Any = "") -> Any:
    """A drop-down whose choices are made anew for each request."""
    rules = [validators.InputRequired()] if required else [validators.Optional()]
    return SelectField(
        label, rules, description=hint, choices=choices, widget=PortalSelect(), validate_choice=True
    )


def several(label: Any, choices: Callable[[], Any], *, hint: Any = "") -> Any:
    """Several of a few choices, as check boxes."""
    return CheckboxListField(label, [], description=hint, choices=choices, coerce=str)


def lookup(label: Any, model: type, *, required: bool = False, hint: Any = "") -> Any:
    """A row of another table, found while typing; read in the actor's scope."""
    rules = [validators.DataRequired()] if required else [validators.Optional()]
    return LookupField(
        label, rules, datamodel=ScopedInterface(model), allow_blank=True, description=hint
    )


def upload(label: Any, *, accept: str, max_bytes: int, hint: Any = "") -> Any:
    """A file; read it with `read_upload`."""
    return FileField(
        label, [], description=hint, widget=PortalFileInput(accept=accept, max_bytes=max_bytes)
    )


def read_upload(name: str, max_bytes: int) -> tuple[str, bytes] | None:
    """(file name, content) of a posted file, at most `max_bytes` + 1 of it; None without one."""
    found = request.files.get(name)
    if found is None or not found.filename:
        return None
    return found.filename, found.stream.read(max_bytes + 1)


def reason(label: Any = None) -> Any:
    """Why: one obligatory text."""
    return area(label or _l("Reason"), required=True, longest=1000)


class ReasonForm(PortalForm):
    """Asks for nothing but a reason."""

    reason = reason()


class SecretField(StringField):
    """A password: never sent back to the browser."""

    def _value(self) -> str:
        return ""


def secret(label: Any, *, autocomplete: str, hint: Any = "") -> Any:
    """A password as it is typed; `autocomplete` is `current-password` or `new-password`."""
    return SecretField(
        label,
        [validators.InputRequired(), validators.Length(max=LONGEST), _no_nul],
        description=hint,
        widget=PortalInput("password"),
        render_kw={"autocomplete": autocomplete},
    )


def login() -> Any:
    """The login, or the document number of a person."""
    return text(
        _l("Login name or document number"),
        required=True,
        longest=64,
        render_kw={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"},
    )


def sms_code() -> Any:
    """The six digits of a text; phones offer them by themselves."""
    return text(
        _l("SMS code"),
        required=True,
        longest=12,
        render_kw={"autocomplete": "one-time-code", "inputmode": "numeric"},
    )


class NewPasswordForm(PortalForm):
    """The code of a text and the password chosen with it."""

    sms_code = sms_code()
    new = secret(_l("New password"), autocomplete="new-password")
    repeated = secret(_l("New password again"), autocomplete="new-password")
