"""The ways out of the portal to people's phones and cards.

Each has a local driver for rehearsals, which needs nothing and shows everything on the
administrator's page, and a driver for a real gateway. Built once by the factory from config.py;
nobody else talks to a gateway.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from flask import current_app


class GatewayError(Exception):
    """A gateway could not be reached or did not accept a message; never shows what was sent."""


@dataclass(frozen=True, repr=False)
class TextMessage:
    """A text to a phone; `id` stays the same however often it is tried. Never printed."""

    id: str
    phone: str
    text: str
    template: str
    params: dict[str, str]


class TextGateway(Protocol):
    """A driver that carries texts to phones."""

    def send(self, message: TextMessage | None) -> None:
        """Take a message over; None does the same work and reaches nobody.

        Returns before the message has arrived, so that no answer of the portal tells by its time
        whether somebody was written to.
        """


class CardGateway(Protocol):
    """A driver that lets an e-social-security card scan a QR code."""

    def begin(self, ticket: str) -> str:
        """What the QR code of a new ticket holds; raises GatewayError."""

    def is_signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether a callback comes from the gateway."""


@dataclass(frozen=True)
class Gateways:
    """The drivers in use; None where the site has none, and the method is off."""

    texts: TextGateway | None
    cards: CardGateway | None


def gateways() -> Gateways:
    """The drivers of the running application."""
    found: Gateways = current_app.extensions["gateways"]
    return found
