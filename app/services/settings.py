"""Parameters and the working-day calendar as the domain wants them.

Both are read once per database session and kept in `session.info`, so that one decision sees one
calendar.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from app.domain.calendar import WorkingCalendar
from app.domain.errors import RuleViolation
from app.domain.messages import N_
from app.domain.terms import DayKind
from app.extensions import db
from app.models import HolidayDay, HolidayYear, Parameter


def parameter(key: str) -> Any:
    """The value of a parameter of docs/rules.md 8; KeyError for a key nobody has seeded."""
    cached: dict[str, Any] | None = db.session.info.get("parameters")
    if cached is None:
        cached = dict(db.session.execute(select(Parameter.key, Parameter.value)).all())
        db.session.info["parameters"] = cached
    return cached[key]


def set_parameter(key: str, value: Any) -> Parameter:
    """Change a parameter; a fixed one and a value out of bounds are refused."""
    row = db.session.get_one(Parameter, key, with_for_update=True)
    if row.is_fixed:
        raise RuleViolation(
            N_("%(label)s is fixed by %(clause)s and cannot be changed."),
            label=row.label,
            clause=row.clause,
        )
    if isinstance(value, list):
        _require_list(row, value)
    elif not _is_within(row, value) or (row.options and value not in row.options):
        raise RuleViolation(
            N_("%(label)s: choose a value between %(minimum)s and %(maximum)s."),
            label=row.label,
            minimum=row.minimum,
            maximum=row.maximum,
        )
    row.value = value
    row.version += 1
    forget_settings()
    return row


def _is_within(row: Parameter, value: Any) -> bool:
    below = row.minimum is not None and value < row.minimum
    return not (below or (row.maximum is not None and value > row.maximum))


def _require_list(row: Parameter, values: list[Any]) -> None:
    """Refuse a list with something else than what is offered, or with too few entries; the bounds
    of a list are those of its length."""
    strange = [value for value in values if row.options and value not in row.options]
    if strange or len(set(values)) != len(values):
        raise RuleViolation(
            N_("%(label)s: choose among the values offered, each once."), label=row.label
        )
    if not _is_within(row, len(values)):
        raise RuleViolation(N_("%(label)s: choose at least one value."), label=row.label)


def load_calendar() -> WorkingCalendar:
    """The working-day calendar of all years on file; a damaged one raises CalendarError."""
    cached: WorkingCalendar | None = db.session.info.get("calendar")
    if cached is None:
        days = db.session.execute(select(HolidayDay.on, HolidayDay.kind)).all()
        years = db.session.execute(
            select(HolidayYear.year, HolidayYear.version).where(HolidayYear.is_published)
        )
        versions = dict(years.all())
        cached = WorkingCalendar(
            holidays=frozenset(on for on, kind in days if kind is DayKind.HOLIDAY),
            makeup_workdays=frozenset(on for on, kind in days if kind is DayKind.MAKEUP_WORKDAY),
            published_years=frozenset(versions),
        )
        db.session.info["calendar"] = cached
        db.session.info["calendar_version"] = ",".join(
            f"{year}.{version}" for year, version in sorted(versions.items())
        )
    return cached


def calendar_version() -> str:
    """Which arrangements `load_calendar` used, e.g. `2022.1,2023.2`; kept beside each due date."""
    load_calendar()
    return str(db.session.info["calendar_version"])[-80:]


def forget_settings() -> None:
    """Read parameters and calendar anew at the next question."""
    for key in ("parameters", "calendar", "calendar_version"):
        db.session.info.pop(key, None)
