"""What every template may use: the `portal` dictionary and the filters for instants, dates and
labels."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from flask import Flask, current_app, request
from flask_babel import get_locale, gettext
from flask_login import current_user

from app import clock
from app.domain.calendar import BEIJING
from app.domain.workflow import ACTION_LABELS, ROLE_LABELS, STATE_LABELS, Action, ActorRole, State
from app.services import rehearsal


def register(app: Flask) -> None:
    """Add the context processor and the filters."""
    app.context_processor(_context)
    app.add_template_filter(show_instant, "instant")
    app.add_template_filter(show_date, "day")
    app.add_template_filter(state_label)
    app.add_template_filter(action_label)
    app.add_template_filter(role_label)


def _context() -> dict[str, Any]:
    locale = get_locale()
    return {
        "portal": {
            "name": current_app.config["APP_NAME"],
            "now": clock.now(),
            "is_rehearsal": rehearsal.is_rehearsal(),
            "elder": request.cookies.get("elder") == "1",
            "lang": "zh-Hans" if locale is None or locale.language == "zh" else locale.language,
            "user_display": current_user.first_name if current_user.is_authenticated else "",
            "unit_display": str(current_user.unit or "") if current_user.is_authenticated else "",
        }
    }


def show_instant(value: datetime | None) -> str:
    """2022-08-05 17:00, Beijing time; empty for None."""
    return value.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M") if value else ""


def show_date(value: date | None) -> str:
    """2022-08-05; empty for None."""
    return value.isoformat() if value else ""


def state_label(state: State | str) -> str:
    """The name of a state in the user's language."""
    return str(gettext(STATE_LABELS[State(state)]))


def action_label(action: Action | str) -> str:
    """The name of an action in the user's language."""
    return str(gettext(ACTION_LABELS[Action(action)]))


def role_label(role: ActorRole | str) -> str:
    """The name of a role in the user's language."""
    return str(gettext(ROLE_LABELS[ActorRole(role)]))
