"""Changing the data key or the cipher: every encrypted value is sealed anew, batch by batch.

The portal runs meanwhile: it opens values by the key each one names and seals with the current one.
A value is replaced only if it still is the one that was read, so that a row somebody else changed
keeps that change. Broken off, the next run goes on with what is left.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    Column,
    LargeBinary,
    Table,
    and_,
    func,
    literal,
    or_,
    select,
    tuple_,
    type_coerce,
    update,
)

from app.crypto import KeyringError, Seal, keyring
from app.domain.errors import ConflictError
from app.domain.messages import N_
from app.extensions import db
from app.orm import EncryptedText


class MissingKeyError(ConflictError):
    """Values are sealed with a key that is not configured."""

    code = "data_key_missing"
    template = N_(
        "DATA_KEYS lacks the key %(keys)s, which %(count)s stored values are sealed with. Put it "
        "back behind the current one; it may go once ./portal keys status says so."
    )


@dataclass(frozen=True)
class SealedValues:
    """How many values of a column carry a seal; `seal` is None for what no seal is read from."""

    column: str
    seal: Seal | None
    count: int


@dataclass
class Batch:
    """What one batch did: values sealed anew, rows somebody else changed meanwhile, rows that do
    not open (by table and key), and the last key it came to (None: the end of the table)."""

    changed: int = 0
    overtaken: int = 0
    unreadable: list[str] = field(default_factory=list)
    last: tuple[Any, ...] | None = None


def encrypted_columns() -> list[Column[Any]]:
    """Every encrypted column of every table, found by its type."""
    return [
        column
        for table in sorted(db.metadata.tables.values(), key=lambda table: table.name)
        for column in table.columns
        if isinstance(column.type, EncryptedText)
    ]


def count_seals() -> list[SealedValues]:
    """How many values of each column each key and cipher has sealed."""
    found = []
    for column in encrypted_columns():
        raw = type_coerce(column, LargeBinary)
        head = func.substring(raw, 1, func.pg_catalog.position(raw, b"\0") - 1)
        query = select(head, func.count()).where(column.is_not(None)).group_by(head).order_by(head)
        found += [
            SealedValues(str(column), _read(bytes(head_bytes)), count)
            for head_bytes, count in db.session.execute(query)
        ]
    return found


def _read(head: bytes) -> Seal | None:
    try:
        return Seal.read(head)
    except KeyringError:
        return None


def require_keys() -> None:
    """Refuse to go on without a key that stored values need; MissingKeyError names it."""
    missing = {
        values.seal.key_id: 0
        for values in count_seals()
        if values.seal is not None and values.seal.key_id not in keyring().keys
    }
    if not missing:
        return
    count = sum(v.count for v in count_seals() if v.seal is not None and v.seal.key_id in missing)
    raise MissingKeyError(keys=", ".join(sorted(missing)), count=count)


def reseal_batch(table: Table, *, after: tuple[Any, ...] | None, size: int) -> Batch:
    """Seal the next rows of a table anew that are not sealed as the ring seals now.

    `after` is the primary key to go on behind. The caller commits.
    """
    columns = [column for column in encrypted_columns() if column.table is table]
    key = list(table.primary_key.columns)
    query = select(*key, *(_raw(column) for column in columns)).where(
        or_(*(_is_old(column) for column in columns))
    )
    if after is not None:
        query = query.where(tuple_(*key) > tuple_(*after))
    rows = db.session.execute(query.order_by(*key).limit(size)).all()
    batch = Batch(last=tuple(rows[-1][: len(key)]) if len(rows) == size else None)
    for row in rows:
        for column, old in zip(columns, row[len(key) :], strict=True):
            if old is not None:
                _reseal(table, column, tuple(row[: len(key)]), bytes(old), batch)
    return batch


def _raw(column: Column[Any]) -> Any:
    return type_coerce(column, LargeBinary)


def _is_old(column: Column[Any]) -> Any:
    head = keyring().seal.head + b"\0"
    return and_(column.is_not(None), func.substring(_raw(column), 1, len(head)) != head)


def _reseal(
    table: Table, column: Column[Any], key: tuple[Any, ...], old: bytes, batch: Batch
) -> None:
    ring = keyring()
    if old.startswith(ring.seal.head + b"\0"):
        return
    try:
        new = ring.reseal(old)
    except KeyringError:
        batch.unreadable.append(f"{column} {'/'.join(str(part) for part in key)}")
        return
    same_row = [part == value for part, value in zip(table.primary_key.columns, key, strict=True)]
    changed = db.session.execute(
        update(table)
        .where(*same_row, _raw(column) == old)
        .values({column: literal(new, LargeBinary)})
    )
    if changed.rowcount:  # type: ignore[attr-defined]
        batch.changed += 1
    else:
        batch.overtaken += 1
