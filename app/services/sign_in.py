"""登录: finding the account behind a login, whether it may sign in now, and the note of it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from app import clock
from app.domain.errors import DomainError
from app.domain.messages import N_
from app.domain.terms import LoginMethod
from app.extensions import db
from app.models import Account, Person
from app.passwords import verify_password
from app.services.accounts import identity_hash
from app.services.actors import Actor
from app.services.audit import record
from app.services.dormancy import require_not_suspended
from app.services.passwords import ask_for_change_if_old
from app.services.sign_in_codes import Purpose, Receiver, send_code
from app.services.texts import phone_of
from app.services.units import find_account_by_former_code

PROVES_THE_PERSON = frozenset({LoginMethod.SMS_CODE, LoginMethod.ESSC})
"""What the registered phone or the card answers for (notice 三(二): 实名制)."""


class WrongSignInError(DomainError):
    """No such account, a wrong proof or a closed account: nobody learns which (HTTP 401)."""

    code = "wrong_sign_in"
    http_status = 401
    template = N_("The login or the password is wrong.")


def find_account(login: str) -> Account | None:
    """An account by login: a unit's or staff login name, a person's document number, the login of
    2021 of an imported account, or a former code of a unit (E4)."""
    login = login.strip()
    if not login:
        return None
    digest = identity_hash(login)
    by_number = (
        select(Account)
        .join(Person, Person.id == Account.person_id)
        .where(Person.identity_hash == digest)
    )
    return (
        db.session.scalar(select(Account).where(Account.username == login))
        or db.session.scalar(by_number)
        or db.session.scalar(select(Account).where(Account.legacy_login_hash == digest))
        or find_account_by_former_code(login)
    )


def name_of_tries(login: str, account: Account | None) -> str:
    """What wrong tries are counted under: the account, or what was typed where there is none."""
    return f"account:{account.id}" if account else f"login:{login.strip().upper()}"


def check_password(account: Account | None, password: str, *, now: datetime) -> Account:
    """The account, if the password is right and it may sign in; unknown ones take as long.

    Raises WrongSignInError, or what `require_may_sign_in` raises.
    """
    matches = verify_password(account.password if account else None, password)
    if account is None or not matches:
        raise WrongSignInError
    require_may_sign_in(account, now=now)
    return account


def require_may_sign_in(account: Account, *, now: datetime) -> None:
    """Whether an account may sign in now; every method asks after its proof held.

    Raises WrongSignInError for a closed account, which answers like one that does not exist,
    SuspendedAccountError for a staff account nobody has used for long: it says whom to ask.
    """
    if not account.is_active:
        raise WrongSignInError
    require_not_suspended(account, now=clock.real_now())


def note_sign_in(
    account: Account, methods: list[LoginMethod], *, actor: Actor, now: datetime
) -> None:
    """Write down a sign-in and how; a proved phone or card makes the account real-name."""
    account.last_login = clock.real_now().replace(tzinfo=None)
    account.login_count = (account.login_count or 0) + 1
    if account.person_id is not None and not PROVES_THE_PERSON.isdisjoint(methods):
        account.real_name_verified_at = account.real_name_verified_at or now
    ask_for_change_if_old(account, now=now)
    record(
        "sign_in",
        account,
        actor=actor,
        now=now,
        after={"methods": [each.value for each in methods]},
    )


def receiver_of(login: str, account: Account | None) -> Receiver:
    """Whom a code for this login goes to; nobody's code is made and counted as well."""
    phone = phone_of(account) if account is not None else None
    return Receiver(name_of_tries(login, account), phone)


def send_account_code(
    purpose: Purpose, account: Account | None, receiver: Receiver, *, actor: Actor, now: datetime
) -> None:
    """Send a code and write down that it was sent, with the masked number."""
    send_code(purpose, receiver, address=actor.address)
    if account is not None and receiver.phone is not None:
        after = {"purpose": purpose.value}
        record("send_sms_code", account, actor=actor, now=now, after=after)
