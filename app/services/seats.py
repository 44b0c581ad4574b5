"""Who sits where: the office, the chair and the members of a meeting, as the review services
check them.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select

from app.domain.errors import ConflictError, NotPermittedError
from app.domain.messages import N_
from app.domain.terms import InvitationState, MeetingState, PanelRole
from app.domain.workflow import ActorRole
from app.extensions import db
from app.models import Account, Committee, Expert, MeetingItem, PanelMember, Recusal, ReviewMeeting
from app.services.actors import Actor

OFFICERS = frozenset({PanelRole.CHAIR, PanelRole.VICE_CHAIR})

MEETING_STATE_LABELS = {
    MeetingState.PLANNED: N_("Planned"),
    MeetingState.DRAWN: N_("Experts drawn"),
    MeetingState.CONVENED: N_("Convened"),
    MeetingState.OPEN: N_("Meeting open"),
    MeetingState.CLOSED: N_("Meeting closed"),
    MeetingState.ANNOUNCED: N_("Result announced"),
}


def lock_meeting(meeting_id: int, *states: MeetingState) -> ReviewMeeting:
    """The meeting, locked and read afresh; ConflictError unless it is in one of `states`."""
    meeting = db.session.get_one(
        ReviewMeeting, meeting_id, with_for_update={"of": ReviewMeeting}, populate_existing=True
    )
    if states and meeting.state not in states:
        raise ConflictError(
            N_(
                "This is not possible while the meeting is in the state “%(state)s”. Reload the "
                "page."
            ),
            state=MEETING_STATE_LABELS[meeting.state],
        )
    return meeting


def lock_item(item_id: int) -> MeetingItem:
    """An item of the list, locked: casts and closings of one ballot queue here."""
    return db.session.get_one(
        MeetingItem, item_id, with_for_update={"of": MeetingItem}, populate_existing=True
    )


def lock_item_of(meeting_id: int, application_id: int) -> MeetingItem:
    """The item of an application on a meeting's list, locked as by `lock_item`."""
    return db.session.execute(
        select(MeetingItem)
        .where(MeetingItem.meeting_id == meeting_id, MeetingItem.application_id == application_id)
        .with_for_update(of=MeetingItem)
        .execution_options(populate_existing=True)
    ).scalar_one()


def require_office(committee: Committee, actor: Actor) -> None:
    """Refuse anybody but the office of this committee (rules 2)."""
    if not actor.has_role(ActorRole.COMMITTEE_OFFICE) or committee.convener_id != actor.unit_id:
        raise NotPermittedError(
            N_("Only the office of %(committee)s may do this."), committee=committee.name
        )


def seat_of(meeting: ReviewMeeting, actor: Actor) -> PanelMember | None:
    """The actor's own row on the panel, reserves not yet called included; None for others."""
    if actor.person_id is None:
        return None
    return db.session.scalar(
        select(PanelMember)
        .join(Expert, Expert.id == PanelMember.expert_id)
        .where(PanelMember.meeting_id == meeting.id, Expert.person_id == actor.person_id)
    )


def require_own_seat(member: PanelMember, actor: Actor) -> None:
    """Refuse anybody but the expert of this seat: nobody acts for another (R62)."""
    if actor.person_id is None or member.expert.person_id != actor.person_id:
        raise NotPermittedError(
            N_("This seat is another expert's. Nobody acts in an expert's place.")
        )


def require_chair(meeting: ReviewMeeting, actor: Actor) -> PanelMember:
    """The seat of the chair or a vice-chair who has signed in (R60); else NotPermittedError."""
    member = seat_of(meeting, actor)
    if (
        member is None
        or not actor.has_role(ActorRole.CHAIR)
        or member.role not in OFFICERS
        or member.invitation is not InvitationState.ACCEPTED
    ):
        raise NotPermittedError(N_("Only the chair or a vice-chair of this meeting may do this."))
    if member.signed_in_at is None:
        raise NotPermittedError(N_("Sign in to the meeting first, then preside over it."))
    return member


def panel_of(meeting: ReviewMeeting) -> list[PanelMember]:
    """The members after reserves have moved up: neither uncalled reserves nor those who
    declined.
    """
    return [
        member
        for member in members_of(meeting)
        if member.role is not PanelRole.RESERVE
        and member.invitation is not InvitationState.DECLINED
    ]


def members_of(meeting: ReviewMeeting) -> list[PanelMember]:
    """Every row of the panel in its order, read afresh."""
    return list(
        db.session.scalars(
            select(PanelMember)
            .where(PanelMember.meeting_id == meeting.id)
            .order_by(PanelMember.position)
            .execution_options(populate_existing=True)
        )
    )


def recused_members(application_id: int) -> set[int]:
    """The ids of the panel members recused for an application."""
    return set(
        db.session.scalars(
            select(Recusal.member_id).where(Recusal.application_id == application_id)
        )
    )


def accounts_of_experts(members: Iterable[PanelMember]) -> list[int]:
    """The active accounts of some members."""
    people = [member.expert.person_id for member in members]
    return list(
        db.session.scalars(
            select(Account.id).where(Account.person_id.in_(people), Account.active.is_(True))
        )
    )
