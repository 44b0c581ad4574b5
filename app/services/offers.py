"""申报选择: which plan categories, specialties, levels and committees fit a person, and why others
do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from app.domain.eligibility import Finding, check_level
from app.domain.errors import ConflictError, DomainError, RouteError, RuleViolation
from app.domain.messages import N_
from app.domain.plan import (
    PlanWindow,
    is_call_late,
    may_review_this_year,
    require_drafting_open,
)
from app.domain.terms import (
    ApplicantKind,
    ApplicationKind,
    CallState,
    FilingState,
    FindingKind,
    PeopleFilter,
    TitleLevel,
    UnitKind,
)
from app.extensions import db
from app.models import (
    AuthorityFiling,
    CallForApplications,
    Committee,
    EvaluationPlan,
    Person,
    PersonnelAffiliation,
    PlanCategory,
    PlanLine,
    ProfessionalTitle,
    ReviewAuthority,
    Series,
    Specialty,
    SpecialtyGroup,
    Unit,
)
from app.services.eligibility_parameters import load_eligibility_parameters
from app.services.form_definition import PRESENT_TITLE
from app.services.routes import NodePlan, employer_of, plan_route
from app.services.settings import parameter
from app.services.windows import window_of

PROVINCE_SUFFIX = "0000"
PREFECTURE_SUFFIX = "00"
OPEN_KINDS = (ApplicationKind.REGULAR, ApplicationKind.EXCEPTIONAL, ApplicationKind.CONVERSION)


@dataclass(frozen=True)
class Applicant:
    """What of a person decides where they may apply."""

    person: Person
    affiliation: PersonnelAffiliation
    employer: Unit
    present_level: TitleLevel | None
    says_present_title: bool

    @property
    def is_private_economy(self) -> bool:
        """Whether the person belongs to the people of the private economy (rules 4)."""
        kind = self.affiliation.applicant_kind
        return self.employer.kind is UnitKind.NON_PUBLIC or kind is not ApplicantKind.EMPLOYEE


@dataclass(frozen=True)
class CommitteeOffer:
    """A committee of a category, its route for this person, and why it does not fit, if so."""

    committee: Committee
    call: CallForApplications | None
    why_not: DomainError | None = None
    route: Sequence[NodePlan] = ()


@dataclass(frozen=True)
class CategoryOffer:
    """A plan category with its window, and why it does not fit, if so."""

    category: PlanCategory
    line: PlanLine
    window: PlanWindow
    committees: Sequence[CommitteeOffer] = field(default_factory=tuple)
    why_not: DomainError | None = None

    @property
    def fitting(self) -> list[CommitteeOffer]:
        """The committees that take this person's application."""
        return [offer for offer in self.committees if offer.why_not is None]


@dataclass(frozen=True)
class Choice:
    """A complete and possible choice."""

    applicant: Applicant
    offer: CategoryOffer
    committee: CommitteeOffer
    series: Series
    specialty: Specialty | None
    level: TitleLevel
    title_name: str
    kind: ApplicationKind


def describe_applicant(person: Person) -> Applicant:
    """Where the person belongs and which title is held; RuleViolation without a unit."""
    affiliation = db.session.scalar(
        select(PersonnelAffiliation).where(
            PersonnelAffiliation.person_id == person.id, PersonnelAffiliation.ends_on.is_(None)
        )
    )
    if affiliation is None:
        raise RuleViolation(
            N_(
                "You belong to no unit in the system. Ask your unit to enter your personnel "
                "affiliation."
            )
        )
    held = (person.profile or {}).get(PRESENT_TITLE) or {}
    level = None if held.get("has_no_title") else held.get("title_level")
    return Applicant(
        person,
        affiliation,
        employer_of(affiliation),
        TitleLevel(int(level)) if level else None,
        bool(level or held.get("has_no_title")),
    )


def current_plan(*, now: datetime) -> EvaluationPlan:
    """The latest plan whose year has begun to be drafted (1 July); RuleViolation before."""
    plan: EvaluationPlan | None = db.session.scalar(
        select(EvaluationPlan)
        .where(EvaluationPlan.published_at <= now)
        .order_by(EvaluationPlan.year.desc())
        .limit(1)
    )
    if plan is None:
        raise RuleViolation(N_("No evaluation plan is published yet. Come back when it is."))
    require_drafting_open(plan.year, now=now)
    return plan


def offers(person: Person, *, now: datetime) -> list[CategoryOffer]:
    """Every category of this year's plan in its order, with the committees that fit and why others
    do not.

    Raises RuleViolation before 1 July, without a plan, or for a person without a unit.
    """
    plan = current_plan(now=now)
    applicant = describe_applicant(person)
    committees = _load_committees()
    lines = db.session.scalars(
        select(PlanLine)
        .where(PlanLine.plan_id == plan.id)
        .options(selectinload(PlanLine.categories).selectinload(PlanCategory.series_links))
        .order_by(PlanLine.number)
    )
    return [
        _offer_category(category, line, committees, applicant, plan.year, now)
        for line in lines
        for category in line.categories
    ]


def _load_committees() -> list[Committee]:
    return list(
        db.session.scalars(
            select(Committee)
            .options(
                selectinload(Committee.filings).selectinload(AuthorityFiling.authorities),
                selectinload(Committee.calls),
                selectinload(Committee.convener),
            )
            .order_by(Committee.id)
            .execution_options(populate_existing=True)
        )
    )


def _offer_category(
    category: PlanCategory,
    line: PlanLine,
    committees: Sequence[Committee],
    applicant: Applicant,
    plan_year: int,
    now: datetime,
) -> CategoryOffer:
    window = window_of(line)
    found = tuple(
        _offer_committee(committee, line, applicant, plan_year, now)
        for committee in committees
        if committee.category_slug == category.slug
    )
    why_not = _category_refusal(category, window, found, applicant, now)
    return CategoryOffer(category, line, window, found, why_not)


def _category_refusal(
    category: PlanCategory,
    window: PlanWindow,
    committees: Sequence[CommitteeOffer],
    applicant: Applicant,
    now: datetime,
) -> DomainError | None:
    if window.is_closed(now):
        return ConflictError(
            N_("The application window closed at %(closes)s."),
            closes=window.closes_at.strftime("%Y-%m-%d %H:%M"),
        )
    if category.people_filter is PeopleFilter.PRIVATE_ECONOMY and not applicant.is_private_economy:
        return RuleViolation(
            N_(
                "Only people of non-public organizations, freelancers and sole proprietors may "
                "apply here."
            )
        )
    if not committees:
        return RuleViolation(
            N_(
                "No review committee has been entered for this series yet. Ask the provincial "
                "HRSS department."
            )
        )
    if all(offer.why_not is not None for offer in committees):
        return committees[0].why_not
    return None


def _offer_committee(
    committee: Committee, line: PlanLine, applicant: Applicant, plan_year: int, now: datetime
) -> CommitteeOffer:
    call = next((c for c in committee.calls if c.plan_line_id == line.id), None)
    refusal = (
        _standing_refusal(committee, plan_year, now)
        or _call_refusal(call, line, now)
        or _people_refusal(committee, applicant)
    )
    if refusal is not None:
        return CommitteeOffer(committee, call, refusal)
    try:
        return CommitteeOffer(
            committee, call, None, tuple(plan_route(applicant.employer, committee))
        )
    except RouteError as error:
        return CommitteeOffer(committee, call, error)


def filing_of(committee: Committee, plan_year: int) -> AuthorityFiling | None:
    """The committee's filing of a plan year."""
    return next((f for f in committee.filings if f.plan_year == plan_year), None)


def _standing_refusal(committee: Committee, plan_year: int, now: datetime) -> DomainError | None:
    if not committee.is_active:
        return RuleViolation(N_("This committee has been dissolved."))
    filing = filing_of(committee, plan_year)
    if filing is None and committee.filings:
        return RuleViolation(
            N_("The filing of this committee ended on %(end)s and has not been renewed."),
            end=max(each.valid_to for each in committee.filings).isoformat(),
        )
    if filing is None or filing.filed_at is None:
        return RuleViolation(N_("This committee is not filed for the year, so it may not review."))
    if not may_review_this_year(
        filing.filed_at.date(), plan_year, has_exemption=bool(filing.exemption_reason)
    ):
        return RuleViolation(
            N_("This committee was filed after 30 May, so it may not review this year.")
        )
    if filing.state is not FilingState.APPROVED:
        return RuleViolation(N_("The filing of this committee is not approved yet."))
    if not filing.valid_from <= now.date() <= filing.valid_to:
        return RuleViolation(
            N_("The filing of this committee is valid from %(begin)s to %(end)s only."),
            begin=filing.valid_from.isoformat(),
            end=filing.valid_to.isoformat(),
        )
    return None


def _call_refusal(
    call: CallForApplications | None, line: PlanLine, now: datetime
) -> DomainError | None:
    if call is None or call.state is not CallState.PUBLISHED or call.published_at is None:
        return RuleViolation(
            N_("This committee has not published its call for applications yet. Look again later.")
        )
    if call.published_at > now:
        return RuleViolation(
            N_("This committee publishes its call for applications on %(on)s."),
            on=call.published_at.date().isoformat(),
        )
    is_late = is_call_late(call.published_at.date(), window_of(line))
    if is_late and not call.late_reason and parameter("late_call_blocks_window"):
        return RuleViolation(
            N_(
                "The call for applications came too late; the provincial HRSS department has to "
                "decide."
            )
        )
    return None


def _people_refusal(committee: Committee, applicant: Applicant) -> DomainError | None:
    if committee.is_self_reviewing and committee.convener_id != applicant.employer.id:
        return RuleViolation(N_("This committee reviews the people of its own unit only."))
    if not covers(committee.division_code, applicant.employer.division_code):
        return RuleViolation(
            N_("This committee reviews the people of %(division)s only."),
            division=committee.division.name,
        )
    return None


def covers(area: str, division_code: str) -> bool:
    """Whether a division of GB/T 2260 lies in `area`: 520000 covers 520102, 520100 covers
    520102.
    """
    if area.endswith(PROVINCE_SUFFIX):
        return division_code[:2] == area[:2]
    if area.endswith(PREFECTURE_SUFFIX):
        return division_code[:4] == area[:4]
    return division_code == area


# ------------------------------------------------------------ specialty, level, title


def specialties_of(category: PlanCategory) -> list[Specialty]:
    """The specialties of a category, by group."""
    series = [link.series_id for link in category.series_links]
    return list(
        db.session.scalars(
            select(Specialty)
            .join(SpecialtyGroup, SpecialtyGroup.id == Specialty.group_id)
            .where(
                SpecialtyGroup.series_id.in_(series),
                SpecialtyGroup.category_slug.in_(["", category.slug]),
                Specialty.is_active,
            )
            .options(selectinload(Specialty.group))
            .order_by(SpecialtyGroup.position, SpecialtyGroup.id, Specialty.number)
        )
    )


def authority_for(
    filing: AuthorityFiling | None,
    *,
    series_id: int,
    specialty: Specialty | None,
    level: TitleLevel,
) -> ReviewAuthority | None:
    """The review authority a filing gives for one series, level and specialty."""
    for authority in filing.authorities if filing else ():
        fits_specialty = authority.specialty_id in {None, specialty.id if specialty else None}
        if authority.series_id == series_id and authority.level == level and fits_specialty:
            return authority
    return None


def committees_for(
    offer: CategoryOffer, *, specialty: Specialty | None, level: TitleLevel, series_id: int
) -> list[CommitteeOffer]:
    """The committees of a category for one specialty and level, with why some do not fit."""
    year = offer.line.plan.year
    found: list[CommitteeOffer] = []
    for each in offer.committees:
        authority = authority_for(
            filing_of(each.committee, year), series_id=series_id, specialty=specialty, level=level
        )
        if each.why_not is None and authority is None:
            refusal = RuleViolation(
                N_("This committee has no review authority for this specialty and level.")
            )
            found.append(CommitteeOffer(each.committee, each.call, refusal))
        else:
            found.append(each)
    return found


def levels_for(
    offer: CategoryOffer,
    applicant: Applicant,
    *,
    specialty: Specialty | None,
    series_id: int,
    kind: ApplicationKind,
) -> list[tuple[TitleLevel, DomainError | None]]:
    """The levels of a category, each with the reason why it does not fit this person, or None
    (R22).
    """
    found: list[tuple[TitleLevel, DomainError | None]] = []
    for level in TitleLevel:
        titles = titles_of(series_id, level)
        if int(level) not in offer.category.levels or not titles:
            continue
        found.append((level, _level_refusal(offer, applicant, specialty, series_id, kind, level)))
    return found


def _level_refusal(
    offer: CategoryOffer,
    applicant: Applicant,
    specialty: Specialty | None,
    series_id: int,
    kind: ApplicationKind,
    level: TitleLevel,
) -> DomainError | None:
    if applicant.says_present_title:
        findings = check_level(
            level, applicant.present_level, kind, parameters=load_eligibility_parameters(offer.line)
        )
        refused = next((f for f in findings if f.kind is FindingKind.REFUSAL), None)
        if refused is not None:
            return as_error(refused)
    reviewing = committees_for(offer, specialty=specialty, level=level, series_id=series_id)
    if all(each.why_not is not None for each in reviewing):
        return RuleViolation(N_("No committee reviews this level of this specialty for your unit."))
    return None


def as_error(finding: Finding) -> RuleViolation:
    """A refusing finding as the error it is when it is met before the pre-check."""
    return RuleViolation(finding.template, **dict(finding.params))


def titles_of(series_id: int, level: TitleLevel) -> list[ProfessionalTitle]:
    """The names a series gives to a level."""
    return list(
        db.session.scalars(
            select(ProfessionalTitle)
            .where(ProfessionalTitle.series_id == series_id, ProfessionalTitle.level == level)
            .order_by(ProfessionalTitle.position, ProfessionalTitle.id)
        )
    )


# --------------------------------------------------------------------------- a complete choice


def require_choice(
    person: Person,
    *,
    category_id: int,
    series_id: int,
    specialty_id: int | None,
    level: TitleLevel,
    committee_id: int,
    kind: ApplicationKind,
    title_name: str | None,
    now: datetime,
) -> Choice:
    """Check that what was chosen fits together and fits the person; RuleViolation with the
    reason.
    """
    applicant = describe_applicant(person)
    offer = next((o for o in offers(person, now=now) if o.category.id == category_id), None)
    if offer is None:
        raise RuleViolation(N_("This series is not in this year's plan. Choose another one."))
    series = _require_series(offer, series_id)
    specialty = _require_specialty(offer, series, specialty_id)
    found = next(
        (
            each
            for each in committees_for(offer, specialty=specialty, level=level, series_id=series_id)
            if each.committee.id == committee_id
        ),
        None,
    )
    if found is None:
        raise RuleViolation(N_("This committee does not review this series. Choose another one."))
    if offer.why_not is not None:
        raise offer.why_not
    if found.why_not is not None:
        raise found.why_not
    if int(level) not in offer.category.levels:
        raise RuleViolation(N_("This level is not reviewed in this series. Choose another one."))
    return Choice(
        applicant,
        offer,
        found,
        series,
        specialty,
        level,
        _require_title(series_id, level, title_name),
        _require_kind(offer.category, kind),
    )


def _require_series(offer: CategoryOffer, series_id: int) -> Series:
    if series_id not in {link.series_id for link in offer.category.series_links}:
        raise RuleViolation(N_("This series is not in this year's plan. Choose another one."))
    return db.session.get_one(Series, series_id)


def _require_specialty(
    offer: CategoryOffer, series: Series, specialty_id: int | None
) -> Specialty | None:
    offered = [s for s in specialties_of(offer.category) if s.group.series_id == series.id]
    if specialty_id is None:
        if offered:
            raise RuleViolation(N_("Choose a specialty."))
        return None
    found = next((s for s in offered if s.id == specialty_id), None)
    if found is None:
        raise RuleViolation(N_("This specialty does not belong to the series. Choose another one."))
    return found


def _require_title(series_id: int, level: TitleLevel, title_name: str | None) -> str:
    names = [title.name for title in titles_of(series_id, level)]
    if title_name is None and len(names) == 1:
        return names[0]
    if title_name not in names:
        raise RuleViolation(N_("Choose the title you apply for from the list."))
    return title_name


def _require_kind(category: PlanCategory, kind: ApplicationKind) -> ApplicationKind:
    is_private = category.people_filter is PeopleFilter.PRIVATE_ECONOMY
    if is_private and kind is ApplicationKind.REGULAR:
        return ApplicationKind.PRIVATE_ECONOMY
    if kind is ApplicationKind.PRIVATE_ECONOMY and not is_private:
        raise RuleViolation(
            N_("This kind of application belongs to the special review of the private economy.")
        )
    if kind is ApplicationKind.ENTRUSTED:
        raise RuleViolation(
            N_(
                "An entrusted review is arranged by the committee. Choose another kind of "
                "application."
            )
        )
    return kind
