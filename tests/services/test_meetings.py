"""Meetings: what may be planned, convened, opened and announced (rules 3.3, D1, R14)."""

from __future__ import annotations

from datetime import date

import pytest

from app.domain.errors import CommitteeRuleError, ConflictError, NotPermittedError, RuleViolation
from app.domain.terms import BallotChoice, DueKind, MeetingState, Outcome, PanelRole
from app.domain.workflow import State
from app.extensions import db
from app.models import Application, Recusal
from app.services import ballots, meetings, minutes, panels
from app.services.review_dates import is_ballot_late, latest_ballot_on
from tests.conftest import at
from tests.services import review_factory as make


@pytest.mark.usefixtures("app")
class TestPlanning:
    def test_create_meeting_lists_accepted_applications(self) -> None:
        meeting = make.plan_meeting("周涛", "田甜")
        assert meeting.state is MeetingState.PLANNED
        assert meeting.panel_size == 7
        assert [item.position for item in meeting.items] == [1, 2]

    def test_create_meeting_refuses_an_application_under_policy_review(self) -> None:
        application = make.accept_application("周涛", state=State.IN_POLICY_REVIEW)
        with pytest.raises(RuleViolation, match="not finished"):
            meetings.create_meeting(
                application.committee_id,
                plan_year=2022,
                held_on=make.MEETING_DAY,
                place="",
                application_ids=[application.id],
                actor=make.office_of(make.GUIYANG),
                now=make.NOVEMBER,
            )

    def test_create_meeting_refuses_another_committees_office(self) -> None:
        with pytest.raises(NotPermittedError):
            meetings.create_meeting(
                make.committee_named(make.GUIYANG).id,
                plan_year=2022,
                held_on=make.MEETING_DAY,
                place="",
                application_ids=[],
                actor=make.office_of(make.SENIOR),
                now=make.NOVEMBER,
            )

    def test_create_meeting_refuses_a_filing_expired_one_day_before(self) -> None:
        filing = make.committee_named(make.GUIYANG).filings[-1]
        filing.valid_to = date(2022, 11, 19)
        with pytest.raises(CommitteeRuleError, match="valid from"):
            make.plan_meeting("周涛")
        filing.valid_to = date(2022, 11, 20)
        assert make.plan_meeting("田甜").held_on == date(2022, 11, 20)

    def test_create_meeting_refuses_committees_without_valid_filing(self) -> None:
        for name, login in (
            (
                "贵州省图书资料系列高级职称评审委员会（演示，备案已过期）",
                "office_library_senior_expired",
            ),
            (
                "贵州省农业系列高级职称评审委员会（演示，未备案）",
                "office_agriculture_senior_unfiled",
            ),
            (
                "遵义市工程系列建筑专业中级职称评审委员会（演示，逾期备案）",
                "office_building_intermediate_zunyi_late",
            ),
        ):
            with pytest.raises(CommitteeRuleError):
                meetings.create_meeting(
                    make.committee_named(name).id,
                    plan_year=2022,
                    held_on=make.MEETING_DAY,
                    place="",
                    application_ids=[],
                    actor=make.account_actor(login),
                    now=make.NOVEMBER,
                )

    def test_second_meeting_of_the_year_needs_the_provinces_approval(self) -> None:
        make.plan_meeting("周涛")
        with pytest.raises(CommitteeRuleError, match="already met"):
            make.plan_meeting("田甜")
        second = make.plan_meeting("孙悦", extra_approval="黔人社函88号")
        assert second.batch == 2

    @pytest.mark.parametrize("size", [8, 5])
    def test_create_meeting_refuses_an_even_or_small_panel(self, size: int) -> None:
        with pytest.raises(CommitteeRuleError):
            make.plan_meeting("周涛", panel_size=size)

    def test_an_application_is_on_one_list_at_a_time(self) -> None:
        first = make.plan_meeting("周涛")
        second = make.plan_meeting("田甜", extra_approval="黔人社函88号")
        with pytest.raises(ConflictError, match="another meeting"):
            meetings.put_on_list(
                second.id,
                [first.items[0].application_id],
                actor=make.office_of(make.GUIYANG),
                now=make.NOVEMBER,
            )

    def test_an_application_outside_the_filed_scope_is_refused(self) -> None:
        application = make.accept_application("周涛")
        application.level = 2
        db.session.flush()
        with pytest.raises(CommitteeRuleError, match="outside the filed scope"):
            meetings.create_meeting(
                application.committee_id,
                plan_year=2022,
                held_on=make.MEETING_DAY,
                place="",
                application_ids=[application.id],
                actor=make.office_of(make.GUIYANG),
                now=make.NOVEMBER,
            )

    def test_latest_ballot_day_is_as_the_rules_print_it(self) -> None:
        application = make.accept_application("周涛")
        assert latest_ballot_on(application.plan_line) == date(2022, 12, 22)
        assert not is_ballot_late(application.plan_line, on=date(2022, 12, 22))
        assert is_ballot_late(application.plan_line, on=date(2022, 12, 23))


@pytest.mark.usefixtures("app")
class TestConvening:
    def test_convene_moves_the_list_to_expert_review(self) -> None:
        meeting = make.plan_meeting("周涛", "田甜")
        make.convene(meeting)
        assert meeting.state is MeetingState.CONVENED
        for item in meeting.items:
            assert item.application.state is State.IN_EXPERT_REVIEW
            assert item.application.due_kind is DueKind.ONLINE_REVIEW
            assert item.application.due_at == at("2023-01-01T00:00")
            assert item.application.holder_unit_id == meeting.committee.convener_id

    def test_convene_waits_for_every_answer(self) -> None:
        meeting = make.plan_meeting("周涛")
        make.draw(meeting)
        with pytest.raises(ConflictError, match="not answered"):
            meetings.convene_meeting(
                meeting.id, actor=make.office_of(make.GUIYANG), now=make.NOVEMBER
            )

    def test_convene_after_the_review_deadline_needs_an_extension(self) -> None:
        meeting = make.plan_meeting("周涛", held_on=date(2023, 1, 3))
        with pytest.raises(ConflictError, match="deadline"):
            make.convene(meeting)

    def test_a_withdrawn_application_leaves_the_list(self) -> None:
        meeting = make.plan_meeting("周涛", "田甜")
        gone = meeting.items[0].application
        gone.state = State.WITHDRAWN
        make.convene(meeting)
        assert [item.application.person.name for item in meeting.items] == ["田甜"]
        assert gone.state is State.WITHDRAWN

    def test_same_unit_experts_are_ordered_to_recuse(self) -> None:
        meeting = make.plan_meeting("吴洋")
        units = {member.expert.unit_id for member in _drawn(meeting)}
        employer = meeting.items[0].application.employer_id
        assert employer in units
        make.accept_all(meeting)
        meetings.convene_meeting(meeting.id, actor=make.office_of(make.GUIYANG), now=make.NOVEMBER)
        rows = db.session.query(Recusal).all()
        own = [m.id for m in make.panel(meeting) if m.expert.unit_id == employer]
        assert sorted(row.member_id for row in rows) == sorted(own)
        assert all(row.is_ordered for row in rows)


def _drawn(meeting: object) -> list[object]:
    make.draw(meeting)  # type: ignore[arg-type]
    return make.panel(meeting)  # type: ignore[arg-type,return-value]


@pytest.mark.usefixtures("app")
class TestOpening:
    def test_open_needs_two_thirds_signed_in(self) -> None:
        meeting = make.plan_meeting("周涛")
        make.convene(meeting)
        make.sign_in(meeting, 4)
        with pytest.raises(CommitteeRuleError, match="have signed in"):
            meetings.open_meeting(meeting.id, actor=make.chair_of(meeting), now=make.ON_THE_DAY)
        make.sign_in(meeting, 5)
        meetings.open_meeting(meeting.id, actor=make.chair_of(meeting), now=make.ON_THE_DAY)
        assert meeting.state is MeetingState.OPEN

    def test_open_is_for_a_chair_who_signed_in(self) -> None:
        meeting = make.plan_meeting("周涛")
        make.convene(meeting)
        member = next(m for m in make.panel(meeting) if m.role is PanelRole.MEMBER)
        make.sign_in(meeting)
        for actor in (make.expert_actor(member), make.office_of(make.GUIYANG)):
            with pytest.raises(NotPermittedError):
                meetings.open_meeting(meeting.id, actor=actor, now=make.ON_THE_DAY)

    def test_open_refuses_a_filing_that_expired_the_day_before(self) -> None:
        meeting = make.plan_meeting("周涛")
        make.convene(meeting)
        make.sign_in(meeting)
        meeting.committee.filings[-1].valid_to = date(2022, 11, 19)
        with pytest.raises(CommitteeRuleError, match="File again"):
            meetings.open_meeting(meeting.id, actor=make.chair_of(meeting), now=make.ON_THE_DAY)

    def test_open_refuses_an_earlier_day(self) -> None:
        meeting = make.plan_meeting("周涛")
        make.convene(meeting)
        member = make.panel(meeting)[0]
        with pytest.raises(ConflictError, match="sign in on that day"):
            panels.sign_in(member.id, actor=make.expert_actor(member), now=make.NOVEMBER)


@pytest.mark.usefixtures("app")
class TestAnnouncing:
    def test_minutes_hold_who_what_and_how_many(self) -> None:
        meeting = make.announce_passed("周涛", "田甜")
        content = meeting.minutes
        assert meeting.state is MeetingState.ANNOUNCED
        assert (content["size"], content["signed_in"], content["quorum"]) == (7, 7, 5)
        assert [item["name"] for item in content["items"]] == ["周涛", "田甜"]
        assert content["items"][0]["outcome"] == "通过"
        assert len(content["items"][0]["opinions"]) == 3
        assert len(content["members"]) == 7
        assert len(meeting.minutes_sha256 or "") == 64
        assert minutes.minutes_pdf(meeting).startswith(b"%PDF-")

    def test_changed_minutes_are_noticed(self) -> None:
        meeting = make.announce_passed("周涛")
        meeting.minutes = {**meeting.minutes, "signed_in": 6}
        assert not minutes.are_minutes_intact(meeting)

    def test_meeting_cannot_close_while_a_ballot_is_open(self) -> None:
        meeting = make.plan_meeting("周涛")
        make.open_meeting(meeting)
        item = meeting.items[0]
        make.write_opinions(meeting, item)
        ballots.open_ballot(item.id, actor=make.chair_of(meeting), now=make.ON_THE_DAY)
        with pytest.raises(ConflictError, match="still open"):
            meetings.close_meeting(meeting.id, actor=make.chair_of(meeting), now=make.ON_THE_DAY)

    def test_an_applicant_without_a_ballot_waits_for_the_next_meeting(self) -> None:
        meeting = make.plan_meeting("周涛", "田甜")
        members = make.open_meeting(meeting)
        chair = make.chair_of(meeting)
        first, second = meeting.items
        make.write_opinions(meeting, first)
        ballots.open_ballot(first.id, actor=chair, now=make.ON_THE_DAY)
        make.vote(first, members, *[BallotChoice.YES] * 7)
        ballots.close_ballot(first.id, actor=chair, now=make.ON_THE_DAY)
        meetings.close_meeting(meeting.id, actor=chair, now=make.ON_THE_DAY)
        meetings.announce_meeting(meeting.id, actor=chair, now=make.ON_THE_DAY)
        waiting = db.session.get_one(Application, second.application_id)
        assert waiting.state is State.IN_EXPERT_REVIEW
        assert meetings.listable_applications(meeting.committee_id, 2022) == [waiting]
        again = meetings.create_meeting(
            meeting.committee_id,
            plan_year=2022,
            held_on=date(2022, 12, 1),
            place="",
            application_ids=[waiting.id],
            extra_approval="黔人社函88号",
            actor=make.office_of(make.GUIYANG),
            now=make.ON_THE_DAY,
        )
        assert [item.application_id for item in again.items] == [waiting.id]
        assert first.outcome is Outcome.PASSED
