"""职称证书: numbers, issue, verification, PDF, revocation (rules 3.2 rows 35 and 38, notice
四(四)).
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import select

from app.domain.codes import compute_id_check
from app.domain.errors import ConflictError, RuleViolation
from app.domain.messages import N_
from app.domain.terms import UnitKind
from app.domain.workflow import Action, State
from app.extensions import db
from app.models import Application, Committee, CreditRecord, TitleCertificate, Unit
from app.services.actors import SYSTEM, Actor
from app.services.audit import record
from app.services.documents import qr_svg, render_pdf, require_glyphs
from app.services.routing import end_step
from app.services.settings import parameter
from app.services.transitions import (
    Effects,
    account_of_person,
    accounts_of_unit,
    transition,
    unit_chain,
)

PROVINCE_CODE: Final = "52"
"""GB/T 2260: Guizhou."""

NUMBER_LENGTH: Final = 16

LEVEL_NAMES: Final = {1: "正高级", 2: "副高级", 3: "中级", 4: "助理级", 5: "员级"}
"""The levels as a Chinese document prints them (rules 4)."""


class CertificateState(StrEnum):
    """What a verification finds."""

    VALID = "valid"
    REVOKED = "revoked"
    ALTERED = "altered"


@dataclass(frozen=True)
class Verification:
    """A certificate found by its number, and whether it still says what was issued."""

    certificate: TitleCertificate
    state: CertificateState
    issuer: str


# --------------------------------------------------------------------------- number


def make_number(plan_year: int, level: int, serial: int) -> str:
    """52 + year + level + 8 digits + check character (ISO 7064 MOD 11-2, as of identity numbers).

    The serial is random: the numbers of other certificates cannot be guessed from one's own.
    """
    body = f"{PROVINCE_CODE}{plan_year}{level}{serial:08d}"
    return body + _check_character(body)


def is_number(text: str) -> bool:
    """Whether a text is shaped like a certificate number and its check character fits."""
    number = text.strip().upper()
    body = number[:-1]
    return (
        len(number) == NUMBER_LENGTH
        and body.isascii()
        and body.isdigit()
        and number[-1] == _check_character(body)
    )


def _check_character(body: str) -> str:
    return compute_id_check(body.rjust(17, "0"))


def _new_number(application: Application) -> str:
    for _try in range(100):
        number = make_number(
            application.plan_year, int(application.level), secrets.randbelow(10**8)
        )
        if not db.session.scalar(
            select(TitleCertificate.id).where(TitleCertificate.number == number)
        ):
            return number
    raise ConflictError(N_("No free certificate number was found. Try again."))


# --------------------------------------------------------------------------- issue


def issue_certificate(application_id: int, *, now: datetime) -> TitleCertificate:
    """Issue the certificate of a confirmed application, once (row 35); the same one again when
    asked twice.

    Raises MissingGlyphsError, before anything is written, when the name or unit cannot be printed.
    """
    known = certificate_of(application_id)
    if known is not None:
        return known
    application = db.session.get_one(Application, application_id)
    require_glyphs(application.person.name, application.employer.name, application.title_name)
    row = _describe(application, now)

    def decide(locked: Application) -> Effects:
        return Effects(
            data={"certificate": row.number},
            apply=lambda _application, _state: db.session.add(row),
            tell=[
                ("certified", account)
                for account in dict.fromkeys(
                    [*account_of_person(locked.person_id), *accounts_of_unit(locked.employer_id)]
                )
            ],
        )

    transition(application_id, Action.CERTIFY, actor=SYSTEM, now=now, decide=decide)
    return row


def certificate_of(application_id: int) -> TitleCertificate | None:
    """The certificate of an application, if it has been issued."""
    return db.session.scalar(
        select(TitleCertificate).where(TitleCertificate.application_id == application_id)
    )


def _describe(application: Application, now: datetime) -> TitleCertificate:
    """The row: the name and number come from the account, never from the form (rules 6, 14)."""
    row = TitleCertificate(
        number=_new_number(application),
        application_id=application.id,
        person_name=application.person.name,
        identity_hash=application.person.identity_hash,
        identity_mask=application.person.identity_mask,
        unit_name=application.employer.name,
        series_name=application.series.name,
        specialty_name=application.specialty.name if application.specialty else "",
        level=application.level,
        title_name=application.title_name,
        committee_name=application.committee.name,
        plan_year=application.plan_year,
        effective_on=_effective_on(application, now),
        issued_at=now,
        revocation_reason="",
    )
    row.content_hash = hash_certificate(row)
    return row


def _effective_on(application: Application, now: datetime) -> date:
    """The ballot day, or the day of confirmation by parameter (rules 3.6)."""
    if parameter("certificate_effective_date") == "ballot_day" and application.decided_on:
        return application.decided_on
    return now.date()


def hash_certificate(row: TitleCertificate) -> str:
    """SHA-256 of what the certificate says; printed on it and compared at every verification."""
    facts = {
        "number": row.number,
        "person_name": row.person_name,
        "identity_hash": row.identity_hash,
        "unit_name": row.unit_name,
        "series_name": row.series_name,
        "specialty_name": row.specialty_name,
        "level": int(row.level),
        "title_name": row.title_name,
        "committee_name": row.committee_name,
        "plan_year": row.plan_year,
        "effective_on": row.effective_on.isoformat(),
    }
    text = json.dumps(facts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


# --------------------------------------------------------------------------- verification, PDF


def verify(number: str) -> Verification | None:
    """What there is under a certificate number; None when there is nothing (notice 四(四))."""
    row = db.session.scalar(
        select(TitleCertificate).where(TitleCertificate.number == number.strip().upper())
    )
    if row is None:
        return None
    state = CertificateState.VALID
    if row.content_hash != hash_certificate(row):
        state = CertificateState.ALTERED
    elif row.revoked_at is not None:
        state = CertificateState.REVOKED
    return Verification(certificate=row, state=state, issuer=issuer_of(row))


def confirming_department(committee: Committee) -> Unit:
    """The HRSS department that confirms a committee's results: the nearest above its convener
    (R69).
    """
    for unit in unit_chain(committee.convener):
        if unit.kind is UnitKind.HRSS:
            return unit
    raise RuleViolation(
        N_("No HRSS department stands above %(unit)s. Have its superior unit put right."),
        unit=committee.convener.name,
    )


def issuer_of(certificate: TitleCertificate) -> str:
    """Whose seal the certificate carries: the self-reviewing unit, or the confirming department."""
    application = certificate.application
    if application is None:
        return certificate.committee_name
    committee = application.committee
    if committee.is_self_reviewing:
        return committee.convener.name
    return confirming_department(committee).name


def certificate_pdf(certificate: TitleCertificate, *, public_url: str) -> bytes:
    """The certificate, A4 landscape, with a QR code to PUBLIC_URL/public/verify/NUMBER."""
    return render_pdf("certificate", certificate_data(certificate, public_url=public_url))


def certificate_data(certificate: TitleCertificate, *, public_url: str) -> dict[str, Any]:
    """What the template prints."""
    address = f"{public_url.rstrip('/')}/public/verify/{certificate.number}"
    return {
        "number": certificate.number,
        "issuer": issuer_of(certificate),
        "person_name": certificate.person_name,
        "identity_mask": certificate.identity_mask,
        "unit_name": certificate.unit_name,
        "committee_name": certificate.committee_name,
        "series_name": certificate.series_name,
        "specialty_name": certificate.specialty_name,
        "title_name": certificate.title_name,
        "level_name": LEVEL_NAMES[int(certificate.level)],
        "effective_on": chinese_date(certificate.effective_on),
        "issued_on": chinese_date(certificate.issued_at.date()),
        "content_hash": certificate.content_hash,
        "verify_url": address,
        "qr": qr_svg(address),
        "revoked_on": chinese_date(certificate.revoked_at.date()) if certificate.revoked_at else "",
    }


def chinese_date(day: date) -> str:
    """2022年11月20日, as documents print it."""
    return f"{day.year}年{day.month}月{day.day}日"


# --------------------------------------------------------------------------- fraud (row 38)


def revoke_certificate(
    certificate_id: int,
    finding: str,
    *,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> TitleCertificate:
    """Revoke a certificate for fraud: the title is lost, the credit record kept three years
    (R73).
    """
    certificate = db.session.get_one(TitleCertificate, certificate_id)
    text = _require_finding(finding)
    if certificate.application_id is None:
        raise RuleViolation(N_("This certificate belongs to no application of this portal."))

    def apply(application: Application, _state: State) -> None:
        certificate.revoked_at = now
        certificate.revocation_reason = text
        enter_credit_record(application.person_id, application.id, text, now)

    transition(
        certificate.application_id,
        Action.REVOKE,
        actor=actor,
        now=now,
        decide=lambda application: Effects(
            reason=text, apply=apply, tell=_tell("revoked", application)
        ),
        expected_version=expected_version,
    )
    record("revoke_certificate", certificate, actor=actor, now=now, reason=text)
    return certificate


def disqualify_application(
    application_id: int,
    finding: str,
    *,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
    enters_credit_record: bool = True,
) -> Application:
    """Disqualify an application for fraud, from any state; a running publicity ends (rows 32,
    38, R73). A finding of misconduct enters its own credit record, or none.
    """
    text = _require_finding(finding)

    def apply(application: Application, _state: State) -> None:
        for publicity in application.publicities:
            if publicity.closed_at is None:
                publicity.closed_at = now
                publicity.close_note = text
        end_step(application, at=now)
        if enters_credit_record:
            enter_credit_record(application.person_id, application.id, text, now)

    transition(
        application_id,
        Action.DISQUALIFY,
        actor=actor,
        now=now,
        decide=lambda application: Effects(
            reason=text, apply=apply, tell=_tell("disqualified", application)
        ),
        expected_version=expected_version,
    )
    return db.session.get_one(Application, application_id)


def _require_finding(finding: str) -> str:
    if not finding.strip():
        raise RuleViolation(N_("Write the finding: what was found, and how it was established."))
    return finding.strip()


def _tell(kind: str, application: Application) -> list[tuple[str, int]]:
    told = [*account_of_person(application.person_id), *accounts_of_unit(application.employer_id)]
    return [(kind, account) for account in dict.fromkeys(told)]


def enter_credit_record(
    person_id: int, application_id: int | None, finding: str, now: datetime
) -> CreditRecord:
    """Bar a person from applying for the years the province has set (R29, R73)."""
    years = int(parameter("credit_record_years"))
    today = now.date()
    try:
        until = today.replace(year=today.year + years)
    except ValueError:  # 29 February
        until = today.replace(year=today.year + years, day=28)
    row = CreditRecord(
        person_id=person_id,
        application_id=application_id,
        finding=finding,
        from_on=today,
        until_on=until,
    )
    db.session.add(row)
    db.session.flush()
    return row
