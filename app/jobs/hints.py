"""After a commit: tell a worker to look now at the outbox or at a background job, not in a minute.

Only a hint: without Redis nothing is lost, the next sweep delivers and enqueues.
"""

from __future__ import annotations

import logging

from flask import Flask, current_app, has_request_context
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from sqlalchemy import event
from sqlalchemy.orm import Session

from app.jobs.schedule import JOB_SECONDS, RESULT_SECONDS, queue

log = logging.getLogger(__name__)

LONG_QUEUE = "long"
"""Background jobs have a queue and a worker of their own, so that sweeps never wait for them."""

LONG_JOB_SECONDS = 3600
"""A run that lasts longer is stopped; its lease runs out and the next run goes on."""


def register(_app: Flask) -> None:
    """Listen for commits; once a process, however many applications it builds."""
    if not event.contains(Session, "after_commit", give_hints):
        event.listen(Session, "after_commit", give_hints)


def long_queue(connection: Redis) -> Queue:
    """The queue of background jobs; the ordinary one where no worker serves it."""
    known = current_app.config["WORKER_QUEUES"]
    return queue(connection, LONG_QUEUE if LONG_QUEUE in known else known[0])


def give_hints(session: Session) -> None:
    """Enqueue the delivery of the outbox, or background jobs, if this transaction wrote some."""
    owes_messages = session.info.pop("outbox_waiting", False)
    jobs = session.info.pop("jobs_waiting", [])
    if not has_request_context() or not (owes_messages or jobs):
        return
    connection = current_app.extensions["redis"]
    try:
        if owes_messages:
            queue(connection).enqueue_call(
                "app.jobs.sweeping.deliver", timeout=JOB_SECONDS, result_ttl=RESULT_SECONDS
            )
        for job_id in jobs:
            enqueue_background(connection, job_id)
    except RedisError as error:
        log.warning("no hint for the workers (%s); the next sweep looks", type(error).__name__)


def enqueue_background(connection: Redis, job_id: int) -> None:
    """Tell the worker of long work to look at a job."""
    long_queue(connection).enqueue_call(
        "app.jobs.background.run",
        args=(job_id,),
        timeout=LONG_JOB_SECONDS,
        result_ttl=RESULT_SECONDS,
    )
