"""The list of common passwords and what counts as being on it."""

from __future__ import annotations

import pytest

from app.passwords import COMMON_PASSWORDS, is_common_password


@pytest.mark.parametrize(
    "password",
    [
        "Password123",
        "Password@123",
        "P@ssw0rd2022",
        "P@$$w0rd!123",
        "Admin@123456",
        "Woaini5201314",
        "Guizhou@2022",
        "Guiyang#888",
        "1qaz@WSX3edc",
        "!QAZ2wsx",
        "Qwertyuiop123",
        "Zhangwei1234",
        "Pingshen@2022",
    ],
)
def test_what_many_people_use_is_common(password: str) -> None:
    assert is_common_password(password)


@pytest.mark.parametrize(
    "password", ["Ganjing#2022x", "Shuimo-Jiangshan7", "correct horse battery staple", "Tk7#vm2Q!p"]
)
def test_what_nobody_else_uses_is_not(password: str) -> None:
    assert not is_common_password(password)


def test_list_is_long_folded_sorted_and_without_doubles() -> None:
    lines = COMMON_PASSWORDS.read_text(encoding="utf-8").splitlines()
    entries = [line for line in lines if not line.startswith("#")]
    assert len(entries) > 5000
    assert entries == sorted({entry.casefold() for entry in entries})
    assert min(map(len, entries)) == 8
