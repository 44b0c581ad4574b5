"""What every template may use: the `portal` dictionary and the filters for instants, dates and
labels."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any

from flask import Flask, current_app, g, request, url_for
from flask_babel import get_locale, gettext
from flask_login import current_user

from app import clock
from app.domain.calendar import BEIJING, ONE_DAY
from app.domain.workflow import ACTION_LABELS, ROLE_LABELS, STATE_LABELS, Action, ActorRole, State
from app.services import notifications, rehearsal


def register(app: Flask) -> None:
    """Add the context processor and the filters."""
    app.context_processor(_context)
    app.add_template_filter(say_plainly, "say")
    app.add_template_filter(show_instant, "instant")
    app.add_template_filter(show_date, "day")
    app.add_template_filter(show_due, "due")
    app.add_template_filter(state_label)
    app.add_template_filter(action_label)
    app.add_template_filter(role_label)


def say_plainly(text: object) -> str:
    """A text in the reader's language, and nothing but text: what `_()` of a template gives is
    markup, with its % signs taken for placeholders."""
    return str(gettext(text)) if isinstance(text, str) and text else str(text or "")


def _context() -> dict[str, Any]:
    signed_in = current_user.is_authenticated
    return {
        "portal": {
            "name": current_app.config["APP_NAME"],
            "now": clock.now(),
            "is_rehearsal": rehearsal.is_rehearsal(),
            "elder": request.cookies.get("elder") == "1",
            "elder_url": url_for("PublicView.switch_elder"),
            "lang": _language(),
            "user_display": current_user.first_name if signed_in else "",
            "unit_display": str(current_user.unit or "") if signed_in else "",
            "profile_url": url_for("OwnPasswordView.change") if signed_in else "",
            "user_links": _user_links() if signed_in else [],
            "logout_url": url_for("PortalAuthView.logout"),
            "home_url": "/",
            "public_home_url": url_for("PublicView.home"),
            "public_nav": _public_nav(signed_in=signed_in),
            "why_url": why_url,
            "footer_links": [(gettext("Privacy notice"), url_for("PublicView.privacy"))],
        }
    }


def _user_links() -> list[tuple[str, str, str]]:
    return [
        (gettext("Account and security"), url_for("AccountSecurityView.home"), "key"),
        (gettext("Sign-ins and devices"), url_for("OwnSessionsView.home"), "history"),
    ]


def why_url() -> str:
    """Where those who may ask learn why this page shows what it does; empty for all others."""
    manager = current_app.extensions["appbuilder"].sm
    if "user" not in g or not current_user.is_authenticated:
        return ""  # refused before anybody was looked at
    if not manager.has_access("can_ask", "WhyView"):
        return ""
    return url_for("WhyView.ask", link=request.path)


def _language() -> str:
    locale = get_locale()
    return "zh-Hans" if locale is None or locale.language == "zh" else str(locale.language)


def _public_nav(*, signed_in: bool) -> list[tuple[str, str]]:
    nav = [
        (gettext("Home"), url_for("PublicView.home")),
        (gettext("Calls for applications"), url_for("PublicView.calls")),
        (gettext("Publicity"), url_for("PublicView.publicities")),
        (gettext("Results"), url_for("PublicView.results")),
        (gettext("Verify a certificate"), url_for("PublicView.verify")),
        (gettext("Guide"), url_for("PublicView.guide")),
    ]
    if signed_in and any(role.name == ActorRole.APPLICANT for role in current_user.roles):
        nav.insert(0, (gettext("My applications"), "/"))
        nav.append((_notifications_in_words(), url_for("NotificationView.home")))
    return nav


def _notifications_in_words() -> str:
    unread = notifications.count_unread(current_user.id)
    return (
        gettext("Notifications (%(count)s)", count=unread) if unread else gettext("Notifications")
    )


def show_instant(value: datetime | None) -> str:
    """2022-08-05 17:00, Beijing time; empty for None."""
    return value.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M") if value else ""


def show_due(due_at: datetime | None) -> str:
    """A due instant for people: the end of a day is its 24:00, not 00:00 of the next."""
    if due_at is None:
        return ""
    local = due_at.astimezone(BEIJING)
    if local.time() == time(0):
        return f"{local.date() - ONE_DAY} 24:00"
    return local.strftime("%Y-%m-%d %H:%M")


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
