"""The reviewed seed data, checked without a database: counts, printed texts, codes, references."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import chinese_calendar.constants as published_calendar
import pytest
import yaml
from stdnum.cn import ric, uscc

from app.domain.terms import (
    ApplicantKind,
    ApplicationKind,
    CallState,
    CommitteeLevel,
    CommitteeScope,
    FilingState,
    Gender,
    IdentityDocument,
    PeopleFilter,
    TitleLevel,
    UnitKind,
)
from app.domain.workflow import Action, ActorRole

ROOT = Path(__file__).parents[2]
SEED = ROOT / "seed"
YEARS = range(2019, 2027)
FIELD_KINDS = {
    "text",
    "long_text",
    "number",
    "date",
    "month",
    "boolean",
    "choice",
    "multiple_choice",
    "rows",
    "file",
    "person",
    "unit",
    "division",
}
ANNEX_1_COLUMNS = [
    "number",
    "series_text",
    "scope",
    "window_text",
    "receipt_text",
    "policy_review_text",
    "online_review_text",
]
GLOSSARY_SLUGS = {
    "philosophy_social_sciences",
    "journalism",
    "publishing",
    "natural_science_research",
    "agricultural_technology",
    "library_science",
    "library_science_mass_culture",
    "cultural_heritage_museums",
    "arts",
    "arts_and_crafts",
    "archives",
    "sports",
    "translation_minority_languages",
    "broadcasting",
    "lawyers",
    "pharmacy_non_medical",
    "engineering",
    "university_teaching",
    "secondary_vocational_teaching",
    "primary_secondary_teaching",
    "laboratory_technology",
    "technical_school_teaching",
    "party_school_teaching",
    "health_technology",
    "accounting",
    "economics",
    "private_economy",
    "statistics",
    "auditing",
}


class UniqueKeyLoader(yaml.SafeLoader):
    """A loader that refuses a key written twice in one mapping."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"{node.start_mark}: {keys}"
        return super().construct_mapping(node, deep=deep)


@cache
def load(name: str) -> dict[str, Any]:
    text = (SEED / name).read_text(encoding="utf-8")
    content = yaml.load(text, Loader=UniqueKeyLoader)  # noqa: S506 -- a SafeLoader subclass
    assert isinstance(content, dict)
    return content


def notice_lines() -> list[str]:
    return (ROOT / "docs" / "notice-2022.txt").read_text(encoding="utf-8").splitlines()


def annex_cells(heading: str) -> list[str]:
    """The table cells after the last line that is exactly `heading` (a cell starts with a tab)."""
    lines = notice_lines()
    start = max(index for index, line in enumerate(lines) if line.strip() == heading)
    cells = []
    for line in lines[start + 1 :]:
        if line.strip().startswith("附件"):
            break
        if line.startswith("\t"):
            cells.append(line[1:])
    return cells


@cache
def units() -> dict[str, dict[str, Any]]:
    return {unit["key"]: unit for unit in load("demo/units.yaml")["units"]}


def accounts() -> list[dict[str, Any]]:
    people = load("demo/people.yaml")
    return [*people["staff"], *people["applicants"], *people["experts"]]


@cache
def specialty_keys() -> list[str]:
    return [
        specialty["key"]
        for entry in load("specialties.yaml")["catalogue"]
        for group in entry["groups"]
        for specialty in group["specialties"]
    ]


def categories() -> dict[str, dict[str, Any]]:
    lines = load("plan_2022.yaml")["lines"]
    return {category["slug"]: category for line in lines for category in line["categories"]}


def assert_unique(values: list[Any]) -> None:
    assert sorted(values) == sorted(set(values))


def test_every_seed_file_is_utf8_yaml_without_repeated_keys() -> None:
    files = sorted(SEED.rglob("*.yaml"))
    assert len(files) >= 20
    for path in files:
        assert load(str(path.relative_to(SEED)))


# ------------------------------------------------------------------------------------ divisions


def test_divisions_are_one_province_nine_prefectures_and_eighty_eight_counties() -> None:
    divisions = load("divisions.yaml")["divisions"]
    by_code = {division["code"]: division for division in divisions}
    assert len(by_code) == len(divisions) == 98
    counts = {
        level: sum(division["level"] == level for division in divisions)
        for level in ("province", "prefecture", "county")
    }
    assert counts == {"province": 1, "prefecture": 9, "county": 88}
    assert [division["code"] for division in divisions] == sorted(by_code)


def test_division_parents_follow_the_digits_of_the_code() -> None:
    for division in load("divisions.yaml")["divisions"]:
        code = division["code"]
        expected = {
            "province": None,
            "prefecture": "520000",
            "county": code[:4] + "00",
        }[division["level"]]
        assert (code, division["parent"]) == (code, expected)


def test_divisions_carry_the_names_of_2022() -> None:
    names = {division["code"]: division["name"] for division in load("divisions.yaml")["divisions"]}
    assert names["520102"] == "南明区"
    assert names["520181"] == "清镇市"
    assert names["520203"] == "六枝特区"
    assert names["520204"] == "水城区"
    assert names["520281"] == "盘州市"
    assert names["520581"] == "黔西市"
    assert names["522302"] == "兴仁市"
    assert "贵安新区" not in names.values()


# ------------------------------------------------------------------------------------- holidays


@pytest.mark.parametrize("year", YEARS)
def test_holidays_equal_the_published_arrangement(year: int) -> None:
    calendar = load(f"holidays/{year}.yaml")
    days = list(chain.from_iterable(holiday["days"] for holiday in calendar["holidays"]))
    assert calendar["year"] == year
    assert calendar["published"] is True
    assert days == sorted(day for day in published_calendar.holidays if day.year == year)
    assert calendar["makeup_workdays"] == sorted(
        day for day in published_calendar.workdays if day.year == year
    )


@pytest.mark.parametrize("year", YEARS)
def test_makeup_workdays_are_weekend_days_that_are_not_holidays(year: int) -> None:
    calendar = load(f"holidays/{year}.yaml")
    days = set(chain.from_iterable(holiday["days"] for holiday in calendar["holidays"]))
    assert [day for day in calendar["makeup_workdays"] if day.weekday() < 5 or day in days] == []


def test_the_days_the_plan_of_2022_turns_on() -> None:
    calendar = load("holidays/2022.yaml")
    days = set(chain.from_iterable(holiday["days"] for holiday in calendar["holidays"]))
    assert {date(2022, 9, 12), date(2022, 12, 31)} <= days
    assert {date(2022, 10, day) for day in range(1, 8)} <= days
    assert {date(2022, 10, 8), date(2022, 10, 9)} <= set(calendar["makeup_workdays"])


def test_a_year_without_a_published_arrangement_has_no_file() -> None:
    assert sorted(path.stem for path in (SEED / "holidays").glob("*.yaml")) == [
        str(year) for year in YEARS
    ]


# ------------------------------------------------------------------------------- series and plan


def test_series_are_twenty_seven_with_five_levels_each() -> None:
    series = load("series.yaml")["series"]
    assert [one["number"] for one in series] == list(range(1, 28))
    assert_unique([one["slug"] for one in series])
    for one in series:
        assert [level["level"] for level in one["levels"]] == [int(level) for level in TitleLevel]
        for level in one["levels"]:
            titles = level["titles"]
            assert titles is None or titles
            if titles and len(titles) > 1:
                assert all(title["specialty_hint"] for title in titles)


def test_series_to_be_confirmed_are_marked() -> None:
    unconfirmed = [one["number"] for one in load("series.yaml")["series"] if not one["confirmed"]]
    assert unconfirmed == list(range(13, 28))


def test_plan_prints_annex_1_character_for_character() -> None:
    cells = annex_cells("附件1")
    plan = load("plan_2022.yaml")
    assert len(cells) == 7 * 9
    assert [plan["columns"][name] for name in ANNEX_1_COLUMNS] == cells[:7]
    printed = [cells[start : start + 7] for start in range(7, 63, 7)]
    stored = [[str(line[name]) for name in ANNEX_1_COLUMNS] for line in plan["lines"]]
    assert stored == printed


def test_plan_names_the_directive_as_the_notice_does() -> None:
    plan = load("plan_2022.yaml")
    assert plan["directive"]["heading"] == notice_lines()[0]
    assert plan["heading"] in notice_lines()


def test_plan_milestones_agree_with_the_printed_texts() -> None:
    milestones = [
        (
            line["applications_open_at"],
            line["applications_close_at"],
            line["receipt_due_at"],
            line["policy_review_due_on"].isoformat(),
            line["online_review_due_on"].isoformat(),
        )
        for line in load("plan_2022.yaml")["lines"]
    ]
    september = (
        "2022-09-12T08:00",
        "2022-09-16T17:00",
        "2022-10-14T17:00",
        "2022-11-30",
        "2022-12-31",
    )
    december = (
        "2022-12-05T08:00",
        "2022-12-09T17:00",
        "2023-01-15T17:00",
        "2023-04-30",
        "2023-05-30",
    )
    assert milestones == [
        ("2022-08-01T08:00", "2022-08-05T17:00", "2022-09-15T17:00", "2022-11-30", "2022-12-31"),
        ("2022-08-25T08:00", "2022-08-30T17:00", "2022-09-30T17:00", "2022-11-30", "2022-12-31"),
        ("2022-10-10T08:00", "2022-10-14T17:00", "2022-11-14T17:00", "2022-12-15", "2022-12-31"),
        september,
        september,
        ("2022-11-01T08:00", "2022-11-04T17:00", "2022-12-05T17:00", "2023-04-30", "2023-05-30"),
        december,
        december,
    ]


def test_plan_flags_follow_the_printed_texts() -> None:
    for line in load("plan_2022.yaml")["lines"]:
        assert line["is_examination_linked"] == ("如遇考试调整" in line["window_text"])
        assert line["is_special_review"] == ("专项评审" in line["series_text"])


def test_category_names_joined_give_the_printed_cell() -> None:
    lines = load("plan_2022.yaml")["lines"]
    for line in lines:
        assert "、".join(one["name"] for one in line["categories"]) == line["series_text"]
    assert [len(line["categories"]) for line in lines] == [17, 6, 1, 1, 1, 1, 1, 1]


def test_every_category_of_the_glossary_stands_in_the_plan_once() -> None:
    slugs = [
        category["slug"]
        for line in load("plan_2022.yaml")["lines"]
        for category in line["categories"]
    ]
    assert_unique(slugs)
    assert set(slugs) == GLOSSARY_SLUGS


def test_categories_point_to_series_and_levels_that_exist() -> None:
    levels = {
        one["slug"]: {level["level"] for level in one["levels"] if level["titles"]}
        for one in load("series.yaml")["series"]
    }
    for category in categories().values():
        PeopleFilter(category["people_filter"])
        for series in category["series"]:
            assert set(category["levels"]) <= levels[series["slug"]], category["slug"]
    special = categories()["private_economy"]
    assert [one["slug"] for one in special["series"]] == ["engineering", "agricultural_technology"]
    assert special["people_filter"] == PeopleFilter.PRIVATE_ECONOMY


def test_both_spellings_of_the_notice_are_searchable() -> None:
    found = categories()
    assert "群众文化" in found["library_science_mass_culture"]["also_known_as"]
    assert found["library_science_mass_culture"]["name"] == "图书资料群众文化专业"
    assert {"工程技术", "工程系列"} <= set(found["engineering"]["also_known_as"])


def test_specialty_of_annex_2_stands_character_for_character() -> None:
    cells = annex_cells("附件2")
    content = load("specialties.yaml")
    assert list(content["annex_2"]["columns"].values()) == cells[:5]
    assert content["annex_2"]["heading"] in notice_lines()
    assert content["annex_2"]["series_line"] in notice_lines()
    printed = [
        [group["name"], str(one["number"]), one["name"], one["scope_note"], one["basis"]]
        for entry in content["catalogue"]
        for group in entry["groups"]
        for one in group["specialties"]
        if one["origin"] == "annex_2"
    ]
    assert printed == [cells[5:10]]


def test_every_category_has_specialties_numbered_within_their_group() -> None:
    catalogue = load("specialties.yaml")["catalogue"]
    assert [entry["category"] for entry in catalogue] == list(categories())
    assert_unique(specialty_keys())
    for entry in catalogue:
        series = {one["slug"] for one in categories()[entry["category"]]["series"]}
        for group in entry["groups"]:
            assert group["series"] in series
            numbers = [one["number"] for one in group["specialties"]]
            assert numbers == list(range(1, len(numbers) + 1))


# --------------------------------------------------------- roles, parameters, reasons, the form


def test_roles_are_the_actor_roles_of_people() -> None:
    people = set(ActorRole) - {ActorRole.PUBLIC, ActorRole.SYSTEM}
    roles = load("roles.yaml")["roles"]
    assert_unique([role["key"] for role in roles])
    assert {role["key"] for role in roles} == people
    assert {role["row_scope"] for role in roles} <= {"all", "subtree", "unit", "self", "assigned"}


def test_parameters_have_unique_keys_and_defaults_within_their_limits() -> None:
    parameters = load("parameters.yaml")["parameters"]
    assert_unique([parameter["key"] for parameter in parameters])
    for parameter in parameters:
        default = parameter["default"]
        if parameter["type"] == "integer":
            assert parameter["minimum"] <= default <= parameter["maximum"], parameter["key"]
        if parameter["type"] == "boolean":
            assert isinstance(default, bool)
        if parameter["type"] == "choice":
            assert default in parameter["choices"]
        if parameter["type"] == "month_day":
            assert date.fromisoformat(f"2022-{default}")


def test_parameters_carry_the_defaults_of_the_rules() -> None:
    parameters = {one["key"]: one for one in load("parameters.yaml")["parameters"]}
    expected = {
        "unit_push_days": 10,
        "employer_publicity_working_days": 5,
        "result_publicity_working_days": 5,
        "publicity_day1": "next_workday",
        "node_forward_working_days": 3,
        "host_correction_times": 1,
        "host_correction_working_days": 5,
        "node_return_times": 1,
        "node_correction_working_days": 3,
        "committee_size_senior_series": 25,
        "committee_size_senior_specialty": 11,
        "committee_size_intermediate_series": 15,
        "committee_size_intermediate_specialty": 7,
        "committee_size_junior_series": 7,
        "quorum_share": "2/3",
        "pass_share": "2/3",
        "filing_validity_years": 3,
        "expert_term_years": 3,
        "meetings_per_committee_and_year": 1,
        "applications_per_person_and_year": 1,
        "seniority_cutoff_on": "12-31",
        "credit_record_years": 3,
        "file_max_bytes": 5 * 1024 * 1024,
        "file_types": ["pdf", "jpg", "png"],
        "login_lock_attempts": 5,
        "login_lock_minutes": 15,
        "auto_forward_default": False,
    }
    assert {key: parameters[key]["default"] for key in expected} == expected
    assert parameters["employer_publicity_working_days"]["minimum"] == 5
    assert parameters["result_publicity_working_days"]["minimum"] == 5
    assert [key for key in ("quorum_share", "pass_share") if not parameters[key]["is_fixed"]] == []


def test_reason_codes_name_actions_that_exist() -> None:
    reasons = load("reason_codes.yaml")["reason_codes"]
    assert_unique([reason["key"] for reason in reasons])
    assert len([reason for reason in reasons if reason["source"] == "R50"]) == 6
    known = set(Action) | {"reschedule"}
    for reason in reasons:
        assert reason["actions"]
        assert set(reason["actions"]) <= known, reason["key"]


def test_dictionaries_have_unique_codes_and_agree_with_the_enumerations() -> None:
    dictionaries = {one["key"]: one["items"] for one in load("dictionaries.yaml")["dictionaries"]}
    for items in dictionaries.values():
        assert_unique([item["code"] for item in items])
        assert_unique([item["name"] for item in items])
    assert len(dictionaries["ethnicity"]) == 56
    codes = {key: {item["code"] for item in items} for key, items in dictionaries.items()}
    assert codes["gender"] == set(Gender)
    assert codes["identity_document"] == set(IdentityDocument)
    assert codes["application_kind"] == set(ApplicationKind)


@cache
def form_fields() -> list[dict[str, Any]]:
    sections = load("screens/application_form.yaml")["sections"]
    fields = list(chain.from_iterable(section["fields"] for section in sections))
    return fields + list(chain.from_iterable(field.get("columns", []) for field in fields))


def test_application_form_has_seventeen_sections_in_order() -> None:
    sections = load("screens/application_form.yaml")["sections"]
    assert [section["number"] for section in sections] == list(range(1, 18))
    assert [section["label_zh"] for section in sections[:2]] == ["申报信息", "基本信息"]
    assert [section["label_zh"] for section in sections[-2:]] == ["诚信承诺", "材料清单"]
    assert_unique([section["key"] for section in sections])
    for section in sections:
        assert_unique([field["name"] for field in section["fields"]])


def test_application_form_fields_are_of_known_kinds_with_known_options() -> None:
    dictionaries = {one["key"] for one in load("dictionaries.yaml")["dictionaries"]}
    for field in form_fields():
        assert field["kind"] in FIELD_KINDS
        assert field["label"].isascii()
        assert field["label_zh"]
        if field["kind"] in {"choice", "multiple_choice"}:
            assert field.get("dictionary") in dictionaries or field.get("source"), field["name"]
        if field["kind"] == "rows":
            assert field["columns"]


def test_publicity_shows_no_private_field() -> None:
    shown = {field["name"] for field in form_fields() if field.get("is_publicised")}
    assert shown == {
        "plan_category",
        "specialty",
        "title_level",
        "full_name",
        "unit",
        "years_in_field",
        "education",
        "title_name",
        "achievements",
    }


# ------------------------------------------------------------------------------------ demo units


def test_unit_parents_stand_before_their_subordinates() -> None:
    seen: set[str] = set()
    for unit in load("demo/units.yaml")["units"]:
        assert unit["parent"] in seen or (unit["parent"] is None and not seen)
        assert unit["key"] not in seen
        seen.add(unit["key"])


def test_unit_codes_are_unique_and_carry_valid_check_characters() -> None:
    known = units()
    assert_unique([unit["code"] for unit in known.values()])
    for unit in known.values():
        if "code_suffix" in unit:
            assert unit["code"] == known[unit["parent"]]["code"] + unit["code_suffix"]
        else:
            assert uscc.validate(unit["code"]) == unit["code"]
            assert unit["code"][2:8] == unit["division_code"]


def test_units_hold_every_kind_four_levels_and_a_nested_derived_code() -> None:
    known = units()
    divisions = {one["code"]: one["level"] for one in load("divisions.yaml")["divisions"]}
    assert {unit["kind"] for unit in known.values()} == set(UnitKind)
    assert {len(unit["code"]) for unit in known.values()} == {18, 20, 22}
    for unit in known.values():
        assert divisions[unit["division_code"]] == unit["level"]
    assert known["gz_university"]["is_self_reviewing"] is True


def test_non_public_units_hang_under_the_hrss_department_of_their_registrar() -> None:
    known = units()
    private = [unit for unit in known.values() if unit["kind"] == UnitKind.NON_PUBLIC]
    assert {unit["registrar_level"] for unit in private} == {"province", "prefecture", "county"}
    for unit in private:
        parent = known[unit["parent"]]
        assert parent["kind"] == UnitKind.HRSS
        assert parent["level"] == unit["registrar_level"]
        assert parent["division_code"] == unit["division_code"]


def ancestors(key: str) -> list[str]:
    known = units()
    found = []
    while (parent := known[key]["parent"]) is not None:
        found.append(parent)
        key = parent
    return found


def test_the_story_has_a_route_of_three_relay_nodes_and_a_direct_one() -> None:
    assert ancestors("nm_design") == ["nm_housing", "nm_hrss", "gy_hrss", "gz_hrss"]
    assert ancestors("gz_design") == ["gz_housing", "gz_hrss"]


# ----------------------------------------------------------------------------------- committees


def test_committees_refer_to_units_categories_series_and_specialties() -> None:
    committees = load("demo/committees.yaml")["committees"]
    known_units, known_categories, known_specialties = units(), categories(), specialty_keys()
    divisions = {one["code"] for one in load("divisions.yaml")["divisions"]}
    assert_unique([committee["key"] for committee in committees])
    for committee in committees:
        category = known_categories[committee["category"]]
        assert committee["convener"] in known_units
        assert set(committee["series"]) <= {one["slug"] for one in category["series"]}
        assert set(committee["specialties"]) <= set(known_specialties)
        assert bool(committee["specialties"]) == (
            committee["scope_kind"] == CommitteeScope.SPECIALTY
        )
        assert committee["region_code"] in divisions
        FilingState(committee["filing"]["state"])
        assert {
            CommitteeLevel.SENIOR: [1, 2],
            CommitteeLevel.INTERMEDIATE: [3],
            CommitteeLevel.JUNIOR: [4, 5],
        }[CommitteeLevel(committee["committee_level"])] == committee["levels"]


def test_committees_are_odd_and_of_the_smallest_lawful_size_at_least() -> None:
    parameters = {one["key"]: one["default"] for one in load("parameters.yaml")["parameters"]}
    for committee in load("demo/committees.yaml")["committees"]:
        key = f"committee_size_{committee['committee_level']}_{committee['scope_kind']}"
        assert committee["size"] % 2 == 1
        assert committee["size"] >= parameters[key]


def is_open_in_2022(committee: dict[str, Any]) -> bool:
    filing = committee["filing"]
    return bool(
        filing["state"] == FilingState.APPROVED
        and filing["filed_on"] <= date(2022, 5, 30)
        and filing["valid_to"] >= date(2022, 12, 31)
    )


def test_committees_with_a_call_are_filed_in_time_and_called_thirty_days_before() -> None:
    opening = {
        category["slug"]: datetime.fromisoformat(line["applications_open_at"]).date()
        for line in load("plan_2022.yaml")["lines"]
        for category in line["categories"]
    }
    committees = load("demo/committees.yaml")["committees"]
    for committee in committees:
        assert is_open_in_2022(committee) == (committee["call"] is not None), committee["key"]
        if committee["call"]:
            CallState(committee["call"]["state"])
            latest = opening[committee["category"]] - timedelta(days=30)
            assert committee["call"]["published_on"] <= latest
            filing = committee["filing"]
            assert filing["valid_to"] < filing["valid_from"].replace(
                year=filing["valid_from"].year + 3
            )
    assert sum(committee["call"] is None for committee in committees) == 3


def test_material_requirements_have_unique_codes_and_allowed_types() -> None:
    for committee in load("demo/committees.yaml")["committees"]:
        requirements = committee["material_requirements"]
        assert_unique([one["code"] for one in requirements])
        for one in requirements:
            assert set(one["types"]) <= {"pdf", "jpg", "png"}
            assert one["max_bytes"] == 5 * 1024 * 1024
            assert one["max_files"] >= 1


# --------------------------------------------------------------------------------------- people


def test_accounts_have_unique_logins_keys_documents_and_phones() -> None:
    everyone = accounts()
    for name in ("key", "login"):
        assert_unique([account[name] for account in everyone])
    personal = [account for account in everyone if account["kind"] == "personal"]
    assert_unique([account["resident_id_number"] for account in personal])
    assert_unique([account["phone"] for account in everyone])
    for account in everyone:
        assert account["phone"].startswith("1990000")
        assert len(account["phone"]) == 11
        assert account["unit"] in units()


def test_resident_id_numbers_carry_valid_check_digits_and_guizhou_prefixes() -> None:
    divisions = {one["code"] for one in load("divisions.yaml")["divisions"]}
    for account in accounts():
        if account["kind"] == "personal":
            number = account["resident_id_number"]
            assert len(number) == 18
            assert ric.calc_check_digit(number) == number[-1]
            assert number[:6] in divisions
            assert date.fromisoformat(number[6:14])


def test_profiles_agree_with_the_document_number() -> None:
    for person in load("demo/people.yaml")["applicants"]:
        number = person["resident_id_number"]
        assert person["login"] == number
        assert person["profile"]["born_on"] == date.fromisoformat(number[6:14])
        gender = Gender.MALE if int(number[16]) % 2 else Gender.FEMALE
        assert person["profile"]["gender"] == gender


def test_every_role_has_an_account() -> None:
    held = set(chain.from_iterable(account["roles"] for account in accounts()))
    assert held == {role["key"] for role in load("roles.yaml")["roles"]}
    assert load("demo/people.yaml")["demo_password"] == "Pingshen@2022"


def test_every_unit_has_somebody_who_can_act_for_it() -> None:
    acting = {
        account["unit"]
        for account in accounts()
        if set(account["roles"])
        & {"province_hrss", "hrss", "competent_department", "unit_admin", "unit_handler"}
    }
    assert acting == set(units())


def test_applications_refer_to_a_committee_that_covers_them() -> None:
    committees = {one["key"]: one for one in load("demo/committees.yaml")["committees"]}
    titles = {
        (one["slug"], level["level"]): {title["name"] for title in level["titles"] or []}
        for one in load("series.yaml")["series"]
        for level in one["levels"]
    }
    applicants = load("demo/people.yaml")["applicants"]
    assert len(applicants) >= 8
    for person in applicants:
        wanted = person["application"]
        committee = committees[wanted["committee"]]
        ApplicantKind(person["applicant_kind"])
        ApplicationKind(wanted["application_kind"])
        assert committee["call"] is not None
        assert committee["category"] == wanted["category"]
        assert wanted["title_level"] in committee["levels"]
        assert wanted["specialty"] in (committee["specialties"] or specialty_keys())
        names = set().union(
            *(titles[series, wanted["title_level"]] for series in committee["series"])
        )
        assert wanted["title_name"] in names


def test_profiles_use_only_codes_of_the_dictionaries_and_fields_of_the_form() -> None:
    dictionaries = {
        one["key"]: {item["code"] for item in one["items"]}
        for one in load("dictionaries.yaml")["dictionaries"]
    }
    fields = form_fields()
    names = {field["name"] for field in fields} | {"present_title"}
    columns = {
        field["name"]: {column["name"]: column for column in field["columns"]}
        for field in fields
        if field["kind"] == "rows"
    }
    for person in load("demo/people.yaml")["applicants"]:
        profile = person["profile"]
        assert set(profile) <= names
        assert profile["ethnicity"] in dictionaries["ethnicity"]
        assert profile["political_status"] in dictionaries["political_status"]
        assert profile["present_title"]["acquisition"] in dictionaries["title_acquisition"]
        for name, known in columns.items():
            for row in profile.get(name, []):
                assert set(row) <= set(known)
                for key, value in row.items():
                    if "dictionary" in known[key]:
                        assert value in dictionaries[known[key]["dictionary"]], (name, key)


def test_applicants_fail_exactly_the_pre_checks_they_are_marked_with() -> None:
    """Level by level, retirement and continuing education, each counted here by hand."""
    for person in load("demo/people.yaml")["applicants"]:
        profile, wanted = person["profile"], person["application"]
        failures = set()
        if profile["present_title"]["title_level"] - wanted["title_level"] != 1:
            failures.add("level_by_level")
        retires = profile["born_on"].year + (60 if profile["gender"] == Gender.MALE else 55)
        if retires <= 2022:
            failures.add("retirement")
        for year in profile["continuing_education"]:
            hours = year["public_hours"] + year["specialty_hours"]
            if hours < 90 or 3 * year["specialty_hours"] < 2 * hours:
                failures.add("continuing_education")
        assert failures == set(person.get("expected_pre_check_failures", [])), person["key"]


def eligible_experts(committee: str) -> list[dict[str, Any]]:
    return [
        expert
        for expert in load("demo/people.yaml")["experts"]
        if committee in expert["committees"]
        and expert["term_to"] >= date(2022, 12, 31)
        and not expert.get("has_credit_record")
    ]


def test_pools_are_large_enough_to_draw_panel_and_reserves() -> None:
    for committee in load("demo/committees.yaml")["committees"]:
        if committee["call"]:
            pool = eligible_experts(committee["key"])
            assert len(pool) >= committee["size"] + 4, committee["key"]
            chairs = [one["panel_role"] for one in pool if "panel_role" in one]
            assert sorted(chairs) == ["chair", "vice_chair", "vice_chair"], committee["key"]
    assert len(eligible_experts("building_senior")) >= 40
    assert len(eligible_experts("health_senior")) >= 40


def test_experts_of_senior_committees_hold_a_senior_title_and_a_lawful_term() -> None:
    for expert in load("demo/people.yaml")["experts"]:
        assert expert["title_level"] in {1, 2}
        assert expert["specialty"] in specialty_keys()
        assert expert["term_to"] < expert["term_from"].replace(year=expert["term_from"].year + 3)
