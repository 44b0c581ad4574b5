"""The access log: one masked JSON line a request, without query strings and referrers."""

from __future__ import annotations

from typing import Any

from gunicorn.glogging import Logger

UNLOGGED = ("/static/", "/healthz")


class AccessLog(Logger):  # type: ignore[misc, unused-ignore]
    """gunicorn's logger, saying what is needed and no more."""

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: Any) -> None:
        """Write who asked for which page, when, how it was answered and how long it took."""
        path = environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace")
        if path.startswith(UNLOGGED):
            return
        self.access_log.info(
            "request",
            extra={
                "address": environ.get("REMOTE_ADDR", ""),
                "method": environ.get("REQUEST_METHOD", ""),
                "path": path,
                "status": int(str(resp.status).split()[0]),
                "bytes": getattr(resp, "sent", 0),
                "ms": round(request_time.total_seconds() * 1000, 1),
            },
        )
