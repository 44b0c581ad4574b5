"""Choosing the drivers of a site from its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redis import Redis

from app.gateways import Gateways
from app.gateways.rehearsal import RehearsalTexts


def build_gateways(settings: Mapping[str, Any], store: Redis) -> Gateways:
    """The local drivers in a rehearsal; in production those of the configured gateways."""
    if settings["PORTAL_MODE"] == "rehearsal":
        return Gateways(texts=RehearsalTexts(store))
    return Gateways(texts=None)
