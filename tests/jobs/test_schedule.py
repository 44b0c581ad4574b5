"""The ticker and the workers, on a real Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from rq import SimpleWorker
from rq.serializers import JSONSerializer
from sqlalchemy import text

from app.jobs import schedule, sweeping


@pytest.fixture
def store(app: Flask) -> Iterator[Redis]:
    """Redis with an empty queue."""
    redis: Redis = app.extensions["redis"]
    redis.flushdb()
    yield redis
    redis.flushdb()


def test_two_tickers_enqueue_each_job_once_a_minute(store: Redis) -> None:
    names = [job.name for job in schedule.PERIODIC]
    first = schedule.enqueue_all(store)
    second = schedule.enqueue_all(store)
    if second:  # the minute turned between the two calls
        second = schedule.enqueue_all(store)
    assert first == names
    assert second == []
    assert len(set(schedule.queue(store).job_ids)) == len(schedule.queue(store).job_ids)


def test_jobs_carry_no_facts(store: Redis) -> None:
    schedule.enqueue_all(store)
    for job in schedule.queue(store).jobs:
        assert list(job.args) in ([], [job.id.rsplit("-", 1)[0]])
        assert job.kwargs == {}


def test_worker_runs_every_periodic_job(store: Redis) -> None:
    schedule.enqueue_all(store)
    queue = schedule.queue(store)
    worker = SimpleWorker([queue], connection=store, serializer=JSONSerializer)
    worker.work(burst=True, with_scheduler=False)
    assert queue.failed_job_registry.get_job_ids() == []
    assert len(queue.finished_job_registry.get_job_ids()) == len(schedule.PERIODIC)


def test_every_sweep_is_scheduled() -> None:
    from app.services.sweeps import FINDERS

    assert set(FINDERS) <= {job.name for job in schedule.PERIODIC}


def test_sweep_of_a_quiet_database_changes_nothing(app: Flask) -> None:
    assert sweeping.sweep("node_due") == {"found": 0, "changed": 0}


def test_message_owed_is_delivered_without_waiting_for_the_minute(
    store: Redis, app: Flask, sign_in: Callable[[str], FlaskClient]
) -> None:
    from app.extensions import db

    client = sign_in("province")
    with client:
        client.get("/notifications/")
        db.session.info["outbox_waiting"] = True
        db.session.execute(text("SELECT 1"))
        db.session.commit()
    assert [job.func_name for job in schedule.queue(store).jobs] == ["app.jobs.sweeping.deliver"]
