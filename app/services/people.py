"""专业技术人员: one row per human being (rules E7); numbers are stored encrypted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from app.domain.codes import (
    check_document_number,
    mask_identity,
    mask_phone,
    normalise_code,
    read_birth_date,
    read_gender,
)
from app.domain.errors import RuleViolation
from app.domain.messages import N_
from app.domain.names import require_person_name
from app.domain.terms import ApplicantKind, IdentityDocument
from app.extensions import db
from app.models import Person
from app.services.search_text import pinyin_initials, search_vector
from app.services.settings import parameter

_PHONE = re.compile(r"1[0-9]{10}")
_WITH_BIRTH_DATE = frozenset(
    {
        IdentityDocument.RESIDENT_ID,
        IdentityDocument.HMT_RESIDENCE_PERMIT,
        IdentityDocument.PERMANENT_RESIDENT_ID,
    }
)


@dataclass(frozen=True, repr=False)
class PersonDraft:
    """What a unit enters for one of its people; never printed, because it holds full numbers."""

    name: str
    identity_document: IdentityDocument
    identity_number: str
    phone: str
    applicant_kind: ApplicantKind = ApplicantKind.EMPLOYEE


def find_person(digest: str) -> Person | None:
    """The person with this keyed hash of a document number, if there is one."""
    return db.session.scalar(select(Person).where(Person.identity_hash == digest))


def register_person(draft: PersonDraft, digest: str, *, now: datetime) -> Person:
    """Add a person after checking name, document and telephone.

    Raises InvalidIdentityError or RuleViolation with what to correct.
    """
    name = require_person_name(draft.name)
    if draft.identity_document.value not in parameter("identity_documents"):
        raise RuleViolation(
            N_("This kind of document is not accepted at present. Choose another one.")
        )
    number = normalise_code(draft.identity_number)
    check_document_number(draft.identity_document, number, today=now.date())
    phone = require_phone(draft.phone)
    has_birth_date = draft.identity_document in _WITH_BIRTH_DATE
    person = Person(
        name=name,
        identity_document=draft.identity_document,
        identity_number=number,
        identity_hash=digest,
        identity_mask=mask_identity(number),
        phone=phone,
        phone_mask=mask_phone(phone),
        gender=read_gender(number) if has_birth_date else None,
        birth_date=read_birth_date(number) if has_birth_date else None,
        profile={},
        pinyin=pinyin_initials(name),
        search=search_vector(name),
    )
    db.session.add(person)
    db.session.flush()
    return person


def read_mobile(text: str) -> str | None:
    """The mobile number in a text, eleven digits without blanks; None for anything else."""
    phone = re.sub(r"[\s-]", "", text).removeprefix("+86")
    return phone if _PHONE.fullmatch(phone) else None


def require_phone(text: str) -> str:
    """A mobile number of eleven digits without blanks. Raises RuleViolation."""
    phone = read_mobile(text)
    if phone is None:
        raise RuleViolation(
            N_("Enter a mobile number of 11 digits; the sign-in codes are sent to it.")
        )
    return phone
