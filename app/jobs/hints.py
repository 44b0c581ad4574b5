"""After a commit that owes messages: tell a worker to look at the outbox now, not in a minute.

Only a hint: without Redis nothing is lost, the next sweep delivers.
"""

from __future__ import annotations

import logging

from flask import Flask, current_app, has_request_context
from redis.exceptions import RedisError
from sqlalchemy import event
from sqlalchemy.orm import Session

from app.jobs.schedule import JOB_SECONDS, RESULT_SECONDS, queue

log = logging.getLogger(__name__)


def register(_app: Flask) -> None:
    """Listen for commits; once a process, however many applications it builds."""
    if not event.contains(Session, "after_commit", hint_outbox):
        event.listen(Session, "after_commit", hint_outbox)


def hint_outbox(session: Session) -> None:
    """Enqueue the delivery of the outbox if this transaction has written to it."""
    if not session.info.pop("outbox_waiting", False) or not has_request_context():
        return
    try:
        queue(current_app.extensions["redis"]).enqueue_call(
            "app.jobs.sweeping.deliver", timeout=JOB_SECONDS, result_ttl=RESULT_SECONDS
        )
    except RedisError as error:
        log.warning("no hint for the outbox (%s); the next sweep delivers", type(error).__name__)
