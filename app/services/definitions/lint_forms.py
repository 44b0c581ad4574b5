"""What the application form must keep: its 17 sections, and the fields the process lives on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.domain.messages import N_
from app.services.definitions.findings import Finding, checks
from app.services.definitions.places import Place, all_places, live_places, name_of
from app.services.form_definition import (
    APPLICATION_FORM,
    APPRAISALS,
    CHOSEN,
    CONTINUING_EDUCATION,
    EXCEPTIONAL_GROUNDS,
    INFO,
    MATERIALS,
    PLEDGE,
    PRESENT_TITLE,
    PROFILE,
    REPRESENTATIVE_WORKS,
    WORK_HISTORY,
)

Definition = Mapping[str, Any]

SECTIONS: Final = (
    INFO,
    PROFILE,
    "education",
    WORK_HISTORY,
    PRESENT_TITLE,
    APPRAISALS,
    CONTINUING_EDUCATION,
    "achievements",
    "publications",
    "patents",
    "awards",
    REPRESENTATIVE_WORKS,
    EXCEPTIONAL_GROUNDS,
    "tests",
    "work_summary",
    PLEDGE,
    MATERIALS,
)
"""The sections of an application in their order (rules 5)."""

NEEDED: Final = frozenset(
    {f"{INFO}.{name}" for name in (*CHOSEN, "plan_year", "has_oral_defence")}
    | {
        f"{PROFILE}.{name}"
        for name in (
            *("full_name", "identity_document", "document_number", "gender", "born_on", "phone"),
            *("unit", "photo", "work_started_on"),
        )
    }
    | {f"{PRESENT_TITLE}.{name}" for name in ("has_no_title", "title_level", "awarded_on")}
    | {f"{APPRAISALS}.appraisals{name}" for name in ("", ".year", ".grade")}
    | {
        f"{CONTINUING_EDUCATION}.continuing_education{name}"
        for name in ("", ".year", ".public_hours", ".specialty_hours")
    }
    | {f"{WORK_HISTORY}.work_history{name}" for name in ("", ".from_month", ".to_month")}
    | {f"{REPRESENTATIVE_WORKS}.representative_works"}
    | {f"{EXCEPTIONAL_GROUNDS}.grounds", f"{PLEDGE}.is_accepted", f"{MATERIALS}.materials"}
)
"""What the process fills in, checks or hands on by name: facts, pre-check, publicity,
certificate."""

PUBLICISED: Final = frozenset(
    {f"{PROFILE}.full_name", f"{PROFILE}.unit", f"{INFO}.title_level", f"{INFO}.specialty"}
)
"""Without these nobody knows whom a publicity is about (rules F1)."""


def address_of(place: Place) -> str:
    """`section.field` or `section.rows.column`."""
    owner = f".{place.owner['name']}" if place.owner else ""
    return f"{place.section}{owner}.{place.name}"


def _is_application_form(definition: Definition) -> bool:
    return bool(definition["key"] == APPLICATION_FORM)


@checks("form")
def check_form_sections(definition: Definition) -> Iterator[Finding]:
    """The sections are fixed, and so is their order (rules 5)."""
    if not _is_application_form(definition):
        return
    keys = [str(section["key"]) for section in definition["sections"]]
    for key in SECTIONS:
        if key not in keys:
            yield Finding(
                "section_missing",
                f"sections/{key}",
                N_("The section “%(section)s” of the application form is missing. Set it back."),
                {"section": key},
            )
    for key in keys:
        if key not in SECTIONS:
            yield Finding(
                "section_added",
                f"sections/{key}",
                N_(
                    "The application form has 17 fixed sections; “%(section)s” is none of them. "
                    "Put its fields into one of those."
                ),
                {"section": key},
            )
    known = [key for key in keys if key in SECTIONS]
    numbers = [section.get("number") for section in definition["sections"]]
    is_whole = len(known) == len(SECTIONS) == len(keys)
    if known != [key for key in SECTIONS if key in known] or (
        is_whole and numbers != [*range(1, len(SECTIONS) + 1)]
    ):
        yield Finding(
            "sections_reordered",
            "sections",
            N_("The order of the sections of the application form is fixed. Set it back."),
        )
    for section in definition["sections"]:
        live = [f for f in section.get("fields", ()) if not f.get("is_retired")]
        if section["key"] in SECTIONS and not any(not f.get("is_hidden") for f in live):
            yield Finding(
                "form_section_empty",
                f"sections/{section['key']}",
                N_("The section %(section)s shows no field. Show one of its fields again."),
                {"section": name_of(section)},
            )


@checks("form")
def check_needed(definition: Definition) -> Iterator[Finding]:
    """What the process lives on is neither hidden nor retired nor kept back from publicity."""
    if not _is_application_form(definition):
        return
    for place in all_places(definition):
        if address_of(place) not in NEEDED:
            continue
        params = {"field": place.title}
        if place.has("is_hidden") or place.given.get("in_form") is False:
            template = N_("%(field)s: the review needs this field. It cannot be hidden.")
            yield Finding("needed_hidden", place.path, template, params)
        if place.has("is_retired"):
            template = N_("%(field)s: the review needs this field. It cannot be retired.")
            yield Finding("needed_retired", place.path, template, params)
        if address_of(place) in PUBLICISED and not place.has("is_publicised"):
            template = N_(
                "%(field)s: a publicity without it names nobody (rules F1). Tick “shown in "
                "publicity”."
            )
            yield Finding("publicity_needed", place.path, template, params)


@checks("form")
def check_moved(definition: Definition) -> Iterator[Finding]:
    """A field of a form is filled in, locked and returned with its own section."""
    for place in live_places(definition):
        if "moved_to" in place.given:
            yield Finding(
                "moved_in_form",
                place.path,
                N_("%(field)s: fields of a form stay in their section. Set the move back."),
                {"field": place.title},
            )
