"""电子社保卡扫码: the desktop shows a QR code, the gateway tells whose card has scanned it.

A scan is kept in Redis for three minutes under the keyed hash of its ticket; of the card's holder
only the keyed hash of the document number is kept. It lets somebody in once.
"""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import select

from app.crypto import keyring
from app.domain.errors import DomainError, RuleViolation
from app.domain.messages import N_
from app.extensions import db, redis_store
from app.gateways import GatewayError, gateways
from app.gateways.rehearsal import RehearsalCards
from app.models import Account, Person
from app.services.accounts import identity_hash
from app.services.rehearsal import is_rehearsal
from app.services.sign_in_codes import count_address, counting

VALID_SECONDS = 180
_OPEN = b"open"
_CONFIRM = """
if redis.call('GET', KEYS[1]) == 'open' then
  redis.call('SET', KEYS[1], ARGV[1], 'KEEPTTL')
  return 1
end
return 0
"""


class CardsClosedError(DomainError):
    """The card gateway does not answer, or there is none (HTTP 503)."""

    code = "cards_closed"
    http_status = 503
    template = N_(
        "Signing in by e-social-security card does not work at the moment. Use another method."
    )


def can_scan() -> bool:
    """Whether this site has a card gateway."""
    return gateways().cards is not None


def begin_scan(*, address: str) -> tuple[str, str]:
    """(ticket, content of the QR code) of a new scan, counted like a text from this address.

    Raises CardsClosedError, TooManyCodesError, SignInClosedError.
    """
    driver = gateways().cards
    if driver is None:
        raise CardsClosedError
    count_address(address)
    ticket = secrets.token_urlsafe(18)
    try:
        content = driver.begin(ticket)
    except GatewayError as error:
        raise CardsClosedError from error
    with counting():
        redis_store().set(_key(ticket), _OPEN, ex=VALID_SECONDS)
    return ticket, content


def confirm_scan(ticket: str, document_number: str) -> None:
    """Note whose card has scanned; once a ticket. Raises RuleViolation for any other."""
    with counting():
        done = redis_store().eval(_CONFIRM, 1, _key(ticket), identity_hash(document_number))
    if not done:
        raise RuleViolation(N_("This QR code is no longer valid. Have a new one shown."))


def rehearsal_tickets() -> list[str]:
    """The tickets of a rehearsal that wait for a scan, the newest first; none in production."""
    driver = gateways().cards
    if not is_rehearsal() or not isinstance(driver, RehearsalCards):
        return []
    return [ticket for ticket in driver.list_tickets() if scan_state(ticket) == "open"]


def scan_state(ticket: str) -> str:
    """`open`, `confirmed` or `gone`."""
    with counting():
        kept = redis_store().get(_key(ticket))
    return "gone" if kept is None else "open" if kept == _OPEN else "confirmed"


def use_scan(ticket: str) -> Account | None:
    """The account of the person whose card has scanned; the ticket is worth nothing afterwards."""
    with counting():
        kept: Any = redis_store().getdel(_key(ticket))
    if kept is None or kept == _OPEN:
        return None
    digest: str = kept.decode()
    return db.session.scalar(
        select(Account)
        .join(Person, Person.id == Account.person_id)
        .where(Person.identity_hash == digest)
    )


def _key(ticket: str) -> str:
    return f"portal:card:{keyring().lookup_hash('card|' + ticket)}"
