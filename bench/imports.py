"""A file of 5,000 people: checked row by row against the rules and what is on file; then created.

Asked: 5,000 accounts validated within 60 s, in bounded memory. The peer does what one would write
first: the service of the single form for each row, behind a savepoint that is rolled back.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from flask import Flask
from sqlalchemy import select

from app import clock, create_app
from app.domain.errors import DomainError
from app.domain.sheets import LAYOUTS
from app.domain.terms import IdentityDocument, JobState
from app.embedded import servers
from app.extensions import db, unit_of_work
from app.models import Account, BackgroundJob, Unit
from app.security.actors import actor_of
from app.services.accounts import create_personal_account
from app.services.actors import Actor
from app.services.imports import importing
from app.services.people import PersonDraft
from app.services.units import unit_ref
from bench.measures import Case, Measure
from bench.portals import on_two_cores
from tests.instance import ROOT, clean_env
from tests.sheets import identity, person, workbook

ROWS = 5000
ON_FILE = 300
"""People of the file who have an account in the unit already."""
CREATED = 300
PEER_ROWS = 300
UNIT = "gyhousing"
RUN = """
import resource, sys, time
from app import create_app
from app.jobs import background
app = create_app(DATABASE_URL=sys.argv[1], REDIS_URL=sys.argv[2], OBJECT_STORE_URL=sys.argv[3])
with app.app_context():
    start = time.monotonic()
    background.run(int(sys.argv[4]))
    print(time.monotonic() - start)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def measure() -> Iterator[Measure]:
    """Check 5,000 rows in a process of its own, as the worker does; then the peer; then create."""
    with portal_in_process() as (app, settings), app.app_context():
        actor = find_actor()
        seconds, _memory = run_file(range(ON_FILE), settings, actor, and_write=True)
        yield Measure("accounts created", "1/s", ON_FILE / seconds, PEER, create_one_by_one(actor))
        seconds, memory = run_file(range(ROWS), settings, actor)
        yield Measure("dry run of 5,000 rows", "s", seconds, PEER, most=60)
        yield Measure("rows checked", "1/s", ROWS / seconds, PEER, check_one_by_one(actor))
        yield Measure("memory of the worker", "MB", memory, PEER, most=400)


PEER = "single form"


@contextlib.contextmanager
def portal_in_process() -> Iterator[tuple[Flask, list[str]]]:
    """A seeded portal in this process, on servers of its own that flush to disk."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name, on_two_cores():
        folder = Path(name)
        with servers(folder / "servers") as running:
            assert running.postgres is not None
            settings = [
                running.postgres.url.replace("+psycopg", ""),
                running.redis_url,
                (folder / "files").as_uri(),
            ]
            app = create_app(
                DATABASE_URL=settings[0],
                REDIS_URL=settings[1],
                OBJECT_STORE_URL=settings[2],
                SERVER_NAME="localhost",
            )
            with app.app_context():
                db.create_all()
                for command in ("init", "seed"):
                    result = app.test_cli_runner().invoke(args=[command])
                    assert result.exit_code == 0, result.output
            yield app, settings


def find_actor() -> Actor:
    """The account of the unit that imports."""
    return actor_of(db.session.scalars(select(Account).where(Account.username == UNIT)).one())


def run_file(
    serials: range, settings: list[str], actor: Actor, *, and_write: bool = False
) -> tuple[float, float]:
    """Upload and check a file, and create its accounts; seconds of the last stage, megabytes."""
    content = workbook([person(serial) for serial in serials])
    with unit_of_work():
        job = importing.ask_import(
            LAYOUTS["people"], "a.xlsx", content, actor=actor, now=clock.now()
        )
        job_id = job.id
    seconds, memory = run_worker(job_id, settings)
    state = db.session.get_one(BackgroundJob, job_id, populate_existing=True)
    assert state.state is JobState.WAITING_FOR_CONFIRMATION, (state.message, state.message_params)
    if and_write:
        with unit_of_work():
            importing.confirm_import(
                job_id,
                expected_version=state.version,
                declared=True,
                actor=actor,
                now=clock.now(),
            )
        seconds, memory = run_worker(job_id, settings)
        state = db.session.get_one(BackgroundJob, job_id, populate_existing=True)
        assert state.message_params["new"] == len(serials), state.message_params
    db.session.rollback()
    return seconds, memory


def run_worker(job_id: int, settings: list[str]) -> tuple[float, float]:
    """Seconds of one job and peak megabytes of the process that does it; a worker that runs
    already has nothing to start."""
    answer = subprocess.run(
        [sys.executable, "-c", RUN, *settings, str(job_id)],
        env=clean_env(PYTHONPATH=str(ROOT)),
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    seconds, kilobytes = answer.stdout.split()[-2:]
    return float(seconds), int(kilobytes) / 1024


def draft_of(serial: int) -> PersonDraft:
    """The same person as the single form hands over."""
    return PersonDraft(
        f"批量{serial}", IdentityDocument.RESIDENT_ID, identity(serial), f"139{serial:08d}"
    )


def check_one_by_one(actor: Actor) -> float:
    """Rows a second, when each is tried out and rolled back."""
    unit = unit_ref(db.session.get_one(Unit, actor.unit_id))
    start = time.monotonic()
    for serial in range(ON_FILE - 30, ON_FILE - 30 + PEER_ROWS):
        point = db.session.begin_nested()
        with contextlib.suppress(DomainError):
            create_personal_account(
                draft_of(serial),
                unit=unit,
                is_handler=False,
                declared=True,
                actor=actor,
                now=clock.now(),
            )
        point.rollback()
    db.session.rollback()
    return PEER_ROWS / (time.monotonic() - start)


def create_one_by_one(actor: Actor) -> float:
    """Accounts a second, each in a transaction as the single form has it."""
    start = time.monotonic()
    for serial in range(ROWS, ROWS + CREATED):
        with unit_of_work():
            unit = unit_ref(db.session.get_one(Unit, actor.unit_id))
            create_personal_account(
                draft_of(serial),
                unit=unit,
                is_handler=False,
                declared=True,
                actor=actor,
                now=clock.now(),
            )
    return CREATED / (time.monotonic() - start)


CASE = Case("imports", "accounts from Excel: 5,000 rows checked, some created", measure)
