"""评审会议: planning, convening, opening, closing and announcing a meeting (rules 3.3 M1, M5,
M9).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import delete, func, select

from app.domain.errors import CommitteeRuleError, ConflictError, RuleViolation
from app.domain.messages import N_
from app.domain.review import (
    check_committee_size,
    has_quorum,
    quorum,
    require_meeting_allowed,
)
from app.domain.terms import (
    InvitationState,
    MeetingState,
    Outcome,
    TitleLevel,
)
from app.domain.workflow import Action, State
from app.extensions import db
from app.models import (
    Application,
    AuthorityFiling,
    Committee,
    MeetingItem,
    ReviewMeeting,
)
from app.services.actors import Actor
from app.services.audit import record
from app.services.minutes import freeze_minutes
from app.services.notifications import notify
from app.services.recusals import order_known_recusals
from app.services.review_dates import require_filing, require_review_open, review_due
from app.services.seats import (
    lock_meeting,
    members_of,
    panel_of,
    require_chair,
    require_office,
)
from app.services.settings import parameter
from app.services.transitions import (
    Effects,
    account_of_person,
    accounts_of_unit,
    transition,
)

BEFORE_CONVENING = (MeetingState.PLANNED, MeetingState.DRAWN)


def create_meeting(
    committee_id: int,
    *,
    plan_year: int,
    held_on: date,
    place: str,
    application_ids: Sequence[int],
    extra_approval: str = "",
    panel_size: int | None = None,
    hides_identity: bool = False,
    actor: Actor,
    now: datetime,
) -> ReviewMeeting:
    """Plan a meeting of a committee with the accepted applications on its list (M1).

    Refuses (CommitteeRuleError, RuleViolation) a filing not valid today or on that day, a second
    meeting of the year without the province's approval (R14), an even or too small panel and
    applications still under policy review.
    """
    committee = db.session.get_one(Committee, committee_id, with_for_update={"of": Committee})
    require_office(committee, actor)
    if held_on < now.date():
        raise RuleViolation(N_("The day of the meeting has passed. Choose today or a later day."))
    require_filing(committee, on=now.date())
    filing = require_filing(committee, on=held_on)
    batch = 1 + _count_meetings(committee_id, plan_year)
    allowed = int(parameter("meetings_per_committee_and_year"))
    extra = batch if extra_approval.strip() else allowed - 1
    require_meeting_allowed(batch - 1, approved_extra=extra)
    size = filing.member_size if panel_size is None else panel_size
    check_committee_size(
        size, committee.level, committee.scope_kind, approved_minimum=filing.member_size
    )
    meeting = ReviewMeeting(
        committee=committee,
        plan_year=plan_year,
        batch=batch,
        extra_approval=extra_approval.strip() or ("" if batch == 1 else f"{batch}/{allowed}"),
        held_on=held_on,
        place=place.strip(),
        panel_size=size,
        hides_identity=hides_identity,
        state=MeetingState.PLANNED,
    )
    db.session.add(meeting)
    db.session.flush()
    put_on_list(meeting.id, application_ids, actor=actor, now=now)
    record(
        "create_meeting",
        meeting,
        actor=actor,
        now=now,
        after={"held_on": held_on.isoformat(), "applications": list(application_ids)},
    )
    return meeting


def _count_meetings(committee_id: int, plan_year: int) -> int:
    count = db.session.scalar(
        select(func.count(ReviewMeeting.id)).where(
            ReviewMeeting.committee_id == committee_id, ReviewMeeting.plan_year == plan_year
        )
    )
    return int(count or 0)


def put_on_list(
    meeting_id: int, application_ids: Iterable[int], *, actor: Actor, now: datetime
) -> list[MeetingItem]:
    """Put accepted applications on the list of a meeting not yet convened (rules 3.2 row 28).

    An application that had to wait for a quorum in an earlier, closed meeting may be put on the
    next one (D2).
    """
    meeting = lock_meeting(meeting_id, *BEFORE_CONVENING)
    require_office(meeting.committee, actor)
    filing = require_filing(meeting.committee, on=meeting.held_on)
    taken = set(
        db.session.scalars(
            select(MeetingItem.application_id).where(MeetingItem.meeting_id == meeting_id)
        )
    )
    items = []
    for application_id in dict.fromkeys(application_ids):
        if application_id in taken:
            continue
        application = db.session.get_one(Application, application_id)
        _require_listable(meeting, filing, application)
        taken.add(application_id)
        item = MeetingItem(
            meeting_id=meeting_id, application_id=application_id, position=len(taken)
        )
        db.session.add(item)
        items.append(item)
    db.session.flush()
    db.session.expire(meeting, ["items"])
    if items:
        record(
            "put_on_list",
            meeting,
            actor=actor,
            now=now,
            after={"applications": [item.application_id for item in items]},
        )
    return items


def take_off_list(item_id: int, *, actor: Actor, now: datetime) -> None:
    """Take an application off the list while the meeting has not been convened."""
    item = db.session.get_one(MeetingItem, item_id)
    meeting = lock_meeting(item.meeting_id, *BEFORE_CONVENING)
    require_office(meeting.committee, actor)
    record(
        "take_off_list", meeting, actor=actor, now=now, before={"application": item.application_id}
    )
    db.session.delete(item)
    db.session.flush()
    db.session.expire(meeting, ["items"])


def _require_listable(
    meeting: ReviewMeeting, filing: AuthorityFiling, application: Application
) -> None:
    params = {"number": application.number}
    if (application.committee_id, application.plan_year) != (
        meeting.committee_id,
        meeting.plan_year,
    ):
        raise RuleViolation(
            N_("%(number)s is for another committee or year. Take it off the list."), **params
        )
    if application.state is not State.ACCEPTED and not is_waiting(application):
        raise RuleViolation(
            N_("The policy review of %(number)s is not finished. Accept it first, then list it."),
            **params,
        )
    elsewhere = db.session.scalar(
        select(func.count(MeetingItem.id))
        .join(ReviewMeeting, ReviewMeeting.id == MeetingItem.meeting_id)
        .where(
            MeetingItem.application_id == application.id,
            ReviewMeeting.id != meeting.id,
            ReviewMeeting.state.not_in((MeetingState.CLOSED, MeetingState.ANNOUNCED)),
        )
    )
    if elsewhere:
        raise ConflictError(N_("%(number)s is on the list of another meeting already."), **params)
    if not _covers(filing, application):
        raise CommitteeRuleError(
            N_(
                "%(number)s lies outside the filed scope of the committee (series, level, "
                "specialty). "
                "A review outside the scope is not recognised."
            ),
            **params,
        )


def _covers(filing: AuthorityFiling, application: Application) -> bool:
    return any(
        authority.series_id == application.series_id
        and authority.level == TitleLevel(application.level)
        and authority.specialty_id in {None, application.specialty_id}
        for authority in filing.authorities
    )


def is_waiting(application: Application) -> bool:
    """Whether it went to a meeting that closed without a ballot on it: it waits for the next one
    (D2).
    """
    if application.state is not State.IN_EXPERT_REVIEW:
        return False
    states = db.session.scalars(
        select(ReviewMeeting.state)
        .join(MeetingItem, MeetingItem.meeting_id == ReviewMeeting.id)
        .where(MeetingItem.application_id == application.id)
    ).all()
    return all(state in {MeetingState.CLOSED, MeetingState.ANNOUNCED} for state in states)


def listable_applications(committee_id: int, plan_year: int) -> list[Application]:
    """What could go on a list now: accepted ones, and those that wait for a quorum."""
    busy = (
        select(MeetingItem.application_id)
        .join(ReviewMeeting, ReviewMeeting.id == MeetingItem.meeting_id)
        .where(ReviewMeeting.state.not_in((MeetingState.CLOSED, MeetingState.ANNOUNCED)))
    )
    rows = db.session.scalars(
        select(Application)
        .where(
            Application.committee_id == committee_id,
            Application.plan_year == plan_year,
            Application.state.in_((State.ACCEPTED, State.IN_EXPERT_REVIEW)),
            Application.id.not_in(busy),
        )
        .order_by(Application.id)
    )
    return [row for row in rows if row.state is State.ACCEPTED or is_waiting(row)]


def arrange_application(
    application_id: int,
    *,
    group_name: str = "",
    defence_at: str = "",
    is_sent_outside: bool = False,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> None:
    """Note group, oral defence and outside readers of the representative works (rules 3.2 row
    27).
    """

    def decide(application: Application) -> Effects:
        require_office(application.committee, actor)
        for item in db.session.scalars(
            select(MeetingItem).where(
                MeetingItem.application_id == application.id, MeetingItem.outcome.is_(None)
            )
        ):
            item.group_name = group_name.strip()
        return Effects(
            data={"group": group_name, "defence": defence_at, "outside": is_sent_outside},
            holder_unit_id=application.holder_unit_id,
            due=review_due(application),
        )

    transition(
        application_id,
        Action.ARRANGE,
        actor=actor,
        now=now,
        decide=decide,
        expected_version=expected_version,
    )


def require_panel_size(meeting: ReviewMeeting, *, on: date) -> int:
    """The size of the panel after reserves have moved up: odd and at least the filed minimum
    (rules 3.2, notes).
    """
    filing = require_filing(meeting.committee, on=on)
    size = len(panel_of(meeting))
    check_committee_size(
        size,
        meeting.committee.level,
        meeting.committee.scope_kind,
        approved_minimum=filing.member_size,
    )
    return size


def convene_meeting(meeting_id: int, *, actor: Actor, now: datetime) -> ReviewMeeting:
    """Convene a drawn meeting: its applications go to expert review (rules 3.2 row 28).

    Every invitation must be answered, the panel odd and large enough, the filing valid today and on
    the day. Same-unit experts are ordered to recuse at once (R67). Applications withdrawn meanwhile
    leave the list.
    """
    meeting = lock_meeting(meeting_id, MeetingState.DRAWN)
    require_office(meeting.committee, actor)
    require_filing(meeting.committee, on=now.date())
    unanswered = sum(m.invitation is not InvitationState.ACCEPTED for m in panel_of(meeting))
    if unanswered:
        raise ConflictError(
            N_(
                "%(count)s invitations are not answered yet. Remind the experts or note their "
                "answer."
            ),
            count=unanswered,
        )
    meeting.panel_size = require_panel_size(meeting, on=meeting.held_on)
    _drop_gone(meeting, actor, now)
    if not meeting.items:
        raise RuleViolation(
            N_("There is no application on the list. Put accepted ones on it first.")
        )
    for item in meeting.items:
        require_review_open(meeting.committee, item.application.plan_line, on=meeting.held_on)
        if item.application.state is State.ACCEPTED:
            _send_to_review(item.application_id, meeting, actor, now)
    meeting.state = MeetingState.CONVENED
    meeting.convened_at = now
    meeting.version += 1
    order_known_recusals(meeting, actor=actor, now=now)
    record("convene_meeting", meeting, actor=actor, now=now, after={"size": meeting.panel_size})
    db.session.flush()
    return meeting


def _drop_gone(meeting: ReviewMeeting, actor: Actor, now: datetime) -> None:
    """Take applications off the list that have been withdrawn, disqualified or otherwise left."""
    for item in list(meeting.items):
        application = item.application
        if application.state is State.ACCEPTED or is_waiting_on(application, meeting):
            continue
        record(
            "take_off_list", meeting, actor=actor, now=now, before={"application": application.id}
        )
        db.session.execute(delete(MeetingItem).where(MeetingItem.id == item.id))
    db.session.flush()
    db.session.expire(meeting, ["items"])


def is_waiting_on(application: Application, meeting: ReviewMeeting) -> bool:
    """Whether an application already in expert review is rightly on this later list."""
    return application.state is State.IN_EXPERT_REVIEW and meeting.batch > 1


def _send_to_review(
    application_id: int, meeting: ReviewMeeting, actor: Actor, now: datetime
) -> None:
    def decide(application: Application) -> Effects:
        return Effects(
            data={"meeting": meeting.id, "held_on": meeting.held_on.isoformat()},
            holder_unit_id=meeting.committee.convener_id,
            due=review_due(application),
            tell=[
                ("convened", account)
                for account in [
                    *account_of_person(application.person_id),
                    *accounts_of_unit(application.employer_id),
                ]
            ],
        )

    transition(application_id, Action.CONVENE, actor=actor, now=now, decide=decide)


def open_meeting(meeting_id: int, *, actor: Actor, now: datetime) -> ReviewMeeting:
    """Open a convened meeting: by the chair or a vice-chair present, with a quorum of two thirds
    (M5, R60).

    Raises CommitteeRuleError without a quorum, with an even panel or outside the filing's validity
    (R07).
    """
    meeting = lock_meeting(meeting_id, MeetingState.CONVENED)
    require_chair(meeting, actor)
    if now.date() < meeting.held_on:
        raise ConflictError(
            N_("The meeting is on %(day)s and cannot be opened earlier."),
            day=meeting.held_on.isoformat(),
        )
    meeting.panel_size = require_panel_size(meeting, on=now.date())
    for line in {item.application.plan_line for item in meeting.items}:
        require_review_open(meeting.committee, line, on=now.date())
    present = sum(member.signed_in_at is not None for member in panel_of(meeting))
    if not has_quorum(present, meeting.panel_size):
        raise CommitteeRuleError(
            N_(
                "%(present)s of %(size)s members have signed in; %(needed)s are needed. "
                "Wait for more experts to sign in."
            ),
            present=present,
            size=meeting.panel_size,
            needed=quorum(meeting.panel_size),
        )
    meeting.state = MeetingState.OPEN
    meeting.opened_at = now
    meeting.opened_by_id = actor.account_id
    meeting.version += 1
    record("open_meeting", meeting, actor=actor, now=now, after={"present": present})
    db.session.flush()
    return meeting


def close_meeting(meeting_id: int, *, actor: Actor, now: datetime) -> ReviewMeeting:
    """Close a meeting; no ballot may be open. Applications without a ballot wait for the next
    one (D2).
    """
    meeting = lock_meeting(meeting_id, MeetingState.OPEN)
    require_chair(meeting, actor)
    running = sum(
        i.ballot_opened_at is not None and i.outcome is None for i in fresh_items(meeting)
    )
    if running:
        raise ConflictError(
            N_("%(count)s ballots are still open. Close them first."), count=running
        )
    meeting.state = MeetingState.CLOSED
    meeting.closed_at = now
    meeting.version += 1
    record("close_meeting", meeting, actor=actor, now=now)
    db.session.flush()
    return meeting


def fresh_items(meeting: ReviewMeeting) -> list[MeetingItem]:
    """The list of a meeting in its order, read afresh."""
    return list(
        db.session.scalars(
            select(MeetingItem)
            .where(MeetingItem.meeting_id == meeting.id)
            .order_by(MeetingItem.position)
            .execution_options(populate_existing=True)
        )
    )


def announce_meeting(meeting_id: int, *, actor: Actor, now: datetime) -> ReviewMeeting:
    """Announce the result: the minutes are frozen with their hash, the applicants are told (M9,
    R64, R65).
    """
    meeting = lock_meeting(meeting_id, MeetingState.CLOSED)
    require_chair(meeting, actor)
    meeting.state = MeetingState.ANNOUNCED
    meeting.announced_at = now
    meeting.announced_by_id = actor.account_id
    meeting.version += 1
    freeze_minutes(meeting, now=now)
    record(
        "announce_meeting", meeting, actor=actor, now=now, after={"sha256": meeting.minutes_sha256}
    )
    for item in meeting.items:
        if item.outcome is not None:
            _tell_outcome(item, now)
    db.session.flush()
    return meeting


def _tell_outcome(item: MeetingItem, now: datetime) -> None:
    application = item.application
    kind = "passed" if item.outcome is Outcome.PASSED else "not_passed"
    told = [*account_of_person(application.person_id), *accounts_of_unit(application.employer_id)]
    for account_id in dict.fromkeys(told):
        notify(
            account_id,
            kind,
            key=f"{kind}:{item.id}",
            application_id=application.id,
            at=now,
        )


def reschedule_meeting(
    meeting_id: int, held_on: date, *, actor: Actor, now: datetime
) -> ReviewMeeting:
    """Move a meeting that has not been opened to another day; the filing must be valid then
    (D1).
    """
    meeting = lock_meeting(meeting_id, *BEFORE_CONVENING, MeetingState.CONVENED)
    require_office(meeting.committee, actor)
    if held_on < now.date():
        raise RuleViolation(N_("The day of the meeting has passed. Choose today or a later day."))
    require_filing(meeting.committee, on=held_on)
    for item in meeting.items:
        require_review_open(meeting.committee, item.application.plan_line, on=held_on)
    before = meeting.held_on
    meeting.held_on = held_on
    meeting.version += 1
    record(
        "reschedule_meeting",
        meeting,
        actor=actor,
        now=now,
        before={"held_on": before.isoformat()},
        after={"held_on": held_on.isoformat()},
    )
    db.session.flush()
    return meeting


def attendance(meeting: ReviewMeeting) -> dict[str, Any]:
    """Size, signed in, and what a quorum needs; for the screens and the minutes."""
    panel = panel_of(meeting)
    return {
        "size": len(panel),
        "signed_in": sum(member.signed_in_at is not None for member in panel),
        "needed": quorum(len(panel)) if panel else 0,
        "reserves": sum(m.role.value == "reserve" for m in members_of(meeting)),
    }
