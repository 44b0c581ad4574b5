"""预审: one complete list of what refuses or only warns before a submission; each finding names
section and field.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import func, select

from app.domain import eligibility
from app.domain.eligibility import EducationHours, Finding
from app.domain.errors import DomainError
from app.domain.messages import N_
from app.domain.terms import ApplicationKind, AppraisalGrade, FindingKind, TitleLevel
from app.extensions import db
from app.models import Application, CreditRecord, Person
from app.services.editing import open_correction
from app.services.eligibility_parameters import (
    last_years,
    load_eligibility_parameters,
    retirement_age,
)
from app.services.form_definition import (
    APPRAISALS,
    CONTINUING_EDUCATION,
    EXCEPTIONAL_GROUNDS,
    INFO,
    PRESENT_TITLE,
    PROFILE,
    REPRESENTATIVE_WORKS,
    WORK_HISTORY,
    Field,
    FormDefinition,
    Label,
    Section,
    read_form,
)
from app.services.materials import (
    FileSlot,
    field_slot,
    list_materials,
    needs_representative_works,
    requirement_slots,
)
from app.services.offers import require_choice
from app.services.routes import plan_route, route_warning
from app.services.settings import parameter
from app.services.windows import window_of

DOMAIN_SECTIONS: Final[Mapping[str, str]] = {
    eligibility.SECTION_BASICS: PROFILE,
    eligibility.SECTION_POSITION: PROFILE,
    eligibility.SECTION_TITLE: PRESENT_TITLE,
    eligibility.SECTION_APPRAISALS: APPRAISALS,
    eligibility.SECTION_EDUCATION: CONTINUING_EDUCATION,
    eligibility.SECTION_BREAKTHROUGH: EXCEPTIONAL_GROUNDS,
}
"""Where the findings of the domain belong in the form."""


def pre_check(application: Application, *, now: datetime) -> list[Finding]:
    """Everything that would refuse the submission and every warning, in the order of the form.

    A returned application is checked in its unlocked sections only: the rest is settled. The
    window is not looked at.
    """
    form = read_form(application.form_version.definition)
    findings = [*_entries(application, form), *_rules(application, now=now)]
    if application.submitted_at is None:
        findings += _choice(application, now=now)
    correction = open_correction(application)
    if correction is not None:
        findings = [f for f in findings if f.section in correction.unlocked_sections]
    order = {section.key: place for place, section in enumerate(form.sections)}
    return sorted(findings, key=lambda f: order.get(f.section, len(order)))


def refusals(findings: list[Finding]) -> list[Finding]:
    """The findings that stop a submission."""
    return [f for f in findings if f.kind is FindingKind.REFUSAL]


def refuse(code: str, template: str, section: str, **params: object) -> Finding:
    """A finding that stops the submission."""
    return Finding(FindingKind.REFUSAL, code, template, section, params)


def warn(code: str, template: str, section: str, **params: object) -> Finding:
    """A finding that is shown to applicant and unit."""
    return Finding(FindingKind.WARNING, code, template, section, params)


def is_needed(section: Section, application: Application) -> bool:
    """Whether a section concerns this application at all."""
    if section.key == EXCEPTIONAL_GROUNDS:
        return application.kind is ApplicationKind.EXCEPTIONAL
    if section.key == REPRESENTATIVE_WORKS:
        return application.committee.representative_works > 0
    return True


# --------------------------------------------------------------------------- entries and files


def _entries(application: Application, form: FormDefinition) -> Iterator[Finding]:
    present: dict[str, int] = {}
    for material in list_materials(application.id):
        present[material.requirement_code] = present.get(material.requirement_code, 0) + 1
    for section in form.pages:
        if is_needed(section, application):
            yield from missing_entries(section, application, present)
    for slot in requirement_slots(application):
        if slot.is_required and not present.get(slot.code):
            yield _missing_file(slot)


def missing_entries(
    section: Section, application: Application, present: Mapping[str, int]
) -> Iterator[Finding]:
    """What a section still lacks; `present` counts the files by place."""
    values = application.content.get(section.key) or {}
    for field in section.fields:
        if not section.is_typed(field):
            continue
        required = _is_required(section, field, values, application)
        if field.is_file:
            if required and not present.get(field_slot(section, field).code):
                yield _missing_file(field_slot(section, field))
        elif field.kind == "rows":
            yield from _missing_rows(
                section, field, values.get(field.name) or [], required, present
            )
            yield from _row_order(section, field, values.get(field.name) or [])
        elif required and values.get(field.name) in (None, "", [], False):
            yield _missing(section, field.label, field.name)
    if section.key == REPRESENTATIVE_WORKS:
        yield from _count_works(section, values, application)


def _is_required(
    section: Section, field: Field, values: Mapping[str, Any], application: Application
) -> bool:
    if field.required_when == "has_title":
        return not values.get("has_no_title")
    if field.required_when == "is_exceptional":
        return application.kind is ApplicationKind.EXCEPTIONAL
    if section.key == REPRESENTATIVE_WORKS and field.kind == "rows":
        return needs_representative_works(application) > 0
    return field.is_required


def _missing_rows(
    section: Section,
    field: Field,
    rows: list[dict[str, Any]],
    required: bool,
    present: Mapping[str, int],
) -> Iterator[Finding]:
    if required and len(rows) < max(1, field.min_rows):
        yield refuse(
            "rows_missing",
            N_("%(label)s: add at least %(least)s row."),
            section.key,
            label=field.label,
            least=max(1, field.min_rows),
            field=field.name,
        )
    for place, row in enumerate(rows):
        for column in field.columns:
            if not column.is_required or column.kind == "boolean":
                continue
            path = f"{field.name}.{place}.{column.name}"
            if column.is_file:
                slot = field_slot(
                    section, column, row_id=row["row_id"], owner=field.name, place=place
                )
                if not present.get(slot.code):
                    yield _missing(section, column.label, path, row=place + 1, owner=field.label)
            elif row.get(column.name) in (None, ""):
                yield _missing(section, column.label, path, row=place + 1, owner=field.label)


def _missing(
    section: Section, label: Label, path: str, *, row: int = 0, owner: Label | None = None
) -> Finding:
    if row:
        template = N_("%(owner)s, row %(row)s: %(label)s is missing.")
        return refuse(
            "missing", template, section.key, label=label, row=row, owner=owner, field=path
        )
    return refuse("missing", N_("%(label)s is missing."), section.key, label=label, field=path)


def _missing_file(slot: FileSlot) -> Finding:
    template = N_("Upload the file: %(label)s.")
    return refuse("file_missing", template, slot.section, label=slot.label, field=slot.path)


def _row_order(section: Section, field: Field, rows: list[dict[str, Any]]) -> Iterator[Finding]:
    for place, row in enumerate(rows):
        begin, end = row.get("from_month"), row.get("to_month")
        if begin and end and end < begin:
            yield refuse(
                "months_reversed",
                N_("%(owner)s, row %(row)s ends before it begins. Correct the months."),
                section.key,
                owner=field.label,
                row=place + 1,
                field=f"{field.name}.{place}.to_month",
            )


def _count_works(
    section: Section, values: Mapping[str, Any], application: Application
) -> Iterator[Finding]:
    limit = application.committee.representative_works
    given = sum(len(rows) for rows in values.values() if isinstance(rows, list))
    if given > limit:
        yield refuse(
            "too_many_works",
            N_("The committee takes at most %(limit)s representative works. Remove some."),
            section.key,
            limit=limit,
            field=section.fields[0].name,
        )


# ------------------------------------------------------------ the rules of eligibility


def _rules(application: Application, *, now: datetime) -> list[Finding]:
    content, line = application.content, application.plan_line
    parameters = load_eligibility_parameters(line)
    person = application.person
    started = _as_date((content.get(PROFILE) or {}).get("work_started_on"))
    year = application.plan_year
    appraisals = _appraisals(content)
    found = [
        *standing_findings(person, now=now),
        *_retirement(person, application),
        *_title_dates(content, now),
        *_gaps(content),
        *eligibility.check_appraisals(
            appraisals,
            last_years(year, "appraisal_years_checked", since=started),
            parameters=parameters,
        ),
        *eligibility.check_continuing_education(
            _hours(content),
            last_years(year, "continuing_education_years_checked", since=started),
            parameters=parameters,
        ),
    ]
    title = content.get(PRESENT_TITLE) or {}
    if title.get("has_no_title") or title.get("title_level"):
        level = None if title.get("has_no_title") else TitleLevel(int(title["title_level"]))
        found += eligibility.check_level(
            application.level, level, application.kind, parameters=parameters
        )
    return [_in_form(finding) for finding in found]


def _in_form(finding: Finding) -> Finding:
    section = DOMAIN_SECTIONS.get(finding.section, finding.section)
    return Finding(finding.kind, finding.code, finding.template, section, finding.params)


def standing_findings(person: Person, *, now: datetime) -> tuple[Finding, ...]:
    """What bars a person from applying at all: retired, under punishment, a live credit record
    (R20, R29).
    """
    today = now.date()
    until = db.session.scalar(
        select(func.max(CreditRecord.until_on)).where(
            CreditRecord.person_id == person.id, CreditRecord.from_on <= today
        )
    )
    punished = _as_date((person.profile or {}).get("punished_until"))
    bars = eligibility.EligibilityParameters(
        checks_credit_record=bool(parameter("credit_record_bars_application"))
    )
    return (
        *eligibility.check_in_service(
            is_retired=is_retired(person, today), punished_until=punished, today=today
        ),
        *eligibility.check_credit_record(until, today=today, parameters=bars),
    )


def is_retired(person: Person, today: date) -> bool:
    """Whether the person has retired by `today`; an approved date counts before the age."""
    if person.retirement_on is not None:
        return today > person.retirement_on
    if person.birth_date is None:
        return False
    return eligibility.count_age(person.birth_date, today) >= retirement_age(person.gender)


def _retirement(person: Person, application: Application) -> tuple[Finding, ...]:
    parameters = load_eligibility_parameters(application.plan_line)
    if person.birth_date is None:
        return ()
    cutoff = parameters.cutoff_on(application.plan_year)
    return eligibility.check_retirement(
        person.birth_date,
        retirement_age(person.gender),
        plan_year=application.plan_year,
        parameters=parameters,
        has_extension=person.retirement_on is not None and person.retirement_on > cutoff,
    )


def _appraisals(content: Mapping[str, Any]) -> dict[int, AppraisalGrade]:
    grades = {grade.value: grade for grade in AppraisalGrade}
    return {
        int(row["year"]): grades.get(
            row["grade"], AppraisalGrade.QUALIFIED
        )  # 不定等次 delays nobody
        for row in (content.get(APPRAISALS) or {}).get("appraisals") or []
        if row.get("year") and row.get("grade")
    }


def _hours(content: Mapping[str, Any]) -> dict[int, EducationHours]:
    rows = (content.get(CONTINUING_EDUCATION) or {}).get("continuing_education") or []
    return {
        int(row["year"]): EducationHours(
            int((row.get("public_hours") or 0) + (row.get("specialty_hours") or 0)),
            int(row.get("specialty_hours") or 0),
        )
        for row in rows
        if row.get("year")
    }


def _title_dates(content: Mapping[str, Any], now: datetime) -> Iterator[Finding]:
    awarded = (content.get(PRESENT_TITLE) or {}).get("awarded_on")
    if awarded and awarded > now.date().isoformat():
        yield refuse(
            "awarded_in_future",
            N_("The present title cannot have been awarded in the future. Correct the date."),
            PRESENT_TITLE,
            field="awarded_on",
        )


def _gaps(content: Mapping[str, Any]) -> Iterator[Finding]:
    """Warn about months between two jobs (rules 5: by month, gaps checked)."""
    rows = [
        r
        for r in (content.get(WORK_HISTORY) or {}).get("work_history") or []
        if r.get("from_month")
    ]
    reached = ""
    for row in sorted(rows, key=lambda r: r["from_month"]):
        if reached and row["from_month"] > _next_month(reached):
            yield warn(
                "work_history_gap",
                N_(
                    "The work history has a gap between %(before)s and %(after)s. Fill it or "
                    "explain it."
                ),
                WORK_HISTORY,
                before=reached,
                after=row["from_month"],
            )
        reached = max(reached, row.get("to_month") or "9999-12")


def _next_month(month: str) -> str:
    year, number = int(month[:4]), int(month[5:])
    return f"{year + 1:04d}-01" if number == 12 else f"{year:04d}-{number + 1:02d}"


def _as_date(text: Any) -> date | None:
    return date.fromisoformat(text) if isinstance(text, str) and text else None


# --------------------------------------------------------------------------- committee and route


def _choice(application: Application, *, now: datetime) -> Iterator[Finding]:
    """What has changed since the committee was chosen: filing, call, people, route."""
    try:
        require_choice(
            application.person,
            category_id=application.category_id,
            series_id=application.series_id,
            specialty_id=application.specialty_id,
            level=application.level,
            committee_id=application.committee_id,
            kind=application.kind,
            title_name=application.title_name,
            now=now,
        )
    except DomainError as error:
        if error.code != "conflict":  # a closed window is the submission's own question
            yield refuse(error.code, error.template, INFO, **error.params)
        return
    plan = plan_route(application.employer, application.committee)
    warning = route_warning(window_of(application.plan_line), plan)
    if warning is not None:
        yield warning
