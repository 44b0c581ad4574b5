"""Applicants for tests: a draft of a demo person, filled in and with every file it needs."""

from __future__ import annotations

import zlib
from datetime import datetime
from struct import pack
from typing import Any

from sqlalchemy import select

from app.domain.terms import ApplicationKind
from app.extensions import db
from app.models import (
    Account,
    Application,
    Committee,
    Person,
    PlanCategory,
    Specialty,
    SpecialtyGroup,
)
from app.security.actors import actor_of
from app.services import applications, materials
from app.services.actors import Actor
from app.services.form_definition import MATERIALS, read_form
from app.services.precheck import pre_check

BUILDING = "贵州省工程系列建筑专业高级职称评审委员会（演示）"


def small_pdf(text: str = "x") -> bytes:
    """A whole PDF of one empty page; another text makes another file."""
    head = f"%PDF-1.4\n% {text}\n".encode()
    objects = [
        b"1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n",
        b"2 0 obj\n<</Type/Pages/Kids[3 0 R]/Count 1>>\nendobj\n",
        b"3 0 obj\n<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]>>\nendobj\n",
    ]
    body, places = head, []
    for each in objects:
        places.append(len(body))
        body += each
    table = b"xref\n0 4\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % p for p in places)
    tail = b"trailer\n<</Size 4/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % len(body)
    return body + table + tail


def small_png() -> bytes:
    """A whole PNG of one pixel."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + name + data + pack(">I", zlib.crc32(name + data))

    header = pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    parts = [
        chunk(b"IHDR", header),
        chunk(b"IDAT", zlib.compress(b"\0\0\0\0")),
        chunk(b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def person_named(name: str) -> Person:
    """A demo person."""
    return db.session.scalars(select(Person).where(Person.name == name)).one()


def actor_named(name: str) -> Actor:
    """The account of a demo person as services see it."""
    return actor_of(
        db.session.scalars(
            select(Account).join(Person, Person.id == Account.person_id).where(Person.name == name)
        ).one()
    )


def choice_of(
    *,
    committee: str = BUILDING,
    category: str = "engineering",
    specialty: str = "建筑设计",
    level: int = 2,
    kind: ApplicationKind = ApplicationKind.REGULAR,
) -> dict[str, Any]:
    """Keyword arguments of a choice, by names."""
    chosen = db.session.scalars(select(Committee).where(Committee.name == committee)).one()
    row = db.session.scalars(select(PlanCategory).where(PlanCategory.slug == category)).one()
    found = db.session.scalars(
        select(Specialty)
        .join(Specialty.group)
        .where(Specialty.name == specialty)
        .where(SpecialtyGroup.series_id == chosen.series_id)
        .where(SpecialtyGroup.category_slug.in_(["", category]))
    ).first()
    return {
        "category_id": row.id,
        "series_id": chosen.series_id,
        "specialty_id": found.id if found else None,
        "level": level,
        "committee_id": chosen.id,
        "kind": kind,
    }


def begin_draft(name: str, now: datetime, **choice: Any) -> Application:
    """The draft a demo person begins."""
    return applications.create_application(
        person_named(name).id, actor=actor_named(name), now=now, **choice_of(**choice)
    )


def fill_in(application: Application, now: datetime) -> Application:
    """Fill in what the profile does not know and upload every missing file."""
    actor = actor_of(
        db.session.scalars(select(Account).where(Account.person_id == application.person_id)).one()
    )
    applications.save_section(
        application.id,
        "application_info",
        {"current_field": "建筑设计"},
        actor=actor,
        now=now,
        expected_content_version=application.content_version,
    )
    form = read_form(application.form_version.definition)
    slots = materials.requirement_slots(application)
    for page in form.pages:
        slots += materials.section_slots(page, application.content.get(page.key) or {})
    wanted = {(f.section, f.params.get("field")) for f in pre_check(application, now=now)}
    for slot in slots:
        if (slot.section, slot.path) in wanted or (slot.section == MATERIALS and slot.is_required):
            photo = "pdf" not in slot.types
            materials.add_material(
                application.id,
                slot.code,
                small_png() if photo else small_pdf(slot.code),
                f"{slot.label.zh[:20]}.{'png' if photo else 'pdf'}",
                actor=actor,
                now=now,
            )
    return application


def submit(application: Application, now: datetime, key: str = "key-0001") -> Any:
    """Submit as the applicant."""
    actor = actor_of(
        db.session.scalars(select(Account).where(Account.person_id == application.person_id)).one()
    )
    return applications.submit_application(
        application.id, actor=actor, now=now, idempotency_key=key, pledged=True
    )
