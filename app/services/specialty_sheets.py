"""职称申报专业设置采集表 in Excel: the form of Annex 2 with its lines, written and read back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from app.domain.messages import N_
from app.domain.sheets import Column, Problem, SheetLayout, join_blanks
from app.extensions import db
from app.models import SpecialtyProposal
from app.services.actors import Actor
from app.services.imports.choices import Say
from app.services.imports.packages import look_at_workbook
from app.services.imports.reading import SheetRow, read_workbook
from app.services.imports.refusals import SheetRefusedError, locate, problems_of_cells
from app.services.imports.workbooks import Workbook
from app.services.settings import parameter
from app.services.specialties import MOST_LINES, ProposedLine, save_proposal

_HIGHEST_NUMBER: Final = 9999
_NUMBER: Final = re.compile(r"[0-9]{1,4}")

LAYOUT: Final = SheetLayout(
    "specialty_lines",
    N_("Specialty collection form"),
    (
        Column(
            "group_name",
            N_("Specialty group"),
            N_("Empty: the group of the row above."),
            is_required=True,
            longest=80,
        ),
        Column(
            "number",
            N_("Serial number"),
            N_("A whole number; empty: the place in the sheet."),
            longest=4,
            width=8,
            is_code=True,
        ),
        Column(
            "specialty_name", N_("Name of the specialty"), is_required=True, longest=80, width=24
        ),
        Column(
            "scope_note",
            N_("Related specialties and scope"),
            is_required=True,
            longest=2000,
            width=50,
            keeps_lines=True,
        ),
        Column("basis", N_("Basis"), is_required=True, longest=2000, width=40, keeps_lines=True),
    ),
)
"""The columns of Annex 2."""


def write_lines(proposal: SpecialtyProposal, say: Say) -> bytes:
    """The form in the manner of Annex 2: its head, and the lines entered so far."""
    reported = proposal.reported_on.isoformat() if proposal.reported_on else ""
    unit, day = say(N_("Reporting unit (seal)")), say(N_("Reporting date"))
    series = say(N_("Series of titles"))
    above = (
        say(N_("Specialty collection form of professional titles")),
        f"{unit}：{proposal.reporting_unit.name}　　{day}：{reported}",
        f"{series}：{proposal.series.name}",
    )
    rows = [
        {
            "group_name": line.group_name,
            "number": str(line.number),
            "specialty_name": line.specialty_name,
            "scope_note": line.scope_note,
            "basis": line.basis,
        }
        for line in proposal.lines
    ]
    book = Workbook(say)
    book.add_layout(LAYOUT, {}, rows, most_rows=MOST_LINES, above=above)
    book.add_hidden(LAYOUT, {})
    return book.content()


def read_lines(content: bytes, say: Say) -> list[ProposedLine]:
    """The lines of a filled-in form. Raises WorkbookRefusedError, SheetRefusedError."""
    look_at_workbook(content, most_bytes=int(parameter("import_most_megabytes")) * 1024 * 1024)
    sheet = read_workbook(content, LAYOUT, say, most_rows=MOST_LINES)
    _carry_group(sheet.rows)
    seen: dict[tuple[str, str], int] = {}
    found = [
        locate(sheet, row, problem, LAYOUT.columns)
        for row in sheet.rows
        for problem in (*problems_of_cells(row, LAYOUT.columns), *_problems(row, seen))
    ]
    if found:
        raise SheetRefusedError(found)
    return [_line(row) for row in sheet.rows]


def _carry_group(rows: Sequence[SheetRow]) -> None:
    """A group is often one merged cell beside its rows; only its first row holds the name."""
    group = ""
    for row in rows:
        group = row.cells["group_name"] or group
        is_unread = any(problem.column == "group_name" for problem in row.problems)
        row.cells["group_name"] = "" if is_unread else group


def _problems(row: SheetRow, seen: dict[tuple[str, str], int]) -> list[Problem]:
    problems = []
    number = row.cells.get("number", "")
    if number and not (_NUMBER.fullmatch(number) and 0 < int(number) <= _HIGHEST_NUMBER):
        problems.append(
            Problem(
                "number", N_("Enter a whole number from 1 to %(most)s."), {"most": _HIGHEST_NUMBER}
            )
        )
    key = (row.cells["group_name"], row.cells["specialty_name"])
    if all(key) and seen.setdefault(key, row.number) != row.number:
        problems.append(
            Problem(
                "specialty_name",
                N_("Stands in row %(row)s already. Keep one of them."),
                {"row": seen[key]},
            )
        )
    return problems


def _line(row: SheetRow) -> ProposedLine:
    number = row.cells.get("number", "")
    return ProposedLine(
        group_name=row.cells["group_name"],
        number=int(number) if number else None,
        specialty_name=row.cells["specialty_name"],
        scope_note=row.cells["scope_note"],
        basis=row.cells["basis"],
    )


def take_lines(
    proposal_id: int,
    content: bytes,
    say: Say,
    *,
    expected_version: int,
    actor: Actor,
    now: datetime,
) -> bool:
    """Put the lines of a filled-in form in the place of those on file; False when they are the
    same.

    Raises WorkbookRefusedError, SheetRefusedError, NotPermittedError, ConflictError.
    """
    lines = read_lines(content, say)
    proposal = db.session.get_one(SpecialtyProposal, proposal_id)
    before = [
        ProposedLine(
            line.group_name,
            line.number,
            line.specialty_name,
            join_blanks(line.scope_note, keeps_lines=True),
            join_blanks(line.basis, keeps_lines=True),
        )
        for line in proposal.lines
    ]
    if before == lines:
        return False
    save_proposal(
        proposal_id,
        plan_year=proposal.plan_year,
        series_id=proposal.series_id,
        lines=lines,
        expected_version=expected_version,
        actor=actor,
        now=now,
    )
    return True
