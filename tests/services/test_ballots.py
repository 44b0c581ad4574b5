"""The secret ballot: who votes, what counts, what nobody can find out (rules 3.3 M7, M8, D2, D4,
D5).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import inspect, select, text

from app.domain.errors import (
    CommitteeRuleError,
    ConflictError,
    DomainError,
    NotPermittedError,
    RuleViolation,
)
from app.domain.terms import BallotChoice, Outcome
from app.domain.workflow import State
from app.extensions import db, unit_of_work
from app.models import (
    Application,
    ApplicationEvent,
    AuditEntry,
    Ballot,
    BallotCast,
    MeetingItem,
    PanelMember,
    Parameter,
    ReviewMeeting,
)
from app.services import ballots, recusals
from app.services.panels import save_opinion, sign_in
from app.services.settings import forget_settings
from tests.services import review_factory as make

YES, NO, ABSTAIN = BallotChoice.YES, BallotChoice.NO, BallotChoice.ABSTAIN


@pytest.fixture
def hall(app: Flask) -> tuple[ReviewMeeting, MeetingItem, list[PanelMember]]:
    """An open meeting of seven with three opinions locked on its one applicant."""
    meeting = make.plan_meeting("周涛")
    members = make.open_meeting(meeting)
    make.write_opinions(meeting, meeting.items[0])
    return meeting, meeting.items[0], members


Hall = tuple[ReviewMeeting, MeetingItem, list[PanelMember]]


def open_ballot(hall: Hall) -> None:
    ballots.open_ballot(hall[1].id, actor=make.chair_of(hall[0]), now=make.ON_THE_DAY)


def close_ballot(hall: Hall, *, marks_not_cast: bool = False) -> MeetingItem:
    return ballots.close_ballot(
        hall[1].id,
        marks_not_cast=marks_not_cast,
        actor=make.chair_of(hall[0]),
        now=make.ON_THE_DAY,
    )


class TestOpening:
    def test_two_opinions_do_not_open_a_ballot(self, app: Flask) -> None:
        meeting = make.plan_meeting("周涛")
        make.open_meeting(meeting)
        make.write_opinions(meeting, meeting.items[0], count=2)
        with pytest.raises(CommitteeRuleError, match="written opinions"):
            open_ballot((meeting, meeting.items[0], []))

    def test_a_draft_of_a_present_expert_keeps_it_closed(self, hall: Hall) -> None:
        member = hall[2][5]
        save_opinion(
            member.id,
            hall[1].application_id,
            opinion="草稿",
            score=None,
            actor=make.expert_actor(member),
            now=make.ON_THE_DAY,
        )
        with pytest.raises(CommitteeRuleError, match="drafts"):
            open_ballot(hall)

    def test_only_the_chair_opens_and_closes(self, hall: Hall) -> None:
        with pytest.raises(NotPermittedError):
            ballots.open_ballot(hall[1].id, actor=make.office_of(make.GUIYANG), now=make.ON_THE_DAY)

    def test_recused_are_not_present_and_below_two_thirds_the_applicant_waits(
        self, app: Flask
    ) -> None:
        meeting = make.plan_meeting("周涛")
        members = make.open_meeting(meeting, 5)
        item = meeting.items[0]
        make.write_opinions(meeting, item)
        recusals.recuse(
            members[4].id,
            item.application_id,
            "亲属",
            actor=make.expert_actor(members[4]),
            now=make.ON_THE_DAY,
        )
        with pytest.raises(CommitteeRuleError, match="waits until more experts"):
            open_ballot((meeting, item, members))
        late = make.sign_in(meeting)[5]
        assert late.signed_in_at is not None
        open_ballot((meeting, item, members))
        assert (item.size, item.present, item.recused) == (7, 6, 1)

    def test_a_withdrawn_application_gets_no_ballot(self, hall: Hall) -> None:
        hall[1].application.state = State.WITHDRAWN
        db.session.flush()
        with pytest.raises(ConflictError, match="no longer"):
            open_ballot(hall)

    def test_it_is_too_late_to_recuse_once_opened(self, hall: Hall) -> None:
        open_ballot(hall)
        with pytest.raises(ConflictError, match="too late"):
            recusals.recuse(
                hall[2][3].id,
                hall[1].application_id,
                "亲属",
                actor=make.expert_actor(hall[2][3]),
                now=make.ON_THE_DAY,
            )


class TestCasting:
    def test_absent_experts_do_not_vote(self, app: Flask) -> None:
        meeting = make.plan_meeting("周涛")
        make.open_meeting(meeting, 6)
        item = meeting.items[0]
        make.write_opinions(meeting, item)
        open_ballot((meeting, item, []))
        with pytest.raises(CommitteeRuleError, match="signed in"):
            make.vote(item, [make.panel(meeting)[6]], YES)

    def test_who_comes_after_the_opening_does_not_vote_on_it(self, app: Flask) -> None:
        meeting = make.plan_meeting("周涛")
        make.open_meeting(meeting, 6)
        item = meeting.items[0]
        make.write_opinions(meeting, item)
        open_ballot((meeting, item, []))
        late = make.panel(meeting)[6]
        later = make.ON_THE_DAY + timedelta(minutes=5)
        sign_in(late.id, actor=make.expert_actor(late), now=later)
        with pytest.raises(CommitteeRuleError, match="signed in"):
            make.vote(item, [late], YES, now=later)

    def test_recused_experts_do_not_vote(self, hall: Hall) -> None:
        member = hall[2][6]
        recusals.recuse(
            member.id,
            hall[1].application_id,
            "亲属",
            actor=make.expert_actor(member),
            now=make.ON_THE_DAY,
        )
        open_ballot(hall)
        with pytest.raises(CommitteeRuleError, match="recused"):
            make.vote(hall[1], [member], YES)

    def test_a_member_who_has_not_pledged_cannot_be_present(self, hall: Hall) -> None:
        member = hall[2][6]
        member.signed_in_at = member.pledged_at = None
        db.session.flush()
        open_ballot(hall)
        with pytest.raises(CommitteeRuleError, match="signed in"):
            make.vote(hall[1], [member], YES)

    def test_a_second_vote_is_refused(self, hall: Hall) -> None:
        open_ballot(hall)
        make.vote(hall[1], hall[2][:1], YES)
        with pytest.raises(CommitteeRuleError, match="in the box"):
            make.vote(hall[1], hall[2][:1], NO)
        assert db.session.query(Ballot).count() == 1

    def test_nobody_votes_for_another(self, hall: Hall) -> None:
        open_ballot(hall)
        with pytest.raises(NotPermittedError):
            ballots.cast_ballot(
                hall[2][0].id,
                hall[1].application_id,
                YES,
                actor=make.expert_actor(hall[2][1]),
                now=make.ON_THE_DAY,
            )

    def test_an_unknown_choice_is_refused(self, hall: Hall) -> None:
        open_ballot(hall)
        with pytest.raises(RuleViolation):
            make.vote(hall[1], hall[2][:1], "maybe")  # type: ignore[arg-type]

    def test_no_vote_before_opening_or_after_closing(self, hall: Hall) -> None:
        with pytest.raises(ConflictError, match="not been opened"):
            make.vote(hall[1], hall[2][:1], YES)
        open_ballot(hall)
        make.vote(hall[1], hall[2][:6], *[YES] * 6)
        close_ballot(hall, marks_not_cast=True)
        with pytest.raises(ConflictError, match="no later vote"):
            make.vote(hall[1], hall[2][6:], YES)


class TestTally:
    @pytest.mark.parametrize(
        ("choices", "outcome"),
        [
            ([YES] * 5 + [NO] * 2, Outcome.PASSED),
            ([YES] * 4 + [NO] * 3, Outcome.NOT_PASSED),
            ([YES] * 4 + [ABSTAIN] * 3, Outcome.NOT_PASSED),
            ([YES] * 5 + [ABSTAIN] * 2, Outcome.PASSED),
        ],
    )
    def test_two_thirds_of_those_present_pass(
        self, hall: Hall, choices: list[BallotChoice], outcome: Outcome
    ) -> None:
        open_ballot(hall)
        make.vote(hall[1], hall[2], *choices)
        item = close_ballot(hall)
        application = db.session.get_one(Application, item.application_id)
        assert item.outcome is outcome
        assert application.outcome is outcome
        assert application.state is (
            State.PASSED if outcome is Outcome.PASSED else State.NOT_PASSED
        )
        assert application.decided_on == make.MEETING_DAY

    @pytest.mark.parametrize(("present", "needed"), [(7, 5), (6, 4), (5, 4)])
    def test_the_vote_table_of_seven(self, app: Flask, present: int, needed: int) -> None:
        meeting = make.plan_meeting("周涛", "田甜")
        members = make.open_meeting(meeting, present)
        for item, yes in zip(meeting.items, (needed, needed - 1), strict=True):
            make.write_opinions(meeting, item)
            open_ballot((meeting, item, members))
            make.vote(item, members, *[YES] * yes, *[NO] * (present - yes))
            close_ballot((meeting, item, members))
        assert [item.outcome for item in meeting.items] == [Outcome.PASSED, Outcome.NOT_PASSED]

    def test_not_cast_is_marked_and_counts_as_not_yes(self, hall: Hall) -> None:
        open_ballot(hall)
        make.vote(hall[1], hall[2], *[YES] * 4, ABSTAIN)
        with pytest.raises(ConflictError, match="have not voted"):
            close_ballot(hall)
        item = close_ballot(hall, marks_not_cast=True)
        assert (item.yes, item.no, item.abstain, item.not_cast, item.present) == (4, 0, 1, 2, 7)
        assert item.outcome is Outcome.NOT_PASSED

    def test_a_ballot_is_counted_once(self, hall: Hall) -> None:
        open_ballot(hall)
        make.vote(hall[1], hall[2], *[YES] * 7)
        close_ballot(hall)
        with pytest.raises(ConflictError, match="closed and counted"):
            close_ballot(hall)

    def test_the_tally_is_shown_after_the_close_only(self, hall: Hall) -> None:
        open_ballot(hall)
        make.vote(hall[1], hall[2], *[YES] * 7)
        assert ballots.shown_tally(hall[1]) is None
        close_ballot(hall)
        tally = ballots.shown_tally(hall[1])
        assert tally is not None
        assert (tally.yes, tally.cast) == (7, 7)

    @pytest.mark.parametrize(("cast", "is_shown"), [(2, False), (3, True)])
    def test_below_three_ballots_there_is_no_breakdown(
        self, hall: Hall, cast: int, is_shown: bool
    ) -> None:
        open_ballot(hall)
        make.vote(hall[1], hall[2][:cast], *[YES] * cast)
        close_ballot(hall, marks_not_cast=True)
        assert (ballots.shown_tally(hall[1]) is not None) is is_shown

    def test_recused_may_be_counted_as_present_by_parameter(self, app: Flask) -> None:
        db.session.get_one(Parameter, "recused_count_as_present").value = True
        forget_settings()
        meeting = make.plan_meeting("周涛")
        members = make.open_meeting(meeting)
        item = meeting.items[0]
        make.write_opinions(meeting, item)
        recusals.recuse(
            members[6].id,
            item.application_id,
            "亲属",
            actor=make.expert_actor(members[6]),
            now=make.ON_THE_DAY,
        )
        open_ballot((meeting, item, members))
        make.vote(item, members[:6], *[YES] * 4, *[NO] * 2)
        close_ballot((meeting, item, members))
        assert (item.present, item.not_cast, item.outcome) == (7, 1, Outcome.NOT_PASSED)
        forget_settings()


class TestSecrecy:
    def test_no_expert_stands_on_the_applicants_history(self, hall: Hall) -> None:
        open_ballot(hall)
        make.vote(hall[1], hall[2], *[YES] * 7)
        close_ballot(hall)
        event = db.session.scalars(
            select(ApplicationEvent)
            .where(ApplicationEvent.application_id == hall[1].application_id)
            .order_by(ApplicationEvent.seq.desc())
        ).first()
        assert event is not None
        assert (event.account_id, event.role.value, event.data) == (
            None,
            "system",
            {"meeting": hall[0].id},
        )

    def test_tables_share_nothing_but_the_application(self) -> None:
        casts = {column.name for column in inspect(BallotCast).columns}
        votes = {column.name for column in inspect(Ballot).columns}
        assert casts == {"member_id", "application_id"}
        assert votes == {"id", "application_id", "choice"}

    def test_nothing_in_the_database_links_a_voter_to_a_vote(self, own_app: Flask) -> None:
        """After every committed cast: one transaction wrote all ballots, their order is not that
        of the casts.
        """
        with own_app.app_context():
            with unit_of_work():
                meeting = make.plan_meeting("周涛")
                members = make.open_meeting(meeting)
                item = meeting.items[0]
                make.write_opinions(meeting, item)
                ballots.open_ballot(item.id, actor=make.chair_of(meeting), now=make.ON_THE_DAY)
            before = db.session.query(AuditEntry).count()
            keys: set[str] = set()
            orders: set[tuple[str, ...]] = set()
            choices = [YES, NO, YES, ABSTAIN, NO, YES, YES]
            for number, (member, choice) in enumerate(zip(members, choices, strict=True), 1):
                with unit_of_work():
                    make.vote(item, [member], choice)
                rows = db.session.execute(
                    text("SELECT xmin::text, id::text, choice FROM ballot ORDER BY ctid")
                ).all()
                assert len(rows) == number
                assert len({row.xmin for row in rows}) == 1
                assert keys.isdisjoint({row.id for row in rows})
                keys |= {row.id for row in rows}
                orders.add(tuple(row.choice for row in rows))
            assert sorted(row.choice for row in rows) == sorted(c.value for c in choices)
            writers = db.session.execute(text("SELECT xmin::text FROM ballot_cast")).scalars().all()
            assert len(set(writers)) == 7
            assert db.session.query(AuditEntry).count() == before
            assert "timestamp" not in str(
                db.session.execute(
                    text(
                        "SELECT string_agg(data_type, ',') FROM information_schema.columns "
                        "WHERE table_name IN ('ballot', 'ballot_cast')"
                    )
                ).scalar()
            )

    def test_the_box_is_shuffled(self, app: Flask) -> None:
        """Twenty boxes filled alike do not lie alike (the chance of that is below 1 in 10^15)."""
        application = make.accept_application("周涛")
        seen = set()
        for _ in range(20):
            db.session.query(Ballot).delete()
            for choice in (YES, NO, YES, ABSTAIN, NO):
                ballots._drop_into_box(application.id, choice)
            rows = db.session.execute(text("SELECT choice FROM ballot ORDER BY ctid")).scalars()
            seen.add(tuple(rows))
        assert len(seen) > 1


class TestRaces:
    """Real connections, real threads."""

    @staticmethod
    def prepare(own_app: Flask, voted: int) -> tuple[int, int, int, list[int]]:
        with own_app.app_context(), unit_of_work():
            meeting = make.plan_meeting("周涛")
            members = make.open_meeting(meeting)
            item = meeting.items[0]
            make.write_opinions(meeting, item)
            ballots.open_ballot(item.id, actor=make.chair_of(meeting), now=make.ON_THE_DAY)
            make.vote(item, members, *[YES] * voted)
            return meeting.id, item.id, item.application_id, [m.id for m in members]

    @staticmethod
    def run_at_once(own_app: Flask, work: Callable[[], None], times: int = 4) -> list[str]:
        barrier = threading.Barrier(times)
        outcomes: list[str] = []

        def one() -> None:
            with own_app.app_context():
                barrier.wait()
                try:
                    with unit_of_work():
                        work()
                    outcomes.append("done")
                except DomainError as error:
                    outcomes.append(error.code)
                finally:
                    db.session.remove()

        threads = [threading.Thread(target=one) for _ in range(times)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sorted(outcomes)

    def test_parallel_casts_of_one_expert_leave_one_ballot(self, own_app: Flask) -> None:
        _meeting_id, _item_id, application_id, members = self.prepare(own_app, voted=0)

        def cast() -> None:
            member = db.session.get_one(PanelMember, members[2])
            ballots.cast_ballot(
                member.id,
                application_id,
                YES,
                actor=make.expert_actor(member),
                now=make.ON_THE_DAY,
            )

        outcomes = self.run_at_once(own_app, cast)
        assert outcomes == ["committee_rule"] * 3 + ["done"]
        with own_app.app_context():
            assert db.session.query(Ballot).count() == 1
            assert db.session.query(BallotCast).count() == 1

    def test_parallel_casts_of_different_experts_all_count(self, own_app: Flask) -> None:
        _meeting_id, _item_id, application_id, members = self.prepare(own_app, voted=0)
        waiting = list(members)
        lock = threading.Lock()

        def cast() -> None:
            with lock:
                member_id = waiting.pop()
            member = db.session.get_one(PanelMember, member_id)
            ballots.cast_ballot(
                member_id,
                application_id,
                NO,
                actor=make.expert_actor(member),
                now=make.ON_THE_DAY,
            )

        assert self.run_at_once(own_app, cast, times=6) == ["done"] * 6
        with own_app.app_context():
            assert db.session.query(Ballot).count() == 6

    def test_parallel_closings_count_once(self, own_app: Flask) -> None:
        meeting_id, item_id, application_id, _members = self.prepare(own_app, voted=7)

        def close() -> None:
            meeting = db.session.get_one(ReviewMeeting, meeting_id)
            ballots.close_ballot(item_id, actor=make.chair_of(meeting), now=make.ON_THE_DAY)

        assert self.run_at_once(own_app, close) == ["conflict"] * 3 + ["done"]
        with own_app.app_context():
            events = db.session.scalars(
                select(ApplicationEvent.action).where(
                    ApplicationEvent.application_id == application_id
                )
            ).all()
            assert [action.value for action in events].count("pass") == 1
            item = db.session.get_one(MeetingItem, item_id)
            assert (item.yes, item.present) == (7, 7)
