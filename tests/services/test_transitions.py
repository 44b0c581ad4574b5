"""transition(): one answer a key, no lost update, an unbroken chain, messages once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text

from app.domain.errors import (
    ActorNotAllowedError,
    DomainError,
    NotPermittedError,
    StaleVersionError,
    TransitionNotAllowedError,
)
from app.domain.history import chain_hash
from app.domain.terms import ReturnTarget
from app.domain.workflow import Action, State
from app.extensions import db, unit_of_work
from app.models import Account, Application, ApplicationEvent, OutboxMessage
from app.security.actors import actor_of
from app.services import invariants, transitions
from app.services.actors import Actor
from app.services.transitions import GENESIS, Effects, event_payload, transition
from tests.applicants import begin_draft, fill_in, submit
from tests.conftest import at, unprotect

GetActor = Callable[[str], Actor]
NOW = at("2022-08-03T10:00:00")


@pytest.fixture
def submitted(app: Flask) -> Application:
    """王敏's application in the hands of her unit."""
    application = begin_draft("王敏", NOW)
    fill_in(application, NOW)
    submit(application, NOW)
    return application


def return_it(application: Application) -> Effects:
    """The least a return needs."""
    return Effects(
        reason="材料不全",
        holder_unit_id=application.employer_id,
        returned_to=ReturnTarget.APPLICANT,
    )


def test_state_version_and_event_change_together(submitted: Application, actor: GetActor) -> None:
    version = submitted.version
    event = transition(
        submitted.id, Action.RETURN, actor=actor("nmdesign"), now=NOW, decide=return_it
    )
    assert (event.from_state, event.to_state) == (State.IN_EMPLOYER_CHECK, State.RETURNED)
    assert submitted.state is State.RETURNED
    assert submitted.version == version + 1
    assert submitted.returned_to is ReturnTarget.APPLICANT


def test_same_key_gets_the_first_answer_again(submitted: Application, actor: GetActor) -> None:
    first, second = (
        transition(
            submitted.id,
            Action.RETURN,
            actor=actor("nmdesign"),
            now=NOW,
            decide=return_it,
            idempotency_key="once",
        )
        for _ in range(2)
    )
    assert first.id == second.id


def test_key_of_another_account_is_another_key(submitted: Application, actor: GetActor) -> None:
    kwargs: dict[str, Any] = {"now": NOW, "decide": return_it, "idempotency_key": "key-0001"}
    event = transition(submitted.id, Action.RETURN, actor=actor("nmdesign"), **kwargs)
    assert event.action is Action.RETURN


def test_outdated_page_is_refused(submitted: Application, actor: GetActor) -> None:
    with pytest.raises(StaleVersionError) as error:
        transition(
            submitted.id,
            Action.RETURN,
            actor=actor("nmdesign"),
            now=NOW,
            decide=return_it,
            expected_version=submitted.version - 1,
        )
    assert error.value.http_status == 409
    assert submitted.state is State.IN_EMPLOYER_CHECK


@pytest.mark.parametrize("stranger", ["gzdesign", "gyhousing", "nmhousing", "nanming"])
def test_unit_that_does_not_hold_it_is_refused(
    submitted: Application, actor: GetActor, stranger: str
) -> None:
    with pytest.raises(DomainError) as error:
        transition(submitted.id, Action.RETURN, actor=actor(stranger), now=NOW, decide=return_it)
    assert error.value.http_status == 403


def test_action_of_another_state_is_refused(submitted: Application, actor: GetActor) -> None:
    with pytest.raises(TransitionNotAllowedError):
        transition(submitted.id, Action.FORWARD, actor=actor("nmdesign"), now=NOW, decide=return_it)


def test_action_of_another_role_is_refused(submitted: Application, actor: GetActor) -> None:
    with pytest.raises((ActorNotAllowedError, NotPermittedError)):
        transition(submitted.id, Action.RETURN, actor=actor("王敏"), now=NOW, decide=return_it)


def test_refusal_of_the_service_leaves_nothing(submitted: Application, actor: GetActor) -> None:
    def refuse(_application: Application) -> Effects:
        raise NotPermittedError

    events = len(submitted.events)
    with pytest.raises(NotPermittedError):
        transition(submitted.id, Action.RETURN, actor=actor("nmdesign"), now=NOW, decide=refuse)
    db.session.refresh(submitted)
    assert (submitted.state, len(submitted.events)) == (State.IN_EMPLOYER_CHECK, events)


def test_events_form_a_chain(submitted: Application, actor: GetActor) -> None:
    transition(submitted.id, Action.RETURN, actor=actor("nmdesign"), now=NOW, decide=return_it)
    previous = GENESIS
    events = db.session.scalars(
        select(ApplicationEvent)
        .where(ApplicationEvent.application_id == submitted.id)
        .order_by(ApplicationEvent.seq)
    ).all()
    assert [event.seq for event in events] == [1, 2, 3]
    for event in events:
        assert event.previous_hash == previous
        assert event.hash == chain_hash(previous, event_payload(event))
        previous = event.hash


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE application_event SET reason = 'x' WHERE seq = 2",
        "UPDATE application_event SET at = at + interval '1 second' WHERE seq = 1",
        "UPDATE application_event SET data = '{\"a\": 1}' WHERE seq = 2",
        "UPDATE application_event SET seq = seq + 10 WHERE seq = 2",
        "UPDATE application_event SET hash = previous_hash WHERE seq = 2",
    ],
)
def test_damaged_chain_is_found(submitted: Application, damage: str) -> None:
    assert invariants.run_checks() == []
    unprotect("application_event")
    db.session.execute(text(damage))
    db.session.expire_all()
    assert {v.check for v in invariants.run_checks()} >= {"events_are_chained"}


def test_messages_are_owed_once(submitted: Application, actor: GetActor, account: Any) -> None:
    recipient = account("王敏").id

    def tell_twice(application: Application) -> Effects:
        effects = return_it(application)
        effects.tell = [("returned", recipient), ("returned", recipient)]
        return effects

    event = transition(
        submitted.id, Action.RETURN, actor=actor("nmdesign"), now=NOW, decide=tell_twice
    )
    owed = db.session.scalars(
        select(OutboxMessage.recipient_id).where(OutboxMessage.event_id == event.id)
    ).all()
    assert owed == [recipient]


# --------------------------------------------------------------------------- races


def submit_one(app: Flask) -> int:
    """A committed application in its unit's hands; its id."""
    with app.app_context(), unit_of_work():
        application = begin_draft("王敏", NOW)
        fill_in(application, NOW)
        submit(application, NOW)
        return application.id


def race(app: Flask, application_id: int, count: int) -> list[str]:
    """`count` connections return the same application at once; what each was told."""
    barrier = threading.Barrier(count)
    told: list[str] = []

    def attempt(number: int) -> None:
        with app.app_context():
            handler = actor_of(db.session.query(Account).filter_by(username="nmdesign").one())
            db.session.rollback()
            barrier.wait()
            try:
                with unit_of_work():
                    transition(
                        application_id,
                        Action.RETURN,
                        actor=handler,
                        now=NOW,
                        decide=return_it,
                        idempotency_key=f"race-{number}",
                    )
                told.append("done")
            except DomainError as error:
                told.append(error.code)
            except Exception as error:
                told.append(type(error).__name__)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(told)


def test_one_of_many_parallel_actions_wins(own_app: Flask) -> None:
    application_id = submit_one(own_app)
    assert race(own_app, application_id, 8) == ["done"] + ["transition_not_allowed"] * 7
    with own_app.app_context():
        row = db.session.get_one(Application, application_id)
        assert len([e for e in row.events if e.action is Action.RETURN]) == 1


def test_without_the_lock_the_race_is_seen(own_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above can fail: unlocked, several get past the check and collide on the chain."""
    application_id = submit_one(own_app)
    monkeypatch.setattr(
        transitions, "lock_application", lambda key: db.session.get_one(Application, key)
    )
    told = race(own_app, application_id, 8)
    assert told != ["done"] + ["transition_not_allowed"] * 7
