"""What was typed into a section, turned into values: text, numbers, ISO dates, codes, rows; faults
named field by field.

A draft may be incomplete: an empty field is no fault here, `precheck` lists it. Only what cannot
be stored is refused.
"""

from __future__ import annotations

import dataclasses
import re
import secrets
import unicodedata
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from app.domain.errors import RuleViolation
from app.domain.messages import N_
from app.services.form_definition import Field, Section
from app.services.form_options import Options, options_of

LONGEST: Final = 20_000
"""No text is longer than this, whatever its definition says."""

LARGEST: Final = 10**12
KEY_DIGITS: Final = 9
ROW_ID: Final = re.compile(r"[0-9a-f]{8}")
_DATE: Final = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?")
_MONTH: Final = re.compile(r"(\d{4})[-/.年](\d{1,2})月?")
_PHONE: Final = re.compile(r"\+?\d[\d -]{5,18}\d")
_NUMBER: Final = re.compile(r"[+-]?\d{1,13}(\.\d{1,6})?")


@dataclass(frozen=True)
class Fault:
    """Why a value is refused: `template % params`, beside the field `path` (`name` or
    `name.2.column`).
    """

    path: str
    field: Field
    template: str
    params: Mapping[str, object] = dataclasses.field(default_factory=dict)


@dataclass
class Parsed:
    """The values of a section and what is wrong with them."""

    values: dict[str, Any] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


class InvalidValuesError(RuleViolation):
    """Values of a section cannot be stored as typed; `faults` says which and why."""

    code = "invalid_values"
    template = N_("Some entries cannot be saved as they are. Correct them and save again.")

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__()
        self.faults = faults


class _FaultyError(Exception):
    def __init__(self, template: str, **params: object) -> None:
        super().__init__(template)
        self.template = template
        self.params = params


def parse_section(
    section: Section,
    typed: Mapping[str, Any],
    options: Options,
    stored: Mapping[str, Any] | None = None,
) -> Parsed:
    """Read the typed fields of `section`; a field absent from `typed` is left out of the values.

    `typed` holds text for plain fields, a list of codes for multiple choices, a list of mappings
    for rows. `stored` is what the section holds now: the empty row a page offers is not added,
    a row on file stays until it is removed.
    """
    parsed = Parsed()
    for each in section.typed_fields():
        if each.is_file or each.name not in typed:
            continue
        if each.kind == "rows":
            on_file = {row.get("row_id") for row in (stored or {}).get(each.name) or []}
            parsed.values[each.name] = _parse_rows(
                each, typed[each.name] or [], options, parsed, on_file
            )
        else:
            parsed.values[each.name] = _parse(
                each, typed[each.name], options, each.name, parsed.faults
            )
    return parsed


def new_row_id() -> str:
    """A name for a row, kept over all versions: files and correction items point to it."""
    return secrets.token_hex(4)


def is_blank(field_: Field, row: Mapping[str, Any]) -> bool:
    """Whether nothing was entered in a row."""
    return all(row.get(c.name) in (None, "", [], False) for c in field_.columns if not c.is_file)


def _parse_rows(
    field_: Field,
    rows: list[Mapping[str, Any]],
    options: Options,
    parsed: Parsed,
    on_file: Collection[Any],
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    seen: set[str] = set()
    for index, typed in enumerate(rows):
        row: dict[str, Any] = {}
        for column in field_.columns:
            if not column.is_file:
                path = f"{field_.name}.{index}.{column.name}"
                row[column.name] = _parse(
                    column, typed.get(column.name), options, path, parsed.faults
                )
        given = str(typed.get("row_id") or "")
        known = bool(ROW_ID.fullmatch(given)) and given not in seen
        if given not in on_file and is_blank(field_, row) and not typed.get("keep"):
            continue
        row["row_id"] = given if known else new_row_id()
        seen.add(row["row_id"])
        found.append(row)
    if len(found) > field_.max_rows:
        template = N_("At most %(limit)s rows are possible. Remove %(over)s.")
        params = {"limit": field_.max_rows, "over": len(found) - field_.max_rows}
        parsed.faults.append(Fault(field_.name, field_, template, params))
    return found


def _parse(field_: Field, typed: Any, options: Options, path: str, faults: list[Fault]) -> Any:
    if field_.kind == "boolean":
        return typed in (True, "1", "on", "true", "yes")
    try:
        if field_.kind == "multiple_choice":
            return _read_choices(field_, typed, options)
        text = clean_text(typed)
        if not text:
            return None
        reader = _READERS.get(field_.kind, _read_text)
        return reader(field_, text, options)
    except _FaultyError as fault:
        faults.append(Fault(path, field_, fault.template, fault.params))
        return None


def clean_text(typed: Any) -> str:
    """The text without outer blanks, in NFC, with plain line ends and no control characters."""
    if typed is None or isinstance(typed, list | dict):
        return ""
    text = unicodedata.normalize("NFC", str(typed)).replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        c for c in text if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cs"}
    ).strip()


def _read_text(field_: Field, text: str, _options: Options) -> str:
    limit = min(field_.max_length or LONGEST, LONGEST)
    if len(text) > limit:
        raise _FaultyError(
            N_("At most %(limit)s characters; there are %(given)s. Shorten the text."),
            limit=limit,
            given=len(text),
        )
    return text if field_.kind == "long_text" else " ".join(text.split("\n"))


def _read_number(field_: Field, text: str, _options: Options) -> int | float:
    text = unicodedata.normalize("NFKC", text).replace(",", "").replace(" ", "")
    if not _NUMBER.fullmatch(text):
        raise _FaultyError(N_("Enter a number, for example 12."))
    number = float(text) if "." in text else int(text)
    least = -LARGEST if field_.minimum is None else field_.minimum
    most = LARGEST if field_.maximum is None else field_.maximum
    if not least <= number <= most:
        raise _FaultyError(
            N_("Enter a number between %(least)s and %(most)s."), least=least, most=most
        )
    return number


def _read_date(_field: Field, text: str, _options: Options) -> str:
    found = _DATE.fullmatch(unicodedata.normalize("NFKC", text).replace(" ", ""))
    parts = [int(part) for part in found.groups()] if found else [0, 0, 0]
    if not 1900 <= parts[0] <= 2100 or not _exists(*parts):
        raise _FaultyError(N_("Enter a date that exists, for example 2018-03-12."))
    return date(*parts).isoformat()


def _exists(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _read_month(_field: Field, text: str, _options: Options) -> str:
    found = _MONTH.fullmatch(unicodedata.normalize("NFKC", text).replace(" ", ""))
    if found is None or not 1900 <= int(found[1]) <= 2100 or not 1 <= int(found[2]) <= 12:
        raise _FaultyError(N_("Enter year and month, for example 2018-03."))
    return f"{int(found[1]):04d}-{int(found[2]):02d}"


def _read_choice(field_: Field, text: str, options: Options) -> str | int:
    if text not in {code for code, _label in options_of(field_, options)}:
        raise _FaultyError(N_("This choice is not offered. Choose one from the list."))
    return int(text) if field_.enumeration == "TitleLevel" else text


def _read_choices(field_: Field, typed: Any, options: Options) -> list[str]:
    given = [str(code) for code in typed] if isinstance(typed, list | tuple) else []
    offered = [code for code, _label in options_of(field_, options)]
    if any(code not in offered for code in given):
        raise _FaultyError(N_("This choice is not offered. Choose from the list."))
    return [code for code in offered if code in given]


def _read_key(field_: Field, text: str, _options: Options) -> int | str:
    """The key of a row of another table; whether there is one is asked elsewhere."""
    if not text.isascii() or not text.isdigit() or len(text) > KEY_DIGITS:
        raise _FaultyError(N_("Choose an entry from the list."))
    return text if field_.kind == "division" else int(text)


def read_phone(text: str) -> str:
    """A telephone number as typed, without blanks; RuleViolation for anything else."""
    text = unicodedata.normalize("NFKC", text).strip()
    if not _PHONE.fullmatch(text):
        raise RuleViolation(N_("Enter a mobile number of 11 digits."))
    return text.replace(" ", "").replace("-", "")


_READERS: Final[Mapping[str, Callable[[Field, str, Options], Any]]] = {
    "text": _read_text,
    "long_text": _read_text,
    "number": _read_number,
    "date": _read_date,
    "month": _read_month,
    "choice": _read_choice,
    "person": _read_key,
    "unit": _read_key,
    "division": _read_key,
}
