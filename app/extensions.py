"""Process-wide extensions and the unit of work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import current_app, has_app_context
from flask_appbuilder import Model
from flask_appbuilder.models.sqla.base import SQLA
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf.csrf import CSRFProtect
from redis import Redis
from sqlalchemy.orm import Session

# One metadata for FAB's tables and ours: with its own, a migration would drop every table.
db: SQLAlchemy = SQLA(metadata=Model.metadata)
migrate = Migrate(compare_type=True)
csrf = CSRFProtect()


def portal_mode() -> str:
    """`rehearsal` or `production`, as configured; production outside the application."""
    return str(current_app.config["PORTAL_MODE"]) if has_app_context() else "production"


def portal_name() -> str:
    """The name of the portal, as configured."""
    return str(current_app.config["APP_NAME"])


def object_store_url() -> str:
    """Where uploaded files are kept, as configured."""
    return str(current_app.config["OBJECT_STORE_URL"])


def redis_store() -> Redis:
    """Sessions, counters and queues: the Redis of the running application."""
    store: Redis = current_app.extensions["redis"]
    return store


def audit_anchor_file() -> Path:
    """Where the signed heads of the audit log are appended, as configured."""
    return Path(current_app.config["AUDIT_ANCHOR_FILE"])


def audit_signing_key() -> str:
    """The keys of the audit log's anchors, as configured."""
    return str(current_app.config["AUDIT_SIGNING_KEY"])


def configuration_look_seconds() -> float:
    """How often a process looks whether the configuration has changed, as configured."""
    return float(current_app.config["CONFIGURATION_LOOK_SECONDS"])


def process_memory() -> dict[str, Any]:
    """What this process keeps for the running application; nothing another one must see."""
    memory: dict[str, Any] = current_app.extensions.setdefault("process_memory", {})
    return memory


@contextmanager
def trusted_writes() -> Iterator[None]:
    """Let flushes pass the row guard, which knows people only: the seed and the clock write what no
    person of the request may, whoever set them going."""
    session: Session = db.session()
    before = session.info.get("trusted", False)
    session.info["trusted"] = True
    try:
        yield
    finally:
        session.info["trusted"] = before


@contextmanager
def unit_of_work() -> Iterator[Session]:
    """One database transaction: commit at the end, roll back on any error."""
    session: Session = db.session()
    try:
        yield session
        session.commit()
    except BaseException:
        session.rollback()
        raise
