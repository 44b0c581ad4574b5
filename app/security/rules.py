"""The row rules of every table: role × table → rows read and rows written (docs/rules.md 2).

Scope words the staff know: 全部 everything, 本单位及下级 subtree, 本单位 own unit, 本人 self, 指定
assigned.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import object_session

from app import models as m
from app.domain.terms import UnitKind
from app.domain.workflow import ActorRole
from app.security.scope import (
    READ_RULES,
    WRITE_RULES,
    ReadRule,
    WriteRule,
    everything,
    in_subtree,
    read_criterion,
    subtree_of,
)
from app.services.actors import Actor

R = ActorRole
UNIT_STAFF = (R.UNIT_ADMIN, R.UNIT_HANDLER)
NODE_STAFF = (*UNIT_STAFF, R.COMPETENT_DEPARTMENT, R.HRSS)
ALL_STAFF = (*NODE_STAFF, R.PROVINCE_HRSS, R.COMMITTEE_OFFICE)
EVERY_ROLE = tuple(ActorRole)
ADMINISTRATORS = (R.SYSTEM_ADMIN, R.SECURITY_ADMIN, R.AUDIT_ADMIN)


def read(model: type, rule: ReadRule, *roles: ActorRole) -> None:
    """Let `roles` read the rows of `model` that `rule` names."""
    READ_RULES.setdefault(model, {}).update(dict.fromkeys(roles, rule))


def write(model: type, rule: WriteRule, *roles: ActorRole) -> None:
    """Let `roles` write the rows of `model` for which `rule` holds."""
    WRITE_RULES.setdefault(model, {}).update(dict.fromkeys(roles, rule))


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


# --------------------------------------------------------------------------- read

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
    read(table, everything, *EVERY_ROLE)

read(m.Unit, everything, R.PROVINCE_HRSS, *ADMINISTRATORS)
read(m.Unit, lambda a: m.Unit.id.in_(subtree_of(a)), *NODE_STAFF, R.COMMITTEE_OFFICE)
read(m.Unit, lambda a: or_(m.Unit.id.in_(subtree_of(a)), _of_agency(a)), *UNIT_STAFF)


def _own_unit(actor: Actor) -> Any:
    return select(m.Unit.id).where(m.Unit.id == actor.unit_id)


for table in (m.Account, m.PersonnelAffiliation):
    read(table, everything, R.PROVINCE_HRSS, *ADMINISTRATORS)
    read(table, lambda a, t=table: t.unit_id.in_(subtree_of(a)), *NODE_STAFF)  # type: ignore[misc]
read(m.PersonTransfer, everything, R.PROVINCE_HRSS)
read(
    m.PersonTransfer,
    lambda a: or_(
        m.PersonTransfer.from_unit_id.in_(subtree_of(a)),
        m.PersonTransfer.to_unit_id.in_(subtree_of(a)),
    ),
    R.HRSS,
)
read(
    m.PersonTransfer,
    lambda a: or_(
        m.PersonTransfer.from_unit_id.in_(_own_unit(a)),
        m.PersonTransfer.to_unit_id.in_(_own_unit(a)),
    ),
    *UNIT_STAFF,
    R.COMPETENT_DEPARTMENT,
)
read(m.PersonTransfer, lambda a: m.PersonTransfer.person_id == a.person_id, R.APPLICANT)
read(m.Person, everything, R.PROVINCE_HRSS, R.SECURITY_ADMIN)
read(
    m.Person,
    lambda a: m.Person.id.in_(
        select(m.PersonnelAffiliation.person_id).where(
            m.PersonnelAffiliation.unit_id.in_(subtree_of(a)),
            m.PersonnelAffiliation.ends_on.is_(None),
        )
    ),
    *NODE_STAFF,
)
read(m.Person, lambda a: m.Person.id == a.person_id, R.APPLICANT, R.EXPERT, R.CHAIR)

read(m.SpecialtyProposal, everything, R.PROVINCE_HRSS)
read(
    m.SpecialtyProposal,
    lambda a: m.SpecialtyProposal.reporting_unit_id == a.unit_id,
    R.COMPETENT_DEPARTMENT,
    R.COMMITTEE_OFFICE,
)
read(m.AuthorityFiling, everything, R.PROVINCE_HRSS, R.SUPERVISOR)


def _committees_of(actor: Actor) -> Any:
    return select(m.Committee.id).where(m.Committee.convener_id == actor.unit_id)


read(
    m.AuthorityFiling,
    lambda a: m.AuthorityFiling.committee_id.in_(_committees_of(a)),
    R.COMMITTEE_OFFICE,
    R.HRSS,
    R.COMPETENT_DEPARTMENT,
)
read(m.Expert, everything, R.PROVINCE_HRSS, R.SUPERVISOR)
read(
    m.Expert,
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
    hidden = _seated_items(actor, m.MeetingItem.application_id).where(
        m.ReviewMeeting.hides_identity
    )
    own = m.Material.application_id.in_(select(m.Application.id).where(_assigned(actor)))
    return own & or_(
        m.Material.application_id.not_in(hidden),
        m.Material.requirement_code == "representative_work",
    )


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


read(m.Application, lambda _a: SUBMITTED, R.PROVINCE_HRSS)
read(m.Application, _of_node, R.HRSS, R.COMPETENT_DEPARTMENT)
read(m.Application, lambda a: or_(_of_unit(a), SUBMITTED & _routed_through(a)), *UNIT_STAFF)
read(m.Application, _of_host, R.COMMITTEE_OFFICE)
read(m.Application, _assigned, R.EXPERT, R.CHAIR)
read(m.Application, lambda a: m.Application.person_id == a.person_id, R.APPLICANT)


def through_application(column: Any) -> ReadRule:
    """The rows of a table whose application the same role reads."""

    def rule(actor: Actor) -> ColumnElement[bool]:
        return column.in_(select(m.Application.id).where(read_criterion(m.Application, actor)))

    return rule


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
    read(
        table,
        through_application(table.application_id),
        *ALL_STAFF,
    )
read(
    m.Material,
    through_application(m.Material.application_id),
    R.APPLICANT,
)
read(m.Material, _expert_files, R.EXPERT, R.CHAIR)
read(
    m.Objection,
    lambda a: m.Objection.publicity_id.in_(
        select(m.Publicity.id).where(through_application(m.Publicity.application_id)(a))
    ),
    *ALL_STAFF,
)
read(m.ReviewMeeting, everything, R.PROVINCE_HRSS, R.SUPERVISOR)
read(
    m.ReviewMeeting,
    lambda a: m.ReviewMeeting.committee_id.in_(_committees_of(a)),
    R.COMMITTEE_OFFICE,
)
read(
    m.ReviewMeeting,
    lambda a: m.ReviewMeeting.id.in_(
        select(m.PanelMember.meeting_id)
        .join(m.Expert, m.Expert.id == m.PanelMember.expert_id)
        .where(m.Expert.person_id == a.person_id, m.PanelMember.invitation.is_not(None))
    ),
    R.EXPERT,
    R.CHAIR,
)
read(m.ResultFiling, everything, R.PROVINCE_HRSS, R.SUPERVISOR)
read(
    m.ResultFiling,
    lambda a: m.ResultFiling.meeting_id.in_(
        select(m.ReviewMeeting.id).where(m.ReviewMeeting.committee_id.in_(_committees_of(a)))
    ),
    R.COMMITTEE_OFFICE,
)
read(
    m.ResultFiling,
    lambda a: m.ResultFiling.meeting_id.in_(
        select(m.ReviewMeeting.id)
        .join(m.Committee, m.Committee.id == m.ReviewMeeting.committee_id)
        .where(m.Committee.convener_id.in_(subtree_of(a)))
    ),
    R.HRSS,
)
read(m.TitleCertificate, everything, R.PROVINCE_HRSS)
read(
    m.TitleCertificate,
    through_application(m.TitleCertificate.application_id),
    *NODE_STAFF,
    R.COMMITTEE_OFFICE,
    R.APPLICANT,
)
read(m.MilestoneExtension, everything, R.PROVINCE_HRSS)
read(
    m.MilestoneExtension,
    lambda a: m.MilestoneExtension.committee_id.in_(_committees_of(a)),
    R.COMMITTEE_OFFICE,
)
read(m.Notification, lambda a: m.Notification.account_id == a.account_id, *EVERY_ROLE)
read(m.BackgroundJob, lambda a: m.BackgroundJob.account_id == a.account_id, *EVERY_ROLE)
read(m.AuditEntry, everything, R.AUDIT_ADMIN)
read(m.PersonalDataRead, everything, R.AUDIT_ADMIN)
read(m.JobRun, everything, R.SYSTEM_ADMIN, R.AUDIT_ADMIN)

# --------------------------------------------------------------------------- write

write(m.Unit, anything, R.PROVINCE_HRSS)
write(m.Unit, _unit_below, *NODE_STAFF)
write(m.PersonnelAffiliation, anything, R.PROVINCE_HRSS)
write(m.PersonnelAffiliation, lambda a, r: _below(a, r) or _moved(a, r), *NODE_STAFF)
write(m.PersonTransfer, anything, R.PROVINCE_HRSS)
write(m.PersonTransfer, _party, *NODE_STAFF, R.APPLICANT)
for table in (m.Series, m.ProfessionalTitle, m.SpecialtyGroup, m.Specialty, m.EvaluationPlan):
    write(table, anything, R.PROVINCE_HRSS)
for table in (m.PlanLine, m.PlanLineRevision, m.PlanCategory, m.PlanCategorySeries):
    write(table, anything, R.PROVINCE_HRSS)
for table in (m.HolidayYear, m.HolidayDay, m.Parameter):
    write(table, anything, R.SYSTEM_ADMIN, R.PROVINCE_HRSS)
for table in (m.ReasonCode, m.Dictionary, m.DictionaryEntry):
    write(table, anything, R.SYSTEM_ADMIN, R.PROVINCE_HRSS)
write(m.SpecialtyProposal, anything, R.PROVINCE_HRSS)
write(m.SpecialtyProposal, _reporting_unit, R.COMPETENT_DEPARTMENT, R.COMMITTEE_OFFICE)
write(m.Committee, anything, R.PROVINCE_HRSS)
write(m.Committee, _own_committee, R.COMMITTEE_OFFICE)
for table in (m.AuthorityFiling, m.CallForApplications, m.MaterialRequirement):
    write(table, anything, R.PROVINCE_HRSS)
    write(table, _of_own_committee, R.COMMITTEE_OFFICE)
for table in (m.Expert, m.ExpertPoolMember):
    write(table, anything, R.PROVINCE_HRSS, R.COMMITTEE_OFFICE)
write(m.Expert, lambda a, r: r.unit_id == a.unit_id or _moved(a, r), *NODE_STAFF)
