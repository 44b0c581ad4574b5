"""The demo accounts a rehearsal can be entered with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import select

import config
from app.domain.workflow import ActorRole
from app.extensions import db
from app.models import Account
from app.services.accounts import personal_login
from app.services.seed_files import read_seed


def list_demo_accounts(folder: Path | None = None) -> list[dict[str, Any]]:
    """Return `{role, login, password, name, unit}`: first one account a role, then all the others.

    Only accounts on file are listed, so an instance without demo data has none.
    """
    people = read_seed(folder or config.SEED_FOLDER, "demo/people.yaml")
    password = people.text("demo_password")
    on_file = {
        row.username: row for row in db.session.scalars(select(Account).where(Account.is_demo))
    }
    cast = [
        (entry.value, on_file[login])
        for part in ("staff", "applicants", "experts")
        for entry in people.items(part)
        if (login := _stored_login(entry.value)) in on_file
    ]
    return [
        {
            "role": role,
            "login": entry["login"],
            "password": password,
            "name": account.first_name,
            "unit": account.unit.name if account.unit else "",
        }
        for role, entry, account in _in_order(cast)
    ]


def _stored_login(entry: dict[str, Any]) -> str:
    """The username on file: a document number is stored as its keyed hash."""
    login = str(entry["login"])
    return personal_login(login) if login == entry.get("resident_id_number") else login


def _in_order(
    cast: list[tuple[dict[str, Any], Account]],
) -> Iterator[tuple[str, dict[str, Any], Account]]:
    listed: set[str] = set()
    for role in ActorRole:
        holders = [one for one in cast if role.value in one[0]["roles"]]
        fresh = [one for one in holders if one[0]["login"] not in listed]
        for entry, account in (fresh or holders)[:1]:
            listed.add(entry["login"])
            yield role.value, entry, account
    for entry, account in cast:
        if entry["login"] not in listed:
            yield entry["roles"][0], entry, account
