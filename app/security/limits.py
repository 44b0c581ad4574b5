"""How often an address may ask without signing in, counted in Redis for all processes.

Open pages stay open when Redis is away; look-ups of personal data close, so that nobody can try
names and numbers uncounted.
"""

from __future__ import annotations

import ipaddress
import logging

from flask import Response, after_this_request, current_app, request
from limits import parse_many
from redis.exceptions import RedisError

from app import clock
from app.domain.errors import DomainError
from app.domain.messages import N_

log = logging.getLogger(__name__)

PAGES = "600 per minute"
"""Open pages: an office behind one address, and no more."""

LOOK_UPS = "20 per minute; 300 per day"
"""Look-ups by name and document number, or by certificate number through the API."""


class TooManyRequestsError(DomainError):
    """More requests than an address may send (HTTP 429)."""

    code = "too_many_requests"
    http_status = 429
    template = N_("Too many requests from your network. Wait a minute and try again.")


class LookUpsClosedError(DomainError):
    """Requests cannot be counted at the moment, so look-ups are closed (HTTP 503)."""

    code = "lookups_closed"
    http_status = 503
    template = N_("Look-ups are closed for a moment. Try again in a few minutes.")


def limit_pages() -> None:
    """Count a request for an open page; TooManyRequestsError above the limit."""
    try:
        _count("pages", str(current_app.config.get("PAGE_RATE_LIMIT", PAGES)))
    except RedisError as error:
        log.warning("open pages are not counted: %s", error.__class__.__name__)


def limit_look_ups() -> None:
    """Count a look-up; TooManyRequestsError above the limit, LookUpsClosedError without Redis."""
    try:
        _count("look_ups", str(current_app.config.get("LOOKUP_RATE_LIMIT", LOOK_UPS)))
    except RedisError as error:
        log.error("look-ups are closed: %s", error.__class__.__name__)  # noqa: TRY400 -- known, no traceback
        raise LookUpsClosedError from error


def _count(name: str, limits: str) -> None:
    limiter = current_app.extensions["appbuilder"].sm.limiter
    if not limiter.enabled:
        return
    keys = (current_app.config.get("RATELIMIT_KEY_PREFIX", ""), name, _visitor())
    for item in parse_many(limits):
        if not limiter.limiter.hit(item, *keys):
            _say_when(limiter.limiter.get_window_stats(item, *keys).reset_time)
            raise TooManyRequestsError


def _say_when(reset: float) -> None:
    seconds = max(1, int(reset - clock.real_now().timestamp()) + 1)

    @after_this_request
    def add_header(response: Response) -> Response:
        response.headers["Retry-After"] = str(seconds)
        return response


def _visitor() -> str:
    """The address; of IPv6 the network, since one line has 2^64 addresses."""
    try:
        address = ipaddress.ip_address(request.remote_addr or "")
    except ValueError:
        return "unknown"
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network(f"{address}/64", strict=False))
