"""参数: reading what somebody typed for a parameter and saving it with its audit entry."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from app.domain.errors import RuleViolation, StaleVersionError
from app.domain.messages import N_
from app.extensions import db
from app.models import Parameter
from app.services.actors import Actor
from app.services.audit import record
from app.services.settings import set_parameter

_LEAP_YEAR = 2020


def change_parameter(
    key: str, text: str, *, expected_version: int, reason: str, actor: Actor, now: datetime
) -> Parameter:
    """Save a typed value; fixed parameters and values out of bounds are refused (rules 8).

    Raises RuleViolation or StaleVersionError.
    """
    row = db.session.get_one(Parameter, key)
    if row.version != expected_version:
        raise StaleVersionError(current_state=row.label, current_version=row.version)
    before = row.value
    row = set_parameter(key, read_value(row, text))
    record(
        "change_parameter",
        row,
        actor=actor,
        now=now,
        before={"value": before},
        after={"value": row.value},
        reason=reason.strip(),
    )
    db.session.flush()
    return row


def read_value(row: Parameter, text: str) -> Any:
    """The typed text as a value of the parameter's kind. Raises RuleViolation."""
    return _READERS[row.kind](row, text.strip())


def show_value(value: Any) -> str:
    """A value as it is typed: lists with commas, truth values as true and false."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    return "" if value is None else str(value)


def _integer(row: Parameter, text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,12}", text):
        raise RuleViolation(N_("%(label)s: enter a whole number."), label=row.label)
    return int(text)


def _boolean(row: Parameter, text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise RuleViolation(N_("%(label)s: choose yes or no."), label=row.label)
    return text.lower() == "true"


def _month_day(row: Parameter, text: str) -> str:
    month, _dash, day = text.partition("-")
    try:
        return date(_LEAP_YEAR, int(month), int(day)).strftime("%m-%d")
    except ValueError as error:
        raise RuleViolation(
            N_("%(label)s: enter month and day, for example 06-30."), label=row.label
        ) from error


def _fraction(row: Parameter, text: str) -> str:
    found = re.fullmatch(r"([0-9]{1,3})/([0-9]{1,3})", text)
    if found is None or not 0 < int(found[1]) <= int(found[2]):
        raise RuleViolation(
            N_("%(label)s: enter a fraction up to 1, for example 2/3."), label=row.label
        )
    return text


def _choice(row: Parameter, text: str) -> str:
    if row.options and text not in row.options:
        raise RuleViolation(N_("%(label)s: choose one of the values offered."), label=row.label)
    return text


def _integers(row: Parameter, text: str) -> list[int]:
    return [_integer(row, part) for part in _parts(text)]


def _texts(_row: Parameter, text: str) -> list[str]:
    return _parts(text)


def _parts(text: str) -> list[str]:
    return [part for part in re.split(r"[\s,，、]+", text) if part]


_READERS: dict[str, Callable[[Parameter, str], Any]] = {
    "integer": _integer,
    "boolean": _boolean,
    "month_day": _month_day,
    "fraction": _fraction,
    "choice": _choice,
    "list_of_integer": _integers,
    "list_of_text": _texts,
}
