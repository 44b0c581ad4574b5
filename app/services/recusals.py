"""回避: asked by the expert or ordered by the office, for one application (R67, D2, M3)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from app.domain.errors import ConflictError, RuleViolation
from app.domain.messages import N_
from app.domain.review import find_recusal_grounds
from app.domain.terms import RecusalGround
from app.extensions import db
from app.models import PanelMember, Recusal, ReviewMeeting
from app.services.actors import Actor
from app.services.audit import record
from app.services.seats import lock_item_of, panel_of, require_office, require_own_seat

GROUND_LABELS = {
    RecusalGround.SAME_UNIT: N_("Same unit as the applicant"),
    RecusalGround.KIN: N_("Related to the applicant"),
    RecusalGround.TUTOR_OR_COAUTHOR: N_("Tutor or co-author of the applicant"),
    RecusalGround.OTHER_INTEREST: N_("Another interest"),
}


def is_recused(member_id: int, application_id: int) -> bool:
    """Whether a member has left one application."""
    return (
        db.session.scalar(
            select(Recusal.id).where(
                Recusal.member_id == member_id, Recusal.application_id == application_id
            )
        )
        is not None
    )


def recuse(
    member_id: int, application_id: int, reason: str, *, actor: Actor, now: datetime
) -> Recusal:
    """An expert with an interest leaves one application (R67); not once its ballot has been
    opened.
    """
    member = db.session.get_one(PanelMember, member_id)
    require_own_seat(member, actor)
    return _add_recusal(member, application_id, reason, is_ordered=False, actor=actor, now=now)


def order_recusal(
    member_id: int, application_id: int, reason: str, *, actor: Actor, now: datetime
) -> Recusal:
    """The office that notices an interest orders the recusal (R67)."""
    member = db.session.get_one(PanelMember, member_id)
    require_office(member.meeting.committee, actor)
    return _add_recusal(member, application_id, reason, is_ordered=True, actor=actor, now=now)


def _add_recusal(
    member: PanelMember,
    application_id: int,
    reason: str,
    *,
    is_ordered: bool,
    actor: Actor,
    now: datetime,
) -> Recusal:
    if not reason.strip():
        raise RuleViolation(N_("Give the ground of the recusal."))
    item = lock_item_of(member.meeting_id, application_id)
    if item.ballot_opened_at is not None:
        raise ConflictError(
            N_("The ballot on this applicant has been opened; it is too late to recuse.")
        )
    known: Recusal | None = db.session.scalar(
        select(Recusal).where(
            Recusal.member_id == member.id, Recusal.application_id == application_id
        )
    )
    if known is not None:
        return known
    row = Recusal(
        member_id=member.id,
        application_id=application_id,
        reason=reason.strip(),
        is_ordered=is_ordered,
        account_id=actor.account_id,
    )
    db.session.add(row)
    db.session.flush()
    record(
        "order_recusal" if is_ordered else "recuse", row, actor=actor, now=now, reason=row.reason
    )
    return row


def order_known_recusals(meeting: ReviewMeeting, *, actor: Actor, now: datetime) -> list[Recusal]:
    """Order the recusal of every expert who is of an applicant's unit, or the applicant (R67,
    M3).
    """
    ordered = []
    for member in panel_of(meeting):
        for item in meeting.items:
            application = item.application
            declared = (
                (RecusalGround.OTHER_INTEREST,)
                if member.expert.person_id == application.person_id
                else ()
            )
            grounds = find_recusal_grounds(
                expert_unit_id=member.expert.unit_id,
                applicant_unit_id=application.employer_id,
                declared=declared,
            )
            if grounds and not is_recused(member.id, application.id):
                row = Recusal(
                    member_id=member.id,
                    application_id=application.id,
                    reason=",".join(ground.value for ground in grounds),
                    is_ordered=True,
                    account_id=actor.account_id,
                )
                db.session.add(row)
                db.session.flush()
                record("order_recusal", row, actor=actor, now=now, reason=row.reason)
                ordered.append(row)
    return ordered
