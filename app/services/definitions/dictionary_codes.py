"""The codes a choice offers, as far as they are known before somebody opens the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from app.extensions import db
from app.models import Dictionary, DictionaryEntry
from app.services.definitions.registered import CHOICES, ENUMERATIONS


def dictionary_codes(key: str) -> dict[str, bool] | None:
    """Code -> whether it is offered; None for a dictionary nobody knows."""
    if db.session.get(Dictionary, key) is None:
        return None
    rows = db.session.execute(
        select(DictionaryEntry.code, DictionaryEntry.is_active).where(
            DictionaryEntry.dictionary == key
        )
    )
    return dict(rows.all())


def codes_of(given: Mapping[str, Any], *, with_retired: bool) -> set[str] | None:
    """The codes of a choice; None where only the program knows them, or for other kinds."""
    if given["kind"] not in CHOICES:
        return None
    if given.get("options"):
        return {
            str(option["code"])
            for option in given["options"]
            if with_retired or not option.get("is_retired")
        }
    if given.get("dictionary"):
        codes = dictionary_codes(str(given["dictionary"])) or {}
        return {code for code, is_active in codes.items() if is_active or with_retired}
    if given.get("source"):
        return None
    found = ENUMERATIONS.get(str(given.get("enumeration")))
    return {str(member.value) for member in found} if found else None
