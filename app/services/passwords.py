"""密码: choosing one's own under the province's profile (rules E9, Annex 3: 及时变更登录密码)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from app.domain.errors import RuleViolation, WeakPasswordError
from app.domain.messages import N_
from app.domain.passwords import (
    PROFILES,
    PasswordProfile,
    is_too_old,
    require_strong_password,
)
from app.extensions import db
from app.models import Account
from app.passwords import hash_password, is_common_password, verify_password
from app.services.accounts import roles_of
from app.services.actors import Actor
from app.services.audit import record
from app.services.former_passwords import keep_former_password, was_used_lately
from app.services.rehearsal import is_rehearsal
from app.services.sessions import end_sessions
from app.services.settings import parameter
from app.services.texts import phone_of


def password_profile() -> PasswordProfile:
    """What the province asks of a new password."""
    profile = PROFILES[parameter("password_profile")]
    return profile.at_least(int(parameter("password_minimum_length")))


def change_own_password(
    account: Account, *, current: str, new: str, repeated: str, actor: Actor, now: datetime
) -> None:
    """Replace the password after checking the current one; ends every session of the account.

    Raises RuleViolation, WeakPasswordError for a password the profile refuses.
    """
    if not verify_password(account.password, current):
        raise RuleViolation(N_("The current password is wrong. Type it again."))
    require_fit(account, new, repeated)
    set_password(account, new, now=now)
    record("change_password", account, actor=actor, now=now)


def require_fit(account: Account, new: str, repeated: str) -> None:
    """Refuse a new password the profile does not allow. Raises RuleViolation, WeakPasswordError."""
    require_strong(account, new, repeated)
    require_new(account, new)


def require_strong(account: Account, new: str, repeated: str) -> None:
    """The part of `require_fit` that tells nothing of earlier passwords."""
    if new != repeated:
        raise RuleViolation(N_("The two new passwords differ. Type the new one twice."))
    require_strong_password(
        new, facts=_known_facts(account), is_common=is_common_password, profile=password_profile()
    )


def require_new(account: Account, new: str) -> None:
    """Refuse the present password and the last ones the profile remembers."""
    remembered = password_profile().remembered
    if not was_used_lately(account, new, remembered=remembered):
        return
    if remembered == 1 or verify_password(account.password, new):
        raise WeakPasswordError(N_("The new password is the old one. Choose another."))
    raise WeakPasswordError(
        N_("This was one of your last %(number)s passwords. Choose another one."),
        number=remembered,
    )


def set_password(account: Account, new: str, *, now: datetime) -> None:
    """Store a checked password: the account is open, its other sessions and its code are dead."""
    if account.password:
        keep_former_password(account, now=now)
    account.password = hash_password(new)
    account.must_change_password = False
    account.password_changed_at = now
    account.activation_hash = account.activation_expires_at = None
    end_sessions(account.id)
    db.session.flush()


def ask_for_change_if_old(account: Account, *, now: datetime) -> None:
    """Lead staff whose password has grown too old to the change page, from this sign-in on.

    The demo cast of a rehearsal keeps its printed password while the clock runs ahead.
    """
    if account.must_change_password or (account.is_demo and is_rehearsal()):
        return
    if is_too_old(
        account.password_changed_at, roles_of(account), profile=password_profile(), now=now
    ):
        account.must_change_password = True


def _known_facts(account: Account) -> Iterator[str]:
    """What others may know of the holder; none of it belongs into a password."""
    yield account.username
    yield phone_of(account) or ""
    if account.unit is not None:
        yield account.unit.code
    if account.person is not None:
        yield account.person.identity_number
        if account.person.birth_date is not None:
            yield f"{account.person.birth_date:%Y%m%d}"
            yield f"{account.person.birth_date:%y%m%d}"
