"""激活: opening an account for the first time with its code and a text to its phone (rules E9).

Neither the code nor the text opens anything but the page that chooses a password, and both die
with it.
"""

from __future__ import annotations

import hmac
from datetime import datetime

from app.domain.errors import ConflictError, DomainError, RuleViolation
from app.domain.messages import N_
from app.domain.terms import LoginMethod
from app.models import Account
from app.services import passwords, sign_in_codes
from app.services.accounts import lock_account
from app.services.activation_codes import hash_activation_code
from app.services.actors import Actor
from app.services.audit import record
from app.services.sign_in import receiver_of, require_may_sign_in, send_account_code
from app.services.sign_in_codes import Purpose


class WrongActivationError(DomainError):
    """The login or the activation code is wrong, or the account needs none (HTTP 401)."""

    code = "wrong_activation"
    http_status = 401
    template = N_(
        "The login or the activation code is wrong, or the code has been used or replaced. "
        "Type both as your unit gave them to you."
    )


def check_activation_code(account: Account | None, code: str, *, now: datetime) -> Account:
    """The account a login and its unused code belong to; business time decides whether it ended.

    Raises WrongActivationError, equal for all that is wrong; RuleViolation for a right code that
    has expired or an account without a phone; what `require_may_sign_in` raises.
    """
    held = account.activation_hash if account is not None else None
    matches = hmac.compare_digest(held or "", hash_activation_code(code))
    if account is None or not matches or not account.is_active:
        raise WrongActivationError
    require_may_sign_in(account, now=now)
    if account.activation_expires_at is not None and now >= account.activation_expires_at:
        raise RuleViolation(
            N_(
                "This activation code has expired. Ask your unit, or the unit above it, for a "
                "new one."
            )
        )
    if receiver_of("", account).phone is None:
        raise RuleViolation(
            N_(
                "No mobile number is registered for this account. Ask your unit, or the unit above "
                "it, to enter one and give you a new activation code."
            )
        )
    return account


def send_activation_text(account: Account, *, actor: Actor, now: datetime) -> None:
    """Send the code that is needed besides the activation code."""
    send_account_code(Purpose.ACTIVATION, account, receiver_of("", account), actor=actor, now=now)


def activate_account(
    account_id: int,
    held: str | None,
    *,
    text_code: str,
    new: str,
    repeated: str,
    actor: Actor,
    now: datetime,
) -> Account:
    """Choose the first password; `held` is the activation hash the code was checked against.

    Whoever comes second with the same code is refused. Raises ConflictError, WrongCodeError,
    RuleViolation, WeakPasswordError.
    """
    account = lock_account(account_id)
    if held is None or account.activation_hash != held:
        raise ConflictError(
            N_(
                "This activation code has been used or replaced. Sign in with your password, or "
                "ask your unit for a new code."
            )
        )
    receiver = receiver_of("", account)
    passwords.require_strong(account, new, repeated)
    sign_in_codes.check_code(Purpose.ACTIVATION, receiver, text_code)
    passwords.require_new(account, new)
    sign_in_codes.use_code(Purpose.ACTIVATION, receiver, text_code)
    passwords.set_password(account, new, now=now)
    account.activated_at = account.activated_at or now
    if account.person_id is not None:
        account.real_name_verified_at = account.real_name_verified_at or now
    methods = [LoginMethod.SMS_CODE.value]
    record("activate_account", account, actor=actor, now=now, after={"methods": methods})
    return account
