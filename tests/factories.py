"""Applications for tests in any state of the process, made by the services themselves.

`make_application(State.IN_ROUTING)` submits a demo person's application in the window of its plan
line and takes it through unit, publicity and nodes; every event, step and publicity is real.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import select

from app.domain.terms import LapseKind, ReturnTarget
from app.domain.workflow import Action, State
from app.extensions import db
from app.models import Account, Application, ApplicationVersion
from app.security.actors import actor_of
from app.services import (
    applications,
    corrections,
    employer,
    facts,
    lapses,
    materials,
    objections,
    policy_review,
    publicity,
    routes,
    routing,
)
from app.services.actors import SYSTEM, Actor
from app.services.transitions import Effects, transition
from tests.applicants import actor_named, begin_draft, fill_in, small_pdf, submit
from tests.conftest import at

SUBMITTED_AT = at("2022-08-03T10:00:00")
OPENED_AT = at("2022-08-04T10:00:00")
ENDS_AT = at("2022-08-12T00:00:00")
"""08-05, 08, 09, 10, 11 are the five full working days; over at 24:00 of the 11th."""

PUSHED_AT = at("2022-08-12T09:00:00")
NODES = ("nmhousing", "nanming", "guiyang")
"""Who passes 王敏's application on, in the order of the route."""

FORWARDED_AT = (
    at("2022-08-15T09:00:00"),
    at("2022-08-16T09:00:00"),
    at("2022-08-17T09:00:00"),
)
REVIEWED_AT = at("2022-08-18T09:00:00")
OFFICE = "office_building_senior"

ON_THE_WAY = (
    State.DRAFT,
    State.IN_EMPLOYER_CHECK,
    State.IN_PUBLICITY,
    State.PUBLICIZED,
    State.IN_ROUTING,
    State.RECEIVED,
    State.IN_POLICY_REVIEW,
    State.ACCEPTED,
)


def staff(login: str) -> Actor:
    """A demo account of the staff, by login or by its person's name."""
    row = db.session.scalar(select(Account).where(Account.username == login))
    if row is None:
        row = db.session.scalars(select(Account).where(Account.first_name == login)).one()
    return actor_of(row)


def make_application(
    state: State = State.IN_EMPLOYER_CHECK,
    *,
    person: str = "王敏",
    unit: str = "nmdesign",
    nodes: tuple[str, ...] = NODES,
    node: int = 1,
    submitted_at: datetime = SUBMITTED_AT,
    is_complete: bool = False,
) -> Application:
    """An application of a demo person in `state`; in routing it lies at the `node`-th relay node.

    With `is_complete` every section and file is there, so that a correction passes the pre-check.
    """
    application = begin_draft(person, submitted_at)
    if state is State.DRAFT:
        return application
    if is_complete:
        fill_in(application, submitted_at)
        submit(application, submitted_at, key=f"submit-{application.id}")
    else:
        _submit_unchecked(application, submitted_at)
    if state in ON_THE_WAY:
        _advance(application, state, unit, nodes, node)
    else:
        _turn_aside(application, state, unit)
    db.session.flush()
    return db.session.get_one(Application, application.id, populate_existing=True)


def _submit_unchecked(application: Application, now: datetime) -> None:
    """Freeze content and route as a submission does, without files and pre-check: faster."""
    plan = routes.plan_route(application.employer, application.committee)
    application.submitted_at = now
    version = ApplicationVersion(
        application_id=application.id,
        number=1,
        content=application.content,
        content_hash=applications.content_hash(application.content, []),
        receipt_number=f"{application.number}-01",
        submitted_at=now,
        pledge_text="本人承诺",
    )

    def apply(submitted: Application, _state: State) -> None:
        routes.freeze_route(submitted, plan)
        db.session.add(version)

    transition(
        application.id,
        Action.SUBMIT,
        actor=actor_named(application.person.name),
        now=now,
        decide=lambda found: Effects(
            holder_unit_id=found.employer_id, due=facts.unit_push_due(found), apply=apply
        ),
    )


def _advance(
    application: Application, state: State, unit: str, nodes: tuple[str, ...], node: int
) -> None:
    place = ON_THE_WAY.index(state)
    if place >= ON_THE_WAY.index(State.IN_PUBLICITY):
        post(application, unit)
    if place >= ON_THE_WAY.index(State.PUBLICIZED):
        publicity.close_publicity(application.id, now=ENDS_AT)
    if place >= ON_THE_WAY.index(State.IN_ROUTING):
        routing.forward_application(application.id, actor=staff(unit), now=PUSHED_AT)
    hops = node - 1 if state is State.IN_ROUTING else len(nodes)
    if place >= ON_THE_WAY.index(State.IN_ROUTING):
        for login, instant in list(zip(nodes, FORWARDED_AT, strict=False))[:hops]:
            forward(application, login, instant)
    if place >= ON_THE_WAY.index(State.IN_POLICY_REVIEW):
        policy_review.start_policy_review(application.id, actor=staff(OFFICE), now=REVIEWED_AT)
    if place >= ON_THE_WAY.index(State.ACCEPTED):
        policy_review.accept_application(
            application.id, opinion="符合", actor=staff(OFFICE), now=REVIEWED_AT
        )


def _turn_aside(application: Application, state: State, unit: str) -> None:
    if state is State.RETURNED:
        return_it(application, unit, SUBMITTED_AT)
    elif state is State.DECLINED:
        employer.decline_application(
            application.id,
            reason_code="not_eligible",
            reason="学历不符合",
            actor=staff(unit),
            now=OPENED_AT,
        )
    elif state is State.ON_HOLD:
        posting = post(application, unit)
        object_to(posting.id, at("2022-08-08T10:00:00"))
    elif state is State.LAPSED:
        lapse_undelivered(application)
    else:
        raise NotImplementedError(state)


# --------------------------------------------------------------------------- single moves


def post(application: Application, unit: str = "nmdesign", *, now: datetime = OPENED_AT):
    """Open the unit's publicity and upload the proof of a posting on site over the same days."""
    posting = employer.open_publicity(
        application.id,
        opinion="同意推荐",
        on_site_promised=True,
        actor=staff(unit),
        now=now,
    )
    prove(posting, unit, now=now)
    return posting


def prove(
    posting,
    unit: str = "nmdesign",
    *,
    now: datetime,
    start: date | None = None,
    end: date | None = None,
) -> None:
    """Upload the proof of the posting on site."""
    file = materials.store_file(
        small_pdf("proof"), "公示证明.pdf", allowed_types=["pdf"], max_bytes=10**6, now=now
    )
    publicity.upload_on_site_proof(
        posting.id,
        file=file,
        posted_from=start or now.date(),
        posted_to=end or posting.ends_on,
        actor=staff(unit),
        now=now,
    )


def forward(application: Application, login: str, now: datetime, **extra):
    """Pass it on as a node."""
    return routing.forward_application(
        application.id, opinion="同意推荐", actor=staff(login), now=now, **extra
    )


def return_it(
    application: Application,
    login: str,
    now: datetime,
    *,
    target: ReturnTarget = ReturnTarget.APPLICANT,
    section: str = "profile",
    **extra,
):
    """Return it for one defect."""
    return corrections.return_application(
        application.id,
        target=target,
        reason_code="badly_filled",
        items=[{"section": section, "field": "", "text": "请补充"}],
        unlocked_sections=[section],
        note="请按清单补正",
        actor=staff(login),
        now=now,
        **extra,
    )


def object_to(publicity_id: int, now: datetime, *, login: str = "孙悦"):
    """Raise a named objection."""
    return objections.raise_objection(
        publicity_id,
        body="业绩成果第一项与事实不符，可向建设单位核实",
        name="李某",
        contact="19900001234",
        actor=staff(login),
        now=now,
    )


def lapse_undelivered(application: Application):
    """Let the receipt deadline pass."""
    due_at = facts.receipt_limit_at(application)
    now = due_at.replace(minute=1)
    return lapses.lapse_application(
        application.id, LapseKind.NOT_DELIVERED, at=due_at, now=now, actor=SYSTEM
    )
