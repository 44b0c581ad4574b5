"""申报工作通知: a committee's call for applications (notice 四(一), R48, A8)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from app.domain.errors import ConflictError, NotPermittedError, RuleViolation, StaleVersionError
from app.domain.messages import N_
from app.domain.plan import is_call_late
from app.domain.review import require_filing_valid
from app.domain.terms import CallState, FilingState
from app.domain.workflow import ActorRole
from app.extensions import db
from app.models import AuthorityFiling, CallForApplications, Committee, PlanLine
from app.services.actors import Actor
from app.services.audit import record
from app.services.committees import require_convener
from app.services.windows import window_of


def save_call(
    call_id: int | None,
    *,
    committee_id: int,
    plan_line_id: int,
    heading: str,
    document_number: str,
    body: str,
    expected_version: int = 0,
    actor: Actor,
    now: datetime,
) -> CallForApplications:
    """Create or change the draft of a call; a published one stays as it was read.

    Raises NotPermittedError, ConflictError, RuleViolation.
    """
    committee = require_convener(committee_id, actor)
    if not heading.strip():
        raise RuleViolation(N_("Enter the heading of the call."))
    line = db.session.get(PlanLine, plan_line_id)
    if line is None or committee.category_slug not in {each.slug for each in line.categories}:
        raise RuleViolation(N_("Choose the plan line that names the committee's category."))
    if call_id is None:
        call = _new_call(committee, line)
    else:
        call = _lock(call_id, expected_version)
        require_convener(call.committee_id, actor)
        if call.state is not CallState.DRAFT:
            raise ConflictError(
                N_("The call is published; people have read it. It stays as it is.")
            )
        call.version += 1
        call.plan_line_id = line.id
    call.heading, call.body = heading.strip(), body.strip()
    call.document_number = document_number.strip()
    db.session.flush()
    record("save_call", call, actor=actor, now=now, after={"heading": call.heading})
    return call


def _new_call(committee: Committee, line: PlanLine) -> CallForApplications:
    known = db.session.scalar(
        select(CallForApplications.id).where(
            CallForApplications.committee_id == committee.id,
            CallForApplications.plan_line_id == line.id,
        )
    )
    if known:
        raise ConflictError(
            N_("This committee has a call for this plan line already. Open that one.")
        )
    call = CallForApplications(
        committee_id=committee.id, plan_line_id=line.id, heading="", state=CallState.DRAFT
    )
    db.session.add(call)
    return call


def is_late(call: CallForApplications, *, now: datetime) -> bool:
    """Whether publishing now is less than 30 days before the first day of the window (A8)."""
    return is_call_late(now.date(), window_of(call.plan_line))


def excuse_late_call(
    call_id: int, reason: str, *, expected_version: int, actor: Actor, now: datetime
) -> CallForApplications:
    """Record the province's ground for a call after its latest day (A8)."""
    if not actor.has_role(ActorRole.PROVINCE_HRSS):
        raise NotPermittedError(
            N_("The ground for a late call is given by the provincial department.")
        )
    if not reason.strip():
        raise RuleViolation(N_("Enter the reason; it is kept in the audit log."))
    call = _lock(call_id, expected_version)
    call.late_reason = reason.strip()
    call.version += 1
    record("excuse_late_call", call, actor=actor, now=now, reason=call.late_reason)
    db.session.flush()
    return call


def publish_call(
    call_id: int, *, expected_version: int, actor: Actor, now: datetime
) -> CallForApplications:
    """Publish a call under a published plan and a valid filing; a late one needs a ground.

    Raises NotPermittedError, ConflictError, RuleViolation, CommitteeRuleError.
    """
    call = _lock(call_id, expected_version)
    require_convener(call.committee_id, actor)
    if call.state is not CallState.DRAFT:
        raise ConflictError(N_("The call is published already."))
    plan = call.plan_line.plan
    if plan.published_at is None:
        raise ConflictError(
            N_(
                "The evaluation plan of %(year)s is not published yet. Publish the call afterwards."
            ),
            year=plan.year,
        )
    _require_filing(call, plan.year, now)
    if is_late(call, now=now) and not call.late_reason:
        raise RuleViolation(
            N_(
                "The call had to be published by %(latest)s, %(days)s days before the window opens "
                "(notice 四(一)). Ask the provincial HRSS department to enter its ground, then "
                "publish."
            ),
            latest=window_of(call.plan_line).latest_call_on.isoformat(),
            days=window_of(call.plan_line).call_lead_days,
        )
    call.state, call.published_at = CallState.PUBLISHED, now
    call.version += 1
    record("publish_call", call, actor=actor, now=now, reason=call.late_reason)
    db.session.flush()
    return call


def _require_filing(call: CallForApplications, plan_year: int, now: datetime) -> None:
    filing = db.session.scalar(
        select(AuthorityFiling).where(
            AuthorityFiling.committee_id == call.committee_id,
            AuthorityFiling.plan_year == plan_year,
            AuthorityFiling.state == FilingState.APPROVED,
        )
    )
    if filing is None:
        raise ConflictError(
            N_(
                "The review authority is not filed and approved for %(year)s, so the committee may "
                "not review this year (notice 三(一)). File it first."
            ),
            year=plan_year,
        )
    require_filing_valid(filing.valid_from, filing.valid_to, on=now.date())


def _lock(call_id: int, expected_version: int) -> CallForApplications:
    call = db.session.get_one(
        CallForApplications,
        call_id,
        with_for_update={"of": CallForApplications},
        populate_existing=True,
    )
    if call.version != expected_version:
        raise StaleVersionError(current_state=call.state.value, current_version=call.version)
    return call
