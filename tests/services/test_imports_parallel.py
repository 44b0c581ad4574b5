"""Two units import the same people at the same moment, on connections of their own."""

from __future__ import annotations

import threading

import pytest
from flask import Flask
from sqlalchemy import func, select

from app import clock
from app.domain.terms import JobState
from app.extensions import db, unit_of_work
from app.jobs import background
from app.models import Account, ImportRow, Person
from app.security.actors import actor_of
from app.services.imports import importing
from tests.sheets import dry_run, look, person, workbook

SERIALS = range(4000, 4060)


def actor_named(login: str):
    return actor_of(db.session.scalars(select(Account).where(Account.username == login)).one())


def confirmed(login: str, serials) -> int:
    actor = actor_named(login)
    job = dry_run(workbook([person(serial) for serial in serials]), actor)
    with unit_of_work():
        importing.confirm_import(
            job.id, expected_version=job.version, declared=True, actor=actor, now=clock.now()
        )
    return job.id


@pytest.mark.parametrize("turned", [False, True], ids=["same order", "opposite order"])
def test_each_person_gets_one_account_whoever_is_faster(own_app: Flask, turned: bool) -> None:
    """In the opposite order the two may even lock each other out: one begins its batch anew."""
    with own_app.app_context():
        other = reversed(SERIALS) if turned else SERIALS
        jobs = [confirmed("gyhousing", SERIALS), confirmed("gyhealth", other)]
        db.session.remove()
    said: list[str] = []

    def work(job_id: int) -> None:
        with own_app.app_context():
            for _run in range(3):
                said.append(background.run(job_id))
                if said[-1] == "ended":
                    return

    threads = [threading.Thread(target=work, args=(job_id,)) for job_id in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with own_app.app_context():
        assert [look(job_id).state for job_id in jobs] == [JobState.DONE] * 2, said
        made = sum(look(job_id).message_params["new"] for job_id in jobs)
        failing = sum(look(job_id).message_params["failing"] for job_id in jobs)
        assert (made, failing) == (len(SERIALS), len(SERIALS))
        people = select(Person.id).where(Person.name.like("批量4%"))
        assert db.session.scalar(select(func.count()).select_from(people.subquery())) == made
        accounts = select(func.count(Account.id)).where(Account.person_id.in_(people))
        assert db.session.scalar(accounts) == made
        codes = select(func.count()).where(ImportRow.activation_code.is_not(None))
        assert db.session.scalar(codes) == made
