"""Named checks of what must always hold in the database; `./portal check-invariants` runs them
all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, text

from app.domain.history import chain_hash
from app.domain.workflow import RECEIPT_BOUND_STATES, TRANSITIONS, State
from app.extensions import audit_anchor_file, audit_signing_key, db
from app.models import Application, ApplicationEvent, MeetingItem, RoutingStep
from app.services import audit_chain
from app.services.audit_anchors import AnchorKeys, read_anchors
from app.services.transitions import GENESIS, event_payload


@dataclass(frozen=True)
class Violation:
    """A row that breaks a check: its table and key, and what is wrong."""

    check: str
    row: str
    problem: str


Check = Callable[[], Iterable[tuple[str, str]]]
CHECKS: dict[str, Check] = {}


def check(function: Check) -> Check:
    """Register a check under its function's name."""
    CHECKS[function.__name__] = function
    return function


def run_checks() -> list[Violation]:
    """All violations of all checks; empty when all is well."""
    return [Violation(name, row, problem) for name, run in CHECKS.items() for row, problem in run()]


@check
def one_live_application_a_year() -> Iterable[tuple[str, str]]:
    """R30: at most one live application per person and plan year."""
    rows = db.session.execute(
        select(Application.person_id, Application.plan_year, func.count())
        .where(Application.is_live)
        .group_by(Application.person_id, Application.plan_year)
        .having(func.count() > 1)
    )
    return [(f"person {p}", f"{count} live applications in {year}") for p, year, count in rows]


@check
def events_are_chained() -> Iterable[tuple[str, str]]:
    """Each event's hash covers its content and the event before it."""
    previous: dict[int, tuple[int, str]] = {}
    wrong = []
    rows = db.session.scalars(
        select(ApplicationEvent)
        .order_by(ApplicationEvent.application_id, ApplicationEvent.seq)
        .execution_options(yield_per=1000)
    )
    for event in rows:
        seq, before = previous.get(event.application_id, (0, GENESIS))
        expected = chain_hash(before, event_payload(event))
        if event.seq != seq + 1 or event.previous_hash != before or event.hash != expected:
            wrong.append((f"application {event.application_id} event {event.seq}", "broken chain"))
        previous[event.application_id] = (event.seq, event.hash)
    return wrong


@check
def audit_log_is_chained() -> Iterable[tuple[str, str]]:
    """Every entry of the audit log is the one its link and the signed heads remember."""
    # what this very transaction has written is linked before it is looked at
    db.session.execute(text("SET CONSTRAINTS audit_entry_link IMMEDIATE"))
    db.session.execute(text("SET CONSTRAINTS audit_entry_link DEFERRED"))
    path = audit_anchor_file()
    lines = read_anchors(path, AnchorKeys(audit_signing_key())) if path.exists() else iter(())
    return [
        (f"audit number {found.number} entry {found.entry_id}", found.damage.value)
        for found in audit_chain.verify(lines).findings
    ]


@check
def events_are_allowed() -> Iterable[tuple[str, str]]:
    """Every change of state is a row of the table of transitions."""
    allowed = {
        (row.source, row.action, target.state) for row in TRANSITIONS for target in row.targets
    }
    seen = db.session.execute(
        select(
            ApplicationEvent.from_state,
            ApplicationEvent.action,
            ApplicationEvent.to_state,
            func.min(ApplicationEvent.id),
        ).group_by(ApplicationEvent.from_state, ApplicationEvent.action, ApplicationEvent.to_state)
    )
    return [
        (f"event {event_id}", f"{source} -{action}-> {target} is not in the table")
        for source, action, target, event_id in seen
        if (source, action, target) not in allowed and (source, action, None) not in allowed
    ]


@check
def state_is_the_last_event() -> Iterable[tuple[str, str]]:
    """An application's state is where its last event led."""
    last = (
        select(
            ApplicationEvent.application_id,
            ApplicationEvent.to_state,
            func.row_number()
            .over(
                partition_by=ApplicationEvent.application_id,
                order_by=ApplicationEvent.seq.desc(),
            )
            .label("place"),
        )
    ).subquery()
    rows = db.session.execute(
        select(Application.number, Application.state, last.c.to_state)
        .outerjoin(last, (last.c.application_id == Application.id) & (last.c.place == 1))
        .where(last.c.to_state.is_distinct_from(Application.state))
    )
    return [(number, f"is {state}, its last event says {said}") for number, state, said in rows]


@check
def one_open_step_a_routed_application() -> Iterable[tuple[str, str]]:
    """Exactly one open routing step while in routing."""
    open_steps = (
        select(func.count(RoutingStep.id))
        .where(RoutingStep.application_id == Application.id, RoutingStep.ended_at.is_(None))
        .scalar_subquery()
    )
    rows = db.session.execute(
        select(Application.number, open_steps).where(
            Application.state == State.IN_ROUTING, open_steps != 1
        )
    )
    return [(number, f"{count} open steps") for number, count in rows]


@check
def submitted_content_is_frozen() -> Iterable[tuple[str, str]]:
    """Every application submitted has its version and its route."""
    rows = db.session.execute(
        select(Application.number).where(
            Application.submitted_at.is_not(None),
            ~Application.versions.any() | ~Application.nodes.any(),
        )
    )
    return [(number, "no frozen version or no route") for (number,) in rows]


@check
def delivered_in_time() -> Iterable[tuple[str, str]]:
    """What is past the unit's stage and was never delivered is not beyond it."""
    rows = db.session.execute(
        select(Application.number, Application.state).where(
            Application.delivered_at.is_(None),
            Application.submitted_at.is_not(None),
            Application.state.not_in(
                [
                    *RECEIPT_BOUND_STATES,
                    State.LAPSED,
                    State.DECLINED,
                    State.WITHDRAWN,
                    State.DISQUALIFIED,
                ]
            ),
        )
    )
    return [(number, f"{state} without delivery") for number, state in rows]


@check
def ballots_match_tallies() -> Iterable[tuple[str, str]]:
    """A closed ballot's tally is what the ballot box holds."""
    rows = db.session.execute(
        text(
            "SELECT i.application_id, i.yes, i.no, i.abstain,"
            " count(*) FILTER (WHERE b.choice = 'yes'), count(*) FILTER (WHERE b.choice = 'no'),"
            " count(*) FILTER (WHERE b.choice = 'abstain')"
            " FROM meeting_item i LEFT JOIN ballot b ON b.application_id = i.application_id"
            " WHERE i.outcome IS NOT NULL GROUP BY i.id"
        )
    )
    return [
        (f"application {row[0]}", "tally and ballot box differ")
        for row in rows
        if tuple(row[1:4]) != tuple(row[4:7])
    ]


@check
def outcome_follows_the_tally() -> Iterable[tuple[str, str]]:
    """R61: passed exactly when yes votes reach two thirds of those present."""
    items: Iterable[Any] = db.session.scalars(
        select(MeetingItem).where(MeetingItem.outcome.is_not(None))
    )
    return [
        (f"meeting item {item.id}", "outcome does not follow from the tally")
        for item in items
        if (item.outcome.value == "passed") != (3 * item.yes >= 2 * item.present)
    ]


@check
def certificates_have_confirmed_results() -> Iterable[tuple[str, str]]:
    """A certificate of this portal belongs to an application certified or revoked."""
    rows = db.session.execute(
        text(
            "SELECT c.number, a.state FROM title_certificate c JOIN application a"
            " ON a.id = c.application_id WHERE a.state NOT IN ('certified', 'revoked')"
        )
    )
    return [(number, f"its application is {state}") for number, state in rows]


@check
def unit_paths_follow_parents() -> Iterable[tuple[str, str]]:
    """A unit's path is its parent's path and its own id."""
    rows = db.session.execute(
        text(
            "SELECT u.id, u.path FROM unit u LEFT JOIN unit p ON p.id = u.parent_id"
            " WHERE u.path <> coalesce(p.path, '/') || u.id || '/'"
        )
    )
    return [(f"unit {unit_id}", f"path {path}") for unit_id, path in rows]
