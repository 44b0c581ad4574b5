"""The grants of every table: role × actions × rows × fields (docs/rules.md 2, docs/permissions.md).

A line says who reads or writes which rows, and which of their fields:

    read(m.Unit, subtree(m.Unit.id), *NODE_STAFF)
    read(m.Unit, EVERYTHING, *ADMINISTRATORS, fields=but("contact_name", "contact_phone_mask"))
    write(m.Unit, _unit_below, *NODE_STAFF, reach=Reach.SUBTREE)

A later line for the same role and table replaces the earlier one; `also=True` adds to it. The
scope is one of 全部 `EVERYTHING`, 本单位及下级 `subtree(column)`, 本单位 `own_unit(column)`, 本人
`own(column)` and 指定 `assigned(rule, note)`; a bare rule counts as 指定. All lines together are
united cell by cell (`guard.py`). Fields that nobody is ever shown stand in `NEVER`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import object_session

from app import models as m
from app.domain.messages import N_
from app.domain.terms import UnitKind
from app.domain.workflow import ActorRole
from app.security.guard import (
    ALL_FIELDS,
    GRANTS,
    NEVER,
    READING,
    WRITING,
    Action,
    Criterion,
    Fields,
    Grant,
    Holds,
    Reach,
    Scope,
    but,
    everything,
)
from app.security.scope import (
    EVERYTHING,
    assigned,
    in_subtree,
    own,
    own_unit,
    read_criterion,
    subtree,
    subtree_of,
)
from app.services.actors import Actor

R = ActorRole
UNIT_STAFF = (R.UNIT_ADMIN, R.UNIT_HANDLER)
NODE_STAFF = (*UNIT_STAFF, R.COMPETENT_DEPARTMENT, R.HRSS)
ALL_STAFF = (*NODE_STAFF, R.PROVINCE_HRSS, R.COMMITTEE_OFFICE)
EVERY_ROLE = tuple(ActorRole)
ADMINISTRATORS = (R.SYSTEM_ADMIN, R.SECURITY_ADMIN, R.AUDIT_ADMIN)


def read(
    model: type,
    rows: Scope | Criterion,
    *roles: ActorRole,
    fields: Fields = ALL_FIELDS,
    actions: frozenset[Action] = READING,
    also: bool = False,
) -> None:
    """Let `roles` read `fields` of the rows of `model` that `rows` names."""
    _grant(model, _as_scope(rows), roles, fields, actions, also=also)


def write(
    model: type,
    rule: Holds,
    *roles: ActorRole,
    fields: Fields = ALL_FIELDS,
    actions: frozenset[Action] = WRITING,
    reach: Reach = Reach.ASSIGNED,
    also: bool = False,
) -> None:
    """Let `roles` write `fields` of the rows of `model` for which `rule` holds; `reach` is the word
    for it."""
    reach = Reach.ALL if rule is anything else reach
    _grant(model, Scope(reach, holds=rule), roles, fields, actions, also=also)


def _as_scope(rows: Scope | Criterion) -> Scope:
    if isinstance(rows, Scope):
        return rows
    return EVERYTHING if rows is everything else Scope(Reach.ASSIGNED, rows)


def _grant(
    model: type,
    scope: Scope,
    roles: tuple[ActorRole, ...],
    fields: Fields,
    actions: frozenset[Action],
    *,
    also: bool,
) -> None:
    grants = GRANTS.setdefault(model, [])
    if not also:
        grants[:] = [
            grant
            for grant in grants
            if grant.role not in roles or grant.actions.isdisjoint(actions)
        ]
    grants.extend(Grant(role, model, actions, scope, fields) for role in roles)


def anything(_actor: Actor, _row: Any) -> bool:
    """Every row."""
    return True


def _unit_of(row: Any, attribute: str = "unit_id") -> m.Unit | None:
    session = object_session(row)
    unit_id = getattr(row, attribute)
    related = getattr(row, attribute.removesuffix("_id"), None)
    if related is not None:
        return related
    return session.get(m.Unit, unit_id) if session is not None and unit_id else None


def _below(actor: Actor, row: Any) -> bool:
    unit = _unit_of(row)
    return unit is not None and in_subtree(unit.path, actor)


def _moved(actor: Actor, row: Any) -> bool:
    """What follows from a transfer this account has decided: the affiliation in the other unit."""
    session = object_session(row)
    return session is not None and bool(
        session.scalar(
            select(m.PersonTransfer.id).where(
                m.PersonTransfer.person_id == row.person_id,
                m.PersonTransfer.to_unit_id == row.unit_id,
                m.PersonTransfer.starts_on.is_not(None),
                m.PersonTransfer.decided_by_id == actor.account_id,
            )
        )
    )


def _party(actor: Actor, row: m.PersonTransfer) -> bool:
    units = {row.from_unit_id, row.to_unit_id, row.decider_unit_id}
    return actor.unit_id in units or actor.person_id == row.person_id


def _side_of_move(actor: Actor, row: m.UnitMove) -> bool:
    return actor.unit_id in {row.unit_id, row.from_unit_id, row.to_unit_id}


def _unit_below(actor: Actor, row: m.Unit) -> bool:
    parent = _unit_of(row, "parent_id")
    if in_subtree(row.path or (parent.path if parent else None), actor):
        return True
    return parent is not None and _acts_for(actor, row, parent)


def _acts_for(actor: Actor, row: m.Unit, parent: m.Unit) -> bool:
    """A designated agency enters non-public organizations for the department above it (Annex 3)."""
    session = object_session(parent)
    own = session.get(m.Unit, actor.unit_id) if session is not None and actor.unit_id else None
    return (
        own is not None
        and own.kind is UnitKind.DESIGNATED_AGENCY
        and row.kind is UnitKind.NON_PUBLIC
        and parent.id == own.parent_id
    )


def _of_agency(actor: Actor) -> ColumnElement[bool]:
    """The non-public organizations beside a designated agency: it acts for the department above."""
    return (m.Unit.kind == UnitKind.NON_PUBLIC) & m.Unit.parent_id.in_(
        select(m.Unit.parent_id).where(
            m.Unit.id == actor.unit_id, m.Unit.kind == UnitKind.DESIGNATED_AGENCY
        )
    )


def _own_committee(actor: Actor, row: m.Committee) -> bool:
    return (row.convener_id or getattr(row.convener, "id", None)) == actor.unit_id


def _of_own_committee(actor: Actor, row: Any) -> bool:
    session = object_session(row)
    committee = row.committee or (session.get(m.Committee, row.committee_id) if session else None)
    return committee is not None and _own_committee(actor, committee)


def _reporting_unit(actor: Actor, row: m.SpecialtyProposal) -> bool:
    return actor.unit_id in {row.reporting_unit_id, getattr(row.reporting_unit, "id", None)}


# --------------------------------------------------------------------------- never shown

NEVER.update(
    {
        m.Account: frozenset({"password", "session_stamp", "changed_by", "created_by", "email"}),
        m.Person: frozenset({"identity_number", "identity_hash", "phone", "search"}),
        m.Unit: frozenset({"search", "contact_phone"}),
        m.TitleCertificate: frozenset({"identity_hash"}),
    }
)

# --------------------------------------------------------------------------- read

CONTACTS = ("contact_name", "contact_phone_mask")
"""Who answers the telephone of a unit: for those who work with it, not for administrators."""

for table in (
    m.Division,
    m.Series,
    m.ProfessionalTitle,
    m.SpecialtyGroup,
    m.Specialty,
    m.EvaluationPlan,
    m.PlanLine,
    m.PlanLineRevision,
    m.PlanCategory,
    m.HolidayYear,
    m.HolidayDay,
    m.Parameter,
    m.ReasonCode,
    m.Dictionary,
    m.DictionaryEntry,
    m.Committee,
    m.CallForApplications,
    m.MaterialRequirement,
):
    read(table, EVERYTHING, *EVERY_ROLE)
for table in (m.ShippedDefinition, m.DefinitionDraft, m.DefinitionVersion):
    read(table, EVERYTHING, R.SYSTEM_ADMIN, R.AUDIT_ADMIN, R.PROVINCE_HRSS)

read(m.Unit, EVERYTHING, R.PROVINCE_HRSS)
read(m.Unit, EVERYTHING, *ADMINISTRATORS, fields=but(*CONTACTS))
read(m.Unit, subtree(m.Unit.id), *NODE_STAFF, R.COMMITTEE_OFFICE)
read(
    m.Unit,
    assigned(
        _of_agency, N_("non-public organizations beside a designated agency, which it acts for")
    ),
    *UNIT_STAFF,
    also=True,
)
for table in (m.Account, m.PersonnelAffiliation):
    read(table, EVERYTHING, R.PROVINCE_HRSS, R.SECURITY_ADMIN)
    read(table, subtree(table.unit_id), *NODE_STAFF)
read(m.Person, EVERYTHING, R.PROVINCE_HRSS)
read(m.UnitMove, EVERYTHING, R.PROVINCE_HRSS)
read(
    m.UnitMove,
    Scope(
        Reach.SUBTREE,
        lambda a: or_(
            m.UnitMove.unit_id.in_(subtree_of(a)),
            m.UnitMove.from_unit_id.in_(subtree_of(a)),
            m.UnitMove.to_unit_id.in_(subtree_of(a)),
        ),
        note=N_("of, from or to a unit of the subtree"),
    ),
    *NODE_STAFF,
)
read(m.PersonTransfer, EVERYTHING, R.PROVINCE_HRSS)
read(
    m.PersonTransfer,
    Scope(
        Reach.SUBTREE,
        lambda a: or_(
            m.PersonTransfer.from_unit_id.in_(subtree_of(a)),
            m.PersonTransfer.to_unit_id.in_(subtree_of(a)),
        ),
        note=N_("from or to a unit of the subtree"),
    ),
    R.HRSS,
)
read(
    m.PersonTransfer,
    Scope(
        Reach.OWN_UNIT,
        lambda a: or_(
            m.PersonTransfer.from_unit_id == a.unit_id, m.PersonTransfer.to_unit_id == a.unit_id
        ),
        note=N_("from or to one's own unit"),
    ),
    *UNIT_STAFF,
    R.COMPETENT_DEPARTMENT,
)
read(m.PersonTransfer, own(m.PersonTransfer.person_id), R.APPLICANT)
read(
    m.Person,
    EVERYTHING,
    R.SECURITY_ADMIN,
    fields=but("gender", "birth_date", "retirement_on", "profile"),
)
read(
    m.Person,
    Scope(
        Reach.SUBTREE,
        lambda a: m.Person.id.in_(
            select(m.PersonnelAffiliation.person_id).where(
                m.PersonnelAffiliation.unit_id.in_(subtree_of(a)),
                m.PersonnelAffiliation.ends_on.is_(None),
            )
        ),
        note=N_("people who belong there at present"),
    ),
    *NODE_STAFF,
)
read(m.Person, own(m.Person.id), R.APPLICANT, R.EXPERT, R.CHAIR)

read(m.SpecialtyProposal, EVERYTHING, R.PROVINCE_HRSS)
read(
    m.SpecialtyProposal,
    own_unit(m.SpecialtyProposal.reporting_unit_id),
    R.COMPETENT_DEPARTMENT,
    R.COMMITTEE_OFFICE,
)
read(m.AuthorityFiling, EVERYTHING, R.PROVINCE_HRSS, R.SUPERVISOR)


def _committees_of(actor: Actor) -> Any:
    return select(m.Committee.id).where(m.Committee.convener_id == actor.unit_id)


OF_OWN_COMMITTEES = N_("of the committees one's unit convenes")

read(
    m.AuthorityFiling,
    assigned(lambda a: m.AuthorityFiling.committee_id.in_(_committees_of(a)), OF_OWN_COMMITTEES),
    R.COMMITTEE_OFFICE,
    R.HRSS,
    R.COMPETENT_DEPARTMENT,
)
read(m.Expert, EVERYTHING, R.PROVINCE_HRSS, R.SUPERVISOR)
read(
    m.Expert,
    assigned(
        lambda a: or_(
            m.Expert.id.in_(
                select(m.ExpertPoolMember.expert_id).where(
                    m.ExpertPoolMember.committee_id.in_(_committees_of(a))
                )
            ),
            m.Expert.series_id.in_(
                select(m.Committee.series_id).where(m.Committee.convener_id == a.unit_id)
            ),
        ),
        N_("in the pool of one's committees, or of their series"),
    ),
    R.COMMITTEE_OFFICE,
)

SUBMITTED = m.Application.submitted_at.is_not(None)


def _routed_through(actor: Actor) -> ColumnElement[bool]:
    return m.Application.id.in_(
        select(m.RoutingNode.application_id).where(m.RoutingNode.unit_id == actor.unit_id)
    )


def _of_unit(actor: Actor) -> ColumnElement[bool]:
    """Own people, drafts excepted: what is not submitted is the applicant's alone."""
    return SUBMITTED & (m.Application.employer_id == actor.unit_id)


def _of_node(actor: Actor) -> ColumnElement[bool]:
    """Own subtree, and what has been routed here."""
    return SUBMITTED & or_(m.Application.employer_id.in_(subtree_of(actor)), _routed_through(actor))


def _of_host(actor: Actor) -> ColumnElement[bool]:
    """What the committee has received."""
    return m.Application.delivered_at.is_not(None) & m.Application.committee_id.in_(
        _committees_of(actor)
    )


def _seated_items(actor: Actor, column: Any) -> Any:
    """Items of the convened, open or closed meetings where the actor has a seat and has pledged."""
    return (
        select(column)
        .join(m.PanelMember, m.PanelMember.meeting_id == m.MeetingItem.meeting_id)
        .join(m.ReviewMeeting, m.ReviewMeeting.id == m.MeetingItem.meeting_id)
        .join(m.Expert, m.Expert.id == m.PanelMember.expert_id)
        .where(
            m.Expert.person_id == actor.person_id,
            m.PanelMember.invitation == "accepted",
            m.PanelMember.pledged_at.is_not(None),
            m.ReviewMeeting.state.in_(("convened", "open", "closed")),
        )
    )


def _expert_files(actor: Actor) -> ColumnElement[bool]:
    """The files of assigned applications; only the works where the meeting hides identities."""
    of_items = m.Material.application_id.in_(select(m.Application.id).where(_assigned(actor)))
    return of_items & or_(
        m.Material.application_id.not_in(_hidden_items(actor)),
        m.Material.requirement_code == "representative_work",
    )


def _assigned_by_name(actor: Actor) -> ColumnElement[bool]:
    """Assigned, and no meeting of the expert hides who the applicant is."""
    return _assigned(actor) & m.Application.id.not_in(_hidden_items(actor))


def _hidden_items(actor: Actor) -> Any:
    """Items of the actor's meetings that hide identities."""
    return _seated_items(actor, m.MeetingItem.application_id).where(m.ReviewMeeting.hides_identity)


def _assigned(actor: Actor) -> ColumnElement[bool]:
    """The list of a meeting in session, for its experts who have pledged, unless recused (R66)."""
    seat = _seated_items(actor, m.MeetingItem.application_id)
    recused = (
        select(m.Recusal.application_id)
        .join(m.PanelMember, m.PanelMember.id == m.Recusal.member_id)
        .join(m.Expert, m.Expert.id == m.PanelMember.expert_id)
        .where(m.Expert.person_id == actor.person_id)
    )
    return m.Application.id.in_(seat) & m.Application.id.not_in(recused)


ONCE_SUBMITTED = N_("once submitted; a draft is the applicant's alone")
READING_ROOM = frozenset({Action.LIST, Action.SHOW, Action.DOWNLOAD, Action.ACT})
"""Experts read on the screen; they take no lists or prints of applications away."""
IDENTITY = (
    "number",
    "person",
    "employer",
    "holder_unit",
    "content",
    "versions",
    "events",
    "materials",
    "nodes",
    "publicities",
    "current_step",
)
"""What tells who the applicant is: covered where a meeting hides identities (rules D3)."""

read(m.Application, Scope(Reach.ALL, lambda _a: SUBMITTED, note=ONCE_SUBMITTED), R.PROVINCE_HRSS)
read(
    m.Application,
    Scope(
        Reach.SUBTREE,
        _of_node,
        note=N_("submitted by people of the subtree, or routed through one's unit"),
    ),
    R.HRSS,
    R.COMPETENT_DEPARTMENT,
)
read(
    m.Application,
    Scope(
        Reach.OWN_UNIT,
        lambda a: or_(_of_unit(a), SUBMITTED & _routed_through(a)),
        note=N_("submitted by one's own people, or routed through one's unit"),
    ),
    *UNIT_STAFF,
)
read(
    m.Application,
    assigned(_of_host, N_("received by the committees one's unit convenes")),
    R.COMMITTEE_OFFICE,
)
read(
    m.Application,
    assigned(_assigned_by_name, N_("on the list of a meeting one has a seat in, after the pledge")),
    R.EXPERT,
    R.CHAIR,
    actions=READING_ROOM,
)
read(
    m.Application,
    assigned(_assigned, N_("on such a list, where the meeting hides who the applicant is")),
    R.EXPERT,
    R.CHAIR,
    fields=but(*IDENTITY),
    actions=READING_ROOM,
    also=True,
)
read(m.Application, own(m.Application.person_id), R.APPLICANT)


def through_application(column: Any) -> Criterion:
    """The rows of a table whose application the same role reads."""

    def rule(actor: Actor) -> ColumnElement[bool]:
        return column.in_(select(m.Application.id).where(read_criterion(m.Application, actor)))

    return rule


def with_application(column: Any) -> Scope:
    """指定: the rows of applications one reads."""
    return assigned(through_application(column), N_("of the applications the role reads"))


for table in (
    m.Publicity,
    m.RoutingStep,
    m.CorrectionRequest,
    m.Lapse,
    m.WithdrawalRequest,
    m.Material,
    m.ApplicationVersion,
    m.ReExamination,
):
    read(table, with_application(table.application_id), *ALL_STAFF)
read(m.Material, with_application(m.Material.application_id), R.APPLICANT)
read(
    m.Material,
    assigned(_expert_files, N_("of assigned applications; works alone where names are hidden")),
    R.EXPERT,
    R.CHAIR,
    actions=READING_ROOM,
)
read(
    m.Objection,
    assigned(
        lambda a: m.Objection.publicity_id.in_(
            select(m.Publicity.id).where(through_application(m.Publicity.application_id)(a))
        ),
        N_("of the applications the role reads"),
    ),
    *ALL_STAFF,
)
read(m.ReviewMeeting, EVERYTHING, R.PROVINCE_HRSS, R.SUPERVISOR)
read(
    m.ReviewMeeting,
    assigned(lambda a: m.ReviewMeeting.committee_id.in_(_committees_of(a)), OF_OWN_COMMITTEES),
    R.COMMITTEE_OFFICE,
)
read(
    m.ReviewMeeting,
    assigned(
        lambda a: m.ReviewMeeting.id.in_(
            select(m.PanelMember.meeting_id)
            .join(m.Expert, m.Expert.id == m.PanelMember.expert_id)
            .where(m.Expert.person_id == a.person_id, m.PanelMember.invitation.is_not(None))
        ),
        N_("meetings one is invited to"),
    ),
    R.EXPERT,
    R.CHAIR,
)
read(m.ResultFiling, EVERYTHING, R.PROVINCE_HRSS, R.SUPERVISOR)
read(
    m.ResultFiling,
    assigned(
        lambda a: m.ResultFiling.meeting_id.in_(
            select(m.ReviewMeeting.id).where(m.ReviewMeeting.committee_id.in_(_committees_of(a)))
        ),
        OF_OWN_COMMITTEES,
    ),
    R.COMMITTEE_OFFICE,
)
read(
    m.ResultFiling,
    Scope(
        Reach.SUBTREE,
        lambda a: m.ResultFiling.meeting_id.in_(
            select(m.ReviewMeeting.id)
            .join(m.Committee, m.Committee.id == m.ReviewMeeting.committee_id)
            .where(m.Committee.convener_id.in_(subtree_of(a)))
        ),
        note=N_("of committees convened in the subtree"),
    ),
    R.HRSS,
)
read(m.TitleCertificate, EVERYTHING, R.PROVINCE_HRSS)
read(
    m.TitleCertificate,
    with_application(m.TitleCertificate.application_id),
    *NODE_STAFF,
    R.COMMITTEE_OFFICE,
    R.APPLICANT,
)
for table in (m.AccountProof, m.AccountSample, m.UnusualCreation, m.MisconductFinding):
    read(table, EVERYTHING, R.PROVINCE_HRSS)
    read(table, subtree(table.unit_id), R.HRSS)
for table in (m.AccountProof, m.MisconductFinding):
    read(table, subtree(table.unit_id), *UNIT_STAFF, R.COMPETENT_DEPARTMENT)
read(m.ImportProof, EVERYTHING, R.PROVINCE_HRSS)
read(
    m.ImportProof,
    Scope(
        Reach.SUBTREE,
        lambda a: m.ImportProof.job_id.in_(
            select(m.BackgroundJob.id).where(m.BackgroundJob.unit_id.in_(subtree_of(a)))
        ),
        note=N_("given by a unit of the subtree"),
    ),
    *NODE_STAFF,
)
read(m.SignatureRequest, EVERYTHING, R.PROVINCE_HRSS)
read(m.MilestoneExtension, EVERYTHING, R.PROVINCE_HRSS)
read(
    m.MilestoneExtension,
    assigned(lambda a: m.MilestoneExtension.committee_id.in_(_committees_of(a)), OF_OWN_COMMITTEES),
    R.COMMITTEE_OFFICE,
)
read(m.Notification, own(m.Notification.account_id, "account_id"), *EVERY_ROLE)
read(m.BackgroundJob, own(m.BackgroundJob.account_id, "account_id"), *EVERY_ROLE)
read(m.ConfigurationPack, EVERYTHING, R.SYSTEM_ADMIN, R.PROVINCE_HRSS)
read(m.AuditEntry, EVERYTHING, R.AUDIT_ADMIN)
read(m.AuditLink, EVERYTHING, R.AUDIT_ADMIN)
read(m.PersonalDataRead, EVERYTHING, R.AUDIT_ADMIN)
read(m.JobRun, EVERYTHING, R.SYSTEM_ADMIN, R.AUDIT_ADMIN)

# --------------------------------------------------------------------------- write

write(m.Unit, anything, R.PROVINCE_HRSS)
write(m.Unit, _unit_below, *NODE_STAFF, reach=Reach.SUBTREE)
write(m.PersonnelAffiliation, anything, R.PROVINCE_HRSS)
write(m.PersonnelAffiliation, lambda a, r: _below(a, r) or _moved(a, r), *NODE_STAFF)
write(m.UnitMove, anything, R.PROVINCE_HRSS)
write(m.UnitMove, _side_of_move, *NODE_STAFF)
write(m.PersonTransfer, anything, R.PROVINCE_HRSS)
write(m.PersonTransfer, _party, *NODE_STAFF, R.APPLICANT)
write(m.SignatureRequest, anything, R.PROVINCE_HRSS)
for table in (m.Series, m.ProfessionalTitle, m.SpecialtyGroup, m.Specialty, m.EvaluationPlan):
    write(table, anything, R.PROVINCE_HRSS)
for table in (m.PlanLine, m.PlanLineRevision, m.PlanCategory, m.PlanCategorySeries):
    write(table, anything, R.PROVINCE_HRSS)
for table in (m.HolidayYear, m.HolidayDay, m.Parameter):
    write(table, anything, R.SYSTEM_ADMIN, R.PROVINCE_HRSS)
for table in (m.AccountSample, m.UnusualCreation, m.MisconductFinding):
    write(table, anything, R.PROVINCE_HRSS)
    write(table, _below, R.HRSS, reach=Reach.SUBTREE)
write(m.AccountProof, _below, *NODE_STAFF, R.PROVINCE_HRSS, reach=Reach.SUBTREE)
for table in (m.ReasonCode, m.Dictionary, m.DictionaryEntry):
    write(table, anything, R.SYSTEM_ADMIN, R.PROVINCE_HRSS)
write(m.SpecialtyProposal, anything, R.PROVINCE_HRSS)
write(
    m.SpecialtyProposal,
    _reporting_unit,
    R.COMPETENT_DEPARTMENT,
    R.COMMITTEE_OFFICE,
    reach=Reach.OWN_UNIT,
)
write(m.Committee, anything, R.PROVINCE_HRSS)
write(m.Committee, _own_committee, R.COMMITTEE_OFFICE)
for table in (m.AuthorityFiling, m.CallForApplications, m.MaterialRequirement):
    write(table, anything, R.PROVINCE_HRSS)
    write(table, _of_own_committee, R.COMMITTEE_OFFICE)
write(m.MaterialRequirement, anything, R.SYSTEM_ADMIN)
for table in (m.Expert, m.ExpertPoolMember):
    write(table, anything, R.PROVINCE_HRSS, R.COMMITTEE_OFFICE)
write(m.Expert, lambda a, r: r.unit_id == a.unit_id or _moved(a, r), *NODE_STAFF)
