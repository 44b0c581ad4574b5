"""评委会 and 评审权备案: filing, approving, returning (rules 1.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select

from app.domain.errors import (
    CommitteeRuleError,
    ConflictError,
    NotPermittedError,
    RuleViolation,
    StaleVersionError,
)
from app.domain.messages import N_
from app.domain.plan import may_review_this_year
from app.domain.review import CommitteeSizes, check_committee_size, check_validity
from app.domain.terms import AdministrativeLevel, CommitteeLevel, FilingState, TitleLevel
from app.domain.workflow import ActorRole
from app.extensions import db
from app.models import AuthorityFiling, Committee, ReviewAuthority, Specialty, SpecialtyGroup
from app.services.actors import Actor
from app.services.audit import record
from app.services.settings import parameter

LEVELS = {
    CommitteeLevel.SENIOR: frozenset({TitleLevel.SENIOR, TitleLevel.ASSOCIATE_SENIOR}),
    CommitteeLevel.INTERMEDIATE: frozenset({TitleLevel.INTERMEDIATE}),
    CommitteeLevel.JUNIOR: frozenset({TitleLevel.ASSISTANT, TitleLevel.TECHNICIAN}),
}
"""高级 {1,2}, 中级 {3}, 初级 {4,5} (rules R02)."""

_AREA_DIGITS = {
    AdministrativeLevel.PROVINCE: 2,
    AdministrativeLevel.PREFECTURE: 4,
    AdministrativeLevel.COUNTY: 6,
}


@dataclass(frozen=True)
class FilingDraft:
    """What the convening unit files: the right to review `levels` of all or some specialties."""

    plan_year: int
    valid_from: date
    valid_to: date
    member_size: int
    levels: Sequence[TitleLevel]
    specialty_ids: Sequence[int] = ()
    document_number: str = ""
    note: str = ""


def committee_sizes() -> CommitteeSizes:
    """The least numbers of members as the province has set them (rules R03, R05)."""
    return CommitteeSizes(
        senior_series=parameter("committee_size_senior_series"),
        senior_specialty=parameter("committee_size_senior_specialty"),
        intermediate_series=parameter("committee_size_intermediate_series"),
        intermediate_specialty=parameter("committee_size_intermediate_specialty"),
        junior=parameter("committee_size_junior_series"),
        junior_specialty=parameter("committee_size_junior_specialty"),
    )


def _check_validity(valid_from: date, valid_to: date) -> None:
    check_validity(valid_from, valid_to, years=int(parameter("filing_validity_years")))


def check_committee(committee: Committee, *, actor: Actor) -> None:
    """Refuse to save a committee that breaks R02-R05 or is not the actor's."""
    _require_convener(committee, actor)
    check_committee_size(
        committee.member_size, committee.level, committee.scope_kind, sizes=committee_sizes()
    )


def save_filing(
    committee_id: int,
    filing_id: int | None,
    draft: FilingDraft,
    *,
    expected_version: int = 0,
    actor: Actor,
    now: datetime,
) -> AuthorityFiling:
    """Create or change a draft. Raises CommitteeRuleError, ConflictError, NotPermittedError."""
    committee = db.session.get_one(Committee, committee_id)
    _require_convener(committee, actor)
    _check_draft(committee, draft)
    if filing_id is None:
        filing = _new_filing(committee, draft)
    else:
        filing = _lock(filing_id, expected_version)
        _require_state(filing, FilingState.DRAFT, FilingState.RETURNED)
        filing.version += 1
    filing.plan_year = draft.plan_year
    filing.valid_from, filing.valid_to = draft.valid_from, draft.valid_to
    filing.member_size = draft.member_size
    filing.document_number, filing.note = draft.document_number.strip(), draft.note.strip()
    filing.authorities.clear()
    db.session.flush()
    specialties: list[int | None] = [*sorted(set(draft.specialty_ids))]
    filing.authorities.extend(
        ReviewAuthority(series_id=committee.series_id, level=level, specialty_id=specialty_id)
        for level in sorted(set(draft.levels))
        for specialty_id in specialties or [None]
    )
    record("save_filing", filing, actor=actor, now=now, after=_facts(filing))
    db.session.flush()
    return filing


def _new_filing(committee: Committee, draft: FilingDraft) -> AuthorityFiling:
    known = db.session.scalar(
        select(AuthorityFiling.id).where(
            AuthorityFiling.committee_id == committee.id,
            AuthorityFiling.plan_year == draft.plan_year,
        )
    )
    if known:
        raise ConflictError(
            N_("The committee has a filing for %(year)s already. Open that one."),
            year=draft.plan_year,
        )
    filing = AuthorityFiling(
        committee_id=committee.id,
        plan_year=draft.plan_year,
        valid_from=draft.valid_from,
        valid_to=draft.valid_to,
        member_size=draft.member_size,
        exemption_reason="",
    )
    db.session.add(filing)
    db.session.flush()
    return filing


def _check_draft(committee: Committee, draft: FilingDraft) -> None:
    if draft.member_size % 2 == 0:
        raise CommitteeRuleError(
            N_("A committee has an odd number of members, not %(size)s. Add or remove one."),
            size=draft.member_size,
        )
    _check_validity(draft.valid_from, draft.valid_to)
    if not draft.levels or not set(draft.levels) <= LEVELS[committee.level]:
        raise CommitteeRuleError(
            N_(
                "Choose levels that belong to the committee's own level (senior, intermediate, "
                "junior)."
            )
        )
    if draft.specialty_ids:
        fitting = db.session.scalars(
            select(Specialty.id)
            .join(SpecialtyGroup, SpecialtyGroup.id == Specialty.group_id)
            .where(
                Specialty.id.in_(draft.specialty_ids),
                SpecialtyGroup.series_id == committee.series_id,
            )
        ).all()
        if set(fitting) != set(draft.specialty_ids):
            raise CommitteeRuleError(N_("Choose specialties of the committee's own series."))


def file_authority(
    filing_id: int, *, expected_version: int, actor: Actor, now: datetime
) -> AuthorityFiling:
    """File with the province (notice 三(一)): size, odd, at most three years, no overlap of scope.

    R03-R08. After 30 May, and with fewer members, only the province's exemption helps. Raises
    CommitteeRuleError, ConflictError, NotPermittedError.
    """
    filing = _lock(filing_id, expected_version)
    committee = filing.committee
    _require_convener(committee, actor)
    _require_state(filing, FilingState.DRAFT, FilingState.RETURNED)
    _require_rules(filing, has_exemption=bool(filing.exemption_reason))
    filing.state, filing.filed_at = FilingState.FILED, now
    filing.decided_at = None
    filing.version += 1
    record("file_authority", filing, actor=actor, now=now, after=_facts(filing))
    db.session.flush()
    return filing


def _require_rules(filing: AuthorityFiling, *, has_exemption: bool) -> None:
    committee = filing.committee
    approved = filing.member_size if has_exemption else None
    check_committee_size(
        filing.member_size,
        committee.level,
        committee.scope_kind,
        sizes=committee_sizes(),
        approved_minimum=approved,
    )
    _check_validity(filing.valid_from, filing.valid_to)
    if not filing.authorities:
        raise CommitteeRuleError(N_("The filing names no level. Choose what may be reviewed."))
    rival = find_overlap(filing)
    if rival is not None:
        raise CommitteeRuleError(
            N_(
                "The scope overlaps with that of %(committee)s. Agree on levels, specialties or "
                "region and file again."
            ),
            committee=rival.name,
        )


def find_overlap(filing: AuthorityFiling) -> Committee | None:
    """A committee whose filed right covers the same level, specialty and region (Y2).

    Self-reviewing units review their own people only, so they overlap with nobody.
    """
    committee = filing.committee
    if committee.is_self_reviewing:
        return None
    others = db.session.scalars(
        select(AuthorityFiling)
        .join(Committee, Committee.id == AuthorityFiling.committee_id)
        .where(
            AuthorityFiling.id != filing.id,
            AuthorityFiling.plan_year == filing.plan_year,
            AuthorityFiling.state.in_([FilingState.FILED, FilingState.APPROVED]),
            AuthorityFiling.valid_from <= filing.valid_to,
            AuthorityFiling.valid_to >= filing.valid_from,
            Committee.category_slug == committee.category_slug,
            Committee.is_self_reviewing.is_(False),
            Committee.is_active.is_(True),
            Committee.id != committee.id,
        )
    )
    for other in others:
        if _same_region(committee, other.committee) and _share_authority(filing, other):
            return other.committee
    return None


def _same_region(one: Committee, other: Committee) -> bool:
    digits = min(_AREA_DIGITS[one.division.level], _AREA_DIGITS[other.division.level])
    return one.division_code[:digits] == other.division_code[:digits]


def _share_authority(one: AuthorityFiling, other: AuthorityFiling) -> bool:
    return any(
        mine.series_id == theirs.series_id
        and mine.level == theirs.level
        and (
            mine.specialty_id is None
            or theirs.specialty_id is None
            or mine.specialty_id == theirs.specialty_id
        )
        for mine in one.authorities
        for theirs in other.authorities
    )


def approve_filing(
    filing_id: int, exemption: str, *, expected_version: int, actor: Actor, now: datetime
) -> AuthorityFiling:
    """Approve a filing; after 30 May only with a recorded exemption (Y3, R08)."""
    filing = _decide(filing_id, expected_version, actor, FilingState.FILED)
    if exemption.strip():
        filing.exemption_reason = exemption.strip()
    has_exemption = bool(filing.exemption_reason)
    filed_on = filing.filed_at.date() if filing.filed_at else None
    if not may_review_this_year(filed_on, filing.plan_year, has_exemption=has_exemption):
        raise CommitteeRuleError(
            N_(
                "Filed after 30 May, so the committee may not review this year (notice 三(一)). "
                "Enter the ground of an exemption, or return the filing."
            )
        )
    _require_rules(filing, has_exemption=has_exemption)
    filing.state, filing.decided_at = FilingState.APPROVED, now
    filing.decided_by_id = actor.account_id
    filing.committee.member_size = filing.member_size
    record("approve_filing", filing, actor=actor, now=now, reason=filing.exemption_reason)
    db.session.flush()
    return filing


def return_filing(
    filing_id: int, note: str, *, expected_version: int, actor: Actor, now: datetime
) -> AuthorityFiling:
    """Send a filing back with what is to be corrected."""
    filing = _decide(filing_id, expected_version, actor, FilingState.FILED)
    if not note.strip():
        raise RuleViolation(N_("Say what is to be changed."))
    filing.state, filing.decided_at = FilingState.RETURNED, now
    filing.decided_by_id, filing.note = actor.account_id, note.strip()
    record("return_authority_filing", filing, actor=actor, now=now, reason=note.strip())
    db.session.flush()
    return filing


def grant_exemption(
    filing_id: int, reason: str, *, expected_version: int, actor: Actor, now: datetime
) -> AuthorityFiling:
    """Record why a filing may come after 30 May or with another number of members (R03, R08)."""
    filing = _decide(
        filing_id,
        expected_version,
        actor,
        FilingState.DRAFT,
        FilingState.RETURNED,
        FilingState.FILED,
    )
    if not reason.strip():
        raise RuleViolation(N_("Enter the reason; it is kept in the audit log."))
    filing.exemption_reason = reason.strip()
    record("grant_exemption", filing, actor=actor, now=now, reason=reason.strip())
    db.session.flush()
    return filing


def _lock(filing_id: int, expected_version: int) -> AuthorityFiling:
    filing = db.session.get_one(
        AuthorityFiling, filing_id, with_for_update={"of": AuthorityFiling}, populate_existing=True
    )
    if filing.version != expected_version:
        raise StaleVersionError(current_state=filing.state.value, current_version=filing.version)
    return filing


def _decide(
    filing_id: int, expected_version: int, actor: Actor, *states: FilingState
) -> AuthorityFiling:
    if not actor.has_role(ActorRole.PROVINCE_HRSS):
        raise NotPermittedError(
            N_("Filings of review authorities are decided by the provincial HRSS department.")
        )
    filing = _lock(filing_id, expected_version)
    _require_state(filing, *states)
    filing.version += 1
    return filing


def _require_state(filing: AuthorityFiling, *states: FilingState) -> None:
    if filing.state not in states:
        raise ConflictError(
            N_("The filing is in another state by now. Reload the page and look at it again.")
        )


def require_convener(committee_id: int, actor: Actor) -> Committee:
    """The committee, for its own office or the province. Raises NotPermittedError."""
    committee = db.session.get_one(Committee, committee_id)
    _require_convener(committee, actor)
    return committee


def _require_convener(committee: Committee, actor: Actor) -> None:
    if actor.has_role(ActorRole.PROVINCE_HRSS):
        return
    own = committee.convener_id or (committee.convener.id if committee.convener else None)
    if not actor.has_role(ActorRole.COMMITTEE_OFFICE) or own != actor.unit_id:
        raise NotPermittedError(
            N_("A review committee is looked after by the office of its convening unit.")
        )


def _facts(filing: AuthorityFiling) -> dict[str, Any]:
    return {
        "plan_year": filing.plan_year,
        "valid_from": filing.valid_from.isoformat(),
        "valid_to": filing.valid_to.isoformat(),
        "member_size": filing.member_size,
        "authorities": [
            [each.series_id, int(each.level), each.specialty_id] for each in filing.authorities
        ],
    }
