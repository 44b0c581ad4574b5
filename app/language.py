"""Which language a page speaks."""

from __future__ import annotations

from flask import Flask, current_app, has_request_context, request, session


def register(app: Flask) -> None:
    """Choose the language here: FAB's own choice writes it into the session, so that every visitor
    would get a cookie and an entry in Redis."""
    app.extensions["babel"].locale_selector = select_locale


def select_locale() -> str:
    """`?_l_=` for programs, else what the visitor has chosen, else the portal's own language."""
    default = str(current_app.config["BABEL_DEFAULT_LOCALE"])
    if not has_request_context():
        return default
    wanted = request.args.get("_l_") or session.get("locale")
    return str(wanted) if wanted in current_app.config["LANGUAGES"] else default
