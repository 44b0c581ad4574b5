"""The pre-check: level by level, years, age, appraisals, continuing education, credit record."""

from __future__ import annotations

from datetime import date

import pytest

from app.domain.eligibility import (
    EducationHours,
    EligibilityParameters,
    Finding,
    check_appraisals,
    check_continuing_education,
    check_credit_record,
    check_in_service,
    check_level,
    check_retirement,
    check_seniority,
    compute_delay_years,
    count_age,
    count_full_years,
    is_submittable,
)
from app.domain.terms import ApplicationKind, AppraisalGrade, FindingKind, TitleLevel
from tests.domain.moments import on

PARAMETERS = EligibilityParameters()
REGULAR, EXCEPTIONAL, CONVERSION = (
    ApplicationKind.REGULAR,
    ApplicationKind.EXCEPTIONAL,
    ApplicationKind.CONVERSION,
)
L = TitleLevel
G = AppraisalGrade


def codes(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.code for finding in findings]


@pytest.mark.parametrize(
    ("applied", "current", "kind", "expected"),
    [
        (L.TECHNICIAN, None, REGULAR, []),
        (L.ASSISTANT, None, REGULAR, []),
        (L.INTERMEDIATE, None, REGULAR, ["level_skipped"]),
        (L.ASSISTANT, L.TECHNICIAN, REGULAR, []),
        (L.INTERMEDIATE, L.ASSISTANT, REGULAR, []),
        (L.ASSOCIATE_SENIOR, L.INTERMEDIATE, REGULAR, []),
        (L.SENIOR, L.ASSOCIATE_SENIOR, REGULAR, []),
        (L.SENIOR, L.INTERMEDIATE, REGULAR, ["level_skipped"]),
        (L.INTERMEDIATE, L.INTERMEDIATE, REGULAR, ["level_not_higher"]),
        (L.ASSISTANT, L.SENIOR, REGULAR, ["level_not_higher"]),
        (L.SENIOR, L.INTERMEDIATE, EXCEPTIONAL, ["exceptional_grounds_needed"]),
        (L.ASSOCIATE_SENIOR, None, EXCEPTIONAL, ["exceptional_grounds_needed"]),
        (L.INTERMEDIATE, L.TECHNICIAN, EXCEPTIONAL, ["level_skipped"]),
        (L.ASSOCIATE_SENIOR, L.INTERMEDIATE, EXCEPTIONAL, []),
        (L.INTERMEDIATE, L.INTERMEDIATE, CONVERSION, []),
        (L.ASSOCIATE_SENIOR, L.INTERMEDIATE, CONVERSION, ["conversion_keeps_level"]),
        (L.INTERMEDIATE, None, CONVERSION, ["conversion_keeps_level"]),
    ],
)
def test_titles_are_applied_for_level_by_level(
    applied: TitleLevel, current: TitleLevel | None, kind: ApplicationKind, expected: list[str]
) -> None:
    assert codes(check_level(applied, current, kind, parameters=PARAMETERS)) == expected


def test_skipping_by_breakthrough_is_a_warning_where_the_grounds_go() -> None:
    (finding,) = check_level(L.SENIOR, L.INTERMEDIATE, EXCEPTIONAL, parameters=PARAMETERS)
    assert (finding.kind, finding.section) == (FindingKind.WARNING, "exceptional_grounds")
    assert is_submittable((finding,))


@pytest.mark.parametrize(
    ("start", "end", "years"),
    [
        ("2017-12-31", "2022-12-31", 5),
        ("2018-01-01", "2022-12-31", 5),  # both days included
        ("2018-01-02", "2022-12-31", 4),
        ("2020-02-29", "2021-02-28", 1),
        ("2020-02-29", "2021-02-27", 0),
        ("2022-12-31", "2022-12-31", 0),
        ("2023-06-01", "2022-12-31", -1),
    ],
)
def test_full_years_include_both_days(start: str, end: str, years: int) -> None:
    assert count_full_years(on(start), on(end)) == years


@pytest.mark.parametrize(
    ("obtained_on", "delay", "relaxed", "is_enough"),
    [
        ("2017-12-31", 0, 0, True),
        ("2018-01-02", 0, 0, False),
        ("2017-12-31", 1, 0, False),
        ("2017-12-31", 1, 1, True),
        ("2022-06-01", 0, 9, True),
    ],
)
def test_seniority_counts_to_the_end_of_the_plan_year(
    obtained_on: str, delay: int, relaxed: int, is_enough: bool
) -> None:
    findings = check_seniority(
        on(obtained_on),
        5,
        plan_year=2022,
        parameters=PARAMETERS,
        delay_years=delay,
        relaxed_years=relaxed,
    )
    assert is_submittable(findings) is is_enough


def test_a_finding_says_what_is_missing() -> None:
    (finding,) = check_seniority(on("2019-07-01"), 5, plan_year=2022, parameters=PARAMETERS)
    assert str(finding).startswith("5 years in the current title are needed by 2022-12-31; ")
    assert finding.params == {"needed": 5, "served": 3, "cutoff": "2022-12-31"}


@pytest.mark.parametrize(
    ("is_retired", "until", "expected"),
    [
        (False, None, []),
        (True, None, ["retired"]),
        (False, "2022-08-03", ["under_punishment"]),
        (False, "2022-08-02", []),
    ],
)
def test_retired_and_punished_people_may_not_apply(
    is_retired: bool, until: str | None, expected: list[str]
) -> None:
    findings = check_in_service(
        is_retired=is_retired,
        punished_until=on(until) if until else None,
        today=on("2022-08-03"),
    )
    assert codes(findings) == expected


@pytest.mark.parametrize(
    ("born_on", "extension", "expected"),
    [
        ("1963-01-01", False, []),
        ("1962-12-31", False, ["retires_this_year"]),
        ("1962-12-31", True, []),
    ],
)
def test_who_reaches_retirement_by_the_cutoff_may_not_apply(
    born_on: str, extension: bool, expected: list[str]
) -> None:
    findings = check_retirement(
        on(born_on), 60, plan_year=2022, parameters=PARAMETERS, has_extension=extension
    )
    assert codes(findings) == expected


def test_the_cutoff_is_a_parameter() -> None:
    parameters = EligibilityParameters(cutoff_month_day=(6, 30))
    assert parameters.cutoff_on(2022) == date(2022, 6, 30)
    assert check_retirement(on("1962-12-31"), 60, plan_year=2022, parameters=parameters) == ()


def test_age_on_a_leap_day() -> None:
    assert count_age(on("1964-02-29"), on("2022-02-28")) == 57
    assert count_age(on("1964-02-29"), on("2022-03-01")) == 58
    assert count_age(on("1964-02-29"), on("2024-02-29")) == 60


def test_poor_appraisals_delay() -> None:
    appraisals = {
        2018: G.EXCELLENT,
        2019: G.BASICALLY_QUALIFIED,
        2020: G.UNQUALIFIED,
        2021: G.QUALIFIED,
    }
    assert compute_delay_years(appraisals, parameters=PARAMETERS) == 3
    findings = check_appraisals(appraisals, range(2017, 2022), parameters=PARAMETERS)
    assert codes(findings) == ["appraisals_missing", "appraisals_delay"]
    assert findings[0].params == {"years": "2017"}
    assert is_submittable(findings)


def test_complete_good_appraisals_find_nothing() -> None:
    appraisals = dict.fromkeys(range(2017, 2022), G.QUALIFIED)
    assert check_appraisals(appraisals, range(2017, 2022), parameters=PARAMETERS) == ()


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        (EducationHours(90, 60), []),
        (EducationHours(89, 89), ["education_too_short"]),
        (EducationHours(90, 59), ["education_too_general"]),
        (EducationHours(120, 80), []),
        (EducationHours(120, 79), ["education_too_general"]),
        (None, ["education_too_short"]),
    ],
)
def test_continuing_education_hours(hours: EducationHours | None, expected: list[str]) -> None:
    given = {2021: hours} if hours else {}
    findings = check_continuing_education(given, range(2021, 2022), parameters=PARAMETERS)
    assert codes(findings) == expected
    assert is_submittable(findings)
    assert all(str(finding).startswith("2021: ") for finding in findings)


@pytest.mark.parametrize(
    ("until", "switched_on", "expected"),
    [
        (None, True, []),
        ("2022-08-03", True, ["credit_record"]),
        ("2022-08-02", True, []),
        ("2022-08-03", False, []),
    ],
)
def test_a_live_credit_record_bars(
    until: str | None, switched_on: bool, expected: list[str]
) -> None:
    findings = check_credit_record(
        on(until) if until else None,
        today=on("2022-08-03"),
        parameters=EligibilityParameters(checks_credit_record=switched_on),
    )
    assert codes(findings) == expected
    assert is_submittable(findings) is (not expected)
