"""消息提醒: the outbox of an event becomes notifications in the portal, once each; other channels
hang on the same rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from app.domain.messages import N_
from app.extensions import db
from app.models import ApplicationEvent, Notification, OutboxMessage
from app.services.actors import Actor

BATCH = 200

TEXTS = {
    "submitted": N_("%(number)s has been submitted and waits for your unit's check."),
    "returned": N_(
        "%(number)s has been returned for correction. Read the list and submit it again in time."
    ),
    "resubmitted": N_("%(number)s has been corrected and submitted again."),
    "declined": N_("%(number)s is not recommended. The reason is on its page."),
    "publicity_opened": N_("The publicity of %(number)s has begun."),
    "objection_raised": N_(
        "An objection has been raised against %(number)s. Look into it and decide."
    ),
    "objection_decided": N_("The objection concerning %(number)s has been decided."),
    "publicized": N_(
        "The publicity of %(number)s has ended without objection. Forward it in time."
    ),
    "forwarded": N_("%(number)s has been forwarded to the next node."),
    "arrived": N_("%(number)s has arrived at your unit. Check and forward it in time."),
    "received": N_("%(number)s has reached the review committee."),
    "overdue": N_("%(number)s is overdue at this node. Forward it at once."),
    "due_soon": N_("%(number)s is due in one working day."),
    "lapsed": N_("%(number)s has lapsed because a deadline has passed."),
    "reinstated": N_("%(number)s has been reinstated."),
    "accepted": N_("%(number)s has passed the policy review."),
    "rejected": N_("%(number)s has not passed the policy review. The reason is on its page."),
    "transferred": N_("%(number)s has been transferred to another review committee."),
    "convened": N_("%(number)s is on the list of a review meeting."),
    "passed": N_("%(number)s has passed the expert review."),
    "not_passed": N_("%(number)s has not passed the expert review."),
    "result_publicized": N_("The result publicity of %(number)s has begun."),
    "confirmed": N_("The result of %(number)s has been confirmed."),
    "certified": N_("The title certificate of %(number)s has been issued."),
    "withdrawal_asked": N_("The applicant asks to withdraw %(number)s. Please decide."),
    "withdrawn": N_("%(number)s has been withdrawn."),
    "withdrawal_refused": N_("The withdrawal of %(number)s has been refused."),
    "rerouted": N_("The route of %(number)s has been changed."),
    "rescheduled": N_(
        "The dates of the plan line of %(number)s have been changed. Look at its page."
    ),
    "plan_rescheduled": N_(
        "The dates of line %(line)s of the evaluation plan have been changed: %(reason)s"
    ),
    "disqualified": N_("%(number)s has been disqualified."),
    "revoked": N_("The certificate of %(number)s has been revoked."),
    "re_examination_asked": N_("A re-examination of %(number)s has been asked for."),
    "policy_review_at_risk": N_(
        "%(committee)s: %(waiting)s applications of plan line %(line)s still need their policy "
        "review, and its deadline is near."
    ),
    "online_review_at_risk": N_(
        "%(committee)s: %(waiting)s applications of plan line %(line)s still need their meeting, "
        "and the last day for it is near."
    ),
    "filing_at_risk": N_(
        "%(committee)s: the results of %(waiting)s applications of plan line %(line)s are not "
        "filed and confirmed yet, and the review deadline is near."
    ),
    "window_open": N_("The window of %(number)s is open. Submit it before the window closes."),
    "filing_expires": N_(
        "The filing of %(committee)s is valid until %(day)s. File again in time: without a valid "
        "filing there is no review."
    ),
    "term_expires": N_("The term of review expert %(name)s ends on %(day)s. Renew it in time."),
    "re_examined": N_("The re-examination of %(number)s is finished."),
    "transfer_asked": N_(
        "%(unit)s asks for the transfer of %(name)s. Release or object in time; the person may "
        "object too."
    ),
    "transfer_proposed": N_("%(name)s wishes to come to %(unit)s. Take the request up in time."),
    "transfer_escalated": N_(
        "The transfer of %(name)s to %(unit)s waits for the decision of the HRSS department."
    ),
    "transfer_done": N_("%(name)s belongs to %(unit)s from now on."),
    "transfer_refused": N_(
        "The transfer of %(name)s to %(unit)s has been refused. The reason is on its page."
    ),
    "transfer_withdrawn": N_("The request to transfer %(name)s to %(unit)s has been taken back."),
    "transfer_expired": N_(
        "%(unit)s has not taken up the wish of %(name)s to change units; it has expired."
    ),
    "transfer_due_soon": N_(
        "The answer to the transfer of %(name)s to %(unit)s is due in one working day."
    ),
    "unit_move_asked": N_("A move of %(name)s to %(unit)s has been asked for."),
    "unit_move_done": N_("%(name)s stands below %(unit)s from now on."),
    "unit_move_refused": N_(
        "The move of %(name)s to %(unit)s has been refused. The reason is on its page."
    ),
    "unit_move_withdrawn": N_("The request to move %(name)s to %(unit)s has been taken back."),
    "unit_move_expired": N_(
        "The request to move %(name)s to %(unit)s has expired without an answer."
    ),
    "proof_asked": N_(
        "The account of %(name)s has been drawn for a check. Put the proof of employment on file "
        "on its page: %(question)s"
    ),
    "misconduct_found": N_(
        "Misconduct has been established: the account of %(name)s was created by %(unit)s for "
        "somebody of another unit. The account is locked and applications are disqualified."
    ),
    "misconduct_lifted": N_(
        "The finding of misconduct about the account of %(name)s at %(unit)s has been lifted."
    ),
    "reschedule_asked": N_(
        "%(name)s asks for a second signature: line %(line)s of the evaluation plan is to be "
        "rescheduled though its window has opened."
    ),
    "reinstate_asked": N_(
        "%(name)s asks for a second signature: the lapse of %(number)s is to be lifted."
    ),
    "invited": N_("%(committee)s invites you as a review expert on %(day)s. Please answer."),
    "filing_returned": N_(
        "The result filing with %(number)s has been returned. Correct it and file again."
    ),
}
"""What a notification says; a kind without a text of its own is shown as a change of state."""

OTHERWISE = N_("There is news about %(number)s.")


def deliver_outbox(*, now: datetime) -> int:
    """Turn up to BATCH unsent messages into notifications and return how many; safe to run twice
    at once."""
    messages = db.session.execute(
        select(OutboxMessage, ApplicationEvent)
        .join(ApplicationEvent, ApplicationEvent.id == OutboxMessage.event_id)
        .where(OutboxMessage.sent_at.is_(None))
        .order_by(OutboxMessage.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True, of=OutboxMessage)
    ).all()
    for message, event in messages:
        notify(
            message.recipient_id,
            message.kind,
            key=f"event:{message.event_id}:{message.kind}",
            application_id=event.application_id,
            at=event.at,
        )
        message.sent_at = now
        message.attempts += 1
    db.session.flush()
    return len(messages)


def notify(
    account_id: int,
    kind: str,
    *,
    key: str,
    at: datetime,
    application_id: int | None = None,
    params: dict[str, Any] | None = None,
) -> bool:
    """Leave a notification; the same `key` reaches an account once, however often it is sent.

    Gives whether it is new.
    """
    left = db.session.scalar(
        insert(Notification)
        .values(
            account_id=account_id,
            dedupe_key=key,
            kind=kind,
            application_id=application_id,
            params=params or {},
            at=at,
        )
        .on_conflict_do_nothing(index_elements=["account_id", "dedupe_key"])
        .returning(Notification.id)
    )
    return left is not None


def count_unread(account_id: int) -> int:
    """How many notifications wait for an account."""
    return (
        db.session.scalar(
            select(func.count(Notification.id)).where(
                Notification.account_id == account_id, Notification.read_at.is_(None)
            )
        )
        or 0
    )


def mark_all_read(actor: Actor, *, now: datetime) -> None:
    """The account has seen its notifications."""
    db.session.execute(
        update(Notification)
        .where(Notification.account_id == actor.account_id, Notification.read_at.is_(None))
        .values(read_at=now)
    )
