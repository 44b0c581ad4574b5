"""Samples that can be repeated, and what counts as unusual (rules E8)."""

from __future__ import annotations

import pytest

from app.domain.account_checks import UnusualLimits, draw_sample
from app.domain.errors import RuleViolation


def test_same_seed_and_candidates_give_the_same_sample():
    digest, drawn = draw_sample(range(1, 101), size=10, seed="2022")
    assert draw_sample(range(1, 101), size=10, seed="2022") == (digest, drawn)
    assert len(set(drawn)) == 10
    assert draw_sample(range(1, 101), size=10, seed="2023")[1] != drawn
    assert draw_sample(range(1, 102), size=10, seed="2022")[0] != digest


def test_sample_is_at_most_all_candidates_and_needs_one():
    assert sorted(draw_sample([7, 8], size=5, seed="x")[1]) == [7, 8]
    with pytest.raises(RuleViolation):
        draw_sample([], size=5, seed="x")


@pytest.mark.parametrize(("people", "limit"), [(0, 20), (19, 20), (20, 20), (21, 21), (300, 300)])
def test_limit_of_a_year_grows_with_the_unit(people, limit):
    assert UnusualLimits().of_year(people) == limit
