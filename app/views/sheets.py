"""Uploading a sheet that is taken over whole or not at all, with every problem named by its
cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.messages import say
from app.services.imports.refusals import CellProblem, SheetRefusedError
from app.services.settings import parameter
from app.views import forms as f
from app.views.records import RecordView
from app.views.widgets import PortalFileInput

T = TypeVar("T")
MOST_SHOWN = 200
"""Problems of one sheet shown at a time."""


class SheetForm(f.PortalForm):
    """A filled-in sheet."""

    file = f.upload(_l("Filled-in sheet (.xlsx)"), accept=".xlsx", max_bytes=0)


def answer_sheet(
    view: RecordView,
    form: SheetForm,
    title: Any,
    work: Callable[[bytes], T],
    done: Callable[[T], Any],
    *,
    download: str,
    **context: Any,
) -> Any:
    """Show the upload; when a file came, run `work` with it; what refuses it is listed below."""
    most = int(parameter("import_most_megabytes")) * 1024 * 1024
    form.file.widget = PortalFileInput(accept=".xlsx", max_bytes=most)
    problems: list[CellProblem] = []

    def take() -> T:
        _name, content = f.read_upload("file", most) or ("", b"")
        try:
            return work(content)
        except SheetRefusedError as error:
            problems.extend(error.problems)
            raise

    return view.answer_form(
        form,
        title,
        take,
        done,
        template="master/sheet.html",
        submit_label=_("Upload and check"),
        download=download,
        problems=problems,
        most_shown=MOST_SHOWN,
        say_problem=lambda problem: problem.sentence(say),
        **context,
    )
