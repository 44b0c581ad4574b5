"""Background jobs: batches, leases, a killed worker, cancelling, expiry; on real servers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from flask import Flask
from flask_appbuilder.security.sqla.models import Role
from rq import SimpleWorker
from rq.serializers import JSONSerializer
from sqlalchemy import func, select, update

from app import clock
from app.domain.errors import ConflictError, RuleViolation, StaleVersionError
from app.domain.terms import JobFilePurpose, JobState, RowOutcome
from app.domain.workflow import ActorRole
from app.extensions import db, unit_of_work
from app.jobs import background, schedule
from app.jobs.hints import long_queue
from app.models import Account, BackgroundJob, ImportRow, JobFile
from app.security.actors import actor_of
from app.services import background_jobs, job_files
from app.services.background_jobs import LEASE, MOST_ATTEMPTS, Ending
from app.services.object_store import object_store


class Counting:
    """Five batches, each of which writes one row; the number of the next is in the database."""

    total = 5

    def __init__(self, job):
        self.given = job.given

    def do_batch(self, job, *, actor, now):
        time.sleep(self.given.get("pause", 0))
        if job.done + 1 == self.given.get("breaks_at"):
            raise ValueError("a defect")
        if job.done + 1 == self.given.get("refuses_at"):
            raise RuleViolation("Not %(what)s.", what="so")
        db.session.add(ImportRow(job_id=job.id, number=job.done + 1, outcome=RowOutcome.NEW))
        background_jobs.note_progress(job, job.done + 1, self.total)
        if job.done < self.total:
            return None
        return Ending("%(done)s rows.", {"done": job.done}, is_waiting=job.stage == "check")


@pytest.fixture(autouse=True)
def counting(monkeypatch):
    monkeypatch.setattr(background, "KINDS", {"count": Counting})


def asker(login: str = "province"):
    return actor_of(db.session.scalars(select(Account).where(Account.username == login)).one())


def ask(stage: str = "", login: str = "province", **given: object) -> int:
    with unit_of_work():
        job = background_jobs.ask_for_job(
            "count", given, stage=stage, actor=asker(login), now=clock.now()
        )
        return job.id


def look(job_id: int) -> BackgroundJob:
    db.session.rollback()
    return db.session.get_one(BackgroundJob, job_id, populate_existing=True)


def rows(job_id: int) -> list[int]:
    return list(
        db.session.scalars(
            select(ImportRow.number).where(ImportRow.job_id == job_id).order_by(ImportRow.number)
        )
    )


def test_job_runs_in_batches_to_its_end(app: Flask) -> None:
    job_id = ask()
    assert background.work_on(job_id) == "ended"
    job = look(job_id)
    assert (job.state, job.done, job.total) == (JobState.DONE, 5, 5)
    assert (job.message, job.message_params) == ("%(done)s rows.", {"done": 5})
    assert job.lease is None
    assert rows(job_id) == [1, 2, 3, 4, 5]
    assert background.work_on(job_id) == "not free"


def test_job_waits_for_its_confirmation_and_goes_on(app: Flask) -> None:
    job_id = ask(stage="check")
    background.work_on(job_id)
    job = look(job_id)
    assert job.state is JobState.WAITING_FOR_CONFIRMATION
    with pytest.raises(StaleVersionError):
        background_jobs.go_on_with_job(
            job_id, "write", expected_version=job.version - 1, actor=asker(), now=clock.now()
        )
    with pytest.raises(ConflictError):
        background_jobs.go_on_with_job(
            job_id, "write", expected_version=job.version, actor=asker("guiyang"), now=clock.now()
        )
    with pytest.raises(ConflictError):
        background_jobs.go_on_with_job(
            job_id,
            "write",
            expected_version=job.version,
            actor=asker(),
            now=job.expires_at,
        )
    with unit_of_work():
        background_jobs.go_on_with_job(
            job_id, "write", expected_version=job.version, actor=asker(), now=clock.now()
        )
    job = look(job_id)
    assert (job.state, job.stage, job.done) == (JobState.QUEUED, "write", 0)


def test_refusal_ends_the_job_with_its_sentence(app: Flask) -> None:
    job_id = ask(refuses_at=3)
    assert background.work_on(job_id) == "rule_violation"
    job = look(job_id)
    assert (job.state, job.message, job.message_params) == (
        JobState.FAILED,
        "Not %(what)s.",
        {"what": "so"},
    )
    assert rows(job_id) == [1, 2]


def test_defect_is_tried_again_and_given_up_at_last(app: Flask) -> None:
    job_id = ask(breaks_at=1)
    for _run in range(MOST_ATTEMPTS):
        assert background.work_on(job_id) == "stopped"
        assert look(job_id).state is JobState.QUEUED
    assert background.work_on(job_id) == "not free"
    assert look(job_id).state is JobState.FAILED


def test_locked_account_stops_its_job(app: Flask) -> None:
    job_id = ask()
    with unit_of_work() as session:
        session.execute(update(Account).where(Account.username == "province").values(active=False))
    assert background.work_on(job_id) == "not_permitted"
    assert rows(job_id) == []


def test_suspended_account_stops_its_job(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.config, "PORTAL_MODE", "production")
    job_id = ask()
    with unit_of_work() as session:
        session.execute(
            update(Account).where(Account.username == "province").values(suspended_at=clock.now())
        )
    assert background.work_on(job_id) == "account_suspended"
    assert rows(job_id) == []


def test_job_works_under_the_roles_of_its_page(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a role of another page nor one that was taken away meanwhile comes along."""
    seen: list[set[ActorRole]] = []

    class Looking(Counting):
        def do_batch(self, job, *, actor, now):
            seen.append(set(actor.roles))
            return super().do_batch(job, actor=actor, now=now)

    monkeypatch.setattr(background, "KINDS", {"count": Looking})
    handler = db.session.scalars(select(Account).where(Account.first_name == "刘伟")).one()
    roles = db.session.scalars(
        select(Role).where(Role.name.in_(("applicant", "unit_handler", "expert")))
    )
    handler.roles = list(roles)
    page = actor_of(handler).under(ActorRole.UNIT_HANDLER, ActorRole.EXPERT)
    with unit_of_work():
        job = background_jobs.ask_for_job("count", {}, actor=page, now=clock.now())
        handler.roles = [role for role in handler.roles if role.name != "expert"]
    assert background.work_on(job.id) == "ended"
    assert seen == [{ActorRole.UNIT_HANDLER}] * 5


def test_too_many_open_jobs_are_refused(app: Flask) -> None:
    for _n in range(background_jobs.MOST_OPEN):
        ask()
    with pytest.raises(RuleViolation):
        ask()
    ask(login="guiyang")


def test_waiting_job_is_cancelled_at_once_and_a_running_one_after_its_batch(app: Flask) -> None:
    waiting = ask()
    with unit_of_work():
        background_jobs.cancel_job(waiting, actor=asker(), now=clock.now())
    assert look(waiting).state is JobState.CANCELLED
    running = ask()
    with unit_of_work():
        lease = background_jobs.claim_job(running, now=clock.now(), at=clock.real_now())
    assert lease is not None
    with unit_of_work():
        job = background_jobs.hold_job(running, lease, at=clock.real_now())
        assert background._do_batch(Counting(job), job)
    with unit_of_work():
        background_jobs.cancel_job(running, actor=asker(), now=clock.now())
    background._do_batches(running, lease) if look(running).lease else None
    job = look(running)
    assert (job.state, job.done, rows(running)) == (JobState.CANCELLED, 1, [1])
    with pytest.raises(ConflictError):
        background_jobs.cancel_job(running, actor=asker(), now=clock.now())


@pytest.mark.parametrize(("seconds", "is_free"), [(-1, False), (0, True), (1, True)])
def test_dead_lease_is_free_when_its_time_is_over(app: Flask, seconds: int, is_free: bool) -> None:
    job_id = ask()
    began = clock.real_now()
    with unit_of_work():
        lease = background_jobs.claim_job(job_id, now=clock.now(), at=began)
    later = began + LEASE + timedelta(seconds=seconds)
    assert (job_id in background_jobs.find_jobs_to_run(at=later)) is is_free
    with unit_of_work():
        again = background_jobs.claim_job(job_id, now=clock.now(), at=later)
    assert (again is not None) is is_free
    if is_free:
        with pytest.raises(background_jobs.LeaseLostError):
            background_jobs.hold_job(job_id, str(lease), at=later)


SLOW_RUN = """
import sys
from app import create_app
from app.jobs import background
from tests.jobs.test_background import Counting
app = create_app(DATABASE_URL=sys.argv[1], REDIS_URL=sys.argv[2], OBJECT_STORE_URL=sys.argv[3])
background.KINDS = {"count": Counting}
with app.app_context():
    print(background.run(int(sys.argv[4])))
"""


def test_killed_worker_is_taken_over_and_no_row_is_done_twice(own_app: Flask) -> None:
    """A real process is killed with -9 in mid-work; the minute's look enqueues the rest."""
    with own_app.app_context():
        job_id = ask(pause=0.3)
        connection = own_app.extensions["redis"]
        connection.flushdb()
        settings = [own_app.config[k] for k in ("DATABASE_URL", "REDIS_URL", "OBJECT_STORE_URL")]
        process = subprocess.Popen(
            [sys.executable, "-c", SLOW_RUN, *settings, str(job_id)], stdout=subprocess.PIPE
        )
        try:
            until = time.monotonic() + 60
            while look(job_id).done < 2 and time.monotonic() < until:
                time.sleep(0.02)
            os.kill(process.pid, signal.SIGKILL)
        finally:
            process.kill()
            process.communicate()
        job = look(job_id)
        assert job.state is JobState.RUNNING
        assert 2 <= job.done < Counting.total
        done = job.done
        assert background.look_after()["enqueued"] == 0  # the lease may still be alive
        with unit_of_work() as session:
            session.execute(update(BackgroundJob).values(heartbeat_at=clock.real_now() - LEASE))
        assert background.look_after()["enqueued"] == 1
        queue = long_queue(connection)
        assert [list(each.args) for each in queue.jobs] == [[job_id]]
        with unit_of_work() as session:
            session.execute(update(BackgroundJob).values(given={}))
        SimpleWorker([queue], connection=connection, serializer=JSONSerializer).work(burst=True)
        job = look(job_id)
        assert (job.state, job.done) == (JobState.DONE, 5)
        assert rows(job_id) == [1, 2, 3, 4, 5]
        assert done < 5


def test_parallel_runs_leave_each_row_once(own_app: Flask) -> None:
    """Two processes at the same job: one has the lease, the other finds it not free."""
    with own_app.app_context():
        job_id = ask(pause=0.2)
        settings = [own_app.config[k] for k in ("DATABASE_URL", "REDIS_URL", "OBJECT_STORE_URL")]
        command = [sys.executable, "-c", SLOW_RUN, *settings, str(job_id)]
        both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _n in range(2)]
        said = sorted(process.communicate()[0].strip() for process in both)
        assert said == ["ended", "not free"]
        assert rows(job_id) == [1, 2, 3, 4, 5]


def test_file_is_unreadable_in_the_store_and_gone_after_its_time(app: Flask) -> None:
    import obstore

    job_id = ask(stage="check")
    with unit_of_work():
        job = background_jobs.lock_job(job_id)
        file = job_files.keep_job_file(job, JobFilePurpose.UPLOAD, "a.xlsx", b"52010319900101")
        name = file.object_name
    assert b"52010319900101" not in bytes(obstore.get(object_store(), name).bytes())
    kept = job_files.find_job_file(job_id, JobFilePurpose.UPLOAD)
    assert kept is not None
    assert job_files.read_job_file(kept) == b"52010319900101"
    background.work_on(job_id)
    ends = look(job_id).expires_at
    assert job_files.find_expired(now=ends - timedelta(seconds=1)) == []
    with unit_of_work():
        job_files.expire_job(job_id, now=ends - timedelta(seconds=1))
    assert look(job_id).expired_at is None
    assert job_files.find_expired(now=ends) == [job_id]
    with unit_of_work():
        job_files.expire_job(job_id, now=ends)
    job = look(job_id)
    assert job.state is JobState.CANCELLED
    assert job_files.find_job_file(job_id, JobFilePurpose.UPLOAD) is None
    assert (
        db.session.scalar(select(func.count(JobFile.id)).where(JobFile.file_key.is_not(None))) == 0
    )
    with pytest.raises(FileNotFoundError):
        obstore.get(object_store(), name)


def test_queue_carries_only_the_number_of_the_job(app: Flask, sign_in) -> None:
    connection = app.extensions["redis"]
    client = sign_in("province")
    connection.delete("rq:queue:long")
    with client:
        client.get("/jobs/list/")
        job_id = ask(secret="52010319900101001X")
    assert [(each.func_name, list(each.args)) for each in long_queue(connection).jobs] == [
        ("app.jobs.background.run", [job_id])
    ]
    assert "background" in {each.name for each in schedule.PERIODIC}


def test_own_jobs_are_shown_and_those_of_others_are_not(app: Flask, sign_in) -> None:
    job_id = ask()
    client = sign_in("province")
    assert client.get("/jobs/list/").status_code == 200
    page = client.get(f"/jobs/show/{job_id}")
    assert page.status_code == 200
    assert f'data-poll="/jobs/progress/{job_id}"' in page.text
    assert 'http-equiv="refresh"' in page.text
    assert client.get(f"/jobs/progress/{job_id}").json == {
        "state": "queued",
        "done": 0,
        "total": 0,
    }
    other = sign_in("guiyang")
    for address in ("show", "progress"):
        assert other.get(f"/jobs/{address}/{job_id}").status_code == 404
    assert other.post(f"/jobs/cancel/{job_id}").status_code == 404
    assert other.get(f"/jobs/file/{job_id}/upload").status_code == 404
    assert client.get(f"/jobs/file/{job_id}/upload").status_code == 409
    assert client.get(f"/jobs/file/{job_id}/nothing").status_code == 404
    assert client.post(f"/jobs/cancel/{job_id}").status_code == 303
    assert look(job_id).state is JobState.CANCELLED
