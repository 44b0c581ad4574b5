"""政策性审查: the committee's office checks what it has received (rows 22-26, C5)."""

from __future__ import annotations

from datetime import date, datetime

from app.domain.calendar import due_end_of
from app.domain.errors import ConflictError, RuleViolation
from app.domain.messages import N_
from app.domain.terms import DueKind, NodeKind, Outcome
from app.domain.workflow import Action, Guard, State
from app.extensions import db
from app.models import (
    Application,
    ApplicationEvent,
    Committee,
    EntrustedReview,
    PolicyReview,
)
from app.services import facts
from app.services.actors import Actor
from app.services.committee_choice import require_committee_fits
from app.services.extensions import milestone_due_at, milestone_due_on, require_milestone
from app.services.transitions import (
    Due,
    Effects,
    account_of_person,
    accounts_of_unit,
    transition,
)


def start_policy_review(
    application_id: int,
    *,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
    idempotency_key: str | None = None,
) -> ApplicationEvent:
    """Begin the check of a received application (row 22)."""

    def decide(application: Application) -> Effects:
        facts.require_not_own(application, actor)
        return Effects(
            holder_unit_id=application.committee.convener_id, due=_review_due(application)
        )

    return transition(
        application_id,
        Action.START_POLICY_REVIEW,
        actor=actor,
        now=now,
        decide=decide,
        expected_version=expected_version,
        idempotency_key=idempotency_key,
    )


def accept_application(
    application_id: int,
    *,
    opinion: str,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
    idempotency_key: str | None = None,
) -> ApplicationEvent:
    """Find the materials complete and in order; the expert review may come (row 26)."""

    def decide(application: Application) -> Effects:
        check_conclude(application, actor, now=now)
        due_on = milestone_due_on(
            application.committee_id, application.plan_line, DueKind.ONLINE_REVIEW
        )

        def apply(application: Application, _state: State) -> None:
            _record(application, "accept", actor, now, opinion=opinion)

        return Effects(
            reason=opinion.strip(),
            holder_unit_id=application.committee.convener_id,
            due=facts.make_due(DueKind.ONLINE_REVIEW, due_end_of(due_on)),
            apply=apply,
            tell=_tell(application, "accepted"),
        )

    return transition(
        application_id,
        Action.ACCEPT,
        actor=actor,
        now=now,
        decide=decide,
        expected_version=expected_version,
        idempotency_key=idempotency_key,
    )


def reject_application(
    application_id: int,
    *,
    reason_code: str,
    reason: str,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
    idempotency_key: str | None = None,
) -> ApplicationEvent:
    """End an application in the policy review, with a reason (row 24)."""

    def decide(application: Application) -> Effects:
        check_conclude(application, actor, now=now)
        chosen = facts.require_reason_code("reject", reason_code)
        text = facts.require_text(reason, N_("Say why the application is rejected."))

        def apply(application: Application, _state: State) -> None:
            _record(application, "reject", actor, now, opinion=text, reason_code=reason_code)

        return Effects(reason=text, data=chosen, apply=apply, tell=_tell(application, "rejected"))

    return transition(
        application_id,
        Action.REJECT,
        actor=actor,
        now=now,
        decide=decide,
        expected_version=expected_version,
        idempotency_key=idempotency_key,
    )


def transfer_application(
    application_id: int,
    *,
    committee_id: int,
    reason: str,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
    idempotency_key: str | None = None,
) -> ApplicationEvent:
    """转送: hand an application to the committee it belongs to (row 25).

    The target has a valid filing for the title, the same plan line, and its policy-review deadline
    is open; CommitteeRuleError otherwise.
    """

    def decide(application: Application) -> Effects:
        check_conclude(application, actor, now=now)
        text = facts.require_text(reason, N_("Say why it belongs to the other committee."))
        target = db.session.get_one(Committee, committee_id)
        if target.id == application.committee_id:
            raise RuleViolation(N_("The application is with this committee already."))
        require_committee_fits(application, target, on=now.date())
        source = application.committee
        due_on = milestone_due_on(target.id, application.plan_line, DueKind.POLICY_REVIEW)

        def apply(application: Application, _state: State) -> None:
            _record(application, "transfer", actor, now, opinion=text)
            _move(application, target)

        return Effects(
            reason=text,
            data={"from_committee": source.id, "to_committee": target.id, "name": target.name},
            holder_unit_id=target.convener_id,
            due=facts.make_due(DueKind.POLICY_REVIEW, due_end_of(due_on)),
            apply=apply,
            tell=[
                *_tell(application, "transferred"),
                *(("received", account_id) for account_id in accounts_of_unit(target.convener_id)),
            ],
        )

    return transition(
        application_id,
        Action.TRANSFER,
        actor=actor,
        now=now,
        decide=decide,
        expected_version=expected_version,
        idempotency_key=idempotency_key,
    )


def _move(application: Application, target: Committee) -> None:
    application.committee_id = target.id
    for category in application.plan_line.categories:
        if category.slug == target.category_slug:
            application.category_id = category.id
    for node in facts.route_nodes(application):
        if node.kind is NodeKind.HOST:
            node.unit_id = target.convener_id
    db.session.flush()
    db.session.expire(application, ["committee", "category"])


def check_conclude(application: Application, actor: Actor, *, now: datetime) -> None:
    """Refuse one's own application, and any conclusion after a missed milestone (rows 24-26)."""
    facts.require_not_own(application, actor)
    require_milestone(application, DueKind.POLICY_REVIEW, now=now)


def _record(
    application: Application,
    conclusion: str,
    actor: Actor,
    now: datetime,
    *,
    opinion: str,
    reason_code: str = "",
) -> None:
    if actor.account_id is None:
        return
    db.session.add(
        PolicyReview(
            application_id=application.id,
            account_id=actor.account_id,
            conclusion=conclusion,
            reason_code=reason_code,
            opinion=opinion.strip(),
            at=now,
        )
    )


def _review_due(application: Application) -> Due:
    return facts.make_due(
        DueKind.POLICY_REVIEW, milestone_due_at(application, DueKind.POLICY_REVIEW)
    )


def _tell(application: Application, kind: str) -> list[tuple[str, int]]:
    told = facts.merge(
        account_of_person(application.person_id), accounts_of_unit(application.employer_id)
    )
    return [(kind, account_id) for account_id in told]


# --------------------------------------------------------------------------- entrusted review


def entrust_application(
    application_id: int,
    *,
    entrusted_to: str,
    letter_number: str,
    reason: str,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
    idempotency_key: str | None = None,
) -> ApplicationEvent:
    """委托评审: stop the flow and record to whom the review is entrusted (C5)."""

    def decide(application: Application) -> Effects:
        facts.require_not_own(application, actor)
        outside = facts.require_text(
            entrusted_to, N_("Enter the committee the review is entrusted to.")
        )
        text = facts.require_text(reason, N_("Say why the review is entrusted."))

        def apply(application: Application, _state: State) -> None:
            db.session.add(
                EntrustedReview(
                    application_id=application.id,
                    entrusted_to=outside[:120],
                    letter_number=letter_number.strip()[:80],
                    entrusted_at=now,
                )
            )

        return Effects(
            reason=text,
            data={"entrusted_to": outside, "letter_number": letter_number.strip()},
            holder_unit_id=application.holder_unit_id,
            apply=apply,
            tell=_tell(application, "entrusted"),
        )

    return transition(
        application_id,
        Action.ENTRUST,
        actor=actor,
        now=now,
        decide=decide,
        expected_version=expected_version,
        idempotency_key=idempotency_key,
    )


def register_result(
    application_id: int,
    *,
    outcome: Outcome,
    decided_on: date,
    note: str = "",
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
    idempotency_key: str | None = None,
) -> ApplicationEvent:
    """Register the result of an entrusted review (C5)."""

    def decide(application: Application) -> Effects:
        facts.require_not_own(application, actor)
        entrusted = (
            db.session.query(EntrustedReview)
            .filter_by(application_id=application.id)
            .with_for_update()
            .one_or_none()
        )
        if entrusted is None:
            raise ConflictError(N_("No entrusted review is on file for this application."))
        first = entrusted.entrusted_at.date()
        if not first <= decided_on <= now.date():
            raise RuleViolation(
                N_("The day of the result must lie between the entrusting and today.")
            )
        has_passed = outcome is Outcome.PASSED

        def apply(application: Application, _state: State) -> None:
            entrusted.outcome = outcome
            entrusted.registered_at = now
            application.outcome = outcome
            application.decided_on = decided_on

        return Effects(
            guards={Guard.RESULT_PASSED: has_passed, Guard.RESULT_NOT_PASSED: not has_passed},
            reason=note.strip(),
            data={"outcome": outcome.value, "decided_on": decided_on.isoformat()},
            holder_unit_id=application.holder_unit_id if has_passed else None,
            apply=apply,
            tell=_tell(application, "confirmed" if has_passed else "not_passed"),
        )

    return transition(
        application_id,
        Action.REGISTER_RESULT,
        actor=actor,
        now=now,
        decide=decide,
        expected_version=expected_version,
        idempotency_key=idempotency_key,
    )
