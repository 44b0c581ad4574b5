"""The tree of refusals: a template to translate, its parameters, a code and an HTTP status.

Every message tells the user what to do next. The edge translates `template` and fills in `params`;
`str(error)` is the English sentence, for logs and commands.
"""

from __future__ import annotations

from typing import ClassVar

from app.domain.messages import N_


class DomainError(Exception):
    """A request the rules refuse: the user's fault or the data's, never a defect of the program."""

    code: ClassVar[str] = "domain_error"
    http_status: ClassVar[int] = 422
    template: str = N_("The rules do not allow this. Check the entries and try again.")

    def __init__(self, template: str | None = None, **params: object) -> None:
        if template is not None:
            self.template = template
        self.params = params
        super().__init__(self.template)

    def __str__(self) -> str:
        return self.template % self.params


class RuleViolation(DomainError):  # noqa: N818 -- a rule of the notice is violated; read as a noun
    """A rule of the notice is not met (HTTP 422)."""

    code = "rule_violation"


class NotPermittedError(DomainError):
    """This actor may not do this (HTTP 403)."""

    code = "not_permitted"
    http_status = 403
    template = N_("Your role may not do this. Ask the unit that is in charge of this step.")


class ConflictError(DomainError):
    """The state of things does not allow this now (HTTP 409)."""

    code = "conflict"
    http_status = 409
    template = N_("This cannot be done now. Reload the page and look at the current state.")


class TransitionNotAllowedError(ConflictError):
    """The pair (state, action) is not in the table, or none of its guards holds.

    Params: `state`, `action`, both labels (msgids).
    """

    code = "transition_not_allowed"
    template = N_(
        "The action %(action)s is not possible in the state %(state)s. "
        "Reload the page and choose one of the actions it offers."
    )


class ActorNotAllowedError(NotPermittedError):
    """The action exists in this state, but not for this role.

    Params: `state`, `action`, `role`, all labels (msgids).
    """

    code = "actor_not_allowed"
    template = N_(
        "The role %(role)s may not perform %(action)s in the state %(state)s. "
        "It is for the unit the page names as the holder."
    )


class StaleVersionError(ConflictError):
    """Somebody was faster. Params: `current_state`, `current_version`."""

    code = "stale_version"
    template = N_(
        "Somebody else has changed this in the meantime; it is now %(current_state)s "
        "(version %(current_version)s). Reload the page and decide again."
    )


class WindowClosedError(ConflictError):
    """Outside the application window. Params: `series`, `opens`, `closes`."""

    code = "window_closed"
    template = N_(
        "Applications in %(series)s can be submitted from %(opens)s to %(closes)s only. "
        "The draft stays readable and can be copied next year."
    )


class MilestoneOrderError(RuleViolation):
    """The milestones of a plan line are out of order (Y1)."""

    code = "milestone_order"
    template = N_("The dates of the plan line are out of order. Correct them.")


class RescheduleRefusedError(RuleViolation):
    """A plan line whose window has opened may only be lengthened (rules A9). Params: `current`."""

    code = "reschedule_refused"
    template = N_("The window has opened, so dates may only be moved later.")


class CalendarError(DomainError):
    """The working-day calendar is damaged. Params: `day`."""

    code = "calendar_damaged"
    template = N_(
        "The working-day calendar contradicts itself on %(day)s. "
        "Compare it with the State Council's arrangement and correct it."
    )


class InvalidCodeError(RuleViolation):
    """A unified social credit code or unit code is not acceptable. Params as in the template."""

    code = "invalid_code"
    template = N_("The unit code is not valid. Compare it with the certificate.")


class CodeSpaceExhaustedError(ConflictError):
    """All 750 suffixes of a parent are used (rules E3). Params: `parent_code`, `limit`."""

    code = "code_space_exhausted"
    template = N_(
        "%(parent_code)s already has %(limit)s subordinate units without a code of their own. "
        "Register intermediate units and create the new unit below one of them."
    )


class InvalidIdentityError(RuleViolation):
    """An identity number is not acceptable. Params as in the template."""

    code = "invalid_identity"
    template = N_("The identity number is not valid. Compare it with the document.")


class RouteError(RuleViolation):
    """No route leads from the unit to the committee (rules C2). Params: `unit`, and `gap`, a
    RouteGap, where it is a unit of the chain."""

    code = "no_route"
    template = N_(
        "No route leads from %(unit)s to the committee. Ask the unit to have its superior unit "
        "put right by the HRSS department."
    )


class WeakPasswordError(RuleViolation):
    """A new password is refused (rules E9)."""

    code = "weak_password"
    template = N_("Choose another password.")


class CommitteeRuleError(RuleViolation):
    """A committee, panel, meeting or ballot breaks a rule of rules.md 1.1 or 3.3."""

    code = "committee_rule"
    template = N_("The committee does not meet the rules. Correct its members or its filing.")
