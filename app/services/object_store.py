"""The object store: a folder or S3-compatible storage, as configured."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from obstore.store import from_url

from app.extensions import object_store_url


@lru_cache(maxsize=8)
def _store(url: str) -> Any:
    return from_url(url, mkdir=True) if url.startswith("file:") else from_url(url)


def object_store() -> Any:
    """The store files are kept in."""
    return _store(object_store_url())
