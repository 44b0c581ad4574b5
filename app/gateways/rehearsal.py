"""Local drivers: a rehearsal's texts lie in a box that the administrator's page shows.

Never built in production. What the box holds is sealed with the data key and gone after an hour.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from redis import Redis

from app import clock
from app.crypto import keyring
from app.domain.codes import mask_phone
from app.gateways import TextMessage

BOX = "portal:rehearsal:texts"
SCANS = "portal:rehearsal:scans"
KEPT = 50
KEPT_SECONDS = 3600


@dataclass(frozen=True)
class SentText:
    """A text of a rehearsal, as the page shows it; `code` is what somebody has to type."""

    at: datetime
    phone_mask: str
    text: str
    code: str


class RehearsalTexts:
    """Puts every text into the box instead of sending it."""

    def __init__(self, store: Redis) -> None:
        self._store = store

    def send(self, message: TextMessage | None) -> None:
        """Keep the text; the newest first."""
        if message is None:
            return
        shown = {
            "at": clock.real_now().isoformat(timespec="seconds"),
            "phone_mask": mask_phone(message.phone),
            "text": message.text,
            "code": message.params.get("code", ""),
        }
        pipe = self._store.pipeline()
        pipe.lpush(BOX, keyring().encrypt(json.dumps(shown)))
        pipe.ltrim(BOX, 0, KEPT - 1)
        pipe.expire(BOX, KEPT_SECONDS)
        pipe.execute()

    def list_sent(self) -> list[SentText]:
        """The latest texts, the newest first."""
        sealed: list[Any] = self._store.lrange(BOX, 0, -1)
        rows = [json.loads(keyring().decrypt(blob)) for blob in sealed]
        return [SentText(**{**row, "at": datetime.fromisoformat(row["at"])}) for row in rows]


class RehearsalCards:
    """Shows a ticket as the QR code; the administrator's page confirms it for anybody's card."""

    def __init__(self, store: Redis) -> None:
        self._store = store

    def begin(self, ticket: str) -> str:
        """Keep the ticket for the administrator's page."""
        pipe = self._store.pipeline()
        pipe.lpush(SCANS, keyring().encrypt(ticket))
        pipe.ltrim(SCANS, 0, KEPT - 1)
        pipe.expire(SCANS, KEPT_SECONDS)
        pipe.execute()
        return f"rehearsal:{ticket}"

    def is_signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Nobody calls back in a rehearsal."""
        return False

    def list_tickets(self) -> list[str]:
        """The latest tickets, the newest first."""
        sealed: list[Any] = self._store.lrange(SCANS, 0, -1)
        return [keyring().decrypt(blob) for blob in sealed]
