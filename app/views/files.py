"""A stored file as an answer: shown in the browser, never run there."""

from __future__ import annotations

from urllib.parse import quote

from flask import Response, abort

from app.models import StoredFile
from app.services.materials import open_file


def show_file(file: StoredFile, name: str = "") -> Response:
    """The file under its name; 404 when the object store has lost it.

    Who may see it is decided before.
    """
    try:
        content = open_file(file.sha256)
    except FileNotFoundError:
        abort(404)
    response = Response(content, mimetype=file.media_type)
    named = f"; filename*=UTF-8''{quote(name)}" if name else ""
    response.headers["Content-Disposition"] = f"inline{named}"
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; object-src 'self'; "
        "frame-ancestors 'self'"
    )
    return response
