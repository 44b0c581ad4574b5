"""评审专家: the draw, invitations, pledge, sign-in, recusal and opinions (rules 3.3 M2-M6)."""

from __future__ import annotations

import secrets
from collections import Counter
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from app.domain import review
from app.domain.errors import (
    CommitteeRuleError,
    ConflictError,
    NotPermittedError,
    RuleViolation,
    StaleVersionError,
)
from app.domain.messages import N_
from app.domain.terms import InvitationState, MeetingState, PanelRole
from app.domain.workflow import ActorRole
from app.extensions import db
from app.models import (
    Application,
    CreditRecord,
    Expert,
    ExpertPoolMember,
    ExpertReview,
    MeetingItem,
    PanelDraw,
    PanelMember,
    Recusal,
    ReviewMeeting,
)
from app.services.actors import Actor
from app.services.audit import record
from app.services.notifications import notify
from app.services.recusals import is_recused, order_known_recusals
from app.services.review_dates import require_filing
from app.services.seats import (
    OFFICERS,
    accounts_of_experts,
    lock_item_of,
    lock_meeting,
    members_of,
    panel_of,
    require_office,
    require_own_seat,
)
from app.services.settings import parameter

BEFORE_OPENING = (MeetingState.DRAWN, MeetingState.CONVENED)
IN_SESSION = (MeetingState.CONVENED, MeetingState.OPEN)

PLEDGE = (
    N_("I review by the published criteria, independently, fairly and with care."),
    N_("I ask to recuse myself whenever I have an interest in an applicant."),
    N_("I tell nobody about applications, opinions, ballots or the names of the experts."),
    N_("I accept no request, gift or invitation from anybody concerned."),
    N_("I keep no copy of any material and pass none on."),
    N_("If I break this pledge I accept removal, publication and an entry in the credit record."),
)
"""纪律承诺书, article by article (rules R66, R74, R79)."""

LONGEST_OPINION = 4000
"""Characters of an expert's opinion."""


# --------------------------------------------------------------------------- draw


def draw_panel(
    meeting_id: int, *, actor: Actor, now: datetime, seed: str | None = None
) -> PanelDraw:
    """Draw the panel and its reserves from the committee's pool, once, in a way anybody can repeat
    (M2, R12).

    The candidates are frozen and hashed before the seed is used. Chair and vice-chairs sit by
    office. Raises CommitteeRuleError when the filing is not valid or the pool is too small.
    """
    meeting = lock_meeting(meeting_id, MeetingState.PLANNED)
    require_office(meeting.committee, actor)
    require_filing(meeting.committee, on=now.date())
    require_filing(meeting.committee, on=meeting.held_on)
    if not meeting.items:
        raise RuleViolation(
            N_("There is no application on the list. Put accepted ones on it first.")
        )
    officers, candidates, excluded = _sort_pool(meeting, now)
    if not officers:
        raise CommitteeRuleError(
            N_("No chair or vice-chair of the pool can serve. Name one in the pool first.")
        )
    need = meeting.panel_size - len(officers)
    spare = max(0, min(int(parameter("reserve_experts")), len(candidates) - need))
    ranked = _rank(candidates, need, spare, seed or secrets.token_hex(16))
    drawn, reserves = list(ranked.members), list(ranked.reserves)
    row = PanelDraw(
        meeting_id=meeting_id,
        algorithm=ranked.algorithm,
        seed=ranked.seed,
        named=officers,
        candidates=sorted(candidates),
        candidates_hash=ranked.candidates_hash,
        excluded=excluded,
        drawn=[int(key) for key in drawn],
        reserves=[int(key) for key in reserves],
        drawn_at=now,
        drawn_by_id=actor.account_id,
    )
    db.session.add(row)
    _seat(meeting, row)
    meeting.state = MeetingState.DRAWN
    meeting.version += 1
    db.session.flush()
    record(
        "draw_panel",
        meeting,
        actor=actor,
        now=now,
        after={
            "seed": row.seed,
            "candidates_hash": row.candidates_hash,
            "algorithm": row.algorithm,
        },
    )
    return row


def _rank(candidates: list[int], need: int, spare: int, seed: str) -> review.PanelDraw:
    """Members and reserves by the domain's draw; `need` may be even once the officers are
    seated.
    """
    if need < 1 or len(candidates) < need:
        raise CommitteeRuleError(
            N_(
                "%(needed)s experts are needed and %(given)s can be drawn. "
                "Add experts to the pool or draw fewer reserves."
            ),
            needed=max(need, 1),
            given=len(candidates),
        )
    keys = [str(key) for key in candidates]
    # the domain draws odd panels only; the order of its draw fills an even number of seats as well
    odd = need if need % 2 else need - 1
    drawn = review.draw_panel(
        keys, size=max(odd, 1), reserves=need + spare - max(odd, 1), seed=seed
    )
    order = drawn.members + drawn.reserves
    return review.PanelDraw(
        drawn.algorithm, drawn.seed, drawn.candidates_hash, order[:need], order[need : need + spare]
    )


def repeat_draw(draw: PanelDraw) -> bool:
    """Whether the stored seed and candidates give the stored result again; what the witness
    checks.
    """
    again = _rank(list(draw.candidates), len(draw.drawn), len(draw.reserves), draw.seed)
    return (
        again.candidates_hash == draw.candidates_hash
        and [int(key) for key in again.members] == draw.drawn
        and [int(key) for key in again.reserves] == draw.reserves
    )


def _sort_pool(
    meeting: ReviewMeeting, now: datetime
) -> tuple[list[int], list[int], list[dict[str, Any]]]:
    """Officers, candidates, and who is left out and why (M2)."""
    pool = db.session.execute(
        select(ExpertPoolMember.role, Expert)
        .join(Expert, Expert.id == ExpertPoolMember.expert_id)
        .where(ExpertPoolMember.committee_id == meeting.committee_id)
        .order_by(Expert.id)
    ).all()
    people = [expert.person_id for _role, expert in pool]
    barred = _people_with_credit_record(people, now)
    applied = _people_who_applied(people, meeting.plan_year)
    of_unit = Counter(item.application.employer_id for item in meeting.items)
    limit = int(parameter("draw_same_unit_applicants_limit"))
    officers: list[tuple[int, int]] = []
    candidates: list[int] = []
    excluded: list[dict[str, Any]] = []
    for role, expert in pool:
        reason = review.find_draw_exclusion(
            review.Candidate(
                id=str(expert.id),
                unit_id=expert.unit_id,
                term_ends_on=expert.term_to,
                has_credit_record=expert.person_id in barred,
                has_applied_this_year=expert.person_id in applied,
            ),
            on=meeting.held_on,
            applicants_of_unit=of_unit[expert.unit_id],
            most_applicants_of_unit=limit - 1,
        )
        if not expert.is_active:
            reason = N_("Not active as an expert.")
        elif reason is None and expert.term_from > meeting.held_on:
            reason = N_("The term as review expert has not begun.")
        if reason is not None:
            excluded.append({"expert": expert.id, "reason": reason})
        elif role in OFFICERS:
            officers.append((0 if role is PanelRole.CHAIR else 1, expert.id))
        else:
            candidates.append(expert.id)
    return [key for _rank_, key in sorted(officers)], candidates, excluded


def _people_with_credit_record(people: list[int], now: datetime) -> set[int]:
    return set(
        db.session.scalars(
            select(CreditRecord.person_id).where(
                CreditRecord.person_id.in_(people), CreditRecord.until_on >= now.date()
            )
        )
    )


def _people_who_applied(people: list[int], plan_year: int) -> set[int]:
    return set(
        db.session.scalars(
            select(Application.person_id).where(
                Application.person_id.in_(people),
                Application.plan_year == plan_year,
                Application.submitted_at.is_not(None),
            )
        )
    )


def _seat(meeting: ReviewMeeting, draw: PanelDraw) -> None:
    rows = db.session.execute(
        select(ExpertPoolMember.expert_id, ExpertPoolMember.role).where(
            ExpertPoolMember.committee_id == meeting.committee_id,
            ExpertPoolMember.expert_id.in_(draw.named),
        )
    )
    roles = {row.expert_id: row.role for row in rows}
    seats = [(key, roles[key]) for key in draw.named]
    seats += [(key, PanelRole.MEMBER) for key in draw.drawn]
    seats += [(key, PanelRole.RESERVE) for key in draw.reserves]
    for position, (expert_id, role) in enumerate(seats, start=1):
        db.session.add(
            PanelMember(meeting_id=meeting.id, expert_id=expert_id, role=role, position=position)
        )
    db.session.flush()
    db.session.expire(meeting, ["members"])


def draw_of(meeting_id: int) -> PanelDraw | None:
    """The draw of a meeting, if it has been made."""
    return db.session.scalar(select(PanelDraw).where(PanelDraw.meeting_id == meeting_id))


def witness_draw(meeting_id: int, *, actor: Actor, now: datetime) -> PanelDraw:
    """The supervisor confirms having seen the draw and its repetition (rules 2, M2)."""
    if not actor.has_role(ActorRole.SUPERVISOR):
        raise NotPermittedError(N_("Only a supervisor witnesses the draw."))
    meeting = lock_meeting(meeting_id, MeetingState.DRAWN)
    draw = draw_of(meeting_id)
    if draw is None or draw.witnessed_at is not None:
        raise ConflictError(N_("There is no draw that still waits for its witness."))
    if not repeat_draw(draw):
        raise ConflictError(
            N_(
                "The draw cannot be repeated from its seed and candidates. Do not go on; tell "
                "the province."
            )
        )
    draw.witnessed_by_id = actor.account_id
    draw.witnessed_at = now
    record("witness_draw", meeting, actor=actor, now=now, after={"seed": draw.seed})
    db.session.flush()
    return draw


# --------------------------------------------------------------------------- invitations


def invite(meeting_id: int, *, actor: Actor, now: datetime) -> list[PanelMember]:
    """Invite every member not yet invited; only after the draw has been witnessed (M2, M3)."""
    meeting = lock_meeting(meeting_id, MeetingState.DRAWN)
    require_office(meeting.committee, actor)
    draw = draw_of(meeting_id)
    if draw is None or draw.witnessed_at is None:
        raise ConflictError(N_("The supervisor has not witnessed the draw yet. Ask for it first."))
    invited = [member for member in panel_of(meeting) if member.invitation is None]
    _send_invitations(meeting, invited, now)
    if invited:
        record("invite_experts", meeting, actor=actor, now=now, after={"count": len(invited)})
    return invited


def _send_invitations(meeting: ReviewMeeting, members: list[PanelMember], now: datetime) -> None:
    for member in members:
        member.invitation = InvitationState.INVITED
    db.session.flush()
    for account_id in accounts_of_experts(members):
        notify(
            account_id,
            "invited",
            key=f"invited:{meeting.id}",
            params={"committee": meeting.committee.name, "day": meeting.held_on.isoformat()},
            at=now,
        )


def answer_invitation(
    member_id: int, *, accepts: bool, reason: str = "", actor: Actor, now: datetime
) -> PanelMember:
    """Accept or decline an invitation; after a decline the next reserve moves up (M3).

    The expert answers; the office may note an answer given by telephone. Raises ConflictError once
    the meeting is open.
    """
    member = db.session.get_one(PanelMember, member_id)
    meeting = lock_meeting(member.meeting_id, *BEFORE_OPENING)
    db.session.refresh(member)
    if member.expert.person_id != actor.person_id:
        require_office(meeting.committee, actor)
    answerable = {InvitationState.INVITED} | (set() if accepts else {InvitationState.ACCEPTED})
    if member.invitation not in answerable:
        raise ConflictError(N_("This invitation has been answered already, or was never sent."))
    if not accepts and not reason.strip():
        raise RuleViolation(N_("Give the reason why the invitation is declined."))
    member.invitation = InvitationState.ACCEPTED if accepts else InvitationState.DECLINED
    member.answered_at = now
    member.decline_reason = "" if accepts else reason.strip()
    if not accepts:
        member.signed_in_at = None
    record(
        "answer_invitation",
        member,
        actor=actor,
        now=now,
        after={"accepted": accepts},
        reason=member.decline_reason,
    )
    db.session.flush()
    if not accepts:
        _move_up_reserve(meeting, actor, now)
    return member


def _move_up_reserve(meeting: ReviewMeeting, actor: Actor, now: datetime) -> PanelMember | None:
    """The next reserve in the order of the draw takes the free seat; None when none is left."""
    for member in members_of(meeting):
        if member.role is PanelRole.RESERVE and member.invitation is None:
            member.role = PanelRole.MEMBER
            _send_invitations(meeting, [member], now)
            record("move_up_reserve", member, actor=actor, now=now)
            if meeting.state is MeetingState.CONVENED:
                order_known_recusals(meeting, actor=actor, now=now)
            return member
    return None


# --------------------------------------------------------------------------- pledge, sign-in


def pledge(member_id: int, *, actor: Actor, now: datetime) -> PanelMember:
    """Sign the discipline pledge (纪律承诺书); before it no material is shown (M4, R66)."""
    member = db.session.get_one(PanelMember, member_id)
    require_own_seat(member, actor)
    lock_meeting(member.meeting_id, *BEFORE_OPENING, MeetingState.OPEN)
    db.session.refresh(member)
    if member.invitation is not InvitationState.ACCEPTED:
        raise ConflictError(N_("Accept the invitation first, then sign the pledge."))
    if member.pledged_at is None:
        member.pledged_at = now
        record("pledge", member, actor=actor, now=now)
        db.session.flush()
    return member


def sign_in(member_id: int, *, actor: Actor, now: datetime) -> PanelMember:
    """Sign in to the meeting: the only source of "present" (M4). Needs the pledge, on the day of
    the meeting.
    """
    member = db.session.get_one(PanelMember, member_id)
    require_own_seat(member, actor)
    meeting = lock_meeting(member.meeting_id, *IN_SESSION)
    db.session.refresh(member)
    if member.pledged_at is None or member.invitation is not InvitationState.ACCEPTED:
        raise ConflictError(N_("Sign the discipline pledge first, then sign in."))
    if now.date() < meeting.held_on:
        raise ConflictError(
            N_("The meeting is on %(day)s; sign in on that day."), day=meeting.held_on.isoformat()
        )
    if member.signed_in_at is None:
        member.signed_in_at = now
        record("sign_in_meeting", member, actor=actor, now=now)
        db.session.flush()
    return member


# --------------------------------------------------------------------------- opinions


def require_reader(member: PanelMember, application_id: int, actor: Actor) -> MeetingItem:
    """The item an expert may read: own seat, pledged, convened, on the list and not recused.

    Raises NotPermittedError or ConflictError, each saying what to do.
    """
    require_own_seat(member, actor)
    if member.meeting.state in {MeetingState.PLANNED, MeetingState.DRAWN}:
        raise ConflictError(N_("The meeting has not been convened yet. The materials open then."))
    if member.invitation is not InvitationState.ACCEPTED or member.pledged_at is None:
        raise NotPermittedError(N_("Accept the invitation and sign the discipline pledge first."))
    item: MeetingItem | None = db.session.scalar(
        select(MeetingItem).where(
            MeetingItem.meeting_id == member.meeting_id,
            MeetingItem.application_id == application_id,
        )
    )
    if item is None:
        raise NotPermittedError(N_("This application is not on the list of your meeting."))
    if is_recused(member.id, application_id):
        raise NotPermittedError(
            N_("You are recused for this applicant and do not see the application.")
        )
    return item


def save_opinion(
    member_id: int,
    application_id: int,
    *,
    opinion: str,
    score: int | None,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> ExpertReview:
    """Save a draft of opinion and score (0-100); refused once locked or once the ballot is open
    (M6).
    """
    member = db.session.get_one(PanelMember, member_id)
    require_reader(member, application_id, actor)
    lock_meeting(member.meeting_id, *IN_SESSION)
    item = lock_item_of(member.meeting_id, application_id)
    if item.ballot_opened_at is not None:
        raise ConflictError(N_("The ballot has been opened; opinions can no longer be changed."))
    if len(opinion) > LONGEST_OPINION:
        raise RuleViolation(
            N_("The opinion is longer than %(longest)s characters. Shorten it."),
            longest=LONGEST_OPINION,
        )
    if score is not None and not 0 <= score <= 100:
        raise RuleViolation(N_("A score lies between 0 and 100. Correct it."))
    row = opinion_of(member_id, application_id)
    if row is None:
        row = ExpertReview(member_id=member_id, application_id=application_id, version=0)
        db.session.add(row)
    elif expected_version is not None and expected_version != row.version:
        raise StaleVersionError(current_state=N_("saved elsewhere"), current_version=row.version)
    if row.locked_at is not None:
        raise ConflictError(N_("The opinion is locked and can no longer be changed."))
    row.opinion, row.score = opinion.strip(), score
    row.version += 1
    db.session.flush()
    return row


def lock_opinion(
    member_id: int, application_id: int, *, actor: Actor, now: datetime
) -> ExpertReview:
    """Lock a finished opinion: text and score are there and no longer change (M6, R63)."""
    member = db.session.get_one(PanelMember, member_id)
    require_reader(member, application_id, actor)
    lock_meeting(member.meeting_id, *IN_SESSION)
    row = opinion_of(member_id, application_id)
    if row is None or not row.opinion or row.score is None:
        raise RuleViolation(N_("Write the opinion and give a score, save both, then lock them."))
    if row.locked_at is None:
        row.locked_at = now
        row.version += 1
        record("lock_opinion", row, actor=actor, now=now)
        db.session.flush()
    return row


def opinion_of(member_id: int, application_id: int) -> ExpertReview | None:
    """A member's opinion on one application, draft or locked, read afresh."""
    return db.session.scalar(
        select(ExpertReview)
        .where(ExpertReview.member_id == member_id, ExpertReview.application_id == application_id)
        .execution_options(populate_existing=True)
    )


def count_locked_opinions(meeting_id: int, application_id: int) -> int:
    """Locked opinions of members who are not recused."""
    recused = select(Recusal.member_id).where(Recusal.application_id == application_id)
    count = db.session.scalar(
        select(func.count(ExpertReview.id))
        .join(PanelMember, PanelMember.id == ExpertReview.member_id)
        .where(
            PanelMember.meeting_id == meeting_id,
            ExpertReview.application_id == application_id,
            ExpertReview.locked_at.is_not(None),
            ExpertReview.member_id.not_in(recused),
        )
    )
    return int(count or 0)
