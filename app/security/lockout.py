"""Lock-out and brake on wrong sign-ins (rules E9; parameters `login_lock_attempts` 5,
`login_lock_minutes` 15, `login_brake_attempts` 30).

*Lock*: so many wrong tries lock an account at one address for so long. *Brake*: so many wrong
tries from anywhere within that time stop password tries from addresses the account has not been
used from, until the time is over. Nobody is shut out for good: known addresses, SMS codes and the
self-reset go on, and the count begins anew by itself.

Counters live in Redis on the real clock under keyed hashes, so no document number is ever a key.
What is counted is the account, or the typed login where there is none, so that unknown logins
answer alike. If Redis cannot be reached, sign-in is refused: this limit fails closed.
"""

from __future__ import annotations

from app.crypto import keyring
from app.domain.errors import DomainError
from app.domain.messages import N_
from app.extensions import redis_store
from app.services.settings import parameter
from app.services.sign_in_codes import counting

KNOWN_SECONDS = 90 * 24 * 3600
"""How long an address counts as known after a sign-in from it."""


class SignInLockedError(DomainError):
    """Too many wrong tries from this address (HTTP 429). Params: `minutes`."""

    code = "sign_in_locked"
    http_status = 429
    template = N_(
        "Too many wrong passwords. Sign-in is locked for %(minutes)s minutes; "
        "or ask your unit to reset the password."
    )


class SignInBrakedError(DomainError):
    """Too many wrong tries from everywhere, and this address is new (HTTP 429)."""

    code = "sign_in_braked"
    http_status = 429
    template = N_(
        "There have been many wrong passwords for this account from other places. Sign in with an "
        "SMS code, from a place used before, or wait %(minutes)s minutes."
    )


def max_failures() -> int:
    """How many wrong tries lock."""
    return int(parameter("login_lock_attempts"))


def lock_minutes() -> int:
    """For how long, in minutes."""
    return int(parameter("login_lock_minutes"))


def require_not_locked(name: str, address: str) -> None:
    """Refuse an account that has used up its tries from this address. `name` as in
    `services.sign_in.name_of_tries`."""
    if is_locked(name, address):
        raise SignInLockedError(minutes=lock_minutes())


def require_not_braked(name: str, address: str) -> None:
    """Refuse password tries from a new address while an account is being tried from many."""
    with counting():
        count = redis_store().get(_key("brake", name))
        if count is None or int(count) < int(parameter("login_brake_attempts")):
            return
    if not is_known(name, address):
        raise SignInBrakedError(minutes=lock_minutes())


def is_known(name: str, address: str) -> bool:
    """Whether this account has been used from this address of late."""
    with counting():
        return bool(redis_store().exists(_key("known", name, address)))


def is_locked(name: str, address: str) -> bool:
    """Whether this account has used up its tries from this address."""
    with counting():
        count = redis_store().get(_key("lockout", name, address))
    return count is not None and int(count) >= max_failures()


def count_failure(name: str, address: str) -> int:
    """Count a wrong try and return the tries left; the last one starts the lock."""
    key, brake = _key("lockout", name, address), _key("brake", name)
    seconds = lock_minutes() * 60
    with counting():
        pipe = redis_store().pipeline()
        pipe.incr(key)
        pipe.expire(key, seconds)
        pipe.set(brake, 0, nx=True, ex=seconds)
        pipe.incr(brake)
        count = int(pipe.execute()[0])
    return max(0, max_failures() - count)


def forget_failures(name: str, address: str) -> None:
    """A sign-in clears the count of its address, which is known from now on."""
    with counting():
        pipe = redis_store().pipeline()
        pipe.delete(_key("lockout", name, address))
        pipe.set(_key("known", name, address), "1", ex=KNOWN_SECONDS)
        pipe.execute()


def _key(kind: str, *parts: str) -> str:
    return f"portal:{kind}:{keyring().lookup_hash('|'.join((kind, *parts)))}"
