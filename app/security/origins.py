"""Whether a form was sent by a page of this site.

Forms that need no sign-in carry no token: a token needs a session, and a session for every visitor
would keep public pages out of every cache. Browsers say where a form comes from.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import request


def comes_from_elsewhere() -> bool:
    """Whether the browser says that another site sent this request."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = request.headers.get("Origin")
    if origin is None:
        return False  # not a browser
    return urlsplit(origin).netloc != request.host
