"""Log lines are JSON and hold no personal data, whatever came along."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from app.logs import formatter, mask

NUMBER = "11010519491231002X"
PHONE = "13885121234"
USCC = "91520102MA6DJ5EC3H"


@pytest.fixture
def written() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """A logger and what it has written."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter())
    logger = logging.getLogger("tests.masking")
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel(logging.INFO)
    yield logger, stream
    logger.removeHandler(handler)


def line_of(stream: io.StringIO) -> dict[str, Any]:
    """The one line written."""
    [line] = stream.getvalue().splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"login {NUMBER} refused", "login [document number] refused"),
        (f"login {NUMBER.lower()}", "login [document number]"),
        ("身份证520102198803129702号", "身份证[document number]号"),
        ("x99520102198803129702x", "x[document number]x"),
        ("/a/%35%32%30%31%30%32%31%39%38%38%30%33%31%32%39%37%30%32", "/a/[document number]"),
        ("YZA123456789012", "[document number]"),
        (f"phone={PHONE}", "phone=[phone]"),
        ("138 8512 1234, 138-8512-1234", "[phone], [phone]"),
        (f"unit {USCC}", "unit [unit code]"),
        (f"unit {USCC}01A2", "unit [unit code]"),
        (f"login p{'0a' * 20} again", "login [login] again"),
        ("password=Ganjing#2022x&x=1", "password=[secret]&x=1"),
        ('{"current_password": "Ganjing#2022x"}', '{"current_password": "[secret]"}'),
        ("验证码：482913，请勿告诉他人", "验证码：[secret]"),
        ("Code ABCD-EFGH-JKLM", "Code [code]"),
        ("Cookie: portal_8080=abcdef", "Cookie: [secret]"),
        (
            "2022-08-05T17:00:00 1764064054 176406405412",
            "2022-08-05T17:00:00 1764064054 176406405412",
        ),
        ("12345678901 rows in 1234567890123 ns", "12345678901 rows in 1234567890123 ns"),
        ("certificate GZ2022000123456", "certificate GZ2022000123456"),
        (
            "job app.jobs.sweeping.settle 4f9c (4f9c-11)",
            "job app.jobs.sweeping.settle 4f9c (4f9c-11)",
        ),
    ],
)
def test_what_is_masked_and_what_is_not(text: str, expected: str) -> None:
    assert mask(text) == expected


def test_a_line_is_json_and_masked_in_every_field(
    written: tuple[logging.Logger, io.StringIO],
) -> None:
    logger, stream = written
    logger.warning(
        "refused %s",
        NUMBER,
        extra={
            "path": f"/x/{NUMBER}",
            "form": {"password": "geheim", PHONE: [NUMBER, 1]},
            "number": 520102198803129702,
            "status": 401,
        },
    )
    line = line_of(stream)
    assert line["event"] == "refused [document number]"
    assert (line["level"], line["logger"], line["status"]) == ("warning", "tests.masking", 401)
    assert line["path"] == "/x/[document number]"
    assert line["form"] == {"password": "[secret]", "[phone]": ["[document number]", 1]}
    assert line["number"] == "[document number]"
    assert line["at"][10] == "T"


def test_a_traceback_is_masked(written: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = written
    try:
        {}[NUMBER]
    except KeyError:
        logger.exception("unexpected failure")
    line = line_of(stream)
    assert "KeyError: '[document number]'" in line["exception"]
    assert NUMBER not in stream.getvalue().replace("NUMBER", "")


def test_crashes_and_warnings_of_a_process_are_masked_lines() -> None:
    code = (
        "import app.logs, warnings\n"
        "app.logs.configure()\n"
        f"warnings.warn('about {PHONE}')\n"
        f"raise ValueError('about ' + '{NUMBER[:9]}' + '{NUMBER[9:]}')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode == 1
    assert "about [phone]" in lines[0]["event"]
    assert lines[-1]["event"] == "uncaught ValueError"
    assert NUMBER not in done.stderr
    assert PHONE not in done.stderr
