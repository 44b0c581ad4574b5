"""Password hashes: argon2id, 19 MiB and 2 passes, about 25 ms of a core."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

NOBODY = _hasher.hash("nobody has this password")
"""Verified for unknown accounts, so that they answer as slowly as known ones."""


def hash_password(password: str) -> str:
    """The argon2id hash to store."""
    return _hasher.hash(password)


def verify_password(stored: str | None, password: str) -> bool:
    """Whether `password` matches; an account without a hash never does, and takes as long."""
    try:
        matches = _hasher.verify(stored or NOBODY, password)
    except (VerifyMismatchError, InvalidHashError):
        return False
    return matches and stored is not None
