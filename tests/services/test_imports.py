"""Accounts from Excel: dry run, confirmation, error file, hand-out (notice 三(二), Annex 3)."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import event, func, select, text

from app import clock
from app.domain.errors import ConflictError, NotPermittedError, RuleViolation
from app.domain.terms import (
    AccountOrigin,
    ApplicantKind,
    IdentityDocument,
    JobFilePurpose,
    JobState,
    RowOutcome,
)
from app.extensions import db, unit_of_work
from app.jobs import background
from app.messages import say
from app.models import (
    Account,
    AuditEntry,
    ImportProof,
    ImportRow,
    Parameter,
    Person,
    PersonnelAffiliation,
)
from app.services import account_proofs, accounts, job_files
from app.services.imports import hand_out, importing
from app.services.imports.error_file import say_problems
from app.services.people import PersonDraft
from app.services.units import unit_ref
from tests.sheets import PEOPLE_HEAD, cells, confirm, dry_run, identity, look, person, workbook

PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\nxref\n0 1\n0000000000 65535 f \n"
    b"trailer<</Root 1 0 R>>\nstartxref\n40\n%%EOF\n"
)
JOB_TABLES = {"background_job", "job_file", "import_row", "import_proof", "audit_entry"}


@pytest.fixture
def housing(actor):
    return actor("gyhousing")


def outcomes(job) -> dict[int, RowOutcome]:
    rows = db.session.execute(
        select(ImportRow.number, ImportRow.outcome).where(ImportRow.job_id == job.id)
    )
    return dict(rows.all())


def said(job, number: int) -> list[str]:
    row = db.session.get_one(ImportRow, (job.id, number), populate_existing=True)
    return say_problems(row.problems, importing.layout_of_job(job), say)


def checksums() -> dict[str, str]:
    """A checksum of every table that is not the import's own."""
    names = [name for name in db.metadata.tables if name not in JOB_TABLES]
    query = "SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {} t"
    return {name: db.session.scalar(text(query.format(name))) for name in names}


def known_person(unit, actor_of_unit, serial: int) -> Account:
    draft = PersonDraft(
        f"批量{serial}", IdentityDocument.RESIDENT_ID, identity(serial), f"139{serial:08d}"
    )
    return accounts.create_personal_account(
        draft,
        unit=unit_ref(unit),
        is_handler=False,
        declared=True,
        actor=actor_of_unit,
        now=clock.now(),
    ).account


def test_dry_run_says_what_each_row_is_and_writes_nothing(app: Flask, housing, actor, unit) -> None:
    mine = db.session.get_one(Account, housing.account_id).unit
    other = db.session.get_one(Account, actor("gyhealth").account_id).unit
    known_person(mine, housing, 1)
    known_person(mine, housing, 2)
    known_person(other, actor("gyhealth"), 3)
    legacy = known_person(other, actor("gyhealth"), 4)
    legacy.origin = AccountOrigin.LEGACY_2021
    db.session.commit()
    before = checksums()
    job = dry_run(
        workbook(
            [
                person(1),
                person(2, 单位经办人="是"),
                person(3),
                person(4),
                person(5),
                person(6, **{"姓名*": ""}),
            ]
        ),
        housing,
    )
    assert job.state is JobState.WAITING_FOR_CONFIRMATION, (job.message, job.message_params)
    assert checksums() == before
    assert outcomes(job) == {
        2: RowOutcome.UNCHANGED,
        3: RowOutcome.CHANGED,
        4: RowOutcome.FAILING,
        5: RowOutcome.FAILING,
        6: RowOutcome.NEW,
        7: RowOutcome.FAILING,
    }
    assert job.message_params == {
        "rows": 6,
        "new": 1,
        "unchanged": 1,
        "changed": 1,
        "failing": 3,
    }
    assert "转入" in said(job, 4)[0]
    assert "2021" in said(job, 5)[0]
    assert said(job, 7) == ["姓名：此格未填，请填写。"]
    row = db.session.get_one(ImportRow, (job.id, 3))
    assert row.changes == ["is_handler"]


def test_every_problem_of_a_row_is_said(app: Flask, housing) -> None:
    rows = [
        person(10),
        person(
            11,
            **{"姓名*": "名" * 61, "证件号码*": "52010319910115000", "手机号码*": "1380000"},
            人员身份="工人",
            单位经办人="也许",
        ),
        person(12, **{"证件号码*": 5.20103199101e17}),
        person(13, **{"证件号码*": "=1+1", "手机号码*": 13900000013}),
        person(10, **{"姓名*": "同一个人"}),
        person(14, 人员身份="自由从业人员"),
        person(15, 证件类型="护照", **{"证件号码*": "E12345678"}),
    ]
    job = dry_run(workbook(rows), housing)
    assert outcomes(job) == {
        2: RowOutcome.NEW,
        **dict.fromkeys(range(3, 9), RowOutcome.FAILING),
    }
    assert len(said(job, 3)) == 5
    assert [line.partition("：")[0] for line in said(job, 3)] == [
        "证件号码",
        "手机号码",
        "人员身份",
        "单位经办人",
        "姓名",
    ]
    assert "5.20103E+17" in said(job, 4)[0]
    assert said(job, 5) == ["证件号码：此格是公式，请复制后粘贴为数值。"]
    assert said(job, 6) == ["证件号码：与第 2 行的证件号码相同，请保留其中一行。"]
    assert "人员身份" in said(job, 7)[0]
    assert said(job, 8) == ["证件类型：“护照”不在可选范围内，请从单元格的下拉列表中选择。"]


def test_order_blank_rows_and_widths_do_not_matter(app: Flask, housing) -> None:
    head = ["手机号码", "备注", "证件号码（必填）", "姓 名"]
    rows = [
        {},
        {
            "手机号码": "１３９００００００２０",
            "证件号码（必填）": f"’{identity(20).lower()} ",
            "姓 名": " 批量20 ",
            "备注": "忽略",
        },
        {"备注": " "},
    ]
    job = dry_run(workbook(rows, head, first_row=2, title="Sheet1"), housing)
    assert outcomes(job) == {5: RowOutcome.NEW}, (job.message, job.message_params)
    confirm(job, housing)
    made = db.session.scalars(
        select(Person).where(Person.identity_hash == accounts.identity_hash(identity(20)))
    ).one()
    assert (made.name, made.phone) == ("批量20", "13900000020")


def test_confirmation_creates_accounts_as_the_single_form_does(app: Flask, housing) -> None:
    job = dry_run(
        workbook([person(30), person(31, 单位经办人="是"), person(32, **{"姓名*": ""})]), housing
    )
    done = confirm(job, housing, proofs=[("社保.pdf", PDF)])
    assert done.state is JobState.DONE
    assert done.message_params == {"new": 2, "unchanged": 0, "changed": 0, "failing": 1}
    made = db.session.scalars(
        select(Account)
        .join(Person)
        .where(Person.name.in_(["批量30", "批量31"]))
        .order_by(Person.name)
    ).all()
    assert [sorted(role.name for role in each.roles) for each in made] == [
        ["applicant"],
        ["unit_handler"],
    ]
    assert {each.origin for each in made} == {AccountOrigin.IMPORT}
    assert {each.unit_id for each in made} == {housing.unit_id}
    rows = db.session.scalars(
        select(ImportRow).where(ImportRow.job_id == job.id).order_by(ImportRow.number)
    ).all()
    assert [row.account_id for row in rows] == [made[0].id, made[1].id, None]
    assert [bool(row.activation_code) for row in rows] == [True, True, False]
    proof = db.session.scalars(select(ImportProof).where(ImportProof.job_id == job.id)).one()
    assert proof.filename == "社保.pdf"
    found = db.session.execute(
        account_proofs.given_for([made[0].id, made[1].id, housing.account_id])
    ).all()
    assert {(id_, each.id) for id_, each in found} == {(each.id, proof.id) for each in made}
    created = db.session.scalar(
        select(func.count())
        .select_from(AuditEntry)
        .where(
            AuditEntry.action == "create_account",
            AuditEntry.object_id.in_([str(each.id) for each in made]),
        )
    )
    assert created == 2


def test_proof_is_demanded_of_new_people_where_the_province_says_so(app: Flask, housing) -> None:
    """In the services: neither page nor caller can leave it out."""
    unit = db.session.get_one(Account, housing.account_id).unit
    db.session.get_one(Parameter, "account_proof_required").value = True
    db.session.commit()
    job = dry_run(workbook([person(36)]), housing)
    with pytest.raises(RuleViolation, match="proof of employment"):
        confirm(job, housing)
    with pytest.raises(RuleViolation, match="proof of employment"):
        known_person(unit, housing, 37)
    job = confirm(look(job.id), housing, proofs=[("社保.pdf", PDF)])
    assert job.message_params["new"] == 1


def test_without_declaration_nothing_is_created(app: Flask, housing) -> None:
    job = dry_run(workbook([person(40)]), housing)
    with pytest.raises(RuleViolation, match="misconduct"), unit_of_work():
        importing.confirm_import(
            job.id,
            expected_version=job.version,
            declared=False,
            actor=housing,
            now=clock.now(),
        )
    assert look(job.id).state is JobState.WAITING_FOR_CONFIRMATION


def test_nothing_new_is_not_confirmed(app: Flask, housing) -> None:
    job = dry_run(workbook([person(41, **{"姓名*": ""})]), housing)
    with pytest.raises(RuleViolation), unit_of_work():
        importing.confirm_import(
            job.id, expected_version=job.version, declared=True, actor=housing, now=clock.now()
        )


def test_world_that_changed_meanwhile_is_seen(app: Flask, housing, actor) -> None:
    """Between dry run and confirmation another unit creates one, the own form another."""
    job = dry_run(workbook([person(50), person(51), person(52)]), housing)
    assert set(outcomes(job).values()) == {RowOutcome.NEW}
    other = db.session.get_one(Account, actor("gyhealth").account_id).unit
    mine = db.session.get_one(Account, housing.account_id).unit
    known_person(other, actor("gyhealth"), 50)
    known_person(mine, housing, 51)
    db.session.commit()
    done = confirm(job, housing)
    assert done.message_params == {"new": 1, "unchanged": 1, "changed": 0, "failing": 1}
    assert "转入" in said(done, 2)[0]


def test_change_nobody_confirmed_is_not_made(app: Flask, housing) -> None:
    mine = db.session.get_one(Account, housing.account_id).unit
    account = known_person(mine, housing, 53)
    db.session.commit()
    job = dry_run(workbook([person(53, 单位经办人="是"), person(54)]), housing)
    with unit_of_work():
        affiliation = db.session.scalars(
            select(PersonnelAffiliation).where(PersonnelAffiliation.person_id == account.person_id)
        ).one()
        affiliation.applicant_kind = ApplicantKind.FREELANCER
    done = confirm(job, housing)
    assert done.message_params == {"new": 1, "unchanged": 0, "changed": 0, "failing": 1}
    assert accounts.roles_of(db.session.get_one(Account, account.id)) == {"applicant"}


def test_changes_of_handler_are_applied(app: Flask, housing) -> None:
    mine = db.session.get_one(Account, housing.account_id).unit
    account = known_person(mine, housing, 55)
    db.session.commit()
    done = confirm(dry_run(workbook([person(55, 单位经办人="是")]), housing), housing)
    assert done.message_params == {"new": 0, "unchanged": 0, "changed": 1, "failing": 0}
    assert "unit_handler" in accounts.roles_of(db.session.get_one(Account, account.id))
    again = dry_run(workbook([person(55, 单位经办人="是")]), housing)
    assert outcomes(again) == {2: RowOutcome.UNCHANGED}


def test_name_and_telephone_are_not_changed_by_a_file(app: Flask, housing) -> None:
    mine = db.session.get_one(Account, housing.account_id).unit
    known_person(mine, housing, 56)
    db.session.commit()
    job = dry_run(workbook([person(56, **{"姓名*": "别人", "手机号码*": "13700000000"})]), housing)
    assert outcomes(job) == {2: RowOutcome.FAILING}
    assert [line.partition("：")[0] for line in said(job, 2)] == ["姓名", "手机号码"]
    assert "139****0056" in said(job, 2)[1]


def test_error_file_holds_only_the_failing_rows_and_can_be_corrected(app: Flask, housing) -> None:
    job = dry_run(
        workbook([person(60), person(61, **{"手机号码*": "12"}), person(62, **{"姓名*": ""})]),
        housing,
    )
    file = job_files.find_job_file(job.id, JobFilePurpose.ERRORS)
    assert file is not None
    table = cells(job_files.read_job_file(file))
    assert table[0] == [*PEOPLE_HEAD, "上传文件中的行号", "错误原因"]
    assert [row[6] for row in table[1:]] == ["3", "4"]
    assert [row[2] for row in table[1:]] == [identity(61), identity(62)]
    assert all(row[7] for row in table[1:])
    confirm(job, housing)
    corrected = [dict(zip(table[0], row, strict=True)) for row in table[1:]]
    corrected[0]["手机号码*"] = "13900000061"
    corrected[1]["姓名*"] = "批量62"
    again = dry_run(workbook(corrected, table[0]), housing)
    assert outcomes(again) == {2: RowOutcome.NEW, 3: RowOutcome.NEW}
    assert confirm(again, housing).message_params["new"] == 2
    assert job_files.find_job_file(again.id, JobFilePurpose.ERRORS) is None


def test_hand_out_sheet_is_taken_once_and_only_by_who_imported(app: Flask, housing, actor) -> None:
    job = confirm(dry_run(workbook([person(70), person(71)]), housing), housing)
    code = db.session.scalar(
        select(ImportRow.activation_code)
        .where(ImportRow.job_id == job.id)
        .order_by(ImportRow.number)
        .limit(1)
    )
    raw = db.session.scalar(
        text("SELECT activation_code FROM import_row WHERE job_id = :job ORDER BY number LIMIT 1"),
        {"job": job.id},
    )
    assert code.encode() not in bytes(raw)
    with pytest.raises(NotPermittedError):
        hand_out.take_hand_out_sheet(job.id, say, actor=actor("gyhealth"), now=clock.now())
    with unit_of_work():
        content = hand_out.take_hand_out_sheet(job.id, say, actor=housing, now=clock.now())
    table = cells(content, "激活码")
    assert [row[1] for row in table[1:]] == ["批量70", "批量71"]
    assert table[1][3] == code
    assert identity(70) not in str(table)
    assert hand_out.count_codes(job.id) == 0
    with pytest.raises(ConflictError):
        hand_out.take_hand_out_sheet(job.id, say, actor=housing, now=clock.now())
    entry = db.session.scalars(
        select(AuditEntry).where(AuditEntry.action == "take_activation_codes")
    ).one()
    assert entry.after == {"count": 2}


def test_codes_and_names_are_gone_when_the_job_expires(app: Flask, housing) -> None:
    job = confirm(dry_run(workbook([person(72)]), housing), housing)
    with unit_of_work():
        job_files.expire_job(job.id, now=job.expires_at)
    row = db.session.get_one(ImportRow, (job.id, 2), populate_existing=True)
    assert (row.activation_code, row.label) == (None, "")
    assert row.account_id is not None
    assert job_files.find_job_file(job.id, JobFilePurpose.UPLOAD) is None


def test_no_full_number_is_kept_outside_the_encrypted_columns(app: Flask, housing) -> None:
    """Not in problems, reports, audit entries or names of files."""
    rows = [person(80), person(81, **{"手机号码*": identity(81)}, 证件类型=identity(82))]
    job = confirm(dry_run(workbook(rows), housing), housing)
    stored = ""
    for table in ("background_job", "job_file", "import_row", "audit_entry", "ab_user"):
        stored += "\n".join(
            db.session.scalars(text(f"SELECT t::text FROM {table} t")).all()  # noqa: S608 -- own names
        )
    for serial in (80, 81, 82):
        assert identity(serial) not in stored
    assert "13900000080" not in stored
    assert outcomes(job)[3] is RowOutcome.FAILING


def test_number_of_queries_does_not_grow_with_the_rows(app: Flask, housing) -> None:
    def queries(count: int) -> int:
        content = workbook([person(1000 + serial) for serial in range(count)])
        with unit_of_work():
            job = importing.ask_import(
                importing.LAYOUTS["people"], "a.xlsx", content, actor=housing, now=clock.now()
            )
            job_id = job.id
        seen = []

        def note(*args) -> None:
            seen.append(args[2])

        engine = db.engine
        event.listen(engine, "before_cursor_execute", note)
        try:
            background.work_on(job_id)
        finally:
            event.remove(engine, "before_cursor_execute", note)
        assert look(job_id).state is JobState.WAITING_FOR_CONFIRMATION
        return len(seen)

    assert queries(2) == queries(importing.CHECK_BATCH)


def test_killed_run_of_the_writing_creates_nobody_twice(app: Flask, housing, monkeypatch) -> None:
    """The second batch breaks; the run that takes it up creates the rest, each with its code."""
    monkeypatch.setattr(importing, "WRITE_BATCH", 2)
    job = dry_run(workbook([person(90 + n) for n in range(5)]), housing)
    with unit_of_work():
        importing.confirm_import(
            job.id, expected_version=job.version, declared=True, actor=housing, now=clock.now()
        )
    real, calls = importing.write_row, []

    def break_once(*args, **kwargs):
        calls.append(1)
        if len(calls) == 4:
            raise RuntimeError("killed")
        real(*args, **kwargs)

    monkeypatch.setattr(importing, "write_row", break_once)
    assert background.work_on(job.id) == "stopped"
    assert look(job.id).done == 2
    assert background.work_on(job.id) == "ended"
    rows = db.session.scalars(select(ImportRow).where(ImportRow.job_id == job.id)).all()
    assert len({row.account_id for row in rows}) == 5
    assert all(row.activation_code for row in rows)
    names = db.session.scalars(select(Person.name).where(Person.name.like("批量9%"))).all()
    assert sorted(names) == [f"批量{90 + n}" for n in range(5)]
