"""休眠账号: staff accounts nobody has used for a long time are suspended (等保三级 8.1.4.1).

Applicants, experts and unit accounts come once a year; they never are.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from app.domain.roles import ADMINISTRATORS
from app.domain.terms import AccountKind
from app.domain.workflow import ActorRole

DORMANT_DAYS: Final = 90

WATCHED_ROLES: Final = ADMINISTRATORS | {
    ActorRole.PROVINCE_HRSS,
    ActorRole.HRSS,
    ActorRole.COMPETENT_DEPARTMENT,
    ActorRole.COMMITTEE_OFFICE,
    ActorRole.SUPERVISOR,
}
"""Roles of administrators, reviewers and HRSS staff. Who holds one besides another role is watched
too: the stronger role is what an abandoned account gives away."""


def is_watched(kind: AccountKind, roles: Iterable[ActorRole]) -> bool:
    """Return whether an account is one that becomes dormant."""
    return kind is AccountKind.PERSONAL and not WATCHED_ROLES.isdisjoint(roles)


def is_dormant(used_at: datetime, *, now: datetime, days: int = DORMANT_DAYS) -> bool:
    """Return whether `days` times 24 hours have passed since the last use."""
    return now - used_at >= timedelta(days=days)
