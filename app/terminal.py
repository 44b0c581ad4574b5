"""What commands say: the portal's language by plain gettext, before there is any application.

A leaf, so that configuration and launcher may use it. Where no catalogue is compiled yet, English.
"""

from __future__ import annotations

import gettext as _gettext
import os
from functools import cache
from pathlib import Path

TRANSLATIONS = Path(__file__).resolve().parent.parent / "translations"


def gettext(text: str, **params: object) -> str:
    """Return `text` in the portal's language with its parameters filled in, as one line."""
    said = _catalogue(os.environ.get("PORTAL_LANGUAGE", "").strip().lower() or "zh").gettext(text)
    return " ".join((said % params if params else said).split())


@cache
def _catalogue(language: str) -> _gettext.NullTranslations:
    return _gettext.translation("messages", TRANSLATIONS, languages=[language], fallback=True)
