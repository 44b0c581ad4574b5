"""公示: what is shown, the five full working days, the end, the proof of the posting on site.

Notice 四(三): the publicity takes place both in the unit and in the system, for 5 working days.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import or_, select

from app.domain.calendar import BEIJING, due_end_of
from app.domain.errors import ConflictError, NotPermittedError, RuleViolation
from app.domain.messages import N_
from app.domain.publicity import (
    PublicityPeriod,
    compute_publicity_period,
    require_both_posted,
)
from app.domain.terms import DueKind, PublicityDay1, PublicityKind
from app.domain.workflow import Action, ActorRole, State
from app.extensions import db
from app.models import (
    Application,
    ApplicationEvent,
    CorrectionRequest,
    Publicity,
    StoredFile,
    Unit,
)
from app.services import audit, contents, facts
from app.services.actors import SYSTEM, Actor
from app.services.settings import load_calendar, parameter
from app.services.transitions import (
    Due,
    Effects,
    account_of_person,
    accounts_of_unit,
    lock_application,
    transition,
)

RUNNING = (State.IN_PUBLICITY, State.IN_RESULT_PUBLICITY)


# --------------------------------------------------------------------------- what is shown


def publicised_fields(application: Application) -> dict[str, Any]:
    """What a publicity shows, frozen with it (F1).

    {"fields": [{section, name, label, label_zh, text, columns, rows}]}: the fields marked
    `is_publicised` in the form definition; the achievements only when the parameter
    `publicity_shows_achievements` says so; never numbers, telephone, photo or birthday.
    """
    content = contents.latest_content(application)
    words = contents.Words(application)
    shown = []
    for section, item in contents.publicised_items(
        application.form_version.definition,
        with_achievements=bool(parameter("publicity_shows_achievements")),
    ):
        shown_item = {**item, "columns": contents.publicised_columns(item)}
        view = contents.describe_field(
            words, section, shown_item, contents.section_values(content, section)
        )
        shown.append(
            {
                "section": view.section,
                "name": view.name,
                "label": str(view.label),
                "label_zh": view.label.zh,
                "text": getattr(view.text, "zh", view.text),
                "columns": [column.zh for column in view.columns],
                "rows": [[getattr(cell, "zh", cell) for cell in row] for row in view.rows],
            }
        )
    return {"fields": shown}


# --------------------------------------------------------------------------- the period


def compute_period(
    opens_at: datetime, *, kind: PublicityKind = PublicityKind.EMPLOYER
) -> PublicityPeriod:
    """The full working days a publicity opened at this instant counts (A3)."""
    is_employer = kind is PublicityKind.EMPLOYER
    key = "employer_publicity_working_days" if is_employer else "result_publicity_working_days"
    return compute_publicity_period(
        opens_at,
        load_calendar(),
        working_days=int(parameter(key)),
        day1=PublicityDay1(parameter("publicity_day1")),
    )


def period_of(publicity: Publicity) -> PublicityPeriod:
    """The stored period of an opened publicity."""
    if publicity.opened_at is None:
        raise ConflictError(N_("This publicity has not been opened yet."))
    return PublicityPeriod(
        publicity.opened_at, tuple(date.fromisoformat(day) for day in publicity.days)
    )


def set_period(publicity: Publicity, period: PublicityPeriod) -> None:
    """Store the days a publicity counts and when it ends."""
    publicity.opened_at = period.opens_at
    publicity.starts_on = period.starts_on
    publicity.ends_on = period.ends_on
    publicity.ends_at = period.ends_at
    publicity.days = [day.isoformat() for day in period.days]
    publicity.is_provisional = load_calendar().is_provisional(period.starts_on, period.ends_on)


def start_publicity(
    application: Application,
    *,
    kind: PublicityKind,
    opens_at: datetime,
    actor: Actor,
    forwards_automatically: bool = False,
) -> Publicity:
    """Write the opened publicity of an application, or open the one that was scheduled."""
    publicity = facts.open_publicity_of(application)
    if publicity is None:
        publicity = Publicity(
            application_id=application.id,
            kind=kind,
            forwards_automatically=forwards_automatically,
            opened_by_id=actor.account_id,
        )
        db.session.add(publicity)
    elif actor is not SYSTEM:
        publicity.forwards_automatically = forwards_automatically
        publicity.opened_by_id = actor.account_id
    set_period(publicity, compute_period(opens_at, kind=kind))
    publicity.shown = publicised_fields(application)
    db.session.flush()
    return publicity


def open_scheduled(publicity_id: int, *, now: datetime) -> ApplicationEvent:
    """Open a publicity the unit has scheduled, as of the scheduled instant (row 8).

    Raises ConflictError when it is open or cancelled already, or its time has not come.
    """
    row = db.session.get_one(Publicity, publicity_id)

    def decide(application: Application) -> Effects:
        db.session.refresh(row)
        if row.opened_at is not None or row.closed_at is not None or row.scheduled_for is None:
            raise ConflictError(N_("This publicity has been opened or cancelled already."))
        if row.scheduled_for > now:
            raise ConflictError(N_("The time of this publicity has not come yet."))
        opens_at = row.scheduled_for

        def apply(application: Application, _state: State) -> None:
            start_publicity(
                application, kind=PublicityKind.EMPLOYER, opens_at=opens_at, actor=SYSTEM
            )
            close_correction(application, at=now)

        return Effects(
            guards=facts.compute_guards(application, now=now),
            at=opens_at,
            data={"publicity": row.id, "scheduled": True},
            holder_unit_id=application.employer_id,
            due=facts.make_due(DueKind.PUBLICITY_END, compute_period(opens_at).ends_at),
            apply=apply,
            tell=tell_opened(application),
        )

    return transition(row.application_id, Action.PUBLICIZE, actor=SYSTEM, now=now, decide=decide)


def tell_opened(application: Application) -> list[tuple[str, int]]:
    """Who learns that a publicity has begun."""
    told = facts.merge(
        account_of_person(application.person_id), accounts_of_unit(application.employer_id)
    )
    return [("publicity_opened", account_id) for account_id in told]


def close_publicity(
    application_id: int, *, actor: Actor = SYSTEM, now: datetime
) -> ApplicationEvent:
    """End a publicity whose last day has ended without an open objection (rows 11 and 33).

    Effective at 24:00 of the last day, whenever the clock is read. Raises
    TransitionNotAllowedError while the period runs or an objection is open.
    """

    def decide(application: Application) -> Effects:
        posting = facts.open_publicity_of(application)
        ends_at = posting.ends_at if posting else None
        at = max(ends_at, application.state_since) if ends_at else now
        is_employer = application.state is not State.IN_RESULT_PUBLICITY
        holder = application.employer_id if is_employer else application.committee.convener_id

        def apply(_application: Application, _state: State) -> None:
            if posting is not None:
                posting.closed_at = at

        return Effects(
            guards=facts.compute_guards(application, now=now),
            at=at,
            data={"publicity": posting.id} if posting else {},
            holder_unit_id=holder,
            due=due_after_publicity(application, at=at),
            apply=apply,
            tell=[
                ("publicized", account_id)
                for account_id in facts.merge(
                    accounts_of_unit(holder), account_of_person(application.person_id)
                )
            ],
        )

    return transition(application_id, Action.CLOSE_PUBLICITY, actor=actor, now=now, decide=decide)


def due_after_publicity(application: Application, *, at: datetime) -> Due:
    """What runs once the period is over: the push, the hand-back of a correction, or the review."""
    if application.state is State.IN_RESULT_PUBLICITY or (
        application.state_before is State.IN_RESULT_PUBLICITY
    ):
        review_due = due_end_of(application.plan_line.online_review_due_on)
        return facts.make_due(DueKind.ONLINE_REVIEW, review_due)
    if facts.pending_origin(application) is None:
        return facts.unit_push_due(application)
    return facts.recheck_due(application, since=at)


def close_posting(application: Application, *, at: datetime, note: str) -> None:
    """End a scheduled or running publicity before its time; a new one is needed to go on."""
    posting = facts.open_publicity_of(application)
    if posting is not None:
        posting.closed_at = at
        posting.close_note = note


def close_correction(application: Application, *, at: datetime) -> CorrectionRequest | None:
    """Settle the open return."""
    request = facts.open_correction(application)
    if request is not None:
        request.closed_at = at
        db.session.flush()
    return request


def extend_publicity(
    publicity_id: int, *, working_days: int, reason: str, actor: Actor, now: datetime
) -> Publicity:
    """Lengthen a publicity whose objection needs time; the HRSS department may (row 10)."""
    row = db.session.get_one(Publicity, publicity_id)
    application = lock_application(row.application_id)
    db.session.refresh(row)
    if not actor.has_role(ActorRole.HRSS, ActorRole.PROVINCE_HRSS):
        raise NotPermittedError(N_("Only an HRSS department lengthens a publicity."))
    if row.closed_at is not None or application.state not in {*RUNNING, State.ON_HOLD}:
        raise ConflictError(N_("Only a running publicity can be lengthened."))
    if not 1 <= working_days <= 30:
        raise RuleViolation(N_("Lengthen by 1 to 30 working days."))
    text = facts.require_text(reason, N_("Say why the publicity is lengthened."))
    before = row.ends_on
    set_period(row, period_of(row).extend(working_days, load_calendar()))
    if application.due_kind is DueKind.PUBLICITY_END:
        application.due_at = row.ends_at
    application.version += 1
    facts.use_calendar(application)
    audit.record(
        "extend_publicity",
        row,
        actor=actor,
        now=now,
        before={"ends_on": str(before)},
        after={"ends_on": str(row.ends_on)},
        reason=text,
    )
    db.session.flush()
    return row


# --------------------------------------------------------------------------- posting on site


def upload_on_site_proof(
    publicity_id: int,
    *,
    file: StoredFile,
    posted_from: date,
    posted_to: date,
    actor: Actor,
    now: datetime,
) -> Publicity:
    """Record the proof that the list hung in the unit from `posted_from` to `posted_to` (R41).

    Both are full days of posting. The unit (or its superior, C7) uploads until it has pushed.
    """
    row = db.session.get_one(Publicity, publicity_id)
    application = lock_application(row.application_id)
    db.session.refresh(row)
    require_unit(application, actor)
    if row.kind is not PublicityKind.EMPLOYER or row.opened_at is None:
        raise ConflictError(N_("Proof of the posting belongs to an opened publicity of the unit."))
    if application.state not in {State.IN_PUBLICITY, State.ON_HOLD, State.PUBLICIZED}:
        raise ConflictError(
            N_("The publicity of this application is over and settled; nothing can be added.")
        )
    if posted_to < posted_from:
        raise RuleViolation(N_("The last day on site must not come before the first."))
    if posted_from > now.astimezone(BEIJING).date():
        raise RuleViolation(N_("The first day on site lies in the future. Correct it."))
    row.on_site_from = posted_from
    row.on_site_to = posted_to
    row.on_site_proof_sha256 = file.sha256
    row.on_site_proof_at = now
    application.version += 1
    audit.record(
        "upload_on_site_proof",
        row,
        actor=actor,
        now=now,
        after={"from": str(posted_from), "to": str(posted_to), "sha256": file.sha256},
    )
    db.session.flush()
    return row


def require_unit(application: Application, actor: Actor) -> None:
    """Refuse who does not act for the employer of this application, or is its applicant (C7)."""
    facts.require_not_own(application, actor)
    employer = application.employer
    superior = employer.parent_id if facts.unit_cannot_act(application) else None
    if actor.unit_id is None or actor.unit_id not in {employer.id, superior}:
        raise NotPermittedError(
            N_("This belongs to the unit %(unit)s. Ask its handler."), unit=employer.name
        )


def require_posted(publicity: Publicity) -> None:
    """Refuse to push before the proof is there and both postings cover the same five days (R41)."""
    if (
        publicity.on_site_proof_sha256 is None
        or publicity.on_site_from is None
        or publicity.on_site_to is None
    ):
        raise RuleViolation(
            N_("Upload the proof of the posting on site first, then forward the application.")
        )
    calendar = load_calendar()
    span = range(
        publicity.on_site_from.toordinal(),
        min(publicity.on_site_to.toordinal(), publicity.on_site_from.toordinal() + 400) + 1,
    )
    days = tuple(d for n in span if calendar.is_working_day(d := date.fromordinal(n)))
    if not days:
        raise RuleViolation(
            N_("The days on site hold no working day. Correct the dates of the posting.")
        )
    site = PublicityPeriod(publicity.opened_at or publicity.created_at, days)
    working_days = int(parameter("employer_publicity_working_days"))
    require_both_posted(period_of(publicity), site, calendar, working_days=working_days)


# --------------------------------------------------------------------------- who sees it


def visible_publicities(actor: Actor, *, now: datetime) -> list[Publicity]:
    """The running employer publicities people of the unit and of its superiors see (F1).

    After the period the page closes.
    """
    if actor.unit_id is None:
        return []
    low, high = actor.unit_path, actor.unit_path[:-1] + "0"
    return list(
        db.session.scalars(
            select(Publicity)
            .join(Application, Application.id == Publicity.application_id)
            .join(Unit, Unit.id == Application.employer_id)
            .where(
                Publicity.kind == PublicityKind.EMPLOYER,
                Publicity.closed_at.is_(None),
                Publicity.opened_at <= now,
                Publicity.ends_at > now,
                Application.state.in_([State.IN_PUBLICITY, State.ON_HOLD]),
                or_(
                    Unit.id == actor.unit_id,
                    (Unit.path >= low) & (Unit.path < high) if low else Unit.id == 0,
                ),
            )
            .order_by(Publicity.ends_at, Publicity.id)
        )
    )


def may_see(publicity: Publicity, actor: Actor) -> bool:
    """Whether the actor belongs to the unit of an employer publicity or to one of its superiors."""
    if publicity.kind is PublicityKind.RESULT or parameter("employer_publicity_is_open"):
        return True
    employer = publicity.application.employer
    if actor.unit_id is None:
        return False
    below = bool(actor.unit_path) and employer.path.startswith(actor.unit_path)
    return actor.unit_id == employer.id or below
