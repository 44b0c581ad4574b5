"""抽查 of new accounts, and 异常 numbers of them, by the HRSS department (rules E8)."""

from __future__ import annotations

import secrets
from datetime import date, datetime, time, timedelta

from sqlalchemy import Date, Select, case, cast, func, select
from sqlalchemy.dialects.postgresql import insert

from app.domain.account_checks import UnusualLimits, draw_sample
from app.domain.calendar import beijing_date
from app.domain.errors import ConflictError, NotPermittedError, RuleViolation, StaleVersionError
from app.domain.messages import N_
from app.domain.review import DRAW_ALGORITHM
from app.domain.terms import AccountKind, SampleState, UnusualKind
from app.domain.workflow import ActorRole
from app.extensions import db
from app.models import (
    Account,
    AccountSample,
    AccountSampleItem,
    PersonnelAffiliation,
    Unit,
    UnusualCreation,
)
from app.services.actors import Actor
from app.services.audit import record
from app.services.facts import require_text
from app.services.notifications import notify
from app.services.settings import parameter
from app.services.transitions import accounts_of_unit

LOOK_BACK = timedelta(days=7)
"""Days the watch counts again: a job that stood still for a week misses nothing."""


# --------------------------------------------------------------------------- the sample


def draw_accounts(
    period_from: date,
    period_to: date,
    size: int,
    *,
    actor: Actor,
    now: datetime,
    seed: str | None = None,
) -> AccountSample:
    """Draw a sample of the personal accounts created in a period below the department.

    Candidates, seed and algorithm are stored, so that the draw can be repeated. Raises
    NotPermittedError, RuleViolation.
    """
    unit = _department(actor)
    if period_to < period_from:
        raise RuleViolation(N_("The last day lies before the first. Correct the period."))
    candidates = list(db.session.scalars(_created(unit, period_from, period_to)))
    chosen_seed = seed or secrets.token_hex(16)
    digest, drawn = draw_sample(candidates, size=size, seed=chosen_seed)
    sample = AccountSample(
        unit_id=unit.id,
        period_from=period_from,
        period_to=period_to,
        algorithm=DRAW_ALGORITHM,
        seed=chosen_seed,
        candidates=candidates,
        candidates_hash=digest,
        drawn_by_id=actor.account_id,
        drawn_at=now,
    )
    sample.items = [
        AccountSampleItem(account_id=account_id, position=place)
        for place, account_id in enumerate(drawn, start=1)
    ]
    db.session.add(sample)
    db.session.flush()
    record(
        "draw_accounts",
        sample,
        actor=actor,
        now=now,
        after={"seed": chosen_seed, "candidates": len(candidates), "drawn": drawn},
    )
    return sample


def repeats(sample: AccountSample) -> bool:
    """Whether seed and candidates on file give the accounts on file again."""
    drawn = [item.account_id for item in sorted(sample.items, key=lambda item: item.position)]
    digest, again = draw_sample(sample.candidates, size=len(drawn), seed=sample.seed)
    return digest == sample.candidates_hash and again == drawn


def _department(actor: Actor) -> Unit:
    if not actor.has_role(ActorRole.HRSS, ActorRole.PROVINCE_HRSS) or actor.unit_id is None:
        raise NotPermittedError(N_("New accounts are looked at by the HRSS departments."))
    return db.session.get_one(Unit, actor.unit_id)


def _created(unit: Unit, period_from: date, period_to: date) -> Select[int]:
    low, high = unit.path, unit.path[:-1] + "0"
    return (
        select(Account.id)
        .join(Unit, Unit.id == Account.unit_id)
        .where(
            Account.kind == AccountKind.PERSONAL,
            Unit.path >= low,
            Unit.path < high,
            Account.created_on >= datetime.combine(period_from, time(0)),
            Account.created_on < datetime.combine(period_to + timedelta(days=1), time(0)),
        )
        .order_by(Account.id)
    )


def judge_item(
    item_id: int,
    state: SampleState,
    note: str,
    *,
    expected_version: int,
    actor: Actor,
    now: datetime,
) -> AccountSampleItem:
    """Say what came of one account of a sample: proof in order, or the unit is asked for it.

    A finding of misconduct is written on its own page and closes the item.
    """
    item = db.session.get_one(
        AccountSampleItem,
        item_id,
        with_for_update={"of": AccountSampleItem},
        populate_existing=True,
    )
    if item.version != expected_version:
        raise StaleVersionError(current_state=item.state.value, current_version=item.version)
    if item.sample.unit_id != actor.unit_id and not actor.has_role(ActorRole.PROVINCE_HRSS):
        raise NotPermittedError(N_("The department that has drawn the sample works through it."))
    _department(actor)
    if item.state is SampleState.FINDING or state not in {SampleState.ASKED, SampleState.IN_ORDER}:
        raise ConflictError
    item.note = note.strip() if state is SampleState.IN_ORDER else _question(note)
    item.state, item.decided_at, item.decided_by_id = state, now, actor.account_id
    item.version += 1
    record(
        "judge_sample_item",
        item,
        actor=actor,
        now=now,
        after={"state": state.value},
        reason=item.note,
    )
    if state is SampleState.ASKED:
        for account_id in accounts_of_unit(item.account.unit_id):
            notify(
                account_id,
                "proof_asked",
                key=f"proof:{item.id}:{item.version}",
                params={"name": item.account.first_name, "question": item.note},
                at=now,
            )
    db.session.flush()
    return item


def _question(note: str) -> str:
    return require_text(note, N_("Say what the unit has to show; it reads this."))


# --------------------------------------------------------------------------- unusual numbers


def limits() -> UnusualLimits:
    """The province's figures."""
    return UnusualLimits(
        int(parameter("account_flag_per_day")),
        int(parameter("account_flag_growth_percent")),
        int(parameter("account_flag_minimum")),
    )


def flag_unusual(*, now: datetime) -> int:
    """Flag units that have created unusually many accounts and return how many flags are new; once
    a unit and day or year, safe to run twice at once."""
    return _flag_days(now) + _flag_year(now)


def _flag_days(now: datetime) -> int:
    limit = limits().per_day
    day = cast(Account.created_on, Date)
    rows = db.session.execute(
        select(Account.unit_id, day, func.count())
        .where(
            Account.kind == AccountKind.PERSONAL,
            Account.unit_id.is_not(None),
            Account.created_on >= (now - LOOK_BACK).replace(tzinfo=None),
        )
        .group_by(Account.unit_id, day)
        .having(func.count() > limit)
    ).all()
    found = 0
    for unit_id, on, count in rows:
        if unit_id is not None:
            found += _flag(unit_id, UnusualKind.DAY, on, count, limit, now)
    return found


def _flag_year(now: datetime) -> int:
    first = beijing_date(now).replace(month=1, day=1)
    figures = limits()
    created = dict(
        db.session.execute(
            select(Account.unit_id, func.count())
            .where(
                Account.kind == AccountKind.PERSONAL,
                Account.unit_id.is_not(None),
                Account.created_on >= datetime.combine(first, time(0)),
            )
            .group_by(Account.unit_id)
            .having(func.count() > figures.least)
        ).all()
    )
    if not created:
        return 0
    before: dict[int, int] = dict(
        db.session.execute(
            select(
                PersonnelAffiliation.unit_id,
                func.count(case((PersonnelAffiliation.starts_on < first, 1))),
            )
            .where(PersonnelAffiliation.unit_id.in_(created))
            .group_by(PersonnelAffiliation.unit_id)
        ).all()
    )
    found = 0
    for unit_id, count in created.items():
        limit = figures.of_year(before.get(unit_id, 0)) if unit_id is not None else count
        if unit_id is not None and count > limit:
            found += _flag(unit_id, UnusualKind.YEAR, first, count, limit, now)
    return found


def _flag(unit_id: int, kind: UnusualKind, on: date, count: int, limit: int, now: datetime) -> int:
    added = db.session.scalar(
        insert(UnusualCreation)
        .values(unit_id=unit_id, kind=kind, on=on, count=count, limit=limit, flagged_at=now)
        .on_conflict_do_nothing(index_elements=["unit_id", "kind", "on"])
        .returning(UnusualCreation.id)
    )
    return int(added is not None)


def clear_flag(flag_id: int, reason: str, *, actor: Actor, now: datetime) -> UnusualCreation:
    """Clear a flag with the reason why the number is in order, by a department above the unit."""
    row = db.session.get_one(
        UnusualCreation, flag_id, with_for_update={"of": UnusualCreation}, populate_existing=True
    )
    department = _department(actor)
    if not row.unit.path.startswith(department.path):
        raise NotPermittedError(N_("The unit lies outside your department's area."))
    if row.cleared_at is not None:
        raise ConflictError(N_("This flag has been cleared already."))
    row.clear_reason = require_text(reason, N_("Say why the number is in order."))
    row.cleared_at, row.cleared_by_id = now, actor.account_id
    record("clear_flag", row, actor=actor, now=now, reason=row.clear_reason)
    db.session.flush()
    return row
