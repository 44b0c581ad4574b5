"""账号: creation, passwords and look-up of accounts (Annex 3)."""

from __future__ import annotations

from datetime import datetime

from app.crypto import keyring
from app.domain.accounts import require_strong_password
from app.domain.errors import RuleViolation, WeakPasswordError
from app.domain.messages import N_
from app.models import Account
from app.passwords import hash_password, verify_password
from app.services.actors import Actor
from app.services.audit import record


def identity_hash(number: str) -> str:
    """The keyed hash under which a person's document number is found."""
    return keyring().lookup_hash(number.strip().upper())


def change_own_password(
    account: Account, *, current: str, new: str, repeated: str, actor: Actor, now: datetime
) -> None:
    """Replace the password after checking the current one; ends every session of the account.

    Raises WeakPasswordError for a password the profile refuses.
    """
    if not verify_password(account.password, current):
        raise RuleViolation(N_("The current password is wrong. Type it again."))
    if new != repeated:
        raise RuleViolation(N_("The two new passwords differ. Type the new one twice."))
    if verify_password(account.password, new):
        raise WeakPasswordError(N_("The new password is the old one. Choose another."))
    require_strong_password(new, login=account.username)
    account.password = hash_password(new)
    account.must_change_password = False
    account.password_changed_at = now
    account.activated_at = account.activated_at or now
    account.session_stamp = (account.session_stamp or 0) + 1
    record("change_password", account, actor=actor, now=now)
