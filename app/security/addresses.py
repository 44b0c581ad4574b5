"""Document and telephone numbers somebody has put into an address are taken out of it at once.

Pages repeat their own address in links, and addresses are kept in many places. Numbers are searched
for by POST; where one stands in a query all the same, the page is opened again without it.
"""

from __future__ import annotations

import re
from urllib.parse import urlencode

from flask import Flask, flash, redirect, request
from flask_babel import gettext as _
from flask_login import current_user
from werkzeug.wrappers import Response

from app.domain.codes import compute_id_check

DOCUMENT = re.compile(r"[1-9][0-9]{5}(?:19|20)[0-9]{2}[01][0-9][0-3][0-9]{4}[0-9X]", re.IGNORECASE)
PHONE = re.compile(r"(?<![0-9])1[3-9][0-9]{9}(?![0-9])")
LEFT_ALONE = ("/api/", "/lookup/", "/public/verify", "/public/receipt")
"""What repeats no address, and what answers a number in words of its own."""


def register(app: Flask) -> None:
    """Look at the address of every page before it is made."""
    app.before_request(take_numbers_out)


def take_numbers_out() -> Response | None:
    """Open the page without the parameters that hold a number; None where there are none."""
    if request.method != "GET" or request.path.startswith(LEFT_ALONE):
        return None
    given = list(request.args.items(multi=True))
    kept = [(name, value) for name, value in given if not holds_number(f"{name} {value}")]
    if len(kept) == len(given) or holds_number(request.path):
        return None
    if current_user.is_authenticated:
        flash(
            _("Numbers of persons do not belong into an address. Search for them on the page."),
            "warning",
        )
    return redirect(f"{request.path}?{urlencode(kept)}" if kept else request.path)


def holds_number(text: str) -> bool:
    """Whether a valid resident identity number or a mobile number stands in a text."""
    return bool(PHONE.search(text)) or any(
        compute_id_check(found[:17]) == found[17].upper() for found in DOCUMENT.findall(text)
    )
