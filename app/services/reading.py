"""What an expert reads of an application; with `hides_identity` neither name nor unit (ui.md 4,
R66).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from app.models import Application, Material, MeetingItem
from app.services import contents, materials
from app.services.contents import FieldView, SectionView
from app.services.form_definition import Label, read_form

STARS = "***"

NOT_FOR_EXPERTS = frozenset({"document_number", "identity_document", "phone", "photo"})
"""What a review does not need is shown to no expert (R66)."""

IDENTIFYING_FIELDS = frozenset(
    {
        "full_name",
        "unit",
        "gender",
        "born_on",
        "ethnicity",
        "political_status",
        "administrative_post",
    }
)
IDENTIFYING_COLUMNS = frozenset({"unit_name", "school", "certificate_number"})

READABLE_WHEN_HIDDEN = "representative_work"
"""The one requirement whose files experts still open: its works are uploaded without the
author's name.
"""


def heading(item: MeetingItem) -> str:
    """How an application is called on an expert's page."""
    application = item.application
    if item.meeting.hides_identity:
        return f"{application.number} · {application.title_name}"
    return f"{application.person.name} · {application.title_name}"


def subheading(item: MeetingItem) -> str:
    """The second line: unit and specialty, or the specialty alone."""
    application = item.application
    specialty = application.specialty.name if application.specialty else application.series.name
    if item.meeting.hides_identity:
        return specialty
    return f"{application.employer.name} · {specialty}"


def sections(item: MeetingItem) -> list[SectionView]:
    """The content by section, empty fields left out; masked if the meeting hides identities."""
    application = item.application
    shown = []
    for section in contents.describe(application):
        fields = [
            field
            for field in section.fields
            if (field.text or field.rows) and field.name not in NOT_FOR_EXPERTS
        ]
        if item.meeting.hides_identity:
            fields = [_mask(application, field) for field in fields if not _identifies(field)]
        if fields and section.key not in {"integrity_pledge"}:
            shown.append(SectionView(section.key, section.label, fields))
    return shown


def _identifies(field: FieldView) -> bool:
    return field.name in IDENTIFYING_FIELDS


def _mask(application: Application, field: FieldView) -> FieldView:
    """The field with name and unit blotted out, in running text and in the columns that hold
    them.
    """
    hidden = _hidden_columns(application, field)
    return replace(
        field,
        text=_blot(application, field.text),
        rows=[
            [
                STARS if place in hidden else _blot(application, cell)
                for place, cell in enumerate(row)
            ]
            for row in field.rows
        ],
    )


def _hidden_columns(application: Application, field: FieldView) -> set[int]:
    for section in application.form_version.definition.get("sections", []):
        for item in section["fields"]:
            if (section["key"], item["name"]) == (field.section, field.name):
                names = [c["name"] for c in item.get("columns", []) if c["kind"] != "file"]
                return {n for n, name in enumerate(names) if name in IDENTIFYING_COLUMNS}
    return set()


def _blot(application: Application, text: str) -> str:
    plain = text
    for word in (application.employer.name, application.person.name):
        plain = plain.replace(word, STARS)
    return text if plain == text else plain


def group_files(
    item: MeetingItem, files: Iterable[Material]
) -> list[tuple[Label | str, list[tuple[str, int]]]]:
    """(what it proves, [(file name, material id)]); only works without a name when identities
    are hidden.
    """
    application = item.application
    labels: dict[str, Label | str] = {
        slot.code: slot.label for slot in materials.requirement_slots(application)
    }
    form = read_form(application.form_version.definition)
    content = contents.latest_content(application)
    for section in form.pages:
        for slot in materials.section_slots(section, content.get(section.key) or {}):
            labels[slot.code] = slot.label
    grouped: dict[str, list[tuple[str, int]]] = {}
    for file in files:
        if item.meeting.hides_identity and file.requirement_code != READABLE_WHEN_HIDDEN:
            continue
        known = grouped.setdefault(file.requirement_code, [])
        name = f"{len(known) + 1}" if item.meeting.hides_identity else file.filename
        known.append((name, file.id))
    return [(labels.get(code, code), rows) for code, rows in grouped.items()]
