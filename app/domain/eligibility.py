"""The pre-check before submission: findings over plain values, nothing decided for the unit.

Order 40 Art. 13, 14 and the province's rules (R20-R29). A refusal stops the submission, a warning
is shown to applicant and unit. Each finding names the section of the form it belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from app.domain.calendar import ONE_DAY
from app.domain.messages import N_
from app.domain.terms import ApplicationKind, AppraisalGrade, FindingKind, TitleLevel

SECTION_BASICS: Final = "basics"
SECTION_POSITION: Final = "position"
SECTION_TITLE: Final = "current_title"
SECTION_APPRAISALS: Final = "annual_appraisals"
SECTION_EDUCATION: Final = "continuing_education"
SECTION_BREAKTHROUGH: Final = "exceptional_grounds"


@dataclass(frozen=True, slots=True)
class EligibilityParameters:
    """The province's figures (rules 8): every one a parameter with the default of its source."""

    cutoff_month_day: tuple[int, int] = (12, 31)
    entry_levels: frozenset[TitleLevel] = frozenset({TitleLevel.ASSISTANT, TitleLevel.TECHNICIAN})
    delay_years: Mapping[AppraisalGrade, int] = field(
        default_factory=lambda: {
            AppraisalGrade.BASICALLY_QUALIFIED: 1,
            AppraisalGrade.UNQUALIFIED: 2,
        }
    )
    education_hours: int = 90
    specialised_share: tuple[int, int] = (2, 3)
    checks_credit_record: bool = True

    def cutoff_on(self, plan_year: int) -> date:
        """Return the day seniority and age are counted to (R26)."""
        return date(plan_year, *self.cutoff_month_day)


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of the pre-check: `template % params` says what to do, `section` where."""

    kind: FindingKind
    code: str
    template: str
    section: str
    params: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.template % self.params


def is_submittable(findings: tuple[Finding, ...]) -> bool:
    """Return whether no finding refuses the submission."""
    return all(finding.kind is not FindingKind.REFUSAL for finding in findings)


def _refuse(code: str, template: str, section: str, **params: object) -> tuple[Finding, ...]:
    return (Finding(FindingKind.REFUSAL, code, template, section, params),)


def _warn(code: str, template: str, section: str, **params: object) -> tuple[Finding, ...]:
    return (Finding(FindingKind.WARNING, code, template, section, params),)


def check_level(
    applied: TitleLevel,
    current: TitleLevel | None,
    kind: ApplicationKind,
    *,
    parameters: EligibilityParameters,
) -> tuple[Finding, ...]:
    """Check 逐级申报: one level at a time, from the entry levels up (R22).

    破格 may go straight to a senior level and is warned to prove its grounds; 转评 stays on its
    level.
    """
    if kind is ApplicationKind.CONVERSION:
        if applied is current:
            return ()
        return _refuse(
            "conversion_keeps_level",
            N_("A conversion keeps the title level. Choose the level of your current title."),
            SECTION_TITLE,
        )
    if current is not None and applied >= current:
        return _refuse(
            "level_not_higher",
            N_("The level applied for must be higher than your current one. Choose a higher one."),
            SECTION_TITLE,
        )
    if _is_next_level(applied, current, parameters):
        return ()
    if kind is ApplicationKind.EXCEPTIONAL and applied <= TitleLevel.ASSOCIATE_SENIOR:
        return _warn(
            "exceptional_grounds_needed",
            N_("You skip a level: prove the major breakthrough or contribution."),
            SECTION_BREAKTHROUGH,
        )
    return _refuse(
        "level_skipped",
        N_("Titles are applied for level by level. Choose the level next to your current title."),
        SECTION_TITLE,
    )


def _is_next_level(
    applied: TitleLevel, current: TitleLevel | None, parameters: EligibilityParameters
) -> bool:
    if current is None:
        return applied in parameters.entry_levels
    return applied == current - 1


def check_seniority(
    obtained_on: date,
    required_years: int,
    *,
    plan_year: int,
    parameters: EligibilityParameters,
    delay_years: int = 0,
    relaxed_years: int = 0,
) -> tuple[Finding, ...]:
    """Check the years in the current title, counted to the cut-off day (R22, R26, R27).

    `delay_years` come from appraisals, `relaxed_years` from hard, remote or grass-roots service.
    """
    needed = max(0, required_years + delay_years - relaxed_years)
    served = count_full_years(obtained_on, parameters.cutoff_on(plan_year))
    if served >= needed:
        return ()
    return _refuse(
        "seniority_too_short",
        N_(
            "%(needed)s years in the current title are needed by %(cutoff)s; there are "
            "%(served)s. Apply in a later year or claim a relaxation with its proof."
        ),
        SECTION_TITLE,
        needed=needed,
        served=served,
        cutoff=parameters.cutoff_on(plan_year).isoformat(),
    )


def count_full_years(start: date, end: date) -> int:
    """Return the completed years from `start` to `end`, both days included.

    2018-01-01 to 2022-12-31 are five years.
    """
    return count_age(start, end + ONE_DAY)


def check_in_service(
    *, is_retired: bool, punished_until: date | None, today: date
) -> tuple[Finding, ...]:
    """Check that the applicant works and serves no punishment of 记过 or heavier (R20)."""
    if is_retired:
        return _refuse(
            "retired",
            N_("Retired people may not apply. Ask your unit if the entry is wrong."),
            SECTION_POSITION,
        )
    if punished_until is not None and today <= punished_until:
        return _refuse(
            "under_punishment",
            N_("You may not apply while a disciplinary punishment runs (to %(until)s)."),
            SECTION_POSITION,
            until=punished_until.isoformat(),
        )
    return ()


def check_retirement(
    born_on: date,
    retirement_age: int,
    *,
    plan_year: int,
    parameters: EligibilityParameters,
    has_extension: bool = False,
) -> tuple[Finding, ...]:
    """Check who reaches the age of retirement by the cut-off day (R26)."""
    cutoff = parameters.cutoff_on(plan_year)
    if has_extension or count_age(born_on, cutoff) < retirement_age:
        return ()
    return _refuse(
        "retires_this_year",
        N_(
            "You reach the retirement age of %(age)s by %(cutoff)s. Upload the approved "
            "extension, or you may not apply."
        ),
        SECTION_BASICS,
        age=retirement_age,
        cutoff=cutoff.isoformat(),
    )


def count_age(born_on: date, on: date) -> int:
    """Return the age on a day; born on 29 February, a year is full on 1 March."""
    return on.year - born_on.year - ((on.month, on.day) < (born_on.month, born_on.day))


def compute_delay_years(
    appraisals: Mapping[int, AppraisalGrade], *, parameters: EligibilityParameters
) -> int:
    """Return the years poor appraisals delay: 基本合格 1 each, 不合格 2 each (R27)."""
    return sum(parameters.delay_years.get(grade, 0) for grade in appraisals.values())


def check_appraisals(
    appraisals: Mapping[int, AppraisalGrade],
    years: range,
    *,
    parameters: EligibilityParameters,
) -> tuple[Finding, ...]:
    """Warn about missing annual appraisals and about the delay of poor ones (R27)."""
    missing = [year for year in years if year not in appraisals]
    findings: tuple[Finding, ...] = ()
    if missing:
        findings += _warn(
            "appraisals_missing",
            N_("Enter the annual appraisals of %(years)s, or explain why there is none."),
            SECTION_APPRAISALS,
            years=_list_years(missing),
        )
    delay = compute_delay_years(appraisals, parameters=parameters)
    if delay:
        findings += _warn(
            "appraisals_delay",
            N_("Poor appraisals lengthen the years needed by %(delay)s."),
            SECTION_APPRAISALS,
            delay=delay,
        )
    return findings


@dataclass(frozen=True, slots=True)
class EducationHours:
    """Continuing education of one year, in hours (学时)."""

    total: int
    specialised: int


def check_continuing_education(
    hours: Mapping[int, EducationHours], years: range, *, parameters: EligibilityParameters
) -> tuple[Finding, ...]:
    """Warn about years under 90 hours or under two thirds in specialised subjects (R28)."""
    part, whole = parameters.specialised_share
    findings: tuple[Finding, ...] = ()
    for year in years:
        given = hours.get(year, EducationHours(0, 0))
        if given.total < parameters.education_hours:
            findings += _warn(
                "education_too_short",
                N_(
                    "%(year)s: %(given)s hours of continuing education, %(needed)s are needed. "
                    "Add the missing ones with their proof."
                ),
                SECTION_EDUCATION,
                year=year,
                given=given.total,
                needed=parameters.education_hours,
            )
        elif whole * given.specialised < part * given.total:
            findings += _warn(
                "education_too_general",
                N_(
                    "%(year)s: %(given)s of %(total)s hours are specialised subjects; at least "
                    "%(part)s/%(whole)s are needed. Add the missing ones with their proof."
                ),
                SECTION_EDUCATION,
                year=year,
                given=given.specialised,
                total=given.total,
                part=part,
                whole=whole,
            )
    return findings


def check_credit_record(
    live_until: date | None, *, today: date, parameters: EligibilityParameters
) -> tuple[Finding, ...]:
    """Refuse whoever has a live credit record for fraud (R29); can be switched off."""
    if not parameters.checks_credit_record or live_until is None or today > live_until:
        return ()
    return _refuse(
        "credit_record",
        N_("A credit record bars you from applying until %(until)s."),
        SECTION_BASICS,
        until=live_until.isoformat(),
    )


def _list_years(years: list[int]) -> str:
    return ", ".join(str(year) for year in years)
