"""Stored files: a proof as it is uploaded; a file shown in the browser, never run there."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import quote

from flask import Response, abort

from app.models import StoredFile
from app.services import materials
from app.services.materials import Proof, open_file
from app.services.settings import parameter
from app.views.forms import read_upload

PROOF_LIMIT = 5 * 1024 * 1024


def read_proof(name: str, now: datetime) -> Proof | None:
    """The posted proof, kept in the object store; None without one. Raises FileRefusedError."""
    limit = int(parameter("file_max_bytes"))
    sent = read_upload(name, limit)
    if sent is None:
        return None
    kept = materials.clean_filename(sent[0])
    file = materials.store_file(
        sent[1], kept, allowed_types=parameter("file_types"), max_bytes=limit, now=now
    )
    return Proof(file, kept)


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
