"""休眠账号: suspending staff accounts unused for 90 days, and waking them up again.

"Unused" counts on the real clock from the last sign-in, or from the creation or the last
reactivation if that is later. In a rehearsal nothing is suspended.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from flask_appbuilder.security.sqla.models import Role
from sqlalchemy import func, or_, select

from app.domain.calendar import BEIJING
from app.domain.dormancy import WATCHED_ROLES, is_dormant, is_watched
from app.domain.errors import ConflictError, NotPermittedError
from app.domain.messages import N_
from app.domain.terms import AccountKind, PortalMode
from app.domain.workflow import ActorRole
from app.extensions import db, portal_mode
from app.models import Account, Unit
from app.services import accounts
from app.services.actors import SYSTEM, Actor
from app.services.audit import record
from app.services.facts import require_text
from app.services.sessions import end_sessions
from app.services.settings import parameter

BATCH = 200
BY_SECURITY_ADMIN = frozenset(
    {
        ActorRole.SYSTEM_ADMIN,
        ActorRole.SECURITY_ADMIN,
        ActorRole.AUDIT_ADMIN,
        ActorRole.PROVINCE_HRSS,
    }
)
BY_PROVINCE = frozenset({ActorRole.COMMITTEE_OFFICE, ActorRole.SUPERVISOR})


class SuspendedAccountError(NotPermittedError):
    """A staff account nobody has used for long. Params: `days`, `whom`."""

    code = "account_suspended"
    template = N_(
        "This account has not been used for %(days)s days and is suspended. Ask %(whom)s to "
        "reactivate it."
    )


def used_at(account: Account) -> datetime:
    """The last sign-in, or what came after it: the creation, the last reactivation."""
    instants = [
        stamp.replace(tzinfo=BEIJING)
        for stamp in (account.last_login, account.created_on)
        if stamp is not None
    ]
    if account.reactivated_at is not None:
        instants.append(account.reactivated_at)
    latest: datetime = max(instants)
    return latest


def is_suspended(account: Account, *, now: datetime) -> bool:
    """Whether the account is suspended, also before the job has run; `now` is the real clock."""
    if portal_mode() == PortalMode.REHEARSAL:
        return False
    if account.suspended_at is not None:
        return True
    if not is_watched(account.kind, accounts.roles_of(account)):
        return False
    return is_dormant(used_at(account), now=now, days=_days())


def require_not_suspended(account: Account, *, now: datetime) -> None:
    """Refuse the sign-in of a suspended account, saying whom to ask; asked only after the proof
    held. Raises SuspendedAccountError."""
    if not is_suspended(account, now=now):
        return
    held = accounts.roles_of(account)
    if not held.isdisjoint(BY_SECURITY_ADMIN):
        raise SuspendedAccountError(
            N_(
                "This account has not been used for %(days)s days and is suspended. Ask the "
                "security administrator to reactivate it."
            ),
            days=_days(),
        )
    raise SuspendedAccountError(days=_days(), whom=_superior(account, held).name)


def _superior(account: Account, held: frozenset[ActorRole]) -> Unit:
    """The unit whose people wake the account up: the one above, for committees the province."""
    above = account.unit.parent if account.unit else None
    if above is not None and held.isdisjoint(BY_PROVINCE):
        return above
    return db.session.scalars(select(Unit).where(Unit.parent_id.is_(None))).one()


def suspend_dormant(*, now: datetime) -> int:
    """Suspend up to BATCH accounts nobody has used and return how many; safe to run twice.

    `now` is the real clock.
    """
    if portal_mode() == PortalMode.REHEARSAL:
        return 0
    limit = now - timedelta(days=_days())
    naive = limit.astimezone(BEIJING).replace(tzinfo=None)
    rows = db.session.scalars(
        select(Account)
        .where(
            Account.active.is_(True),
            Account.kind == AccountKind.PERSONAL,
            Account.suspended_at.is_(None),
            Account.roles.any(Role.name.in_([role.value for role in WATCHED_ROLES])),
            func.greatest(Account.last_login, Account.created_on) <= naive,
            or_(Account.reactivated_at.is_(None), Account.reactivated_at <= limit),
        )
        .order_by(Account.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True, of=Account)
    ).all()
    for account in rows:
        account.suspended_at = now
        end_sessions(account.id)
        record("suspend_account", account, actor=SYSTEM, now=now, after={"days": _days()})
    db.session.flush()
    return len(rows)


def reactivate_account(account_id: int, reason: str, *, actor: Actor, now: datetime) -> Account:
    """Wake a suspended account up, by its superior with a reason; `now` is the real clock.

    Raises NotPermittedError, ConflictError, RuleViolation.
    """
    account = accounts.lock_account(account_id)
    accounts.require_may_manage(account, actor)
    return _wake(account, reason, actor, now)


def reactivate_security_admin(login: str, reason: str, *, now: datetime) -> Account:
    """Wake up a security administrator from the command line: nobody in the portal can when it is
    the only one."""
    found = db.session.scalar(select(Account.id).where(Account.username == login))
    account = accounts.lock_account(found) if found is not None else None
    if account is None or ActorRole.SECURITY_ADMIN not in accounts.roles_of(account):
        raise ConflictError(
            N_(
                "No security administrator has this login. Every other account is reactivated in "
                "the portal."
            )
        )
    return _wake(account, reason, SYSTEM, now)


def _wake(account: Account, reason: str, actor: Actor, now: datetime) -> Account:
    text = require_text(reason, N_("Enter the reason; it is kept in the audit log."))
    if not is_suspended(account, now=now):
        raise ConflictError(N_("This account is not suspended."))
    account.suspended_at, account.reactivated_at = None, now
    record("reactivate_account", account, actor=actor, now=now, reason=text)
    db.session.flush()
    return account


def _days() -> int:
    return int(parameter("dormant_account_days"))
