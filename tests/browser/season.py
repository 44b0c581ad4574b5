"""``python -m tests.browser.season``: a committee's season beside the browser tests, by services.

Run inside the environment of an instance; prints where things are as one line of JSON: an open
meeting with a running ballot, and a finished one with a certificate.
"""

from __future__ import annotations

import json
from typing import Any

from app import create_app
from app.extensions import unit_of_work
from app.provision import addresses_only, environment
from app.services import ballots, meetings, publicity, results
from tests.conftest import at
from tests.services import review_factory as factory

FINISHED = ("周涛", "田甜")
RUNNING = "孙悦"
PRESENT = 8
SEED = "b1946ac92492d2347c6235b4d2611184"
VOTERS_SO_FAR = 2


def finish_meeting() -> dict[str, Any]:
    """Everybody passes; results publicised, filed and confirmed; the number of a certificate."""
    office = factory.office_of(factory.GUIYANG)
    with unit_of_work():
        meeting = factory.announce_passed(*FINISHED)
        passed = [application.id for application in results.passed_applications(meeting.id)]
        results.publicize_results(passed, actor=office, now=at("2022-11-21T09:00"))
    with unit_of_work():
        for key in passed:
            publicity.close_publicity(key, now=at("2022-11-29T08:00"))
    with unit_of_work():
        filing = results.file_result(meeting.id, actor=office, now=at("2022-11-29T09:00")).id
    with unit_of_work():
        confirmed = results.confirm_results(
            meeting.id, actor=factory.account_actor("guiyang"), now=at("2022-12-05T09:00")
        )
        certificate = confirmed.certificates[0]
        return {
            "meeting": meeting.id,
            "filing": filing,
            "certificate": certificate.number,
            "certificate_key": certificate.id,
        }


def begin_meeting() -> dict[str, Any]:
    """A meeting in session: opinions written, the ballot open, not everybody has voted."""
    with unit_of_work():
        meeting = factory.plan_meeting(RUNNING, committee_name=factory.SENIOR)
        factory.draw(meeting, SEED)
        factory.accept_all(meeting)
        office = factory.office_of(factory.SENIOR)
        meetings.convene_meeting(meeting.id, actor=office, now=factory.NOVEMBER)
        members = factory.sign_in(meeting, PRESENT)
        chair = factory.chair_of(meeting)
        meetings.open_meeting(meeting.id, actor=chair, now=factory.ON_THE_DAY)
        item = meeting.items[0]
        factory.write_opinions(meeting, item)
        ballots.open_ballot(item.id, actor=chair, now=factory.ON_THE_DAY)
        choices = [factory.BallotChoice.YES] * VOTERS_SO_FAR
        factory.vote(item, members[1:], *choices)
        return {
            "running": meeting.id,
            "item": item.id,
            "application": item.application_id,
            "chair": members[0].expert.person.identity_number,
            "expert": members[-1].expert.person.identity_number,
        }


def main() -> None:
    """Play the season and say where things are."""
    env = environment(addresses_only())
    addresses = {key: env[key] for key in ("DATABASE_URL", "REDIS_URL")}
    with create_app(**addresses).app_context():
        print(json.dumps(finish_meeting() | begin_meeting()))


if __name__ == "__main__":
    main()
