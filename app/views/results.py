"""评审结果和职称证书: publicity, filing, confirmation, certificates, re-examination, fraud."""

from __future__ import annotations

from typing import Any

from flask import abort, current_app
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select

from app import clock
from app.domain.errors import NotPermittedError
from app.domain.terms import FilingState, MeetingState, Outcome, TitleLevel
from app.domain.workflow import ActorRole as R
from app.domain.workflow import State
from app.extensions import db
from app.models import (
    Application,
    MeetingItem,
    ReExamination,
    ResultFiling,
    ReviewMeeting,
    TitleCertificate,
)
from app.security.actors import current_actor
from app.security.refusals import say_not_shown
from app.security.scope import read_criterion
from app.services import certificates, minutes, results
from app.views import forms as f
from app.views.base import READ, scoped
from app.views.due import settle_first
from app.views.labels import name_of, shown_as
from app.views.meetings import (
    MAX_ID,
    OUTCOME_LABELS,
    meeting_in_scope,
    pdf,
    posted_ids,
)
from app.views.menu import add_screen
from app.views.records import UNUSED, RecordView

FINDERS = (R.COMMITTEE_OFFICE, R.HRSS, R.PROVINCE_HRSS)


class FindingForm(f.PortalForm):
    """A finding in words."""

    finding = f.area(_l("Finding"), required=True, longest=2000)


class NoteForm(f.PortalForm):
    """What is wrong with a filing."""

    note = f.area(
        _l("What is wrong"), required=True, longest=2000, hint=_l("Completely, in one go.")
    )


class ResultsView(RecordView):
    """结果公示与备案, at the committee's office."""

    route_base = "/results"
    default_view = "home"
    datamodel = scoped(ReviewMeeting, "committee")
    exclude_route_methods = {*UNUSED, "add", "edit", "list", "show"}
    grants = {
        R.COMMITTEE_OFFICE: frozenset({"can_home", "can_office", "can_disqualify", "can_slip"}),
        R.PROVINCE_HRSS: frozenset({"can_home", "can_disqualify", "can_slip"}),
        R.HRSS: frozenset({"can_disqualify", "can_slip"}),
        R.SUPERVISOR: frozenset({"can_home"}),
    }

    @expose("/")
    @has_access
    def home(self) -> Any:
        """The announced meetings, with how far their results are."""
        rows = db.session.scalars(
            select(ReviewMeeting)
            .where(
                ReviewMeeting.state == MeetingState.ANNOUNCED,
                read_criterion(ReviewMeeting, current_actor()),
            )
            .order_by(ReviewMeeting.held_on.desc())
            .limit(100)
        ).all()
        counts = db.session.execute(
            select(MeetingItem.meeting_id, MeetingItem.outcome, func.count())
            .where(MeetingItem.meeting_id.in_([row.id for row in rows]))
            .group_by(MeetingItem.meeting_id, MeetingItem.outcome)
        )
        tallied = {(key, outcome): count for key, outcome, count in counts}
        return self.render_template(
            "results/home.html",
            title=_("Results"),
            meetings=[
                (
                    row,
                    tallied.get((row.id, Outcome.PASSED), 0),
                    tallied.get((row.id, Outcome.NOT_PASSED), 0),
                    results.filing_of(row.id),
                )
                for row in rows
            ],
            filing_state=name_of,
        )

    @expose("/meeting/<int:pk>")
    @has_access
    @permission_name("home")
    def meeting(self, pk: int) -> Any:
        """The results of one meeting: publicity, filing, slips."""
        row = self._acted_on(pk)
        passed = results.passed_applications(row.id)
        filing = results.filing_of(row.id)
        items = {item.application_id: item for item in row.items}
        return self.render_template(
            "results/meeting.html",
            title=_("Results of %(day)s", day=row.held_on.isoformat()),
            row=row,
            passed=[(a, results.result_publicity_of(a)) for a in passed],
            others=[i for i in items.values() if i.outcome is not Outcome.PASSED],
            filing=filing,
            may_office=self.may("can_office"),
            may_disqualify=self.may("can_disqualify"),
            open_publicity=[a for a in passed if a.state is State.PASSED],
            may_file=any(a.state is State.AWAITING_CONFIRMATION for a in passed)
            and not any(a.state in results.ON_THE_WAY for a in passed)
            and (filing is None or filing.state is not FilingState.FILED),
            outcomes=OUTCOME_LABELS,
            State=State,
            printable={State.CONFIRMED, State.CERTIFIED},
        )

    @expose("/publicize/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("office")
    def publicize(self, pk: int) -> Any:
        """Open the result publicity of the ticked applications (row 30)."""
        row = self._acted_on(pk)
        listed = {item.application_id for item in row.items}
        chosen = [key for key in posted_ids("application_ids") if key in listed]
        return self.perform(
            lambda: results.publicize_results(chosen, actor=self.actor, now=clock.now()),
            _("The result publicity of %(count)s applicants is open.", count=len(chosen)),
            self.path("meeting", row.id),
        )

    @expose("/file/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("office")
    def file(self, pk: int) -> Any:
        """File the results (row 34)."""
        row = self._acted_on(pk)
        return self.perform(
            lambda: results.file_result(row.id, actor=self.actor, now=clock.now()),
            _("The results are filed and wait for confirmation."),
            self.path("meeting", row.id),
        )

    def _acted_on(self, pk: int) -> ReviewMeeting:
        """The meeting with its results as the clock left them."""
        listed = meeting_in_scope(pk, self.actor).items
        settle_first([item.application_id for item in listed])
        return meeting_in_scope(pk, self.actor)

    @expose("/slip/<int:application_id>")
    @has_access
    def slip(self, application_id: int) -> Any:
        """评审通过确认单 as PDF."""
        row = self._application(application_id)
        return pdf(results.confirmation_slip(row), f"slip-{row.number}")

    @expose("/disqualify/<int:application_id>", methods=["GET", "POST"])
    @has_access
    def disqualify(self, application_id: int) -> Any:
        """Disqualify an application for fraud (row 38)."""
        row = self._application(application_id)
        form = FindingForm()
        return self.answer_form(
            form,
            _("Disqualify %(number)s", number=row.number),
            lambda: certificates.disqualify_application(
                row.id,
                form.finding.data,
                actor=self.actor,
                now=clock.now(),
                expected_version=form.version or None,
            ),
            lambda done: self.saved(_("%(number)s is disqualified.", number=done.number), "/work/"),
            lead=row.person.name,
            note=_("The finding is told to the applicant and kept in the credit record."),
            note_kind="warning",
            danger=True,
            submit_label=_("Disqualify"),
            back="/work/",
        )

    def _application(self, application_id: int) -> Application:
        row = (
            db.session.scalar(
                select(Application).where(
                    Application.id == application_id, read_criterion(Application, self.actor)
                )
            )
            if application_id <= MAX_ID
            else None
        )
        if row is None:
            say_not_shown(Application, application_id)
            abort(404)
        return row


class ResultFilingView(RecordView):
    """评审结果备案, at the HRSS department."""

    route_base = "/result-filings"
    datamodel = scoped(ResultFiling, "meeting")
    exclude_route_methods = {*UNUSED, "add", "edit"}
    grants = {
        R.PROVINCE_HRSS: READ | {"can_decide", "can_minutes"},
        R.HRSS: READ | {"can_decide", "can_minutes"},
        R.COMMITTEE_OFFICE: READ | {"can_decide", "can_minutes"},
        R.SUPERVISOR: READ | {"can_minutes"},
    }
    list_title = _l("Result filings")
    list_columns = ["meeting", "state", "filed_at", "decided_at"]
    order_columns = ["filed_at", "decided_at", "state"]
    search_columns = ["filed_at"]
    base_order = ("filed_at", "desc")
    label_columns = {
        "meeting": _l("Meeting"),
        "state": _l("State"),
        "filed_at": _l("Filed at"),
        "decided_at": _l("Decided at"),
    }
    formatters_columns = {"state": shown_as(FilingState)}
    record_template = "results/filing.html"

    def record_title(self, row: Any) -> str:
        return str(_("Result filing of %(day)s", day=row.meeting.held_on.isoformat()))

    def facts(self, row: Any) -> list[tuple[Any, Any]]:
        return [
            (_("Review committee"), row.meeting.committee.name),
            (_("State"), name_of(row.state)),
            (_("Filed at"), row.filed_at.strftime("%Y-%m-%d %H:%M") if row.filed_at else ""),
            (_("Decided at"), row.decided_at.strftime("%Y-%m-%d %H:%M") if row.decided_at else ""),
            (_("Note"), row.note),
            (
                _("Confirmed by"),
                certificates.confirming_department(row.meeting.committee).name,
            ),
            (_("Hash of the minutes"), row.attachments.get("minutes_sha256", "")),
            (_("Seed of the draw"), row.attachments.get("draw", {}).get("seed", "")),
        ]

    def page_actions(self, row: Any) -> list[dict[str, Any]]:
        actions: list[dict[str, Any]] = []
        if self.may("can_decide") and row.state is FilingState.FILED and self._may_decide(row):
            actions += [
                {
                    "label": _("Confirm and issue the certificates"),
                    "url": self.path("confirm", row.id),
                    "method": "post",
                    "primary": True,
                    "confirm": _("Confirm all results of this filing?"),
                },
                {
                    "label": _("Return the filing"),
                    "url": self.path("send_back", row.id),
                    "danger": True,
                },
            ]
        actions.append(
            {"label": _("Minutes (PDF)"), "url": self.path("minutes", row.id), "icon": "printer"}
        )
        return actions

    def _may_decide(self, row: Any) -> bool:
        try:
            results.require_department(row.meeting, self.actor)
        except NotPermittedError:
            return False
        return True

    def record_context(self, row: Any) -> dict[str, Any]:
        records = {each["number"]: each for each in row.attachments.get("publicity", [])}
        return {
            "applications": [
                (a, records.get(a.number, {}), certificates.certificate_of(a.id))
                for a in results.passed_applications(row.meeting_id)
            ],
            "intact": minutes.are_minutes_intact(row.meeting),
            "may_certificates": self.appbuilder.sm.has_access("can_show", "CertificateView"),
        }

    @expose("/confirm/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("decide")
    def confirm(self, pk: int) -> Any:
        """Confirm the filing and issue the certificates (rows 34, 35)."""
        settle_first([i.application_id for i in self._readable(str(pk)).meeting.items])
        row = self._readable(str(pk))
        said: list[str] = []

        def work() -> None:
            done = results.confirm_results(row.meeting_id, actor=self.actor, now=clock.now())
            said.append(
                str(
                    _("Confirmed. %(count)s certificates are issued.", count=len(done.certificates))
                )
            )
            if done.unprintable:
                names = "、".join(a.person.name for a in done.unprintable)
                said.append(
                    str(
                        _(
                            "The font cannot print the names of %(names)s; their certificates "
                            "wait.",
                            names=names,
                        )
                    )
                )

        return self.perform(work, _Said(said), self.path("show", row.id))

    @expose("/send_back/<int:pk>", methods=["GET", "POST"])
    @has_access
    @permission_name("decide")
    def send_back(self, pk: int) -> Any:
        """Return the filing to the host with the reason."""
        row = self._readable(str(pk))
        form = NoteForm()
        return self.answer_form(
            form,
            _("Return the filing"),
            lambda: results.return_filing(
                row.meeting_id, form.note.data, actor=self.actor, now=clock.now()
            ),
            lambda done: self.saved(_("The filing is returned."), self.path("show", done.id)),
            submit_label=_("Return the filing"),
            back=self.path("show", row.id),
        )

    @expose("/minutes/<int:pk>")
    @has_access
    def minutes(self, pk: int) -> Any:
        """The minutes that belong to the filing."""
        row = self._readable(str(pk))
        return pdf(minutes.minutes_pdf(row.meeting), f"minutes-{row.meeting_id}")


class _Said:
    """A message known only when the work is done."""

    def __init__(self, parts: list[str]) -> None:
        self.parts = parts

    def __str__(self) -> str:
        return " ".join(self.parts)


class CertificateView(RecordView):
    """职称证书."""

    route_base = "/certificates"
    datamodel = scoped(TitleCertificate)
    exclude_route_methods = {*UNUSED, "add", "edit"}
    grants = {
        **dict.fromkeys(FINDERS, READ | {"can_pdf", "can_revoke"}),
        **dict.fromkeys((R.UNIT_ADMIN, R.UNIT_HANDLER, R.COMPETENT_DEPARTMENT), READ | {"can_pdf"}),
        R.APPLICANT: frozenset({"can_pdf"}),
    }
    list_title = _l("Title certificates")
    list_columns = ["number", "person_name", "unit_name", "title_name", "level", "effective_on"]
    order_columns = ["number", "effective_on", "issued_at", "level"]
    search_columns = ["number", "title_name", "series_name", "plan_year", "effective_on"]
    base_order = ("issued_at", "desc")
    label_columns = {
        "number": _l("Certificate number"),
        "person_name": _l("Name"),
        "unit_name": _l("Unit"),
        "title_name": _l("Title"),
        "series_name": _l("Series"),
        "plan_year": _l("Plan year"),
        "level": _l("Level"),
        "effective_on": _l("Effective from"),
    }
    formatters_columns = {"level": shown_as(TitleLevel)}
    record_template = "results/certificate.html"

    def record_title(self, row: Any) -> str:
        return str(_("Certificate %(number)s", number=row.number))

    def facts(self, row: Any) -> list[tuple[Any, Any]]:
        return [
            (_("Name"), row.person_name),
            (_("Document number"), row.identity_mask),
            (_("Unit"), row.unit_name),
            (_("Series"), row.series_name),
            (_("Specialty"), row.specialty_name),
            (_("Title"), row.title_name),
            (_("Level"), name_of(row.level)),
            (_("Review committee"), row.committee_name),
            (_("Effective from"), row.effective_on.isoformat()),
            (_("Issued by"), certificates.issuer_of(row)),
            (_("Issued at"), row.issued_at.strftime("%Y-%m-%d %H:%M")),
            (_("Content hash"), row.content_hash),
            (_("Revoked for"), row.revocation_reason),
        ]

    def page_actions(self, row: Any) -> list[dict[str, Any]]:
        actions: list[dict[str, Any]] = [
            {
                "label": _("Certificate (PDF)"),
                "url": self.path("pdf", row.id),
                "primary": True,
                "icon": "certificate",
            },
            {"label": _("Verification page"), "url": f"/public/verify/{row.number}"},
        ]
        if self.may("can_revoke") and row.revoked_at is None:
            actions.append(
                {"label": _("Revoke"), "url": self.path("revoke", row.id), "danger": True}
            )
        return actions

    def record_context(self, row: Any) -> dict[str, Any]:
        return {"found": certificates.verify(row.number)}

    @expose("/pdf/<int:pk>")
    @has_access
    def pdf(self, pk: int) -> Any:
        """The certificate as PDF."""
        row = self._readable(str(pk))
        return pdf(
            certificates.certificate_pdf(row, public_url=current_app.config["PUBLIC_URL"]),
            f"certificate-{row.number}",
        )

    @expose("/revoke/<int:pk>", methods=["GET", "POST"])
    @has_access
    def revoke(self, pk: int) -> Any:
        """Revoke the certificate for fraud (R73)."""
        row = self._readable(str(pk))
        form = FindingForm()
        return self.answer_form(
            form,
            _("Revoke certificate %(number)s", number=row.number),
            lambda: certificates.revoke_certificate(
                row.id, form.finding.data, actor=self.actor, now=clock.now()
            ),
            lambda done: self.saved(_("The certificate is revoked."), self.path("show", done.id)),
            lead=row.person_name,
            note=_(
                "The title is lost; the person is entered in the credit record for three years."
            ),
            note_kind="warning",
            danger=True,
            submit_label=_("Revoke"),
            back=self.path("show", row.id),
        )


class ReExaminationView(RecordView):
    """复查: of the procedure only."""

    route_base = "/re_examinations"
    datamodel = scoped(ReExamination, "application")
    exclude_route_methods = {*UNUSED, "add", "edit"}
    grants = {
        R.COMMITTEE_OFFICE: READ | {"can_decide"},
        R.PROVINCE_HRSS: READ,
    }
    list_title = _l("Re-examinations")
    list_columns = ["application", "asked_at", "decided_at"]
    order_columns = ["asked_at", "decided_at"]
    search_columns = ["asked_at"]
    base_order = ("asked_at", "desc")
    label_columns = {
        "application": _l("Application"),
        "asked_at": _l("Asked at"),
        "decided_at": _l("Decided at"),
    }

    def record_title(self, row: Any) -> str:
        return str(_("Re-examination of %(number)s", number=row.application.number))

    def facts(self, row: Any) -> list[tuple[Any, Any]]:
        return [
            (_("Applicant"), row.application.person.name),
            (_("Unit"), row.application.employer.name),
            (_("Title applied for"), row.application.title_name),
            (_("Asked at"), row.asked_at.strftime("%Y-%m-%d %H:%M")),
            (_("Ground"), row.ground),
            (_("Finding"), row.finding),
            (_("Decided at"), row.decided_at.strftime("%Y-%m-%d %H:%M") if row.decided_at else ""),
        ]

    def page_actions(self, row: Any) -> list[dict[str, Any]]:
        if row.decided_at is not None:
            return []
        return self.link("decide", row.id, _("Answer"), primary=True)

    @expose("/decide/<int:pk>", methods=["GET", "POST"])
    @has_access
    def decide(self, pk: int) -> Any:
        """Answer the request with what the check of the procedure found (row 36)."""
        row = self._readable(str(pk))
        form = FindingForm()
        return self.answer_form(
            form,
            _("Answer the re-examination"),
            lambda: results.decide_re_examination(
                row.id, form.finding.data, actor=self.actor, now=clock.now()
            ),
            lambda done: self.saved(_("The answer is recorded."), self.path("show", done.id)),
            lead=row.ground,
            note=_("Only the procedure is checked; there is no new vote in the same year."),
            back=self.path("show", row.id),
        )


def register(appbuilder: Any) -> None:
    """Add the screens."""
    add_screen(
        appbuilder,
        ResultsView,
        "Results",
        label=_l("Result publicity and filing"),
        category="results",
        href="ResultsView.home",
        icon="speakerphone",
    )
    for view, name, label, icon in (
        (ResultFilingView, "Result filings", _l("Result filings"), "clipboard-check"),
        (CertificateView, "Title certificates", _l("Title certificates"), "certificate"),
        (ReExaminationView, "Re-examinations", _l("Re-examinations"), "refresh"),
    ):
        add_screen(appbuilder, view, name, label=label, category="results", icon=icon)
