"""Races: real threads on real connections; each property fails without the means that gives it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.domain.errors import DomainError
from app.domain.workflow import Action, State
from app.extensions import db, unit_of_work
from app.models import Application, ApplicationEvent, ApplicationVersion, RoutingNode
from app.services import applications, transitions
from app.services.applications import SecondApplicationError
from tests.applicants import actor_named, begin_draft, fill_in, submit
from tests.conftest import at

IN_WINDOW = at("2022-08-03T09:00:00")
CLICKS = 20


def run_at_once(app: Flask, count: int, perform: Callable[[int], Any]) -> list[Any]:
    """What each of `count` threads got: a result, or the exception."""
    ready = threading.Barrier(count)
    results: list[Any] = [None] * count

    def work(place: int) -> None:
        with app.app_context():
            ready.wait()
            try:
                with unit_of_work():
                    results[place] = perform(place)
            except Exception as error:
                results[place] = error
            finally:
                db.session.remove()

    threads = [threading.Thread(target=work, args=(place,)) for place in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def ready_draft(app: Flask) -> int:
    """The id of a draft of 王敏 that can be submitted, committed."""
    with app.app_context():
        with unit_of_work():
            application_id = fill_in(begin_draft("王敏", IN_WINDOW), IN_WINDOW).id
        db.session.remove()
    return application_id


def submit_many(app: Flask, application_id: int) -> list[Any]:
    """Submit once from each thread, every time with another key."""

    def perform(place: int) -> int:
        application = db.session.get_one(Application, application_id)
        return int(submit(application, IN_WINDOW, key=f"click-{place}").id)

    return run_at_once(app, CLICKS, perform)


def require_one_submission(app: Flask, application_id: int, results: list[Any]) -> None:
    """Exactly one thread has submitted, the others were told why not in words."""
    winners = [found for found in results if isinstance(found, int)]
    assert len(winners) == 1
    others = [found for found in results if not isinstance(found, int)]
    assert [type(found).__name__ for found in others if not isinstance(found, DomainError)] == []
    with app.app_context():
        submitted = db.session.scalar(
            select(func.count(ApplicationEvent.id)).where(
                ApplicationEvent.application_id == application_id,
                ApplicationEvent.action == Action.SUBMIT,
            )
        )
        versions = db.session.scalar(select(func.count(ApplicationVersion.id)))
        nodes = db.session.scalar(select(func.count(RoutingNode.id)))
        state = db.session.get_one(Application, application_id).state
        db.session.remove()
    assert (submitted, versions, nodes, state) == (1, 1, 5, State.IN_EMPLOYER_CHECK)


def test_twenty_parallel_submits_make_one_submission(own_app: Flask) -> None:
    application_id = ready_draft(own_app)
    require_one_submission(own_app, application_id, submit_many(own_app, application_id))


def test_parallel_submits_break_without_the_lock(
    own_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above is able to fail: without the row lock others than refusals come out."""
    application_id = ready_draft(own_app)

    def read_without_lock(wanted: int) -> Application:
        return db.session.get_one(Application, wanted, populate_existing=True)

    monkeypatch.setattr(transitions, "lock_application", read_without_lock)
    results = submit_many(own_app, application_id)
    with pytest.raises(AssertionError):
        require_one_submission(own_app, application_id, results)


def test_parallel_clicks_with_one_key_get_one_answer(own_app: Flask) -> None:
    application_id = ready_draft(own_app)

    def perform(_place: int) -> int:
        application = db.session.get_one(Application, application_id)
        return int(submit(application, IN_WINDOW, key="one-click").id)

    results = run_at_once(own_app, 8, perform)
    assert len(set(results)) == 1
    assert isinstance(results[0], int)


def test_parallel_drafts_make_one_application(own_app: Flask) -> None:
    def perform(_place: int) -> int:
        return begin_draft("王敏", IN_WINDOW).id

    results = run_at_once(own_app, 8, perform)
    assert len([found for found in results if isinstance(found, int)]) == 1
    others = [found for found in results if not isinstance(found, int)]
    assert {type(found) for found in others} == {SecondApplicationError}


def test_parallel_saves_lose_nothing(own_app: Flask) -> None:
    """Eight devices save the same part from the same page: one is kept, seven are told."""
    application_id = ready_draft(own_app)
    with own_app.app_context():
        seen = db.session.get_one(Application, application_id).content_version
        actor = actor_named("王敏")
        db.session.remove()

    def perform(place: int) -> str:
        saved = applications.save_section(
            application_id,
            "work_summary",
            {"work_summary": f"第{place}台"},
            actor=actor,
            now=IN_WINDOW,
            expected_content_version=seen,
        )
        return str(saved.content["work_summary"]["work_summary"])

    results = run_at_once(own_app, 8, perform)
    kept = [found for found in results if isinstance(found, str)]
    assert len(kept) == 1
    assert {found.code for found in results if not isinstance(found, str)} == {"content_conflict"}
    with own_app.app_context():
        stored = db.session.get_one(Application, application_id).content["work_summary"]
        db.session.remove()
    assert stored == {"work_summary": kept[0]}


def test_parallel_submit_and_save_freeze_one_content(own_app: Flask) -> None:
    """What is frozen is what is stored: a save under way comes before or is refused."""
    application_id = ready_draft(own_app)
    with own_app.app_context():
        actor = actor_named("王敏")
        db.session.remove()

    def perform(place: int) -> str:
        if place == 0:
            submit(db.session.get_one(Application, application_id), IN_WINDOW)
            return "submitted"
        applications.save_section(
            application_id,
            "work_summary",
            {"work_summary": f"{place}"},
            actor=actor,
            now=IN_WINDOW,
            expected_content_version=None,
        )
        return "saved"

    results = run_at_once(own_app, 6, perform)
    assert results[0] == "submitted"
    assert [r for r in results if not isinstance(r, str | DomainError)] == []
    with own_app.app_context():
        application = db.session.get_one(Application, application_id)
        assert application.versions[0].content == application.content
        db.session.remove()
