"""What a page gets instead of a value its reader may not see, and rows with such values covered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask_babel import gettext as _

from app.domain.errors import NotPermittedError
from app.orm import CUSTOM, is_custom_name


class Hidden:
    """Stands where a value may not be seen: reads 无权查看, counts as empty; whatever is asked of
    it is hidden as well, so that a page that shows a part of the value does not fail."""

    def __getattr__(self, name: str) -> Hidden:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *_args: Any, **_kwargs: Any) -> Hidden:
        return self

    def __getitem__(self, _key: Any) -> Hidden:
        return self

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __str__(self) -> str:
        return str(_("Not for you to see"))

    def __html__(self) -> str:
        return str(self)

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "HIDDEN"


HIDDEN = Hidden()


class Veil:
    """A row with some fields covered; for everything else it is the row itself."""

    __slots__ = ("_veil_hidden", "_veil_row")

    def __init__(self, row: Any, hidden: frozenset[str]) -> None:
        object.__setattr__(self, "_veil_row", row)
        object.__setattr__(self, "_veil_hidden", hidden)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self._veil_row)

    def __getattr__(self, name: str) -> Any:
        if name in self._veil_hidden or (CUSTOM in self._veil_hidden and is_custom_name(name)):
            return HIDDEN
        return getattr(self._veil_row, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._veil_hidden:
            raise NotPermittedError
        setattr(self._veil_row, name, value)

    def __str__(self) -> str:
        return str(self._veil_row)

    def __repr__(self) -> str:
        return repr(self._veil_row)

    def __eq__(self, other: object) -> bool:
        return self._veil_row is unveiled(other)

    def __hash__(self) -> int:
        return hash(self._veil_row)


def unveiled(row: Any) -> Any:
    """The row under the veil, if there is one."""
    return row._veil_row if type(row) is Veil else row


def formatted(formatter: Any) -> Any:
    """A formatter of a list column that leaves hidden values alone."""

    def show(value: Any) -> Any:
        return str(value) if value is HIDDEN else formatter(value)

    return show
