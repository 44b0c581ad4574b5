"""Who may choose what: plan categories, committees and their people (rules 4, G3, R15, R78)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from app.domain.terms import TitleLevel
from app.domain.workflow import State
from app.extensions import db
from app.services import materials, offers
from tests.applicants import person_named
from tests.conftest import at
from tests.factories import make_application

pytestmark = pytest.mark.usefixtures("app")

AUGUST = at("2022-08-03T09:30")


def offered(name: str, slug: str, now: datetime = AUGUST) -> Any:
    found = [o for o in offers.offers(person_named(name), now=now) if o.category.slug == slug]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("name", "fits"),
    [("龙飞", True), ("陈晨", True), ("王敏", False)],
    ids=["freelancer", "private company", "public institution"],
)
def test_the_private_economy_line_is_for_its_people(name: str, fits: bool) -> None:
    assert (offered(name, "private_economy").why_not is None) is fits


def test_who_matches_two_lines_chooses() -> None:
    fitting = {
        o.category.slug for o in offers.offers(person_named("陈晨"), now=AUGUST) if o.fitting
    }
    assert {"engineering", "private_economy"} <= fitting


def test_every_category_and_committee_that_does_not_fit_says_why() -> None:
    for offer in offers.offers(person_named("王敏"), now=AUGUST):
        assert offer.why_not or offer.committees or offer.fitting == []
        assert all(c.why_not is None or str(c.why_not) for c in offer.committees)


@pytest.mark.parametrize("flaw", ["备案已过期", "未备案", "逾期备案"])
def test_a_committee_without_a_valid_filing_takes_nobody(flaw: str) -> None:
    reasons = [
        str(found.why_not)
        for offer in offers.offers(person_named("王敏"), now=AUGUST)
        for found in offer.committees
        if flaw in found.committee.name
    ]
    assert len(reasons) == 1
    assert "filing" in reasons[0] or "filed" in reasons[0]


@pytest.mark.parametrize(
    ("level", "works"), [(TitleLevel.SENIOR, 3), (TitleLevel.ASSOCIATE_SENIOR, 0)]
)
def test_representative_works_are_asked_for_at_the_senior_level(
    level: TitleLevel, works: int
) -> None:
    application = make_application(State.DRAFT)
    application.level = level
    application.committee.representative_works = 3
    db.session.flush()

    assert materials.needs_representative_works(application) == works
