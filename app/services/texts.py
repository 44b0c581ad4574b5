"""短信: what the portal writes to phones; every text goes through here, nobody else sends one."""

from __future__ import annotations

import secrets
from typing import Any

from app.domain.messages import N_
from app.gateways import TextMessage, gateways
from app.gateways.rehearsal import RehearsalTexts, SentText
from app.messages import sentence
from app.models import Account, Person
from app.services.people import read_mobile
from app.services.rehearsal import is_rehearsal

TEXTS = {
    "activation": N_(
        "%(code)s is your code for activating the account. It is valid for %(minutes)s minutes. "
        "Tell it to nobody."
    ),
    "sign_in": N_(
        "%(code)s is your sign-in code. It is valid for %(minutes)s minutes. Tell it to nobody."
    ),
    "reset": N_(
        "%(code)s is your code for a new password. It is valid for %(minutes)s minutes. "
        "Tell it to nobody."
    ),
    "phone_changed": N_(
        "Sign-in codes of your account go to another number from now on. If you did not ask for "
        "that, tell your unit."
    ),
    "password_changed": N_(
        "The password of your account has been changed. If that was not you, tell your unit."
    ),
}
"""Every text by its key, under which a gateway may keep an approved template of its own."""


def can_send() -> bool:
    """Whether this site has a way to send texts."""
    return gateways().texts is not None


def phone_of(holder: Account | Person) -> str | None:
    """The registered mobile number: a person's own, or that of the contact of a unit account."""
    if isinstance(holder, Person):
        phone = holder.phone
    elif holder.person is not None:
        phone = holder.person.phone
    else:
        phone = holder.unit.contact_phone if holder.unit else None
    return read_mobile(phone or "")


def rehearsal_texts() -> list[SentText]:
    """The latest texts of a rehearsal, the newest first; empty in production."""
    driver = gateways().texts
    if not is_rehearsal() or not isinstance(driver, RehearsalTexts):
        return []
    return driver.list_sent()


def send_sms(to: Account | Person | str | None, template: str, **params: Any) -> bool:
    """Hand a text over to the gateway; False without a number or a gateway.

    `to` None does the work of a text to somebody unknown. Arrival is not waited for.
    """
    driver = gateways().texts
    if driver is None:
        return False
    phone = to if isinstance(to, str) or to is None else phone_of(to)
    if phone is None:
        driver.send(None)
        return False
    shown = {name: str(value) for name, value in params.items()}
    text = sentence(TEXTS[template], **shown)
    driver.send(TextMessage(secrets.token_hex(16), phone, text, template, shown))
    return True
