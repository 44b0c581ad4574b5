"""The table of periodic jobs and the ticker that enqueues them every minute."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.exceptions import DuplicateJobError
from rq.serializers import JSONSerializer

from app import clock
from app.services.sweeps import FINDERS
from app.settling import WORK

log = logging.getLogger(__name__)

JOB_SECONDS = 300
"""A job that runs longer is stopped; the next minute's goes on where it was."""

RESULT_SECONDS = 600
FAILURE_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True)
class Periodic:
    """A job by dotted name with its arguments, enqueued once a minute."""

    name: str
    function: str
    args: tuple[str, ...] = ()


PERIODIC = (
    *(Periodic(name, "app.jobs.sweeping.sweep", (name,)) for name in FINDERS),
    *(Periodic(name, "app.jobs.sweeping.work", (name,)) for name in WORK),
    Periodic("background", "app.jobs.background.look_after"),
    Periodic("audit_head", "app.jobs.sweeping.anchor_audit"),
    Periodic("custom_indexes", "app.jobs.sweeping.tend_custom_indexes"),
)


def queue(connection: Redis, name: str = "default") -> Queue:
    """The queue as ticker and workers share it."""
    return Queue(name, connection=connection, serializer=JSONSerializer)


def enqueue_all(connection: Redis) -> list[str]:
    """Enqueue each periodic job for this minute; a second ticker's are duplicates and left out."""
    minute = clock.real_now().strftime("%Y%m%dT%H%M")
    target = queue(connection)
    put = []
    for job in PERIODIC:
        try:
            target.enqueue_call(
                job.function,
                args=job.args,
                job_id=f"{job.name}-{minute}",
                unique=True,
                timeout=JOB_SECONDS,
                result_ttl=RESULT_SECONDS,
                failure_ttl=FAILURE_SECONDS,
                ttl=RESULT_SECONDS,
            )
        except DuplicateJobError:
            continue
        put.append(job.name)
    return put


def tick_forever(connection: Redis) -> None:
    """Enqueue at the start and at every full minute; when Redis is away, say so and try again."""
    while True:
        try:
            enqueue_all(connection)
        except RedisError as error:
            log.warning("the queue cannot be reached (%s); trying again", type(error).__name__)
            time.sleep(5)
            continue
        time.sleep(60 - clock.real_now().second + 0.05)
