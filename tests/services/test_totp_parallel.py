"""One code sent twice at once is accepted once: real threads on real connections (RFC 6238 5.2).

Without `with_for_update` in `totp._locked` the first test lets all of them in.
"""

from __future__ import annotations

import pyotp
from flask import Flask
from sqlalchemy import func, select

from app import clock
from app.extensions import db, unit_of_work
from app.models import Account, AuditEntry, RecoveryCode
from app.services import totp
from tests.conftest import at
from tests.factories import staff
from tests.services.test_applications_parallel import run_at_once

NOW = at("2022-08-03T10:00:00")
TRIES = 8


def the_account() -> Account:
    return db.session.scalars(select(Account).where(Account.username == "province")).one()


def enrol(app: Flask) -> tuple[str, list[str]]:
    """The secret of an authenticator that has been set up a while ago, and its recovery codes."""
    with app.app_context():
        with unit_of_work():
            account = the_account()
            totp.begin_enrolment(account)
            secret = totp.pending_secret(account) or ""
            codes = totp.confirm_enrolment(
                account, pyotp.TOTP(secret).now(), actor=staff("province"), now=NOW
            )
            enrolment = totp.find_enrolment(account)
            assert enrolment is not None
            enrolment.last_step = 0
        db.session.remove()
    return secret, codes


def use_at_once(app: Flask, code: str) -> list[bool]:
    """Which of several sign-ins with one code were let in."""
    actor = None
    with app.app_context():
        actor = staff("province")
        db.session.remove()

    def use(_place: int) -> bool:
        totp.check_totp(the_account(), code, actor=actor, now=NOW)
        return True

    results = run_at_once(app, TRIES, use)
    assert all(r is True or isinstance(r, totp.WrongTotpError) for r in results), results
    return [r is True for r in results]


def test_a_code_used_at_once_is_accepted_once(own_app: Flask) -> None:
    secret, _codes = enrol(own_app)
    code = pyotp.TOTP(secret).at(clock.real_now())
    assert use_at_once(own_app, code).count(True) == 1


def test_a_recovery_code_used_at_once_is_accepted_once(own_app: Flask) -> None:
    _secret, codes = enrol(own_app)
    assert use_at_once(own_app, codes[0]).count(True) == 1
    with own_app.app_context():
        left = db.session.scalar(select(func.count(RecoveryCode.id)))
        used = db.session.scalar(
            select(func.count(AuditEntry.id)).where(AuditEntry.action == "use_recovery_code")
        )
        db.session.remove()
    assert (left, used) == (totp.RECOVERY_CODES - 1, 1)
