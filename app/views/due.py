"""Deadlines before deeds: what has fallen due happens first, also when no job has run (rules 3.5).

A page that acts calls `settle_first`; a page that only shows asks `sweeps.effective_state`.
"""

from __future__ import annotations

from collections.abc import Iterable

from app import settling


def settle_first(application_ids: Iterable[int]) -> None:
    """Settle these applications before a page offers or performs an action on them.

    Each is settled in a transaction of its own: read afresh what was loaded before.
    """
    for application_id in application_ids:
        settling.settle(application_id)
