"""单位审核: opinion, publicity, refusal, and the confirmation of a correction (notice 四(三))."""

from __future__ import annotations

from datetime import datetime

from app.domain.errors import ConflictError, DomainError, RuleViolation
from app.domain.messages import N_
from app.domain.publicity import require_opening_ahead
from app.domain.terms import DueKind, PublicityKind
from app.domain.workflow import Action, Guard, State
from app.extensions import db
from app.models import Application, ApplicationEvent, EmployerCheck, Objection, Publicity
from app.services import audit, facts, publicity, routing
from app.services.actors import SYSTEM, Actor
from app.services.transitions import (
    Effects,
    account_of_person,
    accounts_of_unit,
    lock_application,
    require_version,
    transition,
)

OPINION_MISSING = N_("Enter the unit's recommendation opinion.")
POSTING_NOT_PROMISED = N_(
    "Confirm that the list is also posted in the unit for the same working days."
)


def open_publicity(
    application_id: int,
    *,
    opinion: str,
    on_site_promised: bool,
    scheduled_for: datetime | None = None,
    forwards_automatically: bool = False,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
    idempotency_key: str | None = None,
) -> Publicity:
    """Recommend an application and post it for five full working days, now or later (row 8).

    Saturdays and Sundays are possible. Raises RuleViolation without opinion or promise of the
    posting on site, NotPermittedError to the applicant.
    """
    if scheduled_for is not None and scheduled_for > now:
        return _schedule(
            application_id,
            opinion=opinion,
            on_site_promised=on_site_promised,
            scheduled_for=scheduled_for,
            forwards_automatically=forwards_automatically,
            actor=actor,
            now=now,
            expected_version=expected_version,
        )
    if scheduled_for is not None:
        require_opening_ahead(scheduled_for, now=now)

    def decide(application: Application) -> Effects:
        check_publicize(application, actor, now=now)
        text = _require_recommendation(opinion, on_site_promised)
        ends_at = publicity.compute_period(now).ends_at

        def apply(application: Application, _state: State) -> None:
            _write_check(application, text, actor, now)
            publicity.start_publicity(
                application,
                kind=PublicityKind.EMPLOYER,
                opens_at=now,
                actor=actor,
                forwards_automatically=forwards_automatically,
            )
            publicity.close_correction(application, at=now)

        return Effects(
            guards=facts.compute_guards(application, now=now),
            data={"opinion": text, "on_site_promised": True},
            holder_unit_id=application.employer_id,
            due=facts.make_due(DueKind.PUBLICITY_END, ends_at),
            apply=apply,
            tell=publicity.tell_opened(application),
        )

    transition(
        application_id,
        Action.PUBLICIZE,
        actor=actor,
        now=now,
        decide=decide,
        expected_version=expected_version,
        idempotency_key=idempotency_key,
    )
    return _latest(application_id)


def _schedule(
    application_id: int,
    *,
    opinion: str,
    on_site_promised: bool,
    scheduled_for: datetime,
    forwards_automatically: bool,
    actor: Actor,
    now: datetime,
    expected_version: int | None,
) -> Publicity:
    application = lock_application(application_id)
    require_version(application, expected_version)
    check_publicize(application, actor, now=now)
    publicity.require_unit(application, actor)
    text = _require_recommendation(opinion, on_site_promised)
    limit = facts.receipt_limit_at(application)
    if publicity.compute_period(scheduled_for).ends_at > limit:
        raise RuleViolation(
            N_("Opened then, the publicity would end after the receipt deadline %(limit)s."),
            limit=facts.show_instant(limit),
        )
    row = facts.open_publicity_of(application)
    if row is None:
        row = Publicity(application_id=application.id, kind=PublicityKind.EMPLOYER)
        db.session.add(row)
    row.scheduled_for = scheduled_for
    row.forwards_automatically = forwards_automatically
    row.opened_by_id = actor.account_id
    _write_check(application, text, actor, now)
    due = facts.make_due(DueKind.PUBLICITY_OPENING, scheduled_for)
    application.due_at, application.due_kind = due.at, due.kind
    application.is_due_provisional = due.is_provisional
    application.version += 1
    facts.use_calendar(application)
    db.session.flush()
    audit.record(
        "schedule_publicity",
        row,
        actor=actor,
        now=now,
        after={"scheduled_for": scheduled_for.isoformat()},
    )
    return row


def cancel_scheduled(publicity_id: int, *, actor: Actor, now: datetime) -> Publicity:
    """Take back a publicity that is scheduled but not open yet."""
    row = db.session.get_one(Publicity, publicity_id)
    application = lock_application(row.application_id)
    db.session.refresh(row)
    publicity.require_unit(application, actor)
    if row.opened_at is not None or row.closed_at is not None:
        raise ConflictError(N_("This publicity has been opened or cancelled already."))
    row.closed_at = now
    row.close_note = "cancelled"
    due = facts.unit_push_due(application)
    application.due_at, application.due_kind = due.at, due.kind
    application.is_due_provisional = due.is_provisional
    application.version += 1
    audit.record("cancel_scheduled_publicity", row, actor=actor, now=now)
    db.session.flush()
    return row


def check_publicize(application: Application, actor: Actor, *, now: datetime) -> None:
    """Refuse to post the own application, a correction somebody else asked for, or too late."""
    if application.state is not State.IN_EMPLOYER_CHECK:
        raise ConflictError
    facts.require_not_own(application, actor)
    facts.require_receipt_open(application, now=now)
    if facts.pending_origin(application) is not None:
        raise RuleViolation(
            N_(
                "This is a correction somebody above your unit asked for. Confirm it instead; "
                "a new publicity opens by itself when a publicised field has changed."
            )
        )


def _require_recommendation(opinion: str, on_site_promised: bool) -> str:
    text = facts.require_text(opinion, OPINION_MISSING)
    if not on_site_promised:
        raise RuleViolation(POSTING_NOT_PROMISED)
    return text


def _write_check(application: Application, opinion: str, actor: Actor, now: datetime) -> None:
    if actor.account_id is None:
        return
    db.session.add(
        EmployerCheck(
            application_id=application.id,
            account_id=actor.account_id,
            opinion=opinion,
            content_version=application.content_version,
            at=now,
        )
    )


def _latest(application_id: int) -> Publicity:
    posting = facts.open_publicity_of(db.session.get_one(Application, application_id))
    if posting is None:
        raise ConflictError
    return posting


# --------------------------------------------------------------------------- refusal


def decline_application(
    application_id: int,
    *,
    reason_code: str,
    reason: str,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
    idempotency_key: str | None = None,
) -> ApplicationEvent:
    """不予推荐: end an application at the unit or at a node, with a reason (rows 7 and 15, R50).

    The applicant is told and may complain to the superior unit.
    """

    def decide(application: Application) -> Effects:
        check_decline(application, actor, now=now)
        chosen = facts.require_reason_code("decline", reason_code)
        text = facts.require_text(reason, N_("Say why the application is not recommended."))

        def apply(application: Application, _state: State) -> None:
            routing.end_step(application, at=now, actor=actor)
            publicity.close_posting(application, at=now, note="declined")
            publicity.close_correction(application, at=now)

        return Effects(
            guards=facts.compute_guards(application, now=now),
            reason=text,
            data=chosen,
            apply=apply,
            tell=[
                ("declined", account_id)
                for account_id in facts.merge(
                    account_of_person(application.person_id),
                    accounts_of_unit(application.employer_id),
                )
            ],
        )

    return transition(
        application_id,
        Action.DECLINE,
        actor=actor,
        now=now,
        decide=decide,
        expected_version=expected_version,
        idempotency_key=idempotency_key,
    )


def check_decline(application: Application, actor: Actor, *, now: datetime) -> None:
    """Refuse one's own application; on hold the objection decides."""
    del now
    facts.require_not_own(application, actor)
    if application.state is State.ON_HOLD:
        raise ConflictError(N_("An objection is open. Decide the objection instead."))


# --------------------------------------------------------------------------- correction confirmed


def confirm_correction(
    application_id: int,
    *,
    opinion: str,
    on_site_promised: bool = False,
    forwards_automatically: bool = False,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
    idempotency_key: str | None = None,
) -> ApplicationEvent:
    """Hand a corrected application back: straight to who returned it, or through a new publicity.

    Row 18, B4 and B5: a changed publicised field needs five new working days; a changed
    eligibility field the whole route; otherwise earlier nodes are told, not asked again.
    """

    def decide(application: Application) -> Effects:
        check_confirm(application, actor, now=now)
        text = facts.require_text(opinion, OPINION_MISSING)
        guards = facts.compute_guards(application, now=now)
        if guards.get(Guard.PUBLICISED_FIELDS_CHANGED):
            return _post_again(application, text, guards)
        return _hand_back(application, text, guards)

    def _post_again(application: Application, text: str, guards: dict[str, bool]) -> Effects:
        _require_recommendation(text, on_site_promised)

        def apply(application: Application, _state: State) -> None:
            _write_check(application, text, actor, now)
            publicity.start_publicity(
                application,
                kind=PublicityKind.EMPLOYER,
                opens_at=now,
                actor=actor,
                forwards_automatically=forwards_automatically,
            )
            publicity.close_correction(application, at=now)

        return Effects(
            guards=guards,
            data={"opinion": text, "new_publicity": True},
            holder_unit_id=application.employer_id,
            due=facts.make_due(DueKind.PUBLICITY_END, publicity.compute_period(now).ends_at),
            apply=apply,
            tell=publicity.tell_opened(application),
        )

    def _hand_back(application: Application, text: str, guards: dict[str, bool]) -> Effects:
        back = routing.leg_back(application, at=now)
        if guards.get(Guard.ELIGIBILITY_FIELDS_CHANGED) or back is None:
            back = routing.first_relay_leg(application, at=now)
        leg = back

        def apply(application: Application, _state: State) -> None:
            _write_check(application, text, actor, now)
            publicity.close_correction(application, at=now)
            leg.arrive(application, at=now)

        return Effects(
            guards=guards,
            data={"opinion": text, "to_unit": leg.holder_unit_id},
            holder_unit_id=leg.holder_unit_id,
            due=leg.due,
            apply=apply,
            tell=routing.tell_moved(application, leg),
        )

    return transition(
        application_id,
        Action.CONFIRM,
        actor=actor,
        now=now,
        decide=decide,
        expected_version=expected_version,
        idempotency_key=idempotency_key,
    )


def check_confirm(application: Application, actor: Actor, *, now: datetime) -> None:
    """Refuse to confirm where no correction from above the unit is waiting."""
    facts.require_not_own(application, actor)
    facts.require_receipt_open(application, now=now)
    if application.state is State.IN_EMPLOYER_CHECK and facts.pending_origin(application) is None:
        raise RuleViolation(
            N_("Nobody above your unit has returned this application. Open its publicity instead.")
        )


# --------------------------------------------------------------------------- automatic forwarding


def may_forward_automatically(application: Application) -> bool:
    """Whether a publicised application goes on by itself (rules 3.5, auto-forwarding check).

    The unit chose it when it opened the publicity, no objection was raised, and the proof of the
    posting on site was uploaded by the end of the publicity.
    """
    posted = facts.last_publicity(application)
    if application.state is not State.PUBLICIZED or posted is None:
        return False
    if not posted.forwards_automatically or posted.ends_at is None:
        return False
    if posted.on_site_proof_at is None or posted.on_site_proof_at > posted.ends_at:
        return False
    if db.session.query(Objection.id).filter_by(publicity_id=posted.id).first() is not None:
        return False
    try:
        routing.check_forward(application, SYSTEM, now=application.state_since)
        facts.next_node(application)
    except DomainError:
        return False
    return True
