"""Who asks and when a request arrived: believed from configured proxies alone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask, g, request

from app import clock, proxies

NETWORKS = ["10.0.0.0/8"]


def ask(app: Flask, peer: str, **headers: str) -> tuple[str, timedelta]:
    """The address the portal sees, and how long the request has waited."""
    seen: list[tuple[str, timedelta]] = []

    def inside(environ: dict[str, object], start_response: object) -> list[bytes]:
        with app.request_context(environ):
            seen.append((request.remote_addr or "", proxies.waited()))
        return []

    middleware = proxies.TrustedProxies(inside, NETWORKS)
    with app.test_request_context(headers=headers, environ_base={"REMOTE_ADDR": peer}) as context:
        middleware(context.request.environ, None)
    return seen[0]


def start(ago: float) -> str:
    return f"t={clock.real_now().timestamp() - ago:.3f}"


def test_trusted_proxy_names_the_client(app: Flask) -> None:
    assert ask(app, "10.1.2.3", **{"X-Forwarded-For": "203.0.113.9"})[0] == "203.0.113.9"


def test_anybody_else_is_not_believed(app: Flask) -> None:
    headers = {"X-Forwarded-For": "203.0.113.9", "X-Request-Start": start(5)}
    assert ask(app, "192.0.2.1", **headers) == ("192.0.2.1", timedelta(0))


def test_wait_in_the_queue_does_not_count_against_anyone(app: Flask) -> None:
    _address, wait = ask(app, "10.1.2.3", **{"X-Request-Start": start(5)})
    rounding = timedelta(milliseconds=1)  # the proxy writes thousandths
    assert timedelta(seconds=5) - rounding <= wait < timedelta(seconds=30)


@pytest.mark.parametrize("header", ["", "t=abc", "1659690000.000", -30, 90])
def test_impossible_arrival_is_not_believed(app: Flask, header: str | int) -> None:
    header = start(header) if isinstance(header, int) else header
    assert ask(app, "10.1.2.3", **{"X-Request-Start": header})[1] == timedelta(0)


def test_every_request_is_stamped(app: Flask) -> None:
    with app.test_client() as client:
        client.get("/healthz")
        assert abs(g.received_at - clock.now()) < timedelta(seconds=2)
