"""节假日安排: a year's arrangement from lines, YAML or a table (rules 8)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import Any

import yaml
from python_calamine import CalamineError, CalamineWorkbook
from sqlalchemy import select

from app.domain.calendar import WorkingCalendar
from app.domain.errors import CalendarError, RuleViolation
from app.domain.messages import N_
from app.domain.terms import DayKind
from app.extensions import db
from app.models import HolidayDay, HolidayYear
from app.services.actors import Actor
from app.services.audit import record
from app.services.settings import forget_settings

FIRST_YEAR, LAST_YEAR = 2000, 2100
MOST_DAYS = 120
"""No arrangement names more days than this."""

_DATE = re.compile(r"([0-9]{4})[-/.年]([0-9]{1,2})[-/.月]([0-9]{1,2})日?")
_WORKED = ("上班", "调休", "补班", "workday", "work", "makeup")


@dataclass(frozen=True)
class Day:
    """One day an arrangement names."""

    on: date
    kind: DayKind
    name: str = ""


def parse_lines(text: str) -> list[Day]:
    """Days from lines such as `2022-10-01 国庆节` or `2022-10-08 上班`; # begins a remark.

    Raises RuleViolation naming the line.
    """
    days = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].replace(",", " ").replace("\t", " ").split()
        if words:
            days.append(_read_words(words, number))
    return days


def _read_words(words: list[str], number: int) -> Day:
    try:
        on = _read_date(words[0])
    except ValueError as error:
        raise RuleViolation(
            N_("Line %(line)s: %(text)s is not a date. Write 2022-10-01 and then the holiday."),
            line=number,
            text=words[0][:40],
        ) from error
    rest = " ".join(words[1:])
    is_worked = any(word in rest.lower() for word in _WORKED)
    name = "" if is_worked else re.sub(r"放假|holiday", "", rest).strip()
    return Day(on, DayKind.MAKEUP_WORKDAY if is_worked else DayKind.HOLIDAY, name[:40])


def _read_date(text: str) -> date:
    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return date(int(found[1]), int(found[2]), int(found[3]))


def parse_yaml(content: bytes) -> list[Day]:
    """Days from a file of the form of seed/holidays. Raises RuleViolation for anything else."""
    try:
        data = yaml.safe_load(content.decode("utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise RuleViolation(
            N_("The file is not readable YAML in UTF-8. Save it again or paste the lines.")
        ) from error
    return list(_yaml_days(data))


def _yaml_days(data: Any) -> Iterator[Day]:
    if not isinstance(data, dict) or not isinstance(data.get("holidays"), list):
        raise RuleViolation(N_("The YAML file has no list `holidays`. Compare it with an example."))
    for block in data["holidays"]:
        if not isinstance(block, dict) or not isinstance(block.get("days"), list):
            raise RuleViolation(N_("Each holiday of the YAML file needs a name and a list `days`."))
        for on in block["days"]:
            yield Day(_require_date(on), DayKind.HOLIDAY, str(block.get("name", ""))[:40])
    for on in data.get("makeup_workdays") or []:
        yield Day(_require_date(on), DayKind.MAKEUP_WORKDAY)


def _require_date(value: Any) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise RuleViolation(
        N_("%(text)s in the YAML file is not a date. Write 2022-10-01."), text=str(value)[:40]
    )


def parse_table(content: bytes, filename: str) -> list[Day]:
    """Days from a CSV or XLSX table: date, kind or name, one a row; a heading row is skipped."""
    rows = _read_xlsx(content) if filename.lower().endswith(".xlsx") else _read_csv(content)
    lines = [" ".join(str(cell) for cell in row if cell not in (None, "")) for row in rows]
    if lines and not _DATE.match(lines[0]):
        lines[0] = ""
    return parse_lines("\n".join(lines))


def _read_xlsx(content: bytes) -> list[list[Any]]:
    try:
        sheet = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0)
        return [list(row) for row in sheet.to_python()]
    except (CalamineError, OSError, IndexError, ValueError) as error:
        raise RuleViolation(
            N_("The table cannot be opened. Save it as XLSX or CSV, or paste the lines.")
        ) from error


def _read_csv(content: bytes) -> list[list[str]]:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return list(csv.reader(io.StringIO(content.decode(encoding))))
        except (UnicodeDecodeError, csv.Error):
            continue
    raise RuleViolation(
        N_("The table cannot be opened. Save it as XLSX or CSV, or paste the lines.")
    )


def parse_file(content: bytes, filename: str) -> list[Day]:
    """Days from an uploaded file, by its ending."""
    ending = filename.lower().rpartition(".")[2]
    if ending in {"yaml", "yml"}:
        return parse_yaml(content)
    if ending in {"csv", "xlsx"}:
        return parse_table(content, filename)
    raise RuleViolation(N_("Upload a YAML, CSV or XLSX file, or paste the lines."))


def save_year(
    year: int, days: Iterable[Day], source: str, *, actor: Actor, now: datetime
) -> HolidayYear:
    """Replace the arrangement of a year and raise its version; a damaged one is refused in words.

    Raises RuleViolation or CalendarError.
    """
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise RuleViolation(
            N_("Enter a year from %(first)s to %(last)s."), first=FIRST_YEAR, last=LAST_YEAR
        )
    chosen = sorted(days, key=lambda day: day.on)
    _require_plausible(year, chosen)
    _require_consistent(year, chosen)
    row = db.session.get(HolidayYear, year, with_for_update=True)
    before = [_show(day) for day in row.days] if row else None
    if row is None:
        row = HolidayYear(year=year, version=0, days=[])
        db.session.add(row)
    row.days.clear()
    db.session.flush()
    row.days.extend(HolidayDay(on=day.on, kind=day.kind, name=day.name) for day in chosen)
    row.source, row.is_published = source.strip()[:200], True
    row.version += 1
    db.session.flush()
    record(
        "save_holiday_year",
        row,
        actor=actor,
        now=now,
        before=before,
        after=[_show(day) for day in chosen],
        reason=row.source,
    )
    forget_settings()
    return row


def _require_plausible(year: int, days: list[Day]) -> None:
    if not days:
        raise RuleViolation(N_("The list is empty. Enter the days of the arrangement."))
    if len(days) > MOST_DAYS:
        raise RuleViolation(
            N_("%(count)s days in one year cannot be. Check the list."), count=len(days)
        )
    for first, second in pairwise(days):
        if first.on == second.on:
            raise CalendarError(
                N_("%(day)s is listed twice. Keep one of the two lines."), day=first.on.isoformat()
            )
    for day in days:
        if day.on.year != year:
            raise CalendarError(
                N_(
                    "%(day)s lies outside the year of its arrangement. "
                    "Put it into the calendar of its own year."
                ),
                day=day.on.isoformat(),
            )


def _require_consistent(year: int, days: list[Day]) -> None:
    """Build the whole calendar as it would be; it refuses to contradict itself."""
    others = db.session.execute(
        select(HolidayDay.on, HolidayDay.kind).where(HolidayDay.year != year)
    )
    pairs = [*others.all(), *((day.on, day.kind) for day in days)]
    years = db.session.scalars(select(HolidayYear.year).where(HolidayYear.is_published)).all()
    WorkingCalendar.from_days(
        holidays=(on for on, kind in pairs if kind is DayKind.HOLIDAY),
        makeup_workdays=(on for on, kind in pairs if kind is DayKind.MAKEUP_WORKDAY),
        published_years={*years, year},
    )


def show_lines(row: HolidayYear) -> str:
    """An arrangement as lines, to be edited and pasted back."""
    return "\n".join(_show(day) for day in row.days)


def _show(day: HolidayDay | Day) -> str:
    word = "上班" if day.kind is DayKind.MAKEUP_WORKDAY else day.name or "放假"
    return f"{day.on.isoformat()} {word}"


def unpublished_years(first: date, last: date) -> tuple[int, ...]:
    """The years between two days whose arrangement is not published yet."""
    known = set(db.session.scalars(select(HolidayYear.year).where(HolidayYear.is_published)))
    return tuple(year for year in range(first.year, last.year + 1) if year not in known)
