"""Files of background jobs: encrypted one by one, deleted with the job's expiry.

Each file has a random key of its own, kept encrypted in its row; the object store holds nothing
that can be read without the row, and a deleted key makes every left-over copy unreadable.
"""

from __future__ import annotations

import base64
import secrets
from datetime import datetime
from typing import Final

import obstore
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import select, update

from app.domain.errors import ConflictError
from app.domain.messages import N_
from app.domain.terms import JobFilePurpose, JobState
from app.extensions import db
from app.models import BackgroundJob, ImportRow, JobFile
from app.services.background_jobs import lock_job
from app.services.object_store import object_store

XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_NONCE_BYTES: Final = 12


def keep_job_file(
    job: BackgroundJob,
    purpose: JobFilePurpose,
    filename: str,
    content: bytes,
    *,
    media_type: str = XLSX,
) -> JobFile:
    """Encrypt and keep a file of the job; one of the same purpose made before is replaced."""
    drop_job_file(job, purpose)
    key, nonce = AESGCM.generate_key(256), secrets.token_bytes(_NONCE_BYTES)
    name = f"jobs/{secrets.token_hex(16)}"
    obstore.put(
        object_store(), name, nonce + AESGCM(key).encrypt(nonce, content, name.encode("ascii"))
    )
    file = JobFile(
        job_id=job.id,
        purpose=purpose,
        filename=filename,
        media_type=media_type,
        byte_count=len(content),
        object_name=name,
        file_key=base64.b64encode(key).decode("ascii"),
    )
    db.session.add(file)
    db.session.flush()
    return file


def drop_job_file(job: BackgroundJob, purpose: JobFilePurpose) -> None:
    """Delete the file of that purpose, if there is one."""
    for old in db.session.scalars(
        select(JobFile).where(JobFile.job_id == job.id, JobFile.purpose == purpose)
    ):
        _drop(old)
        db.session.delete(old)


def find_job_file(job_id: int, purpose: JobFilePurpose) -> JobFile | None:
    """The file of that purpose, if it is still there."""
    return db.session.scalar(
        select(JobFile).where(
            JobFile.job_id == job_id, JobFile.purpose == purpose, JobFile.file_key.is_not(None)
        )
    )


def read_job_file(file: JobFile) -> bytes:
    """The content of a file; ConflictError when it has been deleted."""
    if file.file_key is None:
        raise ConflictError(N_("This file has been deleted: its time is over."))
    try:
        sealed = bytes(obstore.get(object_store(), file.object_name).bytes())
    except FileNotFoundError as error:
        raise ConflictError(
            N_("This file is no longer in the store. Tell the administrator.")
        ) from error
    key = base64.b64decode(file.file_key)
    return AESGCM(key).decrypt(
        sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], file.object_name.encode("ascii")
    )


def _drop(file: JobFile) -> None:
    file.file_key = None
    try:
        obstore.delete(object_store(), file.object_name)
    except FileNotFoundError:  # the key is what counts
        return


def find_expired(*, now: datetime) -> list[int]:
    """Jobs whose files and codes are to be deleted."""
    return list(
        db.session.scalars(
            select(BackgroundJob.id)
            .where(
                BackgroundJob.expires_at <= now,
                BackgroundJob.expired_at.is_(None),
                BackgroundJob.state.not_in((JobState.QUEUED, JobState.RUNNING)),
            )
            .order_by(BackgroundJob.id)
        )
    )


def expire_job(job_id: int, *, now: datetime) -> None:
    """Delete the files, names and codes of a job whose time is over; a dry run nobody has
    answered ends."""
    job = lock_job(job_id)
    if job.expired_at is not None or job.expires_at > now:
        return
    for file in db.session.scalars(
        select(JobFile).where(JobFile.job_id == job_id, JobFile.file_key.is_not(None))
    ):
        _drop(file)
    db.session.execute(
        update(ImportRow)
        .where(ImportRow.job_id == job_id)
        .values(label="", problems=[], activation_code=None)
    )
    if job.state is JobState.WAITING_FOR_CONFIRMATION:
        job.state, job.finished_at = JobState.CANCELLED, now
        job.message, job.message_params = N_("Nobody confirmed it in time; nothing was done."), {}
    job.expired_at = now
    job.version += 1
    db.session.flush()
