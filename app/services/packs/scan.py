"""What must never stand in a configuration pack: numbers of persons, and secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.domain.errors import RuleViolation
from app.domain.messages import N_
from app.logs import (
    ACTIVATION_CODE,
    DOCUMENT_NUMBER,
    MOBILE_NUMBER,
    RESIDENCE_NUMBER,
    STORED_LOGIN,
)

DEEPEST: Final = 12
"""No configuration is nested deeper."""

_PERSONAL: Final = (DOCUMENT_NUMBER, RESIDENCE_NUMBER, MOBILE_NUMBER, STORED_LOGIN)
_SECRET: Final = (
    ACTIVATION_CODE,
    re.compile(r"-----BEGIN [A-Z ]*(?:KEY|CERTIFICATE)"),
    re.compile(
        r"(?i)(?:password|passwd|pwd|passphrase|secret|token|api[_-]?key|口令|密码|密钥)"
        r"\s*[=:：]\s*[^\s，。；]{4,}"
    ),
    re.compile(r"(?i)\bbearer\s+[a-z0-9._~+/-]{16,}"),
    re.compile(r"(?i)\b[a-z][a-z0-9+.-]*://[^\s/:@]+:[^\s/@]+@"),
    re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    re.compile(r"(?<![0-9a-f])(?=[0-9a-f]*[a-f])(?=[0-9a-f]*[0-9])[0-9a-f]{32,}(?![0-9a-f])"),
    re.compile(
        r"(?<![A-Za-z0-9+/])(?=[A-Za-z0-9+/]*[a-z])(?=[A-Za-z0-9+/]*[A-Z])"
        r"(?=[A-Za-z0-9+/]*[0-9])[A-Za-z0-9+/]{40,}={0,2}"
    ),
)


class NotForPacksError(RuleViolation):
    """Something stands in the configuration that no pack may carry. Params: `file`, `row`,
    `place`; never the value."""

    code = "not_for_packs"


def require_harmless(file: str, objects: list[Any]) -> None:
    """Refuse, with the place, what a pack must not carry, and texts nothing can store."""
    for row, document in enumerate(objects, start=1):
        for place, value in _walk("", document, 0):
            template = _fault(value)
            if template:
                raise NotForPacksError(template, file=file, row=row, place=ascii(place)[1:-1][:120])


def _fault(value: str) -> str:
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        return N_("%(file)s, entry %(row)s, %(place)s: a text that cannot be stored. Correct it.")
    if any(pattern.search(value) for pattern in _PERSONAL):
        return N_(
            "%(file)s, entry %(row)s, %(place)s: this looks like the number of a person. A pack "
            "carries no personal data: take it out of the configuration."
        )
    if any(pattern.search(value) for pattern in _SECRET):
        return N_(
            "%(file)s, entry %(row)s, %(place)s: this looks like a password or a key. A pack "
            "carries no secrets: take it out of the configuration."
        )
    return ""


def _walk(place: str, value: Any, depth: int) -> Iterator[tuple[str, str]]:
    if depth > DEEPEST:
        yield place, "\0"
    elif isinstance(value, Mapping):
        for name, item in value.items():
            inner = f"{place}/{name}".lstrip("/")
            yield inner, name
            yield from _walk(inner, item, depth + 1)
    elif isinstance(value, list):
        for number, item in enumerate(value, start=1):
            yield from _walk(f"{place}[{number}]", item, depth + 1)
    elif not isinstance(value, bool) and value is not None:
        yield place, str(value)
