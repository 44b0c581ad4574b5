"""Addresses within the editor, and the way to its pages."""

from __future__ import annotations

from urllib.parse import urlencode

from flask import url_for
from flask_babel import gettext as _


def edit_url(key: str, at: str = "", focus: str = "") -> str:
    """The address of the editor with an item chosen."""
    given = {name: value for name, value in (("at", at), ("focus", focus)) if value}
    address = url_for("ScreenEditorView.edit", key=key)
    return f"{address}?{urlencode(given)}" if given else address


def crumbs_to(title: str, key: str, here: str = "") -> list[tuple[str, str]]:
    """The way to the editor of a screen, or to a page below it."""
    way = [
        (_("Screen configuration"), ""),
        (_("Screens and forms"), url_for("ScreenEditorView.list")),
    ]
    return [*way, (title, edit_url(key)), (here, "")] if here else [*way, (title, "")]
