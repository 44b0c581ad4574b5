"""The seed files in a real database: what they become, loading twice, mistakes, and back again."""

from __future__ import annotations

import json
import shutil
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask
from sqlalchemy import func, select

import config
from app.domain.codes import derive_code, find_suffix_position
from app.domain.plan import PlanWindow
from app.domain.terms import FilingState, PanelRole
from app.extensions import db
from app.models import (
    Account,
    AuthorityFiling,
    CallForApplications,
    Committee,
    CreditRecord,
    DefinitionVersion,
    Dictionary,
    Division,
    EvaluationPlan,
    Expert,
    ExpertPoolMember,
    HolidayDay,
    HolidayYear,
    Parameter,
    Person,
    PlanCategory,
    PlanCategorySeries,
    PlanLine,
    Series,
    Specialty,
    SpecialtyGroup,
    Unit,
    UnitSuffix,
)
from app.passwords import verify_password
from app.services.definitions.shipped import shipped_files
from app.services.demo import list_demo_accounts
from app.services.search_text import search_query
from app.services.seed_export import export_all, write_all
from app.services.seed_files import SeedError
from app.services.seeding import load_all
from app.services.settings import load_calendar, parameter
from tests.conftest import PASSWORD, at, unprotect

ANNEX_1_COLUMNS = [
    "number",
    "series_text",
    "scope",
    "window_text",
    "receipt_text",
    "policy_review_text",
    "online_review_text",
]

EXPECTED_COUNTS = {
    Division: 98,
    HolidayYear: 8,
    Series: 27,
    SpecialtyGroup: 40,
    Parameter: 91,
    Dictionary: 20,
    DefinitionVersion: 1 + len([*shipped_files(config.SEED_FOLDER)]),
    EvaluationPlan: 1,
    PlanLine: 8,
    PlanCategory: 29,
    PlanCategorySeries: 30,
    Unit: 51,
    UnitSuffix: 5,
    Committee: 11,
    AuthorityFiling: 11,
    CallForApplications: 8,
    Expert: 240,
    CreditRecord: 1,
}


def count_rows() -> dict[str, int]:
    """Every table's rows, FAB's too."""
    return {
        table.name: db.session.scalar(select(func.count()).select_from(table)) or 0
        for table in db.metadata.sorted_tables
    }


def snapshot() -> dict[str, list[Any]]:
    """Every row of every table."""
    return {
        table.name: sorted(map(repr, db.session.execute(select(table)).all()))
        for table in db.metadata.sorted_tables
    }


def read(name: str) -> Any:
    return yaml.safe_load((config.SEED_FOLDER / name).read_text(encoding="utf-8"))


@pytest.fixture
def seed_copy(tmp_path: Path) -> Path:
    """A copy of seed/ that a test may break."""
    return Path(shutil.copytree(config.SEED_FOLDER, tmp_path / "seed"))


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), encoding="utf-8")


def empty_all_but_roles() -> None:
    """Take the database back to `flask init`; the log too, which nobody else may."""
    unprotect()
    for table in reversed(db.metadata.sorted_tables):
        if not table.name.startswith("ab_") or table.name in {"ab_user", "ab_user_role"}:
            db.session.execute(table.delete())


# --------------------------------------------------------------------------- what is loaded


def test_load_all_brings_every_row_of_the_files(app: Flask) -> None:
    counts = count_rows()
    assert {model: counts[model.__tablename__] for model in EXPECTED_COUNTS} == EXPECTED_COUNTS
    people = read("demo/people.yaml")
    everyone = [*people["staff"], *people["applicants"], *people["experts"]]
    personal = [one for one in everyone if one["kind"] == "personal"]
    assert counts["ab_user"] == len(everyone)
    assert counts["person"] == counts["personnel_affiliation"] == len(personal)
    assert counts["expert_pool_member"] == sum(len(one["committees"]) for one in people["experts"])
    assert counts["professional_title"] == sum(
        len(level["titles"] or [])
        for one in read("series.yaml")["series"]
        for level in one["levels"]
    )
    assert counts["dictionary_entry"] == sum(
        len(one["items"]) for one in read("dictionaries.yaml")["dictionaries"]
    )
    assert counts["reason_code"] == sum(
        len(one["actions"]) for one in read("reason_codes.yaml")["reason_codes"]
    )


def test_load_all_twice_changes_no_row(app: Flask) -> None:
    before = snapshot()
    load_all(with_demo=True)
    db.session.flush()
    assert snapshot() == before


def test_load_all_leaves_what_the_province_has_changed(app: Flask) -> None:
    db.session.get_one(Parameter, "unit_push_days").value = 12
    line = db.session.scalars(select(PlanLine).where(PlanLine.number == 4)).one()
    line.applications_open_at = at("2023-03-21T08:00")
    line.applications_close_at = at("2023-03-23T17:00")
    line.receipt_due_at = at("2023-04-14T17:00")
    line.policy_review_due_on = line.online_review_due_on = date(2023, 6, 30)
    specialty = db.session.scalars(select(Specialty).limit(1)).one()
    specialty.name = "另一个名称"
    unit = db.session.scalars(select(Unit).where(Unit.name == "黔山医院（演示）")).one()
    unit.name = "黔山总医院"
    db.session.flush()
    before = snapshot()
    load_all(with_demo=True)
    db.session.flush()
    assert snapshot() == before
    assert parameter("unit_push_days") == 12


def test_load_all_adds_a_parameter_a_later_version_brings(app: Flask) -> None:
    db.session.delete(db.session.get_one(Parameter, "reserve_experts"))
    db.session.flush()
    load_all(with_demo=False)
    db.session.flush()
    assert db.session.get_one(Parameter, "reserve_experts").value == 4


def test_load_all_without_demo_brings_no_account(own_app: Flask) -> None:
    with own_app.app_context():
        empty_all_but_roles()
        load_all(with_demo=False)
        db.session.flush()
        counts = count_rows()
    assert counts["ab_user"] == counts["unit"] == counts["person"] == counts["committee"] == 0
    assert counts["plan_line"] == 8


def test_load_all_with_demo_takes_less_than_five_seconds_of_the_processor(own_app: Flask) -> None:
    with own_app.app_context():
        empty_all_but_roles()
        started = time.process_time()
        load_all(with_demo=True)
        db.session.flush()
        assert time.process_time() - started < 5


# --------------------------------------------------------------------------- the plan


def window_of(number: int) -> PlanWindow:
    row = db.session.scalars(select(PlanLine).where(PlanLine.number == number)).one()
    return PlanWindow(
        line=row.series_text,
        opens_at=row.applications_open_at,
        closes_at=row.applications_close_at,
        receipt_due_at=row.receipt_due_at,
        policy_review_due_on=row.policy_review_due_on,
        online_review_due_on=row.online_review_due_on,
    )


@pytest.mark.parametrize(
    (
        "number",
        "window",
        "receipt_due_at",
        "policy_on",
        "review_on",
        "latest_call_on",
        "push_on",
        "nodes",
    ),
    [
        (
            1,
            "08-01 08:00 08-05 17:00",
            "09-15T17:00",
            "2022-11-30",
            "2022-12-31",
            "07-02",
            "08-15",
            7,
        ),
        (
            2,
            "08-25 08:00 08-30 17:00",
            "09-30T17:00",
            "2022-11-30",
            "2022-12-31",
            "07-26",
            "09-09",
            4,
        ),
        (
            3,
            "10-10 08:00 10-14 17:00",
            "11-14T17:00",
            "2022-12-15",
            "2022-12-31",
            "09-10",
            "10-24",
            5,
        ),
        (
            4,
            "09-12 08:00 09-16 17:00",
            "10-14T17:00",
            "2022-11-30",
            "2022-12-31",
            "08-13",
            "09-26",
            3,
        ),
        (
            5,
            "09-12 08:00 09-16 17:00",
            "10-14T17:00",
            "2022-11-30",
            "2022-12-31",
            "08-13",
            "09-26",
            3,
        ),
        (
            6,
            "11-01 08:00 11-04 17:00",
            "12-05T17:00",
            "2023-04-30",
            "2023-05-30",
            "10-02",
            "11-14",
            5,
        ),
        (
            7,
            "12-05 08:00 12-09 17:00",
            "2023-01-15T17:00",
            "2023-04-30",
            "2023-05-30",
            "11-05",
            "12-19",
            6,
        ),
        (
            8,
            "12-05 08:00 12-09 17:00",
            "2023-01-15T17:00",
            "2023-04-30",
            "2023-05-30",
            "11-05",
            "12-19",
            6,
        ),
    ],
)
def test_plan_lines_have_the_figures_of_annex_1(
    app: Flask,
    number: int,
    window: str,
    receipt_due_at: str,
    policy_on: str,
    review_on: str,
    latest_call_on: str,
    push_on: str,
    nodes: int,
) -> None:
    found = window_of(number)
    calendar = load_calendar()
    opens, closes = found.opens_at.strftime("%m-%d %H:%M"), found.closes_at.strftime("%m-%d %H:%M")
    assert f"{opens} {closes}" == window
    assert found.receipt_due_at == at(
        receipt_due_at if receipt_due_at.startswith("2023") else f"2022-{receipt_due_at}"
    )
    assert found.policy_review_due_on == date.fromisoformat(policy_on)
    assert found.online_review_due_on == date.fromisoformat(review_on)
    assert found.latest_call_on == date.fromisoformat(f"2022-{latest_call_on}")
    assert found.unit_push_due_on(calendar) == date.fromisoformat(f"2022-{push_on}")
    assert found.nodes_that_fit(calendar) == nodes


def test_plan_lines_print_annex_1_character_for_character(app: Flask) -> None:
    notice = (config.ROOT / "docs" / "notice-2022.txt").read_text(encoding="utf-8").splitlines()
    plan = db.session.scalars(select(EvaluationPlan)).one()
    printed = [line[1:] for line in notice if line.startswith("\t")][: 7 * 9]
    stored = [plan.columns[name] for name in ANNEX_1_COLUMNS]
    for line in plan.lines:
        stored += [str(getattr(line, name)) for name in ANNEX_1_COLUMNS]
    assert stored == printed
    assert plan.directive_heading == notice[0]
    assert plan.heading in notice


def test_calendar_knows_the_days_of_2022(app: Flask) -> None:
    calendar = load_calendar()
    assert calendar.published_years == frozenset(range(2019, 2027))
    assert date(2022, 9, 12) in calendar.holidays
    assert date(2022, 10, 8) in calendar.makeup_workdays
    kinds = db.session.scalars(select(HolidayDay.name).where(HolidayDay.on == date(2022, 9, 12)))
    assert kinds.all() == ["中秋节"]


# --------------------------------------------------------------------------- the demo cast


def test_units_hang_on_the_path_of_their_parents(app: Flask) -> None:
    units = db.session.scalars(select(Unit)).all()
    for unit in units:
        above = unit.parent.path if unit.parent else "/"
        assert unit.path == f"{above}{unit.id}/"
    assert [unit.name for unit in units if unit.parent_id is None] == ["贵州省人力资源和社会保障厅"]


def test_derived_codes_extend_the_code_of_the_parent_and_use_up_a_suffix(app: Flask) -> None:
    derived = db.session.scalars(select(Unit).where(Unit.code_suffix.is_not(None))).all()
    assert len(derived) == 5
    for unit in derived:
        assert unit.parent is not None
        assert unit.code_suffix is not None
        nth = find_suffix_position(unit.code_suffix)
        assert unit.code == derive_code(unit.parent.code, nth)
        assert db.session.get(UnitSuffix, (unit.parent_id, unit.code_suffix)) is not None


@pytest.mark.parametrize("typed", ["黔山医院", "院区社", "qianshan", "qsyy", "12520000dem000348"])
def test_units_are_found_by_chinese_pinyin_and_code(app: Flask, typed: str) -> None:
    names = db.session.scalars(
        select(Unit.name).where(Unit.search.op("@@")(search_query(typed))).order_by(Unit.code)
    ).all()
    assert "黔山医院东院区社区门诊部（演示）" in names
    assert all(name.startswith("黔山医院") for name in names)


def test_people_are_stored_masked_and_encrypted(app: Flask) -> None:
    person = db.session.scalars(select(Person).where(Person.name == "王敏")).one()
    assert person.identity_number == "520102198803129702"
    assert person.identity_mask == "520***********9702"
    assert person.phone_mask == "199****0047"
    assert person.pinyin == "wm"
    assert person.birth_date == date(1988, 3, 12)
    assert person.profile["present_title"]["awarded_on"] == "2016-12-20"
    stored = db.session.connection().exec_driver_sql(
        "SELECT identity_number FROM person WHERE name = '王敏'"
    )
    assert b"520102198803129702" not in bytes(stored.scalar_one())


def test_accounts_carry_roles_units_and_the_demo_password(app: Flask) -> None:
    accounts = db.session.scalars(select(Account)).all()
    for account in accounts:
        assert account.is_demo
        assert account.active
        assert not account.must_change_password
        assert account.activated_at is not None
        assert account.activated_at.utcoffset() is not None
        assert account.email == f"{account.username}@local.invalid"
        assert not account.username.isdigit()
        assert account.unit is not None
        assert account.roles
    assert {verify_password(hashed, PASSWORD) for hashed in {a.password for a in accounts}} == {
        True
    }


def test_departments_administer_their_own_people_too(app: Flask) -> None:
    roles = {
        a.username: {role.name for role in a.roles} for a in db.session.scalars(select(Account))
    }
    assert roles["nanming"] == {"hrss", "unit_admin"}
    assert roles["nmhousing"] == {"competent_department", "unit_admin"}
    assert roles["province"] == {"province_hrss"}
    assert roles["nmdesign"] == {"unit_admin"}


def test_committees_have_filing_authorities_requirements_and_call(app: Flask) -> None:
    name = "贵州省工程系列建筑专业高级职称评审委员会（演示）"
    committee = db.session.scalars(select(Committee).where(Committee.name == name)).one()
    assert [filing.state for filing in committee.filings] == [FilingState.APPROVED]
    filing = committee.filings[0]
    assert filing.filed_at == at("2022-05-16T09:00:00")
    assert filing.decided_by_id is not None
    assert {(one.level.value, one.specialty.name) for one in filing.authorities} == {
        (level, specialty)
        for level in (1, 2)
        for specialty in ("建筑设计", "建筑结构", "建筑施工", "建筑工程造价")
    }
    assert len(committee.requirements) == 10
    assert [call.published_at for call in committee.calls] == [at("2022-06-28T09:00:00")]
    assert committee.calls[0].plan_line.number == 1


def test_pools_name_one_chair_and_two_vice_chairs(app: Flask) -> None:
    rows = db.session.execute(
        select(Committee.name, func.count(ExpertPoolMember.expert_id))
        .join(ExpertPoolMember, ExpertPoolMember.committee_id == Committee.id)
        .where(ExpertPoolMember.role == PanelRole.CHAIR)
        .group_by(Committee.name)
    ).all()
    assert len(rows) == 8
    assert {number for _, number in rows} == {1}


def test_demo_accounts_list_one_account_a_role_first(app: Flask) -> None:
    listed = list_demo_accounts()
    roles = [role["key"] for role in read("roles.yaml")["roles"]]
    assert len(listed) == 324
    assert {one["role"] for one in listed[: len(roles)]} == set(roles)
    assert len({one["login"] for one in listed}) == 324
    applicant = next(one for one in listed if one["role"] == "applicant")
    assert applicant == {
        "role": "applicant",
        "login": "520102198803129702",
        "password": PASSWORD,
        "name": "王敏",
        "unit": "黔中建筑设计院（演示）",
    }


def test_a_demo_account_signs_in_with_the_listed_login(app: Flask) -> None:
    for one in list_demo_accounts()[:13]:
        fresh = app.test_client()
        answer = fresh.post("/login/", data={"login": one["login"], "password": one["password"]})
        assert answer.status_code == 302, one


# --------------------------------------------------------------------------- there and back


CONFIGURATION = [
    "divisions.yaml",
    *(f"holidays/{year}.yaml" for year in range(2019, 2027)),
    "series.yaml",
    "specialties.yaml",
    "parameters.yaml",
    "reason_codes.yaml",
    "dictionaries.yaml",
    *(f"screens/{path.name}" for path in (config.SEED_FOLDER / "screens").glob("*.yaml")),
    "plan_2022.yaml",
]


def test_export_gives_back_the_data_of_every_file(app: Flask) -> None:
    exported = export_all()
    assert sorted(exported) == sorted(CONFIGURATION)
    for name in CONFIGURATION:
        assert exported[name] == read(name), name


def test_exported_files_load_into_an_empty_database_again(own_app: Flask, tmp_path: Path) -> None:
    with own_app.app_context():
        db.session.get_one(Parameter, "unit_push_days").value = 12
        db.session.flush()
        files = write_all(tmp_path)
        expected = export_all()
        empty_all_but_roles()
        load_all(with_demo=False, folder=tmp_path)
        db.session.flush()
        assert parameter("unit_push_days") == 12
        assert export_all() == expected
    assert {str(path.relative_to(tmp_path)) for path in files} == set(CONFIGURATION)


# --------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("file", "before", "after", "message"),
    [
        (
            "plan_2022.yaml",
            '"2022-08-01T08:00"',
            '"first of August"',
            (
                "plan_2022.yaml: lines[0].applications_open_at: "
                "write a Beijing time like \"2022-08-05T17:00\" here, not 'first of August'."
            ),
        ),
        (
            "plan_2022.yaml",
            "{slug: journalism}",
            "{slug: jurnalism}",
            (
                "plan_2022.yaml: lines[0].categories[1].series[0].slug: "
                "'jurnalism' is no series of series.yaml; add it, or correct the name."
            ),
        ),
        (
            "plan_2022.yaml",
            '"2022-08-05T17:00"',
            '"2022-07-05T17:00"',
            (
                "plan_2022.yaml: lines[0]: The window must start before it ends. "
                "Correct the dates of the plan line."
            ),
        ),
        (
            "divisions.yaml",
            "level: province",
            "level: empire",
            (
                "divisions.yaml: divisions[0].level: "
                "write one of province, prefecture, county here, not 'empire'."
            ),
        ),
        (
            "parameters.yaml",
            "    label: 开始填报日期（月-日）\n",
            "",
            "parameters.yaml: parameters[0].label: add this key; it is missing.",
        ),
        (
            "series.yaml",
            "number: 2\n",
            "number: two\n",
            "series.yaml: series[1].number: write a whole number here, not 'two'.",
        ),
        (
            "demo/people.yaml",
            'resident_id_number: "520103198409169622"',
            'resident_id_number: "520103198409169623"',
            (
                "demo/people.yaml: staff[0].resident_id_number: The last character of the identity "
                "number does not match the others. Compare it with the document."
            ),
        ),
        (
            "demo/people.yaml",
            "unit: nm_design\n",
            "unit: nowhere\n",
            (
                "demo/people.yaml: staff[47].unit: "
                "'nowhere' is no unit of units.yaml; add it, or correct the name."
            ),
        ),
        (
            "demo/committees.yaml",
            "engineering.building.1, ",
            "engineering.bridge.1, ",
            (
                "demo/committees.yaml: committees[0].specialties: 'engineering.bridge.1' is no "
                "specialty of specialties.yaml; add it, or correct the key."
            ),
        ),
    ],
)
def test_a_mistake_is_told_by_file_and_place(
    own_app: Flask, seed_copy: Path, file: str, before: str, after: str, message: str
) -> None:
    edit(seed_copy / file, before, after)
    with own_app.app_context():
        empty_all_but_roles()
        with pytest.raises(SeedError) as told:
            load_all(with_demo=True, folder=seed_copy)
        db.session.rollback()
    assert str(told.value) == message


def test_broken_yaml_is_told_by_its_line(app: Flask, seed_copy: Path) -> None:
    path = seed_copy / "reason_codes.yaml"
    path.write_text("reason_codes:\n  - {key: one\n", encoding="utf-8")
    with pytest.raises(
        SeedError, match=r"^reason_codes.yaml: line 3: .*; correct the YAML there\.$"
    ):
        load_all(with_demo=False, folder=seed_copy)


def test_a_missing_file_is_named(app: Flask, seed_copy: Path) -> None:
    (seed_copy / "series.yaml").unlink()
    with pytest.raises(SeedError, match=r"^series.yaml: the file is missing in .*; put it back\.$"):
        load_all(with_demo=False, folder=seed_copy)


def test_what_the_database_refuses_is_told_in_one_line(app: Flask, seed_copy: Path) -> None:
    edit(seed_copy / "divisions.yaml", 'code: "520102"', 'code: "52010200"')
    with pytest.raises(SeedError) as told:
        load_all(with_demo=False, folder=seed_copy)
    assert str(told.value).startswith("divisions.yaml: the database refuses this: ")
    assert "\n" not in str(told.value)


def test_seed_command_ends_with_one_line_on_a_mistake(
    own_app: Flask, seed_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(seed_copy / "series.yaml", "slug: engineering\n", "slug: 5\n")
    monkeypatch.setattr(config, "SEED_FOLDER", seed_copy)
    result = own_app.test_cli_runner().invoke(args=["seed"])
    assert (result.exit_code, result.output) == (
        1,
        "Error: series.yaml: series[4].slug: write a text (in quotes) here, not 5.\n",
    )


def test_seed_export_command_writes_the_files(own_app: Flask, tmp_path: Path) -> None:
    result = own_app.test_cli_runner().invoke(args=["seed-export", str(tmp_path)])
    assert result.exit_code == 0, result.output
    for name in CONFIGURATION:
        assert yaml.safe_load((tmp_path / name).read_text(encoding="utf-8")) == read(name), name


def test_demo_accounts_command_prints_json(own_app: Flask) -> None:
    result = own_app.test_cli_runner().invoke(args=["demo", "accounts", "--json"])
    assert result.exit_code == 0, result.output
    with own_app.app_context():
        assert json.loads(result.output) == list_demo_accounts()


def test_demo_accounts_command_prints_one_line_an_account(own_app: Flask) -> None:
    result = own_app.test_cli_runner().invoke(args=["demo", "accounts"])
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert len(lines) == 325
    assert lines[0].split() == ["role", "login", "password", "name", "unit"]
