"""A committee's season for tests: accepted applications, a drawn and signed-in panel, an open
meeting.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import select

from app.domain.terms import BallotChoice, InvitationState, PanelRole
from app.domain.workflow import State
from app.extensions import db
from app.models import (
    Account,
    Application,
    ApplicationVersion,
    Committee,
    DefinitionVersion,
    MeetingItem,
    PanelMember,
    Person,
    PersonnelAffiliation,
    PlanCategory,
    ReviewMeeting,
    Specialty,
    SpecialtyGroup,
)
from app.security.actors import actor_of
from app.services import ballots, meetings, minutes, panels
from app.services.actors import Actor
from app.services.transitions import create_event, next_number
from tests.conftest import at

SENIOR = "贵州省工程系列建筑专业高级职称评审委员会（演示）"
GUIYANG = "贵阳市工程系列建筑专业中级职称评审委员会（演示）"
OFFICES = {SENIOR: "office_building_senior", GUIYANG: "office_building_intermediate_guiyang"}
NOVEMBER = at("2022-11-01T10:00")
MEETING_DAY = date(2022, 11, 20)
ON_THE_DAY = at("2022-11-20T09:00")


def account_actor(login: str) -> Actor:
    """A staff account as services see it."""
    return actor_of(db.session.scalars(select(Account).where(Account.username == login)).one())


def office_of(committee_name: str) -> Actor:
    """The committee's office."""
    return account_actor(OFFICES[committee_name])


def expert_actor(member: PanelMember) -> Actor:
    """The account of a panel member."""
    return actor_of(
        db.session.scalars(
            select(Account).where(Account.person_id == member.expert.person_id)
        ).one()
    )


def committee_named(name: str) -> Committee:
    """A committee of the demo."""
    return db.session.scalars(select(Committee).where(Committee.name == name)).one()


def accept_application(
    person_name: str,
    *,
    committee_name: str = GUIYANG,
    state: State = State.ACCEPTED,
    now: datetime = NOVEMBER,
) -> Application:
    """An application of a demo person whose policy review is finished."""
    person = db.session.scalars(select(Person).where(Person.name == person_name)).first()
    assert person is not None
    committee = committee_named(committee_name)
    category = db.session.scalars(
        select(PlanCategory).where(PlanCategory.slug == committee.category_slug)
    ).one()
    form = db.session.scalars(
        select(DefinitionVersion).where(DefinitionVersion.key == "application_form")
    ).first()
    assert form is not None
    employer_id = db.session.scalars(
        select(PersonnelAffiliation.unit_id).where(
            PersonnelAffiliation.person_id == person.id, PersonnelAffiliation.ends_on.is_(None)
        )
    ).one()
    authority = committee.filings[-1].authorities[0]
    specialty_id = authority.specialty_id or db.session.scalar(
        select(Specialty.id)
        .join(SpecialtyGroup, SpecialtyGroup.id == Specialty.group_id)
        .where(SpecialtyGroup.series_id == committee.series_id)
    )
    new_id, number = next_number(2022)
    application = Application(
        id=new_id,
        number=number,
        person_id=person.id,
        plan_year=2022,
        plan_line_id=category.plan_line_id,
        category_id=category.id,
        series_id=authority.series_id,
        specialty_id=specialty_id,
        level=authority.level,
        title_name="工程师" if committee_name == GUIYANG else "高级工程师",
        committee_id=committee.id,
        employer_id=employer_id,
        form_version_id=form.id,
        content={"work_summary": {"summary": "从事建筑设计十年"}},
        state=State.DRAFT,
        state_since=now,
        submitted_at=at("2022-08-03T10:00"),
        delivered_at=at("2022-08-20T10:00"),
    )
    db.session.add(application)
    db.session.flush()
    create_event(
        application,
        actor=Actor(None, "test", frozenset()),
        role=next(iter(office_of(committee_name).roles)),
        now=now,
        data={},
    )
    application.state = state
    application.holder_unit_id = committee.convener_id
    db.session.add(
        ApplicationVersion(
            application_id=application.id,
            number=1,
            content=application.content,
            content_hash="0" * 64,
            receipt_number=f"R{number}",
            submitted_at=at("2022-08-03T10:00"),
            pledge_text="",
        )
    )
    db.session.flush()
    return application


def plan_meeting(
    *people: str, committee_name: str = GUIYANG, now: datetime = NOVEMBER, **more: Any
) -> ReviewMeeting:
    """A planned meeting with accepted applications of these people on its list."""
    applications = [accept_application(name, committee_name=committee_name) for name in people]
    return meetings.create_meeting(
        committee_named(committee_name).id,
        **{
            "plan_year": 2022,
            "held_on": MEETING_DAY,
            "place": "贵阳市评审中心三会议室",
            "application_ids": [a.id for a in applications],
            **more,
        },
        actor=office_of(committee_name),
        now=now,
    )


def draw(meeting: ReviewMeeting, seed: str = "test-seed") -> None:
    """Draw, witness and invite."""
    office = office_of(meeting.committee.name)
    panels.draw_panel(meeting.id, actor=office, now=NOVEMBER, seed=seed)
    panels.witness_draw(meeting.id, actor=account_actor("supervisor"), now=NOVEMBER)
    panels.invite(meeting.id, actor=office, now=NOVEMBER)


def panel(meeting: ReviewMeeting) -> list[PanelMember]:
    """The members that count, in their order."""
    return list(
        db.session.scalars(
            select(PanelMember)
            .where(
                PanelMember.meeting_id == meeting.id,
                PanelMember.role != PanelRole.RESERVE,
                PanelMember.invitation.is_distinct_from(InvitationState.DECLINED),
            )
            .order_by(PanelMember.position)
        )
    )


def accept_all(meeting: ReviewMeeting) -> None:
    """Every invited member accepts and signs the pledge."""
    for member in panel(meeting):
        if member.invitation is InvitationState.INVITED:
            panels.answer_invitation(
                member.id, accepts=True, actor=expert_actor(member), now=NOVEMBER
            )
        panels.pledge(member.id, actor=expert_actor(member), now=NOVEMBER)


def convene(meeting: ReviewMeeting) -> None:
    """Draw, accept and convene."""
    draw(meeting)
    accept_all(meeting)
    meetings.convene_meeting(meeting.id, actor=office_of(meeting.committee.name), now=NOVEMBER)


def sign_in(meeting: ReviewMeeting, count: int | None = None) -> list[PanelMember]:
    """The first `count` members sign in on the day."""
    members = panel(meeting)[:count]
    for member in members:
        panels.sign_in(member.id, actor=expert_actor(member), now=ON_THE_DAY)
    return members


def chair_of(meeting: ReviewMeeting) -> Actor:
    """The chair's account."""
    return expert_actor(panel(meeting)[0])


def open_meeting(meeting: ReviewMeeting, count: int | None = None) -> list[PanelMember]:
    """Convene, sign in and open."""
    convene(meeting)
    members = sign_in(meeting, count)
    meetings.open_meeting(meeting.id, actor=chair_of(meeting), now=ON_THE_DAY)
    return members


def write_opinions(meeting: ReviewMeeting, item: MeetingItem, count: int = 3) -> None:
    """Locked opinions of the first members who are not recused."""
    gone = ballots.recused_members(item.application_id)
    writers = [member for member in panel(meeting) if member.id not in gone][:count]
    for number, member in enumerate(writers):
        actor = expert_actor(member)
        panels.save_opinion(
            member.id,
            item.application_id,
            opinion=f"符合评审条件，意见{number + 1}",
            score=80 + number,
            actor=actor,
            now=ON_THE_DAY,
        )
        panels.lock_opinion(member.id, item.application_id, actor=actor, now=ON_THE_DAY)


def vote(
    item: MeetingItem,
    members: list[PanelMember],
    *choices: BallotChoice,
    now: datetime = ON_THE_DAY,
) -> None:
    """One ballot each, in order."""
    for member, choice in zip(members, choices, strict=False):
        ballots.cast_ballot(
            member.id, item.application_id, choice, actor=expert_actor(member), now=now
        )


def announce_passed(*people: str, committee_name: str = GUIYANG) -> ReviewMeeting:
    """A whole meeting at which everybody passes, announced."""
    meeting = plan_meeting(*people, committee_name=committee_name)
    members = open_meeting(meeting)
    chair = chair_of(meeting)
    for item in meeting.items:
        write_opinions(meeting, item)
        ballots.open_ballot(item.id, actor=chair, now=ON_THE_DAY)
        voters = list(ballots.hall_of(item).voters)
        vote(item, voters, *[BallotChoice.YES] * len(voters))
        ballots.close_ballot(item.id, actor=chair, now=ON_THE_DAY)
    assert members
    meetings.close_meeting(meeting.id, actor=chair, now=at("2022-11-20T16:00"))
    meetings.announce_meeting(meeting.id, actor=chair, now=at("2022-11-20T16:30"))
    assert minutes.are_minutes_intact(meeting)
    return meeting
