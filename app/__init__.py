"""职称评审信息系统: the portal of a province's yearly review of professional titles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flask import Flask


def create_app(**overrides: Any) -> Flask:
    """Build the portal; `overrides` replace values of config.py (tests, commands).

    The import is late so that `app.domain` and `./portal rules` load without Flask.
    """
    from app.factory import build_app  # noqa: PLC0415 -- app.domain must load without Flask

    return build_app(overrides)
