"""撤回: asked by the applicant, granted by the holder before the ballot (row 37, B6)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from app.domain.deadlines import is_overdue
from app.domain.errors import ConflictError, NotPermittedError
from app.domain.messages import N_
from app.domain.terms import WithdrawalState
from app.domain.workflow import HRSS_ROLES, Action, State
from app.extensions import db
from app.models import Application, WithdrawalRequest
from app.services import audit, facts, publicity, routing
from app.services.actors import Actor
from app.services.notifications import notify
from app.services.transitions import (
    Effects,
    account_of_person,
    accounts_of_unit,
    find_allowed,
    lock_application,
    transition,
)


def open_request(application: Application) -> WithdrawalRequest | None:
    """The applicant's request that waits for an answer."""
    return db.session.scalar(
        select(WithdrawalRequest)
        .where(
            WithdrawalRequest.application_id == application.id,
            WithdrawalRequest.state == WithdrawalState.ASKED,
        )
        .order_by(WithdrawalRequest.id.desc())
        .limit(1)
    )


def decide_withdrawal(
    request_id: int, *, grant: bool, note: str, actor: Actor, now: datetime
) -> WithdrawalRequest:
    """Grant or refuse a withdrawal: the HRSS department, after delivery also the committee.

    A withdrawal before the window closed does not count as the year's application (R30). Raises
    ConflictError when it is decided, TransitionNotAllowedError once a ballot has been opened.
    """
    row = db.session.get_one(WithdrawalRequest, request_id)
    application = lock_application(row.application_id)
    db.session.refresh(row)
    if row.state is not WithdrawalState.ASKED:
        raise ConflictError(N_("This request has been decided already."))
    check_withdraw(application, actor, now=now)
    text = facts.require_text(note, N_("Say why the withdrawal is granted or refused."))
    find_allowed(application, Action.WITHDRAW, actor, facts.compute_guards(application, now=now))
    row.state = WithdrawalState.GRANTED if grant else WithdrawalState.REFUSED
    row.decided_at = now
    row.decided_by_id = actor.account_id
    row.decision_note = text
    db.session.flush()
    if grant:
        _withdraw(application, row, text, actor, now)
    else:
        _tell_refused(application, row, now)
    audit.record(
        "decide_withdrawal", row, actor=actor, now=now, after={"grant": grant}, reason=text
    )
    return row


def _withdraw(
    application: Application, row: WithdrawalRequest, text: str, actor: Actor, now: datetime
) -> None:
    def decide(application: Application) -> Effects:
        def apply(application: Application, _state: State) -> None:
            routing.end_step(application, at=now, actor=actor)
            publicity.close_posting(application, at=now, note="withdrawn")
            publicity.close_correction(application, at=now)
            if not is_overdue(application.plan_line.applications_close_at, now=now):
                application.is_live = False

        told = facts.merge(
            account_of_person(application.person_id),
            accounts_of_unit(application.employer_id),
            accounts_of_unit(application.holder_unit_id),
        )
        return Effects(
            guards=facts.compute_guards(application, now=now),
            reason=text,
            data={"request": row.id, "asked": row.reason},
            apply=apply,
            tell=[("withdrawn", account_id) for account_id in told],
        )

    transition(application.id, Action.WITHDRAW, actor=actor, now=now, decide=decide)


def _tell_refused(application: Application, row: WithdrawalRequest, now: datetime) -> None:
    for account_id in account_of_person(application.person_id):
        notify(
            account_id,
            "withdrawal_refused",
            key=f"withdrawal:{row.id}",
            application_id=application.id,
            params={"number": application.number},
            at=now,
        )


def check_withdraw(application: Application, actor: Actor, *, now: datetime) -> None:
    """Refuse without a request of the applicant, and an office that has not received it yet."""
    del now
    facts.require_not_own(application, actor)
    if open_request(application) is None:
        raise ConflictError(N_("The applicant has not asked to withdraw this application."))
    if application.delivered_at is None and not actor.has_role(*HRSS_ROLES):
        raise NotPermittedError(
            N_("Until the committee has received it, the HRSS department decides.")
        )
