"""批量创建: accounts from Excel in five steps - template, upload, check, creation, hand-out."""

from __future__ import annotations

from typing import Any

from flask import abort, redirect, request
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select

from app import clock
from app.domain.messages import N_
from app.domain.sheets import LAYOUTS, SheetLayout
from app.domain.terms import JobFilePurpose, JobState, RowOutcome
from app.domain.workflow import ActorRole as R
from app.extensions import db, unit_of_work
from app.messages import say
from app.models import BackgroundJob, ImportProof, ImportRow
from app.services.imports import hand_out, importing, template
from app.services.imports.error_file import say_problems
from app.services.job_files import XLSX, find_job_file
from app.services.settings import parameter
from app.services.units import allowed_kinds
from app.views import forms as f
from app.views.background_jobs import say_outcome, send_content
from app.views.base import is_key, scoped
from app.views.menu import add_screen
from app.views.presentation import show_instant
from app.views.records import UNUSED, RecordView
from app.views.widgets import PortalFileInput

CREATORS = (R.PROVINCE_HRSS, R.HRSS, R.COMPETENT_DEPARTMENT, R.UNIT_ADMIN, R.UNIT_HANDLER)
MAY = frozenset({"can_home", "can_template", "can_new", "can_check", "can_confirm", "can_codes"})
ROWS_A_PAGE = 50

LEADS = {
    "people": N_("One row for each of your own people; each gets an account and a random code."),
    "units": N_("One row for each unit directly below yours; each gets a unit account."),
    "legacy_units": N_("Units that had an account in 2021; they are never created again."),
    "legacy_people": N_("People who had an account in 2021; they are never created again."),
}
STEPS = (
    ("template", _l("Download the template")),
    ("upload", _l("Upload")),
    ("check", _l("Check the rows")),
    ("write", _l("Create")),
    ("hand_out", _l("Hand out")),
)
OUTCOMES = {
    RowOutcome.NEW: _l("New"),
    RowOutcome.UNCHANGED: _l("Exists already, unchanged"),
    RowOutcome.CHANGED: _l("Changed"),
    RowOutcome.FAILING: _l("With problems"),
}
RESULTS = {
    RowOutcome.NEW: _l("Created"),
    RowOutcome.UNCHANGED: _l("Exists already, unchanged"),
    RowOutcome.CHANGED: _l("Changed"),
    RowOutcome.FAILING: _l("Not taken over"),
}


class UploadForm(f.PortalForm):
    """The filled-in template."""

    file = f.upload(_l("Filled-in template"), accept=".xlsx", max_bytes=0)


class ConfirmForm(f.PortalForm):
    """Confirms the dry run of units and of accounts of 2021."""


class ConfirmPeopleForm(ConfirmForm):
    """Confirms the dry run of the own people, with the statement of Annex 3."""

    declared = f.tick(
        _l("I declare that all people of this file belong to our unit"),
        required=True,
        hint=_l(
            "Annex 3: creating personal accounts for people of other units counts as misconduct."
        ),
    )
    proofs = f.upload(
        _l("Proof of belonging (up to 5 files)"),
        accept=".pdf,.jpg,.jpeg,.png",
        max_bytes=importing.PROOF_BYTES,
        hint=_l("Social insurance list or contracts; kept for the samples of the HRSS department."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.proofs.widget.multiple = True


class ImportView(RecordView):
    """批量创建."""

    route_base = "/imports"
    default_view = "home"
    datamodel = scoped(BackgroundJob)
    class_permission_name = "Bulk creation"
    exclude_route_methods = {*UNUSED, "add", "edit", "list", "show"}
    grants = dict.fromkeys(CREATORS, MAY)

    @expose("/")
    @has_access
    def home(self) -> Any:
        """What can be created from Excel, and the own imports of late."""
        layouts = self._layouts()
        kinds = [importing.kind_of(layout) for layout in LAYOUTS.values()]
        late = db.session.scalars(
            select(BackgroundJob)
            .where(BackgroundJob.account_id == self.actor.account_id, BackgroundJob.kind.in_(kinds))
            .order_by(BackgroundJob.id.desc())
            .limit(10)
        ).all()
        return self.render_template(
            "imports/home.html",
            title=_("Bulk creation"),
            steps=STEPS,
            layouts=[(layout, say(layout.title), say(LEADS[layout.word])) for layout in layouts],
            limits=template.limits(say),
            late=[(job, say(importing.layout_of_job(job).title), say_outcome(job)) for job in late],
        )

    @expose("/template/<word>")
    @has_access
    def template(self, word: str) -> Any:
        """The template, made from the configuration of this moment."""
        layout = self._layout(word)
        content = template.build_template(layout, say, actor=self.actor)
        return send_content(content, f"{say(layout.title)}.xlsx", XLSX)

    @expose("/new/<word>", methods=["GET", "POST"])
    @has_access
    def new(self, word: str) -> Any:
        """Upload a filled-in template; its rows are checked in the background."""
        layout = self._layout(word)
        form = UploadForm()
        most = int(parameter("import_most_megabytes")) * 1024 * 1024
        form.file.widget = PortalFileInput(accept=".xlsx", max_bytes=most)
        given = f.read_upload("file", most)
        now = clock.now()
        return self.answer_form(
            form,
            say(layout.title),
            lambda: importing.ask_import(layout, *(given or ("", b"")), actor=self.actor, now=now),
            lambda job: redirect(self.path("check", job.id), 303),
            template="imports/new.html",
            lead=_("Nothing is written before you confirm it."),
            submit_label=_("Upload and check"),
            back=self.path(""),
            steps=STEPS,
            limits=template.limits(say),
        )

    @expose("/check/<pk>", methods=["GET"])
    @has_access
    def check(self, pk: str) -> Any:
        """The page of an import: progress, what was found, the confirmation, the result."""
        job = self._import(pk)
        is_people = job.kind == "import_people"
        form = ConfirmPeopleForm() if is_people else ConfirmForm()
        form.expected_version.data = job.version
        return self._page(job, form)

    @expose("/confirm/<pk>", methods=["POST"])
    @has_access
    def confirm(self, pk: str) -> Any:
        """Create what the dry run has shown."""
        job = self._import(pk)
        form = ConfirmPeopleForm() if job.kind == "import_people" else ConfirmForm()
        proofs = [
            (file.filename or "", file.stream.read(importing.PROOF_BYTES + 1))
            for file in request.files.getlist("proofs")
            if file.filename
        ]
        now = clock.now()
        return self.answer_form(
            form,
            _("Create the accounts"),
            lambda: importing.confirm_import(
                job.id,
                expected_version=form.version,
                declared=bool(form.declared.data) if "declared" in form else False,
                proofs=proofs,
                actor=self.actor,
                now=now,
            ),
            lambda _job: redirect(self.path("check", pk), 303),
            back=self.path("check", pk),
            submit_label=_("Create now"),
        )

    @expose("/codes/<pk>", methods=["POST"])
    @has_access
    def codes(self, pk: str) -> Any:
        """The hand-out sheet, once."""
        job = self._import(pk)
        now = clock.now()
        with unit_of_work():
            content = hand_out.take_hand_out_sheet(job.id, say, actor=self.actor, now=now)
        return send_content(content, f"{_('Activation codes')}.xlsx", XLSX)

    # ---- what the pages show

    def _page(self, job: BackgroundJob, form: ConfirmForm) -> Any:
        layout = importing.layout_of_job(job)
        is_written = "written" in job.report
        counts = job.report.get("written" if is_written else "checked", {})
        page, pages, rows = self._rows_to_show(job, is_written)
        errors = find_job_file(job.id, JobFilePurpose.ERRORS)
        codes = hand_out.count_codes(job.id) if is_written else 0
        is_moving = job.state in {JobState.QUEUED, JobState.RUNNING}
        return self.render_template(
            "imports/check.html",
            title=say(layout.title),
            steps=STEPS,
            step=_step(job, codes),
            row=job,
            form=form,
            is_moving=is_moving,
            is_waiting=job.state is JobState.WAITING_FOR_CONFIRMATION,
            is_stopped=job.state in {JobState.FAILED, JobState.CANCELLED},
            has_something=bool(counts.get("new") or counts.get("changed")),
            outcome=say_outcome(job),
            counts=[
                (label, counts.get(word.value, 0), word.value)
                for word, label in (RESULTS if is_written else OUTCOMES).items()
            ]
            if counts
            else [],
            rows=[self._shown(each, layout, is_written) for each in rows],
            page=page,
            pages=pages,
            url_for_page=lambda number: f"{self.path('check', job.id)}?page={number}",
            errors_url=f"/jobs/file/{job.id}/errors" if errors else "",
            codes=codes,
            proofs=db.session.scalars(
                select(ImportProof.filename).where(ImportProof.job_id == job.id)
            ).all(),
            kept_until=show_instant(job.expires_at),
            new_url=self.path("new", layout.word),
        )

    def _rows_to_show(
        self, job: BackgroundJob, is_written: bool
    ) -> tuple[int, int, list[ImportRow]]:
        """A page of the rows to look at: those with problems first, then changed and new ones."""
        column = ImportRow.result if is_written else ImportRow.outcome
        total = db.session.scalar(select(func.count()).where(ImportRow.job_id == job.id)) or 0
        pages = max(1, -(-total // ROWS_A_PAGE))
        asked = request.args.get("page", "")
        page = min(max(int(asked), 1), pages) if is_key(asked) else 1
        rows = db.session.scalars(
            select(ImportRow)
            .where(ImportRow.job_id == job.id)
            .order_by(
                (column == RowOutcome.FAILING).desc(),
                (column == RowOutcome.CHANGED).desc(),
                ImportRow.number,
            )
            .offset((page - 1) * ROWS_A_PAGE)
            .limit(ROWS_A_PAGE)
        ).all()
        return page, pages, list(rows)

    @staticmethod
    def _shown(row: ImportRow, layout: SheetLayout, is_written: bool) -> dict[str, Any]:
        outcome = (row.result or row.outcome) if is_written else row.outcome
        headings = {column.key: say(column.heading) for column in layout.columns}
        return {
            "number": row.number,
            "name": row.label,
            "outcome": outcome.value,
            "outcome_name": (RESULTS if is_written else OUTCOMES)[outcome],
            "problems": say_problems(row.problems, layout, say),
            "changes": [headings.get(key, key) for key in row.changes],
        }

    # ---- what one may import

    def _import(self, pk: str) -> BackgroundJob:
        job: BackgroundJob = self._readable(pk)
        if not job.kind.startswith("import_"):
            abort(404)
        return job

    def _layouts(self) -> list[SheetLayout]:
        """The sheets the actor may import at all."""
        if self.actor.unit_id is None:
            return []
        words = ["people"]
        if allowed_kinds(self.actor):
            words.append("units")
        if self.actor.has_role(R.PROVINCE_HRSS):
            words += ["legacy_units", "legacy_people"]
        return [LAYOUTS[word] for word in words]

    def _layout(self, word: str) -> SheetLayout:
        found = next((layout for layout in self._layouts() if layout.word == word), None)
        if found is None:
            abort(404)
        return found


def _step(job: BackgroundJob, codes: int) -> str:
    if job.stage == importing.WRITE:
        return "hand_out" if job.state is JobState.DONE else "write"
    return "check"


def register(appbuilder: Any) -> None:
    """Add the screen."""
    add_screen(
        appbuilder, ImportView, "Bulk creation", label=_l("Bulk creation"), category="master"
    )
