"""Domain messages in the user's language."""

from __future__ import annotations

from flask_babel import gettext, lazy_gettext

from app.domain.errors import DomainError


def explain(error: DomainError) -> str:
    """The error's sentence, translated, with its parameters filled in (labels are translated
    too)."""
    params = {
        name: gettext(value) if isinstance(value, str) and value else value
        for name, value in error.params.items()
    }
    return str(gettext(error.template)) % params


def sentence(template: str, **params: str) -> str:
    """A text marked with N_(), translated, with its parameters filled in as they are."""
    return str(gettext(template)) % params


def label(text: str) -> object:
    """A text the domain marked with N_(), to be translated when it is shown."""
    return lazy_gettext(text)


def say(text: str) -> str:
    """A msgid in the user's language now; in a job, in the portal's own."""
    return str(gettext(text)) if text else ""
