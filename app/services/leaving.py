"""离职、退休: the end of a personnel affiliation without a new unit; the account stays the person's
own (rules E7, B6)."""

from __future__ import annotations

from datetime import date, datetime

from app.domain.calendar import beijing_date
from app.domain.errors import ConflictError, NotPermittedError, RuleViolation
from app.domain.messages import N_
from app.domain.workflow import ActorRole
from app.models import Account
from app.services import accounts
from app.services.actors import Actor
from app.services.affiliations import (
    lock_person,
    present_affiliation,
    require_no_application_under_way,
)
from app.services.audit import record
from app.services.facts import require_text
from app.services.transfers import settle_open


def end_affiliation(
    account_id: int, last_on: date, reason: str, *, actor: Actor, now: datetime
) -> Account:
    """Let one of the unit's own people leave; `last_on` is the last day.

    The account belongs to no unit any more, keeps the person's own data and opens as before; a new
    unit takes it up directly. While a transfer is asked for, that request is answered instead.
    """
    account = accounts.lock_account(account_id)
    if account.unit_id is None or account.unit_id != actor.unit_id or account.person_id is None:
        raise NotPermittedError(N_("A unit ends the affiliation of its own people only."))
    if not actor.has_role(ActorRole.UNIT_ADMIN, ActorRole.UNIT_HANDLER):
        raise NotPermittedError
    if account.id == actor.account_id:
        raise NotPermittedError(N_("Nobody ends the own affiliation. Let a colleague do it."))
    text = require_text(reason, N_("Say why the affiliation ends."))
    person = lock_person(account.person_id)
    require_no_application_under_way(person.id)
    if settle_open(person.id, now=now):
        raise ConflictError(
            N_("A transfer of this person has been asked for. Answer that request instead.")
        )
    present = present_affiliation(person.id)
    if present is None:
        raise ConflictError(N_("The affiliation has ended already."))
    if not present.starts_on <= last_on <= beijing_date(now):
        raise RuleViolation(
            N_("The last day lies between %(since)s and today."),
            since=present.starts_on.isoformat(),
        )
    present.ends_on = last_on
    before = account.unit_id
    accounts.move_account(account.id, None)
    record(
        "end_affiliation",
        account,
        actor=actor,
        now=now,
        before={"unit_id": before},
        after={"unit_id": None, "last_on": last_on.isoformat()},
        reason=text,
    )
    return account
