"""What an actor may do to an application now, and why not: the buttons, from TRANSITIONS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from app.domain.errors import ActorNotAllowedError, DomainError, NotPermittedError
from app.domain.workflow import TRANSITIONS, Action, Guard, State
from app.models import Application
from app.services import (
    corrections,
    employer,
    facts,
    objections,
    policy_review,
    routing,
    second_signatures,
    withdrawals,
)
from app.services.actors import Actor
from app.services.transitions import find_allowed

Check = Callable[..., None]

CHECKS: dict[Action, Check] = {
    Action.PUBLICIZE: employer.check_publicize,
    Action.CONFIRM: employer.check_confirm,
    Action.DECLINE: employer.check_decline,
    Action.RETURN: corrections.check_return,
    Action.RESUBMIT: corrections.check_answer,
    Action.FORWARD: routing.check_forward,
    Action.REROUTE: routing.check_reroute,
    Action.RELEASE: objections.check_decide,
    Action.ACCEPT: policy_review.check_conclude,
    Action.REJECT: policy_review.check_conclude,
    Action.TRANSFER: policy_review.check_conclude,
    Action.WITHDRAW: withdrawals.check_withdraw,
    Action.REINSTATE: second_signatures.require_none_open,
}
"""What the process asks besides role, scope and guards; the services ask the same again."""

CONFIRMS_RESULT = (State.AWAITING_CONFIRMATION, Action.CONFIRM)
"""The HRSS department's confirmation shares a verb with the unit's (rows 18 and 34)."""

BY_OBJECTION = {(State.ON_HOLD, Action.DECLINE), (State.ON_HOLD, Action.RETURN)}
"""Outcomes of an upheld objection; the objection's own form chooses between them."""


@dataclass(frozen=True)
class AvailableAction:
    """An action of a page; a disabled one says why."""

    action: Action
    refusal: DomainError | None = None

    @property
    def enabled(self) -> bool:
        """Whether it can be done now."""
        return self.refusal is None

    @property
    def why_not(self) -> str | None:
        """The English sentence; edges translate `refusal`."""
        return None if self.refusal is None else str(self.refusal)


def available_actions(
    application: Application, actor: Actor, now: datetime
) -> list[AvailableAction]:
    """The actions this actor has on this application now, in the order of `Action`.

    What belongs to another role or unit is left out; what is the actor's but cannot be done yet is
    there with its reason.
    """
    guards = facts.compute_guards(application, now=now) | {
        Guard.RESULT_PASSED: True,
        Guard.RESULT_NOT_PASSED: True,
    }
    found: list[AvailableAction] = []
    for action in _candidates(application, actor):
        try:
            find_allowed(application, action, actor, guards)
        except DomainError as error:
            if not isinstance(error, (ActorNotAllowedError, NotPermittedError)):
                _add_refused(found, application, action, actor, now)
            continue
        found.append(AvailableAction(action, _refusal(application, action, actor, now)))
    return found


def _candidates(application: Application, actor: Actor) -> list[Action]:
    possible = {
        row.action
        for row in TRANSITIONS
        if row.source is application.state and not actor.roles.isdisjoint(row.by)
    }
    left_out = {action for state, action in BY_OBJECTION if state is application.state}
    if application.state is State.IN_EMPLOYER_CHECK:
        is_correction = facts.pending_origin(application) is not None
        left_out.add(Action.PUBLICIZE if is_correction else Action.CONFIRM)
    return [action for action in Action if action in possible - left_out]


def _refusal(
    application: Application, action: Action, actor: Actor, now: datetime
) -> DomainError | None:
    check = CHECKS.get(action)
    if check is None or (application.state, action) == CONFIRMS_RESULT:
        return None
    try:
        check(application, actor, now=now)
    except DomainError as error:
        return error
    return None


def _add_refused(
    found: list[AvailableAction],
    application: Application,
    action: Action,
    actor: Actor,
    now: datetime,
) -> None:
    """A guard does not hold: show the action when its own check can say why."""
    if application.holder_unit_id != actor.unit_id:
        return
    refusal = _refusal(application, action, actor, now)
    if refusal is not None and not isinstance(refusal, NotPermittedError):
        found.append(AvailableAction(action, refusal))
