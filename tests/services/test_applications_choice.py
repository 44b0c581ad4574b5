"""Choosing right: what fits a person, and the reason for everything that does not."""

from __future__ import annotations

from datetime import datetime

import pytest
from flask import Flask

from app.domain.errors import RuleViolation
from app.domain.terms import ApplicationKind, TitleLevel
from app.services import offers
from app.services.routes import plan_route, route_warning
from app.services.windows import window_of
from tests.applicants import begin_draft, person_named
from tests.conftest import at

NOW = at("2022-08-03T09:00:00")


def offer_of(name: str, category: str, now: datetime = NOW) -> offers.CategoryOffer:
    """What a demo person is offered in a category."""
    found = offers.offers(person_named(name), now=now)
    return next(offer for offer in found if offer.category.slug == category)


def test_offers_name_every_category_of_the_plan_in_its_order(app: Flask) -> None:
    found = offers.offers(person_named("王敏"), now=NOW)
    assert len(found) == 29
    assert [o.line.number for o in found] == sorted(o.line.number for o in found)
    assert {o.category.slug for o in found if o.why_not is None} >= {"engineering"}


@pytest.mark.parametrize(
    ("category", "reason"),
    [
        ("private_economy", "non-public organizations"),
        ("library_science", "ended on 2022-03-31"),
        ("agricultural_technology", "not filed for the year"),
        ("journalism", "No review committee has been entered"),
        ("university_teaching", "its own unit only"),
    ],
)
def test_offers_say_why_a_category_does_not_fit(app: Flask, category: str, reason: str) -> None:
    assert reason in str(offer_of("王敏", category).why_not)


def test_offers_close_a_line_whose_window_is_over(app: Flask) -> None:
    after = at("2022-08-05T17:00:01")
    assert "closed at 2022-08-05 17:00" in str(offer_of("王敏", "engineering", after).why_not)


def test_committees_say_filing_and_authority(app: Flask) -> None:
    offer = offer_of("王敏", "engineering")
    reasons = {each.committee.name: str(each.why_not or "") for each in offer.committees}
    assert reasons["贵州省工程系列建筑专业高级职称评审委员会（演示）"] == ""
    assert "30 May" in next(text for name, text in reasons.items() if "遵义" in name)
    series_id = offer.category.series_links[0].series_id
    specialty = next(s for s in offers.specialties_of(offer.category) if s.name == "建筑设计")
    senior = {
        each.committee.name: str(each.why_not or "")
        for each in offers.committees_for(
            offer, specialty=specialty, level=TitleLevel.SENIOR, series_id=series_id
        )
    }
    assert "no review authority" in next(text for name, text in senior.items() if "贵阳" in name)


def test_levels_follow_the_present_title(app: Flask) -> None:
    offer = offer_of("王敏", "engineering")
    specialty = next(s for s in offers.specialties_of(offer.category) if s.name == "建筑设计")
    levels = dict(
        offers.levels_for(
            offer,
            offers.describe_applicant(person_named("王敏")),
            specialty=specialty,
            series_id=offer.category.series_links[0].series_id,
            kind=ApplicationKind.REGULAR,
        )
    )
    assert levels[TitleLevel.ASSOCIATE_SENIOR] is None
    assert "level by level" in str(levels[TitleLevel.SENIOR])
    assert "higher" in str(levels[TitleLevel.INTERMEDIATE])


def test_freelancer_is_employed_by_the_designated_agency(app: Flask) -> None:
    found = offers.describe_applicant(person_named("周涛"))
    assert found.employer.name == "南明区人才服务中心（演示）"
    assert found.is_private_economy


@pytest.mark.parametrize(
    ("area", "division", "is_in"),
    [
        ("520000", "520102", True),
        ("520100", "520102", True),
        ("520100", "520302", False),
        ("520102", "520102", True),
        ("520102", "520100", False),
        ("520000", "530102", False),
    ],
)
def test_covers(area: str, division: str, is_in: bool) -> None:
    assert offers.covers(area, division) is is_in


def test_choice_of_another_specialty_level_or_kind_is_refused(app: Flask) -> None:
    with pytest.raises(RuleViolation, match="Choose a specialty"):
        begin_draft("王敏", NOW, specialty="没有这个专业")
    with pytest.raises(RuleViolation, match="no review authority"):
        begin_draft("王敏", NOW, level=5)
    with pytest.raises(RuleViolation, match="private economy"):
        begin_draft("王敏", NOW, kind=ApplicationKind.PRIVATE_ECONOMY)
    with pytest.raises(RuleViolation, match="entrusted"):
        begin_draft("王敏", NOW, kind=ApplicationKind.ENTRUSTED)


def test_route_warning_counts_the_nodes_that_fit(app: Flask) -> None:
    application = begin_draft("王敏", NOW)
    plan = plan_route(application.employer, application.committee)
    window = window_of(application.plan_line)
    assert route_warning(window, plan) is None
    short = type(window)(
        window.line,
        window.opens_at,
        window.closes_at,
        at("2022-08-20T17:00:00"),
        window.policy_review_due_on,
        window.online_review_due_on,
    )
    warning = route_warning(short, plan)
    assert warning is not None
    assert (warning.params["relays"], warning.params["fitting"]) == (3, 1)
