"""Subordinate units from Excel, and the accounts of 2021 (notice 三(二), Annex 3, rules E1-E7)."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import event, select

from app import clock
from app.domain.codes import compute_uscc_check
from app.domain.errors import ConflictError, NotPermittedError
from app.domain.terms import AccountOrigin, JobState, RowOutcome
from app.extensions import db, unit_of_work
from app.messages import say
from app.models import Account, ImportRow, Person, Unit, UnitSuffix
from app.services import accounts
from app.services.imports import importing
from app.services.imports.error_file import say_problems
from app.services.sign_in import find_account
from app.services.units import allocate_derived_code
from tests.sheets import confirm, dry_run, identity, workbook

UNITS = ("单位名称*", "单位类别*", "统一社会信用代码", "行政区划")
LEGACY_UNITS = ("单位代码*", "单位名称*", "单位类别*", "上级单位代码*", "2021年登录名")
LEGACY_PEOPLE = ("单位代码*", "姓名*", "证件号码*", "手机号码*", "2021年登录名")


def code(serial: int) -> str:
    body = f"12520100{serial:09d}"
    return body + compute_uscc_check(body)


def outcomes(job) -> list[RowOutcome]:
    return list(
        db.session.scalars(
            select(ImportRow.outcome).where(ImportRow.job_id == job.id).order_by(ImportRow.number)
        )
    )


def said(job, number: int) -> str:
    row = db.session.get_one(ImportRow, (job.id, number), populate_existing=True)
    return " ".join(say_problems(row.problems, importing.layout_of_job(job), say))


def test_competent_department_imports_its_units(app: Flask, actor, unit) -> None:
    department = actor("gyhousing")
    taken = db.session.scalars(select(Unit.code).where(Unit.parent_id.is_(None))).first()
    rows = [
        {"单位名称*": "新一院", "单位类别*": "企事业单位", "统一社会信用代码": code(1)},
        {"单位名称*": "新二院", "单位类别*": "企事业单位"},
        {"单位名称*": "新三院", "单位类别*": "非公有制单位", "统一社会信用代码": code(3)},
        {"单位名称*": "新四院", "单位类别*": "企事业单位", "统一社会信用代码": code(4)[:-1] + "0"},
        {"单位名称*": "新五院", "单位类别*": "企事业单位", "统一社会信用代码": taken},
        {"单位名称*": "新一院", "单位类别*": "企事业单位", "统一社会信用代码": code(1)},
        {"单位名称*": "新七院", "单位类别*": "企事业单位", "行政区划": "520299"},
    ]
    job = dry_run(workbook(rows, UNITS, title="下级单位"), department, "units")
    assert outcomes(job) == [RowOutcome.NEW] * 2 + [RowOutcome.FAILING] * 5
    assert "第 2 行" in said(job, 7)
    done = confirm(job, department, declared=False)
    assert done.message_params == {"new": 2, "unchanged": 0, "changed": 0, "failing": 5}
    first, second = (unit("新一院"), unit("新二院"))
    assert (first.code, first.parent_id) == (code(1), department.unit_id)
    parent = db.session.get_one(Unit, department.unit_id)
    assert second.code.startswith(parent.code)
    assert second.code_suffix is not None
    made = db.session.scalars(select(Account).where(Account.unit_id == first.id)).one()
    assert (made.username, made.origin) == (code(1), AccountOrigin.IMPORT)
    again = dry_run(workbook(rows[:2], UNITS, title="下级单位"), department, "units")
    assert outcomes(again) == [RowOutcome.UNCHANGED] * 2


def test_queries_of_the_units_do_not_grow_with_the_rows(app: Flask, actor) -> None:
    def queries(count: int) -> int:
        rows = [{"单位名称*": f"新{n}院", "单位类别*": "企事业单位"} for n in range(count)]
        seen = []

        def note(*args) -> None:
            seen.append(args[2])

        event.listen(db.engine, "before_cursor_execute", note)
        try:
            dry_run(workbook(rows, UNITS, title="下级单位"), actor("gyhousing"), "units")
        finally:
            event.remove(db.engine, "before_cursor_execute", note)
        return len(seen)

    queries(1)
    assert queries(2) == queries(200)


def legacy_rows(parent: Unit) -> list[dict[str, str]]:
    return [
        {
            "单位代码*": code(21),
            "单位名称*": "老单位",
            "单位类别*": "企事业单位",
            "上级单位代码*": parent.code,
            "2021年登录名": "laodanwei",
        },
        {
            "单位代码*": code(21) + "07",
            "单位名称*": "老单位分部",
            "单位类别*": "企事业单位",
            "上级单位代码*": code(21),
        },
        {
            "单位代码*": code(21) + "08",
            "单位名称*": "错位",
            "单位类别*": "企事业单位",
            "上级单位代码*": parent.code,
        },
        {
            "单位代码*": code(22),
            "单位名称*": "无上级",
            "单位类别*": "企事业单位",
            "上级单位代码*": code(99),
        },
    ]


def test_units_and_people_of_2021_are_taken_over_and_never_created_again(
    app: Flask, actor, unit
) -> None:
    province = actor("province")
    parent = db.session.get_one(Unit, actor("gyhousing").unit_id)
    rows = legacy_rows(parent)
    job = dry_run(workbook(rows, LEGACY_UNITS, title="2021年单位"), province, "legacy_units")
    assert outcomes(job) == [RowOutcome.NEW] * 2 + [RowOutcome.FAILING] * 2
    done = confirm(job, province, declared=False)
    assert done.message_params["new"] == 2
    branch = unit("老单位分部")
    assert branch.code == code(21) + "07"
    assert branch.path.startswith(unit("老单位").path)
    account = db.session.scalars(select(Account).where(Account.username == code(21))).one()
    assert account.origin is AccountOrigin.LEGACY_2021
    assert account.legacy_login_hash == accounts.identity_hash("laodanwei")
    assert db.session.get(UnitSuffix, (unit("老单位").id, "07")) is not None
    assert allocate_derived_code(unit("老单位").id) == (code(21) + "08", "08")

    people = [
        {
            "单位代码*": branch.code,
            "姓名*": "老同志",
            "证件号码*": identity(500),
            "手机号码*": "13900000500",
            "2021年登录名": "laotongzhi",
        },
        {
            "单位代码*": code(98),
            "姓名*": "无单位",
            "证件号码*": identity(501),
            "手机号码*": "13900000501",
        },
    ]
    content = workbook(people, LEGACY_PEOPLE, title="2021年个人账号")
    job = dry_run(content, province, "legacy_people")
    assert outcomes(job) == [RowOutcome.NEW, RowOutcome.FAILING]
    done = confirm(job, province, declared=False)
    assert done.state is JobState.DONE
    made = db.session.scalars(select(Account).join(Person).where(Person.name == "老同志")).one()
    assert (made.unit_id, made.origin) == (branch.id, AccountOrigin.LEGACY_2021)
    assert made.legacy_login_hash == accounts.identity_hash("laotongzhi")
    assert db.session.get_one(ImportRow, (job.id, 2)).activation_code

    assert find_account("laotongzhi") == find_account(identity(500)) == made
    assert find_account("laodanwei") == account
    assert find_account("niemand") is None

    again = dry_run(content, province, "legacy_people")
    assert outcomes(again)[0] is RowOutcome.UNCHANGED
    units_again = dry_run(
        workbook(rows[:2], LEGACY_UNITS, title="2021年单位"), province, "legacy_units"
    )
    assert outcomes(units_again) == [RowOutcome.UNCHANGED] * 2

    elsewhere = workbook(
        [{"姓名*": "老同志", "证件号码*": identity(500), "手机号码*": "13900000500"}],
        ("姓名*", "证件号码*", "手机号码*"),
    )
    job = dry_run(elsewhere, actor("gyhealth"))
    assert outcomes(job) == [RowOutcome.FAILING]
    assert "2021" in said(job, 2)


def test_only_the_province_imports_accounts_of_2021(app: Flask, actor) -> None:
    content = workbook(
        legacy_rows(db.session.scalars(select(Unit)).first())[:1], LEGACY_UNITS, title="2021年单位"
    )
    job = dry_run(content, actor("guiyang"), "legacy_units")
    assert (job.state, outcomes(job)) == (JobState.FAILED, [])


def test_code_of_2021_taken_meanwhile_is_refused(app: Flask, actor) -> None:
    from app.domain.terms import UnitKind
    from app.services.imports.legacy import LegacyUnit, import_legacy_unit

    parent = db.session.get_one(Unit, actor("gyhousing").unit_id)
    draft = LegacyUnit(code(31), "甲", UnitKind.EMPLOYER, parent.code, None, "", None, "", "", "")
    with unit_of_work():
        import_legacy_unit(draft, actor=actor("province"), now=clock.now())
    with pytest.raises(ConflictError):
        import_legacy_unit(draft, actor=actor("province"), now=clock.now())
    with pytest.raises(NotPermittedError):
        import_legacy_unit(draft, actor=actor("guiyang"), now=clock.now())
