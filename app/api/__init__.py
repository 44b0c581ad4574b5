"""REST resources and the public look-ups."""

from __future__ import annotations

from typing import Any

from app.api.openapi import DescriptionApi
from app.api.public import PublicApi


def register(appbuilder: Any) -> None:
    """Add the resources to the application."""
    appbuilder.add_api(PublicApi)
    appbuilder.add_api(DescriptionApi)
