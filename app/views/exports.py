"""导出账号: what of the accounts, masked or with a reason; the file comes from the background."""

from __future__ import annotations

import re
from typing import Any

from flask import redirect, request, session
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from app import clock
from app.domain.terms import AccountKind
from app.domain.workflow import ActorRole as R
from app.extensions import db
from app.models import Account, Unit
from app.security.scope import read_criterion
from app.services.imports import exporting
from app.views import forms as f
from app.views.accounts import match_accounts
from app.views.base import is_key, scoped
from app.views.labels import choices_of
from app.views.records import UNUSED, RecordView

EXPORTERS = (
    R.PROVINCE_HRSS,
    R.HRSS,
    R.COMPETENT_DEPARTMENT,
    R.UNIT_ADMIN,
    R.UNIT_HANDLER,
    R.SECURITY_ADMIN,
)
MOST_FOUND = 2000
"""A search narrows an export to so many accounts at most."""


class ExportForm(f.PortalForm):
    """What is exported."""

    kind = f.choice(
        _l("Kind of account"), lambda: choices_of([AccountKind.PERSONAL, AccountKind.UNIT])
    )
    unit = f.lookup(_l("Unit"), Unit, hint=_l("Empty: all units you look after."))
    active = f.choice(
        _l("State"),
        lambda: [("", _("All")), ("y", _("Active")), ("n", _("Locked"))],
        required=False,
    )
    with_full_numbers = f.tick(
        _l("With full document and telephone numbers"),
        hint=_l("Only with a reason; every number is logged as shown, with your name."),
    )
    reason = f.area(_l("Reason for the full numbers"), longest=300)


class ExportView(RecordView):
    """导出账号."""

    route_base = "/exports"
    datamodel = scoped(Account)
    default_view = "new"
    class_permission_name = "Export of accounts"
    exclude_route_methods = {*UNUSED, "add", "edit", "list", "show"}
    grants = dict.fromkeys(EXPORTERS, frozenset({"can_new"}))

    @expose("/new", methods=["GET", "POST"])
    @has_access
    def new(self) -> Any:
        """Choose what to export, beginning with what the list was filtered by."""
        form = ExportForm(data=self._from_the_list())
        term = session.get("account_searches", {}).get(request.args.get("q", ""))
        if not exporting.may_export_full_numbers(self.actor):
            del form.with_full_numbers
            del form.reason
        now = clock.now()
        return self.answer_form(
            form,
            _("Export accounts"),
            lambda: exporting.ask_export(
                AccountKind(form.kind.data),
                unit_id=form.unit.data.id if form.unit.data else None,
                is_active={"y": True, "n": False}.get(form.active.data or ""),
                account_ids=self._found(term),
                with_full_numbers="with_full_numbers" in form and form.with_full_numbers.data,
                reason=form.reason.data or "" if "reason" in form else "",
                actor=self.actor,
                now=now,
            ),
            lambda job: redirect(f"/jobs/show/{job.id}", 303),
            lead=_("Only what your search has found is exported.") if term else "",
            submit_label=_("Export"),
            back="/accounts/list/",
            note=_("Numbers are masked. The file can be imported again; what is unchanged stays."),
        )

    def _from_the_list(self) -> dict[str, Any]:
        """The filters of the list of accounts, as its address carries them."""
        given: dict[str, Any] = {}
        for name, value in request.args.items():
            found = re.fullmatch(r"_flt_0_(kind|unit|active)", name)
            if found is None:
                continue
            if found[1] == "unit":
                given["unit"] = scoped(Unit).get(value) if is_key(value) else None
            else:
                given[found[1]] = value
        return given

    def _found(self, term: str | None) -> list[int] | None:
        """The accounts a search in the list has found: their ids say nothing about anybody."""
        if not term:
            return None
        query = select(Account.id).where(match_accounts(term), read_criterion(Account, self.actor))
        return list(db.session.scalars(query.order_by(Account.id).limit(MOST_FOUND)))


def register(appbuilder: Any) -> None:
    """Add the screen; the list of accounts leads to it."""
    appbuilder.add_view_no_menu(ExportView)
