"""申报: from the first draft to the submission, the correction, and what the applicant may ask for
afterwards.

Rules 3.2 rows 1-5, 17, 36 and the request of row 37; notice 四(二).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.exc import IntegrityError

from app.domain.eligibility import Finding
from app.domain.errors import ConflictError, RouteError, RuleViolation, StaleVersionError
from app.domain.messages import N_
from app.domain.terms import (
    ApplicationKind,
    DueKind,
    FindingKind,
    ReturnTarget,
    TitleLevel,
    WithdrawalState,
)
from app.domain.workflow import (
    HOLDER_ROLES,
    TRANSITIONS,
    Action,
    ActorRole,
    Guard,
    State,
    find_transition,
)
from app.extensions import db
from app.models import (
    Application,
    ApplicationEvent,
    ApplicationVersion,
    AuditEntry,
    Material,
    MeetingItem,
    Person,
    ReExamination,
    WithdrawalRequest,
)
from app.services import applicant_facts
from app.services import transitions as process
from app.services.actors import Actor
from app.services.audit import record
from app.services.editing import (
    open_correction,
    require_editable,
    require_in_time,
    require_own,
)
from app.services.form_definition import PLEDGE, PROFILE, current_form, read_form
from app.services.form_options import load_options
from app.services.form_values import InvalidValuesError, parse_section
from app.services.materials import (
    copy_materials,
    drop_row_materials,
    list_materials,
    next_version,
)
from app.services.notifications import notify
from app.services.offers import Choice, as_error, describe_applicant, require_choice
from app.services.precheck import pre_check, refusals, standing_findings
from app.services.routes import freeze_route, plan_route
from app.services.settings import load_calendar, parameter
from app.services.transitions import (
    Due,
    Effects,
    account_of_person,
    accounts_of_unit,
    create_event,
    next_number,
)
from app.services.windows import window_of

ONE_LIVE = "uq_application_live"


class PreCheckError(RuleViolation):
    """The pre-check refuses the submission; `findings` is the complete list."""

    code = "pre_check"
    template = N_(
        "The application cannot be submitted yet: %(count)s points are open. See the list."
    )

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__(count=len(findings))
        self.findings = list(findings)


class SecondApplicationError(ConflictError):
    """One application per person and plan year (R30). Params: `number`."""

    code = "second_application"
    template = N_(
        "You already have the application %(number)s in this plan year; one is possible each year. "
        "Continue with that one."
    )


class ContentConflictError(StaleVersionError):
    """The section was saved elsewhere since this page was opened; nothing was overwritten."""

    code = "content_conflict"
    template = N_(
        "This part was saved from another window or device at %(saved)s. What you typed here is "
        "still "
        "below and is not saved yet: compare, then save again to keep yours."
    )


# --------------------------------------------------------------------------- draft


def create_application(
    person_id: int,
    *,
    category_id: int,
    series_id: int,
    specialty_id: int | None,
    level: TitleLevel,
    committee_id: int,
    kind: ApplicationKind,
    actor: Actor,
    now: datetime,
    title_name: str | None = None,
) -> Application:
    """Begin the draft of this plan year (row 1), filled with what the profile knows.

    Raises RuleViolation when the choice does not fit or the person may not apply (R20, R29),
    SecondApplicationError when there is a live application already, also when two requests begin
    one at the same moment.
    """
    person = db.session.get_one(Person, person_id)
    _require_self(person_id, actor)
    for finding in standing_findings(person, now=now):
        if finding.kind is FindingKind.REFUSAL:
            raise as_error(finding)
    choice = require_choice(
        person,
        category_id=category_id,
        series_id=series_id,
        specialty_id=specialty_id,
        level=TitleLevel(level),
        committee_id=committee_id,
        kind=kind,
        title_name=title_name,
        now=now,
    )
    plan_year = choice.offer.line.plan.year
    _require_no_other(person_id, plan_year)
    application = _new_draft(person, choice, plan_year, now)
    with _one_live(person_id, plan_year):
        db.session.add(application)
        db.session.flush()
    _take_choice(application, choice)
    form = read_form(application.form_version.definition)
    application.content = applicant_facts.content_from_profile(form, person.profile or {})
    applicant_facts.refresh_facts(application)
    role = ActorRole.APPLICANT
    create_event(application, actor=actor, role=role, now=now, data={"number": application.number})
    db.session.flush()
    return application


def _require_self(person_id: int, actor: Actor) -> None:
    if actor.person_id != person_id or not actor.has_role(ActorRole.APPLICANT):
        raise RuleViolation(N_("Everybody begins their own application. Sign in as the applicant."))


def _new_draft(person: Person, choice: Choice, plan_year: int, now: datetime) -> Application:
    new_id, number = next_number(plan_year)
    return Application(
        id=new_id,
        number=number,
        person_id=person.id,
        plan_year=plan_year,
        plan_line_id=choice.offer.line.id,
        category_id=choice.offer.category.id,
        series_id=choice.series.id,
        specialty_id=choice.specialty.id if choice.specialty else None,
        level=choice.level,
        title_name=choice.title_name,
        kind=choice.kind,
        committee_id=choice.committee.committee.id,
        employer_id=choice.applicant.employer.id,
        applicant_kind=choice.applicant.affiliation.applicant_kind,
        form_version_id=current_form().id,
        content={},
        section_versions={},
        state=State.DRAFT,
        state_since=now,
        due_at=choice.offer.window.closes_at,
        due_kind=DueKind.WINDOW_CLOSE,
    )


def _take_choice(application: Application, choice: Choice) -> None:
    application.plan_line_id = choice.offer.line.id
    application.category_id = choice.offer.category.id
    application.series_id = choice.series.id
    application.specialty_id = choice.specialty.id if choice.specialty else None
    application.level = choice.level
    application.title_name = choice.title_name
    application.kind = choice.kind
    application.committee_id = choice.committee.committee.id
    application.employer_id = choice.applicant.employer.id
    application.applicant_kind = choice.applicant.affiliation.applicant_kind
    application.due_at = choice.offer.window.closes_at
    application.due_kind = DueKind.WINDOW_CLOSE
    db.session.flush()
    db.session.refresh(application)


def change_choice(
    application_id: int,
    *,
    category_id: int,
    series_id: int,
    specialty_id: int | None,
    level: TitleLevel,
    committee_id: int,
    kind: ApplicationKind,
    actor: Actor,
    now: datetime,
    title_name: str | None = None,
) -> Application:
    """Choose another series, specialty, level or committee for a draft; what was typed stays."""
    application = process.lock_application(application_id)
    require_own(application, actor)
    if application.state is not State.DRAFT:
        raise ConflictError(
            N_("Series, specialty, level and committee cannot be changed after the submission.")
        )
    choice = require_choice(
        application.person,
        category_id=category_id,
        series_id=series_id,
        specialty_id=specialty_id,
        level=TitleLevel(level),
        committee_id=committee_id,
        kind=kind,
        title_name=title_name,
        now=now,
    )
    if choice.offer.line.plan.year != application.plan_year:
        raise ConflictError(
            N_("The plan year has changed. Begin a new application and copy this one.")
        )
    before = {"committee_id": application.committee_id, "level": int(application.level)}
    _take_choice(application, choice)
    applicant_facts.refresh_facts(application)
    application.content_version += 1
    application.saved_at = now
    after = {"committee_id": application.committee_id, "level": int(application.level)}
    record("change_choice", application, actor=actor, now=now, before=before, after=after)
    db.session.flush()
    return application


def copy_application(
    previous_id: int,
    *,
    category_id: int,
    series_id: int,
    specialty_id: int | None,
    level: TitleLevel,
    committee_id: int,
    kind: ApplicationKind,
    actor: Actor,
    now: datetime,
    title_name: str | None = None,
) -> Application:
    """复制: begin this year's draft with the content and files of an earlier application of one's
    own.
    """
    previous = db.session.get_one(Application, previous_id)
    require_own(previous, actor)
    application = create_application(
        previous.person_id,
        category_id=category_id,
        series_id=series_id,
        specialty_id=specialty_id,
        level=level,
        committee_id=committee_id,
        kind=kind,
        actor=actor,
        now=now,
        title_name=title_name,
    )
    form = read_form(application.form_version.definition)
    kept = {page.key for page in form.pages}
    application.content = {
        **application.content,
        **{key: values for key, values in previous.content.items() if key in kept},
    }
    applicant_facts.refresh_facts(application)
    copy_materials(previous, application, actor=actor)
    return application


def _require_no_other(person_id: int, plan_year: int, *, but: int | None = None) -> None:
    other = db.session.scalar(
        select(Application.number).where(
            Application.person_id == person_id,
            Application.plan_year == plan_year,
            Application.is_live,
            Application.id != (but or 0),
        )
    )
    if other is not None:
        raise SecondApplicationError(number=other)


class _one_live:  # noqa: N801 -- a context manager, read as a verb
    """Turn the refusal of the index into words: two requests began an application at once."""

    def __init__(self, person_id: int, plan_year: int) -> None:
        self.key = (person_id, plan_year)

    def __enter__(self) -> None:
        self.savepoint = db.session.begin_nested()

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            self.savepoint.commit()
            return
        self.savepoint.rollback()
        if isinstance(error, IntegrityError) and ONE_LIVE in str(error.orig):
            _require_no_other(*self.key)
            raise SecondApplicationError(number="-") from error


def save_section(
    application_id: int,
    section: str,
    values: Mapping[str, Any],
    *,
    actor: Actor,
    now: datetime,
    expected_content_version: int | None,
) -> Application:
    """Save one section of a draft or of an unlocked correction (rows 2 and 17).

    `values` are as typed (text, lists of codes, lists of row mappings); a field left out keeps its
    value. Raises InvalidValuesError with every fault, ContentConflictError when the section was
    saved elsewhere since `expected_content_version`, and as `require_editable` does. Incomplete is
    fine.
    """
    application = process.lock_application(application_id)
    form = read_form(application.form_version.definition)
    target = form.section(section)
    if target is None or target not in form.pages:
        raise RuleViolation(N_("The form has no such part. Go back to the list of parts."))
    require_editable(application, section, actor=actor, now=now)
    stored = application.content.get(section) or {}
    parsed = parse_section(target, values, load_options(form), stored)
    if parsed.faults:
        raise InvalidValuesError(parsed.faults)
    phone = parsed.values.pop("phone", None) if section == PROFILE else None
    kept = {**stored, **parsed.values}
    if kept != stored:  # a second click, or a retry after the network was gone, is no conflict
        _require_unchanged(application, section, expected_content_version)
    applicant_facts.keep_phone(application.person, phone)
    application.content = {**application.content, section: kept}
    if application.state is State.DRAFT:
        applicant_facts.refresh_facts(application)
    drop_row_materials(application, target, kept)
    application.content_version += 1
    application.section_versions = {
        **application.section_versions,
        section: application.content_version,
    }
    application.saved_at = now
    db.session.flush()
    return application


def _require_unchanged(application: Application, section: str, expected: int | None) -> None:
    if expected is not None and application.section_versions.get(section, 0) > expected:
        saved = application.saved_at
        raise ContentConflictError(
            saved=saved.strftime("%Y-%m-%d %H:%M:%S") if saved else "-",
            current_version=application.content_version,
        )


# --------------------------------------------------------------------------- submit, resubmit


def submit_application(
    application_id: int,
    *,
    actor: Actor,
    now: datetime,
    idempotency_key: str,
    pledged: bool,
    expected_content_version: int | None = None,
) -> ApplicationEvent:
    """Submit a draft (row 4): content and route are frozen, the employer holds it, D+10 is due.

    `now` is the instant of arrival. What arrived by the closing second wins over a sweep that
    lapsed the draft first. Raises WindowClosedError, PreCheckError with the complete list,
    ContentConflictError when the page that was checked is not what is stored.
    """
    return _guarded(
        lambda: process.transition(
            application_id,
            Action.SUBMIT,
            actor=actor,
            now=now,
            idempotency_key=idempotency_key,
            decide=lambda application: _decide_submission(
                application, actor, now, pledged, expected_content_version
            ),
        )
    )


def _guarded(perform: Callable[[], ApplicationEvent]) -> ApplicationEvent:
    try:
        return perform()
    except IntegrityError as error:
        if ONE_LIVE in str(error.orig):
            raise SecondApplicationError(number="-") from error
        raise


def _decide_submission(
    application: Application, actor: Actor, now: datetime, pledged: bool, expected: int | None
) -> Effects:
    require_own(application, actor)
    guards: dict[str, bool] = {Guard.SUBMIT_ARRIVED_IN_TIME: _arrived_in_time(application, now)}
    find_transition(application.state, Action.SUBMIT, role=ActorRole.APPLICANT, guards=guards)
    window = window_of(application.plan_line)
    window.require_open(now)
    _require_checked(application, expected)
    _require_no_other(application.person_id, application.plan_year, but=application.id)
    _require_pledge(pledged)
    _follow_affiliation(application, now)
    findings = pre_check(application, now=now)
    if refusals(findings):
        raise PreCheckError(refusals(findings))
    calendar = load_calendar()
    due_on = window.unit_push_due_on(calendar, days=int(parameter("unit_push_days")))
    due = Due(
        DueKind.UNIT_PUSH,
        window.unit_push_due_at(calendar, days=int(parameter("unit_push_days"))),
        calendar.is_provisional(now.date(), due_on),
    )
    version = _freeze_content(application, now)
    plan = plan_route(application.employer, application.committee)

    application.submitted_at = now  # the constraint wants it no later than the new state
    application.is_live = True

    def apply(submitted: Application, _state: State) -> None:
        freeze_route(submitted, plan)
        db.session.add(version)

    return Effects(
        guards=guards,
        holder_unit_id=application.employer_id,
        due=due,
        data=_receipt_data(version, findings),
        apply=apply,
        tell=_told(application, "submitted"),
    )


def note_broken_route(application_id: int, *, actor: Actor, now: datetime) -> AuditEntry | None:
    """After a refused submission: name the unit at which no route goes on to the committee (C2).

    The submission is rolled back with all it wrote, so this is a transaction of its own. None
    where the chain of units is whole: the refusal had another reason.
    """
    application = db.session.get_one(Application, application_id)
    require_own(application, actor)
    try:
        plan_route(describe_applicant(application.person).employer, application.committee)
    except RouteError as error:
        after = {
            "unit": error.params["unit"],
            "gap": error.params.get("gap"),
            "number": application.number,
            "committee": application.committee.name,
        }
        return record("submission_without_route", application, actor=actor, now=now, after=after)
    except RuleViolation:
        return None
    return None


def _arrived_in_time(application: Application, now: datetime) -> bool:
    """Whether a draft the sweep has ended may still be submitted: never submitted, arrived in the
    window.
    """
    if application.state is not State.LAPSED or application.state_before is not State.DRAFT:
        return False
    return application.submitted_at is None and window_of(application.plan_line).is_open(now)


def _require_checked(application: Application, expected: int | None) -> None:
    if expected is not None and expected != application.content_version:
        saved = application.saved_at
        raise ContentConflictError(
            N_(
                "The content was changed at %(saved)s, after this page was opened. "
                "Check it once more, then submit."
            ),
            saved=saved.strftime("%Y-%m-%d %H:%M:%S") if saved else "-",
            current_version=application.content_version,
        )


def _require_pledge(pledged: bool) -> None:
    if not pledged:
        raise RuleViolation(N_("Read and accept the integrity pledge, then submit."))


def _follow_affiliation(application: Application, now: datetime) -> None:
    """The employer is the unit the person belongs to at the submission (B7)."""
    choice = require_choice(
        application.person,
        category_id=application.category_id,
        series_id=application.series_id,
        specialty_id=application.specialty_id,
        level=application.level,
        committee_id=application.committee_id,
        kind=application.kind,
        title_name=application.title_name,
        now=now,
    )
    application.employer = choice.applicant.employer
    application.employer_id = choice.applicant.employer.id
    application.applicant_kind = choice.applicant.affiliation.applicant_kind
    applicant_facts.refresh_facts(application)


def content_hash(content: Mapping[str, Any], materials: Sequence[Material]) -> str:
    """SHA-256 of the content and its files as canonical JSON; what the receipt prints and anyone
    may compare.
    """
    files = sorted([m.requirement_code, m.filename, m.file_sha256] for m in materials)
    text = json.dumps(
        {"content": content, "files": files},
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    )
    return hashlib.sha256(text.encode()).hexdigest()


def pledge_text(application: Application) -> str:
    """The integrity pledge as the form prints it."""
    section = read_form(application.form_version.definition).section(PLEDGE)
    return section.fields[0].label.zh if section and section.fields else ""


def _freeze_content(application: Application, now: datetime) -> ApplicationVersion:
    number = next_version(application)
    materials = list_materials(application.id)
    return ApplicationVersion(
        application_id=application.id,
        number=number,
        content=application.content,
        content_hash=content_hash(application.content, materials),
        receipt_number=f"{application.number}-{number:02d}",
        submitted_at=now,
        pledge_text=pledge_text(application),
    )


def _receipt_data(version: ApplicationVersion, findings: Sequence[Finding]) -> dict[str, Any]:
    return {
        "version": version.number,
        "receipt": version.receipt_number,
        "content_hash": version.content_hash,
        "warnings": sorted({f.code for f in findings if f.kind is FindingKind.WARNING}),
    }


def _told(application: Application, kind: str) -> list[tuple[str, int]]:
    own = account_of_person(application.person_id)
    unit = [a for a in accounts_of_unit(application.employer_id) if a not in own]
    return [(kind, account_id) for account_id in [*own, *unit]]


def resubmit_application(
    application_id: int,
    *,
    actor: Actor,
    now: datetime,
    idempotency_key: str,
    pledged: bool,
    expected_content_version: int | None = None,
) -> ApplicationEvent:
    """Submit the correction (row 17): a new version, back to the unit's re-check; also after the
    window closed.

    Raises CorrectionOverdueError after the returner's due date, otherwise as `submit_application`.
    """
    return process.transition(
        application_id,
        Action.RESUBMIT,
        actor=actor,
        now=now,
        idempotency_key=idempotency_key,
        decide=lambda application: _decide_resubmission(
            application, actor, now, pledged, expected_content_version
        ),
    )


def _decide_resubmission(
    application: Application, actor: Actor, now: datetime, pledged: bool, expected: int | None
) -> Effects:
    require_own(application, actor)
    guards: dict[str, bool] = {
        Guard.AWAITS_APPLICANT: application.returned_to is ReturnTarget.APPLICANT
    }
    find_transition(application.state, Action.RESUBMIT, role=ActorRole.APPLICANT, guards=guards)
    correction = open_correction(application)
    if correction is None:
        raise ConflictError(N_("There is no open correction. Reload the page."))
    require_in_time(correction, now=now)
    _require_checked(application, expected)
    _require_pledge(pledged)
    findings = pre_check(application, now=now)
    if refusals(findings):
        raise PreCheckError(refusals(findings))
    version = _freeze_content(application, now)
    by_unit = correction.returned_from_state is State.IN_EMPLOYER_CHECK
    is_unit = correction.returned_by_unit_id == application.employer_id

    def apply(submitted: Application, _state: State) -> None:
        correction.resubmitted_at = now
        db.session.add(version)

    return Effects(
        guards=guards,
        holder_unit_id=application.employer_id,
        due=_push_due(application, now)
        if by_unit and is_unit
        else Due(DueKind.CORRECTION, correction.due_at),
        data=_receipt_data(version, findings),
        apply=apply,
        tell=_told(application, "resubmitted"),
    )


def _push_due(application: Application, now: datetime) -> Due:
    calendar = load_calendar()
    window = window_of(application.plan_line)
    days = int(parameter("unit_push_days"))
    due_on = window.unit_push_due_on(calendar, days=days)
    return Due(
        DueKind.UNIT_PUSH,
        window.unit_push_due_at(calendar, days=days),
        calendar.is_provisional(now.date(), due_on),
    )


# --------------------------------------------------------------------------- asking


def may_ask_withdrawal(application: Application) -> str | None:
    """None when a withdrawal may be asked for, else the reason why not (row 37)."""
    guards: dict[str, bool] = {Guard.BALLOT_NOT_OPENED: not _ballot_opened(application.id)}
    rows = [r for r in TRANSITIONS if r.source is application.state and r.action is Action.WITHDRAW]
    if not any(r.by & HOLDER_ROLES and r.choose_target(guards) is not None for r in rows):
        return N_("A withdrawal is possible from the submission until the ballot opens.")
    asked = db.session.scalar(
        select(
            exists().where(
                WithdrawalRequest.application_id == application.id,
                WithdrawalRequest.state == WithdrawalState.ASKED,
            )
        )
    )
    return N_("You have asked already; the decision is under way.") if asked else None


def _ballot_opened(application_id: int) -> bool:
    return bool(
        db.session.scalar(
            select(
                exists().where(
                    MeetingItem.application_id == application_id,
                    MeetingItem.ballot_opened_at.is_not(None),
                )
            )
        )
    )


def ask_withdrawal(
    application_id: int, reason: str, *, actor: Actor, now: datetime
) -> WithdrawalRequest:
    """Ask the holder of the application to let it be withdrawn (row 37, B6); reason required."""
    application = process.lock_application(application_id)
    require_own(application, actor)
    refused = may_ask_withdrawal(application)
    if refused is not None:
        raise ConflictError(refused)
    request = WithdrawalRequest(
        application_id=application_id, reason=_require_text(reason), asked_at=now
    )
    db.session.add(request)
    db.session.flush()
    record("ask_withdrawal", request, actor=actor, now=now, reason=request.reason)
    for account_id in accounts_of_unit(application.holder_unit_id):
        notify(
            account_id,
            "withdrawal_asked",
            key=f"withdrawal:{request.id}",
            at=now,
            application_id=application_id,
            params={"number": application.number},
        )
    return request


def may_ask_re_examination(application: Application) -> str | None:
    """None when a procedural re-examination may be asked for, else the reason why not (row 36)."""
    if application.state is not State.NOT_PASSED:
        return N_("A re-examination is possible when the review was not passed.")
    asked = db.session.scalar(
        select(exists().where(ReExamination.application_id == application.id))
    )
    return N_("You have asked already; there is one re-examination.") if asked else None


def ask_re_examination(
    application_id: int, ground: str, *, actor: Actor, now: datetime
) -> ReExamination:
    """Ask for a re-examination of the procedure; there is no new vote in the same year (row 36)."""
    text = _require_text(ground)
    asked: list[ReExamination] = []

    def decide(application: Application) -> Effects:
        require_own(application, actor)
        refused = may_ask_re_examination(application)
        if refused is not None:
            raise ConflictError(refused)
        host = application.committee.convener_id

        def apply(target: Application, _state: State) -> None:
            asked.append(ReExamination(application_id=target.id, ground=text, asked_at=now))
            db.session.add(asked[0])

        return Effects(
            holder_unit_id=application.holder_unit_id,
            reason=text,
            apply=apply,
            tell=[("re_examination_asked", a) for a in accounts_of_unit(host)],
        )

    process.transition(application_id, Action.RE_EXAMINE, actor=actor, now=now, decide=decide)
    return asked[0]


def _require_text(text: str, *, most: int = 2000) -> str:
    cleaned = text.replace("\x00", "").replace("\r\n", "\n").strip()
    if not cleaned:
        raise RuleViolation(N_("Say why, in a few words."))
    if len(cleaned) > most:
        raise RuleViolation(
            N_("At most %(limit)s characters; there are %(given)s. Shorten the text."),
            limit=most,
            given=len(cleaned),
        )
    return cleaned
