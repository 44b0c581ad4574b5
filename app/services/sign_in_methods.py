"""登录方式: which ways of signing in are on, for whom, and when a second proof is asked for.

Notice 三(二): every account but those of units is real-name and signs in by card scan or SMS code;
rules E10 reads it as the password plus one of the two.
"""

from __future__ import annotations

from collections.abc import Collection

from app.domain.errors import RuleViolation
from app.domain.messages import N_
from app.domain.terms import AccountKind, LoginMethod
from app.models import Account
from app.services.card_scans import can_scan
from app.services.rehearsal import is_rehearsal
from app.services.settings import parameter
from app.services.texts import can_send, phone_of
from app.services.totp import find_enrolment

_DRIVERS = {
    LoginMethod.PASSWORD: lambda: True,
    LoginMethod.SMS_CODE: can_send,
    LoginMethod.ESSC: can_scan,
}
"""Ways to begin a sign-in, and whether this site has what they need."""

_LISTS = {
    AccountKind.PERSONAL: "sign_in_methods_personal",
    AccountKind.UNIT: "sign_in_methods_unit",
}


def offered_methods() -> list[LoginMethod]:
    """What the sign-in page offers, whoever comes."""
    return [method for method in _DRIVERS if any(_is_on(method, kind) for kind in AccountKind)]


def is_on_for(account: Account, method: LoginMethod) -> bool:
    """Whether this account may begin its sign-in like that."""
    return _is_on(method, account.kind)


def needed_factor(account: Account, proved: Collection[LoginMethod]) -> LoginMethod | None:
    """What must be proved besides; None lets the account in.

    An authenticator that is set up is always asked for. Raises RuleViolation where a text is
    needed and there is no number.
    """
    if LoginMethod.TOTP in proved:
        return None
    if find_enrolment(account) is not None:
        return LoginMethod.TOTP
    if {LoginMethod.SMS_CODE, LoginMethod.ESSC} & set(proved) or not _asks_for_text(account):
        return None
    if phone_of(account) is None:
        raise RuleViolation(
            N_(
                "No mobile number is registered for this account. Ask your unit, or the unit above "
                "it, to enter one and give you a new activation code."
            )
        )
    return LoginMethod.SMS_CODE


def _asks_for_text(account: Account) -> bool:
    if is_rehearsal() and not parameter("second_factor_in_rehearsal"):
        return False
    asked = parameter("second_factor_accounts")
    return asked == "all" or (asked == "personal" and account.kind is AccountKind.PERSONAL)


def _is_on(method: LoginMethod, kind: AccountKind) -> bool:
    if method is LoginMethod.PASSWORD:
        return True  # nobody is locked out by a parameter
    return method.value in parameter(_LISTS[kind]) and _DRIVERS[method]()
