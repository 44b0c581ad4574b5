"""Password hashes (argon2id, 19 MiB and 2 passes, about 25 ms of a core), common passwords."""

from __future__ import annotations

import string
from functools import cache
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

NOBODY = _hasher.hash("nobody has this password")
"""Verified for unknown accounts, so that they answer as slowly as known ones."""

COMMON_PASSWORDS = Path(__file__).resolve().parents[1] / "seed" / "common_passwords.txt"
_ENDINGS = string.digits + string.punctuation
_SIGNS_AS_LETTERS = str.maketrans("@4013$57!|", "aaoiesstil")


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


def is_common_password(password: str) -> bool:
    """Whether many people use this password: as typed, without signs, or with signs as letters."""
    folded = password.casefold()
    stem = folded.rstrip(_ENDINGS)
    spelled = stem.translate(_SIGNS_AS_LETTERS) + folded[len(stem) :]
    return not _common_passwords().isdisjoint({folded, _bare(folded), _bare(spelled)})


def _bare(text: str) -> str:
    return "".join(character for character in text if character.isalnum())


@cache
def _common_passwords() -> frozenset[str]:
    lines = COMMON_PASSWORDS.read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))
