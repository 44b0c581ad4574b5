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
from app.views.widgets import PortalFileInput

T = TypeVar("T")
MOST_SHOWN = 200
"""Problems of one sheet shown at a time."""


class SheetForm(f.PortalForm):
    """A filled-in sheet."""

    file = f.upload(_l("Filled-in sheet (.xlsx)"), accept=".xlsx", max_bytes=0)


class SheetPage:
    """The upload of a sheet and the problems found in it, for `master/sheet.html`."""

    def __init__(self, form: SheetForm, download: str) -> None:
        self.form = form
        self.download = download
        self.problems: list[CellProblem] = []
        self._most = int(parameter("import_most_megabytes")) * 1024 * 1024
        form.file.widget = PortalFileInput(accept=".xlsx", max_bytes=self._most)

    def read(self, work: Callable[[bytes], T]) -> T:
        """Run `work` with the posted file and keep the problems it refuses."""
        _name, content = f.read_upload("file", self._most) or ("", b"")
        try:
            return work(content)
        except SheetRefusedError as error:
            self.problems.extend(error.problems)
            raise

    def context(self) -> dict[str, Any]:
        """What the template shows beside the form."""
        return {
            "submit_label": _("Upload and check"),
            "download": self.download,
            "problems": self.problems,
            "most_shown": MOST_SHOWN,
            "say_problem": lambda problem: problem.sentence(say),
        }
