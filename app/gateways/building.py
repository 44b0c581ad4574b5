"""Choosing the drivers of a site from its configuration."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from redis import Redis

from app.gateways import Gateways
from app.gateways.http import HttpCards, HttpTexts, SignedPost
from app.gateways.rehearsal import RehearsalCards, RehearsalTexts

log = logging.getLogger(__name__)


def build_gateways(settings: Mapping[str, Any], store: Redis) -> Gateways:
    """The local drivers in a rehearsal; in production those of the configured gateways.

    A rehearsal never writes to a real phone, whatever is configured. A method without its gateway
    is off.
    """
    if settings["PORTAL_MODE"] == "rehearsal":
        return Gateways(texts=RehearsalTexts(store), cards=RehearsalCards(store))
    texts, cards = (_post(settings, name) for name in ("SMS_GATEWAY", "ESSC_GATEWAY"))
    if cards is None:
        log.warning("ESSC_GATEWAY_URL is not set: signing in by card is off")
    return Gateways(
        texts=HttpTexts(texts) if texts else None, cards=HttpCards(cards) if cards else None
    )


def _post(settings: Mapping[str, Any], name: str) -> SignedPost | None:
    url = settings.get(f"{name}_URL")
    if not url:
        return None
    return SignedPost(url, settings[f"{name}_KEY"], seconds=settings["GATEWAY_SECONDS"])
