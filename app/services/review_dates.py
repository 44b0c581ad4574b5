"""Which days a meeting, a ballot and a filing may fall on: filing valid, review deadline kept
(rules D1, A10).
"""

from __future__ import annotations

from datetime import date

from app.domain.errors import CommitteeRuleError, ConflictError
from app.domain.messages import N_
from app.domain.review import require_filing_valid
from app.domain.terms import DueKind, FilingState
from app.models import Application, AuthorityFiling, Committee, PlanLine
from app.services.extensions import milestone_due_at, milestone_due_on
from app.services.settings import load_calendar, parameter
from app.services.transitions import Due
from app.services.windows import window_of


def require_filing(committee: Committee, *, on: date) -> AuthorityFiling:
    """The approved filing that covers `on`; asked at draw, meeting and confirmation (R07, D1).

    Raises CommitteeRuleError: no filing approved, or none of them valid on that day.
    """
    approved = [row for row in committee.filings if row.state is FilingState.APPROVED]
    if not approved:
        raise CommitteeRuleError(
            N_("%(committee)s has no approved filing of its review authority. File it first."),
            committee=committee.name,
        )
    for filing in reversed(approved):
        if filing.valid_from <= on <= filing.valid_to:
            return filing
    latest = approved[-1]
    require_filing_valid(latest.valid_from, latest.valid_to, on=on)
    raise AssertionError("a filing that does not cover the day was accepted")


def latest_ballot_on(line: PlanLine) -> date:
    """The last day to vote so that publicity and filing keep the review deadline (rules 3.3)."""
    days = int(parameter("result_publicity_working_days"))
    return window_of(line).latest_ballot_on(load_calendar(), working_days=days)


def is_ballot_late(line: PlanLine, *, on: date) -> bool:
    """Whether a ballot on `on` leaves too few days; a warning, not a refusal (rules 3.3)."""
    return on > latest_ballot_on(line)


def require_review_open(committee: Committee, line: PlanLine, *, on: date) -> None:
    """Refuse to go on after the online-review deadline without the province's extension (rules 3.2,
    notes).

    The extension carries a reason and two signatures. Raises ConflictError.
    """
    due_on = milestone_due_on(committee.id, line, DueKind.ONLINE_REVIEW)
    if on > due_on:
        raise ConflictError(
            N_(
                "The online-review deadline %(due)s has passed. "
                "Ask the provincial HRSS department for an extension."
            ),
            due=due_on.isoformat(),
        )


def review_due(application: Application) -> Due:
    """The online-review deadline of an application, extended ones included: the end of its day."""
    return Due(DueKind.ONLINE_REVIEW, milestone_due_at(application, DueKind.ONLINE_REVIEW))
