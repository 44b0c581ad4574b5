"""The rehearsed clock: opens in the first window, only moves forward, never in production."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from app import clock
from app.domain.errors import RuleViolation
from app.services import rehearsal
from tests.conftest import at


def test_first_opening_is_the_morning_of_3_august(app: Flask) -> None:
    """The database the tests share was seeded a while ago; it goes on from that moment."""
    assert timedelta(0) <= clock.now() - at("2022-08-03T09:00:00") < timedelta(hours=3)


def test_clock_moves_forward(app: Flask) -> None:
    rehearsal.set_rehearsed_time(at("2022-08-05T17:00:00"))
    assert abs(clock.now() - at("2022-08-05T17:00:00")) < timedelta(seconds=2)


def test_clock_never_moves_back(app: Flask) -> None:
    before = clock.now()
    with pytest.raises(RuleViolation):
        rehearsal.set_rehearsed_time(before - timedelta(seconds=2))
    assert clock.now() >= before


def test_real_clock_is_not_moved(app: Flask) -> None:
    before = clock.real_now()
    rehearsal.set_rehearsed_time(at("2023-01-01T00:00:00"))
    assert clock.real_now() - before < timedelta(seconds=5)


def test_production_has_no_rehearsal(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.config, "PORTAL_MODE", "production")
    assert abs(clock.now() - clock.real_now()) < timedelta(seconds=1)
    with pytest.raises(RuleViolation):
        rehearsal.set_rehearsed_time(at("2030-01-01T00:00:00"))


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["rehearsal", "set", "2022-08-01T00:00"], 1),
        (["rehearsal", "set", "yesterday"], 1),
        (["rehearsal", "advance", "3x"], 1),
        (["rehearsal", "advance", "0d"], 1),
        (["rehearsal", "show"], 0),
        (["rehearsal", "advance", "3d"], 0),
    ],
)
def test_command_answers_in_one_line(app: Flask, args: list[str], code: int) -> None:
    result = app.test_cli_runner().invoke(args=args)
    assert result.exit_code == code
    assert "Traceback" not in result.output
    assert len(result.output.strip().splitlines()) == 1


@pytest.mark.parametrize("instant", ["9999-12-31T23:59:00", "2200-01-01T00:00:00"])
def test_clock_is_not_set_to_where_no_date_can_be_computed(app: Flask, instant: str) -> None:
    before = clock.now()
    with pytest.raises(RuleViolation, match="2200"):
        rehearsal.set_rehearsed_time(at(instant))
    assert clock.now() - before < timedelta(minutes=1)
