"""动态口令 (TOTP, RFC 6238) for staff: enrolment, codes that work once, recovery codes.

The secret is kept encrypted, the recovery codes under keyed hashes.
"""

from __future__ import annotations

import secrets
from datetime import datetime

import pyotp
from sqlalchemy import delete, select

from app import clock
from app.crypto import keyring
from app.domain.errors import ConflictError, NotPermittedError, RuleViolation
from app.domain.messages import N_
from app.domain.workflow import ActorRole
from app.extensions import db
from app.models import Account, RecoveryCode, TotpEnrolment
from app.services.accounts import lock_account, require_may_manage, roles_of
from app.services.activation_codes import CODE_ALPHABET
from app.services.actors import Actor
from app.services.audit import record
from app.services.sessions import end_sessions
from app.services.sign_in_codes import WrongCodeError

STEP_SECONDS = 30
RECOVERY_CODES = 10
ISSUER = "职称评审信息系统"


class WrongTotpError(WrongCodeError):
    """The code of the authenticator is wrong, old or used (HTTP 422)."""

    code = "wrong_totp"
    template = N_(
        "The code is wrong or has been used. Wait for the next one in your authenticator; if it "
        "stays wrong, correct the clock of the phone."
    )


def is_staff(account: Account) -> bool:
    """Whether an account may have an authenticator: everybody who is more than an applicant."""
    return bool(roles_of(account) - {ActorRole.APPLICANT})


def find_enrolment(account: Account) -> TotpEnrolment | None:
    """The confirmed enrolment of an account."""
    return db.session.scalar(
        select(TotpEnrolment).where(
            TotpEnrolment.account_id == account.id, TotpEnrolment.confirmed_at.is_not(None)
        )
    )


def begin_enrolment(account: Account) -> str:
    """Make a new secret, not valid yet, and return the address for the QR code.

    Raises NotPermittedError, ConflictError where one is enrolled.
    """
    if not is_staff(account):
        raise NotPermittedError(N_("Authenticators are for staff."))
    if find_enrolment(account) is not None:
        raise ConflictError(N_("An authenticator is set up already. Remove it first."))
    db.session.execute(delete(TotpEnrolment).where(TotpEnrolment.account_id == account.id))
    secret = pyotp.random_base32()
    db.session.add(TotpEnrolment(account_id=account.id, secret=secret, last_step=0))
    db.session.flush()
    return uri_of(account, secret)


def uri_of(account: Account, secret: str) -> str:
    """What the QR code of an authenticator holds; the login is masked."""
    return pyotp.TOTP(secret).provisioning_uri(name=account.shown_login, issuer_name=ISSUER)


def pending_secret(account: Account) -> str | None:
    """The secret that waits for its first code, to be typed where no camera is at hand."""
    return db.session.scalar(
        select(TotpEnrolment.secret).where(
            TotpEnrolment.account_id == account.id, TotpEnrolment.confirmed_at.is_(None)
        )
    )


def confirm_enrolment(account: Account, code: str, *, actor: Actor, now: datetime) -> list[str]:
    """Switch the authenticator on by its first code; ten recovery codes, shown once.

    Raises WrongTotpError, ConflictError.
    """
    row = _locked(account)
    if row is None or row.confirmed_at is not None:
        raise ConflictError(N_("Begin the set-up again."))
    _accept(row, code)
    row.confirmed_at = now
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account.id))
    codes = [_recovery_code() for _number in range(RECOVERY_CODES)]
    db.session.add_all(
        RecoveryCode(account_id=account.id, code_hash=_hash(account, code)) for code in codes
    )
    record("enrol_totp", account, actor=actor, now=now)
    db.session.flush()
    return codes


def check_totp(account: Account, code: str, *, actor: Actor, now: datetime) -> None:
    """Accept a code of the authenticator or a recovery code, each once. Raises WrongTotpError."""
    row = _locked(account)
    if row is None or row.confirmed_at is None:
        raise WrongTotpError
    if sum(character.isalpha() for character in code):
        _use_recovery_code(account, code, actor=actor, now=now)
    else:
        _accept(row, code)
    db.session.flush()


def remove_own_totp(account: Account, code: str, *, actor: Actor, now: datetime) -> None:
    """Switch one's own authenticator off, by a code of it."""
    check_totp(account, code, actor=actor, now=now)
    _remove(account)
    record("remove_totp", account, actor=actor, now=now)


def remove_totp(account_id: int, reason: str, *, actor: Actor, now: datetime) -> None:
    """Switch off the authenticator of somebody below, who has lost it; the sessions end.

    Raises NotPermittedError, RuleViolation.
    """
    account = lock_account(account_id)
    require_may_manage(account, actor)
    if not reason.strip():
        raise RuleViolation(N_("Enter the reason; it is kept in the audit log."))
    if find_enrolment(account) is None:
        raise RuleViolation(N_("No authenticator is set up for this account."))
    _remove(account)
    end_sessions(account.id)
    record("remove_totp", account, actor=actor, now=now, reason=reason.strip())


def _remove(account: Account) -> None:
    db.session.execute(delete(TotpEnrolment).where(TotpEnrolment.account_id == account.id))
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account.id))
    db.session.flush()


def _locked(account: Account) -> TotpEnrolment | None:
    return db.session.scalar(
        select(TotpEnrolment)
        .where(TotpEnrolment.account_id == account.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def _accept(row: TotpEnrolment, code: str) -> None:
    """Take a code of this step or its neighbours, later than the last one taken (RFC 6238 5.2)."""
    typed = "".join(code.split())
    present = int(clock.real_now().timestamp()) // STEP_SECONDS
    totp = pyotp.TOTP(row.secret)
    for step in (present - 1, present, present + 1):
        is_right = pyotp.utils.strings_equal(totp.generate_otp(step), typed)
        if is_right and step > row.last_step:
            row.last_step = step
            return
    raise WrongTotpError


def _use_recovery_code(account: Account, code: str, *, actor: Actor, now: datetime) -> None:
    used = db.session.execute(
        delete(RecoveryCode).where(
            RecoveryCode.account_id == account.id, RecoveryCode.code_hash == _hash(account, code)
        )
    )
    if not used.rowcount:  # type: ignore[attr-defined]
        raise WrongTotpError
    record("use_recovery_code", account, actor=actor, now=now)


def _recovery_code() -> str:
    letters = "".join(secrets.choice(CODE_ALPHABET) for _ in range(10))
    return f"{letters[:5]}-{letters[5:]}"


def _hash(account: Account, code: str) -> str:
    typed = "".join(character for character in code.upper() if character.isalnum())
    return keyring().lookup_hash(f"recovery|{account.id}|{typed}")
