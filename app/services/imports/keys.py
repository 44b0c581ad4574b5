"""The key of an account in an exported sheet: finds it again, tells nothing, cannot be made up."""

from __future__ import annotations

import hmac

from app.crypto import keyring


def account_key(account_id: int) -> str:
    """The key to write into a sheet."""
    return f"A{account_id}-{_seal(account_id)}"


def read_account_key(text: str) -> int | None:
    """The account a key names; None for a key we have not made."""
    head, _dash, seal = text.partition("-")
    digits = head.removeprefix("A")
    if not (head.startswith("A") and digits.isascii() and digits.isdecimal() and len(digits) < 10):
        return None
    account_id = int(digits)
    return account_id if hmac.compare_digest(seal.encode(), _seal(account_id).encode()) else None


def _seal(account_id: int) -> str:
    return keyring().lookup_hash(f"account key {account_id}")[:20].upper()
