"""忘记密码: choosing a new password by a text to the registered phone (rules E9).

Only for accounts that have been activated: the first password needs the activation code besides.
Nobody learns whether a login exists.
"""

from __future__ import annotations

from datetime import datetime

from app.models import Account
from app.services import passwords, sign_in_codes, texts
from app.services.accounts import lock_account
from app.services.actors import Actor
from app.services.audit import record
from app.services.sign_in import receiver_of, require_may_sign_in, send_account_code
from app.services.sign_in_codes import Purpose, Receiver, WrongCodeError


def send_reset_code(account: Account | None, name: str, *, actor: Actor, now: datetime) -> None:
    """Send a code to an active account with a password; the same work for everybody else."""
    receiver = receiver_of(name, account)
    if account is None or not account.is_active or not account.password:
        receiver = Receiver(receiver.key, None)
    send_account_code(Purpose.RESET, account, receiver, actor=actor, now=now)


def reset_own_password(
    account_id: int | None,
    name: str,
    *,
    text_code: str,
    new: str,
    repeated: str,
    actor: Actor,
    now: datetime,
) -> Account:
    """Choose a new password by the code; every session ends, the phone is told.

    Raises WrongCodeError for nobody's account as for a wrong code, WeakPasswordError.
    """
    if account_id is None:
        sign_in_codes.check_code(Purpose.RESET, Receiver(name, None), text_code)
        raise WrongCodeError
    account = lock_account(account_id)
    receiver = receiver_of(name, account)
    sign_in_codes.check_code(Purpose.RESET, receiver, text_code)
    if not account.password:
        raise WrongCodeError
    require_may_sign_in(account, now=now)
    passwords.require_fit(account, new, repeated)
    sign_in_codes.use_code(Purpose.RESET, receiver, text_code)
    passwords.set_password(account, new, now=now)
    record("reset_own_password", account, actor=actor, now=now)
    texts.send_sms(account, "password_changed")
    return account
