"""操作日志、个人信息查阅记录、后台作业日志: read only."""

from __future__ import annotations

import json
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select
from wtforms import SelectField

from app.domain.workflow import ActorRole as R
from app.extensions import db
from app.models import Account, AuditEntry, JobRun, PersonalDataRead, Unit
from app.security.guard import cover, hidden_in_history
from app.security.veil import HIDDEN
from app.views import audit_names as names
from app.views.base import READ, scoped
from app.views.labels import name_of
from app.views.menu import add_screen
from app.views.presentation import show_instant
from app.views.records import RecordView


def show_role_names(text: str) -> str:
    """The names of the roles an entry was written under."""
    known = {role.value: role for role in R}
    return "、".join(name_of(known[part]) if part in known else part for part in text.split(","))


class AuditView(RecordView):
    """操作日志."""

    route_base = "/audit"
    datamodel = scoped(AuditEntry)
    grants = {R.AUDIT_ADMIN: READ}
    list_title = _l("Audit entries")
    list_columns = [
        "recorded_at",
        "actor_name",
        "role",
        "action",
        "object_type",
        "object_id",
        "reason",
    ]
    search_columns = ["recorded_at", "actor_name", "action", "object_type", "object_id"]
    order_columns = ["recorded_at", "actor_name", "action", "object_type"]
    label_columns = {
        "recorded_at": _l("Recorded at"),
        "actor_name": _l("Who"),
        "role": _l("Role"),
        "action": _l("Action"),
        "object_type": _l("Object"),
        "object_id": _l("Number of the object"),
        "reason": _l("Reason"),
    }
    formatters_columns = {
        "recorded_at": show_instant,
        "role": show_role_names,
        "action": names.name_action,
        "object_type": names.name_object,
    }
    search_form_extra_fields = {
        "action": SelectField(_l("Action"), choices=lambda: names.choices_of(names.ACTIONS)),
        "object_type": SelectField(_l("Object"), choices=lambda: names.choices_of(names.OBJECTS)),
    }
    record_template = "audit/show.html"

    def record_title(self, row: AuditEntry) -> str:
        """What was done."""
        what = f"{names.name_object(row.object_type)} {row.object_id}"
        return f"{names.name_action(row.action)} · {what}"

    def facts(self, row: AuditEntry) -> list[tuple[Any, Any]]:
        """Who, when, where, why."""
        unit = db.session.get(Unit, row.unit_id) if row.unit_id else None
        return [
            (_("Recorded at"), show_instant(row.recorded_at)),
            (_("In the portal's time"), show_instant(row.at)),
            (_("Who"), row.actor_name),
            (_("Role"), show_role_names(row.role)),
            (_("Unit"), str(unit or "")),
            (_("Network address"), row.address),
            (_("Reason"), row.reason),
        ]

    def record_context(self, row: AuditEntry) -> dict[str, Any]:
        """Before and after, readable, as far as the reader may see the fields of that row."""
        names = hidden_in_history(self.actor, row.object_type, row.object_id)
        return {
            "before": _pretty(cover(row.before, names, hidden=str(HIDDEN))),
            "after": _pretty(cover(row.after, names, hidden=str(HIDDEN))),
        }


def _pretty(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False, indent=2)


class PersonalDataView(RecordView):
    """个人信息查阅记录."""

    route_base = "/personal-data"
    datamodel = scoped(PersonalDataRead)
    exclude_route_methods = RecordView.exclude_route_methods | {"show"}
    grants = {R.AUDIT_ADMIN: frozenset({"can_list"})}
    list_title = _l("Views of personal numbers")
    list_columns = ["recorded_at", "account_id", "person_id", "field", "reason"]
    search_columns = ["recorded_at", "reason"]
    order_columns = ["recorded_at"]
    label_columns = {
        "recorded_at": _l("Recorded at"),
        "account_id": _l("Who"),
        "person_id": _l("Number of the person"),
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
        fields = {"identity_number": _("Document number"), "phone": _("Mobile number")}
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
