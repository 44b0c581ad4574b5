"""拒绝访问: what an account was refused, counted for a minute and then written into the audit log.

A refusal costs its request one round trip to Redis, and the chain nothing: once a minute the clock
writes one entry for each account, page and reason, with how often it was. Asking a thousand times
fills one line; more than `MOST_KINDS` different ones of an account share one more.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from app.domain.calendar import BEIJING
from app.extensions import db, redis_store
from app.models import Account
from app.services.accounts import roles_of
from app.services.actors import PUBLIC, Actor
from app.services.audit import Subject, record

log = logging.getLogger(__name__)

WHO = "portal:refused"
"""Whose refusals wait; `…:<who>` counts them by kind, `…:<who>:first` holds the first of a kind."""

VISITORS = "visitors"
MOST_KINDS = 20
OTHERS = "*"
AT_ONCE = 500
"""So many accounts are written about in one minute; the rest in the next."""

KEPT = timedelta(days=1)


class Why(StrEnum):
    """Why an access was refused, in a word."""

    NOT_GRANTED = "not_granted"
    OUT_OF_SCOPE = "out_of_scope"
    BY_RULE = "by_rule"
    OTHER_SITE = "other_site"
    NOT_SIGNED_IN = "not_signed_in"


@dataclass(frozen=True)
class Refusal:
    """One refused access; `page` is the endpoint, never the address with its arguments.

    `object_type` and `object_id` name the row of somebody else, or are empty.
    """

    page: str
    why: Why
    address: str
    object_type: str = ""
    object_id: str = ""


@dataclass(frozen=True)
class Counted:
    """How often one account met one kind of refusal, the first time of it, and since when."""

    who: str
    kind: str
    times: int
    first: dict[str, str]


def note_refusal(refusal: Refusal, *, account_id: int | None, now: datetime) -> None:
    """Count a refusal; `now` is real time. Without Redis it is a line of the log alone."""
    who = VISITORS if account_id is None else str(account_id)
    kind = f"{refusal.page}|{refusal.why}"
    since = f"{now.astimezone(BEIJING):%Y-%m-%d %H:%M:%S}"
    try:
        store = redis_store()
        is_known = store.hexists(f"{WHO}:{who}", kind)
        if not is_known and int(store.hlen(f"{WHO}:{who}")) >= MOST_KINDS:
            kind = OTHERS
        _keep(Counted(who, kind, 1, {**asdict(refusal), "since": since}))
    except RedisError as error:
        log.warning(
            "account %s was refused %s (%s); not in the audit log: %s",
            who,
            refusal.page,
            refusal.why,
            type(error).__name__,
        )


def write_refusals(*, now: datetime) -> int:
    """Write what was refused since the last time, and return how many entries that is.

    What cannot be written is kept for the next minute.
    """
    try:
        taken = _take()
    except RedisError as error:
        log.warning("refused accesses cannot be read: %s", type(error).__name__)
        return 0
    try:
        for counted in taken:
            _write(counted, now)
        db.session.flush()
    except SQLAlchemyError:
        for counted in taken:
            _keep(counted)
        raise
    return len(taken)


def _keep(counted: Counted) -> None:
    key = f"{WHO}:{counted.who}"
    pipe = redis_store().pipeline()
    pipe.hincrby(key, counted.kind, counted.times)
    pipe.hsetnx(f"{key}:first", counted.kind, json.dumps(counted.first))
    pipe.expire(key, KEPT)
    pipe.expire(f"{key}:first", KEPT)
    pipe.sadd(WHO, counted.who)
    pipe.execute()


def _take() -> list[Counted]:
    """What waits; nobody else gets it."""
    store = redis_store()
    found = []
    waiting: Any = store.spop(WHO, AT_ONCE)
    for who in sorted(each.decode() for each in waiting):
        key = f"{WHO}:{who}"
        pipe = store.pipeline()
        pipe.hgetall(key)
        pipe.hgetall(f"{key}:first")
        pipe.delete(key, f"{key}:first")
        counts, first, _deleted = pipe.execute()
        found += [
            Counted(who, kind.decode(), int(times), json.loads(first[kind]))
            for kind, times in counts.items()
        ]
    return found


def _write(counted: Counted, now: datetime) -> None:
    first = counted.first
    page = OTHERS if counted.kind == OTHERS else first["page"]
    about = Subject(first["object_type"] or "Page", first["object_id"] or page)
    record(
        "refuse_access",
        about,
        actor=_actor_of(counted.who, first["address"]),
        now=now,
        after={
            "page": first["page"],
            "why": first["why"],
            "times": counted.times,
            "since": first["since"],
        },
    )


def _actor_of(who: str, address: str) -> Actor:
    """Whom an entry is about, under all roles: a refused page is opened by none of them."""
    account = None if who == VISITORS else db.session.get(Account, int(who))
    if account is None:
        return Actor(None, PUBLIC.name, PUBLIC.roles, address=address)
    return Actor(
        account_id=account.id,
        name=account.first_name,
        roles=roles_of(account),
        unit_id=account.unit_id,
        address=address,
    )
