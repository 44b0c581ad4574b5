"""Exports of accounts: masked or with a reason, scoped, harmless to a spreadsheet, and back."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import func, select

from app import clock
from app.domain.errors import NotPermittedError, RuleViolation
from app.domain.terms import AccountKind, JobFilePurpose, JobState, RowOutcome
from app.extensions import db, unit_of_work
from app.jobs import background
from app.models import Account, ImportRow, Person, PersonalDataRead, Unit
from app.services import job_files
from app.services.imports import exporting
from app.services.imports.keys import account_key, read_account_key
from tests.sheets import cells, confirm, dry_run, identity, look, person, workbook


def export(actor, kind=AccountKind.PERSONAL, *, full=False, reason="", **more):
    with unit_of_work():
        job_id = exporting.ask_export(
            kind,
            unit_id=more.get("unit_id"),
            is_active=more.get("is_active"),
            account_ids=more.get("account_ids"),
            with_full_numbers=full,
            reason=reason,
            actor=actor,
            now=clock.now(),
        ).id
    background.work_on(job_id)
    job = look(job_id)
    assert job.state is JobState.DONE, (job.message, job.message_params)
    file = job_files.find_job_file(job_id, JobFilePurpose.RESULT)
    assert file is not None
    return job_files.read_job_file(file)


@pytest.fixture
def housing(actor):
    return actor("gyhousing")


@pytest.fixture
def some_people(app: Flask, housing):
    """Three imported people of the unit, one with a name a spreadsheet would calculate, as it may
    stand in a table from before names were looked at."""
    rows = [person(1), person(2, 单位经办人="是"), person(3)]
    job = confirm(dry_run(workbook(rows), housing), housing)
    assert job.message_params["new"] == 3
    named = db.session.scalars(select(Person).where(Person.name == "批量3")).one()
    named.name = "=cmd|calc"
    db.session.commit()
    return job


def reads() -> int:
    return db.session.scalar(select(func.count(PersonalDataRead.id))) or 0


def test_export_is_masked_and_importing_it_changes_nothing(
    app: Flask, housing, some_people
) -> None:
    before = reads()
    content = export(housing)
    table = cells(content)
    for serial in (1, 2, 3):
        assert identity(serial) not in str(table)
    assert "13900000001" not in str(table)
    assert reads() == before
    job = dry_run(content, housing)
    outcomes = db.session.scalars(select(ImportRow.outcome).where(ImportRow.job_id == job.id)).all()
    assert len(outcomes) == len(table) - 1 >= 3
    assert set(outcomes) == {RowOutcome.UNCHANGED}


def test_full_export_logs_every_number_and_comes_back_unchanged(
    app: Flask, housing, some_people
) -> None:
    before = reads()
    content = export(housing, full=True, reason="年度核对人员名单")
    table = cells(content)
    numbers = [row[table[0].index("证件号码*")] for row in table[1:]]
    assert {identity(1), identity(2), identity(3)} <= set(numbers)
    assert reads() - before == 2 * len(numbers)
    entry = db.session.scalars(
        select(PersonalDataRead).order_by(PersonalDataRead.id.desc()).limit(1)
    ).one()
    assert (entry.reason, entry.account_id) == ("年度核对人员名单", housing.account_id)
    without_keys = [dict(zip(table[0][1:], row[1:], strict=True)) for row in table[1:]]
    for again in (content, workbook(without_keys, table[0][1:])):
        job = dry_run(again, housing)
        assert job.message_params["unchanged"] == len(numbers), job.message_params


@pytest.mark.parametrize("reason", ["", "  ", "核对"])
def test_full_numbers_need_a_reason(app: Flask, housing, reason: str) -> None:
    with pytest.raises(RuleViolation):
        export(housing, full=True, reason=reason)


def test_full_numbers_need_a_role_of_the_table(app: Flask, actor) -> None:
    with pytest.raises(NotPermittedError):
        export(actor("security"), full=True, reason="年度核对人员名单")


def test_role_taken_away_meanwhile_stops_the_export(
    app: Flask, actor, housing, monkeypatch
) -> None:
    with unit_of_work():
        job = exporting.ask_export(
            AccountKind.PERSONAL,
            unit_id=None,
            is_active=None,
            account_ids=None,
            with_full_numbers=True,
            reason="年度核对人员名单",
            actor=housing,
            now=clock.now(),
        )
        job_id = job.id
    monkeypatch.setattr(exporting, "FULL_NUMBERS", frozenset())
    background.work_on(job_id)
    assert look(job_id).state is JobState.FAILED
    assert reads() == 0


def test_nothing_a_spreadsheet_would_calculate_is_written(app: Flask, housing, some_people) -> None:
    stored = db.session.scalars(select(Person.name).where(Person.name.like("=%"))).all()
    assert stored == ["=cmd|calc"]
    table = cells(export(housing))
    names = [row[1] for row in table[1:]]
    assert "'=cmd|calc" in names
    assert not [cell for row in table[1:] for cell in row if cell.startswith(("=", "+", "-", "@"))]


def test_export_reaches_no_further_than_the_reader(app: Flask, actor, housing, some_people) -> None:
    names = {row[1] for row in cells(export(actor("gyhealth")))[1:]}
    assert not names & {"批量1", "批量2"}
    below = cells(export(actor("guiyang"), unit_id=housing.unit_id))
    assert {"批量1", "批量2"} <= {row[1] for row in below[1:]}


def test_filters_narrow_the_export(app: Flask, housing, some_people) -> None:
    wanted = db.session.scalars(select(Account.id).join(Person).where(Person.name == "批量1")).one()
    assert [row[1] for row in cells(export(housing, account_ids=[wanted]))[1:]] == ["批量1"]
    assert cells(export(housing, account_ids=[]))[1:] == []
    db.session.get_one(Account, wanted).active = False
    db.session.commit()
    assert [row[1] for row in cells(export(housing, is_active=False))[1:]] == ["批量1"]


def test_units_are_exported_and_come_back_unchanged(app: Flask, actor) -> None:
    content = export(actor("guiyang"), AccountKind.UNIT)
    assert len(cells(content)) > 2
    own = cells(export(actor("gyhousing"), AccountKind.UNIT))
    assert own[0][0] == "单位名称*"
    job = dry_run(content, actor("guiyang"), "units")
    assert job.state is JobState.WAITING_FOR_CONFIRMATION, (job.message, job.message_params)
    assert job.message_params["unchanged"] == job.message_params["rows"]


def test_contacts_are_masked_or_logged(app: Flask, actor) -> None:
    """The telephone of a unit's contact goes the way of every other number."""
    phone = db.session.scalars(select(Unit).where(Unit.name == "黔中建筑设计院（演示）")).one()
    masked = cells(export(actor("guiyang"), AccountKind.UNIT))
    assert any(phone.contact_phone_mask in row for row in masked)
    assert not any(phone.contact_phone in row for row in masked)
    assert reads() == 0
    full = cells(export(actor("guiyang"), AccountKind.UNIT, full=True, reason="核对联系方式"))
    assert any(phone.contact_phone in row for row in full)
    logged = db.session.scalars(select(PersonalDataRead)).all()
    assert {read.field for read in logged} == {"contact_phone"}
    assert phone.id in {read.unit_id for read in logged}
    assert {read.person_id for read in logged} == {None}


def test_changed_cell_of_an_export_is_seen(app: Flask, housing, some_people) -> None:
    table = cells(export(housing))
    head = table[0]
    rows = [dict(zip(head, row, strict=True)) for row in table[1:]]
    row = next(each for each in rows if each["姓名*"] == "批量1")
    row["单位经办人"] = "是"
    spoiled = dict(row, 账号标识="x") if "账号标识" in row else dict(row)
    spoiled[head[0]] = row[head[0]][:-1] + ("A" if row[head[0]][-1] != "A" else "B")
    other = dict(rows[0], **{"证件号码*": "520***********0000"})
    job = dry_run(workbook([row, spoiled, other], head), housing)
    found = db.session.execute(
        select(ImportRow.outcome, ImportRow.changes)
        .where(ImportRow.job_id == job.id)
        .order_by(ImportRow.number)
    ).all()
    assert [tuple(each) for each in found] == [
        (RowOutcome.CHANGED, ["is_handler"]),
        (RowOutcome.FAILING, []),
        (RowOutcome.FAILING, []),
    ]


def test_key_of_an_account_cannot_be_made_up(app: Flask) -> None:
    key = account_key(7)
    assert read_account_key(key) == 7
    assert account_key(7) == key
    for wrong in (
        key.replace("A7", "A8"),
        key[:-1],
        "A7",
        "A7-",
        "",
        "7",
        "A-1",
        "Ax-y",
        key + "0",
    ):
        assert read_account_key(wrong) is None
