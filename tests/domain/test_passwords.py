"""What a password must be and when staff choose another one (rules E9)."""

from __future__ import annotations

import pytest

from app.domain.errors import WeakPasswordError
from app.domain.passwords import ASVS, DJBH3, PasswordProfile, is_too_old, require_strong_password
from app.domain.workflow import ActorRole
from tests.domain.moments import at

FACTS = ("hospital-07", "915201007897000000", "19900000047", "19880312", "880312", "")


@pytest.mark.parametrize(
    "password",
    [
        "Abcdefgh12",
        "abcdefgh1!",
        "ABCDEFGH1!",
        "Abcdefgh！!",
        "Aa1!x" + "Bb2?" * 30,
        "密码Abc12345",
    ],
)
def test_strong_passwords_pass(password: str) -> None:
    require_strong_password(password, facts=FACTS)


@pytest.mark.parametrize(
    ("password", "message"),
    [
        ("123@abc", "publicly known"),
        ("123@ABC", "publicly known"),
        ("", "10 to 128"),
        ("Abcdefg1!", "10 to 128"),
        ("Aa1!" * 32 + "x", "10 to 128"),
        ("abcdefghij", "at least 3"),
        ("abcdefgh12", "at least 3"),
        ("1234567890", "at least 3"),
        ("Hospital-07!", "login"),
        ("My-hospital-07", "login"),
        ("Tel.19900000047", "login"),
        ("Born-19880312", "login"),
        ("Wang.880312x", "login"),
        ("Aa1!Aa1!Aa1!", "Too many people"),
        ("Password123!", "Too many people"),
    ],
)
def test_weak_passwords_are_refused(password: str, message: str) -> None:
    with pytest.raises(WeakPasswordError, match=message):
        require_strong_password(
            password, facts=FACTS, is_common=lambda each: each == "Password123!"
        )


@pytest.mark.parametrize(
    ("password", "holds"),
    [
        ("elf zeichen", False),
        ("zwölf zeichn", True),
        ("correct horse battery staple", True),
        ("correct horse battery staple " * 4, True),
        ("正确的马电池订书钉一共十二", True),
        ("x" * 12, False),
        ("123@abc", False),
    ],
)
def test_asvs_asks_for_length_alone(password: str, holds: bool) -> None:
    if holds:
        require_strong_password(password, profile=ASVS)
    else:
        with pytest.raises(WeakPasswordError):
            require_strong_password(password, profile=ASVS)


def test_asvs_allows_128_characters_and_no_more() -> None:
    longest = ("abcdefgh" * 16)[:128]
    require_strong_password(longest, profile=ASVS)
    with pytest.raises(WeakPasswordError):
        require_strong_password(longest + "x", profile=ASVS)


@pytest.mark.parametrize(("length", "minimum"), [(8, 10), (10, 10), (11, 11)])
def test_the_province_only_raises_the_minimum(length: int, minimum: int) -> None:
    assert DJBH3.at_least(length).minimum_length == minimum


CHOSEN = at("2022-05-01T09:00:00")


@pytest.mark.parametrize(
    ("role", "profile", "now", "is_old"),
    [
        (ActorRole.HRSS, DJBH3, "2022-07-30T08:59:59", False),
        (ActorRole.HRSS, DJBH3, "2022-07-30T09:00:00", True),
        (ActorRole.HRSS, DJBH3, "2022-07-30T09:00:01", True),
        (ActorRole.HRSS, ASVS, "2030-01-01T00:00:00", False),
        (ActorRole.SYSTEM_ADMIN, DJBH3, "2022-08-01T00:00:00", True),
        (ActorRole.APPLICANT, DJBH3, "2030-01-01T00:00:00", False),
        (ActorRole.EXPERT, DJBH3, "2030-01-01T00:00:00", False),
        (ActorRole.UNIT_ADMIN, DJBH3, "2030-01-01T00:00:00", False),
    ],
)
def test_staff_change_every_ninety_days(
    role: ActorRole, profile: PasswordProfile, now: str, is_old: bool
) -> None:
    assert is_too_old(CHOSEN, {role}, profile=profile, now=at(now)) is is_old


def test_password_without_a_date_is_too_old_for_staff() -> None:
    assert is_too_old(None, {ActorRole.HRSS}, profile=DJBH3, now=CHOSEN)
