"""Real gateways: JSON by POST, signed with a shared key.

`X-Portal-Signature` is the hexadecimal HMAC-SHA256 of `X-Portal-Timestamp`, a point and the body.
A gateway answers 2xx with a JSON object; `accepted` false refuses. A lost, slow or garbled answer
and a 5xx are tried once more with the same `message_id`, by which the gateway knows a message it
has already: nothing is sent twice. A 4xx is final.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from app import clock
from app.gateways import GatewayError, TextMessage

log = logging.getLogger(__name__)

TRIES = 2
SENDERS = 4
MOST_BYTES = 64 * 1024
MOST_CHARACTERS = 1000
"""Of a QR code."""
CLOCKS_MAY_DIFFER_SECONDS = 300


class GatewayRefusedError(GatewayError):
    """The gateway has understood and does not want it: trying again is of no use."""


def sign(key: str, timestamp: str, body: bytes) -> str:
    """The signature of a body sent or received at `timestamp` (seconds since 1970)."""
    return hmac.new(key.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def is_signed(key: str, timestamp: str, body: bytes, signature: str) -> bool:
    """Whether a message is from who holds the key, and not an old one sent again."""
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
        return False
    age = abs(clock.real_now().timestamp() - int(timestamp))
    expected = sign(key, timestamp, body)
    return age <= CLOCKS_MAY_DIFFER_SECONDS and hmac.compare_digest(
        expected.encode(), signature.encode()
    )


@dataclass(frozen=True, repr=False)
class SignedPost:
    """One address of a gateway with its key. `seconds` is the time-out of each network step."""

    url: str
    key: str
    seconds: float = 5.0

    def post(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send, once more where no usable answer came; raises GatewayError."""
        for left in reversed(range(TRIES)):
            try:
                return self._post_once(message)
            except GatewayRefusedError:
                raise
            except (OSError, http.client.HTTPException, ValueError, GatewayError) as error:
                if not left:
                    raise GatewayError(type(error).__name__) from error
        raise GatewayError

    def _post_once(self, message: dict[str, Any]) -> dict[str, Any]:
        body = json.dumps(message, ensure_ascii=False).encode()
        timestamp = str(int(clock.real_now().timestamp()))
        parts = urlsplit(self.url)
        is_safe = parts.scheme == "https"
        connect = http.client.HTTPSConnection if is_safe else http.client.HTTPConnection
        connection = connect(parts.hostname or "", parts.port, timeout=self.seconds)
        try:
            connection.request(
                "POST",
                parts.path + (f"?{parts.query}" if parts.query else "") or "/",
                body,
                {
                    "Content-Type": "application/json; charset=utf-8",
                    "X-Portal-Timestamp": timestamp,
                    "X-Portal-Signature": sign(self.key, timestamp, body),
                },
            )
            answer = connection.getresponse()
            text = answer.read(MOST_BYTES)
        finally:
            connection.close()
        if 400 <= answer.status < 500:
            raise GatewayRefusedError(f"status {answer.status}")
        if not 200 <= answer.status < 300:
            raise GatewayError(f"status {answer.status}")
        said = json.loads(text)
        if not isinstance(said, dict):
            raise GatewayError("no object")
        if said.get("accepted") is False:
            raise GatewayRefusedError("not accepted")
        return said


@dataclass
class HttpTexts:
    """Hands texts to an SMS gateway, from a few threads of its own: no answer waits for it."""

    gateway: SignedPost
    _pool: ThreadPoolExecutor | None = field(default=None, init=False)

    def send(self, message: TextMessage | None) -> None:
        """Take a message over; a failure is logged by its id."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(SENDERS, thread_name_prefix="texts")
        self._pool.submit(self.deliver, message)

    def deliver(self, message: TextMessage | None) -> bool:
        """Send now; whether the gateway has taken it."""
        if message is None:
            return False
        try:
            self.gateway.post(
                {
                    "message_id": message.id,
                    "phone": message.phone,
                    "template": message.template,
                    "params": message.params,
                    "text": message.text,
                }
            )
        except GatewayError as error:
            log.error("text %s was not taken by the gateway: %s", message.id, error)  # noqa: TRY400 -- known, no traceback
            return False
        return True


@dataclass
class HttpCards:
    """Asks a card gateway for the content of a QR code; the scan is told by its callback."""

    gateway: SignedPost

    def begin(self, ticket: str) -> str:
        """What the QR code of this ticket holds; raises GatewayError."""
        said = self.gateway.post({"message_id": ticket, "ticket": ticket})
        content = said.get("qr")
        if not isinstance(content, str) or not 0 < len(content) <= MOST_CHARACTERS:
            raise GatewayError("no content of a QR code")
        return content

    def is_signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether a callback carries the signature of the shared key, not older than 5 minutes."""
        timestamp = headers.get("X-Portal-Timestamp") or ""
        signature = headers.get("X-Portal-Signature") or ""
        return is_signed(self.gateway.key, timestamp, body, signature)
