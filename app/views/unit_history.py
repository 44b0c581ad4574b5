"""What has happened to a unit, as its page shows it: from the audit log, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import select

from app.extensions import db
from app.models import AuditEntry, Unit
from app.security.actors import current_actor
from app.security.guard import hidden_in_history
from app.views.audit_names import ACTIONS

LIMIT = 30


def unit_events(row: Unit) -> list[dict[str, Any]]:
    """The last entries about a unit, newest first, with what changed; names in two queries."""
    entries = db.session.scalars(
        select(AuditEntry)
        .where(AuditEntry.object_type == "Unit", AuditEntry.object_id == str(row.id))
        .order_by(AuditEntry.id.desc())
        .limit(LIMIT)
    ).all()
    ids = {entry.unit_id for entry in entries if entry.unit_id} | {
        side["parent_id"]
        for entry in entries
        for side in (entry.before or {}, entry.after or {})
        if isinstance(side.get("parent_id"), int)
    }
    names: dict[int, str] = {
        found[0]: found[1]
        for found in db.session.execute(select(Unit.id, Unit.name).where(Unit.id.in_(ids)))
    }
    hidden = hidden_in_history(current_actor(), "Unit", str(row.id))
    return [
        {
            "at": entry.at,
            "who": " · ".join(filter(None, (names.get(entry.unit_id or 0), entry.actor_name))),
            "what": str(_(ACTIONS.get(entry.action, entry.action))),
            "why": " ".join(filter(None, (_change(entry, names, hidden), entry.reason))),
        }
        for entry in entries
    ]


def _change(entry: AuditEntry, names: Mapping[int, str], hidden: frozenset[str]) -> str:
    """What an entry changed, for the few things that matter here and the reader may see."""
    before = {name: v for name, v in (entry.before or {}).items() if name not in hidden}
    after = {name: v for name, v in (entry.after or {}).items() if name not in hidden}
    if "code" in before and before.get("code") != after.get("code"):
        return _("%(before)s, from now on %(after)s", before=before["code"], after=after["code"])
    if "name" in before and before.get("name") != after.get("name"):
        return _("%(before)s, from now on %(after)s", before=before["name"], after=after["name"])
    old, new = before.get("parent_id"), after.get("parent_id")
    if old is not None and new is not None and old != new:
        return _(
            "from %(before)s to %(after)s", before=names.get(old, ""), after=names.get(new, "")
        )
    return ""
