"""Differences and findings of definitions as sentences in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import get_locale, gettext

from app.services.definitions.differences import Difference, Word, label_of
from app.services.definitions.lint import Finding
from app.services.form_definition import Label


def say(value: Any) -> str:
    """One param in words: message ids are translated, what somebody typed stays as it is."""
    if isinstance(value, Word):
        return str(gettext(value))
    if isinstance(value, Label):
        return value.zh if is_chinese() else str(value)
    if isinstance(value, tuple | list):
        return "、".join(say(each) for each in value)
    return str(value)


def is_chinese() -> bool:
    """Whether the reader reads Chinese."""
    locale = get_locale()
    return locale is None or locale.language == "zh"


def say_difference(difference: Difference) -> str:
    """A difference as a sentence."""
    params = {name: say(value) for name, value in difference.params.items()}
    return str(gettext(difference.template)) % params


def say_finding(finding: Finding) -> str:
    """A finding of the check as a sentence."""
    params = {
        name: value if isinstance(value, int | float) else say(value)
        for name, value in finding.params.items()
    }
    return str(gettext(finding.template)) % params


def name_of_item(item: Mapping[str, Any]) -> str:
    """What a screen, section or field is called."""
    return say(label_of(item))
