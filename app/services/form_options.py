"""What a choice field chooses from: dictionaries, sources the program registers, and the words for
stored codes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import select

from app.domain.messages import N_
from app.domain.terms import TitleLevel
from app.extensions import db
from app.models import DictionaryEntry, Series
from app.services.form_definition import Field, FormDefinition, Label

LEVEL_LABELS: Mapping[TitleLevel, Label] = {
    TitleLevel.SENIOR: Label(N_("Senior level"), "正高级"),
    TitleLevel.ASSOCIATE_SENIOR: Label(N_("Associate senior level"), "副高级"),
    TitleLevel.INTERMEDIATE: Label(N_("Intermediate level"), "中级"),
    TitleLevel.ASSISTANT: Label(N_("Assistant level"), "助理级"),
    TitleLevel.TECHNICIAN: Label(N_("Technician level"), "员级"),
}

Options = Mapping[str, tuple[tuple[str, Label], ...]]
"""(code, label) pairs by dictionary key or source name."""


def load_options(form: FormDefinition) -> Options:
    """The options of every choice field of a form, dictionaries in one query."""
    wanted = {field.dictionary for field in _all_fields(form) if field.dictionary}
    rows = db.session.scalars(
        select(DictionaryEntry)
        .where(DictionaryEntry.dictionary.in_(wanted))
        .order_by(DictionaryEntry.dictionary, DictionaryEntry.position, DictionaryEntry.id)
    )
    found: dict[str, list[tuple[str, Label]]] = {key: [] for key in wanted}
    for row in rows:
        found[row.dictionary].append((row.code, Label(row.name)))
    options = {key: tuple(pairs) for key, pairs in found.items()}
    options["title_levels"] = tuple((str(int(k)), v) for k, v in LEVEL_LABELS.items())
    options["series"] = tuple(
        (row.slug, Label(row.name))
        for row in db.session.execute(select(Series.slug, Series.name).order_by(Series.number))
    )
    return options


def options_of(field: Field, options: Options) -> tuple[tuple[str, Label], ...]:
    """The options of one field; empty for a field whose value the process fills in."""
    if field.options:
        return field.options
    found = options.get(field.dictionary or field.source, ())
    if not found and field.enumeration == "TitleLevel":
        return options["title_levels"]
    return found


def show_value(field: Field, value: Any, options: Options) -> Label | None:
    """The value in words; None where nothing was entered."""
    if value is None or value == "" or value == []:
        return None
    if field.kind == "boolean":
        return Label(N_("Yes"), "是") if value else Label(N_("No"), "否")
    names = dict(options_of(field, options))
    if field.kind == "multiple_choice":
        shown = [names.get(str(code), Label(str(code))) for code in value]
        return Label(", ".join(shown), "、".join(label.zh for label in shown))
    return names.get(str(value), Label(str(value)))


def _all_fields(form: FormDefinition) -> Iterator[Field]:
    for section in form.sections:
        for field in section.fields:
            yield field
            yield from field.columns
