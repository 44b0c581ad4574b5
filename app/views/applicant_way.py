"""Where an application is, said to its applicant: the picture of the way, who holds it, until
when, what happens next.

Objections are not shown to the applicant (rules F2): an application on hold looks as it did before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _

from app.domain.deadlines import is_overdue
from app.domain.terms import DueKind, ReturnTarget
from app.domain.workflow import ACTION_LABELS, ROLE_LABELS, STATE_LABELS, Action, ActorRole, State
from app.models import Application, ApplicationEvent
from app.services.editing import open_correction
from app.services.sweeps import effective_state
from app.services.windows import window_of
from app.views.presentation import show_due

STEPS: tuple[tuple[str, Any], ...] = (
    ("draft", _("Draft")),
    ("employer", _("Employer check")),
    ("publicity", _("Publicity")),
    ("routing", _("Routing")),
    ("committee", _("Review committee")),
    ("review", _("Review")),
    ("result", _("Result")),
    ("certificate", _("Certificate")),
)

STEP_OF: Mapping[State, str] = {
    State.DRAFT: "draft",
    State.IN_EMPLOYER_CHECK: "employer",
    State.IN_PUBLICITY: "publicity",
    State.PUBLICIZED: "publicity",
    State.IN_ROUTING: "routing",
    State.RECEIVED: "committee",
    State.IN_POLICY_REVIEW: "committee",
    State.ACCEPTED: "committee",
    State.ENTRUSTED: "committee",
    State.IN_EXPERT_REVIEW: "review",
    State.PASSED: "result",
    State.NOT_PASSED: "result",
    State.IN_RESULT_PUBLICITY: "result",
    State.AWAITING_CONFIRMATION: "result",
    State.CONFIRMED: "certificate",
    State.CERTIFIED: "certificate",
    State.REVOKED: "certificate",
    State.REJECTED: "committee",
}

STOPPED = frozenset(
    {
        State.RETURNED,
        State.DECLINED,
        State.REJECTED,
        State.NOT_PASSED,
        State.LAPSED,
        State.WITHDRAWN,
        State.DISQUALIFIED,
        State.REVOKED,
    }
)

NEXT: Mapping[State, Any] = {
    State.DRAFT: _("Fill in every part, check it and submit inside the application window."),
    State.IN_EMPLOYER_CHECK: _(
        "Your unit checks the materials, then opens the publicity of 5 working days."
    ),
    State.IN_PUBLICITY: _("When the publicity has ended, your unit forwards the application."),
    State.PUBLICIZED: _("Your unit forwards the application to the next node."),
    State.IN_ROUTING: _("The node reviews and forwards within 3 working days of receipt."),
    State.RECEIVED: _("The convening unit begins the policy review."),
    State.IN_POLICY_REVIEW: _("The convening unit accepts, rejects or asks once for a correction."),
    State.ACCEPTED: _("The application is put on the list of a review meeting."),
    State.IN_EXPERT_REVIEW: _("The experts review and vote; the result is then published."),
    State.PASSED: _("The convening unit publishes the result for 5 working days."),
    State.IN_RESULT_PUBLICITY: _("After the result publicity the result is filed and confirmed."),
    State.AWAITING_CONFIRMATION: _("The HRSS department confirms the result."),
    State.CONFIRMED: _("The certificate is being issued."),
    State.CERTIFIED: _("The title certificate is valid; anyone can verify it."),
    State.ENTRUSTED: _("An outside committee reviews; its result is registered here."),
    State.RETURNED: _("Correct what the list names and submit again by the due date."),
    State.DECLINED: _("It ends here. You may complain to the superior of the unit that decided."),
    State.REJECTED: _("It ends here for this year. The reason is in the history."),
    State.NOT_PASSED: _("You may ask for a re-examination of the procedure; there is no new vote."),
    State.LAPSED: _(
        "A deadline has passed. The content stays readable and can be copied next year."
    ),
    State.WITHDRAWN: _("It was withdrawn as you asked."),
    State.DISQUALIFIED: _("It was disqualified; the finding is in the history."),
    State.REVOKED: _("The certificate was revoked; the finding is in the history."),
}

DUE_LABELS: Mapping[DueKind, Any] = {
    DueKind.WINDOW_CLOSE: _("The application window closes"),
    DueKind.PUBLICITY_OPENING: _("The publicity opens"),
    DueKind.PUBLICITY_END: _("The publicity ends"),
    DueKind.UNIT_PUSH: _("Your unit has to forward by"),
    DueKind.NODE_FORWARD: _("The node has to forward by"),
    DueKind.CORRECTION: _("The correction is due"),
    DueKind.POLICY_REVIEW: _("The policy review ends by"),
    DueKind.ONLINE_REVIEW: _("The online review ends by"),
}

HIDDEN_ACTIONS = frozenset({Action.HOLD, Action.RELEASE})
PRIVATE_ROLES = frozenset({ActorRole.EXPERT, ActorRole.CHAIR, ActorRole.SUPERVISOR})
"""Who is never named to an applicant, nor by unit (rules D6)."""


@dataclass
class Standing:
    """Everything 我的申报 says about one application."""

    application: Application
    state: State
    label: str
    step: str
    is_stopped: bool
    is_ended_unseen: bool
    holder: str
    since: datetime
    due_at: datetime | None
    due_text: str
    days_left: int
    due_label: Any
    next: Any
    result: str


def shown_state(application: Application, *, now: datetime) -> State:
    """The state an applicant sees: no objection, and a passed deadline even before the sweep has
    run.
    """
    state = effective_state(application, now=now)
    if state is State.ON_HOLD and application.state_before is not None:
        state = application.state_before
    if state is State.DRAFT and window_of(application.plan_line).is_closed(now):
        return State.LAPSED
    correction = open_correction(application)
    if correction is not None and is_overdue(correction.due_at, now=now):
        return State.LAPSED
    return state


def describe(application: Application, *, now: datetime) -> Standing:
    """What an applicant is told about one application at `now`."""
    state = shown_state(application, now=now)
    due_at, due_kind = application.due_at, application.due_kind
    if state in {State.LAPSED, State.WITHDRAWN}:
        due_at = due_kind = None
    return Standing(
        application=application,
        state=state,
        label=str(gettext(STATE_LABELS[state])),
        step=_step(application, state),
        is_stopped=state in STOPPED,
        is_ended_unseen=state is not application.state and state is State.LAPSED,
        holder=_holder(application, state),
        since=application.state_since,
        due_at=due_at,
        due_text=show_due(due_at),
        days_left=(due_at - now).days if due_at else 0,
        due_label=DUE_LABELS[due_kind] if due_kind else "",
        next=_next(application, state),
        result=str(gettext(STATE_LABELS[state])) if STEP_OF.get(state) == "result" else "",
    )


def _step(application: Application, state: State) -> str:
    if state in STEP_OF:
        return STEP_OF[state]
    passed = [application.state_before, *(e.from_state for e in reversed(application.events))]
    return next((STEP_OF[each] for each in passed if each is not None and each in STEP_OF), "draft")


def _holder(application: Application, state: State) -> str:
    if state is State.DRAFT or (
        state is State.RETURNED and application.returned_to is ReturnTarget.APPLICANT
    ):
        return str(_("Yourself"))
    if state in STOPPED and state is not State.RETURNED:
        return ""
    if application.holder_unit is not None:
        return application.holder_unit.name
    if STEP_OF.get(state) in {"committee", "review", "result"}:
        return application.committee.convener.name
    return ""


def _next(application: Application, state: State) -> Any:
    if state is State.RETURNED and application.returned_to is not ReturnTarget.APPLICANT:
        return _("The unit it was returned to corrects it; you need to do nothing.")
    return NEXT[state]


def history(application: Application) -> list[dict[str, Any]]:
    """What has happened, newest first, as far as it concerns the applicant; people are never
    named.
    """
    return [
        {
            "at": event.at,
            "what": str(gettext(ACTION_LABELS[event.action])),
            "who": _who(application, event),
            "why": event.reason,
        }
        for event in reversed(application.events)
        if event.action not in HIDDEN_ACTIONS
    ]


def _who(application: Application, event: ApplicationEvent) -> str:
    if event.role is ActorRole.APPLICANT:
        return str(_("Yourself"))
    if event.role in PRIVATE_ROLES:
        return application.committee.name
    if event.unit is not None:
        return event.unit.name
    return str(gettext(ROLE_LABELS[event.role]))
