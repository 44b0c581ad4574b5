"""Column types, naming rules and mixins for app.models; no tables."""

from __future__ import annotations

import re
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, Final

from flask_appbuilder import Model
from sqlalchemy import DateTime, Enum, Integer, LargeBinary, SmallInteger, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from app import clock
from app.crypto import keyring
from app.domain.calendar import BEIJING


def _check_name(constraint: Any, _table: Any) -> str:
    """Name a vocabulary check after its column too: a table may use one vocabulary twice."""
    if constraint._type_bound:
        return f"{next(iter(constraint.columns)).name}_{constraint.name}"
    return str(constraint.name)


Model.metadata.naming_convention = {
    "named_by_constraint_name": _check_name,
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(named_by_constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class TZDateTime(TypeDecorator[datetime]):
    """An instant: stored in UTC, read back in Beijing time; naive values are refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("an instant needs its time zone")
        return value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(BEIJING)


class EncryptedText(TypeDecorator[str]):
    """Personal data at rest: encrypted with the current data key, decrypted on load."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return None if value is None else keyring().encrypt(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else keyring().decrypt(bytes(value))


class IntEnumColumn(TypeDecorator[IntEnum]):
    """An integer enumeration such as TitleLevel."""

    impl = SmallInteger
    cache_ok = True

    def __init__(self, enum: type[IntEnum]) -> None:
        super().__init__()
        self.enum = enum

    def process_bind_param(self, value: Any, dialect: Dialect) -> int | None:
        return None if value is None else int(self.enum(int(value)))

    def process_result_value(self, value: Any, dialect: Dialect) -> IntEnum | None:
        return None if value is None else self.enum(value)


def word(enum: type[StrEnum], check: str = "") -> Enum:
    """A column type for a closed vocabulary: stored by value, checked by the database.

    `check` names the constraint where a table holds the same vocabulary twice.
    """
    return Enum(
        enum,
        native_enum=False,
        length=40,
        create_constraint=True,
        name=check or enum.__name__.lower(),
        values_callable=lambda members: [member.value for member in members],
    )


class HasId:
    """A surrogate key."""

    id: Mapped[int] = mapped_column(Integer, primary_key=True)


class HasCreatedAt:
    """The real instant a row was written; business instants have columns of their own."""

    created_at: Mapped[datetime] = mapped_column(TZDateTime, default=clock.real_now, nullable=False)


class HasVersion:
    """Optimistic locking: a page shows the version, a save must still find it."""

    version: Mapped[int] = mapped_column(Integer, default=1, nullable=False)


CUSTOM: Final = "custom"
"""The column that holds the values of a row's custom fields, by name."""

CUSTOM_NAME: Final = re.compile(r"x_[a-z0-9_]{1,50}")
"""What the name of a custom field is, here and in the function that makes its index."""


def is_custom_name(name: str) -> bool:
    """Whether a name is that of a custom field: no column or property is called so."""
    return CUSTOM_NAME.fullmatch(name) is not None


class HasCustomFields:
    """Values of the fields a province adds to the screen of the table; read like columns, written
    by `services/definitions/custom_fields.py` alone."""

    custom: Mapped[dict[str, Any]] = mapped_column(
        JSONB, default=dict, server_default=text("'{}'::jsonb"), nullable=False
    )

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if is_custom_name(name):
                return (self.custom or {}).get(name)
            message = f"{type(self).__name__!r} object has no attribute {name!r}"
            raise AttributeError(message)
