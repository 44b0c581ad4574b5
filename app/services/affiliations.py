"""人事隶属关系: one open affiliation a person, one after the other without gap or overlap."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import func, select

from app.domain.calendar import ONE_DAY, beijing_date
from app.domain.errors import ConflictError
from app.domain.messages import N_
from app.domain.terms import ApplicantKind
from app.domain.transfers import NOT_BLOCKING
from app.extensions import db
from app.models import Application, Expert, Person, PersonnelAffiliation


def lock_person(person_id: int) -> Person:
    """The person, locked until the transaction ends: whoever asks, moves or attaches waits.

    The weaker lock lets rows that refer to the person be written meanwhile: a submission holds its
    application and refers to the person, a transfer locks them the other way round.
    """
    return db.session.get_one(
        Person,
        person_id,
        with_for_update={"of": Person, "key_share": True},
        populate_existing=True,
    )


def present_affiliation(person_id: int) -> PersonnelAffiliation | None:
    """Where the person belongs now."""
    return db.session.scalar(
        select(PersonnelAffiliation)
        .where(PersonnelAffiliation.person_id == person_id, PersonnelAffiliation.ends_on.is_(None))
        .execution_options(populate_existing=True)
    )


def first_free_day(person_id: int, *, now: datetime) -> date:
    """Today, or the day after the last affiliation: a day belongs to one unit only."""
    last_on = db.session.scalar(
        select(func.max(PersonnelAffiliation.ends_on)).where(
            PersonnelAffiliation.person_id == person_id
        )
    )
    today = beijing_date(now)
    return max(today, last_on + ONE_DAY) if last_on is not None else today


def find_blocking_application(person_id: int) -> Application | None:
    """The application under way that keeps its person in the unit of submission (B7)."""
    return db.session.scalar(
        select(Application)
        .where(
            Application.person_id == person_id,
            Application.submitted_at.is_not(None),
            Application.state.not_in(NOT_BLOCKING),
        )
        .order_by(Application.id)
        .limit(1)
    )


def require_no_application_under_way(person_id: int) -> None:
    """Refuse to part person and unit while an application is under way (B7).

    The applications are locked first: one that is being submitted at this moment counts.
    """
    db.session.scalars(
        select(Application.id).where(Application.person_id == person_id).with_for_update()
    ).all()
    found = find_blocking_application(person_id)
    if found is not None:
        raise ConflictError(
            N_(
                "The application %(number)s is under way; it stays with the unit of submission "
                "until it has ended. The person can ask to withdraw it."
            ),
            number=found.number,
        )


def open_affiliation(
    person: Person, unit_id: int, kind: ApplicantKind, *, starts_on: date
) -> PersonnelAffiliation:
    """Begin an affiliation, after the one before has been closed.

    A review expert goes along: recusal looks at the unit (R67). A draft follows at its submission.
    """
    row = PersonnelAffiliation(
        person_id=person.id, unit_id=unit_id, applicant_kind=kind, starts_on=starts_on
    )
    db.session.add(row)
    expert = db.session.scalar(select(Expert).where(Expert.person_id == person.id))
    if expert is not None:
        expert.unit_id = unit_id
    db.session.flush()
    return row
