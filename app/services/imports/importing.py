"""An import from the upload to the last row: dry run, confirmation, creation in batches.

Nothing but the job's own tables is written before the confirmation. Every row is checked again
when it is written: between the two the world may change, and the report says what was done.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError

from app.domain.errors import ConflictError, DomainError, NotPermittedError, RuleViolation
from app.domain.messages import N_
from app.domain.sheets import LAYOUTS, Problem, SheetLayout
from app.domain.terms import JobFilePurpose, RowOutcome
from app.extensions import db
from app.models import BackgroundJob, ImportProof, ImportRow, JobFile
from app.services import background_jobs, job_files
from app.services.account_proofs import require_proof
from app.services.actors import Actor
from app.services.audit import record
from app.services.background_jobs import Ending, note_progress
from app.services.imports.choices import Say, fingerprint, list_choices, reading_table
from app.services.imports.error_file import build_error_file
from app.services.imports.legacy import LegacyPeopleChecker, LegacyUnitsChecker
from app.services.imports.packages import look_at_workbook
from app.services.imports.people import PeopleChecker
from app.services.imports.reading import FilledSheet, SheetRow, read_workbook
from app.services.imports.rows import Checked, Checker, CheckerMaker, as_stored, problem_of
from app.services.imports.units import UnitsChecker
from app.services.materials import clean_filename, store_file
from app.services.settings import parameter

CHECK: Final = "check"
WRITE: Final = "write"
CHECK_BATCH: Final = 250
WRITE_BATCH: Final = 25
MOST_PROOFS: Final = 5
PROOF_TYPES: Final = ("pdf", "jpg", "png")
PROOF_BYTES: Final = 5 * 1024 * 1024

CHECKERS: Final[Mapping[str, CheckerMaker]] = {
    "people": PeopleChecker,
    "units": UnitsChecker,
    "legacy_units": LegacyUnitsChecker,
    "legacy_people": LegacyPeopleChecker,
}

SOMEBODY_FASTER = N_("Somebody has entered the same at this moment. Upload the row again.")
CHANGED_MEANWHILE = N_(
    "The account has changed since the dry run. Upload the row again and look at the result."
)

TO_WRITE: Final = frozenset({RowOutcome.NEW, RowOutcome.CHANGED})


def kind_of(layout: SheetLayout) -> str:
    """The kind of background job that imports a sheet."""
    return f"import_{layout.word}"


def layout_of_job(job: BackgroundJob) -> SheetLayout:
    """The sheet a job imports; ConflictError for other kinds of job."""
    layout = LAYOUTS.get(job.kind.removeprefix("import_"))
    if layout is None or not job.kind.startswith("import_"):
        raise ConflictError(N_("This background job is no import."))
    return layout


def ask_import(
    layout: SheetLayout, filename: str, content: bytes, *, actor: Actor, now: datetime
) -> BackgroundJob:
    """Keep an uploaded file and have its rows checked in the background; nothing is created.

    Raises WorkbookRefusedError for what can be told at once, RuleViolation for too many jobs.
    """
    look_at_workbook(content, most_bytes=int(parameter("import_most_megabytes")) * 1024 * 1024)
    job = background_jobs.ask_for_job(
        kind_of(layout), {"sheet": layout.word}, stage=CHECK, actor=actor, now=now
    )
    job_files.keep_job_file(job, JobFilePurpose.UPLOAD, clean_filename(filename), content)
    record("ask_import", job, actor=actor, now=now, after={"sheet": layout.word})
    return job


def confirm_import(
    job_id: int,
    *,
    expected_version: int,
    declared: bool,
    proofs: Iterable[tuple[str, bytes]] = (),
    actor: Actor,
    now: datetime,
) -> BackgroundJob:
    """Create what the dry run has shown. For people `declared` is the statement of Annex 3 (E8),
    made once for the whole file; proofs of belonging are kept with the import.

    Raises RuleViolation without the statement or with nothing to write, FileRefusedError,
    StaleVersionError, ConflictError.
    """
    job = background_jobs.go_on_with_job(
        job_id, WRITE, expected_version=expected_version, actor=actor, now=now
    )
    layout = layout_of_job(job)
    if layout.word == "people" and not declared:
        raise RuleViolation(
            N_(
                "Confirm that all people of the file belong to your unit. Accounts for people of "
                "other units count as misconduct (Annex 3)."
            )
        )
    counts = count_outcomes(job.id)
    if not any(counts[outcome.value] for outcome in TO_WRITE):
        raise RuleViolation(N_("The file holds nothing that is new or changed."))
    given = list(proofs)
    if layout.word == "people" and counts[RowOutcome.NEW.value]:
        require_proof(is_given=bool(given))
    _keep_proofs(job, given, now)
    record(
        "confirm_import",
        job,
        actor=actor,
        now=now,
        after={"sheet": layout.word, "declared": declared, **counts},
    )
    return job


def _keep_proofs(job: BackgroundJob, proofs: list[tuple[str, bytes]], now: datetime) -> None:
    if len(proofs) > MOST_PROOFS:
        raise RuleViolation(N_("At most %(limit)s proof files are possible."), limit=MOST_PROOFS)
    for filename, content in proofs:
        name = clean_filename(filename)
        file = store_file(content, name, allowed_types=PROOF_TYPES, max_bytes=PROOF_BYTES, now=now)
        db.session.add(ImportProof(job_id=job.id, file_sha256=file.sha256, filename=name))
    db.session.flush()


def count_outcomes(job_id: int, *, written: bool = False) -> dict[str, int]:
    """How many rows are new, unchanged, changed, failing; after the writing, became so."""
    column = ImportRow.result if written else ImportRow.outcome
    found = dict(
        db.session.execute(
            select(column, func.count())
            .where(ImportRow.job_id == job_id, column.is_not(None))
            .group_by(column)
        ).all()
    )
    return {outcome.value: found.get(outcome, 0) for outcome in RowOutcome}


# ------------------------------------------------------------------ in the background


class ImportWork:
    """The two stages of an import: checking every row, then writing what was confirmed."""

    def __init__(self, job: BackgroundJob, say: Say) -> None:
        self.say = say
        self.layout = layout_of_job(job)
        self.sheet = _read_upload(job, self.layout, say)
        self._choices: dict[str, dict[str, str]] = {}
        self._checker: Checker | None = None

    def do_batch(self, job: BackgroundJob, *, actor: Actor, now: datetime) -> Ending | None:
        """Check or write the next rows."""
        if job.unit_id != actor.unit_id:
            raise NotPermittedError(
                N_("Your account has gone to another unit meanwhile. Upload the file again.")
            )
        checker = self._checker_for(actor)
        if job.stage == WRITE:
            return self._write(job, checker, actor=actor, now=now)
        return self._check(job, checker, now=now)

    def _checker_for(self, actor: Actor) -> Checker:
        """Made anew only when the actor's roles or unit have changed since the last batch."""
        if self._checker is not None and self._checker.actor == actor:
            return self._checker
        self._choices = list_choices(self.layout, actor=actor)
        tables = {name: reading_table(words, self.say) for name, words in self._choices.items()}
        self._checker = CHECKERS[self.layout.word](self.layout, tables, actor)
        self._checker.prepare(self.sheet.rows)
        return self._checker

    # ---- dry run

    def _check(self, job: BackgroundJob, checker: Checker, *, now: datetime) -> Ending | None:
        rows = self.sheet.rows[job.done : job.done + CHECK_BATCH]
        found = checker.check(rows, now=now)
        db.session.execute(insert(ImportRow), [_as_row(job.id, each) for each in found])
        note_progress(job, job.done + len(rows), len(self.sheet.rows))
        if job.done < job.total:
            return None
        counts = count_outcomes(job.id)
        self._make_error_file(job, written=False)
        return Ending(
            N_(
                "%(rows)s rows checked: %(new)s new, %(unchanged)s unchanged, %(changed)s changed, "
                "%(failing)s with problems. Nothing has been written yet."
            ),
            {"rows": job.total, **counts},
            report={"checked": counts, "is_outdated": self._is_outdated()},
            is_waiting=True,
        )

    def _is_outdated(self) -> bool:
        """Whether the configuration has changed since the template was downloaded."""
        printed = self.sheet.fingerprint
        return bool(printed) and printed != fingerprint(self.layout, self._choices)

    # ---- writing

    def _write(
        self, job: BackgroundJob, checker: Checker, *, actor: Actor, now: datetime
    ) -> Ending | None:
        rows = self.sheet.rows[job.done : job.done + WRITE_BATCH]
        kept = {
            row.number: row
            for row in db.session.scalars(
                select(ImportRow).where(
                    ImportRow.job_id == job.id, ImportRow.number.in_([r.number for r in rows])
                )
            )
        }
        wanted = [row for row in rows if kept[row.number].outcome in TO_WRITE]
        for each in sorted(checker.check(wanted, now=now), key=writing_order):
            write_row(checker, each, kept[each.row.number], now=now)
        for row in kept.values():
            if row.outcome not in TO_WRITE:
                row.result = row.outcome
        note_progress(job, job.done + len(rows), len(self.sheet.rows))
        if job.done < job.total:
            return None
        db.session.flush()
        counts = count_outcomes(job.id, written=True)
        self._make_error_file(job, written=True)
        record("finish_import", job, actor=actor, now=now, after=counts)
        return Ending(
            N_(
                "%(new)s created, %(changed)s changed, %(unchanged)s unchanged, %(failing)s not "
                "taken over."
            ),
            counts,
            report={"written": counts},
        )

    def _make_error_file(self, job: BackgroundJob, *, written: bool) -> None:
        column = ImportRow.result if written else ImportRow.outcome
        problems: dict[int, list[dict[str, Any]]] = dict(
            db.session.execute(
                select(ImportRow.number, ImportRow.problems).where(
                    ImportRow.job_id == job.id, column == RowOutcome.FAILING
                )
            ).all()
        )
        if not problems:
            job_files.drop_job_file(job, JobFilePurpose.ERRORS)
            return
        content = build_error_file(self.layout, self._choices, self.sheet, problems, self.say)
        ending = self.say(N_("failing rows"))
        name = f"{self.say(self.layout.title)}-{ending}.xlsx"
        job_files.keep_job_file(job, JobFilePurpose.ERRORS, name, content)


def writing_order(checked: Checked) -> tuple[str, int]:
    """One order for all imports: two that name the same people wait for each other, never in a
    circle."""
    return str(getattr(checked.draft, "digest", "")), checked.row.number


def write_row(checker: Checker, checked: Checked, row: ImportRow, *, now: datetime) -> None:
    """Write one row behind a savepoint; what is refused now stands as its problem."""
    confirmed = set(row.changes)
    if checked.outcome in TO_WRITE and not (
        checked.outcome is RowOutcome.CHANGED and not set(checked.changes) <= confirmed
    ):
        try:
            with db.session.begin_nested():
                written = checker.write(checked, now=now)
        except DomainError as error:
            checked.problems.append(problem_of(error))
        except IntegrityError:
            checked.problems.append(Problem("", SOMEBODY_FASTER))
        else:
            row.account_id = written.account_id
            row.activation_code = written.activation_code or None
    elif checked.outcome is RowOutcome.CHANGED:
        checked.problems.append(Problem("", CHANGED_MEANWHILE))
    row.result = checked.outcome
    row.problems = [as_stored(problem) for problem in checked.problems]


def _read_upload(job: BackgroundJob, layout: SheetLayout, say: Say) -> FilledSheet:
    file: JobFile | None = job_files.find_job_file(job.id, JobFilePurpose.UPLOAD)
    if file is None:
        raise ConflictError(N_("The uploaded file has been deleted: its time is over."))
    return read_workbook(
        job_files.read_job_file(file), layout, say, most_rows=int(parameter("import_most_rows"))
    )


def _as_row(job_id: int, checked: Checked) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "number": checked.row.number,
        "outcome": checked.outcome,
        "label": label_of(checked.row),
        "problems": [as_stored(problem) for problem in checked.problems],
        "changes": checked.changes,
        "account_id": checked.account_id,
    }


def label_of(row: SheetRow) -> str:
    """The name a row goes by on the page."""
    return row.cells.get("name", "")[:120]
