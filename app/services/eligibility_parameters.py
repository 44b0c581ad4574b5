"""The province's figures for the pre-check, from the parameters and the plan line (rules 8)."""

from __future__ import annotations

from datetime import date

from app.domain.eligibility import EligibilityParameters
from app.domain.terms import AppraisalGrade, Gender
from app.models import PlanLine
from app.services.settings import parameter


def load_eligibility_parameters(line: PlanLine) -> EligibilityParameters:
    """The figures of one plan line; its cut-off day is the line's own (R26)."""
    share = str(parameter("continuing_education_specialty_share")).split("/")
    return EligibilityParameters(
        cutoff_month_day=(line.seniority_cutoff_on.month, line.seniority_cutoff_on.day),
        delay_years={
            AppraisalGrade.BASICALLY_QUALIFIED: int(parameter("appraisal_basic_delay_years")),
            AppraisalGrade.UNQUALIFIED: int(parameter("appraisal_failed_delay_years")),
        },
        education_hours=int(parameter("continuing_education_hours")),
        specialised_share=(int(share[0]), int(share[1])),
        checks_credit_record=bool(parameter("credit_record_bars_application")),
    )


def retirement_age(gender: Gender | None) -> int:
    """The age of retirement in years; without a known gender the later one."""
    name = "retirement_age_female" if gender is Gender.FEMALE else "retirement_age_male"
    return int(parameter(name))


def last_years(plan_year: int, key: str, *, since: date | None) -> range:
    """The years before the plan year a check looks at, not before the person started to work."""
    first = plan_year - int(parameter(key))
    return range(max(first, since.year + 1) if since else first, plan_year)
