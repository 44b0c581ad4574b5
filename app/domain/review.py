"""Committees, the draw, quorum, majority and the ballot (rules 1.1, 1.4, 3.3, D).

"2/3以上" includes the number itself (民法典 Art. 1259); quorum and majority are fixed, the sizes
are parameters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from app.domain.errors import CommitteeRuleError
from app.domain.messages import N_
from app.domain.terms import BallotOutcome, CommitteeLevel, CommitteeScope, RecusalGround

DRAW_ALGORITHM: Final = "sha256-rank/1"
"""Version of the draw; a stored draw can be repeated with it."""

MAXIMUM_VALIDITY_YEARS: Final = 3
"""R06 filings, R10 expert terms."""

MEETINGS_A_YEAR: Final = 1
"""R14; an extra batch needs the province's approval."""

LEAST_BALLOTS_SHOWN: Final = 3
"""D5: below three ballots a breakdown would tell who voted what."""

LEAST_OPINIONS: Final = 3
"""R63: written opinions of at least three experts before the ballot."""


@dataclass(frozen=True, slots=True)
class CommitteeSizes:
    """Least numbers of members; the senior figures are Order 40's (R03).

    The others are unverified for Guizhou and to be confirmed by the province (R05).
    """

    senior_series: int = 25
    senior_specialty: int = 11
    intermediate_series: int = 15
    intermediate_specialty: int = 7
    junior: int = 7
    junior_specialty: int = 7

    def minimum(self, level: CommitteeLevel, scope: CommitteeScope) -> int:
        """Return the least size of a committee of this level and scope."""
        is_series = scope is CommitteeScope.SERIES
        if level is CommitteeLevel.JUNIOR:
            return self.junior if is_series else self.junior_specialty
        if level is CommitteeLevel.SENIOR:
            return self.senior_series if is_series else self.senior_specialty
        return self.intermediate_series if is_series else self.intermediate_specialty


def check_committee_size(
    size: int,
    level: CommitteeLevel,
    scope: CommitteeScope,
    *,
    sizes: CommitteeSizes | None = None,
    approved_minimum: int | None = None,
) -> None:
    """Refuse an even or too small committee or panel (R03-R05).

    `approved_minimum` is a number the provincial HRSS department approved for a regional committee.
    Raises CommitteeRuleError.
    """
    if size % 2 == 0:
        raise CommitteeRuleError(
            N_("A committee has an odd number of members, not %(size)s. Add or remove one."),
            size=size,
        )
    minimum = approved_minimum
    if minimum is None:
        minimum = (sizes or CommitteeSizes()).minimum(level, scope)
    if size < minimum:
        raise CommitteeRuleError(
            N_("This committee needs at least %(minimum)s members, not %(size)s. Add members."),
            minimum=minimum,
            size=size,
        )


def check_validity(
    valid_from: date, valid_to: date, *, years: int = MAXIMUM_VALIDITY_YEARS
) -> None:
    """Refuse a filing or an expert's term that ends before it starts or lasts over `years`.

    R06, R10. Raises CommitteeRuleError.
    """
    if valid_to < valid_from:
        raise CommitteeRuleError(N_("The end of the validity lies before its start. Correct it."))
    if valid_to > _add_years(valid_from, years):
        raise CommitteeRuleError(
            N_("The validity is at most %(years)s years. Choose an earlier end."),
            years=years,
        )


def _add_years(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:  # 29 February
        return day.replace(year=day.year + years, day=28)


def require_filing_valid(valid_from: date, valid_to: date, *, on: date) -> None:
    """Refuse a notice, draw, meeting or confirmation outside the filing's validity (R07, D1).

    Both days belong to it. Raises CommitteeRuleError.
    """
    if not valid_from <= on <= valid_to:
        raise CommitteeRuleError(
            N_(
                "The filing of the review authority is valid from %(valid_from)s to %(valid_to)s, "
                "not on %(day)s. File again first."
            ),
            valid_from=valid_from.isoformat(),
            valid_to=valid_to.isoformat(),
            day=on.isoformat(),
        )


def require_meeting_allowed(meetings_this_year: int, *, approved_extra: int = 0) -> None:
    """Refuse a further meeting of the year without the province's approval (R14, M1).

    Raises CommitteeRuleError.
    """
    if meetings_this_year >= MEETINGS_A_YEAR + approved_extra:
        raise CommitteeRuleError(
            N_(
                "The committee has already met this year. "
                "Ask the provincial HRSS department to approve an extra batch."
            )
        )


def quorum(size: int) -> int:
    """Return how many members must be present: two thirds, rounded up (R60)."""
    return -(-2 * size // 3)


def yes_needed(present: int) -> int:
    """Return how many yes votes pass with so many present: two thirds, rounded up (R61)."""
    return -(-2 * present // 3)


def has_quorum(present: int, size: int) -> bool:
    """Return whether two thirds of the panel are present (R60)."""
    return 3 * present >= 2 * size


def has_majority(yes: int, present: int) -> bool:
    """Return whether two thirds of those present voted yes; abstentions count as present (D4)."""
    return 3 * yes >= 2 * present


def count_present(signed_in: int, recused: int, *, counts_recused: bool = False) -> int:
    """Return how many count as present for one applicant (D2).

    A recused expert leaves the hall and is not present; `counts_recused` is the other reading.
    Raises CommitteeRuleError when more are recused than signed in.
    """
    if not 0 <= recused <= signed_in:
        raise CommitteeRuleError(
            N_("%(recused)s recused of %(signed_in)s signed in cannot be. Check the sign-in."),
            recused=recused,
            signed_in=signed_in,
        )
    return signed_in if counts_recused else signed_in - recused


def decide_ballot(*, size: int, present: int, yes: int) -> BallotOutcome:
    """Return what a closed ballot decides (M5, M8).

    `size` is the panel after reserves have moved up, `present` leaves out the recused.
    Raises CommitteeRuleError when the numbers contradict each other.
    """
    if size < 1 or not 0 <= present <= size or not 0 <= yes <= present:
        raise CommitteeRuleError(
            N_(
                "%(yes)s yes of %(present)s present of %(size)s members cannot be: "
                "0 <= yes <= present <= size. Check the numbers."
            ),
            yes=yes,
            present=present,
            size=size,
        )
    if not has_quorum(present, size):
        return BallotOutcome.NO_QUORUM
    return BallotOutcome.PASSED if has_majority(yes, present) else BallotOutcome.NOT_PASSED


@dataclass(frozen=True, slots=True)
class Tally:
    """The count of one ballot; what was not cast counts as not-yes (M8)."""

    yes: int
    no: int
    abstain: int
    not_cast: int = 0

    @property
    def cast(self) -> int:
        """The ballots in the box."""
        return self.yes + self.no + self.abstain

    @property
    def present(self) -> int:
        """The experts entitled to vote on this applicant."""
        return self.cast + self.not_cast

    def decide(self, size: int) -> BallotOutcome:
        """Return the outcome for a panel of `size`."""
        return decide_ballot(size=size, present=self.present, yes=self.yes)

    def show_breakdown(self) -> Tally | None:
        """Return the tally when showing it tells nobody's vote, else None (D5)."""
        return self if self.cast >= LEAST_BALLOTS_SHOWN else None


def require_may_vote(*, has_signed_in: bool, is_recused: bool, has_voted: bool) -> None:
    """Refuse a ballot from an absent or recused expert, and a second one (R62, M7).

    Raises CommitteeRuleError.
    """
    if not has_signed_in:
        raise CommitteeRuleError(
            N_("Only experts who signed in vote; there is no proxy and no later vote.")
        )
    if is_recused:
        raise CommitteeRuleError(N_("You are recused for this applicant and do not vote."))
    if has_voted:
        raise CommitteeRuleError(N_("Your ballot is in the box and can no longer be changed."))


def require_opinions(locked_opinions: int) -> None:
    """Refuse to open a ballot before three written opinions are locked (R63, M6).

    Raises CommitteeRuleError.
    """
    if locked_opinions < LEAST_OPINIONS:
        raise CommitteeRuleError(
            N_(
                "The ballot opens when %(least)s written opinions are locked; there are "
                "%(given)s. Ask the experts for theirs."
            ),
            least=LEAST_OPINIONS,
            given=locked_opinions,
        )


@dataclass(frozen=True, slots=True)
class Candidate:
    """An expert of the pool, as the draw sees it."""

    id: str
    unit_id: int | str
    term_ends_on: date
    has_credit_record: bool = False
    has_applied_this_year: bool = False


def find_draw_exclusion(
    candidate: Candidate,
    *,
    on: date,
    applicants_of_unit: int = 0,
    most_applicants_of_unit: int | None = None,
) -> str | None:
    """Return why an expert is left out of the draw (an English msgid), or None (M2)."""
    if candidate.term_ends_on < on:
        return N_("The term as review expert has ended.")
    if candidate.has_credit_record:
        return N_("There is a credit record.")
    if candidate.has_applied_this_year:
        return N_("Applied for a title this year.")
    if most_applicants_of_unit is not None and applicants_of_unit > most_applicants_of_unit:
        return N_("Too many applicants are from the same unit.")
    return None


def find_recusal_grounds(
    *,
    expert_unit_id: int | str,
    applicant_unit_id: int | str,
    declared: Iterable[RecusalGround] = (),
) -> tuple[RecusalGround, ...]:
    """Return every ground to recuse: the same unit, and what was declared (R67, M3)."""
    grounds = set(declared)
    if expert_unit_id == applicant_unit_id:
        grounds.add(RecusalGround.SAME_UNIT)
    return tuple(ground for ground in RecusalGround if ground in grounds)


@dataclass(frozen=True, slots=True)
class PanelDraw:
    """A draw that anybody can repeat: same algorithm, candidates and seed, same result."""

    algorithm: str
    seed: str
    candidates_hash: str
    members: tuple[str, ...]
    reserves: tuple[str, ...]


def hash_candidates(candidates: Iterable[str]) -> str:
    """Return the SHA-256 hex of the frozen candidate list, whatever its order (M2)."""
    return hashlib.sha256("\n".join(sorted(candidates)).encode()).hexdigest()


def rank_by_draw(candidates: Sequence[str], seed: str) -> tuple[str, list[str]]:
    """Return the hash of the candidate list and its order by algorithm sha256-rank/1."""
    candidates_hash = hash_candidates(candidates)
    prefix = f"{DRAW_ALGORITHM}\n{seed}\n{candidates_hash}\n"
    ranked = sorted(candidates, key=lambda each: hashlib.sha256((prefix + each).encode()).digest())
    return candidates_hash, ranked


def draw_panel(candidates: Sequence[str], *, size: int, reserves: int, seed: str) -> PanelDraw:
    """Draw members and reserves from the pool, the same way every time (R12, M2).

    Algorithm sha256-rank/1: every candidate gets SHA-256 of "algorithm LF seed LF hash of the
    candidate list LF candidate id" (UTF-8); in the order of these digests the first `size` are
    members, the next `reserves` move up in turn. The seed is fixed before the list is known to
    the drawer, or drawn by the witness; nothing else enters.
    Raises CommitteeRuleError for an even size, a candidate listed twice, or too few candidates.
    """
    if size < 1 or size % 2 == 0 or reserves < 0:
        raise CommitteeRuleError(
            N_("A panel has an odd number of members and 0 or more reserves. Correct the numbers.")
        )
    if len(set(candidates)) != len(candidates):
        raise CommitteeRuleError(
            N_("An expert is listed twice among the candidates. Clean the list first.")
        )
    if len(candidates) < size + reserves:
        raise CommitteeRuleError(
            N_(
                "%(needed)s experts are needed and %(given)s can be drawn. "
                "Add experts to the pool or draw fewer reserves."
            ),
            needed=size + reserves,
            given=len(candidates),
        )
    candidates_hash, ranked = rank_by_draw(candidates, seed)
    return PanelDraw(
        DRAW_ALGORITHM,
        seed,
        candidates_hash,
        tuple(ranked[:size]),
        tuple(ranked[size : size + reserves]),
    )
