"""The chain of events: each entry carries the hash of the one before, so a gap or change shows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Final

GENESIS_HASH: Final = "0" * 64
"""The hash before the first event of a chain."""


def chain_hash(previous_hash: str, payload: Mapping[str, object]) -> str:
    """Return the SHA-256 hex of an event and the hash before it.

    The payload is canonical JSON: keys sorted, no blanks, instants in UTC with microseconds, so
    what the database gives back hashes as what was written. ValueError for a naive instant,
    TypeError for a value JSON cannot carry.
    """
    text = json.dumps(
        payload,
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
        default=_to_json,
    )
    return hashlib.sha256(f"{previous_hash}\n{text}".encode()).hexdigest()


def _to_json(value: object) -> str:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("an event holds aware instants only")
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"an event cannot hold a {type(value).__name__}")


def find_broken_link(
    entries: Iterable[tuple[str, Mapping[str, object], str]], *, start: str = GENESIS_HASH
) -> int | None:
    """Return the index of the first entry that does not follow from the one before, or None.

    An entry is (previous hash, payload, hash) as stored.
    """
    expected = start
    for index, (previous, payload, stored) in enumerate(entries):
        if previous != expected or chain_hash(previous, payload) != stored:
            return index
        expected = stored
    return None
