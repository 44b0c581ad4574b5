"""The part of an application's content the process fills in itself: what was chosen, and who the
applicant is.

Full document and telephone numbers never enter the content: it is read by many and kept for good.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.domain.codes import mask_phone
from app.models import Application, Person
from app.services.form_definition import INFO, PROFILE, FormDefinition
from app.services.form_values import clean_text, new_row_id, read_phone


def facts_of(application: Application) -> dict[str, dict[str, Any]]:
    """Section -> values, as they stand now in the application, the person and the unit."""
    person = application.person
    return {
        INFO: {
            "plan_year": application.plan_year,
            "plan_category": application.category.name,
            "specialty": application.specialty.name if application.specialty else "",
            "title_level": int(application.level),
            "title_name": application.title_name,
            "application_kind": application.kind.value,
            "committee": application.committee.name,
            "has_oral_defence": application.committee.has_oral_defence,
        },
        PROFILE: {
            "full_name": person.name,
            "identity_document": person.identity_document.value,
            "document_number": person.identity_mask,
            "gender": person.gender.value if person.gender else None,
            "born_on": person.birth_date.isoformat() if person.birth_date else None,
            "phone": person.phone_mask,
            "unit": application.employer.name,
        },
    }


def refresh_facts(application: Application) -> None:
    """Write the facts into the content; the version is not raised, nobody typed them."""
    content = dict(application.content)
    for key, values in facts_of(application).items():
        content[key] = {**(content.get(key) or {}), **values}
    application.content = content


def keep_phone(person: Person, typed: Any) -> None:
    """Take over a telephone number typed into the form; its mask means "as it was"."""
    text = clean_text(typed)
    if not text or text == person.phone_mask:
        return
    person.phone = read_phone(text)
    person.phone_mask = mask_phone(person.phone)


def content_from_profile(form: FormDefinition, profile: Mapping[str, Any]) -> dict[str, Any]:
    """What the person's profile already knows, so that nobody types it again (ui: offered, not
    retyped).
    """
    content: dict[str, Any] = {}
    for section in form.pages:
        given = profile.get(section.key)
        if section.key == PROFILE:
            given = {f.name: profile[f.name] for f in section.fields if f.name in profile}
        elif given is not None and not isinstance(given, Mapping):
            given = {section.fields[0].name: given}
        if given:
            content[section.key] = _with_row_ids(section.fields, given)
    return content


def _with_row_ids(fields: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for field in fields:
        value = given.get(field.name)
        if field.name not in given or field.is_file:
            continue
        if field.kind == "rows":
            names = {column.name for column in field.columns if not column.is_file}
            value = [
                {
                    **{name: row.get(name) for name in names},
                    "row_id": row.get("row_id") or new_row_id(),
                }
                for row in value or []
            ]
        values[field.name] = value
    return values
