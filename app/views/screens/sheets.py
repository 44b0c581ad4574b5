"""由表格生成表单草稿: the fields of a screen as a sheet, written, changed in Excel, read back as a
draft."""

from __future__ import annotations

from typing import Any

from flask import abort, current_app, flash, redirect, request
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from itsdangerous import BadSignature, URLSafeSerializer

from app import clock
from app.domain.errors import DomainError
from app.domain.workflow import ActorRole as R
from app.extensions import unit_of_work
from app.messages import explain, say
from app.security.actors import current_actor
from app.services.definitions import sheets
from app.services.definitions.sheets import SheetPlan
from app.services.job_files import XLSX
from app.views import forms as f
from app.views.background_jobs import send_content
from app.views.base import ALL, PortalView
from app.views.menu import add_screen
from app.views.screens.words import say as say_label
from app.views.screens.words import say_difference
from app.views.sheets import SheetForm, SheetPage


class TakeForm(f.PortalForm):
    """Confirms what a sheet would change."""


class ScreenSheetView(PortalView):
    """The screens, their sheets, and what an uploaded one would change."""

    route_base = "/screen-sheets"
    default_view = "home"
    grants = {R.SYSTEM_ADMIN: ALL, R.PROVINCE_HRSS: ALL}

    @expose("/")
    @has_access
    def home(self) -> Any:
        """The screens that can be written in a sheet."""
        return self.render_template(
            "screens/sheets.html",
            title=_("Draft of a form from a sheet"),
            screens=[(key, say_label(label)) for key, label in sheets.list_screens()],
        )

    @expose("/download/<key>", methods=["GET"])
    @has_access
    def download(self, key: str) -> Any:
        """The sheet, filled with the draft or with what is in force."""
        title = self._title(key)
        return send_content(sheets.write_sheet(key, say), f"{title}.xlsx", XLSX)

    @expose("/upload/<key>", methods=["GET", "POST"])
    @has_access
    def upload(self, key: str) -> Any:
        """Read a sheet and show what it would change; nothing is written yet."""
        title = self._title(key)
        page = SheetPage(SheetForm(), f"/screen-sheets/download/{key}")
        return self.answer(
            page.form,
            lambda: self._show_plan(
                key, title, page.read(lambda content: sheets.plan_sheet(key, content, say))
            ),
            "master/sheet.html",
            title=title,
            lead=_("Change the fields in Excel and upload the sheet; you see what would change."),
            back="/screen-sheets/",
            **page.context(),
        )

    def _show_plan(self, key: str, title: str, plan: SheetPlan) -> Any:
        if not plan.values:
            flash(_("The sheet says what is on file already. Nothing has changed."), "success")
            return redirect("/screen-sheets/", 303)
        return self.render_template(
            "screens/sheet_plan.html",
            title=title,
            form=TakeForm(formdata=None, data={"expected_version": plan.expected_version}),
            key=key,
            plan=_seal().dumps([key, plan.values]),
            sentences=[say_difference(each) for each in plan.differences],
            back=f"/screen-sheets/upload/{key}",
        )

    @expose("/take/<key>", methods=["POST"])
    @has_access
    def take(self, key: str) -> Any:
        """Make what was shown the draft."""
        self._title(key)
        try:
            planned, values = _seal().loads(request.form.get("plan", ""))
        except BadSignature:
            planned, values = "", {}
        if planned != key:
            flash(_("This page is no longer valid. Upload the sheet again."), "danger")
            return redirect(f"/screen-sheets/upload/{key}", 303)
        try:
            with unit_of_work():
                sheets.take_plan(
                    key,
                    values,
                    expected_version=f.posted_version(),
                    actor=current_actor(),
                    now=clock.real_now(),
                )
        except DomainError as error:
            flash(explain(error), "danger")
        else:
            flash(_("The sheet is a draft now. Look at it, then publish it."), "success")
            return redirect(f"/screens/edit/{key}", 303)
        return redirect("/screen-sheets/", 303)

    @staticmethod
    def _title(key: str) -> str:
        label = dict(sheets.list_screens()).get(key)
        if label is None:
            abort(404)
        return str(say_label(label))


def _seal() -> URLSafeSerializer:
    """Signs a plan on its way through the browser, so that what is taken is what was shown."""
    return URLSafeSerializer(current_app.secret_key or "", salt="sheet-plan")


def register(appbuilder: Any) -> None:
    """Add the screen."""
    add_screen(
        appbuilder,
        ScreenSheetView,
        "Screen sheets",
        label=_l("Draft of a form from a sheet"),
        category="screens",
    )
