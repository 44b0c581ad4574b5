"""The small form of each action on an application, and what it performs (docs/rules.md 3.2)."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import get_locale
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import HiddenField

from app.domain.errors import DomainError
from app.domain.terms import NodeKind, Outcome, ReturnTarget
from app.domain.workflow import Action, State
from app.messages import explain
from app.models import Application, Unit
from app.services import (
    certificates,
    contents,
    corrections,
    employer,
    facts,
    meetings,
    policy_review,
    publicity,
    routing,
    second_signatures,
    withdrawals,
)
from app.services.actors import Actor
from app.services.certificates import certificate_of
from app.services.committee_choice import committees_that_fit
from app.services.form_definition import PLEDGE, Label
from app.services.settings import parameter
from app.views import forms as f
from app.views.presentation import show_instant

TARGET_LABELS = {
    ReturnTarget.APPLICANT: _l("To the applicant: the content has to be corrected"),
    ReturnTarget.UNIT: _l("To the unit: its own part has to be put right"),
    ReturnTarget.NODE: _l("To a node: its opinion or seal is missing"),
}


ASKED_FOR_SECOND = _l(
    "Recorded. It takes effect when a second person of the province has approved it."
)


class ActionForm(f.PortalForm):
    """Carries the version the page showed and a key against sending twice."""

    idempotency_key = HiddenField()

    @property
    def key(self) -> str | None:
        """The key of this form, or None when it was tampered with."""
        text = (self.idempotency_key.data or "").strip()
        return text if 8 <= len(text) <= 64 and text.isascii() else None


@dataclass(frozen=True)
class Call:
    """Who acts on what, when."""

    application: Application
    actor: Actor
    now: datetime

    def common(self, form: ActionForm) -> dict[str, Any]:
        """The keyword arguments every action takes."""
        return {
            "actor": self.actor,
            "now": self.now,
            "expected_version": form.version,
            "idempotency_key": form.key,
        }


@dataclass(frozen=True)
class FormSpec:
    """How an action is asked for and performed."""

    fields: Callable[[Call], Mapping[str, Any]]
    perform: Callable[[Call, Any], Any]
    note: Callable[[Call], Any] = lambda _call: ""
    is_danger: bool = False
    done: Any = ""
    template: str = "applications/action.html"


def make_form(spec: FormSpec, call: Call) -> ActionForm:
    """The form of an action for one application, with version and key filled in when it opens."""
    form: ActionForm = type("ActionForm", (ActionForm,), dict(spec.fields(call)))()
    if not form.is_submitted():
        form.expected_version.data = str(call.application.version)
        form.idempotency_key.data = uuid.uuid4().hex
    return form


def in_words(label: Label) -> str:
    """A label of the form definition in the user's language."""
    locale = get_locale()
    return label.zh if locale is None or locale.language == "zh" else str(label)


# --------------------------------------------------------------------------- pieces


def _opinion(label: Any, *, required: bool = True, hint: Any = "") -> Any:
    return f.area(label, required=required, longest=2000, hint=hint)


def _reason(use: str) -> Any:
    def choices() -> list[tuple[str, str]]:
        return [
            ("", str(_("Please choose"))),
            *((row.code, row.name) for row in facts.reason_codes(use)),
        ]

    return f.choice(_l("Reason"), choices)


def _instant(label: Any, *, hint: Any = "", required: bool = False) -> Any:
    if required:
        return f.instant(label, hint=hint)
    return f.BeijingDateTimeField(
        label,
        [f.validators.Optional(), f._plausible_instant],
        description=hint,
        widget=f.PortalInput("datetime-local"),
    )


def _tick_posting() -> Any:
    return f.tick(
        _l("The list is also posted in the unit for the same working days"),
        hint=_l("Proof of it is uploaded before the application is forwarded."),
    )


def _tick_automatic() -> Any:
    return f.tick(
        _l("Forward automatically when the publicity ends without objection"),
        hint=_l("Needs the proof of the posting on site by the end of the publicity."),
        default=bool(parameter("auto_forward_default")),
    )


# --------------------------------------------------------------------------- unit


def _publicize_fields(_call: Call) -> dict[str, Any]:
    return {
        "opinion": _opinion(_l("Recommendation opinion of the unit")),
        "on_site_promised": _tick_posting(),
        "scheduled_for": _instant(
            _l("Open at"),
            hint=_l("Empty: now. A Saturday or Sunday is possible; Beijing time."),
        ),
        "forwards_automatically": _tick_automatic(),
    }


def _publicize(call: Call, form: Any) -> Any:
    return employer.open_publicity(
        call.application.id,
        opinion=form.opinion.data or "",
        on_site_promised=bool(form.on_site_promised.data),
        scheduled_for=form.scheduled_for.data,
        forwards_automatically=bool(form.forwards_automatically.data),
        **call.common(form),
    )


def _publicize_note(call: Call) -> Any:
    period = publicity.compute_period(call.now)
    return _(
        "Opened now, the publicity counts %(first)s to %(last)s in full and ends at 24:00 of the "
        "last day. The day it is opened does not count.",
        first=period.starts_on.isoformat(),
        last=period.ends_on.isoformat(),
    )


def _confirm_fields(call: Call) -> dict[str, Any]:
    fields = {"opinion": _opinion(_l("Opinion of the unit on the correction"))}
    if facts.has_changed_publicised(call.application):
        fields |= {
            "on_site_promised": _tick_posting(),
            "forwards_automatically": _tick_automatic(),
        }
    return fields


def _confirm_note(call: Call) -> Any:
    if facts.has_changed_publicised(call.application):
        return _(
            "A publicised field has changed: a new publicity of five working days opens, then the "
            "application goes back."
        )
    return _("No publicised field has changed: the application goes straight back.")


def _confirm(call: Call, form: Any) -> Any:
    def is_ticked(name: str) -> bool:
        return name in form and bool(form[name].data)

    return employer.confirm_correction(
        call.application.id,
        opinion=form.opinion.data or "",
        on_site_promised=is_ticked("on_site_promised"),
        forwards_automatically=is_ticked("forwards_automatically"),
        **call.common(form),
    )


def _decline_fields(_call: Call) -> dict[str, Any]:
    return {
        "reason_code": _reason("decline"),
        "reason": _opinion(_l("Explanation"), hint=_l("The applicant reads it.")),
    }


def _decline(call: Call, form: Any) -> Any:
    return employer.decline_application(
        call.application.id,
        reason_code=form.reason_code.data,
        reason=form.reason.data,
        **call.common(form),
    )


# --------------------------------------------------------------------------- return


def _return_fields(call: Call) -> dict[str, Any]:
    targets = corrections.allowed_targets(call.application, call.actor)
    fields: dict[str, Any] = {
        "target": f.choice(
            _l("Return to"), lambda: [(t.value, str(TARGET_LABELS[t])) for t in targets]
        ),
        "reason_code": _reason("return"),
    }
    if ReturnTarget.NODE in targets:
        fields["node"] = f.choice(
            _l("Which node"),
            lambda: [
                ("", str(_("Please choose"))),
                *(
                    (str(node.id), node.unit.name)
                    for node in facts.route_nodes(call.application)
                    if node.kind is not NodeKind.HOST
                ),
            ],
            required=False,
            hint=_l("Only for a return to a node."),
        )
    for key, label in _correctable(call).items():
        fields[f"defects_{key}"] = f.area(in_words(label), longest=2000)
    if set(targets) - {ReturnTarget.APPLICANT}:
        fields["defects"] = f.area(
            _l("Defects of the unit or node"), longest=2000, hint=_l("One defect a line.")
        )
    fields["note"] = f.area(_l("Remark"), longest=1000)
    fields["due_at"] = _instant(
        _l("Due"), hint=_l("Empty: as the rules say. It can only be shortened, except by the unit.")
    )
    return fields


def _correctable(call: Call) -> dict[str, Label]:
    """The sections a return may unlock; the pledge is signed anew with every submission."""
    labels = contents.section_labels(call.application)
    return {key: label for key, label in labels.items() if key != PLEDGE}


def _return(call: Call, form: Any) -> Any:
    target = ReturnTarget(form.target.data)
    keys = list(_correctable(call))
    to_applicant = target is ReturnTarget.APPLICANT
    items = [
        {"section": key, "field": "", "text": line.strip()}
        for key in keys
        for line in (form[f"defects_{key}"].data or "").splitlines()
        if line.strip()
    ]
    if not to_applicant:
        text = form.defects.data if "defects" in form else ""
        items = [
            {"section": "", "field": "", "text": line.strip()}
            for line in (text or "").splitlines()
            if line.strip()
        ]
    node = form.node.data if "node" in form else ""
    return corrections.return_application(
        call.application.id,
        target=target,
        reason_code=form.reason_code.data,
        items=items,
        unlocked_sections=list(dict.fromkeys(i["section"] for i in items)) if to_applicant else [],
        note=form.note.data or "",
        node_id=int(node) if node else None,
        due_at=form.due_at.data,
        **call.common(form),
    )


def _return_note(call: Call) -> Any:
    try:
        due = facts.show_instant(
            corrections.compute_due(call.application, call.actor, now=call.now)
        )
    except DomainError as error:
        return explain(error)
    behind = corrections.count_nodes_behind(call.application)
    text = _(
        "Name everything at once: a node and the committee may return only once. Returned now, it "
        "is due at %(due)s. Only sections with a defect are unlocked.",
        due=due,
    )
    if call.application.state is State.IN_ROUTING and behind:
        text += " " + _(
            "%(count)s more nodes need their time before %(limit)s.",
            count=behind,
            limit=facts.show_instant(facts.receipt_limit_at(call.application)),
        )
    return text


def _answer_fields(_call: Call) -> dict[str, Any]:
    return {"text": _opinion(_l("What has been put right"))}


def _answer(call: Call, form: Any) -> Any:
    return corrections.answer_return(call.application.id, text=form.text.data, **call.common(form))


# --------------------------------------------------------------------------- routing


def _forward_fields(call: Call) -> dict[str, Any]:
    is_node = call.application.state is State.IN_ROUTING
    label = _l("Opinion of your unit") if is_node else _l("Remark")
    return {"opinion": _opinion(label, required=is_node)}


def _forward_note(call: Call) -> Any:
    origin = facts.pending_origin(call.application)
    if call.application.state is State.PUBLICIZED and origin is not None:
        return _("It goes back to the place that asked for the correction.")
    node = facts.next_node(call.application)
    return _("It goes on to %(unit)s.", unit=node.unit.name)


def _forward(call: Call, form: Any) -> Any:
    return routing.forward_application(
        call.application.id, opinion=form.opinion.data or "", **call.common(form)
    )


def _reroute_fields(call: Call) -> dict[str, Any]:
    return {
        "reason_code": _reason("reroute"),
        "target": f.lookup(
            _l("Next node"),
            Unit,
            required=True,
            hint=_l("The route goes on from there up the unit tree to the committee."),
        ),
        "committee": _committee_field(call, required=False),
        "reason": _opinion(_l("Explanation")),
    }


def _committee_field(call: Call, *, required: bool) -> Any:
    def choices() -> list[tuple[str, str]]:
        fitting = committees_that_fit(call.application, on=call.now.date())
        first = _("Please choose") if required else _("Unchanged")
        return [("", str(first)), *((str(row.id), row.name) for row in fitting)]

    return f.choice(
        _l("Committee"),
        choices,
        required=required,
        hint=_l("Same plan line, valid filing for this title."),
    )


def _reroute(call: Call, form: Any) -> Any:
    return routing.reroute_application(
        call.application.id,
        target_unit_id=form.target.data.id,
        reason_code=form.reason_code.data,
        reason=form.reason.data,
        committee_id=int(form.committee.data) if form.committee.data else None,
        **call.common(form),
    )


# --------------------------------------------------------------------------- committee


def _no_fields(_call: Call) -> dict[str, Any]:
    return {}


def _start(call: Call, form: Any) -> Any:
    return policy_review.start_policy_review(call.application.id, **call.common(form))


def _accept_fields(_call: Call) -> dict[str, Any]:
    return {"opinion": _opinion(_l("Opinion of the policy review"), required=False)}


def _accept(call: Call, form: Any) -> Any:
    return policy_review.accept_application(
        call.application.id, opinion=form.opinion.data or "", **call.common(form)
    )


def _reject_fields(_call: Call) -> dict[str, Any]:
    return {
        "reason_code": _reason("reject"),
        "reason": _opinion(_l("Explanation"), hint=_l("The applicant and the unit read it.")),
    }


def _reject(call: Call, form: Any) -> Any:
    return policy_review.reject_application(
        call.application.id,
        reason_code=form.reason_code.data,
        reason=form.reason.data,
        **call.common(form),
    )


def _transfer_fields(call: Call) -> dict[str, Any]:
    return {
        "committee": _committee_field(call, required=True),
        "reason": _opinion(_l("Explanation")),
    }


def _transfer(call: Call, form: Any) -> Any:
    return policy_review.transfer_application(
        call.application.id,
        committee_id=int(form.committee.data),
        reason=form.reason.data,
        **call.common(form),
    )


def _entrust_fields(_call: Call) -> dict[str, Any]:
    return {
        "entrusted_to": f.text(_l("Entrusted to"), required=True, longest=120),
        "letter_number": f.text(_l("Number of the letter"), longest=80),
        "reason": _opinion(_l("Explanation")),
    }


def _entrust(call: Call, form: Any) -> Any:
    return policy_review.entrust_application(
        call.application.id,
        entrusted_to=form.entrusted_to.data,
        letter_number=form.letter_number.data or "",
        reason=form.reason.data,
        **call.common(form),
    )


def _register_fields(_call: Call) -> dict[str, Any]:
    return {
        "outcome": f.choice(
            _l("Outcome"),
            lambda: [
                ("", str(_("Please choose"))),
                (Outcome.PASSED.value, str(_("Passed"))),
                (Outcome.NOT_PASSED.value, str(_("Not passed"))),
            ],
        ),
        "decided_on": f.day(_l("Day of the ballot")),
        "note": f.area(_l("Remark"), longest=1000),
    }


def _register(call: Call, form: Any) -> Any:
    return policy_review.register_result(
        call.application.id,
        outcome=Outcome(form.outcome.data),
        decided_on=form.decided_on.data,
        note=form.note.data or "",
        **call.common(form),
    )


# --------------------------------------------------------------------------- endings


def _withdraw_fields(_call: Call) -> dict[str, Any]:
    return {
        "grant": f.choice(
            _l("Decision"),
            lambda: [
                ("", str(_("Please choose"))),
                ("yes", str(_("Grant the withdrawal"))),
                ("no", str(_("Refuse the withdrawal"))),
            ],
        ),
        "note": _opinion(_l("Explanation"), hint=_l("The applicant reads it.")),
    }


def _withdraw_note(call: Call) -> Any:
    request = withdrawals.open_request(call.application)
    return _("The applicant's reason: %(reason)s", reason=request.reason if request else "-")


def _withdraw(call: Call, form: Any) -> Any:
    withdrawals.check_withdraw(call.application, call.actor, now=call.now)
    request = withdrawals.open_request(call.application)
    return withdrawals.decide_withdrawal(
        request.id if request else 0,
        grant=form.grant.data == "yes",
        note=form.note.data,
        actor=call.actor,
        now=call.now,
    )


def _reinstate_fields(_call: Call) -> dict[str, Any]:
    return {
        "reason_code": _reason("reinstate"),
        "ground": _opinion(_l("Written ground")),
        "due_at": _instant(
            _l("New due date"),
            hint=_l("Takes the place of the deadline that ended it; Beijing time."),
            required=True,
        ),
    }


def _reinstate(call: Call, form: Any) -> Any:
    return second_signatures.ask_reinstatement(
        call.application.id,
        reason_code=form.reason_code.data,
        ground=form.ground.data,
        due_at=form.due_at.data,
        expected_version=form.version,
        actor=call.actor,
        now=call.now,
    )


def _reinstate_note(_call: Call) -> Any:
    return _("It takes effect when a second person of the province has approved it.")


def _finding_fields(_call: Call) -> dict[str, Any]:
    return {"finding": _opinion(_l("Finding"))}


def _finding_note(_call: Call) -> Any:
    return _("A credit record of three years is entered for the applicant.")


def _disqualify(call: Call, form: Any) -> Any:
    return certificates.disqualify_application(
        call.application.id,
        form.finding.data,
        actor=call.actor,
        now=call.now,
        expected_version=form.version,
    )


def _revoke(call: Call, form: Any) -> Any:
    certificate = certificate_of(call.application.id)
    return certificates.revoke_certificate(
        certificate.id if certificate else 0,
        form.finding.data,
        actor=call.actor,
        now=call.now,
        expected_version=form.version,
    )


def _arrange_fields(call: Call) -> dict[str, Any]:
    fields: dict[str, Any] = {"group_name": f.text(_l("Group of experts"), longest=40)}
    if call.application.committee.has_oral_defence:
        fields["defence_at"] = _instant(_l("Oral defence at"))
    if call.application.committee.representative_works:
        fields["is_sent_outside"] = f.tick(
            _l("The representative works are sent to experts outside")
        )
    return fields


def _arrange(call: Call, form: Any) -> Any:
    defence_at = form.data.get("defence_at")
    return meetings.arrange_application(
        call.application.id,
        group_name=form.group_name.data or "",
        defence_at=show_instant(defence_at),
        is_sent_outside=bool(form.data.get("is_sent_outside")),
        actor=call.actor,
        now=call.now,
        expected_version=form.version,
    )


SPECS: Mapping[Action, FormSpec] = {
    Action.PUBLICIZE: FormSpec(_publicize_fields, _publicize, _publicize_note),
    Action.CONFIRM: FormSpec(_confirm_fields, _confirm, _confirm_note),
    Action.FORWARD: FormSpec(_forward_fields, _forward, _forward_note),
    Action.START_POLICY_REVIEW: FormSpec(_no_fields, _start),
    Action.ACCEPT: FormSpec(_accept_fields, _accept),
    Action.RESUBMIT: FormSpec(_answer_fields, _answer),
    Action.ARRANGE: FormSpec(_arrange_fields, _arrange),
    Action.RETURN: FormSpec(
        _return_fields, _return, _return_note, template="applications/return.html"
    ),
    Action.REROUTE: FormSpec(_reroute_fields, _reroute),
    Action.TRANSFER: FormSpec(_transfer_fields, _transfer),
    Action.ENTRUST: FormSpec(_entrust_fields, _entrust),
    Action.REGISTER_RESULT: FormSpec(_register_fields, _register),
    Action.REINSTATE: FormSpec(
        _reinstate_fields, _reinstate, _reinstate_note, done=ASKED_FOR_SECOND
    ),
    Action.WITHDRAW: FormSpec(_withdraw_fields, _withdraw, _withdraw_note, is_danger=True),
    Action.DECLINE: FormSpec(_decline_fields, _decline, is_danger=True),
    Action.REJECT: FormSpec(_reject_fields, _reject, is_danger=True),
    Action.DISQUALIFY: FormSpec(_finding_fields, _disqualify, _finding_note, is_danger=True),
    Action.REVOKE: FormSpec(_finding_fields, _revoke, _finding_note, is_danger=True),
}
"""Every action staff perform on the record page; the others have pages of their own."""
