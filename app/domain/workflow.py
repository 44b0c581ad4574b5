"""The life of an application: State, Action, ActorRole and the one table of transitions.

`TRANSITIONS` is the table of rules.md 3.2 row by row (row 0 = its notes and 3.4). The same data
feeds the buttons of a screen, the diagram of the docs and the test over every (state, action,
role). A transition is found by `next_state`; an unknown triple is refused, never ignored.

Guards are facts the service states (`{Guard.NEXT_NODE_IS_HOST: True}`); a guard not named counts
as false. They only choose between rows and targets. Whatever else a row demands (opinion filled,
handler is not the applicant, …) is checked by the service before it asks for the next state.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.domain.errors import ActorNotAllowedError, TransitionNotAllowedError
from app.domain.messages import N_


class State(StrEnum):
    """State of an application (glossary 8)."""

    DRAFT = "draft"
    IN_EMPLOYER_CHECK = "in_employer_check"
    IN_PUBLICITY = "in_publicity"
    PUBLICIZED = "publicized"
    IN_ROUTING = "in_routing"
    RECEIVED = "received"
    IN_POLICY_REVIEW = "in_policy_review"
    ACCEPTED = "accepted"
    IN_EXPERT_REVIEW = "in_expert_review"
    PASSED = "passed"
    IN_RESULT_PUBLICITY = "in_result_publicity"
    AWAITING_CONFIRMATION = "awaiting_confirmation"
    CONFIRMED = "confirmed"
    CERTIFIED = "certified"
    ENTRUSTED = "entrusted"
    RETURNED = "returned"
    ON_HOLD = "on_hold"
    DECLINED = "declined"
    REJECTED = "rejected"
    NOT_PASSED = "not_passed"
    LAPSED = "lapsed"
    WITHDRAWN = "withdrawn"
    DISQUALIFIED = "disqualified"
    REVOKED = "revoked"


class Action(StrEnum):
    """What an actor does to an application: a bare verb (glossary 8, rules 3.2)."""

    CREATE = "create"
    SAVE = "save"
    PRE_CHECK = "pre_check"
    SUBMIT = "submit"
    RESUBMIT = "resubmit"
    RETURN = "return"
    DECLINE = "decline"
    PUBLICIZE = "publicize"
    CONFIRM = "confirm"
    HOLD = "hold"
    RELEASE = "release"
    CLOSE_PUBLICITY = "close_publicity"
    FORWARD = "forward"
    REROUTE = "reroute"
    START_POLICY_REVIEW = "start_policy_review"
    ENTRUST = "entrust"
    REGISTER_RESULT = "register_result"
    ACCEPT = "accept"
    REJECT = "reject"
    TRANSFER = "transfer"
    ARRANGE = "arrange"
    CONVENE = "convene"
    PASS = "pass"  # noqa: S105 -- the outcome of a ballot, not a secret
    FAIL = "fail"
    PUBLICIZE_RESULT = "publicize_result"
    RETURN_FILING = "return_filing"
    CERTIFY = "certify"
    RE_EXAMINE = "re_examine"
    LAPSE = "lapse"
    REINSTATE = "reinstate"
    WITHDRAW = "withdraw"
    DISQUALIFY = "disqualify"
    REVOKE = "revoke"


class ActorRole(StrEnum):
    """Who acts (rules 2). FAB's Role is a table; this is the word of the rules.

    A designated agency acts with the unit roles: it plays the employer (rules C4, R45).
    """

    SYSTEM_ADMIN = "system_admin"
    SECURITY_ADMIN = "security_admin"
    AUDIT_ADMIN = "audit_admin"
    PROVINCE_HRSS = "province_hrss"
    HRSS = "hrss"
    COMPETENT_DEPARTMENT = "competent_department"
    UNIT_ADMIN = "unit_admin"
    UNIT_HANDLER = "unit_handler"
    APPLICANT = "applicant"
    COMMITTEE_OFFICE = "committee_office"
    EXPERT = "expert"
    CHAIR = "chair"
    SUPERVISOR = "supervisor"
    PUBLIC = "public"
    SYSTEM = "system"


class DeadlineKind(StrEnum):
    """Which clock runs against the row (last column of rules 3.2)."""

    WINDOW_CLOSE = "window_close"
    UNIT_PUSH = "unit_push"
    PUBLICITY_END = "publicity_end"
    NODE_FORWARD = "node_forward"
    CORRECTION = "correction"
    RECEIPT = "receipt"
    POLICY_REVIEW = "policy_review"
    ONLINE_REVIEW = "online_review"
    BALLOT = "ballot"


class Guard(StrEnum):
    """A fact that chooses a row or a target; the service states it."""

    NEXT_NODE_IS_RELAY = "next_node_is_relay"
    NEXT_NODE_IS_HOST = "next_node_is_host"
    PUBLICISED_FIELDS_CHANGED = "publicised_fields_changed"
    ELIGIBILITY_FIELDS_CHANGED = "eligibility_fields_changed"
    GOES_BACK_TO_NODE = "goes_back_to_node"
    GOES_BACK_TO_HOST = "goes_back_to_host"
    AWAITS_APPLICANT = "awaits_applicant"
    AWAITS_UNIT = "awaits_unit"
    AWAITS_NODE = "awaits_node"
    PERIOD_RUNS = "period_runs"
    PERIOD_OVER = "period_over"
    PERIOD_OVER_WITHOUT_OBJECTION = "period_over_without_objection"
    IN_EMPLOYER_STAGE = "in_employer_stage"
    IN_RESULT_STAGE = "in_result_stage"
    AUTO_FORWARD = "auto_forward"
    NOT_YET_RECEIVED = "not_yet_received"
    CORRECTION_OVERDUE = "correction_overdue"
    UNIT_CANNOT_ACT = "unit_cannot_act"
    BALLOT_NOT_OPENED = "ballot_not_opened"
    SUBMIT_ARRIVED_IN_TIME = "submit_arrived_in_time"
    RESULT_PASSED = "result_passed"
    RESULT_NOT_PASSED = "result_not_passed"


GUARD_MEANINGS: Mapping[Guard, str] = {
    Guard.NEXT_NODE_IS_RELAY: "the next node of the frozen route is a relay node",
    Guard.NEXT_NODE_IS_HOST: "the next node of the frozen route is the committee's host",
    Guard.PUBLICISED_FIELDS_CHANGED: "the correction changed a publicised field (B4)",
    Guard.ELIGIBILITY_FIELDS_CHANGED: "a correction changed an eligibility field: whole route (B5)",
    Guard.GOES_BACK_TO_NODE: "a routing node returned it and takes it back directly (B5)",
    Guard.GOES_BACK_TO_HOST: "the host returned it and takes it back directly (B5)",
    Guard.AWAITS_APPLICANT: "the returned application awaits the applicant",
    Guard.AWAITS_UNIT: "the returned application awaits the unit",
    Guard.AWAITS_NODE: "the returned application awaits a routing node",
    Guard.PERIOD_RUNS: "the publicity period still runs",
    Guard.PERIOD_OVER: "the last day of the publicity has ended (24:00)",
    Guard.PERIOD_OVER_WITHOUT_OBJECTION: "the last day has ended and no objection is open",
    Guard.IN_EMPLOYER_STAGE: "the objection was raised in the employer's publicity",
    Guard.IN_RESULT_STAGE: "the objection was raised in the result publicity",
    Guard.AUTO_FORWARD: "the unit or the route chose automatic forwarding and its terms are met",
    Guard.NOT_YET_RECEIVED: "the committee has never received this application",
    Guard.CORRECTION_OVERDUE: "the due date of the correction has passed",
    Guard.UNIT_CANNOT_ACT: "the unit's only handler is the applicant; its superior acts (C7)",
    Guard.BALLOT_NOT_OPENED: "no ballot has been opened on this application",
    Guard.SUBMIT_ARRIVED_IN_TIME: "the submission arrived by the closing second, before the sweep",
    Guard.RESULT_PASSED: "the entrusted committee's result is passed",
    Guard.RESULT_NOT_PASSED: "the entrusted committee's result is not passed",
}


@dataclass(frozen=True, slots=True)
class Target:
    """Where a transition leads: `state`, or the stored state before the lapse when None."""

    state: State | None
    guard: Guard | None = None


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of rules 3.2 for one source state.

    All of `when` must hold for the row to apply; then the first target whose guard holds wins.
    """

    row: int
    source: State | None
    action: Action
    by: frozenset[ActorRole]
    targets: tuple[Target, ...]
    when: tuple[Guard, ...] = ()
    deadline: DeadlineKind | None = None
    needs_reason: bool = False

    def choose_target(self, guards: Mapping[str, bool]) -> Target | None:
        """Return the target these facts lead to, or None when the row does not apply."""
        if not all(guards.get(guard, False) for guard in self.when):
            return None
        for target in self.targets:
            if target.guard is None or guards.get(target.guard, False):
                return target
        return None


_A = Action
_D = DeadlineKind
_G = Guard
_S = State

UNIT_ROLES = frozenset({ActorRole.UNIT_ADMIN, ActorRole.UNIT_HANDLER})
HRSS_ROLES = frozenset({ActorRole.PROVINCE_HRSS, ActorRole.HRSS})
SUPERIOR_ROLES = HRSS_ROLES | {ActorRole.COMPETENT_DEPARTMENT}
# A derived unit's superior may be an ordinary unit, so unit roles are relay nodes too; that the
# actor belongs to *this* node is the service's check.
NODE_ROLES = SUPERIOR_ROLES | UNIT_ROLES
HOLDER_ROLES = HRSS_ROLES | {ActorRole.COMMITTEE_OFFICE}
OBJECTOR_ROLES = NODE_ROLES | {
    ActorRole.APPLICANT,
    ActorRole.COMMITTEE_OFFICE,
    ActorRole.SUPERVISOR,
    ActorRole.PUBLIC,
}
_APPLICANT = frozenset({ActorRole.APPLICANT})
_OFFICE = frozenset({ActorRole.COMMITTEE_OFFICE})
_PROVINCE = frozenset({ActorRole.PROVINCE_HRSS})
_SYSTEM = frozenset({ActorRole.SYSTEM})

END_STATES = frozenset(
    {
        State.DECLINED,
        State.REJECTED,
        State.NOT_PASSED,
        State.WITHDRAWN,
        State.DISQUALIFIED,
        State.REVOKED,
    }
)
"""States nothing leads out of in the ordinary course (a finding of fraud still does)."""

RECEIPT_BOUND_STATES = (
    State.IN_EMPLOYER_CHECK,
    State.IN_PUBLICITY,
    State.PUBLICIZED,
    State.IN_ROUTING,
    State.RETURNED,
    State.ON_HOLD,
)
"""States the receipt deadline ends while the committee has not received the materials (row 20)."""

_WITHDRAWABLE_ALWAYS = (
    State.IN_EMPLOYER_CHECK,
    State.IN_PUBLICITY,
    State.PUBLICIZED,
    State.IN_ROUTING,
    State.RECEIVED,
    State.IN_POLICY_REVIEW,
    State.ACCEPTED,
    State.ENTRUSTED,
    State.RETURNED,
)
_WITHDRAWABLE_BEFORE_BALLOT = (State.IN_EXPERT_REVIEW, State.ON_HOLD)

_to_next_node = (
    Target(_S.RECEIVED, _G.NEXT_NODE_IS_HOST),
    Target(_S.IN_ROUTING, _G.NEXT_NODE_IS_RELAY),
)
# After a new publicity (row 18) the application goes straight back to whoever returned it.
_after_publicity = (
    Target(_S.IN_POLICY_REVIEW, _G.GOES_BACK_TO_HOST),
    Target(_S.IN_ROUTING, _G.GOES_BACK_TO_NODE),
    *_to_next_node,
)


def _one(
    row: int,
    source: State | None,
    action: Action,
    by: frozenset[ActorRole],
    target: State | None,
    *,
    when: tuple[Guard, ...] = (),
    deadline: DeadlineKind | None = None,
    needs_reason: bool = False,
) -> Transition:
    """Return a row with a single target."""
    return Transition(row, source, action, by, (Target(target),), when, deadline, needs_reason)


def _by_unit(
    row: int,
    source: State,
    action: Action,
    targets: tuple[Target, ...],
    *,
    when: tuple[Guard, ...] = (),
    deadline: DeadlineKind | None = None,
    needs_reason: bool = False,
    extra: frozenset[ActorRole] = frozenset(),
) -> Iterator[Transition]:
    """Yield a row of the unit and its twin for the superior who acts instead (rules C7)."""
    yield Transition(row, source, action, UNIT_ROLES | extra, targets, when, deadline, needs_reason)
    twin = (*when, _G.UNIT_CANNOT_ACT)
    yield Transition(row, source, action, SUPERIOR_ROLES, targets, twin, deadline, needs_reason)


def _applicant_rows() -> Iterator[Transition]:
    """Yield rows 1-5, 17 and 36: the applicant and the window."""
    window = _D.WINDOW_CLOSE
    yield _one(1, None, _A.CREATE, _APPLICANT, _S.DRAFT)
    yield _one(2, _S.DRAFT, _A.SAVE, _APPLICANT, _S.DRAFT, deadline=window)
    yield _one(3, _S.DRAFT, _A.PRE_CHECK, _APPLICANT, _S.DRAFT)
    yield _one(4, _S.DRAFT, _A.SUBMIT, _APPLICANT, _S.IN_EMPLOYER_CHECK, deadline=window)
    # The note on the last second: what arrived by 17:00:00 wins over the sweep that came first.
    yield _one(
        4,
        _S.LAPSED,
        _A.SUBMIT,
        _APPLICANT,
        _S.IN_EMPLOYER_CHECK,
        when=(_G.SUBMIT_ARRIVED_IN_TIME,),
        deadline=window,
    )
    yield _one(5, _S.DRAFT, _A.LAPSE, _SYSTEM, _S.LAPSED, deadline=window)
    for action, target in ((_A.SAVE, _S.RETURNED), (_A.RESUBMIT, _S.IN_EMPLOYER_CHECK)):
        yield _one(
            17,
            _S.RETURNED,
            action,
            _APPLICANT,
            target,
            when=(_G.AWAITS_APPLICANT,),
            deadline=_D.CORRECTION,
        )
    yield _one(36, _S.NOT_PASSED, _A.RE_EXAMINE, _APPLICANT | _OFFICE, _S.NOT_PASSED)


def _unit_rows() -> Iterator[Transition]:
    """Yield rows 6-8, 10, 12 and 18: the unit, or its superior when the unit cannot act."""
    push = _D.UNIT_PUSH
    check = _S.IN_EMPLOYER_CHECK
    yield from _by_unit(
        6, check, _A.RETURN, (Target(_S.RETURNED),), deadline=push, needs_reason=True
    )
    yield from _by_unit(
        7, check, _A.DECLINE, (Target(_S.DECLINED),), deadline=push, needs_reason=True
    )
    # The system opens a publicity the unit has scheduled.
    yield from _by_unit(
        8,
        check,
        _A.PUBLICIZE,
        (Target(_S.IN_PUBLICITY),),
        deadline=_D.PUBLICITY_END,
        extra=_SYSTEM,
    )
    release = (Target(_S.IN_PUBLICITY, _G.PERIOD_RUNS), Target(_S.PUBLICIZED, _G.PERIOD_OVER))
    for action, targets in (
        (_A.RELEASE, release),
        (_A.DECLINE, (Target(_S.DECLINED),)),
        (_A.RETURN, (Target(_S.RETURNED),)),
    ):
        yield from _by_unit(
            10, _S.ON_HOLD, action, targets, when=(_G.IN_EMPLOYER_STAGE,), needs_reason=True
        )
    yield from _by_unit(12, _S.PUBLICIZED, _A.FORWARD, _after_publicity, deadline=push)
    yield Transition(
        12, _S.PUBLICIZED, _A.FORWARD, _SYSTEM, _after_publicity, (_G.AUTO_FORWARD,), push
    )
    yield from _by_unit(
        18,
        check,
        _A.CONFIRM,
        (
            Target(_S.IN_PUBLICITY, _G.PUBLICISED_FIELDS_CHANGED),
            Target(_S.IN_ROUTING, _G.ELIGIBILITY_FIELDS_CHANGED),
            Target(_S.IN_POLICY_REVIEW, _G.GOES_BACK_TO_HOST),
            Target(_S.IN_ROUTING, _G.GOES_BACK_TO_NODE),
        ),
        deadline=_D.CORRECTION,
    )


def _publicity_rows() -> Iterator[Transition]:
    """Yield rows 9, 11, 31, 32 and 33: objections and the end of a publicity."""
    for hold, close, source, after in (
        (9, 11, _S.IN_PUBLICITY, _S.PUBLICIZED),
        (31, 33, _S.IN_RESULT_PUBLICITY, _S.AWAITING_CONFIRMATION),
    ):
        yield _one(hold, source, _A.HOLD, OBJECTOR_ROLES, _S.ON_HOLD, needs_reason=True)
        yield _one(
            close,
            source,
            _A.CLOSE_PUBLICITY,
            _SYSTEM,
            after,
            when=(_G.PERIOD_OVER_WITHOUT_OBJECTION,),
            deadline=_D.PUBLICITY_END,
        )
    yield Transition(
        32,
        _S.ON_HOLD,
        _A.RELEASE,
        _OFFICE,
        (
            Target(_S.IN_RESULT_PUBLICITY, _G.PERIOD_RUNS),
            Target(_S.AWAITING_CONFIRMATION, _G.PERIOD_OVER),
        ),
        when=(_G.IN_RESULT_STAGE,),
        needs_reason=True,
    )


def _routing_rows() -> Iterator[Transition]:
    """Yield rows 13-16 and the province's returns of 3.4: the nodes after the unit."""
    source, due = _S.IN_ROUTING, _D.NODE_FORWARD
    yield Transition(13, source, _A.FORWARD, NODE_ROLES, _to_next_node, deadline=due)
    yield Transition(13, source, _A.FORWARD, _SYSTEM, _to_next_node, (_G.AUTO_FORWARD,), due)
    yield _one(14, source, _A.RETURN, NODE_ROLES, _S.RETURNED, deadline=due, needs_reason=True)
    # What was the unit's fault comes back from the unit, without the applicant (rules 3.4).
    yield Transition(
        14,
        _S.RETURNED,
        _A.RESUBMIT,
        UNIT_ROLES,
        (
            Target(_S.IN_POLICY_REVIEW, _G.GOES_BACK_TO_HOST),
            Target(_S.IN_ROUTING, _G.GOES_BACK_TO_NODE),
        ),
        when=(_G.AWAITS_UNIT,),
        deadline=_D.CORRECTION,
    )
    yield _one(15, source, _A.DECLINE, NODE_ROLES, _S.DECLINED, deadline=due, needs_reason=True)
    yield _one(16, source, _A.REROUTE, HRSS_ROLES, source, needs_reason=True)
    for state in (_S.IN_EMPLOYER_CHECK, _S.RECEIVED, _S.IN_POLICY_REVIEW, _S.ACCEPTED):
        yield _one(0, state, _A.RETURN, _PROVINCE, _S.RETURNED, needs_reason=True)


def _committee_rows() -> Iterator[Transition]:
    """Yield rows 22-30, 34, 35 and the entrusted review (C5): the host and the panel."""
    review, due = _S.IN_POLICY_REVIEW, _D.POLICY_REVIEW
    yield _one(22, _S.RECEIVED, _A.START_POLICY_REVIEW, _OFFICE, review, deadline=due)
    yield _one(23, review, _A.RETURN, _OFFICE, _S.RETURNED, deadline=due, needs_reason=True)
    # Once, to the host's order: a node adds the opinion or seal it forgot (rules 3.4).
    yield _one(
        23,
        _S.RETURNED,
        _A.RESUBMIT,
        NODE_ROLES,
        review,
        when=(_G.AWAITS_NODE,),
        deadline=_D.CORRECTION,
    )
    yield _one(24, review, _A.REJECT, _OFFICE, _S.REJECTED, deadline=due, needs_reason=True)
    yield _one(25, review, _A.TRANSFER, _OFFICE, review, deadline=due, needs_reason=True)
    yield _one(26, review, _A.ACCEPT, _OFFICE, _S.ACCEPTED, deadline=due)
    due = _D.ONLINE_REVIEW
    yield _one(27, _S.ACCEPTED, _A.ARRANGE, _OFFICE, _S.ACCEPTED, deadline=due)
    yield _one(28, _S.ACCEPTED, _A.CONVENE, _OFFICE, _S.IN_EXPERT_REVIEW, deadline=due)
    # The tally decides (M8): the chair closes the ballot, or the system writes what it counted.
    tally = _SYSTEM | {ActorRole.CHAIR}
    yield _one(29, _S.IN_EXPERT_REVIEW, _A.PASS, tally, _S.PASSED, deadline=due)
    yield _one(29, _S.IN_EXPERT_REVIEW, _A.FAIL, tally, _S.NOT_PASSED, deadline=due)
    yield _one(
        30,
        _S.PASSED,
        _A.PUBLICIZE_RESULT,
        _OFFICE | _SYSTEM,
        _S.IN_RESULT_PUBLICITY,
        deadline=_D.PUBLICITY_END,
    )
    awaiting = _S.AWAITING_CONFIRMATION
    yield _one(34, awaiting, _A.CONFIRM, HOLDER_ROLES, _S.CONFIRMED, deadline=due)
    yield _one(34, awaiting, _A.RETURN_FILING, HRSS_ROLES, awaiting, needs_reason=True)
    yield _one(35, _S.CONFIRMED, _A.CERTIFY, _SYSTEM, _S.CERTIFIED)
    yield _one(0, _S.RECEIVED, _A.ENTRUST, HOLDER_ROLES, _S.ENTRUSTED, needs_reason=True)
    yield Transition(
        0,
        _S.ENTRUSTED,
        _A.REGISTER_RESULT,
        HOLDER_ROLES,
        (Target(_S.CONFIRMED, _G.RESULT_PASSED), Target(_S.NOT_PASSED, _G.RESULT_NOT_PASSED)),
    )


def _ending_rows() -> Iterator[Transition]:
    """Yield rows 19-21, 37 and 38: deadlines, withdrawal, fraud, and the way back."""
    yield _one(
        19,
        _S.RETURNED,
        _A.LAPSE,
        _SYSTEM,
        _S.LAPSED,
        when=(_G.CORRECTION_OVERDUE,),
        deadline=_D.CORRECTION,
    )
    for state in RECEIPT_BOUND_STATES:
        yield _one(
            20,
            state,
            _A.LAPSE,
            _SYSTEM,
            _S.LAPSED,
            when=(_G.NOT_YET_RECEIVED,),
            deadline=_D.RECEIPT,
        )
    yield _one(21, _S.LAPSED, _A.REINSTATE, _PROVINCE, None, needs_reason=True)
    for state in _WITHDRAWABLE_ALWAYS:
        yield _one(
            37,
            state,
            _A.WITHDRAW,
            HOLDER_ROLES,
            _S.WITHDRAWN,
            deadline=_D.BALLOT,
            needs_reason=True,
        )
    for state in _WITHDRAWABLE_BEFORE_BALLOT:
        yield _one(
            37,
            state,
            _A.WITHDRAW,
            HOLDER_ROLES,
            _S.WITHDRAWN,
            when=(_G.BALLOT_NOT_OPENED,),
            deadline=_D.BALLOT,
            needs_reason=True,
        )
    for state in State:
        if state is _S.CERTIFIED:
            yield _one(38, state, _A.REVOKE, HOLDER_ROLES, _S.REVOKED, needs_reason=True)
        elif state not in {_S.DISQUALIFIED, _S.REVOKED}:
            yield _one(38, state, _A.DISQUALIFY, HOLDER_ROLES, _S.DISQUALIFIED, needs_reason=True)


TRANSITIONS: tuple[Transition, ...] = (
    *_applicant_rows(),
    *_unit_rows(),
    *_publicity_rows(),
    *_routing_rows(),
    *_committee_rows(),
    *_ending_rows(),
)
"""Every transition there is (rules 3.2)."""


def transitions_for(state: State | None, action: Action) -> tuple[Transition, ...]:
    """Return the rows of one (state, action) in the order of the table."""
    return tuple(row for row in TRANSITIONS if row.source is state and row.action is action)


def reinstatable_states() -> frozenset[State]:
    """Return the states a deadline can end, hence those a lapse can be undone to (row 21)."""
    return frozenset(
        row.source for row in TRANSITIONS if row.action is Action.LAPSE and row.source is not None
    )


def find_transition(
    state: State | None,
    action: Action,
    *,
    role: ActorRole,
    guards: Mapping[str, bool] | None = None,
) -> tuple[Transition, Target]:
    """Return the row that applies and the target its guards choose.

    Raises TransitionNotAllowedError when the pair is unknown or no guard holds,
    ActorNotAllowedError when the pair exists for other roles only.
    """
    facts = guards or {}
    rows = transitions_for(state, action)
    if not rows:
        raise _not_allowed(state, action)
    allowed = [row for row in rows if role in row.by]
    if not allowed:
        raise ActorNotAllowedError(
            state=_show(state), action=ACTION_LABELS[action], role=ROLE_LABELS[role]
        )
    for row in allowed:
        target = row.choose_target(facts)
        if target is not None:
            return row, target
    raise _not_allowed(state, action)


def _not_allowed(state: State | None, action: Action) -> TransitionNotAllowedError:
    return TransitionNotAllowedError(state=_show(state), action=ACTION_LABELS[action])


def _show(state: State | None) -> str:
    return STATE_LABELS[state] if state is not None else N_("Not yet created")


def next_state(
    state: State | None,
    action: Action,
    *,
    role: ActorRole,
    guards: Mapping[str, bool] | None = None,
    state_before: State | None = None,
) -> State:
    """Return the state this action leads to; `state` None is the application not yet created.

    `state_before` is the state stored at the lapse, needed by `reinstate` only (row 21).
    Raises as `find_transition` does.
    """
    _row, target = find_transition(state, action, role=role, guards=guards)
    if target.state is not None:
        return target.state
    if state_before is None or state_before not in reinstatable_states():
        raise _not_allowed(state, action)
    return state_before


def actions_for(
    state: State | None, role: ActorRole, *, guards: Mapping[str, bool] | None = None
) -> tuple[Action, ...]:
    """Return the actions this role has in this state, in the order of `Action`.

    Without `guards` every action of the table; with them only those that would succeed.
    """
    possible = {
        row.action
        for row in TRANSITIONS
        if row.source is state
        and role in row.by
        and (guards is None or row.choose_target(guards) is not None)
    }
    return tuple(action for action in Action if action in possible)


STATE_LABELS: Mapping[State, str] = {
    State.DRAFT: N_("Draft"),
    State.IN_EMPLOYER_CHECK: N_("In employer check"),
    State.IN_PUBLICITY: N_("In publicity"),
    State.PUBLICIZED: N_("Publicity ended"),
    State.IN_ROUTING: N_("In routing"),
    State.RECEIVED: N_("Received by the committee"),
    State.IN_POLICY_REVIEW: N_("In policy review"),
    State.ACCEPTED: N_("Accepted by policy review"),
    State.IN_EXPERT_REVIEW: N_("In expert review"),
    State.PASSED: N_("Review passed"),
    State.IN_RESULT_PUBLICITY: N_("In result publicity"),
    State.AWAITING_CONFIRMATION: N_("Awaiting confirmation"),
    State.CONFIRMED: N_("Confirmed"),
    State.CERTIFIED: N_("Certified"),
    State.ENTRUSTED: N_("Entrusted to an outside committee"),
    State.RETURNED: N_("Returned"),
    State.ON_HOLD: N_("On hold for an objection"),
    State.DECLINED: N_("Not recommended"),
    State.REJECTED: N_("Rejected by policy review"),
    State.NOT_PASSED: N_("Review not passed"),
    State.LAPSED: N_("Lapsed"),
    State.WITHDRAWN: N_("Withdrawn"),
    State.DISQUALIFIED: N_("Disqualified"),
    State.REVOKED: N_("Certificate revoked"),
}

ACTION_LABELS: Mapping[Action, str] = {
    Action.CREATE: N_("Start an application"),
    Action.SAVE: N_("Save"),
    Action.PRE_CHECK: N_("Check before submitting"),
    Action.SUBMIT: N_("Submit"),
    Action.RESUBMIT: N_("Submit the correction"),
    Action.RETURN: N_("Return for correction"),
    Action.DECLINE: N_("Decline to recommend"),
    Action.PUBLICIZE: N_("Open the publicity"),
    Action.CONFIRM: N_("Confirm"),
    Action.HOLD: N_("Raise an objection"),
    Action.RELEASE: N_("Dismiss the objection"),
    Action.CLOSE_PUBLICITY: N_("Close the publicity"),
    Action.FORWARD: N_("Forward"),
    Action.REROUTE: N_("Change the route"),
    Action.START_POLICY_REVIEW: N_("Start the policy review"),
    Action.ENTRUST: N_("Entrust to an outside committee"),
    Action.REGISTER_RESULT: N_("Register the outside result"),
    Action.ACCEPT: N_("Accept"),
    Action.REJECT: N_("Reject"),
    Action.TRANSFER: N_("Transfer to another committee"),
    Action.ARRANGE: N_("Arrange works, defence and groups"),
    Action.CONVENE: N_("Put on the meeting's list"),
    Action.PASS: N_("Pass"),
    Action.FAIL: N_("Fail"),
    Action.PUBLICIZE_RESULT: N_("Open the result publicity"),
    Action.RETURN_FILING: N_("Return the result filing"),
    Action.CERTIFY: N_("Issue the certificate"),
    Action.RE_EXAMINE: N_("Ask for a procedural re-examination"),
    Action.LAPSE: N_("Lapse"),
    Action.REINSTATE: N_("Reinstate"),
    Action.WITHDRAW: N_("Withdraw"),
    Action.DISQUALIFY: N_("Disqualify"),
    Action.REVOKE: N_("Revoke the certificate"),
}

ROLE_LABELS: Mapping[ActorRole, str] = {
    ActorRole.SYSTEM_ADMIN: N_("System administrator"),
    ActorRole.SECURITY_ADMIN: N_("Security administrator"),
    ActorRole.AUDIT_ADMIN: N_("Audit administrator"),
    ActorRole.PROVINCE_HRSS: N_("Provincial HRSS department"),
    ActorRole.HRSS: N_("HRSS department"),
    ActorRole.COMPETENT_DEPARTMENT: N_("Competent department"),
    ActorRole.UNIT_ADMIN: N_("Unit administrator"),
    ActorRole.UNIT_HANDLER: N_("Unit handler"),
    ActorRole.APPLICANT: N_("Applicant"),
    ActorRole.COMMITTEE_OFFICE: N_("Committee office"),
    ActorRole.EXPERT: N_("Review expert"),
    ActorRole.CHAIR: N_("Chair"),
    ActorRole.SUPERVISOR: N_("Supervisor"),
    ActorRole.PUBLIC: N_("Public"),
    ActorRole.SYSTEM: N_("System"),
}


def draw_state_diagram() -> str:
    """Return the table as a Mermaid state diagram (docs); rows from any state are one note.

    Disqualification, withdrawal and reinstatement start almost everywhere and would hide the rest.
    """
    crowded = {Action.DISQUALIFY, Action.WITHDRAW, Action.REINSTATE}
    arrows: dict[tuple[str, str], list[str]] = {}
    for row in TRANSITIONS:
        if row.action in crowded:
            continue
        for target in row.targets:
            source = row.source.value if row.source is not None else "[*]"
            arrow = (source, target.state.value if target.state is not None else "[*]")
            label = row.action.value + (f" [{target.guard.value}]" if target.guard else "")
            labels = arrows.setdefault(arrow, [])
            if label not in labels:
                labels.append(label)
    lines = ["stateDiagram-v2"]
    lines += [
        f"    {source} --> {target}: {', '.join(labels)}"
        for (source, target), labels in arrows.items()
    ]
    lines += [f"    {state.value} --> [*]" for state in State if state in END_STATES]
    return "\n".join(lines) + "\n"
