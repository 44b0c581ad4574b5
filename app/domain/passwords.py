"""What a password must be and how long it may stay (rules E9, Annex 3: 及时变更登录密码).

Two profiles: `djbh3` follows the customs of 等级保护三级, `asvs` the OWASP verification standard,
which asks for length and neither for kinds of characters nor for regular changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from app.domain.errors import WeakPasswordError
from app.domain.messages import N_
from app.domain.workflow import ActorRole

PRINTED_INITIAL_PASSWORD: Final = "123@abc"  # noqa: S105 -- printed in Annex 3, known to all
"""The initial password of the notice: never a password of one's own."""

LONGEST: Final = 128
_FEWEST_DIFFERENT: Final = 5
_SHORTEST_FACT: Final = 4

CHANGES_REGULARLY: Final = frozenset(
    {
        ActorRole.SYSTEM_ADMIN,
        ActorRole.SECURITY_ADMIN,
        ActorRole.AUDIT_ADMIN,
        ActorRole.PROVINCE_HRSS,
        ActorRole.HRSS,
        ActorRole.COMPETENT_DEPARTMENT,
        ActorRole.COMMITTEE_OFFICE,
        ActorRole.SUPERVISOR,
    }
)
"""Staff; applicants, experts, handlers and the accounts of employers keep their password."""


@dataclass(frozen=True, slots=True)
class PasswordProfile:
    """The demands on a new password; `staff_days` None: it never grows too old."""

    minimum_length: int
    minimum_kinds: int
    remembered: int
    staff_days: int | None
    maximum_length: int = LONGEST

    def at_least(self, length: int) -> PasswordProfile:
        """The same with the province's own minimum, which only ever raises the profile's."""
        return replace(self, minimum_length=max(self.minimum_length, length))


DJBH3: Final = PasswordProfile(minimum_length=10, minimum_kinds=3, remembered=5, staff_days=90)
ASVS: Final = PasswordProfile(minimum_length=12, minimum_kinds=1, remembered=1, staff_days=None)
PROFILES: Final = {"djbh3": DJBH3, "asvs": ASVS}


def require_strong_password(
    password: str,
    *,
    facts: Iterable[str] = (),
    is_common: Callable[[str], bool] = lambda _password: False,
    profile: PasswordProfile = DJBH3,
) -> None:
    """Refuse a weak new password, saying what is missing (E9).

    `facts` are what others know of the account: login, unit code, telephone, birth date.
    `is_common` looks into the list of common passwords. Raises WeakPasswordError.
    """
    if password.casefold() == PRINTED_INITIAL_PASSWORD:
        raise WeakPasswordError(
            N_("The initial password of the notice is publicly known. Choose another one.")
        )
    if not profile.minimum_length <= len(password) <= profile.maximum_length:
        raise WeakPasswordError(
            N_("The new password must have %(minimum)s to %(maximum)s characters."),
            minimum=profile.minimum_length,
            maximum=profile.maximum_length,
        )
    if _count_kinds(password) < profile.minimum_kinds:
        raise WeakPasswordError(
            N_(
                "The new password must have at least %(kinds)s of: capital letters, small "
                "letters, digits, other characters."
            ),
            kinds=profile.minimum_kinds,
        )
    if _holds_a_fact(password, facts):
        raise WeakPasswordError(
            N_(
                "The new password must not contain the login, unit code, telephone number or "
                "birth date. Choose another one."
            )
        )
    if len(set(password.casefold())) < _FEWEST_DIFFERENT or is_common(password):
        raise WeakPasswordError(
            N_("Too many people use this password or one like it. Choose another one.")
        )


def is_too_old(
    changed_at: datetime | None,
    roles: Iterable[ActorRole],
    *,
    profile: PasswordProfile,
    now: datetime,
) -> bool:
    """Whether staff must choose a new password: `staff_days` after the last choice (E9)."""
    if profile.staff_days is None or CHANGES_REGULARLY.isdisjoint(roles):
        return False
    return changed_at is None or now >= changed_at + timedelta(days=profile.staff_days)


def _holds_a_fact(password: str, facts: Iterable[str]) -> bool:
    folded = password.casefold()
    return any(len(fact) >= _SHORTEST_FACT and fact.casefold() in folded for fact in facts)


def _count_kinds(password: str) -> int:
    kinds = {
        "upper" * character.isupper()
        or "lower" * character.islower()
        or "digit" * character.isdigit()
        or "other"
        for character in password
    }
    return len(kinds)
