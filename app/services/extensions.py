"""延期: two people of the province lengthen a committee's missed milestone (rules 3.2, notes)."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import func, select

from app.domain.calendar import BEIJING, due_end_of
from app.domain.errors import ConflictError, NotPermittedError, RuleViolation
from app.domain.four_eyes import Signer, require_second_person, require_signer
from app.domain.messages import N_
from app.domain.terms import DueKind
from app.domain.workflow import ActorRole
from app.extensions import db
from app.models import Account, Application, MilestoneExtension, PlanLine
from app.services import audit
from app.services.actors import Actor, signer_of

MILESTONES = (DueKind.POLICY_REVIEW, DueKind.ONLINE_REVIEW)
"""The milestones of a committee; missing one never ends an application."""


def milestone_due_on(committee_id: int, line: PlanLine, milestone: DueKind) -> date:
    """The last day of a committee's milestone: Annex 1, or the province's approved extension."""
    planned = {
        DueKind.POLICY_REVIEW: line.policy_review_due_on,
        DueKind.ONLINE_REVIEW: line.online_review_due_on,
    }[milestone]
    extended = db.session.scalar(
        select(func.max(MilestoneExtension.until_on)).where(
            MilestoneExtension.committee_id == committee_id,
            MilestoneExtension.plan_line_id == line.id,
            MilestoneExtension.milestone == milestone,
            MilestoneExtension.approved_at.is_not(None),
        )
    )
    return max(planned, extended) if extended else planned


def milestone_due_at(application: Application, milestone: DueKind) -> datetime:
    """24:00 of `milestone_due_on` for the application's committee and plan line."""
    return due_end_of(milestone_due_on(application.committee_id, application.plan_line, milestone))


def require_milestone(application: Application, milestone: DueKind, *, now: datetime) -> None:
    """Refuse a committee's action after its milestone until it is extended (rows 24-34)."""
    due_at = milestone_due_at(application, milestone)
    if now >= due_at:
        raise RuleViolation(
            N_(
                "The committee's deadline %(limit)s has passed. Ask the provincial HRSS "
                "department to extend it; the application keeps its state until then."
            ),
            limit=_last_day(due_at),
        )


def _last_day(due_at: datetime) -> str:
    local = due_at.astimezone(BEIJING)
    return f"{date.fromordinal(local.toordinal() - 1).isoformat()} 24:00"


def ask_extension(
    committee_id: int,
    plan_line_id: int,
    milestone: DueKind,
    *,
    until_on: date,
    reason: str,
    actor: Actor,
    now: datetime,
) -> MilestoneExtension:
    """Record the first signature of an extension; it has no effect before the second."""
    _require_province(actor)
    require_signer(signer_of(actor))
    line = db.session.get_one(PlanLine, plan_line_id)
    if milestone not in MILESTONES:
        raise RuleViolation(N_("Only a committee's own milestones can be extended. Choose one."))
    if until_on <= milestone_due_on(committee_id, line, milestone):
        raise RuleViolation(N_("The new day must be later than the present deadline."))
    if due_end_of(until_on) <= now:
        raise RuleViolation(N_("The new day has passed already. Choose a later day."))
    if not reason.strip():
        raise RuleViolation(N_("Say why the deadline is extended."))
    row = MilestoneExtension(
        committee_id=committee_id,
        plan_line_id=plan_line_id,
        milestone=milestone,
        until_on=until_on,
        reason=reason.strip(),
        asked_by_id=actor.account_id,
    )
    db.session.add(row)
    db.session.flush()
    audit.record(
        "ask_extension",
        row,
        actor=actor,
        now=now,
        after={"milestone": milestone.value, "until_on": until_on.isoformat()},
        reason=row.reason,
    )
    return row


def approve_extension(extension_id: int, *, actor: Actor, now: datetime) -> MilestoneExtension:
    """Give the second signature, by another person; the committee may go on from then.

    The locked line puts approvals of one deadline in a row: none shortens what another has given.
    """
    _require_province(actor)
    row = db.session.get_one(
        MilestoneExtension, extension_id, with_for_update=True, populate_existing=True
    )
    if row.approved_at is not None:
        raise ConflictError(N_("This extension has been approved already."))
    asker = db.session.get_one(Account, row.asked_by_id)
    require_second_person(Signer(asker.id, asker.person_id), signer_of(actor))
    line = db.session.get_one(
        PlanLine, row.plan_line_id, with_for_update={"of": PlanLine, "key_share": True}
    )
    if due_end_of(row.until_on) <= now:
        raise RuleViolation(N_("The new day has passed already. Choose a later day."))
    if row.until_on <= milestone_due_on(row.committee_id, line, row.milestone):
        raise ConflictError(N_("The deadline lies behind this day already. Nothing is extended."))
    row.approved_by_id = actor.account_id
    row.approved_at = now
    _move_due_dates(row)
    audit.record("approve_extension", row, actor=actor, now=now, reason=row.reason)
    db.session.flush()
    return row


def _move_due_dates(row: MilestoneExtension) -> None:
    """Show the new day on the applications that wait for this milestone."""
    waiting = db.session.scalars(
        select(Application)
        .where(
            Application.committee_id == row.committee_id,
            Application.plan_line_id == row.plan_line_id,
            Application.due_kind == row.milestone,
        )
        .with_for_update(of=Application)
    )
    for application in waiting:
        application.due_at = due_end_of(row.until_on)
        application.version += 1


def _require_province(actor: Actor) -> None:
    if not actor.has_role(ActorRole.PROVINCE_HRSS):
        raise NotPermittedError(
            N_("Only the provincial HRSS department extends a committee's deadline.")
        )
