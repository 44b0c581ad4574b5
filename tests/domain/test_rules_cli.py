"""`./portal rules …`: the outputs, exit codes and --stdin behaviour other tools rely on."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app import rules_cli
from app.domain.errors import CalendarError, MilestoneOrderError
from app.rules_cli import InputError, load_calendar, load_plan, main
from tests.domain.moments import CALENDAR, WINDOWS, on

ROOT = Path(__file__).resolve().parents[2]
MASKED = "125201007897XXXXXX"


@pytest.fixture(autouse=True)
def in_english(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Look for the compiled catalogue where there is none."""
    monkeypatch.setattr(rules_cli, "ROOT", tmp_path)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Return (exit status, standard output, standard error) of one command."""
    status = main(["rules", *words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def ask(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str, text: str
) -> list[str]:
    """Return the answers to the lines of `text` on standard input."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    status, out, err = run(capsys, command, "--stdin")
    assert (status, err) == (0, "")
    return out.splitlines()


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("add-working-days 2022-09-30 5", "2022-10-12"),
        ("add-working-days 2027-12-31 5", "2028-01-07 provisional"),
        ("add-working-days 2026-12-31 1", "2027-01-01 provisional"),
        ("add-working-days 2018-12-31 1", "2019-01-02"),  # only counted days matter
        ("check-id 11010519491231002X", "valid"),
        ("check-id 11010519491231002x", "valid"),
        ("check-uscc 91350100M000100Y43", "valid"),
        (f"derive-code {MASKED} --nth 1", f"{MASKED}01"),
        (f"derive-code {MASKED} --nth 100", f"{MASKED}A0"),
        (f"derive-code {MASKED} --nth 750", f"{MASKED}YY"),
        ("ballot --size 25 --present 17 --yes 12", "passed"),
        ("ballot --size 25 --present 17 --yes 11", "not passed"),
        ("ballot --size 25 --present 16 --yes 16", "no quorum"),
    ],
)
def test_a_question_gets_one_line(
    capsys: pytest.CaptureFixture[str], words: str, answer: str
) -> None:
    assert run(capsys, *words.split()) == (0, f"{answer}\n", "")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("check-id 110105194912310021", "The last character of the identity number"),
        ("check-id 1", "The identity number has 18 characters, not 1"),
        ("check-id 11010529991231002X", "2999-12-31"),
        ("check-uscc 91350100M000100Y4Z", "The character Z cannot occur"),
    ],
)
def test_an_invalid_number_has_a_reason_and_exit_1(
    capsys: pytest.CaptureFixture[str], words: str, reason: str
) -> None:
    status, out, err = run(capsys, *words.split())
    assert (status, err) == (1, "")
    assert out.startswith("invalid: ")
    assert reason in out
    assert out.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("add-working-days 2022-09-30 0", "1 or more, not 0"),
        ("add-working-days 2022-09-30 -1", "1 or more, not -1"),
        ("add-working-days 2022-09-30 x", "x is not a whole number"),
        ("add-working-days 2022-09-30 1.5", "1.5 is not a whole number"),
        ("add-working-days 2022-02-30 1", "2022-02-30 is not a date"),
        ("add-working-days 20220930 1", "20220930 is not a date"),
        ("add-working-days 9999-12-31 1", "9999"),
        ("add-working-days 2022-09-30", "Give a date and a number"),
        ("add-working-days", "Give a date and a number"),
        ("add-working-days 2022-09-30 --stdin", "standard input only"),
        ("check-id", "Give the number to check"),
        ("check-uscc 1 --stdin", "standard input only"),
        (f"derive-code {MASKED} --nth 751", "750 subordinate units"),
        (f"derive-code {MASKED} --nth 0", "1 to 750"),
        ("derive-code 12 --nth 1", "18 characters"),
        (f"derive-code {MASKED}01010101 --nth 1", "already 4 levels"),
        (f"derive-code {MASKED}", "--nth"),
        ("ballot --size 25 --present 26 --yes 1", "cannot be"),
        ("ballot --size 25 --present 17", "--yes"),
        ("plan --year 2023", "no plan for 2023"),
        ("plan --year x", "not a whole number"),
        ("plan", "--year"),
        ("nonsense", "nonsense"),
        ("", "COMMAND"),
    ],
)
def test_bad_input_is_one_line_on_standard_error_and_exit_1(
    capsys: pytest.CaptureFixture[str], words: str, message: str
) -> None:
    status, out, err = run(capsys, *words.split())
    assert (status, out) == (1, "")
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1


def test_each_line_of_standard_input_gets_one_answer(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = ask(
        capsys,
        monkeypatch,
        "add-working-days",
        "2022-09-30 5\n\n2027-12-31 5\n2022-01-01 0\nx y\n  2022-09-30   1  ",
    )
    assert answers == [
        "2022-10-12",
        "error: Give a date and a number: 2022-09-30 5",
        "2028-01-07 provisional",
        "error: The number of working days must be 1 or more, not 0.",
        "error: x is not a date. Write it like 2022-09-30.",
        "2022-10-08",
    ]


def test_checks_answer_line_by_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = ask(capsys, monkeypatch, "check-uscc", "91350100M000100Y43\n\n91350100M000100Y4Z\n")
    assert [answer.split(":")[0] for answer in answers] == ["valid", "invalid", "invalid"]
    answers = ask(capsys, monkeypatch, "check-id", "11010519491231002X\n1\n")
    assert [answer.split(":")[0] for answer in answers] == ["valid", "invalid"]


def test_no_line_no_answer(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask(capsys, monkeypatch, "check-id", "") == []


FIELDS = [
    "line",
    "open_at",
    "close_at",
    "receipt_due_at",
    "policy_review_due_on",
    "online_review_due_on",
    "latest_call_on",
    "unit_push_due_on",
    "latest_publicity_on",
    "nodes_that_fit",
]


def test_the_plan_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "plan", "--year", "2022", "--json")
    plan = json.loads(out)
    assert (status, err, len(plan)) == (0, "", 8)
    assert [line["line"] for line in plan] == list(range(1, 9))
    assert all(list(line) == FIELDS for line in plan)
    assert plan[6] == {
        "line": 7,
        "open_at": "2022-12-05T08:00:00+08:00",
        "close_at": "2022-12-09T17:00:00+08:00",
        "receipt_due_at": "2023-01-15T17:00:00+08:00",
        "policy_review_due_on": "2023-04-30",
        "online_review_due_on": "2023-05-30",
        "latest_call_on": "2022-11-05",
        "unit_push_due_on": "2022-12-19",
        "latest_publicity_on": "2022-12-11",
        "nodes_that_fit": 6,
    }


def test_the_plan_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _err = run(capsys, "plan", "--year", "2022")
    lines = out.splitlines()
    assert (status, len(lines)) == (0, 8)
    assert lines[3].startswith("line 4  open_at 2022-09-12T08:00:00+08:00")
    assert lines[3].endswith("nodes_that_fit 3")


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path.parent


YEAR = """
year: 2022
published: {published}
holidays: [{{name: 国庆, days: [2022-10-03]}}]
makeup_workdays: ['2022-10-08']
"""


def test_an_unpublished_year_is_read_as_none(tmp_path: Path) -> None:
    assert load_calendar(write(tmp_path / "2022.yaml", YEAR.format(published="false"))) == (
        load_calendar(tmp_path / "none")
    )
    calendar = load_calendar(write(tmp_path / "2022.yaml", YEAR.format(published="true")))
    assert calendar.holidays == {on("2022-10-03")}
    assert calendar.makeup_workdays == {on("2022-10-08")}


@pytest.mark.parametrize(
    "text",
    ["", "[", "year: 2022", "year: x\nholidays: []\nmakeup_workdays: []\npublished: true",
     "year: 2022\nholidays: [{days: [2022-13-01]}]\nmakeup_workdays: []\npublished: true",
     "year: 2022\nholidays: 3\nmakeup_workdays: []\npublished: true"],
)  # fmt: skip
def test_a_broken_holiday_file_is_named_in_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"2022\.yaml cannot be read") as caught:
        load_calendar(write(tmp_path / "2022.yaml", text))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    (tmp_path / "2022.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"2022\.yaml"):
        load_calendar(tmp_path)


def test_a_day_in_the_file_of_another_year_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "2023.yaml", YEAR.format(published="true").replace("2022\n", "2023\n"))
    with pytest.raises(CalendarError, match="2022-10-03 lies outside"):
        load_calendar(tmp_path)


LINE = """
lines:
  - number: 1
    applications_open_at: "2022-08-01T08:00"
    applications_close_at: "2022-08-05T17:00"
    receipt_due_at: "2022-09-15T17:00"
    policy_review_due_on: {policy}
    online_review_due_on: 2022-12-31
"""


def test_a_plan_is_read_and_its_order_checked(tmp_path: Path) -> None:
    folder = write(tmp_path / "plan_2022.yaml", LINE.format(policy="2022-11-30"))
    assert load_plan(2022, folder) == [(1, WINDOWS[1])]
    write(tmp_path / "plan_2022.yaml", LINE.format(policy="2022-09-15"))
    with pytest.raises(MilestoneOrderError):
        load_plan(2022, folder)
    write(tmp_path / "plan_2022.yaml", LINE.format(policy="soon"))
    with pytest.raises(InputError, match=r"plan_2022\.yaml cannot be read"):
        load_plan(2022, folder)


def test_reasons_are_translated_where_the_catalogue_is_compiled(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Catalogue:
        def gettext(self, text: str) -> str:
            return text.replace("is not a date. Write it like 2022-09-30.", "不是日期")

    monkeypatch.setattr("gettext.translation", lambda *_args, **_kwargs: Catalogue())
    assert run(capsys, "add-working-days", "x", "1") == (1, "", "error: x 不是日期\n")


def rules(*words: str, text: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    environment = {key: value for key, value in os.environ.items() if "DATABASE" not in key}
    return subprocess.run(
        [sys.executable, "-m", "app.rules_cli", "rules", *words],
        input=text,
        capture_output=True,
        cwd=ROOT,
        env=environment | {"LC_ALL": "C", "PYTHONUTF8": "0"},
        check=False,
        timeout=60,
    )


def test_the_command_runs_as_a_process_whatever_the_bytes() -> None:
    done = rules("check-id", "--stdin", text=b"11010519491231002X\n\xff\xfe\n\xe7\x8e\x8b\n")
    assert (done.returncode, done.stderr) == (0, b"")
    answers = [line.split(b":")[0] for line in done.stdout.splitlines()]
    assert answers == [b"valid", b"invalid", b"invalid"]


def test_a_reader_that_leaves_early_gets_no_traceback() -> None:
    command = f"'{sys.executable}' -m app.rules_cli rules check-id --stdin | head -1"
    done = subprocess.run(
        ["bash", "-c", command],
        input=b"1\n" * 50_000,
        capture_output=True,
        cwd=ROOT,
        check=False,
        timeout=60,
    )
    assert done.stderr == b""
    assert done.stdout.startswith(b"invalid: ")


def test_the_rules_load_no_framework() -> None:
    program = (
        "import sys; from app.rules_cli import main; "
        "main(['rules', 'plan', '--year', '2022']); "
        "heavy = {'flask', 'sqlalchemy', 'redis', 'flask_appbuilder'} & set(sys.modules); "
        "sys.exit(len(heavy))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, cwd=ROOT, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["rules", "--help"])
    assert caught.value.code == 0
    assert "add-working-days" in capsys.readouterr().out


def test_the_calendar_of_the_seed_covers_2019_to_2026() -> None:
    assert CALENDAR.published_years == set(range(2019, 2027))
