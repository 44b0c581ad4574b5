"""The table of transitions against rules 3.2, written out a second time, over every triple."""

from __future__ import annotations

import pytest

from app.domain.errors import ActorNotAllowedError, TransitionNotAllowedError
from app.domain.workflow import (
    ACTION_LABELS,
    END_STATES,
    GUARD_MEANINGS,
    ROLE_LABELS,
    STATE_LABELS,
    TRANSITIONS,
    Action,
    ActorRole,
    Guard,
    State,
    actions_for,
    draw_state_diagram,
    find_transition,
    next_state,
    reinstatable_states,
    transitions_for,
)

GROUPS = {
    "applicant": {"applicant"},
    "unit": {"unit_admin", "unit_handler"},
    "superior": {"province_hrss", "hrss", "competent_department"},
    "hrss": {"province_hrss", "hrss"},
    "province": {"province_hrss"},
    "office": {"committee_office"},
    "chair": {"chair"},
    "system": {"system"},
}
GROUPS["node"] = GROUPS["superior"] | GROUPS["unit"]
GROUPS["holder"] = GROUPS["hrss"] | GROUPS["office"]
GROUPS["objector"] = GROUPS["node"] | {"applicant", "committee_office", "supervisor", "public"}

SHORT = {
    "BACK": "goes_back_to_host>in_policy_review goes_back_to_node>in_routing",
    "NEXT": "next_node_is_host>received next_node_is_relay>in_routing",
    "CHANGED": "publicised_fields_changed>in_publicity eligibility_fields_changed>in_routing",
    "EMPLOYER_PERIOD": "period_runs>in_publicity period_over>publicized",
    "RESULT_PERIOD": "period_runs>in_result_publicity period_over>awaiting_confirmation",
    "OVER": "period_over_without_objection",
}

# state | action | roles | facts that must hold (comma) | targets, each "guard>state" or "state"
TABLE = """
- | create | applicant | | draft
draft | save | applicant | | draft
draft | pre_check | applicant | | draft
draft | submit | applicant | | in_employer_check
lapsed | submit | applicant | submit_arrived_in_time | in_employer_check
draft | lapse | system | | lapsed
in_employer_check | return | unit | | returned
in_employer_check | return | superior | unit_cannot_act | returned
in_employer_check | decline | unit | | declined
in_employer_check | decline | superior | unit_cannot_act | declined
in_employer_check | publicize | unit system | | in_publicity
in_employer_check | publicize | superior | unit_cannot_act | in_publicity
in_publicity | hold | objector | | on_hold
on_hold | release | unit | in_employer_stage | EMPLOYER_PERIOD
on_hold | release | superior | in_employer_stage,unit_cannot_act | EMPLOYER_PERIOD
on_hold | decline | unit | in_employer_stage | declined
on_hold | decline | superior | in_employer_stage,unit_cannot_act | declined
on_hold | return | unit | in_employer_stage | returned
on_hold | return | superior | in_employer_stage,unit_cannot_act | returned
in_publicity | close_publicity | system | OVER | publicized
publicized | forward | unit | | BACK NEXT
publicized | forward | superior | unit_cannot_act | BACK NEXT
publicized | forward | system | auto_forward | BACK NEXT
in_routing | forward | node | | NEXT
in_routing | forward | system | auto_forward | NEXT
in_routing | return | node | | returned
in_routing | decline | node | | declined
in_routing | reroute | hrss | | in_routing
returned | save | applicant | awaits_applicant | returned
returned | resubmit | applicant | awaits_applicant | in_employer_check
returned | resubmit | unit | awaits_unit | BACK
returned | resubmit | node | awaits_node | in_policy_review
in_employer_check | confirm | unit | | CHANGED BACK
in_employer_check | confirm | superior | unit_cannot_act | CHANGED BACK
returned | lapse | system | correction_overdue | lapsed
returned | lapse | system | not_yet_received | lapsed
in_employer_check | lapse | system | not_yet_received | lapsed
in_publicity | lapse | system | not_yet_received | lapsed
publicized | lapse | system | not_yet_received | lapsed
in_routing | lapse | system | not_yet_received | lapsed
on_hold | lapse | system | not_yet_received | lapsed
received | start_policy_review | office | | in_policy_review
in_policy_review | return | office | | returned
in_policy_review | reject | office | | rejected
in_policy_review | transfer | office | | in_policy_review
in_policy_review | accept | office | | accepted
accepted | arrange | office | | accepted
accepted | convene | office | | in_expert_review
in_expert_review | pass | chair system | | passed
in_expert_review | fail | chair system | | not_passed
passed | publicize_result | office system | | in_result_publicity
in_result_publicity | hold | objector | | on_hold
on_hold | release | office | in_result_stage | RESULT_PERIOD
in_result_publicity | close_publicity | system | OVER | awaiting_confirmation
awaiting_confirmation | confirm | holder | | confirmed
awaiting_confirmation | return_filing | hrss | | awaiting_confirmation
confirmed | certify | system | | certified
not_passed | re_examine | applicant office | | not_passed
received | entrust | holder | | entrusted
entrusted | register_result | holder | | result_passed>confirmed result_not_passed>not_passed
certified | revoke | holder | | revoked
in_expert_review | withdraw | holder | ballot_not_opened | withdrawn
on_hold | withdraw | holder | ballot_not_opened | withdrawn
in_employer_check | return | province | | returned
received | return | province | | returned
in_policy_review | return | province | | returned
accepted | return | province | | returned
"""
WITHDRAWABLE = (
    "in_employer_check in_publicity publicized in_routing received in_policy_review accepted "
    "returned entrusted"
)

Row = tuple[str, frozenset[str], dict[str, str]]


def expected_rows() -> dict[tuple[str, str], list[Row]]:
    """Return {(state, action): [(role, facts, {guard: target})]} as the rules say it."""
    rows: dict[tuple[str, str], list[Row]] = {}
    table = TABLE
    for short, full in SHORT.items():
        table = table.replace(short, full)
    text = table.strip().splitlines()
    text += [f"{state} | withdraw | holder | | withdrawn" for state in WITHDRAWABLE.split()]
    text += [
        f"{state} | disqualify | holder | | disqualified"
        for state in State
        if state not in {"certified", "disqualified", "revoked"}
    ]
    for line in text:
        state, action, roles, facts, targets = (part.strip() for part in line.split("|"))
        chosen = dict(
            target.split(">") if ">" in target else ("", target) for target in targets.split()
        )
        wanted = frozenset(facts.split(",")) - {""}
        for group in roles.split():
            for role in GROUPS[group]:
                rows.setdefault((state, action), []).append((role, wanted, chosen))
    return rows


EXPECTED = expected_rows()
SOURCES: list[State | None] = [None, *State]


def key(state: State | None, action: Action) -> tuple[str, str]:
    return (state.value if state else "-", action.value)


@pytest.mark.parametrize("state", SOURCES)
@pytest.mark.parametrize("action", [action for action in Action if action is not Action.REINSTATE])
def test_every_state_action_role_is_as_the_rules_say(state: State | None, action: Action) -> None:
    rows = EXPECTED.get(key(state, action), [])
    for role in ActorRole:
        mine = [row for row in rows if row[0] == role]
        if not rows:
            with pytest.raises(TransitionNotAllowedError):
                next_state(state, action, role=role, guards=dict.fromkeys(Guard, True))
            continue
        if not mine:
            with pytest.raises(ActorNotAllowedError):
                next_state(state, action, role=role, guards=dict.fromkeys(Guard, True))
            continue
        for _role, facts, targets in mine:
            for guard, target in targets.items():
                guards = dict.fromkeys(facts | ({guard} - {""}), True)
                assert next_state(state, action, role=role, guards=guards) is State(target)
        if all(facts or "" not in targets for _role, facts, targets in mine):
            with pytest.raises(TransitionNotAllowedError):
                next_state(state, action, role=role)


def test_the_table_holds_no_row_the_rules_do_not_have() -> None:
    have = {
        (key(row.source, row.action), role.value, frozenset(row.when))
        for row in TRANSITIONS
        for role in row.by
        if row.action is not Action.REINSTATE
    }
    want = {(pair, role, facts) for pair, rows in EXPECTED.items() for role, facts, _t in rows}
    assert have == want


def test_all_38_rows_and_the_notes_are_there() -> None:
    assert {row.row for row in TRANSITIONS} == set(range(39))


@pytest.mark.parametrize("before", sorted(reinstatable_states()))
def test_reinstate_goes_back_to_the_state_before_the_lapse(before: State) -> None:
    assert (
        next_state(
            State.LAPSED, Action.REINSTATE, role=ActorRole.PROVINCE_HRSS, state_before=before
        )
        is before
    )


@pytest.mark.parametrize("before", [None, State.RECEIVED, State.LAPSED, State.CERTIFIED])
def test_reinstate_needs_a_state_a_deadline_can_end(before: State | None) -> None:
    with pytest.raises(TransitionNotAllowedError):
        next_state(
            State.LAPSED, Action.REINSTATE, role=ActorRole.PROVINCE_HRSS, state_before=before
        )


@pytest.mark.parametrize("role", [role for role in ActorRole if role != "province_hrss"])
def test_only_the_province_reinstates(role: ActorRole) -> None:
    with pytest.raises(ActorNotAllowedError):
        next_state(State.LAPSED, Action.REINSTATE, role=role, state_before=State.IN_ROUTING)


def test_reinstatable_states_are_those_a_deadline_ends() -> None:
    assert reinstatable_states() == {
        State.DRAFT,
        State.IN_EMPLOYER_CHECK,
        State.IN_PUBLICITY,
        State.PUBLICIZED,
        State.IN_ROUTING,
        State.RETURNED,
        State.ON_HOLD,
    }


def test_changed_publicised_fields_come_before_the_way_back() -> None:
    guards = {Guard.PUBLICISED_FIELDS_CHANGED: True, Guard.GOES_BACK_TO_NODE: True}
    assert (
        next_state(
            State.IN_EMPLOYER_CHECK, Action.CONFIRM, role=ActorRole.UNIT_ADMIN, guards=guards
        )
        is State.IN_PUBLICITY
    )


def test_the_last_second_wins_over_the_sweep_only_with_its_proof() -> None:
    with pytest.raises(TransitionNotAllowedError):
        next_state(State.LAPSED, Action.SUBMIT, role=ActorRole.APPLICANT)


@pytest.mark.parametrize("role", list(ActorRole))
def test_nobody_edits_a_submitted_application(role: ActorRole) -> None:
    editable = {state for state in State if Action.SAVE in actions_for(state, role)}
    assert editable == ({State.DRAFT, State.RETURNED} if role == "applicant" else set())


@pytest.mark.parametrize("state", sorted(END_STATES))
def test_ends_lead_nowhere_but_to_a_finding_of_fraud(state: State) -> None:
    actions = {row.action for row in TRANSITIONS if row.source is state}
    assert actions <= {Action.DISQUALIFY, Action.RE_EXAMINE}


@pytest.mark.parametrize("role", ["system_admin", "security_admin", "audit_admin", "expert"])
def test_operators_and_single_experts_move_nothing(role: str) -> None:
    assert all(actions_for(state, ActorRole(role)) == () for state in SOURCES)


def test_every_state_can_be_reached_from_the_beginning() -> None:
    reached: set[State | None] = {None}
    while True:
        more = {
            target.state for row in TRANSITIONS if row.source in reached for target in row.targets
        }
        if more <= reached:
            break
        reached |= more
    assert reached == {None, *State}


def test_actions_for_leaves_out_what_the_facts_rule_out() -> None:
    unit = ActorRole.UNIT_ADMIN
    assert actions_for(State.ON_HOLD, unit) == (Action.RETURN, Action.DECLINE, Action.RELEASE)
    assert actions_for(State.ON_HOLD, unit, guards={}) == ()
    facts = {Guard.IN_EMPLOYER_STAGE: True}
    assert actions_for(State.ON_HOLD, unit, guards=facts) == (Action.RETURN, Action.DECLINE)


def test_actions_for_nothing_yet() -> None:
    assert actions_for(None, ActorRole.APPLICANT) == (Action.CREATE,)


def test_find_transition_tells_the_row_and_whether_a_reason_is_needed() -> None:
    row, target = find_transition(
        State.IN_ROUTING, Action.RETURN, role=ActorRole.COMPETENT_DEPARTMENT
    )
    assert (row.row, row.needs_reason, target.state) == (14, True, State.RETURNED)


@pytest.mark.parametrize(
    "action",
    ["return", "decline", "reject", "transfer", "reroute", "reinstate", "withdraw", "disqualify",
     "revoke", "hold", "release", "return_filing", "entrust"],
)  # fmt: skip
def test_what_goes_against_somebody_needs_a_reason(action: str) -> None:
    rows = [row for row in TRANSITIONS if row.action == action]
    assert rows
    assert all(row.needs_reason for row in rows)


def test_errors_speak_in_labels() -> None:
    with pytest.raises(TransitionNotAllowedError) as unknown:
        next_state(State.DRAFT, Action.REVOKE, role=ActorRole.HRSS)
    assert unknown.value.params == {"state": "Draft", "action": "Revoke the certificate"}
    with pytest.raises(ActorNotAllowedError) as forbidden:
        next_state(None, Action.CREATE, role=ActorRole.UNIT_ADMIN)
    assert forbidden.value.params == {
        "state": "Not yet created",
        "action": "Start an application",
        "role": "Unit administrator",
    }


def test_everything_has_a_label() -> None:
    assert set(STATE_LABELS) == set(State)
    assert set(ACTION_LABELS) == set(Action)
    assert set(ROLE_LABELS) == set(ActorRole)
    assert set(GUARD_MEANINGS) == set(Guard)
    for labels in (STATE_LABELS, ROLE_LABELS):
        assert len(set(labels.values())) == len(labels)


def test_every_guard_is_used() -> None:
    used = {guard for row in TRANSITIONS for guard in row.when}
    used |= {target.guard for row in TRANSITIONS for target in row.targets if target.guard}
    assert used == set(Guard)


def test_several_targets_always_have_guards_of_their_own() -> None:
    for row in TRANSITIONS:
        guards = [target.guard for target in row.targets]
        assert len(set(guards)) == len(guards)
        assert len(guards) == 1 or None not in guards


def test_transitions_for_an_unknown_pair_is_empty() -> None:
    assert transitions_for(State.REVOKED, Action.SAVE) == ()


def test_the_diagram_shows_every_arrow_once() -> None:
    lines = draw_state_diagram().splitlines()
    assert lines[0] == "stateDiagram-v2"
    assert "    [*] --> draft: create" in lines
    assert "    draft --> draft: save, pre_check" in lines
    assert "    certified --> revoked: revoke" in lines
    assert "    revoked --> [*]" in lines
    arrows = [line.split(":")[0] for line in lines[1:]]
    assert len(set(arrows)) == len(arrows)
