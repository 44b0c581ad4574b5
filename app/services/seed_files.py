"""Reading seed/*.yaml: every mistake names the file, the path inside and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

import yaml
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError

from app.domain.calendar import BEIJING
from app.domain.errors import DomainError

E = TypeVar("E", bound=Enum)
MISSING = object()


class SeedError(DomainError):
    """A seed file cannot be used; the text is one line: file, path inside, what to do."""

    code = "seed_error"
    template = "%(text)s"

    def __init__(self, text: str) -> None:
        super().__init__(text=text)


@dataclass(frozen=True)
class Entry:
    """A value of a seed file that knows where it stands; readers raise SeedError."""

    file: str
    path: str
    value: Any

    def error(self, advice: str) -> SeedError:
        """A SeedError about this place."""
        where = f"{self.file}: {self.path}" if self.path else self.file
        return SeedError(f"{where}: {advice}")

    def get(self, key: str, default: Any = MISSING) -> Entry:
        """The entry under `key`; without a default it must be there."""
        if not isinstance(self.value, dict):
            raise self.error("write a mapping of keys and values here.")
        found = self.value.get(key, default)
        path = f"{self.path}.{key}" if self.path else key
        if found is MISSING:
            raise Entry(self.file, path, None).error("add this key; it is missing.")
        return Entry(self.file, path, found)

    def items(self, key: str) -> Iterator[Entry]:
        """The entries of the list under `key`."""
        holder = self.get(key)
        if not isinstance(holder.value, list):
            raise holder.error("write a list here.")
        for index, value in enumerate(holder.value):
            yield Entry(self.file, f"{holder.path}[{index}]", value)

    def _read(self, key: str, kind: type, name: str, default: Any) -> Any:
        entry = self.get(key, default)
        if entry.value is None and default is None:
            return None
        is_flag = isinstance(entry.value, bool) and kind is not bool
        if not isinstance(entry.value, kind) or is_flag:
            raise entry.error(f"write {name} here, not {entry.value!r}.")
        return entry.value

    def text(self, key: str, default: Any = MISSING) -> Any:
        """A text; with default None an empty or missing one is None."""
        return self._read(key, str, "a text (in quotes)", default)

    def number(self, key: str, default: Any = MISSING) -> Any:
        """A whole number."""
        return self._read(key, int, "a whole number", default)

    def flag(self, key: str, default: Any = MISSING) -> Any:
        """True or false."""
        return self._read(key, bool, "true or false", default)

    def listed(self, key: str, default: Any = MISSING) -> Any:
        """A list as it stands."""
        return self._read(key, list, "a list", default)

    def mapping(self, key: str) -> Any:
        """A mapping as it stands."""
        return self._read(key, dict, "a mapping", MISSING)

    def day(self, key: str, default: Any = MISSING) -> Any:
        """A date written 2022-08-05."""
        found = self._read(key, date, "a date like 2022-08-05", default)
        if isinstance(found, datetime):
            raise self.get(key).error("write a date like 2022-08-05 here, without a time.")
        return found

    def instant(self, key: str) -> datetime:
        """A Beijing instant written "2022-08-05T17:00"."""
        text = self.text(key)
        try:
            found = datetime.fromisoformat(text)
        except ValueError as error:
            raise self.get(key).error(
                f'write a Beijing time like "2022-08-05T17:00" here, not {text!r}.'
            ) from error
        return found.replace(tzinfo=BEIJING) if found.tzinfo is None else found

    def word(self, key: str, enum: type[E], default: Any = MISSING) -> Any:
        """A member of a closed vocabulary."""
        entry = self.get(key, default)
        if entry.value is None and default is None:
            return None
        try:
            return enum(entry.value)
        except ValueError as error:
            allowed = ", ".join(str(member.value) for member in enum)
            raise entry.error(f"write one of {allowed} here, not {entry.value!r}.") from error

    def known(self, key: str, among: dict[Any, Any], what: str) -> Any:
        """The value of `among` that the key names."""
        entry = self.get(key)
        if not isinstance(entry.value, str) or entry.value not in among:
            raise entry.error(f"{entry.value!r} is no {what}; add it, or correct the name.")
        return among[entry.value]


def read_seed(folder: Path, name: str) -> Entry:
    """Read one seed file; SeedError when it is missing or no YAML mapping."""
    try:
        content = yaml.safe_load((folder / name).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SeedError(f"{name}: the file is missing in {folder}; put it back.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SeedError(f"{name}: the file cannot be read; save it as UTF-8 text.") from error
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}" if mark else "a value"
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise SeedError(f"{name}: {line}: {problem}; correct the YAML there.") from error
    if not isinstance(content, dict):
        raise SeedError(f"{name}: write a mapping of keys and values at the top.")
    return Entry(name, "", content)


@contextmanager
def telling_refusals(name: str) -> Iterator[None]:
    """Turn a value the database refuses into a SeedError about the file; other failures pass."""
    try:
        yield
    except StatementError as error:
        if isinstance(error, DBAPIError) and not isinstance(error, (IntegrityError, DataError)):
            raise
        cause = " ".join(str(error.orig or error).split())
        raise SeedError(f"{name}: the database refuses this: {cause}; correct the file.") from error
