"""Whether a form was sent by a page of this site.

Forms that need no sign-in carry no token: a token needs a session, and a session for every visitor
would keep public pages out of every cache. Browsers say where a form comes from.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask, current_app, request

from app.domain.errors import NotPermittedError
from app.domain.messages import N_
from app.extensions import csrf

READING = ("GET", "HEAD", "OPTIONS")


class ForeignFormError(NotPermittedError):
    """Another site's page has sent this request (HTTP 403)."""

    code = "foreign_form"
    template = N_("This was not sent by a page of this portal. Open the page here and try again.")


def register(app: Flask) -> None:
    """Refuse what another site's page sends, before anything else looks at it."""
    app.before_request_funcs.setdefault(None, []).insert(0, refuse_foreign_forms)


def refuse_foreign_forms() -> None:
    """ForeignFormError for a change sent by another site; forms without a token say so themselves,
    with what was typed."""
    view = app_view()
    if request.method not in READING and view not in csrf._exempt_views and comes_from_elsewhere():
        raise ForeignFormError


def app_view() -> str:
    """The view function a request leads to, as Flask-WTF names it."""
    function = current_app.view_functions.get(request.endpoint or "")
    return f"{function.__module__}.{function.__name__}" if function else ""


def was_sent_by_a_page_here() -> bool:
    """Whether the browser says for sure that a page of this site has sent the request."""
    said = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    return any(said) and not comes_from_elsewhere()


def comes_from_elsewhere() -> bool:
    """Whether the browser says that another site sent this request."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = request.headers.get("Origin")
    if origin is None:
        return False  # not a browser
    return urlsplit(origin).netloc != request.host
