"""Lock-out: five wrong passwords lock an account at an address for a quarter of an hour
(docs/rules.md 8).

Counters live in Redis on the real clock and are keyed by a keyed hash, so no document number is
ever a key.
If Redis cannot be reached, sign-in is refused: this limit fails closed.
"""

from __future__ import annotations

from flask import current_app
from redis import Redis

from app.crypto import keyring

MAX_FAILURES = 5
LOCK_SECONDS = 15 * 60


def _redis() -> Redis:
    store: Redis = current_app.extensions["redis"]
    return store


def _key(login: str, address: str) -> str:
    return f"portal:lockout:{keyring().lookup_hash(login + '|' + address)}"


def is_locked(login: str, address: str) -> bool:
    """Whether this login has used up its tries from this address."""
    count = _redis().get(_key(login, address))
    return count is not None and int(count) >= MAX_FAILURES


def count_failure(login: str, address: str) -> int:
    """Count a wrong password and return the tries left; the last one starts the quarter of an
    hour."""
    key = _key(login, address)
    pipe = _redis().pipeline()
    pipe.incr(key)
    pipe.expire(key, LOCK_SECONDS)
    count = int(pipe.execute()[0])
    return max(0, MAX_FAILURES - count)


def forget_failures(login: str, address: str) -> None:
    """A right password clears the count."""
    _redis().delete(_key(login, address))
