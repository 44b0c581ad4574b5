"""专家 and 专家库: who may be drawn for a committee (rules R10-R12)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select

from app.domain.errors import CommitteeRuleError, ConflictError, NotPermittedError, RuleViolation
from app.domain.messages import N_
from app.domain.review import check_validity
from app.domain.terms import CommitteeLevel, PanelRole, TitleLevel
from app.domain.workflow import ActorRole
from app.extensions import db
from app.models import (
    Account,
    Committee,
    Expert,
    ExpertPoolMember,
    PersonnelAffiliation,
    Series,
    Specialty,
)
from app.services.accounts import identity_hash, roles_of
from app.services.actors import Actor
from app.services.audit import record
from app.services.committees import require_convener
from app.services.people import find_person
from app.services.permissions import role_by_name
from app.services.settings import parameter

LOWEST_TITLE = {
    CommitteeLevel.SENIOR: TitleLevel.ASSOCIATE_SENIOR,
    CommitteeLevel.INTERMEDIATE: TitleLevel.INTERMEDIATE,
    CommitteeLevel.JUNIOR: TitleLevel.ASSISTANT,
}
"""R11: who judges holds a title of the corresponding level or a higher one."""


@dataclass(frozen=True, repr=False)
class ExpertDraft:
    """What an office enters for an expert; the number finds the person and is not kept."""

    identity_number: str
    series_id: int
    title_level: TitleLevel
    title_name: str
    term_from: date
    term_to: date
    specialty_id: int | None = None


def add_expert(draft: ExpertDraft, *, actor: Actor, now: datetime) -> Expert:
    """Make a person with an account a review expert for at most three years (R10, R11).

    Raises NotPermittedError, RuleViolation, ConflictError, CommitteeRuleError.
    """
    _require_office(actor)
    _check_term(draft.term_from, draft.term_to)
    person = find_person(identity_hash(draft.identity_number))
    account = (
        db.session.scalar(select(Account).where(Account.person_id == person.id)) if person else None
    )
    if person is None or account is None:
        raise RuleViolation(
            N_("Nobody with this number has an account. Ask the expert's unit to create one first.")
        )
    if db.session.scalar(select(Expert.id).where(Expert.person_id == person.id)):
        raise ConflictError(N_("This person is a review expert already. Add it to the pool."))
    unit_id = db.session.scalar(
        select(PersonnelAffiliation.unit_id).where(
            PersonnelAffiliation.person_id == person.id, PersonnelAffiliation.ends_on.is_(None)
        )
    )
    unit_id = unit_id or account.unit_id
    if unit_id is None:
        raise RuleViolation(
            N_("The person belongs to no unit. Have the affiliation entered first.")
        )
    _require_catalogue(draft.series_id, draft.specialty_id)
    expert = Expert(
        person_id=person.id,
        unit_id=unit_id,
        series_id=draft.series_id,
        specialty_id=draft.specialty_id,
        title_level=draft.title_level,
        title_name=draft.title_name.strip(),
        term_from=draft.term_from,
        term_to=draft.term_to,
    )
    db.session.add(expert)
    if ActorRole.EXPERT not in roles_of(account):
        account.roles = [*account.roles, role_by_name(ActorRole.EXPERT.value)]
    db.session.flush()
    record(
        "add_expert",
        expert,
        actor=actor,
        now=now,
        after={
            "term": [draft.term_from.isoformat(), draft.term_to.isoformat()],
            "title_level": int(draft.title_level),
        },
    )
    return expert


def _check_term(term_from: date, term_to: date) -> None:
    check_validity(term_from, term_to, years=int(parameter("expert_term_years")))


def _require_catalogue(series_id: int, specialty_id: int | None) -> None:
    if db.session.get(Series, series_id) is None:
        raise RuleViolation(N_("Choose the series from the list."))
    specialty = db.session.get(Specialty, specialty_id) if specialty_id else None
    if specialty_id and (specialty is None or specialty.group.series_id != series_id):
        raise RuleViolation(N_("Choose a specialty of the chosen series."))


def renew_term(
    expert_id: int, term_from: date, term_to: date, *, actor: Actor, now: datetime
) -> Expert:
    """Give an expert a new term of at most three years (R10)."""
    _require_office(actor)
    _check_term(term_from, term_to)
    expert = db.session.get_one(Expert, expert_id, with_for_update={"of": Expert})
    before = {"term": [expert.term_from.isoformat(), expert.term_to.isoformat()]}
    expert.term_from, expert.term_to, expert.is_active = term_from, term_to, True
    expert.version += 1
    after = {"term": [term_from.isoformat(), term_to.isoformat()]}
    record("renew_term", expert, actor=actor, now=now, before=before, after=after)
    db.session.flush()
    return expert


def end_term(expert_id: int, reason: str, *, actor: Actor, now: datetime) -> Expert:
    """Take an expert out of every coming draw (R74)."""
    _require_office(actor)
    if not reason.strip():
        raise RuleViolation(N_("Enter the reason; it is kept in the audit log."))
    expert = db.session.get_one(Expert, expert_id, with_for_update={"of": Expert})
    expert.is_active = False
    expert.version += 1
    record("end_term", expert, actor=actor, now=now, reason=reason.strip())
    db.session.flush()
    return expert


def add_to_pool(
    committee_id: int, expert_id: int, role: PanelRole, *, actor: Actor, now: datetime
) -> ExpertPoolMember:
    """Put an expert into a committee's pool (R11: title level and series must correspond)."""
    committee = require_convener(committee_id, actor)
    expert = db.session.get_one(Expert, expert_id)
    _require_fitting(committee, expert, now.date())
    if db.session.get(ExpertPoolMember, (committee_id, expert_id)):
        raise ConflictError(N_("The expert is in this pool already."))
    member = ExpertPoolMember(committee_id=committee_id, expert_id=expert_id, role=role)
    db.session.add(member)
    db.session.flush()
    record("add_to_pool", member, actor=actor, now=now, after={"role": role.value})
    return member


def _require_fitting(committee: Committee, expert: Expert, today: date) -> None:
    if expert.title_level > LOWEST_TITLE[committee.level]:
        raise CommitteeRuleError(
            N_("The expert's title level is below what this committee reviews. Choose another one.")
        )
    if expert.series_id != committee.series_id:
        raise CommitteeRuleError(
            N_("The expert's title is of another series than the committee's.")
        )
    if not expert.is_active or expert.term_to < today:
        raise CommitteeRuleError(N_("The term as review expert has ended."))


def remove_from_pool(committee_id: int, expert_id: int, *, actor: Actor, now: datetime) -> None:
    """Take an expert out of a committee's pool; meetings already drawn keep theirs."""
    require_convener(committee_id, actor)
    member = db.session.get_one(ExpertPoolMember, (committee_id, expert_id))
    record("remove_from_pool", member, actor=actor, now=now, before={"role": member.role.value})
    db.session.delete(member)
    db.session.flush()


def _require_office(actor: Actor) -> None:
    if not actor.has_role(ActorRole.PROVINCE_HRSS, ActorRole.COMMITTEE_OFFICE):
        raise NotPermittedError(
            N_("Experts are entered by the office of a review committee or by the province.")
        )
