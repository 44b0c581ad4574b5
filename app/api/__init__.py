"""REST resources and the public look-ups."""

from __future__ import annotations

from typing import Any


def register(appbuilder: Any) -> None:
    """Add the resources to the application."""
