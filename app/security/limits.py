"""How often an address or an account may do something, counted in Redis for all processes.

Open pages stay open when Redis is away. Sign-in, look-ups of personal data and whatever an account
does that is counted close, so that nobody can try names, numbers and passwords uncounted. The
limits are settings, `…_RATE_LIMIT`, so that a province can change them.
"""

from __future__ import annotations

import ipaddress
import logging
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from flask import Flask, Response, after_this_request, current_app, request
from limits import RateLimitItem, parse_many
from redis.exceptions import RedisError

from app import clock
from app.crypto import keyring
from app.domain.errors import DomainError
from app.domain.messages import N_
from app.security import lockout
from app.security.actors import current_actor, require_signed_in
from app.services.sign_in import find_account, name_of_tries

log = logging.getLogger(__name__)

ADDRESS_SHARE = 10
"""So many accounts may work behind one address: what an account may do, ten times."""

COUNTED = {
    "AccountView.search": "persons",
    "AccountView.reveal": "persons",
    "AccountView.add": "persons",
    "TransferView.add": "persons",
    "UnitView.reveal": "persons",
    "ExportView.new": "exports",
    "ImportView.codes": "exports",
    "ImportView.new": "imports",
    "ImportView.confirm": "imports",
    "OwnPasswordView.change": "proofs",
    "AccountSecurityView.remove": "proofs",
}
"""What is counted when it is sent (POST), and under which name: `PERSONS_RATE_LIMIT` and so on."""


class TooManyRequestsError(DomainError):
    """More requests than an address may send (HTTP 429)."""

    code = "too_many_requests"
    http_status = 429
    template = N_("Too many requests from your network. Wait a minute and try again.")


class TooOftenError(TooManyRequestsError):
    """An account has done something more often than it may (HTTP 429)."""

    template = N_("This was done too often. Wait %(minutes)s minutes and try again.")


class LookUpsClosedError(DomainError):
    """Requests cannot be counted at the moment, so look-ups are closed (HTTP 503)."""

    code = "lookups_closed"
    http_status = 503
    template = N_("Look-ups are closed for a moment. Try again in a few minutes.")


def register(app: Flask) -> None:
    """Count sign-ins and what `COUNTED` names, before any view runs."""
    app.before_request(count_what_is_sent)


def count_what_is_sent() -> None:
    """TooManyRequestsError above a limit; LookUpsClosedError where nobody can count."""
    if request.method != "POST":
        return
    if request.endpoint == "PortalAuthView.login":
        limit_sign_ins(request.form.get("login") or request.form.get("username") or "")
    name = COUNTED.get(request.endpoint or "")
    if name and current_actor().account_id is not None:
        limit_account(name)


def limit_pages() -> None:
    """Count a request for an open page; TooManyRequestsError above the limit."""
    try:
        _count("pages", _limits("PAGE"), _visitor())
    except RedisError as error:
        log.warning("open pages are not counted: %s", error.__class__.__name__)


def limit_look_ups() -> None:
    """Count a look-up; TooManyRequestsError above the limit, LookUpsClosedError without Redis."""
    with _closed_without_redis():
        _count("look_ups", _limits("LOOKUP"), _visitor())


def limit_sign_ins(login: str) -> None:
    """Count a sign-in to an account from anywhere it is not known from.

    Right and wrong passwords, accounts that are and those that are not count alike, and every login
    of an account counts under the same keyed hash. Addresses it has been used from are left to the
    lock-out (`app/security/lockout.py`), so that nobody elsewhere can keep its owner out.
    """
    name = name_of_tries(login, find_account(login))
    with _closed_without_redis():
        if lockout.is_known(name, request.remote_addr or ""):
            return
        _count("sign_ins", _limits("ACCOUNT_AUTH"), keyring().lookup_hash(name), TooOftenError)


def limit_account(name: str, limits: str = "") -> None:
    """Count what the signed-in account does under `name`, and ten times as much for its address.

    `limits` are those of the setting `NAME_RATE_LIMIT` unless given. TooOftenError above them,
    LookUpsClosedError without Redis.
    """
    account_id = require_signed_in().account_id
    allowed = parse_many(limits) if limits else _limits(name.upper())
    wider = [item.__class__(item.amount * ADDRESS_SHARE, item.multiples) for item in allowed]
    with _closed_without_redis():
        _count(name, wider, _visitor())
        _count(name, allowed, f"account-{account_id}", TooOftenError)


@contextmanager
def _closed_without_redis() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        log.error("what must be counted is closed: %s", error.__class__.__name__)  # noqa: TRY400 -- known, no traceback
        raise LookUpsClosedError from error


def _limits(name: str) -> list[RateLimitItem]:
    return parse_many(str(current_app.config[f"{name}_RATE_LIMIT"]))


def _count(
    name: str,
    limits: Iterable[RateLimitItem],
    whose: str,
    refusal: type[TooManyRequestsError] = TooManyRequestsError,
) -> None:
    limiter = current_app.extensions["appbuilder"].sm.limiter
    if not limiter.enabled:
        return
    keys = (current_app.config.get("RATELIMIT_KEY_PREFIX", ""), name, whose)
    for item in limits:
        if not limiter.limiter.hit(item, *keys):
            seconds = _say_when(limiter.limiter.get_window_stats(item, *keys).reset_time)
            raise refusal(minutes=math.ceil(seconds / 60))


def _say_when(reset: float) -> int:
    """Put the seconds until then into the answer, and return them."""
    seconds = max(1, int(reset - clock.real_now().timestamp()) + 1)

    @after_this_request
    def add_header(response: Response) -> Response:
        response.headers["Retry-After"] = str(seconds)
        return response

    return seconds


def _visitor() -> str:
    """The address; of IPv6 the network, since one line has 2^64 addresses."""
    try:
        address = ipaddress.ip_address(request.remote_addr or "")
    except ValueError:
        return "unknown"
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network(f"{address}/64", strict=False))
