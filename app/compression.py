"""gzip for answers anybody may have.

Only what is marked `Cache-Control: public` is compressed: no secret of an account stands in it, so
its length gives nothing away (BREACH).
"""

from __future__ import annotations

import gzip

from flask import Flask, Response, request

LEAST_BYTES = 800
"""Below this the headers of gzip cost more than it saves."""

TEXT = ("text/", "application/json", "application/javascript", "image/svg+xml")


def register(app: Flask) -> None:
    """Compress after every request."""
    app.after_request(_compress)


def _compress(response: Response) -> Response:
    if not response.cache_control.public or not (response.mimetype or "").startswith(TEXT):
        return response
    response.vary.add("Accept-Encoding")
    wanted = request.accept_encodings.quality("gzip") > 0
    if not wanted or response.status_code != 200 or "Content-Encoding" in response.headers:
        return response
    response.direct_passthrough = False
    content = response.get_data()
    if len(content) < LEAST_BYTES:
        return response
    response.set_data(gzip.compress(content, compresslevel=6, mtime=0))
    response.headers["Content-Encoding"] = "gzip"
    tag, _weak = response.get_etag()
    if tag:
        response.set_etag(tag, weak=True)  # the same content in another coding
    return response
