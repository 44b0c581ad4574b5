"""激活码: what opens an account once, together with a code sent to the registered phone (rules E9).

An account that holds one has no password. The code is shown once; a keyed hash is stored.
"""

from __future__ import annotations

import re
import secrets
from datetime import datetime, timedelta

from sqlalchemy import func, select

from app.crypto import keyring
from app.domain.calendar import beijing_date, due_end_of
from app.domain.passwords import PRINTED_INITIAL_PASSWORD
from app.extensions import db
from app.models import Account, EvaluationPlan, PlanLine
from app.services.former_passwords import keep_former_password
from app.services.settings import parameter

CODE_ALPHABET = "ABCDEFGHJKLMNPQRTUWXY346789"
"""Letters and digits nobody takes for another one."""


def make_activation_code() -> str:
    """A random code of twelve characters in groups of four."""
    letters = "".join(secrets.choice(CODE_ALPHABET) for _ in range(12))
    return "-".join(letters[start : start + 4] for start in (0, 4, 8))


def initial_password() -> str:
    """A random code, or the notice's 123@abc where the province has switched it on (E9)."""
    if parameter("shared_initial_password_enabled"):
        return PRINTED_INITIAL_PASSWORD
    return make_activation_code()


def give_activation_code(account: Account, code: str, *, now: datetime) -> None:
    """Let `code` open the account once; its password and any code before are worth nothing."""
    if account.password:
        keep_former_password(account, now=now)
    account.password = None
    account.activation_hash = hash_activation_code(code)
    account.activation_expires_at = find_activation_end(now)
    account.must_change_password = True


def hash_activation_code(code: str) -> str:
    """The keyed hash of a code as somebody types it: small letters and blanks do not matter."""
    return keyring().lookup_hash("activation|" + re.sub(r"[\s-]", "", code).upper())


def find_activation_end(now: datetime) -> datetime:
    """When a code given now ends: 24:00 of the closing day of the plan year's last window.

    Where no published plan has a window ahead, after `activation_code_days` days.
    """
    closing = db.session.scalar(
        select(func.max(PlanLine.applications_close_at))
        .join(PlanLine.plan)
        .where(EvaluationPlan.published_at.is_not(None))
        .group_by(EvaluationPlan.year)
        .order_by(EvaluationPlan.year.desc())
        .limit(1)
    )
    if closing is not None and now < due_end_of(beijing_date(closing)):
        return due_end_of(beijing_date(closing))
    return due_end_of(beijing_date(now + timedelta(days=int(parameter("activation_code_days")))))
