"""The names of the closed vocabularies in the user's language, and choices made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any

from flask import Flask
from flask_babel import gettext

from app.domain import terms as t
from app.domain.labels import (
    APPLICANT_KIND_LABELS,
    DOCUMENT_LABELS,
    LEVEL_LABELS,
    UNIT_KIND_LABELS,
)
from app.domain.messages import N_
from app.domain.workflow import ROLE_LABELS, ActorRole
from app.security.veil import Hidden
from app.services import second_signatures, transfers
from app.services.background_jobs import JOB_STATE_LABELS

LABELS: Mapping[type[Enum], Mapping[Any, str]] = {
    ActorRole: ROLE_LABELS,
    t.JobState: JOB_STATE_LABELS,
    t.UnitKind: UNIT_KIND_LABELS,
    t.AdministrativeLevel: LEVEL_LABELS,
    t.AccountKind: {
        t.AccountKind.UNIT: N_("Unit account"),
        t.AccountKind.PERSONAL: N_("Personal account"),
    },
    t.IdentityDocument: DOCUMENT_LABELS,
    t.ApplicantKind: APPLICANT_KIND_LABELS,
    t.TitleLevel: {
        t.TitleLevel.SENIOR: N_("Senior level"),
        t.TitleLevel.ASSOCIATE_SENIOR: N_("Associate senior level"),
        t.TitleLevel.INTERMEDIATE: N_("Intermediate level"),
        t.TitleLevel.ASSISTANT: N_("Assistant level"),
        t.TitleLevel.TECHNICIAN: N_("Technician level"),
    },
    t.CommitteeLevel: {
        t.CommitteeLevel.SENIOR: N_("Senior committee"),
        t.CommitteeLevel.INTERMEDIATE: N_("Intermediate committee"),
        t.CommitteeLevel.JUNIOR: N_("Junior committee"),
    },
    t.CommitteeScope: {
        t.CommitteeScope.SERIES: N_("Formed by series"),
        t.CommitteeScope.SPECIALTY: N_("Formed by specialty"),
    },
    t.FilingState: {
        t.FilingState.DRAFT: N_("Draft"),
        t.FilingState.FILED: N_("Filed, awaiting approval"),
        t.FilingState.APPROVED: N_("Approved"),
        t.FilingState.RETURNED: N_("Returned"),
    },
    t.CallState: {
        t.CallState.DRAFT: N_("Draft"),
        t.CallState.PUBLISHED: N_("Published"),
    },
    t.ProposalState: {
        t.ProposalState.DRAFT: N_("Draft"),
        t.ProposalState.REPORTED: N_("Reported"),
        t.ProposalState.ADOPTED: N_("Adopted"),
        t.ProposalState.RETURNED: N_("Returned"),
        t.ProposalState.NEXT_YEAR: N_("For next year"),
    },
    t.SpecialtyOrigin: {
        t.SpecialtyOrigin.DIRECTIVE: N_("Annex 2 of the notice"),
        t.SpecialtyOrigin.PROPOSAL: N_("Collection form"),
        t.SpecialtyOrigin.DEMO: N_("Demonstration"),
    },
    t.MoveState: {
        t.MoveState.ASKED: N_("Waits for consent"),
        t.MoveState.DONE: N_("Moved"),
        t.MoveState.REFUSED: N_("Move refused"),
        t.MoveState.WITHDRAWN: N_("Request withdrawn"),
        t.MoveState.EXPIRED: N_("Request expired"),
    },
    t.PanelRole: {
        t.PanelRole.CHAIR: N_("Chair"),
        t.PanelRole.VICE_CHAIR: N_("Vice-chair"),
        t.PanelRole.MEMBER: N_("Member"),
        t.PanelRole.RESERVE: N_("Reserve"),
    },
    t.RouteGap: {
        t.RouteGap.NO_SUPERIOR: N_("Has no superior unit"),
        t.RouteGap.NOT_ACTIVE: N_("Not active"),
        t.RouteGap.NOT_ENTERED: N_("Not entered"),
        t.RouteGap.ABOVE_ITSELF: N_("Stands above itself"),
    },
    t.TransferState: transfers.STATE_LABELS,
    t.SampleState: {
        t.SampleState.OPEN: N_("Not checked yet"),
        t.SampleState.ASKED: N_("Unit asked for proof"),
        t.SampleState.IN_ORDER: N_("In order"),
        t.SampleState.FINDING: N_("Misconduct"),
    },
    t.UnusualKind: {
        t.UnusualKind.DAY: N_("in one day"),
        t.UnusualKind.YEAR: N_("in one year"),
    },
    t.SignatureState: second_signatures.STATE_LABELS,
    t.SignedAct: second_signatures.ACT_LABELS,
    t.DayKind: {
        t.DayKind.HOLIDAY: N_("Holiday"),
        t.DayKind.MAKEUP_WORKDAY: N_("Make-up workday"),
    },
    t.PeopleFilter: {
        t.PeopleFilter.EVERYBODY: N_("Everybody"),
        t.PeopleFilter.PRIVATE_ECONOMY: N_("People of the private economy"),
    },
}


def name_of(member: Enum | Hidden | None) -> str:
    """The name of a member in the user's language; empty for None, 无权查看 for a hidden one."""
    if member is None:
        return ""
    if isinstance(member, Hidden):
        return str(member)
    return str(gettext(LABELS[type(member)][member]))


def shown_as(enum: type[Enum]) -> Callable[[Any], str]:
    """A formatter for list columns of `enum`: FAB hands over members or their values."""

    def show(value: Any) -> str:
        return name_of(enum(value)) if value is not None and value != "" else ""

    return show


def choices_of(members: Iterable[Enum], *, blank: str | None = None) -> list[tuple[str, str]]:
    """(value, name) pairs for a drop-down, translated now; `blank` puts an empty choice first."""
    pairs = [(str(member.value), name_of(member)) for member in members]
    return pairs if blank is None else [("", blank), *pairs]


def register(app: Flask) -> None:
    """Add the filter `term`: {{ unit.kind|term }}."""
    app.add_template_filter(name_of, "term")
