"""申报专业设置: the catalogue and the forms of Annex 2 (notice 三(三), Y4, E11)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from app.domain.errors import ConflictError, NotPermittedError, RuleViolation, StaleVersionError
from app.domain.messages import N_
from app.domain.plan import is_specialty_proposal_late
from app.domain.terms import AdministrativeLevel, ProposalState, SpecialtyOrigin
from app.domain.workflow import ActorRole
from app.extensions import db
from app.models import (
    Series,
    Specialty,
    SpecialtyGroup,
    SpecialtyProposal,
    SpecialtyProposalLine,
    Unit,
)
from app.services.actors import Actor
from app.services.audit import record

MOST_LINES = 300


@dataclass(frozen=True)
class ProposedLine:
    """One row of the collection form as typed; the columns are those of Annex 2."""

    group_name: str
    number: int | None
    specialty_name: str
    scope_note: str = ""
    basis: str = ""

    @property
    def is_blank(self) -> bool:
        """Whether nothing has been typed into the row."""
        return not any((self.group_name, self.specialty_name, self.scope_note, self.basis))


def save_proposal(
    proposal_id: int | None,
    *,
    plan_year: int,
    series_id: int,
    lines: Sequence[ProposedLine],
    expected_version: int = 0,
    actor: Actor,
    now: datetime,
) -> SpecialtyProposal:
    """Create or change a draft of the collection form; only a draft or a returned one changes.

    Raises NotPermittedError, ConflictError, RuleViolation naming the row.
    """
    _require_reporter(actor)
    if db.session.get(Series, series_id) is None:
        raise RuleViolation(N_("Choose the series from the list."))
    checked = _check_lines(lines)
    if proposal_id is None:
        proposal = SpecialtyProposal(
            plan_year=plan_year,
            series_id=series_id,
            reporting_unit_id=actor.unit_id,
            state=ProposalState.DRAFT,
        )
        db.session.add(proposal)
        db.session.flush()
    else:
        proposal = _lock(proposal_id, expected_version)
        _require_own(proposal, actor)
        _require_state(proposal, ProposalState.DRAFT, ProposalState.RETURNED)
        proposal.plan_year, proposal.series_id = plan_year, series_id
        proposal.version += 1
    proposal.lines.clear()
    db.session.flush()
    proposal.lines.extend(checked)
    record("save_proposal", proposal, actor=actor, now=now, after={"lines": len(checked)})
    db.session.flush()
    return proposal


def _check_lines(lines: Sequence[ProposedLine]) -> list[SpecialtyProposalLine]:
    filled = [line for line in lines if not line.is_blank]
    if len(filled) > MOST_LINES:
        raise RuleViolation(N_("A form has at most %(limit)s rows. Split it."), limit=MOST_LINES)
    seen: set[tuple[str, str]] = set()
    rows = []
    for position, line in enumerate(filled, start=1):
        group, name = line.group_name.strip(), line.specialty_name.strip()
        if not group or not name or not line.scope_note.strip() or not line.basis.strip():
            raise RuleViolation(
                N_(
                    "Row %(row)s: enter group, name, scope and basis; every column of Annex 2 "
                    "is needed."
                ),
                row=position,
            )
        if (group, name) in seen:
            raise RuleViolation(
                N_("Row %(row)s: %(name)s is listed twice in its group. Keep one."),
                row=position,
                name=name,
            )
        seen.add((group, name))
        rows.append(
            SpecialtyProposalLine(
                group_name=group[:80],
                number=line.number or position,
                specialty_name=name[:80],
                scope_note=line.scope_note.strip(),
                basis=line.basis.strip(),
            )
        )
    return rows


def report_proposal(
    proposal_id: int, *, expected_version: int, actor: Actor, now: datetime
) -> SpecialtyProposal:
    """Report a form to the province; after 20 June it goes to next year unless opened.

    Rules E11. Raises ConflictError, RuleViolation, NotPermittedError.
    """
    _require_reporter(actor)
    proposal = _lock(proposal_id, expected_version)
    _require_own(proposal, actor)
    _require_state(proposal, ProposalState.DRAFT, ProposalState.RETURNED)
    if not proposal.lines:
        raise RuleViolation(N_("The form has no rows. Enter at least one specialty."))
    proposal.reported_on = now.date()
    is_late = is_specialty_proposal_late(now.date(), proposal.plan_year)
    proposal.state = ProposalState.NEXT_YEAR if is_late else ProposalState.REPORTED
    proposal.version += 1
    record("report_proposal", proposal, actor=actor, now=now, after={"is_late": is_late})
    db.session.flush()
    return proposal


def open_for_this_year(
    proposal_id: int, reason: str, *, expected_version: int, actor: Actor, now: datetime
) -> SpecialtyProposal:
    """Let a form that came after 20 June count for this year; the province only, with a reason."""
    proposal = _decide(proposal_id, expected_version, actor, ProposalState.NEXT_YEAR)
    if not reason.strip():
        raise RuleViolation(N_("Enter the reason; it is kept in the audit log."))
    proposal.state, proposal.decision_note = ProposalState.REPORTED, reason.strip()
    record("open_proposal", proposal, actor=actor, now=now, reason=reason.strip())
    db.session.flush()
    return proposal


def put_off_proposal(
    proposal_id: int, note: str, *, expected_version: int, actor: Actor, now: datetime
) -> SpecialtyProposal:
    """Leave a reported form for next year."""
    proposal = _decide(proposal_id, expected_version, actor, ProposalState.REPORTED)
    proposal.state, proposal.decided_at = ProposalState.NEXT_YEAR, now
    proposal.decision_note = note.strip()
    record("put_off_proposal", proposal, actor=actor, now=now, reason=note.strip())
    db.session.flush()
    return proposal


def return_proposal(
    proposal_id: int, note: str, *, expected_version: int, actor: Actor, now: datetime
) -> SpecialtyProposal:
    """Send a form back to the reporting unit with what is to be changed."""
    proposal = _decide(
        proposal_id, expected_version, actor, ProposalState.REPORTED, ProposalState.NEXT_YEAR
    )
    if not note.strip():
        raise RuleViolation(N_("Say what is to be changed."))
    proposal.state, proposal.decided_at = ProposalState.RETURNED, now
    proposal.decision_note = note.strip()
    record("return_proposal", proposal, actor=actor, now=now, reason=note.strip())
    db.session.flush()
    return proposal


def adopt_proposal(
    proposal_id: int, note: str, *, expected_version: int, actor: Actor, now: datetime
) -> list[Specialty]:
    """Adopt a form: its rows become specialties, known ones are brought up to date."""
    proposal = _decide(proposal_id, expected_version, actor, ProposalState.REPORTED)
    specialties = [_adopt_line(proposal.series_id, line) for line in proposal.lines]
    proposal.state, proposal.decided_at = ProposalState.ADOPTED, now
    proposal.decision_note = note.strip()
    db.session.flush()
    record(
        "adopt_proposal",
        proposal,
        actor=actor,
        now=now,
        after={"specialties": [each.id for each in specialties]},
        reason=note.strip(),
    )
    return specialties


def _adopt_line(series_id: int, line: SpecialtyProposalLine) -> Specialty:
    group = db.session.scalar(
        select(SpecialtyGroup)
        .where(SpecialtyGroup.series_id == series_id, SpecialtyGroup.name == line.group_name)
        .order_by(SpecialtyGroup.id)
        .limit(1)
    )
    if group is None:
        last = db.session.scalar(
            select(func.max(SpecialtyGroup.position)).where(SpecialtyGroup.series_id == series_id)
        )
        group = SpecialtyGroup(series_id=series_id, name=line.group_name, position=(last or 0) + 1)
        db.session.add(group)
        db.session.flush()
    found = db.session.scalar(
        select(Specialty).where(
            Specialty.group_id == group.id, Specialty.name == line.specialty_name
        )
    )
    if found is None:
        found = Specialty(
            group_id=group.id, name=line.specialty_name, origin=SpecialtyOrigin.PROPOSAL, version=0
        )
        db.session.add(found)
    found.number = line.number
    found.scope_note, found.basis, found.is_active = line.scope_note, line.basis, True
    found.version += 1
    db.session.flush()
    return found


def _lock(proposal_id: int, expected_version: int) -> SpecialtyProposal:
    proposal = db.session.get_one(
        SpecialtyProposal,
        proposal_id,
        with_for_update={"of": SpecialtyProposal},
        populate_existing=True,
    )
    if proposal.version != expected_version:
        raise StaleVersionError(
            current_state=proposal.state.value, current_version=proposal.version
        )
    return proposal


def _decide(
    proposal_id: int, expected_version: int, actor: Actor, *states: ProposalState
) -> SpecialtyProposal:
    if not actor.has_role(ActorRole.PROVINCE_HRSS):
        raise NotPermittedError(
            N_("Collection forms are decided by the provincial HRSS department.")
        )
    proposal = _lock(proposal_id, expected_version)
    _require_state(proposal, *states)
    proposal.version += 1
    return proposal


def _require_state(proposal: SpecialtyProposal, *states: ProposalState) -> None:
    if proposal.state not in states:
        raise ConflictError(
            N_("The form is in another state by now. Reload the page and look at it again.")
        )


def _require_reporter(actor: Actor) -> None:
    """Annex 2 comes from departments and offices of the provincial level (notice 三(三))."""
    unit = db.session.get(Unit, actor.unit_id) if actor.unit_id else None
    may = actor.has_role(
        ActorRole.COMPETENT_DEPARTMENT, ActorRole.COMMITTEE_OFFICE, ActorRole.PROVINCE_HRSS
    )
    if unit is None or not may or unit.level is not AdministrativeLevel.PROVINCE:
        raise NotPermittedError(
            N_(
                "The collection form is filled in by competent departments of the provincial level "
                "that form review committees. Tell yours what is missing."
            )
        )


def _require_own(proposal: SpecialtyProposal, actor: Actor) -> None:
    if proposal.reporting_unit_id != actor.unit_id:
        raise NotPermittedError(N_("This form belongs to another unit."))
