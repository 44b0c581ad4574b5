"""异议: raised while a publicity runs, hidden from the applicant, decided in writing (F2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from app.domain.errors import ConflictError, NotPermittedError, RuleViolation
from app.domain.messages import N_
from app.domain.terms import DueKind, ObjectionFinding, PublicityKind, ReturnTarget
from app.domain.workflow import Action, State
from app.extensions import db
from app.models import Application, Objection, Publicity
from app.services import audit, certificates, facts, publicity
from app.services.actors import PUBLIC, Actor
from app.services.corrections import Defects, build_return
from app.services.transitions import (
    Effects,
    account_of_person,
    accounts_of_unit,
    lock_application,
    transition,
)

SHORTEST = 10
"""Characters an objection needs to say anything that can be looked into."""


def raise_objection(
    publicity_id: int,
    *,
    body: str,
    name: str = "",
    contact: str,
    actor: Actor,
    now: datetime,
) -> Objection:
    """Object to a running publicity; the application waits on hold until the finding.

    Employer publicity: people of the unit and its superiors, or everybody where the province opened
    the page. Named objections are answered, anonymous ones with checkable clues looked into (F2).
    The event names neither the objector nor the words. Raises ConflictError outside the period.
    """
    row = db.session.get_one(Publicity, publicity_id)
    application = lock_application(row.application_id)
    db.session.refresh(row)
    text = _require_words(body, contact)
    _require_entitled(row, application, actor)
    _require_running(row, application, now)
    objection = Objection(
        publicity_id=row.id,
        number=_next_number(now),
        objector_name=name.strip()[:60] or None,
        objector_contact=contact.strip()[:120],
        is_named=bool(name.strip()),
        body=text,
        raised_at=now,
    )
    db.session.add(objection)
    db.session.flush()
    if application.state is not State.ON_HOLD:
        _hold(application, row, objection, now)
    return objection


def _hold(application: Application, row: Publicity, objection: Objection, now: datetime) -> None:
    is_employer = row.kind is PublicityKind.EMPLOYER
    holder = application.employer_id if is_employer else application.committee.convener_id

    def decide(application: Application) -> Effects:
        return Effects(
            guards=facts.compute_guards(application, now=now),
            reason=objection.number,
            data={"objection": objection.number, "publicity": row.id},
            holder_unit_id=holder,
            due=publicity.due_after_publicity(application, at=row.ends_at or now),
            tell=[("objection_raised", account_id) for account_id in accounts_of_unit(holder)],
        )

    # As PUBLIC: the history must not tell the applicant who objected (F2).
    transition(application.id, Action.HOLD, actor=PUBLIC, now=now, decide=decide)


def _require_words(body: str, contact: str) -> str:
    text = body.strip()
    if len(text) < SHORTEST:
        raise RuleViolation(
            N_("Say what is wrong and where it can be checked, in at least %(least)s characters."),
            least=SHORTEST,
        )
    if len(text) > 5000:
        raise RuleViolation(N_("The objection is too long. Keep it below 5000 characters."))
    if not contact.strip():
        raise RuleViolation(N_("Leave a telephone number or another way to reach you."))
    return text


def _require_entitled(row: Publicity, application: Application, actor: Actor) -> None:
    if not publicity.may_see(row, actor):
        raise NotPermittedError(
            N_("This publicity is for people of the unit and its superior units.")
        )
    if actor.person_id is not None and actor.person_id == application.person_id:
        raise NotPermittedError(N_("Nobody objects to their own application."))


def _require_running(row: Publicity, application: Application, now: datetime) -> None:
    runs = (
        row.opened_at is not None
        and row.ends_at is not None
        and row.closed_at is None
        and row.opened_at <= now < row.ends_at
    )
    if not runs or application.state not in {*publicity.RUNNING, State.ON_HOLD}:
        raise ConflictError(
            N_("The publicity period is over. Turn to the superior unit or the HRSS department.")
        )


def _next_number(now: datetime) -> str:
    number = db.session.scalar(select(func.nextval("objection_id_seq")))
    return f"YY{now.year}{number:06d}"


# --------------------------------------------------------------------------- decision


@dataclass(frozen=True)
class _Way:
    """How an application ends, or goes back, when an objection to it is upheld."""

    outcome: Action
    reason_code: str
    sections: list[str]
    due_at: datetime | None


def decide_objection(
    objection_id: int,
    *,
    finding: ObjectionFinding,
    text: str,
    outcome: Action = Action.DECLINE,
    reason_code: str = "objection_upheld",
    unlocked_sections: list[str] | None = None,
    due_at: datetime | None = None,
    actor: Actor,
    now: datetime,
) -> Objection:
    """Write the finding on an objection (rows 10 and 32).

    Unfounded: back to the publicity while it runs, else past it, once no objection is open. Upheld
    at the unit: `outcome` DECLINE ends the application, RETURN sends it to the applicant and a new
    publicity follows. Upheld in the result publicity: the application is disqualified.
    """
    row = db.session.get_one(Objection, objection_id)
    application = lock_application(row.publicity.application_id)
    db.session.refresh(row)
    if row.finding is not None:
        raise ConflictError(N_("This objection has been decided already."))
    facts.require_not_own(application, actor)
    words = facts.require_text(
        text, N_("Enter the finding: what was looked into and what it showed.")
    )
    if finding is ObjectionFinding.UPHELD:
        way = _Way(outcome, reason_code, unlocked_sections or [], due_at)
        _uphold(application, row, words, way, actor, now)
    else:
        _dismiss(application, row, words, actor, now)
    audit.record(
        "decide_objection",
        row,
        actor=actor,
        now=now,
        after={"finding": finding.value},
        reason=words,
    )
    db.session.flush()
    return row


def _write_finding(
    row: Objection, finding: ObjectionFinding, words: str, actor: Actor, now: datetime
) -> None:
    row.finding = finding
    row.finding_text = words
    row.decided_at = now
    row.decided_by_id = actor.account_id
    row.version += 1
    db.session.flush()


def _dismiss(
    application: Application, row: Objection, words: str, actor: Actor, now: datetime
) -> None:
    posting = row.publicity
    if application.state is not State.ON_HOLD or posting.ends_at is None:
        raise ConflictError(N_("The application does not wait for this objection any more."))
    _require_holder(application, posting, actor)
    _write_finding(row, ObjectionFinding.UNFOUNDED, words, actor, now)
    if facts.has_open_objection(posting):
        return
    is_over = now >= posting.ends_at
    is_employer = posting.kind is PublicityKind.EMPLOYER

    def decide(application: Application) -> Effects:
        def apply(_application: Application, _state: State) -> None:
            if is_over:
                posting.closed_at = now

        due = (
            publicity.due_after_publicity(application, at=now)
            if is_over
            else facts.make_due(DueKind.PUBLICITY_END, posting.ends_at or now)
        )
        told = facts.merge(
            accounts_of_unit(application.employer_id), account_of_person(application.person_id)
        )
        return Effects(
            guards=facts.compute_guards(application, now=now),
            reason=words,
            data={"objection": row.number, "finding": "unfounded"},
            holder_unit_id=application.employer_id
            if is_employer
            else application.committee.convener_id,
            due=due,
            apply=apply,
            tell=[("objection_decided", account_id) for account_id in told],
        )

    transition(application.id, Action.RELEASE, actor=actor, now=now, decide=decide)


def _uphold(
    application: Application,
    row: Objection,
    words: str,
    way: _Way,
    actor: Actor,
    now: datetime,
) -> None:
    posting = row.publicity
    if application.state is not State.ON_HOLD:
        raise ConflictError(N_("The application does not wait for this objection any more."))
    if way.outcome not in {Action.DECLINE, Action.RETURN}:
        raise RuleViolation(N_("Choose whether to decline or to return the application."))
    for other in posting.objections:
        if other.finding is None:
            _write_finding(other, ObjectionFinding.UPHELD, words, actor, now)
    if posting.kind is PublicityKind.RESULT:
        _disqualify(application, words, actor, now)
        return

    def decide(application: Application) -> Effects:
        if way.outcome is Action.RETURN:
            known = {"section": (way.sections or [""])[0], "field": "", "text": words}
            defects = Defects(way.reason_code, [known], way.sections, words)
            return build_return(
                application,
                ReturnTarget.APPLICANT,
                defects,
                due_at=way.due_at,
                actor=actor,
                now=now,
            )
        chosen = facts.require_reason_code("decline", way.reason_code)

        def apply(application: Application, _state: State) -> None:
            publicity.close_posting(application, at=now, note="objection_upheld")

        return Effects(
            guards=facts.compute_guards(application, now=now),
            reason=words,
            data=chosen | {"objection": row.number},
            apply=apply,
            tell=[("declined", a) for a in account_of_person(application.person_id)],
        )

    transition(application.id, way.outcome, actor=actor, now=now, decide=decide)


def _disqualify(application: Application, words: str, actor: Actor, now: datetime) -> None:
    certificates.disqualify_application(application.id, words, actor=actor, now=now)


def _require_holder(application: Application, posting: Publicity, actor: Actor) -> None:
    """Refuse who does not hold it, even while other objections keep it on hold."""
    if posting.kind is PublicityKind.EMPLOYER:
        publicity.require_unit(application, actor)
    elif actor.unit_id != application.committee.convener_id:
        raise NotPermittedError(N_("The committee's office decides objections to its results."))


def check_decide(application: Application, actor: Actor, *, now: datetime) -> None:
    """Refuse one's own application, and where no objection waits."""
    del now
    facts.require_not_own(application, actor)
    posting = facts.open_publicity_of(application)
    if posting is None or not facts.has_open_objection(posting):
        raise ConflictError(N_("No objection waits for a finding."))
