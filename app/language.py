"""Which language a page speaks, and the forms on it."""

from __future__ import annotations

from flask import Flask, current_app, has_request_context, request, session
from flask_babel import get_translations
from flask_wtf import FlaskForm


def register(app: Flask) -> None:
    """Choose the language here: FAB's own choice writes it into the session, so that every visitor
    would get a cookie and an entry in Redis."""
    app.extensions["babel"].locale_selector = select_locale
    FlaskForm.Meta.get_translations = lambda _meta, _form: FormTexts()


def select_locale() -> str:
    """`?_l_=` for programs, else what the visitor has chosen, else the portal's own language."""
    default = str(current_app.config["BABEL_DEFAULT_LOCALE"])
    if not has_request_context():
        return default
    wanted = request.args.get("_l_") or session.get("locale")
    return str(wanted) if wanted in current_app.config["LANGUAGES"] else default


class FormTexts:
    """WTForms' messages from our catalogue: its own Chinese lacks some and has others wrong."""

    def gettext(self, text: str) -> str:
        """The message in the language of the page."""
        return str(get_translations().ugettext(text))

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        """The message that fits the number."""
        return str(get_translations().ungettext(singular, plural, number))
