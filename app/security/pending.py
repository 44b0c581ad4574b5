"""What a visitor has proved so far, between two pages of a sign-in; kept in the session.

It opens nothing by itself and is gone after ten minutes or with the sign-in.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from flask import session

from app import clock

SECONDS = 600
_KEY = "pending"


@dataclass(frozen=True)
class Pending:
    """`step` is the page that goes on; `name` what tries are counted under; `account_id` None for
    a login nobody has; `held` the activation hash that was checked."""

    step: str
    name: str
    account_id: int | None = None
    methods: list[str] = field(default_factory=list)
    held: str = ""
    next_url: str = ""


def keep(pending: Pending) -> None:
    """Remember the step; another one before it is forgotten."""
    until = int(clock.real_now().timestamp()) + SECONDS
    session[_KEY] = {**asdict(pending), "until": until}


def find(step: str) -> Pending | None:
    """What is remembered for this page, if it is not too old."""
    kept = dict(session.get(_KEY) or {})
    if kept.pop("until", 0) < clock.real_now().timestamp() or kept.get("step") != step:
        return None
    return Pending(**kept)


def forget() -> None:
    """Begin anew."""
    session.pop(_KEY, None)
