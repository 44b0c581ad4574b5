"""The proxies in front: only those of TRUSTED_PROXIES are believed.

They say who asks (X-Forwarded-For, -Proto, -Host) and when a request arrived (X-Request-Start,
`t=` seconds since 1970), so that a submission that waited in a queue still counts by its arrival
(docs/rules.md 3.2, the last second).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask, g, request
from werkzeug.middleware.proxy_fix import ProxyFix

from app import clock

LONGEST_WAIT = timedelta(seconds=60)
"""An arrival further back than a request may take is not believed."""

TRUSTED = "portal.trusted_proxy"
_START = re.compile(r"t=(\d{10}\.\d{3,6})", flags=re.ASCII)

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


class TrustedProxies:
    """WSGI middleware: forwarded headers count from a trusted proxy, else not at all."""

    def __init__(self, app: Wsgi, networks: Sequence[str]) -> None:
        self.direct = app
        self.fixed = ProxyFix(app, x_for=1, x_proto=1, x_host=1)
        self.networks = [ipaddress.ip_network(network) for network in networks]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if self._is_trusted(environ.get("REMOTE_ADDR", "")):
            environ[TRUSTED] = True
            return self.fixed(environ, start_response)
        return self.direct(environ, start_response)

    def _is_trusted(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self.networks)


def register(app: Flask) -> None:
    """Believe the configured proxies, and stamp each request with its arrival first of all."""
    if app.config["TRUSTED_PROXIES"]:
        app.wsgi_app = TrustedProxies(app.wsgi_app, app.config["TRUSTED_PROXIES"])  # type: ignore[method-assign]
    app.before_request_funcs.setdefault(None, []).insert(0, stamp_arrival)


def stamp_arrival() -> None:
    """Put the business instant of the request's arrival into `g.received_at`."""
    g.received_at = clock.now() - waited()


def waited() -> timedelta:
    """How long a trusted proxy says the request has waited; nothing without one."""
    if not request.environ.get(TRUSTED):
        return timedelta(0)
    found = _START.fullmatch(request.headers.get("X-Request-Start", ""))
    if found is None:
        return timedelta(0)
    wait = clock.real_now() - datetime.fromtimestamp(float(found[1]), UTC)
    return wait if timedelta(0) <= wait <= LONGEST_WAIT else timedelta(0)
