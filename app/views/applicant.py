"""我的申报: the applicant's own pages, from the choice of a committee to receipt and result (ui.md
3).
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import segno
from flask import Response, abort, current_app, flash, g, jsonify, redirect, request, url_for
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from sqlalchemy import select
from sqlalchemy.orm import joinedload
from werkzeug.datastructures import FileStorage

from app import clock
from app.domain.eligibility import Finding
from app.domain.errors import DomainError, NotPermittedError, RuleViolation
from app.domain.terms import FindingKind
from app.domain.workflow import ActorRole, State
from app.extensions import db, unit_of_work
from app.messages import explain
from app.models import Application, ApplicationVersion, Material, TitleCertificate
from app.security.actors import current_actor
from app.security.refusals import say_not_shown
from app.services import applications, documents, materials
from app.services.actors import Actor
from app.services.applications import ContentConflictError, PreCheckError
from app.services.editing import may_edit, open_correction, require_editable
from app.services.form_definition import (
    INFO,
    MATERIALS,
    PLEDGE,
    FormDefinition,
    Label,
    Section,
    read_form,
)
from app.services.form_options import load_options
from app.services.form_values import InvalidValuesError
from app.services.precheck import is_needed, missing_entries, pre_check
from app.services.windows import window_of
from app.views import applicant_forms as forms
from app.views import applicant_way as way
from app.views.applicant_choice import ChoicePages
from app.views.base import ALL, PortalView
from app.views.due import settle_first
from app.views.materials import MaterialView
from app.views.menu import add_screen

MAX_ID = 2**31 - 1
KEY_LENGTH = 80


@dataclass
class Task:
    """One line of the task list."""

    key: str
    label: str
    hint: str
    state: str
    state_label: str
    url: str


class ApplicantView(ChoicePages, PortalView):
    """One's own applications; nobody else's can be reached here."""

    route_base = "/my"
    default_view = "home"
    grants = {ActorRole.APPLICANT: ALL}

    # ------------------------------------------------------------------ overview

    @expose("/")
    @has_access
    def home(self) -> Any:
        """我的申报: the picture of the way of this year's application, and the earlier ones."""
        actor, now = self._actor(), clock.now()
        rows = db.session.scalars(
            select(Application)
            .where(Application.person_id == actor.person_id)
            .options(joinedload(Application.plan_line), joinedload(Application.committee))
            .order_by(
                Application.plan_year.desc(), Application.is_live.desc(), Application.id.desc()
            )
        ).all()
        current = rows[0] if rows and rows[0].is_live else None
        earlier = [row for row in rows if row is not current]
        return self.render_template(
            "applicant/home.html",
            title=_("My applications"),
            standing=way.describe(current, now=now) if current else None,
            button=self._main_button(current, actor, now) if current else None,
            correction=open_correction(current) if current else None,
            show_due=way.show_due,
            earlier=[way.describe(row, now=now) for row in earlier],
            steps=way.STEPS,
            window=window_of(current.plan_line) if current else None,
            now=now,
        )

    @expose("/applications/<int:application_id>/")
    @has_access
    def show(self, application_id: int) -> Any:
        """One application: where it is, what is to do, what has happened."""
        application, actor, now = self._own(application_id), self._actor(), clock.now()
        standing = way.describe(application, now=now)
        correction = open_correction(application)
        return self.render_template(
            "applicant/show.html",
            title=application.number,
            crumbs=self._crumbs(application.number),
            application=application,
            standing=standing,
            steps=way.STEPS,
            window=window_of(application.plan_line),
            tasks=self._tasks(application, actor, now) if self._is_open(application, now) else [],
            correction=correction,
            items=self._correction_items(application, correction) if correction else [],
            history=way.history(application),
            certificate=self._certificate(application),
            withdrawal_refused=applications.may_ask_withdrawal(application),
            re_examination_refused=applications.may_ask_re_examination(application),
            may_copy=standing.is_stopped or standing.state is State.CERTIFIED,
            button=self._main_button(application, actor, now),
            now=now,
        )

    def _main_button(
        self, application: Application, actor: Actor, now: datetime
    ) -> tuple[Any, str] | None:
        """The one thing to do next: (label, address)."""
        if not self._is_open(application, now):
            if application.versions:
                return _("Show the receipt"), url_for(".receipt", application_id=application.id)
            return None
        tasks = self._tasks(application, actor, now)
        todo = [t for t in tasks if t.state in {"not_started", "in_progress"} and t.key != PLEDGE]
        required = [t for t in todo if t.state == "in_progress" or not t.hint]
        if required:
            return _("Continue filling in"), required[0].url
        return _("Check and submit"), url_for(".check", application_id=application.id)

    def _is_open(self, application: Application, now: datetime) -> bool:
        state = way.shown_state(application, now=now)
        if state is State.RETURNED:
            return open_correction(application) is not None
        return state is State.DRAFT

    @staticmethod
    def _certificate(application: Application) -> TitleCertificate | None:
        return db.session.scalar(
            select(TitleCertificate).where(TitleCertificate.application_id == application.id)
        )

    def _correction_items(self, application: Application, correction: Any) -> list[dict[str, Any]]:
        form = read_form(application.form_version.definition)
        items = []
        for item in correction.items:
            key = str(item.get("section") or "")
            section = form.section(key)
            field = section.field(str(item.get("field") or "")) if section else None
            label = forms.say(section.label) if section else ""
            if field is not None:
                label += f" · {forms.say(field.label)}"
            url = self._section_url(application, key) if key in correction.unlocked_sections else ""
            anchor = f"#{item.get('field')}" if url and item.get("field") else ""
            items.append({"label": label, "text": item.get("text", ""), "url": url + anchor})
        return items

    # ------------------------------------------------------------------ task list

    def _tasks(self, application: Application, actor: Actor, now: datetime) -> list[Task]:
        form = read_form(application.form_version.definition)
        present = {
            code: len(found)
            for code, found in forms.by_place(materials.list_materials(application.id)).items()
        }
        tasks = [
            self._task(application, section, present, actor, now)
            for section in form.sections
            if section.key != PLEDGE and is_needed(section, application)
        ]
        pledge = form.section(PLEDGE)
        if pledge is not None and application.state is State.DRAFT:
            ready = all(task.state == "done" or task.hint for task in tasks)
            tasks.append(
                Task(
                    PLEDGE,
                    gettext("Integrity pledge and submission"),
                    "",
                    "not_started" if ready else "cannot_start",
                    "",
                    url_for(".check", application_id=application.id),
                )
            )
        return tasks

    def _task(
        self,
        application: Application,
        section: Section,
        present: dict[str, int],
        actor: Actor,
        now: datetime,
    ) -> Task:
        if section.key == MATERIALS:
            slots = materials.requirement_slots(application)
            missing = any(s.is_required and not present.get(s.code) for s in slots)
            begun = any(present.get(s.code) for s in slots)
            optional = not any(s.is_required for s in slots)
        else:
            missing = any(True for _found in missing_entries(section, application, present))
            begun = self._is_begun(application, section, present)
            optional = not missing and not begun
        state = "in_progress" if missing and begun else "not_started" if missing else "done"
        if not missing and optional and not begun:
            state = "not_started"
        hint = (
            gettext("Fill in if it applies to you") if optional and state == "not_started" else ""
        )
        url = self._section_url(application, section.key)
        state_label = ""
        if not may_edit(application, section.key, actor=actor, now=now):
            state, state_label, url = "cannot_start", gettext("Locked"), ""
        return Task(section.key, forms.say(section.label), hint, state, state_label, url)

    @staticmethod
    def _is_begun(application: Application, section: Section, present: dict[str, int]) -> bool:
        if application.section_versions.get(section.key):
            return True
        values = application.content.get(section.key) or {}
        typed = [values.get(f.name) for f in section.typed_fields()]
        if any(value not in (None, "", [], False) for value in typed):
            return True
        return any(code.startswith(f"{section.key}.") for code in present)

    @staticmethod
    def _section_url(application: Application, key: str) -> str:
        if key == MATERIALS:
            return url_for(".upload", application_id=application.id)
        return url_for(".section", application_id=application.id, key=key)

    # ------------------------------------------------------------------ one section

    @expose("/applications/<int:application_id>/sections/<string:key>", methods=["GET", "POST"])
    @has_access
    def section(self, application_id: int, key: str) -> Any:
        """One part of the form: show it, or save what was typed and uploaded."""
        application, actor, now = self._own(application_id), self._actor(), self._arrival()
        form = read_form(application.form_version.definition)
        section = form.section(key)
        if section is None or section not in form.pages:
            abort(404)
        if request.method == "POST":
            return self._save(application, section, actor, now)
        if not may_edit(application, key, actor=actor, now=now):
            require_editable(application, key, actor=actor, now=now)
        add_to = request.args.get("add", "")
        return self._section_page(application, section, add_to=add_to)

    def _save(self, application: Application, section: Section, actor: Actor, now: datetime) -> Any:
        typed = forms.read_typed(section, request.form)
        do, _colon, what = request.form.get("do", "next").partition(":")
        if do == "remove":
            self._drop_row(typed, what)
        faults: dict[str, list[str]] = {}
        try:
            with unit_of_work():
                applications.save_section(
                    application.id,
                    section.key,
                    typed,
                    actor=actor,
                    now=now,
                    expected_content_version=self._number("content_version"),
                )
        except InvalidValuesError as error:
            for fault in error.faults:
                faults.setdefault(fault.path, []).append(forms.say_finding(fault))
            return self._refused(application, section, typed, faults, 422, explain(error))
        except ContentConflictError as error:
            return self._refused(application, section, typed, faults, 409, explain(error))
        refused = self._keep_files(application, section, typed, actor, now)
        saved = self._own(application.id)
        if self._wants_json():
            return jsonify(
                content_version=saved.content_version,
                saved_at=self._clock_time(saved),
                refused=refused,
            )
        if refused:
            return self._section_page(saved, section, typed=typed, errors=refused), 422
        return self._after_save(saved, section, do, what)

    @staticmethod
    def _drop_row(typed: dict[str, Any], what: str) -> None:
        name, _dot, place = what.partition(".")
        if isinstance(typed.get(name), list):
            typed[name] = [row for row in typed[name] if str(row.get("place")) != place]

    def _keep_files(
        self,
        application: Application,
        section: Section,
        typed: dict[str, Any],
        actor: Actor,
        now: datetime,
    ) -> dict[str, list[str]]:
        """Store the files sent with a section, each on its own; what was refused, in words, by
        control.
        """
        refused: dict[str, list[str]] = {}
        application_id = application.id
        for control, code, file in forms.posted_files(section, typed):
            error = self._store(application_id, code, file, actor, now)
            if error:
                refused.setdefault(control, []).append(f"{file.filename}: {error}")
        return refused

    @staticmethod
    def _store(
        application_id: int, code: str, file: FileStorage, actor: Actor, now: datetime
    ) -> str:
        try:
            with unit_of_work():
                materials.add_material(
                    application_id, code, file.stream, file.filename or "", actor=actor, now=now
                )
        except DomainError as error:
            return explain(error)
        finally:
            file.close()
        return ""

    def _refused(
        self,
        application: Application,
        section: Section,
        typed: dict[str, Any],
        faults: dict[str, list[str]],
        status: int,
        message: str,
    ) -> Any:
        if self._wants_json():
            return jsonify(message=message, faults=faults), status
        fresh = self._own(application.id)
        page = self._section_page(
            fresh, section, typed=typed, errors=faults, message=message, is_conflict=status == 409
        )
        return page, status

    def _after_save(self, application: Application, section: Section, do: str, what: str) -> Any:
        if do in {"add", "remove"}:
            name = what.partition(".")[0]
            add = name if do == "add" else None
            url = url_for(".section", application_id=application.id, key=section.key, add=add)
            return redirect(f"{url}#{name}")
        time = self._clock_time(application)
        flash(
            gettext("%(part)s: saved at %(time)s.", part=forms.say(section.label), time=time),
            "success",
        )
        if do == "stay":
            return redirect(url_for(".section", application_id=application.id, key=section.key))
        return redirect(self._next_url(application, section))

    def _next_url(self, application: Application, section: Section) -> str:
        """The next part that may be changed, else the application's own page."""
        form = read_form(application.form_version.definition)
        keys = [s.key for s in form.sections if s.key != PLEDGE and is_needed(s, application)]
        actor, now = self._actor(), clock.now()
        later = keys[keys.index(section.key) + 1 :] if section.key in keys else []
        for key in later:
            if may_edit(application, key, actor=actor, now=now):
                return self._section_url(application, key)
        return url_for(".show", application_id=application.id)

    def _section_page(
        self,
        application: Application,
        section: Section,
        *,
        typed: dict[str, Any] | None = None,
        errors: dict[str, list[str]] | None = None,
        message: str = "",
        add_to: str = "",
        is_conflict: bool = False,
    ) -> str:
        form = read_form(application.form_version.definition)
        stored = application.content.get(section.key) or {}
        found = forms.by_place(materials.list_materials(application.id))
        canvas = forms.Canvas(
            section, load_options(form), found, errors or {}, stored if is_conflict else {}
        )
        fields, facts = forms.draw_section(canvas, {**stored, **(typed or {})}, add_to=add_to)
        pages = [s for s in form.sections if s.key != PLEDGE and is_needed(s, application)]
        summary = [(path, text) for path, texts in (errors or {}).items() for text in texts]
        page: str = self.render_template(
            "applicant/section.html",
            title=forms.say(section.label),
            crumbs=self._crumbs(application.number, application, forms.say(section.label)),
            application=application,
            section=section,
            help=forms.say(section.help),
            fields=fields,
            facts=facts,
            summary=summary,
            message=message,
            is_conflict=is_conflict,
            may_choose=section.key == INFO and application.state is State.DRAFT,
            place=next((i for i, s in enumerate(pages, 1) if s.key == section.key), 0),
            total=len(pages),
            correction=open_correction(application),
        )
        return page

    # ------------------------------------------------------------------ files

    @expose("/applications/<int:application_id>/materials/", methods=["GET", "POST"])
    @has_access
    def upload(self, application_id: int) -> Any:
        """The committee's material list: upload, look at, take away."""
        application, actor, now = self._own(application_id), self._actor(), self._arrival()
        require_editable(application, MATERIALS, actor=actor, now=now)
        errors: dict[str, list[str]] = {}
        if request.method == "POST":
            errors, kept = self._receive(application, actor, now)
            if self._wants_json():
                return jsonify(errors=errors, kept=kept), 422 if errors else 200
            if kept:
                flash(gettext("%(count)s files uploaded.", count=kept), "success")
            if not errors and request.form.get("do") == "next":
                return redirect(url_for(".show", application_id=application_id))
            if not errors:
                return redirect(url_for(".upload", application_id=application_id))
        page = self._materials_page(self._own(application_id), errors)
        return (page, 422) if errors else page

    def _receive(
        self, application: Application, actor: Actor, now: datetime
    ) -> tuple[dict[str, list[str]], int]:
        errors: dict[str, list[str]] = {}
        kept = 0
        application_id = application.id
        for code, files in request.files.lists():
            for file in files:
                if not file.filename:
                    continue
                error = self._store(application_id, code, file, actor, now)
                if error:
                    errors.setdefault(code, []).append(f"{file.filename}: {error}")
                else:
                    kept += 1
        return errors, kept

    def _materials_page(self, application: Application, errors: dict[str, list[str]]) -> str:
        page: str = self.render_template(
            "applicant/materials.html",
            title=_("Materials"),
            crumbs=self._crumbs(application.number, application, gettext("Materials")),
            application=application,
            slots=materials.requirement_slots(application),
            found=forms.by_place(materials.list_materials(application.id)),
            errors=errors,
            say=forms.say,
        )
        return page

    @expose(
        "/applications/<int:application_id>/materials/<int:material_id>/remove", methods=["POST"]
    )
    @has_access
    def remove_material(self, application_id: int, material_id: int) -> Any:
        """Take a file away; what was submitted before stays in its version."""
        application, actor, now = self._own(application_id), self._actor(), self._arrival()
        material = db.session.get(Material, material_id) if material_id <= MAX_ID else None
        if material is None or material.application_id != application.id:
            abort(404)
        with unit_of_work():
            removed = materials.remove_material(material_id, actor=actor, now=now)
        flash(gettext("%(name)s has been removed.", name=removed.filename), "success")
        key = (
            removed.requirement_code.split(".")[0] if "." in removed.requirement_code else MATERIALS
        )
        return redirect(self._section_url(application, key))

    # ------------------------------------------------------------------ check and submit

    @expose("/applications/<int:application_id>/check/")
    @has_access
    def check(self, application_id: int) -> Any:
        """核对页: everything as reviewers will see it, and one list of what is missing."""
        return self._check_page(self._own(application_id), clock.now())

    def _check_page(self, application: Application, now: datetime, message: str = "") -> str:
        form = read_form(application.form_version.definition)
        findings = pre_check(application, now=now)
        is_open = self._is_open(application, now)
        page: str = self.render_template(
            "applicant/check.html",
            title=_("Check your answers"),
            crumbs=self._crumbs(application.number, application, gettext("Check your answers")),
            application=application,
            answers=self._answers(application, form, now),
            requirements=materials.requirement_slots(application),
            found=forms.by_place(materials.list_materials(application.id)),
            may_change_materials=is_open
            and may_edit(application, MATERIALS, actor=self._actor(), now=now),
            refusals=self._say_findings(application, form, findings, FindingKind.REFUSAL),
            warnings=self._say_findings(application, form, findings, FindingKind.WARNING),
            window=window_of(application.plan_line),
            is_open=is_open,
            correction=open_correction(application),
            show_due=way.show_due,
            pledge=self._pledge(form),
            key=uuid.uuid4().hex,
            message=message,
            now=now,
            say=forms.say,
        )
        return page

    def _answers(
        self, application: Application, form: FormDefinition, now: datetime
    ) -> list[forms.Answers]:
        options = load_options(form)
        found = forms.by_place(materials.list_materials(application.id))
        actor = self._actor()
        shown = []
        for section in form.pages:
            if not is_needed(section, application):
                continue
            values = application.content.get(section.key) or {}
            answers = forms.read_answers(section, values, options, found)
            answers.may_change = may_edit(application, section.key, actor=actor, now=now)
            shown.append(answers)
        return shown

    def _say_findings(
        self,
        application: Application,
        form: FormDefinition,
        findings: Sequence[Finding],
        kind: FindingKind,
    ) -> list[tuple[str, str, str]]:
        """(part, sentence, address) of each finding of a kind."""
        said = []
        for finding in findings:
            if finding.kind is not kind:
                continue
            section = form.section(finding.section)
            url = self._section_url(application, finding.section) if section else ""
            anchor = finding.params.get("field")
            label = forms.say(section.label) if section else ""
            said.append(
                (label, forms.say_finding(finding), f"{url}#{anchor}" if anchor and url else url)
            )
        return said

    @staticmethod
    def _pledge(form: FormDefinition) -> str:
        section = form.section(PLEDGE)
        return forms.say(section.fields[0].label if section and section.fields else Label(""))

    @expose("/applications/<int:application_id>/submit", methods=["POST"])
    @has_access
    def submit(self, application_id: int) -> Any:
        """Submit the draft or the correction: one small request, safe to send twice."""
        now = self._arrival()
        application, actor = self._own(application_id), self._actor()
        is_correction = application.state is State.RETURNED
        perform = (
            applications.resubmit_application if is_correction else applications.submit_application
        )
        key = request.form.get("idempotency_key", "").strip()[:KEY_LENGTH] or uuid.uuid4().hex
        try:
            with unit_of_work():
                perform(
                    application_id,
                    actor=actor,
                    now=now,
                    idempotency_key=key,
                    pledged=request.form.get("pledged") == "1",
                    expected_content_version=self._number("content_version"),
                )
        except DomainError as error:
            if isinstance(error, RuleViolation):
                with unit_of_work():
                    applications.note_broken_route(application_id, actor=actor, now=now)
            return self._not_submitted(application_id, error, now)
        return redirect(url_for(".receipt", application_id=application_id))

    def _not_submitted(self, application_id: int, error: DomainError, now: datetime) -> Any:
        """Say why on the page that was left; a second click after the first has won gets the
        receipt.
        """
        application = self._own(application_id)
        if error.code == "transition_not_allowed" and application.state is State.IN_EMPLOYER_CHECK:
            return redirect(url_for(".receipt", application_id=application_id))
        if self._wants_json():
            raise error
        status = error.http_status
        message = explain(error)
        if isinstance(error, PreCheckError):
            message = gettext("Not submitted: some points below are still open.")
        return self._check_page(application, now, message), status

    # ------------------------------------------------------------------ receipt

    @expose("/applications/<int:application_id>/receipt/")
    @has_access
    def receipt(self, application_id: int) -> Any:
        """The receipt of the latest submission, or of version `?version=`; can be opened at any
        time.
        """
        application = self._own(application_id)
        version = self._version(application)
        return self.render_template(
            "applicant/receipt.html",
            title=_("Receipt"),
            crumbs=self._crumbs(application.number, application, gettext("Receipt")),
            application=application,
            version=version,
            qr=self._qr(version),
            verify_url=self._verify_url(version),
            standing=way.describe(application, now=clock.now()),
        )

    @expose("/applications/<int:application_id>/receipt.pdf")
    @has_access
    def receipt_pdf(self, application_id: int) -> Any:
        """The receipt as a PDF."""
        application = self._own(application_id)
        version = self._version(application)
        standing = way.describe(application, now=clock.now())
        pdf = documents.render_pdf(
            "receipt",
            {
                "receipt_number": version.receipt_number,
                "plan_year": str(application.plan_year),
                "person_name": application.person.name,
                "version": version.number,
                "number": application.number,
                "identity_mask": application.person.identity_mask,
                "unit_name": application.employer.name,
                "series_name": " · ".join(
                    filter(None, [application.category.name, str(application.specialty or "")])
                ),
                "title_name": application.title_name,
                "committee_name": application.committee.name,
                "submitted_at": version.submitted_at.strftime("%Y-%m-%d %H:%M:%S"),
                "next_step": str(standing.next),
                "qr": documents.qr_svg(self._verify_url(version)),
                "content_hash": version.content_hash,
            },
        )
        response = Response(pdf, mimetype="application/pdf")
        response.headers["Content-Disposition"] = (
            f'attachment; filename="{version.receipt_number}.pdf"'
        )
        return response

    def _version(self, application: Application) -> ApplicationVersion:
        wanted = request.args.get("version", type=int)
        fitting = [v for v in application.versions if wanted in {None, v.number}]
        if not fitting:
            abort(404)
        return fitting[-1]

    @staticmethod
    def _verify_url(version: ApplicationVersion) -> str:
        return f"{current_app.config['PUBLIC_URL']}/public/receipt/{version.receipt_number}"

    def _qr(self, version: ApplicationVersion) -> str:
        code = segno.make(self._verify_url(version), error="m", micro=False)
        return str(code.svg_inline(scale=4, border=2, omitsize=False))

    # ------------------------------------------------------------------ asking

    @expose("/applications/<int:application_id>/withdraw/", methods=["GET", "POST"])
    @has_access
    def withdraw(self, application_id: int) -> Any:
        """Ask for the withdrawal of the application."""
        return self._ask(
            application_id,
            title=gettext("Ask for withdrawal"),
            lead=gettext(
                "Submitted content cannot be changed or withdrawn by oneself. Whoever holds the "
                "application decides; it is possible until the ballot opens."
            ),
            done=gettext("Your request has been sent."),
            perform=applications.ask_withdrawal,
        )

    @expose("/applications/<int:application_id>/re-examination/", methods=["GET", "POST"])
    @has_access
    def re_examination(self, application_id: int) -> Any:
        """Ask for a re-examination of the procedure."""
        return self._ask(
            application_id,
            title=gettext("Ask for a procedural re-examination"),
            lead=gettext(
                "The convening unit checks whether the procedure was kept. There is no new vote in "
                "the same year."
            ),
            done=gettext("Your request has been sent."),
            perform=applications.ask_re_examination,
        )

    def _ask(self, application_id: int, *, title: str, lead: str, done: str, perform: Any) -> Any:
        settle_first([self._own(application_id).id])
        application, actor = self._own(application_id), self._actor()
        error, text = "", ""
        status = 200
        if request.method == "POST":
            text = request.form.get("text", "")
            try:
                with unit_of_work():
                    perform(application_id, text, actor=actor, now=self._arrival())
            except DomainError as refused:
                error, status = explain(refused), refused.http_status
                application = self._own(application_id)
            else:
                flash(done, "success")
                return redirect(url_for(".show", application_id=application_id))
        page = self.render_template(
            "applicant/ask.html",
            title=title,
            crumbs=self._crumbs(application.number, application, title),
            application=application,
            lead=lead,
            text=text,
            error=error,
        )
        return page, status

    # ------------------------------------------------------------------ common

    @staticmethod
    def _actor() -> Actor:
        actor = current_actor()
        if actor.person_id is None:
            raise NotPermittedError
        return actor

    @staticmethod
    def _arrival() -> datetime:
        """When the request arrived: stamped by the front, else the start of its handling."""
        return g.get("received_at") or clock.now()

    def _own(self, application_id: int) -> Application:
        """One's own application, afresh; 404 for every other."""
        if application_id > MAX_ID:
            abort(404)
        application = db.session.scalar(
            select(Application)
            .where(
                Application.id == application_id,
                Application.person_id == self._actor().person_id,
            )
            .execution_options(populate_existing=True)
        )
        if application is None:
            say_not_shown(Application, application_id)
            abort(404)
        return application

    @staticmethod
    def _number(name: str) -> int | None:
        text = request.form.get(name, "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None

    @staticmethod
    def _clock_time(application: Application) -> str:
        return application.saved_at.strftime("%H:%M:%S") if application.saved_at else ""

    @staticmethod
    def _wants_json() -> bool:
        best = request.accept_mimetypes.best_match(["text/html", "application/json"])
        return best == "application/json"

    @staticmethod
    def _crumbs(number: str, application: Application | None = None, here: str = "") -> list[Any]:
        crumbs: list[Any] = [(gettext("My applications"), url_for(".home"))]
        url = url_for(".show", application_id=application.id) if application else ""
        crumbs.append((number, url))
        return [*crumbs, (here, "")] if here else crumbs


def register(appbuilder: Any) -> None:
    """Add the applicant's pages and the download of files."""
    add_screen(
        appbuilder,
        ApplicantView,
        "My applications",
        label=_("My applications"),
        category="work",
        href="/my/",
        icon="file-text",
    )
    appbuilder.add_view_no_menu(MaterialView)
