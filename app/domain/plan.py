"""A line of the evaluation plan: its four milestones, what they allow, and what still fits.

Notice 二, 四(一)-(三) and Annex 1; computed columns of rules 1.5. Fixed dates never roll (A6):
"11月30日前" includes the day, to 24:00, even where it is a holiday.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from app.domain.calendar import BEIJING, WorkingCalendar, beijing_date, due_end_of
from app.domain.errors import (
    MilestoneOrderError,
    RescheduleRefusedError,
    RuleViolation,
    WindowClosedError,
)
from app.domain.messages import N_
from app.domain.publicity import MINIMUM_WORKING_DAYS, compute_latest_opening
from app.domain.terms import PublicityDay1

CALL_LEAD_DAYS: Final = 30
"""Notice 四(一): the call is published 30 natural days before the first day (A8)."""

UNIT_PUSH_DAYS: Final = 10
"""Notice 四(三): "申报截止日后10日内", natural days (A1)."""

NODE_WORKING_DAYS: Final = 3
"""Notice 四(三): "3个工作日内" after receipt (A4)."""

DRAFTING_OPENS: Final = (7, 1)
"""Notice 四(二): drafts from 1 July of the plan year, all lines (R24, A11)."""

AUTHORITY_FILING_DUE: Final = (5, 30)
"""Notice 三(一): authority filings by 30 May (R08)."""

SPECIALTY_PROPOSALS_DUE: Final = (6, 20)
"""Notice 三(三): Annex 2 by 20 June (E11)."""

ACCOUNTS_DUE: Final = (6, 30)
"""Notice 三(二): accounts by 30 June; later is possible and logged as late (E11)."""


@dataclass(frozen=True, slots=True)
class PlanWindow:
    """The four milestones of a plan line; `line` is what a message calls it.

    `*_at` are aware instants, inclusive to the whole second; `*_on` are days, to their 24:00.
    """

    line: str
    opens_at: datetime
    closes_at: datetime
    receipt_due_at: datetime
    policy_review_due_on: date
    online_review_due_on: date
    call_lead_days: int = CALL_LEAD_DAYS

    def require_order(self) -> None:
        """Refuse milestones out of order: start < end < receipt < policy review <= online review.

        Raises MilestoneOrderError naming the first pair that is wrong (Y1).
        """
        receipt_on = beijing_date(self.receipt_due_at)
        checks = (
            (
                self.opens_at < self.closes_at,
                N_("The window must start before it ends. Correct the dates of the plan line."),
            ),
            (
                self.closes_at < self.receipt_due_at,
                N_(
                    "The window must end before the receipt deadline. "
                    "Correct the dates of the plan line."
                ),
            ),
            (
                receipt_on < self.policy_review_due_on,
                N_(
                    "The receipt deadline must come before the policy-review deadline. "
                    "Correct the dates of the plan line."
                ),
            ),
            (
                self.policy_review_due_on <= self.online_review_due_on,
                N_(
                    "The policy-review deadline must not come after the online-review deadline. "
                    "Correct the dates of the plan line."
                ),
            ),
        )
        for is_ordered, template in checks:
            if not is_ordered:
                raise MilestoneOrderError(template)

    def is_open(self, now: datetime) -> bool:
        """Return whether a submission arriving now is inside, in whole seconds (A7).

        17:00:00 is in, 17:00:01 is out; nights belong to the window.
        """
        return self.opens_at <= now.replace(microsecond=0) <= self.closes_at

    def is_closed(self, now: datetime) -> bool:
        """Return whether the window is over for good."""
        return now.replace(microsecond=0) > self.closes_at

    def require_open(self, now: datetime) -> None:
        """Raise WindowClosedError outside the application window (row 4)."""
        if not self.is_open(now):
            raise WindowClosedError(
                series=self.line, opens=_show(self.opens_at), closes=_show(self.closes_at)
            )

    @property
    def applications_open_on(self) -> date:
        """申报启动日: the first day of the window."""
        return beijing_date(self.opens_at)

    @property
    def applications_close_on(self) -> date:
        """申报截止日 "D": the last day of the window."""
        return beijing_date(self.closes_at)

    @property
    def latest_call_on(self) -> date:
        """The last day to publish the call for applications in time (R48, A8)."""
        return self.applications_open_on - timedelta(days=self.call_lead_days)

    def unit_push_due_on(self, calendar: WorkingCalendar, *, days: int = UNIT_PUSH_DAYS) -> date:
        """Return D + 10 natural days, rolled on to a working day (A1); a flag, not a lock."""
        return calendar.roll_forward(self.applications_close_on + timedelta(days=days))

    def unit_push_due_at(
        self, calendar: WorkingCalendar, *, days: int = UNIT_PUSH_DAYS
    ) -> datetime:
        """Return 24:00 of `unit_push_due_on`."""
        return due_end_of(self.unit_push_due_on(calendar, days=days))

    def latest_publicity_on(
        self,
        calendar: WorkingCalendar,
        *,
        working_days: int = MINIMUM_WORKING_DAYS,
        day1: PublicityDay1 = PublicityDay1.NEXT_WORKDAY,
    ) -> date:
        """Return the last day to open the unit's publicity and still push inside D + 10 (A3)."""
        limit_on = self.unit_push_due_on(calendar)
        return compute_latest_opening(limit_on, calendar, working_days=working_days, day1=day1)

    def node_due_dates(
        self, calendar: WorkingCalendar, *, working_days: int = NODE_WORKING_DAYS
    ) -> tuple[date, ...]:
        """Return the third working days of the nodes that fit one after the other.

        The first receives on the unit's last day; a node fits if its third working day is not
        later than the date of the receipt deadline (rules 1.5).
        """
        limit_on = beijing_date(self.receipt_due_at)
        dates: list[date] = []
        due_on = calendar.add_working_days(self.unit_push_due_on(calendar), working_days)
        while due_on <= limit_on:
            dates.append(due_on)
            due_on = calendar.add_working_days(due_on, working_days)
        return tuple(dates)

    def nodes_that_fit(self, calendar: WorkingCalendar) -> int:
        """Count the nodes after the unit that have their full time (rules 1.5, C1)."""
        return len(self.node_due_dates(calendar))

    def latest_ballot_on(
        self, calendar: WorkingCalendar, *, working_days: int = MINIMUM_WORKING_DAYS
    ) -> date:
        """Return the last day to vote and open the result publicity (rules 3.3, A10).

        Publicity and the filing, on the last working day, fall inside the online-review deadline.
        """
        filing_on = calendar.roll_back(self.online_review_due_on)
        return compute_latest_opening(filing_on, calendar, working_days=working_days)

    def require_reschedulable(self, proposed: PlanWindow, *, now: datetime) -> None:
        """Refuse a change of the dates that harms live applications (rules A9).

        Milestones stay in order. Once the window has opened its start is history and the other
        four may only be lengthened; before, the new window must not have passed already.
        Raises MilestoneOrderError, RescheduleRefusedError or RuleViolation.
        """
        proposed.require_order()
        if now.replace(microsecond=0) < self.opens_at:
            if proposed.is_closed(now):
                raise RuleViolation(
                    N_("The new window has passed already. Choose a window that closes later.")
                )
            return
        if proposed.opens_at != self.opens_at:
            raise RuleViolation(
                N_(
                    "The window opened at %(opens)s; its start can no longer be moved. "
                    "Lengthen the other dates instead."
                ),
                opens=_show(self.opens_at),
            )
        policy_on, review_on = self.policy_review_due_on, self.online_review_due_on
        checks = (
            (
                proposed.closes_at >= self.closes_at,
                _show(self.closes_at),
                N_(
                    "The window has opened, so its end may only be moved later: "
                    "choose a time not before %(current)s."
                ),
            ),
            (
                proposed.receipt_due_at >= self.receipt_due_at,
                _show(self.receipt_due_at),
                N_(
                    "The window has opened, so the receipt deadline may only be moved later: "
                    "choose a time not before %(current)s."
                ),
            ),
            (
                proposed.policy_review_due_on >= policy_on,
                policy_on.isoformat(),
                N_(
                    "The window has opened, so the policy-review deadline may only be moved "
                    "later: choose a day not before %(current)s."
                ),
            ),
            (
                proposed.online_review_due_on >= review_on,
                review_on.isoformat(),
                N_(
                    "The window has opened, so the online-review deadline may only be moved "
                    "later: choose a day not before %(current)s."
                ),
            ),
        )
        for is_lengthened, shown, template in checks:
            if not is_lengthened:
                raise RescheduleRefusedError(template, current=shown)


def _show(instant: datetime) -> str:
    return instant.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M")


def compute_drafting_opens_at(plan_year: int) -> datetime:
    """Return the instant drafts of a plan year become possible: 1 July, 00:00 (R24, A11)."""
    month, day = DRAFTING_OPENS
    return datetime(plan_year, month, day, tzinfo=BEIJING)


def require_drafting_open(plan_year: int, *, now: datetime) -> None:
    """Refuse a draft before 1 July of the plan year (row 1)."""
    opens_at = compute_drafting_opens_at(plan_year)
    if now < opens_at:
        raise RuleViolation(
            N_("Applications can be drafted from %(opens)s on. Come back then."),
            opens=_show(opens_at),
        )


def is_call_late(published_on: date, window: PlanWindow) -> bool:
    """Return whether a call comes less than 30 days before the first day: warn, not block (A8)."""
    return published_on > window.latest_call_on


def is_account_creation_late(created_on: date, plan_year: int) -> bool:
    """Return whether an account was created after 30 June: possible, logged as late (E11)."""
    return created_on > date(plan_year, *ACCOUNTS_DUE)


def is_specialty_proposal_late(reported_on: date, plan_year: int) -> bool:
    """Return whether a collection form came after 20 June: it goes to next year (E11)."""
    return reported_on > date(plan_year, *SPECIALTY_PROPOSALS_DUE)


def may_review_this_year(
    filed_on: date | None, plan_year: int, *, has_exemption: bool = False
) -> bool:
    """Return whether the filing was finished by 30 May or the province exempted it (R08, D1)."""
    if has_exemption:
        return True
    return filed_on is not None and filed_on <= date(plan_year, *AUTHORITY_FILING_DUE)
