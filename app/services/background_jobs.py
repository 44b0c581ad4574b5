"""后台作业: long work somebody asked for - its queue, its lease, its progress and its end.

`now` is the portal's time; `at` is real time, in which leases run. A worker that is killed keeps
no lease: after LEASE the next run takes the job up, and what the killed one had not committed has
not happened.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, or_, select

from app.domain.errors import ConflictError, DomainError, RuleViolation, StaleVersionError
from app.domain.messages import N_
from app.domain.terms import JobState
from app.extensions import db
from app.models import BackgroundJob
from app.services.actors import Actor
from app.services.audit import record
from app.services.settings import parameter

LEASE: Final = timedelta(seconds=90)
"""A run that has not committed anything for so long is taken to be dead."""

HINT_WAIT: Final = timedelta(seconds=30)
"""A job still queued after so long is enqueued again: its hint may have been lost."""

MOST_ATTEMPTS: Final = 3
"""Runs without any progress before the job is given up."""

MOST_OPEN: Final = 3
"""Unfinished jobs of one account at a time."""

ENDED: Final = frozenset({JobState.DONE, JobState.FAILED, JobState.CANCELLED})
OPEN: Final = frozenset(JobState) - ENDED

JOB_STATE_LABELS: Final[Mapping[JobState, str]] = {
    JobState.QUEUED: N_("Queued"),
    JobState.RUNNING: N_("Running"),
    JobState.WAITING_FOR_CONFIRMATION: N_("Waiting for your confirmation"),
    JobState.DONE: N_("Done"),
    JobState.FAILED: N_("Failed"),
    JobState.CANCELLED: N_("Cancelled"),
}


class LeaseLostError(ConflictError):
    """Another run has taken the job up, or it has been ended."""

    code = "lease_lost"
    template = N_("Another run has taken this job up. Nothing more is done here.")


@dataclass(frozen=True)
class Ending:
    """How a stage of a job ends: done, or waiting for a confirmation, with a sentence and
    counts."""

    message: str
    params: Mapping[str, Any] = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)
    is_waiting: bool = False


def ask_for_job(
    kind: str, given: Mapping[str, Any], *, stage: str = "", actor: Actor, now: datetime
) -> BackgroundJob:
    """Put a job into the queue for the actor; a worker is told after the commit.

    Raises RuleViolation when the actor has too many unfinished ones.
    """
    if actor.account_id is None:
        raise RuleViolation(N_("Sign in first."))
    waiting = db.session.scalar(
        select(func.count(BackgroundJob.id)).where(
            BackgroundJob.account_id == actor.account_id, BackgroundJob.state.in_(OPEN)
        )
    )
    if (waiting or 0) >= MOST_OPEN:
        raise RuleViolation(
            N_(
                "You have %(count)s unfinished background jobs. Finish or cancel one of them "
                "first; they stand under “My background jobs”."
            ),
            count=waiting,
        )
    job = BackgroundJob(
        kind=kind,
        stage=stage,
        state=JobState.QUEUED,
        account_id=actor.account_id,
        unit_id=actor.unit_id,
        address=actor.address,
        roles=_words(actor),
        given=dict(given),
        asked_at=now,
        expires_at=now + kept_for(),
    )
    db.session.add(job)
    db.session.flush()
    _wake_worker(job)
    return job


def _words(actor: Actor) -> list[str]:
    return sorted(role.value for role in actor.roles)


def kept_for() -> timedelta:
    """How long files, codes and an unanswered dry run are kept."""
    return timedelta(hours=int(parameter("job_files_hours")))


def _wake_worker(job: BackgroundJob) -> None:
    """Let the edge enqueue the job once the transaction is committed."""
    db.session.info.setdefault("jobs_waiting", []).append(job.id)


def lock_job(job_id: int) -> BackgroundJob:
    """The job, locked until the transaction ends, read afresh."""
    return db.session.get_one(BackgroundJob, job_id, with_for_update=True, populate_existing=True)


def go_on_with_job(
    job_id: int, stage: str, *, expected_version: int, actor: Actor, now: datetime
) -> BackgroundJob:
    """Confirm what a job waits for; it goes on with the next stage. Only who asked for it may.

    Raises StaleVersionError, ConflictError.
    """
    job = _lock_own(job_id, actor)
    if job.state is not JobState.WAITING_FOR_CONFIRMATION:
        raise ConflictError(
            N_("This job does not wait for a confirmation. Reload the page and look again.")
        )
    if job.version != expected_version:
        raise StaleVersionError(
            current_state=JOB_STATE_LABELS[job.state], current_version=job.version
        )
    if job.expires_at <= now:
        raise ConflictError(N_("This dry run has expired. Upload the file again."))
    job.state, job.stage, job.roles = JobState.QUEUED, stage, _words(actor)
    job.done = job.attempts = 0
    job.heartbeat_at = _never(job)
    job.version += 1
    job.expires_at = now + kept_for()
    _wake_worker(job)
    db.session.flush()
    return job


def _never(job: BackgroundJob) -> datetime:
    """A heartbeat so old that the next sweep enqueues the job."""
    return job.created_at


def cancel_job(job_id: int, *, actor: Actor, now: datetime) -> BackgroundJob:
    """Cancel a job: at once if it waits, after the present batch if it runs."""
    job = _lock_own(job_id, actor)
    if job.state in ENDED:
        raise ConflictError(N_("This job has ended already."))
    record("cancel_job", job, actor=actor, now=now, after={"kind": job.kind, "done": job.done})
    if job.state is JobState.RUNNING:
        job.wants_cancel = True
    else:
        _end(job, JobState.CANCELLED, N_("Cancelled before it began."), {}, now)
    job.version += 1
    db.session.flush()
    return job


def _lock_own(job_id: int, actor: Actor) -> BackgroundJob:
    job = lock_job(job_id)
    if job.account_id != actor.account_id:
        raise ConflictError(N_("Only who asked for a job decides about it."))
    return job


# ------------------------------------------------------------------ for the worker


def claim_job(job_id: int, *, now: datetime, at: datetime) -> str | None:
    """Take a job up and return the lease; None when it is not free, has ended or is given up."""
    job = db.session.scalar(
        select(BackgroundJob)
        .where(BackgroundJob.id == job_id)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    if job is None or not (job.state is JobState.QUEUED or _is_abandoned(job, at)):
        return None
    if job.attempts >= MOST_ATTEMPTS:
        _end(
            job,
            JobState.FAILED,
            N_("The job stopped several times without going on. Tell the administrator."),
            {},
            now,
        )
        return None
    lease = secrets.token_hex(16)
    job.state, job.lease, job.heartbeat_at = JobState.RUNNING, lease, at
    job.attempts += 1
    job.version += 1
    return lease


def _is_abandoned(job: BackgroundJob, at: datetime) -> bool:
    return job.state is JobState.RUNNING and job.heartbeat_at <= at - LEASE


def hold_job(job_id: int, lease: str, *, at: datetime) -> BackgroundJob:
    """The job for one batch, locked; LeaseLostError when this run may no longer write."""
    job = lock_job(job_id)
    if job.lease != lease:
        raise LeaseLostError
    job.heartbeat_at = at
    return job


def note_progress(job: BackgroundJob, done: int, total: int | None = None) -> None:
    """Write how far a batch has come; a job that goes on begins its attempts anew."""
    job.total = job.total if total is None else total
    job.done = min(done, job.total)
    job.attempts = 1
    job.version += 1


def end_stage(job: BackgroundJob, ending: Ending, *, now: datetime) -> None:
    """End the present stage: the job is done, or waits for a confirmation."""
    job.report = {**job.report, **ending.report}
    if ending.is_waiting:
        job.state, job.lease = JobState.WAITING_FOR_CONFIRMATION, None
        job.message, job.message_params = ending.message, dict(ending.params)
        job.version += 1
        job.expires_at = now + kept_for()
    else:
        _end(job, JobState.DONE, ending.message, ending.params, now)


def end_cancelled(job: BackgroundJob, *, now: datetime) -> None:
    """Stop a job whose cancelling was asked for while it ran; what is committed stays."""
    _end(
        job,
        JobState.CANCELLED,
        N_("Cancelled after %(done)s of %(total)s; what was done before stays."),
        {"done": job.done, "total": job.total},
        now,
    )


def fail_job(job_id: int, lease: str, error: DomainError, *, now: datetime) -> None:
    """End a job with the refusal that stopped it."""
    job = lock_job(job_id)
    if job.lease == lease:
        _end(job, JobState.FAILED, error.template, error.params, now)


def release_job(job_id: int, lease: str) -> None:
    """Give a job back after a mishap; the next sweep takes it up again."""
    job = lock_job(job_id)
    if job.lease == lease:
        job.state, job.lease = JobState.QUEUED, None
        job.version += 1


def _end(
    job: BackgroundJob, state: JobState, message: str, params: Mapping[str, Any], now: datetime
) -> None:
    job.state, job.lease, job.finished_at = state, None, now
    job.message, job.message_params = message, dict(params)
    job.version += 1
    job.expires_at = now + kept_for()


def find_jobs_to_run(*, at: datetime) -> list[int]:
    """The jobs no worker has in hand: queued for a while, or with a dead lease."""
    return list(
        db.session.scalars(
            select(BackgroundJob.id)
            .where(
                or_(
                    (BackgroundJob.state == JobState.QUEUED)
                    & (BackgroundJob.heartbeat_at <= at - HINT_WAIT),
                    (BackgroundJob.state == JobState.RUNNING)
                    & (BackgroundJob.heartbeat_at <= at - LEASE),
                )
            )
            .order_by(BackgroundJob.id)
        )
    )
