"""The draw, invitations, pledge, sign-in, recusal and opinions (rules 3.3 M2-M6)."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import select

from app.domain.errors import (
    CommitteeRuleError,
    ConflictError,
    NotPermittedError,
    RuleViolation,
    StaleVersionError,
)
from app.domain.terms import InvitationState, MeetingState, PanelRole
from app.extensions import db
from app.models import Expert, ExpertPoolMember, Notification, PanelMember, ReviewMeeting
from app.services import meetings, panels, recusals, seats
from tests.services import review_factory as make

pytestmark = pytest.mark.usefixtures("app")


def drawn(*people: str, committee_name: str = make.GUIYANG) -> ReviewMeeting:
    meeting = make.plan_meeting(*people, committee_name=committee_name)
    panels.draw_panel(
        meeting.id, actor=make.office_of(committee_name), now=make.NOVEMBER, seed="seed"
    )
    return meeting


def excluded_names(meeting: ReviewMeeting) -> dict[str, str]:
    draw = panels.draw_of(meeting.id)
    assert draw is not None
    return {
        db.session.get_one(Expert, each["expert"]).person.name: each["reason"]
        for each in draw.excluded
    }


class TestDraw:
    def test_draw_seats_an_odd_panel_and_reserves(self) -> None:
        meeting = drawn("周涛")
        members = seats.members_of(meeting)
        roles = [member.role for member in members]
        assert meeting.state is MeetingState.DRAWN
        assert roles[:3] == [PanelRole.CHAIR, PanelRole.VICE_CHAIR, PanelRole.VICE_CHAIR]
        assert roles.count(PanelRole.RESERVE) == 4
        assert len(seats.panel_of(meeting)) == 7

    def test_draw_is_repeated_from_seed_and_frozen_candidates(self) -> None:
        draw = panels.draw_of(drawn("周涛").id)
        assert draw is not None
        assert panels.repeat_draw(draw)
        draw.drawn = list(reversed(draw.drawn))
        assert not panels.repeat_draw(draw)

    def test_another_seed_draws_others(self) -> None:
        first = panels.draw_of(drawn("周涛").id)
        second = make.plan_meeting("田甜", extra_approval="批准")
        again = panels.draw_panel(
            second.id, actor=make.office_of(make.GUIYANG), now=make.NOVEMBER, seed="other"
        )
        assert first is not None
        assert again.candidates_hash == first.candidates_hash
        assert again.drawn != first.drawn

    def test_draw_happens_once(self) -> None:
        meeting = drawn("周涛")
        with pytest.raises(ConflictError):
            panels.draw_panel(meeting.id, actor=make.office_of(make.GUIYANG), now=make.NOVEMBER)

    def test_draw_leaves_out_term_over_credit_record_and_same_unit(self) -> None:
        meeting = drawn("王敏", "刘伟", "孙悦", committee_name=make.SENIOR)
        reasons = excluded_names(meeting)
        assert reasons["范秋月"] == "The term as review expert has ended."
        assert reasons["应家俊"] == "There is a credit record."
        assert reasons["马光明"] == "Too many applicants are from the same unit."

    def test_two_applicants_of_a_unit_do_not_exclude_its_experts(self) -> None:
        meeting = drawn("王敏", "刘伟", committee_name=make.SENIOR)
        assert "马光明" not in excluded_names(meeting)

    def test_draw_leaves_out_who_applied_this_year(self) -> None:
        expert = db.session.scalars(
            select(Expert)
            .join(ExpertPoolMember, ExpertPoolMember.expert_id == Expert.id)
            .where(
                ExpertPoolMember.committee_id == make.committee_named(make.GUIYANG).id,
                ExpertPoolMember.role == PanelRole.MEMBER,
            )
        ).first()
        assert expert is not None
        make.accept_application(expert.person.name)
        assert excluded_names(drawn("周涛"))[expert.person.name] == "Applied for a title this year."

    def test_draw_refuses_a_filing_no_longer_valid(self) -> None:
        meeting = make.plan_meeting("周涛")
        meeting.committee.filings[-1].valid_to = date(2022, 10, 31)
        with pytest.raises(CommitteeRuleError, match="File again"):
            panels.draw_panel(meeting.id, actor=make.office_of(make.GUIYANG), now=make.NOVEMBER)

    def test_draw_refuses_a_pool_too_small(self) -> None:
        meeting = make.plan_meeting("周涛", panel_size=99)
        with pytest.raises(CommitteeRuleError, match="can be drawn"):
            panels.draw_panel(meeting.id, actor=make.office_of(make.GUIYANG), now=make.NOVEMBER)

    def test_only_a_supervisor_witnesses(self) -> None:
        meeting = drawn("周涛")
        with pytest.raises(NotPermittedError):
            panels.witness_draw(meeting.id, actor=make.office_of(make.GUIYANG), now=make.NOVEMBER)
        draw = panels.witness_draw(
            meeting.id, actor=make.account_actor("supervisor"), now=make.NOVEMBER
        )
        assert draw.witnessed_at == make.NOVEMBER

    def test_a_forged_draw_is_not_witnessed(self) -> None:
        meeting = drawn("周涛")
        draw = panels.draw_of(meeting.id)
        assert draw is not None
        draw.seed = "another"
        with pytest.raises(ConflictError, match="cannot be repeated"):
            panels.witness_draw(
                meeting.id, actor=make.account_actor("supervisor"), now=make.NOVEMBER
            )


class TestInvitations:
    def test_nobody_is_invited_before_the_witness(self) -> None:
        meeting = drawn("周涛")
        with pytest.raises(ConflictError, match="witnessed"):
            panels.invite(meeting.id, actor=make.office_of(make.GUIYANG), now=make.NOVEMBER)

    def test_members_are_invited_and_told_reserves_are_not(self) -> None:
        meeting = make.plan_meeting("周涛")
        make.draw(meeting)
        states = {m.role: m.invitation for m in seats.members_of(meeting)}
        assert states[PanelRole.MEMBER] is InvitationState.INVITED
        assert states[PanelRole.RESERVE] is None
        told = db.session.query(Notification).filter(Notification.kind == "invited").count()
        assert told == 7

    def test_the_first_reserve_moves_up_after_a_decline(self) -> None:
        meeting = make.plan_meeting("周涛")
        make.draw(meeting)
        leaving = make.panel(meeting)[4]
        reserve = next(m for m in seats.members_of(meeting) if m.role is PanelRole.RESERVE)
        panels.answer_invitation(
            leaving.id,
            accepts=False,
            reason="出差",
            actor=make.expert_actor(leaving),
            now=make.NOVEMBER,
        )
        db.session.refresh(reserve)
        assert (reserve.role, reserve.invitation) == (PanelRole.MEMBER, InvitationState.INVITED)
        assert len(seats.panel_of(meeting)) == 7

    def test_with_no_reserve_left_the_meeting_cannot_be_convened(self) -> None:
        meeting = make.plan_meeting("周涛")
        make.draw(meeting)
        for _ in range(5):
            member = make.panel(meeting)[-1]
            panels.answer_invitation(
                member.id,
                accepts=False,
                reason="出差",
                actor=make.expert_actor(member),
                now=make.NOVEMBER,
            )
        make.accept_all(meeting)
        with pytest.raises(CommitteeRuleError, match="odd number"):
            meetings.convene_meeting(
                meeting.id, actor=make.office_of(make.GUIYANG), now=make.NOVEMBER
            )

    def test_the_office_may_note_an_answer_a_stranger_may_not(self) -> None:
        meeting = make.plan_meeting("周涛")
        make.draw(meeting)
        first, second = make.panel(meeting)[:2]
        with pytest.raises(NotPermittedError):
            panels.answer_invitation(
                first.id, accepts=True, actor=make.expert_actor(second), now=make.NOVEMBER
            )
        panels.answer_invitation(
            first.id, accepts=True, actor=make.office_of(make.GUIYANG), now=make.NOVEMBER
        )
        assert first.invitation is InvitationState.ACCEPTED

    def test_declining_needs_a_reason(self) -> None:
        meeting = make.plan_meeting("周涛")
        make.draw(meeting)
        member = make.panel(meeting)[0]
        with pytest.raises(RuleViolation):
            panels.answer_invitation(
                member.id, accepts=False, actor=make.expert_actor(member), now=make.NOVEMBER
            )


class TestPledgeAndSignIn:
    def test_sign_in_needs_the_pledge(self) -> None:
        meeting = make.plan_meeting("周涛")
        make.convene(meeting)
        member = make.panel(meeting)[0]
        member.pledged_at = None
        with pytest.raises(ConflictError, match="pledge"):
            panels.sign_in(member.id, actor=make.expert_actor(member), now=make.ON_THE_DAY)

    def test_nobody_signs_in_for_another(self) -> None:
        meeting = make.plan_meeting("周涛")
        make.convene(meeting)
        first, second = make.panel(meeting)[:2]
        with pytest.raises(NotPermittedError):
            panels.sign_in(first.id, actor=make.expert_actor(second), now=make.ON_THE_DAY)

    def test_pledge_needs_an_accepted_invitation(self) -> None:
        meeting = make.plan_meeting("周涛")
        make.draw(meeting)
        member = make.panel(meeting)[0]
        with pytest.raises(ConflictError, match="Accept"):
            panels.pledge(member.id, actor=make.expert_actor(member), now=make.NOVEMBER)


class TestOpinions:
    @pytest.fixture
    def seat(self) -> tuple[PanelMember, int]:
        meeting = make.plan_meeting("周涛")
        make.convene(meeting)
        return make.panel(meeting)[3], meeting.items[0].application_id

    def test_an_opinion_is_saved_and_locked(self, seat: tuple[PanelMember, int]) -> None:
        member, application_id = seat
        actor = make.expert_actor(member)
        row = panels.save_opinion(
            member.id, application_id, opinion="同意", score=88, actor=actor, now=make.NOVEMBER
        )
        with pytest.raises(StaleVersionError):
            panels.save_opinion(
                member.id,
                application_id,
                opinion="旧页",
                score=1,
                actor=actor,
                now=make.NOVEMBER,
                expected_version=0,
            )
        panels.lock_opinion(member.id, application_id, actor=actor, now=make.NOVEMBER)
        with pytest.raises(ConflictError, match="locked"):
            panels.save_opinion(
                member.id, application_id, opinion="改", score=1, actor=actor, now=make.NOVEMBER
            )
        assert (row.opinion, row.score) == ("同意", 88)

    @pytest.mark.parametrize("score", [-1, 101])
    def test_a_score_out_of_range_is_refused(
        self, seat: tuple[PanelMember, int], score: int
    ) -> None:
        member, application_id = seat
        with pytest.raises(RuleViolation):
            panels.save_opinion(
                member.id,
                application_id,
                opinion="同意",
                score=score,
                actor=make.expert_actor(member),
                now=make.NOVEMBER,
            )

    @pytest.mark.parametrize(("length", "is_kept"), [(4000, True), (4001, False)])
    def test_an_opinion_is_kept_whole_or_refused(
        self, seat: tuple[PanelMember, int], length: int, is_kept: bool
    ) -> None:
        member, application_id = seat
        words = {"score": 60, "actor": make.expert_actor(member), "now": make.NOVEMBER}
        text = "好" * length
        if is_kept:
            row = panels.save_opinion(member.id, application_id, opinion=text, **words)
            assert row.opinion == text
        else:
            with pytest.raises(RuleViolation, match="longer"):
                panels.save_opinion(member.id, application_id, opinion=text, **words)

    def test_an_unfinished_opinion_is_not_locked(self, seat: tuple[PanelMember, int]) -> None:
        member, application_id = seat
        actor = make.expert_actor(member)
        panels.save_opinion(
            member.id, application_id, opinion="同意", score=None, actor=actor, now=make.NOVEMBER
        )
        with pytest.raises(RuleViolation):
            panels.lock_opinion(member.id, application_id, actor=actor, now=make.NOVEMBER)

    def test_a_recused_expert_reads_and_writes_nothing(self, seat: tuple[PanelMember, int]) -> None:
        member, application_id = seat
        actor = make.expert_actor(member)
        recusals.recuse(member.id, application_id, "师生", actor=actor, now=make.NOVEMBER)
        with pytest.raises(NotPermittedError, match="recused"):
            panels.require_reader(member, application_id, actor)

    def test_without_the_pledge_nothing_is_read(self, seat: tuple[PanelMember, int]) -> None:
        member, application_id = seat
        member.pledged_at = None
        with pytest.raises(NotPermittedError, match="pledge"):
            panels.require_reader(member, application_id, make.expert_actor(member))

    def test_the_office_orders_a_recusal_once(self, seat: tuple[PanelMember, int]) -> None:
        member, application_id = seat
        office = make.office_of(make.GUIYANG)
        first = recusals.order_recusal(
            member.id, application_id, "同单位", actor=office, now=make.NOVEMBER
        )
        again = recusals.order_recusal(
            member.id, application_id, "同单位", actor=office, now=make.NOVEMBER
        )
        assert first is again
        assert first.is_ordered
