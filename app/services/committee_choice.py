"""Which other committee may take an application over (rows 16 and 25)."""

from __future__ import annotations

from datetime import date

from sqlalchemy import select

from app.domain.calendar import due_end_of
from app.domain.errors import CommitteeRuleError
from app.domain.messages import N_
from app.domain.terms import DueKind, FilingState
from app.extensions import db
from app.models import Application, AuthorityFiling, Committee, ReviewAuthority
from app.services.extensions import milestone_due_on


def committees_that_fit(application: Application, *, on: date) -> list[Committee]:
    """The committees an application could go to instead of its own, by name."""
    slugs = [category.slug for category in application.plan_line.categories]
    rows = db.session.scalars(
        select(Committee)
        .where(
            Committee.id != application.committee_id,
            Committee.is_active.is_(True),
            Committee.category_slug.in_(slugs),
        )
        .order_by(Committee.name)
    )
    return [row for row in rows if _why_unfit(application, row, on=on) is None]


def require_committee_fits(application: Application, committee: Committee, *, on: date) -> None:
    """Refuse a committee without a valid filing for this title, of another plan line, or too late.

    Row 25 and R15. Raises CommitteeRuleError.
    """
    template = _why_unfit(application, committee, on=on)
    if template is not None:
        raise CommitteeRuleError(template, committee=committee.name)


def _why_unfit(application: Application, committee: Committee, *, on: date) -> str | None:
    slugs = {category.slug for category in application.plan_line.categories}
    if committee.category_slug not in slugs:
        return N_(
            "%(committee)s does not belong to this line of the evaluation plan. "
            "Choose a committee of the same line."
        )
    if not _has_authority(application, committee, on=on):
        return N_(
            "%(committee)s has no valid filing for this series, level and specialty. "
            "Choose another committee."
        )
    due_on = milestone_due_on(committee.id, application.plan_line, DueKind.POLICY_REVIEW)
    if on >= due_end_of(due_on).date():
        return N_(
            "The policy-review deadline of %(committee)s has passed. Choose another committee."
        )
    return None


def _has_authority(application: Application, committee: Committee, *, on: date) -> bool:
    specialty = ReviewAuthority.specialty_id
    return (
        db.session.scalar(
            select(ReviewAuthority.id)
            .join(AuthorityFiling, AuthorityFiling.id == ReviewAuthority.filing_id)
            .where(
                AuthorityFiling.committee_id == committee.id,
                AuthorityFiling.state == FilingState.APPROVED,
                AuthorityFiling.valid_from <= on,
                AuthorityFiling.valid_to >= on,
                ReviewAuthority.series_id == application.series_id,
                ReviewAuthority.level == application.level,
                specialty.is_(None) | (specialty == application.specialty_id),
            )
            .limit(1)
        )
        is not None
    )
