"""Lock-out: so many wrong passwords lock an account at an address for so long (docs/rules.md 8:
parameters `login_lock_attempts` and `login_lock_minutes`, 5 and 15).

Counters live in Redis on the real clock and are keyed by a keyed hash, so no document number is
ever a key.
If Redis cannot be reached, sign-in is refused: this limit fails closed.
"""

from __future__ import annotations

from flask import current_app
from redis import Redis

from app.crypto import keyring
from app.services.settings import parameter


def max_failures() -> int:
    """How many wrong passwords lock."""
    return int(parameter("login_lock_attempts"))


def lock_minutes() -> int:
    """For how long, in minutes."""
    return int(parameter("login_lock_minutes"))


def _redis() -> Redis:
    store: Redis = current_app.extensions["redis"]
    return store


def _key(login: str, address: str) -> str:
    return f"portal:lockout:{keyring().lookup_hash(login + '|' + address)}"


def is_locked(login: str, address: str) -> bool:
    """Whether this login has used up its tries from this address."""
    count = _redis().get(_key(login, address))
    return count is not None and int(count) >= max_failures()


def count_failure(login: str, address: str) -> int:
    """Count a wrong password and return the tries left; the last one starts the lock."""
    key = _key(login, address)
    pipe = _redis().pipeline()
    pipe.incr(key)
    pipe.expire(key, lock_minutes() * 60)
    count = int(pipe.execute()[0])
    return max(0, max_failures() - count)


def forget_failures(login: str, address: str) -> None:
    """A right password clears the count."""
    _redis().delete(_key(login, address))
