"""Working on background jobs: one batch after the other, each in a transaction of its own.

The queue says "look at job 7"; everything else is in the database. Whoever holds the lease works;
a killed run leaves a dead lease, and `look_after` enqueues the job again within the minute.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from flask import current_app
from redis.exceptions import RedisError
from rq.exceptions import DuplicateJobError
from sqlalchemy import ColumnElement

from app import clock, settling
from app.domain.errors import DomainError, NotPermittedError
from app.domain.messages import N_
from app.domain.workflow import ActorRole
from app.extensions import db, unit_of_work
from app.jobs.hints import LONG_JOB_SECONDS, long_queue
from app.jobs.schedule import RESULT_SECONDS
from app.messages import say
from app.models import Account, BackgroundJob
from app.security import guard
from app.security.actors import actor_of
from app.services import background_jobs
from app.services.actors import Actor
from app.services.background_jobs import Ending, LeaseLostError
from app.services.dormancy import require_not_suspended
from app.services.imports import exporting, importing
from app.services.imports.exporting import ExportWork
from app.services.imports.importing import ImportWork

log = logging.getLogger(__name__)


class Work(Protocol):
    """What a kind of job does: batches until one of them ends the stage."""

    def do_batch(self, job: BackgroundJob, *, actor: Actor, now: datetime) -> Ending | None:
        """Do the next batch in the open transaction and note the progress; None: more to do.

        Must be safe to begin again at the last committed batch.
        """


Opener = Callable[[BackgroundJob], Work]


class ExportSight:
    """What the guard lets an actor export."""

    def rows(self, model: type, actor: Actor) -> ColumnElement[bool]:
        """The rows of a table."""
        return guard.criterion(model, actor, guard.Action.EXPORT)

    def cells(
        self, rows: Sequence[Any], fields: Sequence[str], actor: Actor
    ) -> list[dict[str, Any]]:
        """The values of `fields`, empty where they may not be seen."""
        return guard.cells(
            rows, fields, actor=actor, action=guard.Action.EXPORT, hidden=exporting.HIDDEN
        )


KINDS: Mapping[str, Opener] = {
    **{f"import_{word}": lambda job: ImportWork(job, say) for word in importing.CHECKERS},
    exporting.KIND: lambda job: ExportWork(job, say, ExportSight()),
}
"""How the work of each kind begins: reading what it was given, writing nothing."""


def run(job_id: int) -> str:
    """Work on a job until its stage ends; what became of it, for the log."""
    with current_app._get_current_object().app_context():  # type: ignore[attr-defined]
        try:
            return work_on(job_id)
        finally:
            db.session.remove()


def work_on(job_id: int) -> str:
    """Take the job up, if it is free, and do its batches."""
    with unit_of_work():
        lease = background_jobs.claim_job(job_id, now=clock.now(), at=clock.real_now())
    if lease is None:
        return "not free"
    try:
        _do_batches(job_id, lease)
    except LeaseLostError:
        return "taken over"
    except DomainError as error:
        with unit_of_work():
            background_jobs.fail_job(job_id, lease, error, now=clock.now())
        return error.code
    except Exception as error:
        log.exception("background job %s stopped: %s", job_id, type(error).__name__)
        with unit_of_work():
            background_jobs.release_job(job_id, lease)
        return "stopped"
    return "ended"


def _do_batches(job_id: int, lease: str) -> None:
    with unit_of_work() as session:
        job = background_jobs.hold_job(job_id, lease, at=clock.real_now())
        opener = KINDS[job.kind]
        session.expunge(job)
    work = opener(job)
    is_open = True
    while is_open:
        with unit_of_work():
            job = background_jobs.hold_job(job_id, lease, at=clock.real_now())
            is_open = _do_batch(work, job)


def _do_batch(work: Work, job: BackgroundJob) -> bool:
    """One batch; whether there is more to do."""
    now = clock.now()
    if job.wants_cancel:
        background_jobs.end_cancelled(job, now=now)
        return False
    ending = work.do_batch(job, actor=_actor_of(job), now=now)
    if ending is not None:
        background_jobs.end_stage(job, ending, now=now)
    return ending is None


def _actor_of(job: BackgroundJob) -> Actor:
    """Who asked, under those roles of the page it was asked on that the account still holds.

    Raises NotPermittedError for an account that has been locked or suspended meanwhile.
    """
    account = db.session.get_one(Account, job.account_id, populate_existing=True)
    if not account.active:
        raise NotPermittedError(N_("The account that asked for this job has been locked."))
    require_not_suspended(account, now=clock.real_now())
    return actor_of(account, address=job.address).under(*map(ActorRole, job.roles))


def look_after() -> dict[str, int]:
    """Every minute: enqueue what no worker has in hand, delete what has expired."""
    with current_app._get_current_object().app_context():  # type: ignore[attr-defined]
        waiting = background_jobs.find_jobs_to_run(at=clock.real_now())
        db.session.rollback()
        for job_id in waiting:
            _enqueue_again(job_id)
        return {"enqueued": len(waiting), "expired": settling.expire_jobs()}


def _enqueue_again(job_id: int) -> None:
    minute = clock.real_now().strftime("%Y%m%dT%H%M")
    try:
        long_queue(current_app.extensions["redis"]).enqueue_call(
            "app.jobs.background.run",
            args=(job_id,),
            job_id=f"background-{job_id}-{minute}",
            unique=True,
            timeout=LONG_JOB_SECONDS,
            result_ttl=RESULT_SECONDS,
        )
    except DuplicateJobError:
        return
    except RedisError as error:
        log.warning("job %s not enqueued (%s); next minute again", job_id, type(error).__name__)
