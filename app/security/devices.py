"""Which browser on which system, in the words people use for them; from what the browser says."""

from __future__ import annotations

import re
from collections.abc import Mapping

from flask import Request
from flask_babel import gettext

from app.domain.messages import N_

BROWSERS: Mapping[str, str] = {
    "MicroMessenger": N_("WeChat"),
    "DingTalk": N_("DingTalk"),
    "QQBrowser": N_("QQ browser"),
    "360SE|360EE|QIHU|QHBrowser": N_("360 browser"),
    "UCBrowser": N_("UC browser"),
    "HuaweiBrowser": N_("Huawei browser"),
    "MiuiBrowser": N_("Xiaomi browser"),
    "Edge?/|EdgA|EdgiOS": N_("Edge browser"),
    "Firefox|FxiOS": N_("Firefox browser"),
    "Chrome|CriOS|Chromium": N_("Chrome browser"),
    "Safari": N_("Safari browser"),
}
"""The first that fits: most of them also call themselves Chrome and Safari."""

SYSTEMS: Mapping[str, str] = {
    "HarmonyOS|OpenHarmony": N_("HarmonyOS device"),
    "Windows": N_("Windows computer"),
    "iPhone": N_("iPhone"),
    "iPad": N_("iPad"),
    "Android": N_("Android device"),
    "Macintosh": N_("Mac computer"),
    "Linux": N_("Linux computer"),
}

UNKNOWN_BROWSER = N_("Another program")
UNKNOWN_SYSTEM = N_("unknown device")


def device_of(request: Request) -> dict[str, str]:
    """What is kept of the device behind a request: its address and two names, not the header."""
    said = request.headers.get("User-Agent", "")
    return {
        "address": request.remote_addr or "",
        "browser": _first(BROWSERS, said, UNKNOWN_BROWSER),
        "system": _first(SYSTEMS, said, UNKNOWN_SYSTEM),
    }


def in_words(name: str) -> str:
    """A kept name in the user's language."""
    return str(gettext(name))


def _first(names: Mapping[str, str], said: str, unknown: str) -> str:
    return next((name for sign, name in names.items() if re.search(sign, said)), unknown)
