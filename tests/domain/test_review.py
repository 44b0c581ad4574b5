"""Sizes, quorum, majority, recusal, ballot and draw, with the vote table of rules 3.3."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import CommitteeRuleError
from app.domain.review import (
    Candidate,
    CommitteeSizes,
    Tally,
    check_committee_size,
    check_validity,
    count_present,
    decide_ballot,
    draw_panel,
    find_draw_exclusion,
    find_recusal_grounds,
    has_majority,
    has_quorum,
    hash_candidates,
    quorum,
    require_filing_valid,
    require_may_vote,
    require_meeting_allowed,
    require_opinions,
    yes_needed,
)
from app.domain.terms import BallotOutcome, CommitteeLevel, CommitteeScope, RecusalGround
from tests.domain.moments import on

SERIES, SPECIALTY = CommitteeScope
SENIOR, INTERMEDIATE, JUNIOR = CommitteeLevel


@pytest.mark.parametrize(
    ("size", "level", "scope"),
    [
        (25, SENIOR, SERIES),
        (11, SENIOR, SPECIALTY),
        (15, INTERMEDIATE, SERIES),
        (7, INTERMEDIATE, SPECIALTY),
        (7, JUNIOR, SERIES),
        (7, JUNIOR, SPECIALTY),
    ],
)
def test_the_least_committee_passes_and_two_fewer_do_not(
    size: int, level: CommitteeLevel, scope: CommitteeScope
) -> None:
    check_committee_size(size, level, scope)
    check_committee_size(size + 2, level, scope)
    with pytest.raises(CommitteeRuleError, match=f"at least {size}"):
        check_committee_size(size - 2, level, scope)


@pytest.mark.parametrize("size", [26, 0, 12])
def test_an_even_committee_is_refused(size: int) -> None:
    with pytest.raises(CommitteeRuleError, match="odd"):
        check_committee_size(size, SENIOR, SERIES)


def test_the_province_approves_another_number() -> None:
    check_committee_size(17, SENIOR, SERIES, approved_minimum=17)
    with pytest.raises(CommitteeRuleError, match="at least 17"):
        check_committee_size(15, SENIOR, SERIES, approved_minimum=17)
    check_committee_size(9, JUNIOR, SERIES, sizes=CommitteeSizes(junior=9))
    with pytest.raises(CommitteeRuleError):
        check_committee_size(7, JUNIOR, SERIES, sizes=CommitteeSizes(junior=9))


VOTES = [
    (7, 5, 5, 4),
    (9, 6, 6, 4),
    (11, 8, 8, 6),
    (13, 9, 9, 6),
    (15, 10, 10, 7),
    (17, 12, 12, 8),
    (25, 17, 17, 12),
    (31, 21, 21, 14),
]


@pytest.mark.parametrize(("size", "least", "yes_of_all", "yes_at_quorum"), VOTES)
def test_the_vote_table(size: int, least: int, yes_of_all: int, yes_at_quorum: int) -> None:
    assert quorum(size) == least
    assert yes_needed(size) == yes_of_all
    assert yes_needed(least) == yes_at_quorum
    assert decide_ballot(size=size, present=least - 1, yes=least - 1) is BallotOutcome.NO_QUORUM
    for present, yes in ((size, yes_of_all), (least, yes_at_quorum)):
        passed = decide_ballot(size=size, present=present, yes=yes)
        failed = decide_ballot(size=size, present=present, yes=yes - 1)
        assert (passed, failed) == (BallotOutcome.PASSED, BallotOutcome.NOT_PASSED)


@given(st.integers(1, 60), st.integers(0, 60))
def test_two_thirds_include_the_number_itself(size: int, part: int) -> None:
    assert has_quorum(part, size) is (part >= quorum(size))
    assert has_majority(part, size) is (part >= yes_needed(size))


@pytest.mark.parametrize(
    ("size", "present", "yes"), [(0, 0, 0), (25, 26, 1), (25, 17, 18), (25, -1, 0), (25, 17, -1)]
)
def test_impossible_counts_are_refused(size: int, present: int, yes: int) -> None:
    with pytest.raises(CommitteeRuleError, match="cannot be"):
        decide_ballot(size=size, present=present, yes=yes)


def test_the_recused_are_not_present() -> None:
    assert count_present(18, 2) == 16
    assert count_present(18, 2, counts_recused=True) == 18
    present = count_present(18, 2)
    assert decide_ballot(size=25, present=present, yes=16) is BallotOutcome.NO_QUORUM
    for recused in (-1, 19):
        with pytest.raises(CommitteeRuleError):
            count_present(18, recused)


def test_abstained_and_not_cast_count_as_present() -> None:
    tally = Tally(yes=11, no=2, abstain=3, not_cast=1)
    assert (tally.cast, tally.present) == (16, 17)
    assert tally.decide(25) is BallotOutcome.NOT_PASSED
    assert replace(tally, yes=12, no=1).decide(25) is BallotOutcome.PASSED


def test_a_breakdown_needs_three_ballots() -> None:
    assert Tally(1, 1, 0, not_cast=5).show_breakdown() is None
    tally = Tally(1, 1, 1)
    assert tally.show_breakdown() == tally


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ((False, False, False), "signed in"),
        ((True, True, False), "recused"),
        ((True, False, True), "in the box"),
    ],
)
def test_absent_recused_and_second_votes_are_refused(
    facts: tuple[bool, bool, bool], message: str
) -> None:
    signed_in, recused, voted = facts
    with pytest.raises(CommitteeRuleError, match=message):
        require_may_vote(has_signed_in=signed_in, is_recused=recused, has_voted=voted)
    require_may_vote(has_signed_in=True, is_recused=False, has_voted=False)


def test_a_ballot_needs_three_opinions() -> None:
    require_opinions(3)
    with pytest.raises(CommitteeRuleError, match="there are 2"):
        require_opinions(2)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2022-05-30", "2025-05-30"),
        ("2022-05-30", "2022-05-30"),
        ("2024-02-29", "2027-02-28"),
    ],
)
def test_validity_up_to_three_years(start: str, end: str) -> None:
    check_validity(on(start), on(end))


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        ("2022-05-30", "2025-05-31", "at most 3"),
        ("2024-02-29", "2027-03-01", "at most 3"),
        ("2022-05-30", "2022-05-29", "before its start"),
    ],
)
def test_longer_or_backward_validity_is_refused(start: str, end: str, message: str) -> None:
    with pytest.raises(CommitteeRuleError, match=message):
        check_validity(on(start), on(end))


def test_a_filing_expired_the_day_before_stops_the_meeting() -> None:
    start, end = on("2019-12-01"), on("2022-11-30")
    require_filing_valid(start, end, on=end)
    require_filing_valid(start, end, on=start)
    for day in ("2022-12-01", "2019-11-30"):
        with pytest.raises(CommitteeRuleError, match=day):
            require_filing_valid(start, end, on=on(day))


def test_one_meeting_a_year_unless_the_province_approves_another() -> None:
    require_meeting_allowed(0)
    with pytest.raises(CommitteeRuleError, match="already met"):
        require_meeting_allowed(1)
    require_meeting_allowed(1, approved_extra=1)
    with pytest.raises(CommitteeRuleError):
        require_meeting_allowed(2, approved_extra=1)


EXPERT = Candidate("e1", unit_id=1, term_ends_on=on("2022-12-01"))


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        (EXPERT, None),
        (replace(EXPERT, term_ends_on=on("2022-11-30")), "The term as review expert has ended."),
        (replace(EXPERT, has_credit_record=True), "There is a credit record."),
        (replace(EXPERT, has_applied_this_year=True), "Applied for a title this year."),
    ],
)
def test_who_is_left_out_of_the_draw(candidate: Candidate, expected: str | None) -> None:
    assert find_draw_exclusion(candidate, on=on("2022-12-01")) == expected


def test_a_unit_with_many_applicants_gives_no_experts() -> None:
    day = on("2022-12-01")
    assert find_draw_exclusion(EXPERT, on=day, applicants_of_unit=9) is None
    limits = {"applicants_of_unit": 3, "most_applicants_of_unit": 3}
    assert find_draw_exclusion(EXPERT, on=day, **limits) is None
    limits["applicants_of_unit"] = 4
    assert find_draw_exclusion(EXPERT, on=day, **limits) == (
        "Too many applicants are from the same unit."
    )


def test_recusal_grounds_are_what_is_declared_and_the_same_unit() -> None:
    assert find_recusal_grounds(expert_unit_id=1, applicant_unit_id=2) == ()
    grounds = find_recusal_grounds(
        expert_unit_id=1,
        applicant_unit_id=1,
        declared=[RecusalGround.OTHER_INTEREST, RecusalGround.KIN],
    )
    assert grounds == (RecusalGround.SAME_UNIT, RecusalGround.KIN, RecusalGround.OTHER_INTEREST)


POOL = [f"expert-{n:02d}" for n in range(40)]


def test_a_draw_can_be_repeated_whatever_the_order_of_the_list() -> None:
    first = draw_panel(POOL, size=25, reserves=5, seed="2022-12-01")
    assert draw_panel(POOL[::-1], size=25, reserves=5, seed="2022-12-01") == first
    assert first.candidates_hash == hash_candidates(POOL)
    assert first.algorithm == "sha256-rank/1"


def test_a_stored_draw_never_changes() -> None:
    draw = draw_panel(["a", "b", "c", "d", "e"], size=3, reserves=1, seed="1")
    assert (draw.members, draw.reserves) == (("c", "b", "d"), ("e",))


def test_another_seed_draws_others() -> None:
    draws = {draw_panel(POOL, size=25, reserves=0, seed=str(n)).members for n in range(20)}
    assert len(draws) == 20


def test_everybody_is_drawn_about_equally_often() -> None:
    counts = dict.fromkeys(POOL, 0)
    for seed in range(400):
        for member in draw_panel(POOL, size=11, reserves=0, seed=str(seed)).members:
            counts[member] += 1
    assert min(counts.values()) > 75
    assert max(counts.values()) < 145  # 110 expected


@given(st.integers(0, 10), st.integers(0, 10), st.text())
def test_nobody_is_drawn_twice(half: int, reserves: int, seed: str) -> None:
    size = 2 * half + 1
    draw = draw_panel(POOL, size=size, reserves=reserves, seed=seed)
    drawn = draw.members + draw.reserves
    assert (len(draw.members), len(draw.reserves)) == (size, reserves)
    assert len(set(drawn)) == len(drawn)
    assert set(drawn) <= set(POOL)


@pytest.mark.parametrize(
    ("pool", "size", "reserves", "message"),
    [
        (POOL, 12, 0, "odd number"),
        (POOL, 0, 0, "odd number"),
        (POOL, -1, 0, "odd number"),
        (POOL, 11, -1, "0 or more reserves"),
        ([*POOL, POOL[0]], 11, 0, "listed twice"),
        (POOL, 39, 2, "41 experts are needed and 40"),
    ],
)
def test_a_wrong_draw_is_refused(pool: list[str], size: int, reserves: int, message: str) -> None:
    with pytest.raises(CommitteeRuleError, match=message):
        draw_panel(pool, size=size, reserves=reserves, seed="1")
