"""验证码: six digits sent to a registered phone (notice 三(二), rules E9, E10).

They live in Redis on the real clock for five minutes, under keyed hashes: neither a number, a
login nor a code stands in a key or a value. Without Redis nothing is sent and nothing accepted.
Unknown logins are counted like known ones and get the same answers.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from redis.exceptions import RedisError

from app.crypto import keyring
from app.domain.errors import DomainError, RuleViolation
from app.domain.messages import N_
from app.extensions import redis_store
from app.services.settings import parameter
from app.services.texts import can_send, send_sms

VALID_MINUTES = 5
TRIES = 5
PAUSE_SECONDS = 60
_DAY_SECONDS = 24 * 3600

_TRY = """
local kept = redis.call('HGET', KEYS[1], 'code')
if not kept then return 0 end
if kept == ARGV[1] then
  if ARGV[2] == '1' then redis.call('DEL', KEYS[1]) end
  return 1
end
if redis.call('HINCRBY', KEYS[1], 'tries', 1) >= tonumber(ARGV[3]) then
  redis.call('DEL', KEYS[1])
end
return 0
"""
"""One step, so that parallel tries are all counted and a code is used once."""


class Purpose(StrEnum):
    """What a code is good for; a code of one kind opens nothing of another."""

    ACTIVATION = "activation"
    SIGN_IN = "sign_in"
    RESET = "reset"


class WrongCodeError(RuleViolation):
    """No such code (HTTP 422)."""

    code = "wrong_code"
    template = N_(
        "The SMS code is wrong or no longer valid. Look at the newest text, or have a new code "
        "sent."
    )


class TooManyCodesError(DomainError):
    """Codes are asked for too often (HTTP 429)."""

    code = "too_many_codes"
    http_status = 429
    template = N_(
        "Too many SMS codes have been asked for today. Try again tomorrow, or ask your unit."
    )


class SignInClosedError(DomainError):
    """Tries cannot be counted at the moment, so nothing is accepted (HTTP 503)."""

    code = "sign_in_closed"
    http_status = 503
    template = N_("Sign-in is closed for a moment. Nothing was lost; try again in a few minutes.")


class TextsClosedError(DomainError):
    """This site cannot send texts (HTTP 503)."""

    code = "texts_closed"
    http_status = 503
    template = N_("This portal cannot send SMS codes at present. Ask the operator of the platform.")


@dataclass(frozen=True, repr=False)
class Receiver:
    """Whom a code belongs to: `key` names the account or the typed login; `phone` None: nobody."""

    key: str
    phone: str | None


@contextmanager
def counting() -> Iterator[None]:
    """Fail closed: SignInClosedError where Redis is away."""
    try:
        yield
    except RedisError as error:
        raise SignInClosedError from error


def send_code(purpose: Purpose, receiver: Receiver, *, address: str) -> None:
    """Send a new code, which replaces the one before; nobody's code reaches nobody.

    Raises RuleViolation within a minute of the last one, TooManyCodesError beyond the day's
    number for the phone or the address, SignInClosedError, TextsClosedError.
    """
    if not can_send():
        raise TextsClosedError
    with counting():
        _pause(receiver)
        _count("phone", receiver.phone or receiver.key, "sms_codes_per_phone")
        _count("address", address, "sms_codes_per_address")
        code = f"{secrets.randbelow(1_000_000):06d}"
        key = _code_key(purpose, receiver)
        pipe = redis_store().pipeline()
        pipe.delete(key)
        pipe.hset(key, mapping={"code": _sealed(key, code), "tries": 0})
        pipe.expire(key, VALID_MINUTES * 60)
        pipe.execute()
        send_sms(receiver.phone, purpose.value, code=code, minutes=VALID_MINUTES)


def count_address(address: str) -> None:
    """Count what an address sets in motion; TooManyCodesError beyond the day's number."""
    with counting():
        _count("address", address, "sms_codes_per_address")


def check_code(purpose: Purpose, receiver: Receiver, code: str) -> None:
    """Accept a right code and leave it valid. Raises WrongCodeError; five wrong ones end it."""
    _try(purpose, receiver, code, use=False)


def use_code(purpose: Purpose, receiver: Receiver, code: str) -> None:
    """Accept a right code, once. Raises WrongCodeError; five wrong ones end it."""
    _try(purpose, receiver, code, use=True)


def _try(purpose: Purpose, receiver: Receiver, code: str, *, use: bool) -> None:
    key = _code_key(purpose, receiver)
    typed = "".join(code.split())
    with counting():
        held = redis_store().eval(_TRY, 1, key, _sealed(key, typed), "1" if use else "0", TRIES)
    if not held or receiver.phone is None:
        raise WrongCodeError


def _pause(receiver: Receiver) -> None:
    key = _key("pause", receiver.key)
    if not redis_store().set(key, "1", nx=True, ex=PAUSE_SECONDS):
        raise RuleViolation(
            N_("A code has just been sent. Wait %(seconds)s seconds before asking for another."),
            seconds=max(1, int(redis_store().ttl(key))),
        )


def _count(kind: str, subject: str, limit: str) -> None:
    key = _key(f"day:{kind}", subject)
    pipe = redis_store().pipeline()
    pipe.set(key, 0, nx=True, ex=_DAY_SECONDS)
    pipe.incr(key)
    if int(pipe.execute()[1]) > int(parameter(limit)):
        raise TooManyCodesError


def _code_key(purpose: Purpose, receiver: Receiver) -> str:
    return _key(purpose.value, receiver.key)


def _key(kind: str, subject: str) -> str:
    return f"portal:sms:{kind}:{keyring().lookup_hash(f'{kind}|{subject}')}"


def _sealed(key: str, code: str) -> str:
    return keyring().lookup_hash(f"{key}|{code}")
