"""评审工作计划: copying, editing, publishing, rescheduling a line (Y1, A9)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from flask_appbuilder.security.sqla.models import Role
from sqlalchemy import func, select
from sqlalchemy.orm import selectinload

from app.domain.calendar import BEIJING
from app.domain.deadlines import compute_forward_due_at
from app.domain.errors import (
    ConflictError,
    DomainError,
    NotPermittedError,
    RuleViolation,
    StaleVersionError,
)
from app.domain.four_eyes import Signer, require_second_person
from app.domain.messages import N_
from app.domain.plan import PlanWindow
from app.domain.terms import DueKind
from app.domain.workflow import ActorRole
from app.extensions import db
from app.models import (
    Account,
    Application,
    Committee,
    EvaluationPlan,
    PlanCategory,
    PlanCategorySeries,
    PlanLine,
    PlanLineRevision,
    RoutingStep,
)
from app.services import facts
from app.services.actors import Actor, signer_of
from app.services.audit import record
from app.services.calendars import unpublished_years
from app.services.extensions import milestone_due_at
from app.services.notifications import notify
from app.services.settings import calendar_version, load_calendar, parameter
from app.services.transitions import Due
from app.services.windows import window_of

WEEKS_TO_NEXT_YEAR = timedelta(weeks=52)
MILESTONES = (
    "applications_open_at",
    "applications_close_at",
    "receipt_due_at",
    "policy_review_due_on",
    "online_review_due_on",
)
STAFF_ROLES = [
    role.value
    for role in (
        ActorRole.UNIT_ADMIN,
        ActorRole.UNIT_HANDLER,
        ActorRole.HRSS,
        ActorRole.COMPETENT_DEPARTMENT,
        ActorRole.COMMITTEE_OFFICE,
    )
]
PRINTED = ("window_text", "receipt_text", "policy_review_text", "online_review_text")


@dataclass(frozen=True)
class Milestones:
    """The four milestones of a line as somebody proposes them (the window has two edges)."""

    applications_open_at: datetime
    applications_close_at: datetime
    receipt_due_at: datetime
    policy_review_due_on: date
    online_review_due_on: date

    def window(self, line: PlanLine) -> PlanWindow:
        """As the domain sees them."""
        return PlanWindow(
            line=line.series_text,
            opens_at=self.applications_open_at,
            closes_at=self.applications_close_at,
            receipt_due_at=self.receipt_due_at,
            policy_review_due_on=self.policy_review_due_on,
            online_review_due_on=self.online_review_due_on,
        )


def _require_province(actor: Actor) -> None:
    if not actor.has_role(ActorRole.PROVINCE_HRSS):
        raise NotPermittedError(
            N_("The evaluation plan is made and changed by the provincial HRSS department only.")
        )


def copy_plan(plan_id: int, *, actor: Actor, now: datetime) -> EvaluationPlan:
    """Propose next year's plan: the same lines and categories, dates on the same weekdays.

    Windows and receipt deadlines move by 52 weeks, the "前" dates keep month and day; all of it
    is a draft to be edited. Raises ConflictError when that year has a plan already.
    """
    _require_province(actor)
    source = db.session.get_one(EvaluationPlan, plan_id)
    year = source.year + 1
    if db.session.scalar(select(EvaluationPlan.id).where(EvaluationPlan.year == year)):
        raise ConflictError(
            N_("There is a plan for %(year)s already. Open it and edit its lines."), year=year
        )
    plan = EvaluationPlan(
        year=year,
        heading=source.heading.replace(str(source.year), str(year)),
        directive_heading=source.directive_heading,
        columns=dict(source.columns or {}),
        drafting_opens_on=_same_day(source.drafting_opens_on),
        authority_filing_due_on=_same_day(source.authority_filing_due_on),
        specialty_proposals_due_on=_same_day(source.specialty_proposals_due_on),
        accounts_due_on=_same_day(source.accounts_due_on),
        lines=[_copy_line(line, year) for line in source.lines],
    )
    db.session.add(plan)
    db.session.flush()
    record("copy_plan", plan, actor=actor, now=now, after={"year": year, "from": source.year})
    return plan


def _copy_line(line: PlanLine, year: int) -> PlanLine:
    copied = PlanLine(
        number=line.number,
        series_text=line.series_text,
        scope=line.scope,
        applications_open_at=line.applications_open_at + WEEKS_TO_NEXT_YEAR,
        applications_close_at=line.applications_close_at + WEEKS_TO_NEXT_YEAR,
        receipt_due_at=line.receipt_due_at + WEEKS_TO_NEXT_YEAR,
        policy_review_due_on=_same_day(line.policy_review_due_on),
        online_review_due_on=_same_day(line.online_review_due_on),
        seniority_cutoff_on=_same_day(line.seniority_cutoff_on),
        is_examination_linked=line.is_examination_linked,
        is_special_review=line.is_special_review,
        categories=[_copy_category(category) for category in line.categories],
    )
    print_dates(copied, year)
    return copied


def _copy_category(category: PlanCategory) -> PlanCategory:
    return PlanCategory(
        slug=category.slug,
        name=category.name,
        also_known_as=list(category.also_known_as),
        people_filter=category.people_filter,
        levels=list(category.levels),
        levels_confirmed=category.levels_confirmed,
        examination_replaces_review=category.examination_replaces_review,
        note=category.note,
        position=category.position,
        series_links=[
            PlanCategorySeries(series_id=link.series_id, note=link.note)
            for link in category.series_links
        ],
    )


def _same_day(day: date) -> date:
    try:
        return day.replace(year=day.year + 1)
    except ValueError:  # 29 February
        return day.replace(year=day.year + 1, day=28)


def print_dates(line: PlanLine, plan_year: int) -> None:
    """Write a line's dates as Annex 1 prints them: 8月1日8:00-5日17:00, 11月30日前."""
    opens = line.applications_open_at.astimezone(BEIJING)
    closes = line.applications_close_at.astimezone(BEIJING)
    month = "" if closes.month == opens.month else f"{closes.month}月"
    line.window_text = (
        f"{_print_day(opens.date(), plan_year)}{_print_time(opens)}-"
        f"{month}{closes.day}日{_print_time(closes)}"
    )
    if line.is_examination_linked:
        line.window_text += "（如遇考试调整时间，则申报时间相应调整）"
    receipt = line.receipt_due_at.astimezone(BEIJING)
    line.receipt_text = _print_day(receipt.date(), plan_year) + _print_time(receipt)
    line.policy_review_text = _print_day(line.policy_review_due_on, plan_year) + "前"
    line.online_review_text = _print_day(line.online_review_due_on, plan_year) + "前"


def _print_day(day: date, plan_year: int) -> str:
    year = "" if day.year == plan_year else f"{day.year}年"
    return f"{year}{day.month}月{day.day}日"


def _print_time(instant: datetime) -> str:
    return f"{instant.hour}:{instant.minute:02d}"


def provisional_years(line: PlanLine) -> tuple[int, ...]:
    """The years of a line whose holidays are not published yet; its due dates are provisional."""
    last = max(line.receipt_due_at.astimezone(BEIJING).date(), line.online_review_due_on)
    return unpublished_years(line.applications_open_at.astimezone(BEIJING).date(), last)


def edit_line(
    line_id: int,
    proposed: Milestones,
    values: dict[str, Any],
    *,
    expected_version: int,
    actor: Actor,
    now: datetime,
) -> PlanLine:
    """Change a line before its plan is published; afterwards it is rescheduled with a reason.

    Raises MilestoneOrderError, ConflictError, StaleVersionError, NotPermittedError.
    """
    _require_province(actor)
    line = _lock_line(line_id, expected_version)
    if line.plan.published_at is not None:
        raise ConflictError(
            N_("The plan is published. Reschedule the line and give the reason instead.")
        )
    proposed.window(line).require_order()
    before = dates_of(line)
    for key in ("series_text", "scope", "seniority_cutoff_on", "is_examination_linked"):
        if key in values:
            setattr(line, key, values[key])
    _set_milestones(line, proposed)
    print_dates(line, line.plan.year)
    line.version += 1
    record("edit_plan_line", line, actor=actor, now=now, before=before, after=dates_of(line))
    db.session.flush()
    return line


def publish_plan(plan_id: int, *, actor: Actor, now: datetime) -> EvaluationPlan:
    """Publish the plan of a year after checking it whole (Y1).

    Raises RuleViolation naming the first line that is not in order.
    """
    _require_province(actor)
    plan = db.session.get_one(EvaluationPlan, plan_id, with_for_update={"of": EvaluationPlan})
    if plan.published_at is not None:
        raise ConflictError(N_("The plan is published already."))
    faults = find_faults(plan)
    if faults:
        number, error = faults[0]
        raise RuleViolation(
            N_("Line %(number)s is not in order yet: %(fault)s"), number=number, fault=str(error)
        )
    plan.published_at = now
    record("publish_plan", plan, actor=actor, now=now, after={"year": plan.year})
    db.session.flush()
    return plan


def find_faults(plan: EvaluationPlan) -> list[tuple[int, DomainError]]:
    """What stops the plan from being published: (number of the line, refusal)."""
    faults: list[tuple[int, DomainError]] = []
    if not plan.lines:
        faults.append((0, RuleViolation(N_("The plan has no lines."))))
    for line in plan.lines:
        try:
            window_of(line).require_order()
            _require_mapped(line)
        except DomainError as error:
            faults.append((line.number, error))
    return faults


def _require_mapped(line: PlanLine) -> None:
    if not line.categories:
        raise RuleViolation(N_("It has no category. Copy the plan again or add one."))
    for category in line.categories:
        if not category.series_links:
            raise RuleViolation(
                N_("The category %(category)s belongs to no series. Choose its series."),
                category=category.name,
            )


def set_category_series(
    category_id: int, series_ids: Iterable[int], *, actor: Actor, now: datetime
) -> PlanCategory:
    """Say which national series stand behind a printed category (rules 4), before publication."""
    _require_province(actor)
    category = db.session.get_one(PlanCategory, category_id)
    if category.plan_line.plan.published_at is not None:
        raise ConflictError(N_("The plan is published; its categories stay as they are."))
    wanted = dict.fromkeys(series_ids)
    if not wanted:
        raise RuleViolation(
            N_("The category %(category)s belongs to no series. Choose its series."),
            category=category.name,
        )
    before = sorted(link.series_id for link in category.series_links)
    notes = {link.series_id: link.note for link in category.series_links}
    category.series_links = [link for link in category.series_links if link.series_id in wanted]
    db.session.flush()
    kept = {link.series_id for link in category.series_links}
    category.series_links.extend(
        PlanCategorySeries(series_id=each, note=notes.get(each, ""))
        for each in wanted
        if each not in kept
    )
    record(
        "set_category_series",
        category,
        actor=actor,
        now=now,
        before={"series": before},
        after={"series": sorted(wanted)},
    )
    db.session.flush()
    return category


def reschedule_plan_line(
    line_id: int,
    proposed: Milestones,
    reason: str,
    *,
    expected_version: int,
    actor: Actor,
    now: datetime,
    first: Signer | None = None,
) -> PlanLineRevision:
    """Move a line's dates with a reason; live applications get the new due dates, all are told.

    Rules A9: the province only; once the window has opened dates are only lengthened, and by two
    people: `first` has asked for it (`second_signatures`). Every line moves by itself (rows 4 and 5
    share dates, not their fate). Raises NotPermittedError, MilestoneOrderError,
    RescheduleRefusedError, RuleViolation, StaleVersionError.
    """
    line = lock_reschedulable(
        line_id, proposed, reason, expected_version=expected_version, actor=actor, now=now
    )
    if needs_second_signature(line, now=now):
        require_second_person(first or signer_of(actor), signer_of(actor))
    before = dates_of(line)
    _set_milestones(line, proposed)
    print_dates(line, line.plan.year)
    line.version += 1
    revision = PlanLineRevision(
        plan_line_id=line.id,
        number=_next_revision(line.id),
        before=before,
        after=dates_of(line),
        reason=reason.strip(),
        account_id=actor.account_id,
        at=now,
    )
    db.session.add(revision)
    db.session.flush()
    moved = recompute_due_dates(line)
    record(
        "reschedule_plan_line",
        line,
        actor=actor,
        now=now,
        before=before,
        after={**dates_of(line), "applications_moved": moved},
        reason=revision.reason,
    )
    _tell_everybody(line, revision, now)
    return revision


def needs_second_signature(line: PlanLine, *, now: datetime) -> bool:
    """Whether the window has opened, so that one person alone no longer moves the dates (A9)."""
    return now >= line.applications_open_at


def lock_reschedulable(
    line_id: int,
    proposed: Milestones,
    reason: str,
    *,
    expected_version: int,
    actor: Actor,
    now: datetime,
) -> PlanLine:
    """The line, locked, once these dates and words are such that it may be moved to them."""
    _require_province(actor)
    if not reason.strip():
        raise RuleViolation(N_("Enter the reason; everybody concerned reads it."))
    line = _lock_line(line_id, expected_version)
    window_of(line).require_reschedulable(proposed.window(line), now=now)
    if all(getattr(line, key) == getattr(proposed, key) for key in MILESTONES):
        raise RuleViolation(N_("These are the present dates. Change at least one of them."))
    return line


def _lock_line(line_id: int, expected_version: int) -> PlanLine:
    line = db.session.get_one(
        PlanLine, line_id, with_for_update={"of": PlanLine}, populate_existing=True
    )
    if line.version != expected_version:
        raise StaleVersionError(
            current_state=line.applications_open_at.strftime("%Y-%m-%d %H:%M"),
            current_version=line.version,
        )
    return line


def _set_milestones(line: PlanLine, proposed: Milestones) -> None:
    for key in MILESTONES:
        setattr(line, key, getattr(proposed, key))


def dates_of(line: PlanLine) -> dict[str, str]:
    """The milestones and the printed words of a line, as a revision keeps them."""
    dates = {key: getattr(line, key).isoformat() for key in MILESTONES}
    return dates | {key: getattr(line, key) for key in PRINTED}


def _next_revision(line_id: int) -> int:
    last = db.session.scalar(
        select(func.max(PlanLineRevision.number)).where(PlanLineRevision.plan_line_id == line_id)
    )
    return (last or 0) + 1


def recompute_due_dates(line: PlanLine) -> int:
    """Give the live applications of a line the due dates of its new milestones; how many moved.

    Corrections and running publicities keep theirs: they were promised to a person.
    """
    window = window_of(line)
    query = (
        select(Application)
        .where(Application.plan_line_id == line.id, Application.due_at.is_not(None))
        .options(selectinload(Application.current_step))
        .order_by(Application.id)
        .with_for_update(of=Application)
    )
    moved = 0
    for application in db.session.scalars(query):
        due = _new_due(application, window)
        if due is None or application.due_at is None:
            continue
        due_at = due.at if due.kind is DueKind.WINDOW_CLOSE else max(due.at, application.due_at)
        if due_at != application.due_at:
            application.due_at = due_at
            application.is_due_provisional = due.is_provisional
            application.calendar_version = calendar_version()
            moved += 1
    db.session.flush()
    return moved


def _new_due(application: Application, window: PlanWindow) -> Due | None:
    match application.due_kind:
        case DueKind.WINDOW_CLOSE:
            return facts.make_due(DueKind.WINDOW_CLOSE, window.closes_at)
        case DueKind.UNIT_PUSH:
            return facts.unit_push_due(application)
        case DueKind.NODE_FORWARD if application.current_step is not None:
            return _move_step(application, application.current_step)
        case DueKind.POLICY_REVIEW | DueKind.ONLINE_REVIEW as kind:
            return facts.make_due(kind, milestone_due_at(application, kind))
        case _:
            return None


def _move_step(application: Application, step: RoutingStep) -> Due:
    """The node's time grows with the receipt deadline that capped it (A4)."""
    due_at = compute_forward_due_at(
        step.received_at,
        facts.flow_limit_at(application),
        load_calendar(),
        working_days=parameter("node_forward_working_days"),
    )
    due = facts.make_due(DueKind.NODE_FORWARD, max(due_at, step.forward_due_at))
    step.forward_due_at, step.is_due_provisional = due.at, due.is_provisional
    return due


def _tell_everybody(line: PlanLine, revision: PlanLineRevision, now: datetime) -> None:
    """Applicants, the units that hold their applications, the committees of the line."""
    key = f"rescheduled:{line.id}:{revision.number}"
    params = {"line": line.number, "series": line.series_text, "reason": revision.reason}
    people = db.session.execute(
        select(Account.id, Application.id)
        .join(Application, Application.person_id == Account.person_id)
        .where(Application.plan_line_id == line.id, Account.active.is_(True))
    )
    for account_id, application_id in people:
        notify(
            account_id,
            "rescheduled",
            key=f"{key}:{application_id}",
            application_id=application_id,
            params=params,
            at=now,
        )
    units = select(Application.holder_unit_id).where(Application.plan_line_id == line.id)
    slugs = [category.slug for category in line.categories]
    hosts = select(Committee.convener_id).where(
        Committee.category_slug.in_(slugs), Committee.is_active.is_(True)
    )
    staff = select(Account.id).where(
        Account.active.is_(True),
        Account.unit_id.in_(units.union(hosts)),
        Account.roles.any(Role.name.in_(STAFF_ROLES)),
    )
    for account_id in db.session.scalars(staff):
        notify(account_id, "plan_rescheduled", key=key, params=params, at=now)
