"""登录会话: one entry for each sign-in of an account, kept in Redis on the real clock.

A session is found by the digest of its id, never by the id itself, so that nobody who reads Redis
can enter with what he finds. Three keys belong to a sign-in: the data of the session, the instant
it was last seen (the session lives as long as this key), and its entry under the account.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from redis.exceptions import RedisError

from app.domain.errors import ConflictError
from app.domain.messages import N_
from app.extensions import db, redis_store
from app.models import Account

log = logging.getLogger(__name__)

DATA = "portal:session:"
SEEN = "portal:seen:"
ACCOUNT = "portal:account:"

KEPT_AFTER_THE_END = timedelta(hours=1)
"""How long Redis still knows a session that reached its limit, to say why it has ended."""


@dataclass(frozen=True)
class SignIn:
    """One sign-in as its owner sees it; `handle` names it, and opens nothing."""

    handle: str
    since: datetime
    seen_at: datetime
    address: str
    browser: str
    system: str


def digest_of(session_id: str) -> str:
    """Under which name Redis keeps a session."""
    return hashlib.sha256(session_id.encode()).hexdigest()


def begin_session(
    account: Account,
    session_id: str,
    *,
    now: datetime,
    lifetime: timedelta,
    device: Mapping[str, str],
) -> str:
    """Enter a new sign-in under its account and return its handle.

    `device` holds `address`, `browser` and `system`; `now` is real time.
    """
    digest = digest_of(session_id)
    handle = secrets.token_urlsafe(9)
    entry = {
        "digest": digest,
        "since": now.timestamp(),
        "stamp": account.session_stamp or 0,
        **device,
    }
    kept = lifetime + KEPT_AFTER_THE_END
    pipe = redis_store().pipeline()
    pipe.set(SEEN + digest, now.timestamp(), ex=kept)
    pipe.hset(_entries(account.id), handle, json.dumps(entry))
    pipe.expire(_entries(account.id), kept)
    pipe.execute()
    return handle


def touch_session(session_id: str, *, now: datetime, lifetime: timedelta) -> datetime | None:
    """Note that a session is in use; return when it was before, None if it has been ended."""
    key = SEEN + digest_of(session_id)
    kept = lifetime + KEPT_AFTER_THE_END
    before: Any = redis_store().set(key, now.timestamp(), ex=kept, xx=True, get=True)
    return None if before is None else _instant(float(before))


def last_seen(session_id: str) -> datetime | None:
    """When a session was in use last; None if it has been ended."""
    seen: Any = redis_store().get(SEEN + digest_of(session_id))
    return None if seen is None else _instant(float(seen))


def list_sessions(account: Account, *, now: datetime, idle: timedelta) -> list[SignIn]:
    """The open sessions of an account, the one used last first; ended ones are cleaned up."""
    store = redis_store()
    entries = _read_entries(account.id)
    if not entries:
        return []
    seen: list[Any] = store.mget([SEEN + entry["digest"] for entry in entries.values()])
    found, gone = [], []
    for (handle, entry), value in zip(entries.items(), seen, strict=True):
        is_current = value is not None and entry["stamp"] == (account.session_stamp or 0)
        if not is_current or _instant(float(value)) + idle < now:
            gone.append(handle)
            continue
        found.append(
            SignIn(
                handle,
                _instant(entry["since"]),
                _instant(float(value)),
                entry["address"],
                entry["browser"],
                entry["system"],
            )
        )
    if gone:
        _forget(account.id, {handle: entries[handle]["digest"] for handle in gone})
    return sorted(found, key=lambda sign_in: sign_in.seen_at, reverse=True)


def end_sessions(account_id: int, *, except_: str | None = None) -> int:
    """End the sessions of an account in every process, all or all but one; how many were open.

    All: the stamp of the account is raised as well, in the caller's transaction, so that they end
    even where Redis cannot be reached.
    """
    if except_ is not None:
        others = {h: digest for h, digest in _digests(account_id).items() if h != except_}
        return _forget(account_id, others)
    account = db.session.get_one(Account, account_id)
    account.session_stamp = (account.session_stamp or 0) + 1
    try:
        return _forget(account_id, _digests(account_id))
    except RedisError as error:
        log.warning("sessions are ended by their stamp alone: %s", error.__class__.__name__)
        return 0


def end_session(account_id: int, handle: str) -> None:
    """End one session of an account; ConflictError where it has ended already."""
    digest = _digests(account_id).get(handle)
    if digest is None or not _forget(account_id, {handle: digest}):
        raise ConflictError(N_("This sign-in has ended already."))


def _digests(account_id: int) -> dict[str, str]:
    return {handle: entry["digest"] for handle, entry in _read_entries(account_id).items()}


def _read_entries(account_id: int) -> dict[str, dict[str, Any]]:
    raw: Any = redis_store().hgetall(_entries(account_id))
    return {handle.decode(): json.loads(entry) for handle, entry in raw.items()}


def _forget(account_id: int, digests: Mapping[str, str]) -> int:
    """Remove every trace of these sessions; how many of them were still open."""
    if not digests:
        return 0
    pipe = redis_store().pipeline()
    pipe.delete(*(SEEN + digest for digest in digests.values()))
    pipe.delete(*(DATA + digest for digest in digests.values()))
    pipe.hdel(_entries(account_id), *digests)
    return int(pipe.execute()[0])


def _entries(account_id: int) -> str:
    return f"{ACCOUNT}{account_id}:sessions"


def _instant(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)
