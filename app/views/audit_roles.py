"""The roles an audit entry was written under, in words."""

from __future__ import annotations

from app.domain.workflow import ActorRole as R
from app.views.labels import name_of


def show_role_names(text: str) -> str:
    """The names of the roles an entry was written under."""
    known = {role.value: role for role in R}
    return "、".join(name_of(known[part]) if part in known else part for part in text.split(","))
