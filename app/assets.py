"""Files of the theme: vendored ones as compressed beforehand and kept for ever, ours with their
content's hash in the address."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any
from wsgiref.headers import Headers

from flask import Flask
from whitenoise import WhiteNoise


def register(app: Flask) -> None:
    """Serve `static/vendor/` beside its `.gz` files and mark the addresses of our own files."""
    static = Path(app.static_folder or "")
    files = WhiteNoise(
        app.wsgi_app,
        root=static / "vendor",
        prefix="static/vendor/",
        immutable_file_test=lambda _path, url: not url.endswith(".json"),
        allow_all_origins=False,
        add_headers_function=_add_headers,
    )
    # What a browser asks for beside a PDF or a picture, which cannot name an icon of their own.
    files.add_file_to_dictionary("/favicon.ico", str(static / "img" / "emblem.svg"))
    app.wsgi_app = files  # type: ignore[method-assign]

    @app.url_defaults
    def add_version(endpoint: str, values: dict[str, Any]) -> None:
        name = str(values.get("filename", ""))
        # A vendored file carries its version in its name.
        if endpoint == "static" and "v" not in values and not name.startswith("vendor/"):
            version = _version_of(static / name)
            if version:
                values["v"] = version


def _add_headers(headers: Headers, _path: str, _url: str) -> None:
    headers["X-Content-Type-Options"] = "nosniff"


@lru_cache(maxsize=256)
def _version_of(path: Path) -> str:
    """The first characters of the content's hash; nothing for a file that is not there."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:10]
    except OSError:
        return ""
