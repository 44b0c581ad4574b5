"""The content of an application as people read it: by section, and what a version changed.

Labels come from the form definition. Document and telephone numbers are masked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select

from app.domain.messages import N_
from app.domain.terms import TitleLevel
from app.extensions import db
from app.models import (
    Application,
    Committee,
    DictionaryEntry,
    PlanCategory,
    Series,
    Specialty,
)
from app.services.form_definition import Label
from app.services.form_options import LEVEL_LABELS

Content = Mapping[str, Any]

NEVER_PUBLICISED = frozenset(
    {
        "document_number",
        "identity_document",
        "phone",
        "photo",
        "born_on",
        "certificate_number",
        "verification_number",
    }
)
"""F1: no number, telephone, photo or birthday in a publicity, whatever the form definition says."""

MASKED = {"document_number": "identity_mask", "phone": "phone_mask"}

ELIGIBILITY_FIELDS: Mapping[str, tuple[str, ...]] = {
    "application_info": ("plan_category", "specialty", "title_level", "application_kind"),
    "profile": ("work_started_on", "years_in_field"),
    "present_title": ("has_no_title", "title_level", "series", "awarded_on"),
    "exceptional_grounds": ("grounds",),
}
"""What the pre-check's verdicts on level, seniority and exceptions rest on (B5)."""

ELIGIBILITY_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "education": ("to_month", "education_level", "degree"),
    "appraisals": ("year", "grade"),
    "continuing_education": ("year", "public_hours", "specialty_hours"),
}
"""The same for tables of rows; other columns, proofs above all, may be mended freely."""


@dataclass(frozen=True)
class FieldView:
    """A field to read: `text`, or `columns` and `rows` for a table; a Label carries its Chinese."""

    section: str
    name: str
    label: Label
    text: str = ""
    columns: list[Label] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)


@dataclass(frozen=True)
class SectionView:
    """A section to read."""

    key: str
    label: Label
    fields: list[FieldView]


@dataclass(frozen=True)
class FieldChange:
    """What a correction changed in one field."""

    section: Label
    label: Label
    before: str
    after: str


# --------------------------------------------------------------------------- versions


def latest_content(application: Application) -> Content:
    """The latest submitted version, or the draft when nothing was submitted."""
    return application.versions[-1].content if application.versions else application.content


def content_at(application: Application, instant: datetime) -> Content:
    """The version in force at an instant: the last one submitted by then, else the first."""
    versions = application.versions
    if not versions:
        return application.content
    fitting = [v for v in versions if v.submitted_at <= instant]
    return (fitting[-1] if fitting else versions[0]).content


def section_values(content: Content, section: Mapping[str, Any]) -> Mapping[str, Any]:
    """The values of a section by field; a section that is one table may hold the bare list."""
    values = content.get(section["key"])
    if isinstance(values, Mapping):
        return values
    if isinstance(values, list) and section["fields"]:
        return {section["fields"][0]["name"]: values}
    return {}


def pick_publicised(
    definition: Mapping[str, Any], content: Content, *, with_achievements: bool
) -> dict[str, Any]:
    """The raw values of the publicised fields, files left out."""
    picked: dict[str, Any] = {}
    for section, item in publicised_items(definition, with_achievements=with_achievements):
        value = section_values(content, section).get(item["name"])
        picked[f"{section['key']}.{item['name']}"] = _without_files(item, value)
    return picked


def publicised_items(
    definition: Mapping[str, Any], *, with_achievements: bool
) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """(section, field) of every field marked `is_publicised`, in the order of the form (F1)."""
    return [
        (section, item)
        for section in definition.get("sections", [])
        for item in section["fields"]
        if item.get("is_publicised")
        and item["name"] not in NEVER_PUBLICISED
        and (with_achievements or section["key"] != "achievements")
    ]


def publicised_columns(item: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The columns of a table a publicity shows: no files, no numbers (F1)."""
    return [
        column
        for column in item.get("columns", [])
        if column["kind"] != "file" and column["name"] not in NEVER_PUBLICISED
    ]


def _without_files(item: Mapping[str, Any], value: Any) -> Any:
    if item["kind"] != "rows" or not isinstance(value, list):
        return value
    names = [column["name"] for column in publicised_columns(item)]
    return [{name: row.get(name) for name in names} for row in value if isinstance(row, Mapping)]


def pick_eligibility(content: Content) -> dict[str, Any]:
    """The raw values eligibility rests on."""
    picked: dict[str, Any] = {}
    for key, names in ELIGIBILITY_FIELDS.items():
        values = content.get(key)
        if isinstance(values, Mapping):
            picked |= {f"{key}.{name}": values.get(name) for name in names}
    for key, columns in ELIGIBILITY_COLUMNS.items():
        values = content.get(key)
        rows = values.get(key) if isinstance(values, Mapping) else values
        if isinstance(rows, list):
            picked[key] = [
                {column: row.get(column) for column in columns}
                for row in rows
                if isinstance(row, Mapping)
            ]
    return picked


# --------------------------------------------------------------------------- reading


class Words:
    """Turns stored codes into names; each dictionary is read once."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self._dictionaries: dict[str, dict[str, str]] = {}

    def entry(self, dictionary: str, code: str) -> str:
        """The name of a dictionary entry; the code itself when the entry is gone."""
        known = self._dictionaries.get(dictionary)
        if known is None:
            rows = db.session.execute(
                select(DictionaryEntry.code, DictionaryEntry.name).where(
                    DictionaryEntry.dictionary == dictionary
                )
            )
            known = self._dictionaries[dictionary] = dict(rows.all())
        return known.get(code, code)

    def from_source(self, source: str, value: Any) -> str:
        """The name behind a value of a registered option source."""
        if source in {"open_levels", "title_levels"} and str(value).isdigit():
            return LEVEL_LABELS.get(TitleLevel(int(value)), str(value))
        model, slug = {
            "plan_categories": (PlanCategory, PlanCategory.slug),
            "specialties": (Specialty, None),
            "series": (Series, Series.slug),
            "open_committees": (Committee, None),
        }.get(source, (None, None))
        if model is None:
            return str(value)
        if str(value).isdigit():
            return str(db.session.get(model, int(value)) or value)
        if slug is not None:
            return str(db.session.scalar(select(model).where(slug == str(value)).limit(1)) or value)
        return str(value)


def describe(application: Application, content: Content | None = None) -> list[SectionView]:
    """The content by section, as a reviewer reads it."""
    chosen = latest_content(application) if content is None else content
    words = Words(application)
    return [
        SectionView(
            section["key"],
            _label(section),
            [
                describe_field(words, section, item, section_values(chosen, section))
                for item in section["fields"]
            ],
        )
        for section in application.form_version.definition.get("sections", [])
        if section["key"] != "materials"
    ]


def describe_field(
    words: Words,
    section: Mapping[str, Any],
    item: Mapping[str, Any],
    values: Mapping[str, Any],
) -> FieldView:
    """One field to read; what the application row knows itself is taken from there."""
    known = _from_application(words.application, section["key"], item["name"])
    raw = values.get(item["name"])
    if item["kind"] == "rows":
        columns = [c for c in item.get("columns", []) if c["kind"] != "file"]
        rows = [
            [_text(words, column, row.get(column["name"])) for column in columns]
            for row in raw or []
            if isinstance(row, Mapping)
        ]
        return FieldView(
            section["key"],
            item["name"],
            _label(item),
            columns=[_label(column) for column in columns],
            rows=rows,
        )
    text = known if known is not None else _text(words, item, raw)
    return FieldView(section["key"], item["name"], _label(item), text=text)


def _label(item: Mapping[str, Any]) -> Label:
    return Label(item["label"], item.get("label_zh", ""))


def _from_application(application: Application, section: str, name: str) -> str | None:
    person = application.person
    if name in MASKED:
        return getattr(person, MASKED[name]) or ""
    known: Callable[[], str] | None = {
        "application_info.plan_year": lambda: str(application.plan_year),
        "application_info.plan_category": lambda: application.category.name,
        "application_info.specialty": lambda: str(application.specialty or ""),
        "application_info.title_level": lambda: LEVEL_LABELS[application.level],
        "application_info.title_name": lambda: application.title_name,
        "application_info.committee": lambda: application.committee.name,
        "profile.full_name": lambda: person.name,
        "profile.unit": lambda: application.employer.name,
    }.get(f"{section}.{name}")
    return known() if known is not None else None


def _text(words: Words, item: Mapping[str, Any], value: Any) -> str:
    if value is None or value == "" or value == []:
        return ""
    if item["kind"] == "boolean" or isinstance(value, bool):
        return Label(N_("Yes"), "是") if value else Label(N_("No"), "否")
    if item["kind"] == "file":
        return _file_names(value)
    if isinstance(value, list):
        return "、".join(_text(words, item, one) for one in value)
    if item.get("dictionary"):
        return words.entry(item["dictionary"], str(value))
    if item.get("source"):
        return words.from_source(item["source"], value)
    return str(value)


def _file_names(value: Any) -> str:
    values = value if isinstance(value, list) else [value]
    return "、".join(
        str(one.get("filename", "")) if isinstance(one, Mapping) else str(one) for one in values
    )


def compare_contents(
    application: Application, before: Content, after: Content
) -> list[FieldChange]:
    """What differs between two versions, field by field, in the order of the form (B1)."""
    words = Words(application)
    changes = []
    for section in application.form_version.definition.get("sections", []):
        old, new = section_values(before, section), section_values(after, section)
        for item in section["fields"]:
            if old.get(item["name"]) == new.get(item["name"]):
                continue
            changes.append(
                FieldChange(
                    _label(section),
                    _label(item),
                    _plain(words, item, old.get(item["name"])),
                    _plain(words, item, new.get(item["name"])),
                )
            )
    return changes


def _plain(words: Words, item: Mapping[str, Any], value: Any) -> str:
    if item["name"] in MASKED:
        return "***"
    if item["kind"] != "rows":
        return _text(words, item, value)
    columns: Sequence[Mapping[str, Any]] = item.get("columns", [])
    lines = [
        " · ".join(
            text
            for column in columns
            if (text := _text(words, column, row.get(column["name"]))) != ""
        )
        for row in value or []
        if isinstance(row, Mapping)
    ]
    return "\n".join(lines)


def section_labels(application: Application) -> dict[str, Label]:
    """Section key -> label, in the order of the form."""
    sections = application.form_version.definition.get("sections", [])
    return {section["key"]: _label(section) for section in sections}
