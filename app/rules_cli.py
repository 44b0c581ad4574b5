"""`./portal rules …`: the rules of the notice on the command line, from seed/ alone.

Runs without Flask, database or servers. Answers that other tools rely on (docs/cli.md) are never
translated; reasons and errors speak Chinese where the catalogue is compiled, else English.
"""

from __future__ import annotations

import argparse
import gettext
import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NoReturn

import yaml

from app import clock
from app.domain.calendar import BEIJING, WorkingCalendar
from app.domain.codes import check_resident_id, check_uscc, derive_code
from app.domain.errors import DomainError
from app.domain.messages import N_
from app.domain.plan import PlanWindow
from app.domain.review import decide_ballot
from app.domain.terms import BallotOutcome

ROOT: Final = Path(__file__).resolve().parent.parent
SEED: Final = ROOT / "seed"

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,12}")
_OUTCOMES: Final = {
    BallotOutcome.PASSED: "passed",
    BallotOutcome.NOT_PASSED: "not passed",
    BallotOutcome.NO_QUORUM: "no quorum",
}


class InputError(DomainError):
    """What was typed, or a file of seed/, cannot be read."""

    code = "input"


class _Parser(argparse.ArgumentParser):
    """An argument parser whose refusal is one line and exit 1."""

    def error(self, message: str) -> NoReturn:
        raise InputError(N_("%(message)s. See: ./portal rules --help"), message=message.rstrip("."))


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit status: 0, or 1 for a refusal."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")
    try:
        options = _build_parser().parse_args(argv)
        status: int = options.run(options)
        sys.stdout.flush()
    except DomainError as error:
        print(f"error: {_explain(error)}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader has seen enough (`… | head`); nothing is left to tell it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def _build_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="./portal", allow_abbrev=False)
    groups = parser.add_subparsers(required=True, metavar="rules", parser_class=_Parser)
    rules = groups.add_parser("rules", help="rules of the notice, computed from seed/")
    commands = rules.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)

    add = commands.add_parser("add-working-days", help="the n-th working day after a date")
    add.add_argument("date", nargs="?", metavar="DATE", help="YYYY-MM-DD, not counted itself")
    add.add_argument("working_days", nargs="?", metavar="N", help="1 or more")
    add.set_defaults(run=_run_add_working_days)

    identity = commands.add_parser("check-id", help="check an identity number")
    identity.add_argument("number", nargs="?", metavar="NUMBER")
    identity.set_defaults(run=_run_check_id)

    uscc = commands.add_parser("check-uscc", help="check a unified social credit code")
    uscc.add_argument("number", nargs="?", metavar="CODE")
    uscc.set_defaults(run=_run_check_uscc)

    for command in (add, identity, uscc):
        command.add_argument(
            "--stdin", action="store_true", help="one question a line, one answer a line"
        )

    derive = commands.add_parser("derive-code", help="code of a unit without a code of its own")
    derive.add_argument("parent", metavar="PARENT")
    derive.add_argument("--nth", required=True, metavar="N", help="which child, 1 to 750")
    derive.set_defaults(run=_run_derive_code)

    ballot = commands.add_parser("ballot", help="what a closed ballot decides")
    for name in ("size", "present", "yes"):
        ballot.add_argument(f"--{name}", required=True, metavar="N")
    ballot.set_defaults(run=_run_ballot)

    plan = commands.add_parser("plan", help="the evaluation plan with its computed dates")
    plan.add_argument("--year", required=True, metavar="YEAR")
    plan.add_argument("--json", action="store_true", help="an array of objects, ISO 8601")
    plan.set_defaults(run=_run_plan)
    return parser


def _run_add_working_days(options: argparse.Namespace) -> int:
    calendar = load_calendar()
    if options.stdin:
        _refuse_arguments(options.date)
        return _answer_lines(lambda line: answer_add_working_days(*_split_pair(line), calendar))
    if options.working_days is None:
        raise InputError(N_("Give a date and a number: add-working-days 2022-09-30 5"))
    print(answer_add_working_days(options.date, options.working_days, calendar))
    return 0


def answer_add_working_days(start_text: str, number_text: str, calendar: WorkingCalendar) -> str:
    """Return the day, and "provisional" when a counted year has no published arrangement."""
    start = _read_date(start_text)
    end = calendar.add_working_days(start, _read_number(number_text))
    is_provisional = calendar.is_provisional(start + timedelta(days=1), end)
    return end.isoformat() + (" provisional" if is_provisional else "")


def _run_check_id(options: argparse.Namespace) -> int:
    today = clock.real_now().date()
    return _run_check(options, lambda number: check_resident_id(number, today=today))


def _run_check_uscc(options: argparse.Namespace) -> int:
    return _run_check(options, check_uscc)


def _run_check(options: argparse.Namespace, check: Callable[[str], None]) -> int:
    if options.stdin:
        _refuse_arguments(options.number)
        return _answer_lines(lambda line: _answer_check(line, check))
    if options.number is None:
        raise InputError(N_("Give the number to check, or --stdin and one number a line."))
    answer = _answer_check(options.number, check)
    print(answer)
    return 0 if answer == "valid" else 1


def _answer_check(number: str, check: Callable[[str], None]) -> str:
    try:
        check(number)
    except DomainError as error:
        return f"invalid: {_explain(error)}"
    return "valid"


def _run_derive_code(options: argparse.Namespace) -> int:
    print(derive_code(options.parent, _read_number(options.nth)))
    return 0


def _run_ballot(options: argparse.Namespace) -> int:
    outcome = decide_ballot(
        size=_read_number(options.size),
        present=_read_number(options.present),
        yes=_read_number(options.yes),
    )
    print(_OUTCOMES[outcome])
    return 0


def _run_plan(options: argparse.Namespace) -> int:
    calendar = load_calendar()
    lines = [
        describe_line(number, window, calendar)
        for number, window in load_plan(_read_number(options.year))
    ]
    if options.json:
        print(json.dumps(lines, ensure_ascii=False, indent=2))
        return 0
    for line in lines:
        print("  ".join(f"{name} {value}" for name, value in line.items()))
    return 0


def describe_line(number: int, window: PlanWindow, calendar: WorkingCalendar) -> dict[str, Any]:
    """Return a plan line with its computed dates, as `rules plan --json` prints it."""
    return {
        "line": number,
        "open_at": window.opens_at.isoformat(),
        "close_at": window.closes_at.isoformat(),
        "receipt_due_at": window.receipt_due_at.isoformat(),
        "policy_review_due_on": window.policy_review_due_on.isoformat(),
        "online_review_due_on": window.online_review_due_on.isoformat(),
        "latest_call_on": window.latest_call_on.isoformat(),
        "unit_push_due_on": window.unit_push_due_on(calendar).isoformat(),
        "latest_publicity_on": window.latest_publicity_on(calendar).isoformat(),
        "nodes_that_fit": window.nodes_that_fit(calendar),
    }


def load_calendar(folder: Path = SEED / "holidays") -> WorkingCalendar:
    """Return the working-day calendar of every year in the folder.

    A day must stand in the file of its year. Raises InputError for a file that cannot be read,
    CalendarError for one that contradicts itself.
    """
    holidays: set[date] = set()
    makeup_workdays: set[date] = set()
    published_years: set[int] = set()
    for path in sorted(folder.glob("*.yaml")):
        arrangement = _load_yaml(path)
        try:
            year = int(arrangement["year"])
            days = [_to_date(day) for entry in arrangement["holidays"] for day in entry["days"]]
            makeup = [_to_date(day) for day in arrangement["makeup_workdays"]]
            is_published = bool(arrangement["published"])
        except (KeyError, TypeError, ValueError) as error:
            raise _broken_file(path, error) from error
        WorkingCalendar.from_days(holidays=days, makeup_workdays=makeup, published_years={year})
        if is_published:
            holidays.update(days)
            makeup_workdays.update(makeup)
            published_years.add(year)
    return WorkingCalendar.from_days(
        holidays=holidays, makeup_workdays=makeup_workdays, published_years=published_years
    )


def load_plan(year: int, folder: Path = SEED) -> list[tuple[int, PlanWindow]]:
    """Return the numbered windows of a year's plan, in the order of Annex 1.

    Raises InputError when there is no such plan or it cannot be read, MilestoneOrderError when
    its dates are out of order.
    """
    path = folder / f"plan_{year}.yaml"
    if not path.is_file():
        raise InputError(
            N_("There is no plan for %(year)s: the file seed/%(name)s does not exist."),
            year=year,
            name=path.name,
        )
    plan = _load_yaml(path)
    try:
        windows = [(int(line["number"]), _to_window(line)) for line in plan["lines"]]
    except (KeyError, TypeError, ValueError) as error:
        raise _broken_file(path, error) from error
    for _number, window in windows:
        window.require_order()
    return windows


def _to_window(line: Mapping[str, Any]) -> PlanWindow:
    return PlanWindow(
        line=str(line["number"]),
        opens_at=_to_instant(line["applications_open_at"]),
        closes_at=_to_instant(line["applications_close_at"]),
        receipt_due_at=_to_instant(line["receipt_due_at"]),
        policy_review_due_on=_to_date(line["policy_review_due_on"]),
        online_review_due_on=_to_date(line["online_review_due_on"]),
    )


def _to_instant(value: object) -> datetime:
    return datetime.fromisoformat(str(value)).replace(tzinfo=BEIJING)


def _to_date(value: object) -> date:
    return date.fromisoformat(str(value))


def _load_yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError) as error:
        raise _broken_file(path, error) from error


def _broken_file(path: Path, error: Exception) -> InputError:
    return InputError(
        N_("The file %(name)s cannot be read (%(problem)s). Restore it from the repository."),
        name=f"{path.parent.name}/{path.name}",
        problem=" ".join(f"{type(error).__name__}: {error}".split()),
    )


def _answer_lines(answer: Callable[[str], str]) -> int:
    """Answer every line of standard input on a line of its own, whatever it holds."""
    for line in _read_lines():
        try:
            print(answer(line))
        except DomainError as error:
            print(f"error: {_explain(error)}")
    return 0


def _read_lines() -> Iterable[str]:
    for line in sys.stdin:
        yield line.strip()


def _refuse_arguments(given: str | None) -> None:
    if given is not None:
        raise InputError(N_("With --stdin the questions come from standard input only."))


def _split_pair(line: str) -> tuple[str, str]:
    parts = line.split()
    if len(parts) != 2:
        raise InputError(N_("Give a date and a number: 2022-09-30 5"))
    return parts[0], parts[1]


def _read_date(text: str) -> date:
    problem = N_("%(given)s is not a date. Write it like 2022-09-30.")
    if not _DATE.fullmatch(text):
        raise InputError(problem, given=text)
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(problem, given=text) from error


def _read_number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise InputError(N_("%(given)s is not a whole number. Write it like 5."), given=text)
    return int(text)


def _explain(error: DomainError) -> str:
    """Return the error as one line, in Chinese where the catalogue is compiled."""
    catalogue = gettext.translation(
        "messages", ROOT / "translations", languages=["zh"], fallback=True
    )
    return " ".join((catalogue.gettext(error.template) % error.params).split())


if __name__ == "__main__":
    sys.exit(main())
