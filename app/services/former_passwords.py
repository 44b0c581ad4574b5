"""The passwords an account has had; the last few are not chosen again (rules E9)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, select

from app.domain.passwords import PROFILES
from app.extensions import db
from app.models import Account, FormerPassword
from app.passwords import verify_password

KEPT = max(profile.remembered for profile in PROFILES.values())


def keep_former_password(account: Account, *, now: datetime) -> None:
    """Remember the password that is about to be replaced; older ones than needed are dropped."""
    db.session.add(
        FormerPassword(
            account_id=account.id,
            password_hash=account.password,
            chosen_at=account.password_changed_at or now,
        )
    )
    db.session.flush()
    kept = _newest(account, KEPT).with_only_columns(FormerPassword.id)
    db.session.execute(
        delete(FormerPassword).where(
            FormerPassword.account_id == account.id, FormerPassword.id.not_in(kept)
        )
    )


def was_used_lately(account: Account, password: str, *, remembered: int) -> bool:
    """Whether `password` is the present one or among the last `remembered` of the account."""
    hashes = [account.password] if account.password else []
    hashes += list(db.session.scalars(_newest(account, remembered - len(hashes))))
    return any(verify_password(stored, password) for stored in hashes)


def _newest(account: Account, count: int) -> Select[Any]:
    return (
        select(FormerPassword.password_hash)
        .where(FormerPassword.account_id == account.id)
        .order_by(FormerPassword.id.desc())
        .limit(count)
    )
