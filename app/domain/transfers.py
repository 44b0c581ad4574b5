"""转入: who decides about a person two units claim, until when, and what moves (rules E7, B7).

One person has one account in the province. Whoever finds that a person has one already asks for the
transfer; the present unit answers within five working days, else the HRSS department decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from app.domain.calendar import WorkingCalendar, beijing_date, due_end_of
from app.domain.errors import ConflictError, RuleViolation
from app.domain.messages import N_
from app.domain.roles import ADMINISTRATORS
from app.domain.routing import UnitRef
from app.domain.terms import TransferState, UnitKind
from app.domain.workflow import END_STATES, ActorRole, State

TRANSFER_WORKING_DAYS: Final = 5
"""E7: how long the present unit has to answer; the day of asking is not counted."""

OPEN_STATES: Final = frozenset(
    {TransferState.PROPOSED, TransferState.ASKED, TransferState.ESCALATED}
)
"""Requests that wait for somebody; a person has at most one."""

NOT_BLOCKING: Final = END_STATES | {State.DRAFT, State.LAPSED, State.CERTIFIED}
"""States of an application that leave the person free to change units (B7): ended, or not handed
in yet."""

KEPT_ROLES: Final = frozenset({ActorRole.APPLICANT, ActorRole.EXPERT, ActorRole.CHAIR})
"""Roles of the person itself; every other one belongs to the unit that is left."""


def compute_transfer_due_at(
    asked_at: datetime, calendar: WorkingCalendar, *, working_days: int = TRANSFER_WORKING_DAYS
) -> datetime:
    """Return 24:00 of the n-th working day after the day of asking (E7)."""
    return due_end_of(calendar.add_working_days(beijing_date(asked_at), working_days))


def state_at(state: TransferState, due_at: datetime, *, now: datetime) -> TransferState:
    """Return what a request has become by `now`: without an answer the HRSS department decides,
    without the new unit taking it up the person's wish expires."""
    if now < due_at:
        return state
    after = {
        TransferState.ASKED: TransferState.ESCALATED,
        TransferState.PROPOSED: TransferState.EXPIRED,
    }
    return after.get(state, state)


def find_deciding_department(from_chain: Sequence[UnitRef], to_chain: Sequence[UnitRef]) -> UnitRef:
    """Return the lowest active HRSS department above both units, else the provincial one (E7).

    Chains run from the root of the tree to the unit. A department that is itself one of the two
    units does not decide about its own people, unless it is the province.
    """
    parties = {from_chain[-1].id, to_chain[-1].id}
    shared = [one for one, other in zip(from_chain, to_chain, strict=False) if one.id == other.id]
    for unit in reversed(shared):
        if unit.kind is UnitKind.HRSS and unit.is_active and unit.id not in parties:
            return unit
    return from_chain[0]


def blocks_transfer(state: State) -> bool:
    """Return whether an application in this state keeps its applicant in the unit (B7)."""
    return state not in NOT_BLOCKING


def roles_after_leaving(held: Iterable[ActorRole]) -> frozenset[ActorRole]:
    """Return the roles that stay with a person who leaves a unit: handlers stop being ones.

    Raises ConflictError for an administrator: that role is given back first.
    """
    before = frozenset(held)
    if before & ADMINISTRATORS:
        raise ConflictError(
            N_(
                "This account is that of an administrator. Its role has to be taken away by the "
                "security administrator before the person changes units."
            )
        )
    return (before & KEPT_ROLES) | {ActorRole.APPLICANT}


def require_start(starts_on: date, *, since: date | None, asked_on: date, today: date) -> date:
    """Return the last day in the old unit, the one before `starts_on`: no gap, no overlap.

    `since` is the first day in the old unit. The past is not rewritten: the new unit begins on the
    day of the request `asked_on` at the earliest. Raises RuleViolation.
    """
    if starts_on > today:
        raise RuleViolation(
            N_("The first day in the new unit must not lie in the future. Answer on that day.")
        )
    if starts_on < asked_on:
        raise RuleViolation(
            N_("The first day in the new unit is that of the request, %(day)s, or a later one."),
            day=asked_on.isoformat(),
        )
    if since is not None and starts_on <= since:
        raise RuleViolation(
            N_(
                "The person belongs to the present unit since %(since)s. "
                "The first day in the new unit must be later."
            ),
            since=since.isoformat(),
        )
    return starts_on - timedelta(days=1)
