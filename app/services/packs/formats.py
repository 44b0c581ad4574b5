"""Formats of configuration packs: the present one, and the way from each earlier one.

A format changes only when a file or field gets another name or meaning; a new kind of object is a
new file and no new format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

FORMAT: Final = 2

Files = dict[str, Any]
"""The JSON of each member by its name without `.json`."""


def migrate(files: Files, written_in: int) -> Files:
    """Files of an earlier format as the present one names them.

    Raises KeyError, TypeError, AttributeError for files that are not of that format either.
    """
    for number in range(written_in, FORMAT):
        files = MIGRATIONS[number](files)
    return files


def _from_1(files: Files) -> Files:
    """Format 1 kept options within their dictionary, reasons as `reasons` by action, and said
    `offered` for `is_active`."""
    moved = {name: data for name, data in files.items() if name not in {"dictionaries", "reasons"}}
    if "dictionaries" in files:
        dictionaries = files["dictionaries"]["objects"]
        moved["dictionaries"] = {
            "objects": [
                {"dictionary": each["key"], **_but(each, "key", "items")} for each in dictionaries
            ]
        }
        moved["dictionary_entries"] = {
            "objects": [
                {"dictionary": each["key"], "is_active": item["offered"], **_but(item, "offered")}
                for each in dictionaries
                for item in each["items"]
            ]
        }
    if "reasons" in files:
        moved["reason_codes"] = {
            "objects": [
                {
                    "use": each["action"],
                    "name": each["text"],
                    "is_active": each["offered"],
                    **_but(each, "action", "text", "offered"),
                }
                for each in files["reasons"]["objects"]
            ]
        }
    return moved


def _but(document: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in names}


MIGRATIONS: Final[Mapping[int, Callable[[Files], Files]]] = {1: _from_1}
"""The way from each format to the next."""
