"""查询: what the public may see and look up (notice 四(四)); minimal data, numbers never."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Generic, TypeVar

from sqlalchemy import Select, func, select
from sqlalchemy.orm import contains_eager, joinedload, selectinload

from app.domain.codes import check_resident_id
from app.domain.errors import RuleViolation
from app.domain.messages import N_
from app.domain.terms import CallState, Outcome, PublicityKind
from app.domain.workflow import State
from app.extensions import db
from app.models import (
    Application,
    ApplicationVersion,
    CallForApplications,
    Committee,
    EvaluationPlan,
    Person,
    PlanLine,
    Publicity,
    TitleCertificate,
)
from app.services import certificates
from app.services.accounts import identity_hash
from app.services.certificates import Verification
from app.services.settings import parameter

T = TypeVar("T")

PAGE_ROWS = 50
NAME_LENGTH = 60
RESIDENT_ID_LENGTH = 18
LARGEST_KEY = 2**31 - 1
"""Keys are 32-bit integers in the database; a larger number in an address finds nothing."""

RESULT_STATES = (
    State.AWAITING_CONFIRMATION,
    State.CONFIRMED,
    State.CERTIFIED,
)
"""States whose outcome is out: the result publicity is over."""


@dataclass(frozen=True)
class Page(Generic[T]):
    """Rows of one page, the page's number from 1, and how many pages there are."""

    rows: list[T]
    number: int
    pages: int


@dataclass(frozen=True)
class OutcomeFound:
    """What a person's own look-up says of one application."""

    plan_year: int
    series: str
    specialty: str
    title_name: str
    committee: str
    state: State
    outcome: Outcome | None
    decided_on: date | None
    certificate_number: str | None


def list_calls(*, now: datetime, page: int = 1) -> Page[CallForApplications]:
    """Published calls for applications: open windows and the next ones first, closed ones last."""
    query = (
        select(CallForApplications)
        .join(CallForApplications.plan_line)
        .join(CallForApplications.committee)
        .where(CallForApplications.state == CallState.PUBLISHED)
        .options(
            contains_eager(CallForApplications.committee),
            contains_eager(CallForApplications.plan_line),
        )
        .order_by(
            PlanLine.applications_close_at < now,
            PlanLine.applications_open_at,
            Committee.name,
            CallForApplications.id,
        )
    )
    return _page(query, page)


def get_call(call_id: int) -> CallForApplications | None:
    """A published call with its committee, requirements and plan line."""
    if call_id > LARGEST_KEY:
        return None
    return db.session.scalar(
        select(CallForApplications)
        .where(CallForApplications.id == call_id, CallForApplications.state == CallState.PUBLISHED)
        .options(
            joinedload(CallForApplications.plan_line),
            joinedload(CallForApplications.committee).joinedload(Committee.convener),
            joinedload(CallForApplications.committee).selectinload(Committee.requirements),
        )
    )


def list_publicities(kind: PublicityKind, *, now: datetime, page: int = 1) -> Page[Publicity]:
    """Running publicities anyone may see: results always, the employers' only if the province
    opened them (F1)."""
    if kind is PublicityKind.EMPLOYER and not parameter("employer_publicity_is_open"):
        return Page([], 1, 1)
    query = (
        _running(now)
        .where(Publicity.kind == kind)
        .options(
            joinedload(Publicity.application).joinedload(Application.committee),
            joinedload(Publicity.application).joinedload(Application.person),
            joinedload(Publicity.application).joinedload(Application.employer),
            joinedload(Publicity.application).joinedload(Application.series),
            joinedload(Publicity.application).joinedload(Application.specialty),
        )
        .order_by(Publicity.ends_at, Publicity.id)
    )
    return _page(query, page)


def get_publicity(publicity_id: int, *, now: datetime) -> Publicity | None:
    """A publicity anyone may see while it runs; afterwards its page is closed."""
    if publicity_id > LARGEST_KEY:
        return None
    found: Publicity | None = db.session.scalar(_running(now).where(Publicity.id == publicity_id))
    if found is None or (
        found.kind is PublicityKind.EMPLOYER and not parameter("employer_publicity_is_open")
    ):
        return None
    return found


def _running(now: datetime) -> Select[Publicity]:
    return select(Publicity).where(
        Publicity.opened_at <= now, Publicity.closed_at.is_(None), Publicity.ends_at > now
    )


def list_results(*, plan_year: int | None, page: int = 1) -> Page[Application]:
    """Applications passed and past their result publicity: name, unit, series, title; experts'
    names never (D6)."""
    query = (
        select(Application)
        .join(Person, Person.id == Application.person_id)
        .where(Application.outcome == Outcome.PASSED, Application.state.in_(RESULT_STATES))
        .options(
            joinedload(Application.person),
            joinedload(Application.employer),
            joinedload(Application.series),
            joinedload(Application.specialty),
            joinedload(Application.committee),
        )
        .order_by(Application.plan_year.desc(), Application.committee_id, Person.pinyin, Person.id)
    )
    if plan_year is not None:
        query = query.where(Application.plan_year == plan_year)
    return _page(query, page)


def list_result_years() -> list[int]:
    """The plan years that have results, the latest first."""
    return list(
        db.session.scalars(
            select(Application.plan_year)
            .where(Application.outcome == Outcome.PASSED, Application.state.in_(RESULT_STATES))
            .distinct()
            .order_by(Application.plan_year.desc())
        )
    )


def lookup_outcome(name: str, identity_number: str) -> list[OutcomeFound]:
    """A person's own outcomes by name and document number together; RuleViolation for an
    impossible number."""
    person = _find_person(name, identity_number)
    if person is None:
        return []
    rows = db.session.execute(
        select(Application, TitleCertificate.number)
        .outerjoin(TitleCertificate, TitleCertificate.application_id == Application.id)
        .where(Application.person_id == person.id, Application.submitted_at.is_not(None))
        .options(
            joinedload(Application.series),
            joinedload(Application.specialty),
            joinedload(Application.committee),
        )
        .order_by(Application.plan_year.desc(), Application.id.desc())
    )
    return [_outcome(row, certificate) for row, certificate in rows]


def _outcome(row: Application, certificate: str | None) -> OutcomeFound:
    """Before its result publicity is over an application shows its state, not its outcome."""
    is_out = row.state in {*RESULT_STATES, State.NOT_PASSED, State.REVOKED}
    return OutcomeFound(
        plan_year=row.plan_year,
        series=row.series.name,
        specialty=row.specialty.name if row.specialty else "",
        title_name=row.title_name,
        committee=row.committee.name,
        state=row.state,
        outcome=row.outcome if is_out else None,
        decided_on=row.decided_on if is_out else None,
        certificate_number=certificate,
    )


def lookup_certificates(name: str, identity_number: str) -> list[TitleCertificate]:
    """A person's certificates by name and document number together, earlier years included."""
    _require_possible(name, identity_number)
    return list(
        db.session.scalars(
            select(TitleCertificate)
            .where(
                TitleCertificate.identity_hash == identity_hash(identity_number),
                TitleCertificate.person_name == name.strip(),
            )
            .order_by(TitleCertificate.effective_on.desc())
        )
    )


def find_receipt(number: str) -> ApplicationVersion | None:
    """A receipt by its number, for whoever holds it."""
    wanted = number.strip()
    if not wanted.isprintable():
        return None
    return db.session.scalar(
        select(ApplicationVersion).where(ApplicationVersion.receipt_number == wanted)
    )


def find_certificate(number: str) -> Verification | None:
    """What there is under a certificate number; None for nothing, and for what cannot be one."""
    return certificates.verify(number) if number.isprintable() else None


def find_plan(year: int) -> EvaluationPlan | None:
    """The evaluation plan of a year with its lines."""
    return db.session.scalar(
        select(EvaluationPlan)
        .where(EvaluationPlan.year == year)
        .options(selectinload(EvaluationPlan.lines))
    )


def list_contacts() -> list[Committee]:
    """Active committees with their convening units and telephone numbers."""
    return list(
        db.session.scalars(
            select(Committee)
            .where(Committee.is_active)
            .options(joinedload(Committee.convener), joinedload(Committee.series))
            .order_by(Committee.series_id, Committee.name)
        )
    )


def mask_name(name: str) -> str:
    """A name for answers to programs: the first character, and the last of three or more."""
    tail = name[-1] if len(name) > 2 else ""
    return name[:1] + "*" * (len(name) - 1 - len(tail)) + tail if len(name) > 1 else "*"


def _find_person(name: str, identity_number: str) -> Person | None:
    _require_possible(name, identity_number)
    return db.session.scalar(
        select(Person).where(
            Person.identity_hash == identity_hash(identity_number), Person.name == name.strip()
        )
    )


def _require_possible(name: str, identity_number: str) -> None:
    if not name.strip():
        raise RuleViolation(N_("Type the name as it stands in the document."))
    if len(name.strip()) > NAME_LENGTH or not name.strip().isprintable():
        raise RuleViolation(N_("This cannot be a name. Type it as it stands in the document."))
    number = identity_number.strip().upper()
    if len(number) == RESIDENT_ID_LENGTH:
        check_resident_id(number, today=date.max)
    elif not 5 <= len(number) <= 24 or not (number.isascii() and number.isalnum()):
        raise RuleViolation(N_("The document number is not valid. Type it as it is printed."))


def _page(query: Select[T], number: int) -> Page[T]:
    total = (
        db.session.scalar(select(func.count()).select_from(query.order_by(None).subquery())) or 0
    )
    pages = max(1, -(-total // PAGE_ROWS))
    number = min(max(1, number), pages)
    rows = db.session.scalars(query.limit(PAGE_ROWS).offset((number - 1) * PAGE_ROWS)).unique()
    return Page(list(rows), number, pages)
