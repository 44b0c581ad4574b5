"""What the clock does by itself: in due order, as of the due instant, the same rows however
often it runs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from app import settling
from app.domain.terms import FilingState, LapseKind, ObjectionFinding
from app.domain.workflow import Action, State
from app.extensions import db, unit_of_work
from app.models import (
    Account,
    Application,
    ApplicationEvent,
    AuthorityFiling,
    Expert,
    Lapse,
    Notification,
    Publicity,
)
from app.security.actors import actor_of
from app.services import (
    employer,
    invariants,
    notifications,
    objections,
    publicity,
    rehearsal,
    reminders,
    sweeps,
)
from app.services.actors import Actor
from app.services.materials import store_file
from tests.applicants import begin_draft, fill_in, small_pdf, submit
from tests.conftest import at

GetActor = Callable[[str], Actor]
SUBMITTED = at("2022-08-03T10:00:00")
OPENED = at("2022-08-05T10:00:00")
ENDS = at("2022-08-13T00:00:00")
RECEIPT = at("2022-09-15T17:00:00")


@pytest.fixture
def draft(app: Flask) -> Application:
    return fill_in(begin_draft("王敏", SUBMITTED), SUBMITTED)


@pytest.fixture
def submitted(draft: Application) -> Application:
    submit(draft, SUBMITTED)
    return draft


@pytest.fixture
def publicised(submitted: Application, actor: GetActor) -> Application:
    open_it(submitted, actor("nmdesign"))
    return submitted


def open_it(application: Application, unit: Actor, *, automatic: bool = False) -> None:
    employer.open_publicity(
        application.id,
        opinion="同意推荐",
        on_site_promised=True,
        forwards_automatically=automatic,
        actor=unit,
        now=OPENED,
    )


def prove(application: Application, unit: Actor, now: datetime) -> None:
    """Upload the proof of the posting on site."""
    posting = db.session.scalars(
        select(Publicity).where(Publicity.application_id == application.id)
    ).one()
    file = store_file(
        small_pdf("posted"), "张贴.pdf", allowed_types=["pdf"], max_bytes=10**6, now=now
    )
    publicity.upload_on_site_proof(
        posting.id,
        file=file,
        posted_from=OPENED.date(),
        posted_to=(ENDS - timedelta(seconds=1)).date(),
        actor=unit,
        now=now,
    )


def settle(application: Application, now: datetime) -> list[str]:
    return sweeps.settle_application(application.id, now=now)


# --------------------------------------------------------------------------- drafts


@pytest.mark.parametrize(
    ("now", "state"),
    [
        ("2022-08-05T17:00:00", State.DRAFT),
        ("2022-08-05T17:01:00", State.DRAFT),
        ("2022-08-05T17:01:01", State.LAPSED),
    ],
)
def test_draft_lapses_after_the_window_and_the_grace(
    draft: Application, now: str, state: State
) -> None:
    settle(draft, at(now))
    assert draft.state is state


def test_draft_lapses_as_of_the_second_after_the_window(draft: Application) -> None:
    settle(draft, at("2022-12-31T00:00:00"))
    event = draft.events[-1]
    assert (event.action, event.at) == (Action.LAPSE, at("2022-08-05T17:00:01"))
    assert draft.is_live is False


def test_late_sweep_does_not_beat_a_submit_that_arrived_in_time(draft: Application) -> None:
    settle(draft, at("2022-08-05T17:05:00"))
    submit(draft, at("2022-08-05T17:00:00"), key="arrived-in-time")
    assert draft.state is State.IN_EMPLOYER_CHECK
    assert draft.is_live is True


# --------------------------------------------------------------------------- publicity


def test_publicity_ends_at_24_00_of_the_fifth_full_working_day(publicised: Application) -> None:
    assert settle(publicised, ENDS - timedelta(seconds=1)) == []
    assert settle(publicised, ENDS) == ["publicity_expiry"]
    assert publicised.state is State.PUBLICIZED
    assert publicised.events[-1].at == ENDS


def test_open_objection_keeps_the_application_on_hold(
    publicised: Application, actor: GetActor
) -> None:
    posting = publicised.publicities[0]
    objection = objections.raise_objection(
        posting.id,
        body="业绩排名有误，可查项目档案。",
        contact="19900001234",
        actor=actor("nmdesign"),
        now=OPENED,
    )
    assert settle(publicised, ENDS + timedelta(days=1)) == []
    assert publicised.state is State.ON_HOLD
    objections.decide_objection(
        objection.id,
        finding=ObjectionFinding.UNFOUNDED,
        text="经核查，档案与申报一致。",
        actor=actor("nmdesign"),
        now=ENDS + timedelta(days=1),
    )
    assert publicised.state is State.PUBLICIZED


def test_application_is_forwarded_only_where_the_unit_chose_it(
    publicised: Application, actor: GetActor
) -> None:
    prove(publicised, actor("nmdesign"), ENDS - timedelta(hours=5))
    settle(publicised, ENDS)
    assert publicised.state is State.PUBLICIZED


def test_chosen_forwarding_needs_the_proof_in_time(submitted: Application, actor: GetActor) -> None:
    open_it(submitted, actor("nmdesign"), automatic=True)
    settle(submitted, ENDS)
    assert submitted.state is State.PUBLICIZED
    prove(submitted, actor("nmdesign"), ENDS + timedelta(hours=9))
    settle(submitted, ENDS + timedelta(hours=10))
    assert submitted.state is State.PUBLICIZED


def test_chosen_forwarding_happens_as_the_publicity_ends(
    submitted: Application, actor: GetActor
) -> None:
    open_it(submitted, actor("nmdesign"), automatic=True)
    prove(submitted, actor("nmdesign"), ENDS - timedelta(hours=5))
    assert settle(submitted, ENDS) == ["publicity_expiry", "auto_forward"]
    assert submitted.state is State.IN_ROUTING
    assert submitted.events[-1].at == ENDS


def test_months_at_once_happen_in_due_order(submitted: Application, actor: GetActor) -> None:
    open_it(submitted, actor("nmdesign"), automatic=True)
    prove(submitted, actor("nmdesign"), ENDS - timedelta(hours=5))
    done = settle(submitted, at("2023-01-01T00:00:00"))
    assert done == ["publicity_expiry", "auto_forward", "node_due", "receipt_deadline"]
    instants = [event.at for event in submitted.events]
    assert instants == sorted(instants)
    assert submitted.events[-1].at == RECEIPT + timedelta(seconds=1)


# --------------------------------------------------------------------------- routing and receipt


def test_late_node_is_noted_once_and_ends_nothing(submitted: Application, actor: GetActor) -> None:
    open_it(submitted, actor("nmdesign"), automatic=True)
    prove(submitted, actor("nmdesign"), ENDS - timedelta(hours=5))
    settle(submitted, ENDS)
    due = submitted.due_at
    assert due == at("2022-08-18T00:00:00")  # received Sat 08-13: 24:00 of Wed 08-17
    assert settle(submitted, due - timedelta(seconds=1)) == []
    assert settle(submitted, due) == ["node_due"]
    assert settle(submitted, due + timedelta(days=3)) == []
    assert submitted.state is State.IN_ROUTING
    lapse = db.session.scalars(select(Lapse)).one()
    assert (lapse.kind, lapse.due_at) == (LapseKind.NODE_OVERDUE, due)


@pytest.mark.parametrize("seconds", [-1, 0])
def test_receipt_deadline_includes_its_own_second(submitted: Application, seconds: int) -> None:
    assert settle(submitted, RECEIPT + timedelta(seconds=seconds)) == []


def test_undelivered_application_lapses_with_everybody_who_overran(
    submitted: Application,
) -> None:
    assert settle(submitted, RECEIPT + timedelta(seconds=1)) == ["receipt_deadline"]
    assert submitted.state is State.LAPSED
    assert submitted.state_before is State.IN_EMPLOYER_CHECK
    lapse = db.session.scalars(select(Lapse).where(Lapse.kind == LapseKind.NOT_DELIVERED)).one()
    assert [entry["unit_id"] for entry in lapse.responsible] == [submitted.employer_id]
    assert lapse.responsible[0]["hours"] > 24 * 30


# --------------------------------------------------------------------------- readers


def test_reader_sees_what_the_sweep_would_make_of_it(publicised: Application) -> None:
    def seen(now: datetime) -> State:
        return sweeps.effective_state(publicised, now=now)

    assert seen(ENDS - timedelta(seconds=1)) is State.IN_PUBLICITY
    assert seen(ENDS) is State.PUBLICIZED
    assert seen(RECEIPT + timedelta(seconds=1)) is State.LAPSED
    assert publicised.state is State.IN_PUBLICITY


# --------------------------------------------------------------------------- reminders, outbox


def test_reminders_are_sent_once(submitted: Application, actor: GetActor) -> None:
    now = at("2022-08-12T09:00:00")  # D + 10 is Mon 08-15, one working day away
    assert reminders.remind(now=now) > 0
    count = db.session.scalar(select(func.count(Notification.id)))
    reminders.remind(now=now + timedelta(minutes=1))
    assert db.session.scalar(select(func.count(Notification.id))) == count


def told(kind: str, account: Account) -> int:
    return db.session.scalars(
        select(func.count(Notification.id)).where(
            Notification.kind == kind, Notification.account_id == account.id
        )
    ).one()


def test_the_owner_of_a_draft_hears_once_that_the_window_is_open(draft: Application) -> None:
    owner = db.session.scalars(select(Account).where(Account.person_id == draft.person_id)).one()
    opens_at = draft.plan_line.applications_open_at

    reminders.remind(now=opens_at - timedelta(seconds=1))
    assert told("window_open", owner) == 0
    reminders.remind(now=opens_at)
    reminders.remind(now=opens_at + timedelta(hours=1))
    assert told("window_open", owner) == 1


def test_filings_and_terms_are_called_to_mind_before_they_expire(app: Flask) -> None:
    province = db.session.scalars(select(Account).where(Account.username == "province")).one()
    filing = db.session.scalars(
        select(AuthorityFiling).where(AuthorityFiling.state == FilingState.APPROVED).limit(1)
    ).one()
    expert = db.session.scalars(select(Expert).limit(1)).one()
    for other in db.session.scalars(select(AuthorityFiling).where(AuthorityFiling.id != filing.id)):
        other.valid_to = date(2024, 12, 31)
    for colleague in db.session.scalars(select(Expert).where(Expert.id != expert.id)):
        colleague.term_to = date(2024, 12, 31)
    filing.valid_to = expert.term_to = date(2022, 9, 30)
    db.session.flush()

    reminders.remind(now=at("2022-08-30T23:59"))
    assert (told("filing_expires", province), told("term_expires", province)) == (0, 0)
    reminders.remind(now=at("2022-08-31T00:00"))
    reminders.remind(now=at("2022-09-30T23:59"))
    assert (told("filing_expires", province), told("term_expires", province)) == (1, 1)


def test_outbox_is_delivered_once(submitted: Application) -> None:
    assert notifications.deliver_outbox(now=SUBMITTED) > 0
    assert notifications.deliver_outbox(now=SUBMITTED) == 0


# --------------------------------------------------------------------------- runs


def prepare(app: Flask) -> int:
    """A committed publicised application; its id."""
    with app.app_context(), unit_of_work():
        application = fill_in(begin_draft("王敏", SUBMITTED), SUBMITTED)
        submit(application, SUBMITTED)
        unit = actor_of(db.session.query(Account).filter_by(username="nmdesign").one())
        open_it(application, unit)
        return application.id


def test_parallel_runs_leave_one_event(own_app: Flask) -> None:
    application_id = prepare(own_app)
    with own_app.app_context(), unit_of_work():
        rehearsal.set_rehearsed_time(ENDS + timedelta(hours=1))
    barrier = threading.Barrier(4)
    errors: list[Exception] = []

    def run() -> None:
        with own_app.app_context():
            barrier.wait()
            try:
                settling.run_everything()
            except Exception as error:
                errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with own_app.app_context():
        closed = db.session.scalars(
            select(ApplicationEvent).where(
                ApplicationEvent.application_id == application_id,
                ApplicationEvent.action == Action.CLOSE_PUBLICITY,
            )
        ).all()
        assert len(closed) == 1
        assert invariants.run_checks() == []


def test_command_does_what_the_jobs_do(own_app: Flask) -> None:
    application_id = prepare(own_app)
    runner = own_app.test_cli_runner()
    moved = runner.invoke(args=["rehearsal", "set", "2022-08-13T00:30"])
    assert moved.exit_code == 0, moved.output
    assert "publicity_expiry 1" in moved.output
    again = runner.invoke(args=["sweep"])
    assert "publicity_expiry: found 0, changed 0" in again.output
    with own_app.app_context():
        assert db.session.get_one(Application, application_id).state is State.PUBLICIZED
