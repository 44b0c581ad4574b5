"""自定义字段: values of the fields a province adds to a master-data screen, in the column `custom`.

A value is kept under the field's name: texts, numbers, ISO dates, codes, keys of rows, lists of
those. What the published definition no longer shows keeps its data and is neither read nor
written here. People are no such table: what is known of them is personal, and has its columns.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Numeric,
    Text,
    case,
    cast,
    func,
    inspect,
    literal_column,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from app import models as m
from app.custom_indexes import SORTED_LENGTH
from app.domain.errors import ConflictError, RuleViolation
from app.domain.messages import N_
from app.extensions import db
from app.logs import masked
from app.orm import is_custom_name
from app.services.actors import Actor
from app.services.audit import record
from app.services.definitions import generation, store
from app.services.definitions.versions import UnknownDefinitionError
from app.services.form_definition import Field, FormDefinition, Label, Section, read_form
from app.services.form_options import load_options
from app.services.form_values import (
    Fault,
    InvalidValuesError,
    Parsed,
    clean_text,
    parse_section,
)
from app.services.materials import FileRefusedError, clean_filename, store_file
from app.services.settings import parameter

CUSTOM_MODELS: Final[Mapping[str, type]] = {
    "units": m.Unit,
    "series": m.Series,
    "specialty_groups": m.SpecialtyGroup,
    "specialties": m.Specialty,
    "committees": m.Committee,
    "filings": m.AuthorityFiling,
    "calls": m.CallForApplications,
    "requirements": m.MaterialRequirement,
    "experts": m.Expert,
    "plans": m.EvaluationPlan,
    "plan_lines": m.PlanLine,
    "reason_codes": m.ReasonCode,
    "dictionary_entries": m.DictionaryEntry,
}
"""The key of each screen whose table takes custom fields."""

REFERRED: Final[Mapping[str, Any]] = {
    "person": m.Person.id,
    "unit": m.Unit.id,
    "division": m.Division.code,
}
"""Kinds whose value is the key of a row, and that key."""

SHAPES: Final[Mapping[str, str]] = {
    "number": "number",
    "multiple_choice": "set",
    **dict.fromkeys(("text", "date", "month", "boolean", "choice", *REFERRED), "text"),
}
"""How an index keeps the values of a kind; long texts, files and rows have none."""

SORTABLE: Final = frozenset({"text", "number", "date", "month", "boolean", "choice"})
FILTERABLE: Final = frozenset({*SHAPES, "long_text"})
MOST_FILES: Final = 10


class UnknownFieldError(RuleViolation):
    """A value is given for a field the screen does not have, or no longer has. Params: `name`."""

    code = "unknown_field"
    template = N_("This page no longer has the field %(name)s. Reload it and enter the rest again.")


@dataclass(frozen=True)
class FileChange:
    """What happens to a file field: (name, content) of new files, digests of those taken away."""

    added: Sequence[tuple[str, bytes]] = ()
    removed: Collection[str] = ()


# --------------------------------------------------------------------------- reading and writing


def values_of(row: Any) -> dict[str, Any]:
    """The values of a row by field name; none where the reader may not see them."""
    found = row.custom
    return dict(found) if isinstance(found, Mapping) else {}


def check_values(typed: Mapping[str, Any], fields: Iterable[Field], stored: Any = None) -> Parsed:
    """The values of what was typed, and what is wrong with it; files are left out.

    `stored` is what the row holds now. Raises UnknownFieldError.
    """
    known = {field.name: field for field in fields if is_custom_name(field.name)}
    for name in typed:
        if name not in known:
            raise UnknownFieldError(name=name[:60])
    section = Section("custom", 1, Label(""), Label(""), tuple(known.values()))
    options = load_options(FormDefinition((section,)))
    parsed = parse_section(section, typed, options, stored or {})
    for name, value in parsed.values.items():
        field = known[name]
        if field.kind in REFERRED and value is not None and not _exists(field.kind, value):
            parsed.faults.append(Fault(name, field, N_("Choose an entry from the list.")))
        if field.is_required and value in (None, "", []) and not _is_faulty(parsed, name):
            parsed.faults.append(Fault(name, field, N_("Fill in this field.")))
    return parsed


def _is_faulty(parsed: Parsed, name: str) -> bool:
    return any(fault.path.split(".")[0] == name for fault in parsed.faults)


def _exists(kind: str, key: Any) -> bool:
    column = REFERRED[kind]
    return db.session.scalar(select(column).where(column == key)) is not None


def set_values(
    row: Any, typed: Mapping[str, Any], fields: Iterable[Field], *, actor: Actor, now: datetime
) -> dict[str, Any]:
    """Write what was typed into the fields of a row, others stay as they are; what has changed.

    `typed` holds texts, lists of codes or rows, and FileChange for files; `fields` are the custom
    fields the actor writes on this page. Raises InvalidValuesError with the faults,
    UnknownFieldError; then nothing is changed.
    """
    fields = [field for field in fields if is_custom_name(field.name)]
    if inspect(row).persistent:
        # two pages with different fields at once: the second adds to what the first has written
        db.session.refresh(row, ["custom"], with_for_update=True)
    before = dict(row.custom or {})
    parsed = check_values(typed, fields, before)
    files = _store_files(typed, fields, before, parsed, now)
    if parsed.faults:
        raise InvalidValuesError(parsed.faults)
    given = parsed.values | files
    changed = {name for name, value in given.items() if not _is_same(before.get(name), value)}
    if not changed:
        return {}
    after = {name: value for name, value in (before | given).items() if value not in (None, "", [])}
    row.custom = after
    db.session.add(row)
    db.session.flush()
    record(
        "set_custom_fields",
        row,
        actor=actor,
        now=now,
        before={"custom": masked({name: before.get(name) for name in sorted(changed)})},
        after={"custom": masked({name: after.get(name) for name in sorted(changed)})},
    )
    return {name: after.get(name) for name in sorted(changed)}


def _is_same(before: Any, after: Any) -> bool:
    empty: tuple[Any, ...] = (None, "", [])
    return (before in empty and after in empty) or (
        before == after and isinstance(before, bool) is isinstance(after, bool)
    )


def _store_files(
    typed: Mapping[str, Any],
    fields: Iterable[Field],
    stored: Mapping[str, Any],
    parsed: Parsed,
    now: datetime,
) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for field in fields:
        change = typed.get(field.name)
        if not field.is_file or not isinstance(change, FileChange):
            continue
        kept = [
            each for each in stored.get(field.name) or [] if each["sha256"] not in change.removed
        ]
        try:
            for name, content in change.added:
                _add_file(kept, field, name, content, now)
        except FileRefusedError as error:
            parsed.faults.append(Fault(field.name, field, error.template, error.params))
        if field.is_required and not kept and not _is_faulty(parsed, field.name):
            parsed.faults.append(Fault(field.name, field, N_("Fill in this field.")))
        found[field.name] = kept
    return found


def _add_file(
    kept: list[dict[str, str]], field: Field, name: str, content: bytes, now: datetime
) -> None:
    name = clean_filename(name)
    file = store_file(
        content,
        name,
        allowed_types=parameter("file_types"),
        max_bytes=int(parameter("file_max_bytes")),
        now=now,
    )
    if any(each["sha256"] == file.sha256 for each in kept):
        return
    limit = MOST_FILES if field.is_multiple else 1
    if len(kept) >= limit:
        raise FileRefusedError(
            N_("At most %(limit)s files are possible here. Remove one first."), limit=limit
        )
    kept.append({"sha256": file.sha256, "name": name})


# --------------------------------------------------------------------------- the published fields


def published_fields(key: str) -> Mapping[str, Field]:
    """The custom fields of a screen as the definition in force has them, without retired ones."""
    return generation.kept(("custom fields", key), lambda: _read_fields(key))


def _read_fields(key: str) -> dict[str, Field]:
    try:
        definition = store.current(key)
    except UnknownDefinitionError:
        return {}
    retired = {
        given["name"]
        for section in definition["sections"]
        for given in section.get("fields", ())
        if given.get("is_retired")
    }
    return {
        field.name: field
        for section in read_form(definition).sections
        for field in section.fields
        if is_custom_name(field.name) and field.name not in retired
    }


def find_field(model: type, name: str) -> Field | None:
    """The custom field of that name on the screen of a table."""
    key = next((key for key, each in CUSTOM_MODELS.items() if each is model), "")
    return published_fields(key).get(name) if key else None


# --------------------------------------------------------------------------- filtering and sorting


def expression(model: Any, field: Field) -> ColumnElement[Any]:
    """What a list filters and sorts a field by, exactly as its index keeps it.

    The name stands in the statement as it is: a bound one would match no index. LookupError for
    what is no name of a custom field, or a kind without such a value.
    """
    shape = SHAPES.get(field.kind)
    if shape is None or not is_custom_name(field.name):
        raise LookupError(field.name)
    if shape == "set":
        return _value(model, field)
    if shape == "number":
        is_number = func.jsonb_typeof(_value(model, field)) == literal_column("'number'")
        return case((is_number, cast(_text(model, field), Numeric)))
    return func.left(_text(model, field), literal_column(str(SORTED_LENGTH)), type_=Text())


def _key(field: Field) -> ColumnElement[Any]:
    if not is_custom_name(field.name):
        raise LookupError(field.name)
    return literal_column(f"'{field.name}'")


def _value(model: Any, field: Field) -> ColumnElement[Any]:
    value: ColumnElement[Any] = model.custom.op("->", return_type=JSONB())(_key(field))
    return value


def _text(model: Any, field: Field) -> ColumnElement[Any]:
    value: ColumnElement[Any] = model.custom.op("->>", return_type=Text())(_key(field))
    return value


def order_by(model: Any, field: Field, *, is_descending: bool) -> list[ColumnElement[Any]]:
    """The order of a list sorted by a field: empty values last, equal ones by the key."""
    value = expression(model, field)
    if is_descending:
        return [value.desc().nulls_last(), model.id.desc()]
    return [value.asc().nulls_last(), model.id.asc()]


def contains(model: Any, field: Field, typed: str) -> ColumnElement[bool] | None:
    """Rows whose text holds what was typed; None for nothing."""
    wanted = clean_text(typed)
    if not wanted:
        return None
    escaped = re.sub(r"([\\%_])", r"\\\1", wanted)
    held: ColumnElement[bool] = _text(model, field).ilike(f"%{escaped}%")
    return held


def equals(model: Any, field: Field, typed: str) -> ColumnElement[bool] | None:
    """Rows with exactly this value; of several choices, those that hold it. None for what cannot
    be a value of the field."""
    value = _read(field, typed)
    if value is None:
        return None
    kept: Any = expression(model, field)
    shape = SHAPES[field.kind]
    is_same: ColumnElement[bool]
    if shape == "set":
        is_same = kept.contains([str(value)])
    elif shape == "number":
        is_same = kept == value
    else:
        is_same = kept == str(value)[:SORTED_LENGTH]
    return is_same & (_text(model, field) == str(value)) if field.kind == "text" else is_same


def at_least(model: Any, field: Field, typed: str) -> ColumnElement[bool] | None:
    """Rows with this value or a greater one; None for what cannot be a value of the field."""
    value = _read(field, typed)
    return None if value is None else expression(model, field) >= value


def at_most(model: Any, field: Field, typed: str) -> ColumnElement[bool] | None:
    """Rows with this value or a smaller one; None for what cannot be a value of the field."""
    value = _read(field, typed)
    return None if value is None else expression(model, field) <= value


def _read(field: Field, typed: str) -> Any:
    """A value as a filter gives it, in the form it is stored in; None for none."""
    if field.kind == "boolean":
        return {"y": "true", "n": "false"}.get(typed)
    if field.kind in {"choice", "multiple_choice"}:
        return clean_text(typed) or None
    plain = Field(field.name, field.kind, field.label, field.help)
    parsed = parse_section(
        Section("custom", 1, Label(""), Label(""), (plain,)), {field.name: typed}, {}
    )
    return parsed.values.get(field.name)


# --------------------------------------------------------------------------- indexes


@dataclass(frozen=True)
class CustomIndex:
    """An index of one field of one table."""

    table: str
    field: str
    shape: str
    way: str = "ASC"

    @property
    def name(self) -> str:
        """The same for the same index, and for no other."""
        told = f"{self.table}.{self.field}.{self.shape}.{self.way}"
        digest = hashlib.sha256(told.encode()).hexdigest()[:8]
        return f"cf_{self.table[:18]}_{self.field[:22]}_{digest}"


def indexes_of(table: str, field: Mapping[str, Any]) -> Iterator[CustomIndex]:
    """The indexes a field of a definition asks for: one for its filter, one a direction to sort."""
    kind, name = str(field.get("kind")), str(field.get("name"))
    is_used = field.get("is_custom") and not field.get("is_retired") and is_custom_name(name)
    if not is_used or kind not in SHAPES:
        return
    is_sorted = bool(field.get("is_sortable")) and kind in SORTABLE
    if is_sorted or field.get("in_filter"):
        yield CustomIndex(table, name, SHAPES[kind])
    if is_sorted:
        yield CustomIndex(table, name, SHAPES[kind], "DESC")


def wanted_indexes() -> dict[str, CustomIndex]:
    """What the published definitions ask for, by name."""
    found: dict[str, CustomIndex] = {}
    for key, model in CUSTOM_MODELS.items():
        try:
            definition = store.current(key)
        except UnknownDefinitionError:
            continue
        table: Any = model
        for section in definition["sections"]:
            for field in section.get("fields", ()):
                found |= {each.name: each for each in indexes_of(table.__tablename__, field)}
    return found


def present_indexes() -> set[str]:
    """The indexes of custom fields there are."""
    query = (
        "SELECT indexname FROM pg_indexes WHERE schemaname = 'public' AND indexname LIKE 'cf\\_%'"
    )
    return set(db.session.scalars(text(query)))


class IndexNotMadeError(ConflictError):
    """Indexes could not be made or dropped. Params: `count`."""

    code = "index_not_made"
    template = N_(
        "%(count)s indexes of custom fields could not be made yet; they follow by themselves."
    )


def wait_no_longer_than(seconds: int) -> None:
    """Let the statements of this transaction fail rather than wait longer for a lock."""
    db.session.execute(select(func.set_config("lock_timeout", f"{seconds}s", True)))


def make_index(index: CustomIndex) -> None:
    """Make an index, if it is not there; writers wait for the end of the transaction."""
    db.session.execute(
        text("SELECT make_custom_index(:name, :table, :field, :shape, :way)"),
        {
            "name": index.name,
            "table": index.table,
            "field": index.field,
            "shape": index.shape,
            "way": index.way,
        },
    )


def drop_index(name: str) -> None:
    """Drop an index of a custom field."""
    db.session.execute(text("SELECT drop_custom_index(:name)"), {"name": name})
