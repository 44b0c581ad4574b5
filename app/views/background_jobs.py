"""我的后台作业: long work one has asked for - its progress, its files, its end."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from flask import Response, abort, jsonify
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import SelectField

from app import clock
from app.domain.errors import ConflictError, DomainError
from app.domain.messages import N_
from app.domain.terms import JobFilePurpose, JobState
from app.domain.workflow import ActorRole as R
from app.messages import explain
from app.models import BackgroundJob, JobFile
from app.services import background_jobs, job_files
from app.views.base import READ, scoped
from app.views.labels import choices_of, name_of, shown_as
from app.views.menu import add_screen
from app.views.presentation import show_instant
from app.views.records import RecordView

OWN = READ | {"can_cancel", "can_progress", "can_file"}

KINDS = {
    "import_people": N_("Personal accounts from Excel"),
    "import_units": N_("Subordinate units from Excel"),
    "import_legacy_units": N_("Units of 2021 from Excel"),
    "import_legacy_people": N_("Personal accounts of 2021 from Excel"),
    "export_accounts": N_("Export of accounts"),
}
"""What each kind of background job is called."""

PAGES = dict.fromkeys((kind for kind in KINDS if kind.startswith("import_")), "/imports/check")
"""Kinds whose result has a page of its own."""

FILES = {
    JobFilePurpose.UPLOAD: N_("The uploaded file"),
    JobFilePurpose.ERRORS: N_("Failing rows with the reasons"),
    JobFilePurpose.RESULT: N_("The finished file"),
}
BADGES = {
    JobState.QUEUED: "idle",
    JobState.RUNNING: "active",
    JobState.WAITING_FOR_CONFIRMATION: "soon",
    JobState.DONE: "ok",
    JobState.FAILED: "late",
    JobState.CANCELLED: "idle",
}


def name_kind(kind: str) -> str:
    """What a kind of job is called; its word where it has no name."""
    return str(_(KINDS[kind])) if kind in KINDS else kind


def say_outcome(job: BackgroundJob) -> str:
    """The sentence a job has ended or stopped with."""
    if not job.message:
        return ""
    return explain(DomainError(job.message, **job.message_params))


class BackgroundJobView(RecordView):
    """我的后台作业."""

    route_base = "/jobs"
    datamodel = scoped(BackgroundJob)
    grants = dict.fromkeys(
        (
            R.PROVINCE_HRSS,
            R.HRSS,
            R.COMPETENT_DEPARTMENT,
            R.UNIT_ADMIN,
            R.UNIT_HANDLER,
            R.COMMITTEE_OFFICE,
            R.SUPERVISOR,
            R.SYSTEM_ADMIN,
            R.SECURITY_ADMIN,
            R.AUDIT_ADMIN,
        ),
        OWN,
    )
    list_title = _l("My background jobs")
    list_columns = ["kind", "state", "asked_at", "done", "total", "finished_at", "expires_at"]
    search_columns = ["state"]
    order_columns = ["asked_at", "finished_at"]
    label_columns = {
        "kind": _l("Job"),
        "state": _l("State"),
        "asked_at": _l("Asked for at"),
        "done": _l("Done rows"),
        "total": _l("of"),
        "finished_at": _l("Finished at"),
        "expires_at": _l("Kept until"),
    }
    formatters_columns = {
        "kind": name_kind,
        "state": shown_as(JobState),
        **dict.fromkeys(("asked_at", "finished_at", "expires_at"), show_instant),
    }
    search_form_extra_fields = {
        "state": SelectField(_l("State"), choices=lambda: choices_of(JobState))
    }
    record_template = "jobs/show.html"

    def record_title(self, row: BackgroundJob) -> str:
        """What kind of work it is."""
        return name_kind(row.kind)

    def facts(self, row: BackgroundJob) -> list[tuple[Any, Any]]:
        """When it was asked for, when it ended, how long its files are kept."""
        return [
            (_("Asked for at"), show_instant(row.asked_at)),
            (_("Finished at"), show_instant(row.finished_at)),
            (_("Files kept until"), show_instant(row.expires_at)),
        ]

    def record_context(self, row: BackgroundJob) -> dict[str, Any]:
        """State, sentence, files."""
        return {
            "badge": BADGES[row.state],
            "state_name": name_of(row.state),
            "outcome": say_outcome(row),
            "is_moving": row.state in {JobState.QUEUED, JobState.RUNNING},
            "page_url": f"{PAGES[row.kind]}/{row.id}" if row.kind in PAGES else "",
            "files": [
                (str(_(FILES[file.purpose])), file, self.path("file", f"{row.id}/{file.purpose}"))
                for file in row.files
                if file.file_key is not None
            ],
        }

    def page_actions(self, row: BackgroundJob) -> list[dict[str, Any]]:
        """Cancelling, while there is something to cancel."""
        if row.state in background_jobs.ENDED or row.wants_cancel:
            return []
        return self.button(
            "cancel",
            row,
            _("Cancel the job"),
            confirm=_("Cancel it? What has been done so far stays."),
            danger=True,
        )

    @expose("/progress/<pk>", methods=["GET"])
    @has_access
    def progress(self, pk: str) -> Any:
        """How far the job is, for the page that watches it."""
        row = self._readable(pk)
        answer = jsonify(state=row.state.value, done=row.done, total=row.total)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @expose("/cancel/<pk>", methods=["POST"])
    @has_access
    def cancel(self, pk: str) -> Any:
        """Cancel a job."""
        row = self._readable(pk)
        now = clock.now()
        return self.perform(
            lambda: background_jobs.cancel_job(row.id, actor=self.actor, now=now),
            _("The job is being cancelled."),
            self.path("show", pk),
        )

    @expose("/file/<pk>/<purpose>", methods=["GET"])
    @has_access
    def file(self, pk: str, purpose: str) -> Any:
        """A file of one's own job."""
        row = self._readable(pk)
        if purpose not in set(JobFilePurpose):
            abort(404)
        found = job_files.find_job_file(row.id, JobFilePurpose(purpose))
        if found is None:
            raise ConflictError(
                N_("This file has been deleted: its time is over. Start the job again.")
            )
        return send_job_file(found)


def send_job_file(file: JobFile) -> Response:
    """A file as a download nobody keeps on the way."""
    return send_content(job_files.read_job_file(file), file.filename, file.media_type)


def send_content(content: bytes, filename: str, media_type: str) -> Response:
    """Bytes as a download nobody keeps on the way."""
    answer = Response(content, mimetype=media_type)
    answer.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(filename)}"
    answer.headers["Cache-Control"] = "no-store"
    return answer


def register(appbuilder: Any) -> None:
    """Add the screen."""
    add_screen(
        appbuilder,
        BackgroundJobView,
        "My background jobs",
        label=_l("My background jobs"),
        category="work",
    )
