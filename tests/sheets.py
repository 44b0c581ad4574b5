"""Workbooks as units upload them, and the way from an upload to its end."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import xlsxwriter
from python_calamine import CalamineWorkbook

from app import clock
from app.domain.codes import compute_id_check
from app.domain.sheets import LAYOUTS
from app.extensions import db, unit_of_work
from app.jobs import background
from app.models import BackgroundJob
from app.services.actors import Actor
from app.services.imports import importing

PEOPLE_HEAD = ("姓名*", "证件类型", "证件号码*", "手机号码*", "人员身份", "单位经办人")


def identity(serial: int) -> str:
    """A valid number nobody of the demo data has."""
    body = f"52010319910{1 + serial // 1000 % 9:01d}15{serial % 1000:03d}"
    return body + compute_id_check(body)


def person(serial: int, **changes: Any) -> dict[str, Any]:
    """A row of the sheet of the own people."""
    return {
        "姓名*": f"批量{serial}",
        "证件类型": "居民身份证",
        "证件号码*": identity(serial),
        "手机号码*": f"139{serial:08d}",
        "人员身份": "单位职工",
        "单位经办人": "否",
        **changes,
    }


def workbook(
    rows: Iterable[Mapping[str, Any]],
    head: Sequence[str] = PEOPLE_HEAD,
    *,
    title: str = "个人账号",
    first_row: int = 0,
) -> bytes:
    """A workbook with numbers as numbers, and texts beginning with `=` as formulas."""
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True})
    sheet = book.add_worksheet(title)
    for place, text in enumerate(head):
        sheet.write(first_row, place, text)
    for number, row in enumerate(rows, start=first_row + 1):
        for place, text in enumerate(head):
            sheet.write(number, place, row.get(text, ""))
    book.close()
    return buffer.getvalue()


def cells(content: bytes, sheet: int | str = 0) -> list[list[str]]:
    """The cells of a workbook."""
    book = CalamineWorkbook.from_filelike(io.BytesIO(content))
    found = (
        book.get_sheet_by_index(sheet) if isinstance(sheet, int) else book.get_sheet_by_name(sheet)
    )
    return [[str(cell) for cell in row] for row in found.to_python()]


def dry_run(content: bytes, actor: Actor, word: str = "people") -> BackgroundJob:
    """Upload and check a file."""
    with unit_of_work():
        job_id = importing.ask_import(
            LAYOUTS[word], "a.xlsx", content, actor=actor, now=clock.now()
        ).id
    background.work_on(job_id)
    return look(job_id)


def confirm(job: BackgroundJob, actor: Actor, **more: Any) -> BackgroundJob:
    """Confirm a dry run and write it."""
    with unit_of_work():
        importing.confirm_import(
            job.id,
            expected_version=job.version,
            declared=more.pop("declared", True),
            actor=actor,
            now=clock.now(),
            **more,
        )
    background.work_on(job.id)
    return look(job.id)


def look(job_id: int) -> BackgroundJob:
    """The job as it is now."""
    return db.session.get_one(BackgroundJob, job_id, populate_existing=True)
