"""What of an application its applicant may change now: everything in a draft, the unlocked
sections of a return.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from app.domain.deadlines import is_overdue
from app.domain.errors import ConflictError, NotPermittedError, WindowClosedError
from app.domain.messages import N_
from app.domain.terms import ReturnTarget
from app.domain.workflow import STATE_LABELS, State
from app.extensions import db
from app.models import Application, CorrectionRequest
from app.services.actors import Actor
from app.services.windows import window_of


class LockedError(ConflictError):
    """Submitted content is locked for everyone until it is returned (notice 四(二), rules B1)."""

    code = "locked"
    template = N_(
        "The application is %(state)s, so this part is locked: after submission it can be changed "
        "only "
        "when a reviewer returns it and unlocks the part."
    )


class CorrectionOverdueError(ConflictError):
    """The due date of a correction has passed (rules 3.2 row 19)."""

    code = "correction_overdue"
    template = N_(
        "The correction was due by %(due)s; it can no longer be changed or submitted. "
        "Ask the unit that returned it what is still possible."
    )


def open_correction(application: Application) -> CorrectionRequest | None:
    """The correction the application is returned with, if it awaits the applicant."""
    if application.state is not State.RETURNED:
        return None
    if application.returned_to is not ReturnTarget.APPLICANT:
        return None
    return db.session.scalar(
        select(CorrectionRequest).where(
            CorrectionRequest.application_id == application.id,
            CorrectionRequest.closed_at.is_(None),
        )
    )


def require_own(application: Application, actor: Actor) -> None:
    """Refuse everybody but the applicant."""
    if actor.person_id is None or application.person_id != actor.person_id:
        raise NotPermittedError(N_("This is not your own application."))


def require_editable(
    application: Application, section: str, *, actor: Actor, now: datetime
) -> None:
    """Refuse a change of `section`: not one's own, window over, locked, or correction overdue."""
    require_own(application, actor)
    if application.state is State.DRAFT:
        window = window_of(application.plan_line)
        if window.is_closed(now):
            raise WindowClosedError(
                series=window.line,
                opens=window.opens_at.strftime("%Y-%m-%d %H:%M"),
                closes=window.closes_at.strftime("%Y-%m-%d %H:%M"),
            )
        return
    correction = open_correction(application)
    if correction is None:
        raise LockedError(state=STATE_LABELS[application.state])
    require_in_time(correction, now=now)
    if section not in correction.unlocked_sections:
        raise LockedError(state=STATE_LABELS[application.state])


def require_in_time(correction: CorrectionRequest, *, now: datetime) -> None:
    """Refuse what arrives after the due date of a correction (B2)."""
    if is_overdue(correction.due_at, now=now):
        raise CorrectionOverdueError(due=correction.due_at.strftime("%Y-%m-%d %H:%M"))


def may_edit(application: Application, section: str, *, actor: Actor, now: datetime) -> bool:
    """Whether `require_editable` would pass."""
    try:
        require_editable(application, section, actor=actor, now=now)
    except (ConflictError, NotPermittedError):
        return False
    return True
