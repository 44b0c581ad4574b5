"""The application form as its screen definition describes it: sections and fields, read from a
DefinitionVersion.

An application keeps the version it was begun with; everything that draws, reads, checks or shows
its content goes by these objects and knows no field by name, except the few the process itself
fills in (`applicant_facts`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.domain.errors import ConflictError
from app.domain.messages import N_
from app.models import DefinitionVersion
from app.services.definitions.versions import newest_version

APPLICATION_FORM: Final = "application_form"

INFO: Final = "application_info"
PROFILE: Final = "profile"
PRESENT_TITLE: Final = "present_title"
APPRAISALS: Final = "appraisals"
CONTINUING_EDUCATION: Final = "continuing_education"
WORK_HISTORY: Final = "work_history"
REPRESENTATIVE_WORKS: Final = "representative_works"
EXCEPTIONAL_GROUNDS: Final = "exceptional_grounds"
PLEDGE: Final = "integrity_pledge"
MATERIALS: Final = "materials"

CHOSEN: Final = frozenset(
    {"plan_category", "specialty", "title_level", "title_name", "application_kind", "committee"}
)
"""Fields of INFO that the choice of committee fills in; they are changed there, not typed."""


class Label(str):
    """A text of the definition: English, with its Chinese beside it."""

    __slots__ = ("zh",)
    zh: str

    def __new__(cls, text: str, zh: str = "") -> Label:
        """Return `text`; without Chinese it stands for both."""
        made = super().__new__(cls, text)
        made.zh = zh or text
        return made


@dataclass(frozen=True)
class Field:
    """One field, or one column of a field of kind `rows`."""

    name: str
    kind: str
    label: Label
    help: Label
    is_required: bool = False
    is_read_only: bool = False
    is_publicised: bool = False
    required_when: str = ""
    dictionary: str = ""
    source: str = ""
    enumeration: str = ""
    options: tuple[tuple[str, Label], ...] = ()
    max_length: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    min_rows: int = 0
    max_rows: int = 50
    is_multiple: bool = False
    columns: tuple[Field, ...] = ()

    @property
    def is_file(self) -> bool:
        """Whether its values are uploaded files, kept as materials and not in the content."""
        return self.kind == "file"


@dataclass(frozen=True)
class Section:
    """部分: one topic, one page."""

    key: str
    number: int
    label: Label
    help: Label
    fields: tuple[Field, ...]

    def is_typed(self, field: Field) -> bool:
        """Whether the applicant fills this field in on the section's page."""
        return not (field.is_read_only or (self.key == INFO and field.name in CHOSEN))

    def typed_fields(self) -> Iterator[Field]:
        """The fields the applicant fills in."""
        return (field for field in self.fields if self.is_typed(field))

    def field(self, name: str) -> Field | None:
        """The field of that name."""
        return next((field for field in self.fields if field.name == name), None)


@dataclass(frozen=True)
class FormDefinition:
    """All sections in their fixed order."""

    sections: tuple[Section, ...]

    def section(self, key: str) -> Section | None:
        """The section of that key."""
        return next((section for section in self.sections if section.key == key), None)

    @property
    def pages(self) -> tuple[Section, ...]:
        """The sections with a page of fields: all but the material list and the pledge."""
        return tuple(s for s in self.sections if s.key not in {PLEDGE, MATERIALS})

    def publicised(self) -> tuple[tuple[Section, Field], ...]:
        """The fields a publicity shows (rules F1, B4)."""
        return tuple((s, f) for s in self.sections for f in s.fields if f.is_publicised)


def read_form(definition: Mapping[str, Any]) -> FormDefinition:
    """Return the form a screen definition describes."""
    return FormDefinition(
        tuple(
            Section(
                key=given["key"],
                number=int(given.get("number", place)),
                label=read_label(given, "label"),
                help=read_label(given, "help"),
                fields=tuple(read_field(field) for field in given.get("fields", ())),
            )
            for place, given in enumerate(definition["sections"], start=1)
        )
    )


def read_label(given: Mapping[str, Any], name: str) -> Label:
    """The text of that name and its Chinese."""
    return Label(given.get(name) or "", given.get(f"{name}_zh") or "")


def read_field(given: Mapping[str, Any]) -> Field:
    """Return the field a definition describes."""
    return Field(
        name=given["name"],
        kind=given["kind"],
        label=read_label(given, "label"),
        help=read_label(given, "help"),
        is_required=bool(given.get("is_required")),
        is_read_only=bool(given.get("is_read_only")),
        is_publicised=bool(given.get("is_publicised")),
        required_when=given.get("required_when") or "",
        dictionary=given.get("dictionary") or "",
        source=given.get("source") or "",
        enumeration=given.get("enumeration") or "",
        options=tuple(
            (
                str(option["code"]),
                Label(
                    option.get("label") or option.get("name") or "",
                    option.get("label_zh") or option.get("name") or "",
                ),
            )
            for option in given.get("options") or ()
        ),
        max_length=given.get("max_length"),
        minimum=given.get("minimum"),
        maximum=given.get("maximum"),
        min_rows=int(given.get("min_rows") or 0),
        max_rows=int(given.get("max_rows") or 50),
        is_multiple=bool(given.get("multiple")),
        columns=tuple(read_field(column) for column in given.get("columns") or ()),
    )


def current_form() -> DefinitionVersion:
    """The published version of the application form new drafts begin with."""
    version = newest_version(APPLICATION_FORM)
    if version is None:
        raise ConflictError(
            N_("The application form is not set up yet. Tell the administrator and come back.")
        )
    return version
