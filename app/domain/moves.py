"""划转: a unit comes under another superior with the consent of both sides (rules E6).

Asked for by the present superior, the new one or the unit itself, with reason and proof. Who asks
as a superior has consented by that; the unit itself is told and decides nothing, since who stands
above it is not its own choice. Whoever is asked answers in time, else the request expires.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from app.domain.accounts import NewUnit, require_may_create_account
from app.domain.calendar import WorkingCalendar, beijing_date, due_end_of
from app.domain.codes import count_depth
from app.domain.errors import NotPermittedError, RuleViolation
from app.domain.messages import N_
from app.domain.routing import UnitRef
from app.domain.terms import AdministrativeLevel, MoveSide, MoveState, UnitKind
from app.domain.workflow import ActorRole

MOVE_WORKING_DAYS: Final = 10
"""How long the other side has to answer; the day of asking is not counted."""

CONSENTING: Final = (MoveSide.FROM, MoveSide.TO)
"""Whose consent a move needs."""

_LEVELS: Final = tuple(AdministrativeLevel)


@dataclass(frozen=True, slots=True)
class Place:
    """What a unit is after a move; the registrar's level is that of non-public organizations."""

    level: AdministrativeLevel
    registrar_level: AdministrativeLevel | None


def compute_move_due_at(
    asked_at: datetime, calendar: WorkingCalendar, *, working_days: int = MOVE_WORKING_DAYS
) -> datetime:
    """Return 24:00 of the n-th working day after the day of asking."""
    return due_end_of(calendar.add_working_days(beijing_date(asked_at), working_days))


def move_state_at(state: MoveState, due_at: datetime, *, now: datetime) -> MoveState:
    """Return what a request has become by `now`: without an answer in time it expires."""
    return MoveState.EXPIRED if state is MoveState.ASKED and now >= due_at else state


def place_below(unit: UnitRef, code: str, superior: UnitRef) -> Place:
    """Return what `unit` becomes below `superior`, or refuse what could not be created there.

    The superior must be one that may create such a unit (E5), so that nothing comes to stand
    where it could never have been entered. Raises NotPermittedError, RuleViolation.
    """
    if not superior.is_active:
        raise RuleViolation(
            N_("%(unit)s is not active. Choose the unit that looks after it now."),
            unit=superior.name,
        )
    if superior.level is None or unit.parent_id is None:
        raise RuleViolation(N_("The provincial HRSS department stands above all and is not moved."))
    level = _level_below(unit, superior.level)
    registrar_level = level if unit.kind is UnitKind.NON_PUBLIC else None
    target = NewUnit(
        kind=unit.kind,
        parent_id=superior.id,
        level=level,
        registrar_level=registrar_level,
        has_own_code=count_depth(code) == 0,
    )
    try:
        require_may_create_account(superior, ActorRole.UNIT_ADMIN, target)
    except NotPermittedError as error:
        raise RuleViolation(
            N_(
                "A unit of this kind cannot stand below %(unit)s (Annex 3). Choose the HRSS "
                "department, competent department or unit that may create it."
            ),
            unit=superior.name,
        ) from error
    return Place(level, registrar_level)


def _level_below(unit: UnitRef, superior_level: AdministrativeLevel) -> AdministrativeLevel:
    """HRSS departments are one level below the one above; all others take its level."""
    if unit.kind is not UnitKind.HRSS:
        return superior_level
    return _LEVELS[min(_LEVELS.index(superior_level) + 1, len(_LEVELS) - 1)]


def require_no_cycle(unit_path: str, superior_path: str) -> None:
    """Refuse a new superior that stands below the unit itself, or is it.

    Paths are `/1/5/20/`, the ids from the root. Raises RuleViolation.
    """
    if superior_path.startswith(unit_path):
        raise RuleViolation(
            N_("The new superior unit stands below this unit. Choose one that does not.")
        )
