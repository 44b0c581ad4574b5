"""评审结果: publicity, filing, confirmation and re-examination (rules 3.2 rows 30-36, R68-R70)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select

from app.domain.errors import ConflictError, NotPermittedError, RuleViolation
from app.domain.messages import N_
from app.domain.terms import DueKind, FilingState, MeetingState, Outcome, PublicityKind, UnitKind
from app.domain.workflow import Action, ActorRole, State
from app.extensions import db
from app.models import (
    Application,
    MeetingItem,
    Publicity,
    ReExamination,
    ResultFiling,
    ReviewMeeting,
    TitleCertificate,
    Unit,
)
from app.services.actors import Actor
from app.services.audit import record
from app.services.certificates import (
    LEVEL_NAMES,
    certificate_of,
    confirming_department,
    issue_certificate,
)
from app.services.documents import MissingGlyphsError, render_pdf
from app.services.panels import draw_of
from app.services.publicity import compute_period, start_publicity
from app.services.review_dates import require_filing, require_review_open, review_due
from app.services.seats import lock_meeting, require_office
from app.services.settings import parameter
from app.services.transitions import (
    Due,
    Effects,
    account_of_person,
    accounts_of_unit,
    lock_application,
    transition,
)

ON_THE_WAY = (State.PASSED, State.IN_RESULT_PUBLICITY)
"""States of passed applications a filing still has to wait for; who is on hold is filed later."""


# --------------------------------------------------------------------------- publicity (row 30)


def publicize_result(
    application_id: int,
    *,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> Publicity:
    """Open the result publicity of one passed application: five full working days, an open page
    (R68, F1).
    """
    opened: list[Publicity] = []

    def decide(application: Application) -> Effects:
        require_office(application.committee, actor)
        _require_announced(application)
        require_review_open(application.committee, application.plan_line, on=now.date())
        period = compute_period(now, kind=PublicityKind.RESULT)

        def apply(application: Application, _state: State) -> None:
            opened.append(
                start_publicity(application, kind=PublicityKind.RESULT, opens_at=now, actor=actor)
            )

        return Effects(
            data={"starts_on": str(period.starts_on), "ends_on": str(period.ends_on)},
            holder_unit_id=application.committee.convener_id,
            due=Due(DueKind.PUBLICITY_END, period.ends_at),
            apply=apply,
            tell=_tell("result_publicized", application),
        )

    transition(
        application_id,
        Action.PUBLICIZE_RESULT,
        actor=actor,
        now=now,
        decide=decide,
        expected_version=expected_version,
    )
    return opened[0]


def publicize_results(
    application_ids: Iterable[int], *, actor: Actor, now: datetime
) -> list[Publicity]:
    """Open the result publicity of several applications at the same instant."""
    return [
        publicize_result(application_id, actor=actor, now=now)
        for application_id in dict.fromkeys(application_ids)
    ]


def _require_announced(application: Application) -> None:
    state = db.session.scalar(
        select(ReviewMeeting.state)
        .join(MeetingItem, MeetingItem.meeting_id == ReviewMeeting.id)
        .where(MeetingItem.application_id == application.id, MeetingItem.outcome == Outcome.PASSED)
    )
    if state is not MeetingState.ANNOUNCED:
        raise ConflictError(
            N_("The chair has not announced the result yet. Announce it, then publicize it.")
        )


def _tell(kind: str, application: Application) -> list[tuple[str, int]]:
    told = [*account_of_person(application.person_id), *accounts_of_unit(application.employer_id)]
    return [(kind, account) for account in dict.fromkeys(told)]


# --------------------------------------------------------------------------- filing (row 34)


def passed_applications(meeting_id: int) -> list[Application]:
    """The applications that passed at a meeting, in the order of its list."""
    return list(
        db.session.scalars(
            select(Application)
            .join(MeetingItem, MeetingItem.application_id == Application.id)
            .where(MeetingItem.meeting_id == meeting_id, MeetingItem.outcome == Outcome.PASSED)
            .order_by(MeetingItem.position)
            .execution_options(populate_existing=True)
        )
    )


def filing_of(meeting_id: int) -> ResultFiling | None:
    """The result filing of a meeting, if there is one."""
    return db.session.scalar(select(ResultFiling).where(ResultFiling.meeting_id == meeting_id))


def file_result(meeting_id: int, *, actor: Actor, now: datetime) -> ResultFiling:
    """File the results with list, minutes, draw record and publicity record (M10, row 34).

    Waits for every result publicity of the meeting; who is on hold for an objection is filed later,
    as a supplement. From now on the confirming department holds the applications. Raises
    ConflictError, RuleViolation.
    """
    meeting = lock_meeting(meeting_id, MeetingState.ANNOUNCED)
    require_office(meeting.committee, actor)
    passed = passed_applications(meeting_id)
    if any(application.state in ON_THE_WAY for application in passed):
        raise ConflictError(
            N_("A result publicity has not been opened or still runs. File when all are over.")
        )
    waiting = [a for a in passed if a.state is State.AWAITING_CONFIRMATION]
    if not waiting:
        raise RuleViolation(N_("No passed application waits for confirmation; nothing to file."))
    if not parameter("filing_after_review_deadline"):
        for line in {application.plan_line for application in waiting}:
            require_review_open(meeting.committee, line, on=now.date())
    filing = filing_of(meeting_id)
    if filing is not None and filing.state is FilingState.FILED:
        raise ConflictError(N_("The results have been filed and wait for confirmation."))
    if filing is None:
        filing = ResultFiling(meeting_id=meeting_id, state=FilingState.DRAFT)
        db.session.add(filing)
    filing.state = FilingState.FILED
    filing.filed_at = now
    filing.filed_by_id = actor.account_id
    filing.decided_at = None
    filing.decided_by_id = None
    filing.attachments = _attachments(meeting, passed)
    filing.version = (filing.version or 0) + 1
    db.session.flush()
    department = confirming_department(meeting.committee)
    for application in waiting:
        lock_application(application.id)
        application.holder_unit_id = department.id
        application.version += 1
    record(
        "file_result",
        filing,
        actor=actor,
        now=now,
        after={"applications": [a.number for a in waiting], "minutes": meeting.minutes_sha256},
    )
    db.session.flush()
    return filing


def _attachments(meeting: ReviewMeeting, passed: list[Application]) -> dict[str, Any]:
    """What the filing carries: the list, the minutes' hash, the draw record, the publicity
    record.
    """
    draw = draw_of(meeting.id)
    if draw is None or not meeting.minutes_sha256:
        raise ConflictError(N_("Minutes or draw record are missing; the results cannot be filed."))
    return {
        "list": [
            {
                "number": a.number,
                "name": a.person.name,
                "title": a.title_name,
                "state": a.state.value,
            }
            for a in passed
        ],
        "minutes_sha256": meeting.minutes_sha256,
        "draw": {
            "algorithm": draw.algorithm,
            "seed": draw.seed,
            "candidates_hash": draw.candidates_hash,
            "witnessed_at": draw.witnessed_at.isoformat() if draw.witnessed_at else "",
        },
        "publicity": [_publicity_record(a) for a in passed],
    }


def _publicity_record(application: Application) -> dict[str, Any]:
    row = result_publicity_of(application)
    if row is None:
        return {"number": application.number}
    return {
        "number": application.number,
        "days": row.days,
        "closed_at": row.closed_at.isoformat() if row.closed_at else "",
        "objections": len(row.objections),
    }


def result_publicity_of(application: Application) -> Publicity | None:
    """The last result publicity of an application."""
    return db.session.scalar(
        select(Publicity)
        .where(Publicity.application_id == application.id, Publicity.kind == PublicityKind.RESULT)
        .order_by(Publicity.id.desc())
        .limit(1)
    )


@dataclass
class Confirmed:
    """What a confirmation brought: the certificates, and the names that could not be printed."""

    certificates: list[TitleCertificate] = field(default_factory=list)
    unprintable: list[Application] = field(default_factory=list)


def confirm_results(meeting_id: int, *, note: str = "", actor: Actor, now: datetime) -> Confirmed:
    """Confirm a filing: every application is confirmed and its certificate issued (rows 34, 35,
    R69).

    By the province, the HRSS department above the convener, or the host where it is such a
    department itself. An applicant whose name cannot be printed stays `confirmed`, and is returned
    by name. The committee's filing must still be valid (D1). Raises ConflictError when nothing is
    filed.
    """
    meeting = lock_meeting(meeting_id, MeetingState.ANNOUNCED)
    filing = _require_filed(meeting_id)
    require_department(meeting, actor)
    require_filing(meeting.committee, on=now.date())
    confirmed = Confirmed()
    waiting = [a for a in passed_applications(meeting_id) if a.state is State.AWAITING_CONFIRMATION]
    for application in waiting:
        _confirm(application, actor, now)
    filing.state = FilingState.APPROVED
    filing.decided_at = now
    filing.decided_by_id = actor.account_id
    filing.note = note.strip()
    filing.version += 1
    record("confirm_results", filing, actor=actor, now=now, reason=filing.note)
    db.session.flush()
    for application in waiting:
        try:
            confirmed.certificates.append(issue_certificate(application.id, now=now))
        except MissingGlyphsError:
            confirmed.unprintable.append(application)
    return confirmed


def _confirm(application: Application, actor: Actor, now: datetime) -> None:
    transition(
        application.id,
        Action.CONFIRM,
        actor=actor,
        now=now,
        decide=lambda row: Effects(
            holder_unit_id=row.committee.convener_id, tell=_tell("confirmed", row)
        ),
    )


def _require_filed(meeting_id: int) -> ResultFiling:
    filing = filing_of(meeting_id)
    if filing is None or filing.state is not FilingState.FILED:
        raise ConflictError(N_("The results of this meeting have not been filed yet."))
    return filing


def require_department(meeting: ReviewMeeting, actor: Actor) -> Unit:
    """The department that confirms; the province may confirm any (rules 2)."""
    department = confirming_department(meeting.committee)
    is_host = (
        actor.has_role(ActorRole.COMMITTEE_OFFICE)
        and meeting.committee.convener.kind is UnitKind.HRSS
        and meeting.committee.convener_id == actor.unit_id
    )
    is_department = actor.has_role(ActorRole.HRSS) and actor.unit_id == department.id
    if actor.has_role(ActorRole.PROVINCE_HRSS) or is_department or is_host:
        return department
    raise NotPermittedError(
        N_("The results are confirmed by %(unit)s, not by your unit."), unit=department.name
    )


def return_filing(meeting_id: int, note: str, *, actor: Actor, now: datetime) -> ResultFiling:
    """Send a filing back to the host with the reason; it files again (row 34)."""
    meeting = lock_meeting(meeting_id, MeetingState.ANNOUNCED)
    filing = _require_filed(meeting_id)
    require_department(meeting, actor)
    if not note.strip():
        raise RuleViolation(N_("Write what is wrong with the filing, completely and in one go."))
    for application in passed_applications(meeting_id):
        if application.state is State.AWAITING_CONFIRMATION:
            transition(
                application.id,
                Action.RETURN_FILING,
                actor=actor,
                now=now,
                decide=lambda row: Effects(
                    reason=note.strip(),
                    holder_unit_id=row.committee.convener_id,
                    due=review_due(row),
                    tell=[
                        ("filing_returned", account)
                        for account in accounts_of_unit(row.committee.convener_id)
                    ],
                ),
            )
    filing.state = FilingState.RETURNED
    filing.decided_at = now
    filing.decided_by_id = actor.account_id
    filing.note = note.strip()
    filing.version += 1
    record("return_filing", filing, actor=actor, now=now, reason=filing.note)
    db.session.flush()
    return filing


# ------------------------------------------------------------------ re-examination (row 36)


def decide_re_examination(
    request_id: int, finding: str, *, actor: Actor, now: datetime
) -> ReExamination:
    """Answer a request for re-examination: of the procedure only, without a new vote this year
    (R70, row 36).
    """
    row = db.session.get_one(ReExamination, request_id, with_for_update={"of": ReExamination})
    if row.decided_at is not None:
        raise ConflictError(N_("This re-examination has been answered already."))
    text = finding.strip()
    if not text:
        raise RuleViolation(N_("Write what the check of the procedure has found."))

    def decide(application: Application) -> Effects:
        require_office(application.committee, actor)
        return Effects(
            reason=text,
            data={"re_examination": row.id, "decided": True},
            tell=_tell("re_examined", application),
        )

    row.finding = text
    row.decided_at = now
    row.decided_by_id = actor.account_id
    transition(row.application_id, Action.RE_EXAMINE, actor=actor, now=now, decide=decide)
    record("decide_re_examination", row, actor=actor, now=now, reason=text)
    return row


# --------------------------------------------------------------------------- papers


def confirmation_slip(application: Application) -> bytes:
    """评审通过确认单 of a confirmed or certified application (R79)."""
    if application.state not in {State.CONFIRMED, State.CERTIFIED}:
        raise ConflictError(N_("The slip is printed when the result has been confirmed."))
    meeting_id = db.session.scalar(
        select(MeetingItem.meeting_id).where(
            MeetingItem.application_id == application.id, MeetingItem.outcome == Outcome.PASSED
        )
    )
    filing = filing_of(meeting_id) if meeting_id else None
    publicity = result_publicity_of(application)
    certificate = certificate_of(application.id)
    specialty = f"（{application.specialty.name}）" if application.specialty else ""
    return render_pdf(
        "confirmation_slip",
        {
            "number": application.number,
            "plan_year": str(application.plan_year),
            "person_name": application.person.name,
            "identity_mask": application.person.identity_mask,
            "unit_name": application.employer.name,
            "series_name": application.series.name + specialty,
            "title_name": application.title_name,
            "level_name": LEVEL_NAMES[int(application.level)],
            "committee_name": application.committee.name,
            "decided_on": str(application.decided_on or ""),
            "publicity": f"{publicity.starts_on} 至 {publicity.ends_on}" if publicity else "",
            "confirmed_by": confirming_department(application.committee).name,
            "confirmed_on": str(filing.decided_at.date()) if filing and filing.decided_at else "",
            "certificate_number": certificate.number if certificate else "",
        },
    )
