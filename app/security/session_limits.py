"""How long a session lasts: idle for IDLE_MINUTES, and SESSION_HOURS in all, on the real clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum

from flask import current_app, request, session

from app import clock
from app.domain.errors import DomainError
from app.domain.messages import N_
from app.services.sessions import last_seen, touch_session

ASKED_BY_THE_PAGE = frozenset({"BackgroundJobView.progress", "SignInView.card_state"})
"""What an open page asks again and again by itself: nobody uses the session by that."""


class SessionEnd(StrEnum):
    """Why a session is over."""

    ENDED = "ended"
    IDLE = "idle"
    TOO_LONG = "too_long"


class SessionsUnreachableError(DomainError):
    """Nobody can tell who is signed in while Redis is away (HTTP 503)."""

    code = "sessions_unreachable"
    http_status = 503
    template = N_(
        "Sign-in does not work for a moment, and pages behind it are closed. Nothing was lost; "
        "try again in a few minutes."
    )


def idle_limit() -> timedelta:
    """So long a session may rest."""
    return timedelta(minutes=current_app.config["IDLE_MINUTES"])


def session_end() -> SessionEnd | None:
    """Why the session of this request is over; None while it is open.

    Notes that it is in use, unless the page has asked by itself.
    """
    now = clock.real_now()
    lifetime = current_app.permanent_session_lifetime
    sid: str = session.sid  # type: ignore[attr-defined]
    if request.endpoint in ASKED_BY_THE_PAGE:
        before = last_seen(sid)
    else:
        before = touch_session(sid, now=now, lifetime=lifetime)
    if before is None:
        return SessionEnd.ENDED
    if now - before > idle_limit():
        return SessionEnd.IDLE
    if now - datetime.fromtimestamp(session["signed_in_at"], UTC) > lifetime:
        return SessionEnd.TOO_LONG
    return None


REASONS = {
    SessionEnd.ENDED: N_("This sign-in has ended. Please sign in again."),
    SessionEnd.IDLE: N_("You have been signed out after a long pause. Please sign in again."),
    SessionEnd.TOO_LONG: N_("A sign-in lasts %(hours)s hours at most. Please sign in again."),
}


class SessionEndedError(DomainError):
    """A form was sent by somebody whose session is over (HTTP 401)."""

    code = "session_ended"
    http_status = 401
    template = REASONS[SessionEnd.ENDED]

    @classmethod
    def of(cls, reason: SessionEnd) -> SessionEndedError:
        """The refusal for a reason."""
        return cls(REASONS[reason], hours=current_app.config["SESSION_HOURS"])
