"""Security headers of every answer; pages load from this server only and run no inline script.

What a signed-in account is sent is kept by no cache: pages, files, JSON and failures alike. For
everybody else a view says itself what may be kept; without a word nothing is.
"""

from __future__ import annotations

from flask import Flask, Response, request
from flask_login import current_user
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "frame-ancestors 'self'",
        "manifest-src 'self'",
    )
)


ALWAYS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": (
        "camera=(), microphone=(), geolocation=(), payment=(), usb=(), display-capture=()"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""On every answer, files and failures too; a view may set its own value."""


def register(app: Flask) -> None:
    """Add the headers after every request."""
    app.after_request(_add_headers)


def _add_headers(response: Response) -> Response:
    headers = response.headers
    for name, value in ALWAYS.items():
        headers.setdefault(name, value)
    if request.is_secure:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
    is_file_of_ours = (request.endpoint or "").endswith("static")
    if not is_file_of_ours and (_is_signed_in() or "Cache-Control" not in headers):
        headers["Cache-Control"] = "no-store"
    return response


def _is_signed_in() -> bool:
    """Whether somebody is known to be signed in; without a database nobody is."""
    try:
        return bool(current_user.is_authenticated)
    except (SQLAlchemyError, RedisError):
        return False
