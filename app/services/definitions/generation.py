"""Which state of the configuration is in force: a token in the database every process looks at.

A process keeps what it has read of the configuration and reads again when the token has changed.
It looks at most once a second (`CONFIGURATION_LOOK_SECONDS`), so that a change is live everywhere
within seconds and costs a request nothing.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import select, update

from app import clock
from app.extensions import configuration_look_seconds, db, process_memory
from app.models import ConfigurationGeneration

T = TypeVar("T")


@dataclass
class _Memory:
    """What this process has read, and of which generation."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    token: str | None = None
    looked_at: datetime | None = None
    kept: dict[Any, Any] = field(default_factory=dict)


def advance() -> None:
    """Tell every process that the configuration has changed, with the commit of this transaction.

    Until then other processes read the old state; this session reads its own changes at once.
    """
    db.session.execute(update(ConfigurationGeneration).values(token=secrets.token_hex(8)))
    db.session.info["configuration_changed"] = True


def kept(name: Any, read: Callable[[], T]) -> T:
    """What `read` gave for this generation; a session that has changed the configuration reads
    anew. What is kept is shared by threads and must not be changed."""
    if db.session.info.get("configuration_changed"):
        return read()
    memory = _memory()
    token = _look(memory)
    with memory.lock:
        if name in memory.kept:
            found: T = memory.kept[name]
            return found
    made = read()
    with memory.lock:
        if memory.token == token:
            memory.kept[name] = made
    return made


def token_in_force() -> str:
    """The generation this process works with; it changes with every change of the configuration."""
    if db.session.info.get("configuration_changed"):
        return str(db.session.scalar(select(ConfigurationGeneration.token)))
    return _look(_memory())


def _memory() -> _Memory:
    memory: _Memory = process_memory().setdefault("configuration", _Memory())
    return memory


def _look(memory: _Memory) -> str:
    now = clock.real_now()
    with memory.lock:
        token, looked_at = memory.token, memory.looked_at
    if token is not None and looked_at is not None:
        age = (now - looked_at).total_seconds()
        if 0 <= age < configuration_look_seconds():
            return token
    found = str(db.session.scalar(select(ConfigurationGeneration.token)) or "")
    with memory.lock:
        if memory.token != found:
            memory.kept.clear()
        memory.token, memory.looked_at = found, now
    return found
