"""The audit log as an Excel file: what is filtered, texts only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from app.domain.messages import N_
from app.domain.sheets import Column
from app.messages import say
from app.models import AuditEntry
from app.security.guard import Action, cells, cover, hidden_in_history
from app.security.veil import HIDDEN
from app.services.actors import Actor
from app.services.imports.workbooks import Workbook
from app.views import audit_names as names
from app.views.audit_differences import differences
from app.views.audit_roles import show_role_names
from app.views.presentation import show_instant

MOST_EXPORTED: Final = 10_000
"""Entries of one file; lists count no further either."""

XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
LONGEST_CELL: Final = 2_000
FIELDS: Final = (
    *("number", "recorded_at", "at", "actor_name", "role", "unit", "address", "action"),
    *("object_type", "object_id", "reason", "before", "after", "link"),
)
COLUMNS: Final = (
    Column("number", N_("Number in the chain"), width=12),
    Column("recorded_at", N_("Recorded at"), width=18),
    Column("at", N_("In the portal's time"), width=18),
    Column("actor_name", N_("Who"), width=16),
    Column("role", N_("Role"), width=22),
    Column("unit", N_("Unit"), width=30),
    Column("address", N_("Network address"), width=16),
    Column("action", N_("Action"), width=22),
    Column("object_type", N_("Object of the action"), width=18),
    Column("object_id", N_("Number of the object"), width=14),
    Column("reason", N_("Reason"), width=40),
    Column("changes", N_("Changes"), width=60),
    Column("hash", N_("Hash"), width=68),
)


def write_workbook(rows: Sequence[AuditEntry], actor: Actor) -> bytes:
    """The file: a line an entry, newest first; what the actor may not see stays blank."""
    book = Workbook(say)
    book.add_table(N_("Audit entries"), COLUMNS, _lines(rows, actor))
    return book.content()


def _lines(rows: Sequence[AuditEntry], actor: Actor) -> Iterator[dict[str, str]]:
    covered: dict[str, frozenset[str]] = {}
    for row in cells(rows, FIELDS, actor=actor, action=Action.EXPORT, hidden=None):
        kind = row["object_type"] or ""
        if kind not in covered:  # as for a row that is gone: what any of its kind hides
            covered[kind] = hidden_in_history(actor, kind, "-")
        before, after = (
            cover(row[name], covered[kind], hidden=str(HIDDEN)) for name in ("before", "after")
        )
        link = row["link"]
        yield {
            "number": str(row["number"] or ""),
            "recorded_at": show_instant(row["recorded_at"]),
            "at": show_instant(row["at"]),
            "actor_name": row["actor_name"] or "",
            "role": show_role_names(row["role"] or ""),
            "unit": str(row["unit"] or ""),
            "address": row["address"] or "",
            "action": names.name_action(row["action"] or ""),
            "object_type": names.name_object(row["object_type"] or ""),
            "object_id": row["object_id"] or "",
            "reason": (row["reason"] or "")[:LONGEST_CELL],
            "changes": _changes(before, after),
            "hash": link.hash if link else "",
        }


def _changes(before: object, after: object) -> str:
    """Field by field in one cell: `name: old → new`."""
    parts = [
        f"{line.label}: {line.before or '—'} → {line.after or '—'}"
        for line in differences(before, after)
        if line.is_changed
    ]
    return "\n".join(parts)[:LONGEST_CELL]
