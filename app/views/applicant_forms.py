"""A section of the application form as a page: what was posted, and what the template draws."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as made
from typing import Any

from flask import request
from flask_babel import get_locale, gettext
from werkzeug.datastructures import FileStorage, MultiDict

from app.domain.eligibility import Finding
from app.models import Material
from app.services.form_definition import Field, Label, Section
from app.services.form_options import Options, options_of, show_value
from app.services.form_values import ROW_ID, Fault, new_row_id
from app.services.materials import FileSlot, field_slot

MAX_ROWS = 200
"""More rows than any definition allows; a forged count goes no further."""


def say(text: Any) -> str:
    """A text in the reader's language: a Label brings its own Chinese, others are translated."""
    if isinstance(text, Label):
        return text.zh if _is_chinese() else (gettext(str(text)) if text else "")
    return str(gettext(text)) if isinstance(text, str) and text else str(text or "")


def _is_chinese() -> bool:
    locale = get_locale()
    return locale is None or locale.language == "zh"


def say_finding(finding: Finding | Fault) -> str:
    """A finding or fault as a sentence."""
    params = {
        name: say(value) if isinstance(value, str) else value
        for name, value in finding.params.items()
    }
    return str(gettext(finding.template)) % params


@dataclass
class FieldView:
    """One control with its label, what stands in it, and what is wrong with it."""

    id: str
    field: Field
    label: str
    help: str
    value: Any
    is_required: bool
    options: list[tuple[str, str]] = made(default_factory=list)
    errors: list[str] = made(default_factory=list)
    rows: list[RowView] = made(default_factory=list)
    blank: RowView | None = None
    slot: FileSlot | None = None
    files: list[Material] = made(default_factory=list)
    saved: str = ""

    @property
    def kind(self) -> str:
        """The kind of the field; decides the control."""
        return self.field.kind


@dataclass
class RowView:
    """One row of a field of rows."""

    id: str
    number: int
    row_id: str
    cells: list[FieldView]


# --------------------------------------------------------------------------- what was posted


def read_typed(section: Section, form: MultiDict[str, str]) -> dict[str, Any]:
    """What was typed into a section, field by field; a field the page did not show is left out."""
    shown = set(form.getlist("shown"))
    typed: dict[str, Any] = {}
    for each in section.typed_fields():
        if each.kind == "rows":
            if f"{each.name}.count" in form:
                typed[each.name] = _read_rows(each, form)
        elif each.kind == "multiple_choice":
            if each.name in shown or each.name in form:
                typed[each.name] = form.getlist(each.name)
        elif each.kind == "boolean":
            if each.name in shown or each.name in form:
                typed[each.name] = form.get(each.name, "")
        elif each.name in form:
            typed[each.name] = form[each.name]
    return typed


def _read_rows(each: Field, form: MultiDict[str, str]) -> list[dict[str, Any]]:
    count = form.get(f"{each.name}.count", "0")
    total = min(int(count), MAX_ROWS) if count.isascii() and count.isdigit() else 0
    rows: list[dict[str, Any]] = []
    for place in range(total):
        head = f"{each.name}.{place}."
        if not any(key.startswith(head) for key in form):
            continue
        given = form.get(f"{head}row_id", "")
        row: dict[str, Any] = {
            "row_id": given if ROW_ID.fullmatch(given) else new_row_id(),
            "place": place,
            "keep": any(f.filename for f in _posted(f"{head}{c.name}" for c in _files(each))),
        }
        for column in each.columns:
            if not column.is_file:
                row[column.name] = form.get(f"{head}{column.name}", "")
        rows.append(row)
    return rows


def _files(each: Field) -> Iterator[Field]:
    return (column for column in each.columns if column.is_file)


def _posted(names: Iterable[str]) -> Iterator[FileStorage]:
    for name in names:
        yield from request.files.getlist(name)


def posted_files(
    section: Section, typed: Mapping[str, Any]
) -> Iterator[tuple[str, str, FileStorage]]:
    """(control, place code, file) of every file sent with a section."""
    for each in section.typed_fields():
        if each.is_file:
            code = field_slot(section, each).code
            yield from ((each.name, code, f) for f in _posted([each.name]) if f.filename)
        for row in typed.get(each.name) or [] if each.kind == "rows" else ():
            for column in _files(each):
                name = f"{each.name}.{row['place']}.{column.name}"
                code = f"{section.key}.{row['row_id']}.{column.name}"
                yield from ((name, code, f) for f in _posted([name]) if f.filename)


# --------------------------------------------------------------------------- what is drawn


@dataclass
class Canvas:
    """What every field view needs: options, files by place, errors by control."""

    section: Section
    options: Options
    materials: Mapping[str, list[Material]]
    errors: Mapping[str, list[str]]
    stored: Mapping[str, Any] = made(default_factory=dict)


def draw_section(
    canvas: Canvas, values: Mapping[str, Any], *, add_to: str = ""
) -> tuple[list[FieldView], list[tuple[str, str]]]:
    """The controls of a section, and its facts: (label, value) of what is not typed here.

    `values` are stored or typed ones; `add_to` names a field of rows that gets one more empty row.
    """
    views: list[FieldView] = []
    facts: list[tuple[str, str]] = []
    for each in canvas.section.fields:
        if not canvas.section.is_typed(each):
            shown = show_value(each, values.get(each.name), canvas.options)
            facts.append((say(each.label), say(shown) if shown else ""))
        elif each.kind == "rows":
            views.append(_draw_rows(canvas, each, values.get(each.name) or [], each.name == add_to))
        else:
            views.append(_draw(canvas, each, values.get(each.name), each.name))
    return views, facts


def _draw(canvas: Canvas, each: Field, value: Any, place: str, *, row_id: str = "") -> FieldView:
    view = FieldView(
        id=place,
        field=each,
        label=say(each.label),
        help=say(each.help),
        value=_as_text(each, value),
        is_required=each.is_required or bool(each.required_when),
        options=[(code, say(label)) for code, label in options_of(each, canvas.options)],
        errors=list(canvas.errors.get(place, ())),
    )
    if each.is_file:
        owner, _dot, _rest = place.partition(".")
        view.slot = field_slot(canvas.section, each, row_id=row_id, owner=owner)
        view.files = list(canvas.materials.get(view.slot.code, ()))
    elif not row_id and canvas.stored:
        view.saved = _other(canvas, each, view.value)
    return view


def _other(canvas: Canvas, each: Field, typed: Any) -> str:
    """What is stored, where it differs from what was typed (two devices)."""
    stored = canvas.stored.get(each.name)
    if _as_text(each, stored) == typed:
        return ""
    shown = show_value(each, stored, canvas.options)
    return say(shown) if shown else "—"


def _draw_rows(canvas: Canvas, each: Field, rows: list[Mapping[str, Any]], add: bool) -> FieldView:
    view = _draw(canvas, each, None, each.name)
    wanted: list[Mapping[str, Any]] = list(rows)
    if (add or not wanted) and len(wanted) < each.max_rows:
        wanted.append({"row_id": new_row_id()})
    view.rows = [_draw_row(canvas, each, row, number) for number, row in enumerate(wanted)]
    view.blank = _draw_row(canvas, each, {"row_id": ""}, "__place__")
    return view


def _draw_row(canvas: Canvas, each: Field, row: Mapping[str, Any], place: int | str) -> RowView:
    head = f"{each.name}.{place}"
    # a row read from a post may have had another place on the page it came from
    known = f"{each.name}.{row['place']}" if "place" in row else head
    cells = []
    for column in each.columns:
        cell = _draw(
            canvas,
            column,
            row.get(column.name),
            f"{head}.{column.name}",
            row_id=row.get("row_id") or "new",
        )
        cell.errors = list(canvas.errors.get(f"{known}.{column.name}", ()))
        cells.append(cell)
    number = place + 1 if isinstance(place, int) else 0
    return RowView(head, number, row.get("row_id") or "", cells)


def _as_text(each: Field, value: Any) -> Any:
    if each.kind == "boolean":
        return value in (True, "1", "on", "true")
    if each.kind == "multiple_choice":
        return [str(code) for code in value] if isinstance(value, list) else []
    return "" if value is None else str(value)


def by_place(materials: list[Material]) -> dict[str, list[Material]]:
    """The files of an application by the place they were uploaded to."""
    found: dict[str, list[Material]] = {}
    for material in materials:
        found.setdefault(material.requirement_code, []).append(material)
    return found


# --------------------------------------------------------------------------- reading it again


@dataclass
class AnswerRow:
    """One row of a table of answers."""

    number: int
    facts: list[tuple[str, Any]]
    files: list[tuple[str, list[Material]]]


@dataclass
class AnswerTable:
    """A field of rows as it is read."""

    label: str
    rows: list[AnswerRow]


@dataclass
class Answers:
    """A section as reviewers will see it."""

    key: str
    label: str
    facts: list[tuple[str, Any]]
    tables: list[AnswerTable]
    files: list[tuple[str, list[Material]]]
    is_needed: bool = True
    may_change: bool = False


def read_answers(
    section: Section,
    values: Mapping[str, Any],
    options: Options,
    files: Mapping[str, list[Material]],
) -> Answers:
    """What stands in a section, in words."""
    answers = Answers(section.key, say(section.label), [], [], [])
    for each in section.fields:
        if each.is_file:
            found = files.get(f"{section.key}.{each.name}", [])
            answers.files.append((say(each.label), found))
        elif each.kind == "rows":
            answers.tables.append(_read_table(section, each, values, options, files))
        else:
            shown = show_value(each, values.get(each.name), options)
            answers.facts.append((say(each.label), say(shown) if shown else ""))
    return answers


def _read_table(
    section: Section,
    each: Field,
    values: Mapping[str, Any],
    options: Options,
    files: Mapping[str, list[Material]],
) -> AnswerTable:
    rows: list[AnswerRow] = []
    for number, row in enumerate(values.get(each.name) or [], start=1):
        facts: list[tuple[str, Any]] = []
        proofs: list[tuple[str, list[Material]]] = []
        for column in each.columns:
            if column.is_file:
                code = f"{section.key}.{row.get('row_id')}.{column.name}"
                proofs.append((say(column.label), files.get(code, [])))
            else:
                shown = show_value(column, row.get(column.name), options)
                facts.append((say(column.label), say(shown) if shown else ""))
        rows.append(AnswerRow(number, facts, proofs))
    return AnswerTable(say(each.label), rows)
