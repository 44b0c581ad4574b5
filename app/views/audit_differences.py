"""Before and after of an audit entry as lines to read: field, old value, new value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _

from app.domain.messages import N_
from app.views.labels import LABELS

FIELDS: Mapping[str, str] = {
    "accepted": N_("Accepted"),
    "account_kind": N_("Kind of account"),
    "applicant_kind": N_("Kind of applicant"),
    "application": N_("Application"),
    "applications": N_("Applications"),
    "code": N_("Code"),
    "contact_phone_mask": N_("Telephone of the contact"),
    "count": N_("Number"),
    "ends_on": N_("Ends on"),
    "finding": N_("Finding"),
    "from": N_("From"),
    "gap": N_("What is wrong with it"),
    "held_on": N_("Held on"),
    "identity_mask": N_("Document number"),
    "kind": N_("Kind"),
    "last_on": N_("Last day"),
    "methods": N_("Methods"),
    "minutes": N_("Minutes"),
    "name": N_("Designation"),
    "outcome": N_("Outcome"),
    "page": N_("Page of the portal"),
    "phone_mask": N_("Mobile number"),
    "present": N_("Present"),
    "role": N_("Role"),
    "roles": N_("Roles"),
    "rows": N_("Rows"),
    "scheduled_for": N_("Scheduled for"),
    "series": N_("Series"),
    "since": N_("First at"),
    "times": N_("How often"),
    "to": N_("To"),
    "unit": N_("Unit"),
    "unit_id": N_("Number of the unit"),
    "until_on": N_("Until"),
    "value": N_("Value"),
    "why": N_("Ground of the refusal"),
    "year": N_("Year"),
}
"""Names of the fields that entries often carry; others are shown as they are written."""


SIGN_IN_METHODS: Mapping[str, str] = {
    "password": N_("Password"),
    "sms_code": N_("Code by SMS"),
    "essc": N_("E-social-security card"),
    "totp": N_("Authenticator"),
}


REFUSED: Mapping[str, str] = {
    "not_granted": N_("no role of the account opens it"),
    "out_of_scope": N_("outside the scope of the account"),
    "by_rule": N_("a rule of the process"),
    "other_site": N_("sent by another site"),
    "not_signed_in": N_("not signed in"),
}
"""Why an access was refused (`services/refusals.py`)."""


def _names_of_values() -> Mapping[str, str]:
    """The words of all closed vocabularies; one that two of them call differently is left out."""
    found: dict[str, set[str]] = {}
    for enum, labels in LABELS.items():
        if issubclass(enum, str):
            for member, label in labels.items():
                found.setdefault(str(member.value), set()).add(label)
    return {value: min(each) for value, each in found.items() if len(each) == 1}


VALUES: Mapping[str, str] = {**_names_of_values(), **SIGN_IN_METHODS, **REFUSED}


@dataclass(frozen=True)
class Difference:
    """One field of an entry, before and after."""

    label: str
    before: str
    after: str

    @property
    def is_changed(self) -> bool:
        """Whether the two differ."""
        return self.before != self.after


def differences(before: Any, after: Any) -> list[Difference]:
    """Every field of either side, in the order they were written; what differs comes first."""
    old, new = dict(_flat(before)), dict(_flat(after))
    found = [
        Difference(_label(path), old.get(path, ""), new.get(path, "")) for path in {**old, **new}
    ]
    return sorted(found, key=lambda each: not each.is_changed)


def _flat(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """(path, text) of every plain value inside."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _flat(inner, (*path, str(name)))
    elif isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        for number, inner in enumerate(value, start=1):
            yield from _flat(inner, (*path, str(number)))
    elif path or value not in (None, {}, []):
        yield path, _say(value)


def _say(value: Any) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return str(_("Yes") if value else _("No"))
    if isinstance(value, list | dict):
        return "、".join(_say(each) for each in value)
    return str(_(VALUES[value])) if isinstance(value, str) and value in VALUES else str(value)


def _label(path: tuple[str, ...]) -> str:
    if not path:
        return str(_("Value"))
    return " · ".join(str(_(FIELDS[part])) if part in FIELDS else part for part in path)
