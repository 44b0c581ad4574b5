"""Moments and days written out, and the seed's calendar and plan as domain values."""

from __future__ import annotations

from datetime import date, datetime

from app.domain.calendar import BEIJING
from app.domain.plan import PlanWindow
from app.rules_cli import load_calendar, load_plan

CALENDAR = load_calendar()
WINDOWS: dict[int, PlanWindow] = dict(load_plan(2022))


def at(text: str) -> datetime:
    """Return a Beijing instant: at("2022-08-05T17:00:01")."""
    return datetime.fromisoformat(text).replace(tzinfo=BEIJING)


def on(text: str) -> date:
    """Return a day: on("2022-08-05")."""
    return date.fromisoformat(text)
