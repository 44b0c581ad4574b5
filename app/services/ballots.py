"""表决: one secret ballot per applicant (rules 3.3 M7, M8, R60-R62, D2, D4, D5).

Secrecy. `BallotCast` says that a member voted, `Ballot` holds a choice under a random key; they
share nothing but the application. So that the order of the rows and the transaction that wrote them
say nothing either, every cast deletes all ballots of the application and writes them anew,
shuffled, in one transaction under the lock of the item. Nothing about a choice is written to the
audit log, and the tally is read only after the close. Old row versions stay on the disk until
PostgreSQL vacuums them, and in its write-ahead log: who may read those files could compare; that is
for the operator of the database to prevent.
"""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, insert, select

from app.domain.errors import CommitteeRuleError, ConflictError, RuleViolation
from app.domain.messages import N_
from app.domain.review import (
    Tally,
    count_present,
    has_quorum,
    quorum,
    require_may_vote,
    require_opinions,
)
from app.domain.terms import BallotChoice, BallotOutcome, MeetingState, Outcome
from app.domain.workflow import Action, State
from app.extensions import db
from app.models import (
    Application,
    Ballot,
    BallotCast,
    ExpertReview,
    MeetingItem,
    PanelMember,
    ReviewMeeting,
)
from app.services.actors import SYSTEM, Actor
from app.services.audit import record
from app.services.panels import count_locked_opinions
from app.services.recusals import is_recused
from app.services.review_dates import require_filing, require_review_open, review_due
from app.services.seats import (
    lock_item,
    lock_item_of,
    panel_of,
    recused_members,
    require_chair,
    require_own_seat,
)
from app.services.settings import parameter
from app.services.transitions import Effects, lock_application, transition


@dataclass(frozen=True)
class Hall:
    """Who counts for one applicant: members present and entitled, and who is recused (D2)."""

    size: int
    voters: tuple[PanelMember, ...]
    recused: int
    present: int

    @property
    def has_quorum(self) -> bool:
        """Whether two thirds of the panel are present for this applicant."""
        return has_quorum(self.present, self.size)


def hall_of(item: MeetingItem) -> Hall:
    """The hall for one applicant: at the opening of its ballot, or now while it is not opened.

    Sign-in is the only source of "present"; who came after the ballot was opened does not vote on
    it.
    """
    meeting = item.meeting
    opened_at = item.ballot_opened_at
    signed_in = [
        member
        for member in panel_of(meeting)
        if member.signed_in_at is not None
        and (opened_at is None or member.signed_in_at <= opened_at)
    ]
    gone = recused_members(item.application_id)
    voters = tuple(member for member in signed_in if member.id not in gone)
    recused = len(signed_in) - len(voters)
    present = count_present(
        len(signed_in), recused, counts_recused=bool(parameter("recused_count_as_present"))
    )
    size = item.size if item.size is not None else meeting.panel_size
    return Hall(size=size, voters=voters, recused=recused, present=present)


def open_ballot(item_id: int, *, actor: Actor, now: datetime) -> MeetingItem:
    """Open the ballot on one applicant (M6, M7): at least three opinions locked, a quorum without
    the recused.

    Raises CommitteeRuleError without a quorum: that applicant waits (D2).
    """
    item = lock_item(item_id)
    meeting = db.session.get_one(ReviewMeeting, item.meeting_id)
    _require_open(meeting)
    require_chair(meeting, actor)
    application = lock_application(item.application_id)
    if application.state is not State.IN_EXPERT_REVIEW:
        raise ConflictError(
            N_("%(number)s is no longer in expert review; no ballot is held on it."),
            number=application.number,
        )
    if item.ballot_opened_at is not None:
        raise ConflictError(N_("The ballot on this applicant has been opened already."))
    require_filing(meeting.committee, on=now.date())
    require_review_open(meeting.committee, application.plan_line, on=now.date())
    _require_opinions(item)
    hall = hall_of(item)
    if not hall.has_quorum:
        raise CommitteeRuleError(
            N_(
                "%(present)s of %(size)s members are present for %(number)s without the recused; "
                "%(needed)s are needed. The applicant waits until more experts sign in."
            ),
            present=hall.present,
            size=hall.size,
            needed=quorum(hall.size),
            number=application.number,
        )
    item.ballot_opened_at = now
    item.size, item.present, item.recused = hall.size, hall.present, hall.recused
    record("open_ballot", item, actor=actor, now=now, after={"present": hall.present})
    db.session.flush()
    return item


def _require_open(meeting: ReviewMeeting) -> None:
    if meeting.state is not MeetingState.OPEN:
        raise ConflictError(N_("Ballots are held while the meeting is open only."))


def _require_opinions(item: MeetingItem) -> None:
    """Three locked opinions, and none of an expert present left as a draft (R63)."""
    locked = count_locked_opinions(item.meeting_id, item.application_id)
    require_opinions(locked)
    least = int(parameter("opinions_per_application"))
    if locked < least:
        raise CommitteeRuleError(
            N_(
                "The ballot opens when %(least)s written opinions are locked; there are "
                "%(given)s. Ask the experts for theirs."
            ),
            least=least,
            given=locked,
        )
    voters = [member.id for member in hall_of(item).voters]
    drafts = db.session.scalar(
        select(func.count(ExpertReview.id)).where(
            ExpertReview.application_id == item.application_id,
            ExpertReview.member_id.in_(voters),
            ExpertReview.locked_at.is_(None),
        )
    )
    if drafts:
        raise CommitteeRuleError(
            N_("%(count)s opinions are still drafts. Ask the experts to lock them first."),
            count=drafts,
        )


def cast_ballot(
    member_id: int,
    application_id: int,
    choice: BallotChoice | str,
    *,
    actor: Actor,
    now: datetime,
) -> None:
    """Cast one ballot, finally (M7): refused from the absent, the recused, the not pledged, and a
    second time.

    Nothing is returned or logged that tells the choice; `now` is not stored (D5).
    """
    if choice not in {each.value for each in BallotChoice}:
        raise RuleViolation(N_("Choose yes, no or abstain."))
    member = db.session.get_one(PanelMember, member_id)
    require_own_seat(member, actor)
    item = lock_item_of(member.meeting_id, application_id)
    meeting = db.session.get_one(ReviewMeeting, item.meeting_id)
    _require_open(meeting)
    if item.ballot_opened_at is None:
        raise ConflictError(N_("The ballot on this applicant has not been opened yet."))
    if item.ballot_closed_at is not None:
        raise ConflictError(N_("The ballot on this applicant is closed; there is no later vote."))
    present = {voter.id for voter in hall_of(item).voters}
    recused = is_recused(member_id, application_id)
    require_may_vote(
        has_signed_in=member_id in present or recused,
        is_recused=recused,
        has_voted=db.session.get(BallotCast, (member_id, application_id)) is not None,
    )
    db.session.execute(
        insert(BallotCast).values(member_id=member_id, application_id=application_id)
    )
    _drop_into_box(application_id, BallotChoice(choice))


def _drop_into_box(application_id: int, choice: BallotChoice) -> None:
    """Write all ballots of the application anew, shuffled, under new keys, in this one
    transaction (D5).
    """
    choices = list(
        db.session.scalars(select(Ballot.choice).where(Ballot.application_id == application_id))
    )
    choices.append(choice)
    secrets.SystemRandom().shuffle(choices)
    db.session.execute(delete(Ballot).where(Ballot.application_id == application_id))
    db.session.execute(
        insert(Ballot),
        [
            {"id": uuid.uuid4(), "application_id": application_id, "choice": each}
            for each in choices
        ],
    )


def count_casts(item: MeetingItem) -> int:
    """How many have voted on this applicant; nothing of how."""
    count = db.session.scalar(
        select(func.count())
        .select_from(BallotCast)
        .join(PanelMember, PanelMember.id == BallotCast.member_id)
        .where(
            BallotCast.application_id == item.application_id,
            PanelMember.meeting_id == item.meeting_id,
        )
    )
    return int(count or 0)


def close_ballot(
    item_id: int, *, marks_not_cast: bool = False, actor: Actor, now: datetime
) -> MeetingItem:
    """Close a ballot, count it once and freeze the tally; the application has passed or not (M8,
    R61).

    Who has not voted is named as a number and must be marked as not cast by `marks_not_cast`; not
    cast counts as not-yes. Raises ConflictError when it is closed already.
    """
    item = lock_item(item_id)
    meeting = db.session.get_one(ReviewMeeting, item.meeting_id)
    _require_open(meeting)
    require_chair(meeting, actor)
    if item.ballot_opened_at is None or item.ballot_closed_at is not None:
        raise ConflictError(N_("This ballot is not open, or has been closed and counted already."))
    hall = hall_of(item)
    cast = count_casts(item)
    if cast < len(hall.voters) and not marks_not_cast:
        raise ConflictError(
            N_("%(count)s experts have not voted. Wait for them, or mark them as not cast."),
            count=len(hall.voters) - cast,
        )
    tally = _count(item, cast)
    _freeze(item, tally, now)
    record("close_ballot", item, actor=actor, now=now, after={"outcome": str(item.outcome)})
    db.session.flush()
    _conclude(item, meeting, now)
    return item


def _count(item: MeetingItem, cast: int) -> Tally:
    rows = db.session.execute(
        select(Ballot.choice, func.count())
        .where(Ballot.application_id == item.application_id)
        .group_by(Ballot.choice)
    )
    found = {choice: int(count) for choice, count in rows}
    if sum(found.values()) != cast or item.present is None:
        raise ConflictError(
            N_("Ballots and voters do not agree. Do not announce a result; tell the administrator.")
        )
    return Tally(
        yes=found.get(BallotChoice.YES, 0),
        no=found.get(BallotChoice.NO, 0),
        abstain=found.get(BallotChoice.ABSTAIN, 0),
        not_cast=item.present - cast,
    )


def _freeze(item: MeetingItem, tally: Tally, now: datetime) -> None:
    if item.size is None:
        raise AssertionError("a ballot was opened without its size")
    outcome = tally.decide(item.size)
    item.yes, item.no = tally.yes, tally.no
    item.abstain, item.not_cast = tally.abstain, tally.not_cast
    item.outcome = Outcome.PASSED if outcome is BallotOutcome.PASSED else Outcome.NOT_PASSED
    item.ballot_closed_at = now


def _conclude(item: MeetingItem, meeting: ReviewMeeting, now: datetime) -> None:
    """The system writes what it counted; no expert's account stands on the applicant's history
    (D6).
    """
    has_passed = item.outcome is Outcome.PASSED

    def decide(application: Application) -> Effects:
        return Effects(
            data={"meeting": meeting.id},
            holder_unit_id=meeting.committee.convener_id if has_passed else None,
            due=review_due(application) if has_passed else None,
            apply=apply,
        )

    def apply(application: Application, _state: State) -> None:
        application.outcome = item.outcome
        application.decided_on = now.date()

    action = Action.PASS if has_passed else Action.FAIL
    transition(item.application_id, action, actor=SYSTEM, now=now, decide=decide)


def shown_tally(item: MeetingItem) -> Tally | None:
    """The breakdown, once closed and if it tells nobody's vote: never below three ballots (D5)."""
    if item.ballot_closed_at is None or item.outcome is None:
        return None
    tally = Tally(item.yes or 0, item.no or 0, item.abstain or 0, item.not_cast or 0)
    if tally.cast < int(parameter("ballot_breakdown_minimum")):
        return None
    return tally.show_breakdown()


def has_voted(member_id: int, application_id: int) -> bool:
    """Whether a member's ballot is in the box."""
    return db.session.get(BallotCast, (member_id, application_id)) is not None
