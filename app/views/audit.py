"""操作日志、个人信息查阅记录、后台作业日志: read only."""

from __future__ import annotations

from io import BytesIO
from typing import Any
from urllib.parse import urlencode

from flask import flash, redirect, request, send_file
from flask_appbuilder import expose
from flask_appbuilder.models.filters import BaseFilter
from flask_appbuilder.security.decorators import has_access
from flask_appbuilder.urltools import get_filter_args
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup
from sqlalchemy import func, select
from werkzeug.datastructures import ImmutableMultiDict
from wtforms import SelectField

from app import clock
from app.domain.errors import DomainError, RuleViolation
from app.domain.messages import N_
from app.domain.workflow import ActorRole as R
from app.extensions import db, unit_of_work
from app.logs import mask
from app.messages import explain
from app.models import Account, AuditEntry, JobRun, PersonalDataRead
from app.security.guard import cover, hidden_in_history
from app.security.veil import HIDDEN
from app.services import audit
from app.services.audit_chain import place_of
from app.views import audit_names as names
from app.views.audit_differences import differences
from app.views.audit_export import MOST_EXPORTED, XLSX, write_workbook
from app.views.audit_roles import show_role_names
from app.views.base import READ, scoped
from app.views.labels import name_of
from app.views.menu import add_screen
from app.views.presentation import show_instant
from app.views.records import RecordView


class FilterHasRole(BaseFilter):
    """The entry was written under this role, alone or among others."""

    name = _l("Equal to")
    arg_name = "eq"

    def apply(self, query: Any, value: str) -> Any:
        """Keep the entries whose list of roles holds the word."""
        roles = func.string_to_array(AuditEntry.role, ",")
        return query.filter(func.array_position(roles, value).is_not(None))


def _breakable(object_id: str) -> Markup:
    """Keys like node_forward_days may break behind an underscore: cards are narrow."""
    return Markup("_<wbr>").join(object_id.split("_"))


class AuditView(RecordView):
    """操作日志."""

    route_base = "/audit"
    datamodel = scoped(AuditEntry, "link", "unit")
    grants = {R.AUDIT_ADMIN: READ | {"can_export"}}
    list_title = _l("Audit entries")
    list_template = "audit/list.html"
    list_columns = [
        "recorded_at",
        "actor_name",
        "role",
        "action",
        "object_type",
        "object_id",
        "reason",
        "number",
    ]
    search_columns = [
        "recorded_at",
        "actor_name",
        "unit",
        "role",
        "action",
        "object_type",
        "object_id",
        "address",
        "reason",
    ]
    order_columns = ["recorded_at"]
    label_columns = {
        "recorded_at": _l("Recorded at"),
        "actor_name": _l("Who"),
        "unit": _l("Unit"),
        "role": _l("Role"),
        "action": _l("Action"),
        "object_type": _l("Object of the action"),
        "object_id": _l("Number of the object"),
        "address": _l("Network address"),
        "reason": _l("Reason"),
        "number": _l("Number in the chain"),
    }
    formatters_columns = {
        "recorded_at": show_instant,
        "role": show_role_names,
        "action": names.name_action,
        "object_id": _breakable,
        "object_type": names.name_object,
    }
    search_form_extra_fields = {
        "role": SelectField(
            _l("Role"), choices=lambda: [(role.value, name_of(role)) for role in R]
        ),
        "action": SelectField(_l("Action"), choices=lambda: names.choices_of(names.ACTIONS)),
        "object_type": SelectField(
            _l("Object of the action"), choices=lambda: names.choices_of(names.OBJECTS)
        ),
    }
    record_template = "audit/show.html"

    def _init_properties(self) -> None:
        super()._init_properties()
        filters = self.__dict__["_shared_filters"]
        for known in (filters._search_filters, filters._all_filters):
            known["role"] = [FilterHasRole("role", self.datamodel)]

    def record_title(self, row: AuditEntry) -> str:
        """What was done."""
        what = f"{names.name_object(row.object_type)} {row.object_id}"
        return f"{names.name_action(row.action)} · {what}"

    def facts(self, row: AuditEntry) -> list[tuple[Any, Any]]:
        """Who, when, where, why."""
        return [
            (_("Recorded at"), show_instant(row.recorded_at)),
            (_("In the portal's time"), show_instant(row.at)),
            (_("Who"), row.actor_name),
            (_("Role"), show_role_names(row.role)),
            (_("Unit"), str(row.unit or "")),
            (_("Network address"), row.address),
            (_("Reason"), row.reason),
        ]

    def record_context(self, row: AuditEntry) -> dict[str, Any]:
        """Before and after, readable, as far as the reader may see the fields of that row; the
        place in the chain."""
        covered = hidden_in_history(self.actor, row.object_type, row.object_id)
        before, after = (
            cover(each, covered, hidden=str(HIDDEN)) for each in (row.before, row.after)
        )
        return {
            "lines": differences(before, after),
            "place": place_of(row),
            "history": f"/audit/list/?{urlencode(_same_object(self, row))}",
        }

    @expose("/export", methods=["POST"])
    @has_access
    def export(self) -> Any:
        """What is filtered, as an Excel file; the export is an entry itself."""
        filters = self._filters
        filters.clear_filters()
        request.args = ImmutableMultiDict(
            [pair for pair in request.args.items(multi=True) if self._is_usable(*pair)]
        )
        get_filter_args(filters)
        asked = mask(" ".join(f"{key[7:]}={value}" for key, value in request.args.items()))
        try:
            rows = self._rows_to_export(filters)
        except DomainError as error:
            flash(explain(error), "danger")
            return redirect(f"{self.path('list/')}?{request.query_string.decode()}", 303)
        with unit_of_work():
            audit.record(
                "export_audit",
                audit.Subject("AuditEntry"),
                actor=self.actor,
                now=clock.now(),
                after={"rows": len(rows), "filter": asked[:500]},
            )
        return send_file(
            BytesIO(write_workbook(rows, self.actor)),
            mimetype=XLSX,
            as_attachment=True,
            download_name=f"{_('Audit entries')}.xlsx",
            max_age=0,
        )

    def _rows_to_export(self, filters: Any) -> list[AuditEntry]:
        joined = filters.get_joined_filters(self._base_filters)
        count, rows = self.datamodel.query(
            joined, "id", "desc", page=0, page_size=MOST_EXPORTED + 1
        )
        if count > MOST_EXPORTED:
            raise RuleViolation(
                N_("These are more than %(limit)s entries. Narrow the time or another filter."),
                limit=MOST_EXPORTED,
            )
        if not rows:
            raise RuleViolation(N_("Nothing fits this filter, so there is nothing to export."))
        return rows


def _same_object(view: AuditView, row: AuditEntry) -> dict[str, str]:
    """The arguments of the list that keep the entries about the same object."""
    available = view._filters.get_search_filters()
    found = {}
    for column in ("object_type", "object_id"):
        place = next(n for n, each in enumerate(available[column]) if each.arg_name == "eq")
        found[f"_flt_{place}_{column}"] = getattr(row, column)
    return found


class PersonalDataView(RecordView):
    """个人信息查阅记录."""

    route_base = "/personal-data"
    datamodel = scoped(PersonalDataRead)
    exclude_route_methods = RecordView.exclude_route_methods | {"show"}
    grants = {R.AUDIT_ADMIN: frozenset({"can_list"})}
    list_title = _l("Views of personal numbers")
    list_columns = ["recorded_at", "account_id", "person_id", "unit_id", "field", "reason"]
    search_columns = ["recorded_at", "reason"]
    order_columns = ["recorded_at"]
    label_columns = {
        "recorded_at": _l("Recorded at"),
        "account_id": _l("Who"),
        "person_id": _l("Number of the person"),
        "unit_id": _l("Number of the unit"),
        "field": _l("Number"),
        "reason": _l("Reason"),
    }

    def _get_list_widget(self, filters: Any, **kwargs: Any) -> Any:
        """Name the readers of the page with one query."""
        widgets = super()._get_list_widget(filters, **kwargs)
        args = widgets["list"].template_args
        rows = [*args["value_columns"]]
        ids = {row["account_id"] for row in rows}
        found = select(Account.id, Account.first_name).where(Account.id.in_(ids))
        names = dict(db.session.execute(found).all())
        fields = {
            "identity_number": _("Document number"),
            "phone": _("Mobile number"),
            "contact_phone": _("Telephone of the contact"),
        }
        for row in rows:
            row["account_id"] = names.get(row["account_id"], row["account_id"])
            row["field"] = fields.get(row["field"], row["field"])
            row["recorded_at"] = show_instant(row["recorded_at"])
        args["value_columns"] = rows
        return widgets


class JobRunView(RecordView):
    """后台作业日志."""

    route_base = "/job-runs"
    datamodel = scoped(JobRun)
    grants = {R.SYSTEM_ADMIN: READ, R.AUDIT_ADMIN: READ}
    list_title = _l("Job runs")
    list_columns = ["started_at", "job", "business_at", "finished_at", "found", "changed", "error"]
    search_columns = ["started_at", "job", "error"]
    order_columns = ["started_at", "job"]
    label_columns = {
        "started_at": _l("Started at"),
        "job": _l("Job"),
        "business_at": _l("In the portal's time"),
        "finished_at": _l("Finished at"),
        "found": _l("Found"),
        "changed": _l("Changed"),
        "error": _l("Error"),
    }
    formatters_columns = {
        **dict.fromkeys(("started_at", "business_at", "finished_at"), show_instant),
        "job": names.name_job,
    }
    search_form_extra_fields = {
        "job": SelectField(_l("Job"), choices=lambda: names.choices_of(names.JOBS))
    }

    def record_title(self, row: JobRun) -> str:
        """Which job."""
        return names.name_job(row.job)

    def facts(self, row: JobRun) -> list[tuple[Any, Any]]:
        """When, what was found and changed."""
        return [
            (_("Started at"), show_instant(row.started_at)),
            (_("Finished at"), show_instant(row.finished_at)),
            (_("In the portal's time"), show_instant(row.business_at)),
            (_("Found"), row.found),
            (_("Changed"), row.changed),
            (_("Error"), row.error),
        ]


def register(appbuilder: Any) -> None:
    """Add the screens."""
    add_screen(appbuilder, AuditView, "Audit", label=_l("Audit entries"), category="system")
    add_screen(
        appbuilder,
        PersonalDataView,
        "Personal data",
        label=_l("Views of personal numbers"),
        category="system",
    )
    add_screen(appbuilder, JobRunView, "Job runs", label=_l("Job runs"), category="system")
